// SPDX-License-Identifier: GPL-2.0

//! Makes every allocation of an operation fail, one at a time.
//!
//! `failnth [--every N] OPERATION KIND [MODULE PARAMETERS]`: OPERATION is `load` (of the file MODULE, which
//! has the kind), `newlink`, `open`, `move` or `dellink`, of a device of the kind. It is done again and
//! again, and the kernel told to let the first allocation fail, then the second and so on, until
//! it comes to its end without a failure (`/proc/thread-self/fail-nth`, see
//! Documentation/fault-injection/fault-injection.rst). Each time it is either refused, and then
//! nothing has changed and the next attempt succeeds; or the kernel got along, and then it is
//! done. With `--every` only each N-th allocation is taken, of those that come after the first N.
//!
//! The system calls are made by this program itself, as the setting is one of the thread.

use clap::Parser;
use guest::{module, netns::NetNs, rtnl::Rtnl};
use nix::sys::mman::{mlockall, MlockAllFlags};
use std::{
    fs::{self, File},
    io::{Error, Result},
    net::UdpSocket,
    num::NonZeroU32,
    os::unix::fs::FileExt,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// Name of the device.
const NAME: &str = "fault0";
/// An operation that makes so many allocations does not exist.
const LIMIT: u32 = 20_000;

/// Makes every allocation of an operation fail, one at a time
#[derive(Parser)]
struct Options {
    /// Of the allocations that come after the first N only each N-th
    #[arg(long, value_name = "N", default_value = "1")]
    every: NonZeroU32,
    /// load, newlink, open, move or dellink
    #[arg(value_parser = operation)]
    operation: &'static Operation,
    /// Of the device
    kind: String,
    /// The file to load
    module: Option<PathBuf>,
    /// What it is loaded with
    #[arg(default_value = "")]
    parameters: String,
}

/// The operation of that name.
fn operation(name: &str) -> std::result::Result<&'static Operation, &'static str> {
    let found = OPERATIONS.iter().find(|o| o.name == name);
    found.ok_or("no operation")
}

/// Where the kernel is told which allocation fails.
struct Fault(File);

impl Fault {
    fn new() -> Result<Self> {
        let path = "/proc/thread-self/fail-nth";
        let file = File::options().read(true).write(true).open(path)?;
        // Pages that are not there yet would be allocated, too.
        mlockall(MlockAllFlags::all())?;
        Ok(Self(file))
    }

    /// Runs `f` with its `n`-th allocation failing; whether it came to that.
    fn at<T>(&self, n: u32, f: impl FnOnce() -> T) -> Result<(T, bool)> {
        let (text, mut left) = (n.to_string(), [0; 16]);
        self.0.write_at(text.as_bytes(), 0)?;
        let result = f();
        let len = self.0.read_at(&mut left, 0)?;
        self.0.write_at(b"0", 0)?;
        Ok((result, left[..len].trim_ascii() == b"0"))
    }
}

/// What an operation is about: two namespaces, with a socket in each.
struct Stage {
    kind: String,
    image: Vec<u8>,
    parameters: String,
    here: (NetNs, Rtnl),
    there: (NetNs, Rtnl),
    index: u32,
}

/// An operation: what comes before it, itself, whether it is done or not done at all, and what
/// comes after it if it is done.
struct Operation {
    name: &'static str,
    prepare: fn(&mut Stage) -> Result<()>,
    run: fn(&mut Stage) -> Result<()>,
    done: fn(&mut Stage) -> bool,
    not_done: fn(&mut Stage) -> bool,
    undo: fn(&mut Stage) -> Result<()>,
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "load",
        prepare: |_| Ok(()),
        run: |s| module::load(&s.image, &s.parameters),
        done: |s| module::loaded(&s.kind) && module_devices(s) == [true; 3] && s.kind_known(),
        not_done: |s| !module::loaded(&s.kind) && module_devices(s).is_empty() && !s.kind_known(),
        undo: |s| module::unload(&s.kind),
    },
    Operation {
        name: "newlink",
        prepare: |_| Ok(()),
        run: Stage::add,
        done: |s| s.here.1.index(NAME).is_ok() && s.unused(),
        not_done: |s| s.here.1.index(NAME).is_err() && s.unused(),
        undo: Stage::delete,
    },
    Operation {
        name: "open",
        prepare: Stage::make,
        run: |s| s.here.1.up(s.index, true),
        done: |s| s.is_up() == Some(true) && s.unused(),
        not_done: |s| s.is_up() == Some(false) && s.unused(),
        undo: Stage::delete,
    },
    Operation {
        name: "move",
        prepare: Stage::make_up,
        run: |s| s.here.1.move_to(s.index, &s.there.0, None),
        done: |s| s.here.1.index(NAME).is_err() && s.there.1.index(NAME).is_ok() && s.unused(),
        not_done: |s| s.here.1.index(NAME).is_ok() && s.there.1.index(NAME).is_err() && s.unused(),
        undo: |s| {
            let index = s.there.1.index(NAME)?;
            s.there.1.delete(index)
        },
    },
    Operation {
        name: "dellink",
        prepare: Stage::make_up,
        run: |s| s.here.1.delete(s.index),
        done: |s| s.here.1.index(NAME).is_err() && s.unused(),
        not_done: |s| s.here.1.index(NAME).is_ok() && s.unused(),
        undo: |_| Ok(()),
    },
];

/// Devices that the module has made at load, and whether they are as its parameters want them: up,
/// or down.
fn module_devices(stage: &Stage) -> Vec<bool> {
    let up = u32::from(stage.parameters.contains("up=1"));
    let flags = |i| fs::read_to_string(format!("/sys/class/net/{}{i}/flags", stage.kind)).ok();
    let as_wanted = |text: String| {
        let flags = text
            .trim()
            .strip_prefix("0x")
            .map(|hex| u32::from_str_radix(hex, 16));
        matches!(flags, Some(Ok(flags)) if flags & libc::IFF_UP as u32 == up)
    };
    (0..4).filter_map(flags).map(as_wanted).collect()
}

impl Stage {
    fn new(options: Options) -> Result<Self> {
        let place = || -> Result<(NetNs, Rtnl)> {
            let ns = NetNs::new()?;
            ns.enter()?;
            Ok((ns, Rtnl::new()?))
        };
        let image = options.module.map_or(Ok(Vec::new()), fs::read)?;
        let there = place()?;
        Ok(Self {
            kind: options.kind,
            image,
            parameters: options.parameters,
            // The thread stays here.
            here: place()?,
            there,
            index: 0,
        })
    }

    fn add(&mut self) -> Result<()> {
        self.here.1.add(NAME, &self.kind, 0, None)
    }

    fn delete(&mut self) -> Result<()> {
        let index = self.here.1.index(NAME)?;
        self.here.1.delete(index)
    }

    fn make(&mut self) -> Result<()> {
        if self.here.1.index(NAME).is_err() {
            self.add()?;
        }
        self.index = self.here.1.index(NAME)?;
        self.here.1.up(self.index, false)
    }

    fn make_up(&mut self) -> Result<()> {
        self.make()?;
        self.here.1.up(self.index, true)
    }

    fn is_up(&mut self) -> Option<bool> {
        let flags = self.here.1.flags(self.index).ok()?;
        Some(flags & libc::IFF_UP != 0)
    }

    fn kind_known(&mut self) -> bool {
        // The name is not one, but the kind is looked for first.
        let answer = self.here.1.add("a/b", &self.kind, 0, None);
        answer.is_err_and(|e| e.raw_os_error() != Some(libc::EOPNOTSUPP))
    }

    /// Nothing holds the module, if it is one.
    fn unused(&self) -> bool {
        module::users(&self.kind).map_or(true, |n| n == "0")
    }

    /// A device that was brought up without a fault carries localhost.
    fn check_traffic(&mut self) -> Result<()> {
        let [from, to] = [
            UdpSocket::bind("127.0.0.1:0")?,
            UdpSocket::bind("127.0.0.1:0")?,
        ];
        to.set_read_timeout(Some(Duration::from_secs(20)))?;
        from.send_to(b"x", to.local_addr()?)?;
        to.recv(&mut [0; 1]).map(drop)
    }
}

/// How often what happened.
#[derive(Default)]
struct Counts {
    refused: u32,
    coped: u32,
    unsaid: u32,
    failures: u32,
}

fn step(o: &Operation, s: &mut Stage, fault: &Fault, n: u32, c: &mut Counts) -> Result<bool> {
    (o.prepare)(s).map_err(|e| Error::other(format!("{n}: preparing: {e}")))?;
    let (result, met) = fault.at(n, || (o.run)(s))?;
    let (done, not_done) = ((o.done)(s), (o.not_done)(s));
    let text = format!("{n}: {result:?}, done: {done}, not done: {not_done}");
    match &result {
        Ok(()) if done => c.coped += u32::from(met),
        Err(_) if met && not_done => c.refused += 1,
        // There was no memory left to say that it is done.
        Err(e) if met && done && e.raw_os_error() == Some(libc::ENOBUFS) => c.unsaid += 1,
        _ => {
            c.failures += 1;
            println!("# {text}");
        }
    }
    if !done {
        // Again, and from what was left.
        (o.run)(s).map_err(|e| Error::other(format!("{text}; the next attempt: {e}")))?;
        if !(o.done)(s) {
            c.failures += 1;
            println!("# {text}; the next attempt does not do it");
        }
    }
    if o.name == "open" && !done && s.kind != "dummy" {
        s.check_traffic()
            .map_err(|e| Error::other(format!("{text}; then no traffic: {e}")))?;
    }
    (o.undo)(s).map_err(|e| Error::other(format!("{text}; undoing: {e}")))?;
    Ok(met)
}

fn every_allocation(operation: &Operation, stage: &mut Stage, every: u32) -> Result<bool> {
    let (fault, mut counts) = (Fault::new()?, Counts::default());
    // Once without, for what is allocated once: here, and in the kernel.
    for _ in 0..2 {
        (operation.prepare)(stage)?;
        (operation.run)(stage)?;
        (operation.undo)(stage)?;
    }
    let (mut n, mut failed) = (1, 0);
    while step(operation, stage, &fault, n, &mut counts)? {
        failed += 1;
        n += if n < every { 1 } else { every };
        if n > LIMIT {
            return Err(Error::other("there is no end to it"));
        }
    }
    println!(
        "# {} {}: {} allocations failed, {} times refused, {} times done, {} times done without \
         saying so, {} wrong",
        operation.name,
        stage.kind,
        failed,
        counts.refused,
        counts.coped,
        counts.unsaid,
        counts.failures
    );
    Ok(counts.failures == 0 && counts.refused > 0)
}

fn main() -> ExitCode {
    let options = Options::parse();
    let (operation, every) = (options.operation, options.every.get());
    let run = |mut stage| every_allocation(operation, &mut stage, every);
    match Stage::new(options).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("# {}: {e}", operation.name);
            ExitCode::FAILURE
        }
    }
}

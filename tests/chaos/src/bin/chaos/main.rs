// SPDX-License-Identifier: GPL-2.0

//! Many workers do everything to rust_lo devices that can be done, at once and in many namespaces.
//!
//! `chaos [--seconds N] [--seed S] [--workers N] MODULE`: as root, with the module loaded from the
//! file MODULE. What each worker does follows from the seed; what comes of it does not, as
//! they get in each other's way. It goes on for longer than the N seconds if by then not every kind
//! of operation has succeeded once. Fails if one never does, if one hangs, or if something is left
//! at the end.

use clap::Parser;
use guest::{
    module,
    random::{any_seed, Random},
    rtnl::Rtnl,
};
use nix::unistd::gettid;
use std::{
    collections::BTreeSet,
    fs,
    io::{Error, Result},
    num::NonZeroUsize,
    panic,
    path::PathBuf,
    process::{exit, ExitCode},
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Mutex,
    },
    thread,
    time::{Duration, Instant},
};

mod operations;
mod traffic;

use operations::{choose, Operation, Worker, World, MODULE, NAMES, OPERATIONS};

/// An operation that takes longer hangs.
const HUNG: Duration = Duration::from_secs(180);
/// How much longer than asked for it goes on at most.
const OVERTIME: Duration = Duration::from_secs(180);
/// How long what was given up has to go.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// Many workers do everything to rust_lo devices that can be done, at once and in many namespaces
#[derive(Parser)]
struct Options {
    /// How long, at least
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u64,
    /// What the workers do follows from it
    #[arg(long, value_name = "S", default_value_t = any_seed())]
    seed: u64,
    /// How many there are
    #[arg(long, value_name = "N", default_value = "12")]
    workers: NonZeroUsize,
    /// The file that the module was loaded from
    module: PathBuf,
}

/// How often a kind of operation was tried and succeeded.
struct Count(&'static Operation, AtomicUsize, AtomicUsize);

/// What a worker is at: which operation, and since when.
struct Doing {
    thread: i32,
    now: Mutex<(&'static str, Instant)>,
}

struct Run<'a> {
    world: &'a World,
    counts: Vec<Count>,
    doing: Mutex<Vec<&'static Doing>>,
}

impl Run<'_> {
    /// One operation after the other, those of `chosen`.
    fn work(&self, mut random: Random, mut chosen: impl FnMut(&mut Random) -> &'static Operation) {
        let thread = gettid().as_raw();
        // For as long as the program, which is not much longer.
        let doing: &'static Doing = Box::leak(Box::new(Doing {
            thread,
            now: Mutex::new(("starts", Instant::now())),
        }));
        self.doing.lock().expect("a worker died").push(doing);

        let mut worker = Worker {
            world: self.world,
            capture: None,
            held: None,
        };
        while !self.world.stop.load(Relaxed) {
            let operation = chosen(&mut random);
            // Of its own, so that what it draws does not change what comes next.
            let mut draws = Random::new(random.next_u64());
            *doing.now.lock().expect("a worker died") = (operation.0, Instant::now());
            let succeeded = operation.2(&mut worker, &mut draws).is_ok();
            let count = self.counts.iter().find(|c| c.0 .0 == operation.0);
            let count = count.expect("all operations are counted");
            count.1.fetch_add(1, Relaxed);
            count.2.fetch_add(usize::from(succeeded), Relaxed);
            self.world.done.fetch_add(1, Relaxed);
        }
        *doing.now.lock().expect("a worker died") = ("ends", Instant::now());
    }

    fn total(&self) -> (usize, usize) {
        self.counts.iter().fold((0, 0), |(tried, succeeded), c| {
            (tried + c.1.load(Relaxed), succeeded + c.2.load(Relaxed))
        })
    }

    fn all_succeeded(&self) -> bool {
        self.counts.iter().all(|c| c.2.load(Relaxed) > 0)
    }

    /// Ends the program if a worker hangs.
    fn check_progress(&self) {
        for doing in self.doing.lock().expect("a worker died").iter() {
            let (name, since) = *doing.now.lock().expect("a worker died");
            if name != "ends" && since.elapsed() > HUNG {
                println!("# \"{name}\" hangs for {} s:", since.elapsed().as_secs());
                let path = format!("/proc/self/task/{}/stack", doing.thread);
                for line in fs::read_to_string(path).unwrap_or_default().lines() {
                    println!("#   {line}");
                }
                // Not by return: threads that hang cannot be waited for.
                exit(1);
            }
        }
    }

    fn table(&self) {
        println!("# {:<20} {:>8} {:>10}", "operation", "tried", "succeeded");
        for Count(operation, tried, succeeded) in &self.counts {
            let (tried, succeeded) = (tried.load(Relaxed), succeeded.load(Relaxed));
            let never = if succeeded == 0 { "   never" } else { "" };
            println!("# {:<20} {tried:>8} {succeeded:>10}{never}", operation.0);
        }
        let (tried, succeeded) = self.total();
        println!("# {:<20} {tried:>8} {succeeded:>10}", "all");
    }
}

/// The devices of the initial namespace, whose /sys this is.
fn devices() -> Result<BTreeSet<String>> {
    fs::read_dir("/sys/class/net")?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Waits for something to become true.
fn wait_for(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > PATIENCE {
            return Err(Error::other(format!("{what}: not after {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// How the module was loaded.
fn parameters() -> Result<String> {
    let read = |name| fs::read_to_string(format!("/sys/module/rust_lo/parameters/{name}"));
    let (numdevs, up) = (read("numdevs")?, read("up")?);
    Ok(format!("numdevs={} up={}", numdevs.trim(), up.trim()))
}

/// Leaves everything as it was, or says what cannot be.
fn put_right(world: &World, before: &BTreeSet<String>, users: &str, first: &str) -> Result<()> {
    world.clear();
    world.home.enter()?;
    if !module::loaded("rust_lo") {
        module::load(&world.image, first)?;
    }
    for name in NAMES {
        let mut rtnl = Rtnl::new()?;
        if let Ok(index) = rtnl.index(name) {
            rtnl.delete(index)?;
        }
    }
    // Namespaces may still be going, and take their devices with them.
    wait_for("users of the module", || {
        Ok(module::users("rust_lo")? == users)
    })?;
    module::unload("rust_lo")?;
    if let Some(name) = devices()?.difference(before).next() {
        return Err(Error::other(format!("{name} is left without the module")));
    }
    let name = "cl-gone";
    match Rtnl::new()?.add(name, "rust_lo", 0, None) {
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => (),
        other => return Err(Error::other(format!("link of the kind gone: {other:?}"))),
    }
    module::load(&world.image, first)?;
    let after = devices()?;
    if after != *before {
        return Err(Error::other(format!("devices: {before:?}, now {after:?}")));
    }
    let now = module::users("rust_lo")?;
    if now != users {
        return Err(Error::other(format!(
            "users of the module: {users}, now {now}"
        )));
    }
    Ok(())
}

fn chaos(options: &Options) -> Result<bool> {
    let world = World::new(fs::read(&options.module)?)?;
    let (before, users, first) = (devices()?, module::users("rust_lo")?, parameters()?);
    let run = Run {
        world: &world,
        counts: OPERATIONS
            .iter()
            .chain(MODULE)
            .map(|o| Count(o, AtomicUsize::new(0), AtomicUsize::new(0)))
            .collect(),
        doing: Mutex::new(Vec::new()),
    };
    let start = Instant::now();
    println!(
        "# seed {}: {} workers for {} s",
        options.seed, options.workers, options.seconds
    );

    thread::scope(|scope| {
        let run = &run;
        let mut seeds = Random::new(options.seed);
        for _ in 0..options.workers.get() {
            let random = Random::new(seeds.next_u64());
            scope.spawn(move || run.work(random, |r| choose(OPERATIONS, r)));
        }
        let random = Random::new(seeds.next_u64());
        let mut turn = MODULE.iter().cycle();
        scope.spawn(move || run.work(random, |_| turn.next().expect("a cycle")));

        let mut next = PROGRESS;
        let time = Duration::from_secs(options.seconds);
        while start.elapsed() < time || (!run.all_succeeded() && start.elapsed() < time + OVERTIME)
        {
            thread::sleep(Duration::from_millis(100));
            if start.elapsed() >= next {
                let (tried, succeeded) = run.total();
                let seconds = next.as_secs();
                println!("# {seconds} s: {tried} operations, {succeeded} succeeded");
                run.check_progress();
                next += PROGRESS;
            }
        }
        world.stop.store(true, Relaxed);
        // Until the last one has come to its end.
        while run
            .doing
            .lock()
            .expect("a worker died")
            .iter()
            .any(|d| d.now.lock().expect("a worker died").0 != "ends")
        {
            thread::sleep(Duration::from_millis(100));
            run.check_progress();
        }
    });

    run.table();
    put_right(&world, &before, &users, &first)?;
    println!(
        "# as at the start after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Ok(run.all_succeeded())
}

fn main() -> ExitCode {
    let options = Options::parse();
    // A worker that dies ends the program: the others would wait for it.
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print(info);
        exit(1);
    }));
    match chaos(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("# a kind of operation never succeeded");
            ExitCode::FAILURE
        }
        Err(e) => {
            println!("# {e}");
            ExitCode::FAILURE
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The network namespace of a test.

use crate::skip;
use guest::netns::NetNs;
use std::{
    cell::Cell,
    fs,
    io::Write,
    net::{IpAddr, Ipv4Addr},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// What there is in the namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `lo` alone.
    Lo,
    /// A rust_lo device, and `lo` is down.
    Down,
    /// A rust_lo device whose routes come before those of `lo`, which is up.
    Preferred,
}

/// Where the device is to behave as `lo` does.
pub const ALL: &[Mode] = &[Mode::Lo, Mode::Down, Mode::Preferred];
/// Where there is a rust_lo device.
pub const OURS: &[Mode] = &[Mode::Down, Mode::Preferred];
/// Where there are both.
pub const BESIDE_LO: &[Mode] = &[Mode::Preferred];

impl Mode {
    pub fn describe(self) -> &'static str {
        match self {
            Self::Lo => "on lo",
            Self::Down => "lo down",
            Self::Preferred => "preferred",
        }
    }
}

/// What is checked when a test has run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The device carried all, `lo` nothing.
    Both,
    /// The device carried something.
    Device,
    /// The test did that itself.
    Nothing,
}

/// Packets and bytes, received and sent, and what was dropped on the way in and out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    pub rx: (u64, u64),
    pub tx: (u64, u64),
    pub dropped: (u64, u64),
}

impl Counters {
    /// Of a device in the namespace of the calling thread.
    pub fn of(device: &str) -> Self {
        let text = fs::read_to_string("/proc/thread-self/net/dev").expect("no /proc/net/dev");
        let values: Vec<u64> = text
            .lines()
            .find_map(|l| l.trim_start().strip_prefix(device)?.strip_prefix(':'))
            .unwrap_or_else(|| panic!("no device {device}"))
            .split_whitespace()
            .map(|v| v.parse().expect("not a number in /proc/net/dev"))
            .collect();
        Self {
            rx: (values[1], values[0]),
            tx: (values[9], values[8]),
            dropped: (values[3], values[11]),
        }
    }

    pub fn since(self, before: Self) -> Self {
        let sub = |a: (u64, u64), b: (u64, u64)| (a.0 - b.0, a.1 - b.1);
        Self {
            rx: sub(self.rx, before.rx),
            tx: sub(self.tx, before.tx),
            dropped: sub(self.dropped, before.dropped),
        }
    }
}

/// A namespace that was set up.
pub struct Env {
    pub mode: Mode,
    /// localhost of the family that is tested.
    pub ip: IpAddr,
    /// The device that is tested: it is to carry localhost.
    pub dev: &'static str,
    check: Cell<Check>,
    has_address: Cell<bool>,
}

const PREFER: &str = "\
route del table local local 127.0.0.0/8 dev rl0
route del table local local 127.0.0.1 dev rl0
route prepend table local local 127.0.0.1 dev rl0 proto kernel scope host src 127.0.0.1
route prepend table local local 127.0.0.0/8 dev rl0 proto kernel scope host src 127.0.0.1
addr del ::1/128 dev lo
addr add ::1/128 dev lo
";

impl Env {
    /// Puts the calling thread into a new namespace.
    pub fn new(mode: Mode, ip: IpAddr) -> Self {
        NetNs::unshare().expect("cannot make a namespace");
        let make = "link add rl0 type rust_lo\nlink set rl0 up\n";
        match mode {
            Mode::Lo => ip_batch("link set lo up\n"),
            Mode::Down => ip_batch(make),
            Mode::Preferred => ip_batch(&format!("link set lo up\n{make}{PREFER}")),
        }
        await_addresses();
        let dev = if mode == Mode::Lo { "lo" } else { "rl0" };
        Self {
            mode,
            ip,
            dev,
            check: Cell::new(Check::Both),
            has_address: Cell::new(false),
        }
    }

    /// The address that `add_address` adds.
    fn another_address(&self) -> IpAddr {
        if self.ip.is_ipv4() {
            Ipv4Addr::new(10, 9, 8, 7).into()
        } else {
            "fd00::9".parse().expect("an address")
        }
    }

    /// Another address, which is there already or added.
    pub fn own_address(&self) -> IpAddr {
        if self.has_address.replace(true) {
            return self.another_address();
        }
        self.add_address()
    }

    /// Another address that is not there yet, alone on the device.
    pub fn add_address(&self) -> IpAddr {
        let ip = self.another_address();
        ip_batch(&format!("addr add {ip} dev {}\n", self.dev));
        await_addresses();
        ip
    }

    /// What the closure returns in a namespace where there is just `lo`.
    pub fn on_lo<T: Send>(&self, f: impl FnOnce(&Env) -> T + Send) -> T {
        let ip = self.ip;
        thread::scope(|s| {
            let thread = s.spawn(move || f(&Self::new(Mode::Lo, ip)));
            thread.join().expect("the reference run on lo failed")
        })
    }

    /// Writes a sysctl of the namespace.
    pub fn sysctl(&self, name: &str, value: &str) {
        fs::write(format!("/proc/sys/net/{name}"), value)
            .unwrap_or_else(|e| panic!("cannot set {name} to {value}: {e}"));
    }

    /// Changes what is checked at the end.
    pub fn at_the_end(&self, check: Check) {
        self.check.set(check);
    }

    /// The device carried the test, and `lo` nothing of it.
    pub fn check_carrier(&self) {
        if self.check.get() == Check::Nothing {
            return;
        }
        let dev = Counters::of(self.dev);
        assert!(dev.rx.0 > 0, "{} carried nothing", self.dev);
        assert_eq!(
            dev.rx, dev.tx,
            "{}: received is not what was sent",
            self.dev
        );
        assert_eq!(dev.dropped.1, 0, "{} dropped", self.dev);
        if self.mode != Mode::Lo && self.check.get() == Check::Both {
            assert_eq!(Counters::of("lo").rx, (0, 0), "lo carried something");
        }
    }
}

/// Runs the lines of a batch with `ip`.
pub fn ip_batch(lines: &str) {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("cannot start ip");
    let mut stdin = ip.stdin.take().expect("a pipe");
    stdin.write_all(lines.as_bytes()).expect("ip does not read");
    drop(stdin);
    let status = ip.wait().expect("ip is gone");
    assert!(status.success(), "ip failed at\n{lines}");
}

/// Runs `tc` with these words.
pub fn tc(arguments: &str) {
    let status = Command::new("tc").args(arguments.split(' ')).status();
    assert!(status.is_ok_and(|s| s.success()), "tc {arguments}");
}

/// Loads what is not built in. Without it the test cannot be run.
pub fn need_modules(modules: &[&str]) {
    for module in modules {
        let found = Command::new("modprobe").args(["-q", module]).status();
        if !found.is_ok_and(|s| s.success()) {
            skip(&format!("there is no {module}"));
        }
    }
}

/// Waits until no IPv6 address is tentative: an added one is until a worker had its turn.
fn await_addresses() {
    const TENTATIVE: u32 = 0x40;
    for _ in 0..500 {
        let text = fs::read_to_string("/proc/thread-self/net/if_inet6").expect("no if_inet6");
        let flags = |l: &str| u32::from_str_radix(l.split_whitespace().nth(4).unwrap_or(""), 16);
        if !text
            .lines()
            .any(|l| flags(l).is_ok_and(|f| f & TENTATIVE != 0))
        {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("addresses stay tentative");
}

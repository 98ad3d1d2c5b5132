// SPDX-License-Identifier: GPL-2.0

//! Tests what sockets see of a rust_lo device, and prints KTAP.
//!
//! Each test runs in a process and a network namespace of its own, up to six times: over IPv4 and
//! IPv6, on `lo` alone as the reference, on a rust_lo device with `lo` down, and on one that is
//! preferred over `lo`. Run as root with the module loaded.
//!
//! `sock [-v] [WORD...]`: only the tests with one of the words in their names.
//!
//! `sock --address WHAT ARGUMENT...` is no test but a tool for one, `tests/address.sh`.

use clap::Parser;
use nix::unistd::alarm;
use std::{
    env::var_os,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::process::ExitStatusExt,
    process::{exit, Command, ExitCode},
    thread,
};

mod address;
mod bind;
mod burst;
mod compare;
mod env;
mod fastopen;
mod frame;
mod hostile;
mod icmp;
mod net;
mod packet;
mod ring;
mod sctp;
mod stamp;
mod stampflags;
mod tcp;
mod txtime;
mod udp;
mod updown;
mod wireguard;
mod zerocopy;

use guest::{msg, sys};

use env::{Env, Mode, ALL, BESIDE_LO, OURS};

/// Tests what sockets see of a rust_lo device, and prints KTAP
#[derive(Parser)]
struct Options {
    /// Also what tests print that succeed
    #[arg(short)]
    verbose: bool,
    /// Only the tests with one of the words in their names
    words: Vec<String>,
    /// For a process of ours: the test of that name
    #[arg(long, hide = true)]
    run: Option<String>,
    /// No test but a tool for one, tests/address.sh
    #[arg(long, hide = true, num_args = 0.., allow_hyphen_values = true)]
    address: Option<Vec<String>>,
}

/// A test that hangs is killed after so many seconds: more on debug kernels, of which
/// `KSFT_MACHINE_SLOW` tells, as in the kernel's selftests.
fn timeout() -> u32 {
    match var_os("KSFT_MACHINE_SLOW") {
        Some(_) => 600,
        None => 120,
    }
}
/// How a test says that it cannot be run here.
const SKIP: i32 = 4;
/// How many run at a time: most of them wait most of the time.
const PARALLEL: usize = 2;

/// What a test is: its name, the modes it runs in, and the function. It fails by panicking.
struct Test(&'static str, &'static [Mode], fn(&Env));

/// What is for IPv4 only: on lo as well there is no route for multicast of IPv6.
const IPV4_ONLY: &[&str] = &["udp broadcast and multicast"];

const TESTS: &[Test] = &[
    Test("tcp echo", ALL, tcp::echo),
    Test("tcp half close", ALL, tcp::half_close),
    Test("tcp refused and reset", ALL, tcp::refused),
    Test("tcp 10 MB both ways", ALL, tcp::bulk),
    Test("tcp 200 connections", ALL, tcp::many),
    Test("tcp segment size follows the MTU", ALL, tcp::segment_size),
    Test("udp sizes", ALL, udp::sizes),
    Test("udp refused", ALL, udp::refused),
    Test("udp segmentation and GRO", ALL, udp::segments),
    Test("udp segmentation limits", OURS, udp::segment_limits),
    Test("udp receive buffer overflow", ALL, udp::overflow),
    Test("udp sender has its budget back", ALL, udp::budget),
    Test(
        "udp sender has its budget back before IP input",
        ALL,
        udp::early_budget,
    ),
    Test("udp broadcast and multicast", ALL, udp::multicast),
    Test("bind to localhost", ALL, bind::explicit),
    Test("bind to an address of the device", OURS, bind::own_address),
    Test("SO_BINDTODEVICE", ALL, bind::to_device),
    Test(
        "SO_BINDTODEVICE to lo beside the device",
        BESIDE_LO,
        bind::to_lo,
    ),
    Test("pktinfo names the device", ALL, bind::pktinfo),
    Test("timestamps of udp", ALL, stamp::udp),
    Test("timestamps of tcp", ALL, stamp::tcp),
    Test(
        "launch time does not become receive time",
        ALL,
        stamp::launch_time,
    ),
    Test("all timestamping flags", OURS, stampflags::flags),
    Test(
        "timestamping of single messages and other options",
        OURS,
        stampflags::others,
    ),
    Test("launch times with fq", OURS, txtime::fq),
    Test("launch times with etf", OURS, txtime::etf),
    Test("tcp fast open", ALL, fastopen::connections),
    Test("zerocopy", ALL, zerocopy::notification),
    Test(
        "zerocopy of what is refused, seen, cut",
        OURS,
        zerocopy::odd,
    ),
    Test("icmp sockets", ALL, icmp::echo),
    Test("packet socket sends a frame", ALL, packet::send),
    Test("packet socket sends no short frame", ALL, packet::short),
    Test("packet socket sees both directions", ALL, packet::capture),
    Test("packet socket held over removal", OURS, packet::held),
    Test("packet socket with a transmit ring", ALL, ring::transmit),
    Test("hostile frame lengths", BESIDE_LO, hostile::lengths),
    Test("hostile protocols", BESIDE_LO, hostile::protocols),
    Test("hostile VLAN tags", BESIDE_LO, hostile::vlan),
    Test("hostile headers", BESIDE_LO, hostile::headers),
    Test("hostile offloads", BESIDE_LO, hostile::offload),
    Test("counters are exact", ALL, burst::counters),
    Test("down and up under a connection", BESIDE_LO, updown::survive),
    Test("sctp echo", ALL, sctp::echo),
];

/// One run of a test.
#[derive(Clone, Copy)]
struct Run(&'static Test, Mode, IpAddr);

impl Run {
    fn all() -> Vec<Self> {
        let mut runs = Vec::new();
        for test in TESTS {
            for &mode in test.1 {
                for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
                    if ip.is_ipv4() || !IPV4_ONLY.contains(&test.0) {
                        runs.push(Self(test, mode, ip));
                    }
                }
            }
        }
        runs
    }

    fn name(&self) -> String {
        let family = if self.2.is_ipv4() { "IPv4" } else { "IPv6" };
        format!("{} ({family}, {})", self.0 .0, self.1.describe())
    }

    /// In a process of its own: `sock --run NAME`.
    fn start(self) -> (bool, String) {
        let program = std::env::current_exe().expect("no path of this program");
        let out = Command::new(program)
            .arg("--run")
            .arg(self.name())
            .output()
            .expect("cannot start this program again");
        let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        let text = text.trim_end();
        match (out.status.code(), out.status.signal()) {
            (Some(0), _) => (true, text.into()),
            (Some(SKIP), _) => (true, format!("SKIP {text}")),
            (_, Some(libc::SIGALRM)) => (
                false,
                format!("still not done after {} s\n{text}", timeout()),
            ),
            (_, signal) => (
                false,
                format!(
                    "{text} {}",
                    signal.map_or(String::new(), |s| format!("(signal {s})"))
                ),
            ),
        }
    }

    fn run(self) {
        alarm::set(timeout());
        let env = Env::new(self.1, self.2);
        self.0 .2(&env);
        env.check_carrier();
    }
}

/// Ends the run of a test that cannot be run here.
fn skip(why: &str) -> ! {
    println!("{why}");
    exit(SKIP)
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(name) = options.run {
        let run = Run::all().into_iter().find(|r| r.name() == name);
        run.expect("no test of that name").run();
        return ExitCode::SUCCESS;
    }
    if let Some(words) = options.address {
        return match address::run(&words) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
        };
    }
    let Options { verbose, words, .. } = options;
    let mut runs = Run::all();
    runs.retain(|r| words.is_empty() || words.iter().any(|w| r.name().contains(w)));
    println!("KTAP version 1\n1..{}", runs.len());
    let _stamps = stamp::keep_stamps();
    let mut failed = 0;
    for (chunk, first) in runs.chunks(PARALLEL).zip((1..).step_by(PARALLEL)) {
        let threads: Vec<_> = chunk
            .iter()
            .map(|&r| thread::spawn(move || r.start()))
            .collect();
        for ((thread, run), number) in threads.into_iter().zip(chunk).zip(first..) {
            let (ok, text) = thread.join().expect("a thread of this program died");
            let skipped = text.strip_prefix("SKIP ");
            if !ok || (verbose && skipped.is_none()) {
                for line in text.lines() {
                    println!("# {line}");
                }
            }
            let result = if ok { "ok" } else { "not ok" };
            let why = skipped.map_or(String::new(), |why| format!(" # SKIP {why}"));
            println!("{result} {number} {}{why}", run.name());
            failed += usize::from(!ok);
        }
    }
    println!("# {} of {} failed", failed, runs.len());
    ExitCode::from(u8::from(failed != 0))
}

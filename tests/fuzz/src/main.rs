// SPDX-License-Identifier: GPL-2.0

//! Fuzzes rtnetlink with messages for the kind rust_lo, or another one that is tested.
//!
//! Messages are made by grammar, most of them such that they succeed, and about a third of them
//! are then damaged. Each is sent twice, in two worlds of two namespaces: for rust_lo in one, for
//! the kind dummy in the other. The answers have to be the same, but for what the table in
//! `oracle` explains, and so do the devices afterwards. Some of it runs in the initial namespace,
//! some as an ordinary user in a user namespace.
//!
//! All depends on the seed alone. What is found is printed with the number of the message, and
//! `--seed S --only NUMBER` sends the messages of its round up to that one again.
//!
//! `fuzz [--count N] [--seed S] [--jobs N] [--only NUMBER] [-v]`: run as root with the module loaded.

use clap::{value_parser, Parser};
use guest::random::any_seed;
use std::{
    env::{current_exe, temp_dir},
    fs::{self, File},
    process::{id, Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

mod grammar;
mod message;
mod oracle;
mod round;
mod world;

use round::{Counts, Mode, Round, LENGTH};
use world::Tested;

/// A round that has sent nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(240);
/// Time between lines that say how far it is.
const NEWS: Duration = Duration::from_secs(15);
/// What the kernel's memory may grow by in the second half of a run, in KiB: caches, and a little
/// for each message. About one message in eight makes a device, whose `net_device` alone has 4 KiB.
fn growth_allowed(count: u64) -> i64 {
    3 * 1024 + count as i64 / 10
}

/// Fuzzes rtnetlink with messages for the kind rust_lo, or another one that is tested
#[derive(Parser)]
struct Options {
    /// What is tested
    #[arg(long = "kind", default_value = "rust_lo")]
    tested: Tested,
    /// How many messages
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    count: u64,
    /// All depends on it
    #[arg(long, value_name = "S", default_value_t = any_seed())]
    seed: u64,
    /// How many rounds at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u64).range(1..=64))]
    jobs: u64,
    /// Only the round of this message, up to it
    #[arg(long, value_name = "NUMBER")]
    only: Option<u64>,
    /// Print all messages and answers
    #[arg(short)]
    verbose: bool,
    /// For a process of ours: round, messages, and where to note them
    #[arg(long, hide = true, num_args = 3)]
    round: Option<Vec<String>>,
}

/// A round in this process, which it leaves as another user or elsewhere.
fn run_round(options: &Options, number: u64, length: u64, note: &str) -> ExitCode {
    let result = File::create(note)
        .and_then(|note| {
            Ok((
                Round::new(options.tested, options.seed, number, options.verbose)?,
                note,
            ))
        })
        .map_err(|e| format!("cannot set up the namespaces of round {number}: {e}"))
        .and_then(|(round, note)| round.run(length, Some(&note)));
    match result {
        Ok(counts) => {
            for (what, number) in counts {
                println!("{number} {what}");
            }
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// A round in a process of its own.
struct Running {
    child: Child,
    number: u64,
    /// What it prints, and the message it is at.
    files: [String; 2],
    /// When the second file was last seen to change, and to what.
    alive: (Instant, Vec<u8>),
}

impl Running {
    fn start(options: &Options, number: u64, length: u64) -> std::io::Result<Self> {
        let files = ["out", "at"].map(|what| {
            let file = format!("rust_lo-fuzz-{}-{number}.{what}", id());
            temp_dir().join(file).to_string_lossy().into_owned()
        });
        let mut command = Command::new(current_exe()?);
        command.args(["--kind", options.tested.name()]);
        command.args(["--seed", &options.seed.to_string()]);
        command.args([
            "--round",
            &number.to_string(),
            &length.to_string(),
            &files[1],
        ]);
        if options.verbose {
            command.arg("-v");
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&files[0])?)
            .spawn()?;
        Ok(Self {
            child,
            number,
            files,
            alive: (Instant::now(), Vec::new()),
        })
    }

    /// What it has come to, if it has ended or hangs.
    fn poll(&mut self) -> Option<Result<String, String>> {
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status,
            Ok(None) => {
                let note = fs::read(&self.files[1]).unwrap_or_default();
                if note != self.alive.1 {
                    self.alive = (Instant::now(), note);
                }
                return (self.alive.0.elapsed() > PATIENCE).then(|| Err(self.at("hangs")));
            }
            Err(e) => return Some(Err(format!("cannot wait: {e}"))),
        };
        let text = fs::read_to_string(&self.files[0]).unwrap_or_default();
        Some(match status.code() {
            Some(0) => Ok(text),
            Some(1) => Err(text),
            _ => Err(format!("{text}{}", self.at(&format!("ended: {status}")))),
        })
    }

    fn at(&self, what: &str) -> String {
        let note = fs::read(&self.files[1]).unwrap_or_default();
        let at = round::noted(&note).map_or("its beginning".into(), |(index, hex)| {
            format!("message {index}, hex {hex}")
        });
        format!("round {} {what}, at {at}", self.number)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One in the initial namespace takes away what it has made there, if it is not killed.
        if Mode::of(self.number) == Mode::Initial {
            while self.poll().is_none() {
                thread::sleep(Duration::from_millis(50));
            }
        }
        let _ = self.child.kill();
        // One that hangs in the kernel does not end.
        for _ in 0..20 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// What the kernel has of a kind of memory, in KiB.
fn memory(what: &str) -> i64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(what)?.strip_prefix(':'));
    let value = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    value.unwrap_or(0)
}

/// Memory that is not given back when it is needed, once the kernel has freed the namespaces that
/// are gone: it does so in the background.
fn kernel_memory() -> i64 {
    let now = || memory("SUnreclaim") + memory("Percpu") + memory("VmallocUsed");
    let mut least = now();
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(100));
        let found = now();
        if found + 64 < least {
            (least, since) = (found, Instant::now());
        }
    }
    least
}

/// What has to be afterwards as it was before: devices of the initial namespace, and how often the
/// module is held.
fn left(tested: Tested) -> String {
    let devices = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let names = devices.lines().skip(2).filter_map(|l| l.split(':').next());
    let mut names: Vec<_> = names.map(str::trim).collect();
    names.sort_unstable();
    let held =
        fs::read_to_string(format!("/sys/module/{}/refcnt", tested.name())).unwrap_or_default();
    format!("devices {}; module held {}", names.join(" "), held.trim())
}

/// A setting of the kernel that is put back.
struct Setting {
    path: &'static str,
    old: String,
}

impl Setting {
    fn new(path: &'static str, value: &str) -> std::io::Result<Self> {
        let old = fs::read_to_string(path)?;
        fs::write(path, value)?;
        Ok(Self { path, old })
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        // Of four numbers only the first can be written.
        let old = self.old.split_whitespace().next().unwrap_or("");
        let _ = fs::write(self.path, old);
    }
}

/// Runs rounds, several at a time, but those in the initial namespace one by one.
fn run_rounds(
    options: &Options,
    mut todo: Vec<(u64, u64)>,
    counts: &mut Counts,
) -> Result<(), String> {
    let mut running: Vec<Running> = Vec::new();
    let mut news = Instant::now();
    let taint = round::tainted();
    todo.reverse();
    loop {
        let mut ended = None;
        for (at, round) in running.iter_mut().enumerate() {
            if let Some(result) = round.poll() {
                ended = Some((at, result?));
                break;
            }
        }
        if let Some((at, text)) = ended {
            let number = running.swap_remove(at).number;
            for line in text.lines() {
                if let Some((number, what)) = line.split_once(' ') {
                    if let Ok(number) = number.parse::<u64>() {
                        *counts.entry(what.into()).or_default() += number;
                        continue;
                    }
                }
                println!("{line}");
            }
            if round::tainted() != taint {
                let at = running.iter().map(|r| r.number).chain([number]);
                let at: Vec<_> = at.map(|n| n.to_string()).collect();
                return Err(format!(
                    "the kernel has complained (see its log) in one of the rounds {}: of messages \
                     {LENGTH} times that and on",
                    at.join(", ")
                ));
            }
            continue;
        }
        let initial = running.iter().any(|r| Mode::of(r.number) == Mode::Initial);
        let next = todo
            .iter()
            .rposition(|&(number, _)| !initial || Mode::of(number) != Mode::Initial);
        match next {
            Some(next) if (running.len() as u64) < options.jobs => {
                let (number, length) = todo.remove(next);
                let round = Running::start(options, number, length);
                running.push(round.map_err(|e| format!("cannot start a round: {e}"))?);
            }
            _ if running.is_empty() => return Ok(()),
            _ => thread::sleep(Duration::from_millis(10)),
        }
        if news.elapsed() > NEWS {
            news = Instant::now();
            println!("# {} messages", sent(counts));
        }
    }
}

/// Rounds for so many messages, from this one on: their numbers and lengths.
fn rounds(first: u64, count: u64) -> Vec<(u64, u64)> {
    (0..count.div_ceil(LENGTH))
        .map(|round| (first + round, LENGTH.min(count - round * LENGTH)))
        .collect()
}

/// The messages that were sent, in each world.
fn sent(counts: &Counts) -> u64 {
    *counts.get("messages").unwrap_or(&0)
}

/// The whole run.
fn run(options: &Options) -> Result<(), String> {
    let todo = match options.only {
        Some(index) => vec![(index / LENGTH, index % LENGTH + 1)],
        None => rounds(0, options.count),
    };

    // Rounds do not begin with a program that looks for a module of an unknown kind.
    let _ = Command::new("modprobe")
        .args(["dummy", "numdummies=0"])
        .status();
    let settings = [
        ("/proc/sys/kernel/modprobe", "\n"),
        ("/proc/sys/kernel/printk", "6"),
    ];
    let settings = settings.map(|(path, value)| Setting::new(path, value));
    if let Some(Err(e)) = settings.iter().find(|s| s.is_err()) {
        return Err(format!("cannot change a setting of the kernel: {e}"));
    }
    // Messages for kinds that are not there are all refused, and nothing differs.
    for kind in [options.tested.name(), "dummy"] {
        thread::spawn(move || world::try_kind(kind))
            .join()
            .expect("a thread of this program died")
            .map_err(|e| {
                format!("there is no kind {kind}, of which a device could be made: {e}")
            })?;
    }

    let start = Instant::now();
    let mut counts = Counts::new();
    let before = left(options.tested);
    let (first, second) = todo.split_at(todo.len() / 2);
    run_rounds(options, first.to_vec(), &mut counts)?;
    let memory = kernel_memory();
    run_rounds(options, second.to_vec(), &mut counts)?;
    // Some rounds end early. Others follow, each of which sends a message at least.
    let mut next = todo.len() as u64;
    while options.only.is_none() && sent(&counts) < options.count {
        let more = rounds(next, options.count - sent(&counts));
        next += more.len() as u64;
        run_rounds(options, more, &mut counts)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let growth = kernel_memory() - memory;
    let after = left(options.tested);

    for (what, number) in &counts {
        println!("# {number:>8} {what}");
    }
    let messages = sent(&counts);
    println!(
        "# {messages} messages in {seconds:.0} s, {:.0} a second; kernel memory grew by {growth} KiB \
         in the second half",
        messages as f64 / seconds
    );
    if let Some(what) = round::missing(&counts) {
        return Err(format!("{messages} messages, but none: {what}"));
    }
    if before != after {
        return Err(format!("left behind: before {before}; after {after}"));
    }
    if growth > growth_allowed(options.count) {
        return Err(format!("kernel memory grew by {growth} KiB"));
    }
    Ok(())
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some([number, length, note]) = options.round.as_deref() {
        let [number, length] = [number, length].map(|n| n.parse().expect("a number"));
        return run_round(&options, number, length, note);
    }
    println!(
        "# fuzz --kind {} --seed {} --count {}",
        options.tested.name(),
        options.seed,
        options.count
    );
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            for line in what.lines() {
                println!("# {line}");
            }
            println!("# FOUND with --seed {}", options.seed);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_have_all_messages() {
        assert_eq!(rounds(0, 0), []);
        assert_eq!(rounds(0, LENGTH), [(0, LENGTH)]);
        assert_eq!(
            rounds(10, 2 * LENGTH + 1),
            [(10, LENGTH), (11, LENGTH), (12, 1)]
        );
    }
}

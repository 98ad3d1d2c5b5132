// SPDX-License-Identifier: GPL-2.0

//! What a rust_lo device costs, against `lo` and other ways to loop traffic.
//!
//! `bench instructions`, `wall` and `scale` measure, in a guest, as root, with the module loaded,
//! and write JSON; `bench report` makes tables, plots and `docs/performance.md` of it, anywhere.
//! `make bench` runs them all.

use clap::{Args, Parser};
use std::{error::Error, path::PathBuf, process::ExitCode};

mod command;
mod compare;
mod echo;
mod instructions;
mod netperf;
mod pktgen;
mod place;
mod plot;
mod redirect;
mod report;
mod result;
mod scale;
mod wall;

/// What went wrong, in words.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

#[derive(Args)]
struct Run {
    /// Where the JSON goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// More work, more repeats, more devices
    #[arg(long)]
    full: bool,
    /// But lo and rust_lo, in a kernel that has the driver built in, and pktgen
    #[arg(long)]
    in_tree: bool,
    /// Only what has one of these words in its name
    words: Vec<String>,
}

impl Run {
    /// Whether something of this name is asked for.
    fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }
}

/// What a rust_lo device costs, against lo and other ways to loop traffic
#[derive(Parser)]
#[command(disable_help_subcommand = true)]
enum Command {
    /// Instructions per packet and per transaction (where time counts them: qemu/vm --icount)
    Instructions(Run),
    /// Throughput and latency as a clock shows them, as ratios to lo
    Wall(Run),
    /// Many devices and many namespaces
    Scale(Run),
    /// The rust_lo of two modules, in instructions
    Compare {
        #[command(flatten)]
        run: Run,
        /// The module to compare with
        #[arg(long)]
        base: PathBuf,
        /// The module that is compared
        #[arg(long)]
        head: PathBuf,
    },
    /// Tables, plots and a page of what was measured
    Report {
        /// Directory of the page and its plots; without it only the tables
        #[arg(long)]
        docs: Option<PathBuf>,
        /// What was measured
        files: Vec<PathBuf>,
    },
    /// One run of pktgen, in this namespace
    #[command(hide = true)]
    Pktgen(pktgen::Work),
    /// Sends back what comes
    #[command(hide = true)]
    Echo,
    /// Asks an `echo`, and prints the times
    #[command(hide = true)]
    Ping(echo::Ping),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Instructions(run) => instructions::run(&run),
        Command::Wall(run) => wall::run(&run),
        Command::Scale(run) => scale::run(&run),
        Command::Compare { run, base, head } => compare::run(&run, &base, &head),
        Command::Report { docs, files } => report::run(docs.as_deref(), &files),
        Command::Pktgen(work) => work.run(),
        Command::Echo => echo::serve(),
        Command::Ping(ping) => ping.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

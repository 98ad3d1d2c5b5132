// SPDX-License-Identifier: GPL-2.0

//! `rust-lo`: gives localhost to a rust_lo device while `lo` stays up, and gives it back; or one to a command.

mod change;
mod json;
mod kernel;
mod netns;
mod plan;
mod prefer;
mod requests;
mod run;
mod shape;
mod sockets;
mod state;
mod status;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;

use clap::{arg, value_parser, Arg, ArgMatches, Command};
use clap_complete::{generate, Shell};
use rust_lo::{error, netlink, uapi, wire};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::prefer::{Families, Outcome};
use crate::shape::Shape;
use crate::sockets::Bound;

/// Of `run`, as of env and timeout: what failed was not the command.
const NOT_RUN: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

const HELP: &str = "\
With lo and a rust_lo device up in one namespace, both have local routes for 127.0.0.0/8 and ::1, and the first wins: \
lo's, as it was there first.

prefer DEV puts the routes of DEV first, so that everything sent to localhost goes through DEV while lo stays up. For \
IPv4 it adds copies of DEV's local routes, with `proto 127`, before the others. For IPv6 it moves ::1 of the devices \
before DEV to the end by removing and adding it again, and remembers the place DEV had in a second local route of DEV, \
again `proto 127`. A more specific route, say of an address 127.0.0.2/32 on lo, stays in force.

unprefer DEV takes back exactly that: the routes are in the order they had. If DEV is first without having been \
preferred, because it was up before lo, unprefer puts it behind the others.

Preferred devices form a stack: `prefer B` while A is preferred puts B before A; `unprefer B` then leaves A first, and \
`unprefer A` while B is first changes only what comes after B.

A socket that is bound to the device lo (SO_BINDTODEVICE), as those of systemd-resolved at 127.0.0.53, hears nothing \
that comes by another one. So prefer looks for such sockets (TCP, UDP, raw) and leaves their addresses with lo, by \
routes `local ADDRESS dev lo proto 127`, which are longer than DEV's, and says which; where lo has a route as long \
already, none is added. prefer again finds those that came later. The routes go when the last preferred device is \
unpreferred; prefer --all takes them away at once, and leaves nothing with lo. For 127.0.0.1 and ::1 there is no longer \
route, and an unspecified address is none to leave: of sockets bound to lo there prefer says that they will hear nothing.

Setting DEV or lo down takes ::1 off it, and the routes with it that prefer added, so prefer DEV again when it is up \
again. All changes of a command are one message to the kernel, carried out whole even if rust-lo is killed; if the \
kernel refuses a part, the rest is undone.

status shows for each destination the device that carries it now, the order of the devices that have a route for it, \
and which of them are preferred; also the addresses kept for sockets bound to lo.

Exit status: 0 if all is as wanted, 1 if not, 2 for wrong usage; of run that of the command.";

const RUN_HELP: &str = "\
Makes a network namespace in which localhost, 127.0.0.0/8 and ::1, is a new rust_lo device, rust_lo0, preferred over lo, \
and becomes COMMAND there. All ports are free, and nothing leads out of it. Any number of them can be run at once.

Since the process itself becomes COMMAND, signals, exit status, terminal and job control are the command's own. The \
namespace goes with the last process in it, whatever ends that; it has no name in /run/netns. `unshare --pid --fork \
--kill-child --mount-proc rust-lo run COMMAND` also ends what COMMAND leaves behind. For a look inside: `nsenter \
--net=/proc/PID/ns/net`, or `rust-lo -n PID status`.

Each packet passes the device once, so that a round trip takes twice the --delay. Where --mtu is given, TCP sends no \
packet that is larger (no GSO), as on a wire. Below 1280 there is no IPv6.

As with `ip netns exec`, /sys is that of the namespace. Without CAP_SYS_ADMIN it is made in a user namespace of its own, \
in which COMMAND is run by the same user as before, without capabilities; for those: `unshare --map-root-user rust-lo run \
COMMAND`. The module has to be loaded, or be where modprobe finds it.

Exit status: that of COMMAND; 127 if it is not found, 126 if it cannot be executed, 125 if there was no localhost for it, \
2 for wrong usage.";

/// The command line.
fn cli() -> Command {
    let netns = arg!(-n --netns <NETNS>)
        .help("Work in this network namespace: a name of ip netns, a path, or a process ID");
    let dev = |help| arg!(<DEV>).help(help);
    let kind = "Device of kind rust_lo";
    Command::new("rust-lo")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Give localhost to a rust_lo device, and back to lo, or one to a command")
        .after_long_help(HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .arg(netns.global(true))
        .arg(arg!(-j - -json).help("Print JSON").global(true))
        .arg(arg!(four: -'4').help("Only IPv4").global(true))
        .arg(
            arg!(six: -'6')
                .help("Only IPv6")
                .global(true)
                .conflicts_with("four"),
        )
        .subcommand(
            Command::new("prefer")
                .about("Put DEV first for 127.0.0.0/8 and ::1")
                .arg(arg!(--all).help("Leave nothing with lo, whatever sockets are bound to it"))
                .arg(dev(kind)),
        )
        .subcommand(
            Command::new("unprefer")
                .about("Take back what prefer did")
                .arg(dev(kind)),
        )
        .subcommand(
            Command::new("status")
                .about("Show which device carries localhost")
                .arg(dev("Any device: say whether it is the one").required(false)),
        )
        .subcommand(
            Command::new("completions")
                .about("Print completions for a shell")
                .arg(
                    Arg::new("SHELL")
                        .required(true)
                        .value_parser(["bash", "zsh", "fish"]),
                ),
        )
        .subcommand(
            Command::new("run")
                .about("Run a command with a localhost of its own")
                .after_long_help(RUN_HELP)
                .arg(
                    arg!(--delay <TIME> "Delay each packet by TIME, as in 20ms")
                        .value_parser(shape::time),
                )
                .arg(
                    arg!(--loss <PART> "Lose a PART of the packets, as in 0.1%")
                        .value_parser(shape::part),
                )
                .arg(
                    arg!(--rate <RATE> "No more than RATE, as in 10mbit").value_parser(shape::rate),
                )
                .arg(
                    arg!(--mtu <BYTES> "The longest packet, 65536 if not given")
                        .value_parser(value_parser!(u32).range(68..=65536)),
                )
                .arg(
                    Arg::new("COMMAND")
                        .help("What to run, with its arguments")
                        .value_parser(value_parser!(OsString))
                        .num_args(1..)
                        .required(true)
                        .trailing_var_arg(true)
                        .allow_hyphen_values(true),
                ),
        )
}

/// Becomes the command; else the status to end with.
fn run_command(args: &ArgMatches) -> ExitCode {
    for (id, option) in [
        ("netns", "--netns"),
        ("json", "--json"),
        ("four", "-4"),
        ("six", "-6"),
    ] {
        if args.value_source(id) == Some(clap::parser::ValueSource::CommandLine) {
            let text = format!("{option} is not for run, which makes a namespace of its own\n");
            cli()
                .error(clap::error::ErrorKind::ArgumentConflict, text)
                .exit();
        }
    }
    let command: Vec<OsString> = args
        .get_many("COMMAND")
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let shape = Shape {
        delay: args.get_one("delay").copied(),
        loss: args.get_one("loss").copied(),
        rate: args.get_one("rate").copied(),
        mtu: args.get_one("mtu").copied(),
    };
    match run::run(&shape, &command) {
        Ok(why) => {
            eprintln!("rust-lo: {}: {why}", command[0].to_string_lossy());
            ExitCode::from(match why.kind() {
                ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_EXECUTABLE,
            })
        }
        Err(error) => {
            eprintln!("rust-lo: {error}");
            ExitCode::from(NOT_RUN)
        }
    }
}

fn answer(args: &ArgMatches) -> Result<String> {
    let (command, sub) = args.subcommand().unwrap_or(("status", args));
    let (json, dev) = (sub.get_flag("json"), sub.get_one::<String>("DEV"));
    let families = Families {
        v4: !sub.get_flag("six"),
        v6: !sub.get_flag("four"),
    };
    if let Some(name) = sub.get_one::<String>("netns") {
        netns::enter(name)?;
    }
    let mut kernel = Kernel::connect()?;
    let about = |e: Error| dev.map_or(Error(e.to_string()), |dev| Error::about(dev, &e));
    match (command, dev) {
        ("prefer", Some(dev)) => {
            let outcome =
                prefer::prefer(&mut kernel, dev, families, sub.get_flag("all")).map_err(about)?;
            Ok(report(
                json,
                dev,
                &outcome,
                ["already preferred", "preferred"],
            ))
        }
        ("unprefer", Some(dev)) => {
            let outcome = prefer::unprefer(&mut kernel, dev, families).map_err(about)?;
            Ok(report(
                json,
                dev,
                &outcome,
                ["not preferred", "no longer preferred"],
            ))
        }
        _ => {
            let mut entries =
                status::status(&mut kernel, dev.map(String::as_str)).map_err(about)?;
            entries.retain(|e| {
                if e.dst == "::1" {
                    families.v6
                } else {
                    families.v4
                }
            });
            let format = if json { status::json } else { status::text };
            Ok(format(&entries))
        }
    }
}

fn report(json: bool, dev: &str, outcome: &Outcome, [same, changed]: [&str; 2]) -> String {
    for notice in &outcome.notices {
        eprintln!("rust-lo: {dev}: {notice}");
    }
    if json {
        let fields = [
            ("dev", json::string(dev)),
            ("changed", outcome.changed.to_string()),
            ("left", json::array(outcome.left.iter().map(left))),
        ];
        return json::array([json::object(&fields)].into_iter()) + "\n";
    }
    let mut text = format!("{dev}: {}", if outcome.changed { changed } else { same });
    if !outcome.left.is_empty() {
        let left = outcome.left.iter();
        let left: Vec<_> = left.map(|(a, s)| prefer::at((*a).into(), s)).collect();
        text += &format!("; left with {}: {}", outcome.loopback, left.join(", "));
    }
    text + "\n"
}

/// An address that was left with the loopback device, as JSON.
fn left((address, sockets): &(Ipv4Addr, Vec<Bound>)) -> String {
    let sockets = sockets.iter().map(|s| json::string(&s.port()));
    json::object(&[
        ("dst", json::string(&address.to_string())),
        ("sockets", json::array(sockets)),
    ])
}

/// Prints completions for the shell.
fn completions(args: &ArgMatches) {
    let shell = match args.get_one::<String>("SHELL").map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut text = Vec::new();
    generate(shell, &mut cli(), "rust-lo", &mut text);
    let _ = std::io::stdout().write_all(&text);
}

fn main() -> ExitCode {
    let args = cli().get_matches();
    if let Some(("run", args)) = args.subcommand() {
        return run_command(args);
    }
    if let Some(("completions", args)) = args.subcommand() {
        completions(args);
        return ExitCode::SUCCESS;
    }
    match answer(&args) {
        Ok(text) => {
            // Nothing is undone because nobody reads about it.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("rust-lo: {error}");
            ExitCode::FAILURE
        }
    }
}

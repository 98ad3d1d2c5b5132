// SPDX-License-Identifier: GPL-2.0

//! `rust-lo`: gives localhost to a rust_lo device while `lo` stays up, and gives it back.

mod change;
mod error;
mod json;
mod kernel;
mod netlink;
mod netns;
mod plan;
mod prefer;
mod requests;
mod sockets;
mod state;
mod status;
mod uapi;
mod wire;

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use clap::{arg, ArgMatches, Command};

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::prefer::{Families, Outcome};
use crate::sockets::Bound;

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

Exit status: 0 if all is as wanted, 1 if not, 2 for wrong usage.";

fn cli() -> Command {
    let netns = arg!(-n --netns <NETNS>)
        .help("Work in this network namespace: a name of ip netns, a path, or a process ID");
    let dev = |help| arg!(<DEV>).help(help);
    let kind = "Device of kind rust_lo";
    Command::new("rust-lo")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Give localhost to a rust_lo device, and back to lo")
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
}

fn run(args: &ArgMatches) -> Result<String> {
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

fn main() -> ExitCode {
    match run(&cli().get_matches()) {
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

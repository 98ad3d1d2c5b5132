// SPDX-License-Identifier: GPL-2.0

//! The commands `prefer` and `unprefer`: what they check before, and what they aim at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::change::{change, lock, settled, Quiet};
use crate::error::{Error, Result};
use crate::kernel::{Kernel, Link, Snapshot};
use crate::plan::{left4, prefer4, prefer6, unprefer4, unprefer6};
use crate::sockets::{bound_to, Bound};
use crate::state::{Dev, Route4, State, KIND, LOOPBACK};

/// The address families a command is about.
#[derive(Clone, Copy)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

/// What a command came to.
pub struct Outcome {
    /// Something was changed.
    pub changed: bool,
    /// The loopback device.
    pub loopback: String,
    /// The addresses that were left with it, and the sockets that have them.
    pub left: Vec<(Ipv4Addr, Vec<Bound>)>,
    /// What the user should know even so.
    pub notices: Vec<String>,
}

fn find<'a>(links: &'a [Link], name: &str) -> Result<&'a Link> {
    let link = links.iter().find(|l| l.name == name);
    let link = link.ok_or_else(|| Error("no such device".into()))?;
    match link.kind.as_str() {
        KIND => Ok(link),
        _ if link.dev == LOOPBACK => Err(Error(
            "not a rust_lo device, but the loopback device itself".into(),
        )),
        "" => Err(Error("not a rust_lo device".into())),
        kind => Err(Error(format!("not a rust_lo device, but of kind {kind}"))),
    }
}

fn loopback(links: &[Link]) -> String {
    let lo = links.iter().find(|l| l.dev == LOOPBACK);
    lo.map_or("lo", |l| &l.name).into()
}

/// Puts the routes of a device first; if `all`, also those for addresses of sockets that are bound to the loopback
/// device.
pub fn prefer(kernel: &mut Kernel, name: &str, families: Families, all: bool) -> Result<Outcome> {
    let _quiet = Quiet::new()?;
    let _lock = lock();
    let links = kernel.links()?;
    let link = find(&links, name)?;
    if !link.up {
        return Err(Error(format!("not up (ip link set {name} up)")));
    }
    let before = settled(kernel)?;
    let loopback = loopback(&links);
    let (sockets, unknown) = bound_to(LOOPBACK)?;
    let mut goal = before.state.clone();
    let mut notices = Vec::new();
    for protocol in unknown {
        notices.push(format!(
            "the kernel does not say which {protocol} sockets are bound to {loopback}"
        ));
    }
    if families.v4 {
        has_routes4(&goal, link.dev)?;
        let mut left = Vec::new();
        if !all {
            left = left4(&sockets);
            left.extend(goal.kept4.iter().map(|r| r.dst));
        }
        goal = prefer4(&goal, link.dev, &left);
    }
    if families.v6 {
        match can_prefer6(&goal, link, &links)? {
            None => goal = prefer6(&goal, link.dev),
            Some(why) if families.v4 => notices.push(format!("{why}: only IPv4 is dealt with")),
            Some(why) => return Err(Error(why)),
        }
    }
    let changed = change(kernel, &before, &goal)?;
    let deaf: Vec<Bound> = sockets
        .iter()
        .filter(|s| is_deaf(s, &goal, families))
        .cloned()
        .collect();
    if !deaf.is_empty() {
        notices.push(format!(
            "sockets bound to {loopback} hear nothing of it: {}",
            by_address(&deaf)
        ));
    }
    // Where IPv4 is not dealt with, nothing was left for their sake.
    let about: &[Bound] = if families.v4 { &sockets } else { &[] };
    Ok(Outcome {
        changed,
        left: left(&goal, about),
        loopback,
        notices,
    })
}

/// Whether a socket that is bound to the loopback device misses something that is sent to localhost by these families.
fn is_deaf(socket: &Bound, state: &State, families: Families) -> bool {
    let lo6 = state.v6.first().is_none_or(|a| a.dev == LOOPBACK);
    match socket.address {
        IpAddr::V4(a) if a.is_loopback() => families.v4 && !state.on_loopback(a),
        IpAddr::V4(a) => families.v4 && a.is_unspecified(),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => families.v6 && !lo6,
        IpAddr::V6(a) if a.is_unspecified() => families.v6 && !lo6 || families.v4 && socket.dual,
        IpAddr::V6(_) => false,
    }
}

/// The addresses that are left with the loopback device, with the sockets that have them.
fn left(state: &State, sockets: &[Bound]) -> Vec<(Ipv4Addr, Vec<Bound>)> {
    let mut addresses = left4(sockets);
    addresses.retain(|a| state.on_loopback(*a));
    addresses.extend(state.kept4.iter().map(|r| r.dst));
    addresses.sort();
    addresses.dedup();
    let of = |address: &Ipv4Addr| {
        let has = |s: &&Bound| s.address == *address;
        sockets.iter().filter(has).cloned().collect()
    };
    addresses.iter().map(|a| (*a, of(a))).collect()
}

/// Sockets in words: those of an address together, as in "127.0.0.53 (tcp 53, udp 53)".
fn by_address(sockets: &[Bound]) -> String {
    let groups = sockets.chunk_by(|a, b| a.address == b.address);
    let words = groups.map(|group| at(group[0].address, group));
    words.collect::<Vec<_>>().join(", ")
}

/// An address and the sockets that have it, in words.
pub fn at(address: IpAddr, sockets: &[Bound]) -> String {
    let mut ports: Vec<String> = sockets.iter().map(Bound::port).collect();
    ports.dedup();
    match ports.join(", ").as_str() {
        "" => address.to_string(),
        ports => format!("{address} ({ports})"),
    }
}

/// Takes back what [`prefer`] did.
pub fn unprefer(kernel: &mut Kernel, name: &str, families: Families) -> Result<Outcome> {
    let _quiet = Quiet::new()?;
    let _lock = lock();
    let links = kernel.links()?;
    let link = find(&links, name)?;
    let before = settled(kernel)?;
    let mut goal = before.state.clone();
    if families.v4 {
        goal = unprefer4(&goal, link.dev);
    }
    if families.v6 {
        goal = unprefer6(&goal, link.dev);
    }
    stays_carried(&before, &goal, &links)?;
    let changed = change(kernel, &before, &goal)?;
    Ok(Outcome {
        changed,
        left: left(&goal, &[]),
        loopback: loopback(&links),
        notices: Vec::new(),
    })
}

/// Whether the device has the routes that make localhost.
fn has_routes4(state: &State, dev: Dev) -> Result<()> {
    let has = |dst: Ipv4Addr, len| {
        let is = |r: &Route4| r.dev == dev && !r.is_mark() && (r.dst, r.len) == (dst, len);
        state.v4.iter().any(is)
    };
    if has(Ipv4Addr::new(127, 0, 0, 0), 8) && has(Ipv4Addr::LOCALHOST, 32) {
        return Ok(());
    }
    Err(Error(
        "has no local routes of 127.0.0.1/8 (add that address, or set it down and up)".into(),
    ))
}

/// Why IPv6 has to be left alone, if so.
fn can_prefer6(state: &State, link: &Link, links: &[Link]) -> Result<Option<String>> {
    if !link.ipv6 {
        return Ok(Some("IPv6 is disabled on it".into()));
    }
    if !state.holds6(link.dev) {
        return Err(Error("has no ::1 (add ::1/128 to it, or use -4)".into()));
    }
    match links.iter().find(|l| l.dev == LOOPBACK) {
        Some(lo) if lo.up && !state.holds6(LOOPBACK) && !lo.ipv6 => {
            Ok(Some(format!("IPv6 is disabled on {}", lo.name)))
        }
        Some(lo) if lo.up && !state.holds6(LOOPBACK) => Err(Error(format!(
            "{lo} has no ::1, so programs could not bind to it (ip address add ::1/128 dev {lo}, or use -4)",
            lo = lo.name
        ))),
        _ => Ok(None),
    }
}

/// Refuses to hand localhost to a device that is down.
fn stays_carried(before: &Snapshot, goal: &State, links: &[Link]) -> Result<()> {
    let up = |dev: Dev| links.iter().any(|l| l.dev == dev && l.up);
    // A device that is down leaves its packets to the loopback device.
    let dark = |first: Option<Dev>| first.is_some_and(|dev| !up(dev) && !up(LOOPBACK));
    let first4 = |state: &State| {
        let localhost = |r: &&Route4| r.dst == Ipv4Addr::LOCALHOST && r.len == 32;
        state.v4.iter().find(localhost).map(|r| r.dev)
    };
    if dark(first4(goal)) && !dark(first4(&before.state)) {
        return Err(Error(format!(
            "{lo} is down, nothing would carry localhost (ip link set {lo} up)",
            lo = loopback(links)
        )));
    }
    Ok(())
}

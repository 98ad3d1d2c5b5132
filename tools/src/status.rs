// SPDX-License-Identifier: GPL-2.0

//! The command `status`: which device carries localhost.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::change::settled;
use crate::error::{Error, Result};
use crate::json;
use crate::kernel::{Kernel, Link};
use crate::state::{Dev, State, LOOPBACK};

/// One destination and the devices that have a local route for it.
pub struct Entry {
    /// Destination.
    pub dst: String,
    /// The device that carries it, as the kernel says.
    pub dev: Option<String>,
    /// All devices that have a route for it, first one first.
    pub order: Vec<String>,
    /// Those of them that were preferred.
    pub preferred: Vec<String>,
    /// It was left with the loopback device for sockets that are bound to that.
    pub kept: bool,
    /// Whether the device asked about carries it.
    pub carries: Option<bool>,
}

/// Devices in order, each once.
fn names(devs: impl Iterator<Item = Dev>, links: &[Link]) -> Vec<String> {
    let mut names = Vec::new();
    for dev in devs {
        let name = links.iter().find(|l| l.dev == dev).map(|l| l.name.clone());
        let name = name.unwrap_or_else(|| format!("if{dev}"));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Which device carries localhost, and whether it is `about`.
pub fn status(kernel: &mut Kernel, about: Option<&str>) -> Result<Vec<Entry>> {
    let links = kernel.links()?;
    if about.is_some_and(|name| !links.iter().any(|l| l.name == name)) {
        return Err(Error("no such device".into()));
    }
    let state = settled(kernel)?.state;
    let mut entry =
        |dst: String, asked: IpAddr, order: Vec<Dev>, preferred: Vec<Dev>| -> Result<Entry> {
            let dev = kernel
                .carrier(asked, &links)?
                .map(|d| names([d].into_iter(), &links).remove(0));
            Ok(Entry {
                kept: state.kept4.iter().any(|r| r.dst == asked),
                dst,
                carries: about.map(|name| dev.as_deref() == Some(name)),
                dev,
                order: names(order.into_iter(), &links),
                preferred: names(preferred.into_iter(), &links),
            })
        };
    let (net, one) = (Ipv4Addr::new(127, 0, 0, 0), Ipv4Addr::LOCALHOST);
    // Any address in it but 127.0.0.1 tells about 127.0.0.0/8.
    let any = Ipv4Addr::new(127, 0, 0, 2);
    let mut entries = vec![
        entry(
            "127.0.0.0/8".into(),
            any.into(),
            order4(&state, net, 8, false),
            order4(&state, net, 8, true),
        )?,
        entry(
            "127.0.0.1".into(),
            one.into(),
            order4(&state, one, 32, false),
            order4(&state, one, 32, true),
        )?,
        entry(
            "::1".into(),
            Ipv6Addr::LOCALHOST.into(),
            order6(&state, false),
            order6(&state, true),
        )?,
    ];
    for dst in state.kept4.iter().map(|r| r.dst) {
        let order = [LOOPBACK].into_iter().chain(order4(&state, dst, 32, false));
        let preferred = order4(&state, dst, 32, true);
        entries.push(entry(
            dst.to_string(),
            dst.into(),
            order.collect(),
            preferred,
        )?);
    }
    Ok(entries)
}

fn order4(state: &State, dst: Ipv4Addr, len: u8, marks: bool) -> Vec<Dev> {
    let wanted =
        |r: &&crate::state::Route4| (r.dst, r.len) == (dst, len) && (!marks || r.is_mark());
    state.v4.iter().filter(wanted).map(|r| r.dev).collect()
}

fn order6(state: &State, marks: bool) -> Vec<Dev> {
    let wanted = |d: &Dev| !marks || state.marks6.iter().any(|m| m.dev == *d);
    state.v6.iter().map(|a| a.dev).filter(wanted).collect()
}

/// For humans.
pub fn text(entries: &[Entry]) -> String {
    let mut text = String::new();
    for e in entries {
        text += &format!("{} dev {}", e.dst, e.dev.as_deref().unwrap_or("none"));
        if !e.order.is_empty() {
            text += &format!(" order {}", e.order.join(" "));
        }
        if !e.preferred.is_empty() {
            text += &format!(" preferred {}", e.preferred.join(" "));
        }
        if e.kept {
            text += " kept";
        }
        text.push('\n');
    }
    text
}

/// For programs.
pub fn json(entries: &[Entry]) -> String {
    let list = |names: &[String]| json::array(names.iter().map(|n| json::string(n)));
    json::array(entries.iter().map(|e| {
        let mut fields = vec![
            ("dst", json::string(&e.dst)),
            ("dev", e.dev.as_deref().map_or("null".into(), json::string)),
            ("order", list(&e.order)),
            ("preferred", list(&e.preferred)),
            ("kept", e.kept.to_string()),
        ];
        if let Some(carries) = e.carries {
            fields.push(("carries", carries.to_string()));
        }
        json::object(&fields)
    })) + "\n"
}

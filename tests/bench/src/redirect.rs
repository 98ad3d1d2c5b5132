// SPDX-License-Identifier: GPL-2.0

//! Frames that an XDP program of a veth, in native mode, redirects to another device.

use crate::{
    command::batch,
    instructions, pktgen,
    place::{Kind, Place},
    result::Row,
    Result,
};
use std::{thread::sleep, time::Duration};

/// The program of the recipe; that of its section `redirect` is taken.
const SOURCE: &str = include_str!("../../../examples/xdp/four.c");

/// Puts a pair into the place: what goes in at `feed` comes out at `in`, whose program redirects it
/// to the place's device.
fn feed(place: &Place) -> Result {
    let object = format!("/run/bench-{}.o", place.kind.name());
    let index = place.client(&["cat", &format!("/sys/class/net/{}/ifindex", place.dev)])?;
    let to = format!("-DTO={}", index.trim());
    let clang = "clang-19 -target bpf -O2 -x c -c - -o";
    let clang = clang.split(' ').chain([object.as_str(), &to]);
    batch(&clang.collect::<Vec<_>>(), SOURCE)?;
    place.gro("on")?;
    for line in [
        "link add in type veth peer name feed",
        &format!("link set in xdpdrv obj {object} section redirect"),
        "link set in up",
        "link set feed up",
    ] {
        place.ip(line)?;
    }
    Ok(())
}

/// Measures it; all frames have to arrive.
pub fn row(work: &str, places: &[&Place], rounds: usize, size: u32, count: u32) -> Result<Row> {
    places.iter().try_for_each(|place| feed(place))?;
    instructions::settle();
    let row = instructions::row(work, "instructions per packet", places, rounds, &|place| {
        let before = place.received()?;
        let time = pktgen::run(place, "feed", size, count)?;
        // The last ones are still on their way to another task.
        sleep(Duration::from_millis(100));
        match place.received()? - before {
            n if n < count.into() => Err(format!("{n} of {count} frames arrived").into()),
            _ => Ok(time),
        }
    });
    for place in places {
        place.ip("link del in")?;
        if place.kind == Kind::Veth {
            place.gro("off")?;
        }
    }
    row
}

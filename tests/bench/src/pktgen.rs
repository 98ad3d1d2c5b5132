// SPDX-License-Identifier: GPL-2.0

//! pktgen, the packet generator of the kernel: `Documentation/networking/pktgen.rst`.

use crate::{command::own, place::Place, Result};
use clap::Args;
use std::fs;

const THREAD: &str = "/proc/net/pktgen/kpktgend_0";
const CONTROL: &str = "/proc/net/pktgen/pgctrl";

/// What is sent over which device of this namespace.
#[derive(Args)]
pub struct Work {
    dev: String,
    mac: String,
    size: u32,
    count: u32,
}

impl Work {
    /// Sends it, and prints the packets per second. They come without a route, so that IPv4 drops
    /// them on the way in, alike on all devices.
    pub fn run(&self) -> Result {
        let write = |file: &str, line: &str| {
            fs::write(file, line).map_err(|e| format!("{file}: '{line}': {e}"))
        };
        let file = format!("/proc/net/pktgen/{}", self.dev);
        write(THREAD, "rem_device_all")?;
        write(THREAD, &format!("add_device {}", self.dev))?;
        for line in [
            format!("count {}", self.count),
            format!("pkt_size {}", self.size),
            "delay 0".into(),
            "clone_skb 0".into(),
            "dst 127.0.0.1".into(),
            format!("dst_mac {}", self.mac),
            "src_mac 00:00:00:00:00:00".into(),
        ] {
            write(&file, &line)?;
        }
        write(CONTROL, "start")?;
        let text = fs::read_to_string(&file)?;
        let rate = text
            .split_whitespace()
            .find_map(|word| word.strip_suffix("pps"))
            .ok_or_else(|| format!("{file} says: {text}"))?;
        write(THREAD, "rem_device_all")?;
        println!("{rate}");
        Ok(())
    }
}

/// Nanoseconds for a packet of `size` bytes that is sent over `dev`, to the hardware address of the
/// place.
pub fn run(place: &Place, dev: &str, size: u32, count: u32) -> Result<f64> {
    let rate: f64 = place
        .client(&[
            &own()?,
            "pktgen",
            dev,
            &place.mac()?,
            &size.to_string(),
            &count.to_string(),
        ])?
        .trim()
        .parse()?;
    Ok(1e9 / rate)
}

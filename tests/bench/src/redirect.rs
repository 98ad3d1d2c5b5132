// SPDX-License-Identifier: GPL-2.0

//! Frames that an XDP program of a veth, in native mode, redirects to another device.

use crate::{
    command::{own, sh},
    result::{Row, Samples},
    Result,
};
use std::fs;

const SENDER: &str = "bench-xdp-sender";
const NS: &str = "bench-xdp";
const BEYOND: &str = "bench-xdp-beyond";
/// What the frames are addressed to, so that the devices look at them alike.
const MAC: &str = "02:00:00:00:00:01";
const SOURCE: &str = "/run/bench-xdp.c";
const OBJECT: &str = "/run/bench-xdp.o";

/// Both know their device by its number.
const PROGRAMS: &str = r#"
#define SEC(name) __attribute__((section(name), used))
static long (*redirect)(unsigned int, unsigned long) = (void *)23;
SEC("xdp") int rust_lo(void *ctx) { return redirect(40, 0); }
SEC("xdp") int veth(void *ctx) { return redirect(41, 0); }
SEC("license") char _license[] = "GPL";
"#;

/// Where to: the program, the namespace in which the frames are received, and the device.
const TARGETS: [(&str, &str, &str); 2] = [("rust_lo", NS, "rl"), ("veth", BEYOND, "ve")];

fn make() -> Result {
    fs::write(SOURCE, PROGRAMS)?;
    sh(&format!("clang-19 -target bpf -O2 -c {SOURCE} -o {OBJECT}"))?;
    for ns in [SENDER, NS, BEYOND] {
        sh(&format!("ip netns add {ns}"))?;
    }
    for line in [
        format!("link add in type veth peer name in netns {SENDER}"),
        "link add rl index 40 type rust_lo".into(),
        format!("link add ve index 41 type veth peer name ve address {MAC} netns {BEYOND}"),
        "link set in up".into(),
        "link set rl up".into(),
        "link set ve up".into(),
    ] {
        sh(&format!("ip -n {NS} {line}"))?;
    }
    sh(&format!("ip -n {SENDER} link set in up"))?;
    sh(&format!("ip -n {BEYOND} link set ve up"))?;
    // With NAPI, without which a veth takes no frames.
    sh(&format!("ip netns exec {BEYOND} ethtool -K ve gro on"))?;
    Ok(())
}

fn remove() {
    for ns in [SENDER, NS, BEYOND] {
        let _ = sh(&format!("ip netns del {ns}"));
    }
}

/// Nanoseconds for a frame of `size` bytes, all of which have to arrive.
fn once(target: (&str, &str, &str), size: u32, count: u32) -> Result<f64> {
    let (program, ns, dev) = target;
    let received = || -> Result<u32> {
        let file = format!("/sys/class/net/{dev}/statistics/rx_packets");
        Ok(sh(&format!("ip netns exec {ns} cat {file}"))?
            .trim()
            .parse()?)
    };
    sh(&format!("ip -n {NS} link set in xdpdrv off"))?;
    sh(&format!(
        "ip -n {NS} link set in xdpdrv obj {OBJECT} program {program}"
    ))?;
    let before = received()?;
    let own = own()?;
    let rate: f64 = sh(&format!(
        "ip netns exec {SENDER} {own} pktgen in {MAC} {size} {count}"
    ))?
    .trim()
    .parse()?;
    match received()? - before {
        n if n < count => Err(format!("{program}: {n} of {count} frames arrived").into()),
        _ => Ok(1e9 / rate),
    }
}

/// Measures it, some rounds after one that is not counted.
pub fn row(work: &str, size: u32, count: u32, rounds: usize) -> Result<Row> {
    remove();
    make()?;
    let mut samples: Vec<Samples> = TARGETS
        .iter()
        .map(|target| Samples {
            device: target.0.into(),
            values: Vec::new(),
        })
        .collect();
    for round in 0..=rounds {
        for (target, samples) in TARGETS.iter().zip(&mut samples) {
            let value = once(*target, size, count)?;
            if round > 0 {
                samples.values.push(value);
            }
        }
    }
    remove();
    Ok(Row {
        work: work.into(),
        unit: "instructions per packet".into(),
        samples,
    })
}

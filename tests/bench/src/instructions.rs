// SPDX-License-Identifier: GPL-2.0

//! Instructions per packet, per transaction and per send: in a guest in which time counts them.
//!
//! Each row is the same work on all devices in turn, some rounds of it, after one that is not
//! counted. All of it is done more than once, with new namespaces and devices: in which chain of
//! which hash table something of theirs goes is random, and is a part of the spread.

use crate::{
    command::{sh, Background},
    echo::{self, Proto},
    netperf::Test,
    pktgen,
    place::{Kind, Place},
    redirect,
    result::{Report, Row, Samples},
    Result, Run,
};
use std::{fs, path::Path, thread::sleep, time::Duration};

/// Does one round on one device.
type Once<'a> = &'a dyn Fn(&Place) -> Result<f64>;

/// Measures a row.
pub fn row(
    work: &str,
    unit: &str,
    places: &[&Place],
    rounds: usize,
    once: Once<'_>,
) -> Result<Row> {
    let mut samples: Vec<Samples> = places
        .iter()
        .map(|place| Samples {
            device: place.kind.name().into(),
            values: Vec::new(),
        })
        .collect();
    for round in 0..=rounds {
        for (place, samples) in places.iter().zip(&mut samples) {
            let value = once(place).map_err(|e| format!("{work} on {}: {e}", place.kind.name()))?;
            if round > 0 {
                samples.values.push(value);
            }
        }
    }
    Ok(Row {
        work: work.into(),
        unit: unit.into(),
        samples,
    })
}

/// Switches off what the kernel does by itself now and then, if it does.
pub fn quiet() -> Result {
    // Samples accesses to memory all the time.
    let damon = "/sys/module/damon_stat/parameters/enabled";
    if Path::new(damon).exists() {
        fs::write(damon, "N").map_err(|e| format!("{damon}: {e}"))?;
    }
    Ok(())
}

/// After new namespaces were made: IPv6 reports its groups there and looks for routers a while,
/// behind the back of what is measured. Where time counts instructions, that of an idle processor
/// goes by at once.
pub fn settle() {
    sleep(Duration::from_secs(60));
}

/// What netperf does, and whether over IPv6.
pub fn tests(full: bool) -> Vec<(Test, bool)> {
    let mut tests = Vec::new();
    for v6 in [false, true] {
        for test in [Test::UdpRr(2000), Test::TcpRr(2000), Test::TcpCrr(500)] {
            tests.push((if full { test.times(2) } else { test }, v6));
        }
        if full {
            for (count, size) in [(4000, 64), (4000, 1400), (600, 65536)] {
                tests.push((Test::TcpStream(count, size), v6));
            }
            for (count, size) in [(2000, 64), (2000, 1400), (1000, 16384)] {
                tests.push((Test::UdpStream(count, size), v6));
            }
        }
    }
    if !full {
        tests.push((Test::TcpStream(600, 16384), false));
        tests.push((Test::UdpStream(1000, 1400), false));
    }
    tests
}

/// A ruleset that every packet has to go through.
fn ruleset(dev: &str) -> String {
    let mut rules = String::from("table inet bench {\n");
    for (chain, way) in [("input", "iifname"), ("output", "oifname")] {
        rules += &format!("chain {chain} {{ type filter hook {chain} priority 0; policy accept;\n");
        for port in 1..=10 {
            rules += &format!("{way} \"{dev}\" udp dport {port} counter drop\n");
        }
        rules += "}\n";
    }
    rules + "}\n"
}

/// UDP_RR with something between: a capture, a queueing discipline, a ruleset.
fn with_something(report: &mut Report, run: &Run, places: &[&Place], rounds: usize) -> Result {
    let test = Test::UdpRr(2000);
    let mut with = |what: &str, on: Once<'_>, off: Once<'_>| -> Result {
        let name = format!("{}, {what}", test.name(false));
        if !run.wants(&name) {
            return Ok(());
        }
        for place in places {
            on(place)?;
        }
        report.add(row(&name, test.unit(), places, rounds, &|place| {
            test.run(place, false)
        })?);
        for place in places {
            off(place)?;
        }
        Ok(())
    };
    let captures = std::cell::RefCell::new(Vec::<Background>::new());
    with(
        "tcpdump",
        &|place| {
            // Of lo libpcap gives back received packets only; of the others they are asked for.
            let argv = [
                "tcpdump",
                "-p",
                "-n",
                "-Q",
                "in",
                "-i",
                place.dev,
                "-w",
                "/dev/null",
            ];
            captures.borrow_mut().push(place.background(&argv)?);
            sleep(Duration::from_secs(2));
            Ok(0.0)
        },
        &|_| {
            captures.borrow_mut().clear();
            Ok(0.0)
        },
    )?;
    with(
        "netem",
        &|place| {
            let argv = [
                "tc", "qdisc", "add", "dev", place.dev, "root", "netem", "limit", "1000",
            ];
            place.client(&argv).map(|_| 0.0)
        },
        &|place| {
            place
                .client(&["tc", "qdisc", "del", "dev", place.dev, "root"])
                .map(|_| 0.0)
        },
    )?;
    with(
        "nft",
        &|place| {
            let file = format!("/run/bench-{}.nft", place.kind.name());
            fs::write(&file, ruleset(place.dev))?;
            place.client(&["nft", "-f", &file]).map(|_| 0.0)
        },
        &|place| place.client(&["nft", "flush", "ruleset"]).map(|_| 0.0),
    )
}

/// What the traffic of a veth costs while a device of ours is up nowhere, in another namespace, and
/// in those of its two ends: next to a dummy there with as many addresses, as each more address
/// has to be passed in IPv6's tree of routes.
fn beside(report: &mut Report, run: &Run, rust_lo: &Place, veth: &Place, rounds: usize) -> Result {
    let place = |kind: &str| -> Result {
        veth.ip_both(&format!("link add rl type {kind}"))?;
        veth.ip_both("link set rl up")
    };
    let ours = |state: &str| rust_lo.ip(&format!("link set {} {state}", rust_lo.dev));
    let mut rows = Vec::<Row>::new();
    for what in [
        "nothing",
        "a rust_lo device in another namespace",
        "a dummy with an address of each family",
        "a rust_lo device",
    ] {
        match what {
            "nothing" => drop(ours("down")?),
            "a dummy with an address of each family" => {
                place("dummy")?;
                veth.ip_both("addr add 127.0.0.1/8 dev rl scope host")?;
                // ::1 is for loopbacks.
                veth.ip_both("addr add 2001:db8:2::1/128 dev rl nodad")?;
            }
            "a rust_lo device" => {
                veth.ip_both("link del rl")?;
                place("rust_lo")?;
            }
            _ => drop(ours("up")?),
        }
        settle();
        let tests = [false, true].map(|v6| [(Test::UdpRr(2000), v6), (Test::TcpRr(2000), v6)]);
        for (test, v6) in tests.into_iter().flatten() {
            let name = format!("{} over a veth, by what else is up", test.name(v6));
            if !run.wants(&name) {
                continue;
            }
            let mut measured = row(&name, test.unit(), &[veth], rounds, &|p| test.run(p, v6))?;
            measured.samples[0].device = what.into();
            match rows.iter_mut().find(|row| row.work == name) {
                Some(row) => row.samples.append(&mut measured.samples),
                None => rows.push(measured),
            }
        }
    }
    veth.ip_both("link del rl")?;
    rows.into_iter().for_each(|row| report.add(row));
    Ok(())
}

/// Frames as fast as they go.
fn frames(report: &mut Report, run: &Run, places: &[&Place], rounds: usize) -> Result {
    for size in [60, 1500] {
        let name = format!("pktgen {size} B");
        if run.wants(&name) {
            let count = if run.full { 40_000 } else { 10_000 };
            report.add(row(
                &name,
                "instructions per packet",
                places,
                rounds,
                &|p| pktgen::run(p, p.dev, size, count),
            )?);
        }
    }
    Ok(())
}

/// What netperf does.
fn netperf(report: &mut Report, run: &Run, places: &[&Place], rounds: usize) -> Result {
    for (test, v6) in tests(run.full) {
        let name = test.name(v6);
        if run.wants(&name) {
            report.add(row(&name, test.unit(), places, rounds, &|p| {
                test.run(p, v6)
            })?);
        }
    }
    Ok(())
}

/// The driver as it is in a kernel tree, which is no L3 master.
fn in_tree(report: &mut Report, run: &Run, rounds: usize) -> Result {
    let (lo, rust_lo) = (Place::new(Kind::Lo)?, Place::new(Kind::RustLo)?);
    settle();
    frames(report, run, &[&lo, &rust_lo], rounds)?;
    netperf(report, run, &[&lo, &rust_lo], rounds)
}

/// Measures it all, with new namespaces and devices.
fn once(report: &mut Report, run: &Run, rounds: usize) -> Result {
    let [lo, rust_lo, master, veth, vrf, dummy] = [
        Kind::Lo,
        Kind::RustLo,
        Kind::L3Master,
        Kind::Veth,
        Kind::Vrf,
        Kind::Dummy,
    ]
    .map(Place::new);
    let (lo, rust_lo, master, veth, vrf, dummy) = (lo?, rust_lo?, master?, veth?, vrf?, dummy?);
    settle();

    frames(
        report,
        run,
        &[&lo, &rust_lo, &master, &veth, &dummy],
        rounds,
    )?;
    let name = "XDP redirect 60 B";
    if run.wants(name) {
        // lo and the others take none.
        let places = [&rust_lo, &veth];
        report.add(redirect::row(name, &places, rounds, 60, 10_000)?);
    }
    netperf(report, run, &[&lo, &rust_lo, &master, &veth, &vrf], rounds)?;
    let name = "ping-pong TCP IPv4";
    if run.wants(name) {
        let unit = "instructions per transaction";
        let ping = |place: &Place, proto| echo::run(place, proto, false, 500).map(|t| t.mean);
        let places = [&lo, &rust_lo, &veth];
        let mut all = row(name, unit, &places, rounds, &|p| ping(p, Proto::Tcp))?;
        let mut unix = row(name, unit, &[&lo], rounds, &|p| ping(p, Proto::Unix))?;
        unix.samples[0].device = "unix".into();
        all.samples.append(&mut unix.samples);
        report.add(all);
    }
    // Of a pair the half would have it only.
    with_something(report, run, &[&lo, &rust_lo, &master], rounds)?;
    beside(report, run, &rust_lo, &veth, rounds)
}

/// Measures it all, more than once.
pub fn run(run: &Run) -> Result {
    let (times, rounds) = if run.full { (5, 3) } else { (3, 1) };
    let mut report = Report::new("instructions")?;
    if !run.in_tree {
        sh("modprobe pktgen")?;
    }
    quiet()?;
    for time in 1..=times {
        println!("--- {time} of {times}");
        let once = if run.in_tree { in_tree } else { once };
        once(&mut report, run, rounds)?;
    }
    report.write(&run.out)
}

// SPDX-License-Identifier: GPL-2.0

//! Many devices, many namespaces, and the module itself: in a guest in which time counts
//! instructions.
//!
//! Counted is what all tasks ran, those of the kernel too, and not the time in which they waited
//! for RCU or for the disk: that goes by as the host likes.

use crate::{
    command::{batch, output, reload, sh},
    instructions::{quiet, row, settle},
    netperf::Test,
    pktgen,
    place::{Kind, Place},
    result::{Report, Row, Samples},
    Result, Run,
};
use guest::{netns::NetNs, rtnl::Rtnl};
use std::{env, fs, path::Path, thread::sleep, time::Duration};

const KINDS: [&str; 3] = ["dummy", "rust_lo", "veth"];
const ROUNDS: usize = 2;
/// Group of the devices that are deleted together.
const GROUP: u32 = 77;

/// Bytes that are free, or would be if they were needed.
fn available() -> Result<f64> {
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("/proc/meminfo has no MemAvailable")?
        .parse()?;
    Ok(kib * 1024.0)
}

/// Nanoseconds for which tasks have run: `rq_cpu_time` of `show_schedstat()`,
/// `kernel/sched/stats.c`.
fn ran() -> Result<f64> {
    let text = fs::read_to_string("/proc/schedstat")?;
    let mut sum = 0.0;
    for line in text.lines().filter(|line| line.starts_with("cpu")) {
        let field = line.split_whitespace().nth(7);
        sum += field
            .ok_or("/proc/schedstat is not as expected")?
            .parse::<f64>()?;
    }
    Ok(sum)
}

/// How long tasks run for `work`, this one included.
fn timed(work: impl FnOnce() -> Result) -> Result<f64> {
    let before = ran()?;
    work()?;
    // What has just ended is counted when somebody else runs.
    sleep(Duration::from_millis(1));
    Ok(ran()? - before)
}

fn lines(n: u32, line: impl Fn(u32) -> String) -> String {
    (0..n).map(|i| line(i) + "\n").collect()
}

/// A round with one kind: what it measures for all rows but the last, and what is done for the last
/// one when all kinds had their turn: the next one would get the memory that this one gives back.
type Round = (Vec<f64>, Box<dyn FnOnce() -> Result<f64>>);

/// These rows, for each kind in turn; who is the first differs from round to round.
fn by_kind<const N: usize>(
    works: [(String, &str); N],
    mut once: impl FnMut(&'static str) -> Result<Round>,
) -> Result<Vec<Row>> {
    let mut rows = works.map(|(work, unit)| Row {
        work,
        unit: unit.into(),
        samples: KINDS
            .map(|kind| Samples {
                device: kind.into(),
                values: Vec::new(),
            })
            .into(),
    });
    for round in 0..ROUNDS {
        let mut ends = Vec::new();
        for i in 0..KINDS.len() {
            let i = (round + i) % KINDS.len();
            let (values, end) = once(KINDS[i])?;
            ends.push((i, end));
            for (row, value) in rows.iter_mut().zip(values) {
                row.samples[i].values.push(value);
            }
        }
        for (i, end) in ends {
            rows[N - 1].samples[i].values.push(end()?);
        }
    }
    Ok(rows.into())
}

/// Makes, brings up and deletes `n` devices of each kind, in namespaces of their own.
fn devices(n: u32) -> Result<Vec<Row>> {
    let each = f64::from(n);
    let work = |what: &str| format!("{what} {n}");
    let home = NetNs::current()?;
    let rows = by_kind(
        [
            (work("create"), "instructions per device"),
            (work("bring up"), "instructions per device"),
            (work("memory of"), "bytes per device"),
            (work("delete"), "instructions per device"),
        ],
        |kind| {
            let ns = NetNs::new()?;
            ns.enter()?;
            let mut rtnl = Rtnl::new()?;
            // What goes after a grace period has gone.
            sleep(Duration::from_secs(20));
            let before = available()?;
            let create = timed(|| {
                for i in 0..n {
                    rtnl.add(&format!("d{i}"), kind, 0, None)?;
                }
                Ok(())
            })?;
            let indices = (0..n)
                .map(|i| Ok(rtnl.index(&format!("d{i}"))?))
                .collect::<Result<Vec<u32>>>()?;
            let up = timed(|| {
                for index in &indices {
                    rtnl.up(*index, true)?;
                }
                Ok(())
            })?;
            let memory = before - available()?;
            let end = move || {
                ns.enter()?;
                let delete = timed(|| {
                    for index in &indices {
                        rtnl.delete(*index)?;
                    }
                    Ok(())
                })?;
                Ok(delete / each)
            };
            Ok(([create, up, memory].map(|v| v / each).into(), Box::new(end)))
        },
    );
    home.enter()?;
    rows
}

/// Makes and deletes `n` namespaces with a device in each.
fn in_namespaces(n: u32) -> Result<Vec<Row>> {
    let ip: &[&str] = &["ip", "-batch", "-"];
    let each = f64::from(n);
    let work = |what: &str| format!("{n} namespaces with one each: {what}");
    by_kind(
        [
            (work("create"), "instructions per namespace"),
            (work("delete"), "instructions per namespace"),
        ],
        |kind| {
            let create = timed(|| {
                batch(ip, &lines(n, |i| format!("netns add many{i}")))?;
                batch(
                    ip,
                    &lines(n, |i| format!("link add d0 netns many{i} type {kind}")),
                )
            })?;
            // Namespaces go when nobody looks. With the last one goes this device of ours.
            let witness = Path::new("/sys/class/net/bench-witness");
            sh(&format!(
                "ip link add bench-witness type veth peer name w netns many{}",
                n - 1
            ))?;
            let delete = timed(|| {
                batch(ip, &lines(n, |i| format!("netns del many{i}")))?;
                for _ in 0..600 {
                    if !witness.exists() {
                        return Ok(());
                    }
                    sleep(Duration::from_millis(100));
                }
                Err("a namespace is still there after a minute".into())
            })?;
            Ok((vec![create / each], Box::new(move || Ok(delete / each))))
        },
    )
}

/// What a packet costs with one device, and with `n`.
fn flat(report: &mut Report, n: u32) -> Result {
    let place = Place::new(Kind::RustLo)?;
    let measure = |label: &str| -> Result<Vec<Row>> {
        let mut rows = vec![row(
            "pktgen 60 B",
            "instructions per packet",
            &[&place],
            5,
            &|p| pktgen::run(p, p.dev, 60, 20_000),
        )?];
        for test in [Test::UdpRr(1000), Test::TcpCrr(300)] {
            let work = test.name(false);
            rows.push(row(&work, test.unit(), &[&place], 5, &|p| {
                test.run(p, false)
            })?);
        }
        for row in &mut rows {
            row.work += ", by number of devices";
            row.samples[0].device = label.into();
        }
        Ok(rows)
    };
    settle();
    let one = measure("1")?;
    place.ip_batch(&lines(n - 1, |i| {
        format!("link add d{i} group {GROUP} type rust_lo")
    }))?;
    place.ip_batch(&lines(n - 1, |i| format!("link set d{i} up")))?;
    settle();
    let many = measure(&n.to_string())?;
    place.ip(&format!("link del group {GROUP}"))?;
    for (mut row, mut more) in one.into_iter().zip(many) {
        row.samples.append(&mut more.samples);
        report.add(row);
    }
    Ok(())
}

/// Loads the module and takes it out, with no device.
fn load(report: &mut Report, ko: &Path) -> Result {
    let mut row = Row {
        work: "insmod and rmmod".into(),
        unit: "instructions".into(),
        samples: vec![Samples {
            device: "rust_lo".into(),
            values: Vec::new(),
        }],
    };
    for _ in 0..5 {
        row.samples[0].values.push(timed(|| reload(ko))?);
    }
    report.add(row);
    let size = fs::read_to_string("/sys/module/rust_lo/coresize")?;
    report
        .about
        .insert("module in memory, bytes".into(), size.trim().into());
    // "text data bss dec hex filename", and below that the figures.
    let sizes = output(&["size", ko.to_str().ok_or("a path that is no text")?])?;
    let figures = sizes.lines().nth(1).unwrap_or_default();
    for (name, figure) in ["text", "data", "bss"]
        .into_iter()
        .zip(figures.split_whitespace())
    {
        report
            .about
            .insert(format!("module's {name}, bytes"), figure.into());
    }
    Ok(())
}

/// Measures it all.
pub fn run(run: &Run) -> Result {
    let mut report = Report::new("scale")?;
    sh("modprobe pktgen")?;
    quiet()?;
    if run.wants("insmod and rmmod") {
        let ko = env::var("RUST_LO_KO").map_err(|e| format!("RUST_LO_KO: {e}"))?;
        load(&mut report, Path::new(&ko))?;
    }
    let numbers: &[u32] = if run.full {
        &[1, 100, 1000, 5000]
    } else {
        &[1, 100, 1000]
    };
    if run.wants("devices") {
        // Modules are loaded, and programs are in memory, before anything is timed.
        devices(10)?;
        for &n in numbers {
            // One of a few pages is not seen in what is available.
            let seen = |row: &Row| n >= 100 || !row.work.starts_with("memory");
            let rows = devices(n)?.into_iter().filter(seen);
            rows.for_each(|row| report.add(row));
        }
    }
    if run.wants("namespaces") {
        let n = if run.full { 1000 } else { 50 };
        in_namespaces(n)?
            .into_iter()
            .for_each(|row| report.add(row));
    }
    if run.wants("flat") {
        flat(&mut report, numbers[numbers.len() - 1])?;
    }
    report.write(&run.out)
}

// SPDX-License-Identifier: GPL-2.0

//! Throughput and latency by the clock, on several processors. The host's noise is in it, so only
//! the ratios of one round are worth something.

use crate::{
    echo::{self, Proto},
    place::{Kind, Place},
    result::{Report, Row, Samples},
    Result, Run,
};

/// Bits per second of so many streams.
fn iperf(place: &Place, streams: u32, seconds: u32) -> Result<f64> {
    let text = place.client(&[
        "iperf3",
        "-c",
        place.address(false),
        "-P",
        &streams.to_string(),
        "-t",
        &seconds.to_string(),
        "-J",
    ])?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    json["end"]["sum_received"]["bits_per_second"]
        .as_f64()
        .ok_or_else(|| format!("iperf3 says: {text}").into())
}

/// A row without samples yet.
fn empty(work: String, unit: &str, places: &[Place]) -> Row {
    Row {
        work,
        unit: unit.into(),
        samples: places
            .iter()
            .map(|place| Samples {
                device: place.kind.name().into(),
                values: Vec::new(),
            })
            .collect(),
    }
}

/// Measures it all.
pub fn run(run: &Run) -> Result {
    let (rounds, seconds, pings) = if run.full {
        (9, 2, 20_000)
    } else {
        (5, 1, 3_000)
    };
    let mut report = Report::new("wall")?;
    let places = [
        Place::new(Kind::Lo)?,
        Place::new(Kind::RustLo)?,
        Place::new(Kind::Veth)?,
    ];
    for streams in [1, 2, 8] {
        let work = format!("iperf3, {streams} streams");
        if !run.wants(&work) {
            continue;
        }
        let mut row = empty(work, "bit/s", &places);
        for _ in 0..rounds {
            for (place, samples) in places.iter().zip(&mut row.samples) {
                samples.values.push(iperf(place, streams, seconds)?);
            }
        }
        report.add(row);
    }
    for (proto, name) in [(Proto::Tcp, "TCP"), (Proto::Udp, "UDP")] {
        let work = format!("ping-pong {name}");
        if !run.wants(&work) {
            continue;
        }
        let mut rows =
            ["p50", "p99", "p99.9"].map(|p| empty(format!("{work}, {p}"), "ns", &places));
        for _ in 0..rounds {
            for (i, place) in places.iter().enumerate() {
                let times = echo::run(place, proto, false, pings)?;
                for (row, time) in rows.iter_mut().zip(times.percentiles) {
                    row.samples[i].values.push(time);
                }
            }
        }
        rows.into_iter().for_each(|row| report.add(row));
    }
    report.write(&run.out)
}

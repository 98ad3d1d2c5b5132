// SPDX-License-Identifier: GPL-2.0

//! What is measured, as it goes into the JSON.

use crate::{command::sh, Result};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// The samples of one device, in the order of the rounds.
#[derive(Serialize, Deserialize)]
pub struct Samples {
    /// `lo`, `rust_lo` and so on.
    pub device: String,
    /// In the unit of the row.
    pub values: Vec<f64>,
}

/// One kind of work, on several devices in turn.
#[derive(Serialize, Deserialize)]
pub struct Row {
    /// What was done.
    pub work: String,
    /// Of the samples; less is better, unless it is a rate.
    pub unit: String,
    /// By device.
    pub samples: Vec<Samples>,
}

/// One run of one mode.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// `instructions`, `wall`, `scale` or `compare`.
    pub mode: String,
    /// What makes the same again: kernel, configuration, command, versions.
    pub about: BTreeMap<String, String>,
    /// The results.
    pub rows: Vec<Row>,
}

impl Samples {
    /// Their median.
    pub fn median(&self) -> f64 {
        median(&self.values)
    }
}

impl Row {
    /// The samples of a device.
    pub fn of(&self, device: &str) -> Option<&Samples> {
        self.samples.iter().find(|s| s.device == device)
    }

    /// Adds the samples of the same work.
    fn merge(&mut self, row: Row) {
        for samples in row.samples {
            match self.samples.iter_mut().find(|s| s.device == samples.device) {
                Some(there) => there.values.extend(samples.values),
                None => self.samples.push(samples),
            }
        }
    }

    /// How much better a device did than `base`, round by round: above 1 is better.
    pub fn ratios(&self, device: &str, base: &str) -> Option<Vec<f64>> {
        let rate = self.unit.ends_with("/s");
        let (ours, theirs) = (self.of(device)?, self.of(base)?);
        Some(
            ours.values
                .iter()
                .zip(&theirs.values)
                .map(|(a, b)| if rate { a / b } else { b / a })
                .collect(),
        )
    }
}

impl Report {
    /// An empty one, that knows where it was made.
    pub fn new(mode: &str) -> Result<Self> {
        let mut about = BTreeMap::new();
        let mut note = |key: &str, value: String| {
            about.insert(key.to_string(), value.trim().to_string());
        };
        note("kernel", fs::read_to_string("/proc/sys/kernel/osrelease")?);
        note(
            "kernel version",
            fs::read_to_string("/proc/sys/kernel/version")?,
        );
        note(
            "processors",
            std::thread::available_parallelism()?.to_string(),
        );
        note("command", env::args().collect::<Vec<_>>().join(" "));
        note(
            "seconds since 1970",
            SystemTime::now()
                .duration_since(UNIX_EPOCH)?
                .as_secs()
                .to_string(),
        );
        for (key, program) in [
            ("iperf3", "iperf3 --version"),
            ("netperf", "netperf -V"),
            ("iproute2", "ip -V"),
            ("tcpdump", "tcpdump --version"),
            ("nftables", "nft --version"),
        ] {
            if let Ok(version) = sh(program) {
                note(key, version.lines().next().unwrap_or_default().to_string());
            }
        }
        // Only the host knows: the commit, the hash of the configuration, the machine.
        for (key, value) in env::vars() {
            if let Some(key) = key.strip_prefix("BENCH_") {
                note(&key.to_lowercase().replace('_', " "), value);
            }
        }
        Ok(Self {
            mode: mode.to_string(),
            about,
            rows: Vec::new(),
        })
    }

    /// Adds a row, or its samples to those of the row that is there for this work; shows it.
    pub fn add(&mut self, row: Row) {
        let base = row
            .samples
            .first()
            .map(|s| s.device.clone())
            .unwrap_or_default();
        let shown: Vec<String> = row
            .samples
            .iter()
            .map(|s| match row.ratios(&s.device, &base) {
                Some(ratios) if s.device != base => {
                    format!("{} {:.0} ({:.4})", s.device, s.median(), median(&ratios))
                }
                _ => format!("{} {:.0}", s.device, s.median()),
            })
            .collect();
        println!("{}, {}: {}", row.work, row.unit, shown.join(", "));
        match self.rows.iter_mut().find(|there| there.work == row.work) {
            Some(there) => there.merge(row),
            None => self.rows.push(row),
        }
    }

    /// Writes the JSON.
    pub fn write(&self, path: &Path) -> Result {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")
            .map_err(|e| format!("{}: {e}", path.display()))?;
        println!("written: {}", path.display());
        Ok(())
    }

    /// Reads it back.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?)
    }
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Largest minus smallest.
pub fn spread(values: &[f64]) -> f64 {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    max - min
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn merged() {
        let row = |device: &str, value| Row {
            work: "work".into(),
            unit: "ns".into(),
            samples: vec![Samples {
                device: device.into(),
                values: vec![value],
            }],
        };
        let mut all = row("base", 1.0);
        all.merge(row("head", 2.0));
        all.merge(row("base", 3.0));
        assert_eq!(
            all.of("base").map(|s| s.values.clone()),
            Some(vec![1.0, 3.0])
        );
        assert_eq!(all.of("head").map(|s| s.values.clone()), Some(vec![2.0]));
    }

    #[test]
    fn better_is_above_one() {
        let samples = |device: &str, value| Samples {
            device: device.into(),
            values: vec![value],
        };
        let mut row = Row {
            work: String::new(),
            unit: "instructions per packet".into(),
            samples: vec![samples("lo", 200.0), samples("rust_lo", 100.0)],
        };
        assert_eq!(row.ratios("rust_lo", "lo"), Some(vec![2.0]));
        row.unit = "Mbit/s".into();
        assert_eq!(row.ratios("rust_lo", "lo"), Some(vec![0.5]));
        assert_eq!(row.ratios("veth", "lo"), None);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Two modules, in turn, in one boot.

use crate::{
    command::{reload, sh},
    instructions::{quiet, row, settle, tests},
    pktgen,
    place::{Kind, Place},
    result::{Report, Row},
    Result, Run,
};
use std::path::Path;

const ROUNDS: usize = 3;

/// Measures both.
pub fn run(run: &Run, base: &Path, head: &Path) -> Result {
    let mut report = Report::new("compare")?;
    sh("modprobe pktgen")?;
    quiet()?;
    // Twice, so that neither is always the first.
    for _ in 0..2 {
        for (name, ko) in [("base", base), ("head", head)] {
            reload(ko)?;
            let place = Place::new(Kind::RustLo)?;
            settle();
            let mut add = |mut row: Row| {
                row.samples[0].device = name.into();
                report.add(row);
            };
            for size in [60, 1500] {
                let work = format!("pktgen {size} B");
                if run.wants(&work) {
                    let unit = "instructions per packet";
                    add(row(&work, unit, &[&place], ROUNDS, &|place| {
                        pktgen::run(place, place.dev, size, 20_000)
                    })?);
                }
            }
            for (test, v6) in tests(run.full) {
                let work = test.name(v6);
                if run.wants(&work) {
                    add(row(&work, test.unit(), &[&place], ROUNDS, &|place| {
                        test.run(place, v6)
                    })?);
                }
            }
        }
    }
    report.write(&run.out)
}

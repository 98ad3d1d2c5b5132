// SPDX-License-Identifier: GPL-2.0

//! Tables for a terminal, and the page with its plots.

use crate::{
    plot::{bars, short, Group},
    result::{median, spread, Report, Row},
    Result,
};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// A change in instructions that is marked.
const MARKED: f64 = 0.005;
const DEVICES: [&str; 7] = ["lo", "rust_lo", "l3-master", "veth", "vrf", "dummy", "unix"];
/// In the name of a row that compares one device with itself: behind it stands what differs.
const BY: &str = ", by ";

/// The devices that these rows have.
fn devices(rows: &[Row]) -> Vec<&str> {
    let has = |d: &str| rows.iter().any(|row| row.of(d).is_some());
    DEVICES.into_iter().filter(|d| has(d)).collect()
}

fn table(head: &[String], lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(head) + &line(&rule);
    lines.iter().for_each(|cells| text += &line(cells));
    text
}

/// The rows that compare one device with itself, in words.
fn sentences(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let Some((work, by)) = row.work.split_once(BY) else {
            continue;
        };
        let base = row.samples[0].median();
        let each: Vec<String> = row
            .samples
            .iter()
            .map(|s| {
                let value = s.median();
                format!("{} {value:.0} (ratio {:.4})", s.device, base / value)
            })
            .collect();
        let _ = write!(
            text,
            "\n{work}, {}, by {by}: {}.\n",
            row.unit,
            each.join(", ")
        );
    }
    text
}

/// Instructions on each device, and how rust_lo compares.
fn instructions(rows: &[Row]) -> String {
    let devices = devices(rows);
    let mut head = vec!["work".to_string(), "per".to_string()];
    head.extend(devices.iter().map(|d| d.to_string()));
    head.extend(
        [
            "rust_lo to lo",
            "spread",
            "l3-master to lo",
            "rust_lo to veth",
        ]
        .map(String::from),
    );
    let lines: Vec<Vec<String>> = rows
        .iter()
        .filter(|row| !row.work.contains(BY))
        .map(|row| {
            let mut line = vec![row.work.clone(), row.unit.replace("instructions per ", "")];
            line.extend(devices.iter().map(|d| {
                row.of(d)
                    .map_or("-".into(), |s| format!("{:.0}", s.median()))
            }));
            let of_ratios = |of, to, figure: fn(&[f64]) -> f64| {
                row.ratios(of, to)
                    .map_or("-".into(), |r| format!("{:.4}", figure(&r)))
            };
            line.push(of_ratios("rust_lo", "lo", median));
            line.push(of_ratios("rust_lo", "lo", spread));
            line.push(of_ratios("l3-master", "lo", median));
            line.push(of_ratios("rust_lo", "veth", median));
            line
        })
        .collect();
    table(&head, &lines) + &sentences(rows)
}

/// Ratios to `lo`, with their range.
fn wall(rows: &[Row]) -> String {
    let devices = devices(rows);
    let mut head = vec!["work".to_string()];
    for device in &devices[1..] {
        head.extend([format!("{device} to lo"), "range".to_string()]);
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut line = vec![row.work.clone()];
            for device in &devices[1..] {
                let ratios = row.ratios(device, "lo").unwrap_or_default();
                let max = ratios.iter().copied().fold(f64::NAN, f64::max);
                let min = ratios.iter().copied().fold(f64::NAN, f64::min);
                line.push(format!("{:.3}", median(&ratios)));
                line.push(format!("{min:.3} to {max:.3}"));
            }
            line
        })
        .collect();
    table(&head, &lines)
}

/// What many devices cost; and with how many of them a packet costs what.
fn scale(rows: &[Row]) -> String {
    let head = ["work", "unit", "rust_lo", "dummy", "veth"].map(String::from);
    let lines: Vec<Vec<String>> = rows
        .iter()
        .filter(|row| !row.work.contains(BY))
        .map(|row| {
            let mut line = vec![row.work.clone(), row.unit.clone()];
            line.extend(
                head[2..]
                    .iter()
                    .map(|d| row.of(d).map_or("-".into(), |s| short(s.median()))),
            );
            line
        })
        .collect();
    table(&head, &lines) + &sentences(rows)
}

/// Two modules; what changed by more than the mark.
fn compare(rows: &[Row]) -> String {
    let head = ["work", "unit", "base", "head", "change", ""].map(String::from);
    let lines: Vec<Vec<String>> = rows
        .iter()
        .filter_map(|row| {
            let (base, head) = (row.of("base")?.median(), row.of("head")?.median());
            let change = head / base - 1.0;
            let mark = match change {
                c if c > MARKED => "slower",
                c if c < -MARKED => "faster",
                _ => "",
            };
            Some(vec![
                row.work.clone(),
                row.unit.clone(),
                format!("{base:.0}"),
                format!("{head:.0}"),
                format!("{:+.2} %", change * 100.0),
                mark.into(),
            ])
        })
        .collect();
    table(&head, &lines)
}

/// The plot of a mode, if it has one.
fn plot(report: &Report) -> Option<String> {
    let (axis, series): (_, &[&str]) = match report.mode.as_str() {
        "instructions" => (
            "speed against lo, in instructions: longer is faster",
            &["rust_lo", "l3-master", "veth", "vrf", "unix"],
        ),
        "wall" => (
            "against lo, by the clock, median of the rounds: longer is better",
            &["rust_lo", "veth"],
        ),
        "scale" => ("against dummy: longer is better", &["rust_lo", "veth"]),
        _ => return None,
    };
    let base = if report.mode == "scale" {
        "dummy"
    } else {
        "lo"
    };
    let groups: Vec<Group> = report
        .rows
        .iter()
        .filter(|row| row.of(base).is_some())
        .map(|row| Group {
            label: row.work.clone(),
            values: series
                .iter()
                .map(|d| {
                    row.ratios(d, base)
                        .map(|r| median(&r))
                        .filter(|r| r.is_finite())
                })
                .collect(),
        })
        .collect();
    Some(bars(axis, series, 1.0, &groups))
}

fn section(report: &Report) -> (&'static str, &'static str, String) {
    let rows = &report.rows;
    match report.mode.as_str() {
        "wall" => (
            "By the clock",
            "Several processors; each ratio is of one round, in which the devices take turns, so that what else \
             the host does cancels out. Above 1 is better.",
            wall(rows),
        ),
        "scale" => (
            "Many devices",
            "One processor, where time counts instructions: what all tasks ran, those of the kernel too, without the \
             time in which they waited. Of namespaces, ip(8) is a part.",
            scale(rows),
        ),
        "compare" => ("Two modules", "In one boot, in turn.", compare(rows)),
        _ => (
            "Instructions",
            "One processor, where time counts instructions. Each figure is the median of the rounds, in which the \
             devices take turns, each in a namespace of its own with the same addresses and routes, and the source \
             validation that Debian has by default (`rp_filter=2`, package linux-sysctl-defaults; what came over a \
             loopback needs none). The ratio is how much faster rust_lo is; its spread is largest minus smallest.",
            instructions(rows),
        ),
    }
}

/// Prints the tables, and writes the page if there is a place for it.
pub fn run(docs: Option<&Path>, files: &[PathBuf]) -> Result {
    let reports: Vec<Report> = files
        .iter()
        .map(|f| Report::read(f))
        .collect::<Result<_>>()?;
    let mut page = String::from(
        "# What rust_lo costs\n\nMade by `make bench` or `make bench-full`, which say how they were called below. \
         What is measured: `tests/bench`.\n",
    );
    for report in &reports {
        let (title, text, table) = section(report);
        println!("\n{title}\n\n{table}");
        let _ = write!(page, "\n## {title}\n\n{text}\n\n{table}");
        if let (Some(docs), Some(svg)) = (docs, plot(report)) {
            let name = format!("performance-{}.svg", report.mode);
            fs::create_dir_all(docs)?;
            fs::write(docs.join(&name), svg)?;
            let _ = write!(page, "\n![{title}]({name})\n");
        }
        let _ = write!(page, "\n<details><summary>Where and how</summary>\n\n");
        for (key, value) in &report.about {
            let _ = writeln!(page, "- {key}: `{value}`");
        }
        page += "\n</details>\n";
    }
    if let Some(docs) = docs {
        fs::write(docs.join("performance.md"), page)?;
        for (file, report) in files.iter().zip(&reports) {
            let to = docs.join(format!("performance-{}.json", report.mode));
            // It may be one of those that are there already.
            if fs::canonicalize(&to).ok() != Some(fs::canonicalize(file)?) {
                fs::copy(file, to)?;
            }
        }
        println!("written: {}", docs.join("performance.md").display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Samples;

    fn row(values: [(&str, f64); 2]) -> Row {
        Row {
            work: "UDP_RR".into(),
            unit: "instructions per transaction".into(),
            samples: values
                .map(|(device, value)| Samples {
                    device: device.into(),
                    values: vec![value],
                })
                .into(),
        }
    }

    #[test]
    fn a_change_is_marked() {
        let marked = |head| compare(&[row([("base", 10_000.0), ("head", head)])]);
        assert!(marked(10_060.0).contains("slower"));
        assert!(marked(9_940.0).contains("faster"));
        let same = marked(10_040.0);
        assert!(same.contains("+0.40 %") && !same.contains("slower"));
    }

    #[test]
    fn faster_than_lo() {
        let text = instructions(&[row([("lo", 10_100.0), ("rust_lo", 10_000.0)])]);
        assert!(text.contains("1.0100"), "{text}");
    }

    #[test]
    fn what_lo_cannot_do() {
        let text = instructions(&[row([("rust_lo", 7_560.0), ("veth", 8_738.0)])]);
        assert!(text.contains("1.1558"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Plots, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const LABELS: f64 = 230.0;
const BAR: f64 = 14.0;
const GAP: f64 = 12.0;
const COLOURS: [&str; 5] = ["#b7410e", "#4878a8", "#7a9a5a", "#8a6ba8", "#999999"];

/// One group of bars.
pub struct Group {
    /// What stands beside them.
    pub label: String,
    /// A value for each series, if it has one.
    pub values: Vec<Option<f64>>,
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Horizontal bars with a line where the value is `line`; `axis` says what the numbers are.
pub fn bars(axis: &str, series: &[&str], line: f64, groups: &[Group]) -> String {
    let group_height = BAR * series.len() as f64 + GAP;
    let height = 60.0 + group_height * groups.len() as f64;
    let max = groups
        .iter()
        .flat_map(|g| g.values.iter().flatten())
        .fold(line, |a, b| a.max(*b));
    let scale = (WIDTH - LABELS - 60.0) / max;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"16\" font-size=\"12\">{}</text>\n",
        escape(axis)
    );
    // Writing to a String cannot fail.
    for (i, name) in series.iter().enumerate() {
        let x = LABELS + 90.0 * i as f64;
        let colour = COLOURS[i % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"26\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"35\">{}</text>",
            x + 14.0,
            escape(name)
        );
    }
    let mut y = 48.0;
    for group in groups {
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LABELS - 8.0,
            y + BAR * series.len() as f64 / 2.0 + 4.0,
            escape(&group.label)
        );
        for (i, value) in group.values.iter().enumerate() {
            if let Some(value) = value {
                let width = value * scale;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{LABELS}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"/>\
                     <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    BAR - 2.0,
                    COLOURS[i % COLOURS.len()],
                    LABELS + width + 4.0,
                    y + BAR - 4.0,
                    short(*value)
                );
            }
            y += BAR;
        }
        y += GAP;
    }
    let x = LABELS + line * scale;
    let _ = writeln!(
        svg,
        "<line x1=\"{x:.1}\" y1=\"42\" x2=\"{x:.1}\" y2=\"{y:.1}\" stroke=\"black\" stroke-dasharray=\"3 3\"/>"
    );
    svg + "</svg>\n"
}

/// A number in four digits or so.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{:.2} M", value / 1e6),
        v if v >= 1e4 => format!("{:.1} k", value / 1e3),
        v if v >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(short(1.00449), "1.004");
        assert_eq!(short(999.6), "1000");
        assert_eq!(short(34_567.0), "34.6 k");
        assert_eq!(short(1_234_567.0), "1.23 M");
    }

    #[test]
    fn a_bar_for_each_value() {
        let groups = [Group {
            label: "a < b".into(),
            values: vec![Some(1.0), None, Some(2.0)],
        }];
        let svg = bars("speed", &["x", "y", "z"], 1.0, &groups);
        assert!(svg.contains("a &lt; b"));
        // Background, three in the legend, two bars.
        assert_eq!(svg.matches("<rect").count(), 6);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! As much of JSON as the output needs.

/// A string.
pub fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

/// An array of values.
pub fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

/// An object of named values.
pub fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", string(name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(string("a\"\\\n€"), "\"a\\\"\\\\\\u000a€\"");
        let dev = object(&[("dev", string("lo")), ("up", "true".into())]);
        assert_eq!(array([dev].into_iter()), r#"[{"dev":"lo","up":true}]"#);
        assert_eq!(array([].into_iter()), "[]");
    }
}

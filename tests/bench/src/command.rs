// SPDX-License-Identifier: GPL-2.0

//! Other programs.

use crate::Result;
use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Runs a program and gives back what it prints; an error says what it complained of.
pub fn output(argv: &[&str]) -> Result<String> {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{}: {e}", argv[0]))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!(
            "'{}' failed: {}{stdout}",
            argv.join(" "),
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(stdout)
}

/// Runs a command line that has no quotes in it.
pub fn sh(line: &str) -> Result<String> {
    output(&line.split_whitespace().collect::<Vec<_>>())
}

/// Hands lines to a program, as `ip -batch -`.
pub fn batch(program: &[&str], lines: &str) -> Result {
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no standard input")?
        .write_all(lines.as_bytes())?;
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("'{}' failed", program.join(" ")).into());
    }
    Ok(())
}

/// A program in the background, killed when this is dropped.
pub struct Background(Child);

impl Background {
    /// Starts it.
    pub fn new(argv: &[&str]) -> Result<Self> {
        let child = Command::new(argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{}: {e}", argv[0]))?;
        Ok(Self(child))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The path of this program.
pub fn own() -> Result<String> {
    Ok(std::env::current_exe()?.display().to_string())
}

/// Loads this rust_lo in place of the one that is there, if any.
pub fn reload(ko: &Path) -> Result {
    if Path::new("/sys/module/rust_lo").exists() {
        sh("rmmod rust_lo")?;
    }
    output(&["insmod", &ko.display().to_string(), "numdevs=0"])?;
    Ok(())
}

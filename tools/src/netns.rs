// SPDX-License-Identifier: GPL-2.0

//! Entering a network namespace.

use std::fs::File;
use std::io::ErrorKind;

use nix::errno::Errno;
use nix::sched::{setns, CloneFlags};

use crate::error::{Error, Result};

/// Enters a namespace named as for `ip netns`, by the path of its file, or by a process in it.
pub fn enter(name: &str) -> Result<()> {
    let fail = |why: &str| Error::about(format_args!("namespace {name}"), why);
    let open = |path: &str| match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(fail("not permitted to open it")),
        Err(e) => Err(fail(&e.to_string())),
    };
    let mut file = if name.contains('/') {
        open(name)?
    } else {
        open(&format!("/run/netns/{name}"))?
    };
    if file.is_none() && !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        file = open(&format!("/proc/{name}/ns/net"))?;
    }
    let file = file.ok_or_else(|| fail("no such namespace"))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| match e {
        Errno::EINVAL => fail("not a network namespace"),
        Errno::EPERM => fail("not permitted: this needs CAP_SYS_ADMIN"),
        other => fail(other.desc()),
    })
}

// SPDX-License-Identifier: GPL-2.0

//! Entering a network namespace that is there, or a new one.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::mount::{mount, MsFlags};
use nix::sched::{setns, unshare, CloneFlags};
use nix::unistd::{getegid, geteuid};

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

/// Enters a new namespace, which goes with the last process in it, with a `/sys` that shows it.
///
/// Who may not make one gets it in a user namespace of his own, where he stays who he is. What the user should know
/// even so.
pub fn enter_new() -> Result<Option<String>> {
    let new = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let fail = |why: &str| Err(Error::about("a new namespace", why));
    match unshare(new) {
        Ok(()) => {}
        Err(Errno::EPERM) => {
            let (uid, gid) = (geteuid(), getegid());
            match unshare(new | CloneFlags::CLONE_NEWUSER) {
                Ok(()) => {}
                Err(Errno::EPERM) => {
                    return fail("not permitted: this needs CAP_SYS_ADMIN, or user namespaces that anybody may make")
                }
                Err(Errno::ENOSPC) => {
                    return fail("no more of them are allowed (user.max_user_namespaces, max_net_namespaces)")
                }
                Err(other) => return fail(other.desc()),
            }
            let map = |what: &str, text: String| {
                fs::write(format!("/proc/self/{what}"), text).map_err(|e| Error::about(what, e))
            };
            map("setgroups", "deny".into())?;
            map("uid_map", format!("{uid} {uid} 1"))?;
            map("gid_map", format!("{gid} {gid} 1"))?;
        }
        Err(Errno::ENOSPC) => return fail("no more of them are allowed (user.max_net_namespaces)"),
        Err(other) => return fail(other.desc()),
    }
    Ok(own_sys()
        .err()
        .map(|e| format!("/sys stays that of the namespace before: {}", e.desc())))
}

/// Mounts the new namespace's `/sys`, with the control groups that the old one had.
fn own_sys() -> nix::Result<()> {
    const NONE: Option<&str> = None;
    let recursive = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(NONE, "/", NONE, MsFlags::MS_SLAVE | MsFlags::MS_REC, NONE)?;
    let cgroups = File::open("/sys/fs/cgroup").ok();
    // Over the old one, which is left below it, as those are.
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), NONE)?;
    if let Some(file) = cgroups {
        let old = format!("/proc/self/fd/{}", file.as_raw_fd());
        mount(Some(old.as_str()), "/sys/fs/cgroup", NONE, recursive, NONE)?;
    }
    Ok(())
}

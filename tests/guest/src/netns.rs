// SPDX-License-Identifier: GPL-2.0

//! Network namespaces without names: they are there as long as something uses them.

use nix::sched::{setns, unshare, CloneFlags};
use std::{
    fs::{self, File},
    io::Result,
    os::fd::{AsRawFd, RawFd},
    thread,
};

/// A network namespace.
pub struct NetNs(File);

impl AsRawFd for NetNs {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl NetNs {
    /// That of the calling thread.
    pub fn current() -> Result<Self> {
        File::open("/proc/thread-self/ns/net").map(Self)
    }

    /// One that has a path, as those of `ip netns`.
    pub fn open(path: &str) -> Result<Self> {
        File::open(path).map(Self)
    }

    /// Puts the calling thread into a new one, in which all is as the kernel has it.
    pub fn unshare() -> Result<()> {
        Ok(unshare(CloneFlags::CLONE_NEWNET)?)
    }

    /// A new one. In it `lo` is down, anybody may send ICMP echo requests, and connections that
    /// nobody has any more do not last minutes, for they keep the namespace.
    pub fn new() -> Result<Self> {
        let make = || {
            Self::unshare()?;
            for (name, value) in [
                ("ipv4/ping_group_range", "0 2147483647"),
                ("ipv4/tcp_orphan_retries", "1"),
                ("ipv4/tcp_fin_timeout", "2"),
                ("sctp/rto_max", "1000"),
                ("sctp/association_max_retrans", "2"),
            ] {
                // Without SCTP there are none of it.
                match fs::write(format!("/proc/sys/net/{name}"), value) {
                    Err(e) if !name.starts_with("sctp") => return Err(e),
                    _ => (),
                }
            }
            Self::current()
        };
        // On a thread of its own, so that this one stays where it is.
        thread::scope(|s| s.spawn(make).join().expect("no thread"))
    }

    /// Puts the calling thread into it.
    pub fn enter(&self) -> Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWNET)?)
    }

    /// For `IFLA_NET_NS_FD`.
    pub fn as_attribute(&self) -> [u8; 4] {
        self.as_raw_fd().to_ne_bytes()
    }
}

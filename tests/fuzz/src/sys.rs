// SPDX-License-Identifier: GPL-2.0

//! System calls that the standard library does not have. All of the unsafe code.

use std::{
    fs::File,
    io::{Error, Result},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

fn check(result: isize) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::last_os_error())
}

/// C: `unshare()`. Namespaces of the network: of the calling thread only.
pub fn unshare(flags: i32) -> Result<()> {
    // SAFETY: No pointers.
    check(unsafe { libc::unshare(flags) } as isize).map(drop)
}

/// Puts the calling thread into a namespace of the network.
pub fn set_net(ns: &File) -> Result<()> {
    // SAFETY: No pointers.
    check(unsafe { libc::setns(ns.as_raw_fd(), libc::CLONE_NEWNET) } as isize).map(drop)
}

/// The namespace of the network that the calling thread is in.
pub fn current_net() -> Result<File> {
    File::open("/proc/thread-self/ns/net")
}

/// Makes this process one of an ordinary user, for good.
pub fn become_user(id: u32) -> Result<()> {
    // SAFETY: No pointers that are read: of a list of no groups.
    check(unsafe { libc::setgroups(0, std::ptr::null()) } as isize)?;
    // SAFETY: No pointers.
    check(unsafe { libc::setresgid(id, id, id) } as isize)?;
    // SAFETY: No pointers.
    check(unsafe { libc::setresuid(id, id, id) } as isize)?;
    // Or /proc/self would be root's.
    // SAFETY: No pointers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) } as isize).map(drop)
}

/// Makes a socket of rtnetlink in the namespace of the calling thread.
pub fn rtnetlink() -> Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: No pointers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
    let fd = check(fd as isize)? as i32;
    // SAFETY: The descriptor was just made and is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option of a netlink socket.
pub fn set_netlink(fd: &OwnedFd, name: i32, value: i32) -> Result<()> {
    let len = size_of::<i32>() as u32;
    let at = (&raw const value).cast();
    // SAFETY: The pointer is valid for the length.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, name, at, len) } as isize)
        .map(drop)
}

/// C: `send()`.
pub fn send(fd: &OwnedFd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: The pointer is valid for the length.
    check(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) })
}

/// Receives what is there.
pub fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> Result<usize> {
    let (at, len) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: The pointer is valid for the length.
    check(unsafe {
        libc::recv(
            fd.as_raw_fd(),
            at,
            len,
            libc::MSG_DONTWAIT | libc::MSG_TRUNC,
        )
    })
}

/// Id of the calling thread.
pub fn thread_id() -> i32 {
    // SAFETY: No pointers.
    unsafe { libc::gettid() }
}

// SPDX-License-Identifier: GPL-2.0

//! What ethtool sets.

use crate::sys::{self, check};
use std::{io::Result, os::fd::AsRawFd};

/// `struct ethtool_value` of `<linux/ethtool.h>`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ifreq` of `<linux/if.h>`.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    data: *mut Value,
    rest: [u64; 2],
}

/// `ETHTOOL_SPFLAGS` of `<linux/ethtool.h>`.
const SET_PRIVATE_FLAGS: u32 = 0x28;

/// Sets all private flags of a device of this thread's namespace, a bit each.
pub fn set_private_flags(device: &str, flags: u32) -> Result<()> {
    let socket = sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let mut value = Value {
        command: SET_PRIVATE_FLAGS,
        data: flags,
    };
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        data: &mut value,
        rest: [0; 2],
    };
    request.name[..device.len()].copy_from_slice(device.as_bytes());
    // SAFETY: The request is whole, and what it points to is there until the call returns.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    check(result as isize).map(drop)
}

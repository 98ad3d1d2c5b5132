// SPDX-License-Identifier: GPL-2.0

//! What ethtool sets.

use crate::sys;
use std::{
    io::{Error, Result},
    os::fd::AsRawFd,
};

/// `struct ethtool_value` of `<linux/ethtool.h>`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
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
    // SAFETY: Zero is a valid value of all fields.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: The request is whole, its name shorter than its place, and what it points to is there
    // until the call returns.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Messages with control messages: `sendmsg()`, `recvmsg()` and `sendmmsg()`.

use crate::sys::{check, sendmsg, value_of, Address};
use bytemuck::NoUninit;
use nix::sys::socket::{sendmmsg, MsgFlags, MultiHeaders};
use std::{
    io::{IoSlice, Result},
    iter::repeat_n,
    mem::{size_of_val, zeroed},
    os::fd::{AsFd, AsRawFd},
};

/// A control message: level, type and contents.
pub struct Control(pub i32, pub i32, pub Vec<u8>);

impl Control {
    /// One that holds an integer, or several.
    pub fn new<T: NoUninit>(level: i32, kind: i32, value: &T) -> Self {
        Self(level, kind, bytemuck::bytes_of(value).to_vec())
    }
}

fn align(len: usize) -> usize {
    len.next_multiple_of(size_of::<usize>())
}

/// The control messages as `sendmsg()` wants them (`CMSG_SPACE`, `CMSG_DATA`).
fn encode(controls: &[Control]) -> Vec<u8> {
    let header = align(size_of::<libc::cmsghdr>());
    let mut out = Vec::new();
    for Control(level, kind, data) in controls {
        out.extend((header + data.len()).to_ne_bytes());
        out.extend(level.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(data);
        out.resize(align(out.len()), 0);
    }
    out
}

fn decode(mut bytes: &[u8]) -> Vec<Control> {
    let header = align(size_of::<libc::cmsghdr>());
    let mut controls = Vec::new();
    while bytes.len() >= header {
        let len = value_of::<u64>(bytes) as usize;
        let (level, kind) = (value_of(&bytes[8..]), value_of(&bytes[12..]));
        controls.push(Control(level, kind, bytes[header..len].to_vec()));
        bytes = &bytes[align(len).min(bytes.len())..];
    }
    controls
}

/// C: `sendmsg()`.
pub fn send(
    fd: &impl AsFd,
    data: &[u8],
    to: Option<&Address>,
    controls: &[Control],
    flags: i32,
) -> Result<usize> {
    sendmsg(fd, data, to, &encode(controls), flags)
}

/// Sends the same bytes `count` times on a connected socket with one `sendmmsg()`.
pub fn send_many(fd: &impl AsFd, data: &[u8], count: usize) -> Result<usize> {
    let (fd, none) = (fd.as_fd().as_raw_fd(), MsgFlags::empty());
    let (data, to) = ([IoSlice::new(data)], vec![None::<()>; count]);
    let mut headers = MultiHeaders::preallocate(count, None);
    let sent = sendmmsg(fd, &mut headers, repeat_n(&data, count), to, [], none)?;
    Ok(sent.count())
}

/// What `recvmsg()` got.
pub struct Received {
    /// The bytes.
    pub data: Vec<u8>,
    /// Where it came from.
    pub from: Address,
    /// The control messages.
    pub controls: Vec<Control>,
}

/// A `struct sock_extended_err`: an error, or something that is reported in its way.
pub struct Report {
    /// The error, or 0.
    pub errno: u32,
    /// `SO_EE_ORIGIN_*`
    pub origin: u8,
    /// Type of ICMP.
    pub kind: u8,
    /// Code of ICMP, or of the report.
    pub code: u8,
    /// What the origin makes of it.
    pub info: u32,
    /// The same.
    pub data: u32,
    /// Who sent it (`SO_EE_OFFENDER`).
    pub offender: Address,
}

impl Received {
    /// The contents of a control message.
    pub fn control(&self, level: i32, kind: i32) -> Option<&[u8]> {
        self.controls
            .iter()
            .find(|c| (c.0, c.1) == (level, kind))
            .map(|c| &c.2[..])
    }

    /// What a socket's error queue says of it.
    pub fn report(&self) -> Option<Report> {
        let of_ip = self.control(libc::IPPROTO_IP, libc::IP_RECVERR);
        let of_ipv6 = || self.control(libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
        let bytes = of_ip.or_else(of_ipv6)?;
        Some(Report {
            errno: value_of(bytes),
            origin: bytes[4],
            kind: bytes[5],
            code: bytes[6],
            info: value_of(&bytes[8..]),
            data: value_of(&bytes[12..]),
            offender: Address(bytes[16..].to_vec()),
        })
    }
}

/// C: `recvmsg()`.
pub fn receive(fd: &impl AsFd, flags: i32) -> Result<Received> {
    let mut data = vec![0u8; 1 << 17];
    let mut name = vec![0u8; size_of::<libc::sockaddr_storage>()];
    // Of usize for the alignment.
    let mut control = [0usize; 128];
    let mut iov = libc::iovec {
        iov_base: data.as_mut_ptr().cast(),
        iov_len: data.len(),
    };
    // SAFETY: Made of integers and of pointers that may be null.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &mut iov;
    message.msg_iovlen = 1;
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = name.len() as u32;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: All pointers are valid for their lengths.
    let len = check(unsafe { libc::recvmsg(fd.as_fd().as_raw_fd(), &mut message, flags) })?;
    data.truncate(len);
    name.truncate(message.msg_namelen as usize);
    let control: &[u8] = bytemuck::bytes_of(&control);
    Ok(Received {
        data,
        from: Address(name),
        controls: decode(&control[..message.msg_controllen]),
    })
}

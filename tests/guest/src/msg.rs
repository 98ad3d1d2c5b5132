// SPDX-License-Identifier: GPL-2.0

//! Messages with control messages: `sendmsg()`, `recvmsg()` and `sendmmsg()`.

use crate::sys::{bytes_of, check, value_of, Address, Plain};
use std::{
    io::Result,
    mem::{size_of, size_of_val, zeroed},
    os::fd::AsRawFd,
};

/// A control message: level, type and contents.
pub struct Control(pub i32, pub i32, pub Vec<u8>);

impl Control {
    /// One that holds a plain value.
    pub fn new<T: Plain>(level: i32, kind: i32, value: &T) -> Self {
        Self(level, kind, bytes_of(value))
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
    fd: &impl AsRawFd,
    data: &[u8],
    to: Option<&Address>,
    controls: &[Control],
    flags: i32,
) -> Result<usize> {
    let mut control = encode(controls);
    let mut iov = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    // SAFETY: Made of integers and of pointers that may be null.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &mut iov;
    message.msg_iovlen = 1;
    if let Some(Address(to)) = to {
        message.msg_name = to.as_ptr().cast_mut().cast();
        message.msg_namelen = to.len() as u32;
    }
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len();
    }
    // SAFETY: All pointers are valid for their lengths; what they point to is only read.
    check(unsafe { libc::sendmsg(fd.as_raw_fd(), &message, flags) })
}

/// Sends the same bytes `count` times on a connected socket with one `sendmmsg()`.
pub fn send_many(fd: &impl AsRawFd, data: &[u8], count: usize) -> Result<usize> {
    let mut iov = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    // SAFETY: Made of integers and of pointers that may be null.
    let mut message: libc::mmsghdr = unsafe { zeroed() };
    message.msg_hdr.msg_iov = &mut iov;
    message.msg_hdr.msg_iovlen = 1;
    let mut messages = vec![message; count];
    let (at, len) = (messages.as_mut_ptr(), messages.len() as u32);
    // SAFETY: As in `send`.
    check(unsafe { libc::sendmmsg(fd.as_raw_fd(), at, len, 0) } as isize)
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

impl Received {
    /// The contents of a control message.
    pub fn control(&self, level: i32, kind: i32) -> Option<&[u8]> {
        self.controls
            .iter()
            .find(|c| (c.0, c.1) == (level, kind))
            .map(|c| &c.2[..])
    }
}

/// C: `recvmsg()`.
pub fn receive(fd: &impl AsRawFd, flags: i32) -> Result<Received> {
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
    let len = check(unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, flags) })?;
    data.truncate(len);
    name.truncate(message.msg_namelen as usize);
    let control: Vec<u8> = control.iter().flat_map(|word| word.to_ne_bytes()).collect();
    Ok(Received {
        data,
        from: Address(name),
        controls: decode(&control[..message.msg_controllen]),
    })
}

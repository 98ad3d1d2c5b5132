// SPDX-License-Identifier: GPL-2.0

//! Raw ICMP sockets, and the unprivileged ones.

use crate::{
    env::{Counters, Env},
    msg,
    net::{noise, PATIENCE},
    sys::{self, Address},
};
use std::{net::SocketAddr, os::fd::OwnedFd};

/// The Internet checksum, for ICMP of IPv4: ICMPv6 sockets have the kernel do it.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|c| (u32::from(c[0]) << 8) | c.get(1).map_or(0, |&b| u32::from(b)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// All users may have sockets of type SOCK_DGRAM.
pub fn allow_all(env: &Env) {
    env.sysctl("ipv4/ping_group_range", "0 2147483647");
}

pub fn open(env: &Env, kind: i32) -> OwnedFd {
    let protocol = if env.ip.is_ipv4() {
        libc::IPPROTO_ICMP
    } else {
        libc::IPPROTO_ICMPV6
    };
    let socket = sys::socket_for(env.ip, kind, protocol).unwrap();
    sys::set_patience(&socket, PATIENCE).unwrap();
    socket
}

fn ping(env: &Env, kind: i32, len: usize) {
    let socket = open(env, kind);
    let (request, reply) = if env.ip.is_ipv4() { (8, 0) } else { (128, 129) };
    let mut packet = vec![request, 0, 0, 0, 0x12, 0x34, 0, 7];
    packet.extend(noise(len, 1));
    if env.ip.is_ipv4() {
        let sum = internet_checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
    let to: Address = SocketAddr::from((env.ip, 0)).into();
    msg::send(&socket, &packet, Some(&to), &[], 0).unwrap();
    loop {
        let got = msg::receive(&socket, 0).unwrap().data;
        // Raw sockets of IPv4 see the IP header, and raw sockets their own request.
        let header = if env.ip.is_ipv4() && kind == libc::SOCK_RAW {
            20
        } else {
            0
        };
        let got = &got[header..];
        if got[0] == request {
            continue;
        }
        assert_eq!(got[..2], [reply, 0]);
        // The id of a SOCK_DGRAM one is the kernel's.
        assert_eq!(got[6..], packet[6..], "not what was sent");
        return;
    }
}

pub fn echo(env: &Env) {
    allow_all(env);
    let before = Counters::of(env.dev);
    let sizes = [0, 56, 1472, 20_000, 65_000];
    for len in sizes {
        ping(env, libc::SOCK_RAW, len);
        ping(env, libc::SOCK_DGRAM, len);
    }
    // A request and a reply each.
    let seen = Counters::of(env.dev).since(before).rx.0;
    assert_eq!(seen, 2 * 2 * sizes.len() as u64);
}

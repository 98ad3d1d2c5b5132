// SPDX-License-Identifier: GPL-2.0

//! Frames made by hand.

use crate::icmp::internet_checksum;
use std::net::{IpAddr, SocketAddr};

/// An Ethernet header.
pub const HEADER: usize = 14;
/// `IPPROTO_TCP` and `IPPROTO_UDP`.
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// A frame without hardware addresses.
pub fn ethernet(ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&[0; 12][..], &ethertype.to_be_bytes(), packet].concat()
}

/// The Ethernet protocol of a family.
pub fn ethertype(ip: IpAddr) -> u16 {
    if ip.is_ipv4() {
        0x0800
    } else {
        0x86dd
    }
}

fn addresses(from: IpAddr, to: IpAddr) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [from.octets(), to.octets()].concat(),
        (IpAddr::V6(from), IpAddr::V6(to)) => [from.octets(), to.octets()].concat(),
        _ => panic!("two families"),
    }
}

/// A packet of IPv4 or IPv6 with the header of `protocol` and what it holds.
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u16;
    let mut ip = if from.is_ipv4() {
        let [high, low] = (20 + len).to_be_bytes();
        vec![0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0]
    } else {
        let [high, low] = len.to_be_bytes();
        vec![0x60, 0, 0, 0, high, low, protocol, 64]
    };
    ip.extend(addresses(from, to));
    if from.is_ipv4() {
        let sum = internet_checksum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&sum);
    }
    ip.extend(payload);
    ip
}

/// The checksum of what IP carries, with the pseudo header.
fn checksum(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> [u8; 2] {
    let len = (payload.len() as u16).to_be_bytes();
    let pseudo = [&addresses(from, to), &[0, protocol][..], &len, payload].concat();
    internet_checksum(&pseudo).to_be_bytes()
}

/// A datagram without its IP header.
pub fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    let mut udp = [from.port(), to.port(), len, 0]
        .map(u16::to_be_bytes)
        .concat();
    udp.extend(payload);
    let sum = checksum(from.ip(), to.ip(), UDP, &udp);
    udp[6..8].copy_from_slice(&sum);
    udp
}

/// A TCP segment without its IP header.
pub fn tcp(from: SocketAddr, to: SocketAddr, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut tcp = [from.port(), to.port()].map(u16::to_be_bytes).concat();
    tcp.extend([
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        1,
        5 << 4,
        flags,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ]);
    tcp.extend(payload);
    let sum = checksum(from.ip(), to.ip(), TCP, &tcp);
    tcp[16..18].copy_from_slice(&sum);
    tcp
}

/// A whole frame with a datagram.
pub fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let packet = ip(from.ip(), to.ip(), UDP, &udp(from, to, payload));
    ethernet(ethertype(to.ip()), &packet)
}

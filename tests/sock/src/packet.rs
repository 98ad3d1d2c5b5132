// SPDX-License-Identifier: GPL-2.0

//! Packet sockets.

use crate::{
    env::{Counters, Env},
    icmp::internet_checksum,
    msg,
    net::{errno, would_block, PATIENCE},
    sys::{self, Address},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::OwnedFd,
};

const PACKET_HOST: u8 = 0;
const PACKET_OUTGOING: u8 = 4;
const HEADER: usize = 14;

fn ethertype(env: &Env) -> u16 {
    let protocol = if env.ip.is_ipv4() {
        libc::ETH_P_IP
    } else {
        libc::ETH_P_IPV6
    };
    protocol as u16
}

/// A packet socket on a device, for one protocol or, with 0, only to send.
fn open(device: &str, protocol: u16) -> OwnedFd {
    let socket = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).unwrap();
    sys::bind(&socket, &Address::link(device, protocol).unwrap()).unwrap();
    socket
}

/// An Ethernet frame with a datagram.
fn frame(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    let mut udp = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    udp.extend(len.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);

    let (ethertype, mut ip, addresses) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut ip = vec![0x45, 0];
            ip.extend((20 + len).to_be_bytes());
            ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
            (0x0800u16, ip, [from.octets(), to.octets()].concat())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut ip = vec![0x60, 0, 0, 0];
            ip.extend(len.to_be_bytes());
            ip.extend([17, 64]);
            (0x86dd, ip, [from.octets(), to.octets()].concat())
        }
        _ => panic!("two families"),
    };
    let pseudo = [&addresses, &[0, 17][..], &len.to_be_bytes(), &udp].concat();
    udp[6..8].copy_from_slice(&internet_checksum(&pseudo).to_be_bytes());
    ip.extend(addresses);
    if from.is_ipv4() {
        let sum = internet_checksum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&sum);
    }
    [&[0; 12][..], &ethertype.to_be_bytes(), &ip, &udp].concat()
}

/// A frame that a packet socket sends comes without a route. IP input finds one.
pub fn send(env: &Env) {
    let to = env.add_address();
    let from: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::new(10, 9, 8, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
    };
    let any: IpAddr = if to.is_ipv4() {
        [0; 4].into()
    } else {
        [0; 16].into()
    };
    let receiver = UdpSocket::bind((any, 0)).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = SocketAddr::from((to, receiver.local_addr().unwrap().port()));
    let frame = frame((from, 1234).into(), to, b"made by hand");
    env.sysctl("ipv4/conf/all/rp_filter", "0");
    env.sysctl(&format!("ipv4/conf/{}/rp_filter", env.dev), "0");

    let packet = open(env.dev, 0);
    for bypass in [0, 1] {
        sys::set(&packet, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, bypass).unwrap();
        let before = Counters::of(env.dev);
        assert_eq!(
            msg::send(&packet, &frame, None, &[], 0).unwrap(),
            frame.len()
        );
        let mut buffer = [0; 64];
        let (len, peer) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"made by hand");
        assert_eq!(peer, (from, 1234).into());
        let counted = Counters::of(env.dev).since(before);
        assert_eq!(counted.rx, (1, (frame.len() - HEADER) as u64));
    }
}

/// A frame without a whole header is refused. One with nothing behind it is not.
pub fn short(env: &Env) {
    let packet = open(env.dev, 0);
    let before = Counters::of(env.dev);
    for bypass in [0, 1] {
        sys::set(&packet, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, bypass).unwrap();
        for len in 0..HEADER {
            let sent = msg::send(&packet, &vec![0xff; len], None, &[], 0);
            assert_eq!(errno(sent), libc::EINVAL, "{len} bytes");
        }
        assert_eq!(Counters::of(env.dev).since(before).tx.0, bypass as u64);
        assert_eq!(
            msg::send(&packet, &[0; HEADER], None, &[], 0).unwrap(),
            HEADER
        );
        let sent = msg::send(&packet, &vec![0; HEADER + 65_537], None, &[], 0);
        assert_eq!(errno(sent), libc::EMSGSIZE);
    }
    assert_eq!(Counters::of(env.dev).since(before).rx, (2, 0));
}

pub fn capture(env: &Env) {
    let index = sys::index_of(env.dev).unwrap();
    let packet = open(env.dev, libc::ETH_P_ALL as u16);
    let (sender, _receiver, to) = crate::net::udp_pair(env);
    for len in [10, 2000] {
        sender.send(&vec![5; len]).unwrap();
        for kind in [PACKET_OUTGOING, PACKET_HOST] {
            let got = msg::receive(&packet, libc::MSG_DONTWAIT).unwrap();
            let from = got.from.as_link();
            assert_eq!(from.sll_pkttype, kind, "out first, then in");
            assert_eq!(from.sll_ifindex, index as i32);
            assert_eq!(u16::from_be(from.sll_protocol), ethertype(env));
            assert_eq!(from.sll_hatype, libc::ARPHRD_LOOPBACK);
            assert_eq!(got.data[..12], [0; 12], "hardware addresses");
            assert_eq!(got.data[12..14], ethertype(env).to_be_bytes());
            let ip = if env.ip.is_ipv4() { 20 } else { 40 };
            assert_eq!(got.data.len(), HEADER + ip + 8 + len);
            let port = &got.data[HEADER + ip + 2..][..2];
            assert_eq!(port, to.port().to_be_bytes());
        }
    }
    let more = msg::receive(&packet, libc::MSG_DONTWAIT);
    assert!(would_block(more), "a third copy");
}

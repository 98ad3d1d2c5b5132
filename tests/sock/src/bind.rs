// SPDX-License-Identifier: GPL-2.0

//! Binding to addresses and to devices, and what a socket learns of them.

use crate::{
    env::{Check, Counters, Env},
    msg,
    net::{errno, expect_silence, udp, udp_pair, PATIENCE},
    sys,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

/// A datagram to `socket` arrives.
fn expect_reachable(env: &Env, socket: &UdpSocket, to: IpAddr) {
    let (sender, _) = udp(env);
    let mut buffer = [0; 16];
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    sender.send_to(b"reached", (to, port)).unwrap();
    assert_eq!(socket.recv(&mut buffer).unwrap(), 7);
}

pub fn explicit(env: &Env) {
    let mut addresses = vec![env.ip];
    if env.ip.is_ipv4() {
        addresses.push(Ipv4Addr::new(127, 1, 2, 3).into());
    }
    for ip in addresses {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        expect_reachable(env, &socket, ip);
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(server.local_addr().unwrap().ip(), ip);
        assert_eq!(client.peer_addr().unwrap().ip(), ip);
    }
    // Not everything is localhost.
    let strange: IpAddr = if env.ip.is_ipv4() {
        Ipv4Addr::new(192, 0, 2, 1).into()
    } else {
        "2001:db8::1".parse().unwrap()
    };
    assert_eq!(errno(UdpSocket::bind((strange, 0))), libc::EADDRNOTAVAIL);
}

pub fn own_address(env: &Env) {
    let ip = env.add_address();
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    expect_reachable(env, &socket, ip);
}

/// A UDP socket that is bound to a device and to any address.
fn bound_to(env: &Env, device: &str) -> UdpSocket {
    let fd = sys::socket_for(env.ip, libc::SOCK_DGRAM, 0).unwrap();
    sys::bind_to_device(&fd, device).unwrap();
    let any: IpAddr = if env.ip.is_ipv4() {
        [0; 4].into()
    } else {
        [0; 16].into()
    };
    sys::bind(&fd, &SocketAddr::from((any, 0)).into()).unwrap();
    fd.into()
}

pub fn to_device(env: &Env) {
    let (free, _) = udp(env);
    let bound = bound_to(env, env.dev);
    expect_reachable(env, &bound, env.ip);
    // The other way round, and between two that are bound.
    let mut buffer = [0; 16];
    for socket in [&free, &bound_to(env, env.dev)] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let to = (env.ip, socket.local_addr().unwrap().port());
        bound.send_to(b"hello", to).unwrap();
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((len, from.ip()), (5, env.ip));
    }
}

/// With the device preferred, lo has only what is sent by sockets bound to it.
pub fn to_lo(env: &Env) {
    let mut buffer = [0; 16];
    let lo = bound_to(env, "lo");
    let to = (env.ip, lo.local_addr().unwrap().port());
    let (free, _) = udp(env);
    let before = Counters::of("lo");
    free.send_to(b"hello", to).unwrap();
    bound_to(env, env.dev).send_to(b"hello", to).unwrap();
    expect_silence(&lo);
    assert_eq!(Counters::of("lo"), before, "lo carried something");

    let sender = bound_to(env, "lo");
    let before = Counters::of(env.dev);
    sender.send_to(b"hello", to).unwrap();
    lo.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(lo.recv(&mut buffer).unwrap(), 5);
    assert_eq!(
        Counters::of(env.dev),
        before,
        "the device carried what is for lo"
    );
    env.at_the_end(Check::Device);
}

pub fn pktinfo(env: &Env) {
    let (sender, receiver, _) = udp_pair(env);
    let index = sys::index_of(env.dev).unwrap();
    if env.ip.is_ipv4() {
        sys::set(&receiver, libc::IPPROTO_IP, libc::IP_PKTINFO, 1).unwrap();
    } else {
        sys::set(&receiver, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1).unwrap();
    }
    sender.send(b"hello").unwrap();
    let got = msg::receive(&receiver, 0).unwrap();
    match env.ip {
        IpAddr::V4(ip) => {
            let info = got.control(libc::IPPROTO_IP, libc::IP_PKTINFO).unwrap();
            // struct in_pktinfo: the device, the address for an answer, the one that was asked.
            let wanted = [index.to_ne_bytes(), ip.octets(), ip.octets()];
            assert_eq!(info, wanted.as_flattened());
        }
        IpAddr::V6(ip) => {
            let info = got.control(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO).unwrap();
            // struct in6_pktinfo
            assert_eq!(info, [&ip.octets()[..], &index.to_ne_bytes()].concat());
        }
    }
}

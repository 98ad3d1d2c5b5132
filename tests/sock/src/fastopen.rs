// SPDX-License-Identifier: GPL-2.0

//! TCP fast open: data in the first packet of a connection.

use crate::{
    compare::{grown, mib, packet_socket},
    env::Env,
    frame::{ethertype, HEADER},
    msg,
    net::{listener, PATIENCE},
    sys,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
};

/// `linux/tcp.h`: in `tcpi_options`, that data went with the SYN and was acknowledged so.
const TCPI_OPT_SYN_DATA: u8 = 32;

/// A connection whose data goes with the SYN if it may. Whether it did, on both ends.
fn connect(listener: &TcpListener, to: SocketAddr, by_option: bool) -> [bool; 2] {
    let socket = sys::socket_for(to.ip(), libc::SOCK_STREAM, 0).unwrap();
    let mut client = if by_option {
        sys::set(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1).unwrap();
        sys::connect(&socket, &to.into()).unwrap();
        let mut client = TcpStream::from(socket);
        client.write_all(b"first").unwrap();
        client
    } else {
        let sent = msg::send(&socket, b"first", Some(&to.into()), &[], libc::MSG_FASTOPEN);
        assert_eq!(sent.unwrap(), 5);
        TcpStream::from(socket)
    };
    let (mut server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let mut data = [0; 5];
    server.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"first");
    server.write_all(b"reply").unwrap();
    client.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"reply");
    [client, server].map(|stream| {
        let info: [u8; 8] = sys::get(&stream, libc::IPPROTO_TCP, libc::TCP_INFO).unwrap();
        info[5] & TCPI_OPT_SYN_DATA != 0
    })
}

/// What each SYN that a packet socket saw on its way in carries.
fn syns(env: &Env, capture: &OwnedFd) -> Vec<Vec<u8>> {
    let ip = if env.ip.is_ipv4() { 20 } else { 40 };
    let mut found = Vec::new();
    while let Ok(got) = msg::receive(capture, libc::MSG_DONTWAIT) {
        let Some(tcp) = got.data.get(HEADER + ip..) else {
            continue;
        };
        // SYN without ACK, received.
        if tcp.len() >= 20 && tcp[13] & 0x12 == 2 && got.from.as_link().kind == 0 {
            found.push(tcp[usize::from(tcp[12] >> 4) * 4..].to_vec());
        }
    }
    found
}

pub fn connections(env: &Env) {
    let run = |env: &Env| {
        // As client, and as server.
        env.sysctl("ipv4/tcp_fastopen", "3");
        let key = "00112233-44556677-8899aabb-ccddeeff";
        env.sysctl("ipv4/tcp_fastopen_key", key);
        let (listener, to) = listener(env);
        sys::set(&listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 16).unwrap();
        let capture = packet_socket(libc::SOCK_RAW, env.dev, ethertype(env.ip));
        let mut seen = Vec::new();
        let mut step = |what, by_option| {
            let before = mib();
            let in_syn = connect(&listener, to, by_option);
            let mut counted = grown(&mib(), &before);
            counted.retain(|(name, _)| name.contains("FastOpen"));
            seen.push((what, in_syn, syns(env, &capture), counted));
        };
        step("asks for a cookie", false);
        step("has it", false);
        step("has it", true);
        // The cookie is worth nothing now: what is in the SYN is sent again.
        env.sysctl("ipv4/tcp_fastopen_key", &key.replace("00", "ff"));
        step("has the wrong one", false);
        step("has the new one", false);
        seen
    };
    let got = run(env);
    let in_syn: Vec<_> = got.iter().map(|(_, [client, _], ..)| *client).collect();
    assert_eq!(in_syn, [false, true, true, false, true], "{got:#?}");
    let carried: Vec<_> = got.iter().map(|(.., syns, _)| syns.concat()).collect();
    let empty: &[u8] = b"";
    let first: &[u8] = b"first";
    assert_eq!(carried, [empty, first, first, first, first], "{got:#?}");
    assert_eq!(got, env.on_lo(run));
}

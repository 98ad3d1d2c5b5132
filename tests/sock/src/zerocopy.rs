// SPDX-License-Identifier: GPL-2.0

//! `MSG_ZEROCOPY`.

use crate::{
    compare::packet_socket,
    env::Env,
    msg,
    net::{errno, noise, tcp_pair, udp_pair, would_block, PATIENCE},
    sys,
};
use std::{io::Read, net::TcpStream, os::fd::AsFd, thread, time::Instant};

/// `linux/errqueue.h`.
const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;

/// Range of the sends that are complete, and whether they were copied.
fn completion(socket: &impl AsFd) -> (u32, u32, bool) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match msg::receive(socket, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) {
            Ok(message) => {
                let report = message.report().expect("no kind of error");
                assert_eq!(report.origin, SO_EE_ORIGIN_ZEROCOPY);
                assert_eq!(report.errno, 0);
                let copied = report.code & SO_EE_CODE_ZEROCOPY_COPIED != 0;
                return (report.info, report.data, copied);
            }
            error => assert!(would_block(error)),
        }
        thread::yield_now();
    }
    panic!("no notification");
}

fn zerocopy(socket: &impl AsFd, data: &[u8]) {
    sys::set(socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1).unwrap();
    let sent = msg::send(socket, data, None, &[], libc::MSG_ZEROCOPY).unwrap();
    assert_eq!(sent, data.len());
}

fn stream(client: &TcpStream, server: &mut TcpStream) -> Vec<(u32, u32, bool)> {
    let data = noise(60_000, 8);
    let mut got = vec![0; data.len()];
    let mut complete = Vec::new();
    for _ in 0..3 {
        zerocopy(client, &data);
        server.read_exact(&mut got).unwrap();
        assert!(got == data, "wrong bytes");
        complete.push(completion(client));
    }
    complete
}

pub fn notification(env: &Env) {
    let run = |env: &Env| {
        let (client, mut server) = tcp_pair(env);
        let tcp = stream(&client, &mut server);

        let (sender, receiver, _) = udp_pair(env);
        let (data, mut got) = (noise(30_000, 9), [0; 40_000]);
        zerocopy(&sender, &data);
        let len = receiver.recv(&mut got).unwrap();
        assert!(got[..len] == data, "wrong bytes");
        (tcp, completion(&sender))
    };
    let got = run(env);
    // A packet that stays on the machine is copied when it is received.
    assert_eq!(got.0, [(0, 0, true), (1, 1, true), (2, 2, true)]);
    assert_eq!(got.1, (0, 0, true));
    assert_eq!(got, env.on_lo(run));
}

/// What nobody reads, what somebody else sees as well, and what is cut into datagrams.
pub fn odd(env: &Env) {
    let run = |env: &Env| {
        let mut complete = Vec::new();
        // Refused: the packet comes back within the error.
        let (sender, receiver, _) = udp_pair(env);
        drop(receiver);
        for len in [100, 30_000] {
            zerocopy(&sender, &noise(len, 10));
            complete.push(completion(&sender));
            assert_eq!(errno(sender.recv(&mut [0])), libc::ECONNREFUSED);
        }
        // Seen by a packet socket, and read late.
        let capture = packet_socket(libc::SOCK_RAW, env.dev, libc::ETH_P_ALL as u16);
        let (sender, receiver, _) = udp_pair(env);
        let data = noise(20_000, 11);
        for _ in 0..3 {
            zerocopy(&sender, &data);
        }
        // One notification may stand for several.
        let mut last = None;
        while last != Some(2) {
            let (from, to, copied) = completion(&sender);
            assert_eq!(from, last.map_or(0, |l| l + 1));
            assert!(copied);
            last = Some(to);
        }
        let mut got = vec![0; 40_000];
        for _ in 0..3 {
            let len = receiver.recv(&mut got).unwrap();
            assert!(got[..len] == data, "wrong bytes");
        }
        drop(capture);
        // In segments, with the pages of the sender.
        sys::set(&sender, libc::SOL_UDP, libc::UDP_SEGMENT, 1000).unwrap();
        zerocopy(&sender, &data);
        for segment in data.chunks(1000) {
            let len = receiver.recv(&mut got).unwrap();
            assert!(got[..len] == *segment, "wrong bytes");
        }
        complete.push(completion(&sender));
        // To a connection that is closed meanwhile.
        let (client, server) = tcp_pair(env);
        zerocopy(&client, &data);
        drop(server);
        complete.push(completion(&client));
        complete
    };
    let got = run(env);
    assert!(got.iter().all(|(_, _, copied)| *copied), "{got:?}");
    assert_eq!(got, env.on_lo(run));
}

// SPDX-License-Identifier: GPL-2.0

//! `MSG_ZEROCOPY`.

use crate::{
    env::Env,
    msg,
    net::{noise, tcp_pair, udp_pair, would_block, PATIENCE},
    sys,
};
use std::{io::Read, net::TcpStream, os::fd::AsRawFd, thread, time::Instant};

/// `linux/errqueue.h`.
const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;

/// Range of the sends that are complete, and whether they were copied.
fn completion(env: &Env, socket: &impl AsRawFd) -> (u32, u32, bool) {
    let (level, kind) = if env.ip.is_ipv4() {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    };
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match msg::receive(socket, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) {
            Ok(message) => {
                let error = message.control(level, kind).expect("no kind of error");
                let error: libc::sock_extended_err = sys::value_of(error);
                assert_eq!(error.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
                assert_eq!(error.ee_errno, 0);
                let copied = error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED != 0;
                return (error.ee_info, error.ee_data, copied);
            }
            error => assert!(would_block(error)),
        }
        thread::yield_now();
    }
    panic!("no notification");
}

fn zerocopy(socket: &impl AsRawFd, data: &[u8]) {
    sys::set(socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1).unwrap();
    let sent = msg::send(socket, data, None, &[], libc::MSG_ZEROCOPY).unwrap();
    assert_eq!(sent, data.len());
}

fn stream(env: &Env, client: &TcpStream, server: &mut TcpStream) -> Vec<(u32, u32, bool)> {
    let data = noise(60_000, 8);
    let mut got = vec![0; data.len()];
    let mut complete = Vec::new();
    for _ in 0..3 {
        zerocopy(client, &data);
        server.read_exact(&mut got).unwrap();
        assert!(got == data, "wrong bytes");
        complete.push(completion(env, client));
    }
    complete
}

pub fn notification(env: &Env) {
    let run = |env: &Env| {
        let (client, mut server) = tcp_pair(env);
        let tcp = stream(env, &client, &mut server);

        let (sender, receiver, _) = udp_pair(env);
        let (data, mut got) = (noise(30_000, 9), [0; 40_000]);
        zerocopy(&sender, &data);
        let len = receiver.recv(&mut got).unwrap();
        assert!(got[..len] == data, "wrong bytes");
        (tcp, completion(env, &sender))
    };
    let got = run(env);
    // A packet that stays on the machine is copied when it is received.
    assert_eq!(got.0, [(0, 0, true), (1, 1, true), (2, 2, true)]);
    assert_eq!(got.1, (0, 0, true));
    assert_eq!(got, env.on_lo(run));
}

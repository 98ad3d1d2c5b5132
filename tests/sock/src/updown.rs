// SPDX-License-Identifier: GPL-2.0

//! The device goes while it is in use.

use crate::{
    env::{ip_batch, Check, Counters, Env},
    net::{tcp_pair, udp_pair},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

fn exchange(a: &mut TcpStream, b: &mut TcpStream) {
    let mut buffer = [0; 5];
    a.write_all(b"hello").unwrap();
    b.read_exact(&mut buffer).unwrap();
    b.write_all(b"world").unwrap();
    a.read_exact(&mut buffer).unwrap();
}

/// Sockets go on over lo while the device is down, and after it is gone.
pub fn survive(env: &Env) {
    let (mut client, mut server) = tcp_pair(env);
    let (sender, receiver, _) = udp_pair(env);
    let mut buffer = [0; 16];
    let mut step = |change: &str, carrier: &str| {
        ip_batch(change);
        let before = Counters::of(carrier).rx.0;
        exchange(&mut client, &mut server);
        sender.send(b"hello").unwrap();
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 5);
        let carried = Counters::of(carrier).rx.0 - before;
        // Two segments and a datagram, and the acknowledgement of the last
        // segment when it is not delayed.
        assert!(carried >= 3, "{carrier} carried {carried} packets only");
    };
    step("", env.dev);
    let before = Counters::of(env.dev);
    step("link set rl0 down\n", "lo");
    assert_eq!(Counters::of(env.dev), before, "carried although down");
    for _ in 0..5 {
        ip_batch("link set rl0 up\nlink set rl0 down\n");
    }
    step("", "lo");
    // Up again it comes second, unless it is preferred again.
    step(
        "link set rl0 up\n",
        if env.ip.is_ipv4() { env.dev } else { "lo" },
    );
    step("link del rl0\n", "lo");
    env.at_the_end(Check::Nothing);
}

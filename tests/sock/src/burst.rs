// SPDX-License-Identifier: GPL-2.0

//! Many packets from several threads.

use crate::{
    env::{Counters, Env},
    msg,
    net::udp_pair,
};
use std::{sync::Barrier, thread};

const THREADS: usize = 4;
const BURSTS: usize = 40;
const BURST: usize = 50;

/// Each thread has packets of a length of its own.
fn len(thread: usize) -> usize {
    100 + 10 * thread
}

fn run(env: &Env) -> Counters {
    let pairs: Vec<_> = (0..THREADS).map(|_| udp_pair(env)).collect();
    let before = Counters::of(env.dev);
    let barrier = Barrier::new(THREADS);
    thread::scope(|s| {
        for (i, (sender, receiver, _)) in pairs.iter().enumerate() {
            let barrier = &barrier;
            s.spawn(move || {
                barrier.wait();
                for _ in 0..BURSTS {
                    let sent = msg::send_many(sender, &vec![1; len(i)], BURST).unwrap();
                    assert_eq!(sent, BURST);
                    for _ in 0..BURST {
                        assert_eq!(receiver.recv(&mut [0; 256]).unwrap(), len(i));
                    }
                }
            });
        }
    });
    Counters::of(env.dev).since(before)
}

pub fn counters(env: &Env) {
    let headers = if env.ip.is_ipv4() { 28 } else { 48 };
    let packets = (THREADS * BURSTS * BURST) as u64;
    let bytes: usize = (0..THREADS)
        .map(|i| BURSTS * BURST * (len(i) + headers))
        .sum();
    let expected = Counters {
        rx: (packets, bytes as u64),
        tx: (packets, bytes as u64),
        dropped: (0, 0),
    };
    assert_eq!(run(env), expected);
    assert_eq!(env.on_lo(run), expected);
}

// SPDX-License-Identifier: GPL-2.0

//! Timestamps.

use crate::{
    env::Env,
    msg,
    net::{tcp_pair, udp_pair, would_block, MOMENT, PATIENCE},
    sys,
};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::Instant,
};

/// `ee_info` of a report (`linux/errqueue.h`).
const SCM_TSTAMP_SND: u32 = 0;
const SCM_TSTAMP_SCHED: u32 = 1;
const SCM_TSTAMP_ACK: u32 = 2;

const SECOND: i128 = 1_000_000_000;
/// All that software does: scheduled, sent, acknowledged, received; data left out of the reports.
const ALL: u32 = libc::SOF_TIMESTAMPING_TX_SCHED
    | libc::SOF_TIMESTAMPING_TX_SOFTWARE
    | libc::SOF_TIMESTAMPING_TX_ACK
    | libc::SOF_TIMESTAMPING_RX_SOFTWARE
    | libc::SOF_TIMESTAMPING_SOFTWARE
    | libc::SOF_TIMESTAMPING_OPT_ID
    | libc::SOF_TIMESTAMPING_OPT_TSONLY;

/// A time of about now, by the wall clock.
fn expect_now(time: [i64; 2], what: &str) {
    let off = sys::clock(libc::CLOCK_REALTIME) - sys::nanoseconds(time);
    assert!(
        (-SECOND..20 * SECOND).contains(&off),
        "{what}: {off} ns ago"
    );
}

fn enable(socket: &impl AsFd) {
    sys::set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, ALL as i32).unwrap();
}

/// As long as what is returned lives the kernel stamps what it receives, once it has begun to.
///
/// The kernel begins and ends to do so some time after the first socket asked for it and the last
/// one was closed (`net_enable_timestamp()` of net/core/dev.c, by way of a work item). So a stamp
/// that was seen is no promise of the next one unless no socket was the last one: hold this for
/// as long as tests run.
#[must_use]
pub fn keep_stamps() -> impl Drop {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("no socket");
    enable(&socket);
    OwnedFd::from(socket)
}

/// Waits until the kernel stamps what it receives, and keeps it doing so.
#[must_use]
pub fn await_stamps(env: &Env) -> impl Drop {
    let (sender, receiver, _) = udp_pair(env);
    enable(&receiver);
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        sender.send(b"hello").unwrap();
        let got = msg::receive(&receiver, 0).unwrap();
        if got
            .control(libc::SOL_SOCKET, libc::SO_TIMESTAMPING)
            .is_some()
        {
            return OwnedFd::from(receiver);
        }
    }
    panic!("nothing is stamped");
}

/// The software timestamp of a message that was received or of a report.
fn stamp(message: &msg::Received, what: &str) {
    let stamps = message.control(libc::SOL_SOCKET, libc::SO_TIMESTAMPING);
    let stamps = stamps.unwrap_or_else(|| panic!("{what}: no timestamp"));
    expect_now(sys::value_of(stamps), what);
}

/// The kinds of reports (`SCM_TSTAMP_*`) on what was sent, until `count` came or no more comes.
fn reports(socket: &impl AsFd, count: usize) -> BTreeSet<(u32, u32)> {
    let (mut kinds, start) = (BTreeSet::new(), Instant::now());
    while kinds.len() < count && start.elapsed() < MOMENT {
        let report = msg::receive(socket, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT);
        let Ok(report) = report else {
            assert!(would_block(report));
            thread::yield_now();
            continue;
        };
        stamp(&report, "report");
        let report = report.report().expect("a report without its kind");
        assert_eq!(report.origin, libc::SO_EE_ORIGIN_TIMESTAMPING);
        kinds.insert((report.info, report.data));
    }
    kinds
}

pub fn udp(env: &Env) {
    let run = |env: &Env| {
        let _kept = await_stamps(env);
        let (sender, receiver, _) = udp_pair(env);
        enable(&sender);
        enable(&receiver);
        sender.send(b"hello").unwrap();
        sender.send(b"hello").unwrap();
        stamp(&msg::receive(&receiver, 0).unwrap(), "received");
        reports(&sender, 4)
    };
    let got = run(env);
    // Scheduled and sent, of two datagrams.
    let all = [(SCM_TSTAMP_SCHED, 0), (SCM_TSTAMP_SND, 0)];
    let all = all
        .into_iter()
        .chain([(SCM_TSTAMP_SCHED, 1), (SCM_TSTAMP_SND, 1)]);
    assert_eq!(got, all.collect(), "(what, which)");
    assert_eq!(got, env.on_lo(run));
}

pub fn tcp(env: &Env) {
    let run = |env: &Env| {
        let _kept = await_stamps(env);
        let (mut client, mut server) = tcp_pair(env);
        enable(&client);
        enable(&server);
        client.write_all(&[1; 100]).unwrap();
        let received = msg::receive(&server, 0).unwrap();
        // The packet was stamped on its way out, by the monotonic clock.
        stamp(&received, "received");
        server.write_all(&[2; 100]).unwrap();
        client.read_exact(&mut [0; 100]).unwrap();
        reports(&client, 3)
    };
    let got = run(env);
    let all = [SCM_TSTAMP_SCHED, SCM_TSTAMP_SND, SCM_TSTAMP_ACK];
    assert_eq!(got, all.map(|what| (what, 99)).into(), "(what, last byte)");
    assert_eq!(got, env.on_lo(run));
}

/// A launch time (`SO_TXTIME`) is in the packet where a receiver looks for the time of arrival.
pub fn launch_time(env: &Env) {
    let _kept = await_stamps(env);
    let (sender, receiver, to) = udp_pair(env);
    sys::set(&receiver, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1).unwrap();
    for clock in [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC, libc::CLOCK_TAI] {
        // struct sock_txtime: the clock, and no flags.
        let option = [clock.to_ne_bytes(), [0; 4]].concat();
        sys::set_bytes(&sender, libc::SOL_SOCKET, libc::SO_TXTIME, &option).unwrap();
        let launch = (sys::clock(clock) + 1000 * SECOND) as u64;
        let time = [msg::Control::new(
            libc::SOL_SOCKET,
            libc::SCM_TXTIME,
            &launch,
        )];
        msg::send(&sender, b"hello", Some(&to.into()), &time, 0).unwrap();
        let got = msg::receive(&receiver, 0).unwrap();
        let stamp = got.control(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS).unwrap();
        expect_now(sys::value_of(stamp), "received");
    }
}

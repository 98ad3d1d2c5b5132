// SPDX-License-Identifier: GPL-2.0

//! Launch times (`SO_TXTIME`) with the qdiscs that keep them.

use crate::{
    env::{need_modules, tc, Check, Env},
    msg::{self, Control},
    net::{udp_pair, would_block, MOMENT},
    sys,
};
use std::net::UdpSocket;

/// `linux/errqueue.h`.
const SO_EE_ORIGIN_TXTIME: u8 = 6;

const MILLISECOND: i128 = 1_000_000;

/// Sends the text some milliseconds from now. When that is.
fn launch(sender: &UdpSocket, clock: i32, text: &str, delay: i128) -> i128 {
    let at = sys::clock(clock) + delay * MILLISECOND;
    let time = Control::new(libc::SOL_SOCKET, libc::SCM_TXTIME, &(at as u64));
    // A qdisc that drops says so to those that asked for errors only.
    let _ = msg::send(sender, text.as_bytes(), None, &[time], 0);
    at
}

fn receive(receiver: &UdpSocket) -> String {
    let mut buffer = [0; 16];
    let len = receiver.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..len]).into()
}

/// Sends with launch times, which may be kept by so many milliseconds too soon, but not too late.
/// What came in which order, and what errors were reported: origin, code, errno.
fn run(env: &Env, qdisc: &str, clock: i32, ahead: i128) -> (Vec<String>, Vec<(u8, u8, u32)>) {
    const REPORT_ERRORS: u32 = 2;
    let (sender, receiver, _) = udp_pair(env);
    let (level, kind) = if env.ip.is_ipv4() {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    };
    tc(&format!("qdisc add dev {} root {qdisc}", env.dev));
    // struct sock_txtime
    let option = [clock.to_ne_bytes(), REPORT_ERRORS.to_ne_bytes()].concat();
    sys::set_bytes(&sender, libc::SOL_SOCKET, libc::SO_TXTIME, &option).unwrap();
    let late = launch(&sender, clock, "late", ahead + 1000);
    let early = launch(&sender, clock, "early", ahead + 500);
    let mut came = Vec::new();
    for at in [early, late] {
        came.push(receive(&receiver));
        assert!(
            sys::clock(clock) >= at - (ahead + 1) * MILLISECOND,
            "{came:?} before its time"
        );
    }
    // For a time that was: fq sends it at once, etf drops it.
    launch(&sender, clock, "missed", -1000);
    receiver.set_read_timeout(Some(MOMENT)).unwrap();
    let mut buffer = [0; 16];
    while let Ok(len) = receiver.recv(&mut buffer) {
        came.push(String::from_utf8_lossy(&buffer[..len]).into());
    }
    let mut errors = Vec::new();
    loop {
        let report = msg::receive(&sender, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT);
        let Ok(report) = report else {
            assert!(would_block(report));
            break;
        };
        let error: libc::sock_extended_err = sys::value_of(report.control(level, kind).unwrap());
        errors.push((error.ee_origin, error.ee_code, error.ee_errno));
    }
    (came, errors)
}

/// `fq`: in the order of their times, and none before.
pub fn fq(env: &Env) {
    need_modules(&["sch_fq"]);
    let run = |env: &Env| run(env, "fq", libc::CLOCK_MONOTONIC, 0);
    let (came, errors) = run(env);
    assert_eq!(came, ["early", "late", "missed"]);
    assert_eq!(errors, []);
    assert_eq!((came, errors), env.on_lo(run));
}

/// `etf`: the same, but what has missed its time is dropped, and that is reported.
pub fn etf(env: &Env) {
    need_modules(&["sch_etf"]);
    env.at_the_end(Check::Device);
    // From a second before its time a packet may go.
    let qdisc = "etf clockid CLOCK_TAI delta 1000000000";
    let run = |env: &Env| run(env, qdisc, libc::CLOCK_TAI, 1000);
    let (came, errors) = run(env);
    assert_eq!(came, ["early", "late"]);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].0, SO_EE_ORIGIN_TXTIME);
    assert_eq!((came, errors), env.on_lo(run));
}

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
const SO_EE_CODE_TXTIME_INVALID_PARAM: u8 = 1;

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

/// The flags of `struct sock_txtime`.
const DEADLINE_MODE: u32 = 1;
const REPORT_ERRORS: u32 = 2;

/// Two texts are sent, first the one that is to go last.
struct Way {
    qdisc: &'static str,
    clock: i32,
    flags: u32,
    /// In so many milliseconds the first one is to go, and half a second later the other one.
    delay: i128,
    /// By how many milliseconds they may come too soon.
    ahead: i128,
    /// Which of them come, in this order.
    come: &'static [&'static str],
}

/// The report of an error: origin, code, errno, and the text whose launch time it has.
type Report = (u8, u8, u32, Option<&'static str>);

/// What came in which order, and what errors were reported.
fn run(env: &Env, way: &Way) -> (Vec<String>, Vec<Report>) {
    let clock = way.clock;
    let (sender, receiver, _) = udp_pair(env);
    tc(&format!("qdisc add dev {} root {}", env.dev, way.qdisc));
    // struct sock_txtime
    let option = [clock.to_ne_bytes(), way.flags.to_ne_bytes()].concat();
    sys::set_bytes(&sender, libc::SOL_SOCKET, libc::SO_TXTIME, &option).unwrap();
    let mut times = Vec::new();
    for (text, delay) in [("late", way.delay + 500), ("early", way.delay)] {
        times.push((launch(&sender, clock, text, delay), text));
    }
    let mut came = Vec::new();
    for _ in way.come {
        came.push(receive(&receiver));
        let at = times.iter().find(|time| time.1 == came[came.len() - 1]);
        assert!(
            sys::clock(clock) >= at.unwrap().0 - (way.ahead + 1) * MILLISECOND,
            "{came:?} before its time"
        );
    }
    // For a time that was: fq sends it at once, etf drops it.
    times.push((launch(&sender, clock, "missed", -1000), "missed"));
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
        let error = report.report().unwrap();
        // The launch time is there in two halves.
        let time = (i128::from(error.data) << 32) | i128::from(error.info);
        let text = times.iter().find(|(at, _)| *at == time).map(|t| t.1);
        errors.push((error.origin, error.code, error.errno, text));
    }
    tc(&format!("qdisc del dev {} root", env.dev));
    (came, errors)
}

/// `fq`: in the order of their times, and none before. It knows no deadlines.
pub fn fq(env: &Env) {
    need_modules(&["sch_fq"]);
    for flags in [REPORT_ERRORS, REPORT_ERRORS | DEADLINE_MODE] {
        let way = Way {
            qdisc: "fq",
            clock: libc::CLOCK_MONOTONIC,
            flags,
            delay: 500,
            ahead: 0,
            come: &["early", "late"],
        };
        let (came, errors) = run(env, &way);
        assert_eq!(came, ["early", "late", "missed"]);
        assert_eq!(errors, []);
        assert_eq!((came, errors), env.on_lo(|env| run(env, &way)));
    }
}

/// `etf`: the same, but what has missed its time is dropped, and that is reported.
///
/// With deadlines all goes at once, but nothing after what had a later one. A socket with them and
/// a qdisc without, or the other way round, do not go together.
pub fn etf(env: &Env) {
    need_modules(&["sch_etf"]);
    env.at_the_end(Check::Device);
    // From a second before its time a packet may go.
    const TIMES: &str = "etf clockid CLOCK_TAI delta 1000000000";
    const DEADLINES: &str = "etf clockid CLOCK_TAI delta 1000000000 deadline_mode";
    const BOTH: u32 = REPORT_ERRORS | DEADLINE_MODE;
    let in_vain = |text| {
        let (origin, code) = (SO_EE_ORIGIN_TXTIME, SO_EE_CODE_TXTIME_INVALID_PARAM);
        (origin, code, libc::EINVAL as u32, Some(text))
    };
    let all = &["late", "early", "missed"];
    for (qdisc, flags, ahead, come, lost) in [
        (
            TIMES,
            REPORT_ERRORS,
            1000,
            &["early", "late"][..],
            &all[2..],
        ),
        (TIMES, 0, 1000, &["early", "late"], &[]),
        (DEADLINES, BOTH, 2000, &["late"], &["early", "missed"]),
        (TIMES, BOTH, 0, &[], all),
        (DEADLINES, REPORT_ERRORS, 0, &[], all),
    ] {
        let way = Way {
            qdisc,
            clock: libc::CLOCK_TAI,
            flags,
            delay: 1500,
            ahead,
            come,
        };
        let (came, errors) = run(env, &way);
        assert_eq!(came, come);
        let lost: Vec<_> = lost.iter().map(|text| in_vain(*text)).collect();
        assert_eq!(errors, lost);
        assert_eq!((came, errors), env.on_lo(|env| run(env, &way)));
    }
}

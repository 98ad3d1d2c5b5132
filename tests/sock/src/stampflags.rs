// SPDX-License-Identifier: GPL-2.0

//! All flags of `SO_TIMESTAMPING`: what comes of each, field by field, on the device and on `lo`.

use crate::{
    env::Env,
    icmp,
    msg::{self, Control, Received},
    net::{errno, tcp_pair, udp_pair, PATIENCE},
    stamp::await_stamps,
    sys,
};
use std::{fmt::Write, net::SocketAddr, os::fd::AsFd, thread, time::Instant};

use libc::{
    SOF_TIMESTAMPING_BIND_PHC as BIND_PHC, SOF_TIMESTAMPING_OPT_CMSG as OPT_CMSG,
    SOF_TIMESTAMPING_OPT_ID as OPT_ID, SOF_TIMESTAMPING_OPT_ID_TCP as OPT_ID_TCP,
    SOF_TIMESTAMPING_OPT_PKTINFO as OPT_PKTINFO, SOF_TIMESTAMPING_OPT_RX_FILTER as OPT_RX_FILTER,
    SOF_TIMESTAMPING_OPT_STATS as OPT_STATS, SOF_TIMESTAMPING_OPT_TSONLY as OPT_TSONLY,
    SOF_TIMESTAMPING_OPT_TX_SWHW as OPT_TX_SWHW, SOF_TIMESTAMPING_RX_SOFTWARE as RX_SOFTWARE,
    SOF_TIMESTAMPING_SOFTWARE as SOFTWARE, SOF_TIMESTAMPING_TX_ACK as TX_ACK,
    SOF_TIMESTAMPING_TX_SCHED as TX_SCHED, SOF_TIMESTAMPING_TX_SOFTWARE as TX_SOFTWARE,
};

/// The first that means nothing, up to Linux 7.3.
const UNKNOWN: u32 = 1 << 19;
/// `asm-generic/socket.h`: the identifier of one message.
const SCM_TS_OPT_ID: i32 = 81;
/// The variants for 64 bits of time, and the simpler options.
const SO_TIMESTAMP: i32 = 29;
const SO_TIMESTAMP_NEW: i32 = 63;
const SO_TIMESTAMPNS_NEW: i32 = 64;
const SO_TIMESTAMPING_NEW: i32 = 65;

/// A time is not told but what it is good for.
fn time(seconds: &[u8], fraction: &[u8]) -> &'static str {
    let [seconds, fraction] = [seconds, fraction].map(sys::value_of::<u64>);
    let now = (sys::clock(libc::CLOCK_REALTIME) / 1_000_000_000) as u64;
    match seconds {
        0 if fraction == 0 => "none",
        _ if (now - 60..=now + 1).contains(&seconds) => "now",
        _ => "wrong",
    }
}

/// A message in words, without what differs from run to run.
fn describe(env: &Env, out: &mut String, what: &str, got: &Received) {
    let index = sys::index_of(env.dev).unwrap();
    write!(
        out,
        "  {what}: {} bytes {:02x?}",
        got.data.len(),
        got.data.first()
    )
    .unwrap();
    for Control(level, kind, data) in &got.controls {
        write!(out, ", {level}/{kind}/{}: ", data.len()).unwrap();
        match (*level, *kind) {
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPING | SO_TIMESTAMPING_NEW) => {
                for stamp in data.chunks(16) {
                    *out += time(&stamp[..8], &stamp[8..]);
                    *out += " ";
                }
            }
            (
                libc::SOL_SOCKET,
                SO_TIMESTAMP | libc::SO_TIMESTAMPNS | SO_TIMESTAMP_NEW | SO_TIMESTAMPNS_NEW,
            ) => *out += time(&data[..8], &data[8..]),
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING_OPT_STATS) => {
                // struct nlattr: length and type.
                let mut rest = &data[..];
                while rest.len() >= 4 {
                    let (len, kind): (u16, u16) = (sys::value_of(rest), sys::value_of(&rest[2..]));
                    write!(out, "{kind}({len}) ").unwrap();
                    rest = &rest[usize::from(len).next_multiple_of(4).clamp(4, rest.len())..];
                }
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let own = data[..4] == index.to_ne_bytes();
                write!(out, "own {own} {:02x?}", &data[4..]).unwrap();
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let own = data[16..] == index.to_ne_bytes();
                write!(out, "own {own} {:02x?}", &data[..16]).unwrap();
            }
            // The kind of report, and what it is about.
            _ => write!(out, "{data:02x?}").unwrap(),
        }
    }
    *out += "\n";
}

/// Sends two messages that begin with `head`, and says what comes of them on both ends.
fn exchange(
    env: &Env,
    out: &mut String,
    sender: &impl AsFd,
    receiver: &impl AsFd,
    head: &[u8],
    control: Option<&Control>,
) {
    for len in [10, 20] {
        let data = [head, &vec![len as u8; len]].concat();
        let control = control.map(|c| Control(c.0, c.1, c.2.clone()));
        let sent = errno(msg::send(sender, &data, None, control.as_slice(), 0));
        if sent != 0 {
            writeln!(out, "  cannot be sent: {sent}").unwrap();
            continue;
        }
        let got = msg::receive(receiver, 0).unwrap();
        describe(env, out, "received", &got);
    }
    // The last acknowledgement brings the last report. (ICMP sockets do not say what is underway.)
    let start = Instant::now();
    while sys::outq(sender).unwrap_or(0) > 0 {
        assert!(start.elapsed() < PATIENCE, "not acknowledged");
        thread::yield_now();
    }
    while let Ok(report) = msg::receive(sender, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) {
        describe(env, out, "report", &report);
    }
}

/// What comes of an option on both ends, of UDP and of TCP, and with ICMP's replies.
fn option(env: &Env, name: i32, value: &[u8], control: Option<&Control>) -> String {
    let mut out = format!("option {name}, {value:02x?}\n");
    fn both<T: AsFd>(out: &mut String, name: i32, value: &[u8], pair: [&T; 2]) {
        for socket in pair {
            let set = errno(sys::set_bytes(socket, libc::SOL_SOCKET, name, value));
            let now = sys::get::<u64>(socket, libc::SOL_SOCKET, name);
            writeln!(out, "  set: {set}, now {:x?}", now.ok()).unwrap();
        }
    }
    let (sender, receiver, _) = udp_pair(env);
    both(&mut out, name, value, [&sender, &receiver]);
    exchange(env, &mut out, &sender, &receiver, &[], control);
    let (client, server) = tcp_pair(env);
    both(&mut out, name, value, [&client, &server]);
    exchange(env, &mut out, &client, &server, &[], control);
    let ping = icmp::open(env, libc::SOCK_DGRAM);
    sys::connect(&ping, &SocketAddr::from((env.ip, 0)).into()).unwrap();
    both(&mut out, name, value, [&ping, &ping]);
    let request = if env.ip.is_ipv4() { 8 } else { 128 };
    let head = [request, 0, 0, 0, 0, 0, 0, 0];
    exchange(env, &mut out, &ping, &ping, &head, control);
    out
}

/// Runs it here and on `lo`.
fn compare(env: &Env, run: impl Fn(&Env) -> Vec<String> + Sync) {
    let run = |env: &Env| {
        icmp::allow_all(env);
        let _kept = await_stamps(env);
        run(env)
    };
    let (ours, lo) = (run(env), env.on_lo(run));
    for (ours, lo) in ours.iter().zip(&lo) {
        assert_eq!(ours, lo, "\non the device:\n{ours}\non lo:\n{lo}");
    }
    assert_eq!(ours.len(), lo.len());
    let all = ours.concat();
    assert!(!all.contains("wrong"), "a time that is not now");
    assert!(all.matches("report").count() >= 30, "few reports: {all}");
}

/// Each flag alone and with what software stamps, and what belongs together.
pub fn flags(env: &Env) {
    const STAMPS: u32 = SOFTWARE | RX_SOFTWARE | TX_SOFTWARE | TX_SCHED | TX_ACK;
    let sets: Vec<u32> = (0..20)
        .flat_map(|bit| [1 << bit, STAMPS | (1 << bit)])
        .chain([
            STAMPS,
            STAMPS | OPT_ID | OPT_TSONLY,
            STAMPS | OPT_ID | OPT_ID_TCP,
            STAMPS | OPT_ID | OPT_TSONLY | OPT_STATS,
            STAMPS | OPT_CMSG | OPT_PKTINFO,
            STAMPS | OPT_CMSG | OPT_TSONLY,
            STAMPS | OPT_TX_SWHW | OPT_PKTINFO,
            SOFTWARE | OPT_RX_FILTER,
            SOFTWARE | OPT_RX_FILTER | TX_SOFTWARE,
            UNKNOWN - 1 - BIND_PHC,
            UNKNOWN - 1,
        ])
        .collect();
    compare(env, |env| {
        let one = |flags: &u32| option(env, libc::SO_TIMESTAMPING, &flags.to_ne_bytes(), None);
        sets.iter().map(one).collect()
    });
}

/// Flags of a single message, clocks of no device, and the other options.
pub fn others(env: &Env) {
    compare(env, |env| {
        let mut all = Vec::new();
        let base = SOFTWARE | RX_SOFTWARE | OPT_ID | OPT_TSONLY;
        for flags in [
            0,
            TX_SOFTWARE,
            TX_SCHED,
            TX_ACK,
            TX_SOFTWARE | TX_ACK,
            RX_SOFTWARE,
            UNKNOWN,
        ] {
            let control = Control::new(libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &flags);
            for name in [libc::SO_TIMESTAMPING, SO_TIMESTAMPING_NEW] {
                all.push(option(env, name, &base.to_ne_bytes(), Some(&control)));
            }
        }
        for flags in [base | TX_SOFTWARE | TX_SCHED, SOFTWARE | TX_SOFTWARE] {
            let control = Control::new(libc::SOL_SOCKET, SCM_TS_OPT_ID, &0x1234u32);
            let flags = flags.to_ne_bytes();
            all.push(option(env, libc::SO_TIMESTAMPING, &flags, Some(&control)));
        }
        for phc in [-1, 0, 1, 1000] {
            let value = [
                (base | TX_SOFTWARE | BIND_PHC).to_ne_bytes(),
                i32::to_ne_bytes(phc),
            ];
            all.push(option(env, libc::SO_TIMESTAMPING, &value.concat(), None));
            let (socket, _) = crate::net::udp(env);
            sys::bind_to_device(&socket, env.dev).unwrap();
            let set = sys::set_bytes(
                &socket,
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPING,
                &value.concat(),
            );
            all.push(format!("clock {phc} of the device: {}", errno(set)));
        }
        for name in [
            SO_TIMESTAMP,
            libc::SO_TIMESTAMPNS,
            SO_TIMESTAMP_NEW,
            SO_TIMESTAMPNS_NEW,
        ] {
            all.push(option(env, name, &1i32.to_ne_bytes(), None));
        }
        all
    });
}

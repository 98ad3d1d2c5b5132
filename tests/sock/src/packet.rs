// SPDX-License-Identifier: GPL-2.0

//! Packet sockets.

use crate::{
    compare::packet_socket,
    env::{ip_batch, need_modules, tc, Check, Counters, Env},
    frame::{self, ethertype, HEADER},
    msg,
    net::{errno, would_block, MOMENT, PATIENCE},
    ring::{self, Ring, V2},
    sys::{self, Address},
};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    thread,
};

const PACKET_HOST: u8 = 0;
const PACKET_OUTGOING: u8 = 4;

/// A socket that frames made by hand reach, an address that they may come from, and the one that
/// they are to go to.
pub fn receiver(env: &Env) -> (UdpSocket, SocketAddr, SocketAddr) {
    let to = env.own_address();
    let (from, any): (IpAddr, IpAddr) = match to {
        IpAddr::V4(_) => (Ipv4Addr::new(10, 9, 8, 1).into(), [0; 4].into()),
        IpAddr::V6(_) => (
            Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
            [0; 16].into(),
        ),
    };
    let receiver = UdpSocket::bind((any, 0)).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    env.sysctl("ipv4/conf/all/rp_filter", "0");
    env.sysctl(&format!("ipv4/conf/{}/rp_filter", env.dev), "0");
    let to = SocketAddr::from((to, receiver.local_addr().unwrap().port()));
    (receiver, (from, 1234).into(), to)
}

/// A frame that a packet socket sends comes without a route. IP input finds one.
pub fn send(env: &Env) {
    let (receiver, from, to) = receiver(env);
    let frame = frame::datagram(from, to, b"made by hand");

    let packet = packet_socket(libc::SOCK_RAW, env.dev, 0);
    for bypass in [0, 1] {
        sys::set(&packet, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, bypass).unwrap();
        let before = Counters::of(env.dev);
        assert_eq!(
            msg::send(&packet, &frame, None, &[], 0).unwrap(),
            frame.len()
        );
        let mut buffer = [0; 64];
        let (len, peer) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"made by hand");
        assert_eq!(peer, from);
        let counted = Counters::of(env.dev).since(before);
        assert_eq!(counted.rx, (1, (frame.len() - HEADER) as u64));
    }
}

/// A frame without a whole header is refused. One with nothing behind it is not.
pub fn short(env: &Env) {
    let packet = packet_socket(libc::SOCK_RAW, env.dev, 0);
    let before = Counters::of(env.dev);
    for bypass in [0, 1] {
        sys::set(&packet, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, bypass).unwrap();
        for len in 0..HEADER {
            let sent = msg::send(&packet, &vec![0xff; len], None, &[], 0);
            assert_eq!(errno(sent), libc::EINVAL, "{len} bytes");
        }
        assert_eq!(Counters::of(env.dev).since(before).tx.0, bypass as u64);
        assert_eq!(
            msg::send(&packet, &[0; HEADER], None, &[], 0).unwrap(),
            HEADER
        );
        let sent = msg::send(&packet, &vec![0; HEADER + 65_537], None, &[], 0);
        assert_eq!(errno(sent), libc::EMSGSIZE);
    }
    assert_eq!(Counters::of(env.dev).since(before).rx, (2, 0));
}

pub fn capture(env: &Env) {
    let index = sys::index_of(env.dev).unwrap();
    let packet = packet_socket(libc::SOCK_RAW, env.dev, libc::ETH_P_ALL as u16);
    let (sender, _receiver, to) = crate::net::udp_pair(env);
    for len in [10, 2000] {
        sender.send(&vec![5; len]).unwrap();
        for kind in [PACKET_OUTGOING, PACKET_HOST] {
            let got = msg::receive(&packet, libc::MSG_DONTWAIT).unwrap();
            let from = got.from.as_link();
            assert_eq!(from.kind, kind, "out first, then in");
            assert_eq!(from.index, index);
            assert_eq!(from.protocol, ethertype(env.ip));
            assert_eq!(from.hatype, libc::ARPHRD_LOOPBACK);
            assert_eq!(got.data[..12], [0; 12], "hardware addresses");
            assert_eq!(got.data[12..14], ethertype(env.ip).to_be_bytes());
            let ip = if env.ip.is_ipv4() { 20 } else { 40 };
            assert_eq!(got.data.len(), HEADER + ip + 8 + len);
            let port = &got.data[HEADER + ip + 2..][..2];
            assert_eq!(port, to.port().to_be_bytes());
        }
    }
    let more = msg::receive(&packet, libc::MSG_DONTWAIT);
    assert!(would_block(more), "a third copy");
}

/// What packet sockets on a device live to see when it goes.
fn gone(kind: &str) -> Vec<(&'static str, i64)> {
    let device = "gone";
    let make = format!("link add {device} type {kind}\nlink set {device} up\n");
    ip_batch(&make);
    let index = sys::index_of(device).unwrap();
    let mut seen = Vec::new();
    let mut note = |what, value: i64| seen.push((what, value));

    let all = libc::ETH_P_ALL as u16;
    let [reader, waiter, sender] = [all, all, 0].map(|p| packet_socket(libc::SOCK_RAW, device, p));
    // struct packet_mreq
    let kind = (libc::PACKET_MR_PROMISC as u16).to_ne_bytes();
    let membership = [&index.to_ne_bytes()[..], &kind, &[0; 10]].concat();
    let level = libc::SOL_PACKET;
    sys::set_bytes(&reader, level, libc::PACKET_ADD_MEMBERSHIP, &membership).unwrap();
    sys::set(&waiter, level, libc::PACKET_FANOUT, 7).unwrap();
    let read = |flags| i64::from(errno(msg::receive(&reader, flags | libc::MSG_DONTWAIT)));

    ip_batch(&format!("link set {device} down\n"));
    note("down", read(0));
    note("down, once", read(0));
    note(
        "down, for the other",
        errno(msg::receive(&waiter, libc::MSG_DONTWAIT)).into(),
    );
    note(
        "sent while down",
        errno(msg::send(&sender, &[0; 60], None, &[], 0)).into(),
    );
    ip_batch(&format!("link set {device} up\n"));
    note("up", read(0));
    note(
        "sent",
        errno(msg::send(&sender, &[0; 60], None, &[], 0)).into(),
    );
    note("read", read(0));
    while read(0) == 0 {}

    // What is held back when the device goes comes back.
    tc(&format!("qdisc add dev {device} root netem delay 1000s"));
    let mut ring = Ring::new(device, V2, 2048, 8, &[]);
    ring.put(&[0; 60]);
    note("ring", errno(ring.kick(libc::MSG_DONTWAIT)).into());
    note("on its way", (ring.states()[0] == ring::SENDING).into());
    while msg::receive(&waiter, libc::MSG_DONTWAIT).is_ok() {}
    thread::scope(|s| {
        let waiting = s.spawn(|| errno(msg::receive(&waiter, 0)));
        thread::sleep(MOMENT);
        ip_batch(&format!("link del {device}\n"));
        note("waiting", waiting.join().unwrap().into());
    });
    while read(0) == 0 {}
    ring.await_available();
    note("gone, after that", read(0));
    note(
        "sent",
        errno(msg::send(&sender, &[0; 60], None, &[], 0)).into(),
    );
    ring.put(&[0; 60]);
    note("ring", errno(ring.kick(0)).into());
    // Shorter than a struct sockaddr_ll, as the device has no address any more.
    let name = sys::name_of(&reader).unwrap();
    let bound: i32 = sys::value_of(&name.0[4..]);
    note("length of the name", name.0.len() as i64);
    note(
        "index",
        if bound == index as i32 {
            1
        } else {
            bound.into()
        },
    );
    let left = sys::set_bytes(&reader, level, libc::PACKET_DROP_MEMBERSHIP, &membership);
    note("membership", errno(left).into());

    // Another of the same name is another.
    ip_batch(&make);
    note(
        "sent to another",
        errno(msg::send(&sender, &[0; 60], None, &[], 0)).into(),
    );
    note("read from another", read(0));
    sys::bind(&reader, &Address::link(device, all).unwrap()).unwrap();
    sys::bind(&sender, &Address::link(device, 0).unwrap()).unwrap();
    note(
        "bound, sent",
        errno(msg::send(&sender, &[0; 60], None, &[], 0)).into(),
    );
    note("bound, read", read(0));
    ip_batch(&format!("link del {device}\n"));
    drop((reader, waiter, sender, ring));
    let left = fs::read_to_string("/proc/thread-self/net/packet").unwrap();
    note("sockets left", left.lines().count() as i64 - 1);
    seen
}

/// A packet socket that is held over the removal of its device: as with a dummy.
pub fn held(env: &Env) {
    env.at_the_end(Check::Nothing);
    need_modules(&["sch_netem", "dummy"]);
    // A dummy has something to say by itself.
    env.sysctl("ipv6/conf/default/disable_ipv6", "1");
    let ours = gone("rust_lo");
    let find = |what| ours.iter().find(|(w, _)| *w == what).unwrap().1;
    for what in ["down", "waiting"] {
        assert_eq!(find(what), libc::ENETDOWN.into(), "{what}: {ours:?}");
    }
    assert_eq!(find("sockets left"), 0);
    assert_eq!(ours, gone("dummy"));
}

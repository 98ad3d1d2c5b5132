// SPDX-License-Identifier: GPL-2.0

//! UDP.

use crate::{
    env::{ip_batch, need_modules, tc, Counters, Env, Mode},
    msg,
    net::{errno, noise, udp_pair, would_block, PATIENCE},
    sys,
};
use std::{
    net::{Ipv4Addr, UdpSocket},
    thread,
    time::Duration,
};

/// The largest datagram.
fn max(env: &Env) -> usize {
    65535 - 8 - if env.ip.is_ipv4() { 20 } else { 0 }
}

pub fn sizes(env: &Env) {
    let (client, server, to) = udp_pair(env);
    let mut buffer = vec![0; 70_000];
    for len in [0, 1, 100, 1472, 1473, 4096, 65_000, max(env)] {
        let data = noise(len, len as u64);
        assert_eq!(client.send(&data).unwrap(), len);
        let (got, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(from.ip(), env.ip);
        assert!(buffer[..got] == data, "{len} bytes sent, {got} arrived");
        server.send_to(&buffer[..got], from).unwrap();
        let got = client.recv(&mut buffer).unwrap();
        assert!(
            buffer[..got] == data,
            "{len} bytes sent back, {got} arrived"
        );
    }
    for len in [max(env) + 1, 66_000] {
        assert_eq!(
            errno(client.send(&noise(len, 1))),
            libc::EMSGSIZE,
            "{len} bytes"
        );
        assert_eq!(
            errno(server.send_to(&noise(len, 1), to)),
            libc::EMSGSIZE,
            "{len} bytes"
        );
    }
}

pub fn refused(env: &Env) {
    let (client, server, _) = udp_pair(env);
    drop(server);
    client.send(b"anybody?").unwrap();
    assert_eq!(errno(client.recv(&mut [0])), libc::ECONNREFUSED);
    // With the error queue the ICMP error can be read in full.
    let (level, name) = if env.ip.is_ipv4() {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    };
    sys::set(&client, level, name, 1).unwrap();
    client.send(b"anybody?").unwrap();
    assert_eq!(errno(client.recv(&mut [0])), libc::ECONNREFUSED);
    let error = msg::receive(&client, libc::MSG_ERRQUEUE).unwrap();
    assert_eq!(error.data, b"anybody?");
    let report = error.report().unwrap();
    assert_eq!(report.errno, libc::ECONNREFUSED as u32);
    let unreachable_port = if env.ip.is_ipv4() { (3, 3) } else { (1, 4) };
    assert_eq!((report.kind, report.code), unreachable_port);
}

pub fn segments(env: &Env) {
    const SIZE: u16 = 1000;
    let (sender, receiver, _) = udp_pair(env);
    let data = noise(10 * usize::from(SIZE) + 500, 6);
    let size = [msg::Control::new(libc::SOL_UDP, libc::UDP_SEGMENT, &SIZE)];
    let before = Counters::of(env.dev);
    let mut buffer = [0; 2000];

    // A receiver that knows nothing of it gets the datagrams.
    assert_eq!(
        msg::send(&sender, &data, None, &size, 0).unwrap(),
        data.len()
    );
    for datagram in data.chunks(SIZE.into()) {
        let len = receiver.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], *datagram);
    }
    // One that does gets them as they were sent, in one piece, with the size.
    sys::set(&receiver, libc::SOL_UDP, libc::UDP_GRO, 1).unwrap();
    assert_eq!(
        msg::send(&sender, &data, None, &size, 0).unwrap(),
        data.len()
    );
    let got = msg::receive(&receiver, 0).unwrap();
    assert!(
        got.data == data,
        "{} of {} bytes",
        got.data.len(),
        data.len()
    );
    let size: i32 = sys::value_of(got.control(libc::SOL_UDP, libc::UDP_GRO).unwrap());
    assert_eq!(size, SIZE.into());
    // Nothing was cut on the way.
    assert_eq!(Counters::of(env.dev).since(before).rx.0, 2);

    // Datagrams that do not fit the device are refused, as its MTU is known.
    ip_batch(&format!("link set {} mtu 1400\n", env.dev));
    // By the first packet, where the route is that of lo.
    msg::send(&sender, b"first", None, &[], 0).unwrap();
    let size = [msg::Control::new(
        libc::SOL_UDP,
        libc::UDP_SEGMENT,
        &1450u16,
    )];
    let refused = errno(msg::send(&sender, &data, None, &size, 0));
    assert!(
        [libc::EMSGSIZE, libc::EINVAL].contains(&refused),
        "{refused}"
    );
}

/// What `UDP_SEGMENT` takes and refuses, and what a receiver with and without `UDP_GRO` gets.
pub fn segment_limits(env: &Env) {
    /// Result of the send, and for each read: length and the size of the segments.
    type Row = (i32, usize, i32, Vec<(usize, Option<i32>)>, u64);
    let run = |env: &Env| {
        let mut rows: Vec<Row> = Vec::new();
        let (sender, receiver, _) = udp_pair(env);
        sys::set(&receiver, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 8 << 20).unwrap();
        for size in [-1, 0, 1, 1000, 1472, 65535, 65536] {
            let set = sys::set(&sender, libc::SOL_UDP, libc::UDP_SEGMENT, size);
            rows.push((size, 0, errno(set), Vec::new(), 0));
        }
        for gro in [0, 1] {
            sys::set(&receiver, libc::SOL_UDP, libc::UDP_GRO, gro).unwrap();
            for size in [0, 1, 100, 1000] {
                sys::set(&sender, libc::SOL_UDP, libc::UDP_SEGMENT, size).unwrap();
                for len in [0, 1, 100, 101, 128, 129, 1000, 12_800, 12_801, 65_000] {
                    let before = Counters::of(env.dev);
                    let sent = errno(msg::send(&sender, &noise(len, 3), None, &[], 0));
                    let mut got: Vec<(usize, Option<i32>)> = Vec::new();
                    loop {
                        // What was sent may not have been received yet, on PREEMPT_RT above all.
                        let all = got.iter().map(|read| read.0).sum::<usize>() >= len;
                        let wait = sent == 0 && (got.is_empty() || !all);
                        let flags = if wait { 0 } else { libc::MSG_DONTWAIT };
                        let Ok(read) = msg::receive(&receiver, flags) else {
                            break;
                        };
                        let size = read.control(libc::SOL_UDP, libc::UDP_GRO);
                        got.push((read.data.len(), size.map(sys::value_of)));
                    }
                    let packets = Counters::of(env.dev).since(before).rx.0;
                    rows.push((size, len, sent, got, packets));
                }
            }
        }
        // Without checksums there are no segments.
        sys::set(&sender, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
        let sent = errno(msg::send(&sender, &noise(3000, 3), None, &[], 0));
        rows.push((1000, 3000, sent, Vec::new(), 0));
        rows
    };
    let got = run(env);
    let whole = |row: &&Row| row.2 == 0 && row.1 == 12_800 && row.0 == 100;
    let [plain, gro]: [&Row; 2] = got.iter().filter(whole).collect::<Vec<_>>()[..]
        .try_into()
        .unwrap();
    assert_eq!(plain.3, vec![(100, None); 128]);
    assert_eq!(gro.3, [(12_800, Some(100))]);
    assert_eq!((plain.4, gro.4), (1, 1));
    assert_eq!(got, env.on_lo(run));
}

pub fn overflow(env: &Env) {
    const COUNT: u32 = 1000;
    let (sender, receiver, _) = udp_pair(env);
    sys::set(&receiver, libc::SOL_SOCKET, libc::SO_RCVBUF, 20_000).unwrap();
    let before = Counters::of(env.dev);
    for _ in 0..COUNT {
        sender.send(&[7; 500]).unwrap();
    }
    let carried = Counters::of(env.dev).since(before).rx.0;
    assert_eq!(
        carried,
        COUNT.into(),
        "not all of it came as far as the socket"
    );
    receiver.set_nonblocking(true).unwrap();
    let mut got = 0;
    while receiver.recv(&mut [0; 500]).is_ok() {
        got += 1;
    }
    assert!(0 < got && got < COUNT, "{got} of {COUNT} received");
    // SK_MEMINFO_DROPS is the last.
    let memory: [u32; 9] = sys::get(&receiver, libc::SOL_SOCKET, libc::SO_MEMINFO).unwrap();
    assert_eq!(got + memory[8], COUNT, "received and counted as dropped");
}

pub fn budget(env: &Env) {
    let (sender, receiver, _) = udp_pair(env);
    sys::set(&sender, libc::SOL_SOCKET, libc::SO_SNDBUF, 5000).unwrap();
    sender.set_nonblocking(true).unwrap();
    for i in 0..20 {
        sender
            .send(&[1; 2000])
            .unwrap_or_else(|e| panic!("datagram {i}: {e}"));
        assert_eq!(sys::outq(&sender).unwrap(), 0, "datagram {i}");
    }
    for _ in 0..20 {
        assert_eq!(receiver.recv(&mut [0; 2000]).unwrap(), 2000);
    }
}

/// IP input parts a packet from its sender as well. What is held up before that, by a queue at
/// ingress, shows whether the device did it.
pub fn early_budget(env: &Env) {
    need_modules(&[
        "ifb",
        "sch_tbf",
        "sch_ingress",
        "act_mirred",
        "cls_matchall",
    ]);
    ip_batch("link add held type ifb\nlink set held up\n");
    // A hundred bytes a second once the burst is used up. Less is more than newer versions of tc
    // can say.
    tc("qdisc add dev held root tbf rate 800bit burst 2500 limit 1000000");
    tc(&format!("qdisc add dev {} ingress", env.dev));
    tc(&format!(
        "filter add dev {} parent ffff: matchall action mirred egress redirect dev held",
        env.dev
    ));
    let (sender, receiver, _) = udp_pair(env);
    for _ in 0..20 {
        sender.send(&[1; 1000]).unwrap();
    }
    assert_eq!(
        sys::outq(&sender).unwrap(),
        0,
        "bytes still count against the sender"
    );
    // It was indeed held up.
    thread::sleep(Duration::from_millis(100));
    receiver.set_nonblocking(true).unwrap();
    let mut got = 0;
    while receiver.recv(&mut [0; 1000]).is_ok() {
        got += 1;
    }
    assert!(got < 10, "{got} of 20 datagrams were not held up");
}

pub fn multicast(env: &Env) {
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let index = sys::index_of(env.dev).unwrap();
    let [sender, receiver] = [0, 1].map(|_| UdpSocket::bind("0.0.0.0:0").unwrap());
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    // struct ip_mreqn
    let request = [group.octets(), [0; 4], index.to_ne_bytes()].concat();
    let level = libc::IPPROTO_IP;
    sys::set_bytes(&receiver, level, libc::IP_ADD_MEMBERSHIP, &request).unwrap();
    sys::set_bytes(&sender, level, libc::IP_MULTICAST_IF, &request).unwrap();
    let port = receiver.local_addr().unwrap().port();
    let mut buffer = [0; 16];
    sender.send_to(b"to a group", (group, port)).unwrap();
    let len = receiver.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"to a group");

    // Beside lo, the broadcast address of 127.0.0.0/8 is lo's.
    if env.mode != Mode::Preferred {
        sender.set_broadcast(true).unwrap();
        let to = (Ipv4Addr::new(127, 255, 255, 255), port);
        sender.send_to(b"to all", to).unwrap();
        let len = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"to all");
    }
    receiver.set_nonblocking(true).unwrap();
    let more = receiver.recv(&mut buffer);
    assert!(would_block(more), "it arrived twice");
}

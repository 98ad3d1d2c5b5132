// SPDX-License-Identifier: GPL-2.0

//! Frames that no protocol would send, on `lo` and on the device.

use crate::{
    compare::{
        Bench, Expect,
        Frame::{As, Bypass, Dgram, Raw, Vnet},
        VnetHdr,
    },
    env::{ip_batch, Env},
    frame::{ethernet, ethertype, ip, tcp, udp, HEADER, TCP, UDP},
    icmp::internet_checksum,
    net::noise,
};
use guest::random::Random;
use std::net::IpAddr;

/// The length of the IP header that [`ip`] makes.
pub fn ip_header(to: IpAddr) -> usize {
    if to.is_ipv4() {
        20
    } else {
        40
    }
}

/// Every length from 0 to 100 bytes, and those around the MTU.
pub fn lengths(env: &Env) {
    let mut bench = Bench::new(env);
    bench.both_ways(false, |bench| {
        short(env, bench);
        long(env, bench);
    });
    bench.finish(600);
}

fn short(env: &Env, bench: &mut Bench) {
    const MAX: usize = 100;
    let payload = noise(MAX - HEADER - ip_header(env.ip) - 8, 1);
    let frame = bench.datagram(&payload);
    assert_eq!(frame.len(), MAX);
    let packet = [&frame[HEADER..], &[0; HEADER]].concat();
    for len in 0..=MAX {
        let expect = |whole| match len {
            0..HEADER => Expect::Refused,
            _ => Expect::delivered_if(whole, &payload),
        };
        let start = Raw(frame[..len].to_vec());
        bench.add(format!("raw, {len}"), start, expect(len == MAX));
        bench.add(format!("0xff, {len}"), Raw(vec![0xff; len]), expect(false));
        let dgram = Dgram(ethertype(env.ip), packet[..len].to_vec());
        let expect = Expect::delivered_if(len >= MAX - HEADER, &payload);
        bench.add(format!("dgram, {len}"), dgram, expect);
    }
}

fn long(env: &Env, bench: &mut Bench) {
    let set_mtu = |bench: &mut Bench, mtu: usize| {
        bench.flush();
        let set = |device| format!("link set {device} mtu {mtu}\n");
        ip_batch(&(set("lo") + &set(env.dev)));
    };
    for mtu in [1500, 65536] {
        set_mtu(bench, mtu);
        for len in mtu - 2..=mtu + 6 {
            let room = 65535 - if env.ip.is_ipv4() { 28 } else { 8 };
            let payload = noise(room.min(len - ip_header(env.ip) - 8), 2);
            let mut frame = bench.datagram(&payload);
            frame.resize(len + HEADER, 0);
            let expect = |whole| match len {
                _ if len > mtu => Expect::Refused,
                _ => Expect::delivered_if(whole, &payload),
            };
            let what = |kind| format!("{kind}, MTU {mtu}, {len} bytes");
            bench.add(what("raw"), Raw(frame.clone()), expect(true));
            bench.add(what("bypass"), Bypass(frame.clone()), expect(true));
            let packet = frame[HEADER..].to_vec();
            bench.add(
                what("dgram"),
                Dgram(ethertype(env.ip), packet),
                expect(true),
            );
            // With a VLAN tag a frame may be 4 bytes longer, but on Ethernet only.
            frame[12..14].copy_from_slice(&[0x81, 0]);
            bench.add(what("tagged"), Raw(frame), expect(false));
        }
    }
    // 64 KiB, with and without the header, and too long by far.
    for len in [65536, 65536 + HEADER] {
        bench.add(format!("raw, {len}"), Raw(noise(len, 3)), Expect::Lost);
    }
    for len in [70_000, 100_000] {
        bench.add(format!("raw, {len}"), Raw(noise(len, 3)), Expect::Refused);
    }
}

/// Protocols that are not those of the packet: of 802.3, of the kernel's own, of nobody.
pub fn protocols(env: &Env) {
    let mut bench = Bench::new(env);
    let text = b"which protocol?";
    let frame = bench.datagram(text);
    let packet = &frame[HEADER..];
    let protocols = [
        0, 1, 3, 4, 0x2e, 0x5dc, 0x5ff, 0x600, 0x800, 0x806, 0x8035, 0x8137, 0x86dd, 0x8847,
        0x8848, 0x8863, 0x8864, 0x888e, 0x88b5, 0x88cc, 0x88e7, 0x88f7, 0x8906, 0x892f, 0x9000,
        0xdada, 0xfefe, 0xffff,
    ];
    bench.both_ways(false, |bench| {
        for protocol in protocols {
            let expect = || Expect::delivered_if(protocol == ethertype(env.ip), text);
            let what = |kind| format!("{kind}, {protocol:04x}");
            bench.add(what("raw"), Raw(ethernet(protocol, packet)), expect());
            bench.add(what("dgram"), Dgram(protocol, packet.to_vec()), expect());
            // The header says one thing and the sender another.
            let expect = Expect::delivered_if(true, text);
            bench.add(what("sent as"), As(protocol, frame.clone()), expect);
            // Shorter than what 802.2 wants.
            for len in 0..8 {
                let frame = ethernet(protocol, &[0xff, 0xff, 3, 0, 0, 0, 8, 0][..len]);
                bench.add(
                    format!("{}, {len} bytes", what("raw")),
                    Raw(frame),
                    Expect::Lost,
                );
            }
        }
        // Hardware addresses: another's, of a group, of all, the device's own.
        for (first, others) in [(2, 0x11), (1, 0x5e), (0xff, 0xff), (0, 0)] {
            let mut frame = frame.clone();
            frame[..12].fill(others);
            frame[0] = first;
            let expect = Expect::delivered_if(first != 2, text);
            bench.add(format!("to {first:x}:{others:x}"), Raw(frame), expect);
        }
    });
    bench.finish(600);
}

/// VLAN tags: whole, nested, cut off.
pub fn vlan(env: &Env) {
    let mut bench = Bench::new(env);
    let family = ethertype(env.ip).to_be_bytes();
    let frame = bench.datagram(b"tagged");
    let packet = &frame[HEADER..];
    let tag = |tpid: u16, tci: u16| [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
    let tagged = |tags: &[u8]| [&[0; 12][..], tags, &family, packet].concat();
    bench.both_ways(false, |bench| {
        for tpid in [0x8100, 0x88a8, 0x9100] {
            for tci in [0, 1, 0x5000, 0x1001, 4094, 4095, 0xffff] {
                let what = format!("{tpid:04x} {tci:04x}");
                let one = tagged(&tag(tpid, tci));
                // VLAN 0 is none, it is there for the priority.
                let taken = tpid != 0x9100 && tci & 0xfff == 0;
                let expect = Expect::delivered_if(taken, b"tagged");
                bench.add(&what, Raw(one.clone()), expect);
                let dgram = Dgram(tpid, one[HEADER..].to_vec());
                bench.add(format!("dgram, {what}"), dgram, Expect::Same);
                for inner in [0, 1, 0x2fff] {
                    let two = tagged(&[tag(tpid, tci), tag(0x8100, inner)].concat());
                    bench.add(format!("{what} {inner:04x}"), Raw(two), Expect::Same);
                }
            }
            let many = tagged(&tag(tpid, 0).repeat(20));
            for len in HEADER..=HEADER + 24 {
                let what = format!("{tpid:04x}, {len} bytes");
                bench.add(what, Raw(many[..len].to_vec()), Expect::Lost);
            }
            bench.add(format!("20 times {tpid:04x}"), Raw(many), Expect::Same);
        }
    });
    bench.finish(300);
}

/// Makes the checksum of an IPv4 header right.
fn set_checksum(packet: &mut [u8]) {
    let header = (usize::from(packet[0] & 15) * 4).clamp(20, packet.len());
    packet[10..12].fill(0);
    let sum = internet_checksum(&packet[..header]).to_be_bytes();
    packet[10..12].copy_from_slice(&sum);
}

/// The packet cut off, and its header knows: else IP looks no further than at the length.
fn cut(packet: &[u8], len: usize) -> Vec<u8> {
    let mut packet = packet[..len].to_vec();
    match packet.first().map(|byte| byte >> 4) {
        Some(4) if len >= 20 => {
            // The header too, at a whole word.
            let words = (packet[0] & 15).min((len / 4) as u8);
            packet[0] = 0x40 | words;
            packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            set_checksum(&mut packet);
        }
        Some(6) if len >= 40 => {
            packet[4..6].copy_from_slice(&(len as u16 - 40).to_be_bytes());
        }
        _ => {}
    }
    packet
}

/// A datagram behind options of IPv4 or extension headers of IPv6 that are right.
fn with_options(bench: &Bench, transport: &[u8]) -> Vec<u8> {
    let (from, to) = (bench.from.ip(), bench.to.ip());
    if to.is_ipv6() {
        let chain = [
            // Hop-by-hop: router alert, and none for 2 bytes.
            &[43, 0, 5, 2, 0, 0, 1, 0][..],
            // Routing, of type 0: one address, and none left to go to.
            &[&[44, 2, 0, 0, 0, 0, 0, 0][..], &[0xfd; 16]].concat(),
            // Fragment: the only one.
            &[60, 0, 0, 0, 0, 0, 0, 7],
            // Destination: limit of encapsulation, and none for 3 bytes.
            &[UDP, 0, 4, 1, 0, 1, 1, 0],
            transport,
        ];
        return ip(from, to, 0, &chain.concat());
    }
    // Record route, for two; timestamp, for two; router alert; end.
    let route = [&[7, 11, 4][..], &[0; 8]].concat();
    let time = [&[68, 12, 5, 0][..], &[0; 8]].concat();
    let options = [&route[..], &time, &[148, 4, 0, 0, 0]].concat();
    let mut packet = ip(from, to, UDP, &[&options, transport].concat());
    packet[0] = 0x40 | (5 + options.len() / 4) as u8;
    set_checksum(&mut packet);
    packet
}

/// Options of IPv4: end, none, record route, timestamp, security, loose and strict source route,
/// router alert, and nothing.
const KINDS: [u8; 9] = [0, 1, 7, 68, 130, 131, 137, 148, 255];

/// Headers of IPv4 that say what is not so, each with the checksum right.
fn odd_ipv4(bench: &Bench, transport: &[u8]) -> Vec<(String, Vec<u8>)> {
    let good = ip(bench.from.ip(), bench.to.ip(), UDP, transport);
    let mut all = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        change(&mut packet);
        set_checksum(&mut packet);
        all.push((what, packet));
    };
    for version in 0..16 {
        add(format!("version {version}"), &|p| p[0] = (version << 4) | 5);
        add(format!("header of {version} words"), &|p| {
            p[0] = 0x40 | version
        });
    }
    for (words, kind) in [6, 10, 15]
        .into_iter()
        .flat_map(|words| KINDS.map(|k| (words, k)))
    {
        for len in [0, 1, 2, 3, 4, 39, 255] {
            add(format!("option {kind}, {len} bytes, {words} words"), &|p| {
                let mut options = vec![kind, len, 4];
                options.resize((words - 5) * 4, 1);
                p.splice(20..20, options);
                p[0] = 0x40 | words as u8;
                let len = (p.len() as u16).to_be_bytes();
                p[2..4].copy_from_slice(&len);
            });
        }
    }
    for len in [0, 1, 19, 20, 21, 27, 28, 0xff, 0x7fff, 0xffff] {
        add(format!("length {len}"), &|p| {
            p[2..4].copy_from_slice(&u16::to_be_bytes(len))
        });
    }
    // Fragments: that never are whole, that end behind 64 KiB, that overlap.
    for offset in [0x2000, 0x2001, 1, 0x1fff, 0x3fff, 0x4000, 0x8000, 0xffff] {
        add(format!("fragment {offset:04x}"), &|p| {
            p[4..6].copy_from_slice(&u16::to_be_bytes(7));
            p[6..8].copy_from_slice(&u16::to_be_bytes(offset));
        });
    }
    for protocol in 0..=255 {
        add(format!("protocol {protocol}"), &|p| p[9] = protocol);
    }
    for ttl in [0, 1] {
        add(format!("TTL {ttl}"), &|p| p[8] = ttl);
    }
    for address in [
        [0; 4],
        [255; 4],
        [224, 0, 0, 1],
        [127, 0, 0, 1],
        [10, 9, 8, 255],
        [240, 0, 0, 1],
    ] {
        add(format!("from {address:?}"), &|p| {
            p[12..16].copy_from_slice(&address)
        });
        add(format!("to {address:?}"), &|p| {
            p[16..20].copy_from_slice(&address)
        });
    }
    all
}

/// Extension headers of IPv6: known and unknown, of every length, in any order.
fn odd_ipv6(bench: &Bench, transport: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (from, to) = (bench.from.ip(), bench.to.ip());
    let mut all = Vec::new();
    for version in 0..16 {
        let mut packet = ip(from, to, UDP, transport);
        packet[0] = version << 4;
        all.push((format!("version {version}"), packet));
    }
    for len in [0, 1, 7, 8, 9, 0xff, 0x7fff, 0xffff] {
        let mut packet = ip(from, to, UDP, transport);
        packet[4..6].copy_from_slice(&u16::to_be_bytes(len));
        all.push((format!("length {len}"), packet));
    }
    for next in 0..=255 {
        all.push((format!("next header {next}"), ip(from, to, next, transport)));
    }
    // Hop-by-hop, routing, fragment, authentication, none, destination, mobility, HIP, shim6.
    for header in [0, 43, 44, 51, 59, 60, 135, 139, 140] {
        for len in [0, 1, 3, 255] {
            for kind in [0, 1, 2, 3, 4, 0xc2, 0xff] {
                let mut extension = vec![UDP, len, kind, 4, 0, 0, 0, 0];
                extension.resize(8 * (1 + usize::from(len.min(3))), 1);
                extension.extend(transport);
                let packet = ip(from, to, header, &extension);
                all.push((format!("header {header}, {len}, {kind}"), packet));
            }
        }
        let one = [header, 0, 1, 4, 0, 0, 0, 0];
        let chain = [&one.repeat(30)[..], &[UDP, 0, 1, 4, 0, 0, 0, 0], transport].concat();
        all.push((
            format!("30 times header {header}"),
            ip(from, to, header, &chain),
        ));
    }
    for address in [[0; 16], [0xff; 16], noise(16, 4).try_into().unwrap()] {
        let address = IpAddr::from(address);
        let packet = ip(address, to, UDP, transport);
        all.push((format!("from {address}"), packet));
        all.push((format!("to {address}"), ip(from, address, UDP, transport)));
    }
    all
}

/// Headers of IP and above: cut at each length, and with fields that lie.
pub fn headers(env: &Env) {
    let mut bench = Bench::new(env);
    let (from, to) = (bench.from, bench.to);
    let protocol = ethertype(env.ip);
    let text = b"whole";
    let transport = udp(from, to, text);
    let packet = |protocol, payload: &[u8]| ip(from.ip(), to.ip(), protocol, payload);
    let whole = [
        packet(UDP, &transport),
        with_options(&bench, &transport),
        packet(TCP, &tcp(from, to, 2, b"data")),
        packet(TCP, &tcp(from, to, 63, b"")),
        packet(1, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]),
        packet(58, &[1, 4, 0, 0, 0, 0, 0, 0, 0x60, 0]),
        packet(47, &[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0]),
        packet(4, &packet(UDP, &transport)),
    ];
    // What came of a fragment would depend on those before it.
    for threshold in ["low", "high"] {
        env.sysctl(&format!("ipv4/ipfrag_{threshold}_thresh"), "0");
        env.sysctl(&format!("ipv6/ip6frag_{threshold}_thresh"), "0");
    }
    let odd = if env.ip.is_ipv4() {
        odd_ipv4(&bench, &transport)
    } else {
        odd_ipv6(&bench, &transport)
    };
    bench.both_ways(false, |bench| {
        for (i, packet) in whole.iter().enumerate() {
            for len in 0..=packet.len() {
                let what = format!("packet {i}, {len} of {}", packet.len());
                let expect = || Expect::delivered_if(i < 2 && len == packet.len(), text);
                bench.add(&what, Raw(ethernet(protocol, &packet[..len])), expect());
                let what = format!("{what}, and it says so");
                bench.add(what, Raw(ethernet(protocol, &cut(packet, len))), expect());
            }
        }
        for (what, packet) in &odd {
            bench.add(what, Raw(ethernet(protocol, packet)), Expect::Same);
        }
        // Any byte of the headers, or some of them.
        let mut random = Random::new(5);
        for i in 0..200 {
            let mut frame = ethernet(protocol, &whole[random.below(4)]);
            for _ in 0..=random.below(4) {
                let at = random.below(frame.len());
                frame[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff, i as u8]);
            }
            let what = format!("mutation {i}: {frame:02x?}");
            bench.add(what, Raw(frame), Expect::Same);
        }
    });
    bench.finish(1000);
}

/// `linux/virtio_net.h`.
pub const NEEDS_CSUM: u16 = 1;
const GSO_TCPV4: u16 = 1;
const GSO_TCPV6: u16 = 4;
pub const GSO_UDP_L4: u16 = 5;
/// UDP in fragments, which is 3, ECN, the tunnels, and what means nothing.
const TYPES: &[u16] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 0x20, 0x45, 0x60, 0x7f, 0x81, 0x83, 0x84, 0xff,
];
const FLAGS: &[u16] = &[0, 0, 2, 3, 4, 8, 9, 0xff];
const NUMBERS: &[u16] = &[
    0, 1, 2, 7, 8, 13, 14, 15, 64, 536, 9000, 0x7fff, 0xfffe, 0xffff,
];

/// A header of which some fields lie, for a frame of that length. Most are right, or the first
/// check would end it.
fn lying(random: &mut Random, truth: &VnetHdr, len: u16) -> VnetHdr {
    let mut lie = |truth: u16, lies: &[u16]| match random.below(9) {
        0..6 => truth,
        6 | 7 => random.pick(lies),
        _ => random
            .pick(&[truth, len])
            .wrapping_add(random.pick(&[0xffff, 0, 1])),
    };
    VnetHdr {
        flags: lie(truth.flags.into(), FLAGS) as u8,
        gso_type: lie(truth.gso_type.into(), TYPES) as u8,
        hdr_len: lie(truth.hdr_len, NUMBERS),
        gso_size: lie(truth.gso_size, NUMBERS),
        csum_start: lie(truth.csum_start, NUMBERS),
        csum_offset: lie(truth.csum_offset, NUMBERS),
    }
}

/// What a `struct virtio_net_hdr` says of a frame, true or not.
pub fn offload(env: &Env) {
    let mut bench = Bench::new(env);
    let (from, to) = (bench.from, bench.to);
    let start = (HEADER + ip_header(env.ip)) as u16;
    let segments = |kind, len| {
        let data = noise(len, 7);
        let (transport, headers, gso_type, csum_offset) = match kind {
            UDP => (udp(from, to, &data), 8, GSO_UDP_L4, 6),
            _ if env.ip.is_ipv4() => (tcp(from, to, 0x18, &data), 20, GSO_TCPV4, 16),
            _ => (tcp(from, to, 0x18, &data), 20, GSO_TCPV6, 16),
        };
        let packet = ip(from.ip(), to.ip(), kind, &transport);
        let header = VnetHdr {
            flags: NEEDS_CSUM as u8,
            gso_type: gso_type as u8,
            hdr_len: start + headers,
            gso_size: 1000,
            csum_start: start,
            csum_offset,
        };
        (header, ethernet(ethertype(env.ip), &packet))
    };
    bench.both_ways(true, |bench| {
        // The truth: three datagrams in one.
        let (header, frame) = segments(UDP, 2500);
        let honest = [&header.bytes()[..], &frame].concat();
        let datagrams = noise(2500, 7).chunks(1000).map(<[u8]>::to_vec).collect();
        let expect = Expect::Delivered(datagrams);
        bench.add("honest", Vnet(honest.clone()), expect);

        let mut random = Random::new(6);
        for i in 0..400 {
            let kind = random.pick(&[UDP, TCP]);
            let len = random.pick(&[0, 1, 10, 100, 1500, 1500, 5000, 5000, 20_000, 60_000]);
            let (truth, frame) = segments(kind, len);
            let header = lying(&mut random, &truth, frame.len() as u16);
            let what = format!("{i}: protocol {kind}, {len} bytes, {header:?}");
            let message = [&header.bytes()[..], &frame].concat();
            bench.add(what, Vnet(message), Expect::Same);
        }
        // Shorter than what it describes, and than itself.
        for len in 0..40 {
            let cut = Vnet(honest[..len].to_vec());
            bench.add(format!("cut at {len}"), cut, Expect::Same);
        }
    });
    bench.finish(800);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_packet_says_how_long_it_is() {
        let addresses: [[IpAddr; 2]; 2] = [
            ["10.9.8.1", "10.9.8.7"].map(|a| a.parse().unwrap()),
            ["fd00::1", "fd00::9"].map(|a| a.parse().unwrap()),
        ];
        for [from, to] in addresses {
            let packet = ip(from, to, UDP, &[0; 30]);
            assert_eq!(cut(&packet, packet.len()), packet);
            for len in 0..packet.len() {
                let cut = cut(&packet, len);
                assert_eq!(cut.len(), len);
                if len >= ip_header(to) {
                    assert_eq!(cut, ip(from, to, UDP, &[0; 30][..len - ip_header(to)]));
                } else {
                    assert_eq!(cut, packet[..len]);
                }
            }
        }
        // Options: the header ends before the packet does.
        let mut packet = ip(addresses[0][0], addresses[0][1], UDP, &[1; 30]);
        packet[0] = 0x47;
        for (len, words) in [(20, 5), (23, 5), (24, 6), (27, 6), (28, 7), (40, 7)] {
            let cut = cut(&packet, len);
            assert_eq!(cut[0], 0x40 | words, "{len} bytes");
            assert_eq!(internet_checksum(&cut[..4 * usize::from(words)]), 0);
        }
    }
}

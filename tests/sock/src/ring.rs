// SPDX-License-Identifier: GPL-2.0

//! Frames from a ring that is shared with the kernel (`PACKET_TX_RING`).

use crate::{
    compare::{packet_socket, VnetHdr},
    env::Env,
    frame::{self, HEADER},
    hostile::{ip_header, GSO_UDP_L4, NEEDS_CSUM},
    msg,
    net::{errno, noise, PATIENCE},
    packet,
    sys::{self, Mapping},
};
use std::{io::Result, os::fd::OwnedFd, thread, time::Instant};

/// `linux/if_packet.h`: what the status of a frame says, without how it was stamped.
const AVAILABLE: u32 = 0;
const SEND_REQUEST: u32 = 1;
pub const SENDING: u32 = 2;
const WRONG_FORMAT: u32 = 4;
const STATUS: u32 = 7;

/// One version of the interface: its number, and where status, length and data of a frame are
/// (`struct tpacket_hdr`, `tpacket2_hdr` and `tpacket3_hdr`).
#[derive(Clone, Copy)]
pub struct Version(i32, usize, usize, usize);
const V1: Version = Version(0, 0, 8, 32);
pub const V2: Version = Version(1, 0, 4, 32);
const V3: Version = Version(2, 20, 16, 48);

/// What is put into a slot: the frame, how long its header says it is, and where the next one
/// begins, which only version 3 has and which is to be 0 (`tp_len`, `tp_next_offset`).
#[derive(Clone)]
struct Slot(Vec<u8>, u32, u32);

impl Slot {
    fn new(frame: &[u8]) -> Self {
        Self(frame.to_vec(), frame.len() as u32, 0)
    }
}

pub struct Ring {
    pub socket: OwnedFd,
    map: Mapping,
    version: Version,
    frame_size: usize,
    count: usize,
    head: usize,
}

impl Ring {
    /// A ring of so many frames. With the options `PACKET_LOSS` and `PACKET_VNET_HDR` wrong ones
    /// are skipped, and each begins with a `struct virtio_net_hdr`.
    pub fn new(
        device: &str,
        version: Version,
        frame_size: usize,
        count: usize,
        options: &[i32],
    ) -> Self {
        let socket = packet_socket(libc::SOCK_RAW, device, 0);
        sys::set(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, version.0).unwrap();
        for option in options {
            sys::set(&socket, libc::SOL_PACKET, *option, 1).unwrap();
        }
        let len = frame_size * count;
        // Whole pages: the largest that Debian's kernels have is that of arm64-16k.
        let block = frame_size.max(1 << 14);
        // struct tpacket_req, or tpacket_req3, of which the rest is 0.
        let mut request = [block, len / block, frame_size, count]
            .map(|n| (n as u32).to_ne_bytes())
            .concat();
        if version.0 == V3.0 {
            request.resize(28, 0);
        }
        sys::set_bytes(&socket, libc::SOL_PACKET, libc::PACKET_TX_RING, &request).unwrap();
        Self {
            map: Mapping::new(&socket, len).unwrap(),
            socket,
            version,
            frame_size,
            count,
            head: 0,
        }
    }

    fn status_at(&self, slot: usize) -> usize {
        slot % self.count * self.frame_size + self.version.1
    }

    /// Puts a frame into the next slot, which is to be free.
    pub fn put(&mut self, frame: &[u8]) {
        self.fill(&Slot::new(frame));
    }

    fn fill(&mut self, Slot(frame, len, next_offset): &Slot) {
        let start = self.head % self.count * self.frame_size;
        assert_eq!(self.map.load(self.status_at(self.head)) & STATUS, AVAILABLE);
        self.map.copy_in(start + self.version.3, frame);
        self.map.store(start + self.version.2, *len);
        if self.version.0 == V3.0 {
            self.map.store(start, *next_offset);
        }
        self.map.store(self.status_at(self.head), SEND_REQUEST);
        self.head += 1;
    }

    /// Has the kernel send what was put.
    pub fn kick(&self, flags: i32) -> Result<usize> {
        msg::send(&self.socket, &[], None, &[], flags)
    }

    /// The status of each frame.
    pub fn states(&self) -> Vec<u32> {
        (0..self.count)
            .map(|slot| self.map.load(self.status_at(slot)) & STATUS)
            .collect()
    }

    /// The kernel gives all frames back.
    pub fn await_available(&self) {
        let start = Instant::now();
        while self.states().iter().any(|s| *s != AVAILABLE) {
            assert!(start.elapsed() < PATIENCE, "not free: {:?}", self.states());
            thread::yield_now();
        }
    }
}

fn send(env: &Env, version: Version) {
    let (receiver, from, to) = packet::receiver(env);
    let mut buffer = vec![0; 1 << 16];
    for (frame_size, count, sizes) in [
        (2048, 16, &[0, 1, 58, 1472, 1900][..]),
        (1 << 17, 2, &[4000, 60_000, 65_000]),
    ] {
        let mut ring = Ring::new(env.dev, version, frame_size, count, &[]);
        // Round and round, all frames at once and one by one.
        let mut sizes = sizes.iter().cycle();
        for burst in [count, 1, count, count - 1, 1] {
            let mut sent = Vec::new();
            for i in 0..burst {
                let payload = noise(*sizes.next().unwrap(), i as u64);
                ring.put(&frame::datagram(from, to, &payload));
                sent.push(payload);
            }
            let headers = frame::datagram(from, to, &[]).len();
            let bytes: usize = sent.iter().map(|p| headers + p.len()).sum();
            assert_eq!(ring.kick(0).unwrap(), bytes);
            for payload in sent {
                let len = receiver.recv(&mut buffer).unwrap();
                assert!(buffer[..len] == payload, "{len} of {} bytes", payload.len());
            }
            ring.await_available();
        }
        assert_eq!(ring.kick(0).unwrap(), 0, "nothing to send");
    }
}

/// Frames that cannot be sent: between good ones. With `vnet` behind a `struct virtio_net_hdr`.
fn wrong(env: &Env, version: Version, vnet: bool) {
    const FRAME_SIZE: usize = 2048;
    let (receiver, from, to) = packet::receiver(env);
    let frame = frame::datagram(from, to, b"good");
    let behind = |header: VnetHdr, frame: &[u8]| {
        let header = if vnet { header.bytes() } else { Vec::new() };
        Slot::new(&[&header, frame].concat())
    };
    let honest = VnetHdr::default();
    let good = behind(honest, &frame);
    let expect_good = |times| {
        for _ in 0..times {
            let mut buffer = [0; 16];
            let len = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], b"good");
        }
    };
    let mut all: Vec<_> = [13, 1, 0]
        .map(|len| (behind(honest, &vec![0; len]), libc::EINVAL))
        .into();
    // Longer than the slot.
    for len in [FRAME_SIZE - version.3 + 1, i32::MAX as usize] {
        let long = Slot(good.0.clone(), len as u32, 0);
        all.push((long, libc::EMSGSIZE));
    }
    if version.0 == V3.0 {
        for offset in [1, FRAME_SIZE as u32] {
            let next = Slot(good.0.clone(), good.1, offset);
            all.push((next, libc::EINVAL));
        }
    }
    if vnet {
        // Not even that header; more headers than frame; a checksum behind it; no such kind.
        all.push((Slot::new(&good.0[..9]), libc::EINVAL));
        let lies = [
            VnetHdr {
                hdr_len: frame.len() as u16 + 1,
                ..honest
            },
            VnetHdr {
                flags: NEEDS_CSUM as u8,
                csum_start: frame.len() as u16,
                ..honest
            },
            VnetHdr {
                gso_type: 0x7f,
                gso_size: 1,
                ..honest
            },
        ];
        all.extend(lies.map(|lie| (behind(lie, &frame), libc::EINVAL)));
    }
    let vnet = vnet.then_some(libc::PACKET_VNET_HDR);
    for (bad, code) in &all {
        let Slot(bytes, len, next_offset) = bad;
        let what = format!("{bytes:02x?}, length {len}, next at {next_offset}");
        let options: Vec<_> = vnet.into_iter().collect();
        let mut ring = Ring::new(env.dev, version, FRAME_SIZE, 8, &options);
        for slot in [&good, bad, &good] {
            ring.fill(slot);
        }
        assert_eq!(errno(ring.kick(0)), *code, "{what}");
        expect_good(1);
        let states = ring.states();
        let wanted = [WRONG_FORMAT, SEND_REQUEST];
        assert_eq!(states[1..3], wanted, "{what}: {states:?}");

        let options = [&[libc::PACKET_LOSS], &options[..]].concat();
        let mut ring = Ring::new(env.dev, version, FRAME_SIZE, 8, &options);
        for slot in [&good, bad, &good] {
            ring.fill(slot);
        }
        assert_eq!(ring.kick(0).unwrap(), 2 * frame.len(), "{what}");
        expect_good(2);
        ring.await_available();
    }
}

/// Three datagrams in one frame, whose data stays in the ring until they are received.
fn segments(env: &Env, version: Version) {
    let (receiver, from, to) = packet::receiver(env);
    let payload = noise(2500, 1);
    let frame = frame::datagram(from, to, &payload);
    let start = (HEADER + ip_header(to.ip())) as u16;
    let header = VnetHdr {
        flags: NEEDS_CSUM as u8,
        gso_type: GSO_UDP_L4 as u8,
        hdr_len: start + 8,
        gso_size: 1000,
        csum_start: start,
        csum_offset: 6,
    };
    let mut ring = Ring::new(env.dev, version, 4096, 4, &[libc::PACKET_VNET_HDR]);
    ring.put(&[&header.bytes(), &frame[..]].concat());
    assert_eq!(ring.kick(0).unwrap(), frame.len());
    let mut buffer = [0; 1 << 12];
    for data in payload.chunks(1000) {
        let len = receiver.recv(&mut buffer).unwrap();
        assert!(buffer[..len] == *data, "{len} of {} bytes", data.len());
    }
    ring.await_available();
}

pub fn transmit(env: &Env) {
    for version in [V1, V2, V3] {
        send(env, version);
        for vnet in [false, true] {
            wrong(env, version, vnet);
        }
        segments(env, version);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Frames from a ring that is shared with the kernel (`PACKET_TX_RING`).

use crate::{
    compare::packet_socket,
    env::Env,
    frame, msg,
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

pub struct Ring {
    pub socket: OwnedFd,
    map: Mapping,
    version: Version,
    frame_size: usize,
    count: usize,
    head: usize,
}

impl Ring {
    /// A ring of so many frames. With `loss`, wrong ones are skipped.
    pub fn new(
        device: &str,
        version: Version,
        frame_size: usize,
        count: usize,
        loss: bool,
    ) -> Self {
        let socket = packet_socket(libc::SOCK_RAW, device, 0);
        sys::set(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, version.0).unwrap();
        sys::set(&socket, libc::SOL_PACKET, libc::PACKET_LOSS, loss.into()).unwrap();
        let len = frame_size * count;
        let block = frame_size.max(4096);
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
        let start = self.head % self.count * self.frame_size;
        assert_eq!(self.map.load(self.status_at(self.head)) & STATUS, AVAILABLE);
        self.map.copy_in(start + self.version.3, frame);
        self.map.store(start + self.version.2, frame.len() as u32);
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
        let mut ring = Ring::new(env.dev, version, frame_size, count, false);
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

/// Frames that cannot be sent: between good ones.
fn wrong(env: &Env, version: Version) {
    let (receiver, from, to) = packet::receiver(env);
    let good = frame::datagram(from, to, b"good");
    let expect_good = |times| {
        for _ in 0..times {
            let mut buffer = [0; 16];
            let len = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], b"good");
        }
    };
    for (bad, code) in [
        (vec![0; 13], libc::EINVAL),
        (vec![0; 1], libc::EINVAL),
        (vec![], libc::EINVAL),
    ] {
        let mut ring = Ring::new(env.dev, version, 2048, 8, false);
        for frame in [&good, &bad, &good] {
            ring.put(frame);
        }
        assert_eq!(errno(ring.kick(0)), code, "{} bytes", bad.len());
        expect_good(1);
        let states = ring.states();
        assert_eq!(states[1..3], [WRONG_FORMAT, SEND_REQUEST], "{states:?}");

        let mut ring = Ring::new(env.dev, version, 2048, 8, true);
        for frame in [&good, &bad, &good] {
            ring.put(frame);
        }
        assert_eq!(ring.kick(0).unwrap(), 2 * good.len());
        expect_good(2);
        ring.await_available();
    }
}

pub fn transmit(env: &Env) {
    for version in [V1, V2, V3] {
        send(env, version);
        wrong(env, version);
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The same frames on `lo` and on the device, in one namespace, and what comes of them.

use crate::{
    env::{Check, Counters, Env},
    frame, msg,
    net::{checksum, errno, PATIENCE},
    sys::{self, Address},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    os::fd::OwnedFd,
    slice,
};

/// What the kernel counts of its protocols in this namespace (`nstat`), as far as it is not 0.
pub fn mib() -> BTreeMap<String, i64> {
    let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap();
    let mut all = BTreeMap::new();
    for text in [read("snmp"), read("netstat")] {
        // A line of names, then one of values.
        let mut lines = text.lines();
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let (group, names) = names.split_once(':').unwrap();
            let values = values.split_whitespace().skip(1);
            for (name, value) in names.split_whitespace().zip(values) {
                all.insert(format!("{group}{name}"), value.parse().unwrap());
            }
        }
    }
    for line in read("snmp6").lines() {
        let (name, value) = line.split_once(char::is_whitespace).unwrap();
        all.insert(name.into(), value.trim().parse().unwrap());
    }
    all.retain(|_, value| *value != 0);
    all
}

/// By how much they grew.
pub fn grown(after: &BTreeMap<String, i64>, before: &BTreeMap<String, i64>) -> Vec<(String, i64)> {
    after
        .iter()
        .map(|(name, value)| (name.clone(), value - before.get(name).unwrap_or(&0)))
        .filter(|(_, by)| *by != 0)
        .collect()
}

/// Room for all frames of a group, as `SO_RCVBUFFORCE` wants it.
const ROOM: i32 = 32 << 20;

/// A frame as a packet socket saw it: type, protocol, bytes, and what the kernel says beside it.
#[derive(Clone, PartialEq, Eq)]
struct Captured(u8, u16, Vec<u8>, Option<Vec<u8>>);

impl std::fmt::Debug for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(kind, protocol, bytes, aux) = self;
        let head = &bytes[..bytes.len().min(64)];
        write!(
            f,
            "(type {kind}, protocol {protocol:04x}, {} bytes {head:02x?}, {aux:02x?})",
            bytes.len()
        )
    }
}

/// A frame and the socket that it is sent with.
pub enum Frame {
    Raw(Vec<u8>),
    /// Past the qdisc.
    Bypass(Vec<u8>),
    /// With another protocol in the address than in the frame.
    As(u16, Vec<u8>),
    /// A packet of a protocol, to which the kernel puts the header.
    Dgram(u16, Vec<u8>),
    /// One behind a `struct virtio_net_hdr`.
    Vnet(Vec<u8>),
}

/// What is to come of it.
pub enum Expect {
    /// The system call fails.
    Refused,
    /// It comes to the receiver, as these datagrams.
    Delivered(Vec<Vec<u8>>),
    /// It is sent and comes to nobody.
    Lost,
    /// The same as on `lo`.
    Same,
}

impl Expect {
    /// It comes to the receiver as one datagram, if that holds, and else to nobody.
    pub fn delivered_if(condition: bool, payload: &[u8]) -> Self {
        if condition {
            Self::Delivered(vec![payload.to_vec()])
        } else {
            Self::Lost
        }
    }
}

/// A frame to be compared.
struct Shot {
    what: String,
    frame: Frame,
    expect: Expect,
}

/// What came of some frames.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// The results of the system call, or its errors.
    sent: Vec<Result<usize, i32>>,
    /// Length and hash of the datagrams that came out of them.
    datagrams: Vec<(usize, u64)>,
    counters: Counters,
    mib: Vec<(String, i64)>,
    captured: Vec<Result<Captured, i32>>,
}

/// One of the two devices, with the sockets that send through it.
pub struct Side {
    pub device: &'static str,
    pub raw: OwnedFd,
    pub dgram: OwnedFd,
    /// A raw one of which each frame begins with a `struct virtio_net_hdr`.
    pub vnet: OwnedFd,
    capture: RefCell<Option<OwnedFd>>,
    vnet_capture: Cell<bool>,
}

/// Of the bytes of a frame from the Ethernet protocol to IPv6's next header.
fn is_fragment(bytes: &[u8]) -> bool {
    bytes[..2] == [0x86, 0xdd] && bytes[8] == 44
}

/// A packet socket on a device, for one protocol or, with 0, only to send.
pub fn packet_socket(kind: i32, device: &str, protocol: u16) -> OwnedFd {
    let socket = sys::socket(libc::AF_PACKET, kind, 0).unwrap();
    sys::bind(&socket, &Address::link(device, protocol).unwrap()).unwrap();
    socket
}

impl Side {
    fn new(device: &'static str) -> Self {
        let vnet = packet_socket(libc::SOCK_RAW, device, 0);
        sys::set(&vnet, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1).unwrap();
        Self {
            device,
            raw: packet_socket(libc::SOCK_RAW, device, 0),
            dgram: packet_socket(libc::SOCK_DGRAM, device, 0),
            vnet,
            capture: None.into(),
            vnet_capture: false.into(),
        }
    }

    fn send(&self, frame: &Frame) -> Result<usize, i32> {
        let link = |protocol| Address::link(self.device, protocol).unwrap();
        let bypass = |on| {
            sys::set(&self.raw, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, on).unwrap();
        };
        let sent = match frame {
            Frame::Raw(bytes) => msg::send(&self.raw, bytes, None, &[], 0),
            Frame::Bypass(bytes) => {
                bypass(1);
                let sent = msg::send(&self.raw, bytes, None, &[], 0);
                bypass(0);
                sent
            }
            Frame::As(protocol, bytes) => {
                msg::send(&self.raw, bytes, Some(&link(*protocol)), &[], 0)
            }
            Frame::Dgram(protocol, bytes) => {
                msg::send(&self.dgram, bytes, Some(&link(*protocol)), &[], 0)
            }
            Frame::Vnet(bytes) => msg::send(&self.vnet, bytes, None, &[], 0),
        };
        sent.map_err(|e| e.raw_os_error().unwrap_or(-1))
    }

    /// With `vnet`, each begins with a `struct virtio_net_hdr`.
    fn start_capture(&self, vnet: bool) {
        let capture = packet_socket(libc::SOCK_RAW, self.device, libc::ETH_P_ALL as u16);
        sys::set(&capture, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1).unwrap();
        sys::set(&capture, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, ROOM).unwrap();
        self.vnet_capture.set(vnet);
        let vnet = i32::from(vnet);
        sys::set(&capture, libc::SOL_PACKET, libc::PACKET_VNET_HDR, vnet).unwrap();
        self.capture.replace(Some(capture));
    }

    fn captured(&self) -> Vec<Result<Captured, i32>> {
        let capture = self.capture.borrow();
        let Some(capture) = capture.as_ref() else {
            return Vec::new();
        };
        let header = if self.vnet_capture.get() { 10 } else { 0 };
        let mut all = Vec::new();
        loop {
            match msg::receive(capture, libc::MSG_DONTWAIT) {
                Ok(mut got) => {
                    let from = got.from.as_link();
                    // The kernel cuts UDP of IPv6 into fragments with a number by chance.
                    if got
                        .data
                        .get(header + 12..header + 21)
                        .is_some_and(is_fragment)
                    {
                        got.data.resize(got.data.len().max(header + 62), 0);
                        got.data[header + 58..header + 62].fill(0);
                    }
                    all.push(Ok(Captured(
                        from.kind,
                        from.protocol,
                        got.data.clone(),
                        got.control(libc::SOL_PACKET, libc::PACKET_AUXDATA)
                            .map(<[u8]>::to_vec),
                    )));
                }
                Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => return all,
                // Not to be described by a virtio_net_hdr.
                error => all.push(Err(errno(error))),
            }
        }
    }
}

/// `lo` and the device, and a receiver that frames may reach through either.
pub struct Bench {
    /// Where frames come from and where they go: the latter is the receiver.
    pub from: SocketAddr,
    pub to: SocketAddr,
    sides: [Side; 2],
    receiver: UdpSocket,
    marker: UdpSocket,
    _listener: TcpListener,
    shots: [Vec<Shot>; 2],
    compared: usize,
    delivered: usize,
    differences: Vec<String>,
}

impl Bench {
    /// So many frames share what is counted.
    const GROUP: usize = 24;

    pub fn new(env: &Env) -> Self {
        env.at_the_end(Check::Nothing);
        // What one processor sends comes in in that order.
        sys::pin_to_cpu(env.ip.is_ipv6().into());
        let to = env.add_address();
        let from: IpAddr = match to {
            IpAddr::V4(_) => Ipv4Addr::new(10, 9, 8, 1).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
        };
        let any: IpAddr = if to.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        for device in ["all", "lo", env.dev] {
            env.sysctl(&format!("ipv4/conf/{device}/rp_filter"), "0");
        }
        let [receiver, marker] = [(); 2].map(|()| UdpSocket::bind((any, 0)).unwrap());
        receiver.set_nonblocking(true).unwrap();
        sys::set(&receiver, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, ROOM).unwrap();
        marker.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = receiver.local_addr().unwrap().port();
        Self {
            from: (from, 1234).into(),
            to: (to, port).into(),
            sides: ["lo", env.dev].map(Side::new),
            receiver,
            marker,
            _listener: TcpListener::bind((any, port)).unwrap(),
            shots: Default::default(),
            compared: 0,
            delivered: 0,
            differences: Vec::new(),
        }
    }

    /// A frame with a datagram for the receiver.
    pub fn datagram(&self, payload: &[u8]) -> Vec<u8> {
        frame::datagram(self.from, self.to, payload)
    }

    /// Runs `body` twice: without and with packet sockets that see everything. What nobody takes
    /// the device counts as dropped, and a packet socket takes all.
    pub fn both_ways(&mut self, vnet: bool, body: impl Fn(&mut Self)) {
        body(self);
        self.flush();
        self.sides.iter().for_each(|s| s.start_capture(vnet));
        body(self);
        self.flush();
    }

    /// All that came before on this processor has been received when this returns, and so has
    /// what was sent in answer.
    fn settle(&self, side: &Side) {
        let port = self.marker.local_addr().unwrap().port();
        let to = SocketAddr::from((self.to.ip(), port));
        let frame = frame::datagram(self.from, to, b"marker");
        for _ in 0..2 {
            msg::send(&side.raw, &frame, None, &[], 0).unwrap();
            assert_eq!(self.marker.recv(&mut [0; 16]).unwrap(), 6);
        }
    }

    fn observe(&self, side: &Side, shots: &[Shot]) -> Seen {
        let (counters, before) = (Counters::of(side.device), mib());
        let sent = shots.iter().map(|shot| side.send(&shot.frame)).collect();
        self.settle(side);
        let mut buffer = vec![0; 1 << 16];
        let mut datagrams = Vec::new();
        while let Ok(len) = self.receiver.recv(&mut buffer) {
            datagrams.push((len, checksum(&buffer[..len])));
        }
        let mut captured = side.captured();
        // With PREEMPT_RT input may be a thread's, which comes between two segments of a packet
        // or after all of them. What goes out and what comes in each keep their order.
        if fs::read_to_string("/proc/version").is_ok_and(|v| v.contains(" PREEMPT_RT ")) {
            captured.sort_by_key(|c| !matches!(c, Ok(Captured(libc::PACKET_OUTGOING, ..))));
        }
        Seen {
            sent,
            datagrams,
            counters: Counters::of(side.device).since(counters),
            mib: grown(&mib(), &before),
            captured,
        }
    }

    fn run(&mut self, shots: &[Shot]) {
        let [mut lo, mut ours] = self.sides.each_ref().map(|side| self.observe(side, shots));
        let mut wrong = lo != ours;
        let known = shots.iter().all(|s| !matches!(s.expect, Expect::Same));
        if known {
            let expected = shots.iter().flat_map(|s| match &s.expect {
                Expect::Delivered(datagrams) => &datagrams[..],
                _ => &[],
            });
            let expected = expected.map(|d| (d.len(), checksum(d)));
            wrong |= !expected.eq(lo.datagrams.iter().copied());
        }
        for (shot, sent) in shots.iter().zip(&lo.sent) {
            wrong |= match shot.expect {
                Expect::Refused => sent.is_ok(),
                Expect::Delivered(_) | Expect::Lost => sent.is_err(),
                Expect::Same => false,
            };
        }
        if wrong && shots.len() > 1 {
            // Which one was it?
            let before = self.differences.len();
            shots
                .iter()
                .for_each(|shot| self.run(slice::from_ref(shot)));
            if self.differences.len() > before {
                return;
            }
        }
        self.compared += shots.len();
        self.delivered += lo.datagrams.len();
        if wrong {
            // Of the frames that were captured the first two that differ: there may be hundreds.
            let pairs = lo.captured.iter().zip(&ours.captured);
            let same = pairs.take_while(|(lo, ours)| lo == ours).count();
            for side in [&mut lo, &mut ours] {
                side.captured.drain(..same);
                side.captured.truncate(2);
            }
            let text = format!(
                "{}, and {} more; captured, after {same} that are the same:\n  lo:     {lo:x?}\n  device: {ours:x?}",
                shots[0].what,
                shots.len() - 1
            );
            self.differences.push(text);
        }
    }

    /// Compares all that was added.
    pub fn flush(&mut self) {
        for shots in mem::take(&mut self.shots) {
            if !shots.is_empty() {
                self.run(&shots);
            }
        }
    }

    /// Adds a frame to those that are sent on both devices.
    pub fn add(&mut self, what: impl Into<String>, frame: Frame, expect: Expect) {
        // What is to come out is checked where that is known of all.
        let kind = usize::from(matches!(expect, Expect::Same));
        self.shots[kind].push(Shot {
            what: what.into(),
            frame,
            expect,
        });
        if self.shots[kind].len() == Self::GROUP {
            let shots = mem::take(&mut self.shots[kind]);
            self.run(&shots);
        }
    }

    /// There was no difference, in at least `least` frames.
    pub fn finish(&self, least: usize) {
        println!(
            "{} frames compared, {} datagrams came out",
            self.compared, self.delivered
        );
        let differences = &self.differences;
        assert!(
            differences.is_empty(),
            "{} differences:\n{}",
            differences.len(),
            differences[..differences.len().min(5)].join("\n")
        );
        assert!(self.compared >= least, "too few");
        assert!(self.delivered > 0, "nothing came out");
    }
}

/// A `struct virtio_net_hdr`.
#[derive(Clone, Copy, Debug, Default)]
pub struct VnetHdr {
    pub flags: u8,
    pub gso_type: u8,
    pub hdr_len: u16,
    pub gso_size: u16,
    pub csum_start: u16,
    pub csum_offset: u16,
}

impl VnetHdr {
    pub fn bytes(self) -> Vec<u8> {
        let words = [
            self.hdr_len,
            self.gso_size,
            self.csum_start,
            self.csum_offset,
        ];
        let mut bytes = vec![self.flags, self.gso_type];
        bytes.extend(words.map(u16::to_ne_bytes).concat());
        bytes
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Two namespaces in which messages for one kind are tried.

use crate::message::{attributes, u32_at, walk, Index, Net, Side};
use clap::ValueEnum;
use guest::{
    netns::NetNs,
    sys,
    uapi::*,
    wire::{attr, Request},
};
use nix::{
    errno::Errno,
    sys::socket::{recv, send, MsgFlags},
    unistd::gettid,
};
use std::{
    cell::RefCell,
    io::{Error, Result},
    os::fd::{AsRawFd, OwnedFd},
};

/// The id by which the namespaces of a world know each other.
pub const PEER_ID: u32 = 10;
/// The id by which they know the initial one.
pub const INITIAL_ID: u32 = 11;

/// What the kernel answered to a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Acknowledgements, errors and ends of dumps with this message's number.
    pub ends: usize,
    /// 0, or the error as a positive number.
    pub errno: i32,
    pub text: String,
    /// Anything with another number.
    pub stray: usize,
}

/// What is compared of a device.
#[derive(Clone, Debug, Default)]
pub struct Link {
    pub index: i32,
    /// With the prefix of names that the kernel has chosen being the same for all kinds.
    pub name: String,
    pub flags: u32,
    pub kind: Vec<u8>,
    pub address: Vec<u8>,
    pub broadcast: Vec<u8>,
    pub mtu: u32,
    /// By type, what is the same in both worlds as it is.
    pub plain: Vec<(u16, Vec<u8>)>,
    pub names: Vec<Vec<u8>>,
    pub master: i32,
}

/// The kind that is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Tested {
    /// A loopback: not in all like the peer.
    RustLo,
    /// The sample `rust_dummy`: the peer in Rust.
    RustDummy,
}

impl Tested {
    pub const ALL: [Self; 2] = [Self::RustLo, Self::RustDummy];

    pub fn name(self) -> &'static str {
        match self {
            Self::RustLo => "rust_lo",
            Self::RustDummy => "rust_dummy",
        }
    }
}

/// The longest name of a kind, with its end.
pub const KIND_LEN: usize = 12;

/// What has to come out the same whatever the kind is.
const PLAIN: &[u16] = &[
    IFLA_QDISC,
    IFLA_TXQLEN,
    IFLA_OPERSTATE,
    IFLA_LINKMODE,
    IFLA_IFALIAS,
    IFLA_GROUP,
    IFLA_PROMISCUITY,
    IFLA_NUM_TX_QUEUES,
    IFLA_NUM_RX_QUEUES,
    IFLA_CARRIER,
    IFLA_PROTO_DOWN,
    IFLA_GSO_MAX_SEGS,
    IFLA_GSO_MAX_SIZE,
    IFLA_GRO_MAX_SIZE,
    IFLA_ALLMULTI,
    IFLA_GSO_IPV4_MAX_SIZE,
    IFLA_GRO_IPV4_MAX_SIZE,
];

impl Link {
    fn parse(bytes: &[u8], kind: &str) -> Self {
        let mut link = Self {
            index: u32_at(bytes, HEADER + 4) as i32,
            flags: u32_at(bytes, HEADER + 8),
            ..Self::default()
        };
        for (attr, range) in attributes(bytes, HEADER + 16..bytes.len()) {
            let payload = bytes[range.clone()].to_vec();
            match attr {
                IFLA_IFNAME => {
                    let name = String::from_utf8_lossy(&payload);
                    let name = name.trim_end_matches('\0');
                    link.name = match name.strip_prefix(kind) {
                        Some(number) => format!("KIND{number}"),
                        None => name.into(),
                    };
                }
                IFLA_ADDRESS => link.address = payload,
                IFLA_BROADCAST => link.broadcast = payload,
                IFLA_MTU => link.mtu = u32_at(&payload, 0),
                IFLA_MASTER => link.master = u32_at(&payload, 0) as i32,
                IFLA_LINKINFO => {
                    let inner = attributes(bytes, range);
                    let kind = inner.into_iter().find(|(k, _)| *k == IFLA_INFO_KIND);
                    link.kind = kind.map_or(Vec::new(), |(_, range)| bytes[range].to_vec());
                }
                IFLA_PROP_LIST => {
                    let names = attributes(bytes, range);
                    link.names = names.into_iter().map(|(_, r)| bytes[r].to_vec()).collect();
                }
                attr if PLAIN.contains(&attr) => link.plain.push((attr, payload)),
                _ => {}
            }
        }
        link
    }
}

/// There is the kind: a device of it can be made, and is deleted again. To be called by a thread
/// of its own, as it goes to another namespace.
pub fn try_kind(kind: &'static str) -> Result<()> {
    let mut world = World::new(kind, false, NetNs::current()?, false)?;
    world.make(0, false)?;
    world.look(0)?;
    let made = world.links[0].iter().find(|l| l.name == "KIND0");
    let index = made.map_or(0, |l| l.index);
    world.delete(0, index)
}

/// A namespace and a socket in it.
pub struct Room {
    pub net: NetNs,
    socket: OwnedFd,
}

impl Room {
    /// Of the namespace that the calling thread is in.
    fn here(strict: bool) -> Result<Self> {
        let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        for (option, on) in [
            (libc::NETLINK_EXT_ACK, true),
            (libc::NETLINK_CAP_ACK, true),
            (libc::NETLINK_GET_STRICT_CHK, strict),
        ] {
            sys::set(&socket, libc::SOL_NETLINK, option, on.into())?;
        }
        Ok(Self {
            net: NetNs::current()?,
            socket,
        })
    }
}

/// The namespaces, and what is known of them.
pub struct World {
    kind: &'static str,
    pub rooms: [Room; 2],
    pub links: [Vec<Link>; 2],
    initial: NetNs,
    seq: u32,
    buffer: RefCell<Vec<u8>>,
}

impl World {
    /// Two new namespaces; or, if asked for, one new one beside the initial one.
    pub fn new(
        kind: &'static str,
        with_initial: bool,
        initial: NetNs,
        strict: bool,
    ) -> Result<Self> {
        let new_room = || {
            NetNs::unshare()?;
            Room::here(strict)
        };
        let first = if with_initial {
            initial.enter()?;
            Room::here(strict)?
        } else {
            new_room()?
        };
        let mut world = Self {
            kind,
            rooms: [first, new_room()?],
            links: Default::default(),
            initial,
            seq: 0,
            buffer: RefCell::new(vec![0; 1 << 17]),
        };
        for (from, to) in [(0, 1), (1, 0)] {
            let peer = world.rooms[to].net.as_raw_fd();
            world.name_net(from, PEER_ID, peer)?;
        }
        if !with_initial {
            let initial = world.initial.as_raw_fd();
            for from in [0, 1] {
                world.name_net(from, INITIAL_ID, initial)?;
            }
        }
        Ok(world)
    }

    fn name_net(&mut self, from: usize, id: u32, fd: i32) -> Result<()> {
        let request = Request::new(RTM_NEWNSID, 0, &[0; 4])
            .attr_u32(NETNSA_NSID, id)
            .attr_u32(NETNSA_FD, fd as u32);
        self.ask(from, request)
    }

    /// Makes a device that is there from the beginning.
    pub fn make(&mut self, room: usize, up: bool) -> Result<()> {
        let mut head = [0; 16];
        head[8] = u8::from(up);
        let request = Request::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head)
            .attr(IFLA_LINKINFO, &attr(IFLA_INFO_KIND, &self.kind()));
        self.ask(room, request)
    }

    /// Brings `lo` up.
    pub fn lo_up(&mut self, room: usize) -> Result<()> {
        let mut head = [0; 16];
        head[4] = 1;
        head[8] = 1;
        head[12] = 1;
        self.ask(room, Request::new(RTM_SETLINK, 0, &head))
    }

    pub fn delete(&mut self, room: usize, index: i32) -> Result<()> {
        let mut head = [0; 16];
        head[4..8].copy_from_slice(&index.to_ne_bytes());
        self.ask(room, Request::new(RTM_DELLINK, 0, &head))
    }

    /// The number for the next message.
    pub fn next_seq(&mut self) -> u32 {
        self.seq += 1;
        self.seq
    }

    fn ask(&mut self, room: usize, request: Request) -> Result<()> {
        let seq = self.next_seq();
        let answer = self.send(room, &request.finish(seq), seq, |_| ())?;
        match answer.errno {
            0 if answer.ends == 1 => Ok(()),
            0 => Err(Error::other("no single answer")),
            errno => Err(Error::from_raw_os_error(errno)),
        }
    }

    /// Sends a datagram and takes all answers there are. The kernel handles a request before
    /// `send()` returns, and the first part of a dump as well; each further part when the one
    /// before is taken.
    pub fn send(
        &self,
        room: usize,
        bytes: &[u8],
        seq: u32,
        mut other: impl FnMut(&[u8]),
    ) -> Result<Answer> {
        let socket = self.rooms[room].socket.as_raw_fd();
        let mut buffer = self.buffer.borrow_mut();
        let mut answer = Answer::default();
        send(socket, bytes, MsgFlags::empty())?;
        loop {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            let len = match recv(socket, &mut buffer, flags) {
                Ok(len) => len,
                Err(Errno::EAGAIN) => return Ok(answer),
                Err(e) => return Err(e.into()),
            };
            let bytes = buffer
                .get(..len)
                .ok_or_else(|| Error::other(format!("an answer of {len} bytes")))?;
            for seen in walk(bytes) {
                let message = &bytes[seen.range.clone()];
                if seen.seq != seq {
                    answer.stray += 1;
                } else if seen.kind == NLMSG_ERROR || seen.kind == NLMSG_DONE {
                    answer.end(seen.kind, seen.flags, message);
                } else {
                    other(message);
                }
            }
        }
    }

    /// Asks for all devices of a namespace.
    pub fn look(&mut self, room: usize) -> Result<()> {
        let seq = self.next_seq();
        let request = Request::new(RTM_GETLINK, NLM_F_DUMP, &[0; 16])
            .attr_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        let mut links = Vec::new();
        let answer = self.send(room, &request.finish(seq), seq, |message| {
            links.push(Link::parse(message, self.kind));
        })?;
        if answer.ends != 1 || answer.errno != 0 {
            return Err(Error::other(format!("no list of devices: {answer:?}")));
        }
        links.sort_by(|a, b| a.name.cmp(&b.name));
        self.links[room] = links;
        Ok(())
    }

    fn net(&self, net: Net) -> &NetNs {
        match net {
            Net::Own(room) => &self.rooms[room].net,
            Net::Initial => &self.initial,
        }
    }
}

impl Answer {
    /// `struct nlmsgerr`, or the end of a dump, with what follows.
    fn end(&mut self, kind: u16, flags: u16, message: &[u8]) {
        self.ends += 1;
        if message.len() < HEADER + 4 {
            return;
        }
        self.errno = -(u32_at(message, HEADER) as i32);
        let texts = if kind == NLMSG_DONE {
            HEADER + 4
        } else {
            HEADER + 4 + HEADER
        };
        if flags & NLM_F_ACK_TLVS != 0 && (kind == NLMSG_DONE || flags & NLM_F_CAPPED != 0) {
            for (attr, range) in attributes(message, texts..message.len()) {
                if attr == NLMSGERR_ATTR_MSG {
                    let text = String::from_utf8_lossy(&message[range]);
                    self.text = text.trim_end_matches('\0').into();
                }
            }
        }
    }
}

impl Side for World {
    fn kind(&self) -> [u8; KIND_LEN] {
        let mut kind = [0; KIND_LEN];
        kind[..self.kind.len()].copy_from_slice(self.kind.as_bytes());
        kind
    }

    fn index(&self, index: &Index) -> i32 {
        match index {
            Index::Number(number) => *number,
            Index::Device(room, name) => self.links[*room]
                .iter()
                .find(|link| link.name == *name)
                .map_or(0x7fff_fffe, |link| link.index),
        }
    }

    fn fd(&self, net: Net) -> i32 {
        self.net(net).as_raw_fd()
    }

    /// The calling thread goes there.
    fn pid(&self, net: Net) -> i32 {
        if net == Net::Initial {
            return 1;
        }
        self.net(net).enter().expect("cannot enter a namespace");
        gettid().as_raw()
    }
}

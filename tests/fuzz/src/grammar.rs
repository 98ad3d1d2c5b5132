// SPDX-License-Identifier: GPL-2.0

//! Makes messages: most of them such that they succeed, then some damage.

use crate::{
    message::{Attr, Built, Head, Index, Message, Mutation, Net, Value},
    round::Mode,
    world::{INITIAL_ID, PEER_ID},
};
use guest::{random::Random, uapi::*};

const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "eth7",
    "x.y-z_0",
    "123456789012345",
    "t%d",
];
const BAD_NAMES: &[&str] = &[
    "",
    ".",
    "..",
    "a/b",
    "a b",
    "a:b",
    "/",
    "1234567890123456",
    "%d%d",
    "%s",
    "t%dx%",
    "\u{7f}\u{80}",
];
/// Where things change, and some that are far from it.
const NUMBERS: &[u32] = &[
    0,
    1,
    2,
    67,
    68,
    255,
    1279,
    1280,
    1500,
    4096,
    4097,
    65535,
    65536,
    65537,
    524_280,
    524_281,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];
/// Indexes that users ask for; the kernel's own choice does not come so far.
const INDEXES: std::ops::Range<usize> = 100_000..100_008;
/// No device has it.
const NO_INDEX: i32 = 0x7fff_fffd;
/// How many devices there should be in a namespace, roughly.
const DEVICES: usize = 5;

/// What messages are about.
pub struct Grammar<'a> {
    pub rng: &'a mut Random,
    pub mode: Mode,
    /// The name of the kind that is tested.
    pub kind: &'static str,
    /// The namespace in which the message is sent.
    pub from: usize,
    /// Devices that may be changed, by namespace.
    pub devices: [Vec<String>; 2],
}

#[derive(Clone, Copy)]
enum What {
    Create,
    Change,
    ChangeByNewlink,
    Move,
    Delete,
    Get,
    Property,
    Address,
    Route,
    Group,
    Other,
    Wild,
    AnyType,
}

const ACKED: u16 = NLM_F_REQUEST | NLM_F_ACK;

impl Grammar<'_> {
    pub fn message(&mut self) -> Message {
        use What::*;
        let many = self.devices[self.from].len() > DEVICES;
        let (_, what) = *self.rng.weighted(
            &[
                (if many { 8 } else { 26 }, Create),
                (24, Change),
                (8, ChangeByNewlink),
                (8, Move),
                (if many { 24 } else { 7 }, Delete),
                (6, Get),
                (4, Property),
                (4, Address),
                (2, Route),
                (2, Group),
                (2, Other),
                (6, Wild),
                (usize::from(self.mode != Mode::Initial), AnyType),
            ],
            |(weight, _)| *weight,
        );
        let mut message = match what {
            Create => self.create(),
            Change => self.change(RTM_SETLINK, ACKED),
            ChangeByNewlink => {
                let flags = self.rng.pick(&[0, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_EXCL]);
                let mut message = self.change(RTM_NEWLINK, ACKED | flags);
                if self.rng.percent(50) {
                    let info = self.info();
                    message.attrs.push(info);
                }
                message
            }
            Move => self.relocate(),
            Delete => self.delete(),
            Get => self.get(),
            Property => self.property(),
            Address => self.address(),
            Route => self.route(),
            Group => self.group(),
            Other => self.other_kind(),
            Wild => self.wild(),
            AnyType => {
                let mut message = self.change(RTM_SETLINK, ACKED);
                message.kind = self.rng.within(16..usize::from(RTM_MAX) + 4) as u16;
                message
            }
        };
        if self.rng.percent(4) {
            message.flags &= !NLM_F_ACK;
        }
        if self.rng.percent(4) {
            message.flags |= NLM_F_ECHO;
        }
        message
    }

    fn of(&self, kind: u16, flags: u16, head: Head, attrs: Vec<Attr>) -> Message {
        Message {
            kind,
            flags,
            head,
            attrs,
            mutations: Vec::new(),
            well_formed: true,
        }
    }

    fn link(&self, index: Index) -> Head {
        Head::Link {
            family: 0,
            index,
            flags: 0,
            change: 0,
        }
    }

    // --- parts ---

    fn name(&mut self) -> &'static str {
        let of = if self.rng.percent(93) {
            NAMES
        } else {
            BAD_NAMES
        };
        self.rng.pick(of)
    }

    fn number(&mut self) -> u32 {
        match self.rng.below(10) {
            0 => self.rng.next_u64() as u32,
            1 => self.rng.below(100_000) as u32,
            _ => self.rng.pick(NUMBERS),
        }
    }

    /// Mostly a device that is there.
    fn index(&mut self) -> Index {
        let devices = &self.devices[self.from];
        if devices.is_empty() || self.rng.percent(4) {
            return Index::Number(self.rng.pick(&[
                0,
                -1,
                i32::MIN,
                NO_INDEX,
                INDEXES.start as i32,
            ]));
        }
        Index::Device(self.from, devices[self.rng.below(devices.len())].clone())
    }

    fn net(&mut self) -> Attr {
        let own = Net::Own(self.rng.below(2));
        if self.mode == Mode::User && self.rng.percent(50) {
            return match self.rng.below(3) {
                0 => Attr(IFLA_NET_NS_PID, Value::Pid(Net::Initial)),
                1 => Attr(IFLA_NET_NS_FD, Value::Fd(Net::Initial)),
                _ => Attr::u32(IFLA_TARGET_NETNSID, INITIAL_ID),
            };
        }
        match self.rng.below(12) {
            0..=3 => Attr(IFLA_NET_NS_FD, Value::Fd(own)),
            4..=6 => Attr(IFLA_NET_NS_PID, Value::Pid(own)),
            7..=9 => Attr::u32(IFLA_TARGET_NETNSID, PEER_ID),
            10 => {
                let attr = self.rng.pick(&[IFLA_NET_NS_PID, IFLA_TARGET_NETNSID]);
                Attr::u32(attr, self.rng.pick(&[0, 0x7fff_fff0, 0xffff_ffff]))
            }
            _ => Attr::u32(IFLA_NET_NS_FD, self.rng.pick(&[0, 999, 0xffff_ffff])),
        }
    }

    fn hardware_address(&mut self) -> Vec<u8> {
        let len = match self.rng.below(20) {
            0 => self.rng.within(0..40),
            1 => self.rng.pick(&[5, 7, 8, 32]),
            _ => 6,
        };
        let mut bytes = self.rng.bytes(len);
        match self.rng.below(16) {
            0 => bytes.fill(0),
            1 => bytes.fill(0xff),
            2 => bytes.iter_mut().take(1).for_each(|b| *b |= 1),
            _ => bytes.iter_mut().take(1).for_each(|b| *b &= !1),
        }
        bytes
    }

    fn info(&mut self) -> Attr {
        let mut inner = vec![Attr(
            IFLA_INFO_KIND,
            Value::Kind(self.kind.len() + usize::from(self.rng.percent(80))),
        )];
        match self.rng.below(20) {
            0 => inner.push(Attr(IFLA_INFO_DATA, Value::Nested(vec![]))),
            1 => {
                let (attr, len) = (self.rng.below(9) as u16, self.rng.below(20));
                let data = Attr::bytes(attr, self.rng.bytes(len));
                inner.push(Attr(
                    IFLA_INFO_DATA | NLA_F_NESTED,
                    Value::Nested(vec![data]),
                ));
            }
            2 => {
                inner.push(Attr::string(IFLA_INFO_SLAVE_KIND, "bridge"));
                inner.push(Attr(IFLA_INFO_SLAVE_DATA, Value::Nested(vec![])));
            }
            _ => {}
        }
        let nested = if self.rng.percent(50) {
            NLA_F_NESTED
        } else {
            0
        };
        Attr(IFLA_LINKINFO | nested, Value::Nested(inner))
    }

    /// What is well-formed, and most often allowed for a new link.
    fn property_of_new(&mut self) -> Attr {
        match self.rng.below(16) {
            0 | 1 => Attr::u32(IFLA_MTU, self.number()),
            2 => Attr::u32(IFLA_TXQLEN, self.number() >> self.rng.pick(&[0, 17])),
            3..=5 => {
                let address = self.hardware_address();
                let attr = self.rng.pick(&[IFLA_ADDRESS, IFLA_ADDRESS, IFLA_BROADCAST]);
                Attr::bytes(attr, address)
            }
            6 => Attr::u32(IFLA_GROUP, self.rng.below(4) as u32),
            7 | 8 => {
                let attr = self.rng.pick(&[IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES]);
                // Each queue is a directory in /sys.
                let many = self.rng.percent(3);
                let number = match self.rng.below(12) {
                    0 => self.rng.pick(&[0, 4097, 0x8000_0000, 0xffff_ffff]),
                    1 if many => 4096,
                    _ => self.rng.within(1..10) as u32,
                };
                Attr::u32(attr, number)
            }
            9 | 10 => {
                let attr = self.rng.pick(&[
                    IFLA_GSO_MAX_SEGS,
                    IFLA_GSO_MAX_SIZE,
                    IFLA_GRO_MAX_SIZE,
                    IFLA_GSO_IPV4_MAX_SIZE,
                    IFLA_GRO_IPV4_MAX_SIZE,
                ]);
                let fine = [1025, 16384, 65535, 65536, 65536, 131_072, 524_280];
                let number = match attr {
                    IFLA_GSO_MAX_SEGS => self.rng.below(65536) as u32,
                    _ => self.rng.pick(&fine),
                };
                let any = self.rng.percent(15);
                Attr::u32(attr, if any { self.number() } else { number })
            }
            11 => Attr::u8(IFLA_OPERSTATE, self.rng.below(9) as u8),
            12 => Attr::u8(IFLA_LINKMODE, self.rng.below(4) as u8),
            13 => Attr::u32(IFLA_LINK_NETNSID, PEER_ID),
            14 => {
                let attr = self
                    .rng
                    .pick(&[IFLA_LINK, IFLA_WEIGHT, IFLA_EVENT, IFLA_PROMISCUITY]);
                Attr::u32(attr, self.number())
            }
            _ => Attr::string(IFLA_QDISC, "noqueue"),
        }
    }

    fn property_of_old(&mut self) -> Attr {
        match self.rng.below(48) {
            0..=3 | 40..=43 => {
                let name = self.name();
                Attr::string(IFLA_IFNAME, name)
            }
            4 | 44..=46 => {
                let len = self.rng.pick(&[0, 1, 7, 7, 255, 256]);
                Attr::bytes(IFLA_IFALIAS, self.rng.bytes(len))
            }
            5 => Attr::u8(IFLA_CARRIER, self.rng.below(3) as u8),
            6 => Attr::u8(IFLA_PROTO_DOWN, self.rng.below(2) as u8),
            7 => Attr(
                IFLA_PROTO_DOWN_REASON,
                Value::Nested(vec![Attr::u32(1, 1), Attr::u32(2, 1)]),
            ),
            8 => {
                let index = self.index();
                let index = if self.rng.percent(60) {
                    Index::Number(0)
                } else {
                    index
                };
                Attr(IFLA_MASTER, Value::Index(index))
            }
            9 | 10 => self.af_spec(),
            11 => self.xdp(),
            12 => {
                let inner = self.garbage(4);
                let attr = self
                    .rng
                    .pick(&[IFLA_VFINFO_LIST, IFLA_VF_PORTS, IFLA_PORT_SELF]);
                Attr(attr, Value::Nested(vec![Attr(1, Value::Nested(inner))]))
            }
            13 => Attr::bytes(IFLA_MAP, self.rng.bytes(32)),
            _ => self.property_of_new(),
        }
    }

    fn af_spec(&mut self) -> Attr {
        let mode = self.rng.below(5) as u8;
        let family = match self.rng.below(5) {
            0 | 1 => Attr(
                u16::from(AF_INET6),
                Value::Nested(vec![Attr::u8(IFLA_INET6_ADDR_GEN_MODE, mode)]),
            ),
            2 => Attr(
                u16::from(AF_INET6),
                Value::Nested(vec![Attr::bytes(IFLA_INET6_TOKEN, self.rng.bytes(16))]),
            ),
            3 => {
                let which = self.rng.below(40) as u16;
                let value = Attr::u32(which, self.rng.below(3) as u32);
                let conf = Attr(IFLA_INET_CONF, Value::Nested(vec![value]));
                Attr(u16::from(AF_INET), Value::Nested(vec![conf]))
            }
            _ => Attr(self.rng.below(48) as u16, Value::Nested(self.garbage(3))),
        };
        Attr(IFLA_AF_SPEC, Value::Nested(vec![family]))
    }

    fn xdp(&mut self) -> Attr {
        let mut inner = vec![Attr::u32(
            IFLA_XDP_FD,
            self.rng.pick(&[0xffff_ffff, 0, 999]),
        )];
        if self.rng.percent(40) {
            inner.push(Attr::u32(IFLA_XDP_FLAGS, 1 << self.rng.below(6)));
        }
        if self.rng.percent(20) {
            inner.push(Attr::u32(IFLA_XDP_EXPECTED_FD, 0xffff_ffff));
        }
        if self.rng.percent(10) {
            inner.push(Attr::u8(IFLA_XDP_ATTACHED, 1));
        }
        Attr(IFLA_XDP, Value::Nested(inner))
    }

    /// Attributes of any type, with anything in them.
    fn garbage(&mut self, most: usize) -> Vec<Attr> {
        let count = self.rng.below(most + 1);
        (0..count)
            .map(|_| {
                let len = self.rng.pick(&[0, 1, 2, 3, 4, 4, 4, 5, 6, 8, 16, 33, 200]);
                let nested = self.rng.pick(&[0, 0, NLA_F_NESTED, NLA_F_NET_BYTEORDER]);
                Attr::bytes(self.rng.below(80) as u16 | nested, self.rng.bytes(len))
            })
            .collect()
    }

    fn flags(&mut self) -> (u32, u32) {
        let any = [
            IFF_UP,
            IFF_PROMISC,
            IFF_ALLMULTI,
            IFF_NOARP,
            IFF_MULTICAST,
            IFF_DEBUG,
            IFF_NOTRAILERS,
            IFF_DYNAMIC,
        ];
        match self.rng.below(16) {
            0..=6 => (IFF_UP, IFF_UP),
            7..=9 => (0, IFF_UP),
            10 => (IFF_UP, 0),
            11 => (0xffff_ffff, self.rng.pick(&any)),
            12 => (self.rng.pick(&any), 0),
            13 => (self.rng.next_u64() as u32, self.rng.next_u64() as u32),
            _ => {
                let flag = self.rng.pick(&any);
                (if self.rng.percent(60) { flag } else { 0 }, flag)
            }
        }
    }

    fn with_flags(&mut self, head: &mut Head) {
        let (new_flags, new_change) = self.flags();
        if let Head::Link { flags, change, .. } = head {
            (*flags, *change) = (new_flags, new_change);
        }
    }

    // --- messages ---

    fn create(&mut self) -> Message {
        let index = if self.rng.percent(10) {
            Index::Number(self.rng.within(INDEXES) as i32)
        } else {
            Index::Number(0)
        };
        let mut head = self.link(index);
        if self.rng.percent(40) {
            self.with_flags(&mut head);
        }
        let mut attrs = Vec::new();
        if self.rng.percent(85) {
            let name = self.name();
            let kind = if self.rng.percent(95) {
                IFLA_IFNAME
            } else {
                IFLA_ALT_IFNAME
            };
            attrs.push(Attr::string(kind, name));
        }
        for _ in 0..self.rng.below(4) {
            attrs.push(self.property_of_new());
        }
        if self.rng.percent(10) {
            attrs.push(self.net());
        }
        attrs.push(self.info());
        let (_, flags) = *self.rng.weighted(
            &[
                (20, NLM_F_CREATE | NLM_F_EXCL),
                (4, NLM_F_CREATE),
                (1, NLM_F_CREATE | NLM_F_REPLACE),
                (1, NLM_F_CREATE | NLM_F_EXCL | NLM_F_REPLACE | NLM_F_APPEND),
                (1, 0),
            ],
            |(weight, _)| *weight,
        );
        self.of(RTM_NEWLINK, ACKED | flags, head, attrs)
    }

    fn change(&mut self, kind: u16, flags: u16) -> Message {
        let mut attrs = Vec::new();
        let head = if self.rng.percent(85) {
            let index = self.index();
            self.link(index)
        } else {
            let name = self.name();
            attrs.push(Attr::string(
                self.rng.pick(&[IFLA_IFNAME, IFLA_ALT_IFNAME]),
                name,
            ));
            self.link(Index::Number(0))
        };
        let mut head = head;
        if self.rng.percent(45) {
            self.with_flags(&mut head);
        }
        for _ in 0..self.rng.below(3) + 1 {
            attrs.push(self.property_of_old());
        }
        self.of(kind, flags, head, attrs)
    }

    fn relocate(&mut self) -> Message {
        let index = self.index();
        let mut head = self.link(index);
        let mut attrs = vec![self.net()];
        if self.rng.percent(30) {
            attrs.push(Attr::string(IFLA_IFNAME, self.name()));
        }
        if self.rng.percent(10) {
            let index = self.rng.within(INDEXES) as u32;
            attrs.push(Attr::u32(IFLA_NEW_IFINDEX, index));
        }
        if self.rng.percent(10) {
            attrs.push(self.net());
        }
        if self.rng.percent(30) {
            self.with_flags(&mut head);
        }
        let kind = self.rng.pick(&[RTM_SETLINK, RTM_NEWLINK]);
        self.of(kind, ACKED, head, attrs)
    }

    fn delete(&mut self) -> Message {
        let mut attrs = Vec::new();
        let head = if self.rng.percent(90) {
            let index = self.index();
            self.link(index)
        } else {
            attrs.push(Attr::string(IFLA_IFNAME, self.name()));
            self.link(Index::Number(0))
        };
        if self.rng.percent(5) {
            attrs.push(self.net());
        }
        let flags = if self.rng.percent(3) { 0x200 } else { 0 };
        self.of(RTM_DELLINK, ACKED | flags, head, attrs)
    }

    fn get(&mut self) -> Message {
        let index = self.index();
        let head = self.link(index);
        let mut attrs = Vec::new();
        for _ in 0..self.rng.below(3) {
            attrs.push(match self.rng.below(4) {
                0 => Attr::string(IFLA_IFNAME, self.name()),
                1 => Attr::u32(IFLA_EXT_MASK, self.rng.below(256) as u32),
                2 => self.net(),
                _ => self.info(),
            });
        }
        let flags = self.rng.pick(&[0, 0, 0, NLM_F_DUMP, 0x100]);
        self.of(RTM_GETLINK, ACKED | flags, head, attrs)
    }

    fn property(&mut self) -> Message {
        let index = self.index();
        let names = (0..self.rng.below(3))
            .map(|_| match self.rng.below(8) {
                0 => Attr::string(IFLA_ALT_IFNAME, self.name()),
                1 => Attr::string(IFLA_ALT_IFNAME, &"long".repeat(self.rng.below(40))),
                _ => {
                    let number = self.rng.below(4);
                    Attr::string(
                        IFLA_ALT_IFNAME,
                        &format!("another-name-of-a-device-{number}"),
                    )
                }
            })
            .collect();
        let nested = if self.rng.percent(90) {
            NLA_F_NESTED
        } else {
            0
        };
        let attrs = vec![Attr(IFLA_PROP_LIST | nested, Value::Nested(names))];
        let kind = self
            .rng
            .pick(&[RTM_NEWLINKPROP, RTM_NEWLINKPROP, RTM_DELLINKPROP]);
        let flags = ACKED | NLM_F_CREATE | NLM_F_EXCL;
        let head = self.link(index);
        // Bulk deletion is what the flag of EXCL means there.
        let flags = if kind == RTM_DELLINKPROP {
            ACKED
        } else {
            flags
        };
        self.of(kind, flags, head, attrs)
    }

    fn address(&mut self) -> Message {
        let index = self.index();
        let number = self.rng.below(3) as u8;
        let (family, prefix, bytes) = if self.rng.percent(60) {
            (AF_INET, 24, vec![10, 9, number, 1])
        } else {
            let mut bytes = vec![0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes.push(number);
            (AF_INET6, 64, bytes)
        };
        let prefix = if self.rng.percent(10) {
            self.rng.next_u64() as u8
        } else {
            prefix
        };
        let attrs = vec![
            Attr::bytes(IFA_LOCAL, bytes.clone()),
            Attr::bytes(IFA_ADDRESS, bytes),
        ];
        let kind = self.rng.pick(&[RTM_NEWADDR, RTM_NEWADDR, RTM_DELADDR]);
        let flags = if kind == RTM_NEWADDR {
            NLM_F_CREATE | NLM_F_EXCL
        } else {
            0
        };
        let head = Head::Addr {
            family,
            prefix,
            index,
        };
        self.of(kind, ACKED | flags, head, attrs)
    }

    fn route(&mut self) -> Message {
        let index = self.index();
        let number = self.rng.below(3) as u8;
        let (family, prefix, bytes) = if self.rng.percent(80) {
            (AF_INET, 24, vec![10, 77, number, 0])
        } else {
            let mut bytes = vec![0xfd, 1, 0, 0, 0, 0, 0, number];
            bytes.resize(16, 0);
            (AF_INET6, 64, bytes)
        };
        let mut attrs = vec![
            Attr::bytes(RTA_DST, bytes),
            Attr(RTA_OIF, Value::Index(index)),
        ];
        if self.rng.percent(20) {
            attrs.push(Attr::u32(RTA_PRIORITY, self.number()));
        }
        let kind = self.rng.pick(&[RTM_NEWROUTE, RTM_NEWROUTE, RTM_DELROUTE]);
        let flags = self
            .rng
            .pick(&[NLM_F_CREATE, NLM_F_CREATE | NLM_F_EXCL, NLM_F_REPLACE]);
        let flags = if kind == RTM_NEWROUTE { flags } else { 0 };
        self.of(kind, ACKED | flags, Head::Route { family, prefix }, attrs)
    }

    /// All devices of a group at once.
    fn group(&mut self) -> Message {
        let head = self.link(Index::Number(0));
        // Group 0 has lo in it.
        let lowest = usize::from(self.mode == Mode::Initial);
        let group = Attr::u32(IFLA_GROUP, self.rng.within(lowest..5) as u32);
        let mut message = match self.rng.below(3) {
            0 => self.of(RTM_DELLINK, ACKED, head, vec![]),
            _ => {
                let attrs = vec![self.property_of_old()];
                let mut message = self.of(RTM_NEWLINK, ACKED, head, attrs);
                if self.rng.percent(50) {
                    self.with_flags(&mut message.head);
                }
                message
            }
        };
        message.attrs.push(group);
        message
    }

    /// A kind that is not ours, or none; some of them sit on top of a device.
    fn other_kind(&mut self) -> Message {
        let kind = self
            .rng
            .pick(&["rust_l", "rust_lo0", "RUST_LO", "", "lo", "loopback"]);
        let info = Attr(
            IFLA_LINKINFO,
            Value::Nested(vec![Attr::string(IFLA_INFO_KIND, kind)]),
        );
        let index = self.index();
        let mut attrs = vec![Attr::string(IFLA_IFNAME, self.name())];
        attrs.push(Attr(IFLA_LINK, Value::Index(index)));
        if self.rng.percent(80) {
            attrs.push(info);
        }
        let head = self.link(Index::Number(0));
        self.of(RTM_NEWLINK, ACKED | NLM_F_CREATE | NLM_F_EXCL, head, attrs)
    }

    /// Attributes of any type, next to what else makes a good message.
    fn wild(&mut self) -> Message {
        let mut message = match self.rng.below(3) {
            0 => self.create(),
            1 => self.change(RTM_SETLINK, ACKED),
            _ => self.delete(),
        };
        let garbage = self.garbage(5);
        message.attrs.extend(garbage);
        message.well_formed = false;
        if self.rng.percent(20) {
            let odd = [
                IFLA_MIN_MTU,
                IFLA_PERM_ADDRESS,
                IFLA_TSO_MAX_SIZE,
                IFLA_ALLMULTI,
                IFLA_NETNS_IMMUTABLE,
                IFLA_DPLL_PIN,
                IFLA_PROTINFO,
            ];
            message
                .attrs
                .push(Attr::u32(self.rng.pick(&odd), self.rng.next_u64() as u32));
        }
        if self.rng.percent(10) {
            message
                .attrs
                .push(Attr::string(IFLA_PARENT_DEV_NAME, "nobody"));
        }
        if let Head::Link { family, .. } = &mut message.head {
            if self.rng.percent(10) {
                *family = self.rng.next_u64() as u8;
            }
        }
        message
    }

    // --- damage ---

    /// What is done to the bytes.
    pub fn mutations(&mut self, built: &Built) -> Vec<Mutation> {
        let count = self.rng.within(1..4);
        (0..count).map(|_| self.mutation(built)).collect()
    }

    fn mutation(&mut self, built: &Built) -> Mutation {
        let len = built.bytes.len();
        let attr = (!built.attrs.is_empty()).then(|| self.rng.pick(&built.attrs));
        match (self.rng.below(10), attr) {
            (0..=2, Some(at)) => {
                let len = self
                    .rng
                    .pick(&[0, 1, 3, 4, 5, 6, 7, 8, 9, 12, 40, 0x7fff, 0xffff]);
                Mutation::AttrLen(at, len)
            }
            (3 | 4, Some(at)) => {
                let nested = self
                    .rng
                    .pick(&[0, 0, NLA_F_NESTED, NLA_F_NET_BYTEORDER, 0xc000]);
                Mutation::AttrType(at, self.rng.below(75) as u16 | nested)
            }
            (5, _) => Mutation::Truncate(self.rng.within(1..len + 1), self.rng.percent(80)),
            (6, _) => {
                let extra = self.rng.within(1..64);
                Mutation::Grow(self.rng.bytes(extra))
            }
            (7, _) if self.mode != Mode::Initial => {
                let lens = [0, 15, 16, 17, 20, 31, 32, len as u32 + 1, 0xffff_ffff];
                Mutation::HeaderLen(self.rng.pick(&lens))
            }
            _ => {
                // Behind the headers, and nothing that has to differ between the worlds.
                let at = self.rng.within(HEADER + 8..len.max(HEADER + 9));
                let fixed = built.fixed.iter().any(|range| range.contains(&at));
                let bit = 1 << self.rng.below(8);
                Mutation::Xor(at, if fixed { 0 } else { bit })
            }
        }
    }
}

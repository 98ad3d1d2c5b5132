// SPDX-License-Identifier: GPL-2.0

//! Messages before they are bytes, and what the kernel makes of the bytes.
//!
//! A message is sent twice, once for each [`Side`]: in one world for the kind rust_lo and in the
//! other for its peer in C. Both come out with the same layout. They differ only in what depends
//! on the world, of the same length in both: kinds, indexes of devices, descriptors, process ids.

use crate::world::KIND_LEN;
use guest::uapi::*;
use std::ops::Range;

/// Of a device, with its name as [`Link::name`](crate::world::Link::name) says.
#[derive(Clone, Debug)]
pub enum Index {
    Number(i32),
    Device(usize, String),
}

/// A namespace that a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// One of the two of the world.
    Own(usize),
    /// The initial one.
    Initial,
}

#[derive(Clone, Debug)]
pub enum Value {
    Bytes(Vec<u8>),
    Nested(Vec<Attr>),
    /// The kind that is tested, so many bytes of it: with an end or without.
    Kind(usize),
    Index(Index),
    Fd(Net),
    /// A thread that is in the namespace.
    Pid(Net),
}

#[derive(Clone, Debug)]
pub struct Attr(pub u16, pub Value);

impl Attr {
    pub fn u8(attr: u16, value: u8) -> Self {
        Self::bytes(attr, [value])
    }

    pub fn u32(attr: u16, value: u32) -> Self {
        Self::bytes(attr, value.to_ne_bytes())
    }

    pub fn bytes(attr: u16, value: impl Into<Vec<u8>>) -> Self {
        Self(attr, Value::Bytes(value.into()))
    }

    /// A string as most programs send it, with its end.
    pub fn string(attr: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        Self::bytes(attr, bytes)
    }
}

/// What comes before the attributes.
#[derive(Clone, Debug)]
pub enum Head {
    /// `struct ifinfomsg`
    Link {
        family: u8,
        index: Index,
        flags: u32,
        change: u32,
    },
    /// `struct ifaddrmsg`
    Addr {
        family: u8,
        prefix: u8,
        index: Index,
    },
    /// `struct rtmsg`
    Route { family: u8, prefix: u8 },
}

/// What is done to the finished bytes. Places are those of the bytes before it.
#[derive(Clone, Debug)]
pub enum Mutation {
    Xor(usize, u8),
    AttrLen(usize, u16),
    AttrType(usize, u16),
    /// Cut off after so many bytes; the header says so if the flag is set.
    Truncate(usize, bool),
    Grow(Vec<u8>),
    /// What the header says of the length.
    HeaderLen(u32),
}

#[derive(Clone, Debug)]
pub struct Message {
    pub kind: u16,
    pub flags: u16,
    pub head: Head,
    pub attrs: Vec<Attr>,
    pub mutations: Vec<Mutation>,
    /// All attributes are of the type and length that the kernel's policy asks for.
    pub well_formed: bool,
}

/// What a message depends on.
pub trait Side {
    fn kind(&self) -> [u8; KIND_LEN];
    fn index(&self, index: &Index) -> i32;
    fn fd(&self, net: Net) -> i32;
    fn pid(&self, net: Net) -> i32;
}

/// A message as bytes.
#[derive(Default)]
pub struct Built {
    pub bytes: Vec<u8>,
    /// Where the headers of the attributes are, of nested ones too.
    pub attrs: Vec<usize>,
    /// What depends on the world.
    pub fixed: Vec<Range<usize>>,
}

impl Built {
    fn fixed(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend(bytes);
        self.fixed.push(start..self.bytes.len());
    }

    fn attrs(&mut self, attrs: &[Attr], side: &impl Side) {
        for Attr(kind, value) in attrs {
            let start = self.bytes.len();
            self.attrs.push(start);
            self.bytes.extend([0; 2]);
            self.bytes.extend(kind.to_ne_bytes());
            match value {
                Value::Bytes(bytes) => self.bytes.extend(bytes),
                Value::Nested(inner) => self.attrs(inner, side),
                Value::Kind(len) => self.fixed(&side.kind()[..*len]),
                Value::Index(index) => self.fixed(&side.index(index).to_ne_bytes()),
                Value::Fd(net) => self.fixed(&side.fd(*net).to_ne_bytes()),
                Value::Pid(net) => self.fixed(&side.pid(*net).to_ne_bytes()),
            }
            let len = (self.bytes.len() - start) as u16;
            self.bytes[start..start + 2].copy_from_slice(&len.to_ne_bytes());
            self.align();
        }
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn set_len(&mut self, len: u32) {
        if let Some(place) = self.bytes.get_mut(..4) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
    }

    fn mutate(&mut self, mutation: &Mutation) {
        let place = |at: usize, value: u16| (at..at + 2, value.to_ne_bytes());
        match mutation {
            Mutation::Xor(at, value) => {
                if let Some(byte) = self.bytes.get_mut(*at) {
                    *byte ^= value;
                }
            }
            Mutation::AttrLen(at, value) | Mutation::AttrType(at, value) => {
                let offset = usize::from(matches!(mutation, Mutation::AttrType(..))) * 2;
                let (range, value) = place(at + offset, *value);
                if let Some(place) = self.bytes.get_mut(range) {
                    place.copy_from_slice(&value);
                }
            }
            Mutation::Truncate(len, told) => {
                self.bytes.truncate(*len);
                if *told {
                    self.set_len(self.bytes.len() as u32);
                }
            }
            Mutation::Grow(bytes) => {
                self.bytes.extend(bytes);
                self.set_len(self.bytes.len() as u32);
            }
            Mutation::HeaderLen(len) => self.set_len(*len),
        }
    }
}

impl Message {
    /// As it is sent in one of the worlds.
    pub fn build(&self, seq: u32, side: &impl Side) -> Built {
        let mut built = Built::default();
        built.bytes.extend([0; 4]);
        built.bytes.extend(self.kind.to_ne_bytes());
        built.bytes.extend(self.flags.to_ne_bytes());
        built.bytes.extend(seq.to_ne_bytes());
        built.bytes.extend([0; 4]);
        match &self.head {
            Head::Link {
                family,
                index,
                flags,
                change,
            } => {
                built.bytes.extend([*family, 0, 0, 0]);
                built.fixed(&side.index(index).to_ne_bytes());
                built.bytes.extend(flags.to_ne_bytes());
                built.bytes.extend(change.to_ne_bytes());
            }
            Head::Addr {
                family,
                prefix,
                index,
            } => {
                built.bytes.extend([*family, *prefix, 0, 0]);
                built.fixed(&side.index(index).to_ne_bytes());
            }
            Head::Route { family, prefix } => {
                const MAIN: u8 = 254;
                const BOOT: u8 = 3;
                const LINK: u8 = 253;
                const UNICAST: u8 = 1;
                let head = [
                    *family, *prefix, 0, 0, MAIN, BOOT, LINK, UNICAST, 0, 0, 0, 0,
                ];
                built.bytes.extend(head);
            }
        }
        built.attrs(&self.attrs, side);
        built.set_len(built.bytes.len() as u32);
        for mutation in &self.mutations {
            built.mutate(mutation);
        }
        built
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// A number of four bytes.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(value)
}

/// A message in a datagram, as `netlink_rcv_skb()` (`net/netlink/af_netlink.c`) sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub kind: u16,
    pub flags: u16,
    pub seq: u32,
    /// Where it is in the datagram, header included.
    pub range: Range<usize>,
}

/// The messages of a datagram.
pub fn walk(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut at = 0;
    while bytes.len() - at >= HEADER {
        let len = u32_at(bytes, at) as usize;
        if len < HEADER || bytes.len() - at < len {
            break;
        }
        seen.push(Seen {
            kind: u16_at(bytes, at + 4),
            flags: u16_at(bytes, at + 6),
            seq: u32_at(bytes, at + 8),
            range: at..at + len,
        });
        at = (at + len.next_multiple_of(4)).min(bytes.len());
    }
    seen
}

/// Attributes as `nla_for_each_attr()` (`include/net/netlink.h`) sees them: type, and where the
/// payload is.
pub fn attributes(bytes: &[u8], mut range: Range<usize>) -> Vec<(u16, Range<usize>)> {
    let mut found = Vec::new();
    while range.len() >= ATTR {
        let len = usize::from(u16_at(bytes, range.start));
        if len < ATTR || len > range.len() {
            break;
        }
        let kind = u16_at(bytes, range.start + 2) & NLA_TYPE_MASK;
        found.push((kind, range.start + ATTR..range.start + len));
        range.start = (range.start + len.next_multiple_of(4)).min(range.end);
    }
    found
}

impl Seen {
    /// One about links: with `struct ifinfomsg` and attributes `IFLA_*`.
    pub fn is_link(&self) -> bool {
        (RTM_NEWLINK..=RTM_SETLINK).contains(&self.kind)
            || (RTM_NEWLINKPROP..=RTM_DELLINKPROP).contains(&self.kind)
    }

    /// What is asked for.
    pub fn what(&self) -> &'static str {
        match self.kind {
            RTM_NEWLINK if self.flags & NLM_F_CREATE != 0 => "create a link",
            RTM_NEWLINK | RTM_SETLINK => "change a link",
            RTM_DELLINK => "delete a link",
            RTM_GETLINK => "look at links",
            RTM_NEWLINKPROP | RTM_DELLINKPROP => "change other names",
            RTM_NEWADDR | RTM_DELADDR => "change addresses",
            RTM_NEWROUTE | RTM_DELROUTE => "change routes",
            _ => "something else",
        }
    }

    /// Length of what comes before the attributes.
    fn head(&self) -> usize {
        match self.kind {
            RTM_NEWADDR | RTM_DELADDR => 8,
            RTM_NEWROUTE | RTM_DELROUTE => 12,
            _ => 16,
        }
    }

    pub fn attributes(&self, bytes: &[u8]) -> Vec<(u16, Range<usize>)> {
        let start = self.range.start + HEADER + self.head();
        if start > self.range.end {
            return Vec::new();
        }
        attributes(bytes, start..self.range.end)
    }

    /// Payload of an attribute: the last of its type counts.
    pub fn attr<'a>(&self, bytes: &'a [u8], kind: u16) -> Option<&'a [u8]> {
        let (_, range) = self
            .attributes(bytes)
            .into_iter()
            .rev()
            .find(|(k, _)| *k == kind)?;
        Some(&bytes[range])
    }

    pub fn attr_u32(&self, bytes: &[u8], kind: u16) -> Option<u32> {
        let payload = self.attr(bytes, kind)?;
        (payload.len() >= 4).then(|| u32_at(payload, 0))
    }

    /// The index in the header.
    pub fn index(&self, bytes: &[u8]) -> i32 {
        let at = self.range.start + HEADER + 4;
        if at + 4 <= self.range.end {
            u32_at(bytes, at) as i32
        } else {
            0
        }
    }
}

/// What depends on the world is at its place in the mutated message, or nowhere: it was not made
/// something else, which would have to differ between the worlds. And it is one message, of the
/// same type and number, or none.
pub fn keeps_meaning(before: &Built, after: &Built) -> bool {
    fn leaves(bytes: &[u8], found: Vec<(u16, Range<usize>)>, out: &mut Vec<(u16, Range<usize>)>) {
        for (kind, range) in found {
            if kind == IFLA_LINKINFO {
                let inner = attributes(bytes, range);
                out.extend(inner.into_iter().map(|(k, r)| (k | 0x1000, r)));
            } else {
                out.push((kind, range));
            }
        }
    }
    let parse = |built: &Built| {
        let mut out = Vec::new();
        let seen = walk(&built.bytes);
        for message in &seen {
            leaves(&built.bytes, message.attributes(&built.bytes), &mut out);
        }
        (out, seen)
    };
    let (old, old_seen) = parse(before);
    let (new, new_seen) = parse(after);

    before.fixed.iter().all(|fixed| {
        let overlaps = |r: &Range<usize>| r.start < fixed.end && fixed.start < r.end;
        match old.iter().find(|(_, range)| range == fixed) {
            Some(attr) => new.iter().all(|a| a == attr || !overlaps(&a.1)),
            // In the header.
            None => new.iter().all(|(_, range)| !overlaps(range)),
        }
    }) && before.bytes.get(4..HEADER) == after.bytes.get(4..HEADER).or(before.bytes.get(4..HEADER))
        && new_seen.len() <= 1
        && old_seen.len() <= 1
        && new_seen.iter().all(|m| m.range.start == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given(&'static [u8; KIND_LEN], i32);

    impl Side for Given {
        fn kind(&self) -> [u8; KIND_LEN] {
            *self.0
        }

        fn index(&self, _index: &Index) -> i32 {
            self.1
        }

        fn fd(&self, _net: Net) -> i32 {
            self.1 + 1
        }

        fn pid(&self, _net: Net) -> i32 {
            self.1 + 2
        }
    }

    fn message(mutations: Vec<Mutation>) -> Message {
        let kind = Attr(IFLA_INFO_KIND, Value::Kind(8));
        Message {
            kind: RTM_NEWLINK,
            flags: NLM_F_REQUEST | NLM_F_ACK,
            head: Head::Link {
                family: 0,
                index: Index::Number(0),
                flags: 0,
                change: 0,
            },
            attrs: vec![
                Attr::string(IFLA_IFNAME, "abc"),
                Attr(IFLA_LINKINFO, Value::Nested(vec![kind])),
                Attr(IFLA_NET_NS_FD, Value::Fd(Net::Own(1))),
            ],
            mutations,
            well_formed: true,
        }
    }

    #[test]
    fn layout_is_the_same_for_all_kinds() {
        let message = message(Vec::new());
        let one = message.build(7, &Given(b"rust_lo\0\0\0\0\0", 3));
        let two = message.build(7, &Given(b"dummy\0\0\0\0\0\0\0", 300));
        assert_eq!(one.attrs, two.attrs);
        assert_eq!(one.fixed, two.fixed);
        for (at, (a, b)) in one.bytes.iter().zip(&two.bytes).enumerate() {
            assert!(a == b || one.fixed.iter().any(|range| range.contains(&at)));
        }
        let seen = walk(&one.bytes);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].range, 0..one.bytes.len());
        assert_eq!(seen[0].attr(&one.bytes, IFLA_IFNAME), Some(&b"abc\0"[..]));
        assert_eq!(seen[0].attr_u32(&one.bytes, IFLA_NET_NS_FD), Some(4));
    }

    /// Whether a mutation leaves the meaning, at the attribute of this number.
    fn keeps(mutation: impl Fn(usize) -> Mutation, attr: usize) -> bool {
        let side = Given(b"rust_lo\0\0\0\0\0", 3);
        let whole = message(Vec::new()).build(7, &side);
        let mutation = mutation(whole.attrs[attr]);
        keeps_meaning(&whole, &message(vec![mutation]).build(7, &side))
    }

    #[test]
    fn what_differs_between_worlds_is_not_made_something_else() {
        // The name takes the kind in, but ends before it, or vanishes.
        assert!(!keeps(|at| Mutation::AttrLen(at, 24), 0));
        assert!(keeps(|at| Mutation::AttrLen(at, 5), 0));
        assert!(keeps(|at| Mutation::AttrLen(at, 0xffff), 0));
        // The descriptor as another attribute.
        assert!(!keeps(|at| Mutation::AttrType(at, IFLA_MTU), 3));
        // The number or the type of the message.
        assert!(!keeps(|_| Mutation::Xor(4, 1), 0));
        assert!(keeps(|_| Mutation::Truncate(50, true), 0));
        assert!(keeps(|_| Mutation::HeaderLen(3), 0));
    }

    #[test]
    fn attributes_end_where_the_kernel_ends_them() {
        let bytes = [5, 0, 1, 0x80, 9, 0, 0, 0, 4, 0, 2, 0, 3, 0, 3, 0];
        assert_eq!(attributes(&bytes, 0..16), [(1, 4..5), (2, 12..12)]);
        assert_eq!(attributes(&bytes, 0..3), []);
    }
}

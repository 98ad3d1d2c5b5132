// SPDX-License-Identifier: GPL-2.0

//! What the tool knows about localhost in one namespace: plain data, no netlink.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::uapi::{RTN_LOCAL, RT_SCOPE_HOST};

/// Index of a device.
pub type Dev = u32;

/// The kind of link of the driver's devices.
pub const KIND: &str = "rust_lo";

/// The loopback device of every namespace has this index, whatever its name.
pub const LOOPBACK: Dev = 1;

/// The protocol number (`proto` of `ip route`) of the routes this tool adds.
///
/// It tells them from the kernel's own, so that taking them away again leaves what was there before.
pub const MARK: u8 = 127;

/// `IFA_F_NODAD`
pub const F_NODAD: u32 = 0x02;
/// `IFA_F_HOMEADDRESS`
pub const F_HOMEADDRESS: u32 = 0x10;
/// `IFA_F_PERMANENT`
pub const F_PERMANENT: u32 = 0x80;
/// `IFA_F_NOPREFIXROUTE`
pub const F_NOPREFIXROUTE: u32 = 0x200;
/// The flags of an address that survive being removed and added again because the tool says them.
pub const F_KEPT: u32 = F_NODAD | F_HOMEADDRESS | F_PERMANENT | F_NOPREFIXROUTE;

/// Lifetime of an address that never ends.
pub const FOREVER: u32 = u32::MAX;

/// What the kernel compares to find routes for the same destination: destination, length, TOS, metric.
pub type Key = (Ipv4Addr, u8, u8, u32);

/// A route of table local inside 127.0.0.0/8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route4 {
    /// Destination.
    pub dst: Ipv4Addr,
    /// Length of its prefix.
    pub len: u8,
    /// `RTN_LOCAL` or `RTN_BROADCAST`.
    pub kind: u8,
    /// Scope.
    pub scope: u8,
    /// TOS.
    pub tos: u8,
    /// Metric.
    pub metric: u32,
    /// Preferred source address.
    pub src: Option<Ipv4Addr>,
    /// Device.
    pub dev: Dev,
    /// Who made it: the kernel, [`MARK`], or somebody else.
    pub proto: u8,
    /// It has attributes not listed here, so it must not be removed.
    pub odd: bool,
}

impl Route4 {
    /// The routes with an equal key form one list, and the first of them wins.
    pub fn key(&self) -> Key {
        (self.dst, self.len, self.tos, self.metric)
    }

    /// Whether this tool made it.
    pub fn is_mark(&self) -> bool {
        self.proto == MARK
    }

    /// Whether this tool made it to leave an address with the loopback device.
    ///
    /// Only what [`Route4::kept`] makes is taken for that: no other device of its kind is ever preferred.
    pub fn is_kept(&self) -> bool {
        let kept = Self::kept(self.dst, self);
        self.dev == LOOPBACK && self.is_mark() && *self == kept
    }

    /// The route that leaves an address with the loopback device, of which `own` is the route that has it else.
    ///
    /// It has that one's source, so that clients have the address they had.
    pub fn kept(dst: Ipv4Addr, own: &Self) -> Self {
        Self {
            dst,
            len: 32,
            kind: RTN_LOCAL,
            scope: RT_SCOPE_HOST,
            tos: 0,
            metric: 0,
            src: own.src,
            dev: LOOPBACK,
            proto: MARK,
            odd: false,
        }
    }

    /// Whether it is for this address, among others.
    fn covers(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.len)).unwrap_or(0);
        (self.dst.to_bits() ^ address.to_bits()) & mask == 0
    }

    /// The copy of this route that gives it precedence.
    pub fn mark(&self) -> Self {
        Self {
            proto: MARK,
            ..self.clone()
        }
    }
}

/// The address ::1 of one device.
#[derive(Clone, Debug)]
pub struct Addr6 {
    /// Device.
    pub dev: Dev,
    /// Length of its prefix, 128 as the kernel adds it.
    pub len: u8,
    /// Flags, out of [`F_KEPT`].
    pub flags: u32,
    /// Seconds it stays valid.
    pub valid: u32,
    /// Seconds it stays preferred.
    pub preferred: u32,
    /// Address of the peer.
    pub peer: Option<Ipv6Addr>,
    /// Metric of its prefix route, 0 for the kernel's default.
    pub metric: u32,
    /// Who made it.
    pub proto: u8,
    /// It has a prefix route in table main.
    pub prefix_route: bool,
}

impl PartialEq for Addr6 {
    /// Lifetimes that run out differ from one look to the next and are left out.
    fn eq(&self, other: &Self) -> bool {
        let forever = |a: &Self| (a.valid == FOREVER, a.preferred == FOREVER, a.preferred == 0);
        self.dev == other.dev
            && self.len == other.len
            && self.flags == other.flags
            && forever(self) == forever(other)
            && self.peer == other.peer
            && self.metric == other.metric
            && self.proto == other.proto
            && self.prefix_route == other.prefix_route
    }
}

/// Remembers that a device was preferred for ::1, and where it stood before.
///
/// In the kernel it is a second local route for ::1 of that device, behind all the kernel's own, whose metric is
/// `place + 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark6 {
    /// Device.
    pub dev: Dev,
    /// Its place among the devices that hold ::1 before anything was preferred.
    pub place: u32,
}

/// Localhost in one namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The routes of table local inside 127.0.0.0/8 in the kernel's order, but for those in `kept4`.
    pub v4: Vec<Route4>,
    /// The routes that leave addresses with the loopback device, in order of the address.
    pub kept4: Vec<Route4>,
    /// The holders of ::1 in the order of their routes, which all have metric 0.
    pub v6: Vec<Addr6>,
    /// Marks, in order of their metric.
    pub marks6: Vec<Mark6>,
}

impl State {
    /// The routes with this key, first one first.
    pub fn group(&self, key: Key) -> Vec<Route4> {
        self.v4.iter().filter(|r| r.key() == key).cloned().collect()
    }

    /// The keys that are there, in order, each once.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for route in &self.v4 {
            if !keys.contains(&route.key()) {
                keys.push(route.key());
            }
        }
        keys
    }

    /// Puts `group` in the place of the routes with this key.
    pub fn set_group(&mut self, key: Key, group: Vec<Route4>) {
        let at = self.v4.iter().position(|r| r.key() == key);
        self.v4.retain(|r| r.key() != key);
        let at = at.unwrap_or(self.v4.len());
        self.v4.splice(at..at, group);
    }

    /// The route that is used for this address; if not `marks`, the one had this tool not been there.
    pub fn route4(&self, address: Ipv4Addr, marks: bool) -> Option<&Route4> {
        let kept = self.kept4.iter().filter(|r| marks && r.dst == address);
        let others = self.v4.iter().filter(|r| r.tos == 0 && r.covers(address));
        let others = others.filter(|r| marks || !r.is_mark());
        // The first of those that are equally good.
        kept.chain(others).min_by_key(|r| (32 - r.len, r.metric))
    }

    /// Whether the loopback device has this address.
    pub fn on_loopback(&self, address: Ipv4Addr) -> bool {
        self.route4(address, true)
            .is_some_and(|r| r.dev == LOOPBACK)
    }

    /// Whether `dev` holds ::1.
    pub fn holds6(&self, dev: Dev) -> bool {
        self.v6.iter().any(|a| a.dev == dev)
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Attributes of a kind's own: what is in `IFLA_INFO_DATA`.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use super::{
    bindings,
    context::NotCopy,
    rtnetlink::{
        payload,
        ExtAck, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::size_of, //
};
use kernel::prelude::*;

/// Numbers of attributes are from 1 to this one.
pub const MAX: u16 = 16;

/// What an attribute holds: [`u32`], or a [`Peer`].
pub trait Value: private::Sealed {
    /// What rtnetlink checks.
    #[doc(hidden)]
    const POLICY: bindings::nla_policy;

    /// The room that it takes in an answer.
    #[doc(hidden)]
    const ROOM: usize;

    /// Whether it asks for the other end of a pair.
    #[doc(hidden)]
    const IS_PEER: bool;
}

/// The other end of a pair of links: a header (`struct ifinfomsg`) and the attributes of a link, as
/// `VETH_INFO_PEER` has it. A kind with such an attribute makes pairs.
pub struct Peer;

impl Value for u32 {
    const POLICY: bindings::nla_policy = policy(bindings::NLA_U32, 0);
    const ROOM: usize = align(bindings::NLA_HDRLEN as usize + size_of::<u32>());
    const IS_PEER: bool = false;
}

impl Value for Peer {
    const POLICY: bindings::nla_policy = policy(
        bindings::NLA_UNSPEC,
        size_of::<bindings::ifinfomsg>() as u16,
    );
    // It is asked for, not told: the other end is a link of its own.
    const ROOM: usize = 0;
    const IS_PEER: bool = true;
}

mod private {
    pub trait Sealed {}
    impl Sealed for u32 {}
    impl Sealed for super::Peer {}
}

const fn policy(kind: u32, len: u16) -> bindings::nla_policy {
    bindings::nla_policy {
        type_: kind as u8,
        len,
        ..pin_init::zeroed()
    }
}

/// `NLA_ALIGN()`
const fn align(len: usize) -> usize {
    const TO: usize = bindings::NLA_ALIGNTO as usize;
    len.div_ceil(TO) * TO
}

/// An attribute that holds a `V`.
pub struct Attribute<V> {
    number: u16,
    _value: PhantomData<fn() -> V>,
}

/// What rtnetlink has to know of one attribute.
#[derive(Clone, Copy)]
pub struct Spec {
    number: u16,
    policy: bindings::nla_policy,
    room: usize,
    is_peer: bool,
}

impl<V: Value> Attribute<V> {
    /// The attribute of this number, in a constant.
    pub const fn new(number: u16) -> Self {
        assert!(number > 0 && number <= MAX);
        Self {
            number,
            _value: PhantomData,
        }
    }

    /// For [`link::Operations::ATTRIBUTES`](super::link::Operations::ATTRIBUTES).
    pub const fn spec(&self) -> Spec {
        Spec {
            number: self.number,
            policy: V::POLICY,
            room: V::ROOM,
            is_peer: V::IS_PEER,
        }
    }
}

/// As `struct rtnl_link_ops` wants it, by number.
pub(super) type Table = [bindings::nla_policy; MAX as usize + 1];

/// Each number is that of one attribute at most.
pub(super) const fn table(specs: &[Spec]) -> Table {
    let mut table = [policy(bindings::NLA_REJECT, 0); MAX as usize + 1];
    let mut i = 0;
    while i < specs.len() {
        let entry = &mut table[specs[i].number as usize];
        assert!(
            entry.type_ as u32 == bindings::NLA_REJECT,
            "a number is taken twice"
        );
        *entry = specs[i].policy;
        i += 1;
    }
    table
}

/// The highest number, 0 without attributes.
pub(super) const fn max(specs: &[Spec]) -> u16 {
    let mut max = 0;
    let mut i = 0;
    while i < specs.len() {
        if specs[i].number > max {
            max = specs[i].number;
        }
        i += 1;
    }
    max
}

/// The number of the peer attribute, 0 without one.
pub(super) const fn peer(specs: &[Spec]) -> u16 {
    let mut peer = 0;
    let mut i = 0;
    while i < specs.len() {
        if specs[i].is_peer {
            assert!(peer == 0, "a pair has one peer");
            peer = specs[i].number;
        }
        i += 1;
    }
    peer
}

/// The room for all of them in an answer.
pub(super) const fn room(specs: &[Spec]) -> usize {
    let mut room = 0;
    let mut i = 0;
    while i < specs.len() {
        room += specs[i].room;
        i += 1;
    }
    room
}

/// What a request says in the attributes of its kind.
///
/// # Invariants
///
/// `tb` is null, if it says nothing, or points to `max + 1` pointers, each null or to an attribute
/// that lies whole in the request's message, for `'a`, and has passed the policy of its kind.
pub struct Data<'a> {
    tb: *const *mut bindings::nlattr,
    max: u16,
    _life: PhantomData<&'a ()>,
}

impl<'a> Data<'a> {
    /// # Safety
    ///
    /// The arguments must satisfy the invariants of [`Data`] for `'a`.
    pub(super) unsafe fn from_raw(tb: *const *mut bindings::nlattr, max: u16) -> Self {
        // INVARIANT: By the function's safety requirement.
        Self {
            tb,
            max,
            _life: PhantomData,
        }
    }

    pub(super) fn attribute(&self, number: u16) -> *mut bindings::nlattr {
        if self.tb.is_null() || number > self.max {
            return core::ptr::null_mut();
        }
        // SAFETY: By the type's invariants.
        unsafe { *self.tb.add(usize::from(number)) }
    }

    /// The value, if there is one.
    ///
    /// C counterpart: `nla_get_u32()`.
    pub fn get(&self, attribute: &Attribute<u32>) -> Option<u32> {
        // SAFETY: By the type's invariants.
        let bytes = unsafe { payload::<'a>(self.attribute(attribute.number)) }?;
        Some(u32::from_ne_bytes(*bytes.first_chunk()?))
    }

    /// The error for a value that is not to be had (`EINVAL`), with a message that points to it.
    ///
    /// C counterpart: `NL_SET_ERR_MSG_ATTR_FMT()`.
    pub fn refuse<V>(
        &self,
        attribute: &Attribute<V>,
        extack: &mut ExtAck<'_>,
        why: core::fmt::Arguments<'_>,
    ) -> Error {
        extack.set_msg(why);
        let attribute = self.attribute(attribute.number);
        // SAFETY: By the type's invariants it lies in the message of the request that the current
        // task handles, to which the extack belongs.
        unsafe { extack.set_bad_attr(attribute) };
        EINVAL
    }
}

/// An answer that tells of a link, where the attributes of its kind go.
///
/// # Invariants
///
/// `skb` is a netlink message that the core is filling, for `'a`, with room for each attribute of the
/// kind once. `put` has the bits of those that are in.
pub struct Info<'a> {
    skb: *mut bindings::sk_buff,
    specs: &'static [Spec],
    put: u32,
    full: bool,
    _life: PhantomData<&'a ()>,
    _once: NotCopy,
}

impl Info<'_> {
    /// # Safety
    ///
    /// The arguments must satisfy the invariants of [`Info`], with nothing put yet.
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff, specs: &'static [Spec]) -> Self {
        // INVARIANT: By the function's safety requirement.
        Self {
            skb,
            specs,
            put: 0,
            full: false,
            _life: PhantomData,
            _once: NotCopy,
        }
    }

    /// Tells a value. `EINVAL` if it was told, or is none of the kind's.
    ///
    /// C counterpart: `nla_put_u32()`.
    pub fn put(&mut self, attribute: &Attribute<u32>, value: u32) -> Result {
        let number = attribute.number;
        let known = self
            .specs
            .iter()
            .any(|spec| spec.number == number && !spec.is_peer);
        // The room is reckoned for one of each.
        if !known || self.put & 1 << number != 0 {
            return Err(EINVAL);
        }
        self.put |= 1 << number;
        // SAFETY: By the type's invariants; the value is copied.
        let result = kernel::error::to_result(unsafe {
            bindings::nla_put(
                self.skb,
                c_int::from(number as i16),
                size_of::<u32>() as c_int,
                (&raw const value).cast(),
            )
        });
        self.full |= result.is_err();
        result
    }

    /// Whether there was no room for something.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }
}

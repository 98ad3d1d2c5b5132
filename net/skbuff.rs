// SPDX-License-Identifier: GPL-2.0

//! Packets.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::{
    bindings,
    context::{
        BhDisabled,
        RcuRead, //
    },
    device::{
        AnyDevice,
        Device,
        Operations, //
    },
    link_type::EthernetHeader,
    once::read_once,
    route::{
        self,
        Family,
        Route, //
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// An owned packet: `struct sk_buff` with the reference that its owner holds.
///
/// Dropping it frees the packet (as a drop, seen by drop monitors). Handing it on consumes it.
///
/// It cannot be kept: `skb->dev` holds no reference, and the device is certain to be there only
/// for `'dev`, which is that of the callback that was given the packet.
///
/// # Invariants
///
/// - `self.0` points to a valid `sk_buff`, of which this value owns one reference.
/// - Nobody else writes to the `struct sk_buff` itself (its data may be shared).
/// - `skb->dev` is null or a live device for `'dev`.
#[repr(transparent)]
pub struct SkBuff<'dev>(NonNull<bindings::sk_buff>, PhantomData<&'dev ()>);

/// Why a packet was dropped, for drop monitors.
///
/// C counterpart: `enum skb_drop_reason`, `include/net/dropreason-core.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DropReason {
    /// Nothing in particular (`SKB_DROP_REASON_NOT_SPECIFIED`).
    NotSpecified = bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED,
    /// A header does not fit into the packet (`SKB_DROP_REASON_HDR_TRUNC`).
    HeaderTruncated = bindings::skb_drop_reason_SKB_DROP_REASON_HDR_TRUNC,
    /// There was no memory (`SKB_DROP_REASON_NOMEM`).
    NoMemory = bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM,
    /// It is longer than the MTU (`SKB_DROP_REASON_PKT_TOO_BIG`).
    TooBig = bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG,
}

/// Why a packet has no whole link-layer header that could be looked at.
///
/// C counterpart: what `pskb_may_pull_reason()` returns, `include/linux/skbuff.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHeader {
    /// The packet is shorter than the header.
    TooShort,
    /// The header is scattered, and there was no memory to put it together.
    NoMemory,
}

impl<'dev> SkBuff<'dev> {
    /// Takes over a packet.
    ///
    /// # Safety
    ///
    /// `ptr` must satisfy the invariants of [`SkBuff`] for `'dev`, and the caller must give its
    /// reference up.
    #[inline]
    pub(super) unsafe fn from_raw(ptr: *mut bindings::sk_buff) -> Self {
        // SAFETY: A valid pointer is not null.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        // INVARIANT: By the function's safety requirement.
        Self(ptr, PhantomData)
    }

    /// Gives the reference up without freeing the packet.
    #[inline]
    fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// Reports a software transmit timestamp to the sender's socket, if it asked for one.
    ///
    /// For devices without a PHY, and there are no others here: `skb_clone_tx_timestamp()`, which
    /// asks the PHY for a stamp of its own, is left out.
    ///
    /// C counterpart: `skb_tx_timestamp()`, `include/linux/skbuff.h`.
    #[inline]
    pub fn sw_tx_timestamp(&mut self) {
        const WANTED: u8 = (bindings::SKBTX_SW_TSTAMP | bindings::SKBTX_BPF) as u8;

        let skb = self.0.as_ptr();
        // SAFETY: By the type's invariants, the pointer is valid; a shared info goes with each
        // packet.
        let flags = unsafe { &raw const (*bindings::skb_shinfo(skb)).tx_flags };
        // SAFETY: As above. Clones share the info, and their owners may set flags meanwhile.
        let flags = unsafe { read_once(flags.cast::<i8>()) } as u8;
        if unlikely(flags & WANTED != 0) {
            // SAFETY: As above, and the packet is ours, its device alive; without a stamp of
            // hardware's the function takes the time of now.
            unsafe { bindings::skb_tstamp_tx(skb, core::ptr::null_mut()) };
        }
    }

    /// Forgets the packet's timestamp, which on the way out is of another clock than on the way
    /// in.
    ///
    /// C counterpart: `skb_clear_tstamp()`.
    #[inline]
    pub fn clear_tstamp(&mut self) {
        // SAFETY: As in `orphan`.
        unsafe { bindings::skb_clear_tstamp(self.0.as_ptr()) };
    }

    /// Parts the packet from the socket that sent it, which may then send more.
    ///
    /// C counterpart: `skb_orphan()`.
    #[inline]
    pub fn orphan(&mut self) {
        // SAFETY: By the type's invariants, the pointer is valid and the packet ours.
        unsafe { bindings::skb_orphan(self.0.as_ptr()) };
    }

    /// Makes the packet hold a reference to its route, so that both may outlive the RCU section.
    ///
    /// A route that is being freed is dropped from the packet instead.
    ///
    /// C counterpart: `skb_dst_force()`, `include/net/dst.h`.
    #[inline]
    pub fn dst_force(&mut self, _rcu: &RcuRead) {
        // SAFETY: As in `orphan`; a route without a reference is kept alive by the RCU
        // section that `_rcu` stands for.
        unsafe { bindings::skb_dst_force(self.0.as_ptr()) };
    }

    /// Length in bytes, with the link-layer header.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: By the type's invariants, the pointer is valid.
        unsafe { (*self.0.as_ptr()).len }
    }

    /// Whether the packet came by a route of another device, with the MTU of that one, and is too
    /// long for `mtu`: of IPv6, or of IPv4 and not to be fragmented. If it is still to be segmented
    /// it is the segments that count.
    pub fn exceeds(&mut self, mtu: u32, dev: &AnyDevice, _rcu: &RcuRead) -> bool {
        let skb = self.0.as_ptr();
        // SAFETY: By the type's invariants the packet is ours, and its route there inside RCU. The
        // header is looked at once it is known to be in the linear part.
        unsafe {
            let dst = bindings::skb_dst(skb);
            if dst.is_null() || (*dst).__bindgen_anon_1.dev == dev.as_raw() {
                return false;
            }
            let header = bindings::skb_network_offset(skb) as u32;
            let too_long = if bindings::skb_is_gso(skb) {
                !bindings::skb_gso_validate_network_len(skb, mtu)
            } else {
                (*skb).len.saturating_sub(header) > mtu
            };
            if !too_long || bindings::skb_ignore_df(skb) {
                return false;
            }
            match u32::from((*(*dst).ops).family) {
                bindings::AF_INET => {
                    bindings::pskb_may_pull(skb, header + bindings::IPV4_HLEN)
                        && bindings::ip_hdr_df(skb)
                }
                // Below that it has no IPv6.
                bindings::AF_INET6 => mtu >= bindings::IPV6_MIN_MTU,
                _ => false,
            }
        }
    }

    /// Drops the packet, and tells its sender by an ICMP error which MTU is to be had.
    ///
    /// C counterpart: `icmp_ndo_send()`, `icmpv6_ndo_send()`, as in `vti_xmit()`,
    /// `net/ipv4/ip_vti.c`.
    pub fn drop_too_big(self, mtu: u32, _rcu: &RcuRead) {
        let skb = self.0.as_ptr();
        // SAFETY: By the type's invariants, and as in `exceeds`. The functions look at the header
        // themselves, and leave the packet alone.
        unsafe {
            let dst = bindings::skb_dst(skb);
            if !dst.is_null() {
                match u32::from((*(*dst).ops).family) {
                    bindings::AF_INET => bindings::icmp_ndo_send(
                        skb,
                        bindings::ICMP_DEST_UNREACH as c_int,
                        bindings::ICMP_FRAG_NEEDED as c_int,
                        mtu.to_be(),
                    ),
                    bindings::AF_INET6 => {
                        bindings::icmpv6_ndo_send(skb, bindings::ICMPV6_PKT_TOOBIG as u8, 0, mtu);
                    }
                    _ => {}
                }
            }
        }
        self.drop_reason(DropReason::TooBig);
    }

    /// Makes a packet that was sent with an Ethernet header one that `dev` has received.
    ///
    /// Takes the header off, and sets device, protocol and packet type. A packet without a whole
    /// header comes back as it was, with the reason: `eth_type_trans()` itself would read past its
    /// end or run into the `BUG_ON()` of `__skb_pull()`.
    ///
    /// C counterpart: `eth_type_trans()`, `net/ethernet/eth.c`.
    #[inline]
    pub fn eth_type_trans<'to, T: Operations<LinkType: EthernetHeader>>(
        self,
        dev: &'to Device<T>,
    ) -> Result<RxSkBuff<'to>, (Self, NoHeader)> {
        let skb = self.0.as_ptr();

        // SAFETY: By the type's invariants, the pointer is valid and the packet ours.
        if unlikely(!unsafe { bindings::pskb_may_pull(skb, bindings::ETH_HLEN) }) {
            // SAFETY: As above.
            let why = if unsafe { (*skb).len } < bindings::ETH_HLEN {
                NoHeader::TooShort
            } else {
                NoHeader::NoMemory
            };
            return Err((self, why));
        }
        // SAFETY: As above; the linear part holds a whole header, and `dev` is a live device.
        let protocol = unsafe { bindings::eth_type_trans(skb, dev.as_raw()) };
        // SAFETY: As above; all views of the union have the protocol at the same place.
        unsafe { (*skb).__bindgen_anon_4.headers.as_mut().protocol = protocol };
        // INVARIANT: `eth_type_trans()` set `skb->dev` to `dev`, which lives for `'to`, and the
        // MAC header; the protocol was set here. Only `Operations::start_xmit` is given a packet,
        // so bottom halves are disabled, which unregistration waits for before it flushes.
        Ok(RxSkBuff(SkBuff(ManuallyDrop::new(self).0, PhantomData)))
    }

    /// Frees the packet as dropped for `reason`. Any context but hard interrupt.
    ///
    /// C counterpart: `kfree_skb_reason()`.
    pub fn drop_reason(self, reason: DropReason) {
        // SAFETY: The reference that this value owned is given up here.
        unsafe {
            bindings::sk_skb_reason_drop(core::ptr::null(), self.into_raw(), reason as u32);
        }
    }
}

impl Drop for SkBuff<'_> {
    fn drop(&mut self) {
        // SAFETY: The reference that this value owns is given up here.
        unsafe {
            bindings::sk_skb_reason_drop(
                core::ptr::null(),
                self.0.as_ptr(),
                DropReason::NotSpecified as u32,
            );
        }
    }
}

/// A packet that a device has received and that can go up the stack.
///
/// # Invariants
///
/// For `'dev`, `skb->dev` is a registered device whose unregistration has not come to the flush of
/// the receive backlogs (`flush_all_backlogs()`, `net/core/dev.c`); `skb->protocol` and the MAC
/// header are set.
#[repr(transparent)]
pub struct RxSkBuff<'dev>(SkBuff<'dev>);

/// The backlog had no room: the packet is gone, and the core has counted it in the device's
/// `rx_dropped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl<'dev> RxSkBuff<'dev> {
    /// Takes the packet for one to this host if its route leads here, whatever address is in its
    /// header: that is the one of the route's device.
    #[inline]
    pub fn accept_by_route(&mut self, _rcu: &RcuRead) {
        let skb = self.0 .0.as_ptr();
        // SAFETY: By the invariants of `SkBuff` the packet is ours, and its route there inside RCU;
        // all views of the union have the type at the same place.
        unsafe {
            let headers = (*skb).__bindgen_anon_4.headers.as_mut();
            if unlikely(u32::from(headers.pkt_type()) == bindings::PACKET_OTHERHOST)
                && (route::Ipv4::of_packet(skb).is_some_and(Route::is_local)
                    || route::Ipv6::of_packet(skb).is_some_and(Route::is_local))
            {
                headers.set_pkt_type(bindings::PACKET_HOST as u8);
            }
        }
    }

    /// If the packet has come by a route of this L3 master's, the one of its device: hands it to that
    /// one, to be received as what it has sent to itself. Captures there do not show it.
    ///
    /// C counterpart: what `vrf_local_xmit()` (`drivers/net/vrf.c`) does.
    #[inline]
    pub fn to_l3_master<'to>(self, master: &'to AnyDevice, _rcu: &'to RcuRead) -> RxSkBuff<'to>
    where
        'dev: 'to,
    {
        let skb = self.0 .0.as_ptr();
        // SAFETY: As in `accept_by_route`.
        unsafe {
            let dst = bindings::skb_dst(skb);
            if dst.is_null() || (*dst).__bindgen_anon_1.dev != master.as_raw() {
                return self;
            }
            (*skb)
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev = master.as_raw();
            let headers = (*skb).__bindgen_anon_4.headers.as_mut();
            headers.set_pkt_type(bindings::PACKET_LOOPBACK as u8);
        }
        // INVARIANT: The master is alive inside RCU, and if it is being unregistered it is down,
        // which the backlog looks at (`enqueue_to_backlog()`, `net/core/dev.c`).
        RxSkBuff(SkBuff(ManuallyDrop::new(self).0 .0, PhantomData))
    }

    /// Length of the packet in bytes, without the Ethernet header.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: By the invariants of `SkBuff`, the pointer is valid.
        unsafe { (*self.0 .0.as_ptr()).len }
    }

    /// Queues the packet to the backlog of this CPU, to be received from there.
    ///
    /// C counterpart: `__netif_rx()`, `net/core/dev.c`.
    #[inline]
    pub fn netif_rx(self, _bh: &BhDisabled) -> Result<(), Dropped> {
        // SAFETY: By the type's invariants the packet is one that may be received. Its reference
        // is given up, whatever comes back. `_bh` stands for the context that is asked for.
        match unsafe { bindings::__netif_rx(self.0.into_raw()) } as u32 {
            bindings::NET_RX_SUCCESS => Ok(()),
            _ => {
                cold();
                Err(Dropped)
            }
        }
    }
}

/// Tells the compiler that the way it is on is a rare one.
#[cold]
fn cold() {}

/// Tells the compiler which way is the rare one.
#[inline(always)]
fn unlikely(condition: bool) -> bool {
    if condition {
        cold();
    }
    condition
}

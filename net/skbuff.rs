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
/// It ends by being handed on ([`RxSkBuff::netif_rx`]), by [`SkBuff::consume`] or by
/// [`SkBuff::drop`]. One that may go out of scope otherwise does not build: modpost then says that
/// `rust_build_error` is undefined.
///
/// It cannot be kept: `skb->dev` holds no reference, and the device is certain to be there only
/// for `'dev`, which is that of the callback that was given the packet.
///
/// # Invariants
///
/// - `self.0` points to a valid `sk_buff`, of which this value owns one reference.
/// - Nobody else writes to the `struct sk_buff` itself (its data may be shared).
/// - `skb->dev` is a live device for `'dev`.
/// - An RCU read-side critical section is open for `'dev`, or the packet holds a reference to its
///   route.
#[must_use = "a packet ends by netif_rx(), consume() or drop()"]
#[repr(transparent)]
pub struct SkBuff<'dev>(NonNull<bindings::sk_buff>, PhantomData<&'dev ()>);

/// Why a packet was dropped, for drop monitors. Made by [`drop_reason!`](crate::drop_reason).
///
/// C counterpart: `enum skb_drop_reason`, `include/net/dropreason-core.h`.
///
/// # Invariants
///
/// One of that enumeration's reasons to drop a packet: neither `SKB_NOT_DROPPED_YET` nor
/// `SKB_CONSUMED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct DropReason(bindings::skb_drop_reason);

impl DropReason {
    /// For [`drop_reason!`](crate::drop_reason).
    #[doc(hidden)]
    pub const fn new(reason: u32) -> Self {
        assert!(
            reason > bindings::skb_drop_reason_SKB_CONSUMED
                && reason < bindings::skb_drop_reason_SKB_DROP_REASON_MAX
        );
        // INVARIANT: Just checked.
        Self(reason)
    }
}

/// The [`DropReason`] that C calls `SKB_DROP_REASON_` and this name, whichever the kernel has.
///
/// ```ignore
/// skb.drop(drop_reason!(HDR_TRUNC));
/// ```
#[macro_export]
macro_rules! drop_reason {
    ($name:ident) => {
        const {
            ::kernel::macros::paste!($crate::net::skbuff::DropReason::new(
                $crate::net::bindings::[<skb_drop_reason_SKB_DROP_REASON_ $name>]
            ))
        }
    };
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

impl From<NoHeader> for DropReason {
    #[inline]
    fn from(why: NoHeader) -> Self {
        match why {
            NoHeader::TooShort => drop_reason!(HDR_TRUNC),
            NoHeader::NoMemory => drop_reason!(NOMEM),
        }
    }
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

    /// The fields that a copy of the packet has as well.
    #[inline]
    fn headers(&mut self) -> &mut bindings::sk_buff__bindgen_ty_4__bindgen_ty_2 {
        // SAFETY: By the type's invariants the packet is ours, and the reference ends with the
        // borrow of `self`.
        let union = unsafe { &mut (*self.0.as_ptr()).__bindgen_anon_4 };
        // SAFETY: All views of the union have these fields at the same place.
        unsafe { union.headers.as_mut() }
    }

    /// Sets `skb->dev`.
    ///
    /// # Safety
    ///
    /// The device must be one as the type's invariants have it.
    #[inline]
    unsafe fn set_dev(&mut self, dev: &AnyDevice) {
        // SAFETY: By the type's invariants the packet is ours; which view of the union is in use is
        // said by who has it, and a packet on its way through a device is of this one.
        unsafe {
            (*self.0.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev = dev.as_raw()
        };
    }

    /// The packet's device.
    #[inline]
    fn dev(&self) -> *mut bindings::net_device {
        // SAFETY: By the type's invariants the pointer is valid, and the packet has a device.
        unsafe {
            (*self.0.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev
        }
    }

    /// The packet's route (or what passes for one), or null. It is there for `'dev`.
    #[inline]
    fn dst(&self) -> *mut bindings::dst_entry {
        // SAFETY: By the type's invariants, the pointer is valid and RCU open, if need be.
        unsafe { bindings::skb_dst(self.0.as_ptr()) }
    }

    /// Whether `len` bytes are in the linear part, or can be brought there.
    #[inline]
    fn may_pull(&mut self, len: u32) -> bool {
        // SAFETY: By the type's invariants, the pointer is valid and the packet ours.
        unsafe { bindings::pskb_may_pull(self.0.as_ptr(), len) }
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

    /// Length in bytes, with the link-layer header.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: By the type's invariants, the pointer is valid.
        unsafe { (*self.0.as_ptr()).len }
    }

    /// How far from the beginning the network header is.
    #[inline]
    fn network_offset(&self) -> u32 {
        // SAFETY: By the type's invariants, the pointer is valid.
        unsafe { bindings::skb_network_offset(self.0.as_ptr()) as u32 }
    }

    /// Whether the packet came by a route of another device, with the MTU of that one, and is too
    /// long for `mtu`: of IPv6, or of IPv4 and not to be fragmented. If it is still to be segmented
    /// it is the segments that count.
    pub fn exceeds(&mut self, mtu: u32, dev: &AnyDevice, _rcu: &RcuRead) -> bool {
        let skb = self.0.as_ptr();
        let dst = self.dst();
        // SAFETY: What the packet has for a route is there inside RCU.
        if dst.is_null() || unsafe { (*dst).__bindgen_anon_1.dev } == dev.as_raw() {
            return false;
        }
        // SAFETY: By the type's invariants, the pointer is valid.
        let too_long = if unsafe { bindings::skb_is_gso(skb) } {
            // SAFETY: As above.
            !unsafe { bindings::skb_gso_validate_network_len(skb, mtu) }
        } else {
            self.len().saturating_sub(self.network_offset()) > mtu
        };
        if !too_long || self.headers().ignore_df() != 0 {
            return false;
        }
        // SAFETY: As above.
        match u32::from(unsafe { route::family(dst) }) {
            bindings::AF_INET => self.has_df(),
            // Below that it has no IPv6.
            bindings::AF_INET6 => mtu >= bindings::IPV6_MIN_MTU,
            _ => false,
        }
    }

    /// Whether the packet, of IPv4, is not to be fragmented.
    fn has_df(&mut self) -> bool {
        const DF: u16 = (bindings::IP_DF as u16).to_be();

        if !self.may_pull(self.network_offset().saturating_add(bindings::IPV4_HLEN)) {
            return false;
        }
        // SAFETY: By the type's invariants, the pointer is valid.
        let header = unsafe { bindings::ip_hdr(self.0.as_ptr()) };
        // SAFETY: It is in the linear part by now, perhaps not aligned.
        let frag_off = unsafe { (&raw const (*header).frag_off).read_unaligned() };
        frag_off & DF != 0
    }

    /// Drops the packet, and tells its sender by an ICMP error which MTU is to be had.
    ///
    /// C counterpart: `icmp_ndo_send()`, `icmpv6_ndo_send()`, as in `vti_xmit()`,
    /// `net/ipv4/ip_vti.c`.
    pub fn drop_too_big(self, mtu: u32, _rcu: &RcuRead) {
        let skb = self.0.as_ptr();
        let dst = self.dst();
        if !dst.is_null() {
            // SAFETY: What the packet has for a route is there inside RCU.
            match u32::from(unsafe { route::family(dst) }) {
                // SAFETY: By the type's invariants. The function looks at the header itself; with
                // NAT it may copy it and put the first source address there meanwhile, and the
                // packet is ours. What comes in a hard interrupt has no route, see `XmitContext`.
                bindings::AF_INET => unsafe {
                    bindings::icmp_ndo_send(
                        skb,
                        bindings::ICMP_DEST_UNREACH as c_int,
                        bindings::ICMP_FRAG_NEEDED as c_int,
                        mtu.to_be(),
                    )
                },
                // SAFETY: As above.
                bindings::AF_INET6 => unsafe {
                    bindings::icmpv6_ndo_send(skb, bindings::ICMPV6_PKT_TOOBIG as u8, 0, mtu)
                },
                _ => {}
            }
        }
        self.drop(drop_reason!(PKT_TOO_BIG));
    }

    /// Makes a packet that was sent with an Ethernet header one that `dev` has received.
    ///
    /// Takes the header off, and sets device, protocol and packet type. The packet holds a
    /// reference to its route from now on; one that is not for its protocol, or not of the
    /// namespace of `dev`, is taken off. Where `dev` is in another namespace than the packet was
    /// sent in, nothing else of the first one stays with it either. A packet without a whole header
    /// comes back as it was, with the reason: `eth_type_trans()` itself would read past its end or
    /// run into the `BUG_ON()` of `__skb_pull()`.
    ///
    /// C counterpart: `skb_dst_force()`, `include/net/dst.h`; `eth_type_trans()`,
    /// `net/ethernet/eth.c`; `skb_scrub_packet()`, `net/core/skbuff.c`.
    #[inline]
    pub fn eth_type_trans<'to, T: Operations<LinkType: EthernetHeader>>(
        mut self,
        dev: &'to Device<T>,
    ) -> Result<RxSkBuff<'to>, (Self, NoHeader)> {
        if unlikely(!self.may_pull(bindings::ETH_HLEN)) {
            let why = if self.len() < bindings::ETH_HLEN {
                NoHeader::TooShort
            } else {
                NoHeader::NoMemory
            };
            return Err((self, why));
        }
        if unlikely(self.dev() != dev.as_raw()) {
            self.leave_namespace(dev);
        }
        // SAFETY: By the type's invariants the packet is ours, and a route without a reference
        // there inside RCU. If it is being freed the packet gets none.
        unsafe { bindings::skb_dst_force(self.0.as_ptr()) };
        // SAFETY: The linear part holds a whole header; `dev` lives for `'to`.
        let protocol = unsafe { self.pull_ethernet_header(dev) };
        self.headers().protocol = protocol;
        self.drop_foreign_dst(protocol, dev);
        // INVARIANT: The packet is of `dev` now, which lives for `'to`, with protocol and MAC
        // header, and holds its route, which is for the protocol and of the namespace of `dev`.
        // Only `Operations::start_xmit` is given a packet, inside RCU.
        Ok(RxSkBuff(SkBuff(ManuallyDrop::new(self).0, PhantomData)))
    }

    /// `eth_type_trans()`: for what nearly all frames are made of its inlines, as it is not inline
    /// itself.
    ///
    /// # Safety
    ///
    /// The linear part must hold a whole header, and `dev` live as the type's invariants have it.
    #[inline]
    unsafe fn pull_ethernet_header(&mut self, dev: &AnyDevice) -> bindings::__be16 {
        const PROTOCOL: usize = core::mem::offset_of!(bindings::ethhdr, h_proto);

        let skb = self.0.as_ptr();
        // SAFETY: By the type's invariants, the pointer is valid.
        let data = unsafe { (*skb).data };
        // SAFETY: The header is there, by the function's safety requirement; perhaps not aligned.
        let protocol: u16 = unsafe { data.add(PROTOCOL).cast::<u16>().read_unaligned() };
        // SAFETY: `dev` is alive.
        let dsa = unsafe { bindings::netdev_uses_dsa(dev.as_raw()) };
        if unlikely(u32::from(u16::from_be(protocol)) < bindings::ETH_P_802_3_MIN || dsa) {
            // SAFETY: By the function's safety requirement.
            return unsafe { bindings::eth_type_trans(skb, dev.as_raw()) };
        }
        // SAFETY: By the function's safety requirement.
        unsafe { self.set_dev(dev) };
        // SAFETY: The packet is ours.
        unsafe { bindings::skb_reset_mac_header(skb) };
        // `__skb_pull()`; the packet is longer, as the header is in the linear part.
        let len = self.len().wrapping_sub(bindings::ETH_HLEN);
        // SAFETY: As above.
        unsafe { (*skb).len = len };
        // SAFETY: As above.
        unsafe { (*skb).data = data.add(bindings::ETH_HLEN as usize) };
        // SAFETY: As above; the MAC header is set, and `dev` has an address of Ethernet's length,
        // or room for one.
        unsafe { bindings::eth_skb_pkt_type(skb, dev.as_raw()) };
        protocol
    }

    /// Takes off what a packet has of its namespace if `dev` is in another one.
    #[cold]
    fn leave_namespace(&mut self, dev: &AnyDevice) {
        // SAFETY: By the type's invariants the packet's device is alive, as is `dev`, and so are
        // their namespaces.
        let stays = unsafe { bindings::dev_net(self.dev()) == bindings::dev_net(dev.as_raw()) };
        if !stays {
            self.orphan();
            // SAFETY: By the type's invariants the packet is ours.
            unsafe { bindings::skb_scrub_packet(self.0.as_ptr(), true) };
        }
    }

    /// Takes the route off unless it is one for `protocol`, of the namespace of `dev`.
    ///
    /// The input of one family would be handed the packets of another by it. What the protocol is
    /// comes from the frame, which may be made by anybody (packet sockets, tc). That of another
    /// namespace comes with what a device above this one has sent, or a program of XDP; the
    /// operations of a route of IPv6 go with its namespace. Metadata of tunnels are no route, and
    /// known as such by input (`skb_valid_dst()`).
    #[inline]
    fn drop_foreign_dst(&mut self, protocol: bindings::__be16, dev: &AnyDevice) {
        const IPV4: u16 = (bindings::ETH_P_IP as u16).to_be();
        const IPV6: u16 = (bindings::ETH_P_IPV6 as u16).to_be();

        let dst = self.dst();
        if dst.is_null() {
            return;
        }
        // SAFETY: The packet holds it.
        let family = u32::from(unsafe { route::family(dst) });
        if (protocol == IPV4 && family == bindings::AF_INET
            || protocol == IPV6 && family == bindings::AF_INET6)
            // SAFETY: As above; a route has a device.
            && unsafe { Self::is_in_namespace_of(dst, dev) }
        {
            return;
        }
        cold();
        // SAFETY: As above.
        if u32::from(unsafe { (*dst).flags }) & bindings::DST_METADATA == 0 {
            // SAFETY: By the type's invariants the packet is ours.
            unsafe { bindings::skb_dst_drop(self.0.as_ptr()) };
        }
    }

    /// Whether a route is of the namespace that `dev` is in.
    ///
    /// One that is dead is not: its device is another one by then, which may be of any namespace.
    ///
    /// C counterpart: `dst_dev_rcu()`, `include/net/dst.h`; `dst_dev_put()`, `net/core/dst.c`.
    ///
    /// # Safety
    ///
    /// `dst` must be a route with a device, valid inside the RCU section that is open.
    #[inline]
    unsafe fn is_in_namespace_of(dst: *const bindings::dst_entry, dev: &AnyDevice) -> bool {
        // SAFETY: By the function's safety requirement. Others replace it at once.
        let via = unsafe { read_once(&raw const (*dst).__bindgen_anon_1.dev) };
        // Mostly it is the `lo` of the namespace.
        // SAFETY: `dev` is alive, and so is its namespace.
        if via == unsafe { bindings::loopback_dev(dev.as_raw()) } {
            return true;
        }
        // SAFETY: It is set when the kernel starts, and stays.
        let dead = via == unsafe { bindings::blackhole_netdev };
        // SAFETY: Both are alive, the route's for as long as the RCU section is open.
        !dead && unsafe { bindings::dev_net(via) == bindings::dev_net(dev.as_raw()) }
    }

    /// Frees the packet as one that has got where it was to get. Any context.
    ///
    /// C counterpart: `dev_consume_skb_any()`, `include/linux/netdevice.h`.
    #[inline]
    pub fn consume(self) {
        // SAFETY: The reference that this value owned is given up here.
        unsafe {
            bindings::dev_kfree_skb_any_reason(
                self.into_raw(),
                bindings::skb_drop_reason_SKB_CONSUMED,
            )
        };
    }

    /// Frees the packet as dropped for `reason`. Any context.
    ///
    /// C counterpart: `dev_kfree_skb_any_reason()`, `net/core/dev.c`.
    #[inline]
    pub fn drop(self, reason: DropReason) {
        // SAFETY: The reference that this value owned is given up here.
        unsafe { bindings::dev_kfree_skb_any_reason(self.into_raw(), reason.0) };
    }

    /// Makes a packet that was sent with an Ethernet header one that `peer` has received, as from a
    /// wire: without socket, route and mark, and between namespaces without anything of the first.
    ///
    /// It is dropped if it has no whole header; and dropped and counted in the `rx_dropped` of `peer`
    /// if that one is down or the packet longer than its MTU (unless it is still to be segmented).
    ///
    /// C counterpart: `__dev_forward_skb()`, `net/core/dev.c`, which gives no reasons.
    #[inline]
    pub fn forward_to<'to, T>(
        mut self,
        peer: &'to Device<T>,
        _rcu: &'to RcuRead,
    ) -> Result<RxSkBuff<'to>, Dropped>
    where
        T: Operations<LinkType: EthernetHeader>,
    {
        if unlikely(!self.may_pull(bindings::ETH_HLEN)) {
            self.drop(drop_reason!(HDR_TRUNC));
            return Err(Dropped);
        }
        let skb = self.0.as_ptr();
        // SAFETY: By the type's invariants, the pointer is valid, and `peer` is alive.
        if unlikely(!unsafe { bindings::is_skb_forwardable(peer.as_raw(), skb) }) {
            // SAFETY: As above.
            unsafe { bindings::dev_core_stats_rx_dropped_inc(peer.as_raw()) };
            self.drop(if peer.is_running() {
                drop_reason!(PKT_TOO_BIG)
            } else {
                drop_reason!(DEV_READY)
            });
            return Err(Dropped);
        }
        // SAFETY: The packet is ours, its linear part holds a whole header, and both devices are
        // alive, its own by the type's invariants. The reference is given up unless 0 is returned.
        if unsafe { bindings::__dev_forward_skb(peer.as_raw(), skb) } != 0 {
            cold();
            let _gone = ManuallyDrop::new(self);
            return Err(Dropped);
        }
        // INVARIANT: `__dev_forward_skb()` has set device, protocol and MAC header, and taken the
        // route off. `peer` is alive by the RCU section.
        Ok(RxSkBuff(SkBuff(ManuallyDrop::new(self).0, PhantomData)))
    }
}

impl Drop for SkBuff<'_> {
    // Inline, so that there is code for it only where a packet may go out of scope.
    #[inline]
    fn drop(&mut self) {
        build_error!("a packet ends by netif_rx(), consume() or drop()");
    }
}

/// A packet that a device has received and that can go up the stack.
///
/// # Invariants
///
/// For `'dev`, `skb->dev` is a device that is not freed, by the RCU section of the call that was
/// given the packet. `skb->protocol` and the MAC header are set. The packet holds a reference to
/// its route, if it has one, which is of the family of its protocol.
///
/// Once it is in a backlog the core sees to the rest (`net/core/dev.c`): `enqueue_to_backlog()`
/// takes no packet of a device that is not running, under the lock of the backlog, under which
/// `flush_all_backlogs()` looks for those that it took before, after the device was closed. Where a
/// device moves instead, the backlog is waited for.
#[must_use = "a packet ends by netif_rx(), consume() or drop()"]
#[repr(transparent)]
pub struct RxSkBuff<'dev>(SkBuff<'dev>);

/// The backlog had no room: the packet is gone, and the core has counted it in the device's
/// `rx_dropped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl<'dev> RxSkBuff<'dev> {
    /// Takes over a packet.
    ///
    /// # Safety
    ///
    /// `ptr` must satisfy the invariants of [`RxSkBuff`] for `'dev`, and the caller must give its
    /// reference up.
    #[inline]
    pub(super) unsafe fn from_raw(ptr: *mut bindings::sk_buff) -> Self {
        // SAFETY: By the function's safety requirement.
        Self(unsafe { SkBuff::from_raw(ptr) })
    }

    /// Takes the packet for one to this host, if it is not one to many, whatever address is in its
    /// header.
    #[inline]
    pub fn accept(&mut self) {
        if self.is_for_another_host() {
            self.0.headers().set_pkt_type(bindings::PACKET_HOST as u8);
        }
    }

    #[inline]
    fn is_for_another_host(&mut self) -> bool {
        u32::from(self.0.headers().pkt_type()) == bindings::PACKET_OTHERHOST
    }

    /// Takes the packet for one to this host if its route leads here, whatever address is in its
    /// header: that is the one of the route's device.
    #[inline]
    pub fn accept_by_route(&mut self, _rcu: &RcuRead) {
        if unlikely(self.is_for_another_host()) {
            let skb = self.0 .0.as_ptr();
            // SAFETY: By the type's invariants the packet is ours and holds its route.
            let ipv4 = unsafe { route::Ipv4::of_packet(skb) };
            // SAFETY: As above.
            let ipv6 = unsafe { route::Ipv6::of_packet(skb) };
            if ipv4.is_some_and(Route::is_local) || ipv6.is_some_and(Route::is_local) {
                self.accept();
            }
        }
    }

    /// If the packet has come by a route of this L3 master's, the one of its device: hands it to that
    /// one, to be received as what it has sent to itself. Captures there do not show it.
    ///
    /// C counterpart: what `vrf_local_xmit()` (`drivers/net/vrf.c`) does.
    #[inline]
    pub fn to_l3_master<'to>(mut self, master: &'to AnyDevice, _rcu: &'to RcuRead) -> RxSkBuff<'to>
    where
        'dev: 'to,
    {
        let dst = self.0.dst();
        // SAFETY: By the type's invariants the packet holds its route.
        if dst.is_null() || unsafe { (*dst).__bindgen_anon_1.dev } != master.as_raw() {
            return self;
        }
        // SAFETY: The master is alive inside RCU.
        unsafe { self.0.set_dev(master) };
        self.0
            .headers()
            .set_pkt_type(bindings::PACKET_LOOPBACK as u8);
        // INVARIANT: The master is alive inside RCU, and if it is being unregistered it is down,
        // which the backlog looks at (`enqueue_to_backlog()`, `net/core/dev.c`).
        RxSkBuff(SkBuff(ManuallyDrop::new(self).0 .0, PhantomData))
    }

    /// Length of the packet in bytes, without the Ethernet header.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// [`SkBuff::consume`].
    #[inline]
    pub fn consume(self) {
        self.0.consume();
    }

    /// [`SkBuff::drop`].
    #[inline]
    pub fn drop(self, reason: DropReason) {
        self.0.drop(reason);
    }

    /// Queues the packet to the backlog of this CPU, to be received from there.
    ///
    /// C counterpart: `__netif_rx()`, `net/core/dev.c`.
    #[inline]
    pub fn netif_rx(self, _bh: &BhDisabled) -> Result<(), Dropped> {
        // SAFETY: By the type's invariants the packet is one that may be received. Its reference
        // is given up, whatever comes back. `_bh` stands for the context that is asked for, but
        // for netpoll in process context: then interrupts are off, which keeps everybody else from
        // this CPU's backlog as well. (Lockdep objects there, as it does with `lo`. With bottom
        // halves disabled around it nobody would wake ksoftirqd to serve the backlog.)
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

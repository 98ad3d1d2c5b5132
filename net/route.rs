// SPDX-License-Identifier: GPL-2.0

//! Routes of packets, by family.
//!
//! C headers: [`include/net/route.h`](srctree/include/net/route.h),
//! [`include/net/ip6_fib.h`](srctree/include/net/ip6_fib.h).

use super::{
    bindings,
    context::RcuRead,
    device::AnyDevice,
    netns::Namespace,
    once::{
        read_once,
        write_once, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// `DST_OBSOLETE_KILL`, `include/net/dst.h`: who keeps the route looks again.
const OBSOLETE_KILL: c_short = -2;

/// IPv4 or IPv6: what differs between the two.
pub trait Family: private::Sealed + 'static {
    /// A route of this family, borrowed from a packet.
    type Route<'a>: Route<'a>;

    /// C counterpart: `NFPROTO_*`, `include/uapi/linux/netfilter.h`.
    #[doc(hidden)]
    const NFPROTO: u8;

    /// Whether [`Route::owner`] has to look the device up.
    #[doc(hidden)]
    const LOOKS_UP: bool;

    /// The packet's route, if it is one of this family.
    ///
    /// # Safety
    ///
    /// `skb` must be valid, and nobody else write to it, for `'a`, during which an RCU read-side
    /// critical section is open.
    #[doc(hidden)]
    unsafe fn of_packet<'a>(skb: *mut bindings::sk_buff) -> Option<Self::Route<'a>>;

    /// Makes the packet's sender, and others who send to the same address, use an MTU for this route
    /// that is no larger than `mtu`; from the next packet on.
    ///
    /// IPv4: as an ICMP error would, by an exception of the route's nexthop, which follows the MTU
    /// of the nexthop's device up and down (`fib_nhc_update_mtu()`). The packet's own route is
    /// marked as one to be looked up again, as the core does with those it keeps
    /// (`update_or_create_fnhe()`, `net/ipv4/route.c`).
    ///
    /// IPv6: `rt6_insert_exception()` (`net/ipv6/route.c`) takes no exception that is not smaller than
    /// the MTU of the device that has the address. So it is the MTU of the route itself, which is
    /// one that the core keeps for each CPU (`RTF_PCPU`): all who use the address meet it there.
    ///
    /// # Safety
    ///
    /// As for [`Family::of_packet`].
    #[doc(hidden)]
    unsafe fn limit_mtu(skb: *mut bindings::sk_buff, mtu: u32);

    /// The address that the packet is sent to, if it is one of IPv4.
    ///
    /// # Safety
    ///
    /// `skb` must be a packet of this family with its header.
    #[doc(hidden)]
    unsafe fn destination4(skb: *const bindings::sk_buff) -> Option<u32>;
}

/// A route of a packet.
pub trait Route<'a>: Copy {
    /// Whether it leads to an address of this host.
    fn is_local(self) -> bool;

    /// Whether packets go by it as they are: not through IPsec, or into a tunnel.
    fn is_plain(self) -> bool;

    /// The device that has the address of a local route: mostly another one than that of the route,
    /// which is `lo`. `None` if the route does not know.
    fn owner(
        self,
        output: &'a AnyDevice,
        ns: &'a Namespace,
        rcu: &'a RcuRead,
    ) -> Option<&'a AnyDevice>;

    /// Whether this device has the address of a local route.
    fn is_owned_by(self, dev: &AnyDevice) -> bool;

    /// Whether the route, as far as can be seen without much ado, goes by another MTU than this one,
    /// being one of `output`.
    fn mtu_differs(self, output: &AnyDevice, mtu: u32) -> bool;
}

/// IPv4.
pub struct Ipv4;

/// IPv6.
pub struct Ipv6;

mod private {
    pub trait Sealed {}
    impl Sealed for super::Ipv4 {}
    impl Sealed for super::Ipv6 {}
}

/// The `dst_entry` of a packet, if it is one of `family`.
///
/// What a bridge hands to the hooks of IPv6 may have a route of IPv4 (`br_netfilter_rtable_init()`,
/// `net/bridge/br_nf_core.c`), and metadata of tunnels are no route at all.
///
/// # Safety
///
/// As for [`Family::of_packet`].
#[inline]
unsafe fn dst_of(skb: *const bindings::sk_buff, wanted: u32) -> Option<*mut bindings::dst_entry> {
    // SAFETY: By the function's safety requirement.
    let dst = unsafe { bindings::skb_dst(skb) };
    // SAFETY: As above.
    if dst.is_null() || u32::from(unsafe { family(dst) }) != wanted {
        return None;
    }
    Some(dst)
}

/// Of which family a `dst_entry` is.
///
/// # Safety
///
/// `dst` must be valid.
#[inline]
pub(super) unsafe fn family(dst: *const bindings::dst_entry) -> c_ushort {
    // SAFETY: By the function's safety requirement.
    let ops = unsafe { (*dst).ops };
    // SAFETY: The operations of a route are there for as long as the route: they are static, or a
    // part of its namespace.
    unsafe { (*ops).family }
}

/// Whether what is sent by the route is made into something else first: it is the first of a bundle
/// of IPsec, or encapsulates.
///
/// # Safety
///
/// `dst` must be valid.
#[inline]
unsafe fn transforms(dst: *const bindings::dst_entry) -> bool {
    // SAFETY: By the function's safety requirement; neither changes.
    let (xfrm, tunnel) = unsafe { (bindings::dst_xfrm(dst), (*dst).lwtstate) };
    xfrm.addr() | tunnel.addr() != 0
}

/// A route of IPv4.
///
/// # Invariants
///
/// Points to a `struct rtable` that lives for `'a`.
#[derive(Clone, Copy)]
pub struct Route4<'a>(*const bindings::rtable, PhantomData<&'a ()>);

impl<'a> Route<'a> for Route4<'a> {
    #[inline]
    fn is_local(self) -> bool {
        // SAFETY: By the type's invariants; the field does not change.
        u32::from(unsafe { (*self.0).rt_type }) == bindings::RTN_LOCAL
    }

    #[inline]
    fn is_plain(self) -> bool {
        // SAFETY: By the type's invariants; a `dst_entry` is its first member.
        !unsafe { transforms(self.0.cast()) }
    }

    /// A packet to 0.0.0.0 gets its route without a lookup, and so one that does not know
    /// (`ip_route_output_key_hash_rcu()`, `net/ipv4/route.c`).
    #[inline]
    fn owner(
        self,
        output: &'a AnyDevice,
        ns: &'a Namespace,
        rcu: &'a RcuRead,
    ) -> Option<&'a AnyDevice> {
        // SAFETY: As above.
        let index = unsafe { (*self.0).rt_iif } as u32;
        if index == output.ifindex() {
            Some(output)
        } else if index == 0 {
            None
        } else {
            ns.dev_get_by_index_rcu(index, rcu)
        }
    }

    #[inline]
    fn is_owned_by(self, dev: &AnyDevice) -> bool {
        // SAFETY: By the type's invariants; the field does not change.
        (unsafe { (*self.0).rt_iif }) as u32 == dev.ifindex()
    }

    /// Exceptions that say less than the device's are not looked for.
    #[inline]
    fn mtu_differs(self, output: &AnyDevice, mtu: u32) -> bool {
        mtu < output.mtu()
    }
}

impl Family for Ipv4 {
    type Route<'a> = Route4<'a>;
    const NFPROTO: u8 = bindings::NFPROTO_IPV4 as u8;
    const LOOKS_UP: bool = true;

    #[inline]
    unsafe fn of_packet<'a>(skb: *mut bindings::sk_buff) -> Option<Route4<'a>> {
        // SAFETY: By the function's safety requirement.
        let dst = unsafe { dst_of(skb, bindings::AF_INET) }?;
        // INVARIANT: A `dst_entry` of this family is the first member of an `rtable`.
        Some(Route4(dst.cast(), PhantomData))
    }

    unsafe fn limit_mtu(skb: *mut bindings::sk_buff, mtu: u32) {
        // SAFETY: By the function's safety requirement.
        let Some(dst) = (unsafe { dst_of(skb, bindings::AF_INET) }) else {
            return;
        };
        // SAFETY: The route is that of the packet, which is valid.
        if unsafe { bindings::dst_mtu(dst) } <= mtu {
            return;
        }
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::skb_dst_update_pmtu_no_confirm(skb, mtu) };
        // SAFETY: As for `dst_mtu()`. Others read it without a lock (`dst_check()`).
        unsafe { write_once(&raw mut (*dst).obsolete, OBSOLETE_KILL) };
    }

    unsafe fn destination4(skb: *const bindings::sk_buff) -> Option<u32> {
        // SAFETY: By the function's safety requirement.
        let header = unsafe { bindings::ip_hdr(skb) };
        // SAFETY: As above. It need not be aligned.
        Some(unsafe {
            (&raw const (*header).__bindgen_anon_1.__bindgen_anon_1.daddr).read_unaligned()
        })
    }
}

/// A route of IPv6.
///
/// # Invariants
///
/// Points to a `struct rt6_info` that lives for `'a`, during which an RCU read-side critical section
/// is open.
#[derive(Clone, Copy)]
pub struct Route6<'a>(*const bindings::rt6_info, PhantomData<&'a ()>);

impl Route6<'_> {
    /// The device that has the address.
    #[inline]
    fn idev_dev(self) -> Option<*mut bindings::net_device> {
        // SAFETY: By the type's invariants. When the device goes another one is put in its place
        // (`rt6_uncached_list_flush_dev()`, `net/ipv6/route.c`), before the last
        // `synchronize_net()` of its unregistration: hence once, and what is found lives until
        // the RCU section ends (`ip6_rcv_core()` relies on it as well).
        let idev = unsafe { read_once(&raw const (*self.0).rt6i_idev) };
        if idev.is_null() {
            return None;
        }
        // SAFETY: As above; it is the same device for as long as `idev` is there.
        Some(unsafe { (*idev).dev })
    }
}

impl<'a> Route<'a> for Route6<'a> {
    #[inline]
    fn is_local(self) -> bool {
        // As `ip6_rt_get_dev_rcu()` has it.
        const LOCAL: u32 = bindings::RTF_LOCAL | bindings::RTF_ANYCAST;

        // SAFETY: By the type's invariants; these bits do not change.
        (unsafe { (*self.0).rt6i_flags }) & LOCAL != 0
    }

    #[inline]
    fn is_plain(self) -> bool {
        // SAFETY: By the type's invariants; a `dst_entry` is its first member.
        !unsafe { transforms(self.0.cast()) }
    }

    #[inline]
    fn owner(
        self,
        _output: &'a AnyDevice,
        _ns: &'a Namespace,
        _rcu: &'a RcuRead,
    ) -> Option<&'a AnyDevice> {
        let dev = self.idev_dev()?;
        // SAFETY: As in `idev_dev`, which gives a device that lives until the RCU section ends.
        Some(unsafe { AnyDevice::from_raw(dev) })
    }

    #[inline]
    fn is_owned_by(self, dev: &AnyDevice) -> bool {
        self.idev_dev() == Some(dev.as_raw())
    }

    #[inline]
    fn mtu_differs(self, output: &AnyDevice, mtu: u32) -> bool {
        // SAFETY: By the type's invariants.
        match unsafe { bindings::dst_metric_raw(self.0.cast(), bindings::RTAX_MTU as c_int) } {
            0 => mtu != output.mtu(),
            own => mtu != own,
        }
    }
}

impl Family for Ipv6 {
    type Route<'a> = Route6<'a>;
    const NFPROTO: u8 = bindings::NFPROTO_IPV6 as u8;
    const LOOKS_UP: bool = false;

    #[inline]
    unsafe fn of_packet<'a>(skb: *mut bindings::sk_buff) -> Option<Route6<'a>> {
        // SAFETY: By the function's safety requirement.
        let dst = unsafe { dst_of(skb, bindings::AF_INET6) }?;
        // INVARIANT: A `dst_entry` of this family is the first member of an `rt6_info`.
        Some(Route6(dst.cast(), PhantomData))
    }

    unsafe fn limit_mtu(skb: *mut bindings::sk_buff, mtu: u32) {
        const MTU: c_int = bindings::RTAX_MTU as c_int;

        // SAFETY: By the function's safety requirement.
        let Some(dst) = (unsafe { dst_of(skb, bindings::AF_INET6) }) else {
            return;
        };
        let rt: *mut bindings::rt6_info = dst.cast();
        // SAFETY: The route is that of the packet, which is valid. A `dst_entry` of this family is
        // the first member of an `rt6_info`, and this bit of its flags does not change.
        let kept_for_a_cpu = unsafe { (*rt).rt6i_flags } & bindings::RTF_PCPU != 0;
        if mtu < bindings::IPV6_MIN_MTU || !kept_for_a_cpu {
            return;
        }
        // Others read its metrics meanwhile. Those that it shares with the table are let go of below,
        // and are there for an RCU grace period more if the table has had them
        // (`fib6_info_destroy_rcu()`, `net/ipv6/ip6_fib.c`).
        // SAFETY: As above; it is set to null when the route is taken from the table.
        if unsafe { read_once(&raw const (*rt).from) }.is_null() {
            return;
        }
        // What a user has set is in metrics that are shared with the table, and stays if it is
        // smaller; what was set here follows the device, up as well.
        // SAFETY: The route is valid. Metrics of its own it gets by an exchange, once; they are
        // words that everybody reads without a lock.
        let own = !unsafe { bindings::dst_metrics_read_only(dst) };
        // SAFETY: As above.
        let old = unsafe { bindings::dst_metric_raw(dst, MTU) };
        if old == mtu || (!own && old != 0 && old < mtu) {
            return;
        }
        // SAFETY: As above; those who write it here write the same (`rt6_do_update_pmtu()`,
        // `net/ipv6/route.c`).
        unsafe { bindings::dst_metric_set(dst, MTU, mtu) };
        // Else it would have its metrics for as long as the address is there: with this it is made
        // anew once routes are to be forgotten (`rt6_get_pcpu_route()`).
        // SAFETY: The route is valid, and so is its device in the RCU section that we are in.
        let ns = unsafe { bindings::dev_net((*dst).__bindgen_anon_1.dev) };
        // SAFETY: The namespace of a live device is alive.
        let now = unsafe { bindings::rt_genid_ipv6(ns) };
        // SAFETY: The route is valid; its number is read and written without a lock.
        unsafe { write_once(&raw mut (*rt).sernum, now) };
    }

    unsafe fn destination4(_skb: *const bindings::sk_buff) -> Option<u32> {
        None
    }
}

/// The device that has `address`, in network byte order, by the local route that the core finds
/// now. `None` if there is no such route, or no memory.
pub(super) fn owner_of<'rcu>(
    address: u32,
    ns: &'rcu Namespace,
    rcu: &'rcu RcuRead,
) -> Option<&'rcu AnyDevice> {
    const ANYWHERE: u8 = bindings::rt_scope_t_RT_SCOPE_UNIVERSE as u8;

    // From no particular address or device, with no particular service.
    // SAFETY: The namespace is alive.
    let rt = unsafe { bindings::ip_route_output(ns.as_raw(), address, 0, 0, 0, ANYWHERE) };
    let rt = from_err_ptr(rt).ok()?;
    // SAFETY: The route is ours until it is put.
    let local = u32::from(unsafe { (*rt).rt_type }) == bindings::RTN_LOCAL;
    // SAFETY: As above.
    let index = unsafe { (*rt).rt_iif } as u32;
    // SAFETY: As above.
    unsafe { bindings::ip_rt_put(rt) };
    if local {
        ns.dev_get_by_index_rcu(index, rcu)
    } else {
        None
    }
}

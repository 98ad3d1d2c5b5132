// SPDX-License-Identifier: GPL-2.0

//! Having a say in which addresses a device gets.
//!
//! C headers: [`include/linux/inetdevice.h`](srctree/include/linux/inetdevice.h),
//! [`include/net/addrconf.h`](srctree/include/net/addrconf.h).

use super::{
    bindings,
    context::Rtnl,
    device::{
        AnyDevice,
        Device, //
    },
    link,
    notifier::{
        Block,
        Chain, //
    },
    once::read_once,
    rtnetlink::ExtAck, //
};
use core::{
    marker::PhantomData,
    net::IpAddr,
    ptr, //
};
use kernel::prelude::*;

/// Who has a say.
pub trait Validator: link::Operations {
    /// An address is about to be added to a device of the driver, by a user or by the kernel itself;
    /// an error refuses it. Process context: those of IPv6 that come with an advertisement of a
    /// router are added in a softirq, and nobody is asked (`ipv6_add_addr()`, `net/ipv6/addrconf.c`).
    ///
    /// Of an address of IPv4 with a peer it is the peer's that is looked at, as in C: the other one
    /// is not told (`struct in_validator_info`).
    ///
    /// C counterpart: a notifier of `register_inetaddr_validator_notifier()` and
    /// `register_inet6addr_validator_notifier()`.
    fn validate_address(dev: &Device<Self>, address: IpAddr, extack: &mut ExtAck<'_>) -> Result;
}

/// Registration of a [`Validator`] for both families, ended when dropped.
///
/// # Invariants
///
/// Both are registered with the core.
#[pin_data]
pub(super) struct Registration<T: Validator> {
    #[pin]
    six: Block<Six<T>>,
    #[pin]
    four: Block<Four<T>>,
}

impl<T: Validator> Registration<T> {
    /// Registers the validator. Process context, without RTNL.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            six <- Block::new(),
            four <- Block::new(),
        })
    }
}

/// The chain of IPv4.
struct Four<T>(PhantomData<fn() -> T>);

impl<T: Validator> Chain for Four<T> {
    const PRIORITY: i32 = 0;

    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::register_inetaddr_validator_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::unregister_inetaddr_validator_notifier(block) };
    }

    unsafe fn call(_event: c_ulong, info: *mut c_void) -> Result {
        // SAFETY: By the function's safety requirement, for this call.
        let info = unsafe { &*info.cast::<bindings::in_validator_info>() };
        // SAFETY: `ivi_dev` is that of a live device.
        let dev = unsafe { (*info.ivi_dev).dev };
        let address = IpAddr::from(info.ivi_addr.to_ne_bytes());
        // SAFETY: The device is live, the place for a message the request's, or there is none.
        unsafe { validate::<T>(dev, address, info.extack) }
    }
}

/// The chain of IPv6.
struct Six<T>(PhantomData<fn() -> T>);

impl<T: Validator> Chain for Six<T> {
    const PRIORITY: i32 = 0;

    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::register_inet6addr_validator_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::unregister_inet6addr_validator_notifier(block) };
    }

    unsafe fn call(_event: c_ulong, info: *mut c_void) -> Result {
        // SAFETY: By the function's safety requirement, for this call.
        let info = unsafe { &*info.cast::<bindings::in6_validator_info>() };
        // SAFETY: `i6vi_dev` is that of a live device.
        let dev = unsafe { (*info.i6vi_dev).dev };
        // SAFETY: All views of an address are of the same bytes.
        let address = unsafe { info.i6vi_addr.in6_u.u6_addr8 };
        // SAFETY: The device is live, the place for a message the request's, or there is none.
        unsafe { validate::<T>(dev, address.into(), info.extack) }
    }
}

/// # Safety
///
/// `dev` must be a live device, and `extack` satisfy the invariants of [`ExtAck`], for the call.
unsafe fn validate<T: Validator>(
    dev: *mut bindings::net_device,
    address: IpAddr,
    extack: *mut bindings::netlink_ext_ack,
) -> Result {
    // SAFETY: By the function's safety requirement.
    let dev = unsafe { AnyDevice::from_raw(dev) };
    // SAFETY: As above.
    let mut extack = unsafe { ExtAck::from_raw(extack) };
    match dev.downcast::<T>() {
        Some(dev) => T::validate_address(dev, address, &mut extack),
        None => Ok(()),
    }
}

impl<T: link::Operations> Device<T> {
    /// Whether the device has this address of IPv4.
    pub fn has_address(&self, address: core::net::Ipv4Addr, _rtnl: &Rtnl) -> bool {
        let wanted = u32::from_ne_bytes(address.octets());
        // SAFETY: By the type's invariants; it is set and cleared under RTNL only.
        let in_dev = unsafe { (*self.as_raw()).ip_ptr };
        if in_dev.is_null() {
            return false;
        }
        // SAFETY: As above, for the list too.
        let mut ifa = unsafe { (*in_dev).ifa_list };
        while !ifa.is_null() {
            // SAFETY: As above.
            if unsafe { (*ifa).ifa_local } == wanted {
                return true;
            }
            // SAFETY: As above.
            ifa = unsafe { (*ifa).ifa_next };
        }
        false
    }

    /// Whether the device has any address of IPv6.
    ///
    /// While it is up an advertisement of a router may add one that is not seen.
    pub fn has_ipv6_address(&self, _rtnl: &Rtnl) -> bool {
        // SAFETY: By the type's invariants; it is set and cleared under RTNL only.
        let idev = unsafe { (*self.as_raw()).ip6_ptr };
        if idev.is_null() {
            return false;
        }
        // SAFETY: As above; it lives for as long as that.
        let list = unsafe { &raw const (*idev).addr_list };
        // SAFETY: As above. Who adds to it without RTNL does it at once (`list_add_tail_rcu()`).
        let first = unsafe { read_once(&raw const (*list).next) };
        !ptr::eq(first, list)
    }
}

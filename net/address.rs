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
    rtnetlink::ExtAck, //
};
use core::{
    marker::PhantomData,
    net::IpAddr, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// Who has a say.
pub trait Validator: link::Operations {
    /// An address is about to be added to a device of the driver, by a user or by the kernel itself;
    /// an error refuses it. Process context.
    ///
    /// Of an address with a peer it is the peer's that is looked at, as in C.
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
    six: Block<T, Six>,
    #[pin]
    four: Block<T, Four>,
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

/// What differs between the families.
trait Family: 'static {
    /// What the core hands over.
    type Info;

    /// # Safety
    ///
    /// `block` must be complete, pinned, and unregistered before it goes.
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int;

    /// # Safety
    ///
    /// `block` must be registered.
    unsafe fn unregister(block: *mut bindings::notifier_block);

    /// Device, address and the place for a message.
    ///
    /// # Safety
    ///
    /// `info` must be what the core has handed over.
    unsafe fn parts(
        info: &Self::Info,
    ) -> (
        *mut bindings::net_device,
        IpAddr,
        *mut bindings::netlink_ext_ack,
    );
}

struct Four;

impl Family for Four {
    type Info = bindings::in_validator_info;

    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::register_inetaddr_validator_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::unregister_inetaddr_validator_notifier(block) };
    }

    unsafe fn parts(
        info: &Self::Info,
    ) -> (
        *mut bindings::net_device,
        IpAddr,
        *mut bindings::netlink_ext_ack,
    ) {
        // SAFETY: By the function's safety requirement `ivi_dev` is that of a live device.
        let dev = unsafe { (*info.ivi_dev).dev };
        (dev, IpAddr::from(info.ivi_addr.to_ne_bytes()), info.extack)
    }
}

struct Six;

impl Family for Six {
    type Info = bindings::in6_validator_info;

    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::register_inet6addr_validator_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::unregister_inet6addr_validator_notifier(block) };
    }

    unsafe fn parts(
        info: &Self::Info,
    ) -> (
        *mut bindings::net_device,
        IpAddr,
        *mut bindings::netlink_ext_ack,
    ) {
        // SAFETY: By the function's safety requirement `i6vi_dev` is that of a live device; all
        // views of an address are of the same bytes.
        let (dev, address) = unsafe { ((*info.i6vi_dev).dev, info.i6vi_addr.in6_u.u6_addr8) };
        (dev, IpAddr::from(address), info.extack)
    }
}

/// A notifier of one family.
#[pin_data(PinnedDrop)]
struct Block<T: Validator, F: Family> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    _who: PhantomData<(fn() -> T, F)>,
}

// SAFETY: The block is only touched by the core, under its locks.
unsafe impl<T: Validator, F: Family> Send for Block<T, F> {}
// SAFETY: As above; a shared reference offers nothing.
unsafe impl<T: Validator, F: Family> Sync for Block<T, F> {}

impl<T: Validator, F: Family> Block<T, F> {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|block: *mut bindings::notifier_block| {
                // SAFETY: `block` is valid for writes.
                unsafe {
                    block.write(bindings::notifier_block {
                        notifier_call: Some(Self::call),
                        next: core::ptr::null_mut(),
                        priority: 0,
                    });
                }
                // SAFETY: The block is complete and pinned; it is unregistered before it goes.
                to_result(unsafe { F::register(block) })
            }),
            _who: PhantomData,
        })
    }

    /// # Safety
    ///
    /// To be called by the core as a validator of addresses of the family `F`.
    unsafe extern "C" fn call(
        _block: *mut bindings::notifier_block,
        _event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        // SAFETY: The core hands over an `F::Info`, for this call, with a message place of the
        // request's or none.
        let (dev, address, mut extack) = unsafe {
            let (dev, address, extack) = F::parts(&*info.cast());
            (AnyDevice::from_raw(dev), address, ExtAck::from_raw(extack))
        };
        let Some(dev) = dev.downcast::<T>() else {
            return bindings::NOTIFY_DONE as c_int;
        };
        match T::validate_address(dev, address, &mut extack) {
            Ok(()) => bindings::NOTIFY_DONE as c_int,
            // `notifier_from_errno()`, include/linux/notifier.h.
            Err(e) => {
                bindings::NOTIFY_STOP_MASK as c_int | (bindings::NOTIFY_OK as c_int - e.to_errno())
            }
        }
    }
}

#[pinned_drop]
impl<T: Validator, F: Family> PinnedDrop for Block<T, F> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` has registered it.
        unsafe { F::unregister(self.block.get()) };
    }
}

impl<T: link::Operations> Device<T> {
    /// Whether the device has this address of IPv4.
    pub fn has_address(&self, address: core::net::Ipv4Addr, _rtnl: &Rtnl) -> bool {
        let wanted = u32::from_ne_bytes(address.octets());
        // SAFETY: By the type's invariants; the list is changed under RTNL only.
        unsafe {
            let in_dev = (*self.as_raw()).ip_ptr;
            if in_dev.is_null() {
                return false;
            }
            let mut ifa = (*in_dev).ifa_list;
            while !ifa.is_null() {
                if (*ifa).ifa_local == wanted {
                    return true;
                }
                ifa = (*ifa).ifa_next;
            }
        }
        false
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Being told what happens to devices.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! `enum netdev_cmd`.

use super::{
    bindings,
    context::Rtnl,
    device::AnyDevice, //
};
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The device is being registered, or has come into another namespace (`NETDEV_REGISTER`).
    Register,
    /// The device is being unregistered, or leaves its namespace (`NETDEV_UNREGISTER`).
    Unregister,
}

impl Event {
    fn from_raw(event: c_ulong) -> Option<Self> {
        match u32::try_from(event).ok()? {
            bindings::netdev_cmd_NETDEV_REGISTER => Some(Self::Register),
            bindings::netdev_cmd_NETDEV_UNREGISTER => Some(Self::Unregister),
            _ => None,
        }
    }
}

/// Who wants to be told.
pub(super) trait Notifier: 'static {
    /// Notifiers of higher priority are told first. Those of the protocols have 0.
    const PRIORITY: i32;

    /// Something happened to a device of any namespace. Process context.
    fn notify(event: Event, dev: &AnyDevice, rtnl: &Rtnl);
}

/// A chain of notifiers, and what is done with what it says.
pub(super) trait Chain: 'static {
    /// Who has a higher priority is told first.
    const PRIORITY: i32;

    /// # Safety
    ///
    /// `block` must be complete, with [`Block::call`], and stay so where it is until it is
    /// unregistered.
    unsafe fn register(block: *mut bindings::notifier_block) -> c_int;

    /// # Safety
    ///
    /// `block` must be registered.
    unsafe fn unregister(block: *mut bindings::notifier_block);

    /// An error refuses what is about to happen, on chains that can be refused.
    ///
    /// # Safety
    ///
    /// To be called with what the core has handed over, in the context that it calls its notifiers
    /// in.
    unsafe fn call(event: c_ulong, info: *mut c_void) -> Result;
}

/// A notifier on the chain `C`, until dropped.
///
/// C counterpart: `struct notifier_block`, `include/linux/notifier.h`.
///
/// # Invariants
///
/// `block` is registered with the core and stays where it is.
#[must_use]
#[pin_data(PinnedDrop)]
pub(super) struct Block<C: Chain> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    _chain: PhantomData<C>,
}

// SAFETY: The block is only touched by the core, under its locks.
unsafe impl<C: Chain> Send for Block<C> {}
// SAFETY: As above; a shared reference offers nothing.
unsafe impl<C: Chain> Sync for Block<C> {}

impl<C: Chain> Block<C> {
    /// Registers the notifier. Process context, without RTNL.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|block: *mut bindings::notifier_block| {
                // SAFETY: `block` is valid for writes.
                unsafe {
                    block.write(bindings::notifier_block {
                        notifier_call: Some(Self::call),
                        next: core::ptr::null_mut(),
                        priority: C::PRIORITY,
                    });
                }
                // SAFETY: The block is complete and pinned; it is unregistered before it goes.
                to_result(unsafe { C::register(block) })
            }),
            _chain: PhantomData,
        })
    }

    /// # Safety
    ///
    /// To be called by the core as `notifier_call` of a notifier on the chain `C`.
    unsafe extern "C" fn call(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        // SAFETY: By the function's safety requirement.
        match unsafe { C::call(event, info) } {
            Ok(()) => bindings::NOTIFY_DONE as c_int,
            // `notifier_from_errno()`, include/linux/notifier.h.
            Err(e) => {
                bindings::NOTIFY_STOP_MASK as c_int | (bindings::NOTIFY_OK as c_int - e.to_errno())
            }
        }
    }
}

#[pinned_drop]
impl<C: Chain> PinnedDrop for Block<C> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type's invariants.
        unsafe { C::unregister(self.block.get()) };
    }
}

/// Registration of a [`Notifier`], ended when dropped. What is there already is told as registered.
pub(super) type Registration<N> = Block<Devices<N>>;

/// The chain that tells of devices.
pub(super) struct Devices<N>(PhantomData<N>);

impl<N: Notifier> Chain for Devices<N> {
    const PRIORITY: i32 = N::PRIORITY;

    unsafe fn register(block: *mut bindings::notifier_block) -> c_int {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::register_netdevice_notifier(block) }
    }

    unsafe fn unregister(block: *mut bindings::notifier_block) {
        // SAFETY: By the function's safety requirement. It fails only for a block that is not
        // registered.
        unsafe { bindings::unregister_netdevice_notifier(block) };
    }

    unsafe fn call(event: c_ulong, info: *mut c_void) -> Result {
        if let Some(event) = Event::from_raw(event) {
            let info = info.cast::<bindings::netdev_notifier_info>();
            // SAFETY: What the core hands over is a `netdev_notifier_info` of a live device.
            let dev = unsafe { AnyDevice::from_raw((*info).dev) };
            // While its last references are waited for a device is told of again, and nothing holds
            // its namespace by then (`netdev_wait_allrefs_any()`, net/core/dev.c).
            if dev.reg_state() == bindings::netdev_reg_state_NETREG_UNREGISTERED {
                return Ok(());
            }
            // SAFETY: RTNL is held (`call_netdevice_notifiers_info()`, net/core/dev.c).
            let rtnl = unsafe { Rtnl::assume_held() };
            N::notify(event, dev, &rtnl);
        }
        Ok(())
    }
}

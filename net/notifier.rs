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
    /// The device is being unregistered, or leaves its namespace (`NETDEV_UNREGISTER`). May be
    /// told more than once.
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

/// Registration of a [`Notifier`], ended when dropped.
///
/// # Invariants
///
/// `block` is registered with the core and stays where it is.
#[pin_data(PinnedDrop)]
pub(super) struct Registration<N: Notifier> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
    _notifier: PhantomData<N>,
}

// SAFETY: The block is only touched by the core, under its locks.
unsafe impl<N: Notifier> Send for Registration<N> {}
// SAFETY: As above; a shared reference offers nothing.
unsafe impl<N: Notifier> Sync for Registration<N> {}

impl<N: Notifier> Registration<N> {
    /// Registers the notifier. Process context, without RTNL.
    ///
    /// What is there already is told as registered.
    ///
    /// C counterpart: `register_netdevice_notifier()`, `net/core/dev.c`.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            block <- Opaque::try_ffi_init(|block: *mut bindings::notifier_block| {
                // SAFETY: `block` is valid for writes.
                unsafe {
                    block.write(bindings::notifier_block {
                        notifier_call: Some(Self::call),
                        next: core::ptr::null_mut(),
                        priority: N::PRIORITY,
                    });
                }
                // SAFETY: The block is complete and pinned; it is unregistered before it goes.
                to_result(unsafe { bindings::register_netdevice_notifier(block) })
            }),
            _notifier: PhantomData,
        })
    }

    /// # Safety
    ///
    /// To be called by the core as `notifier_call` of a netdevice notifier.
    unsafe extern "C" fn call(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        if let Some(event) = Event::from_raw(event) {
            // SAFETY: What the core hands over is a `netdev_notifier_info` of a live device, and
            // RTNL is held (`call_netdevice_notifiers_info()`, net/core/dev.c).
            let (dev, rtnl) = unsafe {
                let info = info.cast::<bindings::netdev_notifier_info>();
                (AnyDevice::from_raw((*info).dev), Rtnl::assume_held())
            };
            N::notify(event, dev, &rtnl);
        }
        bindings::NOTIFY_DONE as c_int
    }
}

#[pinned_drop]
impl<N: Notifier> PinnedDrop for Registration<N> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type's invariants. It fails only for a block that is not registered.
        unsafe { bindings::unregister_netdevice_notifier(self.block.get()) };
    }
}

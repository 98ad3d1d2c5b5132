// SPDX-License-Identifier: GPL-2.0

//! Devices that are held.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    context::Rtnl,
    device::{
        Device,
        Driver,
        Operations, //
    },
    once::read_once,
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A device of the driver `T` that is held: it and its private data stay until this is dropped.
///
/// It may be unregistered meanwhile, so what takes a device that is registered cannot be had from
/// this without a look ([`Held::registered`]). Whoever deletes a device waits, for ever if need be,
/// until nobody holds it ("unregister_netdevice: waiting for … to become free"): let go of it when
/// its end is told.
///
/// Not an `ARef<Device<T>>`: that has no room for the tracker, which belongs to the reference and
/// not to the device, and with which the kernel says who has not let go. Nor does it have a look to
/// begin with: it would lend a [`Device`] whose unregistration is over.
///
/// C counterpart: `netdev_hold()`, `netdev_put()`.
///
/// # Invariants
///
/// `dev` points to a `net_device` that was set up for `T`, with valid private data, of which this
/// value owns one reference; `tracker` is what `netdev_hold()` made for it. It makes a pointer to
/// something of its own there at most, so it may be moved.
pub struct Held<T: Operations> {
    dev: NonNull<bindings::net_device>,
    tracker: bindings::netdevice_tracker,
    _driver: Driver<T>,
}

// SAFETY: References are counted per CPU or atomically, and may be dropped in any context; the
// private data is `Sync`, and is dropped by whoever deletes the device.
unsafe impl<T: Operations> Send for Held<T> {}
// SAFETY: As above; by a shared reference only the private data can be had, and, under RTNL, the
// device.
unsafe impl<T: Operations> Sync for Held<T> {}

impl<T: Operations> Device<T> {
    /// Holds the device. Process context.
    ///
    /// C counterpart: `netdev_hold()`.
    pub fn hold(&self, _rtnl: &Rtnl) -> Held<T> {
        let mut tracker = pin_init::zeroed();
        // SAFETY: By the invariants of `Device` the device is there, and with it the reference that
        // it has of its own until its private data is dropped. Who holds RTNL may sleep.
        unsafe { bindings::netdev_hold(self.as_raw(), &mut tracker) };
        // INVARIANT: By the invariants of `Device`; the reference was just taken.
        Held {
            // SAFETY: A valid pointer is not null.
            dev: unsafe { NonNull::new_unchecked(self.as_raw()) },
            tracker,
            _driver: PhantomData,
        }
    }
}

impl<T: Operations> Held<T> {
    /// The driver's own data of the device.
    #[inline]
    pub fn private(&self) -> &T::Private {
        // SAFETY: By the type's invariants; it is dropped when nobody holds the device any more.
        unsafe { &*bindings::netdev_priv(self.dev.as_ptr()).cast() }
    }

    /// The device, if it is registered. While RTNL is held it stays so.
    pub fn registered<'a>(&'a self, _rtnl: &'a Rtnl) -> Option<&'a Device<T>> {
        let dev = self.dev.as_ptr();
        // SAFETY: By the type's invariants.
        let state = unsafe { &raw const (*dev).reg_state };
        // SAFETY: As above; it changes under RTNL, but for the last step, from being unregistered to
        // unregistered.
        let state = unsafe { read_once(state.cast::<i8>()) };
        if state as u32 != bindings::netdev_reg_state_NETREG_REGISTERED {
            return None;
        }
        // SAFETY: It is registered, and thus satisfies the invariants of `Device`; and cannot be
        // unregistered while RTNL is held.
        Some(unsafe { Device::from_raw(dev) })
    }

    /// The C device.
    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.dev.as_ptr()
    }
}

impl<T: Operations> Drop for Held<T> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants; the reference is given up here.
        unsafe { bindings::netdev_put(self.dev.as_ptr(), &mut self.tracker) };
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Carriers: whether a device has somebody to talk to.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    context::Rtnl,
    device::{
        AnyDevice,
        Device,
        Operations, //
    },
    setup::Setup,
};

impl<T: Operations> Setup<'_, T> {
    /// Lets the device begin without a carrier. Without this it has one.
    ///
    /// C counterpart: `netif_carrier_off()` before `register_netdevice()`.
    pub fn netif_carrier_off(&mut self) -> &mut Self {
        // SAFETY: By the invariants of `Setup`; of a device that is not registered nobody is told.
        unsafe { bindings::netif_carrier_off(self.as_raw()) };
        self
    }
}

impl<T: Operations> Device<T> {
    /// Gives the device a carrier, unless a user keeps it down (`ip link set protodown on`). The
    /// protocols and user space are told of it later.
    ///
    /// C lets this be called in any context and leaves it to the caller that no two calls cross:
    /// here both take RTNL.
    ///
    /// C counterpart: `netif_carrier_on()`, `net/sched/sch_generic.c`.
    pub fn netif_carrier_on(&self, _rtnl: &Rtnl) {
        // SAFETY: By the type's invariants. Who is told later is told by way of a reference to the
        // device, which is waited for.
        unsafe { bindings::netif_carrier_on(self.as_raw()) };
    }

    /// Takes the carrier away: nothing is sent through the device. See [`Device::netif_carrier_on`].
    ///
    /// C counterpart: `netif_carrier_off()`, `net/sched/sch_generic.c`.
    pub fn netif_carrier_off(&self, _rtnl: &Rtnl) {
        // SAFETY: As in `netif_carrier_on`.
        unsafe { bindings::netif_carrier_off(self.as_raw()) };
    }
}

impl AnyDevice {
    /// Whether the device has a carrier. Any context.
    ///
    /// C counterpart: `netif_carrier_ok()`.
    pub fn netif_carrier_ok(&self) -> bool {
        // SAFETY: By the type's invariants.
        unsafe { bindings::netif_carrier_ok(self.as_raw()) }
    }
}

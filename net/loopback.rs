// SPDX-License-Identifier: GPL-2.0

//! More than one loopback device in a namespace.

use super::{
    address,
    context::Rtnl,
    device::AnyDevice,
    link,
    notifier::{
        self,
        Event,
        Notifier, //
    },
};
use core::marker::PhantomData;
use kernel::prelude::*;

/// Priority of `ip6_route_dev_notifier`, `net/ipv6/route.c`: `ADDRCONF_NOTIFY_PRIORITY - 10`.
const IP6_ROUTE_PRIORITY: i32 = -10;

/// Shields IPv6's null routes from the loopback devices of the driver `T`.
///
/// `ip6_route_dev_notify()` (`net/ipv6/route.c`) takes every device with `IFF_LOOPBACK` for the
/// namespace's `lo`: on registration it points the namespace's null, prohibit and blackhole routes
/// to it and forgets the reference that they hold to `lo`'s `inet6_dev`, so that `lo`, and with it
/// the namespace, can never be freed; on unregistration it takes the routes their device.
///
/// So the flag is hidden around that one notifier, by one that comes right before it and one right
/// after. All others see the device as they see `lo`: IPv4 and IPv6, whose notifiers come earlier,
/// give it the settings of a loopback (`inetdev_event()`, `net/ipv4/devinet.c`; `ipv6_add_dev()`,
/// `net/ipv6/addrconf.c`). The device is down during both events, and RTNL is held throughout.
///
/// It must be up before the first device of `T` is and go after the last one. So it is the
/// [`Guard`](link::Operations::Guard) of a driver, or a part of that ([`Shield`]), without which
/// [`Setup::loopback`](super::setup::Setup::loopback) cannot be called.
#[pin_data]
pub struct RouteNotifierShield<T: link::Operations> {
    #[pin]
    hide: notifier::Registration<Hide<T>>,
    #[pin]
    show: notifier::Registration<Show<T>>,
}

impl<T: link::Operations> link::Guard for RouteNotifierShield<T> {
    unsafe fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            hide <- notifier::Registration::new(),
            show <- notifier::Registration::new(),
        })
    }
}

/// The shield, and the driver's say in the addresses of its devices.
#[pin_data]
pub struct ShieldAndValidator<T: address::Validator> {
    #[pin]
    shield: RouteNotifierShield<T>,
    #[pin]
    addresses: address::Registration<T>,
}

impl<T: address::Validator> link::Guard for ShieldAndValidator<T> {
    unsafe fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // SAFETY: It is dropped with this value.
            shield <- unsafe { RouteNotifierShield::new() },
            addresses <- address::Registration::new(),
        })
    }
}

/// A guard that has the shield in it.
pub trait Shield<T>: private::Sealed<T> {}

impl<T: link::Operations> Shield<T> for RouteNotifierShield<T> {}
impl<T: address::Validator> Shield<T> for ShieldAndValidator<T> {}

mod private {
    /// For the same driver only: that of another one would not shield this.
    pub trait Sealed<T> {}
    impl<T: super::link::Operations> Sealed<T> for super::RouteNotifierShield<T> {}
    impl<T: super::address::Validator> Sealed<T> for super::ShieldAndValidator<T> {}
}

/// Comes right before `ip6_route_dev_notify()`.
struct Hide<T>(PhantomData<T>);

/// Comes right after `ip6_route_dev_notify()`.
struct Show<T>(PhantomData<T>);

impl<T: link::Operations> Notifier for Hide<T> {
    const PRIORITY: i32 = IP6_ROUTE_PRIORITY + 1;

    fn notify(event: Event, dev: &AnyDevice, rtnl: &Rtnl) {
        assign::<T>(event, dev, false, rtnl);
    }
}

impl<T: link::Operations> Notifier for Show<T> {
    const PRIORITY: i32 = IP6_ROUTE_PRIORITY - 1;

    fn notify(event: Event, dev: &AnyDevice, rtnl: &Rtnl) {
        assign::<T>(event, dev, true, rtnl);
    }
}

fn assign<T: link::Operations>(event: Event, dev: &AnyDevice, on: bool, rtnl: &Rtnl) {
    match event {
        Event::Register | Event::Unregister => {
            if let Some(dev) = dev.downcast::<T>() {
                dev.assign_loopback(on, rtnl);
            }
        }
    }
}

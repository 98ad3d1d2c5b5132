// SPDX-License-Identifier: GPL-2.0

//! Which device carries a local packet.
//!
//! The core sends what is addressed to this host through `lo`, whatever device has the address. So
//! where a device of this driver is up there is a hook after all others of netfilter, which gives
//! each packet to the device that has its address; the route stays `lo`'s. `docs/steering.md` has
//! the reasons, and what other ways cost.

use crate::{
    net::{
        context::Rtnl,
        device::{
            AnyDevice,
            Device, //
        },
        netfilter::{
            self,
            Here,
            Hook,
            LocalRoute,
            Packet,
            Point,
            Verdict, //
        },
        netns::PerNamespace,
        route::{
            Family,
            Ipv4,
            Ipv6,
            Route, //
        }, //
    },
    RustLo,
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    prelude::*,
    rbtree::RBTree,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_mutex,
        Mutex, //
    },
};

/// The devices of one namespace that take part, while they are up.
#[pin_data]
pub(crate) struct Steering {
    /// By index.
    #[pin]
    devices: Mutex<RBTree<u32, Part>>,
    /// Index of the first of them that can stand in for `lo`, or 0.
    stand_in: Atomic<u32>,
}

/// What part a device has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Carries what is addressed to it, and may stand in for `lo` where that is down.
    Full,
    /// In a VRF it is no loopback of the namespace.
    InVrf,
}

impl PerNamespace for Steering {
    type Hooks = (Steer<Ipv4>, Steer<Ipv6>);

    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            devices <- new_mutex!(RBTree::new()),
            stand_in: Atomic::new(0),
        })
    }
}

/// The device takes part from now on, until [`leave`].
pub(crate) fn join(dev: &Device<RustLo>, rtnl: &Rtnl) -> Result {
    let part = if dev.is_l3_slave(rtnl) {
        Part::InVrf
    } else {
        Part::Full
    };
    let here = dev.for_namespace(rtnl);
    let steering = here.data();
    let mut devices = steering.devices.lock();
    devices.try_create_and_insert(dev.ifindex(), part, GFP_KERNEL)?;
    here.hook().inspect_err(|_| {
        devices.remove(&dev.ifindex());
    })?;
    steering.choose(&devices, dev, rtnl);
    Ok(())
}

/// The device takes no part any more, if it did. The last one takes the hooks with it.
pub(crate) fn leave(dev: &Device<RustLo>, rtnl: &Rtnl) {
    let here = dev.for_namespace(rtnl);
    let steering = here.data();
    let mut devices = steering.devices.lock();
    devices.remove(&dev.ifindex());
    steering.choose(&devices, dev, rtnl);
    if devices.is_empty() {
        here.unhook();
    }
}

impl Steering {
    /// Whom to try first, and who stands in for `lo`, in the namespace that `dev` is in.
    fn choose(&self, devices: &RBTree<u32, Part>, dev: &Device<RustLo>, rtnl: &Rtnl) {
        let here = dev.namespace(rtnl);
        let first = devices
            .keys()
            .next()
            .and_then(|index| here.dev_get_by_index(*index, rtnl));
        dev.for_namespace(rtnl)
            .set_first(first.and_then(|dev| dev.downcast()));
        let first = devices.iter().find(|(_, part)| **part == Part::Full);
        self.stand_in
            .store(first.map_or(0, |(index, _)| *index), Relaxed);
    }
}

/// The hook, for each family.
pub(crate) struct Steer<F>(PhantomData<F>);

impl<F: Family> Hook<Steering> for Steer<F> {
    type Family = F;
    const POINT: Point = Point::PostRouting;
    // Whoever looks at packets and changes them has done so.
    const PRIORITY: i32 = netfilter::LAST;

    #[inline]
    fn run(steering: &Steering, packet: &mut Packet<'_, F, Steering>) -> Verdict {
        if let Some(route) = packet.local_route() {
            match at_hand(packet, route.get()) {
                Some(dev) => carry(packet, dev, &route),
                None => look_up(steering, packet, &route),
            }
        }
        Verdict::Accept
    }
}

/// The device that is to carry the packet, if that is one which need not be looked up. (One that is
/// an L3 master has its packets already.)
#[inline]
fn at_hand<'p, F: Family>(
    packet: &Packet<'p, F, Steering>,
    route: F::Route<'p>,
) -> Option<Here<'p, RustLo>> {
    let dev = if F::LOOKS_UP {
        // Mostly there is but one.
        packet.first().filter(|first| route.is_owned_by(first))?
    } else {
        packet.here(route.owner(packet.output(), packet.namespace(), packet.rcu())?)?
    };
    dev.is_running().then_some(dev)
}

/// Any other, if there is one. A function of its own, to keep what it takes from those at hand.
#[inline(never)]
fn look_up<'p, F: Family>(
    steering: &Steering,
    packet: &mut Packet<'p, F, Steering>,
    route: &LocalRoute<'p, F>,
) {
    if let Some(dev) = carrier(steering, packet, route.get()) {
        carry(packet, dev, route);
    }
}

#[inline]
fn carry<'p, F: Family>(
    packet: &mut Packet<'p, F, Steering>,
    dev: Here<'p, RustLo>,
    route: &LocalRoute<'p, F>,
) {
    packet.send_by(dev, route);
    // It has the MTU of `lo`.
    if route.get().mtu_differs(packet.output(), dev.mtu()) {
        packet.limit_mtu(dev.mtu());
    }
}

/// The device that is to carry the packet, if it is another one than its route's.
fn carrier<'p, F: Family>(
    steering: &Steering,
    packet: &Packet<'p, F, Steering>,
    route: F::Route<'p>,
) -> Option<Here<'p, RustLo>> {
    let (output, ns, rcu) = (packet.output(), packet.namespace(), packet.rcu());
    // What is sent to 0.0.0.0 has a route without an owner.
    let owner = route
        .owner(output, ns, rcu)
        .or_else(|| packet.owner_of_destination())?;
    if ptr::eq(owner, output) {
        // An address of `lo` (or of a device that is an L3 master and needs no help).
        if output.is_running() {
            return None;
        }
    } else if let Some(dev) = ready(packet, owner) {
        return Some(dev);
    }
    if output.is_running() || output.is_l3_master() {
        return None;
    }
    ns.dev_get_by_index_rcu(steering.stand_in.load(Relaxed), rcu)
        .and_then(|dev| ready(packet, dev))
}

/// The device as one of this driver's, if it is up.
fn ready<'p, F: Family>(
    packet: &Packet<'p, F, Steering>,
    dev: &'p AnyDevice,
) -> Option<Here<'p, RustLo>> {
    packet.here(dev).filter(|dev| dev.is_running())
}

// SPDX-License-Identifier: GPL-2.0

//! Links that come in pairs: two devices, each of which is the other one's peer.
//!
//! A pair is made by [`NewLink::register_pair`](super::newlink::NewLink::register_pair). Each end
//! holds the other one, and they are deleted together: whoever deletes one of them (`dellink`) first
//! parts them, then has both unregistered. So a peer that can be reached is a registered device,
//! and nothing of a pair keeps an unregistration from coming to its end.
//!
//! C counterpart: `drivers/net/veth.c`.

use super::{
    bindings,
    context::{
        RcuRead,
        Rtnl, //
    },
    device::Device,
    held::Held,
    link, //
};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        rcu, //
    }, //
};

/// What lies in the private room of a device that is one end of a pair.
#[repr(C)]
pub(super) struct Area<T: link::Operations> {
    /// At the beginning, where [`Device::private`] looks for it.
    private: MaybeUninit<T::Private>,
    slot: Slot<T>,
}

/// The place for the peer.
///
/// # Invariants
///
/// - `peer` is the address of the device that `held` holds, or 0.
/// - Both are changed under RTNL only, and emptied before the unregistration of either device
///   begins: it waits for an RCU grace period before the device is freed, whoever held it.
pub(super) struct Slot<T: link::Operations> {
    peer: Atomic<usize>,
    held: UnsafeCell<Option<Held<T>>>,
}

impl<T: link::Operations> Slot<T> {
    /// Makes an empty one in the private room of `dev`.
    ///
    /// # Safety
    ///
    /// `dev` must have room for an [`Area`], and nobody else use it.
    pub(super) unsafe fn make(dev: *mut bindings::net_device) {
        // SAFETY: By the function's safety requirement.
        let slot = unsafe { Self::of(dev) };
        // SAFETY: As above. INVARIANT: It is empty.
        unsafe {
            slot.write(Self {
                peer: Atomic::new(0),
                held: UnsafeCell::new(None),
            });
        }
    }

    /// Drops that of `dev`, together with the private data.
    ///
    /// # Safety
    ///
    /// It must have been made, and nobody use it any more.
    pub(super) unsafe fn drop(dev: *mut bindings::net_device) {
        // SAFETY: By the function's safety requirement.
        let slot = unsafe { Self::of(dev) };
        // SAFETY: As above.
        unsafe { ptr::drop_in_place(slot) };
    }

    /// # Safety
    ///
    /// `dev` must have room for an [`Area`].
    #[inline]
    unsafe fn of(dev: *mut bindings::net_device) -> *mut Self {
        // SAFETY: By the function's safety requirement.
        let area = unsafe { bindings::netdev_priv(dev) }.cast::<Area<T>>();
        // SAFETY: As above.
        unsafe { &raw mut (*area).slot }
    }

    /// The peer.
    ///
    /// # Safety
    ///
    /// For `'a` RTNL must be held, or an RCU read-side critical section be open.
    #[inline]
    unsafe fn get<'a>(&self) -> Option<&'a Device<T>> {
        let peer = self.peer.load(Acquire) as *mut bindings::net_device;
        if peer.is_null() {
            return None;
        }
        // SAFETY: By the type's invariants the device is registered, which it cannot cease to be
        // while RTNL is held; or was in this RCU section, after which it is freed at the earliest.
        Some(unsafe { Device::from_raw(peer) })
    }

    /// Puts a device there, or takes the one away that is there.
    ///
    /// # Safety
    ///
    /// `peer` must be registered, and taken away again before the unregistration of either device
    /// begins.
    unsafe fn set(&self, peer: Option<Held<T>>, _rtnl: &Rtnl) {
        // INVARIANT: By the function's safety requirement; the address is that of the device that
        // is held from here on.
        self.peer.store(
            peer.as_ref().map_or(0, |peer| peer.as_raw() as usize),
            Release,
        );
        // SAFETY: Only this looks at it, under RTNL. Who found the device that is let go of here
        // may use it for as long as he is inside RCU, see the type's invariants.
        unsafe { *self.held.get() = peer };
    }
}

impl<T: link::Operations> Device<T> {
    #[inline]
    fn slot(&self) -> &Slot<T> {
        const { assert!(link::Ops::<T>::PAIRED, "the links have no peer attribute") };
        // SAFETY: The devices of such a driver have one, made before the private data and dropped
        // with it: by the invariants of `Device` it is there.
        let slot = unsafe { Slot::of(self.as_raw()) };
        // SAFETY: As above.
        unsafe { &*slot }
    }

    /// The other end of the pair, unless the two are being deleted, or this one was made without.
    ///
    /// Builds for a driver whose links come in pairs, see [`link::Operations::ATTRIBUTES`].
    #[inline]
    pub fn peer<'rcu>(&'rcu self, _rcu: &'rcu RcuRead) -> Option<&'rcu Self> {
        // SAFETY: By the argument.
        unsafe { self.slot().get() }
    }

    /// The other end of the pair, as [`Device::peer`] has it. While RTNL is held it stays.
    pub fn peer_rtnl<'a>(&'a self, _rtnl: &'a Rtnl) -> Option<&'a Self> {
        // SAFETY: By the argument.
        unsafe { self.slot().get() }
    }
}

/// Makes two devices the peers of each other.
///
/// # Safety
///
/// They must be registered, have no peers, and be deleted by way of [`unregister_queue`] only.
pub(super) unsafe fn tie<T: link::Operations>(one: &Device<T>, other: &Device<T>, rtnl: &Rtnl) {
    for (dev, peer) in [(one, other), (other, one)] {
        // SAFETY: By the function's safety requirement: `unregister_queue` parts them.
        unsafe { dev.slot().set(Some(peer.hold(rtnl)), rtnl) };
    }
}

/// Queues a device, and its peer if it has one, to be unregistered.
///
/// # Safety
///
/// `dev` must be registered; `head` a list of devices that are going to be unregistered before RTNL
/// is given back.
pub(super) unsafe fn unregister_queue<T: link::Operations>(
    dev: &Device<T>,
    head: *mut bindings::list_head,
    rtnl: &Rtnl,
) {
    if link::Ops::<T>::PAIRED {
        if let Some(peer) = dev.peer_rtnl(rtnl) {
            for end in [dev, peer] {
                // SAFETY: Nothing is put there.
                unsafe { end.slot().set(None, rtnl) };
            }
            // SAFETY: The peer is registered, in this or another namespace, and RTNL is held.
            unsafe { bindings::unregister_netdevice_queue(peer.as_raw(), head) };
        }
    }
    // SAFETY: As above. It may be in the list already, as the peer of an earlier one.
    unsafe { bindings::unregister_netdevice_queue(dev.as_raw(), head) };
}

/// # Safety
///
/// To be called by the core as `ndo_get_iflink` of a device of `T`, which has peers.
pub(super) unsafe extern "C" fn get_iflink<T: link::Operations>(
    dev: *const bindings::net_device,
) -> c_int {
    let _guard = rcu::read_lock();
    // SAFETY: The guard stands for it.
    let rcu = unsafe { RcuRead::assume() };
    // SAFETY: By the function's safety requirement.
    let dev = unsafe { Device::<T>::from_raw(dev.cast_mut()) };
    dev.peer(&rcu).map_or(0, |peer| peer.ifindex() as c_int)
}

/// # Safety
///
/// To be called by the core as `get_link_net` of a device of `T`, which has peers.
pub(super) unsafe extern "C" fn get_link_net<T: link::Operations>(
    dev: *const bindings::net_device,
) -> *mut bindings::net {
    // SAFETY: `rtnl_fill_ifinfo()` calls this for a registered device or one that is being
    // unregistered.
    let dev = unsafe { Device::<T>::from_raw(dev.cast_mut()) };
    // SAFETY: As above, under RTNL.
    let rtnl = unsafe { Rtnl::assume_held() };
    dev.peer_rtnl(&rtnl)
        .unwrap_or(dev)
        .namespace(&rtnl)
        .as_raw()
}

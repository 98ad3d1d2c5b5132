// SPDX-License-Identifier: GPL-2.0

//! Devices under construction.

use super::{
    bindings,
    device::{
        Driver,
        Operations, //
    },
    ethtool,
    flags::{
        Features,
        InterfaceFlags,
        PrivFlags, //
    },
    link,
    link_type::EthernetHeader,
    loopback::Shield,
    queue_stats, //
};
use core::marker::PhantomData;

/// A new device of the driver `T`, which nobody else has seen yet.
///
/// Here, and only here, it gets the properties that must not change once it is registered.
///
/// # Invariants
///
/// `dev` points to a valid `net_device` that is not registered; for `'a` only this value uses it.
pub struct Setup<'a, T: Operations> {
    dev: *mut bindings::net_device,
    _life: PhantomData<&'a mut bindings::net_device>,
    _driver: Driver<T>,
}

impl<T: Operations> Setup<'_, T> {
    /// # Safety
    ///
    /// `dev` must satisfy the invariants of [`Setup`], with `T`'s callbacks set.
    pub(super) unsafe fn from_raw(dev: *mut bindings::net_device) -> Self {
        // INVARIANT: By the function's safety requirement.
        Self {
            dev,
            _life: PhantomData,
            _driver: PhantomData,
        }
    }

    /// The C device, for functions of C.
    pub(super) fn as_raw(&mut self) -> *mut bindings::net_device {
        self.dev
    }

    /// The C device, exclusively.
    fn raw(&mut self) -> &mut bindings::net_device {
        // SAFETY: By the type's invariants nobody else uses the device, the kernel included, and
        // the reference ends with the borrow of `self`.
        unsafe { &mut *self.dev }
    }

    /// Sets the MTU, in bytes, if it is to be another one than the link type's.
    pub fn mtu(&mut self, mtu: u32) -> &mut Self {
        self.raw().mtu = mtu;
        self
    }

    /// Sets the limits of what users may set the MTU to; a `max` of 0 is none.
    ///
    /// C counterpart: `min_mtu`, `max_mtu`; `dev_validate_mtu()`, `net/core/dev.c`.
    pub fn mtu_limits(&mut self, min: u32, max: u32) -> &mut Self {
        let dev = self.raw();
        dev.min_mtu = min;
        dev.max_mtu = max;
        self
    }

    /// Gives the device a random address of its own.
    ///
    /// C counterpart: `eth_hw_addr_random()`, `include/linux/etherdevice.h`.
    pub fn eth_hw_addr_random(&mut self) -> &mut Self
    where
        T: Operations<LinkType: EthernetHeader>,
    {
        // SAFETY: By the type's invariants; the list of addresses is there before `setup`
        // (`alloc_netdev_mqs()`, net/core/dev.c), and an address has Ethernet's length.
        unsafe { bindings::eth_hw_addr_random(self.dev) };
        self
    }

    /// Adds flags that user space sees.
    pub fn flags(&mut self, flags: impl Into<InterfaceFlags>) -> &mut Self {
        self.raw().flags |= u32::from(flags.into());
        self
    }

    /// Takes flags away that the link type has set.
    pub fn clear_flags(&mut self, flags: impl Into<InterfaceFlags>) -> &mut Self {
        self.raw().flags &= !u32::from(flags.into());
        self
    }

    /// Makes the device a loopback to user space and the protocols: what is sent on it is received
    /// on it.
    pub fn loopback(&mut self) -> &mut Self
    where
        T: link::Operations<Guard: Shield<T>>,
    {
        self.raw().flags |= bindings::net_device_flags_IFF_LOOPBACK;
        self
    }

    /// Adds flags that only the kernel sees.
    pub fn priv_flags(&mut self, flags: impl Into<PrivFlags>) -> &mut Self {
        self.add_priv_flags(flags.into().into());
        self
    }

    pub(super) fn add_priv_flags(&mut self, flags: u32) {
        // SAFETY: Both views of the union hold the same bits.
        let fast = unsafe { &mut self.raw().__bindgen_anon_1.priv_flags_fast };
        fast.set_priv_flags(fast.priv_flags() | flags as usize);
    }

    /// Makes the device an L3 master for good, without a routing table of its own: the core sends
    /// through it what its local routes lead to, and nowhere while it is down.
    ///
    /// [`Device::set_l3_master`](super::device::Device::set_l3_master) is for a device that is one
    /// now and then.
    ///
    /// C counterpart: `vrf_setup()`, `drivers/net/vrf.c`.
    pub fn l3_master(&mut self) -> &mut Self {
        self.add_priv_flags(bindings::netdev_priv_flags_IFF_L3MDEV_MASTER);
        self
    }

    /// Lets [`Operations::start_xmit`] run on several CPUs at once, without the queue's lock.
    pub fn lltx(&mut self) -> &mut Self {
        // SAFETY: Both views of the union hold the same bits.
        unsafe { &mut self.raw().__bindgen_anon_1.priv_flags_fast }.set_lltx(1);
        self
    }

    /// Lets packets keep their route past [`Operations::start_xmit`].
    ///
    /// C counterpart: `netif_keep_dst()`.
    pub fn keep_dst(&mut self) -> &mut Self {
        // SAFETY: By the type's invariants.
        unsafe { bindings::netif_keep_dst(self.dev) };
        self
    }

    /// Sets the features that are on, and those of them that users may switch.
    pub fn features(
        &mut self,
        on: impl Into<Features>,
        switchable: impl Into<Features>,
    ) -> &mut Self {
        let dev = self.raw();
        dev.features = on.into().into();
        dev.hw_features = switchable.into().into();
        self
    }

    /// Sets the features that packets in a tunnel may make use of.
    pub fn hw_enc_features(&mut self, features: impl Into<Features>) -> &mut Self {
        self.raw().hw_enc_features = features.into().into();
        self
    }

    /// Sets the size up to which TCP may build packets for the device to segment, in bytes.
    ///
    /// The limit in force stays at its default until the user raises it up to this one. A size that
    /// has no room for headers does not compile: sockets subtract them, without looking
    /// (`sk_dst_gso_max_size()`, `net/core/sock.c`).
    ///
    /// C counterpart: `netif_set_tso_max_size()`, `net/core/dev.c`; the bound is the one of users,
    /// `IFLA_GSO_MAX_SIZE` in `net/core/rtnetlink.c`.
    pub fn tso_max_size<const SIZE: u32>(&mut self) -> &mut Self {
        const { assert!(SIZE > bindings::MAX_TCP_HEADER) };
        // SAFETY: By the type's invariants.
        unsafe { bindings::netif_set_tso_max_size(self.dev, SIZE) };
        self
    }

    /// Offers `T`'s [`ethtool::Operations`].
    pub fn ethtool(&mut self) -> &mut Self
    where
        T: ethtool::Operations,
    {
        self.raw().ethtool_ops = ethtool::Adapter::<T>::ops();
        self
    }

    /// Offers `T`'s [`queue_stats::Operations`].
    pub fn queue_stats(&mut self) -> &mut Self
    where
        T: queue_stats::Operations,
    {
        self.raw().stat_ops = queue_stats::Adapter::<T>::ops();
        self
    }
}

/// The largest size that GSO can split, in bytes (`GSO_MAX_SIZE`, `include/linux/netdevice.h`).
pub const GSO_MAX_SIZE: u32 = bindings::GSO_MAX_SIZE;

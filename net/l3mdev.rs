// SPDX-License-Identifier: GPL-2.0

//! L3 master devices.
//!
//! The core sends a packet for a local route through the namespace's `lo`, whatever device the
//! route names, unless that device is an L3 master: then through the device itself
//! (`ip_rt_get_dev()` and `__mkroute_output()`, `net/ipv4/route.c`; `ip6_rt_get_dev_rcu()`,
//! `net/ipv6/route.c`).
//!
//! C header: [`include/net/l3mdev.h`](srctree/include/net/l3mdev.h)

use super::{
    bindings,
    context::{
        RcuRead,
        Rtnl, //
    },
    device::{
        AnyDevice,
        Device,
        Operations, //
    },
    once::{
        read_once,
        write_once, //
    },
};

/// The operations of every device, from its setup on: `l3mdev_fib_table_rcu()` and the like
/// dereference them once they have seen the flag, without a check and without a barrier.
///
/// There are none. Above all no `l3mdev_fib_table`: a device with one has a routing table of its
/// own, to which a rule `l3mdev` leads whatever the function says, and 0 would be the table `main`
/// (`l3mdev_fib_rule_match()`, `net/l3mdev/l3mdev.c`; `fib_get_table()`, `net/ipv4/fib_frontend.c`).
pub(super) const NO_OPS: bindings::l3mdev_ops = pin_init::zeroed();

impl<T: Operations> Device<T> {
    /// Makes the device an L3 master, or an ordinary device again.
    ///
    /// May be done at any time: those who read it without a lock see one or the other. A slave
    /// must not become one ([`Device::is_l3_slave`]): the core would take it for the one here and
    /// for the other there.
    #[inline]
    pub fn set_l3_master(&self, on: bool, _rtnl: &Rtnl) {
        let flags = self.priv_flags();
        // SAFETY: The pointer is that of a field.
        let old = unsafe { read_once(flags) };
        let new = if on {
            old | L3_MASTER
        } else {
            old & !L3_MASTER
        };
        // SAFETY: As above, and the operations are there since setup. The flags are written
        // under RTNL only, which `_rtnl` says is held, and read without any lock.
        unsafe { write_once(flags, new) };
    }

    /// Whether the device belongs to an L3 master, a VRF: its addresses and routes are in that
    /// one's table, and the core sends through it.
    ///
    /// C counterpart: `netif_is_l3_slave()`, `include/linux/netdevice.h`.
    #[inline]
    pub fn is_l3_slave(&self, _rtnl: &Rtnl) -> bool {
        // SAFETY: The pointer is that of a field.
        unsafe { read_once(self.priv_flags()) & L3_SLAVE != 0 }
    }
}

impl AnyDevice {
    /// `dev->priv_flags`, without the bitfields that follow in the same `unsigned long`.
    ///
    /// Of a bitfield that is the first one and 32 bits long the place is the same everywhere: the
    /// low half of a word of 64 bits on a little endian machine, the high half on another one, and a
    /// word of its own where words have 32 bits.
    fn priv_flags(&self) -> *mut u32 {
        type Group = bindings::net_device__bindgen_ty_1;

        const { assert!(size_of::<Group>() == 8 && align_of::<Group>() >= align_of::<u32>()) };
        // SAFETY: By the type's invariants.
        unsafe { &raw mut (*self.as_raw()).__bindgen_anon_1 }.cast()
    }

    /// Whether the device is an L3 master, such as a VRF.
    ///
    /// C counterpart: `netif_is_l3_master()`, `include/linux/netdevice.h`.
    #[inline]
    pub fn is_l3_master(&self) -> bool {
        // SAFETY: By the type's invariants.
        unsafe { bindings::netif_is_l3_master(self.as_raw()) }
    }

    /// The L3 master that the device belongs to, if it does; not itself.
    ///
    /// C counterpart: `l3mdev_master_dev_rcu()`, `include/net/l3mdev.h`.
    #[inline]
    pub fn l3_master_above<'rcu>(&self, _rcu: &'rcu RcuRead) -> Option<&'rcu AnyDevice> {
        // SAFETY: By the type's invariants; inside RCU.
        let master = unsafe { bindings::l3mdev_master_dev_rcu(self.as_raw()) };
        if master.is_null() || master == self.as_raw() {
            return None;
        }
        // SAFETY: A master is taken from the list before its unregistration waits for RCU.
        Some(unsafe { AnyDevice::from_raw(master) })
    }
}

const L3_MASTER: u32 = bindings::netdev_priv_flags_IFF_L3MDEV_MASTER;
const L3_SLAVE: u32 = bindings::netdev_priv_flags_IFF_L3MDEV_SLAVE;

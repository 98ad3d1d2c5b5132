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
    context::Rtnl,
    device::{
        self,
        Device, //
    },
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    num::NonZeroU32, //
};

/// What the core asks of an L3 master.
///
/// C counterpart: `struct l3mdev_ops`.
pub trait Operations: device::Operations {
    /// The routing table of the device's own domain, or none if its addresses and routes belong
    /// into the ordinary tables. Any context, inside RCU.
    ///
    /// C counterpart: `l3mdev_fib_table`.
    fn fib_table(dev: &Device<Self>) -> Option<NonZeroU32>;
}

/// Those of an L3 master that has no answers of its own. They have to be there all the same:
/// `l3mdev_fib_table_rcu()` and the like dereference them without a check.
// SAFETY: All fields are optional functions, for which zero is `None`.
pub(super) const NO_OPS: bindings::l3mdev_ops = unsafe { MaybeUninit::zeroed().assume_init() };

struct Adapter<T>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    const OPS: bindings::l3mdev_ops = bindings::l3mdev_ops {
        l3mdev_fib_table: Some(Self::fib_table),
        // SAFETY: The other fields are optional functions, for which zero is `None`.
        ..unsafe { MaybeUninit::zeroed().assume_init() }
    };

    /// # Safety
    ///
    /// To be called by the core as `l3mdev_fib_table` of a device of `T`.
    unsafe extern "C" fn fib_table(dev: *const bindings::net_device) -> u32 {
        // SAFETY: The device is an L3 master, which it became through `Device::set_l3_master`,
        // thus a whole device of `T`; RCU keeps it alive.
        T::fib_table(unsafe { Device::from_raw(dev.cast_mut()) }).map_or(0, NonZeroU32::get)
    }
}

impl<T: Operations> Device<T> {
    /// Makes the device an L3 master, or an ordinary device again.
    ///
    /// May be done at any time: those who read it without a lock see one or the other.
    pub fn set_l3_master(&self, on: bool, _rtnl: &Rtnl) {
        let dev = self.as_raw();

        // SAFETY: By the invariants of `Device` the pointer is valid. Both words are written under
        // RTNL only, which `_rtnl` says is held. The operations are set before the flag and stay,
        // since `l3mdev_fib_table_rcu()` and the like dereference them without a check; they are
        // read through a pointer that is reached over the flag.
        unsafe {
            (&raw mut (*dev).l3mdev_ops).write_volatile(&Adapter::<T>::OPS);
            core::sync::atomic::fence(core::sync::atomic::Ordering::Release);

            let word = (&raw mut (*dev).__bindgen_anon_1).cast::<usize>();
            let old = word.read_volatile();
            word.write_volatile(if on {
                old | L3_MASTER
            } else {
                old & !L3_MASTER
            });
        }
    }
}

/// Where `IFF_L3MDEV_MASTER` lies in the word that holds `priv_flags`, a bitfield.
const L3_MASTER: usize = {
    type Word = bindings::net_device__bindgen_ty_1;

    assert!(size_of::<Word>() == size_of::<usize>());
    assert!(align_of::<Word>() == align_of::<usize>());
    let flag = bindings::netdev_priv_flags_IFF_L3MDEV_MASTER as usize;
    // The first field of the word: its low end, or its high one.
    if cfg!(target_endian = "little") {
        flag
    } else {
        flag << (usize::BITS - u32::BITS)
    }
};

// SPDX-License-Identifier: GPL-2.0

//! The driver itself: what becomes of a packet that it is handed.

use super::{
    check,
    skbuff::{
        freed_after_a_while,
        in_xmit,
        packet,
        packet_of,
        TestRoute,
        FREED, //
    },
};
use crate::{
    net::{
        adapter::Adapter,
        bindings,
        context::Rtnl,
        device::Device,
        link::Operations, //
    },
    RustLo,
};
use core::ptr;
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::Relaxed,
        rcu, //
    }, //
};

/// A device, without a [`link::Registration`](crate::net::link::Registration) at hand:
/// that of the module is the module's.
pub(super) struct Own {
    dev: *mut bindings::net_device,
}

impl Own {
    pub(super) fn new(rtnl: &Rtnl) -> Result<Self> {
        let own = Self::down(rtnl)?;
        // SAFETY: The device is registered, and RTNL is held.
        to_result(unsafe { bindings::dev_open(own.dev, ptr::null_mut()) })?;
        Ok(own)
    }

    pub(super) fn down(_rtnl: &Rtnl) -> Result<Self> {
        // SAFETY: The name fits; size and setup belong together.
        let dev = unsafe {
            bindings::alloc_netdev_mqs(
                Adapter::<RustLo>::PRIV_SIZE as c_int,
                kernel::str::as_char_ptr_in_const_context(c"rust_lo_kunit"),
                bindings::NET_NAME_ENUM as u8,
                Some(Adapter::<RustLo>::setup),
                1,
                1,
            )
        };
        if dev.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: The device is ours alone. The kind is registered as long as the module is
        // loaded, and with it its guard.
        unsafe { (*dev).rtnl_link_ops = RustLo::OPS.get().as_raw() };
        // SAFETY: As above; RTNL is held.
        if let Err(e) = to_result(unsafe { bindings::register_netdevice(dev) }) {
            // SAFETY: It was not registered.
            unsafe { bindings::free_netdev(dev) };
            return Err(e);
        }
        Ok(Self { dev })
    }

    /// What the driver has counted: refused by the backlog, too short, no memory.
    pub(super) fn drops(&self) -> [u64; 3] {
        let drops = &self.device().private().drops;
        [&drops.backlog, &drops.too_short, &drops.no_memory].map(|counter| counter.get())
    }

    pub(super) fn device(&self) -> &Device<RustLo> {
        // SAFETY: It is registered until this is dropped.
        unsafe { Device::from_raw(self.dev) }
    }

    /// Hands a packet over as the core does; `look` sees it while it waits in the backlog.
    fn xmit(&self, skb: *mut bindings::sk_buff, look: impl FnOnce() -> Result) -> Result {
        // SAFETY: The device was set up, which set its operations.
        let xmit = unsafe { (*(*self.dev).netdev_ops).ndo_start_xmit }.ok_or(EINVAL)?;
        let _rcu = rcu::read_lock();
        in_xmit(|_| {
            // SAFETY: The packet is handed over, in the context of a transmit.
            let answer = unsafe { xmit(skb, self.dev) };
            check!(answer == bindings::netdev_tx::NETDEV_TX_OK);
            look()
        })
    }

    pub(super) fn stats(&self) -> bindings::rtnl_link_stats64 {
        let mut stats = pin_init::zeroed();
        // SAFETY: The device is registered.
        unsafe { bindings::dev_get_stats(self.dev, &mut stats) };
        stats
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: It is registered, and RTNL is held: it was when it was made, by the caller, whose
        // guard is older and so is dropped after this.
        unsafe { bindings::unregister_netdevice_queue(self.dev, core::ptr::null_mut()) };
    }
}

#[kunit_tests(rust_lo_driver)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// In the backlog a packet has no owner, no stamp, and a route that it holds.
    #[test]
    fn on_its_way() -> Result {
        let route = TestRoute::new(bindings::AF_INET)?;
        let rtnl = Rtnl::lock();
        let own = Own::new(&rtnl)?;
        let skb = packet_of(bindings::ETH_P_IP)?;
        // SAFETY: The packet is ours, and gone before the route is.
        unsafe { route.lend(skb) };
        // SAFETY: As above.
        unsafe { (*skb).__bindgen_anon_2.tstamp = 12345 };
        own.xmit(skb, || {
            check!(route.references(), 1);
            // SAFETY: The backlog of this CPU is not worked off while bottom halves are disabled.
            let (held, stamp) = unsafe {
                (
                    (*skb).__bindgen_anon_3.__bindgen_anon_1._skb_refdst,
                    (*skb).__bindgen_anon_2.tstamp,
                )
            };
            check!(held, route.as_refdst());
            check!(stamp != 12345);
            check!(FREED.load(Relaxed), 1);
            Ok(())
        })?;
        check!(freed_after_a_while(), 1);
        check!(route.references(), 0);
        let stats = own.stats();
        check!((stats.tx_packets, stats.tx_bytes), (1, 6));
        check!((stats.rx_packets, stats.rx_bytes), (1, 6));
        Ok(())
    }

    /// A frame without a whole header is dropped and counted.
    #[test]
    fn too_short() -> Result {
        let rtnl = Rtnl::lock();
        let own = Own::new(&rtnl)?;
        for (n, len) in [0, 1, 13].into_iter().enumerate() {
            own.xmit(packet(len)?, || Ok(()))?;
            check!(FREED.load(Relaxed), 1);
            check!(own.stats().tx_dropped, n as u64 + 1);
            check!(own.stats().tx_packets, 0);
            check!(own.drops(), [0, n as u64 + 1, 0]);
        }
        Ok(())
    }

    /// What the backlog refuses is counted by the core and by the driver, and not as sent.
    #[test]
    fn refused() -> Result {
        let rtnl = Rtnl::lock();
        // The backlog takes nothing for a device that is down.
        let own = Own::down(&rtnl)?;
        for n in 1..=3 {
            own.xmit(packet(20)?, || Ok(()))?;
            check!(FREED.load(Relaxed), 1);
            check!(own.stats().rx_dropped, n);
            check!((own.stats().tx_packets, own.stats().rx_packets), (0, 0));
            check!(own.drops(), [n, 0, 0]);
        }
        Ok(())
    }
}

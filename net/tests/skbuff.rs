// SPDX-License-Identifier: GPL-2.0

//! Packets: each is freed once, on every path.

use super::{
    check,
    probe::{
        self,
        Probe, //
    },
};
use crate::net::{
    bindings,
    context::XmitContext,
    device::Device,
    skbuff::{
        DropReason,
        Dropped,
        NoHeader,
        SkBuff, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// In `_skb_refdst`: the route is protected by RCU only (`include/linux/skbuff.h`).
pub(super) const SKB_DST_NOREF: usize = 1;

/// How often the destructor of a test packet was called.
pub(super) static FREED: Atomic<u32> = Atomic::new(0);

/// # Safety
///
/// To be called by the core as the destructor of a packet.
unsafe extern "C" fn freed(_skb: *mut bindings::sk_buff) {
    FREED.add(1, Relaxed);
}

/// A packet of `len` bytes: the beginning of a frame of a protocol that nobody speaks.
///
/// The destructor is called when its last reference goes, or when it is orphaned.
pub(super) fn packet(len: usize) -> Result<*mut bindings::sk_buff> {
    const FRAME: [u8; 20] = *b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x88\xb5rust_l";

    FREED.store(0, Relaxed);
    // SAFETY: All arguments are valid.
    let skb =
        unsafe { bindings::__alloc_skb(FRAME.len() as u32, kernel::bindings::GFP_KERNEL, 0, -1) };
    if skb.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: The packet was just made, and has room for `len` bytes, which is at most the
    // length of `FRAME`.
    unsafe {
        let data = bindings::skb_put(skb, len as u32).cast::<u8>();
        data.copy_from_nonoverlapping(FRAME.as_ptr(), len.min(FRAME.len()));
        (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor = Some(freed);
    }
    Ok(skb)
}

/// The same, owned.
fn owned(len: usize) -> Result<SkBuff<'static>> {
    let skb = packet(len)?;
    // SAFETY: Nobody else has it.
    Ok(unsafe { SkBuff::from_raw(skb) })
}

/// Calls `test` in the context of a transmit.
pub(super) fn in_xmit<R>(test: impl FnOnce(&XmitContext) -> R) -> R {
    // SAFETY: Enabled again below.
    unsafe { bindings::local_bh_disable() };
    // SAFETY: Bottom halves are disabled, which is an RCU reader too.
    let result = test(&unsafe { XmitContext::assume() });
    // SAFETY: Disabled above.
    unsafe { bindings::local_bh_enable() };
    result
}

/// How often the packet was freed, when there was time for a backlog to be worked off.
pub(super) fn freed_after_a_while() -> u32 {
    for _ in 0..1000 {
        if FREED.load(Relaxed) != 0 {
            break;
        }
        fsleep(Delta::from_millis(1));
    }
    fsleep(Delta::from_millis(10));
    FREED.load(Relaxed)
}

/// Sends a packet as the core does.
fn xmit(dev: &Device<Probe>, skb: *mut bindings::sk_buff) -> Option<bindings::netdev_tx_t> {
    // SAFETY: The device was set up, which set its operations.
    let start_xmit = unsafe { (*(*dev.as_raw()).netdev_ops).ndo_start_xmit }?;
    // SAFETY: The packet is handed over, in the context of a transmit.
    Some(in_xmit(|_| unsafe { start_xmit(skb, dev.as_raw()) }))
}

#[kunit_tests(rust_lo_skbuff)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    #[test]
    fn dropped() -> Result {
        let skb = owned(20)?;
        check!(FREED.load(Relaxed), 0);
        drop(skb);
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn dropped_for_a_reason() -> Result {
        for reason in [
            DropReason::NotSpecified,
            DropReason::HeaderTruncated,
            DropReason::NoMemory,
        ] {
            owned(20)?.drop_reason(reason);
            check!(FREED.load(Relaxed), 1);
        }
        Ok(())
    }

    /// Only the own reference is given up.
    #[test]
    fn dropped_with_others_holding_it() -> Result {
        let raw = packet(20)?;
        // SAFETY: The packet is ours; the reference that is taken here is given up below.
        let users = unsafe { &raw mut (*raw).users };
        // SAFETY: As above.
        let count = move || unsafe { (*users).refs.counter };
        // SAFETY: As above; nobody else counts.
        unsafe { (*users).refs.counter += 1 };
        // SAFETY: One of the two references goes to the new value.
        drop(unsafe { SkBuff::from_raw(raw) });
        check!(count(), 1);
        check!(FREED.load(Relaxed), 0);
        // SAFETY: The other one.
        drop(unsafe { SkBuff::from_raw(raw) });
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }

    /// The socket is let go at once, and not a second time.
    #[test]
    fn orphaned() -> Result {
        let mut skb = owned(20)?;
        skb.orphan();
        check!(FREED.load(Relaxed), 1);
        skb.orphan();
        drop(skb);
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }

    /// A frame without a whole header comes back, and is freed then.
    #[test]
    fn too_short_for_a_header() -> Result {
        probe::with_device(|dev, _| {
            for len in [0, 1, 13] {
                match owned(len)?.eth_type_trans(dev) {
                    Ok(_) => return Err(EINVAL),
                    Err((skb, why)) => {
                        check!(why, NoHeader::TooShort);
                        check!(FREED.load(Relaxed), 0);
                        drop(skb);
                        check!(FREED.load(Relaxed), 1);
                    }
                }
            }
            Ok(())
        })
    }

    /// A whole header is taken off, and what it says is in the packet.
    #[test]
    fn received_frame() -> Result {
        probe::with_device(|dev, _| {
            for len in [14, 20] {
                let raw = packet(len)?;
                // SAFETY: The packet is handed over.
                let Ok(skb) = unsafe { SkBuff::from_raw(raw) }.eth_type_trans(dev) else {
                    return Err(EINVAL);
                };
                check!(skb.len(), len as u32 - 14);
                // SAFETY: `skb` owns the packet until below.
                let (protocol, on) = unsafe {
                    let headers = (*raw).__bindgen_anon_4.headers.as_ref();
                    let by_device = (*raw).__bindgen_anon_1.__bindgen_anon_1;
                    (headers.protocol, by_device.__bindgen_anon_1.dev)
                };
                check!(protocol, 0x88b5u16.to_be());
                check!(core::ptr::eq(on, dev.as_raw()));
                check!(FREED.load(Relaxed), 0);
                drop(skb);
                check!(FREED.load(Relaxed), 1);
            }
            Ok(())
        })
    }

    /// The backlog frees what nobody wants.
    #[test]
    fn received() -> Result {
        probe::with_device(|dev, _| {
            let Ok(skb) = owned(20)?.eth_type_trans(dev) else {
                return Err(EINVAL);
            };
            check!(in_xmit(|ctx| skb.netif_rx(ctx.bh())), Ok(()));
            check!(freed_after_a_while(), 1);
            Ok(())
        })
    }

    /// What the backlog refuses is freed, and counted by the core.
    #[test]
    fn refused_by_the_backlog() -> Result {
        probe::begin(None);
        let links = probe::links()?;
        let rtnl = crate::net::context::Rtnl::lock();
        // Down, so that the backlog does not take its packets.
        let dev = links.create(probe::NAME, &rtnl)?;
        let Ok(skb) = owned(20)?.eth_type_trans(dev) else {
            return Err(EINVAL);
        };
        check!(in_xmit(|ctx| skb.netif_rx(ctx.bh())), Err(Dropped));
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }

    /// A driver that does nothing with a packet has dropped it.
    #[test]
    fn transmit_that_drops() -> Result {
        probe::with_device(|dev, _| {
            check!(
                xmit(dev, packet(20)?),
                Some(bindings::netdev_tx_NETDEV_TX_OK)
            );
            check!(FREED.load(Relaxed), 1);
            check!(dev.lstats().packets, 0);
            Ok(())
        })
    }

    #[test]
    fn transmit_that_receives() -> Result {
        probe::with_device(|dev, _| {
            probe::loop_back();
            check!(
                xmit(dev, packet(20)?),
                Some(bindings::netdev_tx_NETDEV_TX_OK)
            );
            check!(freed_after_a_while(), 1);
            check!((dev.lstats().packets, dev.lstats().bytes), (1, 6));
            Ok(())
        })
    }

    #[test]
    fn transmit_of_a_short_frame() -> Result {
        probe::with_device(|dev, _| {
            probe::loop_back();
            check!(
                xmit(dev, packet(13)?),
                Some(bindings::netdev_tx_NETDEV_TX_OK)
            );
            check!(FREED.load(Relaxed), 1);
            check!(dev.lstats().packets, 0);
            Ok(())
        })
    }

    /// A route without a reference gets one, and gives it back with the packet.
    #[test]
    fn route_is_held() -> Result {
        // SAFETY: Zero is a valid value; `__rcuref` counts the references beyond the first.
        let route: bindings::dst_entry = unsafe { core::mem::zeroed() };
        let mut route = KBox::new(route, GFP_KERNEL)?;
        let raw = packet(20)?;
        // SAFETY: The packet is ours; the route lives longer.
        unsafe {
            (*raw).__bindgen_anon_3.__bindgen_anon_1._skb_refdst =
                (&raw mut *route) as usize | SKB_DST_NOREF;
        }
        // SAFETY: The packet is handed over.
        let mut skb = unsafe { SkBuff::from_raw(raw) };
        for _ in 0..2 {
            let _rcu = rcu::read_lock();
            in_xmit(|ctx| skb.dst_force(ctx.rcu()));
            check!(route.__rcuref.refcnt.counter, 1);
        }
        // SAFETY: `skb` owns the packet until below.
        let held = unsafe { (*raw).__bindgen_anon_3.__bindgen_anon_1._skb_refdst };
        check!(held, (&raw mut *route) as usize);
        drop(skb);
        check!(route.__rcuref.refcnt.counter, 0);
        Ok(())
    }

    /// Stamps are forgotten, routes that are not there are no matter.
    #[test]
    fn stamps() -> Result {
        let raw = packet(20)?;
        // SAFETY: The packet is handed over; the field is written before.
        let mut skb = unsafe {
            (*raw).__bindgen_anon_2.tstamp = 12345;
            SkBuff::from_raw(raw)
        };
        skb.sw_tx_timestamp();
        skb.clear_tstamp();
        in_xmit(|ctx| skb.dst_force(ctx.rcu()));
        // SAFETY: `skb` owns the packet until below.
        check!(unsafe { (*raw).__bindgen_anon_2.tstamp }, 0);
        drop(skb);
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }
}

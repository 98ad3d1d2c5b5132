// SPDX-License-Identifier: GPL-2.0

//! Packets: each is freed once, on every path.

use super::{
    check,
    probe::{
        self,
        Probe, //
    },
};
use crate::drop_reason;
use crate::net::{
    bindings,
    context::XmitContext,
    device::Device,
    skbuff::{
        Dropped,
        NoHeader,
        RxSkBuff,
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

/// That of the first namespace.
fn lo() -> *mut bindings::net_device {
    let _rcu = rcu::read_lock();
    // SAFETY: The namespace is static, and this inside RCU. Nobody takes its `lo` away.
    unsafe { bindings::dev_by_index(&raw mut bindings::init_net, 1) }
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
    let lo = lo();
    // SAFETY: The packet was just made, and has room for `len` bytes, which is at most the
    // length of `FRAME`.
    unsafe {
        (*skb)
            .__bindgen_anon_1
            .__bindgen_anon_1
            .__bindgen_anon_1
            .dev = lo;
        let data = bindings::skb_put(skb, len as u32).cast::<u8>();
        data.copy_from_nonoverlapping(FRAME.as_ptr(), len.min(FRAME.len()));
        (*skb).__bindgen_anon_3.__bindgen_anon_1.destructor = Some(freed);
    }
    Ok(skb)
}

/// A packet of 20 bytes, of this protocol by its header.
pub(super) fn packet_of(protocol: u32) -> Result<*mut bindings::sk_buff> {
    let skb = packet(20)?;
    // SAFETY: The packet is ours, and its data are as long.
    unsafe {
        let bytes = (*skb).data.add(12).cast::<[u8; 2]>();
        bytes.write((protocol as u16).to_be_bytes());
    }
    Ok(skb)
}

/// A route that leads nowhere.
pub(super) struct TestRoute {
    route: KBox<bindings::rtable>,
    _ops: KBox<bindings::dst_ops>,
}

impl TestRoute {
    pub(super) fn new(family: u32) -> Result<Self> {
        Self::with_flags(family, 0)
    }

    /// By the `lo` of the first namespace.
    fn with_flags(family: u32, flags: u16) -> Result<Self> {
        // SAFETY: Zero is a valid value; `__rcuref` counts the references beyond the first.
        let route: bindings::rtable = unsafe { core::mem::zeroed() };
        let mut route = KBox::new(route, GFP_KERNEL)?;
        // SAFETY: Zero is a valid value.
        let ops: bindings::dst_ops = unsafe { core::mem::zeroed() };
        let mut ops = KBox::new(ops, GFP_KERNEL)?;
        ops.family = family as u16;
        route.dst.ops = &raw mut *ops;
        route.dst.flags = flags;
        route.dst.__bindgen_anon_1.dev = lo();
        Ok(Self { route, _ops: ops })
    }

    /// Makes it one by this device.
    fn by(&mut self, dev: *mut bindings::net_device) {
        self.route.dst.__bindgen_anon_1.dev = dev;
    }

    /// Gives it to a packet, which has no reference to it then.
    ///
    /// # Safety
    ///
    /// The packet must be the caller's, and have gone, or lost it, before `self` is.
    pub(super) unsafe fn lend(&self, skb: *mut bindings::sk_buff) {
        // SAFETY: By the function's safety requirement.
        unsafe {
            (*skb).__bindgen_anon_3.__bindgen_anon_1._skb_refdst = self.as_refdst() | SKB_DST_NOREF
        };
    }

    /// What a packet with a reference to it has in `_skb_refdst`.
    pub(super) fn as_refdst(&self) -> usize {
        &raw const *self.route as usize
    }

    /// How many there are beyond the first.
    pub(super) fn references(&self) -> i32 {
        let counter = &raw const self.route.dst.__rcuref.refcnt.counter;
        // SAFETY: A part of `self`. Volatile, as others count meanwhile.
        unsafe { counter.read_volatile() }
    }
}

/// A device in a namespace that there is not.
struct Elsewhere(KBox<bindings::net_device>);

impl Elsewhere {
    fn new() -> Result<Self> {
        // SAFETY: Zero is a valid value.
        let dev: bindings::net_device = unsafe { core::mem::zeroed() };
        let mut dev = KBox::new(dev, GFP_KERNEL)?;
        dev.nd_net.net = core::ptr::dangling_mut();
        Ok(Self(dev))
    }

    fn as_raw(&self) -> *mut bindings::net_device {
        core::ptr::from_ref(&*self.0).cast_mut()
    }
}

/// The same as [`packet`], owned.
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

/// Makes a packet one that `dev` has received, lets `look` see it, and consumes it.
fn receive<R>(
    raw: *mut bindings::sk_buff,
    dev: &Device<Probe>,
    look: impl FnOnce(&RxSkBuff<'_>) -> R,
) -> Result<R> {
    let _rcu = rcu::read_lock();
    // SAFETY: The packet is handed over, inside RCU.
    match unsafe { SkBuff::from_raw(raw) }.eth_type_trans(dev) {
        Ok(skb) => {
            let result = look(&skb);
            skb.consume();
            Ok(result)
        }
        Err((skb, _)) => {
            skb.consume();
            Err(EINVAL)
        }
    }
}

/// A packet that `dev` has received.
fn frame(dev: &Device<Probe>) -> Result<RxSkBuff<'_>> {
    owned(20)?.eth_type_trans(dev).map_err(|(skb, _)| {
        skb.consume();
        EINVAL
    })
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
    fn consumed() -> Result {
        let skb = owned(20)?;
        let early = FREED.load(Relaxed);
        skb.consume();
        check!(early, 0);
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn dropped() -> Result {
        for reason in [
            drop_reason!(NOT_SPECIFIED),
            drop_reason!(HDR_TRUNC),
            drop_reason!(RECURSION_LIMIT),
        ] {
            owned(20)?.drop(reason);
            check!(FREED.load(Relaxed), 1);
        }
        Ok(())
    }

    /// With interrupts off it is freed later: destructors and what frees the data may not run
    /// there.
    #[test]
    fn dropped_with_interrupts_off() -> Result {
        for consume in [false, true] {
            let skb = owned(20)?;
            // SAFETY: On again below.
            unsafe { bindings::local_irq_disable() };
            if consume {
                skb.consume();
            } else {
                skb.drop(drop_reason!(NOT_SPECIFIED));
            }
            let early = FREED.load(Relaxed);
            // SAFETY: They were on.
            unsafe { bindings::local_irq_enable() };
            check!(early, 0);
            check!(freed_after_a_while(), 1);
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
        unsafe { SkBuff::from_raw(raw) }.consume();
        check!(count(), 1);
        check!(FREED.load(Relaxed), 0);
        // SAFETY: The other one.
        unsafe { SkBuff::from_raw(raw) }.consume();
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }

    /// The socket is let go at once, and not a second time.
    #[test]
    fn orphaned() -> Result {
        let mut skb = owned(20)?;
        skb.orphan();
        let once = FREED.load(Relaxed);
        skb.orphan();
        skb.consume();
        check!(once, 1);
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }

    /// A frame without a whole header comes back, and is freed then.
    #[test]
    fn too_short_for_a_header() -> Result {
        probe::with_device(|dev, _| {
            for len in [0, 1, 13] {
                let (why, early) = match owned(len)?.eth_type_trans(dev) {
                    Ok(skb) => {
                        skb.consume();
                        (None, 0)
                    }
                    Err((skb, why)) => {
                        let early = FREED.load(Relaxed);
                        skb.consume();
                        (Some(why), early)
                    }
                };
                check!((why, early), (Some(NoHeader::TooShort), 0));
                check!(FREED.load(Relaxed), 1);
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
                let (rest, protocol, on) = receive(raw, dev, |skb| {
                    // SAFETY: `skb` owns the packet.
                    let headers = unsafe { (*raw).__bindgen_anon_4.headers.as_ref() };
                    // SAFETY: As above; it is of this view of the union.
                    let by_device = unsafe { (*raw).__bindgen_anon_1.__bindgen_anon_1 };
                    // SAFETY: As above.
                    let on = unsafe { by_device.__bindgen_anon_1.dev };
                    (skb.len(), headers.protocol, on)
                })?;
                check!(rest, len as u32 - 14);
                check!(protocol, 0x88b5u16.to_be());
                check!(core::ptr::eq(on, dev.as_raw()));
                check!(FREED.load(Relaxed), 1);
            }
            Ok(())
        })
    }

    /// The backlog frees what nobody wants.
    #[test]
    fn received() -> Result {
        probe::with_device(|dev, _| {
            let skb = frame(dev)?;
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
        let skb = frame(dev)?;
        check!(in_xmit(|ctx| skb.netif_rx(ctx.bh())), Err(Dropped));
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn transmit_that_consumes() -> Result {
        probe::with_device(|dev, _| {
            check!(xmit(dev, packet(20)?) == Some(bindings::netdev_tx::NETDEV_TX_OK));
            check!(FREED.load(Relaxed), 1);
            check!(dev.lstats().packets, 0);
            Ok(())
        })
    }

    #[test]
    fn transmit_that_receives() -> Result {
        probe::with_device(|dev, _| {
            probe::loop_back();
            check!(xmit(dev, packet(20)?) == Some(bindings::netdev_tx::NETDEV_TX_OK));
            check!(freed_after_a_while(), 1);
            check!((dev.lstats().packets, dev.lstats().bytes), (1, 6));
            Ok(())
        })
    }

    #[test]
    fn transmit_of_a_short_frame() -> Result {
        probe::with_device(|dev, _| {
            probe::loop_back();
            check!(xmit(dev, packet(13)?) == Some(bindings::netdev_tx::NETDEV_TX_OK));
            check!(FREED.load(Relaxed), 1);
            check!(dev.lstats().packets, 0);
            Ok(())
        })
    }

    /// A route without a reference gets one, and gives it back with the packet. One that is not for
    /// the packet's protocol is taken off.
    #[test]
    fn route_is_held_or_taken_off() -> Result {
        const METADATA: u16 = bindings::DST_METADATA as u16;
        const UNSPEC: u32 = 0;
        // By its header a frame of IEEE 802.3.
        const LENGTH: u32 = 6;

        probe::with_device(|dev, _| {
            for (protocol, family, flags, kept) in [
                (bindings::ETH_P_IP, bindings::AF_INET, 0, true),
                (bindings::ETH_P_IPV6, bindings::AF_INET6, 0, true),
                (bindings::ETH_P_IP, bindings::AF_INET6, 0, false),
                (bindings::ETH_P_IPV6, bindings::AF_INET, 0, false),
                (bindings::ETH_P_ARP, bindings::AF_INET, 0, false),
                (LENGTH, bindings::AF_INET6, 0, false),
                (bindings::ETH_P_IP, UNSPEC, 0, false),
                (bindings::ETH_P_IP, UNSPEC, METADATA, true),
            ] {
                let route = TestRoute::with_flags(family, flags)?;
                let raw = packet_of(protocol)?;
                // SAFETY: The packet is ours, and gone before the route is.
                unsafe { route.lend(raw) };
                let (references, refdst) = receive(raw, dev, |_| {
                    // SAFETY: `skb` owns the packet.
                    let by_route = unsafe { (*raw).__bindgen_anon_3.__bindgen_anon_1 };
                    (route.references(), by_route._skb_refdst)
                })?;
                let wanted = if kept { (1, route.as_refdst()) } else { (0, 0) };
                check!(
                    (protocol, family, references, refdst),
                    (protocol, family, wanted.0, wanted.1)
                );
                check!(route.references(), 0);
            }
            Ok(())
        })
    }

    /// So is one of another namespace, or one whose device has gone.
    #[test]
    fn route_of_another_namespace() -> Result {
        probe::with_device(|dev, _| {
            let other = Elsewhere::new()?;
            // SAFETY: It is set when the kernel starts.
            let dead = unsafe { bindings::blackhole_netdev };
            for (protocol, family) in [
                (bindings::ETH_P_IP, bindings::AF_INET),
                (bindings::ETH_P_IPV6, bindings::AF_INET6),
            ] {
                for (by, kept) in [(lo(), true), (other.as_raw(), false), (dead, false)] {
                    let mut route = TestRoute::with_flags(family, 0)?;
                    route.by(by);
                    let raw = packet_of(protocol)?;
                    // SAFETY: The packet is ours, and gone before the route is.
                    unsafe { route.lend(raw) };
                    let references = receive(raw, dev, |_| route.references())?;
                    check!((family, references), (family, i32::from(kept)));
                    check!(route.references(), 0);
                }
            }
            Ok(())
        })
    }

    /// What a device of another namespace has sent is received without anything of that.
    #[test]
    fn from_another_namespace() -> Result {
        probe::with_device(|dev, _| {
            let other = Elsewhere::new()?;
            for (from, skb_iif, orphaned) in [(lo(), 7, 0), (other.as_raw(), 0, 1)] {
                let raw = packet(20)?;
                // SAFETY: The packet is ours, and gone before the device is.
                unsafe {
                    (*raw)
                        .__bindgen_anon_1
                        .__bindgen_anon_1
                        .__bindgen_anon_1
                        .dev = from;
                    (*raw).__bindgen_anon_4.headers.as_mut().skb_iif = 7;
                }
                let seen = receive(raw, dev, |_| {
                    // SAFETY: `skb` owns the packet.
                    let headers = unsafe { (*raw).__bindgen_anon_4.headers.as_ref() };
                    (headers.skb_iif, FREED.load(Relaxed))
                })?;
                check!(seen, (skb_iif, orphaned));
            }
            Ok(())
        })
    }

    #[test]
    fn stamps() -> Result {
        let raw = packet(20)?;
        // SAFETY: The packet is ours.
        unsafe { (*raw).__bindgen_anon_2.tstamp = 12345 };
        // SAFETY: It is handed over.
        let mut skb = unsafe { SkBuff::from_raw(raw) };
        skb.sw_tx_timestamp();
        skb.clear_tstamp();
        // SAFETY: `skb` owns the packet until below.
        let stamp = unsafe { (*raw).__bindgen_anon_2.tstamp };
        skb.consume();
        check!(stamp, 0);
        check!(FREED.load(Relaxed), 1);
        Ok(())
    }
}

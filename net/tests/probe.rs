// SPDX-License-Identifier: GPL-2.0

//! A driver that keeps a log of what is done with it, and fails where it is told to.

use crate::net::{
    bindings,
    context::{
        RcuRead,
        Rtnl,
        XmitContext, //
    },
    device::{
        self,
        Device,
        Registering, //
    },
    ethtool, link,
    link_type::Loopback,
    rtnetlink::{
        ExtAck,
        LinkAttributes, //
    },
    setup::Setup,
    skbuff::SkBuff,
    stats::{
        LinkStats,
        Lstats, //
    },
    xdp::XdpFrame,
};
use core::marker::PhantomPinned;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// What can happen to the driver, and where it or its registration can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Step {
    Guard = 1,
    Setup,
    First,
    Second,
    Open,
    Stop,
    DropSecond,
    DropFirst,
    Unguard,
    /// The core allocates counters, after `ndo_init`: can only fail.
    Counters,
    /// The core takes an index for the device, after that: can only fail.
    Index,
}

/// What happened since [`begin`]: four bits for each step, the last one lowest.
static LOG: Atomic<u64> = Atomic::new(0);
/// The step that fails.
static FAIL: Atomic<u64> = Atomic::new(0);
/// What a transmit does with its packet: see [`LOOP`].
static LOOPS: Atomic<u64> = Atomic::new(0);

/// Which of the frames that are redirected to a device it gives back, the first one lowest.
static REFUSED: Atomic<u64> = Atomic::new(0);

/// Lets a device give back these frames.
pub(super) fn refuse(frames: u64) {
    REFUSED.store(frames, Relaxed);
}

/// Starts a log, and makes `fail` fail.
pub(super) fn begin(fail: Option<Step>) {
    LOG.store(0, Relaxed);
    FAIL.store(fail.map_or(0, |step| step as u64), Relaxed);
    LOOPS.store(0, Relaxed);
}

/// Lets a device receive what it sends, from now on. Else it consumes it.
pub(super) fn loop_back() {
    LOOPS.store(1, Relaxed);
}

/// What happened, to be compared with [`steps`].
pub(super) fn log() -> u64 {
    LOG.load(Relaxed)
}

/// A log with these steps.
pub(super) fn steps(steps: &[Step]) -> u64 {
    steps
        .iter()
        .fold(0, |log, step| log << u8::BITS / 2 | *step as u64)
}

/// One step at a time is done with the driver: all are under RTNL but the first and the last ones.
fn note(step: Step) {
    LOG.store(log() << (u8::BITS / 2) | step as u64, Relaxed);
}

fn step(step: Step) -> Result {
    if FAIL.load(Relaxed) == step as u64 {
        return Err(EBUSY);
    }
    note(step);
    Ok(())
}

/// Lets the step after `ndo_init` fail that is to fail, which is the core's own.
fn spoil(dev: &Registering<Probe>, rtnl: &Rtnl) {
    /// The core knows the kinds before it only.
    const NO_KIND: u32 = bindings::netdev_stat_type_NETDEV_PCPU_STAT_DSTATS + 1;

    let fail = FAIL.load(Relaxed);
    let dev = core::ptr::from_ref(dev)
        .cast_mut()
        .cast::<bindings::net_device>();
    if fail == Step::Counters as u64 {
        // SAFETY: Inside `ndo_init` nobody else uses the device. The core looks at the kind of its
        // counters later, and allocates nothing for one that it does not know.
        unsafe { (*dev).set_pcpu_stat_type(NO_KIND) };
    } else if fail == Step::Index as u64 {
        // SAFETY: As above, the index is looked at later; `lo` lives as long as the namespace.
        unsafe { (*dev).ifindex = (*find(c"lo", rtnl)).ifindex };
    }
}

/// Notes when it is made and dropped, which must be at the same place.
#[pin_data(PinnedDrop)]
pub(super) struct Part {
    end: Step,
    address: usize,
    #[pin]
    _pin: PhantomPinned,
}

impl Part {
    fn new(begin: Step, end: Step) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            end: { step(begin)?; end },
            address: this.as_ptr() as usize,
            _pin: PhantomPinned,
        })
    }

    /// Whether it lies where it was made.
    pub(super) fn in_place(&self) -> bool {
        self.address == core::ptr::from_ref(self) as usize
    }
}

#[pinned_drop]
impl PinnedDrop for Part {
    fn drop(self: Pin<&mut Self>) {
        if !self.in_place() {
            // Shows in the log as a step too many.
            note(self.end);
        }
        note(self.end);
    }
}

#[pin_data]
pub(super) struct Private {
    // Dropped in this order, made in the other.
    #[pin]
    pub(super) second: Part,
    #[pin]
    pub(super) first: Part,
}

/// Notes when it comes and goes.
#[pin_data(PinnedDrop)]
pub(super) struct Guard {
    _guard: (),
}

impl link::Guard for Guard {
    unsafe fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _guard: step(Step::Guard)?,
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Guard {
    fn drop(self: Pin<&mut Self>) {
        note(Step::Unguard);
    }
}

/// The driver.
pub(super) struct Probe;

#[vtable]
impl device::Operations for Probe {
    type Private = Private;
    type LinkType = Loopback;
    type Stats = Lstats;

    fn setup(dev: &mut Setup<'_, Self>) {
        note(Step::Setup);
        dev.mtu(1500).lltx();
    }

    fn init(dev: &Registering<Self>, rtnl: &Rtnl) -> impl PinInit<Private, Error> {
        spoil(dev, rtnl);
        dev.netdev_lockdep_set_classes();
        try_pin_init!(Private {
            first <- Part::new(Step::First, Step::DropFirst),
            second <- Part::new(Step::Second, Step::DropSecond),
        })
    }

    fn open(_dev: &Device<Self>, _rtnl: &Rtnl) -> Result {
        step(Step::Open)
    }

    fn stop(_dev: &Device<Self>, _rtnl: &Rtnl) {
        note(Step::Stop);
    }

    fn start_xmit<'dev>(dev: &'dev Device<Self>, skb: SkBuff<'dev>, ctx: &XmitContext) {
        if LOOPS.load(Relaxed) == 0 {
            return skb.consume();
        }
        match skb.eth_type_trans(dev) {
            Ok(skb) => {
                let len = skb.len();
                if skb.netif_rx(ctx.bh()).is_ok() {
                    dev.lstats_add(len, ctx.bh());
                }
            }
            Err((skb, why)) => skb.drop(why.into()),
        }
    }

    fn xdp_xmit<'dev>(
        dev: &'dev Device<Self>,
        frame: XdpFrame<'dev>,
        ctx: &XmitContext,
    ) -> Result<(), XdpFrame<'dev>> {
        let refused = REFUSED.load(Relaxed);
        REFUSED.store(refused >> 1, Relaxed);
        if refused & 1 != 0 {
            return Err(frame);
        }
        match frame.build_skb(dev) {
            Ok(skb) => {
                let len = skb.len();
                if skb.netif_rx(ctx.bh()).is_ok() {
                    dev.lstats_add(len, ctx.bh());
                }
                Ok(())
            }
            Err((frame, _)) => Err(frame),
        }
    }

    fn get_stats64(dev: &Device<Self>, stats: &mut LinkStats, _rcu: &RcuRead) {
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
        // SAFETY: The function has no preconditions.
        if unsafe { bindings::rcu_read_lock_held() } == 0 {
            return;
        }
        stats.set_rx(dev.lstats());
    }
}

#[vtable]
impl ethtool::Operations for Probe {
    type Statistics = ethtool::NoStatistics;
}

#[vtable]
impl link::Operations for Probe {
    const KIND: &'static CStr = c"rust_lo_kunit";
    type Guard = Guard;
    type Namespace = ();

    const OPS: link::OpsRef<Self> = {
        static OPS: link::Ops<Probe> = link::Ops::new();
        link::OpsRef::new(&OPS)
    };

    fn validate(attributes: &LinkAttributes<'_>, extack: &mut ExtAck<'_>) -> Result {
        attributes.check_ethernet_addresses(extack)
    }
}

pub(super) type Links = Pin<KBox<link::Registration<Probe>>>;

/// Registers the driver.
pub(super) fn links() -> Result<Links> {
    register()
}

/// Registers a driver.
pub(super) fn register<T: link::Operations>() -> Result<Pin<KBox<link::Registration<T>>>> {
    // SAFETY: A test drops it before it ends.
    KBox::pin_init(unsafe { link::Registration::new() }, GFP_KERNEL)
}

/// Name of the only device, in the initial namespace.
pub(super) const NAME: &CStr = c"rust_lo_kunit0";

/// Registers the driver with a device that is up, and calls `test` under RTNL.
pub(super) fn with_device(test: impl FnOnce(&Device<Probe>, &Rtnl) -> Result) -> Result {
    begin(None);
    let links = links()?;
    let rtnl = Rtnl::lock();
    let dev = links.create(NAME, &rtnl)?;
    links.open(dev, &rtnl)?;
    test(dev, &rtnl)
}

/// The device of this name in the initial namespace, or null.
pub(super) fn find(name: &CStr, _rtnl: &Rtnl) -> *mut bindings::net_device {
    // SAFETY: The namespace is static, the name a C string, and RTNL is held.
    unsafe {
        bindings::__dev_get_by_name(
            &raw mut bindings::init_net,
            kernel::str::as_char_ptr_in_const_context(name),
        )
    }
}

/// Whether the initial namespace has a device of this name.
pub(super) fn exists(name: &CStr, rtnl: &Rtnl) -> bool {
    !find(name, rtnl).is_null()
}

// SPDX-License-Identifier: GPL-2.0

//! What a driver keeps for each namespace, its hooks, and what a hook sees of a packet.

use super::{
    check,
    probe::{
        self,
        find, //
    },
    skbuff::packet, //
};
use crate::net::{
    bindings,
    context::{
        Rtnl,
        XmitContext, //
    },
    device::{
        self,
        Device,
        Registering, //
    },
    link,
    link_type::Loopback,
    netfilter::{
        Hook,
        HookList,
        Packet,
        Point,
        Shared,
        Verdict,
        LAST, //
    },
    netns::{
        Leave,
        PerNamespace, //
    },
    notifier::{
        Chain,
        Devices, //
    },
    route::{
        Family,
        Ipv4,
        Ipv6,
        Route, //
    },
    setup::Setup,
    skbuff::SkBuff,
    stats::NoStats,
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu, //
    },
};

const NAME: &CStr = c"rust_lo_hooks";

/// How much was made and dropped, for how many namespaces.
static MADE: Atomic<u64> = Atomic::new(0);
static DROPPED: Atomic<u64> = Atomic::new(0);
/// Making it fails.
static FAILS: Atomic<bool> = Atomic::new(false);

/// What the hook has seen, and the device that it is to send by.
static SEEN: Atomic<u64> = Atomic::new(0);
static SEND_BY: Atomic<u32> = Atomic::new(0);
/// Whether it was.
static SENT: Atomic<bool> = Atomic::new(false);

/// Index of the device that it has found without looking it up, or 0.
static FIRST: Atomic<u32> = Atomic::new(0);
/// Whether it has found it as one of another driver.
static FOREIGN: Atomic<bool> = Atomic::new(false);

/// Bits of [`SEEN`]; the index of the owner is above.
const ROUTE: u64 = 1;
const LOCAL: u64 = 2;
const BY_OUTPUT: u64 = 4;
const OWNER: u32 = 8;

#[pin_data(PinnedDrop)]
pub(super) struct Kept {
    passed: Atomic<u64>,
}

#[pinned_drop]
impl PinnedDrop for Kept {
    fn drop(self: Pin<&mut Self>) {
        DROPPED.add(1, Relaxed);
    }
}

impl PerNamespace for Kept {
    type Hooks = (Look<Ipv4>, Look<Ipv6>);

    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            passed: Atomic::new(0),
            _: {
                if FAILS.load(Relaxed) {
                    return Err(EBUSY);
                }
                MADE.add(1, Relaxed);
            },
        })
    }
}

pub(super) struct Look<F>(PhantomData<F>);

impl<F: Family> Hook<Kept> for Look<F> {
    type Family = F;
    const POINT: Point = Point::PostRouting;
    const PRIORITY: i32 = LAST;

    fn run(kept: &Kept, packet: &mut Packet<'_, F, Kept>) -> Verdict {
        kept.passed.add(1, Relaxed);
        let (output, ns, rcu) = (packet.output(), packet.namespace(), packet.rcu());
        let mut seen = 0;
        if let Some(route) = packet.route() {
            seen |= ROUTE | if route.is_local() { LOCAL } else { 0 };
            if let Some(owner) = route.owner(output, ns, rcu) {
                seen |= u64::from(owner.ifindex()) << OWNER;
                if core::ptr::eq(owner, output) {
                    seen |= BY_OUTPUT;
                }
            }
        }
        SEEN.store(seen, Relaxed);
        FIRST.store(
            packet.first::<Hooked>().map_or(0, |dev| dev.ifindex()),
            Relaxed,
        );
        FOREIGN.store(packet.first::<Foreign>().is_some(), Relaxed);
        let dev = ns.dev_get_by_index_rcu(SEND_BY.load(Relaxed), rcu);
        let Some(dev) = dev else {
            return Verdict::Drop;
        };
        let (dev, route) = (packet.here::<Hooked>(dev), packet.local_route());
        SENT.store(dev.is_some() && route.is_some(), Relaxed);
        if let (Some(dev), Some(route)) = (dev, route) {
            packet.send_by(dev, &route);
        }
        Verdict::Accept
    }
}

/// A driver that keeps that for a namespace, and does nothing else.
macro_rules! driver {
    ($driver:ident, $private:ty, $kind:literal) => {
        pub(super) struct $driver;

        #[vtable]
        impl device::Operations for $driver {
            type Private = $private;
            type LinkType = Loopback;
            type Stats = NoStats;

            fn setup(_dev: &mut Setup<'_, Self>) {}

            fn init(_dev: &Registering<Self>, _rtnl: &Rtnl) -> impl PinInit<$private, Error> {
                Ok(Default::default())
            }

            fn start_xmit(_dev: &Device<Self>, skb: SkBuff<'_>, _ctx: &XmitContext) {
                skb.consume();
            }
        }

        #[vtable]
        impl link::Operations for $driver {
            const KIND: &'static CStr = $kind;
            type Guard = link::NoGuard;
            type Namespace = Kept;

            const OPS: link::OpsRef<Self> = {
                static OPS: link::Ops<$driver> = link::Ops::new();
                link::OpsRef::new(&OPS)
            };
        }
    };
}

driver!(Hooked, (), c"rust_lo_hooks");
driver!(Foreign, u64, c"rust_lo_foreign");

type Links = Pin<KBox<link::Registration<Hooked>>>;

fn links() -> Result<Links> {
    for number in [&MADE, &DROPPED] {
        number.store(0, Relaxed);
    }
    probe::register()
}

/// What the core hands to hooks for it.
fn shared_of(kept: &Kept) -> *const c_void {
    // SAFETY: There is none but in a `Shared`.
    unsafe {
        core::ptr::from_ref(kept)
            .byte_sub(core::mem::offset_of!(Shared<Kept>, own))
            .cast()
    }
}

/// Lets a packet with this route, or none, pass the hook of IPv4, or the one of IPv6. Says what the
/// verdict was, and the device that the packet has then.
fn pass(
    kept: &Kept,
    six: bool,
    route: Option<&mut bindings::rtable>,
    rtnl: &Rtnl,
) -> Result<(u32, *mut bindings::net_device)> {
    let route = route.map(|route| &raw mut route.dst);
    pass_by(find(c"lo", rtnl), kept, six, route)
}

/// The same, the route being one of `output`.
fn pass_by(
    output: *mut bindings::net_device,
    kept: &Kept,
    six: bool,
    route: Option<*mut bindings::dst_entry>,
) -> Result<(u32, *mut bindings::net_device)> {
    let ops = <<Kept as PerNamespace>::Hooks as HookList<Kept>>::ops(shared_of(kept));
    let ops = &ops[usize::from(six)];
    let hook = ops.hook.ok_or(EINVAL)?;
    let skb = packet(20)?;
    // SAFETY: Zero is a valid value; `lo` and the namespace are static.
    let mut state: bindings::nf_hook_state = unsafe { core::mem::zeroed() };
    state.hook = ops.hooknum as u8;
    state.pf = ops.pf;
    state.out = output;
    state.net = &raw mut bindings::init_net;
    let _rcu = rcu::read_lock();
    // SAFETY: The packet is ours; the route lives longer than it has it.
    unsafe {
        (*skb)
            .__bindgen_anon_1
            .__bindgen_anon_1
            .__bindgen_anon_1
            .dev = output;
        if let Some(route) = route {
            (*skb).__bindgen_anon_3.__bindgen_anon_1._skb_refdst =
                route as usize | super::skbuff::SKB_DST_NOREF;
        }
        let verdict = hook(ops.priv_, skb, &state);
        let dev = (*skb)
            .__bindgen_anon_1
            .__bindgen_anon_1
            .__bindgen_anon_1
            .dev;
        (*skb).__bindgen_anon_3.__bindgen_anon_1._skb_refdst = 0;
        SkBuff::from_raw(skb).consume();
        Ok((verdict, dev))
    }
}

#[kunit_tests(rust_lo_netfilter)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// Each namespace has its own from registration on, and it goes with that.
    #[test]
    fn kept_for_each_namespace() -> Result {
        let links = links()?;
        let made = MADE.load(Relaxed);
        check!(made >= 1);
        {
            let rtnl = Rtnl::lock();
            let dev = links.create(NAME, &rtnl)?;
            let kept = dev.for_namespace(&rtnl).data();
            kept.passed.store(7, Relaxed);
            let again = dev.for_namespace(&rtnl).data();
            check!(core::ptr::eq(kept, again));
            check!(again.passed.load(Relaxed), 7);
        }
        check!(DROPPED.load(Relaxed), 0);
        drop(links);
        check!((MADE.load(Relaxed), DROPPED.load(Relaxed)), (made, made));
        Ok(())
    }

    /// If it cannot be made nothing is registered.
    #[test]
    fn cannot_be_kept() -> Result {
        FAILS.store(true, Relaxed);
        let failed = links().err();
        FAILS.store(false, Relaxed);
        check!(failed, Some(EBUSY));
        check!((MADE.load(Relaxed), DROPPED.load(Relaxed)), (0, 0));
        drop(links()?);
        Ok(())
    }

    /// Hooks are there once, whoever asks how often, and are gone after their driver.
    #[test]
    fn hooked_once() -> Result {
        for forgotten in [false, true] {
            let links = links()?;
            {
                let rtnl = Rtnl::lock();
                let dev = links.create(NAME, &rtnl)?;
                let here = dev.for_namespace(&rtnl);
                here.unhook();
                here.hook()?;
                here.hook()?;
                if !forgotten {
                    here.unhook();
                    here.unhook();
                }
            }
            drop(links);
            check!(DROPPED.load(Relaxed), MADE.load(Relaxed));
        }
        Ok(())
    }

    /// A route is looked at as what it is, or not at all.
    #[test]
    fn routes() -> Result {
        let links = links()?;
        let rtnl = Rtnl::lock();
        let dev = links.create(NAME, &rtnl)?;
        let kept = dev.for_namespace(&rtnl).data();
        // SAFETY: `lo` lives as long as the namespace, which is static.
        let lo = unsafe { (*find(c"lo", &rtnl)).ifindex } as u64;
        let index = u64::from(dev.ifindex());
        // SAFETY: Zero is a valid value of both.
        let (mut ops, mut route): (bindings::dst_ops, bindings::rtable) =
            unsafe { (core::mem::zeroed(), core::mem::zeroed()) };
        let local = bindings::RTN_LOCAL as u16;
        SEND_BY.store(0, Relaxed);

        pass(kept, false, None, &rtnl)?;
        check!(SEEN.load(Relaxed), 0);
        for (family, type_, iif, seen) in [
            (
                bindings::AF_INET,
                local,
                index,
                ROUTE | LOCAL | index << OWNER,
            ),
            (
                bindings::AF_INET,
                local,
                lo,
                ROUTE | LOCAL | BY_OUTPUT | lo << OWNER,
            ),
            (bindings::AF_INET, local, 0, ROUTE | LOCAL),
            (bindings::AF_INET, 1, 0, ROUTE),
            // No such device.
            (bindings::AF_INET, local, 1 << 30, ROUTE | LOCAL),
            (bindings::AF_INET6, local, index, 0),
            (0, local, index, 0),
        ] {
            ops.family = family as u16;
            route.dst.ops = &raw mut ops;
            route.rt_type = type_;
            route.rt_iif = iif as c_int;
            pass(kept, false, Some(&mut route), &rtnl)?;
            check!(SEEN.load(Relaxed), seen);
        }
        // As a bridge does it.
        ops.family = bindings::AF_INET as u16;
        pass(kept, true, Some(&mut route), &rtnl)?;
        check!(SEEN.load(Relaxed), 0);
        check!(kept.passed.load(Relaxed), 9);
        Ok(())
    }

    /// A packet goes by the device that the hook has chosen, and as it has decided; but not if its
    /// route is not a local one, or leads by a device that has neighbours, or into a tunnel; nor by
    /// a device of another namespace.
    #[test]
    fn sent_by() -> Result {
        let links = links()?;
        let rtnl = Rtnl::lock();
        let dev = links.create(NAME, &rtnl)?;
        let kept = dev.for_namespace(&rtnl).data();
        let lo = find(c"lo", &rtnl);
        // It has no flag that says otherwise.
        let with_neighbours = links.create(c"rust_lo_hooks1", &rtnl)?.as_raw();
        // SAFETY: Zero is a valid value of all.
        let (mut ops, mut four, mut six): (
            bindings::dst_ops,
            bindings::rtable,
            bindings::rt6_info,
        ) = unsafe {
            (
                core::mem::zeroed(),
                core::mem::zeroed(),
                core::mem::zeroed(),
            )
        };
        four.dst.ops = &raw mut ops;
        six.dst.ops = &raw mut ops;
        for is_six in [false, true] {
            ops.family = if is_six {
                bindings::AF_INET6 as u16
            } else {
                bindings::AF_INET as u16
            };
            for (local, output, plain, here, sent) in [
                (true, lo, true, true, true),
                (false, lo, true, true, false),
                (true, with_neighbours, true, true, false),
                (true, lo, false, true, false),
                (true, lo, true, false, false),
            ] {
                four.rt_type = if local { bindings::RTN_LOCAL as u16 } else { 1 };
                six.rt6i_flags = if local { bindings::RTF_LOCAL } else { 0 };
                // Nobody looks what it is.
                let tunnel = if plain {
                    core::ptr::null_mut()
                } else {
                    core::ptr::dangling_mut()
                };
                four.dst.lwtstate = tunnel;
                six.dst.lwtstate = tunnel;
                let route = if is_six {
                    &raw mut six.dst
                } else {
                    &raw mut four.dst
                };
                SEND_BY.store(dev.ifindex(), Relaxed);
                let by = if sent { dev.as_raw() } else { output };
                // SAFETY: RTNL is held, so that nobody else asks whose it is, or moves it.
                let namespace = unsafe { &mut (*dev.as_raw()).nd_net.net };
                let its_own = *namespace;
                if !here {
                    *namespace = core::ptr::dangling_mut();
                }
                let passed = pass_by(output, kept, is_six, Some(route));
                *namespace = its_own;
                check!(passed?, (bindings::NF_ACCEPT, by));
                check!(SENT.load(Relaxed), sent);
            }
            check!(pass_by(lo, kept, is_six, None)?, (bindings::NF_ACCEPT, lo));
            SEND_BY.store(0, Relaxed);
            check!(pass_by(lo, kept, is_six, None)?, (bindings::NF_DROP, lo));
        }
        Ok(())
    }

    /// What is told again of a device, when its namespace may have gone, is not listened to.
    #[test]
    fn told_again() -> Result {
        let links = links()?;
        let rtnl = Rtnl::lock();
        let dev = links.create(NAME, &rtnl)?;
        let here = dev.for_namespace(&rtnl);
        for (state, first) in [
            (
                bindings::netdev_reg_state_NETREG_UNREGISTERED,
                dev.ifindex(),
            ),
            (bindings::netdev_reg_state_NETREG_UNREGISTERING, 0),
        ] {
            here.set_first(Some(dev));
            // SAFETY: Zero is a valid value.
            let mut info: bindings::netdev_notifier_info = unsafe { core::mem::zeroed() };
            info.dev = dev.as_raw();
            // SAFETY: RTNL is held, as when the core calls it. The state is put back.
            unsafe {
                let before = (*dev.as_raw()).reg_state;
                (*dev.as_raw()).reg_state = state as u8;
                let told = Devices::<Leave<Hooked>>::call(
                    bindings::netdev_cmd_NETDEV_UNREGISTER as c_ulong,
                    (&raw mut info).cast(),
                );
                (*dev.as_raw()).reg_state = before;
                told?;
            }
            pass(here.data(), false, None, &rtnl)?;
            check!(FIRST.load(Relaxed), first);
        }
        Ok(())
    }

    /// The device that is found without looking it up is forgotten when it goes.
    #[test]
    fn first_is_forgotten() -> Result {
        let links = links()?;
        let rtnl = Rtnl::lock();
        let dev = links.create(NAME, &rtnl)?;
        let here = dev.for_namespace(&rtnl);
        let kept: *const Kept = here.data();
        let first = || -> Result<u32> {
            // SAFETY: It is there for as long as the namespace and `links` are.
            pass(unsafe { &*kept }, false, None, &rtnl)?;
            Ok(FIRST.load(Relaxed))
        };
        check!(first()?, 0);
        here.set_first(Some(dev));
        check!(first()?, dev.ifindex());
        check!(!FOREIGN.load(Relaxed));
        here.set_first(None);
        check!(first()?, 0);
        here.set_first(Some(dev));
        // SAFETY: It is registered, and RTNL is held; it is freed when that is given back.
        unsafe { bindings::unregister_netdevice_queue(dev.as_raw(), core::ptr::null_mut()) };
        check!(first()?, 0);
        // Nobody will be told of its end any more.
        here.set_first(Some(dev));
        check!(first()?, 0);
        Ok(())
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Hooks of netfilter.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)

use super::{
    bindings,
    context::{
        RcuRead,
        Rtnl, //
    },
    device::{
        AnyDevice,
        Device, //
    },
    link,
    netns::{
        Namespace,
        PerNamespace, //
    },
    once::read_once,
    route::{
        self,
        Family,
        Route, //
    }, //
};
use core::{
    marker::PhantomData,
    ops::Deref, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed,
        Release, //
    },
    types::Opaque, //
};

/// Where in the way of packets a hook is.
///
/// C counterpart: `enum nf_inet_hooks`, `include/uapi/linux/netfilter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Point {
    /// After routing, before the neighbour is looked up (`NF_INET_POST_ROUTING`). The packet has
    /// its route.
    PostRouting = bindings::nf_inet_hooks_NF_INET_POST_ROUTING,
}

/// The priority of who wants to come after all others.
pub const LAST: i32 = i32::MAX;

/// What is to become of a packet.
///
/// C counterpart: `NF_ACCEPT`, `NF_DROP`, `include/uapi/linux/netfilter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// It goes on.
    Accept = bindings::NF_ACCEPT,
    /// It is freed, and its sender told that it was not permitted (`EPERM`).
    Drop = bindings::NF_DROP,
}

/// What the hooks of one namespace are handed.
#[pin_data]
pub(super) struct Shared<N> {
    /// The driver's own.
    #[pin]
    pub(super) own: N,
    pub(super) first: First,
}

/// The device of a driver that its hooks find without looking it up: mostly there is but one.
///
/// # Invariants
///
/// The address of a registered device of the driver that the hooks are of, or 0. It is taken away
/// (by `netns::Leave`) when the device is being unregistered or leaves the namespace, before
/// an RCU grace period passes that both wait for.
pub(super) struct First(Atomic<usize>);

impl First {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// # Safety
    ///
    /// The device, if any, must be one as the invariants of [`First`] have it.
    pub(super) unsafe fn set(&self, dev: Option<&AnyDevice>, _rtnl: &Rtnl) {
        // INVARIANT: By the function's safety requirement.
        self.0
            .store(dev.map_or(0, |dev| dev.as_raw() as usize), Release);
    }

    /// Takes the device away if it is this one.
    pub(super) fn forget(&self, dev: &AnyDevice, _rtnl: &Rtnl) {
        if self.0.load(Relaxed) == dev.as_raw() as usize {
            self.0.store(0, Release);
        }
    }

    #[inline]
    fn get<'rcu>(&self, _rcu: &'rcu RcuRead) -> Option<&'rcu AnyDevice> {
        // What is read through the address comes after it, as with `rcu_dereference()`.
        // SAFETY: A part of `self`. Who writes to it does it at once.
        let dev = unsafe { read_once(self.0.as_ptr()) } as *mut bindings::net_device;
        if dev.is_null() {
            return None;
        }
        // SAFETY: By the type's invariants it is alive for as long as the RCU section is open.
        Some(unsafe { AnyDevice::from_raw(dev) })
    }
}

/// A hook of the driver whose [`link::Operations::Namespace`] is `N`.
///
/// C counterpart: `nf_hookfn`, `struct nf_hook_ops`.
pub trait Hook<N>: 'static {
    /// The family of the packets.
    type Family: Family;

    /// Where it is.
    const POINT: Point;

    /// Hooks of lower priority come first.
    const PRIORITY: i32;

    /// Looks at a packet of this namespace. Inside RCU; process context, BH disabled or not, or
    /// softirq.
    fn run(namespace: &N, packet: &mut Packet<'_, Self::Family, N>) -> Verdict;
}

/// A packet that passes by a hook: borrowed, the core goes on with it.
///
/// # Invariants
///
/// `skb` and `state` are those that a hook of the family `F` was called with, for `'p`, during which
/// an RCU read-side critical section is open: no device that was found in it is freed. Nobody else
/// uses the `struct sk_buff`.
pub struct Packet<'p, F, N> {
    skb: *mut bindings::sk_buff,
    state: *const bindings::nf_hook_state,
    rcu: &'p RcuRead,
    first: &'p First,
    _family: PhantomData<(F, fn() -> N)>,
}

impl<'p, F: Family, N> Packet<'p, F, N> {
    /// The RCU section that the packet passes in.
    #[inline]
    pub fn rcu(&self) -> &'p RcuRead {
        self.rcu
    }

    /// The namespace.
    #[inline]
    pub fn namespace(&self) -> &'p Namespace {
        // SAFETY: By the type's invariants.
        unsafe { Namespace::from_raw((*self.state).net) }
    }

    /// The device of the packet's route.
    #[inline]
    pub fn output(&self) -> &'p AnyDevice {
        // SAFETY: By the type's invariants: at the points of [`Point`] there always is one.
        unsafe { AnyDevice::from_raw((*self.state).out) }
    }

    /// The device of the driver that [`ForNamespace::set_first`](super::netns::ForNamespace::set_first)
    /// has named, for a family whose routes have to look theirs up.
    #[inline]
    pub fn first<T>(&self) -> Option<Here<'p, T>>
    where
        T: link::Operations<Namespace = N>,
    {
        if !F::LOOKS_UP {
            return None;
        }
        // More than one driver may have `N`.
        // INVARIANT: By those of `First`, which is the one of this namespace.
        self.first.get(self.rcu)?.downcast().map(Here)
    }

    /// The device as one of the driver, if it is in the namespace.
    #[inline]
    pub fn here<T>(&self, dev: &'p AnyDevice) -> Option<Here<'p, T>>
    where
        T: link::Operations<Namespace = N>,
    {
        // SAFETY: The device is alive.
        let here = unsafe { bindings::dev_net(dev.as_raw()) == self.namespace().as_raw() };
        // INVARIANT: It is.
        dev.downcast().filter(|_| here).map(Here)
    }

    /// The packet's route, if it has one of its family. (A bridge hands over some without.)
    #[inline]
    pub fn route(&self) -> Option<F::Route<'p>> {
        // SAFETY: By the type's invariants the pointer is valid, and what it finds lives for `'p`:
        // either the packet holds it, or RCU does.
        unsafe { F::of_packet(self.skb) }
    }

    /// The device that has the address which the packet is sent to, looked up now. For IPv4, where a
    /// route may not know.
    pub fn owner_of_destination(&self) -> Option<&'p AnyDevice> {
        // SAFETY: By the type's invariants; at a hook of its family a packet has its header.
        let address = unsafe { F::destination4(self.skb) }?;
        route::owner_of(address, self.namespace(), self.rcu)
    }

    /// The packet's route, if it is a local one by a device that asks nobody for addresses, and
    /// the packet goes by it as it is.
    #[inline]
    pub fn local_route(&self) -> Option<LocalRoute<'p, F>> {
        let route = self
            .route()
            .filter(|route| route.is_local() && route.is_plain())?;
        // INVARIANT: It is; the device was looked at.
        self.output()
            .has_no_neighbours()
            .then_some(LocalRoute(route))
    }

    /// Lets the packet, with this route, go out by another device.
    ///
    /// The route stays what it is, and with it the neighbour whose address is in the link-layer
    /// header.
    #[inline]
    pub fn send_by<T>(&mut self, dev: Here<'p, T>, _route: &LocalRoute<'p, F>)
    where
        T: link::Operations<Namespace = N>,
    {
        // SAFETY: By the type's invariants the packet is ours to change. It goes on in the RCU
        // section that keeps the device: the output of a local route that transforms nothing is
        // `ip_output()` or `ip6_output()`, which open one around the hooks and what follows, and by
        // the invariants of `LocalRoute` no neighbour keeps it. If it is queued for user space
        // instead, the queue holds the device (`nf_queue_entry_get_refs()`,
        // `net/netfilter/nf_queue.c`).
        unsafe {
            (*self.skb)
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev = dev.as_raw()
        };
    }

    /// Tells the route of the MTU of the device that [`Packet::send_by`] has set.
    ///
    /// See [`Family::limit_mtu`].
    #[inline(never)]
    pub fn limit_mtu(&mut self, mtu: u32) {
        // SAFETY: By the type's invariants.
        unsafe { F::limit_mtu(self.skb, mtu) };
    }
}

/// A device that a packet may be given to.
///
/// # Invariants
///
/// It is in the namespace of the packet that passes the hook: a call of [`Hook::run`] has but one,
/// and `'p` is that call.
pub struct Here<'p, T: link::Operations>(&'p Device<T>);

impl<T: link::Operations> Clone for Here<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: link::Operations> Copy for Here<'_, T> {}

impl<T: link::Operations> Deref for Here<'_, T> {
    type Target = Device<T>;

    #[inline]
    fn deref(&self) -> &Device<T> {
        self.0
    }
}

/// The route of a packet that may be given to another device ([`Packet::send_by`]).
///
/// Others may not, as nothing would hold the device: `ip_mc_output()` and `xfrm_output()` go on after
/// the RCU section, and a neighbour whose address is not known yet keeps the packet
/// (`__neigh_event_send()`). What IPsec makes of a packet comes by the hook again.
///
/// # Invariants
///
/// A local route that transforms nothing, by a device that has no neighbours to ask, of the packet
/// that passes the hook: a call of [`Hook::run`] has but one, and `'p` is that call.
pub struct LocalRoute<'p, F: Family>(F::Route<'p>);

impl<'p, F: Family> LocalRoute<'p, F> {
    /// The route.
    #[inline]
    pub fn get(&self) -> F::Route<'p> {
        self.0
    }
}

/// The hooks of a driver whose [`link::Operations::Namespace`] is `N`: [`NoHooks`], or two types that
/// are a [`Hook`] each.
pub trait HookList<N>: private::Sealed<N> + 'static {
    /// What is registered for it.
    #[doc(hidden)]
    type Ops: 'static;

    /// How many they are.
    #[doc(hidden)]
    const COUNT: u32;

    /// As `nf_register_net_hooks()` wants them, each with `data`, a `Shared<N>`.
    #[doc(hidden)]
    fn ops(data: *const c_void) -> Self::Ops;
}

/// None.
pub struct NoHooks;

impl<N> private::Sealed<N> for NoHooks {}

impl<N> HookList<N> for NoHooks {
    type Ops = [bindings::nf_hook_ops; 0];
    const COUNT: u32 = 0;

    fn ops(_data: *const c_void) -> Self::Ops {
        []
    }
}

impl<N: Sync + 'static, A: Hook<N>, B: Hook<N>> private::Sealed<N> for (A, B) {}

impl<N: Sync + 'static, A: Hook<N>, B: Hook<N>> HookList<N> for (A, B) {
    type Ops = [bindings::nf_hook_ops; 2];
    const COUNT: u32 = 2;

    fn ops(data: *const c_void) -> Self::Ops {
        [Adapter::<A, N>::ops(data), Adapter::<B, N>::ops(data)]
    }
}

mod private {
    /// For the same `N` only: two types that are no hooks would be a list of one's own else.
    pub trait Sealed<N> {}
}

/// The C callback of the hook `H`.
struct Adapter<H, N>(PhantomData<(H, N)>);

impl<N: Sync + 'static, H: Hook<N>> Adapter<H, N> {
    fn ops(data: *const c_void) -> bindings::nf_hook_ops {
        let mut ops: bindings::nf_hook_ops = pin_init::zeroed();
        ops.hook = Some(Self::hook);
        ops.priv_ = data.cast_mut();
        ops.pf = H::Family::NFPROTO;
        ops.hooknum = H::POINT as u32;
        ops.priority = H::PRIORITY;
        ops
    }

    /// # Safety
    ///
    /// To be called by the core as a hook that was registered with [`Adapter::ops`].
    unsafe extern "C" fn hook(
        data: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: `nf_hook()` opens an RCU read-side critical section around all hooks.
        let rcu = unsafe { RcuRead::assume() };
        // SAFETY: Who registers a hook sees to it that its data outlives those who are in it.
        let data = unsafe { &*data.cast::<Shared<N>>() };
        // INVARIANT: The core hands over packet and state for this call.
        let mut packet = Packet {
            skb,
            state,
            rcu: &rcu,
            first: &data.first,
            _family: PhantomData,
        };
        H::run(&data.own, &mut packet) as c_uint
    }
}

/// The place for the hooks of one namespace.
///
/// # Invariants
///
/// `ops` is registered with the core if `registered` is 1.
#[pin_data]
pub(super) struct Hooks<N: PerNamespace> {
    #[pin]
    ops: Opaque<<N::Hooks as HookList<N>>::Ops>,
    /// Changed under RTNL, or by who is the only one left.
    registered: Atomic<i32>,
}

// SAFETY: After they were registered, only the core touches the operations, under its locks.
unsafe impl<N: PerNamespace> Send for Hooks<N> {}
// SAFETY: As above; they are changed under RTNL, while they are not registered.
unsafe impl<N: PerNamespace> Sync for Hooks<N> {}

impl<N: PerNamespace> Hooks<N> {
    pub(super) fn new() -> impl PinInit<Self> {
        // INVARIANT: Not registered.
        pin_init!(Self {
            ops: Opaque::uninit(),
            registered: Atomic::new(0),
        })
    }

    /// Registers the hooks, if they are not.
    ///
    /// C counterpart: `nf_register_net_hooks()`, `net/netfilter/core.c`.
    ///
    /// # Safety
    ///
    /// `net` must be a live namespace until [`Hooks::unregister`], and always the same one; `data`
    /// must be valid until then and for an RCU grace period more, and `self` stay where it is.
    pub(super) unsafe fn register(
        &self,
        net: *mut bindings::net,
        data: *const Shared<N>,
        _rtnl: &Rtnl,
    ) -> Result {
        if self.registered.load(Relaxed) != 0 {
            return Ok(());
        }
        // SAFETY: They are not registered, and RTNL is held: nobody else looks at them.
        unsafe {
            self.ops
                .get()
                .write(<N::Hooks as HookList<N>>::ops(data.cast()));
        }
        // SAFETY: By the function's safety requirement; the operations are complete. What an error
        // leaves registered is nothing.
        to_result(unsafe {
            bindings::nf_register_net_hooks(net, self.ops.get().cast(), N::Hooks::COUNT)
        })?;
        self.registered.store(1, Relaxed);
        Ok(())
    }

    /// Unregisters the hooks, if they are registered, and says whether they were.
    ///
    /// # Safety
    ///
    /// `net` must be the namespace that they were registered in; RTNL must be held, or nobody else
    /// use `self`.
    pub(super) unsafe fn unregister(&self, net: *mut bindings::net) -> bool {
        if self.registered.load(Relaxed) == 0 {
            return false;
        }
        // SAFETY: By the type's invariants and the function's safety requirement.
        unsafe { bindings::nf_unregister_net_hooks(net, self.ops.get().cast(), N::Hooks::COUNT) };
        self.registered.store(0, Relaxed);
        true
    }
}

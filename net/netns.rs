// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and what a driver keeps for each.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use super::{
    backlog, bindings,
    context::{
        RcuRead,
        Rtnl, //
    },
    device::{
        AnyDevice,
        Device, //
    },
    link,
    netfilter::{
        First,
        HookList,
        Hooks,
        Shared, //
    },
    notifier::{
        self,
        Event,
        Notifier, //
    },
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    types::Opaque, //
};

/// A network namespace.
///
/// # Invariants
///
/// The pointee is a live `struct net`.
#[repr(transparent)]
pub struct Namespace(Opaque<bindings::net>);

impl Namespace {
    /// # Safety
    ///
    /// `ptr` must satisfy the invariants of [`Namespace`] for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::net) -> &'a Self {
        // SAFETY: By the function's safety requirement; `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The C namespace.
    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// The device with this index, which is there for as long as the RCU section is open.
    ///
    /// Takes the same time however many devices there are.
    ///
    /// C counterpart: `dev_get_by_index_rcu()`, `net/core/dev.c`.
    #[inline]
    pub fn dev_get_by_index_rcu<'rcu>(
        &self,
        index: u32,
        _rcu: &'rcu RcuRead,
    ) -> Option<&'rcu AnyDevice> {
        // SAFETY: Devices are taken out of the tree before `synchronize_net()` in their
        // unregistration (`unlist_netdevice()`, `net/core/dev.c`), so that what is found lives until
        // the RCU section ends.
        unsafe { self.by_index(index) }
    }

    /// The device with this index. While RTNL is held it stays.
    ///
    /// C counterpart: `__dev_get_by_index()`, `net/core/dev.c`.
    #[inline]
    pub fn dev_get_by_index<'a>(&'a self, index: u32, _rtnl: &'a Rtnl) -> Option<&'a AnyDevice> {
        // SAFETY: Devices come and go under RTNL.
        unsafe { self.by_index(index) }
    }

    /// # Safety
    ///
    /// For `'a` something must keep the devices that are in the namespace now.
    #[inline]
    unsafe fn by_index<'a>(&self, index: u32) -> Option<&'a AnyDevice> {
        // SAFETY: By the type's invariants.
        let dev = unsafe { bindings::dev_by_index(self.as_raw(), index as c_int) };
        if dev.is_null() {
            return None;
        }
        // SAFETY: By the function's safety requirement.
        Some(unsafe { AnyDevice::from_raw(dev) })
    }

    /// Lets nobody use a route again that was looked up until now: those who keep one look again.
    ///
    /// C counterpart: `rt_genid_bump_all()`, `include/net/net_namespace.h`.
    #[inline]
    pub fn rt_genid_bump_all(&self) {
        // SAFETY: By the type's invariants.
        unsafe { bindings::rt_genid_bump_all(self.as_raw()) };
    }
}

impl AnyDevice {
    /// The namespace that the device is in, and stays in while RTNL is held.
    ///
    /// C counterpart: `dev_net()`, `include/linux/netdevice.h`.
    #[inline]
    pub fn namespace<'a>(&'a self, _rtnl: &'a Rtnl) -> &'a Namespace {
        // SAFETY: By the type's invariants.
        let net = unsafe { bindings::dev_net(self.as_raw()) };
        // SAFETY: A namespace outlives the devices in it.
        unsafe { Namespace::from_raw(net) }
    }
}

/// What a driver keeps for each network namespace: made for those that are there when the driver is
/// registered, and for each new one; dropped when the namespace or the driver goes, after the
/// driver's devices in it.
///
/// Namespaces without a device of the driver's have it as well, so it should be small. A type
/// without a size, such as `()`, is kept for none.
///
/// C counterpart: `struct pernet_operations` with an `id`.
pub trait PerNamespace: Send + Sync + Sized + 'static {
    /// The hooks of netfilter that [`ForNamespace::hook`] puts in place:
    /// [`NoHooks`](super::netfilter::NoHooks), or a pair of them.
    type Hooks: HookList<Self>;

    /// Makes it; an error refuses the namespace. Process context.
    fn new() -> impl PinInit<Self, Error>;
}

impl PerNamespace for () {
    type Hooks = super::netfilter::NoHooks;

    fn new() -> impl PinInit<Self, Error> {
        Ok(())
    }
}

/// What lies in the memory that the core allocates for each namespace.
#[pin_data(PinnedDrop)]
struct Data<N: PerNamespace> {
    #[pin]
    shared: Shared<N>,
    #[pin]
    hooks: Hooks<N>,
    net: *mut bindings::net,
}

impl<N: PerNamespace> Data<N> {
    fn new(net: *mut bindings::net) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            shared <- try_pin_init!(Shared {
                own <- N::new(),
                first: First::new(),
            }),
            hooks <- Hooks::new(),
            net,
        })
    }
}

#[pinned_drop]
impl<N: PerNamespace> PinnedDrop for Data<N> {
    fn drop(self: Pin<&mut Self>) {
        // Drivers take their hooks away with their last device. Who did not must wait for those
        // who are in them.
        // SAFETY: The namespace lives as long as its data; nobody registers hooks meanwhile, as
        // no device of the driver is listed in it any more.
        if unsafe { self.hooks.unregister(self.net) } {
            // SAFETY: Process context; no lock is held.
            unsafe { bindings::synchronize_rcu() };
        }
    }
}

/// What the driver `T` keeps for one namespace.
pub struct ForNamespace<'a, T: link::Operations> {
    data: &'a Data<T::Namespace>,
    rtnl: &'a Rtnl,
}

impl<'a, T: link::Operations> ForNamespace<'a, T> {
    /// The driver's own part.
    #[inline]
    pub fn data(&self) -> &'a T::Namespace {
        &self.data.shared.own
    }

    /// Names the device that hooks find without looking it up
    /// ([`Packet::first`](super::netfilter::Packet::first)), or none. It is forgotten when the
    /// device leaves the namespace or goes. One that is on its way already is none.
    pub fn set_first(&self, dev: Option<&Device<T>>) {
        // `fill_info` is called for a device that `Leave` was told of before. The core takes
        // devices off its lists before it tells (`unregister_netdevice_many_notify()`,
        // `__dev_change_net_namespace()`, `net/core/dev.c`).
        let here = |dev: &&Device<T>| {
            let ns = dev.namespace(self.rtnl);
            ns.as_raw() == self.data.net
                && ns
                    .dev_get_by_index(dev.ifindex(), self.rtnl)
                    .is_some_and(|listed| listed.as_raw() == dev.as_raw())
        };
        // SAFETY: It is a registered device of `T` that is listed in this namespace, so
        // `Leave` is still to be told of its end, and takes it away again.
        unsafe {
            self.data
                .shared
                .first
                .set(dev.filter(here).map(|dev| &**dev), self.rtnl);
        }
    }

    /// Puts the driver's hooks in place in this namespace, if they are not. Process context.
    pub fn hook(&self) -> Result {
        // SAFETY: Data and namespace belong together. The data is pinned, and not freed before an
        // RCU grace period has passed after the hooks were taken away: that goes with the last
        // device, whose end waits for one (`unregister_netdevice_many_notify()`,
        // `net/core/dev.c`), or else `Data::drop()` waits itself.
        unsafe {
            self.data
                .hooks
                .register(self.data.net, &self.data.shared, self.rtnl)
        }
    }

    /// Takes the hooks away, if they are there. Those who are in them may be for an RCU grace
    /// period. Process context.
    pub fn unhook(&self) {
        // SAFETY: As in `hook`; RTNL is held.
        unsafe { self.data.hooks.unregister(self.data.net) };
    }
}

impl<T: link::Operations> Device<T> {
    /// What the driver keeps for the namespace that the device is in.
    #[inline]
    pub fn for_namespace<'a>(&'a self, rtnl: &'a Rtnl) -> ForNamespace<'a, T> {
        const { assert!(Registration::<T>::NEEDED) };
        ForNamespace {
            data: self.data(rtnl),
            rtnl,
        }
    }

    fn data<'a>(&'a self, rtnl: &'a Rtnl) -> &'a Data<T::Namespace> {
        assert!(Registration::<T>::NEEDED);
        // SAFETY: A device of `T` is there only while a `link::Registration` is, and with it the
        // `Registration` here: all namespaces have their data.
        let data = unsafe { Registration::<T>::slot(self.namespace(rtnl).as_raw()) };
        // SAFETY: As above, for as long as the device is there.
        unsafe { &*data }
    }
}

/// Keeps `T::Namespace` for all namespaces, until dropped. A part of [`link::Registration`], and in
/// place for as long as there are devices of `T`.
///
/// # Invariants
///
/// If [`Registration::NEEDED`], `ops` is registered with the core.
#[pin_data(PinnedDrop)]
pub(super) struct Registration<T: link::Operations> {
    #[pin]
    ops: Opaque<bindings::pernet_operations>,
    #[pin]
    leaving: notifier::Registration<Leave<T>>,
}

// SAFETY: The operations are only touched by the core, under its locks.
unsafe impl<T: link::Operations> Send for Registration<T> {}
// SAFETY: As above; a shared reference offers nothing.
unsafe impl<T: link::Operations> Sync for Registration<T> {}

impl<T: link::Operations> Registration<T> {
    /// Whether there is anything to be kept.
    const NEEDED: bool = size_of::<T::Namespace>() != 0;

    const SIZE: usize = {
        // What `kzalloc()` grants whatever the size.
        assert!(align_of::<Data<T::Namespace>>() <= align_of::<u64>());
        size_of::<Data<T::Namespace>>()
    };

    /// Makes the data of all namespaces. Process context, without RTNL.
    ///
    /// C counterpart: `register_pernet_subsys()`, `net/core/net_namespace.c`.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            leaving <- notifier::Registration::new(),
            ops <- Opaque::try_ffi_init(|ops: *mut bindings::pernet_operations| {
                // SAFETY: `ops` is valid for writes.
                unsafe {
                    ops.write(bindings::pernet_operations {
                        init: Some(Self::init),
                        exit: Some(Self::exit),
                        id: T::OPS.get().net_id(),
                        size: Self::SIZE,
                        ..pin_init::zeroed()
                    });
                }
                if !Self::NEEDED {
                    return Ok(());
                }
                // SAFETY: The operations are complete and pinned, and unregistered before they go.
                // The number is registered once: the caller has the only `link::Claim`.
                to_result(unsafe { bindings::register_pernet_subsys(ops) })
            }),
        })
    }

    /// # Safety
    ///
    /// To be called by the core as `init` of `pernet_operations` with the number of `T`.
    unsafe extern "C" fn init(net: *mut bindings::net) -> c_int {
        from_result(|| {
            // SAFETY: The core has just allocated as much as was asked for (`ops_init()`), which
            // nobody looks at before this returns; it stays where it is. After an error it is
            // freed as it is.
            let slot: &'static mut MaybeUninit<Data<T::Namespace>> =
                unsafe { &mut *Self::slot(net).cast() };
            slot.write_pin_init(Data::new(net))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the core as `exit` of `pernet_operations` with the number of `T`.
    unsafe extern "C" fn exit(net: *mut bindings::net) {
        // SAFETY: By the function's safety requirement.
        let data = unsafe { Self::slot(net) };
        // SAFETY: `init` has made the data, which nobody uses any more: the devices of `T` are
        // gone, those of a namespace before it, those of a driver before its registration ends.
        unsafe { ptr::drop_in_place(data) };
    }

    /// Where the data of `net` lies.
    ///
    /// # Safety
    ///
    /// The core must have allocated it: the number of `T` is in force.
    unsafe fn slot(net: *mut bindings::net) -> *mut Data<T::Namespace> {
        // SAFETY: The core writes it before there is anything under the number.
        let id = unsafe { *T::OPS.get().net_id() };
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::net_generic(net, id) }.cast()
    }
}

#[pinned_drop]
impl<T: link::Operations> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        if Self::NEEDED {
            // SAFETY: By the type's invariants.
            unsafe { bindings::unregister_pernet_subsys(self.ops.get()) };
        }
    }
}

/// Of a device that goes, or leaves its namespace, lets nothing stay behind.
///
/// Its packets in a backlog are waited for where it goes on in another namespace: they have a
/// route of this one. Hooks forget it ([`First`]), and packets that they have given to it and that
/// wait in a queue of user space (`NF_QUEUE`) since are let go of.
///
/// Those hold the device (`nf_queue_entry_get_refs()`, `net/netfilter/nf_queue.c`), and so would its
/// end for as long as a program does not answer; nfnetlink_queue lets go of what is to go out by a
/// device that goes down (`nfqnl_dev_drop()`), other queues need not.
///
/// They can be there if somebody has put a hook behind all others. By the time of this event all
/// that were on their way when the device went down have come to such a queue or are gone, as an
/// RCU grace period has passed.
pub(super) struct Leave<T>(PhantomData<T>);

impl<T: link::Operations> Notifier for Leave<T> {
    const PRIORITY: i32 = 0;

    fn notify(event: Event, dev: &AnyDevice, rtnl: &Rtnl) {
        if event != Event::Unregister {
            return;
        }
        let Some(dev) = dev.downcast::<T>() else {
            return;
        };
        if dev.reg_state() == bindings::netdev_reg_state_NETREG_REGISTERED {
            backlog::drain(rtnl);
        }
        if Registration::<T>::NEEDED {
            dev.data(rtnl).shared.first.forget(dev, rtnl);
            // SAFETY: The namespace is alive; the function has no preconditions.
            unsafe { bindings::nf_queue_nf_hook_drop(dev.namespace(rtnl).as_raw()) };
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Kinds of links: `ip link add … type KIND`.
//!
//! C header: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h)

use super::{
    adapter::Adapter,
    bindings,
    context::Rtnl,
    device::{
        self,
        AnyDevice,
        Device,
        Driver, //
    },
    info_data::{
        self,
        Data,
        Info,
        Spec, //
    },
    netns::{
        self,
        PerNamespace, //
    },
    newlink::{
        Made,
        NewLink, //
    },
    pair,
    rtnetlink::{
        ExtAck,
        LinkAttributes, //
    },
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::{
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    types::Opaque, //
};

/// A driver whose devices are made and deleted over rtnetlink.
///
/// For the module to be loaded when a link of its kind is asked for, it carries the alias
/// `rtnl-link-KIND`.
///
/// C counterpart: `struct rtnl_link_ops`.
#[vtable]
pub trait Operations: device::Operations {
    /// Name of the kind.
    const KIND: &'static CStr;

    /// What has to be in place around the devices of this driver: [`NoGuard`], or what the
    /// properties that it gives them in [`device::Operations::setup`] ask for.
    type Guard: Guard;

    /// What the driver keeps for each network namespace, or `()`.
    type Namespace: PerNamespace;

    /// The one [`Ops`] of this driver, a `static`. By it a device is known to be the driver's,
    /// which is why it is a constant.
    const OPS: OpsRef<Self>;

    /// The attributes of the kind's own, in `IFLA_INFO_DATA`. With a [`Peer`](info_data::Peer) among
    /// them the links come in pairs, see [`pair`].
    ///
    /// C counterpart: `maxtype`, `policy`, `peer_type`.
    const ATTRIBUTES: &'static [Spec] = &[];

    /// Checks what a user asks of a link that is to be made or changed. Process context.
    ///
    /// C counterpart: `validate`.
    fn validate(_attributes: &LinkAttributes<'_>, _extack: &mut ExtAck<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The module is loaded and the kind registered: the place to make devices at load. After an
    /// error the module goes again, with those that were made. Process context, without RTNL.
    fn loaded(_links: &Registration<Self>) -> Result {
        Ok(())
    }

    /// Makes a link, as a user asks for it: registers it, and sets what its attributes say. After an
    /// error it is not there, or is deleted again. Process context.
    ///
    /// C counterpart: `newlink`.
    fn newlink<'a>(
        _link: NewLink<'a, Self>,
        _extack: &mut ExtAck<'_>,
        _rtnl: &'a Rtnl,
    ) -> Result<Made<'a, Self>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes a link, as the attributes of its kind say. Process context.
    ///
    /// Without it they cannot be changed (`EOPNOTSUPP`).
    ///
    /// C counterpart: `changelink`.
    fn changelink(
        _dev: &Device<Self>,
        _data: &Data<'_>,
        _extack: &mut ExtAck<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells what the attributes of its kind say of a link, which may be one that is being
    /// unregistered. An error ends that; what was told before stands. Process context.
    ///
    /// C counterpart: `get_size`, `fill_info`.
    fn fill_info(_dev: &Device<Self>, _info: &mut Info<'_>, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The link operations of `T` as the core sees them.
pub struct Ops<T> {
    raw: Opaque<bindings::rtnl_link_ops>,
    /// 1 for as long as there is a [`Claim`].
    in_use: Atomic<i32>,
    /// Where the core keeps the number of [`Operations::Namespace`].
    net_id: Opaque<c_uint>,
    /// The lockdep classes of its devices' locks.
    lock_keys: Opaque<bindings::netdev_lock_keys>,
    _driver: Driver<T>,
}

// SAFETY: After it was made, only the core touches `raw` and `lock_keys` and writes `net_id`, under its own locks;
// who reads the latter comes after.
unsafe impl<T> Sync for Ops<T> {}

/// A reference to [`Ops`] for a constant, which could not hold a plain one: they change.
///
/// # Invariants
///
/// Points to a `static`.
pub struct OpsRef<T>(*const Ops<T>);

impl<T: Operations> OpsRef<T> {
    /// Refers to `ops`.
    pub const fn new(ops: &'static Ops<T>) -> Self {
        // INVARIANT: By the reference's lifetime.
        Self(ops)
    }

    pub(super) fn get(&self) -> &'static Ops<T> {
        // SAFETY: By the type's invariants.
        unsafe { &*self.0 }
    }
}

impl AnyDevice {
    /// The device as one of the driver `T`, if it is one that was made through its link
    /// operations.
    pub fn downcast<T: Operations>(&self) -> Option<&Device<T>> {
        // SAFETY: By the type's invariants; the field is set once, before registration.
        let ops = unsafe { (*self.as_raw()).rtnl_link_ops };

        if ptr::eq(ops, T::OPS.get().as_raw()) {
            // SAFETY: Only `rtnl_create_link()` with these operations and [`Registration`]
            // make devices that carry them, both with `T`'s setup. A notifier is called first at
            // `NETDEV_POST_INIT`, after `ndo_init`, and last before `priv_destructor`.
            Some(unsafe { Device::from_raw(self.as_raw()) })
        } else {
            None
        }
    }
}

impl<T: Operations> Ops<T> {
    /// The highest number of an attribute of the kind's own, or 0.
    pub(super) const MAX_ATTRIBUTE: u16 = info_data::max(T::ATTRIBUTES);

    /// The room that they take in an answer.
    pub(super) const ROOM: usize = info_data::room(T::ATTRIBUTES);

    /// The number of the peer attribute, or 0.
    pub(super) const PEER: u16 = info_data::peer(T::ATTRIBUTES);

    /// Whether the links come in pairs.
    pub(super) const PAIRED: bool = Self::PEER != 0;

    const POLICY: &'static info_data::Table = &info_data::table(T::ATTRIBUTES);

    /// For the initialiser of a `static`.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        let mut ops: bindings::rtnl_link_ops = pin_init::zeroed();
        ops.kind = kernel::str::as_char_ptr_in_const_context(T::KIND);
        ops.priv_size = Adapter::<T>::PRIV_SIZE;
        ops.setup = Some(Adapter::<T>::setup);
        if T::HAS_VALIDATE {
            ops.validate = Some(Self::validate);
        }
        if Self::MAX_ATTRIBUTE != 0 {
            ops.maxtype = Self::MAX_ATTRIBUTE as c_uint;
            ops.policy = Self::POLICY.as_ptr();
        }
        if T::HAS_NEWLINK {
            ops.newlink = Some(Self::newlink);
        }
        if T::HAS_CHANGELINK {
            ops.changelink = Some(Self::changelink);
        }
        if T::HAS_FILL_INFO {
            ops.get_size = Some(Self::get_size);
            ops.fill_info = Some(Self::fill_info);
        }
        if Self::PAIRED {
            ops.peer_type = Self::PEER;
            ops.dellink = Some(Self::dellink);
            ops.get_link_net = Some(pair::get_link_net::<T>);
        }
        Self {
            raw: Opaque::new(ops),
            in_use: Atomic::new(0),
            net_id: Opaque::new(0),
            lock_keys: Opaque::zeroed(),
            _driver: PhantomData,
        }
    }

    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::rtnl_link_ops {
        self.raw.get()
    }

    #[inline]
    pub(super) fn lock_keys(&self) -> *mut bindings::netdev_lock_keys {
        self.lock_keys.get()
    }

    #[inline]
    pub(super) fn net_id(&self) -> *mut c_uint {
        self.net_id.get()
    }

    fn claim(&'static self) -> Result<Claim<T>> {
        self.in_use.cmpxchg(0, 1, Acquire).map_err(|_| EEXIST)?;
        // INVARIANT: Nobody had it, and nobody gets it before it is given back.
        Ok(Claim(self))
    }

    /// # Safety
    ///
    /// To be called by the core as `validate`.
    unsafe extern "C" fn validate(
        tb: *mut *mut bindings::nlattr,
        _data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `rtnl_newlink()`, without RTNL, hands over the parsed attributes of the request
        // that it handles.
        let attributes = unsafe { LinkAttributes::from_raw(tb) };
        // SAFETY: And the request's extack.
        let mut extack = unsafe { ExtAck::from_raw(extack) };
        from_result(|| T::validate(&attributes, &mut extack).map(|()| 0))
    }
}

/// The right to register operations, given back when dropped.
///
/// # Invariants
///
/// There is no other one for the same operations.
struct Claim<T: Operations>(&'static Ops<T>);

impl<T: Operations> Claim<T> {
    fn register(&self) -> Result {
        // SAFETY: The operations are `'static`, their functions are `T`'s, and they are not
        // registered, by the type's invariant: `rtnl_link_register()` initialises the structure
        // before it looks for one of the same kind, which would ruin one that is.
        to_result(unsafe { bindings::rtnl_link_register(self.0.as_raw()) })
    }

    /// # Safety
    ///
    /// [`Claim::register`] must have succeeded, and is undone by this.
    unsafe fn unregister(&self) {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::rtnl_link_unregister(self.0.as_raw()) };
    }
}

impl<T: Operations> Drop for Claim<T> {
    fn drop(&mut self) {
        self.0.in_use.store(0, Release);
    }
}

/// Something that is put in place before the first device of a driver is made, and taken away
/// after the last one is gone.
pub trait Guard: Sized {
    /// Puts it in place. Process context, without RTNL.
    ///
    /// # Safety
    ///
    /// What is made must be dropped before the code of the module goes.
    unsafe fn new() -> impl PinInit<Self, Error>;
}

/// Nothing.
pub struct NoGuard;

impl Guard for NoGuard {
    unsafe fn new() -> impl PinInit<Self, Error> {
        Ok(NoGuard)
    }
}

/// Registration of `T` as a kind of link.
///
/// Dropping it deletes all links of the kind, in all namespaces, and waits until they are gone.
/// [`module_rtnl_link!`](crate::module_rtnl_link) holds it for as long as the module is loaded.
///
/// # Invariants
///
/// `claim`'s operations are registered with the core, and `guard` and `namespaces` in place for as long.
#[must_use]
#[pin_data(PinnedDrop)]
pub struct Registration<T: Operations> {
    // Dropped after the links were deleted, in this order: fields go after `PinnedDrop::drop()`.
    #[pin]
    guard: T::Guard,
    #[pin]
    namespaces: netns::Registration<T>,
    claim: Claim<T>,
}

impl<T: Operations> Registration<T> {
    /// Registers the kind. Process context, without RTNL.
    ///
    /// `EEXIST` if there is one of that name.
    ///
    /// C counterpart: `rtnl_link_register()`, `net/core/rtnetlink.c`.
    ///
    /// # Safety
    ///
    /// What is made must be dropped before the code of the module goes: it is the core that has
    /// the operations, and nobody can make sure of that for a value that a driver can forget.
    pub unsafe fn new() -> impl PinInit<Self, Error> {
        // INVARIANT: Once this has succeeded the kind is registered, under the guard.
        // Another guard for devices that have one would take away what the first one gives them.
        try_pin_init!(Self {
            claim: T::OPS.get().claim()?,
            // SAFETY: It is dropped with this value.
            guard <- unsafe { T::Guard::new() },
            namespaces <- netns::Registration::new(),
            _: { claim.register()? },
        })
    }

    /// Makes a link in the initial namespace, as `ip link add NAME` would. Process context.
    ///
    /// The link belongs to the kind from then on. While RTNL is held nobody can delete it, hence
    /// the lifetime.
    ///
    /// `EEXIST` if the name is taken, `EINVAL` if it is not one for a device.
    ///
    /// C counterpart: `alloc_netdev()` and `register_netdevice()`, `net/core/dev.c`.
    pub fn create<'rtnl>(&self, name: &CStr, rtnl: &'rtnl Rtnl) -> Result<&'rtnl Device<T>> {
        Unregistered::<T>::new(name)?.register(self.claim.0, rtnl)
    }

    /// Brings a link up, as `ip link set up` does. Process context.
    ///
    /// For who has the registration alone, which no operation of a device is handed: a device that
    /// is opened while it is being closed or unregistered would be up when it is freed.
    ///
    /// C counterpart: `dev_open()`, `net/core/dev_api.c`.
    pub fn open(&self, dev: &Device<T>, _rtnl: &Rtnl) -> Result {
        // SAFETY: By the type's invariants the device is live, and RTNL is held. Without an extack
        // no message is wanted.
        to_result(unsafe { bindings::dev_open(dev.as_raw(), ptr::null_mut()) })
    }
}

/// Declares a module that is there for one kind of links.
///
/// `type` is the driver, an [`Operations`]; the rest is as for [`module!`](kernel::macros::module).
///
/// ```ignore
/// module_rtnl_link! {
///     type: Echo,
///     name: "rust_echo",
///     license: "GPL",
///     alias: ["rtnl-link-rust_echo"],
/// }
/// ```
#[macro_export]
macro_rules! module_rtnl_link {
    (type: $driver:ty, $($module:tt)*) => {
        /// What the module holds while it is loaded: the kind, and with it all links of the kind.
        #[::kernel::prelude::pin_data]
        struct RtnlLinkModule {
            #[pin]
            links: $crate::net::link::Registration<$driver>,
        }

        impl ::kernel::InPlaceModule for RtnlLinkModule {
            fn init(
                _module: &'static ::kernel::ThisModule,
            ) -> impl ::pin_init::PinInit<Self, ::kernel::error::Error> {
                static CALLED: $crate::net::link::Once = $crate::net::link::Once::new();

                ::kernel::prelude::try_pin_init!(Self {
                    _: { CALLED.first()? },
                    // SAFETY: The first call is the one of `module!`, below, before any other code
                    // of the module runs. It is to a `static`, which is dropped when the module
                    // goes. Others, and this can be called by anybody, do not come here.
                    links <- unsafe { $crate::net::link::Registration::new() },
                    _: { <$driver as $crate::net::link::Operations>::loaded(&links)? },
                })
            }
        }

        ::kernel::prelude::module! {
            type: RtnlLinkModule,
            $($module)*
        }
    };
}

/// What is done once and never again.
#[doc(hidden)]
pub struct Once(Atomic<i32>);

impl Once {
    #[doc(hidden)]
    pub const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// `EBUSY` if it was called before.
    #[doc(hidden)]
    pub fn first(&self) -> Result {
        match self.0.xchg(1, Relaxed) {
            0 => Ok(()),
            _ => Err(EBUSY),
        }
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type's invariants.
        unsafe { self.claim.unregister() };
    }
}

/// A new device that is not registered; freed when dropped.
///
/// # Invariants
///
/// Points to a `net_device` that was set up for `T`, is not registered and that this value owns.
pub(super) struct Unregistered<T: Operations>(NonNull<bindings::net_device>, Driver<T>);

impl<T: Operations> Unregistered<T> {
    fn new(name: &CStr) -> Result<Self> {
        // `alloc_netdev_mqs()` ends in BUG_ON() if the name does not fit.
        if name.to_bytes_with_nul().len() > bindings::IFNAMSIZ as usize {
            return Err(EINVAL);
        }
        // SAFETY: The name fits and is copied; the size is that of the private data.
        let dev = unsafe {
            bindings::alloc_netdev_mqs(
                Adapter::<T>::PRIV_SIZE as c_int,
                kernel::str::as_char_ptr_in_const_context(name),
                bindings::NET_NAME_ENUM as u8,
                Some(Adapter::<T>::setup),
                1,
                1,
            )
        };
        // INVARIANT: The device was just made, for `T`.
        Ok(Self(NonNull::new(dev).ok_or(ENOMEM)?, PhantomData))
    }

    /// # Safety
    ///
    /// `dev` must satisfy the invariants of [`Unregistered`], and the caller must give it up.
    pub(super) unsafe fn from_raw(dev: *mut bindings::net_device) -> Self {
        // INVARIANT: By the function's safety requirement.
        // SAFETY: A valid pointer is not null.
        Self(unsafe { NonNull::new_unchecked(dev) }, PhantomData)
    }

    /// The C device.
    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.as_ptr()
    }

    pub(super) fn register<'rtnl>(
        self,
        ops: &'static Ops<T>,
        _rtnl: &'rtnl Rtnl,
    ) -> Result<&'rtnl Device<T>> {
        let dev = self.0.as_ptr();
        // SAFETY: By the type's invariants the device is ours and not registered.
        unsafe { (*dev).rtnl_link_ops = ops.as_raw() };
        // SAFETY: As above; RTNL is held. On an error the device is still ours to free
        // (`free_netdev()` also copes with a registration that failed late).
        to_result(unsafe { bindings::register_netdevice(dev) })?;
        core::mem::forget(self);
        // SAFETY: The device is registered, thus its private data made; it cannot be unregistered
        // while RTNL is held.
        Ok(unsafe { Device::from_raw(dev) })
    }
}

impl<T: Operations> Drop for Unregistered<T> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants.
        unsafe { bindings::free_netdev(self.0.as_ptr()) };
    }
}

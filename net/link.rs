// SPDX-License-Identifier: GPL-2.0

//! Kinds of links: `ip link add … type KIND`.
//!
//! C header: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h)

use super::{
    bindings,
    context::Rtnl,
    device::{
        self,
        Device, //
    },
    netlink::{
        ExtAck,
        LinkAttributes, //
    },
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
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

    /// The one [`Ops`] of this driver: a reference to a `static`.
    fn ops() -> &'static Ops<Self>;

    /// Checks what a user asks of a link that is to be made or changed. Process context.
    ///
    /// C counterpart: `validate`.
    fn validate(_attributes: &LinkAttributes<'_>, _extack: &mut ExtAck<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The link operations of `T` as the core sees them.
pub struct Ops<T>(Opaque<bindings::rtnl_link_ops>, PhantomData<fn() -> T>);

// SAFETY: After it was made, only the core touches the content, under its own locks.
unsafe impl<T> Sync for Ops<T> {}

impl<T: Operations> Ops<T> {
    /// For the initialiser of a `static`.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        // SAFETY: Zero is a valid value of all fields.
        let mut ops: bindings::rtnl_link_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        ops.kind = kernel::str::as_char_ptr_in_const_context(T::KIND);
        ops.priv_size = device::Adapter::<T>::PRIV_SIZE;
        ops.setup = Some(device::Adapter::<T>::setup);
        if T::HAS_VALIDATE {
            ops.validate = Some(Self::validate);
        }
        Self(Opaque::new(ops), PhantomData)
    }

    pub(super) fn as_raw(&self) -> *mut bindings::rtnl_link_ops {
        self.0.get()
    }

    /// # Safety
    ///
    /// To be called by the core as `validate`.
    unsafe extern "C" fn validate(
        tb: *mut *mut bindings::nlattr,
        _data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `__rtnl_newlink()` hands over the parsed attributes of the request that it
        // handles, and the request's extack.
        let (attributes, mut extack) =
            unsafe { (LinkAttributes::from_raw(tb), ExtAck::from_raw(extack)) };
        from_result(|| T::validate(&attributes, &mut extack).map(|()| 0))
    }
}

/// Registration of `T` as a kind of link.
///
/// Dropping it deletes all links of the kind, in all namespaces, and waits until they are gone.
///
/// # Invariants
///
/// `T::ops()` is registered with the core.
pub struct Registration<T: Operations>(PhantomData<T>);

impl<T: Operations> Registration<T> {
    /// Registers the kind. Process context, without RTNL.
    ///
    /// `EEXIST` if there is one of that name.
    ///
    /// C counterpart: `rtnl_link_register()`, `net/core/rtnetlink.c`.
    pub fn new() -> Result<Self> {
        // SAFETY: The operations are `'static`, and their functions are `T`'s. A second
        // registration is refused before the structure is touched, since the kind is there.
        to_result(unsafe { bindings::rtnl_link_register(T::ops().as_raw()) })?;
        // INVARIANT: It was just registered.
        Ok(Self(PhantomData))
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
        let dev = Unregistered::<T>::new(name)?;
        dev.register(rtnl)
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants.
        unsafe { bindings::rtnl_link_unregister(T::ops().as_raw()) };
    }
}

/// A new device that is not registered; freed when dropped.
///
/// # Invariants
///
/// Points to a `net_device` that was set up for `T`, is not registered and that this value owns.
struct Unregistered<T: Operations>(NonNull<bindings::net_device>, PhantomData<T>);

impl<T: Operations> Unregistered<T> {
    fn new(name: &CStr) -> Result<Self> {
        // `alloc_netdev_mqs()` ends in BUG_ON() if the name does not fit.
        if name.to_bytes_with_nul().len() > bindings::IFNAMSIZ as usize {
            return Err(EINVAL);
        }
        // SAFETY: The name fits and is copied; the size is that of the private data.
        let dev = unsafe {
            bindings::alloc_netdev_mqs(
                device::Adapter::<T>::PRIV_SIZE as c_int,
                kernel::str::as_char_ptr_in_const_context(name),
                bindings::NET_NAME_ENUM as u8,
                Some(device::Adapter::<T>::setup),
                1,
                1,
            )
        };
        // INVARIANT: The device was just made, for `T`.
        Ok(Self(NonNull::new(dev).ok_or(ENOMEM)?, PhantomData))
    }

    fn register<'rtnl>(self, _rtnl: &'rtnl Rtnl) -> Result<&'rtnl Device<T>> {
        let dev = self.0.as_ptr();
        // SAFETY: By the type's invariants the device is ours and not registered.
        unsafe { (*dev).rtnl_link_ops = T::ops().as_raw() };
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

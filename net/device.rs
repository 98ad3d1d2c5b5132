// SPDX-License-Identifier: GPL-2.0

//! Devices and the operations of their drivers.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    context::{
        BhDisabled,
        Rtnl,
        XmitContext, //
    },
    l3mdev,
    link,
    setup::Setup,
    skbuff::SkBuff,
    stats, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Deref,
    ptr, //
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

/// What a driver does with its devices.
///
/// C counterpart: `struct net_device_ops`. Implement with `#[vtable]`; what is left out is left to
/// the core.
#[vtable]
pub trait Operations: Sized + 'static {
    /// The driver's own data of one device.
    ///
    /// Lies inside the `net_device` (`netdev_priv()`). It is made by [`Operations::init`] when the
    /// device is registered, and dropped when nothing can reach the device any more, or when its
    /// registration fails after `init`.
    type Private: Send + Sync + 'static;

    /// The per-CPU counters that the core allocates for each device.
    type Stats: stats::Kind;

    /// Gives a new device its properties. Process context.
    fn setup(dev: &mut Setup<'_, Self>);

    /// Makes the private data; an error refuses the device. Process context.
    ///
    /// C counterpart: `ndo_init`.
    fn init(dev: &Registering<Self>, rtnl: &Rtnl) -> impl PinInit<Self::Private, Error>;

    /// The device goes up; an error keeps it down. Process context.
    ///
    /// C counterpart: `ndo_open`.
    fn open(_dev: &Device<Self>, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The device goes down. Always comes before the device is unregistered or moved to another
    /// namespace, if it is up. Process context.
    ///
    /// C counterpart: `ndo_stop`.
    fn stop(_dev: &Device<Self>, _rtnl: &Rtnl) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sends a packet. Bottom halves are disabled; called on several CPUs at once if the device
    /// was [set up](Setup::lockless_xmit) so.
    ///
    /// The packet is the driver's: it hands it on or drops it, there is no giving it back
    /// (`NETDEV_TX_BUSY` is for hardware that lost count of its ring). It cannot be kept for
    /// later, as nothing would keep the device.
    ///
    /// C counterpart: `ndo_start_xmit`.
    fn start_xmit<'dev>(dev: &'dev Device<Self>, skb: SkBuff<'dev>, ctx: &XmitContext);

    /// Fills in the counters. Any context that does not hold a lock of the driver.
    ///
    /// C counterpart: `ndo_get_stats64`.
    fn get_stats64(_dev: &Device<Self>, _stats: &mut stats::LinkStats) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the hardware address to the one that was asked for. Process context.
    ///
    /// Without it the address cannot be changed (`EOPNOTSUPP`).
    ///
    /// C counterpart: `ndo_set_mac_address`.
    fn set_mac_address(
        _dev: &Device<Self>,
        _address: &RequestedAddress<'_>,
        _rtnl: &Rtnl,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A device of whatever driver, as a notifier sees it.
///
/// # Invariants
///
/// The pointee is a live `net_device` that is being registered, is registered or is being
/// unregistered. The kernel reads and writes it at any time: no reference to its fields is ever
/// made.
#[repr(transparent)]
pub struct AnyDevice(Opaque<bindings::net_device>);

impl AnyDevice {
    /// # Safety
    ///
    /// `ptr` must satisfy the invariants of [`AnyDevice`] for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::net_device) -> &'a Self {
        // SAFETY: By the function's safety requirement; `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The C device.
    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// The device as one of the driver `T`, if it is one that was made through its link
    /// operations.
    pub fn downcast<T: link::Operations>(&self) -> Option<&Device<T>> {
        // SAFETY: By the type's invariants; the field is set once, before registration.
        let ops = unsafe { (*self.as_raw()).rtnl_link_ops };

        if ptr::eq(ops, T::OPS.get().as_raw()) {
            // SAFETY: Only `rtnl_create_link()` with these operations and `link::Registration`
            // make devices that carry them, both with `T`'s setup. A notifier is called first at
            // `NETDEV_POST_INIT`, after `ndo_init`, and last before `priv_destructor`.
            Some(unsafe { Device::from_raw(self.as_raw()) })
        } else {
            None
        }
    }

    /// Sets or clears `IFF_LOOPBACK`, and tells nobody.
    ///
    /// Readers without RTNL see the old or the new value of the word.
    pub(super) fn assign_loopback(&self, on: bool, _rtnl: &Rtnl) {
        const LOOPBACK: u32 = bindings::net_device_flags_IFF_LOOPBACK;

        // SAFETY: By the type's invariants. The word is written under RTNL only, which `_rtnl`
        // says is held; volatile, since it is read without any lock.
        unsafe {
            let flags = &raw mut (*self.as_raw()).flags;
            let old = flags.read_volatile();
            flags.write_volatile(if on { old | LOOPBACK } else { old & !LOOPBACK });
        }
    }
}

/// A device of the driver `T`, with its private data.
///
/// # Invariants
///
/// As [`AnyDevice`]; besides, the `net_device` was set up for `T` by `Adapter::setup()`, and its
/// private data holds a valid `T::Private`.
#[repr(transparent)]
pub struct Device<T: Operations> {
    any: AnyDevice,
    _driver: PhantomData<T>,
}

impl<T: Operations> Deref for Device<T> {
    type Target = AnyDevice;

    #[inline]
    fn deref(&self) -> &AnyDevice {
        &self.any
    }
}

impl<T: Operations> Device<T> {
    /// # Safety
    ///
    /// `ptr` must satisfy the invariants of [`Device`] for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::net_device) -> &'a Self {
        // SAFETY: By the function's safety requirement; `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The driver's own data of this device.
    #[inline]
    pub fn private(&self) -> &T::Private {
        // SAFETY: By the type's invariants the private data is valid; it is only ever shared, and
        // lives as long as the device.
        unsafe { &*bindings::netdev_priv(self.as_raw()).cast() }
    }

    /// Brings the device up, as `ip link set up` does.
    ///
    /// C counterpart: `dev_open()`, `net/core/dev_api.c`.
    pub fn open(&self, _rtnl: &Rtnl) -> Result {
        // SAFETY: By the type's invariants; RTNL is held. Without an extack no message is wanted.
        to_result(unsafe { bindings::dev_open(self.as_raw(), ptr::null_mut()) })
    }

    /// How many receive queues are in use.
    ///
    /// C counterpart: `dev->real_num_rx_queues`.
    pub fn rx_queues(&self, _rtnl: &Rtnl) -> u32 {
        // SAFETY: By the type's invariants; what writes it holds RTNL, as `_rtnl` says we do.
        unsafe { (*self.as_raw()).real_num_rx_queues }
    }

    /// How many transmit queues are in use.
    ///
    /// C counterpart: `dev->real_num_tx_queues`.
    pub fn tx_queues(&self, _rtnl: &Rtnl) -> u32 {
        // SAFETY: As in `rx_queues`.
        unsafe { (*self.as_raw()).real_num_tx_queues }
    }

    /// Counts a packet that was not sent (`tx_dropped`). Per CPU; any context.
    ///
    /// C counterpart: `dev_core_stats_tx_dropped_inc()`.
    pub fn tx_dropped(&self) {
        // SAFETY: By the type's invariants.
        unsafe { bindings::dev_core_stats_tx_dropped_inc(self.as_raw()) };
    }

    /// Sets the hardware address as an Ethernet device does: it must be a unicast one, not all
    /// zero (`EADDRNOTAVAIL`), and the device down unless it may change while live (`EBUSY`).
    ///
    /// C counterpart: `eth_mac_addr()`, `net/ethernet/eth.c`.
    pub fn eth_set_mac_address(&self, address: &RequestedAddress<'_>, _rtnl: &Rtnl) -> Result {
        // SAFETY: By the invariants of both types; RTNL is held.
        to_result(unsafe { bindings::eth_mac_addr(self.as_raw(), address.ptr) })
    }
}

impl<T: Operations<Stats = stats::Lstats>> Device<T> {
    /// Counts one packet of `len` bytes on this CPU.
    ///
    /// C counterpart: `dev_lstats_add()`.
    #[inline]
    pub fn lstats_add(&self, len: u32, _bh: &BhDisabled) {
        // SAFETY: By the type's invariants; the counters are there, since `T::Stats` made the core
        // allocate them, and `_bh` says that the task stays on this CPU. Where another one may come
        // between (PREEMPT_RT), `u64_stats_t` bears it (include/linux/u64_stats_sync.h).
        unsafe { bindings::dev_lstats_add(self.as_raw(), len) };
    }

    /// The sum over all CPUs.
    ///
    /// C counterpart: `dev_lstats_read()`, `drivers/net/loopback.c`.
    pub fn lstats(&self) -> stats::Totals {
        let mut totals = stats::Totals::default();
        // SAFETY: As in `lstats_add`; reading needs no context.
        unsafe {
            bindings::dev_lstats_read(self.as_raw(), &mut totals.packets, &mut totals.bytes);
        }
        totals
    }
}

/// A device that is about to be registered and whose private data is being made.
///
/// # Invariants
///
/// The pointee is a valid `net_device` inside `ndo_init`.
#[repr(transparent)]
pub struct Registering<T: Operations>(Opaque<bindings::net_device>, PhantomData<T>);

impl<T: Operations> Registering<T> {
    /// Gives the locks of the device lockdep classes of their own, so that a device whose packets
    /// pass through another one is not taken for a recursion.
    ///
    /// C counterpart: `netdev_lockdep_set_classes()`, `include/net/netdev_lock.h`.
    pub fn lockdep_set_classes(&self) {
        // SAFETY: By the type's invariants; nobody takes the locks before the device is
        // registered.
        unsafe { bindings::netdev_lockdep_set_classes(self.0.get()) };
    }
}

/// The hardware address that a user asked for.
///
/// # Invariants
///
/// `ptr` points to a `struct sockaddr_storage` that holds the address, for `'a`.
pub struct RequestedAddress<'a> {
    ptr: *mut c_void,
    _life: PhantomData<&'a ()>,
}

/// The C callbacks of the driver `T`.
pub(super) struct Adapter<T>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    const OPS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_init: Some(Self::init),
        ndo_open: if T::HAS_OPEN { Some(Self::open) } else { None },
        ndo_stop: if T::HAS_STOP { Some(Self::stop) } else { None },
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_get_stats64: if T::HAS_GET_STATS64 {
            Some(Self::get_stats64)
        } else {
            None
        },
        ndo_set_mac_address: if T::HAS_SET_MAC_ADDRESS {
            Some(Self::set_mac_address)
        } else {
            None
        },
        // SAFETY: All fields are optional functions, for which zero is `None`.
        ..unsafe { MaybeUninit::zeroed().assume_init() }
    };

    /// Room for the private data, for `alloc_netdev_mqs()`, which aligns it to a cache line.
    pub(super) const PRIV_SIZE: usize = {
        assert!(align_of::<T::Private>() <= align_of::<bindings::net_device>());
        size_of::<T::Private>()
    };

    /// `setup` of `alloc_netdev_mqs()` and of `struct rtnl_link_ops`.
    ///
    /// # Safety
    ///
    /// `dev` must point to a new `net_device` that only the caller uses.
    pub(super) unsafe extern "C" fn setup(dev: *mut bindings::net_device) {
        // SAFETY: By the function's safety requirement.
        unsafe {
            (*dev).netdev_ops = &Self::OPS;
            (*dev).needs_free_netdev = true;
            (*dev).priv_destructor = Some(Self::destructor);
            (*dev).set_pcpu_stat_type(<T::Stats as stats::Kind>::TYPE);
            (*dev).l3mdev_ops = &l3mdev::NO_OPS;
        }
        // SAFETY: As above; all that `T`'s callbacks rely on was set, but for the next line.
        let mut setup = unsafe { Setup::from_raw(dev) };
        // Or `ndo_start_xmit` might be called in a hard interrupt, see `XmitContext`.
        setup.add_priv_flags(bindings::netdev_priv_flags_IFF_DISABLE_NETPOLL);
        T::setup(&mut setup);
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_init` of a device that `Self::setup` was called for.
    unsafe extern "C" fn init(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: `register_netdevice()` calls this under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: By the function's safety requirement; transparent wrapper.
        let registering = unsafe { &*dev.cast::<Registering<T>>() };
        // SAFETY: As above; there is room for the private data, aligned (see `PRIV_SIZE`), which
        // nobody looks at before it is made, here. `'static` is for what does not move until it is
        // dropped, as a `net_device` never does; the reference ends with this function.
        let slot: &'static mut MaybeUninit<T::Private> =
            unsafe { &mut *bindings::netdev_priv(dev).cast() };

        // On an error the slot is left alone: `register_netdevice()` calls `priv_destructor` only
        // after an `ndo_init` that succeeded.
        from_result(|| {
            slot.write_pin_init(T::init(registering, &rtnl))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the core as `priv_destructor` of a device whose `ndo_init` has succeeded.
    unsafe extern "C" fn destructor(dev: *mut bindings::net_device) {
        // SAFETY: `register_netdevice()` (after a late failure) and `netdev_run_todo()` call this
        // exactly once, when no callback can run any more; `Self::init` made the data.
        unsafe { ptr::drop_in_place(bindings::netdev_priv(dev).cast::<T::Private>()) };
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_open`.
    unsafe extern "C" fn open(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: `__dev_open()` calls this for a registered device, under RTNL.
        let (dev, rtnl) = unsafe { (Device::<T>::from_raw(dev), Rtnl::assume_held()) };
        from_result(|| T::open(dev, &rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_stop`.
    unsafe extern "C" fn stop(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: `__dev_close_many()` calls this for a registered device, under RTNL.
        let (dev, rtnl) = unsafe { (Device::<T>::from_raw(dev), Rtnl::assume_held()) };
        T::stop(dev, &rtnl);
        0
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_start_xmit`.
    unsafe extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: The device is up, thus registered. With `NETDEV_TX_OK` the packet is the
        // driver's. Nobody else writes to it: senders that keep a reference (pktgen) leave it
        // alone unless the device has `IFF_TX_SKB_SHARING`, which `Setup` cannot set. The context
        // is that of `ndo_start_xmit`.
        let (dev, skb, ctx) = unsafe {
            (
                Device::<T>::from_raw(dev),
                SkBuff::from_raw(skb),
                XmitContext::assume(),
            )
        };
        T::start_xmit(dev, skb, &ctx);
        bindings::netdev_tx_NETDEV_TX_OK
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_get_stats64`.
    unsafe extern "C" fn get_stats64(
        dev: *mut bindings::net_device,
        stats: *mut bindings::rtnl_link_stats64,
    ) {
        // SAFETY: `dev_get_stats()` calls this for a registered device, with counters of its
        // caller's.
        let (dev, stats) = unsafe {
            (
                Device::<T>::from_raw(dev),
                stats::LinkStats::from_raw(stats),
            )
        };
        T::get_stats64(dev, stats);
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_set_mac_address`.
    unsafe extern "C" fn set_mac_address(
        dev: *mut bindings::net_device,
        address: *mut c_void,
    ) -> c_int {
        // SAFETY: `netif_set_mac_address()` calls this for a registered device, under RTNL.
        let (dev, rtnl) = unsafe { (Device::<T>::from_raw(dev), Rtnl::assume_held()) };
        // INVARIANT: What the core hands over is a `struct sockaddr_storage`, until this returns.
        let address = RequestedAddress {
            ptr: address,
            _life: PhantomData,
        };
        from_result(|| T::set_mac_address(dev, &address, &rtnl).map(|()| 0))
    }
}

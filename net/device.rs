// SPDX-License-Identifier: GPL-2.0

//! Devices and the operations of their drivers.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    context::{
        BhDisabled,
        RcuRead,
        Rtnl,
        XmitContext, //
    },
    link,
    link_type::LinkType,
    once::{
        read_once,
        write_once, //
    },
    setup::Setup,
    skbuff::SkBuff,
    stats,
    xdp::XdpFrame, //
};
use core::{
    fmt::Write,
    marker::PhantomData,
    ops::Deref, //
};
use kernel::{
    error::{
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fmt,
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
    /// registration fails after `init`: in process context, in the first case without RTNL
    /// (`netdev_run_todo()`, `net/core/dev.c`), in the second one with it. So dropping it must not
    /// take RTNL.
    type Private: Send + Sync + 'static;

    /// The kind of link layer, and with it of headers and addresses:
    /// [`Loopback`](super::link_type::Loopback) or [`Ethernet`](super::link_type::Ethernet).
    type LinkType: LinkType;

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
    #[inline]
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

    /// Sends a packet. Must not sleep, see [`XmitContext`]; called on several CPUs at once if the
    /// device was [set up](Setup::lltx) so.
    ///
    /// The packet is the driver's: it hands it on, consumes or drops it, there is no giving it back
    /// (`NETDEV_TX_BUSY` is for hardware that lost count of its ring). It cannot be kept for
    /// later, as nothing would keep the device.
    ///
    /// C counterpart: `ndo_start_xmit`.
    fn start_xmit<'dev>(dev: &'dev Device<Self>, skb: SkBuff<'dev>, ctx: &XmitContext);

    /// Takes a frame that an XDP program of another device has redirected to this one, or gives it
    /// back: the caller frees it then, and says so (tracepoint `xdp:xdp_devmap_xmit`). Must not
    /// sleep, see [`XmitContext`]; called on several CPUs at once, without the queue's lock, while
    /// the device is up.
    ///
    /// With it programs may redirect to the device, also frames of several fragments. The next
    /// frame is offered whatever has become of this one.
    ///
    /// C counterpart: `ndo_xdp_xmit`, which is told of several frames at once; there is nothing
    /// to be done at the last one of them (`XDP_XMIT_FLUSH`).
    #[inline]
    fn xdp_xmit<'dev>(
        _dev: &'dev Device<Self>,
        _frame: XdpFrame<'dev>,
        _ctx: &XmitContext,
    ) -> Result<(), XdpFrame<'dev>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Fills in the counters. Any context that does not hold a lock of the driver, inside RCU
    /// (that of the caller's, as for `/proc/net/dev`, or one for this call): must not sleep.
    ///
    /// C counterpart: `ndo_get_stats64`.
    fn get_stats64(_dev: &Device<Self>, _stats: &mut stats::LinkStats, _rcu: &RcuRead) {
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

    /// Checks the hardware address before the device goes up, mostly by
    /// [`Device::eth_validate_addr`]; an error keeps it down. Process context.
    ///
    /// C counterpart: `ndo_validate_addr`.
    fn validate_addr(_dev: &Device<Self>, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The addresses that the device has to receive are others now, or it is to be promiscuous or
    /// not; an error has it called again, later. Process context.
    ///
    /// Without it users cannot add multicast addresses by hand (`SIOCADDMULTI`). The lists of
    /// addresses are not wrapped.
    ///
    /// C counterpart: `ndo_set_rx_mode_async`.
    fn set_rx_mode(_dev: &Device<Self>, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A user wants the device to have a carrier, or none: [`Device::netif_carrier_on`],
    /// [`Device::netif_carrier_off`]. Process context.
    ///
    /// C counterpart: `ndo_change_carrier`.
    fn change_carrier(_dev: &Device<Self>, _on: bool, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the MTU, which is within the device's limits, by [`Device::set_mtu`]. Process context.
    ///
    /// Without it the core sets it.
    ///
    /// C counterpart: `ndo_change_mtu`.
    fn change_mtu(_dev: &Device<Self>, _mtu: u32, _rtnl: &Rtnl) -> Result {
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
    #[inline]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::net_device) -> &'a Self {
        // SAFETY: By the function's safety requirement; `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The C device.
    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    /// The index, which is another one after a move to another namespace, or may be.
    ///
    /// C counterpart: `dev->ifindex`.
    #[inline]
    pub fn ifindex(&self) -> u32 {
        // SAFETY: By the type's invariants.
        unsafe { read_once(&raw const (*self.as_raw()).ifindex) as u32 }
    }

    /// The MTU in bytes.
    ///
    /// C counterpart: `READ_ONCE(dev->mtu)`.
    #[inline]
    pub fn mtu(&self) -> u32 {
        // SAFETY: By the type's invariants; it is changed under RTNL only, and read without any
        // lock.
        unsafe { read_once(&raw const (*self.as_raw()).mtu) }
    }

    /// Whether the device is up: from before `ndo_open` until before `ndo_stop`.
    ///
    /// C counterpart: `netif_running()`, `include/linux/netdevice.h`.
    #[inline]
    pub fn is_running(&self) -> bool {
        // SAFETY: By the type's invariants.
        unsafe { bindings::netif_running(self.as_raw()) }
    }

    /// How far it has come between registration and its end, as `NETREG_*` has it.
    ///
    /// C counterpart: `reg_state`, `include/linux/netdevice.h`.
    pub(super) fn reg_state(&self) -> bindings::netdev_reg_state {
        // SAFETY: By the type's invariants.
        let state = unsafe { &raw const (*self.as_raw()).reg_state };
        // SAFETY: As above. Others write it at once.
        let state = unsafe { read_once(state.cast::<i8>()) };
        state as bindings::netdev_reg_state
    }

    /// Whether it needs to ask nobody for addresses of its link layer.
    ///
    /// C counterpart: `IFF_NOARP`, `IFF_LOOPBACK`, as in `arp_constructor()` (`net/ipv4/arp.c`).
    #[inline]
    pub(super) fn has_no_neighbours(&self) -> bool {
        const NONE: u32 =
            bindings::net_device_flags_IFF_NOARP | bindings::net_device_flags_IFF_LOOPBACK;

        // SAFETY: By the type's invariants; it is written under RTNL, and read without any lock.
        (unsafe { read_once(&raw const (*self.as_raw()).flags) }) & NONE != 0
    }

    /// The name, for messages.
    pub fn name(&self, _rtnl: &Rtnl) -> Name {
        // SAFETY: By the type's invariants; it is changed under RTNL only.
        Name(unsafe { (*self.as_raw()).name })
    }

    /// Sets or clears `IFF_LOOPBACK`, and tells nobody.
    ///
    /// Readers without RTNL see the old or the new value of the word.
    pub(super) fn assign_loopback(&self, on: bool, _rtnl: &Rtnl) {
        const LOOPBACK: u32 = bindings::net_device_flags_IFF_LOOPBACK;

        // SAFETY: By the type's invariants.
        let flags = unsafe { &raw mut (*self.as_raw()).flags };
        // SAFETY: As above.
        let old = unsafe { read_once(flags) };
        let new = if on { old | LOOPBACK } else { old & !LOOPBACK };
        // SAFETY: As above. It is written under RTNL only, which `_rtnl` says is held, and read
        // without any lock.
        unsafe { write_once(flags, new) };
    }
}

/// A copy of a device's name.
pub struct Name([c_char; bindings::IFNAMSIZ as usize]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.iter().take_while(|c| **c != 0) {
            f.write_char(char::from(*c))?;
        }
        Ok(())
    }
}

/// Of which driver something is. Not [`PhantomData<T>`]: a type that is a subtype of another one
/// (`for<'a> fn(&'a ())` of `fn(&'static ())`) may be another driver, with other private data.
pub(super) type Driver<T> = PhantomData<fn(T) -> T>;

/// A device of the driver `T`, with its private data.
///
/// # Invariants
///
/// As [`AnyDevice`]; besides, the `net_device` was set up for `T` by `Adapter::setup()`, and its
/// private data holds a valid `T::Private`.
#[repr(transparent)]
pub struct Device<T: Operations> {
    any: AnyDevice,
    _driver: Driver<T>,
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

    /// As [`AnyDevice::as_raw`], which a method of the driver's would come before.
    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::net_device {
        self.any.as_raw()
    }

    /// The driver's own data of this device.
    #[inline]
    pub fn private(&self) -> &T::Private {
        // SAFETY: By the type's invariants.
        let private = unsafe { bindings::netdev_priv(self.as_raw()) };
        // SAFETY: By the type's invariants the private data is valid; it is only ever shared, and
        // lives as long as the device.
        unsafe { &*private.cast() }
    }

    /// Length of the link-layer header in bytes.
    ///
    /// C counterpart: `dev->hard_header_len`.
    #[inline]
    pub(super) fn hard_header_len(&self) -> u32 {
        // SAFETY: By the type's invariants; what writes it is the link type, before the device is
        // registered.
        u32::from(unsafe { (*self.as_raw()).hard_header_len })
    }

    /// Sets the MTU, in [`Operations::change_mtu`]: notifiers are the core's affair.
    ///
    /// C counterpart: `WRITE_ONCE(dev->mtu, new_mtu)`.
    #[inline]
    pub fn set_mtu(&self, mtu: u32, _rtnl: &Rtnl) {
        // SAFETY: By the type's invariants. It is read without a lock; what writes it holds RTNL,
        // as `_rtnl` says we do.
        unsafe { write_once(&raw mut (*self.as_raw()).mtu, mtu) };
    }

    /// How many receive queues are in use.
    ///
    /// C counterpart: `dev->real_num_rx_queues`.
    #[inline]
    pub fn rx_queues(&self, _rtnl: &Rtnl) -> u32 {
        // SAFETY: By the type's invariants; what writes it holds RTNL, as `_rtnl` says we do.
        unsafe { (*self.as_raw()).real_num_rx_queues }
    }

    /// How many transmit queues are in use.
    ///
    /// C counterpart: `dev->real_num_tx_queues`.
    #[inline]
    pub fn tx_queues(&self, _rtnl: &Rtnl) -> u32 {
        // SAFETY: As in `rx_queues`.
        unsafe { (*self.as_raw()).real_num_tx_queues }
    }

    /// Counts a packet that was not sent (`tx_dropped`). Per CPU; any context.
    ///
    /// C counterpart: `dev_core_stats_tx_dropped_inc()`.
    #[inline]
    pub fn tx_dropped(&self) {
        // SAFETY: By the type's invariants.
        unsafe { bindings::dev_core_stats_tx_dropped_inc(self.as_raw()) };
    }

    /// Sets the hardware address as an Ethernet device does: it must be a unicast one, not all
    /// zero (`EADDRNOTAVAIL`), and the device down unless it may change while live (`EBUSY`).
    ///
    /// C counterpart: `eth_mac_addr()`, `net/ethernet/eth.c`.
    #[inline]
    pub fn eth_mac_addr(&self, address: &RequestedAddress<'_>, _rtnl: &Rtnl) -> Result {
        // SAFETY: By the invariants of both types; RTNL is held.
        to_result(unsafe { bindings::eth_mac_addr(self.as_raw(), address.ptr) })
    }

    /// `EADDRNOTAVAIL` unless the hardware address is a unicast one, not all zero.
    ///
    /// C counterpart: `eth_validate_addr()`, `net/ethernet/eth.c`.
    pub fn eth_validate_addr(&self, _rtnl: &Rtnl) -> Result {
        // SAFETY: By the type's invariants; an address is changed under RTNL, and there is always
        // room for one of Ethernet's length.
        to_result(unsafe { bindings::eth_validate_addr(self.as_raw()) })
    }
}

impl<T: Operations<Stats = stats::Lstats>> Device<T> {
    /// Counts one packet of `len` bytes on this CPU.
    ///
    /// On 32 bits a count may get lost if netpoll sends in a hard interrupt that comes between.
    ///
    /// C counterpart: `dev_lstats_add()`.
    #[inline]
    pub fn lstats_add(&self, len: u32, _bh: &BhDisabled) {
        // SAFETY: By the type's invariants; the counters are there, since `T::Stats` made the core
        // allocate them, and `_bh` says that the task stays on this CPU. Where another one may come
        // between (PREEMPT_RT; netpoll in a hard interrupt), `u64_stats_t` bears it on 64 bits
        // (include/linux/u64_stats_sync.h); on 32 numbers are wrong, and nothing else.
        unsafe { bindings::dev_lstats_add(self.as_raw(), len) };
    }

    /// The sum over all CPUs.
    ///
    /// C counterpart: `dev_lstats_read()`, `drivers/net/loopback.c`.
    #[inline]
    pub fn lstats(&self) -> stats::Totals {
        let mut totals = stats::Totals::default();
        // SAFETY: As in `lstats_add`; reading needs no context.
        unsafe {
            bindings::dev_lstats_read(self.as_raw(), &mut totals.packets, &mut totals.bytes);
        }
        totals
    }
}

impl<T: Operations<Stats = stats::Tstats>> Device<T> {
    /// Counts one packet of `len` bytes that was sent, on this CPU.
    ///
    /// C counterpart: `dev_sw_netstats_tx_add()`.
    #[inline]
    pub fn sw_netstats_tx_add(&self, len: u32, _bh: &BhDisabled) {
        // SAFETY: As in `lstats_add`.
        unsafe { bindings::dev_sw_netstats_tx_add(self.as_raw(), 1, len) };
    }

    /// Counts one packet of `len` bytes that was received, on this CPU.
    ///
    /// C counterpart: `dev_sw_netstats_rx_add()`.
    #[inline]
    pub fn sw_netstats_rx_add(&self, len: u32, _bh: &BhDisabled) {
        // SAFETY: As in `lstats_add`.
        unsafe { bindings::dev_sw_netstats_rx_add(self.as_raw(), len) };
    }
}

/// A device that is about to be registered and whose private data is being made.
///
/// # Invariants
///
/// The pointee is a valid `net_device` inside `ndo_init`.
#[repr(transparent)]
pub struct Registering<T: Operations>(Opaque<bindings::net_device>, Driver<T>);

impl<T: link::Operations> Registering<T> {
    /// Gives the locks of the device lockdep classes that are the driver's own, so that a device
    /// whose packets pass through one of another driver is not taken for a recursion.
    ///
    /// C counterpart: `netdev_lockdep_set_classes()`, `include/net/netdev_lock.h`.
    #[inline]
    pub fn netdev_lockdep_set_classes(&self) {
        // SAFETY: By the type's invariants; nobody takes the locks before the device is
        // registered. The keys are those of a `static`.
        unsafe {
            bindings::netdev_lockdep_set_classes(self.0.get(), T::OPS.get().lock_keys());
        }
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

impl RequestedAddress<'_> {
    /// # Safety
    ///
    /// `ptr` must satisfy the invariants of [`RequestedAddress`].
    pub(super) unsafe fn from_raw(ptr: *mut c_void) -> Self {
        // INVARIANT: By the function's safety requirement.
        Self {
            ptr,
            _life: PhantomData,
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Counters of a device.

use super::bindings;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Which per-CPU counters the core allocates for a device.
///
/// Implemented by the types that stand for one kind each; a driver names one in
/// [`Operations::Stats`](super::device::Operations::Stats).
pub trait Kind: private::Sealed {
    /// Value for `dev->pcpu_stat_type`.
    #[doc(hidden)]
    const TYPE: u32;
}

/// No per-CPU counters.
pub struct NoStats;

/// Packets and bytes, as a loopback needs them: received is what was sent.
///
/// C counterpart: `struct pcpu_lstats`, `NETDEV_PCPU_STAT_LSTATS`.
pub struct Lstats;

/// Packets and bytes, sent and received. The core tells of them itself, without
/// [`Operations::get_stats64`](super::device::Operations::get_stats64).
///
/// C counterpart: `struct pcpu_sw_netstats`, `NETDEV_PCPU_STAT_TSTATS`.
pub struct Tstats;

impl Kind for Tstats {
    const TYPE: u32 = bindings::netdev_stat_type_NETDEV_PCPU_STAT_TSTATS;
}

impl Kind for NoStats {
    const TYPE: u32 = bindings::netdev_stat_type_NETDEV_PCPU_STAT_NONE;
}

impl Kind for Lstats {
    const TYPE: u32 = bindings::netdev_stat_type_NETDEV_PCPU_STAT_LSTATS;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::NoStats {}
    impl Sealed for super::Lstats {}
    impl Sealed for super::Tstats {}
}

/// Sums of packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets.
    pub packets: u64,
    /// Bytes, without the link layer's header.
    pub bytes: u64,
}

/// A counter of what is rare: one word for all CPUs. Any context.
///
/// What happens to each packet is not for it: CPUs that count at the same time wait for each other.
pub struct RareCounter(Atomic<u64>);

impl RareCounter {
    /// Begins at 0.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Counts one.
    #[inline]
    pub fn count(&self) {
        self.0.add(1, Relaxed);
    }

    /// How many were counted.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters that `ndo_get_stats64` fills in. All are 0 to begin with.
///
/// C counterpart: `struct rtnl_link_stats64`, `include/uapi/linux/if_link.h`.
#[repr(transparent)]
pub struct LinkStats(bindings::rtnl_link_stats64);

impl LinkStats {
    /// # Safety
    ///
    /// `ptr` must be valid and nobody else use it for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::rtnl_link_stats64) -> &'a mut Self {
        // SAFETY: By the function's safety requirement; `Self` is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }

    /// Sets what was received.
    #[inline]
    pub fn set_rx(&mut self, totals: Totals) {
        self.0.rx_packets = totals.packets;
        self.0.rx_bytes = totals.bytes;
    }

    /// Sets what was sent.
    #[inline]
    pub fn set_tx(&mut self, totals: Totals) {
        self.0.tx_packets = totals.packets;
        self.0.tx_bytes = totals.bytes;
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Counters by queue (`qstats-get` of netdev-genl).
//!
//! C header: [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h)

use super::{
    bindings,
    context::Rtnl,
    device::{
        self,
        Device, //
    },
    stats::Totals, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit, //
};
use kernel::prelude::*;

/// What the queues of a device have counted. Process context.
///
/// What the core shows of the whole device is the sum of [`base`](Operations::base) and of all
/// queues in use, which it asks for under the same RTNL. A counter that a function does not set is
/// not shown; of the whole device those are shown that [`base`](Operations::base) sets, if to 0.
///
/// C counterpart: `struct netdev_stat_ops`.
pub trait Operations: device::Operations {
    /// Sets what the receive queue `queue` has counted. Queues are numbered from 0.
    ///
    /// C counterpart: `get_queue_stats_rx`.
    fn rx(dev: &Device<Self>, queue: u32, stats: &mut RxStats, rtnl: &Rtnl);

    /// Sets what the transmit queue `queue` has counted. Queues are numbered from 0.
    ///
    /// C counterpart: `get_queue_stats_tx`.
    fn tx(dev: &Device<Self>, queue: u32, stats: &mut TxStats, rtnl: &Rtnl);

    /// Sets what the device has counted that is of no queue, or of none in use.
    ///
    /// C counterpart: `get_base_stats`.
    fn base(dev: &Device<Self>, rx: &mut RxStats, tx: &mut TxStats, rtnl: &Rtnl);
}

/// Counters of the receiving side; each may be set or left alone.
///
/// C counterpart: `struct netdev_queue_stats_rx`.
// The values are undefined to begin with, says the C header.
#[repr(transparent)]
pub struct RxStats(MaybeUninit<bindings::netdev_queue_stats_rx>);

impl RxStats {
    /// # Safety
    ///
    /// `ptr` must be valid for writes and nobody else use it for `'a`.
    unsafe fn from_raw<'a>(ptr: *mut bindings::netdev_queue_stats_rx) -> &'a mut Self {
        // SAFETY: By the function's safety requirement; `Self` is a transparent wrapper, for which
        // memory need not be initialised.
        unsafe { &mut *ptr.cast() }
    }

    /// Sets packets and bytes (`rx-packets`, `rx-bytes`).
    #[inline]
    pub fn set(&mut self, totals: Totals) {
        let stats = self.0.as_mut_ptr();
        // SAFETY: The pointer is that of a reference; the fields are only written to.
        unsafe { (&raw mut (*stats).packets).write(totals.packets) };
        // SAFETY: As above.
        unsafe { (&raw mut (*stats).bytes).write(totals.bytes) };
    }
}

/// Counters of the sending side; each may be set or left alone.
///
/// C counterpart: `struct netdev_queue_stats_tx`.
// As for `RxStats`.
#[repr(transparent)]
pub struct TxStats(MaybeUninit<bindings::netdev_queue_stats_tx>);

impl TxStats {
    /// # Safety
    ///
    /// `ptr` must be valid for writes and nobody else use it for `'a`.
    unsafe fn from_raw<'a>(ptr: *mut bindings::netdev_queue_stats_tx) -> &'a mut Self {
        // SAFETY: As in `RxStats::from_raw`.
        unsafe { &mut *ptr.cast() }
    }

    /// Sets packets and bytes (`tx-packets`, `tx-bytes`).
    pub fn set(&mut self, totals: Totals) {
        let stats = self.0.as_mut_ptr();
        // SAFETY: As in `RxStats::set`.
        unsafe { (&raw mut (*stats).packets).write(totals.packets) };
        // SAFETY: As above.
        unsafe { (&raw mut (*stats).bytes).write(totals.bytes) };
    }
}

/// The C callbacks of the driver `T`.
///
/// The core calls them for registered devices under RTNL
/// (`netdev_get_by_index_lock_ops_compat()` and its kin, `net/core/dev.c`): the devices here have
/// no lock of their own for their operations, which takes queue management, shapers or
/// `request_ops_lock`, none of which [`Setup`](super::setup::Setup) can set.
pub(super) struct Adapter<T>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    const OPS: bindings::netdev_stat_ops = bindings::netdev_stat_ops {
        get_queue_stats_rx: Some(Self::rx),
        get_queue_stats_tx: Some(Self::tx),
        get_base_stats: Some(Self::base),
    };

    pub(super) const fn ops() -> &'static bindings::netdev_stat_ops {
        &Self::OPS
    }

    /// # Safety
    ///
    /// To be called by the core as `get_queue_stats_rx` of a device of `T`.
    unsafe extern "C" fn rx(
        dev: *mut bindings::net_device,
        queue: c_int,
        stats: *mut bindings::netdev_queue_stats_rx,
    ) {
        // SAFETY: The core calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, under RTNL (see `Adapter`).
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: They are on the core's own stack.
        let stats = unsafe { RxStats::from_raw(stats) };
        T::rx(dev, queue as u32, stats, &rtnl);
    }

    /// # Safety
    ///
    /// To be called by the core as `get_queue_stats_tx` of a device of `T`.
    unsafe extern "C" fn tx(
        dev: *mut bindings::net_device,
        queue: c_int,
        stats: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: As in `rx`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As in `rx`.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: As in `rx`.
        let stats = unsafe { TxStats::from_raw(stats) };
        T::tx(dev, queue as u32, stats, &rtnl);
    }

    /// # Safety
    ///
    /// To be called by the core as `get_base_stats` of a device of `T`.
    unsafe extern "C" fn base(
        dev: *mut bindings::net_device,
        rx: *mut bindings::netdev_queue_stats_rx,
        tx: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: As in `rx`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As in `rx`.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: As in `rx`; the two are different objects.
        let rx = unsafe { RxStats::from_raw(rx) };
        // SAFETY: As above.
        let tx = unsafe { TxStats::from_raw(tx) };
        T::base(dev, rx, tx, &rtnl);
    }
}

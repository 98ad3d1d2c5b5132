// SPDX-License-Identifier: GPL-2.0

//! What a device tells ethtool.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::{
    bindings,
    context::Rtnl,
    device::{
        self,
        Device, //
    },
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit, //
};
use kernel::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*, //
};

/// Answers to ethtool, all under RTNL.
///
/// C counterpart: `struct ethtool_ops`. Time stamping capabilities (`ethtool -T`) are always those
/// of a device whose stamps are made in software (`ethtool_op_get_ts_info()`).
#[vtable]
pub trait Operations: device::Operations {
    /// The driver's own counters (`ethtool -S`): [`NoStatistics`], or a type that holds their
    /// values.
    type Statistics: Statistics<Self>;

    /// Switches of the driver's own (`ethtool --show-priv-flags`, `--set-priv-flags`), 32 at most, in
    /// the order in which they are shown.
    ///
    /// C counterpart: `get_strings` for `ETH_SS_PRIV_FLAGS`, `get_priv_flags`, `set_priv_flags`.
    const SWITCHES: &'static [Switch<Self>] = &[];

    /// Name and version of the driver (`ethtool -i`).
    ///
    /// C counterpart: `get_drvinfo`.
    fn driver_info(_dev: &Device<Self>) -> DriverInfo {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Whether the link is there.
    ///
    /// C counterpart: `get_link`.
    fn link_detected(_dev: &Device<Self>) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Name and version of a driver; each cut off at 31 bytes.
pub struct DriverInfo {
    /// Name of the driver.
    pub driver: &'static CStr,
    /// Version of the driver.
    pub version: &'static CStr,
}

/// Values of a driver's own counters, all read at once.
///
/// What `struct rtnl_link_stats64` has a member for is reported there, and not here as well
/// (`Documentation/networking/statistics.rst`).
///
/// C counterpart: `get_sset_count`, `get_strings` and `get_ethtool_stats` for `ETH_SS_STATS`. How
/// many there are and what they are called is fixed when the driver is compiled, so that the three
/// always agree.
pub trait Statistics<T: device::Operations>: Sized + 'static {
    /// The counters, in the order in which they are shown. If there are none, `ethtool -S` says
    /// that the device has no statistics (`EOPNOTSUPP`).
    const TABLE: &'static [Statistic<Self>];

    /// Reads the counters of a device. Process context.
    fn read(dev: &Device<T>, rtnl: &Rtnl) -> Self;
}

/// No counters of the driver's own.
pub struct NoStatistics;

impl<T: device::Operations> Statistics<T> for NoStatistics {
    const TABLE: &'static [Statistic<Self>] = &[];

    fn read(_dev: &Device<T>, _rtnl: &Rtnl) -> Self {
        Self
    }
}

const NAME_LEN: usize = bindings::ETH_GSTRING_LEN as usize;

/// One counter: its name, and where its value is found in `S`.
pub struct Statistic<S> {
    /// Ends with a zero.
    name: [u8; NAME_LEN],
    value: fn(&S) -> u64,
}

impl<S> Statistic<S> {
    /// A name that is empty, longer than 31 bytes or has anything but printable ASCII in it is an
    /// error of the compiler's, in a constant such as [`Statistics::TABLE`].
    pub const fn new(name: &str, value: fn(&S) -> u64) -> Self {
        Self {
            name: padded(name),
            value,
        }
    }
}

const fn padded(name: &str) -> [u8; NAME_LEN] {
    let from = name.as_bytes();
    let mut to = [0; NAME_LEN];
    assert!(!from.is_empty() && from.len() < NAME_LEN);
    let mut i = 0;
    while i < from.len() {
        assert!(from[i].is_ascii_graphic());
        to[i] = from[i];
        i += 1;
    }
    to
}

/// A switch of the driver's own: its name, whether it is on, and what happens if a user switches
/// it. An error refuses that; whether a driver says why in the kernel log is up to it, as there is
/// no other place for a message.
pub struct Switch<T: device::Operations> {
    /// Ends with a zero.
    name: [u8; NAME_LEN],
    is_on: fn(&Device<T>) -> bool,
    set: fn(&Device<T>, bool, &Rtnl) -> Result,
}

impl<T: device::Operations> Switch<T> {
    /// The name as for [`Statistic::new`].
    pub const fn new(
        name: &str,
        is_on: fn(&Device<T>) -> bool,
        set: fn(&Device<T>, bool, &Rtnl) -> Result,
    ) -> Self {
        Self {
            name: padded(name),
            is_on,
            set,
        }
    }
}

/// The C callbacks of the driver `T`.
pub(super) struct Adapter<T>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    const OPS: bindings::ethtool_ops = {
        let mut ops: bindings::ethtool_ops = pin_init::zeroed();
        ops.get_ts_info = Some(bindings::ethtool_op_get_ts_info);
        if T::HAS_DRIVER_INFO {
            ops.get_drvinfo = Some(Self::get_drvinfo);
        }
        if T::HAS_LINK_DETECTED {
            ops.get_link = Some(Self::get_link);
        }
        // With a count of 0 the core would warn.
        if !Self::TABLE.is_empty() {
            ops.get_ethtool_stats = Some(Self::get_ethtool_stats);
        }
        if !T::SWITCHES.is_empty() {
            assert!(T::SWITCHES.len() <= u32::BITS as usize);
            ops.get_priv_flags = Some(Self::get_priv_flags);
            ops.set_priv_flags = Some(Self::set_priv_flags);
        }
        if !Self::TABLE.is_empty() || !T::SWITCHES.is_empty() {
            ops.get_sset_count = Some(Self::get_sset_count);
            ops.get_strings = Some(Self::get_strings);
        }
        ops
    };

    const TABLE: &'static [Statistic<T::Statistics>] = T::Statistics::TABLE;

    pub(super) const fn ops() -> &'static bindings::ethtool_ops {
        &Self::OPS
    }

    /// # Safety
    ///
    /// To be called by the core as `get_drvinfo` of a device of `T`.
    unsafe extern "C" fn get_drvinfo(
        dev: *mut bindings::net_device,
        info: *mut bindings::ethtool_drvinfo,
    ) {
        // SAFETY: `ethtool_get_drvinfo()` calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: The caller's own.
        let info = unsafe { &mut *info };
        let answer = T::driver_info(dev);
        copy(&mut info.driver, answer.driver);
        copy(&mut info.version, answer.version);
    }

    /// # Safety
    ///
    /// To be called by the core as `get_link` of a device of `T`.
    unsafe extern "C" fn get_link(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: ethtool's core calls this for a registered device.
        T::link_detected(unsafe { Device::from_raw(dev) }).into()
    }

    /// # Safety
    ///
    /// To be called by the core as `get_sset_count` of a device of `T`.
    unsafe extern "C" fn get_sset_count(_dev: *mut bindings::net_device, set: c_int) -> c_int {
        match set as u32 {
            bindings::ethtool_stringset_ETH_SS_STATS if !Self::TABLE.is_empty() => {
                Self::TABLE.len() as c_int
            }
            bindings::ethtool_stringset_ETH_SS_PRIV_FLAGS if !T::SWITCHES.is_empty() => {
                T::SWITCHES.len() as c_int
            }
            // Not in `kernel::error::code` of 7.2.
            _ => -(bindings::EOPNOTSUPP as c_int),
        }
    }

    /// # Safety
    ///
    /// To be called by the core as `get_strings` of a device of `T`.
    unsafe extern "C" fn get_strings(_dev: *mut bindings::net_device, set: u32, data: *mut u8) {
        match set {
            bindings::ethtool_stringset_ETH_SS_STATS => {
                let names = Self::TABLE.iter().map(|s| s.name);
                // SAFETY: Whoever calls this has asked `get_sset_count` and made room for so many
                // names of `ETH_GSTRING_LEN` bytes, which are the caller's own
                // (`ethtool_get_strings()`, `net/ethtool/ioctl.c`; `strset_prepare_set()`,
                // `net/ethtool/strset.c`). The answer is always the length of the table.
                unsafe { Self::put_names(data, names) };
            }
            bindings::ethtool_stringset_ETH_SS_PRIV_FLAGS => {
                let names = T::SWITCHES.iter().map(|s| s.name);
                // SAFETY: As above.
                unsafe { Self::put_names(data, names) };
            }
            _ => {}
        }
    }

    /// # Safety
    ///
    /// `data` must have room for the names, and nobody else use it.
    unsafe fn put_names(data: *mut u8, names: impl ExactSizeIterator<Item = [u8; NAME_LEN]>) {
        // SAFETY: By the function's safety requirement. A name may lie anywhere, being of bytes.
        let slots = unsafe {
            core::slice::from_raw_parts_mut(data.cast::<MaybeUninit<[u8; NAME_LEN]>>(), names.len())
        };
        for (slot, name) in slots.iter_mut().zip(names) {
            slot.write(name);
        }
    }

    /// # Safety
    ///
    /// To be called by the core as `get_priv_flags` of a device of `T`.
    unsafe extern "C" fn get_priv_flags(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: ethtool's core calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        Self::switched_on(dev)
    }

    fn switched_on(dev: &Device<T>) -> u32 {
        let bits = T::SWITCHES.iter().enumerate();
        bits.fold(0, |on, (i, switch)| {
            on | u32::from((switch.is_on)(dev)) << i
        })
    }

    /// All or nothing: what was switched before one refuses is switched back.
    ///
    /// # Safety
    ///
    /// To be called by the core as `set_priv_flags` of a device of `T`.
    unsafe extern "C" fn set_priv_flags(dev: *mut bindings::net_device, flags: u32) -> c_int {
        // SAFETY: ethtool's core calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, which is not one that has a lock of its own for its operations, thus
        // under RTNL (`dev_ethtool()`, `net/ethtool/ioctl.c`; `ethnl_default_set_doit()`,
        // `net/ethtool/netlink.c`).
        let rtnl = unsafe { Rtnl::assume_held() };
        let changed = Self::switched_on(dev) ^ flags;
        let switch = |i: usize, on: bool| (T::SWITCHES[i].set)(dev, on, &rtnl);
        let wanted = || (0..T::SWITCHES.len()).filter(|i| changed & 1 << i != 0);
        from_result(|| {
            for i in wanted() {
                let on = flags & 1 << i != 0;
                switch(i, on).inspect_err(|_| {
                    for done in wanted().take_while(|done| *done < i) {
                        // It was so before, and the device is as it was.
                        let _ = switch(done, flags & 1 << done == 0);
                    }
                })?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// To be called by the core as `get_ethtool_stats` of a device of `T`.
    unsafe extern "C" fn get_ethtool_stats(
        dev: *mut bindings::net_device,
        _stats: *mut bindings::ethtool_stats,
        data: *mut u64,
    ) {
        let (data, len) = (data.cast::<MaybeUninit<u64>>(), Self::TABLE.len());
        // SAFETY: `ethtool_get_stats()` (`net/ethtool/ioctl.c`) calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, which is not one that has a lock of its own for its operations, thus
        // under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: There is room for as many values as `get_sset_count` has answered, always the
        // length of the table.
        let values = unsafe { core::slice::from_raw_parts_mut(data, len) };
        let statistics = T::Statistics::read(dev, &rtnl);
        for (value, statistic) in values.iter_mut().zip(Self::TABLE) {
            value.write((statistic.value)(&statistics));
        }
    }
}

/// Copies as much of `text` as fits, always terminated.
fn copy(buf: &mut [c_char], text: &CStr) {
    let Some(room) = buf.len().checked_sub(1) else {
        return;
    };
    let bytes = text.to_bytes();
    let len = bytes.len().min(room);
    for (to, from) in buf.iter_mut().zip(&bytes[..len]) {
        *to = *from as c_char;
    }
    buf[len] = 0;
}

// SPDX-License-Identifier: GPL-2.0

//! What a device tells ethtool.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::{
    bindings,
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
    error::VTABLE_DEFAULT_ERROR,
    prelude::*, //
};

/// Answers to ethtool, all under RTNL.
///
/// C counterpart: `struct ethtool_ops`. Time stamping capabilities (`ethtool -T`) are always those
/// of a device whose stamps are made in software (`ethtool_op_get_ts_info()`).
#[vtable]
pub trait Operations: device::Operations {
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

/// The C callbacks of the driver `T`.
pub(super) struct Adapter<T>(PhantomData<T>);

impl<T: Operations> Adapter<T> {
    const OPS: bindings::ethtool_ops = {
        // SAFETY: Zero is `None` for the functions and "none" for the rest.
        let mut ops: bindings::ethtool_ops = unsafe { MaybeUninit::zeroed().assume_init() };
        ops.get_ts_info = Some(bindings::ethtool_op_get_ts_info);
        if T::HAS_DRIVER_INFO {
            ops.get_drvinfo = Some(Self::get_drvinfo);
        }
        if T::HAS_LINK_DETECTED {
            ops.get_link = Some(Self::get_link);
        }
        ops
    };

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
        // SAFETY: `ethtool_get_drvinfo()` calls this for a registered device, with an `info` of
        // its own.
        let (dev, info) = unsafe { (Device::<T>::from_raw(dev), &mut *info) };
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

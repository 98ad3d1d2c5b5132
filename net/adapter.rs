// SPDX-License-Identifier: GPL-2.0

//! What the core calls, for a driver of [`super::device`].
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! `struct net_device_ops`.

use super::{
    bindings,
    context::{
        RcuRead,
        Rtnl,
        XmitContext, //
    },
    device::{
        Device,
        Registering,
        RequestedAddress, //
    },
    flags::PrivFlag,
    l3mdev,
    link,
    link_type::LinkType,
    pair::{
        self,
        Area,
        Slot, //
    },
    setup::Setup,
    skbuff::SkBuff,
    stats,
    xdp, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr,
    slice, //
};
use kernel::{
    error::from_result,
    prelude::*,
    sync::rcu, //
};

/// The C callbacks of the driver `T`.
pub(super) struct Adapter<T>(PhantomData<T>);

impl<T: link::Operations> Adapter<T> {
    const OPS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_init: Some(Self::init),
        ndo_open: if T::HAS_OPEN { Some(Self::open) } else { None },
        ndo_stop: if T::HAS_STOP { Some(Self::stop) } else { None },
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_xdp_xmit: if T::HAS_XDP_XMIT {
            Some(Self::xdp_xmit)
        } else {
            None
        },
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
        ndo_validate_addr: if T::HAS_VALIDATE_ADDR {
            Some(Self::validate_addr)
        } else {
            None
        },
        ndo_set_rx_mode_async: if T::HAS_SET_RX_MODE {
            Some(Self::set_rx_mode)
        } else {
            None
        },
        ndo_change_carrier: if T::HAS_CHANGE_CARRIER {
            Some(Self::change_carrier)
        } else {
            None
        },
        ndo_change_mtu: if T::HAS_CHANGE_MTU {
            Some(Self::change_mtu)
        } else {
            None
        },
        ndo_get_iflink: if link::Ops::<T>::PAIRED {
            Some(pair::get_iflink::<T>)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// Room for the private data, for `alloc_netdev_mqs()`, which aligns it to a cache line.
    pub(super) const PRIV_SIZE: usize = {
        assert!(align_of::<T::Private>() <= align_of::<bindings::net_device>());
        let size = if link::Ops::<T>::PAIRED {
            size_of::<Area<T>>()
        } else {
            size_of::<T::Private>()
        };
        // What `kvzalloc()` refuses with a warning, with the `net_device`, is less than what an
        // `int` cuts off.
        assert!(size <= c_int::MAX as usize - size_of::<bindings::net_device>());
        size
    };

    /// `setup` of `alloc_netdev_mqs()` and of `struct rtnl_link_ops`.
    ///
    /// # Safety
    ///
    /// `dev` must point to a new `net_device` that only the caller uses.
    pub(super) unsafe extern "C" fn setup(dev: *mut bindings::net_device) {
        // SAFETY: By the function's safety requirement.
        let fields = unsafe { &mut *dev };
        fields.netdev_ops = &Self::OPS;
        fields.needs_free_netdev = true;
        fields.priv_destructor = Some(Self::destructor);
        fields.set_pcpu_stat_type(<T::Stats as stats::Kind>::TYPE);
        fields.l3mdev_ops = &l3mdev::NO_OPS;
        if T::HAS_XDP_XMIT {
            fields.xdp_features = bindings::netdev_xdp_act_NETDEV_XDP_ACT_NDO_XMIT
                | bindings::netdev_xdp_act_NETDEV_XDP_ACT_NDO_XMIT_SG;
        }
        // SAFETY: By the function's safety requirement.
        unsafe { T::LinkType::setup(dev) };
        // SAFETY: As above; all that `T`'s callbacks rely on was set, but for the next line.
        let mut setup = unsafe { Setup::from_raw(dev) };
        // netpoll sends with interrupts off, where locks must not sleep. See `XmitContext`.
        if cfg!(CONFIG_PREEMPT_RT) {
            setup.priv_flags(PrivFlag::DisableNetpoll);
        }
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
        // SAFETY: As above.
        let private = unsafe { bindings::netdev_priv(dev) };
        // SAFETY: There is room for the private data, aligned (see `PRIV_SIZE`), which nobody looks
        // at before it is made, here. `'static` is for what does not move until it is dropped, as
        // a `net_device` never does; the reference ends with this function.
        let slot: &'static mut MaybeUninit<T::Private> = unsafe { &mut *private.cast() };

        if link::Ops::<T>::PAIRED {
            // SAFETY: As above. Empty, it need not be dropped after an error.
            unsafe { Slot::<T>::make(dev) };
        }
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
        // SAFETY: By the function's safety requirement.
        let private = unsafe { bindings::netdev_priv(dev) };
        // SAFETY: `register_netdevice()` (after a late failure) and `netdev_run_todo()` call this
        // exactly once, when no callback can run any more; `Self::init` made the data.
        unsafe { ptr::drop_in_place(private.cast::<T::Private>()) };
        if link::Ops::<T>::PAIRED {
            // SAFETY: As above.
            unsafe { Slot::<T>::drop(dev) };
        }
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_open`.
    unsafe extern "C" fn open(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: `__dev_open()` calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        from_result(|| T::open(dev, &rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_stop`.
    unsafe extern "C" fn stop(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: `__dev_close_many()` calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
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
        // SAFETY: The device is up, thus registered.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: With `NETDEV_TX_OK` the packet is the driver's. Nobody else writes to it: senders
        // that keep a reference (pktgen) leave it alone unless the device has
        // `IFF_TX_SKB_SHARING`, which `Setup` cannot set. Whoever calls this is inside RCU, and has
        // set the packet's device.
        let skb = unsafe { SkBuff::from_raw(skb) };
        // SAFETY: The context is that of `ndo_start_xmit`.
        let ctx = unsafe { XmitContext::assume() };
        T::start_xmit(dev, skb, &ctx);
        bindings::netdev_tx::NETDEV_TX_OK
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_xdp_xmit`.
    unsafe extern "C" fn xdp_xmit(
        dev: *mut bindings::net_device,
        n: c_int,
        frames: *mut *mut bindings::xdp_frame,
        flags: u32,
    ) -> c_int {
        if flags & !bindings::XDP_XMIT_FLAGS_MASK != 0 {
            return EINVAL.to_errno();
        }
        // SAFETY: `__xdp_enqueue()` has seen the device up, thus registered, in the same section
        // of RCU: in one of NAPI, or with bottom halves disabled.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // It may be going down since.
        if !dev.is_running() {
            return -(bindings::ENETDOWN as c_int);
        }
        // SAFETY: The context is as for `ndo_start_xmit`, see there.
        let ctx = unsafe { XmitContext::assume() };
        // SAFETY: The core hands over an array of its own, of that many frames.
        let frames = unsafe { slice::from_raw_parts_mut(frames, n as usize) };
        // SAFETY: They are given up: after this the core frees those behind the number that it is
        // told (`bq_xmit_all()`, kernel/bpf/devmap.c), and does not look at what is before.
        unsafe { xdp::offer(frames, |frame| T::xdp_xmit(dev, frame, &ctx)) as c_int }
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_get_stats64`.
    unsafe extern "C" fn get_stats64(
        dev: *mut bindings::net_device,
        stats: *mut bindings::rtnl_link_stats64,
    ) {
        // SAFETY: `dev_get_stats()` calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, with counters of its caller's.
        let stats = unsafe { stats::LinkStats::from_raw(stats) };
        // Some callers are inside RCU, some are not.
        let section = rcu::read_lock();
        // SAFETY: The section ends after the value's last use.
        let rcu = unsafe { RcuRead::assume() };
        T::get_stats64(dev, stats, &rcu);
        drop(section);
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_set_mac_address`.
    unsafe extern "C" fn set_mac_address(
        dev: *mut bindings::net_device,
        address: *mut c_void,
    ) -> c_int {
        // SAFETY: `netif_set_mac_address()` calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: What the core hands over is a `struct sockaddr_storage`, until this returns.
        let address = unsafe { RequestedAddress::from_raw(address) };
        from_result(|| T::set_mac_address(dev, &address, &rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_validate_addr`.
    unsafe extern "C" fn validate_addr(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: `__dev_open()` calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: Under RTNL, as the device has not asked for a lock of its own instead
        // (`netdev_need_ops_lock()`, include/net/netdev_lock.h), which `Setup` cannot. Here and in
        // the next two.
        let rtnl = unsafe { Rtnl::assume_held() };
        from_result(|| T::validate_addr(dev, &rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_set_rx_mode_async`.
    unsafe extern "C" fn set_rx_mode(
        dev: *mut bindings::net_device,
        _unicast: *mut bindings::netdev_hw_addr_list,
        _multicast: *mut bindings::netdev_hw_addr_list,
    ) -> c_int {
        // SAFETY: `netif_rx_mode_run()` calls this for a device that is up, thus registered.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above.
        let rtnl = unsafe { Rtnl::assume_held() };
        from_result(|| T::set_rx_mode(dev, &rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_change_carrier`.
    unsafe extern "C" fn change_carrier(dev: *mut bindings::net_device, on: bool) -> c_int {
        // SAFETY: `netif_change_carrier()` calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above.
        let rtnl = unsafe { Rtnl::assume_held() };
        from_result(|| T::change_carrier(dev, on, &rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the core as `ndo_change_mtu`.
    unsafe extern "C" fn change_mtu(dev: *mut bindings::net_device, mtu: c_int) -> c_int {
        // SAFETY: `__netif_set_mtu()` calls this for a registered device.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        // Within limits that are none below 0.
        from_result(|| T::change_mtu(dev, mtu as u32, &rtnl).map(|()| 0))
    }
}

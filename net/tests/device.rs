// SPDX-License-Identifier: GPL-2.0

//! Devices: what their setup says is what the core sees.

use super::{
    check,
    probe::{
        self,
        exists,
        Probe, //
    },
};
use crate::net::{
    bindings,
    context::{
        Rtnl,
        XmitContext, //
    },
    device::{
        self,
        AnyDevice,
        Device,
        Registering, //
    },
    ethtool,
    flags::{
        Feature,
        InterfaceFlag,
        PrivFlag, //
    },
    link,
    link_type::Loopback,
    loopback::RouteNotifierShield,
    queue_stats::{
        self,
        RxStats,
        TxStats, //
    },
    setup::{
        Setup,
        GSO_MAX_SIZE, //
    },
    skbuff::SkBuff,
    stats::{
        NoStats,
        Totals, //
    },
};
use core::mem::offset_of;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// A driver that uses all of [`Setup`].
pub(super) struct Every;

#[vtable]
impl device::Operations for Every {
    type Private = u64;
    type LinkType = Loopback;
    type Stats = NoStats;

    fn setup(dev: &mut Setup<'_, Self>) {
        dev.mtu(4321)
            .mtu_limits(1234, 56789)
            .flags(InterfaceFlag::NoArp | InterfaceFlag::Multicast)
            .loopback()
            .priv_flags(PrivFlag::LiveAddrChange | PrivFlag::NoQueue)
            .lltx()
            .keep_dst()
            .features(
                Feature::ScatterGather | Feature::RxChecksum,
                Feature::ScatterGather,
            )
            .tso_max_size::<GSO_MAX_SIZE>()
            .ethtool()
            .queue_stats();
    }

    fn init(dev: &Registering<Self>, _rtnl: &Rtnl) -> impl PinInit<u64, Error> {
        dev.netdev_lockdep_set_classes();
        Ok(42)
    }

    fn start_xmit(_dev: &Device<Self>, skb: SkBuff<'_>, _ctx: &XmitContext) {
        skb.consume();
    }
}

/// The switches that are on.
static ON: Atomic<u32> = Atomic::new(0);

fn is_on(bit: u32) -> bool {
    ON.load(Relaxed) & 1 << bit != 0
}

fn switch(bit: u32, on: bool) -> Result {
    ON.store(
        ON.load(Relaxed) & !(1 << bit) | u32::from(on) << bit,
        Relaxed,
    );
    Ok(())
}

/// Two values, read together.
pub(super) struct Numbers(u64);

impl ethtool::Statistics<Every> for Numbers {
    const TABLE: &'static [ethtool::Statistic<Self>] = &[
        ethtool::Statistic::new("a_name_as_long_as_there_is_room", |n| n.0),
        ethtool::Statistic::new("b", |n| n.0 << 32),
    ];

    fn read(dev: &Device<Every>, _rtnl: &Rtnl) -> Self {
        Self(*dev.private())
    }
}

#[vtable]
impl ethtool::Operations for Every {
    type Statistics = Numbers;

    const SWITCHES: &'static [ethtool::Switch<Self>] = &[
        ethtool::Switch::new("first", |_| is_on(0), |_, on, _| switch(0, on)),
        ethtool::Switch::new("second", |_| is_on(1), |_, on, _| switch(1, on)),
        ethtool::Switch::new("third", |_| is_on(2), |_, _, _| Err(EBUSY)),
    ];

    fn driver_info(_dev: &Device<Self>) -> ethtool::DriverInfo {
        ethtool::DriverInfo {
            driver: c"a driver whose name is longer than there is room",
            version: c"1",
        }
    }

    fn link_detected(dev: &Device<Self>) -> bool {
        *dev.private() == 42
    }
}

impl queue_stats::Operations for Every {
    fn rx(dev: &Device<Self>, queue: u32, stats: &mut RxStats, rtnl: &Rtnl) {
        if queue < dev.rx_queues(rtnl) {
            stats.set(Totals {
                packets: 10 + u64::from(queue),
                bytes: 20,
            });
        }
    }

    fn tx(dev: &Device<Self>, queue: u32, stats: &mut TxStats, rtnl: &Rtnl) {
        if queue < dev.tx_queues(rtnl) {
            stats.set(Totals {
                packets: 30 + u64::from(queue),
                bytes: 40,
            });
        }
    }

    fn base(_dev: &Device<Self>, rx: &mut RxStats, tx: &mut TxStats, _rtnl: &Rtnl) {
        rx.set(Totals {
            packets: 1,
            bytes: 2,
        });
        tx.set(Totals {
            packets: 3,
            bytes: 4,
        });
    }
}

#[vtable]
impl link::Operations for Every {
    const KIND: &'static CStr = c"rust_lo_kunit2";
    type Guard = RouteNotifierShield<Self>;
    type Namespace = ();

    const OPS: link::OpsRef<Self> = {
        static OPS: link::Ops<Every> = link::Ops::new();
        link::OpsRef::new(&OPS)
    };
}

/// Calls `test` with a device of [`Every`].
fn with_every(test: impl FnOnce(&Device<Every>, &Rtnl) -> Result) -> Result {
    let links = probe::register::<Every>()?;
    let rtnl = Rtnl::lock();
    test(links.create(probe::NAME, &rtnl)?, &rtnl)
}

/// `dev->priv_flags` and its neighbours.
fn priv_flags(dev: &Device<Every>) -> bindings::net_device__bindgen_ty_1__bindgen_ty_2 {
    // SAFETY: The device is live, and all its writers wait for RTNL.
    unsafe { (*dev.as_raw()).__bindgen_anon_1.priv_flags_fast }
}

type Rx = bindings::netdev_queue_stats_rx;
type Tx = bindings::netdev_queue_stats_tx;

/// What the core marks a counter with that is not set (`NETDEV_STAT_NOT_SET`).
const UNSET: u64 = u64::MAX;

/// A structure of `N` counters none of which is set but those at two offsets.
fn counters<const N: usize>(set: [(usize, u64); 2]) -> [u64; N] {
    let mut all = [UNSET; N];
    for (offset, value) in set {
        all[offset / size_of::<u64>()] = value;
    }
    all
}

fn rx(packets: u64, bytes: u64) -> [u64; size_of::<Rx>() / size_of::<u64>()] {
    counters([
        (offset_of!(Rx, packets), packets),
        (offset_of!(Rx, bytes), bytes),
    ])
}

fn tx(packets: u64, bytes: u64) -> [u64; size_of::<Tx>() / size_of::<u64>()] {
    counters([
        (offset_of!(Tx, packets), packets),
        (offset_of!(Tx, bytes), bytes),
    ])
}

#[kunit_tests(rust_lo_device)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    #[test]
    fn setup_of_fields() -> Result {
        with_every(|dev, _| {
            let raw = dev.as_raw();
            // SAFETY: The device is live, and all writers of these wait for RTNL.
            unsafe {
                check!((*raw).type_, bindings::ARPHRD_LOOPBACK as u16);
                check!(
                    ((*raw).mtu, (*raw).min_mtu, (*raw).max_mtu),
                    (4321, 1234, 56789)
                );
                check!((*raw).hard_header_len, 14);
                check!(((*raw).min_header_len, (*raw).addr_len), (14, 6));
                check!((*raw).tso_max_size, GSO_MAX_SIZE);
                check!((*raw).needs_free_netdev);
                check!(
                    (*raw).pcpu_stat_type(),
                    bindings::netdev_stat_type_NETDEV_PCPU_STAT_NONE
                );
            }
            Ok(())
        })
    }

    #[test]
    fn setup_of_flags() -> Result {
        with_every(|dev, _| {
            let flags = priv_flags(dev);
            check!(flags.lltx(), 1);
            check!(
                flags.priv_flags() as u32
                    & (bindings::netdev_priv_flags_IFF_LIVE_ADDR_CHANGE
                        | bindings::netdev_priv_flags_IFF_NO_QUEUE
                        | bindings::netdev_priv_flags_IFF_XMIT_DST_RELEASE
                        | bindings::netdev_priv_flags_IFF_XMIT_DST_RELEASE_PERM),
                bindings::netdev_priv_flags_IFF_LIVE_ADDR_CHANGE
                    | bindings::netdev_priv_flags_IFF_NO_QUEUE
            );
            // SAFETY: As in `setup_of_fields`.
            let flags = unsafe { (*dev.as_raw()).flags };
            check!(
                flags,
                bindings::net_device_flags_IFF_LOOPBACK
                    | bindings::net_device_flags_IFF_NOARP
                    | bindings::net_device_flags_IFF_MULTICAST
            );
            Ok(())
        })
    }

    #[test]
    fn setup_of_features() -> Result {
        const SG: u64 = 1 << bindings::NETIF_F_SG_BIT;
        const RXCSUM: u64 = 1 << bindings::NETIF_F_RXCSUM_BIT;
        const HW_CSUM: u64 = 1 << bindings::NETIF_F_HW_CSUM_BIT;

        with_every(|dev, _| {
            let raw = dev.as_raw();
            // SAFETY: As in `setup_of_fields`.
            let (on, switchable) = unsafe { ((*raw).features, (*raw).hw_features) };
            check!(on & (SG | RXCSUM | HW_CSUM), SG | RXCSUM);
            check!(switchable & (SG | RXCSUM | HW_CSUM), SG);
            Ok(())
        })
    }

    /// What ethtool asks for; a long name is cut off and terminated.
    #[test]
    fn ethtool_answers() -> Result {
        with_every(|dev, _| {
            // SAFETY: Zero is a valid value; the operations were set, and are `'static`.
            let (mut info, ops) = unsafe {
                let info: bindings::ethtool_drvinfo = core::mem::zeroed();
                (info, &*(*dev.as_raw()).ethtool_ops)
            };
            let (Some(get_drvinfo), Some(get_link)) = (ops.get_drvinfo, ops.get_link) else {
                return Err(EINVAL);
            };
            // SAFETY: RTNL is held, and the device live.
            unsafe { get_drvinfo(dev.as_raw(), &mut info) };
            check!(&info.driver, b"a driver whose name is longer t\0");
            check!(info.version[..2], b"1\0"[..]);
            // SAFETY: As above.
            check!(unsafe { get_link(dev.as_raw()) }, 1);
            Ok(())
        })
    }

    /// Names and values are as many as was said, and what lies behind them is left alone.
    #[test]
    fn ethtool_statistics() -> Result {
        with_every(|dev, _| {
            // SAFETY: The operations were set, and are `'static`.
            let ops = unsafe { &*(*dev.as_raw()).ethtool_ops };
            let (Some(count), Some(names), Some(values)) =
                (ops.get_sset_count, ops.get_strings, ops.get_ethtool_stats)
            else {
                return Err(EINVAL);
            };
            let stats = bindings::ethtool_stringset_ETH_SS_STATS;
            let others = [
                bindings::ethtool_stringset_ETH_SS_TEST,
                bindings::ethtool_stringset_ETH_SS_RSS_HASH_FUNCS,
                u32::MAX,
            ];

            // SAFETY: RTNL is held, and the device live.
            check!(unsafe { count(dev.as_raw(), stats as c_int) }, 2);
            let mut text = [0xa5u8; 4 * 32];
            for set in others {
                // SAFETY: As above.
                let answer = unsafe { count(dev.as_raw(), set as c_int) };
                check!(answer, -(bindings::EOPNOTSUPP as c_int));
                // SAFETY: As above; there is room for more names than that.
                unsafe { names(dev.as_raw(), set, text.as_mut_ptr().add(1)) };
                check!(text, [0xa5u8; 4 * 32]);
            }
            // SAFETY: As above. They need not be aligned to anything.
            unsafe { names(dev.as_raw(), stats, text.as_mut_ptr().add(1)) };
            check!(text[0], 0xa5);
            check!(&text[1..33], b"a_name_as_long_as_there_is_room\0");
            check!(&text[33..36], b"b\0\0");
            check!(text[36..65], [0u8; 29]);
            check!(text[65..], [0xa5u8; 63]);

            let mut numbers = [7u64; 4];
            // SAFETY: Zero is a valid value of the request, and there is room for more than was
            // said.
            unsafe {
                let mut request: bindings::ethtool_stats = core::mem::zeroed();
                values(dev.as_raw(), &mut request, numbers.as_mut_ptr().add(1));
            }
            check!(numbers, [7, 42, 42 << 32, 7]);
            Ok(())
        })
    }

    /// Switches are switched all or none, and named after the counters' fashion.
    #[test]
    fn ethtool_switches() -> Result {
        with_every(|dev, _| {
            let ops = ethtool::Adapter::<Every>::ops();
            let (Some(count), Some(names), Some(get), Some(set)) = (
                ops.get_sset_count,
                ops.get_strings,
                ops.get_priv_flags,
                ops.set_priv_flags,
            ) else {
                return Err(EINVAL);
            };
            let dev = dev.as_raw();
            let flags = bindings::ethtool_stringset_ETH_SS_PRIV_FLAGS;
            let mut text = [0xa5u8; 4 * 32];
            // SAFETY: RTNL is held, the device live, and there is room for more names than that.
            // Here and below.
            unsafe {
                check!(count(dev, flags as c_int), 3);
                names(dev, flags, text.as_mut_ptr());
            }
            check!(&text[..6], b"first\0");
            check!(&text[32..39], b"second\0");
            check!(text[96..], [0xa5u8; 32]);
            ON.store(0, Relaxed);
            for (wanted, answer, then) in [
                (2, 0, 2),
                (1, 0, 1),
                // The last one refuses, and the first two are as they were.
                (4, -16, 1),
                (6, -16, 1),
                (3, 0, 3),
                (0, 0, 0),
            ] {
                // SAFETY: As above.
                let found = unsafe { (set(dev, wanted), get(dev)) };
                check!(found, (answer, then));
            }
            Ok(())
        })
    }

    /// A driver without counters of its own has none of the three callbacks.
    #[test]
    fn no_ethtool_statistics() -> Result {
        let ops = ethtool::Adapter::<Probe>::ops();
        check!(ops.get_sset_count.is_none());
        check!(ops.get_strings.is_none());
        check!(ops.get_ethtool_stats.is_none());
        check!(ops.get_priv_flags.is_none());
        check!(ops.set_priv_flags.is_none());
        Ok(())
    }

    /// What is set, and only that, is in the counters that the core hands over.
    #[test]
    fn queue_stats() -> Result {
        with_every(|dev, rtnl| {
            // SAFETY: The operations were set, and are `'static`.
            let ops = unsafe { &*(*dev.as_raw()).stat_ops };
            let (Some(get_rx), Some(get_tx), Some(get_base)) = (
                ops.get_queue_stats_rx,
                ops.get_queue_stats_tx,
                ops.get_base_stats,
            ) else {
                return Err(EINVAL);
            };
            check!((dev.rx_queues(rtnl), dev.tx_queues(rtnl)), (1, 1));

            let (mut to_rx, mut to_tx) = (rx(UNSET, UNSET), tx(UNSET, UNSET));
            // SAFETY: RTNL is held, and the device live; both are of the size of what they are
            // taken for. Here and below.
            unsafe {
                get_base(
                    dev.as_raw(),
                    to_rx.as_mut_ptr().cast(),
                    to_tx.as_mut_ptr().cast(),
                );
            }
            check!(to_rx, rx(1, 2));
            check!(to_tx, tx(3, 4));

            // There is no queue 1.
            for (queue, of_rx, of_tx) in [
                (0, rx(10, 20), tx(30, 40)),
                (1, rx(UNSET, UNSET), tx(UNSET, UNSET)),
            ] {
                let mut to_rx = rx(UNSET, UNSET);
                let mut to_tx = tx(UNSET, UNSET);
                // SAFETY: As above.
                unsafe {
                    get_rx(dev.as_raw(), queue, to_rx.as_mut_ptr().cast());
                    get_tx(dev.as_raw(), queue, to_tx.as_mut_ptr().cast());
                }
                check!(to_rx, of_rx);
                check!(to_tx, of_tx);
            }
            Ok(())
        })
    }

    /// Being an L3 master or not changes nothing else.
    #[test]
    fn l3_master() -> Result {
        with_every(|dev, rtnl| {
            let (flags, lltx) = (priv_flags(dev).priv_flags(), priv_flags(dev).lltx());
            let master = bindings::netdev_priv_flags_IFF_L3MDEV_MASTER as usize;
            check!(flags & master, 0);
            for on in [true, true, false, false, true] {
                dev.set_l3_master(on, rtnl);
                check!(
                    (priv_flags(dev).priv_flags(), priv_flags(dev).lltx()),
                    (if on { flags | master } else { flags }, lltx)
                );
            }
            // SAFETY: They are set before anybody sees the device, and are `'static`.
            let fib_table = unsafe { (*(*dev.as_raw()).l3mdev_ops).l3mdev_fib_table };
            check!(fib_table.is_none(), true);
            Ok(())
        })
    }

    /// The classes of the locks are one set for all devices of a driver, and no other driver's.
    #[test]
    fn lock_classes() -> Result {
        probe::begin(None);
        let probes = probe::links()?;
        let links = probe::register::<Every>()?;
        let rtnl = Rtnl::lock();
        let [one, other] = [c"rust_lo_kunit1", c"rust_lo_kunit2"].map(|n| links.create(n, &rtnl));
        let (one, other) = (one?.as_raw(), other?.as_raw());
        let probe = probes.create(probe::NAME, &rtnl)?.as_raw();
        // SAFETY: The devices are live. Here and below.
        let busylock = |dev: *mut bindings::net_device| unsafe { (*dev).qdisc_tx_busylock };
        check!(busylock(one), busylock(other));
        check!(busylock(one) != busylock(probe));
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
        {
            // SAFETY: As above.
            let lock = |dev: *mut bindings::net_device| unsafe { (*dev).lock.dep_map.key };
            check!(lock(one), lock(other));
            check!(lock(one) != lock(probe));
        }
        Ok(())
    }

    /// Only a device of the driver is taken for one.
    #[test]
    fn downcast() -> Result {
        with_every(|dev, rtnl| {
            // SAFETY: `lo` lives as long as the namespace, which is static.
            let lo = unsafe { AnyDevice::from_raw(probe::find(c"lo", rtnl)) };
            check!(lo.downcast::<Every>().is_none());
            check!(lo.downcast::<Probe>().is_none());
            check!(dev.downcast::<Probe>().is_none());
            check!(dev.downcast::<Every>().is_some_and(|d| *d.private() == 42));
            check!(exists(probe::NAME, rtnl));
            Ok(())
        })
    }
}

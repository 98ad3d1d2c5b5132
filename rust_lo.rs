// SPDX-License-Identifier: GPL-2.0

//! Loopback devices that can be cloned, moved between namespaces and removed.
//!
//! Each looks like `lo` and carries the traffic of the local routes that name it. What is unlike
//! `lo` is said where it is done; everything else is `drivers/net/loopback.c`.

use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use net::{
    address,
    context::{
        ratelimit,
        RcuRead,
        Rtnl,
        XmitContext, //
    },
    device::{
        self,
        Device,
        Registering,
        RequestedAddress, //
    },
    ethtool,
    flags::{
        Feature,
        PrivFlag, //
    },
    link,
    link_type::Loopback,
    loopback::ShieldAndValidator,
    queue_stats,
    rtnetlink::{
        ExtAck,
        LinkAttributes, //
    },
    setup::{
        Setup,
        GSO_MAX_SIZE, //
    },
    skbuff::{
        Dropped,
        NoHeader,
        RxSkBuff,
        SkBuff, //
    },
    stats::{
        LinkStats,
        Lstats,
        RareCounter,
        Totals, //
    },
    xdp::XdpFrame,
};

pub mod net;
mod steering;

module_rtnl_link! {
    type: RustLo,
    name: "rust_lo",
    authors: ["The rust_lo developers"],
    description: "Loopback devices that can be cloned",
    license: "GPL",
    alias: ["rtnl-link-rust_lo"],
}

module_params! {
    numdevs: u32 in 0..=1024 => 1, "Number of devices to make at load, rust_lo0 and on (0 to 1024, default 1)";
    up: bool => false, "Bring the devices up at load, with their addresses and routes (default off)";
}

/// The driver.
struct RustLo;

/// What each device has of its own.
struct Private {
    drops: Drops,
    /// The user wants the device to be an L3 master while it is up.
    l3_master: Atomic<bool>,
    /// The device has 127.0.0.1 and ::1 while it is up.
    localhost: Atomic<bool>,
}

/// Packets that were not accepted, by reason. The core counts them as well, among others: the
/// first as `rx_dropped`, the rest as `tx_dropped`.
struct Drops {
    backlog: RareCounter,
    too_short: RareCounter,
    too_big: RareCounter,
    no_memory: RareCounter,
}

impl Drops {
    #[inline]
    fn count(&self, why: NoHeader) {
        match why {
            NoHeader::TooShort => self.too_short.count(),
            NoHeader::NoMemory => self.no_memory.count(),
        }
    }
}

#[vtable]
impl device::Operations for RustLo {
    type Private = Private;
    type LinkType = Loopback;
    type Stats = Lstats;

    fn setup(dev: &mut Setup<'_, Self>) {
        // Not `IFF_MULTICAST`, as on `lo`: programs that announce themselves on all interfaces
        // with it must not find one more because a module was loaded. It is the user's to
        // set; the kernel sends and receives without it.
        dev.loopback()
            .priv_flags(PrivFlag::LiveAddrChange | PrivFlag::NoQueue)
            .lltx()
            // Input accepts a packet from a local source address by its route.
            .keep_dst()
            .features(
                Feature::ScatterGather
                    | Feature::FragList
                    | Feature::GsoSoftware
                    | Feature::HwChecksum
                    | Feature::RxChecksum
                    | Feature::SctpCrc
                    | Feature::HighDma
                    | Feature::VlanChallenged
                    | Feature::Loopback,
                Feature::GsoSoftware,
            )
            .tso_max_size::<GSO_MAX_SIZE>()
            .ethtool()
            .queue_stats();
    }

    fn init(dev: &Registering<Self>, _rtnl: &Rtnl) -> impl PinInit<Private, Error> {
        dev.netdev_lockdep_set_classes();
        Ok(Private {
            drops: Drops {
                backlog: RareCounter::new(),
                too_short: RareCounter::new(),
                too_big: RareCounter::new(),
                no_memory: RareCounter::new(),
            },
            l3_master: Atomic::new(false),
            localhost: Atomic::new(true),
        })
    }

    /// Unlike `lo`, the device has to see to it that it is handed what is addressed to it: by a hook
    /// or, if the user wants that, by being an L3 master, as VRFs are; in a VRF that is the VRF.
    fn open(dev: &Device<Self>, rtnl: &Rtnl) -> Result {
        if !dev.private().l3_master.load(Relaxed) || dev.is_l3_slave(rtnl) {
            return steering::join(dev, rtnl);
        }
        // Who used an address of IPv6 before has left a route by `lo` on its processor, which is
        // kept for as long as the address.
        if dev.has_ipv6_address(rtnl) {
            steering::join(dev, rtnl)?;
        }
        dev.set_l3_master(true, rtnl);
        Ok(())
    }

    /// IPv4 keeps the local routes of a device that is down. As nothing leads them here now, `lo`
    /// carries on what was open.
    fn stop(dev: &Device<Self>, rtnl: &Rtnl) {
        dev.set_l3_master(false, rtnl);
        steering::leave(dev, rtnl);
    }

    #[inline]
    fn start_xmit<'dev>(dev: &'dev Device<Self>, mut skb: SkBuff<'dev>, ctx: &XmitContext) {
        skb.sw_tx_timestamp();
        // Sent and received stamps are of different clocks.
        skb.clear_tstamp();
        let mtu = dev.mtu();
        if skb.len() > mtu && skb.exceeds(mtu, dev, ctx.rcu()) {
            return too_big(dev, skb, mtu, ctx);
        }
        // The sender's socket gets its budget back now, not when the receiver has read.
        skb.orphan();

        match skb.eth_type_trans(dev) {
            Ok(mut skb) => {
                // In the header is the address of the route's device, mostly `lo`.
                skb.accept_by_route(ctx.rcu());
                if let Some(master) = dev.l3_master_above(ctx.rcu()) {
                    // Sockets in a VRF know packets that the VRF has received.
                    skb = skb.to_l3_master(master, ctx.rcu());
                }
                receive(dev, skb, ctx);
            }
            Err((skb, why)) => {
                dev.private().drops.count(why);
                dev.tx_dropped();
                skb.drop(why.into());
            }
        }
    }

    /// What is redirected here was sent by the device, and is received by it. It has no route, so
    /// whom its header is for on the link that it came from is nothing to go by: it is ours.
    fn xdp_xmit<'dev>(
        dev: &'dev Device<Self>,
        frame: XdpFrame<'dev>,
        ctx: &XmitContext,
    ) -> Result<(), XdpFrame<'dev>> {
        let drops = &dev.private().drops;
        if frame.exceeds(dev) {
            drops.too_big.count();
            dev.tx_dropped();
            return Err(frame);
        }
        match frame.build_skb(dev) {
            Ok(mut skb) => {
                skb.accept();
                // Whatever comes of it, there is no frame left to be given back.
                receive(dev, skb, ctx);
                Ok(())
            }
            Err((frame, why)) => {
                drops.count(why);
                dev.tx_dropped();
                Err(frame)
            }
        }
    }

    fn get_stats64(dev: &Device<Self>, stats: &mut LinkStats, _rcu: &RcuRead) {
        let totals = dev.lstats();
        stats.set_rx(totals);
        stats.set_tx(totals);
    }

    fn set_mac_address(dev: &Device<Self>, address: &RequestedAddress<'_>, rtnl: &Rtnl) -> Result {
        dev.eth_mac_addr(address, rtnl)
    }

    /// Routes have the MTU of before ([`steering`]). What a sender with such a route takes for too
    /// long does not come here to change it.
    fn change_mtu(dev: &Device<Self>, mtu: u32, rtnl: &Rtnl) -> Result {
        dev.set_mtu(mtu, rtnl);
        dev.namespace(rtnl).rt_genid_bump_all();
        Ok(())
    }
}

/// Hands a packet to the stack, and counts it as sent and received if that takes it.
#[inline]
fn receive(dev: &Device<RustLo>, skb: RxSkBuff<'_>, ctx: &XmitContext) {
    let len = skb.len();
    match skb.netif_rx(ctx.bh()) {
        Ok(()) => dev.lstats_add(len, ctx.bh()),
        // The core has counted it as rx_dropped, in a VRF as that of its device.
        Err(Dropped) => dev.private().drops.backlog.count(),
    }
}

/// The route is that of `lo`, MTU and all, until the first packet has come by ([`steering`]). If that
/// one is too big, and must not be fragmented, its sender is told, as by a tunnel.
#[cold]
fn too_big(dev: &Device<RustLo>, skb: SkBuff<'_>, mtu: u32, ctx: &XmitContext) {
    dev.private().drops.too_big.count();
    dev.tx_dropped();
    skb.drop_too_big(mtu, ctx.rcu());
}

/// Without `localhost` the device has neither 127.0.0.1 nor ::1: not from the kernel, which would
/// give them to each loopback that comes up (`inetdev_event()`, `net/ipv4/devinet.c`;
/// `init_loopback()`, `net/ipv6/addrconf.c`), nor from a user (but with a peer: of such an address
/// of IPv4 nobody is told).
impl address::Validator for RustLo {
    fn validate_address(dev: &Device<Self>, address: IpAddr, extack: &mut ExtAck<'_>) -> Result {
        let localhost = match address {
            IpAddr::V4(Ipv4Addr::LOCALHOST) => "127.0.0.1",
            IpAddr::V6(Ipv6Addr::LOCALHOST) => "::1",
            _ => return Ok(()),
        };
        if dev.private().localhost.load(Relaxed) {
            return Ok(());
        }
        extack.set_msg(fmt!(
            "no {localhost} while the private flag localhost is off"
        ));
        Err(EACCES)
    }
}

fn is_l3_master(dev: &Device<RustLo>) -> bool {
    dev.private().l3_master.load(Relaxed)
}

/// While the device is up as well: what has a route already keeps it, and goes on, by the hook or
/// without it.
fn set_l3_master(dev: &Device<RustLo>, on: bool, rtnl: &Rtnl) -> Result {
    if dev.is_l3_slave(rtnl) {
        refuse(dev, rtnl, "l3-master", "in a VRF that is the VRF's device");
        return Err(EBUSY);
    }
    if dev.is_running() {
        // The hook stays where it was, until the device goes down.
        if !on {
            steering::join(dev, rtnl)?;
        }
        dev.set_l3_master(on, rtnl);
        dev.namespace(rtnl).rt_genid_bump_all();
    }
    dev.private().l3_master.store(on, Relaxed);
    Ok(())
}

fn has_localhost(dev: &Device<RustLo>) -> bool {
    dev.private().localhost.load(Relaxed)
}

/// A device that goes down keeps its addresses of IPv4.
fn set_localhost(dev: &Device<RustLo>, on: bool, rtnl: &Rtnl) -> Result {
    if dev.is_running() {
        refuse(dev, rtnl, "localhost", "the device is up");
        return Err(EBUSY);
    }
    if !on && dev.has_address(Ipv4Addr::LOCALHOST, rtnl) {
        refuse(
            dev,
            rtnl,
            "localhost",
            "it has 127.0.0.1, delete that first",
        );
        return Err(EBUSY);
    }
    dev.private().localhost.store(on, Relaxed);
    Ok(())
}

/// ethtool has no place for a message.
fn refuse(dev: &Device<RustLo>, rtnl: &Rtnl, flag: &str, why: &str) {
    if ratelimit() {
        pr_warn!(
            "{}: private flag {} cannot be changed: {}\n",
            dev.name(rtnl),
            flag,
            why
        );
    }
}

/// What `ethtool -S` shows.
struct Statistics {
    accepted: Totals,
    backlog: u64,
    too_short: u64,
    too_big: u64,
    no_memory: u64,
}

impl ethtool::Statistics<RustLo> for Statistics {
    /// Not by queue, see the implementation of [`queue_stats::Operations`].
    const TABLE: &'static [ethtool::Statistic<Self>] = &[
        ethtool::Statistic::new("accepted_packets", |s| s.accepted.packets),
        ethtool::Statistic::new("accepted_bytes", |s| s.accepted.bytes),
        ethtool::Statistic::new("rx_backlog_drops", |s| s.backlog),
        ethtool::Statistic::new("tx_too_short_drops", |s| s.too_short),
        ethtool::Statistic::new("tx_too_big_drops", |s| s.too_big),
        ethtool::Statistic::new("tx_no_memory_drops", |s| s.no_memory),
    ];

    fn read(dev: &Device<RustLo>, _rtnl: &Rtnl) -> Self {
        let drops = &dev.private().drops;
        Self {
            accepted: dev.lstats(),
            backlog: drops.backlog.get(),
            too_short: drops.too_short.get(),
            too_big: drops.too_big.get(),
            no_memory: drops.no_memory.get(),
        }
    }
}

/// Like `lo`, the device has no channels (`ethtool -l`): those are interrupts with the queues they
/// serve, to be switched on and off, and it has no interrupts.
#[vtable]
impl ethtool::Operations for RustLo {
    type Statistics = Statistics;

    const SWITCHES: &'static [ethtool::Switch<Self>] = &[
        ethtool::Switch::new("l3-master", is_l3_master, set_l3_master),
        ethtool::Switch::new("localhost", has_localhost, set_localhost),
    ];

    fn driver_info(_dev: &Device<Self>) -> ethtool::DriverInfo {
        ethtool::DriverInfo {
            driver: c"rust_lo",
            version: c"0.1.0",
        }
    }

    fn link_detected(_dev: &Device<Self>) -> bool {
        true
    }
}

/// Packets are not counted by queue: none is locked for them, and they go through the backlog of
/// the CPU. So they are those of the only queue; where a user has asked for several
/// (`ip link add … numtxqueues 4`) they are the device's and of no queue.
impl queue_stats::Operations for RustLo {
    fn rx(dev: &Device<Self>, _queue: u32, stats: &mut queue_stats::RxStats, rtnl: &Rtnl) {
        if dev.rx_queues(rtnl) == 1 {
            stats.set(dev.lstats());
        }
    }

    fn tx(dev: &Device<Self>, _queue: u32, stats: &mut queue_stats::TxStats, rtnl: &Rtnl) {
        if dev.tx_queues(rtnl) == 1 {
            stats.set(dev.lstats());
        }
    }

    fn base(
        dev: &Device<Self>,
        rx: &mut queue_stats::RxStats,
        tx: &mut queue_stats::TxStats,
        rtnl: &Rtnl,
    ) {
        let of_no_queue = |queues| match queues {
            1 => Totals::default(),
            _ => dev.lstats(),
        };
        rx.set(of_no_queue(dev.rx_queues(rtnl)));
        tx.set(of_no_queue(dev.tx_queues(rtnl)));
    }
}

#[vtable]
impl link::Operations for RustLo {
    const KIND: &'static CStr = c"rust_lo";
    type Guard = ShieldAndValidator<Self>;
    type Namespace = steering::Steering;

    const OPS: link::OpsRef<Self> = {
        static OPS: link::Ops<RustLo> = link::Ops::new();
        link::OpsRef::new(&OPS)
    };

    fn validate(attributes: &LinkAttributes<'_>, extack: &mut ExtAck<'_>) -> Result {
        attributes.check_ethernet_addresses(extack)
    }

    /// Makes the devices that the parameters ask for.
    fn loaded(links: &link::Registration<Self>) -> Result {
        for i in 0..numdevs.get() {
            let name = CString::try_from_fmt(fmt!("rust_lo{i}"))?;
            let rtnl = Rtnl::lock();
            let dev = links
                .create(&name, &rtnl)
                .inspect_err(|e| pr_err!("cannot make rust_lo{}: {:?}\n", i, e))?;
            if up.get() {
                links
                    .open(dev, &rtnl)
                    .inspect_err(|e| pr_err!("cannot bring rust_lo{} up: {:?}\n", i, e))?;
            }
        }
        Ok(())
    }
}

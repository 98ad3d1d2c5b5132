// SPDX-License-Identifier: GPL-2.0

//! A pair of Ethernet devices, a veth in small: what is sent on one end is received on the other.
//!
//! The cable may be a bad one: of so many packets it loses one.

use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use net::{
    info_data::{
        Attribute,
        Data,
        Info,
        Peer,
        Spec, //
    },
    newlink::{
        Made,
        NewLink, //
    },
    prelude::*, //
};

#[path = "../net/mod.rs"]
pub mod net;

module_rtnl_link! {
    type: Pair,
    name: "rust_pair",
    authors: ["The rust_lo developers"],
    description: "Sample: pairs of Ethernet devices",
    license: "GPL",
    alias: ["rtnl-link-rust_pair"],
}

/// The other end, as for a veth.
const PEER: Attribute<Peer> = Attribute::new(1);
/// Of how many packets this end loses one when it sends; 0: none.
const LOSE: Attribute<u32> = Attribute::new(2);

struct Pair;

/// What an end keeps.
struct End {
    lose: Atomic<u32>,
    sent: Atomic<u32>,
}

impl Pair {
    fn set_loss(dev: &Device<Self>, data: &Data<'_>, extack: &mut ExtAck<'_>) -> Result {
        let Some(lose) = data.get(&LOSE) else {
            return Ok(());
        };
        if lose == 1 {
            return Err(data.refuse(&LOSE, extack, fmt!("all packets would be lost")));
        }
        dev.private().lose.store(lose, Relaxed);
        Ok(())
    }

    fn is_lost(end: &End) -> bool {
        let lose = end.lose.load(Relaxed);
        lose != 0 && end.sent.fetch_add(1, Relaxed) % lose == lose - 1
    }
}

#[vtable]
impl device::Operations for Pair {
    type Private = End;
    type LinkType = Ethernet;
    type Stats = Tstats;

    fn setup(dev: &mut Setup<'_, Self>) {
        let features = Feature::ScatterGather
            | Feature::FragList
            | Feature::GsoSoftware
            | Feature::HwChecksum
            | Feature::RxChecksum
            | Feature::HighDma;
        dev.eth_hw_addr_random()
            .mtu_limits(68, 65535)
            .netif_carrier_off();
        dev.priv_flags(PrivFlag::NoQueue | PrivFlag::LiveAddrChange | PrivFlag::DisableNetpoll);
        dev.features(features, features).lltx();
    }

    fn init(dev: &Registering<Self>, _: &Rtnl) -> impl PinInit<End, Error> {
        dev.netdev_lockdep_set_classes();
        Ok(End {
            lose: Atomic::new(0),
            sent: Atomic::new(0),
        })
    }

    fn open(dev: &Device<Self>, rtnl: &Rtnl) -> Result {
        let peer = dev.peer_rtnl(rtnl).ok_or(ENODEV)?;
        if peer.is_running() {
            dev.netif_carrier_on(rtnl);
            peer.netif_carrier_on(rtnl);
        }
        Ok(())
    }

    fn stop(dev: &Device<Self>, rtnl: &Rtnl) {
        dev.netif_carrier_off(rtnl);
        if let Some(peer) = dev.peer_rtnl(rtnl) {
            peer.netif_carrier_off(rtnl);
        }
    }

    fn start_xmit<'a>(dev: &'a Device<Self>, mut skb: SkBuff<'a>, ctx: &XmitContext) {
        let Some(peer) = dev.peer(ctx.rcu()) else {
            dev.tx_dropped();
            return skb.drop(drop_reason!(DEV_READY));
        };
        if Self::is_lost(dev.private()) {
            dev.tx_dropped();
            return skb.drop(drop_reason!(NOT_SPECIFIED));
        }
        skb.sw_tx_timestamp();
        let len = skb.len();
        let received = skb.forward_to(peer, ctx.rcu());
        if received.and_then(|skb| skb.netif_rx(ctx.bh())).is_err() {
            return dev.tx_dropped();
        }
        dev.sw_netstats_tx_add(len, ctx.bh());
        peer.sw_netstats_rx_add(len, ctx.bh());
    }

    fn set_mac_address(
        dev: &Device<Self>,
        address: &device::RequestedAddress<'_>,
        rtnl: &Rtnl,
    ) -> Result {
        dev.eth_mac_addr(address, rtnl)
    }
}

#[vtable]
impl link::Operations for Pair {
    const KIND: &'static CStr = c"rust_pair";
    type Guard = link::NoGuard;
    type Namespace = ();
    const OPS: link::OpsRef<Self> = {
        static OPS: link::Ops<Pair> = link::Ops::new();
        link::OpsRef::new(&OPS)
    };
    const ATTRIBUTES: &'static [Spec] = &[PEER.spec(), LOSE.spec()];

    fn validate(attributes: &LinkAttributes<'_>, extack: &mut ExtAck<'_>) -> Result {
        attributes.check_ethernet_addresses(extack)
    }

    fn newlink<'a>(
        link: NewLink<'a, Self>,
        extack: &mut ExtAck<'_>,
        rtnl: &'a Rtnl,
    ) -> Result<Made<'a, Self>> {
        let data = link.data();
        let dev = link.register_pair(extack, rtnl)?;
        Self::set_loss(&dev, &data, extack)?;
        Ok(dev)
    }

    fn changelink(
        dev: &Device<Self>,
        data: &Data<'_>,
        extack: &mut ExtAck<'_>,
        _: &Rtnl,
    ) -> Result {
        Self::set_loss(dev, data, extack)
    }

    fn fill_info(dev: &Device<Self>, info: &mut Info<'_>, _: &Rtnl) -> Result {
        info.put(&LOSE, dev.private().lose.load(Relaxed))
    }
}

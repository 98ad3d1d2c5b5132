// SPDX-License-Identifier: GPL-2.0

//! `drivers/net/dummy.c` in Rust: devices that discard all packets sent to them.

use kernel::prelude::*;
use net::prelude::*;

#[path = "../net/mod.rs"]
pub mod net;

module_rtnl_link! {
    type: Dummy,
    name: "rust_dummy",
    description: "Sample: devices that discard all packets sent to them",
    license: "GPL",
    alias: ["rtnl-link-rust_dummy"],
}
module_params! {
    numdummies: u32 in 0..=1024 => 1, "Number of devices to make at load, rust_dummy0 and on";
}

struct Dummy;

#[vtable]
impl device::Operations for Dummy {
    type Private = ();
    type LinkType = Ethernet;
    type Stats = Lstats;
    fn setup(dev: &mut Setup<'_, Self>) {
        let offloads = Feature::ScatterGather | Feature::FragList | Feature::HighDma;
        let all = offloads | Feature::HwChecksum | Feature::GsoSoftware | Feature::GsoEncapAll;
        dev.features(all, all).hw_enc_features(all).ethtool();
        dev.flags(InterfaceFlag::NoArp);
        dev.clear_flags(InterfaceFlag::Multicast);
        dev.priv_flags(PrivFlag::LiveAddrChange | PrivFlag::NoQueue);
        dev.lltx().mtu_limits(0, 0).eth_hw_addr_random();
    }
    fn init(dev: &Registering<Self>, _: &Rtnl) -> impl PinInit<(), Error> {
        dev.netdev_lockdep_set_classes();
        Ok(())
    }
    fn start_xmit<'a>(dev: &'a Device<Self>, mut skb: SkBuff<'a>, ctx: &XmitContext) {
        dev.lstats_add(skb.len(), ctx.bh());
        skb.sw_tx_timestamp();
        skb.consume();
    }
    fn get_stats64(dev: &Device<Self>, stats: &mut LinkStats, _: &RcuRead) {
        stats.set_tx(dev.lstats());
    }
    fn validate_addr(dev: &Device<Self>, rtnl: &Rtnl) -> Result {
        dev.eth_validate_addr(rtnl)
    }
    fn set_mac_address(dev: &Device<Self>, to: &RequestedAddress<'_>, rtnl: &Rtnl) -> Result {
        dev.eth_mac_addr(to, rtnl)
    }
    fn set_rx_mode(_: &Device<Self>, _: &Rtnl) -> Result {
        Ok(()) // any address: nothing is received
    }
    fn change_carrier(dev: &Device<Self>, on: bool, rtnl: &Rtnl) -> Result {
        match on {
            true => dev.netif_carrier_on(rtnl),
            false => dev.netif_carrier_off(rtnl),
        }
        Ok(())
    }
}

#[vtable]
impl ethtool::Operations for Dummy {
    type Statistics = ethtool::NoStatistics; // but time stamps of software
}

#[vtable]
impl link::Operations for Dummy {
    const KIND: &'static CStr = c"rust_dummy";
    type Guard = link::NoGuard;
    type Namespace = ();
    const OPS: link::OpsRef<Self> = {
        static OPS: link::Ops<Dummy> = link::Ops::new();
        link::OpsRef::new(&OPS)
    };
    fn validate(attributes: &LinkAttributes<'_>, extack: &mut ExtAck<'_>) -> Result {
        attributes.check_ethernet_address(extack)
    }
    fn loaded(links: &link::Registration<Self>) -> Result {
        let create = |_| links.create(c"rust_dummy%d", &Rtnl::lock()).map(|_| ());
        (0..numdummies.get()).try_for_each(create)
    }
}

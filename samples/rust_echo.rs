// SPDX-License-Identifier: GPL-2.0

//! A loopback device in few lines: docs/abstractions.md walks through them.

use kernel::prelude::*;
use net::prelude::*;

#[path = "../net/mod.rs"]
pub mod net;

module_rtnl_link! {
    type: Echo,
    name: "rust_echo",
    authors: ["The rust_lo developers"],
    description: "Sample: a loopback device",
    license: "GPL",
    alias: ["rtnl-link-rust_echo"],
}

struct Echo;

#[vtable]
impl device::Operations for Echo {
    type Private = ();
    type LinkType = Loopback;
    type Stats = Lstats;
    fn setup(dev: &mut Setup<'_, Self>) {
        dev.mtu(1500).loopback().l3_master().keep_dst();
    }
    fn init(_: &Registering<Self>, _: &Rtnl) -> impl PinInit<(), Error> {
        Ok(())
    }
    fn start_xmit<'a>(dev: &'a Device<Self>, mut skb: SkBuff<'a>, ctx: &XmitContext) {
        skb.orphan();
        let skb = match skb.eth_type_trans(dev) {
            Ok(skb) => skb,
            Err((skb, why)) => {
                dev.tx_dropped();
                return skb.drop(why.into());
            }
        };
        let len = skb.len();
        if skb.netif_rx(ctx.bh()).is_ok() {
            dev.lstats_add(len, ctx.bh());
        }
    }
    fn get_stats64(dev: &Device<Self>, stats: &mut LinkStats, _: &RcuRead) {
        stats.set_rx(dev.lstats());
        stats.set_tx(dev.lstats());
    }
}

#[vtable]
impl link::Operations for Echo {
    const KIND: &'static CStr = c"rust_echo";
    type Guard = RouteNotifierShield<Self>;
    type Namespace = ();
    const OPS: link::OpsRef<Self> = {
        static OPS: link::Ops<Echo> = link::Ops::new();
        link::OpsRef::new(&OPS)
    };
}

// SPDX-License-Identifier: GPL-2.0

//! Network devices.
//!
//! Safe abstractions over `struct net_device` and what a driver of a virtual device needs around
//! it. A driver implements [`device::Operations`] (and, as it needs them, [`link::Operations`],
//! [`ethtool::Operations`], [`queue_stats::Operations`]) and is registered by [`module_rtnl_link!`](crate::module_rtnl_link). It
//! needs no unsafe code: the C callbacks live in adapters here, and what a callback may do follows
//! from the types that it is handed:
//!
//! - A device under construction is a [`setup::Setup`], one that is about to be registered a
//!   [`device::Registering`], a registered one a [`device::Device`]. What is only legal before
//!   registration exists only on [`setup::Setup`].
//! - A held lock or a context is a value: [`context::Rtnl`], [`context::XmitContext`].
//! - A packet is owned ([`skbuff::SkBuff`]) until it is handed on, consumed or dropped; a frame of
//!   XDP ([`xdp::XdpFrame`]) until it is a packet or goes back.
//!
//! C headers: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h).

mod adapter;
pub mod address;
mod backlog;
pub(crate) mod bindings;
mod carrier;
pub mod context;
pub mod device;
pub mod ethtool;
pub mod flags;
pub mod held;
pub mod info_data;
pub mod l3mdev;
pub mod link;
pub mod link_type;
pub mod loopback;
pub mod netfilter;
pub mod netns;
pub mod newlink;
mod notifier;
mod once;
pub mod pair;
pub mod param;
pub mod queue_stats;
pub mod route;
pub mod rtnetlink;
pub mod setup;
pub mod skbuff;
pub mod stats;
pub mod xdp;

/// What most drivers use.
pub mod prelude {
    pub use super::{
        context::{
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
            InterfaceFlag,
            PrivFlag, //
        },
        link,
        link_type::{
            Ethernet,
            Loopback, //
        },
        loopback::RouteNotifierShield,
        rtnetlink::{
            ExtAck,
            LinkAttributes, //
        },
        setup::Setup,
        skbuff::{
            RxSkBuff,
            SkBuff, //
        },
        stats::{
            LinkStats,
            Lstats,
            NoStats,
            Tstats, //
        },
        xdp::XdpFrame,
    };
}

// They test the driver of rust_lo.rs, too, which a sample does not have.
#[cfg(all(CONFIG_KUNIT = "y", not(rust_lo_sample)))]
mod tests;

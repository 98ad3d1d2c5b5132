// SPDX-License-Identifier: GPL-2.0

//! Kinds of link layers.
//!
//! A driver names the one of its devices in
//! [`Operations::LinkType`](super::device::Operations::LinkType), and with it the headers that
//! their packets have: what looks at those asks for the kind that has them.

use super::bindings;

/// What the link layer of a device is like.
///
/// C counterpart: `dev->type`, `header_ops`, `hard_header_len`, `addr_len` and what goes with them.
pub trait LinkType: private::Sealed {
    /// # Safety
    ///
    /// `dev` must be a valid `net_device` that only the caller uses and that is not registered.
    #[doc(hidden)]
    unsafe fn setup(dev: *mut bindings::net_device);
}

/// Packets begin with an Ethernet header, addresses are Ethernet's.
pub trait EthernetHeader: LinkType {}

/// A loopback: Ethernet headers that nobody looks at, an address of zeros, and an MTU of 64 KiB
/// without limits, to begin with.
///
/// C counterpart: `ARPHRD_LOOPBACK`; `gen_lo_setup()`, `drivers/net/loopback.c`.
pub struct Loopback;

/// Ethernet: an MTU of 1500, from 68 to 1500, and the flags [`Broadcast`] and [`Multicast`], to
/// begin with.
///
/// Of what C says, `IFF_TX_SKB_SHARING` is left out: here a packet is its owner's.
///
/// C counterpart: `ARPHRD_ETHER`; `ether_setup()`, `net/ethernet/eth.c`.
///
/// [`Broadcast`]: super::flags::InterfaceFlag::Broadcast
/// [`Multicast`]: super::flags::InterfaceFlag::Multicast
pub struct Ethernet;

/// The same as `eth_header_ops` (`net/ethernet/eth.c`), which is not exported; its functions are.
const ETH_HEADER_OPS: bindings::header_ops = bindings::header_ops {
    create: Some(bindings::eth_header),
    parse: Some(bindings::eth_header_parse),
    cache: Some(bindings::eth_header_cache),
    cache_update: Some(bindings::eth_header_cache_update),
    validate: None,
    parse_protocol: Some(bindings::eth_header_parse_protocol),
};

impl LinkType for Loopback {
    unsafe fn setup(dev: *mut bindings::net_device) {
        // SAFETY: By the function's safety requirement.
        let dev = unsafe { &mut *dev };
        dev.type_ = bindings::ARPHRD_LOOPBACK as u16;
        dev.header_ops = &ETH_HEADER_OPS;
        dev.hard_header_len = bindings::ETH_HLEN as u16;
        dev.min_header_len = bindings::ETH_HLEN as u8;
        dev.addr_len = bindings::ETH_ALEN as u8;
        dev.mtu = 64 * 1024;
    }
}

impl LinkType for Ethernet {
    unsafe fn setup(dev: *mut bindings::net_device) {
        // SAFETY: By the function's safety requirement.
        unsafe { bindings::ether_setup(dev) };
        // SAFETY: As above.
        let flags = unsafe { &mut (*dev).__bindgen_anon_1 };
        // SAFETY: Both views of the union hold the same bits.
        let fast = unsafe { &mut flags.priv_flags_fast };
        const SHARING: u32 = bindings::netdev_priv_flags_IFF_TX_SKB_SHARING;
        fast.set_priv_flags(fast.priv_flags() & !(SHARING as usize));
    }
}

impl EthernetHeader for Loopback {}
impl EthernetHeader for Ethernet {}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Loopback {}
    impl Sealed for super::Ethernet {}
}

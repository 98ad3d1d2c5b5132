// SPDX-License-Identifier: GPL-2.0

//! Flags and features of a device as types.
//!
//! Only what a driver may set freely appears here. Flags that ask for something else to be in place
//! have functions of their own: `IFF_LOOPBACK` is set by
//! [`Setup::loopback`](super::setup::Setup::loopback), `IFF_L3MDEV_MASTER` through
//! [`super::l3mdev`].

use super::bindings;
use kernel::impl_flags;

impl_flags!(
    /// Flags of a device that user space sees (`dev->flags`).
    ///
    /// C counterpart: `enum net_device_flags`, `include/uapi/linux/if.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct InterfaceFlags(u32);

    /// One flag of [`InterfaceFlags`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum InterfaceFlag {
        /// There is a broadcast address.
        Broadcast = bindings::net_device_flags_IFF_BROADCAST,
        /// There is no address resolution on the device.
        NoArp = bindings::net_device_flags_IFF_NOARP,
        /// The device takes part in multicast.
        Multicast = bindings::net_device_flags_IFF_MULTICAST,
    }
);

impl_flags!(
    /// Flags of a device that only the kernel sees (`dev->priv_flags`).
    ///
    /// C counterpart: `enum netdev_priv_flags`, `include/linux/netdevice.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PrivFlags(u32);

    /// One flag of [`PrivFlags`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum PrivFlag {
        /// The hardware address may be changed while the device is up.
        LiveAddrChange = bindings::netdev_priv_flags_IFF_LIVE_ADDR_CHANGE,
        /// The device needs no queueing discipline by default.
        NoQueue = bindings::netdev_priv_flags_IFF_NO_QUEUE,
        /// netpoll (netconsole) is kept away, which sends with interrupts off.
        DisableNetpoll = bindings::netdev_priv_flags_IFF_DISABLE_NETPOLL,
    }
);

impl_flags!(
    /// Features (offloads) of a device.
    ///
    /// C counterpart: `netdev_features_t`, `include/linux/netdev_features.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Features(u64);

    /// One feature of [`Features`], or one group that the kernel names.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Feature {
        /// Scatter/gather: packets may have fragments (`NETIF_F_SG`).
        ScatterGather = 1 << bindings::NETIF_F_SG_BIT,
        /// Packets may have a list of fragments (`NETIF_F_FRAGLIST`).
        FragList = 1 << bindings::NETIF_F_FRAGLIST_BIT,
        /// Every kind of segmentation that software can undo (`NETIF_F_GSO_SOFTWARE`).
        GsoSoftware = bindings::NETIF_F_GSO_SOFTWARE,
        /// Every kind of segmentation of packets in tunnels (`NETIF_F_GSO_ENCAP_ALL`).
        GsoEncapAll = bindings::NETIF_F_GSO_ENCAP_ALL,
        /// Packets need no checksum on the way out (`NETIF_F_HW_CSUM`).
        HwChecksum = 1 << bindings::NETIF_F_HW_CSUM_BIT,
        /// Packets need no check of their checksum on the way in (`NETIF_F_RXCSUM`).
        RxChecksum = 1 << bindings::NETIF_F_RXCSUM_BIT,
        /// The same as [`Feature::HwChecksum`] for SCTP (`NETIF_F_SCTP_CRC`).
        SctpCrc = 1 << bindings::NETIF_F_SCTP_CRC_BIT,
        /// Packets may lie in high memory (`NETIF_F_HIGHDMA`).
        HighDma = 1 << bindings::NETIF_F_HIGHDMA_BIT,
        /// The device cannot carry VLAN tags (`NETIF_F_VLAN_CHALLENGED`).
        VlanChallenged = 1 << bindings::NETIF_F_VLAN_CHALLENGED_BIT,
        /// The device loops its packets back (`NETIF_F_LOOPBACK`).
        Loopback = 1 << bindings::NETIF_F_LOOPBACK_BIT,
    }
);

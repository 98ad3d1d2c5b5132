// SPDX-License-Identifier: GPL-2.0

//! Flags and features: what goes in comes out.

use super::check;
use crate::net::{
    bindings,
    flags::{
        Feature,
        Features,
        InterfaceFlag,
        InterfaceFlags,
        PrivFlag,
        PrivFlags, //
    },
};
use kernel::prelude::*;

const FEATURES: [(Feature, u64); 10] = [
    (Feature::ScatterGather, 1 << bindings::NETIF_F_SG_BIT),
    (Feature::FragList, 1 << bindings::NETIF_F_FRAGLIST_BIT),
    (Feature::GsoSoftware, bindings::NETIF_F_GSO_SOFTWARE),
    (Feature::GsoEncapAll, bindings::NETIF_F_GSO_ENCAP_ALL),
    (Feature::HwChecksum, 1 << bindings::NETIF_F_HW_CSUM_BIT),
    (Feature::RxChecksum, 1 << bindings::NETIF_F_RXCSUM_BIT),
    (Feature::SctpCrc, 1 << bindings::NETIF_F_SCTP_CRC_BIT),
    (Feature::HighDma, 1 << bindings::NETIF_F_HIGHDMA_BIT),
    (
        Feature::VlanChallenged,
        1 << bindings::NETIF_F_VLAN_CHALLENGED_BIT,
    ),
    (Feature::Loopback, 1 << bindings::NETIF_F_LOOPBACK_BIT),
];

#[kunit_tests(rust_lo_flags)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// Each is its own bits, alone, together and taken away again.
    #[test]
    fn features() -> Result {
        let mut all = Features::empty();
        let mut bits = 0;
        for (feature, expected) in FEATURES {
            check!(u64::from(Features::from(feature)), expected);
            check!(bits & expected, 0);
            check!(!all.contains(feature));
            all |= feature;
            bits |= expected;
            check!(all.contains(feature));
            check!(u64::from(all), bits);
        }
        check!(Features::all_bits(), bits);
        for (feature, expected) in FEATURES {
            all ^= feature;
            bits ^= expected;
            check!(!all.contains(feature));
            check!(u64::from(all), bits);
        }
        check!(all, Features::empty());
        Ok(())
    }

    /// Numbers that user space relies on.
    #[test]
    fn interface_flags() -> Result {
        check!(u32::from(InterfaceFlags::from(InterfaceFlag::NoArp)), 0x80);
        check!(
            u32::from(InterfaceFlag::NoArp | InterfaceFlag::Multicast),
            0x1080
        );
        Ok(())
    }

    #[test]
    fn priv_flags() -> Result {
        check!(
            u32::from(PrivFlag::LiveAddrChange | PrivFlag::NoQueue | PrivFlag::DisableNetpoll),
            bindings::netdev_priv_flags_IFF_LIVE_ADDR_CHANGE
                | bindings::netdev_priv_flags_IFF_NO_QUEUE
                | bindings::netdev_priv_flags_IFF_DISABLE_NETPOLL
        );
        check!(!PrivFlags::from(PrivFlag::NoQueue).contains(PrivFlag::LiveAddrChange));
        Ok(())
    }
}

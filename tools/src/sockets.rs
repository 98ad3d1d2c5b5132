// SPDX-License-Identifier: GPL-2.0

//! The sockets that are bound to a device (`SO_BINDTODEVICE`), as sock_diag knows them.

use std::net::{IpAddr, Ipv6Addr};

use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use crate::error::Result;
use crate::netlink::Netlink;
use crate::state::Dev;
use crate::uapi::*;
use crate::wire::*;

/// Where a socket listens. Two with the same values are one to the user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// Its address; unspecified if it takes any.
    pub address: IpAddr,
    /// `tcp`, `udp` or `raw`.
    pub protocol: &'static str,
    /// Its port; the number of the protocol if it is a raw socket.
    pub port: u16,
    /// It takes any address of IPv4 as well, as one of IPv6.
    pub dual: bool,
}

impl Bound {
    /// Its protocol and port.
    pub fn port(&self) -> String {
        format!("{} {}", self.protocol, self.port)
    }
}

/// Those bound to `dev`, each once, and the protocols that the kernel does not tell about.
pub fn bound_to(dev: Dev) -> Result<(Vec<Bound>, Vec<&'static str>)> {
    let mut netlink = Netlink::open(NETLINK_SOCK_DIAG)?;
    let (mut all, mut unknown) = (Vec::new(), Vec::new());
    for (protocol, number) in [
        ("tcp", IPPROTO_TCP),
        ("udp", IPPROTO_UDP),
        ("raw", IPPROTO_RAW),
    ] {
        for family in [AF_INET, AF_INET6] {
            let mut fixed = [0; 56];
            (fixed[0], fixed[1]) = (family, number);
            // What a connection leaves behind has no program any more.
            fixed[4..8].copy_from_slice(&(!(1u32 << TCP_TIME_WAIT)).to_ne_bytes());
            match netlink.dump_known(|| Request::new(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &fixed))? {
                Some(replies) => all.extend(
                    replies
                        .iter()
                        .filter_map(|reply| read(protocol, dev, &reply.payload)),
                ),
                None => unknown.push(protocol),
            }
        }
    }
    all.sort();
    all.dedup();
    unknown.dedup();
    Ok((all, unknown))
}

/// Reads a socket, if it is bound to the device.
fn read(protocol: &'static str, dev: Dev, payload: &[u8]) -> Option<Bound> {
    let (fixed, attrs) = payload.split_at_checked(72)?;
    if u32_at(fixed, 40)? != dev {
        return None;
    }
    let address = match fixed[0] {
        AF_INET => IpAddr::from(<[u8; 4]>::try_from(&fixed[8..12]).ok()?),
        AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(&fixed[8..24]).ok()?).to_canonical(),
        _ => return None,
    };
    let v6_only = Attrs::read(attrs).get(INET_DIAG_SKV6ONLY) == Some(&[1]);
    Some(Bound {
        address,
        protocol,
        port: u16::from_be_bytes([fixed[4], fixed[5]]),
        dual: address == Ipv6Addr::UNSPECIFIED && protocol != "raw" && !v6_only,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel says of a socket.
    fn said(family: u8, address: IpAddr, dev: Dev, attrs: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 72];
        bytes[0] = family;
        bytes[4..6].copy_from_slice(&53u16.to_be_bytes());
        match address {
            IpAddr::V4(a) => bytes[8..12].copy_from_slice(&a.octets()),
            IpAddr::V6(a) => bytes[8..24].copy_from_slice(&a.octets()),
        }
        bytes[40..44].copy_from_slice(&dev.to_ne_bytes());
        bytes.extend(attrs);
        bytes
    }

    #[test]
    fn sockets_are_read() {
        let bound = |address: &str, dual| {
            Some(Bound {
                address: address.parse().unwrap(),
                protocol: "udp",
                port: 53,
                dual,
            })
        };
        for (family, address, attrs, wanted) in [
            (AF_INET, "127.0.0.53", &[][..], bound("127.0.0.53", false)),
            (AF_INET, "0.0.0.0", &[], bound("0.0.0.0", false)),
            (AF_INET6, "::1", &[], bound("::1", false)),
            // A socket of IPv6 that was bound to, or connected from, an address of IPv4.
            (
                AF_INET6,
                "::ffff:127.0.0.53",
                &[],
                bound("127.0.0.53", false),
            ),
            (
                AF_INET6,
                "::",
                &[5, 0, 11, 0, 0, 0, 0, 0],
                bound("::", true),
            ),
            (
                AF_INET6,
                "::",
                &[5, 0, 11, 0, 1, 0, 0, 0],
                bound("::", false),
            ),
            (1, "127.0.0.53", &[], None),
        ] {
            let bytes = said(family, address.parse().unwrap(), 1, attrs);
            assert_eq!(read("udp", 1, &bytes), wanted, "{address}");
            assert_eq!(read("udp", 2, &bytes), None, "{address}");
        }
        let any = said(AF_INET6, Ipv6Addr::UNSPECIFIED.into(), 1, &[]);
        assert!(!read("raw", 1, &any).unwrap().dual);
        assert_eq!(read("udp", 1, &any[..70]), None);
    }
}

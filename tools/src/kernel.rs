// SPDX-License-Identifier: GPL-2.0

//! The conversation with the kernel: what it says about a namespace, and the changes it is asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_sys::protocols::NETLINK_ROUTE;

use crate::error::Result;
use crate::netlink::{reason, Netlink, Reply};
use crate::plan::Step;
use crate::requests::{prefix, prefix_metric, requests};
use crate::state::*;
use crate::uapi::*;
use crate::wire::*;

/// A device.
#[derive(Clone, Debug)]
pub struct Link {
    /// Index.
    pub dev: Dev,
    /// Name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Kind of link, empty for devices without.
    pub kind: String,
    /// IPv6 is there and not switched off on it.
    pub ipv6: bool,
}

/// A state with what stands in the way of changing it.
pub struct Snapshot {
    /// The state.
    pub state: State,
    /// The kernel is still about to add the route of an address.
    pub pending: bool,
    /// Routes that removing ::1 from a device would damage, and the device; 0 for any.
    pub obstacles: Vec<(Dev, String)>,
}

/// The kernel, as it is asked about devices, routes and addresses.
pub struct Kernel {
    netlink: Netlink,
}

/// A route as dumped.
struct Dumped<'a> {
    fixed: &'a [u8],
    attrs: Attrs<'a>,
}

impl<'a> Dumped<'a> {
    /// Reads a route of this family, unless it is a cached one.
    fn read(reply: &'a Reply, family: u8) -> Option<Self> {
        let (fixed, attrs) = reply.payload.split_at_checked(12)?;
        let cached = u32_at(fixed, 8)? & RTM_F_CLONED != 0;
        (reply.kind == RTM_NEWROUTE && fixed[0] == family && !cached).then(|| Self {
            fixed,
            attrs: Attrs::read(attrs),
        })
    }

    fn table(&self) -> u32 {
        self.attrs.u32(RTA_TABLE).unwrap_or(self.fixed[4].into())
    }

    fn metric(&self) -> u32 {
        self.attrs.u32(RTA_PRIORITY).unwrap_or(0)
    }

    fn dev(&self) -> Dev {
        self.attrs.u32(RTA_OIF).unwrap_or(0)
    }

    fn v4(&self, kind: u16) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.attrs.get(kind)?.try_into().ok()?;
        Some(bytes.into())
    }

    fn v6(&self, kind: u16) -> Option<Ipv6Addr> {
        let bytes: [u8; 16] = self.attrs.get(kind)?.try_into().ok()?;
        Some(bytes.into())
    }

    /// As a route this tool deals with.
    fn route4(&self) -> Option<Route4> {
        let dst = self.v4(RTA_DST)?;
        let kind = self.fixed[7];
        let ours = self.table() == TABLE_LOCAL
            && dst.is_loopback()
            && [RTN_LOCAL, RTN_BROADCAST].contains(&kind);
        let known = [RTA_DST, RTA_OIF, RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE];
        ours.then(|| Route4 {
            dst,
            len: self.fixed[1],
            kind,
            scope: self.fixed[6],
            tos: self.fixed[3],
            metric: self.metric(),
            src: self.v4(RTA_PREFSRC),
            dev: self.dev(),
            proto: self.fixed[5],
            odd: !self.attrs.0.iter().all(|(k, _)| known.contains(k)),
        })
    }
}

impl Kernel {
    /// Connects to the kernel.
    pub fn connect() -> Result<Self> {
        let netlink = Netlink::open(NETLINK_ROUTE)?;
        Ok(Self { netlink })
    }

    /// All devices.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let replies = self.netlink.dump(|| {
            Request::new(RTM_GETLINK, NLM_F_DUMP, &[0; 16])
                .attr_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
        })?;
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let link = |reply: &Reply| {
            let (fixed, attrs) = reply.payload.split_at_checked(16)?;
            let attrs = Attrs::read(attrs);
            let conf = attrs.nested(IFLA_AF_SPEC).nested(AF_INET6.into());
            let disabled = conf
                .get(IFLA_INET6_CONF)
                .and_then(|c| u32_at(c, 4 * DEVCONF_DISABLE_IPV6));
            Some(Link {
                dev: u32_at(fixed, 4)?,
                name: text(attrs.get(IFLA_IFNAME)?),
                up: u32_at(fixed, 8)? & 1 != 0,
                kind: attrs
                    .nested(IFLA_LINKINFO)
                    .get(IFLA_INFO_KIND)
                    .map(text)
                    .unwrap_or_default(),
                ipv6: disabled == Some(0),
            })
        };
        Ok(replies.iter().filter_map(link).collect())
    }

    /// Carries out one request; else the number of the error.
    pub fn change(&mut self, request: Request) -> Result<std::result::Result<(), i32>> {
        Ok(self.netlink.ask(request)?.map(drop))
    }

    /// The device of the route to this address: that which the table has for it (`RTM_F_FIB_MATCH`), or that which the
    /// kernel makes of it.
    fn route_to(&mut self, address: IpAddr, flags: u32) -> Result<Option<Dev>> {
        let mut fixed = [0; 12];
        let bytes = match address {
            IpAddr::V4(a) => a.octets().to_vec(),
            IpAddr::V6(a) => a.octets().to_vec(),
        };
        fixed[0] = if address.is_ipv4() { AF_INET } else { AF_INET6 };
        fixed[1] = 8 * bytes.len() as u8;
        fixed[8..].copy_from_slice(&flags.to_ne_bytes());
        let replies = self
            .netlink
            .ask(Request::new(RTM_GETROUTE, 0, &fixed).attr(RTA_DST, &bytes))?;
        let dev = |reply: &Reply| Attrs::read(reply.payload.get(12..)?).u32(RTA_OIF);
        Ok(replies.ok().and_then(|r| r.iter().find_map(dev)))
    }

    /// The device, of these, that carries packets to this address of the host.
    ///
    /// The route is that of `lo`. A device of the driver takes what the table has for it, and where `lo` is down the first
    /// of them takes what is for `lo`. (An L3 master, whose routes are its own, does not, nor does one in a VRF: that
    /// cannot be seen from here.)
    pub fn carrier(&mut self, address: IpAddr, links: &[Link]) -> Result<Option<Dev>> {
        let Some(output) = self.route_to(address, 0)? else {
            return Ok(None);
        };
        if output != LOOPBACK {
            return Ok(Some(output));
        }
        let owner = self.route_to(address, RTM_F_FIB_MATCH)?;
        let mut ready: Vec<Dev> = links
            .iter()
            .filter(|l| l.up && l.kind == KIND)
            .map(|l| l.dev)
            .collect();
        ready.sort_unstable();
        let down = links.iter().any(|l| l.dev == LOOPBACK && !l.up);
        let stand_in = ready.first().copied().filter(|_| down);
        Ok(owner
            .filter(|d| ready.contains(d))
            .or(stand_in)
            .or(Some(output)))
    }

    fn routes(&mut self, family: u8, table: u8) -> Result<Vec<Reply>> {
        let mut fixed = [0; 12];
        fixed[0] = family;
        fixed[4] = table;
        self.netlink
            .dump(|| Request::new(RTM_GETROUTE, NLM_F_DUMP, &fixed))
    }

    /// How things stand.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let v4 = self.routes(AF_INET, TABLE_LOCAL as u8)?;
        let v6 = self.routes(AF_INET6, 0)?;
        let addresses = self
            .netlink
            .dump(|| Request::new(RTM_GETADDR, NLM_F_DUMP, &[AF_INET6, 0, 0, 0, 0, 0, 0, 0]))?;

        let (kept4, v4) = v4
            .iter()
            .filter_map(|r| Dumped::read(r, AF_INET)?.route4())
            .partition(Route4::is_kept);
        let mut addresses: Vec<Addr6> = addresses.iter().filter_map(read_addr6).collect();
        let mut state = State {
            v4,
            kept4,
            ..State::default()
        };
        let mut obstacles = Vec::new();
        for route in v6.iter().filter_map(|r| Dumped::read(r, AF_INET6)) {
            let (dst, len, dev, metric) = (
                route.v6(RTA_DST),
                route.fixed[1],
                route.dev(),
                route.metric(),
            );
            let (proto, to_one) = (route.fixed[5], dst == Some(Ipv6Addr::LOCALHOST));
            let local =
                route.table() == TABLE_LOCAL && to_one && len == 128 && route.fixed[7] == RTN_LOCAL;
            if local && proto == MARK && metric > 0 {
                state.marks6.push(Mark6 {
                    dev,
                    place: metric - 1,
                });
            } else if local && metric == 0 {
                if let Some(at) = addresses.iter().position(|a| a.dev == dev) {
                    state.v6.push(addresses.swap_remove(at));
                }
            }
            if route.v6(RTA_PREFSRC) == Some(Ipv6Addr::LOCALHOST) {
                obstacles.push((0, "a route has ::1 as its source and would lose it".into()));
            }
        }
        for route in v6.iter().filter_map(|r| Dumped::read(r, AF_INET6)) {
            let Some(addr) = state.v6.iter_mut().find(|a| a.dev == route.dev()) else {
                continue;
            };
            let dst = route.v6(RTA_DST).unwrap_or(Ipv6Addr::UNSPECIFIED);
            if route.table() != TABLE_MAIN || route.fixed[1] != addr.len || dst != prefix(addr.len)
            {
                continue;
            }
            if route.fixed[5] == RTPROT_KERNEL && route.metric() == prefix_metric(addr) {
                addr.prefix_route = true;
            } else if addr.flags & F_NOPREFIXROUTE == 0 {
                obstacles.push((
                    addr.dev,
                    "a route to ::1 in table main would be lost".into(),
                ));
            }
        }
        state.marks6.sort_by_key(|m| (m.place, m.dev));
        Ok(Snapshot {
            state,
            pending: !addresses.is_empty(),
            obstacles,
        })
    }

    /// Asks for these steps in one message, so that they are all carried out whatever happens to this process.
    ///
    /// Why the first of those that failed did.
    pub fn apply(&mut self, steps: &[Step]) -> Result<Option<Refused>> {
        let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
        for request in steps.iter().flat_map(requests) {
            let (number, message) = self.netlink.number(request);
            bytes.extend(message);
            numbers.push(number);
        }
        self.netlink.send(&bytes)?;
        let mut refused: Option<Refused> = None;
        while !numbers.is_empty() {
            self.netlink.receive(|kind, _, sequence, payload| {
                let Some(at) = numbers.iter().position(|n| *n == sequence) else {
                    return;
                };
                numbers.remove(at);
                let code = -(u32_at(payload, 0).unwrap_or(0) as i32);
                if kind == NLMSG_ERROR && code != 0 && refused.is_none() {
                    refused = Some(Refused {
                        code,
                        reason: reason(code),
                    });
                }
            })?;
        }
        Ok(refused)
    }
}

/// Why the kernel refused a step.
pub struct Refused {
    /// Error number.
    pub code: i32,
    /// In words.
    pub reason: String,
}

/// Reads an address if it is ::1.
fn read_addr6(reply: &Reply) -> Option<Addr6> {
    let (fixed, attrs) = reply.payload.split_at_checked(8)?;
    let attrs = Attrs::read(attrs);
    let v6 = |kind| {
        let bytes: Option<[u8; 16]> = attrs.get(kind).and_then(|v| v.try_into().ok());
        bytes.map(Ipv6Addr::from)
    };
    let (local, address) = (v6(IFA_LOCAL), v6(IFA_ADDRESS));
    if reply.kind != RTM_NEWADDR
        || fixed[0] != AF_INET6
        || local.or(address) != Some(Ipv6Addr::LOCALHOST)
    {
        return None;
    }
    let cache = attrs.get(IFA_CACHEINFO).unwrap_or(&[]);
    Some(Addr6 {
        dev: u32_at(fixed, 4)?,
        len: fixed[1],
        flags: attrs.u32(IFA_FLAGS).unwrap_or(fixed[2].into()) & F_KEPT,
        valid: u32_at(cache, 4).unwrap_or(FOREVER),
        preferred: u32_at(cache, 0).unwrap_or(FOREVER),
        peer: address.filter(|_| local.is_some() && local != address),
        metric: attrs.u32(IFA_RT_PRIORITY).unwrap_or(0),
        proto: attrs
            .get(IFA_PROTO)
            .and_then(|v| v.first().copied())
            .unwrap_or(0),
        prefix_route: false,
    })
}

// SPDX-License-Identifier: GPL-2.0

//! What the kernel is asked for to carry out a step.

use std::net::Ipv6Addr;

use crate::plan::Step;
use crate::state::*;
use crate::uapi::*;
use crate::wire::*;

/// The requests that carry out a step.
pub fn requests(step: &Step) -> Vec<Request> {
    match step {
        Step::Del4(r) => vec![route4(RTM_DELROUTE, 0, r)],
        Step::Prepend4(r) => vec![route4(RTM_NEWROUTE, NLM_F_CREATE, r)],
        Step::Append4(r) => vec![route4(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, r)],
        Step::Keep4(r) => vec![route4(RTM_NEWROUTE, NLM_F_CREATE, r)],
        Step::Unkeep4(r) => vec![route4(RTM_DELROUTE, 0, r)],
        Step::Del6(a) => vec![address(RTM_DELADDR, 0, a, a.flags)],
        Step::Add6(a) => add6(a),
        Step::Mark6(m) => vec![mark6(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, m)],
        Step::Unmark6(m) => vec![mark6(RTM_DELROUTE, 0, m)],
    }
}

/// The fixed part of a message about a route.
fn rtmsg(family: u8, len: u8, table: u32, proto: u8, kind: u8) -> [u8; 12] {
    [family, len, 0, 0, table as u8, proto, 0, kind, 0, 0, 0, 0]
}

fn route4(kind: u16, flags: u16, r: &Route4) -> Request {
    let mut fixed = rtmsg(AF_INET, r.len, TABLE_LOCAL, r.proto, r.kind);
    (fixed[3], fixed[6]) = (r.tos, r.scope);
    let mut request = Request::new(kind, flags, &fixed)
        .attr(RTA_DST, &r.dst.octets())
        .attr_u32(RTA_OIF, r.dev);
    if let Some(src) = r.src {
        request = request.attr(RTA_PREFSRC, &src.octets());
    }
    if r.metric != 0 {
        request = request.attr_u32(RTA_PRIORITY, r.metric);
    }
    request
}

fn mark6(kind: u16, flags: u16, mark: &Mark6) -> Request {
    let fixed = rtmsg(AF_INET6, 128, TABLE_LOCAL, MARK, RTN_LOCAL);
    Request::new(kind, flags, &fixed)
        .attr(RTA_DST, &Ipv6Addr::LOCALHOST.octets())
        .attr_u32(RTA_OIF, mark.dev)
        .attr_u32(RTA_PRIORITY, mark.place + 1)
}

fn address(kind: u16, flags: u16, a: &Addr6, ifa_flags: u32) -> Request {
    let [i0, i1, i2, i3] = a.dev.to_ne_bytes();
    let peer = a.peer.unwrap_or(Ipv6Addr::LOCALHOST);
    let mut request = Request::new(kind, flags, &[AF_INET6, a.len, 0, 0, i0, i1, i2, i3])
        .attr(IFA_LOCAL, &Ipv6Addr::LOCALHOST.octets())
        .attr(IFA_ADDRESS, &peer.octets())
        .attr_u32(IFA_FLAGS, ifa_flags);
    if a.proto != 0 {
        request = request.attr(IFA_PROTO, &[a.proto]);
    }
    if a.metric != 0 {
        request = request.attr_u32(IFA_RT_PRIORITY, a.metric);
    }
    if (a.valid, a.preferred) != (FOREVER, FOREVER) {
        let mut cache = [0; 16];
        cache[0..4].copy_from_slice(&a.preferred.to_ne_bytes());
        cache[4..8].copy_from_slice(&a.valid.to_ne_bytes());
        request = request.attr(IFA_CACHEINFO, &cache);
    }
    request
}

/// Adds ::1 as it was.
///
/// First without duplicate address detection, for until that is through nobody could bind to the address, and without
/// a prefix route; then the flags are set right. That makes the kernel add the prefix route that an address it assigned
/// itself does not have, so that one is taken away again.
fn add6(a: &Addr6) -> Vec<Request> {
    let first = a.flags | F_NODAD | F_NOPREFIXROUTE;
    let mut requests = vec![address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, a, first)];
    if a.flags != first {
        requests.push(address(RTM_NEWADDR, NLM_F_REPLACE, a, a.flags));
    }
    if a.flags & F_NOPREFIXROUTE == 0 && !a.prefix_route {
        let fixed = rtmsg(AF_INET6, a.len, TABLE_MAIN, RTPROT_KERNEL, RTN_UNICAST);
        requests.push(
            Request::new(RTM_DELROUTE, 0, &fixed)
                .attr(RTA_DST, &prefix(a.len).octets())
                .attr_u32(RTA_OIF, a.dev)
                .attr_u32(RTA_PRIORITY, prefix_metric(a)),
        );
    }
    requests
}

/// ::1 cut to this length.
pub fn prefix(len: u8) -> Ipv6Addr {
    if len == 128 {
        Ipv6Addr::LOCALHOST
    } else {
        Ipv6Addr::UNSPECIFIED
    }
}

/// Metric of the prefix route of an address.
pub fn prefix_metric(addr: &Addr6) -> u32 {
    match addr.metric {
        0 => PREFIX_METRIC,
        metric => metric,
    }
}

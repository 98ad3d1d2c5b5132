// SPDX-License-Identifier: GPL-2.0

//! Numbers of the kernel's interface, named as there (`linux/rtnetlink.h`, `if_addr.h`, `if_link.h`, `pkt_sched.h`,
//! `sock_diag.h`, `inet_diag.h`).

#![allow(missing_docs)]
pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 10;

pub const RTM_GETADDR: u16 = 22;
pub const RTM_NEWLINK: u16 = 16;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_GETROUTE: u16 = 26;
pub const RTM_NEWADDR: u16 = 20;
pub const RTM_DELADDR: u16 = 21;
pub const RTM_NEWROUTE: u16 = 24;
pub const RTM_DELROUTE: u16 = 25;
pub const RTM_NEWQDISC: u16 = 36;

pub const IFF_UP: u32 = 1;
pub const IFLA_IFNAME: u16 = 3;
pub const IFLA_MTU: u16 = 4;
pub const IFLA_LINKINFO: u16 = 18;
pub const IFLA_AF_SPEC: u16 = 26;
pub const IFLA_EXT_MASK: u16 = 29;
pub const IFLA_GSO_MAX_SEGS: u16 = 40;
pub const IFLA_INFO_KIND: u16 = 1;
pub const IFLA_INET6_CONF: u16 = 2;
pub const DEVCONF_DISABLE_IPV6: usize = 26;
pub const RTEXT_FILTER_SKIP_STATS: u32 = 8;

pub const IFA_ADDRESS: u16 = 1;
pub const IFA_LOCAL: u16 = 2;
pub const IFA_CACHEINFO: u16 = 6;
pub const IFA_FLAGS: u16 = 8;
pub const IFA_RT_PRIORITY: u16 = 9;
pub const IFA_PROTO: u16 = 11;

pub const RTA_DST: u16 = 1;
pub const RTA_OIF: u16 = 4;
pub const RTA_PRIORITY: u16 = 6;
pub const RTA_PREFSRC: u16 = 7;
pub const RTA_TABLE: u16 = 15;

pub const TABLE_LOCAL: u32 = 255;
pub const TABLE_MAIN: u32 = 254;
pub const RTN_UNICAST: u8 = 1;
pub const RTN_LOCAL: u8 = 2;
pub const RTN_BROADCAST: u8 = 3;
pub const RT_SCOPE_HOST: u8 = 254;
pub const RTPROT_KERNEL: u8 = 2;
pub const RTM_F_CLONED: u32 = 0x200;
pub const RTM_F_FIB_MATCH: u32 = 0x2000;
/// Metric of a prefix route if the address does not say another.
pub const PREFIX_METRIC: u32 = 256;

pub const TC_H_ROOT: u32 = 0xffff_ffff;
pub const TCA_KIND: u16 = 1;
pub const TCA_OPTIONS: u16 = 2;
pub const TCA_NETEM_RATE: u16 = 6;
pub const TCA_NETEM_RATE64: u16 = 8;
pub const TCA_NETEM_LATENCY64: u16 = 10;

pub const SOCK_DIAG_BY_FAMILY: u16 = 20;
pub const INET_DIAG_SKV6ONLY: u16 = 11;
pub const IPPROTO_TCP: u8 = 6;
pub const IPPROTO_UDP: u8 = 17;
pub const IPPROTO_RAW: u8 = 255;
/// Of the sockets' states, named as in `net/tcp_states.h`.
pub const TCP_TIME_WAIT: u32 = 6;

pub const NLMSG_ERROR: u16 = 2;
pub const NLMSG_DONE: u16 = 3;
pub const NLM_F_DUMP_INTR: u16 = 0x10;
pub const ENOENT: i32 = 2;
pub const EOPNOTSUPP: i32 = 95;
pub const EINTR: i32 = 4;
pub const EAGAIN: i32 = 11;

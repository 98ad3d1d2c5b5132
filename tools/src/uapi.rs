// SPDX-License-Identifier: GPL-2.0

//! Numbers of the kernel's interface, named as there (`linux/netlink.h`, `rtnetlink.h`, `if_link.h`, `if_addr.h`,
//! `pkt_sched.h`, `sock_diag.h`, `inet_diag.h`), each of the type that it has in a message.

/// What libc has.
macro_rules! of_libc {
    ($type:ty: $($name:ident)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            pub const $name: $type = nix::libc::$name as $type;
        )*
    };
}

/// What it has not.
macro_rules! numbers {
    ($type:ty: $($name:ident = $value:expr),* $(,)?) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            pub const $name: $type = $value;
        )*
    };
}

of_libc! { u8: AF_INET AF_INET6 IPPROTO_TCP IPPROTO_UDP IPPROTO_RAW
    RTN_UNICAST RTN_LOCAL RTN_BROADCAST RT_SCOPE_HOST RTPROT_KERNEL
}

of_libc! { u16: NLMSG_ERROR NLMSG_DONE
    NLM_F_REQUEST NLM_F_ACK NLM_F_ECHO NLM_F_CAPPED NLM_F_ACK_TLVS NLM_F_DUMP NLM_F_DUMP_INTR
    NLM_F_REPLACE NLM_F_EXCL NLM_F_CREATE NLM_F_APPEND NLA_F_NESTED NLA_F_NET_BYTEORDER NLA_TYPE_MASK
    RTM_NEWLINK RTM_DELLINK RTM_GETLINK RTM_SETLINK RTM_NEWADDR RTM_DELADDR RTM_GETADDR RTM_NEWROUTE
    RTM_DELROUTE RTM_GETROUTE RTM_NEWQDISC RTM_DELQDISC RTM_NEWTFILTER
    RTM_NEWNSID
    IFLA_ADDRESS IFLA_BROADCAST IFLA_IFNAME IFLA_MTU IFLA_LINK IFLA_QDISC IFLA_MASTER IFLA_PROTINFO
    IFLA_TXQLEN IFLA_MAP IFLA_WEIGHT IFLA_OPERSTATE IFLA_LINKMODE IFLA_LINKINFO IFLA_NET_NS_PID
    IFLA_IFALIAS IFLA_VFINFO_LIST IFLA_VF_PORTS IFLA_PORT_SELF IFLA_AF_SPEC IFLA_GROUP IFLA_NET_NS_FD
    IFLA_EXT_MASK IFLA_PROMISCUITY IFLA_NUM_TX_QUEUES IFLA_NUM_RX_QUEUES IFLA_CARRIER
    IFLA_LINK_NETNSID IFLA_PROTO_DOWN IFLA_GSO_MAX_SEGS IFLA_GSO_MAX_SIZE IFLA_XDP IFLA_EVENT
    IFLA_TARGET_NETNSID IFLA_NEW_IFINDEX IFLA_MIN_MTU IFLA_PROP_LIST IFLA_ALT_IFNAME
    IFLA_PERM_ADDRESS IFLA_PROTO_DOWN_REASON IFLA_PARENT_DEV_NAME IFLA_GRO_MAX_SIZE IFLA_TSO_MAX_SIZE
    IFLA_ALLMULTI
    IFLA_INFO_KIND IFLA_INFO_DATA IFLA_INFO_SLAVE_KIND IFLA_INFO_SLAVE_DATA
    IFA_ADDRESS IFA_LOCAL IFA_CACHEINFO IFA_FLAGS
    RTA_DST RTA_OIF RTA_PRIORITY RTA_PREFSRC RTA_TABLE TCA_KIND TCA_OPTIONS
}

numbers! { u16:
    RTM_NEWLINKPROP = 108,
    RTM_DELLINKPROP = 109,
    RTM_MAX = 123,
    IFLA_GSO_IPV4_MAX_SIZE = 63,
    IFLA_GRO_IPV4_MAX_SIZE = 64,
    IFLA_DPLL_PIN = 65,
    IFLA_NETNS_IMMUTABLE = 67,
    IFLA_INET_CONF = 1,
    IFLA_INET6_CONF = 2,
    IFLA_INET6_TOKEN = 7,
    IFLA_INET6_ADDR_GEN_MODE = 8,
    IFLA_XDP_FD = 1,
    IFLA_XDP_ATTACHED = 2,
    IFLA_XDP_FLAGS = 3,
    IFLA_XDP_EXPECTED_FD = 8,
    IFA_RT_PRIORITY = 9,
    IFA_PROTO = 11,
    NETNSA_NSID = 1,
    NETNSA_FD = 3,
    NLMSGERR_ATTR_MSG = 1,
    TCA_NETEM_RATE = 6,
    TCA_NETEM_RATE64 = 8,
    TCA_NETEM_LATENCY64 = 10,
    SOCK_DIAG_BY_FAMILY = 20,
    INET_DIAG_SKV6ONLY = 11,
}

of_libc! { u32: IFF_UP IFF_DEBUG IFF_NOTRAILERS IFF_RUNNING IFF_NOARP IFF_PROMISC IFF_ALLMULTI
    IFF_MULTICAST IFF_PORTSEL IFF_AUTOMEDIA IFF_DYNAMIC IFF_LOWER_UP IFF_DORMANT
    RTM_F_CLONED RTM_F_FIB_MATCH
}

of_libc! { i32: ENOENT EOPNOTSUPP EINTR EAGAIN }

numbers! { u32:
    RTEXT_FILTER_SKIP_STATS = 8,
    TABLE_LOCAL = 255,
    TABLE_MAIN = 254,
    TC_H_ROOT = 0xffff_ffff,
    // Of the sockets' states, named as in net/tcp_states.h.
    TCP_TIME_WAIT = 6,
    // Metric of a prefix route if the address does not say another.
    PREFIX_METRIC = 256,
}

/// Of the values of `IFLA_INET6_CONF`.
pub const DEVCONF_DISABLE_IPV6: usize = 26;
/// Length of `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// Length of `struct nlattr`.
pub const ATTR: usize = 4;

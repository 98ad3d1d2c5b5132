// SPDX-License-Identifier: GPL-2.0

//! Numbers of rtnetlink, from `include/uapi/linux/{netlink,rtnetlink,if_link,if}.h`.
#![allow(missing_docs)]

macro_rules! numbers {
    ($type:ty: $($name:ident = $value:expr),* $(,)?) => {
        $(pub const $name: $type = $value;)*
    };
}

numbers! { u16:
    NLMSG_ERROR = 2,
    NLMSG_DONE = 3,

    NLM_F_REQUEST = 0x01,
    NLM_F_ACK = 0x04,
    NLM_F_ECHO = 0x08,
    NLM_F_CAPPED = 0x100,
    NLM_F_ACK_TLVS = 0x200,
    NLM_F_REPLACE = 0x100,
    NLM_F_EXCL = 0x200,
    NLM_F_CREATE = 0x400,
    NLM_F_APPEND = 0x800,
    NLM_F_DUMP = 0x300,

    RTM_NEWLINK = 16,
    RTM_DELLINK = 17,
    RTM_GETLINK = 18,
    RTM_SETLINK = 19,
    RTM_NEWADDR = 20,
    RTM_DELADDR = 21,
    RTM_NEWROUTE = 24,
    RTM_DELROUTE = 25,
    RTM_NEWNSID = 88,
    RTM_NEWLINKPROP = 108,
    RTM_DELLINKPROP = 109,
    RTM_MAX = 123,

    NLA_F_NESTED = 0x8000,
    NLA_F_NET_BYTEORDER = 0x4000,
    NLA_TYPE_MASK = 0x3fff,

    IFLA_ADDRESS = 1,
    IFLA_BROADCAST = 2,
    IFLA_IFNAME = 3,
    IFLA_MTU = 4,
    IFLA_LINK = 5,
    IFLA_QDISC = 6,
    IFLA_MASTER = 10,
    IFLA_PROTINFO = 12,
    IFLA_TXQLEN = 13,
    IFLA_MAP = 14,
    IFLA_WEIGHT = 15,
    IFLA_OPERSTATE = 16,
    IFLA_LINKMODE = 17,
    IFLA_LINKINFO = 18,
    IFLA_NET_NS_PID = 19,
    IFLA_IFALIAS = 20,
    IFLA_VFINFO_LIST = 22,
    IFLA_VF_PORTS = 24,
    IFLA_PORT_SELF = 25,
    IFLA_AF_SPEC = 26,
    IFLA_GROUP = 27,
    IFLA_NET_NS_FD = 28,
    IFLA_EXT_MASK = 29,
    IFLA_PROMISCUITY = 30,
    IFLA_NUM_TX_QUEUES = 31,
    IFLA_NUM_RX_QUEUES = 32,
    IFLA_CARRIER = 33,
    IFLA_LINK_NETNSID = 37,
    IFLA_PROTO_DOWN = 39,
    IFLA_GSO_MAX_SEGS = 40,
    IFLA_GSO_MAX_SIZE = 41,
    IFLA_XDP = 43,
    IFLA_EVENT = 44,
    IFLA_TARGET_NETNSID = 46,
    IFLA_NEW_IFINDEX = 49,
    IFLA_MIN_MTU = 50,
    IFLA_PROP_LIST = 52,
    IFLA_ALT_IFNAME = 53,
    IFLA_PERM_ADDRESS = 54,
    IFLA_PROTO_DOWN_REASON = 55,
    IFLA_PARENT_DEV_NAME = 56,
    IFLA_GRO_MAX_SIZE = 58,
    IFLA_TSO_MAX_SIZE = 59,
    IFLA_ALLMULTI = 61,
    IFLA_GSO_IPV4_MAX_SIZE = 63,
    IFLA_GRO_IPV4_MAX_SIZE = 64,
    IFLA_DPLL_PIN = 65,
    IFLA_NETNS_IMMUTABLE = 67,

    IFLA_INFO_KIND = 1,
    IFLA_INFO_DATA = 2,
    IFLA_INFO_SLAVE_KIND = 4,
    IFLA_INFO_SLAVE_DATA = 5,

    IFLA_INET_CONF = 1,
    IFLA_INET6_TOKEN = 7,
    IFLA_INET6_ADDR_GEN_MODE = 8,

    IFLA_XDP_FD = 1,
    IFLA_XDP_ATTACHED = 2,
    IFLA_XDP_FLAGS = 3,
    IFLA_XDP_EXPECTED_FD = 8,

    IFA_ADDRESS = 1,
    IFA_LOCAL = 2,
    RTA_DST = 1,
    RTA_OIF = 4,
    RTA_PRIORITY = 6,

    NETNSA_NSID = 1,
    NETNSA_FD = 3,

    NLMSGERR_ATTR_MSG = 1,
}

numbers! { u32:
    IFF_UP = 0x1,
    IFF_DEBUG = 0x4,
    IFF_NOTRAILERS = 0x20,
    IFF_RUNNING = 0x40,
    IFF_NOARP = 0x80,
    IFF_PROMISC = 0x100,
    IFF_ALLMULTI = 0x200,
    IFF_MULTICAST = 0x1000,
    IFF_PORTSEL = 0x2000,
    IFF_AUTOMEDIA = 0x4000,
    IFF_DYNAMIC = 0x8000,
    IFF_LOWER_UP = 0x10000,
    IFF_DORMANT = 0x20000,

    RTEXT_FILTER_SKIP_STATS = 0x8,
}

pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 10;

/// Of `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// Of `struct nlattr`.
pub const ATTR: usize = 4;

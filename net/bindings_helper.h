/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads (see Kbuild). The kernel's own `bindings` crate sees
 * `struct net_device` only as an opaque type and none of the operation tables.
 */

#include <linux/cpu.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/moduleparam.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/notifier.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/addrconf.h>
#include <net/dropreason-core.h>
#include <net/gso.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/l3mdev.h>
#include <net/net_namespace.h>
#include <net/netdev_queues.h>
#include <net/route.h>
#include <net/rtnetlink.h>
#include <net/tcp.h>
#include <net/xdp.h>

#include "helpers.h"

/* Macros that bindgen cannot evaluate by itself; Kbuild drops the prefix. */
const unsigned int RUST_CONST_HELPER_GSO_MAX_SIZE = GSO_MAX_SIZE;
const unsigned int RUST_CONST_HELPER_IFLA_MAX = IFLA_MAX;
const unsigned int RUST_CONST_HELPER_IPV4_HLEN = sizeof(struct iphdr);
const unsigned int RUST_CONST_HELPER_MAX_TCP_HEADER = MAX_TCP_HEADER;
const unsigned int RUST_CONST_HELPER_NLA_HDRLEN = NLA_HDRLEN;
const netdev_features_t RUST_CONST_HELPER_NETIF_F_GSO_ENCAP_ALL = NETIF_F_GSO_ENCAP_ALL;
const netdev_features_t RUST_CONST_HELPER_NETIF_F_GSO_SOFTWARE = NETIF_F_GSO_SOFTWARE;
const unsigned int RUST_CONST_HELPER_SKBTX_BPF = SKBTX_BPF;
const unsigned int RUST_CONST_HELPER_SKBTX_SW_TSTAMP = SKBTX_SW_TSTAMP;

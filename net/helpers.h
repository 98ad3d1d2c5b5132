/* SPDX-License-Identifier: GPL-2.0 */
/* Prototypes of helpers.c: for the C compiler's checks and for bindgen. */
#ifndef RUST_LO_NET_HELPERS_H
#define RUST_LO_NET_HELPERS_H

#include <linux/kconfig.h>
#include <linux/lockdep_types.h>
#include <linux/types.h>
#include <net/inet_dscp.h>
#include <net/net_trackers.h>

struct dst_entry;
struct iphdr;
struct net;
struct net_device;
struct page;
struct rtable;
struct rtnl_newlink_params;
struct sk_buff;
struct skb_shared_info;
struct xdp_frame;

/* What netdev_lockdep_set_classes() has as static variables. */
struct netdev_lock_keys {
	struct lock_class_key qdisc_tx_busylock;
	struct lock_class_key qdisc_xmit_lock;
	struct lock_class_key dev_addr_list_lock;
	struct lock_class_key dev_instance_lock;
};

struct skb_shared_info *rust_helper_skb_shinfo(const struct sk_buff *skb);
void rust_helper_skb_clear_tstamp(struct sk_buff *skb);
void rust_helper_skb_orphan(struct sk_buff *skb);
bool rust_helper_skb_dst_force(struct sk_buff *skb);
void rust_helper_eth_hw_addr_random(struct net_device *dev);
void rust_helper_skb_dst_drop(struct sk_buff *skb);
void rust_helper_skb_reset_mac_header(struct sk_buff *skb);
void rust_helper_eth_skb_pkt_type(struct sk_buff *skb, const struct net_device *dev);
bool rust_helper_netdev_uses_dsa(const struct net_device *dev);
bool rust_helper_pskb_may_pull(struct sk_buff *skb, unsigned int len);
void rust_helper_dev_lstats_add(struct net_device *dev, unsigned int len);
void rust_helper_dev_core_stats_tx_dropped_inc(struct net_device *dev);
void rust_helper_dev_core_stats_rx_dropped_inc(struct net_device *dev);
void rust_helper_dev_sw_netstats_rx_add(struct net_device *dev, unsigned int len);
void rust_helper_dev_sw_netstats_tx_add(struct net_device *dev, unsigned int packets,
					unsigned int len);
void *rust_helper_netdev_priv(const struct net_device *dev);
void rust_helper_netdev_lockdep_set_classes(struct net_device *dev,
					    struct netdev_lock_keys *keys);
void rust_helper_netdev_hold(struct net_device *dev, netdevice_tracker *tracker);
void rust_helper_netdev_put(struct net_device *dev, netdevice_tracker *tracker);
bool rust_helper_netif_carrier_ok(const struct net_device *dev);
struct net *rust_helper_rtnl_newlink_peer_net(struct rtnl_newlink_params *params);
void rust_helper_netif_keep_dst(struct net_device *dev);
bool rust_helper_netif_running(const struct net_device *dev);
bool rust_helper_netif_is_l3_master(const struct net_device *dev);
struct net_device *rust_helper_l3mdev_master_dev_rcu(const struct net_device *dev);
struct net *rust_helper_dev_net(const struct net_device *dev);
struct net_device *rust_helper_loopback_dev(const struct net_device *dev);
struct softnet_data *rust_helper_per_cpu_softnet_data(unsigned int cpu);
bool rust_helper_cpu_possible(unsigned int cpu);
bool rust_helper_skb_queue_empty_lockless(const struct sk_buff_head *list);
struct net_device *rust_helper_dev_by_index(struct net *net, int ifindex);
void *rust_helper_net_generic(const struct net *net, unsigned int id);
int rust_helper_rt_genid_ipv6(const struct net *net);
void rust_helper_rt_genid_bump_all(struct net *net);
struct dst_entry *rust_helper_skb_dst(const struct sk_buff *skb);
int rust_helper_skb_network_offset(const struct sk_buff *skb);
struct iphdr *rust_helper_ip_hdr(const struct sk_buff *skb);
bool rust_helper_skb_is_gso(const struct sk_buff *skb);
struct xfrm_state *rust_helper_dst_xfrm(const struct dst_entry *dst);
void rust_helper_skb_dst_update_pmtu_no_confirm(struct sk_buff *skb, u32 mtu);
u32 rust_helper_dst_mtu(const struct dst_entry *dst);
u32 rust_helper_dst_metric_raw(const struct dst_entry *dst, int metric);
bool rust_helper_dst_metrics_read_only(const struct dst_entry *dst);
void rust_helper_dst_metric_set(struct dst_entry *dst, int metric, u32 value);
struct rtable *rust_helper_ip_route_output(struct net *net, __be32 daddr, __be32 saddr,
					   dscp_t dscp, int oif, __u8 scope);
void rust_helper_ip_rt_put(struct rtable *rt);
void rust_helper_icmp_ndo_send(struct sk_buff *skb, int type, int code, __be32 info);
void rust_helper_icmpv6_ndo_send(struct sk_buff *skb, u8 type, u8 code, u32 info);
unsigned int rust_helper_xdp_get_frame_len(const struct xdp_frame *xdpf);

/* Exported, but declared for net/netfilter/ alone (nf_internals.h). */
void nf_queue_nf_hook_drop(struct net *net);

#if IS_BUILTIN(CONFIG_KUNIT)
void rust_helper_local_bh_disable(void);
void rust_helper_local_bh_enable(void);
void rust_helper_local_irq_disable(void);
void rust_helper_local_irq_enable(void);
void rust_helper_get_page(struct page *page);
int rust_helper_page_count(const struct page *page);
struct page *rust_helper_virt_to_page(const void *address);
struct skb_shared_info *rust_helper_xdp_get_shared_info_from_frame(const struct xdp_frame *frame);
void rust_helper___skb_fill_page_desc_noacc(struct skb_shared_info *shinfo, int i,
					    struct page *page, int off, int size);
bool rust_helper_fail_nth(unsigned int n);
#endif

#endif /* RUST_LO_NET_HELPERS_H */

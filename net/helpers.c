// SPDX-License-Identifier: GPL-2.0
/*
 * Static inline functions and macros that Rust cannot call. As in the kernel's
 * rust/helpers/: one wrapper each, named rust_helper_<function>.
 */

#include <linux/bottom_half.h>
#include <linux/cpumask.h>
#include <linux/etherdevice.h>
#include <linux/icmpv6.h>
#include <linux/irqflags.h>
#include <linux/kconfig.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <net/dsa.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/l3mdev.h>
#include <net/net_namespace.h>
#include <net/netdev_lock.h>
#include <net/netns/generic.h>
#include <net/route.h>
#include <net/rtnetlink.h>
#include <net/xdp.h>

#include "helpers.h"

/*
 * Inlined by force, as in rust/helpers/helpers.c of the kernel, which says why:
 * the attributes that differ between C and Rust code would keep LLVM from it.
 */
#ifdef RUST_LO_INLINE
#define __rust_helper __always_inline
#else
#define __rust_helper
#endif

__rust_helper struct skb_shared_info *rust_helper_skb_shinfo(const struct sk_buff *skb)
{
	return skb_shinfo(skb);
}

__rust_helper void rust_helper_skb_clear_tstamp(struct sk_buff *skb)
{
	skb_clear_tstamp(skb);
}

__rust_helper void rust_helper_skb_orphan(struct sk_buff *skb)
{
	skb_orphan(skb);
}

__rust_helper bool rust_helper_skb_dst_force(struct sk_buff *skb)
{
	return skb_dst_force(skb);
}

__rust_helper void rust_helper_skb_dst_drop(struct sk_buff *skb)
{
	skb_dst_drop(skb);
}

__rust_helper void rust_helper_skb_reset_mac_header(struct sk_buff *skb)
{
	skb_reset_mac_header(skb);
}

__rust_helper void rust_helper_eth_skb_pkt_type(struct sk_buff *skb, const struct net_device *dev)
{
	eth_skb_pkt_type(skb, dev);
}

__rust_helper bool rust_helper_netdev_uses_dsa(const struct net_device *dev)
{
	return netdev_uses_dsa(dev);
}

__rust_helper void rust_helper_eth_hw_addr_random(struct net_device *dev)
{
	eth_hw_addr_random(dev);
}

__rust_helper bool rust_helper_pskb_may_pull(struct sk_buff *skb, unsigned int len)
{
	return pskb_may_pull(skb, len);
}

__rust_helper void rust_helper_dev_lstats_add(struct net_device *dev, unsigned int len)
{
	/* local_add() of x86 cannot be assembled with a constant of 2^31 or more. */
	OPTIMIZER_HIDE_VAR(len);
	dev_lstats_add(dev, len);
}

__rust_helper void rust_helper_dev_core_stats_tx_dropped_inc(struct net_device *dev)
{
	dev_core_stats_tx_dropped_inc(dev);
}

__rust_helper void rust_helper_dev_core_stats_rx_dropped_inc(struct net_device *dev)
{
	dev_core_stats_rx_dropped_inc(dev);
}

__rust_helper void rust_helper_dev_sw_netstats_rx_add(struct net_device *dev, unsigned int len)
{
	OPTIMIZER_HIDE_VAR(len);
	dev_sw_netstats_rx_add(dev, len);
}

__rust_helper void rust_helper_dev_sw_netstats_tx_add(struct net_device *dev, unsigned int packets,
						      unsigned int len)
{
	OPTIMIZER_HIDE_VAR(len);
	dev_sw_netstats_tx_add(dev, packets, len);
}

__rust_helper void *rust_helper_netdev_priv(const struct net_device *dev)
{
	return netdev_priv(dev);
}

/*
 * The keys of the macro of this name are those of the place where it is written:
 * here it would be one set for all drivers.
 */
__rust_helper void rust_helper_netdev_lockdep_set_classes(struct net_device *dev,
							  struct netdev_lock_keys *keys)
{
	unsigned int i;

	dev->qdisc_tx_busylock = &keys->qdisc_tx_busylock;
	lockdep_set_class(&dev->addr_list_lock, &keys->dev_addr_list_lock);
	lockdep_set_class(&dev->lock, &keys->dev_instance_lock);
	lock_set_cmp_fn(&dev->lock, netdev_lock_cmp_fn, NULL);
	for (i = 0; i < dev->num_tx_queues; i++)
		lockdep_set_class(&dev->_tx[i]._xmit_lock, &keys->qdisc_xmit_lock);
}

__rust_helper void rust_helper_netdev_hold(struct net_device *dev, netdevice_tracker *tracker)
{
	netdev_hold(dev, tracker, GFP_KERNEL);
}

__rust_helper void rust_helper_netdev_put(struct net_device *dev, netdevice_tracker *tracker)
{
	netdev_put(dev, tracker);
}

__rust_helper bool rust_helper_netif_carrier_ok(const struct net_device *dev)
{
	return netif_carrier_ok(dev);
}

__rust_helper struct net *rust_helper_rtnl_newlink_peer_net(struct rtnl_newlink_params *params)
{
	return rtnl_newlink_peer_net(params);
}

__rust_helper void rust_helper_netif_keep_dst(struct net_device *dev)
{
	netif_keep_dst(dev);
}

__rust_helper bool rust_helper_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

__rust_helper bool rust_helper_netif_is_l3_master(const struct net_device *dev)
{
	return netif_is_l3_master(dev);
}

__rust_helper struct net_device *rust_helper_l3mdev_master_dev_rcu(const struct net_device *dev)
{
	return l3mdev_master_dev_rcu(dev);
}

__rust_helper struct net *rust_helper_dev_net(const struct net_device *dev)
{
	return dev_net(dev);
}

__rust_helper struct net_device *rust_helper_loopback_dev(const struct net_device *dev)
{
	return dev_net(dev)->loopback_dev;
}

__rust_helper struct softnet_data *rust_helper_per_cpu_softnet_data(unsigned int cpu)
{
	return &per_cpu(softnet_data, cpu);
}

__rust_helper bool rust_helper_cpu_possible(unsigned int cpu)
{
	return cpu_possible(cpu);
}

__rust_helper bool rust_helper_skb_queue_empty_lockless(const struct sk_buff_head *list)
{
	return skb_queue_empty_lockless(list);
}

/*
 * As dev_get_by_index_rcu(), but by the tree of the namespace: that function's
 * table has 256 rows, however many devices there are.
 */
__rust_helper struct net_device *rust_helper_dev_by_index(struct net *net, int ifindex)
{
	return xa_load(&net->dev_by_index, ifindex);
}

__rust_helper void *rust_helper_net_generic(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}

__rust_helper int rust_helper_rt_genid_ipv6(const struct net *net)
{
	return rt_genid_ipv6(net);
}

__rust_helper void rust_helper_rt_genid_bump_all(struct net *net)
{
	rt_genid_bump_all(net);
}

__rust_helper struct dst_entry *rust_helper_skb_dst(const struct sk_buff *skb)
{
	return skb_dst(skb);
}

__rust_helper int rust_helper_skb_network_offset(const struct sk_buff *skb)
{
	return skb_network_offset(skb);
}

__rust_helper struct iphdr *rust_helper_ip_hdr(const struct sk_buff *skb)
{
	return ip_hdr(skb);
}

__rust_helper bool rust_helper_skb_is_gso(const struct sk_buff *skb)
{
	return skb_is_gso(skb);
}

__rust_helper struct xfrm_state *rust_helper_dst_xfrm(const struct dst_entry *dst)
{
	return dst_xfrm(dst);
}

__rust_helper void rust_helper_skb_dst_update_pmtu_no_confirm(struct sk_buff *skb, u32 mtu)
{
	skb_dst_update_pmtu_no_confirm(skb, mtu);
}

__rust_helper u32 rust_helper_dst_mtu(const struct dst_entry *dst)
{
	return dst_mtu(dst);
}

__rust_helper u32 rust_helper_dst_metric_raw(const struct dst_entry *dst, int metric)
{
	return dst_metric_raw(dst, metric);
}

__rust_helper bool rust_helper_dst_metrics_read_only(const struct dst_entry *dst)
{
	return dst_metrics_read_only(dst);
}

__rust_helper void rust_helper_dst_metric_set(struct dst_entry *dst, int metric, u32 value)
{
	dst_metric_set(dst, metric, value);
}

__rust_helper struct rtable *rust_helper_ip_route_output(struct net *net, __be32 daddr, __be32 saddr,
							 dscp_t dscp, int oif, __u8 scope)
{
	return ip_route_output(net, daddr, saddr, dscp, oif, scope);
}

__rust_helper void rust_helper_ip_rt_put(struct rtable *rt)
{
	ip_rt_put(rt);
}

__rust_helper void rust_helper_icmp_ndo_send(struct sk_buff *skb, int type, int code, __be32 info)
{
	icmp_ndo_send(skb, type, code, info);
}

__rust_helper void rust_helper_icmpv6_ndo_send(struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	icmpv6_ndo_send(skb, type, code, info);
}

__rust_helper unsigned int rust_helper_xdp_get_frame_len(const struct xdp_frame *xdpf)
{
	return xdp_get_frame_len(xdpf);
}

#if IS_BUILTIN(CONFIG_KUNIT)
__rust_helper void rust_helper_local_bh_disable(void)
{
	local_bh_disable();
}

__rust_helper void rust_helper_local_bh_enable(void)
{
	local_bh_enable();
}

__rust_helper void rust_helper_local_irq_disable(void)
{
	local_irq_disable();
}

__rust_helper void rust_helper_local_irq_enable(void)
{
	local_irq_enable();
}

__rust_helper void rust_helper_get_page(struct page *page)
{
	get_page(page);
}

__rust_helper int rust_helper_page_count(const struct page *page)
{
	return page_count(page);
}

__rust_helper struct page *rust_helper_virt_to_page(const void *address)
{
	return virt_to_page(address);
}

__rust_helper struct skb_shared_info *
rust_helper_xdp_get_shared_info_from_frame(const struct xdp_frame *frame)
{
	return xdp_get_shared_info_from_frame(frame);
}

__rust_helper void rust_helper___skb_fill_page_desc_noacc(struct skb_shared_info *shinfo, int i,
							  struct page *page, int off, int size)
{
	__skb_fill_page_desc_noacc(shinfo, i, page, off, size);
}

/* As a write to /proc/thread-self/fail-nth: whether there is such a thing. */
__rust_helper bool rust_helper_fail_nth(unsigned int n)
{
#if IS_ENABLED(CONFIG_FAILSLAB)
	WRITE_ONCE(current->fail_nth, n);
	return true;
#else
	return false;
#endif
}
#endif

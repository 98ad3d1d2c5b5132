// SPDX-License-Identifier: GPL-2.0
/*
 * Static inline functions and macros that Rust cannot call. As in the kernel's
 * rust/helpers/: one wrapper each, named rust_helper_<function>. Logic is only
 * where it says why.
 */

#include <linux/bottom_half.h>
#include <linux/etherdevice.h>
#include <linux/kconfig.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/dsa.h>
#include <net/dst.h>
#include <net/net_namespace.h>
#include <net/netdev_lock.h>

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

/*
 * eth_type_trans() of net/ethernet/eth.c for what nearly all frames are, from
 * the same inlines; it is not inline itself. The others go to the original.
 */
__rust_helper __be16 rust_helper_eth_type_trans(struct sk_buff *skb, struct net_device *dev)
{
	const struct ethhdr *eth = (const struct ethhdr *)skb->data;
	__be16 protocol = eth->h_proto;

	if (unlikely(!eth_proto_is_802_3(protocol) || netdev_uses_dsa(dev)))
		return eth_type_trans(skb, dev);

	skb->dev = dev;
	skb_reset_mac_header(skb);
	eth_skb_pull_mac(skb);
	eth_skb_pkt_type(skb, dev);
	return protocol;
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

__rust_helper void *rust_helper_netdev_priv(const struct net_device *dev)
{
	return netdev_priv(dev);
}

__rust_helper void rust_helper_netdev_lockdep_set_classes(struct net_device *dev)
{
	netdev_lockdep_set_classes(dev);
}

__rust_helper void rust_helper_netif_keep_dst(struct net_device *dev)
{
	netif_keep_dst(dev);
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
#endif

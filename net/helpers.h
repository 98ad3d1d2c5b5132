/* SPDX-License-Identifier: GPL-2.0 */
/* Prototypes of helpers.c: for the C compiler's checks and for bindgen. */
#ifndef RUST_LO_NET_HELPERS_H
#define RUST_LO_NET_HELPERS_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct net_device;
struct sk_buff;
struct skb_shared_info;

struct skb_shared_info *rust_helper_skb_shinfo(const struct sk_buff *skb);
void rust_helper_skb_clear_tstamp(struct sk_buff *skb);
void rust_helper_skb_orphan(struct sk_buff *skb);
bool rust_helper_skb_dst_force(struct sk_buff *skb);
__be16 rust_helper_eth_type_trans(struct sk_buff *skb, struct net_device *dev);
bool rust_helper_pskb_may_pull(struct sk_buff *skb, unsigned int len);
void rust_helper_dev_lstats_add(struct net_device *dev, unsigned int len);
void rust_helper_dev_core_stats_tx_dropped_inc(struct net_device *dev);
void *rust_helper_netdev_priv(const struct net_device *dev);
void rust_helper_netdev_lockdep_set_classes(struct net_device *dev);
void rust_helper_netif_keep_dst(struct net_device *dev);

#if IS_BUILTIN(CONFIG_KUNIT)
void rust_helper_local_bh_disable(void);
void rust_helper_local_bh_enable(void);
#endif

#endif /* RUST_LO_NET_HELPERS_H */

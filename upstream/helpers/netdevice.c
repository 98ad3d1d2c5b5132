// SPDX-License-Identifier: GPL-2.0

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/netdev_lock.h>

#ifdef CONFIG_NET

// SPDX-License-Identifier: GPL-2.0

#include <linux/bottom_half.h>
#include <linux/irqflags.h>

#ifdef CONFIG_RUST_NET_KUNIT_TEST

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before helpers.c where clang makes bitcode of it for a kernel that
 * gcc has compiled (see Kbuild). With named address spaces, asm/percpu.h leaves
 * it to the compiler to write %gs: before an operand of inline assembly, which
 * gcc does and clang does not: this_cpu_inc() would count in nobody's memory.
 * Kconfig offers them to gcc alone.
 */
#undef CONFIG_CC_HAS_NAMED_AS
#undef CONFIG_USE_X86_SEG_SUPPORT

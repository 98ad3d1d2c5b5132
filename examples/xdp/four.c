// SPDX-License-Identifier: GPL-2.0
/*
 * Four programs for XDP, a section each:
 *
 *	clang -O2 -target bpf -DTO=INDEX -c four.c -o four.o
 *	ip link set dev DEV xdpgeneric object four.o section pass
 *
 * What is transmitted on a loopback comes back to the program. So tx ends, by the
 * TTL: a packet of IPv4 goes around four times more. redirect sends it to the
 * device TO.
 */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

/* struct xdp_md and enum xdp_action of linux/bpf.h */
struct xdp_md {
	u32 data;
	u32 data_end;
};
enum { XDP_DROP = 1, XDP_PASS, XDP_TX };

static long (*const bpf_redirect)(u32 ifindex, u64 flags) = (void *)23;

__attribute__((section("pass"), used)) int to_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

__attribute__((section("drop"), used)) int to_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

__attribute__((section("tx"), used)) int to_tx(struct xdp_md *ctx)
{
	u8 *frame = (u8 *)(u64)ctx->data;
	u32 sum;

	if (frame + 34 > (u8 *)(u64)ctx->data_end)
		return XDP_PASS;
	/* Not IPv4, or it has been around. */
	if (frame[12] != 0x08 || frame[13] != 0x00 || frame[22] <= 60)
		return XDP_PASS;
	frame[22]--;
	sum = ((frame[24] << 8) | frame[25]) + 0x100;
	sum = (sum & 0xffff) + (sum >> 16);
	frame[24] = sum >> 8;
	frame[25] = sum;
	return XDP_TX;
}

__attribute__((section("redirect"), used)) int to_redirect(struct xdp_md *ctx)
{
	return bpf_redirect(TO, 0);
}

char gpl[] __attribute__((section("license"), used)) = "GPL";

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network device's port: frames that are UDP datagrams, and their checksums.
 *
 * Theory of operation: a datagram is IPv4, between two addresses that are for documentation (RFC 5737),
 * to the port that throws everything away; the driver's tag and number stand behind its UDP header. Its
 * checksum is the complement of a sum over the pseudo-header (addresses, protocol, length), the UDP
 * header and the data. It is sent right, or wrong, or open: then the field holds the sum of the
 * pseudo-header, not complemented, so that whoever sums up the rest, field included, has the right one.
 *
 * Sums are of 16-bit words in network order, with the carry added at the other end (RFC 1071). So 0 and
 * 0xffff are the same number; a sender writes the second one, as 0 in the field says that there is no
 * checksum.
 */
#include <stddef.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <guest_model/net.h>

#define FROM		0xc0000201u	/* 192.0.2.1 */
#define TO		0xc0000202u	/* 192.0.2.2 */
#define DISCARD		9u		/* port */
#define DONT_FRAGMENT	0x4000u
#define TIME_TO_LIVE	64u
#define SPOIL		0x0101u		/* turns a right checksum into a wrong one */

_Static_assert(KC_NET_UDP_BYTES == sizeof(struct iphdr) + sizeof(struct udphdr), "headers");
_Static_assert(KC_NET_SUM_START == sizeof(struct iphdr), "where UDP begins");
_Static_assert(KC_NET_SUM_OFFSET == offsetof(struct udphdr, check), "where the field is");

static uint16_t fold(uint32_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum >> 16) + (sum & UINT16_MAX);
	return (uint16_t)sum;
}

/* Of at most 64 KiB, so it cannot overflow; an odd byte is the high one of a word. */
static uint16_t sum_of(const uint8_t *bytes, uint32_t len)
{
	uint32_t sum = 0;

	for (; len > 1; len -= 2, bytes += 2)
		sum += (uint32_t)bytes[0] << 8 | bytes[1];
	return fold(sum + (len ? (uint32_t)bytes[0] << 8 : 0));
}

static uint16_t never_zero(uint16_t checksum)
{
	return checksum ? checksum : UINT16_MAX;
}

static uint16_t spoiled(uint16_t right)
{
	return right == SPOIL ? (uint16_t)~SPOIL : right ^ SPOIL;
}

bool kc_net_is_udp(const uint8_t *ip, uint32_t len)
{
	struct udphdr u;
	struct iphdr h;

	if (len < KC_NET_UDP_BYTES)
		return false;
	memcpy(&h, ip, sizeof(h));
	memcpy(&u, ip + sizeof(h), sizeof(u));
	return h.version == IPVERSION && h.ihl == sizeof(h) / 4 && h.protocol == IPPROTO_UDP &&
	       h.saddr == htonl(FROM) && h.daddr == htonl(TO) && u.dest == htons(DISCARD);
}

static void lay_headers(uint8_t *ip, uint32_t len)
{
	const struct udphdr u = {
		.source = htons(DISCARD), .dest = htons(DISCARD),
		.len = htons((uint16_t)(len - sizeof(struct iphdr))),
	};
	struct iphdr h = {
		.version = IPVERSION, .ihl = sizeof(h) / 4, .tot_len = htons((uint16_t)len),
		.frag_off = htons(DONT_FRAGMENT), .ttl = TIME_TO_LIVE, .protocol = IPPROTO_UDP,
		.saddr = htonl(FROM), .daddr = htonl(TO),
	};

	h.check = htons((uint16_t)~sum_of((const uint8_t *)&h, sizeof(h)));
	memcpy(ip, &h, sizeof(h));
	memcpy(ip + sizeof(h), &u, sizeof(u));
}

void kc_net_lay_udp(uint8_t *ip, uint32_t len, struct kc_net_sum *sum)
{
	const uint32_t udp_len = len - sizeof(struct iphdr);
	uint8_t *udp = ip + sizeof(struct iphdr);

	lay_headers(ip, len);
	sum->pseudo = fold((uint32_t)sum_of(ip + offsetof(struct iphdr, saddr), 2 * sizeof(uint32_t)) +
			   IPPROTO_UDP + udp_len);
	sum->right = never_zero((uint16_t)~fold((uint32_t)sum->pseudo + sum_of(udp, udp_len)));
	sum->sent = sum->kind == KC_NET_SUM_OPEN ? sum->pseudo :
		    sum->kind == KC_NET_SUM_WRONG ? spoiled(sum->right) : sum->right;
	udp[KC_NET_SUM_OFFSET] = (uint8_t)(sum->sent >> 8);
	udp[KC_NET_SUM_OFFSET + 1] = (uint8_t)sum->sent;
}

/* Of one that was open, 0 is nobody's lie: there is no checksum, where a right one would be the same. */
bool kc_net_sum_is_right(const struct kc_net_sum *sum, uint16_t field)
{
	return field == sum->right ||
	       (sum->kind == KC_NET_SUM_OPEN && !field && sum->right == UINT16_MAX);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The far end of a tap: what it sends back and what not, and an interface that comes, goes and
 * is wrong. This test plays the back-end, by the tap's descriptor. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <backend/process.h>
#include <harness/world/far_end.h>
#include "netns.h"

#define MS	1000000ll
#define SEC	(1000 * MS)

static struct kc_err err;

static struct kc_far_end *start(const char *name)
{
	int code = 1;
	struct kc_far_end *f = kc_far_end_start(name, &code, &err);

	if (!f)
		fail_msg("%s", err.msg);
	assert_int_equal(code, 0);
	return f;
}

static void stands(struct kc_far_end *f)
{
	if (kc_far_end_wait(f, 5 * SEC, &err))
		fail_msg("%s", err.msg);
}

static int tap_up(const char *name)
{
	int fd = tap_make(name);

	assert_int_equal(kc_netif_silence(name, &err), 0);
	assert_int_equal(kc_netif_set_up(name, &err), 0);
	return fd;
}

/* A frame of that type; vlan >= 0: behind a tag. */
static uint32_t lay(uint8_t *p, unsigned type, int vlan, uint32_t len)
{
	uint32_t at = 12;

	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7);
	memset(p, 0xff, 6);
	p[6] = 2;
	if (vlan >= 0) {
		p[at++] = ETH_P_8021Q >> 8;
		p[at++] = ETH_P_8021Q & 0xff;
		p[at++] = (uint8_t)(vlan >> 8);
		p[at++] = (uint8_t)vlan;
	}
	p[at++] = (uint8_t)(type >> 8);
	p[at] = (uint8_t)type;
	return len;
}

static void comes_back(int tap, const uint8_t *sent, uint32_t len)
{
	uint8_t got[2000];

	assert_int_equal(write(tap, sent, len), len);
	assert_int_equal(tap_read(tap, got, sizeof(got)), len);
	assert_memory_equal(got, sent, len);
}

static void frames_come_back_unchanged(void **state)
{
	static const struct { int vlan; uint32_t len; } rows[] = {
		{ -1, 14 }, { -1, 15 }, { -1, 60 }, { -1, 1514 },
		{ 0, 100 }, { 1, 100 }, { 4094, 100 }, { 0xe001, 64 }, { 100, 1518 },
	};
	struct kc_far_end *f;
	uint8_t sent[2000];
	int tap;

	(void)state;
	NETNS_NEEDED();
	tap = tap_up("kt0");
	f = start("kt0");
	stands(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		comes_back(tap, sent, lay(sent, KC_FAR_END_TYPE, rows[i].vlan, rows[i].len));
	assert_int_equal(kc_far_end_fault(f, &err), 0);
	kc_far_end_stop(f);
	close(tap);
}

/* A datagram's headers between these networks, by their last byte but one; nothing else of them matters. */
static uint32_t lay_ip(uint8_t *p, int vlan, unsigned from, unsigned to, unsigned protocol)
{
	uint32_t len = lay(p, ETH_P_IP, vlan, 80);
	uint8_t *ip = p + 14 + (vlan >= 0 ? 4 : 0);

	ip[0] = 0x45;
	ip[9] = (uint8_t)protocol;
	memcpy(ip + 12, (const uint8_t[]){ 192, 0, (uint8_t)from, 1, 192, 0, (uint8_t)to, 2 }, 8);
	return len;
}

/* What is not, would come before the frame behind it. */
static void datagrams_come_back_if_they_are_ours(void **state)
{
	static const unsigned others[][3] = {
		{ 3, 2, IPPROTO_UDP }, { 2, 3, IPPROTO_UDP }, { 2, 2, IPPROTO_TCP },
	};
	uint8_t sent[2000];
	struct kc_far_end *f;
	uint32_t len;
	int tap;

	(void)state;
	NETNS_NEEDED();
	tap = tap_up("kt0");
	f = start("kt0");
	stands(f);
	comes_back(tap, sent, lay_ip(sent, -1, 2, 2, IPPROTO_UDP));
	comes_back(tap, sent, lay_ip(sent, 7, 2, 2, IPPROTO_UDP));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		len = lay_ip(sent, -1, others[i][0], others[i][1], others[i][2]);
		assert_int_equal(write(tap, sent, len), len);
	}
	lay_ip(sent, -1, 2, 2, IPPROTO_UDP);
	assert_int_equal(write(tap, sent, 33), 33);	/* not the whole IP header */
	comes_back(tap, sent, lay(sent, KC_FAR_END_TYPE, -1, 90));
	assert_int_equal(kc_far_end_fault(f, &err), 0);
	kc_far_end_stop(f);
	close(tap);
}

static void many_come_back_once_and_in_order(void **state)
{
	struct kc_far_end *f;
	uint8_t sent[200], got[2000];
	int tap;

	(void)state;
	NETNS_NEEDED();
	tap = tap_up("kt0");
	f = start("kt0");
	stands(f);
	for (unsigned i = 0; i < 200; i++) {
		lay(sent, KC_FAR_END_TYPE, -1, 64);
		sent[20] = (uint8_t)i;
		assert_int_equal(write(tap, sent, 64), 64);
	}
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(tap_read(tap, got, sizeof(got)), 64);
		assert_int_equal(got[20], (uint8_t)i);
	}
	assert_int_equal(read(tap, got, sizeof(got)), -1);
	kc_far_end_stop(f);
	close(tap);
}

/* The kernel learns where a flow came from only when it has handed on the first frame of it, which may
 * be back before. */
static void meet(const int tap[2], const uint8_t *frame, uint32_t len)
{
	struct pollfd p[2] = { { .fd = tap[0], .events = POLLIN }, { .fd = tap[1], .events = POLLIN } };
	uint8_t got[2000];

	for (unsigned tries = 0; tries < 100; tries++) {
		assert_int_equal(write(tap[1], frame, len), len);
		assert_true(poll(p, 2, 5000) > 0);
		if (p[1].revents) {
			assert_int_equal(read(tap[1], got, sizeof(got)), len);
			return;
		}
		assert_int_equal(read(tap[0], got, sizeof(got)), len);
	}
	fail_msg("nothing comes back to the queue that it was written to");
}

/* A tap of several queues steers by itself: to the queue that sent last, whatever is in the frame. */
static void frames_come_back_to_their_queue(void **state)
{
	struct kc_far_end *f;
	uint8_t sent[200];
	int tap[2];

	(void)state;
	NETNS_NEEDED();
	for (unsigned q = 0; q < 2; q++)
		tap[q] = tap_queue("kt0", IFF_MULTI_QUEUE);
	assert_int_equal(kc_netif_silence("kt0", &err), 0);
	assert_int_equal(kc_netif_set_up("kt0", &err), 0);
	f = start("kt0");
	stands(f);
	meet(tap, sent, lay(sent, KC_FAR_END_TYPE, -1, 64));
	meet(tap, sent, lay(sent, KC_FAR_END_TYPE, 0, 64));
	for (unsigned i = 0; i < 40; i++) {
		lay(sent, KC_FAR_END_TYPE, i % 2 ? -1 : (int)i, 64);
		for (unsigned k = 18; k < 64; k++)
			sent[k] = (uint8_t)(i * 37 + k * k);
		comes_back(tap[1], sent, 64);
	}
	kc_far_end_stop(f);
	close(tap[0]);
	close(tap[1]);
}

/* Of others' frames none comes back: the next one that does is ours. Nor does what the machine
 * sends. */
static void others_do_not_come_back(void **state)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	uint8_t sent[200], got[2000];
	struct kc_far_end *f;
	struct kc_netif n;
	int tap, machine;

	(void)state;
	NETNS_NEEDED();
	tap = tap_up("kt0");
	f = start("kt0");
	stands(f);
	lay(sent, ETH_P_IP, -1, 64);
	assert_int_equal(write(tap, sent, 64), 64);
	lay(sent, ETH_P_IPV6, 5, 64);
	assert_int_equal(write(tap, sent, 64), 64);
	comes_back(tap, sent, lay(sent, KC_FAR_END_TYPE, -1, 64));
	assert_int_equal(kc_netif_look("kt0", &n), 0);
	to.sll_ifindex = n.index;
	machine = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_int_equal(sendto(machine, sent, 64, 0, (struct sockaddr *)&to, sizeof(to)), 64);
	assert_int_equal(tap_read(tap, got, sizeof(got)), 64);
	comes_back(tap, sent, lay(sent, KC_FAR_END_TYPE, -1, 70));
	close(machine);
	kc_far_end_stop(f);
	close(tap);
}

static void the_interface_may_come_later_and_again(void **state)
{
	struct kc_far_end *f;
	uint8_t sent[200];
	int tap;

	(void)state;
	NETNS_NEEDED();
	f = start("kt0");
	assert_int_equal(kc_far_end_wait(f, 20 * MS, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "no interface kt0 that is up"));
	for (unsigned i = 0; i < 3; i++) {
		tap = tap_make("kt0");
		assert_int_equal(kc_netif_silence("kt0", &err), 0);
		assert_int_equal(kc_far_end_wait(f, 20 * MS, &err), -ETIMEDOUT);
		assert_int_equal(kc_netif_set_up("kt0", &err), 0);
		stands(f);
		comes_back(tap, sent, lay(sent, KC_FAR_END_TYPE, -1, 64));
		close(tap);
	}
	assert_int_equal(kc_far_end_wait(f, 20 * MS, &err), -ETIMEDOUT);
	kc_far_end_stop(f);
}

/* As long as nothing is written a far end is quiet; and it is not before what was written has
 * come back. */
static void it_is_quiet_when_all_is_back(void **state)
{
	int64_t deadline = kc_clock_ns() + 5 * SEC;
	struct kc_far_end *f;
	uint8_t sent[200], got[2000];
	int tap;

	(void)state;
	NETNS_NEEDED();
	tap = tap_up("kt0");
	f = start("kt0");
	stands(f);
	assert_true(kc_far_end_quiet(f));
	lay(sent, KC_FAR_END_TYPE, -1, 64);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(write(tap, sent, 64), 64);
		while (!kc_far_end_quiet(f))
			assert_true(kc_clock_ns() < deadline);
		assert_int_equal(read(tap, got, sizeof(got)), 64);	/* without waiting */
	}
	kc_far_end_stop(f);
	close(tap);
}

/* ---- what is wrong ---- */

static void an_mtu_that_is_too_small_is_told(void **state)
{
	int64_t deadline = kc_clock_ns() + 5 * SEC;
	struct kc_far_end *f;
	int tap, ret;

	(void)state;
	NETNS_NEEDED();
	tap = tap_up("kt0");
	assert_int_equal(kc_netif_set_mtu("kt0", 1400, &err), 0);
	f = start("kt0");
	while ((ret = kc_far_end_wait(f, 20 * MS, &err)) == -ETIMEDOUT)
		assert_true(kc_clock_ns() < deadline);		/* its thread has not looked yet */
	assert_int_equal(ret, -EMSGSIZE);
	assert_non_null(strstr(err.msg, "the MTU of kt0 is 1400"));
	assert_non_null(strstr(err.msg, "mtu 1500"));
	assert_int_equal(kc_netif_set_mtu("kt0", 1500, &err), 0);
	stands(f);							/* it has heard of that */
	kc_far_end_stop(f);
	close(tap);
}

static void a_frame_that_does_not_fit_is_a_fault(void **state)
{
	int64_t deadline = kc_clock_ns() + 5 * SEC;
	struct kc_far_end *f;
	uint8_t sent[2000];
	int tap;

	(void)state;
	NETNS_NEEDED();
	tap = tap_up("kt0");
	f = start("kt0");
	stands(f);
	lay(sent, KC_FAR_END_TYPE, -1, 1600);
	assert_int_equal(write(tap, sent, 1600), 1600);
	while (!kc_far_end_quiet(f))
		assert_true(kc_clock_ns() < deadline);
	assert_int_equal(kc_far_end_fault(f, &err), -EIO);
	assert_non_null(strstr(err.msg, "a frame of 1600 bytes did not fit into kt0"));
	assert_non_null(strstr(err.msg, "mtu 1586"));
	comes_back(tap, sent, lay(sent, KC_FAR_END_TYPE, -1, 64));	/* others do */
	kc_far_end_stop(f);
	close(tap);
}

static void a_missing_right_is_told(void **state)
{
	int code = 0;

	(void)state;
	NETNS_NEEDED();
	netns_capable(CAP_NET_RAW, false);
	assert_null(kc_far_end_start("kt0", &code, &err));
	netns_capable(CAP_NET_RAW, true);
	assert_int_equal(code, -EPERM);
	assert_non_null(strstr(err.msg, "CAP_NET_RAW"));
	assert_non_null(strstr(err.msg, "unshare -rn"));
}

static void whoever_stops_waiting_need_not_wait(void **state)
{
	struct kc_far_end *f;

	(void)state;
	NETNS_NEEDED();
	f = start("kt0");
	kc_stop_waiting = 1;
	assert_int_equal(kc_far_end_wait(f, 3600 * SEC, &err), -EINTR);
	kc_stop_waiting = 0;
	kc_far_end_stop(f);
}

static unsigned entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void nothing_is_left_of_it(void **state)
{
	unsigned fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
	int64_t deadline = kc_clock_ns() + 5 * SEC;

	(void)state;
	NETNS_NEEDED();
	for (unsigned i = 0; i < 20; i++)
		kc_far_end_stop(start("kt0"));
	kc_far_end_stop(NULL);
	assert_int_equal(entries("/proc/self/fd"), fds);
	/* a thread that was joined may be on the list for a moment */
	while (entries("/proc/self/task") != threads)
		assert_true(kc_clock_ns() < deadline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_back_unchanged),
		cmocka_unit_test(datagrams_come_back_if_they_are_ours),
		cmocka_unit_test(many_come_back_once_and_in_order),
		cmocka_unit_test(frames_come_back_to_their_queue),
		cmocka_unit_test(others_do_not_come_back),
		cmocka_unit_test(the_interface_may_come_later_and_again),
		cmocka_unit_test(it_is_quiet_when_all_is_back),
		cmocka_unit_test(an_mtu_that_is_too_small_is_told),
		cmocka_unit_test(a_frame_that_does_not_fit_is_a_fault),
		cmocka_unit_test(a_missing_right_is_told),
		cmocka_unit_test(whoever_stops_waiting_need_not_wait),
		cmocka_unit_test(nothing_is_left_of_it),
	};

	return cmocka_run_group_tests(tests, netns_setup, NULL);
}

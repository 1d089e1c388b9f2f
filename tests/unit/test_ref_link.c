/* SPDX-License-Identifier: BSD-3-Clause */
/* What the reference's network device sends to: a loop, and a tap at whose other end this test
 * stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <linux/if_packet.h>
#include <backend/reference/ref_link.h>
#include "netns.h"

#define TYPE	0x88b5

static struct kc_err err;

/* Between two addresses of which only the last bytes differ. */
static struct kc_ref_frame frame(uint8_t to, uint8_t from, uint32_t len)
{
	struct kc_ref_frame f = { .len = len };

	for (uint32_t i = 0; i < len; i++)
		f.bytes[i] = (uint8_t)(i * 7);
	memset(f.bytes, 0, 12);
	f.bytes[0] = f.bytes[6] = 2;
	f.bytes[5] = to;
	f.bytes[11] = from;
	f.bytes[12] = TYPE >> 8;
	f.bytes[13] = TYPE & 0xff;
	return f;
}

static bool same(const struct kc_ref_frame *a, const struct kc_ref_frame *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

static void a_loop_gives_back_what_it_gets(void **state)
{
	struct kc_ref_link *l = kc_ref_link_open(NULL, &err);
	struct kc_ref_frame f = frame(1, 2, 60), got;
	unsigned pair;

	(void)state;
	assert_non_null(l);
	assert_int_equal(kc_ref_link_fd(l), -1);
	assert_false(kc_ref_link_is_wire(l));
	assert_false(kc_ref_link_receive(l, &got, &pair));
	f.open = true;
	f.csum_start = 14;
	kc_ref_link_send(l, &f, 3);
	assert_true(kc_ref_link_receive(l, &got, &pair));
	assert_true(same(&f, &got) && got.open && got.csum_start == 14);
	assert_int_equal(pair, 3);
	assert_false(kc_ref_link_receive(l, &got, &pair));
	kc_ref_link_close(l);
}

/* ---- tap ---- */

static struct kc_ref_link *open_tap(const char *name)
{
	struct kc_ref_link *l = kc_ref_link_open(name, &err);

	if (!l)
		fail_msg("%s", err.msg);
	return l;
}

/* The machine's side. */
static int machine(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE) };
	struct kc_netif n;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(kc_netif_look(name, &n), 0);
	assert_true(n.up);
	at.sll_ifindex = n.index;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* The next frame for the link, within 5 s. */
static unsigned receive(struct kc_ref_link *l, struct kc_ref_frame *f)
{
	struct pollfd p = { .fd = kc_ref_link_fd(l), .events = POLLIN };
	unsigned pair = ~0u;

	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(kc_ref_link_receive(l, f, &pair));
	return pair;
}

static void a_tap_is_made_up_and_silent(void **state)
{
	struct kc_ref_link *l;
	struct kc_ref_frame got;
	struct kc_netif n;
	unsigned pair;

	(void)state;
	NETNS_NEEDED();
	l = open_tap("kt0");
	assert_int_equal(kc_netif_look("kt0", &n), 0);
	assert_true(n.up && n.mtu >= (int)KC_REF_LINK_MTU);
	assert_true(kc_ref_link_is_wire(l));
	assert_false(kc_ref_link_receive(l, &got, &pair));
	kc_ref_link_close(l);
	assert_int_equal(kc_netif_look("kt0", &n), -ENODEV);	/* it goes with the link */
}

static void frames_go_both_ways(void **state)
{
	static const uint32_t lens[] = { 14, 60, 1513, 1514 };
	struct kc_ref_frame f, got;
	struct kc_ref_link *l;
	uint8_t buf[2000];
	int fd;

	(void)state;
	NETNS_NEEDED();
	l = open_tap("kt0");
	fd = machine("kt0");
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		f = frame(1, 2, lens[i]);
		kc_ref_link_send(l, &f, 0);
		assert_int_equal(recv(fd, buf, sizeof(buf), 0), lens[i]);	/* it is there at once */
		assert_memory_equal(buf, f.bytes, lens[i]);
		assert_int_equal(send(fd, f.bytes, f.len, 0), lens[i]);
		assert_int_equal(receive(l, &got), 0);
		assert_true(same(&f, &got) && !got.open);
	}
	close(fd);
	kc_ref_link_close(l);
}

/* Whoever sent last between two addresses gets what comes between them, whichever way. */
static void a_flow_comes_back_to_its_pair(void **state)
{
	struct kc_ref_frame f, got;
	struct kc_ref_link *l;
	int fd;

	(void)state;
	NETNS_NEEDED();
	l = open_tap("kt0");
	fd = machine("kt0");
	f = frame(1, 2, 60);
	kc_ref_link_send(l, &f, 1);
	f = frame(1, 9, 60);
	kc_ref_link_send(l, &f, 2);
	assert_int_equal(send(fd, frame(2, 1, 60).bytes, 60, 0), 60);
	assert_int_equal(receive(l, &got), 1);
	assert_int_equal(send(fd, frame(1, 9, 60).bytes, 60, 0), 60);
	assert_int_equal(receive(l, &got), 2);
	assert_int_equal(send(fd, frame(7, 8, 60).bytes, 60, 0), 60);
	assert_int_equal(receive(l, &got), 0);				/* nobody's */
	f = frame(1, 2, 60);
	kc_ref_link_send(l, &f, 0);
	assert_int_equal(send(fd, frame(1, 2, 60).bytes, 60, 0), 60);
	assert_int_equal(receive(l, &got), 0);
	close(fd);
	kc_ref_link_close(l);
}

/* Longer than any frame of the device's: not cut, but empty, which no device takes for a frame. */
static void a_frame_too_long_is_none(void **state)
{
	struct kc_ref_frame got;
	struct kc_ref_link *l;
	uint8_t big[3000] = { 2 };
	int fd;

	(void)state;
	NETNS_NEEDED();
	l = open_tap("kt0");
	fd = machine("kt0");
	assert_int_equal(kc_netif_set_mtu("kt0", 4000, &err), 0);
	assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(receive(l, &got), 0);
	assert_int_equal(got.len, 0);
	close(fd);
	kc_ref_link_close(l);
}

static void a_small_mtu_is_raised(void **state)
{
	struct kc_ref_link *l;
	struct kc_netif n;
	int fd, on = 1;

	(void)state;
	NETNS_NEEDED();
	fd = tap_make("kt0");
	assert_int_equal(ioctl(fd, TUNSETPERSIST, on), 0);
	assert_int_equal(kc_netif_set_mtu("kt0", 1000, &err), 0);
	close(fd);
	l = open_tap("kt0");
	assert_int_equal(kc_netif_look("kt0", &n), 0);
	assert_int_equal(n.mtu, KC_REF_LINK_MTU);
	assert_int_equal(ioctl(kc_ref_link_fd(l), TUNSETPERSIST, 0), 0);
	kc_ref_link_close(l);
}

static void what_cannot_be_had_is_told(void **state)
{
	int fd;

	(void)state;
	assert_null(kc_ref_link_open("a/b", &err));
	assert_non_null(strstr(err.msg, "no interface can be called 'a/b'"));
	NETNS_NEEDED();
	fd = tap_make("kt0");
	assert_null(kc_ref_link_open("kt0", &err));
	assert_non_null(strstr(err.msg, "another process has it"));
	close(fd);
	assert_null(kc_ref_link_open("lo", &err));
	assert_non_null(strstr(err.msg, "no tap"));
	netns_capable(CAP_NET_ADMIN, false);
	assert_null(kc_ref_link_open("kt0", &err));
	netns_capable(CAP_NET_ADMIN, true);
	assert_non_null(strstr(err.msg, "CAP_NET_ADMIN"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_gives_back_what_it_gets),
		cmocka_unit_test(a_tap_is_made_up_and_silent),
		cmocka_unit_test(frames_go_both_ways),
		cmocka_unit_test(a_flow_comes_back_to_its_pair),
		cmocka_unit_test(a_frame_too_long_is_none),
		cmocka_unit_test(a_small_mtu_is_raised),
		cmocka_unit_test(what_cannot_be_had_is_told),
	};

	return cmocka_run_group_tests(tests, netns_setup, NULL);
}

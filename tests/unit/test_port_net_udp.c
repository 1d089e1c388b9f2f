/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_net_udp.c, guest_model/port_net_rx.c, guest_model/port_net_ctrl.c
 *
 * The net port's datagrams: their bytes, what may come back of their checksums, and what the offloads
 * that are in force change about it. Sums are computed here by the text, word by word.
 */
#include "port_net_fixture.h"
#include <errno.h>
#include <guest_model/net.h>

#define CSUM		BIT(VIRTIO_NET_F_CSUM)
#define GCSUM		BIT(VIRTIO_NET_F_GUEST_CSUM)
#define SWITCHED	(V1 | CSUM | GCSUM | BIT(VIRTIO_NET_F_CTRL_VQ) | \
			 BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
#define IP		14u		/* in a frame without a tag */
#define UDP		34u
#define FIELD		40u

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned add(unsigned a, unsigned b)
{
	return a + b > 0xffff ? a + b - 0xffff : a + b;
}

static unsigned words_sum(const uint8_t *p, uint32_t len)
{
	unsigned sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum = add(sum, i + 1 < len ? be16(p + i) : (unsigned)p[i] << 8);
	return sum;
}

/* Of a datagram that begins at ip: what an open field holds, and what a complete one does. */
static unsigned pseudo_of(const uint8_t *ip)
{
	return add(add(words_sum(ip + 12, 8), ip[9]), be16(ip + 24));
}

static unsigned right_of(const uint8_t *ip)
{
	uint8_t copy[2048];
	unsigned sum;

	memcpy(copy, ip + 20, be16(ip + 24));
	put16(copy + 6, 0);
	sum = 0xffff ^ add(pseudo_of(ip), words_sum(copy, be16(ip + 24)));
	return sum ? sum : 0xffff;
}

/* Sends; header and frame to buf. Returns the frame's length. */
static uint32_t send_udp(struct fix *t, const char *words, uint32_t data, uint8_t *buf)
{
	struct kc_request *r = make(t, TX, words, data);
	uint32_t len = gather(t, r, false, buf);

	assert_int_equal(used(t, TX, r, 0), KC_PAYLOAD_RIGHT);
	return len - HEADER;
}

/* --- Bytes ------------------------------------------------------------------------------------ */

static void a_datagram_has_its_parts(void **state)
{
	static const uint8_t addresses[8] = { 192, 0, 2, 1, 192, 0, 2, 2 };
	static const struct { const char *words; uint32_t data, len, ip; } rows[] = {
		{ "udp", 0, 64, 14 }, { "udp", 14, 50, 14 }, { "vlan 5 udp", 14, 54, 18 },
		{ "udp", 61, 61, 14 }, { "udp", 1514, 1514, 14 }, { "vlan 5 udp", 1518, 1518, 18 },
	};
	uint8_t buf[2048], zero[HEADER] = { 0 };
	struct fix t;

	(void)state;
	open_port(&t, V1 | CSUM | GCSUM, false);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint32_t len = send_udp(&t, rows[i].words, rows[i].data, buf);
		const uint8_t *frame = buf + HEADER, *ip = frame + rows[i].ip;

		assert_int_equal(len, rows[i].len);
		assert_memory_equal(buf, zero, HEADER);
		assert_int_equal(be16(ip - 2), 0x0800);
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(be16(ip + 2), len - rows[i].ip);
		assert_int_equal(ip[9], 17);
		assert_memory_equal(ip + 12, addresses, 8);
		assert_int_equal(words_sum(ip, 20), 0xffff);
		assert_int_equal(be16(ip + 22), 9);
		assert_int_equal(be16(ip + 24), len - rows[i].ip - 20);
		assert_int_equal(be16(ip + 26), right_of(ip));
		assert_int_equal(receive(&t, plain, frame, len), KC_PAYLOAD_RIGHT);
		assert_int_equal(receive(&t, plain, frame, len), KC_PAYLOAD_WRONG);	/* it is known */
		check_clause(&t, "");
	}
	close_port(&t);
}

static void a_wrong_sum_is_wrong(void **state)
{
	uint8_t buf[2048];
	struct fix t;

	(void)state;
	open_port(&t, V1, false);
	for (unsigned i = 0; i < 50; i++) {
		send_udp(&t, "udp wrong-sum", 50 + i, buf);
		assert_int_equal(buf[0], 0);
		assert_int_not_equal(be16(buf + HEADER + FIELD), right_of(buf + HEADER + IP));
		assert_int_not_equal(be16(buf + HEADER + FIELD), 0);
	}
	close_port(&t);
}

/* As a device completes it: by csum_start and csum_offset alone. */
static void an_open_sum_is_completed(void **state)
{
	static const struct { const char *words; uint32_t data; unsigned start; } rows[] = {
		{ "udp open-sum", 64, 34 }, { "udp open-sum", 65, 34 }, { "open-sum vlan 1 udp", 101, 38 },
		{ "flags 0xf8 open-sum udp", 100, 34 },
	};
	uint8_t buf[2048];
	struct fix t;

	(void)state;
	open_port(&t, V1 | CSUM, false);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint32_t len = send_udp(&t, rows[i].words, rows[i].data, buf);
		unsigned start = buf[6] | (unsigned)buf[7] << 8, offset = buf[8] | (unsigned)buf[9] << 8;
		uint8_t *frame = buf + HEADER, *ip = frame + start - 20;

		assert_int_equal(buf[0], i == 3 ? 0xf9 : 1);
		assert_int_equal(start, rows[i].start);
		assert_int_equal(offset, 6);
		assert_int_equal(be16(frame + start + offset), pseudo_of(ip));
		put16(frame + start + offset, 0xffff ^ words_sum(frame + start, len - start));
		assert_int_equal(be16(frame + start + offset), right_of(ip));
		assert_int_equal(receive(&t, plain, frame, len), KC_PAYLOAD_RIGHT);
	}
	close_port(&t);
}

/* The last word of the data makes any checksum there is. */
static void sums_at_the_edge(void **state)
{
	struct kc_net_sum right = { .kind = KC_NET_SUM_RIGHT }, wrong = { .kind = KC_NET_SUM_WRONG };
	struct kc_net_sum open = { .kind = KC_NET_SUM_OPEN };
	uint8_t ip[30] = { 0 };
	unsigned base;

	(void)state;
	kc_net_lay_udp(ip, sizeof(ip), &right);
	base = right.right;
	put16(ip + 28, base);			/* the sum is 0xffff, its complement 0 */
	kc_net_lay_udp(ip, sizeof(ip), &right);
	kc_net_lay_udp(ip, sizeof(ip), &open);
	assert_int_equal(right.sent, 0xffff);
	assert_true(kc_net_sum_is_right(&open, 0xffff));
	assert_true(kc_net_sum_is_right(&open, 0));
	assert_true(kc_net_sum_is_right(&right, 0xffff));
	assert_false(kc_net_sum_is_right(&right, 0));
	put16(ip + 28, add(base, 0xfefe));	/* a right one of 0x0101 */
	kc_net_lay_udp(ip, sizeof(ip), &wrong);
	assert_int_equal(wrong.right, 0x0101);
	assert_int_not_equal(wrong.sent, 0);
	assert_int_not_equal(wrong.sent, wrong.right);
	assert_false(kc_net_sum_is_right(&open, 0x0101));
	assert_true(kc_net_is_udp(ip, sizeof(ip)));
	assert_false(kc_net_is_udp(ip, 27));
}

static void somebody_elses_datagram_is_not_ours(void **state)
{
	static const unsigned places[] = { 0, 9, 15, 19, 23 };	/* version, protocol, addresses, port */
	uint8_t ip[30] = { 0 };
	struct kc_net_sum sum = { .kind = KC_NET_SUM_RIGHT };

	(void)state;
	kc_net_lay_udp(ip, sizeof(ip), &sum);
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		ip[places[i]] ^= 0x10;
		assert_false(kc_net_is_udp(ip, sizeof(ip)));
		ip[places[i]] ^= 0x10;
	}
	assert_true(kc_net_is_udp(ip, sizeof(ip)));
}

static void words_that_do_not_go_together(void **state)
{
	static const struct { const char *words; int code; } rows[] = {
		{ "wrong-sum", -EBADMSG }, { "open-sum", -EBADMSG }, { "udp wrong-sum open-sum", -EBADMSG },
		{ "udp flags 1", -EBADMSG }, { "udp flags 2 wrong-sum", -EBADMSG },
		{ "udp open-sum csum-start 34", -EBADMSG }, { "udp open-sum csum-offset 6", -EBADMSG },
		{ "udp open-sum", -EINVAL },
	};
	struct fix t;

	(void)state;
	open_port(&t, V1, false);		/* without CSUM */
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kc_shape shape = { .words = rows[i].words };

		refuse(&t, TX, &shape, rows[i].code);
	}
	close_port(&t);
}

/* --- What comes back -------------------------------------------------------------------------- */

enum field { AS_SENT, RIGHT, PSEUDO, OTHER };

/* The last frame sent, with that in its field and those flags. start: csum_start, if any flag says it. */
static enum kc_payload_verdict back(struct fix *t, uint8_t *frame, uint32_t len, uint8_t flags,
				    enum field field, unsigned start)
{
	const uint8_t header[HEADER] = { flags, [6] = (uint8_t)start, [8] = start ? 6 : 0, [10] = 1 };
	uint8_t *ip = frame + (be16(frame + 12) == 0x8100 ? IP + 4 : IP);

	if (field == RIGHT)
		put16(ip + 26, right_of(ip));
	if (field == PSEUDO)
		put16(ip + 26, pseudo_of(ip));
	if (field == OTHER)
		put16(ip + 26, right_of(ip) ^ 0x1000);
	return receive(t, header, frame, len);
}

static void each_checksum_has_its_rule(void **state)
{
	static const struct {
		uint64_t features;
		const char *words;
		uint8_t flags;
		enum field field;
		unsigned start;
		const char *clause;	/* NULL: right */
	} rows[] = {
		{ 0, "udp", 0, AS_SENT, 0, NULL },
		{ 0, "udp", 0, OTHER, 0, "NET-HDR-01" },
		{ GCSUM, "udp", 2, AS_SENT, 0, NULL },
		{ GCSUM, "udp", 2, OTHER, 0, "NET-RX-DEV-12" },
		{ GCSUM, "udp", 1, PSEUDO, 34, NULL },		/* made so by the device */
		{ GCSUM, "udp", 1, AS_SENT, 34, "NET-RX-DEV-08" },
		{ 0, "udp wrong-sum", 0, AS_SENT, 0, NULL },
		{ GCSUM, "udp wrong-sum", 0, AS_SENT, 0, NULL },
		{ 0, "udp wrong-sum", 0, RIGHT, 0, "NET-TX-DEV-04" },
		{ 0, "udp wrong-sum", 0, OTHER, 0, "NET-TX-DEV-04" },
		{ 0, "udp wrong-sum", 2, AS_SENT, 0, "NET-RX-DEV-05" },
		{ GCSUM, "udp wrong-sum", 2, AS_SENT, 0, "NET-TX-DEV-04" },
		{ GCSUM, "udp wrong-sum", 1, PSEUDO, 34, "NET-TX-DEV-04" },
		{ CSUM, "udp open-sum", 0, RIGHT, 0, NULL },
		{ CSUM, "udp open-sum", 0, PSEUDO, 0, "NET-RX-DEV-17" },
		{ CSUM, "udp open-sum", 0, OTHER, 0, "NET-HDR-01" },
		{ CSUM, "udp open-sum", 1, PSEUDO, 34, "NET-RX-DEV-05" },
		{ CSUM | GCSUM, "udp open-sum", 0, RIGHT, 0, NULL },
		{ CSUM | GCSUM, "udp open-sum", 2, RIGHT, 0, NULL },
		{ CSUM | GCSUM, "udp open-sum", 1, PSEUDO, 34, NULL },
		{ CSUM | GCSUM, "udp open-sum", 3, PSEUDO, 34, NULL },
		{ CSUM | GCSUM, "udp open-sum vlan 3", 1, PSEUDO, 38, NULL },
		{ CSUM | GCSUM, "udp open-sum vlan 3", 1, PSEUDO, 34, "NET-RX-DEV-08" },
		{ CSUM | GCSUM, "udp open-sum", 1, PSEUDO, 20, "NET-RX-DEV-08" },
		{ CSUM | GCSUM, "udp open-sum", 1, RIGHT, 34, "NET-RX-DEV-08" },
		{ CSUM | GCSUM, "udp open-sum", 0, PSEUDO, 0, "NET-TX-DEV-07" },
		{ CSUM | GCSUM, "udp open-sum", 2, PSEUDO, 0, "NET-RX-DEV-12" },
		{ CSUM | GCSUM, "udp open-sum", 0, OTHER, 0, "NET-HDR-01" },
	};
	uint8_t buf[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum kc_payload_verdict v;
		uint32_t len;
		struct fix t;

		open_port(&t, V1 | rows[i].features, false);
		len = send_udp(&t, rows[i].words, 100 + i, buf);
		v = back(&t, buf + HEADER, len, rows[i].flags, rows[i].field, rows[i].start);
		if ((v == KC_PAYLOAD_RIGHT) != !rows[i].clause)
			fail_msg("row %u: %s", i, t.err.msg);
		if (rows[i].clause)
			check_clause(&t, rows[i].clause);
		close_port(&t);
	}
}

/* The rules of the checksum are for its two bytes, and a frame that is cut before them has none. */
static void the_rest_is_compared_as_ever(void **state)
{
	static const uint32_t places[] = { FIELD - 1, IP + 1, 99 };
	uint8_t buf[2048], packet[2048] = { 2, [10] = 1 };
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, V1 | CSUM | GCSUM, false);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t len = send_udp(&t, "udp open-sum", 100, buf);

		buf[HEADER + places[i]] ^= 1;
		assert_int_equal(back(&t, buf + HEADER, len, 1, AS_SENT, 34), KC_PAYLOAD_WRONG);
		check_clause(&t, "NET-HDR-01");
		buf[HEADER + places[i]] ^= 1;
		assert_int_equal(back(&t, buf + HEADER, len, 1, AS_SENT, 34), KC_PAYLOAD_RIGHT);
	}
	send_udp(&t, "udp wrong-sum", 100, buf);
	memcpy(packet + HEADER, buf + HEADER, FIELD + 1);
	r = make(&t, RX, NULL, HEADER + FIELD + 1);
	scatter(&t, r, packet, HEADER + FIELD + 1);
	assert_int_equal(used(&t, RX, r, HEADER + FIELD + 1), KC_PAYLOAD_RIGHT);
	close_port(&t);
}

/* --- Offloads --------------------------------------------------------------------------------- */

/* A frame that is sent and comes back at once. */
static enum kc_payload_verdict through(struct fix *t, uint8_t flags, enum field field)
{
	uint8_t buf[2048];
	uint32_t len = send_udp(t, "udp open-sum", 100, buf);

	return back(t, buf + HEADER, len, flags, field, flags & 1 ? UDP : 0);
}

static void check_off(struct fix *t)
{
	assert_int_equal(through(t, 0, RIGHT), KC_PAYLOAD_RIGHT);
	assert_int_equal(through(t, 0x80, RIGHT), KC_PAYLOAD_RIGHT);	/* reserved */
	assert_int_equal(through(t, 1, PSEUDO), KC_PAYLOAD_WRONG);
	check_clause(t, "NET-OFFL-DEV-01");
	assert_int_equal(through(t, 2, RIGHT), KC_PAYLOAD_WRONG);
	check_clause(t, "NET-OFFL-DEV-01");
	assert_int_equal(through(t, 0, PSEUDO), KC_PAYLOAD_WRONG);
	check_clause(t, "NET-RX-DEV-17");
}

static void check_on(struct fix *t)
{
	assert_int_equal(through(t, 0, RIGHT), KC_PAYLOAD_RIGHT);
	assert_int_equal(through(t, 1, PSEUDO), KC_PAYLOAD_RIGHT);
	assert_int_equal(through(t, 2, RIGHT), KC_PAYLOAD_RIGHT);
	assert_int_equal(through(t, 0, PSEUDO), KC_PAYLOAD_WRONG);
	check_clause(t, "NET-TX-DEV-07");
}

static void offloads_are_as_they_were_set(void **state)
{
	uint8_t frame[2048];
	uint32_t len;
	struct fix t;

	(void)state;
	open_port(&t, SWITCHED, true);
	check_on(&t);
	assert_int_equal(answered(&t, "offloads 0", 1), KC_PAYLOAD_FAILED);
	check_on(&t);
	assert_int_equal(answered(&t, "offloads 0", 0), KC_PAYLOAD_RIGHT);
	check_off(&t);
	len = send_frame(&t, NULL, 100, frame);		/* one without any checksum */
	assert_int_equal(receive(&t, (const uint8_t[HEADER]){ 2, [10] = 1 }, frame, len), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-OFFL-DEV-01");
	assert_int_equal(answered(&t, "offloads 2", 1), KC_PAYLOAD_FAILED);
	check_off(&t);
	assert_int_equal(answered(&t, "offloads 2", 0), KC_PAYLOAD_RIGHT);
	check_on(&t);
	assert_int_equal(answered(&t, "offloads 0x80", 0), KC_PAYLOAD_RIGHT);
	check_off(&t);
	assert_int_equal(answered(&t, "promisc 1", 0), KC_PAYLOAD_RIGHT);
	check_off(&t);
	t.port->ops->renegotiated(t.port);
	check_on(&t);
	close_port(&t);
}

static void a_command_goes_by_its_bytes(void **state)
{
	struct kc_request *r;
	struct fix t;
	uint8_t ok = 0;

	(void)state;
	open_port(&t, SWITCHED, true);
	for (uint32_t len = 3; len <= 8; len += 5) {
		r = make(&t, CTRL, "class 5 command 0", len);
		scatter(&t, r, &ok, 1);
		assert_int_equal(used(&t, CTRL, r, 1), KC_PAYLOAD_RIGHT);
		if (len == 8)
			check_off(&t);
		else
			check_on(&t);
	}
	close_port(&t);
}

/* A frame may have been on its way when the command was given. */
static void frames_in_flight_may_be_either(void **state)
{
	uint8_t before[2048], during[2048], ok = 0;
	struct kc_request *r;
	uint32_t len;
	struct fix t;

	(void)state;
	open_port(&t, SWITCHED, true);
	len = send_udp(&t, "udp open-sum", 100, before);
	r = make(&t, CTRL, "offloads 0", 0);
	send_udp(&t, "udp open-sum", 100, during);
	check_on(&t);
	scatter(&t, r, &ok, 1);
	assert_int_equal(used(&t, CTRL, r, 1), KC_PAYLOAD_RIGHT);
	assert_int_equal(back(&t, before + HEADER, len, 1, PSEUDO, UDP), KC_PAYLOAD_RIGHT);
	assert_int_equal(back(&t, during + HEADER, len, 1, PSEUDO, UDP), KC_PAYLOAD_RIGHT);
	check_off(&t);
	/* Sent while it was off, and there after it was switched on. */
	send_udp(&t, "udp open-sum", 100, before);
	r = make(&t, CTRL, "offloads 2", 0);
	assert_int_equal(through(&t, 1, PSEUDO), KC_PAYLOAD_RIGHT);
	scatter(&t, r, &ok, 1);
	assert_int_equal(used(&t, CTRL, r, 1), KC_PAYLOAD_RIGHT);
	assert_int_equal(back(&t, before + HEADER, len, 1, PSEUDO, UDP), KC_PAYLOAD_RIGHT);
	check_on(&t);
	close_port(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_has_its_parts),
		cmocka_unit_test(a_wrong_sum_is_wrong),
		cmocka_unit_test(an_open_sum_is_completed),
		cmocka_unit_test(sums_at_the_edge),
		cmocka_unit_test(somebody_elses_datagram_is_not_ours),
		cmocka_unit_test(words_that_do_not_go_together),
		cmocka_unit_test(each_checksum_has_its_rule),
		cmocka_unit_test(the_rest_is_compared_as_ever),
		cmocka_unit_test(offloads_are_as_they_were_set),
		cmocka_unit_test(a_command_goes_by_its_bytes),
		cmocka_unit_test(frames_in_flight_may_be_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_net.c, guest_model/port_net_ctrl.c, guest_model/port_net_rx.c
 *
 * The net port: queues, frames, what a receive buffer may hold, and commands. The device is played byte
 * by byte, from the text.
 */
#include "port_net_fixture.h"
#include <errno.h>

/* --- Queues ----------------------------------------------------------------------------------- */

static void which_queues_there_are(void **state)
{
	const struct kc_port_ops *ops = kc_port_by_name("net");
	struct kc_err why;
	struct fix t;

	(void)state;
	assert_int_equal(ops->virtqueue(0), 1);
	assert_int_equal(ops->virtqueue(3), 7);
	assert_int_equal(ops->companion(7), 6);
	assert_int_equal(ops->companion(6), -1);
	open_port(&t, V1, true);
	assert_int_equal(ops->control(t.port, &why), -1);
	assert_true(ops->has_queue(t.port, 1, 0, &why));
	assert_false(ops->has_queue(t.port, 2, 100, &why));	/* no MQ: no second pair */
	close_port(&t);
	open_port(&t, V1 | BIT(VIRTIO_NET_F_CTRL_VQ), true);
	assert_int_equal(ops->control(t.port, &why), 2);
	assert_true(ops->has_queue(t.port, 2, 0, &why));
	t.port->env.control = false;
	assert_int_equal(ops->control(t.port, &why), -1);
	close_port(&t);
	open_port(&t, V1 | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ), true);
	assert_int_equal(ops->control(t.port, &why), 8);
	assert_true(ops->has_queue(t.port, 7, 0, &why));
	assert_false(ops->has_queue(t.port, 9, 0, &why));
	close_port(&t);
	/* Not told how many: what GET_QUEUE_NUM means either way. */
	open_port(&t, V1 | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ), false);
	assert_int_equal(ops->control(t.port, &why), -1);
	assert_true(ops->has_queue(t.port, 3, 4, &why));
	assert_false(ops->has_queue(t.port, 3, 2, &why));
	assert_true(ops->has_queue(t.port, 1, 1, &why));
	close_port(&t);
}

/* --- Sending ---------------------------------------------------------------------------------- */

static void a_frame_has_its_parts(void **state)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint8_t buf[2048], zero[HEADER] = { 0 };
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, V1, false);
	r = make(&t, TX, NULL, 0);
	assert_int_equal(r->nsegs, 2);
	assert_int_equal(r->segs[0].len, HEADER);
	assert_int_equal(r->writable, 0);
	assert_int_equal(gather(&t, r, false, buf), HEADER + 64);
	assert_memory_equal(buf, zero, HEADER);
	assert_memory_equal(buf + HEADER, broadcast, 6);
	assert_int_equal(buf[HEADER + 12] << 8 | buf[HEADER + 13], 0x88b5);
	t.port->ops->release(t.port, r);
	close_port(&t);
	/* The address that the device has told is ours. */
	open_port(&t, V1 | BIT(VIRTIO_NET_F_MAC), true);
	r = make(&t, TX, NULL, 0);
	gather(&t, r, false, buf);
	assert_memory_equal(buf + HEADER, config, 6);
	assert_memory_equal(buf + HEADER + 6, config, 6);
	t.port->ops->release(t.port, r);
	close_port(&t);
	/* Without VERSION_1 and MRG_RXBUF there is no num_buffers. */
	open_port(&t, 0, false);
	r = make(&t, TX, NULL, 14);
	assert_int_equal(gather(&t, r, false, buf), 10 + 14);
	t.port->ops->release(t.port, r);
	close_port(&t);
}

static void words_fill_the_header(void **state)
{
	static const uint8_t want[HEADER] = { 0xf8, 2, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0 };
	uint8_t buf[2048];
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, V1, false);
	r = make(&t, TX, "flags 0xf8 gso-type 2 hdr-len 3 gso-size 4 csum-start 5 csum-offset 6 num-buffers 7", 0);
	gather(&t, r, false, buf);
	assert_memory_equal(buf, want, HEADER);
	t.port->ops->release(t.port, r);
	r = make(&t, TX, "vlan 5 to-multicast 258", 100);
	gather(&t, r, false, buf);
	assert_int_equal(buf[HEADER] & 1, 1);
	assert_int_equal(buf[HEADER + 4], 1);
	assert_int_equal(buf[HEADER + 5], 2);
	assert_int_equal(buf[HEADER + 12] << 8 | buf[HEADER + 13], 0x8100);
	assert_int_equal(buf[HEADER + 15], 5);
	assert_int_equal(buf[HEADER + 16] << 8 | buf[HEADER + 17], 0x88b5);
	assert_int_equal(r->readable, HEADER + 100);
	t.port->ops->release(t.port, r);
	close_port(&t);
}

static void shapes_are_cut(void **state)
{
	struct kc_shape one = { .one_piece = true }, bytes = { .every_byte = true };
	struct kc_shape ten = { .descriptors = 10 }, single = { .descriptors = 1 };
	struct kc_shape cuts = { .cut_out = { 5, -1 }, .ncut_out = 2, .one_piece = true };
	struct kc_shape long_chain = { .descriptors = 200, .data = 14 };
	struct fix t;
	struct { struct kc_shape *shape; unsigned n; } rows[] = {
		{ &one, 1 }, { &bytes, HEADER + 1 }, { &ten, 10 }, { &single, 1 }, { &cuts, 3 },
		{ &long_chain, 200 },
	};

	(void)state;
	open_port(&t, V1, false);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kc_request *r = make_shape(&t, TX, rows[i].shape);

		assert_int_equal(r->nsegs, rows[i].n);
		t.port->ops->release(t.port, r);
	}
	close_port(&t);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct kc_shape in = { .dir = KC_DIR_IN }, out = { .dir = KC_DIR_OUT };
	struct kc_shape large = { .data = 1515 }, cut = { .cut_in = { 3 }, .ncut_in = 1 };
	struct kc_shape many = { .descriptors = 300 };
	struct kc_shape word = { .words = "sector 8" }, number = { .words = "flags" };
	struct kc_shape big = { .words = "flags 256" };
	struct fix t;

	(void)state;
	open_port(&t, V1 | BIT(VIRTIO_NET_F_CTRL_VQ), false);
	refuse(&t, TX, &in, -EINVAL);
	refuse(&t, TX, &large, -EINVAL);
	refuse(&t, TX, &cut, -EINVAL);
	refuse(&t, TX, &many, -EINVAL);
	refuse(&t, TX, &word, -EBADMSG);
	refuse(&t, TX, &number, -EBADMSG);
	refuse(&t, TX, &big, -EBADMSG);
	refuse(&t, RX, &out, -EINVAL);
	refuse(&t, RX, &word, -EBADMSG);
	refuse(&t, CTRL, &word, -EBADMSG);
	close_port(&t);
	open_port(&t, V1 | BIT(VIRTIO_NET_F_MTU), true);	/* 1500: the same */
	refuse(&t, TX, &large, -EINVAL);
	close_port(&t);
}

/* --- Receiving -------------------------------------------------------------------------------- */

static void what_was_sent_comes_back(void **state)
{
	uint8_t frame[2048], other[2048], foreign[80] = { 0xff, [12] = 0x08, 0x06 };
	uint32_t len;
	struct fix t;

	(void)state;
	open_port(&t, V1, false);
	len = send_frame(&t, NULL, 0, frame);
	assert_int_equal(send_frame(&t, NULL, 0, other), len);
	assert_memory_not_equal(frame, other, len);
	assert_int_equal(receive(&t, plain, other, len), KC_PAYLOAD_RIGHT);	/* any order */
	assert_int_equal(receive(&t, plain, frame, len), KC_PAYLOAD_RIGHT);
	assert_int_equal(receive(&t, plain, foreign, sizeof(foreign)), KC_PAYLOAD_RIGHT);
	/* Twice. */
	assert_int_equal(receive(&t, plain, frame, len), KC_PAYLOAD_WRONG);
	check_clause(&t, "");
	/* Another byte. */
	len = send_frame(&t, "vlan 9", 200, frame);
	frame[150] ^= 1;
	assert_int_equal(receive(&t, plain, frame, len), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-HDR-01");
	assert_non_null(strstr(t.err.msg, "byte 150"));
	frame[150] ^= 1;
	assert_int_equal(receive(&t, plain, frame, len), KC_PAYLOAD_RIGHT);
	close_port(&t);
}

static void length_is_what_was_sent(void **state)
{
	uint8_t frame[2048];
	uint32_t len;
	struct fix t;

	(void)state;
	open_port(&t, V1, false);
	/* Ethernet's padding of a frame too short for its number. */
	len = send_frame(&t, NULL, 14, frame);
	assert_int_equal(len, 14);
	memset(frame + len, 0, 60 - len);
	assert_int_equal(receive(&t, plain, frame, 60), KC_PAYLOAD_RIGHT);
	len = send_frame(&t, NULL, 100, frame);
	memset(frame + len, 0, 60);
	assert_int_equal(receive(&t, plain, frame, len + 1), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-RX-DEV-16");
	assert_int_equal(receive(&t, plain, frame, len - 1), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-RX-DEV-16");
	assert_int_equal(receive(&t, plain, frame, len), KC_PAYLOAD_RIGHT);
	/* Less than a header. */
	assert_int_equal(used(&t, RX, make(&t, RX, NULL, 0), HEADER - 1), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-HDR-01");
	close_port(&t);
}

static void a_small_buffer_may_cut_a_frame(void **state)
{
	uint8_t frame[2048], buf[2048] = { [10] = 1 };
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, V1, false);
	send_frame(&t, NULL, 500, frame);
	memcpy(buf + HEADER, frame, 500);
	r = make(&t, RX, NULL, 100);
	assert_int_equal(r->writable, 100);
	scatter(&t, r, buf, 100);
	assert_int_equal(used(&t, RX, r, 100), KC_PAYLOAD_RIGHT);
	close_port(&t);
}

static void each_header_field_has_its_rule(void **state)
{
	static const uint64_t csum = BIT(VIRTIO_NET_F_GUEST_CSUM), tso = BIT(VIRTIO_NET_F_GUEST_TSO4);
	static const struct {
		uint64_t features;
		uint8_t header[HEADER];
		const char *clause;	/* NULL: right */
	} rows[] = {
		{ 0, { [10] = 0 }, "NET-RX-DEV-01" },
		{ 0, { [10] = 2 }, "NET-RX-DEV-01" },
		{ MERGE, { [10] = 0 }, "NET-RX-DEV-02" },
		{ 0, { 2, [10] = 1 }, "NET-RX-DEV-05" },
		{ csum, { 2, [10] = 1 }, NULL },
		{ csum, { 1, [6] = 14, [8] = 2, [10] = 1 }, NULL },
		{ csum, { 1, [6] = 200, [10] = 1 }, "NET-RX-DEV-08" },
		{ csum, { 4, [10] = 1 }, "NET-RX-DEV-10" },
		{ csum, { 0x80, [10] = 1 }, NULL },		/* reserved: the driver ignores it */
		{ 0, { 0, 1, [10] = 1 }, "NET-RX-DEV-06" },
		{ csum | tso, { 0, 4, [10] = 1 }, "NET-RX-DEV-06" },
		{ csum | tso, { 1, 1, [4] = 100, [6] = 14, [10] = 1 }, NULL },
		{ csum | tso, { 1, 1, [6] = 14, [10] = 1 }, "NET-RX-DEV-09" },
		{ csum | tso, { 0, 1, [4] = 100, [10] = 1 }, "NET-RX-DEV-09" },
		{ csum | tso, { 1, 0x81, [4] = 100, [6] = 14, [10] = 1 }, "NET-RX-DEV-07" },
	};
	uint8_t frame[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum kc_payload_verdict v;
		uint32_t len;
		struct fix t;

		open_port(&t, V1 | rows[i].features, false);
		len = send_frame(&t, NULL, 100, frame);
		v = receive(&t, rows[i].header, frame, len);
		assert_int_equal(v, rows[i].clause ? KC_PAYLOAD_WRONG : KC_PAYLOAD_RIGHT);
		if (rows[i].clause)
			check_clause(&t, rows[i].clause);
		assert_int_equal(taken(&t, RX), KC_PAYLOAD_RIGHT);
		close_port(&t);
	}
}

static void no_frame_exceeds_the_mtu(void **state)
{
	uint8_t frame[2048] = { 0xff, [12] = 0x08 };
	struct fix t;

	(void)state;
	open_port(&t, V1 | MERGE | BIT(VIRTIO_NET_F_MTU), true);
	assert_int_equal(receive(&t, plain, frame, 1500 + 14), KC_PAYLOAD_RIGHT);
	assert_int_equal(receive(&t, plain, frame, 1500 + 14 + 4), KC_PAYLOAD_RIGHT);	/* a tag */
	assert_int_equal(receive(&t, plain, frame, 1500 + 14 + 5), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-CONF-DEV-05");
	close_port(&t);
}

/* A frame of 288 bytes, which with its header fills 3 buffers of 100; the last `short_by` bytes of the
 * first stay unused. */
static enum kc_payload_verdict in_pieces(struct fix *t, unsigned told, unsigned shown, uint32_t short_by)
{
	uint8_t frame[2048], packet[2048] = { [10] = (uint8_t)told };
	uint32_t len = send_frame(t, NULL, 288, frame) + HEADER, at = 0;
	enum kc_payload_verdict v = KC_PAYLOAD_RIGHT;

	memcpy(packet + HEADER, frame, len - HEADER);
	for (unsigned i = 0; i < shown && v == KC_PAYLOAD_RIGHT; i++) {
		uint32_t n = len - at < 100 ? len - at : 100;
		struct kc_request *r = make(t, RX, NULL, 100);

		n -= i ? 0 : short_by;
		scatter(t, r, packet + at, n);
		v = used(t, RX, r, n);
		at += n;
	}
	return v;
}

static void packets_go_over_several_buffers(void **state)
{
	struct fix t;

	(void)state;
	open_port(&t, V1 | MERGE, false);
	assert_int_equal(in_pieces(&t, 3, 3, 0), KC_PAYLOAD_RIGHT);
	assert_int_equal(taken(&t, RX), KC_PAYLOAD_RIGHT);
	/* The rest is not there yet. */
	assert_int_equal(in_pieces(&t, 3, 2, 0), KC_PAYLOAD_RIGHT);
	assert_int_equal(taken(&t, RX), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-RX-DEV-04");
	/* There is no rest. */
	assert_int_equal(in_pieces(&t, 4, 3, 0), KC_PAYLOAD_RIGHT);
	assert_int_equal(taken(&t, RX), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-RX-DEV-02");
	/* One too few: the frame is cut. */
	assert_int_equal(in_pieces(&t, 2, 2, 0), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-RX-DEV-16");
	assert_int_equal(in_pieces(&t, 3, 3, 1), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-RX-DEV-03");
	assert_int_equal(taken(&t, RX), KC_PAYLOAD_RIGHT);
	assert_int_equal(in_pieces(&t, 3, 3, 0), KC_PAYLOAD_RIGHT);
	close_port(&t);
}

/* A buffer that is skipped counts as full, so a packet may be told by the entry of its last one. */
static void skipped_buffers_are_full(void **state)
{
	struct fix t;

	(void)state;
	open_port(&t, V1 | MERGE | BIT(VIRTIO_F_IN_ORDER), false);
	t.skips = true;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(in_pieces(&t, 3, 3, 0), KC_PAYLOAD_RIGHT);
		assert_int_equal(taken(&t, RX), KC_PAYLOAD_RIGHT);
	}
	assert_int_equal(in_pieces(&t, 4, 3, 0), KC_PAYLOAD_RIGHT);
	assert_int_equal(taken(&t, RX), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-RX-DEV-02");
	close_port(&t);
}

/* --- Commands --------------------------------------------------------------------------------- */

static void check_command(struct fix *t, const char *words, uint32_t data, const uint8_t *want,
			  uint32_t len)
{
	struct kc_request *r = make(t, CTRL, words, data);
	uint8_t buf[2048];

	assert_int_equal(gather(t, r, false, buf), len);
	assert_memory_equal(buf, want, len);
	assert_int_equal(r->writable, 1);
	t->port->ops->release(t->port, r);
}

static void commands_have_their_bytes(void **state)
{
	static const uint8_t promisc[] = { 0, 0, 1 }, allmulti[] = { 0, 1, 0 }, nobcast[] = { 0, 5, 1 };
	static const uint8_t vlan[] = { 2, 1, 0x34, 0x12 }, pairs[] = { 4, 0, 2, 0 }, ack[] = { 3, 0 };
	static const uint8_t offloads[] = { 5, 0, 0x82, 0, 0, 0, 0, 0, 0, 0 };
	static const uint8_t any[] = { 0x7f, 9, 0, 0, 0 };
	static const uint8_t table[] = { 1, 0, 1, 0, 0, 0, 0x02, 0x4b, 0x43, 1, 0, 0,
					 2, 0, 0, 0, 0x01, 0, 0x5e, 0x4b, 0, 0, 0x01, 0, 0x5e, 0x4b, 0, 1 };
	static const uint8_t empty[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct fix t;

	(void)state;
	open_port(&t, V1 | BIT(VIRTIO_NET_F_CTRL_VQ), true);
	check_command(&t, NULL, 0, promisc, sizeof(promisc));
	check_command(&t, "allmulti 0", 0, allmulti, sizeof(allmulti));
	check_command(&t, "nobcast 1", 0, nobcast, sizeof(nobcast));
	check_command(&t, "vlan-del 0x1234", 0, vlan, sizeof(vlan));
	check_command(&t, "pairs 2", 0, pairs, sizeof(pairs));
	check_command(&t, "announce-ack", 0, ack, sizeof(ack));
	check_command(&t, "offloads 0x82", 0, offloads, sizeof(offloads));
	check_command(&t, "class 0x7f command 9", 3, any, sizeof(any));
	check_command(&t, "mac-table unicast 1 multicast 2", 0, table, sizeof(table));
	check_command(&t, "mac-table", 0, empty, sizeof(empty));
	close_port(&t);
}

static void an_answer_is_ok_or_err(void **state)
{
	static const uint8_t address[6] = { 0x02, 0x4b, 0x43, 1, 0, 7 };
	uint8_t frame[2048];
	struct fix t;

	(void)state;
	open_port(&t, V1 | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MAC), true);
	assert_int_equal(answered(&t, "promisc 1", 0), KC_PAYLOAD_RIGHT);
	assert_int_equal(answered(&t, "mac 7", 1), KC_PAYLOAD_FAILED);
	assert_string_equal(t.port->ops->code_name(t.code), "ERR");
	send_frame(&t, NULL, 0, frame);
	assert_memory_equal(frame + 6, config, 6);
	assert_int_equal(answered(&t, "mac 7", 2), KC_PAYLOAD_WRONG);
	check_clause(&t, "NET-CTRL-01");
	assert_int_equal(answered(&t, "mac 7", -1), KC_PAYLOAD_WRONG);		/* not written */
	assert_int_equal(answered(&t, "mac 7", 0), KC_PAYLOAD_RIGHT);
	send_frame(&t, NULL, 0, frame);
	assert_memory_equal(frame + 6, address, 6);
	close_port(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_queues_there_are),
		cmocka_unit_test(a_frame_has_its_parts),
		cmocka_unit_test(words_fill_the_header),
		cmocka_unit_test(shapes_are_cut),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(what_was_sent_comes_back),
		cmocka_unit_test(length_is_what_was_sent),
		cmocka_unit_test(a_small_buffer_may_cut_a_frame),
		cmocka_unit_test(each_header_field_has_its_rule),
		cmocka_unit_test(no_frame_exceeds_the_mtu),
		cmocka_unit_test(packets_go_over_several_buffers),
		cmocka_unit_test(skipped_buffers_are_full),
		cmocka_unit_test(commands_have_their_bytes),
		cmocka_unit_test(an_answer_is_ok_or_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The reference's network device, and how its rings take several buffers and give them together: the
 * driver is played byte by byte, from the text. Rings: 0 receives, 1 transmits, with MQ 2 and 3 as well;
 * control is 2, or 4 with MQ.
 */
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <tests/unit/ref_packed_pen.h>

#define BIT(f)		KC_BIT(VIRTIO_NET_F_##f)
#define F_MRG		BIT(MRG_RXBUF)
#define F_MQ		(BIT(CTRL_VQ) | BIT(MQ))
#define F_RX		(BIT(CTRL_VQ) | BIT(CTRL_RX) | BIT(CTRL_RX_EXTRA) | BIT(MAC))
#define SIZE		64u
#define HDR		12u
#define SENT		BUFS			/* where a packet to be sent lies */
#define ROOM		(BUFS + 0x10000)	/* receive buffers, 4 KiB apart */
#define COMMAND		(BUFS + 0x60000)
#define ROOM_AT(i)	(ROOM + 0x1000ull * (i))

static const uint8_t own[6] = { 0x02, 0x72, 0x65, 0x66, 0x00, 0x01 };
static const uint8_t other[6] = { 0x02, 1, 2, 3, 4, 5 };
static const uint8_t group[6] = { 0x03, 1, 2, 3, 4, 5 };
static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void open_net(struct fx *f, uint64_t features)
{
	struct kc_ref_config c = { .device = "net" };

	fx_open_config(f, &c);
	assert_int_equal(fx_u64(f, KC_VU_SET_FEATURES, features), KC_REF_DONE);
	assert_int_equal(fx_mem_table(f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
}

/* Receiver and transmitter run, split. */
static void open_pair(struct fx *f, uint64_t features, uint16_t from)
{
	open_net(f, features);
	fx_start(f, 0, SIZE, from);
	fx_start(f, 1, SIZE, from);
	fx_run(f);
}

static uint8_t byte_of(uint32_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

/* A frame of len bytes to that address behind what the header says. */
static void put_packet(struct fx *f, const void *hdr, uint32_t hdr_len, const uint8_t *to,
		       uint32_t len)
{
	uint8_t *p = fx_host(f, SENT);

	memcpy(p, hdr, hdr_len);
	p += hdr_len;
	for (uint32_t i = 0; i < len; i++)
		p[i] = byte_of(i);
	memcpy(p, to, len < 6 ? len : 6);
}

static void offer_packet(struct fx *f, unsigned qi, uint32_t bytes)
{
	uint16_t head = f->q[qi].avail_idx % SIZE, before = fx_used_idx(f, qi);

	fx_desc(f, qi, head, SENT, bytes, 0, 0);
	fx_offer(f, qi, head);
	fx_kick(f, qi);
	fx_run(f);
	assert_int_equal(fx_used_idx(f, qi), (uint16_t)(before + 1));
	fx_expect_used(f, qi, before, head, 0);
}

static void send_to(struct fx *f, unsigned qi, const uint8_t *to, uint32_t len)
{
	static const uint8_t zeroes[HDR];

	put_packet(f, zeroes, HDR, to, len);
	offer_packet(f, qi, HDR + len);
}

/* One more receive buffer, at the place of its head. */
static void add_room(struct fx *f, unsigned qi, uint32_t len)
{
	uint16_t head = f->q[qi].avail_idx % SIZE;

	memset(fx_host(f, ROOM_AT(head)), 0xee, len);
	fx_desc(f, qi, head, ROOM_AT(head), len, RW, 0);
	fx_offer(f, qi, head);
}

static void add_rooms(struct fx *f, unsigned qi, unsigned n, uint32_t len)
{
	while (n--)
		add_room(f, qi, len);
	fx_kick(f, qi);
	fx_run(f);
}

static void expect_frame(struct fx *f, uint64_t at, uint32_t from, const uint8_t *to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(fx_host(f, at)[i],
				 from + i < 6 ? to[from + i] : byte_of(from + i));
}

static unsigned num_buffers(struct fx *f, uint64_t at)
{
	return fx_host(f, at)[10] | fx_host(f, at)[11] << 8;
}

/* ---- a frame comes back ---- */

static void a_frame_comes_back(void **state)
{
	static const uint32_t lens[] = { 14, 60, 1513, 1514 };
	struct fx f;

	(void)state;
	open_pair(&f, F_V1, 65534);
	for (uint16_t i = 0; i < 4; i++) {
		uint64_t at = ROOM_AT((uint16_t)(65534 + i) % SIZE);

		add_rooms(&f, 0, 1, 1526);
		assert_int_equal(fx_used_idx(&f, 0), (uint16_t)(65534 + i));
		send_to(&f, 1, own, lens[i]);
		fx_expect_used(&f, 0, 65534 + i, (uint16_t)(65534 + i) % SIZE, HDR + lens[i]);
		for (unsigned b = 0; b < 10; b++)
			assert_int_equal(fx_host(&f, at)[b], 0);
		assert_int_equal(num_buffers(&f, at), 1);
		expect_frame(&f, at + HDR, 0, own, lens[i]);
	}
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_close(&f);
}

static void a_header_has_10_or_12_bytes(void **state)
{
	static const struct { uint64_t features; uint32_t bytes; } rows[] = {
		{ 0, 10 }, { F_MRG, 12 }, { F_V1, 12 }, { F_V1 | F_MRG, 12 },
	};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t hdr[HDR] = { 0 };
		struct fx f;

		open_pair(&f, rows[i].features, 0);
		add_rooms(&f, 0, 1, 1526);
		put_packet(&f, hdr, rows[i].bytes, own, 100);
		offer_packet(&f, 1, rows[i].bytes + 100);
		fx_expect_used(&f, 0, 0, 0, rows[i].bytes + 100);
		expect_frame(&f, ROOM_AT(0) + rows[i].bytes, 0, own, 100);
		fx_close(&f);
	}
}

static void what_does_not_fit_the_link_is_dropped(void **state)
{
	static const uint32_t bytes[] = { 0, 11, HDR, HDR + 13, HDR + 1515, HDR + 5000, 0xffff };
	uint8_t gso[HDR] = { 1, VIRTIO_NET_HDR_GSO_TCPV4 };
	struct fx f;

	(void)state;
	open_pair(&f, F_V1, 0);
	add_rooms(&f, 0, 2, 3000);
	for (unsigned i = 0; i < sizeof(bytes) / sizeof(*bytes); i++)
		offer_packet(&f, 1, bytes[i]);
	put_packet(&f, gso, HDR, own, 100);
	offer_packet(&f, 1, HDR + 100);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	send_to(&f, 1, own, 60);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_close(&f);
}

/* 64 wait, and they are the first ones. */
static void a_line_has_an_end(void **state)
{
	struct fx f;

	(void)state;
	open_pair(&f, F_V1, 0);
	for (unsigned i = 0; i < 70; i++)
		send_to(&f, 1, own, 20 + i);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	for (unsigned i = 0; i < 64; i++) {
		add_rooms(&f, 0, 1, 1526);
		fx_expect_used(&f, 0, i, i % SIZE, HDR + 20 + i);
	}
	add_rooms(&f, 0, 1, 1526);
	assert_int_equal(fx_used_idx(&f, 0), 64);
	fx_close(&f);
}

/* ---- several buffers ---- */

static void a_frame_goes_over_several(void **state)
{
	struct fx f;

	(void)state;
	open_pair(&f, F_V1 | F_MRG, 65534);
	add_rooms(&f, 0, 6, 100);
	fx_count(f.q[0].call);
	send_to(&f, 1, own, 300);
	assert_int_equal(fx_used_idx(&f, 0), 2);	/* 100, 100, 100, 12 */
	for (uint16_t i = 0; i < 4; i++)
		fx_expect_used(&f, 0, 65534 + i, (uint16_t)(65534 + i) % SIZE, i < 3 ? 100 : 12);
	assert_int_equal(num_buffers(&f, ROOM_AT(62)), 4);
	expect_frame(&f, ROOM_AT(62) + HDR, 0, own, 88);
	expect_frame(&f, ROOM_AT(63), 88, own, 100);
	expect_frame(&f, ROOM_AT(0), 188, own, 100);
	expect_frame(&f, ROOM_AT(1), 288, own, 12);
	assert_int_equal(fx_host(&f, ROOM_AT(1))[12], 0xee);
	assert_int_equal(fx_count(f.q[0].call), 1);
	fx_close(&f);
}

/* The place stays, and the kick that is asked for is that of the next buffer. */
static void too_few_are_as_none(void **state)
{
	struct fx f;

	(void)state;
	open_pair(&f, F_V1 | F_MRG | F_EVT, 65534);
	add_rooms(&f, 0, 2, 100);
	send_to(&f, 1, own, 300);
	for (uint16_t n = 2; n < 4; n++) {
		assert_int_equal(fx_used_idx(&f, 0), 65534);
		assert_int_equal(fx_avail_event(&f, 0), (uint16_t)(65534 + n));
		assert_int_equal(kc_ref_step(f.ref), 0);
		add_rooms(&f, 0, 1, 100);
	}
	assert_int_equal(fx_used_idx(&f, 0), 2);
	assert_int_equal(num_buffers(&f, ROOM_AT(62)), 4);
	send_to(&f, 1, own, 300);
	add_rooms(&f, 0, 1, 100);
	assert_int_equal(fx_get_base(&f, 0), 2);
	fx_close(&f);
}

/* A ring without kicks is looked at all the time, and too few buffers must not be work for ever. */
static void too_few_are_no_work_for_who_polls(void **state)
{
	struct fx f;

	(void)state;
	open_net(&f, F_V1 | F_MRG);
	fx_set_up(&f, 0, SIZE, 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, NULL), KC_REF_DONE);
	fx_start(&f, 1, SIZE, 0);
	fx_run(&f);
	add_room(&f, 0, 100);
	send_to(&f, 1, own, 150);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	add_room(&f, 0, 100);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_close(&f);
}

static void one_that_is_too_small_keeps_its_buffer(void **state)
{
	struct fx f;

	(void)state;
	open_pair(&f, F_V1, 0);
	add_rooms(&f, 0, 2, 100);
	send_to(&f, 1, own, 300);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	send_to(&f, 1, own, 88);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_expect_used(&f, 0, 0, 0, 100);
	fx_close(&f);
}

static void in_order_one_entry_stands_for_all(void **state)
{
	struct fx f;

	(void)state;
	open_pair(&f, F_V1 | F_MRG | F_IN_ORDER, 0);
	add_rooms(&f, 0, 6, 100);
	send_to(&f, 1, own, 300);
	assert_int_equal(fx_used_idx(&f, 0), 4);
	fx_expect_used(&f, 0, 0, 3, 12);
	assert_int_equal(num_buffers(&f, ROOM_AT(0)), 4);
	send_to(&f, 1, own, 88);	/* full, and held back for nobody */
	assert_int_equal(fx_used_idx(&f, 0), 5);
	fx_expect_used(&f, 0, 4, 4, 100);
	fx_close(&f);
}

static void a_bad_buffer_among_them_breaks_the_ring(void **state)
{
	struct fx f;

	(void)state;
	open_pair(&f, F_V1 | F_MRG, 0);
	add_room(&f, 0, 100);
	fx_desc(&f, 0, 1, MEM_END, 100, RW, 0);
	fx_offer(&f, 0, 1);
	send_to(&f, 1, own, 300);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	assert_int_equal(fx_count(f.q[0].err), 1);
	assert_int_equal(fx_get_base(&f, 0), 0);
	fx_close(&f);
}

/* The available index is ahead by more than the ring has, counted from where it was. */
static void what_was_taken_counts_for_the_index(void **state)
{
	struct fx f;

	(void)state;
	open_pair(&f, F_V1 | F_MRG, 0);
	for (unsigned i = 0; i < SIZE; i++)
		add_room(&f, 0, 1);
	fx_kick(&f, 0);
	send_to(&f, 1, own, 300);
	assert_int_equal(fx_count(f.q[0].err), 0);
	fx_set_avail_idx(&f, 0, SIZE + 1);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_count(f.q[0].err), 1);
	fx_close(&f);
}

static void open_packed(struct fx *f, struct pen *rx, struct pen *tx, uint64_t features,
			uint32_t size, uint16_t slot)
{
	open_net(f, F_V1 | F_PACKED | F_MRG | features);
	pen_start(rx, f, 0, size, slot, true);
	pen_start(tx, f, 1, 16, 0, true);
	fx_run(f);
}

static void send_packed(struct fx *f, struct pen *tx, uint32_t len)
{
	static const uint8_t zeroes[HDR];

	put_packet(f, zeroes, HDR, own, len);
	pen_put(tx, SENT, HDR + len, 0, 7);
	fx_kick(f, 1);
	fx_run(f);
	pen_expect_used(tx, 1, 7, 0);
}

/* Each of its own list of two slots, across the end of the ring. */
static void a_packed_ring_does_the_same(void **state)
{
	struct pen rx, tx;
	struct fx f;

	(void)state;
	open_packed(&f, &rx, &tx, 0, 7, 4);
	for (unsigned i = 0; i < 2; i++) {
		pen_put(&rx, ROOM_AT(2 * i), 50, NEXT | RW, 99);
		pen_put(&rx, ROOM_AT(2 * i + 1), 50, RW, i + 10);
	}
	send_packed(&f, &tx, 250);
	assert_false(pen_is_used(&rx));
	assert_int_equal(get_packed_base(&f, 0), base_code(4, true, 4, true));
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	send_packed(&f, &tx, 250);
	pen_put(&rx, ROOM_AT(4), 50, NEXT | RW, 99);
	pen_put(&rx, ROOM_AT(5), 50, RW, 12);
	fx_kick(&f, 0);
	fx_run(&f);
	pen_expect_used(&rx, 2, 10, 100);
	pen_expect_used(&rx, 2, 11, 100);
	pen_expect_used(&rx, 2, 12, 62);
	assert_int_equal(num_buffers(&f, ROOM_AT(0)), 3);
	fx_close(&f);
}

static void packed_asks_for_the_one_behind(void **state)
{
	struct pen rx, tx;
	struct fx f;

	(void)state;
	open_packed(&f, &rx, &tx, F_EVT, 4, 2);
	pen_put(&rx, ROOM_AT(0), 100, RW, 1);
	pen_put(&rx, ROOM_AT(1), 100, RW, 2);
	send_packed(&f, &tx, 250);
	pen_expect_device(&rx, place_code(0, false), VRING_PACKED_EVENT_FLAG_DESC);
	pen_put(&rx, ROOM_AT(2), 100, RW, 3);
	fx_kick(&f, 0);
	fx_run(&f);
	pen_expect_used(&rx, 1, 1, 100);
	pen_expect_used(&rx, 1, 2, 100);
	pen_expect_used(&rx, 1, 3, 62);
	fx_close(&f);
}

static void packed_in_order_has_one_entry(void **state)
{
	struct pen rx, tx;
	struct fx f;

	(void)state;
	open_packed(&f, &rx, &tx, F_IN_ORDER, 8, 6);
	for (unsigned i = 0; i < 3; i++)
		pen_put(&rx, ROOM_AT(i), 100, RW, i);
	send_packed(&f, &tx, 250);
	pen_expect_used(&rx, 3, 2, 62);
	assert_int_equal(pen_read(&rx, 7).id, 1);	/* as the driver wrote them */
	assert_int_equal(pen_read(&rx, 0).len, 100);
	fx_close(&f);
}

/* ---- commands ---- */

static int command(struct fx *f, unsigned qi, const void *bytes, uint32_t n)
{
	uint16_t before = fx_used_idx(f, qi), head = before * 2 % SIZE;

	memcpy(fx_host(f, COMMAND), bytes, n);
	*fx_host(f, COMMAND + 0x8000) = 0xee;
	fx_desc(f, qi, head, COMMAND, n, NEXT, head + 1);
	fx_desc(f, qi, head + 1, COMMAND + 0x8000, 1, RW, 0);
	fx_offer(f, qi, head);
	fx_kick(f, qi);
	fx_run(f);
	assert_int_equal(fx_used_idx(f, qi), (uint16_t)(before + 1));
	fx_expect_used(f, qi, before, head, 1);
	return *fx_host(f, COMMAND + 0x8000);
}

static int mode(struct fx *f, uint8_t which, uint8_t on)
{
	return command(f, 2, (const uint8_t[]){ VIRTIO_NET_CTRL_RX, which, on }, 3);
}

static void open_filter(struct fx *f, uint64_t features)
{
	open_pair(f, F_V1 | features, 0);
	fx_start(f, 2, SIZE, 0);
	fx_run(f);
	add_rooms(f, 0, 40, 1526);
}

static bool comes(struct fx *f, const uint8_t *to)
{
	uint16_t before = fx_used_idx(f, 0);

	send_to(f, 1, to, 60);
	return fx_used_idx(f, 0) != before;
}

static void expect_pass(struct fx *f, bool o, bool x, bool g, bool a)
{
	assert_int_equal(comes(f, own), o);
	assert_int_equal(comes(f, other), x);
	assert_int_equal(comes(f, group), g);
	assert_int_equal(comes(f, all), a);
}

static void modes_let_in_and_keep_out(void **state)
{
	struct fx f;

	(void)state;
	open_filter(&f, F_RX);
	expect_pass(&f, true, false, false, true);
	assert_int_equal(mode(&f, VIRTIO_NET_CTRL_RX_ALLMULTI, 1), VIRTIO_NET_OK);
	expect_pass(&f, true, false, true, true);
	assert_int_equal(mode(&f, VIRTIO_NET_CTRL_RX_ALLUNI, 1), VIRTIO_NET_OK);
	expect_pass(&f, true, true, true, true);
	assert_int_equal(mode(&f, VIRTIO_NET_CTRL_RX_NOMULTI, 1), VIRTIO_NET_OK);
	expect_pass(&f, true, true, false, true);
	assert_int_equal(mode(&f, VIRTIO_NET_CTRL_RX_NOUNI, 1), VIRTIO_NET_OK);
	expect_pass(&f, false, false, false, true);
	assert_int_equal(mode(&f, VIRTIO_NET_CTRL_RX_NOBCAST, 1), VIRTIO_NET_OK);
	expect_pass(&f, false, false, false, false);
	assert_int_equal(mode(&f, VIRTIO_NET_CTRL_RX_PROMISC, 1), VIRTIO_NET_OK);
	expect_pass(&f, true, true, true, true);
	fx_close(&f);
}

static void without_ctrl_rx_all_pass(void **state)
{
	struct fx f;

	(void)state;
	open_filter(&f, BIT(CTRL_VQ));
	expect_pass(&f, true, true, true, true);
	assert_int_equal(mode(&f, VIRTIO_NET_CTRL_RX_PROMISC, 1), VIRTIO_NET_ERR);
	fx_close(&f);
}

static void tables_let_in(void **state)
{
	uint8_t set[2 + 4 + 6 + 4 + 6] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 1 };
	uint8_t many[2 + 4 + 70 * 6 + 4] = { VIRTIO_NET_CTRL_MAC, 0, 70 };
	struct fx f;

	(void)state;
	open_filter(&f, F_RX);
	memcpy(set + 6, other, 6);
	set[12] = 1;
	memcpy(set + 16, group, 6);
	for (uint32_t n = 0; n < sizeof(set); n++)
		assert_int_equal(command(&f, 2, set, n), VIRTIO_NET_ERR);
	expect_pass(&f, true, false, false, true);
	assert_int_equal(command(&f, 2, set, sizeof(set)), VIRTIO_NET_OK);
	expect_pass(&f, true, true, true, true);
	/* More than can be told apart: all of that kind pass. */
	assert_int_equal(command(&f, 2, many, sizeof(many)), VIRTIO_NET_OK);
	expect_pass(&f, true, true, false, true);
	/* None. */
	memset(set + 2, 0, sizeof(set) - 2);
	assert_int_equal(command(&f, 2, set, 10), VIRTIO_NET_OK);
	expect_pass(&f, true, false, false, true);
	fx_close(&f);
}

static bool tag_comes(struct fx *f, uint16_t id)
{
	static const uint8_t zeroes[HDR];
	uint8_t *frame = fx_host(f, SENT) + HDR;
	uint16_t before = fx_used_idx(f, 0);

	put_packet(f, zeroes, HDR, own, 1514);
	frame[12] = 0x81;
	frame[13] = 0x00;
	frame[14] = (uint8_t)(0xe0 | id >> 8);		/* priority bits are no part of the id */
	frame[15] = (uint8_t)id;
	offer_packet(f, 1, HDR + 1514);
	return fx_used_idx(f, 0) != before;
}

static int vlan(struct fx *f, uint8_t which, uint16_t id)
{
	return command(f, 2, (const uint8_t[]){ VIRTIO_NET_CTRL_VLAN, which, (uint8_t)id,
						(uint8_t)(id >> 8) }, 4);
}

static void tags_are_filtered(void **state)
{
	static const uint16_t ids[] = { 0, 1, 7, 8, 4095 };
	struct fx f;

	(void)state;
	open_filter(&f, F_RX | BIT(CTRL_VLAN));
	assert_int_equal(vlan(&f, VIRTIO_NET_CTRL_VLAN_ADD, 4096), VIRTIO_NET_ERR);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(vlan(&f, VIRTIO_NET_CTRL_VLAN_ADD, ids[i]), VIRTIO_NET_OK);
		for (unsigned k = 0; k < 5; k++)
			assert_int_equal(tag_comes(&f, ids[k]), k == i);
		assert_int_equal(vlan(&f, VIRTIO_NET_CTRL_VLAN_DEL, ids[i]), VIRTIO_NET_OK);
	}
	assert_true(comes(&f, own));
	fx_close(&f);
	open_filter(&f, F_RX);
	assert_true(tag_comes(&f, 5));
	assert_int_equal(vlan(&f, VIRTIO_NET_CTRL_VLAN_ADD, 5), VIRTIO_NET_ERR);
	fx_close(&f);
}

static void what_is_no_command_is_refused(void **state)
{
	static const struct { uint32_t n; uint8_t bytes[12]; } rows[] = {
		{ 0, { 0 } }, { 1, { 0 } }, { 2, { 0, 0 } },		/* cut off */
		{ 4, { 0, 0, 1, 1 } },					/* too long */
		{ 3, { 0, 6, 1 } }, { 3, { 1, 2, 0 } }, { 4, { 2, 2, 1, 0 } },
		{ 2, { 3, 0 } }, { 4, { 4, 0, 1, 0 } },			/* not negotiated */
		{ 10, { 5, 0, 0 } }, { 8, { 1, 1, 2, 0, 0, 0, 0, 9 } },
		{ 2, { 0xff, 0xff } },
	};
	struct fx f;

	(void)state;
	open_filter(&f, F_RX);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (command(&f, 2, rows[i].bytes, rows[i].n) != VIRTIO_NET_ERR)
			fail_msg("row %u was carried out", i);
	/* No place for an answer: it goes back, empty. */
	fx_desc(&f, 2, 60, COMMAND, 2, 0, 0);
	fx_offer(&f, 2, 60);
	fx_kick(&f, 2);
	fx_run(&f);
	fx_expect_used(&f, 2, 12, 60, 0);
	fx_close(&f);
}

/* ---- pairs ---- */

static int pairs(struct fx *f, uint16_t n)
{
	return command(f, 4, (const uint8_t[]){ VIRTIO_NET_CTRL_MQ,
						VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, (uint8_t)n,
						(uint8_t)(n >> 8) }, 4);
}

static void only_pairs_in_use_are_used(void **state)
{
	struct fx f;

	(void)state;
	open_net(&f, F_V1 | F_MQ);
	for (unsigned qi = 0; qi < 5; qi++)
		fx_start(&f, qi, SIZE, 0);
	fx_run(&f);
	add_rooms(&f, 2, 4, 1526);
	send_to(&f, 3, own, 60);
	assert_int_equal(pairs(&f, 0), VIRTIO_NET_ERR);
	assert_int_equal(pairs(&f, 3), VIRTIO_NET_ERR);
	assert_int_equal(fx_used_idx(&f, 2), 0);
	assert_int_equal(pairs(&f, 2), VIRTIO_NET_OK);
	send_to(&f, 3, own, 60);
	assert_int_equal(fx_used_idx(&f, 2), 1);
	/* One that waits on a pair when that is given up never comes. */
	send_to(&f, 1, own, 61);
	for (unsigned i = 0; i < 4; i++)
		send_to(&f, 3, own, 62);
	assert_int_equal(fx_used_idx(&f, 2), 4);
	assert_int_equal(pairs(&f, 1), VIRTIO_NET_OK);
	add_rooms(&f, 2, 4, 1526);
	send_to(&f, 3, own, 63);
	assert_int_equal(pairs(&f, 2), VIRTIO_NET_OK);
	assert_int_equal(fx_used_idx(&f, 2), 4);
	add_rooms(&f, 0, 1, 1526);
	fx_expect_used(&f, 0, 0, 0, HDR + 61);
	fx_close(&f);
}

/* Its ring has been found too small for the frame that is gone, and is large enough for the next. */
static void a_frame_given_up_leaves_its_buffers(void **state)
{
	struct fx f;

	(void)state;
	open_net(&f, F_V1 | F_MQ | F_MRG);
	for (unsigned qi = 0; qi < 5; qi++)
		fx_start(&f, qi, SIZE, 0);
	fx_run(&f);
	assert_int_equal(pairs(&f, 2), VIRTIO_NET_OK);
	add_rooms(&f, 2, 1, 200);
	send_to(&f, 3, own, 1000);
	assert_int_equal(fx_used_idx(&f, 2), 0);
	assert_int_equal(pairs(&f, 1), VIRTIO_NET_OK);
	assert_int_equal(pairs(&f, 2), VIRTIO_NET_OK);
	send_to(&f, 3, own, 100);
	assert_int_equal(fx_used_idx(&f, 2), 1);
	fx_close(&f);
}

static void another_receiver_is_chosen_or_none(void **state)
{
	struct fx f;

	(void)state;
	open_net(&f, F_V1 | F_MQ);
	for (unsigned qi = 0; qi < 5; qi++)
		fx_start(&f, qi, SIZE, 0);
	fx_run(&f);
	assert_int_equal(pairs(&f, 2), VIRTIO_NET_OK);
	add_rooms(&f, 2, 4, 1526);
	fx_get_base(&f, 0);
	send_to(&f, 1, own, 60);
	assert_int_equal(fx_used_idx(&f, 2), 1);
	fx_get_base(&f, 2);
	send_to(&f, 1, own, 60);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 2, f.q[2].kick), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 2), 1);
	fx_close(&f);
}

/* ---- states, features, configuration ---- */

static void a_disabled_transmitter_sends_to_nobody(void **state)
{
	struct fx f;

	(void)state;
	open_net(&f, F_V1 | F_PF);
	fx_start(&f, 0, SIZE, 0);
	fx_start(&f, 1, SIZE, 0);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1), KC_REF_DONE);
	add_rooms(&f, 0, 4, 1526);
	send_to(&f, 1, own, 60);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 1, 1), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	send_to(&f, 1, own, 60);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	/* A receiver waits. */
	send_to(&f, 1, own, 60);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 0), KC_REF_DONE);
	send_to(&f, 1, own, 60);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_close(&f);
}

/* TCP over nothing in particular: the field is 16 bytes behind the start. */
static void a_checksum_is_completed_unless_it_may_stay(void **state)
{
	uint8_t hdr[HDR] = { VIRTIO_NET_HDR_F_NEEDS_CSUM | 0xf0, 0, 0xff, 0xff, 0, 0, 34, 0, 16, 0 };
	uint8_t offloads[10] = { VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0 };
	const uint8_t *got;
	uint32_t sum = 0;
	struct fx f;

	(void)state;
	open_pair(&f, F_V1 | BIT(CSUM) | BIT(GUEST_CSUM) | BIT(CTRL_VQ) | BIT(CTRL_GUEST_OFFLOADS),
		  0);
	fx_start(&f, 2, SIZE, 0);
	add_rooms(&f, 0, 4, 1526);
	put_packet(&f, hdr, HDR, own, 101);
	offer_packet(&f, 1, HDR + 101);
	got = fx_host(&f, ROOM_AT(0));
	assert_int_equal(got[0], VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(got[6], 34);
	assert_int_equal(got[8], 16);
	expect_frame(&f, ROOM_AT(0) + HDR, 0, own, 101);

	offloads[2] = 4;
	assert_int_equal(command(&f, 2, offloads, 10), VIRTIO_NET_ERR);
	offloads[2] = 0;
	assert_int_equal(command(&f, 2, offloads, 10), VIRTIO_NET_OK);
	offer_packet(&f, 1, HDR + 101);
	got = fx_host(&f, ROOM_AT(1));
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(got[i], 0);
	/* The receiver's check: what is there, and what the pseudo-header would have added. */
	for (unsigned i = 34; i < 101; i++)
		sum += i % 2 ? got[HDR + i] : got[HDR + i] << 8;
	sum += byte_of(50) << 8 | byte_of(51);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
	/* Outside of the frame: dropped. */
	hdr[6] = 84;
	put_packet(&f, hdr, HDR, own, 101);
	offer_packet(&f, 1, HDR + 101);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_close(&f);
}

static const uint8_t *config(struct fx *f)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.config.size = sizeof(struct virtio_net_config);
	assert_int_equal(fx_send(f, &m), KC_REF_REPLY);
	return f->reply.config.data;
}

static enum kc_ref_answer write_config(struct fx *f, uint32_t flags, uint8_t first)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_CONFIG);
	m.config.size = 1;
	m.config.flags = flags;
	m.config.data[0] = first;
	return fx_send(f, &m);
}

static void an_mtu_is_a_links(void **state)
{
	static const struct { uint64_t mtu; enum kc_ref_answer want; } rows[] = {
		{ 1500, KC_REF_DONE }, { 68, KC_REF_DONE }, { 67, KC_REF_REFUSED }, { 0, KC_REF_REFUSED },
		{ 1501, KC_REF_REFUSED }, { 65536, KC_REF_REFUSED }, { 1ull << 32 | 1500, KC_REF_REFUSED },
	};
	struct fx f;

	(void)state;
	open_net(&f, F_V1 | F_PF | BIT(MTU));
	assert_int_equal(fx_u64(&f, KC_VU_NET_SET_MTU, 1500), KC_REF_REFUSED);	/* not negotiated */
	assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_MTU)), KC_REF_DONE);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(fx_u64(&f, KC_VU_NET_SET_MTU, rows[i].mtu), rows[i].want);
	fx_close(&f);
}

static void the_configuration_is_the_devices(void **state)
{
	static const uint8_t want[12] = { 2, 0x72, 0x65, 0x66, 0, 1, 1, 0, 2, 0, 0xdc, 5 };
	uint8_t set[8] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET };
	struct fx f;

	(void)state;
	open_net(&f, F_V1 | F_PF | BIT(CTRL_VQ) | BIT(CTRL_MAC_ADDR) | F_RX);
	assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIG)),
			 KC_REF_DONE);
	assert_memory_equal(config(&f), want, 12);
	assert_int_equal(write_config(&f, 0, 2), KC_REF_REFUSED);
	assert_int_equal(write_config(&f, 1, 2), KC_REF_DONE);
	assert_int_equal(write_config(&f, 1, 4), KC_REF_REFUSED);
	for (unsigned qi = 0; qi < 3; qi++) {
		fx_start(&f, qi, SIZE, 0);
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, qi, 1), KC_REF_DONE);
	}
	add_rooms(&f, 0, 8, 1526);
	memcpy(set + 2, other, 6);
	assert_int_equal(command(&f, 2, set, 8), VIRTIO_NET_OK);
	assert_memory_equal(config(&f), other, 6);
	expect_pass(&f, false, true, false, true);
	fx_close(&f);
}

static void a_reset_forgets_all_commands(void **state)
{
	struct fx f;

	(void)state;
	open_filter(&f, F_RX);
	assert_int_equal(mode(&f, VIRTIO_NET_CTRL_RX_PROMISC, 1), VIRTIO_NET_OK);
	assert_true(comes(&f, other));
	kc_ref_reset_session(f.ref);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_RX), KC_REF_DONE);
	assert_int_equal(fx_mem_table(&f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
	for (unsigned qi = 0; qi < 3; qi++)
		fx_start(&f, qi, SIZE, 0);
	add_rooms(&f, 0, 8, 1526);
	expect_pass(&f, true, false, false, true);
	fx_close(&f);
}

static void what_it_offers_depends_on_its_queues(void **state)
{
	static const struct { unsigned queues; bool control; unsigned pairs; } rows[] = {
		{ 0, true, 2 }, { 2, false, 1 }, { 3, true, 1 }, { 4, false, 2 }, { 64, true, 31 },
	};
	struct kc_ref_config c = { .device = "net", .queues = 1 };
	struct kc_err err;

	(void)state;
	assert_null(kc_ref_new(&c, &err));
	for (unsigned i = 0; i < 5; i++) {
		uint64_t offered;
		struct fx f;

		c.queues = rows[i].queues;
		fx_open_config(&f, &c);
		offered = fx_get_u64(&f, KC_VU_GET_FEATURES);
		assert_int_equal(offered & ~F_COMMON,
				 BIT(CSUM) | BIT(GUEST_CSUM) | BIT(MTU) | BIT(MAC) | F_MRG |
				 BIT(STATUS) | (rows[i].control ? F_MQ | F_RX | BIT(CTRL_VLAN) |
				 BIT(CTRL_MAC_ADDR) | BIT(CTRL_GUEST_OFFLOADS) : 0));
		assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_PF), KC_REF_DONE);
		assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIG)),
				 KC_REF_DONE);
		assert_int_equal(config(&f)[8], rows[i].pairs);
		fx_close(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_comes_back),
		cmocka_unit_test(a_header_has_10_or_12_bytes),
		cmocka_unit_test(what_does_not_fit_the_link_is_dropped),
		cmocka_unit_test(a_line_has_an_end),
		cmocka_unit_test(a_frame_goes_over_several),
		cmocka_unit_test(too_few_are_as_none),
		cmocka_unit_test(too_few_are_no_work_for_who_polls),
		cmocka_unit_test(one_that_is_too_small_keeps_its_buffer),
		cmocka_unit_test(in_order_one_entry_stands_for_all),
		cmocka_unit_test(a_bad_buffer_among_them_breaks_the_ring),
		cmocka_unit_test(what_was_taken_counts_for_the_index),
		cmocka_unit_test(a_packed_ring_does_the_same),
		cmocka_unit_test(packed_asks_for_the_one_behind),
		cmocka_unit_test(packed_in_order_has_one_entry),
		cmocka_unit_test(modes_let_in_and_keep_out),
		cmocka_unit_test(without_ctrl_rx_all_pass),
		cmocka_unit_test(tables_let_in),
		cmocka_unit_test(tags_are_filtered),
		cmocka_unit_test(what_is_no_command_is_refused),
		cmocka_unit_test(only_pairs_in_use_are_used),
		cmocka_unit_test(a_frame_given_up_leaves_its_buffers),
		cmocka_unit_test(another_receiver_is_chosen_or_none),
		cmocka_unit_test(a_disabled_transmitter_sends_to_nobody),
		cmocka_unit_test(a_checksum_is_completed_unless_it_may_stay),
		cmocka_unit_test(an_mtu_is_a_links),
		cmocka_unit_test(the_configuration_is_the_devices),
		cmocka_unit_test(a_reset_forgets_all_commands),
		cmocka_unit_test(what_it_offers_depends_on_its_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
/* The reference back-end's socket device: packets byte by byte, credit, ends, and what it gives
 * no answer. */
#include <tests/unit/ref_fixture.h>

#define RX	0u
#define TX	1u
#define HEAD	44u
#define PACKET	BUFS
#define ROOM	(BUFS + 0x20000)
#define SIZE	512u
#define REQUEST	1u
#define RESPONSE 2u
#define RST	3u
#define SHUTDOWN 4u
#define DATA	5u
#define UPDATE	6u
#define ASK	7u

static uint64_t le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static void put(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void open_device(struct fx *f, uint64_t features)
{
	fx_open(f, "vsock", features);
	fx_start(f, RX, SIZE, 0);
	fx_start(f, TX, SIZE, 0);
}

/* A packet of the guest's from its port `from`, at PACKET: fields may be changed before
 * `transmit`. */
static uint8_t *packet(struct fx *f, uint32_t from, uint32_t to, uint16_t op, uint32_t len)
{
	uint8_t *p = fx_host(f, PACKET);

	memset(p, 0, HEAD);
	put(p, 3, 8);
	put(p + 8, 2, 8);
	put(p + 16, from, 4);
	put(p + 20, to, 4);
	put(p + 24, len, 4);
	put(p + 28, 1, 2);
	put(p + 30, op, 2);
	put(p + 36, 1000, 4);
	for (uint32_t i = 0; i < len; i++)
		p[HEAD + i] = (uint8_t)(i * 7 + len);
	return p;
}

static void transmit(struct fx *f, uint32_t bytes)
{
	uint16_t n = f->q[TX].avail_idx;

	fx_desc(f, TX, 0, PACKET, bytes, 0, 0);
	fx_offer(f, TX, 0);
	fx_kick(f, TX);
	fx_run(f);
	assert_int_equal(fx_used_idx(f, TX), (uint16_t)(n + 1));
	fx_expect_used(f, TX, n, 0, 0);
}

/* One buffer: the length of the packet that came, 0 if none did. It stays offered then. */
static uint32_t receive(struct fx *f, uint32_t room)
{
	uint16_t n = fx_used_idx(f, RX);

	if (n == f->q[RX].avail_idx) {
		fx_desc(f, RX, 0, ROOM, room, RW, 0);
		fx_offer(f, RX, 0);
		fx_kick(f, RX);
		fx_run(f);
	}
	if (fx_used_idx(f, RX) == n)
		return 0;
	return kc_ring_load32(fx_host(f, f->q[RX].used) + kc_used_slot(n & (SIZE - 1)) + 4,
			      __ATOMIC_RELAXED);
}

static void expect(struct fx *f, uint16_t op, uint32_t len)
{
	const uint8_t *p = fx_host(f, ROOM);

	assert_int_equal(receive(f, 4096), HEAD + len);
	assert_int_equal(le(p, 8), 2);
	assert_int_equal(le(p + 8, 8), 3);
	assert_int_equal(le(p + 24, 4), len);
	assert_int_equal(le(p + 30, 2), op);
}

static void connect(struct fx *f, uint32_t from, uint32_t window)
{
	put(packet(f, from, 1234, REQUEST, 0) + 36, window, 4);
	transmit(f, HEAD);
	expect(f, RESPONSE, 0);
	assert_int_equal(le(fx_host(f, ROOM) + 16, 4), 1234);
	assert_int_equal(le(fx_host(f, ROOM) + 20, 4), from);
	assert_int_equal(le(fx_host(f, ROOM) + 36, 4), 16384);
}

static void an_echo(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 0);
	connect(&f, 9, 1000);
	packet(&f, 9, 1234, DATA, 30);
	transmit(&f, HEAD + 35);		/* five bytes behind the payload */
	expect(&f, DATA, 30);
	assert_memory_equal(fx_host(&f, ROOM) + HEAD, fx_host(&f, PACKET) + HEAD, 30);
	assert_int_equal(le(fx_host(&f, ROOM) + 40, 4), 30);
	assert_int_equal(receive(&f, 4096), 0);
	fx_close(&f);
}

static void others_are_reset(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 0);
	packet(&f, 9, 1235, REQUEST, 0);
	transmit(&f, HEAD);
	expect(&f, RST, 0);
	packet(&f, 9, 1234, DATA, 10);
	transmit(&f, HEAD + 10);
	expect(&f, RST, 0);
	put(packet(&f, 9, 1234, REQUEST, 0) + 28, 77, 2);
	transmit(&f, HEAD);
	expect(&f, RST, 0);
	assert_int_equal(le(fx_host(&f, ROOM) + 28, 2), 77);
	connect(&f, 9, 10);
	packet(&f, 9, 1234, 12, 0);		/* an unknown operation */
	transmit(&f, HEAD);
	expect(&f, RST, 0);
	connect(&f, 9, 10);
	packet(&f, 9, 1234, REQUEST, 0);	/* a second time */
	transmit(&f, HEAD);
	expect(&f, RST, 0);
	fx_close(&f);
}

/* Not this guest's, not for the host, not whole, or a reset: nothing comes of it. */
static void what_has_no_answer(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 0);
	put(packet(&f, 9, 1234, REQUEST, 0), 4, 8);
	transmit(&f, HEAD);
	put(packet(&f, 9, 1234, REQUEST, 0) + 8, 7, 8);
	transmit(&f, HEAD);
	packet(&f, 9, 1234, REQUEST, 0);
	transmit(&f, HEAD - 1);
	packet(&f, 9, 1234, REQUEST, 5);
	transmit(&f, HEAD + 4);
	packet(&f, 9, 1234, RST, 0);
	transmit(&f, HEAD);
	put(packet(&f, 9, 1234, RST, 0) + 28, 77, 2);
	transmit(&f, HEAD);
	assert_int_equal(receive(&f, 4096), 0);
	fx_close(&f);
}

static void credit_of_the_guest(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 0);
	connect(&f, 9, 10);
	put(packet(&f, 9, 1234, DATA, 30) + 36, 10, 4);
	transmit(&f, HEAD + 30);
	expect(&f, DATA, 10);
	put(packet(&f, 9, 1234, ASK, 0) + 36, 4, 4);	/* less than is on its way */
	transmit(&f, HEAD);
	expect(&f, UPDATE, 0);
	assert_int_equal(receive(&f, 4096), 0);
	put(packet(&f, 9, 1234, UPDATE, 0) + 36, 15, 4);
	put(fx_host(&f, PACKET) + 40, 10, 4);
	transmit(&f, HEAD);
	assert_int_equal(fx_used_idx(&f, RX), f.q[RX].avail_idx);
	assert_int_equal(le(fx_host(&f, ROOM) + 24, 4), 15);
	assert_int_equal(receive(&f, 4096), 0);
	fx_close(&f);
}

static void credit_of_the_host(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 0);
	connect(&f, 9, 0);
	for (unsigned i = 0; i < 4; i++) {
		put(packet(&f, 9, 1234, DATA, 4096) + 36, 0, 4);
		transmit(&f, HEAD + 4096);
	}
	assert_int_equal(receive(&f, 4096), 0);
	put(packet(&f, 9, 1234, DATA, 1) + 36, 0, 4);
	transmit(&f, HEAD + 1);				/* beyond its store */
	assert_int_equal(fx_used_idx(&f, RX), f.q[RX].avail_idx);
	assert_int_equal(le(fx_host(&f, ROOM) + 30, 2), RST);
	fx_close(&f);
}

static void ends(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 0);
	connect(&f, 9, 10);
	put(packet(&f, 9, 1234, SHUTDOWN, 0) + 32, 1, 4);
	transmit(&f, HEAD);
	packet(&f, 9, 1234, DATA, 20);
	transmit(&f, HEAD + 20);
	assert_int_equal(receive(&f, 4096), 0);		/* it receives no more */
	put(packet(&f, 9, 1234, SHUTDOWN, 0) + 32, 2, 4);
	transmit(&f, HEAD);
	assert_int_equal(le(fx_host(&f, ROOM) + 30, 2), RST);
	connect(&f, 9, 10);
	put(packet(&f, 9, 1234, SHUTDOWN, 0) + 32, 2, 4);
	transmit(&f, HEAD);
	packet(&f, 9, 1234, DATA, 1);			/* though it has said that it sends no more */
	transmit(&f, HEAD + 1);
	expect(&f, RST, 0);
	fx_close(&f);
}

static void messages(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 7);
	put(packet(&f, 9, 1234, REQUEST, 0) + 28, 2, 2);
	transmit(&f, HEAD);
	expect(&f, RESPONSE, 0);
	put(packet(&f, 9, 1234, DATA, 20) + 28, 2, 2);
	transmit(&f, HEAD + 20);
	assert_int_equal(receive(&f, HEAD + 15), 0);	/* not whole yet */
	put(packet(&f, 9, 1234, DATA, 5) + 28, 2, 2);
	put(fx_host(&f, PACKET) + 32, 3, 4);
	transmit(&f, HEAD + 5);
	assert_int_equal(le(fx_host(&f, ROOM) + 24, 4), 15);
	assert_int_equal(le(fx_host(&f, ROOM) + 32, 4), 0);
	expect(&f, DATA, 10);
	assert_int_equal(le(fx_host(&f, ROOM) + 32, 4), 3);
	put(packet(&f, 9, 1234, DATA, 0) + 28, 2, 2);	/* an empty message */
	put(fx_host(&f, PACKET) + 32, 1, 4);
	transmit(&f, HEAD);
	expect(&f, DATA, 0);
	assert_int_equal(le(fx_host(&f, ROOM) + 32, 4), 1);
	fx_close(&f);
}

static void types_are_negotiated(void **state)
{
	static const struct { uint64_t features; uint16_t type, op; } rows[] = {
		{ 0, 1, RESPONSE }, { 0, 2, RST }, { 1, 1, RESPONSE }, { 2, 1, RESPONSE },
		{ 2, 2, RESPONSE }, { 6, 1, RST }, { 6, 2, RESPONSE }, { 7, 1, RESPONSE },
	};
	struct fx f;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		open_device(&f, rows[i].features);
		put(packet(&f, 9, 1234, REQUEST, 0) + 28, rows[i].type, 2);
		transmit(&f, HEAD);
		expect(&f, rows[i].op, 0);
		fx_close(&f);
	}
}

/* However many there are: the guest's packets are carried out, and some answers are lost. */
static void answers_do_not_pile_up(void **state)
{
	unsigned n = 0;
	struct fx f;

	(void)state;
	open_device(&f, 0);
	for (unsigned i = 0; i < 300; i++) {
		packet(&f, 9, 1, REQUEST, 0);
		transmit(&f, HEAD);
	}
	while (receive(&f, HEAD))
		n++;
	assert_int_equal(n, 256);
	fx_close(&f);
}

static void connections_run_out(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 0);
	for (uint32_t i = 0; i < 32; i++)
		connect(&f, i, 10);
	packet(&f, 32, 1234, REQUEST, 0);
	transmit(&f, HEAD);
	expect(&f, RST, 0);
	packet(&f, 5, 1234, RST, 0);
	transmit(&f, HEAD);
	connect(&f, 32, 10);
	fx_close(&f);
}

static void a_buffer_too_small_comes_back_empty(void **state)
{
	struct fx f;

	(void)state;
	open_device(&f, 0);
	packet(&f, 9, 1, REQUEST, 0);
	transmit(&f, HEAD);
	fx_desc(&f, RX, 0, ROOM, HEAD - 1, RW, 0);
	fx_offer(&f, RX, 0);
	fx_kick(&f, RX);
	fx_run(&f);
	fx_expect_used(&f, RX, 0, 0, 0);
	expect(&f, RST, 0);
	fx_close(&f);
}

static void a_reset_ends_all(void **state)
{
	struct kc_msg m;
	struct fx f;

	(void)state;
	open_device(&f, 0);
	connect(&f, 9, 1000);
	kc_ref_reset_session(f.ref);
	assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIG)), KC_REF_DONE);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1), KC_REF_DONE);
	assert_int_equal(fx_mem_table(&f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
	fx_start(&f, RX, SIZE, 0);
	fx_start(&f, TX, SIZE, 0);
	packet(&f, 9, 1234, DATA, 10);
	transmit(&f, HEAD + 10);
	expect(&f, RST, 0);
	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.config.size = 8;
	assert_int_equal(fx_send(&f, &m), KC_REF_REPLY);
	assert_int_equal(le(f.reply.config.data, 8), 3);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_echo),
		cmocka_unit_test(others_are_reset),
		cmocka_unit_test(what_has_no_answer),
		cmocka_unit_test(credit_of_the_guest),
		cmocka_unit_test(credit_of_the_host),
		cmocka_unit_test(ends),
		cmocka_unit_test(messages),
		cmocka_unit_test(types_are_negotiated),
		cmocka_unit_test(answers_do_not_pile_up),
		cmocka_unit_test(connections_run_out),
		cmocka_unit_test(a_buffer_too_small_comes_back_empty),
		cmocka_unit_test(a_reset_ends_all),
	};

	return cmocka_run_group_tests_name("ref_vsock", tests, NULL, NULL);
}

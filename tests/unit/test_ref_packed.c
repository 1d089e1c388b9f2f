// SPDX-License-Identifier: BSD-3-Clause
/*
 * The reference back-end's packed ring, driven by a pen that keeps no rule, on the loopback device:
 * laps and wrap counters, lists and tables, calls and kicks, the base, and that no malformed ring
 * does more harm than to itself.
 */
#include <tests/unit/ref_packed_pen.h>

#define ENABLE	VRING_PACKED_EVENT_FLAG_ENABLE
#define DISABLE	VRING_PACKED_EVENT_FLAG_DISABLE
#define DESC	VRING_PACKED_EVENT_FLAG_DESC
#define TBL	(BUFS + 0x1000)

static void kick_and_run(struct pen *p)
{
	fx_kick(p->f, p->qi);
	fx_run(p->f);
}

/* ---- rings ---- */

static void copies_and_reports(void **state)
{
	struct kc_pdesc second;
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 8, 0, true);
	memcpy(fx_host(&f, BUFS), "ping", 4);
	pen_put(&p, BUFS, 4, NEXT, 0xffff);
	pen_put(&p, BUFS + 32, 4, RW, 7);
	second = pen_read(&p, 1);
	kick_and_run(&p);
	pen_expect_used(&p, 2, 7, 4);
	assert_memory_equal(fx_host(&f, BUFS + 32), "ping", 4);
	assert_int_equal(fx_count(f.q[0].call), 1);
	assert_int_equal(fx_count(f.q[0].kick), 0);	/* drained */
	assert_int_equal(pen_read(&p, 0).addr, BUFS);	/* not the device's to write */
	assert_int_equal(pen_read(&p, 1).flags, second.flags);
	assert_int_equal(pen_read(&p, 1).id, second.id);
	assert_int_equal(pen_read(&p, 1).len, second.len);
	assert_int_equal(get_packed_base(&f, 0), base_code(2, true, 2, true));
	fx_close(&f);
}

/* Nothing was written: WRITE is clear, whether there was room or not. */
static void write_flag_tells_of_bytes(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 8, 0, true);
	pen_put(&p, BUFS, 4, 0, 1);
	pen_put(&p, BUFS, 4, RW, 2);
	pen_list(&p, 2, 4, 3);
	kick_and_run(&p);
	pen_expect_used(&p, 1, 1, 0);
	pen_expect_used(&p, 1, 2, 0);
	pen_expect_used(&p, 2, 3, 4);
	fx_close(&f);
}

/* A ring of zeroes offers nothing on either lap, and a used descriptor is not available again. */
static void nothing_is_available(void **state)
{
	(void)state;
	for (int wrap = 0; wrap < 2; wrap++) {
		struct pen p;
		struct fx f;

		fx_open(&f, "loopback", F_PACKED);
		pen_start(&p, &f, 0, 4, 0, wrap);
		kick_and_run(&p);
		assert_int_equal(get_packed_base(&f, 0), base_code(0, wrap, 0, wrap));
		pen_start(&p, &f, 0, 1, 0, wrap);
		pen_put(&p, BUFS, 4, 0, 5);
		kick_and_run(&p);
		kick_and_run(&p);
		pen_expect_used(&p, 1, 5, 0);
		assert_int_equal(get_packed_base(&f, 0), base_code(0, !wrap, 0, !wrap));
		assert_int_equal(fx_count(f.q[0].err), 0);
		fx_close(&f);
	}
}

/* Lists of every length up to the ring's, from every slot: each wraps somewhere. */
static void laps_of_all_sizes(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 5, 7, 8, 100 };

	(void)state;
	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint32_t size = sizes[s];
		struct pen p;
		struct fx f;

		fx_open(&f, "loopback", F_PACKED);
		pen_start(&p, &f, 0, size, 0, true);
		for (uint32_t turn = 0; turn < 8 * size; turn++) {
			uint32_t n = turn % size + 1;

			pen_list(&p, n, 4, (uint16_t)turn);
			kick_and_run(&p);
			pen_expect_used(&p, n, (uint16_t)turn, n > 1 ? 4 : 0);
		}
		assert_int_equal(fx_count(f.q[0].err), 0);
		assert_int_equal(get_packed_base(&f, 0),
				 base_code(p.slot, p.wrap, p.slot, p.wrap));
		fx_close(&f);
	}
}

static void full_ring_at_each_turn(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 5, 3, false);
	for (unsigned turn = 0; turn < 6; turn++) {
		for (uint16_t i = 0; i < 5; i++)
			pen_put(&p, BUFS, 4, RW, i);
		kick_and_run(&p);
		for (uint16_t i = 0; i < 5; i++)
			pen_expect_used(&p, 1, i, 0);
	}
	fx_close(&f);
}

static void one_list_over_the_largest_ring(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 1, 32768, 20000, true);
	for (uint32_t i = 0; i < 32768; i++)
		pen_put(&p, BUFS + i % 16384, 1, (i < 16384 ? 0 : RW) | (i < 32767 ? NEXT : 0), 9);
	kick_and_run(&p);
	pen_expect_used(&p, 32768, 9, 16384);
	assert_int_equal(get_packed_base(&f, 1), base_code(20000, false, 20000, false));
	fx_close(&f);
}

/* ---- indirect tables ---- */

/* An unaligned table across the border of two regions, full of flags and ids without a meaning, and
 * a direct list between two tables. */
static void tables_and_lists_in_one_ring(void **state)
{
	uint64_t table = BORDER - 23;
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED | F_IND);
	pen_start(&p, &f, 0, 3, 1, true);
	memcpy(fx_host(&f, BUFS), "abcdefg", 7);
	for (unsigned turn = 0; turn < 3; turn++) {
		memset(fx_host(&f, BORDER + 0x1000), 0xee, 8);
		pen_desc_at(&f, table, (struct kc_pdesc){ BUFS, 3, 77, NEXT | KC_PDESC_F_USED });
		pen_desc_at(&f, table + 16, (struct kc_pdesc){ BUFS + 3, 4, 78, IND });
		pen_desc_at(&f, table + 32, (struct kc_pdesc){ BORDER + 0x1000, 7, 0xffff,
							       RW | NEXT | IND | 0x7f78 });
		pen_put(&p, table, 48, IND | RW, (uint16_t)(500 + turn));
		kick_and_run(&p);
		pen_expect_used(&p, 1, (uint16_t)(500 + turn), 7);
		assert_memory_equal(fx_host(&f, BORDER + 0x1000), "abcdefg\xee", 8);
		pen_list(&p, 2, 4, 9);
		kick_and_run(&p);
		pen_expect_used(&p, 2, 9, 4);
	}
	fx_close(&f);
}

/* The text leaves the length of a table to the device. */
static void table_longer_than_the_ring(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED | F_IND);
	pen_start(&p, &f, 0, 1, 0, true);
	for (uint32_t i = 0; i < 32768; i++)
		pen_desc_at(&f, fx_regions[0].gpa + 0x80000 + 16 * i,
			    (struct kc_pdesc){ BUFS, 1, 0, i < 16384 ? 0 : RW });
	pen_put(&p, fx_regions[0].gpa + 0x80000, 16 * 32768, IND, 3);
	kick_and_run(&p);
	pen_expect_used(&p, 1, 3, 16384);
	assert_int_equal(fx_count(f.q[0].err), 0);
	fx_close(&f);
}

/* ---- malformed rings ---- */

static void loop_over_the_whole_ring(struct pen *p)
{
	for (int i = 0; i < 8; i++)
		pen_put(p, BUFS, 0, NEXT, 0);
}

static void goes_on_into_nothing(struct pen *p)
{
	pen_put(p, BUFS, 4, NEXT, 0);
}

/* What the last lap left there is not available on this one. */
static void goes_on_into_the_last_lap(struct pen *p)
{
	pen_put(p, BUFS, 4, NEXT, 0);
	p->wrap = !p->wrap;
	pen_put(p, BUFS, 4, RW, 0);
}

static void readable_after_writable(struct pen *p)
{
	pen_put(p, BUFS, 0, RW | NEXT, 0);
	pen_put(p, BUFS, 4, 0, 0);
}

static void outside(struct pen *p)
{
	pen_put(p, 0x10, 4, RW, 0);
}

static void one_byte_outside(struct pen *p)
{
	pen_put(p, MEM_END - 4, 5, RW, 0);
}

static void address_wraps(struct pen *p)
{
	pen_put(p, UINT64_MAX - 3, 0x200000, RW, 0);
}

static void good_table(struct pen *p)
{
	pen_desc_at(p->f, TBL, (struct kc_pdesc){ BUFS, 4, 0, RW });
}

static void table_in_a_list(struct pen *p)
{
	good_table(p);
	pen_put(p, BUFS, 4, NEXT, 0);
	pen_put(p, TBL, 16, IND, 0);
}

static void table_and_next(struct pen *p)
{
	good_table(p);
	pen_put(p, TBL, 16, IND | NEXT, 0);
	pen_put(p, BUFS, 4, RW, 0);
}

static void table_of_nothing(struct pen *p)
{
	good_table(p);
	pen_put(p, TBL, 0, IND, 0);
}

static void table_of_odd_length(struct pen *p)
{
	good_table(p);
	pen_put(p, TBL, 24, IND, 0);
}

static void table_of_boundless_length(struct pen *p)
{
	good_table(p);
	pen_put(p, TBL, 0xfffffff0, IND, 0);
}

static void table_outside(struct pen *p)
{
	pen_desc_at(p->f, MEM_END - 16, (struct kc_pdesc){ BUFS, 4, 0, RW });
	pen_put(p, MEM_END - 16, 32, IND, 0);
}

static void buffer_of_a_table_outside(struct pen *p)
{
	pen_desc_at(p->f, TBL, (struct kc_pdesc){ MEM_END, 4, 0, RW });
	pen_put(p, TBL, 16, IND, 0);
}

static void readable_after_writable_in_a_table(struct pen *p)
{
	pen_desc_at(p->f, TBL, (struct kc_pdesc){ BUFS, 4, 0, RW });
	pen_desc_at(p->f, TBL + 16, (struct kc_pdesc){ BUFS, 4, 0, 0 });
	pen_put(p, TBL, 32, IND, 0);
}

static void more_than_four_gib(struct pen *p)
{
	uint64_t table = fx_regions[0].gpa + 0x80000;

	for (uint32_t i = 0; i < 2049; i++)
		pen_desc_at(p->f, table + 16 * i,
			    (struct kc_pdesc){ fx_regions[0].gpa, 0x200000, 0, 0 });
	pen_put(p, table, 16 * 2049, IND, 0);
}

static const struct malformed {
	const char *name;
	void (*write)(struct pen *p);
} malformed[] = {
	{ "loop_over_the_whole_ring", loop_over_the_whole_ring },
	{ "goes_on_into_nothing", goes_on_into_nothing },
	{ "goes_on_into_the_last_lap", goes_on_into_the_last_lap },
	{ "readable_after_writable", readable_after_writable },
	{ "outside", outside },
	{ "one_byte_outside", one_byte_outside },
	{ "address_wraps", address_wraps },
	{ "table_in_a_list", table_in_a_list },
	{ "table_and_next", table_and_next },
	{ "table_of_nothing", table_of_nothing },
	{ "table_of_odd_length", table_of_odd_length },
	{ "table_of_boundless_length", table_of_boundless_length },
	{ "table_outside", table_outside },
	{ "buffer_of_a_table_outside", buffer_of_a_table_outside },
	{ "readable_after_writable_in_a_table", readable_after_writable_in_a_table },
	{ "more_than_four_gib", more_than_four_gib },
};

/* After an error: told once, nothing used, left alone, the other ring serves, a restart heals. */
static void expect_broken(struct pen *p, struct pen *other)
{
	struct fx *f = p->f;

	kick_and_run(p);
	assert_int_equal(fx_count(f->q[0].err), 1);
	assert_false(pen_is_used(p));
	fx_kick(f, 0);
	assert_int_equal(kc_ref_step(f->ref), 0);
	assert_int_equal(fx_count(f->q[0].err), 0);
	assert_int_equal(fx_count(f->q[0].call), 0);

	pen_list(other, 2, 4, 3);
	kick_and_run(other);
	pen_expect_used(other, 2, 3, 4);

	/* The bad chain was not taken. */
	assert_int_equal(get_packed_base(f, 0), base_code(p->used_slot, p->used_wrap,
							  p->used_slot, p->used_wrap));
	pen_start(p, f, 0, 8, 0, true);
	pen_list(p, 2, 4, 1);
	fx_run(f);
	pen_expect_used(p, 2, 1, 4);
}

/* On the first lap, and where a list runs over the end of the second one. */
static void malformed_list_breaks_its_ring_only(void **state)
{
	const struct malformed *m = *state;

	for (int second = 0; second < 2; second++) {
		struct pen p, other;
		struct fx f;

		fx_open(&f, "loopback", F_PACKED | F_IND);
		pen_start(&p, &f, 0, 8, second ? 7 : 0, !second);
		pen_start(&other, &f, 1, 8, 0, true);
		m->write(&p);
		expect_broken(&p, &other);
		fx_close(&f);
	}
}

static void table_not_negotiated(void **state)
{
	struct pen p, other;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 8, 0, true);
	pen_start(&other, &f, 1, 8, 0, true);
	good_table(&p);
	pen_put(&p, TBL, 16, IND, 0);
	expect_broken(&p, &other);
	fx_close(&f);
}

/* An id is the driver's own affair, and an empty buffer lies nowhere. */
static void ids_and_empty_buffers_are_not_judged(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 4, 0, true);
	pen_put(&p, UINT64_MAX, 0, NEXT, 0xffff);
	pen_put(&p, 0, 0, RW, 0xffff);
	pen_put(&p, BUFS, 4, 0, 0xffff);
	kick_and_run(&p);
	pen_expect_used(&p, 2, 0xffff, 0);
	pen_expect_used(&p, 1, 0xffff, 0);
	assert_int_equal(fx_count(f.q[0].err), 0);
	fx_close(&f);
}

/* ---- calls ---- */

static void flags_decide_calls(void **state)
{
	static const struct {
		uint64_t features;
		uint16_t off_wrap, flags;
		unsigned calls;
	} rows[] = {
		{ 0, 0, ENABLE, 1 },
		{ 0, 0xffff, ENABLE, 1 },	/* without EVENT_IDX the place means nothing */
		{ 0, 0, DISABLE, 0 },
		{ 0, 0x8003, DISABLE, 0 },
		{ F_EVT, 0x7fff, ENABLE, 1 },
		{ F_EVT, 0x8003, DISABLE, 0 },
		/* What no driver should say costs one call too many, never one too few. */
		{ 0, 0x8002, DESC, 1 },	/* passed long ago */
		{ 0, 0, 3, 1 },
		{ F_EVT, 0, 3, 1 },
		/* Reserved bits say nothing. */
		{ 0, 0, 0xfffc | DISABLE, 0 },
		{ 0, 0, 0xfffc | ENABLE, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pen p;
		struct fx f;

		fx_open(&f, "loopback", F_PACKED | rows[i].features);
		pen_start(&p, &f, 0, 4, 2, true);
		pen_list(&p, 1, 4, 0);	/* the first decision may be of another kind */
		kick_and_run(&p);
		fx_count(f.q[0].call);
		pen_wish(&p, rows[i].off_wrap, rows[i].flags);
		pen_list(&p, 2, 4, 0);
		kick_and_run(&p);
		assert_int_equal(fx_count(f.q[0].call), rows[i].calls);
		fx_close(&f);
	}
}

/* A ring of 5 that has gone through `from` slots; then a list of n, with the event at every place
 * there is. Places are numbered over two laps. */
static void expect_call_where_due(struct fx *f, uint32_t from, uint32_t n)
{
	enum { SIZE = 5 };

	for (uint32_t event = 0; event < 2 * SIZE; event++) {
		uint32_t first = (from + 2 * SIZE - 1) % (2 * SIZE);
		bool due = (event + 2 * SIZE - from) % (2 * SIZE) < n;
		struct pen p;

		pen_start(&p, f, 0, SIZE, (uint16_t)(first % SIZE), first < SIZE);
		pen_list(&p, 1, 4, 0);	/* the first call after a start is free */
		kick_and_run(&p);
		pen_wish(&p, place_code((uint16_t)(event % SIZE), event < SIZE), DESC);
		fx_count(f->q[0].call);
		pen_list(&p, n, 4, 0);
		kick_and_run(&p);
		assert_int_equal(fx_count(f->q[0].call), due);
		fx_get_base(f, 0);
	}
}

static void event_decides_calls(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED | F_EVT);
	for (uint32_t from = 0; from < 10; from++)
		for (uint32_t n = 1; n <= 5; n++)
			expect_call_where_due(&f, from, n);
	fx_close(&f);
}

/* The first call after a start is sent wherever the event is, and a place beyond the ring harms
 * nobody. */
static void first_call_is_free_at_each_start(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED | F_EVT);
	for (uint32_t off_wrap = 0; off_wrap < 0x10000; off_wrap += 0xfff) {
		struct pen p;

		pen_start(&p, &f, 0, 7, 0, true);
		pen_wish(&p, (uint16_t)off_wrap, DESC);
		pen_list(&p, 2, 4, 0);
		kick_and_run(&p);
		assert_int_equal(fx_count(f.q[0].call), 1);
		pen_expect_used(&p, 2, 0, 4);
		pen_list(&p, 7, 4, 1);
		kick_and_run(&p);
		pen_expect_used(&p, 7, 1, 4);
		fx_get_base(&f, 0);
		fx_count(f.q[0].call);
	}
	fx_close(&f);
}

/* ---- kicks ---- */

static void device_area_without_event_idx(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 8, 0, true);
	fx_run(&f);
	pen_expect_device(&p, 0, ENABLE);
	pen_list(&p, 2, 4, 0);
	pen_list(&p, 2, 4, 1);
	fx_kick(&f, 0);
	assert_int_equal(kc_ref_step(f.ref), 1);
	pen_expect_used(&p, 2, 0, 4);		/* one chain a step */
	assert_false(pen_is_used(&p));
	pen_expect_device(&p, 0, DISABLE);
	pen_list(&p, 2, 4, 2);			/* no kick is due, and none is needed */
	fx_run(&f);
	pen_expect_used(&p, 2, 1, 4);
	pen_expect_used(&p, 2, 2, 4);
	pen_expect_device(&p, 0, ENABLE);
	fx_close(&f);
}

static void device_area_with_event_idx(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED | F_EVT);
	pen_start(&p, &f, 0, 5, 3, true);
	fx_run(&f);
	pen_expect_device(&p, place_code(3, true), DESC);
	pen_list(&p, 1, 4, 0);
	kick_and_run(&p);
	pen_expect_device(&p, place_code(4, true), DESC);
	pen_list(&p, 3, 4, 0);
	kick_and_run(&p);
	pen_expect_device(&p, place_code(2, false), DESC);
	pen_list(&p, 1, 4, 0);
	pen_list(&p, 2, 4, 0);
	fx_kick(&f, 0);
	kc_ref_step(f.ref);
	pen_expect_device(&p, 0, DISABLE);
	fx_run(&f);
	pen_expect_device(&p, place_code(0, true), DESC);
	fx_close(&f);
}

static void stop_while_busy_leaves_kicks_on(void **state)
{
	(void)state;
	for (int evt = 0; evt < 2; evt++) {
		struct pen p;
		struct fx f;

		fx_open(&f, "loopback", F_PACKED | (evt ? F_EVT : 0));
		pen_start(&p, &f, 0, 8, 0, true);
		pen_list(&p, 2, 4, 0);
		pen_list(&p, 2, 4, 0);
		kc_ref_step(f.ref);
		assert_int_equal(get_packed_base(&f, 0), base_code(2, true, 2, true));
		pen_expect_device(&p, evt ? place_code(2, true) : 0, evt ? DESC : ENABLE);
		fx_close(&f);
	}
}

/* EVENT_IDX switched while the ring runs; the layout is the one of the start. */
static void features_toggle_at_run_time(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 8, 0, true);
	pen_list(&p, 2, 4, 0);
	kick_and_run(&p);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_EVT), KC_REF_DONE);
	fx_run(&f);
	pen_expect_device(&p, place_code(2, true), DESC);
	pen_list(&p, 2, 4, 1);
	kick_and_run(&p);
	pen_expect_used(&p, 2, 0, 4);
	pen_expect_used(&p, 2, 1, 4);
	assert_int_equal(get_packed_base(&f, 0), base_code(4, true, 4, true));
	assert_int_equal(fx_get_base(&f, 0), 0);	/* stopped, it is a split ring */
	fx_close(&f);
}

/* ---- life ---- */

static void base_goes_round(void **state)
{
	static const uint32_t bases[] = { 0x80008000, 0, 0x00028002, 0x80000003, 0x00038001 };
	struct fx f;
	struct pen p;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	assert_int_equal(get_packed_base(&f, 0), 0x80008000);	/* of a ring never set */
	for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		pen_set_up(&p, &f, 0, 4, 0, true);
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_BASE, 0, bases[i]), KC_REF_DONE);
		assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_BASE, 0, 0), KC_REF_REFUSED);
		fx_run(&f);
		assert_int_equal(get_packed_base(&f, 0), bases[i]);
	}
	fx_close(&f);
}

/* The used side lags: two chains that somebody else took are never returned, and what comes now is
 * returned from where they lie. */
static void used_side_has_its_own_place(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_set_up(&p, &f, 0, 4, 1, false);
	p.used_slot = 3;
	p.used_wrap = true;
	fx_state(&f, KC_VU_SET_VRING_BASE, 0, base_code(1, false, 3, true));
	fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick);
	pen_list(&p, 2, 4, 6);
	kick_and_run(&p);
	pen_expect_used(&p, 2, 6, 4);
	assert_int_equal(get_packed_base(&f, 0), base_code(3, false, 1, false));
	fx_close(&f);
}

static void base_beyond_the_ring_refuses_the_start(void **state)
{
	static const uint32_t bad[] = { 0x80008005, 0x80058000, 0xffffffff, 0x00007fff };
	struct fx f;
	struct pen p;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_set_up(&p, &f, 0, 5, 0, true);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_BASE, 0, bad[i]), KC_REF_DONE);
		assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick),
				 KC_REF_REFUSED);
		assert_true(kc_evfd_is_last(f.q[0].kick));
		assert_int_equal(fx_run(&f), 0);
	}
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_BASE, 0, 0x80048004), KC_REF_DONE);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_close(&f);
}

static void size_need_not_be_a_power_of_two(void **state)
{
	static const uint32_t good[] = { 1, 3, 6, 100, 32767, 32768 };
	static const uint32_t bad[] = { 0, 32769, 65536, 0x10008, UINT32_MAX };
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, bad[i]), KC_REF_REFUSED);
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, good[i]), KC_REF_DONE);
	/* The layout that counts is the one at the start. */
	pen_set_up(&p, &f, 0, 6, 0, true);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1), KC_REF_DONE);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_REFUSED);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_PACKED), KC_REF_DONE);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_close(&f);
}

static void addresses(void **state)
{
	uint64_t d = fx_uva(BUFS), end = fx_regions[0].uva + fx_regions[0].size;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	fx_state(&f, KC_VU_SET_VRING_NUM, 0, 7);	/* 112 bytes */
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 112, d + 116), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 0, end - 112, d, d + 4), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 0, end - 96, d, d + 4), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d + 8, d + 200, d + 204), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, end - 4, d + 204), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, end - 2, d + 204), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, end, d + 204), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 202, d + 208), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 200, end - 4), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 200, end - 2), KC_REF_REFUSED);
	fx_close(&f);
}

/* Stopped, nothing is written and nobody called; then the ring goes on from its base, and after
 * that it starts anew with another size, at another place. */
static void stop_restart_and_reset(void **state)
{
	static uint8_t before[FILE_BYTES];
	struct fx f;
	struct pen p;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 5, 0, true);
	for (uint16_t i = 0; i < 4; i++)
		pen_put(&p, BUFS, 4, RW, i);
	kc_ref_step(f.ref);
	assert_int_equal(get_packed_base(&f, 0), base_code(1, true, 1, true));
	fx_count(f.q[0].call);
	memcpy(before, f.file, FILE_BYTES);
	fx_kick(&f, 0);
	assert_int_equal(fx_run(&f), 0);
	assert_memory_equal(before, f.file, FILE_BYTES);
	assert_int_equal(fx_count(f.q[0].call), 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_run(&f);
	for (uint16_t i = 0; i < 4; i++)
		pen_expect_used(&p, 1, i, 0);
	assert_int_equal(get_packed_base(&f, 0), base_code(4, true, 4, true));
	pen_start(&p, &f, 0, 3, 0, true);
	pen_list(&p, 2, 4, 8);
	fx_run(&f);
	pen_expect_used(&p, 2, 8, 4);
	fx_close(&f);
}

static void disabled_ring_waits(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED | F_PF);
	pen_start(&p, &f, 0, 5, 0, true);
	pen_list(&p, 2, 4, 8);
	kick_and_run(&p);
	assert_false(pen_is_used(&p));
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1), KC_REF_DONE);
	fx_run(&f);
	pen_expect_used(&p, 2, 8, 4);
	fx_close(&f);
}

static void ring_moves_while_it_runs(void **state)
{
	struct pen p;
	struct fx f;
	uint8_t left[0x1000];
	uint64_t old;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 5, 4, false);
	pen_list(&p, 1, 4, 1);
	fx_run(&f);
	pen_expect_used(&p, 1, 1, 0);
	old = f.q[0].desc;
	memcpy(left, fx_host(&f, old), sizeof(left));
	memcpy(fx_host(&f, old + sizeof(left)), left, sizeof(left));
	f.q[0].desc += 0x1000;
	f.q[0].avail += 0x1000;
	f.q[0].used += 0x1000;
	assert_int_equal(fx_addr(&f, 0), KC_REF_DONE);
	pen_list(&p, 2, 4, 2);
	kick_and_run(&p);
	pen_expect_used(&p, 2, 2, 4);
	assert_memory_equal(fx_host(&f, old), left, sizeof(left));
	fx_close(&f);
}

static void ring_outside_memory_is_broken(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_start(&p, &f, 0, 5, 0, true);
	fx_run(&f);
	assert_int_equal(fx_mem_table(&f, &fx_regions[1], 1, 1), KC_REF_DONE);
	assert_int_equal(fx_count(f.q[0].err), 1);
	pen_list(&p, 2, 4, 2);
	kick_and_run(&p);
	assert_false(pen_is_used(&p));
	assert_int_equal(fx_mem_table(&f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
	assert_int_equal(get_packed_base(&f, 0), base_code(0, true, 0, true));
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_run(&f);
	pen_expect_used(&p, 2, 2, 4);
	fx_close(&f);
}

/* Without a kick fd the ring is polled; without a call fd nothing is signalled; all is served. */
static void polled_ring_without_call(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PACKED);
	pen_set_up(&p, &f, 0, 5, 0, true);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_CALL, 0, NULL), KC_REF_DONE);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, NULL), KC_REF_DONE);
	fx_run(&f);
	pen_list(&p, 2, 4, 2);
	fx_run(&f);
	pen_expect_used(&p, 2, 2, 4);
	assert_int_equal(fx_count(f.q[0].call), 0);
	fx_close(&f);
}

int main(void)
{
	enum { NMALFORMED = sizeof(malformed) / sizeof(malformed[0]) };
	struct CMUnitTest bad[NMALFORMED];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_and_reports),
		cmocka_unit_test(write_flag_tells_of_bytes),
		cmocka_unit_test(nothing_is_available),
		cmocka_unit_test(laps_of_all_sizes),
		cmocka_unit_test(full_ring_at_each_turn),
		cmocka_unit_test(one_list_over_the_largest_ring),
		cmocka_unit_test(tables_and_lists_in_one_ring),
		cmocka_unit_test(table_longer_than_the_ring),
		cmocka_unit_test(table_not_negotiated),
		cmocka_unit_test(ids_and_empty_buffers_are_not_judged),
		cmocka_unit_test(flags_decide_calls),
		cmocka_unit_test(event_decides_calls),
		cmocka_unit_test(first_call_is_free_at_each_start),
		cmocka_unit_test(device_area_without_event_idx),
		cmocka_unit_test(device_area_with_event_idx),
		cmocka_unit_test(stop_while_busy_leaves_kicks_on),
		cmocka_unit_test(features_toggle_at_run_time),
		cmocka_unit_test(base_goes_round),
		cmocka_unit_test(used_side_has_its_own_place),
		cmocka_unit_test(base_beyond_the_ring_refuses_the_start),
		cmocka_unit_test(size_need_not_be_a_power_of_two),
		cmocka_unit_test(addresses),
		cmocka_unit_test(stop_restart_and_reset),
		cmocka_unit_test(disabled_ring_waits),
		cmocka_unit_test(ring_moves_while_it_runs),
		cmocka_unit_test(ring_outside_memory_is_broken),
		cmocka_unit_test(polled_ring_without_call),
	};

	for (int i = 0; i < NMALFORMED; i++)
		bad[i] = (struct CMUnitTest){
			.name = malformed[i].name,
			.test_func = malformed_list_breaks_its_ring_only,
			.initial_state = (void *)&malformed[i],
		};
	return cmocka_run_group_tests(bad, NULL, NULL) + cmocka_run_group_tests(tests, NULL, NULL);
}

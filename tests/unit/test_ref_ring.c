// SPDX-License-Identifier: BSD-3-Clause
/*
 * Modules: backend/reference/ref_chain.c, backend/reference/ref_loopback.c,
 *          backend/reference/ref_ring.c, backend/reference/ref_split.c
 *
 * The reference back-end's split ring, driven by a pen that keeps no rule, on the loopback device:
 * what it copies and reports, when it calls and asks for kicks, and that no malformed ring does
 * more harm than to itself.
 */
#include <tests/unit/ref_fixture.h>

#define BAD_GPA		0x3ffff0ull	/* in the gap before region 1; its end touches it */

/* Head 0: 4 bytes out, 4 bytes in, at the buffers' i-th place. */
static void offer_copy(struct fx *f, unsigned qi, unsigned i)
{
	uint16_t head = (uint16_t)(2 * i);

	memcpy(fx_host(f, BUFS + 64 * i), "ping", 4);
	memset(fx_host(f, BUFS + 64 * i + 32), 0xee, 4);
	fx_desc(f, qi, head, BUFS + 64 * i, 4, NEXT, head + 1);
	fx_desc(f, qi, head + 1, BUFS + 64 * i + 32, 4, RW, 0);
	fx_offer(f, qi, head);
}

static void copies_and_reports(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	offer_copy(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_expect_used(&f, 0, 0, 0, 4);
	assert_memory_equal(fx_host(&f, BUFS + 32), "ping", 4);
	assert_int_equal(fx_count(f.q[0].call), 1);
	assert_int_equal(fx_count(f.q[0].kick), 0);	/* drained */
	assert_int_equal(kc_ref_step(f.ref), 0);
	fx_close(&f);
}

/* Out 10 and in 4, then out 2 and in 7, no out, no in: the smaller side counts. */
static void length_is_the_smaller_side(void **state)
{
	static const struct { uint32_t out, in, used; } rows[] = {
		{ 10, 4, 4 }, { 2, 7, 2 }, { 0, 5, 0 }, { 5, 0, 0 },
	};
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 4, 0);
	for (unsigned i = 0; i < 4; i++) {
		memset(fx_host(&f, BUFS), 0x11, 16);
		memset(fx_host(&f, BUFS + 32), 0xee, 16);
		fx_desc(&f, 0, 0, BUFS, rows[i].out, NEXT, 1);
		fx_desc(&f, 0, 1, BUFS + 32, rows[i].in, RW, 0);
		fx_offer(&f, 0, 0);
		fx_kick(&f, 0);
		fx_run(&f);
		fx_expect_used(&f, 0, (uint16_t)i, 0, rows[i].used);
		assert_int_equal(*fx_host(&f, BUFS + 32 + rows[i].in), 0xee);
	}
	fx_close(&f);
}

static void starts_without_a_kick_and_honours_base(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_set_up(&f, 1, 4, 65535);
	/* The base is the avail side's alone: used goes on from where memory says. */
	kc_ring_store16(fx_host(&f, f.q[1].used) + KC_USED_IDX, 77, __ATOMIC_RELAXED);
	offer_copy(&f, 1, 0);
	offer_copy(&f, 1, 1);
	fx_evfd(&f, KC_VU_SET_VRING_KICK, 1, f.q[1].kick);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 1), 79);
	fx_expect_used(&f, 1, 77, 0, 4);
	fx_expect_used(&f, 1, 78, 2, 4);
	assert_int_equal(fx_get_base(&f, 1), 1);	/* 65535 + 2 */
	fx_close(&f);
}

/* Both indices go once around, on a ring that is full at each turn. */
static void wraps_and_full_ring(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 4, 65520);
	for (unsigned turn = 0; turn < 8; turn++) {
		for (uint16_t i = 0; i < 4; i++) {
			fx_desc(&f, 0, i, BUFS + 16 * i, 8, RW, 0);
			fx_offer(&f, 0, i);
		}
		fx_kick(&f, 0);
		fx_run(&f);
		assert_int_equal(fx_used_idx(&f, 0), (uint16_t)(65520 + 4 * (turn + 1)));
		for (uint16_t i = 0; i < 4; i++)
			fx_expect_used(&f, 0, (uint16_t)(65520 + 4 * turn + i), i, 0);
	}
	fx_close(&f);
}

static void size_one_and_largest(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_IND);
	fx_start(&f, 0, 1, 0);
	fx_desc(&f, 0, 0, BUFS + 64, 16, IND, 0);
	fx_desc_at(&f, BUFS + 64, BUFS, 8, RW, 0);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);

	fx_start(&f, 1, 32768, 0);
	for (uint32_t i = 0; i < 32768; i++)	/* one chain of the whole table, a byte each */
		fx_desc(&f, 1, i, BUFS + i % 16384, 1,
			(i < 16384 ? 0 : RW) | (i < 32767 ? NEXT : 0), (uint16_t)(i + 1));
	fx_offer(&f, 1, 0);
	fx_kick(&f, 1);
	fx_run(&f);
	fx_expect_used(&f, 1, 0, 0, 16384);
	fx_close(&f);
}

/* An unaligned table across the border of two regions, after two direct descriptors, with buffers
 * across the border as well; WRITE on the indirect descriptor has no meaning. */
static void direct_then_indirect_across_regions(void **state)
{
	struct fx f;
	uint64_t table = BORDER - 23;

	(void)state;
	fx_open(&f, "loopback", F_IND);
	fx_start(&f, 0, 8, 0);
	memcpy(fx_host(&f, BUFS), "abc", 3);
	memcpy(fx_host(&f, BUFS + 16), "def", 3);
	fx_desc(&f, 0, 5, BUFS, 3, NEXT, 2);
	fx_desc(&f, 0, 2, BUFS + 16, 3, NEXT, 7);
	fx_desc(&f, 0, 7, table, 48, IND | RW, 0);
	fx_desc_at(&f, table, BUFS + 32, 1, NEXT, 2);	/* entry 1 is not used */
	fx_desc_at(&f, table + 32, BORDER + 0x1000, 7, RW, 0);
	memcpy(fx_host(&f, BUFS + 32), "g", 1);
	fx_offer(&f, 0, 5);
	fx_kick(&f, 0);
	fx_run(&f);
	fx_expect_used(&f, 0, 0, 5, 7);
	assert_memory_equal(fx_host(&f, BORDER + 0x1000), "abcdefg", 7);

	fx_desc(&f, 0, 0, BUFS, 6, NEXT, 1);
	fx_desc(&f, 0, 1, BORDER - 2, 6, RW, 0);
	memcpy(fx_host(&f, BUFS), "123456", 6);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	fx_expect_used(&f, 0, 1, 0, 6);
	assert_memory_equal(fx_host(&f, BORDER - 2), "12", 2);
	assert_memory_equal(fx_host(&f, BORDER), "3456", 4);
	fx_close(&f);
}

static void last_byte_of_memory(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 2, 0);
	fx_desc(&f, 0, 0, BUFS, 4, NEXT, 1);
	fx_desc(&f, 0, 1, MEM_END - 4, 4, RW, 0);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	fx_expect_used(&f, 0, 0, 0, 4);
	assert_int_equal(fx_count(f.q[0].err), 0);
	fx_close(&f);
}

/* ---- malformed rings ---- */

#define TBL	(BUFS + 0x1000)

static void loop_of_two(struct fx *f)
{
	fx_desc(f, 0, 0, BUFS, 0, NEXT, 1);
	fx_desc(f, 0, 1, BUFS, 0, NEXT, 0);
}

static void next_too_large(struct fx *f)
{
	fx_desc(f, 0, 0, BUFS, 4, NEXT, 8);
}

static void readable_after_writable(struct fx *f)
{
	fx_desc(f, 0, 0, BUFS, 0, RW | NEXT, 1);
	fx_desc(f, 0, 1, BUFS + 64, 4, 0, 0);
}

static void outside(struct fx *f)
{
	fx_desc(f, 0, 0, 0x10, 4, RW, 0);
}

static void one_byte_outside(struct fx *f)
{
	fx_desc(f, 0, 0, MEM_END - 4, 5, RW, 0);
}

static void begins_in_gap(struct fx *f)
{
	fx_desc(f, 0, 0, BAD_GPA, 0x20, RW, 0);
}

static void address_wraps(struct fx *f)
{
	fx_desc(f, 0, 0, UINT64_MAX - 3, 0x200000, RW, 0);
}

static void indirect_in_indirect(struct fx *f)
{
	fx_desc(f, 0, 0, TBL, 16, IND, 0);
	fx_desc_at(f, TBL, TBL, 16, IND, 0);
}

static void indirect_and_next(struct fx *f)
{
	fx_desc(f, 0, 0, TBL, 16, IND | NEXT, 1);
	fx_desc_at(f, TBL, BUFS, 4, RW, 0);
	fx_desc(f, 0, 1, BUFS, 4, RW, 0);
}

static void indirect_len_zero(struct fx *f)
{
	fx_desc(f, 0, 0, TBL, 0, IND, 0);
}

static void indirect_len_odd(struct fx *f)
{
	fx_desc_at(f, TBL, BUFS, 4, RW, 0);
	fx_desc(f, 0, 0, TBL, 24, IND, 0);
}

static void indirect_too_long(struct fx *f)
{
	fx_desc_at(f, TBL, BUFS, 4, RW, 0);
	fx_desc(f, 0, 0, TBL, 9 * 16, IND, 0);
}

static void indirect_outside(struct fx *f)
{
	fx_desc_at(f, MEM_END - 16, BUFS, 4, RW, 0);
	fx_desc(f, 0, 0, MEM_END - 16, 32, IND, 0);
}

static void indirect_next_too_large(struct fx *f)
{
	fx_desc_at(f, TBL, BUFS, 4, NEXT, 2);
	fx_desc_at(f, TBL + 32, BUFS, 4, RW, 0);
	fx_desc(f, 0, 0, TBL, 32, IND, 0);
}

static void indirect_loop(struct fx *f)
{
	fx_desc_at(f, TBL, BUFS, 1, NEXT, 0);
	fx_desc(f, 0, 0, TBL, 16, IND, 0);
}

static void longer_than_the_ring(struct fx *f)	/* 1 direct and 8 indirect on a ring of 8 */
{
	fx_desc(f, 0, 0, BUFS, 1, NEXT, 1);
	fx_desc(f, 0, 1, TBL, 8 * 16, IND, 0);
	for (uint16_t i = 0; i < 8; i++)
		fx_desc_at(f, TBL + 16 * i, BUFS, 1, i < 7 ? NEXT : 0, i + 1);
}

static const struct malformed {
	const char *name;
	void (*write)(struct fx *f);
} malformed[] = {
	{ "loop_of_two", loop_of_two },
	{ "next_too_large", next_too_large },
	{ "readable_after_writable", readable_after_writable },
	{ "outside", outside },
	{ "one_byte_outside", one_byte_outside },
	{ "begins_in_gap", begins_in_gap },
	{ "address_wraps", address_wraps },
	{ "indirect_in_indirect", indirect_in_indirect },
	{ "indirect_and_next", indirect_and_next },
	{ "indirect_len_zero", indirect_len_zero },
	{ "indirect_len_odd", indirect_len_odd },
	{ "indirect_too_long", indirect_too_long },
	{ "indirect_outside", indirect_outside },
	{ "indirect_next_too_large", indirect_next_too_large },
	{ "indirect_loop", indirect_loop },
	{ "longer_than_the_ring", longer_than_the_ring },
};

/* After an error: told once, nothing used, left alone, the other ring serves, a restart heals. */
static void expect_broken_ring_0(struct fx *f)
{
	fx_run(f);
	assert_int_equal(fx_count(f->q[0].err), 1);
	assert_int_equal(fx_used_idx(f, 0), 0);
	fx_kick(f, 0);
	assert_int_equal(kc_ref_step(f->ref), 0);
	assert_int_equal(fx_count(f->q[0].err), 0);
	assert_int_equal(fx_count(f->q[0].call), 0);

	offer_copy(f, 1, 0);
	fx_kick(f, 1);
	fx_run(f);
	assert_int_equal(fx_used_idx(f, 1), 1);

	assert_int_equal(fx_get_base(f, 0), 0);		/* the bad chain was not taken */
	fx_start(f, 0, 8, 0);
	offer_copy(f, 0, 0);
	fx_run(f);
	assert_int_equal(fx_used_idx(f, 0), 1);
}

static void malformed_chain_breaks_its_ring_only(void **state)
{
	const struct malformed *m = *state;
	struct fx f;

	fx_open(&f, "loopback", F_IND);
	fx_start(&f, 0, 8, 0);
	fx_start(&f, 1, 8, 0);
	m->write(&f);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	expect_broken_ring_0(&f);
	fx_close(&f);
}

static void head_beyond_the_table(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_start(&f, 1, 8, 0);
	fx_offer(&f, 0, 8);
	fx_kick(&f, 0);
	expect_broken_ring_0(&f);
	fx_close(&f);
}

static void avail_idx_too_far_ahead(void **state)
{
	static const uint16_t ahead[] = { 9, 0x8000, 0xffff };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct fx f;

		fx_open(&f, "loopback", 0);
		fx_start(&f, 0, 8, 0);
		fx_start(&f, 1, 8, 0);
		fx_desc(&f, 0, 0, BUFS, 4, RW, 0);
		fx_set_avail_idx(&f, 0, ahead[i]);
		fx_kick(&f, 0);
		expect_broken_ring_0(&f);
		fx_close(&f);
	}
}

static void indirect_not_negotiated(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_start(&f, 1, 8, 0);
	fx_desc_at(&f, TBL, BUFS, 4, RW, 0);
	fx_desc(&f, 0, 0, TBL, 16, IND, 0);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	expect_broken_ring_0(&f);
	fx_close(&f);
}

static void empty_buffer_outside_is_ignored(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_desc(&f, 0, 0, UINT64_MAX, 0, NEXT, 1);
	fx_desc(&f, 0, 1, 0, 0, RW, 0);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_count(f.q[0].err), 0);
	fx_expect_used(&f, 0, 0, 0, 0);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_close(&f);
}

/* 2048 readable buffers of 2 MiB are 4 GiB and legal; one more is too many. */
static void four_gib_are_the_limit(void **state)
{
	(void)state;
	for (uint16_t n = 2048; n <= 2049; n++) {
		struct fx f;

		fx_open(&f, "loopback", 0);
		fx_start(&f, 0, 4096, 0);
		for (uint16_t i = 0; i < n; i++)
			fx_desc(&f, 0, i, fx_regions[0].gpa, 0x200000, i < n - 1 ? NEXT : 0, i + 1);
		fx_offer(&f, 0, 0);
		fx_kick(&f, 0);
		fx_run(&f);
		assert_int_equal(fx_used_idx(&f, 0), n == 2048);
		assert_int_equal(fx_count(f.q[0].err), n == 2049);
		fx_close(&f);
	}
}

/* ---- notification ---- */

static void flags_decide_calls(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_set_used_event(&f, 0, 0x4000);	/* ignored without EVENT_IDX */
	fx_set_avail_flags(&f, 0, VRING_AVAIL_F_NO_INTERRUPT);
	offer_copy(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	assert_int_equal(fx_count(f.q[0].call), 0);
	fx_set_avail_flags(&f, 0, 0);
	offer_copy(&f, 0, 1);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_count(f.q[0].call), 1);
	fx_close(&f);
}

/* From `from`, one chain at a time; used_event = event: after which used idx is the call? */
static void event_decides_calls(void **state)
{
	static const uint16_t froms[] = { 0, 65533, 32766 };

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct fx f;
		uint16_t from = froms[k], event = (uint16_t)(from + 3);

		fx_open(&f, "loopback", F_EVT);
		fx_start(&f, 0, 8, from);
		fx_set_avail_flags(&f, 0, VRING_AVAIL_F_NO_INTERRUPT);	/* ignored with EVENT_IDX */
		fx_set_used_event(&f, 0, (uint16_t)(from + 100));
		for (uint16_t n = 1; n <= 6; n++) {
			offer_copy(&f, 0, n % 4);
			fx_kick(&f, 0);
			fx_run(&f);
			if (n == 1)	/* the first call after a start is free */
				fx_set_used_event(&f, 0, event);
			assert_int_equal(fx_count(f.q[0].call), n == 1 || n == 4);
		}
		fx_close(&f);
	}
}

/* A ring that starts anew from 0 after one chain: what was signalled before says nothing now. */
static void restart_forgets_what_was_signalled(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_EVT);
	for (int life = 0; life < 2; life++) {
		fx_start(&f, 0, 8, 0);
		fx_set_used_event(&f, 0, 0);
		offer_copy(&f, 0, 0);
		fx_run(&f);
		assert_int_equal(fx_count(f.q[0].call), 1);
		assert_int_equal(fx_get_base(&f, 0), 1);
	}
	fx_close(&f);
}

/* SET_VRING_ADDR on a live ring: it goes on at the new place, and leaves the old one alone. */
static void ring_moves_while_it_runs(void **state)
{
	struct fx f;
	uint64_t old_used;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	offer_copy(&f, 0, 0);
	fx_run(&f);
	old_used = f.q[0].used;
	memcpy(fx_host(&f, f.q[0].desc + 0x1000), fx_host(&f, f.q[0].desc), 0x1000);
	f.q[0].desc += 0x1000;
	f.q[0].avail += 0x1000;
	f.q[0].used += 0x1000;
	/* Refused addresses change nothing. */
	assert_int_equal(fx_addr_uva(&f, 0, 0, 0, 0, 0), KC_REF_REFUSED);
	assert_int_equal(fx_addr(&f, 0), KC_REF_DONE);
	offer_copy(&f, 0, 1);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	assert_int_equal(kc_ring_load16(fx_host(&f, old_used) + KC_USED_IDX, __ATOMIC_RELAXED), 1);
	fx_close(&f);
}

static void avail_event_follows(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_EVT);
	fx_start(&f, 0, 8, 65534);
	fx_run(&f);
	assert_int_equal(fx_avail_event(&f, 0), 65534);
	for (unsigned i = 0; i < 3; i++)
		offer_copy(&f, 0, i);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_avail_event(&f, 0), 1);
	assert_int_equal(fx_used_flags(&f, 0), 0);
	fx_close(&f);
}

static void no_notify_only_while_busy(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_run(&f);
	offer_copy(&f, 0, 0);
	offer_copy(&f, 0, 1);
	fx_kick(&f, 0);
	assert_int_equal(kc_ref_step(f.ref), 1);
	assert_int_equal(fx_used_idx(&f, 0), 1);	/* one chain a step */
	assert_int_equal(fx_used_flags(&f, 0), VRING_USED_F_NO_NOTIFY);
	offer_copy(&f, 0, 2);				/* no kick is due, and none is needed */
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 3);
	assert_int_equal(fx_used_flags(&f, 0), 0);
	fx_close(&f);
}

static void stop_while_busy_leaves_flags_clear(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	offer_copy(&f, 0, 0);
	offer_copy(&f, 0, 1);
	kc_ref_step(f.ref);
	assert_int_equal(fx_get_base(&f, 0), 1);
	assert_int_equal(fx_used_flags(&f, 0), 0);
	fx_close(&f);
}

/* EVENT_IDX switched while the ring runs: the rings go on, by the new rule. */
static void features_toggle_at_run_time(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	offer_copy(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_EVT), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_avail_event(&f, 0), 1);
	offer_copy(&f, 0, 1);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_close(&f);
}

static void round_robin(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_start(&f, 1, 8, 0);
	fx_run(&f);
	for (unsigned i = 0; i < 3; i++) {
		offer_copy(&f, 0, i);
		offer_copy(&f, 1, i);
	}
	fx_kick(&f, 0);
	fx_kick(&f, 1);
	for (int n = 1; n <= 3; n++) {
		kc_ref_step(f.ref);
		kc_ref_step(f.ref);
		assert_int_equal(fx_used_idx(&f, 0), n);
		assert_int_equal(fx_used_idx(&f, 1), n);
	}
	fx_close(&f);
}

/* Without a kick fd the ring is polled; without a call fd nothing is signalled; all is served. */
static void polled_ring_without_call(void **state)
{
	struct fx f;
	bool busy;
	int fd;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_set_up(&f, 0, 8, 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_CALL, 0, NULL), KC_REF_DONE);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, NULL), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(kc_ref_pollfds(f.ref, &fd, 1, &busy), 0);
	assert_true(busy);
	offer_copy(&f, 0, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	assert_int_equal(fx_count(f.q[0].call), 0);
	fx_close(&f);
}

int main(void)
{
	enum { NMALFORMED = sizeof(malformed) / sizeof(malformed[0]) };
	struct CMUnitTest bad[NMALFORMED];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_and_reports),
		cmocka_unit_test(length_is_the_smaller_side),
		cmocka_unit_test(starts_without_a_kick_and_honours_base),
		cmocka_unit_test(wraps_and_full_ring),
		cmocka_unit_test(size_one_and_largest),
		cmocka_unit_test(direct_then_indirect_across_regions),
		cmocka_unit_test(last_byte_of_memory),
		cmocka_unit_test(head_beyond_the_table),
		cmocka_unit_test(avail_idx_too_far_ahead),
		cmocka_unit_test(indirect_not_negotiated),
		cmocka_unit_test(empty_buffer_outside_is_ignored),
		cmocka_unit_test(four_gib_are_the_limit),
		cmocka_unit_test(flags_decide_calls),
		cmocka_unit_test(event_decides_calls),
		cmocka_unit_test(restart_forgets_what_was_signalled),
		cmocka_unit_test(ring_moves_while_it_runs),
		cmocka_unit_test(avail_event_follows),
		cmocka_unit_test(no_notify_only_while_busy),
		cmocka_unit_test(stop_while_busy_leaves_flags_clear),
		cmocka_unit_test(features_toggle_at_run_time),
		cmocka_unit_test(round_robin),
		cmocka_unit_test(polled_ring_without_call),
	};

	for (int i = 0; i < NMALFORMED; i++)
		bad[i] = (struct CMUnitTest){
			.name = malformed[i].name,
			.test_func = malformed_chain_breaks_its_ring_only,
			.initial_state = (void *)&malformed[i],
		};
	return cmocka_run_group_tests(bad, NULL, NULL) + cmocka_run_group_tests(tests, NULL, NULL);
}

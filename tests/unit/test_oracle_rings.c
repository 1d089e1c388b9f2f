/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: harness/oracle/p01_conservation.c, harness/oracle/p02_used_len.c,
 *          harness/oracle/p05_indices.c, harness/oracle/p07_in_order.c,
 *          harness/oracle/p09_base.c, harness/oracle/layout_split.c, harness/oracle/walk.c,
 *          harness/oracle/watch.c
 *
 * Points 1, 2, 5, 7 and 9, and the chain walker: rings written by hand, rightly and wrongly.
 */
#include <sim/pristine.h>
#include <tests/unit/oracle_bench.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT

/* --- 1 conservation --------------------------------------------------------------------------- */

static void right_requests_are_not_accused(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 65534, 0);
	struct kc_oracle_view v;

	for (unsigned round = 0; round < 5; round++) {
		drv_request(b, q, 0);
		drv_request(b, q, 1);
		kc_oracle_kicked(b->o, 0);
		dev_serve(b, q, 1);	/* out of order is fine */
		dev_serve(b, q, 0);
		kc_oracle_called(b->o, 0, 1);
		kc_oracle_reaped(b->o, 0, 2);
		kc_oracle_reaped(b->o, 0, 0);
	}
	kc_oracle_quiet(b->o);
	kc_oracle_verify_memory(b->o);
	v = view(b, 0);
	assert_int_equal(v.offered, 10);
	assert_int_equal(v.used, 10);
	assert_int_equal(v.used_idx, 8);
	assert_int_equal(v.kicks, 5);
	assert_false(v.malformed);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 8);
	kc_oracle_finish(b->o);
	none(b);
	suspected(b, 0, NULL, NULL);
}

static void an_id_never_offered(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_use(b, q, 5, 0);
	accused(b, "VQ-SPLIT-USED-02", "names id 5");
}

static void an_id_beyond_all_heads(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_use(b, q, 0x10000, 0);
	accused(b, "VQ-SPLIT-USED-02", "names id 65536");
}

static void a_head_used_twice(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	drv_request(b, q, 1);
	dev_serve(b, q, 0);
	none(b);
	dev_use(b, q, 0, 32);
	accused(b, "VQ-SPLIT-USED-02", "used already");
}

static void the_same_again_and_again(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	for (unsigned i = 0; i < 100; i++) {
		drv_offer(b, q, drv_chain(b, q, i % 4));
		dev_use(b, q, 1, i + 1);
	}
	assert_in_range(b->n, 1, 16);
}

static void lost_after_a_kick(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	accused(b, "VU-RING-STATE-04", "head 0");
	kc_oracle_quiet(b->o);
	none(b);	/* said once */
}

/* A buffer for what may come is owed to nobody, kicked or not; what the script waits for, it says. */
static void a_buffer_for_input_may_stay(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	q->c.for_input = true;
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0);
	kc_oracle_queue_start(b->o, 0, &q->c);
	kc_oracle_queue_enable(b->o, 0, true);
	drv_request(b, q, 0);
	kc_oracle_kicked(b->o, 0);
	drv_request(b, q, 1);
	kc_oracle_quiet(b->o);
	dev_serve(b, q, 1);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	none(b);
}

static void overtaken_for_ever(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	drv_request(b, q, 1);
	kc_oracle_kicked(b->o, 0);
	dev_serve(b, q, 1);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-SPLIT-USED-02", "chains offered later were");
}

static void a_kick_that_was_due_and_not_given(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);	/* used.flags 0 asks for a kick */
	kc_oracle_quiet(b->o);
	none(b);
}

static void asleep_with_kicks_suppressed(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	dev_store16(b, q->c.used + KC_USED_FLAGS, VRING_USED_F_NO_NOTIFY);
	drv_request(b, q, 0);
	kc_oracle_quiet(b->o);
	assert_int_equal(b->n, 2);
	assert_string_equal(b->clause[0], "VQ-SPLIT-ANS-DEV-06");
	assert_string_equal(b->clause[1], "VQ-SPLIT-USED-02");
}

/* The device arms avail_event after the publication, and does not look again. */
static void rearmed_without_looking_again(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 65535, WITH_EVENT_IDX);

	dev_avail_event(b, q, 65530);
	drv_request(b, q, 0);
	dev_avail_event(b, q, 65535);
	kc_oracle_quiet(b->o);
	assert_int_equal(b->n, 2);
	assert_string_equal(b->clause[0], "VQ-SPLIT-ANS-DEV-06");
}

static void avail_event_due_and_no_kick(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 65535, WITH_EVENT_IDX);

	dev_avail_event(b, q, 0);
	drv_request(b, q, 0);
	drv_request(b, q, 1);	/* passes 0, across the wrap */
	b->q[0].used_idx = 65535;
	dev_serve(b, q, 0);
	kc_oracle_reaped(b->o, 0, 0);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	none(b);
}

static void lying_there_at_the_start(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = ring(b, 0, 8, 100, 0);

	drv_request(b, q, 0);
	kc_oracle_queue_start(b->o, 0, &q->c);
	assert_int_equal(view(b, 0).offered, 1);
	kc_oracle_quiet(b->o);
	accused(b, "VU-RING-START-03", "available idx 100");
}

static void a_disabled_ring_owes_nothing(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	kc_oracle_queue_enable(b->o, 0, false);
	drv_request(b, q, 0);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	none(b);
	kc_oracle_queue_enable(b->o, 0, true);
	kc_oracle_quiet(b->o);
	accused(b, "VU-RING-STATE-04", "head 0");
}

static void quiet_proves_nothing_in_live(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	none(b);
}

static void an_error_signal_excuses(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_ring_error(b->o, 0);
	kc_oracle_quiet(b->o);
	assert_int_equal(view(b, 0).errors, 1);
	none(b);
}

/* --- 2 used.len ------------------------------------------------------------------------------- */

static void len_above_the_writable_bytes(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_fill(b, BUF(1), 0x77, 32);
	dev_use(b, q, 0, 33);
	accused(b, "VQ-SPLIT-USED-04", "len 33");
}

static void bytes_that_look_untouched(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_fill(b, BUF(1), 0x77, 31);
	dev_use(b, q, 0, 31);
	drv_request(b, q, 0);
	dev_fill(b, BUF(1), 0x77, 30);
	dev_use(b, q, 0, 31);
	none(b);
	suspected(b, 1, "VQ-SPLIT-USED-DEV-02", "head 0 was used with len 31, expected the first 31 writable "
		  "bytes to be written, and 1 of them, the first at gpa 0x4041e, hold "	/* BUF(1) + 30 */
		  "what they held before (of the queue's chains it is number 2)");
}

/* A buffer that kickcall did not poison says nothing when it stays the same. */
static void buffers_without_poison(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_desc(b, q, 3, BUF(9), 16, WRITE, 0);
	drv_offer(b, q, 3);
	dev_use(b, q, 3, 16);
	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	kc_oracle_reaped(b->o, 0, 0);
	drv_offer(b, q, 0);	/* the same buffers as the device left them */
	dev_serve(b, q, 0);
	none(b);
	suspected(b, 0, NULL, NULL);
}

static void more_than_len_may_be_written(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_fill(b, BUF(1), 0x77, 32);
	dev_use(b, q, 0, 1);
	kc_oracle_verify_memory(b->o);
	none(b);
	suspected(b, 0, NULL, NULL);
}

/* --- 5 indices -------------------------------------------------------------------------------- */

static void used_idx_ahead(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 65535, 0);

	drv_request(b, q, 0);
	dev_entry(b, q, 65535, 0, 0);
	dev_used_idx(b, q, 1);
	kc_oracle_observe(b->o);
	accused(b, "VQ-SPLIT-USED-03", "ahead from 65535 to 1");
	kc_oracle_queue_stopped(b->o, 0, 0);
	none(b);	/* nothing follows from it */
}

static void used_idx_back(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	drv_request(b, q, 1);
	dev_used_idx(b, q, 0);
	kc_oracle_observe(b->o);
	accused(b, "VQ-SPLIT-USED-03", "back from 1 to 0");
}

static void idx_moved_before_the_entry(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 0, 0);

	drv_request(b, q, 1);
	dev_used_idx(b, q, 1);
	kc_oracle_observe(b->o);
	accused(b, "VQ-SPLIT-USED-03", "slot 0 still holds id 0 len 0");
}

static void used_flags(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 0, 0), *e = start(b, 1, 4, 0, WITH_EVENT_IDX);

	dev_store16(b, q->c.used + KC_USED_FLAGS, 1);
	kc_oracle_observe(b->o);
	none(b);
	dev_store16(b, q->c.used + KC_USED_FLAGS, 2);
	kc_oracle_observe(b->o);
	accused(b, "VQ-SPLIT-ANS-DEV-01", "0x2");
	dev_store16(b, e->c.used + KC_USED_FLAGS, 1);
	kc_oracle_observe(b->o);
	accused(b, "VQ-SPLIT-ANS-DEV-03", "queue 1");
	kc_oracle_observe(b->o);
	none(b);
}

/* --- 7 order ---------------------------------------------------------------------------------- */

static struct bench_queue *three_in_order(struct bench *b, uint16_t from)
{
	struct bench_queue *q = start(b, 0, 8, from, WITH_IN_ORDER | WITHOUT_CALL);

	for (unsigned i = 0; i < 3; i++) {
		drv_request(b, q, i);
		dev_fill(b, BUF(2 * i + 1), 0x77, 32);
	}
	return q;
}

static void in_order_one_by_one(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = three_in_order(b, 65534);

	for (unsigned i = 0; i < 3; i++)
		dev_use(b, q, 2 * i, 32);
	assert_int_equal(view(b, 0).used, 3);
	assert_false(view(b, 0).malformed);
	none(b);
}

/* One entry, at the slot of the batch's first buffer, names the last. */
static void in_order_batch(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = three_in_order(b, 65534);

	dev_entry(b, q, 65534, 4, 32);
	dev_used_idx(b, q, 1);
	kc_oracle_observe(b->o);
	none(b);
	assert_int_equal(view(b, 0).used, 3);
	kc_oracle_queue_stopped(b->o, 0, 1);
	none(b);
}

/* Without an entry of its own it says that all of it was written. */
static void in_order_batch_with_a_hole(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITH_IN_ORDER | WITHOUT_CALL);

	drv_request(b, q, 0);
	drv_request(b, q, 1);
	dev_fill(b, BUF(1), 0x77, 30);
	dev_fill(b, BUF(3), 0x77, 31);
	dev_entry(b, q, 0, 2, 31);
	dev_used_idx(b, q, 2);
	kc_oracle_observe(b->o);
	none(b);
	suspected(b, 2, "VQ-SPLIT-INORDER-02", "head 0 was used without an entry of its own, expected the first "
		  "32 writable bytes");
}

static void out_of_order(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = three_in_order(b, 0);

	dev_use(b, q, 2, 32);
	accused(b, "VIRTIO-RSVD-DEV-05", "names head 2");
}

/* Two entries seen at once, swapped: the second slot was written, so it is no batch. */
static void out_of_order_in_one_look(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = three_in_order(b, 0);

	dev_entry(b, q, 0, 2, 32);
	dev_entry(b, q, 1, 0, 32);
	dev_used_idx(b, q, 2);
	kc_oracle_observe(b->o);
	accused(b, "VIRTIO-RSVD-DEV-05", "expected head 0");
}

/* --- 9 base ----------------------------------------------------------------------------------- */

static void base_with_high_bits(void **state)
{
	struct bench *b = *state;

	start(b, 0, 8, 0, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x10000);
	accused(b, "VU-PL-02", "0x10000");
}

static void base_of_a_taken_chain(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 65535, 0);

	drv_request(b, q, 0);
	kc_oracle_queue_stopped(b->o, 0, 0);
	accused(b, "VU-MSG-GETBASE-02", "head 0");
}

static void base_may_leave_chains_unfetched(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 65535, WITHOUT_CALL);

	drv_request(b, q, 0);
	drv_request(b, q, 1);
	dev_serve(b, q, 0);
	kc_oracle_queue_stopped(b->o, 0, 0);
	none(b);
	/* restarted there, the second is offered again */
	q->c.base = 0;
	kc_oracle_queue_start(b->o, 0, &q->c);
	assert_int_equal(view(b, 0).offered, 1);
	dev_serve(b, q, 1);
	kc_oracle_queue_stopped(b->o, 0, 1);
	none(b);
}

static void base_behind_or_beyond(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 10, WITHOUT_CALL),
			   *r = start(b, 1, 8, 10, WITHOUT_CALL);

	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	kc_oracle_queue_stopped(b->o, 0, 10);
	accused(b, "VU-MSG-GETBASE-01", "expected 11,");
	drv_request(b, r, 1);
	dev_serve(b, r, 1);
	kc_oracle_queue_stopped(b->o, 1, 12);
	accused(b, "VU-MSG-GETBASE-01", "base 12");
}

/* --- The walker: what is malformed, and what is not ------------------------------------------- */

struct walk_case {
	const char *what;
	bool malformed;
	struct kc_desc d[4], t[3];	/* descriptors, and the table at TABLE(0) */
	uint16_t head;
	unsigned with;
};

static const struct walk_case walk_cases[] = {
	{ .what = "as many as the ring has", .malformed = false,
	  .d = { { BUF(0), 1, NEXT, 1 }, { BUF(1), 1, NEXT, 2 },
		{ BUF(2), 1, NEXT | WRITE, 3 }, { BUF(3), 1, WRITE, 77 } } },
	{ .what = "from one region into the next", .malformed = false,
	  .d = { { REGION2 - 8, 16, WRITE, 0 } } },
	{ .what = "the last byte of memory", .malformed = false,
	  .d = { { REGION2 + REGION_BYTES - 1, 1, WRITE, 0 } } },
	{ .what = "one beyond", .malformed = true,
	  .d = { { REGION2 + REGION_BYTES - 1, 2, WRITE, 0 } } },
	{ .what = "address overflow", .malformed = true,
	  .d = { { UINT64_MAX - 3, 16, WRITE, 0 } } },
	{ .what = "in the gap", .malformed = true, .d = { { 0x30000, 16, 0, 0 } } },
	{ .what = "length 0", .malformed = true, .d = { { BUF(0), 0, 0, 0 } } },
	{ .what = "a loop", .malformed = true,
	  .d = { { BUF(0), 1, NEXT, 1 }, { BUF(1), 1, NEXT | WRITE, 0 } } },
	{ .what = "a loop of one", .malformed = true, .d = { { BUF(0), 1, NEXT, 0 } } },
	{ .what = "next beyond the table", .malformed = true, .d = { { BUF(0), 1, NEXT, 4 } } },
	{ .what = "head beyond the table", .malformed = true,
	  .d = { { BUF(0), 1, 0, 0 } }, .head = 4 },
	{ .what = "readable after writable", .malformed = true,
	  .d = { { BUF(0), 1, NEXT | WRITE, 1 }, { BUF(1), 1, 0, 0 } } },
	{ .what = "indirect not negotiated", .malformed = true,
	  .d = { { TABLE(0), 16, IND, 0 } }, .t = { { BUF(0), 1, 0, 0 } } },
	{ .what = "indirect", .malformed = false, .d = { { TABLE(0), 32, IND, 0 } },
		.t = { { BUF(0), 1, NEXT, 1 }, { BUF(1), 1, WRITE, 0 } }, .with = WITH_INDIRECT },
	{ .what = "WRITE beside INDIRECT", .malformed = false,
	  .d = { { TABLE(0), 16, IND | WRITE, 0 } }, .t = { { BUF(0), 1, 0, 0 } },
		.with = WITH_INDIRECT },
	{ .what = "direct, then indirect", .malformed = false,
	  .d = { { BUF(5), 4, NEXT, 1 }, { TABLE(0), 16, IND, 0 } },
		.t = { { BUF(0), 1, 0, 0 } }, .with = WITH_INDIRECT },
	{ .what = "unaligned table", .malformed = false,
	  .d = { { TABLE(0), 16, IND, 0 } }, .t = { { BUF(0), 1, 0, 0 } },
		.with = WITH_INDIRECT },
	{ .what = "indirect and next", .malformed = true,
	  .d = { { TABLE(0), 16, IND | NEXT, 1 }, { BUF(1), 1, 0, 0 } },
		.t = { { BUF(0), 1, 0, 0 } }, .with = WITH_INDIRECT },
	{ .what = "nested", .malformed = true,
	  .d = { { TABLE(0), 32, IND, 0 } },
	  .t = { { TABLE(0) + 16, 16, IND, 0 }, { BUF(0), 1, 0, 0 } },
		.with = WITH_INDIRECT },
	{ .what = "an odd table", .malformed = true,
	  .d = { { TABLE(0), 24, IND, 0 } }, .t = { { BUF(0), 1, 0, 0 } },
		.with = WITH_INDIRECT },
	{ .what = "an empty table", .malformed = true,
	  .d = { { TABLE(0), 0, IND, 0 } }, .with = WITH_INDIRECT },
	{ .what = "a table that is a loop", .malformed = true, .d = { { TABLE(0), 32, IND, 0 } },
		.t = { { BUF(0), 1, NEXT, 1 }, { BUF(1), 1, NEXT, 0 } }, .with = WITH_INDIRECT },
	{ .what = "next beyond the indirect table", .malformed = true,
	  .d = { { TABLE(0), 16, IND, 0 } }, .t = { { BUF(0), 1, NEXT, 1 } },
		.with = WITH_INDIRECT },
	{ .what = "a table outside memory", .malformed = true,
	  .d = { { 0x30000, 16, IND, 0 } }, .with = WITH_INDIRECT },
	{ .what = "a table of 4 GiB", .malformed = true,
	  .d = { { TABLE(0), 0xfffffff0, IND, 0 } }, .t = { { BUF(0), 1, 0, 0 } },
		.with = WITH_INDIRECT },
	{ .what = "in order", .malformed = false,
	  .d = { [2] = { BUF(0), 1, NEXT, 3 }, [3] = { BUF(1), 1, NEXT, 0 },
		[0] = { BUF(2), 1, WRITE, 0 } }, .head = 2, .with = WITH_IN_ORDER },
	{ .what = "in order, and next jumps", .malformed = true,
	  .d = { { BUF(0), 1, NEXT, 2 }, [2] = { BUF(1), 1, 0, 0 } },
		.with = WITH_IN_ORDER },
	{ .what = "more than 2^32 bytes", .malformed = true,
	  .d = { { REGION1, 0xffffffff, NEXT, 1 }, { REGION1, 0xffffffff, 0, 0 } } },
};

static void the_walker_knows_the_rules(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(walk_cases) / sizeof(walk_cases[0]); i++) {
		const struct walk_case *w = &walk_cases[i];
		struct bench_queue *q = ring(b, 0, 4, 0, w->with);

		kc_oracle_session_start(b->o);
		for (unsigned k = 0; k < 4; k++)
			drv_desc_at(b, q->c.desc, k, w->d[k]);
		for (unsigned k = 0; k < 3; k++)
			drv_desc_at(b, TABLE(0), k, w->t[k]);
		kc_oracle_queue_start(b->o, 0, &q->c);
		drv_offer(b, q, w->head);
		if (view(b, 0).malformed != w->malformed)
			fail_msg("%s: malformed is %d", w->what, view(b, 0).malformed);
		kc_oracle_kicked(b->o, 0);
		if (w->malformed)
			kc_oracle_quiet(b->o);	/* owes nothing */
		none(b);
	}
}

static void a_chain_longer_than_the_ring(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 2, 0, WITH_INDIRECT);

	for (unsigned i = 0; i < 3; i++)
		drv_desc_at(b, TABLE(0), i, (struct kc_desc){ BUF(i), 1, i < 2 ? NEXT : 0, i + 1 });
	drv_desc(b, q, 0, TABLE(0), 32, IND, 0);
	drv_desc_at(b, TABLE(0), 1, (struct kc_desc){ BUF(1), 1, 0, 0 });
	drv_offer(b, q, 0);
	assert_false(view(b, 0).malformed);	/* two elements: as many as the queue size */
	drv_desc_at(b, TABLE(1), 0, (struct kc_desc){ BUF(5), 1, NEXT, 1 });
	drv_desc_at(b, TABLE(1), 1, (struct kc_desc){ BUF(6), 1, NEXT, 2 });
	drv_desc_at(b, TABLE(1), 2, (struct kc_desc){ BUF(7), 1, 0, 0 });
	drv_desc(b, q, 1, TABLE(1), 48, IND, 0);
	drv_offer(b, q, 1);
	assert_true(view(b, 0).malformed);
}

static void malformed_may_be_used_with_a_small_len_once(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 0, 0);

	drv_desc(b, q, 0, BUF(0), 16, NEXT, 1);
	drv_desc(b, q, 1, BUF(1), 16, NEXT | WRITE, 0);
	drv_offer(b, q, 0);
	drv_offer(b, q, 0);	/* the same head again: may be used twice */
	dev_use(b, q, 0, 0);
	dev_use(b, q, 0, 0);
	none(b);
	drv_offer(b, q, 3);
	dev_use(b, q, 0, 1);
	accused(b, "VQ-SPLIT-USED-02", "used already");
}

static void an_index_jump(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 65530, 0);

	drv_chain(b, q, 0);
	drv_chain(b, q, 1);
	q->avail_idx += 200;
	drv_publish(b, q);
	assert_true(view(b, 0).malformed);
	assert_int_equal(view(b, 0).offered, 200);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	for (unsigned i = 0; i < 200; i++)
		dev_use(b, q, 0, 0);	/* every slot names head 0 */
	none(b);
	dev_use(b, q, 0, 0);
	accused(b, "VQ-SPLIT-USED-03", "ahead");
}

static void an_index_going_back_is_a_jump(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 5, 0);

	drv_write16(b, q->c.avail + KC_AVAIL_IDX, 4);
	kc_oracle_published(b->o, 0);
	assert_true(view(b, 0).malformed);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	none(b);
}

static void the_driver_writes_used_idx(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 0, 0);

	drv_request(b, q, 0);
	drv_write16(b, q->c.used + KC_USED_IDX, 1234);
	kc_oracle_observe(b->o);
	none(b);
	dev_serve(b, q, 0);	/* the device keeps its own count */
	assert_int_equal(view(b, 0).used, 1);
	drv_request(b, q, 1);
	drv_write16(b, q->c.used + KC_USED_IDX, 1234);
	dev_used_idx(b, q, 1234);	/* or believes what it reads */
	dev_serve(b, q, 1);
	assert_int_equal(view(b, 0).used, 2);
	none(b);
}

static void a_full_ring_of_32768(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	static const struct kc_mem_layout_row rows[] = { { REGION0, 4 << 20, 0 } };
	struct kc_oracle_config c = { .mem = &b->mem, .accuse = bench_accuse, .ctx = b };
	struct kc_oracle_queue cfg = { .size = 32768, .desc = REGION0, .avail = REGION0 + (1 << 20),
				       .used = REGION0 + (2 << 20), .base = 40000 };
	struct bench_queue *q = &b->q[0];

	(void)state;
	assert_int_equal(kc_mem_init(&b->mem, rows, 1, NULL), 0);
	b->o = kc_oracle_new(&c);
	b->mem.wrote = kc_oracle_guest_wrote;
	b->mem.wrote_ctx = b->o;
	q->c = cfg;
	q->avail_idx = q->used_idx = 40000;
	drv_write16(b, cfg.avail + KC_AVAIL_IDX, 40000);
	drv_write16(b, cfg.used + KC_USED_IDX, 40000);
	drv_write16(b, cfg.avail, 0);
	kc_oracle_queue_start(b->o, 0, &cfg);
	for (uint32_t i = 0; i < cfg.size; i++) {
		drv_desc(b, q, i, REGION0 + (3 << 20) + 16 * i, 4, WRITE, 0);
		drv_offer(b, q, i);
	}
	assert_false(view(b, 0).malformed);
	for (uint32_t i = 0; i < cfg.size; i++) {
		dev_fill(b, REGION0 + (3 << 20) + 16 * i, (uint8_t)~kc_pristine_byte(0), 4);
		dev_entry(b, q, q->used_idx + i, i, 4);
	}
	dev_used_idx(b, q, q->used_idx + 32768);
	kc_oracle_verify_memory(b->o);
	assert_int_equal(view(b, 0).used, 32768);
	none(b);
	bench_free(b);
}

/* The driver's store of avail idx is seen by the device before the books hear of it. */
static void a_device_quicker_than_the_books(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);
	uint64_t idx = q->c.avail + KC_AVAIL_IDX;
	uint16_t le;

	for (uint16_t i = 0; i < 4; i++) {
		drv_add(b, q, drv_chain(b, q, i % 2));
		le = htole16(q->avail_idx);
		memcpy(kc_mem_host(&b->mem, idx, sizeof(le)), &le, sizeof(le));
		dev_fill(b, BUF(2 * (i % 2) + 1), 0x77, 32);
		dev_entry(b, q, i, 2 * (i % 2), 32);
		dev_used_idx(b, q, i + 1);
		kc_oracle_guest_wrote(b->o, idx, &le, sizeof(le));
		kc_oracle_published(b->o, 0);
		kc_oracle_reaped(b->o, 0, 2 * (i % 2));
		none(b);
	}
	assert_int_equal(view(b, 0).used, 4);
	assert_false(view(b, 0).malformed);
}

/* The same on a ring whose used idx the driver has written, and the device goes on from there. */
static void a_quick_device_goes_on_from_a_scribble(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);
	uint64_t idx = q->c.avail + KC_AVAIL_IDX;
	uint16_t le;

	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	drv_write16(b, q->c.used + KC_USED_IDX, 7);
	drv_add(b, q, drv_chain(b, q, 1));
	le = htole16(q->avail_idx);
	memcpy(kc_mem_host(&b->mem, idx, sizeof(le)), &le, sizeof(le));
	dev_fill(b, BUF(3), 0x77, 32);
	dev_entry(b, q, 7, 2, 32);
	dev_used_idx(b, q, 8);
	kc_oracle_guest_wrote(b->o, idx, &le, sizeof(le));
	kc_oracle_published(b->o, 0);
	none(b);
	assert_int_equal(view(b, 0).used, 2);
}

/* What the device finds there in between is no entry. */
static void idx_moved_by_the_driver_before_the_entry(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 65534, 0);

	drv_request(b, q, 0);
	drv_add(b, q, drv_chain(b, q, 1));
	assert_null(view(b, 0).driver_broke);
	drv_write16(b, q->c.avail + KC_AVAIL_IDX, q->avail_idx + 1);
	drv_add(b, q, drv_chain(b, q, 2));
	assert_non_null(strstr(view(b, 0).driver_broke, "before the entry was written"));
	assert_true(view(b, 0).malformed);
	none(b);
}

static void publish_silently(struct bench *b, struct bench_queue *q, uint16_t idx)
{
	drv_write16(b, q->c.avail + KC_AVAIL_IDX, idx);
}

static void what_is_published_can_be_seen(void **state)
{
	static const struct {
		unsigned said, seen;
		bool broke;
	} row[] = { { 2, 2, false }, { 2, 1, true }, { 1, 2, true }, { 1, 0, true } };
	struct bench *b = *state;

	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bench_queue *q = start(b, 0, 8, 65535, 0);

		drv_add(b, q, drv_chain(b, q, 0));
		drv_add(b, q, drv_chain(b, q, 1));
		publish_silently(b, q, 65535 + row[i].seen);
		kc_oracle_supplied(b->o, 0, row[i].said);
		assert_int_equal(view(b, 0).driver_broke != NULL, row[i].broke);
		assert_false(view(b, 0).malformed);
		kc_oracle_queue_stopped(b->o, 0, 65535);
	}
	none(b);
}

/* Who knows what a wrong device has made of the books? */
static void what_is_published_beside_a_wrong_device(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	dev_use(b, q, 0, 32);
	assert_int_equal(b->n, 1);
	kc_oracle_supplied(b->o, 0, 1);
	assert_null(view(b, 0).driver_broke);
}

/* They mean nothing to a device, and are the driver's fault all the same. */
static void flags_that_no_driver_may_write(void **state)
{
	static const struct {
		unsigned with;
		uint16_t flags;
		bool broke;
	} row[] = { { 0, 0, false }, { 0, 1, false }, { 0, 2, true }, { 0, 0xffff, true },
		    { WITH_EVENT_IDX, 0, false }, { WITH_EVENT_IDX, 1, true } };
	struct bench *b = *state;

	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bench_queue *q = start(b, 0, 8, 0, row[i].with);

		drv_flags(b, q, row[i].flags);
		assert_int_equal(view(b, 0).driver_broke != NULL, row[i].broke);
		assert_false(view(b, 0).malformed);
		kc_oracle_queue_stopped(b->o, 0, 0);
	}
	none(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(right_requests_are_not_accused),
		RUN(an_id_never_offered),
		RUN(an_id_beyond_all_heads),
		RUN(a_head_used_twice),
		SIM(a_device_quicker_than_the_books),
		SIM(the_same_again_and_again),
		SIM(lost_after_a_kick),
		SIM(a_buffer_for_input_may_stay),
		SIM(overtaken_for_ever),
		SIM(a_kick_that_was_due_and_not_given),
		SIM(asleep_with_kicks_suppressed),
		SIM(rearmed_without_looking_again),
		SIM(avail_event_due_and_no_kick),
		SIM(lying_there_at_the_start),
		SIM(a_disabled_ring_owes_nothing),
		LIVE(quiet_proves_nothing_in_live),
		SIM(an_error_signal_excuses),
		RUN(len_above_the_writable_bytes),
		RUN(bytes_that_look_untouched),
		RUN(more_than_len_may_be_written),
		RUN(buffers_without_poison),
		RUN(used_idx_ahead),
		RUN(used_idx_back),
		RUN(idx_moved_before_the_entry),
		RUN(used_flags),
		RUN(in_order_one_by_one),
		LIVE(in_order_batch),
		RUN(in_order_batch_with_a_hole),
		RUN(out_of_order),
		RUN(out_of_order_in_one_look),
		RUN(base_with_high_bits),
		LIVE(base_of_a_taken_chain),
		RUN(base_may_leave_chains_unfetched),
		RUN(base_behind_or_beyond),
		SIM(the_walker_knows_the_rules),
		SIM(a_chain_longer_than_the_ring),
		RUN(malformed_may_be_used_with_a_small_len_once),
		SIM(an_index_jump),
		SIM(an_index_going_back_is_a_jump),
		RUN(the_driver_writes_used_idx),
		RUN(a_quick_device_goes_on_from_a_scribble),
		RUN(idx_moved_by_the_driver_before_the_entry),
		RUN(what_is_published_can_be_seen),
		RUN(what_is_published_beside_a_wrong_device),
		RUN(flags_that_no_driver_may_write),
		cmocka_unit_test(a_full_ring_of_32768),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: harness/oracle/p03_canary.c, harness/oracle/p04_ownership.c,
 *          harness/oracle/p12_silence.c, harness/oracle/watch.c
 *
 * Points 3, 4 and 12 on memory, and rings rewritten underway: who may write where, how long.
 */
#include <tests/unit/oracle_bench.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT

/* The device flips one byte there. */
static void dev_flip(struct bench *b, uint64_t gpa)
{
	uint8_t *p = kc_mem_host(&b->mem, gpa, 1);

	assert_non_null(p);
	*p ^= 0xff;
}

static void flip_and_verify(struct bench *b, uint64_t gpa)
{
	dev_flip(b, gpa);
	kc_oracle_verify_memory(b->o);
}

static void what_the_device_may_write(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITH_EVENT_IDX);

	drv_request(b, q, 0);
	dev_flip(b, BUF(1));
	dev_flip(b, BUF(1) + 31);
	dev_avail_event(b, q, 7);
	dev_flip(b, q->c.used + kc_used_slot(5));	/* ahead of idx: its own affair */
	kc_oracle_verify_memory(b->o);
	none(b);
}

static void each_place_has_its_clause(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITH_INDIRECT);

	drv_request(b, q, 0);
	drv_desc_at(b, TABLE(0), 0, (struct kc_desc){ BUF(9), 8, WRITE, 0 });
	drv_desc(b, q, 2, TABLE(0), 16, IND, 0);
	drv_offer(b, q, 2);
	flip_and_verify(b, BUF(0));
	accused(b, "VQ-SPLIT-DESC-DEV-01", "a readable buffer of head 0 of queue 0");
	flip_and_verify(b, BUF(1) + 32);
	accused(b, "VQ-SPLIT-DESC-01", "the guard after a buffer of head 0");
	flip_and_verify(b, BUF(1) - 1);
	accused(b, "VQ-SPLIT-DESC-01", "the guard before a buffer of head 0");
	flip_and_verify(b, TABLE(0) + 8);
	accused(b, "VQ-SPLIT-DESC-DEV-03", "an indirect table of head 2");
	flip_and_verify(b, q->c.desc + 16 * 5);
	accused(b, "VQ-SPLIT-DESC-DEV-03", "descriptor 5 in the descriptor table");
	flip_and_verify(b, q->c.avail + KC_AVAIL_FLAGS);
	accused(b, "VQ-SPLIT-AVAIL-01", "flags of the available ring");
	flip_and_verify(b, q->c.avail + kc_avail_used_event(8));
	accused(b, "VQ-SPLIT-AVAIL-01", "used_event of the available ring");
	flip_and_verify(b, q->c.used + kc_used_bytes(8));
	accused(b, "VQ-SPLIT-USED-01", "after the used ring");
	flip_and_verify(b, BUF(40));
	accused(b, "VU-MEMACC-01", "no buffer in flight");
	kc_oracle_verify_memory(b->o);
	none(b);	/* said once */
}

/* Memory in no buffer that the device may change for a while; what it made of it then stays. */
static void what_is_lent(void **state)
{
	struct bench *b = *state;

	start(b, 0, 8, 0, 0);
	dev_flip(b, BUF(40) + 7);		/* before that */
	kc_oracle_lend(b->o, BUF(40), 64, true);
	accused(b, "VU-MEMACC-01", "no buffer in flight");
	flip_and_verify(b, BUF(40));
	flip_and_verify(b, BUF(40) + 63);
	none(b);
	flip_and_verify(b, BUF(40) + 64);
	accused(b, "VU-MEMACC-01", "no buffer in flight");
	flip_and_verify(b, BUF(40) - 1);
	accused(b, "VU-MEMACC-01", "no buffer in flight");
	dev_flip(b, BUF(40) + 5);
	kc_oracle_lend(b->o, BUF(40), 64, false);
	kc_oracle_verify_memory(b->o);
	none(b);
	flip_and_verify(b, BUF(40));
	accused(b, "VU-MEMACC-01", "no buffer in flight");
	flip_and_verify(b, BUF(40) + 63);
	accused(b, "VU-MEMACC-01", "no buffer in flight");
}

/* A change is younger than the last comparison, and than the chain whose memory it is. */
static void since_when(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	flip_and_verify(b, BUF(40));
	accused(b, "VU-MEMACC-01", "were changed by the device, the first");	/* nobody knows */
	b->trace.step = 12;
	kc_oracle_verify_memory(b->o);
	b->trace.step = 15;
	drv_request(b, q, 0);
	b->trace.step = 17;
	dev_flip(b, BUF(0));
	dev_flip(b, BUF(40));
	dev_flip(b, q->c.avail);
	kc_oracle_verify_memory(b->o);
	assert_int_equal(b->n, 3);
	assert_non_null(strstr(b->message[0], "flags of the available ring of queue 0) were "
			       "changed by the device since line 12"));
	assert_non_null(strstr(b->message[1], "head 0 of queue 0) were changed by the device since "
			       "line 15"));
	assert_non_null(strstr(b->message[2], "since line 12"));
	b->n = 0;
	b->trace.step = 20;
	flip_and_verify(b, BUF(0));
	accused(b, "VQ-SPLIT-DESC-DEV-01", "since line 17");
}

static void the_nearest_buffer_is_named(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	drv_request(b, q, 2);
	flip_and_verify(b, BUF(5) + 32 + 100);
	accused(b, "VU-MEMACC-01", "no buffer in flight, 100 bytes after the nearest, which is of "
		"head 4 of queue 0");
	flip_and_verify(b, BUF(4) - 200);
	accused(b, "VU-MEMACC-01", "200 bytes before the nearest, which is of head 4 of queue 0");
}

static void a_run_across_regions_and_pages(void **state)
{
	struct bench *b = *state;

	start(b, 0, 8, 0, 0);
	for (uint64_t gpa = REGION1 + 4090; gpa < REGION1 + 4100; gpa++)
		dev_flip(b, gpa);
	kc_oracle_verify_memory(b->o);
	accused(b, "VU-MEMACC-01", "10 bytes at gpa 0x40ffa");
}

static void a_late_write(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	flip_and_verify(b, BUF(1));
	accused(b, "VQ-SPLIT-USED-DEV-02", "used already");
	kc_oracle_reaped(b->o, 0, 0);
	flip_and_verify(b, BUF(1));
	accused(b, "VU-MEMACC-01", "");
}

/* What was wrong with a buffer is told when its chain comes back, and as its buffer's. */
static void wrong_write_at_use(struct bench *b, uint64_t gpa, const char *clause, const char *text)
{
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	dev_flip(b, gpa);
	dev_serve(b, q, 0);
	kc_oracle_observe(b->o);
	accused(b, clause, text);
	kc_oracle_reaped(b->o, 0, 0);
	kc_oracle_verify_memory(b->o);
	none(b);	/* said once */
}

static void a_written_readable_buffer_is_named_at_use(void **state)
{
	wrong_write_at_use(*state, BUF(0) + 3, "VQ-SPLIT-DESC-DEV-01", "a readable buffer of head 0");
}

static void a_write_beside_a_buffer_is_named_at_use(void **state)
{
	wrong_write_at_use(*state, BUF(1) + 32, "VQ-SPLIT-DESC-01", "guard after a buffer of head 0");
}

/* The chain is back before the oracle has looked: the driver's own write makes it look, when memory holds
 * that write and the copy does not. */
static void a_table_rewritten_after_use_is_the_drivers(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITH_INDIRECT);

	drv_desc_at(b, TABLE(0), 0, (struct kc_desc){ BUF(1), 32, WRITE, 0 });
	drv_desc(b, q, 2, TABLE(0), 16, IND, 0);
	drv_offer(b, q, 2);
	dev_entry(b, q, 0, 2, 0);
	dev_used_idx(b, q, 1);
	drv_desc_at(b, TABLE(0), 0, (struct kc_desc){ BUF(9), 16, WRITE, 5 });
	kc_oracle_verify_memory(b->o);
	none(b);
}

/* Two chains over the same buffer: it is the device's until both are used. */
static void a_shared_buffer(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	for (unsigned i = 0; i < 2; i++) {
		drv_desc(b, q, i, BUF(1), 32, WRITE, 0);
		drv_offer(b, q, i);
	}
	dev_use(b, q, 0, 0);
	flip_and_verify(b, BUF(1));
	none(b);
	dev_use(b, q, 1, 0);
	flip_and_verify(b, BUF(1));
	assert_int_equal(b->n, 1);
}

static void a_buffer_across_regions(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_desc(b, q, 0, REGION2 - 8, 16, WRITE, 0);
	drv_offer(b, q, 0);
	dev_flip(b, REGION2 - 8);
	dev_flip(b, REGION2 + 7);
	kc_oracle_verify_memory(b->o);
	none(b);
	flip_and_verify(b, REGION2 + 8);
	accused(b, "VQ-SPLIT-DESC-01", "after a buffer");
}

/* A chain that breaks the rules: its writable buffers are fair game, nothing else is. */
static void malformed_chains_excuse_only_their_buffers(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0), *r = start(b, 1, 8, 0, 0);

	drv_request(b, r, 3);
	drv_desc(b, q, 0, BUF(0), 16, NEXT, 1);
	drv_desc(b, q, 1, BUF(1), 16, NEXT | WRITE, 0);
	drv_offer(b, q, 0);
	assert_true(view(b, 0).malformed);
	dev_use(b, q, 0, 0);
	flip_and_verify(b, BUF(1));	/* late, but nobody can say */
	none(b);
	flip_and_verify(b, BUF(0));
	accused(b, "VQ-SPLIT-DESC-DEV-01", "head 0 of queue 0");
	flip_and_verify(b, BUF(6));
	accused(b, "VQ-SPLIT-DESC-DEV-01", "head 6 of queue 1");
}

static void a_buffer_partly_outside(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_desc(b, q, 0, REGION2 + REGION_BYTES - 4, 64, WRITE, 0);
	drv_offer(b, q, 0);
	assert_true(view(b, 0).malformed);
	flip_and_verify(b, REGION2 + REGION_BYTES - 1);
	none(b);
	flip_and_verify(b, REGION2 + REGION_BYTES - 5);
	accused(b, "VQ-SPLIT-DESC-01", "guard before");
}

/* --- Rewritten underway ----------------------------------------------------------------------- */

static void a_rewritten_descriptor(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	drv_desc(b, q, 1, BUF(1), 32, WRITE, 0);	/* the same again: nothing changes */
	assert_false(view(b, 0).malformed);
	drv_desc(b, q, 1, BUF(20), 8, WRITE, 0);
	assert_true(view(b, 0).malformed);
	dev_flip(b, BUF(1));
	dev_flip(b, BUF(20));
	kc_oracle_verify_memory(b->o);
	none(b);
	flip_and_verify(b, BUF(20) + 8);
	accused(b, "VQ-SPLIT-DESC-01", "after");
	dev_use(b, q, 0, 40);	/* what the two allow together */
	none(b);
}

static void a_rewritten_indirect_table(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITH_INDIRECT);

	drv_desc_at(b, TABLE(0), 0, (struct kc_desc){ BUF(1), 8, WRITE, 0 });
	drv_desc(b, q, 0, TABLE(0), 16, IND, 0);
	drv_offer(b, q, 0);
	drv_desc_at(b, TABLE(0), 1, (struct kc_desc){ BUF(3), 8, WRITE, 0 });	/* beside it */
	assert_false(view(b, 0).malformed);
	drv_desc_at(b, TABLE(0), 0, (struct kc_desc){ BUF(2), 8, WRITE, 0 });
	assert_true(view(b, 0).malformed);
	dev_flip(b, BUF(1));
	dev_flip(b, BUF(2));
	kc_oracle_verify_memory(b->o);
	none(b);
}

static void descriptors_are_free_again_when_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 0, 0);

	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	kc_oracle_reaped(b->o, 0, 0);
	drv_desc(b, q, 0, BUF(20), 8, WRITE, 0);
	drv_desc(b, q, 1, BUF(21), 8, WRITE, 0);
	drv_offer(b, q, 1);
	assert_false(view(b, 0).malformed);
	none(b);
}

static void a_rewritten_available_entry(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	drv_chain(b, q, 1);
	drv_write16(b, q->c.avail + kc_avail_slot(0), 2);
	assert_true(view(b, 0).malformed);
	dev_fill(b, BUF(3), 0x77, 32);
	dev_use(b, q, 2, 32);	/* it took the new head */
	none(b);
}

/* The slot comes round again while its old chain is still in flight: the device has read it. */
static void a_slot_that_was_read_is_free(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 2, 0, WITHOUT_CALL);

	for (unsigned i = 0; i < 2; i++)
		drv_desc(b, q, i, BUF(i), 8, WRITE, 0);
	drv_offer(b, q, 0);
	drv_offer(b, q, 1);
	dev_use(b, q, 1, 0);
	kc_oracle_reaped(b->o, 0, 1);
	drv_offer(b, q, 1);	/* slot 0, whose head 0 is in flight */
	assert_false(view(b, 0).malformed);
	dev_use(b, q, 1, 0);
	dev_use(b, q, 0, 0);
	kc_oracle_queue_stopped(b->o, 0, 3);
	none(b);
}

/* --- Silence ---------------------------------------------------------------------------------- */

static void silence_after_the_last_stop(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	drv_request(b, q, 0);
	kc_oracle_queue_stopped(b->o, 0, 0);
	drv_write16(b, q->c.used, 0);		/* kickcall may write */
	kc_oracle_verify_memory(b->o);
	none(b);
	flip_and_verify(b, BUF(1));
	accused(b, "VU-SUSPEND-01", "since the last ring was stopped");
	dev_used_idx(b, q, 1);
	kc_oracle_observe(b->o);
	kc_oracle_queue_start(b->o, 0, &q->c);
	accused(b, "VU-SUSPEND-01", "the used ring of queue 0");
}

/* What was written before the barrier is not blamed on the silence. */
static void writes_before_the_barrier(void **state)
{
	struct bench *b = *state;

	start(b, 0, 8, 0, 0);
	dev_flip(b, BUF(30));
	kc_oracle_queue_stopped(b->o, 0, 0);
	accused(b, "VU-MEMACC-01", "");
}

static void silence_after_a_reset(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	start(b, 1, 8, 0, 0);
	drv_request(b, q, 0);
	kc_oracle_reset(b->o);
	none(b);
	assert_false(view(b, 0).started);
	flip_and_verify(b, BUF(1));
	accused(b, "VIRTIO-RESET-DEV-02", "since the reset");
}

static void one_stopped_ring_among_running_ones(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0), *r = start(b, 1, 8, 0, WITHOUT_CALL);

	kc_oracle_queue_stopped(b->o, 0, 0);
	drv_request(b, r, 1);
	dev_serve(b, r, 1);
	none(b);
	dev_used_idx(b, q, 1);
	kc_oracle_observe(b->o);
	accused(b, "VU-RING-STATE-01", "queue 0: used idx moved from 0 to 1");
	kc_oracle_verify_memory(b->o);
	none(b);
	flip_and_verify(b, q->c.used + kc_used_slot(3));
	accused(b, "VU-RING-STATE-01", "the used ring of queue 0");
}

/* A request that was in hand at the stop is completed after the restart. */
static void late_completions(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	start(b, 1, 8, 0, 0);
	drv_request(b, q, 0);
	drv_request(b, q, 1);
	kc_oracle_queue_stopped(b->o, 0, 2);
	accused(b, "VU-MSG-GETBASE-02", "head 0");
	flip_and_verify(b, BUF(1));
	accused(b, "VQ-RESET-DEV-01", "a buffer of head 0, in flight when queue 0 was stopped");
	q->c.base = 2;
	kc_oracle_queue_start(b->o, 0, &q->c);
	dev_use(b, q, 2, 32);
	accused(b, "VQ-RESET-DEV-01", "names head 2");
	drv_request(b, q, 2);
	dev_serve(b, q, 2);	/* the books go on */
	none(b);
	dev_use(b, q, 2, 32);
	assert_int_equal(b->n, 1);
}

/* The memory of a stopped ring may serve another purpose. */
static void a_stopped_rings_memory_is_free(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0), *r = start(b, 1, 8, 0, WITHOUT_CALL);

	kc_oracle_queue_stopped(b->o, 0, 0);
	drv_desc(b, r, 0, q->c.used, 16, WRITE, 0);
	drv_offer(b, r, 0);
	dev_fill(b, q->c.used, 0x77, 16);
	dev_use(b, r, 0, 16);
	kc_oracle_verify_memory(b->o);
	none(b);
}

static void a_closed_connection_is_no_barrier(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	kc_oracle_session_end(b->o, false);
	dev_flip(b, BUF(1));
	dev_used_idx(b, q, 1);
	kc_oracle_verify_memory(b->o);
	kc_oracle_session_start(b->o);
	kc_oracle_verify_memory(b->o);
	none(b);
	flip_and_verify(b, BUF(1));
	accused(b, "VU-MEMACC-01", "");
}

/* Thousands of descriptors over all memory: judged mildly, and quickly. */
static void an_excessive_chain(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 64, 0, 0);

	for (unsigned i = 0; i < 64; i++)
		drv_desc(b, q, i, REGION1, 2 * REGION_BYTES, WRITE | NEXT, (i + 1) % 64);
	drv_offer(b, q, 0);
	flip_and_verify(b, BUF(50));
	none(b);
	kc_oracle_queue_stopped(b->o, 0, 0);
	flip_and_verify(b, BUF(50));
	accused(b, "VU-SUSPEND-01", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(what_the_device_may_write),
		RUN(each_place_has_its_clause),
		RUN(what_is_lent),
		RUN(since_when),
		RUN(the_nearest_buffer_is_named),
		SIM(a_run_across_regions_and_pages),
		RUN(a_late_write),
		RUN(a_written_readable_buffer_is_named_at_use),
		RUN(a_write_beside_a_buffer_is_named_at_use),
		SIM(a_table_rewritten_after_use_is_the_drivers),
		SIM(a_shared_buffer),
		SIM(a_buffer_across_regions),
		RUN(malformed_chains_excuse_only_their_buffers),
		SIM(a_buffer_partly_outside),
		RUN(a_rewritten_descriptor),
		SIM(a_rewritten_indirect_table),
		SIM(descriptors_are_free_again_when_used),
		SIM(a_rewritten_available_entry),
		RUN(a_slot_that_was_read_is_free),
		RUN(silence_after_the_last_stop),
		SIM(writes_before_the_barrier),
		RUN(late_completions),
		RUN(silence_after_a_reset),
		RUN(one_stopped_ring_among_running_ones),
		SIM(a_stopped_rings_memory_is_free),
		RUN(a_closed_connection_is_no_barrier),
		SIM(an_excessive_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

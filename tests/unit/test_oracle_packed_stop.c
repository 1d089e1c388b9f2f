/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed rings that come to an end, before the oracle: lists that nobody used, the base that is
 * said at the stop, a start from it, and a device that goes on after the stop.
 * Modules: harness/oracle/layout_packed.c
 */
#include <tests/unit/oracle_bench_packed.h>

/* --- Lists that are lost ---------------------------------------------------------------------- */

static void kicked_and_never_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 5, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	accused(b, "VU-RING-STATE-04", "id 3 (slot 5) was published and kicked");
}

static void overtaken_and_never_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 5, 0);

	pk_request(b, q, 0, 3);
	pk_request(b, q, 1, 4);
	pk_serve(b, q, 1, 4);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-PACKED-USED-01", "expected id 3 (slot 5) to be used once");
}

static void taken_and_never_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 5, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, pk_base(q, 7, 5));
	accused(b, "VU-MSG-GETBASE-02", "stopped with base slot 7, wrap 1, expected every chain "
		"before it to be used, and id 3 (slot 5) is not");
}

/* --- Bases ------------------------------------------------------------------------------------ */

/* Of a ring of 8: slots 5 and 6 were used; 7, 0 and 1 lie there unfetched. */
static void stopped_with(void **state, uint32_t base, const char *clause, const char *text)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 5, 0);

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	kc_oracle_called(b->o, 0, 1);
	pk_request_of(b, q, 1, 1, 4);
	pk_request_of(b, q, 2, 2, 5);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, base);
	if (clause)
		accused(b, clause, text);
	none(b);
}

static void a_base_with_lists_unfetched(void **state)
{
	stopped_with(state, 0x80078007, NULL, NULL);
}

static void a_base_behind_what_was_used(void **state)
{
	stopped_with(state, 0x80078006, "VU-MSG-GETBASE-01", "stopped with base slot 6, wrap 1, "
		     "expected where a chain begins from slot 7, wrap 1 on to slot 2, wrap 0");
}

static void a_base_inside_a_list(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 6, 0);

	pk_request_of(b, q, 0, 3, 3);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x80068007);
	accused(b, "VU-MSG-GETBASE-01", "base slot 7, wrap 1, expected where a chain begins from "
		"slot 6, wrap 1 on to slot 1, wrap 0");
}

static void a_base_beyond_what_is_offered(void **state)
{
	stopped_with(state, 0x80070003, "VU-MSG-GETBASE-01", "base slot 3, wrap 0");
}

static void a_base_of_the_wrong_lap(void **state)
{
	stopped_with(state, 0x80070007, "VU-MSG-GETBASE-01", "base slot 7, wrap 0");
}

static void a_base_without_its_upper_half(void **state)
{
	stopped_with(state, 0x00008007, "VU-PL-03", "bits 16 to 31 to be 0x8007");
}

static void a_base_of_no_slot(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 6, 0);

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x00008008);	/* slot 0 of the next lap */
	accused(b, "VU-PL-03", "bits 0 to 14 to name one of 8 slots");
}

/* --- Restarts --------------------------------------------------------------------------------- */

/* Stopped with lists in the ring that nobody fetched, and started again with the base as it was said. */
static void restarted_from(struct bench *b, uint32_t size, uint32_t from, uint32_t keep)
{
	struct bench_queue *q = pk_start(b, 0, size, from, 0);
	uint32_t base;

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_reaped(b->o, 0, 3);
	pk_request(b, q, 1, 4);
	base = pk_base(q, q->used_pos, q->used_pos);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, base);
	none(b);
	q->c.base = base & keep;
	kc_oracle_queue_start(b->o, 0, &q->c);
	assert_int_equal(view(b, 0).offered, 1);
	pk_serve(b, q, 1, 4);
	assert_int_equal(view(b, 0).used, 1);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_reaped(b->o, 0, 4);
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
}

static void restart_from_a_base(void **state)
{
	for (uint32_t from = 0; from < 10; from++)
		restarted_from(*state, 5, from, UINT32_MAX);
}

static void restart_from_a_base_with_half_of_it(void **state)
{
	for (uint32_t from = 0; from < 10; from++)
		restarted_from(*state, 5, from, 0xffff);
}

/* --- After the stop --------------------------------------------------------------------------- */

static void a_stopped_ring_is_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_start(b, 1, 8, 0, 0);		/* runs on */
	pk_request(b, q, 0, 3);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x80008000);
	none(b);
	pk_use(b, q, 2, 3, 0);
	accused(b, "VU-RING-STATE-01", "slot 0 was used with id 3");
	kc_oracle_observe(b->o);
	kc_oracle_verify_memory(b->o);
	none(b);
}

static void the_last_ring_is_used_after_its_stop(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x80008000);
	none(b);
	pk_use(b, q, 2, 3, 0);
	kc_oracle_verify_memory(b->o);
	accused(b, "VU-SUSPEND-01", "slot 0 of the ring of queue 0");
}

static void completed_after_the_next_start(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_reset(b->o);
	q = pk_start(b, 0, 8, 0, 0);
	pk_request(b, q, 1, 4);
	pk_use(b, q, 2, 3, 0);
	accused(b, "VQ-RESET-DEV-01", "slot 0 names id 3, which was in flight when the queue was "
		"stopped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(restart_from_a_base),
		RUN(restart_from_a_base_with_half_of_it),
		SIM(kicked_and_never_used),
		SIM(overtaken_and_never_used),
		RUN(taken_and_never_used),
		RUN(a_base_with_lists_unfetched),
		RUN(a_base_behind_what_was_used),
		RUN(a_base_inside_a_list),
		RUN(a_base_beyond_what_is_offered),
		RUN(a_base_of_the_wrong_lap),
		RUN(a_base_without_its_upper_half),
		RUN(a_base_of_no_slot),
		RUN(a_stopped_ring_is_used),
		RUN(the_last_ring_is_used_after_its_stop),
		RUN(completed_after_the_next_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

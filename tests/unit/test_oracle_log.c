/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 8, the dirty log, byte by byte: what must be marked, and until when it may be missing.
 * Modules: harness/oracle/p08_log.c
 */
#include "oracle_bench.h"
#include <kickcall/message.h>

#define AROUND	64u
#define BYTES	0x200u		/* of the log: 16 MiB */
#define SHIFT	0x800000ull
static uint8_t file[AROUND + BYTES + AROUND];

static void mark(uint64_t gpa)
{
	file[AROUND + gpa / 0x1000 / 8] |= (uint8_t)(1u << gpa / 0x1000 % 8);
}

static void log_on(struct bench *b, bool rings, uint64_t shift)
{
	struct kc_oracle_log log = { file, sizeof(file), AROUND, BYTES, rings, shift };

	memset(file, 0, sizeof(file));
	assert_int_equal(kc_oracle_log_on(b->o, &log), 0);
}

/* Request i, whose 32 writable bytes lie across the border behind REGION1's first page. */
static void across(struct bench *b, struct bench_queue *q, unsigned i)
{
	uint64_t gpa = REGION1 + 0x1000 - 16;

	drv_fill(b, gpa, 0xa5, 32);
	drv_desc(b, q, i, gpa, 32, VRING_DESC_F_WRITE, 0);
	drv_offer(b, q, (uint16_t)i);
}

static void serve_across(struct bench *b, struct bench_queue *q, unsigned i)
{
	dev_fill(b, REGION1 + 0x1000 - 16, 0x77, 32);
	dev_use(b, q, i, 32);
}

static void stop(struct bench *b, struct bench_queue *q)
{
	kc_oracle_queue_stopping(b->o, q->qi);
	kc_oracle_queue_stopped(b->o, q->qi, q->avail_idx);
}

static void both_pages_are_marked(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);
	uint64_t changed;

	log_on(b, false, 0);
	across(b, q, 0);
	serve_across(b, q, 0);
	assert_int_equal(kc_oracle_unlogged(b->o, &changed), 2);
	assert_int_equal(changed, 2);
	none(b);		/* there is still time */
	mark(REGION1);
	mark(REGION1 + 0x1000);
	mark(REGION2);		/* too many do no harm */
	assert_int_equal(kc_oracle_unlogged(b->o, &changed), 0);
	stop(b, q);
	none(b);
}

static void one_page_is_missing_at_the_stop(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, false, 0);
	across(b, q, 0);
	serve_across(b, q, 0);
	mark(REGION1);
	stop(b, q);
	accused(b, "VU-LOG-02", "1 pages of buffers were changed and are not marked in the dirty log, the first "
		"at gpa 0x41000, expected bit 1 of byte 0x8");
}

static void while_another_ring_runs_it_may_come(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL), *other = start(b, 1, 8, 0, WITHOUT_CALL);

	log_on(b, false, 0);
	across(b, q, 0);
	serve_across(b, q, 0);
	stop(b, q);
	none(b);
	stop(b, other);
	accused(b, "VU-LOG-02", "2 pages");
}

static void at_rest_it_is_missing(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, false, 0);
	across(b, q, 0);
	serve_across(b, q, 0);
	kc_oracle_quiet(b->o);
	accused(b, "VU-LOG-02", "2 pages");
	kc_oracle_quiet(b->o);
	none(b);		/* it is told once */
}

static void what_was_in_flight_may_have_been_written_before(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);
	uint64_t changed;

	across(b, q, 0);
	log_on(b, true, 0);
	serve_across(b, q, 0);
	assert_int_equal(kc_oracle_unlogged(b->o, &changed), 0);
	assert_int_equal(changed, 0);
	stop(b, q);
	none(b);
}

static void what_is_used_after_the_log_is_off_counts_no_more(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, true, 0);
	across(b, q, 0);
	kc_oracle_log_off(b->o);
	serve_across(b, q, 0);
	stop(b, q);
	none(b);
}

/* A page that the device did not touch needs no bit. */
static void an_untouched_page_needs_no_bit(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, false, 0);
	across(b, q, 0);
	dev_fill(b, REGION1 + 0x1000 - 16, 0x77, 16);
	dev_use(b, q, 0, 16);
	mark(REGION1);
	stop(b, q);
	none(b);
}

static void the_used_ring_is_marked(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, true, 0);
	across(b, q, 0);
	serve_across(b, q, 0);
	mark(REGION1);
	mark(REGION1 + 0x1000);
	stop(b, q);
	accused(b, "VU-LOG-03", "1 pages of used rings");
	q->c.base = q->avail_idx;
	kc_oracle_queue_start(b->o, 0, &q->c);
	mark(q->c.used);
	across(b, q, 1);
	serve_across(b, q, 1);
	stop(b, q);
	none(b);
}

static void the_log_address_counts(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, true, SHIFT);
	across(b, q, 0);
	serve_across(b, q, 0);
	mark(REGION1);
	mark(REGION1 + 0x1000);
	mark(q->c.used);
	stop(b, q);
	accused(b, "VU-LOG-06", "1 pages of used rings were changed and are not marked in the dirty log, the "
		"first at gpa 0x812000");
}

static void around_the_log_nothing_changes(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, false, 0);
	file[AROUND - 1] = 1;
	stop(b, q);
	accused(b, "VU-LOG-04", "byte 0x3f of the log's file was changed to 0x01");
}

static void behind_the_log_nothing_changes(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, false, 0);
	file[AROUND] = 1;
	file[AROUND + BYTES - 1] = 1;
	stop(b, q);
	none(b);
	kc_oracle_queue_start(b->o, 0, &q->c);
	file[AROUND + BYTES] = 2;
	stop(b, q);
	accused(b, "VU-LOG-04", "byte 0x240 of the log's file was changed to 0x02");
}

static void after_the_last_stop_it_stays(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	log_on(b, false, 0);
	mark(REGION1);
	stop(b, q);
	kc_oracle_queue_start(b->o, 0, &q->c);
	none(b);
	mark(REGION2);		/* it runs */
	stop(b, q);
	mark(0x1000);
	kc_oracle_session_end(b->o, true);
	accused(b, "VU-LOG-09", "byte 0x0 of the dirty log changed from 0x00 to 0x02");
}

static void a_message_that_starts_a_ring_ends_the_silence(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);
	struct kc_msg m;

	log_on(b, false, 0);
	stop(b, q);
	kc_msg_init(&m, KC_VU_SET_VRING_KICK);
	kc_oracle_message(b->o, &m, true);
	mark(REGION1);
	kc_oracle_log_off(b->o);
	none(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(both_pages_are_marked),
		RUN(one_page_is_missing_at_the_stop),
		RUN(while_another_ring_runs_it_may_come),
		SIM(at_rest_it_is_missing),
		RUN(what_was_in_flight_may_have_been_written_before),
		RUN(what_is_used_after_the_log_is_off_counts_no_more),
		RUN(an_untouched_page_needs_no_bit),
		RUN(the_used_ring_is_marked),
		RUN(the_log_address_counts),
		RUN(around_the_log_nothing_changes),
		RUN(behind_the_log_nothing_changes),
		RUN(after_the_last_stop_it_stays),
		RUN(a_message_that_starts_a_ring_ends_the_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

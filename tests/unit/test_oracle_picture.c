/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue as reports draw it, in each of its states. The picture of a plain one, whole, is in
 * test_oracle_messages.c.
 */
#include "oracle_bench.h"

static char *text;

static const char *picture(struct bench *b, unsigned qi)
{
	size_t len;
	FILE *f;

	free(text);
	text = NULL;
	f = open_memstream(&text, &len);
	kc_oracle_picture(b->o, qi, f);
	fclose(f);
	return text;
}

static int done(void **state)
{
	free(text);
	text = NULL;
	return bench_teardown(state);
}

static void has(struct bench *b, const char *part)
{
	if (!strstr(picture(b, 0), part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void a_queue_nobody_started(void **state)
{
	assert_string_equal(picture(*state, 1), "queue 1: never started\n");
	assert_string_equal(picture(*state, 4000000000u), "queue 4000000000: never started\n");
}

static void its_states(void **state)
{
	struct bench *b = *state;

	start(b, 0, 4, 7, WITH_INDIRECT | WITH_IN_ORDER | WITHOUT_CALL);
	assert_string_equal(picture(b, 0),
		"queue 0: split, size 4, started, enabled, indirect, in_order, no call eventfd\n"
		"  avail idx 7   offered 0   used_event 0   flags 0\n"
		"  used  idx 7   used 0   avail_event 0   flags 0\n"
		"  calls 0 (0 due, 0 spurious)   kicks 0   errors 0\n"
		"  in flight: none\n"
		"  used last: none\n");
	kc_oracle_queue_enable(b->o, 0, false);
	has(b, "size 4, started, disabled, indirect");
	kc_oracle_queue_stopping(b->o, 0);
	has(b, "size 4, being stopped, disabled");
	kc_oracle_queue_stopped(b->o, 0, 7);
	has(b, "size 4, stopped, disabled");
}

static void what_it_counts(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	drv_request(b, q, 0);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_kicked(b->o, 0);
	dev_serve(b, q, 0);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_ring_error(b->o, 0);
	dev_store16(b, q->c.used + KC_USED_FLAGS, 1);
	drv_flags(b, q, 1);
	has(b, "  avail idx 1   offered 1   used_event 0   flags 1\n");
	has(b, "  used  idx 1   used 1   avail_event 0   flags 1\n");
	has(b, "  calls 1 (1 due, 0 spurious)   kicks 2   errors 1\n");
	none(b);
}

/* Eight chains are drawn, and the eight newest used entries; of the others, how many. */
static void long_lists_are_cut(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 64, 0, 0);

	for (unsigned i = 0; i < 20; i++)
		drv_request(b, q, i);
	has(b, "head 14 (available idx 7, 16 out, 32 in) and 12 more\n");
	for (unsigned i = 0; i < 10; i++)
		dev_serve(b, q, i);
	has(b, "  used last: idx 2 id 4 len 32, idx 3 id 6 len 32,");
	has(b, ", idx 9 id 18 len 32\n");
	assert_null(strstr(text, "idx 1 id 2"));
}

static void broken_rules_are_written_down(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 4, 0, 0);

	drv_desc(b, q, 0, BUF(0), 0, 0, 0);
	drv_offer(b, q, 0);
	has(b, "  the driver broke a rule: ");
	has(b, "head 0 (available idx 0, 0 out, 0 in, bad: a buffer has length 0)\n");
	assert_null(strstr(text, "makes no sense any more"));
	dev_used_idx(b, q, 3000);
	kc_oracle_observe(b->o);
	has(b, "  what the device uses makes no sense any more, and is not followed\n");
	has(b, "  used  idx 3000   used 0 ");
}

/* Rings that lie outside memory: nothing is read there. */
static void a_ring_that_is_nowhere(void **state)
{
	struct kc_oracle_queue c = { .size = 4, .desc = 0x30000, .avail = 0x30000, .used = ~0ull - 9 };
	struct bench *b = *state;

	kc_oracle_queue_start(b->o, 0, &c);
	has(b, "  avail idx 0   offered 0 ");
	assert_null(strstr(text, "  used  idx"));
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, sim_setup, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_queue_nobody_started),
		TEST(its_states),
		TEST(what_it_counts),
		TEST(long_lists_are_cut),
		TEST(broken_rules_are_written_down),
		TEST(a_ring_that_is_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

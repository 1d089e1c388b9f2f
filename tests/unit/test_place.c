/* SPDX-License-Identifier: BSD-3-Clause */
/* What an accusation says of an address: the part of a ring, the buffer, or what lies beside them. */
#include "oracle_bench.h"
#include <harness/oracle/watch.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT
#define DESC	REGION0
#define AVAIL	(REGION0 + 0x1000)
#define USED	(REGION0 + 0x2000)
#define SIZE	8u
#define NOWHERE	"memory that belongs to no buffer in flight"

/* Queue 0: heads 0 (two descriptors), 4 (a table) and 7 in flight. */
static struct bench_queue *bench(struct bench *b)
{
	struct bench_queue *q = start(b, 0, SIZE, 0, WITH_INDIRECT);

	drv_request(b, q, 0);
	drv_desc(b, q, 7, BUF(20), 4, 0, 0);	/* the last of its table */
	drv_offer(b, q, 7);
	drv_desc_at(b, TABLE(1), 0, (struct kc_desc){ BUF(9), 32, WRITE, 0 });
	drv_desc(b, q, 4, TABLE(1), 16, IND, 0);
	drv_offer(b, q, 4);
	return q;
}

static void check(struct bench *b, uint64_t gpa, enum kc_at at, const char *text)
{
	struct kc_place_of p = { .at = KC_AT_LEFT };

	kc_watch_place(b->o, gpa, &p);
	if (p.at != at || strcmp(p.text, text))
		fail_msg("0x%llx: expected %d \"%s\", actual %d \"%s\"", (unsigned long long)gpa, at,
			 text, p.at, p.text);
	if (at == KC_AT_OTHER)
		assert_null(p.q);
	else
		assert_ptr_equal(p.q, b->o->q[0]);
}

/* So many bytes off head's buffer, which nothing else is as near to. */
static void check_nowhere(struct bench *b, uint64_t gpa, uint64_t bytes, const char *side, unsigned head)
{
	char text[160];

	snprintf(text, sizeof(text), NOWHERE ", %llu bytes %s the nearest, which is of head %u of queue 0",
		 (unsigned long long)bytes, side, head);
	check(b, gpa, KC_AT_OTHER, text);
}

static void parts_of_a_ring(void **state)
{
	static const struct { uint64_t gpa; enum kc_at at; const char *text; } rows[] = {
		{ DESC, KC_AT_DESC, "descriptor 0 in the descriptor table of queue 0" },
		{ DESC + 127, KC_AT_DESC, "descriptor 7 in the descriptor table of queue 0" },
		{ AVAIL + 1, KC_AT_AVAIL, "flags of the available ring of queue 0" },
		{ AVAIL + 2, KC_AT_AVAIL, "idx of the available ring of queue 0" },
		{ AVAIL + 4, KC_AT_AVAIL, "a slot of the available ring of queue 0" },
		{ AVAIL + 19, KC_AT_AVAIL, "a slot of the available ring of queue 0" },
		{ AVAIL + 20, KC_AT_AVAIL, "used_event of the available ring of queue 0" },
		{ USED, KC_AT_USED, "the used ring of queue 0" },
		{ USED + 69, KC_AT_USED, "the used ring of queue 0" },
		{ USED + 70, KC_AT_USED_END, "the 16 bytes after the used ring of queue 0" },
		{ USED + 85, KC_AT_USED_END, "the 16 bytes after the used ring of queue 0" },
	};
	static const uint64_t beside[] = { DESC - 1, DESC + 128, AVAIL - 1, AVAIL + 22, USED - 1, USED + 86 };
	struct bench *b = *state;

	bench(b);
	for (unsigned i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)	/* a ring is no buffer */
		check_nowhere(b, beside[i], BUF(0) - beside[i], "before", 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(b, rows[i].gpa, rows[i].at, rows[i].text);
	kc_oracle_queue_stopped(b->o, 0, 3);
	check(b, DESC, rows[0].at, rows[0].text);	/* a stopped queue's too, if nothing else */
}

static void buffers_and_their_guards(void **state)
{
	struct bench *b = *state;

	bench(b);
	check(b, BUF(0), KC_AT_READABLE, "a readable buffer of head 0 of queue 0");
	check(b, BUF(0) + 15, KC_AT_READABLE, "a readable buffer of head 0 of queue 0");
	check(b, BUF(0) + 16, KC_AT_GUARD, "the guard after a buffer of head 0 of queue 0");
	check(b, BUF(0) + 31, KC_AT_GUARD, "the guard after a buffer of head 0 of queue 0");
	check_nowhere(b, BUF(0) + 32, 16, "after", 0);
	check_nowhere(b, BUF(0) + 16 + 504, 504, "after", 0);	/* half way to the next */
	check_nowhere(b, BUF(0) + 16 + 505, 503, "before", 0);
	check(b, BUF(1) - 1, KC_AT_GUARD, "the guard before a buffer of head 0 of queue 0");
	check(b, BUF(1) - 16, KC_AT_GUARD, "the guard before a buffer of head 0 of queue 0");
	check_nowhere(b, BUF(1) - 17, 17, "before", 0);
	check(b, TABLE(1) + 15, KC_AT_TABLE, "an indirect table of head 4 of queue 0");
	check(b, BUF(9) + 32, KC_AT_GUARD, "the guard after a buffer of head 4 of queue 0");
	check_nowhere(b, 0x30000, BUF(0) - 0x30000, "before", 0);
	check_nowhere(b, UINT64_MAX, UINT64_MAX - (TABLE(1) + 16), "after", 4);
}

static void what_lies_there_comes_before_what_is_beside_it(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = bench(b);

	/* head 6 begins where head 0's readable buffer ends, head 5 in queue 0's own used ring */
	drv_desc(b, q, 6, BUF(0) + 16, 8, 0, 0);
	drv_offer(b, q, 6);
	check(b, BUF(0) + 16, KC_AT_READABLE, "a readable buffer of head 6 of queue 0");
	check(b, BUF(0) + 15, KC_AT_READABLE, "a readable buffer of head 0 of queue 0");
	drv_desc(b, q, 5, USED, 8, 0, 0);
	drv_offer(b, q, 5);
	check(b, USED, KC_AT_USED, "the used ring of queue 0");
}

static void buffers_that_were_used(void **state)
{
	struct bench *b = *state;

	dev_serve(b, bench(b), 0);
	check(b, BUF(1), KC_AT_RETURNED, "a buffer that was used already, of head 0 of queue 0");
	kc_oracle_reaped(b->o, 0, 0);
	check_nowhere(b, BUF(1), BUF(9) - BUF(1), "before", 4);
	dev_use(b, &b->q[0], 7, 0);
	dev_use(b, &b->q[0], 4, 0);
	kc_oracle_reaped(b->o, 0, 7);
	kc_oracle_reaped(b->o, 0, 4);
	check(b, BUF(1), KC_AT_OTHER, NOWHERE);		/* there is none at all */
}

static void buffers_of_a_stopped_queue(void **state)
{
	struct bench *b = *state;

	bench(b);
	kc_oracle_queue_stopped(b->o, 0, 3);
	check(b, BUF(9) + 31, KC_AT_LEFT, "a buffer of head 4, in flight when queue 0 was stopped");
	check(b, BUF(0), KC_AT_OTHER, NOWHERE);		/* only writable ones are remembered */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIM(parts_of_a_ring),
		SIM(buffers_and_their_guards),
		SIM(what_lies_there_comes_before_what_is_beside_it),
		SIM(buffers_that_were_used),
		SIM(buffers_of_a_stopped_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

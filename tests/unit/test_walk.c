/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: harness/oracle/layout_split.c, harness/oracle/walk.c
 *
 * The oracle's walk along a chain of a split ring, by itself: which bytes it takes for the chain's,
 * and which rule it names. That the oracle excuses a device on the strength of it is in
 * test_oracle_rings.c, lists of packed rings are in test_layout_packed.c.
 */
#include "oracle_bench.h"
#include <harness/oracle/watch.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT
#define DESC(i)	(REGION0 + 16 * (i))	/* of queue 0 */

struct row {
	const char *what, *bad;		/* bad NULL: the chain keeps the rules */
	struct kc_desc d[4], t[3];	/* the ring's, and the table at TABLE(0) */
	uint16_t head;
	unsigned with;
	uint64_t readable, writable;
	struct kc_span spans[5];
};

static const struct row rows[] = {
	{ .what = "readable, then writable",
	  .d = { { BUF(0), 5, NEXT, 2 }, [2] = { BUF(1), 7, WRITE, 99 } },
	  .readable = 5, .writable = 7,
	  .spans = { { DESC(0), 16, KC_SPAN_TABLE }, { BUF(0), 5, KC_SPAN_OUT },
		     { DESC(2), 16, KC_SPAN_TABLE }, { BUF(1), 7, KC_SPAN_IN } } },
	{ .what = "a table behind a direct descriptor", .with = WITH_INDIRECT, .head = 3,
	  .d = { [3] = { BUF(0), 1, NEXT, 1 }, [1] = { TABLE(0), 48, IND, 0 } },
	  .t = { { BUF(1), 2, NEXT | WRITE, 2 }, [2] = { BUF(2), 3, WRITE, 0 } },
	  .readable = 1, .writable = 5,
	  .spans = { { DESC(3), 16, KC_SPAN_TABLE }, { BUF(0), 1, KC_SPAN_OUT },
		     { DESC(1), 16, KC_SPAN_TABLE }, { TABLE(0), 48, KC_SPAN_TABLE },
		     { BUF(1), 2, KC_SPAN_IN } } },
	{ .what = "a length of 0", .bad = "a buffer has length 0", .d = { { BUF(0), 0, 0, 0 } },
	  .spans = { { DESC(0), 16, KC_SPAN_TABLE }, { BUF(0), 0, KC_SPAN_OUT } } },
	{ .what = "outside", .bad = "a buffer lies outside guest memory", .writable = 9,
	  .d = { { 0x30000, 9, WRITE, 0 } },
	  .spans = { { DESC(0), 16, KC_SPAN_TABLE }, { 0x30000, 9, KC_SPAN_IN } } },
	{ .what = "the first rule that is broken is named", .bad = "a buffer has length 0",
	  .d = { { BUF(0), 0, NEXT, 1 }, { 0x30000, 1, 0, 0 } }, .readable = 1 },
	{ .what = "readable behind writable", .bad = "a readable buffer follows a writable one",
	  .d = { { BUF(0), 4, WRITE | NEXT, 1 }, { BUF(1), 4, 0, 0 } },
	  .readable = 4, .writable = 4 },
	{ .what = "a head too high", .bad = "its head lies beyond the descriptor table", .head = 4 },
	{ .what = "next too high", .bad = "next points beyond the descriptor table",
	  .d = { { BUF(0), 4, NEXT, 4 } }, .readable = 4 },
	{ .what = "a loop ends", .bad = "it is a loop", .d = { { BUF(0), 1, NEXT, 0 } },
	  .readable = 4 },
	{ .what = "indirect and next: both are followed", .bad = "INDIRECT and NEXT are set together",
	  .with = WITH_INDIRECT, .d = { { TABLE(0), 16, IND | NEXT, 1 }, { BUF(1), 2, WRITE, 0 } },
	  .t = { { BUF(0), 1, 0, 0 } }, .readable = 1, .writable = 2 },
	{ .what = "nested", .bad = "an indirect table refers to another", .with = WITH_INDIRECT,
	  .d = { { TABLE(0), 16, IND, 0 } }, .t = { { BUF(0), 16, IND | WRITE, 0 } },
	  .writable = 16 },
	{ .what = "an odd table", .bad = "an indirect table's length is no multiple of 16",
	  .with = WITH_INDIRECT, .d = { { TABLE(0), 17, IND, 0 } }, .t = { { BUF(0), 2, 0, 0 } },
	  .readable = 2 },
	{ .what = "a table outside", .bad = "an indirect table lies outside guest memory",
	  .with = WITH_INDIRECT, .d = { { 0x30000, 16, IND, 0 } },
	  .spans = { { DESC(0), 16, KC_SPAN_TABLE }, { 0x30000, 16, KC_SPAN_TABLE } } },
	{ .what = "next beyond the indirect table", .bad = "next points beyond the indirect table",
	  .with = WITH_INDIRECT, .d = { { TABLE(0), 32, IND, 0 } },
	  .t = { { BUF(0), 1, NEXT, 2 } }, .readable = 1 },
	{ .what = "a table that is a loop", .bad = "an indirect table is a loop",
	  .with = WITH_INDIRECT, .d = { { TABLE(0), 32, IND, 0 } },
	  .t = { { BUF(0), 1, NEXT, 1 }, { BUF(1), 1, NEXT, 0 } }, .readable = 2 },
	{ .what = "five buffers in a ring of four", .bad = "it is longer than the queue size",
	  .with = WITH_INDIRECT, .readable = 5,
	  .d = { { BUF(0), 1, NEXT, 1 }, { BUF(1), 1, NEXT, 2 }, { TABLE(0), 48, IND, 0 } },
	  .t = { { BUF(2), 1, NEXT, 1 }, { BUF(3), 1, NEXT, 2 }, { BUF(4), 1, 0, 0 } } },
	{ .what = "in order, round the end", .with = WITH_IN_ORDER, .head = 3, .readable = 2,
	  .d = { [3] = { BUF(0), 1, NEXT, 0 }, [0] = { BUF(1), 1, 0, 0 } } },
	{ .what = "in order, and a jump", .with = WITH_IN_ORDER, .readable = 2,
	  .bad = "with IN_ORDER next is not the following descriptor",
	  .d = { { BUF(0), 1, NEXT, 3 }, [3] = { BUF(1), 1, 0, 0 } } },
	{ .what = "in order, and a jump in the table", .with = WITH_IN_ORDER | WITH_INDIRECT,
	  .bad = "with IN_ORDER next is not the following entry", .readable = 2,
	  .d = { { TABLE(0), 48, IND, 0 } },
	  .t = { { BUF(0), 1, NEXT, 2 }, [2] = { BUF(1), 1, 0, 0 } } },
};

static struct kc_watch_chain walk(struct bench *b, unsigned size, const struct row *r)
{
	struct kc_watch_queue q = { .cfg = ring(b, 0, size, 0, r->with)->c, .period = 65536 };
	struct kc_watch_chain c = { .head = r->head };

	for (unsigned k = 0; k < 4 && k < size; k++)
		drv_desc_at(b, q.cfg.desc, k, r->d[k]);
	for (unsigned k = 0; k < 3; k++)
		drv_desc_at(b, TABLE(0), k, r->t[k]);
	kc_layout_split.walk(b->o, &q, &c);
	return c;
}

static void each_chain_has_its_bytes_and_its_fault(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct kc_watch_chain c = walk(b, 4, r);

		if (!!c.bad != !!r->bad || (c.bad && strcmp(c.bad, r->bad)))
			fail_msg("%s: expected %s, actual %s", r->what, r->bad, c.bad);
		if (c.readable != r->readable || c.writable != r->writable)
			fail_msg("%s: %llu out, %llu in", r->what, (unsigned long long)c.readable,
				 (unsigned long long)c.writable);
		for (unsigned k = 0; k < 5 && r->spans[k].gpa; k++) {
			assert_true(k < c.nspans);
			assert_int_equal(c.spans[k].gpa, r->spans[k].gpa);
			assert_int_equal(c.spans[k].len, r->spans[k].len);
			assert_int_equal(c.spans[k].kind, r->spans[k].kind);
		}
		assert_false(c.boundless);
		free(c.spans);
	}
}

/* A device may take the table for a buffer: those bytes count as the device's. */
static void a_table_without_the_feature_is_both(void **state)
{
	struct row r = { .d = { { TABLE(0), 16, IND | WRITE, 0 } }, .t = { { BUF(3), 8, WRITE, 0 } } };
	struct kc_watch_chain c = walk(*state, 4, &r);
	bool buffer = false, followed = false;

	assert_non_null(c.bad);
	for (unsigned i = 0; i < c.nspans; i++) {
		buffer |= c.spans[i].gpa == TABLE(0) && c.spans[i].kind == KC_SPAN_IN;
		followed |= c.spans[i].gpa == BUF(3) && c.spans[i].kind == KC_SPAN_IN;
	}
	assert_true(buffer && followed);
	free(c.spans);
}

/* Nobody could keep account of it: given up, and told. */
static void a_chain_without_bounds(void **state)
{
	struct bench *b = *state;
	struct kc_watch_queue q = { .cfg = ring(b, 0, 64, 0, WITH_INDIRECT)->c };
	struct kc_watch_chain c = { .head = 0 };

	/* 64 descriptors that all lead to the same 4096 entries */
	for (unsigned i = 0; i < 4096; i++)
		drv_desc_at(b, REGION1, i, (struct kc_desc){ BUF(0), 1, NEXT, i + 1 });
	for (unsigned i = 0; i < 64; i++)
		drv_desc_at(b, q.cfg.desc, i, (struct kc_desc){ REGION1, 65536, IND | NEXT, i + 1 });
	kc_layout_split.walk(b->o, &q, &c);
	assert_true(c.boundless);
	assert_non_null(c.bad);
	assert_in_range(c.nspans, 1, 65536);
	free(c.spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIM(each_chain_has_its_bytes_and_its_fault),
		SIM(a_table_without_the_feature_is_both),
		SIM(a_chain_without_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of a packed ring as the oracle walks them: which are right, and which rule of the driver's the
 * others break. What becomes of the ring then is in test_oracle_packed_driver.c.
 */
#include <tests/unit/oracle_bench_packed.h>
#include <harness/oracle/watch.h>

/* Lists in `d` from slot 0 on, in a ring of 4; a table in `t`. */
static void lists_that_break_rules(void **state)
{
	static const struct {
		const char *what, *bad;	/* bad NULL: right */
		struct kc_pdesc d[4], t[2];
		unsigned n, with;
	} rows[] = {
		{ .what = "one", .n = 1, .d = { { BUF(0), 4, 0, WRITE } } },
		{ .what = "as long as the ring", .n = 4,
		  .d = { { BUF(0), 4, 0, NEXT }, { BUF(1), 4, 0, NEXT }, { BUF(2), 4, 0, NEXT | WRITE },
			 { BUF(3), 4, 0, WRITE } } },
		{ .what = "a table", .n = 1, .with = WITH_INDIRECT, .d = { { TABLE(0), 32, 0, IND } },
		  .t = { { BUF(0), 4, 77, 0 }, { BUF(1), 4, 78, WRITE } } },
		{ .what = "NEXT in a table means nothing", .n = 1, .with = WITH_INDIRECT,
		  .d = { { TABLE(0), 32, 0, IND } },
		  .t = { { BUF(0), 4, 0, NEXT }, { BUF(1), 4, 0, WRITE | NEXT } } },
		{ .what = "never ends", .n = 4, .bad = "it is a loop",
		  .d = { { BUF(0), 4, 0, NEXT }, { BUF(1), 4, 0, NEXT }, { BUF(2), 4, 0, NEXT },
			 { BUF(3), 4, 0, NEXT } } },
		{ .what = "not negotiated", .n = 1, .bad = "INDIRECT is set and was not negotiated",
		  .d = { { TABLE(0), 16, 0, IND } }, .t = { { BUF(0), 4, 0, 0 } } },
		{ .what = "a table in a list", .n = 2, .with = WITH_INDIRECT,
		  .bad = "INDIRECT is set in a list of several descriptors",
		  .d = { { BUF(1), 4, 0, NEXT }, { TABLE(0), 16, 0, IND } }, .t = { { BUF(0), 4, 0, 0 } } },
		{ .what = "nested", .n = 1, .with = WITH_INDIRECT,
		  .bad = "an indirect table refers to another", .d = { { TABLE(0), 16, 0, IND } },
		  .t = { { BUF(0), 16, 0, IND } } },
		{ .what = "a length of 0", .n = 1, .bad = "a buffer has length 0",
		  .d = { { BUF(0), 0, 0, WRITE } } },
		{ .what = "readable behind writable", .n = 2,
		  .bad = "a readable buffer follows a writable one",
		  .d = { { BUF(0), 4, 0, NEXT | WRITE }, { BUF(1), 4, 0, 0 } } },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench_queue *q = pk_start(b, 0, 4, 0, rows[i].with);
		const char *bad;

		for (unsigned k = 0; k < 2; k++)
			pk_write(b, TABLE(0) + 16 * k, rows[i].t[k]);
		for (unsigned k = rows[i].n; k-- > 0;)
			pk_desc(b, q, k, rows[i].d[k]);
		kc_oracle_published(b->o, 0);
		assert_int_equal(view(b, 0).offered, 1);
		assert_non_null(b->o->q[0]->first);
		bad = b->o->q[0]->first->bad;
		if (!!bad != !!rows[i].bad || (bad && strcmp(bad, rows[i].bad)))
			fail_msg("%s: expected %s, actual %s", rows[i].what, rows[i].bad, bad);
		assert_int_equal(view(b, 0).malformed, !!bad);
		kc_oracle_kicked(b->o, 0);
		if (bad)
			kc_oracle_quiet(b->o);	/* owes nothing */
		none(b);
		pk_stop(b, q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(lists_that_break_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

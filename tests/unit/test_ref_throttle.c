/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference with a limit of requests a second, on a clock that the test moves. */
#include <tests/unit/ref_fixture.h>

#define GAP	1000000ll	/* 1000 a second */
#define START	123456789ll

static void open_throttled(struct fx *f, unsigned requests_per_s)
{
	struct kc_ref_config c = { .device = "loopback", .queues = NQUEUES,
				   .requests_per_s = requests_per_s };

	fx_open_config(f, &c);
	assert_int_equal(fx_u64(f, KC_VU_SET_FEATURES, F_V1), KC_REF_DONE);
	assert_int_equal(fx_mem_table(f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
	kc_ref_tell_time(f->ref, START);
}

static void offer(struct fx *f, unsigned qi, unsigned n)
{
	while (n--) {
		fx_desc(f, qi, n, BUFS, 4, 0, 0);
		fx_offer(f, qi, n);
	}
	fx_kick(f, qi);
}

static void test_one_a_gap(void **state)
{
	struct fx f;

	(void)state;
	open_throttled(&f, 1000);
	fx_start(&f, 0, 8, 0);
	offer(&f, 0, 4);
	for (unsigned i = 0; i < 4; i++) {
		kc_ref_tell_time(f.ref, START + i * GAP);
		assert_int_equal(fx_run(&f), 1);
		assert_int_equal(fx_used_idx(&f, 0), i + 1);
		assert_int_equal(kc_ref_wake_ns(f.ref), START + (i + 1) * GAP);
		kc_ref_tell_time(f.ref, START + (i + 1) * GAP - 1);
		assert_int_equal(fx_run(&f), 0);
	}
	/* The look that finds it empty, and then there is nothing to wake up for. */
	kc_ref_tell_time(f.ref, START + 4 * GAP);
	assert_int_equal(fx_run(&f), 1);
	assert_int_equal(kc_ref_wake_ns(f.ref), 0);
	fx_close(&f);
}

/* A kick that comes while it waits is not lost. */
static void test_kicked_while_it_waits(void **state)
{
	struct fx f;

	(void)state;
	open_throttled(&f, 1000);
	fx_start(&f, 0, 8, 0);
	assert_int_equal(fx_run(&f), 1);	/* the look at the start */
	assert_int_equal(kc_ref_wake_ns(f.ref), 0);
	offer(&f, 0, 1);
	assert_int_equal(fx_run(&f), 0);
	assert_int_equal(fx_run(&f), 0);
	assert_int_equal(kc_ref_wake_ns(f.ref), START + GAP);
	kc_ref_tell_time(f.ref, START + GAP);
	assert_int_equal(fx_run(&f), 1);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_close(&f);
}

/* Who is a little late keeps the rate; who has had a pause has not saved any. */
static void test_the_rate_is_kept(void **state)
{
	struct fx f;

	(void)state;
	open_throttled(&f, 1000);
	fx_start(&f, 0, 64, 0);
	offer(&f, 0, 40);
	for (unsigned i = 0; i < 20; i++) {
		kc_ref_tell_time(f.ref, START + i * GAP + (i % 2 ? GAP / 3 : 0));
		assert_int_equal(fx_run(&f), 1);
	}
	kc_ref_tell_time(f.ref, START + 100 * GAP);
	assert_int_equal(fx_run(&f), 1);
	assert_int_equal(fx_used_idx(&f, 0), 21);
	fx_close(&f);
}

/* All rings share the limit, and none starves. */
static void test_rings_take_turns(void **state)
{
	struct fx f;

	(void)state;
	open_throttled(&f, 1000);
	for (unsigned qi = 0; qi < 2; qi++) {
		fx_start(&f, qi, 8, 0);
		offer(&f, qi, 3);
	}
	for (unsigned i = 0; i < 6; i++) {
		kc_ref_tell_time(f.ref, START + i * GAP);
		assert_int_equal(fx_run(&f), 1);
	}
	assert_int_equal(fx_used_idx(&f, 0), 3);
	assert_int_equal(fx_used_idx(&f, 1), 3);
	fx_close(&f);
}

static void test_no_limit(void **state)
{
	struct fx f;

	(void)state;
	open_throttled(&f, 0);
	fx_start(&f, 0, 8, 0);
	offer(&f, 0, 4);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 4);
	assert_int_equal(kc_ref_wake_ns(f.ref), 0);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_a_gap),
		cmocka_unit_test(test_kicked_while_it_waits),
		cmocka_unit_test(test_the_rate_is_kept),
		cmocka_unit_test(test_rings_take_turns),
		cmocka_unit_test(test_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Percentiles to two digits, whatever the values; two histograms are as good as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <common/rng.h>
#include <harness/report/histogram.h>

static struct kc_histogram *fresh(void)
{
	struct kc_histogram *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	return h;
}

static void assert_near(int64_t actual, int64_t expected)
{
	if (llabs(actual - expected) * 100 > expected)
		fail_msg("expected %lld within 1 %%, actual %lld", (long long)expected, (long long)actual);
}

static void test_empty(void **state)
{
	struct kc_histogram *h = fresh();

	(void)state;
	assert_int_equal(kc_histogram_percentile(h, 50), 0);
	assert_int_equal(kc_histogram_percentile(h, 100), 0);
	free(h);
}

/* Alone in a histogram, a value is every percentile. Above, below and at each power of two. */
static void test_every_magnitude(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < KC_HISTOGRAM_BITS; bit++)
		for (int d = -1; d <= 1; d++) {
			int64_t value = (1ll << bit) + d;
			struct kc_histogram *h = fresh();

			kc_histogram_add(h, value);
			assert_near(kc_histogram_percentile(h, 1), value);
			assert_near(kc_histogram_percentile(h, 99), value);
			assert_true(kc_histogram_percentile(h, 100) <= value);
			assert_int_equal(h->max, value);
			if (value < 256)
				assert_int_equal(kc_histogram_percentile(h, 50), value);
			free(h);
		}
}

static void test_out_of_range(void **state)
{
	struct kc_histogram *h = fresh();

	(void)state;
	kc_histogram_add(h, INT64_MAX);
	kc_histogram_add(h, INT64_MIN);
	assert_int_equal(h->count, 2);
	assert_int_equal(h->max, INT64_MAX);
	assert_int_equal(kc_histogram_percentile(h, 50), 0);
	assert_near(kc_histogram_percentile(h, 99), 1ll << KC_HISTOGRAM_BITS);
	free(h);
}

/* 1..1000: the value that p percent do not exceed is 10 p. */
static void test_ranks(void **state)
{
	struct kc_histogram *h = fresh();

	(void)state;
	for (int64_t v = 1000; v > 0; v--)
		kc_histogram_add(h, 1000 * v);
	for (unsigned p = 1; p <= 100; p++)
		assert_near(kc_histogram_percentile(h, p), 10000 * p);
	free(h);
}

/* Nearest rank: of three values the median is the second, and 99 % are all of them. */
static void test_few(void **state)
{
	struct kc_histogram *h = fresh();

	(void)state;
	for (int64_t v = 1; v <= 3; v++)
		kc_histogram_add(h, v);
	assert_int_equal(kc_histogram_percentile(h, 33), 1);
	assert_int_equal(kc_histogram_percentile(h, 34), 2);
	assert_int_equal(kc_histogram_percentile(h, 50), 2);
	assert_int_equal(kc_histogram_percentile(h, 99), 3);
	free(h);
}

static void test_merged_is_as_one(void **state)
{
	struct kc_histogram *one = fresh(), *parts[2] = { fresh(), fresh() };
	struct kc_rng rng;

	(void)state;
	kc_rng_seed(&rng, 1);
	for (unsigned i = 0; i < 10000; i++) {
		int64_t v = (int64_t)(kc_rng_next(&rng) >> (24 + kc_rng_below(&rng, 40)));

		kc_histogram_add(one, v);
		kc_histogram_add(parts[kc_rng_below(&rng, 2)], v);
	}
	kc_histogram_merge(parts[0], parts[1]);
	assert_memory_equal(parts[0], one, sizeof(*one));
	free(one);
	free(parts[0]);
	free(parts[1]);
}

static void test_counts_do_not_wrap(void **state)
{
	struct kc_histogram *a = fresh(), *b = fresh();

	(void)state;
	a->n[5] = UINT32_MAX - 1;
	a->count = UINT32_MAX - 1;
	kc_histogram_merge(b, a);
	kc_histogram_merge(b, a);
	assert_int_equal(b->n[5], UINT32_MAX);
	b->max = 5;
	assert_int_equal(kc_histogram_percentile(b, 99), 5);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_every_magnitude),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_merged_is_as_one),
		cmocka_unit_test(test_counts_do_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

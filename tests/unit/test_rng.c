/* SPDX-License-Identifier: BSD-3-Clause */
/* The generator, and derived seeds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <common/rng.h>

/* First outputs of splitmix64 for seed 1234567, as published with the algorithm. */
static void test_known_values(void **state)
{
	static const uint64_t want[] = {
		6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull,
		4593380528125082431ull, 16408922859458223821ull,
	};
	struct kc_rng r;

	(void)state;
	kc_rng_seed(&r, 1234567);
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_true(kc_rng_next(&r) == want[i]);
}

static void test_below(void **state)
{
	static const uint64_t bounds[] = { 1, 2, 3, 7, 1000, 1ull << 32, (1ull << 63) + 1,
					   UINT64_MAX };
	unsigned seen[5] = { 0 };
	struct kc_rng r;

	(void)state;
	kc_rng_seed(&r, 42);
	for (unsigned b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++)
		for (unsigned i = 0; i < 200; i++)
			assert_true(kc_rng_below(&r, bounds[b]) < bounds[b]);
	for (unsigned i = 0; i < 5000; i++)
		seen[kc_rng_below(&r, 5)]++;
	for (unsigned i = 0; i < 5; i++)
		assert_in_range(seen[i], 850, 1150);
}

static void test_derive(void **state)
{
	(void)state;
	assert_true(kc_seed_derive(1, "split/wrap") == kc_seed_derive(1, "split/wrap"));
	assert_true(kc_seed_derive(1, "split/wrap") != kc_seed_derive(2, "split/wrap"));
	assert_true(kc_seed_derive(1, "split/wrap") != kc_seed_derive(1, "split/wraq"));
	assert_true(kc_seed_derive(0, "") != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_derive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
/* The reference back-end's entropy device: every writable byte is filled and counted, and never the
 * same way twice. */
#include <tests/unit/ref_fixture.h>

#define BYTES	61u

static void request(struct fx *f, uint16_t idx, uint64_t gpa, uint16_t dir, uint32_t len)
{
	fx_desc(f, 0, 0, gpa, 20, NEXT | dir, 1);
	fx_desc(f, 0, 1, gpa + 20, BYTES - 20, dir, 0);
	fx_offer(f, 0, 0);
	fx_kick(f, 0);
	fx_run(f);
	assert_int_equal(fx_used_idx(f, 0), idx + 1);
	fx_expect_used(f, 0, idx, 0, len);
}

static unsigned zeroes(const uint8_t *p, uint32_t len)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < len; i++)
		n += !p[i];
	return n;
}

static void open_rng(struct fx *f)
{
	fx_open(f, "rng", 0);
	fx_start(f, 0, 8, 0);
	memset(fx_host(f, BUFS), 0, 0x1000);
}

static void fills_all_of_it(void **state)
{
	uint8_t *a, *b;
	struct fx f;

	(void)state;
	open_rng(&f);
	a = fx_host(&f, BUFS);
	b = fx_host(&f, BUFS + 0x100);
	request(&f, 0, BUFS, RW, BYTES);
	request(&f, 1, BUFS + 0x100, RW, BYTES);
	assert_true(zeroes(a, BYTES) < 8 && zeroes(b, BYTES) < 8);
	assert_true(zeroes(a + BYTES - 8, 8) < 8);	/* to the last one */
	assert_int_equal(zeroes(a + BYTES, 16), 16);	/* and none behind it */
	assert_memory_not_equal(a, b, BYTES);
	fx_close(&f);
}

static void a_readable_buffer_gets_nothing(void **state)
{
	struct fx f;

	(void)state;
	open_rng(&f);
	request(&f, 0, BUFS, 0, 0);
	assert_int_equal(zeroes(fx_host(&f, BUFS), BYTES), BYTES);
	fx_close(&f);
}

static void what_comes_goes_on_after_a_reset(void **state)
{
	uint8_t before[BYTES];
	struct fx f;

	(void)state;
	open_rng(&f);
	request(&f, 0, BUFS, RW, BYTES);
	memcpy(before, fx_host(&f, BUFS), BYTES);
	assert_int_equal(fx_get_base(&f, 0), 1);
	fx_start(&f, 0, 8, 0);
	request(&f, 0, BUFS, RW, BYTES);
	assert_memory_not_equal(before, fx_host(&f, BUFS), BYTES);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_all_of_it),
		cmocka_unit_test(a_readable_buffer_gets_nothing),
		cmocka_unit_test(what_comes_goes_on_after_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

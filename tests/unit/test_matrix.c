/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of features to try: what a covering array promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <harness/language/matrix.h>

#define V1	(1ull << 32)

static bool has_row(const struct kc_matrix *m, uint64_t row)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->rows[i] == row)
			return true;
	return false;
}

/* Among the rows from `first` on: are bits a and b seen with these values? */
static bool seen(const struct kc_matrix *m, unsigned first, unsigned a, unsigned b, unsigned values)
{
	for (unsigned i = first; i < m->n; i++)
		if ((m->rows[i] >> a & 1) == (values & 1) && (m->rows[i] >> b & 1) == values >> 1)
			return true;
	return false;
}

static void test_plain_rows(void **state)
{
	uint64_t f = 1ull << 9 | 1ull << 28 | 1ull << 29;
	struct kc_matrix m;

	(void)state;
	kc_matrix_build(&m, f | V1, V1);
	assert_true(has_row(&m, f | V1));
	assert_true(has_row(&m, V1));
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(f >> bit & 1))
			continue;
		assert_true(has_row(&m, V1 | 1ull << bit));
		assert_true(has_row(&m, V1 | (f & ~(1ull << bit))));
	}
	for (unsigned i = 0; i < m.n; i++) {
		assert_true(m.rows[i] & V1);
		assert_int_equal(m.rows[i] & ~(f | V1), 0);
	}
}

/* The mixed rows alone cover every pair, for few and for many features, and there are few of them. */
static void test_every_pair_is_covered(void **state)
{
	(void)state;
	for (unsigned n = 2; n <= 40; n += 6) {
		uint64_t f = (1ull << n) - 1;
		unsigned plain = 2 + 2 * n;
		struct kc_matrix m;

		kc_matrix_build(&m, f, 0);
		assert_true(m.n <= plain + 24);
		for (unsigned a = 0; a < n; a++)
			for (unsigned b = a + 1; b < n; b++)
				for (unsigned v = 0; v < 4; v++)
					assert_true(seen(&m, n > 4 ? plain : 0, a, b, v));
	}
}

static void test_the_same_again(void **state)
{
	struct kc_matrix a, b;

	(void)state;
	kc_matrix_build(&a, 0xfff, 0);
	kc_matrix_build(&b, 0xfff, 0);
	assert_memory_equal(&a, &b, sizeof(a));
	for (unsigned i = 0; i < a.n; i++)
		for (unsigned j = i + 1; j < a.n; j++)
			assert_true(a.rows[i] != a.rows[j]);
}

static void test_nothing_to_choose(void **state)
{
	struct kc_matrix m;

	(void)state;
	kc_matrix_build(&m, V1, V1);
	assert_int_equal(m.n, 1);
	assert_true(m.rows[0] == V1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_rows),
		cmocka_unit_test(test_every_pair_is_covered),
		cmocka_unit_test(test_the_same_again),
		cmocka_unit_test(test_nothing_to_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

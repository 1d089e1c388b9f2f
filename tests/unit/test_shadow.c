/* SPDX-License-Identifier: BSD-3-Clause */
/* The oracle's copy of guest memory: what it follows, what it permits, and which changes it tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <harness/oracle/shadow.h>
#include <sim/pristine.h>

#define A	0x10000ull	/* alone */
#define B	0x40000ull	/* B and C touch */
#define C	0x42000ull
#define BYTES	0x2000ull
#define END	(C + BYTES)

static struct kc_mem mem;
static struct kc_shadow sh;

static struct {
	struct kc_shadow_change c[8];
	unsigned n;
} told;

static int setup(void **state)
{
	static const struct kc_mem_layout_row rows[] = {
		{ A, BYTES, 0 }, { B, BYTES, 0 }, { C, BYTES, 0x1000 },
	};

	(void)state;
	memset(&told, 0, sizeof(told));
	return kc_mem_init(&mem, rows, 3, NULL) || kc_shadow_init(&sh, &mem);
}

static int teardown(void **state)
{
	(void)state;
	kc_shadow_fini(&sh);
	kc_mem_fini(&mem);
	return 0;
}

static void changed(void *ctx, const struct kc_shadow_change *c)
{
	assert_ptr_equal(ctx, &told);
	if (told.n < 8)
		told.c[told.n++] = *c;
}

static unsigned compare(void)
{
	told.n = 0;
	kc_shadow_compare(&sh, changed, &told);
	return told.n;
}

/* The device writes. */
static void flip(uint64_t gpa, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		*(uint8_t *)kc_mem_host(&mem, gpa + i, 1) ^= 0xff;
}

/* kickcall writes: memory first, then the copy. */
static void write_own(uint64_t gpa, const void *buf, size_t len)
{
	assert_int_equal(kc_mem_write(&mem, gpa, buf, len), 0);
	kc_shadow_apply(&sh, gpa, buf, len);
}

static void ranges_are_counted_where_memory_is(void **state)
{
	static const struct { uint64_t gpa, len, there; } rows[] = {
		{ A, BYTES, BYTES }, { A - 1, 2, 1 }, { A + BYTES - 1, 2, 1 }, { A + BYTES, 1, 0 },
		{ B, 2 * BYTES, 2 * BYTES }, { C - 1, 2, 2 }, { 0, UINT64_MAX, 3 * BYTES },
		{ END - 1, UINT64_MAX, 1 }, { UINT64_MAX, 16, 0 }, { A, 0, 0 },
	};

	(void)state;
	assert_int_equal(sh.bytes, 3 * BYTES);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(kc_shadow_overlap(&sh, rows[i].gpa, rows[i].len), rows[i].there);
		assert_int_equal(kc_shadow_inside(&sh, rows[i].gpa, rows[i].len),
				 rows[i].there == rows[i].len);
	}
}

static void it_reads_what_kickcall_wrote(void **state)
{
	uint8_t buf[8], want[8];

	(void)state;
	write_own(C - 4, "abcdefgh", 8);
	flip(C - 4, 8);
	assert_true(kc_shadow_read(&sh, C - 4, buf, 8));
	assert_memory_equal(buf, "abcdefgh", 8);
	assert_int_equal(kc_shadow_u16(&sh, C - 1), 'd' | 'e' << 8);
	assert_false(kc_shadow_read(&sh, END - 4, buf, 8));
	for (unsigned i = 0; i < 8; i++)
		want[i] = i < 4 ? kc_pristine_byte(END - 4 + i) : 0;
	assert_memory_equal(buf, want, 8);
	assert_int_equal(kc_shadow_u16(&sh, END), 0);
	kc_shadow_apply(&sh, END - 1, "xy", 2);		/* what is outside is passed over */
}

static void a_run_is_told_once_and_whole(void **state)
{
	(void)state;
	assert_int_equal(compare(), 0);
	flip(A + 4090, 12);		/* across two pages */
	flip(B, 1);
	flip(END - 1, 1);
	assert_int_equal(compare(), 3);
	assert_int_equal(told.c[0].gpa, A + 4090);
	assert_int_equal(told.c[0].len, 12);
	assert_int_equal(told.c[0].expected, kc_pristine_byte(A + 4090));
	assert_int_equal(told.c[0].actual, kc_pristine_byte(A + 4090) ^ 0xff);
	assert_int_equal(told.c[1].gpa, B);
	assert_int_equal(told.c[1].len, 1);
	assert_int_equal(told.c[2].gpa, END - 1);
	assert_int_equal(compare(), 0);		/* the copy has followed */
}

static void a_range_is_compared_alone(void **state)
{
	(void)state;
	flip(B + 10, 4);
	kc_shadow_compare_range(&sh, B, 10, changed, &told);
	kc_shadow_compare_range(&sh, B + 14, 100, changed, &told);
	assert_int_equal(told.n, 0);
	kc_shadow_compare_range(&sh, B + 12, 1, changed, &told);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.c[0].gpa, B + 12);
	assert_int_equal(told.c[0].len, 1);
	assert_int_equal(compare(), 2);		/* what lies on both sides of it */
}

static void what_is_permitted_is_not_told(void **state)
{
	(void)state;
	kc_shadow_permit(&sh, C - 8, 16, true);
	kc_shadow_permit(&sh, C, 4, true);		/* two things in flight there */
	flip(C - 9, 18);
	assert_int_equal(compare(), 2);
	assert_int_equal(told.c[0].gpa, C - 9);
	assert_int_equal(told.c[0].len, 1);
	assert_int_equal(told.c[1].gpa, C + 8);
	kc_shadow_permit(&sh, C - 8, 16, false);
	assert_false(kc_shadow_permitted(&sh, C - 1));
	assert_true(kc_shadow_permitted(&sh, C + 3));
	assert_false(kc_shadow_permitted(&sh, C + 4));
	assert_false(kc_shadow_permitted(&sh, END));
	kc_shadow_sync(&sh, C - 8, 8);			/* they were rightful */
	assert_int_equal(compare(), 1);
	assert_int_equal(told.c[0].gpa, C + 4);
	assert_int_equal(told.c[0].len, 4);
}

static void something_boundless_permits_all(void **state)
{
	(void)state;
	flip(A, 1);
	sh.permit_all = 1;
	assert_true(kc_shadow_permitted(&sh, A));
	assert_int_equal(compare(), 0);
	kc_shadow_compare_range(&sh, A, 1, changed, &told);
	assert_int_equal(told.n, 0);
	sh.permit_all = 0;
	assert_int_equal(compare(), 1);
}

/* kickcall is in the middle of a write that the copy does not know yet. */
static void a_write_of_our_own_is_no_change(void **state)
{
	(void)state;
	flip(A + 16, 8);
	sh.own_gpa = A + 16;
	sh.own_end = A + 24;
	assert_int_equal(compare(), 0);
	flip(A + 24, 1);
	assert_int_equal(compare(), 1);
	assert_int_equal(told.c[0].gpa, A + 24);
}

static void untouched_bytes_are_counted(void **state)
{
	uint64_t first = 0;

	(void)state;
	assert_int_equal(kc_shadow_untouched(&sh, C - 8, 16, &first), 0);	/* no poison of ours */
	write_own(C - 8, "0123456789abcdef", 16);
	assert_int_equal(kc_shadow_untouched(&sh, C - 8, 16, &first), 16);
	assert_int_equal(first, C - 8);
	flip(C - 8, 9);
	assert_int_equal(kc_shadow_untouched(&sh, C - 8, 16, &first), 7);
	assert_int_equal(first, C + 1);
	kc_shadow_sync(&sh, C - 8, 16);			/* the device has had them */
	assert_int_equal(kc_shadow_untouched(&sh, C - 8, 16, &first), 0);
}

/* Pins are of 16 bytes: whatever lies in one of them is pinned, and counted. */
static void pins_are_counted(void **state)
{
	(void)state;
	kc_shadow_pin(&sh, C - 1, 17, true);
	assert_true(kc_shadow_pinned(&sh, C - 16, 1));
	assert_false(kc_shadow_pinned(&sh, C - 17, 1));
	assert_true(kc_shadow_pinned(&sh, C + 15, 1));
	assert_false(kc_shadow_pinned(&sh, C + 16, 100));
	assert_true(kc_shadow_pinned(&sh, A, UINT64_MAX - A));
	kc_shadow_pin(&sh, C, 1, true);
	kc_shadow_pin(&sh, C - 1, 17, false);
	assert_false(kc_shadow_pinned(&sh, C - 16, 16));
	assert_true(kc_shadow_pinned(&sh, C, 16));
	kc_shadow_pin(&sh, C, 1, false);
	assert_false(kc_shadow_pinned(&sh, B, 2 * BYTES));
}

/* Counters that have met their end stay there: too mild, never wrong. */
static void full_counters_stay_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		kc_shadow_permit(&sh, A, 1, true);
	for (unsigned i = 0; i < 300; i++)
		kc_shadow_permit(&sh, A, 1, false);
	assert_true(kc_shadow_permitted(&sh, A));
	for (unsigned i = 0; i < 70000; i++)
		kc_shadow_pin(&sh, A, 1, true);
	for (unsigned i = 0; i < 70000; i++)
		kc_shadow_pin(&sh, A, 1, false);
	assert_true(kc_shadow_pinned(&sh, A, 1));
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ranges_are_counted_where_memory_is),
		TEST(it_reads_what_kickcall_wrote),
		TEST(a_run_is_told_once_and_whole),
		TEST(a_range_is_compared_alone),
		TEST(what_is_permitted_is_not_told),
		TEST(something_boundless_permits_all),
		TEST(a_write_of_our_own_is_no_change),
		TEST(untouched_bytes_are_counted),
		TEST(pins_are_counted),
		TEST(full_counters_stay_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What guest memory begins with: the same in a file, in a mapping and byte by byte. Modules: sim/pristine.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <sim/pristine.h>

#define PAGE	4096u

static uint8_t buf[2 * PAGE];

/* A file is filled, and read into buf. Errors are the filling's. */
static int fill(uint64_t gpa, size_t len)
{
	int file = memfd_create("filled", MFD_CLOEXEC), ret = kc_pristine_fill(gpa, len, file, PAGE);

	if (!ret)
		assert_int_equal(pread(file, buf, len, PAGE), len);
	close(file);
	return ret;
}

static void is_pristine(const uint8_t *p, uint64_t gpa, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		assert_int_equal(p[i], kc_pristine_byte(gpa + i));
}

static void bytes_tell_where_they_are(void **state)
{
	unsigned same = 0;

	(void)state;
	for (uint64_t gpa = 0; gpa < 4096; gpa++)
		same += kc_pristine_byte(gpa) == kc_pristine_byte(gpa + 4096);
	assert_in_range(same, 0, 64);	/* 16 by chance */
}

static void filled_and_mapped(void **state)
{
	static const uint64_t at[] = { 0, PAGE, 0x40000000, 1ull << 40 };
	void *map;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		memset(buf, 0, sizeof(buf));
		assert_int_equal(fill(at[i], sizeof(buf)), 0);
		is_pristine(buf, at[i], sizeof(buf));
		assert_int_equal(kc_pristine_map(at[i], sizeof(buf), &map), 0);
		is_pristine(map, at[i], sizeof(buf));
		munmap(map, sizeof(buf));
	}
}

static void a_map_is_private(void **state)
{
	void *one, *two;

	(void)state;
	assert_int_equal(kc_pristine_map(PAGE, PAGE, &one), 0);
	assert_int_equal(kc_pristine_map(PAGE, PAGE, &two), 0);
	memset(one, 0x55, PAGE);
	is_pristine(two, PAGE, PAGE);
	assert_int_equal(fill(PAGE, PAGE), 0);
	is_pristine(buf, PAGE, PAGE);
	munmap(one, PAGE);
	munmap(two, PAGE);
}

/* More ranges than are remembered. */
static void many_ranges(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (uint64_t i = 0; i < 40; i++) {
			assert_int_equal(fill(i << 24, PAGE), 0);
			is_pristine(buf, i << 24, PAGE);
		}
}

static void what_no_file_can_hold(void **state)
{
	void *map;

	(void)state;
	assert_int_not_equal(kc_pristine_prepare(1ull << 63, PAGE), 0);
	assert_int_not_equal(fill(1ull << 63, PAGE), 0);
	assert_int_not_equal(kc_pristine_map(1ull << 63, PAGE, &map), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_tell_where_they_are), cmocka_unit_test(filled_and_mapped),
		cmocka_unit_test(a_map_is_private), cmocka_unit_test(many_ranges),
		cmocka_unit_test(what_no_file_can_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

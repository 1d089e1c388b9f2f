// SPDX-License-Identifier: BSD-3-Clause
/* The reference's memory table: what it maps, what it refuses, and where an address leads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/reference/ref_internal.h>

#define FILE_BYTES	0x8000u
#define TOP		0xfffffffffffff000ull

/* { gpa, size, uva, mmap_offset }: the first two touch in guest memory, and in nothing else. */
static const struct kc_vu_region low = { 0x1000, 0x1000, 0x700000, 0 };
static const struct kc_vu_region next = { 0x2000, 0x1000, 0x900000, 0x3000 };
static const struct kc_vu_region first = { 0, 0x1000, 0xc00000, 0x5000 };
static const struct kc_vu_region last = { TOP, 0x1000, 0xa00000, 0x4800 };

static struct kc_ref_mem mem;
static struct kc_err err;
static int fd;

static int setup(void **state)
{
	uint8_t bytes[FILE_BYTES];

	(void)state;
	memset(&mem, 0, sizeof(mem));
	for (unsigned i = 0; i < FILE_BYTES; i++)
		bytes[i] = i / 256 + i;
	fd = memfd_create("guest", MFD_CLOEXEC);
	return fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes);
}

static int teardown(void **state)
{
	(void)state;
	kc_ref_mem_fini(&mem);
	close(fd);
	return 0;
}

static uint8_t in_file(uint64_t offset)
{
	return offset / 256 + offset;
}

static void map(const struct kc_vu_region *r)
{
	if (kc_ref_mem_add(&mem, r, fd, &err))
		fail_msg("%s", err.msg);
}

static void addresses_lead_into_the_file(void **state)
{
	uint64_t n;
	uint8_t *p;

	(void)state;
	map(&low);
	map(&next);
	map(&last);
	p = kc_ref_mem_uva(&mem, 0x700010, 0x10);
	assert_non_null(p);
	assert_int_equal(*p, in_file(0x10));
	assert_ptr_equal(kc_ref_mem_gpa(&mem, 0x1010, 1, &n), p);
	p = kc_ref_mem_gpa(&mem, TOP + 1, 1, &n);	/* its offset in the file is no page's */
	assert_int_equal(*p, in_file(0x4801));
	*p = 0xee;					/* shared with whoever has the file */
	assert_int_equal(pread(fd, &n, 1, 0x4801), 1);
	assert_int_equal((uint8_t)n, 0xee);
}

static void an_end_is_an_end(void **state)
{
	uint64_t n;

	(void)state;
	map(&low);
	map(&next);
	map(&last);
	assert_non_null(kc_ref_mem_uva(&mem, 0x700000, 0x1000));
	assert_null(kc_ref_mem_uva(&mem, 0x700000, 0x1001));
	assert_null(kc_ref_mem_uva(&mem, 0x700fff, 2));
	assert_null(kc_ref_mem_uva(&mem, 0x6fffff, 2));
	assert_null(kc_ref_mem_uva(&mem, 0x701000, 0));
	assert_null(kc_ref_mem_uva(&mem, 0x700800, UINT64_MAX));
	assert_null(kc_ref_mem_uva(&mem, 0x1000, 1));		/* a guest address */
	assert_non_null(kc_ref_mem_gpa(&mem, 0x1ff0, 0x100, &n));
	assert_int_equal(n, 0x10);				/* as far as this region goes */
	assert_null(kc_ref_mem_gpa(&mem, 0xfff, 2, &n));
	assert_null(kc_ref_mem_gpa(&mem, 0x700000, 1, &n));	/* a user address */
	assert_non_null(kc_ref_mem_gpa(&mem, UINT64_MAX, 10, &n));
	assert_int_equal(n, 1);
}

static void touching_regions_are_one(void **state)
{
	uint8_t buf[32];

	(void)state;
	map(&next);
	map(&low);
	map(&last);
	assert_true(kc_ref_mem_covers(&mem, 0x1000, 0x2000));
	assert_false(kc_ref_mem_covers(&mem, 0x1000, 0x2001));
	assert_false(kc_ref_mem_covers(&mem, 0xfff, 2));
	assert_true(kc_ref_mem_covers(&mem, 0x500000, 0));
	assert_true(kc_ref_mem_covers(&mem, TOP, 0x1000));
	map(&first);
	assert_true(kc_ref_mem_covers(&mem, 0, 0x3000));
	assert_false(kc_ref_mem_covers(&mem, TOP, 0x1001));	/* 0 does not follow on the last */
	assert_false(kc_ref_mem_covers(&mem, 0x1000, UINT64_MAX));
	assert_true(kc_ref_mem_read(&mem, 0x1ff0, buf, 32));
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(buf[i], in_file(i < 16 ? 0xff0 + i : 0x3000 + i - 16));
	assert_false(kc_ref_mem_read(&mem, 0x2ff0, buf, 32));
}

static const struct {
	struct kc_vu_region r;
	const char *said;
} refused[] = {
	{ { 0x5000, 0, 0xb00000, 0 }, "0 bytes" },
	{ { 0x5000, 0x1000, 0xb00000, 0x7001 }, "beyond the end of its file" },
	{ { 0x5000, 0x1000, 0xb00000, UINT64_MAX }, "beyond the end of its file" },
	{ { 0x5000, FILE_BYTES + 1, 0xb00000, 0 }, "beyond the end of its file" },
	{ { UINT64_MAX, 2, 0xb00000, 0 }, "wraps" },
	{ { 0x5000, 2, UINT64_MAX, 0 }, "wraps" },
	{ { 0x1fff, 0x1000, 0xb00000, 0 }, "overlap" },
	{ { 0x800, 0x801, 0xb00000, 0 }, "overlap" },
	{ { 0x800, 0x3000, 0xb00000, 0 }, "overlap" },
	{ { 0x1400, 0x10, 0xb00000, 0 }, "overlap" },
	{ { 0x5000, 0x1000, 0x700fff, 0 }, "overlap" },
	{ { 0x5000, 0x1000, 0x6ff001, 0 }, "overlap" },
};

static void senseless_regions_are_refused(void **state)
{
	struct kc_vu_region r = { 0x5000, 0x1000, 0xb00000, 0 };

	(void)state;
	map(&low);
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(kc_ref_mem_add(&mem, &refused[i].r, fd, &err), -EINVAL);
		if (!strstr(err.msg, refused[i].said))
			fail_msg("row %u: %s", i, err.msg);
	}
	assert_int_equal(kc_ref_mem_add(&mem, &r, -1, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "without a file"));
	assert_int_equal(mem.nregions, 1);
	r = (struct kc_vu_region){ 0x2000, 0x7000, 0x701000, 0x1000 };	/* touches, and fits */
	map(&r);
}

static void the_table_has_an_end(void **state)
{
	struct kc_vu_region r = { 0x1000, 0x1000, 0x700000, 0 };

	(void)state;
	for (unsigned i = 0; i < KC_VU_MEM_REGIONS_MAX; i++, r.gpa += 0x1000, r.uva += 0x1000)
		map(&r);
	assert_int_equal(kc_ref_mem_add(&mem, &r, fd, &err), -EINVAL);
	assert_string_equal(err.msg, "no memory slot is free");
}

static void what_is_removed_leads_nowhere(void **state)
{
	struct kc_vu_region r = low;
	uint64_t n;

	(void)state;
	map(&low);
	map(&next);
	map(&last);
	r.size--;
	assert_int_equal(kc_ref_mem_remove(&mem, &r, &err), -EINVAL);
	r = low;
	r.uva++;
	assert_int_equal(kc_ref_mem_remove(&mem, &r, &err), -EINVAL);
	assert_int_equal(mem.nregions, 3);
	r = low;
	r.mmap_offset = 0x777;		/* not looked at */
	assert_int_equal(kc_ref_mem_remove(&mem, &r, &err), 0);
	assert_null(kc_ref_mem_gpa(&mem, 0x1000, 1, &n));
	assert_non_null(kc_ref_mem_gpa(&mem, 0x2000, 1, &n));
	assert_non_null(kc_ref_mem_gpa(&mem, TOP, 1, &n));
	assert_int_equal(kc_ref_mem_remove(&mem, &r, &err), -EINVAL);
	map(&low);
	assert_true(kc_ref_mem_covers(&mem, 0x1000, 0x2000));
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_lead_into_the_file),
		TEST(an_end_is_an_end),
		TEST(touching_regions_are_one),
		TEST(senseless_regions_are_refused),
		TEST(the_table_has_an_end),
		TEST(what_is_removed_leads_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * Scatter/gather lists of the reference: every operation gives what it gives on one flat buffer,
 * however both are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <backend/reference/ref_internal.h>

#define BYTES	24u

/* Cuts `bytes` by a bit mask: a piece begins at byte i if bit i is set. */
static struct kc_ref_sg cut(uint8_t *bytes, uint32_t mask)
{
	struct kc_ref_sg sg = { 0 };
	unsigned begin = 0;

	for (unsigned i = 1; i <= BYTES; i++) {
		if (i < BYTES && !(mask & 1u << i))
			continue;
		assert_int_equal(kc_ref_sg_add(&sg, bytes + begin, i - begin), 0);
		begin = i;
	}
	assert_int_equal(sg.len, BYTES);
	return sg;
}

static void count_up(uint8_t *bytes, uint8_t from)
{
	for (unsigned i = 0; i < BYTES; i++)
		bytes[i] = from + i;
}

static const uint32_t masks[] = { 0, 1u << 16, 0x00ff00, 0xffffff, 0x924924, 0x800002, 0x101010 };
#define MASKS	(sizeof(masks) / sizeof(masks[0]))

static void reads_and_writes_at_every_place(void **state)
{
	uint8_t a[BYTES], flat[BYTES], buf[2 * BYTES];

	(void)state;
	for (unsigned k = 0; k < MASKS * BYTES * BYTES; k++) {
		unsigned pos = k / MASKS % BYTES, n = k / MASKS / BYTES, can;
		struct kc_ref_sg sg = cut(a, masks[k % MASKS]);
		struct kc_ref_cursor c = kc_ref_cursor_at(&sg, pos);

		can = n < BYTES - pos ? n : BYTES - pos;
		count_up(a, 0);
		assert_int_equal(kc_ref_cursor_read(&c, buf, n), can);
		for (unsigned i = 0; i < can; i++)
			assert_int_equal(buf[i], pos + i);
		/* the cursor has moved on by that many */
		assert_int_equal(kc_ref_cursor_read(&c, buf, sizeof(buf)), BYTES - pos - can);
		if (pos + can < BYTES)
			assert_int_equal(buf[0], pos + can);

		count_up(flat, 0);
		memset(buf, 0xee, sizeof(buf));
		memset(flat + pos, 0xee, can);
		c = kc_ref_cursor_at(&sg, pos);
		assert_int_equal(kc_ref_cursor_write(&c, buf, n), can);
		assert_memory_equal(a, flat, BYTES);
		memset(flat + pos, 0x11, can);
		c = kc_ref_cursor_at(&sg, pos);
		assert_int_equal(kc_ref_cursor_fill(&c, 0x11, n), can);
		assert_memory_equal(a, flat, BYTES);
		kc_ref_sg_fini(&sg);
	}
}

static void copies_between_any_two_cuts(void **state)
{
	uint8_t a[BYTES], b[BYTES], flat[BYTES];

	(void)state;
	for (unsigned k = 0; k < MASKS * MASKS * BYTES; k++) {
		unsigned skip = k / MASKS / MASKS;
		struct kc_ref_sg from = cut(a, masks[k % MASKS]);
		struct kc_ref_sg to = cut(b, masks[k / MASKS % MASKS]);
		struct kc_ref_cursor src = kc_ref_cursor_at(&from, 1);
		struct kc_ref_cursor dst = kc_ref_cursor_at(&to, skip);
		unsigned can = BYTES - (skip > 1 ? skip : 1);

		count_up(a, 0);
		memset(b, 0xff, BYTES);
		memset(flat, 0xff, BYTES);
		memcpy(flat + skip, a + 1, can);
		assert_int_equal(kc_ref_cursor_copy(&dst, &src, UINT64_MAX), can);
		assert_memory_equal(b, flat, BYTES);
		kc_ref_sg_fini(&from);
		kc_ref_sg_fini(&to);
	}
}

/* A driver may give the same bytes for both sides. */
static void overlapping_sides_are_moved(void **state)
{
	uint8_t a[BYTES + 1];
	struct kc_ref_sg from = { 0 }, to = { 0 };
	struct kc_ref_cursor src, dst;

	(void)state;
	count_up(a, 0);
	assert_int_equal(kc_ref_sg_add(&from, a, BYTES), 0);
	assert_int_equal(kc_ref_sg_add(&to, a + 1, BYTES), 0);
	src = kc_ref_cursor_at(&from, 0);
	dst = kc_ref_cursor_at(&to, 0);
	assert_int_equal(kc_ref_cursor_copy(&dst, &src, BYTES), BYTES);
	for (unsigned i = 0; i < BYTES; i++)
		assert_int_equal(a[i + 1], i);
	kc_ref_sg_fini(&from);
	kc_ref_sg_fini(&to);
}

static void a_take_lies_together_and_no_longer_than_asked(void **state)
{
	uint8_t a[BYTES];
	struct kc_ref_sg sg = cut(a, 1u << 10);
	struct kc_ref_cursor c = kc_ref_cursor_at(&sg, 0);
	size_t n;

	(void)state;
	assert_null(kc_ref_cursor_take(&c, 0, &n));
	assert_ptr_equal(kc_ref_cursor_take(&c, 4, &n), a);
	assert_int_equal(n, 4);
	assert_ptr_equal(kc_ref_cursor_take(&c, 100, &n), a + 4);
	assert_int_equal(n, 6);
	assert_ptr_equal(kc_ref_cursor_take(&c, 100, &n), a + 10);
	assert_int_equal(n, 14);
	assert_null(kc_ref_cursor_take(&c, 1, &n));
	c = kc_ref_cursor_at(&sg, 1000);	/* beyond the end is the end */
	assert_null(kc_ref_cursor_take(&c, 1, &n));
	kc_ref_sg_fini(&sg);
}

/* As many pieces as a chain may have; cleared, the array is used again. */
static void many_pieces_and_reuse(void **state)
{
	uint8_t byte = 5, sum[4];
	struct kc_ref_sg sg = { 0 };
	struct kc_ref_cursor c;
	struct iovec *v;

	(void)state;
	for (unsigned i = 0; i < 32768; i++)
		assert_int_equal(kc_ref_sg_add(&sg, &byte, 1), 0);
	assert_int_equal(sg.n, 32768);
	assert_int_equal(sg.len, 32768);
	c = kc_ref_cursor_at(&sg, 32765);
	assert_int_equal(kc_ref_cursor_read(&c, sum, 4), 3);
	v = sg.v;
	kc_ref_sg_clear(&sg);
	assert_int_equal(sg.len, 0);
	c = kc_ref_cursor_at(&sg, 0);
	assert_int_equal(kc_ref_cursor_read(&c, sum, 4), 0);
	assert_int_equal(kc_ref_sg_add(&sg, &byte, 1), 0);
	assert_ptr_equal(sg.v, v);
	kc_ref_sg_fini(&sg);
	assert_null(sg.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_at_every_place),
		cmocka_unit_test(copies_between_any_two_cuts),
		cmocka_unit_test(overlapping_sides_are_moved),
		cmocka_unit_test(a_take_lies_together_and_no_longer_than_asked),
		cmocka_unit_test(many_pieces_and_reuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_blk.c, guest_model/port_blk_ask.c
 *
 * Discard, write-zeroes and secure erase: lists of ranges.
 */
#include "port_blk_fixture.h"

static struct virtio_blk_discard_write_zeroes segment_of(struct fix *t, const struct kc_request *r,
							 unsigned i)
{
	uint8_t *out = calloc(1, r->readable);
	struct virtio_blk_discard_write_zeroes s;

	assert_true(r->readable >= 16 + (i + 1) * sizeof(s));
	gather(t, r, false, out);
	memcpy(&s, out + 16 + i * sizeof(s), sizeof(s));
	free(out);
	s.sector = le64toh(s.sector);
	s.num_sectors = le32toh(s.num_sectors);
	s.flags = le32toh(s.flags);
	return s;
}

static void check_segment(struct fix *t, const struct kc_request *r, unsigned i, uint64_t sector,
			  uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes s = segment_of(t, r, i);

	assert_int_equal(s.sector, sector);
	assert_int_equal(s.num_sectors, n);
	assert_int_equal(s.flags, flags);
}

static void lists_say_what_the_words_say(void **state)
{
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_lists(&t, LIST_BITS);
	r = make_words(&t, "discard private 8 sectors 16");
	CHECK_LENS(r, 16, 16, 1);
	assert_int_equal(header_of(&t, r).type, VIRTIO_BLK_T_DISCARD);
	assert_int_equal(header_of(&t, r).sector, 0);
	check_segment(&t, r, 0, PRIVATE + 8, 16, 0);
	assert_int_equal(r->len_expected, 1);
	assert_non_null(strstr(r->what, "discard sector 2568, 16 sectors"));
	right(&t, r);
	r = make_words(&t, "write-zeroes private 0 sectors 4 and private 8 sectors 2 unmap");
	CHECK_LENS(r, 16, 32, 1);
	check_segment(&t, r, 0, PRIVATE, 4, 0);
	check_segment(&t, r, 1, PRIVATE + 8, 2, 1);
	assert_int_equal(r->len_expected, 1);
	right(&t, r);
	r = make_words(&t, "secure-erase private 40");
	assert_int_equal(header_of(&t, r).type, SECURE_ERASE);
	check_segment(&t, r, 0, PRIVATE + 40, 8, 0);
	right(&t, r);
	/* the natural number of sectors keeps to the limit; and no place is the next place */
	r = make_words(&t, "write-zeroes flags 0xfffffffe");
	check_segment(&t, r, 0, PRIVATE, 4, 0xfffffffe);
	assert_int_equal(r->len_expected, ~0u);
	right(&t, r);
	r = make_words(&t, "write-zeroes segments max sectors 3");
	CHECK_LENS(r, 16, 64, 1);
	for (unsigned i = 0; i < 4; i++)
		check_segment(&t, r, i, PRIVATE + 4 + 3 * i, 3, 0);
	right(&t, r);
	r = make_words(&t, "write-zeroes segments past-max sectors 1");
	assert_int_equal(r->readable, 16 + 5 * 16);
	assert_int_equal(r->len_expected, ~0u);
	right(&t, r);
	r = make_words(&t, "discard sectors max private 0");
	check_segment(&t, r, 0, PRIVATE, 64, 0);
	right(&t, r);
	r = make_words(&t, "discard sectors past-max private 0");
	check_segment(&t, r, 0, PRIVATE, 65, 0);
	assert_int_equal(r->len_expected, ~0u);
	right(&t, r);
	r = make(&t, &(struct kc_shape){ .words = "discard private 0", .descriptors = 18 });
	assert_int_equal(r->nsegs, 18);
	check_segment(&t, r, 0, PRIVATE, 8, 0);
	right(&t, r);
	/* short, and with a tail that says nothing */
	r = make(&t, &(struct kc_shape){ .words = "discard private 0", .data = 9 });
	CHECK_LENS(r, 16, 9, 1);
	assert_int_equal(r->len_expected, ~0u);
	right(&t, r);
	r = make(&t, &(struct kc_shape){ .words = "discard private 0", .data = 32 });
	check_segment(&t, r, 1, 0, 0, 0);
	right(&t, r);
	fix_close(&t);
}

static void lists_keep_to_the_limits(void **state)
{
	static const struct { const char *words, *reason; } bad[] = {
		{ "discard sectors 65", "65 sectors, but the device takes 64" },
		{ "discard segments 4", "4 segments, but the device takes 3" },
		{ "secure-erase private 0 and private 16", "takes 1 at the most" },
		{ "secure-erase sectors 17", "takes 16" },
		{ "write-zeroes sectors 5", "takes 4" },
		{ "discard private 0 and sector 5", "outside" },
	};
	struct fix t;

	(void)state;
	open_lists(&t, LIST_BITS);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refuse(&t, &(struct kc_shape){ .words = bad[i].words }, -EINVAL, bad[i].reason);
	/* a device that tells more than a request here can have, or a limit without bound */
	t.config.max_discard_seg = htole32(65);
	refuse(&t, &(struct kc_shape){ .words = "discard segments max" }, -EINVAL, "at most 64");
	t.config.max_discard_seg = htole32(~0u);
	refuse(&t, &(struct kc_shape){ .words = "discard segments past-max" }, -EINVAL, "no limit");
	t.config.max_discard_sectors = htole32(~0u);
	refuse(&t, &(struct kc_shape){ .words = "discard sectors max private 0" }, -EINVAL, "512");
	refuse(&t, &(struct kc_shape){ .words = "discard sectors max segments 64" }, -EINVAL,
	       "more than");
	t.port->env.writes_allowed = false;
	refuse(&t, &(struct kc_shape){ .words = "discard" }, -EPERM, "--destructive");
	fix_close(&t);
}

static void lists_beyond_the_end(void **state)
{
	static const char *const words[] = {
		"discard past-end", "write-zeroes straddle-end",
		"secure-erase straddle-end sectors 1", "discard sector 0xffffffffffffffff", "discard private 0 and past-end",
	};
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_lists(&t, LIST_BITS);
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		r = make_words(&t, words[i]);
		assert_int_equal(r->len_expected, ~0u);
		finish(&t, r, KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	}
	/* as many as a segment can say: nothing here takes time by their number */
	t.config.max_discard_sectors = htole32(~0u);
	finish(&t, make_words(&t, "discard straddle-end sectors 0xffffffff"), KC_PAYLOAD_FAILED,
	       VIRTIO_BLK_S_IOERR);
	fix_close(&t);
}

/* Zeroes must be read after write-zeroes; after a discard anything may be. */
static void what_lists_leave(void **state)
{
	struct kc_request *a, *b;
	struct fix t;

	(void)state;
	open_lists(&t, LIST_BITS);
	right(&t, make(&t, &(struct kc_shape){ .words = "write private 0", .data = 8192 }));
	right(&t, make_words(&t, "write-zeroes private 1 sectors 2 and private 5 sectors 1 unmap"));
	right(&t, make(&t, &(struct kc_shape){ .words = "read private 0", .data = 8192 }));
	t.disk[(PRIVATE + 5) * 512 + 9] = 1;
	finish(&t, make_words(&t, "read private 5"), KC_PAYLOAD_WRONG, 0);
	right(&t, make_words(&t, "read private 6"));
	t.frozen = true;				/* says so, and zeroes nothing */
	right(&t, make_words(&t, "write-zeroes private 8 sectors 1"));
	finish(&t, make_words(&t, "back"), KC_PAYLOAD_WRONG, 0);
	t.frozen = false;

	for (int i = 0; i < 3; i++) {
		t.discarded = i * 0x7f;
		right(&t, make_words(&t, "discard private 10 sectors 2"));
		right(&t, make(&t, &(struct kc_shape){ .words = "read private 9", .data = 2048 }));
		right(&t, make_words(&t, "secure-erase private 10 sectors 2"));
		right(&t, make(&t, &(struct kc_shape){ .words = "back" }));
	}
	t.disk[(PRIVATE + 12) * 512] ^= 1;		/* beside it everything stays */
	finish(&t, make_words(&t, "read private 12"), KC_PAYLOAD_WRONG, 0);

	/* refused, or against the rules: unknown */
	t.force_status = VIRTIO_BLK_S_UNSUPP;
	finish(&t, make_words(&t, "write-zeroes private 0 sectors 1"), KC_PAYLOAD_FAILED,
	       VIRTIO_BLK_S_UNSUPP);
	t.force_status = -1;
	t.disk[PRIVATE * 512] ^= 1;
	right(&t, make_words(&t, "read private 0"));
	right(&t, make_words(&t, "write private 20"));
	t.frozen = true;
	right(&t, make_words(&t, "write-zeroes private 20 sectors 1 flags 8"));
	t.frozen = false;
	t.disk[(PRIVATE + 20) * 512] ^= 1;
	right(&t, make_words(&t, "read private 20"));

	/* beside a write: either may come last */
	right(&t, make_words(&t, "write-zeroes private 30 sectors 1"));
	a = make_words(&t, "write private 30");
	b = make_words(&t, "write-zeroes private 29 sectors 2");
	right(&t, b);
	right(&t, a);
	t.disk[(PRIVATE + 30) * 512] ^= 1;
	right(&t, make_words(&t, "read private 30"));
	fix_close(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_say_what_the_words_say),
		cmocka_unit_test(lists_keep_to_the_limits),
		cmocka_unit_test(lists_beyond_the_end),
		cmocka_unit_test(what_lists_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

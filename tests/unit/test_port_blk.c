/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_blk.c, guest_model/port_blk_ask.c, guest_model/port_blk_place.c
 *
 * What the block port asks for, where, and in which descriptors.
 */
#include "port_blk_fixture.h"

static void natural_requests(void **state)
{
	struct kc_request *r;
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_IN });
	CHECK_LENS(r, 16, 512, 1);
	assert_false(r->segs[0].write);
	assert_true(r->segs[1].write && r->segs[2].write);
	assert_int_equal(header_of(&t, r).type, VIRTIO_BLK_T_IN);
	assert_int_equal(header_of(&t, r).ioprio, 0);
	assert_true(header_of(&t, r).sector < 2048);
	assert_int_equal(r->len_expected, 513);
	assert_int_equal(r->len_min, 513);
	right(&t, r);

	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_OUT });
	CHECK_LENS(r, 16, 512, 1);
	assert_false(r->segs[1].write);
	assert_int_equal(header_of(&t, r).type, VIRTIO_BLK_T_OUT);
	assert_true(header_of(&t, r).sector - PRIVATE < 512);
	assert_int_equal(r->len_expected, 1);
	right(&t, r);
	right(&t, make_words(&t, "read back"));

	for (int i = 0; i < 4; i++) {
		r = make(&t, &(struct kc_shape){ .dir = KC_DIR_ANY });
		assert_int_equal(header_of(&t, r).type, i % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN);
		right(&t, r);
	}
	fix_close(&t);
}

static void words(void **state)
{
	struct virtio_blk_outhdr h;
	struct kc_request *r;
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	r = make_words(&t, "flush");
	CHECK_LENS(r, 16, 1);
	h = header_of(&t, r);
	assert_true(h.type == VIRTIO_BLK_T_FLUSH && h.sector == 0);
	assert_int_equal(r->len_expected, 1);
	right(&t, r);

	r = make_words(&t, "get-id");
	CHECK_LENS(r, 16, 20, 1);
	assert_int_equal(r->len_expected, 21);
	right(&t, r);

	r = make_words(&t, "type 0x55");
	CHECK_LENS(r, 16, 1);
	assert_int_equal(header_of(&t, r).type, 0x55);
	assert_int_equal(r->len_expected, ~0u);
	finish(&t, r, KC_PAYLOAD_FAILED, VIRTIO_BLK_S_UNSUPP);

	r = make_words(&t, "read sector 77 reserved 0xffffffff");
	h = header_of(&t, r);
	assert_true(h.type == VIRTIO_BLK_T_IN && h.sector == 77 && h.ioprio == ~0u);
	assert_non_null(strstr(r->what, "read sector 77, 512 bytes"));
	right(&t, r);

	r = make_words(&t, "private 511");
	assert_int_equal(header_of(&t, r).sector, PRIVATE + 511);
	right(&t, r);
	refuse(&t, &(struct kc_shape){ .words = "private 512" }, -EINVAL, "512 sectors");

	r = make_words(&t, "past-end");
	assert_int_equal(header_of(&t, r).sector, CAPACITY);
	assert_int_equal(r->len_expected, ~0u);
	finish(&t, r, KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	r = make_words(&t, "read straddle-end");
	assert_int_equal(header_of(&t, r).sector, CAPACITY - 1);
	assert_int_equal(r->writable, 1025);
	finish(&t, r, KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	finish(&t, make_words(&t, "write straddle-end"), KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	finish(&t, make_words(&t, "write past-end"), KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	finish(&t, make_words(&t, "read sector 0xffffffffffffffff"), KC_PAYLOAD_FAILED,
	       VIRTIO_BLK_S_IOERR);
	fix_close(&t);
}

static void words_refused(void **state)
{
	static const struct { const char *words, *reason; int code; } bad[] = {
		{ "read fast", "knows no 'fast'", -EBADMSG },
		{ "sector", "must follow 'sector'", -EBADMSG },
		{ "type x", "must follow 'type'", -EBADMSG },
		{ "sector 1x", "must follow", -EBADMSG },
		{ "sector 99999999999999999999", "must follow", -EBADMSG },
		{ "reserved 0x100000000", "32 bits", -EINVAL },
		{ "sector -1", "must follow", -EBADMSG },
		{ "read back", "nothing was written", -EBADMSG },
		{ "write sector 5", "outside", -EINVAL },
		{ "write sector 3071 reserved 1 private 600", "512", -EINVAL },
		{ "read sectors 3", "segments of sectors", -EBADMSG },
		{ "write unmap", "segments of sectors", -EBADMSG },
		{ "flush flags 2", "segments of sectors", -EBADMSG },
		{ "private 0 and private 8", "segments of sectors", -EBADMSG },
		{ "discard sectors", "must follow 'sectors'", -EBADMSG },
		{ "discard sectors most", "must follow 'sectors'", -EBADMSG },
		{ "discard sectors 0x100000000", "32 bits", -EINVAL },
		{ "discard flags 0x100000000", "32 bits", -EINVAL },
		{ "type 0x100000000", "32 bits", -EINVAL },
		{ "discard segments 0", "at least one", -EBADMSG },
		{ "discard segments 2 private 0 and private 8", "exclude", -EBADMSG },
		{ "discard sector 5", "outside", -EINVAL },
		{ "discard private 505", "512 sectors", -EINVAL },
		{ "discard private 0 and private 8", "at the most", -EINVAL },
		{ "discard sectors max", "told no limit", -EINVAL },
		{ "discard segments past-max", "told no limit", -EINVAL },
	};
	char longer[600];
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refuse(&t, &(struct kc_shape){ .words = bad[i].words }, bad[i].code, bad[i].reason);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	refuse(&t, &(struct kc_shape){ .words = longer }, -EBADMSG, "too many");
	refuse(&t, &(struct kc_shape){ .words = "get-id", .data = 512 }, -EINVAL, "20 bytes");
	refuse(&t, &(struct kc_shape){ .words = "flush", .descriptors = 3 }, -EINVAL, "0 bytes");
	refuse(&t, &(struct kc_shape){ .words = "write", .data = 600 * 512 }, -EINVAL,
	       "600 sectors");
	refuse(&t, &(struct kc_shape){ .words = "type 1", .data = 512 }, -EINVAL, "unknown place");
	refuse(&t, &(struct kc_shape){ .dir = KC_DIR_IN, .data = ~0u }, -EINVAL, "more than");
	refuse(&t, &(struct kc_shape){ .dir = KC_DIR_IN, .data = 5u << 20 }, -EINVAL,
	       "the disk has 8192");
	/* what straddles the end may be written only from the last sector on */
	refuse(&t, &(struct kc_shape){ .words = "write sector 8190", .data = 2048 }, -EINVAL,
	       "outside");
	fix_close(&t);
}

static void consent_to_write(void **state)
{
	static const char *const writing[] = {
		"write", "write past-end", "type 1", "type 11", "type 13", "type 14", "type 26",
		"type 0x80000001",
	};
	struct fix t;

	(void)state;
	fix_init(&t, 0, KC_CONTENTS_PATTERN);
	t.env.writes_allowed = false;
	open_port(&t);
	for (unsigned i = 0; i < sizeof(writing) / sizeof(*writing); i++)
		refuse(&t, &(struct kc_shape){ .words = writing[i] }, -EPERM, "--destructive");
	refuse(&t, &(struct kc_shape){ .dir = KC_DIR_OUT }, -EPERM, "would write");
	for (int i = 0; i < 4; i++) {
		struct kc_request *r = make(&t, &(struct kc_shape){ .dir = KC_DIR_ANY });

		assert_int_equal(header_of(&t, r).type, VIRTIO_BLK_T_IN);
		right(&t, r);
	}
	right(&t, make_words(&t, "flush"));
	fix_close(&t);
}

static void exact_numbers(void **state)
{
	static const uint32_t numbers[] = { 2, 3, 4, 7, 128, 511, 1000, 1024 };
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	for (unsigned i = 0; i < 3 * sizeof(numbers) / sizeof(*numbers); i++) {
		uint32_t n = numbers[i / 3], bytes = (n - 2 + 511) / 512 * 512;
		struct kc_request *r =
			make(&t, &(struct kc_shape){ .dir = i % 3, .descriptors = n });
		uint32_t data = r->readable + r->writable - 17;

		assert_int_equal(r->nsegs, n);
		assert_int_equal(data, bytes ? bytes : 512);
		if (n > 2) {
			assert_int_equal(r->segs[0].len, 16);
			assert_int_equal(r->segs[n - 1].len, 1);
		}
		right(&t, r);
	}
	right(&t, make(&t, &(struct kc_shape){ .words = "flush", .descriptors = 2 }));
	refuse(&t, &(struct kc_shape){ .descriptors = 1 }, -EINVAL, "at least");
	refuse(&t, &(struct kc_shape){ .descriptors = 1025 }, -EINVAL, "at most 1024");
	refuse(&t, &(struct kc_shape){ .descriptors = ~0u }, -EINVAL, "more than");
	fix_close(&t);
}

static void cuts(void **state)
{
	struct kc_request *r;
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_IN, .one_piece = true });
	CHECK_LENS(r, 16, 513);
	right(&t, r);
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_OUT, .one_piece = true, .data = 513 });
	CHECK_LENS(r, 16 + 1024, 1);
	right(&t, r);
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_IN, .one_piece = true, .cut_in = { -2, 7 },
					 .ncut_in = 2 });
	CHECK_LENS(r, 16, 7, 504, 2);
	right(&t, r);
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_OUT, .cut_out = { 1, 4, 15, 17, -1 },
					 .ncut_out = 5 });
	CHECK_LENS(r, 1, 3, 11, 1, 1, 510, 1, 1);
	right(&t, r);
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_IN, .every_byte = true });
	CHECK_LENS(r, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 512, 1);
	right(&t, r);
	/* a shape that suits only one direction gets that one, whose turn it may be */
	for (int i = 0; i < 2; i++) {
		r = make(&t, &(struct kc_shape){ .cut_in = { 100 }, .ncut_in = 1 });
		CHECK_LENS(r, 16, 100, 412, 1);
		right(&t, r);
	}
	for (int i = 0; i < 2; i++) {
		r = make(&t, &(struct kc_shape){ .cut_out = { 100 }, .ncut_out = 1 });
		CHECK_LENS(r, 16, 84, 428, 1);
		right(&t, r);
	}
	refuse(&t, &(struct kc_shape){ .dir = KC_DIR_IN, .cut_out = { 16 }, .ncut_out = 1 },
	       -EINVAL, "16 readable bytes");
	fix_close(&t);
}

static void limits_of_the_device(void **state)
{
	struct kc_request *r;
	struct fix t;

	(void)state;
	fix_init(&t, BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX), KC_CONTENTS_PATTERN);
	t.config.size_max = htole32(400);
	t.config.seg_max = htole32(6);
	open_port(&t);
	assert_int_equal(t.port->ops->max_descriptors(t.port), 8);
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_IN, .data = 1024 });
	CHECK_LENS(r, 16, 400, 400, 224, 1);
	right(&t, r);
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_OUT, .descriptors = 8 });
	assert_int_equal(r->nsegs, 8);
	right(&t, r);
	refuse(&t, &(struct kc_shape){ .descriptors = 9 }, -EINVAL, "seg_max is 6");
	refuse(&t, &(struct kc_shape){ .one_piece = true }, -EINVAL, "size_max is 400");
	refuse(&t, &(struct kc_shape){ .data = 4096 }, -EINVAL, "seg_max is 6");

	/* Not negotiated, or 0: no limits. */
	t.env.features = 0;
	reopen(&t);
	assert_int_equal(t.port->ops->max_descriptors(t.port), 0);
	right(&t, make(&t, &(struct kc_shape){ .one_piece = true, .descriptors = 2 }));
	t.env.features = BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX);
	t.config.size_max = t.config.seg_max = 0;
	reopen(&t);
	right(&t, make(&t, &(struct kc_shape){ .descriptors = 100 }));
	fix_close(&t);
}

static void wrong_answers(void **state)
{
	struct kc_request *r;
	struct fix t;
	int code;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	t.flip_in = 300;
	r = make(&t, &(struct kc_shape){ .dir = KC_DIR_IN });
	device(&t, r);
	assert_int_equal(check(&t, r, &code), KC_PAYLOAD_WRONG);
	assert_non_null(strstr(t.err.msg, "byte 300"));
	t.port->ops->release(t.port, r);
	t.flip_in = 19;					/* the id's last byte becomes 1 */
	finish(&t, make_words(&t, "get-id"), KC_PAYLOAD_WRONG, 0);
	t.flip_in = -1;
	t.force_status = 3;
	finish(&t, make_words(&t, "flush"), KC_PAYLOAD_WRONG, 3);
	t.force_status = 0; /* claims to be fine: that is for the script */
	finish(&t, make_words(&t, "type 99"), KC_PAYLOAD_RIGHT, 0);
	finish(&t, make_words(&t, "past-end"), KC_PAYLOAD_RIGHT, 0);
	t.silent = true;
	for (int flip = 0; flip < 2; flip++) {
		t.env.poison_flip = flip;
		reopen(&t);
		r = make_words(&t, "flush");
		assert_true(check(&t, r, &code) == KC_PAYLOAD_WRONG && code > 2);
		assert_non_null(strstr(t.err.msg, "was not written"));
		t.port->ops->release(t.port, r);
	}
	fix_close(&t);
}

/* Requests in flight together go to different sectors, so that every answer can be checked. */
static void places_in_turn(void **state)
{
	struct kc_request *r[200];
	bool seen[CAPACITY] = { false };
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	for (int i = 0; i < 200; i++) {
		uint64_t sector;

		r[i] = make(&t, &(struct kc_shape){ .dir = KC_DIR_OUT, .data = 1024 });
		sector = header_of(&t, r[i]).sector;
		for (uint64_t s = sector; s < sector + 2; s++) {
			assert_false(seen[s]);
			assert_true(s >= PRIVATE && s < PRIVATE + 512);
			seen[s] = true;
		}
	}
	for (int i = 199; i >= 0; i--)
		right(&t, r[i]);
	/* a lap later it is the same sectors' turn, and still in the private area */
	for (int i = 0; i < 600; i++)
		right(&t, make(&t, &(struct kc_shape){ .dir = i % 2 ? KC_DIR_IN : KC_DIR_OUT,
						       .data = 1536 }));
	for (uint32_t i = 0; i < 2048 * 512; i++)
		assert_int_equal(t.disk[i], kc_storage_pattern(i));
	fix_close(&t);
}

static void read_only_refuses_and_keeps(void **state)
{
	struct fix t;

	(void)state;
	fix_open(&t, BIT(VIRTIO_BLK_F_RO), KC_CONTENTS_PATTERN);
	t.force_status = VIRTIO_BLK_S_IOERR;
	t.frozen = true;
	finish(&t, make_words(&t, "write private 9"), KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	t.frozen = false;			/* says no, and writes all the same */
	finish(&t, make_words(&t, "write private 8"), KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	t.force_status = -1;
	right(&t, make_words(&t, "read private 9"));
	finish(&t, make_words(&t, "read private 8"), KC_PAYLOAD_WRONG, 0);
	t.force_status = VIRTIO_BLK_S_IOERR;
	finish(&t, make_words(&t, "write-zeroes private 7 sectors 1"), KC_PAYLOAD_FAILED,
	       VIRTIO_BLK_S_IOERR);
	t.force_status = -1;
	finish(&t, make_words(&t, "read private 7"), KC_PAYLOAD_WRONG, 0);
	fix_close(&t);
}

static void small_disk(struct fix *t, uint32_t capacity)
{
	struct kc_request *r;

	fill_disk(t, capacity);
	t->config.capacity = htole64(capacity);
	t->env.private_slot = 0x123456789abcdef0 + capacity;
	open_port(t);
	for (int i = 0; i < 20; i++) {
		r = make(t, &(struct kc_shape){ .dir = i % 3 });
		assert_true(header_of(t, r).sector < capacity);
		right(t, r);
	}
	right(t, make_words(t, "back"));
	r = make_words(t, "past-end");
	assert_int_equal(header_of(t, r).sector, capacity);
	t->port->ops->release(t->port, r);
	t->port->ops->close(t->port);
}

static void small_and_untold_disks(void **state)
{
	static const uint32_t capacities[] = { 1, 2, 3, 100, 2048, 2559, 2560, 4000 };
	struct fix t;

	(void)state;
	fix_init(&t, 0, KC_CONTENTS_PATTERN);
	for (unsigned i = 0; i < sizeof(capacities) / sizeof(*capacities); i++)
		small_disk(&t, capacities[i]);
	t.config.capacity = 0;
	open_port(&t);
	refuse(&t, &(struct kc_shape){ .dir = KC_DIR_IN }, -EINVAL, "disk has 0");
	refuse(&t, &(struct kc_shape){ .dir = KC_DIR_OUT }, -EINVAL, "write 0");
	refuse(&t, &(struct kc_shape){ .words = "straddle-end" }, -EINVAL, "empty");
	t.config.capacity = htole64(CAPACITY);
	t.env.config_len = 0;
	reopen(&t);
	for (int j = 0; j < 3000; j++) {
		struct kc_request *r = make(&t, &(struct kc_shape){ .dir = KC_DIR_IN });

		assert_true(header_of(&t, r).sector < 4096);
		t.port->ops->release(t.port, r);
	}
	refuse(&t, &(struct kc_shape){ .words = "past-end" }, -EINVAL, "capacity is unknown");
	fix_close(&t);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(kc_port_blk.code_name(0), "OK");
	assert_string_equal(kc_port_blk.code_name(1), "IOERR");
	assert_string_equal(kc_port_blk.code_name(2), "UNSUPP");
	assert_string_equal(kc_port_blk.code_name(255), "unknown");
	assert_string_equal(kc_port_blk.code_name(-1), "unknown");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(natural_requests),
		cmocka_unit_test(words),
		cmocka_unit_test(words_refused),
		cmocka_unit_test(consent_to_write),
		cmocka_unit_test(exact_numbers),
		cmocka_unit_test(cuts),
		cmocka_unit_test(limits_of_the_device),
		cmocka_unit_test(wrong_answers),
		cmocka_unit_test(places_in_turn),
		cmocka_unit_test(read_only_refuses_and_keeps),
		cmocka_unit_test(small_and_untold_disks),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

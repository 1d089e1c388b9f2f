/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_blk.c, guest_model/port_blk_ask.c, guest_model/port_blk_place.c,
 *          guest_model/port_blk_storage.c
 *
 * The block port against a small disk that obeys, unless it is told to lie.
 */
#include "guest_fixture.h"
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <linux/virtio_blk.h>
#include <guest_model/port.h>

#define CAPACITY	8192u		/* sectors: 4 MiB */
#define PRIVATE		(2048u + 512u)	/* first sector of slot 1 */
#define BIT(n)		(1ull << (n))
#define SECURE_ERASE	14		/* the type; newer than some headers */
#define LIST_BITS	(BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES) | BIT(16))

struct fix {
	struct guest g;
	struct kc_port_env env;
	union {
		struct virtio_blk_config config;
		uint8_t config_bytes[96];	/* older headers end before the last fields */
	};
	struct kc_port *port;
	struct kc_err err;
	uint8_t *disk;
	bool frozen;			/* writes are accepted and forgotten */
	bool silent;			/* nothing is written at all */
	int flip_in;			/* byte of the writable part to spoil, -1 none */
	int force_status;		/* -1: the right one */
	uint8_t discarded;		/* what a discard leaves */
};

static void fill_disk(struct fix *t, uint32_t sectors)
{
	for (uint32_t i = 0; i < sectors * 512; i++)
		t->disk[i] = kc_storage_pattern(i);
}

static void fix_init(struct fix *t, uint64_t features, int contents)
{
	memset(t, 0, sizeof(*t));
	guest_init(&t->g);
	t->disk = calloc(CAPACITY, 512);
	assert_non_null(t->disk);
	if (contents != KC_CONTENTS_ZEROES)
		fill_disk(t, CAPACITY);
	t->config.capacity = htole64(CAPACITY);
	t->flip_in = t->force_status = -1;
	t->env = (struct kc_port_env){
		.mem = &t->g.mem, .features = features, .config = (const uint8_t *)&t->config,
		.config_len = 60, .ring_max_chain = 1024, .seed = 11, .writes_allowed = true,
		.contents = contents, .private_slot = 1,
	};
}

static void open_port(struct fix *t)
{
	t->port = kc_port_blk.open(&t->env, &t->err);
	assert_non_null(t->port);
}

static void fix_open(struct fix *t, uint64_t features, int contents)
{
	fix_init(t, features, contents);
	open_port(t);
}

static void fix_close(struct fix *t)
{
	t->port->ops->close(t->port);
	guest_fini(&t->g);
	free(t->disk);
}

static void reopen(struct fix *t)
{
	t->port->ops->close(t->port);
	open_port(t);
}

static struct kc_request *make(struct fix *t, const struct kc_shape *shape)
{
	int code = 1;
	struct kc_request *r = t->port->ops->make(t->port, 0, shape, &code, &t->err);

	if (!r)
		print_message("%s\n", t->err.msg);
	assert_non_null(r);
	assert_int_equal(code, 0);
	return r;
}

static struct kc_request *make_words(struct fix *t, const char *words)
{
	return make(t, &(struct kc_shape){ .words = words });
}

static void refuse(struct fix *t, const struct kc_shape *shape, int expected, const char *reason)
{
	int code = 0;

	t->err.msg[0] = 0;
	assert_null(t->port->ops->make(t->port, 0, shape, &code, &t->err));
	assert_int_equal(code, expected);
	if (!strstr(t->err.msg, reason))
		print_message("'%s' lacks '%s'\n", t->err.msg, reason);
	assert_non_null(strstr(t->err.msg, reason));
}

static void gather(struct fix *t, const struct kc_request *r, bool write, uint8_t *buf)
{
	for (unsigned i = 0; i < r->nsegs; i++) {
		if (r->segs[i].write != write)
			continue;
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, buf, r->segs[i].len), 0);
		buf += r->segs[i].len;
	}
}

static struct virtio_blk_outhdr header_of(struct fix *t, const struct kc_request *r)
{
	uint8_t *out = calloc(1, r->readable + 1);
	struct virtio_blk_outhdr h;

	assert_true(r->readable >= sizeof(h));
	gather(t, r, false, out);
	memcpy(&h, out, sizeof(h));
	free(out);
	h.type = le32toh(h.type);
	h.ioprio = le32toh(h.ioprio);
	h.sector = le64toh(h.sector);
	return h;
}

static int disk_fills(struct fix *t, const uint8_t *list, uint32_t len, uint8_t byte)
{
	struct virtio_blk_discard_write_zeroes s;

	for (; len >= sizeof(s); list += sizeof(s), len -= sizeof(s)) {
		memcpy(&s, list, sizeof(s));
		s.sector = le64toh(s.sector);
		s.num_sectors = le32toh(s.num_sectors);
		if (s.sector > CAPACITY || s.num_sectors > CAPACITY - s.sector)
			return VIRTIO_BLK_S_IOERR;
		if (!t->frozen)
			memset(t->disk + s.sector * 512, byte, s.num_sectors * 512);
	}
	return VIRTIO_BLK_S_OK;
}

/* Carries out the request on the disk and in `in`; the status that is right. */
static int disk_does(struct fix *t, const struct virtio_blk_outhdr *h, const uint8_t *out,
		     uint32_t nout, uint8_t *in, uint32_t nin)
{
	uint32_t n = h->type == VIRTIO_BLK_T_IN ? nin : nout;

	switch (h->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (n % 512 || h->sector > CAPACITY || n / 512 > CAPACITY - h->sector)
			return VIRTIO_BLK_S_IOERR;
		if (h->type == VIRTIO_BLK_T_IN)
			memcpy(in, t->disk + h->sector * 512, n);
		else if (!t->frozen)
			memcpy(t->disk + h->sector * 512, out, n);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_FLUSH:
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		memcpy(in, "a disk\0\0\0\0\0\0\0\0\0\0\0\0\0\0", nin);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
	case SECURE_ERASE:
		return disk_fills(t, out, nout, t->discarded);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return disk_fills(t, out, nout, 0);
	}
	return VIRTIO_BLK_S_UNSUPP;
}

static void device(struct fix *t, const struct kc_request *r)
{
	uint8_t *out = calloc(1, r->readable + 1), *in = calloc(1, r->writable + 1);
	struct virtio_blk_outhdr h = header_of(t, r);
	uint32_t at = 0;
	int status;

	gather(t, r, false, out);
	gather(t, r, true, in);
	status = disk_does(t, &h, out + sizeof(h), r->readable - sizeof(h), in, r->writable - 1);
	in[r->writable - 1] = t->force_status >= 0 ? t->force_status : status;
	if (t->flip_in >= 0)
		in[t->flip_in] ^= 1;
	for (unsigned i = 0; i < r->nsegs && !t->silent; i++) {
		if (!r->segs[i].write)
			continue;
		guest_device_write(&t->g, r->segs[i].gpa, in + at, r->segs[i].len);
		at += r->segs[i].len;
	}
	free(out);
	free(in);
}

static enum kc_payload_verdict check(struct fix *t, struct kc_request *r, int *code)
{
	struct kc_used u = { .len = r->writable };

	t->err.msg[0] = 0;
	return t->port->ops->check(t->port, 0, r, &u, code, &t->err);
}

/* Device, check, release. Verdict as given, code too. */
static void finish(struct fix *t, struct kc_request *r, enum kc_payload_verdict verdict,
		   int expected)
{
	int code = -1;

	device(t, r);
	if (check(t, r, &code) != verdict)
		fail_msg("%s: %s", r->what, t->err.msg);
	assert_int_equal(code, expected);
	if (verdict == KC_PAYLOAD_WRONG)
		assert_true(strlen(t->err.msg) > 10);
	t->port->ops->release(t->port, r);
}

static void right(struct fix *t, struct kc_request *r)
{
	finish(t, r, KC_PAYLOAD_RIGHT, 0);
}

static void check_lens(const struct kc_request *r, const uint32_t *lens, unsigned n)
{
	assert_int_equal(r->nsegs, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(r->segs[i].len, lens[i]);
}

#define CHECK_LENS(r, ...) \
	check_lens(r, (const uint32_t[]){ __VA_ARGS__ }, \
		   sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

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

/* What was written must be read, wherever it was written; and a lost write is found. */
static void written_data_is_known(void **state)
{
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	right(&t, make(&t, &(struct kc_shape){ .words = "write private 10", .data = 4096 }));
	right(&t, make(&t, &(struct kc_shape){ .words = "read private 12", .data = 1024 }));
	right(&t, make_words(&t, "back"));
	t.disk[(PRIVATE + 17) * 512 + 511] ^= 0x80;
	right(&t, make_words(&t, "read private 16"));
	finish(&t, make_words(&t, "read private 17"), KC_PAYLOAD_WRONG, 0);
	finish(&t, make_words(&t, "read back"), KC_PAYLOAD_WRONG, 0);
	/* unknown until written, and again after a failed write */
	t.disk[(PRIVATE + 30) * 512] ^= 1;
	right(&t, make_words(&t, "read private 30"));
	t.force_status = VIRTIO_BLK_S_IOERR;
	finish(&t, make_words(&t, "write private 17"), KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	t.force_status = -1;
	t.disk[(PRIVATE + 17) * 512] ^= 1;
	right(&t, make_words(&t, "read private 17"));
	/* the device forgets a write */
	t.frozen = true;
	right(&t, make_words(&t, "write private 40"));
	finish(&t, make_words(&t, "back"), KC_PAYLOAD_WRONG, 0);
	fix_close(&t);
}

static void races_leave_content_unknown(void **state)
{
	struct kc_request *a, *b, *r;
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_PATTERN);
	right(&t, make_words(&t, "write private 3"));
	/* two writes at once: either may win */
	a = make_words(&t, "write private 3");
	b = make_words(&t, "write private 3");
	right(&t, b);
	right(&t, a);
	t.disk[(PRIVATE + 3) * 512] ^= 1;
	right(&t, make_words(&t, "read private 3"));
	/* a read beside a write: no expectation, whichever came first and ends first */
	for (int i = 0; i < 4; i++) {
		right(&t, make_words(&t, "write private 3"));
		r = i & 1 ? make_words(&t, "read private 3") : NULL;
		a = make_words(&t, "write private 3");
		r = r ? r : make_words(&t, "read private 3");
		t.disk[(PRIVATE + 3) * 512] ^= 1;
		if (i & 2)
			right(&t, a);
		t.disk[(PRIVATE + 3) * 512] ^= 1;
		right(&t, r);
		if (!(i & 2))
			right(&t, a);
		t.disk[(PRIVATE + 3) * 512 + 7] ^= 1;
		finish(&t, make_words(&t, "read private 3"), KC_PAYLOAD_WRONG, 0);
	}
	/* released without an answer (the ring was stopped): unknown */
	a = make_words(&t, "write private 3");
	t.port->ops->release(t.port, a);
	right(&t, make_words(&t, "read private 3"));
	/* and a quiet write makes it known again */
	right(&t, make_words(&t, "write private 3"));
	t.disk[(PRIVATE + 3) * 512] ^= 1;
	finish(&t, make_words(&t, "back"), KC_PAYLOAD_WRONG, 0);
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

static void contents_at_first(void **state)
{
	struct fix t;

	(void)state;
	fix_open(&t, 0, KC_CONTENTS_ZEROES);
	right(&t, make_words(&t, "read sector 0"));
	t.disk[600] = 1;
	finish(&t, make_words(&t, "read sector 1"), KC_PAYLOAD_WRONG, 0);
	/* unknown: the first answer is believed, and must stay */
	t.env.contents = KC_CONTENTS_UNKNOWN;
	reopen(&t);
	right(&t, make_words(&t, "read sector 1"));
	right(&t, make(&t, &(struct kc_shape){ .words = "read sector 0", .data = 2048 }));
	t.disk[600] = 2;
	finish(&t, make_words(&t, "read sector 1"), KC_PAYLOAD_WRONG, 0);
	/* what others may write is not believed for long */
	right(&t, make_words(&t, "read sector 5000"));
	t.disk[5000 * 512] ^= 1;
	right(&t, make_words(&t, "read sector 5000"));
	fix_close(&t);
}

/* A null device keeps its zeroes whatever is written; a read-only one keeps what it has. */
static void storage_that_never_changes(void **state)
{
	struct fix t;

	(void)state;
	fix_init(&t, 0, KC_CONTENTS_ZEROES);
	t.env.writes_dropped = true;
	t.frozen = true;
	open_port(&t);
	right(&t, make_words(&t, "write private 1"));
	right(&t, make_words(&t, "back"));
	t.frozen = false;
	right(&t, make_words(&t, "write private 1"));
	finish(&t, make_words(&t, "back"), KC_PAYLOAD_WRONG, 0);
	fix_close(&t);

	fix_open(&t, BIT(VIRTIO_BLK_F_RO), KC_CONTENTS_PATTERN);
	refuse(&t, &(struct kc_shape){ .dir = KC_DIR_OUT }, -EINVAL, "read-only");
	for (int i = 0; i < 4; i++) {
		struct kc_request *r = make(&t, &(struct kc_shape){ 0 });

		assert_int_equal(header_of(&t, r).type, VIRTIO_BLK_T_IN);
		right(&t, r);
	}
	fix_close(&t);
}

static void open_lists(struct fix *t, uint64_t features)
{
	fix_init(t, features, KC_CONTENTS_PATTERN);
	t->config.max_discard_sectors = htole32(64);
	t->config.max_discard_seg = htole32(3);
	t->config.max_write_zeroes_sectors = htole32(4);
	t->config.max_write_zeroes_seg = htole32(4);
	memcpy(t->config_bytes + 60, &(uint32_t){ htole32(16) }, 4);
	memcpy(t->config_bytes + 64, &(uint32_t){ htole32(1) }, 4);
	t->env.config_len = 72;
	t->discarded = 0xdd;
	open_port(t);
}

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

static void lose_power(struct fix *t)
{
	t->port->ops->power_lost(t->port);
}

static void spoil(struct fix *t, uint64_t sector)
{
	t->disk[(PRIVATE + sector) * 512 + 3] ^= 0x10;
}

/* A write is to be found after a crash if a flush came behind it, and only then. */
static void what_a_flush_makes_stable(void **state)
{
	struct kc_request *a, *b;
	struct fix t;

	(void)state;
	open_lists(&t, LIST_BITS | BIT(VIRTIO_BLK_F_FLUSH));
	right(&t, make_words(&t, "write private 1"));
	right(&t, make_words(&t, "write private 2"));
	right(&t, make_words(&t, "flush"));
	right(&t, make_words(&t, "write private 2"));		/* again: old or new */
	right(&t, make_words(&t, "write private 3"));		/* never flushed */
	a = make_words(&t, "write private 4");			/* beside a flush */
	right(&t, make_words(&t, "flush"));
	right(&t, a);
	b = make_words(&t, "flush");
	right(&t, make_words(&t, "write private 5"));		/* made after the flush was */
	right(&t, b);
	right(&t, make_words(&t, "write private 6"));
	t.force_status = VIRTIO_BLK_S_IOERR;
	finish(&t, make_words(&t, "flush"), KC_PAYLOAD_FAILED, VIRTIO_BLK_S_IOERR);
	t.force_status = -1;
	right(&t, make_words(&t, "write private 7"));
	lose_power(&t);
	for (int i = 5; i < 8; i++) {
		spoil(&t, i);
		right(&t, make(&t, &(struct kc_shape){ .words = "read private 5", .data = 1536 }));
	}
	right(&t, make_words(&t, "read private 1"));
	right(&t, make_words(&t, "read private 3"));
	for (int i = 1; i < 5; i++)
		spoil(&t, i);
	/* the second flush above made the second write to 2, and 3, and the third one 4, stable */
	for (int i = 1; i < 5; i++) {
		char words[32];

		snprintf(words, sizeof(words), "read private %d", i);
		finish(&t, make_words(&t, words), KC_PAYLOAD_WRONG, 0);
	}
	fix_close(&t);
}

static void stable_after(struct fix *t, const char *words, bool stable)
{
	right(t, make_words(t, words));
	lose_power(t);
	spoil(t, 9);
	finish(t, make_words(t, "read private 9"), stable ? KC_PAYLOAD_WRONG : KC_PAYLOAD_RIGHT, 0);
}

static void what_is_written_through(void **state)
{
	const uint64_t flush = BIT(VIRTIO_BLK_F_FLUSH), wce = BIT(VIRTIO_BLK_F_CONFIG_WCE);
	static const struct { bool flush, wce, offered; uint8_t mode; bool stable; } rows[] = {
		{ false, false, true, 1, true },	/* the mode means nothing without WCE */
		{ false, false, true, 0, true },
		{ false, false, false, 0, false },	/* FLUSH is not offered: no promise */
		{ true, false, true, 0, false },
		{ true, true, true, 0, true },
		{ true, true, true, 1, false },
		{ false, true, true, 0, true },
		{ false, true, true, 1, false },
	};
	struct kc_request *r;
	struct fix t;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		open_lists(&t, (rows[i].flush ? flush : 0) | (rows[i].wce ? wce : 0));
		t.port->env.offered = rows[i].offered ? flush | wce : 0;
		t.config.wce = rows[i].mode;
		stable_after(&t, "write private 9", rows[i].stable);
		stable_after(&t, "write-zeroes private 9 sectors 1", false);
		fix_close(&t);
	}
	/* the mode changes while the write is under way: either */
	for (uint8_t from = 0; from < 2; from++) {
		open_lists(&t, flush | wce);
		t.config.wce = from;
		r = make_words(&t, "write private 9");
		t.config.wce = !from;
		right(&t, r);
		lose_power(&t);
		spoil(&t, 9);
		right(&t, make_words(&t, "read private 9"));
		fix_close(&t);
	}
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
		cmocka_unit_test(written_data_is_known),
		cmocka_unit_test(races_leave_content_unknown),
		cmocka_unit_test(places_in_turn),
		cmocka_unit_test(contents_at_first),
		cmocka_unit_test(storage_that_never_changes),
		cmocka_unit_test(lists_say_what_the_words_say),
		cmocka_unit_test(lists_keep_to_the_limits),
		cmocka_unit_test(lists_beyond_the_end),
		cmocka_unit_test(what_lists_leave),
		cmocka_unit_test(what_a_flush_makes_stable),
		cmocka_unit_test(what_is_written_through),
		cmocka_unit_test(read_only_refuses_and_keeps),
		cmocka_unit_test(small_and_untold_disks),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file system port: which requests it makes on which queue, and what of an answer is wrong. The device
 * here is a few lines that lay an answer into guest memory.
 */
#include "guest_fixture.h"
#include <endian.h>
#include <errno.h>
#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <guest_model/port.h>
#include <kickcall/storage.h>

struct fix {
	struct guest g;
	struct kc_port *port;
	struct kc_err err;
	struct virtio_fs_config config;
	struct fuse_out_header head;	/* of the answer to come */
	uint32_t used;
	int code;
};

static void open_port(struct fix *t, bool flip)
{
	struct kc_port_env env = { .seed = 3, .poison_flip = flip, .writes_allowed = true,
				   .contents = KC_CONTENTS_PATTERN, .private_slot = 2 };

	memset(t, 0, sizeof(*t));
	guest_init(&t->g);
	env.mem = &t->g.mem;
	env.config = (const uint8_t *)&t->config;
	t->port = kc_port_by_name("fs")->open(&env, &t->err);
	assert_non_null(t->port);
}

static void close_port(struct fix *t)
{
	t->port->ops->close(t->port);
	guest_fini(&t->g);
}

static struct kc_request *make_shape(struct fix *t, unsigned qi, struct kc_shape shape)
{
	return t->port->ops->make(t->port, qi, &shape, &t->code, &t->err);
}

static struct kc_request *make(struct fix *t, unsigned qi, const char *words, uint32_t data)
{
	return make_shape(t, qi, (struct kc_shape){ .words = words, .data = data });
}

static void refuse(struct fix *t, unsigned qi, const char *words, int code)
{
	assert_null(make(t, qi, words, 0));
	assert_int_equal(t->code, code);
	assert_true(strlen(t->err.msg) > 10);
}

/* The readable bytes from `at` on. */
static void readable(struct fix *t, const struct kc_request *r, uint32_t at, void *to, uint32_t len)
{
	uint8_t *all = calloc(1, r->readable + 1), *p = all;

	assert_non_null(all);
	for (unsigned i = 0; i < r->nsegs; i++) {
		if (r->segs[i].write)
			continue;
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, p, r->segs[i].len), 0);
		p += r->segs[i].len;
	}
	assert_true(at + len <= r->readable);
	memcpy(to, all + at, len);
	free(all);
}

/* A right answer that gives these bytes; t->head and t->used may be spoiled before deliver. */
static void prepare(struct fix *t, const struct kc_request *r, int error, uint32_t bytes)
{
	t->head = (struct fuse_out_header){ sizeof(t->head) + bytes, error, 2 * r->serial };
	t->used = t->head.len;
}

static enum kc_payload_verdict deliver(struct fix *t, struct kc_request *r, const void *body,
				       uint32_t bytes)
{
	uint8_t *all = calloc(1, sizeof(t->head) + bytes + 1), *p = all;
	struct kc_used u = { .len = t->used };
	enum kc_payload_verdict v;

	assert_non_null(all);
	memcpy(all, &t->head, sizeof(t->head));
	memcpy(all + sizeof(t->head), bytes ? body : "", bytes);
	for (unsigned i = 0; i < r->nsegs; i++) {
		uint32_t left = (uint32_t)(all + sizeof(t->head) + bytes - p);
		uint32_t n = r->segs[i].len < left ? r->segs[i].len : left;

		if (!r->segs[i].write || !n)
			continue;
		guest_device_write(&t->g, r->segs[i].gpa, p, n);
		p += n;
	}
	free(all);
	t->port->clause = NULL;
	v = t->port->ops->check(t->port, 1, r, &u, &t->code, &t->err);
	t->port->ops->release(t->port, r);
	return v;
}

static enum kc_payload_verdict right(struct fix *t, struct kc_request *r, const void *body, uint32_t bytes)
{
	assert_non_null(r);
	prepare(t, r, 0, bytes);
	return deliver(t, r, body, bytes);
}

static void open_files(struct fix *t)
{
	struct fuse_entry_out entry = { .nodeid = 42 };
	struct fuse_open_out out = { .fh = 7 };

	assert_int_equal(right(t, make(t, 1, "lookup pattern", 0), &entry, sizeof(entry)), KC_PAYLOAD_RIGHT);
	assert_int_equal(right(t, make(t, 1, "open pattern", 0), &out, sizeof(out)), KC_PAYLOAD_RIGHT);
	entry.nodeid = 43;
	out.fh = 8;
	assert_int_equal(right(t, make(t, 1, "lookup scratch", 0), &entry, sizeof(entry)), KC_PAYLOAD_RIGHT);
	assert_int_equal(right(t, make(t, 1, "open scratch", 0), &out, sizeof(out)), KC_PAYLOAD_RIGHT);
}

static void what_is_asked(void **state)
{
	struct fuse_in_header in;
	struct fuse_read_in read;
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, false);
	r = make(&t, 1, NULL, 0);
	assert_non_null(r);
	readable(&t, r, 0, &in, sizeof(in));
	assert_int_equal(in.opcode, FUSE_GETATTR);
	assert_int_equal(in.nodeid, FUSE_ROOT_ID);
	assert_int_equal(in.len, r->readable);
	assert_int_equal(in.unique, 2 * r->serial);
	assert_int_equal(r->writable, 16 + sizeof(struct fuse_attr_out));
	assert_int_equal(r->nsegs, 4);
	t.port->ops->release(t.port, r);
	assert_null(make(&t, 1, NULL, 100));		/* no file is known yet */
	assert_int_equal(t.code, -EINVAL);
	open_files(&t);
	r = make(&t, 1, NULL, 100);
	assert_non_null(r);
	readable(&t, r, 0, &in, sizeof(in));
	readable(&t, r, sizeof(in), &read, sizeof(read));
	assert_int_equal(in.opcode, FUSE_READ);
	assert_int_equal(in.nodeid, 42);
	assert_int_equal(read.fh, 7);
	assert_int_equal(read.size, 100);
	assert_true(read.offset + 100 <= KC_SHARE_PATTERN_BYTES);
	t.port->ops->release(t.port, r);
	r = make(&t, 1, "opcode 4000 node 5", 0);
	assert_non_null(r);
	readable(&t, r, 0, &in, sizeof(in));
	assert_int_equal(in.opcode, 4000);
	assert_int_equal(in.nodeid, 5);
	t.port->ops->release(t.port, r);
	close_port(&t);
}

static void shapes(void **state)
{
	static const uint32_t numbers[] = { 2, 3, 4, 5, 16, 176, 200, 1024 };
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, false);
	open_files(&t);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		r = make_shape(&t, 1, (struct kc_shape){ .descriptors = numbers[i] });
		assert_non_null(r);
		assert_int_equal(r->nsegs, numbers[i]);
		t.port->ops->release(t.port, r);
	}
	r = make_shape(&t, 1, (struct kc_shape){ .one_piece = true, .dir = KC_DIR_OUT, .data = 512 });
	assert_non_null(r);
	assert_int_equal(r->nsegs, 2);
	t.port->ops->release(t.port, r);
	r = make_shape(&t, 1, (struct kc_shape){ .every_byte = true, .cut_in = { 5, 100 }, .ncut_in = 2 });
	assert_non_null(r);
	assert_true(r->nsegs > 20 && r->nsegs <= 32);
	t.port->ops->release(t.port, r);
	assert_null(make_shape(&t, 1, (struct kc_shape){ .descriptors = 1 }));
	assert_int_equal(t.code, -EINVAL);
	assert_null(make_shape(&t, 1, (struct kc_shape){ .descriptors = ~0u }));
	assert_null(make_shape(&t, 1, (struct kc_shape){ .data = KC_SHARE_PATTERN_BYTES + 1 }));
	assert_null(make_shape(&t, 1, (struct kc_shape){ .cut_out = { 56 }, .ncut_out = 1 }));
	close_port(&t);
}

static void words_and_queues(void **state)
{
	char longest[600];
	struct kc_err why;
	struct fix t;

	(void)state;
	open_port(&t, false);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	refuse(&t, 1, "frobnicate", -EBADMSG);
	refuse(&t, 1, longest, -EBADMSG);
	refuse(&t, 1, "lookup", -EBADMSG);
	refuse(&t, 1, "opcode", -EBADMSG);
	refuse(&t, 1, "getattr node x", -EBADMSG);
	refuse(&t, 1, "getattr node 99999999999999999999", -EBADMSG);
	refuse(&t, 1, "pattern", -EBADMSG);
	refuse(&t, 1, "back", -EINVAL);			/* no file is open */
	refuse(&t, 1, "open pattern", -EINVAL);
	refuse(&t, 1, "release pattern", -EINVAL);
	refuse(&t, 1, "forget", -EINVAL);
	refuse(&t, 0, "getattr", -EINVAL);
	refuse(&t, 0, NULL, -EINVAL);
	open_files(&t);
	refuse(&t, 1, "back", -EBADMSG);		/* nothing was written */
	t.port->env.writes_allowed = false;
	refuse(&t, 1, "write", -EPERM);
	assert_int_equal(t.port->ops->virtqueue(2), 3);
	assert_true(t.port->ops->has_queue(t.port, 1, 0, &why));
	assert_true(t.port->ops->has_queue(t.port, 1, 2, &why));
	assert_false(t.port->ops->has_queue(t.port, 2, 2, &why));
	t.config.num_request_queues = htole32(2);
	t.port->env.config_len = sizeof(t.config);
	assert_true(t.port->ops->has_queue(t.port, 2, 0, &why));
	assert_false(t.port->ops->has_queue(t.port, 3, 0, &why));
	close_port(&t);
}

/* Each row spoils a right answer. */
static void wrong_headers(void **state)
{
	static const struct { int32_t len, used, error; uint64_t unique; const char *clause; } rows[] = {
		{ .unique = 2 }, { .len = 1 }, { .len = -1 }, { .used = 1 }, { .len = 4, .used = 4 },
		{ .len = -120, .used = -120 }, { .len = -105, .used = -105 },
		{ .error = 2, .clause = "FS-REQ-03" }, { .error = -600, .clause = "FS-REQ-03" },
		{ .error = -2 },		/* an error has no attributes behind it */
		{ .len = -1, .used = -1 },
	};
	struct fuse_attr_out attr = { 0 };
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, true);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		r = make(&t, 1, NULL, 0);
		assert_non_null(r);
		prepare(&t, r, rows[i].error, sizeof(attr));
		t.head.unique += rows[i].unique;
		t.head.len += (uint32_t)rows[i].len;
		t.used += (uint32_t)rows[i].used;
		assert_int_equal(deliver(&t, r, &attr, sizeof(attr)), KC_PAYLOAD_WRONG);
		assert_true(strlen(t.err.msg) > 10);
		if (rows[i].clause)
			assert_string_equal(t.port->clause, rows[i].clause);
		else
			assert_null(t.port->clause);
	}
	assert_int_equal(right(&t, make(&t, 1, NULL, 0), &attr, sizeof(attr)), KC_PAYLOAD_RIGHT);
	r = make(&t, 1, NULL, 0);
	prepare(&t, r, -ENOENT, 0);
	assert_int_equal(deliver(&t, r, NULL, 0), KC_PAYLOAD_FAILED);
	assert_int_equal(t.code, ENOENT);
	assert_string_equal(t.port->ops->code_name(ENOENT), "ENOENT");
	assert_string_equal(t.port->ops->code_name(0), "OK");
	assert_string_equal(t.port->ops->code_name(9999), "another errno");
	close_port(&t);
}

static void what_is_read(void **state)
{
	uint8_t bytes[100];
	struct fix t;

	(void)state;
	open_port(&t, false);
	open_files(&t);
	for (unsigned i = 0; i < 100; i++)
		bytes[i] = kc_storage_pattern(1000 + i);
	assert_int_equal(right(&t, make(&t, 1, "read pattern offset 1000", 100), bytes, 100),
			 KC_PAYLOAD_RIGHT);
	assert_int_equal(right(&t, make(&t, 1, "read pattern offset 1001", 100), bytes, 100),
			 KC_PAYLOAD_WRONG);
	assert_int_equal(right(&t, make(&t, 1, "read pattern offset 1000", 100), bytes, 99),
			 KC_PAYLOAD_WRONG);			/* short, and not at the end */
	for (unsigned i = 0; i < 40; i++)
		bytes[i] = kc_storage_pattern(KC_SHARE_PATTERN_BYTES - 40 + i);
	assert_int_equal(right(&t, make(&t, 1, "read pattern offset 262104", 100), bytes, 40),
			 KC_PAYLOAD_RIGHT);
	assert_int_equal(right(&t, make(&t, 1, "read pattern offset 262104", 100), bytes, 41),
			 KC_PAYLOAD_WRONG);
	assert_int_equal(right(&t, make(&t, 1, "read pattern offset 262144", 100), bytes, 0),
			 KC_PAYLOAD_RIGHT);
	/* of a handle that is the script's own nothing is known */
	assert_int_equal(right(&t, make(&t, 1, "read pattern handle 3", 100), bytes, 7), KC_PAYLOAD_RIGHT);
	close_port(&t);
}

static void what_is_written(void **state)
{
	struct fuse_write_in in;
	struct fuse_write_out out = { .size = 50 };
	struct fuse_read_in back;
	struct kc_request *r;
	uint8_t bytes[50];
	struct fix t;

	(void)state;
	open_port(&t, false);
	open_files(&t);
	r = make(&t, 1, "write offset 9", 50);
	assert_non_null(r);
	readable(&t, r, sizeof(struct fuse_in_header), &in, sizeof(in));
	readable(&t, r, sizeof(struct fuse_in_header) + sizeof(in), bytes, 50);
	assert_int_equal(in.offset, 9 + (2ull << 20));		/* in this scenario's part */
	assert_int_equal(in.fh, 8);
	assert_int_equal(right(&t, r, &out, sizeof(out)), KC_PAYLOAD_RIGHT);
	r = make(&t, 1, "back", 0);
	assert_non_null(r);
	readable(&t, r, sizeof(struct fuse_in_header), &back, sizeof(back));
	assert_int_equal(back.offset, in.offset);
	assert_int_equal(back.size, 50);
	assert_int_equal(right(&t, r, bytes, 50), KC_PAYLOAD_RIGHT);
	bytes[49] ^= 1;
	assert_int_equal(right(&t, make(&t, 1, "back", 0), bytes, 50), KC_PAYLOAD_WRONG);
	out.size = 49;
	assert_int_equal(right(&t, make(&t, 1, "write", 50), &out, sizeof(out)), KC_PAYLOAD_WRONG);
	out.size = 51;
	assert_int_equal(right(&t, make(&t, 1, "write", 50), &out, sizeof(out)), KC_PAYLOAD_WRONG);
	close_port(&t);
}

static void what_has_no_answer(void **state)
{
	static const char *const words[] = { "forget node 9", "batch-forget node 9 count 2", "interrupt" };
	struct fix t;

	(void)state;
	open_port(&t, false);
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		struct kc_request *r = make(&t, 0, words[i], 0);
		struct kc_used u = { .len = 0 };

		assert_non_null(r);
		assert_int_equal(r->writable, 0);
		assert_int_equal(t.port->ops->check(t.port, 0, r, &u, &t.code, &t.err), KC_PAYLOAD_RIGHT);
		u.len = 16;
		assert_int_equal(t.port->ops->check(t.port, 0, r, &u, &t.code, &t.err), KC_PAYLOAD_WRONG);
		assert_string_equal(t.port->clause, "FS-REQ-04");
		t.port->ops->release(t.port, r);
	}
	close_port(&t);
}

static void a_session_begins_anew(void **state)
{
	struct fuse_init_out out = { .major = 7, .minor = 31 };
	struct fix t;

	(void)state;
	open_port(&t, false);
	open_files(&t);
	assert_non_null(strstr(t.port->ops->opening(t.port), "open scratch"));
	t.port->env.writes_allowed = false;
	assert_null(strstr(t.port->ops->opening(t.port), "open scratch"));
	t.port->env.contents = KC_CONTENTS_UNKNOWN;
	assert_null(strstr(t.port->ops->opening(t.port), "open pattern"));
	assert_int_equal(right(&t, make(&t, 1, "init", 0), &out, 23), KC_PAYLOAD_WRONG);
	assert_int_equal(right(&t, make(&t, 1, "init", 0), &out, 24), KC_PAYLOAD_RIGHT);
	refuse(&t, 1, "read pattern", -EINVAL);		/* what was open belonged to the other one */
	close_port(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked),
		cmocka_unit_test(shapes),
		cmocka_unit_test(words_and_queues),
		cmocka_unit_test(wrong_headers),
		cmocka_unit_test(what_is_read),
		cmocka_unit_test(what_is_written),
		cmocka_unit_test(what_has_no_answer),
		cmocka_unit_test(a_session_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

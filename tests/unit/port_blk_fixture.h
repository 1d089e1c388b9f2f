/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_PORT_BLK_FIXTURE_H
#define TESTS_UNIT_PORT_BLK_FIXTURE_H

/* The block port against a small disk that obeys, unless it is told to lie: what all of test_port_blk*.c use. */
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

static inline void fill_disk(struct fix *t, uint32_t sectors)
{
	for (uint32_t i = 0; i < sectors * 512; i++)
		t->disk[i] = kc_storage_pattern(i);
}

static inline void fix_init(struct fix *t, uint64_t features, int contents)
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

static inline void open_port(struct fix *t)
{
	t->port = kc_port_blk.open(&t->env, &t->err);
	assert_non_null(t->port);
}

static inline void fix_open(struct fix *t, uint64_t features, int contents)
{
	fix_init(t, features, contents);
	open_port(t);
}

static inline void fix_close(struct fix *t)
{
	t->port->ops->close(t->port);
	guest_fini(&t->g);
	free(t->disk);
}

static inline void reopen(struct fix *t)
{
	t->port->ops->close(t->port);
	open_port(t);
}

static inline struct kc_request *make(struct fix *t, const struct kc_shape *shape)
{
	int code = 1;
	struct kc_request *r = t->port->ops->make(t->port, 0, shape, &code, &t->err);

	if (!r)
		print_message("%s\n", t->err.msg);
	assert_non_null(r);
	assert_int_equal(code, 0);
	return r;
}

static inline struct kc_request *make_words(struct fix *t, const char *words)
{
	return make(t, &(struct kc_shape){ .words = words });
}

static inline void refuse(struct fix *t, const struct kc_shape *shape, int expected, const char *reason)
{
	int code = 0;

	t->err.msg[0] = 0;
	assert_null(t->port->ops->make(t->port, 0, shape, &code, &t->err));
	assert_int_equal(code, expected);
	if (!strstr(t->err.msg, reason))
		print_message("'%s' lacks '%s'\n", t->err.msg, reason);
	assert_non_null(strstr(t->err.msg, reason));
}

static inline void gather(struct fix *t, const struct kc_request *r, bool write, uint8_t *buf)
{
	for (unsigned i = 0; i < r->nsegs; i++) {
		if (r->segs[i].write != write)
			continue;
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, buf, r->segs[i].len), 0);
		buf += r->segs[i].len;
	}
}

static inline struct virtio_blk_outhdr header_of(struct fix *t, const struct kc_request *r)
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

static inline int disk_fills(struct fix *t, const uint8_t *list, uint32_t len, uint8_t byte)
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
static inline int disk_does(struct fix *t, const struct virtio_blk_outhdr *h, const uint8_t *out,
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

static inline void device(struct fix *t, const struct kc_request *r)
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

static inline enum kc_payload_verdict check(struct fix *t, struct kc_request *r, int *code)
{
	struct kc_used u = { .len = r->writable };

	t->err.msg[0] = 0;
	return t->port->ops->check(t->port, 0, r, &u, code, &t->err);
}

/* Device, check, release. Verdict as given, code too. */
static inline void finish(struct fix *t, struct kc_request *r, enum kc_payload_verdict verdict,
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

static inline void right(struct fix *t, struct kc_request *r)
{
	finish(t, r, KC_PAYLOAD_RIGHT, 0);
}

static inline void check_lens(const struct kc_request *r, const uint32_t *lens, unsigned n)
{
	assert_int_equal(r->nsegs, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(r->segs[i].len, lens[i]);
}

#define CHECK_LENS(r, ...) \
	check_lens(r, (const uint32_t[]){ __VA_ARGS__ }, \
		   sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* A device that takes lists of ranges, and limits each of them. */
static inline void open_lists(struct fix *t, uint64_t features)
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

#endif

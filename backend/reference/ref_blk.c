// SPDX-License-Identifier: BSD-3-Clause
/*
 * The block device's requests and configuration; what holds its sectors is ref_storage.c.
 *
 * A request is a 16-byte header at the start of the readable bytes, and a status byte as the very
 * last writable one; between them lies the data, on the readable side for a write and on the
 * writable side for everything else. All is found by position.
 *
 * Every request that can be answered reports all writable bytes as used: what the request itself
 * did not write (a failed read, the rest of a long GET_ID buffer) is filled with zeroes, since the
 * status comes last and used.len may cover only bytes that were written (VQ-SPLIT-USED-DEV-02).
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_blk.h>
#include "ref_internal.h"
#include "ref_storage.h"

/* Newer than some distributions' headers, and with them three fields of the configuration. */
#ifndef VIRTIO_BLK_F_SECURE_ERASE
#define VIRTIO_BLK_F_SECURE_ERASE	16
#define VIRTIO_BLK_T_SECURE_ERASE	14
#endif
#define SECURE_ERASE_AT		60u	/* where these fields begin */

#define SECTOR			KC_REF_SECTOR
/* Bytes in one data segment, and data segments, that we ask a driver to keep to; with header and
 * status a chain has at most 1024. */
#define SIZE_MAX_BYTES		(1u << 20)
#define SEG_MAX			1022u
#define PHYSICAL_EXP		3u	/* 2^3 logical blocks in a physical one */
/* The layout's full length, zoned part included: what a front-end may ask for in one piece. */
#define CONFIG_LEN		96u
/* What a sector holds after a discard: neither what it held, nor zeroes. Nobody may count on it. */
#define DISCARDED		0xdb

static const char device_id[VIRTIO_BLK_ID_BYTES] = "kickcall-ref";

struct blk {
	struct kc_ref_storage storage;
	unsigned queues;
	bool read_only;
	bool writeback;			/* the configuration's cache mode */
};

static struct blk *blk_of(struct kc_ref *r)
{
	return r->dev;
}

static void blk_close(struct kc_ref *r)
{
	kc_ref_storage_close(&blk_of(r)->storage);
	free(r->dev);
	r->dev = NULL;
}

static int blk_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	struct blk *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return kc_err_set(err, -ENOMEM, "no memory for a block device");
	r->dev = b;
	b->read_only = config->read_only;
	b->queues = r->nqueues;
	b->writeback = true;
	rc = kc_ref_storage_open(&b->storage, config->file, b->read_only, config->capacity, err);
	if (rc)
		blk_close(r);
	return rc;
}

/* ---- features and configuration ---- */

static uint64_t blk_features(struct kc_ref *r, uint64_t off)
{
	struct blk *b = blk_of(r);
	uint64_t f = KC_BIT(VIRTIO_BLK_F_SIZE_MAX) | KC_BIT(VIRTIO_BLK_F_SEG_MAX) |
		     KC_BIT(VIRTIO_BLK_F_GEOMETRY) | KC_BIT(VIRTIO_BLK_F_BLK_SIZE) |
		     KC_BIT(VIRTIO_BLK_F_FLUSH) | KC_BIT(VIRTIO_BLK_F_TOPOLOGY) |
		     KC_BIT(VIRTIO_BLK_F_CONFIG_WCE) | KC_BIT(VIRTIO_BLK_F_DISCARD) |
		     KC_BIT(VIRTIO_BLK_F_WRITE_ZEROES) | KC_BIT(VIRTIO_BLK_F_SECURE_ERASE);

	if (b->queues > 1)
		f |= KC_BIT(VIRTIO_BLK_F_MQ);
	if (b->read_only)
		f |= KC_BIT(VIRTIO_BLK_F_RO);
	if (off & KC_BIT(VIRTIO_BLK_F_FLUSH))	/* BLK-INIT-DEV-07 */
		off |= KC_BIT(VIRTIO_BLK_F_CONFIG_WCE);
	return f & ~off;
}

static void blk_reset(struct kc_ref *r)
{
	blk_of(r)->writeback = true;
}

static void blk_negotiated(struct kc_ref *r, uint64_t changed)
{
	const uint64_t cache_bits = KC_BIT(VIRTIO_BLK_F_FLUSH) | KC_BIT(VIRTIO_BLK_F_CONFIG_WCE);

	/* Said again, they leave the mode as the driver has set it. */
	if (!(changed & cache_bits))
		return;
	/* BLK-INIT-DEV-02: a driver that cannot flush starts with a write-through cache. */
	blk_of(r)->writeback = !(kc_ref_has(r, VIRTIO_BLK_F_CONFIG_WCE) &&
				 !kc_ref_has(r, VIRTIO_BLK_F_FLUSH));
}

/* Must a write be on stable storage before it is completed (BLK-OP-DEV-08, BLK-OP-DEV-11)? */
static bool write_through(struct kc_ref *r)
{
	if (kc_ref_has(r, VIRTIO_BLK_F_CONFIG_WCE))
		return !blk_of(r)->writeback;
	return !kc_ref_has(r, VIRTIO_BLK_F_FLUSH);
}

/* The requests whose data is a list of ranges, and how much of it a driver may say at once. */
static const struct range_limits {
	uint32_t type;
	unsigned feature;
	uint32_t sectors, segments;	/* in one segment; in one request */
	uint32_t alignment;		/* a hint, in sectors; nothing is refused for it */
} range_limits[] = {
	{ VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_F_DISCARD, 128, 16, 8 },
	{ VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_F_WRITE_ZEROES, 128, 8, 0 },
	{ VIRTIO_BLK_T_SECURE_ERASE, VIRTIO_BLK_F_SECURE_ERASE, 64, 4, 8 },
};
enum { DISCARD, WRITE_ZEROES, SECURE_ERASE };	/* rows of range_limits */

static void put_le32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

/* A geometry of the old kind: 16 heads of 63 sectors, and as many cylinders as fit. */
static uint16_t cylinders(const struct blk *b)
{
	uint64_t n = b->storage.sectors / (16 * 63);

	return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

static void blk_config_read(struct kc_ref *r, uint8_t *config)
{
	const struct range_limits *discard = &range_limits[DISCARD];
	const struct range_limits *zeroes = &range_limits[WRITE_ZEROES];
	const struct range_limits *erase = &range_limits[SECURE_ERASE];
	struct blk *b = blk_of(r);
	struct virtio_blk_config c = {
		.capacity = htole64(b->storage.sectors),
		.size_max = htole32(SIZE_MAX_BYTES),
		.seg_max = htole32(SEG_MAX),
		.geometry = { .cylinders = htole16(cylinders(b)), .heads = 16, .sectors = 63 },
		.blk_size = htole32(SECTOR),
		.physical_block_exp = PHYSICAL_EXP,
		.min_io_size = htole16(1u << PHYSICAL_EXP),
		.wce = b->writeback,
		.num_queues = htole16((uint16_t)b->queues),
		.max_discard_sectors = htole32(discard->sectors),
		.max_discard_seg = htole32(discard->segments),
		.discard_sector_alignment = htole32(discard->alignment),
		.max_write_zeroes_sectors = htole32(zeroes->sectors),
		.max_write_zeroes_seg = htole32(zeroes->segments),
		.write_zeroes_may_unmap = 0,	/* zeroes are written (BLK-OP-DEV-07) */
	};

	memset(config, 0, CONFIG_LEN);
	memcpy(config, &c, sizeof(c));
	put_le32(config + SECURE_ERASE_AT, erase->sectors);
	put_le32(config + SECURE_ERASE_AT + 4, erase->segments);
	put_le32(config + SECURE_ERASE_AT + 8, erase->alignment);
}

/* The cache mode, which is a driver's to write once CONFIG_WCE is negotiated (BLK-OP-DRV-05). */
static int write_wce(struct kc_ref *r, uint8_t mode)
{
	if (!kc_ref_has(r, VIRTIO_BLK_F_CONFIG_WCE) || mode > 1)
		return -EPERM;
	blk_of(r)->writeback = mode;
	return 0;
}

/*
 * The driver writes the cache mode and nothing else. At migration the front-end may hand over any
 * part of the old side's configuration, as long as it says what this disk is already, save for the
 * cache mode, which is taken over: a disk does not change its size because a message says so.
 */
static int blk_config_write(struct kc_ref *r, uint32_t offset, uint32_t len, bool migration,
			    const uint8_t *data)
{
	const uint32_t wce = offsetof(struct virtio_blk_config, wce);
	uint8_t old[CONFIG_LEN], new[CONFIG_LEN];

	if (!migration)
		return offset == wce && len == 1 ? write_wce(r, data[0]) : -EPERM;
	blk_config_read(r, old);
	memcpy(new, old, sizeof(new));
	memcpy(new + offset, data, len);
	if (memcmp(new, old, wce) || memcmp(new + wce + 1, old + wce + 1, CONFIG_LEN - wce - 1) ||
	    new[wce] > 1)
		return -EPERM;
	blk_of(r)->writeback = new[wce];
	return 0;
}

/* ---- requests ---- */

struct request {
	struct kc_ref *r;
	struct blk *b;
	uint64_t sector;
	struct kc_ref_cursor out, in;	/* at the first byte of data */
	uint64_t out_len, in_len;	/* bytes of data */
	uint64_t written;		/* bytes of data the request has written */
};

static bool sectors_exist(const struct blk *b, uint64_t sector, uint64_t n)
{
	return sector <= b->storage.sectors && n <= b->storage.sectors - sector;
}

static bool range_ok(const struct request *q, uint64_t len)
{
	return len % SECTOR == 0 && sectors_exist(q->b, q->sector, len / SECTOR);
}

static void move_data(struct request *q, bool write, struct kc_ref_cursor *c, uint64_t len)
{
	uint64_t pos = q->sector * SECTOR;
	size_t n;
	uint8_t *p;

	for (; (p = kc_ref_cursor_take(c, len, &n)); pos += n, len -= n) {
		if (write)
			kc_ref_storage_write(&q->b->storage, pos, p, n);
		else
			kc_ref_storage_read(&q->b->storage, pos, p, n);
	}
}

static uint8_t do_in(struct request *q)
{
	struct kc_ref_cursor c = q->in;

	if (!range_ok(q, q->in_len))
		return VIRTIO_BLK_S_IOERR;
	move_data(q, false, &c, q->in_len);
	q->written = q->in_len;
	return VIRTIO_BLK_S_OK;
}

static uint8_t sync_storage(struct request *q)
{
	return kc_ref_storage_sync(&q->b->storage) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

/* The end of a request that has written. */
static uint8_t written(struct request *q)
{
	return write_through(q->r) ? sync_storage(q) : VIRTIO_BLK_S_OK;
}

static uint8_t do_out(struct request *q)
{
	struct kc_ref_cursor c = q->out;

	if (q->b->read_only)
		return VIRTIO_BLK_S_IOERR;
	if (!range_ok(q, q->out_len))
		return VIRTIO_BLK_S_IOERR;
	move_data(q, true, &c, q->out_len);
	return written(q);
}

static uint8_t do_flush(struct request *q)
{
	return sync_storage(q);
}

/* A driver asks for 20 bytes; it gets as many of them as it gives room for. */
static uint8_t do_get_id(struct request *q)
{
	struct kc_ref_cursor c = q->in;
	uint64_t n = q->in_len < sizeof(device_id) ? q->in_len : sizeof(device_id);

	q->written = kc_ref_cursor_write(&c, device_id, n);
	return VIRTIO_BLK_S_OK;
}

/* ---- lists of ranges: discard, write zeroes, secure erase ---- */

/* The next segment of the list; false at its end. */
static bool next_segment(struct kc_ref_cursor *c, struct virtio_blk_discard_write_zeroes *seg)
{
	if (kc_ref_cursor_read(c, seg, sizeof(*seg)) < sizeof(*seg))
		return false;
	seg->sector = le64toh(seg->sector);
	seg->num_sectors = le32toh(seg->num_sectors);
	seg->flags = le32toh(seg->flags);
	return true;
}

/* Unmapping is for write zeroes alone (BLK-OP-DEV-04); other bits are unknown (BLK-OP-DEV-03). */
static bool flags_ok(const struct range_limits *l, uint32_t flags)
{
	bool zeroes = l->type == VIRTIO_BLK_T_WRITE_ZEROES;
	uint32_t known = zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	return !(flags & ~known);
}

static bool segment_ok(const struct request *q, const struct range_limits *l,
		       const struct virtio_blk_discard_write_zeroes *seg)
{
	return seg->num_sectors <= l->sectors &&
	       sectors_exist(q->b, seg->sector, seg->num_sectors);
}

/* The whole list is looked at before anything is done: a request that fails changes nothing. What
 * is not supported comes first, whatever else is wrong. */
static uint8_t check_ranges(const struct request *q, const struct range_limits *l)
{
	struct kc_ref_cursor c = q->out;
	struct virtio_blk_discard_write_zeroes seg;
	uint8_t status = VIRTIO_BLK_S_OK;

	if (!kc_ref_has(q->r, l->feature))
		return VIRTIO_BLK_S_UNSUPP;
	while (next_segment(&c, &seg)) {
		if (!flags_ok(l, seg.flags))
			return VIRTIO_BLK_S_UNSUPP;
		if (!segment_ok(q, l, &seg))
			status = VIRTIO_BLK_S_IOERR;
	}
	if (q->b->read_only)
		return VIRTIO_BLK_S_IOERR;
	if (!q->out_len || q->out_len % sizeof(seg) || q->out_len / sizeof(seg) > l->segments)
		return VIRTIO_BLK_S_IOERR;
	return status;
}

static uint8_t fill_ranges(struct request *q, const struct range_limits *l, uint8_t byte)
{
	uint8_t status = check_ranges(q, l);
	struct virtio_blk_discard_write_zeroes seg;
	struct kc_ref_cursor c = q->out;

	if (status != VIRTIO_BLK_S_OK)
		return status;
	/* The guest may change the list meanwhile, so each segment is checked as it is read. */
	while (next_segment(&c, &seg)) {
		if (!segment_ok(q, l, &seg))
			return VIRTIO_BLK_S_IOERR;
		kc_ref_storage_fill(&q->b->storage, seg.sector * SECTOR, byte,
				    (uint64_t)seg.num_sectors * SECTOR);
	}
	return written(q);
}

static uint8_t do_discard(struct request *q)
{
	return fill_ranges(q, &range_limits[DISCARD], DISCARDED);
}

static uint8_t do_write_zeroes(struct request *q)
{
	return fill_ranges(q, &range_limits[WRITE_ZEROES], 0);
}

/* What was there is gone for good, from the file as well. */
static uint8_t do_secure_erase(struct request *q)
{
	uint8_t status = fill_ranges(q, &range_limits[SECURE_ERASE], 0);

	return status == VIRTIO_BLK_S_OK ? sync_storage(q) : status;
}

static const struct {
	uint32_t type;
	uint8_t (*fn)(struct request *q);
} request_types[] = {
	{ VIRTIO_BLK_T_IN, do_in },
	{ VIRTIO_BLK_T_OUT, do_out },
	{ VIRTIO_BLK_T_FLUSH, do_flush },
	{ VIRTIO_BLK_T_GET_ID, do_get_id },
	{ VIRTIO_BLK_T_DISCARD, do_discard },
	{ VIRTIO_BLK_T_WRITE_ZEROES, do_write_zeroes },
	{ VIRTIO_BLK_T_SECURE_ERASE, do_secure_erase },
};

static uint8_t do_request(struct request *q, uint32_t type)
{
	for (size_t i = 0; i < sizeof(request_types) / sizeof(request_types[0]); i++)
		if (request_types[i].type == type)
			return request_types[i].fn(q);
	return VIRTIO_BLK_S_UNSUPP;
}

static uint32_t blk_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	struct request q = { .r = r, .b = blk_of(r) };
	struct kc_ref_cursor rest;
	struct virtio_blk_outhdr hdr;
	uint8_t status;

	(void)qi;	/* any queue takes any request */
	/* Without a header there is no request, without a status byte no place for an answer. The
	 * ring is sound, so the buffer goes back, and with no bytes written. */
	if (chain->out.len < sizeof(hdr) || chain->in.len < 1)
		return 0;
	q.out = kc_ref_cursor_at(&chain->out, 0);
	q.in = kc_ref_cursor_at(&chain->in, 0);
	kc_ref_cursor_read(&q.out, &hdr, sizeof(hdr));	/* and q.out stands at the data */
	q.out_len = chain->out.len - sizeof(hdr);
	q.in_len = chain->in.len - 1;
	q.sector = le64toh(hdr.sector);
	status = do_request(&q, le32toh(hdr.type));
	rest = kc_ref_cursor_at(&chain->in, q.written);
	kc_ref_cursor_fill(&rest, 0, q.in_len - q.written);
	kc_ref_cursor_write(&rest, &status, 1);
	return (uint32_t)chain->in.len;	/* < 4 GiB, as the header is part of the chain's 4 GiB */
}

const struct kc_ref_device kc_ref_blk = {
	.name = "blk",
	.queues = 4,
	.config_len = CONFIG_LEN,
	.open = blk_open,
	.close = blk_close,
	.reset = blk_reset,
	.features = blk_features,
	.negotiated = blk_negotiated,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.process = blk_process,
};

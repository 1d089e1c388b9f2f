// SPDX-License-Identifier: BSD-3-Clause
/*
 * The block device: a disk in memory or in a file.
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
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/virtio_blk.h>
#include <kickcall/storage.h>
#include "ref_internal.h"

#define SECTOR			512u
#define DEFAULT_CAPACITY	(16ull << 20)	/* bytes */
/* Data segments we ask a driver to keep to; with header and status a chain has at most 1024. */
#define SEG_MAX			1022u
/* The layout's full length, zoned part included: what a front-end may ask for in one piece. */
#define CONFIG_LEN		96u

static const char device_id[VIRTIO_BLK_ID_BYTES] = "kickcall-ref";

struct blk {
	int fd;				/* backing file, or -1 */
	uint8_t *mem;			/* without a file */
	uint64_t sectors;
	unsigned queues;
	bool read_only;
	bool writeback;			/* the configuration's cache mode */
};

static struct blk *blk_of(struct kc_ref *r)
{
	return r->dev;
}

/* ---- storage ---- */

static int open_file(struct blk *b, const char *path, struct kc_err *err)
{
	off_t end;

	b->fd = open(path, (b->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (b->fd < 0)
		return kc_err_set(err, -errno, "%s: %s", path, strerror(errno));
	end = lseek(b->fd, 0, SEEK_END);
	if (end < 0)
		return kc_err_set(err, -errno, "%s: %s", path, strerror(errno));
	b->sectors = (uint64_t)end / SECTOR;
	return 0;
}

static int open_memory(struct blk *b, uint64_t capacity, struct kc_err *err)
{
	uint64_t bytes;

	b->sectors = (capacity ? capacity : DEFAULT_CAPACITY) / SECTOR;
	bytes = b->sectors * SECTOR;
	if (!bytes)
		return kc_err_set(err, -EINVAL, "a disk of less than %u bytes", SECTOR);
	b->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
		       0);
	if (b->mem == MAP_FAILED) {
		b->mem = NULL;
		return kc_err_set(err, -ENOMEM, "no memory for a disk of %" PRIu64 " bytes", bytes);
	}
	for (uint64_t n = 0; n < bytes / 8; n++) {
		uint64_t word = htole64(kc_storage_pattern_word(n));

		memcpy(b->mem + 8 * n, &word, sizeof(word));
	}
	return 0;
}

static void blk_close(struct kc_ref *r)
{
	struct blk *b = blk_of(r);

	if (b->mem)
		munmap(b->mem, b->sectors * SECTOR);
	if (b->fd >= 0)
		close(b->fd);
	free(b);
	r->dev = NULL;
}

static int blk_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	struct blk *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return kc_err_set(err, -ENOMEM, "no memory for a block device");
	r->dev = b;
	b->fd = -1;
	b->read_only = config->read_only;
	b->queues = r->nqueues;
	b->writeback = true;
	rc = config->file ? open_file(b, config->file, err) : open_memory(b, config->capacity, err);
	if (rc)
		blk_close(r);
	return rc;
}

/* Moves n bytes between p and byte `pos` of the storage; the range was checked. */
static bool storage_move(struct blk *b, bool write, uint8_t *p, size_t n, uint64_t pos)
{
	if (b->mem) {
		memmove(write ? b->mem + pos : p, write ? p : b->mem + pos, n);
		return true;
	}
	while (n) {
		ssize_t got = write ? pwrite(b->fd, p, n, (off_t)pos)
				    : pread(b->fd, p, n, (off_t)pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
		pos += (uint64_t)got;
	}
	return true;
}

static bool storage_sync(struct blk *b)
{
	return b->fd < 0 || fdatasync(b->fd) == 0;
}

/* ---- features and configuration ---- */

static uint64_t blk_features(struct kc_ref *r, uint64_t off)
{
	struct blk *b = blk_of(r);
	uint64_t f = KC_BIT(VIRTIO_BLK_F_SEG_MAX) | KC_BIT(VIRTIO_BLK_F_BLK_SIZE) |
		     KC_BIT(VIRTIO_BLK_F_FLUSH) | KC_BIT(VIRTIO_BLK_F_TOPOLOGY) |
		     KC_BIT(VIRTIO_BLK_F_CONFIG_WCE);

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

static void blk_config_read(struct kc_ref *r, uint8_t *config)
{
	struct blk *b = blk_of(r);
	struct virtio_blk_config c = {
		.capacity = htole64(b->sectors),
		.seg_max = htole32(SEG_MAX),
		.blk_size = htole32(SECTOR),
		.min_io_size = htole16(1),
		.wce = b->writeback,
		.num_queues = htole16((uint16_t)b->queues),
	};

	memset(config, 0, CONFIG_LEN);
	memcpy(config, &c, sizeof(c));
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

static bool range_ok(const struct request *q, uint64_t len)
{
	return len % SECTOR == 0 && q->sector <= q->b->sectors &&
	       len / SECTOR <= q->b->sectors - q->sector;
}

static bool move_data(struct request *q, bool write, struct kc_ref_cursor *c, uint64_t len)
{
	uint64_t pos = q->sector * SECTOR;
	size_t n;
	uint8_t *p;

	for (; (p = kc_ref_cursor_take(c, len, &n)); pos += n, len -= n)
		if (!storage_move(q->b, write, p, n, pos))
			return false;
	return true;
}

static uint8_t do_in(struct request *q)
{
	struct kc_ref_cursor c = q->in;

	if (!range_ok(q, q->in_len) || !move_data(q, false, &c, q->in_len))
		return VIRTIO_BLK_S_IOERR;
	q->written = q->in_len;
	return VIRTIO_BLK_S_OK;
}

static uint8_t do_out(struct request *q)
{
	struct kc_ref_cursor c = q->out;

	if (q->b->read_only)
		return VIRTIO_BLK_S_IOERR;
	if (!range_ok(q, q->out_len))
		return VIRTIO_BLK_S_IOERR;
	if (!move_data(q, true, &c, q->out_len))
		return VIRTIO_BLK_S_IOERR;
	if (write_through(q->r) && !storage_sync(q->b))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static uint8_t do_flush(struct request *q)
{
	return storage_sync(q->b) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

/* A driver asks for 20 bytes; it gets as many of them as it gives room for. */
static uint8_t do_get_id(struct request *q)
{
	struct kc_ref_cursor c = q->in;
	uint64_t n = q->in_len < sizeof(device_id) ? q->in_len : sizeof(device_id);

	q->written = kc_ref_cursor_write(&c, device_id, n);
	return VIRTIO_BLK_S_OK;
}

static const struct {
	uint32_t type;
	uint8_t (*fn)(struct request *q);
} request_types[] = {
	{ VIRTIO_BLK_T_IN, do_in },
	{ VIRTIO_BLK_T_OUT, do_out },
	{ VIRTIO_BLK_T_FLUSH, do_flush },
	{ VIRTIO_BLK_T_GET_ID, do_get_id },
};

static uint8_t do_request(struct request *q, uint32_t type)
{
	for (size_t i = 0; i < sizeof(request_types) / sizeof(request_types[0]); i++)
		if (request_types[i].type == type)
			return request_types[i].fn(q);
	return VIRTIO_BLK_S_UNSUPP;
}

static uint32_t blk_process(struct kc_ref *r, struct kc_ref_chain *chain)
{
	struct request q = { .r = r, .b = blk_of(r) };
	struct kc_ref_cursor rest;
	struct virtio_blk_outhdr hdr;
	uint8_t status;

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

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The block device's storage.
 *
 * Reads and writes go to memory. With a file, that memory is a volatile write cache: the file is
 * read in once, a write only marks its sectors dirty, and a sync brings them to the file and waits
 * for the disk below. So a process that is killed loses what was not synced, as a disk does that
 * loses its power, and whoever forgets a sync is found out. Memory without a file is lost as a
 * whole.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <kickcall/storage.h>
#include "ref_storage.h"

#define SECTOR			KC_REF_SECTOR
#define DEFAULT_CAPACITY	(2ull << 20)	/* bytes */

static int make_memory(struct kc_ref_storage *s, uint64_t bytes, struct kc_err *err)
{
	s->sectors = bytes / SECTOR;
	if (!s->sectors)
		return 0;
	s->mem = mmap(NULL, s->sectors * SECTOR, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->mem != MAP_FAILED)
		return 0;
	s->mem = NULL;
	return kc_err_set(err, -ENOMEM, "no memory for a disk of %" PRIu64 " bytes", bytes);
}

static void fill_with_pattern(struct kc_ref_storage *s)
{
	for (uint64_t n = 0; n < s->sectors * SECTOR / 8; n++) {
		uint64_t word = htole64(kc_storage_pattern_word(n));

		memcpy(s->mem + 8 * n, &word, sizeof(word));
	}
}

/* Moves n bytes between memory and the file at the same place. */
static int move(struct kc_ref_storage *s, bool write, uint64_t pos, uint64_t n)
{
	while (n) {
		ssize_t got = write ? pwrite(s->fd, s->mem + pos, n, (off_t)pos)
				    : pread(s->fd, s->mem + pos, n, (off_t)pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		n -= (uint64_t)got;
		pos += (uint64_t)got;
	}
	return 0;
}

static int open_memory(struct kc_ref_storage *s, uint64_t capacity, struct kc_err *err)
{
	int rc = make_memory(s, capacity ? capacity : DEFAULT_CAPACITY, err);

	if (!rc && !s->sectors)
		rc = kc_err_set(err, -EINVAL, "a disk of less than %u bytes", SECTOR);
	if (!rc)
		fill_with_pattern(s);
	return rc;
}

static int load(struct kc_ref_storage *s, const char *file, uint64_t bytes, struct kc_err *err)
{
	int rc = make_memory(s, bytes, err);

	if (!rc && s->sectors)
		rc = move(s, false, 0, s->sectors * SECTOR);
	if (rc && rc != -ENOMEM)
		kc_err_set(err, rc, "%s: %s", file, strerror(-rc));
	return rc;
}

static int create(struct kc_ref_storage *s, const char *file, uint64_t capacity,
		  struct kc_err *err)
{
	int rc;

	s->fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return kc_err_set(err, -errno, "%s: %s", file, strerror(errno));
	rc = open_memory(s, capacity, err);
	if (rc)
		return rc;
	rc = move(s, true, 0, s->sectors * SECTOR);
	return rc ? kc_err_set(err, rc, "%s: %s", file, strerror(-rc)) : 0;
}

static int open_file(struct kc_ref_storage *s, const char *file, bool read_only,
		     uint64_t capacity, struct kc_err *err)
{
	off_t end;
	int rc;

	s->fd = open(file, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (s->fd < 0 && errno == ENOENT && capacity) {
		rc = create(s, file, capacity, err);
	} else {
		end = s->fd < 0 ? -1 : lseek(s->fd, 0, SEEK_END);
		rc = end < 0 ? kc_err_set(err, -errno, "%s: %s", file, strerror(errno)) :
		     load(s, file, (uint64_t)end, err);
	}
	if (rc)
		return rc;
	s->dirty = calloc(s->sectors + 1, 1);
	return s->dirty ? 0 : kc_err_set(err, -ENOMEM, "no memory for a disk's books");
}

int kc_ref_storage_open(struct kc_ref_storage *s, const char *file, bool read_only,
			uint64_t capacity, struct kc_err *err)
{
	*s = (struct kc_ref_storage){ .fd = -1 };
	return file ? open_file(s, file, read_only, capacity, err) : open_memory(s, capacity, err);
}

void kc_ref_storage_close(struct kc_ref_storage *s)
{
	if (s->dirty)
		kc_ref_storage_sync(s);
	free(s->dirty);
	if (s->mem)
		munmap(s->mem, s->sectors * SECTOR);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct kc_ref_storage){ .fd = -1 };
}

static void mark_dirty(struct kc_ref_storage *s, uint64_t pos, uint64_t n)
{
	if (s->dirty && n)
		memset(s->dirty + pos / SECTOR, 1, (pos + n - 1) / SECTOR - pos / SECTOR + 1);
}

void kc_ref_storage_read(const struct kc_ref_storage *s, uint64_t pos, uint8_t *p, uint64_t n)
{
	memmove(p, s->mem + pos, n);
}

void kc_ref_storage_write(struct kc_ref_storage *s, uint64_t pos, const uint8_t *p, uint64_t n)
{
	memmove(s->mem + pos, p, n);
	mark_dirty(s, pos, n);
}

void kc_ref_storage_fill(struct kc_ref_storage *s, uint64_t pos, uint8_t byte, uint64_t n)
{
	memset(s->mem + pos, byte, n);
	mark_dirty(s, pos, n);
}

bool kc_ref_storage_sync(struct kc_ref_storage *s)
{
	uint64_t first, n;

	if (!s->dirty)
		return true;
	for (first = 0; first < s->sectors; first += n + 1) {
		for (n = 0; first + n < s->sectors && s->dirty[first + n]; n++)
			;
		if (n && move(s, true, first * SECTOR, n * SECTOR))
			return false;
	}
	if (fdatasync(s->fd))
		return false;
	memset(s->dirty, 0, s->sectors);
	return true;
}

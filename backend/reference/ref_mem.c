// SPDX-License-Identifier: BSD-3-Clause
/*
 * The reference back-end's own memory table.
 *
 * Each region is mapped from its file once it has passed every check; the file descriptor is not
 * needed after that. Two address spaces lead into a region: the front-end's user addresses (uva),
 * used by SET_VRING_ADDR, and guest-physical ones (gpa), used by descriptors (VU-MEMACC-01). A
 * range is compared as (offset into the region, length) against the region's size, so that no sum
 * of an address and a length from outside can wrap.
 *
 * A file that is truncated after the check makes accesses fault; the protocol knows no cure for
 * that.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ref_internal.h"

/* Does [addr, addr + len) leave the 64-bit space? len > 0. */
static bool wraps(uint64_t addr, uint64_t len)
{
	return len - 1 > UINT64_MAX - addr;
}

/* Both ranges are non-empty and do not wrap. */
static bool overlap(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return a <= b ? b - a < alen : a - b < blen;
}

static int check_region(const struct kc_ref_mem *m, const struct kc_vu_region *w,
			struct kc_err *err)
{
	if (m->nregions == KC_VU_MEM_REGIONS_MAX)
		return kc_err_set(err, -EINVAL, "no memory slot is free");
	if (w->size == 0)
		return kc_err_set(err, -EINVAL, "memory region of 0 bytes");
	if (wraps(w->gpa, w->size) || wraps(w->uva, w->size))
		return kc_err_set(err, -EINVAL, "memory region wraps around the address space");
	for (unsigned i = 0; i < m->nregions; i++) {
		const struct kc_vu_region *o = &m->regions[i].where;

		if (overlap(w->gpa, w->size, o->gpa, o->size) ||
		    overlap(w->uva, w->size, o->uva, o->size))
			return kc_err_set(err, -EINVAL, "memory regions overlap");
	}
	return 0;
}

/* Reading beyond the end of a mapped file is a SIGBUS, so it must be known before. */
static int check_file(const struct kc_vu_region *w, int fd, struct kc_err *err)
{
	struct stat st;
	uint64_t file_bytes;

	if (fd < 0 || fstat(fd, &st))
		return kc_err_set(err, -EINVAL, "memory region without a file");
	file_bytes = (uint64_t)st.st_size;
	if (w->mmap_offset > file_bytes || w->size > file_bytes - w->mmap_offset)
		return kc_err_set(err, -EINVAL, "memory region reaches beyond the end of its file");
	return 0;
}

int kc_ref_mem_add(struct kc_ref_mem *m, const struct kc_vu_region *where, int fd,
		   struct kc_err *err)
{
	struct kc_ref_region *g;
	uint64_t skip = where->mmap_offset % (uint64_t)sysconf(_SC_PAGESIZE);
	int rc = check_region(m, where, err);

	if (!rc)
		rc = check_file(where, fd, err);
	if (rc)
		return rc;
	g = &m->regions[m->nregions];
	/* mmap takes whole pages of the file; the region may begin inside one. */
	g->where = *where;
	g->map_bytes = where->size + skip;
	g->map = mmap(NULL, g->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      (off_t)(where->mmap_offset - skip));
	if (g->map == MAP_FAILED)
		return kc_err_set(err, -EINVAL, "memory region cannot be mapped: %s",
				  strerror(errno));
	g->host = (uint8_t *)g->map + skip;
	m->nregions++;
	return 0;
}

int kc_ref_mem_remove(struct kc_ref_mem *m, const struct kc_vu_region *where, struct kc_err *err)
{
	for (unsigned i = 0; i < m->nregions; i++) {
		struct kc_ref_region *g = &m->regions[i];

		if (g->where.gpa != where->gpa || g->where.uva != where->uva ||
		    g->where.size != where->size)
			continue;
		munmap(g->map, g->map_bytes);
		*g = m->regions[--m->nregions];
		return 0;
	}
	return kc_err_set(err, -EINVAL, "no such memory region");
}

void kc_ref_mem_fini(struct kc_ref_mem *m)
{
	for (unsigned i = 0; i < m->nregions; i++)
		munmap(m->regions[i].map, m->regions[i].map_bytes);
	m->nregions = 0;
}

void *kc_ref_mem_uva(const struct kc_ref_mem *m, uint64_t uva, uint64_t len)
{
	for (unsigned i = 0; i < m->nregions; i++) {
		const struct kc_ref_region *g = &m->regions[i];
		uint64_t off = uva - g->where.uva;	/* huge if uva is below */

		if (off < g->where.size && len <= g->where.size - off)
			return g->host + off;
	}
	return NULL;
}

void *kc_ref_mem_gpa(const struct kc_ref_mem *m, uint64_t gpa, uint64_t len, uint64_t *n)
{
	for (unsigned i = 0; i < m->nregions; i++) {
		const struct kc_ref_region *g = &m->regions[i];
		uint64_t off = gpa - g->where.gpa;

		if (off < g->where.size) {
			uint64_t rest = g->where.size - off;

			*n = len < rest ? len : rest;
			return g->host + off;
		}
	}
	return NULL;
}

bool kc_ref_mem_whence(const struct kc_ref_mem *m, const void *host, uint64_t *gpa)
{
	for (unsigned i = 0; i < m->nregions; i++) {
		const struct kc_ref_region *g = &m->regions[i];
		uint64_t off = (uintptr_t)host - (uintptr_t)g->host;

		if (off >= g->where.size)
			continue;
		*gpa = g->where.gpa + off;
		return true;
	}
	return false;
}

bool kc_ref_mem_covers(const struct kc_ref_mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t n;

	if (len && wraps(gpa, len))
		return false;
	for (; len; gpa += n, len -= n)
		if (!kc_ref_mem_gpa(m, gpa, len, &n))
			return false;
	return true;
}

bool kc_ref_mem_read(const struct kc_ref_mem *m, uint64_t gpa, void *buf, uint64_t len)
{
	uint8_t *to = buf;
	const void *from;
	uint64_t n;

	for (; len; gpa += n, to += n, len -= n) {
		from = kc_ref_mem_gpa(m, gpa, len, &n);
		if (!from)
			return false;
		memcpy(to, from, n);
	}
	return true;
}

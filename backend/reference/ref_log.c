// SPDX-License-Identifier: BSD-3-Clause
/*
 * The dirty log of a live migration: one bit for each 4 KiB of guest memory, in a file that the
 * front-end shares with us and reads and clears while we work. So bits are set by atomic or, one
 * byte at a time, and after the data that they tell of was written: whoever finds a bit clear has
 * lost nothing that it could have copied (VU-LOG-05, VU-LOG-07).
 *
 * What is logged is told in two places: bit 26 of the features switches the log of buffers, flag 0
 * of a ring's addresses that of the ring, at an address of its own (VU-LOG-01, VU-LOG-06). Writable
 * buffers are marked as a whole: a device may write more than it says that it did. Pages beyond the
 * log's end have no bit.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ref_internal.h"

static int check_file(uint64_t size, uint64_t offset, int fd, struct kc_err *err)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return kc_err_set(err, -EINVAL, "a log without a file");
	if (!size)
		return kc_err_set(err, -EINVAL, "a log of 0 bytes");
	if (offset > (uint64_t)st.st_size || size > (uint64_t)st.st_size - offset)
		return kc_err_set(err, -EINVAL, "the log reaches beyond the end of its file");
	return 0;
}

static void unmap(struct kc_ref_log *l)
{
	if (l->map)
		munmap(l->map, l->map_bytes);
	l->map = NULL;
	l->bits = NULL;
	l->bytes = 0;
}

int kc_ref_log_set(struct kc_ref_log *l, uint64_t size, uint64_t offset, int fd, struct kc_err *err)
{
	uint64_t skip = offset % (uint64_t)sysconf(_SC_PAGESIZE);
	int rc = check_file(size, offset, fd, err);
	void *map;

	if (rc)
		return rc;
	map = mmap(NULL, size + skip, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(offset - skip));
	if (map == MAP_FAILED)
		return kc_err_set(err, -EINVAL, "the log cannot be mapped: %s", strerror(errno));
	unmap(l);
	l->map = map;
	l->map_bytes = size + skip;
	l->bits = (uint8_t *)map + skip;
	l->bytes = size;
	return 0;
}

void kc_ref_log_set_fd(struct kc_ref_log *l, struct kc_evfd *fd)
{
	kc_evfd_unref(l->fd);
	l->fd = fd;
}

void kc_ref_log_fini(struct kc_ref_log *l)
{
	unmap(l);
	kc_ref_log_set_fd(l, NULL);
}

void kc_ref_log_mark(struct kc_ref_log *l, uint64_t gpa, uint64_t len)
{
	if (!l->bits || !len)
		return;
	for (uint64_t page = gpa / VHOST_PAGE_SIZE; page <= (gpa + len - 1) / VHOST_PAGE_SIZE; page++)
		if (page / 8 < l->bytes)
			__atomic_fetch_or(&l->bits[page / 8], (uint8_t)(1u << page % 8),
					  __ATOMIC_RELEASE);
	if (l->fd)
		kc_evfd_signal(l->fd, 1);	/* -EAGAIN: it will be read anyway */
}

void kc_ref_log_buffers(struct kc_ref *r, const struct kc_ref_sg *sg)
{
	uint64_t gpa;

	if (!kc_ref_has(r, VHOST_F_LOG_ALL))
		return;
	for (unsigned i = 0; i < sg->n; i++)
		if (kc_ref_mem_whence(&r->mem, sg->v[i].iov_base, &gpa))
			kc_ref_log_mark(&r->log, gpa, sg->v[i].iov_len);
}

void kc_ref_log_used(struct kc_ref_ring *ring, uint64_t off, uint64_t len)
{
	if (ring->addr.logged)
		kc_ref_log_mark(&ring->ref->log, ring->addr.log + off, len);
}

void kc_ref_log_slot(struct kc_ref_ring *ring, const uint8_t *slot, uint64_t len)
{
	uint64_t gpa;

	if (ring->addr.logged && kc_ref_mem_whence(&ring->ref->mem, slot, &gpa))
		kc_ref_log_mark(&ring->ref->log, gpa, len);
}

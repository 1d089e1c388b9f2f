// SPDX-License-Identifier: BSD-3-Clause
/*
 * Which requests are in flight, in memory that outlives this process (vhost-user document, "Inflight
 * I/O tracking"). Split rings only: a packed ring is not tracked.
 *
 * At every instant the region must tell the next back-end what to do. So the stores are made in the
 * document's order. A head that is taken gets its counter before it is marked
 * (VU-INFLIGHT-SPLIT-01). One that is done is linked into the last batch before the used index
 * covers it; after that the marks of the batch go, and then used_idx follows
 * (VU-INFLIGHT-SPLIT-02). A region whose used_idx is not the ring's thus has a last batch whose
 * marks are to be dropped, as many as the indices differ by (VU-INFLIGHT-SPLIT-03); what is marked
 * then was taken and never used, and is carried out again in the order of the counters
 * (VU-INFLIGHT-SPLIT-04), before anything new. As many were taken as were used and are in flight:
 * that says where the available ring goes on, whatever base the front-end could know.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ref_internal.h"

#define ALIGN	64u		/* of each region: one cache line */

static uint64_t stride_for(uint32_t size)
{
	return (kc_inflight_bytes(size) + ALIGN - 1) / ALIGN * ALIGN;
}

static int check_counts(unsigned queues, unsigned size, struct kc_err *err)
{
	if (!queues || queues > KC_REF_QUEUES_MAX || !size || size > KC_SPLIT_SIZE_MAX)
		return kc_err_set(err, -EINVAL, "in-flight regions for %u queues of %u", queues, size);
	return 0;
}

int kc_ref_inflight_make(unsigned queues, unsigned size, uint64_t *bytes, struct kc_err *err)
{
	int rc = check_counts(queues, size, err), fd;

	if (rc)
		return rc;
	*bytes = queues * stride_for(size);
	fd = memfd_create("inflight", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)*bytes)) {
		rc = kc_err_set(err, -errno, "no memory for in-flight regions");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	return fd;
}

void kc_ref_inflight_fini(struct kc_ref_inflight *f)
{
	if (f->map)
		munmap(f->map, f->map_bytes);
	*f = (struct kc_ref_inflight){ 0 };
}

static int check_file(uint64_t bytes, uint64_t offset, int fd, struct kc_err *err)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || offset > (uint64_t)st.st_size ||
	    bytes > (uint64_t)st.st_size - offset)
		return kc_err_set(err, -EINVAL, "in-flight regions beyond the end of their file");
	return 0;
}

int kc_ref_inflight_set(struct kc_ref_inflight *f, const struct kc_msg *m, struct kc_err *err)
{
	unsigned queues = m->inflight.num_queues, size = m->inflight.queue_size;
	uint64_t offset = m->inflight.mmap_offset, bytes = m->inflight.mmap_size;
	uint64_t skip = offset % (uint64_t)sysconf(_SC_PAGESIZE);
	int rc = check_counts(queues, size, err);
	void *map;

	if (!rc && (bytes / queues < kc_inflight_bytes(size) || bytes / queues % 8 || offset % 8))
		rc = kc_err_set(err, -EINVAL, "in-flight regions of too few bytes, or misaligned");
	if (!rc)
		rc = check_file(bytes, offset, m->handles[0].fd, err);
	if (rc)
		return rc;
	map = mmap(NULL, bytes + skip, PROT_READ | PROT_WRITE, MAP_SHARED, m->handles[0].fd,
		   (off_t)(offset - skip));
	if (map == MAP_FAILED)
		return kc_err_set(err, -EINVAL, "the in-flight regions cannot be mapped");
	kc_ref_inflight_fini(f);
	*f = (struct kc_ref_inflight){
		.map = map, .map_bytes = bytes + skip, .regions = (uint8_t *)map + skip,
		.stride = bytes / queues, .queues = queues, .size = size,
	};
	return 0;
}

/* ---- a ring starts ---- */

static void drop_last_batch(struct kc_inflight_split *s, uint16_t used_idx, uint32_t size)
{
	uint16_t n = used_idx - s->used_idx, head = s->last_batch_head;

	for (; n && n <= size && head < size; n--, head = s->desc[head].next)
		s->desc[head].inflight = 0;
	__atomic_store_n(&s->used_idx, used_idx, __ATOMIC_RELEASE);
}

static int by_counter(const void *a, const void *b)
{
	const struct kc_ref_again *x = a, *y = b;

	return (x->counter > y->counter) - (x->counter < y->counter);
}

static int collect(struct kc_ref_ring *ring, const struct kc_inflight_split *s, struct kc_err *err)
{
	ring->again = calloc(ring->size, sizeof(*ring->again));
	if (!ring->again)
		return kc_err_set(err, -EINVAL, "no memory for what was in flight");
	for (uint32_t head = 0; head < ring->size; head++)
		if (s->desc[head].inflight)
			ring->again[ring->nagain++] = (struct kc_ref_again){
				s->desc[head].counter, (uint16_t)head };
	qsort(ring->again, ring->nagain, sizeof(*ring->again), by_counter);
	if (ring->nagain)
		ring->counter = ring->again[ring->nagain - 1].counter + 1;
	return 0;
}

void kc_ref_inflight_stop(struct kc_ref_ring *ring)
{
	free(ring->again);
	ring->again = NULL;
	ring->nagain = ring->next_again = 0;
	ring->counter = 0;
	ring->inflight = NULL;
}

int kc_ref_inflight_start(struct kc_ref_ring *ring, struct kc_err *err)
{
	const struct kc_ref_inflight *f = &ring->ref->inflight;
	struct kc_inflight_split *s;

	kc_ref_inflight_stop(ring);
	if (!f->map || ring->qi >= f->queues || ring->format != &kc_ref_split)
		return 0;
	s = (struct kc_inflight_split *)(f->regions + ring->qi * f->stride);
	if (ring->size > f->size)
		return kc_err_set(err, -EINVAL, "a ring of %u, and an in-flight region for %u",
				  ring->size, f->size);
	if (!s->version) {
		s->desc_num = (uint16_t)ring->size;
		s->used_idx = ring->split.used_idx;
		__atomic_store_n(&s->version, KC_INFLIGHT_VERSION, __ATOMIC_RELEASE);
	}
	if (s->version != KC_INFLIGHT_VERSION)
		return kc_err_set(err, -EINVAL, "an in-flight region of version %u", s->version);
	drop_last_batch(s, ring->split.used_idx, ring->size);
	ring->inflight = s;
	if (collect(ring, s, err))
		return -EINVAL;
	if (ring->nagain)
		ring->split.avail_idx = (uint16_t)(ring->split.used_idx + ring->nagain);
	return 0;
}

/* ---- it works ---- */

bool kc_ref_inflight_pending(const struct kc_ref_ring *ring)
{
	return ring->next_again < ring->nagain;
}

uint16_t kc_ref_inflight_next(const struct kc_ref_ring *ring)
{
	return ring->again[ring->next_again].head;
}

void kc_ref_inflight_taken(struct kc_ref_ring *ring, uint16_t head)
{
	struct kc_inflight_split *s = ring->inflight;

	if (kc_ref_inflight_pending(ring)) {
		ring->next_again++;	/* it is marked already */
		return;
	}
	if (!s)
		return;
	s->desc[head].counter = ring->counter++;
	__atomic_store_n(&s->desc[head].inflight, 1, __ATOMIC_RELEASE);
}

void kc_ref_inflight_done(struct kc_ref_ring *ring, uint16_t head)
{
	struct kc_inflight_split *s = ring->inflight;

	if (!s)
		return;
	s->desc[head].next = s->last_batch_head;
	__atomic_store_n(&s->last_batch_head, head, __ATOMIC_RELEASE);
}

void kc_ref_inflight_used(struct kc_ref_ring *ring, uint32_t chains)
{
	struct kc_inflight_split *s = ring->inflight;
	uint16_t head;

	if (!s)
		return;
	for (head = s->last_batch_head; chains && head < ring->size; chains--) {
		__atomic_store_n(&s->desc[head].inflight, 0, __ATOMIC_RELEASE);
		head = s->desc[head].next;
	}
	__atomic_store_n(&s->used_idx, ring->split.used_idx, __ATOMIC_RELEASE);
}

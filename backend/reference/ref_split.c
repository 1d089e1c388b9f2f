// SPDX-License-Identifier: BSD-3-Clause
/*
 * The device's side of a split ring: where its parts lie, how a chain is read and checked, how it
 * is returned, and the notification handshake in both directions. When to do which is
 * ref_ring.c's.
 *
 * Nothing in the ring is believed. A chain is first walked as a whole, each descriptor copied
 * once, and turned into two lists of host pieces; only a chain that passed every check reaches a
 * device. The first broken rule ends the walk with a reason, and the ring is left as it was.
 * Chains of any kind have at most `size` buffers, which also ends every loop (VQ-INDIRECT-DRV-03).
 *
 * A buffer of 0 bytes is skipped, wherever its address points: no byte of it is ever touched. It
 * counts for the length and for the order of the chain all the same.
 */
#include <errno.h>
#include <string.h>
#include "ref_internal.h"

#define CHAIN_BYTES_MAX		(1ull << 32)	/* VQ-SPLIT-DESC-DRV-01 */

/* The part at uva as a whole inside one region (a ring is one array to the device), aligned in the
 * front-end's address space as well as in ours, where atomics need it. */
static void *ring_part(const struct kc_ref_mem *m, uint64_t uva, uint64_t bytes, uint64_t align)
{
	void *host = kc_ref_mem_uva(m, uva, bytes);

	return ((uva | (uintptr_t)host) & (align - 1)) ? NULL : host;
}

int kc_ref_split_translate(const struct kc_ref_mem *m, const struct kc_ref_vring_addr *addr,
			   uint32_t size, struct kc_ref_vring *at, struct kc_err *err)
{
	struct kc_ref_vring v = {
		.desc = ring_part(m, addr->desc, kc_desc_bytes(size), KC_DESC_ALIGN),
		.avail = ring_part(m, addr->avail, kc_avail_bytes(size), KC_AVAIL_ALIGN),
		.used = ring_part(m, addr->used, kc_used_bytes(size), KC_USED_ALIGN),
	};

	if (!v.desc || !v.avail || !v.used)
		return kc_err_set(err, -EINVAL, "%s is misaligned or not inside one memory region",
				  !v.desc ? "descriptor table" :
				  !v.avail ? "available ring" : "used ring");
	*at = v;
	return 0;
}

/* ---- walking a chain ---- */

struct walk {
	const struct kc_ref_ring *ring;
	struct kc_ref_chain *chain;
	uint32_t entries;		/* of the table being walked */
	bool indirect;			/* that table is an indirect one */
	uint64_t table_gpa;		/* of an indirect table */
	uint32_t buffers;		/* so far */
	uint64_t bytes;
	bool writable_seen;
};

static const struct kc_ref_mem *walk_mem(const struct walk *w)
{
	return &w->ring->ref->mem;
}

/* One copy of a descriptor: what was checked is what is used, whatever happens to it meanwhile. */
static struct kc_desc read_desc(const struct walk *w, uint32_t i)
{
	uint8_t raw[sizeof(struct vring_desc)] = { 0 };

	if (w->indirect)	/* of any alignment, and across regions */
		kc_ref_mem_read(walk_mem(w), w->table_gpa + 16ull * i, raw, sizeof(raw));
	else
		memcpy(raw, w->ring->at.desc + 16ull * i, sizeof(raw));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);	/* the compiler must not read it again */
	return kc_desc_read(raw);
}

/* The buffer's bytes, which may lie in several adjacent regions. */
static const char *map_buffer(struct walk *w, const struct kc_desc *d, struct kc_ref_sg *sg)
{
	uint64_t gpa = d->addr, len = d->len, n;
	void *host;

	if (!kc_ref_mem_covers(walk_mem(w), gpa, len))
		return "a buffer lies outside guest memory";
	for (; len; gpa += n, len -= n) {
		host = kc_ref_mem_gpa(walk_mem(w), gpa, len, &n);
		if (kc_ref_sg_add(sg, host, n))
			return "no memory for the chain's buffers";
	}
	return NULL;
}

static const char *add_buffer(struct walk *w, const struct kc_desc *d)
{
	bool write = d->flags & VRING_DESC_F_WRITE;

	if (++w->buffers > w->ring->size)
		return "the chain has more buffers than the ring has entries, or loops";
	if (!write && w->writable_seen)
		return "a readable buffer follows a writable one";
	w->writable_seen |= write;
	w->bytes += d->len;
	if (w->bytes > CHAIN_BYTES_MAX)
		return "the chain has more than 4 GiB";
	return map_buffer(w, d, write ? &w->chain->in : &w->chain->out);
}

/* From a descriptor with INDIRECT set (its WRITE flag has no meaning, VQ-INDIRECT-DEV-01) into the
 * table that it names. */
static const char *enter_indirect(struct walk *w, const struct kc_desc *d)
{
	if (!kc_ref_has(w->ring->ref, VIRTIO_RING_F_INDIRECT_DESC))
		return "an indirect descriptor, which was not negotiated";
	if (w->indirect)
		return "an indirect descriptor inside an indirect table";
	if (d->flags & VRING_DESC_F_NEXT)
		return "a descriptor with both INDIRECT and NEXT";
	if (d->len == 0)
		return "an indirect table of 0 bytes";
	if (d->len % sizeof(struct vring_desc))
		return "an indirect table whose length is no multiple of 16";
	if (d->len / sizeof(struct vring_desc) > w->ring->size)
		return "an indirect table with more entries than the ring";
	if (!kc_ref_mem_covers(walk_mem(w), d->addr, d->len))
		return "an indirect table outside guest memory";
	w->indirect = true;
	w->table_gpa = d->addr;
	w->entries = d->len / sizeof(struct vring_desc);
	return NULL;
}

/* Any number of direct descriptors, then possibly an INDIRECT one as the last (VQ-INDIRECT-DEV-02).
 * Every turn adds a buffer, of which there are at most `size`, or enters the one indirect table. */
static const char *walk_chain(struct walk *w, uint16_t head)
{
	uint32_t i = head;
	const char *why;

	for (;;) {
		struct kc_desc d;

		if (i >= w->entries)
			return "a descriptor number beyond its table";
		d = read_desc(w, i);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			why = enter_indirect(w, &d);
			i = 0;
		} else {
			why = add_buffer(w, &d);
			i = d.next;
			if (!(d.flags & VRING_DESC_F_NEXT))
				return why;
		}
		if (why)
			return why;
	}
}

static uint16_t avail_idx(const struct kc_ref_ring *ring)
{
	/* (A): whoever sees the index sees the entries and descriptors that it covers. */
	return kc_ring_load16(ring->at.avail + KC_AVAIL_IDX, __ATOMIC_ACQUIRE);
}

static uint16_t avail_entry(const struct kc_ref_ring *ring, uint16_t idx)
{
	uint32_t slot = idx & (ring->size - 1);

	return kc_ring_load16(ring->at.avail + kc_avail_slot(slot), __ATOMIC_RELAXED);
}

bool kc_ref_split_pending(const struct kc_ref_ring *ring)
{
	return avail_idx(ring) != ring->avail_idx;
}

int kc_ref_split_fetch(struct kc_ref_ring *ring, struct kc_ref_chain *chain, const char **why)
{
	struct walk w = { .ring = ring, .chain = chain, .entries = ring->size };
	uint16_t pending = avail_idx(ring) - ring->avail_idx;

	if (pending == 0)
		return 0;
	*why = NULL;
	kc_ref_sg_clear(&chain->out);
	kc_ref_sg_clear(&chain->in);
	if (pending > ring->size) {
		*why = "the available index is ahead by more than the ring's size";
		return -EPROTO;
	}
	chain->head = avail_entry(ring, ring->avail_idx);
	*why = walk_chain(&w, chain->head);
	if (*why)
		return -EPROTO;
	ring->avail_idx++;
	return 1;
}

/* ---- returning a chain ---- */

uint16_t kc_ref_split_used_idx(const struct kc_ref_ring *ring)
{
	return kc_ring_load16(ring->at.used + KC_USED_IDX, __ATOMIC_RELAXED);
}

void kc_ref_split_complete(struct kc_ref_ring *ring, uint16_t head, uint32_t len)
{
	uint8_t *entry = ring->at.used + kc_used_slot(ring->used_idx & (ring->size - 1));

	kc_ring_store32(entry, head, __ATOMIC_RELAXED);
	kc_ring_store32(entry + 4, len, __ATOMIC_RELAXED);
	ring->used_idx++;
	/* (B): the data and the entry are visible before the index that covers them. */
	kc_ring_store16(ring->at.used + KC_USED_IDX, ring->used_idx, __ATOMIC_RELEASE);
}

/* Did the used index pass used_event between the last decision (old) and now (new)? */
static bool event_passed(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool event_due(struct kc_ref_ring *ring)
{
	uint16_t old = ring->signalled_used;
	bool valid = ring->signalled_used_valid;

	ring->signalled_used = ring->used_idx;
	ring->signalled_used_valid = true;
	if (!valid)
		return true;	/* nobody knows what the driver saw before the start: VK-RING-03 */
	return event_passed(kc_ring_load16(ring->at.avail + kc_avail_used_event(ring->size),
					   __ATOMIC_RELAXED), ring->used_idx, old);
}

bool kc_ref_split_call_due(struct kc_ref_ring *ring)
{
	/* (D): used idx is visible before the driver's wish is read; a driver that changes its wish
	 * re-reads used idx afterwards, so one of us sees the other. */
	kc_ring_fence();
	if (kc_ref_has(ring->ref, VIRTIO_RING_F_EVENT_IDX))
		return event_due(ring);
	return !(kc_ring_load16(ring->at.avail + KC_AVAIL_FLAGS, __ATOMIC_RELAXED) &
		 VRING_AVAIL_F_NO_INTERRUPT);
}

/* ---- kicks: what we ask the driver for ---- */

static void put_used_flags(struct kc_ref_ring *ring, uint16_t flags)
{
	kc_ring_store16(ring->at.used + KC_USED_FLAGS, flags, __ATOMIC_RELAXED);
	ring->no_notify = flags & VRING_USED_F_NO_NOTIFY;
}

void kc_ref_split_work(struct kc_ref_ring *ring)
{
	/* With EVENT_IDX the flags stay 0 (VQ-SPLIT-ANS-DEV-03); an avail_event that the driver has
	 * passed asks for no kick by itself. */
	if (!kc_ref_has(ring->ref, VIRTIO_RING_F_EVENT_IDX) && !ring->no_notify)
		put_used_flags(ring, VRING_USED_F_NO_NOTIFY);
}

bool kc_ref_split_rest(struct kc_ref_ring *ring)
{
	put_used_flags(ring, 0);
	if (kc_ref_has(ring->ref, VIRTIO_RING_F_EVENT_IDX))
		kc_ring_store16(ring->at.used + kc_used_avail_event(ring->size), ring->avail_idx,
				__ATOMIC_RELAXED);
	/* (C): our wish is visible before avail idx is read once more; a driver that publishes
	 * after that reads our wish afterwards, and kicks. */
	kc_ring_fence();
	return kc_ref_split_pending(ring);
}

void kc_ref_split_leave(struct kc_ref_ring *ring)
{
	if (ring->no_notify)
		put_used_flags(ring, 0);
}

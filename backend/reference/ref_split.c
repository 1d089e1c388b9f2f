// SPDX-License-Identifier: BSD-3-Clause
/*
 * The device's side of a split ring: how a chain is read and checked, how it is returned, and the
 * notification handshake in both directions. When to do which is ref_ring.c's.
 *
 * Chains of any kind have at most `size` buffers, which also ends every loop (VQ-INDIRECT-DRV-03).
 */
#include <errno.h>
#include <string.h>
#include "ref_internal.h"

/* ---- where it is ---- */

static int split_check_size(uint32_t n, struct kc_err *err)
{
	if (n == 0 || n > KC_SPLIT_SIZE_MAX || (n & (n - 1)))
		return kc_err_set(err, -EINVAL,
				  "a split ring of %u entries: not a power of two up to 32768", n);
	return 0;
}

/* The base is the avail side's alone; used goes on from where memory says (VU-MSG-VRINGBASE-01). */
static uint32_t split_base(const struct kc_ref_ring *ring)
{
	return ring->split.avail_idx;
}

static int split_set_base(struct kc_ref_ring *ring, uint32_t base, struct kc_err *err)
{
	if (base > 0xffff)
		return kc_err_set(err, -EINVAL, "a base of more than 16 bits");
	ring->split.avail_idx = (uint16_t)base;
	return 0;
}

static int split_start(struct kc_ref_ring *ring, struct kc_err *err)
{
	(void)err;
	ring->split.used_idx = kc_ring_load16(ring->at.used + KC_USED_IDX, __ATOMIC_RELAXED);
	return 0;
}

/* ---- walking a chain ---- */

struct walk {
	struct kc_ref_walk w;
	const struct kc_ref_ring *ring;
	uint32_t entries;		/* of the table being walked */
	bool indirect;			/* that table is an indirect one */
	uint64_t table_gpa;		/* of an indirect table */
};

/* One copy of a descriptor: what was checked is what is used, whatever happens to it meanwhile. */
static struct kc_desc read_desc(const struct walk *w, uint32_t i)
{
	uint8_t raw[sizeof(struct vring_desc)] = { 0 };

	if (w->indirect)	/* of any alignment, and across regions */
		kc_ref_mem_read(&w->ring->ref->mem, w->table_gpa + 16ull * i, raw, sizeof(raw));
	else
		memcpy(raw, w->ring->at.desc + 16ull * i, sizeof(raw));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);	/* the compiler must not read it again */
	return kc_desc_read(raw);
}

/* From a descriptor with INDIRECT set into the table that it names. */
static const char *enter_indirect(struct walk *w, const struct kc_desc *d)
{
	const char *why;

	if (w->indirect)
		return "an indirect descriptor inside an indirect table";
	why = kc_ref_walk_table(&w->w, d->addr, d->len, d->flags, w->ring->size);
	if (why)
		return why;
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
			why = kc_ref_walk_buffer(&w->w, d.addr, d.len,
						 d.flags & VRING_DESC_F_WRITE);
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

static bool split_pending(const struct kc_ref_ring *ring)
{
	return kc_ref_inflight_pending(ring) || avail_idx(ring) != ring->split.avail_idx;
}

static int split_fetch(struct kc_ref_ring *ring, struct kc_ref_chain *chain, const char **why)
{
	struct walk w = { .ring = ring, .entries = ring->size };
	uint16_t pending = avail_idx(ring) - ring->split.avail_idx;
	bool again = kc_ref_inflight_pending(ring);

	if (pending == 0 && !again)
		return 0;
	*why = NULL;
	kc_ref_walk_begin(&w.w, ring->ref, chain, ring->size);
	if (pending + ring->held.slots + ring->taken > ring->size) {
		*why = "the available index is ahead by more than the ring's size";
		return -EPROTO;
	}
	chain->slots = 1;
	chain->id = again ? kc_ref_inflight_next(ring) : avail_entry(ring, ring->split.avail_idx);
	*why = walk_chain(&w, chain->id);
	if (*why)
		return -EPROTO;
	kc_ref_inflight_taken(ring, chain->id);
	ring->split.avail_idx += !again;
	return 1;
}

/* ---- returning a chain ---- */

/* With IN_ORDER a batch has one entry, at the place of its first chain and with the head of its
 * last one (VQ-SPLIT-INORDER-01). */
static void write_entry(struct kc_ref_ring *ring, const struct kc_ref_batch *b)
{
	uint8_t *entry = ring->at.used + kc_used_slot(ring->split.used_idx & (ring->size - 1));

	kc_ring_store32(entry, b->id, __ATOMIC_RELAXED);
	kc_ring_store32(entry + 4, b->len, __ATOMIC_RELAXED);
	kc_ref_log_used(ring, (uint64_t)(entry - ring->at.used), sizeof(struct vring_used_elem));
	ring->split.used_idx += (uint16_t)b->slots;
}

static void split_complete(struct kc_ref_ring *ring, const struct kc_ref_batch *b, unsigned n)
{
	unsigned chains = 0;

	for (unsigned i = 0; i < n; i++) {
		write_entry(ring, &b[i]);
		chains += b[i].chains;
	}
	/* (B): the data and the entries are visible before the index that covers them. */
	kc_ring_store16(ring->at.used + KC_USED_IDX, ring->split.used_idx, __ATOMIC_RELEASE);
	kc_ref_log_used(ring, KC_USED_IDX, 2);
	kc_ref_inflight_used(ring, chains);
}

/* Did the used index pass used_event between the last decision (old) and now (new)? */
static bool event_passed(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool event_due(struct kc_ref_ring *ring)
{
	uint16_t old = ring->split.signalled_used;
	bool valid = ring->signalled_valid;

	ring->split.signalled_used = ring->split.used_idx;
	ring->signalled_valid = true;
	if (!valid)
		return true;	/* nobody knows what the driver saw before the start: VK-RING-03 */
	return event_passed(kc_ring_load16(ring->at.avail + kc_avail_used_event(ring->size),
					   __ATOMIC_RELAXED), ring->split.used_idx, old);
}

static bool split_call_due(struct kc_ref_ring *ring)
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
	kc_ref_log_used(ring, KC_USED_FLAGS, 2);
	ring->no_notify = flags & VRING_USED_F_NO_NOTIFY;
}

static void split_work(struct kc_ref_ring *ring)
{
	/* With EVENT_IDX the flags stay 0 (VQ-SPLIT-ANS-DEV-03); an avail_event that the driver has
	 * passed asks for no kick by itself. */
	if (!kc_ref_has(ring->ref, VIRTIO_RING_F_EVENT_IDX) && !ring->no_notify)
		put_used_flags(ring, VRING_USED_F_NO_NOTIFY);
}

static bool split_rest(struct kc_ref_ring *ring)
{
	put_used_flags(ring, 0);
	if (kc_ref_has(ring->ref, VIRTIO_RING_F_EVENT_IDX)) {
		kc_ring_store16(ring->at.used + kc_used_avail_event(ring->size),
				ring->split.avail_idx, __ATOMIC_RELAXED);
		kc_ref_log_used(ring, kc_used_avail_event(ring->size), 2);
	}
	/* (C): our wish is visible before avail idx is read once more; a driver that publishes
	 * after that reads our wish afterwards, and kicks. */
	kc_ring_fence();
	return split_pending(ring);
}

static void split_leave(struct kc_ref_ring *ring)
{
	if (ring->no_notify)
		put_used_flags(ring, 0);
}

const struct kc_ref_format kc_ref_split = {
	.desc = { "descriptor table", kc_desc_bytes, KC_DESC_ALIGN },
	.avail = { "available ring", kc_avail_bytes, KC_AVAIL_ALIGN },
	.used = { "used ring", kc_used_bytes, KC_USED_ALIGN },
	.check_size = split_check_size,
	.base = split_base,
	.set_base = split_set_base,
	.start = split_start,
	.fetch = split_fetch,
	.complete = split_complete,
	.call_due = split_call_due,
	.work = split_work,
	.rest = split_rest,
	.pending = split_pending,
	.leave = split_leave,
};

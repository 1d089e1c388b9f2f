// SPDX-License-Identifier: BSD-3-Clause
/*
 * The device's side of a packed ring: how a chain is read and checked, how it is returned, and the
 * notification handshake in both directions. When to do which is ref_ring.c's.
 *
 * There are two places in the ring, each with a wrap counter of its own: the next descriptor to be
 * made available, and the next to be written used. A descriptor says by its AVAIL and USED flags on
 * which lap it was made available; only its neighbours are ever looked at, in ring order.
 *
 * The text makes the driver mark every descriptor of a list, the first one last
 * (VQ-PACKED-SG-DRV-04), and forbids a device to use one that is not marked
 * (VQ-PACKED-DESC-DEV-03). So a list that goes on into a descriptor which is not available is
 * malformed. This, and the number of descriptors that were not returned yet, also end every loop.
 */
#include <errno.h>
#include <string.h>
#include "ref_internal.h"

/* SET_VRING_BASE: the place of the next available descriptor in the lower half, of the next used
 * one in the upper. */
#define BASE_SLOT	0x7fffu
#define BASE_WRAP	0x8000u
#define BASE_USED_SHIFT	16

/* The other bits are reserved. */
#define EVENT_FLAGS	3u

/* An indirect table may be longer than the ring: the text leaves its length to the device. */
#define TABLE_MAX	KC_PACKED_SIZE_MAX

/* ---- where it is ---- */

static uint64_t event_bytes(uint32_t size)
{
	(void)size;
	return KC_EVENT_BYTES;
}

static int packed_check_size(uint32_t n, struct kc_err *err)
{
	if (n == 0 || n > KC_PACKED_SIZE_MAX)
		return kc_err_set(err, -EINVAL, "a packed ring of %u entries: not 1 to 32768", n);
	return 0;
}

static uint16_t encode(const struct kc_ref_packed_place *p)
{
	return (uint16_t)(p->slot | (p->wrap ? BASE_WRAP : 0));
}

static struct kc_ref_packed_place decode(uint32_t half)
{
	return (struct kc_ref_packed_place){ half & BASE_SLOT, half & BASE_WRAP };
}

static uint32_t packed_base(const struct kc_ref_ring *ring)
{
	const struct kc_ref_packed_pos *p = &ring->packed;

	return (uint32_t)encode(&p->used) << BASE_USED_SHIFT | encode(&p->avail);
}

/* Whether the slots exist is known at the start, when the size is. */
static int packed_set_base(struct kc_ref_ring *ring, uint32_t base, struct kc_err *err)
{
	(void)err;
	ring->packed.avail = decode(base);
	ring->packed.used = decode(base >> BASE_USED_SHIFT);
	return 0;
}

static int packed_start(struct kc_ref_ring *ring, struct kc_err *err)
{
	if (ring->packed.avail.slot >= ring->size || ring->packed.used.slot >= ring->size)
		return kc_err_set(err, -EINVAL, "a base beyond the end of a ring of %u entries",
				  ring->size);
	ring->packed.undecided = 0;
	return 0;
}

/* n is at most the ring's size. */
static void move_on(struct kc_ref_packed_place *p, uint32_t n, uint32_t size)
{
	uint32_t slot = p->slot + n;

	if (slot >= size) {
		slot -= size;
		p->wrap = !p->wrap;
	}
	p->slot = (uint16_t)slot;
}

static uint8_t *desc_at(const struct kc_ref_ring *ring, uint16_t slot)
{
	return ring->at.desc + 16ull * slot;
}

/* ---- walking a chain ---- */

/* VQ-PACKED-WRAP-02 */
static bool made_available(uint16_t flags, bool wrap)
{
	bool avail = flags & KC_PDESC_F_AVAIL, used = flags & KC_PDESC_F_USED;

	return avail == wrap && used != wrap;
}

/* One copy: what was checked is what is used, whatever happens to the descriptor meanwhile. */
static struct kc_pdesc copy_of(const uint8_t *raw)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);	/* the compiler must not read it again */
	return kc_pdesc_read(raw);
}

static struct kc_pdesc read_desc(const struct kc_ref_ring *ring, uint16_t slot)
{
	uint8_t raw[sizeof(struct vring_packed_desc)];

	memcpy(raw, desc_at(ring, slot), sizeof(raw));
	return copy_of(raw);
}

/* As many buffers as the table has room for; only WRITE has a meaning (VQ-PACKED-INDIRECT-01). */
static const char *walk_table(struct kc_ref_walk *w, const struct kc_pdesc *table)
{
	const char *why = kc_ref_walk_table(w, table->addr, table->len, table->flags, TABLE_MAX);

	w->limit = TABLE_MAX;
	for (uint32_t off = 0; !why && off < table->len; off += sizeof(struct vring_packed_desc)) {
		uint8_t raw[sizeof(struct vring_packed_desc)] = { 0 };
		struct kc_pdesc d;

		/* of any alignment, and across regions */
		kc_ref_mem_read(&w->ref->mem, table->addr + off, raw, sizeof(raw));
		d = copy_of(raw);
		why = kc_ref_walk_buffer(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
	}
	return why;
}

/* Direct descriptors linked by NEXT, or one INDIRECT descriptor alone (VQ-PACKED-INDIRECT-DRV-04).
 * p ends behind them. */
static const char *walk_list(const struct kc_ref_ring *ring, struct kc_ref_walk *w,
			     struct kc_ref_packed_place *p)
{
	struct kc_ref_chain *chain = w->chain;
	const char *why;
	struct kc_pdesc d;

	do {
		if (chain->slots + ring->held.slots + ring->taken == ring->size)
			return "more descriptors are available than the ring has, or a list loops";
		d = read_desc(ring, p->slot);
		if (!made_available(d.flags, p->wrap))
			return "a list goes on into a descriptor that is not available";
		move_on(p, 1, ring->size);
		chain->slots++;
		chain->id = d.id;	/* of the last one in the end: VQ-PACKED-CHAIN-01 */
		if (!(d.flags & VRING_DESC_F_INDIRECT))
			why = kc_ref_walk_buffer(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		else if (chain->slots > 1)
			why = "an indirect descriptor in a list";
		else
			return walk_table(w, &d);
	} while (!why && (d.flags & VRING_DESC_F_NEXT));
	return why;
}

static bool packed_pending(const struct kc_ref_ring *ring)
{
	const struct kc_ref_packed_place *p = &ring->packed.avail;

	/* (A): whoever sees the flags sees the list that they begin, and its buffers. */
	return made_available(kc_ring_load16(desc_at(ring, p->slot) + KC_PDESC_FLAGS,
					     __ATOMIC_ACQUIRE), p->wrap);
}

static int packed_fetch(struct kc_ref_ring *ring, struct kc_ref_chain *chain, const char **why)
{
	struct kc_ref_packed_place p = ring->packed.avail;
	struct kc_ref_walk w;

	if (!packed_pending(ring))
		return 0;
	kc_ref_walk_begin(&w, ring->ref, chain, ring->size);
	*why = walk_list(ring, &w, &p);
	if (*why)
		return -EPROTO;
	ring->packed.avail = p;
	return 1;
}

/* ---- returning a chain ---- */

/* One used descriptor at the place of the first one, whatever the batch has (VQ-PACKED-POLL-02,
 * VQ-PACKED-INORDER-01); the others keep what the driver wrote. */
static void complete_one(struct kc_ref_ring *ring, const struct kc_ref_packed_place *p,
			 const struct kc_ref_batch *b)
{
	uint8_t *d = desc_at(ring, p->slot);
	uint16_t flags = (p->wrap ? KC_PDESC_F_AVAIL | KC_PDESC_F_USED : 0) |
			 (b->len ? VRING_DESC_F_WRITE : 0);	/* VQ-PACKED-WRITE-01 */

	kc_ring_store32(d + KC_PDESC_LEN, b->len, __ATOMIC_RELAXED);
	kc_ring_store16(d + KC_PDESC_ID, b->id, __ATOMIC_RELAXED);
	/* (B): the data, len and id are visible before the flags that cover them. */
	kc_ring_store16(d + KC_PDESC_FLAGS, flags, __ATOMIC_RELEASE);
	kc_ref_log_slot(ring, d, sizeof(struct vring_packed_desc));
}

/* A driver reads used descriptors in ring order, so whatever lies behind the first one is not seen
 * before the first one is: that is written last (VQ-PACKED-MULTIBUF-01). */
static void packed_complete(struct kc_ref_ring *ring, const struct kc_ref_batch *b, unsigned n)
{
	struct kc_ref_packed_place first = ring->packed.used, *p = &ring->packed.used;

	for (unsigned i = 0; i < n; i++) {
		if (i)
			complete_one(ring, p, &b[i]);
		move_on(p, b[i].slots, ring->size);
		ring->packed.undecided += b[i].slots;
	}
	complete_one(ring, &first, &b[0]);
}

/* Is the descriptor that the driver waits for among the n before the used place? Slots are counted
 * on the lap of that place; what lies on the one before has a negative number. Skipped descriptors
 * count like written ones (VQ-PACKED-EVT-03). */
static bool event_passed(const struct kc_ref_ring *ring, uint16_t off_wrap, uint32_t n)
{
	const struct kc_ref_packed_place *p = &ring->packed.used;
	bool same_lap = !(off_wrap & KC_EVENT_WRAP) == !p->wrap;
	int32_t event = (off_wrap & ~KC_EVENT_WRAP) - (same_lap ? 0 : (int32_t)ring->size);

	return event < p->slot && event >= p->slot - (int32_t)n;
}

static bool packed_call_due(struct kc_ref_ring *ring)
{
	bool valid = ring->signalled_valid;
	uint32_t n = ring->packed.undecided;
	struct kc_event_area e;

	ring->packed.undecided = 0;
	ring->signalled_valid = true;
	/* (D): the used flags are visible before the driver's wish is read; a driver that changes
	 * its wish re-reads the flags afterwards, so one of us sees the other. */
	kc_ring_fence();
	e = kc_event_load(ring->at.avail, __ATOMIC_RELAXED);
	switch (e.flags & EVENT_FLAGS) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return false;
	case VRING_PACKED_EVENT_FLAG_DESC:
		/* Not negotiated, or the first decision: nobody knows what the driver saw before
		 * the start (VK-RING-03). */
		return !kc_ref_has(ring->ref, VIRTIO_RING_F_EVENT_IDX) || !valid ||
		       event_passed(ring, e.off_wrap, n);
	default:	/* a reserved value must not cost a call */
		return true;
	}
}

/* ---- kicks: what we ask the driver for ---- */

static void put_wish(struct kc_ref_ring *ring, struct kc_event_area e)
{
	kc_event_store(ring->at.used, e, __ATOMIC_RELAXED);
	kc_ref_log_used(ring, 0, KC_EVENT_BYTES);
	ring->no_notify = e.flags == VRING_PACKED_EVENT_FLAG_DISABLE;
}

static void ask_for_kicks(struct kc_ref_ring *ring)
{
	struct kc_event_area e = { 0, VRING_PACKED_EVENT_FLAG_ENABLE };

	if (kc_ref_has(ring->ref, VIRTIO_RING_F_EVENT_IDX))
		e = (struct kc_event_area){ encode(&ring->packed.avail),
					    VRING_PACKED_EVENT_FLAG_DESC };
	put_wish(ring, e);
}

static void packed_work(struct kc_ref_ring *ring)
{
	if (!ring->no_notify)
		put_wish(ring, (struct kc_event_area){ 0, VRING_PACKED_EVENT_FLAG_DISABLE });
}

static bool packed_rest(struct kc_ref_ring *ring)
{
	ask_for_kicks(ring);
	/* (C): our wish is visible before the next flags are read once more; a driver that makes a
	 * descriptor available after that reads our wish afterwards, and kicks. */
	kc_ring_fence();
	return packed_pending(ring);
}

static void packed_leave(struct kc_ref_ring *ring)
{
	if (ring->no_notify)
		ask_for_kicks(ring);
}

const struct kc_ref_format kc_ref_packed = {
	.desc = { "descriptor ring", kc_pdesc_bytes, KC_PDESC_ALIGN },
	.avail = { "driver area", event_bytes, KC_EVENT_ALIGN },
	.used = { "device area", event_bytes, KC_EVENT_ALIGN },
	.check_size = packed_check_size,
	.base = packed_base,
	.set_base = packed_set_base,
	.start = packed_start,
	.fetch = packed_fetch,
	.complete = packed_complete,
	.call_due = packed_call_due,
	.work = packed_work,
	.rest = packed_rest,
	.pending = packed_pending,
	.leave = packed_leave,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a packed virtqueue.
 *
 * Theory of operation: guest memory is written and, but for what the device owns, never read. What
 * the driver must know of a chain is in `buffers`, one record per buffer id: above all how many
 * descriptors it took, since the device's next used descriptor comes that much further on. Sizes
 * need not be powers of two, so positions count through two laps and start again (packed.h); slot
 * and wrap counter follow from the position, and a distance is taken modulo two laps. Between the
 * used and the available position there is never more than one lap.
 *
 * Buffers may be used in any order, so free descriptors are only counted: the device's used
 * descriptors fill the ring from the left, whichever chains they complete, and leave room for just
 * as many descriptors as those chains had.
 *
 * Buffer ids come out of a queue in which they are mixed, so that neither a slot nor a count can
 * pass for one. Where a descriptor's id means nothing (all but the last of a chain,
 * VQ-PACKED-CHAIN-01) it is one that no buffer can have.
 *
 * Supply: descriptors are written with their flags, in add, and are still out of reach: a device
 * goes through the ring in order, and the flags of the batch's first descriptor are held back.
 * Publish stores these with release; then come a full barrier and the question whether to kick.
 *
 * Bodies of descriptors go through kc_mem_write; flags and event areas are atomic stores that are
 * told to the memory's watcher with kc_mem_wrote.
 */
#include <errno.h>
#include <stdlib.h>
#include <guest_model/packed.h>

#define EVENT_FLAGS_MASK	3u		/* the rest is reserved */
#define OFF_MASK		(KC_EVENT_WRAP - 1)

enum buffer_state { BUFFER_NONE, BUFFER_ADDED, BUFFER_PUBLISHED };

struct kc_packed_buffer {
	enum buffer_state state;
	uint32_t ndesc;			/* in the ring */
	uint32_t writable;		/* bytes, as far as used.len can tell them */
	void *token;			/* NULL: a stranger, written by another hand */
	uint16_t stranger_id;		/* what the ring has for it */
	bool has_table;
	uint64_t table_alloc;		/* gpa of the allocation that holds the indirect table */
	struct kc_packed_buffer *pending_next;
};

/* --- Positions -------------------------------------------------------------------------------- */

static uint32_t advance(const struct kc_packed *vq, uint32_t pos, uint32_t n)
{
	return (pos + n) % (2 * vq->size);
}

/* From one position forward to another. */
static uint32_t distance(const struct kc_packed *vq, uint32_t from, uint32_t to)
{
	return advance(vq, to, 2 * vq->size - from);
}

static uint32_t slot_at(const struct kc_packed *vq, uint32_t pos)
{
	return pos % vq->size;
}

static bool wrap_at(const struct kc_packed *vq, uint32_t pos)
{
	return pos < vq->size;
}

static uint16_t avail_bits(const struct kc_packed *vq, uint32_t pos)
{
	return wrap_at(vq, pos) ? KC_PDESC_F_AVAIL : KC_PDESC_F_USED;
}

static uint16_t used_bits(bool wrap)
{
	return wrap ? KC_PDESC_F_AVAIL | KC_PDESC_F_USED : 0;
}

static uint64_t desc_offset(const struct kc_packed *vq, uint32_t pos)
{
	return sizeof(struct vring_packed_desc) * slot_at(vq, pos);
}

uint16_t kc_packed_off_wrap(const struct kc_packed *vq, uint32_t pos)
{
	return slot_at(vq, pos) | (wrap_at(vq, pos) ? KC_EVENT_WRAP : 0);
}

uint32_t kc_packed_base(uint32_t size, uint32_t from)
{
	bool wrap = from / size % 2 == 0;
	uint32_t half = from % size | (uint32_t)wrap << 15;

	return half << 16 | half;
}

/* --- Stores ----------------------------------------------------------------------------------- */

static void store_flags(struct kc_packed *vq, uint32_t pos, uint16_t flags, int order)
{
	uint64_t offset = desc_offset(vq, pos) + KC_PDESC_FLAGS;
	uint16_t le = htole16(flags);

	kc_ring_store16((uint8_t *)vq->desc_host + offset, flags, order);
	kc_mem_wrote(vq->mem, vq->desc + offset, &le, sizeof(le));
}

static uint16_t load_flags(const struct kc_packed *vq, uint32_t pos, int order)
{
	return kc_ring_load16((const uint8_t *)vq->desc_host + desc_offset(vq, pos) + KC_PDESC_FLAGS,
			      order);
}

/* What comes before the flags. The ring lies in one region (kc_packed_init has seen to it), so that
 * this cannot fail. */
static void write_body(struct kc_packed *vq, uint32_t pos, struct kc_pdesc d)
{
	uint8_t bytes[sizeof(struct vring_packed_desc)];

	kc_pdesc_encode(bytes, d);
	kc_mem_write(vq->mem, vq->desc + desc_offset(vq, pos), bytes, KC_PDESC_FLAGS);
}

static void store_event(struct kc_packed *vq, void *area, uint64_t gpa, struct kc_event_area e)
{
	uint32_t le = htole32((uint32_t)e.flags << 16 | e.off_wrap);

	kc_event_store(area, e, __ATOMIC_RELAXED);
	kc_mem_wrote(vq->mem, gpa, &le, sizeof(le));
}

/* --- Set-up ----------------------------------------------------------------------------------- */

static bool config_ok(const struct kc_packed_config *c)
{
	if (!c->size || c->size > KC_PACKED_SIZE_MAX)
		return false;
	return c->desc % KC_PDESC_ALIGN == 0 && c->driver % KC_EVENT_ALIGN == 0 &&
	       c->device % KC_EVENT_ALIGN == 0;
}

/* Each slot was last used in this lap, if the lap has passed it, or else in the one before. */
static int write_ring(struct kc_packed *vq)
{
	uint64_t bytes = kc_pdesc_bytes(vq->size);
	uint32_t next = slot_at(vq, vq->used_pos);
	bool wrap = wrap_at(vq, vq->used_pos);
	uint8_t *ring = calloc(1, bytes);
	int ret;

	if (!ring)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < vq->size; slot++)
		kc_pdesc_encode(ring + desc_offset(vq, slot), (struct kc_pdesc){
			.flags = used_bits(slot < next ? wrap : !wrap),
		});
	ret = kc_mem_write(vq->mem, vq->desc, ring, bytes);
	free(ring);
	return ret;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void swap_ids(uint16_t *a, uint16_t *b)
{
	uint16_t id = *a;

	*a = *b;
	*b = id;
}

/*
 * All ids, mixed: by a stride that meets each once. Then none is the slot that it stands for: one
 * that is trades places with its neighbour. A ring that is used one descriptor at a time hands them
 * out in this order for ever.
 */
static void mix_ids(uint16_t *ids, uint32_t size)
{
	uint32_t stride = size - size * 3 / 8;

	while (common_divisor(stride, size) != 1)
		stride--;
	for (uint32_t i = 0; i < size; i++)
		ids[i] = (uint64_t)stride * i % size;
	for (uint32_t i = 0; i < size; i++)
		if (ids[i] == i)
			swap_ids(&ids[i], &ids[(i + 1) % size]);
}

static int make_books(struct kc_packed *vq)
{
	vq->buffers = calloc(vq->size, sizeof(*vq->buffers));
	vq->free_ids = calloc(vq->size, sizeof(*vq->free_ids));
	vq->order = calloc(vq->size, sizeof(*vq->order));
	if (!vq->buffers || !vq->free_ids || !vq->order)
		return -ENOMEM;
	mix_ids(vq->free_ids, vq->size);
	vq->free_first = slot_at(vq, vq->avail_pos);
	vq->nids = vq->size;
	vq->nfree = vq->size;
	return 0;
}

static void set_events(struct kc_packed *vq)
{
	const struct kc_event_area enabled = { .flags = VRING_PACKED_EVENT_FLAG_ENABLE };

	store_event(vq, vq->device_host, vq->device, enabled);
	store_event(vq, vq->driver_host, vq->driver, !vq->event_idx ? enabled :
		    (struct kc_event_area){ kc_packed_off_wrap(vq, vq->used_pos),
					    VRING_PACKED_EVENT_FLAG_DESC });
}

int kc_packed_init(struct kc_packed *vq, struct kc_mem *mem, const struct kc_packed_config *c)
{
	int ret;

	*vq = (struct kc_packed){ .mem = mem };
	if (!config_ok(c))
		return -EINVAL;
	vq->size = c->size;
	vq->desc = c->desc;
	vq->driver = c->driver;
	vq->device = c->device;
	vq->event_idx = c->event_idx;
	vq->in_order = c->in_order;
	vq->avail_pos = c->from % (2 * c->size);
	vq->published_pos = vq->used_pos = vq->kicked_pos = vq->order_pos = vq->avail_pos;
	vq->desc_host = kc_mem_host(mem, c->desc, kc_pdesc_bytes(c->size));
	vq->driver_host = kc_mem_host(mem, c->driver, KC_EVENT_BYTES);
	vq->device_host = kc_mem_host(mem, c->device, KC_EVENT_BYTES);
	if (!vq->desc_host || !vq->driver_host || !vq->device_host)
		return -EFAULT;
	ret = make_books(vq);
	if (!ret)
		ret = write_ring(vq);
	if (!ret)
		set_events(vq);
	return ret;
}

void kc_packed_fini(struct kc_packed *vq)
{
	for (uint32_t i = 0; vq->buffers && i < vq->size; i++)
		if (vq->buffers[i].state != BUFFER_NONE && vq->buffers[i].has_table)
			kc_mem_free(vq->mem, vq->buffers[i].table_alloc);
	free(vq->buffers);
	free(vq->free_ids);
	free(vq->order);
	*vq = (struct kc_packed){ 0 };
}

/* --- Buffer ids ------------------------------------------------------------------------------- */

static uint16_t *free_id(struct kc_packed *vq, uint32_t i)
{
	return &vq->free_ids[(vq->free_first + i) % vq->size];
}

/* There is one for each free descriptor. Of three, one at least is neither slot. */
static uint16_t take_id(struct kc_packed *vq, uint32_t first_slot, uint32_t last_slot)
{
	uint32_t n = vq->nids < 3 ? vq->nids : 3, i = 0;
	uint16_t id;

	while (i < n && (*free_id(vq, i) == first_slot || *free_id(vq, i) == last_slot))
		i++;
	swap_ids(free_id(vq, 0), free_id(vq, i < n ? i : 0));
	id = *free_id(vq, 0);
	vq->free_first = (vq->free_first + 1) % vq->size;
	vq->nids--;
	return id;
}

static uint16_t *in_order(const struct kc_packed *vq, uint32_t i)
{
	return &vq->order[(vq->order_first + i) % vq->size];
}

/* The next n descriptors are a buffer's now. The rest of its record is the caller's to fill in. */
static struct kc_packed_buffer *take_buffer(struct kc_packed *vq, uint32_t n, uint16_t *id)
{
	uint32_t first = slot_at(vq, vq->avail_pos);
	struct kc_packed_buffer *b;

	*id = take_id(vq, first, (first + n - 1) % vq->size);
	b = &vq->buffers[*id];
	*b = (struct kc_packed_buffer){ .state = BUFFER_ADDED, .ndesc = n, .pending_next = vq->pending };
	vq->pending = b;
	vq->npending++;
	vq->nfree -= n;
	if (vq->in_order)
		*in_order(vq, vq->norder++) = *id;
	return b;
}

static void free_buffer(struct kc_packed *vq, uint16_t id)
{
	struct kc_packed_buffer *b = &vq->buffers[id];

	if (b->has_table)
		kc_mem_free(vq->mem, b->table_alloc);
	if (!b->token)
		vq->nstrangers--;
	else if (b->state == BUFFER_PUBLISHED)
		vq->in_flight--;
	vq->nfree += b->ndesc;
	*b = (struct kc_packed_buffer){ .state = BUFFER_NONE };
	*free_id(vq, vq->nids++) = id;
}

/* --- Supply ----------------------------------------------------------------------------------- */

static int check_chain(const struct kc_packed *vq, const struct kc_chain *chain)
{
	bool writable = false;
	uint64_t bytes = 0;

	if (!chain->nsegs)
		return -EINVAL;
	for (unsigned i = 0; i < chain->nsegs; i++) {
		if (writable && !chain->segs[i].write)
			return -EINVAL;
		writable = chain->segs[i].write;
		bytes += chain->segs[i].len;
	}
	if (bytes > 1ull << 32)
		return -EINVAL;
	if (chain->indirect && (chain->nsegs > vq->size || chain->ndirect))
		return -EINVAL;
	return (chain->indirect ? 1 : chain->nsegs) > vq->nfree ? -ENOSPC : 0;
}

static uint32_t writable_bytes(const struct kc_chain *chain)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < chain->nsegs; i++)
		bytes += chain->segs[i].write ? chain->segs[i].len : 0;
	return bytes < UINT32_MAX ? bytes : UINT32_MAX;
}

static uint16_t write_flag(const struct kc_seg *seg)
{
	return seg->write ? VRING_DESC_F_WRITE : 0;
}

/* An indirect table with the chain in it: one entry after the other, no flag but WRITE
 * (VQ-PACKED-INDIRECT-DRV-02). *alloc is what to free. */
static int make_table(struct kc_packed *vq, const struct kc_chain *chain, uint64_t *alloc,
		      uint64_t *table)
{
	unsigned shift = chain->unaligned_table ? 1 : 0;
	int ret = kc_mem_alloc(vq->mem, kc_pdesc_bytes(chain->nsegs) + shift, KC_PDESC_ALIGN,
			       KC_PLACE_ANY, alloc);

	if (ret)
		return ret;
	*table = *alloc + shift;
	for (unsigned i = 0; !ret && i < chain->nsegs; i++) {
		const struct kc_seg *seg = &chain->segs[i];
		uint8_t bytes[sizeof(struct vring_packed_desc)];

		kc_pdesc_encode(bytes, (struct kc_pdesc){ seg->gpa, seg->len, 0, write_flag(seg) });
		ret = kc_mem_write(vq->mem, *table + kc_pdesc_bytes(i), bytes, sizeof(bytes));
	}
	if (ret)
		kc_mem_free(vq->mem, *alloc);
	return ret;
}

/* Flags of a new descriptor: at once, but for the batch's first. */
static void offer_flags(struct kc_packed *vq, uint32_t pos, uint16_t flags)
{
	flags |= avail_bits(vq, pos);
	if (pos == vq->published_pos)
		vq->first_flags = flags;
	else
		store_flags(vq, pos, flags, __ATOMIC_RELAXED);
}

static void offer(struct kc_packed *vq, uint32_t pos, struct kc_pdesc d)
{
	write_body(vq, pos, d);
	offer_flags(vq, pos, d.flags);
}

/* Sizes end at 32768: an id in the upper half is nobody's, and k steps make as many of them. */
static uint16_t garbage_id(const struct kc_packed *vq, uint32_t k)
{
	return 0x8000 | (uint16_t)(vq->garbage + k * 0x2bcd);
}

/* From the last to the first (VQ-PACKED-SG-DRV-04). */
static void write_direct(struct kc_packed *vq, const struct kc_chain *chain, uint16_t id)
{
	for (unsigned k = chain->nsegs; k-- > 0;) {
		const struct kc_seg *seg = &chain->segs[k];
		bool last = k + 1 == chain->nsegs;

		offer(vq, advance(vq, vq->avail_pos, k), (struct kc_pdesc){
			.addr = seg->gpa,
			.len = seg->len,
			.id = last ? id : garbage_id(vq, k),
			.flags = write_flag(seg) | (last ? 0 : VRING_DESC_F_NEXT),
		});
	}
	vq->garbage += 0x0123;
}

static void write_indirect(struct kc_packed *vq, const struct kc_chain *chain, uint16_t id,
			   uint64_t table)
{
	offer(vq, vq->avail_pos, (struct kc_pdesc){
		.addr = table,
		.len = kc_pdesc_bytes(chain->nsegs),
		.id = id,
		.flags = VRING_DESC_F_INDIRECT | (chain->flagged_table ? VRING_DESC_F_WRITE : 0),
	});
}

int kc_packed_add(struct kc_packed *vq, const struct kc_chain *chain, void *token, uint16_t *id)
{
	uint64_t table_alloc = 0, table = 0;
	struct kc_packed_buffer *b;
	int ret = token ? check_chain(vq, chain) : -EINVAL;

	if (!ret && chain->indirect)
		ret = make_table(vq, chain, &table_alloc, &table);
	if (ret)
		return ret;

	b = take_buffer(vq, chain->indirect ? 1 : chain->nsegs, id);
	b->token = token;
	b->writable = writable_bytes(chain);
	b->has_table = chain->indirect;
	b->table_alloc = table_alloc;
	if (chain->indirect)
		write_indirect(vq, chain, *id, table);
	else
		write_direct(vq, chain, *id);
	vq->avail_pos = advance(vq, vq->avail_pos, b->ndesc);
	return 0;
}

int kc_packed_by_hand(struct kc_packed *vq, uint32_t n)
{
	struct kc_packed_buffer *b;
	uint32_t last;
	uint16_t id;

	if (!n)
		return -EINVAL;
	if (n > vq->nfree)
		return -ENOSPC;
	last = advance(vq, vq->avail_pos, n - 1);
	b = take_buffer(vq, n, &id);
	b->stranger_id = kc_pdesc_read((uint8_t *)vq->desc_host + desc_offset(vq, last)).id;
	vq->nstrangers++;
	for (uint32_t k = n; k-- > 0;) {
		uint32_t pos = advance(vq, vq->avail_pos, k);
		uint16_t flags = load_flags(vq, pos, __ATOMIC_RELAXED);

		offer_flags(vq, pos, flags & ~(KC_PDESC_F_AVAIL | KC_PDESC_F_USED));
	}
	vq->avail_pos = advance(vq, vq->avail_pos, n);
	return 0;
}

unsigned kc_packed_publish(struct kc_packed *vq)
{
	uint32_t first = vq->published_pos;
	unsigned n = vq->npending;

	if (!n)
		return 0;
	for (struct kc_packed_buffer *b = vq->pending; b; b = b->pending_next) {
		b->state = BUFFER_PUBLISHED;
		vq->unasked += b->ndesc;
		vq->in_flight += b->token ? 1 : 0;
	}
	vq->pending = NULL;
	vq->npending = 0;
	vq->published_pos = vq->avail_pos;
	/* (A) the whole batch comes before the flags that lead to it (VQ-PACKED-SUPPLY-DRV-01) */
	store_flags(vq, first, vq->first_flags, __ATOMIC_RELEASE);
	return n;
}

bool kc_packed_kick_needed(struct kc_packed *vq)
{
	uint32_t first = vq->kicked_pos, asked;
	uint64_t fresh = vq->unasked;
	struct kc_event_area e;

	vq->kicked_pos = vq->published_pos;
	vq->unasked = 0;
	kc_ring_fence();	/* (C) */
	e = kc_event_load(vq->device_host, __ATOMIC_RELAXED);
	e.flags &= EVENT_FLAGS_MASK;
	if (e.flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
		return e.flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	asked = e.off_wrap & OFF_MASK;
	if (asked >= vq->size)
		return false;	/* a descriptor that will never be available */
	if (!(e.off_wrap & KC_EVENT_WRAP))
		asked += vq->size;
	/* The descriptors from `first` on are new, so many of them: is the one asked for among them? Two
	 * laps have every one of them. */
	return distance(vq, first, asked) < fresh;
}

/* --- Completion ------------------------------------------------------------------------------- */

static bool is_used(const struct kc_packed *vq, uint16_t flags)
{
	return (flags & (KC_PDESC_F_AVAIL | KC_PDESC_F_USED)) == used_bits(wrap_at(vq, vq->used_pos));
}

bool kc_packed_ready(const struct kc_packed *vq)
{
	return vq->batch_left || is_used(vq, load_flags(vq, vq->used_pos, __ATOMIC_ACQUIRE));	/* (B) */
}

static bool is_stranger(const struct kc_packed_buffer *b)
{
	return b->state == BUFFER_PUBLISHED && !b->token;
}

static bool has_id(const struct kc_packed *vq, uint32_t i, uint32_t id)
{
	return is_stranger(&vq->buffers[i]) ? vq->buffers[i].stranger_id == id : i == id;
}

/* The record of the buffer that the device calls `id`; size if there is none in flight. */
static uint32_t find_buffer(const struct kc_packed *vq, uint32_t id)
{
	uint32_t i = 0;

	if (id < vq->size && vq->buffers[id].state == BUFFER_PUBLISHED && vq->buffers[id].token)
		return id;
	if (!vq->nstrangers)
		return vq->size;
	while (i < vq->size && !(is_stranger(&vq->buffers[i]) && has_id(vq, i, id)))
		i++;
	return i;
}

/* IN_ORDER: how many buffers, from the oldest on, are complete when `id` is; 0 if it is not in
 * flight. */
static uint32_t count_batch(const struct kc_packed *vq, uint32_t id)
{
	for (uint32_t n = 0; n < vq->norder; n++) {
		uint16_t i = *in_order(vq, n);

		if (vq->buffers[i].state != BUFFER_PUBLISHED)
			break;
		if (has_id(vq, i, id))
			return n + 1;
	}
	return 0;
}

/* After something impossible the device may seem to have passed what was never published. */
static void move_on(struct kc_packed *vq, uint32_t n)
{
	uint32_t ahead = distance(vq, vq->used_pos, vq->published_pos);

	vq->used_pos = advance(vq, vq->used_pos, n < ahead ? n : ahead);
}

/* The same past the oldest buffer: where it lies is known. used_pos may be ahead of that, by the used
 * descriptor itself and by impossible ones, but never more than a lap. */
static void move_past_oldest(struct kc_packed *vq, uint32_t n)
{
	vq->order_pos = advance(vq, vq->order_pos, n);
	if (distance(vq, vq->used_pos, vq->order_pos) <= vq->size)
		vq->used_pos = vq->order_pos;
}

/* The buffer with record i comes back as *u says. */
static int take_back(struct kc_packed *vq, uint32_t i, struct kc_used *u)
{
	bool stranger = is_stranger(&vq->buffers[i]);

	if (stranger)
		u->id = vq->buffers[i].stranger_id;
	u->token = vq->buffers[i].token;
	if (vq->in_order)
		move_past_oldest(vq, vq->buffers[i].ndesc);
	else
		move_on(vq, vq->buffers[i].ndesc);
	free_buffer(vq, i);
	return stranger ? -EPROTO : 1;
}

/* The oldest buffer of the batch; all but the last are skipped (VQ-PACKED-INORDER-01). */
static int take_back_oldest(struct kc_packed *vq, struct kc_used *u)
{
	uint16_t i = *in_order(vq, 0);
	bool last = --vq->batch_left == 0;

	*u = (struct kc_used){
		.id = i,
		.len = last ? vq->batch_len : vq->buffers[i].writable,
		.flags = last ? vq->batch_flags : 0,
		.skipped = !last,
	};
	vq->order_first = (vq->order_first + 1) % vq->size;
	vq->norder--;
	return take_back(vq, i, u);
}

int kc_packed_reap(struct kc_packed *vq, struct kc_used *u)
{
	struct kc_pdesc d;
	uint32_t i;

	if (vq->batch_left)
		return take_back_oldest(vq, u);
	d.flags = load_flags(vq, vq->used_pos, __ATOMIC_ACQUIRE);	/* (B) */
	if (!is_used(vq, d.flags))
		return 0;
	if (vq->used_pos == vq->published_pos)
		return -EOVERFLOW;
	*u = (struct kc_used){ .flags = d.flags };
	d = kc_pdesc_read((uint8_t *)vq->desc_host + desc_offset(vq, vq->used_pos));
	u->id = d.id;
	u->len = u->flags & VRING_DESC_F_WRITE ? d.len : 0;	/* VQ-PACKED-LEN-01 */
	if (vq->in_order) {
		vq->batch_left = count_batch(vq, u->id);
		vq->batch_len = u->len;
		vq->batch_flags = u->flags;
	} else {
		i = find_buffer(vq, u->id);
		if (i < vq->size)
			return take_back(vq, i, u);
	}
	move_on(vq, 1);
	return vq->batch_left ? take_back_oldest(vq, u) : -EPROTO;
}

int kc_packed_abandon(struct kc_packed *vq, struct kc_used *u)
{
	vq->pending = NULL;
	vq->npending = 0;
	vq->batch_left = 0;
	for (uint32_t n = 0; n < vq->size && vq->nids < vq->size; n++) {
		uint32_t id = vq->sweep++ % vq->size;

		if (vq->buffers[id].state == BUFFER_NONE)
			continue;
		*u = (struct kc_used){ .id = id, .token = vq->buffers[id].token };
		free_buffer(vq, id);
		if (u->token)
			return 1;
	}
	return 0;
}

unsigned kc_packed_in_flight(const struct kc_packed *vq)
{
	return vq->in_flight;
}

/* --- Suppression of calls --------------------------------------------------------------------- */

void kc_packed_set_event(struct kc_packed *vq, uint16_t off_wrap, uint16_t flags)
{
	store_event(vq, vq->driver_host, vq->driver, (struct kc_event_area){ off_wrap, flags });
	kc_ring_fence();	/* (D) */
}

void kc_packed_suppress(struct kc_packed *vq)
{
	kc_packed_set_event(vq, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

bool kc_packed_arm(struct kc_packed *vq)
{
	if (vq->event_idx)
		kc_packed_set_event(vq, kc_packed_off_wrap(vq, vq->used_pos),
				    VRING_PACKED_EVENT_FLAG_DESC);
	else
		kc_packed_set_event(vq, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	/* What was used before the device could see the store above gets no call: look again. */
	return kc_packed_ready(vq);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a split virtqueue.
 *
 * Theory of operation: guest memory is written and, but for what the device owns, never read. The
 * links of chains and of the free list are kept in `slots`, one record per descriptor, because what
 * lies in the descriptor table may have been changed by a device (or by a hostile script)
 * meanwhile. A descriptor is on the free list, or part of one chain; the record of a chain's head
 * says which state the chain is in: added (the device cannot know of it yet), published, or none.
 *
 * Freed chains go to the front of the free list, as in common drivers: heads are reused quickly,
 * and come in a mixed order as soon as completions do. With IN_ORDER the free list is the table
 * itself, a circle that is never changed: what is used in order is free in order
 * (VQ-SPLIT-DESC-DRV-02). `order` then mirrors the available ring, so that an entry that completes
 * a batch tells which buffers that are: the oldest ones, up to the one that it names.
 *
 * Supply follows VQ-SPLIT-SUPPLY-DRV-01..04: descriptors, then the ring entry (both in add), then
 * avail->idx with release (publish), then a full barrier and the question whether to kick.
 *
 * Descriptors go through kc_mem_write; ring fields are atomic stores that are told to the memory's
 * watcher with kc_mem_wrote.
 */
#include <errno.h>
#include <stdlib.h>
#include <guest_model/split.h>

#define NO_SLOT		0xffffu		/* no descriptor has this number: sizes end at 32768 */

enum chain_state { CHAIN_NONE, CHAIN_ADDED, CHAIN_PUBLISHED };

struct kc_split_slot {
	uint16_t next;			/* of the free list, or of the chain */
	/* The rest is meaningful for heads only. */
	enum chain_state state;
	uint16_t last;			/* last direct descriptor */
	uint32_t ndesc;			/* direct descriptors */
	void *token;
	uint32_t writable;		/* bytes, as far as used.len can tell them */
	bool has_table;
	uint64_t table_alloc;		/* gpa of the allocation that holds the indirect table */
	struct kc_split_slot *pending_next;
};

/* Ring fields: stored with the order that the caller's barrier pair asks for, then announced. */
static void store16(struct kc_split *vq, void *part, uint64_t part_gpa, uint64_t offset, uint16_t v,
		    int order)
{
	uint16_t le = htole16(v);

	kc_ring_store16((uint8_t *)part + offset, v, order);
	kc_mem_wrote(vq->mem, part_gpa + offset, &le, sizeof(le));
}

static void avail_store16(struct kc_split *vq, uint64_t offset, uint16_t v, int order)
{
	store16(vq, vq->avail_host, vq->avail, offset, v, order);
}

static void used_store16(struct kc_split *vq, uint64_t offset, uint16_t v, int order)
{
	store16(vq, vq->used_host, vq->used, offset, v, order);
}

static uint16_t used_load16(const struct kc_split *vq, uint64_t offset, int order)
{
	return kc_ring_load16((const uint8_t *)vq->used_host + offset, order);
}

static uint32_t used_load32(const struct kc_split *vq, uint64_t offset, int order)
{
	return kc_ring_load32((const uint8_t *)vq->used_host + offset, order);
}

static bool config_ok(const struct kc_split_config *c)
{
	if (!c->size || c->size > KC_SPLIT_SIZE_MAX || (c->size & (c->size - 1)))
		return false;
	return c->desc % KC_DESC_ALIGN == 0 && c->avail % KC_AVAIL_ALIGN == 0 &&
	       c->used % KC_USED_ALIGN == 0;
}

static int zero_parts(struct kc_split *vq)
{
	uint64_t bytes = kc_desc_bytes(vq->size);	/* the largest, but for tiny rings */
	void *zeroes;
	int ret;

	if (bytes < kc_used_bytes(vq->size))
		bytes = kc_used_bytes(vq->size);
	if (bytes < kc_avail_bytes(vq->size))
		bytes = kc_avail_bytes(vq->size);
	zeroes = calloc(1, bytes);
	if (!zeroes)
		return -ENOMEM;
	ret = kc_mem_write(vq->mem, vq->desc, zeroes, kc_desc_bytes(vq->size));
	if (!ret)
		ret = kc_mem_write(vq->mem, vq->avail, zeroes, kc_avail_bytes(vq->size));
	if (!ret)
		ret = kc_mem_write(vq->mem, vq->used, zeroes, kc_used_bytes(vq->size));
	free(zeroes);
	return ret;
}

static void set_start(struct kc_split *vq, uint16_t from)
{
	vq->avail_idx = from;
	vq->published_idx = from;
	vq->kicked_idx = from;
	vq->used_idx = from;
	vq->order_idx = from;
	avail_store16(vq, KC_AVAIL_IDX, from, __ATOMIC_RELAXED);
	used_store16(vq, KC_USED_IDX, from, __ATOMIC_RELAXED);
	if (!vq->event_idx)
		return;
	avail_store16(vq, kc_avail_used_event(vq->size), from, __ATOMIC_RELAXED);
	used_store16(vq, kc_used_avail_event(vq->size), from, __ATOMIC_RELAXED);
}

static int make_free_list(struct kc_split *vq, uint16_t from)
{
	vq->slots = calloc(vq->size, sizeof(*vq->slots));
	vq->order = calloc(vq->size, sizeof(*vq->order));
	if (!vq->slots || !vq->order)
		return -ENOMEM;
	for (uint32_t i = 0; i < vq->size; i++)
		vq->slots[i].next = i + 1 < vq->size ? i + 1 : vq->in_order ? 0 : NO_SLOT;
	vq->free_head = vq->in_order ? from % vq->size : 0;
	vq->nfree = vq->size;
	return 0;
}

int kc_split_init(struct kc_split *vq, struct kc_mem *mem, const struct kc_split_config *c)
{
	int ret;

	*vq = (struct kc_split){ .mem = mem };
	if (!config_ok(c))
		return -EINVAL;
	vq->size = c->size;
	vq->desc = c->desc;
	vq->avail = c->avail;
	vq->used = c->used;
	vq->event_idx = c->event_idx;
	vq->in_order = c->in_order;
	vq->desc_host = kc_mem_host(mem, c->desc, kc_desc_bytes(c->size));
	vq->avail_host = kc_mem_host(mem, c->avail, kc_avail_bytes(c->size));
	vq->used_host = kc_mem_host(mem, c->used, kc_used_bytes(c->size));
	if (!vq->desc_host || !vq->avail_host || !vq->used_host)
		return -EFAULT;
	ret = zero_parts(vq);
	if (!ret)
		ret = make_free_list(vq, c->from);
	if (!ret)
		set_start(vq, c->from);
	return ret;
}

void kc_split_fini(struct kc_split *vq)
{
	for (uint32_t i = 0; vq->slots && i < vq->size; i++)
		if (vq->slots[i].state != CHAIN_NONE && vq->slots[i].has_table)
			kc_mem_free(vq->mem, vq->slots[i].table_alloc);
	free(vq->slots);
	free(vq->order);
	*vq = (struct kc_split){ 0 };
}

/* Adding chains */

/* What the chain takes of the descriptor table. */
static unsigned descriptors(const struct kc_chain *chain)
{
	return chain->indirect ? chain->ndirect + 1 : chain->nsegs;
}

/* With IN_ORDER the next free descriptors lie in one row, unless a hostile pen had its fun. */
static bool fits(const struct kc_split *vq, unsigned n)
{
	if (n > vq->nfree)
		return false;
	for (unsigned i = 0; vq->in_order && i < n; i++)
		if (vq->slots[(vq->free_head + i) % vq->size].state != CHAIN_NONE)
			return false;
	return true;
}

static int check_chain(const struct kc_split *vq, const struct kc_chain *chain)
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
	if (chain->indirect && (chain->nsegs > vq->size || chain->ndirect >= chain->nsegs))
		return -EINVAL;
	return fits(vq, descriptors(chain)) ? 0 : -ENOSPC;
}

static uint32_t writable_bytes(const struct kc_chain *chain)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < chain->nsegs; i++)
		bytes += chain->segs[i].write ? chain->segs[i].len : 0;
	return bytes < UINT32_MAX ? bytes : UINT32_MAX;
}

static struct kc_desc desc_of(const struct kc_seg *seg, bool more, uint16_t next)
{
	return (struct kc_desc){
		.addr = seg->gpa,
		.len = seg->len,
		.flags = (seg->write ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0),
		.next = next,
	};
}

static int write_desc(struct kc_split *vq, uint64_t table, uint32_t i, struct kc_desc d)
{
	uint8_t bytes[sizeof(struct vring_desc)];

	kc_desc_encode(bytes, d);
	return kc_mem_write(vq->mem, table + sizeof(bytes) * i, bytes, sizeof(bytes));
}

/* An indirect table with the chain in it; *alloc is what to free. */
static int make_table(struct kc_split *vq, const struct kc_chain *chain, uint64_t *alloc,
		      uint64_t *table)
{
	unsigned shift = chain->unaligned_table ? 1 : 0, n = chain->nsegs - chain->ndirect;
	int ret = kc_mem_alloc(vq->mem, kc_desc_bytes(n) + shift, KC_DESC_ALIGN, KC_PLACE_ANY, alloc);

	if (ret)
		return ret;
	*table = *alloc + shift;
	for (unsigned i = 0; !ret && i < n; i++) {
		bool more = i + 1 < n;

		ret = write_desc(vq, *table, i, desc_of(&chain->segs[chain->ndirect + i], more,
							more ? i + 1 : 0));
	}
	if (ret)
		kc_mem_free(vq->mem, *alloc);
	return ret;
}

/* Takes the first n free descriptors, which are linked already, off the list; returns the last. */
static uint16_t take_free(struct kc_split *vq, uint32_t n)
{
	uint16_t last = vq->free_head;

	for (uint32_t i = 1; i < n; i++)
		last = vq->slots[last].next;
	vq->free_head = vq->slots[last].next;
	vq->nfree -= n;
	return last;
}

/* n direct descriptors; returns the slot after them. The table lies in one region (kc_split_init has
 * seen to it), so these writes cannot fail. */
static uint16_t write_direct(struct kc_split *vq, const struct kc_chain *chain, uint16_t i, unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		uint16_t next = vq->slots[i].next;
		bool more = k + 1 < chain->nsegs;

		/* The last one keeps its old link, which a device must not look at. */
		write_desc(vq, vq->desc, i, desc_of(&chain->segs[k], more,
						    next == NO_SLOT ? 0 : next));
		i = next;
	}
	return i;
}

static void write_indirect(struct kc_split *vq, const struct kc_chain *chain, uint16_t i,
			   uint64_t table)
{
	write_desc(vq, vq->desc, i, (struct kc_desc){
		.addr = table,
		.len = kc_desc_bytes(chain->nsegs - chain->ndirect),
		.flags = VRING_DESC_F_INDIRECT | (chain->flagged_table ? VRING_DESC_F_WRITE : 0),
	});
}

void kc_split_by_hand(struct kc_split *vq, uint16_t head)
{
	uint32_t slot = vq->avail_idx % vq->size;

	avail_store16(vq, kc_avail_slot(slot), head, __ATOMIC_RELAXED);
	vq->order[slot] = head;
	vq->avail_idx++;
}

int kc_split_add(struct kc_split *vq, const struct kc_chain *chain, void *token, uint16_t *head)
{
	uint64_t table_alloc = 0, table = 0;
	struct kc_split_slot *slot;
	int ret = token ? check_chain(vq, chain) : -EINVAL;

	if (!ret && chain->indirect)
		ret = make_table(vq, chain, &table_alloc, &table);
	if (ret)
		return ret;

	*head = vq->free_head;
	slot = &vq->slots[*head];
	slot->ndesc = descriptors(chain);
	if (chain->indirect)
		write_indirect(vq, chain, write_direct(vq, chain, *head, chain->ndirect), table);
	else
		write_direct(vq, chain, *head, chain->nsegs);
	slot->last = take_free(vq, slot->ndesc);
	slot->state = CHAIN_ADDED;
	slot->token = token;
	slot->writable = writable_bytes(chain);
	slot->has_table = chain->indirect;
	slot->table_alloc = table_alloc;
	slot->pending_next = vq->pending;
	vq->pending = slot;
	kc_split_by_hand(vq, *head);
	return 0;
}

unsigned kc_split_publish(struct kc_split *vq)
{
	uint16_t n = vq->avail_idx - vq->published_idx;
	uint16_t unkicked = vq->published_idx - vq->kicked_idx;

	if (!n)
		return 0;
	for (struct kc_split_slot *s = vq->pending; s; s = s->pending_next) {
		s->state = CHAIN_PUBLISHED;
		vq->in_flight++;
	}
	vq->pending = NULL;
	if ((uint32_t)unkicked + n > UINT16_MAX)
		vq->kick_lapped = true;
	vq->published_idx = vq->avail_idx;
	/* (A) what the index shows comes before the index (VQ-SPLIT-SUPPLY-DRV-03) */
	avail_store16(vq, KC_AVAIL_IDX, vq->published_idx, __ATOMIC_RELEASE);
	return n;
}

bool kc_split_kick_needed(struct kc_split *vq)
{
	uint16_t fresh = vq->published_idx - vq->kicked_idx;
	uint16_t first = vq->kicked_idx, event;
	bool lapped = vq->kick_lapped;

	vq->kicked_idx = vq->published_idx;
	vq->kick_lapped = false;
	kc_ring_fence();	/* (C) */
	if (!vq->event_idx)
		return !(used_load16(vq, KC_USED_FLAGS, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
	if (lapped)
		return true;	/* every index has passed, the one asked for among them */
	/* The entries first .. first + fresh - 1 are new: is the one asked for among them? */
	event = used_load16(vq, kc_used_avail_event(vq->size), __ATOMIC_RELAXED);
	return (uint16_t)(event - first) < fresh;
}

/* Completion */

uint16_t kc_split_used_idx(const struct kc_split *vq)
{
	return used_load16(vq, KC_USED_IDX, __ATOMIC_ACQUIRE);	/* (B) */
}

bool kc_split_ready(const struct kc_split *vq)
{
	return vq->batch_left || kc_split_used_idx(vq) != vq->used_idx;
}

static void free_chain(struct kc_split *vq, uint16_t head)
{
	struct kc_split_slot *slot = &vq->slots[head];

	if (slot->has_table)
		kc_mem_free(vq->mem, slot->table_alloc);
	if (slot->state == CHAIN_PUBLISHED)
		vq->in_flight--;
	slot->has_table = false;
	slot->state = CHAIN_NONE;
	slot->token = NULL;
	vq->nfree += slot->ndesc;
	if (vq->in_order)
		return;
	vq->slots[slot->last].next = vq->free_head;
	vq->free_head = head;
}

/* The buffer behind u->id comes back as *u says. */
static int take_back(struct kc_split *vq, struct kc_used *u)
{
	if (u->id >= vq->size || vq->slots[u->id].state != CHAIN_PUBLISHED)
		return -EPROTO;
	u->token = vq->slots[u->id].token;
	free_chain(vq, u->id);
	return 1;
}

/* IN_ORDER: how many buffers, from the oldest on, are complete when `id` is; 0 if it is not among
 * those that used->idx counts. */
static uint32_t count_batch(const struct kc_split *vq, uint32_t id, uint16_t used_idx)
{
	uint16_t counted = used_idx - vq->order_idx;

	for (uint32_t n = 0; n < counted && n < vq->size; n++)
		if (vq->order[(uint16_t)(vq->order_idx + n) % vq->size] == id)
			return n + 1;
	return 0;
}

/* The oldest buffer of the batch; all but the last are skipped (VQ-SPLIT-INORDER-01). */
static int take_back_oldest(struct kc_split *vq, struct kc_used *u)
{
	uint16_t head = vq->order[vq->order_idx % vq->size];
	bool last = --vq->batch_left == 0;

	*u = (struct kc_used){ .id = head, .len = vq->batch_len, .skipped = !last };
	if (!last)
		u->len = head < vq->size ? vq->slots[head].writable : 0;
	if (vq->used_idx == vq->order_idx)	/* ahead by the entry itself, and by impossible ones */
		vq->used_idx++;
	vq->order_idx++;
	return take_back(vq, u);
}

int kc_split_reap(struct kc_split *vq, struct kc_used *u)
{
	uint16_t ready = kc_split_used_idx(vq) - vq->used_idx;
	uint64_t offset = kc_used_slot(vq->used_idx % vq->size);

	if (vq->batch_left)
		return take_back_oldest(vq, u);
	if (!ready)
		return 0;
	/* An index that went backwards shows up here as well. */
	if (ready > (uint16_t)(vq->published_idx - vq->used_idx))
		return -EOVERFLOW;
	*u = (struct kc_used){
		.id = used_load32(vq, offset, __ATOMIC_RELAXED),
		.len = used_load32(vq, offset + 4, __ATOMIC_RELAXED),
	};
	if (vq->in_order)
		vq->batch_left = count_batch(vq, u->id, vq->used_idx + ready);
	vq->used_idx++;
	if (!vq->in_order)
		return take_back(vq, u);
	vq->batch_len = u->len;
	return vq->batch_left ? take_back_oldest(vq, u) : -EPROTO;
}

int kc_split_abandon(struct kc_split *vq, struct kc_used *u)
{
	vq->pending = NULL;
	vq->batch_left = 0;
	for (uint32_t n = 0; n < vq->size && vq->nfree < vq->size; n++) {
		uint32_t head = vq->sweep++ % vq->size;

		if (vq->slots[head].state == CHAIN_NONE)
			continue;
		*u = (struct kc_used){ .id = head, .token = vq->slots[head].token };
		free_chain(vq, head);
		return 1;
	}
	return 0;
}

unsigned kc_split_in_flight(const struct kc_split *vq)
{
	return vq->in_flight;
}

/* Suppression of calls */

void kc_split_set_used_event(struct kc_split *vq, uint16_t event)
{
	avail_store16(vq, kc_avail_used_event(vq->size), event, __ATOMIC_RELAXED);
	kc_ring_fence();	/* (D) */
}

void kc_split_set_no_interrupt(struct kc_split *vq, bool on)
{
	if (vq->event_idx) {
		kc_split_set_used_event(vq, on ? vq->used_idx + 0x8000 : vq->used_idx);
		return;
	}
	avail_store16(vq, KC_AVAIL_FLAGS, on ? VRING_AVAIL_F_NO_INTERRUPT : 0, __ATOMIC_RELAXED);
	kc_ring_fence();	/* (D) */
}

bool kc_split_arm(struct kc_split *vq)
{
	kc_split_set_no_interrupt(vq, false);
	/* What was used before the device could see the store above gets no call: look again. */
	return kc_split_ready(vq);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the books of each queue. They are brought up to date by a look: used entries
 * that chains known so far explain, then what the driver has published, then the rest of the used
 * ring. The middle step reads the shadow, so a chain is what the driver wrote, whatever the device
 * did to the descriptor table since.
 *
 * While a chain is in flight its writable buffers are permitted in the shadow and its descriptors
 * are pinned. When it is used, the buffers' contents are taken over into the shadow and the
 * permission ends: a write that comes later is a write to memory that the driver has back. On a
 * malformed queue nobody can say what the device makes of the ring, so there the permission lasts
 * until the head is reaped or offered again, or the queue is stopped.
 *
 * A write by kickcall that changes a pinned descriptor, or a ring slot that the device may not have
 * read yet, makes the queue malformed: the device may see the old or the new, so both are
 * permitted. A slot has been read for certain when a chain offered later has been used, because the
 * device takes slots in order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <harness/oracle/watch.h>

#define SPANS_KEPT	65536u	/* of a chain rewritten again and again */
#define SEARCHED_SPANS	256u	/* of a rewritten chain: the same span is not added again */

struct kc_watch_queue *kc_watch_queue(struct kc_oracle *o, unsigned qi)
{
	if (qi >= KC_WATCH_QUEUES)
		return NULL;
	if (!o->q[qi]) {
		o->q[qi] = calloc(1, sizeof(*o->q[qi]));
		if (!o->q[qi])
			return NULL;
		o->q[qi]->qi = qi;
		o->q[qi]->enabled = true;
		if (qi >= o->nq)
			o->nq = qi + 1;
	}
	return o->q[qi];
}

void kc_watch_malformed(struct kc_watch_queue *q, const char *why)
{
	if (!q->malformed)
		q->malformed = why;
}

bool kc_watch_owes(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	return q->started && q->enabled && !q->stopping && !q->malformed && !q->derailed &&
		!q->errors && (!o->cfg.be || o->cfg.be->connected);
}

/* --- Chains ----------------------------------------------------------------------------------- */

static void mark_span(struct kc_shadow *s, const struct kc_span *span, bool on)
{
	if (span->kind == KC_SPAN_TABLE)
		kc_shadow_pin(s, span->gpa, span->len, on);
	else if (span->kind == KC_SPAN_IN)
		kc_shadow_permit(s, span->gpa, span->len, on);
}

/* A chain that permits the same memory many times over costs more to mark than it is worth. */
static bool is_excessive(const struct kc_shadow *s, const struct kc_watch_chain *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < c->nspans; i++)
		if (c->spans[i].kind == KC_SPAN_IN)
			sum += kc_shadow_overlap(s, c->spans[i].gpa, c->spans[i].len);
	return sum > 2 * s->bytes;
}

static void hold(struct kc_shadow *s, struct kc_watch_chain *c)
{
	c->held = true;
	c->boundless |= is_excessive(s, c);
	if (c->boundless) {
		s->permit_all++;
		return;
	}
	for (unsigned i = 0; i < c->nspans; i++)
		mark_span(s, &c->spans[i], true);
}

/* The device's hand is off: its writes are taken over, and none is permitted any more. */
static void release(struct kc_shadow *s, struct kc_watch_chain *c)
{
	if (!c->held)
		return;
	c->held = false;
	for (unsigned i = 0; i < c->nspans; i++)
		if (c->spans[i].kind == KC_SPAN_IN)
			kc_shadow_sync(s, c->spans[i].gpa, c->spans[i].len);
	if (c->boundless) {
		s->permit_all--;
		return;
	}
	for (unsigned i = 0; i < c->nspans; i++)
		mark_span(s, &c->spans[i], false);
}

static void unlist(struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	*(c->prev ? &c->prev->next : &q->first) = c->next;
	*(c->next ? &c->next->prev : &q->last) = c->prev;
	c->prev = c->next = NULL;
	q->inflight--;
}

static void enlist(struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	c->prev = q->last;
	*(q->last ? &q->last->next : &q->first) = c;
	q->last = c;
	q->inflight++;
}

static void drop(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	release(&o->shadow, c);
	q->by_head[c->head] = NULL;
	if (!c->used) {
		q->outstanding -= c->allowed;
		unlist(q, c);
	}
	free(c->spans);
	free(c);
}

/* --- What the driver offers ------------------------------------------------------------------- */

/* What the device asks for now: avail_event, or used->flags; and is a kick due by it? */
static uint16_t kick_wish(const struct kc_watch_queue *q, uint16_t new_idx, bool *due)
{
	uint16_t asked;

	if (!q->used_host) {
		*due = true;
		return 0;
	}
	if (!q->cfg.event_idx) {
		asked = kc_ring_load16(q->used_host + KC_USED_FLAGS, __ATOMIC_RELAXED);
		*due = !(asked & VRING_USED_F_NO_NOTIFY);
		return asked;
	}
	/* the entry with index `asked` was added since the last kick */
	asked = kc_ring_load16(q->used_host + kc_used_avail_event(q->cfg.size), __ATOMIC_RELAXED);
	*due = (uint16_t)(asked - q->kicked_idx) < (uint16_t)(new_idx - q->kicked_idx);
	return asked;
}

static void offer_again(struct kc_watch_queue *q, struct kc_watch_chain *c, uint64_t times)
{
	c->allowed += times;
	q->outstanding += times;
	kc_watch_malformed(q, "a head was offered again while in flight");
}

/* Without books nobody can be accused. */
static void give_up(struct kc_oracle *o)
{
	o->failed = true;
	o->shadow.permit_all++;
}

/* May the device, by order of the driver, write data over its own used ring? */
static bool covers_used_ring(const struct kc_watch_queue *q, const struct kc_watch_chain *c)
{
	uint64_t used = q->cfg.used, end = used + kc_used_bytes(q->cfg.size);

	for (unsigned i = 0; i < c->nspans; i++) {
		const struct kc_span *s = &c->spans[i];

		if (s->kind == KC_SPAN_IN && s->gpa < end &&
		    (s->gpa >= used || used - s->gpa < s->len))
			return true;
	}
	return false;
}

static struct kc_watch_chain *offer(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t idx,
				    uint16_t head, uint64_t times)
{
	struct kc_watch_chain *c = q->by_head[head];

	if (c && !c->used) {
		offer_again(q, c, times);
		return c;
	}
	if (c)
		drop(o, q, c);
	c = calloc(1, sizeof(*c));
	if (!c) {
		give_up(o);
		return NULL;
	}
	*c = (struct kc_watch_chain){ .serial = ++q->serial, .idx = idx, .head = head,
				      .allowed = times, .kicks_before = q->kicks };
	kc_watch_walk(o, q, c);
	hold(&o->shadow, c);
	q->by_head[head] = c;
	q->outstanding += times;
	enlist(q, c);
	if (c->bad)
		kc_watch_malformed(q, c->bad);
	if (covers_used_ring(q, c)) {
		kc_watch_malformed(q, "a writable buffer lies over the used ring");
		q->derailed = true;	/* nobody can tell entries from data any more */
	}
	return c;
}

/* Entries first..first+n-1, n up to 65535: what goes round the ring more than once names a slot as
 * often. */
static void read_avail(struct kc_oracle *o, struct kc_watch_queue *q, bool at_start)
{
	uint16_t idx = kc_shadow_u16(&o->shadow, q->cfg.avail + KC_AVAIL_IDX);
	uint16_t n = idx - q->avail_idx;
	uint32_t size = q->cfg.size;
	bool due;
	uint16_t asked;

	if (!n)
		return;
	if (n > size)
		kc_watch_malformed(q, "avail idx jumped by more than the queue size");
	asked = kick_wish(q, idx, &due);
	for (uint32_t k = 0; k < n && k < size; k++) {
		uint16_t i = q->avail_idx + k;
		uint16_t head = kc_shadow_u16(&o->shadow, q->cfg.avail + kc_avail_slot(i % size));
		struct kc_watch_chain *c = offer(o, q, i, head, 1 + (n - 1 - k) / size);

		if (!c)
			return;
		q->slot_serial[i % size] = c->serial;
		c->at_start = at_start;
		c->kick_due = due;
		c->asked = asked;
	}
	q->offered += n;
	q->avail_idx = idx;
	o->events++;
}

/* What the device may still have in hand, though it said that it stopped. */
static void note_left(struct kc_watch_queue *q)
{
	q->nleft = 0;
	for (const struct kc_watch_chain *c = q->first; c; c = c->next)
		for (unsigned i = 0; i < c->nspans && q->nleft < KC_WATCH_LEFT; i++)
			if (c->spans[i].kind == KC_SPAN_IN)
				q->left[q->nleft++] = (struct kc_watch_left){
					c->spans[i].gpa, c->spans[i].len, c->head, false };
}

static bool is_left(const struct kc_watch_queue *q, uint32_t id)
{
	for (unsigned i = 0; i < q->nleft; i++)
		if (q->left[i].head == id && !q->left[i].used)
			return true;
	return false;
}

static void left_was_used(struct kc_watch_queue *q, uint32_t id)
{
	for (unsigned i = 0; i < q->nleft; i++)
		q->left[i].used |= q->left[i].head == id;
}

/* Buffers are more than chains: generous, as a bound has to be. */
static uint64_t left_unused(const struct kc_watch_queue *q)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < q->nleft; i++)
		n += !q->left[i].used;
	return n;
}

/* --- What the device gives back --------------------------------------------------------------- */

static bool entry_unchanged(const struct kc_oracle *o, const struct kc_watch_queue *q, uint16_t idx)
{
	uint64_t off = kc_used_slot(idx % q->cfg.size);
	uint8_t before[8];

	kc_shadow_read(&o->shadow, q->cfg.used + off, before, sizeof(before));
	return !memcmp(before, q->used_host + off, sizeof(before));
}

/*
 * In order, one entry may stand for a batch that ends with the chain it names; the slots behind it
 * then keep what they held. How many chains before c does it stand for? -1: none, c came out of
 * turn.
 */
static int batch_before(const struct kc_oracle *o, const struct kc_watch_queue *q,
			const struct kc_watch_chain *c, uint16_t left)
{
	int n = 0;

	for (const struct kc_watch_chain *i = q->first; i != c; i = i->next)
		if (++n >= left)
			return -1;
	for (int k = 1; k <= n; k++)
		if (!entry_unchanged(o, q, q->used_idx + k))
			return -1;
	return n;
}

/* What the device wrote in or beside the buffers and was not to, while it is known whose they are:
 * later their memory belongs to nobody, or kickcall has written over it. */
static void check_spans(struct kc_oracle *o, const struct kc_watch_chain *c)
{
	for (unsigned i = 0; i < c->nspans; i++) {
		const struct kc_span *s = &c->spans[i];
		uint64_t before = s->gpa < KC_MEM_GUARD ? s->gpa : KC_MEM_GUARD;

		kc_shadow_compare_range(&o->shadow, s->gpa - before,
					before + s->len + KC_MEM_GUARD, kc_watch_changed, o);
	}
}

static void chain_used(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	if (c->serial > q->serial_used)
		q->serial_used = c->serial;
	q->outstanding--;
	if (--c->allowed)
		return;
	if (!q->malformed)
		check_spans(o, c);
	c->used = true;
	unlist(q, c);
	if (!q->malformed)
		release(&o->shadow, c);
}

static void tell_used(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_used *u)
{
	q->recent[q->used % KC_WATCH_RECENT].idx = u->idx;
	q->recent[q->used % KC_WATCH_RECENT].id = u->id;
	q->recent[q->used % KC_WATCH_RECENT].len = u->len;
	q->used_idx++;
	q->used++;
	kc_points_tell(o, used, q, u);
	if (u->chain)
		chain_used(o, q, u->chain);
	else if (u->late)
		left_was_used(q, u->id);
}

static void tell_skipped(struct kc_oracle *o, struct kc_watch_queue *q, int n)
{
	while (n--) {
		struct kc_watch_used u = {
			.idx = q->used_idx, .chain = q->first, .id = q->first->head,
			.len = (uint32_t)q->first->writable, .skipped = true,
		};

		tell_used(o, q, &u);
	}
}

/* One used entry of the `left` new ones; returns how many it stands for, or 0 when it names a chain
 * that only a look at the available ring can explain (unless final). */
static uint16_t take_used(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t left, bool final)
{
	uint64_t off = kc_used_slot(q->used_idx % q->cfg.size);
	struct kc_watch_used u = {
		.id = kc_ring_load32(q->used_host + off, __ATOMIC_RELAXED),
		.len = kc_ring_load32(q->used_host + off + 4, __ATOMIC_RELAXED),
		.stale = entry_unchanged(o, q, q->used_idx),
	};
	struct kc_watch_chain *c = u.id < KC_WATCH_HEADS ? q->by_head[u.id] : NULL;
	uint16_t before = q->used_idx;
	int batch = 0;

	if ((!c || c->used) && !final)
		return 0;
	u.again = c && c->used;
	u.chain = u.again ? NULL : c;
	u.late = !c && is_left(q, u.id);
	if (u.chain && q->cfg.in_order && c != q->first) {
		batch = batch_before(o, q, c, left);
		if (batch < 0) {
			u.overtaken = q->first;
			batch = 0;
		}
	}
	tell_skipped(o, q, batch);
	u.idx = q->used_idx;
	kc_shadow_sync(&o->shadow, q->cfg.used + off, 8);
	tell_used(o, q, &u);
	return q->used_idx - before;
}

/* The driver wrote used->idx; the device goes on from its own count, or from what it finds. */
static uint16_t after_scribble(struct kc_watch_queue *q, uint16_t idx)
{
	uint16_t n = idx - q->used_idx;

	if (idx == q->scribble)
		return 0;
	if (n > q->outstanding && (uint16_t)(idx - q->scribble) <= q->outstanding) {
		q->used_idx = q->scribble;
		n = idx - q->used_idx;
	}
	q->scribbled = false;
	return n;
}

/* How much of the used ring must make sense now: only what chains known so far explain (the driver may
 * have published more, of which the books hear next), all of it if it is not too much, or all. */
enum reading { EXPLAINED, PLAUSIBLE, ALL };

static void read_used(struct kc_oracle *o, struct kc_watch_queue *q, enum reading how)
{
	uint16_t idx, n, took, done = 0;
	uint64_t most;

	if (!q->used_host || q->derailed || o->failed)
		return;
	idx = kc_ring_load16(q->used_host + KC_USED_IDX, __ATOMIC_ACQUIRE);	/* (B) */
	n = q->scribbled ? after_scribble(q, idx) : (uint16_t)(idx - q->used_idx);
	if (!n)
		return;
	most = q->outstanding + left_unused(q);
	if (n > most && how == ALL) {
		q->derailed = true;
		kc_points_tell(o, astray, q, idx);
	}
	if (n > most && how != EXPLAINED)
		return;
	if (n > most)
		n = (uint16_t)most;
	while (done < n && (took = take_used(o, q, n - done, how == ALL)))
		done += took;
	if (!done)
		return;
	o->events++;
	kc_points_tell(o, advanced, q, done);
}

void kc_watch_look(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (q->started) {
		if (q->notify.unsure)
			kc_ring_fence();	/* (D), on the driver's side */
		read_used(o, q, PLAUSIBLE);
		read_avail(o, q, false);
		read_used(o, q, ALL);
		if (q->inflight > q->cfg.size)
			kc_watch_malformed(q, "more chains are in flight than the ring has slots");
	}
	kc_points_tell(o, looked, q);
}

void kc_watch_reaped(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t head)
{
	struct kc_watch_chain *c = q->by_head ? q->by_head[head] : NULL;

	if (c && c->used)
		drop(o, q, c);
}

/* --- Life of a queue -------------------------------------------------------------------------- */

static uint8_t *host_of(const struct kc_shadow *s, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < s->n; i++)
		if (gpa >= s->r[i].gpa && len <= s->r[i].size &&
		    gpa - s->r[i].gpa <= s->r[i].size - len)
			return s->r[i].host + (gpa - s->r[i].gpa);
	return NULL;
}

static void forget_chains(struct kc_oracle *o, struct kc_watch_queue *q)
{
	for (uint32_t h = 0; q->by_head && h < KC_WATCH_HEADS; h++)
		if (q->by_head[h])
			drop(o, q, q->by_head[h]);
	free(q->by_head);
	free(q->slot_serial);
	q->by_head = NULL;
	q->slot_serial = NULL;
}

/* Everything but what outlives a stop. */
static void clear(struct kc_watch_queue *q, const struct kc_oracle_queue *cfg)
{
	struct kc_watch_queue old = *q;

	memset(q, 0, sizeof(*q));
	q->qi = old.qi;
	q->enabled = old.enabled;
	memcpy(q->left, old.left, sizeof(q->left));
	q->nleft = old.nleft;
	q->cfg = *cfg;
}

int kc_watch_start(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_oracle_queue *cfg)
{
	if (!cfg->size || cfg->size > KC_SPLIT_SIZE_MAX)
		return -EINVAL;
	if (q->started || q->orphan)
		kc_watch_stop(o, q);
	clear(q, cfg);
	q->by_head = calloc(KC_WATCH_HEADS, sizeof(struct kc_watch_chain *));
	q->slot_serial = calloc(cfg->size, sizeof(*q->slot_serial));
	if (!q->by_head || !q->slot_serial) {
		forget_chains(o, q);
		give_up(o);
		return -ENOMEM;
	}
	q->started = true;
	o->running++;
	q->used_host = host_of(&o->shadow, cfg->used, kc_used_bytes(cfg->size));
	/* not from memory: the device may have begun before we were told */
	q->used_idx = kc_shadow_u16(&o->shadow, cfg->used + KC_USED_IDX);
	q->avail_idx = q->kicked_idx = cfg->avail_base;
	kc_shadow_permit(&o->shadow, cfg->used, kc_used_bytes(cfg->size), true);
	read_avail(o, q, true);
	return 0;
}

void kc_watch_stop(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (!q->started && !q->orphan)
		return;
	if (q->started)
		o->running--;
	q->started = q->orphan = false;
	note_left(q);
	forget_chains(o, q);
	kc_shadow_sync(&o->shadow, q->cfg.used, kc_used_bytes(q->cfg.size));
	kc_shadow_permit(&o->shadow, q->cfg.used, kc_used_bytes(q->cfg.size), false);
}

void kc_watch_free(struct kc_oracle *o)
{
	for (unsigned qi = 0; qi < o->nq; qi++) {
		if (!o->q[qi])
			continue;
		forget_chains(o, o->q[qi]);
		free(o->q[qi]);
	}
}

/* --- kickcall's own writes -------------------------------------------------------------------- */

struct own_write {
	uint64_t gpa, end;
	const uint8_t *buf;
};

static bool overlaps(const struct own_write *w, uint64_t gpa, uint64_t len)
{
	uint64_t end = len > UINT64_MAX - gpa ? UINT64_MAX : gpa + len;

	return w->gpa < end && gpa < w->end;
}

/* Does it really change something there? */
static bool changes(const struct kc_oracle *o, const struct own_write *w, uint64_t gpa,
		    uint64_t len)
{
	uint64_t lo = gpa > w->gpa ? gpa : w->gpa;
	uint64_t hi = gpa + len < w->end ? gpa + len : w->end;
	uint8_t old[256];

	for (; lo < hi; lo += sizeof(old)) {
		size_t n = hi - lo < sizeof(old) ? hi - lo : sizeof(old);

		kc_shadow_read(&o->shadow, lo, old, n);
		if (memcmp(old, w->buf + (lo - w->gpa), n))
			return true;
	}
	return false;
}

static bool touches(const struct kc_oracle *o, const struct own_write *w,
		    const struct kc_watch_chain *c)
{
	for (unsigned i = 0; i < c->nspans; i++) {
		const struct kc_span *s = &c->spans[i];

		if (s->kind == KC_SPAN_TABLE && overlaps(w, s->gpa, s->len) &&
		    changes(o, w, s->gpa, s->len))
			return true;
	}
	return false;
}

static void touch_chains(struct kc_oracle *o, struct kc_watch_queue *q, const struct own_write *w)
{
	for (struct kc_watch_chain *c = q->first; c; c = c->next) {
		if (!touches(o, w, c))
			continue;
		c->touched = true;
		kc_watch_malformed(q, "a descriptor was rewritten while its chain was in flight");
	}
}

/* A slot that the device may not have read gets another head: it may take either. */
static void touch_slots(struct kc_oracle *o, struct kc_watch_queue *q, const struct own_write *w)
{
	uint64_t first = q->cfg.avail + kc_avail_slot(0);
	uint32_t slot = w->gpa > first ? (uint32_t)((w->gpa - first) / 2) : 0;

	for (; slot < q->cfg.size && first + 2ull * slot < w->end; slot++) {
		uint64_t at = first + 2ull * slot;
		uint16_t head;

		if (q->slot_serial[slot] <= q->serial_used || at < w->gpa || at + 2 > w->end ||
		    !changes(o, w, at, 2))
			continue;
		kc_watch_malformed(q, "an available entry was rewritten before it was used");
		memcpy(&head, w->buf + (at - w->gpa), sizeof(head));
		offer(o, q, q->avail_idx, le16toh(head), 1);
	}
}

static void touch_used_ring(struct kc_watch_queue *q, const struct own_write *w)
{
	uint64_t idx = q->cfg.used + KC_USED_IDX;
	uint16_t v;

	kc_watch_malformed(q, "the driver wrote the used ring");
	if (idx < w->gpa || idx + 2 > w->end)
		return;
	memcpy(&v, w->buf + (idx - w->gpa), sizeof(v));
	q->scribbled = true;
	q->scribble = le16toh(v);
}

static bool is_suppression(const struct kc_watch_queue *q, const struct own_write *w)
{
	return overlaps(w, q->cfg.avail + KC_AVAIL_FLAGS, 2) ||
		overlaps(w, q->cfg.avail + kc_avail_used_event(q->cfg.size), 2);
}

/* Memory holds kickcall's write already, the shadow does not: if it publishes a chain, a quick device may
 * have used that chain as well. */
static void look_before(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (q->notify.unsure)
		kc_ring_fence();	/* (D), on the driver's side */
	read_used(o, q, EXPLAINED);
	kc_points_tell(o, looked, q);
}

/* The shadow still holds what was there before. */
static void before_write(struct kc_oracle *o, struct kc_watch_queue *q, const struct own_write *w)
{
	bool ring = overlaps(w, q->cfg.avail + KC_AVAIL_IDX, 2ull + 2ull * q->cfg.size);
	bool pinned = kc_shadow_pinned(&o->shadow, w->gpa, w->end - w->gpa);
	bool used = overlaps(w, q->cfg.used, kc_used_bytes(q->cfg.size));

	if (used)		/* first: memory holds the driver's idx already */
		touch_used_ring(q, w);
	if (pinned || ring || (is_suppression(q, w) && q->notify.unsure))
		look_before(o, q);
	if (pinned)
		touch_chains(o, q, w);
	if (ring)
		touch_slots(o, q, w);
}

static bool has_span(const struct kc_watch_chain *c, const struct kc_span *s)
{
	for (unsigned i = 0; i < c->nspans && i < SEARCHED_SPANS; i++)
		if (c->spans[i].gpa == s->gpa && c->spans[i].len == s->len &&
		    c->spans[i].kind == s->kind)
			return true;
	return false;
}

/* What the chain allows now is added to what it allowed before. */
static void walk_again(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	struct kc_watch_chain fresh = { .head = c->head };
	struct kc_span *spans;

	kc_watch_walk(o, q, &fresh);
	release(&o->shadow, c);
	spans = realloc(c->spans, (c->nspans + fresh.nspans + 1ull) * sizeof(*spans));
	if (spans) {
		c->spans = spans;
		for (unsigned i = 0; i < fresh.nspans; i++)
			if (!has_span(c, &fresh.spans[i]))
				spans[c->nspans++] = fresh.spans[i];
		c->cap = c->nspans;
	}
	c->boundless |= fresh.boundless || !spans || c->nspans > SPANS_KEPT;
	c->readable += fresh.readable;
	c->writable += fresh.writable;
	c->touched = false;
	hold(&o->shadow, c);
	free(fresh.spans);
}

static void after_write(struct kc_oracle *o, struct kc_watch_queue *q, const struct own_write *w)
{
	if (q->malformed)
		for (struct kc_watch_chain *c = q->first; c; c = c->next)
			if (c->touched)
				walk_again(o, q, c);
	if (is_suppression(q, w))
		kc_points_tell(o, suppression, q);
}

void kc_watch_wrote(struct kc_oracle *o, uint64_t gpa, const void *buf, size_t len)
{
	struct own_write w = { gpa, gpa + len, buf };

	o->shadow.own_gpa = gpa;
	o->shadow.own_end = gpa + len;
	for (unsigned qi = 0; o->running && qi < o->nq; qi++)
		if (o->q[qi] && o->q[qi]->started)
			before_write(o, o->q[qi], &w);
	o->shadow.own_gpa = o->shadow.own_end = 0;
	kc_shadow_apply(&o->shadow, gpa, buf, len);
	for (unsigned qi = 0; o->running && qi < o->nq; qi++)
		if (o->q[qi] && o->q[qi]->started)
			after_write(o, o->q[qi], &w);
}

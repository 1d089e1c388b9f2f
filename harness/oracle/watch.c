/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the books of each queue. They are brought up to date by a look: used buffers
 * that chains known so far explain, then what the driver has published, then the rest of what the
 * device has used. The middle step reads the shadow, so a chain is what the driver wrote, whatever the
 * device did to the descriptors since. How a ring is read is its layout's (layout_*.c).
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
#include <common/apart.h>
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

void kc_watch_driver_broke(struct kc_watch_queue *q, const char *why)
{
	if (!q->broke)
		q->broke = why;
}

void kc_watch_malformed(struct kc_watch_queue *q, const char *why)
{
	if (!q->malformed)
		q->malformed = why;
	kc_watch_driver_broke(q, why);
}

bool kc_watch_owes(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	return q->started && q->enabled && !q->stopping && !q->malformed && !q->derailed &&
		!q->errors && (!o->cfg.be || o->cfg.be->connected);
}

void kc_watch_loosen(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (q->loose || (!q->started && !q->orphan))
		return;
	q->loose = true;
	kc_shadow_permit(&o->shadow, q->ring_gpa, q->ring_bytes, true);
}

/* Chains that are used are not told from others then, so none is given up; whose buffer some memory is
 * cannot be said. */
void kc_watch_derail(struct kc_oracle *o, struct kc_watch_queue *q)
{
	kc_watch_loosen(o, q);
	q->derailed = true;
	if (q->adrift)
		return;
	q->adrift = true;
	kc_shadow_permit_all(&o->shadow, true);
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
		kc_shadow_permit_all(s, true);
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
		kc_shadow_permit_all(s, false);
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

/* A chain costs two allocations, which the next one finds made. NULL: no memory. */
static struct kc_watch_chain *take_chain(struct kc_oracle *o)
{
	struct kc_watch_chain *c = o->spare;

	if (!c)
		return calloc(1, sizeof(*c));
	o->spare = c->next;
	return c;
}

static void put_chain(struct kc_oracle *o, struct kc_watch_chain *c)
{
	c->next = o->spare;
	o->spare = c;
}

static void drop(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	release(&o->shadow, c);
	q->by_head[c->head] = NULL;
	q->known--;
	if (!c->used) {
		q->outstanding -= c->allowed;
		unlist(q, c);
	}
	put_chain(o, c);
}

/* --- What the driver offers ------------------------------------------------------------------- */

uint32_t kc_watch_forward(const struct kc_watch_queue *q, uint32_t pos, uint64_t n)
{
	return (uint32_t)((pos + n) % q->period);
}

uint32_t kc_watch_distance(const struct kc_watch_queue *q, uint32_t from, uint32_t to)
{
	return (to + q->period - from) % q->period;
}

bool kc_watch_asks(const struct kc_watch_queue *q, struct kc_wish w, uint32_t from, uint64_t n)
{
	if (!n || w.kind != KC_WISH_AT)
		return n && w.kind == KC_WISH_ALWAYS;
	return n >= q->period || kc_watch_distance(q, from, w.pos) < n;
}

bool kc_watch_asks_last(const struct kc_watch_queue *q, struct kc_wish w, uint64_t n)
{
	return kc_watch_asks(q, w, kc_watch_forward(q, q->offered_pos, q->period - n % q->period), n);
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
	kc_shadow_permit_all(&o->shadow, true);
}

static bool span_covers(const struct kc_span *s, uint64_t gpa, uint64_t len)
{
	return s->kind == KC_SPAN_IN && s->gpa < gpa + len && (s->gpa >= gpa || gpa - s->gpa < s->len);
}

/* May the device, by order of the driver, write data over where it says what it has used? */
static bool covers_device_area(const struct kc_watch_queue *q, const struct kc_watch_chain *c)
{
	for (unsigned i = 0; i < c->nspans; i++)
		if (span_covers(&c->spans[i], q->used_gpa, q->used_bytes) ||
		    (q->ring_bytes && span_covers(&c->spans[i], q->ring_gpa, q->ring_bytes)))
			return true;
	return false;
}

struct kc_watch_chain *kc_watch_offer(struct kc_oracle *o, struct kc_watch_queue *q,
				      const struct kc_offer *offer, uint64_t times)
{
	struct kc_watch_chain *c = q->by_head[offer->head];

	if (c && !c->used) {
		offer_again(q, c, times);
		return c;
	}
	if (c)
		drop(o, q, c);
	c = take_chain(o);
	if (!c) {
		give_up(o);
		return NULL;
	}
	*c = (struct kc_watch_chain){ .spans = c->spans, .cap = c->cap, .serial = ++q->serial,
				      .idx = offer->idx, .head = offer->head, .pos = offer->pos,
				      .slots = offer->slots, .allowed = times, .bad = offer->bad,
				      .line = kc_watch_line(o), .kicks_before = q->kicks };
	q->layout->walk(o, q, c);
	hold(&o->shadow, c);
	q->by_head[c->head] = c;
	q->known++;
	q->outstanding += times;
	enlist(q, c);
	if (o->cfg.listener)
		c->stamp = o->cfg.listener->offered(o->cfg.listener_ctx, q->qi, c->head);
	if (c->bad)
		kc_watch_malformed(q, c->bad);
	if (c->broken)
		kc_watch_driver_broke(q, c->broken);
	if (covers_device_area(q, c)) {
		kc_watch_malformed(q, "a writable buffer lies over the device's part of the ring");
		kc_watch_derail(o, q);	/* nobody can tell entries from data any more */
	}
	return c;
}

void kc_watch_offered(struct kc_oracle *o, struct kc_watch_queue *q, uint64_t since,
		      struct kc_wish wish, uint32_t pos, bool at_start)
{
	bool due;

	q->offered_slots += kc_watch_distance(q, q->offered_pos, pos);
	q->offered_pos = pos;
	/* added since the last kick: is the one that the device waits for among them? */
	due = kc_watch_asks_last(q, wish, q->offered_slots - q->kicked_slots);
	for (struct kc_watch_chain *c = q->last; c && c->serial > since; c = c->prev) {
		c->at_start = at_start;
		c->kick_due = due;
		c->asked = wish;
	}
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

bool kc_watch_is_left(const struct kc_watch_queue *q, uint32_t id)
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
uint64_t kc_watch_left_unused(const struct kc_watch_queue *q)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < q->nleft; i++)
		n += !q->left[i].used;
	return n;
}

/* --- What the device gives back --------------------------------------------------------------- */

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

void kc_watch_used(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_used *u)
{
	uint32_t slots = u->chain ? u->chain->slots : 1;

	q->recent[q->used % KC_WATCH_RECENT].idx = u->idx;
	q->recent[q->used % KC_WATCH_RECENT].id = u->id;
	q->recent[q->used % KC_WATCH_RECENT].len = u->len;
	q->used_pos = kc_watch_forward(q, q->used_pos, slots);
	q->used_slots += slots;
	q->used++;
	kc_points_tell(o, used, q, u);
	if (u->chain) {
		kc_listener_tell(o, used, q->qi, u->chain->head, u->chain->stamp);
		chain_used(o, q, u->chain);
	} else if (u->late) {
		left_was_used(q, u->id);
	}
}

void kc_watch_skipped(struct kc_oracle *o, struct kc_watch_queue *q, unsigned n)
{
	while (n--) {
		struct kc_watch_used u = {
			.idx = q->layout->entry(q, q->used_pos), .chain = q->first,
			.id = q->first->head, .len = (uint32_t)q->first->writable, .skipped = true,
		};

		kc_watch_used(o, q, &u);
	}
}

static void read_used(struct kc_oracle *o, struct kc_watch_queue *q, enum kc_reading how)
{
	uint64_t used = q->used, slots = q->used_slots;

	if (!q->device_host || !q->desc_host || q->derailed || o->failed)
		return;
	q->layout->read_used(o, q, how);
	if (q->used == used)
		return;
	o->events++;
	kc_points_tell(o, advanced, q, q->used - used, q->used_slots - slots);
}

static void heed_malformed(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (q->malformed)
		kc_watch_loosen(o, q);
}

void kc_watch_look(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (q->started) {
		heed_malformed(o, q);
		if (q->notify.unsure)
			kc_ring_fence();	/* (D), on the driver's side */
		read_used(o, q, KC_READ_PLAUSIBLE);
		q->layout->read_offered(o, q, false);
		heed_malformed(o, q);
		read_used(o, q, KC_READ_ALL);
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

uint8_t *kc_watch_host(const struct kc_shadow *s, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < s->n; i++)
		if (gpa >= s->r[i].gpa && len <= s->r[i].size &&
		    gpa - s->r[i].gpa <= s->r[i].size - len)
			return s->r[i].host + (gpa - s->r[i].gpa);
	return NULL;
}

static void forget_chains(struct kc_oracle *o, struct kc_watch_queue *q)
{
	for (uint32_t h = 0; q->known; h++)
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

static void heed_wish(struct kc_oracle *o, struct kc_watch_queue *q)
{
	const char *why = q->layout->misused_wish ? q->layout->misused_wish(o, q) : NULL;

	if (why)
		kc_watch_malformed(q, why);
	why = q->layout->misused_field ? q->layout->misused_field(o, q) : NULL;
	if (why)
		kc_watch_driver_broke(q, why);
}

int kc_watch_start(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_oracle_queue *cfg)
{
	if (!cfg->size || cfg->size > KC_SPLIT_SIZE_MAX)
		return -EINVAL;
	if (q->started || q->orphan)
		kc_watch_stop(o, q);
	clear(q, cfg);
	q->layout = cfg->packed ? &kc_layout_packed : &kc_layout_split;
	q->period = q->layout->period(cfg->size);
	q->by_head = calloc(KC_WATCH_HEADS, sizeof(struct kc_watch_chain *));
	q->slot_serial = calloc(cfg->size, sizeof(*q->slot_serial));
	if (!q->by_head || !q->slot_serial) {
		forget_chains(o, q);
		give_up(o);
		return -ENOMEM;
	}
	q->started = true;
	o->running++;
	q->layout->start(o, q);
	heed_wish(o, q);
	if (!q->desc_host || !q->device_host)
		kc_watch_derail(o, q);	/* not in one region */
	kc_shadow_permit(&o->shadow, q->used_gpa, q->used_bytes, true);
	q->layout->read_offered(o, q, true);
	return 0;
}

/* What the device wrote there was rightful, and it may not write there any more. */
static void take_over(struct kc_oracle *o, uint64_t gpa, uint64_t len)
{
	kc_shadow_sync(&o->shadow, gpa, len);
	kc_shadow_permit(&o->shadow, gpa, len, false);
}

void kc_watch_stop(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (!q->started && !q->orphan)
		return;
	if (q->started)
		o->running--;
	q->started = q->orphan = false;
	note_left(q);
	q->layout->stop(o, q);
	forget_chains(o, q);
	take_over(o, q->used_gpa, q->used_bytes);
	if (q->loose)
		take_over(o, q->ring_gpa, q->ring_bytes);
	if (q->adrift) {
		q->nleft = 0;	/* who knows what was used? */
		kc_shadow_permit_all(&o->shadow, false);
	}
	q->loose = q->adrift = false;
}

void kc_watch_free(struct kc_oracle *o)
{
	for (unsigned qi = 0; qi < o->nq; qi++) {
		if (!o->q[qi])
			continue;
		forget_chains(o, o->q[qi]);
		free(o->q[qi]);
	}
	while (o->spare) {
		struct kc_watch_chain *c = take_chain(o);

		free(c->spans);
		free(c);
	}
}

/* --- kickcall's own writes -------------------------------------------------------------------- */

bool kc_own_write_changes(const struct kc_oracle *o, const struct kc_own_write *w, uint64_t gpa,
			  uint64_t len)
{
	uint64_t lo = gpa > w->gpa ? gpa : w->gpa;
	uint64_t hi = gpa + len < w->end ? gpa + len : w->end;
	uint8_t old[32];

	for (; lo < hi; lo += sizeof(old)) {
		size_t n = hi - lo < sizeof(old) ? hi - lo : sizeof(old);

		kc_shadow_read(&o->shadow, lo, old, n);
		if (memcmp(old, w->buf + (lo - w->gpa), n))
			return true;
	}
	return false;
}

static bool touches_table(const struct kc_oracle *o, const struct kc_watch_chain *c,
			  const struct kc_own_write *w)
{
	for (unsigned i = 0; i < c->nspans; i++) {
		const struct kc_span *s = &c->spans[i];

		if (s->kind == KC_SPAN_TABLE && kc_own_write_overlaps(w, s->gpa, s->len) &&
		    kc_own_write_changes(o, w, s->gpa, s->len))
			return true;
	}
	return false;
}

static void touch_chains(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w)
{
	for (struct kc_watch_chain *c = q->first; c; c = c->next) {
		if (!touches_table(o, c, w))
			continue;
		c->touched = true;
		kc_watch_malformed(q, "a descriptor was rewritten while its chain was in flight");
	}
}

/* Memory holds kickcall's write already, the shadow does not: if it publishes a chain, a quick device may
 * have used that chain as well. */
static void look_before(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (q->notify.unsure)
		kc_ring_fence();	/* (D), on the driver's side */
	read_used(o, q, KC_READ_EXPLAINED);
	kc_points_tell(o, looked, q);
}

/* Most of what the driver writes is data. */
static bool is_in_ring(const struct kc_watch_queue *q, const struct kc_own_write *w)
{
	return kc_own_write_overlaps(w, q->cfg.desc, q->desc_bytes) ||
		kc_own_write_overlaps(w, q->cfg.avail, q->avail_bytes) ||
		kc_own_write_overlaps(w, q->used_gpa, q->used_bytes);
}

/* The shadow still holds what was there before. */
static void before_write(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w)
{
	bool in_ring = is_in_ring(q, w), offers = in_ring && q->layout->offers(q, w);
	bool pinned = kc_shadow_pinned(&o->shadow, w->gpa, w->end - w->gpa);

	/* first: memory holds what the driver wrote there already */
	if (kc_own_write_overlaps(w, q->used_gpa, q->used_bytes))
		q->layout->touch_used(o, q, w);
	if (pinned || offers || (in_ring && q->notify.unsure && q->layout->suppresses(q, w)))
		look_before(o, q);
	if (pinned)
		touch_chains(o, q, w);
	if (offers)
		q->layout->touch_offered(o, q, w);
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
static KC_APART void walk_again(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	struct kc_watch_chain fresh = { .idx = c->idx, .head = c->head, .pos = c->pos, .slots = c->slots };
	struct kc_span *spans;

	q->layout->walk(o, q, &fresh);
	release(&o->shadow, c);
	spans = realloc(c->spans, (c->nspans + fresh.nspans + 1ull) * sizeof(*spans));
	if (spans) {
		c->spans = spans;
		for (unsigned i = 0; i < fresh.nspans; i++)
			if (!has_span(c, &fresh.spans[i]))
				spans[c->nspans++] = fresh.spans[i];
		c->cap = c->nspans;
	}
	c->boundless |= c->torn || fresh.boundless || !spans || c->nspans > SPANS_KEPT;
	c->readable += fresh.readable;
	c->writable += fresh.writable;
	c->touched = false;
	hold(&o->shadow, c);
	free(fresh.spans);
}

static void after_write(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w)
{
	bool in_ring = is_in_ring(q, w);
	bool sound = !q->malformed && !q->derailed;	/* the books know where the driver is */
	const char *why = in_ring && sound && q->layout->exposed ? q->layout->exposed(o, q, w) : NULL;

	if (why)
		kc_watch_driver_broke(q, why);
	if (q->malformed)
		for (struct kc_watch_chain *c = q->first; c; c = c->next)
			if (c->touched)
				walk_again(o, q, c);
	if (!in_ring || !q->layout->suppresses(q, w))
		return;
	kc_points_tell(o, suppression, q);
	heed_wish(o, q);
}

void kc_watch_wrote(struct kc_oracle *o, uint64_t gpa, const void *buf, size_t len)
{
	struct kc_own_write w = { gpa, gpa + len, buf };

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

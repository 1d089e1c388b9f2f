/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the oracle's own reading of a split ring, from the text of VIRTIO 1.3, 2.7.
 * What the driver wrote is read from the shadow, what the device wrote from memory. A position is a
 * free-running 16-bit index.
 */
#include <inttypes.h>
#include <string.h>
#include <common/apart.h>
#include <harness/oracle/watch.h>

static uint32_t period(uint32_t size)
{
	(void)size;
	return 65536;
}

static uint32_t base_pos(const struct kc_watch_queue *q, uint32_t base)
{
	(void)q;
	return (uint16_t)base;
}

static uint16_t show(const struct kc_watch_queue *q, uint32_t pos)
{
	(void)q;
	return (uint16_t)pos;
}

static void say_pos(const struct kc_watch_queue *q, uint32_t pos, char *buf, size_t cap)
{
	(void)q;
	snprintf(buf, cap, "%u", pos);
}

/* --- Life ------------------------------------------------------------------------------------- */

static void start(struct kc_oracle *o, struct kc_watch_queue *q)
{
	q->desc_host = kc_watch_host(&o->shadow, q->cfg.desc, kc_desc_bytes(q->cfg.size));
	q->device_host = kc_watch_host(&o->shadow, q->cfg.used, kc_used_bytes(q->cfg.size));
	q->desc_bytes = kc_desc_bytes(q->cfg.size);
	q->avail_bytes = kc_avail_bytes(q->cfg.size);
	q->used_gpa = q->cfg.used;
	q->used_bytes = kc_used_bytes(q->cfg.size);
	/* not from memory: the device may have begun before we were told */
	q->used_pos = kc_shadow_u16(&o->shadow, q->cfg.used + KC_USED_IDX);
	q->offered_pos = base_pos(q, q->cfg.base);
}

static void stop(struct kc_oracle *o, struct kc_watch_queue *q)
{
	(void)o;
	(void)q;
}

/* --- A chain ---------------------------------------------------------------------------------- */

static void buffer(struct kc_walk *w, struct kc_desc d)
{
	kc_walk_buffer(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
}

/* Entries are linked by next from entry 0 on; each can be met once only. */
static void indirect(struct kc_walk *w, struct kc_desc table)
{
	uint64_t n = kc_walk_table(w, table.addr, table.len), i = 0, steps;
	uint8_t raw[16];

	if (!n)
		return;
	for (steps = 0; steps < n && !w->c->boundless; steps++) {
		struct kc_desc d;

		if (i >= n || !kc_shadow_read(&w->o->shadow, table.addr + 16 * i, raw, sizeof(raw))) {
			kc_walk_bad(w, "next points beyond the indirect table");
			return;
		}
		d = kc_desc_read(raw);
		if (d.flags & VRING_DESC_F_INDIRECT)
			kc_walk_bad(w, "an indirect table refers to another");
		buffer(w, d);
		if (!(d.flags & VRING_DESC_F_NEXT))
			return;
		if (w->q->cfg.in_order && d.next != i + 1)
			kc_walk_bad(w, "with IN_ORDER next is not the following entry");
		i = d.next;
	}
	kc_walk_bad(w, "an indirect table is a loop");
}

static void descriptor(struct kc_walk *w, struct kc_desc d)
{
	if (!(d.flags & VRING_DESC_F_INDIRECT)) {
		buffer(w, d);
		return;
	}
	if (d.flags & VRING_DESC_F_NEXT)
		kc_walk_bad(w, "INDIRECT and NEXT are set together");
	if (!w->q->cfg.indirect) {
		kc_walk_bad(w, "INDIRECT is set and was not negotiated");
		buffer(w, d);
	}
	indirect(w, d);
}

static void walk(struct kc_oracle *o, const struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	struct kc_walk w = { .o = o, .q = q, .c = c };
	uint32_t i = c->head;
	uint8_t raw[16];

	for (uint32_t steps = 0; steps < q->cfg.size && !c->boundless; steps++) {
		uint64_t at = q->cfg.desc + 16ull * i;
		struct kc_desc d;

		if (i >= q->cfg.size || !kc_shadow_read(&o->shadow, at, raw, sizeof(raw))) {
			kc_walk_bad(&w, steps ? "next points beyond the descriptor table" :
				    "its head lies beyond the descriptor table");
			return;
		}
		if (!kc_walk_span(&w, KC_SPAN_TABLE, at, 16))
			return;
		d = kc_desc_read(raw);
		descriptor(&w, d);
		if (!(d.flags & VRING_DESC_F_NEXT))
			return;
		if (q->cfg.in_order && d.next != (i + 1) % q->cfg.size)
			kc_walk_bad(&w, "with IN_ORDER next is not the following descriptor");
		i = d.next;
	}
	kc_walk_bad(&w, "it is a loop");
}

/* --- What the driver offers ------------------------------------------------------------------- */

/* avail_event, or used->flags. */
static struct kc_wish kick_wish(const struct kc_watch_queue *q)
{
	uint16_t flags;

	if (!q->device_host)
		return (struct kc_wish){ KC_WISH_ALWAYS, 0 };
	if (q->cfg.event_idx)
		return (struct kc_wish){ KC_WISH_AT, kc_ring_load16(
			q->device_host + kc_used_avail_event(q->cfg.size), __ATOMIC_RELAXED) };
	flags = kc_ring_load16(q->device_host + KC_USED_FLAGS, __ATOMIC_RELAXED);
	return (struct kc_wish){ flags & VRING_USED_F_NO_NOTIFY ? KC_WISH_NEVER : KC_WISH_ALWAYS, 0 };
}

/* Entries first..first+n-1, n up to 65535: what goes round the ring more than once names a slot as
 * often. */
static void read_offered(struct kc_oracle *o, struct kc_watch_queue *q, bool at_start)
{
	uint16_t idx = kc_shadow_u16(&o->shadow, q->cfg.avail + KC_AVAIL_IDX);
	uint16_t n = (uint16_t)(idx - q->offered_pos);
	uint32_t size = q->cfg.size;
	uint64_t since = q->serial;
	struct kc_wish wish;

	if (!n)
		return;
	if (n > size)
		kc_watch_malformed(q, "avail idx jumped by more than the queue size");
	wish = kick_wish(q);
	for (uint32_t k = 0; k < n && k < size; k++) {
		uint16_t i = (uint16_t)(q->offered_pos + k);
		struct kc_offer offer = { .idx = i, .pos = i, .slots = 1 };
		struct kc_watch_chain *c;

		offer.head = kc_shadow_u16(&o->shadow, q->cfg.avail + kc_avail_slot(i % size));
		c = kc_watch_offer(o, q, &offer, 1 + (n - 1 - k) / size);
		if (!c)
			return;
		q->slot_serial[i % size] = c->serial;
	}
	q->offered += n;
	kc_watch_offered(o, q, since, wish, idx, at_start);
}

/* --- What the device gives back --------------------------------------------------------------- */

static bool entry_unchanged(const struct kc_oracle *o, const struct kc_watch_queue *q, uint32_t pos)
{
	uint64_t off = kc_used_slot(pos % q->cfg.size);
	uint8_t before[8];

	kc_shadow_read(&o->shadow, q->cfg.used + off, before, sizeof(before));
	return !memcmp(before, q->device_host + off, sizeof(before));
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
		if (!entry_unchanged(o, q, q->used_pos + k))
			return -1;
	return n;
}

/* One used entry of the `left` new ones; returns how many it stands for, or 0 when it names a chain
 * that only a look at the available ring can explain (unless final). */
static KC_APART uint16_t take_used(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t left, bool final)
{
	uint64_t off = kc_used_slot(q->used_pos % q->cfg.size);
	struct kc_watch_used u = {
		.id = kc_ring_load32(q->device_host + off, __ATOMIC_RELAXED),
		.len = kc_ring_load32(q->device_host + off + 4, __ATOMIC_RELAXED),
		.stale = entry_unchanged(o, q, q->used_pos),
	};
	struct kc_watch_chain *c = u.id < KC_WATCH_HEADS ? q->by_head[u.id] : NULL;
	int batch = 0;

	if ((!c || c->used) && !final)
		return 0;
	u.again = c && c->used;
	u.chain = u.again ? NULL : c;
	u.late = !c && kc_watch_is_left(q, u.id);
	if (u.chain && q->cfg.in_order && c != q->first) {
		batch = batch_before(o, q, c, left);
		if (batch < 0) {
			u.overtaken = q->first;
			batch = 0;
		}
	}
	kc_watch_skipped(o, q, (unsigned)batch);
	u.idx = (uint16_t)q->used_pos;
	kc_shadow_sync(&o->shadow, q->cfg.used + off, 8);
	kc_watch_used(o, q, &u);
	return (uint16_t)(batch + 1);
}

/* The driver wrote used->idx; the device goes on from its own count, or from what it finds. Which of the
 * two shows when the books know what there was to use. */
static uint16_t after_scribble(struct kc_watch_queue *q, uint16_t idx, enum kc_reading how)
{
	uint16_t n = (uint16_t)(idx - q->used_pos), found = (uint16_t)(idx - q->scribble);

	if (idx == q->scribble)
		return 0;
	if (n > q->outstanding && found > q->outstanding && how != KC_READ_ALL)
		return n;
	q->scribbled = false;
	if (n <= q->outstanding || found > q->outstanding)
		return n;
	q->used_pos = q->scribble;
	return found;
}

static void read_used(struct kc_oracle *o, struct kc_watch_queue *q, enum kc_reading how)
{
	uint16_t idx = kc_ring_load16(q->device_host + KC_USED_IDX, __ATOMIC_ACQUIRE);	/* (B) */
	uint16_t n = q->scribbled ? after_scribble(q, idx, how) : (uint16_t)(idx - q->used_pos);
	uint16_t took, done = 0;
	uint64_t most;

	if (!n)
		return;
	most = q->outstanding + kc_watch_left_unused(q);
	if (n > most && how == KC_READ_ALL) {
		q->derailed = true;
		kc_points_tell(o, astray, q, idx);
	}
	if (n > most && how != KC_READ_EXPLAINED)
		return;
	if (n > most)
		n = (uint16_t)most;
	while (done < n && (took = take_used(o, q, n - done, how == KC_READ_ALL)))
		done += took;
}

/* Between two comparisons of all memory: has the used idx of a stopped ring moved? */
static bool moved(struct kc_oracle *o, struct kc_watch_queue *q, char *buf, size_t cap)
{
	uint64_t at = q->cfg.used + KC_USED_IDX;
	uint16_t idx = kc_ring_load16(q->device_host + KC_USED_IDX, __ATOMIC_RELAXED);

	if (idx == kc_shadow_u16(&o->shadow, at) || kc_shadow_permitted(&o->shadow, at))
		return false;
	snprintf(buf, cap, "used idx moved from %u to %u", kc_shadow_u16(&o->shadow, at), idx);
	kc_shadow_sync(&o->shadow, at, 2);
	return true;
}

/* --- Wishes ----------------------------------------------------------------------------------- */

static struct kc_wish call_wish(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	uint64_t flags = q->cfg.avail + KC_AVAIL_FLAGS;

	if (q->cfg.event_idx)
		return (struct kc_wish){ KC_WISH_AT, kc_shadow_u16(
			&o->shadow, q->cfg.avail + kc_avail_used_event(q->cfg.size)) };
	return (struct kc_wish){ kc_shadow_u16(&o->shadow, flags) & VRING_AVAIL_F_NO_INTERRUPT ?
				 KC_WISH_NEVER : KC_WISH_ALWAYS, 0 };
}

static void say_call_wish(struct kc_wish w, const struct kc_watch_queue *q, char *buf, size_t cap)
{
	if (q->cfg.event_idx)
		snprintf(buf, cap, "used_event %u", w.pos);
	else
		snprintf(buf, cap, "avail.flags %u", w.kind == KC_WISH_NEVER);
}

static void say_kick_wish(struct kc_wish w, const struct kc_watch_queue *q, char *buf, size_t cap)
{
	if (q->cfg.event_idx)
		snprintf(buf, cap, "avail_event was %u", w.pos);
	else
		snprintf(buf, cap, "used.flags was %u", w.kind == KC_WISH_NEVER);
}

/* The field that must not count holds what would explain the silence: then that rule is named. */
static enum kc_rule call_rule(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	uint64_t other = q->cfg.event_idx ? KC_AVAIL_FLAGS : kc_avail_used_event(q->cfg.size);
	uint16_t ignored = kc_shadow_u16(&o->shadow, q->cfg.avail + other);

	if (q->cfg.event_idx)
		return ignored & VRING_AVAIL_F_NO_INTERRUPT ? KC_RULE_CALL_NOT_FLAGS : KC_RULE_CALL_AT;
	return ignored ? KC_RULE_CALL_NOT_AT : KC_RULE_CALL_ALWAYS;
}

/* A device must not care; kickcall does. */
static const char *misused_field(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	uint16_t flags = kc_shadow_u16(&o->shadow, q->cfg.avail + KC_AVAIL_FLAGS);

	if (q->cfg.event_idx && flags)
		return "avail.flags is not 0 with EVENT_IDX";
	return flags > VRING_AVAIL_F_NO_INTERRUPT ? "avail.flags is neither 0 nor 1" : NULL;
}

static uint32_t device_flags(const void *area)
{
	return kc_ring_load16((const uint8_t *)area + KC_USED_FLAGS, __ATOMIC_RELAXED);
}

static bool flags_defined(const struct kc_watch_queue *q, uint32_t flags, char *buf, size_t cap)
{
	if (flags <= (q->cfg.event_idx ? 0 : VRING_USED_F_NO_NOTIFY))
		return true;
	snprintf(buf, cap, "used.flags is 0x%x, expected %s", flags,
		 q->cfg.event_idx ? "0 with EVENT_IDX" : "0 or 1");
	return false;
}

/* --- kickcall's own writes -------------------------------------------------------------------- */

static bool offers(const struct kc_watch_queue *q, const struct kc_own_write *w)
{
	return kc_own_write_overlaps(w, q->cfg.avail + KC_AVAIL_IDX, 2ull + 2ull * q->cfg.size);
}

static bool suppresses(const struct kc_watch_queue *q, const struct kc_own_write *w)
{
	return kc_own_write_overlaps(w, q->cfg.avail + KC_AVAIL_FLAGS, 2) ||
		kc_own_write_overlaps(w, q->cfg.avail + kc_avail_used_event(q->cfg.size), 2);
}

/* The index says that the slot holds a head, and the books have not seen which. */
static bool is_promised(const struct kc_oracle *o, const struct kc_watch_queue *q, uint32_t slot)
{
	uint16_t idx = kc_shadow_u16(&o->shadow, q->cfg.avail + KC_AVAIL_IDX);
	uint16_t promised = (uint16_t)(idx - q->offered_pos);

	return (slot - q->offered_pos) % q->cfg.size < promised;
}

/* A slot that the device may not have read gets another head: it may take either. */
static void touch_offered(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w)
{
	uint64_t first = q->cfg.avail + kc_avail_slot(0);
	uint32_t slot = w->gpa > first ? (uint32_t)((w->gpa - first) / 2) : 0;

	for (; slot < q->cfg.size && first + 2ull * slot < w->end; slot++) {
		struct kc_offer offer = { .idx = (uint16_t)q->offered_pos, .pos = q->offered_pos,
					  .slots = 1 };
		uint64_t at = first + 2ull * slot;
		uint16_t head;

		if (at < w->gpa || at + 2 > w->end || !kc_own_write_changes(o, w, at, 2))
			continue;
		if (is_promised(o, q, slot))
			kc_watch_malformed(q, "avail idx moved before the entry was written");
		if (q->slot_serial[slot] <= q->serial_used)
			continue;
		kc_watch_malformed(q, "an available entry was rewritten before it was used");
		memcpy(&head, w->buf + (at - w->gpa), sizeof(head));
		offer.head = le16toh(head);
		kc_watch_offer(o, q, &offer, 1);
	}
}

static void touch_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w)
{
	uint64_t idx = q->cfg.used + KC_USED_IDX;
	uint16_t v;

	(void)o;
	kc_watch_malformed(q, "the driver wrote the used ring");
	if (idx < w->gpa || idx + 2 > w->end)
		return;
	memcpy(&v, w->buf + (idx - w->gpa), sizeof(v));
	q->scribbled = true;
	q->scribble = le16toh(v);
}

/* --- Names and pictures ----------------------------------------------------------------------- */

static bool in_avail(const struct kc_watch_queue *q, uint64_t gpa, struct kc_place_of *p)
{
	uint64_t off = gpa - q->cfg.avail;
	const char *what;

	if (!kc_place_in(gpa, q->cfg.avail, kc_avail_bytes(q->cfg.size)))
		return false;
	what = off < KC_AVAIL_IDX ? "flags" : off < kc_avail_slot(0) ? "idx" :
		off < kc_avail_used_event(q->cfg.size) ? "a slot" : "used_event";
	p->at = KC_AT_AVAIL;
	snprintf(p->text, sizeof(p->text), "%s of the available ring of queue %u", what, q->qi);
	return true;
}

static bool place(const struct kc_watch_queue *q, uint64_t gpa, struct kc_place_of *p)
{
	uint64_t used_end = q->cfg.used + kc_used_bytes(q->cfg.size);

	p->q = q;
	if (kc_place_in(gpa, q->cfg.desc, kc_desc_bytes(q->cfg.size))) {
		p->at = KC_AT_DESC;
		snprintf(p->text, sizeof(p->text),
			 "descriptor %" PRIu64 " in the descriptor table of queue %u",
			 (gpa - q->cfg.desc) / 16, q->qi);
		return true;
	}
	if (in_avail(q, gpa, p))
		return true;
	if (kc_place_in(gpa, q->cfg.used, kc_used_bytes(q->cfg.size))) {
		p->at = KC_AT_USED;
		snprintf(p->text, sizeof(p->text), "the used ring of queue %u", q->qi);
		return true;
	}
	if (kc_place_in(gpa, used_end, KC_NEAR)) {
		p->at = KC_AT_USED_END;
		snprintf(p->text, sizeof(p->text),
			 "the %" PRIu64 " bytes after the used ring of queue %u", (uint64_t)KC_NEAR,
			 q->qi);
		return true;
	}
	return false;
}

static void draw(const struct kc_oracle *o, const struct kc_watch_queue *q, FILE *out)
{
	const struct kc_oracle_queue *c = &q->cfg;

	fprintf(out, "  avail idx %u   offered %" PRIu64 "   used_event %u   flags %u\n",
		kc_shadow_u16(&o->shadow, c->avail + KC_AVAIL_IDX), q->offered,
		kc_shadow_u16(&o->shadow, c->avail + kc_avail_used_event(c->size)),
		kc_shadow_u16(&o->shadow, c->avail + KC_AVAIL_FLAGS));
	if (!q->device_host)
		return;
	fprintf(out, "  used  idx %u   used %" PRIu64 "   avail_event %u   flags %u\n",
		kc_ring_load16(q->device_host + KC_USED_IDX, __ATOMIC_RELAXED), q->used,
		kc_ring_load16(q->device_host + kc_used_avail_event(c->size), __ATOMIC_RELAXED),
		kc_ring_load16(q->device_host + KC_USED_FLAGS, __ATOMIC_RELAXED));
}

const struct kc_layout kc_layout_split = {
	.name = "split",
	.place_name = "available idx",
	.used_name = "used entry",
	.id_name = "head",
	.period = period,
	.base_pos = base_pos,
	.show = show,
	.entry = show,
	.say_pos = say_pos,
	.start = start,
	.stop = stop,
	.walk = walk,
	.read_offered = read_offered,
	.read_used = read_used,
	.moved = moved,
	.offers = offers,
	.suppresses = suppresses,
	.touch_used = touch_used,
	.touch_offered = touch_offered,
	.call_wish = call_wish,
	.kick_wish = kick_wish,
	.say_call_wish = say_call_wish,
	.say_kick_wish = say_kick_wish,
	.misused_field = misused_field,
	.call_rule = call_rule,
	.device_flags = device_flags,
	.flags_defined = flags_defined,
	.place = place,
	.draw = draw,
};

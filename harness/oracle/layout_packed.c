/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the oracle's own reading of a packed ring, from the text of VIRTIO 1.3, 2.8.
 * What the driver wrote is read from the shadow, what the device wrote from memory.
 *
 * A position is a slot and a lap: slot s while the wrap counter is 1, size + s while it is 0. Both
 * sides move through the same ring: the driver offers at offered_pos; the device uses at used_pos, and
 * writes one descriptor there for a list of any length, then skips the list's slots. So a slot says
 * nothing about the list that was offered through it once that slot was passed: what a list may do is
 * in the books, under its buffer id.
 *
 * slot_serial tells whether a slot is the device's to read; those are pinned. They are permitted as well:
 * a used descriptor is several stores, and some devices write later ones first (2.8.9). When used_pos
 * passes slots, the used descriptor is taken over, and the ones behind it that belong to the same list
 * must be as the driver left them. Whatever else changes in the ring shows when memory is compared; what
 * was written in the wrong place, or the wrong way, in slots still in flight shows when nothing more
 * comes (strayed).
 *
 * A list whose end a device may see elsewhere makes the queue vague: ids that nobody knows may come of
 * it. Once it is used, or a descriptor in flight gets another id or another end, nobody can say where the
 * next used descriptor belongs: the queue is adrift, and not followed.
 */
#include <inttypes.h>
#include <string.h>
#include <harness/oracle/watch.h>

static uint32_t period(uint32_t size)
{
	return 2 * size;
}

static uint32_t slot_of(const struct kc_watch_queue *q, uint32_t pos)
{
	return pos % q->cfg.size;
}

static bool wrap_of(const struct kc_watch_queue *q, uint32_t pos)
{
	return pos < q->cfg.size;
}

/* From a slot in bits 0 to 14 and a wrap counter in bit 15. */
static uint32_t pos_of(const struct kc_watch_queue *q, uint16_t off_wrap)
{
	uint32_t slot = off_wrap & (KC_EVENT_WRAP - 1u);

	return (slot + (off_wrap & KC_EVENT_WRAP ? 0 : q->cfg.size)) % q->period;
}

static uint32_t base_pos(const struct kc_watch_queue *q, uint32_t base)
{
	return pos_of(q, (uint16_t)base);
}

static uint16_t show(const struct kc_watch_queue *q, uint32_t pos)
{
	return (uint16_t)(slot_of(q, pos) | (wrap_of(q, pos) ? KC_EVENT_WRAP : 0));
}

static uint64_t slot_gpa(const struct kc_watch_queue *q, uint32_t slot)
{
	return q->cfg.desc + 16ull * slot;
}

static void say_pos(const struct kc_watch_queue *q, uint32_t pos, char *buf, size_t cap)
{
	snprintf(buf, cap, "slot %u, wrap %u", slot_of(q, pos), wrap_of(q, pos));
}

static uint16_t entry(const struct kc_watch_queue *q, uint32_t pos)
{
	return (uint16_t)slot_of(q, pos);
}

/* --- Life ------------------------------------------------------------------------------------- */

/* The base names both positions; a device that answers only the first (and so a front-end that hands it
 * back) means both by it. */
static void start(struct kc_oracle *o, struct kc_watch_queue *q)
{
	q->desc_host = kc_watch_host(&o->shadow, q->cfg.desc, kc_pdesc_bytes(q->cfg.size));
	q->device_host = kc_watch_host(&o->shadow, q->cfg.used, KC_EVENT_BYTES);
	q->desc_bytes = kc_pdesc_bytes(q->cfg.size);
	q->avail_bytes = KC_EVENT_BYTES;
	q->used_gpa = q->cfg.used;
	q->used_bytes = KC_EVENT_BYTES;
	q->ring_gpa = q->cfg.desc;
	q->ring_bytes = kc_pdesc_bytes(q->cfg.size);
	q->offered_pos = base_pos(q, q->cfg.base);
	q->used_pos = q->cfg.base >> 16 ? pos_of(q, (uint16_t)(q->cfg.base >> 16)) : q->offered_pos;
}

/* n slots become the device's, or (serial 0) the driver's. */
static void own_slots(struct kc_oracle *o, struct kc_watch_queue *q, uint32_t pos, uint64_t n,
		      uint64_t serial)
{
	for (n = n < q->cfg.size ? n : q->cfg.size; n; n--, pos++) {
		uint32_t slot = slot_of(q, pos);
		bool changes = !q->slot_serial[slot] != !serial;

		if (changes)
			kc_shadow_pin(&o->shadow, slot_gpa(q, slot), 16, serial);
		if (changes && !q->resting)
			kc_shadow_permit(&o->shadow, slot_gpa(q, slot), 16, serial);
		q->slot_serial[slot] = serial;
	}
}

static void rest(struct kc_oracle *o, struct kc_watch_queue *q)
{
	for (uint32_t slot = 0; !q->resting && slot < q->cfg.size; slot++)
		if (q->slot_serial[slot])
			kc_shadow_permit(&o->shadow, slot_gpa(q, slot), 16, false);
	q->resting = true;
}

static void stop(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (q->slot_serial)
		own_slots(o, q, 0, q->cfg.size, 0);
}

/* --- A list ----------------------------------------------------------------------------------- */

/* Entries follow each other to the table's end; of their flags only WRITE counts. */
static void indirect(struct kc_walk *w, struct kc_pdesc table)
{
	uint64_t n = kc_walk_table(w, table.addr, table.len);
	uint8_t raw[16];

	for (uint64_t i = 0; i < n && !w->c->boundless; i++) {
		struct kc_pdesc d;

		kc_shadow_read(&w->o->shadow, table.addr + 16 * i, raw, sizeof(raw));
		d = kc_pdesc_read(raw);
		if (d.flags & VRING_DESC_F_INDIRECT)
			kc_walk_bad(w, "an indirect table refers to another");
		else if (d.flags & ~VRING_DESC_F_WRITE)
			w->c->broken = "an entry of an indirect table has flags beside WRITE";
		kc_walk_buffer(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
	}
}

static struct kc_pdesc shadow_desc(const struct kc_oracle *o, const struct kc_watch_queue *q,
				   uint32_t pos)
{
	uint8_t raw[16];

	kc_shadow_read(&o->shadow, slot_gpa(q, slot_of(q, pos)), raw, sizeof(raw));
	return kc_pdesc_read(raw);
}

static void element(struct kc_walk *w, struct kc_pdesc d)
{
	if (!(d.flags & VRING_DESC_F_INDIRECT)) {
		kc_walk_buffer(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		return;
	}
	if (!w->q->cfg.indirect) {
		kc_walk_bad(w, "INDIRECT is set and was not negotiated");
		kc_walk_buffer(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
	}
	indirect(w, d);
}

static void walk(struct kc_oracle *o, const struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	struct kc_walk w = { .o = o, .q = q, .c = c };

	for (uint32_t i = 0; i < c->slots && !c->boundless; i++)
		element(&w, shadow_desc(o, q, c->pos + i));
}

/* --- What the driver offers ------------------------------------------------------------------- */

static bool is_available(uint16_t flags, bool wrap)
{
	return !(flags & KC_PDESC_F_AVAIL) == !wrap && !(flags & KC_PDESC_F_USED) == wrap;
}

static struct kc_wish wish_of(const struct kc_watch_queue *q, struct kc_event_area e)
{
	switch (e.flags & 3) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return (struct kc_wish){ KC_WISH_NEVER, 0 };
	case VRING_PACKED_EVENT_FLAG_DESC:
		if (!q->cfg.event_idx)
			return (struct kc_wish){ KC_WISH_ALWAYS, 0 };	/* reserved */
		if ((e.off_wrap & (KC_EVENT_WRAP - 1u)) >= q->cfg.size)
			return (struct kc_wish){ KC_WISH_NEVER, 0 };	/* there is no such slot */
		return (struct kc_wish){ KC_WISH_AT, pos_of(q, e.off_wrap) };
	default:
		return (struct kc_wish){ KC_WISH_ALWAYS, 0 };
	}
}

static struct kc_wish kick_wish(const struct kc_watch_queue *q)
{
	if (!q->device_host)
		return (struct kc_wish){ KC_WISH_ALWAYS, 0 };
	return wish_of(q, kc_event_load(q->device_host, __ATOMIC_RELAXED));
}

/* How many slots the list at pos has; *id gets what its last descriptor says. */
static uint32_t measure(const struct kc_oracle *o, const struct kc_watch_queue *q, uint32_t pos,
			uint16_t *id)
{
	struct kc_pdesc d;
	uint32_t n = 0;

	do {
		d = shadow_desc(o, q, kc_watch_forward(q, pos, n));
		n++;
	} while (d.flags & VRING_DESC_F_NEXT && n < q->cfg.size);
	*id = d.id;
	return n;
}

/* Why a device might see the list end elsewhere, or NULL. */
static const char *vagueness(const struct kc_oracle *o, const struct kc_watch_queue *q, uint32_t pos,
			     uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = kc_watch_forward(q, pos, i);
		struct kc_pdesc d = shadow_desc(o, q, at);

		if (q->slot_serial[slot_of(q, at)])
			return "a list reaches into slots that are still in flight";
		if (!is_available(d.flags, wrap_of(q, at)))
			return "a list goes on in a descriptor that is not available";
		if (n > 1 && d.flags & VRING_DESC_F_INDIRECT)
			return "INDIRECT is set in a list of several descriptors";
		if (i + 1 == n && d.flags & VRING_DESC_F_NEXT)
			return "it is a loop";
	}
	return NULL;
}

/* Does a list that the books do not know begin there? */
static bool is_next(const struct kc_oracle *o, const struct kc_watch_queue *q, uint32_t pos)
{
	return !q->slot_serial[slot_of(q, pos)] &&
		is_available(shadow_desc(o, q, pos).flags, wrap_of(q, pos));
}

static bool offer_next(struct kc_oracle *o, struct kc_watch_queue *q, uint32_t *pos)
{
	struct kc_offer offer = { .idx = entry(q, *pos), .pos = *pos };
	struct kc_watch_chain *c;

	if (!is_next(o, q, *pos))
		return false;
	offer.slots = measure(o, q, *pos, &offer.head);
	offer.bad = vagueness(o, q, *pos, offer.slots);
	q->vague |= offer.bad != NULL;
	c = kc_watch_offer(o, q, &offer, 1);
	if (!c)
		return false;
	if (c->pos != *pos)
		kc_watch_derail(o, q);	/* an id that is in flight: which of the two is used? */
	own_slots(o, q, *pos, offer.slots, c->serial);
	*pos = kc_watch_forward(q, *pos, offer.slots);
	q->offered++;
	return true;
}

static void read_offered(struct kc_oracle *o, struct kc_watch_queue *q, bool at_start)
{
	uint64_t since = q->serial;
	uint32_t pos = q->offered_pos;
	struct kc_wish wish;

	if (!is_next(o, q, pos))
		return;
	wish = kick_wish(q);
	while (offer_next(o, q, &pos))
		;
	if (pos != q->offered_pos || q->serial != since)
		kc_watch_offered(o, q, since, wish, pos, at_start);
}

/* --- What the device gives back --------------------------------------------------------------- */

static bool used_flags(uint16_t flags, bool wrap)
{
	return !(flags & KC_PDESC_F_AVAIL) == !wrap && !(flags & KC_PDESC_F_USED) == !wrap;
}

static bool is_own(const struct kc_oracle *o, uint64_t gpa)
{
	return o->shadow.own_gpa < gpa + 16 && gpa < o->shadow.own_end;
}

/* Where nothing is in flight, what the driver wrote may look used. */
static bool used_at(const struct kc_oracle *o, const struct kc_watch_queue *q, uint32_t pos,
		    struct kc_pdesc *d)
{
	uint32_t slot = slot_of(q, pos);
	const uint8_t *p = q->desc_host + 16ull * slot;

	/* (B) */
	if (!used_flags(kc_ring_load16(p + KC_PDESC_FLAGS, __ATOMIC_ACQUIRE), wrap_of(q, pos)) ||
	    is_own(o, slot_gpa(q, slot)))
		return false;
	*d = kc_pdesc_read(p);
	return (q->slot_serial && q->slot_serial[slot]) ||
		!used_flags(shadow_desc(o, q, pos).flags, wrap_of(q, pos));
}

/*
 * In order, one descriptor may stand for a batch that ends with the list it names; no other slot of the
 * batch is written then. How many lists before c does it stand for? None, if the next used descriptor
 * comes right behind c's own slots and names one of them: c came out of turn.
 */
static unsigned batch_before(const struct kc_oracle *o, struct kc_watch_queue *q,
			     struct kc_watch_used *u)
{
	const struct kc_watch_chain *c = u->chain, *i, *next;
	struct kc_pdesc d;
	unsigned n = 0;

	if (c != q->first && used_at(o, q, kc_watch_forward(q, q->used_pos, c->slots), &d)) {
		next = q->by_head[d.id];
		if (next && !next->used && next->serial < c->serial) {
			u->overtaken = q->first;
			return 0;
		}
	}
	for (i = q->first; i && i != c; i = i->next)
		n++;
	return n;
}

/* Slots that were passed and hold no used descriptor are as the driver left them. */
static void check_passed(struct kc_oracle *o, const struct kc_watch_queue *q, uint32_t pos, uint64_t n)
{
	for (; n; n--, pos++)
		kc_shadow_compare_range(&o->shadow, slot_gpa(q, slot_of(q, pos)), 16, kc_watch_changed, o);
}

/* What was written up to now is still to be judged. */
static void lose_track(struct kc_oracle *o, struct kc_watch_queue *q)
{
	kc_watch_loosen(o, q);
	kc_shadow_compare(&o->shadow, kc_watch_changed, o);
	kc_watch_derail(o, q);
}

static void pass(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_used *u)
{
	uint32_t at = q->used_pos;
	uint64_t slots = q->used_slots;

	if (u->chain && q->cfg.in_order)
		kc_watch_skipped(o, q, batch_before(o, q, u));
	/* Who knows how many slots a list takes that is malformed, or that nobody offered? */
	q->derailed |= !u->chain || u->chain->bad;
	kc_watch_used(o, q, u);
	slots = q->used_slots - slots;
	own_slots(o, q, at, slots, 0);
	if (q->derailed)
		lose_track(o, q);
	else if (!q->malformed)
		check_passed(o, q, at + 1, slots - 1);
}

/* The next used descriptor. false: there is none, or only a later look can explain it. */
static bool take_used(struct kc_oracle *o, struct kc_watch_queue *q, bool final)
{
	uint32_t at = q->used_pos;
	struct kc_watch_used u = { .idx = entry(q, at) };
	struct kc_watch_chain *c;
	struct kc_pdesc d;

	if (!used_at(o, q, at, &d))
		return false;
	c = q->by_head[d.id];
	if (!final && (!c || c->used || c->bad))
		return false;
	kc_shadow_sync(&o->shadow, slot_gpa(q, slot_of(q, at)), 16);
	if (!c && q->vague) {
		lose_track(o, q);
		return false;
	}
	u.id = d.id;
	u.len = d.flags & VRING_DESC_F_WRITE ? d.len : 0;
	u.says = d.flags & VRING_DESC_F_WRITE ? KC_SAYS_WRITTEN : KC_SAYS_UNTOUCHED;
	u.again = c && c->used;
	u.chain = u.again ? NULL : c;
	u.late = !c && kc_watch_is_left(q, u.id);
	pass(o, q, &u);
	return !q->derailed;
}

static void read_used(struct kc_oracle *o, struct kc_watch_queue *q, enum kc_reading how)
{
	while (take_used(o, q, how == KC_READ_ALL))
		;
}

/* The slot that the device would use next: has it been used since the ring was stopped? */
static bool moved(struct kc_oracle *o, struct kc_watch_queue *q, char *buf, size_t cap)
{
	uint64_t at = slot_gpa(q, slot_of(q, q->used_pos));
	struct kc_pdesc d;

	/* permitted or pinned: there is something else by now */
	if (!q->desc_host || !used_at(o, q, q->used_pos, &d) || kc_shadow_permitted(&o->shadow, at) ||
	    kc_shadow_pinned(&o->shadow, at, 16))
		return false;
	snprintf(buf, cap, "slot %u was used with id %u", slot_of(q, q->used_pos), d.id);
	kc_shadow_sync(&o->shadow, at, 16);
	return true;
}

static bool slot_changed(const struct kc_oracle *o, const struct kc_watch_queue *q, uint32_t slot)
{
	uint8_t before[16];

	kc_shadow_read(&o->shadow, slot_gpa(q, slot), before, sizeof(before));
	return memcmp(before, q->desc_host + 16ull * slot, sizeof(before));
}

static void say_stray(const struct kc_watch_queue *q, uint32_t slot, bool next, char *buf, size_t cap)
{
	struct kc_pdesc d = kc_pdesc_read(q->desc_host + 16ull * slot);
	bool wrap = wrap_of(q, q->used_pos);

	if (next)
		snprintf(buf, cap, "slot %u was written with id %u, AVAIL %u and USED %u, expected "
			 "both to be %u, as the device's wrap counter is",
			 slot, d.id, !!(d.flags & KC_PDESC_F_AVAIL),
			 !!(d.flags & KC_PDESC_F_USED), wrap);
	else
		snprintf(buf, cap, "slot %u was written with id %u, expected the next used "
			 "descriptor in slot %u", slot, d.id, slot_of(q, q->used_pos));
}

static bool strayed(struct kc_oracle *o, struct kc_watch_queue *q, bool *next, char *buf, size_t cap)
{
	bool found = false;

	for (uint32_t i = 0; i < q->cfg.size; i++) {
		uint32_t slot = slot_of(q, q->used_pos + i);

		if (!q->slot_serial[slot] || !slot_changed(o, q, slot))
			continue;
		if (!found)
			say_stray(q, slot, i == 0, buf, cap);
		*next = found ? *next : i == 0;
		found = true;
		kc_shadow_sync(&o->shadow, slot_gpa(q, slot), 16);
	}
	return found;
}

/* --- Wishes ----------------------------------------------------------------------------------- */

static struct kc_event_area driver_area(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	return (struct kc_event_area){
		kc_shadow_u16(&o->shadow, q->cfg.avail + KC_EVENT_OFF_WRAP),
		kc_shadow_u16(&o->shadow, q->cfg.avail + KC_EVENT_FLAGS),
	};
}

static struct kc_wish call_wish(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	return wish_of(q, driver_area(o, q));
}

static void say(struct kc_wish w, const struct kc_watch_queue *q, const char *whose, char *buf,
		size_t cap)
{
	if (w.kind == KC_WISH_AT)
		snprintf(buf, cap, "the %s area DESC, slot %u, wrap %u", whose, slot_of(q, w.pos),
			 wrap_of(q, w.pos));
	else
		snprintf(buf, cap, "the %s area %s", whose,
			 w.kind == KC_WISH_NEVER ? "DISABLE" : "ENABLE");
}

static void say_call_wish(struct kc_wish w, const struct kc_watch_queue *q, char *buf, size_t cap)
{
	say(w, q, "driver", buf, cap);
}

static void say_kick_wish(struct kc_wish w, const struct kc_watch_queue *q, char *buf, size_t cap)
{
	say(w, q, "device", buf, cap);
}

static enum kc_rule call_rule(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	return call_wish(o, q).kind == KC_WISH_AT ? KC_RULE_CALL_AT : KC_RULE_CALL_ALWAYS;
}

static uint32_t device_flags(const void *area)
{
	struct kc_event_area e = kc_event_load(area, __ATOMIC_RELAXED);

	return (uint32_t)e.flags << 16 | e.off_wrap;
}

static bool flags_defined(const struct kc_watch_queue *q, uint32_t flags, char *buf, size_t cap)
{
	uint16_t f = (uint16_t)(flags >> 16);
	uint32_t slot = flags & (KC_EVENT_WRAP - 1u);

	if (f > (q->cfg.event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_DISABLE))
		snprintf(buf, cap, "the device area's flags are 0x%x, expected %s", f,
			 q->cfg.event_idx ? "0, 1 or 2" : "0 or 1");
	else if (f == VRING_PACKED_EVENT_FLAG_DESC && slot >= q->cfg.size)
		snprintf(buf, cap, "the device area names slot %u, expected one of %u", slot,
			 q->cfg.size);
	else
		return true;
	return false;
}

static const char *misused_wish(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	struct kc_event_area e = driver_area(o, q);

	if (e.flags > (q->cfg.event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_DISABLE))
		return "the driver area's flags mean nothing";
	if (e.flags == VRING_PACKED_EVENT_FLAG_DESC && (e.off_wrap & (KC_EVENT_WRAP - 1u)) >= q->cfg.size)
		return "the driver area names a slot that the ring has not";
	return NULL;
}

/* --- kickcall's own writes -------------------------------------------------------------------- */

static bool offers(const struct kc_watch_queue *q, const struct kc_own_write *w)
{
	return kc_own_write_overlaps(w, q->cfg.desc, kc_pdesc_bytes(q->cfg.size));
}

static bool suppresses(const struct kc_watch_queue *q, const struct kc_own_write *w)
{
	return kc_own_write_overlaps(w, q->cfg.avail, KC_EVENT_BYTES);
}

static void touch_chain_of(struct kc_watch_queue *q, uint64_t serial)
{
	for (struct kc_watch_chain *c = q->first; c; c = c->next)
		if (c->serial == serial)
			c->touched = c->torn = true;
}

/* The descriptor as it will be. */
static struct kc_pdesc rewritten(const struct kc_oracle *o, const struct kc_own_write *w, uint64_t gpa)
{
	uint64_t lo = gpa > w->gpa ? gpa : w->gpa, hi = gpa + 16 < w->end ? gpa + 16 : w->end;
	uint8_t raw[16];

	kc_shadow_read(&o->shadow, gpa, raw, sizeof(raw));
	memcpy(raw + (lo - gpa), w->buf + (lo - w->gpa), hi - lo);
	return kc_pdesc_read(raw);
}

/* The device may have read the one or the other, or some of each. */
static void touch_slot(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w,
		       uint32_t slot)
{
	const uint16_t extent = VRING_DESC_F_NEXT | KC_PDESC_F_AVAIL | KC_PDESC_F_USED;
	struct kc_pdesc was = shadow_desc(o, q, slot), is = rewritten(o, w, slot_gpa(q, slot));

	kc_watch_malformed(q, "a descriptor was rewritten while its list was in flight");
	touch_chain_of(q, q->slot_serial[slot]);
	if (was.id != is.id || (was.flags ^ is.flags) & extent)
		kc_watch_derail(o, q);
}

static void touch_offered(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w)
{
	uint32_t slot = w->gpa > q->cfg.desc ? (uint32_t)((w->gpa - q->cfg.desc) / 16) : 0;

	for (; slot < q->cfg.size && slot_gpa(q, slot) < w->end; slot++)
		if (q->slot_serial[slot] && kc_own_write_changes(o, w, slot_gpa(q, slot), 16))
			touch_slot(o, q, w, slot);
}

static void touch_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w)
{
	(void)o;
	(void)w;
	kc_watch_malformed(q, "the driver wrote the device area");
}

/* Its first descriptor is available, and nothing of the list may be missing then. */
static const char *exposed(const struct kc_oracle *o, const struct kc_watch_queue *q,
			   const struct kc_own_write *w)
{
	uint32_t pos = q->offered_pos, n;
	uint16_t id;

	if (!kc_own_write_overlaps(w, slot_gpa(q, slot_of(q, pos)) + KC_PDESC_FLAGS, 2) ||
	    q->slot_serial[slot_of(q, pos)] ||
	    !is_available(shadow_desc(o, q, pos).flags, wrap_of(q, pos)))
		return NULL;
	for (n = measure(o, q, pos, &id); n; n--, pos = kc_watch_forward(q, pos, 1))
		if (!is_available(shadow_desc(o, q, pos).flags, wrap_of(q, pos)))
			return "a list was made available before all of it was written";
	return NULL;
}

/* --- Names and pictures ----------------------------------------------------------------------- */

static bool in_device_area(const struct kc_watch_queue *q, uint64_t gpa, struct kc_place_of *p)
{
	if (kc_place_in(gpa, q->cfg.used, KC_EVENT_BYTES)) {
		p->at = KC_AT_USED;
		snprintf(p->text, sizeof(p->text), "the device area of queue %u", q->qi);
		return true;
	}
	if (kc_place_in(gpa, q->cfg.used + KC_EVENT_BYTES, KC_NEAR)) {
		p->at = KC_AT_USED_END;
		snprintf(p->text, sizeof(p->text), "the %" PRIu64 " bytes after the device area of queue %u",
			 (uint64_t)KC_NEAR, q->qi);
		return true;
	}
	return false;
}

static void name_slot(const struct kc_watch_queue *q, uint32_t slot, struct kc_place_of *p)
{
	int n = snprintf(p->text, sizeof(p->text), "slot %u of the ring of queue %u", slot, q->qi);
	struct kc_pdesc d;

	if (!q->desc_host)
		return;
	d = kc_pdesc_read(q->desc_host + 16ull * slot);
	snprintf(p->text + n, sizeof(p->text) - n, ", now len %u id %u flags 0x%04x", d.len, d.id,
		 d.flags);
}

static bool place(const struct kc_watch_queue *q, uint64_t gpa, struct kc_place_of *p)
{
	p->q = q;
	if (kc_place_in(gpa, q->cfg.desc, kc_pdesc_bytes(q->cfg.size))) {
		p->at = KC_AT_DESC;
		name_slot(q, (uint32_t)((gpa - q->cfg.desc) / 16), p);
		return true;
	}
	if (kc_place_in(gpa, q->cfg.avail, KC_EVENT_BYTES)) {
		p->at = KC_AT_AVAIL;
		snprintf(p->text, sizeof(p->text), "the driver area of queue %u", q->qi);
		return true;
	}
	return in_device_area(q, gpa, p);
}

static void draw_area(const char *whose, struct kc_event_area e, FILE *out)
{
	fprintf(out, "   %s area: flags %u, slot %u, wrap %u\n", whose, e.flags,
		e.off_wrap & (KC_EVENT_WRAP - 1u), e.off_wrap >> 15);
}

static void draw(const struct kc_oracle *o, const struct kc_watch_queue *q, FILE *out)
{
	fprintf(out, "  next to offer: slot %u, wrap %u   offered %" PRIu64,
		slot_of(q, q->offered_pos), wrap_of(q, q->offered_pos), q->offered);
	draw_area("driver", driver_area(o, q), out);
	if (!q->device_host)
		return;
	fprintf(out, "  next to use:   slot %u, wrap %u   used %" PRIu64, slot_of(q, q->used_pos),
		wrap_of(q, q->used_pos), q->used);
	draw_area("device", kc_event_load(q->device_host, __ATOMIC_RELAXED), out);
}

const struct kc_layout kc_layout_packed = {
	.name = "packed",
	.place_name = "slot",
	.used_name = "slot",
	.id_name = "id",
	.period = period,
	.base_pos = base_pos,
	.show = show,
	.entry = entry,
	.say_pos = say_pos,
	.start = start,
	.rest = rest,
	.stop = stop,
	.walk = walk,
	.read_offered = read_offered,
	.read_used = read_used,
	.moved = moved,
	.strayed = strayed,
	.offers = offers,
	.suppresses = suppresses,
	.touch_used = touch_used,
	.touch_offered = touch_offered,
	.call_wish = call_wish,
	.kick_wish = kick_wish,
	.say_call_wish = say_call_wish,
	.say_kick_wish = say_kick_wish,
	.misused_wish = misused_wish,
	.exposed = exposed,
	.call_rule = call_rule,
	.device_flags = device_flags,
	.flags_defined = flags_defined,
	.place = place,
	.draw = draw,
};

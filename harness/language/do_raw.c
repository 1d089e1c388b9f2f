/* SPDX-License-Identifier: BSD-3-Clause */
/* The `driver` lines of a hostile driver: any field, any value. */
#include <string.h>
#include <harness/language/verbs.h>

#define TABLE_ENTRIES	64u
#define SCRATCH_BYTES	4096u

static int scratch(struct kc_world *w, uint64_t *gpa, uint64_t len, uint8_t byte)
{
	uint8_t bytes[SCRATCH_BYTES];

	if (*gpa)
		return 0;
	memset(bytes, byte, len);
	if (kc_mem_alloc(&w->mem, len, 16, KC_PLACE_ANY, gpa) == 0 &&
	    kc_mem_write(&w->mem, *gpa, bytes, len) == 0)
		return 0;
	return kc_world_stop(w, KC_ERROR, "no guest memory for a scratch buffer");
}

/* A descriptor of either layout, as scripts say it. */
struct said {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next, id;
};

struct reader {
	struct kc_world *w;
	const struct kc_step *s;
	const struct kc_arg *a;
	unsigned i;
	struct said *d;
};

static int number(struct reader *r, const char *word, int64_t *v)
{
	struct kc_num num;

	if (kc_num_parse(r->a->rest, r->a->nrest, &r->i, &num))
		return kc_world_script_error(r->w, "a number is missing after '%s'", word);
	*v = kc_world_num(r->w, &num, r->s->qi);
	return r->w->over ? -1 : 0;
}

static int say_next(struct reader *r)
{
	int64_t v;

	if (number(r, "next", &v))
		return -1;
	r->d->next = (uint16_t)v;
	r->d->flags |= VRING_DESC_F_NEXT;
	return 0;
}

static int say_more(struct reader *r)
{
	r->d->flags |= VRING_DESC_F_NEXT;
	return 0;
}

static int say_id(struct reader *r)
{
	int64_t v;

	if (number(r, "id", &v))
		return -1;
	r->d->id = (uint16_t)v;
	return 0;
}

static int say_flags(struct reader *r)
{
	int64_t v;

	if (number(r, "flags", &v))
		return -1;
	r->d->flags = (uint16_t)v;
	return 0;
}

/* A number, or a part of the ring itself. */
static int say_at(struct reader *r)
{
	const struct kc_queue_config *c = &r->w->q[r->s->qi].config;
	const struct { const char *word; uint64_t gpa; } parts[] = {
		{ "desc", c->desc }, { "avail", c->avail }, { "used", c->used },
	};
	int64_t v;

	for (unsigned k = 0; k < 3 && r->i < r->a->nrest; k++)
		if (!strcmp(r->a->rest[r->i].text, parts[k].word)) {
			r->d->addr = parts[k].gpa;
			r->i++;
			return 0;
		}
	if (number(r, "at", &v))
		return -1;
	r->d->addr = (uint64_t)v;
	return 0;
}

static const struct {
	const char *word;
	int (*say)(struct reader *r);
} desc_words[] = {
	{ "next", say_next }, { "more", say_more }, { "id", say_id }, { "flags", say_flags },
	{ "at", say_at },
};

static int desc_word(struct reader *r)
{
	const char *word = r->a->rest[r->i++].text;

	for (unsigned k = 0; k < sizeof(desc_words) / sizeof(*desc_words); k++)
		if (!strcmp(desc_words[k].word, word))
			return desc_words[k].say(r);
	return kc_world_script_error(r->w, "a descriptor has no '%s'", word);
}

/* out LEN | in LEN | table LEN, then the words above in any order. */
static int read_desc(struct kc_world *w, const struct kc_step *s, struct said *d)
{
	static const struct { const char *word; uint16_t flags; } kinds[] = {
		{ "out", 0 }, { "in", VRING_DESC_F_WRITE }, { "table", VRING_DESC_F_INDIRECT },
	};
	struct kc_world_queue *q = &w->q[s->qi];
	struct reader r = { w, s, &s->args[1], 1, d };
	unsigned k;
	int64_t len;

	if (scratch(w, &q->scratch_gpa, SCRATCH_BYTES, w->cfg.port->scratch) ||
	    scratch(w, &q->table_gpa, TABLE_ENTRIES * sizeof(struct vring_desc), 0))
		return -1;
	for (k = 0; k < 3 && (r.a->nrest < 2 || strcmp(r.a->rest[0].text, kinds[k].word)); k++)
		;
	if (k == 3)
		return kc_world_script_error(w, "a descriptor is 'out LEN', 'in LEN' or 'table LEN'");
	*d = (struct said){ .flags = kinds[k].flags };
	d->addr = kinds[k].flags == VRING_DESC_F_INDIRECT ? q->table_gpa : q->scratch_gpa;
	if (number(&r, "len", &len))
		return -1;
	d->len = (uint32_t)len;
	while (r.i < r.a->nrest)
		if (desc_word(&r))
			return -1;
	return 0;
}

static struct kc_desc split_desc(const struct said *d)
{
	return (struct kc_desc){ d->addr, d->len, d->flags, d->next };
}

static struct kc_pdesc packed_desc(const struct said *d)
{
	return (struct kc_pdesc){ d->addr, d->len, d->id, d->flags };
}

static struct kc_world_queue *raw_queue(struct kc_world *w, const struct kc_step *s)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (q)
		q->raw = true;
	return q;
}

/* The ring to be written into by hand, of the layout that has the field. */
static struct kc_split *raw_split(struct kc_world *w, const struct kc_step *s, const char *what)
{
	return raw_queue(w, s) ? kc_world_split(w, s->qi, what) : NULL;
}

static struct kc_packed *raw_packed(struct kc_world *w, const struct kc_step *s, const char *what)
{
	return raw_queue(w, s) ? kc_world_packed(w, s->qi, what) : NULL;
}

static int written(struct kc_world *w, const struct kc_step *s, int ret, const char *field, uint64_t v)
{
	if (ret)
		return kc_world_script_error(w, "%s of queue %u: %s", field, s->qi, strerror(-ret));
	kc_trace_value(&w->trace, KC_ACTOR_DRIVER, field, v, "queue %u raw", s->qi);
	return 0;
}

KC_VERB(raw_desc)
{
	struct kc_world_queue *q = raw_queue(w, s);
	uint32_t i = (uint32_t)s->args[0].num.plus;
	struct said d;

	if (!q || read_desc(w, s, &d))
		return -1;
	kc_oracle_by_hand(w->oracle, s->qi);
	return written(w, s, q->ring.ops->packed ? kc_raw_pdesc(&q->ring.packed, i, packed_desc(&d)) :
		       kc_raw_desc(&q->ring.split, i, split_desc(&d)), "desc", d.addr);
}

KC_VERB(raw_table)
{
	struct kc_world_queue *q = raw_queue(w, s);
	uint32_t i = (uint32_t)s->args[0].num.plus;
	struct said d;

	if (!q || read_desc(w, s, &d))
		return -1;
	if (i >= TABLE_ENTRIES)
		return kc_world_script_error(w, "the scratch table has %u entries", TABLE_ENTRIES);
	return written(w, s, q->ring.ops->packed ?
		       kc_raw_pdesc_at(&w->mem, q->table_gpa, i, packed_desc(&d)) :
		       kc_raw_desc_at(&w->mem, q->table_gpa, i, split_desc(&d)), "table", d.addr);
}

static int published(struct kc_world *w, const struct kc_step *s)
{
	kc_oracle_published(w->oracle, s->qi);
	kc_sched_point(w->sched);
	return 0;
}

KC_VERB(raw_offer)
{
	struct kc_split *vq = raw_split(w, s, "offer head");
	uint16_t head = (uint16_t)s->args[0].num.plus;

	if (!vq || written(w, s, kc_raw_offer(vq, head), "offer", head))
		return -1;
	return published(w, s);
}

KC_VERB(raw_offer_slots)
{
	struct kc_packed *vq = raw_packed(w, s, "offer slots");
	uint32_t n = (uint32_t)s->args[0].num.plus;

	if (!vq || written(w, s, kc_raw_poffer(vq, n), "offer", n))
		return -1;
	return published(w, s);
}

KC_VERB(raw_avail_idx)
{
	struct kc_split *vq = raw_split(w, s, "avail.idx");
	uint16_t v;

	if (!vq)
		return -1;
	v = (uint16_t)kc_world_num(w, &s->args[0].num, s->qi);
	if (written(w, s, kc_raw_avail_idx(vq, v), "avail.idx", v))
		return -1;
	return published(w, s);
}

/* Fields that take one number, in the script's name, and what writes them. */
#define RAW_FIELD(verb, writer, name, type)						\
	KC_VERB(verb)									\
	{										\
		struct kc_split *vq = raw_split(w, s, name);				\
		type v;									\
											\
		if (!vq)								\
			return -1;							\
		v = (type)kc_world_num(w, &s->args[0].num, s->qi);			\
		return written(w, s, writer(vq, v), name, v);				\
	}

RAW_FIELD(raw_used_idx, kc_raw_used_idx, "used.idx", uint16_t)
RAW_FIELD(raw_used_flags, kc_raw_used_flags, "used.flags", uint16_t)
RAW_FIELD(raw_avail_event, kc_raw_avail_event, "used.avail_event", uint16_t)

KC_VERB(raw_avail_ring)
{
	struct kc_split *vq = raw_split(w, s, "avail.ring");
	uint16_t v = (uint16_t)s->args[1].num.plus;

	return vq ? written(w, s, kc_raw_avail_ring(vq, (uint32_t)s->args[0].num.plus, v), "avail.ring", v) :
		-1;
}

KC_VERB(raw_used_ring)
{
	struct kc_split *vq = raw_split(w, s, "used.ring");
	uint32_t id = (uint32_t)s->args[1].num.plus, len = (uint32_t)s->args[2].num.plus;

	return vq ? written(w, s, kc_raw_used_ring(vq, (uint32_t)s->args[0].num.plus, id, len), "used.ring",
			    id) : -1;
}

/* slot N wrap N flags N: over the device's area of a packed ring. */
KC_VERB(raw_device_area)
{
	struct kc_packed *vq = raw_packed(w, s, "device area");
	struct kc_event_area e = {
		.off_wrap = (uint16_t)(s->args[0].num.plus | s->args[1].num.plus << 15),
		.flags = (uint16_t)s->args[2].num.plus,
	};

	return vq ? written(w, s, kc_raw_device_event(vq, e), "device-area", e.flags) : -1;
}

/* --- Suppression: these fields as such break no rule, the ring stays a proper one ------------------ */

static int suppressed(struct kc_world *w, const struct kc_step *s, int ret, const char *field, uint64_t v)
{
	if (written(w, s, ret, field, v))
		return -1;
	kc_ring_fence();
	kc_world_suppression(w, s->qi);
	return 0;
}

KC_VERB(raw_avail_flags)
{
	struct kc_split *vq = kc_world_split(w, s->qi, "avail.flags");
	uint16_t v = (uint16_t)s->args[0].num.plus;

	if (!vq)
		return -1;
	/* what no driver may write (VQ-SPLIT-UNS-DRV-01, -03) */
	w->q[s->qi].raw |= v > VRING_AVAIL_F_NO_INTERRUPT - vq->event_idx;
	return suppressed(w, s, kc_raw_avail_flags(vq, v), "avail.flags", v);
}

KC_VERB(raw_used_event)
{
	struct kc_split *vq = kc_world_split(w, s->qi, "avail.used_event");
	uint16_t v;

	if (!vq)
		return -1;
	v = (uint16_t)kc_world_num(w, &s->args[0].num, s->qi);
	return suppressed(w, s, kc_raw_used_event(vq, v), "avail.used_event", v);
}

KC_VERB(raw_driver_area)
{
	struct kc_packed *vq = kc_world_packed(w, s->qi, "driver area");
	struct kc_event_area e = {
		.off_wrap = (uint16_t)(s->args[0].num.plus | s->args[1].num.plus << 15),
		.flags = (uint16_t)s->args[2].num.plus,
	};

	if (!vq)
		return -1;
	/* means nothing, or a slot that is not there */
	w->q[s->qi].raw |= e.flags > VRING_PACKED_EVENT_FLAG_DESC - !vq->event_idx ||
		(e.flags == VRING_PACKED_EVENT_FLAG_DESC && (e.off_wrap & (KC_EVENT_WRAP - 1u)) >= vq->size);
	return suppressed(w, s, kc_raw_event(vq, e), "driver-area", e.flags);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The `driver` lines of a hostile driver: any field, any value. */
#include <string.h>
#include <harness/language/verbs.h>

#define TABLE_ENTRIES	64u
#define SCRATCH_BYTES	4096u

static int scratch(struct kc_world *w, uint64_t *gpa, uint64_t len)
{
	if (*gpa || kc_mem_alloc(&w->mem, len, 16, KC_PLACE_ANY, gpa) == 0)
		return 0;
	return kc_world_stop(w, KC_ERROR, "no guest memory for a scratch buffer");
}

/* at desc, at avail, at used: a part of the ring itself. */
static bool ring_part(const struct kc_world_queue *q, const struct kc_arg *a, unsigned *i,
		      uint64_t *gpa)
{
	const struct { const char *word; uint64_t gpa; } parts[] = {
		{ "desc", q->config.desc }, { "avail", q->config.avail }, { "used", q->config.used },
	};

	for (unsigned k = 0; k < 3; k++) {
		if (*i >= a->nrest || strcmp(a->rest[*i].text, parts[k].word))
			continue;
		*gpa = parts[k].gpa;
		++*i;
		return true;
	}
	return false;
}

/* out LEN | in LEN | table LEN, then next N, flags N, at ADDRESS in any order. */
static int read_desc(struct kc_world *w, const struct kc_step *s, struct kc_desc *d)
{
	const struct kc_arg *a = &s->args[1];
	struct kc_world_queue *q = &w->q[s->qi];
	static const struct { const char *word; uint16_t flags; } kinds[] = {
		{ "out", 0 }, { "in", VRING_DESC_F_WRITE }, { "table", VRING_DESC_F_INDIRECT },
	};
	unsigned i = 0, k;
	struct kc_num num;

	if (scratch(w, &q->scratch_gpa, SCRATCH_BYTES) ||
	    scratch(w, &q->table_gpa, TABLE_ENTRIES * sizeof(struct vring_desc)))
		return -1;
	for (k = 0; k < 3 && (a->nrest < 2 || strcmp(a->rest[0].text, kinds[k].word)); k++)
		;
	if (k == 3)
		return kc_world_script_error(w, "a descriptor is 'out LEN', 'in LEN' or 'table LEN'");
	*d = (struct kc_desc){ .flags = kinds[k].flags };
	d->addr = kinds[k].flags == VRING_DESC_F_INDIRECT ? q->table_gpa : q->scratch_gpa;
	for (i = 1; i < a->nrest || i == 1;) {
		const char *word = i == 1 ? "len" : a->rest[i++].text;
		int64_t v;

		if (!strcmp(word, "at") && ring_part(q, a, &i, &d->addr))
			continue;
		if (kc_num_parse(a->rest, a->nrest, &i, &num))
			return kc_world_script_error(w, "a number is missing after '%s'", word);
		v = kc_world_num(w, &num, s->qi);
		if (!strcmp(word, "len")) {
			d->len = (uint32_t)v;
		} else if (!strcmp(word, "next")) {
			d->next = (uint16_t)v;
			d->flags |= VRING_DESC_F_NEXT;
		} else if (!strcmp(word, "flags")) {
			d->flags = (uint16_t)v;
		} else if (!strcmp(word, "at")) {
			d->addr = (uint64_t)v;
		} else {
			return kc_world_script_error(w, "a descriptor has no '%s'", word);
		}
	}
	return 0;
}

static struct kc_world_queue *raw_queue(struct kc_world *w, const struct kc_step *s)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (q)
		q->raw = true;
	return q;
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
	struct kc_desc d;

	if (!q || read_desc(w, s, &d))
		return -1;
	kc_oracle_by_hand(w->oracle, s->qi);
	return written(w, s, kc_raw_desc(&q->ring.split, (uint32_t)s->args[0].num.plus, d), "desc", d.addr);
}

KC_VERB(raw_table)
{
	struct kc_world_queue *q = raw_queue(w, s);
	uint32_t i = (uint32_t)s->args[0].num.plus;
	struct kc_desc d;

	if (!q || read_desc(w, s, &d))
		return -1;
	if (i >= TABLE_ENTRIES)
		return kc_world_script_error(w, "the scratch table has %u entries", TABLE_ENTRIES);
	return written(w, s, kc_raw_desc_at(&w->mem, q->table_gpa, i, d), "table", d.addr);
}

KC_VERB(raw_offer)
{
	struct kc_world_queue *q = raw_queue(w, s);
	uint16_t head = (uint16_t)s->args[0].num.plus;

	if (!q || written(w, s, kc_raw_offer(&q->ring.split, head), "offer", head))
		return -1;
	kc_oracle_published(w->oracle, s->qi);
	kc_sched_point(w->sched);
	return 0;
}

KC_VERB(raw_avail_idx)
{
	struct kc_world_queue *q = raw_queue(w, s);
	uint16_t v;

	if (!q)
		return -1;
	v = (uint16_t)kc_world_num(w, &s->args[0].num, s->qi);
	if (written(w, s, kc_raw_avail_idx(&q->ring.split, v), "avail.idx", v))
		return -1;
	kc_oracle_published(w->oracle, s->qi);
	kc_sched_point(w->sched);
	return 0;
}

/* Fields that take one number, in the script's name, and what writes them. */
#define RAW_FIELD(verb, writer, name, type)						\
	KC_VERB(verb)									\
	{										\
		struct kc_world_queue *q = raw_queue(w, s);				\
		type v;									\
											\
		if (!q)									\
			return -1;							\
		v = (type)kc_world_num(w, &s->args[0].num, s->qi);			\
		return written(w, s, writer(&q->ring.split, v), name, v);			\
	}

RAW_FIELD(raw_used_idx, kc_raw_used_idx, "used.idx", uint16_t)
RAW_FIELD(raw_used_flags, kc_raw_used_flags, "used.flags", uint16_t)
RAW_FIELD(raw_avail_event, kc_raw_avail_event, "used.avail_event", uint16_t)

/* The suppression fields as such break no rule by themselves: the ring stays a proper one. */
KC_VERB(raw_avail_flags)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	uint16_t v = (uint16_t)s->args[0].num.plus;

	if (!q || written(w, s, kc_raw_avail_flags(&q->ring.split, v), "avail.flags", v))
		return -1;
	kc_ring_fence();
	kc_world_suppression(w, s->qi);
	return 0;
}

KC_VERB(raw_used_event)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	uint16_t v;

	if (!q)
		return -1;
	v = (uint16_t)kc_world_num(w, &s->args[0].num, s->qi);
	if (written(w, s, kc_raw_used_event(&q->ring.split, v), "avail.used_event", v))
		return -1;
	kc_ring_fence();
	kc_world_suppression(w, s->qi);
	return 0;
}

KC_VERB(raw_avail_ring)
{
	struct kc_world_queue *q = raw_queue(w, s);
	uint16_t v = (uint16_t)s->args[1].num.plus;

	return q ? written(w, s, kc_raw_avail_ring(&q->ring.split, (uint32_t)s->args[0].num.plus, v),
			   "avail.ring", v) : -1;
}

KC_VERB(raw_used_ring)
{
	struct kc_world_queue *q = raw_queue(w, s);
	uint32_t id = (uint32_t)s->args[1].num.plus, len = (uint32_t)s->args[2].num.plus;

	return q ? written(w, s, kc_raw_used_ring(&q->ring.split, (uint32_t)s->args[0].num.plus, id, len),
			   "used.ring", id) : -1;
}

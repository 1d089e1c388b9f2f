/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: names what lies at a guest-physical address, for accusations. Only called
 * when something is wrong, so it simply looks through everything. Rings come before chains, and
 * what is exactly there before what is next to it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <harness/oracle/watch.h>

static void name_span(const struct kc_watch_queue *q, const struct kc_watch_chain *c,
		      enum kc_at at, const char *what, struct kc_place_of *p)
{
	p->at = at;
	p->q = q;
	p->line = c->line;
	snprintf(p->text, sizeof(p->text), "%s %s %u of queue %u", what, q->layout->id_name, c->head, q->qi);
}

static bool in_chain(const struct kc_watch_queue *q, const struct kc_watch_chain *c, uint64_t gpa,
		     struct kc_place_of *p)
{
	for (unsigned i = 0; i < c->nspans; i++) {
		const struct kc_span *s = &c->spans[i];

		if (!kc_place_in(gpa, s->gpa, s->len))
			continue;
		if (s->kind == KC_SPAN_TABLE)
			name_span(q, c, KC_AT_TABLE, "an indirect table of", p);
		else if (s->kind == KC_SPAN_OUT)
			name_span(q, c, KC_AT_READABLE, "a readable buffer of", p);
		else
			name_span(q, c, KC_AT_RETURNED, "a buffer that was used already, of", p);
		return true;
	}
	return false;
}

/* A descriptor in the ring itself is no buffer, and has no guard. */
static bool in_own_ring(const struct kc_watch_queue *q, const struct kc_span *s)
{
	return s->kind == KC_SPAN_TABLE &&
		kc_place_in(s->gpa, q->cfg.desc, kc_desc_bytes(q->cfg.size));
}

static bool near_chain(const struct kc_watch_queue *q, const struct kc_watch_chain *c, uint64_t gpa,
		       struct kc_place_of *p)
{
	for (unsigned i = 0; i < c->nspans; i++) {
		const struct kc_span *s = &c->spans[i];

		if (in_own_ring(q, s))
			continue;
		if (gpa >= s->gpa && gpa - s->gpa >= s->len && gpa - s->gpa - s->len < KC_NEAR)
			name_span(q, c, KC_AT_GUARD, "the guard after a buffer of", p);
		else if (gpa < s->gpa && s->gpa - gpa <= KC_NEAR)
			name_span(q, c, KC_AT_GUARD, "the guard before a buffer of", p);
		else
			continue;
		return true;
	}
	return false;
}

typedef bool chain_fn(const struct kc_watch_queue *q, const struct kc_watch_chain *c, uint64_t gpa,
		      struct kc_place_of *p);

static bool any_chain(const struct kc_oracle *o, uint64_t gpa, chain_fn *fn, struct kc_place_of *p)
{
	for (unsigned qi = 0; qi < o->nq; qi++) {
		const struct kc_watch_queue *q = o->q[qi];

		for (uint32_t h = 0; q && q->by_head && h < KC_WATCH_HEADS; h++)
			if (q->by_head[h] && fn(q, q->by_head[h], gpa, p))
				return true;
	}
	return false;
}

static bool in_areas(const struct kc_watch_queue *q, uint64_t gpa, struct kc_place_of *p)
{
	return q->layout && q->layout->place(q, gpa, p);
}

static bool any_ring(const struct kc_oracle *o, uint64_t gpa, bool started, struct kc_place_of *p)
{
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi] && o->q[qi]->started == started && in_areas(o->q[qi], gpa, p))
			return true;
	return false;
}

static bool any_left(const struct kc_oracle *o, uint64_t gpa, struct kc_place_of *p)
{
	for (unsigned qi = 0; qi < o->nq; qi++)
		for (unsigned i = 0; o->q[qi] && i < o->q[qi]->nleft; i++) {
			if (!kc_place_in(gpa, o->q[qi]->left[i].gpa, o->q[qi]->left[i].len))
				continue;
			p->at = KC_AT_LEFT;
			p->q = o->q[qi];
			snprintf(p->text, sizeof(p->text),
				 "a buffer of %s %u, in flight when queue %u was stopped",
				 o->q[qi]->layout->id_name, o->q[qi]->left[i].head, qi);
			return true;
		}
	return false;
}

struct nearest {
	const struct kc_watch_queue *q;
	const struct kc_watch_chain *c;
	uint64_t bytes;
	bool after;
};

static void measure(const struct kc_watch_queue *q, const struct kc_watch_chain *c, uint64_t gpa,
		    struct nearest *n)
{
	for (unsigned i = 0; i < c->nspans; i++) {
		uint64_t at = c->spans[i].gpa, end = at + c->spans[i].len;
		bool after = gpa >= end;
		uint64_t bytes = after ? gpa - end : at - gpa;

		if (in_own_ring(q, &c->spans[i]) || (n->c && bytes >= n->bytes))
			continue;
		*n = (struct nearest){ q, c, bytes, after };
	}
}

static void name_other(const struct kc_oracle *o, uint64_t gpa, struct kc_place_of *p)
{
	struct nearest n = { 0 };
	int len = snprintf(p->text, sizeof(p->text), "memory that belongs to no buffer in flight");

	for (unsigned qi = 0; qi < o->nq; qi++)
		for (uint32_t h = 0; o->q[qi] && o->q[qi]->by_head && h < KC_WATCH_HEADS; h++)
			if (o->q[qi]->by_head[h])
				measure(o->q[qi], o->q[qi]->by_head[h], gpa, &n);
	if (n.c)
		snprintf(p->text + len, sizeof(p->text) - len,
			 ", %" PRIu64 " bytes %s the nearest, which is of %s %u of queue %u", n.bytes,
			 n.after ? "after" : "before", n.q->layout->id_name, n.c->head, n.q->qi);
}

unsigned kc_watch_line(const struct kc_oracle *o)
{
	return o->cfg.trace ? o->cfg.trace->step : 0;
}

/* Whatever is in a buffer was written there before it was offered. */
const char *kc_watch_since(const struct kc_oracle *o, const struct kc_place_of *p, char *buf, size_t cap)
{
	unsigned line = p->line > o->compared ? p->line : o->compared;

	buf[0] = 0;
	if (line)
		snprintf(buf, cap, " since line %u", line);
	return buf;
}

void kc_watch_place(const struct kc_oracle *o, uint64_t gpa, struct kc_place_of *p)
{
	p->line = 0;
	if (any_ring(o, gpa, true, p) || any_chain(o, gpa, in_chain, p) || any_left(o, gpa, p) ||
	    any_chain(o, gpa, near_chain, p) || any_ring(o, gpa, false, p))
		return;
	p->at = KC_AT_OTHER;
	p->q = NULL;
	name_other(o, gpa, p);
}

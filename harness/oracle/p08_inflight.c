/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 8, the regions of what is in flight (split rings). A head that is marked has been offered and
 * was not used yet, and used_idx is the used ring's (VU-INFLIGHT-SPLIT-02): between the used index
 * and the marks there is a moment in which neither holds, so this is looked at when the back-end
 * stands between two steps (sim), and when a ring has stopped. A region that was taken up has
 * version 1 and at least as many entries as the ring with which that was done (VU-INFLIGHT-02); nothing
 * says what a ring of another size later does to them. Which heads a device
 * has taken nobody can see: a mark that is missing is not judged.
 */
#include <inttypes.h>
#include <kickcall/inflight.h>
#include <harness/oracle/watch.h>

static const struct kc_inflight_split *region(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	const struct kc_oracle_inflight *f = &o->regions.at;

	if (!o->regions.on || q->qi >= f->queues || q->cfg.packed || q->cfg.size > f->size || !q->by_head ||
	    q->malformed || q->derailed)
		return NULL;
	return (const void *)(f->regions + q->qi * f->stride);
}

static bool in_flight(const struct kc_watch_queue *q, uint32_t head)
{
	return q->by_head[head] && !q->by_head[head]->used;
}

static void judge(struct kc_oracle *o, const struct kc_watch_queue *q)
{
	const struct kc_inflight_split *s = region(o, q);
	uint16_t idx = s ? q->layout->show(q, q->used_pos) : 0;
	uint32_t *size = &o->regions.size[q->qi];

	if (!s || !q->used)
		return;
	if (!*size)
		*size = q->cfg.size;
	if (s->version != KC_INFLIGHT_VERSION || s->desc_num < *size)
		kc_accuse(o, "VU-INFLIGHT-02", "queue %u: its in-flight region has version %u and %u entries, "
			  "expected 1 and %u", q->qi, s->version, s->desc_num, *size);
	if (s->used_idx != idx)
		kc_accuse(o, "VU-INFLIGHT-SPLIT-02", "queue %u: used_idx of its in-flight region is %u, expected "
			  "the used ring's %u", q->qi, s->used_idx, idx);
	for (uint32_t head = 0; head < q->cfg.size; head++)
		if (s->desc[head].inflight && !in_flight(q, head))
			kc_accuse(o, "VU-INFLIGHT-SPLIT-02", "queue %u: head %u is marked as in flight, and it is "
				  "not: it was used, or never offered", q->qi, head);
}

static void observed(struct kc_oracle *o)
{
	if (o->cfg.mode != KC_MODE_SIM || !o->regions.on)
		return;
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi] && o->q[qi]->started)
			judge(o, o->q[qi]);
}

static void stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	if (base >= 0)
		judge(o, q);
}

static void session(struct kc_oracle *o, bool begins, bool orderly)
{
	(void)begins;
	(void)orderly;
	o->regions.on = false;
}

void kc_oracle_inflight(struct kc_oracle *o, const struct kc_oracle_inflight *f)
{
	if (!f || f->regions != o->regions.at.regions)	/* not the same buffer once more */
		o->regions = (struct kc_regions){ .on = false };
	o->regions.on = f;
	if (f)
		o->regions.at = *f;
}

static const struct kc_point_clause clauses[] = {
	{ "VU-INFLIGHT-02", KC_IN_BOTH },
	{ "VU-INFLIGHT-SPLIT-02", KC_IN_BOTH },
	{ NULL, 0 }
};

const struct kc_point kc_point_inflight = {
	.name = "inflight",
	.clauses = clauses,
	.session = session,
	.stopped = stopped,
	.observed = observed,
};

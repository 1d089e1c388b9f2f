/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 9, bases. GET_VRING_BASE answers where the device would go on reading. That lies behind every
 * chain that was used and not beyond what was offered (VU-MSG-GETBASE-01); so when all was used, it is
 * where the driver offers next. Less is allowed as long as what lies between was not fetched
 * (VU-MSG-GETBASE-03).
 *
 * Split: the available index in bits 0 to 15 and zeroes above (VU-PL-02). Packed: slot and wrap counter
 * twice, the second time of what is used next (VU-PL-03, which warns: some devices leave that half 0).
 */
#include <harness/oracle/watch.h>

/* Positions at the end of the offer that may be unfetched: of chains after the last one used. */
static uint64_t unfetched(const struct kc_watch_queue *q)
{
	uint64_t n = 0;

	for (const struct kc_watch_chain *c = q->last; c && c->serial > q->serial_used; c = c->prev)
		n += c->slots;
	return n;
}

static void check_form(struct kc_oracle *o, struct kc_watch_queue *q, uint32_t base)
{
	if (!q->cfg.packed && base > UINT16_MAX)
		kc_accuse(o, "VU-PL-02",
			  "queue %u: the base is 0x%x, expected bits 16 to 31 to be 0", q->qi, base);
	if (q->cfg.packed && !q->malformed && !q->derailed && !q->errors &&
	    base >> 16 != q->layout->show(q, q->used_pos))
		kc_accuse(o, "VU-PL-03",
			  "queue %u: the base is 0x%08x, expected bits 16 to 31 to be 0x%04x: slot and wrap "
			  "counter of what is used next", q->qi, base, q->layout->show(q, q->used_pos));
}

static void queue_stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	uint64_t most = unfetched(q);
	uint32_t pos;

	if (base < 0)
		return;
	check_form(o, q, (uint32_t)base);
	if (q->malformed || q->derailed || q->errors)
		return;
	pos = q->layout->base_pos(q, (uint32_t)base);
	if (kc_watch_distance(q, pos, q->offered_pos) <= most)
		return;
	kc_accuse(o, "VU-MSG-GETBASE-01",
		  "queue %u: stopped with base %u, expected %u%s%.0llu: the driver offers next at %u "
		  "and %llu %s before were not used", q->qi, (uint16_t)base,
		  q->layout->show(q, kc_watch_forward(q, q->offered_pos, q->period - most)),
		  most ? " or up to this plus " : "", (unsigned long long)most,
		  q->layout->show(q, q->offered_pos), (unsigned long long)most,
		  q->cfg.packed ? "slots" : "chains");
}

static const struct kc_point_clause clauses[] = {
	{ "VU-MSG-GETBASE-01", KC_IN_BOTH },
	{ "VU-PL-02", KC_IN_BOTH },
	{ "VU-PL-03", KC_IN_BOTH },
	{ NULL, 0 }
};

const struct kc_point kc_point_base = {
	.name = "base",
	.clauses = clauses,
	.stopped = queue_stopped,
};

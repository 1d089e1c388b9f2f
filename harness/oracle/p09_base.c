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

/* Positions at the end of the offer that may be unfetched: of chains after the last one used. A device that
 * stops in front of one of these has its position; *found. */
static uint64_t unfetched(const struct kc_watch_queue *q, uint32_t pos, bool *found)
{
	uint64_t n = 0;

	*found = pos == q->offered_pos;
	for (const struct kc_watch_chain *c = q->last; c && c->serial > q->serial_used; c = c->prev) {
		n += c->slots;
		*found |= pos == c->pos;
	}
	return n;
}

static void check_form(struct kc_oracle *o, struct kc_watch_queue *q, uint32_t base)
{
	uint16_t next = q->layout->show(q, q->used_pos);

	if (!q->cfg.packed && base > UINT16_MAX)
		kc_accuse(o, "VU-PL-02",
			  "queue %u: the base is 0x%x, expected bits 16 to 31 to be 0", q->qi, base);
	if (!q->cfg.packed || q->malformed || q->derailed || q->errors)
		return;
	if ((base & (KC_EVENT_WRAP - 1u)) >= q->cfg.size)
		kc_accuse(o, "VU-PL-03",
			  "queue %u: the base is 0x%08x, expected bits 0 to 14 to name one of %u "
			  "slots", q->qi,
			  base, q->cfg.size);
	else if (base >> 16 != next)
		kc_accuse(o, "VU-PL-03",
			  "queue %u: the base is 0x%08x, expected bits 16 to 31 to be 0x%04x: slot "
			  "and wrap counter of what is used next", q->qi, base, next);
}

static void queue_stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	char at[32], from[32], to[32];
	uint64_t most;
	uint32_t pos;
	bool found;

	if (base < 0 || q->disowned)
		return;
	check_form(o, q, (uint32_t)base);
	if (q->malformed || q->derailed || q->errors)
		return;
	pos = q->layout->base_pos(q, (uint32_t)base);
	most = unfetched(q, pos, &found);
	if (found)
		return;
	q->layout->say_pos(q, pos, at, sizeof(at));
	q->layout->say_pos(q, kc_watch_forward(q, q->offered_pos, q->period - most), from, sizeof(from));
	q->layout->say_pos(q, q->offered_pos, to, sizeof(to));
	if (most)
		kc_accuse(o, "VU-MSG-GETBASE-01",
			  "queue %u: stopped with base %s, expected where a chain begins from %s "
			  "on to %s, where the driver offers next", q->qi, at, from, to);
	else
		kc_accuse(o, "VU-MSG-GETBASE-01",
			  "queue %u: stopped with base %s, expected %s, where the driver offers "
			  "next: all before was used", q->qi, at, to);
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

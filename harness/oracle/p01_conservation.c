/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 1, conservation: each offered chain is used exactly once before its head is offered again.
 *
 * An id that is not in flight, or not any more, is VQ-SPLIT-USED-02, on a malformed ring too: what
 * was never offered can never be completed. (An entry that holds what it held before is not
 * judged here but by point 5.)
 *
 * A chain that never comes back is judged where that is proved:
 * - when a queue was stopped and its base says that the chain was taken: VU-MSG-GETBASE-02;
 * - in sim, when nothing can run any more. A chain offered later came back: VQ-SPLIT-USED-02. A
 *   kick came after it was published: VU-RING-STATE-04, a started and enabled ring is processed.
 *   None came because the device had said that it wants none, or has rewritten since what it wants
 *   (it must then look again): VQ-SPLIT-ANS-DEV-06, with VQ-SPLIT-USED-02 since the chain is lost
 *   whatever the reason. It lay in the ring at the start: VU-RING-START-03. A kick was due and the
 *   driver gave none: nothing is wrong with the device.
 */
#include <harness/oracle/watch.h>

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (u->chain || u->stale || u->late)
		return;
	q->lost.told = q->serial;	/* one accusation: what it stands for is not lost besides */
	if (u->again)
		kc_accuse(o, "VQ-SPLIT-USED-02",
			  "queue %u: used entry %u names head %u, expected a head in "
			  "flight, and this one was used already and not offered since",
			  q->qi, u->idx, u->id);
	else
		kc_accuse(o, "VQ-SPLIT-USED-02",
			  "queue %u: used entry %u names id %u (len %u), expected one "
			  "of the %llu heads in flight",
			  q->qi, u->idx, u->id, u->len, (unsigned long long)q->inflight);
}

/* With base known, chains before it were taken by the device. */
static void queue_stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	const struct kc_watch_chain *c = q->first;
	uint16_t left;

	if (base < 0 || !c || !kc_watch_owes(o, q) || c->serial <= q->lost.told ||
	    o->grammar.acked & KC_BIT(KC_PF_GET_VRING_BASE_INFLIGHT))
		return;
	left = q->avail_idx - (uint16_t)base;
	if ((uint16_t)(q->avail_idx - c->idx) <= left)
		return;
	kc_accuse(o, "VU-MSG-GETBASE-02",
		  "queue %u: stopped with base %u, expected every chain before it to "
		  "be used, and head %u (available idx %u) is not",
		  q->qi, (uint16_t)base, c->head, c->idx);
}

static bool was_kicked(const struct kc_watch_queue *q, const struct kc_watch_chain *c)
{
	uint64_t from = c->kicks_before > q->lost.kicks_void ? c->kicks_before : q->lost.kicks_void;

	return q->kicks > from;
}

/* Has the device rewritten its wish since the chain was published? */
static bool wish_moved(const struct kc_watch_queue *q, const struct kc_watch_chain *c)
{
	uint64_t off = q->cfg.event_idx ? kc_used_avail_event(q->cfg.size) : KC_USED_FLAGS;

	return q->used_host && kc_ring_load16(q->used_host + off, __ATOMIC_RELAXED) != c->asked;
}

static void not_kicked(struct kc_oracle *o, struct kc_watch_queue *q,
		       const struct kc_watch_chain *c)
{
	if (c->at_start || c->serial <= q->lost.serial_void) {
		kc_accuse(o, "VU-RING-START-03",
			  "queue %u: head %u (available idx %u) was in the ring when it "
			  "was started, expected it to be used without a kick, and nothing can run "
			  "any more",
			  q->qi, c->head, c->idx);
		return;
	}
	if (c->kick_due && !wish_moved(q, c))
		return;
	kc_accuse(o, "VQ-SPLIT-ANS-DEV-06",
		  "queue %u: head %u (available idx %u) was published while %s was "
		  "%u, which asks for no kick, expected the device to look again before it sleeps, "
		  "and nothing can run any more",
		  q->qi, c->head, c->idx, q->cfg.event_idx ? "avail_event" : "used.flags",
		  c->asked);
	kc_accuse(o, "VQ-SPLIT-USED-02",
		  "queue %u: expected head %u (available idx %u) to be used once, and "
		  "it never will be",
		  q->qi, c->head, c->idx);
}

static void quiet(struct kc_oracle *o, struct kc_watch_queue *q)
{
	const struct kc_watch_chain *c = q->first;

	if (o->cfg.mode != KC_MODE_SIM || !c || !kc_watch_owes(o, q) || c->serial <= q->lost.told)
		return;
	q->lost.told = q->serial;
	if (q->serial_used > c->serial)
		kc_accuse(o, "VQ-SPLIT-USED-02",
			  "queue %u: expected head %u (available idx %u) to be used once, "
			  "and it never will be, though chains offered later were",
			  q->qi, c->head, c->idx);
	else if (was_kicked(q, c))
		kc_accuse(o, "VU-RING-STATE-04",
			  "queue %u: head %u (available idx %u) was published and "
			  "kicked, expected it to be used, and used idx stays at %u: nothing can "
			  "run any more",
			  q->qi, c->head, c->idx, q->used_idx);
	else
		not_kicked(o, q, c);
}

const struct kc_point kc_point_conservation = {
	.name = "conservation",
	.used = entry_used,
	.stopped = queue_stopped,
	.quiet = quiet,
};

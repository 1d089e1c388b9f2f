/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 1, conservation: each offered chain is used exactly once before its head is offered again.
 *
 * An id that is not in flight, or not any more, is KC_RULE_USED_ID, on a malformed ring too: what
 * was never offered can never be completed. (An entry that holds what it held before is not
 * judged here but by point 5.)
 *
 * A chain that never comes back is judged where that is proved:
 * - when a queue was stopped and its base says that the chain was taken: VU-MSG-GETBASE-02;
 * - in sim, when nothing can run any more. A chain offered later came back: KC_RULE_USED_ID. A
 *   kick came after it was published: VU-RING-STATE-04, a started and enabled ring is processed.
 *   None came because the device had said that it wants none, or has rewritten since what it wants
 *   (it must then look again): KC_RULE_LOOK_AGAIN, with KC_RULE_USED_ID since the chain is lost
 *   whatever the reason. It lay in the ring at the start: VU-RING-START-03. A kick was due, for this
 *   chain or a later one, and the driver gave none: nothing is wrong with the device.
 */
#include <harness/oracle/watch.h>

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (u->chain || u->stale || u->late)
		return;
	q->lost.told = q->serial;	/* one accusation: what it stands for is not lost besides */
	if (u->again)
		kc_accuse(o, kc_rule_clause(KC_RULE_USED_ID, q->layout),
			  "queue %u: %s %u names %s %u, expected one in flight, and this one was used "
			  "already and not offered since", q->qi, q->layout->used_name, u->idx,
			  q->layout->id_name, u->id);
	else
		kc_accuse(o, kc_rule_clause(KC_RULE_USED_ID, q->layout),
			  "queue %u: %s %u names id %u (len %u), expected one of the %llu %ss in flight",
			  q->qi, q->layout->used_name, u->idx, u->id, u->len,
			  (unsigned long long)q->inflight, q->layout->id_name);
}

/* With base known, chains before it were taken by the device. */
static void queue_stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	const struct kc_watch_chain *c = q->first;
	char at[32];

	if (base < 0 || !c || !kc_watch_owes(o, q) || c->serial <= q->lost.told ||
	    o->grammar.acked & KC_BIT(KC_PF_GET_VRING_BASE_INFLIGHT))
		return;
	if (kc_watch_distance(q, c->pos, q->offered_pos) <
	    kc_watch_distance(q, q->layout->base_pos(q, (uint32_t)base), q->offered_pos) + c->slots)
		return;
	q->layout->say_pos(q, q->layout->base_pos(q, (uint32_t)base), at, sizeof(at));
	kc_accuse(o, "VU-MSG-GETBASE-02",
		  "queue %u: stopped with base %s, expected every chain before it to be used, and %s %u "
		  "(%s %u) is not", q->qi, at, q->layout->id_name, c->head, q->layout->place_name, c->idx);
}

static bool was_kicked(const struct kc_watch_queue *q, const struct kc_watch_chain *c)
{
	uint64_t from = c->kicks_before > q->lost.kicks_void ? c->kicks_before : q->lost.kicks_void;

	return q->kicks > from;
}

/* Has the device rewritten its wish since the chain was published? */
static bool wish_moved(const struct kc_watch_queue *q, const struct kc_watch_chain *c)
{
	struct kc_wish now = q->layout->kick_wish(q);

	return now.kind != c->asked.kind || now.pos != c->asked.pos;
}

/* A kick was due, for this chain or one behind it, and the device waits for it. */
static bool waits_for_kick(const struct kc_watch_queue *q, const struct kc_watch_chain *c)
{
	for (; c; c = c->next)
		if (c->kick_due && !wish_moved(q, c))
			return true;
	return false;
}

static void not_kicked(struct kc_oracle *o, struct kc_watch_queue *q,
		       const struct kc_watch_chain *c)
{
	char wish[96];

	if (c->at_start || c->serial <= q->lost.serial_void) {
		kc_accuse(o, "VU-RING-START-03",
			  "queue %u: %s %u (%s %u) was in the ring when it was started, expected it to be "
			  "used without a kick, and nothing can run any more",
			  q->qi, q->layout->id_name, c->head, q->layout->place_name, c->idx);
		return;
	}
	if (waits_for_kick(q, c))
		return;
	q->layout->say_kick_wish(c->asked, q, wish, sizeof(wish));
	kc_accuse(o, kc_rule_clause(KC_RULE_LOOK_AGAIN, q->layout),
		  "queue %u: %s %u (%s %u) was published while %s, which asks for no kick, expected "
		  "the device to look again before it sleeps, and nothing can run any more",
		  q->qi, q->layout->id_name, c->head, q->layout->place_name, c->idx, wish);
	kc_accuse(o, kc_rule_clause(KC_RULE_USED_ID, q->layout),
		  "queue %u: expected %s %u (%s %u) to be used once, and it never will be",
		  q->qi, q->layout->id_name, c->head, q->layout->place_name, c->idx);
}

static void quiet(struct kc_oracle *o, struct kc_watch_queue *q)
{
	const struct kc_watch_chain *c = q->first;

	if (o->cfg.mode != KC_MODE_SIM || !c || !kc_watch_owes(o, q) || c->serial <= q->lost.told)
		return;
	if (q->cfg.for_input)	/* nobody but a script knows whether there is anything for it */
		return;
	q->lost.told = q->serial;
	if (q->serial_used > c->serial)
		kc_accuse(o, kc_rule_clause(KC_RULE_USED_ID, q->layout),
			  "queue %u: expected %s %u (%s %u) to be used once, and it never will be, though "
			  "chains offered later were",
			  q->qi, q->layout->id_name, c->head, q->layout->place_name, c->idx);
	else if (was_kicked(q, c))
		kc_accuse(o, "VU-RING-STATE-04",
			  "queue %u: %s %u (%s %u) was published and kicked, expected it to be used, and "
			  "%llu are: nothing can run any more", q->qi, q->layout->id_name, c->head,
			  q->layout->place_name, c->idx, (unsigned long long)q->used);
	else
		not_kicked(o, q, c);
}

static const struct kc_point_clause clauses[] = {
	{ "VU-MSG-GETBASE-02", KC_IN_BOTH },
	{ "VU-RING-STATE-04", KC_IN_SIM },
	{ "VU-RING-START-03", KC_IN_SIM },
	{ NULL, 0 }
};

static const struct kc_point_rule rules[] = {
	{ KC_RULE_USED_ID, KC_IN_BOTH },
	{ KC_RULE_LOOK_AGAIN, KC_IN_SIM },
	{ KC_RULES, 0 }
};

const struct kc_point kc_point_conservation = {
	.name = "conservation",
	.clauses = clauses,
	.rules = rules,
	.used = entry_used,
	.stopped = queue_stopped,
	.quiet = quiet,
};

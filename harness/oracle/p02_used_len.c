/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 2, used.len: never above the writable bytes of the chain (KC_RULE_LEN_MAX), and the first
 * len of them really written (KC_RULE_LEN_WRITTEN).
 *
 * A byte that still holds what kickcall put there may have been rewritten with the same value, so
 * an untouched byte is a suspicion only: it is counted, and the first one described. The harness
 * confirms it by a second run with the complementary poison. More than len may have been written
 * (DEV-03).
 */
#include <inttypes.h>
#include <harness/oracle/watch.h>

static void suspect(struct kc_oracle *o, const struct kc_watch_queue *q,
		    const struct kc_watch_used *u, uint64_t n, uint64_t first)
{
	if (!o->trust.suspicions)
		snprintf(o->trust.first, sizeof(o->trust.first),
			 "queue %u: head %u was used with len %u, "
			 "expected the first %u writable bytes to be written, and %" PRIu64 " of "
			 "them, the first at gpa 0x%" PRIx64 ", hold what they held before",
			 q->qi, u->chain->head, u->len, u->len, n, first);
	o->trust.suspicions += n;
}

static void look_for_untouched(struct kc_oracle *o, const struct kc_watch_queue *q,
			       const struct kc_watch_used *u)
{
	uint64_t left = u->len, n = 0, first = 0;

	for (unsigned i = 0; left && i < u->chain->nspans; i++) {
		const struct kc_span *s = &u->chain->spans[i];
		uint64_t len = s->len < left ? s->len : left;
		uint64_t at = 0, here;

		if (s->kind != KC_SPAN_IN)
			continue;
		here = kc_shadow_untouched(&o->shadow, s->gpa, len, &at);
		if (here && !n)
			first = at;
		n += here;
		left -= len;
	}
	if (n)
		suspect(o, q, u, n, first);
}

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (!u->chain || u->chain->boundless)
		return;
	if (u->len > u->chain->writable)
		kc_accuse(o, kc_rule_clause(KC_RULE_LEN_MAX, q->layout),
			  "queue %u: head %u was used with len %u (used idx %u), expected "
			  "at most its %" PRIu64 " writable bytes",
			  q->qi, u->chain->head, u->len, u->idx, u->chain->writable);
	else if (!q->malformed && !q->by_hand)
		look_for_untouched(o, q, u);
}

static const struct kc_point_rule rules[] = {
	{ KC_RULE_LEN_MAX, KC_IN_BOTH },
	{ KC_RULE_LEN_WRITTEN, KC_IN_BOTH },	/* when both poisons look untouched: harness/run/runner.c */
	{ KC_RULES, 0 }
};

const struct kc_point kc_point_used_len = {
	.name = "used-len",
	.rules = rules,
	.used = entry_used,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 2, used.len: never above the writable bytes of the chain (KC_RULE_LEN_MAX), and the first
 * len of them really written (KC_RULE_LEN_WRITTEN). In order, one that has no entry of its own counts
 * as written completely (KC_RULE_SKIPPED_WRITTEN).
 *
 * A byte that still holds what kickcall put there may have been rewritten with the same value, so
 * an untouched byte is a suspicion only: it is counted, and the first one described. The harness
 * confirms it by a second run with the complementary poison, in which the very same chain must be suspect:
 * heads and buffers come back, and in a long run some byte of some chain looks unwritten by chance. More
 * than len may have been written (DEV-03).
 *
 * A packed ring's used descriptor says also whether anything was written (VQ-PACKED-WRITE-01). It was not
 * to say so of a buffer that cannot be written to, nor deny it where bytes have changed that nothing else
 * in flight lets the device write. (QEMU's own devices never set the flag, and drivers do without it. It is
 * a fail all the same: where WRITE is clear the length is reserved, 2.8.4.) In order, a descriptor speaks
 * for the last list of a batch, or for all of it: the former is not judged then.
 */
#include <inttypes.h>
#include <common/apart.h>
#include <harness/oracle/watch.h>

static KC_APART void suspect(struct kc_oracle *o, const struct kc_watch_queue *q,
		    const struct kc_watch_used *u, uint64_t n, uint64_t first)
{
	char how[64];

	o->trust.suspicions += n;
	if (o->trust.clause)
		return;
	if (u->skipped)
		snprintf(how, sizeof(how), "without an entry of its own");
	else
		snprintf(how, sizeof(how), "with len %u", u->len);
	o->trust.clause = kc_rule_clause(u->skipped ? KC_RULE_SKIPPED_WRITTEN : KC_RULE_LEN_WRITTEN,
					 q->layout);
	snprintf(o->trust.first, sizeof(o->trust.first),
		 "queue %u: %s %u was used %s, expected the first %u writable bytes to be written, and "
		 "%" PRIu64 " of them, the first at gpa 0x%" PRIx64 ", hold what they held before (of the "
		 "queue's chains it is number %" PRIu64 ")",
		 q->qi, q->layout->id_name, u->chain->head, how, u->len, n, first, u->chain->serial);
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

static uint64_t written(const struct kc_oracle *o, const struct kc_watch_chain *c, uint64_t *first)
{
	uint64_t n = 0, at = 0, here;

	for (unsigned i = 0; i < c->nspans; i++) {
		if (c->spans[i].kind != KC_SPAN_IN)
			continue;
		here = kc_shadow_written(&o->shadow, c->spans[i].gpa, c->spans[i].len, &at);
		*first = n ? *first : at;
		n += here;
	}
	return n;
}

static void check_write_flag(struct kc_oracle *o, const struct kc_watch_queue *q,
			     const struct kc_watch_used *u)
{
	uint64_t first = 0, n = u->says == KC_SAYS_UNTOUCHED ? written(o, u->chain, &first) : 0;

	if (n)
		kc_accuse(o, "VQ-PACKED-WRITE-01",
			  "queue %u: id %u was used in slot %u with WRITE clear, expected it to be set, "
			  "since %" PRIu64 " of its bytes were written, the first at gpa 0x%" PRIx64,
			  q->qi, u->id, u->idx, n, first);
	if (u->says == KC_SAYS_WRITTEN && !u->chain->writable && !q->cfg.in_order)
		kc_accuse(o, "VQ-PACKED-WRITE-01",
			  "queue %u: id %u was used in slot %u with WRITE set, expected it to be clear, "
			  "since nothing in its list is writable", q->qi, u->id, u->idx);
}

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (!u->chain || u->chain->boundless)
		return;
	if (!q->malformed)
		check_write_flag(o, q, u);
	if (u->len > u->chain->writable)
		kc_accuse(o, kc_rule_clause(KC_RULE_LEN_MAX, q->layout),
			  "queue %u: %s %u was used with len %u (%s %u), expected at most its %" PRIu64
			  " writable bytes", q->qi, q->layout->id_name, u->chain->head, u->len,
			  q->layout->used_name, u->idx, u->chain->writable);
	else if (!q->malformed && !q->by_hand)
		look_for_untouched(o, q, u);
}

static const struct kc_point_clause clauses[] = {
	{ "VQ-PACKED-WRITE-01", KC_IN_BOTH },
	{ NULL, 0 }
};

static const struct kc_point_rule rules[] = {
	{ KC_RULE_LEN_MAX, KC_IN_BOTH },
	/* When both poisons look untouched: harness/run/runner.c. */
	{ KC_RULE_LEN_WRITTEN, KC_IN_BOTH },
	{ KC_RULE_SKIPPED_WRITTEN, KC_IN_BOTH },
	{ KC_RULES, 0 }
};

const struct kc_point kc_point_used_len = {
	.name = "used-len",
	.clauses = clauses,
	.rules = rules,
	.used = entry_used,
};

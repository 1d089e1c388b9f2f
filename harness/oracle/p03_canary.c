/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 3, canaries: nothing changes but the writable buffers of chains in flight and the used
 * rings of started queues. (Rings are point 4's; what changes after a barrier is point 12's.)
 *
 * Each place has a rule of its own (rules.c): addr and len say where a buffer ends, and writes come
 * before a buffer is used. Anything else is VU-MEMACC-01, since some address was translated wrongly.
 */
#include <inttypes.h>
#include <harness/oracle/watch.h>

static const char *clause_of(const struct kc_place_of *p)
{
	switch (p->at) {
	case KC_AT_TABLE:
		return kc_rule_clause(KC_RULE_TABLE, p->q->layout);
	case KC_AT_READABLE:
		return kc_rule_clause(KC_RULE_READABLE, p->q->layout);
	case KC_AT_GUARD:
		return kc_rule_clause(KC_RULE_BESIDE, p->q->layout);
	case KC_AT_RETURNED:
		return kc_rule_clause(KC_RULE_RETURNED, p->q->layout);
	case KC_AT_OTHER:
		return "VU-MEMACC-01";
	default:
		return NULL;
	}
}

static void changed(struct kc_oracle *o, const struct kc_shadow_change *c,
		    const struct kc_place_of *p)
{
	const char *clause = clause_of(p);
	char since[32];

	if (!clause || o->silence.barrier)
		return;
	kc_accuse(o, clause,
		  "%" PRIu64 " bytes at gpa 0x%" PRIx64 " (%s) were changed by the device%s, the "
		  "first expected 0x%02x, actual 0x%02x",
		  c->len, c->gpa, p->text, kc_watch_since(o, p, since, sizeof(since)), c->expected,
		  c->actual);
}

static const struct kc_point_clause clauses[] = {
	{ "VU-MEMACC-01", KC_IN_BOTH },
	{ NULL, 0 }
};

static const struct kc_point_rule rules[] = {
	{ KC_RULE_TABLE, KC_IN_BOTH },
	{ KC_RULE_READABLE, KC_IN_BOTH },
	{ KC_RULE_BESIDE, KC_IN_BOTH },
	{ KC_RULE_RETURNED, KC_IN_BOTH },
	{ KC_RULES, 0 }
};

const struct kc_point kc_point_canary = {
	.name = "canary",
	.clauses = clauses,
	.rules = rules,
	.changed = changed,
};

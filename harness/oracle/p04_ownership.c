/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 4, who writes what: the device never writes the driver's area (KC_RULE_DRIVER_AREA), nor
 * beyond the end of its own (KC_RULE_DEVICE_AREA_END), nor descriptors (KC_RULE_DESC_AREA), but in a
 * packed ring one where it uses a buffer, which the books take over as they read it.
 */
#include <inttypes.h>
#include <harness/oracle/watch.h>

static const char *clause_of(const struct kc_place_of *p)
{
	switch (p->at) {
	case KC_AT_DESC:
		return kc_rule_clause(KC_RULE_DESC_AREA, p->q->layout);
	case KC_AT_AVAIL:
		return kc_rule_clause(KC_RULE_DRIVER_AREA, p->q->layout);
	case KC_AT_USED_END:
		return kc_rule_clause(KC_RULE_DEVICE_AREA_END, p->q->layout);
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
		  "%" PRIu64 " bytes at gpa 0x%" PRIx64 " (%s) were changed by the device%s, which "
		  "may not write there; the first expected 0x%02x, actual 0x%02x",
		  c->len, c->gpa, p->text, kc_watch_since(o, p, since, sizeof(since)), c->expected,
		  c->actual);
}

static const struct kc_point_rule rules[] = {
	{ KC_RULE_DESC_AREA, KC_IN_BOTH },
	{ KC_RULE_DRIVER_AREA, KC_IN_BOTH },
	{ KC_RULE_DEVICE_AREA_END, KC_IN_BOTH },
	{ KC_RULES, 0 }
};

const struct kc_point kc_point_ownership = {
	.name = "ownership",
	.rules = rules,
	.changed = changed,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 4, who writes what: the device never writes the descriptor table (VQ-SPLIT-DESC-DEV-03),
 * nor the available ring with its used_event (VQ-SPLIT-AVAIL-01: it is the driver's), nor beyond
 * the end of the used ring (VQ-SPLIT-USED-01).
 */
#include <inttypes.h>
#include <harness/oracle/watch.h>

static const char *clause_of(enum kc_at at)
{
	switch (at) {
	case KC_AT_DESC:
		return "VQ-SPLIT-DESC-DEV-03";
	case KC_AT_AVAIL:
		return "VQ-SPLIT-AVAIL-01";
	case KC_AT_USED_END:
		return "VQ-SPLIT-USED-01";
	default:
		return NULL;
	}
}

static void changed(struct kc_oracle *o, const struct kc_shadow_change *c,
		    const struct kc_place_of *p)
{
	const char *clause = clause_of(p->at);

	if (!clause || o->silence.barrier)
		return;
	kc_accuse(o, clause,
		  "%" PRIu64 " bytes at gpa 0x%" PRIx64 " (%s) were changed by the device, which "
		  "may not write there; the first expected 0x%02x, actual 0x%02x",
		  c->len, c->gpa, p->text, c->expected, c->actual);
}

const struct kc_point kc_point_ownership = {
	.name = "ownership",
	.changed = changed,
};

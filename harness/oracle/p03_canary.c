/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 3, canaries: nothing changes but the writable buffers of chains in flight and the used
 * rings of started queues. (Rings are point 4's; what changes after a barrier is point 12's.)
 *
 * Clauses: a readable buffer VQ-SPLIT-DESC-DEV-01; an indirect table VQ-SPLIT-DESC-DEV-03; the
 * bytes beside a buffer VQ-SPLIT-DESC-01, since addr and len say where a buffer ends; a buffer
 * after it was used VQ-SPLIT-USED-DEV-02, since writes come before the used idx moves; anything
 * else VU-MEMACC-01, since some address was translated wrongly.
 */
#include <inttypes.h>
#include <harness/oracle/watch.h>

static const char *const clauses[] = {
	[KC_AT_TABLE] = "VQ-SPLIT-DESC-DEV-03",
	[KC_AT_READABLE] = "VQ-SPLIT-DESC-DEV-01",
	[KC_AT_GUARD] = "VQ-SPLIT-DESC-01",
	[KC_AT_RETURNED] = "VQ-SPLIT-USED-DEV-02",
	[KC_AT_OTHER] = "VU-MEMACC-01",
};

static void changed(struct kc_oracle *o, const struct kc_shadow_change *c,
		    const struct kc_place_of *p)
{
	const char *clause = p->at < sizeof(clauses) / sizeof(clauses[0]) ? clauses[p->at] : NULL;

	if (!clause || o->silence.barrier)
		return;
	kc_accuse(o, clause,
		  "%" PRIu64 " bytes at gpa 0x%" PRIx64 " (%s) were changed by the device, the "
		  "first expected 0x%02x, actual 0x%02x",
		  c->len, c->gpa, p->text, c->expected, c->actual);
}

const struct kc_point kc_point_canary = {
	.name = "canary",
	.changed = changed,
};

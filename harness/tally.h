/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_TALLY_H
#define HARNESS_TALLY_H

#include <harness/run/suite.h>

/*
 * Where a clause stands: is it tested, by whom and in which modes; is it waived; or is it open?
 *
 * It is tested if a scenario names it, in its header or in brackets behind an expectation, or if a
 * point of the oracle or a device's port accuses by it, which they do in every scenario.
 */
enum kc_standing { KC_TESTED, KC_WAIVED, KC_OPEN, KC_STANDINGS };

extern const char *const kc_standing_names[KC_STANDINGS];	/* "tested", "waived", "open" */

struct kc_tally {
	enum kc_standing standing;
	bool in_sim, in_live;		/* tested in that mode */
	/* Ids of scenarios, "oracle:POINT" and "port:DEVICE". Owned, and so is each of them. */
	char **by;
	unsigned nby;
};

struct kc_clause;

/* Reads where that clause stands, with these scenarios. -ENOMEM, or 0; fini is right after both. */
int kc_tally_init(struct kc_tally *t, const struct kc_clause *c, const struct kc_suite *suite);
void kc_tally_fini(struct kc_tally *t);

#endif

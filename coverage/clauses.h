/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COVERAGE_CLAUSES_H
#define COVERAGE_CLAUSES_H

#include <stdbool.h>

/*
 * The clause catalogue: what VIRTIO, the vhost-user document and the kernel's vhost interface demand,
 * one row per rule (coverage/clauses.tsv with coverage/waivers.tsv, compiled in).
 */
enum kc_judge {
	KC_JUDGE_FAIL,		/* breaking it fails a test (MUST) */
	KC_JUDGE_WARN,		/* breaking it warns (SHOULD, or inferred from the text) */
	KC_JUDGE_NEVER,		/* MAY: nothing can break it */
};

struct kc_clause {
	const char *id;		/* "VQ-SPLIT-UNS-DEV-05" */
	const char *source;	/* "virtio-1.3", "vhost-user", ... */
	const char *section;
	const char *role;	/* "device", "driver", "both", "back-end", "front-end" */
	const char *level;	/* as the text says: "MUST", "SHOULD NOT", "protocol", ... */
	const char *area;	/* "ring-split", "notification", ... */
	const char *statement;
	const char *observable;	/* how a violation shows at the back-end's edge */
	const char *needs;	/* features, or "-" */
	enum kc_judge judge;
	bool held;		/* a back-end can be held to it: its duty, and it shows at its edge */
	bool waived;		/* nothing tests it, and reason says why that is right */
	const char *reason;	/* of a waiver; else what a test of it waits for, or "" */
};

extern const struct kc_clause kc_clauses[];	/* sorted by id */
extern const unsigned kc_nclauses;
const struct kc_clause *kc_clause_by_id(const char *id);	/* NULL if unknown */

#endif

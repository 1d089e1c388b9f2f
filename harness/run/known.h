/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_KNOWN_H
#define HARNESS_RUN_KNOWN_H

#include <kickcall/err.h>

/*
 * Expectation files: which tests are known to fail against a back-end, and why. One entry a line;
 * `#` begins a comment line:
 *
 *   TEST-ID [VARIANT] | REASON | FINDING
 *   blk/get-id/cut-status [size=4,*] | writes the status twice | docs/FINDINGS.md#qsd-3
 *
 * TEST-ID is exact. VARIANT stands in brackets as in reports and is a shell pattern (fnmatch(3))
 * for the whole variant; without it every variant is meant, and `[]` means the test without variants.
 * FINDING is where the evidence is written down: FILE#ANCHOR.
 */
struct kc_known_entry {
	char *id;
	char *variant;			/* pattern; NULL: any */
	char *reason;
	char *finding;
	unsigned line;
};

struct kc_known {
	struct kc_known_entry *entries;
	unsigned nentries;
};

/* 0; -errno, or -EINVAL with "file:line: ..." in err (*k is then empty). Two entries for the same
 * test and pattern are an error. */
int kc_known_load(struct kc_known *k, const char *path, struct kc_err *err);
void kc_known_fini(struct kc_known *k);
/* The first entry for that test and variant (NULL is ""), or NULL. Lives as long as k. */
const struct kc_known_entry *kc_known_match(const struct kc_known *k, const char *id,
					    const char *variant);

#endif

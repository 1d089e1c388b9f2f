/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_SUITE_H
#define HARNESS_RUN_SUITE_H

#include <harness/language/script.h>
#include <harness/run/options.h>

/* The tests of a run: scenario files found, parsed once per variant, and selected. */
struct kc_suite {
	struct kc_script **tests;	/* owned, in order of id and variant */
	unsigned ntests;
};

/* Folder that holds the scenarios: $KICKCALL_SCENARIOS, ./scenarios, or beside the program. */
const char *kc_suite_root(const char *program, char *buf, size_t cap);
/* paths NULL: the whole root. A file that --select or --except rules out by its name is not read. One that
 * does not parse is an error (its place in err), and so is a selection that fits no test. Tests that
 * need `long` belong to it only where one of --select is their whole id; `run` and `list` have them. */
int kc_suite_load(struct kc_suite *s, const struct kc_options *o, char *const *paths, unsigned npaths,
		  const char *device, struct kc_err *err);
void kc_suite_free(struct kc_suite *s);

/* One of the project's folders ("scenarios", "profiles"): $KICKCALL_<NAME>, ./NAME, or ../NAME beside
 * the program. */
const char *kc_find_folder(const char *program, const char *name, char *buf, size_t cap);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_ATTEMPTS_H
#define HARNESS_RUN_ATTEMPTS_H

#include <stdbool.h>
#include <harness/report/result.h>

/*
 * What to make of a test that is run more than once: against a process that others have used, and a fresh
 * one; with a poison in its buffers, and with that poison's complement.
 */

/* The shared process seemed to break what a fresh one does not, or not as badly. */
bool kc_attempt_is_milder(const struct kc_result *fresh, const struct kc_result *first);
/* Makes the fresh result, a milder one, inconclusive. history: what the process had served, or NULL. */
void kc_attempt_only_in_sequence(struct kc_result *fresh, const struct kc_result *first, const char *history);

/* Clauses whose warnings a fresh process gives as well: the shared one has done nothing there that a fresh one
 * would not do. All zero at first. */
#define KC_CONFIRMED_MAX	32u
struct kc_confirmed {
	struct {
		char clause[48];
		unsigned n;
	} row[KC_CONFIRMED_MAX];
};
/* A fresh process gave these warnings. */
void kc_attempt_confirm(struct kc_confirmed *c, const struct kc_result *fresh);
/* Is each of the result's warnings one that fresh processes have given three times? */
bool kc_attempt_is_confirmed(const struct kc_confirmed *c, const struct kc_result *res);

/* Times that the poison is turned into its complement: a byte that is random passes for unwritten in all
 * four attempts in one of 2^32 tests. */
#define KC_FLIPS	3u
/* Is another attempt wanted, after so many flips? before: the attempt before this one; NULL after none. */
bool kc_attempt_wants_flip(const struct kc_result *res, const struct kc_result *before, unsigned flips);
/* After the last one: makes it a failure if it suspects the same bytes as the one before. */
void kc_attempt_unwritten(struct kc_result *res, const struct kc_result *before);

#endif

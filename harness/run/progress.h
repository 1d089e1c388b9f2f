/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_PROGRESS_H
#define HARNESS_RUN_PROGRESS_H

#include <stdbool.h>
#include <harness/report/result.h>

/* Progress on stderr: one line that updates on a terminal, plain lines elsewhere. */
struct kc_progress {
	unsigned total, done;
	unsigned counts[KC_VERDICTS];
	bool terminal, colour, verbose;
};

void kc_progress_init(struct kc_progress *p, unsigned total, bool verbose);
void kc_progress_done(struct kc_progress *p, const struct kc_result *r);
void kc_progress_end(struct kc_progress *p);
/* May stream be coloured? It is a terminal and NO_COLOR is not set. */
bool kc_may_colour(FILE *stream);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_WORKER_H
#define HARNESS_RUN_WORKER_H

#include <harness/run/suite.h>
#include <harness/run/target.h>

/* Shared between a worker and its parent. */
struct kc_worker_page {
	volatile int inside;		/* the in-process back-end's own code runs */
	volatile unsigned line;		/* script line */
};

struct kc_worker_job {
	const struct kc_target *target;
	const struct kc_options *options;
	struct kc_script *test;
	const char *dir;		/* scratch */
	struct kc_backend *shared;	/* the parent's running process, or NULL: start one */
	bool poison_flip;
	bool spins_told;		/* of this back-end, often enough */
	const char *trace_path;		/* JSON lines go there, or NULL */
	struct kc_worker_page *page;
};

/* Runs the test in this process and writes the result as JSON to out_fd. */
void kc_worker_run(const struct kc_worker_job *job, int out_fd);

#endif

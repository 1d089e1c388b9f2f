/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_RUNNER_H
#define HARNESS_RUN_RUNNER_H

#include <harness/report/result.h>
#include <harness/run/suite.h>
#include <harness/run/target.h>

/*
 * Runs a suite: tests in forked workers, deadlines, one back-end process shared among tests that do
 * it no harm, a second look before anyone is accused, and a report that is whole even after Ctrl-C.
 * 0; -ECHILD when the back-end never came up (err says why); -errno for kickcall's own trouble.
 * rep's results are the caller's to kc_report_fini.
 */
int kc_runner_run(const struct kc_options *o, const struct kc_target *t, const struct kc_suite *suite,
		  struct kc_report *rep, struct kc_err *err);
void kc_report_fini(struct kc_report *rep);

#endif

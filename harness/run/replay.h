/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_REPLAY_H
#define HARNESS_RUN_REPLAY_H

#include <harness/language/script.h>
#include <harness/run/options.h>

/* A shell command that runs this one test again, as it was run: to be pasted unchanged. malloc'ed. */
char *kc_replay_command(const struct kc_options *o, const struct kc_script *t);

#endif

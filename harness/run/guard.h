/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_GUARD_H
#define HARNESS_RUN_GUARD_H

#include <kickcall/backend.h>

/*
 * A back-end in this process can crash or hang this process. The guard wraps its operations, so that
 * *inside is 1 whenever the back-end's own code runs; it lives in memory shared with the parent, which
 * then knows whom to blame.
 */
void kc_guard(struct kc_backend *be, volatile int *inside);

#endif

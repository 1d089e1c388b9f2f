/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_SCRATCH_H
#define HARNESS_RUN_SCRATCH_H

#include <stddef.h>
#include <kickcall/err.h>

/* A new private directory below $TMPDIR, else /tmp: its path to buf. 0 or -errno. */
int kc_make_scratch(char *buf, size_t cap, struct kc_err *err);
/* Removes a directory with all that is in it; what is not there is no error. */
void kc_remove_tree(const char *path);

#endif

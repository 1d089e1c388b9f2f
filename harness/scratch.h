/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_SCRATCH_H
#define HARNESS_SCRATCH_H

/* Removes a directory with all that is in it; what is not there is no error. */
void kc_remove_tree(const char *path);

#endif

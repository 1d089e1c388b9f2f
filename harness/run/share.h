/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_SHARE_H
#define HARNESS_RUN_SHARE_H

#include <kickcall/err.h>

/* Makes dir/name, the shared directory of a file system device, with what stands in kickcall/storage.h;
 * what is there already is made anew. 0, or -errno with err. */
int kc_share_make(const char *dir, const char *name, struct kc_err *err);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_SHOW_H
#define HARNESS_SHOW_H

#include <harness/run/options.h>

/* `kickcall list` and `kickcall explain`: exit statuses. */
int kc_show_list(const struct kc_options *o);
int kc_show_explain(const struct kc_options *o);

#endif

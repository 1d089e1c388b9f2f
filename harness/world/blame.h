/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_WORLD_BLAME_H
#define HARNESS_WORLD_BLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <kickcall/backend.h>

/* What became of a back-end whose connection is gone. */
enum kc_fate { KC_FATE_ALIVE, KC_FATE_CLOSED, KC_FATE_EXIT_OK, KC_FATE_EXIT_ERROR, KC_FATE_KILLED };

/* Looks at the process, if it is known; gives it a moment to end if it has closed the connection. polls: some
 * of its threads spin by design. */
enum kc_fate kc_blame_fate(struct kc_backend *be, bool polls, int *status);
/* One phrase: "it closed the connection", "it died of SIGSEGV; stderr ends: ..." */
void kc_blame_describe(struct kc_backend *be, bool polls, char *buf, size_t cap);

#endif

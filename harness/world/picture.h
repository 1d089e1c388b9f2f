/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_WORLD_PICTURE_H
#define HARNESS_WORLD_PICTURE_H

struct kc_world;

/* Fills result->detail: the script's line, rings in text, the decoded transcript, the last events,
 * and the end of the peer's stderr. */
void kc_picture_failure(struct kc_world *w);

#endif

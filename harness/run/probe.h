/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_PROBE_H
#define HARNESS_RUN_PROBE_H

#include <stdio.h>
#include <harness/run/target.h>

/* What a back-end says of itself when asked, and nothing else is done to it. */
struct kc_probe {
	uint64_t features, protocol_features, queues;	/* queues 0: it was not asked or has no answer */
	uint64_t mem_slots;				/* 0: likewise */
	uint8_t config[KC_VU_CONFIG_MAX];
	unsigned config_len;
};

/* Opens, asks, closes. 0; -ECHILD and others of open; -EBADMSG for an answer that makes no sense (*p holds
 * what was learnt before it); -EPROTO for none. */
int kc_probe(struct kc_backend *be, const struct kc_target *t, struct kc_probe *p, struct kc_err *err);
/* json: one object; else text for people. */
void kc_probe_print(const struct kc_probe *p, const struct kc_target *t, bool json, FILE *out);

#endif

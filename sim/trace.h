/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The event log of one scenario: who did what, where, with which value. Values are guest-physical
 * addresses, indices and names; never pointers, process ids or descriptor numbers, so that in sim
 * mode the same seed gives the same bytes.
 */
enum kc_actor { KC_ACTOR_DRIVER, KC_ACTOR_VCPU, KC_ACTOR_KVM, KC_ACTOR_VMM, KC_ACTOR_BACKEND,
		KC_ACTOR_ORACLE, KC_ACTOR_SCRIPT };
const char *kc_actor_name(enum kc_actor a);

#define KC_TRACE_KEPT	64	/* events kept for the picture in a failure report */

struct kc_trace_event {
	int64_t time_ns;
	unsigned step;			/* script line */
	enum kc_actor actor;
	const char *op;			/* a literal: not copied */
	char place[48];
	uint64_t value;
	char text[160];			/* instead of value, if not empty */
};

struct kc_trace {
	const char *test;		/* id, borrowed */
	FILE *file;			/* JSON lines, or NULL; borrowed */
	int64_t (*now)(void *ctx);
	void *now_ctx;
	unsigned step;			/* current script line */
	uint64_t count;
	struct kc_trace_event kept[KC_TRACE_KEPT];	/* at count % KC_TRACE_KEPT */
};

/* op lives as long as t; place is printf-formatted. t may be NULL. */
void kc_trace_value(struct kc_trace *t, enum kc_actor actor, const char *op, uint64_t value,
		    const char *place, ...) __attribute__((format(printf, 5, 6)));
void kc_trace_text(struct kc_trace *t, enum kc_actor actor, const char *op, const char *text,
		   const char *place, ...) __attribute__((format(printf, 5, 6)));

#endif

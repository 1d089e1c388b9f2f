/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_WORLD_ECONOMY_H
#define HARNESS_WORLD_ECONOMY_H

#include <sys/types.h>
#include <harness/oracle/oracle.h>
#include <harness/report/metrics.h>
#include <sim/sched.h>

/*
 * Counts what requests cost: kicks, calls, time, and a peer's CPU. It hears what the oracle hears and
 * what its books say, judges nothing, and changes nothing. What it has counted is in `out`, at any time.
 */
#define KC_URGENT_MAX	16u

struct kc_economy {
	struct kc_metrics *out;		/* borrowed */
	const struct kc_sched *clock;	/* borrowed */
	/* Requests that are watched on their way: */
	struct {
		unsigned qi;
		uint16_t head;
		bool published;
		uint64_t used_before;
		int64_t since_ns;
	} urgent[KC_URGENT_MAX];
	unsigned nurgent;
	uint64_t added_up[KC_METRICS_QUEUES];	/* calls, as last told */
	/* The session's process: */
	pid_t pid;			/* 0: none, or not known */
	uint64_t cpu_ns, switches;	/* at its start */
	uint64_t used;			/* in all sessions before */
};

/* For kc_oracle_config; ctx is the economy. */
extern const struct kc_oracle_listener kc_economy_listener;

void kc_economy_init(struct kc_economy *e, struct kc_metrics *out, const struct kc_sched *clock);
/* The driver is about to kick; unread: the kick eventfd still holds an earlier one. */
void kc_economy_kicked(struct kc_economy *e, unsigned qi, bool unread);
void kc_economy_kick_suppressed(struct kc_economy *e, unsigned qi);
/* In all, so many signals were read from the queue's call eventfds together with another one. */
void kc_economy_calls_added_up(struct kc_economy *e, unsigned qi, uint64_t in_all);
/* The request that was added under this head, and will be published next, is urgent: what it waits for
 * goes into the metrics when it comes back. -ENOSPC: enough are on their way. */
int kc_economy_urgent(struct kc_economy *e, unsigned qi, uint16_t head);
/* How many urgent requests are on their way. */
unsigned kc_economy_urgent_left(const struct kc_economy *e, unsigned qi);
/* The queue is given up: what was urgent there does not come back. */
void kc_economy_forget_queue(struct kc_economy *e, unsigned qi);
/* A session begins with a process that is known, or ends (before the process does, if kickcall ends it). */
void kc_economy_session_start(struct kc_economy *e, pid_t pid);
void kc_economy_session_end(struct kc_economy *e);

#endif

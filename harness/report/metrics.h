/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_REPORT_METRICS_H
#define HARNESS_REPORT_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include <harness/report/histogram.h>
#include <kickcall/err.h>

/*
 * What requests cost in notifications and in time. Numbers, no verdicts: nothing is right or wrong here.
 * One of a test is made by harness/world/economy.c; those of a run add up.
 */
#define KC_METRICS_QUEUES	64u
#define KC_METRICS_WAITS	64u	/* of one test; more are not kept */

struct kc_queue_metrics {
	uint64_t published;		/* requests */
	uint64_t used;			/* requests that came back */
	/* Kicks by the driver; the one that follows SET_VRING_KICK does not count. */
	uint64_t kicks;			/* sent */
	uint64_t kicks_suppressed;	/* not sent: the device did not want one */
	uint64_t kicks_added_up;	/* of those sent: the eventfd still held an unread one */
	/* Calls by the device. */
	uint64_t calls;			/* signals that came */
	uint64_t calls_suppressed;	/* used buffers for which the driver wanted none */
	uint64_t calls_added_up;	/* of those that came: read together with another one */
	uint64_t calls_spurious;	/* of those that came: no used buffer gave cause */
	struct kc_histogram latency;	/* ns from published to used */
};

/* What an urgent request waited for. */
struct kc_wait {
	unsigned queue;
	uint64_t requests;		/* that were used while it waited */
	int64_t ns;
};

/* Of a peer's process, in all sessions of all threads. */
struct kc_peer_metrics {
	bool known;
	uint64_t cpu_ns, switches;
	uint64_t requests;		/* used meanwhile */
};

struct kc_metrics {
	struct kc_queue_metrics *queues[KC_METRICS_QUEUES];	/* owned; NULL: nothing happened there */
	struct kc_wait *waits;		/* owned */
	unsigned nwaits;
	struct kc_peer_metrics peer;
};

void kc_metrics_fini(struct kc_metrics *m);	/* all zero then */
/* The queue's numbers, made if need be; NULL if there is no such queue, or no memory. */
struct kc_queue_metrics *kc_metrics_queue(struct kc_metrics *m, unsigned qi);
/* 0, -ENOMEM, -ENOSPC */
int kc_metrics_add_wait(struct kc_metrics *m, const struct kc_wait *w);
/* 0 or -ENOMEM. A peer's process counts only in tests that used requests. */
int kc_metrics_merge(struct kc_metrics *to, const struct kc_metrics *from);

uint64_t kc_metrics_used(const struct kc_metrics *m);	/* on all queues */
/* Used buffers whose call came together with that of another one, which stood for both. */
uint64_t kc_metrics_calls_coalesced(const struct kc_queue_metrics *q);
/* What woke the other side: signals less those that were added up. */
uint64_t kc_metrics_device_wakeups(const struct kc_queue_metrics *q);
uint64_t kc_metrics_driver_wakeups(const struct kc_queue_metrics *q);

/* One test, below its line in the report: a line for each queue and each urgent request. */
void kc_metrics_text(const struct kc_metrics *m, FILE *out);
/* A run, as a table: what it costs per queue, and a peer's process. Is there anything to show? */
bool kc_metrics_table(const struct kc_metrics *m, bool virtual_time, FILE *out);
/* For the JSON report: derived numbers, no histogram. A new reference, or NULL (no memory). */
json_t *kc_metrics_to_json(const struct kc_metrics *m);
/* From a worker to its parent, complete. As kc_result_to_json and kc_result_from_json. */
json_t *kc_metrics_pack(const struct kc_metrics *m);
int kc_metrics_unpack(struct kc_metrics *m, const json_t *j, struct kc_err *err);

/* "850 ns", "3.0 us", "12 us", "2.1 ms", "1.3 s" */
void kc_say_ns(int64_t ns, char *buf, size_t cap);

#endif

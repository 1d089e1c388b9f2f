/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <backend/adapters.h>
#include <guest_model/driver.h>
#include <guest_model/split.h>
#include <sim/mem.h>
#include <sim/sched.h>
#include <sim/vmm.h>

/*
 * What the benchmarks share: a loopback device on one started queue, and the way to measure.
 *
 * Each entry is a value and a reference measured in the same program. Rounds of both alternate, and
 * the medians are reported: what else the machine does meets both alike.
 */
#define BENCH_ROUNDS	15
#define BENCH_QUEUE	256u	/* descriptors */

static inline void __attribute__((noreturn)) bench_die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

static inline double bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static inline int bench_by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double bench_median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), bench_by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

struct bench_entry {
	const char *name, *unit, *reference;
	double (*measure)(void *ctx);		/* one round */
	double (*measure_reference)(void *ctx);
	void *ctx;
};

/* Measures, and prints one JSON object in a line. */
static inline void bench_run(const struct bench_entry *e)
{
	double value[BENCH_ROUNDS], reference[BENCH_ROUNDS];

	e->measure(e->ctx);			/* warms caches and code */
	e->measure_reference(e->ctx);
	for (unsigned i = 0; i < BENCH_ROUNDS; i++) {
		value[i] = e->measure(e->ctx);
		reference[i] = e->measure_reference(e->ctx);
	}
	printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"reference\": \"%s\", "
	       "\"reference_value\": %.6g}\n", e->name, bench_median(value, BENCH_ROUNDS), e->unit,
	       e->reference, bench_median(reference, BENCH_ROUNDS));
	fflush(stdout);
}

/* fn in a process of its own, which dies with this one. */
static inline pid_t bench_fork(void (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork", "no process");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn(arg);
	_exit(0);
}

static inline void bench_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- A queue ------------------------------------------------------------------------------------ */

struct bench_queue {
	struct kc_mem mem;
	struct kc_sched *sched;
	struct kc_backend *be;
	struct kc_vmm vmm;
	struct kc_split ring;
	uint64_t out, in;			/* gpa of a buffer for each request, `stride` apart */
	uint32_t bytes, stride;
	int64_t left;				/* in flight */
};

static inline uint64_t bench_alloc(struct bench_queue *q, uint64_t len)
{
	uint64_t gpa;

	if (kc_mem_alloc(&q->mem, len, 64, KC_PLACE_ANY, &gpa))
		bench_die("guest memory", "full");
	return gpa;
}

static inline void bench_check(struct bench_queue *q, enum kc_outcome o, const char *what)
{
	if (o != KC_OUT_OK)
		bench_die(what, q->vmm.err.msg);
}

static inline void bench_start_queue(struct bench_queue *q)
{
	struct kc_queue_config c = { .size = BENCH_QUEUE };
	struct kc_split_config sc = { .size = BENCH_QUEUE };

	c.desc = sc.desc = bench_alloc(q, kc_desc_bytes(BENCH_QUEUE));
	c.avail = sc.avail = bench_alloc(q, kc_avail_bytes(BENCH_QUEUE));
	c.used = sc.used = bench_alloc(q, kc_used_bytes(BENCH_QUEUE));
	if (kc_split_init(&q->ring, &q->mem, &sc))
		bench_die("ring", "cannot be made");
	bench_check(q, kc_vmm_queue_start(&q->vmm, 0, &c), "starting the queue");
}

/* The reference as a loopback device: in another process with real eventfds (live), or in this one.
 * Each request has `bytes` to read and as many to write. */
static inline void bench_open(struct bench_queue *q, bool live, uint32_t bytes)
{
	const struct kc_ref_config config = { .device = "loopback", .queues = 1 };
	struct kc_err err = { "" };

	memset(q, 0, sizeof(*q));
	q->be = live ? kc_backend_new_forked(&config, &err) : kc_backend_new_inproc(&config, &err);
	q->sched = kc_sched_new(live ? KC_MODE_LIVE : KC_MODE_SIM, 1);
	if (!q->be || !q->sched ||
	    kc_mem_init(&q->mem, kc_mem_default_layout, KC_MEM_LAYOUT_ROWS, &err) ||
	    kc_vmm_init(&q->vmm, &q->mem, q->sched, q->be, NULL))
		bench_die("setting up", err.msg);
	bench_check(q, kc_vmm_connect(&q->vmm), "connecting");
	/* Plain rings: no indirect tables, no event index. */
	bench_check(q, kc_driver_init_device(&q->vmm, KC_BIT(32), &kc_port_loopback, &err),
		    "negotiating");
	bench_check(q, kc_vmm_set_mem_table(&q->vmm), "SET_MEM_TABLE");
	bench_start_queue(q);
	bench_check(q, kc_driver_ok(&q->vmm), "DRIVER_OK");
	q->bytes = bytes;
	q->stride = (bytes + 63) & ~63u;
	q->out = bench_alloc(q, (uint64_t)q->stride * BENCH_QUEUE / 2);
	q->in = bench_alloc(q, (uint64_t)q->stride * BENCH_QUEUE / 2);
}

static inline void bench_close(struct bench_queue *q)
{
	kc_vmm_disconnect(&q->vmm);
	kc_split_fini(&q->ring);
	kc_vmm_fini(&q->vmm);
	kc_backend_free(q->be);
	kc_mem_fini(&q->mem);
	kc_sched_free(q->sched);
}

/* Adds n requests (n <= half the ring) and publishes them. */
static inline void bench_offer(struct bench_queue *q, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct kc_seg segs[2] = {
			{ .gpa = q->out + (uint64_t)i * q->stride, .len = q->bytes },
			{ .gpa = q->in + (uint64_t)i * q->stride, .len = q->bytes, .write = true },
		};
		struct kc_chain chain = { .segs = segs, .nsegs = 2 };
		uint16_t head;

		if (kc_split_add(&q->ring, &chain, q, &head))
			bench_die("adding a request", "the ring is full");
	}
	kc_split_publish(&q->ring);
	q->left += n;
}

/* Takes back what is used, and sees that it was done. */
static inline unsigned bench_reap(struct bench_queue *q)
{
	struct kc_used u;
	unsigned n = 0;

	while (kc_split_reap(&q->ring, &u) == 1) {
		if (u.len != q->bytes)
			bench_die("loopback", "a request came back with another length");
		n++;
	}
	q->left -= n;
	return n;
}

#endif

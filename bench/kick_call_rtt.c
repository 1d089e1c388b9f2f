/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request at a time: kick, the reference back-end in another process wakes, copies 64 bytes,
 * signals the call, and the driver, asleep until then, takes the request back. Against it the least
 * that two processes can do with two eventfds: one writes and sleeps, the other wakes and writes.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <bench/bench.h>

#define TRIPS	1000

struct pair {
	int there, back;
};

static struct bench_queue queue;
static struct pair pair;

static double kick_to_call(void *ctx)
{
	struct bench_queue *q = ctx;
	struct pollfd call = { .fd = kc_evfd_fd(q->vmm.q[0].call), .events = POLLIN };
	double begin = bench_now_ns();

	for (unsigned i = 0; i < TRIPS; i++) {
		uint64_t n;

		bench_offer(q, 1);
		kc_vmm_notify(&q->vmm, 0, 0);
		while (q->left) {
			if (poll(&call, 1, 5000) != 1)
				bench_die("call", "none came within 5 s");
			kc_evfd_read(q->vmm.q[0].call, &n);
			bench_reap(q);
		}
	}
	return (bench_now_ns() - begin) / TRIPS;
}

static void echo(void *arg)
{
	struct pair *p = arg;
	uint64_t n;

	while (read(p->there, &n, sizeof(n)) == sizeof(n))
		if (write(p->back, &n, sizeof(n)) != sizeof(n))
			break;
}

static double ping_pong(void *ctx)
{
	uint64_t n = 1;
	double begin = bench_now_ns();

	(void)ctx;
	for (unsigned i = 0; i < TRIPS; i++)
		if (write(pair.there, &n, sizeof(n)) != sizeof(n) ||
		    read(pair.back, &n, sizeof(n)) != sizeof(n))
			bench_die("eventfd", "the other end is gone");
	return (bench_now_ns() - begin) / TRIPS;
}

int main(void)
{
	struct bench_entry entry = {
		.name = "kick_call_rtt", .unit = "ns", .reference = "eventfd ping-pong",
		.measure = kick_to_call, .measure_reference = ping_pong, .ctx = &queue,
	};
	pid_t pid;

	bench_open(&queue, true, 64);
	pair = (struct pair){ eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	pid = bench_fork(echo, &pair);
	bench_run(&entry);
	bench_end(pid);
	bench_close(&queue);
	return 0;
}

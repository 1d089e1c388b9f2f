/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vhost-user request and its reply, encoded, sent, answered by the reference in another process,
 * received and decoded. Against it the same number of bytes bounced over a bare socket pair.
 */
#include <sys/socket.h>
#include <bench/bench.h>

#define TRIPS		1000
#define REQUEST_BYTES	12
#define REPLY_BYTES	20

static struct bench_queue queue;
static int ends[2];

static double get_features(void *ctx)
{
	struct bench_queue *q = ctx;
	double begin = bench_now_ns();

	for (unsigned i = 0; i < TRIPS; i++) {
		struct kc_msg m, reply;

		kc_msg_init(&m, KC_VU_GET_FEATURES);
		if (kc_backend_exchange(q->be, &m, &reply, NULL) != KC_OUT_OK)
			bench_die("GET_FEATURES", "no answer");
		kc_msg_fini(&reply);
	}
	return (bench_now_ns() - begin) / TRIPS;
}

static void echo(void *arg)
{
	char buf[REPLY_BYTES] = "";

	(void)arg;
	while (read(ends[1], buf, REQUEST_BYTES) == REQUEST_BYTES)
		if (write(ends[1], buf, REPLY_BYTES) != REPLY_BYTES)
			break;
}

static double bounce(void *ctx)
{
	char buf[REPLY_BYTES] = "";
	double begin = bench_now_ns();

	(void)ctx;
	for (unsigned i = 0; i < TRIPS; i++)
		if (write(ends[0], buf, REQUEST_BYTES) != REQUEST_BYTES ||
		    read(ends[0], buf, REPLY_BYTES) != REPLY_BYTES)
			bench_die("socket pair", "the other end is gone");
	return (bench_now_ns() - begin) / TRIPS;
}

int main(void)
{
	struct bench_entry entry = {
		.name = "message_rtt", .unit = "ns", .reference = "socketpair ping-pong",
		.measure = get_features, .measure_reference = bounce, .ctx = &queue,
	};
	pid_t pid;

	bench_open(&queue, true, 64);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		bench_die("socketpair", "none to be had");
	pid = bench_fork(echo, NULL);
	bench_run(&entry);
	bench_end(pid);
	bench_close(&queue);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference back-end behind a unix socket, as a program: the well-behaved peer of the end-to-end
 * tests. One session after another, storage kept between them, until it is killed.
 *
 *	ref_server [--connect] [--one-shot] [--queues N] [--device D] [--read-only] [--tap IFNAME]
 *		[--spin | --tick] SOCKET
 *
 * --spin: beside it, a thread never sleeps. --tick: one is never at rest for long, and does sleep.
 */
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <backend/server.h>
#include <backend/unix_socket.h>

#define WAIT_NS		(300ll * 1000 * 1000 * 1000)	/* longer than any test */

struct setup {
	struct kc_ref_config config;
	const char *path;
	bool connect, one_shot;
	void *(*beside)(void *arg);	/* what another thread does, or NULL */
	int listen_fd;
};

static void *spin(void *arg)
{
	static volatile unsigned long turns;

	for (;;)
		turns++;
	return arg;
}

/* Half a millisecond of work, then a millisecond of sleep. */
static void *tick(void *arg)
{
	for (;;) {
		int64_t until = kc_clock_ns() + 500000;

		while (kc_clock_ns() < until)
			;
		poll(NULL, 0, 1);
	}
	return arg;
}

static const struct option options[] = {
	{ "connect", no_argument, NULL, 'c' },
	{ "one-shot", no_argument, NULL, '1' },
	{ "queues", required_argument, NULL, 'q' },
	{ "device", required_argument, NULL, 'd' },
	{ "read-only", no_argument, NULL, 'r' },
	{ "tap", required_argument, NULL, 'p' },
	{ "spin", no_argument, NULL, 's' },
	{ "tick", no_argument, NULL, 't' },
	{ NULL, 0, NULL, 0 },
};

static int read_options(struct setup *s, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			s->connect = true;
			break;
		case '1':
			s->one_shot = true;
			break;
		case 'q':
			s->config.queues = (unsigned)atoi(optarg);
			break;
		case 'd':
			s->config.device = optarg;
			break;
		case 'r':
			s->config.read_only = true;
			break;
		case 'p':
			s->config.tap = optarg;
			break;
		case 's':
			s->beside = spin;
			break;
		case 't':
			s->beside = tick;
			break;
		default:
			return -1;
		}
	}
	s->path = argv[optind];
	return s->path ? 0 : -1;
}

static int next_connection(struct setup *s, struct kc_err *err)
{
	if (s->connect)
		return kc_unix_connect(s->path, NULL, WAIT_NS, err);
	return kc_unix_accept(s->listen_fd, NULL, WAIT_NS, err);
}

static int serve_one(struct setup *s, struct kc_ref *ref, struct kc_err *err)
{
	int fd = next_connection(s, err), ret;
	struct kc_channel *ch = fd < 0 ? NULL : kc_channel_from_socket(fd, err);
	struct kc_server *server = ch ? kc_server_new(ref, ch, err) : NULL;

	if (!server)
		return -1;
	ret = kc_server_run(server, -1);
	kc_server_free(server);
	kc_ref_reset_session(ref);
	return ret;
}

int main(int argc, char **argv)
{
	struct setup s = { .config = { .device = "blk", .queues = 4 }, .listen_fd = -1 };
	struct kc_err err = { "" };
	struct kc_ref *ref;
	pthread_t thread;
	int ret = 0;

	if (read_options(&s, argc, argv))
		return 2;
	if (s.beside && pthread_create(&thread, NULL, s.beside, NULL))
		return 1;
	signal(SIGPIPE, SIG_IGN);
	ref = kc_ref_new(&s.config, &err);
	if (ref && !s.connect)
		s.listen_fd = kc_unix_listen(s.path, &err);
	if (!ref || (!s.connect && s.listen_fd < 0)) {
		fprintf(stderr, "ref_server: %s\n", err.msg);
		return 1;
	}
	while (!ret) {
		ret = serve_one(&s, ref, &err);
		if (s.one_shot)
			break;
	}
	kc_ref_free(ref);
	if (ret)
		fprintf(stderr, "ref_server: %s\n", err.msg);
	return ret ? 1 : 0;
}

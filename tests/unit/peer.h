/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_PEER_H
#define TESTS_UNIT_PEER_H

/*
 * A back-end for tests that spawn one: the test binary itself, run with "peer MODE SOCKET". main
 * calls peer_main first. Also a count of open descriptors, to find leaks.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <backend/server.h>
#include <backend/unix_socket.h>

#define PEER_TIMEOUT_NS	(20ll * 1000 * 1000 * 1000)

static const struct kc_ref_config peer_config = { .device = "loopback", .queues = 2 };

static char peer_exe[4096];	/* path of this binary */

/* One session on fd, which it takes; tells its stderr first. */
static int peer_serve(int fd)
{
	struct kc_ref *ref = kc_ref_new(&peer_config, NULL);
	struct kc_channel *ch = kc_channel_from_socket(fd, NULL);
	struct kc_server *s = kc_server_new(ref, ch, NULL);
	int ret;

	fprintf(stderr, "peer: session\n");
	ret = kc_server_run(s, -1);
	kc_server_free(s);
	kc_ref_free(ref);
	return ret;
}

static int peer_accept(int listen_fd)
{
	int fd = kc_unix_accept(listen_fd, NULL, PEER_TIMEOUT_NS, NULL);

	if (fd < 0)
		exit(9);
	return fd;
}

static int peer_run(const char *mode, const char *path)
{
	int fd;

	if (!strcmp(mode, "exit3")) {
		fprintf(stderr, "peer: no such disk\n");
		return 3;
	}
	if (!strcmp(mode, "silent"))	/* never listens; ends with its stdin */
		return read(STDIN_FILENO, &fd, 1) ? 8 : 0;
	if (!strcmp(mode, "connect")) {
		while ((fd = kc_unix_connect(path, NULL, PEER_TIMEOUT_NS, NULL)) >= 0)
			peer_serve(fd);
		return 9;
	}
	fd = kc_unix_listen(path, NULL);
	if (fd < 0)
		return 9;
	if (!strcmp(mode, "abort")) {	/* dies of the first byte */
		char byte;

		if (read(peer_accept(fd), &byte, 1) == 1)
			abort();
		return 0;
	}
	if (!strcmp(mode, "once")) {	/* nobody can connect while it ends, which takes its time under ASan */
		int session = peer_accept(fd);

		close(fd);
		return peer_serve(session);
	}
	for (;;)
		peer_serve(peer_accept(fd));
}

/* A request with a number, and the number of the answer (reply may be NULL). */
static inline enum kc_outcome u64_exchange(struct kc_backend *be, uint32_t id, uint64_t v, uint64_t *reply,
					   struct kc_err *err)
{
	struct kc_msg m, r;
	enum kc_outcome out;

	kc_msg_init(&m, id);
	m.u64 = v;
	out = kc_backend_exchange(be, &m, &r, err);
	if (reply)
		*reply = r.u64;
	kc_msg_fini(&r);
	return out;
}

/* Does not return if this process is to be the peer. */
static inline void peer_main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", peer_exe, sizeof(peer_exe) - 1);

	if (n < 0)
		exit(9);
	peer_exe[n] = '\0';
	if (argc == 4 && !strcmp(argv[1], "peer"))
		exit(peer_run(argv[2], argv[3]));
}

static inline unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

#endif

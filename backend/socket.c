/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A back-end that somebody else serves: connect to it, or wait for it to connect. It is never
 * killed, and its storage counts as somebody's data (KC_CAP_WRITES is for the harness to add, with
 * consent).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/unix_socket.h>
#include <backend/vhost_user.h>

#define CONNECT_TIMEOUT_NS	(2ll * 1000 * 1000 * 1000)
#define ACCEPT_TIMEOUT_NS	(10ll * 1000 * 1000 * 1000)	/* DPDK tries once a second */

struct socket_backend {
	struct kc_vhost_user vu;	/* must be first */
	char *path;
	int listen_fd;			/* -1: the back-end listens */
	pid_t owner;			/* removes the socket file; a forked worker does not */
};

static int socket_open(struct kc_backend *be, struct kc_err *err)
{
	struct socket_backend *s = be->priv;
	struct kc_channel *ch;
	int fd;

	if (s->listen_fd < 0)
		fd = kc_unix_connect(s->path, NULL, CONNECT_TIMEOUT_NS, err);
	else
		fd = kc_unix_accept(s->listen_fd, NULL, ACCEPT_TIMEOUT_NS, err);
	if (fd < 0)
		return s->listen_fd < 0 ? fd : kc_err_wrap(err, fd, "%s", s->path);
	ch = kc_channel_from_socket(fd, err);
	if (!ch)
		return -ENOMEM;
	kc_vhost_user_start(&s->vu, ch);
	return 0;
}

static void socket_close(struct kc_backend *be)
{
	struct socket_backend *s = be->priv;

	kc_vhost_user_stop(&s->vu);
}

static void socket_free(struct kc_backend *be)
{
	struct socket_backend *s = be->priv;

	if (s->listen_fd >= 0) {
		close(s->listen_fd);
		if (s->owner == getpid())
			unlink(s->path);
	}
	free(s->path);
	kc_backend_dealloc(be);
}

static const struct kc_backend_ops socket_ops = {
	.name = "socket",
	.caps = KC_CAP_MESSAGES | KC_CAP_RECONNECT,
	.open = socket_open,
	.close = socket_close,
	KC_VHOST_USER_OPS,
	.free = socket_free,
};

struct kc_backend *kc_backend_new_socket(const char *path, bool listen, struct kc_err *err)
{
	struct kc_backend *be = kc_backend_alloc(&socket_ops, sizeof(struct socket_backend), err);
	struct socket_backend *s;

	if (!be)
		return NULL;
	s = be->priv;
	s->owner = getpid();
	s->listen_fd = -1;
	s->path = strdup(path);
	if (!s->path)
		kc_err_set(err, -ENOMEM, "out of memory");
	else if (listen)
		s->listen_fd = kc_unix_listen(path, err);
	if (!s->path || (listen && s->listen_fd < 0)) {
		s->listen_fd = -1;
		socket_free(be);
		return NULL;
	}
	return be;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference back-end in a child process: real eventfds, real shared memory, real time, and a process
 * that can be killed. The first open forks it, and an open after its death does so again. Sessions
 * come one after the other, each with a socket that the child takes from the pair between them, and
 * with a reference that is new: only what is on a file outlives a session. A word without a socket tells
 * it to leave. (The pair's end would not: processes that were forked later have copies of it.)
 *
 * The child keeps nothing of its parent's but the standard streams and its end of the pair.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/channel.h>
#include <backend/process.h>
#include <backend/server.h>
#include <backend/vhost_user.h>

#define LEAVE_TIMEOUT_NS	(30ll * 1000 * 1000 * 1000)	/* a search for leaks, say, takes its time */
#define CHILD_FD		3

struct forked {
	struct kc_vhost_user vu;	/* must be first */
	struct kc_ref_config config;
	char *device, *file, *tap;	/* what config points to */
	struct kc_channel *sessions;	/* sockets go to the child on it; NULL: no child */
	pid_t owner;			/* who forked it, and tells it to leave */
};

/* ---- the child ---- */

/* Leaves fd open as CHILD_FD, and nothing else above the standard streams. */
static int keep_only(int fd)
{
	if (fd != CHILD_FD && dup3(fd, CHILD_FD, O_CLOEXEC) < 0)
		return -errno;
	return close_range(CHILD_FD + 1, ~0U, 0) ? -errno : 0;
}

/* The next session's socket; -EPIPE when there will be none. */
static int next_session(struct kc_channel *sessions)
{
	struct pollfd pfd = { .fd = kc_channel_fd(sessions), .events = POLLIN };
	struct kc_handle socket;
	unsigned n = 0, lost;
	ssize_t got;
	char word;

	do {
		poll(&pfd, 1, -1);
		got = kc_channel_recv(sessions, &word, 1, &socket, 1, &n, &lost);
	} while (got == -EAGAIN);
	return got == 1 && n ? socket.fd : -EPIPE;
}

static int serve(const struct kc_ref_config *config, int fd)
{
	struct kc_ref *ref = kc_ref_new(config, NULL);
	struct kc_channel *ch = kc_channel_from_socket(fd, NULL);
	struct kc_server *s = ref && ch ? kc_server_new(ref, ch, NULL) : NULL;
	int ret = s ? kc_server_run(s, -1) : -ENOMEM;

	kc_server_free(s);
	kc_ref_free(ref);
	return ret;
}

/* exit, not _exit: coverage counts are written, and leaks are looked for, by its handlers. */
static void __attribute__((noreturn)) child(const struct forked *f, int fd)
{
	struct kc_channel *sessions;
	int ret = keep_only(fd);

	sessions = ret ? NULL : kc_channel_from_socket(CHILD_FD, NULL);
	while (sessions && !ret && (fd = next_session(sessions)) >= 0)
		ret = serve(&f->config, fd);
	kc_channel_free(sessions);
	exit(ret || !sessions ? 1 : 0);
}

/* ---- the parent ---- */

static int fork_child(struct kc_backend *be, int child_end, struct kc_err *err)
{
	struct forked *f = be->priv;
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return kc_err_set(err, -errno, "fork: %s", strerror(errno));
	if (!pid) {
		kc_process_child_init(parent);
		child(f, child_end);
	}
	setpgid(pid, pid);	/* whoever comes first */
	f->owner = parent;
	be->pid = pid;
	be->exited = false;
	be->exit_status = 0;
	return 0;
}

static void forget_child(struct forked *f)
{
	kc_channel_free(f->sessions);
	f->sessions = NULL;
}

static int start(struct kc_backend *be, struct kc_err *err)
{
	struct forked *f = be->priv;
	int fds[2], ret;

	forget_child(f);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return kc_err_set(err, -errno, "socketpair: %s", strerror(errno));
	ret = fork_child(be, fds[1], err);
	close(fds[1]);
	if (ret) {
		close(fds[0]);
		return ret;
	}
	f->sessions = kc_channel_from_socket(fds[0], err);
	return f->sessions ? 0 : -ENOMEM;
}

/* The child gets one end of a new pair; the other, or -errno. */
static int new_session(struct forked *f, struct kc_err *err)
{
	struct kc_handle far;
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return kc_err_set(err, -errno, "socketpair: %s", strerror(errno));
	far = (struct kc_handle){ .fd = fds[1] };
	ret = kc_channel_send(f->sessions, "", 1, &far, 1);
	close(fds[1]);
	if (!ret)
		return fds[0];
	close(fds[0]);
	return kc_err_set(err, ret, "the reference's process: %s", strerror(-ret));
}

static int forked_open(struct kc_backend *be, struct kc_err *err)
{
	struct forked *f = be->priv;
	bool there = f->sessions && kc_backend_running(be, 0);
	struct kc_channel *ch;
	int fd = there ? 0 : start(be, err);

	if (!fd)
		fd = new_session(f, err);
	if (fd < 0)
		return fd;
	ch = kc_channel_from_socket(fd, err);
	if (!ch)
		return -ENOMEM;
	kc_vhost_user_start(&f->vu, ch);
	return 0;
}

static void forked_close(struct kc_backend *be)
{
	struct forked *f = be->priv;

	kc_vhost_user_stop(&f->vu);
	kc_backend_running(be, 0);	/* takes note of an end that has come already */
}

static void forked_free(struct kc_backend *be)
{
	struct forked *f = be->priv;

	kc_backend_retire(be);
	free(f->device);
	free(f->file);
	free(f->tap);
	kc_backend_dealloc(be);
}

static const struct kc_backend_ops forked_ops = {
	.name = "forked",
	.caps = KC_CAP_MESSAGES | KC_CAP_RESTART | KC_CAP_RECONNECT | KC_CAP_WRITES,
	.open = forked_open,
	.close = forked_close,
	KC_VHOST_USER_OPS,
	.kill = kc_backend_end_process,
	.free = forked_free,
};

int kc_backend_retire(struct kc_backend *be)
{
	struct forked *f = be->priv;
	bool mine;

	if (be->ops != &forked_ops)
		return 0;
	forked_close(be);
	mine = f->sessions && f->owner == getpid() && !be->exited;
	if (mine)
		kc_channel_send(f->sessions, "", 1, NULL, 0);
	forget_child(f);
	if (!mine)
		return 0;
	if (kc_backend_running(be, LEAVE_TIMEOUT_NS))
		kc_backend_end_process(be, SIGKILL);
	return be->exit_status;
}

static int copy(char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	return text && !*to ? -ENOMEM : 0;
}

/* With its strings. */
static int copy_config(struct forked *f, const struct kc_ref_config *config)
{
	f->config = *config;
	if (copy(&f->device, config->device) || copy(&f->file, config->file) ||
	    copy(&f->tap, config->tap))
		return -ENOMEM;
	f->config.device = f->device;
	f->config.file = f->file;
	f->config.tap = f->tap;
	return 0;
}

struct kc_backend *kc_backend_new_forked(const struct kc_ref_config *config, struct kc_err *err)
{
	/* a bad config is said here, not by an exit */
	struct kc_ref *trial = kc_ref_new(config, err);
	struct kc_backend *be;

	if (!trial)
		return NULL;
	kc_ref_free(trial);
	be = kc_backend_alloc(&forked_ops, sizeof(struct forked), err);
	if (be && copy_config(be->priv, config)) {
		kc_err_set(err, -ENOMEM, "out of memory");
		forked_free(be);
		return NULL;
	}
	return be;
}

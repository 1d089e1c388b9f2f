/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference back-end in a child process behind a socket pair: real eventfds, real shared
 * memory, real time, and a process that can be killed. Each open forks a child; it serves one
 * session and exits when that ends. Storage on a file outlives the child; memory is filled anew.
 *
 * The child keeps nothing of its parent's but the standard streams and its end of the socket pair.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <backend/server.h>
#include <backend/vhost_user.h>

#define CLOSE_TIMEOUT_NS	(2000ll * 1000 * 1000)
#define CHILD_FD		3

struct forked {
	struct kc_vhost_user vu;	/* must be first */
	struct kc_ref_config config;
	char *device, *file, *tap;	/* what config points to */
};

/* Of the coverage runtime, if it is linked: _exit would lose the counts. */
void __gcov_dump(void) __attribute__((weak));

static void __attribute__((noreturn)) leave(int status)
{
	if (__gcov_dump)
		__gcov_dump();
	_exit(status);
}

/* Leaves fd open as CHILD_FD, and nothing else above the standard streams. */
static int keep_only(int fd)
{
	if (fd != CHILD_FD && dup3(fd, CHILD_FD, O_CLOEXEC) < 0)
		return -errno;
	return close_range(CHILD_FD + 1, ~0U, 0) ? -errno : 0;
}

static void __attribute__((noreturn)) serve(const struct forked *f, int fd)
{
	struct kc_channel *ch;
	struct kc_server *s;
	struct kc_ref *ref;
	int ret;

	if (keep_only(fd))
		leave(126);
	ref = kc_ref_new(&f->config, NULL);
	ch = kc_channel_from_socket(CHILD_FD, NULL);
	s = ref && ch ? kc_server_new(ref, ch, NULL) : NULL;
	if (!s)
		leave(126);
	ret = kc_server_run(s, -1);
	kc_server_free(s);
	kc_ref_free(ref);
	leave(ret ? 1 : 0);
}

static int fork_server(struct kc_backend *be, int child_end, struct kc_err *err)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return kc_err_set(err, -errno, "fork: %s", strerror(errno));
	if (!pid) {
		kc_process_child_init(parent);
		serve(be->priv, child_end);
	}
	setpgid(pid, pid);	/* whoever comes first */
	be->pid = pid;
	be->exited = false;
	be->exit_status = 0;
	return 0;
}

static int forked_open(struct kc_backend *be, struct kc_err *err)
{
	struct forked *f = be->priv;
	struct kc_channel *ch;
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return kc_err_set(err, -errno, "socketpair: %s", strerror(errno));
	ret = fork_server(be, fds[1], err);
	close(fds[1]);
	if (ret) {
		close(fds[0]);
		return ret;
	}
	ch = kc_channel_from_socket(fds[0], err);
	if (!ch)
		return -ENOMEM;
	kc_vhost_user_start(&f->vu, ch);
	return 0;
}

static void forked_close(struct kc_backend *be)
{
	struct forked *f = be->priv;

	kc_vhost_user_stop(&f->vu);
	if (kc_backend_running(be, CLOSE_TIMEOUT_NS))
		kc_backend_end_process(be, SIGKILL);
}

static void forked_free(struct kc_backend *be)
{
	struct forked *f = be->priv;

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

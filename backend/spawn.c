/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A back-end that is a command of ours.
 *
 * The first open starts it and connects as soon as its socket answers; a later open connects
 * again, or starts it anew if it has ended, as one-shot back-ends do when their connection closes.
 * Since such a one may be about to end when the next open comes, an open that finds the process of
 * the last session alive gives it a moment, until it is known which kind it is.
 *
 * The process leads its own group, dies with kickcall, and gets: stdin, a pipe that stays open (an
 * end of file there ends some); stdout and stderr, a file in the scratch directory, which never
 * fills up as an unread pipe would. A pipe that closes on exec tells whether the command could be
 * run at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/close_range.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <backend/unix_socket.h>
#include <backend/vhost_user.h>

#define NS_PER_MS	1000000ll
#define GUESS_WAIT_NS	(30 * NS_PER_MS)	/* for an end after a close: kind unknown */
#define END_WAIT_NS	(2000 * NS_PER_MS)	/* the same: known to be one-shot */
#define EXEC_TIMEOUT_MS	5000
#define TAIL_BYTES	4096
#define NAMES_MAX	10000u

enum habit { HABIT_UNKNOWN, HABIT_PERSISTENT, HABIT_ONE_SHOT };

struct spawned {
	struct kc_vhost_user vu;	/* must be first */
	char **argv;			/* as given, placeholders replaced */
	char *socket;
	char *socket_dir;		/* made for it because dir is too long a name; or NULL */
	char *log;
	int64_t start_timeout_ns;
	bool listen;
	int listen_fd;			/* -1: none */
	int stdin_fd;			/* write end; -1: none */
	pid_t owner;			/* who started the process: ends it, removes the files */
	enum habit habit;
	bool used;			/* this process has had a session */
	char tail[TAIL_BYTES + 1];
};

static const struct kc_backend_ops spawned_ops;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- start ---- */

/* In the child. Reports by report_fd why the command could not be run. */
static void __attribute__((noreturn)) run_command(const struct spawned *s, int stdin_fd, int log_fd,
						  int report_fd, pid_t parent)
{
	int why;

	kc_process_child_init(parent);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (dup2(stdin_fd, STDIN_FILENO) >= 0 && dup2(log_fd, STDOUT_FILENO) >= 0 &&
	    dup2(log_fd, STDERR_FILENO) >= 0)
		execvp(s->argv[0], s->argv);
	why = errno;
	if (write(report_fd, &why, sizeof(why)) != sizeof(why))
		_exit(126);
	_exit(127);
}

/* 0 when the command runs, or -errno of its exec. */
static int read_report(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int why = 0;

	if (poll(&pfd, 1, EXEC_TIMEOUT_MS) <= 0)
		return -ETIMEDOUT;
	return read(fd, &why, sizeof(why)) == sizeof(why) ? -why : 0;
}

static int fork_command(struct kc_backend *be, int stdin_fd, int log_fd, const int report[2])
{
	struct spawned *s = be->priv;
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		run_command(s, stdin_fd, log_fd, report[1], parent);
	setpgid(pid, pid);	/* whoever comes first */
	s->owner = parent;
	s->used = false;
	be->pid = pid;
	be->exited = false;
	be->exit_status = 0;
	return 0;
}

/* Nobody may be found behind the socket but the process to come. */
static void clear_socket(struct spawned *s)
{
	int fd;

	if (!s->listen) {
		unlink(s->socket);	/* of a process that was killed */
		return;
	}
	while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
}

/* Opens what the child needs, forks, and hears whether the command could be run. */
static int start(struct kc_backend *be, struct kc_err *err)
{
	struct spawned *s = be->priv;
	int in[2] = { -1, -1 }, report[2] = { -1, -1 };
	int log_fd = open(s->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	int ret = -1, ran;

	close_fd(&s->stdin_fd);
	clear_socket(s);
	if (log_fd >= 0 && !pipe2(in, O_CLOEXEC) && !pipe2(report, O_CLOEXEC))
		ret = fork_command(be, in[0], log_fd, report);
	else
		ret = -errno;
	close_fd(&log_fd);
	close_fd(&in[0]);
	close_fd(&report[1]);
	s->stdin_fd = in[1];
	ran = ret ? 0 : read_report(report[0]);
	close_fd(&report[0]);
	if (ret)
		return kc_err_set(err, ret, "cannot start %s: %s", s->argv[0], strerror(-ret));
	if (!ran)
		return 0;
	kc_backend_end_process(be, SIGKILL);
	return kc_err_set(err, -ECHILD, "cannot run %s: %s", s->argv[0], strerror(-ran));
}

/* ---- what it left behind ---- */

const char *kc_backend_stderr_tail(struct kc_backend *be)
{
	struct spawned *s = be->priv;
	ssize_t n = 0;
	off_t size;
	int fd;

	if (be->ops != &spawned_ops)
		return "";
	fd = open(s->log, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = lseek(fd, 0, SEEK_END);
		n = pread(fd, s->tail, TAIL_BYTES, size > TAIL_BYTES ? size - TAIL_BYTES : 0);
		close(fd);
	}
	n = n > 0 ? n : 0;
	for (ssize_t i = 0; i < n; i++)
		if (!s->tail[i])
			s->tail[i] = '?';	/* it may print anything */
	s->tail[n] = 0;
	return s->tail;
}

/* The sentence about a process that never came up: how it ended, and the last it said. */
static int never_came_up(struct kc_backend *be, int ret, struct kc_err *err)
{
	struct spawned *s = be->priv;
	const char *tail = kc_backend_stderr_tail(be);
	size_t len = strlen(tail), room = 300;
	char how[64];

	if (ret != -ECHILD && ret != -ETIMEDOUT)
		return ret;
	if (ret == -ETIMEDOUT)
		snprintf(how, sizeof(how), "did not answer within %lld ms",
			 (long long)(s->start_timeout_ns / NS_PER_MS));
	else
		kc_process_say_end(be->exit_status, how, sizeof(how));
	while (len && tail[len - 1] == '\n')
		len--;
	if (len > room)
		tail += len - room;
	return kc_err_set(err, ret, "%.100s %s before its socket was up%s%.*s", s->argv[0], how,
			  len ? "; stderr: " : "", (int)(len < room ? len : room), tail);
}

/* ---- session ---- */

/* Does the process of the last session still serve? Finds out whether it is a one-shot one. */
static bool still_serving(struct kc_backend *be)
{
	static const int64_t patience_ns[] = {
		[HABIT_UNKNOWN] = GUESS_WAIT_NS,
		[HABIT_PERSISTENT] = 0,
		[HABIT_ONE_SHOT] = END_WAIT_NS,
	};
	struct spawned *s = be->priv;
	bool known_dead = be->exited;

	if (kc_backend_running(be, s->used ? patience_ns[s->habit] : 0)) {
		if (s->used)
			s->habit = HABIT_PERSISTENT;
		return true;
	}
	if (s->used && !known_dead && WIFEXITED(be->exit_status) && !WEXITSTATUS(be->exit_status))
		s->habit = HABIT_ONE_SHOT;
	return false;
}

static int reach(struct kc_backend *be, struct kc_err *err)
{
	struct spawned *s = be->priv;

	if (s->listen)
		return kc_unix_accept(s->listen_fd, be, s->start_timeout_ns, err);
	return kc_unix_connect(s->socket, be, s->start_timeout_ns, err);
}

static int start_and_reach(struct kc_backend *be, struct kc_err *err)
{
	int fd = start(be, err);

	if (fd)
		return fd;
	fd = reach(be, err);
	if (fd < 0) {
		fd = never_came_up(be, fd, err);
		kc_backend_end_process(be, SIGKILL);
	}
	return fd;
}

static int spawned_open(struct kc_backend *be, struct kc_err *err)
{
	struct spawned *s = be->priv;
	struct kc_channel *ch;
	int fd = -ECHILD;

	if (s->listen && s->listen_fd < 0) {
		s->listen_fd = kc_unix_listen(s->socket, err);
		if (s->listen_fd < 0)
			return s->listen_fd;
	}
	if (still_serving(be))
		fd = reach(be, err);
	if (fd == -ECHILD)	/* not running, or it ended while we knocked */
		fd = start_and_reach(be, err);
	if (fd < 0)
		return fd;
	ch = kc_channel_from_socket(fd, err);
	if (!ch)
		return -ENOMEM;
	kc_vhost_user_start(&s->vu, ch);
	s->used = true;
	return 0;
}

static void spawned_close(struct kc_backend *be)
{
	struct spawned *s = be->priv;

	kc_vhost_user_stop(&s->vu);
	kc_backend_running(be, 0);	/* takes note of an end that has come already */
}

static void spawned_free(struct kc_backend *be)
{
	struct spawned *s = be->priv;

	if (s->owner == getpid()) {
		kc_backend_end_process(be, SIGTERM);
		unlink(s->socket);
		if (s->socket_dir)
			rmdir(s->socket_dir);
	}
	close_fd(&s->listen_fd);
	close_fd(&s->stdin_fd);
	for (unsigned i = 0; s->argv && s->argv[i]; i++)
		free(s->argv[i]);
	free(s->argv);
	free(s->socket);
	free(s->socket_dir);
	free(s->log);
	kc_backend_dealloc(be);
}

static const struct kc_backend_ops spawned_ops = {
	.name = "spawned",
	.caps = KC_CAP_MESSAGES | KC_CAP_RESTART | KC_CAP_RECONNECT | KC_CAP_WRITES,
	.open = spawned_open,
	.close = spawned_close,
	KC_VHOST_USER_OPS,
	.kill = kc_backend_end_process,
	.free = spawned_free,
};

/* ---- construction ---- */

/* Creates the log file under the first free number, which names the socket as well. */
static int choose_names(struct spawned *s, const char *dir)
{
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		int fd;

		free(s->log);
		if (asprintf(&s->log, "%s/backend-%u.log", dir, i) < 0) {
			s->log = NULL;
			return -ENOMEM;
		}
		fd = open(s->log, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0) {
			close(fd);
			if (asprintf(&s->socket, "%s/backend-%u.sock", dir, i) >= 0)
				return 0;
			s->socket = NULL;
			return -ENOMEM;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* A socket's path is limited to 107 characters; a longer one moves to a directory of its own. */
static int shorten_socket(struct spawned *s)
{
	char dir[] = "/tmp/kickcall-XXXXXX";

	if (strlen(s->socket) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return 0;
	if (!mkdtemp(dir))
		return -errno;
	s->socket_dir = strdup(dir);
	free(s->socket);
	if (asprintf(&s->socket, "%s/s", dir) < 0)
		s->socket = NULL;
	return s->socket_dir && s->socket ? 0 : -ENOMEM;
}

/* A copy of text with every occurrence of name replaced; NULL if there is no memory. */
static char *replace(const char *text, const char *name, const char *value)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	const char *hit;

	if (!f)
		return NULL;
	while ((hit = strstr(text, name))) {
		fprintf(f, "%.*s%s", (int)(hit - text), text, value);
		text = hit + strlen(name);
	}
	fputs(text, f);
	if (fclose(f)) {
		free(out);
		return NULL;
	}
	return out;
}

static int copy_argv(struct spawned *s, char *const *argv, const char *dir)
{
	unsigned n = 0;

	while (argv[n])
		n++;
	if (!n)
		return -EINVAL;
	s->argv = calloc(n + 1, sizeof(*s->argv));
	for (unsigned i = 0; s->argv && i < n; i++) {
		char *arg = replace(argv[i], "{socket}", s->socket);

		s->argv[i] = arg ? replace(arg, "{dir}", dir) : NULL;
		free(arg);
		if (!s->argv[i])
			return -ENOMEM;
	}
	return s->argv ? 0 : -ENOMEM;
}

struct kc_backend *kc_backend_new_spawned(const struct kc_spawn_config *config, struct kc_err *err)
{
	struct kc_backend *be = kc_backend_alloc(&spawned_ops, sizeof(struct spawned), err);
	struct spawned *s;
	int ret;

	if (!be)
		return NULL;
	s = be->priv;
	s->listen_fd = -1;
	s->stdin_fd = -1;
	s->listen = config->listen;
	s->start_timeout_ns = config->start_timeout_ns;
	s->owner = getpid();
	ret = choose_names(s, config->dir);
	if (!ret)
		ret = shorten_socket(s);
	if (!ret)
		ret = copy_argv(s, config->argv, config->dir);
	if (!ret)
		return be;
	kc_err_set(err, ret, "%s: cannot prepare a back-end: %s", config->dir, strerror(-ret));
	if (!s->socket)
		s->owner = 0;	/* nothing to remove */
	spawned_free(be);
	return NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connecting to a back-end that is still coming up: the socket file may not be there yet, may be
 * left over from a former run (refused), or its short backlog may be full (EAGAIN). All three are
 * tried again until the deadline, with short naps between.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <backend/unix_socket.h>

#define NAP_MIN_MS	1
#define NAP_MAX_MS	10

static int set_address(struct sockaddr_un *sa, const char *path, struct kc_err *err)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sa->sun_path))
		return kc_err_set(err, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes",
				  path, sizeof(sa->sun_path) - 1);
	strcpy(sa->sun_path, path);
	return 0;
}

static int connect_once(const struct sockaddr_un *sa)
{
	/* non-blocking: on a full backlog a blocking connect would sleep */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static bool worth_retrying(int ret)
{
	return ret == -EAGAIN || ret == -ECONNREFUSED || ret == -ENOENT || ret == -EINTR;
}

static bool process_ended(struct kc_backend *be)
{
	return be && be->pid > 0 && !kc_backend_running(be, 0);
}

int kc_unix_connect(const char *path, struct kc_backend *be, int64_t timeout_ns, struct kc_err *err)
{
	int64_t deadline = kc_clock_ns() + timeout_ns;
	struct sockaddr_un sa;
	int nap = NAP_MIN_MS;
	int ret = set_address(&sa, path, err);

	if (ret)
		return ret;
	for (;;) {
		int left = kc_poll_ms(deadline);

		ret = connect_once(&sa);
		if (ret >= 0)
			return ret;
		if (!worth_retrying(ret))
			return kc_err_set(err, ret, "%s: %s", path, strerror(-ret));
		if (process_ended(be))
			return kc_err_set(err, -ECHILD, "%s: %s", path, strerror(-ret));
		if (kc_stop_waiting)
			return kc_err_set(err, -EINTR, "%s: interrupted", path);
		if (!left)
			return kc_err_set(err, -ETIMEDOUT, "%s: nothing answered in time: %s", path,
					  strerror(-ret));
		poll(NULL, 0, nap < left ? nap : left);
		nap = 2 * nap < NAP_MAX_MS ? 2 * nap : NAP_MAX_MS;
	}
}

/* The file of a listener that is gone may be replaced; one that answers may not, nor may what is no
 * socket at all (connecting to such a file is refused, too). */
static bool is_stale(const struct sockaddr_un *sa)
{
	struct stat st;
	int fd;

	if (lstat(sa->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = connect_once(sa);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

int kc_unix_listen(const char *path, struct kc_err *err)
{
	struct sockaddr_un sa;
	int fd, ret = set_address(&sa, path, err);

	if (ret)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return kc_err_set(err, -errno, "socket: %s", strerror(errno));
	ret = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	if (ret && errno == EADDRINUSE && is_stale(&sa) && !unlink(path))
		ret = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	if (!ret)
		ret = listen(fd, 1);
	if (ret) {
		ret = kc_err_set(err, -errno, "%s: cannot listen: %s", path, strerror(errno));
		close(fd);
		return ret;
	}
	return fd;
}

/* Whoever connected has gone again: it gave up waiting, or only looked whether we listen. */
static bool hung_up(int fd)
{
	struct pollfd pfd = { .fd = fd };

	return poll(&pfd, 1, 0) > 0 && pfd.revents & POLLHUP;
}

int kc_unix_accept(int listen_fd, struct kc_backend *be, int64_t timeout_ns, struct kc_err *err)
{
	int64_t deadline = kc_clock_ns() + timeout_ns;
	struct pollfd pfd = { .fd = listen_fd, .events = POLLIN };

	for (;;) {
		int left = kc_poll_ms(deadline);
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0 && !hung_up(fd))
			return fd;
		if (fd >= 0) {
			close(fd);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			return kc_err_set(err, -errno, "accept: %s", strerror(errno));
		if (process_ended(be))
			return kc_err_set(err, -ECHILD, "it ended without connecting");
		if (kc_stop_waiting)
			return kc_err_set(err, -EINTR, "interrupted");
		if (!left)
			return kc_err_set(err, -ETIMEDOUT, "nobody connected in time");
		/* without a process of ours there is nothing else to look after */
		poll(&pfd, 1, be && left > NAP_MAX_MS ? NAP_MAX_MS : left);
	}
}

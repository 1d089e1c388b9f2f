/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: eventfd(2) twice.
 *
 * The simulated twin is a 64-bit counter. A write adds to it unless the sum would pass ~0 - 1; the
 * kernel's own signal may take it to ~0 and leaves it there; a read takes all. Every successful
 * write or signal, also of 0 or on a full counter, wakes whoever waits: that is the listener, which
 * runs inside the writer's call as KVM's irqfd does in the kernel.
 *
 * The real twin passes everything on to the descriptor. It is made non-blocking, because nothing in
 * kickcall may wait without a deadline; but that flag is shared with every process that has the same
 * eventfd, and a peer may clear it (QEMU makes each descriptor that it receives blocking, and
 * non-blocking again a moment later). So nothing is read that poll has not announced: there is one
 * reader at a time. Pipes are taken as well, for VMMs that have no eventfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <kickcall/err.h>
#include <kickcall/evfd.h>

#define COUNT_MAX	(UINT64_MAX - 1)	/* what write(2) can reach */

struct kc_evfd {
	unsigned refs;
	int fd;			/* -1: simulated */
	bool pipe;
	uint64_t count;
	void (*listen)(void *ctx, struct kc_evfd *e);
	void *listen_ctx;
	bool listening;		/* inside the listener: a nested signal only counts */
};

static struct kc_evfd *evfd_new(int fd)
{
	struct kc_evfd *e = calloc(1, sizeof(*e));

	if (e) {
		e->refs = 1;
		e->fd = fd;
	}
	return e;
}

struct kc_evfd *kc_evfd_new_sim(void)
{
	return evfd_new(-1);
}

struct kc_evfd *kc_evfd_new_real(struct kc_err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0) {
		kc_err_set(err, -errno, "eventfd: %s", strerror(errno));
		return NULL;
	}
	return kc_evfd_from_fd(fd, err);
}

/* An eventfd is an anonymous inode, which has no type in st_mode; its kind is in its name only. */
static bool is_eventfd(int fd, const struct stat *st)
{
	char path[64], name[64];
	ssize_t n;

	if (st->st_mode & S_IFMT)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		return true;	/* no /proc: believe it */
	name[n] = '\0';
	return strstr(name, "eventfd") != NULL;
}

/* 0 or -errno; *pipe tells which of the two kinds it is. */
static int check_fd(int fd, bool *pipe, struct kc_err *err)
{
	struct stat st;
	int flags;

	if (fstat(fd, &st))
		return kc_err_set(err, -errno, "not an open descriptor: %s", strerror(errno));
	*pipe = S_ISFIFO(st.st_mode);
	if (!*pipe && !is_eventfd(fd, &st))
		return kc_err_set(err, -EINVAL, "the descriptor is not an eventfd");
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK)))
		return kc_err_set(err, -errno, "cannot make the eventfd non-blocking: %s",
				  strerror(errno));
	return 0;
}

struct kc_evfd *kc_evfd_from_fd(int fd, struct kc_err *err)
{
	struct kc_evfd *e = NULL;
	bool pipe = false;

	if (!check_fd(fd, &pipe, err)) {
		e = evfd_new(fd);
		if (e)
			e->pipe = pipe;
		else
			kc_err_set(err, -ENOMEM, "out of memory");
	}
	if (!e && fd >= 0)
		close(fd);
	return e;
}

struct kc_evfd *kc_evfd_ref(struct kc_evfd *e)
{
	e->refs++;
	return e;
}

void kc_evfd_unref(struct kc_evfd *e)
{
	if (!e || --e->refs)
		return;
	if (e->fd >= 0)
		close(e->fd);
	free(e);
}

static void wake(struct kc_evfd *e)
{
	if (!e->listen || e->listening)
		return;
	kc_evfd_ref(e);		/* the listener may give up the last reference */
	e->listening = true;
	e->listen(e->listen_ctx, e);
	e->listening = false;
	kc_evfd_unref(e);
}

/* A pipe that nobody reads would raise SIGPIPE. */
static bool pipe_is_broken(const struct kc_evfd *e)
{
	struct pollfd p = { .fd = e->fd, .events = POLLOUT };

	return e->pipe && poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

static int signal_real(struct kc_evfd *e, uint64_t n)
{
	ssize_t r;

	if (pipe_is_broken(e))
		return -EPIPE;
	do {
		r = write(e->fd, &n, sizeof(n));
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int kc_evfd_signal(struct kc_evfd *e, uint64_t n)
{
	if (n == UINT64_MAX)
		return -EINVAL;
	if (e->fd >= 0)
		return signal_real(e, n);
	if (e->count > COUNT_MAX || n > COUNT_MAX - e->count)
		return -EAGAIN;
	e->count += n;
	wake(e);
	return 0;
}

void kc_evfd_signal_kernel(struct kc_evfd *e)
{
	if (e->fd >= 0) {
		/* Only the kernel can go on from COUNT_MAX; one signal more says nothing there. */
		signal_real(e, 1);
		return;
	}
	if (e->count < UINT64_MAX)
		e->count++;
	wake(e);
}

static int read_real(struct kc_evfd *e, uint64_t *n)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };
	uint64_t v = 1;		/* a pipe's writer may send fewer than 8 bytes: still a signal */
	ssize_t r;

	if (poll(&p, 1, 0) == 0)
		return -EAGAIN;
	do {
		r = read(e->fd, &v, sizeof(v));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (r == 0)
		return -EPIPE;
	*n = r == sizeof(v) ? v : 1;
	return 0;
}

int kc_evfd_read(struct kc_evfd *e, uint64_t *n)
{
	if (e->fd >= 0)
		return read_real(e, n);
	if (!e->count)
		return -EAGAIN;
	*n = e->count;
	e->count = 0;
	return 0;
}

bool kc_evfd_readable(const struct kc_evfd *e)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };

	if (e->fd < 0)
		return e->count != 0;
	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

int kc_evfd_fd(const struct kc_evfd *e)
{
	return e->fd;
}

bool kc_evfd_is_last(const struct kc_evfd *e)
{
	return e->refs == 1;
}

int kc_evfd_listen(struct kc_evfd *e, void (*fn)(void *ctx, struct kc_evfd *e), void *ctx)
{
	if (e->fd >= 0)
		return -ENOTSUP;
	if (fn && e->listen)
		return -EBUSY;
	e->listen = fn;
	e->listen_ctx = ctx;
	return 0;
}

struct kc_handle kc_handle_dup(struct kc_handle h)
{
	if (h.evfd)
		return (struct kc_handle){ .fd = -1, .evfd = kc_evfd_ref(h.evfd) };
	if (h.fd >= 0)
		return (struct kc_handle){ .fd = fcntl(h.fd, F_DUPFD_CLOEXEC, 0) };
	return KC_HANDLE_NONE;
}

void kc_handle_close(struct kc_handle *h)
{
	kc_evfd_unref(h->evfd);
	if (h->fd >= 0)
		close(h->fd);
	*h = KC_HANDLE_NONE;
}

struct kc_handle kc_evfd_handle(struct kc_evfd *e)
{
	if (!e)
		return KC_HANDLE_NONE;
	/* A real one travels as its descriptor, so that it can go to another process. */
	return e->fd >= 0 ? (struct kc_handle){ .fd = e->fd }
			  : (struct kc_handle){ .fd = -1, .evfd = e };
}

struct kc_evfd *kc_evfd_from_handle(struct kc_handle h, struct kc_err *err)
{
	if (h.evfd) {
		if (h.fd >= 0)
			close(h.fd);
		return h.evfd;
	}
	if (h.fd >= 0)
		return kc_evfd_from_fd(h.fd, err);
	kc_err_set(err, -EBADF, "no descriptor came with it");
	return NULL;
}

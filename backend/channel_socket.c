/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel over an AF_UNIX stream socket. Every call is made non-blocking by flag, so that the
 * socket itself may be shared with code that wants it otherwise. Descriptors arrive close-on-exec;
 * what does not fit into the caller's array is closed at once, and counted.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <backend/channel_ops.h>
#include <backend/process.h>

#define SEND_TIMEOUT_NS	(1000ll * 1000 * 1000)

struct socket_channel {
	struct kc_channel base;
	int fd;
};

/* Room and alignment for the control message that carries descriptors. */
union fd_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(KC_CHANNEL_HANDLES_MAX * sizeof(int))];
};

static int fd_of(struct kc_handle h)
{
	return h.evfd ? kc_evfd_fd(h.evfd) : h.fd;
}

/* A simulated eventfd cannot pass to another process: -ENOTSUP. */
static int put_handles(struct msghdr *msg, union fd_control *control,
		       const struct kc_handle *handles, unsigned n)
{
	struct cmsghdr *c;

	if (!n)
		return 0;
	memset(control, 0, sizeof(*control));
	msg->msg_control = control->buf;
	msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++) {
		int fd = fd_of(handles[i]);

		if (fd < 0)
			return -ENOTSUP;
		memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	}
	return 0;
}

/* -errno if the socket cannot be written to before deadline_ns. */
static int wait_writable(int fd, int64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int ms = kc_poll_ms(deadline_ns);

	if (!ms)
		return -ETIMEDOUT;
	return poll(&pfd, 1, ms) < 0 && errno != EINTR ? -errno : 0;
}

static int socket_send(struct kc_channel *c, const uint8_t *buf, size_t len,
		       const struct kc_handle *handles, unsigned nhandles)
{
	int fd = ((struct socket_channel *)c)->fd;
	int64_t deadline = kc_clock_ns() + SEND_TIMEOUT_NS;
	union fd_control control;
	struct msghdr msg = { .msg_iovlen = 1 };
	int ret = put_handles(&msg, &control, handles, nhandles);

	while (!ret && len) {
		struct iovec iov = { (void *)buf, len };
		ssize_t n;

		msg.msg_iov = &iov;
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			buf += n;
			len -= n;
			msg.msg_control = NULL;	/* they went with the first byte */
			msg.msg_controllen = 0;
		} else if (errno == EAGAIN) {
			ret = wait_writable(fd, deadline);
		} else if (errno != EINTR) {
			ret = errno == ECONNRESET ? -EPIPE : -errno;
		}
	}
	return ret;
}

static void take_handles(struct msghdr *msg, struct kc_handle *handles, unsigned cap,
			 unsigned *nhandles, unsigned *nlost)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (char *)c + at, sizeof(fd));
			if (*nhandles < cap) {
				handles[(*nhandles)++] = (struct kc_handle){ .fd = fd };
			} else {
				close(fd);
				(*nlost)++;
			}
		}
	}
	if (msg->msg_flags & MSG_CTRUNC)
		(*nlost)++;	/* the kernel dropped some: out of descriptors */
}

static ssize_t socket_recv(struct kc_channel *c, void *buf, size_t len, struct kc_handle *handles,
			   unsigned cap, unsigned *nhandles, unsigned *nlost)
{
	union fd_control control;
	int fd = ((struct socket_channel *)c)->fd;
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	take_handles(&msg, handles, cap, nhandles, nlost);
	return n;
}

static int socket_fd(const struct kc_channel *c)
{
	return ((const struct socket_channel *)c)->fd;
}

static bool socket_readable(const struct kc_channel *c)
{
	struct pollfd pfd = { .fd = socket_fd(c), .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

static void socket_free(struct kc_channel *c)
{
	close(socket_fd(c));
	free(c);
}

static const struct kc_channel_ops socket_ops = {
	.free = socket_free,
	.send = socket_send,
	.recv = socket_recv,
	.fd = socket_fd,
	.readable = socket_readable,
};

struct kc_channel *kc_channel_from_socket(int fd, struct kc_err *err)
{
	struct socket_channel *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		kc_err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	c->base.ops = &socket_ops;
	c->fd = fd;
	return &c->base;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: an order is smaller than what a pipe takes whole. That a worker is to leave is an
 * order as well, and not the end of the pipe: workers that were forked later have copies of its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <harness/run/hand.h>

#define LEAVE_MS	60000	/* a search for leaks, say, takes its time */

static bool next_order(int fd, struct kc_order *order)
{
	ssize_t n;

	do
		n = read(fd, order, sizeof(*order));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*order) && !order->leave;
}

static void __attribute__((noreturn)) work(kc_hand_serve_fn *serve, void *ctx, bool once, int in, int out)
{
	struct kc_order order;

	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (next_order(in, &order)) {
		serve(ctx, &order, out);
		if (once)
			break;
	}
	/* exit, not _exit: coverage counts are written by its handlers. */
	fflush(NULL);
	exit(0);
}

static int no_pipe(struct kc_err *err)
{
	return kc_err_set(err, -errno, "pipe: %s", strerror(errno));
}

static int forked(struct kc_hand *h, int in[2], int out[2], struct kc_err *err)
{
	int ret = h->pid < 0 ? kc_err_set(err, -errno, "fork: %s", strerror(errno)) : 0;

	close(in[0]);
	close(out[1]);
	if (!ret) {
		h->orders = in[1];
		h->answers = out[0];
		return 0;
	}
	close(in[1]);
	close(out[0]);
	h->pid = 0;
	return ret;
}

int kc_hand_hire(struct kc_hand *h, kc_hand_serve_fn *serve, void *ctx, bool once, struct kc_err *err)
{
	int in[2], out[2], ret;

	if (pipe2(in, O_CLOEXEC))
		return no_pipe(err);
	if (pipe2(out, O_CLOEXEC)) {
		ret = no_pipe(err);
		close(in[0]);
		close(in[1]);
		return ret;
	}
	h->given = 0;
	fflush(NULL);
	h->pid = fork();
	if (!h->pid) {
		close(in[1]);
		close(out[0]);
		work(serve, ctx, once, in[0], out[1]);
	}
	return forked(h, in, out, err);
}

static void say(struct kc_hand *h, const struct kc_order *order)
{
	while (write(h->orders, order, sizeof(*order)) < 0 && errno == EINTR)
		;
}

void kc_hand_order(struct kc_hand *h, const struct kc_order *order)
{
	h->len = 0;
	h->given++;
	say(h, order);
}

enum kc_heard kc_hand_listen(struct kc_hand *h)
{
	char buf[65536], *more;
	ssize_t n = read(h->answers, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? KC_HEARD_PART : KC_HEARD_END;
	more = n ? realloc(h->text, h->len + (size_t)n) : NULL;
	if (!more)
		return KC_HEARD_END;
	h->text = more;
	memcpy(h->text + h->len, buf, (size_t)n);
	h->len += (size_t)n;
	return h->text[h->len - 1] == '\n' ? KC_HEARD_ALL : KC_HEARD_PART;
}

int kc_hand_dismiss(struct kc_hand *h, bool at_once)
{
	const struct kc_order leave = { .leave = true };
	struct pollfd end = { .fd = h->answers };
	int status = 0;

	if (!at_once)
		say(h, &leave);
	if (at_once || poll(&end, 1, LEAVE_MS) < 1)
		kill(h->pid, SIGKILL);
	while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(h->orders);
	close(h->answers);
	h->pid = 0;
	return status;
}

void kc_hand_fini(struct kc_hand *h)
{
	if (h->pid)
		kc_hand_dismiss(h, true);
	free(h->text);
	*h = (struct kc_hand){ 0 };
}

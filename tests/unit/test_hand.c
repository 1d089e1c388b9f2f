/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker from its parent's side: orders, answers, and how it ends. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <harness/run/hand.h>

enum { ECHO, DIE, LEAVE_BADLY, LONG, HANG };

static char big[200000];

static void put(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			_exit(9);
		text += n;
		len -= (size_t)n;
	}
}

/* order->test: what to do; order->dir: what to say. */
static void serve(void *ctx, const struct kc_order *order, int out)
{
	char line[64];

	if (order->test == DIE) {
		signal(SIGABRT, SIG_DFL);	/* cmocka catches it */
		put(out, "half", 4);
		abort();
	}
	if (order->test == LEAVE_BADLY)
		_exit(7);
	while (order->test == HANG)
		poll(NULL, 0, 1000);
	if (order->test == LONG)
		put(out, big, sizeof(big));
	snprintf(line, sizeof(line), "%s %u %d\n", (const char *)ctx, order->dir, getpid());
	put(out, line, strlen(line));
}

static struct kc_hand hire(bool once)
{
	struct kc_hand h = { 0 };
	struct kc_err err = { "" };

	assert_int_equal(kc_hand_hire(&h, serve, "said", once, &err), 0);
	return h;
}

static enum kc_heard ask(struct kc_hand *h, unsigned what, unsigned dir)
{
	const struct kc_order order = { .test = what, .dir = dir };
	enum kc_heard heard;

	kc_hand_order(h, &order);
	while ((heard = kc_hand_listen(h)) == KC_HEARD_PART)
		;
	return heard;
}

static bool said(const struct kc_hand *h, unsigned dir)
{
	char want[64];
	size_t len = (size_t)snprintf(want, sizeof(want), "said %u %d\n", dir, h->pid);

	return h->len >= len && !memcmp(h->text + h->len - len, want, len);
}

static void one_answers_order_after_order(void **state)
{
	struct kc_hand h = hire(false);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ask(&h, ECHO, i), KC_HEARD_ALL);
		assert_true(said(&h, i));
	}
	assert_int_equal(h.given, 3);
	assert_int_equal(kc_hand_dismiss(&h, false), 0);
	assert_int_equal(h.pid, 0);
	kc_hand_fini(&h);
}

/* More than a pipe holds comes in parts; the end of the line is the end. */
static void an_answer_may_be_long(void **state)
{
	struct kc_hand h = hire(false);

	(void)state;
	assert_int_equal(ask(&h, LONG, 5), KC_HEARD_ALL);
	assert_true(said(&h, 5));
	assert_int_equal(strspn(h.text, "x"), sizeof(big));
	assert_int_equal(ask(&h, ECHO, 6), KC_HEARD_ALL);
	assert_true(h.len < 64 && said(&h, 6));
	kc_hand_fini(&h);
}

static void one_for_once_leaves_by_itself(void **state)
{
	struct kc_hand h = hire(true);

	(void)state;
	assert_int_equal(ask(&h, ECHO, 1), KC_HEARD_ALL);
	assert_int_equal(kc_hand_listen(&h), KC_HEARD_END);
	assert_true(said(&h, 1));
	assert_int_equal(kc_hand_dismiss(&h, false), 0);
	kc_hand_fini(&h);
}

static void how_it_ended_is_told(void **state)
{
	struct kc_hand h = hire(false);
	int status;

	(void)state;
	assert_int_equal(ask(&h, DIE, 1), KC_HEARD_END);
	status = kc_hand_dismiss(&h, false);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	kc_hand_fini(&h);
	h = hire(false);
	assert_int_equal(ask(&h, LEAVE_BADLY, 1), KC_HEARD_END);
	assert_int_equal(ask(&h, ECHO, 1), KC_HEARD_END);	/* nobody is there */
	status = kc_hand_dismiss(&h, false);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	kc_hand_fini(&h);
}

static void one_that_hangs_is_killed(void **state)
{
	const struct kc_order order = { .test = HANG };
	struct kc_hand h = hire(false);
	int status;
	pid_t pid;

	(void)state;
	kc_hand_order(&h, &order);
	status = kc_hand_dismiss(&h, true);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	h = hire(false);
	pid = h.pid;
	kc_hand_order(&h, &order);
	kc_hand_fini(&h);
	assert_int_equal(kill(pid, 0), -1);
}

/* Those forked later have copies of their sisters' pipes: it leaves all the same. */
static void they_leave_in_any_order(void **state)
{
	struct kc_hand a = hire(false), b = hire(false);

	(void)state;
	assert_int_equal(ask(&a, ECHO, 1), KC_HEARD_ALL);
	assert_int_equal(ask(&b, ECHO, 2), KC_HEARD_ALL);
	assert_int_equal(kc_hand_dismiss(&a, false), 0);
	assert_int_equal(kc_hand_dismiss(&b, false), 0);
	kc_hand_fini(&a);
	kc_hand_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_answers_order_after_order),
		cmocka_unit_test(an_answer_may_be_long),
		cmocka_unit_test(one_for_once_leaves_by_itself),
		cmocka_unit_test(how_it_ended_is_told),
		cmocka_unit_test(one_that_hangs_is_killed),
		cmocka_unit_test(they_leave_in_any_order),
	};

	signal(SIGPIPE, SIG_IGN);
	memset(big, 'x', sizeof(big));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

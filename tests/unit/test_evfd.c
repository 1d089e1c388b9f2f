/* SPDX-License-Identifier: BSD-3-Clause */
/* Both twins against eventfd(2)'s rules; the same checks run on each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <kickcall/err.h>
#include <kickcall/evfd.h>

#define FULL (UINT64_MAX - 1)

static struct kc_evfd *make(void **state)
{
	struct kc_evfd *e = *state ? kc_evfd_new_real(NULL) : kc_evfd_new_sim();

	assert_non_null(e);
	assert_int_equal(kc_evfd_fd(e) >= 0, *state != NULL);
	return e;
}

static void expect_read(struct kc_evfd *e, int ret, uint64_t want)
{
	uint64_t n = 0;

	assert_int_equal(kc_evfd_read(e, &n), ret);
	assert_true(n == want);
}

static void test_counter(void **state)
{
	struct kc_evfd *e = make(state);

	assert_false(kc_evfd_readable(e));
	expect_read(e, -EAGAIN, 0);
	assert_int_equal(kc_evfd_signal(e, 2), 0);
	assert_int_equal(kc_evfd_signal(e, 5), 0);
	kc_evfd_signal_kernel(e);
	assert_true(kc_evfd_readable(e));
	assert_true(kc_evfd_readable(e));
	expect_read(e, 0, 8);
	assert_false(kc_evfd_readable(e));
	expect_read(e, -EAGAIN, 0);
	assert_int_equal(kc_evfd_signal(e, 0), 0);
	assert_false(kc_evfd_readable(e));
	kc_evfd_unref(e);
}

/* A peer that shares the eventfd has made it blocking. */
static void test_peer_clears_nonblock(void **state)
{
	struct kc_evfd *e = kc_evfd_new_real(NULL);

	(void)state;
	assert_non_null(e);
	assert_int_equal(fcntl(kc_evfd_fd(e), F_SETFL, 0), 0);
	alarm(10);		/* dies of it rather than hang */
	expect_read(e, -EAGAIN, 0);
	assert_int_equal(kc_evfd_signal(e, 3), 0);
	expect_read(e, 0, 3);
	expect_read(e, -EAGAIN, 0);
	alarm(0);
	kc_evfd_unref(e);
}

static void test_limit(void **state)
{
	struct kc_evfd *e = make(state);

	assert_int_equal(kc_evfd_signal(e, UINT64_MAX), -EINVAL);
	assert_int_equal(kc_evfd_signal(e, FULL), 0);
	assert_int_equal(kc_evfd_signal(e, 1), -EAGAIN);
	assert_int_equal(kc_evfd_signal(e, 0), 0);
	expect_read(e, 0, FULL);
	assert_int_equal(kc_evfd_signal(e, FULL - 1), 0);
	assert_int_equal(kc_evfd_signal(e, 2), -EAGAIN);
	assert_int_equal(kc_evfd_signal(e, 1), 0);
	expect_read(e, 0, FULL);
	kc_evfd_unref(e);
}

static void test_kernel_saturates(void **state)
{
	struct kc_evfd *e = kc_evfd_new_sim();

	(void)state;
	assert_int_equal(kc_evfd_signal(e, FULL), 0);
	kc_evfd_signal_kernel(e);
	kc_evfd_signal_kernel(e);
	assert_int_equal(kc_evfd_signal(e, 0), -EAGAIN);
	expect_read(e, 0, UINT64_MAX);
	expect_read(e, -EAGAIN, 0);
	kc_evfd_unref(e);

	/* A real one stays where write(2) can get it, and nothing blocks. */
	e = kc_evfd_new_real(NULL);
	assert_int_equal(kc_evfd_signal(e, FULL), 0);
	kc_evfd_signal_kernel(e);
	expect_read(e, 0, FULL);
	kc_evfd_unref(e);
}

static void test_refs(void **state)
{
	struct kc_evfd *e = make(state);

	assert_true(kc_evfd_is_last(e));
	assert_ptr_equal(kc_evfd_ref(e), e);
	assert_false(kc_evfd_is_last(e));
	kc_evfd_unref(e);
	assert_true(kc_evfd_is_last(e));
	kc_evfd_unref(e);
	kc_evfd_unref(NULL);
}

struct ear {
	unsigned heard;
	uint64_t sum;
	bool signal_back, hang_up;
};

static void hear(void *ctx, struct kc_evfd *e)
{
	struct ear *ear = ctx;
	uint64_t n;

	ear->heard++;
	if (!kc_evfd_read(e, &n))
		ear->sum += n;
	if (ear->signal_back)
		kc_evfd_signal(e, 3);
	if (ear->hang_up) {
		kc_evfd_listen(e, NULL, NULL);
		kc_evfd_unref(e);
	}
}

static void test_listener(void **state)
{
	struct kc_evfd *e = kc_evfd_new_sim();
	struct ear ear = { 0 };

	(void)state;
	assert_int_equal(kc_evfd_listen(e, hear, &ear), 0);
	assert_int_equal(kc_evfd_listen(e, hear, &ear), -EBUSY);
	kc_evfd_signal(e, 5);
	assert_int_equal(ear.heard, 1);
	assert_true(ear.sum == 5);
	assert_false(kc_evfd_readable(e));
	kc_evfd_signal(e, 0);		/* wakes too, though there is nothing to read */
	kc_evfd_signal_kernel(e);
	assert_int_equal(ear.heard, 3);
	assert_true(ear.sum == 6);

	ear.signal_back = true;
	kc_evfd_signal(e, 1);
	assert_int_equal(ear.heard, 4);
	expect_read(e, 0, 3);

	kc_evfd_listen(e, NULL, NULL);
	kc_evfd_signal(e, 1);
	assert_int_equal(ear.heard, 4);
	expect_read(e, 0, 1);

	/* The listener may give back the last reference. */
	ear = (struct ear){ .hang_up = true };
	kc_evfd_listen(e, hear, &ear);
	kc_evfd_signal(e, 1);
	assert_int_equal(ear.heard, 1);
}

static void test_real_has_no_listener(void **state)
{
	struct kc_evfd *e = kc_evfd_new_real(NULL);

	(void)state;
	assert_int_equal(kc_evfd_listen(e, hear, NULL), -ENOTSUP);
	kc_evfd_unref(e);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_from_fd(void **state)
{
	struct kc_err err = { "" };
	struct kc_evfd *e;
	int fd, fds[2];

	(void)state;
	/* A blocking one is made non-blocking: reading an empty counter must not hang. */
	fd = eventfd(0, 0);
	e = kc_evfd_from_fd(fd, &err);
	assert_non_null(e);
	expect_read(e, -EAGAIN, 0);
	kc_evfd_unref(e);
	assert_false(is_open(fd));

	const int wrong[] = { memfd_create("m", 0), epoll_create1(0), open("/dev/zero", O_RDWR) };

	for (unsigned i = 0; i < 3; i++) {
		err.msg[0] = '\0';
		assert_true(wrong[i] >= 0);
		assert_null(kc_evfd_from_fd(wrong[i], &err));
		assert_int_not_equal(err.msg[0], '\0');
		assert_false(is_open(wrong[i]));
	}
	assert_null(kc_evfd_from_fd(-1, &err));
	assert_null(kc_evfd_from_fd(fd, &err));	/* closed above */

	/* Both ends of a pipe. */
	assert_int_equal(pipe(fds), 0);
	e = kc_evfd_from_fd(fds[0], NULL);
	expect_read(e, -EAGAIN, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_true(kc_evfd_readable(e));
	expect_read(e, 0, 1);
	struct kc_evfd *w = kc_evfd_from_fd(fds[1], NULL);

	assert_int_equal(kc_evfd_signal(w, 7), 0);
	expect_read(e, 0, 7);
	kc_evfd_unref(e);
	assert_int_equal(kc_evfd_signal(w, 1), -EPIPE);	/* and no SIGPIPE */
	kc_evfd_unref(w);
}

static void test_handles(void **state)
{
	struct kc_evfd *e = make(state), *far;
	struct kc_handle h, d, none = KC_HANDLE_NONE;

	h = kc_evfd_handle(e);
	assert_false(kc_handle_is_none(h));
	d = kc_handle_dup(h);
	if (*state)
		assert_true(d.fd >= 0 && d.fd != h.fd && !d.evfd);
	else
		assert_ptr_equal(d.evfd, e);
	far = kc_evfd_from_handle(d, NULL);
	assert_non_null(far);
	kc_evfd_signal(e, 4);
	expect_read(far, 0, 4);
	kc_evfd_unref(far);
	assert_true(kc_evfd_is_last(e));

	d = kc_handle_dup(h);
	kc_handle_close(&d);
	assert_true(kc_handle_is_none(d));
	kc_handle_close(&d);
	assert_true(kc_evfd_is_last(e));
	kc_evfd_unref(e);

	assert_true(kc_handle_is_none(kc_handle_dup(none)));
	assert_true(kc_handle_is_none(kc_evfd_handle(NULL)));
	assert_true(kc_handle_is_none(kc_handle_dup((struct kc_handle){ .fd = 1 << 20 })));
	assert_null(kc_evfd_from_handle(none, NULL));
}

#define BOTH(f) { #f "/sim", f, NULL, NULL, NULL }, { #f "/real", f, NULL, NULL, (void *)1 }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_counter), BOTH(test_limit), BOTH(test_refs), BOTH(test_handles),
		cmocka_unit_test(test_kernel_saturates),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_real_has_no_listener),
		cmocka_unit_test(test_peer_clears_nonblock),
		cmocka_unit_test(test_from_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

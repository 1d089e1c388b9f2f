/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference in a process of its own: how long it lives, and who may tell it to leave. Modules: backend/forked.c */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/adapters.h>
#include <backend/vhost_user.h>
#include "peer.h"

#define SECOND	(1000ll * 1000 * 1000)

struct fixture {
	struct kc_backend *be;
	unsigned fds;
	struct kc_err err;
};

static pid_t test;		/* this program, not one of its children */

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .fds = open_fds() };
	f.be = kc_backend_new_forked(&peer_config, &f.err);
	*state = &f;
	return f.be && !kc_backend_open(f.be, &f.err) ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kc_backend_free(f->be);
	return open_fds() == f->fds ? 0 : -1;
}

static enum kc_outcome request(struct fixture *f, uint32_t id, uint64_t v, uint64_t *reply)
{
	return u64_exchange(f->be, id, v, reply, &f->err);
}

static bool serves(struct fixture *f)
{
	uint64_t features;

	return request(f, KC_VU_GET_FEATURES, 0, &features) == KC_OUT_OK && features;
}

static void sessions_share_the_process_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	uint64_t none, status;
	pid_t pid = f->be->pid;

	assert_true(serves(f));
	assert_int_equal(request(f, KC_VU_SET_PROTOCOL_FEATURES, 1ull << KC_PF_STATUS, &none), KC_OUT_OK);
	assert_int_equal(request(f, KC_VU_SET_STATUS, 1, &none), KC_OUT_OK);
	assert_int_equal(request(f, KC_VU_GET_STATUS, 0, &status), KC_OUT_OK);
	assert_int_equal(status, 1);
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_equal(f->be->pid, pid);
	assert_int_equal(request(f, KC_VU_SET_PROTOCOL_FEATURES, 1ull << KC_PF_STATUS, &none), KC_OUT_OK);
	assert_int_equal(request(f, KC_VU_GET_STATUS, 0, &status), KC_OUT_OK);
	assert_int_equal(status, 0);
}

static void after_its_death_there_is_another(void **state)
{
	struct fixture *f = *state;
	pid_t pid = f->be->pid;

	f->be->ops->kill(f->be, SIGKILL);
	assert_int_equal(kc_backend_retire(f->be), 0);
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_not_equal(f->be->pid, pid);
	assert_true(serves(f));
}

static void it_leaves_when_told_to(void **state)
{
	struct fixture *f = *state;
	pid_t pid = f->be->pid;

	assert_int_equal(kc_backend_retire(f->be), 0);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(kc_backend_retire(f->be), 0);
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_true(serves(f));
}

/* As a sanitizer or valgrind would have it. */
static void leave_with_5(void)
{
	if (getpid() != test)
		_exit(5);
}

static void how_it_left_is_told(void **state)
{
	struct fixture *f = *state;

	kc_backend_retire(f->be);
	atexit(leave_with_5);
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_true(WEXITSTATUS(kc_backend_retire(f->be)) == 5);
}

/* A worker that inherited it uses it and leaves it as it is; that it holds copies of its descriptors keeps
 * nobody from leaving. */
static void a_worker_may_use_it(void **state)
{
	struct fixture *f = *state;
	int status, used[2], done[2];
	pid_t pid;
	char byte = 0;

	assert_int_equal(pipe(used), 0);
	assert_int_equal(pipe(done), 0);
	kc_backend_close(f->be);
	pid = fork();
	if (!pid) {
		bool ok = !kc_backend_open(f->be, NULL) && serves(f);

		close(done[1]);
		kc_backend_close(f->be);
		if (write(used[1], &byte, 1) != 1 || read(done[0], &byte, 1))
			_exit(2);
		ok = ok && !kc_backend_retire(f->be);
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(read(used[0], &byte, 1), 1);
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_true(serves(f));
	assert_int_equal(kc_backend_retire(f->be), 0);		/* at once, or SIGKILL's status */
	close(done[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(done[0]);
	close(used[0]);
	close(used[1]);
}

static void others_are_not_told(void **state)
{
	struct kc_backend *be = kc_backend_new_inproc(&peer_config, NULL);

	(void)state;
	assert_int_equal(kc_backend_retire(be), 0);
	kc_backend_free(be);
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sessions_share_the_process_and_nothing_else),
		TEST(after_its_death_there_is_another),
		TEST(it_leaves_when_told_to),
		TEST(a_worker_may_use_it),
		cmocka_unit_test(others_are_not_told),
		TEST(how_it_left_is_told),	/* the last: whatever is forked later leaves so */
	};

	test = getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

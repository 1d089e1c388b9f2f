/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/process.h>
#include <harness/world/proc.h>

#define SEC	1000000000ll

/* A child that sleeps in read until its pipe closes, or spins. */
static pid_t child(bool spins, int *to)
{
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(fds[1]);
		while (spins && getppid() > 1)
			;
		_exit(read(fds[0], &c, 1) == 0 ? 7 : 1);
	}
	close(fds[0]);
	*to = fds[1];
	return pid;
}

static bool becomes_quiet(pid_t pid, int64_t timeout_ns)
{
	int64_t deadline = kc_clock_ns() + timeout_ns;
	struct kc_proc_watch w = { 0 };

	while (kc_clock_ns() < deadline) {
		if (kc_proc_quiet(&w, pid))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static void test_a_sleeper_is_quiet(void **state)
{
	int to;
	pid_t pid = child(false, &to);

	(void)state;
	assert_true(becomes_quiet(pid, 10 * SEC));
	close(to);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_a_spinner_is_not(void **state)
{
	int to;
	pid_t pid = child(true, &to);

	(void)state;
	assert_false(becomes_quiet(pid, SEC / 10));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(to);
}

static void test_a_zombie_tells_its_exit_code(void **state)
{
	int64_t deadline = kc_clock_ns() + 10 * SEC;
	struct kc_proc p = { 0 };
	int to;
	pid_t pid = child(false, &to);

	(void)state;
	close(to);
	while (p.state != 'Z' && kc_clock_ns() < deadline)
		assert_int_equal(kc_proc_read(pid, &p), 0);
	assert_int_equal(p.state, 'Z');
	assert_true(WIFEXITED(p.exit_code));
	assert_int_equal(WEXITSTATUS(p.exit_code), 7);
	waitpid(pid, NULL, 0);
	assert_int_equal(kc_proc_read(pid, &p), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sleeper_is_quiet),
		cmocka_unit_test(test_a_spinner_is_not),
		cmocka_unit_test(test_a_zombie_tells_its_exit_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

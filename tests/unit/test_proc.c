/* SPDX-License-Identifier: BSD-3-Clause */
/* Is a process at rest, and does it ever sleep? */
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

/* One that spins has its time counted finer than in ticks; one that is gone has none. */
static void test_cpu_time(void **state)
{
	int64_t deadline = kc_clock_ns() + 10 * SEC;
	uint64_t from, now = 0;
	int to;
	pid_t pid = child(true, &to);

	(void)state;
	assert_int_equal(kc_proc_cpu_ns(pid, &from), 0);
	while (now < from + 2000000 && kc_clock_ns() < deadline)
		assert_int_equal(kc_proc_cpu_ns(pid, &now), 0);
	assert_true(now >= from + 2000000);
	kill(pid, SIGKILL);
	close(to);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(kc_proc_cpu_ns(pid, &now), -ESRCH);
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

static bool comes_to_only_polling(pid_t pid, int64_t timeout_ns)
{
	int64_t deadline = kc_clock_ns() + timeout_ns;
	struct kc_proc_polls p = { 0 };

	while (kc_clock_ns() < deadline) {
		if (kc_proc_only_polls(&p, pid))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

/* Who spins has run for a while, and who sleeps has not: both will go on like that. A process that is
 * stopped does neither: what it will do is not known. */
static void test_one_that_polls_may_spin(void **state)
{
	uint64_t from, now;
	int to;
	pid_t pid = child(true, &to);

	(void)state;
	assert_int_equal(kc_proc_cpu_ns(pid, &from), 0);
	assert_true(comes_to_only_polling(pid, 10 * SEC));
	assert_int_equal(kc_proc_cpu_ns(pid, &now), 0);
	assert_true(now > from + 10000000);
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	assert_false(comes_to_only_polling(pid, SEC / 10));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(to);
	pid = child(false, &to);
	assert_true(comes_to_only_polling(pid, 10 * SEC));
	close(to);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(comes_to_only_polling(pid, 10 * SEC));	/* gone */
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

/* Looks until it is seen as wanted; false: not before the deadline. */
static bool awake_becomes(struct kc_proc_awake *a, pid_t pid, bool any)
{
	int64_t deadline = kc_clock_ns() + 10 * SEC;

	while (!!kc_proc_awake_begin(a, pid) != any) {
		if (kc_clock_ns() > deadline)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

static void test_a_spinner_never_sleeps(void **state)
{
	struct kc_proc_awake a;
	int64_t deadline;
	int to;
	pid_t pid = child(true, &to);

	(void)state;
	assert_true(awake_becomes(&a, pid, true));
	assert_int_equal(a.n, 1);
	deadline = kc_clock_ns() + 10 * SEC;
	while (kc_proc_awake_ms(&a, pid) < 50) {
		assert_int_equal(kc_proc_awake_look(&a, pid), 1);
		assert_true(kc_clock_ns() < deadline);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(kc_proc_awake_look(&a, pid), 0);	/* gone */
	close(to);
}

static void test_a_sleeper_is_not_awake(void **state)
{
	struct kc_proc_awake a;
	int to;
	pid_t pid = child(false, &to);

	(void)state;
	assert_true(awake_becomes(&a, pid, false));
	assert_int_equal(kc_proc_awake_look(&a, pid), 0);
	assert_int_equal(kc_proc_awake_ms(&a, pid), 0);
	close(to);
	waitpid(pid, NULL, 0);
}

/* Spins until it is told to nap, naps until it is told to stop, and spins until the pipe closes. */
static pid_t napper(int *to, int *from)
{
	int in[2], out[2];
	pid_t pid;
	char c = 0;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(in[1]);
		while (poll(&(struct pollfd){ .fd = in[0], .events = POLLIN }, 1, 0) < 1)
			;
		if (read(in[0], &c, 1) != 1 || write(out[1], &c, 1) != 1 || read(in[0], &c, 1) != 1 ||
		    write(out[1], &c, 1) != 1)
			_exit(1);
		while (poll(&(struct pollfd){ .fd = in[0], .events = POLLIN }, 1, 0) < 1)
			;
		_exit(0);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	return pid;
}

/* That nobody looked while it slept does not matter. */
static void test_one_nap_between_two_looks_is_seen(void **state)
{
	struct kc_proc_watch w = { 0 };
	struct kc_proc_awake a;
	int to, from;
	char c = 0;
	pid_t pid = napper(&to, &from);
	int64_t deadline = kc_clock_ns() + 10 * SEC;

	(void)state;
	assert_true(awake_becomes(&a, pid, true));
	assert_int_equal(kc_proc_awake_look(&a, pid), 1);
	assert_int_equal(write(to, &c, 1), 1);
	assert_int_equal(read(from, &c, 1), 1);
	while (!kc_proc_quiet(&w, pid))		/* in its nap now */
		assert_true(kc_clock_ns() < deadline);
	assert_int_equal(write(to, &c, 1), 1);
	assert_int_equal(read(from, &c, 1), 1);
	assert_int_equal(kc_proc_awake_look(&a, pid), 0);
	assert_true(awake_becomes(&a, pid, true));	/* it spins again, but has slept */
	close(to);
	close(from);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_time),
		cmocka_unit_test(test_a_sleeper_is_quiet),
		cmocka_unit_test(test_a_spinner_is_not),
		cmocka_unit_test(test_a_spinner_never_sleeps),
		cmocka_unit_test(test_a_sleeper_is_not_awake),
		cmocka_unit_test(test_one_nap_between_two_looks_is_seen),
		cmocka_unit_test(test_one_that_polls_may_spin),
		cmocka_unit_test(test_a_zombie_tells_its_exit_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes with deadlines: how each end of one is told, one's own child's and a stranger's. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/process.h>

#define SEC	1000000000ll

/* A child of its own group that tells when it is ready, and ends with status 7 when `to` closes. */
static pid_t child(int *to, bool stubborn)
{
	int in[2], ready[2];
	pid_t pid, parent = getpid();
	char c;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		kc_process_child_init(parent);
		close(in[1]);
		if (stubborn)
			signal(SIGTERM, SIG_IGN);
		close(ready[1]);
		_exit(read(in[0], &c, 1) == 0 ? 7 : 1);
	}
	close(in[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	*to = in[1];
	return pid;
}

static void an_end_is_seen_and_reaped(void **state)
{
	int to, status = -1;
	pid_t pid = child(&to, false);

	(void)state;
	assert_int_equal(kc_process_reap(pid, 0, &status), 0);	/* runs */
	close(to);
	assert_int_equal(kc_process_reap(pid, 20 * SEC, &status), 1);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(kc_process_reap(pid, 0, &status), 1);	/* gone: nobody knows how */
	assert_int_equal(status, 0);
}

static void it_is_ended_politely_and_otherwise(void **state)
{
	static const struct {
		bool stubborn;
		int signo, by;
	} rows[] = {
		{ false, SIGTERM, SIGTERM }, { false, SIGKILL, SIGKILL }, { true, SIGTERM, SIGKILL },
	};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int to, status = 0;
		pid_t pid = child(&to, rows[i].stubborn);

		assert_int_equal(kc_process_end(pid, rows[i].signo, &status), 1);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), rows[i].by);
		close(to);
	}
}

/* A stopped process hears no SIGTERM before it goes on. */
static void a_stopped_one_is_ended(void **state)
{
	int to, status = 0;
	pid_t pid = child(&to, false);

	(void)state;
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(kc_process_end(pid, SIGTERM, &status), 1);
	assert_int_equal(WTERMSIG(status), SIGTERM);
	close(to);
}

/* The status it ended with stays what it was, however late somebody wants to end it. */
static void what_has_ended_is_not_killed_again(void **state)
{
	int to, status = 0;
	siginfo_t info;
	pid_t pid = child(&to, false);

	(void)state;
	close(to);
	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(kc_process_end(pid, SIGKILL, &status), 1);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

/* A forked worker looks after its parent's child: it can see the end, and must not reap it. */
static void a_strangers_end_is_read_and_left_to_its_parent(void **state)
{
	int to, status = 0, worker_status;
	siginfo_t info;
	pid_t pid = child(&to, false), worker;

	(void)state;
	for (unsigned ended = 0; ended < 2; ended++) {
		worker = fork();
		assert_true(worker >= 0);
		if (!worker) {
			int ret = kc_process_reap(pid, 0, &status);

			_exit(ret != (int)ended || (ended && WEXITSTATUS(status) != 7));
		}
		assert_int_equal(waitpid(worker, &worker_status, 0), worker);
		assert_int_equal(worker_status, 0);
		if (ended)
			break;
		close(to);
		assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);	/* still ours to reap */
}

/* What a child left behind in its group goes with it. */
static void the_rest_of_the_group_is_killed(void **state)
{
	pid_t pid, parent = getpid();
	struct pollfd pfd = { .events = POLLIN };
	int alive[2], status;
	char c;

	(void)state;
	assert_int_equal(pipe(alive), 0);
	pfd.fd = alive[0];
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		kc_process_child_init(parent);
		if (fork())
			_exit(0);
		poll(NULL, 0, 60000);	/* with its end of `alive`, until it is killed */
		_exit(0);
	}
	close(alive[1]);
	assert_int_equal(kc_process_reap(pid, 20 * SEC, &status), 1);
	assert_int_equal(poll(&pfd, 1, 20000), 1);	/* its end closes with the grandchild */
	assert_int_equal(read(alive[0], &c, 1), 0);
	close(alive[0]);
}

static void a_deadline_in_milliseconds(void **state)
{
	int64_t now = kc_clock_ns();

	(void)state;
	assert_int_equal(kc_poll_ms(now), 0);
	assert_int_equal(kc_poll_ms(0), 0);
	assert_int_equal(kc_poll_ms(INT64_MAX), INT_MAX);
	assert_in_range(kc_poll_ms(kc_clock_ns() + 3600 * SEC), 3000000, 3600000);
	assert_true(kc_clock_ns() >= now);
}

static void ends_have_words(void **state)
{
	char how[64];

	(void)state;
	assert_string_equal(kc_signal_name(SIGSEGV), "SEGV");
	assert_string_equal(kc_signal_name(SIGKILL), "KILL");
	assert_string_equal(kc_signal_name(0), "?");
	assert_string_equal(kc_signal_name(64), "?");
	kc_process_say_end(SIGSEGV, how, sizeof(how));
	assert_string_equal(how, "died of SIGSEGV");
	kc_process_say_end(3 << 8, how, sizeof(how));
	assert_string_equal(how, "exited with status 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_is_seen_and_reaped),
		cmocka_unit_test(it_is_ended_politely_and_otherwise),
		cmocka_unit_test(a_stopped_one_is_ended),
		cmocka_unit_test(what_has_ended_is_not_killed_again),
		cmocka_unit_test(a_strangers_end_is_read_and_left_to_its_parent),
		cmocka_unit_test(the_rest_of_the_group_is_killed),
		cmocka_unit_test(a_deadline_in_milliseconds),
		cmocka_unit_test(ends_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

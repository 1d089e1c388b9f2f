/* SPDX-License-Identifier: BSD-3-Clause */
/* What became of a back-end whose connection is gone: its process tells. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/adapters.h>
#include <harness/world/blame.h>

#define SEC	1000000000ll

static const struct kc_backend_ops no_ops = { .name = "none" };

enum { SLEEPS = -1, SPINS = -2 };

/* A child that ends when its pipe closes: by signo, or with status; or lives on. */
static pid_t child(int signo, int status, int *to)
{
	const struct rlimit no_core = { 0, 0 };
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(fds[1]);
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGSEGV, SIG_DFL);	/* cmocka catches it */
		if (read(fds[0], &c, 1) < 0)
			_exit(9);
		while (signo < 0)
			if (signo == SLEEPS)
				pause();
		if (signo)
			kill(getpid(), signo);
		_exit(status);
	}
	close(fds[0]);
	*to = fds[1];
	return pid;
}

static enum kc_fate fate_of(int signo, int status, bool connected, char *how, size_t cap)
{
	struct kc_backend be = { .ops = &no_ops, .connected = connected };
	enum kc_fate fate;
	int to, seen;
	siginfo_t info;

	be.pid = child(signo, status, &to);
	close(to);
	/* A zombie still: its parent has not reaped it. */
	if (signo >= 0)
		assert_int_equal(waitid(P_PID, (id_t)be.pid, &info, WEXITED | WNOWAIT), 0);
	fate = kc_blame_fate(&be, signo == SPINS, &seen);
	kc_blame_describe(&be, signo == SPINS, how, cap);
	if (signo < 0)
		kill(be.pid, SIGKILL);
	waitpid(be.pid, NULL, 0);
	return fate;
}

static void test_a_zombie_tells(void **state)
{
	char how[256];

	(void)state;
	assert_int_equal(fate_of(0, 0, false, how, sizeof(how)), KC_FATE_EXIT_OK);
	assert_string_equal(how, "it exited with status 0");
	assert_int_equal(fate_of(0, 3, false, how, sizeof(how)), KC_FATE_EXIT_ERROR);
	assert_string_equal(how, "it exited with status 3");
	assert_int_equal(fate_of(SIGSEGV, 0, false, how, sizeof(how)), KC_FATE_KILLED);
	assert_string_equal(how, "it died of SIGSEGV");
}

static void test_who_sleeps_has_closed_because_it_wanted_to(void **state)
{
	char how[256];

	(void)state;
	assert_int_equal(fate_of(SLEEPS, 0, false, how, sizeof(how)), KC_FATE_CLOSED);
	assert_string_equal(how, "it closed the connection");
	assert_int_equal(fate_of(SLEEPS, 0, true, how, sizeof(how)), KC_FATE_ALIVE);
}

static void test_so_has_who_polls_again(void **state)
{
	char how[256];

	(void)state;
	assert_int_equal(fate_of(SPINS, 0, false, how, sizeof(how)), KC_FATE_CLOSED);
	assert_string_equal(how, "it closed the connection");
	assert_int_equal(fate_of(SPINS, 0, true, how, sizeof(how)), KC_FATE_ALIVE);
}

static void test_what_the_adapter_has_reaped_counts(void **state)
{
	static const struct { int status; enum kc_fate fate; } rows[] = {
		{ 0, KC_FATE_EXIT_OK }, { 1 << 8, KC_FATE_EXIT_ERROR }, { SIGABRT, KC_FATE_KILLED },
		{ SIGSEGV | 0x80, KC_FATE_KILLED },
	};
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kc_backend be = {
			.ops = &no_ops, .pid = getpid(), .exited = true,
				.exit_status = rows[i].status,
		};

		assert_int_equal(kc_blame_fate(&be, false, &status), rows[i].fate);
		assert_int_equal(status, rows[i].status);
	}
}

static void test_without_a_process_there_is_only_the_connection(void **state)
{
	struct kc_backend be = { .ops = &no_ops };
	int status = 7;

	(void)state;
	assert_int_equal(kc_blame_fate(&be, false, &status), KC_FATE_CLOSED);
	assert_int_equal(status, 0);
	be.connected = true;
	assert_int_equal(kc_blame_fate(&be, false, &status), KC_FATE_ALIVE);
}

static void describe_command(const char *command, char *how, size_t cap)
{
	char dir[] = "/tmp/kickcall-test-XXXXXX", *argv[] = { "/bin/sh", "-c", (char *)command,
		NULL };
	struct kc_spawn_config c = { .argv = argv, .start_timeout_ns = 20 * SEC, .dir = dir };
	struct kc_backend *be;
	struct kc_err err = { "" };
	char rm[64];

	assert_non_null(mkdtemp(dir));
	be = kc_backend_new_spawned(&c, &err);
	assert_non_null(be);
	assert_int_equal(kc_backend_open(be, &err), -ECHILD);
	kc_blame_describe(be, false, how, cap);
	kc_backend_free(be);
	snprintf(rm, sizeof(rm), "rm -r %s", dir);
	assert_int_equal(system(rm), 0);
}

/* One line into a sentence: the last one that says anything. */
static void test_the_last_line_of_stderr_is_told(void **state)
{
	char how[256];

	(void)state;
	describe_command("echo one >&2; echo two >&2; exit 4", how, sizeof(how));
	assert_string_equal(how, "it exited with status 4; stderr ends: two");
	describe_command("echo one >&2; printf two >&2; exit 4", how, sizeof(how));
	assert_string_equal(how, "it exited with status 4; stderr ends: two");
	describe_command("echo one >&2; printf 'two\\n\\n' >&2; kill -ABRT $$", how, sizeof(how));
	assert_string_equal(how, "it died of SIGABRT; stderr ends: two");
	describe_command("echo >&2; exit 4", how, sizeof(how));
	assert_string_equal(how, "it exited with status 4");
	describe_command("exit 4", how, sizeof(how));
	assert_string_equal(how, "it exited with status 4");
	describe_command("echo a long line >&2; exit 4", how, 40);
	assert_string_equal(how, "it exited with status 4; stderr ends: a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_zombie_tells),
		cmocka_unit_test(test_who_sleeps_has_closed_because_it_wanted_to),
		cmocka_unit_test(test_so_has_who_polls_again),
		cmocka_unit_test(test_what_the_adapter_has_reaped_counts),
		cmocka_unit_test(test_without_a_process_there_is_only_the_connection),
		cmocka_unit_test(test_the_last_line_of_stderr_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

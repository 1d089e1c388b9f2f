/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: backend/socket.c, backend/spawn.c
 *
 * Spawned back-ends: how they start, fail to start, end, start again, and what they leave behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include "peer.h"

#define SECOND	(1000ll * 1000 * 1000)

struct fixture {
	char dir[64];
	unsigned fds_before;
	struct kc_backend *be;
	struct kc_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fds_before = open_fds();
	strcpy(f->dir, "/tmp/kickcall-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

/* Only log files may be left. */
static int remove_logs(const char *dir)
{
	char path[512];
	int sockets = 0;
	struct dirent *e;
	DIR *d = opendir(dir);

	while ((e = readdir(d))) {
		sockets += strstr(e->d_name, ".sock") != NULL;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		unlink(path);
	}
	closedir(d);
	return rmdir(dir) || sockets;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	pid_t pid = f->be ? f->be->pid : 0;
	int bad;

	kc_backend_free(f->be);
	bad = remove_logs(f->dir) || open_fds() != f->fds_before;
	if (pid > 0 && !kill(pid, 0))
		bad = 1;	/* it outlived its back-end */
	free(f);
	return bad;
}

static struct kc_backend *command(struct fixture *f, char *const *argv, bool listen,
				  int64_t timeout_ns)
{
	const struct kc_spawn_config config = {
		.argv = argv, .listen = listen, .start_timeout_ns = timeout_ns, .dir = f->dir,
	};

	f->be = kc_backend_new_spawned(&config, &f->err);
	assert_non_null(f->be);
	f->be->reply_timeout_ns = 10 * SECOND;
	return f->be;
}

static struct kc_backend *peer(struct fixture *f, const char *mode)
{
	char *argv[] = { peer_exe, "peer", (char *)mode, "{socket}", NULL };

	return command(f, argv, !strcmp(mode, "connect"), 20 * SECOND);
}

static enum kc_outcome get_features(struct fixture *f)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_GET_FEATURES);
	return kc_backend_exchange(f->be, &m, NULL, &f->err);
}

static void a_persistent_one_serves_session_after_session(void **state)
{
	struct fixture *f = *state;
	pid_t pid = 0;

	peer(f, "serve");
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(kc_backend_open(f->be, &f->err), 0);
		assert_true(!pid || f->be->pid == pid);
		pid = f->be->pid;
		assert_int_equal(get_features(f), KC_OUT_OK);
		kc_backend_close(f->be);
		assert_false(f->be->exited);
	}
}

static void a_one_shot_one_is_started_again(void **state)
{
	struct fixture *f = *state;
	pid_t pid = 0;

	peer(f, "once");
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(kc_backend_open(f->be, &f->err), 0);
		assert_int_not_equal(f->be->pid, pid);
		pid = f->be->pid;
		assert_int_equal(get_features(f), KC_OUT_OK);
		kc_backend_close(f->be);
		assert_false(kc_backend_running(f->be, 10 * SECOND));
		assert_int_equal(f->be->exit_status, 0);
	}
}

static void one_that_connects_is_waited_for(void **state)
{
	struct fixture *f = *state;

	peer(f, "connect");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(kc_backend_open(f->be, &f->err), 0);
		assert_int_equal(get_features(f), KC_OUT_OK);
		f->be->ops->kill(f->be, SIGKILL);
		assert_true(f->be->exited);
	}
}

static void a_killed_one_shows_its_signal_and_starts_again(void **state)
{
	struct fixture *f = *state;

	peer(f, "serve");
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	f->be->ops->kill(f->be, SIGKILL);
	assert_int_equal(get_features(f), KC_OUT_DIED);
	assert_non_null(strstr(f->err.msg, "died of SIGKILL"));
	f->be->ops->kill(f->be, SIGKILL);	/* harmless */
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_equal(get_features(f), KC_OUT_OK);
}

static void a_crash_is_told_from_a_closed_connection(void **state)
{
	struct fixture *f = *state;

	peer(f, "abort");
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_equal(get_features(f), KC_OUT_DIED);
	assert_true(f->be->exited);
	assert_int_equal(WTERMSIG(f->be->exit_status), SIGABRT);
}

static void one_that_exits_at_once_is_quoted(void **state)
{
	struct fixture *f = *state;
	int64_t start = kc_clock_ns();

	peer(f, "exit3");
	assert_int_equal(kc_backend_open(f->be, &f->err), -ECHILD);
	assert_true(kc_clock_ns() - start < 10 * SECOND);
	assert_non_null(strstr(f->err.msg, "status 3"));
	assert_non_null(strstr(f->err.msg, "no such disk"));
	assert_int_equal(WEXITSTATUS(f->be->exit_status), 3);
	assert_string_equal(kc_backend_stderr_tail(f->be), "peer: no such disk\n");
	assert_int_equal(kc_backend_open(f->be, &f->err), -ECHILD);
}

static void a_command_that_is_not_there_is_named(void **state)
{
	char *argv[] = { "/nowhere/vhost-user-nothing", "{socket}", NULL };
	struct fixture *f = *state;

	command(f, argv, false, SECOND);
	assert_int_equal(kc_backend_open(f->be, &f->err), -ECHILD);
	assert_non_null(strstr(f->err.msg, "/nowhere/vhost-user-nothing"));
	assert_non_null(strstr(f->err.msg, "No such file"));
	assert_true(f->be->exited);
}

static void one_that_never_answers_is_given_up(void **state)
{
	char *argv[] = { peer_exe, "peer", "silent", "{socket}", NULL };
	struct fixture *f = *state;

	command(f, argv, false, SECOND / 10);
	assert_int_equal(kc_backend_open(f->be, &f->err), -ETIMEDOUT);
	assert_non_null(strstr(f->err.msg, "100 ms"));
	assert_true(f->be->exited);
}

static void a_shell_and_its_children_end_together(void **state)
{
	char *argv[] = { "/bin/sh", "-c", "sleep 1000 & echo $! >&2; exec sleep 1000", NULL };
	struct fixture *f = *state;
	int64_t deadline;
	pid_t grandchild;

	command(f, argv, false, SECOND / 5);
	assert_int_equal(kc_backend_open(f->be, &f->err), -ETIMEDOUT);
	grandchild = atoi(kc_backend_stderr_tail(f->be));
	assert_true(grandchild > 1);
	deadline = kc_clock_ns() + 10 * SECOND;
	for (;;) {	/* init, or whoever adopted it, must reap it: a zombie will do */
		int status;

		if (kc_process_reap(grandchild, 0, &status))
			break;
		assert_true(kc_clock_ns() < deadline);
	}
}

static void placeholders_are_replaced_everywhere(void **state)
{
	char *argv[] = { "/bin/sh", "-c", "echo 'a={dir},b={dir}{socket}c{socke}' >&2; exit 1",
			 NULL };
	struct fixture *f = *state;
	char want[512];

	command(f, argv, false, SECOND);
	assert_int_equal(kc_backend_open(f->be, &f->err), -ECHILD);
	snprintf(want, sizeof(want), "a=%s,b=%s%s/backend-0.sockc{socke}\n", f->dir, f->dir,
		 f->dir);
	assert_string_equal(kc_backend_stderr_tail(f->be), want);
}

static void stdin_stays_open_and_output_never_blocks(void **state)
{
	/* a megabyte to each stream, then a report whether stdin has ended */
	char *argv[] = { "/bin/sh", "-c", "head -c 1000000 /dev/zero; "
			 "head -c 1000000 /dev/zero >&2; timeout 0.1 cat; "
			 "echo status $? >&2; exit 4", NULL };
	struct fixture *f = *state;
	const char *tail;

	command(f, argv, false, 20 * SECOND);
	assert_int_equal(kc_backend_open(f->be, &f->err), -ECHILD);
	tail = kc_backend_stderr_tail(f->be);
	assert_int_equal(strlen(tail), 4096);
	assert_non_null(strstr(tail, "status 124"));	/* cat was still waiting */
	assert_int_equal(tail[0], '?');
}

static void a_long_directory_still_gets_a_socket(void **state)
{
	struct fixture *f = *state;
	char *argv[] = { peer_exe, "peer", "serve", "{socket}", NULL };
	char dir[64 + 101];
	struct kc_spawn_config config = { argv, false, 20 * SECOND, dir };

	snprintf(dir, sizeof(dir), "%s/%0100d", f->dir, 7);
	assert_int_equal(mkdir(dir, 0700), 0);
	f->be = kc_backend_new_spawned(&config, &f->err);
	assert_non_null(f->be);
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_equal(get_features(f), KC_OUT_OK);
	kc_backend_free(f->be);
	f->be = NULL;
	assert_int_equal(remove_logs(dir), 0);
}

static void two_in_one_directory_do_not_meet(void **state)
{
	struct fixture *f = *state;
	struct kc_backend *first = peer(f, "serve"), *second = peer(f, "serve");

	assert_int_equal(kc_backend_open(first, NULL), 0);
	assert_int_equal(kc_backend_open(second, NULL), 0);
	assert_int_not_equal(first->pid, second->pid);
	kc_backend_free(first);
	assert_int_equal(get_features(f), KC_OUT_OK);
}

static void bad_configurations_are_refused(void **state)
{
	char *none[] = { NULL }, *some[] = { "x", NULL };
	struct kc_spawn_config config = { none, false, SECOND, "/tmp" };
	struct fixture *f = *state;

	config.dir = f->dir;
	assert_null(kc_backend_new_spawned(&config, &f->err));
	config.argv = some;
	config.dir = "/nowhere/at/all";
	f->err.msg[0] = '\0';
	assert_null(kc_backend_new_spawned(&config, &f->err));
	assert_non_null(strstr(f->err.msg, "/nowhere/at/all"));
}

/* A worker that inherited a running back-end uses it, hears of its death, and does not end it. */
static void a_forked_worker_may_use_it(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	peer(f, "serve");
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	kc_backend_close(f->be);
	pid = fork();
	if (!pid) {
		bool ok = !kc_backend_open(f->be, NULL) && get_features(f) == KC_OUT_OK;

		kc_backend_free(f->be);
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(kc_backend_running(f->be, 0));
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_equal(get_features(f), KC_OUT_OK);
	pid = fork();
	if (!pid) {
		enum kc_outcome out;

		kill(f->be->pid, SIGKILL);
		out = get_features(f);
		_exit(out == KC_OUT_DIED && WTERMSIG(f->be->exit_status) == SIGKILL ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(kc_backend_running(f->be, 10 * SECOND));
	assert_int_equal(WTERMSIG(f->be->exit_status), SIGKILL);
}

static void others_have_no_last_words(void **state)
{
	struct fixture *f = *state;

	f->be = kc_backend_new_inproc(&peer_config, NULL);
	assert_string_equal(kc_backend_stderr_tail(f->be), "");
}

/* ---- a socket that somebody else serves ---- */

static void somebody_elses_socket(void **state)
{
	struct fixture *f = *state;
	char path[128];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/other", f->dir);
	pid = fork();
	if (!pid)
		_exit(peer_run("serve", path));
	f->be = kc_backend_new_socket(path, false, &f->err);
	assert_non_null(f->be);
	for (unsigned i = 0; i < 3; i++) {	/* it retries until somebody listens */
		assert_int_equal(kc_backend_open(f->be, &f->err), 0);
		assert_int_equal(get_features(f), KC_OUT_OK);
		kc_backend_close(f->be);
	}
	assert_null(f->be->ops->kill);
	assert_false(f->be->caps & (KC_CAP_RESTART | KC_CAP_WRITES));
	kc_backend_free(f->be);
	f->be = NULL;
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(access(path, F_OK), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	/* its file is left over, and nobody answers: to listen there is allowed */
	f->be = kc_backend_new_socket(path, true, &f->err);
	assert_non_null(f->be);
	assert_null(kc_backend_new_socket(path, true, &f->err));
	pid = fork();
	if (!pid)
		_exit(peer_run("connect", path));
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_equal(get_features(f), KC_OUT_OK);
	kc_backend_free(f->be);
	f->be = NULL;
	assert_int_equal(access(path, F_OK), -1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void sockets_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	char path[200];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_null(kc_backend_new_socket(path, true, &f->err));
	assert_non_null(strstr(f->err.msg, "107"));
	f->be = kc_backend_new_socket(path, false, &f->err);
	assert_int_equal(kc_backend_open(f->be, &f->err), -ENAMETOOLONG);
	kc_backend_free(f->be);
	f->be = kc_backend_new_socket(f->dir, false, &f->err);	/* a directory */
	assert_true(kc_backend_open(f->be, &f->err) < 0);
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_persistent_one_serves_session_after_session),
		TEST(a_one_shot_one_is_started_again),
		TEST(one_that_connects_is_waited_for),
		TEST(a_killed_one_shows_its_signal_and_starts_again),
		TEST(a_crash_is_told_from_a_closed_connection),
		TEST(one_that_exits_at_once_is_quoted),
		TEST(a_command_that_is_not_there_is_named),
		TEST(one_that_never_answers_is_given_up),
		TEST(a_shell_and_its_children_end_together),
		TEST(placeholders_are_replaced_everywhere),
		TEST(stdin_stays_open_and_output_never_blocks),
		TEST(a_long_directory_still_gets_a_socket),
		TEST(two_in_one_directory_do_not_meet),
		TEST(bad_configurations_are_refused),
		TEST(a_forked_worker_may_use_it),
		TEST(others_have_no_last_words),
		TEST(somebody_elses_socket),
		TEST(sockets_that_cannot_be),
	};

	peer_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

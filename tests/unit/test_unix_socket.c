/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets with deadlines: who is waited for, how long, and whose socket file may be replaced. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/process.h>
#include "peer.h"

#define SEC	1000000000ll
#define MS	1000000ll

static char dir[64], path[96];
static unsigned fds_before;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/kickcall-unix-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	fds_before = open_fds();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kc_stop_waiting = 0;
	unlink(path);
	rmdir(dir);
	return open_fds() == fds_before ? 0 : -1;
}

/* A back-end whose process has ended, and can be reaped. */
static struct kc_backend *ended(struct kc_backend *be)
{
	static const struct kc_backend_ops ops = { .name = "ended" };
	siginfo_t info;

	*be = (struct kc_backend){ .ops = &ops, .pid = fork() };
	assert_true(be->pid >= 0);
	if (!be->pid)
		_exit(3);
	assert_int_equal(waitid(P_PID, be->pid, &info, WEXITED | WNOWAIT), 0);
	return be;
}

static void both_ends_meet(void **state)
{
	int l = kc_unix_listen(path, NULL), c, a;
	char byte;

	(void)state;
	assert_true(l >= 0);
	c = kc_unix_connect(path, NULL, 20 * SEC, NULL);
	a = kc_unix_accept(l, NULL, 20 * SEC, NULL);
	assert_true(c >= 0 && a >= 0);
	assert_int_equal(write(c, "x", 1), 1);
	assert_int_equal(read(a, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(c);
	close(a);
	close(l);
}

/* A listener that comes up later is found, also where a dead one has left its file. */
static void a_listener_is_waited_for(void **state)
{
	int to[2], status, c;
	pid_t pid;
	char byte;

	(void)state;
	close(kc_unix_listen(path, NULL));	/* nobody's now */
	assert_int_equal(kc_unix_connect(path, NULL, 5 * MS, NULL), -ETIMEDOUT);
	assert_int_equal(pipe(to), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(to[1]);
		_exit(read(to[0], &byte, 1) || kc_unix_accept(kc_unix_listen(path, NULL), NULL,
							      20 * SEC, NULL) < 0);
	}
	close(to[0]);
	close(to[1]);		/* it may begin now */
	c = kc_unix_connect(path, NULL, 20 * SEC, NULL);
	assert_true(c >= 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(c);
}

static void nobody_comes(void **state)
{
	struct kc_err err;
	int l = kc_unix_listen(path, NULL);

	(void)state;
	assert_int_equal(kc_unix_accept(l, NULL, 5 * MS, &err), -ETIMEDOUT);
	assert_string_equal(err.msg, "nobody connected in time");
	close(l);
	unlink(path);
	assert_int_equal(kc_unix_connect(path, NULL, 5 * MS, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.msg, path));
	assert_non_null(strstr(err.msg, "nothing answered in time"));
}

/* These do not wait for the deadline of an hour: */
static void a_process_that_has_ended_is_not_waited_for(void **state)
{
	struct kc_backend be;
	struct kc_err err;
	int l;

	(void)state;
	assert_int_equal(kc_unix_connect(path, ended(&be), 3600 * SEC, &err), -ECHILD);
	assert_true(be.exited);
	assert_int_equal(WEXITSTATUS(be.exit_status), 3);
	l = kc_unix_listen(path, NULL);
	assert_int_equal(kc_unix_accept(l, ended(&be), 3600 * SEC, &err), -ECHILD);
	assert_string_equal(err.msg, "it ended without connecting");
	close(l);
}

static void an_interrupt_ends_the_waiting(void **state)
{
	struct kc_err err;
	int l = kc_unix_listen(path, NULL);

	(void)state;
	kc_stop_waiting = 1;
	assert_int_equal(kc_unix_accept(l, NULL, 3600 * SEC, &err), -EINTR);
	close(l);
	assert_int_equal(kc_unix_connect(path, NULL, 3600 * SEC, &err), -EINTR);
	assert_non_null(strstr(err.msg, "interrupted"));
}

static void what_cannot_come_up_is_not_tried_again(void **state)
{
	char name[200];
	struct kc_err err;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(kc_unix_connect(name, NULL, 3600 * SEC, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "107 bytes"));
	assert_int_equal(kc_unix_listen(name, &err), -ENAMETOOLONG);
	name[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = '\0';
	assert_int_equal(kc_unix_listen(name, &err), -ENAMETOOLONG);	/* one too many */
	snprintf(name, sizeof(name), "%s/s/x", dir);
	close(kc_unix_listen(path, NULL));
	assert_int_equal(kc_unix_connect(name, NULL, 3600 * SEC, &err), -ENOTDIR);
	assert_int_equal(kc_unix_listen(name, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "cannot listen"));
}

/* A listener that lives keeps its name, and so does a file that is no socket. */
static void names_of_others_are_not_taken(void **state)
{
	int l = kc_unix_listen(path, NULL), c;
	struct kc_err err;
	FILE *f;

	(void)state;
	assert_int_equal(kc_unix_listen(path, &err), -EADDRINUSE);
	c = kc_unix_connect(path, NULL, 20 * SEC, NULL);
	assert_true(c >= 0);
	close(c);
	close(l);
	l = kc_unix_listen(path, &err);		/* it is dead now: its name may be taken */
	assert_true(l >= 0);
	close(l);
	unlink(path);
	f = fopen(path, "we");
	fputs("text", f);
	fclose(f);
	assert_true(kc_unix_listen(path, &err) < 0);
	assert_non_null(strstr(err.msg, "cannot listen"));
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fgetc(f), 't');
	fclose(f);
}

/* Who has gone again is passed over for the one that is there. */
static void the_hung_up_are_passed_over(void **state)
{
	int l = kc_unix_listen(path, NULL), c, a;
	char byte;

	(void)state;
	close(kc_unix_connect(path, NULL, 20 * SEC, NULL));
	assert_int_equal(kc_unix_accept(l, NULL, 5 * MS, NULL), -ETIMEDOUT);
	close(kc_unix_connect(path, NULL, 20 * SEC, NULL));
	c = kc_unix_connect(path, NULL, 20 * SEC, NULL);
	a = kc_unix_accept(l, NULL, 20 * SEC, NULL);
	assert_true(a >= 0);
	assert_int_equal(write(c, "y", 1), 1);
	assert_int_equal(read(a, &byte, 1), 1);
	close(a);
	close(c);
	close(l);
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_ends_meet),
		TEST(a_listener_is_waited_for),
		TEST(nobody_comes),
		TEST(a_process_that_has_ended_is_not_waited_for),
		TEST(an_interrupt_ends_the_waiting),
		TEST(what_cannot_come_up_is_not_tried_again),
		TEST(names_of_others_are_not_taken),
		TEST(the_hung_up_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Progress on stderr: plain lines where a file or pipe is, one line that updates on a terminal. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <cmocka.h>
#include <harness/run/progress.h>
#include "output.h"

static struct kc_result passed = { .id = "split/one", .variant = "size=4", .verdict = KC_PASS };
static struct kc_result failed = { .id = "split/two", .variant = "", .verdict = KC_FAIL };
static struct kc_result warned = { .id = "split/three", .variant = "", .verdict = KC_WARN };

/* What is printed for n passes, then a fail and a warning. */
static char *plain(unsigned n, bool verbose)
{
	struct output o = output_begin(stderr);
	struct kc_progress p;

	kc_progress_init(&p, n + 2, verbose);
	for (unsigned i = 0; i < n; i++)
		kc_progress_done(&p, &passed);
	kc_progress_done(&p, &failed);
	kc_progress_done(&p, &warned);
	kc_progress_end(&p);
	return output_end(&o);
}

static void only_what_is_bad_has_a_line(void **state)
{
	char *text = plain(3, false);

	(void)state;
	assert_string_equal(text, "fail         split/two\n");
	free(text);
}

static void each_has_a_line_if_wanted(void **state)
{
	char *text = plain(1, true);

	(void)state;
	assert_string_equal(text, "pass         split/one [size=4]\n"
			    "fail         split/two\nwarn         split/three\n");
	free(text);
}

static void a_long_run_shows_that_it_lives(void **state)
{
	char *text = plain(99, false);

	(void)state;
	assert_string_equal(text, "[50/101]  50 pass\nfail         split/two\n[100/101]  99 pass  1 fail\n");
	free(text);
}

static void counts_are_kept(void **state)
{
	struct output o = output_begin(stderr);
	struct kc_progress p;

	(void)state;
	kc_progress_init(&p, 7, false);
	kc_progress_done(&p, &failed);
	kc_progress_done(&p, &failed);
	kc_progress_done(&p, &warned);
	free(output_end(&o));
	assert_int_equal(p.total, 7);
	assert_int_equal(p.done, 3);
	assert_int_equal(p.counts[KC_FAIL], 2);
	assert_int_equal(p.counts[KC_WARN], 1);
	assert_false(p.terminal);
	assert_false(p.colour);
}

/* A terminal of our own as stderr; returns the side that sees what is printed. */
static int terminal(int *saved)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct termios t;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &t), 0);
	cfmakeraw(&t);
	tcsetattr(slave, TCSANOW, &t);
	fflush(stderr);
	*saved = dup(STDERR_FILENO);
	dup2(slave, STDERR_FILENO);
	close(slave);
	return master;
}

static void on_a_terminal_one_line_updates(void **state)
{
	struct pollfd pfd = { .events = POLLIN };
	struct kc_progress p;
	char text[4096];
	size_t n = 0;
	int saved;

	(void)state;
	pfd.fd = terminal(&saved);
	kc_progress_init(&p, 2, false);
	kc_progress_done(&p, &passed);
	kc_progress_done(&p, &failed);
	kc_progress_end(&p);
	dup2(saved, STDERR_FILENO);
	close(saved);
	while (n < sizeof(text) - 1 && poll(&pfd, 1, 10000) == 1) {
		ssize_t got = read(pfd.fd, text + n, sizeof(text) - 1 - n);

		if (got <= 0)		/* the other side is closed */
			break;
		n += got;
	}
	text[n] = '\0';
	close(pfd.fd);
	assert_string_equal(text, "\r\033[K[1/2]  1 pass  split/one"
			    "\r\033[Kfail         split/two\n[2/2]  1 pass  1 fail  split/two\r\033[K");
}

static void colours_are_for_terminals_that_want_them(void **state)
{
	static const struct { const char *no, *term; bool may; } rows[] = {
		{ NULL, "xterm", true }, { "", "xterm", true }, { "1", "xterm", false },
		{ NULL, "dumb", false }, { NULL, NULL, false },
	};
	bool may[5], plain_file;
	FILE *f = tmpfile();
	int saved, master = terminal(&saved);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		unsetenv("NO_COLOR");
		unsetenv("TERM");
		if (rows[i].no)
			setenv("NO_COLOR", rows[i].no, 1);
		if (rows[i].term)
			setenv("TERM", rows[i].term, 1);
		may[i] = kc_may_colour(stderr);
	}
	setenv("TERM", "xterm", 1);
	plain_file = kc_may_colour(f);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(master);
	fclose(f);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(may[i], rows[i].may);
	assert_false(plain_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_bad_has_a_line),
		cmocka_unit_test(each_has_a_line_if_wanted),
		cmocka_unit_test(a_long_run_shows_that_it_lives),
		cmocka_unit_test(counts_are_kept),
		cmocka_unit_test(on_a_terminal_one_line_updates),
		cmocka_unit_test(colours_are_for_terminals_that_want_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Scratch directories: private, where TMPDIR says, and gone with all that is in them, and no more. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <harness/run/scratch.h>

static bool is_there(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static void private_and_below_tmpdir(void **state)
{
	char outer[PATH_MAX], inner[PATH_MAX];
	struct kc_err err;
	struct stat st;

	(void)state;
	unsetenv("TMPDIR");
	assert_int_equal(kc_make_scratch(outer, sizeof(outer), &err), 0);
	assert_int_equal(strncmp(outer, "/tmp/kickcall-", 14), 0);
	assert_int_equal(stat(outer, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	setenv("TMPDIR", outer, 1);
	assert_int_equal(kc_make_scratch(inner, sizeof(inner), &err), 0);
	assert_int_equal(strncmp(inner, outer, strlen(outer)), 0);
	setenv("TMPDIR", "/nonesuch", 1);
	assert_int_equal(kc_make_scratch(inner, sizeof(inner), &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonesuch/kickcall-"));
	setenv("TMPDIR", "", 1);	/* as if it were not set */
	assert_int_equal(kc_make_scratch(inner, sizeof(inner), &err), 0);
	kc_remove_tree(inner);
	kc_remove_tree(outer);
	assert_false(is_there(inner));
	assert_false(is_there(outer));
	unsetenv("TMPDIR");
}

static void a_tree_goes_and_what_links_lead_to_stays(void **state)
{
	char dir[PATH_MAX], kept[PATH_MAX], path[PATH_MAX + 16];

	(void)state;
	assert_int_equal(kc_make_scratch(dir, sizeof(dir), NULL), 0);
	assert_int_equal(kc_make_scratch(kept, sizeof(kept), NULL), 0);
	snprintf(path, sizeof(path), "%s/keep", kept);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	for (unsigned depth = 0; depth < 3; depth++) {
		snprintf(path, sizeof(path), "%s%.*s", dir, 2 * (int)(depth + 1), "/a/a/a");
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/a/a/file", dir);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0400));
	snprintf(path, sizeof(path), "%s/a/link", dir);
	assert_int_equal(symlink(kept, path), 0);
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	kc_remove_tree(dir);
	assert_false(is_there(dir));
	snprintf(path, sizeof(path), "%s/keep", kept);
	assert_true(is_there(path));
	kc_remove_tree(kept);
	assert_false(is_there(kept));
	kc_remove_tree(kept);		/* not there: no error */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_and_below_tmpdir),
		cmocka_unit_test(a_tree_goes_and_what_links_lead_to_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

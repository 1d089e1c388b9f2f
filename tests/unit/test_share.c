/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared directory: what is in it, again and again, and what cannot be made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <harness/run/share.h>
#include <kickcall/storage.h>

static char root[] = "/tmp/kc-share-XXXXXX";

static const char *path(const char *name)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s/%s", root, name);
	return text;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void check_share(void)
{
	FILE *f = fopen(path("s/pattern"), "r");
	struct stat st;

	assert_non_null(f);
	for (uint64_t i = 0; i < KC_SHARE_PATTERN_BYTES; i++)
		assert_int_equal(fgetc(f), kc_storage_pattern(i));
	assert_int_equal(fgetc(f), EOF);
	fclose(f);
	assert_int_equal(stat(path("s/scratch"), &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(stat(path("s/folder"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(lstat(path("s/link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void made_and_made_anew(void **state)
{
	struct kc_err err;

	(void)state;
	assert_int_equal(kc_share_make(root, "s", &err), 0);
	check_share();
	put("s/scratch", "written");
	put("s/pattern", "spoiled");
	assert_int_equal(kc_share_make(root, "s", &err), 0);
	check_share();
}

static void what_cannot_be(void **state)
{
	struct kc_err err = { "" };

	(void)state;
	assert_int_equal(kc_share_make("/nonesuch", "s", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonesuch/s"));
	put("file", "");
	assert_int_equal(kc_share_make(root, "file", &err), -ENOTDIR);
	/* nothing is written through a link that somebody has left there */
	put("outside", "mine");
	assert_int_equal(unlink(path("s/scratch")), 0);
	assert_int_equal(symlink("../outside", path("s/scratch")), 0);
	assert_int_equal(kc_share_make(root, "s", &err), -ELOOP);
}

static int begin(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
	static const char *const names[] = { "s/pattern", "s/scratch", "s/folder", "s/link", "s", "file",
					     "outside" };

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		remove(path(names[i]));
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_and_made_anew),
		cmocka_unit_test(what_cannot_be),
	};

	return cmocka_run_group_tests(tests, begin, end);
}

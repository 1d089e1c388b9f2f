/* SPDX-License-Identifier: BSD-3-Clause */
/* Expectation files: what they match, and how they complain. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <harness/run/known.h>

static int load(struct kc_known *k, const char *text, size_t n, struct kc_err *err)
{
	char path[] = "/tmp/kc-known-XXXXXX", *at;
	int fd = mkstemp(path), ret;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
	ret = kc_known_load(k, path, err);
	unlink(path);
	/* so that messages can be compared */
	at = strstr(err->msg, path);
	if (at)
		memmove(at, at + strlen(path), strlen(at + strlen(path)) + 1);
	return ret;
}

static unsigned line_of(const struct kc_known *k, const char *id, const char *variant)
{
	const struct kc_known_entry *e = kc_known_match(k, id, variant);

	return e ? e->line : 0;
}

static void test_match(void **state)
{
	static const char text[] =
		"# comment\n"
		"\n"
		"split/a | every variant | docs/FINDINGS.md#one\n"
		"split/b [size=4,*] | some | docs/FINDINGS.md#two\n"
		"  split/b[ size=8,batch=2 ]  |\tone\t|docs/FINDINGS.md#two  \r\n"
		"split/c [] | the one without | docs/FINDINGS.md#three";
	struct kc_err err = { "" };
	struct kc_known k;

	(void)state;
	assert_int_equal(load(&k, text, sizeof(text) - 1, &err), 0);
	assert_int_equal(k.nentries, 4);
	assert_int_equal(line_of(&k, "split/a", ""), 3);
	assert_int_equal(line_of(&k, "split/a", "size=4"), 3);
	assert_int_equal(line_of(&k, "split/a", NULL), 3);
	assert_int_equal(line_of(&k, "split", ""), 0);
	assert_int_equal(line_of(&k, "split/aa", ""), 0);
	assert_int_equal(line_of(&k, "split/b", "size=4,batch=1"), 4);
	assert_int_equal(line_of(&k, "split/b", "size=8,batch=2"), 5);
	assert_int_equal(line_of(&k, "split/b", "size=8,batch=3"), 0);
	assert_int_equal(line_of(&k, "split/b", "size=4"), 0);
	assert_int_equal(line_of(&k, "split/c", NULL), 6);
	assert_int_equal(line_of(&k, "split/c", "size=4"), 0);
	assert_string_equal(k.entries[2].reason, "one");
	assert_string_equal(k.entries[2].finding, "docs/FINDINGS.md#two");
	assert_string_equal(k.entries[2].id, "split/b");
	kc_known_fini(&k);
	assert_null(kc_known_match(&k, "split/a", ""));
}

static void test_complaints(void **state)
{
	static const struct {
		const char *text;
		const char *complaint;
	} bad[] = {
		{ "split/a\n", ":1: 'split/a': want TEST-ID" },
		{ "#\nsplit/a | why\n", ":2: 'split/a" },
		{ " | why | F#a\n", ":1: the test id is empty" },
		{ "[size=4] | why | F#a\n", ":1: '[size=4]' begins with no test id" },
		{ "a | | F#a\n", ":1: the reason is empty" },
		{ "a | why | F\n", ":1: 'F': want FILE#ANCHOR" },
		{ "a | why | #a\n", ":1: '#a': want FILE#ANCHOR" },
		{ "a | why | F#\n", ":1: 'F#': want FILE#ANCHOR" },
		{ "a | why | F#a | b\n", ":1: 'F#a | b': want FILE#ANCHOR" },
		{ "a size=4 | why | F#a\n", ":1: 'size=4' after the test id" },
		{ "a [size=4 | why | F#a\n", ":1: '[size=4' after the test id" },
		{ "a [x] | why | F#a\nb | why | F#a\na [x] | why | F#b\n",
		  ":3: 'a' is already known from line 1" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kc_err err = { "" };
		struct kc_known k;

		assert_int_equal(load(&k, bad[i].text, strlen(bad[i].text), &err), -EINVAL);
		if (strncmp(err.msg, bad[i].complaint, strlen(bad[i].complaint)))
			fail_msg("want \"%s\", got \"%s\"", bad[i].complaint, err.msg);
		assert_int_equal(k.nentries, 0);
	}
}

static void test_strange_files(void **state)
{
	struct kc_err err = { "" };
	struct kc_known k;

	(void)state;
	assert_int_equal(load(&k, "a\0b | w | F#a\n", 14, &err), -EINVAL);
	assert_non_null(strstr(err.msg, ":1: a byte of 0"));
	assert_int_equal(load(&k, "", 0, &err), 0);
	assert_int_equal(k.nentries, 0);
	assert_int_equal(kc_known_load(&k, "/nowhere/at.all", &err), -ENOENT);
	assert_int_equal(kc_known_load(&k, "/", &err), -EIO);
}

/* The files that kickcall brings along. */
static void test_shipped(void **state)
{
	static const char *const files[] = {
		"profiles/qemu-storage-daemon.known", "profiles/qemu-storage-daemon-slow.known",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct kc_err err = { "" };
		struct kc_known k;

		if (kc_known_load(&k, files[i], &err))
			fail_msg("%s", err.msg);
		kc_known_fini(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_strange_files),
		cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

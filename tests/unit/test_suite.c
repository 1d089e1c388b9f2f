/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include <harness/run/scratch.h>
#include <harness/run/suite.h>

static char root[64];

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	char sub[80];

	(void)state;
	strcpy(root, "/tmp/kickcall-suite-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(sub, sizeof(sub), "%s/b", root);
	mkdir(sub, 0755);
	setenv("KICKCALL_SCENARIOS", root, 1);
	put("a.kick", "title t\nclause VQ-SPLIT-USED-02\nvary size = 4 8\n\nqueue 0 split size $size\n");
	put("b/c.kick", "title t\ndevice blk\nclause VQ-INDIRECT-01\n\nqueue 0 split size 4\n");
	put("b/notes.txt", "not a scenario");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kc_remove_tree(root);
	return 0;
}

static int load(struct kc_suite *s, const char *device, char **argv, int argc, struct kc_err *err)
{
	struct kc_options o;
	int ret = kc_options_parse(&o, argc, argv, err);

	assert_int_equal(ret, 0);
	ret = kc_suite_load(s, &o, o.noperands ? o.operands : NULL, o.noperands, device, err);
	kc_options_free(&o);
	return ret;
}

static void test_everything_in_order(void **state)
{
	char *argv[] = { "k", "conform", NULL };
	struct kc_suite s;

	(void)state;
	assert_int_equal(load(&s, NULL, argv, 2, NULL), 0);
	assert_int_equal(s.ntests, 3);
	assert_string_equal(s.tests[0]->id, "a");
	assert_string_equal(s.tests[0]->variant, "size=4");
	assert_string_equal(s.tests[1]->variant, "size=8");
	assert_string_equal(s.tests[2]->id, "b/c");
	kc_suite_free(&s);
}

static void test_selection(void **state)
{
	char *by_clause[] = { "k", "conform", "--clause", "VQ-IND", NULL };
	char *by_variant[] = { "k", "conform", "--variant", "size=8", NULL };
	char *by_id[] = { "k", "conform", "--select", "b/", NULL };
	struct kc_suite s;

	(void)state;
	assert_int_equal(load(&s, NULL, by_clause, 4, NULL), 0);
	assert_int_equal(s.ntests, 1);
	assert_string_equal(s.tests[0]->id, "b/c");
	kc_suite_free(&s);
	assert_int_equal(load(&s, NULL, by_variant, 4, NULL), 0);
	assert_int_equal(s.ntests, 1);
	assert_string_equal(s.tests[0]->variant, "size=8");
	kc_suite_free(&s);
	assert_int_equal(load(&s, "loopback", by_id, 4, NULL), -EINVAL);
	kc_suite_free(&s);
	assert_int_equal(load(&s, "blk", by_id, 4, NULL), 0);
	kc_suite_free(&s);
}

static void test_a_path_gives_the_same_id(void **state)
{
	char path[96];
	char *argv[] = { "k", "run", path, NULL };
	struct kc_suite s;

	(void)state;
	snprintf(path, sizeof(path), "%s/b/c.kick", root);
	assert_int_equal(load(&s, NULL, argv, 3, NULL), 0);
	assert_string_equal(s.tests[0]->id, "b/c");
	kc_suite_free(&s);
}

static void test_errors_say_where(void **state)
{
	char *argv[] = { "k", "conform", NULL };
	char *others[] = { "k", "conform", "--select", "b/", NULL };
	struct kc_suite s;
	struct kc_err err;

	(void)state;
	put("bad.kick", "title t\nclause NO-SUCH-CLAUSE\n\nqueue 0 split size 4\n");
	assert_int_equal(load(&s, NULL, argv, 2, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "bad.kick:2:8: unknown clause 'NO-SUCH-CLAUSE'"));
	kc_suite_free(&s);
	assert_int_equal(load(&s, NULL, others, 4, &err), 0);		/* not read at all */
	kc_suite_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_everything_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_selection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_path_gives_the_same_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors_say_where, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

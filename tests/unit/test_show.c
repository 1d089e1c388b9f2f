/* SPDX-License-Identifier: BSD-3-Clause */
/* `list` and `explain`: what they print, and their exit statuses. */
#include <jansson.h>
#include <sys/stat.h>
#include <harness/show.h>
#include "output.h"
#include "run_fixture.h"

static int status;
static char *out, *complaint;

static int setup(void **state)
{
	int ret = root_setup(state);
	char sub[96];

	out = complaint = NULL;
	put("a.kick", "title first\ndevice blk\nclause VQ-SPLIT-USED-02\nvary size = 4 8\n\n"
	    "queue 0 split size $size\n");
	snprintf(sub, sizeof(sub), "%s/b", root);
	mkdir(sub, 0755);
	put("b/c.kick", "title second\nclause VQ-SPLIT-USED-02, VU-MSG-GETBASE-01\n\n"
	    "queue 0 split size 4\n");
	snprintf(sub, sizeof(sub), "%s/profiles", root);
	mkdir(sub, 0755);
	setenv("KICKCALL_PROFILES", sub, 1);
	return ret;
}

static int teardown(void **state)
{
	free(out);
	free(complaint);
	return root_teardown(state);
}

static void show(char **argv)
{
	struct output o, e;
	struct kc_options opt;
	struct kc_err err;
	int argc = 0;

	while (argv[argc])
		argc++;
	if (kc_options_parse(&opt, argc, argv, &err))
		fail_msg("%s", err.msg);
	free(out);
	free(complaint);
	o = output_begin(stdout);
	e = output_begin(stderr);
	status = opt.command == KC_CMD_LIST ? kc_show_list(&opt) : kc_show_explain(&opt);
	complaint = output_end(&e);
	out = output_end(&o);
	kc_options_free(&opt);
}

static void has(const char *part)
{
	if (!strstr(out, part))
		fail_msg("\"%s\" is not in:\n%s", part, out);
}

static void tests_are_listed(void **state)
{
	(void)state;
	show(ARGV("k", "list", "tests"));
	assert_int_equal(status, 0);
	assert_string_equal(out, "a  size=4  first\na  size=8  first\nb/c  second\n");
	show(ARGV("k", "list", "tests", "--select", "b/"));
	assert_string_equal(out, "b/c  second\n");
}

static void lists_are_json_if_wanted(void **state)
{
	json_t *j, *rows;
	const char *id, *device, *clause;

	(void)state;
	show(ARGV("k", "list", "tests", "--format", "json"));
	j = json_loads(out, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "schema")), 1);
	rows = json_object_get(j, "tests");
	assert_int_equal(json_array_size(rows), 3);
	assert_int_equal(json_unpack(json_array_get(rows, 2), "{s:s,s:s,s:[s,s]}", "id", &id, "device",
				     &device, "clauses", &clause, &clause), 0);
	assert_string_equal(id, "b/c");
	assert_string_equal(device, "any");
	assert_string_equal(clause, "VU-MSG-GETBASE-01");
	json_decref(j);
}

/* A clause is open until somebody tests it; one that only a driver can break is not listed. The
 * areas behind the list add up. */
static void clauses_are_listed_with_their_tests(void **state)
{
	unsigned open = 0, n = 0, total[3];
	json_t *j, *row;
	size_t i;

	(void)state;
	show(ARGV("k", "list", "clauses", "--format", "json"));
	j = json_loads(out, 0, NULL);
	json_array_foreach(json_object_get(j, "clauses"), i, row) {
		const char *id = json_string_value(json_object_get(row, "id"));
		json_t *by = json_object_get(row, "scenarios");
		bool is_open = !strcmp(json_string_value(json_object_get(row, "status")), "open");

		n++;
		open += is_open;
		assert_string_not_equal(id, "VQ-SPLIT-DESC-DRV-01");
		if (is_open)
			assert_int_equal(json_array_size(by), 0);
		if (!strcmp(id, "VU-HDR-04"))
			assert_true(is_open);
		if (!strcmp(id, "VQ-SPLIT-USED-02"))	/* a scenario once, not once a variant */
			assert_string_equal(json_string_value(json_array_get(by, 1)), "b/c");
	}
	json_decref(j);
	show(ARGV("k", "list", "clauses"));
	has("VQ-SPLIT-USED-02  protocol  tested  ");
	has("VU-HDR-04  ");
	has("\narea ");
	assert_int_equal(sscanf(strstr(out, "\ntotal"), " total %u %u %u", &total[0], &total[1],
				&total[2]), 3);
	assert_int_equal(total[2], open);
	assert_int_equal(total[0] + total[1] + total[2], n);
}

static void devices_verbs_and_profiles_are_listed(void **state)
{
	(void)state;
	show(ARGV("k", "list", "devices"));
	has("blk\n");
	has("loopback\n");
	has("rng\n");
	show(ARGV("k", "list", "verbs"));
	has("driver kick if needed  notify unless the device suppresses it\n");
	put("profiles/mine.profile", "title my own\ndevice blk\ncommand be {socket}\n");
	show(ARGV("k", "list", "profiles"));
	has("mine  blk  my own\n");
	put("profiles/mine.profile", "command be {socket}\n");
	show(ARGV("k", "list", "profiles"));
	assert_int_equal(status, 2);
	assert_non_null(strstr(complaint, "mine.profile"));
	assert_string_equal(out, "");
}

static void a_clause_is_explained(void **state)
{
	(void)state;
	show(ARGV("k", "explain", "VQ-SPLIT-USED-02"));
	assert_int_equal(status, 0);
	has("VQ-SPLIT-USED-02 (protocol, both)\n");
	has("  if broken   fail\n");
	has("  status      tested: sim, live\n  tested by   \n    a\n    b/c\n");
	show(ARGV("k", "explain", "VQ-SPLIT-UNS-DEV-06"));
	has("  if broken   warn (fail under --strict)\n");
	show(ARGV("k", "explain", "VQ-SPLIT-DESC-DRV-01"));
	has("  status      not held against back-ends\n");
}

static void a_test_is_explained(void **state)
{
	(void)state;
	show(ARGV("k", "explain", "b/c"));
	assert_int_equal(status, 0);
	assert_int_equal(strncmp(out, "b/c: second\n\n    title second\n", 30), 0);
	has("    queue 0 split size 4\n");
	has("\nVU-MSG-GETBASE-01 (");
}

static void what_is_unknown_is_told(void **state)
{
	(void)state;
	show(ARGV("k", "explain", "b/nonesuch"));
	assert_int_equal(status, 2);
	assert_string_equal(out, "");
	assert_string_equal(complaint, "kickcall: neither a test nor a clause: 'b/nonesuch'\n");
	show(ARGV("k", "list", "test"));
	assert_int_equal(status, 2);
	assert_non_null(strstr(complaint, "not 'test'"));
	put("bad.kick", "title t\nclause NO-SUCH\n");
	show(ARGV("k", "list", "tests"));
	assert_int_equal(status, 2);
	assert_non_null(strstr(complaint, "bad.kick:2:8: "));
	show(ARGV("k", "explain", "VQ-SPLIT-USED-02"));
	assert_int_equal(status, 2);
	show(ARGV("k", "list", "clauses"));
	assert_int_equal(status, 2);
	assert_string_equal(out, "");
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tests_are_listed),
		TEST(lists_are_json_if_wanted),
		TEST(clauses_are_listed_with_their_tests),
		TEST(devices_verbs_and_profiles_are_listed),
		TEST(a_clause_is_explained),
		TEST(a_test_is_explained),
		TEST(what_is_unknown_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The compiled clause catalogue, and the compiler's complaints about a bad one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <coverage/clauses.h>

static void test_sorted_and_found(void **state)
{
	(void)state;
	assert_true(kc_nclauses > 700);
	for (unsigned i = 0; i < kc_nclauses; i++) {
		if (i)
			assert_true(strcmp(kc_clauses[i - 1].id, kc_clauses[i].id) < 0);
		assert_ptr_equal(kc_clause_by_id(kc_clauses[i].id), &kc_clauses[i]);
	}
}

static void test_unknown(void **state)
{
	static const char *const unknown[] = {
		"", "A", "ZZZ", "VQ-SPLIT-UNS-DEV-0", "VQ-SPLIT-UNS-DEV-055", "vq-split-uns-dev-05",
	};

	(void)state;
	assert_null(kc_clause_by_id(NULL));
	for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_null(kc_clause_by_id(unknown[i]));
}

/* One row of each way to be judged, and each exception that the README names. */
static void test_judged(void **state)
{
	static const struct {
		const char *id;
		const char *level;
		enum kc_judge judge;
	} rows[] = {
		{ "VQ-SPLIT-UNS-DEV-05", "MUST", KC_JUDGE_FAIL },
		{ "VQ-SPLIT-UNS-DEV-06", "SHOULD NOT", KC_JUDGE_WARN },
		{ "VU-REPLY-01", "protocol", KC_JUDGE_FAIL },
		{ "VU-HDR-06", "protocol", KC_JUDGE_WARN },		/* inferred */
		{ "VU-MSG-REMMEM-02", "MAY", KC_JUDGE_NEVER },
		{ "NET-CONF-DEV-11", "MUST", KC_JUDGE_WARN },		/* contradictory */
		{ "VU-PL-12", "protocol", KC_JUDGE_WARN },
		{ "VU-MSG-SETCONFIG-01", "MUST", KC_JUDGE_WARN },
		{ "VU-RING-START-01", "protocol", KC_JUDGE_WARN },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct kc_clause *c = kc_clause_by_id(rows[i].id);

		assert_non_null(c);
		assert_string_equal(c->level, rows[i].level);
		assert_int_equal(c->judge, rows[i].judge);
	}
}

static void test_judge_follows_level(void **state)
{
	(void)state;
	for (unsigned i = 0; i < kc_nclauses; i++) {
		const struct kc_clause *c = &kc_clauses[i];

		assert_int_equal(c->judge == KC_JUDGE_NEVER, !strcmp(c->level, "MAY"));
		if (!strncmp(c->level, "SHOULD", 6) || strstr(c->statement, "(inferred)."))
			assert_int_equal(c->judge, KC_JUDGE_WARN);
	}
}

/* Runs the compiler on text; its complaints go to out. Returns its exit status. */
static int compile(const char *text, char *out, size_t cap)
{
	char path[] = "/tmp/kc-clauses-XXXXXX", command[256];
	int fd = mkstemp(path);
	size_t n;
	FILE *p;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(command, sizeof(command), "/usr/bin/env python3 coverage/compile.py %s %s.c 2>&1",
		 path, path);
	p = popen(command, "r");
	assert_non_null(p);
	n = fread(out, 1, cap - 1, p);
	out[n] = '\0';
	unlink(path);
	snprintf(command, sizeof(command), "%s.c", path);
	unlink(command);
	return pclose(p);
}

#define HEADER "id\tsource\tsection\trole\tlevel\tjudge\tarea\tstatement\tobservable\tneeds\n"
#define ROW(id, level, judge, statement) \
	id "\tvhost-user\t1\tboth\t" level "\t" judge "\tmessage\t" statement "\twatch\t-\n"

static void test_compiler_complains(void **state)
{
	static const struct {
		const char *text;
		const char *complaint;
	} bad[] = {
		{ "", ":1: no clauses" },
		{ "id\tsource\n", ":1: columns are" },
		{ HEADER "A-1\tvhost-user\n", ":2: 2 columns, want 10" },
		{ "# note\n" HEADER ROW("A-1", "MUST", "fail", "x") ROW("A-1", "MUST", "fail", "y"),
		  ":4: id 'A-1' is already in line 3" },
		{ HEADER ROW("a1", "MUST", "fail", "x"), ":2: id 'a1'" },
		{ HEADER ROW("A-1", "MIGHT", "fail", "x"), ":2: level 'MIGHT'" },
		{ HEADER ROW("A-1", "MUST", "perhaps", "x"), ":2: judge 'perhaps'" },
		{ HEADER ROW("A-1", "MAY", "fail", "x"), ":2: a MAY cannot be judged 'fail'" },
		{ HEADER ROW("A-1", "protocol", "fail", "x (inferred)."),
		  ":2: an inferred statement" },
		{ HEADER ROW("A-1", "MUST", "fail", " x"), ":2: statement is empty or has blanks" },
		{ HEADER ROW("A-1", "MUST", "fail", "\xc2\xb5"), ":2: statement holds characters" },
	};
	char out[4096];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(compile(bad[i].text, out, sizeof(out)), 0);
		if (!strstr(out, bad[i].complaint))
			fail_msg("want \"%s\" in: %s", bad[i].complaint, out);
	}
	assert_int_equal(compile(HEADER ROW("A-1", "MUST", "warn", "a \\ \"b\" \?\?="), out,
				 sizeof(out)), 0);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted_and_found),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_judged),
		cmocka_unit_test(test_judge_follows_level),
		cmocka_unit_test(test_compiler_complains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Runs the compiler on two tables; its complaints go to said, what it made to made (may be NULL).
 * Returns its exit status. */
static int compile(const char *clauses, const char *waivers, char *said, char *made, size_t cap)
{
	char dir[] = "/tmp/kc-clauses-XXXXXX", path[3][64], command[320];
	static const char *const names[] = { "c.tsv", "w.tsv", "out.c" };
	int status;
	size_t n;
	FILE *p;

	assert_non_null(mkdtemp(dir));
	for (unsigned i = 0; i < 3; i++)
		snprintf(path[i], sizeof(path[i]), "%s/%s", dir, names[i]);
	put(path[0], clauses);
	put(path[1], waivers);
	snprintf(command, sizeof(command), "/usr/bin/env python3 coverage/compile.py %s %s %s 2>&1",
		 path[0], path[1], path[2]);
	p = popen(command, "r");
	assert_non_null(p);
	n = fread(said, 1, cap - 1, p);
	said[n] = '\0';
	status = pclose(p);
	p = made ? fopen(path[2], "re") : NULL;
	if (p) {
		n = fread(made, 1, cap - 1, p);
		made[n] = '\0';
		fclose(p);
	}
	for (unsigned i = 0; i < 3; i++)
		unlink(path[i]);
	rmdir(dir);
	return status;
}

#define HEADER "id\tsource\tsection\trole\tlevel\tjudge\tarea\tstatement\tobservable\tneeds\n"
#define SEEN(id, role, observable) \
	id "\tvhost-user\t1\t" role "\tMUST\tfail\tmessage\tx\t" observable "\t-\n"
#define ROW(id, level, judge, statement) \
	id "\tvhost-user\t1\tboth\t" level "\t" judge "\tmessage\t" statement "\twatch\t-\n"
#define WAIVERS "id\tstatus\treason\n"

static void test_compiler_complains(void **state)
{
	static const struct {
		const char *text;
		const char *complaint;
	} bad[] = {
		{ "", ":1: no columns" },
		{ HEADER, ":1: no clauses" },
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
		assert_int_not_equal(compile(bad[i].text, WAIVERS, out, NULL, sizeof(out)), 0);
		if (!strstr(out, bad[i].complaint))
			fail_msg("want \"%s\" in: %s", bad[i].complaint, out);
	}
	assert_int_equal(compile(HEADER ROW("A-1", "MUST", "warn", "a \\ \"b\" \?\?="), WAIVERS, out,
				 NULL, sizeof(out)), 0);
	assert_string_equal(out, "");
}

static void test_compiler_complains_of_waivers(void **state)
{
	static const struct {
		const char *text;
		const char *complaint;
	} bad[] = {
		{ "", "w.tsv:1: no columns" },
		{ "id\treason\n", "w.tsv:1: columns are" },
		{ WAIVERS "A-1\twaived\n", "w.tsv:2: 2 columns, want 3" },
		{ WAIVERS "A-3\twaived\tx\n", "w.tsv:2: there is no clause 'A-3'" },
		{ WAIVERS "# note\nB-*\topen\tx\n", "w.tsv:3: there is no clause 'B-*'" },
		{ WAIVERS "A-1\tperhaps\tx\n", "w.tsv:2: status 'perhaps'" },
		{ WAIVERS "A-1\twaived\t\n", "w.tsv:2: reason is empty" },
		{ WAIVERS "*\topen\tx\n", "w.tsv:2: id '*'" },
		{ WAIVERS "A-1\topen\tx\nA-1\twaived\tx\n", "w.tsv:3: id 'A-1' is already" },
		{ WAIVERS "A-2\twaived\tx\n", "w.tsv:2: nobody holds a back-end to 'A-2'" },
		{ WAIVERS "A-4\twaived\tx\n", "w.tsv:2: nobody holds a back-end to 'A-4'" },
	};
	char out[4096];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(compile(HEADER SEEN("A-1", "both", "watch")
					     SEEN("A-2", "both", "driver-side")
					     SEEN("A-4", "front-end", "watch"),
					     bad[i].text, out, NULL, sizeof(out)), 0);
		if (!strstr(out, bad[i].complaint))
			fail_msg("want \"%s\" in: %s", bad[i].complaint, out);
	}
}

/* The part of the text that begins with that id's row and ends with the row. */
static void row_of(const char *text, const char *id, char *row, size_t cap)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), ".id = \"%s\"", id);
	at = strstr(text, key);
	assert_non_null(at);
	snprintf(row, cap, "%.*s", (int)(strstr(at, "}") - at), at);
}

static void test_the_nearest_waiver_counts(void **state)
{
	static const struct {
		const char *id, *held, *waived, *reason;
	} rows[] = {
		{ "A-1", ".held = true", ".waived = false", ".reason = \"\"" },
		{ "B-1", ".held = true", ".waived = false", ".reason = \"wide\"" },
		{ "B-21", ".held = true", ".waived = true", ".reason = \"near\"" },
		{ "B-2", ".held = true", ".waived = false", ".reason = \"this\"" },
		{ "C-1", ".held = false", ".waived = false", ".reason = \"\"" },
	};
	char out[8192], made[8192], row[1024];

	(void)state;
	assert_int_equal(compile(HEADER SEEN("A-1", "device", "watch") SEEN("B-1", "both", "watch")
				 SEEN("B-2", "back-end", "watch") SEEN("B-21", "device", "watch")
				 SEEN("C-1", "device", "not observable from here"),
				 WAIVERS "B-2\topen\tthis\nB-2*\twaived\tnear\nB-*\topen\twide\n",
				 out, made, sizeof(out)), 0);
	assert_string_equal(out, "");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row_of(made, rows[i].id, row, sizeof(row));
		assert_non_null(strstr(row, rows[i].held));
		assert_non_null(strstr(row, rows[i].waived));
		assert_non_null(strstr(row, rows[i].reason));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted_and_found),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_judged),
		cmocka_unit_test(test_judge_follows_level),
		cmocka_unit_test(test_compiler_complains),
		cmocka_unit_test(test_compiler_complains_of_waivers),
		cmocka_unit_test(test_the_nearest_waiver_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

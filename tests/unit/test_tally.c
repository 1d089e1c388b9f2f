/* SPDX-License-Identifier: BSD-3-Clause */
/* Where clauses stand: who tests them, in which modes, and who is waived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <coverage/clauses.h>
#include <guest_model/port.h>
#include <harness/oracle/points.h>
#include <harness/tally.h>

#define TESTS_MAX	8

/* A suite of scripts from texts. The parser's own checks are tests/unit/test_script.c's. */
static struct kc_script *tests[TESTS_MAX];
static struct kc_suite suite = { .tests = tests };

static void put(const char *id, const char *text, unsigned variants)
{
	for (unsigned v = 0; v < variants; v++) {
		struct kc_err err;

		assert_true(suite.ntests < TESTS_MAX);
		tests[suite.ntests] = kc_script_parse("t.kick", id, text, v, &err);
		assert_non_null(tests[suite.ntests++]);
	}
}

static int tear_down(void **state)
{
	(void)state;
	while (suite.ntests)
		kc_script_free(tests[--suite.ntests]);
	return 0;
}

/* A clause that neither oracle nor ports accuse by. */
#define LONELY "VU-MSG-QNUM-01"

static void look(struct kc_tally *t, const char *id)
{
	const struct kc_clause *c = kc_clause_by_id(id);

	assert_non_null(c);
	assert_int_equal(kc_tally_init(t, c, &suite), 0);
}

static void test_a_scenario_counts_once(void **state)
{
	struct kc_tally t;

	(void)state;
	put("a", "title t\nclause " LONELY "\nvary size = 4 8 16\n\nqueue 0 split size $size\n", 3);
	put("b", "title t\nclause VQ-INDIRECT-01\n\nqueue 0 split size 4\n", 1);
	put("c", "title t\nclause VQ-INDIRECT-01\n\nexpect alive [" LONELY "]\n", 1);
	look(&t, LONELY);
	assert_int_equal(t.standing, KC_TESTED);
	assert_int_equal(t.nby, 2);
	assert_string_equal(t.by[0], "a");
	assert_string_equal(t.by[1], "c");
	assert_true(t.in_sim && t.in_live);
	kc_tally_fini(&t);
}

static void test_modes_come_from_needs(void **state)
{
	static const struct {
		const char *needs;
		bool in_sim, in_live;
	} rows[] = {
		{ "hostile", true, true },
		{ "sim", true, false },
		{ "messages, live", false, true },
		{ "restart", false, true },
	};
	struct kc_tally t;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "title t\nclause " LONELY "\nneeds %s\n\nexpect alive\n",
			 rows[i].needs);
		put("a", text, 1);
		look(&t, LONELY);
		assert_int_equal(t.in_sim, rows[i].in_sim);
		assert_int_equal(t.in_live, rows[i].in_live);
		kc_tally_fini(&t);
		tear_down(NULL);
	}
	put("a", "title t\nclause " LONELY "\nneeds sim\n\nexpect alive\n", 1);
	put("b", "title t\nclause " LONELY "\nneeds live\n\nexpect alive\n", 1);
	look(&t, LONELY);
	assert_true(t.in_sim && t.in_live);
	kc_tally_fini(&t);
}

static void test_without_a_test_it_is_waived_or_open(void **state)
{
	const struct kc_clause *c = kc_clause_by_id(LONELY);
	struct kc_clause made;
	struct kc_tally t;

	(void)state;
	made = *c;
	for (unsigned waived = 0; waived < 2; waived++) {
		made.waived = waived;
		assert_int_equal(kc_tally_init(&t, &made, &suite), 0);
		assert_int_equal(t.standing, waived ? KC_WAIVED : KC_OPEN);
		assert_false(t.nby || t.in_sim || t.in_live);
		kc_tally_fini(&t);
	}
	/* A test goes before a waiver (which tests/e2e/test_tree.py then complains of). */
	put("a", "title t\nclause " LONELY "\n\nexpect alive\n", 1);
	assert_int_equal(kc_tally_init(&t, &made, &suite), 0);
	assert_int_equal(t.standing, KC_TESTED);
	kc_tally_fini(&t);
}

static bool has(const struct kc_tally *t, const char *name)
{
	for (unsigned i = 0; i < t->nby; i++)
		if (!strcmp(t->by[i], name))
			return true;
	return false;
}

static void counts(const struct kc_point *p, const char *id, unsigned modes)
{
	struct kc_tally t;
	char name[64];

	snprintf(name, sizeof(name), "oracle:%s", p->name);
	look(&t, id);
	assert_true(has(&t, name));
	assert_true(!(modes & KC_IN_SIM) || t.in_sim);
	assert_true(!(modes & KC_IN_LIVE) || t.in_live);
	kc_tally_fini(&t);
}

/* What no scenario names, the oracle still tests: each list of each point is found again. */
static void test_points_count_in_their_modes(void **state)
{
	(void)state;
	for (unsigned i = 0; kc_points[i]; i++) {
		for (const struct kc_point_clause *c = kc_points[i]->clauses; c && c->id; c++)
			counts(kc_points[i], c->id, c->modes);
		for (const struct kc_point_rule *r = kc_points[i]->rules; r && r->rule != KC_RULES; r++) {
			counts(kc_points[i], kc_rule_clause(r->rule, &kc_layout_split), r->modes);
			counts(kc_points[i], kc_rule_clause(r->rule, &kc_layout_packed), r->modes);
		}
	}
}

static void test_ports_count(void **state)
{
	(void)state;
	for (unsigned i = 0; kc_ports[i]; i++) {
		const char *ids[] = { kc_ports[i]->payload_clause, kc_ports[i]->len_clause,
				      kc_ports[i]->len_clause_packed };

		for (unsigned k = 0; k < 3 && ids[k]; k++) {
			struct kc_tally t;
			char name[64];

			snprintf(name, sizeof(name), "port:%s", kc_ports[i]->device);
			look(&t, ids[k]);
			assert_int_equal(t.standing, KC_TESTED);
			assert_true(has(&t, name));
			kc_tally_fini(&t);
		}
	}
}

static void test_a_clause_of_one_mode_only(void **state)
{
	struct kc_tally t;

	(void)state;
	look(&t, "VQ-SPLIT-ANS-DEV-06");	/* proved by a deadlock: nowhere but in sim */
	assert_true(t.in_sim && !t.in_live);
	kc_tally_fini(&t);
	look(&t, "VU-ERR-03");			/* descriptors of a process */
	assert_true(!t.in_sim && t.in_live);
	kc_tally_fini(&t);
}

int main(void)
{
	const struct CMUnitTest unit[] = {
		cmocka_unit_test_teardown(test_a_scenario_counts_once, tear_down),
		cmocka_unit_test_teardown(test_modes_come_from_needs, tear_down),
		cmocka_unit_test_teardown(test_without_a_test_it_is_waived_or_open, tear_down),
		cmocka_unit_test(test_points_count_in_their_modes),
		cmocka_unit_test(test_ports_count),
		cmocka_unit_test(test_a_clause_of_one_mode_only),
	};

	return cmocka_run_group_tests(unit, NULL, NULL);
}

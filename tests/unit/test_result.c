/* SPDX-License-Identifier: BSD-3-Clause */
/* Results: names, the way from a worker to the parent, counts and exit status. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <harness/report/result.h>

static void test_names(void **state)
{
	(void)state;
	for (int v = 0; v < KC_VERDICTS; v++)
		assert_int_equal(kc_verdict_by_name(kc_verdict_name((enum kc_verdict)v)), v);
	assert_string_equal(kc_verdict_name(KC_XPASS), "xpass");
	assert_int_equal(kc_verdict_by_name("passed"), -1);
	assert_int_equal(kc_verdict_by_name(NULL), -1);
	assert_string_equal(kc_level_name(KC_LEVEL_NONE), "");
	assert_string_equal(kc_level_name(KC_LEVEL_MUST), "MUST");
	assert_string_equal(kc_level_name(KC_LEVEL_SHOULD), "SHOULD");
}

static void fill(struct kc_result *r)
{
	memset(r, 0, sizeof(*r));
	r->id = strdup("split/wrap");
	r->title = strdup("indices wrap");
	r->variant = strdup("");
	r->verdict = KC_FAIL;
	r->level = KC_LEVEL_MUST;
	strcpy(r->clauses[0], "VQ-SPLIT-USED-02");
	strcpy(r->clauses[1], "VQ-SPLIT-UNS-DEV-05");
	r->nclauses = 2;
	r->message = strdup("1 used entry expected, none came");
	r->suspicion = strdup("byte 3 still holds its poison");
	r->suspicion_clause = strdup("VQ-SPLIT-USED-DEV-02");
	r->detail = strdup("queue 0\n  \xff\x1b[31m stderr\n");
	r->replay = strdup("build/kickcall run --seed 1 scenarios/split/wrap.kick");
	strcpy(r->violations[0].clause, "VQ-SPLIT-USED-02");
	r->violations[0].level = KC_LEVEL_MUST;
	r->violations[0].line = 12;
	strcpy(r->violations[0].message, "1 used entry expected, none came");
	strcpy(r->violations[1].clause, "VQ-SPLIT-UNS-DEV-06");
	r->violations[1].level = KC_LEVEL_SHOULD;
	strcpy(r->violations[1].message, "a call that was not due");
	r->nviolations = 2;
	r->unreached = true;
	r->duration_us = 1234567890123;
	kc_metrics_queue(&r->metrics, 3)->used = 7;
}

static void test_round_trip(void **state)
{
	struct kc_result a, b;
	struct kc_err err;
	json_t *j;

	(void)state;
	fill(&a);
	j = kc_result_to_json(&a);
	assert_non_null(j);
	assert_int_equal(kc_result_from_json(&b, j, &err), 0);
	json_decref(j);
	assert_string_equal(b.id, a.id);
	assert_string_equal(b.title, a.title);
	assert_string_equal(b.variant, "");
	assert_int_equal(b.verdict, KC_FAIL);
	assert_int_equal(b.level, KC_LEVEL_MUST);
	assert_int_equal(b.nclauses, 2);
	assert_memory_equal(b.clauses, a.clauses, sizeof(a.clauses));
	assert_null(b.reason);
	assert_string_equal(b.message, a.message);
	assert_string_equal(b.suspicion, "byte 3 still holds its poison");
	assert_string_equal(b.suspicion_clause, "VQ-SPLIT-USED-DEV-02");
	assert_string_equal(b.detail, "queue 0\n  ?\x1b[31m stderr\n");
	assert_string_equal(b.replay, a.replay);
	assert_int_equal(b.nviolations, 2);
	assert_memory_equal(b.violations, a.violations, sizeof(a.violations));
	assert_true(b.unreached && !b.script_error);
	assert_int_equal(b.duration_us, 1234567890123);
	assert_int_equal(kc_metrics_used(&b.metrics), 7);
	kc_result_fini(&a);
	kc_result_fini(&b);
	assert_null(b.id);
}

static void test_empty_round_trip(void **state)
{
	struct kc_result a = { 0 }, b;
	json_t *j = kc_result_to_json(&a);

	(void)state;
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "reason")), "");
	assert_int_equal(kc_result_from_json(&b, j, NULL), 0);
	assert_string_equal(b.id, "");
	assert_null(b.message);
	assert_int_equal(b.verdict, KC_PASS);
	json_decref(j);
	kc_result_fini(&b);
}

static json_t *many(json_t *element, unsigned n)
{
	json_t *list = json_array();

	while (n--)
		json_array_append(list, element);
	json_decref(element);
	return list;
}

/* A worker that shared its memory with a peer may send anything. */
static void test_refuses(void **state)
{
	static const char long_id[] = "A-1234567890123456789012345678901234567890123456789";
	struct {
		const char *key;
		json_t *value;		/* NULL: the key is missing */
	} bad[] = {
		{ "id", NULL },
		{ "message", json_integer(3) },
		{ "verdict", json_string("splendid") },
		{ "verdict", json_integer(0) },
		{ "level", json_string("MIGHT") },
		{ "clauses", json_string("A-1") },
		{ "clauses", many(json_integer(1), 1) },
		{ "clauses", many(json_string(long_id), 1) },
		{ "clauses", many(json_string("A-1"), KC_CLAUSES_MAX + 1) },
		{ "violations", NULL },
		{ "violations", many(json_string("x"), 1) },
		{ "violations", many(json_object(), KC_VIOLATIONS_MAX + 1) },
		{ "violations", many(json_pack("{ss, ss, si, ss}", "clause", "A-1", "level", "MUST",
					       "line", -1, "message", "m"), 1) },
		{ "duration_us", json_integer(-1) },
		{ "duration_us", json_string("1") },
		{ "metrics", NULL },
		{ "metrics", json_array() },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kc_err err = { "" };
		struct kc_result a, b;
		json_t *j;

		fill(&a);
		j = kc_result_to_json(&a);
		if (bad[i].value)
			json_object_set_new(j, bad[i].key, bad[i].value);
		else
			json_object_del(j, bad[i].key);
		assert_int_equal(kc_result_from_json(&b, j, &err), -EPROTO);
		assert_string_not_equal(err.msg, "");
		assert_null(b.id);
		assert_int_equal(b.nviolations, 0);
		json_decref(j);
		kc_result_fini(&a);
	}
	assert_int_equal(kc_result_from_json(&(struct kc_result){ 0 }, NULL, NULL), -EPROTO);
}

static int exit_status(bool strict, const enum kc_verdict *verdicts, unsigned n)
{
	struct kc_result results[8] = { 0 }, *list[8];
	struct kc_report rep = { .results = list, .nresults = n };

	for (unsigned i = 0; i < n; i++) {
		results[i].verdict = verdicts[i];
		list[i] = &results[i];
	}
	rep.counts[KC_ERROR] = 99;
	kc_report_count(&rep);
	return kc_report_exit_status(&rep, strict);
}

#define STATUS(strict, ...) \
	exit_status(strict, (enum kc_verdict[]){ __VA_ARGS__ }, \
		    sizeof((enum kc_verdict[]){ __VA_ARGS__ }) / sizeof(enum kc_verdict))

static void test_exit_status(void **state)
{
	(void)state;
	assert_int_equal(exit_status(false, NULL, 0), 77);
	assert_int_equal(STATUS(false, KC_SKIP, KC_SKIP), 77);
	assert_int_equal(STATUS(false, KC_SKIP, KC_PASS), 0);
	assert_int_equal(STATUS(false, KC_PASS, KC_KNOWN, KC_INCONCLUSIVE), 0);
	assert_int_equal(STATUS(false, KC_PASS, KC_WARN), 0);
	assert_int_equal(STATUS(true, KC_PASS, KC_WARN), 1);
	assert_int_equal(STATUS(false, KC_PASS, KC_FAIL), 1);
	assert_int_equal(STATUS(false, KC_PASS, KC_XPASS), 1);
	assert_int_equal(STATUS(false, KC_FAIL, KC_ERROR), 3);
}

static void test_a_script_error_is_the_users(void **state)
{
	struct kc_result a = { .verdict = KC_ERROR, .script_error = true };
	struct kc_result b = { .verdict = KC_ERROR }, c = { .verdict = KC_FAIL };
	struct kc_result *list[] = { &a, &c, &b };
	struct kc_report rep = { .results = list, .nresults = 2 };

	(void)state;
	kc_report_count(&rep);
	assert_int_equal(kc_report_exit_status(&rep, false), 2);
	rep.nresults = 3;
	kc_report_count(&rep);
	assert_int_equal(kc_report_exit_status(&rep, false), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_script_error_is_the_users),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty_round_trip),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

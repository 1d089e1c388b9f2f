/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: harness/report/report_json.c, harness/report/report_text.c
 *
 * The two reports of a run: JSON by its schema, text as a person reads it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <harness/report/result.h>

static struct kc_result results[] = {
	{ .id = "split/one", .title = "one request is used", .variant = "size=4", .verdict = KC_PASS,
	  .duration_us = 1500 },
	{ .id = "split/call", .title = "a call is due when used idx passes used_event",
	  .variant = "size=4,batch=2", .verdict = KC_FAIL, .level = KC_LEVEL_MUST,
	  .clauses = { "VQ-SPLIT-UNS-DEV-05", "VQ-SPLIT-UNS-DEV-06" }, .nclauses = 2,
	  .message = "expected a call, none came",
	  .detail = "queue 0\n\n  used \x1b[31midx 3\n",
	  .replay = "build/kickcall run --seed 7 --variant size=4,batch=2 scenarios/split/call.kick "
		    "--backend vhost-user:/run/a-rather-long-path/to-a-socket.sock --timeout-ms 100",
	  .violations = {
		{ "VQ-SPLIT-UNS-DEV-05", KC_LEVEL_MUST, 12, "expected a call, none came" },
		{ "VQ-SPLIT-UNS-DEV-06", KC_LEVEL_SHOULD, 0, "2 calls more than were due" },
	  }, .nviolations = 2 },
	{ .id = "net/a", .verdict = KC_SKIP, .reason = "the back-end does not offer RING_PACKED" },
	{ .id = "net/b", .verdict = KC_SKIP, .reason = "the peer cannot be restarted" },
	{ .id = "net/c", .verdict = KC_SKIP, .reason = "the peer cannot be restarted" },
	{ .id = "blk/w", .variant = "a=1", .verdict = KC_WARN, .level = KC_LEVEL_SHOULD,
	  .violations = { { "VQ-SPLIT-UNS-DEV-06", KC_LEVEL_SHOULD, 4, "a call too many" } },
	  .nviolations = 1 },
	{ .id = "blk/w", .variant = "a=2", .verdict = KC_WARN, .level = KC_LEVEL_SHOULD,
	  .violations = { { "VQ-SPLIT-UNS-DEV-06", KC_LEVEL_SHOULD, 4, "a call too many" } },
	  .nviolations = 1 },
	{ .id = "blk/k", .verdict = KC_KNOWN, .reason = "acks before it checks" },
	{ .id = "blk/x", .verdict = KC_XPASS, .reason = "was: acks before it checks" },
	{ .id = "blk/i", .verdict = KC_INCONCLUSIVE, .reason = "still busy after 10 s" },
	{ .id = "blk/e", .verdict = KC_ERROR, .clauses = { "VU-HDR-01" }, .nclauses = 1,
	  .message = "no memory for guest memory" },
};
#define RESULTS	(sizeof(results) / sizeof(results[0]))

static struct kc_result *list[RESULTS];
static struct kc_report report = {
	.info = {
		.mode = "sim", .seed = 7, .spec = "ref", .device = "blk", .features = 0x130000000,
		.protocol_features = 0x8, .queues = 1, .complete = true, .duration_ms = 2345,
	},
	.results = list,
};

static int setup(void **state)
{
	(void)state;
	report.nresults = RESULTS;
	for (unsigned i = 0; i < RESULTS; i++)
		list[i] = &results[i];
	kc_report_count(&report);
	return 0;
}

/* Free what this returns. */
static char *text(bool verbose, bool colour)
{
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	assert_int_equal(kc_report_text(&report, f, verbose, colour), 0);
	fclose(f);
	return s;
}

static void assert_has(const char *s, const char *part)
{
	if (!strstr(s, part))
		fail_msg("\"%s\" is not in:\n%s", part, s);
}

static void assert_in_order(const char *s, const char *const *parts)
{
	for (; *parts; parts++) {
		const char *found = strstr(s, *parts);

		if (!found)
			fail_msg("\"%s\" is not where it belongs in:\n%s", *parts, s);
		s = found + strlen(*parts);
	}
}

static void test_text(void **state)
{
	static const char *const parts[] = {
		"FAIL  split/call [size=4,batch=2]\n",
		"  a call is due when used idx passes used_event\n",
		"  VQ-SPLIT-UNS-DEV-05 (MUST): ",
		"    line 12: expected a call, none came\n",
		"  VQ-SPLIT-UNS-DEV-06 (SHOULD NOT): ",
		"    2 calls more than were due\n",
		"  queue 0\n\n    used ?[31midx 3\n",
		"  replay with\n    build/kickcall run --seed 7 ",
		"ERROR  blk/e\n",
		"VU-HDR-01 (protocol): ",
		"no memory for guest memory\n",
		"inconclusive (1)\n  blk/i: still busy after 10 s\n",
		"expected to fail, but did not (1)\n  blk/x: was: acks before it checks\n",
		"warnings (2)\n  VQ-SPLIT-UNS-DEV-06 (SHOULD NOT): ",
		"    blk/w [a=1] line 4: a call too many\n    blk/w [a=2] line 4: a call too many\n",
		"known failures (1)\n  blk/k: acks before it checks\n",
		"skipped (3)\n    2  the peer cannot be restarted\n    1  the back-end does not offer",
		"blk on ref, sim mode, seed 7\n",
		"1 pass, 1 fail, 1 error, 1 xpass, 1 inconclusive, 2 warn, 1 known, 3 skip in 2.3 s\n",
		NULL,
	};
	char *s = text(false, false);

	(void)state;
	assert_in_order(s, parts);
	assert_null(strchr(s, '\033'));
	assert_null(strstr(s, "split/one"));
	assert_has(s, results[1].replay);
	free(s);
}

/* Only what must keep its shape may be wide. */
static void test_width(void **state)
{
	char *s = text(false, false), *save = NULL;

	(void)state;
	for (char *line = strtok_r(s, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strlen(line) > 100)
			assert_has(line, "build/kickcall run");
	free(s);
}

static void test_verbose_and_colour(void **state)
{
	char *s = text(true, false);

	(void)state;
	assert_has(s, "pass  split/one [size=4]\n");
	assert_has(s, "skip  net/a: the back-end does not offer RING_PACKED\n");
	free(s);
	s = text(false, true);
	assert_has(s, "\033[1;31mFAIL\033[0m  \033[1msplit/call\033[0m [size=4,batch=2]\n");
	assert_has(s, "used ?[31midx 3");
	free(s);
}

/* A back-end that does one thing in every test is told of it in ten, and -v in all. */
static void test_many_warnings_of_a_clause(void **state)
{
	struct kc_result many[12], *of[12];
	struct kc_report rep = { .info = report.info, .results = of, .nresults = 12 };
	const char *told = "blk/w [a=1] line 4: a call too many\n";

	(void)state;
	for (unsigned n = 10; n <= 12; n += 2) {
		for (unsigned verbose = 0; verbose < 2; verbose++) {
			unsigned lines = 0;
			char *s = NULL;
			size_t len;
			FILE *f = open_memstream(&s, &len);

			for (unsigned i = 0; i < n; i++) {
				many[i] = results[5];
				of[i] = &many[i];
			}
			rep.nresults = n;
			kc_report_count(&rep);
			assert_int_equal(kc_report_text(&rep, f, verbose, false), 0);
			fclose(f);
			for (const char *c = strstr(s, "warnings ("); (c = strstr(c, told)); c++)
				lines++;
			assert_int_equal(lines, verbose ? n : 10);
			assert_int_equal(!!strstr(s, "    and 2 more (-v tells of all)\n"), n == 12 && !verbose);
			free(s);
		}
	}
}

static void test_interrupted_and_empty(void **state)
{
	char *s;

	(void)state;
	report.nresults = 0;
	report.info.complete = false;
	kc_report_count(&report);
	s = text(false, false);
	assert_string_equal(s, "blk on ref, sim mode, seed 7\nstopped before all tests had run\n"
			    "0 pass, 0 fail in 2.3 s\n");
	free(s);
	report.info.stopped = (char *)"it went\033 away";
	s = text(false, false);
	assert_has(s, "\nstopped before all tests had run: it went? away\n");
	free(s);
	report.info.stopped = NULL;
	report.info.complete = true;
}

static void test_one_result(void **state)
{
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	(void)state;
	kc_result_text(&results[0], f, false);
	kc_result_text(&results[5], f, false);
	fclose(f);
	assert_string_equal(s, "pass  split/one [size=4]\nwarn  blk/w [a=1]: a call too many\n");
	free(s);
}

static json_t *json(char **raw)
{
	size_t n;
	FILE *f = open_memstream(raw, &n);
	json_t *j;

	assert_int_equal(kc_report_json(&report, f), 0);
	fclose(f);
	j = json_loads(*raw, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	return j;
}

static void assert_keys(const json_t *j, const char *keys)
{
	char got[256] = "";
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)j, key, value) {
		strcat(got, key);
		strcat(got, " ");
	}
	assert_string_equal(got, keys);
}

static void test_json_schema(void **state)
{
	char *raw = NULL;
	json_t *j = json(&raw), *backend = json_object_get(j, "backend");
	json_t *summary = json_object_get(j, "summary"), *tests = json_object_get(j, "tests");

	(void)state;
	assert_keys(j, "schema kickcall complete mode seed backend summary metrics tests ");
	assert_keys(backend, "spec command device features protocol_features queues ");
	assert_keys(summary, "pass fail warn inconclusive skip known xpass error duration_ms ");
	assert_int_equal(json_integer_value(json_object_get(j, "schema")), 1);
	assert_int_equal(json_integer_value(json_object_get(j, "seed")), 7);
	assert_true(json_is_true(json_object_get(j, "complete")));
	assert_string_equal(json_string_value(json_object_get(backend, "features")), "0x130000000");
	assert_string_equal(json_string_value(json_object_get(backend, "command")), "");
	assert_int_equal(json_integer_value(json_object_get(summary, "skip")), 3);
	assert_int_equal(json_integer_value(json_object_get(summary, "duration_ms")), 2345);
	assert_int_equal(json_array_size(tests), RESULTS);
	for (unsigned i = 0; i < RESULTS; i++)
		assert_keys(json_array_get(tests, i), "id title variant verdict level clauses reason "
			    "message violations replay duration_us metrics ");
	assert_keys(json_object_get(j, "metrics"), "queues waits peer ");
	assert_keys(json_array_get(json_object_get(json_array_get(tests, 1), "violations"), 0),
		    "clause level line message ");
	assert_int_equal(raw[strlen(raw) - 1], '\n');
	json_decref(j);
	free(raw);
}

/* Below each test with -v, and in all before the counts; in JSON per test, and added up. */
static void test_metrics_of_tests_and_of_the_run(void **state)
{
	static const char *const parts[] = {
		"split/one [size=4]\n      queue 0: 1 used; ", "notifications ", "queue 0   kicks          2 ",
		"blk on ref", "1 pass, ", NULL,
	};
	char *raw = NULL, *s;
	json_t *j, *queue;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		kc_metrics_queue(&results[i].metrics, 0)->kicks = 1;
		results[i].metrics.queues[0]->used = 1;
	}
	s = text(true, false);
	assert_in_order(s, parts);
	free(s);
	s = text(false, false);
	assert_in_order(s, parts + 1);
	assert_null(strstr(s, "queue 0: 1 used"));
	free(s);
	j = json(&raw);
	queue = json_array_get(json_object_get(json_object_get(j, "metrics"), "queues"), 0);
	assert_int_equal(json_integer_value(json_object_get(queue, "used")), 2);
	json_decref(j);
	free(raw);
	for (unsigned i = 0; i < 2; i++)
		kc_metrics_fini(&results[i].metrics);
}

static void test_json_tells_what_stopped_it(void **state)
{
	char *raw = NULL;
	json_t *j;

	(void)state;
	report.info.stopped = (char *)"it went away";
	j = json(&raw);
	report.info.stopped = NULL;
	assert_keys(j, "schema kickcall complete mode seed backend summary metrics tests stopped ");
	assert_string_equal(json_string_value(json_object_get(j, "stopped")), "it went away");
	json_decref(j);
	free(raw);
}

static void test_full_device(void **state)
{
	FILE *f = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(f);
	assert_int_equal(kc_report_json(&report, f), -EIO);
	fclose(f);
	f = fopen("/dev/full", "w");
	assert_int_equal(kc_report_text(&report, f, false, false), -EIO);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_text, setup),
		cmocka_unit_test_setup(test_width, setup),
		cmocka_unit_test_setup(test_verbose_and_colour, setup),
		cmocka_unit_test_setup(test_many_warnings_of_a_clause, setup),
		cmocka_unit_test_setup(test_interrupted_and_empty, setup),
		cmocka_unit_test_setup(test_one_result, setup),
		cmocka_unit_test_setup(test_json_schema, setup),
		cmocka_unit_test_setup(test_metrics_of_tests_and_of_the_run, setup),
		cmocka_unit_test_setup(test_json_tells_what_stopped_it, setup),
		cmocka_unit_test_setup(test_full_device, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

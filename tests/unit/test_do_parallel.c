/* SPDX-License-Identifier: BSD-3-Clause */
/* All queues at once, from a thread each, against the reference in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <backend/adapters.h>
#include <harness/world/world.h>

#define HEAD	"title t\nclause VU-RING-STATE-04\n"

static char *trace;

static enum kc_verdict play(enum kc_mode mode, const char *text, char *reason, size_t cap)
{
	struct kc_ref_config ref = { .device = "loopback", .queues = 4 };
	struct kc_err err = { "" };
	struct kc_script *s = kc_script_parse("x.kick", "x", text, 0, &err);
	struct kc_backend *be = mode == KC_MODE_SIM ? kc_backend_new_inproc(&ref, &err) :
		kc_backend_new_forked(&ref, &err);
	struct kc_world_config cfg = {
		.mode = mode, .seed = 1, .be = be, .port = &kc_port_loopback,
		.timeout_ns = mode == KC_MODE_LIVE && strstr(text, "disabled") ? 1000000000 : 5000000000,
	};
	struct kc_result r = { 0 };
	enum kc_verdict v;
	size_t len;

	assert_non_null(s);
	assert_non_null(be);
	free(trace);
	cfg.trace_file = open_memstream(&trace, &len);
	kc_world_run(s, &cfg, &r);
	fclose(cfg.trace_file);
	v = r.verdict;
	snprintf(reason, cap, "%s", r.reason ? r.reason : r.message ? r.message : "");
	kc_result_fini(&r);
	kc_backend_free(be);
	kc_script_free(s);
	return v;
}

static unsigned times(const char *what)
{
	unsigned n = 0;

	for (const char *c = trace; (c = strstr(c, what)); c++)
		n++;
	return n;
}

static void test_each_queue_has_its_requests(void **state)
{
	char why[256];

	(void)state;
	assert_int_equal(play(KC_MODE_LIVE, HEAD "queue 0 split size 4\nqueue 2 split size 8\n"
			      "driver in parallel 50 requests\nexpect queue 0 all used\n", why, sizeof(why)), KC_PASS);
	assert_int_equal(times("\"request\",\"place\":\"queue 0"), 50);
	assert_int_equal(times("\"request\",\"place\":\"queue 2"), 50);
}

static void test_it_needs_threads(void **state)
{
	char why[256];

	(void)state;
	assert_int_equal(play(KC_MODE_SIM, HEAD "queue 0 split size 4\ndriver in parallel 1 requests\n", why,
			      sizeof(why)), KC_SKIP);
	assert_non_null(strstr(why, "needs live mode"));
}

/* A queue that is not served keeps no thread for ever, and proves nothing. */
static void test_a_queue_that_rests_is_given_up(void **state)
{
	char why[256];

	(void)state;
	assert_int_equal(play(KC_MODE_LIVE, HEAD "queue 0 split size 4\nqueue 1 split size 4 disabled\n"
			      "driver in parallel 3 requests\n", why, sizeof(why)), KC_INCONCLUSIVE);
	assert_non_null(strstr(why, "queue 1"));
	assert_int_equal(times("\"request\",\"place\":\"queue 0"), 3);
	assert_int_equal(times("\"request\",\"place\":\"queue 1"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_queue_has_its_requests),
		cmocka_unit_test(test_it_needs_threads),
		cmocka_unit_test(test_a_queue_that_rests_is_given_up),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(trace);
	return failed;
}

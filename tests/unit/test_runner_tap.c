/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole runs on the reference with a tap, each test in its process with a far end of its own;
 * and what is said before any test when there can be none. */
#include "run_fixture.h"
#include "netns.h"

#define ON_TAP	"--device", "net", "--data", "tap:kt0"
#define ONE	"title t\nclause NET-HDR-01\nneeds data-loop\ndevice net\n\nqueue 0 split size 16\n" \
		"queue 1 split size 16\ndriver 0 2 requests, kick\ndriver 1 request, kick\n" \
		"expect queue 1 1 used\nexpect queue 0 1 used\n"

static void each_test_has_a_far_end(void **state)
{
	struct run r;

	(void)state;
	NETNS_NEEDED();
	put("a.kick", ONE);
	put("b.kick", ONE);
	run_open(&r, ARGV("conform", ON_TAP, "--jobs", "4"));
	if (kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err))
		fail_msg("%s", r.err.msg);
	assert_string_equal(r.rep.info.mode, "live");
	assert_int_equal(r.rep.counts[KC_PASS], 2);
	run_close(&r);
}

static void runs_not(unsigned without, const char *said)
{
	struct run r;

	put("a.kick", ONE);
	run_open(&r, ARGV("conform", ON_TAP));
	netns_capable(without, false);
	assert_true(kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err) < 0);
	netns_capable(without, true);
	if (!strstr(r.err.msg, said))
		fail_msg("expected %s, actual %s", said, r.err.msg);
	assert_int_equal(r.rep.nresults, 0);
	run_close(&r);
}

static void without_the_rights_there_is_no_run(void **state)
{
	(void)state;
	NETNS_NEEDED();
	runs_not(CAP_NET_RAW, "far end of tap kt0");
	runs_not(CAP_NET_ADMIN, "tap kt0 cannot be made");
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_test_has_a_far_end),
		TEST(without_the_rights_there_is_no_run),
	};

	return cmocka_run_group_tests(tests, netns_setup, NULL);
}

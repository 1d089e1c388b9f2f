/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for what does not come: a proof in sim, a reason to look closer in live mode. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"
#define ASK	QUEUE "driver request, kick\nexpect 1 used\n"

/* Nobody has kicked: no clause but the script's own is broken. */
#define UNASKED	"queue 0 split size 8 unkicked\ndriver request\nexpect 1 used\n"

static void spin(struct play *p, struct kc_world *w)
{
	p->spins = w->trace.step >= 5;
}

static void test_sim_proves_that_nothing_comes(void **state)
{
	struct play p = { .frozen = true };

	(void)state;
	fails(&p, UNASKED, CLAUSE, 5, "used entry 1 of 1 on queue 0 has not come, and nothing can "
	      "run any more: "
	      "it never will");
	/* what the oracle has proved is not said twice */
	fails(&p, ASK, "VU-RING-STATE-04", 5, "nothing can run any more");
	p.on_step = spin;
	fails(&p, UNASKED, CLAUSE, 5, "has not come, and the back-end keeps running without getting "
	      "there");
	p = (struct play){ .frozen = true };
	warns(&p, "queue 0 split size 8 unkicked\ndriver request\nexpect 1 used [" MILD "]\n", MILD,
	      5,
	      "has not come");
}

static void test_live_fails_nobody_by_a_deadline(void **state)
{
	struct play p = { .mode = KC_MODE_LIVE, .frozen = true, .cfg.timeout_ns = PLAY_MS };

	(void)state;
	undecided(&p, ASK, "used entry 1 of 1 on queue 0 has not come, and nothing proves that it "
		  "never will");
	assert_int_equal(result.nviolations, 0);
	/* the rings were stopped, to see more */
	assert_int_equal(times(trace, "\"queue-stop\""), 1);
	p.frozen = false;
	passes(&p, ASK);
}

/* In sim as well: one that sleeps beyond the deadline will go on. */
static void test_one_that_is_slow_on_purpose_is_not_accused(void **state)
{
	static const char *const three = QUEUE "driver 3 requests, kick\nexpect 3 used\n";
	struct play p = { .ref.requests_per_s = 10, .cfg.timeout_ns = PLAY_MS };

	(void)state;
	undecided(&p, three, "on queue 0 has not come, and nothing proves that it never will");
	assert_int_equal(result.nviolations, 0);
	p.cfg.timeout_ns = 20 * PLAY_MS;	/* ten times that is enough for each */
	passes(&p, three);
	/* when all is done there is proof as ever */
	fails(&p, QUEUE "driver request, kick\nexpect 2 used\n", CLAUSE, 5, "nothing can run any more");
}

/* Without REPLY_ACK nobody notices that the call eventfd has not arrived. */
static void test_what_the_oracle_can_prove_it_proves(void **state)
{
	struct play p = {
		.faults = { { .on = KC_VU_SET_VRING_CALL, .kind = FAULT_MUTE } },
		.cfg.timeout_ns = PLAY_MS,
	};

	(void)state;
	for (unsigned mode = KC_MODE_SIM; mode <= KC_MODE_LIVE; mode++) {
		p.mode = mode;
		play(&p, "without REPLY_ACK\n" QUEUE "driver request, kick, wait call\n");
		assert_int_equal(result.verdict, KC_FAIL);
		assert_int_equal(result.violations[0].line, 5);
		assert_string_not_equal(result.violations[0].clause, CLAUSE);
		assert_int_equal(result.nviolations, 1);
	}
}

static void test_a_loss_ends_a_wait(void **state)
{
	struct play p = { .frozen = true, .cut_at = 5 };

	(void)state;
	fails(&p, ASK, CLAUSE, 5, "expected used entry 1 of 1 on queue 0, actual: it closed the "
	      "connection");
	warns(&p, QUEUE "driver request, kick\nexpect 1 used [" MILD "]\n", MILD, 5, "closed");
	p.cut_status = SIGABRT;
	fails(&p, ASK, CLAUSE, 5, "expected used entry 1 of 1 on queue 0, actual: it died of "
	      "SIGABRT");
	/* who has allowed a close before, allows it in a wait, but no crash */
	p.cut_at = 6;
	fails(&p, QUEUE "expect alive or closed\ndriver request, kick\nexpect 1 used\n", CLAUSE, 6,
	      "expected a close or a clean exit at the most, actual: it died of SIGABRT");
	p.cut_status = 0;
	passes(&p, QUEUE "expect alive or closed\ndriver request, kick\nexpect 1 used\n");
}

/* What was there before the end counts. */
static void test_a_loss_after_the_last_entry_is_no_loss_of_it(void **state)
{
	struct play p = { .cut_at = 6 };

	(void)state;
	passes(&p, QUEUE "driver request, kick\nvmm settle\nvmm settle\nexpect 1 used, closed\n");
}

static void test_an_early_answer_is_kept_for_its_line(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "message GET_QUEUE_NUM\ndriver request, kick\nexpect 1 used\n"
	       "expect reply, reply u64 = 4\n");
	passes(&p, "message GET_QUEUE_NUM\nmessage GET_FEATURES\nvmm settle\n"
	       "expect reply to GET_QUEUE_NUM, reply to GET_FEATURES\n");
}

static void test_more_messages_than_anybody_keeps(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "repeat 40\nmessage GET_QUEUE_NUM\nend\nvmm settle\nrepeat 32\n"
	       "expect reply, reply u64 = 4\nend\n"
	       "expect alive\n");
}

static void test_garbage_that_nobody_waits_for_is_a_violation(void **state)
{
	struct play p = { .faults = { { .on = KC_VU_GET_QUEUE_NUM, .kind = FAULT_GARBLE,
		.skip = 1 } } };

	(void)state;
	fails(&p, QUEUE "message GET_QUEUE_NUM\nvmm settle\ndriver request, kick\n", "VU-HDR-01", 5,
	      "those bytes are no message");
	assert_int_equal(times(trace, "\"request\""), 0);
}

/* A live peer without a process is given a round trip. */
static void test_live_settles_by_a_message(void **state)
{
	struct play p = { .mode = KC_MODE_LIVE };

	(void)state;
	passes(&p, QUEUE "driver request, kick\nvmm settle\nexpect 1 used\n");
	assert_true(times(trace, "\"step\":5") >= 2);
	assert_non_null(strstr(strstr(trace, "\"step\":5"), "GET_FEATURES"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim_proves_that_nothing_comes),
		cmocka_unit_test(test_live_fails_nobody_by_a_deadline),
		cmocka_unit_test(test_one_that_is_slow_on_purpose_is_not_accused),
		cmocka_unit_test(test_what_the_oracle_can_prove_it_proves),
		cmocka_unit_test(test_a_loss_ends_a_wait),
		cmocka_unit_test(test_a_loss_after_the_last_entry_is_no_loss_of_it),
		cmocka_unit_test(test_an_early_answer_is_kept_for_its_line),
		cmocka_unit_test(test_more_messages_than_anybody_keeps),
		cmocka_unit_test(test_garbage_that_nobody_waits_for_is_a_violation),
		cmocka_unit_test(test_live_settles_by_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

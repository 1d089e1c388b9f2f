/* SPDX-License-Identifier: BSD-3-Clause */
/* What rings, notifications and requests are expected to do, and what is said when they do not. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"
#define TWO	QUEUE "driver 2 requests, kick\nvmm settle\n"

static uint8_t *used_ring(struct kc_world *w)
{
	return kc_mem_host(&w->mem, w->q[0].config.used, kc_used_bytes(8));
}

static void test_used(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, TWO "expect 2 used\n");
	fails(&p, TWO "expect 2 used, 1 used [VU-HDR-01]\n", "VU-HDR-01", 6,
	      "queue 0: expected 1 used, actual 2");
	fails(&p, TWO "expect 3 used\n", CLAUSE, 6, "used entry 3 of 3 on queue 0 has not come");
	errs(&p, TWO "expect queue 1 1 used\n", "6:16: there is no queue 1");
	passes(&p, TWO "expect all used, 0 in flight\n");
	errs(&p, TWO "expect queue 1 all used\n", "6:16: there is no queue 1");
	/* more than the ring has room for */
	passes(&p, QUEUE "repeat 5\ndriver 2 requests, kick, wait used\nend\nexpect 0 used\n");
}

static void test_nothing_used(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "queue 0 split size 8 disabled\ndriver request, kick\nexpect nothing used\n");
	fails(&p, QUEUE "driver request, kick\nexpect nothing used\n", CLAUSE, 5,
	      "queue 0: expected nothing used, actual used idx went from 0 to 1");
	/* Nor while a line waited for another queue; but a line about this one has seen it. */
	fails(&p, QUEUE "queue 1 split size 8\ndriver request, kick\ndriver 1 request, kick\nvmm settle\n"
	      "expect 1 used\nexpect queue 1 nothing used\n", CLAUSE, 9,
	      "queue 1: expected nothing used, actual used idx went from 0 to 1");
	passes(&p, QUEUE "queue 1 split size 8\ndriver request, kick\ndriver 1 request, kick\n"
	       "expect 1 used\nexpect queue 1 1 used\nexpect queue 1 nothing used\n");
	errs(&p, QUEUE "expect queue 1 nothing used\n", "4:16: there is no queue 1");
}

static void test_used_at_rest_proves_no_must(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, TWO "expect 2 used at rest [" MILD "]\n");
	warns(&p, TWO "expect 3 used at rest [" MILD "]\n", MILD, 6,
	      "queue 0: the back-end rests, expected 3 used, actual 2");
	warns(&p, TWO "expect 1 used at rest [" MILD "]\n", MILD, 6, "expected 1 used, actual 2");
	errs(&p, TWO "expect 2 used at rest\n", "6:8: " CLAUSE " is a MUST: 'used at rest' proves "
	     "none");
	errs(&p, TWO "expect queue 1 2 used at rest\n", "6:16: there is no queue 1");
}

static void test_in_flight_and_full(void **state)
{
	struct play p = { .frozen = true };

	(void)state;
	play(&p, QUEUE "driver 2 requests\nexpect 2 in flight, not full\n"
	     "driver fill\nexpect full, 3 in flight, not full\n");
	assert_int_equal(result.nviolations, 1);	/* the same line and clause: told once */
	assert_string_equal(result.message, "queue 0: expected 3 in flight, actual 4");
	fails(&p, QUEUE "driver fill\nexpect not full\nexpect 4 in flight\n", CLAUSE, 5,
	      "queue 0: expected free descriptors, actual none");
	errs(&p, QUEUE "expect full\n", "4:8: queue 0 was never filled");
	errs(&p, QUEUE "expect queue 1 full\n", "4:16: there is no queue 1");
	errs(&p, QUEUE "expect queue 1 not full\n", "4:16: there is no queue 1");
	errs(&p, QUEUE "expect queue 1 0 in flight\n", "4:16: there is no queue 1");
}

static void test_status(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	passes(&p, TWO "expect 2 used, status OK\n");
	passes(&p, QUEUE "driver request type 77, kick\nexpect 1 used, status UNSUPP\n");
	passes(&p, QUEUE "driver request type 77, request, kick\nexpect 2 used, status any\n");
	passes(&p, QUEUE "driver request type 77, request past-end, kick\nexpect 2 used, status refused\n");
	fails(&p, QUEUE "driver request type 77, request, kick\nexpect 2 used, status refused\n", CLAUSE, 5,
	      "expected status refused, actual OK for 1 requests");
	fails(&p, QUEUE "driver request type 77, kick\nexpect 1 used, status OK\n", CLAUSE, 5,
	      "expected status OK, actual UNSUPP");
	fails(&p, QUEUE "driver request type 77, kick\nexpect 1 used, status IOERR\n", CLAUSE, 5,
	      "expected status IOERR, actual UNSUPP");
	fails(&p, TWO "expect 2 used, status IOERR\n", CLAUSE, 6,
	      "expected status IOERR, actual OK for 2 requests");
	errs(&p, "session manual\nvmm connect\nexpect status OK\n", "5:8: no device is negotiated");
}

static void test_nothing_carried_out(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	passes(&p, QUEUE "driver request type 77, kick\nexpect nothing carried out\n");
	fails(&p, TWO "expect nothing carried out\n", CLAUSE, 6,
	      "queue 0: expected nothing carried out, actual: 2 requests came back as done");
	errs(&p, QUEUE "expect queue 1 nothing carried out\n", "4:16: there is no queue 1");
}

static void test_lengths_flags_and_events(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver request data 100, kick\nexpect 1 used, used_len 100\n");
	fails(&p, QUEUE "driver request data 100, kick\nexpect 1 used, used_len 99\n", CLAUSE, 5,
	      "queue 0: expected used.len 99, actual 100");
	passes(&p, TWO "expect 2 used, avail_event 2, used_flags 0\n");
	fails(&p, TWO "expect 2 used, avail_event 1\n", CLAUSE, 6,
	      "expected used.avail_event 1, actual 2");
	fails(&p, TWO "expect 2 used, used_flags 1\n", CLAUSE, 6,
	      "expected used.flags 1, actual 0");
	errs(&p, QUEUE "expect queue 1 used_len 0\n", "4:16: there is no queue 1");
	errs(&p, QUEUE "expect queue 1 used_flags 0\n", "4:16: there is no queue 1");
	errs(&p, QUEUE "expect queue 1 avail_event 0\n", "4:16: there is no queue 1");
}

/* Line 5 leaves a ring that wants no kicks. */
static void wants_no_kick(struct play *p, struct kc_world *w)
{
	(void)p;
	if (w->trace.step != 5 || !used_ring(w))
		return;
	kc_ring_store16(used_ring(w) + KC_USED_FLAGS, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELEASE);
	kc_ring_store16(used_ring(w) + kc_used_avail_event(8), 77, __ATOMIC_RELEASE);
}

static bool has_violation(const char *says)
{
	for (unsigned i = 0; i < result.nviolations; i++)
		if (strstr(result.violations[i].message, says))
			return true;
	return false;
}

static void test_kick_wanted(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, TWO "expect 2 used, kick wanted\n");
	passes(&p, "without event_idx\n" TWO "expect 2 used, kick wanted\n");
	p.on_step = wants_no_kick;
	play(&p, QUEUE "vmm settle\nexpect kick wanted\n");
	assert_true(has_violation("queue 0 is idle: expected avail_event 0, actual 77"));
	play(&p, "without event_idx\n" QUEUE "expect kick wanted\n");
	assert_true(has_violation("queue 0 is idle: expected used.flags 0, actual 1"));
	p = (struct play){ .cfg.busy_poll = true };
	skips(&p, QUEUE "expect kick wanted\n", "needs a back-end that sleeps");
	errs(&p, QUEUE "expect queue 1 kick wanted\n", "4:16: there is no queue 1");
}

#define FIRST	QUEUE "driver request, kick, wait used\n"

static void test_calls_that_are_due(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, FIRST "driver arm calls, request, kick\nexpect 1 used, call due, call\n");
	passes(&p, FIRST "driver suppress calls, request, kick\n"
	       "expect 1 used, no call due, no call\n");
	errs(&p, FIRST "driver suppress calls, request, kick\nexpect 1 used, call due\n",
	     "6:16: no call is due on queue 0 here, by the oracle's books");
	errs(&p, FIRST "driver arm calls, request, kick\nexpect 1 used, no call due\n",
	     "6:16: a call is due on queue 0 here, by the oracle's books");
	fails(&p, FIRST "driver arm calls, request, kick\nexpect 1 used, no call\n", CLAUSE, 6,
	      "queue 0: expected no call, actual 1");
	fails(&p, FIRST "driver suppress calls, request, kick\nexpect 1 used, call\n", CLAUSE, 6,
	      "a call has not come, and nothing can run any more");
	errs(&p, QUEUE "expect queue 1 call due\n", "4:16: there is no queue 1");
	errs(&p, QUEUE "expect queue 1 no call due\n", "4:16: there is no queue 1");
	errs(&p, QUEUE "expect queue 1 call\n", "4:16: there is no queue 1");
	errs(&p, QUEUE "expect queue 1 no call\n", "4:16: there is no queue 1");
}

/* A call that the device owes and does not make. */
static void test_a_call_that_does_not_come(void **state)
{
	struct play p = { .faults = { { .on = KC_VU_SET_VRING_CALL, .kind = FAULT_MUTE } } };

	(void)state;
	play(&p, "without REPLY_ACK, event_idx\n" QUEUE "driver request, kick\n"
	     "expect 1 used, call due\n"
	     "vmm settle\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_int_equal(result.violations[0].line, 6);
	assert_int_equal(result.nviolations, 1);
}

static void test_bases(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, TWO "vmm stop 0\nexpect base 2\n");
	fails(&p, TWO "vmm stop 0\nexpect base 1\n", CLAUSE, 7,
	      "queue 0: expected base 1, actual 2");
	errs(&p, QUEUE "expect queue 1 base 0\n", "4:16: there is no queue 1");
}

#define LOOP	"needs hostile\n" QUEUE "queue 1 split size 8\n" \
		"driver desc[0] = out 16 next 1, desc[1] = in 16 next 0, offer head 0, kick\n"
#define HANDLES	LOOP "expect handles-malformed-chain\n"		/* line 7 */

static void test_what_a_back_end_may_do_with_a_malformed_chain(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, HANDLES "expect queue 1 serves\n");
	assert_int_equal(times(trace, "\"request\""), 1);
	p.frozen = true;
	passes(&p, HANDLES);
	/* who has gone serves nobody, and need not */
	p = (struct play){ .cut_at = 7 };
	passes(&p, HANDLES "expect queue 1 serves\n");
	assert_int_equal(times(trace, "\"request\""), 0);
	p = (struct play){ .faults = { { .on = KC_VU_GET_FEATURES, .kind = FAULT_DIE, .skip = 1,
		.status = EXIT(0) } } };
	passes(&p, HANDLES "expect queue 1 serves\n");
	p = (struct play){ .faults = { { .on = KC_VU_GET_FEATURES, .kind = FAULT_LATER,
		.skip = 1 } } };
	passes(&p, HANDLES "expect queue 1 serves\n");
	/* some take one message more, or two */
	p.faults[0].skip = 2;
	passes(&p, HANDLES "expect queue 1 serves\n");
	p = (struct play){ .cut_at = 6 };
	passes(&p, QUEUE "driver desc[0] = out 16 next 9, offer head 0, kick\n"
	       "expect handles-malformed-chain\n"
	       "vmm settle\ndriver request\n");
	errs(&p, LOOP "expect queue 2 handles-malformed-chain\n", "7:16: there is no queue 2");
}

static void test_what_it_may_not_do(void **state)
{
	struct play p = { .cut_at = 7, .cut_status = SIGSEGV };

	(void)state;
	fails(&p, HANDLES, CLAUSE, 7, "expected a close or a clean exit at the most, actual: it "
	      "died of SIGSEGV");
	p.cut_status = EXIT(1);
	fails(&p, HANDLES, CLAUSE, 7, "actual: it exited with status 1");
	p = (struct play){ .faults = { { .on = KC_VU_GET_FEATURES, .kind = FAULT_DIE, .skip = 2,
		.status = SIGABRT } } };
	fails(&p, HANDLES, CLAUSE, 7, "actual: it died of SIGABRT");
	p = (struct play){ .faults = { { .on = KC_VU_GET_FEATURES, .kind = FAULT_MUTE,
		.skip = 1 } } };
	fails(&p, HANDLES, CLAUSE, 7, "expected GET_FEATURES to be answered, actual timed-out");
	p.faults[0].kind = FAULT_GARBLE;
	fails(&p, HANDLES, CLAUSE, 7, "expected GET_FEATURES to be answered, actual garbled: those "
	      "bytes");
}

/* A request without a status breaks a rule of the disk's, of which the oracle knows nothing. */
static void test_a_device_may_have_rules_of_its_own(void **state)
{
	struct play p = { .device = "blk", .frozen = true };

	(void)state;
	passes(&p, "needs hostile\n" QUEUE "driver desc[0] = out 16, offer head 0, kick\n"
	       "expect handles-malformed-chain\n");
}

static void spin(struct play *p, struct kc_world *w)
{
	p->spins = w->trace.step >= 7;
}

static void test_spinning_is_seen(void **state)
{
	struct play p = { .on_step = spin, .cfg.timeout_ns = PLAY_MS };

	(void)state;
	play(&p, HANDLES);
	assert_int_equal(result.verdict, KC_FAIL);
	assert_true(has_violation("expected the back-end to come to rest"));
	p = (struct play){ 0 };
	fails(&p, QUEUE "queue 1 split size 8 disabled\nexpect queue 1 serves\n", CLAUSE, 5,
	      "used entry 1 of 1 on queue 1 has not come");
}

static void test_silence_in_live_mode_is_undecided(void **state)
{
	struct play p = {
		.mode = KC_MODE_LIVE, .cfg.timeout_ns = PLAY_MS,
		/* settling asks, too */
		.faults = { { .on = KC_VU_GET_FEATURES, .kind = FAULT_MUTE, .skip = 2 } },
	};

	(void)state;
	undecided(&p, HANDLES, "GET_FEATURES: no answer before the deadline");
	passes((&(struct play){ .mode = KC_MODE_LIVE }), HANDLES "expect queue 1 serves\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_used),
		cmocka_unit_test(test_nothing_used),
		cmocka_unit_test(test_used_at_rest_proves_no_must),
		cmocka_unit_test(test_in_flight_and_full),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_nothing_carried_out),
		cmocka_unit_test(test_lengths_flags_and_events),
		cmocka_unit_test(test_kick_wanted),
		cmocka_unit_test(test_calls_that_are_due),
		cmocka_unit_test(test_a_call_that_does_not_come),
		cmocka_unit_test(test_bases),
		cmocka_unit_test(test_what_a_back_end_may_do_with_a_malformed_chain),
		cmocka_unit_test(test_what_it_may_not_do),
		cmocka_unit_test(test_a_device_may_have_rules_of_its_own),
		cmocka_unit_test(test_spinning_is_seen),
		cmocka_unit_test(test_silence_in_live_mode_is_undecided),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* How a verdict comes about: levels, the worst of several, what is never charged to the back-end. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"

/* Line 4 breaks whatever it is bound to. */
#define BREAK(id)	"expect used_flags 1 [" id "]\n"

static void test_the_catalogue_gives_the_level(void **state)
{
	struct play p = { 0 };

	(void)state;
	fails(&p, QUEUE "expect used_flags 1\n", CLAUSE, 4, "queue 0: expected used.flags 1, actual "
	      "0");
	assert_int_equal(result.level, KC_LEVEL_MUST);
	assert_int_equal(result.violations[0].level, KC_LEVEL_MUST);
	warns(&p, QUEUE BREAK(MILD), MILD, 4, "expected used.flags 1, actual 0");
	assert_int_equal(result.level, KC_LEVEL_SHOULD);
	assert_int_equal(result.violations[0].level, KC_LEVEL_SHOULD);
	assert_int_equal(times(trace, "\"violation\""), 1);
}

/* Does the catalogue have one that is never judged? */
static void test_a_may_is_never_broken(void **state)
{
	struct play p = { 0 };
	char body[200] = "";

	(void)state;
	for (unsigned i = 0; i < kc_nclauses && !body[0]; i++)
		if (kc_clauses[i].judge == KC_JUDGE_NEVER)
			snprintf(body, sizeof(body), QUEUE "expect used_flags 1 [%s]\n",
				kc_clauses[i].id);
	assert_string_not_equal(body, "");
	passes(&p, body);
}

static void test_the_worst_counts_and_its_message_is_told(void **state)
{
	struct play p = { 0 };

	(void)state;
	play(&p, QUEUE BREAK(MILD) "expect avail_event 7\nexpect avail_event 8\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_int_equal(result.level, KC_LEVEL_MUST);
	assert_int_equal(result.nviolations, 3);
	assert_string_equal(result.message, "queue 0: expected used.avail_event 7, actual 0");
	play(&p, QUEUE "expect avail_event 7\n" BREAK(MILD));
	assert_int_equal(result.verdict, KC_FAIL);
	assert_int_equal(result.level, KC_LEVEL_MUST);
}

static void test_the_same_line_and_clause_are_told_once(void **state)
{
	struct play p = { 0 };

	(void)state;
	fails(&p, QUEUE "repeat 3\nexpect used_flags 1, used_flags 2\nend\n", CLAUSE, 5,
	      "used.flags 1");
	play(&p, QUEUE "expect used_flags 1, used_flags 1 [" MILD "]\n");
	assert_int_equal(result.nviolations, 2);
}

static void test_a_violation_beyond_the_last_place_still_counts(void **state)
{
	struct play p = { 0 };
	char body[4096] = QUEUE;

	(void)state;
	for (unsigned i = 0; i < KC_VIOLATIONS_MAX; i++)
		strcat(body, BREAK(MILD));
	play(&p, body);
	assert_int_equal(result.verdict, KC_WARN);
	strcat(body, BREAK("VU-HDR-01"));
	play(&p, body);
	assert_int_equal(result.verdict, KC_FAIL);
	assert_int_equal(result.nviolations, KC_VIOLATIONS_MAX);
}

/* An ordinary request that does not go as it should. */
static void to_vring_err(struct kc_msg *m)
{
	m->id = KC_VU_SET_VRING_ERR;
}

static void to_no(struct kc_msg *m)
{
	m->u64 = 1;
}

static void test_outcomes(void **state)
{
	static const struct { struct fault f; const char *says; } rows[] = {
		{ { .kind = FAULT_EDIT, .edit = to_no }, "SET_MEM_TABLE: expected ok, actual "
		"refused: "
		  "SET_MEM_TABLE was refused with 0x1" },
		{ { .kind = FAULT_CLOSE }, "SET_MEM_TABLE: expected ok, actual closed: the back-end "
		"closed the "
		  "connection" },
		{ { .kind = FAULT_DIE, .status = EXIT(3) }, "SET_MEM_TABLE: expected ok, actual "
		"exited: the "
		  "back-end exited with status 3" },
		{ { .kind = FAULT_DIE, .status = SIGSEGV }, "SET_MEM_TABLE: expected ok, actual "
		"died: the "
		  "back-end died of SIGSEGV" },
		{ { .kind = FAULT_MUTE }, "SET_MEM_TABLE: expected ok, actual timed-out: no answer: "
		"nothing is "
		  "left that could run" },
		{ { .kind = FAULT_GARBLE }, "SET_MEM_TABLE: expected ok, actual garbled: those "
		"bytes are no "
		  "message" },
		{ { .kind = FAULT_EDIT, .edit = to_vring_err },
		"SET_MEM_TABLE: expected ok, actual garbled: "
		  "request 5 was answered with SET_VRING_ERR" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct play p = { .faults = { rows[i].f } };

		p.faults[0].on = KC_VU_SET_MEM_TABLE;
		p.faults[0].skip = 1;
		play(&p, "without event_idx\n" QUEUE "vmm memory\nvmm settle\n");
		if (result.verdict != KC_FAIL || !result.message ||
		    strncmp(result.message, rows[i].says, strlen(rows[i].says)) ||
		    result.violations[0].line != 5)
			fail_msg("expected '%s', actual %s '%s' line %u", rows[i].says,
				 kc_verdict_name(result.verdict), result.message,
				 result.violations[0].line);
		assert_int_equal(times(trace, "\"step\":6") + times(trace, "GET_VRING_BASE"), 0);
	}
}

static void test_outcomes_that_are_not_the_back_ends(void **state)
{
	struct play p = {
		.mode = KC_MODE_LIVE, .cfg.timeout_ns = PLAY_MS,
		.faults = { { .on = KC_VU_SET_MEM_TABLE, .kind = FAULT_MUTE } },
	};

	(void)state;
	undecided(&p, QUEUE, "SET_MEM_TABLE: no answer before the deadline");
	p = (struct play){ .open_fails = -EMFILE };
	trouble(&p, QUEUE, "connecting: nobody is there");
	assert_string_equal(result.message, "connecting: nobody is there");
	p = (struct play){ .open_fails = -ECONNREFUSED };
	fails(&p, QUEUE, CLAUSE, 3, "connecting: expected ok, actual closed");
	p = (struct play){ 0 };
	trouble(&p, QUEUE "vmm swap kick 0\nvmm stop 0, swap kick 0\n",
		"SET_VRING_KICK: queue 0 is not started");
	p = (struct play){ .ref.pf_off = KC_BIT(KC_PF_CONFIG), .device = "blk" };
	skips(&p, "vmm write config 0 = 1\n", "SET_CONFIG: the protocol feature CONFIG is not "
	      "negotiated");
}

static void test_a_stop_never_hides_a_violation(void **state)
{
	struct play p = { .caps_off = KC_CAP_RESTART };

	(void)state;
	fails(&p, QUEUE "expect used_flags 1\nvmm kill\n", CLAUSE, 4, "used.flags 1");
	assert_null(result.reason);
	warns(&p, QUEUE BREAK(MILD) "vmm kill\n", MILD, 4, "used.flags 1");
	/* undecided is worse than a warning, and no error is outdone by a failure */
	p = (struct play){ .mode = KC_MODE_LIVE, .frozen = true, .cfg.timeout_ns = PLAY_MS };
	undecided(&p, QUEUE "driver request, kick\n" BREAK(MILD) "expect 1 used\n", "has not come");
	p = (struct play){ 0 };
	play(&p, QUEUE "expect used_flags 1\ndriver 1 kick\n");
	assert_int_equal(result.verdict, KC_ERROR);
	assert_true(result.script_error);
	assert_string_equal(result.message, "x.kick:5:10: there is no queue 1");
	assert_int_equal(result.nviolations, 1);
	/* a number that could not be told is compared with nothing */
	errs(&p, "message GET_QUEUE_NUM\nexpect reply, reply u64 = avail_idx\n",
	     "4:15: there is no queue 0");
	assert_int_equal(result.nviolations, 0);
}

static void test_an_error_of_the_script_has_its_place(void **state)
{
	struct play p = { 0 };

	(void)state;
	errs(&p, QUEUE "driver kick, wait used\ndriver 1 request, kick\n",
	     "5:10: there is no queue 1");
	errs(&p, QUEUE "driver kick,   fill foo\n", "4:16: a loopback device knows no 'foo'");
}

/* What a wrong driver made of the rings is charged to nobody, whatever came first. */
static void test_a_fault_of_our_own_takes_back_what_was_said(void **state)
{
	static struct kc_world w;
	struct kc_result r = { .verdict = KC_ERROR, .level = KC_LEVEL_MUST, .nviolations = 2,
			       .message = strdup("theirs"), .reason = strdup("theirs"), .script_error = true };

	(void)state;
	w.result = &r;
	kc_world_take_back(&w);
	assert_int_equal(r.verdict, KC_PASS);
	assert_int_equal(r.level, KC_LEVEL_NONE);
	assert_int_equal(r.nviolations, 0);
	assert_false(r.script_error);
	assert_null(r.message);
	kc_world_stop(&w, KC_ERROR, "ours");
	assert_int_equal(r.verdict, KC_ERROR);
	assert_string_equal(r.message, "ours");
	assert_string_equal(r.reason, "ours");
	kc_result_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_catalogue_gives_the_level),
		cmocka_unit_test(test_a_may_is_never_broken),
		cmocka_unit_test(test_the_worst_counts_and_its_message_is_told),
		cmocka_unit_test(test_the_same_line_and_clause_are_told_once),
		cmocka_unit_test(test_a_violation_beyond_the_last_place_still_counts),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_outcomes_that_are_not_the_back_ends),
		cmocka_unit_test(test_a_stop_never_hides_a_violation),
		cmocka_unit_test(test_a_fault_of_our_own_takes_back_what_was_said),
		cmocka_unit_test(test_an_error_of_the_script_has_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

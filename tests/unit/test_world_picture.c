/* SPDX-License-Identifier: BSD-3-Clause */
/* What a failure looks like to somebody who has not seen the run. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"

/* The text between two headings of the picture, which must be there. */
static const char *part(const char *from)
{
	const char *c = result.detail ? strstr(result.detail, from) : NULL;

	if (!c)
		fail_msg("the picture has no '%s':\n%s", from,
			result.detail ? result.detail : "(none)");
	return c;
}

/* Lines that are indented, from the one after c's own. */
static unsigned indented(const char *c)
{
	unsigned n = 0;

	for (c = strchr(c, '\n') + 1; *c == ' '; c = strchr(c, '\n') + 1)
		n++;
	return n;
}

static void test_a_pass_has_none(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver request, kick\nexpect 1 used\n");
	assert_null(result.detail);
	p.caps_off = KC_CAP_RECONNECT;
	skips(&p, "needs reconnect\n" QUEUE, "second connection");
	assert_null(result.detail);
}

static void test_a_failure_has_line_rings_messages_and_events(void **state)
{
	struct play p = { 0 };

	(void)state;
	play(&p, QUEUE "queue 2 split size 4\ndriver 2 request, kick\n"
	     "expect   queue 2 1 used, used_flags 1   # why\nvmm settle\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_true(part("queue 0: split, size 8") < part("queue 2: split, size 4"));
	assert_null(strstr(result.detail, "queue 1:"));
	assert_true(part("queue 2: split, size 4") < part("messages (the last 16)\n"));
	assert_true(part("messages (the last 16)\n") < part("events (the last 16)\n"));
	assert_int_equal(indented(part("messages (the last 16)\n")), 16);
	assert_int_equal(indented(part("events (the last 16)\n")), 16);
	part("    -> GET_VRING_BASE {index 2, num 0}\n");
	part("    <- GET_VRING_BASE {index 2, num 1} reply\n");
	part("vmm      queue-stop       queue 2          1\n");
}

static void test_the_line_is_the_last_that_ran(void **state)
{
	struct play p = { .frozen = true };

	(void)state;
	play(&p, QUEUE "driver request, kick\nexpect   1 used   # never\ndriver kick\n");
	part("at x.kick:5\n    expect   1 used   # never\n");
}

static void test_few_of_a_thing_are_all_of_it(void **state)
{
	struct play p = { .open_fails = -ECONNREFUSED };

	(void)state;
	play(&p, QUEUE);
	assert_int_equal(result.verdict, KC_FAIL);
	assert_null(strstr(result.detail, "messages"));
	part("events (the last 1)\n");
	p = (struct play){ .faults = { { .on = KC_VU_GET_PROTOCOL_FEATURES,
		.kind = FAULT_CLOSE } } };
	play(&p, QUEUE);
	assert_int_equal(indented(part("messages (the last 16)\n")), 3);
}

static void test_a_warning_and_an_undecided_one_have_one(void **state)
{
	struct play p = { 0 };

	(void)state;
	warns(&p, QUEUE "expect used_flags 1 [" MILD "]\n", MILD, 4, "used.flags 1");
	part("messages (the last 16)\n");
	p = (struct play){ .mode = KC_MODE_LIVE, .frozen = true, .cfg.timeout_ns = PLAY_MS };
	undecided(&p, QUEUE "driver request, kick\nexpect 1 used\n", "has not come");
	part("messages (the last 16)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pass_has_none),
		cmocka_unit_test(test_a_failure_has_line_rings_messages_and_events),
		cmocka_unit_test(test_the_line_is_the_last_that_ran),
		cmocka_unit_test(test_few_of_a_thing_are_all_of_it),
		cmocka_unit_test(test_a_warning_and_an_undecided_one_have_one),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The script parser: what it accepts and means, and each way to be wrong with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <harness/language/script.h>

#define HEAD	"title t\nclause VQ-SPLIT-USED-02\n"
#define QUEUE	"queue 0 split size 4\n"

static struct kc_script *parse_variant(const char *text, unsigned v)
{
	struct kc_err err = { "" };
	struct kc_script *s = kc_script_parse("f.kick", "id", text, v, &err);

	if (!s)
		fail_msg("%s", err.msg);
	return s;
}

static struct kc_script *parse(const char *text)
{
	return parse_variant(text, 0);
}

static const struct kc_step *step(const struct kc_script *s, unsigned i)
{
	assert_true(i < s->nsteps);
	return &s->steps[i];
}

static void assert_says(const struct kc_step *s, enum kc_subject subject, const char *pattern)
{
	assert_int_equal(s->verb->subject, subject);
	assert_string_equal(s->verb->pattern, pattern);
}

/* --- What is right ------------------------------------------------------------------------------ */

static void test_header(void **state)
{
	struct kc_script *s = parse("# a comment\n"
				    "title    it does, as it says\n"
				    "clause   VQ-SPLIT-UNS-DEV-05, VQ-SPLIT-USED-02\n"
				    "device   blk\n"
				    "needs    event_idx, hostile\n"
				    "without  indirect\n"
				    "session  manual\n\n" QUEUE);

	(void)state;
	assert_string_equal(s->title, "it does, as it says");
	assert_int_equal(s->nclauses, 2);
	assert_string_equal(s->clauses[0], "VQ-SPLIT-UNS-DEV-05");
	assert_string_equal(s->clauses[1], "VQ-SPLIT-USED-02");
	assert_string_equal(s->device, "blk");
	assert_true(kc_script_needs(s, "event_idx"));
	assert_true(kc_script_needs(s, "hostile"));
	assert_false(kc_script_needs(s, "indirect"));
	assert_int_equal(s->needs[1].line, 5);
	assert_int_equal(s->needs[1].col, 21);
	assert_int_equal(s->nwithout, 1);
	assert_true(s->manual);
	assert_int_equal(s->nvariants, 1);
	assert_string_equal(s->variant, "");
	assert_string_equal(s->id, "id");
	assert_int_equal(s->nlines, 9);
	kc_script_free(s);
}

static void test_actions_have_places(void **state)
{
	struct kc_script *s = parse(HEAD QUEUE "driver   request, kick      # both\n"
				    "expect   1 used, call\n");

	(void)state;
	assert_int_equal(s->nsteps, 5);
	assert_says(step(s, 1), KC_SUBJ_DRIVER, "request <*>");
	assert_says(step(s, 2), KC_SUBJ_DRIVER, "kick");
	assert_says(step(s, 3), KC_SUBJ_EXPECT, "<n> used");
	assert_says(step(s, 4), KC_SUBJ_EXPECT, "call");
	assert_int_equal(step(s, 1)->line, 4);
	assert_int_equal(step(s, 1)->col, 10);
	assert_int_equal(step(s, 2)->col, 19);
	assert_false(step(s, 1)->last_of_line);
	assert_true(step(s, 2)->last_of_line);
	assert_int_equal(step(s, 3)->args[0].num.plus, 1);
	kc_script_free(s);
}

static void test_queues_of_lines(void **state)
{
	static const struct { const char *line; unsigned qi; } rows[] = {
		{ "driver kick\n", 0 },
		{ "driver 1 kick\n", 1 },
		{ "driver 3 requests\n", 0 },		/* a count */
		{ "driver 1 3 requests\n", 1 },
		{ "expect queue 2 serves\n", 2 },
		{ "expect 2 used\n", 0 },
		{ "expect queue 1 2 used\n", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[256];
		struct kc_script *s;

		snprintf(text, sizeof(text), HEAD "%s", rows[i].line);
		s = parse(text);
		assert_int_equal(s->nsteps, 1);
		assert_int_equal(step(s, 0)->qi, rows[i].qi);
		kc_script_free(s);
	}
}

static void test_clause_binding(void **state)
{
	struct kc_script *s = parse(HEAD "expect 1 used [VQ-SPLIT-UNS-DEV-06], call\n"
				    "driver desc[0] = out 16\n");

	(void)state;
	assert_string_equal(step(s, 0)->clause, "VQ-SPLIT-UNS-DEV-06");
	assert_string_equal(step(s, 1)->clause, "");
	/* an index in brackets is none */
	assert_string_equal(step(s, 2)->clause, "");
	assert_says(step(s, 2), KC_SUBJ_DRIVER, "desc[<n>] = <*>");
	kc_script_free(s);
}

static void test_repeat(void **state)
{
	struct kc_script *s = parse(HEAD "repeat 2\nrepeat 3\ndriver kick\nend\nend\n");

	(void)state;
	assert_int_equal(step(s, 0)->jump, 4);
	assert_int_equal(step(s, 4)->jump, 0);
	assert_int_equal(step(s, 1)->jump, 3);
	assert_int_equal(step(s, 3)->jump, 1);
	kc_script_free(s);
}

static void test_variants(void **state)
{
	static const char text[] = "title t\nclause VQ-SPLIT-USED-02\nvary size = 4 8, n = 1 2 3\n"
				   "queue 0 split size $size\ndriver $n requests\n";
	static const char *const names[] = {
		"size=4,n=1", "size=4,n=2", "size=4,n=3", "size=8,n=1", "size=8,n=2", "size=8,n=3",
	};

	(void)state;
	for (unsigned v = 0; v < 6; v++) {
		struct kc_script *s = parse_variant(text, v);

		assert_int_equal(s->nvariants, 6);
		assert_string_equal(s->variant, names[v]);
		assert_int_equal(step(s, 1)->args[0].num.plus, v % 3 + 1);
		kc_script_free(s);
	}
}

static void test_a_variable_may_be_a_feature(void **state)
{
	static const char text[] = HEAD "vary event_idx = on off\n" QUEUE;
	struct kc_script *on = parse_variant(text, 0), *off = parse_variant(text, 1);

	(void)state;
	assert_true(kc_script_needs(on, "event_idx"));
	assert_int_equal(on->nwithout, 0);
	assert_false(kc_script_needs(off, "event_idx"));
	assert_string_equal(off->without[0].word, "event_idx");
	kc_script_free(on);
	kc_script_free(off);
}

static void test_numbers(void **state)
{
	static const struct { const char *text; enum kc_num_base base; int64_t plus; } rows[] = {
		{ "0", KC_NUM_CONST, 0 },
		{ "65535", KC_NUM_CONST, 65535 },
		{ "0x10", KC_NUM_CONST, 16 },
		{ "0XfF", KC_NUM_CONST, 255 },
		{ "-1", KC_NUM_CONST, -1 },
		{ "10 - 3", KC_NUM_CONST, 7 },
		{ "used_idx", KC_NUM_USED_IDX, 0 },
		{ "used_idx + 1", KC_NUM_USED_IDX, 1 },
		{ "avail_idx-2", KC_NUM_AVAIL_IDX, -2 },
		{ "max - 0x1", KC_NUM_MAX, -1 },
		{ "0xffffffffffffffff", KC_NUM_CONST, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[256];
		struct kc_script *s;

		snprintf(text, sizeof(text), HEAD "driver used_event = %s\n", rows[i].text);
		s = parse(text);
		assert_int_equal(step(s, 0)->args[0].num.base, rows[i].base);
		assert_true(step(s, 0)->args[0].num.plus == rows[i].plus);
		kc_script_free(s);
	}
}

static void test_the_rest_of_a_line(void **state)
{
	struct kc_script *s = parse(HEAD "driver request exactly 3 descriptors, kick\n");

	(void)state;
	assert_int_equal(step(s, 0)->args[0].nrest, 3);
	assert_string_equal(step(s, 0)->args[0].rest[0].text, "exactly");
	assert_string_equal(step(s, 0)->args[0].rest[2].text, "descriptors");
	assert_int_equal(step(s, 0)->args[0].rest[1].col, 24);
	kc_script_free(s);
}

static void test_id_from_the_path(void **state)
{
	struct kc_script *s = kc_script_parse("a/b.kick", NULL, HEAD QUEUE, 0, NULL);

	(void)state;
	assert_non_null(s);
	assert_string_equal(s->id, "a/b");
	assert_string_equal(s->path, "a/b.kick");
	kc_script_free(s);
}

/* --- What is wrong ------------------------------------------------------------------------------ */

#define NAMED16	"a a a a a a a a a a a a a a a a"

static const struct { const char *text, *place, *said; } errors[] = {
	/* the header */
	{ "", "1:1", "no title" },
	{ "clause VQ-SPLIT-USED-02\n" QUEUE, "1:1", "no title" },
	{ "title t\n" QUEUE, "1:1", "no clause" },
	{ "title t\nclause VQ-NO-99\n" QUEUE, "2:8", "unknown clause 'VQ-NO-99'" },
	{ "title t\nclause VQ-SPLIT-USED-02 VQ-SPLIT-USED-04\n" QUEUE, "2:25", "',' expected" },
	{ HEAD "title u\n" QUEUE, "3:1", "'title' is given twice" },
	{ HEAD "device blk\ndevice blk\n" QUEUE, "4:1", "'device' is given twice" },
	{ HEAD "device\n" QUEUE, "3:1", "one word" },
	{ HEAD "device a b\n" QUEUE, "3:1", "one word" },
	{ HEAD "session automatic\n" QUEUE, "3:9", "'manual', not 'automatic'" },
	{ HEAD "memory small\n" QUEUE, "3:8", "'large', not 'small'" },
	{ HEAD "needs " NAMED16 " b\n" QUEUE, "3:39", "more than 16" },
	{ HEAD "vary size\n" QUEUE, "3:6", "NAME = VALUE" },
	{ HEAD "vary size 4 8\n" QUEUE, "3:6", "NAME = VALUE" },
	{ HEAD "vary size =\n" QUEUE, "3:6", "NAME = VALUE" },
	{ HEAD "vary a = 1,\n" QUEUE, "3:11", "missing after ','" },
	{ HEAD "vary a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1\n" QUEUE, "3:48", "more than 6" },
	{ HEAD "vary event_idx = 1 0\n" QUEUE, "1:1", "on and off" },
	/* the body */
	{ HEAD, "3:1", "does nothing" },
	{ HEAD "drver kick\n", "3:1", "not 'drver'" },
	{ HEAD "driver\n", "3:1", "an action is missing" },
	{ HEAD "driver kick,\n", "3:12", "an action is missing" },
	{ HEAD "driver kick, , kick\n", "3:12", "an action is missing" },
	{ HEAD "driver sing\n", "3:8", "driver has no 'sing'" },
	{ HEAD "driver kick, wait forever\n", "3:19", "'forever' does not fit" },
	{ HEAD "expect 1 usd\n", "3:10", "'usd' does not fit" },
	{ HEAD "driver used_event =\n", "3:20", "'end of line' does not fit" },
	{ HEAD "driver used_event = seven\n", "3:21", "'seven' does not fit" },
	{ HEAD "driver used_event = 12z\n", "3:21", "'12z' does not fit" },
	{ HEAD "driver used_event = 99999999999999999999\n", "3:21", "does not fit" },
	{ HEAD "expect 1 used [VQ-NO-99]\n", "3:16", "unknown clause 'VQ-NO-99'" },
	{ HEAD "driver $n requests\n", "3:8", "unknown variable '$n'" },
	{ HEAD "end\n", "3:1", "'end' without 'repeat'" },
	{ HEAD QUEUE "repeat 2\ndriver kick\n", "4:1", "'repeat' without 'end'" },
};

static void test_errors_have_a_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		struct kc_err err = { "" };
		struct kc_script *s = kc_script_parse("f.kick", "id", errors[i].text, 0, &err);
		char place[64];

		if (s)
			fail_msg("accepted: %s", errors[i].text);
		snprintf(place, sizeof(place), "f.kick:%s: ", errors[i].place);
		if (strncmp(err.msg, place, strlen(place)) || !strstr(err.msg, errors[i].said))
			fail_msg("%s\nexpected %s...%s\nactual   %s", errors[i].text, place,
				 errors[i].said, err.msg);
	}
}

static void test_too_many_words(void **state)
{
	char text[1024] = HEAD "driver request";
	struct kc_err err = { "" };

	(void)state;
	for (unsigned i = 0; i < KC_TOKENS_MAX; i++)
		strcat(text, " a");
	assert_null(kc_script_parse("f", NULL, text, 0, &err));
	assert_non_null(strstr(err.msg, "f:3:"));
	assert_non_null(strstr(err.msg, "too long"));
}

static void test_repeat_too_deep(void **state)
{
	char text[1024] = HEAD;
	struct kc_err err = { "" };

	(void)state;
	for (unsigned i = 0; i < 17; i++)
		strcat(text, "repeat 2\n");
	assert_null(kc_script_parse("f", NULL, text, 0, &err));
	assert_non_null(strstr(err.msg, "f:19:1: "));
}

static void test_no_such_variant(void **state)
{
	struct kc_err err = { "" };

	(void)state;
	assert_null(kc_script_parse("f", NULL, HEAD "vary a = 1 2\n" QUEUE, 2, &err));
	assert_non_null(strstr(err.msg, "no variant 2"));
}

static void test_any_bytes_are_an_error_at_worst(void **state)
{
	static const char *const bits[] = {
		"title", "clause", "VQ-SPLIT-USED-02", "vary", "=", ",", "$a", "$", "queue", "driver",
		"expect", "[", "]", "\n", "-", "0x", "repeat", "end", "\xff", "#", "\t", "desc[", "1",
	};
	unsigned state_ = 1, accepted = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		char text[512] = "";
		struct kc_script *s;

		if (i % 2)
			strcpy(text, HEAD QUEUE);
		for (unsigned k = 0; k < 12; k++) {
			state_ = state_ * 1103515245u + 12345u;
			strcat(text, bits[(state_ >> 16) % (sizeof(bits) / sizeof(*bits))]);
			strcat(text, " ");
		}
		s = kc_script_parse("f", NULL, text, 0, NULL);
		accepted += s != NULL;
		kc_script_free(s);
	}
	/* most are nonsense, but not all: comments and blank lines are fine */
	assert_in_range(accepted, 1, 1500);
}

/* --- Files -------------------------------------------------------------------------------------- */

static void test_load(void **state)
{
	char path[] = "/tmp/kickcall-script-XXXXXX";
	struct kc_err err = { "" };
	struct kc_script *s;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	s = kc_script_load(path, NULL, 0, &err);		/* empty */
	assert_null(s);
	assert_non_null(strstr(err.msg, "no title"));
	assert_int_equal(write(fd, HEAD QUEUE, strlen(HEAD QUEUE)), strlen(HEAD QUEUE));
	close(fd);
	s = kc_script_load(path, "x/y", 0, &err);
	assert_non_null(s);
	assert_string_equal(s->id, "x/y");
	kc_script_free(s);
	unlink(path);
	assert_null(kc_script_load(path, NULL, 0, &err));
	assert_non_null(strstr(err.msg, path));
	assert_null(kc_script_load("/", NULL, 0, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_actions_have_places),
		cmocka_unit_test(test_queues_of_lines),
		cmocka_unit_test(test_clause_binding),
		cmocka_unit_test(test_repeat),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_a_variable_may_be_a_feature),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_the_rest_of_a_line),
		cmocka_unit_test(test_id_from_the_path),
		cmocka_unit_test(test_errors_have_a_place),
		cmocka_unit_test(test_too_many_words),
		cmocka_unit_test(test_repeat_too_deep),
		cmocka_unit_test(test_no_such_variant),
		cmocka_unit_test(test_any_bytes_are_an_error_at_worst),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

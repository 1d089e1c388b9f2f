/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of the language: every row can be reached, none is in the shadow of an earlier one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <harness/language/verbs.h>

#define HEAD	"title t\nclause VQ-SPLIT-USED-02\n"

/* What stands for a pattern's places. */
struct filling {
	const char *number, *word, *rest;
};

/* A line that says what the row says. */
static void speak(const struct kc_verb *v, const struct filling *f, char *text, size_t cap)
{
	const char *rest = v->subject == KC_SUBJ_MESSAGE && !f->rest[0] ? "SET_OWNER" : f->rest;
	int n = snprintf(text, cap, HEAD "%s ", kc_subject_names[v->subject]);

	for (const char *c = v->pattern; *c;) {
		bool place = !strncmp(c, "<n>", 3) || !strncmp(c, "<w>", 3) || !strncmp(c, "<*>",
			3);
		const char *put = c[1] == 'n' ? f->number : c[1] == 'w' ? f->word : rest;

		n += place ? snprintf(text + n, cap - (size_t)n, "%s", put) :
			snprintf(text + n, cap - (size_t)n, "%c", *c);
		c += place ? 3 : 1;
	}
	snprintf(text + n, cap - (size_t)n, "\n%s", v->subject == KC_SUBJ_REPEAT ? "end\n" : "");
}

static void reach(const struct kc_verb *v, const struct filling *f)
{
	struct kc_err err = { "" };
	struct kc_script *s;
	char text[256];

	speak(v, f, text, sizeof(text));
	s = kc_script_parse("x.kick", NULL, text, 0, &err);
	if (!s)
		fail_msg("%s: %s", text, err.msg);
	if (s->steps[0].verb != v)
		fail_msg("'%s' is taken for '%s'", v->pattern, s->steps[0].verb->pattern);
	kc_script_free(s);
}

static void test_every_row_is_reached(void **state)
{
	static const struct filling fillings[] = {
		{ "3", "word", "" }, { "0x10", "indirect", "other words = 3" }, { "used_idx + 1",
		"u64", "" },
		{ "max", "VIRTIO", "- 1" }, { "7", "desc", "used" }, { "queue_num - 2", "bit",
		"only 1" },
	};

	(void)state;
	assert_true(kc_nverbs > 90);
	for (unsigned i = 0; i < kc_nverbs; i++)
		for (size_t k = 0; k < sizeof(fillings) / sizeof(*fillings); k++)
			if (kc_verbs[i].subject != KC_SUBJ_END)
				reach(&kc_verbs[i], &fillings[k]);
}

static void test_end_is_reached(void **state)
{
	struct kc_err err = { "" };
	struct kc_script *s = kc_script_parse("x.kick", NULL, HEAD "repeat 2\nvmm settle\nend\n", 0,
		&err);

	(void)state;
	assert_non_null(s);
	assert_ptr_equal(s->steps[2].verb->run, kc_do_end);
	kc_script_free(s);
}

static void test_every_row_does_something_and_says_what(void **state)
{
	(void)state;
	for (unsigned i = 0; i < kc_nverbs; i++) {
		assert_non_null(kc_verbs[i].run);
		assert_true(kc_verbs[i].subject < KC_SUBJECTS);
		assert_true(strlen(kc_verbs[i].doc) > 0);
		for (unsigned k = 0; k < i; k++)
			/* one with a tail that may be left out is two rows */
			if (kc_verbs[k].run == kc_verbs[i].run &&
			    strncmp(kc_verbs[k].pattern, kc_verbs[i].pattern,
				    strlen(kc_verbs[i].pattern)))
				fail_msg("'%s' and '%s' do the same", kc_verbs[k].pattern,
					kc_verbs[i].pattern);
	}
}

/* The step has room for what the pattern asks for. */
static void test_no_row_has_too_many_places(void **state)
{
	(void)state;
	for (unsigned i = 0; i < kc_nverbs; i++) {
		unsigned places = 0;

		for (const char *c = kc_verbs[i].pattern; (c = strchr(c, '<')); c++)
			places++;
		assert_true(places <= KC_ARGS_MAX);
	}
}

static void test_who_begins_or_ends_a_connection(void **state)
{
	static const char *const names[] = { "open", "connect", "disconnect", "session" };
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < kc_nverbs; i++) {
		bool listed = false;

		for (unsigned k = 0; k < sizeof(names) / sizeof(*names); k++)
			listed |= kc_verbs[i].subject == KC_SUBJ_VMM && !strcmp(kc_verbs[i].pattern,
				names[k]);
		assert_int_equal(kc_verb_connects(&kc_verbs[i]), listed);
		n += listed;
	}
	assert_int_equal(n, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_reached),
		cmocka_unit_test(test_end_is_reached),
		cmocka_unit_test(test_every_row_does_something_and_says_what),
		cmocka_unit_test(test_no_row_has_too_many_places),
		cmocka_unit_test(test_who_begins_or_ends_a_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

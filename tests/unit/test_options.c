/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: each option's kind, its limits, and what does not go together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <harness/run/options.h>

#define WORDS_MAX	200

struct line {
	char text[4096];
	char *argv[WORDS_MAX + 1];
	int argc;
};

/* Cut at blanks; "~" stands for an empty word. */
static void cut(struct line *l, const char *text)
{
	char *save = NULL;

	memset(l, 0, sizeof(*l));
	strncpy(l->text, text, sizeof(l->text) - 1);
	for (char *w = strtok_r(l->text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(l->argc < WORDS_MAX);
		if (!strcmp(w, "~"))
			*w = '\0';
		l->argv[l->argc++] = w;
	}
}

static struct line line;

static struct kc_options parse(const char *text)
{
	struct kc_err err = { "" };
	struct kc_options o;

	cut(&line, text);
	if (kc_options_parse(&o, line.argc, line.argv, &err))
		fail_msg("%s: %s", text, err.msg);
	return o;
}

static void test_defaults(void **state)
{
	struct kc_options o = parse("kickcall conform");

	(void)state;
	assert_int_equal(o.command, KC_CMD_CONFORM);
	assert_string_equal(o.program, "kickcall");
	assert_int_equal(o.mode, KC_CHOOSE_AUTO);
	assert_int_equal(o.format, 0);
	assert_int_equal(o.timeout_ms, 1000);
	assert_true(o.timeout_scale == 1.0);
	assert_true(o.seed == 0);
	assert_int_equal(o.jobs, 0);
	assert_null(o.device);
	assert_null(o.backend);
	assert_null(o.profile);
	assert_null(o.argv);
	assert_false(o.strict || o.destructive || o.pause_on_fail || o.verbose || o.listen ||
		     o.busy_poll);
	kc_options_free(&o);
}

static void test_every_option(void **state)
{
	struct kc_options o = parse(
		"k run a.kick --device blk --select x --select=y --clause VQ --mode live --strict "
		"--known K --destructive --format json --output O --trace T --keep D --pause-on-fail "
		"--jobs 3 --timeout-ms 250 --timeout-scale 2.5 --seed 0xffffffffffffffff -v b.kick "
		"--variant size=4,batch=2 --listen --busy-poll -- cmd -v --seed {socket}");

	(void)state;
	assert_int_equal(o.command, KC_CMD_RUN);
	assert_int_equal(o.noperands, 2);
	assert_string_equal(o.operands[0], "a.kick");
	assert_string_equal(o.operands[1], "b.kick");
	assert_string_equal(o.device, "blk");
	assert_int_equal(o.nselects, 2);
	assert_string_equal(o.selects[1], "y");
	assert_int_equal(o.nclauses, 1);
	assert_int_equal(o.mode, KC_CHOOSE_LIVE);
	assert_true(o.strict && o.destructive && o.pause_on_fail && o.verbose && o.listen &&
		    o.busy_poll);
	assert_string_equal(o.known, "K");
	assert_int_equal(o.format, 1);
	assert_string_equal(o.output, "O");
	assert_string_equal(o.trace, "T");
	assert_string_equal(o.keep, "D");
	assert_int_equal(o.jobs, 3);
	assert_int_equal(o.timeout_ms, 250);
	assert_true(o.timeout_scale == 2.5);
	assert_true(o.seed == ~0ull);
	assert_int_equal(o.nvariant, 2);
	assert_string_equal(o.variant[1].name, "batch");
	assert_string_equal(o.variant[1].value, "2");
	assert_string_equal(o.argv[0], "cmd");
	assert_string_equal(o.argv[3], "{socket}");
	assert_null(o.argv[4]);
	kc_options_free(&o);
}

static void test_commands(void **state)
{
	static const struct { const char *text; enum kc_command command; } rows[] = {
		{ "k conform", KC_CMD_CONFORM }, { "k run x", KC_CMD_RUN }, { "k probe", KC_CMD_PROBE },
		{ "k list tests", KC_CMD_LIST }, { "k explain X", KC_CMD_EXPLAIN },
		{ "k help", KC_CMD_HELP }, { "k --help", KC_CMD_HELP }, { "k -h", KC_CMD_HELP },
		{ "k --version", KC_CMD_VERSION },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kc_options o = parse(rows[i].text);

		assert_int_equal(o.command, rows[i].command);
		kc_options_free(&o);
	}
}

static void test_a_dash_alone_is_an_operand(void **state)
{
	struct kc_options o = parse("k run -");

	(void)state;
	assert_int_equal(o.noperands, 1);
	kc_options_free(&o);
}

static const struct { const char *text, *said; } wrong[] = {
	{ "k", "a command is missing" },
	{ "k fly", "unknown command 'fly'" },
	{ "k conform --fast", "unknown option '--fast'" },
	{ "k conform --fast=1", "unknown option '--fast'" },
	{ "k conform -x", "unknown option '-x'" },
	{ "k conform --verbose", "unknown option" },
	{ "k conform --device", "missing after '--device'" },
	{ "k conform --device -- x", "missing after '--device'" },
	{ "k conform --device a --device=b", "--device is given twice" },
	{ "k conform --strict=1", "--strict takes no value" },
	{ "k conform --mode Live", "auto|sim|live, not 'Live'" },
	{ "k conform --mode liv", "not 'liv'" },
	{ "k conform --mode ~", "not ''" },
	{ "k conform --format text,json", "text|json" },
	{ "k conform --jobs 0", "--jobs" },
	{ "k conform --jobs 257", "--jobs" },
	{ "k conform --jobs 2x", "'2x'" },
	{ "k conform --jobs -1", "'-1'" },
	{ "k conform --jobs ~", "''" },
	{ "k conform --timeout-ms 0", "'0'" },
	{ "k conform --timeout-ms 86400001", "--timeout-ms" },
	{ "k conform --timeout-scale -1", "--timeout-scale" },
	{ "k conform --timeout-scale nan", "'nan'" },
	{ "k conform --timeout-scale inf", "'inf'" },
	{ "k conform --timeout-scale 1001", "'1001'" },
	{ "k conform --timeout-scale ~", "--timeout-scale" },
	{ "k conform --seed 18446744073709551616", "--seed" },
	{ "k conform --seed one", "'one'" },
	{ "k conform --variant a", "'a'" },
	{ "k conform --variant =1,a", "NAME=VALUE" },
	{ "k conform --variant a=1,b", "'b'" },
	{ "k conform extra", "unexpected 'extra'" },
	{ "k probe extra", "unexpected 'extra'" },
	{ "k run", "what?" },
	{ "k list", "what?" },
	{ "k explain", "what?" },
	{ "k conform --", "missing after '--'" },
	{ "k conform --listen", "--listen goes with" },
	{ "k conform --backend ref --profile p", "one of" },
	{ "k conform --backend ref -- c", "one of" },
	{ "k conform --profile p --backend r -- c", "not 3" },
};

static void test_wrong_lines_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct kc_err err = { "" };
		struct kc_options o;

		cut(&line, wrong[i].text);
		if (!kc_options_parse(&o, line.argc, line.argv, &err))
			fail_msg("accepted: %s", wrong[i].text);
		if (!strstr(err.msg, wrong[i].said))
			fail_msg("%s: expected ...%s, actual %s", wrong[i].text, wrong[i].said, err.msg);
		kc_options_free(&o);
	}
}

static void test_lists_have_an_end(void **state)
{
	char text[2048] = "k conform";
	struct kc_err err = { "" };
	struct kc_options o;

	(void)state;
	for (unsigned i = 0; i < KC_SELECT_MAX; i++)
		strcat(text, " --select x");
	o = parse(text);
	assert_int_equal(o.nselects, KC_SELECT_MAX);
	kc_options_free(&o);
	strcat(text, " --select x");
	cut(&line, text);
	assert_int_not_equal(kc_options_parse(&o, line.argc, line.argv, &err), 0);
	assert_non_null(strstr(err.msg, "more than 64"));
	kc_options_free(&o);
}

static void test_long_variants_are_refused(void **state)
{
	char text[512] = "k conform --variant a=";
	struct kc_err err = { "" };
	struct kc_options o;

	(void)state;
	memset(text + strlen(text), 'v', 100);
	cut(&line, text);
	assert_int_not_equal(kc_options_parse(&o, line.argc, line.argv, &err), 0);
	kc_options_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_option),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_a_dash_alone_is_an_operand),
		cmocka_unit_test(test_wrong_lines_are_told),
		cmocka_unit_test(test_lists_have_an_end),
		cmocka_unit_test(test_long_variants_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <harness/run/replay.h>

static const char script_text[] =
	"title t\nclause VQ-SPLIT-USED-02\nvary size = 4 8\n\nqueue 0 split size $size\n";

static char *command(char **argv, int argc)
{
	struct kc_options o;
	struct kc_script *t = kc_script_parse("scenarios/a b.kick", "a b", script_text, 1, NULL);
	char *text;

	assert_non_null(t);
	assert_int_equal(kc_options_parse(&o, argc, argv, NULL), 0);
	text = kc_replay_command(&o, t);
	kc_options_free(&o);
	kc_script_free(t);
	return text;
}

static void test_plain(void **state)
{
	char *argv[] = { "build/kickcall", "conform", NULL };
	char *text = command(argv, 2);

	(void)state;
	assert_string_equal(text,
			    "build/kickcall run 'scenarios/a b.kick' --variant size=8 --seed 0");
	free(text);
}

static void test_all_that_matters_is_repeated(void **state)
{
	char *argv[] = { "./kickcall", "conform", "--seed", "0x10", "--mode", "live", "--timeout-ms",
			 "50", "--timeout-scale", "2", "--strict", "--destructive", "--device", "blk", "--data", "tap:k0",
			 "--jobs", "4", "--select", "x", "--listen", "--busy-poll", "--", "be", "it's", "{socket}", NULL };
	char *text = command(argv, 26);

	(void)state;
	assert_string_equal(text, "./kickcall run 'scenarios/a b.kick' --variant size=8 --seed 16 "
			    "--device blk --mode live --timeout-ms 50 --timeout-scale 2 --destructive "
			    "--strict --data tap:k0 --listen --busy-poll -- be 'it'\\''s' '{socket}'");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_all_that_matters_is_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

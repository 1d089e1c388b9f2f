/* SPDX-License-Identifier: BSD-3-Clause */
/* The words after `request` become a shape; what is no shape's word is the device's own. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"

static struct kc_shape shape;
static char own[256];

/* Reads the words without a world around them. 0 or -1; what was wrong is in result. */
static int read_words(const char *words, size_t cap)
{
	struct kc_world w = { .result = &result };
	struct kc_err err = { "" };
	char text[600];
	int ret;

	play_teardown(NULL);
	snprintf(text, sizeof(text), PLAY_HEAD "driver request %s\n", words);
	w.script = kc_script_parse("x.kick", NULL, text, 0, &err);
	if (!w.script)
		fail_msg("%s", err.msg);
	ret = kc_world_shape(&w, &w.script->steps[0], &w.script->steps[0].args[0], &shape, own,
		cap);
	kc_script_free(w.script);
	return ret;
}

static void shaped(const char *words)
{
	if (read_words(words, sizeof(own)))
		fail_msg("'%s': %s", words, result.message);
}

static void test_no_words_are_the_natural_shape(void **state)
{
	static const struct kc_shape natural;

	(void)state;
	memset(&shape, 0xff, sizeof(shape));
	shaped("");
	assert_memory_equal(&shape, &natural, sizeof(shape));
}

static void test_each_word(void **state)
{
	(void)state;
	shaped("out");
	assert_int_equal(shape.dir, KC_DIR_OUT);
	shaped("in");
	assert_int_equal(shape.dir, KC_DIR_IN);
	shaped("exactly 3 descriptors");
	assert_int_equal(shape.descriptors, 3);
	shaped("exactly 1 descriptor");
	assert_int_equal(shape.descriptors, 1);
	shaped("data 0x200");
	assert_int_equal(shape.data, 512);
	shaped("one-piece");
	assert_true(shape.one_piece && !shape.every_byte);
	shaped("every-byte");
	assert_true(shape.every_byte && !shape.one_piece);
}

static void test_indirect(void **state)
{
	(void)state;
	shaped("indirect");
	assert_true(shape.indirect && !shape.direct && !shape.flagged_table);
	shaped("indirect after 2 direct");
	assert_true(shape.indirect && shape.direct == 2 && !shape.flagged_table);
	shaped("indirect flagged");
	assert_true(shape.indirect && !shape.direct && shape.flagged_table);
	shaped("indirect after 1 direct flagged");
	assert_true(shape.indirect && shape.direct == 1 && shape.flagged_table);
}

static void test_cuts(void **state)
{
	(void)state;
	shaped("cut out at 1 15 cut in at 3 -1");
	assert_int_equal(shape.ncut_out, 2);
	assert_int_equal(shape.cut_out[0], 1);
	assert_int_equal(shape.cut_out[1], 15);
	assert_int_equal(shape.ncut_in, 2);
	assert_int_equal(shape.cut_in[0], 3);
	assert_int_equal(shape.cut_in[1], -1);
	shaped("cut in at 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
	assert_int_equal(shape.ncut_in, KC_CUTS_MAX);
	shaped("cut in at -2 -1 cut out at");
	assert_int_equal(shape.ncut_in, 2);
	assert_int_equal(shape.cut_in[0], -2);
	assert_int_equal(shape.cut_in[1], -1);
	assert_int_equal(shape.ncut_out, 0);
	assert_null(shape.words);
}

static void test_places(void **state)
{
	static const struct { const char *words; enum kc_place place; } rows[] = {
		{ "placed anywhere", KC_PLACE_ANY }, { "placed at-region-end",
		KC_PLACE_REGION_END },
		{ "placed across-regions", KC_PLACE_ACROSS }, { "placed low", KC_PLACE_LOW },
		{ "placed at-page-end", KC_PLACE_PAGE_END },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		shaped(rows[i].words);
		assert_int_equal(shape.place, rows[i].place);
		assert_null(shape.words);
	}
}

static void test_other_words_go_to_the_device(void **state)
{
	(void)state;
	shaped("write sector 8 out one-piece data 512 type 77 indirect");
	assert_string_equal(shape.words, "write sector 8 type 77");
	assert_true(shape.dir == KC_DIR_OUT && shape.one_piece && shape.data == 512 && shape.indirect);
	assert_int_equal(read_words("sector 8 write", 8), 0);	/* cut to what there is room for */
	assert_string_equal(own, "sector ");
}

static void test_errors(void **state)
{
	static const struct { const char *words, *says; } rows[] = {
		{ "exactly", "a number is missing after 'exactly'" },
		{ "exactly many descriptors", "a number is missing after 'exactly'" },
		{ "exactly 3", "'descriptors' expected after 'exactly N'" },
		{ "data big", "a number is missing after 'data'" },
		{ "cut", "'cut out at N...' or 'cut in at N...' expected" },
		{ "cut out 3", "'cut out at N...' or 'cut in at N...' expected" },
		{ "placed", "placed anywhere, at-region-end, across-regions, low or at-page-end" },
		{ "placed high", "placed anywhere, at-region-end, across-regions, low or "
		"at-page-end" },
		{ "indirect after 2", "'after N direct' expected" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char says[200];

		snprintf(says, sizeof(says), "x.kick:3:8: %s", rows[i].says);
		assert_int_equal(read_words(rows[i].words, sizeof(own)), -1);
		assert_string_equal(result.message, says);
		assert_true(result.script_error);
	}
}

/* In a world: the number may speak of the queue, and the error has a place. */
static void test_in_a_script(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver request exactly max descriptors, kick\nexpect 1 used\n");
	errs(&p, QUEUE "driver kick, request exactly 3\n", "4:14: 'descriptors' expected after "
	     "'exactly N'");
	errs(&p, QUEUE "driver request indirect after x direct\n",
	     "4:8: a number is missing after 'after'");
	errs(&p, QUEUE "driver request flush\n", "4:8: a loopback device knows no 'flush'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_words_are_the_natural_shape),
		cmocka_unit_test(test_each_word),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_other_words_go_to_the_device),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_in_a_script),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

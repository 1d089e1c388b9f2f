/* SPDX-License-Identifier: BSD-3-Clause */
/* Sentences for people: set, prefixed, cut where they are too long, and made of themselves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <kickcall/err.h>

#define ROOM	(sizeof(((struct kc_err *)NULL)->msg) - 1)

static void nobody_has_to_listen(void **state)
{
	(void)state;
	assert_int_equal(kc_err_set(NULL, -EIO, "%d", 1), -EIO);
	assert_int_equal(kc_err_wrap(NULL, -EIO, "%d", 1), -EIO);
}

static void a_sentence_gets_its_prefixes(void **state)
{
	struct kc_err e;

	(void)state;
	assert_int_equal(kc_err_set(&e, -EINVAL, "queue %d", 3), -EINVAL);
	assert_string_equal(e.msg, "queue 3");
	assert_int_equal(kc_err_wrap(&e, -EPROTO, "line %d", 7), -EPROTO);
	assert_string_equal(e.msg, "line 7: queue 3");
	assert_int_equal(kc_err_wrap(&e, 0, "a.kick"), 0);
	assert_string_equal(e.msg, "a.kick: line 7: queue 3");
}

static void an_argument_may_be_the_sentence_itself(void **state)
{
	struct kc_err e;

	(void)state;
	kc_err_set(&e, 0, "queue 3");
	kc_err_set(&e, 0, "again: %s", e.msg);
	assert_string_equal(e.msg, "again: queue 3");
	kc_err_wrap(&e, 0, "%s", e.msg);
	assert_string_equal(e.msg, "again: queue 3: again: queue 3");
}

/* Sentences and prefixes of every length around the limit. */
static void what_is_too_long_is_cut(void **state)
{
	char big[2 * ROOM];

	(void)state;
	memset(big, 'x', sizeof(big));
	for (size_t n = ROOM - 4; n < ROOM + 4; n++) {
		size_t kept = n < ROOM ? n : ROOM;
		struct kc_err e;

		kc_err_set(&e, 0, "%.*s", (int)n, big);
		assert_int_equal(strlen(e.msg), kept);
		kc_err_wrap(&e, 0, "p");
		assert_int_equal(strlen(e.msg), kept + 3 < ROOM ? kept + 3 : ROOM);
		assert_int_equal(strncmp(e.msg, "p: xxx", 6), 0);

		kc_err_set(&e, 0, "yyy");
		kc_err_wrap(&e, 0, "%.*s", (int)n, big);
		assert_int_equal(strncmp(e.msg, big, kept), 0);
		if (n + 2 <= ROOM)	/* else even the colon has no room */
			assert_int_equal(strncmp(e.msg + n, ": yyy", ROOM - n), 0);
		assert_int_equal(strlen(e.msg), n + 2 <= ROOM ? ROOM : kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_has_to_listen),
		cmocka_unit_test(a_sentence_gets_its_prefixes),
		cmocka_unit_test(an_argument_may_be_the_sentence_itself),
		cmocka_unit_test(what_is_too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* kc_say against snprintf(3), byte for byte. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <common/say.h>

#define ROOM	64

/* With all the room there is, and cut at every length. */
#define SAYS_THE_SAME(...)								\
	do {										\
		char want[ROOM], got[ROOM + 1];						\
											\
		for (size_t cap = 1; cap <= ROOM; cap++) {				\
			snprintf(want, cap, __VA_ARGS__);				\
			memset(got, 'x', sizeof(got));					\
			assert_int_equal(kc_say(got, cap, __VA_ARGS__), strlen(want));	\
			assert_string_equal(got, want);					\
			assert_int_equal(got[cap], 'x');				\
		}									\
	} while (0)

static void known_conversions(void **state)
{
	(void)state;
	SAYS_THE_SAME("socket");
	SAYS_THE_SAME("%u", 0u);
	SAYS_THE_SAME("queue %u head %u", 3u, UINT_MAX);
	SAYS_THE_SAME("%lu of %llu", ULONG_MAX, ULLONG_MAX);
	SAYS_THE_SAME("%s%s, %u%% of %s", "", "blk", 100u, "it");
	SAYS_THE_SAME("%%");
}

/* What comes before the strange one is not said twice. */
static void other_conversions(void **state)
{
	(void)state;
	SAYS_THE_SAME("queue %u, flags 0x%x, %s", 7u, 0xabu, "then");
	SAYS_THE_SAME("%s %d", "minus", -1);
	SAYS_THE_SAME("%5u|%-4s|%lx", 12u, "ab", 255ul);
}

static void empty_format(void **state)
{
	char buf[4] = "abc";

	(void)state;
	assert_int_equal(kc_say(buf, sizeof(buf), "%s", ""), 0);
	assert_string_equal(buf, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_conversions),
		cmocka_unit_test(other_conversions),
		cmocka_unit_test(empty_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The words that say what lies at a back-end's far side. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <harness/run/data_port.h>

static void words(void **state)
{
	static const struct { const char *text; enum kc_data_kind kind; const char *tap; } rows[] = {
		{ "sink", KC_DATA_SINK, "" },
		{ "loop", KC_DATA_LOOP, "" },
		{ "tap:kick0", KC_DATA_TAP, "kick0" },
		{ "tap:fifteen-letters", KC_DATA_TAP, "fifteen-letters" },
	};
	struct kc_data_port d;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(kc_data_port_parse(&d, rows[i].text, NULL), 0);
		assert_int_equal(d.kind, rows[i].kind);
		assert_string_equal(d.tap, rows[i].tap);
	}
}

static void wrong_ones_are_told(void **state)
{
	static const struct { const char *text, *said; } rows[] = {
		{ "", "not ''" },
		{ "Sink", "not 'Sink'" },
		{ "loop0", "sink, loop or tap:IFNAME, not 'loop0'" },
		{ "tap", "not 'tap'" },
		{ "tap:", "no interface can be called ''" },
		{ "tap:a/b", "'a/b'" },
		{ "tap:k%d", "'k%d'" },
		{ "tap:sixteen-letters-", "1 to 15 characters" },
	};
	struct kc_data_port d;
	struct kc_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(kc_data_port_parse(&d, rows[i].text, &err), -EINVAL);
		if (!strstr(err.msg, rows[i].said))
			fail_msg("'%s': %s", rows[i].text, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(wrong_ones_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

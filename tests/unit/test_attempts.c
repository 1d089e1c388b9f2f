/* SPDX-License-Identifier: BSD-3-Clause */
/* What several attempts at one test say together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <harness/run/attempts.h>

#define LEN	"VQ-SPLIT-USED-DEV-02"

/* Plays attempts with these suspicions until no other is wanted; the verdict of the last one. */
static enum kc_verdict judged(const char *const *suspicions, unsigned *attempts)
{
	struct kc_result res[KC_FLIPS + 1] = { 0 };
	enum kc_verdict verdict;
	unsigned n = 0;

	for (;; n++) {
		struct kc_result *before = n ? &res[n - 1] : NULL;

		assert_true(n <= KC_FLIPS);
		res[n].suspicion = suspicions[n] ? strdup(suspicions[n]) : NULL;
		res[n].suspicion_clause = suspicions[n] ? strdup(LEN) : NULL;
		if (n == KC_FLIPS)
			kc_attempt_unwritten(&res[n], before);
		if (!kc_attempt_wants_flip(&res[n], before, n))
			break;
	}
	verdict = res[n].verdict;
	if (verdict == KC_FAIL) {
		assert_int_equal(res[n].nviolations, 1);
		assert_string_equal(res[n].violations[0].clause, LEN);
		assert_string_equal(res[n].message, "1 byte at 0x1000, with two different poisons");
	}
	for (unsigned i = 0; i <= n; i++)
		kc_result_fini(&res[i]);
	*attempts = n + 1;
	return verdict;
}

/* A byte that is not written is suspected every time; one that is random is so now and then. */
static void only_what_all_four_poisons_show_is_unwritten(void **state)
{
	static const char one[] = "1 byte at 0x1000", other[] = "1 byte at 0x1001";
	static const struct {
		const char *suspicions[KC_FLIPS + 1];
		unsigned attempts;
		enum kc_verdict verdict;
	} rows[] = {
		{ { NULL }, 1, KC_PASS },
		{ { one, NULL }, 2, KC_PASS },
		{ { one, other }, 2, KC_PASS },
		{ { one, one, NULL }, 3, KC_PASS },
		{ { one, one, one, NULL }, 4, KC_PASS },
		{ { one, one, one, other }, 4, KC_PASS },
		{ { one, one, one, one }, 4, KC_FAIL },
	};
	unsigned attempts;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(judged(rows[i].suspicions, &attempts), rows[i].verdict);
		assert_int_equal(attempts, rows[i].attempts);
	}
}

/* What has failed already, or was not played to its end, needs no more looks. */
static void who_failed_is_not_looked_at_again(void **state)
{
	struct kc_result res = { .suspicion = (char *)"bytes", .suspicion_clause = (char *)LEN };

	(void)state;
	for (enum kc_verdict v = KC_PASS; v <= KC_ERROR; v++) {
		res.verdict = v;
		assert_int_equal(kc_attempt_wants_flip(&res, NULL, 0), v < KC_INCONCLUSIVE);
	}
}

static void milder_is_less_than_a_warning_or_one_for_a_failure(void **state)
{
	static const struct { enum kc_verdict fresh, first; bool milder; } rows[] = {
		{ KC_PASS, KC_FAIL, true }, { KC_PASS, KC_WARN, true }, { KC_SKIP, KC_WARN, true },
		{ KC_WARN, KC_FAIL, true }, { KC_WARN, KC_WARN, false }, { KC_FAIL, KC_WARN, false },
		{ KC_FAIL, KC_FAIL, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kc_result fresh = { .verdict = rows[i].fresh }, first = { .verdict = rows[i].first };

		assert_int_equal(kc_attempt_is_milder(&fresh, &first), rows[i].milder);
	}
}

static void what_led_to_it_is_told(void **state)
{
	struct kc_result first = { .verdict = KC_FAIL, .message = (char *)"lost" };
	struct kc_result fresh = { .verdict = KC_PASS };

	(void)state;
	kc_attempt_only_in_sequence(&fresh, &first, "a, b");
	assert_int_equal(fresh.verdict, KC_INCONCLUSIVE);
	assert_string_equal(fresh.reason, "failed (lost) on a process that had served a, b; passes on a fresh one");
	fresh.verdict = KC_WARN;
	kc_attempt_only_in_sequence(&fresh, &first, NULL);
	assert_string_equal(fresh.reason, "failed (lost) on a process that had served nothing; only a warning on a "
			    "fresh one");
	free(fresh.reason);
}

static void three_fresh_ones_confirm_a_warning(void **state)
{
	struct kc_result warns = { .verdict = KC_WARN, .violations = { { .clause = "A-1" } }, .nviolations = 1 };
	struct kc_result both = { .verdict = KC_WARN, .violations = { { .clause = "A-1" }, { .clause = "B-1" } },
				  .nviolations = 2 };
	struct kc_result fails = warns;
	struct kc_confirmed c = { 0 };

	(void)state;
	fails.verdict = KC_FAIL;
	for (unsigned i = 0; i < 3; i++) {
		assert_false(kc_attempt_is_confirmed(&c, &warns));
		kc_attempt_confirm(&c, &warns);
	}
	assert_true(kc_attempt_is_confirmed(&c, &warns));
	assert_false(kc_attempt_is_confirmed(&c, &both));
	assert_false(kc_attempt_is_confirmed(&c, &fails));
	for (unsigned i = 0; i < 3; i++)
		kc_attempt_confirm(&c, &both);
	assert_true(kc_attempt_is_confirmed(&c, &both));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_all_four_poisons_show_is_unwritten),
		cmocka_unit_test(who_failed_is_not_looked_at_again),
		cmocka_unit_test(milder_is_less_than_a_warning_or_one_for_a_failure),
		cmocka_unit_test(what_led_to_it_is_told),
		cmocka_unit_test(three_fresh_ones_confirm_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

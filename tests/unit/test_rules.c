/* SPDX-License-Identifier: BSD-3-Clause */
/* Each rule has a clause for either layout, which the catalogue knows and holds against devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <coverage/clauses.h>
#include <harness/oracle/layout.h>

static void every_rule_has_two_clauses_that_exist(void **state)
{
	static const struct kc_layout *const layouts[] = { &kc_layout_split, &kc_layout_packed };

	(void)state;
	for (unsigned rule = 0; rule < KC_RULES; rule++) {
		for (unsigned i = 0; i < 2; i++) {
			const char *id = kc_rule_clause(rule, layouts[i]);
			const char *other = i ? "VQ-SPLIT-" : "VQ-PACKED-";

			if (!id || !kc_clause_by_id(id))
				fail_msg("rule %u, %s: %s", rule, layouts[i]->name, id ? id : "none");
			assert_int_not_equal(strncmp(id, other, strlen(other)), 0);
		}
	}
}

/* Who demands a call must not be named by who forbids one. */
static void opposite_rules_have_different_clauses(void **state)
{
	(void)state;
	assert_string_not_equal(kc_rule_clause(KC_RULE_CALL_AT, &kc_layout_packed),
				kc_rule_clause(KC_RULE_NO_CALL_AT, &kc_layout_packed));
	assert_string_equal(kc_rule_clause(KC_RULE_USED_ID, &kc_layout_split), "VQ-SPLIT-USED-02");
	assert_string_equal(kc_rule_clause(KC_RULE_USED_ID, &kc_layout_packed), "VQ-PACKED-USED-01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_has_two_clauses_that_exist),
		cmocka_unit_test(opposite_rules_have_different_clauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

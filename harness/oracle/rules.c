/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the clause that states a rule for a split ring, and for a packed one. The text
 * states some rules for one layout only; the other then has the nearest general one.
 */
#include <harness/oracle/layout.h>

static const char *const clauses[KC_RULES][2] = {
	[KC_RULE_USED_ID] =		{ "VQ-SPLIT-USED-02",		"VQ-PACKED-USED-01" },
	[KC_RULE_LEN_MAX] =		{ "VQ-SPLIT-USED-04",		"VQ-PACKED-LEN-01" },
	[KC_RULE_LEN_WRITTEN] =		{ "VQ-SPLIT-USED-DEV-02",	"VQ-PACKED-LEN-01" },
	[KC_RULE_SKIPPED_WRITTEN] =	{ "VQ-SPLIT-INORDER-02",	"VQ-PACKED-INORDER-01" },
	[KC_RULE_READABLE] =		{ "VQ-SPLIT-DESC-DEV-01",	"VQ-PACKED-DESC-DEV-01" },
	[KC_RULE_TABLE] =		{ "VQ-SPLIT-DESC-DEV-03",	"VU-MEMACC-01" },
	[KC_RULE_BESIDE] =		{ "VQ-SPLIT-DESC-01",		"VU-MEMACC-01" },
	[KC_RULE_RETURNED] =		{ "VQ-SPLIT-USED-DEV-02",	"VQ-PACKED-USED-01" },
	[KC_RULE_DESC_AREA] =		{ "VQ-SPLIT-DESC-DEV-03",	"VQ-PACKED-DEV-02" },
	[KC_RULE_DRIVER_AREA] =		{ "VQ-SPLIT-AVAIL-01",		"VQ-PACKED-LAYOUT-01" },
	[KC_RULE_DEVICE_AREA_END] =	{ "VQ-SPLIT-USED-01",		"VQ-PACKED-LAYOUT-01" },
	[KC_RULE_INDEX] =		{ "VQ-SPLIT-USED-03",		"VQ-PACKED-DEV-02" },
	[KC_RULE_FLAGS] =		{ "VQ-SPLIT-ANS-DEV-01",	"VQ-PACKED-EVT-01" },
	[KC_RULE_FLAGS_EVENT_IDX] =	{ "VQ-SPLIT-ANS-DEV-03",	"VQ-PACKED-EVT-01" },
	[KC_RULE_CALL_ALWAYS] =		{ "VQ-SPLIT-UNS-DEV-03",	"VQ-PACKED-EVT-02" },
	[KC_RULE_CALL_AT] =		{ "VQ-SPLIT-UNS-DEV-05",	"VQ-PACKED-EVT-03" },
	[KC_RULE_CALL_NOT_AT] =		{ "VQ-SPLIT-UNS-DEV-01",	"VQ-PACKED-EVT-04" },
	[KC_RULE_CALL_NOT_FLAGS] =	{ "VQ-SPLIT-UNS-DEV-04",	"VQ-PACKED-EVT-03" },
	[KC_RULE_NO_CALL_NEVER] =	{ "VQ-SPLIT-UNS-DEV-02",	"VQ-PACKED-EVT-06" },
	[KC_RULE_NO_CALL_AT] =		{ "VQ-SPLIT-UNS-DEV-06",	"VQ-PACKED-EVT-06" },
	[KC_RULE_LOOK_AGAIN] =		{ "VQ-SPLIT-ANS-DEV-06",	"VQ-PACKED-EVT-05" },
	[KC_RULE_LOOP] =		{ "VQ-SPLIT-DESC-DRV-01",	"VQ-PACKED-SG-DRV-01" },
};

const char *kc_rule_clause(enum kc_rule rule, const struct kc_layout *layout)
{
	return clauses[rule][layout == &kc_layout_packed];
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What is expected of the device's configuration, field by field and in one read. */
#include "world_fixture.h"

/* 1 MiB: 2048 sectors. */
#define BLK	{ .device = "blk" }

static void one_more(struct kc_msg *m)
{
	m->config.data[m->config.offset ? 0 : 1]++;
}

static void from_offset_0(struct kc_msg *m)
{
	memset(m->config.data, 0xee, sizeof(m->config.data));
	m->config.offset = 0;
}

static void empty(struct kc_msg *m)
{
	m->config.size = 0;
}

static void test_a_field_by_itself(void **state)
{
	struct play p = BLK;

	(void)state;
	passes(&p, "expect config 0 size 8 = 2048, config 1 size 1 = 8, config 0 size 2 = 0x800\n");
	fails(&p, "expect config 0 size 8 = 2047\n", CLAUSE, 3,
	      "configuration at 0: expected 2047, actual 2048");
	errs(&p, "expect config 0 size 9 = 1\n", "3:8: a field has 1 to 8 bytes");
	errs(&p, "expect config 0 size 0 = 1\n", "3:8: a field has 1 to 8 bytes");
	fails(&p, "expect config 200 size 8 = 0\n", CLAUSE, 3,
	      "GET_CONFIG: expected ok, actual refused");
}

static void test_the_same_field_out_of_one_read(void **state)
{
	struct play p = BLK;

	(void)state;
	passes(&p, "expect whole config 0 size 8 = 2048, whole config 0 size 8 at most 2048\n");
	passes(&p, "expect whole config 0 size 8 at most 2049\n");
	fails(&p, "expect whole config 1 size 1 = 9\n", CLAUSE, 3,
	      "configuration at 1: expected 9, actual 8");
	fails(&p, "expect whole config 0 size 8 at most 2047\n", CLAUSE, 3,
	      "configuration at 0: expected at most 2047, actual 2048");
	passes(&p, "expect whole config 0 size 8 at least 2048, whole config 0 size 8 at least 0\n");
	fails(&p, "expect whole config 0 size 8 at least 2049\n", CLAUSE, 3,
	      "configuration at 0: expected at least 2049, actual 2048");
	errs(&p, "expect whole config 69 size 4 = 0\n", "3:8: a field has 1 to 8 bytes, and lies before byte 72");
	errs(&p, "expect whole config 0 size 9 at most 0\n",
	     "3:8: a field has 1 to 8 bytes, and lies before byte 72");
	errs(&p, "expect whole config 0 size 0 at least 0\n",
	     "3:8: a field has 1 to 8 bytes, and lies before byte 72");
	passes(&p, "expect whole config 56 size 4 = 0, whole config 68 size 4 = 8\n");
	/* without SECURE_ERASE its fields are not there for the driver */
	errs(&p, "without secure_erase\nexpect whole config 57 size 4 = 0\n",
	     "4:8: a field has 1 to 8 bytes, and lies before byte 60");
}

/* Some back-ends answer each read from offset 0. */
static void test_offsets_are_two_questions(void **state)
{
	struct play p = BLK;

	(void)state;
	p.faults[0] = (struct fault){ .on = KC_VU_GET_CONFIG, .kind = FAULT_EDIT, .skip = 2,
		.edit = from_offset_0 };
	fails(&p, "expect whole config 0 size 8 = 2048\nexpect config 1 size 1 = 8\n", CLAUSE, 4,
	      "GET_CONFIG: expected ok, actual garbled: GET_CONFIG of 1 bytes at 1 was answered "
	      "with 1 at 0");
}

static void test_pieces_are_as_the_whole(void **state)
{
	struct play p = BLK;

	(void)state;
	passes(&p, "expect config in pieces of 1 as whole, config in pieces of 7 as whole\n"
	       "expect config in pieces of 72 as whole\n");
	p.faults[0] = (struct fault){ .on = KC_VU_GET_CONFIG, .kind = FAULT_EDIT, .skip = 3,
		.edit = one_more };
	/* the second piece */
	fails(&p, "expect config in pieces of 20 as whole\n", CLAUSE, 3,
	      "configuration read in pieces of 20: byte 20 expected 0x00 as in one read of all, "
	      "actual 0x01");
	p.faults[0].kind = FAULT_NONE;
	errs(&p, "expect config in pieces of 0 as whole\n", "3:8: pieces have 1 to 72 bytes");
	errs(&p, "expect config in pieces of 73 as whole\n", "3:8: pieces have 1 to 72 bytes");
}

static void test_a_refused_read_is_a_violation(void **state)
{
	struct play p = BLK;

	(void)state;
	p.faults[0] = (struct fault){ .on = KC_VU_GET_CONFIG, .kind = FAULT_EDIT, .skip = 1,
		.edit = empty };
	fails(&p, "expect whole config 0 size 8 = 2048\n", CLAUSE, 3,
	      "GET_CONFIG: expected ok, actual refused");
	fails(&p, "expect config in pieces of 4 as whole\n", CLAUSE, 3,
	      "GET_CONFIG: expected ok, actual refused");
	p.faults[0].skip = 0;
	fails(&p, "vmm settle\n", CLAUSE, 3, "GET_CONFIG of the device's configuration: expected "
	      "ok");
}

static void test_without_a_configuration_there_is_nothing_to_ask(void **state)
{
	struct play p = { 0 };

	(void)state;
	skips(&p, "expect whole config 0 size 8 = 1\n", "needs a device with a configuration");
	skips(&p, "expect whole config 0 size 8 at most 1\n",
	      "needs a device with a configuration");
	skips(&p, "expect config in pieces of 4 as whole\n", "needs a device with a configuration");
	p = (struct play){ .device = "blk", .ref.pf_off = KC_BIT(KC_PF_CONFIG) };
	skips(&p, "expect config 0 size 8 = 1\n", "CONFIG is not negotiated");
	skips(&p, "expect config in pieces of 4 as whole\n", "CONFIG is not negotiated");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_field_by_itself),
		cmocka_unit_test(test_the_same_field_out_of_one_read),
		cmocka_unit_test(test_offsets_are_two_questions),
		cmocka_unit_test(test_pieces_are_as_the_whole),
		cmocka_unit_test(test_a_refused_read_is_a_violation),
		cmocka_unit_test(test_without_a_configuration_there_is_nothing_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The `queue` and `repeat` lines, and the numbers that speak of a queue. */
#include "world_fixture.h"

#define SERVED	"driver request, kick\nexpect 1 used\n"

static uint64_t desc_gpa, avail_gpa, used_gpa;		/* of queue 0, as noted in line 4 */
static uint64_t region_end;				/* of the part that was asked for */

static void note_ring(struct play *p, struct kc_world *w)
{
	const struct kc_queue_config *c = &w->q[0].config;

	(void)p;
	if (w->trace.step != 4)
		return;
	desc_gpa = c->desc;
	avail_gpa = c->avail;
	used_gpa = c->used;
}

static bool at_region_end(struct kc_world *w, uint64_t end)
{
	const struct kc_region *r = kc_mem_region(&w->mem, end - 1);

	return r && r->gpa + r->size - end < 4;
}

static void note_ends(struct play *p, struct kc_world *w)
{
	note_ring(p, w);
	if (w->trace.step == 4)
		region_end = (at_region_end(w, desc_gpa + kc_desc_bytes(8)) ? 1 : 0) |
			(at_region_end(w, avail_gpa + kc_avail_bytes(8)) ? 2 : 0) |
			(at_region_end(w, used_gpa + kc_used_bytes(8)) ? 4 : 0);
}

static void test_a_queue_is_made_and_started(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "queue 1 split size 4 from 65534\ndriver 1 request, kick\n"
	       "expect queue 1 1 used\n");
	assert_int_equal(times(trace, "\"SET_VRING_NUM {index 1, num 4}"), 1);
	assert_int_equal(times(trace, "\"SET_VRING_BASE {index 1, num 65534}"), 1);
	assert_int_equal(times(trace, "\"SET_VRING_ENABLE {index 1, num 1}"), 1);
	/* the one that is owed, and the driver's */
	assert_int_equal(times(trace, "\"kick\",\"place\":\"queue 1\""), 2);
	passes(&p, "queue 0 split size 1\nvmm settle\n");
}

static void test_options_of_the_start(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "queue 0 split size 8 later\nvmm settle\n");
	assert_int_equal(times(trace, "SET_VRING"), 0);
	passes(&p, "queue 0 split size 8 later\nvmm start 0\n" SERVED);
	passes(&p, "queue 0 split size 8 disabled\ndriver request, kick\nexpect nothing used\n"
	       "vmm enable 0\n"
	       "expect 1 used\n");
	passes(&p, "queue 0 split size 8 unkicked\nvmm settle\n");
	assert_int_equal(times(trace, "\"operation\":\"kick\""), 0);
	passes(&p, "queue 0 split size 8 no-call\ndriver request, kick\nexpect 1 used, no call\n");
	assert_int_equal(times(trace, "SET_VRING_CALL {u64 0x100}"), 1);
	passes(&p, "queue 0 split size 8 no-kick-fd\ndriver request\nexpect 1 used\n");
	assert_int_equal(times(trace, "SET_VRING_KICK {u64 0x100}"), 1);
	passes(&p, "queue 0 split size 8 disabled unkicked no-call\nvmm settle\n");
}

static void test_driver_ok_may_wait(void **state)
{
	struct play p = { 0 };
	const char *kick;

	(void)state;
	passes(&p, "queue 0 split size 8 before-driver-ok\ndriver request, kick\nvmm driver ok\n"
	       "expect 1 used\n");
	kick = strstr(trace, "notify-write");
	assert_non_null(kick);
	assert_non_null(strstr(kick, "SET_STATUS {u64 0xf}"));
	passes(&p, "queue 0 split size 8\n" SERVED);
	assert_null(strstr(strstr(trace, "notify-write"), "SET_STATUS"));
}

static void test_places_of_the_parts(void **state)
{
	struct play p = { .on_step = note_ends };

	(void)state;
	passes(&p, "queue 0 split size 8\n" SERVED);
	assert_int_equal(region_end, 0);
	passes(&p, "queue 0 split size 8 table-at-region-end\n" SERVED);
	assert_int_equal(region_end, 1);
	passes(&p, "queue 0 split size 8 avail-at-region-end\n" SERVED);
	assert_int_equal(region_end, 2);
	passes(&p, "queue 0 split size 8 at-region-end\n" SERVED);
	assert_int_equal(region_end, 4);
	passes(&p, "queue 0 split size 8 apart\n" SERVED);
	assert_true(desc_gpa < 0x100000 && avail_gpa >= 0x100000 && used_gpa >= 0x100000);
	passes(&p, "queue 0 split size 8 least-aligned\n" SERVED);
	assert_int_equal(desc_gpa % 32, 16);
	assert_int_equal(avail_gpa % 4, 2);
	assert_int_equal(used_gpa % 8, 4);
}

static void test_a_stopped_queue_is_made_anew(void **state)
{
	struct play p = { .on_step = note_ring };
	uint64_t before;

	(void)state;
	passes(&p, "queue 0 split size 8\n" SERVED "vmm stop 0\n"
	       "queue 0 split size 4 from 7\n" SERVED
	       "driver 2 requests, kick\nexpect 2 used\nvmm stop 0\nexpect base 10\n");
	before = used_gpa;
	p.on_step = NULL;
	assert_non_null(strstr(trace, "SET_VRING_NUM {index 0, num 4}"));
	assert_true(before != 0);
	/* what was in flight went with the old one */
	passes(&p, "queue 0 split size 8 unkicked\ndriver request\nvmm stop 0\n"
	       "queue 0 split size 4\n"
	       "expect 0 in flight\n" SERVED);
	errs(&p, "queue 0 split size 8\nqueue 0 split size 8\n", "4:7: queue 0 is running");
}

static void test_what_cannot_be_made(void **state)
{
	struct play p = { 0 };

	(void)state;
	errs(&p, "queue 0 split size 3\n", "3:7: a split ring of size 3: Invalid argument");
	errs(&p, "queue 0 split size 0\n", "3:7: a split ring of size 0: Invalid argument");
	errs(&p, "queue 64 split size 8\n", "3:7: queue 64 is out of range");
	errs(&p, "queue 0 split size 8 fast\n", "3:7: queue has no option 'fast'");
	skips(&p, "queue 4 split size 8\n", "needs queue 4, and the back-end has 4");
	p.cfg.ring_max = 128;
	skips(&p, "queue 0 split size 256\n", "needs a ring of 256, and the back-end takes 128");
	passes(&p, "queue 0 split size 128\nvmm settle\n");
}

static void no(struct kc_msg *m)
{
	m->u64 = 1;
}

static void test_a_ring_that_is_refused_is_a_skip_but_not_for_ever(void **state)
{
	struct play p = { .faults = { { .on = KC_VU_SET_VRING_NUM, .kind = FAULT_EDIT,
		.edit = no } } };

	(void)state;
	skips(&p, "queue 0 split size 256\nvmm settle\n", "needs a ring of 256, which the back-end "
	      "refuses");
	/* What it has taken before, it must take again. */
	p.faults[0].skip = 1;
	fails(&p, "queue 0 split size 16\nvmm stop 0\nqueue 0 split size 8\nvmm settle\n", CLAUSE,
	      5,
	      "setting up the queue: expected ok, actual refused");
	skips(&p, "queue 0 split size 16\nqueue 1 split size 32\nvmm settle\n",
	      "needs a ring of 32");
}

static void test_a_mute_start_is_a_violation(void **state)
{
	struct play p = { .faults = { { .on = KC_VU_SET_VRING_KICK, .kind = FAULT_CLOSE } } };

	(void)state;
	fails(&p, "queue 0 split size 8\n", CLAUSE, 3, "setting up the queue: expected ok, actual "
	      "closed");
}

static void test_repeat_goes_round(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "queue 0 split size 8\nrepeat 3\ndriver request, kick\nrepeat 2\n"
	       "driver request, kick\nend\n"
	       "expect 3 used\nend\n");
	assert_int_equal(times(trace, "\"request\""), 9);
	passes(&p, "queue 0 split size 8\nrepeat 0\ndriver request, kick\nend\nvmm settle\n");
	assert_int_equal(times(trace, "\"request\""), 0);
	passes(&p, "queue 0 split size 8\nrepeat -1\ndriver request, kick\nend\n");
	assert_int_equal(times(trace, "\"request\""), 0);
}

static void test_numbers_speak_of_their_queue(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "queue 0 split size 8 from 5\nqueue 1 split size 8\ndriver 2 requests, kick\n"
	       "expect 2 used\n"
	       "vmm stop 0\nexpect base 7, base used_idx, base avail_idx\n"
	       "driver 1 used_event = used_idx + 3\n");
	assert_int_equal(times(trace, "\"used-event\",\"place\":\"queue 1\",\"value\":3}"), 1);
	passes(&p, "queue 0 split size 8 from 65535 disabled\nvmm stop 0\n"
	       "vmm start 0 from used_idx + 2\nvmm stop 0\n"
	       "expect base 1\n");
	passes(&p, "queue 0 split size 8\nmessage GET_QUEUE_NUM\n"
	       "expect reply, reply u64 = queue_num\n"
	       "expect reply u64 = queue_num - 0\n");
}

/* max: the least of what ring, device and back-end allow. */
static void test_max_is_the_longest_chain(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "queue 0 split size 8\ndriver request exactly max descriptors, kick\n"
	       "expect 1 used\n");
	skips(&p, "queue 0 split size 8\ndriver request exactly max + 1 descriptors\n", "no room");
	p.cfg.chain_max = 3;
	passes(&p, "queue 0 split size 8\ndriver 2 requests exactly max descriptors, request "
	       "exactly 2 descriptors\n"
	       "driver kick\nexpect 3 used\n");
}

static void test_numbers_of_a_queue_that_is_not_there(void **state)
{
	struct play p = { 0 };

	(void)state;
	errs(&p, "vmm settle\nexpect base used_idx\n", "4:8: there is no queue 0");
	errs(&p, "message SET_VRING_BASE index = 0 num = used_idx\n", "3:9: there is no queue 0");
	errs(&p, "message SET_VRING_NUM index = 0 num = max\nexpect alive\n",
	     "3:9: there is no queue 0");
	errs(&p, "message GET_QUEUE_NUM\nexpect reply, reply u64 = avail_idx\n",
	     "4:15: there is no queue 0");
	errs(&p, "queue 0 split size 8\ndriver 1 avail.idx = avail_idx\n",
	     "4:10: there is no queue 1");
	errs(&p, "queue 0 split size 8\ndriver 1 used_idx requests\n", "4:10: there is no queue 1");
	errs(&p, "queue 0 split size 8\nvmm start 1 from used_idx\n", "4:5: there is no queue 1");
	errs(&p, "queue 0 split size 8\nvmm stop 99\n", "4:5: there is no queue 99");
}

/* A balloon with four queues has reporting_vq, the specification's fifth, as its fourth. */
static void test_a_port_may_number_queues(void **state)
{
	struct play p = { .device = "balloon", .ref = { .queues = 4 } };

	(void)state;
	passes(&p, "device balloon\nneeds stats_vq, page_reporting\nqueue 4 split size 8\n"
	       "driver 4 request, kick\nexpect queue 4 1 used\nvmm stop 4\nexpect queue 4 base 1\n");
	assert_int_equal(times(trace, "SET_VRING_KICK {u64 0x3}"), 1);
	assert_int_equal(times(trace, "SET_VRING_KICK {u64 0x4}"), 0);
	p.ref.queues = 5;
	passes(&p, "queue 1 split size 8\ndriver 1 request, kick\nexpect queue 1 1 used\n");
	assert_int_equal(times(trace, "SET_VRING_KICK {u64 0x4}"), 1);
	p.ref.queues = 3;
	skips(&p, "queue 1 split size 8\n", "needs queue 5: this balloon has no such queue");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_queue_is_made_and_started),
		cmocka_unit_test(test_options_of_the_start),
		cmocka_unit_test(test_driver_ok_may_wait),
		cmocka_unit_test(test_places_of_the_parts),
		cmocka_unit_test(test_a_stopped_queue_is_made_anew),
		cmocka_unit_test(test_what_cannot_be_made),
		cmocka_unit_test(test_a_ring_that_is_refused_is_a_skip_but_not_for_ever),
		cmocka_unit_test(test_a_mute_start_is_a_violation),
		cmocka_unit_test(test_repeat_goes_round),
		cmocka_unit_test(test_numbers_speak_of_their_queue),
		cmocka_unit_test(test_max_is_the_longest_chain),
		cmocka_unit_test(test_numbers_of_a_queue_that_is_not_there),
		cmocka_unit_test(test_a_port_may_number_queues),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

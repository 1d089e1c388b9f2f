/* SPDX-License-Identifier: BSD-3-Clause */
/* The lines of a driver that obeys the rules. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"

static unsigned op(const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "\"operation\":\"%s\"", name);
	return times(trace, text);
}

/* How often did avail idx move, and to where last? */
static void published(unsigned n, unsigned idx)
{
	char text[100];

	snprintf(text, sizeof(text), "avail-idx\",\"place\":\"queue 0\",\"value\":%u}", idx);
	assert_int_equal(op("avail-idx"), n);
	assert_int_equal(times(trace, text), 1);
}

static void test_requests_are_published_alone_or_together(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver request, request, kick\nexpect 2 used\n");
	published(2, 2);
	passes(&p, QUEUE "driver 3 requests, kick\nexpect 3 used\n");
	published(1, 3);
	passes(&p, QUEUE "driver add, add\nvmm settle\nexpect nothing used, 2 in flight\n"
	       "driver publish, publish, kick\nexpect 2 used\n");
	published(1, 2);
}

static void test_a_request_needs_a_queue_a_device_and_room(void **state)
{
	struct play p = { 0 };

	(void)state;
	errs(&p, QUEUE "driver 1 request\n", "4:10: there is no queue 1");
	errs(&p, QUEUE "driver 1 publish\n", "4:10: there is no queue 1");
	skips(&p, QUEUE "driver 5 requests\n", "queue 0 has no room for request 5 of this device's "
	      "size");
	skips(&p, QUEUE "driver request exactly 40000 descriptors\n",
	      "loopback cannot take that request: ");
	errs(&p, "without indirect\n" QUEUE "driver request indirect\n",
	     "5:8: an indirect request means nothing without indirect");
	errs(&p, "without indirect\n" QUEUE "driver fill indirect\n",
	     "5:8: an indirect request means nothing without indirect");
	errs(&p, QUEUE "vmm disconnect\ndriver request\n", "5:8: there is no queue 0");
	trouble(&p, QUEUE "driver 4 requests data 262144\n", "('memory large' has more)");
	passes(&p, "memory large\n" QUEUE "driver 4 requests data 262144\n");
}

static void test_fill_goes_up_to_the_last_descriptor(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver fill, kick\nexpect full, 4 in flight\nexpect 4 used, not full\n");
	published(1, 4);
	passes(&p, QUEUE "driver fill indirect, kick\nexpect full, 8 used\n");
	errs(&p, QUEUE "driver 1 fill\n", "4:10: there is no queue 1");
}

static struct kc_ring_ops rough;
static struct kc_world *rough_world;
static bool rough_by_device;

/* Writes to the ring that it has just found full; or a device does, at that moment. */
static int rough_add(struct kc_ring *r, const struct kc_chain *chain, void *token, uint16_t *id)
{
	int ret = kc_ring_split.add(r, chain, token, id);
	uint64_t desc = r->config.area[KC_AREA_DESC];

	if (ret && rough_by_device)
		memset(kc_mem_host(&rough_world->mem, desc, 1), 0x5a, 1);
	else if (ret)
		kc_mem_write(&rough_world->mem, desc, "Z", 1);
	return ret;
}

static void make_rough(struct play *p, struct kc_world *w)
{
	(void)p;
	rough = kc_ring_split;
	rough.add = rough_add;
	rough_world = w;
	if (w->trace.step == 4)
		w->q[0].ring.ops = &rough;
}

static void test_a_full_ring_is_left_alone_by_the_driver(void **state)
{
	struct play p = { .on_step = make_rough };

	(void)state;
	rough_by_device = false;
	play(&p, QUEUE "driver request, kick, wait used\ndriver fill\n");
	assert_int_equal(result.verdict, KC_ERROR);
	assert_string_equal(result.message, "the driver changed a full ring of queue 0");
	rough_by_device = true;
	play(&p, QUEUE "driver request, kick, wait used\ndriver fill\n");
	assert_int_equal(result.verdict, KC_FAIL);
}

static void test_kicks_are_counted(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver kick\n");
	assert_int_equal(op("notify-write"), 1);
	passes(&p, QUEUE "driver kick 3 times\n");
	assert_int_equal(op("notify-write"), 3);
	passes(&p, QUEUE "driver kick 0 times\n");
	assert_int_equal(op("notify-write"), 0);
	errs(&p, QUEUE "driver 1 kick\n", "4:10: there is no queue 1");
	errs(&p, QUEUE "driver 1 kick 2 times\n", "4:10: there is no queue 1");
	errs(&p, QUEUE "driver 1 kick if needed\n", "4:10: there is no queue 1");
}

static void no_notify(struct play *p, struct kc_world *w)
{
	uint8_t *used;

	(void)p;
	if (w->trace.step != 6)
		return;
	used = kc_mem_host(&w->mem, w->q[0].config.used, kc_used_bytes(8));
	kc_ring_store16(used + KC_USED_FLAGS, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELEASE);
}

static void test_a_kick_that_is_not_needed_is_spared(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver request, kick if needed\nexpect 1 used\n");
	assert_int_equal(op("notify-write"), 1);
	assert_int_equal(op("kick-suppressed"), 0);
	p.on_step = no_notify;
	play(&p, "without event_idx\n" QUEUE "driver request, kick, wait used\nvmm settle\n"
	     "driver request, kick if needed\nvmm settle\n");
	assert_int_equal(op("notify-write"), 1);
	assert_int_equal(op("kick-suppressed"), 1);
}

static void test_waits_end_when_all_or_some_are_used(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver 3 requests, kick, wait used, wait used\nexpect 0 in flight\n");
	passes(&p, QUEUE "driver 3 requests, kick\nvmm settle\ndriver wait 2 used\n"
	       "expect 0 in flight\n");
	passes(&p, QUEUE "driver wait 0 used\n");
	errs(&p, QUEUE "driver 1 wait used\n", "4:10: there is no queue 1");
	errs(&p, QUEUE "driver 1 wait 2 used\n", "4:10: there is no queue 1");
	errs(&p, QUEUE "driver 1 wait used_idx used\n", "4:10: there is no queue 1");
	p.frozen = true;
	play(&p, QUEUE "driver request, kick, wait used\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_int_equal(result.violations[0].line, 4);
}

/* Behind it in the ring, and in time; waiting for it takes what comes before. */
static void test_an_urgent_request_is_measured(void **state)
{
	struct play p = { .ref.requests_per_s = 1000 };

	(void)state;
	passes(&p, QUEUE "driver 3 requests, urgent request, kick, wait urgent\nexpect nothing used, all used\n");
	assert_int_equal(result.metrics.nwaits, 1);
	assert_int_equal(result.metrics.waits[0].requests, 3);
	assert_in_range(result.metrics.waits[0].ns, 3 * PLAY_MS, 5 * PLAY_MS);
	assert_int_equal(result.metrics.queues[0]->used, 4);
	/* whoever does not wait for it has it measured all the same; one that never comes back is not */
	passes(&p, QUEUE "driver urgent request, request, kick\nexpect 2 used\n");
	assert_int_equal(result.metrics.nwaits, 1);
	assert_int_equal(result.metrics.waits[0].requests, 0);
	p.frozen = true;
	fails(&p, QUEUE "driver urgent request, kick, wait urgent\n", "VU-RING-STATE-04", 4, "nothing can run");
	assert_int_equal(result.metrics.nwaits, 0);
}

static void test_urgent_requests_have_their_rules(void **state)
{
	struct play p = { 0 };

	(void)state;
	errs(&p, QUEUE "driver wait urgent\n", "4:8: there is no urgent request on queue 0");
	errs(&p, QUEUE "driver 1 wait urgent\n", "4:10: there is no queue 1");
	p.frozen = true;
	errs(&p, "queue 0 split size 64\nrepeat 17\ndriver urgent request\nend\n",
	     "5:8: more than 16 urgent requests are on their way");
	p.frozen = false;
	passes(&p, QUEUE "repeat 20\ndriver urgent request, kick, wait urgent\nend\n");
	assert_int_equal(result.metrics.nwaits, 20);
	/* what is given up is not waited for */
	passes(&p, QUEUE "driver urgent request\nvmm disconnect\nvmm session\n" QUEUE
	       "driver urgent request, kick, wait urgent\n");
}

static void test_a_driver_that_sleeps_until_the_call(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "vary event_idx = on off\n" QUEUE "driver 3 requests, kick, wait call\n"
	       "expect 0 in flight, 0 used\n");
	passes(&p, QUEUE "driver wait call\n");
	errs(&p, QUEUE "driver 1 wait call\n", "4:10: there is no queue 1");
	fails(&p, "queue 0 split size 8 no-call\ndriver request\nvmm settle\n"
	      "driver request, kick, wait call\n",
	      CLAUSE, 6, "a call on queue 0 with 2 in flight has not come");
}

static void test_suppression_is_told_and_written(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver request, kick, wait used\ndriver used_event = used_idx + 1\n"
	       "driver request, kick\nexpect 1 used, no call due\ndriver request, kick\n"
	       "expect 1 used, call due\n");
	assert_int_equal(times(trace, "\"used-event\",\"place\":\"queue 0\",\"value\":2}"), 1);
	passes(&p, "without event_idx\n" QUEUE "driver request, kick, wait used\n"
	       "driver no_interrupt = 1\n"
	       "driver request, kick\nexpect 1 used, no call\n"
	       "driver no_interrupt = 0, request, kick\n"
	       "expect 1 used, call due\n");
	errs(&p, "without event_idx\n" QUEUE "driver used_event = 3\n",
	     "5:8: used_event means nothing without event_idx");
	errs(&p, QUEUE "driver no_interrupt = 1\n", "4:8: no_interrupt must stay 0 with event_idx");
	errs(&p, QUEUE "driver 1 used_event = used_idx\n", "4:10: there is no queue 1");
	errs(&p, QUEUE "driver 1 no_interrupt = 1\n", "4:10: there is no queue 1");
}

static void test_suppress_and_arm_by_whichever_means(void **state)
{
	struct play p = { 0 };
	static const char body[] = QUEUE "driver request, kick, wait used\n"
		"driver arm calls, suppress calls\n"
		"driver 2 requests, kick\nexpect 2 used, no call, no call due\n"
		"driver arm calls\ndriver request, kick\nexpect 1 used, call due, call\n";
	char without[600];

	(void)state;
	passes(&p, body);
	snprintf(without, sizeof(without), "without event_idx\n%s", body);
	passes(&p, without);
	errs(&p, QUEUE "driver 1 suppress calls\n", "4:10: there is no queue 1");
	errs(&p, QUEUE "driver 1 arm calls\n", "4:10: there is no queue 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_published_alone_or_together),
		cmocka_unit_test(test_a_request_needs_a_queue_a_device_and_room),
		cmocka_unit_test(test_fill_goes_up_to_the_last_descriptor),
		cmocka_unit_test(test_a_full_ring_is_left_alone_by_the_driver),
		cmocka_unit_test(test_kicks_are_counted),
		cmocka_unit_test(test_a_kick_that_is_not_needed_is_spared),
		cmocka_unit_test(test_waits_end_when_all_or_some_are_used),
		cmocka_unit_test(test_an_urgent_request_is_measured),
		cmocka_unit_test(test_urgent_requests_have_their_rules),
		cmocka_unit_test(test_a_driver_that_sleeps_until_the_call),
		cmocka_unit_test(test_suppression_is_told_and_written),
		cmocka_unit_test(test_suppress_and_arm_by_whichever_means),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

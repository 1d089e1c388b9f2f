/* SPDX-License-Identifier: BSD-3-Clause */
/* A scenario's life: its session, what counts from a checkpoint, lost connections, and the end. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"
#define SERVED	"driver request, kick\nexpect 1 used\n"
#define STAY	"expected the connection to stay, actual: it closed the connection"

static const char *place(const char *text)
{
	const char *c = strstr(trace, text);

	if (!c)
		fail_msg("the trace has no '%s'", text);
	return c;
}

static void test_the_session_comes_first_and_driver_ok_after_the_queues(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "queue 1 split size 8\n" SERVED);
	assert_true(place("SET_OWNER") < place("SET_FEATURES"));
	assert_true(place("SET_FEATURES") < place("SET_MEM_TABLE"));
	assert_true(place("SET_MEM_TABLE") < place("SET_VRING_KICK {u64 0x0}"));
	assert_true(place("SET_VRING_ENABLE {index 1, num 1}") < place("SET_STATUS {u64 0xf}"));
	assert_true(place("SET_STATUS {u64 0xf}") < place("\"request\""));
	assert_int_equal(p.opens, 1);
	/* both queues are stopped at the end */
	assert_int_equal(times(trace, "\"queue-stop\""), 2);
}

static void test_a_manual_session_connects_when_told(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "session manual\nvmm settle\n");
	assert_int_equal(p.opens, 0);
	passes(&p, "session manual\nvmm connect\nvmm negotiate\n" QUEUE SERVED);
	assert_int_equal(p.opens, 1);
}

static void test_without_leaves_features_out(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "without event_idx, REPLY_ACK\n" QUEUE SERVED);
	assert_int_equal(times(trace, "SET_FEATURES {u64 0x150000000}"), 1);
	assert_int_equal(times(trace, "need_reply"), 0);
	passes(&p, "without protocol_features\n" QUEUE SERVED);
	assert_int_equal(times(trace, "PROTOCOL_FEATURES"), 0);
	assert_int_equal(times(trace, "SET_VRING_ENABLE"), 0);
}

static void features_not_ok(struct kc_msg *m)
{
	m->u64 &= ~8ull;
}

/* Nobody must work without VERSION_1; with it a refusal of what was offered is a fault, as is a crash. */
static void test_who_refuses_legacy_drivers_is_not_blamed(void **state)
{
	static const char need_not[] = "the back-end does not work without VERSION_1, and need not";
	struct play p = { .faults = {
		{ .on = KC_VU_GET_STATUS, .kind = FAULT_EDIT, .edit = features_not_ok } } };

	(void)state;
	skips(&p, "without version_1\n" QUEUE SERVED, need_not);
	fails(&p, QUEUE SERVED, CLAUSE, 3, "negotiating features: expected ok, actual refused");
	p.faults[0] = (struct fault){ .on = KC_VU_SET_FEATURES, .kind = FAULT_CLOSE };
	skips(&p, "without version_1\n" QUEUE SERVED, need_not);
	p.faults[0] = (struct fault){ .on = KC_VU_SET_FEATURES, .kind = FAULT_LATER };
	skips(&p, "without version_1\n" QUEUE SERVED, need_not);
	p.faults[0] = (struct fault){ .on = KC_VU_SET_FEATURES, .kind = FAULT_DIE, .status = 1 << 8 };
	skips(&p, "without version_1\n" QUEUE SERVED, need_not);
	p.device = "blk";		/* has a configuration to read */
	p.faults[0] = (struct fault){ .on = KC_VU_SET_MEM_TABLE, .kind = FAULT_LATER };
	skips(&p, "without version_1\n" QUEUE SERVED, need_not);
	p.faults[0] = (struct fault){ .on = KC_VU_SET_FEATURES, .kind = FAULT_DIE, .status = SIGSEGV };
	play(&p, "without version_1\n" QUEUE SERVED);
	assert_int_equal(result.verdict, KC_FAIL);
}

/* VIRTIO 1.3, 5.5.3.2 */
static void test_a_balloon_may_insist_on_being_told(void **state)
{
	struct play p = { .device = "balloon", .faults = {
		{ .on = KC_VU_GET_STATUS, .kind = FAULT_EDIT, .edit = features_not_ok } } };

	(void)state;
	skips(&p, "without must_tell_host\n" QUEUE SERVED,
	      "the back-end does not work without must_tell_host, and need not");
	fails(&p, "needs must_tell_host\n" QUEUE SERVED, CLAUSE, 4,
	      "negotiating features: expected ok, actual refused");
}

static void test_a_checkpoint_is_the_end_of_a_line(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver 2 requests, kick\nexpect 2 used, 2 used\n"
	       "expect nothing used, 0 used\n");
	passes(&p, QUEUE "driver 2 requests, kick, wait used\nexpect 0 used\n");
	fails(&p, QUEUE "driver 2 requests, kick\nvmm settle\nexpect 2 used, 1 used\n", CLAUSE, 6,
	      "expected 1 used, actual 2");
}

/* The oracle counts anew when a queue starts: what was counted before is no mark any more. */
static void test_a_restart_resets_the_marks(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE SERVED "driver arm calls, request, kick\nexpect 1 used, call\n"
	       "vmm stop 0, start 0\n"
	       "expect no call, no call due\n");
	passes(&p, QUEUE "driver request, kick, wait used\ndriver arm calls, request, kick\n"
	       "expect 1 used, call due\nvmm stop 0, start 0\n"
	       "driver request, kick, wait used\ndriver arm calls, request, kick\n"
	       "expect 1 used, call due\n");
	passes(&p, QUEUE SERVED "vmm stop 0\nqueue 0 split size 4 from 9\n"
	       "expect nothing used, no call\n");
	passes(&p, "queue 0 split size 8 from 9 later\nexpect nothing used\n");
	passes(&p, QUEUE SERVED "vmm stop 0\nqueue 0 split size 4 from 9 later\n"
	       "expect nothing used\n");
}

static void test_a_loss_between_lines_is_a_violation(void **state)
{
	struct play p = { .cut_at = 4 };

	(void)state;
	fails(&p, QUEUE "vmm settle\ndriver kick\nexpect nothing used\n", CLAUSE, 5, STAY);
	p.cut_status = SIGSEGV;
	fails(&p, QUEUE "vmm settle\ndriver kick\n", CLAUSE, 5, "it died of SIGSEGV");
}

static void test_a_loss_at_the_end_is_a_violation(void **state)
{
	struct play p = { .cut_at = 4 };

	(void)state;
	fails(&p, QUEUE "vmm settle\n", CLAUSE, 4, STAY);
	p = (struct play){ .faults = { { .on = KC_VU_GET_VRING_BASE, .kind = FAULT_LATER } } };
	fails(&p, QUEUE SERVED, CLAUSE, 5, STAY);
	p = (struct play){ .faults = { { .on = KC_VU_GET_VRING_BASE, .kind = FAULT_DIE,
		.status = SIGABRT } } };
	play(&p, QUEUE SERVED);
	assert_int_equal(result.verdict, KC_FAIL);
	assert_non_null(strstr(result.message, "died of SIGABRT"));
}

static void test_an_allowed_loss_at_the_end_is_judged_too(void **state)
{
	struct play p = { .faults = { { .on = KC_VU_GET_VRING_BASE, .kind = FAULT_LATER } } };

	(void)state;
	passes(&p, "needs hostile\n" QUEUE SERVED);
	passes(&p, QUEUE "expect alive or closed\n");
	p = (struct play){ .cut_at = 5 };
	passes(&p, QUEUE "expect alive or closed\nvmm settle\ndriver request\nexpect 1 used\n");
	p.cut_status = SIGSEGV;
	fails(&p, QUEUE "expect alive or closed\nvmm settle\ndriver request\n", CLAUSE, 6,
	      "expected a close or a clean exit at the most, actual: it died of SIGSEGV");
	fails(&p, "needs hostile\n" QUEUE "vmm settle\n", CLAUSE, 5,
	      "expected a close or a clean exit at the most, actual: it died of SIGSEGV");
}

static void test_after_a_hostile_loss_only_expectations_run(void **state)
{
	struct play p = { .cut_at = 5 };

	(void)state;
	passes(&p, "needs hostile\n" QUEUE "vmm settle\ndriver request, kick\nexpect closed\n"
	       "driver request, kick\nexpect 1 used\n");
	assert_int_equal(times(trace, "\"request\""), 0);
}

static void test_a_new_session_ends_an_allowed_loss(void **state)
{
	struct play p = { .cut_at = 5 };

	(void)state;
	play(&p, "needs hostile\n" QUEUE "expect alive or closed\ndriver request, kick\n"
	     "vmm disconnect, session\ndriver 5 requests\nvmm settle\n");
	/* `driver 5 requests` speaks of a queue that is gone with the first session */
	assert_int_equal(result.verdict, KC_ERROR);
	assert_string_equal(result.message, "x.kick:8:8: there is no queue 0");
	assert_int_equal(p.opens, 2);
	assert_int_equal(times(trace, "\"request\""), 0);
}

static void test_dying_of_a_disconnection_is_a_violation(void **state)
{
	struct play p = { .dies_of_close = SIGSEGV };

	(void)state;
	fails(&p, QUEUE SERVED, CLAUSE, 5, "expected the back-end to survive the end of its "
	      "connection, "
	      "actual: it died of SIGSEGV");
	assert_non_null(result.detail);
	fails(&p, "vmm settle\nvmm disconnect\nvmm session\n", CLAUSE, 4, "to survive the end");
	p.dies_of_close = EXIT(1);
	passes(&p, QUEUE SERVED);
	/* who was killed on purpose has not died of it */
	p = (struct play){ .caps = KC_CAP_RESTART };
	passes(&p, QUEUE SERVED "vmm kill\n");
	assert_int_equal(p.kills, 1);
}

static void test_a_refused_request_is_a_violation_where_nobody_claims_it(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	fails(&p, QUEUE "driver request type 77, kick\nexpect 1 used\n", kc_port_blk.payload_clause,
	      5,
	      "expected status OK, actual UNSUPP");
	fails(&p, QUEUE "driver request type 77, kick, wait used\n", kc_port_blk.payload_clause, 4,
	      "expected status OK, actual UNSUPP");
	fails(&p, QUEUE "driver request type 77, kick, wait used\nvmm disconnect\n",
	      kc_port_blk.payload_clause, 5, "expected status OK, actual UNSUPP");
}

static void used_idx_of_9(struct play *p, struct kc_world *w)
{
	uint8_t *used;

	if (w->trace.step < 4 || p->steps++)
		return;
	used = kc_mem_host(&w->mem, w->q[0].config.used, kc_used_bytes(8));
	kc_ring_store16(used + KC_USED_IDX, 9, __ATOMIC_RELEASE);
	p->frozen = true;
}

static void test_a_used_idx_beyond_all_bounds_ends_the_scenario(void **state)
{
	struct play p = { .on_step = used_idx_of_9 };

	(void)state;
	play(&p, QUEUE "driver request, kick\nexpect 1 used\nexpect 7 used\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_int_equal(times(trace, "used idx 9 is ahead of avail idx 1"), 1);
	assert_int_equal(times(trace, "\"step\":6"), 0);
}

/* A used entry of nobody, and a descriptor in flight rewritten, in whichever order. */
static void sins(struct play *p, struct kc_world *w, bool driver_first)
{
	uint8_t *used = kc_mem_host(&w->mem, w->q[0].config.used, kc_used_bytes(2));
	uint8_t *avail = kc_mem_host(&w->mem, w->q[0].config.avail, kc_avail_bytes(2));
	uint8_t zeroes[2 * 16] = { 0 };

	if (w->trace.step < 4)
		return;
	p->frozen = true;
	if (!kc_ring_load16(avail + KC_AVAIL_IDX, __ATOMIC_ACQUIRE) || p->steps++)
		return;
	if (driver_first)
		kc_mem_write(&w->mem, w->q[0].config.desc, zeroes, sizeof(zeroes));
	kc_ring_store32(used + kc_used_slot(0), 77, __ATOMIC_RELAXED);
	kc_ring_store16(used + KC_USED_IDX, 1, __ATOMIC_RELEASE);
	kc_oracle_observe(w->oracle);
	kc_mem_write(&w->mem, w->q[0].config.desc, zeroes, sizeof(zeroes));
}

static void the_device_first(struct play *p, struct kc_world *w)
{
	sins(p, w, false);
}

static void the_driver_first(struct play *p, struct kc_world *w)
{
	sins(p, w, true);
}

/* A driver that was misled may stray; one that strays by itself is kickcall's own fault. */
static void test_who_strayed_first(void **state)
{
	struct play p = { .on_step = the_device_first };

	(void)state;
	play(&p, "queue 0 split size 2\ndriver request exactly 2 descriptors, kick\nvmm settle\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_string_equal(result.violations[0].clause, "VQ-SPLIT-USED-02");
	p.on_step = the_driver_first;
	trouble(&p, "queue 0 split size 2\ndriver request exactly 2 descriptors, kick\nvmm settle\n",
		"kickcall's own driver broke a rule on queue 0: a descriptor was rewritten");
}

static uint8_t *slot_host(struct kc_world *w, unsigned slot)
{
	return kc_mem_host(&w->mem, w->q[0].config.desc + 16 * slot, 16);
}

static void use_slot(struct kc_world *w, unsigned slot, uint16_t id)
{
	uint8_t *p = slot_host(w, slot);

	kc_ring_store16(p + KC_PDESC_ID, id, __ATOMIC_RELAXED);
	kc_ring_store16(p + KC_PDESC_FLAGS, KC_PDESC_F_AVAIL | KC_PDESC_F_USED, __ATOMIC_RELEASE);
}

/* The request takes slots 0 and 1. Has it been offered, and nothing been done so far? */
static bool offered(struct play *p, struct kc_world *w)
{
	if (w->trace.step < 4)
		return false;
	p->frozen = true;
	return kc_ring_load16(slot_host(w, 0) + KC_PDESC_FLAGS, __ATOMIC_ACQUIRE) && !p->steps++;
}

static void an_id_of_nobody(struct play *p, struct kc_world *w)
{
	if (offered(p, w))
		use_slot(w, 0, 77);
}

static void a_slot_beyond(struct play *p, struct kc_world *w)
{
	if (!offered(p, w))
		return;
	use_slot(w, 0, kc_ring_load16(slot_host(w, 1) + KC_PDESC_ID, __ATOMIC_RELAXED));
	use_slot(w, 2, 77);
}

static void test_what_no_packed_ring_can_say(void **state)
{
	struct play p = { .on_step = an_id_of_nobody };

	(void)state;
	fails(&p, "queue 0 packed size 8\ndriver request, kick\nexpect 1 used\n", "VQ-PACKED-USED-01", 5,
	      "slot 0 names id 77");
	p.on_step = a_slot_beyond;
	play(&p, "queue 0 packed size 8\ndriver request, kick\nexpect 1 used\nexpect 7 used\n");
	assert_int_equal(times(trace, "slot 2 is used, and the driver has offered nothing there"), 1);
	assert_int_equal(times(trace, "VQ-SPLIT"), 0);
	assert_int_equal(times(trace, "\"step\":6"), 0);
}

#define NET	"queue 0 split size 16\nqueue 1 split size 16\nqueue control split size 16\n" \
		"driver 0 4 requests, kick\n"
#define OPEN	"driver 1 request udp open-sum, kick\nexpect queue 0 1 used\n"

/* What a command had switched off is in force again, so an open checksum is no violation. */
static void test_the_port_hears_of_a_new_negotiation(void **state)
{
	struct play p = { .device = "net", .ref.queues = 5,
			  .cfg = { .data_loop = true, .control = true } };

	(void)state;
	play_as(&p, "title t\nclause NET-HDR-01\nneeds data-loop\ndevice net\n",
		NET OPEN "driver control request offloads 0, kick\n"
		"expect queue control 1 used, status OK\n" OPEN
		"vmm reset\nvmm negotiate\n" NET OPEN);
	if (result.verdict != KC_PASS)
		play_wrong("", "a pass", __FILE__, __LINE__);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_session_comes_first_and_driver_ok_after_the_queues),
		cmocka_unit_test(test_a_manual_session_connects_when_told),
		cmocka_unit_test(test_without_leaves_features_out),
		cmocka_unit_test(test_who_refuses_legacy_drivers_is_not_blamed),
		cmocka_unit_test(test_a_balloon_may_insist_on_being_told),
		cmocka_unit_test(test_a_checkpoint_is_the_end_of_a_line),
		cmocka_unit_test(test_a_restart_resets_the_marks),
		cmocka_unit_test(test_a_loss_between_lines_is_a_violation),
		cmocka_unit_test(test_a_loss_at_the_end_is_a_violation),
		cmocka_unit_test(test_an_allowed_loss_at_the_end_is_judged_too),
		cmocka_unit_test(test_after_a_hostile_loss_only_expectations_run),
		cmocka_unit_test(test_a_new_session_ends_an_allowed_loss),
		cmocka_unit_test(test_dying_of_a_disconnection_is_a_violation),
		cmocka_unit_test(test_a_refused_request_is_a_violation_where_nobody_claims_it),
		cmocka_unit_test(test_a_used_idx_beyond_all_bounds_ends_the_scenario),
		cmocka_unit_test(test_who_strayed_first),
		cmocka_unit_test(test_what_no_packed_ring_can_say),
		cmocka_unit_test(test_the_port_hears_of_a_new_negotiation),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

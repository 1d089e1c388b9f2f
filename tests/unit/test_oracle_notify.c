/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: harness/oracle/p06_notify.c
 *
 * Point 6: which calls are due, missing, spurious or excused, in sim and in live mode.
 */
#include <tests/unit/oracle_bench.h>

/* A request that is used at once, and reaped. */
static void one_used(struct bench *b, struct bench_queue *q)
{
	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	kc_oracle_reaped(b->o, q->qi, 0);
}

/* n requests used in one step of used->idx. */
static void batch_used(struct bench *b, struct bench_queue *q, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		drv_request(b, q, i);
		dev_fill(b, BUF(2 * i + 1), 0x77, 32);
		dev_entry(b, q, q->used_idx + i, 2 * i, 32);
	}
	dev_used_idx(b, q, q->used_idx + n);
	kc_oracle_observe(b->o);
	for (unsigned i = 0; i < n; i++)
		kc_oracle_reaped(b->o, q->qi, 2 * i);
}

/* Past the calls that are excused: one before anything is used, one for the first batch. */
static struct bench_queue *warmed_up(struct bench *b, uint16_t from, unsigned with)
{
	struct bench_queue *q = ring(b, 0, 8, from - 1, with);

	drv_used_event(b, q, from - 1);
	kc_oracle_queue_start(b->o, 0, &q->c);
	one_used(b, q);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	none(b);
	assert_int_equal(view(b, 0).calls_spurious, 0);
	return q;
}

/* --- EVENT_IDX -------------------------------------------------------------------------------- */

/* For every distance between used idx and used_event, and batches of 1 to 3, across 65535: the
 * definition of the window, entry by entry, against the oracle. */
static void the_window_at_every_distance(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 65530, WITH_EVENT_IDX);

	for (unsigned n = 1; n <= 3; n++) {
		for (int distance = -5; distance <= 5; distance++) {
			uint16_t event = q->used_idx + distance;
			uint64_t dues = view(b, 0).calls_due;
			bool due = false;

			for (unsigned i = 0; i < n; i++)
				due |= (uint16_t)(q->used_idx + i) == event;
			drv_used_event(b, q, event);
			assert_false(view(b, 0).call_due);
			batch_used(b, q, n);
			if (view(b, 0).call_due != due || view(b, 0).calls_due != dues + due)
				fail_msg("batch of %u, used_event at %+d: due is %d", n, distance,
					 view(b, 0).call_due);
			if (due)
				kc_oracle_called(b->o, 0, 1);
			assert_false(view(b, 0).call_due);
			kc_oracle_quiet(b->o);
			none(b);
		}
	}
}

static void missing_is_proved_when_quiet(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 65535, WITH_EVENT_IDX);

	drv_used_event(b, q, 0);
	batch_used(b, q, 2);	/* entries 65535 and 0 */
	kc_oracle_observe(b->o);
	none(b);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-SPLIT-UNS-DEV-05", "used_event 0");
	kc_oracle_quiet(b->o);
	none(b);
}

static void missing_is_proved_by_the_barrier(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 65535, WITH_EVENT_IDX);

	drv_used_event(b, q, 0);
	batch_used(b, q, 2);
	assert_true(view(b, 0).call_due);
	if (view(b, 0).used != 3)
		fail();
	kc_oracle_queue_stopping(b->o, 0);
	none(b);
	kc_oracle_queue_stopped(b->o, 0, 1);
	accused(b, "VQ-SPLIT-UNS-DEV-05", "queue 0");
}

static void quiet_proves_nothing_in_live(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);

	drv_used_event(b, q, 10);
	one_used(b, q);
	kc_oracle_quiet(b->o);
	none(b);
	assert_true(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	assert_false(view(b, 0).call_due);
	kc_oracle_queue_stopped(b->o, 0, 11);
	none(b);
}

/* used_event is past when it becomes visible: the driver looks again, no call is owed. */
static void armed_too_late(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);

	drv_request(b, q, 0);
	dev_fill(b, BUF(1), 0x77, 32);
	dev_entry(b, q, 10, 0, 32);
	dev_used_idx(b, q, 11);		/* not looked at yet */
	drv_used_event(b, q, 10);
	assert_int_equal(view(b, 0).used_idx, 11);
	assert_false(view(b, 0).call_due);
	kc_oracle_queue_stopped(b->o, 0, 11);
	none(b);
}

/* ... but the device may just have seen it, and then a call is right. */
static void armed_too_late_and_called(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);

	one_used(b, q);
	drv_used_event(b, q, 10);
	kc_oracle_called(b->o, 0, 1);
	assert_int_equal(view(b, 0).calls_spurious, 0);
	none(b);
}

/* A late device may read the next value: what was due is not any more. */
static void disarmed_before_the_call_came(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);
	uint64_t dues = view(b, 0).calls_due;

	drv_used_event(b, q, 10);
	one_used(b, q);
	assert_true(view(b, 0).call_due);
	drv_used_event(b, q, 1000);
	assert_false(view(b, 0).call_due);
	assert_int_equal(view(b, 0).calls_due, dues);
	kc_oracle_queue_stopped(b->o, 0, 11);
	none(b);
}

static void the_same_value_again_disarms_nothing(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);

	drv_used_event(b, q, 10);
	one_used(b, q);
	drv_used_event(b, q, 10);
	assert_true(view(b, 0).call_due);
	kc_oracle_queue_stopped(b->o, 0, 11);
	accused(b, "VQ-SPLIT-UNS-DEV-05", "");
}

static void a_call_not_due(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);

	drv_used_event(b, q, 100);
	one_used(b, q);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-SPLIT-UNS-DEV-06", "used_event 100");
	assert_int_equal(view(b, 0).calls_spurious, 1);
	kc_oracle_called(b->o, 0, 1);
	assert_int_equal(view(b, 0).calls_spurious, 2);
	none(b);	/* said once */
}

static void two_calls_for_one_crossing(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);

	drv_used_event(b, q, 11);
	batch_used(b, q, 2);
	kc_oracle_called(b->o, 0, 1);
	none(b);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-SPLIT-UNS-DEV-06", "call 3");
}

static void flags_do_not_count_with_event_idx(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);

	drv_flags(b, q, 1);
	drv_used_event(b, q, 10);
	one_used(b, q);
	assert_true(view(b, 0).call_due);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-SPLIT-UNS-DEV-04", "");
}

/* After 65536 entries without a change of used_event it is crossed again. */
static void a_whole_lap(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 10, WITH_EVENT_IDX);
	uint64_t dues = view(b, 0).calls_due;

	drv_used_event(b, q, 10);
	for (unsigned i = 0; i < 65536 + 1; i += 1) {
		one_used(b, q);
		if (view(b, 0).call_due)
			kc_oracle_called(b->o, 0, 1);
	}
	assert_int_equal(view(b, 0).calls_due, dues + 2);
	assert_int_equal(view(b, 0).calls_spurious, 0);
	none(b);
}

/* --- Flags ------------------------------------------------------------------------------------ */

static void flags_zero_owe_a_call(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, 0);

	drv_used_event(b, q, 0);
	one_used(b, q);
	assert_true(view(b, 0).call_due);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-SPLIT-UNS-DEV-03", "avail.flags 0");
}

static void one_signal_covers_all(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, 0);

	batch_used(b, q, 3);
	one_used(b, q);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	kc_oracle_queue_stopped(b->o, 0, 4);
	none(b);
}

static void garbage_in_used_event(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, 0);

	drv_used_event(b, q, 0x5555);
	one_used(b, q);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-SPLIT-UNS-DEV-01", "");
}

static void flags_one_want_none(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, 0);

	drv_flags(b, q, 1);
	one_used(b, q);
	assert_false(view(b, 0).call_due);
	kc_oracle_quiet(b->o);
	none(b);
	one_used(b, q);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-SPLIT-UNS-DEV-02", "while avail.flags 1");
}

/* Live: signals for what was used under flags 0 may be seen later, one by one. */
static void late_signals_are_not_spurious(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, 0);

	batch_used(b, q, 3);
	drv_flags(b, q, 1);
	for (unsigned i = 0; i < 3; i++)
		kc_oracle_called(b->o, 0, 1);
	assert_int_equal(view(b, 0).calls_spurious, 0);
	none(b);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-SPLIT-UNS-DEV-02", "");
}

/* Used under flags 1, then flags 0: a late device may call, and need not. */
static void flags_cleared_behind_an_entry(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, 0);

	drv_flags(b, q, 1);
	one_used(b, q);
	drv_flags(b, q, 0);
	assert_false(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	none(b);
	assert_int_equal(view(b, 0).calls_spurious, 0);
}

/* --- Excuses ---------------------------------------------------------------------------------- */

static void set_up_and_first_call_are_free(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = ring(b, 0, 8, 0, WITH_EVENT_IDX);

	drv_used_event(b, q, 1000);
	kc_oracle_queue_start(b->o, 0, &q->c);
	kc_oracle_called(b->o, 0, 1);	/* the eventfd was tried */
	one_used(b, q);
	kc_oracle_called(b->o, 0, 1);	/* the first decision */
	none(b);
	one_used(b, q);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-SPLIT-UNS-DEV-06", "call 3");
	assert_int_equal(view(b, 0).calls_spurious, 1);
}

static void an_exchanged_eventfd_is_an_excuse(void **state)
{
	struct bench *b = *state;
	struct kc_msg m;

	warmed_up(b, 10, WITH_EVENT_IDX);
	kc_msg_init(&m, KC_VU_SET_VRING_KICK);	/* as the VMM does when it starts a queue */
	kc_oracle_message(b->o, &m, true);
	kc_msg_init(&m, KC_VU_SET_VRING_CALL);
	kc_oracle_message(b->o, &m, true);
	kc_oracle_called(b->o, 0, 1);
	none(b);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-SPLIT-UNS-DEV-06", "");
}

static void without_a_call_eventfd_nothing_is_due(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);

	one_used(b, q);
	assert_false(view(b, 0).call_due);
	kc_oracle_quiet(b->o);
	kc_oracle_queue_stopped(b->o, 0, 1);
	none(b);
}

static void a_malformed_ring_owes_no_call(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, 0);

	drv_desc(b, q, 7, BUF(0), 0, 0, 0);
	drv_offer(b, q, 7);
	dev_use(b, q, 7, 0);
	kc_oracle_quiet(b->o);
	kc_oracle_queue_stopped(b->o, 0, 1);
	none(b);
}

/* Used idx moves and the device begins before the oracle is told of the start. */
static void told_late_of_the_start(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = ring(b, 0, 8, 65535, 0);

	drv_request(b, q, 0);
	dev_fill(b, BUF(1), 0x77, 32);
	dev_entry(b, q, 65535, 0, 32);
	dev_used_idx(b, q, 0);
	kc_oracle_queue_start(b->o, 0, &q->c);
	kc_oracle_observe(b->o);
	assert_int_equal(view(b, 0).used, 1);
	assert_true(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	none(b);
}

/* --- NOTIFY_ON_EMPTY -------------------------------------------------------------------------- */

/* The last one used brings a call, whatever the driver's wish, and only the last. */
static void empty_owes_a_call(void **state, unsigned with, bool stop)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, with | WITH_ON_EMPTY);
	uint64_t dues = view(b, 0).calls_due;

	drv_flags(b, q, 1);
	drv_used_event(b, q, 1000);
	drv_request(b, q, 1);
	drv_request(b, q, 2);
	dev_serve(b, q, 2);
	assert_false(view(b, 0).call_due);
	dev_serve(b, q, 1);
	assert_true(view(b, 0).call_due);
	assert_int_equal(view(b, 0).calls_due, dues + 1);
	if (stop) {
		kc_oracle_queue_stopping(b->o, 0);
		kc_oracle_queue_stopped(b->o, 0, 2);
	} else {
		kc_oracle_quiet(b->o);
	}
	accused(b, "VIRTIO-LEGACY-DEV-01", with ? "all 3 offered were used, with used_event 1000" :
		"all 3 offered were used, with avail.flags 1");
	kc_oracle_quiet(b->o);
	none(b);
}

static void empty_owes_a_call_in_spite_of_flags(void **state)
{
	empty_owes_a_call(state, 0, false);
}

static void empty_owes_a_call_in_spite_of_used_event(void **state)
{
	empty_owes_a_call(state, WITH_EVENT_IDX, false);
}

static void empty_owes_a_call_by_the_stop(void **state)
{
	empty_owes_a_call(state, 0, true);
}

/* A device that finds more before it decides has not run out. */
static void more_was_there_in_time(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, WITH_ON_EMPTY);

	drv_flags(b, q, 1);
	drv_request(b, q, 1);
	dev_serve(b, q, 1);
	assert_true(view(b, 0).call_due);
	drv_request(b, q, 2);			/* before the call came */
	assert_false(view(b, 0).call_due);
	dev_serve(b, q, 2);
	kc_oracle_called(b->o, 0, 1);
	drv_request(b, q, 1);
	dev_fill(b, BUF(3), 0x77, 32);
	dev_entry(b, q, q->used_idx, 2, 32);
	dev_used_idx(b, q, q->used_idx + 1);	/* not looked at yet */
	drv_request(b, q, 2);
	assert_false(view(b, 0).call_due);
	kc_oracle_queue_enable(b->o, 0, false);	/* owes nothing else */
	kc_oracle_quiet(b->o);
	none(b);
	assert_int_equal(view(b, 0).calls_spurious, 0);
}

/* It may run out when it has fetched the last one, and say so then. */
static void running_out_by_fetching(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, WITH_ON_EMPTY);

	drv_flags(b, q, 1);
	drv_request(b, q, 1);
	drv_request(b, q, 2);
	dev_serve(b, q, 1);
	kc_oracle_called(b->o, 0, 1);
	dev_serve(b, q, 2);
	assert_false(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);		/* and again, with everything used */
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	kc_oracle_queue_stopped(b->o, 0, 2);
	none(b);
	assert_int_equal(view(b, 0).calls_spurious, 0);
}

static void empty_and_wanted_is_one_call(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, WITH_ON_EMPTY);
	uint64_t dues;

	drv_used_event(b, q, 0);
	dues = view(b, 0).calls_due;
	one_used(b, q);
	assert_int_equal(view(b, 0).calls_due, dues + 1);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-SPLIT-UNS-DEV-03", "avail.flags 0");
}

/* The wish is withdrawn, that the device has run out is not. */
static void empty_whatever_the_wish_becomes(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, WITH_ON_EMPTY);
	uint64_t dues = view(b, 0).calls_due;

	one_used(b, q);
	drv_flags(b, q, 1);
	assert_true(view(b, 0).call_due);
	assert_int_equal(view(b, 0).calls_due, dues + 1);
	kc_oracle_quiet(b->o);
	accused(b, "VIRTIO-LEGACY-DEV-01", "");
}

/* Live: a peer at rest proves nothing. */
static void empty_in_live_waits_for_the_stop(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, WITH_ON_EMPTY);

	drv_flags(b, q, 1);
	one_used(b, q);
	kc_oracle_quiet(b->o);
	none(b);
	assert_true(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_queue_stopped(b->o, 0, 1);
	none(b);
}

/* --- Kicks ------------------------------------------------------------------------------------ */

/* A kick that the device asked for and did not get is the driver's fault, and nobody else's. */
static void withheld_kicks_are_the_drivers(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, WITH_EVENT_IDX);

	dev_avail_event(b, q, q->avail_idx);		/* the next one */
	drv_request(b, q, 1);
	dev_serve(b, q, 1);				/* the device has looked by itself */
	kc_oracle_kick_withheld(b->o, 0);
	assert_non_null(view(b, 0).driver_broke);
	assert_false(view(b, 0).malformed);
	none(b);
}

/* What was asked once is not asked again: a wish that comes later is about later chains. */
static void withheld_where_none_was_wanted(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 0, WITH_EVENT_IDX);
	uint16_t next = q->avail_idx;

	dev_avail_event(b, q, next + 1);
	drv_request(b, q, 1);
	kc_oracle_kick_withheld(b->o, 0);
	dev_avail_event(b, q, next);			/* too late, so it must look again */
	dev_serve(b, q, 1);
	drv_request(b, q, 2);
	kc_oracle_kick_withheld(b->o, 0);
	assert_null(view(b, 0).driver_broke);
	none(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(the_window_at_every_distance),
		SIM(missing_is_proved_when_quiet),
		RUN(missing_is_proved_by_the_barrier),
		LIVE(quiet_proves_nothing_in_live),
		RUN(armed_too_late),
		RUN(armed_too_late_and_called),
		RUN(disarmed_before_the_call_came),
		RUN(the_same_value_again_disarms_nothing),
		RUN(a_call_not_due),
		RUN(two_calls_for_one_crossing),
		SIM(flags_do_not_count_with_event_idx),
		SIM(a_whole_lap),
		LIVE(a_whole_lap),
		SIM(flags_zero_owe_a_call),
		RUN(one_signal_covers_all),
		SIM(garbage_in_used_event),
		RUN(flags_one_want_none),
		LIVE(late_signals_are_not_spurious),
		LIVE(flags_cleared_behind_an_entry),
		SIM(flags_cleared_behind_an_entry),
		RUN(set_up_and_first_call_are_free),
		RUN(an_exchanged_eventfd_is_an_excuse),
		RUN(without_a_call_eventfd_nothing_is_due),
		RUN(a_malformed_ring_owes_no_call),
		RUN(told_late_of_the_start),
		SIM(empty_owes_a_call_in_spite_of_flags),
		SIM(empty_owes_a_call_in_spite_of_used_event),
		RUN(empty_owes_a_call_by_the_stop),
		RUN(more_was_there_in_time),
		RUN(running_out_by_fetching),
		SIM(empty_and_wanted_is_one_call),
		SIM(empty_whatever_the_wish_becomes),
		LIVE(empty_in_live_waits_for_the_stop),
		SIM(withheld_kicks_are_the_drivers),
		SIM(withheld_where_none_was_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

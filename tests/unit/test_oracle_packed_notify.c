/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifications of packed rings before the oracle: what the device area may hold, which calls are
 * due, missing or spurious by what the driver area says, and who sleeps without being kicked.
 * Modules: harness/oracle/layout_packed.c, harness/oracle/rules.c
 */
#include <tests/unit/oracle_packed_fixture.h>

/* --- The device area -------------------------------------------------------------------------- */

static void device_area(struct bench *b, uint16_t off_wrap, uint16_t flags, unsigned with, const char *text)
{
	struct bench_queue *q = pk_start(b, 0, 3, 0, with);

	pk_device_event(b, q, off_wrap, flags);
	kc_oracle_observe(b->o);
	if (text)
		accused(b, "VQ-PACKED-EVT-01", text);
	none(b);
	pk_device_event(b, q, 0, 0);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x80008000);
	none(b);
}

static void what_the_device_area_may_hold(void **state)
{
	device_area(*state, 0x7fff, ENABLE, 0, NULL);		/* without DESC the rest means nothing */
	device_area(*state, 0xffff, DISABLE, WITH_EVENT_IDX, NULL);
	device_area(*state, 2, DESC, WITH_EVENT_IDX, NULL);
	device_area(*state, 0x8002, DESC, WITH_EVENT_IDX, NULL);
	device_area(*state, 0, DESC, 0, "flags are 0x2, expected 0 or 1");
	device_area(*state, 0, 3, WITH_EVENT_IDX, "flags are 0x3, expected 0, 1 or 2");
	device_area(*state, 0, 0x8000, WITH_EVENT_IDX, "flags are 0x8000");
	device_area(*state, 3, DESC, WITH_EVENT_IDX, "names slot 3, expected one of 3");
}

/* --- Calls ------------------------------------------------------------------------------------ */

/* Past the calls that are excused. */
static struct bench_queue *warmed_up(struct bench *b, uint32_t size, uint32_t from, unsigned with)
{
	struct bench_queue *q = pk_start(b, 0, size, from, with);

	pk_request_of(b, q, 0, 1, 3);
	pk_serve_of(b, q, 0, 1, 3);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_reaped(b->o, 0, 3);
	kc_oracle_quiet(b->o);
	none(b);
	return q;
}

/* n slots as one list, as n lists, or, in order, as two lists in one batch. */
enum shape { ONE_LIST, LISTS, BATCH };

static void use_slots(struct bench *b, struct bench_queue *q, uint32_t n, enum shape shape)
{
	uint32_t lists = shape == LISTS ? n : shape == BATCH && n > 1 ? 2 : 1;

	for (uint32_t i = 0; i < lists; i++) {
		uint32_t slots = shape == LISTS ? 1 : i + 1 == lists ? n - (lists - 1) : 1;

		pk_request_of(b, q, i, slots, i);
		dev_fill(b, BUF(2 * i + 1), 0x77, 32);
		if (shape != BATCH)
			pk_use_unseen(b, q, slots, i, 32);
	}
	if (shape == BATCH)
		pk_use_unseen(b, q, n, lists - 1, 32);
	kc_oracle_observe(b->o);
	for (uint32_t i = 0; i < lists; i++)
		kc_oracle_reaped(b->o, q->qi, i);
}

/* Every position of the event, two laps of them, against everything that one look can see: a call is due
 * if one of the slots is the event's, also one that is skipped. */
static void the_event_in_every_position(struct bench *b, enum shape shape)
{
	const uint32_t size = 5;
	struct bench_queue *q = warmed_up(b, size, 7, WITH_EVENT_IDX | (shape == BATCH ? WITH_IN_ORDER : 0));

	for (uint32_t n = 1; n <= size; n++) {
		for (uint32_t ahead = 0; ahead < 2 * size; ahead++) {
			uint32_t event = pk_forward(q, q->used_pos, ahead);
			uint64_t dues = view(b, 0).calls_due;

			pk_event(b, q, event, DESC);
			assert_false(view(b, 0).call_due);
			use_slots(b, q, n, shape);
			assert_int_equal(view(b, 0).call_due, ahead < n);
			assert_int_equal(view(b, 0).calls_due, dues + (ahead < n));
			if (ahead < n)
				kc_oracle_called(b->o, 0, 1);
			kc_oracle_quiet(b->o);
			none(b);
			assert_int_equal(view(b, 0).calls_spurious, 0);
		}
	}
	pk_stop(b, q);
	none(b);
}

static void the_event_at_lists(void **state)
{
	the_event_in_every_position(*state, LISTS);
}

static void the_event_inside_a_list(void **state)
{
	the_event_in_every_position(*state, ONE_LIST);
}

static void the_event_inside_a_batch(void **state)
{
	the_event_in_every_position(*state, BATCH);
}

/* A ring of one slot has two positions. */
static void the_event_in_the_smallest_ring(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 1, 1, WITH_EVENT_IDX);

	for (unsigned i = 0; i < 8; i++) {
		pk_event(b, q, q->used_pos + i % 2, DESC);
		use_slots(b, q, 1, LISTS);
		assert_int_equal(view(b, 0).call_due, i % 2 == 0);
		if (i % 2 == 0)
			kc_oracle_called(b->o, 0, 1);
		kc_oracle_quiet(b->o);
	}
	none(b);
	assert_int_equal(view(b, 0).calls_spurious, 0);
}

static void a_call_that_is_missing(void **state, uint16_t flags, const char *clause, const char *text,
				   bool stop)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 5, 8, WITH_EVENT_IDX);

	pk_event(b, q, pk_forward(q, q->used_pos, 1), flags);
	use_slots(b, q, 3, ONE_LIST);
	none(b);
	end(b, stop);
	accused(b, clause, text);
}

static void missing_enabled(void **state)
{
	a_call_that_is_missing(state, ENABLE, "VQ-PACKED-EVT-02", "2 used, the last at slot 4, "
			       "with the driver area ENABLE: expected a call, and none came after "
			       "the 1 before", false);
}

static void missing_at_the_event(void **state)
{
	a_call_that_is_missing(state, DESC, "VQ-PACKED-EVT-03", "with the driver area DESC, slot "
			       "0, wrap 1", false);
}

static void missing_enabled_at_the_stop(void **state)
{
	a_call_that_is_missing(state, ENABLE, "VQ-PACKED-EVT-02", "queue 0", true);
}

static void missing_at_the_event_at_the_stop(void **state)
{
	a_call_that_is_missing(state, DESC, "VQ-PACKED-EVT-03", "queue 0", true);
}

static void nothing_is_missing_when_disabled(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 5, 8, 0);

	pk_event(b, q, 0, DISABLE);
	use_slots(b, q, 3, LISTS);
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
}

static void spurious(void **state, uint32_t ahead, uint16_t flags, const char *text)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 5, 8, WITH_EVENT_IDX);

	pk_event(b, q, pk_forward(q, q->used_pos, ahead), flags);
	use_slots(b, q, 3, ONE_LIST);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-PACKED-EVT-06", text);
	assert_int_equal(view(b, 0).calls_spurious, 1);
}

static void spurious_when_disabled(void **state)
{
	spurious(state, 0, DISABLE, "call 2 came with 2 used, the last at slot 4, expected none "
		 "while the driver area DISABLE");
}

static void spurious_before_the_event(void **state)
{
	spurious(state, 3, DESC, "expected none while the driver area DESC, slot 2, wrap 1");
}

/* The same slot, a lap later. */
static void spurious_in_the_lap_before(void **state)
{
	spurious(state, 5, DESC, "DESC, slot 4, wrap 1");
}

/* Live: signals for what was used while calls were wanted may be seen later, one by one. */
static void late_signals(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 5, 0, WITH_EVENT_IDX);

	use_slots(b, q, 3, LISTS);
	pk_event(b, q, 0, DISABLE);
	for (unsigned i = 0; i < 3; i++)
		kc_oracle_called(b->o, 0, 1);
	none(b);
	assert_int_equal(view(b, 0).calls_spurious, 0);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-PACKED-EVT-06", "DISABLE");
}

/* The wish changes under way: a late device may go by either. */
static void a_wish_changes(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 5, 0, WITH_EVENT_IDX);
	uint32_t at = q->used_pos;

	pk_event(b, q, at, DESC);
	use_slots(b, q, 2, LISTS);
	assert_true(view(b, 0).call_due);
	pk_event(b, q, q->used_pos + 4, DESC);
	assert_false(view(b, 0).call_due);
	pk_event(b, q, at + 1, DESC);		/* passed already, or just in time */
	assert_false(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	pk_event(b, q, 0, DISABLE);
	use_slots(b, q, 1, LISTS);
	pk_event(b, q, 0, ENABLE);
	assert_false(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
	assert_int_equal(view(b, 0).calls_spurious, 0);
}

/* It becomes visible when the device has passed it, unseen. */
static void armed_too_late(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = warmed_up(b, 5, 0, WITH_EVENT_IDX);

	pk_event(b, q, q->used_pos + 7, DESC);
	pk_request(b, q, 0, 9);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_use_unseen(b, q, 2, 9, 32);
	pk_event(b, q, q->used_pos + 9, DESC);		/* its second slot */
	assert_int_equal(view(b, 0).used, 2);
	assert_false(view(b, 0).call_due);
	pk_stop(b, q);
	none(b);
}

/* What the driver area says means nothing: nobody owes anything then. */
static void a_driver_area_that_means_nothing(void **state)
{
	static const struct {
		uint16_t off_wrap, flags;
		unsigned with;
	} area[] = { { 0, 3, WITH_EVENT_IDX }, { 0, 0x8000, 0 }, { 0, DESC, 0 }, { 5, DESC, WITH_EVENT_IDX } };
	struct bench *b = *state;

	for (unsigned i = 0; i < sizeof(area) / sizeof(area[0]); i++) {
		struct bench_queue *q = pk_ring(b, 0, 5, 0, area[i].with);

		drv_write16(b, q->c.avail + KC_EVENT_OFF_WRAP, area[i].off_wrap);
		drv_write16(b, q->c.avail + KC_EVENT_FLAGS, area[i].flags);
		kc_oracle_queue_start(b->o, 0, &q->c);
		assert_non_null(view(b, 0).driver_broke);
		use_slots(b, q, 3, LISTS);
		kc_oracle_quiet(b->o);
		pk_stop(b, q);
		none(b);
	}
}

/* --- Kicks ------------------------------------------------------------------------------------ */

static void not_kicked(struct bench *b, uint16_t off_wrap, uint16_t flags, uint32_t lists)
{
	struct bench_queue *q = pk_start(b, 0, 8, 5, WITH_EVENT_IDX);

	pk_device_event(b, q, off_wrap, flags);
	for (unsigned i = 0; i < lists; i++)
		pk_request(b, q, i, i);
	kc_oracle_quiet(b->o);
}

/* A device that said it wants no kick has to look by itself. */
static void asleep_without_a_wish(void **state)
{
	struct bench *b = *state;

	not_kicked(b, 0, DISABLE, 1);
	assert_int_equal(b->n, 2);
	assert_string_equal(b->clause[0], "VQ-PACKED-EVT-05");
	assert_non_null(strstr(b->message[0], "id 0 (slot 5) was published while the device area "
			       "DISABLE"));
	assert_string_equal(b->clause[1], "VQ-PACKED-USED-01");
}

static void asleep_before_the_event(void **state)
{
	struct bench *b = *state;

	not_kicked(b, 0x0001, DESC, 2);		/* slots 5 to 0 were offered */
	assert_int_equal(b->n, 2);
	assert_string_equal(b->clause[0], "VQ-PACKED-EVT-05");
}

/* The driver owed a kick and gave none. */
static void asleep_until_a_kick(void **state)
{
	struct bench *b = *state;

	not_kicked(b, 0x0000, DESC, 2);		/* slot 0 is the last of them */
	none(b);
	not_kicked(b, 0, ENABLE, 1);
	none(b);
}

/* A kick is owed however many laps were offered since the last one. */
static void laps_without_a_kick(void **state)
{
	struct bench *b = *state;

	for (unsigned laps = 0; laps < 5; laps++) {
		struct bench_queue *q = pk_start(b, 0, 1, 0, 0);

		for (unsigned i = 0; i < laps; i++) {
			pk_request_of(b, q, 0, 1, 3);
			pk_serve_of(b, q, 0, 1, 3);
			kc_oracle_called(b->o, 0, 1);
			kc_oracle_reaped(b->o, 0, 3);
		}
		pk_request_of(b, q, 0, 1, 3);
		kc_oracle_quiet(b->o);
		none(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(what_the_device_area_may_hold),
		RUN(the_event_at_lists),
		RUN(the_event_inside_a_list),
		RUN(the_event_inside_a_batch),
		RUN(the_event_in_the_smallest_ring),
		SIM(missing_enabled),
		SIM(missing_at_the_event),
		RUN(missing_enabled_at_the_stop),
		RUN(missing_at_the_event_at_the_stop),
		RUN(nothing_is_missing_when_disabled),
		RUN(spurious_when_disabled),
		RUN(spurious_before_the_event),
		RUN(spurious_in_the_lap_before),
		LIVE(late_signals),
		RUN(a_wish_changes),
		RUN(armed_too_late),
		RUN(a_driver_area_that_means_nothing),
		SIM(asleep_without_a_wish),
		SIM(asleep_before_the_event),
		SIM(asleep_until_a_kick),
		SIM(laps_without_a_kick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

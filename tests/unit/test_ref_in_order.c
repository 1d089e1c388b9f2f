// SPDX-License-Identifier: BSD-3-Clause
/*
 * The reference back-end with IN_ORDER: which completions share a used entry, in both layouts, and
 * that nothing is held back longer than it may be. And NOTIFY_ON_EMPTY, the other reason for a call
 * that only the end of the work gives.
 */
#include <tests/unit/ref_packed_pen.h>

/* Each chain is wholly written unless it is told to be short: 4 bytes out, 4 or 8 in. */
static void offer(struct fx *f, unsigned qi, uint16_t head, bool is_short)
{
	fx_desc(f, qi, head, BUFS, 4, NEXT, head + 1);
	fx_desc(f, qi, head + 1, BUFS + 64, is_short ? 8 : 4, RW, 0);
	fx_offer(f, qi, head);
}

static void open_split(struct fx *f, uint64_t features, uint32_t size, uint16_t from)
{
	fx_open(f, "loopback", features);
	fx_start(f, 0, size, from);
	fx_run(f);
	memset(fx_host(f, f->q[0].used) + kc_used_slot(0), 0xee, 8 * size);
}

static void expect_no_entry(struct fx *f, uint16_t slot)
{
	fx_expect_used(f, 0, slot, 0xeeeeeeee, 0xeeeeeeee);
}

/* ---- split ---- */

static void one_entry_tells_of_all(void **state)
{
	struct fx f;

	(void)state;
	open_split(&f, F_IN_ORDER, 16, 65534);
	for (uint16_t i = 0; i < 5; i++)
		offer(&f, 0, 2 * i, false);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 3);
	fx_expect_used(&f, 0, 65534, 8, 4);
	for (uint16_t i = 1; i < 5; i++)
		expect_no_entry(&f, (uint16_t)(65534 + i));
	assert_int_equal(fx_count(f.q[0].call), 1);
	offer(&f, 0, 10, false);
	fx_kick(&f, 0);
	fx_run(&f);
	fx_expect_used(&f, 0, 3, 10, 4);
	fx_close(&f);
}

static void each_has_its_own_entry_without_in_order(void **state)
{
	struct fx f;

	(void)state;
	open_split(&f, 0, 16, 0);
	for (uint16_t i = 0; i < 5; i++)
		offer(&f, 0, 2 * i, false);
	fx_kick(&f, 0);
	fx_run(&f);
	for (uint16_t i = 0; i < 5; i++)
		fx_expect_used(&f, 0, i, 2 * i, 4);
	fx_close(&f);
}

/* At most 8, and at most half of the ring. */
static void batches_are_short(void **state)
{
	static const struct { uint32_t size; unsigned batch; } rows[] = {
		{ 64, 8 }, { 16, 8 }, { 8, 4 }, { 4, 2 }, { 2, 1 }, { 1, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned n = rows[i].size < 20 ? rows[i].size : 20, batch = rows[i].batch;
		struct fx f;

		open_split(&f, F_IN_ORDER, rows[i].size, 0);
		for (uint16_t k = 0; k < n; k++) {
			fx_desc(&f, 0, k, BUFS, 4, 0, 0);
			fx_offer(&f, 0, k);
		}
		fx_kick(&f, 0);
		for (unsigned k = 1; k <= n; k++) {
			assert_int_equal(kc_ref_step(f.ref), 1);
			assert_int_equal(fx_used_idx(&f, 0), k == n ? k : k - k % batch);
		}
		for (uint16_t k = 0; k < n; k += batch)
			fx_expect_used(&f, 0, k, (k + batch < n ? k + batch : n) - 1, 0);
		fx_close(&f);
	}
}

/* A chain without an entry counts as written in full, so one that was not has an entry. */
static void a_short_chain_ends_its_batch(void **state)
{
	struct fx f;

	(void)state;
	open_split(&f, F_IN_ORDER, 16, 0);
	for (uint16_t i = 0; i < 5; i++)
		offer(&f, 0, 2 * i, i == 2 || i == 3);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 5);
	fx_expect_used(&f, 0, 0, 4, 4);
	expect_no_entry(&f, 1);
	expect_no_entry(&f, 2);
	fx_expect_used(&f, 0, 3, 6, 4);
	fx_expect_used(&f, 0, 4, 8, 4);
	fx_close(&f);
}

static void stop_publishes_before_it_answers(void **state)
{
	struct fx f;

	(void)state;
	open_split(&f, F_IN_ORDER, 16, 0);
	for (uint16_t i = 0; i < 4; i++)
		offer(&f, 0, 2 * i, false);
	fx_kick(&f, 0);
	kc_ref_step(f.ref);
	kc_ref_step(f.ref);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	assert_int_equal(fx_get_base(&f, 0), 2);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_expect_used(&f, 0, 0, 2, 4);
	assert_int_equal(fx_count(f.q[0].call), 1);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_run(&f);
	fx_expect_used(&f, 0, 2, 6, 4);
	fx_close(&f);
}

/* Whatever a request does to a ring, it finds nothing held back. */
static void requests_and_the_end_publish(void **state)
{
	enum { ANY, DISABLE, FEATURES, MEMORY, DEVICE_RESET, SESSION_END, WAYS };

	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct fx f;

		fx_open(&f, "loopback", F_IN_ORDER | F_PF);
		assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES,
					KC_BIT(KC_PF_RESET_DEVICE)), KC_REF_DONE);
		fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1);
		fx_start(&f, 0, 16, 0);
		for (uint16_t i = 0; i < 4; i++)
			offer(&f, 0, 2 * i, false);
		kc_ref_step(f.ref);
		kc_ref_step(f.ref);
		assert_int_equal(fx_used_idx(&f, 0), 0);
		switch (way) {
		case ANY: fx_get_u64(&f, KC_VU_GET_FEATURES); break;
		case DISABLE: fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 0); break;
		case FEATURES: fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_PF); break;
		case MEMORY: fx_mem_table(&f, &fx_regions[1], 1, 1); break;
		case DEVICE_RESET: fx_plain(&f, KC_VU_RESET_DEVICE); break;
		default: kc_ref_reset_session(f.ref);
		}
		assert_int_equal(fx_used_idx(&f, 0), 2);
		fx_expect_used(&f, 0, 0, 2, 4);
		assert_int_equal(fx_count(f.q[0].call), 1);
		fx_close(&f);
	}
}

static void what_came_before_a_bad_chain_is_told(void **state)
{
	struct fx f;

	(void)state;
	open_split(&f, F_IN_ORDER, 16, 0);
	offer(&f, 0, 0, false);
	offer(&f, 0, 2, false);
	fx_offer(&f, 0, 16);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_expect_used(&f, 0, 0, 2, 4);
	assert_int_equal(fx_count(f.q[0].call), 1);
	assert_int_equal(fx_count(f.q[0].err), 1);
	assert_int_equal(fx_get_base(&f, 0), 2);
	fx_close(&f);
}

/* Seven more than were fetched is fewer than the ring has, but two of its eight are held. */
static void held_chains_still_fill_the_ring(void **state)
{
	struct fx f;

	(void)state;
	open_split(&f, F_IN_ORDER, 8, 0);
	for (uint16_t i = 0; i < 3; i++)
		offer(&f, 0, 2 * i, false);
	fx_kick(&f, 0);
	kc_ref_step(f.ref);
	kc_ref_step(f.ref);
	fx_set_avail_idx(&f, 0, 2 + 7);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	assert_int_equal(fx_count(f.q[0].err), 1);
	fx_close(&f);
}

static void an_event_inside_a_batch_is_passed(void **state)
{
	(void)state;
	for (uint16_t event = 0; event < 8; event++) {
		struct fx f;

		open_split(&f, F_IN_ORDER | F_EVT, 16, 0);
		offer(&f, 0, 0, false);		/* the first call after a start is free */
		fx_run(&f);
		fx_kick(&f, 0);
		fx_run(&f);
		fx_count(f.q[0].call);
		fx_set_used_event(&f, 0, event);
		for (uint16_t i = 0; i < 5; i++)
			offer(&f, 0, 2 * i, false);
		fx_kick(&f, 0);
		fx_run(&f);
		assert_int_equal(fx_used_idx(&f, 0), 6);
		assert_int_equal(fx_count(f.q[0].call), event >= 1 && event <= 5);
		fx_close(&f);
	}
}

/* ---- packed ---- */

/* Lists of 2 on a ring of 11: one used descriptor for each batch, and no other is touched. */
static void one_descriptor_tells_of_all(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_IN_ORDER | F_PACKED);
	pen_start(&p, &f, 0, 11, 9, true);
	for (uint16_t i = 0; i < 5; i++)
		pen_list(&p, 2, 4, 20 + i);
	fx_kick(&f, 0);
	fx_run(&f);
	/* After three lists half the ring is held. */
	pen_expect_used(&p, 6, 22, 4);
	for (uint16_t slot = 10; slot != 4; slot = (slot + 1) % 11)
		assert_int_equal(pen_read(&p, slot).flags & (KC_PDESC_F_AVAIL | KC_PDESC_F_USED),
				 slot == 10 ? KC_PDESC_F_AVAIL : KC_PDESC_F_USED);
	pen_expect_used(&p, 4, 24, 4);
	assert_int_equal(get_packed_base(&f, 0), base_code(8, false, 8, false));
	assert_int_equal(fx_count(f.q[0].call), 2);
	fx_close(&f);
}

static void a_short_list_ends_its_batch(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_IN_ORDER | F_PACKED);
	pen_start(&p, &f, 0, 32, 0, true);
	for (uint16_t i = 0; i < 4; i++)
		pen_list(&p, 2, i == 1 ? 8 : 4, i);
	pen_put(&p, BUFS, 4, 0, 7);		/* nothing to write is all that can be */
	fx_kick(&f, 0);
	fx_run(&f);
	pen_expect_used(&p, 4, 1, 4);
	pen_expect_used(&p, 5, 7, 0);
	fx_close(&f);
}

/* The ring stops, or breaks, with something held. */
static void packed_stop_and_error_publish(void **state)
{
	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		struct pen p;
		struct fx f;

		fx_open(&f, "loopback", F_IN_ORDER | F_PACKED);
		pen_start(&p, &f, 0, 32, 31, false);
		pen_list(&p, 2, 4, 0);
		pen_list(&p, 2, 4, 1);
		pen_put(&p, 0x10, 4, RW, 2);
		fx_kick(&f, 0);
		kc_ref_step(f.ref);
		kc_ref_step(f.ref);
		assert_false(pen_is_used(&p));
		if (bad)
			kc_ref_step(f.ref);
		else
			fx_get_base(&f, 0);
		pen_expect_used(&p, 4, 1, 4);
		assert_int_equal(fx_count(f.q[0].err), bad);
		assert_int_equal(fx_count(f.q[0].call), 1);
		assert_int_equal(get_packed_base(&f, 0), base_code(3, true, 3, true));
		fx_close(&f);
	}
}

/* A list over what is held and not returned: one descriptor more than the ring has. */
static void held_slots_are_not_available_again(void **state)
{
	struct pen p;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_IN_ORDER | F_PACKED);
	pen_start(&p, &f, 0, 4, 0, true);
	pen_put(&p, BUFS, 4, 0, 1);
	pen_put(&p, BUFS, 4, NEXT, 2);
	fx_kick(&f, 0);
	kc_ref_step(f.ref);
	assert_false(pen_is_used(&p));
	for (int i = 0; i < 2; i++)
		pen_put(&p, BUFS, 4, NEXT, 2);
	pen_put(&p, BUFS, 4, 0, 2);
	fx_run(&f);
	pen_expect_used(&p, 1, 1, 0);
	assert_int_equal(fx_count(f.q[0].err), 1);
	assert_int_equal(get_packed_base(&f, 0), base_code(1, true, 1, true));
	fx_close(&f);
}

/* Three slots in a batch, one event for each place around them. */
static void an_event_inside_a_packed_batch_is_passed(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_IN_ORDER | F_PACKED | F_EVT);
	for (uint16_t event = 0; event < 9; event++) {
		struct pen p;

		pen_start(&p, &f, 0, 9, 6, true);
		pen_list(&p, 1, 4, 0);		/* the first call after a start is free */
		fx_run(&f);
		fx_count(f.q[0].call);
		pen_wish(&p, place_code(event, event >= 6), VRING_PACKED_EVENT_FLAG_DESC);
		pen_put(&p, BUFS, 4, 0, 1);
		pen_list(&p, 2, 4, 2);		/* slots 8 and 0 */
		fx_kick(&f, 0);
		fx_run(&f);
		pen_go(&p.used_slot, &p.used_wrap, 1, 9);
		pen_expect_used(&p, 3, 2, 4);
		assert_int_equal(fx_count(f.q[0].call), event == 7 || event == 8 || event == 0);
		fx_get_base(&f, 0);
	}
	fx_close(&f);
}

/* ---- NOTIFY_ON_EMPTY ---- */

/* Of a legacy driver that wants no calls, by flag or by event: one when nothing is left. */
static void a_call_when_nothing_is_left(void **state)
{
	(void)state;
	for (int evt = 0; evt < 2; evt++) {
		struct fx f;

		fx_open(&f, "loopback", 0);
		assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_EMPTY | (evt ? F_EVT : 0)),
				 KC_REF_DONE);
		fx_start(&f, 0, 16, 0);
		fx_set_avail_flags(&f, 0, evt ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
		fx_set_used_event(&f, 0, 0x4000);
		offer(&f, 0, 0, false);		/* the first call after a start is free */
		fx_run(&f);
		fx_count(f.q[0].call);
		for (uint16_t i = 0; i < 3; i++)
			offer(&f, 0, 2 * i, false);
		fx_kick(&f, 0);
		for (uint16_t i = 0; i < 3; i++) {
			kc_ref_step(f.ref);
			assert_int_equal(fx_used_idx(&f, 0), 2 + i);
			assert_int_equal(fx_count(f.q[0].call), i == 2);
		}
		fx_run(&f);
		fx_kick(&f, 0);			/* still nothing: no second call */
		fx_run(&f);
		assert_int_equal(fx_count(f.q[0].call), 0);
		fx_close(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_entry_tells_of_all),
		cmocka_unit_test(each_has_its_own_entry_without_in_order),
		cmocka_unit_test(batches_are_short),
		cmocka_unit_test(a_short_chain_ends_its_batch),
		cmocka_unit_test(stop_publishes_before_it_answers),
		cmocka_unit_test(requests_and_the_end_publish),
		cmocka_unit_test(what_came_before_a_bad_chain_is_told),
		cmocka_unit_test(held_chains_still_fill_the_ring),
		cmocka_unit_test(an_event_inside_a_batch_is_passed),
		cmocka_unit_test(one_descriptor_tells_of_all),
		cmocka_unit_test(a_short_list_ends_its_batch),
		cmocka_unit_test(packed_stop_and_error_publish),
		cmocka_unit_test(held_slots_are_not_available_again),
		cmocka_unit_test(an_event_inside_a_packed_batch_is_passed),
		cmocka_unit_test(a_call_when_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notifications of a packed ring at the driver's side: when the device asks for a kick, and how
 * calls are asked for and suppressed.
 */
#include <tests/unit/packed_fixture.h>

static void device_asks(struct ring *t, uint16_t off_wrap, uint16_t flags)
{
	guest_device_write(&t->g, t->c.device,
			   (uint8_t[]){ off_wrap, off_wrap >> 8, flags, flags >> 8 }, 4);
}

/* --- Kicks ------------------------------------------------------------------------------------ */

static bool asked_after_one(struct ring *t)
{
	must_add(t, one, 1, t);
	kc_packed_publish(&t->vq);
	return kc_packed_kick_needed(&t->vq);
}

static void kick_by_flags(void **state)
{
	struct ring t;

	(void)state;
	ring_open(&t, 100, 0, false);
	assert_true(asked_after_one(&t));
	assert_true(kc_packed_kick_needed(&t.vq));	/* nothing new, but it may always be kicked */
	device_asks(&t, 0x1234, DISABLE);
	assert_false(asked_after_one(&t));
	device_asks(&t, 0x1234, DISABLE | 0xfffc);	/* the rest is reserved */
	assert_false(asked_after_one(&t));
	device_asks(&t, 0x1234, ENABLE);		/* off_wrap means nothing */
	assert_true(asked_after_one(&t));
	/* What a device must not write: without EVENT_IDX, or at all. */
	device_asks(&t, 0x1234, DESC);
	assert_true(asked_after_one(&t));
	device_asks(&t, 0x1234, 3);
	assert_true(asked_after_one(&t));
	ring_close(&t);

	ring_open(&t, 100, 0, true);
	assert_true(asked_after_one(&t));		/* a device that never wrote its area */
	device_asks(&t, 0x8001, DISABLE);
	assert_false(asked_after_one(&t));
	device_asks(&t, 0x1234, 3);
	assert_true(asked_after_one(&t));
	ring_close(&t);
}

/* A kick iff one of the descriptors just published is the one asked for, counted out. */
static void kick_case(struct ring *t, uint32_t from, unsigned chain, unsigned batch,
		      struct place event)
{
	struct kc_seg segs[8];
	bool expected = false;
	struct place p;

	for (unsigned i = 0; i < 8; i++)
		segs[i] = one[0];
	ring_restart(t, from);
	p = t->dev;
	device_asks(t, event.slot | (event.wrap ? 0x8000 : 0), DESC);
	for (unsigned i = 0; i < batch; i++) {
		must_add(t, segs, chain, t);
		for (unsigned k = 0; k < chain; k++, step(t, &p, 1))
			expected |= p.slot == event.slot && p.wrap == event.wrap;
	}
	kc_packed_publish(&t->vq);
	assert_int_equal(kc_packed_kick_needed(&t->vq), expected);
	assert_false(kc_packed_kick_needed(&t->vq));	/* asked again, nothing is new */
}

static void kick_by_event(void **state)
{
	static const uint32_t small[] = { 1, 2, 3, 5, 7 };
	struct ring t;

	(void)state;
	for (unsigned s = 0; s < COUNT(small); s++) {
		uint32_t n = small[s];

		ring_open(&t, n, 0, true);
		for (uint32_t from = 0; from < 2 * n; from++)
			for (uint32_t e = 0; e < 2 * n; e++)
				for (unsigned chain = 1; chain <= n; chain++)
					for (unsigned batch = 1; chain * batch <= n; batch++)
						kick_case(&t, from, chain, batch,
							  (struct place){ e % n, e < n });
		ring_close(&t);
	}
}

/* In the largest ring the offset takes all of its 15 bits. */
static void kick_by_event_in_the_largest_ring(void **state)
{
	struct ring t;

	(void)state;
	ring_open(&t, 32768, 32767, true);
	device_asks(&t, 0xffff, DESC);
	assert_true(asked_after_one(&t));
	device_asks(&t, 0x8000, DESC);			/* that of the lap before */
	assert_false(asked_after_one(&t));
	device_asks(&t, 0x0001, DESC);
	assert_true(asked_after_one(&t));
	ring_close(&t);
}

/* Several batches, then one question; more than a lap, then more than two. */
static void kick_after_laps(void **state)
{
	struct ring t;

	(void)state;
	ring_open(&t, 5, 3, true);
	device_asks(&t, 2 | 0x8000, DESC);	/* two laps from now, less one */
	for (int i = 0; i < 9; i++)
		run_one(&t, &t.tokens[i % 8]);
	assert_false(kc_packed_kick_needed(&t.vq));
	ring_restart(&t, 3);
	device_asks(&t, 2 | 0x8000, DESC);
	for (int i = 0; i < 10; i++)
		run_one(&t, &t.tokens[i % 8]);
	assert_true(kc_packed_kick_needed(&t.vq));
	assert_false(kc_packed_kick_needed(&t.vq));
	for (int i = 0; i < 1000; i++)
		run_one(&t, &t.tokens[i % 8]);
	assert_true(kc_packed_kick_needed(&t.vq));
	/* A slot that is none is never reached. */
	device_asks(&t, 5 | 0x8000, DESC);
	for (int i = 0; i < 1000; i++)
		run_one(&t, &t.tokens[i % 8]);
	assert_false(kc_packed_kick_needed(&t.vq));
	ring_close(&t);
}

/* --- Suppression ------------------------------------------------------------------------------ */

static void check_event(struct ring *t, uint16_t off_wrap, uint16_t flags)
{
	assert_int_equal(guest_u16(&t->g, t->c.driver), off_wrap);
	assert_int_equal(guest_u16(&t->g, t->c.driver + 2), flags);
}

static void suppression(void **state)
{
	struct ring t;
	uint16_t id;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		ring_open(&t, 5, 4, event_idx);
		t.g.nlog = 0;
		kc_packed_set_event(&t.vq, 0xa55a, DESC);
		check_event(&t, 0xa55a, DESC);
		kc_packed_suppress(&t.vq);
		check_event(&t, 0, DISABLE);
		assert_false(kc_packed_arm(&t.vq));
		check_event(&t, event_idx ? 4 | 0x8000 : 0, event_idx ? DESC : ENABLE);
		assert_int_equal(t.g.nlog, 3);		/* one store each */
		for (int i = 0; i < 3; i++)
			assert_int_equal(t.g.log[i], t.c.driver);
		id = must_add(&t, one, 1, &t);
		kc_packed_publish(&t.vq);
		assert_false(kc_packed_arm(&t.vq));
		device_uses(&t, id, 1, 1);
		assert_true(kc_packed_arm(&t.vq));	/* re-check: it is there already */
		must_reap(&t);
		assert_false(kc_packed_arm(&t.vq));	/* over the end: slot 0, wrap counter 0 */
		check_event(&t, 0, event_idx ? DESC : ENABLE);
		ring_close(&t);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(kick_by_flags),
		cmocka_unit_test(kick_by_event),
		cmocka_unit_test(kick_by_event_in_the_largest_ring),
		cmocka_unit_test(kick_after_laps),
		cmocka_unit_test(suppression),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

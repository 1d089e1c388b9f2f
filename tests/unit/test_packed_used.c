/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the driver takes back from a packed ring: used descriptors in any order and in order, those
 * that no device should write, and that its books are its own.
 */
#include <errno.h>
#include <tests/unit/packed_fixture.h>

/* --- Completion ------------------------------------------------------------------------------- */

/* Used descriptors stand one after the other, each as far on as the last one's chain was long. */
static void out_of_order(void **state)
{
	uint16_t ids[3];
	struct kc_used u;
	struct ring t;

	(void)state;
	ring_open(&t, 7, 4, false);
	ids[0] = must_add(&t, four, 3, &t.tokens[0]);
	ids[1] = must_add(&t, four, 1, &t.tokens[1]);
	ids[2] = must_add(&t, four, 2, &t.tokens[2]);
	kc_packed_publish(&t.vq);
	device_uses(&t, ids[2], 512, 2);			/* in slot 4 */
	u = must_reap(&t);
	nothing_to_reap(&t);
	assert_ptr_equal(u.token, &t.tokens[2]);
	assert_int_equal(t.vq.nfree, 3);
	device_uses_with(&t, ids[1], 0xdeadbeef, NEXT, 1);	/* 6: NEXT means nothing, nor len */
	device_uses(&t, ids[0], 0, 3);				/* 0, after the lap */
	u = must_reap(&t);
	assert_ptr_equal(u.token, &t.tokens[1]);
	assert_int_equal(u.id, ids[1]);
	assert_int_equal(u.len, 0);
	assert_int_equal(u.flags, AVAIL | USED | NEXT);
	assert_false(u.skipped);
	u = must_reap(&t);
	assert_ptr_equal(u.token, &t.tokens[0]);
	assert_int_equal(u.flags, WRITE);
	nothing_to_reap(&t);
	assert_int_equal(t.vq.nfree, 7);
	assert_int_equal(kc_packed_in_flight(&t.vq), 0);
	ring_close(&t);
}

static void impossible_used_descriptors(void **state)
{
	uint16_t id, pending;
	struct kc_used u;
	struct ring t;

	(void)state;
	ring_open(&t, 7, 0, false);
	id = must_add(&t, one, 1, &t);
	device_uses(&t, id, 1, 1);			/* not published yet */
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EOVERFLOW);
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EOVERFLOW);

	ring_restart(&t, 0);
	id = must_add(&t, one, 1, &t.tokens[0]);
	for (int i = 0; i < 4; i++)
		must_add(&t, one, 1, &t.tokens[1]);
	kc_packed_publish(&t.vq);
	pending = must_add(&t, one, 1, &t.tokens[2]);
	for (unsigned i = 0; i < 4; i++) {
		const uint16_t wrong[] = { 7, 0xffff, t.vq.free_ids[t.vq.free_first], pending };

		device_uses(&t, wrong[i], 0x1234, 1);
		assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
		assert_int_equal(u.id, wrong[i]);
		assert_int_equal(u.len, 0x1234);
		assert_int_equal(u.flags, AVAIL | USED | WRITE);
		assert_null(u.token);
		nothing_to_reap(&t);
	}
	assert_int_equal(kc_packed_in_flight(&t.vq), 5);
	assert_int_equal(t.vq.nfree, 1);
	/* A good one still comes back; twice, it does not. */
	device_uses(&t, id, 1, 1);
	assert_ptr_equal(must_reap(&t).token, &t.tokens[0]);
	device_uses(&t, id, 1, 1);			/* and here the ring ends, as far as published */
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EOVERFLOW);
	ring_close(&t);
}

static void used_twice(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t id;

	(void)state;
	ring_open(&t, 3, 0, false);
	id = must_add(&t, one, 1, &t);
	must_add(&t, one, 1, &t);
	kc_packed_publish(&t.vq);
	device_uses(&t, id, 1, 1);
	device_uses(&t, id, 1, 1);
	must_reap(&t);
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(kc_packed_in_flight(&t.vq), 1);
	ring_close(&t);
}

/* After an impossible id a long chain seems to end beyond what was published: the driver stays
 * there. */
static void never_beyond_what_was_published(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t id;

	(void)state;
	ring_open(&t, 5, 0, false);
	id = must_add(&t, four, 4, &t);
	kc_packed_publish(&t.vq);
	device_uses(&t, 0x7777, 0, 1);
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
	device_uses(&t, id, 0, 4);
	must_reap(&t);
	assert_int_equal(t.vq.used_pos, 4);
	assert_int_equal(t.vq.nfree, 5);
	nothing_to_reap(&t);
	ring_close(&t);
}

/* A device (or a script) that rewrites the ring does not get into the books. */
static void lengths_are_private(void **state)
{
	struct ring t;
	uint16_t id;

	(void)state;
	ring_open(&t, 7, 0, false);
	for (int i = 0; i < 100; i++) {
		uint32_t slot = t.dev.slot;

		id = must_add(&t, four, 3, &t);
		kc_packed_publish(&t.vq);
		for (unsigned k = 1; k < 3; k++)
			guest_device_write(&t.g, t.c.desc + 16 * ((slot + k) % 7), "kickcallkickcall", 14);
		device_uses(&t, id, 0, 3);
		must_reap(&t);
	}
	assert_int_equal(t.vq.nfree, 7);
	ring_close(&t);
}

/* Any chains, any order, odd sizes: the device finds each chain, and the driver each buffer. */
struct held {
	uint16_t id;
	uint32_t n;
};

static uint32_t draw(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33) % below;
}

static void soak(struct ring *t, struct kc_seg *segs, uint64_t seed)
{
	struct held held[100], h;
	uint32_t nheld = 0, free_slots = t->c.size, added = 0;
	uint16_t id;

	for (int round = 0; round < 3000; round++) {
		uint32_t n = 1 + draw(&seed, t->c.size);
		bool indirect = draw(&seed, 4) == 0;
		int ret = kc_packed_add(&t->vq, &(struct kc_chain){ .segs = segs, .nsegs = n,
					.indirect = indirect }, t, &id);

		n = indirect ? 1 : n;
		assert_int_equal(ret, n <= free_slots ? 0 : -ENOSPC);
		free_slots -= ret ? 0 : n;
		added += ret ? 0 : 1;
		if (draw(&seed, 3))
			continue;
		assert_int_equal(kc_packed_publish(&t->vq), added);
		added = 0;
		while (device_fetches(t, &h.id, &h.n))
			held[nheld++] = h;
		for (uint32_t k = nheld ? draw(&seed, nheld + 1) : 0; k; k--) {
			uint32_t i = draw(&seed, nheld);

			h = held[i];
			held[i] = held[--nheld];
			device_uses(t, h.id, h.n, h.n);
			assert_int_equal(must_reap(t).id, h.id);
			free_slots += h.n;
		}
		nothing_to_reap(t);
		assert_int_equal(kc_packed_in_flight(&t->vq), nheld);
		assert_int_equal(t->vq.nfree, free_slots);
	}
}

static void soaks(void **state)
{
	struct kc_seg segs[100];
	struct ring t;

	(void)state;
	for (int i = 0; i < 100; i++)
		segs[i] = one[0];
	for (unsigned s = 0; s < COUNT(sizes) - 1; s++) {
		ring_open(&t, sizes[s], 3, false);
		soak(&t, segs, s);
		ring_close(&t);
	}
}

/* --- IN_ORDER --------------------------------------------------------------------------------- */

static void check_buffer(struct ring *t, uint16_t id, int token, uint32_t len, bool skipped)
{
	struct kc_used u = must_reap(t);

	assert_int_equal(u.id, id);
	assert_ptr_equal(u.token, &t->tokens[token]);
	assert_int_equal(u.len, len);
	assert_int_equal(u.skipped, skipped);
	assert_int_equal(u.flags & WRITE, skipped ? 0 : WRITE);
}

/* Batches of one to four, over the end of the ring, with chains of several descriptors. */
static void in_order_batches(void **state)
{
	static const unsigned lens[] = { 4, 1, 2, 3 };		/* 513, 0, 0 and 512 writable bytes */
	static const uint32_t writable[] = { 513, 0, 0, 512 };
	uint32_t ndesc;
	uint16_t ids[4];
	struct ring t;

	(void)state;
	ring_open_in_order(&t, 11, 0);
	for (uint32_t from = 0; from < 22; from++) {
		for (unsigned first = 1; first <= 4; first++) {
			ring_restart(&t, from);
			for (int i = 0; i < 4; i++)
				ids[i] = must_add(&t, four, lens[i], &t.tokens[i]);
			kc_packed_publish(&t.vq);
			ndesc = 0;
			for (unsigned i = 0; i < first; i++)
				ndesc += lens[i];
			device_uses(&t, ids[first - 1], 77, ndesc);
			for (unsigned i = 0; i < first; i++)
				check_buffer(&t, ids[i], i, i + 1 < first ? writable[i] : 77,
					     i + 1 < first);
			nothing_to_reap(&t);
			assert_int_equal(t.vq.nfree, 1 + ndesc);
			/* The rest one by one, which is as right. */
			for (unsigned i = first; i < 4; i++) {
				device_uses(&t, ids[i], i, lens[i]);
				check_buffer(&t, ids[i], i, i, false);
			}
			nothing_to_reap(&t);
			assert_int_equal(t.vq.nfree, 11);
			assert_int_equal(kc_packed_in_flight(&t.vq), 0);
		}
	}
	ring_close(&t);
}

/* More is added and published while a batch is handed out. */
static void in_order_goes_on_inside_a_batch(void **state)
{
	uint16_t ids[4];
	struct ring t;

	(void)state;
	ring_open_in_order(&t, 3, 2);
	for (int i = 0; i < 3; i++)
		ids[i] = must_add(&t, one, 1, &t.tokens[i]);
	kc_packed_publish(&t.vq);
	device_uses(&t, ids[2], 1, 3);
	check_buffer(&t, ids[0], 0, 1, true);
	ids[3] = must_add(&t, one, 1, &t.tokens[3]);
	kc_packed_publish(&t.vq);
	assert_true(kc_packed_arm(&t.vq));
	check_buffer(&t, ids[1], 1, 1, true);
	check_buffer(&t, ids[2], 2, 1, false);
	nothing_to_reap(&t);
	device_uses(&t, ids[3], 1, 1);
	check_buffer(&t, ids[3], 3, 1, false);
	nothing_to_reap(&t);
	ring_close(&t);
}

static void in_order_impossible(void **state)
{
	uint16_t ids[3];
	struct kc_used u;
	struct ring t;

	(void)state;
	ring_open_in_order(&t, 7, 0);
	for (int i = 0; i < 3; i++)
		ids[i] = must_add(&t, one, 1, &t.tokens[i]);
	kc_packed_publish(&t.vq);
	device_uses(&t, 0x4444, 5, 1);
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(u.id, 0x4444);
	nothing_to_reap(&t);
	assert_int_equal(kc_packed_in_flight(&t.vq), 3);
	/* What it stood for is complete when a later one is; the position stays the device's. */
	device_uses(&t, ids[1], 1, 1);
	check_buffer(&t, ids[0], 0, 1, true);
	check_buffer(&t, ids[1], 1, 1, false);
	nothing_to_reap(&t);
	device_uses(&t, ids[2], 1, 1);
	check_buffer(&t, ids[2], 2, 1, false);

	/* An older id comes after a newer one: it is in flight no more. */
	for (int i = 0; i < 3; i++)
		ids[i] = must_add(&t, one, 1, &t.tokens[i]);
	kc_packed_publish(&t.vq);
	device_uses(&t, ids[1], 1, 2);
	device_uses(&t, ids[0], 1, 1);
	check_buffer(&t, ids[0], 0, 1, true);
	check_buffer(&t, ids[1], 1, 1, false);
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(kc_packed_in_flight(&t.vq), 1);
	ring_close(&t);
}

/* After impossible ones a possible one is read once only, be it the oldest. */
static void in_order_possible_again(void **state)
{
	uint16_t ids[4];
	struct kc_used u;
	struct ring t;

	(void)state;
	ring_open_in_order(&t, 5, 3);
	for (int i = 0; i < 4; i++)
		ids[i] = must_add(&t, one, 1, &t.tokens[i]);
	kc_packed_publish(&t.vq);
	for (int i = 0; i < 2; i++) {
		device_uses(&t, 0x4444, 0, 1);
		assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
	}
	device_uses(&t, ids[0], 1, 1);
	check_buffer(&t, ids[0], 0, 1, false);
	nothing_to_reap(&t);
	device_uses(&t, ids[3], 1, 1);
	check_buffer(&t, ids[1], 1, 1, true);
	assert_true(kc_packed_ready(&t.vq));
	check_buffer(&t, ids[2], 2, 1, true);
	check_buffer(&t, ids[3], 3, 1, false);
	nothing_to_reap(&t);
	assert_int_equal(t.vq.nfree, 5);
	ring_close(&t);
}

static void in_order_added_is_not_in_flight(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t id;

	(void)state;
	ring_open_in_order(&t, 7, 0);
	must_add(&t, one, 1, &t);
	kc_packed_publish(&t.vq);
	id = must_add(&t, one, 1, &t);
	device_uses(&t, id, 1, 2);
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
	ring_close(&t);
}

/* A whole ring of single descriptors, one used descriptor a lap. */
static void in_order_whole_laps(void **state)
{
	uint16_t ids[100];
	struct ring t;

	(void)state;
	for (unsigned s = 0; s < COUNT(sizes) - 1; s++) {
		uint32_t n = sizes[s];

		ring_open_in_order(&t, n, n - 1);
		for (int round = 0; round < 5; round++) {
			for (uint32_t i = 0; i < n; i++)
				ids[i] = must_add(&t, one, 1, &t.tokens[i % 8]);
			kc_packed_publish(&t.vq);
			device_uses(&t, ids[n - 1], 1, n);
			for (uint32_t i = 0; i < n; i++)
				check_buffer(&t, ids[i], i % 8, 1, i + 1 < n);
			nothing_to_reap(&t);
		}
		ring_close(&t);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(impossible_used_descriptors),
		cmocka_unit_test(used_twice),
		cmocka_unit_test(never_beyond_what_was_published),
		cmocka_unit_test(lengths_are_private),
		cmocka_unit_test(soaks),
		cmocka_unit_test(in_order_batches),
		cmocka_unit_test(in_order_goes_on_inside_a_batch),
		cmocka_unit_test(in_order_impossible),
		cmocka_unit_test(in_order_possible_again),
		cmocka_unit_test(in_order_added_is_not_in_flight),
		cmocka_unit_test(in_order_whole_laps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed rings before the oracle, written by hand: right ones of every shape, and their picture.
 * Nobody is accused. What is wrong with others is in test_oracle_packed_*.c.
 * Modules: harness/oracle/layout_packed.c
 */
#include <tests/unit/oracle_packed_fixture.h>

static void right_requests_of_every_size(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 5, 7, 16, 33 };
	struct bench *b = *state;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		laps(b, sizes[i], 0, false);
		laps(b, sizes[i], sizes[i], false);		/* wrap counter 0 */
		laps(b, sizes[i], 2 * sizes[i] - 1, false);
		laps(b, sizes[i], sizes[i] - 1, true);
	}
	kc_oracle_finish(b->o);
	none(b);
}

/* The largest ring: a period of 65536, and a list that fills it. */
static void the_largest_ring(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 32768, 32766, WITH_EVENT_IDX);
	struct kc_pdesc *d = calloc(32768, sizeof(*d));

	pk_event(b, q, 5, DESC);	/* the lap after next */
	for (unsigned i = 0; i < 4; i++) {
		pk_request(b, q, 0, 0xffff);
		pk_serve(b, q, 0, 0xffff);
		kc_oracle_reaped(b->o, 0, 0xffff);
	}
	assert_false(view(b, 0).call_due);
	drv_fill(b, BUF(3), 0xa5, 32);
	for (unsigned i = 0; i < 32768; i++)
		d[i] = (struct kc_pdesc){ BUF(3) + i % 4, 1, 0, i < 32764 ? 0 : WRITE };
	pk_list(b, q, d, 32768, 32767);
	free(d);
	kc_oracle_kicked(b->o, 0);
	dev_fill(b, BUF(3), 0x77, 4);
	pk_use(b, q, 32768, 32767, 4);
	assert_true(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_reaped(b->o, 0, 32767);
	assert_int_equal(view(b, 0).used_idx, pk_off_wrap(q, (32766 + 8 + 32768) % 65536));
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
	assert_false(view(b, 0).malformed);
}

/* A list over the end: what comes behind it has the other wrap counter, and the id is the last one's. */
static void a_list_over_the_end(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 5, 3, 0);

	pk_request_of(b, q, 0, 4, 9);
	assert_int_equal(view(b, 0).offered, 1);
	pk_serve_of(b, q, 0, 4, 9);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_reaped(b->o, 0, 9);
	assert_int_equal(view(b, 0).used_idx, 2);	/* wrap counter 0 */
	pk_stop(b, q);
	none(b);
	assert_false(view(b, 0).malformed);
}

/* One slot; WRITE beside INDIRECT means nothing, nor do ids in the table. */
static void a_table(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 3, 0, WITH_INDIRECT);

	for (unsigned i = 0; i < 7; i++) {
		offer_table(b, q, i % 2 ? WRITE : 0, 0);
		pk_serve_of(b, q, 0, 1, 6);
		kc_oracle_called(b->o, 0, 1);
		kc_oracle_reaped(b->o, 0, 6);
	}
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
	assert_false(view(b, 0).malformed);
	suspected(b, 0, NULL, NULL);
}

/* NEXT and the rest are reserved there: a device passes them over. */
static void flags_in_a_table_mean_nothing(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 3, 0, WITH_INDIRECT);

	offer_table(b, q, 0, NEXT | KC_PDESC_F_AVAIL | KC_PDESC_F_USED);
	pk_serve_of(b, q, 0, 1, 6);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_reaped(b->o, 0, 6);
	pk_stop(b, q);
	none(b);
}

/* One descriptor with the last id, in the first slot, for lists of 2, 1 and 3: over the end as well. */
static void an_in_order_batch(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 7, 0, WITH_IN_ORDER);

	for (unsigned round = 0; round < 5; round++) {
		pk_request_of(b, q, 0, 2, 30);
		pk_request_of(b, q, 1, 1, 20);
		pk_request_of(b, q, 2, 3, 10);
		for (unsigned i = 0; i < 3; i++)
			dev_fill(b, BUF(2 * i + 1), 0x77, 32);
		pk_use(b, q, 6, 10, 32);
		assert_int_equal(view(b, 0).used, 3 * (round + 1));
		kc_oracle_called(b->o, 0, 1);
		for (unsigned id = 10; id <= 30; id += 10)
			kc_oracle_reaped(b->o, 0, id);
	}
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
	suspected(b, 0, NULL, NULL);
}

static void a_batch_of_a_full_lap(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, WITH_IN_ORDER);

	for (unsigned round = 0; round < 3; round++) {
		pk_request_of(b, q, 0, 3, 0);
		pk_request_of(b, q, 1, 1, 1);
		dev_fill(b, BUF(1), 0x77, 32);
		dev_fill(b, BUF(3), 0x77, 32);
		pk_use(b, q, 4, 1, 32);
		assert_true(view(b, 0).call_due);
		kc_oracle_called(b->o, 0, 1);
		kc_oracle_reaped(b->o, 0, 0);
		kc_oracle_reaped(b->o, 0, 1);
	}
	pk_stop(b, q);
	none(b);
}

/* A device may be so quick that it has used a list before anybody hears that it was offered. */
static void a_quick_device(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_ring(b, 0, 2, 0, 0);
	uint16_t flags = WRITE | pk_avail_bits(q, 0);
	uint8_t raw[16];

	kc_oracle_queue_start(b->o, 0, &q->c);
	drv_fill(b, BUF(1), 0xa5, 32);
	for (unsigned i = 0; i < 6; i++, q->avail_pos = pk_forward(q, q->avail_pos, 1)) {
		flags = htole16(WRITE | pk_avail_bits(q, q->avail_pos));
		kc_pdesc_encode(raw, (struct kc_pdesc){ BUF(1), 32, 7, 0 });
		drv_write(b, pk_gpa(q, q->avail_pos), raw, KC_PDESC_FLAGS);
		dev_store16(b, pk_gpa(q, q->avail_pos) + KC_PDESC_FLAGS, le16toh(flags));
		dev_fill(b, BUF(1), 0x77, 32);
		pk_use_unseen(b, q, 1, 7, 32);
		kc_mem_wrote(&b->mem, pk_gpa(q, q->avail_pos) + KC_PDESC_FLAGS, &flags, 2);
		kc_oracle_published(b->o, 0);
		assert_int_equal(view(b, 0).used, i + 1);
		kc_oracle_called(b->o, 0, 1);
		kc_oracle_reaped(b->o, 0, 7);
	}
	pk_stop(b, q);
	none(b);
}

/* A used descriptor is several stores: a look that falls between them sees half of it. */
static void half_a_used_descriptor(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_request(b, q, 0, 3);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_store(b, q, 0, 3, 32, NEXT | KC_PDESC_F_AVAIL);	/* still available */
	kc_oracle_verify_memory(b->o);
	none(b);
	pk_use(b, q, 2, 3, 32);
	assert_int_equal(view(b, 0).used, 1);
	none(b);
}

/* Of several buffers for one request the first is marked used last (2.8.9). */
static void the_first_of_several_last(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	for (unsigned i = 0; i < 3; i++) {
		pk_request_of(b, q, i, 1, i);
		dev_fill(b, BUF(2 * i + 1), 0x77, 32);
	}
	for (unsigned i = 3; i-- > 0;) {
		assert_int_equal(view(b, 0).used, 0);
		pk_store(b, q, i, i, 32, WRITE | pk_used_bits(q, i));
		kc_oracle_verify_memory(b->o);
	}
	q->used_pos = 3;
	assert_int_equal(view(b, 0).used, 3);
	kc_oracle_called(b->o, 0, 1);
	pk_stop(b, q);
	none(b);
}

/* Another queue's ring lies where a ring was that is stopped. */
static void a_ring_where_another_was(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);
	struct bench_queue *other = pk_ring(b, 1, 4, 0, 0);

	pk_stop(b, q);
	other->c.desc = q->c.desc;
	kc_oracle_queue_start(b->o, 1, &other->c);
	pk_request(b, other, 0, 3);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_use(b, other, 2, 3, 32);
	kc_oracle_called(b->o, 1, 1);
	pk_stop(b, other);
	none(b);
}

/* The connection ends with lists in flight: what the device still does with them is no offence. */
static void orphans_may_be_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_session_end(b->o, false);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_use(b, q, 2, 3, 32);
	kc_oracle_verify_memory(b->o);
	none(b);
	pk_store(b, q, 2, 3, 32, 0x1234);
	kc_oracle_session_start(b->o);
	kc_oracle_verify_memory(b->o);
	none(b);
}

/* Pictures and names of whatever is there. */
static void a_picture(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 5, 3, WITH_EVENT_IDX);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	pk_request_of(b, q, 0, 1, 7);
	pk_serve_of(b, q, 0, 1, 7);
	pk_request_of(b, q, 1, 3, 9);
	pk_event(b, q, 8, DESC);
	kc_oracle_picture(b->o, 0, f);
	fclose(f);
	assert_non_null(strstr(text, "queue 0: packed, size 5, started"));
	assert_non_null(strstr(text, "next to offer: slot 2, wrap 0   offered 2   driver area: "
			       "flags 2, slot 3, wrap 0"));
	assert_non_null(strstr(text, "next to use:   slot 4, wrap 1   used 1   device area: flags 0"));
	assert_non_null(strstr(text, "in flight: id 9 (slot 4, 16 out, 32 in)"));
	assert_non_null(strstr(text, "used last: slot 3 id 7 len 32"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(right_requests_of_every_size),
		RUN(the_largest_ring),
		RUN(a_list_over_the_end),
		RUN(a_table),
		RUN(flags_in_a_table_mean_nothing),
		RUN(an_in_order_batch),
		RUN(a_batch_of_a_full_lap),
		RUN(a_quick_device),
		RUN(half_a_used_descriptor),
		RUN(the_first_of_several_last),
		RUN(a_ring_where_another_was),
		RUN(orphans_may_be_used),
		RUN(a_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

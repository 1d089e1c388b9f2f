/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drivers that break the rules of packed rings, before the oracle: whatever their device makes of
 * it is excused, and what it does wrong by itself is not.
 * Modules: harness/oracle/layout_packed.c
 */
#include <tests/unit/oracle_packed_fixture.h>

/* --- Rules that leave a ring sound ------------------------------------------------------------ */

/* The first descriptor of a list is the last one to be available (VQ-PACKED-SG-DRV-04). */
static void a_list_is_shown_as_a_whole(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 5, 3, 0);	/* its third slot is on the next lap */
	struct kc_pdesc d[3] = { { BUF(0), 16, 0, NEXT }, { BUF(1), 16, 0, NEXT }, { BUF(2), 16, 7, 0 } };

	for (unsigned i = 3; i-- > 0;) {
		drv_fill(b, BUF(i), 0x11, 16);
		assert_null(view(b, 0).driver_broke);
		pk_desc(b, q, q->avail_pos + i, d[i]);
	}
	kc_oracle_published(b->o, 0);
	assert_null(view(b, 0).driver_broke);
	pk_stop(b, q);
	q = pk_start(b, 0, 5, 3, 0);
	pk_desc(b, q, q->avail_pos + 2, d[2]);
	pk_desc(b, q, q->avail_pos, d[0]);
	assert_non_null(strstr(view(b, 0).driver_broke, "before all of it was written"));
	pk_desc(b, q, q->avail_pos + 1, d[1]);
	kc_oracle_published(b->o, 0);
	assert_false(view(b, 0).malformed);
	pk_stop(b, q);
	none(b);
}

/* A device must not heed them (VQ-PACKED-INDIRECT-01), and no driver may set them (-DRV-02). */
static void flags_inside_a_table(void **state)
{
	static const uint16_t flags[] = { WRITE, WRITE | NEXT, WRITE | KC_PDESC_F_AVAIL };
	struct bench *b = *state;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct bench_queue *q = pk_start(b, 0, 5, 0, WITH_INDIRECT);

		pk_write(b, TABLE(0), (struct kc_pdesc){ BUF(0), 16, 0, flags[i] });
		pk_write(b, TABLE(0) + 16, (struct kc_pdesc){ BUF(1), 16, 0, WRITE });
		pk_list(b, q, &(struct kc_pdesc){ TABLE(0), 32, 0, IND }, 1, 3);
		assert_int_equal(view(b, 0).driver_broke != NULL, i > 0);
		assert_false(view(b, 0).malformed);
		pk_stop(b, q);
	}
	none(b);
}

/* --- Rules without which nothing can be said -------------------------------------------------- */

/* Whatever a device makes of it, in the ring and outside: nothing is accused, and the next start is like
 * any other. */
static void anything_goes(struct bench *b, struct bench_queue *q)
{
	assert_true(view(b, 0).malformed);
	for (unsigned i = 0; i < q->c.size; i++) {
		pk_use(b, q, 1, i, 0);
		kc_oracle_verify_memory(b->o);
	}
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
	kc_oracle_verify_memory(b->o);
	none(b);
	laps(b, 5, 2, false);
	dev_fill(b, BUF(60), 1, 1);
	kc_oracle_verify_memory(b->o);
	accused(b, "VU-SUSPEND-01", "");
}

static void one_id_for_two(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_request(b, q, 1, 3);
	anything_goes(b, q);
}

static void a_list_that_never_ends(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 1, 0);

	for (unsigned i = 4; i-- > 0;)
		pk_desc(b, q, 1 + i, (struct kc_pdesc){ BUF(i), 16, i, NEXT });
	kc_oracle_published(b->o, 0);
	anything_goes(b, q);
}

static void a_list_into_the_unknown(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_desc(b, q, 0, (struct kc_pdesc){ BUF(0), 16, 3, NEXT });
	kc_oracle_published(b->o, 0);
	anything_goes(b, q);
}

/* It reaches round the ring into a list that the device still has. */
static void a_list_into_another(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_request_of(b, q, 0, 3, 2);
	pk_desc(b, q, 3, (struct kc_pdesc){ BUF(6), 16, 3, NEXT });
	kc_oracle_published(b->o, 0);
	anything_goes(b, q);
}

static void a_table_in_a_list(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, WITH_INDIRECT);
	const struct kc_pdesc d[] = { { BUF(0), 16, 0, 0 }, { TABLE(0), 16, 0, IND } };

	pk_write(b, TABLE(0), (struct kc_pdesc){ BUF(1), 32, 0, WRITE });
	pk_list(b, q, d, 2, 3);
	anything_goes(b, q);
}

static void a_buffer_over_the_ring(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_list(b, q, &(struct kc_pdesc){ q->c.desc + 16, 48, 0, WRITE }, 1, 3);
	dev_fill(b, q->c.desc + 16, 0xff, 48);
	kc_oracle_observe(b->o);
	anything_goes(b, q);
}

static void another_id_in_flight(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_request(b, q, 0, 3);
	drv_write16(b, pk_gpa(q, 1) + KC_PDESC_ID, 2);
	anything_goes(b, q);
}

static void another_length_in_flight(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_request(b, q, 0, 3);
	drv_write16(b, pk_gpa(q, 0) + KC_PDESC_FLAGS, KC_PDESC_F_AVAIL);
	anything_goes(b, q);
}

/* The device may read half of either address, and write wherever that is; until it has used it. */
static void another_address_in_flight(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_request(b, q, 0, 3);
	pk_desc(b, q, 1, (struct kc_pdesc){ BUF(8), 32, 3, WRITE });
	dev_fill(b, BUF(12), 0x77, 32);
	pk_serve(b, q, 0, 3);
	assert_int_equal(view(b, 0).used, 1);
	kc_oracle_verify_memory(b->o);
	kc_oracle_reaped(b->o, 0, 3);
	kc_oracle_verify_memory(b->o);
	none(b);
	dev_fill(b, BUF(1), 0x78, 1);
	kc_oracle_verify_memory(b->o);
	accused(b, "VU-MEMACC-01", "belongs to no buffer in flight");
}

/* The driver writes used descriptors itself: where nothing is in flight that says nothing of the device. */
static void forged_where_nothing_is_in_flight(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_write(b, pk_gpa(q, 0), (struct kc_pdesc){ 0, 0, 3, pk_used_bits(q, 0) });
	kc_oracle_observe(b->o);
	pk_write(b, pk_gpa(q, 0), (struct kc_pdesc){ 0, 0, 1, pk_used_bits(q, 0) });
	kc_oracle_observe(b->o);
	assert_int_equal(view(b, 0).used, 0);
	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	assert_int_equal(view(b, 0).used, 1);
	none(b);
}

static void forged_in_flight(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_request(b, q, 0, 3);
	pk_request(b, q, 1, 2);
	pk_write(b, pk_gpa(q, 0), (struct kc_pdesc){ 0, 0, 2, pk_used_bits(q, 0) });
	assert_int_equal(view(b, 0).used, 0);
	anything_goes(b, q);
}

/* The first is sound, the second is not: the first is judged like any other. */
static void a_sound_list_before_a_bad_one(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_request(b, q, 0, 3);
	pk_desc(b, q, 2, (struct kc_pdesc){ BUF(4), 16, 2, NEXT });
	kc_oracle_published(b->o, 0);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_use(b, q, 2, 3, 33);
	accused(b, "VQ-PACKED-LEN-01", "len 33");
}

/* What was written before a bad list was used is still found. */
static void a_stray_write_before_a_bad_list_is_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 0, 0);

	pk_list(b, q, &(struct kc_pdesc){ BUF(4), 0, 0, 0 }, 1, 3);
	dev_fill(b, BUF(50), 0x77, 1);
	pk_use(b, q, 1, 3, 0);
	accused(b, "VU-MEMACC-01", "");
}

/* A ring that lies over the border of two regions cannot be read in one piece. */
static void a_ring_over_a_border(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_ring(b, 0, 4, 0, 0);

	q->c.desc = REGION2 - 32;
	for (unsigned i = 0; i < 4; i++)
		pk_write(b, pk_gpa(q, i), (struct kc_pdesc){ 0 });
	kc_oracle_queue_start(b->o, 0, &q->c);
	pk_request(b, q, 0, 3);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(a_list_is_shown_as_a_whole),
		RUN(flags_inside_a_table),
		RUN(one_id_for_two),
		RUN(a_list_that_never_ends),
		RUN(a_list_into_the_unknown),
		RUN(a_list_into_another),
		RUN(a_table_in_a_list),
		RUN(a_buffer_over_the_ring),
		RUN(another_id_in_flight),
		RUN(another_length_in_flight),
		RUN(another_address_in_flight),
		RUN(forged_where_nothing_is_in_flight),
		RUN(forged_in_flight),
		RUN(a_sound_list_before_a_bad_one),
		RUN(a_stray_write_before_a_bad_list_is_used),
		RUN(a_ring_over_a_border),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that uses a packed ring wrongly, before the oracle: ids, slots and wrap counters, the
 * len and WRITE of used descriptors, and memory that it must not write.
 * Modules: harness/oracle/layout_packed.c, harness/oracle/rules.c
 */
#include <tests/unit/oracle_packed_fixture.h>

/* --- What is used ----------------------------------------------------------------------------- */

static void an_id_never_offered(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_use(b, q, 2, 5, 0);
	accused(b, "VQ-PACKED-USED-01", "slot 0 names id 5 (len 0), expected one of the 1 ids in flight");
	kc_oracle_quiet(b->o);
	kc_oracle_verify_memory(b->o);
	none(b);
}

/* The first descriptor's id is none. */
static void the_first_descriptors_id(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_use(b, q, 2, 0xbad0, 0);
	accused(b, "VQ-PACKED-USED-01", "names id 47824");
}

static void an_id_twice(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_request(b, q, 1, 4);
	pk_serve(b, q, 0, 3);
	pk_use(b, q, 2, 3, 0);
	accused(b, "VQ-PACKED-USED-01", "slot 2 names id 3, expected one in flight, and this one "
		"was used already");
}

static void used_with_nothing_in_flight(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 4, 6, 0);

	pk_use(b, q, 1, 0, 0);
	accused(b, "VQ-PACKED-USED-01", "slot 2 names id 0 (len 0), expected one of the 0 ids");
}

/* As a device does that moves on by one, whatever the list took. */
static void a_used_descriptor_too_early(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_request(b, q, 1, 4);
	pk_serve_of(b, q, 0, 1, 3);
	none(b);
	dev_fill(b, BUF(3), 0x77, 32);
	pk_use(b, q, 1, 4, 32);		/* in slot 1 */
	kc_oracle_verify_memory(b->o);
	accused(b, "VQ-PACKED-DEV-02", "slot 1 of the ring of queue 0");
}

/* Sim: nothing can run any more. Live: it was stopped. */
static void a_used_descriptor_too_far(void **state, bool stop)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_request(b, q, 1, 4);
	kc_oracle_kicked(b->o, 0);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_store(b, q, 2, 3, 32, WRITE | pk_used_bits(q, 2));
	kc_oracle_observe(b->o);
	none(b);
	end(b, stop);
	accused(b, "VQ-PACKED-DEV-02", "slot 2 was written with id 3, expected the next used "
		"descriptor in slot 0");
	kc_oracle_verify_memory(b->o);
	none(b);
}

static void in_the_wrong_slot(void **state)
{
	a_used_descriptor_too_far(state, false);
}

static void in_the_wrong_slot_at_the_stop(void **state)
{
	a_used_descriptor_too_far(state, true);
}

static void marked_wrongly(void **state, uint16_t bits, const char *text, bool stop)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_kicked(b->o, 0);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_store(b, q, 0, 3, 32, WRITE | bits);
	end(b, stop);
	accused(b, "VQ-PACKED-WRAP-03", text);
	kc_oracle_verify_memory(b->o);
	none(b);
}

static void used_is_set_and_avail_is_not(void **state)
{
	marked_wrongly(state, KC_PDESC_F_USED, "slot 0 was written with id 3, AVAIL 0 and USED 1, "
		       "expected both to be 1", false);
}

static void the_wrap_counter_of_another_lap(void **state)
{
	marked_wrongly(state, 0, "AVAIL 0 and USED 0, expected both to be 1", true);
}

static void flags_never_written(void **state)
{
	marked_wrongly(state, KC_PDESC_F_AVAIL, "AVAIL 1 and USED 0, expected both to be 1", false);
}

static void a_skipped_slot_is_written(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_store(b, q, 1, 3, 32, WRITE | pk_used_bits(q, 1));
	pk_use(b, q, 2, 3, 32);
	accused(b, "VQ-PACKED-DEV-02", "slot 1 of the ring of queue 0");
}

static void a_skipped_slot_is_written_later(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	pk_store(b, q, 1, 3, 32, WRITE | pk_used_bits(q, 1));
	kc_oracle_called(b->o, 0, 1);
	none(b);
	pk_stop(b, q);
	accused(b, "VQ-PACKED-DEV-02", "slot 1 of the ring of queue 0");
}

static void a_used_descriptor_is_changed(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	dev_store16(b, pk_gpa(q, 0) + KC_PDESC_ID, 4);
	kc_oracle_verify_memory(b->o);
	accused(b, "VQ-PACKED-DEV-02", "slot 0 of the ring of queue 0");
}

static void out_of_order(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 7, WITH_IN_ORDER);

	pk_request_of(b, q, 0, 3, 3);
	pk_request_of(b, q, 1, 2, 4);
	dev_fill(b, BUF(1), 0x77, 32);
	dev_fill(b, BUF(3), 0x77, 32);
	pk_use_unseen(b, q, 2, 4, 32);
	pk_use(b, q, 3, 3, 32);
	accused(b, "VIRTIO-RSVD-DEV-05", "slot 7 names id 4 (slot 2), expected id 3 (slot 7)");
	assert_int_equal(view(b, 0).used, 2);
	kc_oracle_verify_memory(b->o);
	none(b);
}

/* --- len and WRITE ---------------------------------------------------------------------------- */

static void len_above_what_is_writable(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 3, 0);

	pk_request(b, q, 0, 3);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_use(b, q, 2, 3, 33);
	accused(b, "VQ-PACKED-LEN-01", "id 3 was used with len 33 (slot 3), expected at most its 32");
}

/* Without WRITE len is reserved: whatever it says is nothing. */
static void len_without_write(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_output(b, q, 0, 3);
	pk_store(b, q, 0, 3, 1000, pk_used_bits(q, 0));
	kc_oracle_observe(b->o);
	q->used_pos = 1;
	kc_oracle_called(b->o, 0, 1);
	pk_stop(b, q);
	none(b);
}

static void len_is_not_written(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	dev_fill(b, BUF(1), 0x77, 30);
	pk_use(b, q, 2, 3, 32);
	none(b);
	suspected(b, 2, "VQ-PACKED-LEN-01", "id 3 was used with len 32");
}

/* What was skipped counts as written completely, whatever is said of the last. */
static void a_skipped_list_is_not_written(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, WITH_IN_ORDER);

	pk_request(b, q, 0, 3);
	pk_request(b, q, 1, 4);
	dev_fill(b, BUF(1), 0x77, 29);
	dev_fill(b, BUF(3), 0x77, 30);
	pk_use(b, q, 4, 4, 30);
	none(b);
	suspected(b, 3, "VQ-PACKED-INORDER-01", "id 3 was used without an entry of its own, expected the first 32 "
		  "writable bytes");
}

static void write_is_clear_and_bytes_are_written(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	dev_fill(b, BUF(1) + 5, 0x77, 3);
	pk_use(b, q, 2, 3, 0);
	accused(b, "VQ-PACKED-WRITE-01", "id 3 was used in slot 0 with WRITE clear, expected it to "
		"be set, since 3 of its bytes were written");
}

/* Nothing was written, or the same that was there: nothing proves that it should say so. */
static void write_is_clear_and_nothing_changed(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	dev_fill(b, BUF(1), 0xa5, 32);
	pk_use(b, q, 2, 3, 0);
	kc_oracle_called(b->o, 0, 1);
	pk_stop(b, q);
	none(b);
}

/* What two lists in flight may both write, the other one may have written. */
static void write_is_clear_and_another_may_have_written(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	drv_fill(b, BUF(1), 0xa5, 32);
	for (unsigned id = 0; id < 2; id++)
		pk_list(b, q, &(struct kc_pdesc){ BUF(1), 32, 0, WRITE }, 1, id);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_use(b, q, 1, 0, 0);
	pk_use(b, q, 1, 1, 32);
	none(b);
}

/* Who drops a page has not written into a buffer. */
static void write_is_clear_and_the_buffer_is_lent(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	kc_oracle_lend(b->o, BUF(1), 32, true);
	pk_request(b, q, 0, 3);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_use(b, q, 2, 3, 0);
	kc_oracle_lend(b->o, BUF(1), 32, false);
	kc_oracle_verify_memory(b->o);
	none(b);
	dev_fill(b, BUF(1), 0x78, 1);
	kc_oracle_verify_memory(b->o);
	assert_int_equal(b->n, 1);
}

/* Nor need one show traces who says that it has. */
static void all_is_written_and_the_buffer_is_lent(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	drv_fill(b, BUF(1), 0xa5, 32);
	kc_oracle_lend(b->o, BUF(1), 32, true);
	pk_list(b, q, &(struct kc_pdesc){ BUF(1), 32, 0, WRITE }, 1, 3);
	pk_use(b, q, 1, 3, 32);
	none(b);
	suspected(b, 0, NULL, NULL);
}

static void write_is_set_and_nothing_is_writable(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_output(b, q, 0, 3);
	pk_store(b, q, 0, 3, 0, WRITE | pk_used_bits(q, 0));
	kc_oracle_observe(b->o);
	accused(b, "VQ-PACKED-WRITE-01", "with WRITE set, expected it to be clear, since nothing "
		"in its list is");
}

/* In order, what is said may be said of the whole batch. */
static void write_is_set_for_a_batch(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, WITH_IN_ORDER);

	pk_request_of(b, q, 0, 1, 3);
	pk_output(b, q, 1, 4);
	dev_fill(b, BUF(1), 0x77, 32);
	pk_store(b, q, 0, 4, 0, WRITE | pk_used_bits(q, 0));
	kc_oracle_observe(b->o);
	assert_int_equal(view(b, 0).used, 2);
	none(b);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static void memory(void **state, uint64_t gpa, const char *clause, const char *text)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, WITH_INDIRECT);

	offer_table(b, q, 0, 0);
	dev_fill(b, gpa, 0xee, 1);
	kc_oracle_verify_memory(b->o);
	accused(b, clause, text);
}

static void a_readable_buffer_is_written(void **state)
{
	memory(state, BUF(0) + 3, "VQ-PACKED-DESC-DEV-01", "a readable buffer of id 6 of queue 0");
}

static void a_table_is_written(void **state)
{
	memory(state, TABLE(0) + 20, "VU-MEMACC-01", "an indirect table of id 6 of queue 0");
}

static void memory_beside_a_buffer_is_written(void **state)
{
	memory(state, BUF(1) + 32, "VU-MEMACC-01", "the guard after a buffer of id 6 of queue 0");
}

static void memory_far_from_everything_is_written(void **state)
{
	memory(state, BUF(1) + 132, "VU-MEMACC-01", "memory that belongs to no buffer in flight, "
	       "100 bytes after the nearest, which is of id 6 of queue 0");
}

static void the_driver_area_is_written(void **state)
{
	memory(state, REGION0 + 0x1002, "VQ-PACKED-LAYOUT-01", "the driver area of queue 0");
}

static void memory_behind_the_device_area_is_written(void **state)
{
	memory(state, REGION0 + 0x2004, "VQ-PACKED-LAYOUT-01", "bytes after the device area of queue 0");
}

static void a_slot_not_in_flight_is_written(void **state)
{
	memory(state, REGION0 + 16 * 5, "VQ-PACKED-DEV-02", "slot 5 of the ring of queue 0");
}

static void a_buffer_is_written_after_it_was_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	dev_fill(b, BUF(1), 0xee, 2);
	kc_oracle_verify_memory(b->o);
	accused(b, "VQ-PACKED-USED-01", "a buffer that was used already, of id 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(an_id_never_offered),
		RUN(the_first_descriptors_id),
		RUN(an_id_twice),
		RUN(used_with_nothing_in_flight),
		RUN(a_used_descriptor_too_early),
		SIM(in_the_wrong_slot),
		RUN(in_the_wrong_slot_at_the_stop),
		SIM(used_is_set_and_avail_is_not),
		RUN(the_wrap_counter_of_another_lap),
		SIM(flags_never_written),
		RUN(a_skipped_slot_is_written),
		RUN(a_skipped_slot_is_written_later),
		RUN(a_used_descriptor_is_changed),
		RUN(out_of_order),
		RUN(len_above_what_is_writable),
		RUN(len_without_write),
		RUN(len_is_not_written),
		RUN(a_skipped_list_is_not_written),
		RUN(write_is_clear_and_bytes_are_written),
		RUN(write_is_clear_and_nothing_changed),
		RUN(write_is_clear_and_another_may_have_written),
		RUN(write_is_clear_and_the_buffer_is_lent),
		RUN(all_is_written_and_the_buffer_is_lent),
		RUN(write_is_set_and_nothing_is_writable),
		RUN(write_is_set_for_a_batch),
		RUN(a_readable_buffer_is_written),
		RUN(a_table_is_written),
		RUN(memory_beside_a_buffer_is_written),
		RUN(memory_far_from_everything_is_written),
		RUN(the_driver_area_is_written),
		RUN(memory_behind_the_device_area_is_written),
		RUN(a_slot_not_in_flight_is_written),
		RUN(a_buffer_is_written_after_it_was_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

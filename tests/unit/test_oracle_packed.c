/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed rings before the oracle, written by hand: right ones of every shape, and what is wrong with
 * others.
 * Modules: harness/oracle/layout_packed.c, harness/oracle/rules.c
 */
#include <tests/unit/oracle_bench_packed.h>

/* --- Right ------------------------------------------------------------------------------------ */

#define PLACES	32u		/* for requests */

struct traffic {
	struct bench *b;
	struct bench_queue *q;
	uint32_t seed;
	uint32_t free;			/* slots */
	struct {
		uint32_t n;		/* 0: not in flight */
		uint16_t id;
	} at[PLACES];
	unsigned order[PLACES], inflight;	/* places, as offered */
};

static uint32_t draw(struct traffic *t, uint32_t below)
{
	t->seed = t->seed * 1664525u + 1013904223u;
	return (t->seed >> 8) % below;
}

static void offer_one(struct traffic *t)
{
	uint32_t most = t->free < 17 ? t->free : 17;
	unsigned i = 0;

	while (t->at[i].n)
		i++;
	t->at[i].n = 1 + draw(t, most);
	t->at[i].id = (uint16_t)(i * 1021 + draw(t, 1000));	/* never the same for two places */
	t->order[t->inflight++] = i;
	t->free -= t->at[i].n;
	pk_request_of(t->b, t->q, i, t->at[i].n, t->at[i].id);
	kc_oracle_kicked(t->b->o, 0);
}

static void use_one(struct traffic *t, unsigned which)
{
	unsigned i = t->order[which];

	pk_serve_of(t->b, t->q, i, t->at[i].n, t->at[i].id);
	kc_oracle_called(t->b->o, 0, 1);
	kc_oracle_reaped(t->b->o, 0, t->at[i].id);
	t->free += t->at[i].n;
	t->at[i].n = 0;
	t->inflight--;
	memmove(t->order + which, t->order + which + 1, (t->inflight - which) * sizeof(t->order[0]));
}

/* Lists of every length, used in any order, over many laps. */
static void laps(struct bench *b, uint32_t size, uint32_t from, bool in_order)
{
	struct traffic t = { .b = b, .seed = size * 7 + from, .free = size };
	struct kc_oracle_view v;

	t.q = pk_start(b, 0, size, from, in_order ? WITH_IN_ORDER : 0);
	for (unsigned i = 0; i < 400; i++) {
		if (t.free && t.inflight < PLACES && (!t.inflight || draw(&t, 2)))
			offer_one(&t);
		else
			use_one(&t, in_order ? 0 : draw(&t, t.inflight));
	}
	while (t.inflight)
		use_one(&t, 0);
	kc_oracle_quiet(b->o);
	kc_oracle_verify_memory(b->o);
	v = view(b, 0);
	assert_int_equal(v.offered, v.used);
	assert_true(v.used > 150);
	assert_int_equal(v.used_idx, pk_off_wrap(t.q, t.q->used_pos));
	assert_false(v.malformed);
	assert_null(v.driver_broke);
	pk_stop(b, t.q);
	none(b);
	suspected(b, 0, NULL, NULL);
}

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

static void offer_table(struct bench *b, struct bench_queue *q, uint16_t flags, uint16_t in_table)
{
	pk_buffers(b, 0);
	pk_write(b, TABLE(0), (struct kc_pdesc){ BUF(0), 16, 0x1234, in_table });
	pk_write(b, TABLE(0) + 16, (struct kc_pdesc){ BUF(1), 32, 0x4321, WRITE | in_table });
	pk_list(b, q, &(struct kc_pdesc){ TABLE(0), 32, 0, IND | flags }, 1, 6);
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

/* Stopped with lists in the ring that nobody fetched, and started again with the base as it was said. */
static void restarted_from(struct bench *b, uint32_t size, uint32_t from, uint32_t keep)
{
	struct bench_queue *q = pk_start(b, 0, size, from, 0);
	uint32_t base;

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_reaped(b->o, 0, 3);
	pk_request(b, q, 1, 4);
	base = pk_base(q, q->used_pos, q->used_pos);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, base);
	none(b);
	q->c.base = base & keep;
	kc_oracle_queue_start(b->o, 0, &q->c);
	assert_int_equal(view(b, 0).offered, 1);
	pk_serve(b, q, 1, 4);
	assert_int_equal(view(b, 0).used, 1);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_reaped(b->o, 0, 4);
	kc_oracle_quiet(b->o);
	pk_stop(b, q);
	none(b);
}

static void restart_from_a_base(void **state)
{
	for (uint32_t from = 0; from < 10; from++)
		restarted_from(*state, 5, from, UINT32_MAX);
}

static void restart_from_a_base_with_half_of_it(void **state)
{
	for (uint32_t from = 0; from < 10; from++)
		restarted_from(*state, 5, from, 0xffff);
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

/* --- Wrong: what is used ---------------------------------------------------------------------- */

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

static void end(struct bench *b, bool stop)
{
	if (!stop) {
		kc_oracle_quiet(b->o);
		return;
	}
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, view(b, 0).used_idx * 0x10001u);
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

/* --- Wrong: len and WRITE --------------------------------------------------------------------- */

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

/* --- Wrong: memory ---------------------------------------------------------------------------- */

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

/* --- Wrong: the device area ------------------------------------------------------------------- */

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

/* --- Rules of the driver's that leave a ring sound --------------------------------------------- */

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

/* --- Lists that are lost ---------------------------------------------------------------------- */

static void kicked_and_never_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 5, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	accused(b, "VU-RING-STATE-04", "id 3 (slot 5) was published and kicked");
}

static void overtaken_and_never_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 5, 0);

	pk_request(b, q, 0, 3);
	pk_request(b, q, 1, 4);
	pk_serve(b, q, 1, 4);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-PACKED-USED-01", "expected id 3 (slot 5) to be used once");
}

static void taken_and_never_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 5, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, pk_base(q, 7, 5));
	accused(b, "VU-MSG-GETBASE-02", "stopped with base slot 7, wrap 1, expected every chain "
		"before it to be used, and id 3 (slot 5) is not");
}

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

/* --- Bases ------------------------------------------------------------------------------------ */

/* Of a ring of 8: slots 5 and 6 were used; 7, 0 and 1 lie there unfetched. */
static void stopped_with(void **state, uint32_t base, const char *clause, const char *text)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 5, 0);

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	kc_oracle_called(b->o, 0, 1);
	pk_request_of(b, q, 1, 1, 4);
	pk_request_of(b, q, 2, 2, 5);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, base);
	if (clause)
		accused(b, clause, text);
	none(b);
}

static void a_base_with_lists_unfetched(void **state)
{
	stopped_with(state, 0x80078007, NULL, NULL);
}

static void a_base_behind_what_was_used(void **state)
{
	stopped_with(state, 0x80078006, "VU-MSG-GETBASE-01", "stopped with base slot 6, wrap 1, "
		     "expected where a chain begins from slot 7, wrap 1 on to slot 2, wrap 0");
}

static void a_base_inside_a_list(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 6, 0);

	pk_request_of(b, q, 0, 3, 3);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x80068007);
	accused(b, "VU-MSG-GETBASE-01", "base slot 7, wrap 1, expected where a chain begins from "
		"slot 6, wrap 1 on to slot 1, wrap 0");
}

static void a_base_beyond_what_is_offered(void **state)
{
	stopped_with(state, 0x80070003, "VU-MSG-GETBASE-01", "base slot 3, wrap 0");
}

static void a_base_of_the_wrong_lap(void **state)
{
	stopped_with(state, 0x80070007, "VU-MSG-GETBASE-01", "base slot 7, wrap 0");
}

static void a_base_without_its_upper_half(void **state)
{
	stopped_with(state, 0x00008007, "VU-PL-03", "bits 16 to 31 to be 0x8007");
}

static void a_base_of_no_slot(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 6, 0);

	pk_request(b, q, 0, 3);
	pk_serve(b, q, 0, 3);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x00008008);	/* slot 0 of the next lap */
	accused(b, "VU-PL-03", "bits 0 to 14 to name one of 8 slots");
}

/* --- After the stop --------------------------------------------------------------------------- */

static void a_stopped_ring_is_used(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_start(b, 1, 8, 0, 0);		/* runs on */
	pk_request(b, q, 0, 3);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x80008000);
	none(b);
	pk_use(b, q, 2, 3, 0);
	accused(b, "VU-RING-STATE-01", "slot 0 was used with id 3");
	kc_oracle_observe(b->o);
	kc_oracle_verify_memory(b->o);
	none(b);
}

static void the_last_ring_is_used_after_its_stop(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, 0x80008000);
	none(b);
	pk_use(b, q, 2, 3, 0);
	kc_oracle_verify_memory(b->o);
	accused(b, "VU-SUSPEND-01", "slot 0 of the ring of queue 0");
}

static void completed_after_the_next_start(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = pk_start(b, 0, 8, 0, 0);

	pk_request(b, q, 0, 3);
	kc_oracle_reset(b->o);
	q = pk_start(b, 0, 8, 0, 0);
	pk_request(b, q, 1, 4);
	pk_use(b, q, 2, 3, 0);
	accused(b, "VQ-RESET-DEV-01", "slot 0 names id 3, which was in flight when the queue was "
		"stopped");
}

/* --- Drivers that break the rules ------------------------------------------------------------- */

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
		RUN(restart_from_a_base),
		RUN(restart_from_a_base_with_half_of_it),
		RUN(a_quick_device),
		RUN(half_a_used_descriptor),
		RUN(the_first_of_several_last),
		RUN(a_ring_where_another_was),
		RUN(orphans_may_be_used),
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
		RUN(a_list_is_shown_as_a_whole),
		RUN(flags_inside_a_table),
		SIM(kicked_and_never_used),
		SIM(overtaken_and_never_used),
		RUN(taken_and_never_used),
		SIM(asleep_without_a_wish),
		SIM(asleep_before_the_event),
		SIM(asleep_until_a_kick),
		SIM(laps_without_a_kick),
		RUN(a_base_with_lists_unfetched),
		RUN(a_base_behind_what_was_used),
		RUN(a_base_inside_a_list),
		RUN(a_base_beyond_what_is_offered),
		RUN(a_base_of_the_wrong_lap),
		RUN(a_base_without_its_upper_half),
		RUN(a_base_of_no_slot),
		RUN(a_stopped_ring_is_used),
		RUN(the_last_ring_is_used_after_its_stop),
		RUN(completed_after_the_next_start),
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
		RUN(a_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

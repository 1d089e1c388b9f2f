/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The oracle on packed rings: a driver and a device that write slot by slot, as the text of VIRTIO
 * 1.3, 2.8 has it. Rightly or wrongly; and what is wrong is named.
 */
#include "oracle_bench.h"
#include <harness/oracle/watch.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT
#define RING	REGION0
#define DRIVER	(REGION0 + 0x1000)
#define DEVICE	(REGION0 + 0x2000)
#define FROM(slot, wrap)	((slot) | (wrap) << 15)
#define BASE(slot, wrap)	(FROM(slot, wrap) * 0x10001u)	/* both sides there */

struct packed {
	struct bench *b;
	uint32_t size;
	uint32_t offer, use;		/* slots; the wrap counters */
	bool offer_wrap, use_wrap;
};

/* Queue 0; both sides begin at that slot and wrap counter. */
static struct packed packed(struct bench *b, uint32_t size, uint16_t from, unsigned with)
{
	struct packed p = { .b = b, .size = size, .offer = from & 0x7fff, .offer_wrap = from >> 15 };
	struct kc_oracle_queue c = {
		.size = size, .desc = RING, .avail = DRIVER, .used = DEVICE, .packed = true,
		.base = from | (uint32_t)from << 16, .event_idx = with & WITH_EVENT_IDX,
		.indirect = with & WITH_INDIRECT, .in_order = with & WITH_IN_ORDER, .has_call = true,
	};

	p.use = p.offer;
	p.use_wrap = p.offer_wrap;
	drv_fill(b, RING, 0, kc_pdesc_bytes(size));
	for (uint32_t i = 0; i < size; i++) {	/* slots as the lap before left them: used */
		bool lap = i < p.offer ? p.offer_wrap : !p.offer_wrap;

		drv_write16(b, RING + 16 * i + KC_PDESC_FLAGS,
			    lap ? KC_PDESC_F_AVAIL | KC_PDESC_F_USED : 0);
	}
	drv_fill(b, DRIVER, 0, KC_EVENT_BYTES);
	drv_fill(b, DEVICE, 0, KC_EVENT_BYTES);
	kc_oracle_queue_start(b->o, 0, &c);
	return p;
}

static void step(const struct packed *p, uint32_t *slot, bool *wrap, uint32_t n)
{
	*slot += n;
	if (*slot >= p->size) {
		*slot -= p->size;
		*wrap = !*wrap;
	}
}

/* The driver writes a descriptor into the next slot; not told before drv_told. */
static void put_desc(struct packed *p, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags)
{
	uint8_t raw[16];

	flags |= p->offer_wrap ? KC_PDESC_F_AVAIL : KC_PDESC_F_USED;
	kc_pdesc_encode(raw, (struct kc_pdesc){ addr, len, id, flags });
	drv_write(p->b, RING + 16 * p->offer, raw, 16);
	step(p, &p->offer, &p->offer_wrap, 1);
}

static void told(struct packed *p)
{
	kc_oracle_published(p->b->o, 0);
}

/* Two slots: 16 readable bytes, 32 writable ones with poison. */
static void offer(struct packed *p, uint16_t id)
{
	drv_fill(p->b, BUF(2 * id), 0x11, 16);
	drv_fill(p->b, BUF(2 * id + 1), 0xa5, 32);
	put_desc(p, BUF(2 * id), 16, id, NEXT);
	put_desc(p, BUF(2 * id + 1), 32, id, WRITE);
	told(p);
}

/* The device writes a used descriptor into its next slot, and skips the list's. */
static void use_as(struct packed *p, uint16_t id, uint32_t len, uint32_t slots)
{
	uint8_t *at = kc_mem_host(&p->b->mem, RING + 16 * p->use, 16);

	kc_pdesc_encode(at, (struct kc_pdesc){ 0, len, id, WRITE | (p->use_wrap ?
				KC_PDESC_F_AVAIL | KC_PDESC_F_USED : 0) });
	step(p, &p->use, &p->use_wrap, slots);
	kc_oracle_observe(p->b->o);
}

static void serve(struct packed *p, uint16_t id)
{
	dev_fill(p->b, BUF(2 * id + 1), 0x77, 32);
	use_as(p, id, 32, 2);
}

static void driver_area(struct packed *p, uint16_t flags, uint16_t off_wrap)
{
	drv_write16(p->b, DRIVER + KC_EVENT_OFF_WRAP, off_wrap);
	drv_write16(p->b, DRIVER + KC_EVENT_FLAGS, flags);
	kc_ring_fence();
	kc_oracle_suppression(p->b->o, 0);
}

/* A descriptor differs in several runs of bytes, told one by one: all under this clause. */
static void all_of(struct bench *b, const char *clause, const char *text)
{
	assert_true(b->n);
	for (unsigned i = 0; i < b->n; i++) {
		assert_string_equal(b->clause[i], clause);
		if (!strstr(b->message[i], text))
			fail_msg("\"%s\" is not in %s", text, b->message[i]);
	}
	b->n = 0;
}

static void right_requests_lap_after_lap(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 5, FROM(3, 0), 0);	/* lists cross the end of an odd ring */

	for (unsigned i = 0; i < 23; i++) {
		offer(&p, i % 7);
		kc_oracle_kicked(b->o, 0);
		serve(&p, i % 7);
		kc_oracle_called(b->o, 0, 1);
		kc_oracle_reaped(b->o, 0, i % 7);
		kc_oracle_verify_memory(b->o);
	}
	assert_int_equal(view(b, 0).used, 23);
	assert_int_equal(view(b, 0).used_idx, FROM(p.use, p.use_wrap));
	assert_false(view(b, 0).malformed);
	assert_null(view(b, 0).driver_broke);
	kc_oracle_quiet(b->o);
	none(b);
}

/* The device uses what it likes first, and its slots fall where its own count says. */
static void lists_come_back_in_any_order(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 8, FROM(0, 1), 0);

	for (unsigned lap = 0; lap < 3; lap++) {
		for (uint16_t id = 0; id < 3; id++)
			offer(&p, id);
		kc_oracle_kicked(b->o, 0);
		serve(&p, 2);
		serve(&p, 0);
		serve(&p, 1);
		kc_oracle_called(b->o, 0, 1);
		for (uint16_t id = 0; id < 3; id++)
			kc_oracle_reaped(b->o, 0, id);
		kc_oracle_verify_memory(b->o);
	}
	kc_oracle_quiet(b->o);
	none(b);
}

static void wrong_ids_and_lengths(void **state)
{
	static const struct { uint16_t id; uint32_t len; const char *clause, *said; } rows[] = {
		{ 5, 0, "VQ-PACKED-USED-01", "5" }, { 0, 33, "VQ-PACKED-LEN-01", "33" },
	};
	struct bench *b = *state;

	for (unsigned i = 0; i < 2; i++) {
		struct packed p = packed(b, 8, FROM(0, 1), 0);

		offer(&p, 0);
		dev_fill(b, BUF(1), 0x77, 32);
		use_as(&p, rows[i].id, rows[i].len, 2);
		accused(b, rows[i].clause, rows[i].said);
		kc_oracle_queue_stopped(b->o, 0, 0);
		b->n = 0;
	}
}

static void an_id_used_twice(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 8, FROM(0, 1), 0);

	offer(&p, 0);
	offer(&p, 1);
	serve(&p, 0);
	none(b);
	use_as(&p, 0, 32, 2);
	accused(b, "VQ-PACKED-USED-01", "");
}

static void a_slot_out_of_turn(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 8, FROM(0, 1), 0);

	offer(&p, 0);
	offer(&p, 1);
	p.use = 2;			/* slot 0 is the device's next */
	use_as(&p, 1, 32, 2);
	kc_oracle_verify_memory(b->o);
	all_of(b, "VQ-PACKED-DEV-02", "slot 2 of the ring of queue 0");
}

static void areas_have_their_clauses(void **state)
{
	struct bench *b = *state;

	packed(b, 8, FROM(0, 1), 0);
	dev_store16(b, DRIVER, 7);
	kc_oracle_verify_memory(b->o);
	accused(b, "VQ-PACKED-LAYOUT-01", "the driver area of queue 0");
	dev_store16(b, DEVICE + KC_EVENT_BYTES, 7);
	kc_oracle_verify_memory(b->o);
	accused(b, "VQ-PACKED-LAYOUT-01", "the 16 bytes after the device area of queue 0");
	dev_store16(b, DEVICE + KC_EVENT_FLAGS, 1);	/* no kicks, please: its own affair */
	kc_oracle_observe(b->o);
	kc_oracle_verify_memory(b->o);
	none(b);
	dev_store16(b, DEVICE + KC_EVENT_FLAGS, 2);	/* means nothing without EVENT_IDX */
	kc_oracle_observe(b->o);
	accused(b, "VQ-PACKED-EVT-01", "flags are 0x2, expected 0 or 1");
}

/* Which calls are due: none, all, or the one behind a slot. */
static void calls_by_the_driver_area(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 8, FROM(0, 1), WITH_EVENT_IDX);

	offer(&p, 0);
	serve(&p, 0);
	kc_oracle_called(b->o, 0, 1);		/* the first is free */
	driver_area(&p, VRING_PACKED_EVENT_FLAG_DISABLE, 0);
	offer(&p, 1);
	serve(&p, 1);
	assert_false(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	assert_int_equal(view(b, 0).calls_spurious, 1);
	accused(b, "VQ-PACKED-EVT-06", "DISABLE");

	/* at slot 7 of this lap: not by the list in 4 and 5, but by the one in 6 and 7 */
	driver_area(&p, VRING_PACKED_EVENT_FLAG_DESC, FROM(7, 1));
	offer(&p, 2);
	serve(&p, 2);
	assert_false(view(b, 0).call_due);
	offer(&p, 3);
	serve(&p, 3);
	assert_true(view(b, 0).call_due);
	none(b);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	accused(b, "VQ-PACKED-EVT-03", "DESC, slot 7, wrap 1");
}

/* The wrap counter tells this lap's slot from the next one's. */
static void a_wish_for_the_next_lap(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 4, FROM(0, 1), WITH_EVENT_IDX);

	driver_area(&p, VRING_PACKED_EVENT_FLAG_DESC, FROM(1, 0));
	for (uint16_t id = 0; id < 2; id++) {
		offer(&p, id);
		serve(&p, id);
		assert_false(view(b, 0).call_due);
	}
	offer(&p, 2);
	serve(&p, 2);
	assert_true(view(b, 0).call_due);
	kc_oracle_called(b->o, 0, 1);
	none(b);
}

/* What its driver does wrong: lists in `d` from slot 0 on, in a ring of 4. */
static void lists_that_break_rules(void **state)
{
	static const struct {
		const char *what, *bad;	/* bad NULL: right */
		struct kc_pdesc d[4], t[2];
		unsigned n, with;
	} rows[] = {
		{ .what = "one", .n = 1, .d = { { BUF(0), 4, 0, WRITE } } },
		{ .what = "as long as the ring", .n = 4,
		  .d = { { BUF(0), 4, 0, NEXT }, { BUF(1), 4, 0, NEXT }, { BUF(2), 4, 0, NEXT | WRITE },
			 { BUF(3), 4, 0, WRITE } } },
		{ .what = "a table", .n = 1, .with = WITH_INDIRECT, .d = { { TABLE(0), 32, 0, IND } },
		  .t = { { BUF(0), 4, 77, 0 }, { BUF(1), 4, 78, WRITE } } },
		{ .what = "NEXT in a table means nothing", .n = 1, .with = WITH_INDIRECT,
		  .d = { { TABLE(0), 32, 0, IND } },
		  .t = { { BUF(0), 4, 0, NEXT }, { BUF(1), 4, 0, WRITE | NEXT } } },
		{ .what = "never ends", .n = 4, .bad = "it is a loop",
		  .d = { { BUF(0), 4, 0, NEXT }, { BUF(1), 4, 0, NEXT }, { BUF(2), 4, 0, NEXT },
			 { BUF(3), 4, 0, NEXT } } },
		{ .what = "not negotiated", .n = 1, .bad = "INDIRECT is set and was not negotiated",
		  .d = { { TABLE(0), 16, 0, IND } }, .t = { { BUF(0), 4, 0, 0 } } },
		{ .what = "a table in a list", .n = 2, .with = WITH_INDIRECT,
		  .bad = "INDIRECT is set in a list of several descriptors",
		  .d = { { BUF(1), 4, 0, NEXT }, { TABLE(0), 16, 0, IND } }, .t = { { BUF(0), 4, 0, 0 } } },
		{ .what = "nested", .n = 1, .with = WITH_INDIRECT,
		  .bad = "an indirect table refers to another", .d = { { TABLE(0), 16, 0, IND } },
		  .t = { { BUF(0), 16, 0, IND } } },
		{ .what = "a length of 0", .n = 1, .bad = "a buffer has length 0",
		  .d = { { BUF(0), 0, 0, WRITE } } },
		{ .what = "readable behind writable", .n = 2,
		  .bad = "a readable buffer follows a writable one",
		  .d = { { BUF(0), 4, 0, NEXT | WRITE }, { BUF(1), 4, 0, 0 } } },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packed p = packed(b, 4, FROM(0, 1), rows[i].with);
		uint8_t raw[16];
		const char *bad;

		for (unsigned k = 0; k < 2; k++) {
			kc_pdesc_encode(raw, rows[i].t[k]);
			drv_write(b, TABLE(0) + 16 * k, raw, 16);
		}
		for (unsigned k = 0; k < rows[i].n; k++)
			put_desc(&p, rows[i].d[k].addr, rows[i].d[k].len, 0, rows[i].d[k].flags);
		told(&p);
		assert_int_equal(view(b, 0).offered, 1);
		assert_non_null(b->o->q[0]->first);
		bad = b->o->q[0]->first->bad;
		if (!!bad != !!rows[i].bad || (bad && strcmp(bad, rows[i].bad)))
			fail_msg("%s: expected %s, actual %s", rows[i].what, rows[i].bad, bad);
		assert_int_equal(view(b, 0).malformed, !!bad);
		kc_oracle_kicked(b->o, 0);
		if (bad)
			kc_oracle_quiet(b->o);	/* owes nothing */
		none(b);
		kc_oracle_queue_stopped(b->o, 0, BASE(0, 1));
	}
}

static void a_list_that_is_lost_is_missed(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 8, FROM(0, 1), 0);

	offer(&p, 0);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	assert_int_equal(b->n, 1);
}

static void in_order_one_stands_for_a_batch(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 8, FROM(0, 1), WITH_IN_ORDER);

	for (uint16_t id = 0; id < 3; id++) {
		offer(&p, id);
		dev_fill(b, BUF(2 * id + 1), 0x77, 32);
	}
	use_as(&p, 2, 32, 6);
	assert_int_equal(view(b, 0).used, 3);
	assert_int_equal(view(b, 0).used_idx, FROM(6, 1));
	kc_oracle_called(b->o, 0, 1);
	none(b);
}

static void a_slot_rewritten_in_flight(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 8, FROM(0, 1), 0);

	offer(&p, 0);
	drv_write16(b, RING + KC_PDESC_ID, 9);
	assert_string_equal(view(b, 0).driver_broke,
			    "a descriptor was rewritten while its list was in flight");
	none(b);
}

static void a_stopped_ring_stays_as_it_is(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 8, FROM(0, 1), 0);

	offer(&p, 0);
	kc_oracle_queue_stopped(b->o, 0, BASE(0, 1));
	kc_oracle_verify_memory(b->o);
	none(b);
	use_as(&p, 0, 0, 2);
	kc_oracle_verify_memory(b->o);
	all_of(b, "VU-SUSPEND-01", "");
}

static void the_picture(void **state)
{
	struct bench *b = *state;
	struct packed p = packed(b, 4, FROM(2, 0), WITH_EVENT_IDX);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	driver_area(&p, VRING_PACKED_EVENT_FLAG_DESC, FROM(3, 1));
	offer(&p, 6);
	serve(&p, 6);
	offer(&p, 1);
	kc_oracle_picture(b->o, 0, f);
	fclose(f);
	assert_string_equal(text,
		"queue 0: packed, size 4, started, enabled, event_idx\n"
		"  next to offer: slot 2, wrap 1   offered 2   driver area: flags 2, slot 3, wrap 1\n"
		"  next to use:   slot 0, wrap 1   used 1   device area: flags 0, slot 0, wrap 0\n"
		"  calls 0 (0 due, 0 spurious)   kicks 0   errors 0\n"
		"  in flight: head 1 (slot 0, 16 out, 32 in)\n"
		"  used last: slot 2 id 6 len 32\n");
	free(text);
	none(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(right_requests_lap_after_lap),
		RUN(lists_come_back_in_any_order),
		RUN(wrong_ids_and_lengths),
		RUN(an_id_used_twice),
		RUN(a_slot_out_of_turn),
		RUN(areas_have_their_clauses),
		SIM(calls_by_the_driver_area),
		SIM(a_wish_for_the_next_lap),
		SIM(lists_that_break_rules),
		SIM(a_list_that_is_lost_is_missed),
		RUN(in_order_one_stands_for_a_batch),
		RUN(a_slot_rewritten_in_flight),
		RUN(a_stopped_ring_stays_as_it_is),
		RUN(the_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

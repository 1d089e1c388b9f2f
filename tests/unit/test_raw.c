/* SPDX-License-Identifier: BSD-3-Clause */
/* The hostile driver's pen: each call changes exactly one field, and says so. */
#include "guest_fixture.h"
#include <errno.h>
#include <guest_model/raw.h>

#define SIZE	4u

struct ring {
	struct guest g;
	struct kc_split vq;
	struct kc_split_config c;
};

static void ring_open(struct ring *t)
{
	guest_init(&t->g);
	t->c = (struct kc_split_config){
		.size = SIZE, .from = 65535,
		.desc = guest_alloc(&t->g, kc_desc_bytes(SIZE), KC_DESC_ALIGN),
		.avail = guest_alloc(&t->g, kc_avail_bytes(SIZE), KC_AVAIL_ALIGN),
		.used = guest_alloc(&t->g, kc_used_bytes(SIZE), KC_USED_ALIGN),
	};
	assert_int_equal(kc_split_init(&t->vq, &t->g.mem, &t->c), 0);
	t->g.nlog = 0;
}

static void ring_close(struct ring *t)
{
	kc_split_fini(&t->vq);
	guest_fini(&t->g);
}

static void each_16_bit_field(void **state)
{
	static const struct {
		int (*write)(struct kc_split *vq, uint16_t v);
		bool used;
		unsigned offset;
	} fields[] = {
		{ kc_raw_avail_flags, false, 0 }, { kc_raw_avail_idx, false, 2 },
		{ kc_raw_used_event, false, 4 + 2 * SIZE }, { kc_raw_used_flags, true, 0 },
		{ kc_raw_used_idx, true, 2 }, { kc_raw_avail_event, true, 4 + 8 * SIZE },
	};
	struct ring t;

	(void)state;
	ring_open(&t);
	for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		uint64_t gpa = (fields[i].used ? t.c.used : t.c.avail) + fields[i].offset;
		uint8_t *host = kc_mem_host(&t.g.mem, gpa, 2);

		assert_int_equal(fields[i].write(&t.vq, 0xa10b + i), 0);
		assert_int_equal(host[0], 0x0b + i);
		assert_int_equal(host[1], 0xa1);
		assert_int_equal(t.g.nlog, i + 1);
		assert_int_equal(t.g.log[i], gpa);
	}
	assert_int_equal(t.vq.avail_idx, 65535);
	assert_int_equal(t.vq.published_idx, 65535);
	assert_int_equal(t.vq.used_idx, 65535);
	ring_close(&t);
}

static void ring_entries(void **state)
{
	static const uint8_t entry[] = { 0x78, 0x56, 0x34, 0x12, 0xf0, 0xde, 0xbc, 0x9a };
	struct ring t;

	(void)state;
	ring_open(&t);
	assert_int_equal(kc_raw_avail_ring(&t.vq, 3, 0xbeef), 0);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4 + 6), 0xbeef);
	assert_int_equal(kc_raw_avail_ring(&t.vq, SIZE, 1), -EINVAL);
	assert_int_equal(kc_raw_used_ring(&t.vq, 2, 0x12345678, 0x9abcdef0), 0);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.used + 4 + 16, 8), entry, 8);
	assert_int_equal(kc_raw_used_ring(&t.vq, SIZE, 1, 1), -EINVAL);
	ring_close(&t);
}

static void descriptors(void **state)
{
	static const struct kc_desc d = { 0x1122334455667788, 0x99aabbcc, 0xddee, 0xff00 };
	static const uint8_t bytes[] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
					 0xcc, 0xbb, 0xaa, 0x99, 0xee, 0xdd, 0x00, 0xff };
	uint64_t table;
	struct ring t;

	(void)state;
	ring_open(&t);
	assert_int_equal(kc_raw_desc(&t.vq, 3, d), 0);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.desc + 48, 16), bytes, 16);
	assert_int_equal(kc_raw_desc(&t.vq, SIZE, d), -EINVAL);
	table = guest_alloc(&t.g, 65, 1) + 1;
	assert_int_equal(kc_raw_desc_at(&t.g.mem, table, 2, d), 0);
	assert_memory_equal(kc_mem_host(&t.g.mem, table + 32, 16), bytes, 16);
	t.g.nlog = 0;
	assert_int_equal(kc_raw_desc_at(&t.g.mem, 0x10000000, 0, d), -EFAULT);
	assert_int_equal(kc_raw_desc_at(&t.g.mem, 0, 0xffffffff, d), -EFAULT);
	assert_int_equal(t.g.nlog, 0);
	ring_close(&t);
}

/* An offered head is published in turn; a proper request may follow; its used entry is nobody's. */
static void offer(void **state)
{
	static const struct kc_seg seg = { 0x40001000, 1, true };
	static const uint8_t used[] = { 3, 0, 0, 0, 9, 0, 0, 0 };
	struct kc_used u;
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t);
	assert_int_equal(kc_raw_offer(&t.vq, 3), 0);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4 + 6), 3);	/* slot 65535 % 4 */
	assert_int_equal(guest_u16(&t.g, t.c.avail + 2), 0);
	assert_int_equal(t.g.log[t.g.nlog - 1], t.c.avail + 2);
	assert_int_equal(kc_split_in_flight(&t.vq), 0);
	assert_true(kc_split_kick_needed(&t.vq));

	assert_int_equal(
		kc_split_add(&t.vq, &(struct kc_chain){ .segs = &seg, .nsegs = 1 }, &t, &head), 0);
	assert_int_equal(kc_split_publish(&t.vq), 1);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4), head);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 2), 1);

	guest_device_write(&t.g, t.c.used + 4 + 24, used, sizeof(used));
	guest_device_write(&t.g, t.c.used + 2, "\0\0", 2);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(u.id, 3);
	assert_int_equal(u.len, 9);
	ring_close(&t);
}

/* IN_ORDER: the pen wrote over a chain's entry in the available ring, so that the chain is overtaken
 * by a later one. Its descriptors are not given away, and it comes back at the end. */
static void overtaken_in_order(void **state)
{
	static const struct kc_seg seg = { 0x40001000, 1, true };
	static const uint8_t used[] = { 0, 0, 0, 0, 1, 0, 0, 0 };
	struct kc_chain chain = { .segs = &seg, .nsegs = 1 };
	unsigned mine = 0;
	struct kc_used u;
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t);
	kc_split_fini(&t.vq);
	t.c.in_order = true;
	assert_int_equal(kc_split_init(&t.vq, &t.g.mem, &t.c), 0);
	assert_int_equal(kc_split_add(&t.vq, &chain, &t, &head), 0);
	assert_int_equal(head, 3);
	for (int i = 0; i < 4; i++)
		assert_int_equal(kc_raw_offer(&t.vq, 0x7777), 0);
	assert_int_equal(kc_split_add(&t.vq, &chain, &t.vq, &head), 0);
	assert_int_equal(head, 0);
	kc_split_publish(&t.vq);
	guest_device_write(&t.g, t.c.used + 4 + 24, used, sizeof(used));
	guest_device_write(&t.g, t.c.used + 2, "\5\0", 2);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(kc_split_reap(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t.vq);
	assert_int_equal(t.vq.nfree, 3);
	for (int i = 0; i < 2; i++)
		assert_int_equal(kc_split_add(&t.vq, &chain, &t.vq, &head), 0);
	assert_int_equal(head, 2);
	assert_int_equal(kc_split_add(&t.vq, &chain, &t.vq, &head), -ENOSPC);	/* 3 is in flight */
	while (kc_split_abandon(&t.vq, &u))
		mine += u.token == &t;
	assert_int_equal(mine, 1);
	ring_close(&t);
}

/* IN_ORDER: a batch may pass over what nobody knows. */
static void offer_in_order(void **state)
{
	static const struct kc_seg seg = { 0x40001000, 1, true };
	static const uint8_t used[] = { 0, 0, 0, 0, 1, 0, 0, 0 };
	struct kc_chain chain = { .segs = &seg, .nsegs = 1 };
	struct kc_used u;
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t);
	kc_split_fini(&t.vq);
	t.c.in_order = true;
	assert_int_equal(kc_split_init(&t.vq, &t.g.mem, &t.c), 0);
	assert_int_equal(kc_raw_offer(&t.vq, 0x7777), 0);
	assert_int_equal(kc_split_add(&t.vq, &chain, &t, &head), 0);
	assert_int_equal(head, 3);
	assert_int_equal(kc_split_add(&t.vq, &chain, &t.vq, &head), 0);
	assert_int_equal(head, 0);
	kc_split_publish(&t.vq);
	guest_device_write(&t.g, t.c.used + 4 + 24, used, sizeof(used));
	guest_device_write(&t.g, t.c.used + 2, "\2\0", 2);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(u.id, 0x7777);
	assert_true(u.skipped);
	assert_int_equal(kc_split_reap(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t);
	assert_int_equal(kc_split_reap(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t.vq);
	assert_int_equal(kc_split_reap(&t.vq, &u), 0);

	ring_close(&t);
}

/* --- Packed --- */

#define PSIZE	5u

struct packed {
	struct guest g;
	struct kc_packed vq;
	struct kc_packed_config c;
};

static void packed_open(struct packed *t, uint32_t from, bool in_order)
{
	guest_init(&t->g);
	t->c = (struct kc_packed_config){
		.size = PSIZE, .from = from, .in_order = in_order,
		.desc = guest_alloc(&t->g, kc_pdesc_bytes(PSIZE), KC_PDESC_ALIGN),
		.driver = guest_alloc(&t->g, KC_EVENT_BYTES, KC_EVENT_ALIGN),
		.device = guest_alloc(&t->g, KC_EVENT_BYTES, KC_EVENT_ALIGN),
	};
	assert_int_equal(kc_packed_init(&t->vq, &t->g.mem, &t->c), 0);
	t->g.nlog = 0;
}

static void packed_close(struct packed *t)
{
	kc_packed_fini(&t->vq);
	guest_fini(&t->g);
}

static uint64_t flags_gpa(struct packed *t, uint32_t slot)
{
	return t->c.desc + 16 * slot + 14;
}

static void packed_uses(struct packed *t, uint32_t slot, uint16_t id, uint16_t flags)
{
	guest_device_write(&t->g, t->c.desc + 16 * slot + 12, (uint8_t[]){ id, id >> 8 }, 2);
	guest_device_write(&t->g, flags_gpa(t, slot), (uint8_t[]){ flags, flags >> 8 }, 2);
}

static void packed_descriptors(void **state)
{
	static const struct kc_pdesc d = { 0x1122334455667788, 0x99aabbcc, 0xddee, 0xff00 };
	static const uint8_t bytes[] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
					 0xcc, 0xbb, 0xaa, 0x99, 0xee, 0xdd, 0x00, 0xff };
	struct packed t;
	uint64_t table;

	(void)state;
	packed_open(&t, 0, false);
	assert_int_equal(kc_raw_pdesc(&t.vq, 3, d), 0);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.desc + 48, 16), bytes, 16);
	assert_int_equal(t.g.nlog, 2);
	assert_int_equal(t.g.log[1], flags_gpa(&t, 3));
	assert_int_equal(kc_raw_pdesc(&t.vq, PSIZE, d), -EINVAL);
	assert_int_equal(kc_raw_pdesc(&t.vq, UINT32_MAX, d), -EINVAL);
	table = guest_alloc(&t.g, 65, 1) + 1;
	assert_int_equal(kc_raw_pdesc_at(&t.g.mem, table, 2, d), 0);
	assert_memory_equal(kc_mem_host(&t.g.mem, table + 32, 16), bytes, 16);
	assert_int_equal(t.g.nlog, 3);
	assert_int_equal(kc_raw_pdesc_at(&t.g.mem, 0x10000000, 0, d), -EFAULT);
	assert_int_equal(kc_raw_pdesc_at(&t.g.mem, 0, 0xffffffff, d), -EFAULT);
	assert_int_equal(t.g.nlog, 3);
	packed_close(&t);
}

static void packed_events(void **state)
{
	static const uint8_t bytes[] = { 0x5a, 0xa5, 0x0f, 0xf0 };
	struct kc_event_area e = { 0xa55a, 0xf00f };
	struct packed t;

	(void)state;
	packed_open(&t, 0, false);
	assert_int_equal(kc_raw_event(&t.vq, e), 0);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.driver, 4), bytes, 4);
	assert_int_equal(kc_raw_device_event(&t.vq, e), 0);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.device, 4), bytes, 4);
	assert_int_equal(t.g.nlog, 2);
	assert_int_equal(t.g.log[0], t.c.driver);
	assert_int_equal(t.g.log[1], t.c.device);
	packed_close(&t);
}

/* A chain by hand over the ring's end, a proper one before and one after it. */
static void packed_offer(void **state)
{
	static const struct kc_seg seg = { 0x40001000, 1, true };
	struct kc_chain chain = { .segs = &seg, .nsegs = 1 };
	struct kc_used u;
	struct packed t;
	uint16_t first, last;

	(void)state;
	packed_open(&t, 2, false);
	assert_int_equal(kc_packed_add(&t.vq, &chain, &t, &first), 0);
	for (uint32_t i = 3; i < 6; i++)
		assert_int_equal(kc_raw_pdesc(&t.vq, i % PSIZE, (struct kc_pdesc){
				0x40002000, 16, 0x9000 + i, 0xaa03 | KC_PDESC_F_AVAIL }), 0);
	assert_int_equal(kc_raw_poffer(&t.vq, 0), -EINVAL);
	assert_int_equal(kc_raw_poffer(&t.vq, 5), -ENOSPC);
	t.g.nlog = 0;
	assert_int_equal(kc_raw_poffer(&t.vq, 3), 0);
	assert_int_equal(guest_u16(&t.g, flags_gpa(&t, 3)), 0x2a03 | KC_PDESC_F_AVAIL);
	assert_int_equal(guest_u16(&t.g, flags_gpa(&t, 4)), 0x2a03 | KC_PDESC_F_AVAIL);
	assert_int_equal(guest_u16(&t.g, flags_gpa(&t, 0)), 0x2a03 | KC_PDESC_F_USED);
	assert_int_equal(t.g.nlog, 4);
	assert_int_equal(t.g.log[3], flags_gpa(&t, 2));	/* the batch begins with the proper one */
	assert_int_equal(kc_packed_in_flight(&t.vq), 1);
	assert_int_equal(t.vq.nfree, 1);
	assert_true(kc_packed_kick_needed(&t.vq));

	assert_int_equal(kc_packed_add(&t.vq, &chain, &t.vq, &last), 0);
	assert_int_equal(kc_packed_publish(&t.vq), 1);
	assert_int_equal(guest_u16(&t.g, flags_gpa(&t, 1)), KC_PDESC_F_USED | VRING_DESC_F_WRITE);

	/* The one by hand is used first; the driver finds the others behind it. */
	packed_uses(&t, 2, 0x9005, KC_PDESC_F_AVAIL | KC_PDESC_F_USED);
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(u.id, 0x9005);
	assert_null(u.token);
	assert_int_equal(t.vq.nfree, 3);
	packed_uses(&t, 0, last, 0);
	assert_int_equal(kc_packed_reap(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t.vq);
	packed_uses(&t, 1, first, 0);
	assert_int_equal(kc_packed_reap(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t);
	assert_int_equal(kc_packed_reap(&t.vq, &u), 0);
	assert_int_equal(t.vq.nfree, PSIZE);
	assert_int_equal(t.vq.nstrangers, 0);
	packed_close(&t);
}

/* Alone, its own first flags come last; one that is never used is nobody's to take back. */
static void packed_offer_alone(void **state)
{
	struct kc_used u;
	struct packed t;

	(void)state;
	packed_open(&t, 7, false);
	assert_int_equal(kc_raw_poffer(&t.vq, 2), 0);
	assert_int_equal(t.g.nlog, 2);
	assert_int_equal(t.g.log[0], flags_gpa(&t, 3));
	assert_int_equal(t.g.log[1], flags_gpa(&t, 2));
	assert_int_equal(guest_u16(&t.g, flags_gpa(&t, 2)), KC_PDESC_F_USED);
	assert_int_equal(kc_raw_poffer(&t.vq, 3), 0);
	assert_int_equal(kc_raw_poffer(&t.vq, 1), -ENOSPC);
	assert_int_equal(kc_packed_in_flight(&t.vq), 0);
	assert_int_equal(kc_packed_abandon(&t.vq, &u), 0);
	packed_close(&t);
}

/* IN_ORDER: one used descriptor may pass over what was written by hand. */
static void packed_offer_in_order(void **state)
{
	static const struct kc_seg seg = { 0x40001000, 1, true };
	struct kc_chain chain = { .segs = &seg, .nsegs = 1 };
	struct kc_used u;
	struct packed t;
	uint16_t id;

	(void)state;
	packed_open(&t, 0, true);
	assert_int_equal(kc_raw_pdesc(&t.vq, 1, (struct kc_pdesc){ .id = 0x9999 }), 0);
	assert_int_equal(kc_raw_poffer(&t.vq, 2), 0);
	assert_int_equal(kc_packed_add(&t.vq, &chain, &t, &id), 0);
	kc_packed_publish(&t.vq);
	packed_uses(&t, 0, id, KC_PDESC_F_AVAIL | KC_PDESC_F_USED);
	assert_int_equal(kc_packed_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(u.id, 0x9999);
	assert_true(u.skipped);
	assert_int_equal(kc_packed_reap(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t);
	assert_false(u.skipped);
	assert_int_equal(kc_packed_reap(&t.vq, &u), 0);
	assert_int_equal(t.vq.nfree, PSIZE);
	packed_close(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_16_bit_field),
		cmocka_unit_test(ring_entries),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(offer),
		cmocka_unit_test(offer_in_order),
		cmocka_unit_test(overtaken_in_order),
		cmocka_unit_test(packed_descriptors),
		cmocka_unit_test(packed_events),
		cmocka_unit_test(packed_offer),
		cmocka_unit_test(packed_offer_alone),
		cmocka_unit_test(packed_offer_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

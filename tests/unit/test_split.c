/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a split ring. The device here is a few lines that write used entries. */
#include <sim/pristine.h>
#include "guest_fixture.h"
#include <errno.h>
#include <guest_model/split.h>

struct ring {
	struct guest g;
	struct kc_split vq;
	struct kc_split_config c;
	uint16_t dev_used;		/* the device's used idx */
	int tokens[8];
};

static void ring_open(struct ring *t, uint32_t size, uint16_t from, bool event_idx)
{
	memset(&t->vq, 0, sizeof(t->vq));
	guest_init(&t->g);
	t->c = (struct kc_split_config){
		.size = size, .from = from, .event_idx = event_idx,
		.desc = guest_alloc(&t->g, kc_desc_bytes(size), KC_DESC_ALIGN),
		.avail = guest_alloc(&t->g, kc_avail_bytes(size), KC_AVAIL_ALIGN),
		.used = guest_alloc(&t->g, kc_used_bytes(size), KC_USED_ALIGN),
	};
	assert_int_equal(kc_split_init(&t->vq, &t->g.mem, &t->c), 0);
	t->dev_used = from;
}

static void ring_open_in_order(struct ring *t, uint32_t size, uint16_t from)
{
	ring_open(t, size, from, false);
	kc_split_fini(&t->vq);
	t->c.in_order = true;
	assert_int_equal(kc_split_init(&t->vq, &t->g.mem, &t->c), 0);
}

static void ring_close(struct ring *t)
{
	kc_split_fini(&t->vq);
	guest_fini(&t->g);
}

static void device_put16(struct ring *t, uint64_t gpa, uint16_t v)
{
	uint8_t b[2] = { v, v >> 8 };

	guest_device_write(&t->g, gpa, b, sizeof(b));
}

static void device_entry(struct ring *t, uint32_t id, uint32_t len)
{
	uint8_t b[8] = { id, id >> 8, id >> 16, id >> 24, len, len >> 8, len >> 16, len >> 24 };

	guest_device_write(&t->g, t->c.used + 4 + 8 * (t->dev_used % t->c.size), b, sizeof(b));
	t->dev_used++;
}

static void device_uses(struct ring *t, uint32_t id, uint32_t len)
{
	device_entry(t, id, len);
	device_put16(t, t->c.used + 2, t->dev_used);
}

static struct kc_desc desc_at(struct ring *t, uint64_t table, uint32_t i)
{
	uint8_t b[16];

	assert_int_equal(kc_mem_read(&t->g.mem, table + 16 * i, b, sizeof(b)), 0);
	return kc_desc_read(b);
}

static const struct kc_seg four[] = {
	{ 0x40001000, 16, false }, { 0x40002000, 3, false },
	{ 0x40003000, 512, true }, { 0x40004000, 1, true },
};
static const struct kc_seg one[] = { { 0x40001000, 1, true } };

static int add(struct ring *t, const struct kc_seg *segs, unsigned n, void *token, uint16_t *head)
{
	return kc_split_add(&t->vq, &(struct kc_chain){ .segs = segs, .nsegs = n }, token, head);
}

static int add_indirect(struct ring *t, const struct kc_seg *segs, unsigned n, bool unaligned,
			uint16_t *head)
{
	struct kc_chain chain = { .segs = segs, .nsegs = n, .indirect = true,
				  .unaligned_table = unaligned };

	return kc_split_add(&t->vq, &chain, t, head);
}

static void direct_ones_before_a_table(void **state)
{
	struct kc_chain chain = { .segs = four, .nsegs = 4, .indirect = true, .ndirect = 2,
				  .flagged_table = true };
	struct kc_desc d;
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t, 4, 0, false);
	assert_int_equal(kc_split_add(&t.vq, &chain, &t, &head), 0);
	assert_int_equal(t.vq.nfree, 1);	/* two direct ones and the table */
	assert_int_equal(desc_at(&t, t.c.desc, 0).addr, four[0].gpa);
	assert_int_equal(desc_at(&t, t.c.desc, 1).addr, four[1].gpa);
	assert_int_equal(desc_at(&t, t.c.desc, 1).flags, VRING_DESC_F_NEXT);
	d = desc_at(&t, t.c.desc, desc_at(&t, t.c.desc, 1).next);
	assert_int_equal(d.flags, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE);
	assert_int_equal(d.len, 32);
	assert_int_equal(desc_at(&t, d.addr, 0).addr, four[2].gpa);
	assert_int_equal(desc_at(&t, d.addr, 1).addr, four[3].gpa);
	assert_int_equal(desc_at(&t, d.addr, 1).flags, VRING_DESC_F_WRITE);
	assert_int_equal(kc_split_add(&t.vq, &chain, &t, &head), -ENOSPC);
	chain.ndirect = 4;			/* nothing would be left for the table */
	assert_int_equal(kc_split_add(&t.vq, &chain, &t, &head), -EINVAL);
	ring_close(&t);
}

static void init_zeroes_all_parts(void **state)
{
	static uint8_t zeroes[1024];
	struct ring t;

	(void)state;
	ring_open(&t, 16, 0, true);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.desc, 256), zeroes, 256);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.avail, 38), zeroes, 38);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.used, 134), zeroes, 134);
	/* Not a byte more: the guards are canaries. */
	assert_int_equal(*(uint8_t *)kc_mem_host(&t.g.mem, t.c.used + 134, 1),
			 kc_pristine_byte(t.c.used + 134));
	ring_close(&t);
}

static void init_from_an_index(void **state)
{
	struct ring t;

	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		uint16_t event = event_idx ? 65534 : 0;

		ring_open(&t, 4, 65534, event_idx);
		assert_int_equal(guest_u16(&t.g, t.c.avail + 2), 65534);
		assert_int_equal(guest_u16(&t.g, t.c.used + 2), 65534);
		assert_int_equal(guest_u16(&t.g, t.c.avail + 4 + 8), event);
		assert_int_equal(guest_u16(&t.g, t.c.used + 4 + 32), event);
		assert_int_equal(guest_u16(&t.g, t.c.used), 0);
		assert_int_equal(kc_split_in_flight(&t.vq), 0);
		ring_close(&t);
	}
}

static void init_refuses(void **state)
{
	static const struct { uint32_t size; unsigned desc, avail, used; int ret; } bad[] = {
		{ 0, 0, 0, 0, -EINVAL }, { 3, 0, 0, 0, -EINVAL }, { 65536, 0, 0, 0, -EINVAL },
		{ 4, 8, 0, 0, -EINVAL }, { 4, 0, 1, 0, -EINVAL }, { 4, 0, 0, 2, -EINVAL },
		{ 4, 0x10000000, 0, 0, -EFAULT }, { 4, 0, 0x10000000, 0, -EFAULT },
		{ 4, 0, 0, 0x10000000, -EFAULT },
	};
	struct guest g;

	(void)state;
	guest_init(&g);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct kc_split_config c = {
			.size = bad[i].size, .desc = 0x40000000 + bad[i].desc,
			.avail = 0x40001000 + bad[i].avail, .used = 0x40002000 + bad[i].used,
		};
		struct kc_split vq;

		assert_int_equal(kc_split_init(&vq, &g.mem, &c), bad[i].ret);
		kc_split_fini(&vq);
	}
	guest_fini(&g);
}

static void add_then_publish(void **state)
{
	struct ring t;
	uint16_t head = 99;

	(void)state;
	ring_open(&t, 8, 65535, false);
	t.g.nlog = 0;
	assert_int_equal(add(&t, four, 4, &t, &head), 0);
	assert_int_equal(head, 0);
	for (uint16_t i = 0; i < 4; i++) {
		struct kc_desc d = desc_at(&t, t.c.desc, i);

		assert_int_equal(d.addr, four[i].gpa);
		assert_int_equal(d.len, four[i].len);
		assert_int_equal(d.flags, (i < 3 ? VRING_DESC_F_NEXT : 0) |
				 (four[i].write ? VRING_DESC_F_WRITE : 0));
		if (i < 3)
			assert_int_equal(d.next, i + 1);
	}
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4 + 2 * 7), head);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 2), 65535);
	assert_int_equal(kc_split_in_flight(&t.vq), 0);

	assert_int_equal(add(&t, one, 1, &t, &head), 0);
	assert_int_equal(head, 4);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4), 4);	/* slot 0 */
	assert_int_equal(kc_split_publish(&t.vq), 2);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 2), 1);
	assert_int_equal(kc_split_in_flight(&t.vq), 2);
	assert_int_equal(kc_split_publish(&t.vq), 0);

	/* 4 descriptors, ring entry, descriptor, ring entry, and the index last */
	assert_int_equal(t.g.nlog, 8);
	assert_int_equal(t.g.log[4], t.c.avail + 4 + 2 * 7);
	assert_int_equal(t.g.log[6], t.c.avail + 4);
	assert_int_equal(t.g.log[7], t.c.avail + 2);
	ring_close(&t);
}

/* Completions out of order: descriptors are handed out mixed, and no two chains share one. */
static void heads_in_mixed_order(void **state)
{
	static const uint16_t order[] = { 2, 0, 3, 1 };
	struct ring t;
	struct kc_used u;
	uint16_t head;

	(void)state;
	ring_open(&t, 8, 0, false);
	for (int i = 0; i < 4; i++)
		assert_int_equal(add(&t, four, 2, &t.tokens[i], &head), 0);
	kc_split_publish(&t.vq);
	for (int i = 0; i < 4; i++) {
		device_uses(&t, 2 * order[i], 0);
		assert_int_equal(kc_split_reap(&t.vq, &u), 1);
		assert_int_equal(u.id, 2 * order[i]);
		assert_ptr_equal(u.token, &t.tokens[order[i]]);
	}
	assert_int_equal(kc_split_in_flight(&t.vq), 0);

	/* Last freed, first taken: 2 3 6 7 0 1 4 5. */
	assert_int_equal(add(&t, four, 3, &t, &head), 0);
	assert_int_equal(head, 2);
	assert_int_equal(desc_at(&t, t.c.desc, 2).next, 3);
	assert_int_equal(desc_at(&t, t.c.desc, 3).next, 6);
	assert_int_equal(add(&t, four, 4, &t, &head), 0);
	assert_int_equal(head, 7);
	assert_int_equal(desc_at(&t, t.c.desc, 7).next, 0);
	assert_int_equal(desc_at(&t, t.c.desc, 0).next, 1);
	assert_int_equal(desc_at(&t, t.c.desc, 1).next, 4);
	assert_int_equal(add(&t, one, 1, &t, &head), 0);
	assert_int_equal(head, 5);
	assert_int_equal(add(&t, one, 1, &t, &head), -ENOSPC);
	ring_close(&t);
}

/* What must not change when a chain is refused: every byte of the ring and of the books. */
struct snapshot {
	uint8_t desc[128], avail[22], used[70];
	struct kc_split vq;
	unsigned nlog;
};

static void take_snapshot(struct ring *t, struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(t->c.size, 8);
	assert_int_equal(kc_mem_read(&t->g.mem, t->c.desc, s->desc, sizeof(s->desc)), 0);
	assert_int_equal(kc_mem_read(&t->g.mem, t->c.avail, s->avail, sizeof(s->avail)), 0);
	assert_int_equal(kc_mem_read(&t->g.mem, t->c.used, s->used, sizeof(s->used)), 0);
	memcpy(&s->vq, &t->vq, sizeof(s->vq));
	s->nlog = t->g.nlog;
}

static void refuse(struct ring *t, const struct kc_chain *chain, void *token, int expected)
{
	struct snapshot before, after;
	uint16_t head = 0x5555;

	take_snapshot(t, &before);
	assert_int_equal(kc_split_add(&t->vq, chain, token, &head), expected);
	take_snapshot(t, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(head, 0x5555);
}

static void full_ring_changes_nothing(void **state)
{
	struct kc_seg nine[9];
	struct kc_used u;
	struct ring t;
	uint16_t head;

	(void)state;
	for (int i = 0; i < 9; i++)
		nine[i] = one[0];
	ring_open(&t, 8, 0, false);
	refuse(&t, &(struct kc_chain){ .segs = nine, .nsegs = 9 }, &t, -ENOSPC);
	assert_int_equal(add(&t, four, 4, &t, &head), 0);
	refuse(&t, &(struct kc_chain){ .segs = nine, .nsegs = 5 }, &t, -ENOSPC);
	kc_split_publish(&t.vq);
	refuse(&t, &(struct kc_chain){ .segs = nine, .nsegs = 5 }, &t, -ENOSPC);
	assert_int_equal(add(&t, nine, 4, &t, &head), 0);
	refuse(&t, &(struct kc_chain){ .segs = nine, .nsegs = 1 }, &t, -ENOSPC);
	refuse(&t, &(struct kc_chain){ .segs = nine, .nsegs = 1, .indirect = true }, &t, -ENOSPC);
	kc_split_publish(&t.vq);

	/* What fitted before still completes, and makes room for just as much. */
	device_uses(&t, 0, 513);
	assert_int_equal(kc_split_reap(&t.vq, &u), 1);
	refuse(&t, &(struct kc_chain){ .segs = nine, .nsegs = 5 }, &t, -ENOSPC);
	assert_int_equal(add(&t, nine, 4, &t, &head), 0);
	ring_close(&t);
}

static void bad_chains_change_nothing(void **state)
{
	static const struct kc_seg mixed[] = { { 0x40001000, 1, true }, { 0x40002000, 1, false } };
	struct kc_seg nine[9], huge[3];
	struct ring t;
	uint16_t head;

	(void)state;
	for (int i = 0; i < 9; i++)
		nine[i] = one[0];
	for (int i = 0; i < 3; i++)
		huge[i] = (struct kc_seg){ 0x40001000, i < 2 ? 0x80000000u : 1, true };
	ring_open(&t, 8, 0, false);
	refuse(&t, &(struct kc_chain){ .segs = one, .nsegs = 0 }, &t, -EINVAL);
	refuse(&t, &(struct kc_chain){ .segs = one, .nsegs = 1 }, NULL, -EINVAL);
	refuse(&t, &(struct kc_chain){ .segs = mixed, .nsegs = 2 }, &t, -EINVAL);
	refuse(&t, &(struct kc_chain){ .segs = huge, .nsegs = 3 }, &t, -EINVAL);
	refuse(&t, &(struct kc_chain){ .segs = nine, .nsegs = 9, .indirect = true }, &t, -EINVAL);
	/* Exactly 2^32 bytes are allowed. */
	assert_int_equal(add(&t, huge, 2, &t, &head), 0);
	ring_close(&t);
}

static void indirect_tables(void **state)
{
	struct ring t;

	(void)state;
	ring_open(&t, 4, 0, false);
	for (int unaligned = 0; unaligned < 2; unaligned++) {
		struct kc_desc d;
		uint16_t head;

		assert_int_equal(add_indirect(&t, four, 4, unaligned, &head), 0);
		d = desc_at(&t, t.c.desc, head);
		assert_int_equal(d.flags, VRING_DESC_F_INDIRECT);
		assert_int_equal(d.len, 64);
		assert_int_equal(d.addr % 16, unaligned);
		for (unsigned i = 0; i < 4; i++) {
			struct kc_desc e = desc_at(&t, d.addr, i);

			assert_int_equal(e.addr, four[i].gpa);
			assert_int_equal(e.len, four[i].len);
			assert_int_equal(e.flags, (i < 3 ? VRING_DESC_F_NEXT : 0) |
					 (four[i].write ? VRING_DESC_F_WRITE : 0));
			if (i < 3)
				assert_int_equal(e.next, i + 1);
		}
	}
	ring_close(&t);
}

/* More table bytes than there is guest memory: a table that is not freed runs out. */
static void indirect_tables_are_freed(void **state)
{
	struct kc_seg segs[64];
	struct kc_used u;
	struct ring t;
	uint32_t nfree;
	uint64_t gpa;
	uint16_t head;
	int n = 0;

	(void)state;
	for (int i = 0; i < 64; i++)
		segs[i] = one[0];
	ring_open(&t, 64, 0, false);
	for (int i = 0; i < 12000; i++) {
		assert_int_equal(add_indirect(&t, segs, 64, i % 2, &head), 0);
		kc_split_publish(&t.vq);
		device_uses(&t, head, 64);
		assert_int_equal(kc_split_reap(&t.vq, &u), 1);
	}
	/* No memory for a table: nothing changes either. */
	nfree = t.vq.nfree;
	for (uint64_t len = 1 << 20; len; len /= 2)
		while (!kc_mem_alloc(&t.g.mem, len, 1, KC_PLACE_ANY, &gpa))
			n++;
	assert_true(n > 0);
	assert_int_equal(add_indirect(&t, segs, 64, false, &head), -ENOMEM);
	assert_int_equal(t.vq.nfree, nfree);
	assert_int_equal(kc_split_publish(&t.vq), 0);
	ring_close(&t);
}

static void kick_by_flags(void **state)
{
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t, 4, 0, false);
	device_put16(&t, t.c.used + 4 + 32, 1000);	/* avail_event means nothing */
	assert_int_equal(add(&t, one, 1, &t, &head), 0);
	kc_split_publish(&t.vq);
	assert_true(kc_split_kick_needed(&t.vq));
	device_put16(&t, t.c.used, VRING_USED_F_NO_NOTIFY);
	assert_int_equal(add(&t, one, 1, &t, &head), 0);
	kc_split_publish(&t.vq);
	assert_false(kc_split_kick_needed(&t.vq));
	device_put16(&t, t.c.used, 0);
	assert_true(kc_split_kick_needed(&t.vq));
	ring_close(&t);
}

/* VQ-SPLIT-ANS-DRV-06, -07, counted out: a kick iff one of the new indices is avail_event. */
static void kick_case(struct ring *t, uint16_t from, unsigned batch, uint16_t event)
{
	bool expected = false;
	uint16_t head;

	t->c.from = from;
	assert_int_equal(kc_split_init(&t->vq, &t->g.mem, &t->c), 0);
	/* the low bit of the flags means nothing (VQ-SPLIT-ANS-DRV-05) */
	device_put16(t, t->c.used, VRING_USED_F_NO_NOTIFY);
	device_put16(t, t->c.used + 4 + 64, event);
	for (unsigned i = 0; i < batch; i++) {
		expected |= (uint16_t)(from + i) == event;
		assert_int_equal(add(t, one, 1, t, &head), 0);
	}
	kc_split_publish(&t->vq);
	assert_int_equal(kc_split_kick_needed(&t->vq), expected);
	assert_false(kc_split_kick_needed(&t->vq));	/* asked again, nothing is new */
	kc_split_fini(&t->vq);
}

static void kick_by_event(void **state)
{
	static const uint16_t froms[] = { 0, 1, 100, 32766, 32768, 65529, 65534, 65535 };
	struct ring t;

	(void)state;
	ring_open(&t, 8, 0, true);
	kc_split_fini(&t.vq);
	for (unsigned f = 0; f < sizeof(froms) / sizeof(*froms); f++)
		for (unsigned batch = 1; batch <= 8; batch++)
			for (int distance = -10; distance <= 10; distance++)
				kick_case(&t, froms[f], batch, froms[f] + distance);
	ring_close(&t);
}

static void run_one(struct ring *t, int *token)
{
	struct kc_used u;
	uint16_t head;

	assert_int_equal(add(t, one, 1, token, &head), 0);
	assert_int_equal(kc_split_publish(&t->vq), 1);
	device_uses(t, head, 1);
	assert_int_equal(kc_split_reap(&t->vq, &u), 1);
	assert_ptr_equal(u.token, token);
	assert_int_equal(u.id, head);
	assert_int_equal(u.len, 1);
}

/* Whoever publishes 65536 requests without asking must kick: each index has passed. */
static void kick_after_a_full_lap(void **state)
{
	struct ring t;

	(void)state;
	ring_open(&t, 2, 7, true);
	device_put16(&t, t.c.used + 4 + 16, 6);
	for (int i = 0; i < 65535; i++)
		run_one(&t, &t.tokens[i % 8]);
	assert_false(kc_split_kick_needed(&t.vq));	/* 7 .. 5 */
	for (int i = 0; i < 65536; i++)
		run_one(&t, &t.tokens[i % 8]);
	assert_true(kc_split_kick_needed(&t.vq));
	assert_false(kc_split_kick_needed(&t.vq));
	ring_close(&t);
}

static void indices_wrap(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 4, 256 };
	struct ring t;

	(void)state;
	for (unsigned s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		ring_open(&t, sizes[s], 65000, false);
		for (int i = 0; i < 1000; i++)
			run_one(&t, &t.tokens[i % 8]);
		assert_int_equal(guest_u16(&t.g, t.c.avail + 2), (uint16_t)(65000 + 1000));
		assert_int_equal(kc_split_used_idx(&t.vq), (uint16_t)(65000 + 1000));
		ring_close(&t);
	}
}

static void largest_ring_full(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t, 32768, 40000, true);
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 32768; i++)
			assert_int_equal(add(&t, one, 1, &t, &head), 0);
		assert_int_equal(add(&t, one, 1, &t, &head), -ENOSPC);
		assert_int_equal(kc_split_publish(&t.vq), 32768);
		assert_int_equal(kc_split_in_flight(&t.vq), 32768);
		for (unsigned i = 0; i < 32768; i++)
			device_entry(&t, 32767 - i, 1);
		device_put16(&t, t.c.used + 2, t.dev_used);
		for (unsigned i = 0; i < 32768; i++) {
			assert_int_equal(kc_split_reap(&t.vq, &u), 1);
			assert_int_equal(u.id, 32767 - i);
		}
		assert_int_equal(kc_split_reap(&t.vq, &u), 0);
	}
	ring_close(&t);
}

static void reap_believes_nothing(void **state)
{
	static const uint32_t impossible[] = { 1 /* inside a chain */, 7 /* free */, 8, 65536, ~0u };
	struct kc_used u;
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t, 8, 0, false);
	assert_int_equal(kc_split_reap(&t.vq, &u), 0);
	assert_int_equal(add(&t, four, 4, &t, &head), 0);
	device_uses(&t, head, 0);			/* not published yet */
	assert_int_equal(kc_split_reap(&t.vq, &u), -EOVERFLOW);
	t.dev_used = 0;
	device_put16(&t, t.c.used + 2, 0);
	kc_split_publish(&t.vq);
	for (unsigned i = 0; i < sizeof(impossible) / sizeof(*impossible); i++) {
		/* more was published, so that the indices alone look fine */
		assert_int_equal(add_indirect(&t, one, 1, false, &head), i < 4 ? 0 : -ENOSPC);
		kc_split_publish(&t.vq);
		device_uses(&t, impossible[i], 0x1234);
		assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
		assert_int_equal(u.id, impossible[i]);
		assert_int_equal(u.len, 0x1234);
		assert_null(u.token);
		assert_int_equal(kc_split_reap(&t.vq, &u), 0);
	}
	assert_int_equal(kc_split_in_flight(&t.vq), 5);
	ring_close(&t);
}

static void reap_refuses_duplicates_and_pending(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t first, second, third;

	(void)state;
	ring_open(&t, 8, 0, false);
	assert_int_equal(add(&t, four, 2, &t.tokens[0], &first), 0);
	assert_int_equal(add(&t, four, 2, &t.tokens[1], &second), 0);
	kc_split_publish(&t.vq);
	assert_int_equal(add(&t, four, 2, &t.tokens[2], &third), 0);
	device_uses(&t, first, ~0u);
	assert_int_equal(kc_split_reap(&t.vq, &u), 1);
	assert_int_equal(u.len, ~0u);			/* too much, but told as it is */
	device_uses(&t, first, 0);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(kc_split_in_flight(&t.vq), 1);

	/* Used idx runs ahead of what was published: nothing is consumed, ask as one may. */
	device_uses(&t, second, 5);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EOVERFLOW);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EOVERFLOW);
	kc_split_publish(&t.vq);
	assert_int_equal(kc_split_reap(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t.tokens[1]);
	/* Backwards. */
	device_put16(&t, t.c.used + 2, t.dev_used - 1);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EOVERFLOW);
	ring_close(&t);
}

static void pending_head_is_not_in_flight(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t first, second;

	(void)state;
	ring_open(&t, 8, 0, false);
	assert_int_equal(add(&t, one, 1, &t, &first), 0);
	kc_split_publish(&t.vq);
	assert_int_equal(add(&t, one, 1, &t, &second), 0);
	device_uses(&t, second, 0);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(u.id, second);
	ring_close(&t);
}

/* A device (or a script) that rewrites the descriptor table does not get into the books. */
static void links_are_private(void **state)
{
	uint8_t garbage[128];
	struct kc_used u;
	struct ring t;
	uint16_t head;

	(void)state;
	memset(garbage, 0xee, sizeof(garbage));
	ring_open(&t, 8, 0, false);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(add(&t, four, 4, &t, &head), 0);
		kc_split_publish(&t.vq);
		guest_device_write(&t.g, t.c.desc, garbage, sizeof(garbage));
		device_uses(&t, head, 0);
		assert_int_equal(kc_split_reap(&t.vq, &u), 1);
	}
	assert_int_equal(t.vq.nfree, 8);
	ring_close(&t);
}

static void suppression(void **state)
{
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t, 4, 10, false);
	kc_split_set_no_interrupt(&t.vq, true);
	assert_int_equal(guest_u16(&t.g, t.c.avail), VRING_AVAIL_F_NO_INTERRUPT);
	kc_split_set_no_interrupt(&t.vq, false);
	assert_int_equal(guest_u16(&t.g, t.c.avail), 0);
	kc_split_set_used_event(&t.vq, 0x1234);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4 + 8), 0x1234);
	kc_split_set_no_interrupt(&t.vq, true);
	assert_false(kc_split_arm(&t.vq));
	assert_int_equal(guest_u16(&t.g, t.c.avail), 0);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4 + 8), 0x1234);
	ring_close(&t);

	ring_open(&t, 4, 65535, true);
	kc_split_set_no_interrupt(&t.vq, true);
	assert_int_equal(guest_u16(&t.g, t.c.avail), 0);
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4 + 8), 32767);
	run_one(&t, t.tokens);
	assert_false(kc_split_arm(&t.vq));
	assert_int_equal(guest_u16(&t.g, t.c.avail + 4 + 8), 0);
	assert_int_equal(add(&t, one, 1, &t, &head), 0);
	kc_split_publish(&t.vq);
	device_uses(&t, head, 1);
	assert_true(kc_split_arm(&t.vq));	/* re-check: it is there already */
	assert_int_equal(guest_u16(&t.g, t.c.avail), 0);
	ring_close(&t);
}

static void abandon(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t head;
	unsigned seen = 0;

	(void)state;
	ring_open(&t, 8, 0, false);
	assert_int_equal(kc_split_abandon(&t.vq, &u), 0);
	assert_int_equal(add(&t, four, 3, &t.tokens[0], &head), 0);
	assert_int_equal(add_indirect(&t, four, 4, true, &head), 0);
	kc_split_publish(&t.vq);
	assert_int_equal(add(&t, one, 1, &t.tokens[2], &head), 0);
	while (kc_split_abandon(&t.vq, &u)) {
		seen |= u.token == &t.tokens[0] ? 1 : u.token == &t ? 2 :
			u.token == &t.tokens[2] ? 4 : 8;
	}
	assert_int_equal(seen, 7);
	assert_int_equal(kc_split_in_flight(&t.vq), 0);
	assert_int_equal(t.vq.nfree, 8);
	ring_close(&t);
}

/* Chains in flight at the end: their tables are the ring's to free (the leak checker looks on). */
static void fini_with_chains_in_flight(void **state)
{
	struct ring t;
	uint16_t head;

	(void)state;
	ring_open(&t, 8, 0, false);
	assert_int_equal(add_indirect(&t, four, 4, false, &head), 0);
	kc_split_publish(&t.vq);
	assert_int_equal(add_indirect(&t, four, 4, false, &head), 0);
	kc_split_fini(&t.vq);
	kc_split_fini(&t.vq);
	guest_fini(&t.g);
}

/* --- IN_ORDER --- */

/* One entry for n buffers, in the slot of the first of them. */
static void device_uses_batch(struct ring *t, uint32_t id, uint32_t len, uint16_t n)
{
	device_entry(t, id, len);
	t->dev_used += n - 1;
	device_put16(t, t->c.used + 2, t->dev_used);
}

static void check_buffer(struct ring *t, uint16_t head, int token, uint32_t len, bool skipped)
{
	struct kc_used u;

	assert_int_equal(kc_split_reap(&t->vq, &u), 1);
	assert_int_equal(u.id, head);
	assert_ptr_equal(u.token, &t->tokens[token]);
	assert_int_equal(u.len, len);
	assert_int_equal(u.skipped, skipped);
}

static void check_links(struct ring *t, uint16_t head, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct kc_desc d = desc_at(t, t->c.desc, (head + i) % t->c.size);

		assert_int_equal(d.addr, four[i].gpa);
		assert_int_equal(d.flags & VRING_DESC_F_NEXT, i + 1 < n ? VRING_DESC_F_NEXT : 0);
		if (i + 1 < n)
			assert_int_equal(d.next, (head + i + 1) % t->c.size);
	}
}

/* Descriptors in ring order, lap after lap, however long the chains (VQ-SPLIT-DESC-DRV-02). */
static void in_order_takes_descriptors_in_ring_order(void **state)
{
	static const uint16_t froms[] = { 0, 1, 7, 8, 65530 };
	struct ring t;

	(void)state;
	for (unsigned f = 0; f < 5; f++) {
		uint16_t next = froms[f] % 8, heads[2];

		ring_open_in_order(&t, 8, froms[f]);
		for (unsigned i = 0; i < 100; i++) {
			unsigned n = 1 + i % 4, m = 1 + i / 4 % 4;

			assert_int_equal(add(&t, four, n, &t.tokens[0], &heads[0]), 0);
			assert_int_equal(heads[0], next);
			assert_int_equal(add(&t, four, m, &t.tokens[1], &heads[1]), 0);
			assert_int_equal(heads[1], (next + n) % 8);
			check_links(&t, heads[0], n);
			check_links(&t, heads[1], m);
			next = (next + n + m) % 8;
			kc_split_publish(&t.vq);
			device_uses(&t, heads[0], 1);
			device_uses(&t, heads[1], 2);
			check_buffer(&t, heads[0], 0, 1, false);
			check_buffer(&t, heads[1], 1, 2, false);
			assert_int_equal(t.vq.nfree, 8);
		}
		ring_close(&t);
	}
}

static void in_order_batches(void **state)
{
	static const unsigned lens[] = { 4, 1, 2, 3 };		/* 513, 0, 0 and 512 writable bytes */
	static const uint32_t writable[] = { 513, 0, 0, 512 };
	uint16_t heads[4];
	struct kc_used u;
	struct ring t;

	(void)state;
	for (unsigned first = 1; first <= 4; first++) {
		ring_open_in_order(&t, 16, 65533);
		for (int i = 0; i < 4; i++)
			assert_int_equal(add(&t, four, lens[i], &t.tokens[i], &heads[i]), 0);
		kc_split_publish(&t.vq);
		device_uses_batch(&t, heads[first - 1], 77, first);
		for (unsigned i = 0; i < first; i++)
			check_buffer(&t, heads[i], i, i + 1 < first ? writable[i] : 77, i + 1 < first);
		assert_int_equal(kc_split_reap(&t.vq, &u), 0);
		assert_int_equal(t.vq.used_idx, (uint16_t)(65533 + first));
		/* The rest with an entry each, all of them shown at once. */
		for (unsigned i = first; i < 4; i++)
			device_entry(&t, heads[i], i);
		device_put16(&t, t.c.used + 2, t.dev_used);
		for (unsigned i = first; i < 4; i++)
			check_buffer(&t, heads[i], i, i, false);
		assert_int_equal(kc_split_reap(&t.vq, &u), 0);
		assert_int_equal(kc_split_in_flight(&t.vq), 0);
		assert_int_equal(t.vq.nfree, 16);
		ring_close(&t);
	}
}

/* The whole ring with one entry; more is published while the batch is handed out. */
static void in_order_whole_laps(void **state)
{
	uint16_t heads[8], more;
	struct kc_used u;
	struct ring t;

	(void)state;
	ring_open_in_order(&t, 8, 0);
	for (int lap = 0; lap < 5; lap++) {
		for (int i = 0; i < 8; i++)
			assert_int_equal(add(&t, one, 1, &t.tokens[i], &heads[i]), 0);
		assert_int_equal(add(&t, one, 1, &t, &more), -ENOSPC);
		kc_split_publish(&t.vq);
		device_uses_batch(&t, heads[7], 1, 8);
		check_buffer(&t, heads[0], 0, 1, true);
		assert_int_equal(add(&t, one, 1, &t.tokens[0], &more), 0);
		assert_int_equal(more, heads[0]);
		kc_split_publish(&t.vq);
		assert_true(kc_split_arm(&t.vq));
		for (int i = 1; i < 8; i++)
			check_buffer(&t, heads[i], i, 1, i < 7);
		assert_int_equal(kc_split_reap(&t.vq, &u), 0);
		device_uses(&t, more, 1);
		check_buffer(&t, more, 0, 1, false);
	}
	ring_close(&t);
}

static void in_order_impossible(void **state)
{
	uint16_t heads[3];
	struct kc_used u;
	struct ring t;

	(void)state;
	ring_open_in_order(&t, 8, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(&t, four, 2, &t.tokens[i], &heads[i]), 0);
	kc_split_publish(&t.vq);
	/* Out of order: the index counts one buffer, the id stands for two. */
	device_uses(&t, heads[1], 5);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	assert_int_equal(u.id, heads[1]);
	assert_int_equal(u.len, 5);
	assert_int_equal(kc_split_reap(&t.vq, &u), 0);
	assert_int_equal(kc_split_in_flight(&t.vq), 3);
	device_uses(&t, 1, 0);				/* inside a chain */
	assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	/* What these stood for is complete when the third one is. */
	device_uses(&t, heads[2], 6);
	check_buffer(&t, heads[0], 0, 0, true);
	check_buffer(&t, heads[1], 1, 0, true);
	check_buffer(&t, heads[2], 2, 6, false);
	assert_int_equal(kc_split_reap(&t.vq, &u), 0);
	assert_int_equal(t.vq.used_idx, 3);

	/* A batch that ends in what is only added. */
	assert_int_equal(add(&t, one, 1, &t.tokens[0], &heads[0]), 0);
	kc_split_publish(&t.vq);
	assert_int_equal(add(&t, one, 1, &t.tokens[1], &heads[1]), 0);
	device_uses(&t, heads[1], 0);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	device_uses_batch(&t, heads[1], 0, 2);
	assert_int_equal(kc_split_reap(&t.vq, &u), -EOVERFLOW);
	ring_close(&t);
}

/* After impossible entries a possible one is read once only, be it the oldest. */
static void in_order_possible_again(void **state)
{
	uint16_t heads[4];
	struct kc_used u;
	struct ring t;

	(void)state;
	ring_open_in_order(&t, 8, 65534);
	for (int i = 0; i < 4; i++)
		assert_int_equal(add(&t, one, 1, &t.tokens[i], &heads[i]), 0);
	kc_split_publish(&t.vq);
	for (int i = 0; i < 2; i++) {
		device_uses(&t, 0x4444, 0);
		assert_int_equal(kc_split_reap(&t.vq, &u), -EPROTO);
	}
	device_uses(&t, heads[0], 1);
	check_buffer(&t, heads[0], 0, 1, false);
	assert_false(kc_split_ready(&t.vq));
	assert_int_equal(kc_split_reap(&t.vq, &u), 0);
	device_uses(&t, heads[3], 1);
	check_buffer(&t, heads[1], 1, 1, true);
	assert_true(kc_split_ready(&t.vq));
	assert_true(kc_split_arm(&t.vq));
	check_buffer(&t, heads[2], 2, 1, true);
	check_buffer(&t, heads[3], 3, 1, false);
	assert_false(kc_split_ready(&t.vq));
	assert_int_equal(t.vq.used_idx, 2);
	assert_int_equal(t.vq.nfree, 8);
	ring_close(&t);
}

static void in_order_abandon_inside_a_batch(void **state)
{
	uint16_t heads[3];
	struct kc_used u;
	struct ring t;

	(void)state;
	ring_open_in_order(&t, 8, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(add(&t, four, 2, &t.tokens[i], &heads[i]), 0);
	kc_split_publish(&t.vq);
	device_uses_batch(&t, heads[2], 0, 3);
	check_buffer(&t, heads[0], 0, 0, true);
	assert_int_equal(kc_split_abandon(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t.tokens[1]);
	assert_int_equal(kc_split_abandon(&t.vq, &u), 1);
	assert_ptr_equal(u.token, &t.tokens[2]);
	assert_int_equal(kc_split_abandon(&t.vq, &u), 0);
	ring_close(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(direct_ones_before_a_table),
		cmocka_unit_test(init_zeroes_all_parts),
		cmocka_unit_test(init_from_an_index),
		cmocka_unit_test(init_refuses),
		cmocka_unit_test(add_then_publish),
		cmocka_unit_test(heads_in_mixed_order),
		cmocka_unit_test(full_ring_changes_nothing),
		cmocka_unit_test(bad_chains_change_nothing),
		cmocka_unit_test(indirect_tables),
		cmocka_unit_test(indirect_tables_are_freed),
		cmocka_unit_test(kick_by_flags),
		cmocka_unit_test(kick_by_event),
		cmocka_unit_test(kick_after_a_full_lap),
		cmocka_unit_test(indices_wrap),
		cmocka_unit_test(largest_ring_full),
		cmocka_unit_test(reap_believes_nothing),
		cmocka_unit_test(reap_refuses_duplicates_and_pending),
		cmocka_unit_test(pending_head_is_not_in_flight),
		cmocka_unit_test(links_are_private),
		cmocka_unit_test(suppression),
		cmocka_unit_test(abandon),
		cmocka_unit_test(fini_with_chains_in_flight),
		cmocka_unit_test(in_order_takes_descriptors_in_ring_order),
		cmocka_unit_test(in_order_batches),
		cmocka_unit_test(in_order_whole_laps),
		cmocka_unit_test(in_order_impossible),
		cmocka_unit_test(in_order_possible_again),
		cmocka_unit_test(in_order_abandon_inside_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

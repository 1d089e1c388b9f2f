/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a packed ring. The device here is a few lines that write used descriptors;
 * it keeps a slot and a wrap counter, as the text has them. */
#include <sim/pristine.h>
#include "guest_fixture.h"
#include <errno.h>
#include <guest_model/packed.h>

#define AVAIL	0x0080
#define USED	0x8000
#define NEXT	1
#define WRITE	2
#define INDIRECT 4
#define ENABLE	0
#define DISABLE	1
#define DESC	2
#define COUNT(a)	(sizeof(a) / sizeof(*(a)))

static const uint32_t sizes[] = { 1, 2, 3, 5, 7, 100, 32768 };

struct place {
	uint32_t slot;
	bool wrap;
};

struct ring {
	struct guest g;
	struct kc_packed vq;
	struct kc_packed_config c;
	struct place dev;		/* of the next used descriptor */
	struct place dev_avail;		/* of the next available one */
	int tokens[8];
};

static void step(const struct ring *t, struct place *p, uint32_t n)
{
	for (; n; n--) {
		p->slot++;
		if (p->slot == t->c.size) {
			p->slot = 0;
			p->wrap = !p->wrap;
		}
	}
}

static void ring_restart(struct ring *t, uint32_t from)
{
	kc_packed_fini(&t->vq);
	t->c.from = from;
	assert_int_equal(kc_packed_init(&t->vq, &t->g.mem, &t->c), 0);
	t->dev = (struct place){ from % t->c.size, from / t->c.size % 2 == 0 };
	t->dev_avail = t->dev;
}

static void ring_open(struct ring *t, uint32_t size, uint32_t from, bool event_idx)
{
	memset(t, 0, sizeof(*t));
	guest_init(&t->g);
	t->c = (struct kc_packed_config){
		.size = size, .event_idx = event_idx,
		.desc = guest_alloc(&t->g, 16 * size, 16),
		.driver = guest_alloc(&t->g, 4, 4),
		.device = guest_alloc(&t->g, 4, 4),
	};
	ring_restart(t, from);
}

static void ring_open_in_order(struct ring *t, uint32_t size, uint32_t from)
{
	ring_open(t, size, from, false);
	t->c.in_order = true;
	ring_restart(t, from);
}

static void ring_close(struct ring *t)
{
	kc_packed_fini(&t->vq);
	guest_fini(&t->g);
}

static uint16_t avail_flags(bool wrap)
{
	return wrap ? AVAIL : USED;
}

static uint16_t used_flags(bool wrap)
{
	return wrap ? AVAIL | USED : 0;
}

static struct kc_pdesc desc_at(struct ring *t, uint64_t table, uint32_t i)
{
	uint8_t b[16];

	assert_int_equal(kc_mem_read(&t->g.mem, table + 16 * i, b, sizeof(b)), 0);
	return (struct kc_pdesc){
		.addr = (uint64_t)b[0] | b[1] << 8 | b[2] << 16 | (uint64_t)b[3] << 24 |
			(uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48,
		.len = b[8] | b[9] << 8 | b[10] << 16 | (uint32_t)b[11] << 24,
		.id = b[12] | b[13] << 8,
		.flags = b[14] | b[15] << 8,
	};
}

static uint16_t flags_at(struct ring *t, uint32_t slot)
{
	return guest_u16(&t->g, t->c.desc + 16 * slot + 14);
}

/* A used descriptor in the device's next slot; then it skips what the buffer took. */
static void device_uses_with(struct ring *t, uint16_t id, uint32_t len, uint16_t flags,
			     uint32_t ndesc)
{
	uint64_t gpa = t->c.desc + 16 * t->dev.slot;
	uint8_t b[6] = { len, len >> 8, len >> 16, len >> 24, id, id >> 8 };

	flags |= used_flags(t->dev.wrap);
	guest_device_write(&t->g, gpa + 8, b, sizeof(b));
	guest_device_write(&t->g, gpa + 14, (uint8_t[]){ flags, flags >> 8 }, 2);
	step(t, &t->dev, ndesc);
}

static void device_uses(struct ring *t, uint16_t id, uint32_t len, uint32_t ndesc)
{
	device_uses_with(t, id, len, WRITE, ndesc);
}

static void device_asks(struct ring *t, uint16_t off_wrap, uint16_t flags)
{
	guest_device_write(&t->g, t->c.device,
			   (uint8_t[]){ off_wrap, off_wrap >> 8, flags, flags >> 8 }, 4);
}

/* The next available chain as a device reads it: its id; *n descriptors. False if there is none. */
static bool device_fetches(struct ring *t, uint16_t *id, uint32_t *n)
{
	struct kc_pdesc d;

	*n = 0;
	do {
		d = desc_at(t, t->c.desc, t->dev_avail.slot);
		if ((d.flags & (AVAIL | USED)) != avail_flags(t->dev_avail.wrap)) {
			assert_int_equal(*n, 0);	/* never half a chain */
			return false;
		}
		step(t, &t->dev_avail, 1);
		++*n;
		assert_true(*n <= t->c.size);
	} while (d.flags & NEXT);
	*id = d.id;
	return true;
}

static const struct kc_seg four[] = {
	{ 0x40001000, 16, false }, { 0x40002000, 3, false },
	{ 0x40003000, 512, true }, { 0x40004000, 1, true },
};
static const struct kc_seg one[] = { { 0x40001000, 1, true } };

static int add(struct ring *t, const struct kc_seg *segs, unsigned n, void *token, uint16_t *id)
{
	return kc_packed_add(&t->vq, &(struct kc_chain){ .segs = segs, .nsegs = n }, token, id);
}

static uint16_t must_add(struct ring *t, const struct kc_seg *segs, unsigned n, void *token)
{
	uint16_t id = 0xffff;

	assert_int_equal(add(t, segs, n, token, &id), 0);
	assert_true(id < t->c.size);
	return id;
}

static int add_indirect(struct ring *t, const struct kc_seg *segs, unsigned n, bool unaligned,
			uint16_t *id)
{
	struct kc_chain chain = { .segs = segs, .nsegs = n, .indirect = true,
				  .unaligned_table = unaligned };

	return kc_packed_add(&t->vq, &chain, t, id);
}

static struct kc_used must_reap(struct ring *t)
{
	struct kc_used u;

	assert_true(kc_packed_ready(&t->vq));
	assert_int_equal(kc_packed_reap(&t->vq, &u), 1);
	return u;
}

static void nothing_to_reap(struct ring *t)
{
	struct kc_used u;

	assert_false(kc_packed_ready(&t->vq));
	assert_int_equal(kc_packed_reap(&t->vq, &u), 0);
}

/* --- Set-up ----------------------------------------------------------------------------------- */

static void init_zeroes_all_areas(void **state)
{
	static uint8_t zeroes[16 * 7];
	struct ring t;

	(void)state;
	ring_open(&t, 7, 0, false);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.desc, 112), zeroes, 112);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.driver, 4), zeroes, 4);
	assert_memory_equal(kc_mem_host(&t.g.mem, t.c.device, 4), zeroes, 4);
	/* Not a byte more: the guards are canaries. */
	assert_int_equal(*(uint8_t *)kc_mem_host(&t.g.mem, t.c.desc + 112, 1),
			 kc_pristine_byte(t.c.desc + 112));
	assert_int_equal(*(uint8_t *)kc_mem_host(&t.g.mem, t.c.driver + 4, 1),
			 kc_pristine_byte(t.c.driver + 4));
	assert_int_equal(*(uint8_t *)kc_mem_host(&t.g.mem, t.c.device + 4, 1),
			 kc_pristine_byte(t.c.device + 4));
	nothing_to_reap(&t);
	ring_close(&t);
}

/* What the flags are after so many descriptors went through one by one. */
static void check_idle_ring(struct ring *t, uint32_t from)
{
	struct place p = { 0, true };
	uint16_t *flags = calloc(t->c.size, sizeof(*flags));
	uint16_t off_wrap;

	for (uint32_t i = 0; i < from; i++) {
		flags[p.slot] = used_flags(p.wrap);
		step(t, &p, 1);
	}
	for (uint32_t s = 0; s < t->c.size; s++)
		assert_int_equal(flags_at(t, s), flags[s]);
	free(flags);
	assert_int_equal(t->dev.slot, p.slot);
	assert_int_equal(t->dev.wrap, p.wrap);
	off_wrap = p.slot | (p.wrap ? 0x8000 : 0);
	assert_int_equal(kc_packed_off_wrap(&t->vq, t->vq.published_pos), off_wrap);
	assert_int_equal(kc_packed_base(t->c.size, from), (uint32_t)off_wrap << 16 | off_wrap);
	assert_int_equal(guest_u16(&t->g, t->c.driver), t->c.event_idx ? off_wrap : 0);
	assert_int_equal(guest_u16(&t->g, t->c.driver + 2), t->c.event_idx ? DESC : ENABLE);
	assert_int_equal(guest_u16(&t->g, t->c.device), 0);
	assert_int_equal(guest_u16(&t->g, t->c.device + 2), ENABLE);
	nothing_to_reap(t);
}

static void init_from_a_position(void **state)
{
	struct ring t;

	(void)state;
	for (unsigned s = 0; s < COUNT(sizes); s++) {
		uint32_t n = sizes[s];
		uint32_t froms[] = { 0, 1, n - 1, n, n + 1, 2 * n - 1, 2 * n, 2 * n + 1, 65535 };

		ring_open(&t, n, 0, n % 2);
		for (unsigned f = 0; f < COUNT(froms); f++) {
			ring_restart(&t, froms[f]);
			check_idle_ring(&t, froms[f]);
		}
		ring_close(&t);
	}
	assert_int_equal(kc_packed_base(256, 0), 0x80008000);
	assert_int_equal(kc_packed_base(3, 5), 0x00020002);
	assert_int_equal(kc_packed_base(32768, 32767), 0xffffffff);
	assert_int_equal(kc_packed_base(1, UINT32_MAX), 0);
}

static void init_refuses(void **state)
{
	static const struct { uint32_t size; unsigned desc, driver, device; int ret; } bad[] = {
		{ 0, 0, 0, 0, -EINVAL }, { 32769, 0, 0, 0, -EINVAL }, { 4, 8, 0, 0, -EINVAL },
		{ 4, 0, 2, 0, -EINVAL }, { 4, 0, 0, 1, -EINVAL },
		{ 4, 0x10000000, 0, 0, -EFAULT }, { 4, 0, 0x10000000, 0, -EFAULT },
		{ 4, 0, 0, 0x10000000, -EFAULT },
	};
	struct guest g;

	(void)state;
	guest_init(&g);
	for (unsigned i = 0; i < COUNT(bad); i++) {
		struct kc_packed_config c = {
			.size = bad[i].size, .desc = 0x40000000 + bad[i].desc,
			.driver = 0x40001000 + bad[i].driver, .device = 0x40002000 + bad[i].device,
		};
		struct kc_packed vq;

		assert_int_equal(kc_packed_init(&vq, &g.mem, &c), bad[i].ret);
		kc_packed_fini(&vq);
	}
	guest_fini(&g);
}

/* --- Supply ----------------------------------------------------------------------------------- */

/* Three chains, the second over the end of the ring: one store makes all of them available. */
static void batch_is_exposed_by_its_first_flags(void **state)
{
	uint16_t ids[3], id;
	uint64_t first;
	struct ring t;
	uint32_t n;

	(void)state;
	ring_open(&t, 7, 2, false);
	first = t.c.desc + 16 * 2 + 14;
	t.g.nlog = 0;
	ids[0] = must_add(&t, four, 2, &t.tokens[0]);
	ids[1] = must_add(&t, four, 4, &t.tokens[1]);
	ids[2] = must_add(&t, one, 1, &t.tokens[2]);
	assert_int_equal(flags_at(&t, 2), 0);		/* as it was */
	assert_int_equal(t.g.nlog, 13);			/* 7 bodies, 6 flags */
	for (unsigned i = 0; i < t.g.nlog; i++)
		assert_int_not_equal(t.g.log[i], first);
	assert_false(device_fetches(&t, &id, &n));
	assert_int_equal(kc_packed_in_flight(&t.vq), 0);

	assert_int_equal(kc_packed_publish(&t.vq), 3);
	assert_int_equal(t.g.nlog, 14);
	assert_int_equal(t.g.log[13], first);
	assert_int_equal(kc_packed_in_flight(&t.vq), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(device_fetches(&t, &id, &n));
		assert_int_equal(id, ids[i]);
		assert_int_equal(n, i == 0 ? 2 : i == 1 ? 4 : 1);
	}
	assert_false(device_fetches(&t, &id, &n));
	assert_int_equal(kc_packed_publish(&t.vq), 0);
	assert_int_equal(t.g.nlog, 14);
	assert_int_equal(t.vq.nfree, 0);
	ring_close(&t);
}

/* Inside a chain, the first descriptor's flags come after all others (VQ-PACKED-SG-DRV-04). */
static void later_chains_begin_last(void **state)
{
	struct ring t;

	(void)state;
	ring_open(&t, 8, 0, false);
	must_add(&t, one, 1, &t);
	t.g.nlog = 0;
	must_add(&t, four, 4, &t);
	assert_int_equal(t.g.nlog, 8);
	assert_int_equal(t.g.log[7], t.c.desc + 16 + 14);
	ring_close(&t);
}

/* Every descriptor of a chain that begins at `from`, in each lap and over its end. */
static void check_chain(struct ring *t, uint32_t from, unsigned n)
{
	struct kc_seg segs[8];
	struct place p;
	uint16_t id;

	ring_restart(t, from);
	p = t->dev;
	for (unsigned i = 0; i < n; i++)
		segs[i] = (struct kc_seg){ 0x40001000 + 0x100 * i, i + 1, i >= n / 2 };
	id = must_add(t, segs, n, t);
	assert_int_equal(kc_packed_publish(&t->vq), 1);
	for (unsigned i = 0; i < n; i++, step(t, &p, 1)) {
		struct kc_pdesc d = desc_at(t, t->c.desc, p.slot);

		assert_int_equal(d.addr, segs[i].gpa);
		assert_int_equal(d.len, segs[i].len);
		assert_int_equal(d.flags, avail_flags(p.wrap) | (segs[i].write ? WRITE : 0) |
				 (i + 1 < n ? NEXT : 0));
		if (i + 1 == n) {
			assert_int_equal(d.id, id);
			continue;
		}
		assert_true(d.id >= 0x8000);		/* nobody's */
		for (unsigned k = i + 1; k < n; k++) {
			struct place q = p;

			step(t, &q, k - i);
			assert_int_not_equal(d.id, desc_at(t, t->c.desc, q.slot).id);
		}
	}
	assert_int_equal(kc_packed_off_wrap(&t->vq, t->vq.published_pos),
			 p.slot | (p.wrap ? 0x8000 : 0));
}

static void chains_in_every_place(void **state)
{
	static const uint32_t small[] = { 1, 2, 3, 5, 7, 8 };
	struct ring t;

	(void)state;
	for (unsigned s = 0; s < COUNT(small); s++) {
		ring_open(&t, small[s], 0, false);
		for (uint32_t from = 0; from <= 4 * small[s]; from++)
			for (unsigned n = 1; n <= small[s]; n++)
				check_chain(&t, from, n);
		ring_close(&t);
	}
}

/* Chains of exactly the ring's size, one after the other: the wrap counter flips, the slot does
 * not. */
static void chains_as_long_as_the_ring(void **state)
{
	struct kc_seg segs[100];
	struct ring t;
	uint16_t id, got;
	uint32_t n;

	(void)state;
	for (unsigned i = 0; i < COUNT(segs); i++)
		segs[i] = one[0];
	for (unsigned s = 0; s < COUNT(sizes) - 1; s++) {
		ring_open(&t, sizes[s], 3, false);
		for (int round = 0; round < 5; round++) {
			id = must_add(&t, segs, sizes[s], &t.tokens[round]);
			assert_int_equal(add(&t, one, 1, &t, &got), -ENOSPC);
			kc_packed_publish(&t.vq);
			assert_true(device_fetches(&t, &got, &n));
			assert_int_equal(got, id);
			assert_int_equal(n, sizes[s]);
			nothing_to_reap(&t);
			device_uses(&t, id, 1, n);
			assert_ptr_equal(must_reap(&t).token, &t.tokens[round]);
			nothing_to_reap(&t);
			assert_int_equal(t.vq.nfree, sizes[s]);
		}
		ring_close(&t);
	}
}

static void run_one(struct ring *t, int *token)
{
	struct place p = t->dev;
	uint32_t n;
	uint16_t id = must_add(t, one, 1, token), got;
	struct kc_used u;

	if (t->c.size > 1)
		assert_int_not_equal(id, p.slot);
	assert_int_equal(kc_packed_publish(&t->vq), 1);
	nothing_to_reap(t);
	assert_true(device_fetches(t, &got, &n));
	assert_int_equal(got, id);
	device_uses(t, id, 7, 1);
	u = must_reap(t);
	assert_ptr_equal(u.token, token);
	assert_int_equal(u.id, id);
	assert_int_equal(u.len, 7);
	assert_int_equal(u.flags, used_flags(p.wrap) | WRITE);
}

static void laps(void **state)
{
	struct ring t;

	(void)state;
	for (unsigned s = 0; s < COUNT(sizes); s++) {
		ring_open(&t, sizes[s], 2 * sizes[s] - 1, false);
		for (uint32_t i = 0; i < 2 * sizes[s] + 3; i++)
			run_one(&t, &t.tokens[i % 8]);
		nothing_to_reap(&t);
		ring_close(&t);
	}
}

static void full_rings(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t *ids, id;

	(void)state;
	for (unsigned s = 0; s < COUNT(sizes); s++) {
		uint32_t n = sizes[s];

		ids = calloc(n, sizeof(*ids));
		ring_open(&t, n, n + 2, true);
		for (int round = 0; round < 2; round++) {
			for (uint32_t i = 0; i < n; i++)
				ids[i] = must_add(&t, one, 1, &ids[i]);
			assert_int_equal(add(&t, one, 1, &t, &id), -ENOSPC);
			assert_int_equal(kc_packed_publish(&t.vq), n);
			assert_int_equal(kc_packed_in_flight(&t.vq), n);
			for (uint32_t i = n; i-- > 0;)		/* the newest first */
				device_uses(&t, ids[i], i, 1);
			for (uint32_t i = n; i-- > 0;) {
				u = must_reap(&t);
				assert_ptr_equal(u.token, &ids[i]);
				assert_int_equal(u.len, i);
			}
			nothing_to_reap(&t);
		}
		ring_close(&t);
		free(ids);
	}
}

/* Before anything is known of an order of completion, no id is its slot, nor the next one up. */
static void ids_are_mixed(void **state)
{
	struct ring t;

	(void)state;
	for (unsigned s = 1; s < COUNT(sizes); s++) {
		uint32_t n = sizes[s], next_up = 0;
		bool *seen = calloc(n, sizeof(*seen));
		uint16_t last = 0;

		ring_open(&t, n, 1, false);
		for (uint32_t i = 0; i < n; i++) {
			uint16_t id = must_add(&t, one, 1, &t);

			assert_false(seen[id]);
			seen[id] = true;
			assert_int_not_equal(id, (i + 1) % n);
			next_up += i && id == last + 1;
			last = id;
		}
		assert_true(n < 7 || next_up < n / 2);
		ring_close(&t);
		free(seen);
	}
}

/* What must not change when a chain is refused: every byte of the ring and of the books. */
struct snapshot {
	uint8_t desc[16 * 7], events[2][4];
	struct kc_packed vq;
	unsigned nlog;
};

static void take_snapshot(struct ring *t, struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(t->c.size, 7);
	assert_int_equal(kc_mem_read(&t->g.mem, t->c.desc, s->desc, sizeof(s->desc)), 0);
	assert_int_equal(kc_mem_read(&t->g.mem, t->c.driver, s->events[0], 4), 0);
	assert_int_equal(kc_mem_read(&t->g.mem, t->c.device, s->events[1], 4), 0);
	memcpy(&s->vq, &t->vq, sizeof(s->vq));
	s->nlog = t->g.nlog;
}

static void refuse(struct ring *t, const struct kc_chain *chain, void *token, int expected)
{
	struct snapshot before, after;
	uint16_t id = 0x5555;

	take_snapshot(t, &before);
	assert_int_equal(kc_packed_add(&t->vq, chain, token, &id), expected);
	take_snapshot(t, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(id, 0x5555);
}

static void full_ring_changes_nothing(void **state)
{
	struct kc_seg eight[8];
	uint16_t id, second;
	struct ring t;

	(void)state;
	for (int i = 0; i < 8; i++)
		eight[i] = one[0];
	ring_open(&t, 7, 5, false);
	refuse(&t, &(struct kc_chain){ .segs = eight, .nsegs = 8 }, &t, -ENOSPC);
	id = must_add(&t, four, 4, &t);
	refuse(&t, &(struct kc_chain){ .segs = eight, .nsegs = 4 }, &t, -ENOSPC);
	kc_packed_publish(&t.vq);
	refuse(&t, &(struct kc_chain){ .segs = eight, .nsegs = 4 }, &t, -ENOSPC);
	second = must_add(&t, eight, 3, &t);
	refuse(&t, &(struct kc_chain){ .segs = eight, .nsegs = 1 }, &t, -ENOSPC);
	refuse(&t, &(struct kc_chain){ .segs = eight, .nsegs = 1, .indirect = true }, &t, -ENOSPC);
	kc_packed_publish(&t.vq);

	/* What the second one took is free, wherever it lay; the first one stays in flight. */
	device_uses(&t, second, 3, 3);
	must_reap(&t);
	refuse(&t, &(struct kc_chain){ .segs = eight, .nsegs = 4 }, &t, -ENOSPC);
	must_add(&t, eight, 3, &t);
	kc_packed_publish(&t.vq);
	device_uses(&t, id, 3, 4);
	assert_int_equal(must_reap(&t).id, id);
	ring_close(&t);
}

static void bad_chains_change_nothing(void **state)
{
	static const struct kc_seg mixed[] = { { 0x40001000, 1, true }, { 0x40002000, 1, false } };
	struct kc_seg eight[8], huge[3];
	struct ring t;

	(void)state;
	for (int i = 0; i < 8; i++)
		eight[i] = one[0];
	for (int i = 0; i < 3; i++)
		huge[i] = (struct kc_seg){ 0x40001000, i < 2 ? 0x80000000u : 1, true };
	ring_open(&t, 7, 0, false);
	refuse(&t, &(struct kc_chain){ .segs = one, .nsegs = 0 }, &t, -EINVAL);
	refuse(&t, &(struct kc_chain){ .segs = one, .nsegs = 1 }, NULL, -EINVAL);
	refuse(&t, &(struct kc_chain){ .segs = mixed, .nsegs = 2 }, &t, -EINVAL);
	refuse(&t, &(struct kc_chain){ .segs = huge, .nsegs = 3 }, &t, -EINVAL);
	refuse(&t, &(struct kc_chain){ .segs = eight, .nsegs = 8, .indirect = true }, &t, -EINVAL);
	/* A direct descriptor before a table is for split rings only. */
	refuse(&t, &(struct kc_chain){ .segs = four, .nsegs = 4, .indirect = true, .ndirect = 1 }, &t,
	       -EINVAL);
	must_add(&t, huge, 2, &t);		/* exactly 2^32 bytes are allowed */
	ring_close(&t);
}

static void indirect_tables(void **state)
{
	struct ring t;
	uint16_t id;

	(void)state;
	ring_open(&t, 5, 4, false);
	for (int unaligned = 0; unaligned < 2; unaligned++) {
		uint32_t slot = t.vq.avail_pos % 5;
		bool wrap = t.vq.avail_pos < 5;
		struct kc_pdesc d;

		assert_int_equal(add_indirect(&t, four, 4, unaligned, &id), 0);
		kc_packed_publish(&t.vq);
		d = desc_at(&t, t.c.desc, slot);
		assert_int_equal(d.flags, INDIRECT | avail_flags(wrap));
		assert_int_equal(d.id, id);
		assert_int_equal(d.len, 64);
		assert_int_equal(d.addr % 16, unaligned);
		for (unsigned i = 0; i < 4; i++) {
			struct kc_pdesc e = desc_at(&t, d.addr, i);

			assert_int_equal(e.addr, four[i].gpa);
			assert_int_equal(e.len, four[i].len);
			assert_int_equal(e.flags, four[i].write ? WRITE : 0);
			assert_int_equal(e.id, 0);
		}
	}
	assert_int_equal(t.vq.nfree, 3);
	assert_int_equal(kc_packed_add(&t.vq, &(struct kc_chain){ .segs = one, .nsegs = 1,
					.indirect = true, .flagged_table = true }, &t, &id), 0);
	kc_packed_publish(&t.vq);
	assert_int_equal(flags_at(&t, 1), INDIRECT | WRITE | USED);
	ring_close(&t);
}

/* More table bytes than there is guest memory: a table that is not freed runs out. */
static void indirect_tables_are_freed(void **state)
{
	struct kc_seg segs[64];
	struct snapshot before, after;
	struct ring t;
	uint64_t gpa;
	uint16_t id;
	int n = 0;

	(void)state;
	for (int i = 0; i < 64; i++)
		segs[i] = one[0];
	ring_open(&t, 100, 0, false);
	for (int i = 0; i < 12000; i++) {
		assert_int_equal(add_indirect(&t, segs, 64, i % 2, &id), 0);
		kc_packed_publish(&t.vq);
		device_uses(&t, id, 64, 1);
		must_reap(&t);
	}
	ring_close(&t);

	/* No memory for a table: nothing changes either. */
	ring_open(&t, 7, 0, false);
	for (uint64_t len = 1 << 20; len; len /= 2)
		while (!kc_mem_alloc(&t.g.mem, len, 1, KC_PLACE_ANY, &gpa))
			n++;
	assert_true(n > 0);
	take_snapshot(&t, &before);
	assert_int_equal(add_indirect(&t, segs, 7, false, &id), -ENOMEM);
	take_snapshot(&t, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	ring_close(&t);
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

/* --- Suppression, and the end ----------------------------------------------------------------- */

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

static void abandon(void **state)
{
	struct kc_used u;
	struct ring t;
	uint16_t id;
	unsigned seen = 0;

	(void)state;
	for (int in_order = 0; in_order < 2; in_order++) {
		if (in_order)
			ring_open_in_order(&t, 7, 0);
		else
			ring_open(&t, 7, 0, false);
		assert_int_equal(kc_packed_abandon(&t.vq, &u), 0);
		must_add(&t, four, 3, &t.tokens[0]);
		assert_int_equal(add_indirect(&t, four, 4, true, &id), 0);
		kc_packed_publish(&t.vq);
		must_add(&t, one, 1, &t.tokens[2]);
		for (seen = 0; kc_packed_abandon(&t.vq, &u);)
			seen |= u.token == &t.tokens[0] ? 1 : u.token == &t ? 2 :
				u.token == &t.tokens[2] ? 4 : 8;
		assert_int_equal(seen, 7);
		assert_int_equal(kc_packed_in_flight(&t.vq), 0);
		assert_int_equal(t.vq.nfree, 7);
		ring_close(&t);
	}
}

/* Chains in flight at the end: their tables are the ring's to free (the leak checker looks on). */
static void fini_with_chains_in_flight(void **state)
{
	struct ring t;
	uint16_t id;

	(void)state;
	ring_open(&t, 7, 0, false);
	assert_int_equal(add_indirect(&t, four, 4, false, &id), 0);
	kc_packed_publish(&t.vq);
	assert_int_equal(add_indirect(&t, four, 4, false, &id), 0);
	kc_packed_fini(&t.vq);
	kc_packed_fini(&t.vq);
	guest_fini(&t.g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_zeroes_all_areas),
		cmocka_unit_test(init_from_a_position),
		cmocka_unit_test(init_refuses),
		cmocka_unit_test(batch_is_exposed_by_its_first_flags),
		cmocka_unit_test(later_chains_begin_last),
		cmocka_unit_test(chains_in_every_place),
		cmocka_unit_test(chains_as_long_as_the_ring),
		cmocka_unit_test(laps),
		cmocka_unit_test(full_rings),
		cmocka_unit_test(ids_are_mixed),
		cmocka_unit_test(full_ring_changes_nothing),
		cmocka_unit_test(bad_chains_change_nothing),
		cmocka_unit_test(indirect_tables),
		cmocka_unit_test(indirect_tables_are_freed),
		cmocka_unit_test(kick_by_flags),
		cmocka_unit_test(kick_by_event),
		cmocka_unit_test(kick_by_event_in_the_largest_ring),
		cmocka_unit_test(kick_after_laps),
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
		cmocka_unit_test(suppression),
		cmocka_unit_test(abandon),
		cmocka_unit_test(fini_with_chains_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

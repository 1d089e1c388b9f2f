/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's side of a packed ring: how it begins and ends, and what is put into it. What comes
 * back is in test_packed_used.c, kicks and calls are in test_packed_notify.c.
 */
#include <errno.h>
#include <sim/pristine.h>
#include <tests/unit/packed_fixture.h>

static int add_indirect(struct ring *t, const struct kc_seg *segs, unsigned n, bool unaligned,
			uint16_t *id)
{
	struct kc_chain chain = { .segs = segs, .nsegs = n, .indirect = true,
				  .unaligned_table = unaligned };

	return kc_packed_add(&t->vq, &chain, t, id);
}

static uint16_t flags_at(struct ring *t, uint32_t slot)
{
	return guest_u16(&t->g, t->c.desc + 16 * slot + 14);
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

/* --- Refusals --------------------------------------------------------------------------------- */

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

/* --- Tables ----------------------------------------------------------------------------------- */

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

/* --- The end ---------------------------------------------------------------------------------- */

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
		cmocka_unit_test(abandon),
		cmocka_unit_test(fini_with_chains_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

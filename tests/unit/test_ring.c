/* SPDX-License-Identifier: BSD-3-Clause */
/* One life of a ring of either layout, through the table of operations alone. */
#include "guest_fixture.h"
#include <errno.h>
#include <guest_model/ring.h>

static const struct kc_seg one[] = { { 0x40001000, 4, true } };

struct bench {
	struct guest g;
	struct kc_ring r;
	struct kc_ring_config c;
	const struct kc_ring_ops *ops;
	uint32_t used;			/* buffers of one descriptor used so far, `from` included */
};

static void bench_open(struct bench *b, const char *layout, uint32_t size, uint32_t from,
		       bool event_idx, bool in_order)
{
	b->used = from;
	b->ops = kc_ring_layout(layout);
	assert_non_null(b->ops);
	b->c = (struct kc_ring_config){ .size = size, .from = from, .event_idx = event_idx,
					.in_order = in_order };
	for (int a = 0; a < KC_AREAS; a++) {
		struct kc_area_shape s = b->ops->shape(size, a);

		b->c.area[a] = guest_alloc(&b->g, s.bytes, s.align);
	}
	assert_int_equal(kc_ring_init(&b->r, b->ops, &b->g.mem, &b->c), 0);
	assert_ptr_equal(b->r.ops, b->ops);
	assert_int_equal(b->r.config.from, from);
}

static void bench_close(struct bench *b)
{
	kc_ring_fini(&b->r);
	assert_null(b->r.ops);
	kc_ring_fini(&b->r);
	for (int a = 0; a < KC_AREAS; a++)
		kc_mem_free(&b->g.mem, b->c.area[a]);
}

static void put(struct bench *b, uint64_t gpa, uint64_t v, size_t bytes)
{
	uint8_t le[8];

	for (size_t i = 0; i < bytes; i++)
		le[i] = v >> 8 * i;
	guest_device_write(&b->g, gpa, le, bytes);
}

/* n buffers of one descriptor each, with one entry that names the last. */
static void device_uses(struct bench *b, uint16_t id, uint32_t len, uint32_t n)
{
	uint32_t slot = b->used % b->c.size;
	bool wrap = b->used / b->c.size % 2 == 0;

	b->used += n;
	if (b->ops->packed) {
		uint64_t gpa = b->c.area[KC_AREA_DESC] + 16 * slot;

		put(b, gpa + 8, len, 4);
		put(b, gpa + 12, id, 2);
		put(b, gpa + 14, (wrap ? 0x8080 : 0) | 2, 2);
	} else {
		put(b, b->c.area[KC_AREA_DEVICE] + 4 + 8 * slot, (uint64_t)len << 32 | id, 8);
		put(b, b->c.area[KC_AREA_DEVICE] + 2, b->used, 2);
	}
}

/* used.flags, avail_event; the device area. */
static void device_wants_no_kick(struct bench *b)
{
	uint64_t gpa = b->c.area[KC_AREA_DEVICE];

	if (b->ops->packed)
		put(b, gpa + 2, 1, 2);
	else if (b->c.event_idx)
		put(b, gpa + 4 + 8 * b->c.size, b->used - 1, 2);
	else
		put(b, gpa, 1, 2);
}

static uint16_t add(struct bench *b, void *token)
{
	struct kc_chain chain = { .segs = one, .nsegs = 1 };
	uint16_t id = 0xffff;

	assert_int_equal(b->ops->add(&b->r, &chain, token, &id), 0);
	assert_true(id < b->c.size);
	return id;
}

static void a_request(struct bench *b)
{
	uint32_t room = b->ops->room(&b->r);
	struct kc_used u = { 0 };
	uint16_t id = add(b, b);

	assert_int_equal(b->ops->room(&b->r), room - 1);
	assert_int_equal(b->ops->publish(&b->r), 1);
	assert_true(b->ops->kick_needed(&b->r));
	assert_false(b->ops->ready(&b->r));
	assert_int_equal(b->ops->reap(&b->r, &u), 0);
	assert_false(b->ops->arm(&b->r));
	device_uses(b, id, 3, 1);
	assert_true(b->ops->ready(&b->r));
	assert_true(b->ops->arm(&b->r));
	assert_int_equal(b->ops->reap(&b->r, &u), 1);
	assert_int_equal(u.id, id);
	assert_int_equal(u.len, 3);
	assert_ptr_equal(u.token, b);
	assert_false(b->ops->ready(&b->r));
	assert_int_equal(b->ops->room(&b->r), room);
}

static void check_suppressed(struct bench *b)
{
	uint64_t gpa = b->c.area[KC_AREA_DRIVER];

	b->ops->suppress(&b->r);
	if (b->ops->packed)
		assert_int_equal(guest_u16(&b->g, gpa + 2), 1);
	else if (b->c.event_idx)
		assert_int_equal(guest_u16(&b->g, gpa + 4 + 2 * b->c.size), (uint16_t)(b->used - 1));
	else
		assert_int_equal(guest_u16(&b->g, gpa), 1);
}

static void life(struct bench *b, const char *layout, uint32_t size, uint32_t from, bool event_idx,
		 bool in_order)
{
	unsigned n = 0;
	struct kc_used u;

	bench_open(b, layout, size, from, event_idx, in_order);
	assert_int_equal(b->ops->room(&b->r), size);
	a_request(b);
	check_suppressed(b);
	device_wants_no_kick(b);
	add(b, b);
	assert_int_equal(b->ops->publish(&b->r), 1);
	assert_false(b->ops->kick_needed(&b->r));
	if (size > 1)
		add(b, b);
	while (b->ops->abandon(&b->r, &u)) {
		assert_ptr_equal(u.token, b);
		n++;
	}
	assert_int_equal(n, size > 1 ? 2 : 1);
	bench_close(b);
}

static void lives(void **state)
{
	static const uint32_t split[] = { 1, 2, 256, 32768 }, packed[] = { 1, 2, 3, 100, 32768 };
	struct bench b;

	(void)state;
	guest_init(&b.g);
	for (unsigned s = 0; s < 5; s++)
		for (unsigned bits = 0; bits < 4; bits++)
			for (uint32_t from = 0; from < 7; from += 3) {
				if (s < 4)
					life(&b, "split", split[s], from, bits & 1, bits & 2);
				life(&b, "packed", packed[s], from, bits & 1, bits & 2);
			}
	guest_fini(&b.g);
}

/* IN_ORDER reaches both layouts: one entry, three buffers. */
static void batches(void **state)
{
	static const char *const layouts[] = { "split", "packed" };
	struct kc_used u;
	struct bench b;
	uint16_t ids[3];

	(void)state;
	guest_init(&b.g);
	for (int l = 0; l < 2; l++) {
		bench_open(&b, layouts[l], 4, 3, false, true);
		for (int i = 0; i < 3; i++)
			ids[i] = add(&b, &ids[i]);
		b.ops->publish(&b.r);
		device_uses(&b, ids[2], 2, 3);
		for (int i = 0; i < 3; i++) {
			assert_true(b.ops->ready(&b.r));
			assert_int_equal(b.ops->reap(&b.r, &u), 1);
			assert_ptr_equal(u.token, &ids[i]);
			assert_int_equal(u.skipped, i < 2);
			assert_int_equal(u.len, i < 2 ? 4 : 2);
		}
		assert_false(b.ops->ready(&b.r));
		bench_close(&b);
	}
	guest_fini(&b.g);
}

static void bases_and_positions(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(kc_ring_split.base(256, 65534), 65534);
	assert_int_equal(kc_ring_split.base(256, 65536), 0);
	assert_int_equal(kc_ring_packed.base(256, 0), 0x80008000);
	assert_int_equal(kc_ring_packed.base(100, 150), 0x00320032);
	guest_init(&b.g);
	bench_open(&b, "split", 4, 65535, false, false);
	add(&b, &b);
	assert_int_equal(b.ops->published(&b.r), 65535);
	b.ops->publish(&b.r);
	assert_int_equal(b.ops->published(&b.r), 0);
	bench_close(&b);
	bench_open(&b, "packed", 3, 2, false, false);
	add(&b, &b);
	assert_int_equal(b.ops->published(&b.r), 0x8002);
	b.ops->publish(&b.r);
	assert_int_equal(b.ops->published(&b.r), 0);
	bench_close(&b);
	guest_fini(&b.g);
}

static void layouts(void **state)
{
	struct kc_ring r = { 0 };

	(void)state;
	assert_ptr_equal(kc_ring_layout("split"), &kc_ring_split);
	assert_ptr_equal(kc_ring_layout("packed"), &kc_ring_packed);
	assert_null(kc_ring_layout("round"));
	assert_false(kc_ring_split.packed);
	assert_true(kc_ring_packed.packed);
	assert_int_equal(kc_ring_packed.shape(3, KC_AREA_DESC).bytes, 48);
	assert_int_equal(kc_ring_packed.shape(3, KC_AREA_DRIVER).bytes, 4);
	assert_int_equal(kc_ring_packed.shape(3, KC_AREA_DEVICE).align, 4);
	assert_int_equal(kc_ring_split.shape(4, KC_AREA_DEVICE).bytes, 38);
	kc_ring_fini(&r);		/* never made */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives),
		cmocka_unit_test(batches),
		cmocka_unit_test(bases_and_positions),
		cmocka_unit_test(layouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_PACKED_FIXTURE_H
#define TESTS_UNIT_PACKED_FIXTURE_H

/*
 * The driver's side of a packed ring, and a device: a few lines that read available descriptors and
 * write used ones. It keeps a slot and a wrap counter, as the text has them.
 */
#include <tests/unit/guest_fixture.h>
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

static inline void step(const struct ring *t, struct place *p, uint32_t n)
{
	for (; n; n--) {
		p->slot++;
		if (p->slot == t->c.size) {
			p->slot = 0;
			p->wrap = !p->wrap;
		}
	}
}

static inline void ring_restart(struct ring *t, uint32_t from)
{
	kc_packed_fini(&t->vq);
	t->c.from = from;
	assert_int_equal(kc_packed_init(&t->vq, &t->g.mem, &t->c), 0);
	t->dev = (struct place){ from % t->c.size, from / t->c.size % 2 == 0 };
	t->dev_avail = t->dev;
}

static inline void ring_open(struct ring *t, uint32_t size, uint32_t from, bool event_idx)
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

static inline void ring_open_in_order(struct ring *t, uint32_t size, uint32_t from)
{
	ring_open(t, size, from, false);
	t->c.in_order = true;
	ring_restart(t, from);
}

static inline void ring_close(struct ring *t)
{
	kc_packed_fini(&t->vq);
	guest_fini(&t->g);
}

static inline uint16_t avail_flags(bool wrap)
{
	return wrap ? AVAIL : USED;
}

static inline uint16_t used_flags(bool wrap)
{
	return wrap ? AVAIL | USED : 0;
}

static inline struct kc_pdesc desc_at(struct ring *t, uint64_t table, uint32_t i)
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

/* A used descriptor in the device's next slot; then it skips what the buffer took. */
static inline void device_uses_with(struct ring *t, uint16_t id, uint32_t len, uint16_t flags,
			     uint32_t ndesc)
{
	uint64_t gpa = t->c.desc + 16 * t->dev.slot;
	uint8_t b[6] = { len, len >> 8, len >> 16, len >> 24, id, id >> 8 };

	flags |= used_flags(t->dev.wrap);
	guest_device_write(&t->g, gpa + 8, b, sizeof(b));
	guest_device_write(&t->g, gpa + 14, (uint8_t[]){ flags, flags >> 8 }, 2);
	step(t, &t->dev, ndesc);
}

static inline void device_uses(struct ring *t, uint16_t id, uint32_t len, uint32_t ndesc)
{
	device_uses_with(t, id, len, WRITE, ndesc);
}

/* The next available chain as a device reads it: its id; *n descriptors. False if there is none. */
static inline bool device_fetches(struct ring *t, uint16_t *id, uint32_t *n)
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

static inline int add(struct ring *t, const struct kc_seg *segs, unsigned n, void *token,
		      uint16_t *id)
{
	return kc_packed_add(&t->vq, &(struct kc_chain){ .segs = segs, .nsegs = n }, token, id);
}

static inline uint16_t must_add(struct ring *t, const struct kc_seg *segs, unsigned n, void *token)
{
	uint16_t id = 0xffff;

	assert_int_equal(add(t, segs, n, token, &id), 0);
	assert_true(id < t->c.size);
	return id;
}

static inline struct kc_used must_reap(struct ring *t)
{
	struct kc_used u;

	assert_true(kc_packed_ready(&t->vq));
	assert_int_equal(kc_packed_reap(&t->vq, &u), 1);
	return u;
}

static inline void nothing_to_reap(struct ring *t)
{
	struct kc_used u;

	assert_false(kc_packed_ready(&t->vq));
	assert_int_equal(kc_packed_reap(&t->vq, &u), 0);
}

/* One request there and back, by itself. */
static inline void run_one(struct ring *t, int *token)
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

#endif

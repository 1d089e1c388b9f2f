/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_ORACLE_BENCH_PACKED_H
#define TESTS_UNIT_ORACLE_BENCH_PACKED_H

#include <tests/unit/oracle_bench.h>

/*
 * Packed queues on the oracle's bench. A position is a slot, plus the size while the wrap counter is 0;
 * avail_pos and used_pos of a queue are the driver's and the device's.
 */
#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT
#define ENABLE	VRING_PACKED_EVENT_FLAG_ENABLE
#define DISABLE	VRING_PACKED_EVENT_FLAG_DISABLE
#define DESC	VRING_PACKED_EVENT_FLAG_DESC

static inline uint32_t pk_forward(const struct bench_queue *q, uint32_t pos, uint32_t n)
{
	return (pos + n) % (2 * q->c.size);
}

static inline uint32_t pk_slot(const struct bench_queue *q, uint32_t pos)
{
	return pos % q->c.size;
}

static inline bool pk_wrap(const struct bench_queue *q, uint32_t pos)
{
	return pos % (2 * q->c.size) < q->c.size;
}

/* Slot and wrap counter, as event areas and bases have them. */
static inline uint16_t pk_off_wrap(const struct bench_queue *q, uint32_t pos)
{
	return pk_slot(q, pos) | pk_wrap(q, pos) << 15;
}

static inline uint32_t pk_base(const struct bench_queue *q, uint32_t avail, uint32_t used)
{
	return (uint32_t)pk_off_wrap(q, used) << 16 | pk_off_wrap(q, avail);
}

static inline uint64_t pk_gpa(const struct bench_queue *q, uint32_t pos)
{
	return q->c.desc + 16ull * pk_slot(q, pos);
}

static inline uint16_t pk_avail_bits(const struct bench_queue *q, uint32_t pos)
{
	return pk_wrap(q, pos) ? KC_PDESC_F_AVAIL : KC_PDESC_F_USED;
}

static inline uint16_t pk_used_bits(const struct bench_queue *q, uint32_t pos)
{
	return pk_wrap(q, pos) ? KC_PDESC_F_AVAIL | KC_PDESC_F_USED : 0;
}

/* --- The driver ------------------------------------------------------------------------------- */

static inline void pk_write(struct bench *b, uint64_t gpa, struct kc_pdesc d)
{
	uint8_t raw[16];

	kc_pdesc_encode(raw, d);
	drv_write(b, gpa, raw, sizeof(raw));
}

/* A descriptor as it is offered at pos, its flags last. */
static inline void pk_desc(struct bench *b, struct bench_queue *q, uint32_t pos, struct kc_pdesc d)
{
	uint8_t raw[16];

	d.flags |= pk_avail_bits(q, pos);
	kc_pdesc_encode(raw, d);
	drv_write(b, pk_gpa(q, pos), raw, KC_PDESC_FLAGS);
	drv_write16(b, pk_gpa(q, pos) + KC_PDESC_FLAGS, d.flags);
}

/* A list of n, from its last to its first; only the last has the id. */
static inline void pk_list(struct bench *b, struct bench_queue *q, const struct kc_pdesc *d, uint32_t n,
			   uint16_t id)
{
	for (uint32_t i = n; i-- > 0;) {
		struct kc_pdesc x = d[i];

		x.id = i + 1 == n ? id : 0xbad0;
		x.flags |= i + 1 == n ? 0 : NEXT;
		pk_desc(b, q, pk_forward(q, q->avail_pos, i), x);
	}
	q->avail_pos = pk_forward(q, q->avail_pos, n);
	kc_oracle_published(b->o, q->qi);
}

/* The buffers of request i: 16 bytes to read, 32 to write, poisoned. */
static inline void pk_buffers(struct bench *b, unsigned i)
{
	drv_fill(b, BUF(2 * i), 0x11, 16);
	drv_fill(b, BUF(2 * i + 1), 0xa5, 32);
}

/* Request i as a list of n, at most 18: one to read if there is more than one, then parts of the one to
 * write. */
static inline void pk_request_of(struct bench *b, struct bench_queue *q, unsigned i, uint32_t n, uint16_t id)
{
	struct kc_pdesc d[18] = { { BUF(2 * i), 16, 0, 0 } };
	uint32_t parts = n > 1 ? n - 1 : 1, first = n > 1;

	pk_buffers(b, i);
	for (uint32_t k = 0; k < parts; k++)
		d[first + k] = (struct kc_pdesc){ BUF(2 * i + 1) + k, k + 1 == parts ? 32 - k : 1, 0, WRITE };
	pk_list(b, q, d, n, id);
}

static inline void pk_request(struct bench *b, struct bench_queue *q, unsigned i, uint16_t id)
{
	pk_request_of(b, q, i, 2, id);
}

/* One descriptor, 16 bytes to read. */
static inline void pk_output(struct bench *b, struct bench_queue *q, unsigned i, uint16_t id)
{
	drv_fill(b, BUF(2 * i), 0x11, 16);
	pk_list(b, q, &(struct kc_pdesc){ BUF(2 * i), 16, 0, 0 }, 1, id);
}

static inline void pk_event(struct bench *b, struct bench_queue *q, uint32_t pos, uint16_t flags)
{
	uint32_t v = htole32((uint32_t)flags << 16 | pk_off_wrap(q, pos));

	drv_write(b, q->c.avail, &v, sizeof(v));
	kc_ring_fence();
	kc_oracle_suppression(b->o, q->qi);
}

/* --- The device ------------------------------------------------------------------------------- */

static inline void pk_store(struct bench *b, struct bench_queue *q, uint32_t pos, uint16_t id, uint32_t len,
			    uint16_t flags)
{
	uint8_t *p = kc_mem_host(&b->mem, pk_gpa(q, pos), 16);

	kc_ring_store32(p + KC_PDESC_LEN, len, __ATOMIC_RELAXED);
	kc_ring_store16(p + KC_PDESC_ID, id, __ATOMIC_RELAXED);
	kc_ring_store16(p + KC_PDESC_FLAGS, flags, __ATOMIC_RELEASE);
}

/* Used, nobody has looked yet. WRITE is set if len is. */
static inline void pk_use_unseen(struct bench *b, struct bench_queue *q, uint32_t slots, uint16_t id,
				 uint32_t len)
{
	pk_store(b, q, q->used_pos, id, len, pk_used_bits(q, q->used_pos) | (len ? WRITE : 0));
	q->used_pos = pk_forward(q, q->used_pos, slots);
}

static inline void pk_use(struct bench *b, struct bench_queue *q, uint32_t slots, uint16_t id, uint32_t len)
{
	pk_use_unseen(b, q, slots, id, len);
	kc_oracle_observe(b->o);
}

/* Does request i, a list of n, as it should be done. */
static inline void pk_serve_of(struct bench *b, struct bench_queue *q, unsigned i, uint32_t n, uint16_t id)
{
	dev_fill(b, BUF(2 * i + 1), 0x77, 32);
	pk_use(b, q, n, id, 32);
}

static inline void pk_serve(struct bench *b, struct bench_queue *q, unsigned i, uint16_t id)
{
	pk_serve_of(b, q, i, 2, id);
}

static inline void pk_device_event(struct bench *b, struct bench_queue *q, uint16_t off_wrap, uint16_t flags)
{
	kc_event_store(kc_mem_host(&b->mem, q->c.used, KC_EVENT_BYTES),
		       (struct kc_event_area){ off_wrap, flags }, __ATOMIC_RELEASE);
}

/* --- Queues ----------------------------------------------------------------------------------- */

/* A ring where everything up to position `from` has been used, long ago. */
static inline struct bench_queue *pk_ring(struct bench *b, unsigned qi, uint32_t size, uint32_t from,
					  unsigned with)
{
	struct bench_queue *q = &b->q[qi];
	uint64_t areas = REGION0 + 0x4000ull * qi;

	q->qi = qi;
	q->c = (struct kc_oracle_queue){
		.size = size, .desc = size > 0x100 ? REGION3 : areas, .avail = areas + 0x1000,
		.used = areas + 0x2000, .packed = true, .event_idx = with & WITH_EVENT_IDX,
		.indirect = with & WITH_INDIRECT, .in_order = with & WITH_IN_ORDER,
		.has_call = !(with & WITHOUT_CALL),
	};
	q->avail_pos = q->used_pos = from;
	q->c.base = pk_base(q, from, from);
	for (uint32_t i = 0; i < size; i++)
		pk_write(b, pk_gpa(q, i), (struct kc_pdesc){
			.flags = pk_used_bits(q, from + size + (i + size - pk_slot(q, from)) % size) });
	drv_fill(b, q->c.avail, 0, KC_EVENT_BYTES);
	drv_fill(b, q->c.used, 0, KC_EVENT_BYTES);
	return q;
}

static inline struct bench_queue *pk_start(struct bench *b, unsigned qi, uint32_t size, uint32_t from,
					   unsigned with)
{
	struct bench_queue *q = pk_ring(b, qi, size, from, with);

	kc_oracle_queue_start(b->o, qi, &q->c);
	return q;
}

/* Stopped, with everything used, as the device should say it. */
static inline void pk_stop(struct bench *b, struct bench_queue *q)
{
	kc_oracle_queue_stopping(b->o, q->qi);
	kc_oracle_queue_stopped(b->o, q->qi, pk_base(q, q->used_pos, q->used_pos));
}

#endif

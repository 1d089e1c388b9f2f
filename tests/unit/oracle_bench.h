/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_ORACLE_BENCH_H
#define TESTS_UNIT_ORACLE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <harness/oracle/oracle.h>
#include <kickcall/ring.h>

/*
 * A bench for the oracle's tests: two queues (split ones here, packed ones in oracle_bench_packed.h)
 * laid out by hand in guest memory, a driver that writes through kc_mem_write (so the oracle is told)
 * and a device that writes behind its back. Neither is guest_model nor the reference: a test says byte
 * for byte what happens.
 */
#define REGION0		0x10000ull
#define REGION1		0x40000ull	/* touches REGION2 */
#define REGION2		0x50000ull
#define REGION_BYTES	0x10000ull
#define REGION3		0x100000ull	/* room for the largest ring */
#define REGION3_BYTES	0x90000ull
#define BUF(i) (REGION1 + 0x400ull * (i)) /* 64 places for buffers, far from each other */
#define TABLE(i)	(REGION2 + 0x400ull * (i))
#define ACCUSED_MAX	32

struct bench_queue {
	unsigned qi;
	struct kc_oracle_queue c;
	uint16_t avail_idx, used_idx;	/* the driver's and the device's next */
	uint32_t avail_pos, used_pos;	/* the same of a packed ring */
};

struct bench {
	struct kc_mem mem;
	struct kc_oracle *o;
	struct kc_backend be;		/* connected, speaks messages */
	struct kc_trace trace;		/* its step is the script's line */
	struct bench_queue q[2];
	unsigned n;			/* accusations */
	char clause[ACCUSED_MAX][48];
	char message[ACCUSED_MAX][512];
};

static inline void bench_accuse(void *ctx, const char *clause, const char *message)
{
	struct bench *b = ctx;

	if (b->n == ACCUSED_MAX)
		return;
	snprintf(b->clause[b->n], sizeof(b->clause[0]), "%s", clause);
	snprintf(b->message[b->n], sizeof(b->message[0]), "%s", message);
	b->n++;
}

static inline struct bench *bench_new_heard(enum kc_mode mode, const struct kc_oracle_listener *listener,
					    void *listener_ctx)
{
	static const struct kc_mem_layout_row rows[] = {
		{ REGION0, REGION_BYTES, 0 }, { REGION1, REGION_BYTES, 0 },
		{ REGION2, REGION_BYTES, 0x1000 }, { REGION3, REGION3_BYTES, 0 },
	};
	struct bench *b = calloc(1, sizeof(*b));
	struct kc_oracle_config c;

	assert_non_null(b);
	assert_int_equal(kc_mem_init(&b->mem, rows, 4, NULL), 0);
	b->be = (struct kc_backend){ .caps = KC_CAP_MESSAGES, .connected = true };
	c = (struct kc_oracle_config){ .mem = &b->mem, .mode = mode, .trace = &b->trace, .be = &b->be,
				       .accuse = bench_accuse, .ctx = b,
				       .listener = listener, .listener_ctx = listener_ctx };
	b->o = kc_oracle_new(&c);
	assert_non_null(b->o);
	b->mem.wrote = kc_oracle_guest_wrote;
	b->mem.wrote_ctx = b->o;
	kc_oracle_session_start(b->o);
	return b;
}

static inline struct bench *bench_new(enum kc_mode mode)
{
	return bench_new_heard(mode, NULL, NULL);
}

static inline void bench_free(struct bench *b)
{
	kc_oracle_free(b->o);
	kc_mem_fini(&b->mem);
	free(b);
}

/* Nothing was accused. */
static inline void none(struct bench *b)
{
	if (b->n)
		fail_msg("accused of %s: %s", b->clause[0], b->message[0]);
}

/* Exactly this was accused since the last check; text occurs in the message. */
static inline void accused(struct bench *b, const char *clause, const char *text)
{
	if (b->n != 1 || strcmp(b->clause[0], clause) || !strstr(b->message[0], text))
		fail_msg("expected %s \"%s\", actual %u accusations, the first %s: %s", clause,
			 text, b->n, b->n ? b->clause[0] : "-", b->n ? b->message[0] : "-");
	b->n = 0;
}

/* So many bytes look untouched, under that clause, and the first of them as this says. */
static inline void suspected(struct bench *b, unsigned n, const char *clause, const char *text)
{
	const char *by = NULL;
	char first[256];

	assert_int_equal(kc_oracle_suspicions(b->o, &by, first, sizeof(first)), n);
	if (!n)
		return;
	assert_string_equal(by, clause);
	if (!strstr(first, text))
		fail_msg("\"%s\" is not in %s", text, first);
}

/* --- The driver ------------------------------------------------------------------------------- */

static inline void drv_write(struct bench *b, uint64_t gpa, const void *buf, size_t len)
{
	assert_int_equal(kc_mem_write(&b->mem, gpa, buf, len), 0);
}

static inline void drv_write16(struct bench *b, uint64_t gpa, uint16_t v)
{
	v = htole16(v);
	drv_write(b, gpa, &v, sizeof(v));
}

static inline void drv_fill(struct bench *b, uint64_t gpa, uint8_t byte, size_t len)
{
	uint8_t *buf = malloc(len);

	assert_non_null(buf);
	memset(buf, byte, len);
	drv_write(b, gpa, buf, len);
	free(buf);
}

static inline void drv_desc_at(struct bench *b, uint64_t table, uint32_t i, struct kc_desc d)
{
	uint8_t raw[16];

	kc_desc_encode(raw, d);
	drv_write(b, table + 16ull * i, raw, sizeof(raw));
}

static inline void drv_desc(struct bench *b, struct bench_queue *q, uint32_t i, uint64_t addr,
			    uint32_t len, uint16_t flags, uint16_t next)
{
	drv_desc_at(b, q->c.desc, i, (struct kc_desc){ addr, len, flags, next });
}

/* Head into the next slot; seen by the device with drv_publish. */
static inline void drv_add(struct bench *b, struct bench_queue *q, uint16_t head)
{
	drv_write16(b, q->c.avail + kc_avail_slot(q->avail_idx % q->c.size), head);
	q->avail_idx++;
}

static inline void drv_publish(struct bench *b, struct bench_queue *q)
{
	drv_write16(b, q->c.avail + KC_AVAIL_IDX, q->avail_idx);
	kc_oracle_published(b->o, q->qi);
}

static inline void drv_offer(struct bench *b, struct bench_queue *q, uint16_t head)
{
	drv_add(b, q, head);
	drv_publish(b, q);
}

/* Descriptors 2i and 2i + 1: 16 readable bytes, then 32 writable ones poisoned with 0xa5. */
static inline uint16_t drv_chain(struct bench *b, struct bench_queue *q, unsigned i)
{
	drv_fill(b, BUF(2 * i), 0x11, 16);
	drv_fill(b, BUF(2 * i + 1), 0xa5, 32);
	drv_desc(b, q, 2 * i, BUF(2 * i), 16, VRING_DESC_F_NEXT, 2 * i + 1);
	drv_desc(b, q, 2 * i + 1, BUF(2 * i + 1), 32, VRING_DESC_F_WRITE, 0);
	return 2 * i;
}

static inline void drv_request(struct bench *b, struct bench_queue *q, unsigned i)
{
	drv_offer(b, q, drv_chain(b, q, i));
}

static inline void drv_used_event(struct bench *b, struct bench_queue *q, uint16_t v)
{
	drv_write16(b, q->c.avail + kc_avail_used_event(q->c.size), v);
	kc_ring_fence();
	kc_oracle_suppression(b->o, q->qi);
}

static inline void drv_flags(struct bench *b, struct bench_queue *q, uint16_t v)
{
	drv_write16(b, q->c.avail + KC_AVAIL_FLAGS, v);
	kc_ring_fence();
	kc_oracle_suppression(b->o, q->qi);
}

/* --- The device ------------------------------------------------------------------------------- */

static inline void dev_fill(struct bench *b, uint64_t gpa, uint8_t byte, size_t len)
{
	void *p = kc_mem_host(&b->mem, gpa, len);

	assert_non_null(p);
	memset(p, byte, len);
}

static inline void dev_store16(struct bench *b, uint64_t gpa, uint16_t v)
{
	kc_ring_store16(kc_mem_host(&b->mem, gpa, 2), v, __ATOMIC_RELEASE);
}

static inline void dev_entry(struct bench *b, struct bench_queue *q, uint16_t idx, uint32_t id,
			     uint32_t len)
{
	uint8_t *p = kc_mem_host(&b->mem, q->c.used + kc_used_slot(idx % q->c.size), 8);

	kc_ring_store32(p, id, __ATOMIC_RELAXED);
	kc_ring_store32(p + 4, len, __ATOMIC_RELAXED);
}

static inline void dev_used_idx(struct bench *b, struct bench_queue *q, uint16_t idx)
{
	q->used_idx = idx;
	dev_store16(b, q->c.used + KC_USED_IDX, idx);
}

static inline void dev_use(struct bench *b, struct bench_queue *q, uint32_t id, uint32_t len)
{
	dev_entry(b, q, q->used_idx, id, len);
	dev_used_idx(b, q, q->used_idx + 1);
	kc_oracle_observe(b->o);
}

/* Does request i as it should be done: all 32 bytes written. */
static inline void dev_serve(struct bench *b, struct bench_queue *q, unsigned i)
{
	dev_fill(b, BUF(2 * i + 1), 0x77, 32);
	dev_use(b, q, 2 * i, 32);
}

static inline void dev_avail_event(struct bench *b, struct bench_queue *q, uint16_t v)
{
	dev_store16(b, q->c.used + kc_used_avail_event(q->c.size), v);
}

/* --- Queues ----------------------------------------------------------------------------------- */

#define WITH_EVENT_IDX	1u
#define WITH_INDIRECT	2u
#define WITH_IN_ORDER	4u
#define WITHOUT_CALL	8u
#define WITH_ON_EMPTY	16u

/* A fresh ring: zeroed, both indices at `from`. Size at most 64. */
static inline struct bench_queue *ring(struct bench *b, unsigned qi, uint32_t size, uint16_t from,
				       unsigned with)
{
	struct bench_queue *q = &b->q[qi];
	uint64_t base = REGION0 + 0x4000ull * qi;

	q->qi = qi;
	q->c = (struct kc_oracle_queue){
		.size = size, .desc = base, .avail = base + 0x1000, .used = base + 0x2000,
		.base = from, .event_idx = with & WITH_EVENT_IDX,
		.indirect = with & WITH_INDIRECT, .in_order = with & WITH_IN_ORDER,
		.has_call = !(with & WITHOUT_CALL), .notify_on_empty = with & WITH_ON_EMPTY,
	};
	drv_fill(b, q->c.desc, 0, kc_desc_bytes(size));
	drv_fill(b, q->c.avail, 0, kc_avail_bytes(size));
	drv_fill(b, q->c.used, 0, kc_used_bytes(size));
	drv_write16(b, q->c.avail + KC_AVAIL_IDX, from);
	drv_write16(b, q->c.used + KC_USED_IDX, from);
	q->avail_idx = q->used_idx = from;
	return q;
}

static inline struct bench_queue *start(struct bench *b, unsigned qi, uint32_t size, uint16_t from,
					unsigned with)
{
	struct bench_queue *q = ring(b, qi, size, from, with);

	kc_oracle_queue_start(b->o, qi, &q->c);
	return q;
}

static inline struct kc_oracle_view view(struct bench *b, unsigned qi)
{
	struct kc_oracle_view v;

	kc_oracle_view(b->o, qi, &v);
	return v;
}

/* A test on a bench of its own, freed also when it fails. */
static inline int sim_setup(void **state)
{
	*state = bench_new(KC_MODE_SIM);
	return 0;
}

static inline int live_setup(void **state)
{
	*state = bench_new(KC_MODE_LIVE);
	return 0;
}

static inline int bench_teardown(void **state)
{
	bench_free(*state);
	return 0;
}

#define SIM(f)	cmocka_unit_test_setup_teardown(f, sim_setup, bench_teardown)
#define LIVE(f)	cmocka_unit_test_setup_teardown(f, live_setup, bench_teardown)
#define RUN(f)	cmocka_unit_test_setup_teardown(f, sim_setup, bench_teardown), \
		cmocka_unit_test_setup_teardown(f, live_setup, bench_teardown)

#endif

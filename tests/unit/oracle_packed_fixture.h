/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_ORACLE_PACKED_FIXTURE_H
#define TESTS_UNIT_ORACLE_PACKED_FIXTURE_H

/*
 * What several of test_oracle_packed*.c do with the packed queues of the bench: right traffic over
 * many laps, a list that is a table, and the end at which the oracle says what is missing.
 */
#include <tests/unit/oracle_bench_packed.h>

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

static inline uint32_t draw(struct traffic *t, uint32_t below)
{
	t->seed = t->seed * 1664525u + 1013904223u;
	return (t->seed >> 8) % below;
}

static inline void offer_one(struct traffic *t)
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

static inline void use_one(struct traffic *t, unsigned which)
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
static inline void laps(struct bench *b, uint32_t size, uint32_t from, bool in_order)
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

/* Request 0, its descriptors in a table. */
static inline void offer_table(struct bench *b, struct bench_queue *q, uint16_t flags,
			       uint16_t in_table)
{
	pk_buffers(b, 0);
	pk_write(b, TABLE(0), (struct kc_pdesc){ BUF(0), 16, 0x1234, in_table });
	pk_write(b, TABLE(0) + 16, (struct kc_pdesc){ BUF(1), 32, 0x4321, WRITE | in_table });
	pk_list(b, q, &(struct kc_pdesc){ TABLE(0), 32, 0, IND | flags }, 1, 6);
}

/* The end at which it is told what is missing: a stop, or nothing can run any more. */
static inline void end(struct bench *b, bool stop)
{
	if (!stop) {
		kc_oracle_quiet(b->o);
		return;
	}
	kc_oracle_queue_stopping(b->o, 0);
	kc_oracle_queue_stopped(b->o, 0, view(b, 0).used_idx * 0x10001u);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 8, what is in flight: marks and used_idx of a region against what the rings say.
 * Modules: harness/oracle/p08_inflight.c
 */
#include "oracle_bench.h"
#include <kickcall/inflight.h>

static uint64_t memory[64];
static struct kc_inflight_split *const s = (void *)memory;

static struct bench_queue *begin(struct bench *b)
{
	struct bench_queue *q = start(b, 0, 8, 0, WITHOUT_CALL);
	struct kc_oracle_inflight f = { (const uint8_t *)memory, sizeof(memory), 1, 16 };

	memset(memory, 0, sizeof(memory));
	s->version = 1;
	s->desc_num = 8;
	kc_oracle_inflight(b->o, &f);
	return q;
}

static void stop(struct bench *b, struct bench_queue *q)
{
	kc_oracle_queue_stopping(b->o, q->qi);
	kc_oracle_queue_stopped(b->o, q->qi, q->avail_idx);
}

static void serve(struct bench *b, struct bench_queue *q, unsigned i)
{
	drv_request(b, q, i);
	dev_fill(b, BUF(2 * i + 1), 0x77, 32);
	dev_entry(b, q, q->used_idx, 2 * i, 32);
	dev_used_idx(b, q, q->used_idx + 1);
}

static void as_it_should_be(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = begin(b);

	drv_request(b, q, 1);
	s->desc[2].inflight = 1;
	kc_oracle_observe(b->o);
	dev_fill(b, BUF(3), 0x77, 32);
	s->desc[2].inflight = 0;
	s->used_idx = 1;
	dev_use(b, q, 2, 32);
	stop(b, q);
	none(b);
}

static void a_mark_that_stays(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = begin(b);

	serve(b, q, 0);
	s->desc[0].inflight = 1;
	s->used_idx = 1;
	kc_oracle_observe(b->o);
	if (b->n)		/* sim: at once */
		b->n = 1;
	stop(b, q);
	b->n = b->n ? 1 : 0;
	accused(b, "VU-INFLIGHT-SPLIT-02", "queue 0: head 0 is marked as in flight");
}

static void an_index_that_stays(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = begin(b);

	serve(b, q, 0);
	stop(b, q);
	b->n = b->n ? 1 : 0;
	accused(b, "VU-INFLIGHT-SPLIT-02", "used_idx of its in-flight region is 0, expected the used ring's 1");
}

static void live_it_may_be_under_way(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = begin(b);

	serve(b, q, 0);
	s->desc[0].inflight = 1;
	kc_oracle_observe(b->o);
	none(b);
	s->desc[0].inflight = 0;
	s->used_idx = 1;
	stop(b, q);
	none(b);
}

static void no_version(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = begin(b);

	s->version = 0;
	serve(b, q, 0);
	s->used_idx = 1;
	stop(b, q);
	b->n = b->n ? 1 : 0;
	accused(b, "VU-INFLIGHT-02", "version 0 and 8 entries, expected 1 and 8");
}

static void entries_are_for_the_first_size(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = begin(b);

	serve(b, q, 0);
	s->used_idx = 1;
	stop(b, q);
	q = start(b, 0, 16, 0, WITHOUT_CALL);
	serve(b, q, 0);
	stop(b, q);
	none(b);
}

static void the_next_session_has_none(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = begin(b);

	kc_oracle_session_end(b->o, true);
	kc_oracle_session_start(b->o);
	q = start(b, 0, 8, 0, WITHOUT_CALL);
	s->version = 0;
	serve(b, q, 0);
	stop(b, q);
	none(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(as_it_should_be),
		RUN(a_mark_that_stays),
		RUN(an_index_that_stays),
		LIVE(live_it_may_be_under_way),
		RUN(no_version),
		RUN(entries_are_for_the_first_size),
		RUN(the_next_session_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

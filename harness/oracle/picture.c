/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: one queue drawn as text, as the oracle's books have it, with what the shared
 * fields hold in memory at this moment beside them:
 *
 *   queue 0: split, size 8, started, enabled, event_idx
 *     avail idx 3   offered 3   used_event 0   flags 0
 *     used  idx 1   used 1   avail_event 2   flags 0
 *     calls 1 (1 due, 0 spurious, one more is due)   kicks 3   errors 0
 *     in flight: head 4 (available idx 1, 16 out, 513 in), head 1 (...)
 *     used last: idx 0 id 2 len 513
 */
#include <inttypes.h>
#include <harness/oracle/watch.h>

#define CHAINS_DRAWN	8u

static void draw_state(const struct kc_watch_queue *q, FILE *out)
{
	fprintf(out, "queue %u: %s, size %" PRIu32 ", %s, %s%s%s%s%s\n", q->qi,
		q->layout->name, q->cfg.size,
		q->started ? q->stopping ? "being stopped" : "started" : "stopped",
		q->enabled ? "enabled" : "disabled", q->cfg.event_idx ? ", event_idx" : "",
		q->cfg.indirect ? ", indirect" : "", q->cfg.in_order ? ", in_order" : "",
		q->cfg.has_call ? "" : ", no call eventfd");
	if (q->malformed)
		fprintf(out, "  the driver broke a rule: %s\n", q->malformed);
	if (q->derailed)
		fprintf(out, "  what the device uses makes no sense any more, and is not followed\n");
}

static void draw_events(const struct kc_watch_queue *q, FILE *out)
{
	fprintf(out,
		"  calls %" PRIu64 " (%" PRIu64 " due, %" PRIu64 " spurious%s)   kicks %" PRIu64
		"   errors %" PRIu64 "\n",
		q->calls, q->notify.dues, q->notify.spurious,
		q->notify.due ? ", one more is due" : "", q->kicks, q->errors);
}

static void draw_in_flight(const struct kc_watch_queue *q, FILE *out)
{
	unsigned n = 0;

	fprintf(out, "  in flight:%s", q->first ? "" : " none");
	for (const struct kc_watch_chain *c = q->first; c && n < CHAINS_DRAWN; c = c->next, n++)
		fprintf(out, "%s %s %u (%s %u, %" PRIu64 " out, %" PRIu64 " in%s%s)", n ? "," : "",
			q->layout->id_name, c->head, q->layout->place_name, c->idx, c->readable, c->writable,
			c->bad ? ", bad: " : "", c->bad ? c->bad : "");
	if (q->inflight > n)
		fprintf(out, " and %" PRIu64 " more", q->inflight - n);
	fputc('\n', out);
}

static void draw_used(const struct kc_watch_queue *q, FILE *out)
{
	uint64_t n = q->used < KC_WATCH_RECENT ? q->used : KC_WATCH_RECENT;

	fprintf(out, "  used last:%s", n ? "" : " none");
	for (uint64_t i = q->used - n; i < q->used; i++)
		fprintf(out, "%s %s %u id %" PRIu32 " len %" PRIu32, i > q->used - n ? "," : "",
			q->cfg.packed ? "slot" : "idx",
			q->recent[i % KC_WATCH_RECENT].idx, q->recent[i % KC_WATCH_RECENT].id,
			q->recent[i % KC_WATCH_RECENT].len);
	fputc('\n', out);
}

void kc_oracle_picture(const struct kc_oracle *o, unsigned qi, FILE *out)
{
	const struct kc_watch_queue *q = qi < o->nq ? o->q[qi] : NULL;

	if (!q || !q->cfg.size) {
		fprintf(out, "queue %u: never started\n", qi);
		return;
	}
	draw_state(q, out);
	q->layout->draw(o, q, out);
	draw_events(q, out);
	draw_in_flight(q, out);
	draw_used(q, out);
}

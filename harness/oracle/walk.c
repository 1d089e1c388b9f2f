/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: what a walk along a descriptor chain collects, whatever the ring's layout. It
 * answers two questions: does the chain keep the driver's rules, and which bytes may a device touch
 * that was given it? For a chain that breaks the rules the second answer is generous: whatever a
 * device could take for a writable buffer by reading on, by following a table it should not follow,
 * or by taking a table for a buffer, is counted as one. Whether it had to stop earlier is another
 * matter.
 */
#include <stdlib.h>
#include <harness/oracle/watch.h>

#define SPANS_MAX	65536u		/* per chain; beyond that it is boundless */
#define BYTES_MAX	(1ull << 32)	/* VQ-SPLIT-DESC-DRV-01 */

void kc_walk_bad(struct kc_walk *w, const char *why)
{
	if (!w->c->bad)
		w->c->bad = why;
}

bool kc_walk_span(struct kc_walk *w, enum kc_span_kind kind, uint64_t gpa, uint64_t len)
{
	struct kc_watch_chain *c = w->c;

	if (c->nspans == c->cap) {
		unsigned cap = c->cap ? 2 * c->cap : 4;
		struct kc_span *spans =
			cap > SPANS_MAX ? NULL : realloc(c->spans, cap * sizeof(*spans));

		if (!spans) {
			c->boundless = true;
			kc_walk_bad(w, "it has more parts than anybody could follow");
			return false;
		}
		c->spans = spans;
		c->cap = cap;
	}
	c->spans[c->nspans++] = (struct kc_span){ gpa, len, kind };
	return true;
}

void kc_walk_buffer(struct kc_walk *w, uint64_t gpa, uint32_t len, bool writable)
{
	if (!len)
		kc_walk_bad(w, "a buffer has length 0");
	if (!kc_shadow_inside(&w->o->shadow, gpa, len))
		kc_walk_bad(w, "a buffer lies outside guest memory");
	if (!writable && w->writable_seen)
		kc_walk_bad(w, "a readable buffer follows a writable one");
	w->writable_seen |= writable;
	w->bytes += len;
	if (w->bytes > BYTES_MAX)
		kc_walk_bad(w, "it describes more than 2^32 bytes");
	if (++w->buffers > w->q->cfg.size)
		kc_walk_bad(w, "it is longer than the queue size");
	*(writable ? &w->c->writable : &w->c->readable) += len;
	kc_walk_span(w, writable ? KC_SPAN_IN : KC_SPAN_OUT, gpa, len);
}

uint64_t kc_walk_table(struct kc_walk *w, uint64_t gpa, uint32_t len)
{
	uint64_t n = len / 16;

	if (!n || len % 16)
		kc_walk_bad(w, "an indirect table's length is no multiple of 16");
	if (!kc_shadow_inside(&w->o->shadow, gpa, len))
		kc_walk_bad(w, "an indirect table lies outside guest memory");
	return kc_walk_span(w, KC_SPAN_TABLE, gpa, n * 16) ? n : 0;
}

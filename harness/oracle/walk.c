/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the oracle's own reading of a descriptor chain, from the text of VIRTIO 1.3,
 * 2.7.5. It answers two questions: does the chain keep the driver's rules, and which bytes may a
 * device touch that was given it? For a chain that breaks the rules the second answer is generous:
 * whatever a device could take for a writable buffer by reading on, by following a table it should
 * not follow, or by taking a table for a buffer, is counted as one. Whether it had to stop earlier
 * is another matter.
 */
#include <stdlib.h>
#include <harness/oracle/watch.h>

#define SPANS_MAX	65536u		/* per chain; beyond that it is boundless */
#define BYTES_MAX	(1ull << 32)	/* VQ-SPLIT-DESC-DRV-01 */

struct walk {
	const struct kc_shadow *shadow;
	const struct kc_watch_queue *q;
	struct kc_watch_chain *c;
	bool writable_seen;
	uint64_t bytes;
	uint64_t buffers;
};

static void bad(struct walk *w, const char *why)
{
	if (!w->c->bad)
		w->c->bad = why;
}

static bool add_span(struct walk *w, enum kc_span_kind kind, uint64_t gpa, uint64_t len)
{
	struct kc_watch_chain *c = w->c;

	if (c->nspans == c->cap) {
		unsigned cap = c->cap ? 2 * c->cap : 4;
		struct kc_span *spans =
			cap > SPANS_MAX ? NULL : realloc(c->spans, cap * sizeof(*spans));

		if (!spans) {
			c->boundless = true;
			bad(w, "it has more parts than anybody could follow");
			return false;
		}
		c->spans = spans;
		c->cap = cap;
	}
	c->spans[c->nspans++] = (struct kc_span){ gpa, len, kind };
	return true;
}

static void buffer(struct walk *w, struct kc_desc d)
{
	bool writable = d.flags & VRING_DESC_F_WRITE;

	if (!d.len)
		bad(w, "a buffer has length 0");
	if (!kc_shadow_inside(w->shadow, d.addr, d.len))
		bad(w, "a buffer lies outside guest memory");
	if (!writable && w->writable_seen)
		bad(w, "a readable buffer follows a writable one");
	w->writable_seen |= writable;
	w->bytes += d.len;
	if (w->bytes > BYTES_MAX)
		bad(w, "it describes more than 2^32 bytes");
	if (++w->buffers > w->q->cfg.size)
		bad(w, "it is longer than the queue size");
	*(writable ? &w->c->writable : &w->c->readable) += d.len;
	add_span(w, writable ? KC_SPAN_IN : KC_SPAN_OUT, d.addr, d.len);
}

/* Entries are linked by next from entry 0 on; each can be met once only. */
static void indirect(struct walk *w, struct kc_desc table)
{
	uint64_t n = table.len / 16;
	uint8_t raw[16];
	uint64_t i = 0, steps;

	if (!n || table.len % 16)
		bad(w, "an indirect table's length is no multiple of 16");
	if (!kc_shadow_inside(w->shadow, table.addr, table.len))
		bad(w, "an indirect table lies outside guest memory");
	if (!add_span(w, KC_SPAN_TABLE, table.addr, n * 16))
		return;
	for (steps = 0; steps < n && !w->c->boundless; steps++) {
		struct kc_desc d;

		if (i >= n || !kc_shadow_read(w->shadow, table.addr + 16 * i, raw, sizeof(raw))) {
			bad(w, "next points beyond the indirect table");
			return;
		}
		d = kc_desc_read(raw);
		if (d.flags & VRING_DESC_F_INDIRECT)
			bad(w, "an indirect table refers to another");
		buffer(w, d);
		if (!(d.flags & VRING_DESC_F_NEXT))
			return;
		if (w->q->cfg.in_order && d.next != i + 1)
			bad(w, "with IN_ORDER next is not the following entry");
		i = d.next;
	}
	bad(w, "an indirect table is a loop");
}

static void descriptor(struct walk *w, struct kc_desc d)
{
	if (!(d.flags & VRING_DESC_F_INDIRECT)) {
		buffer(w, d);
		return;
	}
	if (d.flags & VRING_DESC_F_NEXT)
		bad(w, "INDIRECT and NEXT are set together");
	if (!w->q->cfg.indirect) {
		bad(w, "INDIRECT is set and was not negotiated");
		buffer(w, d);
	}
	indirect(w, d);
}

void kc_watch_walk(struct kc_oracle *o, const struct kc_watch_queue *q, struct kc_watch_chain *c)
{
	struct walk w = { .shadow = &o->shadow, .q = q, .c = c };
	uint32_t i = c->head;
	uint8_t raw[16];

	for (uint32_t steps = 0; steps < q->cfg.size && !c->boundless; steps++) {
		uint64_t at = q->cfg.desc + 16ull * i;
		struct kc_desc d;

		if (i >= q->cfg.size || !kc_shadow_read(w.shadow, at, raw, sizeof(raw))) {
			bad(&w, steps ? "next points beyond the descriptor table" :
			    "its head lies beyond the descriptor table");
			return;
		}
		if (!add_span(&w, KC_SPAN_TABLE, at, 16))
			return;
		d = kc_desc_read(raw);
		descriptor(&w, d);
		if (!(d.flags & VRING_DESC_F_NEXT))
			return;
		if (q->cfg.in_order && d.next != (i + 1) % q->cfg.size)
			bad(&w, "with IN_ORDER next is not the following descriptor");
		i = d.next;
	}
	bad(&w, "it is a loop");
}

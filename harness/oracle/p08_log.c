/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 8, the dirty log: every page that the device has changed is marked in it. More may be.
 *
 * When a buffer is used, the shadow still holds what was there before. A page of it of which a byte
 * differs, and that nothing else in flight lets the device write to, was changed by this request,
 * and needs its bit (VU-LOG-02). So do the pages of a split ring's used entry and of used idx, where
 * the ring is logged: at the ring's log address (VU-LOG-03; VU-LOG-06 where that is elsewhere). What
 * a packed ring's log address stands for the text leaves open, so its ring is not judged. A write of
 * the value that was there before cannot be seen.
 *
 * Only requests that were offered when the log was on already are looked at: what is in flight
 * while it is switched may have been written on either side. And nothing says how soon a bit must be
 * set, so that it is missing is known at a barrier only: when nothing can run any more (sim), and
 * when the last ring has stopped.
 *
 * The log's file is larger than the log, and what lies around it stays as it is (VU-LOG-04). After
 * the last ring has stopped so does the log itself (VU-LOG-09).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <linux/vhost_types.h>
#include <harness/oracle/watch.h>

static uint8_t bits_at(const struct kc_oracle_log *l, uint64_t i)
{
	return __atomic_load_n(&l->file[l->offset + i], __ATOMIC_ACQUIRE);
}

static void need(struct kc_dirty *d, uint8_t *pages, uint64_t gpa)
{
	uint64_t page = gpa / VHOST_PAGE_SIZE;

	if (page / 8 >= d->log.bytes || pages[page / 8] & 1u << page % 8)
		return;
	pages[page / 8] |= (uint8_t)(1u << page % 8);
	d->changed++;
}

/* --- What changes ----------------------------------------------------------------------------- */

static void note_buffer(struct kc_oracle *o, uint64_t gpa, uint64_t len)
{
	uint64_t n, first;

	for (; len; gpa += n, len -= n) {
		n = VHOST_PAGE_SIZE - gpa % VHOST_PAGE_SIZE;
		n = n < len ? n : len;
		if (kc_shadow_written(&o->shadow, gpa, n, &first))
			need(&o->dirty, o->dirty.buffers, gpa);
	}
}

static void note_ring(struct kc_oracle *o, const struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	uint64_t log = q->cfg.used + o->dirty.log.shift;

	need(&o->dirty, o->dirty.rings, log + kc_used_slot(u->idx % q->cfg.size));
	need(&o->dirty, o->dirty.rings, log + KC_USED_IDX);
}

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	const struct kc_watch_chain *c = u->chain;

	if (!o->dirty.on || !c || c->boundless || q->malformed || q->derailed ||
	    c->serial <= q->logged.since)
		return;
	for (unsigned i = 0; i < c->nspans; i++)
		if (c->spans[i].kind == KC_SPAN_IN)
			note_buffer(o, c->spans[i].gpa, c->spans[i].len);
	if (o->dirty.log.rings && !q->cfg.packed && !u->skipped)
		note_ring(o, q, u);
}

/* --- What is marked --------------------------------------------------------------------------- */

static uint64_t missing(const struct kc_dirty *d, const uint8_t *pages, uint64_t *first)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < d->log.bytes; i++) {
		uint8_t lacks = pages[i] ? pages[i] & (uint8_t)~bits_at(&d->log, i) : 0;

		if (lacks && !n)
			*first = (i * 8 + (unsigned)__builtin_ctz(lacks)) * VHOST_PAGE_SIZE;
		n += (unsigned)__builtin_popcount(lacks);
	}
	return n;
}

static void judge_pages(struct kc_oracle *o, uint8_t *pages, const char *clause, const char *what)
{
	uint64_t first = 0, n = missing(&o->dirty, pages, &first);

	if (n)
		kc_accuse(o, clause, "%" PRIu64 " pages of %s were changed and are not marked in the dirty "
			  "log, the first at gpa 0x%" PRIx64 ", expected bit %" PRIu64 " of byte 0x%" PRIx64
			  " of the log", n, what, first, first / VHOST_PAGE_SIZE % 8,
			  first / VHOST_PAGE_SIZE / 8);
	memset(pages, 0, o->dirty.log.bytes);
}

static void judge_around(struct kc_oracle *o)
{
	const struct kc_oracle_log *l = &o->dirty.log;

	for (uint64_t i = 0; i < l->file_bytes && !o->dirty.told_around; i++) {
		if (i == l->offset)
			i += l->bytes;
		if (i >= l->file_bytes || !l->file[i])
			continue;
		o->dirty.told_around = true;
		kc_accuse(o, "VU-LOG-04", "byte 0x%" PRIx64 " of the log's file was changed to 0x%02x, and the "
			  "log has 0x%" PRIx64 " bytes from 0x%" PRIx64 " on, expected nothing to be written "
			  "beside it", i, l->file[i], l->bytes, l->offset);
	}
}

static void judge(struct kc_oracle *o)
{
	if (!o->dirty.on)
		return;
	judge_pages(o, o->dirty.buffers, "VU-LOG-02", "buffers");
	judge_pages(o, o->dirty.rings, o->dirty.log.shift ? "VU-LOG-06" : "VU-LOG-03", "used rings");
	judge_around(o);
}

static void judge_frozen(struct kc_oracle *o)
{
	struct kc_dirty *d = &o->dirty;

	if (!d->still)
		return;
	d->still = false;
	for (uint64_t i = 0; i < d->log.bytes; i++) {
		if (bits_at(&d->log, i) == d->frozen[i])
			continue;
		kc_accuse(o, "VU-LOG-09", "byte 0x%" PRIx64 " of the dirty log changed from 0x%02x to 0x%02x, "
			  "expected no update since the last ring was stopped", i, d->frozen[i],
			  bits_at(&d->log, i));
		return;
	}
}

/* --- Events ----------------------------------------------------------------------------------- */

static void stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	(void)q;
	(void)base;
	if (o->running == 1)
		judge(o);
}

static void silent(struct kc_oracle *o, bool reset)
{
	struct kc_dirty *d = &o->dirty;

	if (!d->on)
		return;
	for (uint64_t i = 0; i < d->log.bytes; i++)
		d->frozen[i] = bits_at(&d->log, i);
	d->still = true;
	d->on = !reset;		/* the features are gone */
}

static void message(struct kc_oracle *o, const struct kc_msg *m, bool out)
{
	if (out && (!m || m->id == KC_VU_SET_VRING_ADDR || m->id == KC_VU_SET_VRING_KICK))
		judge_frozen(o);
}

static void started(struct kc_oracle *o, struct kc_watch_queue *q)
{
	(void)q;
	judge_frozen(o);
}

static void session(struct kc_oracle *o, bool begins, bool orderly)
{
	(void)begins;
	(void)orderly;
	judge_frozen(o);
	o->dirty.on = false;
}

void kc_oracle_log_off(struct kc_oracle *o)
{
	judge_frozen(o);
	o->dirty.on = false;
}

void kc_dirty_free(struct kc_dirty *d)
{
	free(d->buffers);
	free(d->rings);
	free(d->frozen);
	*d = (struct kc_dirty){ .on = false };
}

int kc_oracle_log_on(struct kc_oracle *o, const struct kc_oracle_log *log)
{
	struct kc_dirty *d = &o->dirty;

	kc_oracle_observe(o);	/* what is used by now was written before */
	kc_oracle_log_off(o);
	kc_dirty_free(d);
	d->log = *log;
	d->buffers = calloc(1, log->bytes);
	d->rings = calloc(1, log->bytes);
	d->frozen = calloc(1, log->bytes);
	if (!d->buffers || !d->rings || !d->frozen) {
		kc_dirty_free(d);
		return -1;
	}
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi])
			o->q[qi]->logged.since = o->q[qi]->serial;
	d->on = true;
	return 0;
}

uint64_t kc_oracle_unlogged(struct kc_oracle *o, uint64_t *changed)
{
	uint64_t first;

	kc_oracle_observe(o);
	*changed = o->dirty.changed;
	if (!o->dirty.on)
		return 0;
	return missing(&o->dirty, o->dirty.buffers, &first) + missing(&o->dirty, o->dirty.rings, &first);
}

static const struct kc_point_clause clauses[] = {
	{ "VU-LOG-02", KC_IN_BOTH },
	{ "VU-LOG-03", KC_IN_BOTH },
	{ "VU-LOG-04", KC_IN_BOTH },
	{ "VU-LOG-06", KC_IN_BOTH },
	{ "VU-LOG-09", KC_IN_BOTH },
	{ NULL, 0 }
};

const struct kc_point kc_point_log = {
	.name = "log",
	.clauses = clauses,
	.session = session,
	.started = started,
	.used = entry_used,
	.message = message,
	.stopped = stopped,
	.silent = silent,
	.all_quiet = judge,
};

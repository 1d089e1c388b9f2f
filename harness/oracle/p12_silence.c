/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 12, silence after a barrier: the GET_VRING_BASE reply of the last ring, or an acknowledged
 * reset. Until a queue starts again all guest memory stays as it is (VU-SUSPEND-01) and no call
 * comes (VU-SUSPEND-02); after a reset both are VIRTIO-RESET-DEV-02. One ring that stopped while
 * others run on uses nothing more (VU-RING-STATE-01), calls no more and carries out no request that
 * it had in hand, neither while it rests nor after its next start (VQ-RESET-DEV-01).
 *
 * SET_VRING_KICK may start a ring, so silence ends when it is sent, or when a queue is said to
 * start, and memory is compared before: then, or at the SET_VRING_ADDR, NUM or BASE that leads up
 * to it. A closed socket is no barrier, and ends one: the next session begins with nothing known. A
 * call is excused once if a call eventfd was handed over to a stopped ring: some back-ends signal
 * it to be safe.
 */
#include <inttypes.h>
#include <common/apart.h>
#include <harness/oracle/watch.h>

static const char *since(bool reset)
{
	return reset ? "the reset was acknowledged" : "the last ring was stopped";
}

static void silent(struct kc_oracle *o, bool reset)
{
	o->silence.barrier = true;
	o->silence.reset = reset;
}

static void changed(struct kc_oracle *o, const struct kc_shadow_change *c,
		    const struct kc_place_of *p)
{
	char line[32];

	kc_watch_since(o, p, line, sizeof(line));
	if (o->silence.barrier)
		kc_accuse(o, o->silence.reset ? "VIRTIO-RESET-DEV-02" : "VU-SUSPEND-01",
			  "%" PRIu64 " bytes at gpa 0x%" PRIx64 " (%s) changed%s, expected no write "
			  "since %s; the first expected 0x%02x, actual 0x%02x",
			  c->len, c->gpa, p->text, line, since(o->silence.reset), c->expected, c->actual);
	else if (p->at == KC_AT_LEFT)
		kc_accuse(o, "VQ-RESET-DEV-01",
			  "%" PRIu64 " bytes at gpa 0x%" PRIx64 " (%s) changed%s, expected nothing "
			  "to be carried out since; the first expected 0x%02x, actual 0x%02x",
			  c->len, c->gpa, p->text, line, c->expected, c->actual);
	else if (p->at == KC_AT_USED && p->q->quietness.barrier)
		kc_accuse(o, "VU-RING-STATE-01",
			  "%" PRIu64 " bytes at gpa 0x%" PRIx64 " (%s) changed%s, expected "
			  "no write since this ring was stopped; the first expected 0x%02x, actual "
			  "0x%02x",
			  c->len, c->gpa, p->text, line, c->expected, c->actual);
}

/* The queue runs again, and what should have ended with the stop comes now. */
static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (u->late)
		kc_accuse(o, "VQ-RESET-DEV-01",
			  "queue %u: %s %u names %s %u, which was in flight when the queue was stopped, "
			  "expected nothing of it afterwards",
			  q->qi, q->layout->used_name, u->idx, q->layout->id_name, u->id);
}

/* Between two comparisons of all memory. */
static KC_APART void judge_stopped(struct kc_oracle *o, struct kc_watch_queue *q)
{
	char what[96];

	if (!q->layout->moved(o, q, what, sizeof(what)))
		return;
	q->quietness.told_idx = true;
	kc_accuse(o, "VU-RING-STATE-01", "queue %u: %s, expected a stopped ring not to be processed", q->qi,
		  what);
}

static void looked(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (!q->started && q->quietness.barrier && !o->silence.barrier && !q->quietness.told_idx &&
	    q->device_host)
		judge_stopped(o, q);
}

static void called(struct kc_oracle *o, struct kc_watch_queue *q, uint64_t n)
{
	if (q->started || !q->quietness.barrier)
		return;
	if (q->quietness.free_calls) {
		q->quietness.free_calls--;
		return;
	}
	if (q->quietness.reset || (o->silence.barrier && o->silence.reset))
		kc_accuse(o, "VIRTIO-RESET-DEV-02",
			  "queue %u: %" PRIu64 " calls came, expected none since the "
			  "reset was acknowledged",
			  q->qi, n);
	else if (o->silence.barrier)
		kc_accuse(o, "VU-SUSPEND-02",
			  "queue %u: %" PRIu64 " calls came, expected none since the last "
			  "ring was stopped",
			  q->qi, n);
	else
		kc_accuse(o, "VQ-RESET-DEV-01",
			  "queue %u: %" PRIu64 " calls came, expected none since this "
			  "ring was stopped",
			  q->qi, n);
}

static void message(struct kc_oracle *o, const struct kc_msg *m, bool out)
{
	if (!o->silence.barrier || !out)
		return;
	if (m && (m->id == KC_VU_SET_VRING_ADDR || m->id == KC_VU_SET_VRING_NUM ||
		  m->id == KC_VU_SET_VRING_BASE))
		kc_oracle_verify_memory(o);
	if (!m || m->id == KC_VU_SET_VRING_KICK || m->id == KC_VU_VRING_KICK)
		o->silence.barrier = false;
}

static void started(struct kc_oracle *o, struct kc_watch_queue *q)
{
	(void)q;
	o->silence.barrier = false;
}

static void session(struct kc_oracle *o, bool begins, bool orderly)
{
	(void)begins;
	(void)orderly;
	o->silence.barrier = false;
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi])
			o->q[qi]->quietness.barrier = false;
}

static const struct kc_point_clause clauses[] = {
	{ "VU-SUSPEND-01", KC_IN_BOTH },
	{ "VU-SUSPEND-02", KC_IN_BOTH },
	{ "VIRTIO-RESET-DEV-02", KC_IN_BOTH },
	{ "VU-RING-STATE-01", KC_IN_BOTH },
	{ "VQ-RESET-DEV-01", KC_IN_BOTH },
	{ NULL, 0 }
};

const struct kc_point kc_point_silence = {
	.name = "silence",
	.clauses = clauses,
	.session = session,
	.started = started,
	.used = entry_used,
	.looked = looked,
	.called = called,
	.changed = changed,
	.message = message,
	.silent = silent,
};

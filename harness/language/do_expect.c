/* SPDX-License-Identifier: BSD-3-Clause */
/* The `expect` lines about rings, notifications and requests. */
#include <stdlib.h>
#include <errno.h>
#include <string.h>
#include <coverage/clauses.h>
#include <harness/language/verbs.h>
#include <harness/world/blame.h>

static void view(struct kc_world *w, unsigned qi, struct kc_oracle_view *v)
{
	kc_world_observe(w);
	kc_oracle_view(w->oracle, qi, v);
}

/* The queue and its books once the others have come to rest; NULL after a script error. */
static struct kc_world_queue *settled(struct kc_world *w, unsigned qi, struct kc_oracle_view *v)
{
	struct kc_world_queue *q = kc_world_queue(w, qi);

	if (!q)
		return NULL;
	kc_world_settle(w);
	view(w, qi, v);
	return q;
}

/* --- Used --------------------------------------------------------------------------------------- */

KC_VERB(expect_used)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	unsigned n;

	if (!q)
		return -1;
	n = (unsigned)kc_world_num(w, &s->args[0].num, s->qi);
	if (n > q->reaped && kc_world_wait_used(w, s->qi, n - (unsigned)q->reaped))
		return -1;
	if (q->reaped > n)
		kc_world_violate(w, "", "queue %u: expected %u used, actual %u", s->qi, n,
				 (unsigned)q->reaped);
	return 0;
}

struct at_rest {
	struct kc_world *w;
	unsigned qi;
	uint64_t n;
};

static bool have_come_back(void *arg)
{
	struct at_rest *x = arg;

	kc_world_reap(x->w, x->qi);
	return x->w->q[x->qi].reaped >= x->n;
}

/* In live mode a deadline ends it, which proves nothing, so nothing that is a MUST is failed here. A
 * back-end that sleeps may be waiting for its disk: that it is quiet says less than the deadline. */
KC_VERB(expect_used_at_rest)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	const char *id = s->clause[0] ? s->clause : w->script->clauses[0];
	struct at_rest x;

	if (!q)
		return -1;
	if (kc_clause_by_id(id)->judge == KC_JUDGE_FAIL)
		return kc_world_script_error(w, "%s is a MUST: 'used at rest' proves none", id);
	x = (struct at_rest){ w, s->qi, (uint64_t)kc_world_num(w, &s->args[0].num, s->qi) };
	kc_sched_wait(w->sched, have_come_back, &x, w->cfg.timeout_ns);
	if (q->reaped != x.n)
		kc_world_violate(w, "", "queue %u: the back-end rests, expected %u used, actual %u", s->qi,
				 (unsigned)x.n, (unsigned)q->reaped);
	return 0;
}

KC_VERB(expect_nothing_carried_out)
{
	if (!kc_world_queue(w, s->qi))
		return -1;
	kc_world_settle(w);
	kc_world_reap(w, s->qi);
	if (w->answered_ok)
		kc_world_violate(w, "", "queue %u: expected nothing carried out, actual: %u requests came back "
				 "as done", s->qi, (unsigned)w->answered_ok);
	w->nrefused = 0;
	return 0;
}

KC_VERB(expect_all_used)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	return q ? kc_world_wait_used(w, s->qi, q->outstanding) : -1;
}

static bool all_logged(void *arg)
{
	struct kc_world *w = arg;
	uint64_t changed;

	return kc_oracle_unlogged(w->oracle, &changed) == 0;
}

KC_VERB(expect_logged)
{
	uint64_t changed;

	(void)s;
	kc_oracle_unlogged(w->oracle, &changed);
	if (!w->vmm.log.on || !changed)
		return kc_world_script_error(w, w->vmm.log.on ?
					     "nothing has been changed since the log was switched on" :
					     "the log is off");
	return kc_world_wait(w, all_logged, w, "every page that was changed is marked in the log");
}

KC_VERB(expect_nothing_used)
{
	struct kc_oracle_view v;
	struct kc_world_queue *q = settled(w, s->qi, &v);

	if (!q)
		return -1;
	if (v.used_idx != q->told_used_idx)
		kc_world_violate(w, "", "queue %u: expected nothing used, actual used idx went from %u to %u",
				 s->qi, q->told_used_idx, v.used_idx);
	return 0;
}

KC_VERB(expect_status)
{
	const char *want = s->args[0].word;

	if (!w->port)
		return kc_world_script_error(w, "no device is negotiated");
	/* What is no status at all, the port has accused already. */
	if (!strcmp(want, "any") || (!strcmp(want, "refused") && !w->answered_ok)) {
		w->nrefused = 0;
		return 0;
	}
	if (!strcmp(want, w->port->ops->code_name(0))) {
		for (unsigned i = 0; i < w->nrefused; i++)
			kc_world_violate(w, "", "%s: expected status %s, actual %s", w->refused[i].what, want,
					 w->port->ops->code_name(w->refused[i].code));
		w->nrefused = 0;
		return 0;
	}
	if (w->answered_ok)
		kc_world_violate(w, "", "expected status %s, actual %s for %u requests", want,
				 w->port->ops->code_name(0), (unsigned)w->answered_ok);
	for (unsigned i = 0; strcmp(want, "refused") && i < w->nrefused; i++) {
		const char *got = w->port->ops->code_name(w->refused[i].code);

		if (strcmp(got, want))
			kc_world_violate(w, "", "%s: expected status %s, actual %s", w->refused[i].what,
					 want, got);
	}
	w->nrefused = 0;
	return 0;
}

KC_VERB(expect_used_len)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	int64_t want;

	if (!q)
		return -1;
	want = kc_world_num(w, &s->args[0].num, s->qi);
	if (q->last_len != want)
		kc_world_violate(w, "", "queue %u: expected used.len %lld, actual %u", s->qi,
				 (long long)want, q->last_len);
	return 0;
}

KC_VERB(expect_in_flight)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	int64_t want;

	if (!q)
		return -1;
	want = kc_world_num(w, &s->args[0].num, s->qi);
	if (q->outstanding != want)
		kc_world_violate(w, "", "queue %u: expected %lld in flight, actual %u", s->qi,
				 (long long)want, q->outstanding);
	return 0;
}

KC_VERB(expect_full)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (!q)
		return -1;
	return q->full ? 0 : kc_world_script_error(w, "queue %u was never filled", s->qi);
}

KC_VERB(expect_not_full)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (!q)
		return -1;
	if (!q->ring.ops->room(&q->ring))
		kc_world_violate(w, "", "queue %u: expected free descriptors, actual none", s->qi);
	return 0;
}

/* --- Notifications ------------------------------------------------------------------------------ */

struct wait_due {
	struct kc_world *w;
	unsigned qi;
};

static bool no_call_missing(void *arg)
{
	struct wait_due *x = arg;
	struct kc_oracle_view v;

	view(x->w, x->qi, &v);
	return !v.call_due;
}

static int await_calls(struct kc_world *w, unsigned qi)
{
	struct wait_due x = { w, qi };

	return kc_world_wait(w, no_call_missing, &x, "the call that is due on queue %u", qi);
}

KC_VERB(expect_call_due)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	struct kc_oracle_view v;

	if (!q)
		return -1;
	view(w, s->qi, &v);
	if (v.calls_due == q->mark.calls_due && !v.call_due)
		return kc_world_script_error(w, "no call is due on queue %u here, by the oracle's books", s->qi);
	return await_calls(w, s->qi);
}

KC_VERB(expect_no_call_due)
{
	struct kc_oracle_view v;
	struct kc_world_queue *q = settled(w, s->qi, &v);

	if (!q)
		return -1;
	if (v.calls_due != q->mark.calls_due)
		return kc_world_script_error(w, "a call is due on queue %u here, by the oracle's books", s->qi);
	/* Calls that were not due are the oracle's to accuse: it knows which are tolerated. */
	return 0;
}

KC_VERB(expect_no_call)
{
	struct kc_oracle_view v;
	struct kc_world_queue *q = settled(w, s->qi, &v);

	if (!q)
		return -1;
	if (v.calls != q->mark.calls)
		kc_world_violate(w, "", "queue %u: expected no call, actual %u", s->qi,
				 (unsigned)(v.calls - q->mark.calls));
	return 0;
}

struct any_call {
	struct kc_world *w;
	unsigned qi;
	uint64_t from;
};

static bool call_seen(void *arg)
{
	struct any_call *x = arg;
	struct kc_oracle_view v;

	view(x->w, x->qi, &v);
	return v.calls != x->from;
}

KC_VERB(expect_call)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	struct any_call x;

	if (!q)
		return -1;
	x = (struct any_call){ w, s->qi, q->mark.calls };
	return kc_world_wait(w, call_seen, &x, "a call");
}

/* The device's area of a split ring, at rest or as it is. */
static const uint8_t *used_ring(struct kc_world *w, const struct kc_step *s, const char *what)
{
	if (!kc_world_split(w, s->qi, what))
		return NULL;
	return kc_mem_host(&w->mem, w->q[s->qi].config.used, kc_used_bytes(w->q[s->qi].config.size));
}

KC_VERB(expect_used_flags)
{
	const uint8_t *used = used_ring(w, s, "used_flags");
	uint16_t flags;

	if (!used)
		return -1;
	flags = kc_ring_load16(used + KC_USED_FLAGS, __ATOMIC_RELAXED);
	if (flags != s->args[0].num.plus)
		kc_world_violate(w, "", "queue %u: expected used.flags %u, actual %u", s->qi,
				 (unsigned)s->args[0].num.plus, flags);
	return 0;
}

KC_VERB(expect_avail_event)
{
	const uint8_t *used = used_ring(w, s, "avail_event");
	uint16_t event;

	if (!used)
		return -1;
	kc_world_settle(w);
	event = kc_ring_load16(used + kc_used_avail_event(w->q[s->qi].config.size), __ATOMIC_RELAXED);
	if (event != s->args[0].num.plus)
		kc_world_violate(w, "", "queue %u: expected used.avail_event %u, actual %u", s->qi,
				 (unsigned)s->args[0].num.plus, event);
	return 0;
}

static void split_kick_wanted(struct kc_world *w, unsigned qi)
{
	const struct kc_split *vq = &w->q[qi].ring.split;
	const uint8_t *used = kc_mem_host(&w->mem, vq->used, kc_used_bytes(vq->size));
	uint16_t flags = kc_ring_load16(used + KC_USED_FLAGS, __ATOMIC_RELAXED);
	uint16_t event = kc_ring_load16(used + kc_used_avail_event(vq->size), __ATOMIC_RELAXED);

	if (vq->event_idx && event != vq->published_idx)
		kc_world_violate(w, "", "queue %u is idle: expected avail_event %u, actual %u", qi,
				 vq->published_idx, event);
	if (!vq->event_idx && flags & VRING_USED_F_NO_NOTIFY)
		kc_world_violate(w, "", "queue %u is idle: expected used.flags 0, actual %u", qi, flags);
}

static void packed_kick_wanted(struct kc_world *w, unsigned qi)
{
	const struct kc_ring *r = &w->q[qi].ring;
	struct kc_event_area e = kc_event_load(kc_mem_host(&w->mem, r->packed.device, KC_EVENT_BYTES),
					       __ATOMIC_RELAXED);
	uint16_t next = r->ops->published(r);

	if (e.flags == VRING_PACKED_EVENT_FLAG_DISABLE ||
	    (e.flags == VRING_PACKED_EVENT_FLAG_DESC && e.off_wrap != next))
		kc_world_violate(w, "", "queue %u is idle: expected the device area to want a kick at slot %u "
				 "wrap %u, actual flags %u, slot %u, wrap %u", qi, next & 0x7fff, next >> 15,
				 e.flags, e.off_wrap & 0x7fff, e.off_wrap >> 15);
}

KC_VERB(expect_kick_wanted)
{
	if (!kc_world_queue(w, s->qi))
		return -1;
	if (w->cfg.busy_poll)
		return kc_world_stop(w, KC_SKIP, "needs a back-end that sleeps: one that polls wants no kick");
	kc_world_settle(w);
	if (w->q[s->qi].ring.ops->packed)
		packed_kick_wanted(w, s->qi);
	else
		split_kick_wanted(w, s->qi);
	return 0;
}

/* --- Malformed chains, and what comes after ----------------------------------------------------- */

/* 0 and the connection's fate is acceptable, -1 after a violation. */
int kc_world_judge_loss(struct kc_world *w)
{
	char how[256];
	int status;
	enum kc_fate fate = kc_blame_fate(w->cfg.be, w->cfg.busy_poll, &status);

	w->loss_allowed = w->loss_judged = true;
	if (fate != KC_FATE_KILLED && fate != KC_FATE_EXIT_ERROR)
		return 0;
	kc_blame_describe(w->cfg.be, w->cfg.busy_poll, how, sizeof(how));
	kc_world_violate(w, "", "expected a close or a clean exit at the most, actual: %s", how);
	w->over = true;
	return -1;
}

/* GET_FEATURES and its answer. Answers to requests before it are for the oracle to judge. */
static enum kc_outcome ask_features(struct kc_world *w, struct kc_err *err)
{
	enum kc_outcome o;
	struct kc_msg m;
	uint32_t id;
	int ret;

	kc_msg_init(&m, KC_VU_GET_FEATURES);
	kc_world_watch_message(w, &m, true);
	ret = w->cfg.be->ops->submit(w->cfg.be, &m);
	if (ret)
		return ret == -EPIPE ? KC_OUT_CLOSED : ret == -ETIMEDOUT ? KC_OUT_TIMED_OUT : KC_OUT_FAULT;
	do {
		o = kc_world_receive(w, &m, err);
		id = m.id;
		kc_msg_fini(&m);
	} while (o == KC_OUT_OK && id != KC_VU_GET_FEATURES);
	return o;
}

/* No answer in time. A process at rest will never give one; one that is busy may be slow. */
static bool undecided_silence(struct kc_world *w)
{
	if (w->cfg.mode != KC_MODE_LIVE)
		return false;
	return !w->cfg.be->pid || w->cfg.busy_poll || kc_sched_quiesce(w->sched, w->cfg.timeout_ns);
}

/* GET_FEATURES must be answered, unless the connection is gone. */
int kc_world_still_answers(struct kc_world *w)
{
	struct kc_err err = { "" };
	enum kc_outcome o;

	kc_world_check_connection(w);
	if (w->over)
		return -1;
	if (w->lost)
		return kc_world_judge_loss(w);
	kc_world_empty_inbox(w);
	o = ask_features(w, &err);
	if (o == KC_OUT_OK)
		return 0;
	if (o == KC_OUT_CLOSED || o == KC_OUT_EXITED || o == KC_OUT_DIED) {
		w->lost = true;
		return kc_world_judge_loss(w);
	}
	if (o == KC_OUT_FAULT)
		return kc_world_stop(w, KC_ERROR, "GET_FEATURES: %s", err.msg);
	if (o == KC_OUT_TIMED_OUT && undecided_silence(w))
		return kc_world_stop(w, KC_INCONCLUSIVE, "GET_FEATURES: no answer before the deadline");
	kc_world_violate(w, "", "expected GET_FEATURES to be answered, actual %s%s%s", kc_outcome_name(o),
			 err.msg[0] ? ": " : "", err.msg);
	w->over = true;
	return -1;
}

static void judge_spinning(struct kc_world *w)
{
	bool visible = w->cfg.mode == KC_MODE_SIM || (w->cfg.be->pid && !w->cfg.busy_poll);

	if (!visible || w->lost)
		return;
	/* settle waited for quiet up to one time-out; spinning is only what never stops. */
	if (kc_sched_quiesce(w->sched, 10 * w->cfg.timeout_ns))
		kc_world_violate(w, "", "expected the back-end to come to rest, actual: its CPU time keeps "
				 "rising with nothing left to do");
}

/* The script says that the chain is malformed, be it by a rule of the device that the oracle does not
 * know. Closing is one of the answers from here on; some take one message more before they do. */
KC_VERB(expect_malformed)
{
	if (!kc_world_queue(w, s->qi))
		return -1;
	kc_oracle_malformed(w->oracle, s->qi);
	kc_world_settle(w);
	w->loss_allowed = true;
	if (w->over || kc_world_still_answers(w))
		return -1;
	if (!w->lost && kc_world_still_answers(w))
		return -1;
	judge_spinning(w);
	return 0;
}

KC_VERB(expect_serves)
{
	struct kc_world_queue *q;
	struct kc_step fresh = *s;

	kc_world_check_connection(w);
	if (w->lost && w->loss_allowed)
		return 0;
	q = kc_world_queue(w, s->qi);
	if (!q)
		return -1;
	memset(fresh.args, 0, sizeof(fresh.args));
	if (kc_do_request(w, &fresh) || kc_do_kick(w, &fresh))
		return -1;
	return kc_world_wait_used(w, s->qi, q->outstanding);
}

KC_VERB(expect_base)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	int64_t want;

	if (!q)
		return -1;
	want = kc_world_num(w, &s->args[0].num, s->qi);
	if (q->last_base != (uint64_t)want)
		kc_world_violate(w, "", "queue %u: expected base %lld, actual %llu", s->qi, (long long)want,
				 (unsigned long long)q->last_base);
	return 0;
}

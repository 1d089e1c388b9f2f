/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: waiting is where verdicts are made. In sim a wait that nothing can end is a
 * proof. In live mode a wait that ran out is only a reason to look closer: the peer gets ten times as
 * long, then the rings are stopped, which is a barrier that lets the oracle prove a missing call; if
 * it cannot, the verdict is inconclusive. No MUST is failed by a deadline alone. In sim a back-end that
 * is slow on purpose and sleeps beyond the deadline is given the same patience.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <common/apart.h>
#include <harness/world/blame.h>
#include <harness/world/world.h>

#define MS	1000000ll

/* What came without being waited for. A message may be the answer that the next line expects. */
static void take_event(struct kc_world *w, struct kc_event *ev)
{
	switch (ev->kind) {
	case KC_EV_MESSAGE:
		kc_world_watch_message(w, &ev->msg, false);
		if (w->ninbox < KC_INBOX_MAX)
			w->inbox[w->ninbox++] = ev->msg;
		else
			kc_msg_fini(&ev->msg);
		break;
	case KC_EV_GARBLED:
		kc_world_accuse(w, "VU-HDR-01", ev->err.msg);
		w->over = true;
		kc_msg_fini(&ev->msg);
		break;
	default:
		w->lost = true;
	}
}

void kc_world_check_connection(struct kc_world *w)
{
	struct kc_event *ev = &w->event;

	if (w->lost || !w->cfg.be->connected)
		return;
	while (!w->lost && !w->over && w->cfg.be->ops->next_event(w->cfg.be, ev) == 1)
		take_event(w, ev);
}

void kc_world_empty_inbox(struct kc_world *w)
{
	while (w->ninbox)
		kc_msg_fini(&w->inbox[--w->ninbox]);
}

enum kc_outcome kc_world_receive(struct kc_world *w, struct kc_msg *m, struct kc_err *err)
{
	if (!w->ninbox)
		return kc_backend_receive(w->cfg.be, m, w->cfg.be->reply_timeout_ns, err);
	*m = w->inbox[0];
	memmove(w->inbox, w->inbox + 1, --w->ninbox * sizeof(*w->inbox));
	return KC_OUT_OK;
}

struct wait_or_loss {
	struct kc_world *w;
	bool (*pred)(void *arg);
	void *arg;
};

static bool pred_or_lost(void *arg)
{
	struct wait_or_loss *x = arg;

	if (x->pred(x->arg))
		return true;
	if (!x->w->vmm.silent)
		kc_world_check_connection(x->w);
	return x->w->lost;
}

/* After the long wait: rings are stopped one by one; what the oracle can prove, it proves. */
static void undecided(struct kc_world *w, const char *what)
{
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++)
		if (w->q[qi].made && w->vmm.q[qi].started)
			kc_world_stop_queue(w, qi, NULL);
	w->over = true;
	if (w->result->verdict != KC_FAIL)
		kc_world_stop(w, KC_INCONCLUSIVE, "%s has not come, and nothing proves that it never will",
			      what);
}

static void lost_while_waiting(struct kc_world *w, const char *what)
{
	char how[256];

	w->over = true;
	if (w->loss_allowed) {
		kc_world_judge_loss(w);
		return;
	}
	kc_blame_describe(w->cfg.be, w->cfg.busy_poll, how, sizeof(how));
	kc_world_violate(w, "", "expected %s, actual: %s", what, how);
}

/* Did the time run out, with nothing proved? In sim a back-end that is slow on purpose may still sleep. */
static bool ran_out(const struct kc_world *w, int ret)
{
	return ret == -ETIMEDOUT && (w->cfg.mode == KC_MODE_LIVE || kc_sched_asleep(w->sched));
}

static void give_up(struct kc_world *w, int ret, const char *what)
{
	unsigned before = w->result->nviolations;

	if (w->cfg.mode == KC_MODE_LIVE || ran_out(w, ret)) {
		undecided(w, what);
		return;
	}
	kc_oracle_quiet(w->oracle);
	w->over = true;
	if (w->result->nviolations > before && w->result->verdict == KC_FAIL)
		return;
	kc_world_violate(w, "", "%s has not come, and %s", what, ret == -EDEADLK ?
			 "nothing can run any more: it never will" :
			 "the back-end keeps running without getting there");
}

static KC_APART void fail_to_come(struct kc_world *w, int ret, const char *what, va_list ap)
{
	char text[128];

	vsnprintf(text, sizeof(text), what, ap);
	if (w->lost)
		lost_while_waiting(w, text);
	else
		give_up(w, ret, text);
}

int kc_world_wait(struct kc_world *w, bool (*pred)(void *arg), void *arg, const char *what, ...)
{
	struct wait_or_loss x = { w, pred, arg };
	int ret = kc_sched_wait(w->sched, pred_or_lost, &x, w->cfg.timeout_ns);
	va_list ap;

	if (ran_out(w, ret))
		ret = kc_sched_wait(w->sched, pred_or_lost, &x, 10 * w->cfg.timeout_ns);
	if (ret == 0 && (!w->lost || pred(arg)))
		return 0;
	va_start(ap, what);
	fail_to_come(w, ret, what, ap);
	va_end(ap);
	return -1;
}

static bool far_end_rests(void *arg)
{
	const struct kc_world *w = arg;

	return !w->cfg.far_end || kc_far_end_quiet(w->cfg.far_end);
}

/* Nobody rests who was told to poll (VU-MSG-KICK-01). */
static bool has_to_poll(const struct kc_world *w)
{
	for (unsigned qi = 0; qi < w->nq; qi++)
		if (w->vmm.q[qi].started && !w->vmm.q[qi].kick)
			return true;
	return false;
}

/* Live, when the peer's process is not known, or never rests: a round trip, then a moment for its ring
 * threads. */
static void settle_by_message(struct kc_world *w)
{
	struct kc_msg m;

	if (w->lost || !w->cfg.be->connected)
		return;
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	kc_backend_exchange(w->cfg.be, &m, NULL, NULL);
	kc_sched_wait(w->sched, far_end_rests, w, w->cfg.timeout_ns);
	kc_sched_quiesce(w->sched, 20 * MS);
}

void kc_world_settle(struct kc_world *w)
{
	w->polls = (struct kc_proc_polls){ 0 };		/* it is to poll from now on */
	if (w->cfg.mode == KC_MODE_SIM || (w->cfg.be->pid && !has_to_poll(w)))
		kc_sched_quiesce(w->sched, w->cfg.timeout_ns);
	else
		settle_by_message(w);
	kc_world_check_connection(w);
	kc_world_observe(w);
}


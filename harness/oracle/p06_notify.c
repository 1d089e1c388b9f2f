/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 6, notifications: none missing, and none that was suppressed.
 *
 * A used buffer takes the device over one position (split) or several (packed). The driver's wish is
 * a call for every used buffer, for none, or for the one that takes the device over a position: a call
 * is due iff the device, when it decides, reads such a wish. A device decides some time after it has
 * shown a buffer as used, for all buffers since its last decision at once, and one signal covers
 * everything used before it. Split: with EVENT_IDX the entry with free-running index i takes the device
 * over position i, and used_event names one; without, avail.flags bit 0 says none. Packed: the driver
 * area says which.
 *
 * Which wish does the device read? The driver stores a new one, fences, and looks at what was used
 * (pair (D)). Buffers that it does not see yet are shown after its store is visible, so their
 * decision reads the new wish or a later one. Buffers that it does see may have been decided by
 * the old wish or may still be decided by the new. Hence:
 * - buffers that appear between two changes of the wish, while it is `sure`, are judged by it: if
 *   a call is due for one of them, it is due for certain, until a signal comes or the wish changes
 *   again (then the device may be late and read the next one, and nothing can be proved: `due` is
 *   withdrawn);
 * - buffers that appear at a change are `unsure`: a call for them is neither missing nor spurious.
 *
 * A call that is due and has not come is missing where nothing more can come: in sim when nothing
 * can run any more, in live mode when the queue has been stopped and its call counter drained.
 *
 * A call is spurious if no entry gives it a cause. In sim signals are seen at once and a decision
 * and its signal are one step, so the entries since the last call count, judged by the value in
 * force. In live mode a signal may be seen late and mingles with others, so a budget is kept: each
 * entry that may have caused a call allows one. That lets some spurious calls pass; it never
 * accuses a right one.
 *
 * Windows across the wrap: "is p among the last n positions" is distance(first, p) < n in the ring's
 * period, where first is the first of them; from n = period on every position is among them.
 *
 * With NOTIFY_ON_EMPTY a call is due as well, whatever the wish, when the device runs out of chains
 * (VIRTIO-LEGACY-DEV-01). When does it? When it has fetched the last one, or used it; and a device that
 * finds another chain before it decides has not run out at all. So such a call is due only when all that
 * was offered has been used and no call has come since the driver offered last; it is taken back when
 * the driver offers more; and no call is spurious.
 *
 * Excused: the first call after a start, since devices signal once to be safe, one more before
 * anything was used (some signal when they are given the eventfd), and one after an exchange
 * underway.
 */
#include <harness/oracle/watch.h>

#define FREE_IN_LIVE	2	/* set-up signal and first decision, in any order */
#define FREE_IN_SIM	1

static bool in_sim(const struct kc_oracle *o)
{
	return o->cfg.mode == KC_MODE_SIM;
}

void kc_notify_excuse(struct kc_watch_queue *q)
{
	q->notify.free_calls++;
}

static bool same(struct kc_wish a, struct kc_wish b)
{
	return a.kind == b.kind && a.pos == b.pos;
}

/* The last buffers used: so many, and so many positions. */
struct recent {
	uint64_t n, slots;
};

static struct recent undecided(const struct kc_watch_queue *q)
{
	return (struct recent){ q->used - q->notify.decided, q->used_slots - q->notify.decided_slots };
}

/* Does this wish ask for a call for one of them? */
static bool asks(const struct kc_watch_queue *q, struct kc_wish wish, struct recent r)
{
	uint32_t from = kc_watch_forward(q, q->used_pos, q->period - r.slots % q->period);

	return kc_watch_asks(q, wish, from, r.slots);
}

static void started(struct kc_oracle *o, struct kc_watch_queue *q)
{
	q->notify.wish = q->layout->call_wish(o, q);
	q->notify.free_calls = in_sim(o) ? FREE_IN_SIM : FREE_IN_LIVE;
}

static void suppression(struct kc_oracle *o, struct kc_watch_queue *q)
{
	q->notify.next = q->layout->call_wish(o, q);
	q->notify.unsure = true;
}

/* How many calls could they cause under this wish? */
static uint64_t causes(const struct kc_watch_queue *q, struct kc_wish wish, struct recent r)
{
	if (!asks(q, wish, r))
		return 0;
	return wish.kind == KC_WISH_AT ? 1 : r.n;
}

static void advanced(struct kc_oracle *o, struct kc_watch_queue *q, uint64_t n, uint64_t slots)
{
	struct kc_notify *s = &q->notify;
	struct recent r = { n, slots };

	if (!q->cfg.has_call) {
		kc_listener_tell(o, unasked, q->qi, n);
		return;
	}
	s->budget += causes(q, s->wish, r);
	if (s->unsure && !same(s->next, s->wish)) {
		s->budget += causes(q, s->next, r);
		return;
	}
	kc_listener_tell(o, unasked, q->qi, n - causes(q, s->wish, r));
	if (asks(q, s->wish, r)) {
		s->due = true;
		s->dues++;
	} else if (s->wish.kind == KC_WISH_NEVER) {
		s->hushed += n;
	}
}

/* The fence has passed, and what the driver can see of the used ring has been counted. */
static void settle_wish(struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;

	if (!s->unsure)
		return;
	s->unsure = false;
	if (same(s->next, s->wish))
		return;
	if (s->due && !s->due_empty)
		s->dues--;
	s->due = false;
	/* late decisions about earlier buffers may read the new value */
	if (s->next.kind == KC_WISH_AT || s->wish.kind == KC_WISH_AT)
		s->budget += causes(q, s->next, undecided(q));
	else if (s->next.kind == KC_WISH_ALWAYS)
		s->budget += s->hushed;
	s->hushed = 0;
	s->wish = s->next;
}

static void look_whether_empty(struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;

	if (s->offered != q->offered) {
		s->offered = q->offered;
		s->calls_before = q->calls;
		s->due_empty = false;
	}
	if (s->used != q->used && !q->outstanding && q->calls == s->calls_before) {
		s->dues += !s->due && !s->due_empty;
		s->due_empty = true;
	}
	s->used = q->used;
}

static void looked(struct kc_oracle *o, struct kc_watch_queue *q)
{
	(void)o;
	if (q->started && q->cfg.notify_on_empty && q->cfg.has_call)
		look_whether_empty(q);
	settle_wish(q);
}

static void decide_all(struct kc_watch_queue *q)
{
	q->notify.decided = q->used;
	q->notify.decided_slots = q->used_slots;
}

/* How many of n calls have a cause or an excuse? */
static uint64_t justified_in_sim(struct kc_watch_queue *q, uint64_t n)
{
	struct kc_notify *s = &q->notify;
	uint64_t ok = causes(q, s->wish, undecided(q));

	if (!q->used && !s->early) {	/* a set-up signal */
		s->early = true;
		return 1;
	}
	if (ok < n && s->free_calls) {
		s->free_calls--;
		ok++;
	} else if (ok) {
		s->free_calls = 0;	/* the call that they excuse has come, with a cause */
	}
	decide_all(q);
	return ok;
}

static uint64_t justified_in_live(struct kc_watch_queue *q, uint64_t n)
{
	struct kc_notify *s = &q->notify;
	uint64_t by_cause = n < s->budget ? n : s->budget;
	uint64_t excused = n - by_cause < s->free_calls ? n - by_cause : s->free_calls;

	s->budget -= by_cause;
	s->free_calls -= (unsigned)excused;
	return by_cause + excused;
}

static unsigned last_used(const struct kc_watch_queue *q)
{
	return q->used ? q->recent[(q->used - 1) % KC_WATCH_RECENT].idx : 0;
}

/* Where every used buffer may be called for, one call too many breaks no rule. */
static void accuse_spurious(struct kc_oracle *o, struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;
	enum kc_rule rule = s->wish.kind == KC_WISH_AT ? KC_RULE_NO_CALL_AT : KC_RULE_NO_CALL_NEVER;
	char wish[96];

	if (s->told_spurious || q->malformed || q->derailed || s->wish.kind == KC_WISH_ALWAYS)
		return;
	s->told_spurious = true;
	q->layout->say_call_wish(s->wish, q, wish, sizeof(wish));
	kc_accuse(o, kc_rule_clause(rule, q->layout),
		  "queue %u: call %llu came with %llu used, the last at %s %u, expected none while "
		  "%s does not ask for one", q->qi, (unsigned long long)q->calls, (unsigned long long)q->used,
		  q->layout->used_name, last_used(q), wish);
}

static void called(struct kc_oracle *o, struct kc_watch_queue *q, uint64_t n)
{
	struct kc_notify *s = &q->notify;
	uint64_t ok;

	if (!q->started)
		return;
	s->due = s->due_empty = false;
	ok = in_sim(o) ? justified_in_sim(q, n) : justified_in_live(q, n);
	if (ok >= n || q->cfg.notify_on_empty)
		return;
	s->spurious += n - ok;
	accuse_spurious(o, q);
}

static void check_missing(struct kc_oracle *o, struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;
	bool by_wish = s->due;
	char wish[96];

	if ((!s->due && !s->due_empty) || !q->cfg.has_call || !kc_watch_owes(o, q))
		return;
	s->due = s->due_empty = false;
	q->layout->say_call_wish(s->wish, q, wish, sizeof(wish));
	if (!by_wish) {
		kc_accuse(o, "VIRTIO-LEGACY-DEV-01",
			  "queue %u: all %llu offered were used, with %s: expected a call in spite "
			  "of it, as NOTIFY_ON_EMPTY asks, and none came after the %llu before", q->qi,
			  (unsigned long long)q->offered, wish, (unsigned long long)q->calls);
		return;
	}
	kc_accuse(o, kc_rule_clause(q->layout->call_rule(o, q), q->layout),
		  "queue %u: %llu used, the last at %s %u, with %s: expected a call, and none came after "
		  "the %llu before", q->qi, (unsigned long long)q->used, q->layout->used_name,
		  last_used(q), wish, (unsigned long long)q->calls);
}

/* Nothing is undecided any more, and no signal is on its way. In live mode the caller vouches for
 * it, the counter drained; a call that is still due shows that it may be wrong. */
static void quiet(struct kc_oracle *o, struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;

	if (in_sim(o))
		check_missing(o, q);
	else if (s->due || s->due_empty)
		return;
	decide_all(q);
	s->budget = s->hushed = 0;
	if (q->used)
		s->free_calls = 0;
}

static void queue_stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	if (base >= 0)
		check_missing(o, q);
}

static const struct kc_point_clause clauses[] = {
	{ "VIRTIO-LEGACY-DEV-01", KC_IN_BOTH },
	{ NULL, 0 }
};

static const struct kc_point_rule rules[] = {
	{ KC_RULE_CALL_ALWAYS, KC_IN_BOTH },
	{ KC_RULE_CALL_AT, KC_IN_BOTH },
	{ KC_RULE_CALL_NOT_AT, KC_IN_BOTH },
	{ KC_RULE_CALL_NOT_FLAGS, KC_IN_BOTH },
	{ KC_RULE_NO_CALL_NEVER, KC_IN_BOTH },
	{ KC_RULE_NO_CALL_AT, KC_IN_BOTH },
	{ KC_RULES, 0 }
};

const struct kc_point kc_point_notify = {
	.name = "notify",
	.clauses = clauses,
	.rules = rules,
	.started = started,
	.advanced = advanced,
	.suppression = suppression,
	.looked = looked,
	.called = called,
	.stopped = queue_stopped,
	.quiet = quiet,
};

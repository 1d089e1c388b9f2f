/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 6, notifications: none missing, and none that was suppressed.
 *
 * The entry with free-running index i moves used idx from i to i + 1. With EVENT_IDX a call is due
 * for it iff the device, when it decides, reads used_event == i; without, iff it reads avail.flags
 * bit 0 clear. A device decides some time after moving used idx, for all entries since its last
 * decision at once, and one signal covers everything used before it.
 *
 * Which value does the device read? The driver stores a new value, fences, and looks at used idx
 * (pair (D)). Entries that it does not see yet are published after its store is visible, so their
 * decision reads the new value or a later one. Entries that it does see may have been decided by
 * the old value or may still be decided by the new. Hence:
 * - entries that appear between two changes of the value, while it is `sure`, are judged by it: if
 *   a call is due for one of them, it is due for certain, until a signal comes or the value changes
 *   again (then the device may be late and read the next one, and nothing can be proved: `due` is
 *   withdrawn);
 * - entries that appear at a change are `unsure`: a call for them is neither missing nor spurious.
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
 * Windows across 65535: indices are free-running 16-bit numbers, counted along by `used`, a 64-bit
 * count since start. "Is i among the last n entries" is (u16)(i - first) < n, where first is the
 * index of the first of them, which is right as long as n < 65536; from then on every index is
 * among them.
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

/* What the driver has in its field. */
static uint16_t field(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	if (q->cfg.event_idx)
		return kc_shadow_u16(&o->shadow, q->cfg.avail + kc_avail_used_event(q->cfg.size));
	return kc_shadow_u16(&o->shadow, q->cfg.avail + KC_AVAIL_FLAGS) &
	       VRING_AVAIL_F_NO_INTERRUPT;
}

/* Does this value ask for a call for one of the entries from..used-1 (counts since start)? */
static bool asks(const struct kc_watch_queue *q, uint16_t value, uint64_t from)
{
	uint64_t n = q->used - from;

	if (!n)
		return false;
	if (!q->cfg.event_idx)
		return !value;
	return n > UINT16_MAX || (uint16_t)(value - (uint16_t)(q->used_idx - n)) < n;
}

static void started(struct kc_oracle *o, struct kc_watch_queue *q)
{
	q->notify.value = field(o, q);
	q->notify.free_calls = in_sim(o) ? FREE_IN_SIM : FREE_IN_LIVE;
}

static void suppression(struct kc_oracle *o, struct kc_watch_queue *q)
{
	q->notify.next = field(o, q);
	q->notify.unsure = true;
}

/* How many calls could these entries cause under this value? */
static uint64_t causes(const struct kc_watch_queue *q, uint16_t value, uint64_t from)
{
	if (!asks(q, value, from))
		return 0;
	return q->cfg.event_idx ? 1 : q->used - from;
}

static void advanced(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t n)
{
	struct kc_notify *s = &q->notify;
	uint64_t from = q->used - n;

	(void)o;
	if (!q->cfg.has_call)
		return;
	s->budget += causes(q, s->value, from);
	if (s->unsure) {
		s->budget += s->next != s->value ? causes(q, s->next, from) : 0;
		if (s->next != s->value)
			return;
	}
	if (asks(q, s->value, from)) {
		s->due = true;
		s->dues++;
	} else if (!q->cfg.event_idx) {
		s->hushed += n;
	}
}

/* The fence has passed, and what the driver can see of the used ring has been counted. */
static void looked(struct kc_oracle *o, struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;

	(void)o;
	if (!s->unsure)
		return;
	s->unsure = false;
	if (s->next == s->value)
		return;
	if (s->due)
		s->dues--;
	s->due = false;
	/* late decisions about earlier entries may read the new value */
	if (q->cfg.event_idx)
		s->budget += causes(q, s->next, s->decided);
	else if (!s->next)
		s->budget += s->hushed;
	s->hushed = 0;
	s->value = s->next;
}

/* How many of n calls have a cause or an excuse? */
static uint64_t justified_in_sim(struct kc_watch_queue *q, uint64_t n)
{
	struct kc_notify *s = &q->notify;
	uint64_t ok = causes(q, s->value, s->decided);

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
	s->decided = q->used;
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

/* Without EVENT_IDX only a call under NO_INTERRUPT breaks a rule. */
static void accuse_spurious(struct kc_oracle *o, struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;

	if (s->told_spurious || q->malformed || q->derailed)
		return;
	if (q->cfg.event_idx) {
		s->told_spurious = true;
		kc_accuse(o, "VQ-SPLIT-UNS-DEV-06",
			  "queue %u: call %llu came at used idx %u with used_event "
			  "%u, expected none until used idx passes used_event",
			  q->qi, (unsigned long long)q->calls, q->used_idx, s->value);
	} else if (s->value) {
		s->told_spurious = true;
		kc_accuse(o, "VQ-SPLIT-UNS-DEV-02",
			  "queue %u: call %llu came at used idx %u, expected none "
			  "while avail.flags is 1",
			  q->qi, (unsigned long long)q->calls, q->used_idx);
	}
}

static void called(struct kc_oracle *o, struct kc_watch_queue *q, uint64_t n)
{
	struct kc_notify *s = &q->notify;
	uint64_t ok;

	if (!q->started)
		return;
	s->due = false;
	ok = in_sim(o) ? justified_in_sim(q, n) : justified_in_live(q, n);
	if (ok >= n)
		return;
	s->spurious += n - ok;
	accuse_spurious(o, q);
}

/* The field that must not count holds what would explain the silence: then that clause is named. */
static const char *missing_clause(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	uint64_t other = q->cfg.event_idx ? KC_AVAIL_FLAGS : kc_avail_used_event(q->cfg.size);
	uint16_t ignored = kc_shadow_u16(&o->shadow, q->cfg.avail + other);

	if (q->cfg.event_idx)
		return ignored & VRING_AVAIL_F_NO_INTERRUPT ? "VQ-SPLIT-UNS-DEV-04" :
			"VQ-SPLIT-UNS-DEV-05";
	return ignored ? "VQ-SPLIT-UNS-DEV-01" : "VQ-SPLIT-UNS-DEV-03";
}

static void check_missing(struct kc_oracle *o, struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;

	if (!s->due || !q->cfg.has_call || !kc_watch_owes(o, q))
		return;
	s->due = false;
	if (q->cfg.event_idx)
		kc_accuse(o, missing_clause(o, q),
			  "queue %u: used idx reached %u and passed used_event %u, "
			  "expected a call, and none came after the %llu before",
			  q->qi, q->used_idx, s->value, (unsigned long long)q->calls);
	else
		kc_accuse(o, missing_clause(o, q),
			  "queue %u: used idx reached %u with avail.flags 0, expected "
			  "a call, and none came after the %llu before",
			  q->qi, q->used_idx, (unsigned long long)q->calls);
}

/* Nothing is undecided any more, and no signal is on its way. In live mode the caller vouches for
 * it, the counter drained; a call that is still due shows that it may be wrong. */
static void quiet(struct kc_oracle *o, struct kc_watch_queue *q)
{
	struct kc_notify *s = &q->notify;

	if (in_sim(o))
		check_missing(o, q);
	else if (s->due)
		return;
	s->decided = q->used;
	s->budget = s->hushed = 0;
	if (q->used)
		s->free_calls = 0;
}

static void queue_stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	if (base >= 0)
		check_missing(o, q);
}

const struct kc_point kc_point_notify = {
	.name = "notify",
	.started = started,
	.advanced = advanced,
	.suppression = suppression,
	.looked = looked,
	.called = called,
	.stopped = queue_stopped,
	.quiet = quiet,
};

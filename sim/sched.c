/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation, sim: every spawned actor is a coroutine, and the guest's stack is the hub.
 * When the guest enters the scheduler it draws an actor among those that can run, itself included,
 * until it draws itself; a spawned actor that enters the scheduler leaves for the hub. So there
 * is one place where the choice is made, the observer looks and time passes: dispatch().
 *
 * An actor can run if it is ready, if the pred it waits for holds (or its deadline has passed), or,
 * for an idle stepper, if somebody did something since the step began that found nothing to do.
 * `activity` counts who did something: the guest whenever it comes back to the hub, an actor
 * whenever it ran, a stepper when its step says so. A step that changed nothing does not count,
 * even if it had scheduling points in it, or two idle steppers would keep each other busy for ever.
 * When nobody can run, time jumps to the first moment at which somebody wakes up by itself. If there is
 * none, nobody ever will run: nothing but actors changes anything.
 *
 * Live: one actor, which polls. The slices between two looks double from 20 us to 1 ms; a
 * descriptor that becomes readable ends one early, unless it proves to be one that nobody drains.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <sim/coro.h>
#include <sim/sched.h>

#define SWITCH_NS	1000
#define NEVER		INT64_MAX
#define SLICE_MIN_NS	20000
#define SLICE_MAX_NS	1000000
#define QUIET_NS	2000000
#define QUIET_LOOKS	3u
#define POLLFDS_MAX	256u
#define READY_MAX	16u	/* polls in a row that end early, before descriptors are ignored */

enum state { READY, WAITING, IDLE, DONE };

struct actor {
	struct kc_sched *s;
	const char *name;
	struct kc_coro *co;		/* NULL: the guest */
	void (*fn)(void *arg);
	int (*step)(void *arg);		/* instead of fn: a stepper */
	void *arg;
	enum state state;
	bool can_run;			/* the last look */
	bool (*pred)(void *arg);	/* WAITING */
	void *pred_arg;
	int64_t deadline_ns;		/* WAITING; IDLE: when it wakes up, or NEVER */
	int result;
	uint64_t idle_since;		/* IDLE: activity when the empty step began */
	int64_t wake_ns;		/* of the step that runs: when it wants to be tried again */
};

struct kc_sched {
	enum kc_mode mode;
	struct kc_rng rng;
	int64_t now_ns;			/* sim */
	int64_t start_ns;		/* live: CLOCK_MONOTONIC */
	struct actor **actors;		/* [0] is the guest */
	unsigned nactors;
	struct actor *current;
	uint64_t activity;
	bool (*quiet)(void *ctx);
	void *quiet_ctx;
	void (*observer)(void *ctx);
	void *observer_ctx;
	unsigned (*pollfds)(void *ctx, int *fds, unsigned cap);
	void *pollfds_ctx;
};

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static struct actor *actor_new(struct kc_sched *s, const char *name)
{
	struct actor **p = realloc(s->actors, (s->nactors + 1) * sizeof(*p));
	struct actor *a;

	if (!p)
		return NULL;
	s->actors = p;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->s = s;
	a->name = name;
	s->actors[s->nactors++] = a;
	return a;
}

struct kc_sched *kc_sched_new(enum kc_mode mode, uint64_t seed)
{
	struct kc_sched *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->mode = mode;
	s->start_ns = monotonic_ns();
	kc_rng_seed(&s->rng, seed);
	s->current = actor_new(s, "guest");
	if (!s->current) {
		free(s);
		return NULL;
	}
	return s;
}

void kc_sched_free(struct kc_sched *s)
{
	if (!s)
		return;
	assert(s->current == s->actors[0]);
	for (unsigned i = 0; i < s->nactors; i++) {
		kc_coro_free(s->actors[i]->co);
		free(s->actors[i]);
	}
	free(s->actors);
	free(s);
}

enum kc_mode kc_sched_mode(const struct kc_sched *s)
{
	return s->mode;
}

struct kc_rng *kc_sched_rng(struct kc_sched *s)
{
	return &s->rng;
}

int64_t kc_sched_now(const struct kc_sched *s)
{
	return s->mode == KC_MODE_SIM ? s->now_ns : monotonic_ns() - s->start_ns;
}

void kc_sched_set_quiet(struct kc_sched *s, bool (*quiet)(void *ctx), void *ctx)
{
	s->quiet = quiet;
	s->quiet_ctx = ctx;
}

void kc_sched_set_observer(struct kc_sched *s, void (*fn)(void *ctx), void *ctx)
{
	s->observer = fn;
	s->observer_ctx = ctx;
}

void kc_sched_set_pollfds(struct kc_sched *s, unsigned (*fn)(void *ctx, int *fds, unsigned cap),
			  void *ctx)
{
	s->pollfds = fn;
	s->pollfds_ctx = ctx;
}

static void observe(struct kc_sched *s)
{
	if (s->observer)
		s->observer(s->observer_ctx);
}

static int64_t deadline(int64_t now_ns, int64_t timeout_ns)
{
	return timeout_ns < 0 || timeout_ns > NEVER - now_ns ? NEVER : now_ns + timeout_ns;
}

/* Sim: the hub. */

static bool can_run(const struct kc_sched *s, const struct actor *a)
{
	switch (a->state) {
	case READY:
		return true;
	case WAITING:
		return s->now_ns >= a->deadline_ns || a->pred(a->pred_arg);
	case IDLE:
		return a->idle_since != s->activity || s->now_ns >= a->deadline_ns;
	case DONE:
		break;
	}
	return false;
}

/* One of those that can run, or NULL. */
static struct actor *draw(struct kc_sched *s)
{
	unsigned n = 0;
	uint64_t pick;

	for (unsigned i = 0; i < s->nactors; i++) {
		s->actors[i]->can_run = can_run(s, s->actors[i]);
		n += s->actors[i]->can_run;
	}
	if (!n)
		return NULL;
	pick = n > 1 ? kc_rng_below(&s->rng, n) : 0;
	for (unsigned i = 0; ; i++)
		if (s->actors[i]->can_run && pick-- == 0)
			return s->actors[i];
}

bool kc_sched_asleep(const struct kc_sched *s)
{
	for (unsigned i = 1; i < s->nactors; i++)
		if (s->actors[i]->state == IDLE && s->actors[i]->deadline_ns != NEVER)
			return true;
	return false;
}

/* Nothing can run, so the guest waits: who hears of it first, or wakes up? */
static struct actor *first_to_be_told(struct kc_sched *s)
{
	struct actor *first = s->actors[0];
	bool asleep = kc_sched_asleep(s);

	for (unsigned i = s->nactors - 1; i > 0; i--) {
		struct actor *a = s->actors[i];

		if ((a->state == WAITING || a->state == IDLE) && a->deadline_ns != NEVER &&
		    a->deadline_ns <= first->deadline_ns)
			first = a;
	}
	if (first != s->actors[0] || asleep)
		s->now_ns = first->deadline_ns;
	first->result = asleep ? -ETIMEDOUT : -EDEADLK;
	return first;
}

static void resume(struct kc_sched *s, struct actor *a)
{
	s->current = a;
	kc_coro_enter(a->co);
	s->current = s->actors[0];
	s->now_ns += SWITCH_NS;
	if (!a->step)
		s->activity++;
	if (kc_coro_done(a->co)) {
		a->state = DONE;
		kc_coro_free(a->co);
		a->co = NULL;
	}
	observe(s);
}

/* On the guest's stack, until it is the guest's turn. */
static void dispatch(struct kc_sched *s)
{
	struct actor *a;

	s->activity++;
	do {
		a = draw(s);
		if (!a)
			a = first_to_be_told(s);
		else if (a->state == WAITING)
			a->result = a->pred(a->pred_arg) ? 0 : -ETIMEDOUT;
		a->state = READY;
		if (a->co)
			resume(s, a);
	} while (a != s->actors[0]);
}

/* Gives up the processor in the state that the current actor has been put in. */
static void give_way(struct kc_sched *s)
{
	struct actor *a = s->current;

	if (a->co)
		kc_coro_leave(a->co);
	else
		dispatch(s);
}

static void actor_main(void *arg)
{
	struct actor *a = arg;

	a->fn(a->arg);
}

static void stepper_main(void *arg)
{
	struct actor *a = arg;
	int did;

	for (;;) {
		uint64_t since = a->s->activity;

		a->wake_ns = NEVER;
		did = a->step(a->arg);
		if (did)
			a->s->activity++;
		if (did < 0)
			return;
		a->state = did ? READY : IDLE;
		a->idle_since = since;
		a->deadline_ns = a->wake_ns;
		give_way(a->s);
	}
}

static int spawn(struct kc_sched *s, const char *name, void (*fn)(void *arg),
		 int (*step)(void *arg), void *arg)
{
	struct actor *a;

	if (s->mode != KC_MODE_SIM)
		return -ENOTSUP;
	a = actor_new(s, name);
	if (!a)
		return -ENOMEM;
	a->fn = fn;
	a->step = step;
	a->arg = arg;
	a->co = kc_coro_new(step ? stepper_main : actor_main, a);
	if (!a->co) {
		s->nactors--;
		free(a);
		return -ENOMEM;
	}
	return 0;
}

int kc_sched_spawn(struct kc_sched *s, const char *name, void (*fn)(void *arg), void *arg)
{
	return spawn(s, name, fn, NULL, arg);
}

int kc_sched_spawn_stepper(struct kc_sched *s, const char *name, int (*step)(void *arg), void *arg)
{
	return spawn(s, name, NULL, step, arg);
}

void kc_sched_wake_at(struct kc_sched *s, int64_t ns)
{
	s->current->wake_ns = ns;
}

void kc_sched_point(struct kc_sched *s)
{
	if (s->mode == KC_MODE_SIM)
		give_way(s);
}

static int wait_sim(struct kc_sched *s, bool (*pred)(void *arg), void *arg, int64_t timeout_ns)
{
	struct actor *a = s->current;

	a->pred = pred;
	a->pred_arg = arg;
	a->deadline_ns = deadline(s->now_ns, timeout_ns);
	a->state = WAITING;
	give_way(s);
	return a->result;
}

/* Live: polling. */

struct poll_state {
	int64_t slice_ns;
	unsigned ready;		/* polls in a row that ended early */
};

static unsigned collect(struct kc_sched *s, struct pollfd *p)
{
	int fds[POLLFDS_MAX];
	unsigned n = s->pollfds ? s->pollfds(s->pollfds_ctx, fds, POLLFDS_MAX) : 0;

	for (unsigned i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	return n;
}

/* Sleeps for one slice, less if a descriptor has something or limit_ns is shorter. */
static void doze(struct kc_sched *s, struct poll_state *ps, int64_t limit_ns)
{
	int64_t ns = ps->slice_ns < limit_ns ? ps->slice_ns : limit_ns;
	struct timespec t = { .tv_nsec = ns };
	struct pollfd p[POLLFDS_MAX];
	unsigned n = ps->ready < READY_MAX ? collect(s, p) : 0;

	if (ppoll(p, n, &t, NULL) > 0) {
		ps->ready++;
		ps->slice_ns = SLICE_MIN_NS;
		return;
	}
	if (n)
		ps->ready = 0;
	ps->slice_ns = ps->slice_ns * 2 < SLICE_MAX_NS ? ps->slice_ns * 2 : SLICE_MAX_NS;
}

static int wait_live(struct kc_sched *s, bool (*pred)(void *arg), void *arg, int64_t timeout_ns)
{
	struct poll_state ps = { .slice_ns = SLICE_MIN_NS };
	int64_t end_ns = deadline(kc_sched_now(s), timeout_ns);

	for (;;) {
		/* The clock is read first: whatever happened before the deadline is then seen. */
		int64_t now_ns = kc_sched_now(s);

		observe(s);
		if (pred(arg))
			return 0;
		if (now_ns >= end_ns)
			return -ETIMEDOUT;
		doze(s, &ps, end_ns - now_ns);
	}
}

int kc_sched_wait(struct kc_sched *s, bool (*pred)(void *arg), void *arg, int64_t timeout_ns)
{
	if (s->mode == KC_MODE_SIM)
		return wait_sim(s, pred, arg, timeout_ns);
	return wait_live(s, pred, arg, timeout_ns);
}

int kc_sched_wait_fn(void *s, bool (*pred)(void *arg), void *arg, int64_t timeout_ns)
{
	return kc_sched_wait(s, pred, arg, timeout_ns);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static int quiesce_live(struct kc_sched *s, int64_t timeout_ns)
{
	const struct timespec pause = { .tv_nsec = QUIET_NS };
	int64_t end_ns = deadline(kc_sched_now(s), timeout_ns);
	unsigned looks = 0;

	if (!s->quiet && end_ns == NEVER)
		return -ETIMEDOUT;	/* nobody would ever say so */
	for (;;) {
		observe(s);
		looks = s->quiet && s->quiet(s->quiet_ctx) ? looks + 1 : 0;
		if (looks == QUIET_LOOKS)
			return 0;
		if (kc_sched_now(s) >= end_ns)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

int kc_sched_quiesce(struct kc_sched *s, int64_t timeout_ns)
{
	int ret;

	if (s->mode == KC_MODE_LIVE)
		return quiesce_live(s, timeout_ns);
	ret = wait_sim(s, never, NULL, timeout_ns);
	return ret == -EDEADLK ? 0 : ret;
}

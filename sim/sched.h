/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_SCHED_H
#define SIM_SCHED_H

#include <stdbool.h>
#include <stdint.h>
#include <common/rng.h>

/*
 * Who runs next, and what time it is.
 *
 * In sim mode guest and back-end are coroutines on one thread; time is virtual and every choice is
 * drawn from one seed. When no actor can run and somebody still waits, that is a proof: nothing
 * will ever happen, and the waiter is told -EDEADLK at once. In live mode there is one actor, the
 * guest; waiting means polling real descriptors against a real deadline.
 *
 * This is the seam for weak memory: kc_sched_point may be called from anywhere on an actor's stack,
 * and the switch hook runs between actors, which is where store buffers are applied and un-applied.
 */
enum kc_mode { KC_MODE_SIM, KC_MODE_LIVE };

struct kc_sched;

struct kc_sched *kc_sched_new(enum kc_mode mode, uint64_t seed);
/* Actors that have not returned are abandoned with their stacks. */
void kc_sched_free(struct kc_sched *s);

enum kc_mode kc_sched_mode(const struct kc_sched *s);
struct kc_rng *kc_sched_rng(struct kc_sched *s);
/* Nanoseconds since the start of the scenario: virtual in sim, CLOCK_MONOTONIC in live. */
int64_t kc_sched_now(const struct kc_sched *s);

/* Sim: adds an actor; fn runs when the scheduler first chooses it. The caller of everything else is
 * actor 0, the guest. name must outlive s. */
int kc_sched_spawn(struct kc_sched *s, const char *name, void (*fn)(void *arg), void *arg);
/*
 * Sim: adds an actor that calls step again and again. > 0: it did something. 0: nothing to do and
 * nothing changed; it is idle, and tried again once anybody else has done something. < 0: it ends.
 * step may itself call kc_sched_point and kc_sched_wait. Both spawns: 0, -ENOMEM, -ENOTSUP in live.
 */
int kc_sched_spawn_stepper(struct kc_sched *s, const char *name, int (*step)(void *arg), void *arg);

/*
 * Sim, within a step that finds nothing to do: from ns on it may do something by itself. The stepper is
 * tried again then, and before if anybody does something; so a device that is slow on purpose is not idle.
 * A wake-up that is due proves that nothing is over: whoever waits is told -ETIMEDOUT if its own deadline
 * comes first, and -EDEADLK only when nobody sleeps any more.
 */
void kc_sched_wake_at(struct kc_sched *s, int64_t ns);
/* Sim: does a stepper sleep until its time? */
bool kc_sched_asleep(const struct kc_sched *s);

/* A scheduling point: in sim another runnable actor may run now. No-op in live. */
void kc_sched_point(struct kc_sched *s);

/*
 * Suspends the calling actor until pred(arg). 0; -ETIMEDOUT when timeout_ns passed (timeout_ns < 0:
 * no limit); -EDEADLK in sim, at once and whatever the timeout, when no actor can run any more: a
 * proof beats a time-out. Nothing can run when every stepper has found nothing to do since anybody
 * last did something, no pred holds, and none has a time to wake up at. Virtual time passes with
 * switches (1 us each), and jumps to the next wake-up or deadline when nobody can run; -ETIMEDOUT thus
 * means that others kept running all that time, or sleep beyond it.
 *
 * Who is told -EDEADLK: the waiter with the earliest deadline, actor 0 last among equals. A spawned
 * actor with a timeout that comes earlier than actor 0's is told first, and virtual time jumps to
 * its deadline: pred never true is thus a sleep. A spawned actor without a timeout is never told.
 *
 * pred must be cheap and without effect; it is called often, and from other stacks.
 */
int kc_sched_wait(struct kc_sched *s, bool (*pred)(void *arg), void *arg, int64_t timeout_ns);

/* Sim: runs the others until none can run any more. Live: until the quiet callback has said yes on
 * three looks in a row, 2 ms apart. 0, or -ETIMEDOUT after timeout_ns; live without a callback it
 * is always the latter. */
int kc_sched_quiesce(struct kc_sched *s, int64_t timeout_ns);
/* Live: asked whether the peer is quiet (all its threads sleep and its CPU time stands still). */
void kc_sched_set_quiet(struct kc_sched *s, bool (*quiet)(void *ctx), void *ctx);

/* Called after every run of another actor (sim) and at every poll (live): KVM drains call eventfds
 * here, the oracle looks at memory. It must not call the scheduler. */
void kc_sched_set_observer(struct kc_sched *s, void (*fn)(void *ctx), void *ctx);
/* Live: descriptors whose readiness ends a poll early. fds[i] < 0 are skipped. The callback fills
 * at most cap entries and returns how many. */
void kc_sched_set_pollfds(struct kc_sched *s, unsigned (*fn)(void *ctx, int *fds, unsigned cap),
			  void *ctx);
/* Signature of kc_wait_fn, for a back-end's blocking exchange. ctx is the scheduler. */
int kc_sched_wait_fn(void *s, bool (*pred)(void *arg), void *arg, int64_t timeout_ns);

#endif

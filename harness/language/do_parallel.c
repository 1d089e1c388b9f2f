/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: `driver in parallel` plays a guest with as many vCPUs as there are queues. Each
 * queue has a thread of its own that sends a request, kicks if the device wants it, and waits for the
 * answer in memory, time and again, so that a back-end meets publishes and kicks on all of its queues
 * at any moment. The books (ring, port, oracle, trace) are one for all: a thread holds the world's lock
 * while it touches them, and lets go of it while it waits, which is when the back-end works.
 *
 * A thread gives up after a deadline and says nothing: whoever still misses something afterwards waits
 * for it as for any other request, and judges.
 */
#include <pthread.h>
#include <time.h>
#include <harness/language/verbs.h>

struct party {
	struct kc_world *w;
	const struct kc_step *s;
	pthread_mutex_t lock;
	int64_t rounds;
};

struct vcpu {
	struct party *party;
	unsigned qi;
	pthread_t thread;
	bool runs;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* The lock is held. */
static bool send_one(struct vcpu *v)
{
	struct party *p = v->party;
	struct kc_step step = *p->s;

	step.qi = v->qi;
	step.args[0] = p->s->args[1];
	return !p->w->over && !kc_do_request(p->w, &step) && !kc_do_kick_if_needed(p->w, &step);
}

static bool await_one(struct vcpu *v)
{
	const struct kc_ring *r = &v->party->w->q[v->qi].ring;
	int64_t end = now_ns() + v->party->w->cfg.timeout_ns;
	const struct timespec moment = { .tv_nsec = 20000 };

	for (unsigned i = 0; !r->ops->ready(r); i++) {
		if (i > 1000)		/* a quick device needs no system call of ours */
			nanosleep(&moment, NULL);
		if (now_ns() > end)
			return false;
	}
	return true;
}

static void *play(void *arg)
{
	struct vcpu *v = arg;
	struct party *p = v->party;
	bool goes_on = true;

	for (int64_t i = 0; i < p->rounds && goes_on; i++) {
		pthread_mutex_lock(&p->lock);
		goes_on = send_one(v);
		pthread_mutex_unlock(&p->lock);
		goes_on = goes_on && await_one(v);
		pthread_mutex_lock(&p->lock);
		kc_world_reap(p->w, v->qi);
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

KC_VERB(in_parallel)
{
	struct party party = { .w = w, .s = s, .rounds = s->args[0].num.plus };
	struct vcpu vcpus[KC_QUEUES_MAX];
	unsigned n = 0;

	if (w->cfg.mode != KC_MODE_LIVE)
		return kc_world_stop(w, KC_SKIP, "needs live mode: the simulator has one thread");
	pthread_mutex_init(&party.lock, NULL);
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++) {
		if (!w->q[qi].made || !w->vmm.q[qi].started || w->q[qi].companion)
			continue;
		vcpus[n] = (struct vcpu){ .party = &party, .qi = qi };
		vcpus[n].runs = !pthread_create(&vcpus[n].thread, NULL, play, &vcpus[n]);
		n++;
	}
	for (unsigned i = 0; i < n; i++)
		if (vcpus[i].runs)
			pthread_join(vcpus[i].thread, NULL);
	pthread_mutex_destroy(&party.lock);
	for (unsigned i = 0; i < n && !w->over; i++) {
		if (!vcpus[i].runs)
			return kc_world_stop(w, KC_ERROR, "no thread for queue %u", vcpus[i].qi);
		kc_world_wait_used(w, vcpus[i].qi, w->q[vcpus[i].qi].outstanding);
	}
	return w->over ? -1 : 0;
}

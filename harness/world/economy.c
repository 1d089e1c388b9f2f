/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a request is published when the oracle's books take it in, and used when they see
 * its used entry: in sim within the step that wrote it, live at the next look. The books keep the time of
 * publishing for us, beside the chain. Whether a used buffer was to be called for, and whether a call had a
 * cause, the books know as well; nobody needs to be accused of anything for it to be counted.
 *
 * Whether a kick is added to one that was not read yet is seen by looking at the eventfd just before.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <harness/world/economy.h>
#include <harness/world/proc.h>
#include <sim/vmm.h>

static_assert(KC_QUEUES_MAX <= KC_METRICS_QUEUES, "every queue has its metrics");

void kc_economy_init(struct kc_economy *e, struct kc_metrics *out, const struct kc_sched *clock)
{
	*e = (struct kc_economy){ .out = out, .clock = clock };
}

/* --- Requests and calls, as the oracle's books have them ---------------------------------------- */

static void drop_urgent(struct kc_economy *e, unsigned i)
{
	memmove(&e->urgent[i], &e->urgent[i + 1], (--e->nurgent - i) * sizeof(e->urgent[0]));
}

static int find_urgent(const struct kc_economy *e, unsigned qi, uint16_t head, bool published)
{
	for (unsigned i = 0; i < e->nurgent; i++)
		if (e->urgent[i].qi == qi && e->urgent[i].head == head &&
		    e->urgent[i].published == published)
			return (int)i;
	return -1;
}

static int64_t offered(void *ctx, unsigned qi, uint16_t head)
{
	struct kc_economy *e = ctx;
	struct kc_queue_metrics *q = kc_metrics_queue(e->out, qi);
	int64_t now_ns = kc_sched_now(e->clock);
	int i = find_urgent(e, qi, head, false);

	if (!q)
		return now_ns;
	q->published++;
	if (i >= 0) {
		e->urgent[i].published = true;
		e->urgent[i].used_before = q->used;
		e->urgent[i].since_ns = now_ns;
	}
	return now_ns;
}

static void used(void *ctx, unsigned qi, uint16_t head, int64_t since_ns)
{
	struct kc_economy *e = ctx;
	struct kc_queue_metrics *q = kc_metrics_queue(e->out, qi);
	int64_t now_ns = kc_sched_now(e->clock);
	int i = find_urgent(e, qi, head, true);

	if (!q)
		return;
	if (i >= 0) {
		kc_metrics_add_wait(e->out, &(struct kc_wait){
			qi, q->used - e->urgent[i].used_before, now_ns - e->urgent[i].since_ns });
		drop_urgent(e, (unsigned)i);
	}
	q->used++;
	kc_histogram_add(&q->latency, now_ns - since_ns);
}

static void unasked(void *ctx, unsigned qi, uint64_t n)
{
	struct kc_economy *e = ctx;
	struct kc_queue_metrics *q = kc_metrics_queue(e->out, qi);

	if (q)
		q->calls_suppressed += n;
}

static void called(void *ctx, unsigned qi, uint64_t n, uint64_t spurious)
{
	struct kc_economy *e = ctx;
	struct kc_queue_metrics *q = kc_metrics_queue(e->out, qi);

	if (!q)
		return;
	q->calls += n;
	q->calls_spurious += spurious;
}

const struct kc_oracle_listener kc_economy_listener = {
	.offered = offered, .used = used, .unasked = unasked, .called = called,
};

/* --- What the driver and the machine do --------------------------------------------------------- */

void kc_economy_kicked(struct kc_economy *e, unsigned qi, bool unread)
{
	struct kc_queue_metrics *q = kc_metrics_queue(e->out, qi);

	if (!q)
		return;
	q->kicks++;
	q->kicks_added_up += unread;
}

void kc_economy_kick_suppressed(struct kc_economy *e, unsigned qi)
{
	struct kc_queue_metrics *q = kc_metrics_queue(e->out, qi);

	if (q)
		q->kicks_suppressed++;
}

/* One interrupt is told of as a call; the signals that it stands for are calls as well. */
void kc_economy_calls_added_up(struct kc_economy *e, unsigned qi, uint64_t in_all)
{
	struct kc_queue_metrics *q;

	if (qi >= KC_METRICS_QUEUES || e->added_up[qi] == in_all)
		return;
	q = kc_metrics_queue(e->out, qi);
	if (q) {
		q->calls += in_all - e->added_up[qi];
		q->calls_added_up += in_all - e->added_up[qi];
	}
	e->added_up[qi] = in_all;
}

int kc_economy_urgent(struct kc_economy *e, unsigned qi, uint16_t head)
{
	if (e->nurgent == KC_URGENT_MAX)
		return -ENOSPC;
	memset(&e->urgent[e->nurgent], 0, sizeof(e->urgent[0]));
	e->urgent[e->nurgent].qi = qi;
	e->urgent[e->nurgent++].head = head;
	return 0;
}

unsigned kc_economy_urgent_left(const struct kc_economy *e, unsigned qi)
{
	unsigned n = 0;

	for (unsigned i = 0; i < e->nurgent; i++)
		n += e->urgent[i].qi == qi;
	return n;
}

void kc_economy_forget_queue(struct kc_economy *e, unsigned qi)
{
	for (unsigned i = e->nurgent; i-- > 0; )
		if (e->urgent[i].qi == qi)
			drop_urgent(e, i);
}

/* --- The peer's process ------------------------------------------------------------------------- */

/* Both or neither. */
static int read_peer(pid_t pid, uint64_t *cpu_ns, uint64_t *switches)
{
	struct kc_proc p;

	if (kc_proc_cpu_ns(pid, cpu_ns) || kc_proc_read(pid, &p))
		return -ESRCH;
	*switches = p.switches;
	return 0;
}

void kc_economy_session_start(struct kc_economy *e, pid_t pid)
{
	kc_economy_session_end(e);
	if (pid > 0 && !read_peer(pid, &e->cpu_ns, &e->switches))
		e->pid = pid;
	e->used = kc_metrics_used(e->out);
}

void kc_economy_session_end(struct kc_economy *e)
{
	struct kc_peer_metrics *p = &e->out->peer;
	uint64_t cpu_ns, switches;

	if (!e->pid)
		return;
	/* A thread that has ended takes its switches with it. */
	if (!read_peer(e->pid, &cpu_ns, &switches) && cpu_ns >= e->cpu_ns) {
		p->known = true;
		p->cpu_ns += cpu_ns - e->cpu_ns;
		p->switches += switches > e->switches ? switches - e->switches : 0;
		p->requests += kc_metrics_used(e->out) - e->used;
	}
	e->pid = 0;
}

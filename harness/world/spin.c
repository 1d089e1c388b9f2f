/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: when a scenario is over and everything in it is done, a back-end sleeps. Nearly
 * every one does at the first look, which costs a few reads of /proc. The threads that are awake then
 * are looked at again and again for eleven time-outs, as long as any other wait of ours has patience.
 * One sleep acquits a thread, be it ever so short, so a slow back-end, a timer or a thread that tidies
 * up is not taken for one that spins. Nor is one that gets hardly any CPU time: on a busy machine a
 * thread may want to sleep, and not get there.
 */
#include <harness/world/world.h>

#define PATIENCE	11	/* time-outs: one, and the tenfold */
#define SHARE	10	/* of the time, which a spinning thread has had at the least */

struct look {
	struct kc_world *w;
	struct kc_proc_awake awake;
};

static bool all_have_slept(void *arg)
{
	struct look *l = arg;

	kc_world_check_connection(l->w);
	return l->w->lost || l->w->over || !kc_proc_awake_look(&l->awake, l->w->cfg.be->pid);
}

static bool may_be_judged(struct kc_world *w)
{
	return w->cfg.mode == KC_MODE_LIVE && w->cfg.be->pid > 0 && !w->cfg.busy_poll &&
		!w->cfg.spins_told && !w->lost && !w->over && !w->ninbox && !w->held_len &&
		w->result->verdict < KC_FAIL && !kc_script_needs(w->script, "hostile") &&
		kc_oracle_all_done(w->oracle);
}

void kc_world_judge_spinning(struct kc_world *w)
{
	struct look l = { .w = w };
	int64_t from = kc_sched_now(w->sched);
	uint64_t ms, cpu_ms;

	if (!may_be_judged(w) || !kc_proc_awake_begin(&l.awake, w->cfg.be->pid))
		return;
	if (!kc_sched_wait(w->sched, all_have_slept, &l, PATIENCE * w->cfg.timeout_ns))
		return;
	ms = (uint64_t)(kc_sched_now(w->sched) - from) / 1000000;
	cpu_ms = kc_proc_awake_ms(&l.awake, w->cfg.be->pid);
	if (cpu_ms >= ms / SHARE)
		kc_oracle_awake(w->oracle, cpu_ms, ms);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The opening of a device's session.
 *
 * Theory of operation: some devices carry out nothing before they were asked to begin (FUSE_INIT).
 * The scenarios for any device know nothing of that, and count requests and ring indices by
 * themselves. So the port has a script of its own, played in the same world before the first queue
 * of a session is made, on a queue that it stops and disables at its end, as if it had never been.
 * What is accused on the way is accused by the opening's clauses, at the scenario's line.
 */
#include <harness/world/world.h>

static int play(struct kc_world *w, struct kc_script *s)
{
	for (unsigned i = 0; i < s->nsteps && !w->over; i++) {
		struct kc_step step = s->steps[i];

		w->pc = i;
		kc_world_check_connection(w);
		if (w->over || w->lost)
			return -1;
		if (step.verb->subject != KC_SUBJ_QUEUE && kc_world_driver_ok(w))
			return -1;
		if (step.verb->run(w, &step))
			return -1;
		if (step.last_of_line && step.verb->subject == KC_SUBJ_EXPECT) {
			kc_world_unclaimed(w);
			kc_world_checkpoint(w, step.qi);
		}
	}
	return w->over ? -1 : 0;
}

int kc_world_opening(struct kc_world *w)
{
	const char *text = w->opening_due ? w->cfg.port->opening(w->port) : NULL;
	struct kc_script *outer = w->script, *s;
	unsigned pc = w->pc;
	struct kc_err err;
	int ret;

	w->opening_due = false;
	if (!text)
		return 0;
	s = kc_script_parse("opening", outer->id, text, 0, &err);
	if (!s)
		return kc_world_stop(w, KC_ERROR, "%s", err.msg);
	w->script = s;
	ret = play(w, s);
	w->script = outer;
	w->pc = pc;
	for (unsigned qi = 0; qi < KC_QUEUES_MAX && !ret; qi++)
		kc_world_forget_queue(w, qi);
	kc_script_free(s);
	return ret;
}

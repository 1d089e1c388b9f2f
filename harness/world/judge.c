/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: how a scenario's verdict comes about. A broken clause becomes a violation with
 * the level that the catalogue gives it, and the worst violation makes the verdict. What cannot be
 * judged (skip, inconclusive, error) ends the scenario and is never charged to the back-end.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <backend/process.h>
#include <coverage/clauses.h>
#include <harness/world/blame.h>
#include <harness/world/world.h>

static const struct kc_step *step_now(const struct kc_world *w)
{
	return w->pc < w->script->nsteps ? &w->script->steps[w->pc] : NULL;
}

static void worsen(struct kc_world *w, enum kc_verdict v)
{
	if (v > w->result->verdict)
		w->result->verdict = v;
}

static bool already_said(const struct kc_result *r, const char *clause, unsigned line)
{
	for (unsigned i = 0; i < r->nviolations; i++)
		if (r->violations[i].line == line && !strcmp(r->violations[i].clause, clause))
			return true;
	return r->nviolations == KC_VIOLATIONS_MAX;
}

static void add_violation(struct kc_world *w, const char *clause, const char *message)
{
	const struct kc_clause *c = kc_clause_by_id(clause);
	const struct kc_step *s = step_now(w);
	unsigned line = s ? s->line : 0, qi;
	struct kc_violation *v;
	bool first_must;

	/* After an error of ours nothing proves anything. */
	if (!c || c->judge == KC_JUDGE_NEVER || w->result->verdict == KC_ERROR)
		return;
	worsen(w, c->judge == KC_JUDGE_FAIL ? KC_FAIL : KC_WARN);
	if (already_said(w->result, clause, line))
		return;
	if (w->result->level != KC_LEVEL_MUST && c->judge == KC_JUDGE_FAIL)
		w->misled = !kc_world_driver_broke(w, &qi);
	v = &w->result->violations[w->result->nviolations++];
	snprintf(v->clause, sizeof(v->clause), "%s", clause);
	snprintf(v->message, sizeof(v->message), "%s%s%s%s", message, *w->choice ? " (with " : "",
		 w->choice, *w->choice ? ")" : "");
	v->line = line;
	v->level = c->judge == KC_JUDGE_FAIL ? KC_LEVEL_MUST : KC_LEVEL_SHOULD;
	first_must = v->level == KC_LEVEL_MUST && w->result->level != KC_LEVEL_MUST;
	if (!w->result->level || v->level == KC_LEVEL_MUST)
		w->result->level = v->level;
	if (!w->result->message || first_must) {
		free(w->result->message);
		w->result->message = strdup(message);
	}
	kc_trace_text(&w->trace, KC_ACTOR_ORACLE, "violation", message, "%s", clause);
}

void kc_world_violate(struct kc_world *w, const char *clause, const char *fmt, ...)
{
	const struct kc_step *s = step_now(w);
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (s && s->clause[0])
		clause = s->clause;
	add_violation(w, clause && clause[0] ? clause : w->script->clauses[0], msg);
}

void kc_world_accuse(void *ctx, const char *clause, const char *message)
{
	add_violation(ctx, clause, message);
}

int kc_world_stop(struct kc_world *w, enum kc_verdict v, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	w->over = true;
	if (v <= w->result->verdict && w->result->verdict != KC_PASS)
		return -1;
	worsen(w, v);
	free(w->result->reason);
	w->result->reason = strdup(msg);
	if (v == KC_ERROR) {
		free(w->result->message);
		w->result->message = strdup(msg);
	}
	return -1;
}

void kc_world_take_back(struct kc_world *w)
{
	struct kc_result *r = w->result;

	free(r->reason);
	free(r->message);
	r->reason = r->message = NULL;
	memset(r->violations, 0, sizeof(r->violations));
	r->nviolations = 0;
	r->level = KC_LEVEL_NONE;
	r->verdict = KC_PASS;
	r->script_error = false;
}

int kc_world_script_error(struct kc_world *w, const char *fmt, ...)
{
	const struct kc_step *s = step_now(w);
	char msg[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	kc_world_stop(w, KC_ERROR, "%s:%u:%u: %s", w->script->path, s ? s->line : 0, s ? s->col : 0, msg);
	w->result->script_error = w->result->verdict == KC_ERROR;
	return -1;
}

int kc_world_outcome(struct kc_world *w, enum kc_outcome o, const char *what)
{
	const char *why = w->vmm.err.msg;

	if (o == KC_OUT_FAULT)
		return kc_world_stop(w, KC_ERROR, "%s: %s", what, why);
	if (o == KC_OUT_UNSUPPORTED)
		return kc_world_stop(w, KC_SKIP, "%s: %s", what,
				     why[0] ? why : "not possible with this back-end");
	if (o == KC_OUT_TIMED_OUT && w->cfg.mode == KC_MODE_LIVE)
		return kc_world_stop(w, KC_INCONCLUSIVE, "%s: no answer before the deadline", what);
	kc_world_violate(w, "", "%s: expected ok, actual %s%s%s", what, kc_outcome_name(o),
			 why[0] ? ": " : "", why);
	w->over = true;
	return -1;
}

/* A back-end must outlive its connection, or exit with status 0: 0, or -1 after a violation. */
int kc_world_survives(struct kc_world *w)
{
	int status;

	if (kc_blame_fate(w->cfg.be, w->cfg.busy_poll, &status) != KC_FATE_KILLED)
		return 0;
	kc_world_violate(w, "", "expected the back-end to survive the end of its connection, actual: it died "
			 "of SIG%s", kc_signal_name(WTERMSIG(status)));
	w->over = true;
	return -1;
}

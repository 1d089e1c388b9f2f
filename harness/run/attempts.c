/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: an accusation is worth nothing if the same test, begun afresh, does not make it.
 * What differs between two attempts is no fault of a clause's, so it is told as what it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <harness/run/attempts.h>

#define CONFIRMED	3u		/* times that a fresh process breaks a SHOULD as the shared one did */

bool kc_attempt_is_milder(const struct kc_result *fresh, const struct kc_result *first)
{
	return fresh->verdict < KC_WARN || (fresh->verdict == KC_WARN && first->verdict == KC_FAIL);
}

/* What led to it is what is told. */
void kc_attempt_only_in_sequence(struct kc_result *fresh, const struct kc_result *first, const char *history)
{
	char *text;

	if (asprintf(&text, "failed (%s) on a process that had served %s; %s on a fresh one",
		     first->message ? first->message : "", history ? history : "nothing",
		     fresh->verdict == KC_WARN ? "only a warning" : "passes") < 0)
		return;
	free(fresh->reason);
	fresh->reason = text;
	fresh->verdict = KC_INCONCLUSIVE;
}

void kc_attempt_confirm(struct kc_confirmed *c, const struct kc_result *fresh)
{
	for (unsigned i = 0; i < fresh->nviolations; i++) {
		const char *clause = fresh->violations[i].clause;
		unsigned k;

		for (k = 0; k < KC_CONFIRMED_MAX && c->row[k].clause[0]; k++)
			if (!strcmp(c->row[k].clause, clause))
				break;
		if (k == KC_CONFIRMED_MAX)
			return;
		snprintf(c->row[k].clause, sizeof(c->row[k].clause), "%s", clause);
		c->row[k].n++;
	}
}

bool kc_attempt_is_confirmed(const struct kc_confirmed *c, const struct kc_result *res)
{
	unsigned known = 0;

	for (unsigned i = 0; i < res->nviolations; i++)
		for (unsigned k = 0; k < KC_CONFIRMED_MAX; k++)
			known += c->row[k].n >= CONFIRMED && !strcmp(c->row[k].clause, res->violations[i].clause);
	return res->verdict == KC_WARN && known == res->nviolations;
}

/* Of the same bytes. */
static bool same_suspicion(const struct kc_result *res, const struct kc_result *before)
{
	return res->suspicion && res->suspicion_clause && before->suspicion &&
		!strcmp(res->suspicion, before->suspicion);
}

bool kc_attempt_wants_flip(const struct kc_result *res, const struct kc_result *before, unsigned flips)
{
	return res->suspicion && res->verdict < KC_INCONCLUSIVE && flips < KC_FLIPS &&
		(!flips || same_suspicion(res, before));
}

void kc_attempt_unwritten(struct kc_result *res, const struct kc_result *before)
{
	struct kc_violation *v = &res->violations[res->nviolations];

	if (!same_suspicion(res, before) || res->nviolations == KC_VIOLATIONS_MAX)
		return;
	res->nviolations++;
	v->level = res->level = KC_LEVEL_MUST;
	snprintf(v->clause, sizeof(v->clause), "%s", res->suspicion_clause);
	snprintf(v->message, sizeof(v->message), "%s, with two different poisons", res->suspicion);
	res->verdict = KC_FAIL;
	free(res->message);
	res->message = strdup(v->message);
}

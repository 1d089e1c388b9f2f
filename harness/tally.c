/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: three sources say who accuses by a clause, and each says in which modes.
 * A scenario runs in both unless its needs leave one out: `sim` and `live` do, and `restart`
 * does, since there is no process to kill in the simulator. A point has a list of its own
 * (harness/oracle/points.h); its modes are what it can prove, not where it happens to be called.
 * A port accuses where requests come back, in either mode. Nothing here looks at what a back-end
 * offers: a scenario that is skipped for want of a feature counts, since it tests whoever has
 * it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coverage/clauses.h>
#include <guest_model/port.h>
#include <harness/oracle/points.h>
#include <harness/tally.h>

const char *const kc_standing_names[KC_STANDINGS] = { "tested", "waived", "open" };

static int add(struct kc_tally *t, const char *kind, const char *name, unsigned modes)
{
	size_t cap = strlen(kind) + strlen(name) + 1;
	char **more = realloc(t->by, (t->nby + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	t->by = more;
	t->by[t->nby] = malloc(cap);
	if (!t->by[t->nby])
		return -ENOMEM;
	strcpy(stpcpy(t->by[t->nby++], kind), name);
	t->in_sim |= !!(modes & KC_IN_SIM);
	t->in_live |= !!(modes & KC_IN_LIVE);
	return 0;
}

static bool names_clause(const struct kc_script *s, const char *id)
{
	for (unsigned i = 0; i < s->nclauses; i++)
		if (!strcmp(s->clauses[i], id))
			return true;
	return false;
}

static unsigned modes_of(const struct kc_script *s)
{
	unsigned modes = KC_IN_BOTH;

	if (kc_script_needs(s, "sim"))
		modes &= ~KC_IN_LIVE;
	if (kc_script_needs(s, "live") || kc_script_needs(s, "restart"))
		modes &= ~KC_IN_SIM;
	return modes;
}

/* Variants of one scenario follow each other. */
static int add_scenarios(struct kc_tally *t, const char *id, const struct kc_suite *suite)
{
	const char *last = "";

	for (unsigned i = 0; i < suite->ntests; i++) {
		const struct kc_script *s = suite->tests[i];

		if (!names_clause(s, id) || !strcmp(last, s->id))
			continue;
		last = s->id;
		if (add(t, "", s->id, modes_of(s)))
			return -ENOMEM;
	}
	return 0;
}

static unsigned modes_of_rule(const struct kc_point_rule *r, const char *id)
{
	if (!strcmp(kc_rule_clause(r->rule, &kc_layout_split), id) ||
	    !strcmp(kc_rule_clause(r->rule, &kc_layout_packed), id))
		return r->modes;
	return 0;
}

/* The modes in which the point can accuse by that clause. */
static unsigned modes_of_point(const struct kc_point *p, const char *id)
{
	unsigned modes = 0;

	for (const struct kc_point_clause *c = p->clauses; c && c->id; c++)
		modes |= strcmp(c->id, id) ? 0 : c->modes;
	for (const struct kc_point_rule *r = p->rules; r && r->rule != KC_RULES; r++)
		modes |= modes_of_rule(r, id);
	return modes;
}

static int add_points(struct kc_tally *t, const char *id)
{
	for (unsigned i = 0; kc_points[i]; i++) {
		unsigned modes = modes_of_point(kc_points[i], id);

		if (modes && add(t, "oracle:", kc_points[i]->name, modes))
			return -ENOMEM;
	}
	return 0;
}

static bool port_accuses(const struct kc_port_ops *ops, const char *id)
{
	bool found = !strcmp(ops->payload_clause, id) || !strcmp(ops->len_clause, id) ||
		(ops->len_clause_packed && !strcmp(ops->len_clause_packed, id));

	for (unsigned i = 0; ops->clauses && ops->clauses[i]; i++)
		found |= !strcmp(ops->clauses[i], id);
	return found;
}

static int add_ports(struct kc_tally *t, const char *id)
{
	for (unsigned i = 0; kc_ports[i]; i++)
		if (port_accuses(kc_ports[i], id) && add(t, "port:", kc_ports[i]->device, KC_IN_BOTH))
			return -ENOMEM;
	return 0;
}

int kc_tally_init(struct kc_tally *t, const struct kc_clause *c, const struct kc_suite *suite)
{
	*t = (struct kc_tally){ 0 };
	if (add_scenarios(t, c->id, suite) || add_points(t, c->id) || add_ports(t, c->id))
		return -ENOMEM;
	t->standing = t->nby ? KC_TESTED : c->waived ? KC_WAIVED : KC_OPEN;
	return 0;
}

void kc_tally_fini(struct kc_tally *t)
{
	for (unsigned i = 0; i < t->nby; i++)
		free(t->by[i]);
	free(t->by);
	*t = (struct kc_tally){ 0 };
}

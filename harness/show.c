/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: one table row per thing that can be listed. Rows are made as JSON objects
 * first; text is the same rows with the columns that people want.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <coverage/clauses.h>
#include <guest_model/port.h>
#include <harness/run/profile.h>
#include <harness/run/suite.h>
#include <harness/show.h>
#include <harness/tally.h>

static int load_all(const struct kc_options *o, struct kc_suite *suite)
{
	struct kc_err err;

	if (kc_suite_load(suite, o, NULL, 0, NULL, &err) == 0)
		return 0;
	fprintf(stderr, "kickcall: %s\n", err.msg);
	kc_suite_free(suite);
	return -1;
}

static json_t *clause_names(const struct kc_script *t)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < t->nclauses; i++)
		json_array_append_new(a, json_string(t->clauses[i]));
	return a;
}

static json_t *tests(const struct kc_options *o)
{
	struct kc_suite suite;
	json_t *rows;

	if (load_all(o, &suite))
		return NULL;
	rows = json_array();
	for (unsigned i = 0; i < suite.ntests; i++) {
		struct kc_script *t = suite.tests[i];

		json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:o}", "id", t->id, "variant",
			t->variant, "device", t->device ? t->device : "any", "title", t->title, "clauses",
			clause_names(t)));
	}
	kc_suite_free(&suite);
	return rows;
}

/* With what a test of it has to say: who and where, and else why there is none. */
static json_t *clause_row(const struct kc_clause *c, const struct kc_suite *suite)
{
	json_t *modes = json_array(), *by = json_array(), *row = NULL;
	struct kc_tally t;

	if (!kc_tally_init(&t, c, suite)) {
		if (t.in_sim)
			json_array_append_new(modes, json_string("sim"));
		if (t.in_live)
			json_array_append_new(modes, json_string("live"));
		for (unsigned i = 0; i < t.nby; i++)
			json_array_append_new(by, json_string(t.by[i]));
		row = json_pack("{s:s,s:s,s:s,s:s,s:O,s:O,s:s,s:s}", "id", c->id, "level", c->level,
				"area", c->area, "status", kc_standing_names[t.standing], "modes", modes,
				"scenarios", by, "reason", t.standing == KC_TESTED ? "" : c->reason,
				"statement", c->statement);
	}
	kc_tally_fini(&t);
	json_decref(modes);
	json_decref(by);
	return row;
}

static json_t *clauses(const struct kc_options *o)
{
	struct kc_suite suite;
	json_t *rows;

	if (load_all(o, &suite))
		return NULL;
	rows = json_array();
	for (unsigned i = 0; i < kc_nclauses; i++)
		if (kc_clauses[i].held)
			json_array_append_new(rows, clause_row(&kc_clauses[i], &suite));
	kc_suite_free(&suite);
	return rows;
}

static const char *text_of(json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

#define AREAS_MAX	64

struct area {
	const char *name;
	unsigned n[KC_STANDINGS];
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct area *)a)->name, ((const struct area *)b)->name);
}

static struct area *area_of(struct area *areas, unsigned *n, const char *name)
{
	for (unsigned i = 0; i < *n; i++)
		if (!strcmp(areas[i].name, name))
			return &areas[i];
	if (*n == AREAS_MAX)
		return NULL;
	areas[*n] = (struct area){ .name = name };
	return &areas[(*n)++];
}

static void print_area(const struct area *a)
{
	printf("%-14s", a->name);
	for (unsigned k = 0; k < KC_STANDINGS; k++)
		printf("%8u", a->n[k]);
	putchar('\n');
}

/* What a glance at the end should tell: how much of each area is tested. */
static void print_areas(json_t *rows)
{
	struct area areas[AREAS_MAX], total = { .name = "total" };
	unsigned nareas = 0;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		struct area *a = area_of(areas, &nareas, text_of(row, "area"));

		for (unsigned k = 0; a && k < KC_STANDINGS; k++) {
			if (strcmp(text_of(row, "status"), kc_standing_names[k]))
				continue;
			a->n[k]++;
			total.n[k]++;
		}
	}
	qsort(areas, nareas, sizeof(*areas), by_name);
	printf("\n%-14s", "area");
	for (unsigned k = 0; k < KC_STANDINGS; k++)
		printf("%8s", kc_standing_names[k]);
	putchar('\n');
	for (unsigned k = 0; k < nareas; k++)
		print_area(&areas[k]);
	print_area(&total);
}

static json_t *devices(const struct kc_options *o)
{
	json_t *rows = json_array();

	(void)o;
	for (unsigned i = 0; kc_ports[i]; i++)
		json_array_append_new(rows, json_pack("{s:s,s:i}", "id", kc_ports[i]->device, "virtio_id",
						      (int)kc_ports[i]->virtio_id));
	return rows;
}

static int add_profile(void *ctx, const char *path)
{
	struct kc_profile p;
	struct kc_err err;

	if (kc_profile_load(&p, path, &err)) {
		fprintf(stderr, "kickcall: %s\n", err.msg);
		return -1;
	}
	json_array_append_new(ctx, json_pack("{s:s,s:s,s:s}", "id", p.name, "device", p.device, "title",
					     p.title ? p.title : ""));
	kc_profile_fini(&p);
	return 0;
}

static json_t *profiles(const struct kc_options *o)
{
	json_t *rows = json_array();

	(void)o;
	if (kc_profile_each(add_profile, rows)) {
		json_decref(rows);
		return NULL;
	}
	return rows;
}

static json_t *verbs(const struct kc_options *o)
{
	json_t *rows = json_array();

	(void)o;
	for (unsigned i = 0; i < kc_nverbs; i++) {
		char said[160];

		snprintf(said, sizeof(said), "%s %s", kc_subject_names[kc_verbs[i].subject],
			 kc_verbs[i].pattern);
		json_array_append_new(rows, json_pack("{s:s,s:s}", "id", said, "doc", kc_verbs[i].doc));
	}
	return rows;
}

static const struct {
	const char *what;
	json_t *(*make)(const struct kc_options *o);
	const char *columns[4];		/* of the text form */
	void (*print_end)(json_t *rows);
} lists[] = {
	{ "tests", tests, { "id", "variant", "title" }, NULL },
	{ "clauses", clauses, { "id", "level", "status", "statement" }, print_areas },
	{ "devices", devices, { "id" }, NULL },
	{ "profiles", profiles, { "id", "device", "title" }, NULL },
	{ "verbs", verbs, { "id", "doc" }, NULL },
};

static void print_rows(json_t *rows, const char *const *columns)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) {
		for (unsigned c = 0; c < 4 && columns[c]; c++) {
			const char *text = text_of(row, columns[c]);

			if (*text || c == 0)
				printf("%s%s", c ? "  " : "", text);
		}
		putchar('\n');
	}
}

int kc_show_list(const struct kc_options *o)
{
	for (unsigned i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		json_t *rows;

		if (strcmp(lists[i].what, o->operands[0]))
			continue;
		rows = lists[i].make(o);
		if (!rows)
			return 2;
		if (o->format) {
			json_t *j = json_pack("{s:i,s:o}", "schema", 1, lists[i].what, rows);

			json_dumpf(j, stdout, JSON_INDENT(1));
			putchar('\n');
			json_decref(j);
			return 0;
		}
		print_rows(rows, lists[i].columns);
		if (lists[i].print_end)
			lists[i].print_end(rows);
		json_decref(rows);
		return 0;
	}
	fprintf(stderr, "kickcall: list tests, clauses, devices, profiles or verbs, not '%s'\n",
		o->operands[0]);
	return 2;
}

/* Where it stands, and who tests it or why nobody does. */
static void explain_standing(const struct kc_clause *c, const struct kc_suite *suite)
{
	json_t *row = clause_row(c, suite), *by = json_object_get(row, "scenarios"), *name, *mode;
	size_t i;

	if (!c->held) {
		printf("  status      not held against back-ends\n");
	} else {
		printf("  status      %s", text_of(row, "status"));
		json_array_foreach(json_object_get(row, "modes"), i, mode)
			printf("%s%s", i ? ", " : ": ", json_string_value(mode));
		if (*text_of(row, "reason"))
			printf(": %s", text_of(row, "reason"));
		putchar('\n');
	}
	printf("  tested by   %s\n", json_array_size(by) ? "" : "nothing");
	json_array_foreach(by, i, name)
		printf("    %s\n", json_string_value(name));
	json_decref(row);
}

static void explain_clause(const struct kc_clause *c, const struct kc_suite *suite)
{
	printf("%s (%s, %s)\n", c->id, c->level, c->role);
	printf("  %s\n", c->statement);
	printf("  source      %s, %s\n", c->source, c->section);
	printf("  shows as    %s\n", c->observable);
	printf("  needs       %s\n", c->needs);
	printf("  if broken   %s\n", c->judge == KC_JUDGE_FAIL ? "fail" : c->judge == KC_JUDGE_WARN ?
	       "warn (fail under --strict)" : "nothing: it permits");
	explain_standing(c, suite);
}

static void explain_test(const struct kc_script *t)
{
	printf("%s: %s\n\n", t->id, t->title);
	for (unsigned i = 0; i < t->nlines; i++)
		printf("    %s\n", t->lines[i]);
	putchar('\n');
	for (unsigned i = 0; i < t->nclauses; i++) {
		const struct kc_clause *c = kc_clause_by_id(t->clauses[i]);

		printf("%s (%s): %s\n", c->id, c->level, c->statement);
	}
}

int kc_show_explain(const struct kc_options *o)
{
	const struct kc_clause *c = kc_clause_by_id(o->operands[0]);
	struct kc_suite suite;
	int status = 2;

	if (load_all(o, &suite))
		return 2;
	if (c) {
		explain_clause(c, &suite);
		status = 0;
	}
	for (unsigned i = 0; status && i < suite.ntests; i++) {
		if (strcmp(suite.tests[i]->id, o->operands[0]))
			continue;
		explain_test(suite.tests[i]);
		status = 0;
	}
	if (status)
		fprintf(stderr, "kickcall: neither a test nor a clause: '%s'\n", o->operands[0]);
	kc_suite_free(&suite);
	return status;
}

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

/* Clauses that a back-end's edge cannot show are listed, but open to nobody. */
static bool can_be_held(const struct kc_clause *c)
{
	bool role = !strcmp(c->role, "device") || !strcmp(c->role, "both") || !strcmp(c->role, "back-end");

	return role && !strstr(c->observable, "driver-side") && !strstr(c->observable, "not observable");
}

static bool names_clause(const struct kc_script *t, const char *id)
{
	for (unsigned i = 0; i < t->nclauses; i++)
		if (!strcmp(t->clauses[i], id))
			return true;
	return false;
}

static json_t *scenarios_of(const struct kc_suite *suite, const char *id)
{
	json_t *a = json_array();
	const char *last = "";

	for (unsigned i = 0; i < suite->ntests; i++) {
		if (!names_clause(suite->tests[i], id) || !strcmp(last, suite->tests[i]->id))
			continue;
		last = suite->tests[i]->id;
		json_array_append_new(a, json_string(last));
	}
	return a;
}

static json_t *clauses(const struct kc_options *o)
{
	struct kc_suite suite;
	json_t *rows;

	if (load_all(o, &suite))
		return NULL;
	rows = json_array();
	for (unsigned i = 0; i < kc_nclauses; i++) {
		const struct kc_clause *c = &kc_clauses[i];
		json_t *by = scenarios_of(&suite, c->id);
		const char *status = json_array_size(by) ? "tested" : "open";

		if (can_be_held(c))
			json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:o}", "id", c->id, "level",
				c->level, "status", status, "statement", c->statement, "scenarios", by));
		else
			json_decref(by);
	}
	kc_suite_free(&suite);
	return rows;
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
} lists[] = {
	{ "tests", tests, { "id", "variant", "title" } },
	{ "clauses", clauses, { "id", "level", "status", "statement" } },
	{ "devices", devices, { "id" } },
	{ "profiles", profiles, { "id", "device", "title" } },
	{ "verbs", verbs, { "id", "doc" } },
};

static void print_rows(json_t *rows, const char *const *columns)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) {
		for (unsigned c = 0; c < 4 && columns[c]; c++) {
			const char *text = json_string_value(json_object_get(row, columns[c]));

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
		json_decref(rows);
		return 0;
	}
	fprintf(stderr, "kickcall: list tests, clauses, devices, profiles or verbs, not '%s'\n",
		o->operands[0]);
	return 2;
}

static void explain_clause(const struct kc_clause *c, const struct kc_suite *suite)
{
	json_t *by = scenarios_of(suite, c->id), *row;
	size_t i;

	printf("%s (%s, %s)\n", c->id, c->level, c->role);
	printf("  %s\n", c->statement);
	printf("  source      %s, %s\n", c->source, c->section);
	printf("  shows as    %s\n", c->observable);
	printf("  needs       %s\n", c->needs);
	printf("  if broken   %s\n", c->judge == KC_JUDGE_FAIL ? "fail" : c->judge == KC_JUDGE_WARN ?
	       "warn (fail under --strict)" : "nothing: it permits");
	printf("  tested by   %s\n", json_array_size(by) ? "" : "no scenario yet");
	json_array_foreach(by, i, row)
		printf("    %s\n", json_string_value(row));
	json_decref(by);
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

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a result is made in the worker that ran the scenario, travels to the parent
 * as one JSON object, and is kept there until the reports are written. The same object, less its
 * detail block and with metrics that are worked out, is the entry in the JSON report.
 *
 * What comes from a worker is checked as if it came from a stranger: the worker shared its memory
 * with a back-end under test.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <harness/report/result.h>

static const char *const verdict_names[KC_VERDICTS] = {
	[KC_PASS] = "pass",
	[KC_SKIP] = "skip",
	[KC_KNOWN] = "known",
	[KC_WARN] = "warn",
	[KC_INCONCLUSIVE] = "inconclusive",
	[KC_XPASS] = "xpass",
	[KC_FAIL] = "fail",
	[KC_ERROR] = "error",
};
static const char *const level_names[] = {
	[KC_LEVEL_NONE] = "", [KC_LEVEL_MUST] = "MUST", [KC_LEVEL_SHOULD] = "SHOULD",
};
#define LEVELS	(sizeof(level_names) / sizeof(level_names[0]))

static int find_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -1;
}

const char *kc_verdict_name(enum kc_verdict v)
{
	return (unsigned)v < KC_VERDICTS ? verdict_names[v] : "?";
}

int kc_verdict_by_name(const char *name)
{
	return find_name(verdict_names, KC_VERDICTS, name);
}

const char *kc_level_name(enum kc_level l)
{
	return (unsigned)l < LEVELS ? level_names[l] : "?";
}

/* The strings of a result, in the order of the report. */
static const struct {
	const char *key;
	size_t offset;
	bool never_null;
} strings[] = {
	{ "id", offsetof(struct kc_result, id), true },
	{ "title", offsetof(struct kc_result, title), true },
	{ "variant", offsetof(struct kc_result, variant), true },
	{ "reason", offsetof(struct kc_result, reason), false },
	{ "message", offsetof(struct kc_result, message), false },
	{ "detail", offsetof(struct kc_result, detail), false },
	{ "replay", offsetof(struct kc_result, replay), false },
	{ "suspicion", offsetof(struct kc_result, suspicion), false },
	{ "suspicion_clause", offsetof(struct kc_result, suspicion_clause), false },
};
#define STRINGS	(sizeof(strings) / sizeof(strings[0]))

static char **string_at(const struct kc_result *r, size_t i)
{
	return (char **)((char *)r + strings[i].offset);
}

void kc_result_fini(struct kc_result *r)
{
	for (size_t i = 0; i < STRINGS; i++)
		free(*string_at(r, i));
	kc_metrics_fini(&r->metrics);
	memset(r, 0, sizeof(*r));
}

/* A peer's stderr may hold anything; JSON holds UTF-8 only. */
static json_t *lossy_string(const char *s)
{
	json_t *j = json_string(s ? s : "");
	char *copy;

	if (j)
		return j;
	copy = strdup(s);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++)
		if (*p & 0x80)
			*p = '?';
	j = json_string(copy);
	free(copy);
	return j;
}

static json_t *clauses_to_json(const struct kc_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->nclauses; i++)
		if (json_array_append_new(list, lossy_string(r->clauses[i])))
			goto fail;
	return list;
fail:
	json_decref(list);
	return NULL;
}

static json_t *violation_to_json(const struct kc_violation *v)
{
	return json_pack("{so, ss, sI, so}", "clause", lossy_string(v->clause),
			 "level", kc_level_name(v->level), "line", (json_int_t)v->line,
			 "message", lossy_string(v->message));
}

static json_t *violations_to_json(const struct kc_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->nviolations; i++)
		if (json_array_append_new(list, violation_to_json(&r->violations[i])))
			goto fail;
	return list;
fail:
	json_decref(list);
	return NULL;
}

json_t *kc_result_to_json(const struct kc_result *r)
{
	return json_pack("{so, so, so, ss, ss, so, so, so, so, so, so, so, so, sb, sb, sI, so}",
			 "id", lossy_string(r->id), "title", lossy_string(r->title),
			 "variant", lossy_string(r->variant),
			 "verdict", kc_verdict_name(r->verdict),
			 "level", kc_level_name(r->level), "clauses", clauses_to_json(r),
			 "reason", lossy_string(r->reason), "message", lossy_string(r->message),
			 "violations", violations_to_json(r), "detail", lossy_string(r->detail),
			 "replay", lossy_string(r->replay), "suspicion", lossy_string(r->suspicion),
			 "suspicion_clause", lossy_string(r->suspicion_clause),
			 "script_error", r->script_error, "unreached", r->unreached,
			 "duration_us", (json_int_t)r->duration_us,
			 "metrics", kc_metrics_pack(&r->metrics));
}

/* The member `key`, which must be a string shorter than cap (0: any length). */
static const char *string_member(const json_t *j, const char *key, size_t cap, struct kc_err *err)
{
	const char *s = json_string_value(json_object_get(j, key));

	if (!s)
		kc_err_set(err, -EPROTO, "result: \"%s\" is no string", key);
	else if (cap && strlen(s) >= cap)
		kc_err_set(err, -EPROTO, "result: \"%s\" is too long", key);
	else
		return s;
	return NULL;
}

static int name_member(const json_t *j, const char *key, const char *const *names, size_t n,
		       struct kc_err *err)
{
	const char *s = string_member(j, key, 0, err);
	int i = s ? find_name(names, n, s) : -EPROTO;

	if (s && i < 0)
		return kc_err_set(err, -EPROTO, "result: %s \"%s\" is unknown", key, s);
	return i;
}

static int integer_member(const json_t *j, const char *key, int64_t max, int64_t *value,
			  struct kc_err *err)
{
	const json_t *member = json_object_get(j, key);

	*value = json_integer_value(member);
	if (!json_is_integer(member) || *value < 0 || *value > max)
		return kc_err_set(err, -EPROTO, "result: \"%s\" is no number from 0 to %lld", key,
				  (long long)max);
	return 0;
}

/* The member `key`, which must be an array of at most max elements. */
static const json_t *array_member(const json_t *j, const char *key, size_t max, struct kc_err *err)
{
	const json_t *list = json_object_get(j, key);

	if (json_is_array(list) && json_array_size(list) <= max)
		return list;
	kc_err_set(err, -EPROTO, "result: \"%s\" is no array of at most %zu", key, max);
	return NULL;
}

static int strings_from_json(struct kc_result *r, const json_t *j, struct kc_err *err)
{
	for (size_t i = 0; i < STRINGS; i++) {
		const char *s = string_member(j, strings[i].key, 0, err);

		if (!s)
			return -EPROTO;
		if (!*s && !strings[i].never_null)
			continue;
		*string_at(r, i) = strdup(s);
		if (!*string_at(r, i))
			return kc_err_set(err, -ENOMEM, "result: no memory");
	}
	return 0;
}

static int clauses_from_json(struct kc_result *r, const json_t *j, struct kc_err *err)
{
	const json_t *list = array_member(j, "clauses", KC_CLAUSES_MAX, err);

	if (!list)
		return -EPROTO;
	for (; r->nclauses < json_array_size(list); r->nclauses++) {
		const char *s = json_string_value(json_array_get(list, r->nclauses));

		if (!s || strlen(s) >= sizeof(r->clauses[0]))
			return kc_err_set(err, -EPROTO, "result: clauses[%u] is no clause id",
					  r->nclauses);
		strcpy(r->clauses[r->nclauses], s);
	}
	return 0;
}

static int violation_from_json(struct kc_violation *v, const json_t *j, struct kc_err *err)
{
	const char *clause = string_member(j, "clause", sizeof(v->clause), err);
	const char *message = clause ? string_member(j, "message", sizeof(v->message), err) : NULL;
	int level = message ? name_member(j, "level", level_names, LEVELS, err) : -EPROTO;
	int64_t line;

	if (level < 0 || integer_member(j, "line", UINT32_MAX, &line, err))
		return -EPROTO;
	strcpy(v->clause, clause);
	strcpy(v->message, message);
	v->level = (enum kc_level)level;
	v->line = (unsigned)line;
	return 0;
}

static int violations_from_json(struct kc_result *r, const json_t *j, struct kc_err *err)
{
	const json_t *list = array_member(j, "violations", KC_VIOLATIONS_MAX, err);

	if (!list)
		return -EPROTO;
	for (; r->nviolations < json_array_size(list); r->nviolations++)
		if (violation_from_json(&r->violations[r->nviolations],
					json_array_get(list, r->nviolations), err))
			return -EPROTO;
	return 0;
}

int kc_result_from_json(struct kc_result *r, const json_t *j, struct kc_err *err)
{
	int verdict, level, ret;

	memset(r, 0, sizeof(*r));
	ret = strings_from_json(r, j, err);
	if (ret)
		goto fail;
	ret = verdict = name_member(j, "verdict", verdict_names, KC_VERDICTS, err);
	if (ret < 0)
		goto fail;
	ret = level = name_member(j, "level", level_names, LEVELS, err);
	if (ret < 0)
		goto fail;
	r->verdict = (enum kc_verdict)verdict;
	r->level = (enum kc_level)level;
	r->script_error = json_is_true(json_object_get(j, "script_error"));
	r->unreached = json_is_true(json_object_get(j, "unreached"));
	ret = clauses_from_json(r, j, err);
	if (!ret)
		ret = violations_from_json(r, j, err);
	if (!ret)
		ret = integer_member(j, "duration_us", INT64_MAX, &r->duration_us, err);
	if (!ret)
		ret = kc_metrics_unpack(&r->metrics, json_object_get(j, "metrics"), err);
	if (!ret)
		return 0;
fail:
	kc_result_fini(r);
	return ret;
}

int kc_report_metrics(const struct kc_report *rep, struct kc_metrics *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < rep->nresults; i++)
		if (kc_metrics_merge(sum, &rep->results[i]->metrics))
			return -ENOMEM;
	return 0;
}

void kc_report_count(struct kc_report *rep)
{
	memset(rep->counts, 0, sizeof(rep->counts));
	for (unsigned i = 0; i < rep->nresults; i++)
		rep->counts[rep->results[i]->verdict]++;
}

int kc_report_exit_status(const struct kc_report *rep, bool strict)
{
	const unsigned *n = rep->counts;
	unsigned scripts = 0;

	for (unsigned i = 0; i < rep->nresults; i++)
		scripts += rep->results[i]->script_error;
	if (n[KC_ERROR])
		return n[KC_ERROR] > scripts ? 3 : 2;
	if (n[KC_FAIL] || n[KC_XPASS] || (strict && n[KC_WARN]))
		return 1;
	return n[KC_SKIP] == rep->nresults ? 77 : 0;
}

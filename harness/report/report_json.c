/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the JSON report is a contract (schema 1): other people's CI reads it. It is
 * built as a tree, dumped into memory, and written in one go, so that it is whole or not there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <harness/report/result.h>

/* In the order of the document, which is not that of enum kc_verdict. */
static const enum kc_verdict summary_order[] = {
	KC_PASS, KC_FAIL, KC_WARN, KC_INCONCLUSIVE, KC_SKIP, KC_KNOWN, KC_XPASS, KC_ERROR,
};

static json_t *hex(uint64_t value)
{
	return json_sprintf("0x%llx", (unsigned long long)value);
}

static json_t *text(const char *s)
{
	return json_string(s ? s : "");
}

static json_t *backend_json(const struct kc_run_info *info)
{
	return json_pack("{so, so, so, so, so, sI}", "spec", text(info->spec),
			 "command", text(info->command), "device", text(info->device),
			 "features", hex(info->features),
			 "protocol_features", hex(info->protocol_features),
			 "queues", (json_int_t)info->queues);
}

static json_t *summary_json(const struct kc_report *rep)
{
	json_t *j = json_object();
	int bad = 0;

	for (unsigned i = 0; i < sizeof(summary_order) / sizeof(summary_order[0]); i++)
		bad |= json_object_set_new(j, kc_verdict_name(summary_order[i]),
					   json_integer(rep->counts[summary_order[i]]));
	bad |= json_object_set_new(j, "duration_ms", json_integer(rep->info.duration_ms));
	if (!bad)
		return j;
	json_decref(j);
	return NULL;
}

/* The entry of a test; NULL: no memory. */
static json_t *test_json(const struct kc_result *r)
{
	static const char *const for_us_only[] = {
		"detail", "suspicion", "suspicion_clause", "script_error", "unreached",
	};
	json_t *test = kc_result_to_json(r);

	for (unsigned i = 0; test && i < sizeof(for_us_only) / sizeof(*for_us_only); i++)
		json_object_del(test, for_us_only[i]);
	if (!json_object_set_new(test, "metrics", kc_metrics_to_json(&r->metrics)))
		return test;
	json_decref(test);
	return NULL;
}

static json_t *metrics_json(const struct kc_report *rep)
{
	struct kc_metrics sum;
	json_t *j = kc_report_metrics(rep, &sum) ? NULL : kc_metrics_to_json(&sum);

	kc_metrics_fini(&sum);
	return j;
}

static json_t *tests_json(const struct kc_report *rep)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < rep->nresults; i++) {
		if (json_array_append_new(list, test_json(rep->results[i]))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *report_tree(const struct kc_report *rep)
{
	const struct kc_run_info *info = &rep->info;
	json_t *tree = json_pack("{si, ss, sb, so, sI, so, so, so, so}", "schema", 1, "kickcall", KC_VERSION,
			 "complete", info->complete, "mode", text(info->mode),
			 "seed", (json_int_t)info->seed, "backend", backend_json(info),
			 "summary", summary_json(rep), "metrics", metrics_json(rep),
			 "tests", tests_json(rep));

	/* A key more than schema 1 has, where there is something that no CI should miss. */
	if (tree && info->stopped && json_object_set_new(tree, "stopped", text(info->stopped))) {
		json_decref(tree);
		return NULL;
	}
	return tree;
}

int kc_report_json(const struct kc_report *rep, FILE *out)
{
	json_t *tree = report_tree(rep);
	char *dump = tree ? json_dumps(tree, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
	int ret = dump ? 0 : -ENOMEM;

	if (dump && (fputs(dump, out) < 0 || fputc('\n', out) < 0 || fflush(out)))
		ret = -EIO;
	free(dump);
	json_decref(tree);
	return ret;
}

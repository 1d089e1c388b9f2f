/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_REPORT_RESULT_H
#define HARNESS_REPORT_RESULT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include <harness/report/metrics.h>
#include <kickcall/err.h>

#define KC_VERSION	"0.1.0"

/* Verdicts, mildest first: the verdict of a test is the worst of its parts. */
enum kc_verdict {
	KC_PASS,
	KC_SKIP,		/* something that the scenario needs is missing; reason names it */
	KC_KNOWN,		/* fails as the user's expectation file says */
	KC_WARN,		/* a SHOULD was broken */
	KC_INCONCLUSIVE,	/* no proof either way before the last deadline */
	KC_XPASS,		/* expected to fail, and did not */
	KC_FAIL,		/* a MUST was broken */
	KC_ERROR,		/* kickcall or the environment */
	KC_VERDICTS
};
const char *kc_verdict_name(enum kc_verdict v);		/* "pass", ... as in the JSON report */
int kc_verdict_by_name(const char *name);		/* or -1 */

/* How a broken clause is judged: the catalogue decides per clause (coverage/clauses.h). */
enum kc_level { KC_LEVEL_NONE, KC_LEVEL_MUST, KC_LEVEL_SHOULD };
const char *kc_level_name(enum kc_level l);		/* "", "MUST", "SHOULD" */

struct kc_violation {
	char clause[48];
	enum kc_level level;
	unsigned line;			/* script line, 0: none */
	char message[512];
};

#define KC_VIOLATIONS_MAX	32
#define KC_CLAUSES_MAX		16

/* One test: a scenario with one variant. Strings are owned (malloc) and may be NULL. */
struct kc_result {
	char *id;			/* "split/event-idx/rearm-loses-no-kick" */
	char *title;
	char *variant;			/* "size=4,batch=2", or "" */
	enum kc_verdict verdict;
	enum kc_level level;		/* of the worst violation */
	char clauses[KC_CLAUSES_MAX][48];
	unsigned nclauses;
	char *reason;			/* skip, known, xpass, inconclusive: why */
	char *message;			/* fail, error: one line */
	char *detail;			/* fail: ring picture, transcript, last events, stderr; many lines */
	char *replay;			/* a command line */
	char *suspicion;		/* bytes that may not have been written: worth a second run... */
	char *suspicion_clause;		/* ...and what it would break */
	struct kc_violation violations[KC_VIOLATIONS_MAX];
	unsigned nviolations;
	bool script_error;		/* verdict error: the script cannot be right */
	bool unreached;			/* nobody was there to connect to: nothing is judged */
	int64_t duration_us;
	struct kc_metrics metrics;
};

void kc_result_fini(struct kc_result *r);	/* r itself stays the caller's, all zero */
/* Complete, detail included: how a worker hands its result to the parent. A new reference, or NULL
 * (no memory). An absent string is "". Bytes that are no UTF-8 become '?'. */
json_t *kc_result_to_json(const struct kc_result *r);
/* Fills *r, whose old contents are not looked at. "" becomes NULL, but id, title and variant are
 * never NULL. 0, -ENOMEM, -EPROTO (r is then all zero). */
int kc_result_from_json(struct kc_result *r, const json_t *j, struct kc_err *err);

/* What a run was made of, for the reports. */
struct kc_run_info {
	const char *mode;		/* "sim" or "live" */
	uint64_t seed;
	const char *spec;		/* "ref", "vhost-user:PATH", "command", "profile:NAME" */
	const char *command;		/* or NULL */
	const char *device;
	uint64_t features, protocol_features;
	unsigned queues;
	bool complete;			/* false after Ctrl-C, or if stopped */
	char *stopped;			/* owned (malloc): what ended the run early, or NULL */
	int64_t duration_ms;
};

struct kc_report {
	struct kc_run_info info;
	struct kc_result **results;	/* in the order of the tests */
	unsigned nresults;
	unsigned counts[KC_VERDICTS];
};

/* The metrics of all tests, added up into *sum, which the caller gives to kc_metrics_fini. 0 or -ENOMEM. */
int kc_report_metrics(const struct kc_report *rep, struct kc_metrics *sum);
/* Counts verdicts from results. */
void kc_report_count(struct kc_report *rep);
/* 0 no MUST failed, 1 fail or xpass (or warn with strict), 2 a script error, 3 any other error (whatever
 * else), 77 nothing could be run. */
int kc_report_exit_status(const struct kc_report *rep, bool strict);
/* The schema-1 object of the JSON report, one object and a newline; counts must be up to date.
 * Built in memory first: nothing is written unless all of it can be made. 0, -ENOMEM, -EIO. */
int kc_report_json(const struct kc_report *rep, FILE *out);
/* Failures in full, warnings by clause, known failures, skips by reason, what requests cost, then one line
 * of counts (which must be up to date). verbose: every test in a line of its own first, with what its
 * requests cost below, and all of a clause's warnings. 0, -ENOMEM or -EIO. */
int kc_report_text(const struct kc_report *rep, FILE *out, bool verbose, bool colour);
/* One test as the report prints it, for progress with -v and for failures. */
void kc_result_text(const struct kc_result *r, FILE *out, bool colour);

#endif

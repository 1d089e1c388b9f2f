/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: one test, in a process of its own. Whatever happens here, a crash included, is
 * told to the parent by the result on the pipe or by its absence.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <harness/run/guard.h>
#include <harness/run/worker.h>

static struct kc_backend *reach(const struct kc_worker_job *job, struct kc_err *err)
{
	return job->shared ? job->shared : kc_target_backend(job->target, job->dir, job->test, err);
}

static void describe(struct kc_result *r, const struct kc_script *t)
{
	r->id = strdup(t->id);
	r->title = strdup(t->title);
	r->variant = strdup(t->variant);
	r->nclauses = t->nclauses;
	memcpy(r->clauses, t->clauses, sizeof(r->clauses));
}

/* Whoever the back-end needs at its far side, first; then the back-end. 0 or -1 with err. */
static int set_up(const struct kc_worker_job *job, struct kc_world_config *cfg, struct kc_err *err)
{
	const char *tap = kc_target_tap(job->target);
	int code;

	kc_target_world(job->target, cfg);
	if (tap) {
		cfg->far_end = kc_far_end_start(tap, &code, err);
		if (!cfg->far_end)
			return -1;
	}
	cfg->be = reach(job, err);
	return cfg->be ? 0 : -1;
}

/* From a back-end of the test's own. One that served until the end and then leaves with an error, or does not
 * leave, is kickcall's own. */
static void part(struct kc_backend *be, struct kc_result *r)
{
	int status = kc_backend_retire(be);
	char how[64];

	if (status && r->verdict < KC_FAIL) {
		r->verdict = KC_ERROR;
		free(r->message);
		kc_process_say_end(status, how, sizeof(how));
		if (asprintf(&r->message, "the reference's process %s when its work was done", how) < 0)
			r->message = NULL;
	}
	kc_backend_free(be);
}

static void run(const struct kc_worker_job *job, struct kc_result *r)
{
	const struct kc_options *o = job->options;
	struct kc_world_config cfg = {
		.mode = job->target->mode, .port = job->target->port,
		.timeout_ns = (int64_t)((double)o->timeout_ms * o->timeout_scale * 1e6),
		.poison_flip = job->poison_flip, .spins_told = job->spins_told,
		.pause_on_fail = o->pause_on_fail,
		.line = job->page ? &job->page->line : NULL,
	};
	struct kc_err err = { "" };
	char name[512];

	snprintf(name, sizeof(name), "%s [%s]", job->test->id, job->test->variant);
	cfg.seed = kc_seed_derive(o->seed, name);
	if (set_up(job, &cfg, &err)) {
		r->verdict = KC_ERROR;
		r->message = strdup(err.msg);
		kc_far_end_stop(cfg.far_end);
		return;
	}
	if (cfg.mode == KC_MODE_SIM && job->page)
		kc_guard(cfg.be, &job->page->inside);
	if (job->trace_path)
		cfg.trace_file = fopen(job->trace_path, "we");
	kc_world_run(job->test, &cfg, r);
	if (cfg.trace_file)
		fclose(cfg.trace_file);
	kc_far_end_stop(cfg.far_end);
	if (!job->shared)
		part(cfg.be, r);
}

static void write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* In compact JSON a newline comes at the end only. */
static void write_line(int fd, char *text, size_t len)
{
	text[len] = '\n';
	write_all(fd, text, len + 1);
}

void kc_worker_run(const struct kc_worker_job *job, int out_fd)
{
	struct kc_result r = { 0 };
	json_t *j;
	char *text;

	describe(&r, job->test);
	run(job, &r);
	j = kc_result_to_json(&r);
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (text)
		write_line(out_fd, text, strlen(text));
	free(text);
	json_decref(j);
	kc_result_fini(&r);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line's exit statuses are a contract: see kc_usage. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <backend/process.h>
#include <harness/run/options.h>
#include <harness/run/probe.h>
#include <harness/run/progress.h>
#include <harness/run/runner.h>
#include <harness/run/scratch.h>
#include <harness/show.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_TROUBLE = 3 };

static int complain(const struct kc_err *err, int status)
{
	fprintf(stderr, "kickcall: %s\n", err->msg);
	return status;
}

/* A file is written beside its place and moved there, so that it is whole or not there at all. */
static int write_report(const struct kc_options *o, const struct kc_report *rep)
{
	char *beside = NULL;
	FILE *out = stdout;
	int ret;

	if (o->output) {
		if (asprintf(&beside, "%s.part", o->output) < 0)
			return -ENOMEM;
		out = fopen(beside, "we");
		if (!out) {
			ret = -errno;
			goto done;
		}
	}
	ret = o->format ? kc_report_json(rep, out) :
		kc_report_text(rep, out, o->verbose, kc_may_colour(out));
	if (fflush(out) || ferror(out))
		ret = ret ? ret : -EIO;
	if (o->output && (fclose(out) || (!ret && rename(beside, o->output))))
		ret = ret ? ret : -errno;
	if (o->output && ret)
		unlink(beside);
done:
	if (ret)
		fprintf(stderr, "kickcall: report %s: %s\n", o->output ? o->output : "", strerror(-ret));
	free(beside);
	return ret;
}

static int run_suite(const struct kc_options *o)
{
	bool all = o->command == KC_CMD_CONFORM;
	struct kc_suite suite = { 0 };
	struct kc_report rep = { 0 };
	struct kc_err err = { "" };
	struct kc_target t;
	int status, ret;

	if (kc_target_init(&t, o, &err)) {
		kc_target_fini(&t);
		return complain(&err, EXIT_USAGE);
	}
	if (kc_suite_load(&suite, o, all ? NULL : o->operands, o->noperands, t.device, &err)) {
		kc_suite_free(&suite);
		kc_target_fini(&t);
		return complain(&err, EXIT_USAGE);
	}
	ret = kc_runner_run(o, &t, &suite, &rep, &err);
	status = ret ? complain(&err, ret == -EINVAL ? EXIT_USAGE : EXIT_TROUBLE) :
		kc_report_exit_status(&rep, o->strict);
	/* Half a run proves nothing good. */
	if (!ret && !rep.info.complete && status != EXIT_FAILED)
		status = EXIT_TROUBLE;
	/* The text on stdout says so itself. */
	if (rep.info.stopped && (o->format || o->output))
		fprintf(stderr, "kickcall: stopped: %s\n", rep.info.stopped);
	if ((!ret || rep.nresults) && write_report(o, &rep))
		status = EXIT_TROUBLE;
	kc_report_fini(&rep);
	kc_suite_free(&suite);
	kc_target_fini(&t);
	return status;
}

static void stop_waiting(int signo)
{
	(void)signo;
	kc_stop_waiting = 1;
}

static int probe(const struct kc_options *o)
{
	char dir[PATH_MAX];
	struct kc_err err = { "" };
	struct kc_backend *be;
	struct kc_target t;
	struct kc_probe p;
	int ret;

	if (kc_target_init(&t, o, &err)) {
		kc_target_fini(&t);
		return complain(&err, EXIT_USAGE);
	}
	if (kc_make_scratch(dir, sizeof(dir), &err)) {
		kc_target_fini(&t);
		return complain(&err, EXIT_TROUBLE);
	}
	signal(SIGINT, stop_waiting);
	signal(SIGTERM, stop_waiting);
	if (signal(SIGHUP, stop_waiting) == SIG_IGN)
		signal(SIGHUP, SIG_IGN);	/* nohup means it */
	ret = kc_target_prepare(&t, dir, &err);
	be = ret ? NULL : kc_target_backend(&t, dir, NULL, &err);
	ret = be ? kc_probe(be, &t, &p, &err) : -EIO;
	kc_backend_free(be);
	if (!ret)
		kc_probe_print(&p, &t, o->format, stdout);
	kc_remove_tree(dir);
	kc_target_fini(&t);
	return ret ? complain(&err, EXIT_TROUBLE) : EXIT_OK;
}

static int help(const struct kc_options *o)
{
	(void)o;
	fputs(kc_usage, stdout);
	return EXIT_OK;
}

static int version(const struct kc_options *o)
{
	(void)o;
	puts("kickcall " KC_VERSION);
	return EXIT_OK;
}

static int (*const commands[])(const struct kc_options *o) = {
	[KC_CMD_CONFORM] = run_suite, [KC_CMD_RUN] = run_suite, [KC_CMD_PROBE] = probe,
	[KC_CMD_LIST] = kc_show_list, [KC_CMD_EXPLAIN] = kc_show_explain, [KC_CMD_HELP] = help,
	[KC_CMD_VERSION] = version,
};

int main(int argc, char **argv)
{
	struct kc_err err = { "" };
	struct kc_options o;
	int status;

	if (kc_options_parse(&o, argc, argv, &err))
		status = complain(&err, EXIT_USAGE);
	else
		status = commands[o.command](&o);
	kc_options_free(&o);
	return status;
}

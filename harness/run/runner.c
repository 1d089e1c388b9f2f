/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the parent keeps a few slots. A slot runs one worker at a time and owns a
 * scratch directory and, for a back-end that kickcall starts, a process of it that most of the slot's tests
 * share. The loop polls the workers' pipes against their deadlines. A worker's result is looked at
 * again: a failure against a shared process is run again on a fresh one, a suspicion about unwritten
 * bytes again with the complementary poison. Then the expectation file is applied and the result is
 * stored at the test's place.
 *
 * Ctrl-C: workers are killed (their back-ends die with them), what has finished is reported.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <harness/run/attempts.h>
#include <harness/run/hand.h>
#include <harness/run/known.h>
#include <harness/run/probe.h>
#include <harness/run/progress.h>
#include <harness/run/replay.h>
#include <harness/run/runner.h>
#include <harness/run/scratch.h>
#include <harness/run/worker.h>
#include <sim/mem.h>

#define SLOTS_MAX	16
#define SEC		1000000000ll
#define NAP_MS		200
#define HISTORY_MAX	8u		/* names of tests that a process has served */
#define SPINS_MAX	3u		/* tests that look closely at a back-end that spins */
#define ORDERS_MAX	250u		/* tests that one worker runs */
#define TAP_TIMEOUT_NS	(10 * SEC)	/* from the back-end's first answer until its tap is up */
#define WORKER_LIMIT_NS	(120 * SEC)	/* far above the sum of a test's own deadlines */

enum attempt { FIRST, FRESH, FLIPPED, ATTEMPTS };

struct slot {
	unsigned number;
	char dir[64];			/* scratch */
	struct kc_backend *peer;	/* the shared process, or NULL */
	char *peer_dir;
	char *failed_after;		/* history at the first attempt of this test */
	char *history;			/* the last tests run on the shared process, ", "-separated */
	unsigned served;		/* how many it has run */
	/* The worker: */
	struct kc_hand hand;
	bool busy;			/* it has an order, and has not answered */
	bool once;			/* it is for that order only */
	unsigned test;
	enum attempt attempt;
	unsigned flips;			/* FLIPPED attempts of this test */
	bool on_shared;
	bool spins_told;		/* when this test began, for all its attempts */
	int64_t deadline_ns;
	struct kc_worker_page *page;
	struct kc_result *first;	/* of the attempt before this one */
	char *work_dir;			/* of this test */
	unsigned dir_number;
};

struct runner {
	const struct kc_options *o;
	const struct kc_target *t;
	const struct kc_suite *suite;
	struct kc_report *rep;
	struct kc_err *err;
	struct kc_known known;
	struct kc_progress progress;
	struct slot slots[SLOTS_MAX];
	unsigned nslots;
	unsigned next;			/* test to start */
	const struct kc_script *last;	/* test that ended last, or NULL */
	unsigned serial;		/* of work directories */
	char scratch[PATH_MAX];
	unsigned spins;			/* tests that were told so */
	struct kc_confirmed confirmed;
	bool one_shot;			/* the peer ends with its connection: never shared */
	FILE *trace;
	unsigned traced;		/* tests whose trace has been appended */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	(void)signo;
	interrupted = 1;
	kc_stop_waiting = 1;
}

/* --- Directories -------------------------------------------------------------------------------- */

static int make_scratch(struct runner *r)
{
	if (r->o->keep) {
		snprintf(r->scratch, sizeof(r->scratch), "%s", r->o->keep);
		if (mkdir(r->scratch, 0755) && errno != EEXIST)
			return kc_err_set(r->err, -errno, "--keep %s: %s", r->scratch, strerror(errno));
		return 0;
	}
	return kc_make_scratch(r->scratch, sizeof(r->scratch), r->err);
}

static void dir_name(const struct runner *r, unsigned number, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s/%u", r->scratch, number);
}

/* A prepared directory for a back-end; the caller frees the name. */
static char *new_dir(struct runner *r)
{
	char name[PATH_MAX + 16], *path;

	dir_name(r, r->serial++, name, sizeof(name));
	path = strdup(name);
	if (!path)
		return NULL;
	if ((mkdir(path, 0755) && errno != EEXIST) || kc_target_prepare(r->t, path, r->err)) {
		free(path);
		return NULL;
	}
	return path;
}

static void drop_dir(struct runner *r, char *path)
{
	if (path && !r->o->keep)
		kc_remove_tree(path);
	free(path);
}

/* --- The shared process ------------------------------------------------------------------------- */

/* Nothing was wrong with it while it worked: what is wrong now is kickcall's own. The run ends with it. */
static int left(struct runner *r, const struct slot *s, const char *who, int status)
{
	char how[64];

	if (!status)
		return 0;
	kc_process_say_end(status, how, sizeof(how));
	return kc_err_set(r->err, -EIO, "%s %s when its work was done; its last test was %s", who, how,
			  r->suite->tests[s->test]->id);
}

/* A worker that waits for its next order. */
static int send_home(struct runner *r, struct slot *s)
{
	bool idle = s->hand.pid && !s->busy;

	return left(r, s, "kickcall's worker", idle ? kc_hand_dismiss(&s->hand, false) : 0);
}

static int end_peer(struct runner *r, struct slot *s)
{
	int ret = send_home(r, s);

	if (s->peer && !ret)
		ret = left(r, s, "the reference's process", kc_backend_retire(s->peer));
	kc_backend_free(s->peer);
	s->peer = NULL;
	drop_dir(r, s->peer_dir);
	s->peer_dir = NULL;
	free(s->history);
	s->history = NULL;
	s->served = 0;
	return ret;
}

static int look_at(struct runner *r, struct kc_backend *be);

/* Starts it and sees it answer. -ECHILD when it does not come up. */
static int start_peer(struct runner *r, struct slot *s)
{
	int ret = send_home(r, s);	/* a worker knows the one that was there when it was hired */

	if (ret)
		return ret;
	s->peer_dir = new_dir(r);
	if (!s->peer_dir)
		return -EIO;
	s->peer = kc_target_backend(r->t, s->peer_dir, NULL, r->err);
	ret = s->peer ? look_at(r, s->peer) : -ENOMEM;
	if (ret) {
		end_peer(r, s);
		return ret;
	}
	/* A process that has gone after its first connection serves one only. */
	if (!kc_backend_running(s->peer, r->t->profile && r->t->profile->one_shot ? SEC : SEC / 50)) {
		r->one_shot = true;
		end_peer(r, s);
	}
	return 0;
}

/* Is there a process that can serve one test after the other? */
static bool shares(const struct runner *r)
{
	return kc_target_starts_it(r->t) && !r->one_shot && !r->t->listen;
}

static bool may_share(const struct runner *r, const struct kc_script *t)
{
	return shares(r) && !kc_target_wants_own(r->t, t);
}

/* --- Workers ------------------------------------------------------------------------------------ */

static void trace_name(const struct runner *r, unsigned test, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s/trace-%u.jsonl", r->scratch, test);
}

struct served {
	struct runner *r;
	struct slot *s;			/* as it was when the worker was hired */
};

/* In the worker. */
static void serve_order(void *ctx, const struct kc_order *order, int out)
{
	const struct served *w = ctx;
	char trace[PATH_MAX + 32], dir[PATH_MAX + 16];
	struct kc_worker_job job = {
		.target = w->r->t, .options = w->r->o, .test = w->r->suite->tests[order->test], .dir = dir,
		.poison_flip = order->poison_flip, .page = w->s->page, .spins_told = order->spins_told,
		.shared = order->shared ? w->s->peer : NULL,
	};

	dir_name(w->r, order->dir, dir, sizeof(dir));
	if (order->traced) {
		trace_name(w->r, order->test, trace, sizeof(trace));
		job.trace_path = trace;
	}
	kc_worker_run(&job, out);
}

/* Of the reference we know that a test leaves no process, thread or descriptor behind, and its worker can run the
 * next: forking costs more than most tests do. */
static bool may_last(const struct runner *r)
{
	return r->t->kind == KC_TARGET_REF && !r->o->pause_on_fail;
}

static int start_worker(struct runner *r, struct slot *s)
{
	struct kc_order order = {
		.test = s->test, .poison_flip = s->flips % 2, .spins_told = s->spins_told,
		.traced = r->trace && s->attempt == FIRST, .shared = s->on_shared,
	};
	struct served served = { r, s };
	int ret;

	if (!s->on_shared) {
		s->dir_number = r->serial;
		s->work_dir = new_dir(r);
		if (!s->work_dir)
			return -EIO;
	}
	order.dir = s->dir_number;
	*s->page = (struct kc_worker_page){ 0 };
	s->once = !may_last(r);
	ret = s->hand.pid ? 0 : kc_hand_hire(&s->hand, serve_order, &served, s->once, r->err);
	if (ret)
		return ret;
	kc_hand_order(&s->hand, &order);
	s->busy = true;
	s->deadline_ns = kc_clock_ns() + (int64_t)(WORKER_LIMIT_NS * r->o->timeout_scale);
	if (r->o->pause_on_fail)
		s->deadline_ns = INT64_MAX;
	return 0;
}

static int begin(struct runner *r, struct slot *s, unsigned test, enum attempt attempt)
{
	bool share = attempt == FIRST && may_share(r, r->suite->tests[test]);
	bool gone = share && s->peer && !kc_backend_running(s->peer, 0);
	bool in_the_way = !share && kc_target_tap(r->t);	/* who comes next takes the tap */
	int ret = 0;

	s->test = test;
	s->attempt = attempt;
	s->flips = attempt == FLIPPED ? s->flips + 1 : 0;
	if (attempt == FIRST)
		s->spins_told = r->spins >= SPINS_MAX;
	if (gone || in_the_way)
		ret = end_peer(r, s);
	if (!ret && share && !s->peer)
		ret = start_peer(r, s);
	if (ret)
		return ret;
	s->on_shared = share && s->peer;
	return start_worker(r, s);
}

/* --- Results ------------------------------------------------------------------------------------ */

static void free_result(struct kc_result *res)
{
	if (res)
		kc_result_fini(res);
	free(res);
}

/* The worker is gone without a result: who is to blame? */
static void blame(struct runner *r, struct slot *s, int status, bool timed_out, struct kc_result *res)
{
	const struct kc_script *t = r->suite->tests[s->test];
	bool backend = s->page->inside;
	char how[128], msg[320];

	res->id = strdup(t->id);
	res->title = strdup(t->title);
	res->variant = strdup(t->variant);
	res->nclauses = t->nclauses;
	memcpy(res->clauses, t->clauses, sizeof(res->clauses));
	if (timed_out)
		snprintf(how, sizeof(how), "did not come back");
	else
		kc_process_say_end(status, how, sizeof(how));
	snprintf(msg, sizeof(msg), "%s %s at line %u", backend ? "the in-process back-end" :
		 "kickcall's worker", how, s->page->line);
	res->verdict = backend ? KC_FAIL : KC_ERROR;
	res->message = strdup(msg);
	if (backend) {
		struct kc_violation *v = &res->violations[res->nviolations++];

		res->level = v->level = KC_LEVEL_MUST;
		v->line = s->page->line;
		snprintf(v->clause, sizeof(v->clause), "%s", t->clauses[0]);
		snprintf(v->message, sizeof(v->message), "%s", msg);
	}
}

static struct kc_result *parse_result(const struct kc_hand *h)
{
	json_t *j = json_loadb(h->text ? h->text : "", h->len, 0, NULL);
	struct kc_result *res = calloc(1, sizeof(*res));

	if (!j || !res || kc_result_from_json(res, j, NULL)) {
		free_result(res);
		res = NULL;
	}
	json_decref(j);
	return res;
}

/* Who has found something has been through something. When nothing is left to begin with, this was its last:
 * how it leaves is known before its last result is stored. */
static bool goes_on(const struct runner *r, const struct slot *s, const struct kc_result *res)
{
	return res && !s->once && (res->verdict == KC_PASS || res->verdict == KC_SKIP) &&
		s->hand.given < ORDERS_MAX && r->next < r->suite->ntests;
}

static struct kc_result *take_result(struct runner *r, struct slot *s, bool timed_out)
{
	struct kc_result *res = timed_out ? NULL : parse_result(&s->hand);
	int status = goes_on(r, s, res) ? 0 : kc_hand_dismiss(&s->hand, timed_out);

	s->busy = false;
	if (res && !status)
		return res;
	free_result(res);
	res = calloc(1, sizeof(*res));
	if (res)
		blame(r, s, status, timed_out, res);
	return res;
}

static void remember(struct slot *s, const struct kc_script *t)
{
	char *old = s->history;
	const char *rest = old ? old : "";

	if (s->served++ >= HISTORY_MAX && strstr(rest, ", "))
		rest = strstr(rest, ", ") + 2;
	if (asprintf(&s->history, "%s%s%s", rest, *rest ? ", " : "", t->id) < 0)
		s->history = NULL;
	free(old);
}

/* What it has served, in words; the caller frees them. */
static char *tell_history(const struct slot *s)
{
	char *text;

	if (!s->history || s->served <= HISTORY_MAX)
		return s->history ? strdup(s->history) : NULL;
	return asprintf(&text, "%u tests, the last of them %s", s->served, s->history) < 0 ? NULL : text;
}

static void apply_known(struct runner *r, struct kc_result *res)
{
	const struct kc_known_entry *k = kc_known_match(&r->known, res->id, res->variant);

	if (!k || (res->verdict != KC_FAIL && res->verdict != KC_PASS && res->verdict != KC_WARN))
		return;
	free(res->reason);
	if (asprintf(&res->reason, "%s (%s)", k->reason, k->finding) < 0)
		res->reason = NULL;
	res->verdict = res->verdict == KC_FAIL ? KC_KNOWN : KC_XPASS;
}

static bool breaks(const struct kc_result *res, const char *clause)
{
	for (unsigned i = 0; i < res->nviolations; i++)
		if (!strcmp(res->violations[i].clause, clause))
			return true;
	return false;
}

static void store(struct runner *r, struct slot *s, struct kc_result *res)
{
	const struct kc_script *t = r->suite->tests[s->test];

	/* Looking takes eleven time-outs: not in every test of a poller that nobody declared. */
	r->spins += breaks(res, "VU-MSG-KICK-03");
	apply_known(r, res);
	if (res->verdict >= KC_WARN || res->verdict == KC_KNOWN)
		res->replay = kc_replay_command(r->o, t);
	r->rep->results[s->test] = res;
	free_result(s->first);
	s->first = NULL;
	kc_progress_done(&r->progress, res);
}

/* The verdict is settled, whatever a fresh process would do. */
static bool is_known(const struct runner *r, const struct kc_result *res)
{
	return res->verdict == KC_FAIL && kc_known_match(&r->known, res->id, res->variant);
}

/* Does the result need a second look? Then the next attempt is begun: 1. */
static int second_look(struct runner *r, struct slot *s, struct kc_result *res)
{
	enum attempt next = ATTEMPTS;
	int ret;

	if (s->attempt == FIRST && s->on_shared && res->verdict >= KC_WARN && !kc_attempt_is_confirmed(&r->confirmed, res))
		next = FRESH;
	else if (kc_attempt_wants_flip(res, s->first, s->flips))
		next = FLIPPED;
	if (next == ATTEMPTS || interrupted)
		return 0;
	ret = next == FRESH ? end_peer(r, s) : 0;	/* this one has been through something */
	if (ret)
		return ret;
	if (next == FRESH && is_known(r, res))
		return 0;
	free_result(s->first);
	s->first = res;
	ret = begin(r, s, s->test, next);
	return ret ? ret : 1;
}

/* A back-end that somebody else serves is not there any more. The test that found it so is not
 * judged, nor are those after it. If this was not its first attempt, what that has found stands. */
static int stop_run(struct runner *r, struct slot *s)
{
	const struct kc_script *t = r->last;
	struct kc_result *first = s->first;
	bool variant = t && *t->variant;

	if (asprintf(&r->rep->info.stopped, "%s %s any more; %s%s%s%s%s", r->t->spec,
		     r->t->listen ? "does not connect" : "cannot be connected to",
		     t ? "the last test that it served was " : "it has not served a single test",
		     t ? t->id : "", variant ? " [" : "", variant ? t->variant : "",
		     variant ? "]" : "") < 0) {
		r->rep->info.stopped = NULL;
		return kc_err_set(r->err, -ENOMEM, "out of memory");
	}
	s->first = NULL;
	if (first)
		store(r, s, first);
	return 1;
}

/* It was there for the first look only, and took its time to end: so this test has found it, or did not. */
static bool was_one_shot(struct slot *s, const struct kc_result *res)
{
	return s->attempt == FIRST && s->on_shared && !s->served && res->verdict != KC_PASS &&
		!kc_backend_running(s->peer, 0) && !s->peer->exit_status;
}

static int begin_unshared(struct runner *r, struct slot *s)
{
	int ret = end_peer(r, s);

	r->one_shot = true;
	return ret ? ret : begin(r, s, s->test, FIRST);
}

/* 0 the run goes on, 1 it ends here, -errno. */
static int finish(struct runner *r, struct slot *s, bool timed_out)
{
	struct kc_result *res = take_result(r, s, timed_out);
	const struct kc_script *t = r->suite->tests[s->test];
	char *history = NULL;
	int ret;

	drop_dir(r, s->work_dir);
	s->work_dir = NULL;
	if (!res)
		return kc_err_set(r->err, -ENOMEM, "out of memory");
	if (res->unreached) {
		free_result(res);
		return stop_run(r, s);
	}
	if (was_one_shot(s, res)) {
		free_result(res);
		return begin_unshared(r, s);
	}
	r->last = t;
	if (s->attempt == FRESH && kc_attempt_is_milder(res, s->first))
		kc_attempt_only_in_sequence(res, s->first, s->failed_after);
	if (s->attempt == FRESH && res->verdict == KC_WARN)
		kc_attempt_confirm(&r->confirmed, res);
	if (s->flips == KC_FLIPS)
		kc_attempt_unwritten(res, s->first);
	if (s->attempt == FIRST && s->on_shared)
		history = tell_history(s);
	free(s->failed_after);
	s->failed_after = history;
	if (s->on_shared)
		remember(s, t);
	ret = second_look(r, s, res);
	if (ret)
		return ret < 0 ? ret : 0;
	store(r, s, res);
	return 0;
}

/* --- The loop ----------------------------------------------------------------------------------- */

static void append_traces(struct runner *r)
{
	char path[PATH_MAX + 32], buf[65536];
	size_t n;

	while (r->trace && r->traced < r->suite->ntests && r->rep->results[r->traced]) {
		FILE *f;

		trace_name(r, r->traced++, path, sizeof(path));
		f = fopen(path, "re");
		if (!f)
			continue;
		while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
			fwrite(buf, 1, n, r->trace);
		fclose(f);
		unlink(path);
	}
}

/* Reads what a worker says. true: it has done what it was told to do, and has left if it will. */
static bool read_worker(struct slot *s)
{
	enum kc_heard heard = kc_hand_listen(&s->hand);

	return heard == KC_HEARD_END || (heard == KC_HEARD_ALL && !s->once);
}

static unsigned wait_for_workers(struct runner *r, struct pollfd *p, struct slot **who)
{
	int64_t first = INT64_MAX;
	unsigned n = 0;

	for (unsigned i = 0; i < r->nslots; i++) {
		if (!r->slots[i].busy)
			continue;
		who[n] = &r->slots[i];
		p[n++] = (struct pollfd){ .fd = r->slots[i].hand.answers, .events = POLLIN };
		if (r->slots[i].deadline_ns < first)
			first = r->slots[i].deadline_ns;
	}
	/* Not for long: a Ctrl-C just before the poll does not interrupt it. */
	if (n)
		poll(p, n, kc_poll_ms(first) < NAP_MS ? kc_poll_ms(first) : NAP_MS);
	return n;
}

static int start_idle_slots(struct runner *r)
{
	for (unsigned i = 0; i < r->nslots && r->next < r->suite->ntests; i++) {
		int ret;

		if (r->slots[i].busy)
			continue;
		ret = begin(r, &r->slots[i], r->next, FIRST);
		if (ret)
			return ret;
		r->next++;
	}
	return 0;
}

static int serve_workers(struct runner *r)
{
	struct pollfd p[SLOTS_MAX];
	struct slot *who[SLOTS_MAX];
	unsigned n = wait_for_workers(r, p, who);
	int64_t now = kc_clock_ns();

	for (unsigned i = 0; i < n && !interrupted; i++) {
		bool ended = p[i].revents && read_worker(who[i]);
		bool late = !ended && now >= who[i]->deadline_ns;
		int ret = ended || late ? finish(r, who[i], late) : 0;

		if (ret) {
			append_traces(r);
			return ret;
		}
	}
	append_traces(r);
	return n ? 0 : 1;
}

/* Those whose last test was not the run's last, and the shared processes. They have not told how they leave. */
static int send_all_home(struct runner *r)
{
	int ret = 0;

	for (unsigned i = 0; i < r->nslots; i++) {
		int end = end_peer(r, &r->slots[i]);

		ret = ret ? ret : end;
	}
	return ret;
}

static int loop(struct runner *r)
{
	int ret = 0;

	while (!interrupted && !ret) {
		ret = start_idle_slots(r);
		if (!ret)
			ret = serve_workers(r);
	}
	return ret < 0 || interrupted ? ret : send_all_home(r);
}

/* --- Life --------------------------------------------------------------------------------------- */

/* What probe shows, for the report's head; leaves no session behind. */
static int look_at(struct runner *r, struct kc_backend *be)
{
	struct kc_probe info;
	int ret = kc_probe(be, r->t, &info, r->err);

	if (ret && ret != -EBADMSG)
		return ret;
	r->rep->info.features = info.features;
	r->rep->info.protocol_features = info.protocol_features;
	r->rep->info.queues = (unsigned)info.queues;
	return 0;
}

/* Is the tap there while the back-end is? (The reference has one as long as it is connected.) */
static int look_at_tap(struct runner *r, struct kc_backend *be, struct kc_far_end *far_end)
{
	bool there = be && r->t->kind != KC_TARGET_REF &&
		(r->t->kind == KC_TARGET_SOCKET || kc_backend_running(be, 0));

	return far_end && there ? kc_far_end_wait(far_end, (int64_t)(TAP_TIMEOUT_NS * r->o->timeout_scale),
						  r->err) : 0;
}

/* Before the first test: the first slot's process, or what is there for a look. */
static int look_once(struct runner *r, struct kc_far_end *far_end)
{
	struct kc_backend *be;
	char *dir;
	int ret;

	if (shares(r)) {
		ret = start_peer(r, &r->slots[0]);
		return ret ? ret : look_at_tap(r, r->slots[0].peer, far_end);
	}
	dir = new_dir(r);
	if (!dir)
		return -EIO;
	be = kc_target_backend(r->t, dir, NULL, r->err);
	ret = be ? look_at(r, be) : -ENOMEM;
	if (!ret)
		ret = look_at_tap(r, be, far_end);
	kc_backend_free(be);
	drop_dir(r, dir);
	return ret;
}

/* What is missing for a tap is told before any test. While tests run, each has a far end of its own. */
static int first_look(struct runner *r)
{
	const char *tap = kc_target_tap(r->t);
	struct kc_far_end *far_end = NULL;
	int ret = 0;

	if (tap)
		far_end = kc_far_end_start(tap, &ret, r->err);
	if (!ret)
		ret = look_once(r, far_end);
	kc_far_end_stop(far_end);
	return ret;
}

static unsigned slots_wanted(const struct kc_options *o, const struct kc_target *t)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = cpus > 0 ? (unsigned)cpus : 1;

	if (o->jobs || (t->profile && t->profile->jobs))
		n = o->jobs ? o->jobs : t->profile->jobs;

	if (!kc_target_parallel(t) || o->pause_on_fail)
		return 1;
	return n < SLOTS_MAX ? n : SLOTS_MAX;
}

static int set_up(struct runner *r)
{
	const char *known = r->o->known ? r->o->known : r->t->profile ? r->t->profile->known : NULL;
	int ret = make_scratch(r);

	if (ret)
		return ret;
	ret = kc_mem_prepare();
	if (ret)
		return kc_err_set(r->err, ret, "guest memory: %s", strerror(-ret));
	r->rep->results = calloc(r->suite->ntests, sizeof(*r->rep->results));
	r->rep->nresults = r->suite->ntests;
	if (!r->rep->results)
		return kc_err_set(r->err, -ENOMEM, "out of memory");
	if (known && (ret = kc_known_load(&r->known, known, r->err)))
		return ret;
	if (r->o->trace && !(r->trace = fopen(r->o->trace, "we")))
		return kc_err_set(r->err, -errno, "--trace %s: %s", r->o->trace, strerror(errno));
	r->nslots = slots_wanted(r->o, r->t);
	for (unsigned i = 0; i < r->nslots; i++) {
		r->slots[i].number = i;
		r->slots[i].page = mmap(NULL, sizeof(*r->slots[i].page), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (r->slots[i].page == MAP_FAILED)
			return kc_err_set(r->err, -errno, "mmap: %s", strerror(errno));
	}
	return 0;
}

static void tear_down(struct runner *r)
{
	for (unsigned i = 0; i < r->nslots; i++) {
		struct slot *s = &r->slots[i];

		kc_hand_fini(&s->hand);
		end_peer(r, s);
		drop_dir(r, s->work_dir);
		free(s->failed_after);
		free_result(s->first);
		if (s->page && s->page != MAP_FAILED)
			munmap(s->page, sizeof(*s->page));
	}
	if (r->trace)
		fclose(r->trace);
	kc_known_fini(&r->known);
	if (r->scratch[0] && !r->o->keep)
		kc_remove_tree(r->scratch);
}

/* Drops the places of tests that never ran. */
static void compact(struct kc_report *rep)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rep->nresults; i++)
		if (rep->results[i])
			rep->results[n++] = rep->results[i];
	rep->nresults = n;
}

int kc_runner_run(const struct kc_options *o, const struct kc_target *t, const struct kc_suite *suite,
		  struct kc_report *rep, struct kc_err *err)
{
	struct runner *r = calloc(1, sizeof(*r));
	struct sigaction act = { .sa_handler = on_signal }, old_int, old_term, old_hup;
	int64_t start = kc_clock_ns();
	int ret;

	*rep = (struct kc_report){ .info = {
		.mode = t->mode == KC_MODE_SIM ? "sim" : "live", .seed = o->seed, .spec = t->spec,
		.command = t->command, .device = t->device } };
	if (!r)
		return kc_err_set(err, -ENOMEM, "out of memory");
	*r = (struct runner){ .o = o, .t = t, .suite = suite, .rep = rep, .err = err };
	sigaction(SIGINT, &act, &old_int);
	sigaction(SIGTERM, &act, &old_term);
	sigaction(SIGHUP, &act, &old_hup);
	if (old_hup.sa_handler == SIG_IGN)	/* nohup means it */
		sigaction(SIGHUP, &old_hup, NULL);
	signal(SIGPIPE, SIG_IGN);
	kc_progress_init(&r->progress, suite->ntests, o->verbose);
	ret = set_up(r);
	if (!ret)
		ret = first_look(r);
	if (!ret)
		ret = loop(r);
	kc_progress_end(&r->progress);
	tear_down(r);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	sigaction(SIGHUP, &old_hup, NULL);
	compact(rep);
	rep->info.complete = !interrupted && !ret && !rep->info.stopped && rep->nresults == suite->ntests;
	rep->info.duration_ms = (kc_clock_ns() - start) / 1000000;
	kc_report_count(rep);
	free(r);
	return interrupted ? 0 : ret;
}

void kc_report_fini(struct kc_report *rep)
{
	for (unsigned i = 0; i < rep->nresults; i++)
		free_result(rep->results[i]);
	free(rep->results);
	free(rep->info.stopped);
	*rep = (struct kc_report){ 0 };
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of a few tiny scripts: verdicts in order, several workers at once, whom a crash is blamed on, the
 * second look before an accusation, and a run that is stopped.
 *
 * The in-process adapter is this file's: kc_backend_new_inproc is defined here, so that the linker leaves
 * the library's own out. It is the reference behind a simulated stream, and can be told to misbehave.
 * Scripts that need RO get one of a mood of its own.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include "peer.h"
#include "run_fixture.h"

#define NEEDS_RO	"title t\nclause VQ-SPLIT-USED-02\nneeds ro\n\nqueue 0 split size 4\n" \
			"driver request, kick\nexpect 1 used\n"
#define DEADLINE_MS	20000

/* --- A back-end with moods ---------------------------------------------------------------------- */

enum mood { OBEYS, CRASHES, HANGS, MEETS };
static struct {
	enum mood mood, mood_ro;
	int hung[2];			/* a byte from each that hangs; closed when they are gone */
	volatile unsigned *met;		/* shared by all workers */
} be_like;

static const struct kc_backend_ops *obedient;
static enum mood mood;

static int moody_step(struct kc_backend *be)
{
	int64_t deadline = kc_clock_ns() + DEADLINE_MS * 1000000ll;

	if (mood == CRASHES)
		abort();
	if (mood == HANGS && write(be_like.hung[1], "h", 1) == 1)
		for (;;)
			poll(NULL, 0, DEADLINE_MS);
	if (mood == MEETS) {
		__atomic_fetch_add(be_like.met, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(be_like.met, __ATOMIC_SEQ_CST) < 2 && kc_clock_ns() < deadline)
			poll(NULL, 0, 1);
		mood = *be_like.met < 2 ? CRASHES : OBEYS;
	}
	return obedient->step(be);
}

struct kc_backend *kc_backend_new_inproc(const struct kc_ref_config *config, struct kc_err *err)
{
	static struct kc_backend_ops ops;
	struct kc_backend *be = kc_backend_new_stream(config, err);

	if (!be)
		return NULL;
	obedient = be->ops;
	ops = *be->ops;
	ops.step = moody_step;
	be->ops = &ops;
	mood = config->read_only ? be_like.mood_ro : be_like.mood;
	return be;
}

/* --- Runs --------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	memset(&be_like, 0, sizeof(be_like));
	return root_setup(state);
}

static void run(struct run *r, char **argv)
{
	run_open(r, argv);
	if (kc_runner_run(&r->o, &r->t, &r->suite, &r->rep, &r->err))
		fail_msg("%s", r->err.msg);
}

static const struct kc_result *result(const struct run *r, unsigned i, const char *id,
				      enum kc_verdict v)
{
	const struct kc_result *res = i < r->rep.nresults ? r->rep.results[i] : NULL;

	if (!res || strcmp(res->id, id) || res->verdict != v)
		fail_msg("expected %s: %s, actual %s: %s (%s%s)", id, kc_verdict_name(v),
			 res ? res->id : "-", res ? kc_verdict_name(res->verdict) : "-",
			 res && res->message ? res->message : "", res && res->reason ? res->reason : "");
	return res;
}

static void put_one_of_each(void)
{
	put("a.kick", PASSES);
	put("b.kick", FAILS);
	put("c.kick", STOPS(SHOULD, "1"));
	put("d.kick", SKIPS);
	put("e.kick", STOPS(MUST, "0"));
}

static void verdicts_counts_and_status(void **state)
{
	struct run r;

	(void)state;
	put_one_of_each();
	run(&r, ARGV("conform", "--seed", "5", "--jobs", "1"));
	result(&r, 0, "a", KC_PASS);
	assert_string_equal(result(&r, 1, "b", KC_FAIL)->violations[0].clause, "VQ-SPLIT-USED-02");
	assert_non_null(strstr(r.rep.results[1]->replay, "b.kick"));
	assert_non_null(result(&r, 2, "c", KC_WARN)->replay);
	assert_null(result(&r, 3, "d", KC_SKIP)->replay);
	result(&r, 4, "e", KC_PASS);
	assert_int_equal(r.rep.nresults, 5);
	assert_int_equal(r.rep.counts[KC_PASS], 2);
	assert_int_equal(r.rep.counts[KC_FAIL], 1);
	assert_true(r.rep.info.complete);
	assert_string_equal(r.rep.info.mode, "sim");
	assert_int_equal(r.rep.info.seed, 5);
	assert_int_equal(r.rep.info.queues, 4);		/* the first look's */
	assert_true(r.rep.info.features);
	assert_int_equal(kc_report_exit_status(&r.rep, false), 1);
	run_close(&r);

	run(&r, ARGV("conform", "--select", "c", "--select", "d"));
	assert_int_equal(kc_report_exit_status(&r.rep, false), 0);
	assert_int_equal(kc_report_exit_status(&r.rep, true), 1);
	run_close(&r);
	run(&r, ARGV("conform", "--select", "d"));
	assert_int_equal(kc_report_exit_status(&r.rep, false), 77);
	run_close(&r);
}

static char *slurp(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path, "re");

	assert_non_null(text);
	assert_non_null(f);
	assert_in_range(fread(text, 1, (1 << 20) - 1, f), 1, (1 << 20) - 2);
	fclose(f);
	return text;
}

/* Two back-ends meet, so both ran at once; and it changes neither results nor the trace. */
static void workers_run_side_by_side(void **state)
{
	static const char *const jobs[] = { "1", "2", "5" };
	char trace[80], *first = NULL;

	(void)state;
	be_like.met = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(be_like.met, MAP_FAILED);
	put_one_of_each();
	snprintf(trace, sizeof(trace), "%s/trace", root);
	for (unsigned i = 0; i < 3; i++) {
		struct run r;
		char *text;

		*be_like.met = 0;
		be_like.mood = i ? MEETS : OBEYS;
		run(&r, ARGV("conform", "--jobs", (char *)jobs[i], "--trace", trace));
		result(&r, 0, "a", KC_PASS);
		result(&r, 1, "b", KC_FAIL);
		result(&r, 2, "c", KC_WARN);
		result(&r, 3, "d", KC_SKIP);
		result(&r, 4, "e", KC_PASS);
		assert_true(!i || *be_like.met >= 2);
		text = slurp(trace);
		if (first)
			assert_string_equal(text, first);
		free(i ? text : NULL);
		first = i ? first : text;
		run_close(&r);
	}
	free(first);
	munmap((void *)be_like.met, 4096);
}

static void a_crash_inside_the_back_end_is_its_own(void **state)
{
	const struct kc_result *res;
	struct run r;

	(void)state;
	put("a.kick", NEEDS_RO);
	put("b.kick", PASSES);
	be_like.mood_ro = CRASHES;
	run(&r, ARGV("conform"));
	res = result(&r, 0, "a", KC_FAIL);
	assert_int_equal(strncmp(res->message, "the in-process back-end died of SIGABRT at line ", 48), 0);
	assert_int_equal(res->nviolations, 1);
	assert_string_equal(res->violations[0].clause, "VQ-SPLIT-USED-02");
	assert_int_equal(res->level, KC_LEVEL_MUST);
	assert_string_equal(res->title, "t");
	assert_non_null(res->replay);
	result(&r, 1, "b", KC_PASS);		/* and the others are run all the same */
	assert_true(r.rep.info.complete);
	run_close(&r);
}

static struct kc_port *abort_in_open(const struct kc_port_env *env, struct kc_err *err)
{
	(void)env, (void)err;
	abort();
}

static struct kc_port *exit_in_open(const struct kc_port_env *env, struct kc_err *err)
{
	(void)env, (void)err;
	_exit(0);
}

static void a_crash_of_our_own_is_an_error(void **state)
{
	struct kc_port_ops port = kc_port_blk;
	const struct kc_result *res;
	struct run r;

	(void)state;
	put("a.kick", PASSES);
	for (unsigned i = 0; i < 2; i++) {
		run_open(&r, ARGV("conform"));
		port.open = i ? exit_in_open : abort_in_open;
		r.t.port = &port;
		assert_int_equal(kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err), 0);
		res = result(&r, 0, "a", KC_ERROR);
		assert_non_null(strstr(res->message, i ? "kickcall's worker exited with status " :
				       "kickcall's worker died of SIGABRT at line "));
		assert_int_equal(res->nviolations, 0);
		assert_int_equal(kc_report_exit_status(&r.rep, false), 3);
		run_close(&r);
	}
}

static pid_t self;

static void leave_with_5(void)
{
	_exit(5);
}

static struct kc_port *leaves_badly(const struct kc_port_env *env, struct kc_err *err)
{
	static bool told;

	if (!told)
		atexit(leave_with_5);
	told = true;
	return kc_port_blk.open(env, err);
}

/* As with a sanitizer or valgrind, which tell at the end. One worker runs all three tests, and leaves before
 * the last one's result is taken for good. Of two, one may have its last test before the run has. */
static void a_worker_that_leaves_badly_is_an_error(void **state)
{
	struct kc_port_ops port = kc_port_blk;
	struct run r;

	(void)state;
	put("a.kick", PASSES);
	put("b.kick", PASSES);
	put("c.kick", PASSES);
	run_open(&r, ARGV("conform", "--jobs", "1"));
	port.open = leaves_badly;
	r.t.port = &port;
	assert_int_equal(kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err), 0);
	result(&r, 0, "a", KC_PASS);
	result(&r, 1, "b", KC_PASS);
	assert_non_null(strstr(result(&r, 2, "c", KC_ERROR)->message,
			       "kickcall's worker exited with status 5"));
	run_close(&r);
	for (unsigned i = 0; i < 8; i++) {
		unsigned errors = 0;

		run_open(&r, ARGV("conform", "--jobs", "2"));
		r.t.port = &port;
		errors += kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err) == -EIO;
		errors += r.rep.counts[KC_ERROR];
		assert_int_equal(errors, 2);
		assert_true(!r.err.msg[0] || strstr(r.err.msg, "exited with status 5 when its work was done"));
		run_close(&r);
	}
}

/* Live: a back-end leads its process group. */
static void back_ends_leave_with_5(void)
{
	if (getpgrp() == getpid() && getpid() != self)
		_exit(5);
}

static void a_reference_that_leaves_badly_is_an_error(void **state)
{
	struct run r;

	(void)state;
	self = getpid();
	atexit(back_ends_leave_with_5);
	put("a.kick", NEEDS_RO);		/* it has one of its own */
	put("b.kick", PASSES);
	run_open(&r, ARGV("conform", "--mode", "live", "--jobs", "1"));
	assert_int_equal(kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err), -EIO);
	assert_non_null(strstr(result(&r, 0, "a", KC_ERROR)->message, "the reference's process exited with status 5 when"));
	result(&r, 1, "b", KC_PASS);
	assert_string_equal(r.err.msg, "the reference's process exited with status 5 when its work was done; "
			    "its last test was b");
	run_close(&r);
}

/* The limit of a whole test is 120 s at scale 1. */
static void a_worker_that_hangs_is_ended(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(pipe(be_like.hung), 0);
	be_like.mood_ro = HANGS;
	put("a.kick", NEEDS_RO);
	put("b.kick", STOPS(MUST, "0"));
	run(&r, ARGV("conform", "--timeout-scale", "0.03"));
	assert_int_equal(strncmp(result(&r, 0, "a", KC_FAIL)->message,
				 "the in-process back-end did not come back", 41), 0);
	result(&r, 1, "b", KC_PASS);
	run_close(&r);
	close(be_like.hung[0]);
	close(be_like.hung[1]);
}

static void known_failures_are_looked_up(void **state)
{
	char path[80];
	struct run r;

	(void)state;
	put_one_of_each();
	put("known", "b | counts badly | docs/F.md#1\na | was slow | docs/F.md#2\n"
	    "d | never mind | docs/F.md#3\n");
	snprintf(path, sizeof(path), "%s/known", root);
	run(&r, ARGV("conform", "--known", path));
	assert_string_equal(result(&r, 0, "a", KC_XPASS)->reason, "was slow (docs/F.md#2)");
	assert_string_equal(result(&r, 1, "b", KC_KNOWN)->reason, "counts badly (docs/F.md#1)");
	result(&r, 3, "d", KC_SKIP);
	run_close(&r);
}

/* --- A process that tests share ----------------------------------------------------------------- */

/* Serves so many sessions (the first look, and tests); dies of the first byte of the next. */
static int tiring_peer(const char *path, unsigned sessions)
{
	int fd = kc_unix_listen(path, NULL);
	char byte;

	for (unsigned i = 0; i < sessions; i++)
		peer_serve(peer_accept(fd));
	if (read(peer_accept(fd), &byte, 1) == 1)
		abort();
	return 0;
}

/* Ends with its connection, but not before somebody connects again. */
static int late_peer(const char *path)
{
	int fd = kc_unix_listen(path, NULL);

	peer_serve(peer_accept(fd));
	peer_accept(fd);
	return 0;
}

static void run_spawned(struct run *r, char *mode)
{
	run(r, ARGV("conform", "--device", "loopback", "--jobs", "1", "--", peer_exe, "peer", mode,
		    "{socket}"));
}

static void only_in_sequence_is_inconclusive(void **state)
{
	const struct kc_result *res;
	struct run r;

	(void)state;
	put("a.kick", STOPS(MUST, "0"));
	put("b.kick", STOPS(MUST, "0"));
	run_spawned(&r, "tire");
	result(&r, 0, "a", KC_PASS);
	res = result(&r, 1, "b", KC_INCONCLUSIVE);
	assert_int_equal(strncmp(res->reason, "failed (", 8), 0);
	assert_non_null(strstr(res->reason,
			       ") on a process that had served a; passes on a fresh one"));
	run_close(&r);
}

/* Nobody reads hundreds of names. */
static void the_last_tests_before_are_told(void **state)
{
	char file[] = "a.kick";
	struct run r;

	(void)state;
	for (; file[0] <= 'k'; file[0]++)
		put(file, STOPS(MUST, "0"));
	run_spawned(&r, "tire-late");
	assert_non_null(strstr(result(&r, 10, "k", KC_INCONCLUSIVE)->reason,
			       "had served 10 tests, the last of them c, d, e, f, g, h, i, j; passes"));
	run_close(&r);
}

/* It is listed, so nobody asks a fresh process; the next test gets one all the same. */
static void a_known_failure_needs_no_fresh_one(void **state)
{
	char path[80];
	struct run r;

	(void)state;
	put("a.kick", STOPS(MUST, "0"));
	put("b.kick", STOPS(MUST, "0"));
	put("c.kick", STOPS(MUST, "0"));
	put("known", "b | dies | docs/F.md#1\n");
	snprintf(path, sizeof(path), "%s/known", root);
	run(&r, ARGV("conform", "--known", path, "--device", "loopback", "--jobs", "1", "--", peer_exe, "peer",
		     "tire", "{socket}"));
	result(&r, 0, "a", KC_PASS);
	result(&r, 1, "b", KC_KNOWN);
	result(&r, 2, "c", KC_PASS);
	run_close(&r);
}

/* A MUST on the shared process, a SHOULD on a fresh one: the MUST is not proved. */
static void a_must_that_becomes_a_should_is_inconclusive(void **state)
{
	struct run r;

	(void)state;
	put("a.kick", STOPS(MUST, "0"));
	put("b.kick", STOPS(SHOULD, "1"));
	run_spawned(&r, "tire");
	assert_non_null(strstr(result(&r, 1, "b", KC_INCONCLUSIVE)->reason, "had served a"));
	run_close(&r);
	/* what is the same both times is told as it is */
	run_spawned(&r, "serve");
	result(&r, 1, "b", KC_WARN);
	run_close(&r);
}

/* Three times a fresh process has warned as well: from the fourth on it is believed at once, and the
 * process goes on to the fifth. */
static void a_warning_that_is_confirmed_needs_no_fresh_one(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	char file[8];
	struct run r;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		snprintf(file, sizeof(file), "%s.kick", names[i]);
		put(file, STOPS(SHOULD, "1"));
	}
	run_spawned(&r, "tire");
	for (unsigned i = 0; i < 4; i++)
		result(&r, i, names[i], KC_WARN);
	assert_non_null(strstr(result(&r, 4, "e", KC_INCONCLUSIVE)->reason, "had served d;"));
	run_close(&r);
}

static void what_fails_on_a_fresh_one_as_well_fails(void **state)
{
	struct run r;

	(void)state;
	put("a.kick", STOPS(MUST, "0"));
	put("b.kick", STOPS(MUST, "1"));
	put("c.kick", STOPS(MUST, "0"));
	run_spawned(&r, "serve");
	result(&r, 0, "a", KC_PASS);
	result(&r, 1, "b", KC_FAIL);
	result(&r, 2, "c", KC_PASS);
	assert_string_equal(r.rep.info.mode, "live");
	assert_string_equal(r.rep.info.spec, "command");
	run_close(&r);
}

/* One that ends with its connection cannot be shared, and need not be. */
static void a_one_shot_process_is_started_for_each(void **state)
{
	struct run r;

	(void)state;
	put("a.kick", STOPS(MUST, "0"));
	put("b.kick", STOPS(MUST, "0"));
	run_spawned(&r, "once");
	result(&r, 0, "a", KC_PASS);
	result(&r, 1, "b", KC_PASS);
	run_close(&r);
}

static void one_that_ends_late_is_one_shot_as_well(void **state)
{
	struct run r;

	(void)state;
	put("a.kick", STOPS(MUST, "0"));
	put("b.kick", STOPS(MUST, "1"));
	run_spawned(&r, "late");
	result(&r, 0, "a", KC_PASS);
	result(&r, 1, "b", KC_FAIL);
	run_close(&r);
}

static void what_never_comes_up_ends_the_run(void **state)
{
	struct run r;

	(void)state;
	put("a.kick", PASSES);
	run_open(&r, ARGV("conform", "--device", "loopback", "--", peer_exe, "peer", "exit3", "{socket}"));
	assert_int_equal(kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err), -ECHILD);
	assert_non_null(strstr(r.err.msg, "no such disk"));
	assert_int_equal(r.rep.nresults, 0);
	assert_false(r.rep.info.complete);
	run_close(&r);
	run_open(&r, ARGV("conform", "--keep", "/nonesuch/dir"));
	assert_int_equal(kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err), -ENOENT);
	assert_non_null(strstr(r.err.msg, "--keep /nonesuch/dir"));
	run_close(&r);
}

/* --- Stopped ------------------------------------------------------------------------------------ */

/* In a child: a run whose second test hangs. 0 if it ended as it should. */
static int stopped_run(void)
{
	struct run r;
	bool whole;

	run_open(&r, ARGV("conform", "--jobs", "1"));
	whole = kc_runner_run(&r.o, &r.t, &r.suite, &r.rep, &r.err) == 0 && !r.rep.info.complete &&
		r.rep.nresults == 1 && r.rep.results[0]->verdict == KC_PASS &&
		r.rep.counts[KC_PASS] == 1;
	run_close(&r);
	return whole ? 0 : 5;
}

static void a_signal_ends_the_run_and_keeps_what_is_done(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };

	(void)state;
	put("a.kick", PASSES);
	put("b.kick", NEEDS_RO);
	put("c.kick", PASSES);
	be_like.mood_ro = HANGS;
	for (unsigned i = 0; i < 3; i++) {
		struct pollfd pfd = { .events = POLLIN };
		int status;
		pid_t pid;
		char byte;

		assert_int_equal(pipe(be_like.hung), 0);
		pfd.fd = be_like.hung[0];
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			signal(signals[i], SIG_DFL);	/* nohup(1) has it ignored, and a run heeds that */
			_exit(stopped_run());
		}
		close(be_like.hung[1]);
		assert_int_equal(poll(&pfd, 1, DEADLINE_MS), 1);
		assert_int_equal(read(pfd.fd, &byte, 1), 1);	/* the worker is inside b */
		kill(pid, signals[i]);
		assert_int_equal(kc_process_reap(pid, DEADLINE_MS * 1000000ll, &status), 1);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		assert_int_equal(poll(&pfd, 1, 0), 1);		/* its worker has ended before it */
		assert_int_equal(read(pfd.fd, &byte, 1), 0);
		close(pfd.fd);
	}
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, root_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(verdicts_counts_and_status),
		TEST(workers_run_side_by_side),
		TEST(a_crash_inside_the_back_end_is_its_own),
		TEST(a_crash_of_our_own_is_an_error),
		TEST(a_worker_that_leaves_badly_is_an_error),
		TEST(a_reference_that_leaves_badly_is_an_error),
		TEST(a_worker_that_hangs_is_ended),
		TEST(known_failures_are_looked_up),
		TEST(only_in_sequence_is_inconclusive),
		TEST(a_must_that_becomes_a_should_is_inconclusive),
		TEST(the_last_tests_before_are_told),
		TEST(a_known_failure_needs_no_fresh_one),
		TEST(a_warning_that_is_confirmed_needs_no_fresh_one),
		TEST(what_fails_on_a_fresh_one_as_well_fails),
		TEST(a_one_shot_process_is_started_for_each),
		TEST(one_that_ends_late_is_one_shot_as_well),
		TEST(what_never_comes_up_ends_the_run),
		TEST(a_signal_ends_the_run_and_keeps_what_is_done),
	};

	if (argc == 4 && !strcmp(argv[2], "late"))
		return late_peer(argv[3]);
	if (argc == 4 && !strcmp(argv[2], "tire"))
		return tiring_peer(argv[3], 2);
	if (argc == 4 && !strcmp(argv[2], "tire-late"))
		return tiring_peer(argv[3], 11);
	peer_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

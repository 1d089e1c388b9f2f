/* SPDX-License-Identifier: BSD-3-Clause */
/* One test in one process: what comes out of the pipe, and what the shared page says when nothing does. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <harness/run/worker.h>
#include "run_fixture.h"

static struct run r;
static struct kc_worker_page *page;

static int setup(void **state)
{
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED ? -1 : root_setup(state);
}

static int teardown(void **state)
{
	munmap(page, sizeof(*page));
	return root_teardown(state);
}

/* A job for the suite's first test. */
static struct kc_worker_job job(char **argv)
{
	run_open(&r, argv);
	*page = (struct kc_worker_page){ 0 };
	return (struct kc_worker_job){ .target = &r.t, .options = &r.o, .test = r.suite.tests[0],
				       .dir = root, .page = page };
}

/* Runs it here; a result is less than a pipe holds. */
static struct kc_result told(const struct kc_worker_job *j)
{
	struct kc_result res;
	char text[65536];
	json_t *json;
	ssize_t n;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	kc_worker_run(j, fds[1]);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text));
	assert_in_range(n, 1, sizeof(text));
	close(fds[0]);
	json = json_loadb(text, n, 0, NULL);
	assert_non_null(json);
	assert_int_equal(kc_result_from_json(&res, json, NULL), 0);
	json_decref(json);
	return res;
}

static void a_result_comes_whole(void **state)
{
	struct kc_worker_job j;
	struct kc_result res;

	(void)state;
	put("a.kick", "title one is used\nclause VQ-SPLIT-USED-02\nvary size = 4 8\n\n"
	    "queue 0 split size $size\ndriver request, kick\nexpect 2 used\n");
	j = job(ARGV("conform"));
	res = told(&j);
	assert_string_equal(res.id, "a");
	assert_string_equal(res.title, "one is used");
	assert_string_equal(res.variant, "size=4");
	assert_int_equal(res.verdict, KC_FAIL);
	assert_int_equal(res.nclauses, 1);
	assert_int_equal(res.violations[0].line, 7);
	assert_non_null(strstr(res.detail, "queue 0: split, size 4"));
	assert_int_equal(page->line, 7);
	assert_int_equal(page->inside, 0);
	kc_result_fini(&res);
	run_close(&r);
}

static void the_trace_is_written_and_depends_on_the_seed_alone(void **state)
{
	char path[3][80], text[3][65536];

	(void)state;
	put("a.kick", PASSES);
	for (unsigned i = 0; i < 3; i++) {
		struct kc_worker_job j = job(ARGV("conform", "--seed", i < 2 ? "7" : "8"));
		struct kc_result res;
		FILE *f;

		snprintf(path[i], sizeof(path[i]), "%s/t%u", root, i);
		j.trace_path = path[i];
		res = told(&j);
		assert_int_equal(res.verdict, KC_PASS);
		kc_result_fini(&res);
		f = fopen(path[i], "re");
		assert_non_null(f);
		text[i][fread(text[i], 1, sizeof(text[i]) - 1, f)] = '\0';
		fclose(f);
		run_close(&r);
	}
	assert_non_null(strstr(text[0], "\"a\""));
	assert_string_equal(text[0], text[1]);
	assert_string_not_equal(text[0], text[2]);
}

static void what_cannot_be_reached_is_an_error(void **state)
{
	struct kc_worker_job j;
	struct kc_result res;
	char path[160];

	(void)state;
	put("a.kick", PASSES);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	j = job(ARGV("conform", "--", "/bin/true", "{socket}"));
	j.dir = path;			/* is not there */
	res = told(&j);
	assert_int_equal(res.verdict, KC_ERROR);
	assert_string_equal(res.id, "a");
	assert_true(res.message && *res.message);
	kc_result_fini(&res);
	run_close(&r);
}

/* --- A back-end of the parent's ----------------------------------------------------------------- */

static const struct kc_backend_ops *obedient;
static unsigned freed;

static int crashing_step(struct kc_backend *be)
{
	(void)be;
	abort();
}

static void counting_free(struct kc_backend *be)
{
	freed++;
	obedient->free(be);
}

static struct kc_backend *backend(struct kc_backend_ops *ops)
{
	const struct kc_ref_config c = { .device = "blk", .queues = 2, .capacity = 1 << 20 };
	struct kc_backend *be = kc_backend_new_stream(&c, NULL);

	assert_non_null(be);
	obedient = be->ops;
	*ops = *be->ops;
	ops->free = counting_free;
	be->ops = ops;
	return be;
}

static void a_shared_one_is_used_and_left_alone(void **state)
{
	struct kc_backend_ops ops;
	struct kc_worker_job j;
	struct kc_result res;

	(void)state;
	put("a.kick", PASSES);
	j = job(ARGV("conform", "--backend", "vhost-user:/nonesuch"));
	r.t.mode = KC_MODE_SIM;
	j.shared = backend(&ops);
	freed = 0;
	res = told(&j);
	assert_int_equal(res.verdict, KC_PASS);
	assert_int_equal(freed, 0);
	assert_false(j.shared->connected);
	kc_result_fini(&res);
	kc_backend_free(j.shared);
	assert_int_equal(freed, 1);
	run_close(&r);
}

static struct kc_port *abort_in_open(const struct kc_port_env *env, struct kc_err *err)
{
	(void)env, (void)err;
	abort();
}

/* The page tells the parent whose code ran, and what line of the script. */
static void the_page_outlives_a_crash(void **state)
{
	struct kc_port_ops port = kc_port_blk;

	(void)state;
	put("a.kick", PASSES);
	port.open = abort_in_open;
	for (unsigned own = 0; own < 2; own++) {
		struct kc_worker_job j = job(ARGV("conform"));
		struct kc_backend_ops ops;
		int fds[2], status;
		char byte;
		pid_t pid;

		j.shared = backend(&ops);
		if (own)
			r.t.port = &port;
		else
			ops.step = crashing_step;
		assert_int_equal(pipe(fds), 0);
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			kc_worker_run(&j, fds[1]);
			_exit(0);
		}
		close(fds[1]);
		assert_int_equal(kc_process_reap(pid, 60000000000ll, &status), 1);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		assert_int_equal(page->inside, !own);
		assert_int_equal(read(fds[0], &byte, 1), 0);	/* no result */
		close(fds[0]);
		kc_backend_free(j.shared);
		run_close(&r);
	}
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_result_comes_whole),
		TEST(the_trace_is_written_and_depends_on_the_seed_alone),
		TEST(what_cannot_be_reached_is_an_error),
		TEST(a_shared_one_is_used_and_left_alone),
		TEST(the_page_outlives_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a scenario costs. Its requests, with scheduler, oracle and payload checks, against the same
 * driver and reference without any of these; and a whole test, from a fresh world to its end,
 * against the least that a process of its own costs.
 */
#include <harness/language/script.h>
#include <harness/world/world.h>
#include <bench/bench.h>

#define REQUESTS	400
#define TESTS		10
#define HEAD		"title t\nclause VQ-SPLIT-USED-02\nqueue 0 split size 256\n"

static struct bench_queue queue;

static void play(const char *text)
{
	const struct kc_ref_config ref = { .device = "loopback", .queues = 1 };
	struct kc_err err = { "" };
	struct kc_result result = { 0 };
	struct kc_script *script = kc_script_parse("bench", NULL, text, 0, &err);
	struct kc_world_config cfg = {
		.mode = KC_MODE_SIM, .seed = 1, .port = &kc_port_loopback, .timeout_ns = 1000000000,
		.be = kc_backend_new_inproc(&ref, &err),
	};

	if (!script || !cfg.be)
		bench_die("scenario", err.msg);
	kc_world_run(script, &cfg, &result);
	if (result.verdict != KC_PASS)
		bench_die("scenario", result.message ? result.message : "not passed");
	kc_result_fini(&result);
	kc_backend_free(cfg.be);
	kc_script_free(script);
}

static double test_us(void *ctx)
{
	double begin = bench_now_ns();

	(void)ctx;
	for (unsigned i = 0; i < TESTS; i++)
		play(HEAD "driver request, kick\nexpect 1 used\n");
	return (bench_now_ns() - begin) / TESTS / 1000;
}

static void nothing(void *arg)
{
	(void)arg;
}

static double process_us(void *ctx)
{
	double begin = bench_now_ns();

	(void)ctx;
	for (unsigned i = 0; i < TESTS; i++)
		waitpid(bench_fork(nothing, NULL), NULL, 0);
	return (bench_now_ns() - begin) / TESTS / 1000;
}

/* The world's making and end are measured as well, and taken off. */
static double judged_per_s(void *ctx)
{
	char text[256];
	double begin, empty, full;

	(void)ctx;
	snprintf(text, sizeof(text), HEAD "repeat %d\ndriver request data 64, kick\nexpect 1 used\nend\n",
		 REQUESTS);
	begin = bench_now_ns();
	play(HEAD "driver request data 64, kick\nexpect 1 used\n");
	empty = bench_now_ns() - begin;
	begin = bench_now_ns();
	play(text);
	full = bench_now_ns() - begin;
	return (REQUESTS - 1) / (full > empty ? full - empty : 1) * 1e9;
}

static double bare_per_s(void *ctx)
{
	struct bench_queue *q = ctx;
	double begin = bench_now_ns();

	for (unsigned i = 0; i < 50 * REQUESTS; i++) {
		bench_offer(q, 1);
		kc_vmm_notify(&q->vmm, 0, 0);
		while (q->left) {
			q->be->ops->step(q->be);
			bench_reap(q);
		}
	}
	return 50 * REQUESTS / (bench_now_ns() - begin) * 1e9;
}

int main(void)
{
	const struct bench_entry entries[] = {
		{ "sim_requests", "requests/s", "the same without oracle and scheduler", judged_per_s,
		  bare_per_s, &queue },
		{ "sim_test", "us", "fork, exit, wait", test_us, process_us, NULL },
	};

	bench_open(&queue, false, 64);
	for (unsigned i = 0; i < 2; i++)
		bench_run(&entries[i]);
	bench_close(&queue);
	return 0;
}

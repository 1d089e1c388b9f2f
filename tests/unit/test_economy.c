/* SPDX-License-Identifier: BSD-3-Clause */
/* What is counted of a driver and a device that the bench plays byte by byte, on a clock that stands
 * still unless it is moved. */
#include <tests/unit/oracle_bench.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <backend/process.h>
#include <harness/world/economy.h>
#include <harness/world/proc.h>

struct counted {
	struct bench *b;
	struct kc_sched *clock;
	struct kc_metrics m;
	struct kc_economy e;
};

static int set_up(void **state)
{
	struct counted *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->clock = kc_sched_new(KC_MODE_SIM, 0);
	assert_non_null(c->clock);
	kc_economy_init(&c->e, &c->m, c->clock);
	c->b = bench_new_heard(KC_MODE_SIM, &kc_economy_listener, &c->e);
	*state = c;
	return 0;
}

static int tear_down(void **state)
{
	struct counted *c = *state;

	bench_free(c->b);
	kc_metrics_fini(&c->m);
	kc_sched_free(c->clock);
	free(c);
	return 0;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void sleep_for(void *arg)
{
	int64_t **p = arg;

	kc_sched_wait((struct kc_sched *)p[0], never, NULL, *p[1]);
}

/* Virtual time moves on by ns, and a microsecond or two. */
static void advance(struct counted *c, int64_t ns)
{
	void *args[] = { c->clock, &ns };

	assert_int_equal(kc_sched_spawn(c->clock, "sleeper", sleep_for, args), 0);
	assert_int_equal(kc_sched_quiesce(c->clock, -1), 0);
}

static const struct kc_queue_metrics *metrics(struct counted *c)
{
	assert_non_null(c->m.queues[0]);
	return c->m.queues[0];
}

static void assert_about(int64_t ns, int64_t expected)
{
	if (ns < expected || ns > expected + expected / 50 + 10000)
		fail_msg("expected about %lld ns, actual %lld", (long long)expected, (long long)ns);
}

static void test_time_from_published_to_used(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 65535, 0);

	drv_request(c->b, q, 0);
	advance(c, 3000000);
	drv_request(c->b, q, 1);
	advance(c, 4000000);
	dev_serve(c->b, q, 1);		/* out of order: each has its own time */
	dev_serve(c->b, q, 0);
	drv_request(c->b, q, 2);
	assert_int_equal(metrics(c)->published, 3);
	assert_int_equal(metrics(c)->used, 2);
	assert_int_equal(metrics(c)->latency.count, 2);
	assert_about(kc_histogram_percentile(&metrics(c)->latency, 50), 4000000);
	assert_about(metrics(c)->latency.max, 7000000);
}

/* What lies in the ring when it starts waits from then on. */
static void test_published_before_the_start(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = ring(c->b, 0, 8, 0, 0);

	drv_add(c->b, q, drv_chain(c->b, q, 0));
	drv_write16(c->b, q->c.avail + KC_AVAIL_IDX, q->avail_idx);
	advance(c, 5000000);
	kc_oracle_queue_start(c->b->o, 0, &q->c);
	advance(c, 1000000);
	dev_serve(c->b, q, 0);
	assert_int_equal(metrics(c)->used, 1);
	assert_about(metrics(c)->latency.max, 1000000);
}

/* A used entry that is wrong is judged elsewhere, and counted nowhere. */
static void test_what_was_never_published(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 0, 0);

	drv_request(c->b, q, 0);
	dev_serve(c->b, q, 0);
	dev_serve(c->b, q, 0);		/* again */
	assert_true(c->b->n > 0);
	assert_int_equal(metrics(c)->used, 1);
}

/* Three used, one call asked for by used_event; then without any wish for calls. */
static void test_calls_not_wanted(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 0, WITH_EVENT_IDX);

	drv_used_event(c->b, q, 1);
	kc_oracle_observe(c->b->o);
	for (unsigned i = 0; i < 3; i++)
		drv_request(c->b, q, i);
	for (unsigned i = 0; i < 3; i++) {
		dev_serve(c->b, q, i);
		if (i == 1)
			kc_oracle_called(c->b->o, 0, 1);
	}
	assert_int_equal(metrics(c)->calls, 1);
	assert_int_equal(metrics(c)->calls_suppressed, 2);
	assert_int_equal(metrics(c)->calls_spurious, 0);
	assert_int_equal(kc_metrics_calls_coalesced(metrics(c)), 0);
}

static void test_a_driver_that_polls_wants_none(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 0, WITHOUT_CALL);

	drv_request(c->b, q, 0);
	dev_serve(c->b, q, 0);
	assert_int_equal(metrics(c)->calls_suppressed, 1);
}

/* One call for three used buffers, each of which was to be called for. */
static void test_one_call_stands_for_several(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 0, 0);

	for (unsigned i = 0; i < 3; i++)
		drv_request(c->b, q, i);
	for (unsigned i = 0; i < 3; i++)
		dev_serve(c->b, q, i);
	kc_oracle_called(c->b->o, 0, 1);
	assert_int_equal(kc_metrics_calls_coalesced(metrics(c)), 2);
	assert_int_equal(metrics(c)->calls_suppressed, 0);
}

static void test_calls_without_cause(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 0, 0);

	drv_request(c->b, q, 0);
	dev_serve(c->b, q, 0);
	for (unsigned i = 0; i < 3; i++)
		kc_oracle_called(c->b->o, 0, 1);
	none(c->b);		/* one too many breaks no rule where every buffer may be called for */
	assert_int_equal(metrics(c)->calls, 3);
	assert_int_equal(metrics(c)->calls_spurious, 2);
}

static void test_kicks(void **state)
{
	struct counted *c = *state;

	kc_economy_kicked(&c->e, 0, false);
	kc_economy_kicked(&c->e, 0, true);
	kc_economy_kick_suppressed(&c->e, 0);
	assert_int_equal(metrics(c)->kicks, 2);
	assert_int_equal(metrics(c)->kicks_added_up, 1);
	assert_int_equal(metrics(c)->kicks_suppressed, 1);
	kc_economy_kicked(&c->e, KC_METRICS_QUEUES, false);	/* no such queue */
}

static void test_calls_read_at_once(void **state)
{
	struct counted *c = *state;

	start(c->b, 0, 8, 0, 0);
	kc_oracle_called(c->b->o, 0, 1);
	kc_economy_calls_added_up(&c->e, 0, 2);
	kc_economy_calls_added_up(&c->e, 0, 2);
	kc_oracle_called(c->b->o, 0, 1);
	kc_economy_calls_added_up(&c->e, 0, 3);
	assert_int_equal(metrics(c)->calls, 5);
	assert_int_equal(metrics(c)->calls_added_up, 3);
	assert_int_equal(kc_metrics_driver_wakeups(metrics(c)), 2);
}

/* --- Urgent requests ---------------------------------------------------------------------------- */

static void test_what_an_urgent_request_waits_for(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 65534, 0);

	for (unsigned i = 0; i < 3; i++)
		drv_request(c->b, q, i);
	dev_serve(c->b, q, 0);		/* before: not waited for */
	assert_int_equal(kc_economy_urgent(&c->e, 0, 2 * 3), 0);
	drv_request(c->b, q, 3);
	drv_request(c->b, q, 4);
	advance(c, 2000000);
	dev_serve(c->b, q, 1);
	dev_serve(c->b, q, 2);
	dev_serve(c->b, q, 4);		/* a later one that overtakes counts as well */
	assert_int_equal(kc_economy_urgent_left(&c->e, 0), 1);
	assert_int_equal(c->m.nwaits, 0);
	dev_serve(c->b, q, 3);
	assert_int_equal(kc_economy_urgent_left(&c->e, 0), 0);
	assert_int_equal(c->m.nwaits, 1);
	assert_int_equal(c->m.waits[0].requests, 3);
	assert_about(c->m.waits[0].ns, 2000000);
}

/* A head whose last use is over is another request's. */
static void test_an_urgent_request_under_a_head_of_old(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 0, 0);

	drv_request(c->b, q, 0);
	dev_serve(c->b, q, 0);
	kc_oracle_reaped(c->b->o, 0, 0);
	assert_int_equal(kc_economy_urgent(&c->e, 0, 0), 0);
	kc_oracle_observe(c->b->o);
	assert_int_equal(c->m.nwaits, 0);
	drv_request(c->b, q, 0);
	dev_serve(c->b, q, 0);
	assert_int_equal(c->m.nwaits, 1);
	assert_int_equal(c->m.waits[0].requests, 0);
}

static void test_urgent_requests_that_do_not_come_back(void **state)
{
	struct counted *c = *state;

	for (unsigned i = 0; i < KC_URGENT_MAX; i++)
		assert_int_equal(kc_economy_urgent(&c->e, i % 2, i), 0);
	assert_int_equal(kc_economy_urgent(&c->e, 0, 99), -ENOSPC);
	kc_economy_forget_queue(&c->e, 1);
	assert_int_equal(kc_economy_urgent_left(&c->e, 1), 0);
	assert_int_equal(kc_economy_urgent_left(&c->e, 0), KC_URGENT_MAX / 2);
}

/* --- The peer ----------------------------------------------------------------------------------- */

static pid_t spinner(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		while (getppid() > 1)
			;
	return pid;
}

static void test_a_peer_costs_cpu_time(void **state)
{
	struct counted *c = *state;
	struct bench_queue *q = start(c->b, 0, 8, 0, 0);
	int64_t deadline = kc_clock_ns() + 10000000000ll;
	uint64_t from, now = 0;
	pid_t pid = spinner();

	kc_economy_session_start(&c->e, pid);
	assert_int_equal(c->m.peer.known, false);
	assert_int_equal(kc_proc_cpu_ns(pid, &from), 0);
	while (now < from + 1000000 && kc_clock_ns() < deadline)
		assert_int_equal(kc_proc_cpu_ns(pid, &now), 0);
	drv_request(c->b, q, 0);
	dev_serve(c->b, q, 0);
	kc_economy_session_end(&c->e);
	assert_true(c->m.peer.known);
	assert_true(c->m.peer.cpu_ns >= 1000000);
	assert_int_equal(c->m.peer.requests, 1);
	/* A second session adds to it; one whose process is gone does not. */
	kc_economy_session_start(&c->e, pid);
	drv_request(c->b, q, 1);
	dev_serve(c->b, q, 1);
	kc_economy_session_end(&c->e);
	assert_int_equal(c->m.peer.requests, 2);
	kc_economy_session_start(&c->e, pid);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	drv_request(c->b, q, 2);
	dev_serve(c->b, q, 2);
	kc_economy_session_end(&c->e);
	assert_int_equal(c->m.peer.requests, 2);
}

static void test_no_peer(void **state)
{
	struct counted *c = *state;

	kc_economy_session_start(&c->e, 0);
	kc_economy_session_end(&c->e);
	assert_false(c->m.peer.known);
}

int main(void)
{
#define COUNTED(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		COUNTED(test_time_from_published_to_used),
		COUNTED(test_published_before_the_start),
		COUNTED(test_what_was_never_published),
		COUNTED(test_calls_not_wanted),
		COUNTED(test_a_driver_that_polls_wants_none),
		COUNTED(test_one_call_stands_for_several),
		COUNTED(test_calls_without_cause),
		COUNTED(test_kicks),
		COUNTED(test_calls_read_at_once),
		COUNTED(test_what_an_urgent_request_waits_for),
		COUNTED(test_an_urgent_request_under_a_head_of_old),
		COUNTED(test_urgent_requests_that_do_not_come_back),
		COUNTED(test_a_peer_costs_cpu_time),
		COUNTED(test_no_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

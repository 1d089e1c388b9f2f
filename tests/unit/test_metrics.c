/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics: what follows from the counts, sums, the way from a worker to the parent, and how they read.
 *
 * Modules: harness/report/metrics.c, harness/report/metrics_text.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <harness/report/metrics.h>

/* 10 requests on queue 2, a millisecond each but for one of 2 s. */
static void fill(struct kc_metrics *m)
{
	struct kc_queue_metrics *q;

	memset(m, 0, sizeof(*m));
	q = kc_metrics_queue(m, 2);
	assert_non_null(q);
	q->published = 11;
	q->used = 10;
	q->kicks = 5;
	q->kicks_suppressed = 4;
	q->kicks_added_up = 1;
	q->calls = 5;
	q->calls_suppressed = 3;
	q->calls_added_up = 1;
	q->calls_spurious = 1;
	for (unsigned i = 0; i < 10; i++)
		kc_histogram_add(&q->latency, i ? 1000000 : 2000000000);
	assert_int_equal(kc_metrics_add_wait(m, &(struct kc_wait){ 2, 7, 6500000 }), 0);
	m->peer = (struct kc_peer_metrics){ true, 300000, 25, 10 };
}

static void test_what_follows(void **state)
{
	struct kc_metrics m;

	(void)state;
	fill(&m);
	assert_int_equal(kc_metrics_used(&m), 10);
	/* 10 used, 3 of them not to be called for; 4 of 5 calls had a cause: 3 stood for others too */
	assert_int_equal(kc_metrics_calls_coalesced(m.queues[2]), 3);
	assert_int_equal(kc_metrics_device_wakeups(m.queues[2]), 4);
	assert_int_equal(kc_metrics_driver_wakeups(m.queues[2]), 4);
	m.queues[2]->calls = 30;	/* never below zero */
	assert_int_equal(kc_metrics_calls_coalesced(m.queues[2]), 0);
	assert_null(kc_metrics_queue(&m, KC_METRICS_QUEUES));
	kc_metrics_fini(&m);
	assert_int_equal(kc_metrics_used(&m), 0);
}

static double real(const json_t *j, const char *key)
{
	json_t *v = json_object_get(j, key);

	assert_true(json_is_real(v));
	return json_real_value(v);
}

static json_int_t integer(const json_t *j, const char *key)
{
	json_t *v = json_object_get(j, key);

	assert_true(json_is_integer(v));
	return json_integer_value(v);
}

static void test_json(void **state)
{
	struct kc_metrics m;
	json_t *j, *q, *part;

	(void)state;
	fill(&m);
	j = kc_metrics_to_json(&m);
	assert_non_null(j);
	assert_int_equal(json_array_size(json_object_get(j, "queues")), 1);
	q = json_array_get(json_object_get(j, "queues"), 0);
	assert_int_equal(integer(q, "queue"), 2);
	assert_int_equal(integer(q, "published"), 11);
	assert_int_equal(integer(q, "used"), 10);
	part = json_object_get(q, "kicks");
	assert_int_equal(integer(part, "sent"), 5);
	assert_int_equal(integer(part, "suppressed"), 4);
	assert_int_equal(integer(part, "added_up"), 1);
	assert_true(real(part, "per_request") == 0.5);
	assert_true(real(part, "requests_per_wakeup") == 2.5);
	part = json_object_get(q, "calls");
	assert_int_equal(integer(part, "coalesced"), 3);
	assert_int_equal(integer(part, "spurious"), 1);
	part = json_object_get(q, "latency_ns");
	assert_int_equal(integer(part, "p90") / 10000, 100);
	assert_int_equal(integer(part, "max"), 2000000000);
	part = json_object_get(j, "peer");
	assert_int_equal(integer(part, "context_switches"), 25);
	assert_true(real(part, "cpu_ns_per_request") == 30000);
	part = json_array_get(json_object_get(j, "waits"), 0);
	assert_int_equal(integer(part, "requests"), 7);
	assert_int_equal(integer(part, "ns"), 6500000);
	json_decref(j);
	kc_metrics_fini(&m);
}

/* Nothing is divided by zero, and nothing is said of what is not known. */
static void test_json_of_nothing(void **state)
{
	struct kc_metrics m = { 0 };
	json_t *j, *q;

	(void)state;
	kc_metrics_queue(&m, 0)->kicks = 1;
	j = kc_metrics_to_json(&m);
	assert_true(json_is_null(json_object_get(j, "peer")));
	q = json_array_get(json_object_get(j, "queues"), 0);
	assert_true(json_is_null(json_object_get(q, "latency_ns")));
	assert_true(json_is_null(json_object_get(json_object_get(q, "kicks"), "per_request")));
	json_decref(j);
	kc_metrics_fini(&m);
}

static void assert_same(const struct kc_metrics *a, const struct kc_metrics *b)
{
	for (unsigned qi = 0; qi < KC_METRICS_QUEUES; qi++) {
		assert_true(!a->queues[qi] == !b->queues[qi]);
		if (a->queues[qi])
			assert_memory_equal(a->queues[qi], b->queues[qi], sizeof(*a->queues[qi]));
	}
	assert_int_equal(a->nwaits, b->nwaits);
	for (unsigned i = 0; i < a->nwaits; i++) {
		assert_int_equal(a->waits[i].queue, b->waits[i].queue);
		assert_int_equal(a->waits[i].requests, b->waits[i].requests);
		assert_int_equal(a->waits[i].ns, b->waits[i].ns);
	}
	assert_int_equal(a->peer.known, b->peer.known);
	assert_int_equal(a->peer.cpu_ns, b->peer.cpu_ns);
	assert_int_equal(a->peer.switches, b->peer.switches);
	assert_int_equal(a->peer.requests, b->peer.requests);
}

static void test_round_trip(void **state)
{
	struct kc_metrics a, b;
	json_t *j;

	(void)state;
	for (int with_peer = 0; with_peer < 2; with_peer++) {
		fill(&a);
		if (!with_peer)
			a.peer = (struct kc_peer_metrics){ 0 };
		j = kc_metrics_pack(&a);
		assert_non_null(j);
		assert_int_equal(kc_metrics_unpack(&b, j, NULL), 0);
		json_decref(j);
		assert_same(&a, &b);
		kc_metrics_fini(&a);
		kc_metrics_fini(&b);
	}
}

/* A back-end can drive a count up, but not beyond what the parent takes. */
static void test_wild_counts_arrive(void **state)
{
	struct kc_metrics a, b;
	json_t *j;

	(void)state;
	fill(&a);
	a.queues[2]->calls = UINT64_MAX;
	a.peer.switches = UINT64_MAX / 2;
	j = kc_metrics_pack(&a);
	assert_int_equal(kc_metrics_unpack(&b, j, NULL), 0);
	assert_true(b.queues[2]->calls > UINT32_MAX);
	json_decref(j);
	kc_metrics_fini(&a);
	kc_metrics_fini(&b);
}

/* Sets one value in a packed object, by path "queues/used" (of the first element of an array). */
static void corrupt(json_t *j, const char *path, json_t *value)
{
	const char *key = strrchr(path, '/');
	char first[32];
	json_t *at = j;

	if (key) {
		snprintf(first, sizeof(first), "%.*s", (int)(key - path), path);
		at = json_object_get(j, first);
		if (json_is_array(at))
			at = json_array_get(at, 0);
	}
	json_object_set_new(at, key ? key + 1 : path, value);
}

static json_t *twice(json_t *element)
{
	return json_pack("[O, o]", element, element);
}

static void test_refuses(void **state)
{
	struct {
		const char *path;
		json_t *value;
	} bad[] = {
		{ "queues", json_null() },
		{ "queues", json_pack("[i]", 1) },
		{ "queues/queue", json_integer(KC_METRICS_QUEUES) },
		{ "queues/used", json_integer(-1) },
		{ "queues/calls", json_integer(INT64_MAX) },
		{ "queues/kicks", json_string("1") },
		{ "queues/max_ns", json_null() },
		{ "queues/latency", json_object() },
		{ "queues/latency", json_pack("[[i, i]]", (int)KC_HISTOGRAM_BUCKETS, 1) },
		{ "queues/latency", json_pack("[[i, i]]", -1, 1) },
		{ "queues/latency", json_pack("[[i, i]]", 1, 0) },
		{ "queues/latency", twice(json_pack("[i, i]", 1, 1)) },
		{ "waits", json_integer(0) },
		{ "waits/queue", json_integer(-1) },
		{ "waits/ns", json_real(1) },
		{ "peer", json_true() },
		{ "peer/switches", json_null() },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kc_err err = { "" };
		struct kc_metrics a, b;
		json_t *j;

		fill(&a);
		j = kc_metrics_pack(&a);
		corrupt(j, bad[i].path, bad[i].value);
		if (kc_metrics_unpack(&b, j, &err) != -EPROTO)
			fail_msg("takes what is wrong in %s (%u)", bad[i].path, i);
		assert_string_not_equal(err.msg, "");
		assert_null(b.queues[2]);
		assert_null(b.waits);
		json_decref(j);
		kc_metrics_fini(&a);
	}
}

/* The same queue twice would be counted once. */
static void test_refuses_a_queue_twice(void **state)
{
	struct kc_metrics a, b;
	json_t *j;

	(void)state;
	fill(&a);
	j = kc_metrics_pack(&a);
	json_array_append(json_object_get(j, "queues"), json_array_get(json_object_get(j, "queues"), 0));
	assert_int_equal(kc_metrics_unpack(&b, j, NULL), -EPROTO);
	json_decref(j);
	kc_metrics_fini(&a);
}

static void test_sums(void **state)
{
	struct kc_metrics a, b, sum = { 0 };

	(void)state;
	fill(&a);
	fill(&b);
	kc_metrics_queue(&b, 0)->calls = 3;
	b.queues[2]->used = 1;
	assert_int_equal(kc_metrics_merge(&sum, &a), 0);
	assert_int_equal(kc_metrics_merge(&sum, &b), 0);
	assert_int_equal(sum.queues[2]->used, 11);
	assert_int_equal(sum.queues[2]->kicks_suppressed, 8);
	assert_int_equal(sum.queues[2]->latency.count, 20);
	assert_int_equal(sum.queues[0]->calls, 3);
	assert_int_equal(sum.nwaits, 2);
	assert_int_equal(sum.peer.cpu_ns, 600000);
	assert_int_equal(sum.peer.requests, 20);
	/* A test without requests costs a peer something, but no request. */
	b.peer.requests = 0;
	assert_int_equal(kc_metrics_merge(&sum, &b), 0);
	assert_int_equal(sum.peer.cpu_ns, 600000);
	kc_metrics_fini(&a);
	kc_metrics_fini(&b);
	kc_metrics_fini(&sum);
}

static void test_so_many_waits(void **state)
{
	struct kc_metrics m = { 0 };

	(void)state;
	for (unsigned i = 0; i < KC_METRICS_WAITS; i++)
		assert_int_equal(kc_metrics_add_wait(&m, &(struct kc_wait){ 0, i, i }), 0);
	assert_int_equal(kc_metrics_add_wait(&m, &(struct kc_wait){ 0, 0, 0 }), -ENOSPC);
	kc_metrics_fini(&m);
}

static void test_say_ns(void **state)
{
	static const struct { int64_t ns; const char *text; } rows[] = {
		{ 0, "0 ns" }, { 999, "999 ns" }, { 1000, "1.0 us" }, { 1499, "1.5 us" },
		{ 9949, "9.9 us" }, { 9951, "10 us" }, { 999499, "999 us" }, { 999501, "1.0 ms" },
		{ 1500000000, "1.5 s" }, { 120000000000, "120 s" }, { 5000000000000, "5000 s" },
	};
	char text[32];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		kc_say_ns(rows[i].ns, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
}

typedef void put_fn(const struct kc_metrics *m, FILE *out);

static void table(const struct kc_metrics *m, FILE *out)
{
	assert_true(kc_metrics_table(m, true, out));
}

static void assert_reads(put_fn *put, const char *expected)
{
	struct kc_metrics m;
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	fill(&m);
	put(&m, f);
	fclose(f);
	assert_string_equal(s, expected);
	free(s);
	kc_metrics_fini(&m);
}

static void test_text(void **state)
{
	(void)state;
	assert_reads(kc_metrics_text,
		"      queue 2: 10 used; 5 kicks, 4 suppressed, 1 added up; 5 calls, 3 suppressed, 3 coalesced, "
		"1 added up, 1 spurious; p50 1.0 ms, p99 2.0 s, max 2.0 s\n"
		"      queue 2: an urgent request waited for 7 others, 6.5 ms\n"
		"      back-end: 30 us CPU and 2.5 context switches a request\n");
	assert_reads(table,
		"notifications         sent  a request suppressed  coalesced   added up   spurious  a wake-up\n"
		"queue 2   kicks          5       0.50          4                     1                  2.50\n"
		"          calls          5       0.50          3          3          1          1       2.50\n"
		"          latency of 10 requests: p50 1.0 ms, p90 1.0 ms, p99 2.0 s, max 2.0 s, virtual time\n"
		"urgent    1 requests waited; the longest for 7 others, 6.5 ms\n"
		"back-end  30 us CPU and 2.5 context switches a request\n");
}

static void test_no_table_without_requests(void **state)
{
	struct kc_metrics m = { 0 };

	(void)state;
	kc_metrics_queue(&m, 0)->published = 3;
	assert_false(kc_metrics_table(&m, true, stdout));
	kc_metrics_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_follows),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_of_nothing),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_wild_counts_arrive),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_refuses_a_queue_twice),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_so_many_waits),
		cmocka_unit_test(test_say_ns),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_no_table_without_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

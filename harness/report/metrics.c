/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: sums and counts only, so that adding two of these up loses nothing; ratios and
 * percentiles are computed when they are shown. A queue's counters are reached through one table, for
 * adding up and for the way from worker to parent.
 *
 * Each used buffer that the driver wanted a call for has one: a signal of its own, or another buffer's.
 * Hence calls that stand for several are counted by what is missing: wanted, less signals with a cause.
 * When they were seen does not matter.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <harness/report/metrics.h>

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{ "published", offsetof(struct kc_queue_metrics, published) },
	{ "used", offsetof(struct kc_queue_metrics, used) },
	{ "kicks", offsetof(struct kc_queue_metrics, kicks) },
	{ "kicks_suppressed", offsetof(struct kc_queue_metrics, kicks_suppressed) },
	{ "kicks_added_up", offsetof(struct kc_queue_metrics, kicks_added_up) },
	{ "calls", offsetof(struct kc_queue_metrics, calls) },
	{ "calls_suppressed", offsetof(struct kc_queue_metrics, calls_suppressed) },
	{ "calls_added_up", offsetof(struct kc_queue_metrics, calls_added_up) },
	{ "calls_spurious", offsetof(struct kc_queue_metrics, calls_spurious) },
};
#define COUNTERS	(sizeof(counters) / sizeof(*counters))
#define COUNT_MAX	(INT64_MAX / (1 << 20))		/* of one test: a million of them add up */

static uint64_t *counter(const struct kc_queue_metrics *q, size_t i)
{
	return (uint64_t *)((char *)q + counters[i].offset);
}

void kc_metrics_fini(struct kc_metrics *m)
{
	for (unsigned qi = 0; qi < KC_METRICS_QUEUES; qi++)
		free(m->queues[qi]);
	free(m->waits);
	memset(m, 0, sizeof(*m));
}

struct kc_queue_metrics *kc_metrics_queue(struct kc_metrics *m, unsigned qi)
{
	if (qi >= KC_METRICS_QUEUES)
		return NULL;
	if (!m->queues[qi])
		m->queues[qi] = calloc(1, sizeof(*m->queues[qi]));
	return m->queues[qi];
}

static int append_wait(struct kc_metrics *m, const struct kc_wait *w)
{
	struct kc_wait *more = realloc(m->waits, (m->nwaits + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	m->waits = more;
	more[m->nwaits++] = *w;
	return 0;
}

int kc_metrics_add_wait(struct kc_metrics *m, const struct kc_wait *w)
{
	return m->nwaits < KC_METRICS_WAITS ? append_wait(m, w) : -ENOSPC;
}

static void merge_peer(struct kc_metrics *to, const struct kc_metrics *from)
{
	if (!from->peer.known || !from->peer.requests)
		return;
	to->peer.known = true;
	to->peer.cpu_ns += from->peer.cpu_ns;
	to->peer.switches += from->peer.switches;
	to->peer.requests += from->peer.requests;
}

int kc_metrics_merge(struct kc_metrics *to, const struct kc_metrics *from)
{
	for (unsigned qi = 0; qi < KC_METRICS_QUEUES; qi++) {
		struct kc_queue_metrics *q;

		if (!from->queues[qi])
			continue;
		q = kc_metrics_queue(to, qi);
		if (!q)
			return -ENOMEM;
		for (size_t i = 0; i < COUNTERS; i++)
			*counter(q, i) += *counter(from->queues[qi], i);
		kc_histogram_merge(&q->latency, &from->queues[qi]->latency);
	}
	for (unsigned i = 0; i < from->nwaits; i++)
		if (append_wait(to, &from->waits[i]))
			return -ENOMEM;
	merge_peer(to, from);
	return 0;
}

/* --- What follows from it ----------------------------------------------------------------------- */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t kc_metrics_used(const struct kc_metrics *m)
{
	uint64_t n = 0;

	for (unsigned qi = 0; qi < KC_METRICS_QUEUES; qi++)
		n += m->queues[qi] ? m->queues[qi]->used : 0;
	return n;
}

uint64_t kc_metrics_calls_coalesced(const struct kc_queue_metrics *q)
{
	return less(less(q->used, q->calls_suppressed), less(q->calls, q->calls_spurious));
}

uint64_t kc_metrics_device_wakeups(const struct kc_queue_metrics *q)
{
	return less(q->kicks, q->kicks_added_up);
}

uint64_t kc_metrics_driver_wakeups(const struct kc_queue_metrics *q)
{
	return less(q->calls, q->calls_added_up);
}

void kc_say_ns(int64_t ns, char *buf, size_t cap)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	unsigned unit = 0;

	for (; unit < 3 && value >= 999.5; unit++)
		value /= 1000;
	snprintf(buf, cap, "%.*f %s", unit && value < 9.95 ? 1 : 0, value, units[unit]);
}

/* --- For the report ----------------------------------------------------------------------------- */

static json_t *ratio(uint64_t n, uint64_t of)
{
	return of ? json_real((double)n / (double)of) : json_null();
}

static json_t *kicks_json(const struct kc_queue_metrics *q)
{
	return json_pack("{sI, sI, sI, so, so}", "sent", (json_int_t)q->kicks,
			 "suppressed", (json_int_t)q->kicks_suppressed,
			 "added_up", (json_int_t)q->kicks_added_up,
			 "per_request", ratio(q->kicks, q->used),
			 "requests_per_wakeup", ratio(q->used, kc_metrics_device_wakeups(q)));
}

static json_t *calls_json(const struct kc_queue_metrics *q)
{
	return json_pack("{sI, sI, sI, sI, sI, so, so}", "sent", (json_int_t)q->calls,
			 "suppressed", (json_int_t)q->calls_suppressed,
			 "coalesced", (json_int_t)kc_metrics_calls_coalesced(q),
			 "added_up", (json_int_t)q->calls_added_up,
			 "spurious", (json_int_t)q->calls_spurious,
			 "per_request", ratio(q->calls, q->used),
			 "requests_per_wakeup", ratio(q->used, kc_metrics_driver_wakeups(q)));
}

static json_t *latency_json(const struct kc_histogram *h)
{
	if (!h->count)
		return json_null();
	return json_pack("{sI, sI, sI, sI}", "p50", (json_int_t)kc_histogram_percentile(h, 50),
			 "p90", (json_int_t)kc_histogram_percentile(h, 90),
			 "p99", (json_int_t)kc_histogram_percentile(h, 99), "max", (json_int_t)h->max);
}

static json_t *queue_json(const struct kc_queue_metrics *q, unsigned qi)
{
	return json_pack("{sI, sI, sI, so, so, so}", "queue", (json_int_t)qi,
			 "published", (json_int_t)q->published, "used", (json_int_t)q->used,
			 "kicks", kicks_json(q), "calls", calls_json(q),
			 "latency_ns", latency_json(&q->latency));
}

static json_t *wait_json(const struct kc_wait *w)
{
	return json_pack("{sI, sI, sI}", "queue", (json_int_t)w->queue,
			 "requests", (json_int_t)w->requests, "ns", (json_int_t)w->ns);
}

static json_t *peer_json(const struct kc_peer_metrics *p)
{
	if (!p->known)
		return json_null();
	return json_pack("{sI, sI, so, so}", "cpu_ns", (json_int_t)p->cpu_ns,
			 "context_switches", (json_int_t)p->switches,
			 "cpu_ns_per_request", ratio(p->cpu_ns, p->requests),
			 "context_switches_per_request", ratio(p->switches, p->requests));
}

/* What of_queue and of_wait make of each. */
static json_t *tree(const struct kc_metrics *m,
		    json_t *(*of_queue)(const struct kc_queue_metrics *q, unsigned qi),
		    json_t *(*of_wait)(const struct kc_wait *w), json_t *peer)
{
	json_t *queues = json_array(), *waits = json_array();
	int bad = 0;

	for (unsigned qi = 0; qi < KC_METRICS_QUEUES; qi++)
		if (m->queues[qi])
			bad |= json_array_append_new(queues, of_queue(m->queues[qi], qi));
	for (unsigned i = 0; i < m->nwaits; i++)
		bad |= json_array_append_new(waits, of_wait(&m->waits[i]));
	if (!bad)
		return json_pack("{so, so, so}", "queues", queues, "waits", waits, "peer", peer);
	json_decref(queues);
	json_decref(waits);
	json_decref(peer);
	return NULL;
}

json_t *kc_metrics_to_json(const struct kc_metrics *m)
{
	return tree(m, queue_json, wait_json, peer_json(&m->peer));
}

/* --- From worker to parent ---------------------------------------------------------------------- */

/* [bucket, count] of those that are not empty */
static json_t *pack_histogram(const struct kc_histogram *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < KC_HISTOGRAM_BUCKETS; i++)
		if (h->n[i] && json_array_append_new(list, json_pack("[I, I]", (json_int_t)i,
								     (json_int_t)h->n[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_int_t bounded(uint64_t n)
{
	return n < COUNT_MAX ? (json_int_t)n : COUNT_MAX;
}

static json_t *pack_queue(const struct kc_queue_metrics *q, unsigned qi)
{
	json_t *j = json_pack("{sI, sI, so}", "queue", (json_int_t)qi, "max_ns", (json_int_t)q->latency.max,
			      "latency", pack_histogram(&q->latency));

	for (size_t i = 0; j && i < COUNTERS; i++)
		if (json_object_set_new(j, counters[i].name, json_integer(bounded(*counter(q, i))))) {
			json_decref(j);
			return NULL;
		}
	return j;
}

static json_t *pack_peer(const struct kc_peer_metrics *p)
{
	return p->known ? json_pack("{sI, sI, sI}", "cpu_ns", bounded(p->cpu_ns),
				    "switches", bounded(p->switches),
				    "requests", bounded(p->requests)) : json_null();
}

json_t *kc_metrics_pack(const struct kc_metrics *m)
{
	return tree(m, pack_queue, wait_json, pack_peer(&m->peer));
}

static int no_good(struct kc_err *err, const char *what)
{
	return kc_err_set(err, -EPROTO, "result: metrics: no good \"%s\"", what);
}

static int take(const json_t *j, const char *key, int64_t max, uint64_t *value, struct kc_err *err)
{
	const json_t *member = json_object_get(j, key);

	if (!json_is_integer(member) || json_integer_value(member) < 0 ||
	    json_integer_value(member) > max)
		return no_good(err, key);
	*value = (uint64_t)json_integer_value(member);
	return 0;
}

static int unpack_histogram(struct kc_histogram *h, const json_t *list, struct kc_err *err)
{
	if (!json_is_array(list) || json_array_size(list) > KC_HISTOGRAM_BUCKETS)
		return no_good(err, "latency");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		json_int_t bucket = json_integer_value(json_array_get(pair, 0));
		json_int_t n = json_integer_value(json_array_get(pair, 1));

		if (bucket < 0 || bucket >= (json_int_t)KC_HISTOGRAM_BUCKETS || n <= 0 ||
		    n > UINT32_MAX || h->n[bucket])
			return no_good(err, "latency");
		h->n[bucket] = (uint32_t)n;
		h->count += (uint64_t)n;
	}
	return 0;
}

static int unpack_queue(struct kc_metrics *m, const json_t *j, struct kc_err *err)
{
	struct kc_queue_metrics *q;
	uint64_t qi, max_ns;
	int ret = 0;

	if (take(j, "queue", KC_METRICS_QUEUES - 1, &qi, err) ||
	    take(j, "max_ns", INT64_MAX, &max_ns, err))
		return -EPROTO;
	if (m->queues[qi])
		return no_good(err, "queue");
	q = kc_metrics_queue(m, (unsigned)qi);
	if (!q)
		return kc_err_set(err, -ENOMEM, "result: no memory");
	q->latency.max = (int64_t)max_ns;
	for (size_t i = 0; !ret && i < COUNTERS; i++)
		ret = take(j, counters[i].name, COUNT_MAX, counter(q, i), err);
	return ret ? ret : unpack_histogram(&q->latency, json_object_get(j, "latency"), err);
}

static int unpack_wait(struct kc_metrics *m, const json_t *j, struct kc_err *err)
{
	uint64_t queue, ns;
	struct kc_wait w = { 0 };

	if (take(j, "queue", KC_METRICS_QUEUES - 1, &queue, err) ||
	    take(j, "requests", COUNT_MAX, &w.requests, err) || take(j, "ns", INT64_MAX, &ns, err))
		return -EPROTO;
	w.queue = (unsigned)queue;
	w.ns = (int64_t)ns;
	return append_wait(m, &w) ? kc_err_set(err, -ENOMEM, "result: no memory") : 0;
}

static int unpack_peer(struct kc_peer_metrics *p, const json_t *j, struct kc_err *err)
{
	if (json_is_null(j))
		return 0;
	p->known = true;
	if (take(j, "cpu_ns", COUNT_MAX, &p->cpu_ns, err) ||
	    take(j, "switches", COUNT_MAX, &p->switches, err))
		return -EPROTO;
	return take(j, "requests", COUNT_MAX, &p->requests, err);
}

static int each(struct kc_metrics *m, const json_t *list, size_t max, const char *what,
		int (*unpack)(struct kc_metrics *m, const json_t *j, struct kc_err *err),
		struct kc_err *err)
{
	int ret = json_is_array(list) && json_array_size(list) <= max ? 0 : no_good(err, what);

	for (size_t i = 0; !ret && i < json_array_size(list); i++)
		ret = unpack(m, json_array_get(list, i), err);
	return ret;
}

int kc_metrics_unpack(struct kc_metrics *m, const json_t *j, struct kc_err *err)
{
	int ret;

	memset(m, 0, sizeof(*m));
	ret = each(m, json_object_get(j, "queues"), KC_METRICS_QUEUES, "queues", unpack_queue, err);
	if (!ret)
		ret = each(m, json_object_get(j, "waits"), KC_METRICS_WAITS, "waits", unpack_wait, err);
	if (!ret)
		ret = unpack_peer(&m->peer, json_object_get(j, "peer"), err);
	if (ret)
		kc_metrics_fini(m);
	return ret;
}

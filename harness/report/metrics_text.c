/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics for people: a line or two below a test, a table for a run. Queues where nothing was used are left
 * out: what a kick costs is asked per request.
 */
#include <stdio.h>
#include <harness/report/metrics.h>

#define INDENT	"      "

static bool is_used(const struct kc_metrics *m, unsigned qi)
{
	return m->queues[qi] && m->queues[qi]->used;
}

/* ", 3 suppressed", if there are any */
static void put_part(FILE *out, uint64_t n, const char *what)
{
	if (n)
		fprintf(out, ", %llu %s", (unsigned long long)n, what);
}

/* In full, or in short. */
static void put_percentiles(FILE *out, const struct kc_histogram *h, bool full)
{
	static const unsigned percents[] = { 50, 90, 99 };
	char text[32];

	for (unsigned i = 0; i < sizeof(percents) / sizeof(*percents); i += full ? 1 : 2) {
		kc_say_ns(kc_histogram_percentile(h, percents[i]), text, sizeof(text));
		fprintf(out, "p%u %s, ", percents[i], text);
	}
	kc_say_ns(h->max, text, sizeof(text));
	fprintf(out, "max %s", text);
}

static void put_queue_line(FILE *out, const struct kc_queue_metrics *q, unsigned qi)
{
	fprintf(out, INDENT "queue %u: %llu used; %llu kicks", qi, (unsigned long long)q->used,
		(unsigned long long)q->kicks);
	put_part(out, q->kicks_suppressed, "suppressed");
	put_part(out, q->kicks_added_up, "added up");
	fprintf(out, "; %llu calls", (unsigned long long)q->calls);
	put_part(out, q->calls_suppressed, "suppressed");
	put_part(out, kc_metrics_calls_coalesced(q), "coalesced");
	put_part(out, q->calls_added_up, "added up");
	put_part(out, q->calls_spurious, "spurious");
	fputs("; ", out);
	put_percentiles(out, &q->latency, false);
	putc('\n', out);
}

static void put_wait(FILE *out, const struct kc_wait *w)
{
	char text[32];

	kc_say_ns(w->ns, text, sizeof(text));
	fprintf(out, INDENT "queue %u: an urgent request waited for %llu others, %s\n", w->queue,
		(unsigned long long)w->requests, text);
}

static void put_peer(FILE *out, const struct kc_peer_metrics *p)
{
	char text[32];

	kc_say_ns((int64_t)(p->cpu_ns / p->requests), text, sizeof(text));
	fprintf(out, "%s CPU and %.1f context switches a request\n", text,
		(double)p->switches / (double)p->requests);
}

void kc_metrics_text(const struct kc_metrics *m, FILE *out)
{
	for (unsigned qi = 0; qi < KC_METRICS_QUEUES; qi++)
		if (is_used(m, qi))
			put_queue_line(out, m->queues[qi], qi);
	for (unsigned i = 0; i < m->nwaits; i++)
		put_wait(out, &m->waits[i]);
	if (m->peer.known && m->peer.requests) {
		fputs(INDENT "back-end: ", out);
		put_peer(out, &m->peer);
	}
}

/* --- The table ---------------------------------------------------------------------------------- */

static void put_ratio(FILE *out, uint64_t n, uint64_t of)
{
	if (of)
		fprintf(out, "%11.2f", (double)n / (double)of);
	else
		fprintf(out, "%11s", "-");
}

static void put_count(FILE *out, uint64_t n)
{
	fprintf(out, "%11llu", (unsigned long long)n);
}

static void put_queue_rows(FILE *out, const struct kc_queue_metrics *q, unsigned qi, bool virtual_time)
{
	fprintf(out, "queue %-3u kicks", qi);
	put_count(out, q->kicks);
	put_ratio(out, q->kicks, q->used);
	put_count(out, q->kicks_suppressed);
	fprintf(out, "%11s", "");
	put_count(out, q->kicks_added_up);
	fprintf(out, "%11s", "");
	put_ratio(out, q->used, kc_metrics_device_wakeups(q));
	fprintf(out, "\n          calls");
	put_count(out, q->calls);
	put_ratio(out, q->calls, q->used);
	put_count(out, q->calls_suppressed);
	put_count(out, kc_metrics_calls_coalesced(q));
	put_count(out, q->calls_added_up);
	put_count(out, q->calls_spurious);
	put_ratio(out, q->used, kc_metrics_driver_wakeups(q));
	fprintf(out, "\n          latency of %llu requests: ", (unsigned long long)q->used);
	put_percentiles(out, &q->latency, true);
	fputs(virtual_time ? ", virtual time\n" : "\n", out);
}

/* The longest says it all. */
static void put_waits(FILE *out, const struct kc_metrics *m)
{
	const struct kc_wait *most = m->waits;
	char text[32];

	for (unsigned i = 1; i < m->nwaits; i++)
		if (m->waits[i].ns > most->ns)
			most = &m->waits[i];
	if (!most)
		return;
	kc_say_ns(most->ns, text, sizeof(text));
	fprintf(out, "urgent    %u requests waited; the longest for %llu others, %s\n", m->nwaits,
		(unsigned long long)most->requests, text);
}

bool kc_metrics_table(const struct kc_metrics *m, bool virtual_time, FILE *out)
{
	if (!kc_metrics_used(m))
		return false;
	fprintf(out, "%-15s%11s%11s%11s%11s%11s%11s%11s\n", "notifications", "sent", "a request",
		"suppressed", "coalesced", "added up", "spurious", "a wake-up");
	for (unsigned qi = 0; qi < KC_METRICS_QUEUES; qi++)
		if (is_used(m, qi))
			put_queue_rows(out, m->queues[qi], qi, virtual_time);
	put_waits(out, m);
	if (m->peer.known && m->peer.requests) {
		fputs("back-end  ", out);
		put_peer(out, &m->peer);
	}
	return true;
}

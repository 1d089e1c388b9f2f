/* SPDX-License-Identifier: BSD-3-Clause */
/* What a failure looks like: everything a reader needs who has not seen the run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <backend/adapters.h>
#include <harness/world/picture.h>
#include <harness/world/world.h>

#define TRANSCRIPT_LINES	16
#define EVENTS			16u

static void script_line(struct kc_world *w, FILE *f)
{
	unsigned line = w->trace.step;

	if (line < 1 || line > w->script->nlines)
		return;
	fprintf(f, "at %s:%u\n    %s\n", w->script->path, line, w->script->lines[line - 1]);
}

static const char *last_lines(const char *text, size_t len, unsigned n)
{
	size_t at = len;

	while (at > 0 && n) {
		at--;
		if (text[at] == '\n' && at + 1 != len)
			n--;
	}
	return text + at + (text[at] == '\n' && at > 0);
}

static void transcript(struct kc_world *w, FILE *f)
{
	fflush(w->transcript_file);
	if (!w->transcript_len)
		return;
	fprintf(f, "messages (the last %d)\n", TRANSCRIPT_LINES);
	for (const char *c = last_lines(w->transcript, w->transcript_len, TRANSCRIPT_LINES); *c;) {
		size_t n = strcspn(c, "\n");

		fprintf(f, "    %.*s\n", (int)n, c);
		c += n + (c[n] == '\n');
	}
}

static void events(struct kc_world *w, FILE *f)
{
	uint64_t n = w->trace.count < EVENTS ? w->trace.count : EVENTS;

	fprintf(f, "events (the last %u)\n", (unsigned)n);
	for (uint64_t i = w->trace.count - n; i < w->trace.count; i++) {
		const struct kc_trace_event *e = &w->trace.kept[i % KC_TRACE_KEPT];

		fprintf(f, "    %9.3f ms  line %-3u %-8s %-16s %-16s ", (double)e->time_ns / 1e6, e->step,
			kc_actor_name(e->actor), e->op, e->place);
		if (e->text[0])
			fprintf(f, "%s\n", e->text);
		else
			fprintf(f, "%llu\n", (unsigned long long)e->value);
	}
}

void kc_picture_failure(struct kc_world *w)
{
	const char *tail = kc_backend_stderr_tail(w->cfg.be);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	script_line(w, f);
	if (!w->script->device && w->cfg.port->virtqueue)
		fprintf(f, "(virtqueues below: queue 0 of the script is virtqueue %u, queue 1 is %u)\n",
			w->cfg.port->virtqueue(0), w->cfg.port->virtqueue(1));
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++)
		if (w->q[qi].made)
			kc_oracle_picture(w->oracle, qi, f);
	transcript(w, f);
	events(w, f);
	if (*tail)
		fprintf(f, "the back-end's stderr ends\n%s%s", tail,
			tail[strlen(tail) - 1] == '\n' ? "" : "\n");
	fclose(f);
	free(w->result->detail);
	w->result->detail = text;
}

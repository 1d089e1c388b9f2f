/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <harness/run/progress.h>

#define EVERY	50u		/* tests between two plain lines */

bool kc_may_colour(FILE *stream)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(stream)) && !(no && *no) && term && strcmp(term, "dumb");
}

void kc_progress_init(struct kc_progress *p, unsigned total, bool verbose)
{
	*p = (struct kc_progress){ .total = total, .verbose = verbose };
	p->terminal = isatty(STDERR_FILENO);
	p->colour = kc_may_colour(stderr);
}

static void counts(const struct kc_progress *p)
{
	for (unsigned v = 0; v < KC_VERDICTS; v++)
		if (p->counts[v])
			fprintf(stderr, "  %u %s", p->counts[v], kc_verdict_name((enum kc_verdict)v));
}

void kc_progress_done(struct kc_progress *p, const struct kc_result *r)
{
	bool bad = r->verdict > KC_WARN;

	p->done++;
	p->counts[r->verdict]++;
	if (p->terminal)
		fprintf(stderr, "\r\033[K");
	if (p->verbose || bad)
		fprintf(stderr, "%-12s %s%s%s%s\n", kc_verdict_name(r->verdict), r->id,
			*r->variant ? " [" : "", r->variant, *r->variant ? "]" : "");
	if (p->terminal) {
		fprintf(stderr, "[%u/%u]", p->done, p->total);
		counts(p);
		fprintf(stderr, "  %.50s", r->id);
		fflush(stderr);
	} else if (!p->verbose && p->done % EVERY == 0) {
		fprintf(stderr, "[%u/%u]", p->done, p->total);
		counts(p);
		fputc('\n', stderr);
	}
}

void kc_progress_end(struct kc_progress *p)
{
	if (p->terminal)
		fprintf(stderr, "\r\033[K");
	fflush(stderr);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the report for people. Most important first for somebody who reads from the
 * top, and the counts last, for somebody who sees only the end of a terminal: failures and errors
 * in full, what could not be decided, what passed against expectation, warnings under the clause
 * that they are about, known failures, skips under their reason, what requests cost, one line of
 * counts.
 *
 * Prose is wrapped at WIDTH columns. What may be copied or must keep its shape is not: replay
 * commands, and the detail block (ring picture, transcript, stderr). Whatever a peer may have had a
 * hand in is stripped of control characters: a report must not be able to drive the terminal.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coverage/clauses.h>
#include <harness/report/result.h>

#define WIDTH		96
#define WARNINGS_MAX	10u		/* of one clause, if not all are asked for */

struct pen {
	FILE *out;
	bool colour;
};

/* SGR parameters of a verdict, bold for what ends in a bad exit status. */
static const char *const verdict_sgr[KC_VERDICTS] = {
	[KC_PASS] = "32", [KC_SKIP] = "36", [KC_KNOWN] = "36", [KC_WARN] = "33",
	[KC_INCONCLUSIVE] = "35", [KC_XPASS] = "1;35", [KC_FAIL] = "1;31", [KC_ERROR] = "1;31",
};
#define SGR_TITLE	"1"
#define SGR_FAINT	"2"

static void paint(const struct pen *p, const char *sgr, const char *text)
{
	if (p->colour)
		fprintf(p->out, "\033[%sm%s\033[0m", sgr, text);
	else
		fputs(text, p->out);
}

static bool empty(const char *s)
{
	return !s || !*s;
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* n bytes with everything that a terminal might act upon replaced. */
static void put_plain(const struct pen *p, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		putc(c == '\t' || (c >= ' ' && c != 0x7f) ? c : '?', p->out);
	}
}

static void put_indent(const struct pen *p, unsigned n)
{
	fprintf(p->out, "%*s", (int)n, "");
}

/* Columns that n bytes of UTF-8 take, roughly: one for each character. */
static unsigned columns(const char *s, size_t n)
{
	unsigned count = 0;

	for (size_t i = 0; i < n; i++)
		count += (s[i] & 0xc0) != 0x80;
	return count;
}

/* Wraps text; column is where the pen stands, indent where the next lines begin. Ends the line. */
static void put_wrapped(const struct pen *p, unsigned column, unsigned indent, const char *text)
{
	bool first = true;

	while (*(text += strspn(text, " \n"))) {
		size_t n = strcspn(text, " \n");
		unsigned width = columns(text, n);

		if (!first && column + 1 + width > WIDTH) {
			putc('\n', p->out);
			put_indent(p, indent);
			column = indent;
		} else if (!first) {
			putc(' ', p->out);
			column++;
		}
		put_plain(p, text, n);
		column += width;
		text += n;
		first = false;
	}
	putc('\n', p->out);
}

/* Each line of text with its own line breaks kept. */
static void put_block(const struct pen *p, unsigned indent, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		if (n)
			put_indent(p, indent);
		put_plain(p, text, n);
		putc('\n', p->out);
		text += n + (text[n] == '\n');
	}
}

/* "id [variant]"; returns the columns it took. */
static unsigned put_name(const struct pen *p, const struct kc_result *r)
{
	const char *id = or_empty(r->id);
	unsigned n = columns(id, strlen(id));

	paint(p, SGR_TITLE, id);
	if (empty(r->variant))
		return n;
	fprintf(p->out, " [%s]", r->variant);
	return n + 3 + columns(r->variant, strlen(r->variant));
}

/* "VQ-... (MUST): statement". */
static void put_clause(const struct pen *p, unsigned indent, const char *id)
{
	const struct kc_clause *c = kc_clause_by_id(id);
	unsigned column = indent + (unsigned)strlen(id);

	put_indent(p, indent);
	paint(p, SGR_TITLE, id);
	if (!c) {
		putc('\n', p->out);
		return;
	}
	column += (unsigned)fprintf(p->out, " (%s): ", c->level);
	put_wrapped(p, column, indent + 4, c->statement);
}

static void put_violation_message(const struct pen *p, unsigned indent,
				  const struct kc_violation *v)
{
	unsigned column = indent;

	put_indent(p, indent);
	if (v->line)
		column += (unsigned)fprintf(p->out, "line %u: ", v->line);
	put_wrapped(p, column, indent + 2, v->message);
}

static bool told_before(const struct kc_result *r, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (!strcmp(r->violations[k].clause, r->violations[i].clause))
			return true;
	return false;
}

/* Every clause broken, once, with what was seen under it. */
static void put_violations(const struct pen *p, unsigned indent, const struct kc_result *r)
{
	for (unsigned i = 0; i < r->nviolations; i++) {
		const char *clause = r->violations[i].clause;

		if (told_before(r, i))
			continue;
		put_clause(p, indent, clause);
		for (unsigned k = i; k < r->nviolations; k++)
			if (!strcmp(clause, r->violations[k].clause))
				put_violation_message(p, indent + 2, &r->violations[k]);
	}
}

static bool is_violation_message(const struct kc_result *r, const char *message)
{
	for (unsigned i = 0; i < r->nviolations; i++)
		if (!strcmp(r->violations[i].message, message))
			return true;
	return false;
}

static void put_heading(const struct pen *p, enum kc_verdict v)
{
	char text[32];
	unsigned i;

	snprintf(text, sizeof(text), "%s", kc_verdict_name(v));
	for (i = 0; text[i]; i++)
		text[i] = (char)toupper((unsigned char)text[i]);
	paint(p, verdict_sgr[v], text);
}

static void put_labelled_block(const struct pen *p, const char *label, const char *text)
{
	if (empty(text))
		return;
	putc('\n', p->out);
	put_indent(p, 2);
	paint(p, SGR_FAINT, label);
	putc('\n', p->out);
	put_block(p, 4, text);
}

static void put_full(const struct pen *p, const struct kc_result *r)
{
	put_heading(p, r->verdict);
	fputs("  ", p->out);
	put_name(p, r);
	putc('\n', p->out);
	if (!empty(r->title)) {
		put_indent(p, 2);
		put_wrapped(p, 2, 2, r->title);
	}
	putc('\n', p->out);
	put_violations(p, 2, r);
	for (unsigned i = 0; !r->nviolations && i < r->nclauses; i++)
		put_clause(p, 2, r->clauses[i]);
	if (!empty(r->message) && !is_violation_message(r, r->message)) {
		put_indent(p, 2);
		put_wrapped(p, 2, 4, r->message);
	}
	if (!empty(r->reason)) {
		put_indent(p, 2);
		put_wrapped(p, 2, 4, r->reason);
	}
	if (!empty(r->detail)) {
		putc('\n', p->out);
		put_block(p, 2, r->detail);
	}
	put_labelled_block(p, "replay with", r->replay);
}

/* What there is to say beside the verdict, in one line; "" if nothing. */
static const char *remark(const struct kc_result *r)
{
	if (!empty(r->reason))
		return r->reason;
	if (r->nviolations)
		return r->violations[0].message;
	return or_empty(r->message);
}

static void put_line(const struct pen *p, const struct kc_result *r)
{
	unsigned n = (unsigned)strlen(kc_verdict_name(r->verdict));

	paint(p, verdict_sgr[r->verdict], kc_verdict_name(r->verdict));
	put_indent(p, n < 6 ? 6 - n : 1);
	put_name(p, r);
	if (!empty(remark(r))) {
		fputs(": ", p->out);
		put_plain(p, remark(r), strlen(remark(r)));
	}
	putc('\n', p->out);
}

static bool in_full(const struct kc_result *r)
{
	return r->verdict == KC_FAIL || r->verdict == KC_ERROR;
}

void kc_result_text(const struct kc_result *r, FILE *out, bool colour)
{
	struct pen p = { out, colour };

	if (in_full(r))
		put_full(&p, r);
	else
		put_line(&p, r);
}

static void put_section(const struct pen *p, enum kc_verdict v, const char *title, unsigned count)
{
	paint(p, verdict_sgr[v], title);
	fprintf(p->out, " (%u)\n", count);
}

static void put_failures(const struct pen *p, const struct kc_report *rep)
{
	for (unsigned i = 0; i < rep->nresults; i++) {
		if (!in_full(rep->results[i]))
			continue;
		put_full(p, rep->results[i]);
		putc('\n', p->out);
	}
}

/* One entry for each test of that verdict, with its remark below. */
static void put_list(const struct pen *p, const struct kc_report *rep, enum kc_verdict v,
		     const char *title)
{
	if (!rep->counts[v])
		return;
	put_section(p, v, title, rep->counts[v]);
	for (unsigned i = 0; i < rep->nresults; i++) {
		const struct kc_result *r = rep->results[i];
		unsigned column;

		if (r->verdict != v)
			continue;
		put_indent(p, 2);
		column = 2 + put_name(p, r);
		if (!empty(remark(r)))
			column += (unsigned)fprintf(p->out, ": ");
		put_wrapped(p, column, 6, remark(r));
	}
	putc('\n', p->out);
}

/* A violation together with its test, to be sorted by clause. */
struct accusation {
	const struct kc_result *result;
	const struct kc_violation *violation;
	unsigned place;			/* keeps the order of the run within a clause */
};

static int by_clause(const void *a, const void *b)
{
	const struct accusation *x = a, *y = b;
	int d = strcmp(x->violation->clause, y->violation->clause);

	return d ? d : (x->place > y->place) - (x->place < y->place);
}

static unsigned collect_warnings(const struct kc_report *rep, struct accusation *list)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rep->nresults; i++) {
		const struct kc_result *r = rep->results[i];

		for (unsigned k = 0; r->verdict == KC_WARN && k < r->nviolations; k++) {
			if (list)
				list[n] = (struct accusation){ r, &r->violations[k], n };
			n++;
		}
	}
	return n;
}

static void put_accusation(const struct pen *p, const struct accusation *a)
{
	put_indent(p, 4);
	put_name(p, a->result);
	if (a->violation->line)
		fprintf(p->out, " line %u", a->violation->line);
	fputs(": ", p->out);
	put_plain(p, a->violation->message, strlen(a->violation->message));
	putc('\n', p->out);
}

/* All of one clause, or the first of many. How many they are. */
static unsigned put_accusations(const struct pen *p, const struct accusation *list, unsigned n, bool all)
{
	const char *clause = list->violation->clause;
	unsigned same = 1;

	while (same < n && !strcmp(list[same].violation->clause, clause))
		same++;
	put_clause(p, 2, clause);
	for (unsigned i = 0; i < same && (all || same <= WARNINGS_MAX || i < WARNINGS_MAX); i++)
		put_accusation(p, &list[i]);
	if (!all && same > WARNINGS_MAX) {
		put_indent(p, 4);
		fprintf(p->out, "and %u more (-v tells of all)\n", same - WARNINGS_MAX);
	}
	return same;
}

static int put_warnings(const struct pen *p, const struct kc_report *rep, bool all)
{
	unsigned n = collect_warnings(rep, NULL);
	struct accusation *list;

	if (!rep->counts[KC_WARN])
		return 0;
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	collect_warnings(rep, list);
	qsort(list, n, sizeof(*list), by_clause);
	put_section(p, KC_WARN, "warnings", rep->counts[KC_WARN]);
	for (unsigned i = 0; i < n;)
		i += put_accusations(p, &list[i], n - i, all);
	/* A warning without a violation has at least its message. */
	for (unsigned i = 0; i < rep->nresults; i++)
		if (rep->results[i]->verdict == KC_WARN && !rep->results[i]->nviolations)
			put_line(p, rep->results[i]);
	putc('\n', p->out);
	free(list);
	return 0;
}

struct reason {
	const char *text;
	unsigned count;
	unsigned place;			/* of its first test */
};

static int by_text(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;
	int d = strcmp(x->text, y->text);

	return d ? d : (x->place > y->place) - (x->place < y->place);
}

static int by_count(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (x->place > y->place) - (x->place < y->place);
}

/* Fills list (one entry for each skip) and folds equal reasons; returns how many are left. */
static unsigned fold_reasons(const struct kc_report *rep, struct reason *list)
{
	unsigned n = 0, kept = 0;

	for (unsigned i = 0; i < rep->nresults; i++)
		if (rep->results[i]->verdict == KC_SKIP)
			list[n++] = (struct reason){ or_empty(rep->results[i]->reason), 1, i };
	qsort(list, n, sizeof(*list), by_text);
	for (unsigned i = 0; i < n; i++) {
		if (kept && !strcmp(list[kept - 1].text, list[i].text))
			list[kept - 1].count++;
		else
			list[kept++] = list[i];
	}
	qsort(list, kept, sizeof(*list), by_count);
	return kept;
}

static int put_skips(const struct pen *p, const struct kc_report *rep)
{
	struct reason *list;
	unsigned n;

	if (!rep->counts[KC_SKIP])
		return 0;
	list = calloc(rep->counts[KC_SKIP], sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = fold_reasons(rep, list);
	put_section(p, KC_SKIP, "skipped", rep->counts[KC_SKIP]);
	for (unsigned i = 0; i < n; i++) {
		fprintf(p->out, "%5u  ", list[i].count);
		put_wrapped(p, 7, 7, *list[i].text ? list[i].text : "no reason given");
	}
	putc('\n', p->out);
	free(list);
	return 0;
}

/* What the requests of all tests cost. */
static int put_metrics(const struct pen *p, const struct kc_report *rep)
{
	struct kc_metrics sum;
	int ret = kc_report_metrics(rep, &sum);

	if (!ret && kc_metrics_table(&sum, rep->info.mode && !strcmp(rep->info.mode, "sim"), p->out))
		putc('\n', p->out);
	kc_metrics_fini(&sum);
	return ret;
}

static void put_run(const struct pen *p, const struct kc_run_info *info)
{
	char text[256];

	snprintf(text, sizeof(text), "%s on %s, %s mode, seed %llu", or_empty(info->device),
		 or_empty(info->spec), or_empty(info->mode), (unsigned long long)info->seed);
	paint(p, SGR_FAINT, text);
	putc('\n', p->out);
	if (info->complete)
		return;
	paint(p, verdict_sgr[KC_WARN], "stopped before all tests had run");
	if (info->stopped) {
		fputs(": ", p->out);
		put_plain(p, info->stopped, strlen(info->stopped));
	}
	putc('\n', p->out);
}

static void put_duration(const struct pen *p, int64_t ms)
{
	if (ms < 60000)
		fprintf(p->out, " in %lld.%lld s\n", (long long)ms / 1000,
			(long long)ms % 1000 / 100);
	else
		fprintf(p->out, " in %lld min %lld s\n", (long long)ms / 60000,
			(long long)ms % 60000 / 1000);
}

/* "142 pass, 1 fail, 3 warn in 2.3 s": pass and fail always, the others when there are any. */
static void put_counts(const struct pen *p, const struct kc_report *rep)
{
	static const enum kc_verdict order[] = {
		KC_PASS, KC_FAIL, KC_ERROR, KC_XPASS, KC_INCONCLUSIVE, KC_WARN, KC_KNOWN, KC_SKIP,
	};
	const char *comma = "";

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		unsigned n = rep->counts[order[i]];
		char text[48];

		if (!n && order[i] != KC_PASS && order[i] != KC_FAIL)
			continue;
		snprintf(text, sizeof(text), "%u %s", n, kc_verdict_name(order[i]));
		fputs(comma, p->out);
		paint(p, n ? verdict_sgr[order[i]] : SGR_FAINT, text);
		comma = ", ";
	}
	put_duration(p, rep->info.duration_ms);
}

int kc_report_text(const struct kc_report *rep, FILE *out, bool verbose, bool colour)
{
	struct pen p = { out, colour };
	int ret;

	for (unsigned i = 0; verbose && i < rep->nresults; i++) {
		put_line(&p, rep->results[i]);
		kc_metrics_text(&rep->results[i]->metrics, out);
	}
	if (verbose && rep->nresults)
		putc('\n', out);
	put_failures(&p, rep);
	put_list(&p, rep, KC_INCONCLUSIVE, "inconclusive");
	put_list(&p, rep, KC_XPASS, "expected to fail, but did not");
	ret = put_warnings(&p, rep, verbose);
	put_list(&p, rep, KC_KNOWN, "known failures");
	if (!ret)
		ret = put_skips(&p, rep);
	if (!ret)
		ret = put_metrics(&p, rep);
	put_run(&p, &rep->info);
	put_counts(&p, rep);
	if (fflush(out) || ferror(out))
		return -EIO;
	return ret;
}

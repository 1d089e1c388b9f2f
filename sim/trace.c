/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: every event goes into a small ring, from which a failure report draws its
 * last lines, and at once as one JSON object into the file, if there is one. The file is written
 * by hand rather than through a JSON library, because the order and spelling of its bytes is
 * promised. Text comes from scripts and peers, so it may hold anything: what is not UTF-8 becomes
 * U+FFFD, and the line stays valid JSON.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <common/say.h>
#include <sim/trace.h>

const char *kc_actor_name(enum kc_actor a)
{
	static const char *const names[] = {
		[KC_ACTOR_DRIVER] = "driver", [KC_ACTOR_VCPU] = "vcpu", [KC_ACTOR_KVM] = "kvm",
		[KC_ACTOR_VMM] = "vmm", [KC_ACTOR_BACKEND] = "backend",
		[KC_ACTOR_ORACLE] = "oracle", [KC_ACTOR_SCRIPT] = "script",
	};

	return (unsigned)a < sizeof(names) / sizeof(names[0]) ? names[a] : "unknown";
}

/* Bytes of the UTF-8 character at s, or 0 if there is none (overlong forms and surrogates count as
 * none). s ends with a 0 byte, which no continuation byte equals. */
static unsigned utf8_len(const unsigned char *s)
{
	static const struct { unsigned char lo, hi, lo2, hi2; unsigned len; } rows[] = {
		{ 0x01, 0x7f, 0, 0, 1 },	{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },	{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },	{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },	{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (s[0] < rows[i].lo || s[0] > rows[i].hi)
			continue;
		if (rows[i].len > 1 && (s[1] < rows[i].lo2 || s[1] > rows[i].hi2))
			return 0;
		for (unsigned k = 2; k < rows[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

static void put_string(FILE *f, const char *str)
{
	const unsigned char *s = (const unsigned char *)str;
	unsigned n;

	fputc('"', f);
	for (; *s; s += n ? n : 1) {
		n = utf8_len(s);
		if (!n)
			fputs("\\ufffd", f);
		else if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if (*s < 0x20)
			fprintf(f, "\\u%04x", *s);
		else
			fwrite(s, 1, n, f);
	}
	fputc('"', f);
}

static void put_line(const struct kc_trace *t, const struct kc_trace_event *e, const char *text)
{
	FILE *f = t->file;

	fputs("{\"test\":", f);
	put_string(f, t->test ? t->test : "");
	fprintf(f, ",\"step\":%u,\"time\":%" PRId64 ",\"actor\":\"%s\",\"operation\":", e->step,
		e->time_ns, kc_actor_name(e->actor));
	put_string(f, e->op);
	fputs(",\"place\":", f);
	put_string(f, e->place);
	fputs(",\"value\":", f);
	if (text)
		put_string(f, text);
	else
		fprintf(f, "%" PRIu64, e->value);
	fputs("}\n", f);
}

/* What does not fit is cut off. */
static void keep(char *to, size_t room, const char *from)
{
	size_t n = strnlen(from, room - 1);

	memcpy(to, from, n);
	to[n] = 0;
}

static void record(struct kc_trace *t, enum kc_actor actor, const char *op, uint64_t value,
		   const char *text, const char *place, va_list ap)
{
	struct kc_trace_event *e = &t->kept[t->count++ % KC_TRACE_KEPT];

	e->time_ns = t->now ? t->now(t->now_ctx) : 0;
	e->step = t->step;
	e->actor = actor;
	e->value = value;
	e->op = op;
	kc_vsay(e->place, sizeof(e->place), place, ap);
	e->text[0] = '\0';
	if (text)
		keep(e->text, sizeof(e->text), text);
	if (t->file)
		put_line(t, e, text);
}

void kc_trace_value(struct kc_trace *t, enum kc_actor actor, const char *op, uint64_t value,
		    const char *place, ...)
{
	va_list ap;

	if (!t)
		return;
	va_start(ap, place);
	record(t, actor, op, value, NULL, place, ap);
	va_end(ap);
}

void kc_trace_text(struct kc_trace *t, enum kc_actor actor, const char *op, const char *text,
		   const char *place, ...)
{
	va_list ap;

	if (!t)
		return;
	va_start(ap, place);
	record(t, actor, op, 0, text ? text : "", place, ap);
	va_end(ap);
}

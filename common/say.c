/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the format is walked once. What is not one of the few conversions known here
 * hands the whole of it, from its beginning, to vsnprintf.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <common/say.h>

#define DIGITS_MAX	20	/* of 2^64 - 1 */

struct text {
	char *at, *last;	/* last is for the final 0 */
};

static void put(struct text *t, char c)
{
	if (t->at < t->last)
		*t->at++ = c;
}

static void put_number(struct text *t, unsigned long long v)
{
	char digits[DIGITS_MAX];
	unsigned n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
	} while (v /= 10);
	while (n)
		put(t, digits[--n]);
}

static void put_string(struct text *t, const char *s)
{
	while (*s)
		put(t, *s++);
}

/* The conversion behind a '%'; returns what follows it, or NULL if it is not known here. */
static const char *convert(struct text *t, const char *spec, va_list *ap)
{
	switch (*spec) {
	case 'u':
		put_number(t, va_arg(*ap, unsigned));
		return spec + 1;
	case 's':
		put_string(t, va_arg(*ap, const char *));
		return spec + 1;
	case '%':
		put(t, '%');
		return spec + 1;
	}
	if (!strncmp(spec, "lu", 2)) {
		put_number(t, va_arg(*ap, unsigned long));
		return spec + 2;
	}
	if (!strncmp(spec, "llu", 3)) {
		put_number(t, va_arg(*ap, unsigned long long));
		return spec + 3;
	}
	return NULL;
}

/* False if there is a conversion that is not known here. */
static bool say(struct text *t, const char *fmt, va_list *ap)
{
	while (fmt && *fmt)
		if (*fmt == '%')
			fmt = convert(t, fmt + 1, ap);
		else
			put(t, *fmt++);
	return fmt;
}

size_t kc_vsay(char *buf, size_t cap, const char *fmt, va_list ap)
{
	struct text t = { buf, buf + cap - 1 };
	va_list quick, whole;

	va_copy(quick, ap);
	va_copy(whole, ap);
	if (say(&t, fmt, &quick)) {
		*t.at = '\0';
	} else {
		vsnprintf(buf, cap, fmt, whole);
		t.at = buf + strlen(buf);
	}
	va_end(whole);
	va_end(quick);
	return (size_t)(t.at - buf);
}

size_t kc_say(char *buf, size_t cap, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = kc_vsay(buf, cap, fmt, ap);
	va_end(ap);
	return n;
}

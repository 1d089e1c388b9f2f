/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: an error is a negative errno for the program and one sentence for a person.
 * Both functions hand the code back, so that a caller reports and returns in one line. A sentence
 * that is too long is cut; it is never a reason to fail.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <kickcall/err.h>

int kc_err_set(struct kc_err *err, int code, const char *fmt, ...)
{
	char tmp[sizeof(err->msg)];	/* an argument may be err->msg itself */
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	memcpy(err->msg, tmp, sizeof(tmp));
	return code;
}

int kc_err_wrap(struct kc_err *err, int code, const char *fmt, ...)
{
	char tmp[sizeof(err->msg)];
	va_list ap;
	size_t n;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	n = strlen(tmp);
	if (n + 2 < sizeof(tmp)) {
		size_t room = sizeof(tmp) - 1 - (n + 2);
		size_t len = strnlen(err->msg, room);

		memcpy(tmp + n, ": ", 2);
		memcpy(tmp + n + 2, err->msg, len);
		tmp[n + 2 + len] = '\0';
	}
	memcpy(err->msg, tmp, sizeof(tmp));
	return code;
}

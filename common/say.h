/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_SAY_H
#define COMMON_SAY_H

#include <stdarg.h>
#include <stddef.h>

/* vsnprintf(3) for texts that are made for every request, most of them never read: the same bytes, and the
 * same cut when they do not fit, in a fraction of the time when the format has only %u, %lu, %llu, %s and %%.
 * They return how many bytes they wrote, the final 0 not counted. cap > 0. */
size_t kc_vsay(char *buf, size_t cap, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));
size_t kc_say(char *buf, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

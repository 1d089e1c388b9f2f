/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KICKCALL_ERR_H
#define KICKCALL_ERR_H

/*
 * Errors travel as 0 or -errno. Where a person will read about it, the function also takes a
 * `struct kc_err *` (which may be NULL) and leaves one sentence in it.
 */
struct kc_err {
	char msg[512];
};

/* Writes the sentence (if err is not NULL) and returns code, so that `return kc_err_set(...)` works. */
int kc_err_set(struct kc_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the sentence already in err; returns code. */
int kc_err_wrap(struct kc_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_CORO_H
#define SIM_CORO_H

#include <stdbool.h>

/*
 * A coroutine with a stack of its own. Whoever enters it gets control back when it leaves or its
 * function returns. Everything happens on one thread; a coroutine may enter another, not itself.
 *
 * Compiled on Boost.Context's entry points with KC_CORO_BOOST, else on ucontext (a system call per
 * switch). AddressSanitizer and valgrind are told about the stacks.
 */
#define KC_CORO_STACK	(512u << 10)	/* bytes, below which lies a page that cannot be touched */

struct kc_coro;

/* Does not run fn yet. NULL if there is no memory. */
struct kc_coro *kc_coro_new(void (*fn)(void *arg), void *arg);
/* A coroutine that has not returned is abandoned: its stack goes, what it holds stays. NULL is
 * allowed; never from inside. */
void kc_coro_free(struct kc_coro *c);
/* Runs c until it leaves or returns. Not after it has returned. */
void kc_coro_enter(struct kc_coro *c);
/* From inside c: back to who entered it; returns at the next enter. */
void kc_coro_leave(struct kc_coro *c);
/* Has its function returned? */
bool kc_coro_done(const struct kc_coro *c);

#endif

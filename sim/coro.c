/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: two machine contexts per coroutine, its own while it is left and its
 * caller's while it runs, and one primitive per variant, jump_in() and jump_out(), which saves one
 * and resumes the other. Around each jump AddressSanitizer is told which stack comes next: before
 * the jump where it goes to, after it, on the other side, that it has arrived (and there it says
 * what the caller's stack was, which the way back needs).
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sim/coro.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define START_SWITCH(save, lo, size)	__sanitizer_start_switch_fiber(save, lo, size)
#define FINISH_SWITCH(save, lo, size)	__sanitizer_finish_switch_fiber(save, lo, size)
#define UNPOISON(lo, size)		__asan_unpoison_memory_region(lo, size)
#else
#define START_SWITCH(save, lo, size)	((void)(save), (void)(lo), (void)(size))
#define FINISH_SWITCH(save, lo, size)	((void)(save), (void)(lo), (void)(size))
#define UNPOISON(lo, size)		((void)(lo), (void)(size))
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(lo, hi)	0
#define VALGRIND_STACK_DEREGISTER(id)	((void)(id))
#endif

#ifdef KC_CORO_BOOST
/* Boost.Context has no C header; these are the entry points of its library. */
typedef struct {
	void *fctx;	/* who jumped here, suspended */
	void *data;
} transfer_t;
transfer_t jump_fcontext(void *to, void *vp);
void *make_fcontext(void *sp, size_t size, void (*fn)(transfer_t t));
#else
#include <ucontext.h>
#endif

#define GUARD	4096u

struct kc_coro {
	void (*fn)(void *arg);
	void *arg;
	bool done;
	bool inside;
	char *map;			/* guard page, then the stack */
	unsigned valgrind_id;
	void *own_fake, *caller_fake;	/* AddressSanitizer's side of a suspended stack */
	const void *caller_lo;
	size_t caller_size;
#ifdef KC_CORO_BOOST
	void *own, *caller;
#else
	ucontext_t own, caller;
#endif
};

static char *stack_lo(const struct kc_coro *c)
{
	return c->map + GUARD;
}

static void leave(struct kc_coro *c);

static void run(struct kc_coro *c)
{
	FINISH_SWITCH(NULL, &c->caller_lo, &c->caller_size);
	c->fn(c->arg);
	c->done = true;
	leave(c);
	abort();	/* a finished coroutine was entered */
}

#ifdef KC_CORO_BOOST
static void entry(transfer_t t)
{
	struct kc_coro *c = t.data;

	c->caller = t.fctx;
	run(c);
}

static void prepare(struct kc_coro *c)
{
	c->own = make_fcontext(stack_lo(c) + KC_CORO_STACK, KC_CORO_STACK, entry);
}

static void jump_in(struct kc_coro *c)
{
	c->own = jump_fcontext(c->own, c).fctx;
}

static void jump_out(struct kc_coro *c)
{
	c->caller = jump_fcontext(c->caller, c).fctx;
}
#else
/* makecontext passes ints only. */
static void entry(unsigned hi, unsigned lo)
{
	run((struct kc_coro *)(uintptr_t)((uint64_t)hi << 32 | lo));
}

static void prepare(struct kc_coro *c)
{
	uint64_t p = (uintptr_t)c;

	getcontext(&c->own);
	c->own.uc_stack.ss_sp = stack_lo(c);
	c->own.uc_stack.ss_size = KC_CORO_STACK;
	c->own.uc_link = NULL;
	makecontext(&c->own, (void (*)(void))entry, 2, (unsigned)(p >> 32), (unsigned)p);
}

static void jump_in(struct kc_coro *c)
{
	swapcontext(&c->caller, &c->own);
}

static void jump_out(struct kc_coro *c)
{
	swapcontext(&c->own, &c->caller);
}
#endif

struct kc_coro *kc_coro_new(void (*fn)(void *arg), void *arg)
{
	struct kc_coro *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fn = fn;
	c->arg = arg;
	c->map = mmap(NULL, GUARD + KC_CORO_STACK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (c->map == MAP_FAILED) {
		free(c);
		return NULL;
	}
	if (mprotect(c->map, GUARD, PROT_NONE)) {
		munmap(c->map, GUARD + KC_CORO_STACK);
		free(c);
		return NULL;
	}
	c->valgrind_id = VALGRIND_STACK_REGISTER(stack_lo(c), stack_lo(c) + KC_CORO_STACK - 1);
	prepare(c);
	return c;
}

void kc_coro_free(struct kc_coro *c)
{
	if (!c)
		return;
	assert(!c->inside);
	VALGRIND_STACK_DEREGISTER(c->valgrind_id);
	UNPOISON(stack_lo(c), KC_CORO_STACK);	/* the addresses will be somebody else's */
	munmap(c->map, GUARD + KC_CORO_STACK);
	free(c);
}

void kc_coro_enter(struct kc_coro *c)
{
	assert(!c->done && !c->inside);
	c->inside = true;
	START_SWITCH(&c->caller_fake, stack_lo(c), KC_CORO_STACK);
	jump_in(c);
	FINISH_SWITCH(c->caller_fake, NULL, NULL);
	c->inside = false;
}

static void leave(struct kc_coro *c)
{
	/* NULL: this stack will not be resumed. */
	START_SWITCH(c->done ? NULL : &c->own_fake, c->caller_lo, c->caller_size);
	jump_out(c);
	FINISH_SWITCH(c->own_fake, &c->caller_lo, &c->caller_size);
}

void kc_coro_leave(struct kc_coro *c)
{
	assert(c->inside);
	leave(c);
}

bool kc_coro_done(const struct kc_coro *c)
{
	return c->done;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Coroutines: order, state across switches, nesting, abandonment, the guard page. Failed checks
 * leave by longjmp, so they are made outside only. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <sim/coro.h>

struct variant {
	struct kc_coro *(*new)(void (*fn)(void *arg), void *arg);
	void (*free)(struct kc_coro *c);
	void (*enter)(struct kc_coro *c);
	void (*leave)(struct kc_coro *c);
	bool (*done)(const struct kc_coro *c);
};

static const struct variant library = { kc_coro_new, kc_coro_free, kc_coro_enter, kc_coro_leave,
					kc_coro_done };

#ifdef KC_CORO_BOOST
/* The library was built on Boost.Context: the fallback is compiled in here, under other names. */
#undef KC_CORO_BOOST
#undef SIM_CORO_H
#define kc_coro_new	fallback_new
#define kc_coro_free	fallback_free
#define kc_coro_enter	fallback_enter
#define kc_coro_leave	fallback_leave
#define kc_coro_done	fallback_done
#include <sim/coro.c>
#define KC_CORO_BOOST

static const struct variant fallback = { kc_coro_new, kc_coro_free, kc_coro_enter, kc_coro_leave,
					 kc_coro_done };
#endif

static const struct variant *v;

struct co {
	struct kc_coro *c, *other;
	unsigned steps, limit;
	uint64_t sum;
	char log[64];
};

static void count(void *arg)
{
	struct co *co = arg;
	uint64_t local = 1;
	double d = 0.5;

	for (co->steps = 1; co->steps < co->limit; co->steps++) {
		v->leave(co->c);
		local = local * 3 + 1;
		d = (d + local) / 3;
		co->sum = local + (uint64_t)d;
	}
}

static void test_runs(void **state)
{
	struct co co = { .limit = 5 };
	uint64_t local = 1;
	double d = 0.5;

	v = *state;
	co.c = v->new(count, &co);
	assert_non_null(co.c);
	assert_int_equal(co.steps, 0);
	v->enter(co.c);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(co.steps, i);
		assert_false(v->done(co.c));
		v->enter(co.c);
		local = local * 3 + 1;
		d = (d + local) / 3;
		assert_true(co.sum == local + (uint64_t)d);
	}
	assert_true(v->done(co.c));
	v->free(co.c);
	v->free(NULL);
}

/* Hundreds of switches among many, each with its own locals; then half of them are abandoned. */
static void test_many(void **state)
{
	enum { N = 50 };
	struct co co[N] = { 0 };

	v = *state;
	for (unsigned i = 0; i < N; i++) {
		co[i].limit = i % 2 ? 100 : 5;
		co[i].c = v->new(count, &co[i]);
	}
	for (unsigned round = 0; round < 20; round++)
		for (unsigned i = 0; i < N; i++)
			if (!v->done(co[i].c))
				v->enter(co[i].c);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(v->done(co[i].c), i % 2 == 0);
		assert_int_equal(co[i].steps, i % 2 ? 20 : 5);
		v->free(co[i].c);
	}
}

static void inner(void *arg)
{
	struct co *co = arg;

	strcat(co->log, "i");
	v->leave(co->other);
	strcat(co->log, "I");
}

static void outer(void *arg)
{
	struct co *co = arg;

	co->other = v->new(inner, co);
	strcat(co->log, "o");
	v->enter(co->other);
	strcat(co->log, "-");
	v->leave(co->c);
	v->enter(co->other);
	strcat(co->log, "O");
	v->free(co->other);
}

static void test_nested(void **state)
{
	struct co co = { 0 };

	v = *state;
	co.c = v->new(outer, &co);
	v->enter(co.c);
	assert_string_equal(co.log, "oi-");
	v->enter(co.c);
	assert_string_equal(co.log, "oi-IO");
	assert_true(v->done(co.c));
	v->free(co.c);
}

/* Every frame is in use by the next, so that no compiler makes a loop of it. */
static unsigned deep(unsigned n, volatile char *below)
{
	volatile char frame[4096];
	unsigned r;

	frame[0] = below[0];
	r = n ? deep(n - 1, frame) : 7;
	below[1] = frame[0];
	return r;
}

static void use_stack(void *arg)
{
	struct co *co = arg;

	co->sum = deep(co->limit, co->log);
}

/* Most of the stack can be used; beyond it is a fault, not somebody else's memory. */
static void test_stack(void **state)
{
	struct co co = { .limit = KC_CORO_STACK / 4096 / 2 };
	int status;
	pid_t pid;

	v = *state;
	co.c = v->new(use_stack, &co);
	v->enter(co.c);
	assert_true(v->done(co.c) && co.sum == 7);
	v->free(co.c);

	pid = fork();
	if (!pid) {
		close(STDERR_FILENO);	/* what sanitizers have to say */
		co.limit = KC_CORO_STACK / 4096 + 16;
		co.c = v->new(use_stack, &co);
		v->enter(co.c);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#ifdef KC_CORO_BOOST
#define BOTH(f) { #f "/boost", f, NULL, NULL, (void *)&library }, \
		{ #f "/ucontext", f, NULL, NULL, (void *)&fallback }
#else
#define BOTH(f) { #f "/ucontext", f, NULL, NULL, (void *)&library }
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_runs), BOTH(test_many), BOTH(test_nested), BOTH(test_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

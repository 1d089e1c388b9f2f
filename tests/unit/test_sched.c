/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler: proofs of deadlock, idle steppers, virtual time, determinism; and live polling.
 * Failed checks leave by longjmp, so they are made on the guest's stack only. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>
#include <sim/sched.h>

#define MS 1000000ll
#define SEC (1000 * MS)

/* A queue of work between actors: a stepper moves one unit from in to out. */
struct mill {
	struct kc_sched *s;
	int *in, *out;
	int points;		/* scheduling points inside a step */
	unsigned steps;
	int end_after;		/* ends (< 0) after so many units, if > 0 */
};

static int mill_step(void *arg)
{
	struct mill *m = arg;
	int there = *m->in;

	m->steps++;
	for (int i = 0; i < m->points; i++)
		kc_sched_point(m->s);
	if (!there)
		return 0;
	(*m->in)--;
	(*m->out)++;
	return m->end_after && *m->out >= m->end_after ? -1 : 1;
}

struct at_least {
	int *value, want;
};

static bool at_least(void *arg)
{
	struct at_least *a = arg;

	return *a->value >= a->want;
}

static int wait_for(struct kc_sched *s, int *value, int want, int64_t timeout_ns)
{
	struct at_least a = { value, want };

	return kc_sched_wait(s, at_least, &a, timeout_ns);
}

static void test_stepper_serves(void **state)
{
	int a = 0, b = 0, c = 0;
	struct mill m1 = { .in = &a, .out = &b }, m2 = { .in = &b, .out = &c };

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct kc_sched *s = kc_sched_new(KC_MODE_SIM, seed);

		/* m2 is spawned first, so it finds nothing at first in most runs. */
		m1.s = m2.s = s;
		m1.points = m2.points = seed % 4;
		b = c = 0;
		assert_int_equal(kc_sched_spawn_stepper(s, "m2", mill_step, &m2), 0);
		assert_int_equal(kc_sched_spawn_stepper(s, "m1", mill_step, &m1), 0);
		for (int round = 1; round <= 3; round++) {
			a = 5;
			assert_int_equal(wait_for(s, &c, 5 * round, SEC), 0);
		}
		assert_int_equal(wait_for(s, &c, 16, -1), -EDEADLK);
		assert_true(a == 0 && b == 0 && c == 15);
		kc_sched_free(s);
	}
}

/* The proof comes at once: each stepper is asked once, whatever the timeout. */
static void test_deadlock_is_proved(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct kc_sched *s = kc_sched_new(KC_MODE_SIM, seed);
		int zero = 0, out = 0;
		struct mill m[3];

		for (unsigned i = 0; i < 3; i++) {
			m[i] = (struct mill){ .s = s, .in = &zero, .out = &out, .points = i };
			kc_sched_spawn_stepper(s, "m", mill_step, &m[i]);
		}
		assert_int_equal(wait_for(s, &out, 1, 3600 * SEC), -EDEADLK);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(m[i].steps, 1);
		assert_true(kc_sched_now(s) < MS);
		assert_int_equal(kc_sched_quiesce(s, SEC), 0);
		for (unsigned i = 0; i < 3; i++)
			assert_in_range(m[i].steps, 1, 2);
		kc_sched_free(s);
	}
}

static void test_nobody_else(void **state)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_SIM, 1);
	int v = 0;

	(void)state;
	assert_int_equal(wait_for(s, &v, 1, -1), -EDEADLK);
	assert_int_equal(wait_for(s, &v, 0, 0), 0);
	kc_sched_point(s);
	assert_int_equal(kc_sched_quiesce(s, -1), 0);
	assert_int_equal(kc_sched_mode(s), KC_MODE_SIM);
	kc_sched_free(s);
	kc_sched_free(NULL);
}

static int busy_step(void *arg)
{
	++*(int *)arg;
	return 1;
}

/* A stepper that never rests is cut off by virtual time, not by a clock. */
static void test_livelock_times_out(void **state)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_SIM, 5);
	int n = 0;

	(void)state;
	kc_sched_spawn_stepper(s, "busy", busy_step, &n);
	assert_int_equal(wait_for(s, &n, INT32_MAX, 2 * MS), -ETIMEDOUT);
	assert_in_range(n, 2000, 2100);
	assert_true(kc_sched_now(s) == n * 1000ll);
	assert_int_equal(kc_sched_quiesce(s, MS), -ETIMEDOUT);
	assert_int_equal(wait_for(s, &n, n + 50, MS), 0);
	kc_sched_free(s);
}

/* Steppers that are slow on purpose: one unit, then a pause. */
struct slow {
	struct kc_sched *s;
	int in, out;
	int64_t pause_ns, free_ns;
	unsigned steps;
};

static int slow_step(void *arg)
{
	struct slow *m = arg;

	m->steps++;
	if (!m->in)
		return 0;
	if (kc_sched_now(m->s) < m->free_ns) {
		kc_sched_wake_at(m->s, m->free_ns);
		return 0;
	}
	m->free_ns = kc_sched_now(m->s) + m->pause_ns;
	m->in--;
	m->out++;
	return 1;
}

static struct kc_sched *with_slow(struct slow *m, uint64_t seed)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_SIM, seed);

	m->s = s;
	assert_int_equal(kc_sched_spawn_stepper(s, "slow", slow_step, m), 0);
	return s;
}

/* It goes on by itself, time jumps, and when all is done that is proved as ever. */
static void test_a_stepper_wakes_up(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct slow m = { .in = 5, .pause_ns = 10 * MS };
		struct kc_sched *s = with_slow(&m, seed);

		assert_int_equal(wait_for(s, &m.out, 5, SEC), 0);
		assert_in_range(kc_sched_now(s), 40 * MS, 41 * MS);
		assert_in_range(m.steps, 5, 20);		/* it slept, it did not poll */
		assert_int_equal(wait_for(s, &m.out, 6, SEC), -EDEADLK);
		assert_in_range(kc_sched_now(s), 40 * MS, 41 * MS);
		assert_false(kc_sched_asleep(s));
		assert_int_equal(kc_sched_quiesce(s, SEC), 0);
		kc_sched_free(s);
	}
}

/* Somebody sleeps beyond the deadline: that is a time-out, and proves nothing. */
static void test_no_proof_while_one_sleeps(void **state)
{
	struct slow m = { .in = 2, .pause_ns = SEC };
	struct kc_sched *s = with_slow(&m, 1);
	int64_t before;

	(void)state;
	assert_int_equal(wait_for(s, &m.out, 1, SEC), 0);
	before = kc_sched_now(s);
	assert_int_equal(wait_for(s, &m.out, 2, 10 * MS), -ETIMEDOUT);
	assert_true(kc_sched_asleep(s));
	assert_in_range(kc_sched_now(s) - before, 10 * MS, 11 * MS);
	assert_int_equal(kc_sched_quiesce(s, 10 * MS), -ETIMEDOUT);
	assert_int_equal(wait_for(s, &m.out, 2, -1), 0);
	assert_int_equal(wait_for(s, &m.out, 3, -1), -EDEADLK);
	kc_sched_free(s);
}

/* While it sleeps it hears of what happens, and may find that it need not wake up at all. */
static void test_a_sleeper_is_not_deaf(void **state)
{
	struct slow m = { .in = 2, .pause_ns = SEC };
	struct kc_sched *s = with_slow(&m, 1);

	(void)state;
	assert_int_equal(wait_for(s, &m.out, 1, SEC), 0);
	kc_sched_quiesce(s, MS);
	m.in = 0;
	assert_int_equal(wait_for(s, &m.out, 2, 10 * SEC), -EDEADLK);
	assert_true(kc_sched_now(s) < SEC / 2);
	kc_sched_free(s);
}

static void test_two_sleepers_wake_in_turn(void **state)
{
	struct slow a = { .in = 3, .pause_ns = 20 * MS }, b = { .in = 3, .pause_ns = 30 * MS };
	struct kc_sched *s = with_slow(&a, 3);

	(void)state;
	b.s = s;
	assert_int_equal(kc_sched_spawn_stepper(s, "slower", slow_step, &b), 0);
	assert_int_equal(wait_for(s, &a.out, 3, SEC), 0);
	assert_int_equal(b.out, 2);
	assert_in_range(kc_sched_now(s), 40 * MS, 41 * MS);
	assert_int_equal(wait_for(s, &b.out, 3, SEC), 0);
	assert_in_range(kc_sched_now(s), 60 * MS, 61 * MS);
	kc_sched_free(s);
}

static void test_stepper_ends(void **state)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_SIM, 2);
	int in = 10, out = 0;
	struct mill m = { .in = &in, .out = &out, .end_after = 4 };

	(void)state;
	kc_sched_spawn_stepper(s, "m", mill_step, &m);
	assert_int_equal(wait_for(s, &out, 10, SEC), -EDEADLK);
	assert_true(out == 4 && m.steps == 4);
	kc_sched_free(s);
}

/* Work that arrives between a step's look and its end is not slept through. */
struct racy {
	struct kc_sched *s;
	int work, done;
};

static int racy_step(void *arg)
{
	struct racy *r = arg;
	int seen = r->work;

	kc_sched_point(r->s);
	kc_sched_point(r->s);
	if (!seen)
		return 0;
	r->work -= seen;
	r->done += seen;
	return 1;
}

static void test_no_lost_wakeup(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct racy r = { .s = kc_sched_new(KC_MODE_SIM, seed) };

		kc_sched_spawn_stepper(r.s, "racy", racy_step, &r);
		for (int i = 1; i <= 20; i++) {
			r.work++;
			kc_sched_point(r.s);
		}
		assert_int_equal(wait_for(r.s, &r.done, 20, SEC), 0);
		kc_sched_free(r.s);
	}
}

/* Spawned actors that wait. */
struct sleeper {
	struct kc_sched *s;
	int64_t timeout_ns, woke_ns;
	int *value, want, result;
	bool back;
	struct { char *log; char mark; } say;
};

static void sleeper(void *arg)
{
	struct sleeper *z = arg;

	z->result = wait_for(z->s, z->value, z->want, z->timeout_ns);
	z->woke_ns = kc_sched_now(z->s);
	z->back = true;
	if (z->say.log)
		strncat(z->say.log, &z->say.mark, 1);
}

static bool is_back(void *arg)
{
	return ((struct sleeper *)arg)->back;
}

/* With nothing else to do, sleepers wake in order of their deadlines, in virtual time. */
static void test_sleep(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct kc_sched *s = kc_sched_new(KC_MODE_SIM, seed);
		static const int64_t ms[] = { 30, 10, 500, 20 };
		char log[8] = "";
		struct sleeper z[4];
		int v = 0;

		for (int i = 0; i < 4; i++) {
			z[i] = (struct sleeper){ .s = s, .timeout_ns = ms[i] * MS, .value = &v,
						 .want = 1, .say = { log, "abcd"[i] } };
			kc_sched_spawn(s, "z", sleeper, &z[i]);
		}
		/* The guest's own deadline comes between: at 100 ms nothing can have happened. */
		assert_int_equal(wait_for(s, &v, 1, 100 * MS), -EDEADLK);
		assert_string_equal(log, "bda");
		for (int i = 0; i < 4; i++) {
			if (i == 2)
				continue;
			assert_int_equal(z[i].result, -EDEADLK);
			assert_in_range(z[i].woke_ns, ms[i] * MS, (ms[i] + 1) * MS);
		}
		assert_int_equal(kc_sched_quiesce(s, -1), 0);
		assert_string_equal(log, "bdac");
		assert_true(kc_sched_now(s) >= 500 * MS);
		kc_sched_free(s);
	}
}

static void test_spawned_waits(void **state)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_SIM, 9);
	int v = 0, in = 3;
	struct sleeper z = { .s = s, .timeout_ns = -1, .value = &v, .want = 3 };
	struct sleeper server = { .s = s, .timeout_ns = -1, .value = &v, .want = 4 };
	struct mill m = { .in = &in, .out = &v };

	(void)state;
	kc_sched_spawn(s, "z", sleeper, &z);
	kc_sched_spawn(s, "server", sleeper, &server);
	kc_sched_spawn_stepper(s, "m", mill_step, &m);
	assert_int_equal(kc_sched_wait(s, is_back, &z, SEC), 0);
	assert_int_equal(z.result, 0);
	/* Without a timeout it is never told, and does not hide the guest's deadlock either. */
	assert_int_equal(kc_sched_wait(s, is_back, &server, SEC), -EDEADLK);
	assert_false(server.back);
	kc_sched_free(s);	/* server is abandoned */
}

static void test_spawned_times_out(void **state)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_SIM, 9);
	int v = 0, n = 0;
	struct sleeper z = { .s = s, .timeout_ns = MS, .value = &v, .want = 1 };

	(void)state;
	kc_sched_spawn(s, "z", sleeper, &z);
	kc_sched_spawn_stepper(s, "busy", busy_step, &n);
	assert_int_equal(kc_sched_wait(s, is_back, &z, SEC), 0);
	assert_int_equal(z.result, -ETIMEDOUT);
	assert_in_range(z.woke_ns, MS, 2 * MS);
	kc_sched_free(s);
}

/* Determinism: who ran when is a function of the seed. */
struct scribe {
	struct kc_sched *s;
	char *log, mark;
};

static void scribe(void *arg)
{
	struct scribe *w = arg;

	for (int i = 0; i < 20; i++) {
		strncat(w->log, &w->mark, 1);
		kc_sched_point(w->s);
	}
}

static void write_log(uint64_t seed, char *log)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_SIM, seed);
	struct scribe w[2] = { { s, log, 'a' }, { s, log, 'b' } };

	log[0] = '\0';
	kc_sched_spawn(s, "a", scribe, &w[0]);
	kc_sched_spawn(s, "b", scribe, &w[1]);
	for (int i = 0; i < 20; i++) {
		strcat(log, "g");
		kc_sched_point(s);
	}
	assert_int_equal(kc_sched_quiesce(s, SEC), 0);
	snprintf(log + strlen(log), 64, " %lld", (long long)kc_sched_now(s));
	kc_sched_free(s);
}

static void test_deterministic(void **state)
{
	char one[200], two[200], first[200];
	unsigned different = 0;

	(void)state;
	write_log(0, first);
	for (uint64_t seed = 1; seed < 20; seed++) {
		write_log(seed, one);
		write_log(seed, two);
		assert_string_equal(one, two);
		different += strcmp(one, first) != 0;
	}
	assert_int_equal(different, 19);
	assert_non_null(strchr(first, 'a'));
}

struct looks {
	struct kc_sched *s;
	unsigned n;
	int fd;
	uint64_t got;
	bool drain;
};

static void look(void *ctx)
{
	struct looks *l = ctx;

	l->n++;
	if (l->drain && read(l->fd, &l->got, sizeof(l->got)) < 0)
		l->got = l->got ? l->got : 0;
}

static void test_observer_sim(void **state)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_SIM, 4);
	struct looks l = { 0 };
	int in = 10, out = 0;
	struct mill m = { .in = &in, .out = &out };

	(void)state;
	kc_sched_set_observer(s, look, &l);
	kc_sched_spawn_stepper(s, "m", mill_step, &m);
	assert_int_equal(kc_sched_quiesce(s, SEC), 0);
	assert_int_equal(l.n, m.steps);
	assert_int_equal(m.steps, 11);
	kc_sched_free(s);
}

/* Live. */

static unsigned one_fd(void *ctx, int *fds, unsigned cap)
{
	struct looks *l = ctx;

	if (cap < 2)
		return 0;
	fds[0] = -1;
	fds[1] = l->fd;
	return 2;
}

static bool has_got(void *arg)
{
	return ((struct looks *)arg)->got != 0;
}

static void *signal_later(void *arg)
{
	poll(NULL, 0, 20);
	if (eventfd_write(*(int *)arg, 3))
		return arg;
	return NULL;
}

static void test_live_wait(void **state)
{
	struct looks l = { .s = kc_sched_new(KC_MODE_LIVE, 0), .fd = eventfd(0, EFD_NONBLOCK),
			   .drain = true };
	pthread_t t;
	void *failed;
	int v = 0;

	(void)state;
	assert_int_equal(kc_sched_spawn(l.s, "x", sleeper, NULL), -ENOTSUP);
	assert_int_equal(kc_sched_spawn_stepper(l.s, "x", busy_step, NULL), -ENOTSUP);
	kc_sched_point(l.s);
	kc_sched_set_observer(l.s, look, &l);
	kc_sched_set_pollfds(l.s, one_fd, &l);
	assert_int_equal(pthread_create(&t, NULL, signal_later, &l.fd), 0);
	assert_int_equal(kc_sched_wait_fn(l.s, has_got, &l, 10 * SEC), 0);
	assert_true(l.got == 3);
	pthread_join(t, &failed);
	assert_null(failed);

	assert_int_equal(wait_for(l.s, &v, 0, 0), 0);
	assert_int_equal(wait_for(l.s, &v, 1, 0), -ETIMEDOUT);
	int64_t before = kc_sched_now(l.s);

	assert_int_equal(wait_for(l.s, &v, 1, 30 * MS), -ETIMEDOUT);
	assert_true(kc_sched_now(l.s) - before >= 30 * MS);
	close(l.fd);
	kc_sched_free(l.s);
}

/* A descriptor that stays readable must not turn waiting into spinning. */
static void test_live_does_not_spin(void **state)
{
	struct looks l = { .s = kc_sched_new(KC_MODE_LIVE, 0), .fd = eventfd(1, EFD_NONBLOCK) };
	int v = 0;

	(void)state;
	kc_sched_set_observer(l.s, look, &l);
	kc_sched_set_pollfds(l.s, one_fd, &l);
	assert_int_equal(wait_for(l.s, &v, 1, 50 * MS), -ETIMEDOUT);
	assert_in_range(l.n, 10, 90);
	close(l.fd);
	kc_sched_free(l.s);
}

struct peer {
	unsigned looks, quiet_from;
};

static bool quiet(void *ctx)
{
	struct peer *p = ctx;

	p->looks++;
	return p->looks == 2 || p->looks >= p->quiet_from;
}

static void test_live_quiesce(void **state)
{
	struct kc_sched *s = kc_sched_new(KC_MODE_LIVE, 0);
	struct peer p = { .quiet_from = 5 };
	int64_t before = kc_sched_now(s);

	(void)state;
	assert_int_equal(kc_sched_quiesce(s, -1), -ETIMEDOUT);
	assert_int_equal(kc_sched_quiesce(s, MS), -ETIMEDOUT);
	kc_sched_set_quiet(s, quiet, &p);
	assert_int_equal(kc_sched_quiesce(s, 10 * SEC), 0);
	assert_int_equal(p.looks, 7);
	assert_true(kc_sched_now(s) - before >= 6 * 2 * MS);
	p = (struct peer){ .quiet_from = 1000000 };
	assert_int_equal(kc_sched_quiesce(s, 10 * MS), -ETIMEDOUT);
	kc_sched_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stepper_serves), cmocka_unit_test(test_deadlock_is_proved),
		cmocka_unit_test(test_nobody_else), cmocka_unit_test(test_livelock_times_out),
		cmocka_unit_test(test_a_stepper_wakes_up),
		cmocka_unit_test(test_no_proof_while_one_sleeps),
		cmocka_unit_test(test_a_sleeper_is_not_deaf),
		cmocka_unit_test(test_two_sleepers_wake_in_turn),
		cmocka_unit_test(test_stepper_ends), cmocka_unit_test(test_no_lost_wakeup),
		cmocka_unit_test(test_sleep), cmocka_unit_test(test_spawned_waits),
		cmocka_unit_test(test_spawned_times_out), cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_observer_sim), cmocka_unit_test(test_live_wait),
		cmocka_unit_test(test_live_does_not_spin), cmocka_unit_test(test_live_quiesce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

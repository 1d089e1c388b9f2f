/* SPDX-License-Identifier: BSD-3-Clause */
/* A spawned back-end that never sleeps with everything done is warned of, unless it is excused. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <backend/adapters.h>
#include <harness/run/scratch.h>
#include <harness/world/world.h>
#include "peer.h"

#define SPINS		"VU-MSG-KICK-03"
#define DONE		"queue 0 split size 4\ndriver request, kick\nexpect 1 used, call\n"

static struct kc_result result;
static char dir[64];

static int setup(void **state)
{
	(void)state;
	return kc_make_scratch(dir, sizeof(dir), NULL);
}

static int teardown(void **state)
{
	(void)state;
	kc_result_fini(&result);
	kc_remove_tree(dir);
	return 0;
}

/* Runs the lines against the peer in that mode; was it accused of spinning? */
static bool spins(char *mode, const char *header, const char *body, struct kc_world_config cfg)
{
	char *argv[] = { peer_exe, !strcmp(mode, "spins") ? "spin" : "peer", mode, "{socket}",
			 NULL };
	const struct kc_spawn_config sc = {
		.argv = argv, .dir = dir, .start_timeout_ns = PEER_TIMEOUT_NS,
	};
	struct kc_script *s;
	struct kc_err err;
	char text[512];

	snprintf(text, sizeof(text), "title t\nclause VQ-SPLIT-USED-02\n%s\n%s", header, body);
	s = kc_script_parse("t.kick", "t", text, 0, &err);
	if (!s)
		fail_msg("%s", err.msg);
	cfg.mode = KC_MODE_LIVE;
	cfg.port = &kc_port_loopback;
	cfg.timeout_ns = 40000000;
	cfg.be = kc_backend_new_spawned(&sc, &err);
	assert_non_null(cfg.be);
	kc_result_fini(&result);
	kc_world_run(s, &cfg, &result);
	kc_backend_free(cfg.be);
	kc_script_free(s);
	for (unsigned i = 0; i < result.nviolations; i++)
		if (!strcmp(result.violations[i].clause, SPINS))
			return true;
	return false;
}

static void a_thread_that_never_sleeps_is_warned_of(void **state)
{
	(void)state;
	assert_true(spins("spins", "", DONE, (struct kc_world_config){ 0 }));
	assert_int_equal(result.verdict, KC_WARN);
	assert_int_equal(result.nviolations, 1);
}

static void one_that_sleeps_is_not(void **state)
{
	(void)state;
	assert_false(spins("serve", "", DONE, (struct kc_world_config){ 0 }));
	assert_int_equal(result.verdict, KC_PASS);
}

/* It is known to, it was said before, it was treated badly, or there is something left to do. */
static void excuses(void **state)
{
	(void)state;
	assert_false(spins("spins", "", DONE, (struct kc_world_config){ .busy_poll = true }));
	assert_int_equal(result.verdict, KC_PASS);
	assert_false(spins("spins", "", DONE, (struct kc_world_config){ .spins_told = true }));
	assert_int_equal(result.verdict, KC_PASS);
	assert_false(spins("spins", "needs hostile\n", DONE, (struct kc_world_config){ 0 }));
	assert_false(spins("spins", "", "queue 0 split size 4 no-kick-fd\ndriver request\nexpect 1 used\n",
			   (struct kc_world_config){ 0 }));
}

static void *spin(void *arg)
{
	for (volatile unsigned *n = arg; ; (*n)++)
		;
	return NULL;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_thread_that_never_sleeps_is_warned_of, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_sleeps_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(excuses, setup, teardown),
	};

	if (argc == 4 && !strcmp(argv[1], "spin")) {
		static unsigned n;
		pthread_t thread;

		if (pthread_create(&thread, NULL, spin, &n))
			return 9;
		return peer_run("serve", argv[3]);
	}
	peer_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A scenario whose back-end has a tap: the far end is there before a frame is sent, and what
 * goes wrong in kickcall's hands is charged to nobody. */
#include "world_fixture.h"
#include "netns.h"

#define QUEUES	"queue 0 split size 16\nqueue 1 split size 16\n"
#define HEAD	"title t\nclause NET-HDR-01\nneeds data-loop\ndevice net\n"
#define ONE	HEAD QUEUES "driver 0 request, kick\ndriver 1 request, kick\nexpect queue 1 1 used\n" \
		"expect queue 0 1 used\nexpect queue 0 nothing used\n"

static struct play tap_play(void)
{
	return (struct play){ .device = "net", .mode = KC_MODE_LIVE, .ref.tap = "kt0",
			      .cfg = { .data_loop = true, .timeout_ns = 200 * PLAY_MS } };
}

static void play_at(struct play *p, const char *ifname, const char *script)
{
	struct kc_err err;
	int code;

	p->cfg.far_end = kc_far_end_start(ifname, &code, &err);
	if (!p->cfg.far_end)
		fail_msg("%s", err.msg);
	play_as(p, script, "");
	kc_far_end_stop(p->cfg.far_end);
}

static void expect_verdict(enum kc_verdict v, const char *said)
{
	const char *why = result.message ? result.message : result.reason ? result.reason : "";

	if (result.verdict != v || !strstr(why, said))
		fail_msg("expected %s: %s, actual %s: %s", kc_verdict_name(v), said,
			 kc_verdict_name(result.verdict), why);
}

static void a_frame_comes_back_without_a_hello(void **state)
{
	struct play p = tap_play();

	(void)state;
	NETNS_NEEDED();
	play_at(&p, "kt0", ONE);
	expect_verdict(KC_PASS, "");
}

static void without_a_far_end_nothing_does(void **state)
{
	struct play p = tap_play();

	(void)state;
	NETNS_NEEDED();
	p.cfg.timeout_ns = 20 * PLAY_MS;
	play_as(&p, ONE, "");
	expect_verdict(KC_INCONCLUSIVE, "has not come");
}

static void a_tap_that_is_not_there_is_an_error(void **state)
{
	struct play p = tap_play();

	(void)state;
	NETNS_NEEDED();
	p.cfg.timeout_ns = 20 * PLAY_MS;
	play_at(&p, "other0", ONE);
	expect_verdict(KC_ERROR, "there is no interface other0");
	assert_int_equal(result.nviolations, 0);
}

/* Once a frame has come back: the far end stands there by then, and has seen the MTU that it wants. */
static void shrink(struct play *p, struct kc_world *w)
{
	if (w->trace.step > 11 && !p->steps++)
		kc_netif_set_mtu("kt0", 500, NULL);
}

static void a_frame_that_does_not_fit_is_an_error(void **state)
{
	struct play p = tap_play();

	(void)state;
	NETNS_NEEDED();
	p.cfg.timeout_ns = 20 * PLAY_MS;
	p.on_step = shrink;
	play_at(&p, "kt0", ONE "driver 0 request, kick\ndriver 1 request data 1000, kick\n"
		"expect queue 0 1 used\n");
	expect_verdict(KC_ERROR, "a frame of 1000 bytes did not fit into kt0");
	assert_int_equal(result.nviolations, 0);
}

#define TEST(fn)	cmocka_unit_test_teardown(fn, play_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_comes_back_without_a_hello),
		TEST(without_a_far_end_nothing_does),
		TEST(a_tap_that_is_not_there_is_an_error),
		TEST(a_frame_that_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, netns_setup, NULL);
}

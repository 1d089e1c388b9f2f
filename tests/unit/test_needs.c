/* SPDX-License-Identifier: BSD-3-Clause */
/* The words after `needs` and `without`: what is missing is a skip that names it. */
#include "world_fixture.h"

static void needs(struct play *p, const char *word, const char *missing)
{
	char body[200];

	snprintf(body, sizeof(body), "needs %s\nvmm settle\n", word);
	play(p, body);
	if (!missing && result.verdict != KC_PASS)
		fail_msg("needs %s: expected a pass, actual %s: %s", word,
			kc_verdict_name(result.verdict),
			 result.reason);
	if (missing && (result.verdict != KC_SKIP || strcmp(result.reason, missing)))
		fail_msg("needs %s: expected '%s', actual %s: %s", word, missing,
			 kc_verdict_name(result.verdict), result.reason);
}

static void test_what_is_there_is_no_reason_to_skip(void **state)
{
	static const char *const words[] = {
		"hostile", "messages", "reconnect", "restart", "writes", "kept-writes", "sim",
		"config", "reset", "polling", "in-flight", "throttle", "persistent", "event_idx",
		"indirect", "version_1", "flush", "CONFIG", "REPLY_ACK", "no-SHMEM",
		"event_idx, CONFIG, hostile",
	};
	struct play p = {
		.device = "blk", .messages = true, .caps = KC_CAP_RESTART,
		.cfg.writes_allowed = true, .cfg.can_throttle = true, .cfg.persistent = true,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		needs(&p, words[i], NULL);
	p.messages = false;
	p.mode = KC_MODE_LIVE;
	needs(&p, "live", NULL);
	p.ref.read_only = true;
	needs(&p, "ro", NULL);
}

static void test_what_is_missing_is_named(void **state)
{
	struct play p = {
		.device = "blk", .caps_off = KC_CAP_RECONNECT, .cfg = { .writes_dropped = true,
		.never_polls = true, .quick = true },
	};

	(void)state;
	needs(&p, "messages", "needs messages as bytes, which this adapter lacks");
	needs(&p, "reconnect", "needs a back-end that accepts a second connection");
	needs(&p, "restart", "needs a back-end that kickcall may kill and start again");
	needs(&p, "writes", "needs to write to the back-end's storage: --destructive");
	needs(&p, "kept-writes", "needs storage that keeps what is written");
	needs(&p, "persistent", "needs storage that is known to outlive the back-end's process");
	needs(&p, "live", "needs live mode");
	needs(&p, "polling", "needs a back-end that polls a ring without a kick eventfd");
	needs(&p, "in-flight", "needs a back-end whose requests are in flight for more than a moment");
	needs(&p, "throttle", "needs a back-end that kickcall can slow down: the reference");
	needs(&p, "ro", "needs feature ro, which is not offered");
	needs(&p, "SHMEM", "needs protocol feature SHMEM");
	needs(&p, "no-STATUS", "needs a back-end without protocol feature STATUS");
	needs(&p, "event_idx, sr_iov, SHMEM", "needs feature sr_iov, which is not offered");
	p.ref.pf_off = KC_BIT(KC_PF_CONFIG);
	needs(&p, "config", "needs protocol feature CONFIG");
	p.ref = (struct kc_ref_config){ .read_only = true };
	needs(&p, "writes", "needs a disk that is not read-only");
	p.mode = KC_MODE_LIVE;
	needs(&p, "sim", "needs sim mode");
}

static void test_who_serves_the_control_queue(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	needs(&p, "vmm-control", NULL);
	needs(&p, "control", "needs a back-end that serves the control queue itself");
	p.cfg.control = true;
	needs(&p, "control", NULL);
	needs(&p, "vmm-control", "needs a back-end that leaves the control queue to the VMM");
}

static void test_a_reset_has_two_ways(void **state)
{
	struct play p = { .ref.pf_off = KC_BIT(KC_PF_STATUS) };

	(void)state;
	needs(&p, "reset", NULL);
	p.ref.pf_off = KC_BIT(KC_PF_RESET_DEVICE);
	needs(&p, "reset", NULL);
	p.ref.pf_off |= KC_BIT(KC_PF_STATUS);
	needs(&p, "reset", "needs protocol feature STATUS or RESET_DEVICE");
}

/* It is checked with what was offered, before anything is done with it. */
static void test_a_skip_comes_before_the_device_is_touched(void **state)
{
	struct play p = { 0 };

	(void)state;
	needs(&p, "sr_iov", "needs feature sr_iov, which is not offered");
	assert_int_equal(times(trace, "SET_FEATURES"), 0);
	assert_int_equal(times(trace, "SET_OWNER"), 2);		/* and its ack */
	skips(&p, "needs sr_iov\nsession manual\nvmm settle\nvmm connect\nvmm negotiate\n",
	      "needs feature sr_iov");
}

static void test_unknown_words_have_their_place(void **state)
{
	struct play p = { 0 };

	(void)state;
	errs(&p, "needs event_idx, quickness\nvmm settle\n", "3:18: unknown word 'quickness' after "
	     "needs");
	errs(&p, "needs no-FOO\nvmm settle\n", "3:7: unknown word 'no-FOO' after needs");
	errs(&p, "needs FOO\nvmm settle\n", "3:7: unknown word 'FOO' after needs");
	errs(&p, "without sim\nvmm settle\n", "3:9: unknown word 'sim' after without");
	passes(&p, "without event_idx, CONFIG\nvmm settle\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_there_is_no_reason_to_skip),
		cmocka_unit_test(test_what_is_missing_is_named),
		cmocka_unit_test(test_who_serves_the_control_queue),
		cmocka_unit_test(test_a_reset_has_two_ways),
		cmocka_unit_test(test_a_skip_comes_before_the_device_is_touched),
		cmocka_unit_test(test_unknown_words_have_their_place),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The opening of a session: when it is played, what it leaves behind, and what may go wrong in it. */
#include <sys/stat.h>
#include <unistd.h>
#include "world_fixture.h"
#include <harness/run/share.h>
#include <kickcall/storage.h>

static char root[] = "/tmp/kc-opening-XXXXXX", share[64];

static struct play fs(void)
{
	return (struct play){ .device = "fs", .ref = { .file = share }, .cfg = { .writes_allowed = true } };
}

static void once_in_each_session(void **state)
{
	struct play p = fs();

	(void)state;
	passes(&p, "queue 0 split size 8\ndriver 2 requests, kick\nexpect 2 used\n");
	assert_int_equal(times(trace, "fs init"), 1);
	assert_int_equal(times(trace, "fs open"), 2);
	passes(&p, "queue 0 split size 4\nqueue 1 split size 4\nvmm stop 0\nvmm start 0\nvmm disconnect, session\n"
	       "queue 0 split size 4\ndriver request, kick\nexpect 1 used\n");
	assert_int_equal(times(trace, "fs init"), 2);
	passes(&p, "queue 0 split size 4\nvmm reset, negotiate\nqueue 0 split size 4\ndriver request in, kick\n"
	       "expect 1 used\n");
	assert_int_equal(times(trace, "fs init"), 2);
}

static void not_where_nobody_needs_it(void **state)
{
	struct play p = fs();

	(void)state;
	passes(&p, "session manual\nvmm connect\nmessage GET_FEATURES\nexpect reply\n");
	assert_int_equal(times(trace, "fs init"), 0);
	p = (struct play){ 0 };				/* loopback has none */
	passes(&p, "queue 0 split size 4\ndriver request, kick\nexpect 1 used\n");
	assert_int_equal(times(trace, "init"), 0);
	p = fs();
	p.cfg.writes_allowed = false;
	passes(&p, "queue 0 split size 4\ndriver request, kick\nexpect 1 used\n");
	assert_int_equal(times(trace, "fs open"), 1);
}

/* The script's first ring is as if there had been none before it. */
static void it_leaves_no_trace(void **state)
{
	struct play p = fs();

	(void)state;
	passes(&p, "queue 0 split size 8 disabled\ndriver request, kick\nexpect nothing used\nvmm enable 0\n"
	       "expect 1 used\nvmm stop 0\nexpect base 1\n");
	passes(&p, "queue 0 packed size 13 from 25\ndriver 3 requests, kick\nexpect 3 used\n");
	skips(&p, "queue 0 split size 8 before-driver-ok\nvmm driver ok\n", "opened after DRIVER_OK");
}

static void what_goes_wrong_in_it(void **state)
{
	struct play p = fs();

	(void)state;
	p.frozen = true;
	play(&p, "queue 0 split size 8\ndriver request, kick\nexpect 1 used\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_int_equal(times(trace, "fs init"), 1);
	assert_int_equal(times(trace, "fs getattr"), 0);
	p = fs();
	p.faults[0] = (struct fault){ KC_VU_SET_VRING_NUM, FAULT_DIE, .status = SIGSEGV };
	play(&p, "queue 0 split size 8\ndriver request, kick\nexpect 1 used\n");
	assert_int_equal(result.verdict, KC_FAIL);
}

static int make_share(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	snprintf(share, sizeof(share), "%s/s", root);
	return kc_share_make(root, "s", NULL);
}

static int remove_share(void **state)
{
	static const char *const names[] = { "/pattern", "/scratch", "/folder", "/link", "" };
	char path[96];

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s%s", share, names[i]);
		remove(path);
	}
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(once_in_each_session, play_teardown),
		cmocka_unit_test_teardown(not_where_nobody_needs_it, play_teardown),
		cmocka_unit_test_teardown(it_leaves_no_trace, play_teardown),
		cmocka_unit_test_teardown(what_goes_wrong_in_it, play_teardown),
	};

	return cmocka_run_group_tests(tests, make_share, remove_share);
}

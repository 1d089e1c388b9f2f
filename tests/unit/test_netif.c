/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces by name: what there is, what can be changed, and what is said where it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "netns.h"

static void names(void **state)
{
	static const char *const good[] = { "a", "tap0", "veth-1.2", "fifteen-letters" };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a:1", "tap%d", "a\n",
					   "sixteen-letters-" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(kc_netif_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(kc_netif_name_valid(bad[i]));
}

static void an_interface_that_is_not_there(void **state)
{
	struct kc_err err = { "" };
	struct kc_netif n;

	(void)state;
	assert_int_equal(kc_netif_look("kc-nonesuch", &n), -ENODEV);
	assert_int_equal(n.index, 0);
	assert_false(n.up);
	assert_int_equal(kc_netif_set_up("kc-nonesuch", &err), -ENODEV);
	assert_non_null(strstr(err.msg, "ip link set dev kc-nonesuch up"));
	assert_int_equal(kc_netif_set_mtu("kc-nonesuch", 1500, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "ip link set dev kc-nonesuch mtu 1500"));
	assert_int_equal(kc_netif_silence("kc-nonesuch", &err), 0);	/* nothing there that speaks */
}

static void it_is_set_and_seen(void **state)
{
	struct kc_err err = { "" };
	struct kc_netif n;
	int fd;

	(void)state;
	NETNS_NEEDED();
	fd = tap_make("kt0");
	assert_int_equal(kc_netif_look("kt0", &n), 0);
	assert_true(n.index > 0 && !n.up);
	assert_int_equal(kc_netif_set_up("kt0", &err), 0);
	assert_int_equal(kc_netif_set_up("kt0", &err), 0);
	assert_int_equal(kc_netif_set_mtu("kt0", 1400, &err), 0);
	assert_int_equal(kc_netif_look("kt0", &n), 0);
	assert_true(n.up);
	assert_int_equal(n.mtu, 1400);
	assert_int_equal(kc_netif_set_mtu("kt0", 5, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "kt0"));
	close(fd);
	assert_int_equal(kc_netif_look("kt0", &n), -ENODEV);
}

/* The kernel greets on an interface that comes up; on one that was silenced it does not. The
 * frame that would come after all is waited for no longer than the first one took. */
static void one_that_is_silenced_says_nothing(void **state)
{
	struct kc_err err = { "" };
	int loud = -1, quiet = -1;
	uint8_t buf[2000];

	(void)state;
	NETNS_NEEDED();
	if (access("/proc/sys/net/ipv6/conf/all/disable_ipv6", F_OK)) {
		print_message("this kernel has no IPv6\n");
		skip();
	}
	loud = tap_make("loud0");
	quiet = tap_make("quiet0");
	assert_int_equal(kc_netif_silence("quiet0", &err), 0);
	assert_int_equal(kc_netif_silence("quiet0", &err), 0);
	assert_int_equal(kc_netif_set_up("quiet0", &err), 0);
	assert_int_equal(kc_netif_set_up("loud0", &err), 0);
	assert_true(tap_read(loud, buf, sizeof(buf)) > 0);
	assert_true(tap_read(loud, buf, sizeof(buf)) > 0);
	assert_int_equal(read(quiet, buf, sizeof(buf)), -1);
	assert_int_equal(errno, EAGAIN);
	close(loud);
	close(quiet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(an_interface_that_is_not_there),
		cmocka_unit_test(it_is_set_and_seen),
		cmocka_unit_test(one_that_is_silenced_says_nothing),
	};

	return cmocka_run_group_tests(tests, netns_setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <harness/language/script.h>

/* Numbers from VIRTIO 1.3, chapters 6 and 5.2.3, and the vhost-user document. */
static const struct { const char *device, *name; int bit; } rows[] = {
	{ NULL, "notify_on_empty", 24 }, { NULL, "log_all", 26 }, { NULL, "any_layout", 27 },
	{ NULL, "indirect", 28 }, { NULL, "event_idx", 29 }, { NULL, "protocol_features", 30 },
	{ NULL, "version_1", 32 }, { NULL, "access_platform", 33 }, { NULL, "packed", 34 },
	{ NULL, "in_order", 35 }, { NULL, "order_platform", 36 }, { NULL, "sr_iov", 37 },
	{ NULL, "notification_data", 38 }, { NULL, "notif_config_data", 39 }, { NULL, "ring_reset",
	40 },
	{ "blk", "size_max", 1 }, { "blk", "seg_max", 2 }, { "blk", "geometry", 4 }, { "blk", "ro",
	5 },
	{ "blk", "blk_size", 6 }, { "blk", "flush", 9 }, { "blk", "topology", 10 },
	{ "blk", "config_wce", 11 }, { "blk", "mq", 12 }, { "blk", "discard", 13 },
	{ "blk", "write_zeroes", 14 }, { "blk", "secure_erase", 16 }, { "blk", "zoned", 17 },
};
#define ROWS	(sizeof(rows) / sizeof(*rows))

static void test_names_and_bits_belong_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		assert_int_equal(kc_feature_by_name("blk", rows[i].name), rows[i].bit);
		assert_string_equal(kc_feature_name("blk", (unsigned)rows[i].bit), rows[i].name);
	}
}

static void test_a_devices_bits_are_that_devices(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const char *name = kc_feature_name("loopback", (unsigned)rows[i].bit);

		if (rows[i].device)
			assert_null(name);
		else
			assert_string_equal(name, rows[i].name);
	}
	assert_null(kc_feature_name(NULL, 5));
	assert_string_equal(kc_feature_name(NULL, 28), "indirect");
}

/* VIRTIO 1.3, 5.3.3 */
static void test_a_consoles_bits(void **state)
{
	(void)state;
	assert_int_equal(kc_feature_by_name("console", "console_size"), 0);
	assert_int_equal(kc_feature_by_name("console", "multiport"), 1);
	assert_int_equal(kc_feature_by_name("console", "emerg_write"), 2);
	assert_null(kc_feature_name("console", 3));
}

/* VIRTIO 1.3, 5.10.3 */
static void test_a_socket_devices_bits(void **state)
{
	(void)state;
	assert_int_equal(kc_feature_by_name("vsock", "stream"), 0);
	assert_int_equal(kc_feature_by_name("vsock", "seqpacket"), 1);
	assert_int_equal(kc_feature_by_name("vsock", "no_implied_stream"), 2);
	assert_null(kc_feature_name("vsock", 3));
}

/* VIRTIO 1.3, 5.5.3 */
static void test_a_balloons_bits(void **state)
{
	static const char *const names[] = {
		"must_tell_host", "stats_vq", "deflate_on_oom", "free_page_hint", "page_poison",
		"page_reporting",
	};

	(void)state;
	for (unsigned bit = 0; bit < 6; bit++) {
		assert_int_equal(kc_feature_by_name("balloon", names[bit]), bit);
		assert_string_equal(kc_feature_name("balloon", bit), names[bit]);
	}
	assert_null(kc_feature_name("balloon", 6));
}

static void test_no_other_bit_has_a_name(void **state)
{
	unsigned named = 0;

	(void)state;
	for (unsigned bit = 0; bit < 128; bit++)
		named += kc_feature_name("blk", bit) != NULL;
	assert_int_equal(named, ROWS);
}

static void test_unknown_names(void **state)
{
	(void)state;
	assert_int_equal(kc_feature_by_name(NULL, "EVENT_IDX"), -1);
	assert_int_equal(kc_feature_by_name(NULL, "event"), -1);
	assert_int_equal(kc_feature_by_name(NULL, ""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_bits_belong_together),
		cmocka_unit_test(test_a_devices_bits_are_that_devices),
		cmocka_unit_test(test_a_consoles_bits),
		cmocka_unit_test(test_a_socket_devices_bits),
		cmocka_unit_test(test_a_balloons_bits),
		cmocka_unit_test(test_no_other_bit_has_a_name),
		cmocka_unit_test(test_unknown_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's life cycle over a fake of the VMM's status register. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <guest_model/driver.h>

#define BIT(n)	(1ull << (n))
#define V1	BIT(VIRTIO_F_VERSION_1)

/* The fake: notes every write, and fails the one it is told to. */
static struct {
	uint8_t writes[16];
	unsigned n;
	int fail_at;			/* number of the write, -1 none */
	enum kc_outcome outcome;
	bool forgets_features_ok;
	bool sticky;			/* a reset does not bring the status to 0 */
	uint64_t features_seen;		/* driver_features when FEATURES_OK was written */
} fake;

enum kc_outcome kc_vmm_set_status(struct kc_vmm *v, uint8_t status)
{
	assert_true(fake.n < 16);
	fake.writes[fake.n++] = status;
	/* No bit ever goes away but by a reset (VIRTIO-STATUS-DRV-02). */
	assert_true(!status || (status & v->status) == v->status);
	if (fake.fail_at == (int)fake.n - 1) {
		strcpy(v->err.msg, "the fake refuses");
		return fake.outcome;
	}
	if (status & ~v->status & VIRTIO_CONFIG_S_FEATURES_OK)
		fake.features_seen = v->driver_features;
	v->status = status || !fake.sticky ? status : v->status;
	if (fake.forgets_features_ok)
		v->status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	strcpy(v->err.msg, "");
	return KC_OUT_OK;
}

static struct kc_vmm vmm;

static int set_up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&vmm, 0, sizeof(vmm));
	fake.fail_at = -1;
	vmm.device_features = V1 | BIT(28) | BIT(29) | BIT(30) | BIT(24) | BIT(26) |
			      BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(0) |
			      BIT(63);
	return 0;
}

static void check_writes(const char *expected, unsigned n)
{
	assert_int_equal(fake.n, n);
	assert_memory_equal(fake.writes, expected, n);
}

static void whole_life(void **state)
{
	struct kc_err err;

	(void)state;
	assert_int_equal(kc_driver_init_device(&vmm, ~0ull, &kc_port_blk, &err), KC_OUT_OK);
	check_writes("\x01\x03\x0b", 3);
	assert_true(fake.features_seen ==
		    (V1 | BIT(24) | BIT(28) | BIT(29) | BIT(9) | BIT(11)));
	assert_int_equal(kc_driver_ok(&vmm), KC_OUT_OK);
	assert_int_equal(vmm.status, 0x0f);
	/* Again: bits cannot be taken back, so it starts with a reset. */
	fake.n = 0;
	assert_int_equal(kc_driver_init_device(&vmm, V1, NULL, NULL), KC_OUT_OK);
	check_writes("\x00\x01\x03\x0b", 4);
	assert_true(fake.features_seen == V1);
	assert_int_equal(kc_driver_fail(&vmm), KC_OUT_OK);
	assert_int_equal(vmm.status, 0x8b);
	assert_int_equal(kc_driver_reset(&vmm, NULL), KC_OUT_OK);
	assert_int_equal(vmm.status, 0);
}

static void selection(void **state)
{
	const struct kc_port_ops *blk = &kc_port_blk;

	(void)state;
	/* never what is not offered, not wanted, or not understood */
	assert_true(kc_driver_select(0, ~0ull, blk) == 0);
	assert_true(kc_driver_select(~0ull, 0, blk) == 0);
	assert_true(kc_driver_select(~0ull, ~0ull, blk) == kc_driver_understood(blk));
	assert_true(kc_driver_select(~0ull, ~0ull, NULL) ==
		    (V1 | BIT(24) | BIT(27) | BIT(28) | BIT(29) | BIT(34) | BIT(35) | BIT(38) | BIT(40)));
	assert_false(kc_driver_understood(blk) & (BIT(26) | BIT(30) | BIT(33) | BIT(36) | BIT(37) |
						  BIT(39) | BIT(41) | BIT(63)));
	/* CONFIG_WCE may be taken without FLUSH: the cache is write-through then */
	assert_true(kc_driver_select(BIT(9) | BIT(11), BIT(11), blk) == BIT(11));
	assert_true(kc_driver_select(BIT(9) | BIT(11), ~0ull, blk) == (BIT(9) | BIT(11)));
}

/* NET-FEAT-01, from the driver's side. */
static void net_features_need_others(void **state)
{
	static const struct { uint64_t offered, accepted; } rows[] = {
		{ BIT(18) | BIT(19) | BIT(20) | BIT(21) | BIT(22) | BIT(23) | BIT(2), 0 },
		{ BIT(17) | BIT(18) | BIT(22), BIT(17) | BIT(18) | BIT(22) },
		{ BIT(7) | BIT(9), 0 },				/* neither GUEST_CSUM... */
		{ BIT(1) | BIT(9), BIT(1) },			/* ...nor GUEST_TSO */
		{ BIT(1) | BIT(8) | BIT(9), BIT(1) | BIT(8) | BIT(9) },
		{ BIT(0) | BIT(13) | BIT(14), BIT(0) | BIT(14) },
		{ BIT(11) | BIT(13), 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(kc_driver_select(rows[i].offered, ~0ull, &kc_port_net), rows[i].accepted);
}

static void device_refuses_features(void **state)
{
	struct kc_err err;

	(void)state;
	fake.forgets_features_ok = true;
	assert_int_equal(kc_driver_init_device(&vmm, ~0ull, &kc_port_blk, &err), KC_OUT_REFUSED);
	check_writes("\x01\x03\x0b\x83", 4);
	assert_non_null(strstr(err.msg, "FEATURES_OK"));

	/* The VMM found out itself; the sentence survives the write of FAILED, also in place. */
	for (int in_place = 0; in_place < 2; in_place++) {
		struct kc_err *e = in_place ? &vmm.err : &err;

		set_up(state);
		fake.fail_at = 2;
		fake.outcome = KC_OUT_REFUSED;
		assert_int_equal(kc_driver_init_device(&vmm, ~0ull, &kc_port_blk, e),
				 KC_OUT_REFUSED);
		check_writes("\x01\x03\x0b\x83", 4);
		assert_string_equal(e->msg, "device status, FEATURES_OK: the fake refuses");
		assert_int_equal(kc_driver_ok(&vmm), KC_OUT_FAULT);
	}
	/* After FAILED only a reset leads on (VIRTIO-STATUS-DRV-03). */
	fake.n = 0;
	fake.fail_at = -1;
	assert_int_equal(kc_driver_init_device(&vmm, V1, NULL, &err), KC_OUT_OK);
	check_writes("\x00\x01\x03\x0b", 4);
}

static void every_step_may_fail(void **state)
{
	(void)state;
	for (int at = 0; at < 4; at++) {
		struct kc_err err = { "" };

		set_up(state);
		vmm.status = 0x0f;
		fake.fail_at = at;
		fake.outcome = KC_OUT_CLOSED;
		assert_int_equal(kc_driver_init_device(&vmm, V1, NULL, &err), KC_OUT_CLOSED);
		assert_int_equal(fake.n, at + 1); /* nothing is tried on a closed connection */
		assert_non_null(strstr(err.msg, "the fake refuses"));
	}
	set_up(state);
	vmm.status = 0x0b;
	fake.fail_at = 0;
	fake.outcome = KC_OUT_DIED;
	assert_int_equal(kc_driver_ok(&vmm), KC_OUT_DIED);
	assert_int_equal(kc_driver_fail(&vmm), KC_OUT_OK);
}

static void reset_must_take_effect(void **state)
{
	struct kc_err err;

	(void)state;
	vmm.status = 0x0f;
	fake.sticky = true;
	assert_int_equal(kc_driver_reset(&vmm, &err), KC_OUT_REFUSED);
	assert_non_null(strstr(err.msg, "actual 0x0f"));
	assert_int_equal(kc_driver_init_device(&vmm, V1, NULL, &err), KC_OUT_REFUSED);
	check_writes("\x00\x00", 2);
}

static void ok_needs_features_ok(void **state)
{
	(void)state;
	vmm.status = 0x03;
	assert_int_equal(kc_driver_ok(&vmm), KC_OUT_FAULT);
	assert_int_equal(fake.n, 0);
	assert_non_null(strstr(vmm.err.msg, "FEATURES_OK"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whole_life, set_up),
		cmocka_unit_test(selection),
		cmocka_unit_test(net_features_need_others),
		cmocka_unit_test_setup(device_refuses_features, set_up),
		cmocka_unit_test(every_step_may_fail),
		cmocka_unit_test_setup(reset_must_take_effect, set_up),
		cmocka_unit_test_setup(ok_needs_features_ok, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

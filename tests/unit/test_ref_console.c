// SPDX-License-Identifier: BSD-3-Clause
/* The reference back-end's console: an echo, its store, its configuration, and when it calls. */
#include <tests/unit/ref_fixture.h>
#include <linux/virtio_console.h>

#define RX	0u
#define TX	1u
#define OUT	BUFS
#define IN	(BUFS + 0x20000)
#define STORE	65536u

static void open_console(struct fx *f, uint64_t features)
{
	fx_open(f, "console", features);
	fx_start(f, RX, 8, 0);
	fx_start(f, TX, 8, 0);
}

static void offer(struct fx *f, unsigned qi, uint16_t i, uint64_t at, uint32_t len)
{
	fx_desc(f, qi, i, at, len, qi == RX ? RW : 0, 0);
	fx_offer(f, qi, i);
	fx_kick(f, qi);
	fx_run(f);
}

static void fill(struct fx *f, uint32_t len, uint8_t first)
{
	for (uint32_t i = 0; i < len; i++)
		*fx_host(f, OUT + i) = (uint8_t)(first + i);
}

static void what_goes_out_comes_in(void **state)
{
	struct fx f;

	(void)state;
	open_console(&f, 0);
	offer(&f, RX, 0, IN, 4);
	assert_int_equal(fx_used_idx(&f, RX), 0);	/* nothing to say yet */
	fill(&f, 6, 'a');
	offer(&f, TX, 0, OUT, 6);
	fx_expect_used(&f, TX, 0, 0, 0);
	fx_expect_used(&f, RX, 0, 0, 4);
	assert_memory_equal(fx_host(&f, IN), "abcd", 4);
	offer(&f, RX, 1, IN, 4);
	fx_expect_used(&f, RX, 1, 1, 2);
	assert_memory_equal(fx_host(&f, IN), "ef", 2);
	offer(&f, RX, 2, IN, 4);
	assert_int_equal(fx_used_idx(&f, RX), 2);
	fx_close(&f);
}

/* What finds the store full is lost; output goes on, and what was stored stays in order. */
static void a_full_store_loses_the_newest(void **state)
{
	struct fx f;

	(void)state;
	open_console(&f, 0);
	fill(&f, STORE / 2 + 1, 3);
	for (uint16_t i = 0; i < 3; i++)
		offer(&f, TX, i, OUT, STORE / 2 + 1);
	assert_int_equal(fx_used_idx(&f, TX), 3);
	offer(&f, RX, 0, IN, STORE + 16);
	fx_expect_used(&f, RX, 0, 0, STORE);
	assert_memory_equal(fx_host(&f, IN), fx_host(&f, OUT), STORE / 2 + 1);
	assert_memory_equal(fx_host(&f, IN + STORE / 2 + 1), fx_host(&f, OUT), STORE / 2 - 1);
	fx_close(&f);
}

/* With IN_ORDER nothing is held back that the next input, which may never come, would have to
 * tell. */
static void a_full_buffer_is_told_at_once(void **state)
{
	struct fx f;

	(void)state;
	open_console(&f, F_IN_ORDER);
	for (uint16_t i = 0; i < 4; i++) {
		fx_desc(&f, RX, i, IN + 16ull * i, 1, RW, 0);
		fx_offer(&f, RX, i);
	}
	fx_kick(&f, RX);
	fx_run(&f);
	fill(&f, 2, 'x');
	offer(&f, TX, 0, OUT, 2);
	assert_int_equal(fx_used_idx(&f, RX), 2);
	fx_close(&f);
}

static void take_config(struct fx *f)
{
	assert_int_equal(fx_u64(f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIG)), KC_REF_DONE);
}

static uint8_t config_byte(struct fx *f, uint32_t offset)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.config.offset = offset;
	m.config.size = 1;
	assert_int_equal(fx_send(f, &m), KC_REF_REPLY);
	return f->reply.config.data[0];
}

static enum kc_ref_answer config_write(struct fx *f, uint32_t offset, uint32_t len, uint8_t byte)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_CONFIG);
	m.config.offset = offset;
	m.config.size = len;
	m.config.data[0] = byte;
	return fx_send(f, &m);
}

static void the_size_is_told(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "console", 0);
	take_config(&f);
	assert_true(fx_get_u64(&f, KC_VU_GET_FEATURES) & KC_BIT(VIRTIO_CONSOLE_F_SIZE));
	assert_int_equal(config_byte(&f, 0), 80);
	assert_int_equal(config_byte(&f, 1), 0);
	assert_int_equal(config_byte(&f, 2), 25);
	assert_int_equal(config_byte(&f, 3), 0);
	assert_int_equal(config_write(&f, 0, 1, 9), KC_REF_REFUSED);
	assert_int_equal(config_write(&f, 8, 2, 9), KC_REF_REFUSED);
	fx_close(&f);
}

static void an_emergency_write_is_output(void **state)
{
	struct fx f;

	(void)state;
	open_console(&f, 0);
	take_config(&f);
	assert_int_equal(config_write(&f, 8, 4, '!'), KC_REF_DONE);
	assert_int_equal(config_write(&f, 8, 1, '?'), KC_REF_DONE);
	offer(&f, RX, 0, IN, 4);
	fx_expect_used(&f, RX, 0, 0, 2);
	assert_memory_equal(fx_host(&f, IN), "!?", 2);
	fx_close(&f);
}

static void a_reset_forgets(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "console", 0);
	take_config(&f);
	assert_int_equal(config_write(&f, 8, 4, '!'), KC_REF_DONE);
	kc_ref_reset_session(f.ref);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1), KC_REF_DONE);
	assert_int_equal(fx_mem_table(&f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
	fx_start(&f, RX, 8, 0);
	offer(&f, RX, 0, IN, 4);
	assert_int_equal(fx_used_idx(&f, RX), 0);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_out_comes_in),
		cmocka_unit_test(a_full_store_loses_the_newest),
		cmocka_unit_test(a_full_buffer_is_told_at_once),
		cmocka_unit_test(the_size_is_told),
		cmocka_unit_test(an_emergency_write_is_output),
		cmocka_unit_test(a_reset_forgets),
	};

	return cmocka_run_group_tests_name("ref_console", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The entropy device's port: shapes, and what may come back. The device is played byte by byte. */
#include "guest_fixture.h"
#include <errno.h>
#include <guest_model/port.h>

struct fix {
	struct guest g;
	struct kc_port *port;
	struct kc_err err;
};

static void open_port(struct fix *t)
{
	struct kc_port_env env = { .seed = 7, .ring_max_chain = 256 };

	memset(t, 0, sizeof(*t));
	guest_init(&t->g);
	env.mem = &t->g.mem;
	t->port = kc_port_by_name("rng")->open(&env, &t->err);
	assert_non_null(t->port);
}

static void close_port(struct fix *t)
{
	t->port->ops->close(t->port);
	guest_fini(&t->g);
}

static struct kc_request *make(struct fix *t, uint32_t data, uint32_t descriptors)
{
	struct kc_shape shape = { .data = data, .descriptors = descriptors };
	int code = 1;
	struct kc_request *r = t->port->ops->make(t->port, 0, &shape, &code, &t->err);

	assert_non_null(r);
	assert_int_equal(code, 0);
	return r;
}

static void refuse(struct fix *t, const struct kc_shape *shape, int expected)
{
	int code = 0;

	t->err.msg[0] = 0;
	assert_null(t->port->ops->make(t->port, 0, shape, &code, &t->err));
	assert_int_equal(code, expected);
	assert_true(strlen(t->err.msg) > 10);
}

/* The device changes every byte of [from, to) and says len. */
static enum kc_payload_verdict answer(struct fix *t, struct kc_request *r, uint32_t from, uint32_t to,
				      uint32_t len)
{
	struct kc_used u = { .len = len };
	enum kc_payload_verdict v;
	uint32_t at = 0;
	uint8_t byte;
	int code = 1;

	for (unsigned i = 0; i < r->nsegs; i++) {
		for (uint32_t k = 0; k < r->segs[i].len; k++, at++) {
			if (at < from || at >= to)
				continue;
			assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa + k, &byte, 1), 0);
			byte ^= 0x81;
			guest_device_write(&t->g, r->segs[i].gpa + k, &byte, 1);
		}
	}
	t->err.msg[0] = 0;
	v = t->port->ops->check(t->port, 0, r, &u, &code, &t->err);
	assert_int_equal(code, 0);
	assert_true((v == KC_PAYLOAD_WRONG) == (t->err.msg[0] != 0));
	t->port->ops->release(t->port, r);
	return v;
}

static void shapes(void **state)
{
	static const struct kc_shape out = { .dir = KC_DIR_OUT }, words = { .words = "sector" };
	static const struct kc_shape cut = { .cut_out = { 1 }, .ncut_out = 1 };
	static const struct kc_shape many = { .descriptors = 257 };
	static const struct kc_shape bytes = { .every_byte = true, .descriptors = 4 };
	struct kc_shape each = { .every_byte = true };
	struct kc_request *r;
	struct kc_err why;
	struct fix t;
	int code;

	(void)state;
	open_port(&t);
	r = make(&t, 0, 0);
	assert_int_equal(r->nsegs, 1);
	assert_int_equal(r->readable, 0);
	assert_int_equal(r->writable, 64);
	t.port->ops->release(t.port, r);
	r = make(&t, 3, 5);
	assert_int_equal(r->nsegs, 5);
	assert_int_equal(r->writable, 5);
	t.port->ops->release(t.port, r);
	r = t.port->ops->make(t.port, 0, &each, &code, &t.err);
	assert_int_equal(r->nsegs, 18);
	t.port->ops->release(t.port, r);
	refuse(&t, &out, -EINVAL);
	refuse(&t, &cut, -EINVAL);
	refuse(&t, &many, -EINVAL);
	refuse(&t, &bytes, -EINVAL);
	refuse(&t, &words, -EBADMSG);
	assert_true(t.port->ops->has_queue(t.port, 0, 0, &why));
	assert_false(t.port->ops->has_queue(t.port, 1, 4, &why));
	assert_string_equal(t.port->ops->code_name(0), "OK");
	close_port(&t);
}

static void what_is_counted_must_have_been_written(void **state)
{
	struct fix t;

	(void)state;
	open_port(&t);
	assert_int_equal(answer(&t, make(&t, 64, 3), 0, 64, 64), KC_PAYLOAD_RIGHT);
	assert_int_equal(answer(&t, make(&t, 64, 3), 0, 1, 1), KC_PAYLOAD_RIGHT);	/* a part will do */
	assert_int_equal(answer(&t, make(&t, 64, 3), 0, 64, 10), KC_PAYLOAD_RIGHT);
	assert_int_equal(answer(&t, make(&t, 64, 3), 0, 0, 0), KC_PAYLOAD_WRONG);
	assert_int_equal(answer(&t, make(&t, 64, 3), 0, 0, 64), KC_PAYLOAD_WRONG);
	assert_int_equal(answer(&t, make(&t, 64, 1), 0, 56, 64), KC_PAYLOAD_WRONG);	/* 8 in a row */
	assert_int_equal(answer(&t, make(&t, 64, 1), 8, 64, 64), KC_PAYLOAD_WRONG);
	assert_int_equal(answer(&t, make(&t, 64, 1), 0, 57, 64), KC_PAYLOAD_RIGHT);	/* 7 prove nothing */
	assert_int_equal(answer(&t, make(&t, 4, 1), 0, 0, 4), KC_PAYLOAD_RIGHT);
	assert_int_equal(answer(&t, make(&t, 64, 1), 0, 64, 4000), KC_PAYLOAD_RIGHT);	/* the oracle's */
	close_port(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(what_is_counted_must_have_been_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_console.c, guest_model/port_queue.c
 *
 * The console's port: shapes of output and input, words, and what an echo may give back. The device
 * is played by hand.
 */
#include "guest_fixture.h"
#include <errno.h>
#include <guest_model/port_queue.h>

#define RX	0u
#define TX	1u

struct fix {
	struct guest g;
	struct kc_port *port;
	struct kc_err err;
	int code;
};

static int set_up(void **state)
{
	struct fix *t = calloc(1, sizeof(*t));
	struct kc_port_env env = { .seed = 7, .ring_max_chain = 256 };

	assert_non_null(t);
	guest_init(&t->g);
	env.mem = &t->g.mem;
	t->port = kc_port_by_name("console")->open(&env, &t->err);
	assert_non_null(t->port);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct fix *t = *state;

	t->port->ops->close(t->port);
	guest_fini(&t->g);
	free(t);
	return 0;
}

static struct kc_request *make(struct fix *t, unsigned qi, const struct kc_shape *shape)
{
	struct kc_request *r = t->port->ops->make(t->port, qi, shape, &t->code, &t->err);

	if (!r)
		fail_msg("%s", t->err.msg);
	assert_int_equal(t->code, 0);
	return r;
}

static void refuse(struct fix *t, unsigned qi, const struct kc_shape *shape, int expected)
{
	t->err.msg[0] = 0;
	assert_null(t->port->ops->make(t->port, qi, shape, &t->code, &t->err));
	assert_int_equal(t->code, expected);
	assert_true(strlen(t->err.msg) > 10);
}

static void gather(struct fix *t, const struct kc_request *r, uint8_t *buf)
{
	for (unsigned i = 0; i < r->nsegs; buf += r->segs[i++].len)
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, buf, r->segs[i].len), 0);
}

static enum kc_payload_verdict used(struct fix *t, unsigned qi, struct kc_request *r, uint32_t len)
{
	struct kc_used u = { .len = len };
	enum kc_payload_verdict v;

	t->err.msg[0] = 0;
	v = t->port->ops->check(t->port, qi, r, &u, &t->code, &t->err);
	t->port->ops->release(t->port, r);
	assert_true((v == KC_PAYLOAD_WRONG) == (t->err.msg[0] != 0));
	return v;
}

/* Sends so many characters, which go to buf. */
static void send_out(struct fix *t, uint32_t len, uint8_t *buf)
{
	struct kc_request *r = make(t, TX, &(struct kc_shape){ .data = len });

	assert_int_equal(r->readable, len);
	assert_int_equal(r->writable, 0);
	gather(t, r, buf);
	assert_int_equal(used(t, TX, r, 0), KC_PAYLOAD_RIGHT);
}

/* The device writes these into a buffer of 16, in one descriptor. */
static enum kc_payload_verdict receive(struct fix *t, const char *words, const uint8_t *bytes,
				       uint32_t len)
{
	struct kc_request *r = make(t, RX, &(struct kc_shape){ .data = 16, .words = words });

	assert_int_equal(r->nsegs, 1);
	assert_int_equal(r->writable, 16);
	guest_device_write(&t->g, r->segs[0].gpa, bytes, len < 16 ? len : 16);
	return used(t, RX, r, len);
}

static void an_echo_may_come_in_any_pieces(void **state)
{
	struct fix *t = *state;
	uint8_t sent[24];

	send_out(t, 8, sent);
	send_out(t, 16, sent + 8);
	assert_int_equal(receive(t, "echo", sent, 3), KC_PAYLOAD_RIGHT);
	assert_int_equal(receive(t, "echo", sent + 3, 16), KC_PAYLOAD_RIGHT);
	assert_int_equal(receive(t, "echo", sent + 19, 5), KC_PAYLOAD_RIGHT);
}

static void an_echo_is_what_was_sent(void **state)
{
	struct fix *t = *state;
	uint8_t sent[16];

	send_out(t, 16, sent);
	assert_int_equal(receive(t, "echo", sent, 0), KC_PAYLOAD_WRONG);
	assert_int_equal(receive(t, "echo", sent, 4), KC_PAYLOAD_RIGHT);
	assert_int_equal(receive(t, "echo", sent, 4), KC_PAYLOAD_WRONG);	/* the same again */
	assert_int_equal(receive(t, "echo", sent + 4, 12), KC_PAYLOAD_RIGHT);
	assert_int_equal(receive(t, "echo", sent, 1), KC_PAYLOAD_WRONG);	/* too much */
}

static void anything_may_be_typed(void **state)
{
	static const uint8_t typed[17] = "hello";
	struct fix *t = *state;

	assert_int_equal(receive(t, NULL, typed, 5), KC_PAYLOAD_RIGHT);
	assert_int_equal(receive(t, NULL, typed, 17), KC_PAYLOAD_WRONG);	/* beyond the buffer */
}

static void a_buffer_without_an_entry_is_full(void **state)
{
	struct fix *t = *state;
	struct kc_used u = { .skipped = true };
	struct kc_request *r;
	uint8_t sent[16];

	send_out(t, 16, sent);
	r = make(t, RX, &(struct kc_shape){ .data = 16, .words = "echo" });
	guest_device_write(&t->g, r->segs[0].gpa, sent, 16);
	assert_int_equal(t->port->ops->check(t->port, RX, r, &u, &t->code, &t->err), KC_PAYLOAD_RIGHT);
	t->port->ops->release(t->port, r);
	assert_int_equal(receive(t, "echo", sent, 1), KC_PAYLOAD_WRONG);
}

static void shapes(void **state)
{
	static const unsigned numbers[] = { 1, 2, 7, 64 };
	struct fix *t = *state;

	for (unsigned qi = RX; qi <= TX; qi++) {
		for (size_t i = 0; i < 4; i++) {
			struct kc_shape s = { .descriptors = numbers[i] };
			struct kc_request *r = make(t, qi, &s);

			assert_int_equal(r->nsegs, numbers[i]);
			for (unsigned k = 0; k < r->nsegs; k++)
				assert_int_equal(r->segs[k].write, qi == RX);
			t->port->ops->release(t->port, r);
		}
	}
	refuse(t, TX, &(struct kc_shape){ .dir = KC_DIR_IN }, -EINVAL);
	refuse(t, RX, &(struct kc_shape){ .dir = KC_DIR_OUT }, -EINVAL);
	refuse(t, TX, &(struct kc_shape){ .descriptors = 257 }, -EINVAL);
	refuse(t, TX, &(struct kc_shape){ .descriptors = 40000 }, -EINVAL);
	refuse(t, TX, &(struct kc_shape){ .data = KC_STREAM_MAX + 1 }, -EINVAL);
	refuse(t, TX, &(struct kc_shape){ .words = "echo" }, -EBADMSG);
	refuse(t, RX, &(struct kc_shape){ .words = "aloud" }, -EBADMSG);
	refuse(t, TX, &(struct kc_shape){ .ncut_out = 1, .cut_out = { 64 } }, -EINVAL);
}

static void explicit_cuts_bind(void **state)
{
	struct fix *t = *state;
	struct kc_shape s = { .data = 8, .ncut_out = 2, .cut_out = { 1, -1 } };
	struct kc_request *r = make(t, TX, &s);

	assert_int_equal(r->nsegs, 3);
	assert_int_equal(r->segs[0].len, 1);
	assert_int_equal(r->segs[1].len, 6);
	t->port->ops->release(t->port, r);
	s.descriptors = 2;
	refuse(t, TX, &s, -EINVAL);
	s.data = 3;
	s.descriptors = 3;
	r = make(t, TX, &s);
	assert_int_equal(r->nsegs, 3);
	t->port->ops->release(t->port, r);
}

static void a_refused_output_was_not_sent(void **state)
{
	struct fix *t = *state;
	uint8_t sent[8];

	refuse(t, TX, &(struct kc_shape){ .ncut_out = 1, .cut_out = { 64 } }, -EINVAL);
	send_out(t, 8, sent);
	assert_int_equal(receive(t, "echo", sent, 8), KC_PAYLOAD_RIGHT);
}

/* Output needs the input queue beside it, which stays empty; there is one pair. */
static void queues(void **state)
{
	struct fix *t = *state;
	const struct kc_port_ops *o = t->port->ops;

	assert_int_equal(o->virtqueue(0), TX);
	assert_int_equal(o->companion(TX), RX);
	assert_int_equal(o->companion(RX), -1);
	assert_true(o->for_input(t->port, RX));
	assert_false(o->for_input(t->port, TX));
	assert_true(o->has_queue(t->port, TX, 0, &t->err));
	assert_false(o->has_queue(t->port, o->virtqueue(1), 8, &t->err));
	assert_string_equal(o->code_name(0), "OK");
	assert_string_equal(o->code_name(-ENOMEM), "no memory");
}

struct numbers {
	uint64_t a, b;
};

static void set_a(void *into, uint64_t v) { ((struct numbers *)into)->a = v; }
static void set_b(void *into, uint64_t v) { ((struct numbers *)into)->b = v + 1; }

static void words_and_numbers(void **state)
{
	static const struct kc_port_word table[] = {
		{ "a", 255, set_a }, { "b", 0, set_b }, { NULL, 0, NULL }
	};
	static const char *const bad[] = { "a", "a x", "a 256", "a -1", "c", "b 1", "a 0x1g" };
	struct numbers n = { 0, 0 };
	struct kc_err err;
	char text[300];

	(void)state;
	assert_int_equal(kc_port_words(table, NULL, "this", &n, &err), 0);
	assert_int_equal(kc_port_words(table, "b a 0xff", "this", &n, &err), 0);
	assert_int_equal(n.a, 255);
	assert_int_equal(n.b, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(kc_port_words(table, bad[i], "this", &n, &err), -EBADMSG);
	memset(text, 'b', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_int_equal(kc_port_words(table, text, "this", &n, &err), -EBADMSG);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_echo_may_come_in_any_pieces),
		T(an_echo_is_what_was_sent),
		T(anything_may_be_typed),
		T(a_buffer_without_an_entry_is_full),
		T(shapes),
		T(explicit_cuts_bind),
		T(a_refused_output_was_not_sent),
		T(queues),
		cmocka_unit_test(words_and_numbers),
	};

	return cmocka_run_group_tests_name("port_console", tests, NULL, NULL);
}

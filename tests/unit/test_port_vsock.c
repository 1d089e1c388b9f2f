/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_vsock.c, guest_model/port_vsock_rx.c
 *
 * The socket device's port: packets byte by byte, credit in both directions, and what a received
 * packet is accused of. The device is played by hand, its headers laid out from the text.
 */
#include "guest_fixture.h"
#include <errno.h>
#include <guest_model/port.h>

#define RX	0u
#define TX	1u
#define EVENT	2u
#define HEAD	44u
#define REQUEST	1u
#define RESPONSE 2u
#define RST	3u
#define SHUTDOWN 4u
#define DATA	5u
#define UPDATE	6u
#define ASK	7u

static const uint8_t config[8] = { 5 };		/* guest_cid */

struct fix {
	struct guest g;
	struct kc_port *port;
	struct kc_err err;
	int code;
	uint8_t sent[8192];		/* the last packet */
	uint32_t nsent;
};

static int set_up(void **state)
{
	struct fix *t = calloc(1, sizeof(*t));
	struct kc_port_env env = { .seed = 7, .ring_max_chain = 256, .config = config,
				   .config_len = sizeof(config) };

	assert_non_null(t);
	guest_init(&t->g);
	env.mem = &t->g.mem;
	t->port = kc_port_by_name("vsock")->open(&env, &t->err);
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

static uint64_t le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static void put(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static struct kc_request *make(struct fix *t, unsigned qi, const struct kc_shape *shape)
{
	struct kc_request *r = t->port->ops->make(t->port, qi, shape, &t->code, &t->err);

	if (!r)
		fail_msg("%s", t->err.msg);
	assert_int_equal(t->code, 0);
	return r;
}

static void refuse(struct fix *t, unsigned qi, const char *words, uint32_t data, int expected)
{
	struct kc_shape shape = { .words = words, .data = data };

	t->err.msg[0] = 0;
	assert_null(t->port->ops->make(t->port, qi, &shape, &t->code, &t->err));
	assert_int_equal(t->code, expected);
	assert_true(strlen(t->err.msg) > 10);
}

/* What a used buffer means; clause: of the accusation, NULL if there is none. */
static void judge(struct fix *t, unsigned qi, struct kc_request *r, uint32_t len, int code,
		  const char *clause)
{
	struct kc_used u = { .len = len };
	enum kc_payload_verdict v;

	t->port->clause = NULL;
	t->err.msg[0] = 0;
	v = t->port->ops->check(t->port, qi, r, &u, &t->code, &t->err);
	t->port->ops->release(t->port, r);
	if (clause) {
		assert_int_equal(v, KC_PAYLOAD_WRONG);
		assert_string_equal(t->port->clause, clause);
		assert_true(strlen(t->err.msg) > 10);
		return;
	}
	if (v == KC_PAYLOAD_WRONG)
		fail_msg("%s: %s", t->port->clause, t->err.msg);
	assert_int_equal(v, code ? KC_PAYLOAD_FAILED : KC_PAYLOAD_RIGHT);
	assert_int_equal(t->code, code);
}

/* Sends; the packet is in t->sent. */
static void transmit(struct fix *t, const char *words, uint32_t data)
{
	struct kc_request *r = make(t, TX, &(struct kc_shape){ .words = words, .data = data });

	t->nsent = 0;
	for (unsigned i = 0; i < r->nsegs; t->nsent += r->segs[i++].len)
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, t->sent + t->nsent,
					     r->segs[i].len), 0);
	assert_int_equal(r->writable, 0);
	judge(t, TX, r, 0, 0, NULL);
}

/* A packet of the device's, from the port that the last packet went to. */
struct answer {
	uint8_t bytes[HEAD + 4096];
	uint32_t len;			/* of the payload */
};

static struct answer reply(const struct fix *t, uint16_t op, const uint8_t *payload, uint32_t len)
{
	struct answer a = { .len = len };

	put(a.bytes, 2, 8);
	put(a.bytes + 8, 5, 8);
	memcpy(a.bytes + 16, t->sent + 20, 4);
	memcpy(a.bytes + 20, t->sent + 16, 4);
	put(a.bytes + 24, len, 4);
	put(a.bytes + 28, 1, 2);
	put(a.bytes + 30, op, 2);
	put(a.bytes + 36, 1000, 4);		/* buf_alloc */
	if (len)
		memcpy(a.bytes + HEAD, payload, len);
	return a;
}

static void receive(struct fix *t, const struct answer *a, const char *clause)
{
	struct kc_request *r = make(t, RX, &(struct kc_shape){ .one_piece = true });
	uint32_t len = HEAD + a->len;

	guest_device_write(&t->g, r->segs[0].gpa, a->bytes, len);
	judge(t, RX, r, len, (int)le(a->bytes + 30, 2), clause);
}

/* The same with one field changed. */
static void receive_with(struct fix *t, struct answer a, unsigned at, uint64_t v, unsigned n,
			 const char *clause)
{
	put(a.bytes + at, v, n);
	receive(t, &a, clause);
}

static void open_flow(struct fix *t, const char *words)
{
	struct answer a;

	transmit(t, words, 0);
	a = reply(t, RESPONSE, NULL, 0);
	memcpy(a.bytes + 28, t->sent + 28, 2);
	receive(t, &a, NULL);
}

/* Sends so many bytes and gives them back, with fwd_cnt and flags. */
static struct answer echo(struct fix *t, uint32_t len, uint32_t fwd_cnt)
{
	struct answer a = reply(t, DATA, t->sent + HEAD, len);

	put(a.bytes + 40, fwd_cnt, 4);
	return a;
}

static void the_header_is_as_the_text_says(void **state)
{
	struct fix *t = *state;

	transmit(t, "connect to 77 window 4096", 0);
	assert_int_equal(t->nsent, HEAD);
	assert_int_equal(le(t->sent, 8), 5);
	assert_int_equal(le(t->sent + 8, 8), 2);
	assert_int_equal(le(t->sent + 20, 4), 77);
	assert_int_equal(le(t->sent + 24, 4), 0);
	assert_int_equal(le(t->sent + 28, 2), 1);
	assert_int_equal(le(t->sent + 30, 2), REQUEST);
	assert_int_equal(le(t->sent + 36, 4), 4096);
	assert_int_equal(le(t->sent + 40, 4), 0);
	transmit(t, "connect seqpacket flow 1", 0);
	assert_int_equal(le(t->sent + 28, 2), 2);
	assert_int_equal(le(t->sent + 20, 4), 1234);
	transmit(t, "shutdown flow 1", 0);
	assert_int_equal(le(t->sent + 30, 2), SHUTDOWN);
	assert_int_equal(le(t->sent + 32, 4), 3);
	transmit(t, "op 9 type 6 flags 8 source 11 surplus 3", 2);
	assert_int_equal(t->nsent, HEAD + 5);
	assert_int_equal(le(t->sent, 8), 11);
	assert_int_equal(le(t->sent + 24, 4), 2);
	assert_int_equal(le(t->sent + 28, 2), 6);
	assert_int_equal(le(t->sent + 30, 2), 9);
	assert_int_equal(le(t->sent + 32, 4), 8);
}

static void without_words_it_is_a_reset_of_nobody(void **state)
{
	static const unsigned numbers[] = { 1, 2, 44, 45, 200 };
	struct fix *t = *state;

	transmit(t, NULL, 0);
	assert_int_equal(le(t->sent + 30, 2), RST);
	assert_int_equal(le(t->sent + 24, 4), t->nsent - HEAD);
	for (size_t i = 0; i < 5; i++) {
		struct kc_request *r = make(t, TX, &(struct kc_shape){ .descriptors = numbers[i] });

		assert_int_equal(r->nsegs, numbers[i]);
		t->port->ops->release(t->port, r);
	}
}

/* No more descriptors than a small ring allows in a table. */
static void a_header_by_bytes_is_cut_sixteen_times(void **state)
{
	struct fix *t = *state;
	struct kc_request *r = make(t, TX, &(struct kc_shape){ .every_byte = true });

	assert_int_equal(r->nsegs, 18);		/* 16, the rest of the header, the payload */
	assert_int_equal(r->segs[15].len, 1);
	assert_int_equal(r->segs[16].len, HEAD - 16);
	t->port->ops->release(t->port, r);
}

static void what_makes_no_request(void **state)
{
	struct fix *t = *state;

	refuse(t, TX, "send", 65537, -EINVAL);
	refuse(t, TX, "flow 1", 0, -EBADMSG);
	refuse(t, TX, "flow 16 reset", 0, -EBADMSG);
	refuse(t, RX, "send", 0, -EBADMSG);
	refuse(t, RX, NULL, (8u << 20) + 1, -EINVAL);
	transmit(t, "connect", 0);
	refuse(t, TX, "send", 1, -EINVAL);	/* not open yet */
}

static void no_more_is_sent_than_there_is_room(void **state)
{
	struct fix *t = *state;
	struct answer a;

	open_flow(t, "connect echo");		/* room for 1000 */
	transmit(t, "send", 600);
	refuse(t, TX, "send", 401, -EINVAL);
	transmit(t, "send", 400);
	refuse(t, TX, "send", 1, -EINVAL);
	a = reply(t, UPDATE, NULL, 0);
	receive_with(t, a, 40, 300, 4, NULL);
	refuse(t, TX, "send", 301, -EINVAL);
	transmit(t, "send", 300);
	put(a.bytes + 40, 300, 4);
	receive_with(t, a, 36, 10, 4, NULL);	/* it takes back more than is left */
	refuse(t, TX, "send", 1, -EINVAL);
}

static void a_broken_header_is_accused(void **state)
{
	struct fix *t = *state;
	struct kc_request *r;
	struct answer a;

	transmit(t, "connect", 0);
	a = reply(t, RESPONSE, NULL, 0);
	r = make(t, RX, &(struct kc_shape){ .one_piece = true });
	judge(t, RX, r, HEAD - 1, 0, "VSOCK-HDR-01");
	receive_with(t, a, 24, 1, 4, "VSOCK-HDR-01");
	receive_with(t, a, 30, 0, 2, "VSOCK-HDR-01");
	receive_with(t, a, 30, 8, 2, "VSOCK-HDR-01");
	receive_with(t, a, 4, 1, 4, "VSOCK-HDR-01");
	receive_with(t, a, 12, 1, 4, "VSOCK-HDR-01");
	receive_with(t, a, 8, 6, 8, "VSOCK-ADDR-01");
	receive_with(t, a, 28, 3, 2, "VSOCK-ADDR-01");
	receive_with(t, a, 28, 2, 2, "VSOCK-ADDR-01");
	receive_with(t, a, 16, 99, 4, "VSOCK-ADDR-01");
	receive_with(t, a, 0, 9, 8, "VSOCK-ADDR-01");
	receive(t, &a, NULL);
	receive(t, &a, "VSOCK-STREAM-01");	/* once */
}

/* A reset of anything, and somebody else's request, are no offence. */
static void what_is_not_about_us_passes(void **state)
{
	struct fix *t = *state;
	struct answer a;

	transmit(t, "connect type 77", 0);
	a = reply(t, RST, NULL, 0);
	receive_with(t, a, 28, 77, 2, NULL);
	receive_with(t, a, 16, 99, 4, NULL);
	a = reply(t, REQUEST, NULL, 0);
	receive_with(t, a, 20, 1, 4, NULL);
}

static void data_must_be_what_was_sent(void **state)
{
	struct fix *t = *state;
	struct answer a;

	transmit(t, "connect echo", 0);
	a = reply(t, DATA, NULL, 0);
	receive(t, &a, "VSOCK-STREAM-01");	/* too early */
	open_flow(t, "connect echo");
	transmit(t, "send", 20);
	a = echo(t, 20, 20);
	a.bytes[HEAD + 3] ^= 1;
	receive(t, &a, "VSOCK-HDR-02");
	open_flow(t, "connect echo");
	transmit(t, "send", 20);
	a = echo(t, 5, 5);
	receive(t, &a, NULL);
	a = reply(t, DATA, t->sent + HEAD + 5, 15);
	receive_with(t, a, 40, 20, 4, NULL);
	a = reply(t, DATA, t->sent + HEAD, 1);
	receive_with(t, a, 40, 20, 4, "VSOCK-HDR-02");	/* one too many */
}

static void credit_is_kept_by_the_device(void **state)
{
	struct fix *t = *state;
	struct answer a;

	open_flow(t, "connect echo window 10");
	transmit(t, "send", 30);
	a = echo(t, 11, 30);
	receive(t, &a, "VSOCK-CREDIT-DEV-01");
	open_flow(t, "connect echo window 10");
	transmit(t, "send", 30);
	a = echo(t, 10, 30);
	receive(t, &a, NULL);
	a = reply(t, DATA, t->sent + HEAD + 10, 5);
	transmit(t, "credit-update window 5", 0);
	assert_int_equal(le(t->sent + 40, 4), 10);	/* fwd_cnt */
	assert_int_equal(le(t->sent + 36, 4), 5);
	receive_with(t, a, 40, 30, 4, NULL);
	a.len = 0;
	put(a.bytes + 24, 0, 4);
	receive_with(t, a, 40, 30, 4, NULL);		/* nothing always fits */
}

/* What we take back counts from when the device knows it, which we cannot see. */
static void room_once_given_is_not_held_against_it(void **state)
{
	struct fix *t = *state;
	struct answer a;

	open_flow(t, "connect echo window 20");
	transmit(t, "send", 20);
	a = echo(t, 20, 20);
	transmit(t, "credit-request window 0", 0);
	receive(t, &a, NULL);
}

static void forwarded_bytes_are_those_that_were_sent(void **state)
{
	struct fix *t = *state;
	struct answer a;

	open_flow(t, "connect echo");
	transmit(t, "send", 20);
	a = reply(t, UPDATE, NULL, 0);
	receive_with(t, a, 40, 21, 4, "VSOCK-CREDIT-DEV-02");
	receive_with(t, a, 40, 15, 4, NULL);
	receive_with(t, a, 40, 14, 4, "VSOCK-CREDIT-DEV-02");	/* back */
	a = echo(t, 16, 15);
	receive(t, &a, "VSOCK-CREDIT-DEV-02");	/* comes back, and is not forwarded */
}

static void nothing_follows_an_end(void **state)
{
	struct fix *t = *state;
	struct answer a, more;

	open_flow(t, "connect echo");
	transmit(t, "send", 20);
	more = echo(t, 10, 10);
	a = reply(t, SHUTDOWN, NULL, 0);
	receive_with(t, a, 32, 1, 4, NULL);
	receive(t, &more, NULL);		/* it receives no more; it may send */
	a = reply(t, SHUTDOWN, NULL, 0);
	put(a.bytes + 40, 10, 4);
	receive_with(t, a, 32, 2, 4, NULL);
	receive(t, &more, "VSOCK-STREAM-02");
	a = reply(t, RST, NULL, 0);
	receive(t, &a, NULL);
	receive(t, &more, "VSOCK-STREAM-03");
	receive(t, &a, NULL);			/* for what we may have sent meanwhile */
}

static void packets_may_cross_our_reset(void **state)
{
	struct fix *t = *state;
	struct answer a;

	open_flow(t, "connect echo");
	transmit(t, "send", 20);
	a = echo(t, 20, 20);
	transmit(t, "reset", 0);
	receive(t, &a, NULL);
}

static void messages_have_their_ends(void **state)
{
	struct fix *t = *state;
	struct answer a;

	open_flow(t, "connect echo seqpacket");
	transmit(t, "send eom eor", 20);
	assert_int_equal(le(t->sent + 32, 4), 3);
	a = echo(t, 20, 20);
	put(a.bytes + 28, 2, 2);
	receive_with(t, a, 32, 1, 4, "VSOCK-SEQ-01");	/* without EOR */
	open_flow(t, "connect echo seqpacket");
	transmit(t, "send eom", 20);
	a = echo(t, 8, 20);
	put(a.bytes + 28, 2, 2);
	receive_with(t, a, 32, 1, 4, "VSOCK-SEQ-01");	/* too early */
	open_flow(t, "connect echo seqpacket");
	transmit(t, "send eom", 20);
	a = echo(t, 20, 20);
	put(a.bytes + 28, 2, 2);
	receive(t, &a, NULL);				/* an empty packet may end it */
	a = reply(t, DATA, NULL, 0);
	put(a.bytes + 28, 2, 2);
	put(a.bytes + 40, 20, 4);
	receive_with(t, a, 32, 1, 4, NULL);
	receive_with(t, a, 32, 1, 4, "VSOCK-SEQ-01");	/* once */
}

static void one_packet_does_not_hold_two_messages(void **state)
{
	struct fix *t = *state;
	uint8_t both[40];
	struct answer a;

	open_flow(t, "connect echo seqpacket");
	transmit(t, "send eom", 20);
	memcpy(both, t->sent + HEAD, 20);
	transmit(t, "send eom", 20);
	memcpy(both + 20, t->sent + HEAD, 20);
	a = reply(t, DATA, both, 40);
	put(a.bytes + 28, 2, 2);
	put(a.bytes + 40, 40, 4);
	receive_with(t, a, 32, 1, 4, "VSOCK-SEQ-01");
}

static void events(void **state)
{
	static const uint8_t zero[4], one[4] = { 1 };
	struct fix *t = *state;
	struct kc_request *r = make(t, EVENT, &(struct kc_shape){ .one_piece = true });

	assert_int_equal(r->writable, 4);
	guest_device_write(&t->g, r->segs[0].gpa, zero, 4);
	judge(t, EVENT, r, 4, 0, NULL);
	r = make(t, EVENT, &(struct kc_shape){ .one_piece = true });
	guest_device_write(&t->g, r->segs[0].gpa, one, 4);
	judge(t, EVENT, r, 4, 0, "VSOCK-EVT-01");
	r = make(t, EVENT, &(struct kc_shape){ .one_piece = true });
	guest_device_write(&t->g, r->segs[0].gpa, zero, 2);
	judge(t, EVENT, r, 2, 0, "VSOCK-EVT-01");
}

static void queues(void **state)
{
	struct fix *t = *state;
	const struct kc_port_ops *o = t->port->ops;

	assert_int_equal(o->virtqueue(0), TX);
	assert_int_equal(o->companion(TX), RX);
	assert_int_equal(o->companion(EVENT), -1);
	assert_true(o->for_input(t->port, RX));
	assert_false(o->for_input(t->port, TX));
	assert_true(o->for_input(t->port, EVENT));
	assert_true(o->has_queue(t->port, EVENT, 0, &t->err));
	assert_false(o->has_queue(t->port, o->virtqueue(1), 8, &t->err));
	assert_string_equal(o->code_name(0), "OK");
	assert_string_equal(o->code_name(ASK), "CREDIT_REQUEST");
	assert_string_equal(o->code_name(8), "unknown");
	assert_string_equal(o->code_name(-1), "unknown");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_header_is_as_the_text_says),
		T(without_words_it_is_a_reset_of_nobody),
		T(a_header_by_bytes_is_cut_sixteen_times),
		T(what_makes_no_request),
		T(no_more_is_sent_than_there_is_room),
		T(a_broken_header_is_accused),
		T(what_is_not_about_us_passes),
		T(data_must_be_what_was_sent),
		T(credit_is_kept_by_the_device),
		T(room_once_given_is_not_held_against_it),
		T(forwarded_bytes_are_those_that_were_sent),
		T(nothing_follows_an_end),
		T(packets_may_cross_our_reset),
		T(messages_have_their_ends),
		T(one_packet_does_not_hold_two_messages),
		T(events),
		T(queues),
	};

	return cmocka_run_group_tests_name("port_vsock", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The SCSI host's port: what is asked, and which answers are right. The device is played by hand. */
#include "guest_fixture.h"
#include <errno.h>
#include <linux/virtio_scsi.h>
#include <guest_model/port.h>

#define HEADER	51u
#define RESP	108u
#define IN_MAX	4096u

struct fix {
	struct guest g;
	struct kc_port *port;
	struct kc_err err;
	int code;
};

static void open_port(struct fix *t)
{
	struct kc_port_env env = { .seed = 7, .ring_max_chain = 256, .writes_allowed = true };

	memset(t, 0, sizeof(*t));
	guest_init(&t->g);
	env.mem = &t->g.mem;
	t->port = kc_port_by_name("scsi")->open(&env, &t->err);
	assert_non_null(t->port);
}

static void close_port(struct fix *t)
{
	t->port->ops->close(t->port);
	guest_fini(&t->g);
}

static struct kc_request *make(struct fix *t, unsigned qi, const char *words)
{
	struct kc_shape shape = { .words = words };
	struct kc_request *r = t->port->ops->make(t->port, qi, &shape, &t->code, &t->err);

	if (!r)
		fail_msg("%s", t->err.msg);
	return r;
}

static void gather(struct fix *t, const struct kc_request *r, uint8_t *buf)
{
	for (unsigned i = 0; i < r->nsegs && !r->segs[i].write; buf += r->segs[i++].len)
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, buf, r->segs[i].len), 0);
}

/* The device writes all of the writable part. */
static enum kc_payload_verdict answer(struct fix *t, unsigned qi, struct kc_request *r, const uint8_t *in)
{
	struct kc_used u = { .len = r->writable };
	enum kc_payload_verdict v;

	for (unsigned i = 0; i < r->nsegs; i++) {
		if (!r->segs[i].write)
			continue;
		guest_device_write(&t->g, r->segs[i].gpa, in, r->segs[i].len);
		in += r->segs[i].len;
	}
	t->port->clause = NULL;
	t->err.msg[0] = 0;
	v = t->port->ops->check(t->port, qi, r, &u, &t->code, &t->err);
	t->port->ops->release(t->port, r);
	assert_true((v == KC_PAYLOAD_WRONG) == (t->err.msg[0] != 0));
	return v;
}

static void a_command_has_its_parts(void **state)
{
	struct kc_request *r;
	uint8_t out[IN_MAX];
	struct fix t;

	(void)state;
	open_port(&t);
	r = make(&t, 2, "read lba 0x01020304 target 3 lun 258");
	assert_int_equal(r->readable, HEADER);
	assert_int_equal(r->writable, RESP + 512);
	gather(&t, r, out);
	assert_memory_equal(out, ((uint8_t[8]){ 1, 3, 0x41, 2 }), 8);
	assert_memory_equal(out + 19, ((uint8_t[10]){ 0x28, 0, 1, 2, 3, 4, 0, 0, 1, 0 }), 10);
	t.port->ops->release(t.port, r);
	r = make(&t, 2, "report-luns well-known");
	gather(&t, r, out);
	assert_memory_equal(out, ((uint8_t[8]){ 0xc1, 1 }), 8);
	assert_memory_equal(out + 19, ((uint8_t[10]){ 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16 }), 10);
	t.port->ops->release(t.port, r);
	r = make(&t, 0, "lun-reset");
	assert_int_equal(r->readable, 24);
	assert_int_equal(r->writable, 1);
	gather(&t, r, out);
	assert_memory_equal(out, ((uint8_t[9]){ 0, 0, 0, 0, 5, 0, 0, 0, 1 }), 9);
	t.port->ops->release(t.port, r);
	r = make(&t, 1, NULL);
	assert_int_equal(r->writable, 16);
	t.port->ops->release(t.port, r);
	close_port(&t);
}

static void answers_to_commands(void **state)
{
	/* residual, status, response, sense key; what comes of it */
	static const struct {
		uint8_t resid, status, response, key;
		enum kc_payload_verdict v;
		const char *name;
	} rows[] = {
		{ 0, 0, 0, 0, KC_PAYLOAD_RIGHT, "OK" },
		{ 36, 0, 0, 0, KC_PAYLOAD_RIGHT, "OK" },
		{ 37, 0, 0, 0, KC_PAYLOAD_WRONG, NULL },
		{ 0, 0, 10, 0, KC_PAYLOAD_WRONG, NULL },
		{ 0, 0, 3, 0, KC_PAYLOAD_FAILED, "BAD_TARGET" },
		{ 0, 2, 0, 5, KC_PAYLOAD_FAILED, "ILLEGAL_REQUEST" },
		{ 0, 2, 0, 6, KC_PAYLOAD_RIGHT, NULL },	/* told of a reset */
		{ 0, 2, 0, 0xff, KC_PAYLOAD_WRONG, NULL },	/* no sense data */
		{ 0, 8, 0, 0, KC_PAYLOAD_FAILED, "CHECK_CONDITION" },
	};
	struct fix t;

	(void)state;
	open_port(&t);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t in[IN_MAX] = { rows[i].key == 0xff ? 0 : 18, 0, 0, 0, rows[i].resid };

		in[10] = rows[i].status;
		in[11] = rows[i].response;
		in[12] = 0x70;
		in[14] = rows[i].key & 0xf;
		assert_int_equal(answer(&t, 2, make(&t, 2, "inquiry"), in), rows[i].v);
		if (rows[i].name)
			assert_string_equal(t.port->ops->code_name(t.code), rows[i].name);
	}
	close_port(&t);
}

static void answers_to_control(void **state)
{
	uint8_t in[IN_MAX] = { 0 };
	struct fix t;

	(void)state;
	open_port(&t);
	for (unsigned i = 0; i < 14; i++) {
		bool done = i == 0 || i == 10;
		bool known = done || (i >= 3 && i <= 12 && i != VIRTIO_SCSI_S_RESET);

		in[0] = (uint8_t)i;
		assert_int_equal(answer(&t, 0, make(&t, 0, "abort-task"), in),
				 done ? KC_PAYLOAD_RIGHT : known ? KC_PAYLOAD_FAILED : KC_PAYLOAD_WRONG);
	}
	in[0] = 1;		/* TRANSPORT_RESET, and not by HOTPLUG */
	assert_int_equal(answer(&t, 1, make(&t, 1, NULL), in), KC_PAYLOAD_RIGHT);
	in[12] = VIRTIO_SCSI_EVT_RESET_REMOVED;
	assert_int_equal(answer(&t, 1, make(&t, 1, NULL), in), KC_PAYLOAD_WRONG);
	assert_string_equal(t.port->clause, "SCSI-EVT-DEV-02");
	close_port(&t);
}

static void what_was_written_must_be_read(void **state)
{
	uint8_t out[IN_MAX], in[IN_MAX] = { 0 };
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t);
	r = make(&t, 2, "write");
	gather(&t, r, out);
	assert_int_equal(answer(&t, 2, r, in), KC_PAYLOAD_RIGHT);
	memcpy(in + RESP, out + HEADER, 512);
	assert_int_equal(answer(&t, 2, make(&t, 2, "read back"), in), KC_PAYLOAD_RIGHT);
	in[RESP + 511] ^= 1;
	assert_int_equal(answer(&t, 2, make(&t, 2, "read back"), in), KC_PAYLOAD_WRONG);
	close_port(&t);
}

static void what_cannot_be_asked(void **state)
{
	static const struct { unsigned qi; struct kc_shape shape; int code; } rows[] = {
		{ 2, { .words = "sector 8" }, -EBADMSG },
		{ 2, { .words = "lba" }, -EBADMSG },
		{ 0, { .words = "read" }, -EBADMSG },
		{ 1, { .words = "lun 1" }, -EBADMSG },
		{ 2, { .words = "write lba 5" }, -EINVAL },
		{ 2, { .words = "inquiry", .dir = KC_DIR_OUT }, -EINVAL },
		{ 2, { .descriptors = 1 }, -EINVAL },
	};
	struct kc_err why;
	struct fix t;

	(void)state;
	open_port(&t);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_null(t.port->ops->make(t.port, rows[i].qi, &rows[i].shape, &t.code, &t.err));
		assert_int_equal(t.code, rows[i].code);
	}
	assert_int_equal(t.port->ops->virtqueue(1), 3);
	assert_true(t.port->ops->has_queue(t.port, 3, 4, &why));
	assert_false(t.port->ops->has_queue(t.port, 4, 4, &why));
	close_port(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_has_its_parts),
		cmocka_unit_test(answers_to_commands),
		cmocka_unit_test(answers_to_control),
		cmocka_unit_test(what_was_written_must_be_read),
		cmocka_unit_test(what_cannot_be_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_PORT_NET_FIXTURE_H
#define TESTS_UNIT_PORT_NET_FIXTURE_H

#include "guest_fixture.h"
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <guest_model/port.h>

/* A net port, and the device's side of it, played byte by byte. */
#define BIT(n)		(1ull << (n))
#define V1		BIT(VIRTIO_F_VERSION_1)
#define MERGE		BIT(VIRTIO_NET_F_MRG_RXBUF)
#define HEADER		12u
#define RX		0u
#define TX		1u
#define CTRL		2u

static const uint8_t config[12] = {
	0x52, 0x54, 0, 0x12, 0x34, 0x56,	/* mac */
	1, 0,					/* status */
	4, 0,					/* max_virtqueue_pairs */
	0xdc, 0x05,				/* mtu 1500 */
};

struct fix {
	struct guest g;
	struct kc_port *port;
	struct kc_err err;
	int code;
	bool skips;			/* with IN_ORDER: full buffers have no used entry of their own */
};

static inline void open_port(struct fix *t, uint64_t features, bool told)
{
	struct kc_port_env env = { .seed = 7, .ring_max_chain = 256, .features = features,
				   .control = true };

	memset(t, 0, sizeof(*t));
	guest_init(&t->g);
	env.mem = &t->g.mem;
	env.config = config;
	env.config_len = told ? sizeof(config) : 0;
	t->port = kc_port_by_name("net")->open(&env, &t->err);
	assert_non_null(t->port);
}

static inline void close_port(struct fix *t)
{
	t->port->ops->close(t->port);
	guest_fini(&t->g);
}

static inline struct kc_request *make_shape(struct fix *t, unsigned qi, const struct kc_shape *shape)
{
	struct kc_request *r;

	t->code = 1;
	r = t->port->ops->make(t->port, qi, shape, &t->code, &t->err);
	if (!r)
		fail_msg("%s", t->err.msg);
	assert_int_equal(t->code, 0);
	return r;
}

static inline struct kc_request *make(struct fix *t, unsigned qi, const char *words, uint32_t data)
{
	struct kc_shape shape = { .words = words, .data = data };

	return make_shape(t, qi, &shape);
}

static inline void refuse(struct fix *t, unsigned qi, const struct kc_shape *shape, int expected)
{
	t->err.msg[0] = 0;
	assert_null(t->port->ops->make(t->port, qi, shape, &t->code, &t->err));
	assert_int_equal(t->code, expected);
	assert_true(strlen(t->err.msg) > 10);
}

static inline uint32_t gather(struct fix *t, const struct kc_request *r, bool write, uint8_t *buf)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < r->nsegs; i++) {
		if (r->segs[i].write != write)
			continue;
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, buf + len, r->segs[i].len), 0);
		len += r->segs[i].len;
	}
	return len;
}

/* The device writes so many bytes into the writable part. */
static inline void scatter(struct fix *t, const struct kc_request *r, const uint8_t *buf, uint32_t len)
{
	for (unsigned i = 0; i < r->nsegs && len; i++) {
		uint32_t n = r->segs[i].len < len ? r->segs[i].len : len;

		if (!r->segs[i].write)
			continue;
		guest_device_write(&t->g, r->segs[i].gpa, buf, n);
		buf += n;
		len -= n;
	}
}

static inline enum kc_payload_verdict used(struct fix *t, unsigned qi, struct kc_request *r, uint32_t len)
{
	struct kc_used u = { .len = len, .skipped = t->skips && len == r->writable };
	enum kc_payload_verdict v;

	t->err.msg[0] = 0;
	t->port->clause = NULL;
	v = t->port->ops->check(t->port, qi, r, &u, &t->code, &t->err);
	t->port->ops->release(t->port, r);
	assert_true((v == KC_PAYLOAD_WRONG) == (t->err.msg[0] != 0));
	return v;
}

static inline enum kc_payload_verdict taken(struct fix *t, unsigned qi)
{
	t->port->clause = NULL;
	return t->port->ops->taken(t->port, qi, &t->err);
}

/* Sends; the bytes behind the header to frame. Returns the frame's length. */
static inline uint32_t send_frame(struct fix *t, const char *words, uint32_t data, uint8_t *frame)
{
	struct kc_request *r = make(t, TX, words, data);
	uint8_t buf[2048];
	uint32_t len = gather(t, r, false, buf);

	assert_int_equal(used(t, TX, r, 0), KC_PAYLOAD_RIGHT);
	memcpy(frame, buf + HEADER, len - HEADER);
	return len - HEADER;
}

/* Receives header and frame in one buffer. */
static inline enum kc_payload_verdict receive(struct fix *t, const uint8_t *header, const uint8_t *frame,
				       uint32_t len)
{
	struct kc_request *r = make(t, RX, NULL, 2048);
	uint8_t buf[4096];

	memcpy(buf, header, HEADER);
	memcpy(buf + HEADER, frame, len);
	scatter(t, r, buf, HEADER + len);
	return used(t, RX, r, HEADER + len);
}

static const uint8_t plain[HEADER] = { [10] = 1 };	/* num_buffers 1 */

static inline void check_clause(const struct fix *t, const char *clause)
{
	const char *got = t->port->clause ? t->port->clause : t->port->ops->payload_clause;

	assert_string_equal(got, clause);
}

static inline enum kc_payload_verdict answered(struct fix *t, const char *words, int ack)
{
	struct kc_request *r = make(t, CTRL, words, 0);
	uint8_t byte = (uint8_t)ack;

	if (ack >= 0)
		scatter(t, r, &byte, 1);
	return used(t, CTRL, r, 1);
}

#endif

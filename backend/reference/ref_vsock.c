// SPDX-License-Identifier: BSD-3-Clause
/*
 * The socket device: a host that listens on one port, where it sends back what it gets, and refuses
 * all others.
 *
 * Queue 1 brings the guest's packets. Each is carried out at once, so that no lack of room for
 * answers stops the guest's packets (VSOCK-FLOW-DEV-01): answers wait in a short list, and data
 * waits in its connection, where the guest's credit has made sure that there is room. Queue 0 is
 * the way out: answers first, then data of one connection after the other. A buffer is taken only
 * when there is a packet for it. Answers beyond the list are lost: the guest has given no room for
 * so many. Queue 2 has no events, since this transport is never replaced.
 *
 * Credit both ways: what the guest may send is what fits into the connection's store, and what has
 * gone back to it counts as forwarded. What may go to the guest is what it has said to have room
 * for, less what is on its way; if it takes back more than it has left, that is no room, not a
 * negative one.
 *
 * A message of a seqpacket connection goes back when it is there as a whole. It may take several
 * packets; the last one has the flags that its last one had.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_vsock.h>
#include "ref_internal.h"

#ifndef VIRTIO_VSOCK_F_STREAM
#define VIRTIO_VSOCK_F_STREAM	0
#endif
#ifndef VIRTIO_VSOCK_F_NO_IMPLIED_STREAM
#define VIRTIO_VSOCK_F_NO_IMPLIED_STREAM 2
#endif

#define RX		0u
#define TX		1u
#define GUEST_CID	3u
#define HOST_CID	2u
#define ECHO_PORT	1234u
#define STORE		16384u		/* of a connection; its buf_alloc */
#define CONNECTIONS	32u
#define MESSAGES	256u		/* that may wait in a connection */
#define ANSWERS		256u
#define SHUT_BOTH	(VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)
#define MESSAGE_END	1u		/* SEQ_EOM */
#define HEADER		sizeof(struct virtio_vsock_hdr)

/* In the machine's byte order. */
struct head {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
	uint16_t type, op;
};

struct message {
	uint32_t end;			/* got when it was there as a whole */
	uint32_t flags;
};

struct connection {
	bool used;
	uint32_t guest_port, port;
	uint16_t type;
	uint32_t shut;			/* flags of the guest's SHUTDOWN */
	uint32_t got, gone;		/* bytes from the guest, and sent back: counted for ever */
	uint32_t guest_alloc, guest_fwd;
	uint8_t store[STORE];		/* byte i of all is in i % STORE */
	struct message messages[MESSAGES];
	unsigned first, n;		/* of messages */
};

struct vsock {
	struct connection c[CONNECTIONS];
	unsigned next;			/* whose data goes first */
	struct head answers[ANSWERS];
	unsigned first, n;
};

static struct vsock *vsock_of(const struct kc_ref *r)
{
	return r->dev;
}

/* ---- connections ---- */

static struct connection *find(struct vsock *v, const struct head *h)
{
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &v->c[i];

		if (c->used && c->guest_port == h->src_port && c->port == h->dst_port &&
		    c->type == h->type)
			return c;
	}
	return NULL;
}

static struct connection *make(struct vsock *v, const struct head *h)
{
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &v->c[i];

		if (c->used)
			continue;
		memset(c, 0, sizeof(*c));
		c->used = true;
		c->guest_port = h->src_port;
		c->port = h->dst_port;
		c->type = h->type;
		return c;
	}
	return NULL;
}

static bool has_type(const struct kc_ref *r, uint16_t type)
{
	if (type == VIRTIO_VSOCK_TYPE_SEQPACKET)
		return kc_ref_has(r, VIRTIO_VSOCK_F_SEQPACKET);
	return type == VIRTIO_VSOCK_TYPE_STREAM && (kc_ref_has(r, VIRTIO_VSOCK_F_STREAM) ||
						    !kc_ref_has(r, VIRTIO_VSOCK_F_NO_IMPLIED_STREAM));
}

/* ---- answers ---- */

static void answer(struct vsock *v, const struct head *to, const struct connection *c, uint16_t op)
{
	if (v->n == ANSWERS)
		return;
	v->answers[(v->first + v->n++) % ANSWERS] = (struct head){
		.src_cid = HOST_CID, .dst_cid = GUEST_CID, .src_port = to->dst_port,
		.dst_port = to->src_port, .type = to->type, .op = op,
		.buf_alloc = c ? STORE : 0, .fwd_cnt = c ? c->gone : 0,
	};
}

/* A reset is not answered by another one. */
static void refuse(struct vsock *v, const struct head *h, struct connection *c)
{
	if (c)
		c->used = false;
	if (h->op != VIRTIO_VSOCK_OP_RST)
		answer(v, h, NULL, VIRTIO_VSOCK_OP_RST);
}

/* ---- from the guest ---- */

static void do_request(struct vsock *v, const struct head *h, struct connection *c)
{
	c = c || h->dst_port != ECHO_PORT ? NULL : make(v, h);
	if (!c) {
		refuse(v, h, find(v, h));
		return;
	}
	c->guest_alloc = h->buf_alloc;
	c->guest_fwd = h->fwd_cnt;
	answer(v, h, c, VIRTIO_VSOCK_OP_RESPONSE);
}

static void do_shutdown(struct vsock *v, const struct head *h, struct connection *c)
{
	c->shut |= h->flags & SHUT_BOTH;
	if (c->shut == SHUT_BOTH)
		refuse(v, h, c);
}

static void do_data(struct vsock *v, const struct head *h, struct connection *c,
		    struct kc_ref_cursor *payload)
{
	bool ends = h->type == VIRTIO_VSOCK_TYPE_SEQPACKET && h->flags & MESSAGE_END;
	uint8_t byte;

	if (c->shut & VIRTIO_VSOCK_SHUTDOWN_SEND || h->len > STORE - (c->got - c->gone) ||
	    (ends && c->n == MESSAGES)) {
		refuse(v, h, c);
		return;
	}
	for (uint32_t i = 0; i < h->len && kc_ref_cursor_read(payload, &byte, 1); i++)
		c->store[c->got++ % STORE] = byte;
	if (ends)
		c->messages[(c->first + c->n++) % MESSAGES] = (struct message){ c->got, h->flags };
}

static void take_packet(struct vsock *v, const struct head *h, struct connection *c,
			struct kc_ref_cursor *payload)
{
	c->guest_alloc = h->buf_alloc;
	c->guest_fwd = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RW:
		do_data(v, h, c, payload);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		do_shutdown(v, h, c);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		answer(v, h, c, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	default:
		refuse(v, h, c);
	}
}

static bool read_head(const struct kc_ref_chain *chain, struct head *h)
{
	struct kc_ref_cursor from = kc_ref_cursor_at(&chain->out, 0);
	struct virtio_vsock_hdr raw;

	if (kc_ref_cursor_read(&from, &raw, HEADER) < HEADER)
		return false;
	*h = (struct head){
		.src_cid = le64toh(raw.src_cid), .dst_cid = le64toh(raw.dst_cid),
		.src_port = le32toh(raw.src_port), .dst_port = le32toh(raw.dst_port),
		.len = le32toh(raw.len), .type = le16toh(raw.type), .op = le16toh(raw.op),
		.flags = le32toh(raw.flags), .buf_alloc = le32toh(raw.buf_alloc),
		.fwd_cnt = le32toh(raw.fwd_cnt),
	};
	/* More bytes than the packet has are nobody's; fewer make no packet. */
	return h->len <= chain->out.len - HEADER;
}

/* Packets of others than this guest, or to others than the host, go nowhere. */
static void from_guest(struct kc_ref *r, const struct kc_ref_chain *chain)
{
	struct vsock *v = vsock_of(r);
	struct kc_ref_cursor payload = kc_ref_cursor_at(&chain->out, HEADER);
	struct connection *c;
	struct head h;

	if (!read_head(chain, &h) || h.src_cid != GUEST_CID || h.dst_cid != HOST_CID)
		return;
	c = find(v, &h);
	if (!has_type(r, h.type))
		refuse(v, &h, NULL);
	else if (h.op == VIRTIO_VSOCK_OP_REQUEST)
		do_request(v, &h, c);
	else if (!c)
		refuse(v, &h, NULL);
	else
		take_packet(v, &h, c, &payload);
}

/* ---- to the guest ---- */

/* Bytes that may go now; *message: the one that they belong to, NULL if there are none. -1:
 * nothing may. */
static int64_t sendable(const struct connection *c, const struct message **message)
{
	uint32_t on_the_way = c->gone - c->guest_fwd, n = c->got - c->gone;
	uint32_t credit = c->guest_alloc > on_the_way ? c->guest_alloc - on_the_way : 0;

	*message = NULL;
	if (!c->used || c->shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		return -1;
	if (c->type == VIRTIO_VSOCK_TYPE_SEQPACKET) {
		if (!c->n)
			return -1;
		*message = &c->messages[c->first];
		n = (*message)->end - c->gone;
		if (!n)
			return 0;
	}
	n = n < credit ? n : credit;
	return n ? (int64_t)n : -1;
}

static struct connection *next_sender(struct vsock *v)
{
	const struct message *m;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &v->c[(v->next + i) % CONNECTIONS];

		if (sendable(c, &m) >= 0)
			return c;
	}
	return NULL;
}

static void put_head(struct kc_ref_cursor *to, const struct head *h)
{
	struct virtio_vsock_hdr raw = {
		.src_cid = htole64(h->src_cid), .dst_cid = htole64(h->dst_cid),
		.src_port = htole32(h->src_port), .dst_port = htole32(h->dst_port),
		.len = htole32(h->len), .type = htole16(h->type), .op = htole16(h->op),
		.flags = htole32(h->flags), .buf_alloc = htole32(h->buf_alloc),
		.fwd_cnt = htole32(h->fwd_cnt),
	};

	kc_ref_cursor_write(to, &raw, HEADER);
}

static uint32_t send_answer(struct vsock *v, struct kc_ref_cursor *to)
{
	put_head(to, &v->answers[v->first]);
	v->first = (v->first + 1) % ANSWERS;
	v->n--;
	return HEADER;
}

/* What is sent counts as forwarded, in its own packet. */
static uint32_t send_data(struct vsock *v, struct connection *c, struct kc_ref_cursor *to,
			  uint64_t room)
{
	struct head h = {
		.src_cid = HOST_CID, .dst_cid = GUEST_CID, .src_port = c->port,
		.dst_port = c->guest_port, .type = c->type, .op = VIRTIO_VSOCK_OP_RW,
		.buf_alloc = STORE,
	};
	const struct message *m;
	int64_t n = sendable(c, &m);

	h.len = (uint64_t)n < room ? (uint32_t)n : (uint32_t)room;
	h.fwd_cnt = c->gone + h.len;
	if (m && m->end == h.fwd_cnt) {
		h.flags = m->flags;
		c->first = (c->first + 1) % MESSAGES;
		c->n--;
	}
	put_head(to, &h);
	for (uint32_t i = 0; i < h.len; i++)
		kc_ref_cursor_write(to, &c->store[c->gone++ % STORE], 1);
	v->next = (unsigned)(c - v->c + 1) % CONNECTIONS;
	return HEADER + h.len;
}

/* A buffer that has no room for a header comes back empty. */
static uint32_t to_guest(struct kc_ref *r, const struct kc_ref_chain *chain)
{
	struct kc_ref_cursor to = kc_ref_cursor_at(&chain->in, 0);
	struct vsock *v = vsock_of(r);
	struct connection *c;

	if (chain->in.len < HEADER)
		return 0;
	if (v->n)
		return send_answer(v, &to);
	c = next_sender(v);
	return c ? send_data(v, c, &to, chain->in.len - HEADER) : 0;
}

/* ---- the device ---- */

static uint32_t vsock_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	if (qi == RX)
		return to_guest(r, chain);
	from_guest(r, chain);
	return 0;
}

static bool vsock_ready(struct kc_ref *r, unsigned qi)
{
	struct vsock *v = vsock_of(r);

	return qi == TX || (qi == RX && (v->n || next_sender(v)));
}

static int vsock_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	(void)config;
	r->dev = calloc(1, sizeof(struct vsock));
	return r->dev ? 0 : kc_err_set(err, -ENOMEM, "no memory for a socket device");
}

static void vsock_close(struct kc_ref *r)
{
	free(r->dev);
}

static void vsock_reset(struct kc_ref *r)
{
	struct vsock *v = vsock_of(r);

	v->n = 0;
	for (unsigned i = 0; i < CONNECTIONS; i++)
		v->c[i].used = false;
}

static uint64_t vsock_features(struct kc_ref *r, uint64_t off)
{
	(void)r;
	return (KC_BIT(VIRTIO_VSOCK_F_STREAM) | KC_BIT(VIRTIO_VSOCK_F_SEQPACKET) |
		KC_BIT(VIRTIO_VSOCK_F_NO_IMPLIED_STREAM)) & ~off;
}

static void vsock_config_read(struct kc_ref *r, uint8_t *config)
{
	struct virtio_vsock_config c = { .guest_cid = htole64(GUEST_CID) };

	(void)r;
	memcpy(config, &c, sizeof(c));
}

static int vsock_config_write(struct kc_ref *r, uint32_t offset, uint32_t len, bool migration,
			      const uint8_t *data)
{
	uint8_t config[sizeof(struct virtio_vsock_config)];

	vsock_config_read(r, config);
	return migration && !memcmp(config + offset, data, len) ? 0 : -EPERM;
}

const struct kc_ref_device kc_ref_vsock = {
	.name = "vsock",
	.queues = 3,
	.config_len = sizeof(struct virtio_vsock_config),
	.open = vsock_open,
	.close = vsock_close,
	.reset = vsock_reset,
	.features = vsock_features,
	.config_read = vsock_config_read,
	.config_write = vsock_config_write,
	.process = vsock_process,
	.ready = vsock_ready,
};

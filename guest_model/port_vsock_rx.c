/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket device's port: what is received.
 *
 * Theory of operation: a request on the receive queue is a buffer, which comes back with one
 * packet. Its header is held against the format, then against the flow that it names: may this
 * packet come now, does its credit make sense, and, if it is data, is there room for it, and is it
 * what was sent? A packet that passes is reported by its operation, as if it were a refusal: so a
 * script must say for each one which it expects.
 *
 * Packets of different ends cross. So a flow that we have dropped may go on for a while, and the
 * room that we give counts as known to the device once the packet that gives it is made. The
 * device's own word binds it at once: after its RST, and after a SHUTDOWN that says so, it sends
 * nothing.
 *
 * A reset need not be about a flow of ours, has no credit, and may have any type.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <common/say.h>
#include <guest_model/vsock.h>

#define EVENT		2u
#define NATURAL_BYTES	4096u

/* --- Buffers ---------------------------------------------------------------------------------- */

struct kc_request *kc_vsock_make_rx(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				    int *code, struct kc_err *err)
{
	struct kc_vsock *v = p->priv;
	uint32_t least = qi == EVENT ? sizeof(struct virtio_vsock_event) : KC_VSOCK_HEADER;
	uint32_t len = shape->data ? shape->data : qi == EVENT ? least : NATURAL_BYTES;
	struct kc_oneway o = { .write = true, .serial = v->serial + 1 };
	struct kc_request *r;
	uint8_t *bytes;

	len = len < least ? least : len;
	len = len < shape->descriptors ? shape->descriptors : len;
	if (shape->words || len > KC_STREAM_MAX) {
		*code = kc_err_set(err, shape->words ? -EBADMSG : -EINVAL, shape->words ?
				   "a receive queue of a socket device knows no words" :
				   "a buffer of that size is more than a request here may have");
		return NULL;
	}
	bytes = malloc(len);
	if (!bytes) {
		*code = kc_err_set(err, -ENOMEM, "no memory for a buffer of %u bytes", len);
		return NULL;
	}
	kc_port_fill(p, KC_FILL_POISON, o.serial, bytes, len);
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = p->env.poison_flip ? 0x20 | (bytes[i] & 0x1f) : 0xc0 | (bytes[i] & 0x1f);
	o.header = qi == EVENT ? 0 : KC_VSOCK_HEADER;
	o.bytes = bytes;
	o.len = len;
	r = kc_oneway_build(p, &o, shape, NULL, code, err);
	free(bytes);
	if (!r)
		return NULL;
	v->serial++;
	kc_say(r->what, sizeof(r->what), "vsock %s buffer, %u bytes",
		 qi == EVENT ? "event" : "receive", len);
	return r;
}

/* --- The header ------------------------------------------------------------------------------- */

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
	uint16_t type, op;
	const uint8_t *payload;
};

/* Sets the clause too. */
static enum kc_payload_verdict wrong(struct kc_port *p, const char *clause)
{
	p->clause = clause;
	return KC_PAYLOAD_WRONG;
}

static void decode(const uint8_t *bytes, struct packet *k)
{
	struct virtio_vsock_hdr h;

	memcpy(&h, bytes, sizeof(h));
	*k = (struct packet){
		.src_cid = le64toh(h.src_cid), .dst_cid = le64toh(h.dst_cid),
		.src_port = le32toh(h.src_port), .dst_port = le32toh(h.dst_port),
		.len = le32toh(h.len), .type = le16toh(h.type), .op = le16toh(h.op),
		.flags = le32toh(h.flags), .buf_alloc = le32toh(h.buf_alloc),
		.fwd_cnt = le32toh(h.fwd_cnt), .payload = bytes + sizeof(h),
	};
}

static enum kc_payload_verdict check_header(struct kc_port *p, const struct packet *k, uint32_t len,
					    struct kc_err *why)
{
	bool told;
	uint64_t cid = kc_vsock_guest_cid(p, &told);

	if (k->len != len - KC_VSOCK_HEADER) {
		kc_err_set(why, -EIO, "header len: expected the %u bytes that follow, actual %u",
			   len - KC_VSOCK_HEADER, k->len);
		return wrong(p, "VSOCK-HDR-01");
	}
	if (k->op < VIRTIO_VSOCK_OP_REQUEST || k->op > VIRTIO_VSOCK_OP_CREDIT_REQUEST) {
		kc_err_set(why, -EIO, "header op: expected 1 to 7, actual %u", k->op);
		return wrong(p, "VSOCK-HDR-01");
	}
	if (k->src_cid >> 32 || k->dst_cid >> 32) {
		kc_err_set(why, -EIO, "cids: expected upper halves of 0, actual source 0x%llx, "
			   "destination 0x%llx", (unsigned long long)k->src_cid,
			   (unsigned long long)k->dst_cid);
		return wrong(p, "VSOCK-HDR-01");
	}
	if (told && k->dst_cid != cid) {
		kc_err_set(why, -EIO, "destination cid: expected guest_cid %llu, actual %llu",
			   (unsigned long long)cid, (unsigned long long)k->dst_cid);
		return wrong(p, "VSOCK-ADDR-01");
	}
	if (k->op != VIRTIO_VSOCK_OP_RST && k->type != VIRTIO_VSOCK_TYPE_STREAM &&
	    k->type != VIRTIO_VSOCK_TYPE_SEQPACKET) {
		kc_err_set(why, -EIO, "header type: expected 1 or 2, actual %u", k->type);
		return wrong(p, "VSOCK-ADDR-01");
	}
	return KC_PAYLOAD_RIGHT;
}

/* --- The flow --------------------------------------------------------------------------------- */

static struct kc_vsock_flow *flow_of(const struct kc_port *p, const struct packet *k)
{
	struct kc_vsock *v = p->priv;
	uint32_t n = k->dst_port - v->first_port;
	struct kc_vsock_flow *f = n < KC_VSOCK_FLOWS ? &v->flows[n] : NULL;

	if (!f || f->state == KC_VSOCK_NONE || f->dst_port != k->src_port || k->src_cid != KC_VSOCK_HOST)
		return NULL;
	return f;
}

/* Bytes that it has consumed beyond those it said before, of those that it can have got. */
static enum kc_payload_verdict take_credit(struct kc_port *p, struct kc_vsock_flow *f,
					   const struct packet *k, struct kc_err *why)
{
	uint32_t more = k->fwd_cnt - (uint32_t)f->peer_fwd;

	if (more > f->sent - f->peer_fwd) {
		kc_err_set(why, -EIO, "fwd_cnt: expected %llu to %llu, of the bytes that were sent, actual "
			   "%u", (unsigned long long)f->peer_fwd, (unsigned long long)f->sent, k->fwd_cnt);
		return wrong(p, "VSOCK-CREDIT-DEV-02");
	}
	f->peer_fwd += more;
	f->peer_alloc = k->buf_alloc;
	return KC_PAYLOAD_RIGHT;
}

/* --- Data ------------------------------------------------------------------------------------- */

static enum kc_payload_verdict compare(struct kc_port *p, const struct kc_vsock_flow *f,
				       const struct packet *k, struct kc_err *why)
{
	if (k->len > f->sent - f->received) {
		kc_err_set(why, -EIO, "%u bytes of an echo: expected at most the %llu that were sent and have "
			   "not come back", k->len, (unsigned long long)(f->sent - f->received));
		return wrong(p, "VSOCK-HDR-02");
	}
	for (uint32_t i = 0; i < k->len; i++) {
		if (k->payload[i] == f->bytes[f->received + i])
			continue;
		kc_err_set(why, -EIO, "byte %u of the payload: expected 0x%02x, which was sent as byte "
			   "%llu, actual 0x%02x", i, f->bytes[f->received + i],
			   (unsigned long long)(f->received + i), k->payload[i]);
		return wrong(p, "VSOCK-HDR-02");
	}
	return KC_PAYLOAD_RIGHT;
}

/* Messages come back as they were sent; in how many packets is the sender's affair, and the last
 * of them may be an empty one. */
static enum kc_payload_verdict check_message(struct kc_port *p, struct kc_vsock_flow *f,
					     const struct packet *k, struct kc_err *why)
{
	const uint32_t both = KC_VSOCK_SEQ_EOM | KC_VSOCK_SEQ_EOR;
	uint64_t after = f->received + k->len;
	const struct kc_vsock_mark *m = f->mark < f->nmarks ? &f->marks[f->mark] : NULL;
	bool ends = k->flags & KC_VSOCK_SEQ_EOM;

	if (m && after > m->end) {
		kc_err_set(why, -EIO, "a packet of %u bytes: expected the message to end after %llu of them",
			   k->len, (unsigned long long)(m->end - f->received));
		return wrong(p, "VSOCK-SEQ-01");
	}
	if (ends && (!m || after != m->end || ((m->flags ^ k->flags) & both))) {
		kc_err_set(why, -EIO, "flags 0x%x: expected the end of a message where one was sent, with "
			   "flags 0x%x, and %llu bytes before that", k->flags, m ? m->flags : 0,
			   m ? (unsigned long long)(m->end - f->received) : 0);
		return wrong(p, "VSOCK-SEQ-01");
	}
	f->mark += ends;
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict take_data(struct kc_port *p, struct kc_vsock_flow *f,
					 const struct packet *k, struct kc_err *why)
{
	enum kc_payload_verdict v = KC_PAYLOAD_RIGHT;

	if (f->state == KC_VSOCK_CONNECTING) {
		kc_err_set(why, -EIO, "data: expected a RESPONSE first");
		return wrong(p, "VSOCK-STREAM-01");
	}
	if (f->peer_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) {
		kc_err_set(why, -EIO, "data: expected none after a SHUTDOWN that says so");
		return wrong(p, "VSOCK-STREAM-02");
	}
	if (f->received + k->len > f->limit) {
		kc_err_set(why, -EIO, "%u bytes of data: expected at most %llu, for which there is room",
			   k->len, (unsigned long long)(f->limit - f->received));
		return wrong(p, "VSOCK-CREDIT-DEV-01");
	}
	if (f->echo)
		v = compare(p, f, k, why);
	if (v == KC_PAYLOAD_RIGHT && f->echo && f->type == VIRTIO_VSOCK_TYPE_SEQPACKET)
		v = check_message(p, f, k, why);
	f->received += k->len;
	/* What comes back was taken out of the store that we sent it into. */
	if (v == KC_PAYLOAD_RIGHT && f->echo && f->peer_fwd < f->received) {
		kc_err_set(why, -EIO, "fwd_cnt: expected at least the %llu bytes that have come back, actual "
			   "%u", (unsigned long long)f->received, k->fwd_cnt);
		return wrong(p, "VSOCK-CREDIT-DEV-02");
	}
	return v;
}

/* --- Operations ------------------------------------------------------------------------------- */

static enum kc_payload_verdict take_response(struct kc_port *p, struct kc_vsock_flow *f,
					     const struct packet *k, struct kc_err *why)
{
	(void)k;
	if (f->state != KC_VSOCK_CONNECTING) {
		kc_err_set(why, -EIO, "RESPONSE: expected for a REQUEST, and there is none left");
		return wrong(p, "VSOCK-STREAM-01");
	}
	f->state = KC_VSOCK_OPEN;
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict take_shutdown(struct kc_port *p, struct kc_vsock_flow *f,
					     const struct packet *k, struct kc_err *why)
{
	(void)p;
	(void)why;
	f->peer_shut |= k->flags;
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict (*const take[])(struct kc_port *p, struct kc_vsock_flow *f,
					       const struct packet *k, struct kc_err *why) = {
	[VIRTIO_VSOCK_OP_RESPONSE] = take_response,
	[VIRTIO_VSOCK_OP_SHUTDOWN] = take_shutdown,
	[VIRTIO_VSOCK_OP_RW] = take_data,
	[VIRTIO_VSOCK_OP_CREDIT_REQUEST] = NULL,	/* all others: credit only */
};

static enum kc_payload_verdict check_flow(struct kc_port *p, struct kc_vsock_flow *f,
					  const struct packet *k, struct kc_err *why)
{
	enum kc_payload_verdict v;

	if (f->state == KC_VSOCK_DROPPED)
		return KC_PAYLOAD_RIGHT;	/* sent before it knew */
	if (f->state == KC_VSOCK_RESET) {
		kc_err_set(why, -EIO, "op %u: expected nothing more after the device's own RST", k->op);
		return wrong(p, "VSOCK-STREAM-03");
	}
	if (k->type != f->type) {
		kc_err_set(why, -EIO, "header type: expected that of the flow, %u, actual %u", f->type,
			   k->type);
		return wrong(p, "VSOCK-ADDR-01");
	}
	v = take_credit(p, f, k, why);
	return v == KC_PAYLOAD_RIGHT && take[k->op] ? take[k->op](p, f, k, why) : v;
}

static enum kc_payload_verdict check_packet(struct kc_port *p, const uint8_t *bytes, uint32_t len,
					    int *code, struct kc_err *why)
{
	enum kc_payload_verdict v;
	struct kc_vsock_flow *f;
	struct packet k;

	if (len < KC_VSOCK_HEADER) {
		kc_err_set(why, -EIO, "used.len: expected a header of %u bytes, actual %u bytes in all",
			   KC_VSOCK_HEADER, len);
		return wrong(p, "VSOCK-HDR-01");
	}
	decode(bytes, &k);
	v = check_header(p, &k, len, why);
	if (v != KC_PAYLOAD_RIGHT)
		return v;
	f = flow_of(p, &k);
	if (f && k.op == VIRTIO_VSOCK_OP_RST)
		f->state = KC_VSOCK_RESET;
	else if (f)
		v = check_flow(p, f, &k, why);
	else if (k.op != VIRTIO_VSOCK_OP_RST && k.op != VIRTIO_VSOCK_OP_REQUEST) {
		kc_err_set(why, -EIO, "op %u from port %u of cid %llu to port %u: expected a flow that there is",
			   k.op, k.src_port, (unsigned long long)k.src_cid, k.dst_port);
		v = wrong(p, "VSOCK-ADDR-01");
	}
	*code = k.op;
	return v == KC_PAYLOAD_RIGHT ? KC_PAYLOAD_FAILED : v;
}

static enum kc_payload_verdict check_event(struct kc_port *p, const uint8_t *bytes, uint32_t len,
					   struct kc_err *why)
{
	struct virtio_vsock_event e = { 0 };

	memcpy(&e, bytes, len < sizeof(e) ? len : sizeof(e));
	if (len == sizeof(e) && le32toh(e.id) == VIRTIO_VSOCK_EVENT_TRANSPORT_RESET)
		return KC_PAYLOAD_RIGHT;
	kc_err_set(why, -EIO, "an event: expected 4 bytes, id 0, actual %u bytes, id %u", len,
		   le32toh(e.id));
	return wrong(p, "VSOCK-EVT-01");
}

enum kc_payload_verdict kc_vsock_check_rx(struct kc_port *p, unsigned qi, struct kc_request *r,
					  const struct kc_used *u, int *code, struct kc_err *why)
{
	/* With IN_ORDER a buffer without a used entry of its own counts as written in full. */
	uint32_t len = u->skipped || u->len > r->writable ? r->writable : u->len;
	enum kc_payload_verdict v;
	uint8_t *bytes = kc_request_read_back(p, r);

	if (!bytes) {
		*code = kc_err_set(why, -ENOMEM, "no memory to check a packet");
		return KC_PAYLOAD_FAILED;
	}
	v = qi == EVENT ? check_event(p, bytes, len, why) : check_packet(p, bytes, len, code, why);
	free(bytes);
	return v;
}

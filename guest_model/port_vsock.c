/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket device's port: queues, flows, and what is sent.
 *
 * Theory of operation: virtqueue 0 receives, 1 transmits, 2 tells of events. What is sent is a
 * packet: a header of 44 bytes and, for data, a payload. Which packet, the script's words say; they
 * name a flow by a number, and the port keeps for each flow what both ends may know: state, counts,
 * credit, and, where the other end is an echo, every byte that was sent. port_vsock_rx.c holds what
 * comes against that.
 *
 * A packet without words is a reset of a connection that nobody has. It may be answered by nothing
 * at all, so any number of them can be sent to a device that has no room to answer: these are the
 * requests of scenarios for any device. Their data is a payload that nobody reads.
 *
 * The driver keeps the rules of credit: data beyond what the device has room for is no request.
 * What it promises to have room for is added up in `limit`, which only grows, since a device may go
 * by an older word of ours.
 *
 * Payload has the highest bit clear, poison has it set (or, flipped, is 0x20 to 0x3f).
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ids.h>
#include <common/rng.h>
#include <common/say.h>
#include <guest_model/vsock.h>

#define BIT(n)			(1ull << (n))
#define RX			0u
#define TX			1u
#define EVENT			2u
#define SOME_CID		3u		/* where the device does not tell */
#define NATURAL_BYTES		64u
#define PAYLOAD_MAX		65536u
#define NATURAL_WINDOW		262144u
#define NOBODY			0x7fff0000u	/* a port of no connection */

/* --- The device ------------------------------------------------------------------------------- */

uint64_t kc_vsock_guest_cid(const struct kc_port *p, bool *told)
{
	struct virtio_vsock_config c = { .guest_cid = htole64(SOME_CID) };

	*told = p->env.config && p->env.config_len >= sizeof(c);
	if (*told)
		memcpy(&c, p->env.config, sizeof(c));
	return le64toh(c.guest_cid);
}

static unsigned vsock_virtqueue(unsigned n)
{
	return 2 * n + 1;
}

static int vsock_companion(unsigned qi)
{
	return qi == TX ? (int)RX : -1;
}

static bool vsock_for_input(struct kc_port *p, unsigned qi)
{
	(void)p;
	return qi != TX;
}

static bool vsock_has_queue(struct kc_port *p, unsigned qi, uint64_t queue_num, struct kc_err *why)
{
	(void)p;
	(void)queue_num;
	if (qi <= EVENT)
		return true;
	kc_err_set(why, 0, "a socket device has three queues, and one for requests");
	return false;
}

/* --- Words ------------------------------------------------------------------------------------ */

struct ask {
	uint16_t op, type;		/* op 0: nothing was said */
	uint32_t flags, flow, to, window, surplus;
	bool has_type, has_to, has_window, has_cid, echo, consumes;
	uint64_t cid;
};

#define SETTER(name) static void set_##name(void *into, uint64_t v)
#define AS_ASK ((struct ask *)into)

SETTER(flow) { AS_ASK->flow = (uint32_t)v; }
SETTER(to) { AS_ASK->has_to = true; AS_ASK->to = (uint32_t)v; }
SETTER(window) { AS_ASK->has_window = true; AS_ASK->window = (uint32_t)v; }
SETTER(source) { AS_ASK->has_cid = true; AS_ASK->cid = v; }
SETTER(surplus) { AS_ASK->surplus = (uint32_t)v; }
SETTER(flags) { AS_ASK->flags = (uint32_t)v; }
SETTER(op) { AS_ASK->op = (uint16_t)v; }
SETTER(type) { AS_ASK->has_type = true; AS_ASK->type = (uint16_t)v; }
SETTER(echo) { (void)v; AS_ASK->echo = true; }
SETTER(seqpacket) { (void)v; set_type(into, VIRTIO_VSOCK_TYPE_SEQPACKET); }
SETTER(eom) { (void)v; AS_ASK->flags |= KC_VSOCK_SEQ_EOM; }
SETTER(eor) { (void)v; AS_ASK->flags |= KC_VSOCK_SEQ_EOR; }
SETTER(connect) { (void)v; AS_ASK->op = VIRTIO_VSOCK_OP_REQUEST; }
SETTER(send) { (void)v; AS_ASK->op = VIRTIO_VSOCK_OP_RW; }
SETTER(reset) { (void)v; AS_ASK->op = VIRTIO_VSOCK_OP_RST; }
SETTER(credit_request) { (void)v; AS_ASK->op = VIRTIO_VSOCK_OP_CREDIT_REQUEST; }

SETTER(credit_update)
{
	(void)v;
	AS_ASK->op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	AS_ASK->consumes = true;
}

static void shut(struct ask *a, uint32_t flags)
{
	a->op = VIRTIO_VSOCK_OP_SHUTDOWN;
	a->flags = flags;
}

SETTER(shutdown) { (void)v; shut(into, VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND); }
SETTER(shutdown_receive) { (void)v; shut(into, VIRTIO_VSOCK_SHUTDOWN_RCV); }
SETTER(shutdown_send) { (void)v; shut(into, VIRTIO_VSOCK_SHUTDOWN_SEND); }

static const struct kc_port_word words[] = {
	{ "connect", 0, set_connect },			/* operations */
	{ "send", 0, set_send },
	{ "reset", 0, set_reset },
	{ "shutdown", 0, set_shutdown },
	{ "shutdown-receive", 0, set_shutdown_receive },
	{ "shutdown-send", 0, set_shutdown_send },
	{ "credit-update", 0, set_credit_update },
	{ "credit-request", 0, set_credit_request },
	{ "op", UINT16_MAX, set_op },
	{ "flow", KC_VSOCK_FLOWS - 1, set_flow },	/* of which connection */
	{ "to", UINT32_MAX, set_to },			/* the port at the other end... */
	{ "echo", 0, set_echo },			/* ...which is an echo */
	{ "seqpacket", 0, set_seqpacket },
	{ "window", UINT32_MAX, set_window },
	{ "eom", 0, set_eom },
	{ "eor", 0, set_eor },
	{ "type", UINT16_MAX, set_type },		/* fields as they are */
	{ "flags", UINT32_MAX, set_flags },
	{ "source", UINT64_MAX, set_source },
	{ "surplus", 4096, set_surplus },		/* bytes behind the payload */
	{ NULL, 0, NULL }
};

/* --- Packets ---------------------------------------------------------------------------------- */

static uint32_t payload_bytes(const struct ask *a, const struct kc_shape *shape)
{
	uint32_t n = a->op && a->op != VIRTIO_VSOCK_OP_RW ? 0 : NATURAL_BYTES;

	if (shape->data)
		n = shape->data;
	if (shape->descriptors > KC_VSOCK_HEADER + n)
		n = shape->descriptors - KC_VSOCK_HEADER;
	return n;
}

/* What the device has said that it has room for. */
static uint64_t room(const struct kc_vsock_flow *f)
{
	uint64_t on_the_way = f->sent - f->peer_fwd;

	return f->peer_alloc > on_the_way ? f->peer_alloc - on_the_way : 0;
}

static int check_ask(const struct kc_vsock *v, const struct ask *a, const struct kc_shape *shape,
		     struct kc_err *err)
{
	const struct kc_vsock_flow *f = &v->flows[a->flow];
	uint32_t len;

	if (shape->descriptors > KC_SHAPE_SEGS_MAX)
		return kc_err_set(err, -EINVAL, "%u descriptors are more than any ring has",
				  shape->descriptors);
	len = payload_bytes(a, shape);
	if (len > PAYLOAD_MAX)
		return kc_err_set(err, -EINVAL, "a packet has at most %u bytes of payload, not %u",
				  PAYLOAD_MAX, len);
	if (a->op != VIRTIO_VSOCK_OP_RW)
		return 0;
	if (f->state == KC_VSOCK_CONNECTING)
		return kc_err_set(err, -EINVAL, "flow %u is not connected yet", a->flow);
	if (f->state == KC_VSOCK_OPEN && len > room(f))
		return kc_err_set(err, -EINVAL, "the device has room for %llu bytes more, not %u",
				  (unsigned long long)room(f), len);
	return 0;
}

static void forget(struct kc_vsock_flow *f)
{
	free(f->bytes);
	free(f->marks);
	*f = (struct kc_vsock_flow){ 0 };
}

static void begin(struct kc_vsock_flow *f, const struct ask *a)
{
	forget(f);
	f->state = KC_VSOCK_CONNECTING;
	f->echo = a->echo;
	f->dst_port = a->has_to ? a->to : KC_VSOCK_ECHO_PORT;
	f->type = a->has_type ? a->type : VIRTIO_VSOCK_TYPE_STREAM;
	f->window = NATURAL_WINDOW;
}

/* The flow as it is once the packet can be seen. Only its state is for later. */
static void settle_flow(struct kc_vsock_flow *f, const struct ask *a)
{
	if (a->op == VIRTIO_VSOCK_OP_REQUEST)
		begin(f, a);
	if (a->has_window)
		f->window = a->window;
	if (a->consumes)
		f->consumed = f->received;
	if (f->consumed + f->window > f->limit)
		f->limit = f->consumed + f->window;
	if (a->op == VIRTIO_VSOCK_OP_RST && f->state != KC_VSOCK_RESET)
		f->state = KC_VSOCK_DROPPED;
}

static uint32_t other_port(const struct kc_vsock_flow *f, const struct ask *a)
{
	if (!a->op)
		return NOBODY;
	if (a->has_to)
		return a->to;
	return f->dst_port ? f->dst_port : KC_VSOCK_ECHO_PORT;
}

static void lay_header(const struct kc_port *p, const struct ask *a, uint32_t len,
		       struct virtio_vsock_hdr *h)
{
	const struct kc_vsock *v = p->priv;
	const struct kc_vsock_flow *f = &v->flows[a->flow];
	uint16_t type = f->type ? f->type : VIRTIO_VSOCK_TYPE_STREAM;
	bool told;

	*h = (struct virtio_vsock_hdr){
		.src_cid = htole64(a->has_cid ? a->cid : kc_vsock_guest_cid(p, &told)),
		.dst_cid = htole64(KC_VSOCK_HOST),
		.src_port = htole32(a->op ? v->first_port + a->flow : NOBODY),
		.dst_port = htole32(other_port(f, a)),
		.len = htole32(len),
		.type = htole16(a->has_type ? a->type : type),
		.op = htole16(a->op ? a->op : VIRTIO_VSOCK_OP_RST),
		.flags = htole32(a->flags),
	};
	if (!a->op)
		return;
	h->buf_alloc = htole32(f->window);
	h->fwd_cnt = htole32((uint32_t)f->consumed);
}

static void fill(struct kc_port *p, uint64_t serial, uint8_t *bytes, uint32_t len)
{
	kc_port_fill(p, KC_FILL_DATA, serial, bytes, len);
	for (uint32_t i = 0; i < len; i++)
		bytes[i] &= 0x7f;
}

/* Room for more of what is kept: for so many bytes, and the end of a message. */
static int make_room(struct kc_vsock_flow *f, uint32_t len)
{
	struct kc_vsock_mark *m;
	uint8_t *more;

	if (f->cap - f->sent < len) {
		more = realloc(f->bytes, 2 * (f->cap + len));
		if (!more)
			return -ENOMEM;
		f->bytes = more;
		f->cap = 2 * (f->cap + len);
	}
	if (f->nmarks == f->marks_cap) {
		m = realloc(f->marks, (2 * f->marks_cap + 16) * sizeof(*m));
		if (!m)
			return -ENOMEM;
		f->marks = m;
		f->marks_cap = 2 * f->marks_cap + 16;
	}
	return 0;
}

static void keep(struct kc_vsock_flow *f, const struct ask *a, const uint8_t *bytes, uint32_t len)
{
	memcpy(f->bytes + f->sent, bytes, len);
	f->sent += len;
	if (f->type == VIRTIO_VSOCK_TYPE_SEQPACKET && a->flags & KC_VSOCK_SEQ_EOM)
		f->marks[f->nmarks++] = (struct kc_vsock_mark){ f->sent, a->flags };
}

static const char *op_name(int op)
{
	static const char *const names[] = {
		"OK", "REQUEST", "RESPONSE", "RST", "SHUTDOWN", "RW", "CREDIT_UPDATE", "CREDIT_REQUEST"
	};

	return op >= 0 && op < (int)(sizeof(names) / sizeof(*names)) ? names[op] : "unknown";
}

/* The packet; bytes has room for it. The flow is changed only if there is a request in the end. */
static struct kc_request *build(struct kc_port *p, const struct ask *a, const struct kc_shape *shape,
				uint32_t len, uint8_t *bytes, int *code, struct kc_err *err)
{
	struct kc_vsock *v = p->priv;
	struct kc_vsock_flow *f = &v->flows[a->flow], old = *f;
	struct kc_oneway o = { .header = KC_VSOCK_HEADER, .bytes = bytes, .serial = v->serial + 1,
			       .len = KC_VSOCK_HEADER + len + a->surplus };
	bool data = a->op == VIRTIO_VSOCK_OP_RW && f->state == KC_VSOCK_OPEN;
	struct kc_request *r;

	if (a->op == VIRTIO_VSOCK_OP_REQUEST) {	/* what is there goes if this works */
		f->bytes = NULL;
		f->marks = NULL;
	}
	if (a->op)
		settle_flow(f, a);
	lay_header(p, a, len, (struct virtio_vsock_hdr *)bytes);
	fill(p, o.serial, bytes + KC_VSOCK_HEADER, len + a->surplus);
	r = kc_oneway_build(p, &o, shape, NULL, code, err);
	if (!r) {
		*f = old;
		return NULL;
	}
	if (a->op == VIRTIO_VSOCK_OP_REQUEST)
		forget(&old);
	if (data)
		keep(f, a, bytes + KC_VSOCK_HEADER, len);
	v->serial++;
	return r;
}

static struct kc_request *make_tx(struct kc_port *p, const struct kc_shape *shape, int *code,
				  struct kc_err *err)
{
	struct kc_vsock *v = p->priv;
	struct kc_request *r = NULL;
	struct ask a = { 0 };
	uint8_t *bytes = NULL;
	uint32_t len;

	*code = kc_port_words(words, shape->words, "a socket device", &a, err);
	if (!*code && shape->words && !a.op)
		*code = kc_err_set(err, -EBADMSG, "which packet? connect, send, ..., or op N");
	if (!*code)
		*code = check_ask(v, &a, shape, err);
	if (*code)
		return NULL;
	len = payload_bytes(&a, shape);
	bytes = calloc(1, KC_VSOCK_HEADER + len + a.surplus);
	if (!bytes || make_room(&v->flows[a.flow], len))
		*code = kc_err_set(err, -ENOMEM, "no memory for a packet");
	else
		r = build(p, &a, shape, len, bytes, code, err);
	free(bytes);
	if (r)
		kc_say(r->what, sizeof(r->what), "vsock %s of flow %u, %u bytes",
			 op_name(a.op ? a.op : VIRTIO_VSOCK_OP_RST), a.flow, len);
	return r;
}

static struct kc_request *vsock_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				     int *code, struct kc_err *err)
{
	if (qi == TX)
		return make_tx(p, shape, code, err);
	return kc_vsock_make_rx(p, qi, shape, code, err);
}

static enum kc_payload_verdict vsock_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					   const struct kc_used *u, int *code, struct kc_err *why)
{
	*code = 0;
	return qi == TX ? KC_PAYLOAD_RIGHT : kc_vsock_check_rx(p, qi, r, u, code, why);
}

/* --- Life ------------------------------------------------------------------------------------- */

static struct kc_port *vsock_open(const struct kc_port_env *env, struct kc_err *err)
{
	struct kc_port *p = kc_port_alloc(&kc_port_vsock, env, sizeof(struct kc_vsock), err);
	struct kc_rng rng;

	if (!p)
		return NULL;
	/* Others than those of the scenario before, whose connections the host may remember. */
	kc_rng_seed(&rng, env->seed);
	((struct kc_vsock *)p->priv)->first_port =
		0x10000 + ((uint32_t)kc_rng_next(&rng) & 0xffffff) * KC_VSOCK_FLOWS;
	return p;
}

static void vsock_close(struct kc_port *p)
{
	struct kc_vsock *v = p->priv;

	for (unsigned i = 0; i < KC_VSOCK_FLOWS; i++)
		forget(&v->flows[i]);
	kc_port_free(p);
}

static const char *const clauses[] = {
	"VSOCK-HDR-02", "VSOCK-ADDR-01", "VSOCK-CREDIT-DEV-01", "VSOCK-CREDIT-DEV-02", "VSOCK-STREAM-01",
	"VSOCK-STREAM-02", "VSOCK-STREAM-03", "VSOCK-SEQ-01", "VSOCK-EVT-01", NULL
};

const struct kc_port_ops kc_port_vsock = {
	.device = "vsock",
	.virtio_id = VIRTIO_ID_VSOCK,
	.features = BIT(KC_VSOCK_F_STREAM) | BIT(VIRTIO_VSOCK_F_SEQPACKET) |
		    BIT(KC_VSOCK_F_NO_IMPLIED_STREAM),
	.config_len = sizeof(struct virtio_vsock_config),
	.payload_clause = "VSOCK-HDR-01",
	.len_clause = "VSOCK-HDR-01",
	.clauses = clauses,
	.refusal_clause = "",
	.open = vsock_open,
	.close = vsock_close,
	.virtqueue = vsock_virtqueue,
	.companion = vsock_companion,
	.for_input = vsock_for_input,
	.has_queue = vsock_has_queue,
	.make = vsock_make,
	.check = vsock_check,
	.release = kc_request_free,
	.code_name = op_name,
};

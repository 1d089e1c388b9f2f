/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network device's port: its queues, and what is sent.
 *
 * Theory of operation: virtqueues 0, 2, ... receive and 1, 3, ... transmit, up to as many pairs as the
 * device has; one more controls it. So what a request is follows from its virtqueue: on a transmit
 * queue a frame behind a virtio_net_hdr, all of it readable; on a receive queue an empty buffer; on the
 * control queue a command.
 *
 * Frames are of Ethernet type 0x88b5, which is for local experiments, or UDP datagrams where a checksum
 * matters (port_net_udp.c), and carry a tag that differs from scenario to scenario, a number, and a
 * pattern from the seed. Each is kept, so that what comes back can be held against it (port_net_rx.c).
 * Frames too short for tag and number are known by all their bytes.
 *
 * A device may drop any frame, and need not keep them in order. So a frame that does not come back is
 * no error by itself; a script that waits for one says that it needs a data port that loops.
 *
 * Bytes of frames have the highest bit clear (but for addresses and checksums), bytes of poison have it
 * set (or, flipped, are 0x20 to 0x3f), so that hardly any written byte looks unwritten at the first try.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <common/rng.h>
#include <common/say.h>
#include <guest_model/net.h>
#include <guest_model/port_queue.h>

#define ETHERTYPE		0x88b5u
#define VLAN_BYTES		4u
#define TAGGED_BYTES		8u		/* tag and number */
#define NATURAL_FRAME		64u
#define FRAME_MAX		(ETH_DATA_LEN + ETH_HLEN)
#define GSO_ALL			(KC_NET_BIT(VIRTIO_NET_F_HOST_TSO4) | KC_NET_BIT(VIRTIO_NET_F_HOST_TSO6) | \
				 KC_NET_BIT(VIRTIO_NET_F_HOST_ECN) | KC_NET_BIT(VIRTIO_NET_F_HOST_UFO) | \
				 KC_NET_BIT(VIRTIO_NET_F_GUEST_TSO4) | KC_NET_BIT(VIRTIO_NET_F_GUEST_TSO6) | \
				 KC_NET_BIT(VIRTIO_NET_F_GUEST_ECN) | KC_NET_BIT(VIRTIO_NET_F_GUEST_UFO))

/* --- The device ------------------------------------------------------------------------------- */

static void config_of(const struct kc_port *p, struct virtio_net_config *c)
{
	memset(c, 0, sizeof(*c));
	if (p->env.config && p->env.config_len)
		memcpy(c, p->env.config, p->env.config_len < KC_NET_CONFIG_BYTES ?
		       p->env.config_len : KC_NET_CONFIG_BYTES);
}

uint32_t kc_net_header_bytes(const struct kc_port *p)
{
	bool counts = kc_net_has(p, VIRTIO_F_VERSION_1) || kc_net_has(p, VIRTIO_NET_F_MRG_RXBUF);

	return counts ? sizeof(struct virtio_net_hdr_mrg_rxbuf) : sizeof(struct virtio_net_hdr);
}

uint32_t kc_net_mtu(const struct kc_port *p)
{
	struct virtio_net_config c;

	config_of(p, &c);
	return kc_net_has(p, VIRTIO_NET_F_MTU) ? le16toh(c.mtu) : 0;
}

uint32_t kc_net_pairs(const struct kc_port *p)
{
	struct virtio_net_config c;

	config_of(p, &c);
	return kc_net_has(p, VIRTIO_NET_F_MQ) ? le16toh(c.max_virtqueue_pairs) : 1;
}

bool kc_net_mac(const struct kc_port *p, uint8_t mac[ETH_ALEN])
{
	static const uint8_t ours[ETH_ALEN] = { 0x02, 0x4b, 0x43, 0x00, 0x00, 0x01 };
	const struct kc_net *n = p->priv;
	struct virtio_net_config c;
	bool told = kc_net_has(p, VIRTIO_NET_F_MAC) && p->env.config_len >= ETH_ALEN;

	config_of(p, &c);
	memcpy(mac, n->has_mac ? n->mac : told ? c.mac : ours, ETH_ALEN);
	return n->has_mac || told;
}

void kc_net_unicast(uint8_t mac[ETH_ALEN], uint32_t number)
{
	const uint8_t address[ETH_ALEN] = { 0x02, 0x4b, 0x43, 0x01, number >> 8, number };

	memcpy(mac, address, ETH_ALEN);
}

void kc_net_multicast(uint8_t mac[ETH_ALEN], uint32_t number)
{
	const uint8_t address[ETH_ALEN] = { 0x01, 0x00, 0x5e, 0x4b, number >> 8, number };

	memcpy(mac, address, ETH_ALEN);
}

static unsigned net_virtqueue(unsigned n)
{
	return 2 * n + 1;
}

static int net_companion(unsigned qi)
{
	return qi % 2 ? (int)qi - 1 : -1;
}

static int net_control(struct kc_port *p, struct kc_err *why)
{
	uint32_t pairs = kc_net_pairs(p);

	if (!kc_net_has(p, VIRTIO_NET_F_CTRL_VQ))
		return kc_err_set(why, -1, "CTRL_VQ is not negotiated");
	if (!p->env.control)
		return kc_err_set(why, -1, "the back-end leaves it to the VMM");
	if (!pairs)
		return kc_err_set(why, -1, "max_virtqueue_pairs, which its number follows, is not known");
	return (int)(2 * pairs);
}

/* GET_QUEUE_NUM counts pairs for some and virtqueues for others: only what both mean is there. */
static bool net_has_queue(struct kc_port *p, unsigned qi, uint64_t queue_num, struct kc_err *why)
{
	uint32_t pairs = kc_net_pairs(p), pair = qi / 2;
	struct kc_err none;

	if (!pair || net_control(p, &none) == (int)qi)
		return true;
	if (!kc_net_has(p, VIRTIO_NET_F_MQ))
		kc_err_set(why, 0, "without MQ there is one pair of queues");
	else if (pairs && pair >= pairs)
		kc_err_set(why, 0, "the device has %u pairs of queues", pairs);
	else if (!pairs && qi >= queue_num)
		kc_err_set(why, 0, "the back-end may have %llu queues only",
			   (unsigned long long)queue_num);
	else
		return true;
	return false;
}

static bool is_control(struct kc_port *p, unsigned qi)
{
	struct kc_err none;

	return net_control(p, &none) == (int)qi;
}

static bool net_for_input(struct kc_port *p, unsigned qi)
{
	return qi % 2 == 0 && !is_control(p, qi);
}

/* --- Words ------------------------------------------------------------------------------------ */

/* What is sent. */
struct ask {
	struct virtio_net_hdr_mrg_rxbuf header;
	bool has_dest, own;
	uint8_t dest[ETH_ALEN];
	bool has_vlan;
	uint16_t vlan;
	bool udp, wrong_sum, open_sum;
};

#define SETTER(name) static void set_##name(void *into, uint64_t v)

SETTER(flags) { ((struct ask *)into)->header.hdr.flags = (uint8_t)v; }
SETTER(gso_type) { ((struct ask *)into)->header.hdr.gso_type = (uint8_t)v; }
SETTER(hdr_len) { ((struct ask *)into)->header.hdr.hdr_len = htole16((uint16_t)v); }
SETTER(gso_size) { ((struct ask *)into)->header.hdr.gso_size = htole16((uint16_t)v); }
SETTER(csum_start) { ((struct ask *)into)->header.hdr.csum_start = htole16((uint16_t)v); }
SETTER(csum_offset) { ((struct ask *)into)->header.hdr.csum_offset = htole16((uint16_t)v); }
SETTER(num_buffers) { ((struct ask *)into)->header.num_buffers = htole16((uint16_t)v); }

SETTER(broadcast)
{
	struct ask *a = into;

	(void)v;
	a->has_dest = true;
	memset(a->dest, 0xff, ETH_ALEN);
}

SETTER(own)
{
	struct ask *a = into;

	(void)v;
	a->own = true;
}

SETTER(unicast)
{
	struct ask *a = into;

	a->has_dest = true;
	kc_net_unicast(a->dest, (uint32_t)v);
}

SETTER(multicast)
{
	struct ask *a = into;

	a->has_dest = true;
	kc_net_multicast(a->dest, (uint32_t)v);
}

SETTER(vlan)
{
	struct ask *a = into;

	a->has_vlan = true;
	a->vlan = (uint16_t)v;
}

SETTER(udp)
{
	struct ask *a = into;

	(void)v;
	a->udp = true;
}

SETTER(wrong_sum)
{
	struct ask *a = into;

	(void)v;
	a->wrong_sum = true;
}

SETTER(open_sum)
{
	struct ask *a = into;

	(void)v;
	a->open_sum = true;
}

static const struct kc_port_word words[] = {
	{ "flags", UINT8_MAX, set_flags },		/* fields of virtio_net_hdr, as they are */
	{ "gso-type", UINT8_MAX, set_gso_type },
	{ "hdr-len", UINT16_MAX, set_hdr_len },
	{ "gso-size", UINT16_MAX, set_gso_size },
	{ "csum-start", UINT16_MAX, set_csum_start },
	{ "csum-offset", UINT16_MAX, set_csum_offset },
	{ "num-buffers", UINT16_MAX, set_num_buffers },
	{ "to-own", 0, set_own },			/* destinations */
	{ "to-broadcast", 0, set_broadcast },
	{ "to-unicast", UINT16_MAX, set_unicast },
	{ "to-multicast", UINT16_MAX, set_multicast },
	{ "vlan", 4095, set_vlan },			/* a tag with this id */
	{ "udp", 0, set_udp },				/* a datagram, with a right checksum... */
	{ "wrong-sum", 0, set_wrong_sum },		/* ...or a wrong one */
	{ "open-sum", 0, set_open_sum },		/* ...or one that the device is to complete */
	{ NULL, 0, NULL }
};

/* Bytes of Ethernet's header. */
static uint32_t headers_of(const struct ask *a)
{
	return ETH_HLEN + (a->has_vlan ? VLAN_BYTES : 0);
}

static int open_the_sum(const struct kc_port *p, struct ask *a, struct kc_err *err)
{
	struct virtio_net_hdr *h = &a->header.hdr;

	if (!kc_net_has(p, VIRTIO_NET_F_CSUM))
		return kc_err_set(err, -EINVAL, "a checksum stays open with CSUM only, which is not "
				  "negotiated");
	h->flags |= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = htole16((uint16_t)(headers_of(a) + KC_NET_SUM_START));
	h->csum_offset = htole16(KC_NET_SUM_OFFSET);
	return 0;
}

/* What the words say of a checksum must go together: the frame that comes back is held against it. */
static int settle_sum(const struct kc_port *p, struct ask *a, struct kc_err *err)
{
	const struct virtio_net_hdr *h = &a->header.hdr;

	if ((a->wrong_sum || a->open_sum) && !a->udp)
		return kc_err_set(err, -EBADMSG, "only a frame that is 'udp' has a checksum, wrong or "
				  "open");
	if (a->wrong_sum && a->open_sum)
		return kc_err_set(err, -EBADMSG, "a checksum that is open is not 'wrong-sum'");
	if (a->udp && h->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID))
		return kc_err_set(err, -EBADMSG, "what a 'udp' frame's flags say of its checksum is said "
				  "by 'open-sum'");
	if (a->open_sum && (h->csum_start || h->csum_offset))
		return kc_err_set(err, -EBADMSG, "'open-sum' sets csum-start and csum-offset itself");
	return a->open_sum ? open_the_sum(p, a, err) : 0;
}

static struct kc_net_sum sum_of(const struct ask *a)
{
	struct kc_net_sum s = { .start = headers_of(a) + KC_NET_SUM_START };

	s.kind = !a->udp ? KC_NET_SUM_NONE : a->wrong_sum ? KC_NET_SUM_WRONG :
		 a->open_sum ? KC_NET_SUM_OPEN : KC_NET_SUM_RIGHT;
	return s;
}

/* --- Frames ----------------------------------------------------------------------------------- */

/* The two bytes of a type; 0 behind the end. */
static unsigned type_at(const uint8_t *bytes, uint32_t len, uint32_t at)
{
	return len >= at + 2 ? (unsigned)bytes[at] << 8 | bytes[at + 1] : 0;
}

/* Where the tag stands; 0: in no frame of ours. */
static uint32_t tag_offset(const uint8_t *bytes, uint32_t len)
{
	uint32_t at = 2 * ETH_ALEN;
	unsigned type;

	if (type_at(bytes, len, at) == ETH_P_8021Q)
		at += VLAN_BYTES;
	type = type_at(bytes, len, at);
	at += 2;
	if (type == ETH_P_IP && kc_net_is_udp(bytes + at, len - at))
		return at + KC_NET_UDP_BYTES;
	return type == ETHERTYPE ? at : 0;
}

struct kc_net_frame *kc_net_find(struct kc_port *p, const uint8_t *bytes, uint32_t len)
{
	struct kc_net *n = p->priv;
	uint32_t at = tag_offset(bytes, len), tag, number;

	for (unsigned i = 0; i < n->nsent; i++) {	/* those that bear no number */
		struct kc_net_frame *f = &n->sent[i];

		if (!f->received && f->len <= len && f->len < ETH_HLEN + VLAN_BYTES + TAGGED_BYTES &&
		    !memcmp(f->bytes, bytes, f->len))
			return f;
	}
	if (!at || len < at + TAGGED_BYTES)
		return NULL;
	memcpy(&tag, bytes + at, sizeof(tag));
	memcpy(&number, bytes + at + sizeof(tag), sizeof(number));
	number = le32toh(number);
	return tag == n->tag && number < n->nsent ? &n->sent[number] : NULL;
}

void kc_net_poison(const struct kc_port *p, uint64_t serial, uint8_t *buf, uint32_t len)
{
	kc_port_fill(p, KC_FILL_POISON, serial, buf, len);
	for (uint32_t i = 0; i < len; i++)
		buf[i] = p->env.poison_flip ? 0x20 | (buf[i] & 0x1f) : 0xc0 | (buf[i] & 0x1f);
}

static uint32_t put16(uint8_t *bytes, uint32_t at, unsigned v)
{
	bytes[at] = (uint8_t)(v >> 8);
	bytes[at + 1] = (uint8_t)v;
	return at + 2;
}

/* Addresses and type; returns their length. */
static uint32_t lay_ethernet(const struct kc_port *p, const struct ask *a, uint8_t *head)
{
	uint8_t own[ETH_ALEN];
	bool told = kc_net_mac(p, own);
	uint32_t at = 2 * ETH_ALEN;

	memset(head, 0xff, ETH_ALEN);
	if (a->has_dest || told || a->own)
		memcpy(head, a->has_dest ? a->dest : own, ETH_ALEN);
	memcpy(head + ETH_ALEN, own, ETH_ALEN);
	if (a->has_vlan) {
		at = put16(head, at, ETH_P_8021Q);
		at = put16(head, at, a->vlan);
	}
	return put16(head, at, a->udp ? ETH_P_IP : ETHERTYPE);
}

/* The frame itself, of len bytes. */
static void lay_frame(struct kc_port *p, const struct ask *a, uint64_t serial, uint8_t *frame,
		      uint32_t len, struct kc_net_sum *sum)
{
	struct kc_net *n = p->priv;
	uint8_t head[ETH_HLEN + VLAN_BYTES + KC_NET_UDP_BYTES + TAGGED_BYTES] = { 0 };
	uint32_t number = htole32(n->nsent), ip = lay_ethernet(p, a, head);
	uint32_t at = ip + (a->udp ? KC_NET_UDP_BYTES : 0);

	memcpy(head + at, &n->tag, sizeof(n->tag));
	memcpy(head + at + sizeof(n->tag), &number, sizeof(number));
	at += TAGGED_BYTES;
	kc_port_fill(p, KC_FILL_DATA, serial, frame, len);
	for (uint32_t i = 0; i < len; i++)
		frame[i] &= 0x7f;
	memcpy(frame, head, at < len ? at : len);
	if (a->udp)
		kc_net_lay_udp(frame + ip, len - ip, sum);
}

/* A copy of what is about to be sent, in the next place of the list, which grows when it is made. */
static int copy_frame(struct kc_net *n, const uint8_t *frame, uint32_t len,
		      const struct kc_net_sum *sum)
{
	struct kc_net_frame *more = n->sent;

	if (n->nsent == n->cap) {
		more = realloc(n->sent, (2 * n->cap + 64) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		n->sent = more;
		n->cap = 2 * n->cap + 64;
	}
	more += n->nsent;
	*more = (struct kc_net_frame){ .bytes = malloc(len), .len = len, .sum = *sum };
	if (!more->bytes)
		return -ENOMEM;
	memcpy(more->bytes, frame, len);
	return 0;
}

/* --- Requests --------------------------------------------------------------------------------- */

int kc_net_cut_exactly(struct kc_plan *plan, const struct kc_data_range *data,
		       const struct kc_shape *shape, struct kc_err *err)
{
	uint32_t have = kc_plan_descriptors(plan), n = shape->descriptors;

	if (have > n && !shape->ncut_out && !shape->ncut_in && !shape->every_byte) {
		kc_stream_join(&plan->out);
		kc_stream_join(&plan->in);
		have = kc_plan_descriptors(plan);
	}
	if (have > n)
		return kc_err_set(err, -EINVAL, "this request has at least %u descriptors, not %u",
				  have, n);
	if (kc_range_cut_more(data, n - have) < n - have)
		return kc_err_set(err, -EINVAL, "%u bytes of data cannot make %u descriptors",
				  data->len, n);
	return 0;
}

struct kc_request *kc_net_build(struct kc_port *p, struct kc_plan *plan,
				const struct kc_data_range *data, const struct kc_shape *shape,
				enum kc_net_kind kind, int *code, struct kc_err *err)
{
	struct kc_net *n = p->priv;
	struct kc_net_request *q = calloc(1, sizeof(*q));
	struct kc_request *r = NULL;

	*code = q ? kc_plan_cut_explicit(plan, shape, err) :
		kc_err_set(err, -ENOMEM, "no memory for a net request");
	if (!*code && shape->descriptors)
		*code = kc_net_cut_exactly(plan, data, shape, err);
	if (!*code)
		r = kc_plan_build(plan, p, shape, n->serial + 1, code, err);
	kc_plan_fini(plan);
	if (!r) {
		free(q);
		return NULL;
	}
	q->kind = kind;
	r->priv = q;
	r->len_expected = UINT32_MAX;
	n->serial++;
	return r;
}

static int choose_length(const struct kc_port *p, const struct ask *a, const struct kc_shape *shape,
			 uint32_t *len, struct kc_err *err)
{
	uint32_t mtu = kc_net_mtu(p), max = (mtu ? mtu + ETH_HLEN : FRAME_MAX);
	uint32_t least = headers_of(a) + (a->udp ? KC_NET_UDP_BYTES + TAGGED_BYTES : 0);

	max += a->has_vlan ? VLAN_BYTES : 0;
	*len = shape->data ? shape->data : NATURAL_FRAME;
	if (*len < least)
		*len = least;
	if (shape->descriptors > *len + 1)
		*len = shape->descriptors - 1;
	if (*len > max)
		return kc_err_set(err, -EINVAL, "a frame has at most %u bytes, not %u", max, *len);
	if (shape->dir == KC_DIR_IN)
		return kc_err_set(err, -EINVAL, "a transmit queue takes readable buffers only");
	return 0;
}

/* Lays header and frame into the plan; what was laid is kept. */
static int lay_request(struct kc_port *p, const struct ask *a, struct kc_plan *plan, uint32_t header)
{
	struct kc_net *n = p->priv;
	uint8_t *frame = plan->out.bytes + header;
	uint32_t len = plan->out.len - header;
	struct kc_net_sum sum = sum_of(a);

	memcpy(plan->out.bytes, &a->header, header);
	lay_frame(p, a, n->serial + 1, frame, len, &sum);
	return copy_frame(n, frame, len, &sum);
}

/* Natural cuts: the header has a descriptor of its own. */
static void cut_header(const struct kc_shape *shape, struct kc_stream *s, uint32_t header)
{
	if (!shape->one_piece)
		kc_stream_cut(s, header);
	for (uint32_t i = 1; shape->every_byte && i <= header; i++)
		kc_stream_cut(s, i);
}

static struct kc_request *make_tx(struct kc_port *p, const struct kc_shape *shape, int *code,
				  struct kc_err *err)
{
	uint32_t header = kc_net_header_bytes(p), len = 0;
	struct kc_net *n = p->priv;
	struct kc_data_range data;
	struct kc_request *r;
	struct kc_plan plan;
	struct ask a = { 0 };

	*code = kc_port_words(words, shape->words, "this queue of a net device", &a, err);
	if (!*code)
		*code = settle_sum(p, &a, err);
	if (!*code)
		*code = choose_length(p, &a, shape, &len, err);
	if (*code)
		return NULL;
	*code = kc_plan_init(&plan, header + len, 0, err);
	if (!*code) {
		cut_header(shape, &plan.out, header);
		*code = lay_request(p, &a, &plan, header);
	}
	if (*code) {
		kc_plan_fini(&plan);
		kc_err_set(err, *code, "no memory for a frame");
		return NULL;
	}
	data = (struct kc_data_range){ &plan.out, header, len };
	r = kc_net_build(p, &plan, &data, shape, KC_NET_TX, code, err);
	if (!r) {
		free(n->sent[n->nsent].bytes);
		return NULL;
	}
	kc_say(r->what, sizeof(r->what), "net frame %u, %u bytes", n->nsent++, len);
	return r;
}

static struct kc_request *net_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				   int *code, struct kc_err *err)
{
	if (shape->descriptors > KC_SHAPE_SEGS_MAX) {
		*code = kc_err_set(err, -EINVAL, "%u descriptors are more than any ring has",
				   shape->descriptors);
		return NULL;
	}
	if (is_control(p, qi))
		return kc_net_make_ctrl(p, shape, code, err);
	return qi % 2 ? make_tx(p, shape, code, err) : kc_net_make_rx(p, shape, code, err);
}

static enum kc_payload_verdict net_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					 const struct kc_used *u, int *code, struct kc_err *why)
{
	const struct kc_net_request *q = r->priv;

	*code = 0;
	if (q->kind == KC_NET_RX)
		return kc_net_check_rx(p, qi, r, u, code, why);
	return q->kind == KC_NET_CTRL ? kc_net_check_ctrl(p, r, code, why) : KC_PAYLOAD_RIGHT;
}

/* --- Life ------------------------------------------------------------------------------------- */

static struct kc_port *net_open(const struct kc_port_env *env, struct kc_err *err)
{
	struct kc_port *p = kc_port_alloc(&kc_port_net, env, sizeof(struct kc_net), err);
	struct kc_rng rng;

	if (!p)
		return NULL;
	kc_rng_seed(&rng, env->seed);
	((struct kc_net *)p->priv)->tag = (uint32_t)kc_rng_next(&rng) & 0x7f7f7f7f;
	return p;
}

static void net_close(struct kc_port *p)
{
	struct kc_net *n = p->priv;

	for (unsigned i = 0; i < n->nsent; i++)
		free(n->sent[i].bytes);
	for (unsigned i = 0; i < KC_NET_QUEUES; i++)
		free(n->open[i].bytes);
	free(n->sent);
	kc_port_free(p);
}

static const char *net_code_name(int code)
{
	static const char *const names[] = { [VIRTIO_NET_OK] = "OK", [VIRTIO_NET_ERR] = "ERR" };

	return code >= 0 && code <= VIRTIO_NET_ERR ? names[code] : "unknown";
}

static const char *const clauses[] = {
	"NET-RX-DEV-01", "NET-RX-DEV-02", "NET-RX-DEV-03", "NET-RX-DEV-04", "NET-RX-DEV-05",
	"NET-RX-DEV-06", "NET-RX-DEV-07", "NET-RX-DEV-08", "NET-RX-DEV-09", "NET-RX-DEV-10",
	"NET-RX-DEV-12", "NET-RX-DEV-17", "NET-TX-DEV-04", "NET-TX-DEV-07", "NET-OFFL-DEV-01",
	"NET-CONF-DEV-05", "NET-CTRL-01", NULL
};

/* All offloads that were negotiated are in force again. */
static void net_renegotiated(struct kc_port *p)
{
	((struct kc_net *)p->priv)->offloads.csum_off = false;
}

const struct kc_port_ops kc_port_net = {
	.device = "net",
	.virtio_id = VIRTIO_ID_NET,
	.features = KC_NET_BIT(VIRTIO_NET_F_CSUM) | KC_NET_BIT(VIRTIO_NET_F_GUEST_CSUM) | GSO_ALL |
		    KC_NET_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | KC_NET_BIT(VIRTIO_NET_F_MTU) |
		    KC_NET_BIT(VIRTIO_NET_F_MAC) | KC_NET_BIT(VIRTIO_NET_F_MRG_RXBUF) |
		    KC_NET_BIT(VIRTIO_NET_F_STATUS) | KC_NET_BIT(VIRTIO_NET_F_CTRL_VQ) |
		    KC_NET_BIT(VIRTIO_NET_F_CTRL_RX) | KC_NET_BIT(VIRTIO_NET_F_CTRL_VLAN) |
		    KC_NET_BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | KC_NET_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |
		    KC_NET_BIT(VIRTIO_NET_F_MQ) | KC_NET_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR),
	.config_len = KC_NET_CONFIG_BYTES,
	.payload_clause = "NET-HDR-01",
	.len_clause = "NET-RX-DEV-16",
	.clauses = clauses,
	.refusal_clause = "",
	.open = net_open,
	.close = net_close,
	.renegotiated = net_renegotiated,
	.virtqueue = net_virtqueue,
	.companion = net_companion,
	.for_input = net_for_input,
	.control = net_control,
	.has_queue = net_has_queue,
	.make = net_make,
	.check = net_check,
	.taken = kc_net_taken,
	.release = kc_request_free,
	.code_name = net_code_name,
};

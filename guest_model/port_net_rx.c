/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network device's port: what is received.
 *
 * Theory of operation: a request on a receive queue is a buffer; it comes back with a packet, or with
 * a part of one. A packet begins with a virtio_net_hdr, which says over how many buffers it goes on
 * (MRG_RXBUF). Those come back together, in order, all but the last filled to the end; so the buffers
 * that the driver takes are joined until the packet is whole, and if the used ring has no more to give
 * before that, the device has shown a part.
 *
 * Of the header each field is held against what was negotiated. The frame behind it is held against the
 * one that was sent, if it is ours: the same bytes, but for padding up to Ethernet's least length, and
 * once. A checksum that was left open may have been completed, or is open still, which the header then
 * says; one that was wrong must be left alone, and not be called valid. Where GUEST_CSUM was switched off
 * by a command, only frames that were sent after the answer are held to it. Frames of others are
 * anybody's. Where no merging was negotiated and the buffer is full, the frame may be cut off: that a
 * buffer be large enough is the driver's part.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <common/say.h>
#include <guest_model/net.h>

#define BUFFERS_MAX	1024u		/* of a packet: beyond this the number is nonsense */
#define NATURAL_BYTES	1526u		/* NET-RXBUF-DRV-01: what a driver gives... */
#define GSO_BYTES	65601u		/* ...and where packets may be larger than frames */
#define FLAG_RSC_INFO	4u
#define SAYS_OF_SUM	(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)

#ifndef VIRTIO_NET_F_RSC_EXT
#define VIRTIO_NET_F_RSC_EXT 61
#endif

/* --- Buffers ---------------------------------------------------------------------------------- */

static bool is_merging(const struct kc_port *p)
{
	return kc_net_has(p, VIRTIO_NET_F_MRG_RXBUF);
}

static uint32_t natural_bytes(const struct kc_port *p)
{
	uint32_t for_mtu = kc_net_header_bytes(p) + ETH_HLEN + 4 + kc_net_mtu(p);
	uint32_t n = !is_merging(p) && p->env.features & KC_NET_GUEST_GSO ? GSO_BYTES : NATURAL_BYTES;

	return for_mtu > n ? for_mtu : n;
}

static int choose_length(const struct kc_port *p, const struct kc_shape *shape, uint32_t *len,
			 struct kc_err *err)
{
	uint32_t least = kc_net_header_bytes(p);

	*len = shape->data ? shape->data : natural_bytes(p);
	if (shape->words)
		return kc_err_set(err, -EBADMSG, "a receive queue of a net device knows no '%s'",
				  shape->words);
	if (shape->dir == KC_DIR_OUT)
		return kc_err_set(err, -EINVAL, "a receive queue takes writable buffers only");
	if (*len < least)		/* NET-RXBUF-DRV-02 */
		*len = least;
	if (*len < shape->descriptors)
		*len = shape->descriptors;
	return 0;
}

struct kc_request *kc_net_make_rx(struct kc_port *p, const struct kc_shape *shape, int *code,
				  struct kc_err *err)
{
	uint32_t header = kc_net_header_bytes(p), len = 0;
	struct kc_net *n = p->priv;
	struct kc_data_range data;
	struct kc_request *r;
	struct kc_plan plan;

	*code = choose_length(p, shape, &len, err);
	if (*code)
		return NULL;
	*code = kc_plan_init(&plan, 0, len, err);
	if (*code) {
		kc_plan_fini(&plan);
		return NULL;
	}
	kc_net_poison(p, n->serial + 1, plan.in.bytes, len);
	if (!is_merging(p) && !shape->one_piece)
		kc_stream_cut(&plan.in, header);
	for (uint32_t i = 1; shape->every_byte && i <= header; i++)
		kc_stream_cut(&plan.in, i);
	data = (struct kc_data_range){ &plan.in, 0, len };
	r = kc_net_build(p, &plan, &data, shape, KC_NET_RX, code, err);
	if (r)
		kc_say(r->what, sizeof(r->what), "net receive buffer, %u bytes", len);
	return r;
}

/* --- The header ------------------------------------------------------------------------------- */

static enum kc_payload_verdict wrong(struct kc_port *p, const char *clause)
{
	p->clause = clause;
	return KC_PAYLOAD_WRONG;
}

/* How many buffers the packet says that it has: 1 where the field is no such thing. */
static enum kc_payload_verdict read_count(struct kc_port *p, const struct virtio_net_hdr_mrg_rxbuf *h,
					  unsigned *n, struct kc_err *why)
{
	uint16_t told = le16toh(h->num_buffers);

	*n = 1;
	if (is_merging(p) && told >= 1 && told <= BUFFERS_MAX) {
		*n = told;
		return KC_PAYLOAD_RIGHT;
	}
	if (is_merging(p)) {
		kc_err_set(why, -EIO, "num_buffers: expected 1 or more buffers, actual %u", told);
		return wrong(p, "NET-RX-DEV-02");
	}
	if (!kc_net_has(p, VIRTIO_F_VERSION_1) || told == 1)
		return KC_PAYLOAD_RIGHT;
	kc_err_set(why, -EIO, "num_buffers: expected 1 without MRG_RXBUF, actual %u", told);
	return wrong(p, "NET-RX-DEV-01");
}

static enum kc_payload_verdict check_flags(struct kc_port *p, const struct virtio_net_hdr *h,
					   struct kc_err *why)
{
	if (!kc_net_has(p, VIRTIO_NET_F_GUEST_CSUM) && h->flags) {
		kc_err_set(why, -EIO, "header flags: expected 0 without GUEST_CSUM, actual 0x%02x",
			   h->flags);
		return wrong(p, "NET-RX-DEV-05");
	}
	if (h->flags & FLAG_RSC_INFO && !kc_net_has(p, VIRTIO_NET_F_RSC_EXT)) {
		kc_err_set(why, -EIO, "header flags: expected no RSC_INFO without RSC_EXT, actual 0x%02x",
			   h->flags);
		return wrong(p, "NET-RX-DEV-10");
	}
	return KC_PAYLOAD_RIGHT;
}

/* Which feature allows that type of packet? 0: none does. */
static uint64_t allowed_by(uint8_t type)
{
	static const struct { uint8_t type; uint64_t features; } rows[] = {
		{ VIRTIO_NET_HDR_GSO_TCPV4, KC_NET_BIT(VIRTIO_NET_F_GUEST_TSO4) },
		{ VIRTIO_NET_HDR_GSO_TCPV6, KC_NET_BIT(VIRTIO_NET_F_GUEST_TSO6) },
		{ VIRTIO_NET_HDR_GSO_UDP, KC_NET_BIT(VIRTIO_NET_F_GUEST_UFO) },
		{ VIRTIO_NET_HDR_GSO_UDP_L4, KC_NET_BIT(VIRTIO_NET_F_GUEST_USO4) |
					     KC_NET_BIT(VIRTIO_NET_F_GUEST_USO6) },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].type == type)
			return rows[i].features;
	return 0;
}

static enum kc_payload_verdict check_gso(struct kc_port *p, const struct virtio_net_hdr *h,
					 struct kc_err *why)
{
	uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	if (type != VIRTIO_NET_HDR_GSO_NONE && !(p->env.features & allowed_by(type))) {
		kc_err_set(why, -EIO, "gso_type: expected a type that was negotiated, actual 0x%02x",
			   h->gso_type);
		return wrong(p, "NET-RX-DEV-06");
	}
	if (type != h->gso_type && !kc_net_has(p, VIRTIO_NET_F_GUEST_ECN)) {
		kc_err_set(why, -EIO, "gso_type: expected no ECN without GUEST_ECN, actual 0x%02x",
			   h->gso_type);
		return wrong(p, "NET-RX-DEV-07");
	}
	if (type != VIRTIO_NET_HDR_GSO_NONE &&
	    (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !h->gso_size)) {
		kc_err_set(why, -EIO, "gso_type 0x%02x: expected NEEDS_CSUM and a gso_size, actual flags "
			   "0x%02x, gso_size %u", h->gso_type, h->flags, le16toh(h->gso_size));
		return wrong(p, "NET-RX-DEV-09");
	}
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict check_header(struct kc_port *p, const struct virtio_net_hdr *h,
					    struct kc_err *why)
{
	enum kc_payload_verdict v = check_flags(p, h, why);

	return v == KC_PAYLOAD_RIGHT ? check_gso(p, h, why) : v;
}

/* --- The frame -------------------------------------------------------------------------------- */

static bool is_padding(const uint8_t *bytes, uint32_t len, uint32_t total)
{
	for (uint32_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return total <= ETH_ZLEN;
}

static enum kc_payload_verdict check_length(struct kc_port *p, const struct virtio_net_hdr *h,
					    uint32_t len, struct kc_err *why)
{
	uint32_t mtu = kc_net_mtu(p), start = le16toh(h->csum_start), offset = le16toh(h->csum_offset);

	if (mtu && h->gso_type == VIRTIO_NET_HDR_GSO_NONE && len > mtu + ETH_HLEN + 4) {
		kc_err_set(why, -EIO, "a frame of %u bytes, expected at most the mtu of %u and an "
			   "Ethernet header", len, mtu);
		return wrong(p, "NET-CONF-DEV-05");
	}
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && start + offset + 2 > len) {
		kc_err_set(why, -EIO, "csum_start %u, csum_offset %u: expected a place in the frame of %u "
			   "bytes", start, offset, len);
		return wrong(p, "NET-RX-DEV-08");
	}
	return KC_PAYLOAD_RIGHT;
}

/* Is GUEST_CSUM switched off for that frame, with no doubt? */
static bool csum_is_off(const struct kc_net *n, const struct kc_net_frame *f)
{
	const struct kc_net_offloads *o = &n->offloads;

	return o->csum_off && o->asked == o->answered && (size_t)(f - n->sent) >= o->since;
}

static enum kc_payload_verdict check_offloads(struct kc_port *p, const struct virtio_net_hdr *h,
					      const struct kc_net_frame *f, struct kc_err *why)
{
	if (!(h->flags & SAYS_OF_SUM) || !csum_is_off(p->priv, f))
		return KC_PAYLOAD_RIGHT;
	kc_err_set(why, -EIO, "header flags: expected 0 after GUEST_CSUM was switched off, actual 0x%02x",
		   h->flags);
	return wrong(p, "NET-OFFL-DEV-01");
}

static enum kc_payload_verdict check_wrong_sum(struct kc_port *p, const struct virtio_net_hdr *h,
					       const struct kc_net_sum *s, uint16_t field,
					       struct kc_err *why)
{
	if (h->flags & SAYS_OF_SUM)
		kc_err_set(why, -EIO, "header flags of a frame that was sent with a wrong checksum: expected "
			   "neither NEEDS_CSUM nor DATA_VALID, actual 0x%02x", h->flags);
	else if (field != s->sent)
		kc_err_set(why, -EIO, "the wrong checksum of a frame that was sent without NEEDS_CSUM: "
			   "expected 0x%04x, as it was sent, actual 0x%04x", s->sent, field);
	else
		return KC_PAYLOAD_RIGHT;
	return wrong(p, "NET-TX-DEV-04");
}

/* Of a frame whose header has NEEDS_CSUM. */
static enum kc_payload_verdict check_open_sum(struct kc_port *p, const struct virtio_net_hdr *h,
					      const struct kc_net_sum *s, uint16_t field,
					      struct kc_err *why)
{
	unsigned start = le16toh(h->csum_start), offset = le16toh(h->csum_offset);

	if (start != s->start || offset != KC_NET_SUM_OFFSET)
		kc_err_set(why, -EIO, "csum_start %u, csum_offset %u: expected %u and %u, where the "
			   "checksum of this frame is", start, offset, s->start, KC_NET_SUM_OFFSET);
	else if (field != s->pseudo)
		kc_err_set(why, -EIO, "checksum with NEEDS_CSUM: expected 0x%04x, the pseudo-header's, "
			   "actual 0x%04x", s->pseudo, field);
	else
		return KC_PAYLOAD_RIGHT;
	return wrong(p, "NET-RX-DEV-08");
}

/* A checksum that is neither right nor told to be open: whose fault is it? */
static enum kc_payload_verdict blame_sum(struct kc_port *p, const struct virtio_net_hdr *h,
					 const struct kc_net_frame *f, uint16_t field,
					 struct kc_err *why)
{
	bool left_open = f->sum.kind == KC_NET_SUM_OPEN && field == f->sum.pseudo;
	bool off = !kc_net_has(p, VIRTIO_NET_F_GUEST_CSUM) || csum_is_off(p->priv, f);

	kc_err_set(why, -EIO, "checksum: expected 0x%04x, actual 0x%04x%s, header flags 0x%02x",
		   f->sum.right, field, left_open ? ", still open" : "", h->flags);
	if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		return wrong(p, "NET-RX-DEV-12");
	if (left_open)
		return wrong(p, off ? "NET-RX-DEV-17" : "NET-TX-DEV-07");
	return KC_PAYLOAD_WRONG;
}

static enum kc_payload_verdict check_sum(struct kc_port *p, const struct virtio_net_hdr *h,
					 const struct kc_net_frame *f, const uint8_t *bytes, uint32_t len,
					 struct kc_err *why)
{
	uint32_t at = f->sum.start + KC_NET_SUM_OFFSET;
	uint16_t field;

	if (f->sum.kind == KC_NET_SUM_NONE || len < at + sizeof(field))
		return KC_PAYLOAD_RIGHT;
	field = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
	if (f->sum.kind == KC_NET_SUM_WRONG)
		return check_wrong_sum(p, h, &f->sum, field, why);
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return check_open_sum(p, h, &f->sum, field, why);
	return kc_net_sum_is_right(&f->sum, field) ? KC_PAYLOAD_RIGHT : blame_sum(p, h, f, field, why);
}

/* Byte i of the frame, but for its checksum, which has rules of its own. */
static bool is_same(const struct kc_net_frame *f, const uint8_t *bytes, uint32_t i)
{
	uint32_t at = f->sum.start + KC_NET_SUM_OFFSET;

	return bytes[i] == f->bytes[i] ||
	       (f->sum.kind != KC_NET_SUM_NONE && (i == at || i == at + 1));
}

static enum kc_payload_verdict compare(struct kc_port *p, const struct kc_net_packet *k,
				       struct kc_net_frame *f, const uint8_t *bytes, uint32_t len,
				       struct kc_err *why)
{
	uint32_t both = len < f->len ? len : f->len;

	for (uint32_t i = 0; i < both; i++) {
		if (is_same(f, bytes, i))
			continue;
		kc_err_set(why, -EIO, "byte %u of the frame: expected 0x%02x, actual 0x%02x", i,
			   f->bytes[i], bytes[i]);
		return KC_PAYLOAD_WRONG;
	}
	if ((len < f->len && (is_merging(p) || !k->full)) ||
	    (len > f->len && !is_padding(bytes + both, len - both, len))) {
		kc_err_set(why, -EIO, "a frame of %u bytes came back, expected the %u that were sent",
			   len, f->len);
		return wrong(p, "NET-RX-DEV-16");
	}
	if (f->received) {
		kc_err_set(why, -EIO, "a frame came back that has come back before");
		return wrong(p, "");
	}
	f->received = true;
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict check_packet(struct kc_port *p, struct kc_net_packet *k,
					    struct kc_err *why)
{
	uint32_t header = kc_net_header_bytes(p);
	const struct virtio_net_hdr *h = (const struct virtio_net_hdr *)k->bytes;
	struct kc_net_frame *f = kc_net_find(p, k->bytes + header, k->len - header);
	enum kc_payload_verdict v = check_header(p, h, why);

	if (v == KC_PAYLOAD_RIGHT)
		v = check_length(p, h, k->len - header, why);
	if (v == KC_PAYLOAD_RIGHT && f)
		v = check_offloads(p, h, f, why);
	if (v == KC_PAYLOAD_RIGHT && f)
		v = check_sum(p, h, f, k->bytes + header, k->len - header, why);
	if (v == KC_PAYLOAD_RIGHT && f)
		v = compare(p, k, f, k->bytes + header, k->len - header, why);
	return v;
}

/* --- Packets ---------------------------------------------------------------------------------- */

static void forget(struct kc_net_packet *k)
{
	free(k->bytes);
	*k = (struct kc_net_packet){ 0 };
}

static enum kc_payload_verdict append(struct kc_net_packet *k, const uint8_t *bytes, uint32_t len,
				      int *code, struct kc_err *why)
{
	uint8_t *more = realloc(k->bytes, k->len + len + sizeof(struct virtio_net_hdr_mrg_rxbuf));

	if (!more) {
		*code = kc_err_set(why, -ENOMEM, "no memory for a packet");
		return KC_PAYLOAD_FAILED;
	}
	k->bytes = more;
	memcpy(more + k->len, bytes, len);
	k->len += len;
	k->have++;
	return KC_PAYLOAD_RIGHT;
}

/* The first buffer of a packet. */
static enum kc_payload_verdict begin(struct kc_port *p, struct kc_net_packet *k, struct kc_err *why)
{
	uint32_t header = kc_net_header_bytes(p);

	if (k->len < header) {
		kc_err_set(why, -EIO, "used.len: expected a header of %u bytes, actual %u bytes in all",
			   header, k->len);
		return wrong(p, "NET-HDR-01");
	}
	return read_count(p, (const struct virtio_net_hdr_mrg_rxbuf *)k->bytes, &k->want, why);
}

/* One more buffer of it. */
static enum kc_payload_verdict take(struct kc_port *p, struct kc_net_packet *k,
				    const struct kc_request *r, uint32_t len, struct kc_err *why)
{
	enum kc_payload_verdict v = k->have == 1 ? begin(p, k, why) : KC_PAYLOAD_RIGHT;

	k->full = len == r->writable;
	if (v == KC_PAYLOAD_RIGHT && k->have < k->want && !k->full) {
		kc_err_set(why, -EIO, "buffer %u of %u of a packet: expected it to be full with %u bytes, "
			   "actual %u", k->have, k->want, r->writable, len);
		v = wrong(p, "NET-RX-DEV-03");
	}
	if (v == KC_PAYLOAD_RIGHT && k->have == k->want)
		v = check_packet(p, k, why);
	if (v != KC_PAYLOAD_RIGHT || k->have == k->want)
		forget(k);
	return v;
}

enum kc_payload_verdict kc_net_check_rx(struct kc_port *p, unsigned qi, struct kc_request *r,
					const struct kc_used *u, int *code, struct kc_err *why)
{
	struct kc_net *n = p->priv;
	struct kc_net_packet *k = &n->open[qi % KC_NET_QUEUES];
	uint32_t len = u->len < r->writable ? u->len : r->writable;
	enum kc_payload_verdict v;
	uint8_t *bytes;

	bytes = kc_request_read_back(p, r);
	if (!bytes) {
		*code = kc_err_set(why, -ENOMEM, "no memory to check a packet");
		return KC_PAYLOAD_FAILED;
	}
	v = append(k, bytes, len, code, why);
	free(bytes);
	return v == KC_PAYLOAD_RIGHT ? take(p, k, r, len, why) : v;
}

/* The number is wrong if what came is a whole frame; else the rest of it must have been shown. */
enum kc_payload_verdict kc_net_taken(struct kc_port *p, unsigned qi, struct kc_err *why)
{
	struct kc_net *n = p->priv;
	struct kc_net_packet *k = &n->open[qi % KC_NET_QUEUES];
	uint32_t header = kc_net_header_bytes(p);
	struct kc_net_frame *f;
	bool whole;

	if (!k->want)
		return KC_PAYLOAD_RIGHT;
	f = kc_net_find(p, k->bytes + header, k->len - header);
	whole = f && k->len - header >= f->len;
	kc_err_set(why, -EIO, "num_buffers of a packet is %u: expected all of them to be used when the first "
		   "one is, actual %u%s", k->want, k->have, whole ? ", which hold the whole frame" : "");
	forget(k);
	return wrong(p, whole ? "NET-RX-DEV-02" : "NET-RX-DEV-04");
}

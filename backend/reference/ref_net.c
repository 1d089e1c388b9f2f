// SPDX-License-Identifier: BSD-3-Clause
/*
 * The network device: what lies between rings and a link (ref_link.c). Without a tap the link is a loop:
 * a frame that is sent on a pair of queues comes back on the receive queue of that pair, if the receive
 * filter lets it in.
 *
 * Virtqueues are 2k (receive) and 2k + 1 (transmit) of pair k, and the control queue behind the pairs
 * that there can be: all of them with MQ, else one. Only as many pairs are in use as the driver has
 * set, one at first; a frame from another one is sent to nobody (NET-MQ-DRV-01). If the receive queue
 * of its own pair does not run, another one in use gets the frame, and if none runs it is lost
 * (NET-MQ-DEV-03, -04).
 *
 * Frames that cannot be delivered yet wait in a line of bounded length, one a pair; more are dropped,
 * as on a wire that nobody listens at. Transmitting never waits for a receive buffer.
 *
 * The link carries frames with at most MTU bytes behind their Ethernet header, with or without MTU
 * negotiated. There is no segmentation: a packet with a gso_type is one that no driver may send here,
 * and is dropped. A checksum that the driver has left open is filled in when the frame goes out on a
 * wire, or else when it is delivered, or left open for a driver with GUEST_CSUM; only then are any flags
 * set in a header that we write.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include "ref_internal.h"
#include "ref_link.h"

#define PAIRS_DEFAULT	2u
#define PAIRS_MAX	((KC_REF_QUEUES_MAX - 1) / 2)
#define MTU		KC_REF_LINK_MTU
#define TAG_BYTES	KC_REF_TAG_BYTES
#define TYPE_AT		12u	/* in a frame: the type, or 0x8100 and a tag */
#define TAG_AT		14u
#define VLAN_ID_MASK	0x0fffu
#define VLAN_IDS	4096u
#define LINE_MAX	64u	/* frames that wait for receive buffers, a pair */
#define TABLE_MAX	64u	/* addresses of a kind in the filter; with more, all of it pass */
#define HDR_BYTES	12u
#define HDR_BYTES_OLD	10u	/* without num_buffers */

/* Frames in the order in which they came. */
struct line {
	struct kc_ref_frame v[LINE_MAX];
	unsigned first, n;
};

struct table {
	uint8_t mac[TABLE_MAX][ETH_ALEN];
	unsigned n;
	bool all;			/* too many were set to be told apart */
};

/* By command of class RX. */
enum { MODE_PROMISC, MODE_ALLMULTI, MODE_ALLUNI, MODE_NOMULTI, MODE_NOUNI, MODE_NOBCAST, MODES };

/* What the driver has set by commands: gone after a reset. */
struct settings {
	uint8_t mac[ETH_ALEN];
	bool mode[MODES];
	struct table unicast, multicast;
	uint8_t vlan[VLAN_IDS / 8];	/* a bit for each id that passes */
	unsigned pairs;			/* in use */
	uint64_t offloads;		/* in force */
};

struct net {
	struct kc_ref_link *link;
	unsigned pairs_max;
	unsigned mtu;			/* of the link; the VMM's to choose, up to MTU */
	struct settings set;
	struct line lines[];		/* pairs_max */
};

static const uint8_t own_mac[ETH_ALEN] = { 0x02, 0x72, 0x65, 0x66, 0x00, 0x01 };
static const uint8_t broadcast[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* Feature bits that stand for what the device may leave to the driver, and can be switched. */
static const uint64_t guest_offloads = KC_BIT(VIRTIO_NET_F_GUEST_CSUM);

static const uint64_t net_feature_bits =
	KC_BIT(VIRTIO_NET_F_CSUM) | KC_BIT(VIRTIO_NET_F_GUEST_CSUM) |
	KC_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | KC_BIT(VIRTIO_NET_F_MTU) |
	KC_BIT(VIRTIO_NET_F_MAC) | KC_BIT(VIRTIO_NET_F_MRG_RXBUF) | KC_BIT(VIRTIO_NET_F_STATUS);

/* These need a control queue (NET-FEAT-01, NET-CONF-DEV-13). */
static const uint64_t control_feature_bits =
	KC_BIT(VIRTIO_NET_F_CTRL_VQ) | KC_BIT(VIRTIO_NET_F_CTRL_RX) |
	KC_BIT(VIRTIO_NET_F_CTRL_VLAN) | KC_BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) |
	KC_BIT(VIRTIO_NET_F_MQ) | KC_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR);

static struct net *net_of(struct kc_ref *r)
{
	return r->dev;
}

/* ---- life ---- */

static void net_reset(struct kc_ref *r)
{
	struct net *n = net_of(r);

	n->set = (struct settings){ .pairs = 1 };
	memcpy(n->set.mac, own_mac, ETH_ALEN);
	for (unsigned k = 0; k < n->pairs_max; k++)
		n->lines[k].first = n->lines[k].n = 0;
}

static int net_set_mtu(struct kc_ref *r, uint64_t mtu)
{
	if (mtu < ETH_MIN_MTU || mtu > MTU)
		return -EINVAL;
	net_of(r)->mtu = (unsigned)mtu;
	return 0;
}

static int net_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	unsigned pairs = r->nqueues / 2;
	struct net *n;

	if (!pairs)
		return kc_err_set(err, -EINVAL, "a network device of %u queues: it has two at least",
				  r->nqueues);
	if (pairs > PAIRS_MAX)
		pairs = PAIRS_MAX;
	n = calloc(1, sizeof(*n) + pairs * sizeof(n->lines[0]));
	if (!n)
		return kc_err_set(err, -ENOMEM, "no memory for a network device");
	n->link = kc_ref_link_open(config->tap, err);
	if (!n->link) {
		free(n);
		return -EIO;
	}
	n->pairs_max = pairs;
	n->mtu = MTU;
	r->dev = n;
	net_reset(r);
	return 0;
}

static void net_close(struct kc_ref *r)
{
	kc_ref_link_close(net_of(r)->link);
	free(r->dev);
	r->dev = NULL;
}

static uint64_t net_features(struct kc_ref *r, uint64_t off)
{
	uint64_t f = (net_feature_bits | control_feature_bits) & ~off;

	if (r->nqueues == 2 * net_of(r)->pairs_max || !(f & KC_BIT(VIRTIO_NET_F_CTRL_VQ)))
		f &= ~(control_feature_bits | KC_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
	return f;
}

/* At first all that were negotiated are in force (NET-OFFL-DEV-01). */
static void net_negotiated(struct kc_ref *r, uint64_t changed)
{
	struct settings *set = &net_of(r)->set;

	if (changed & guest_offloads)
		set->offloads = r->features & guest_offloads;
	if (changed & KC_BIT(VIRTIO_NET_F_MQ))
		set->pairs = 1;
}

static void net_config_read(struct kc_ref *r, uint8_t *config)
{
	struct virtio_net_config c = {
		.status = htole16(VIRTIO_NET_S_LINK_UP),
		.max_virtqueue_pairs = htole16((uint16_t)net_of(r)->pairs_max),
		.mtu = htole16(MTU),
	};

	memcpy(c.mac, net_of(r)->set.mac, ETH_ALEN);
	memcpy(config, &c, sizeof(c));
}

/* A driver writes none of it (NET-CONF-01); a migration may tell us what we are. */
static int net_config_write(struct kc_ref *r, uint32_t offset, uint32_t len, bool migration,
			    const uint8_t *data)
{
	uint8_t config[sizeof(struct virtio_net_config)];

	net_config_read(r, config);
	return migration && !memcmp(config + offset, data, len) ? 0 : -EPERM;
}

/* ---- which queue is what ---- */

static unsigned pairs_there(struct kc_ref *r)
{
	return kc_ref_has(r, VIRTIO_NET_F_MQ) ? net_of(r)->pairs_max : 1;
}

/* NET-VQ-01 */
static bool is_control(struct kc_ref *r, unsigned qi)
{
	return kc_ref_has(r, VIRTIO_NET_F_CTRL_VQ) && qi == 2 * pairs_there(r);
}

static bool is_rx(struct kc_ref *r, unsigned qi)
{
	return qi < 2 * pairs_there(r) && qi % 2 == 0;
}

static bool is_tx(struct kc_ref *r, unsigned qi)
{
	return qi < 2 * pairs_there(r) && qi % 2 == 1;
}

static bool net_ready(struct kc_ref *r, unsigned qi)
{
	if (is_rx(r, qi))
		return net_of(r)->lines[qi / 2].n > 0;
	return is_tx(r, qi) || is_control(r, qi);
}

static bool net_discards(struct kc_ref *r, unsigned qi)
{
	return is_tx(r, qi);
}

/* ---- checksums ---- */

/* Completes the one that is open: the sum of everything from csum_start on, into a field that holds
 * the pseudo-header's. It is never 0, which would be none in UDP. */
static void close_checksum(struct kc_ref_frame *f)
{
	uint8_t *field = f->bytes + f->csum_start + f->csum_offset;
	uint32_t sum = 0;

	for (uint32_t i = f->csum_start; i < f->len; i++)
		sum += (i - f->csum_start) % 2 ? f->bytes[i] : (uint32_t)f->bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff ? ~sum & 0xffff : 0xffff;
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
	f->open = false;
}

/* Unknown flags are ignored, and so are the offsets without the flag (NET-TX-DEV-01, -02). False:
 * the checksum lies outside of the frame. */
static bool open_checksum(struct kc_ref *r, struct kc_ref_frame *f, const struct virtio_net_hdr_v1 *hdr)
{
	f->open = kc_ref_has(r, VIRTIO_NET_F_CSUM) && (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	f->csum_start = le16toh(hdr->csum_start);
	f->csum_offset = le16toh(hdr->csum_offset);
	return !f->open || (uint32_t)f->csum_start + f->csum_offset + 2 <= f->len;
}

/* ---- the receive filter ---- */

static unsigned be16_at(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool is_tagged(const struct kc_ref_frame *f)
{
	return f->len >= ETH_HLEN + TAG_BYTES && be16_at(f->bytes + TYPE_AT) == ETH_P_8021Q;
}

static bool in_table(const struct table *t, const uint8_t *mac)
{
	bool found = t->all;

	for (unsigned i = 0; !found && i < t->n; i++)
		found = !memcmp(t->mac[i], mac, ETH_ALEN);
	return found;
}

static bool vlan_passes(struct kc_ref *r, const struct kc_ref_frame *f)
{
	unsigned id;

	if (!kc_ref_has(r, VIRTIO_NET_F_CTRL_VLAN) || !is_tagged(f))
		return true;
	id = be16_at(f->bytes + TAG_AT) & VLAN_ID_MASK;
	return net_of(r)->set.vlan[id / 8] & (1u << id % 8);
}

/* A "no" beats an "all", and promiscuous mode beats everything. */
static bool passes(struct kc_ref *r, const struct kc_ref_frame *f)
{
	const struct settings *s = &net_of(r)->set;
	const uint8_t *to = f->bytes;

	if (!kc_ref_has(r, VIRTIO_NET_F_CTRL_RX))
		return vlan_passes(r, f);
	if (s->mode[MODE_PROMISC])
		return true;
	if (!vlan_passes(r, f))
		return false;
	if (!memcmp(to, broadcast, ETH_ALEN))
		return !s->mode[MODE_NOBCAST];
	if (to[0] & 1)
		return !s->mode[MODE_NOMULTI] &&
		       (s->mode[MODE_ALLMULTI] || in_table(&s->multicast, to));
	return !s->mode[MODE_NOUNI] &&
	       (s->mode[MODE_ALLUNI] || !memcmp(to, s->mac, ETH_ALEN) || in_table(&s->unicast, to));
}

/* ---- sending ---- */

static uint32_t hdr_bytes(const struct kc_ref *r)
{
	return kc_ref_has(r, VIRTIO_F_VERSION_1) || kc_ref_has(r, VIRTIO_NET_F_MRG_RXBUF) ?
	       HDR_BYTES : HDR_BYTES_OLD;
}

static bool fits_link(const struct net *n, const struct kc_ref_frame *f)
{
	return f->len >= ETH_HLEN && f->len <= ETH_HLEN + (is_tagged(f) ? TAG_BYTES : 0) + n->mtu;
}

/* Reads a packet and sends it. What cannot be sent is not. */
static void send(struct kc_ref *r, unsigned pair, const struct kc_ref_chain *chain)
{
	struct kc_ref_link *link = net_of(r)->link;
	struct kc_ref_cursor c = kc_ref_cursor_at(&chain->out, 0);
	struct virtio_net_hdr_v1 hdr = { 0 };
	struct kc_ref_frame f;
	uint64_t len = chain->out.len - hdr_bytes(r);

	if (len > KC_REF_FRAME_MAX)
		return;
	kc_ref_cursor_read(&c, &hdr, hdr_bytes(r));
	f.len = (uint32_t)kc_ref_cursor_read(&c, f.bytes, len);
	if (hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE || !open_checksum(r, &f, &hdr) ||
	    !fits_link(net_of(r), &f))
		return;
	if (f.open && kc_ref_link_is_wire(link))
		close_checksum(&f);
	kc_ref_link_send(link, &f, pair);
}

/* ---- receiving ---- */

/* The line that a frame for that pair comes into; NULL: none takes it. */
static struct line *line_for(struct kc_ref *r, unsigned pair)
{
	struct net *n = net_of(r);

	for (unsigned i = 0; i < n->set.pairs; i++) {
		unsigned k = (pair + i) % n->set.pairs;

		if (kc_ref_ring_active(&r->rings[2 * k]))
			return n->lines[k].n < LINE_MAX ? &n->lines[k] : NULL;
	}
	return NULL;
}

/* Takes one frame off the link. */
static bool net_arrival(struct kc_ref *r)
{
	struct kc_ref_frame f;
	struct line *line;
	unsigned pair;

	if (!kc_ref_link_receive(net_of(r)->link, &f, &pair))
		return false;
	line = line_for(r, pair);
	if (line && fits_link(net_of(r), &f) && passes(r, &f))
		line->v[(line->first + line->n++) % LINE_MAX] = f;
	return true;
}

static int net_arrival_fd(struct kc_ref *r)
{
	return kc_ref_link_fd(net_of(r)->link);
}

static void write_packet(struct kc_ref *r, struct kc_ref_frame *f)
{
	struct kc_ref_cursor c = kc_ref_cursor_at(&r->taken.in, 0);
	struct virtio_net_hdr_v1 hdr = { .num_buffers = htole16((uint16_t)r->taken.n) };

	if (f->open && !(net_of(r)->set.offloads & KC_BIT(VIRTIO_NET_F_GUEST_CSUM)))
		close_checksum(f);
	if (f->open) {
		hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr.csum_start = htole16(f->csum_start);
		hdr.csum_offset = htole16(f->csum_offset);
	}
	kc_ref_cursor_write(&c, &hdr, hdr_bytes(r));
	kc_ref_cursor_write(&c, f->bytes, f->len);
}

/* The first frame of the line goes into one buffer, or with MRG_RXBUF into as many as it takes. One
 * for which the buffers are too small is dropped; for one more buffer it waits. */
static bool net_supply(struct kc_ref *r, unsigned qi)
{
	struct line *line;
	struct kc_ref_frame *f;
	int rc;

	if (!is_rx(r, qi))
		return false;
	line = &net_of(r)->lines[qi / 2];
	f = &line->v[line->first];
	rc = kc_ref_ring_take(&r->rings[qi], hdr_bytes(r) + f->len,
			      kc_ref_has(r, VIRTIO_NET_F_MRG_RXBUF) ? UINT16_MAX : 1);
	if (rc > 0) {
		write_packet(r, f);
		kc_ref_ring_give(&r->rings[qi], hdr_bytes(r) + f->len);
	}
	if (rc > 0 || rc == -ENOSPC) {
		line->first = (line->first + 1) % LINE_MAX;
		line->n--;
	}
	return true;
}

/* ---- commands ---- */

/* A command's own data. */
struct data {
	struct kc_ref_cursor c;
	uint64_t len;			/* what is left */
};

static bool get(struct data *d, void *buf, uint64_t n)
{
	if (d->len < n)
		return false;
	d->len -= n;
	return kc_ref_cursor_read(&d->c, buf, n) == n;
}

/* All of it, and there is no more. */
static bool get_only(struct data *d, void *buf, uint64_t n)
{
	return get(d, buf, n) && !d->len;
}

static bool do_mode(struct kc_ref *r, uint8_t command, struct data *d)
{
	unsigned feature = command <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX :
								    VIRTIO_NET_F_CTRL_RX_EXTRA;
	uint8_t on;

	if (command >= MODES || !kc_ref_has(r, feature) || !get_only(d, &on, 1))
		return false;
	net_of(r)->set.mode[command] = on;
	return true;
}

static bool get_table(struct data *d, struct table *t)
{
	uint8_t mac[ETH_ALEN];
	uint32_t n;

	*t = (struct table){ .n = 0 };
	if (!get(d, &n, sizeof(n)))
		return false;
	n = le32toh(n);
	t->all = n > TABLE_MAX;
	for (uint32_t i = 0; i < n; i++) {
		if (!get(d, mac, ETH_ALEN))
			return false;
		if (!t->all)
			memcpy(t->mac[t->n++], mac, ETH_ALEN);
	}
	return true;
}

/* Both tables at once, or neither. */
static bool do_mac_table(struct kc_ref *r, uint8_t command, struct data *d)
{
	struct table unicast, multicast;

	(void)command;
	if (!get_table(d, &unicast) || !get_table(d, &multicast) || d->len)
		return false;
	net_of(r)->set.unicast = unicast;
	net_of(r)->set.multicast = multicast;
	return true;
}

static bool do_mac_addr(struct kc_ref *r, uint8_t command, struct data *d)
{
	uint8_t mac[ETH_ALEN];

	(void)command;
	if (!get_only(d, mac, ETH_ALEN))
		return false;
	memcpy(net_of(r)->set.mac, mac, ETH_ALEN);
	return true;
}

static bool do_vlan(struct kc_ref *r, uint8_t command, struct data *d)
{
	uint8_t *vlan = net_of(r)->set.vlan, bit;
	uint16_t id;

	if (!get_only(d, &id, sizeof(id)))
		return false;
	id = le16toh(id);
	if (id >= VLAN_IDS)
		return false;
	bit = (uint8_t)(1u << id % 8);
	if (command == VIRTIO_NET_CTRL_VLAN_ADD)
		vlan[id / 8] |= bit;
	else
		vlan[id / 8] &= (uint8_t)~bit;
	return true;
}

/* Frames that wait at pairs which are in use no longer are lost: once the command is used nothing may
 * come there (NET-MQ-DEV-02). What waits there later is another frame, and the ring may have enough
 * for it. */
static bool do_pairs(struct kc_ref *r, uint8_t command, struct data *d)
{
	struct net *n = net_of(r);
	uint16_t pairs;

	(void)command;
	if (!get_only(d, &pairs, sizeof(pairs)))
		return false;
	pairs = le16toh(pairs);
	if (pairs < 1 || pairs > n->pairs_max)
		return false;
	n->set.pairs = pairs;
	for (unsigned k = pairs; k < n->pairs_max; k++) {
		n->lines[k].n = 0;
		kc_ref_ring_look(&r->rings[2 * k]);
	}
	return true;
}

static bool do_offloads(struct kc_ref *r, uint8_t command, struct data *d)
{
	uint64_t offloads;

	(void)command;
	if (!get_only(d, &offloads, sizeof(offloads)))
		return false;
	offloads = le64toh(offloads);
	if (offloads & ~(r->features & guest_offloads))
		return false;
	net_of(r)->set.offloads = offloads;
	return true;
}

#define ANY	0xff	/* of a class: the function knows */

static const struct {
	uint8_t class, command;
	unsigned feature;
	bool (*fn)(struct kc_ref *r, uint8_t command, struct data *d);
} commands[] = {
	{ VIRTIO_NET_CTRL_RX, ANY, VIRTIO_NET_F_CTRL_RX, do_mode },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX, do_mac_table },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR,
	  do_mac_addr },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, VIRTIO_NET_F_CTRL_VLAN, do_vlan },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, VIRTIO_NET_F_CTRL_VLAN, do_vlan },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_MQ, do_pairs },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
	  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, do_offloads },
};

/* What is unknown, not negotiated or malformed is refused (NET-CTRL-01). */
static bool do_command(struct kc_ref *r, const struct kc_ref_chain *chain)
{
	struct data d = { kc_ref_cursor_at(&chain->out, 0), chain->out.len };
	struct virtio_net_ctrl_hdr hdr;

	if (!get(&d, &hdr, sizeof(hdr)))
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].class == hdr.class &&
		    (commands[i].command == hdr.cmd || commands[i].command == ANY))
			return kc_ref_has(r, commands[i].feature) && commands[i].fn(r, hdr.cmd, &d);
	return false;
}

static uint32_t control(struct kc_ref *r, struct kc_ref_chain *chain)
{
	struct kc_ref_cursor c = kc_ref_cursor_at(&chain->in, 0);
	uint8_t ack = do_command(r, chain) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;

	return (uint32_t)kc_ref_cursor_write(&c, &ack, 1);
}

static uint32_t net_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	if (is_control(r, qi))
		return control(r, chain);
	if (qi / 2 < net_of(r)->set.pairs && chain->out.len >= hdr_bytes(r))
		send(r, qi / 2, chain);
	net_arrival(r);			/* from a loop: it is there at once */
	return 0;
}

const struct kc_ref_device kc_ref_net = {
	.name = "net",
	.queues = 2 * PAIRS_DEFAULT + 1,
	.config_len = sizeof(struct virtio_net_config),
	.open = net_open,
	.close = net_close,
	.reset = net_reset,
	.features = net_features,
	.negotiated = net_negotiated,
	.config_read = net_config_read,
	.config_write = net_config_write,
	.process = net_process,
	.ready = net_ready,
	.supply = net_supply,
	.arrival = net_arrival,
	.arrival_fd = net_arrival_fd,
	.discards = net_discards,
	.set_mtu = net_set_mtu,
};

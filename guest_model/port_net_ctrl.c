/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network device's port: the control queue.
 *
 * Theory of operation: a command is two readable bytes, class and command, and data; the device writes
 * one byte, the acknowledgement, which is 0 or 1 whatever was asked (NET-CTRL-01). Words choose the
 * command; without any it is promiscuous mode on. What a command does shows in what is received and in
 * the configuration, which a script looks at.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <common/say.h>
#include <guest_model/net.h>
#include <guest_model/port_queue.h>

#define HEADER_BYTES	2u
#define DATA_MAX	1024u
#define ADDRESSES_MAX	80u

struct command {
	bool named;
	uint8_t class, command;
	uint8_t data[DATA_MAX];
	uint32_t len;
	unsigned unicast, multicast;	/* addresses in a table */
	bool is_table, sets_mac;
};

/* --- Words ------------------------------------------------------------------------------------ */

static void name(struct command *c, uint8_t class, uint8_t command)
{
	c->named = true;
	c->class = class;
	c->command = command;
}

static void put(struct command *c, const void *data, uint32_t len)
{
	memcpy(c->data, data, len);
	c->len = len;
}

static void set_mode(void *into, uint8_t command, uint64_t on)
{
	uint8_t byte = (uint8_t)on;

	name(into, VIRTIO_NET_CTRL_RX, command);
	put(into, &byte, 1);
}

#define SETTER(which) static void set_##which(void *into, uint64_t v)

SETTER(promisc) { set_mode(into, VIRTIO_NET_CTRL_RX_PROMISC, v); }
SETTER(allmulti) { set_mode(into, VIRTIO_NET_CTRL_RX_ALLMULTI, v); }
SETTER(alluni) { set_mode(into, VIRTIO_NET_CTRL_RX_ALLUNI, v); }
SETTER(nomulti) { set_mode(into, VIRTIO_NET_CTRL_RX_NOMULTI, v); }
SETTER(nouni) { set_mode(into, VIRTIO_NET_CTRL_RX_NOUNI, v); }
SETTER(nobcast) { set_mode(into, VIRTIO_NET_CTRL_RX_NOBCAST, v); }

SETTER(class)
{
	struct command *c = into;

	c->named = true;
	c->class = (uint8_t)v;
}

SETTER(command)
{
	struct command *c = into;

	c->named = true;
	c->command = (uint8_t)v;
}

SETTER(mac_table)
{
	struct command *c = into;

	(void)v;
	name(c, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET);
	c->is_table = true;
}

SETTER(unicast) { ((struct command *)into)->unicast = (unsigned)v; }
SETTER(multicast) { ((struct command *)into)->multicast = (unsigned)v; }

SETTER(mac)
{
	struct command *c = into;
	uint8_t mac[ETH_ALEN];

	name(c, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET);
	kc_net_unicast(mac, (uint32_t)v);
	put(c, mac, sizeof(mac));
	c->sets_mac = true;
}

static void set_le16(void *into, uint8_t class, uint8_t command, uint64_t v)
{
	uint16_t le = htole16((uint16_t)v);

	name(into, class, command);
	put(into, &le, sizeof(le));
}

SETTER(vlan_add) { set_le16(into, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, v); }
SETTER(vlan_del) { set_le16(into, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, v); }
SETTER(pairs) { set_le16(into, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, v); }

SETTER(announce_ack)
{
	(void)v;
	name(into, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK);
}

SETTER(offloads)
{
	uint64_t le = htole64(v);

	name(into, VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET);
	put(into, &le, sizeof(le));
}

static const struct kc_port_word words[] = {
	{ "promisc", 1, set_promisc },			/* receive modes, 1 on, 0 off */
	{ "allmulti", 1, set_allmulti },
	{ "alluni", 1, set_alluni },
	{ "nomulti", 1, set_nomulti },
	{ "nouni", 1, set_nouni },
	{ "nobcast", 1, set_nobcast },
	{ "mac-table", 0, set_mac_table },		/* the addresses of `to-unicast 0`, ... */
	{ "unicast", ADDRESSES_MAX, set_unicast },	/* ...so many of them */
	{ "multicast", ADDRESSES_MAX, set_multicast },
	{ "mac", UINT16_MAX, set_mac },			/* the address of `to-unicast N` */
	{ "vlan-add", UINT16_MAX, set_vlan_add },
	{ "vlan-del", UINT16_MAX, set_vlan_del },
	{ "pairs", UINT16_MAX, set_pairs },
	{ "announce-ack", 0, set_announce_ack },
	{ "offloads", UINT64_MAX, set_offloads },
	{ "class", UINT8_MAX, set_class },		/* any command, with `data N` bytes of 0 */
	{ "command", UINT8_MAX, set_command },
	{ NULL, 0, NULL }
};

/* le32 count and addresses, twice. */
static void lay_table(struct command *c)
{
	uint32_t le = htole32(c->unicast);

	memcpy(c->data, &le, sizeof(le));
	c->len = sizeof(le);
	for (unsigned i = 0; i < c->unicast; i++, c->len += ETH_ALEN)
		kc_net_unicast(c->data + c->len, i);
	le = htole32(c->multicast);
	memcpy(c->data + c->len, &le, sizeof(le));
	c->len += sizeof(le);
	for (unsigned i = 0; i < c->multicast; i++, c->len += ETH_ALEN)
		kc_net_multicast(c->data + c->len, i);
}

_Static_assert(2 * (ADDRESSES_MAX * ETH_ALEN + 4) <= DATA_MAX, "both tables fit");

static int read_command(struct command *c, const struct kc_shape *shape, struct kc_err *err)
{
	int ret = kc_port_words(words, shape->words, "this queue of a net device", c, err);

	if (ret)
		return ret;
	if (!c->named)
		set_promisc(c, 1);
	if (c->is_table)
		lay_table(c);
	if (shape->data > DATA_MAX)
		return kc_err_set(err, -EINVAL, "a command has at most %u bytes of data here", DATA_MAX);
	if (shape->data)
		c->len = shape->data;
	return 0;
}

/* --- What is remembered ----------------------------------------------------------------------- */

/* Goes by the bytes, whatever words have led to them. Data of another length ask for nothing that one
 * could be held to: as if all were to stay. */
static void note_offloads(struct kc_net *n, const struct command *c, struct kc_net_request *q)
{
	uint64_t le;

	if (c->class != VIRTIO_NET_CTRL_GUEST_OFFLOADS ||
	    c->command != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET)
		return;
	memcpy(&le, c->data, sizeof(le));
	q->sets_offloads = true;
	q->csum_off = c->len == sizeof(le) && !(le64toh(le) & KC_NET_BIT(VIRTIO_NET_F_GUEST_CSUM));
	n->offloads.asked++;
}

static void note_answer(struct kc_net *n, const struct kc_net_request *q, int ack)
{
	if (q->sets_offloads)
		n->offloads.answered++;
	if (q->sets_offloads && ack == VIRTIO_NET_OK) {
		n->offloads.csum_off = q->csum_off;
		n->offloads.since = n->nsent;
	}
	if (q->sets_mac && ack == VIRTIO_NET_OK) {
		memcpy(n->mac, q->mac, sizeof(n->mac));
		n->has_mac = true;
	}
}

/* --- Requests --------------------------------------------------------------------------------- */

static void cut(struct kc_plan *plan, const struct kc_shape *shape)
{
	if (!shape->one_piece)
		kc_stream_cut(&plan->out, HEADER_BYTES);
	for (uint32_t i = 1; shape->every_byte && i < plan->out.len; i++)
		kc_stream_cut(&plan->out, i);
}

struct kc_request *kc_net_make_ctrl(struct kc_port *p, const struct kc_shape *shape, int *code,
				    struct kc_err *err)
{
	struct kc_data_range data;
	struct command c = { 0 };
	struct kc_net_request *q;
	struct kc_request *r;
	struct kc_plan plan;

	*code = read_command(&c, shape, err);
	if (*code)
		return NULL;
	*code = kc_plan_init(&plan, HEADER_BYTES + c.len, 1, err);
	if (*code) {
		kc_plan_fini(&plan);
		return NULL;
	}
	plan.out.bytes[0] = c.class;
	plan.out.bytes[1] = c.command;
	memcpy(plan.out.bytes + HEADER_BYTES, c.data, c.len);
	/* No acknowledgement that there is, in either run. */
	plan.in.bytes[0] = p->env.poison_flip ? 0xf0 : 0xff;
	cut(&plan, shape);
	data = (struct kc_data_range){ &plan.out, HEADER_BYTES, c.len };
	r = kc_net_build(p, &plan, &data, shape, KC_NET_CTRL, code, err);
	if (!r)
		return NULL;
	q = r->priv;
	q->sets_mac = c.sets_mac;
	memcpy(q->mac, c.data, sizeof(q->mac));
	note_offloads(p->priv, &c, q);
	kc_say(r->what, sizeof(r->what), "net control class %u command %u, %u bytes", c.class,
		 c.command, c.len);
	return r;
}

enum kc_payload_verdict kc_net_check_ctrl(struct kc_port *p, struct kc_request *r, int *code,
					  struct kc_err *why)
{
	uint8_t *in = kc_request_read_back(p, r);

	if (!in) {
		*code = kc_err_set(why, -ENOMEM, "no memory to check the answer");
		return KC_PAYLOAD_FAILED;
	}
	*code = in[0];
	free(in);
	if (*code > VIRTIO_NET_ERR) {
		kc_err_set(why, -EIO, "acknowledgement: expected 0 or 1, actual 0x%02x", *code);
		p->clause = "NET-CTRL-01";
		return KC_PAYLOAD_WRONG;
	}
	note_answer(p->priv, r->priv, *code);
	return *code == VIRTIO_NET_OK ? KC_PAYLOAD_RIGHT : KC_PAYLOAD_FAILED;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_NET_H
#define GUEST_MODEL_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <guest_model/port_build.h>

/*
 * What the files of the network device's port share: port_net.c (queues, and what is sent),
 * port_net_udp.c (frames with a checksum), port_net_rx.c (what is received), port_net_ctrl.c (the
 * control queue). For these only.
 */
#define KC_NET_BIT(n)		(1ull << (n))
#define KC_NET_QUEUES		64u	/* virtqueues that packets are put together for */
#define KC_NET_CONFIG_BYTES	12u	/* mac, status, max_virtqueue_pairs, mtu */

/* Newer than some distributions' headers. */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4	54
#define VIRTIO_NET_F_GUEST_USO6	55
#define VIRTIO_NET_F_HOST_USO	56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define KC_NET_GUEST_GSO	(KC_NET_BIT(VIRTIO_NET_F_GUEST_TSO4) | KC_NET_BIT(VIRTIO_NET_F_GUEST_TSO6) | \
				 KC_NET_BIT(VIRTIO_NET_F_GUEST_UFO) | KC_NET_BIT(VIRTIO_NET_F_GUEST_USO4) | \
				 KC_NET_BIT(VIRTIO_NET_F_GUEST_USO6))

/* The checksum of a frame: as it was sent, and as it may come back. */
enum kc_net_sum_kind { KC_NET_SUM_NONE, KC_NET_SUM_RIGHT, KC_NET_SUM_WRONG, KC_NET_SUM_OPEN };
struct kc_net_sum {
	enum kc_net_sum_kind kind;
	uint32_t start;			/* of what it covers: the UDP header, in the frame */
	uint16_t sent, right;
	uint16_t pseudo;		/* what the field of an open one holds */
};

/* A frame that was sent: it may come back once. */
struct kc_net_frame {
	uint8_t *bytes;
	uint32_t len;
	bool received;
	struct kc_net_sum sum;
};

/* What GUEST_OFFLOADS_SET has done. A frame that was sent before the last answer, or that comes while
 * another command is on its way, may be as either state has it. */
struct kc_net_offloads {
	unsigned asked, answered;	/* commands */
	unsigned since;			/* number of the first frame that was sent after the last answer */
	bool csum_off;			/* GUEST_CSUM was not among those that were to stay */
};

/* A packet that is being received. */
struct kc_net_packet {
	uint8_t *bytes;			/* header included */
	uint32_t len;
	unsigned want, have;		/* buffers; want 0: none has begun */
	bool full;			/* the last buffer was filled to its end */
};

struct kc_net {
	uint64_t serial;		/* of requests */
	uint32_t tag;			/* in every frame: tells this scenario's from others' */
	uint8_t mac[ETH_ALEN];		/* set by a control command, if has_mac */
	bool has_mac;
	struct kc_net_frame *sent;	/* by number */
	unsigned nsent, cap;
	struct kc_net_offloads offloads;
	struct kc_net_packet open[KC_NET_QUEUES];
};

/* Of a request; r->priv. */
enum kc_net_kind { KC_NET_TX, KC_NET_RX, KC_NET_CTRL };
struct kc_net_request {
	enum kc_net_kind kind;
	bool sets_mac;			/* a control command that, if it succeeds, gives us this... */
	uint8_t mac[ETH_ALEN];		/* ...address */
	bool sets_offloads;		/* the same for these */
	bool csum_off;
};

static inline bool kc_net_has(const struct kc_port *p, unsigned bit)
{
	return p->env.features & KC_NET_BIT(bit);
}

/* virtio_net_hdr, as negotiated. */
uint32_t kc_net_header_bytes(const struct kc_port *p);
/* From the configuration; 0: not told. */
uint32_t kc_net_mtu(const struct kc_port *p);
uint32_t kc_net_pairs(const struct kc_port *p);
/* Our own address: the device's if it has told one, else a locally administered one. */
bool kc_net_mac(const struct kc_port *p, uint8_t mac[ETH_ALEN]);
/* Addresses by number, none of them our own. */
void kc_net_unicast(uint8_t mac[ETH_ALEN], uint32_t number);
void kc_net_multicast(uint8_t mac[ETH_ALEN], uint32_t number);
/* The sent frame that these bytes (no header) are, or claim to be; NULL: somebody else's. */
struct kc_net_frame *kc_net_find(struct kc_port *p, const uint8_t *bytes, uint32_t len);
/* An IPv4 and a UDP header, beginning at ip, where the frame has len bytes left. */
#define KC_NET_UDP_BYTES	28u
#define KC_NET_SUM_START	20u	/* of the UDP header behind ip... */
#define KC_NET_SUM_OFFSET	6u	/* ...and of the checksum in it */
/* Are they there, and ours? */
bool kc_net_is_udp(const uint8_t *ip, uint32_t len);
/* Makes a datagram of it, with a checksum of sum->kind; what is behind the headers is there already. */
void kc_net_lay_udp(uint8_t *ip, uint32_t len, struct kc_net_sum *sum);
/* Is that, in the field, the complete checksum? */
bool kc_net_sum_is_right(const struct kc_net_sum *sum, uint16_t field);
/* Device-writable bytes: hardly any that a frame of ours or a header of zeroes holds in the same place. */
void kc_net_poison(const struct kc_port *p, uint64_t serial, uint8_t *buf, uint32_t len);
/* Cuts into exactly so many descriptors: more where data is. */
int kc_net_cut_exactly(struct kc_plan *plan, const struct kc_data_range *data,
		       const struct kc_shape *shape, struct kc_err *err);
/* Cuts as the script asks, and makes the request. plan is finished in any case. */
struct kc_request *kc_net_build(struct kc_port *p, struct kc_plan *plan,
				const struct kc_data_range *data, const struct kc_shape *shape,
				enum kc_net_kind kind, int *code, struct kc_err *err);


struct kc_request *kc_net_make_rx(struct kc_port *p, const struct kc_shape *shape, int *code,
				  struct kc_err *err);
struct kc_request *kc_net_make_ctrl(struct kc_port *p, const struct kc_shape *shape, int *code,
				    struct kc_err *err);
enum kc_payload_verdict kc_net_check_rx(struct kc_port *p, unsigned qi, struct kc_request *r,
					const struct kc_used *u, int *code, struct kc_err *why);
enum kc_payload_verdict kc_net_check_ctrl(struct kc_port *p, struct kc_request *r, int *code,
					  struct kc_err *why);
enum kc_payload_verdict kc_net_taken(struct kc_port *p, unsigned qi, struct kc_err *why);

#endif

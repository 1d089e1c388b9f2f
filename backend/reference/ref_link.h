/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_REFERENCE_REF_LINK_H
#define BACKEND_REFERENCE_REF_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/if_ether.h>
#include <kickcall/err.h>

/*
 * What the network device sends to, and receives from: frames, and nothing of rings or headers.
 * Either a loop, from which every frame comes back, or a tap interface of this machine.
 */
#define KC_REF_LINK_MTU	1500u	/* bytes behind the Ethernet header and a tag */
#define KC_REF_TAG_BYTES	4u	/* of a VLAN tag, beside the 14 bytes of the header */
#define KC_REF_FRAME_MAX	(ETH_HLEN + KC_REF_TAG_BYTES + KC_REF_LINK_MTU)

struct kc_ref_frame {
	uint32_t len;
	bool open;			/* the checksum is not complete: the rest says which */
	uint16_t csum_start, csum_offset;
	uint8_t bytes[KC_REF_FRAME_MAX];
};

struct kc_ref_link;

/* tap: name of an interface, which is made if it is not there and set up; NULL: a loop. Or NULL
 * with a sentence that says what to do. */
struct kc_ref_link *kc_ref_link_open(const char *tap, struct kc_err *err);
void kc_ref_link_close(struct kc_ref_link *l);
/* Must a checksum be complete before a frame is sent? */
bool kc_ref_link_is_wire(const struct kc_ref_link *l);
/* A frame that was sent on a pair of queues. As on a wire, nobody hears of one that is lost. */
void kc_ref_link_send(struct kc_ref_link *l, const struct kc_ref_frame *f, unsigned pair);
/* The next frame that came, and the pair that it is for. Never blocks; false: there is none. */
bool kc_ref_link_receive(struct kc_ref_link *l, struct kc_ref_frame *f, unsigned *pair);
/* Readable when a frame came by itself; -1: none ever does. */
int kc_ref_link_fd(const struct kc_ref_link *l);

#endif

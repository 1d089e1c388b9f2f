/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_VSOCK_H
#define GUEST_MODEL_VSOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_vsock.h>
#include <guest_model/port_queue.h>

/*
 * What the files of the socket device's port share: port_vsock.c (queues, flows, and what is sent)
 * and port_vsock_rx.c (what is received). For these only.
 */
#define KC_VSOCK_FLOWS		16u
#define KC_VSOCK_HEADER		((uint32_t)sizeof(struct virtio_vsock_hdr))
#define KC_VSOCK_HOST		2u
#define KC_VSOCK_ECHO_PORT	1234u

/* Not in every linux/virtio_vsock.h. */
#define KC_VSOCK_F_STREAM		0
#define KC_VSOCK_F_NO_IMPLIED_STREAM	2
#define KC_VSOCK_SEQ_EOM		1u
#define KC_VSOCK_SEQ_EOR		2u

enum kc_vsock_state {
	KC_VSOCK_NONE,
	KC_VSOCK_CONNECTING,
	KC_VSOCK_OPEN,
	KC_VSOCK_DROPPED,		/* by us: what the device had sent before it knew may still come */
	KC_VSOCK_RESET,			/* by the device, which knows that nothing more may come */
};

/* The end of a message in what was sent. */
struct kc_vsock_mark {
	uint64_t end;
	uint32_t flags;
};

/* One connection, known by its number in the script. Counts are of payload bytes, from its
 * beginning; the device sees their low 32 bits. */
struct kc_vsock_flow {
	enum kc_vsock_state state;
	uint32_t dst_port;
	uint16_t type;
	bool echo;			/* the other end sends back what it gets */
	uint64_t sent, peer_fwd;	/* peer_fwd: of these, as the device has said */
	uint32_t peer_alloc;
	uint64_t received, consumed;	/* consumed: of these, as we say */
	uint32_t window;		/* buf_alloc, as we say */
	uint64_t limit;			/* the most that received may reach by all that was ever said */
	uint32_t peer_shut;		/* flags of its SHUTDOWN packets */
	uint8_t *bytes;			/* all that was sent, if it comes back */
	uint64_t cap;
	struct kc_vsock_mark *marks;
	unsigned nmarks, marks_cap, mark;	/* mark: the next one that must come back */
};

struct kc_vsock {
	uint64_t serial;		/* of requests */
	uint32_t first_port;		/* our own; that of flow N is N more */
	struct kc_vsock_flow flows[KC_VSOCK_FLOWS];
};

uint64_t kc_vsock_guest_cid(const struct kc_port *p, bool *told);
struct kc_request *kc_vsock_make_rx(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				    int *code, struct kc_err *err);
enum kc_payload_verdict kc_vsock_check_rx(struct kc_port *p, unsigned qi, struct kc_request *r,
					  const struct kc_used *u, int *code, struct kc_err *why);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_PACKED_H
#define GUEST_MODEL_PACKED_H

#include <stdbool.h>
#include <stdint.h>
#include <kickcall/ring.h>
#include <guest_model/chain.h>
#include <sim/mem.h>

/*
 * The driver's side of a packed virtqueue.
 *
 * It obeys every driver rule of the specification; what breaks rules on purpose is
 * guest_model/raw.h. It believes nothing the device says: an impossible used descriptor is an
 * error to the caller and leaves the driver's own books unchanged.
 *
 * A position names a slot in one of two laps, since a wrap counter tells no more laps than two:
 * 0 .. size - 1 while the counter is 1, size .. 2 * size - 1 while it is 0.
 */
struct kc_packed_buffer;		/* the driver's private record of a buffer id */

struct kc_packed {
	struct kc_mem *mem;
	uint32_t size;
	uint64_t desc, driver, device;	/* gpa */
	bool event_idx, in_order;
	uint32_t avail_pos;		/* next descriptor to write */
	uint32_t published_pos;		/* next one not available yet */
	uint32_t used_pos;		/* next used descriptor to read */
	uint32_t kicked_pos;		/* published_pos when kick_needed last said yes or no */
	uint64_t unasked;		/* descriptors published since then */
	uint16_t first_flags;		/* of the batch's first descriptor, until publish */
	uint16_t garbage;		/* ids that mean nothing differ from chain to chain */
	uint32_t nfree;			/* descriptors */
	uint32_t npending;		/* buffers added, not published */
	uint32_t in_flight;		/* buffers published and not reaped */
	uint32_t nstrangers;		/* buffers by another hand, published or not */
	uint32_t batch_left;		/* IN_ORDER: buffers that the used descriptor just read... */
	uint32_t batch_len;		/* ...completes, and what it says of the last of them */
	uint16_t batch_flags;
	uint32_t sweep;			/* where kc_packed_abandon goes on */
	struct kc_packed_buffer *buffers;	/* size entries, by id */
	struct kc_packed_buffer *pending;	/* added, not published: cleared by publish */
	uint16_t *free_ids, *order;	/* queues of ids: free ones; in ring order, if in_order */
	uint32_t free_first, nids, order_first, norder;
	uint32_t order_pos;		/* of the oldest, if in_order */
	void *desc_host, *driver_host, *device_host;
};

struct kc_packed_config {
	uint32_t size;			/* 1..32768, any number */
	uint64_t desc, driver, device;	/* gpa; each area inside one region */
	uint32_t from;			/* descriptors that have gone through */
	bool event_idx, in_order;
};

/*
 * Writes the three areas as if so many descriptors had been made available and used, and the ring
 * had gone idle: the next slot is from % size, the wrap counters are 1 in even laps, and each slot
 * bears the used flags of its last lap (all zero for from 0). Events are enabled in both areas;
 * with event_idx the driver's is that of the next used descriptor. The device's stays enabled, as
 * a device that suppresses nothing would have left it. -EINVAL (size, alignment), -EFAULT,
 * -ENOMEM.
 */
int kc_packed_init(struct kc_packed *vq, struct kc_mem *mem, const struct kc_packed_config *c);
/* Also after a failed init. Frees the indirect tables of chains in flight; tokens are lost. */
void kc_packed_fini(struct kc_packed *vq);
/* The vhost base of a ring like that: next slot to make available in bits 0 to 14, its wrap
 * counter in bit 15; the same of the used descriptors above. */
uint32_t kc_packed_base(uint32_t size, uint32_t from);

/*
 * Puts the chain into the next descriptors; the device sees nothing before kc_packed_publish.
 * token (not NULL) comes back with the used descriptor. *id gets the buffer id, which is below
 * size and, if another one is free, no slot that the chain begins or ends with. Only the last
 * descriptor bears it.
 * -ENOSPC when the chain does not fit into the free descriptors: nothing on the ring or in the
 * books has changed, nor with any other error. -ENOMEM: no memory for an indirect table. -EINVAL:
 * no segments, no token, a readable one after a writable one (VQ-PACKED-SG-DRV-02), more than 2^32
 * bytes, an indirect table longer than the queue, or direct descriptors before it
 * (VQ-PACKED-INDIRECT-DRV-04).
 */
int kc_packed_add(struct kc_packed *vq, const struct kc_chain *chain, void *token, uint16_t *id);
/* Makes everything added since available by one store (release, (A)): the flags of the first
 * descriptor (VQ-PACKED-SUPPLY-DRV-03). Returns how many buffers were published. */
unsigned kc_packed_publish(struct kc_packed *vq);

/* After publish: does the device want a kick? Full barrier first, (C). What the device must not
 * have written counts as enabled: a kick too many is always allowed. */
bool kc_packed_kick_needed(struct kc_packed *vq);

/* Is there something for reap? */
bool kc_packed_ready(const struct kc_packed *vq);
/*
 * 1 and *u, 0 when there is none, -EOVERFLOW when a descriptor is marked used that was not
 * available (nothing is consumed).
 * -EPROTO for an impossible id (u->id/len/flags as read). How far the device has gone then is
 * anybody's guess; the driver goes on at the next slot, and gives no descriptor free.
 * With IN_ORDER one used descriptor may complete several buffers (VQ-PACKED-INORDER-01): they come
 * one by one. What an impossible one stood for comes back as skipped by the next possible one.
 */
int kc_packed_reap(struct kc_packed *vq, struct kc_used *u);
/*
 * Takes back a chain that will never be used, because the ring was stopped or never started: 1 and
 * *u (len 0), 0 when there is none left. Chains that were only added count too. Nothing but this
 * and kc_packed_fini may follow.
 */
int kc_packed_abandon(struct kc_packed *vq, struct kc_used *u);

/*
 * Suppression: the driver area, both fields in one store; full barrier after it, (D). flags is one
 * of VRING_PACKED_EVENT_FLAG_*, off_wrap means something with _DESC only.
 */
void kc_packed_set_event(struct kc_packed *vq, uint16_t off_wrap, uint16_t flags);
void kc_packed_suppress(struct kc_packed *vq);
/* Asks for a call at the next used descriptor, and re-checks: true if it is there already. */
bool kc_packed_arm(struct kc_packed *vq);

/* Buffers in flight (published and not reaped). */
unsigned kc_packed_in_flight(const struct kc_packed *vq);
/* A position as off_wrap has it, and notification data: slot, wrap counter in bit 15. */
uint16_t kc_packed_off_wrap(const struct kc_packed *vq, uint32_t pos);

/*
 * For guest_model/raw.c: the next n slots, which another hand has filled, become one chain of the
 * next batch. AVAIL and USED are set as the position asks, all else in the flags stays. The id is
 * the one in the last slot; its used descriptor is -EPROTO for reap (unless a proper chain has
 * that id), which then knows how many slots the device has passed. -EINVAL: no slots. -ENOSPC: not
 * so many are free.
 */
int kc_packed_by_hand(struct kc_packed *vq, uint32_t n);

#endif

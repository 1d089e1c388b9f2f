/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_SPLIT_H
#define GUEST_MODEL_SPLIT_H

#include <stdbool.h>
#include <stdint.h>
#include <kickcall/ring.h>
#include <guest_model/chain.h>
#include <sim/mem.h>

/*
 * The driver's side of a split virtqueue.
 *
 * It obeys every driver rule of the specification; what breaks rules on purpose is guest_model/raw.h.
 * It believes nothing the device says: an impossible used entry is an error to the caller and leaves
 * the driver's own books unchanged.
 */
struct kc_split_slot;			/* the driver's private record of a head */

struct kc_split {
	struct kc_mem *mem;
	uint32_t size;
	uint64_t desc, avail, used;	/* gpa */
	bool event_idx, in_order;
	uint16_t avail_idx;		/* next entry to write, free-running */
	uint16_t published_idx;		/* what avail->idx holds */
	uint16_t kicked_idx;		/* published_idx when kick_needed last said yes or no */
	bool kick_lapped;		/* 65536 or more were published since then */
	uint16_t used_idx;		/* next used entry to read, free-running */
	uint16_t free_head;
	uint32_t nfree;
	uint32_t in_flight;		/* heads published and not reaped */
	uint32_t sweep;			/* where kc_split_abandon goes on */
	uint32_t batch_left;		/* IN_ORDER: buffers that the used entry just read completes... */
	uint32_t batch_len;		/* ...and what it says of the last of them */
	uint16_t *order;		/* IN_ORDER: what the driver put into the available ring... */
	uint16_t order_idx;		/* ...and the entry of the oldest that did not come back */
	struct kc_split_slot *slots;	/* size entries */
	struct kc_split_slot *pending;	/* added, not published: cleared by publish */
	void *desc_host, *avail_host, *used_host;
};

struct kc_split_config {
	uint32_t size;			/* power of two, 1..32768 */
	uint64_t desc, avail, used;	/* gpa; each part inside one region */
	uint16_t from;			/* first value of both indices */
	bool event_idx, in_order;
};

/*
 * Zeroes the three parts and sets both indices to `from`. With event_idx, used_event and avail_event
 * become `from` too: what a ring that ran that far and then went idle looks like, so that the first
 * request is kicked and its completion called. With in_order those chains had one descriptor each,
 * so that the first free one is from % size (2.7.5: ring order from 0 on). -EINVAL (size,
 * alignment), -EFAULT, -ENOMEM.
 */
int kc_split_init(struct kc_split *vq, struct kc_mem *mem, const struct kc_split_config *c);
/* Also after a failed init. Frees the indirect tables of chains in flight; their tokens are lost. */
void kc_split_fini(struct kc_split *vq);

/*
 * Puts the chain into descriptors and its head into the next free available slot; the device sees
 * nothing before kc_split_publish. token (not NULL) comes back with the used entry. *head gets the
 * head descriptor.
 * -ENOSPC when the chain does not fit into the free descriptors: nothing on the ring or in the books
 * has changed, nor with any other error. -ENOMEM: no memory for an indirect table. -EINVAL: no
 * segments, no token, a readable one after a writable one (VQ-FRAMING-DRV-01), more than 2^32 bytes
 * (VQ-SPLIT-DESC-DRV-01), or an indirect table longer than the queue (VQ-INDIRECT-DRV-03).
 */
int kc_split_add(struct kc_split *vq, const struct kc_chain *chain, void *token, uint16_t *head);
/* Moves avail->idx over everything added since (release, (A)). Returns how many were published. */
unsigned kc_split_publish(struct kc_split *vq);

/* After publish: does the device want a kick (VQ-SPLIT-ANS-DRV-03..06)? Full barrier first, (C). */
bool kc_split_kick_needed(struct kc_split *vq);

/* Is there something for reap? */
bool kc_split_ready(const struct kc_split *vq);
/* 1 and *u, 0 when there is none, -EPROTO for an impossible entry (u->id/len as read; the entry is
 * skipped), -EOVERFLOW when used->idx is ahead of what was published (nothing is consumed).
 * With IN_ORDER one entry may complete several buffers (VQ-SPLIT-INORDER-01): they come one by one,
 * and used_idx moves with them. Impossible is then also an entry that completes more buffers than
 * used->idx counts. What an impossible entry stood for comes back as skipped by the next possible
 * one. */
int kc_split_reap(struct kc_split *vq, struct kc_used *u);
/*
 * Takes back a chain that will never be used, because the ring was stopped or never started: 1 and
 * *u (len 0), 0 when there is none left. Chains that were only added count too. Nothing but this and
 * kc_split_fini may follow.
 */
int kc_split_abandon(struct kc_split *vq, struct kc_used *u);
/* used->idx as the device last wrote it. */
uint16_t kc_split_used_idx(const struct kc_split *vq);

/*
 * Suppression; full barrier after the store, (D). set_used_event writes the field whether or not
 * event_idx is on. set_no_interrupt writes avail->flags; with event_idx these stay 0
 * (VQ-SPLIT-UNS-DRV-03) and used_event is put 32768 entries away (on), or to the next entry (off).
 */
void kc_split_set_used_event(struct kc_split *vq, uint16_t event);
void kc_split_set_no_interrupt(struct kc_split *vq, bool on);
/* Asks for a call at the next used entry, and re-checks: true if entries are already there. */
bool kc_split_arm(struct kc_split *vq);

/* For guest_model/raw.c: head, which the books do not know, goes into the next available slot. */
void kc_split_by_hand(struct kc_split *vq, uint16_t head);

/* Heads in flight (published and not reaped). */
unsigned kc_split_in_flight(const struct kc_split *vq);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_CHAIN_H
#define GUEST_MODEL_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

/* What a driver hands to a virtqueue of either layout, and what it gets back. */
struct kc_seg {
	uint64_t gpa;
	uint32_t len;
	bool write;			/* device-writable */
};

/* A request's buffers in chain order: readable ones first (VQ-FRAMING-DRV-01). */
struct kc_chain {
	const struct kc_seg *segs;
	unsigned nsegs;			/* > 0 */
	bool indirect;			/* segments in one table, which takes one descriptor... */
	unsigned ndirect;		/* ...after so many direct ones (VQ-INDIRECT-DEV-02); < nsegs;
					 * split only */
	bool flagged_table;		/* WRITE on the descriptor of the table (VQ-INDIRECT-DEV-01) */
	bool unaligned_table;		/* the indirect table lies at an odd gpa (allowed: 2.7.5.3) */
};

struct kc_used {
	uint32_t id;			/* split: head; as wide as the ring's field, so that an
					 * impossible one is shown whole. packed: buffer id */
	uint32_t len;			/* packed: 0 where the used descriptor has no WRITE */
	uint16_t flags;			/* packed: of the used descriptor; 0 if skipped. split: 0 */
	void *token;
	bool skipped;			/* IN_ORDER: used without an entry of its own; len is then all
					 * that it can be (VQ-SPLIT-INORDER-02) */
};

#endif

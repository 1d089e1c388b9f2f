// SPDX-License-Identifier: BSD-3-Clause
/*
 * Reading a chain: what split and packed rings ask of its buffers alike.
 *
 * Nothing in a ring is believed. A layout walks a chain as a whole, copies each descriptor once,
 * and hands its fields to the walk, which turns them into two lists of host pieces; only a chain
 * that passed every check reaches a device. The first broken rule ends the walk with a reason.
 *
 * A buffer of 0 bytes is skipped, wherever its address points: no byte of it is ever touched. It
 * counts for the length and for the order of the chain all the same.
 */
#include "ref_internal.h"

/* VQ-SPLIT-DESC-DRV-01. The text has no such rule for packed rings, but the length of what was
 * written has 32 bits there, too. */
#define CHAIN_BYTES_MAX		(1ull << 32)

static const struct kc_ref_mem *walk_mem(const struct kc_ref_walk *w)
{
	return &w->ref->mem;
}

void kc_ref_walk_begin(struct kc_ref_walk *w, const struct kc_ref *ref, struct kc_ref_chain *chain,
		       uint32_t limit)
{
	*w = (struct kc_ref_walk){ .ref = ref, .chain = chain, .limit = limit };
	chain->id = 0;
	chain->slots = 0;
	kc_ref_sg_clear(&chain->out);
	kc_ref_sg_clear(&chain->in);
}

/* The buffer's bytes, which may lie in several adjacent regions. */
static const char *map_buffer(struct kc_ref_walk *w, uint64_t gpa, uint64_t len,
			      struct kc_ref_sg *sg)
{
	uint64_t n;
	void *host;

	if (!kc_ref_mem_covers(walk_mem(w), gpa, len))
		return "a buffer lies outside guest memory";
	for (; len; gpa += n, len -= n) {
		host = kc_ref_mem_gpa(walk_mem(w), gpa, len, &n);
		if (kc_ref_sg_add(sg, host, n))
			return "no memory for the chain's buffers";
	}
	return NULL;
}

const char *kc_ref_walk_buffer(struct kc_ref_walk *w, uint64_t gpa, uint32_t len, bool write)
{
	if (++w->buffers > w->limit)
		return "the chain has more buffers than it may have, or loops";
	if (!write && w->writable_seen)
		return "a readable buffer follows a writable one";
	w->writable_seen |= write;
	w->bytes += len;
	if (w->bytes > CHAIN_BYTES_MAX)
		return "the chain has more than 4 GiB";
	return map_buffer(w, gpa, len, write ? &w->chain->in : &w->chain->out);
}

/* Its WRITE flag has no meaning (VQ-INDIRECT-DEV-01, VQ-PACKED-INDIRECT-02). */
const char *kc_ref_walk_table(const struct kc_ref_walk *w, uint64_t gpa, uint32_t len,
			      uint16_t flags, uint32_t entries_max)
{
	if (!kc_ref_has(w->ref, VIRTIO_RING_F_INDIRECT_DESC))
		return "an indirect descriptor, which was not negotiated";
	if (flags & VRING_DESC_F_NEXT)
		return "a descriptor with both INDIRECT and NEXT";
	if (len == 0)
		return "an indirect table of 0 bytes";
	if (len % sizeof(struct vring_desc))
		return "an indirect table whose length is no multiple of 16";
	if (len / sizeof(struct vring_desc) > entries_max)
		return "an indirect table with too many entries";
	if (!kc_ref_mem_covers(walk_mem(w), gpa, len))
		return "an indirect table outside guest memory";
	return NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KICKCALL_INFLIGHT_H
#define KICKCALL_INFLIGHT_H

#include <stddef.h>
#include <stdint.h>

/*
 * What the buffer of GET_INFLIGHT_FD and SET_INFLIGHT_FD holds for a split ring (VU-INFLIGHT-01), in the
 * machine's own byte order. One such region per queue, back to back, mmap_size / num_queues apart.
 */
struct kc_inflight_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;		/* in the last batch */
	uint64_t counter;	/* grows with each head that is taken */
};

struct kc_inflight_split {
	uint64_t features;	/* 0 */
	uint16_t version;	/* 0: not initialised yet */
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct kc_inflight_desc desc[];		/* by head */
};

#define KC_INFLIGHT_VERSION	1u
_Static_assert(sizeof(struct kc_inflight_desc) == 16 && sizeof(struct kc_inflight_split) == 16,
	       "the layout of the document");

static inline uint64_t kc_inflight_bytes(uint32_t size)
{
	return sizeof(struct kc_inflight_split) + (uint64_t)size * sizeof(struct kc_inflight_desc);
}

#endif

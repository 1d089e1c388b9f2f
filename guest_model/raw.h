/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_RAW_H
#define GUEST_MODEL_RAW_H

#include <stdint.h>
#include <kickcall/ring.h>
#include <guest_model/packed.h>
#include <guest_model/split.h>

/*
 * A hostile driver's pen: writes any field of a ring, any value, any time. Nothing is checked
 * but that the place exists (-EINVAL: no such entry, -EFAULT: no such memory); the books of the
 * well-behaved driver do not learn of it.
 */
int kc_raw_desc(struct kc_split *vq, uint32_t i, struct kc_desc d);
int kc_raw_desc_at(struct kc_mem *m, uint64_t table_gpa, uint32_t i, struct kc_desc d);
int kc_raw_avail_idx(struct kc_split *vq, uint16_t idx);
int kc_raw_avail_flags(struct kc_split *vq, uint16_t flags);
int kc_raw_avail_ring(struct kc_split *vq, uint32_t slot, uint16_t head);
int kc_raw_used_event(struct kc_split *vq, uint16_t event);
int kc_raw_used_idx(struct kc_split *vq, uint16_t idx);
int kc_raw_used_flags(struct kc_split *vq, uint16_t flags);
int kc_raw_avail_event(struct kc_split *vq, uint16_t event);
int kc_raw_used_ring(struct kc_split *vq, uint32_t slot, uint32_t id, uint32_t len);
/*
 * Puts head into the next available slot and publishes it, as if it were a proper chain. The driver's
 * ring indices move on, so that requests can follow; the head stays unknown to it, so that its used
 * entry is -EPROTO for kc_split_reap (unless a proper chain has that head meanwhile).
 */
int kc_raw_offer(struct kc_split *vq, uint16_t head);

/* The same for a packed ring. A descriptor's flags are stored last. */
int kc_raw_pdesc(struct kc_packed *vq, uint32_t slot, struct kc_pdesc d);
int kc_raw_pdesc_at(struct kc_mem *m, uint64_t table_gpa, uint32_t i, struct kc_pdesc d);
int kc_raw_event(struct kc_packed *vq, struct kc_event_area e);		/* driver area */
int kc_raw_device_event(struct kc_packed *vq, struct kc_event_area e);
/*
 * Makes what lies in the next n slots (from vq->avail_pos % size on) available, with all that was
 * added properly before: sets AVAIL and USED as the driver's wrap counter asks, the first flags
 * last; the rest of the flags stays. The driver's ring position moves on, so that requests can
 * follow. It remembers the id in the last of the slots: a used descriptor with that id is -EPROTO
 * for kc_packed_reap (unless a proper chain has that id), which then goes on n slots further.
 * -EINVAL: no slots; -ENOSPC: not so many are free.
 */
int kc_raw_poffer(struct kc_packed *vq, uint32_t n);

#endif

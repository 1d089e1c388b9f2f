/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_RING_H
#define GUEST_MODEL_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <guest_model/chain.h>
#include <guest_model/packed.h>
#include <guest_model/split.h>
#include <sim/mem.h>

/*
 * The driver's side of a virtqueue of whichever layout: one table of operations per layout. What
 * they do, and their errors, stand in split.h and packed.h.
 */
struct kc_ring;

/* The three areas of a virtqueue: descriptors; the driver's own (split: available ring); the device's
 * (split: used ring). */
enum kc_area { KC_AREA_DESC, KC_AREA_DRIVER, KC_AREA_DEVICE, KC_AREAS };
struct kc_area_shape {
	uint64_t bytes;
	uint32_t align;
};

struct kc_ring_config {
	uint32_t size;
	uint64_t area[KC_AREAS];	/* gpa; each inside one region */
	uint32_t from;			/* as if so many chains (packed: descriptors) had gone through */
	bool event_idx, in_order;	/* negotiated */
};

struct kc_ring_ops {
	const char *name;		/* "split", "packed" */
	bool packed;
	/* What an area takes for this size, and how it must be aligned. */
	struct kc_area_shape (*shape)(uint32_t size, enum kc_area area);
	/* The vhost base of a ring that has run `from` far (SET_VRING_BASE). */
	uint32_t (*base)(uint32_t size, uint32_t from);
	int (*init)(struct kc_ring *r, struct kc_mem *mem, const struct kc_ring_config *c);
	void (*fini)(struct kc_ring *r);
	int (*add)(struct kc_ring *r, const struct kc_chain *chain, void *token, uint16_t *id);
	unsigned (*publish)(struct kc_ring *r);
	bool (*kick_needed)(struct kc_ring *r);
	/* Is there something for reap? */
	bool (*ready)(const struct kc_ring *r);
	int (*reap)(struct kc_ring *r, struct kc_used *u);
	int (*abandon)(struct kc_ring *r, struct kc_used *u);
	/* Asks for a call at the next used buffer; true if one is there already. */
	bool (*arm)(struct kc_ring *r);
	/* Asks for no calls, as well as the layout can. */
	void (*suppress)(struct kc_ring *r);
	/* Free descriptors. */
	uint32_t (*room)(const struct kc_ring *r);
	/* How far the device may go: split: avail idx; packed: next slot, and wrap counter in bit 15. It is
	 * what a notification carries with NOTIFICATION_DATA. */
	uint16_t (*published)(const struct kc_ring *r);
};

struct kc_ring {
	const struct kc_ring_ops *ops;
	struct kc_ring_config config;
	union {
		struct kc_split split;
		struct kc_packed packed;
	};
};

extern const struct kc_ring_ops kc_ring_split, kc_ring_packed;
/* By its name; NULL if there is no such layout. */
const struct kc_ring_ops *kc_ring_layout(const char *name);
/* Sets r->ops and r->config, then as ops->init. */
int kc_ring_init(struct kc_ring *r, const struct kc_ring_ops *ops, struct kc_mem *mem,
		 const struct kc_ring_config *c);
/* Also of a ring that was never made (all zero). */
void kc_ring_fini(struct kc_ring *r);

#endif

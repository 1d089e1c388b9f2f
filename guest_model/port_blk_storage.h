/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_PORT_BLK_STORAGE_H
#define GUEST_MODEL_PORT_BLK_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <guest_model/port.h>

/*
 * What the block port knows of the sectors' contents. Of what it does not know, it says nothing.
 * For the ports of disks: blk and scsi.
 */
#define KC_SECTOR	512u

struct kc_blk_sector {
	bool known;
	bool stable;			/* what is known would outlive a loss of power */
	uint32_t writing;		/* writes in flight */
	uint32_t begun;			/* writes ever begun */
	uint64_t ended;			/* when the last one was over, by the model's clock */
};

struct kc_blk_area {
	uint64_t first;
	uint32_t n;			/* sectors */
	struct kc_blk_sector *sectors;
	uint8_t *bytes;
	uint32_t cursor;		/* where the next request goes */
};

struct kc_blk_storage {
	struct kc_blk_area common;	/* nobody writes it */
	struct kc_blk_area private;	/* this scenario writes it, nobody else */
	int contents;			/* at first: enum kc_contents */
	bool immutable;			/* writes do not change what is stored */
	uint64_t clock;			/* writes that are over */
};

/* 0 or -ENOMEM; to be finished in either case. */
int kc_blk_storage_init(struct kc_blk_storage *s, const struct kc_port_env *env, uint64_t capacity,
			bool immutable);
void kc_blk_storage_fini(struct kc_blk_storage *s);

bool kc_blk_area_holds(const struct kc_blk_area *a, uint64_t sector, uint32_t n);
/* The next n sectors of the area, starting over at its end. n <= a->n. */
uint64_t kc_blk_area_next(struct kc_blk_area *a, uint32_t n);

/* The content of a sector, if it is known. */
bool kc_blk_storage_known(const struct kc_blk_storage *s, uint64_t sector, uint8_t *out);
/* A read gave this, and nothing better is known. */
void kc_blk_storage_believe(struct kc_blk_storage *s, uint64_t sector, const uint8_t *bytes);

/* A request on these sectors begins; returns whether a write is under way on one of them. */
bool kc_blk_storage_begin(struct kc_blk_storage *s, uint64_t sector, uint32_t n, bool write);
/* Writes ever begun on these sectors: if the sum has changed, a request was not alone. */
uint64_t kc_blk_storage_begun(const struct kc_blk_storage *s, uint64_t sector, uint32_t n);

/* What a write that is over has left: */
enum kc_blk_left {
	KC_BLK_LEFT_UNKNOWN,
	KC_BLK_LEFT_BYTES,		/* those given */
	KC_BLK_LEFT_ZEROES,		/* whether a flush makes them stable is not said */
};
/* bytes: n sectors. stable: it was written through. */
void kc_blk_storage_end(struct kc_blk_storage *s, uint64_t sector, uint32_t n,
			enum kc_blk_left left, const uint8_t *bytes, bool stable);
/* A flush succeeded that was made when the clock stood at since. */
void kc_blk_storage_flushed(struct kc_blk_storage *s, uint64_t since);
/* Only what is stable is still known. Nothing is in flight. */
void kc_blk_storage_power_lost(struct kc_blk_storage *s);

#endif

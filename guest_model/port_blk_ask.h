/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_PORT_BLK_ASK_H
#define GUEST_MODEL_PORT_BLK_ASK_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_blk.h>
#include <kickcall/err.h>

/* What a script's words ask of a disk, and what becomes of it. For the block port only. */

/* Newer than some distributions' headers. */
#ifndef VIRTIO_BLK_F_SECURE_ERASE
#define VIRTIO_BLK_F_SECURE_ERASE	16
#define VIRTIO_BLK_T_SECURE_ERASE	14
#endif

#define KC_BLK_SEGMENTS_MAX	64u

enum kc_blk_kind {
	KC_BLK_ANY, KC_BLK_READ, KC_BLK_WRITE, KC_BLK_FLUSH, KC_BLK_GET_ID, KC_BLK_TYPE,
	/* Their data is a list of segments: */
	KC_BLK_DISCARD, KC_BLK_WRITE_ZEROES, KC_BLK_SECURE_ERASE,
};

enum kc_blk_where {
	KC_BLK_DEFAULT, KC_BLK_SECTOR, KC_BLK_PRIVATE, KC_BLK_BACK,
	KC_BLK_LAST, KC_BLK_PAST_END, KC_BLK_STRADDLE,	/* these go by the capacity */
};

struct kc_blk_amount {
	enum { KC_BLK_UNSAID, KC_BLK_SAID, KC_BLK_MAX, KC_BLK_PAST_MAX } how;
	uint32_t n;			/* of KC_BLK_SAID; in the end, in every case */
};

struct kc_blk_segment {
	enum kc_blk_where where;
	uint64_t number;		/* of KC_BLK_SECTOR and KC_BLK_PRIVATE */
	struct kc_blk_amount sectors;
	uint32_t flags;
	uint64_t sector;		/* filled in when its place is chosen */
};

struct kc_blk_ask {
	enum kc_blk_kind kind;
	uint32_t type;
	uint32_t reserved;
	/* All but lists have one segment; it says the place only. */
	struct kc_blk_segment segs[KC_BLK_SEGMENTS_MAX];
	unsigned nsegs;
	struct kc_blk_amount segments;	/* so many like the first one, one behind the other */
	/* Filled in from the shape. */
	uint32_t data;			/* bytes */
	bool data_out;			/* which stream they are in */
};

struct kc_blk_kind_row {
	const char *name;
	uint32_t type;
	uint32_t natural;		/* bytes of data */
	uint32_t unit;			/* data is a multiple of this; 0: exactly `natural` bytes */
	bool data_out;
};

const struct kc_blk_kind_row *kc_blk_kind(enum kc_blk_kind kind);
bool kc_blk_is_list(const struct kc_blk_ask *a);
bool kc_blk_is_sized(const struct kc_blk_ask *a);		/* a read or a write */
bool kc_blk_changes_storage(const struct kc_blk_ask *a);
/* Sectors of segment i, once its amount, or the data, is settled. */
uint32_t kc_blk_sectors_of(const struct kc_blk_ask *a, unsigned i);
void kc_blk_ask_kind(struct kc_blk_ask *a, enum kc_blk_kind kind);
/* NULL words ask for nothing in particular. 0, -EBADMSG for words that make no sense, -EINVAL. */
int kc_blk_ask_parse(struct kc_blk_ask *a, const char *words, struct kc_err *err);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_PORT_BLK_H
#define GUEST_MODEL_PORT_BLK_H

#include <guest_model/port_blk_ask.h>
#include <guest_model/port_blk_storage.h>
#include <guest_model/port_build.h>

/* What the files of the block port share. For the block port only. */
#define KC_BLK_HEADER_BYTES	((uint32_t)sizeof(struct virtio_blk_outhdr))
#define KC_BLK_SEGMENT_BYTES	((uint32_t)sizeof(struct virtio_blk_discard_write_zeroes))

struct kc_blk {
	uint64_t capacity;		/* sectors */
	bool capacity_told;
	uint32_t size_max, seg_max;	/* 0: no limit */
	bool read_only;
	uint64_t serial;
	unsigned turn;			/* KC_DIR_ANY: even reads, odd writes */
	struct kc_blk_storage storage;
	uint64_t last_write;		/* sector of the last write made */
	uint32_t last_write_sectors;
};

/*
 * Fills in what the words left open: bytes of data, numbers of sectors and segments, places. 0;
 * -EINVAL for what this device cannot take or what reaches beyond the private area, -EPERM without
 * consent to write, -EBADMSG.
 */
int kc_blk_settle(struct kc_blk_ask *a, const struct kc_port *p, const struct kc_shape *shape,
		  struct kc_err *err);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_REFERENCE_REF_STORAGE_H
#define BACKEND_REFERENCE_REF_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <kickcall/err.h>

/*
 * What the block device keeps its sectors in: memory, and behind it a file that outlives the
 * process. For backend/reference/ only. Ranges are the caller's to check.
 */
#define KC_REF_SECTOR	512u

struct kc_ref_storage {
	uint64_t sectors;
	uint8_t *mem;			/* what a read sees */
	uint8_t *dirty;			/* per sector: not in the file yet; NULL without a file */
	int fd;				/* -1: memory only */
};

/*
 * capacity is in bytes, 0 is the default. Memory, and a file that is made because it does not exist
 * (only with a capacity), hold kc_storage_pattern; a file that exists keeps its size and content.
 * 0 or -errno; s is to be closed also if this fails.
 */
int kc_ref_storage_open(struct kc_ref_storage *s, const char *file, bool read_only,
			uint64_t capacity, struct kc_err *err);
/* Writes out what is not in the file yet: only a crash loses it. */
void kc_ref_storage_close(struct kc_ref_storage *s);

void kc_ref_storage_read(const struct kc_ref_storage *s, uint64_t pos, uint8_t *p, uint64_t n);
void kc_ref_storage_write(struct kc_ref_storage *s, uint64_t pos, const uint8_t *p, uint64_t n);
void kc_ref_storage_fill(struct kc_ref_storage *s, uint64_t pos, uint8_t byte, uint64_t n);
/* Everything written before is in the file for good when this returns true. */
bool kc_ref_storage_sync(struct kc_ref_storage *s);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_MEM_H
#define SIM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <kickcall/err.h>

/*
 * Guest memory: several regions, each a memfd of its own, with gaps between some of them. An
 * address is a guest-physical one (gpa) everywhere; `uva` is the user address that a VMM would
 * announce for it, chosen so that gpa, uva, file offset and this process' own pointers are all
 * different numbers.
 *
 * All memory is filled with a pattern at start, so that every byte is a canary until it is used.
 * Everything that kickcall writes goes through kc_mem_write or kc_mem_wrote, which tell the
 * watcher: whatever changes otherwise was the device. Buffers come from kc_mem_alloc with untouched
 * guard bytes on both sides.
 */
#define KC_MEM_REGIONS_MAX	8
#define KC_MEM_GUARD		16u	/* untouched bytes on each side of an allocation */

struct kc_region {
	uint64_t gpa;
	uint64_t size;		/* bytes */
	uint64_t uva;
	uint64_t fd_offset;	/* of the region's first byte in its memfd */
	int memfd;
	uint8_t *host;		/* this process' mapping */
};

struct kc_mem {
	struct kc_region regions[KC_MEM_REGIONS_MAX];
	unsigned nregions;
	void (*wrote)(void *ctx, uint64_t gpa, const void *buf, size_t len);	/* may be NULL */
	void *wrote_ctx;
	void *heap;		/* the allocator's own */
};

struct kc_mem_layout_row {
	uint64_t gpa;
	uint64_t size;
	uint64_t fd_offset;
};

/* Both are low memory, a gap, then two regions that touch, so that a buffer may cross the border. The default
 * one is small, since all of it is filled and compared in every test; the large one holds 6 MiB. */
#define KC_MEM_LAYOUT_ROWS	3
extern const struct kc_mem_layout_row kc_mem_default_layout[KC_MEM_LAYOUT_ROWS];
extern const struct kc_mem_layout_row kc_mem_large_layout[KC_MEM_LAYOUT_ROWS];

/* It holds what sim/pristine.h says. */
int kc_mem_init(struct kc_mem *m, const struct kc_mem_layout_row *rows, unsigned nrows,
		struct kc_err *err);
void kc_mem_fini(struct kc_mem *m);
/* As kc_mem_fini, but the next kc_mem_init of this process takes the regions over, if it wants such. Only for
 * what nobody else has mapped any more; a process forked after it would take the same ones. One thread at a
 * time. */
void kc_mem_release(struct kc_mem *m);
/* Saves processes forked from this one a part of kc_mem_init with the default layout. Negative errno. */
int kc_mem_prepare(void);

/* Host pointer to [gpa, gpa + len) if it lies in one region, else NULL. */
void *kc_mem_host(const struct kc_mem *m, uint64_t gpa, uint64_t len);
/* Region that holds gpa, or NULL. */
const struct kc_region *kc_mem_region(const struct kc_mem *m, uint64_t gpa);
/* gpa -> uva; 0 if outside all regions. */
uint64_t kc_mem_uva(const struct kc_mem *m, uint64_t gpa);

/* May cross from one region into an adjacent one. -EFAULT if any byte is outside; then nothing is
 * written. */
int kc_mem_write(struct kc_mem *m, uint64_t gpa, const void *buf, size_t len);
int kc_mem_read(const struct kc_mem *m, uint64_t gpa, void *buf, size_t len);
/* For atomic stores made through a host pointer: tells the watcher what was stored. */
void kc_mem_wrote(struct kc_mem *m, uint64_t gpa, const void *buf, size_t len);

/* Where an allocation shall lie. */
enum kc_place {
	KC_PLACE_ANY,
	KC_PLACE_REGION_END,	/* its last byte is the last byte of a region that a gap follows */
	KC_PLACE_ACROSS,	/* half on each side of the border of the two adjacent regions */
	KC_PLACE_LOW,		/* in the first region */
	KC_PLACE_PAGE_END,	/* its last byte is the last byte of a page */
};
/* 0 and *gpa; -ENOMEM, also where a special place cannot hold len at that alignment (each holds one
 * allocation at a time); -EINVAL if align is no power of two up to 65536 (0 means 1). len 0 is
 * allowed. Addresses repeat from run to run; page 0 is never given. */
int kc_mem_alloc(struct kc_mem *m, uint64_t len, uint64_t align, enum kc_place place,
		 uint64_t *gpa);
/* The bytes stay as they are, and it takes a while until they are given away again. gpa 0 is
 * allowed. */
void kc_mem_free(struct kc_mem *m, uint64_t gpa);

#endif

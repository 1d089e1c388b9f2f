/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_ORACLE_SHADOW_H
#define HARNESS_ORACLE_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sim/mem.h>

/*
 * The oracle's copy of guest memory: what it would hold if nobody but kickcall had written to it.
 *
 * Three maps lie beside it. `fresh` says of each byte that kickcall wrote it last: it may be
 * poison. `permit` counts, for each byte, how many things now in flight let the device write there;
 * `pins` counts, for each 16 bytes, how many descriptors in flight lie there. Counters that reach
 * their end stay there: memory is then judged too mildly, never wrongly.
 *
 * Ranges may cross from one region into the next, or lie partly outside all memory: what is outside
 * is passed over, unless said otherwise.
 */
#define KC_PIN_BYTES	16u

struct kc_shadow_region {
	uint64_t gpa, size;	/* bytes */
	uint8_t *host;		/* the memory itself, borrowed */
	uint8_t *copy;
	uint8_t *fresh;
	uint8_t *permit;
	uint16_t *pins;
};

struct kc_shadow {
	struct kc_shadow_region r[KC_MEM_REGIONS_MAX];
	unsigned n;
	uint64_t bytes;		/* of all memory */
	unsigned permit_all;	/* > 0: something is in flight that may write anywhere */
	uint64_t own_gpa, own_end;	/* kickcall has written here, and the copy does not know yet */
};

/* 0 or -ENOMEM. Memory is as kc_mem_init has left it: nobody has written to it yet. */
int kc_shadow_init(struct kc_shadow *s, const struct kc_mem *mem);
void kc_shadow_fini(struct kc_shadow *s);

/* How many bytes of the range exist. */
uint64_t kc_shadow_overlap(const struct kc_shadow *s, uint64_t gpa, uint64_t len);
bool kc_shadow_inside(const struct kc_shadow *s, uint64_t gpa, uint64_t len);
/* false if any byte lies outside all memory; buf is then zero there. */
bool kc_shadow_read(const struct kc_shadow *s, uint64_t gpa, void *buf, size_t len);
/* Little-endian; 0 outside. */
uint16_t kc_shadow_u16(const struct kc_shadow *s, uint64_t gpa);
/* kickcall's own write. */
void kc_shadow_apply(struct kc_shadow *s, uint64_t gpa, const void *buf, size_t len);
/* The device's writes there were rightful: the copy follows the memory. */
void kc_shadow_sync(struct kc_shadow *s, uint64_t gpa, uint64_t len);
/* How many bytes there still hold what kickcall wrote; *first gets the first one's address. Bytes
 * that it did not write since the device had them last are not counted. */
uint64_t kc_shadow_untouched(const struct kc_shadow *s, uint64_t gpa, uint64_t len,
			     uint64_t *first);

void kc_shadow_permit(struct kc_shadow *s, uint64_t gpa, uint64_t len, bool on);
bool kc_shadow_permitted(const struct kc_shadow *s, uint64_t gpa);
/* Everywhere, as often as it was switched on. When the last one is switched off, what was written meanwhile
 * is taken over. */
void kc_shadow_permit_all(struct kc_shadow *s, bool on);
/* How many bytes there has the device changed that no more than one thing permits? */
uint64_t kc_shadow_written(const struct kc_shadow *s, uint64_t gpa, uint64_t len, uint64_t *first);
void kc_shadow_pin(struct kc_shadow *s, uint64_t gpa, uint64_t len, bool on);
bool kc_shadow_pinned(const struct kc_shadow *s, uint64_t gpa, uint64_t len);

/* A run of bytes that changed and may not: of what was, first byte expected, actual. */
struct kc_shadow_change {
	uint64_t gpa, len;
	uint8_t expected, actual;
};
/* Compares all memory with the copy, tells of each run, then lets the copy follow. */
void kc_shadow_compare(struct kc_shadow *s,
		       void (*changed)(void *ctx, const struct kc_shadow_change *c), void *ctx);
/* The same for one range. */
void kc_shadow_compare_range(struct kc_shadow *s, uint64_t gpa, uint64_t len,
			     void (*changed)(void *ctx, const struct kc_shadow_change *c),
			     void *ctx);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KICKCALL_STORAGE_H
#define KICKCALL_STORAGE_H

#include <stdint.h>

/*
 * What a block device's storage holds before anything was written to it. The built-in back-end and
 * the driver's port agree on it, so that the very first read of a scenario can be checked.
 */

/* The 8 bytes at offset 8 * n of the storage, the first one lowest. */
static inline uint64_t kc_storage_pattern_word(uint64_t n)
{
	uint64_t x = (n + 1) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 29;
	return x * 0xbf58476d1ce4e5b9ull;
}

/* Byte `offset` of the storage. */
static inline uint8_t kc_storage_pattern(uint64_t offset)
{
	return (uint8_t)(kc_storage_pattern_word(offset / 8) >> (8 * (offset % 8)));
}

/*
 * A shared directory as it is before anything was written to it has a file `pattern` of that many bytes
 * of the same sequence, an empty file `scratch`, an empty directory `folder`, and a symbolic link `link`
 * that leads out of it.
 */
#define KC_SHARE_PATTERN_BYTES	(256u << 10)

#endif

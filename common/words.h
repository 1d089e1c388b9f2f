/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_WORDS_H
#define COMMON_WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes at once, where most look alike. */
#define KC_ONES	0x0101010101010101ull

static inline uint64_t kc_word_at(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

static inline bool kc_has_zero_byte(uint64_t w)
{
	return (w - KC_ONES) & ~w & KC_ONES << 7;
}

#endif

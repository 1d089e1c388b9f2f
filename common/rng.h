/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_RNG_H
#define COMMON_RNG_H

#include <stddef.h>
#include <stdint.h>

/* A small deterministic generator (splitmix64): the same seed gives the same numbers everywhere. */
struct kc_rng {
	uint64_t state;
};

static inline void kc_rng_seed(struct kc_rng *r, uint64_t seed)
{
	r->state = seed;
}

static inline uint64_t kc_rng_scramble(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline uint64_t kc_rng_next(struct kc_rng *r)
{
	r->state += 0x9e3779b97f4a7c15ull;
	return kc_rng_scramble(r->state);
}

/* 0 <= result < n; n > 0. */
uint64_t kc_rng_below(struct kc_rng *r, uint64_t n);
/* A seed from another seed and a text: the place of a scenario in a run plays no part. */
uint64_t kc_seed_derive(uint64_t seed, const char *text);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_RNG_H
#define COMMON_RNG_H

#include <stddef.h>
#include <stdint.h>

/* A small deterministic generator (splitmix64): the same seed gives the same numbers everywhere. */
struct kc_rng {
	uint64_t state;
};

void kc_rng_seed(struct kc_rng *r, uint64_t seed);
uint64_t kc_rng_next(struct kc_rng *r);
/* 0 <= result < n; n > 0. */
uint64_t kc_rng_below(struct kc_rng *r, uint64_t n);
/* A seed from another seed and a text: the place of a scenario in a run plays no part. */
uint64_t kc_seed_derive(uint64_t seed, const char *text);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: splitmix64 walks its state by a constant and scrambles it. That is all that
 * choosing among a few actors needs, it has no bad seeds, and it is the same on every machine.
 * Seeds are derived by hashing a text (FNV-1a) into a seed, so that neighbouring texts and
 * neighbouring seeds give unrelated streams.
 */
#include <common/rng.h>

uint64_t kc_rng_below(struct kc_rng *r, uint64_t n)
{
	uint64_t reject = -n % n;	/* 2^64 mod n: values that come once too often */
	uint64_t v;

	do {
		v = kc_rng_next(r);
	} while (v < reject);
	return v % n;
}

uint64_t kc_seed_derive(uint64_t seed, const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
	return kc_rng_scramble(kc_rng_scramble(seed + 0x9e3779b97f4a7c15ull) ^ h);
}

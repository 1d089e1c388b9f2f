/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: splitmix64 walks its state by a constant and scrambles it. That is all that
 * choosing among a few actors needs, it has no bad seeds, and it is the same on every machine.
 * Seeds are derived by hashing a text (FNV-1a) into a seed, so that neighbouring texts and
 * neighbouring seeds give unrelated streams.
 */
#include <common/rng.h>

static uint64_t scramble(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void kc_rng_seed(struct kc_rng *r, uint64_t seed)
{
	r->state = seed;
}

uint64_t kc_rng_next(struct kc_rng *r)
{
	r->state += 0x9e3779b97f4a7c15ull;
	return scramble(r->state);
}

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
	return scramble(scramble(seed + 0x9e3779b97f4a7c15ull) ^ h);
}

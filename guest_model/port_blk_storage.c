/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block port's model of the storage.
 *
 * Theory of operation: the disk's first MiB (half of a small disk) is the common area: scenarios
 * never write it, and default reads go there, at a place that moves on with every request. Writes
 * go to this scenario's private area, one of the 256-KiB slots behind it, also moving on, so that
 * requests in flight together touch different sectors. Of a sector its content is known
 * - in the private area, after a write that succeeded while no other one was under way;
 * - elsewhere, as long as nobody can have written there (the common area, or a disk that never
 *   changes), from what the storage was filled with, else from the first time it was read.
 *
 * Writing zeroes is a write like any other. A discard and a secure erase are writes that leave
 * unknown content: nothing may be assumed of it, so nobody is accused for it. The same goes for a
 * write that failed, or that overlapped another one in flight; and a read that overlapped a write
 * gets no expectation. For that, every private sector counts the writes under way and the writes
 * begun: a request that finds one under way when it starts, or the sum of begun ones changed when
 * it ends, was not alone.
 *
 * What outlives a loss of power is less: a write that was written through, or one that was over
 * before a flush was made which then succeeded. A sector that has been written since then may hold
 * the old content or the new. Of zeroes and discards the text does not say that they are writes in
 * this sense, so they are never taken for stable.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <common/rng.h>
#include <kickcall/storage.h>
#include <guest_model/port_blk_storage.h>

#define COMMON_SECTORS		2048u		/* 1 MiB */
#define PRIVATE_SECTORS		512u		/* 256 KiB */

static int area_init(struct kc_blk_area *a, uint64_t first, uint32_t n)
{
	a->first = first;
	a->n = n;
	a->sectors = calloc(n + 1, sizeof(*a->sectors));
	a->bytes = calloc(n + 1, KC_SECTOR);
	return a->sectors && a->bytes ? 0 : -ENOMEM;
}

static void area_fini(struct kc_blk_area *a)
{
	free(a->sectors);
	free(a->bytes);
}

static struct kc_blk_sector *area_sector(const struct kc_blk_area *a, uint64_t sector)
{
	return sector - a->first < a->n ? &a->sectors[sector - a->first] : NULL;
}

static uint8_t *area_bytes(const struct kc_blk_area *a, uint64_t sector)
{
	return a->bytes + (sector - a->first) * KC_SECTOR;
}

bool kc_blk_area_holds(const struct kc_blk_area *a, uint64_t sector, uint32_t n)
{
	return sector >= a->first && sector - a->first <= a->n && n <= a->n - (sector - a->first);
}

uint64_t kc_blk_area_next(struct kc_blk_area *a, uint32_t n)
{
	uint64_t sector;

	if (n > a->n - a->cursor)
		a->cursor = 0;
	sector = a->first + a->cursor;
	a->cursor += n;
	return sector;
}

int kc_blk_storage_init(struct kc_blk_storage *s, const struct kc_port_env *env, uint64_t capacity,
			bool immutable)
{
	uint64_t common = capacity / 2 < COMMON_SECTORS ? capacity / 2 : COMMON_SECTORS;
	uint64_t slots = (capacity - common) / PRIVATE_SECTORS;
	uint64_t first = common, n = capacity - common;
	struct kc_rng rng;

	s->contents = env->contents;
	s->immutable = immutable;
	if (slots) {
		first = common + env->private_slot % slots * PRIVATE_SECTORS;
		n = PRIVATE_SECTORS;
	}
	if (area_init(&s->common, 0, common) || area_init(&s->private, first, n))
		return -ENOMEM;
	kc_rng_seed(&rng, env->seed);
	s->common.cursor = common ? kc_rng_below(&rng, common) : 0;
	return 0;
}

void kc_blk_storage_fini(struct kc_blk_storage *s)
{
	area_fini(&s->common);
	area_fini(&s->private);
}

bool kc_blk_storage_known(const struct kc_blk_storage *s, uint64_t sector, uint8_t *out)
{
	const struct kc_blk_area *a = area_sector(&s->common, sector) ? &s->common : &s->private;
	const struct kc_blk_sector *known = area_sector(a, sector);

	if (known && known->known) {
		memcpy(out, area_bytes(a, sector), KC_SECTOR);
		return true;
	}
	if (s->contents == KC_CONTENTS_UNKNOWN || (a != &s->common && !s->immutable))
		return false;
	for (uint32_t i = 0; i < KC_SECTOR; i++)
		out[i] = s->contents == KC_CONTENTS_ZEROES ? 0 :
			 kc_storage_pattern(sector * KC_SECTOR + i);
	return true;
}

/* The part of the range that is private: from *from to before *to. */
static void clip(const struct kc_blk_storage *s, uint64_t sector, uint32_t n, uint64_t *from,
		 uint64_t *to)
{
	const struct kc_blk_area *a = &s->private;
	uint64_t end = n > UINT64_MAX - sector ? UINT64_MAX : sector + n;

	*from = sector > a->first ? sector : a->first;
	*to = end < a->first + a->n ? end : a->first + a->n;
}

static void learn(struct kc_blk_area *a, uint64_t sector, const uint8_t *bytes)
{
	struct kc_blk_sector *s = area_sector(a, sector);

	if (!s)
		return;
	memcpy(area_bytes(a, sector), bytes, KC_SECTOR);
	s->known = true;
}

void kc_blk_storage_believe(struct kc_blk_storage *s, uint64_t sector, const uint8_t *bytes)
{
	learn(&s->common, sector, bytes);
}

uint64_t kc_blk_storage_begun(const struct kc_blk_storage *s, uint64_t sector, uint32_t n)
{
	uint64_t sum = 0, at, to;

	for (clip(s, sector, n, &at, &to); at < to; at++)
		sum += area_sector(&s->private, at)->begun;
	return sum;
}

bool kc_blk_storage_begin(struct kc_blk_storage *s, uint64_t sector, uint32_t n, bool write)
{
	bool contended = false;
	uint64_t at, to;

	for (clip(s, sector, n, &at, &to); at < to; at++) {
		struct kc_blk_sector *x = area_sector(&s->private, at);

		contended |= x->writing > 0;
		if (!write)
			continue;
		x->begun++;
		x->writing++;
		x->stable = false;
	}
	return contended;
}

void kc_blk_storage_end(struct kc_blk_storage *s, uint64_t sector, uint32_t n,
			enum kc_blk_left left, const uint8_t *bytes, bool stable)
{
	static const uint8_t zeroes[KC_SECTOR];
	uint64_t at, to;

	s->clock++;
	for (clip(s, sector, n, &at, &to); at < to; at++) {
		struct kc_blk_sector *x = area_sector(&s->private, at);

		x->writing--;
		if (s->immutable)
			continue;
		x->known = false;
		if (left != KC_BLK_LEFT_UNKNOWN)
			learn(&s->private, at, left == KC_BLK_LEFT_ZEROES ? zeroes :
			      bytes + (at - sector) * KC_SECTOR);
		x->stable = left == KC_BLK_LEFT_BYTES && stable;
		x->ended = left == KC_BLK_LEFT_BYTES ? s->clock : UINT64_MAX;
	}
}

void kc_blk_storage_flushed(struct kc_blk_storage *s, uint64_t since)
{
	for (uint32_t i = 0; i < s->private.n; i++) {
		struct kc_blk_sector *x = &s->private.sectors[i];

		if (x->known && !x->writing && x->ended <= since)
			x->stable = true;
	}
}

void kc_blk_storage_power_lost(struct kc_blk_storage *s)
{
	for (uint32_t i = 0; i < s->private.n; i++)
		s->private.sectors[i].known &= s->private.sectors[i].stable;
}

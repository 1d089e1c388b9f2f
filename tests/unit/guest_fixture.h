/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_GUEST_FIXTURE_H
#define TESTS_UNIT_GUEST_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sim/mem.h>

/*
 * Guest memory and a copy of it to which only announced writes are applied: what differs at the end
 * was written behind the observer's back. `log` holds the addresses of the last announcements.
 */
#define LOG_MAX	4096

struct guest {
	struct kc_mem mem;
	uint8_t *copy[KC_MEM_REGIONS_MAX];
	uint64_t log[LOG_MAX];
	unsigned nlog;
};

static inline uint8_t *guest_copy_of(struct guest *g, uint64_t gpa)
{
	const struct kc_region *r = kc_mem_region(&g->mem, gpa);

	assert_non_null(r);
	return g->copy[r - g->mem.regions] + (gpa - r->gpa);
}

static inline void guest_wrote(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	struct guest *g = ctx;

	if (g->nlog < LOG_MAX)
		g->log[g->nlog++] = gpa;
	if (kc_mem_host(&g->mem, gpa, len))
		memcpy(guest_copy_of(g, gpa), buf, len);
	for (size_t i = 0; !kc_mem_host(&g->mem, gpa, len) && i < len; i++)	/* across regions */
		*guest_copy_of(g, gpa + i) = ((const uint8_t *)buf)[i];
}

static inline void guest_init(struct guest *g)
{
	memset(g, 0, sizeof(*g));
	assert_int_equal(kc_mem_init(&g->mem, kc_mem_large_layout, KC_MEM_LAYOUT_ROWS, NULL),
			 0);
	for (unsigned i = 0; i < g->mem.nregions; i++) {
		g->copy[i] = malloc(g->mem.regions[i].size);
		assert_non_null(g->copy[i]);
		memcpy(g->copy[i], g->mem.regions[i].host, g->mem.regions[i].size);
	}
	g->mem.wrote = guest_wrote;
	g->mem.wrote_ctx = g;
}

/* Was every byte announced? */
static inline void guest_check(struct guest *g)
{
	for (unsigned i = 0; i < g->mem.nregions; i++)
		assert_memory_equal(g->copy[i], g->mem.regions[i].host, g->mem.regions[i].size);
}

static inline void guest_fini(struct guest *g)
{
	guest_check(g);
	for (unsigned i = 0; i < g->mem.nregions; i++)
		free(g->copy[i]);
	kc_mem_fini(&g->mem);
}

/* The device's own write: not announced to the driver's observer, but expected by guest_check. */
static inline void guest_device_write(struct guest *g, uint64_t gpa, const void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t *host = kc_mem_host(&g->mem, gpa + i, 1);

		assert_non_null(host);
		*host = *guest_copy_of(g, gpa + i) = ((const uint8_t *)buf)[i];
	}
}

static inline uint64_t guest_alloc(struct guest *g, uint64_t len, uint64_t align)
{
	uint64_t gpa = 0;

	assert_int_equal(kc_mem_alloc(&g->mem, len, align, KC_PLACE_ANY, &gpa), 0);
	return gpa;
}

static inline uint16_t guest_u16(struct guest *g, uint64_t gpa)
{
	uint8_t b[2];

	assert_int_equal(kc_mem_read(&g->mem, gpa, b, sizeof(b)), 0);
	return b[0] | b[1] << 8;
}

#endif

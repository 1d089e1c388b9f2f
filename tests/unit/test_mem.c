/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory: translation, the pattern, crossing regions, and the allocator's promises. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <common/rng.h>
#include <sim/mem.h>
#include <sim/pristine.h>

#define BORDER	0x40400000ull
#define MIB	(1ull << 20)
#define END	(BORDER + MIB)

static int set_up(void **state)
{
	struct kc_mem *m = calloc(1, sizeof(*m));

	*state = m;
	return kc_mem_init(m, kc_mem_large_layout, KC_MEM_LAYOUT_ROWS, NULL);
}

static int tear_down(void **state)
{
	kc_mem_fini(*state);
	free(*state);
	return 0;
}

static void test_layout(void **state)
{
	const struct kc_mem *m = *state;
	bool offset = false;

	assert_int_equal(m->nregions, 3);
	for (unsigned i = 0; i < m->nregions; i++) {
		const struct kc_region *r = &m->regions[i], *next = r + 1;

		assert_true(r->uva && r->uva % 4096 == 0 && r->fd_offset % 4096 == 0);
		assert_true(r->uva != r->gpa && r->uva != r->fd_offset);
		assert_true(r->uva != (uintptr_t)r->host && r->gpa != (uintptr_t)r->host);
		offset |= r->fd_offset != 0;
		if (i + 1 < m->nregions)
			assert_true(r->uva + r->size < next->uva);
	}
	assert_true(offset);
	assert_true(m->regions[1].gpa + m->regions[1].size == m->regions[2].gpa);
	assert_true(m->regions[0].gpa + m->regions[0].size < m->regions[1].gpa);
}

static void test_translation(void **state)
{
	struct kc_mem *m = *state;
	const struct kc_region *r = &m->regions[1];

	assert_ptr_equal(kc_mem_region(m, BORDER - 1), r);
	assert_ptr_equal(kc_mem_region(m, BORDER), r + 1);
	assert_null(kc_mem_region(m, END));
	assert_null(kc_mem_region(m, MIB));
	assert_null(kc_mem_region(m, UINT64_MAX));
	assert_ptr_equal(kc_mem_host(m, r->gpa + 5, 10), r->host + 5);
	assert_non_null(kc_mem_host(m, BORDER - 8, 8));
	assert_null(kc_mem_host(m, BORDER - 8, 9));
	assert_null(kc_mem_host(m, END - 8, UINT64_MAX));
	assert_non_null(kc_mem_host(m, 0, MIB));
	assert_true(kc_mem_uva(m, r->gpa + 7) == r->uva + 7);
	assert_true(kc_mem_uva(m, MIB) == 0);
	assert_true(kc_mem_uva(m, BORDER) - kc_mem_uva(m, BORDER - 1) > 4096);
}

static void test_pattern(void **state)
{
	struct kc_mem *m = *state;
	unsigned seen[256] = { 0 };

	for (unsigned i = 0; i < m->nregions; i++) {
		const struct kc_region *r = &m->regions[i];

		for (uint64_t off = 0; off < r->size; off += 509)
			assert_int_equal(r->host[off], kc_pristine_byte(r->gpa + off));
	}
	for (uint64_t gpa = 0; gpa < 65536; gpa++)
		seen[kc_pristine_byte(gpa)]++;
	for (unsigned i = 0; i < 256; i++)
		assert_in_range(seen[i], 128, 512);
}

/* What the file holds at fd_offset is what the guest sees: another process maps just that. */
static void test_memfd(void **state)
{
	struct kc_mem *m = *state;

	for (unsigned i = 0; i < m->nregions; i++) {
		const struct kc_region *r = &m->regions[i];
		uint8_t b;

		assert_int_equal(kc_mem_write(m, r->gpa + 9, "Z", 1), 0);
		assert_int_equal(pread(r->memfd, &b, 1, r->fd_offset + 9), 1);
		assert_int_equal(b, 'Z');
		assert_int_equal(ftruncate(r->memfd, 0), -1);
	}
}

struct watch {
	unsigned n;
	uint64_t gpa;
	size_t len;
	char first;
};

static void watch(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	*(struct watch *)ctx = (struct watch){ ((struct watch *)ctx)->n + 1, gpa, len,
					       *(const char *)buf };
}

static void test_read_write(void **state)
{
	struct kc_mem *m = *state;
	struct watch w = { 0 };
	char buf[8];

	m->wrote = watch;
	m->wrote_ctx = &w;
	assert_int_equal(kc_mem_write(m, BORDER - 3, "abcdefg", 7), 0);
	assert_true(w.n == 1 && w.gpa == BORDER - 3 && w.len == 7 && w.first == 'a');
	assert_int_equal(kc_mem_read(m, BORDER - 3, buf, 7), 0);
	assert_memory_equal(buf, "abcdefg", 7);
	assert_memory_equal(kc_mem_host(m, BORDER, 4), "defg", 4);

	/* Over the end: nothing is written, nobody is told. */
	assert_int_equal(kc_mem_write(m, END - 3, "abcd", 4), -EFAULT);
	assert_int_equal(*(uint8_t *)kc_mem_host(m, END - 3, 1), kc_pristine_byte(END - 3));
	assert_int_equal(kc_mem_read(m, MIB - 1, buf, 2), -EFAULT);
	assert_int_equal(kc_mem_read(m, UINT64_MAX - 1, buf, 4), -EFAULT);
	assert_int_equal(kc_mem_write(m, 0x2000000, "", 0), 0);
	assert_int_equal(w.n, 1);
	kc_mem_wrote(m, 77, "q", 1);
	assert_true(w.n == 2 && w.gpa == 77 && w.first == 'q');
}

static int by_gpa(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (x[0] > y[0]) - (x[0] < y[0]);
}

/* 40000 live at once, aligned as asked, with guards between all of them, none in page 0. */
static void test_many(void **state)
{
	enum { N = 40000 };
	struct kc_mem *m = *state;
	uint64_t (*a)[2] = calloc(N, sizeof(*a));
	struct kc_rng rng;

	kc_rng_seed(&rng, 3);
	for (unsigned i = 0; i < N; i++) {
		uint64_t align = 1ull << kc_rng_below(&rng, 7);

		a[i][1] = kc_rng_below(&rng, 100);
		assert_int_equal(kc_mem_alloc(m, a[i][1], align, KC_PLACE_ANY, &a[i][0]), 0);
		assert_true(a[i][0] % align == 0);
		assert_non_null(kc_mem_host(m, a[i][0], a[i][1]));
	}
	qsort(a, N, sizeof(*a), by_gpa);
	assert_true(a[0][0] >= 4096 + KC_MEM_GUARD);
	for (unsigned i = 0; i + 1 < N; i++)
		assert_true(a[i][0] + a[i][1] + KC_MEM_GUARD <= a[i + 1][0]);
	for (unsigned i = 0; i < N; i++)
		kc_mem_free(m, a[i][0]);
	free(a);
}

static uint64_t get(struct kc_mem *m, uint64_t len, enum kc_place place)
{
	uint64_t gpa = 0;

	assert_int_equal(kc_mem_alloc(m, len, 1, place, &gpa), 0);
	return gpa;
}

static void test_reuse_is_late(void **state)
{
	struct kc_mem *m = *state;
	uint64_t first = get(m, 100, KC_PLACE_ANY), gpa = 0;
	unsigned n = 0;

	kc_mem_write(m, first, "late", 4);
	kc_mem_free(m, first);
	assert_memory_equal(kc_mem_host(m, first, 4), "late", 4);
	for (; gpa != first && n < 1000; n++) {
		gpa = get(m, 100, KC_PLACE_ANY);
		kc_mem_free(m, gpa);
	}
	assert_in_range(n, 32, 999);
}

/* A long run of all sizes neither runs out nor overlaps, and is the same each time. */
static void test_churn(void **state)
{
	enum { N = 200 };
	uint64_t live[N] = { 0 }, len[N] = { 0 }, sum[2] = { 0 };

	for (unsigned run = 0; run < 2; run++) {
		struct kc_rng rng;

		kc_rng_seed(&rng, 11);
		memset(live, 0, sizeof(live));
		for (unsigned i = 0; i < 60000; i++) {
			unsigned at = kc_rng_below(&rng, N);

			if (live[at])
				kc_mem_free(*state, live[at]);
			len[at] = kc_rng_below(&rng, 1ull << kc_rng_below(&rng, 15));
			live[at] = get(*state, len[at], KC_PLACE_ANY);
			sum[run] = sum[run] * 31 + live[at];
		}
		for (unsigned i = 0; i < N; i++)
			for (unsigned j = 0; j < N; j++)
				if (i != j && live[i] && live[j])
					assert_true(live[i] + len[i] + KC_MEM_GUARD <= live[j] ||
						    live[j] + len[j] + KC_MEM_GUARD <= live[i]);
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
	assert_true(sum[0] == sum[1]);
}

static void test_exhaustion(void **state)
{
	struct kc_mem *m = *state;
	uint64_t gpa[12], x;
	unsigned n = 0;

	while (n < 12 && !kc_mem_alloc(m, MIB, 4096, KC_PLACE_ANY, &gpa[n]))
		n++;
	assert_in_range(n, 3, 6);
	assert_int_equal(kc_mem_alloc(m, MIB, 4096, KC_PLACE_ANY, &x), -ENOMEM);
	kc_mem_free(m, gpa[2]);
	/* Not the same class or alignment, but the memory is there. */
	assert_int_equal(kc_mem_alloc(m, MIB - 300000, 16, KC_PLACE_ANY, &x), 0);
	assert_true(x == gpa[2]);
	assert_int_equal(kc_mem_alloc(m, UINT64_MAX, 1, KC_PLACE_ANY, &x), -ENOMEM);
	assert_int_equal(kc_mem_alloc(m, 1, 3, KC_PLACE_ANY, &x), -EINVAL);
	assert_int_equal(kc_mem_alloc(m, 1, 1 << 20, KC_PLACE_ANY, &x), -EINVAL);
}

static void test_places(void **state)
{
	static const uint64_t lens[] = { 2, 17, 512, 4096, 70001, 200000 };
	struct kc_mem *m = *state;
	uint64_t end, across, page, low, x;

	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		uint64_t len = lens[i];

		end = get(m, len, KC_PLACE_REGION_END);
		assert_true(end + len == END);
		across = get(m, len, KC_PLACE_ACROSS);
		assert_true(BORDER - across == len / 2);
		page = get(m, len, KC_PLACE_PAGE_END);
		assert_true((page + len) % 4096 == 0 && page + len + KC_MEM_GUARD <= end);
		low = get(m, len, KC_PLACE_LOW);
		assert_true(low >= 4096 && low + len < MIB);
		for (enum kc_place p = KC_PLACE_REGION_END; p <= KC_PLACE_PAGE_END; p++)
			if (p != KC_PLACE_LOW)
				assert_int_equal(kc_mem_alloc(m, len, 1, p, &x), -ENOMEM);
		kc_mem_free(m, end);
		kc_mem_free(m, across);
		kc_mem_free(m, page);
		kc_mem_free(m, low);
	}
	assert_int_equal(kc_mem_alloc(m, 512, 512, KC_PLACE_REGION_END, &x), 0);
	assert_int_equal(kc_mem_alloc(m, 510, 512, KC_PLACE_PAGE_END, &x), -ENOMEM);
	assert_int_equal(kc_mem_alloc(m, 48, 16, KC_PLACE_ACROSS, &x), 0);
	assert_true(x % 16 == 0 && x < BORDER && x + 48 > BORDER);
	kc_mem_free(m, x);
	assert_int_equal(kc_mem_alloc(m, 1, 1, KC_PLACE_ACROSS, &x), -ENOMEM);
	assert_int_equal(kc_mem_alloc(m, MIB, 1, KC_PLACE_REGION_END, &x), -ENOMEM);
	kc_mem_free(m, 0);
}

/* Nothing that KC_PLACE_ANY or KC_PLACE_LOW gives comes near the special places. */
static void test_places_are_reserved(void **state)
{
	struct kc_mem *m = *state;
	uint64_t special[3] = { get(m, 1000, KC_PLACE_REGION_END), get(m, 1000, KC_PLACE_ACROSS),
				get(m, 1000, KC_PLACE_PAGE_END) };
	uint64_t gpa;
	unsigned n = 0;

	while (!kc_mem_alloc(m, 4000, 1, n % 2 ? KC_PLACE_ANY : KC_PLACE_LOW, &gpa) ||
	       !kc_mem_alloc(m, 4000, 1, KC_PLACE_ANY, &gpa)) {
		n++;
		for (unsigned i = 0; i < 3; i++)
			assert_true(gpa + 4000 + KC_MEM_GUARD <= special[i] ||
				    special[i] + 1000 + KC_MEM_GUARD <= gpa);
	}
	assert_in_range(n, 1000, 1500);
}

static void test_bad_layouts(void **state)
{
	static const struct kc_mem_layout_row overlap[] = { { 0, 8192, 0 }, { 4096, 4096, 0 } };
	static const struct kc_mem_layout_row odd[] = { { 0, 1000, 0 } };
	static const struct kc_mem_layout_row wrap[] = { { UINT64_MAX - 4095, 8192, 0 } };
	struct kc_err err = { "" };
	struct kc_mem m;

	(void)state;
	assert_int_equal(kc_mem_init(&m, overlap, 2, &err), -EINVAL);
	assert_int_not_equal(err.msg[0], 0);
	assert_int_equal(kc_mem_init(&m, odd, 1, &err), -EINVAL);
	assert_int_equal(kc_mem_init(&m, wrap, 1, &err), -EINVAL);
	assert_int_equal(kc_mem_init(&m, odd, 0, &err), -EINVAL);
	assert_int_equal(kc_mem_init(&m, odd, 9, &err), -EINVAL);
	kc_mem_fini(&m);
}

/* Small and single-region layouts have what fits and refuse the rest. */
static void test_other_layouts(void **state)
{
	static const struct kc_mem_layout_row one[] = { { 0x100000, 65536, 0x1000 } };
	static const struct kc_mem_layout_row page[] = { { 0, 4096, 0 } };
	struct kc_mem m;
	uint64_t gpa;

	(void)state;
	assert_int_equal(kc_mem_init(&m, one, 1, NULL), 0);
	assert_int_equal(kc_mem_alloc(&m, 100, 1, KC_PLACE_LOW, &gpa), 0);
	assert_int_equal(kc_mem_alloc(&m, 100, 1, KC_PLACE_REGION_END, &gpa), 0);
	assert_true(gpa + 100 == 0x110000);
	assert_int_equal(kc_mem_alloc(&m, 100, 1, KC_PLACE_ACROSS, &gpa), -ENOMEM);
	kc_mem_fini(&m);
	assert_int_equal(kc_mem_init(&m, page, 1, NULL), 0);
	for (enum kc_place p = KC_PLACE_ANY; p <= KC_PLACE_PAGE_END; p++)
		assert_int_equal(kc_mem_alloc(&m, 1, 1, p, &gpa), -ENOMEM);
	kc_mem_fini(&m);
}

/* The next memory has the memfds of one that was released, where they fit, and nothing of what was in them. */
static void test_released_regions_are_used_again(void **state)
{
	static const struct kc_mem_layout_row rows[] = { { 0x100000, 65536, 0x1000 }, { 0x200000, 65536, 0 } };
	static const struct kc_mem_layout_row moved[] = { { 0x300000, 65536, 0x1000 }, { 0x400000, 32768, 0 } };
	struct kc_mem m;
	int first;

	(void)state;
	assert_int_equal(kc_mem_init(&m, rows, 2, NULL), 0);
	assert_int_equal(kc_mem_write(&m, 0x100000, "left", 4), 0);
	first = m.regions[0].memfd;
	kc_mem_release(&m);
	assert_null(m.heap);
	assert_int_equal(kc_mem_init(&m, moved, 2, NULL), 0);
	assert_int_equal(m.regions[0].memfd, first);
	for (unsigned r = 0; r < 2; r++)
		for (uint64_t i = 0; i < m.regions[r].size; i++)
			assert_int_equal(m.regions[r].host[i], kc_pristine_byte(m.regions[r].gpa + i));
	kc_mem_fini(&m);
	assert_int_equal(fcntl(first, F_GETFD), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_layout), T(test_translation), T(test_pattern), T(test_memfd),
		T(test_read_write), T(test_many), T(test_reuse_is_late), T(test_churn),
		T(test_exhaustion), T(test_places), T(test_places_are_reserved),
		cmocka_unit_test(test_bad_layouts), cmocka_unit_test(test_other_layouts),
		cmocka_unit_test(test_released_regions_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: regions are sealed memfds, so that a back-end that truncates one cannot kill
 * the harness. The announced user addresses are invented: with gaps even where the guest-physical
 * regions touch, so that a back-end that mixes up two address spaces, or walks from one region into
 * the next, hits nothing.
 *
 * The allocator keeps its books outside guest memory and never touches the memory itself. Each
 * region has an arena that hands out fresh memory from its low end. A block is rounded up to a size
 * class (steps of 16 bytes, later quarters of a power of two) and keeps its place and class for
 * ever; freed blocks queue up in a list per class and alignment. A list is drawn from only when it
 * is long, and from its old end, so that a late write by the device meets memory that nobody owns.
 *
 * The special places are windows cut off from the arenas at start, one allocation each:
 *
 *   region that touches the next:   [ arena ..................... | across ]
 *   the next one, also the last:    [ across | arena | page end | region end ]
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <sim/mem.h>
#include <sim/pristine.h>

#define PAGE		4096ull
#define UVA_BASE	0x2b0000000000ull	/* far from where Linux puts mappings or the heap */
#define UVA_GAP		0x40000000ull
#define GRAIN		16ull		/* sizes and addresses of blocks */
#define SMALL_MAX	1024ull		/* up to here classes are GRAIN apart */
#define NSMALL		(SMALL_MAX / GRAIN + 1)
#define NCLASSES	(NSMALL + 4 * 32)
#define ALIGN_MAX_LOG2	16		/* 64 KiB */
#define NALIGNS		(ALIGN_MAX_LOG2 - 4 + 1)
#define NBUCKETS	65536u
#define REST_COUNT	64u		/* a freed block rests until so many wait in its list */
#define REST_BYTES	(256u << 10)	/* or so many bytes */
#define END_MAX		(512ull << 10)	/* limits of the windows */
#define PAGE_END_MAX	(256ull << 10)
#define ACROSS_MAX	(256ull << 10)

const struct kc_mem_layout_row kc_mem_default_layout[KC_MEM_LAYOUT_ROWS] = {
	{ .gpa = 0,		.size = 256ull << 10, .fd_offset = 0 },
	{ .gpa = 0x40000000,	.size = 1ull << 20, .fd_offset = 0x3000 },
	{ .gpa = 0x40100000,	.size = 256ull << 10, .fd_offset = 0 },
};
const struct kc_mem_layout_row kc_mem_large_layout[KC_MEM_LAYOUT_ROWS] = {
	{ .gpa = 0,		.size = 1ull << 20, .fd_offset = 0 },
	{ .gpa = 0x40000000,	.size = 4ull << 20, .fd_offset = 0x3000 },
	{ .gpa = 0x40400000,	.size = 1ull << 20, .fd_offset = 0 },
};

/* Block numbers start at 1; 0 is the end of a list. */
struct block {
	uint64_t gpa;
	uint32_t next;		/* in its free list */
	uint32_t hash_next;
	uint16_t class;
	uint8_t align_log2;
	uint8_t arena;
	bool live;
};

struct free_list {
	uint32_t head, tail, count;
};

struct arena {
	uint64_t next, end;	/* fresh memory, gpa */
	struct free_list free[NCLASSES][NALIGNS];
};

struct window {
	uint64_t lo, hi;	/* gpa; empty if equal */
	uint64_t border;	/* KC_PLACE_ACROSS */
	uint64_t busy;		/* gpa of what lives there, 0: nothing */
};

struct heap {
	struct arena arenas[KC_MEM_REGIONS_MAX];
	unsigned order[KC_MEM_REGIONS_MAX];	/* arenas for KC_PLACE_ANY, the largest first */
	struct window windows[KC_PLACE_PAGE_END + 1];
	struct block *blocks;
	uint32_t nblocks, cap;
	uint32_t buckets[NBUCKETS];
};

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Regions: set-up. */

/* Those that kc_mem_release left for the next: to make one costs more than most simulated tests. */
static struct kc_region spares[KC_MEM_REGIONS_MAX];
static unsigned nspares;

static bool take_spare(struct kc_region *r)
{
	for (unsigned i = 0; i < nspares; i++) {
		const struct kc_region *spare = &spares[i];

		if (spare->size != r->size || spare->fd_offset != r->fd_offset)
			continue;
		r->memfd = spare->memfd;
		r->host = spare->host;
		spares[i] = spares[--nspares];
		return true;
	}
	return false;
}

static int make_region(struct kc_region *r, struct kc_err *err)
{
	r->memfd = memfd_create("kickcall-guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->memfd < 0)
		return kc_err_set(err, -errno, "memfd_create: %s", strerror(errno));
	if (ftruncate(r->memfd, r->fd_offset + r->size) ||
	    fcntl(r->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return kc_err_set(err, -errno, "guest memory of 0x%llx bytes: %s",
				  (unsigned long long)r->size, strerror(errno));
	return 0;
}

static int map_region(struct kc_region *r, struct kc_err *err)
{
	int ret = take_spare(r) ? 0 : make_region(r, err);
	void *p;

	if (ret)
		return ret;
	ret = kc_pristine_fill(r->gpa, r->size, r->memfd, r->fd_offset);
	if (ret)
		return kc_err_set(err, ret, "what guest memory begins with: %s", strerror(-ret));
	if (r->host)
		return 0;
	p = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->memfd, r->fd_offset);
	if (p == MAP_FAILED)
		return kc_err_set(err, -errno, "mmap of guest memory: %s", strerror(errno));
	r->host = p;
	return 0;
}

/* Rows ascend and do not overlap; page 0 may be there, but is never allocated. */
static int check_rows(const struct kc_mem_layout_row *rows, unsigned n, struct kc_err *err)
{
	uint64_t end = 0;

	if (!n || n > KC_MEM_REGIONS_MAX)
		return kc_err_set(err, -EINVAL, "%u memory regions (1 to %d are possible)", n,
				  KC_MEM_REGIONS_MAX);
	for (unsigned i = 0; i < n; i++) {
		const struct kc_mem_layout_row *w = &rows[i];

		if (!w->size || (w->gpa | w->size | w->fd_offset) % PAGE)
			return kc_err_set(err, -EINVAL, "memory region %u is not made of pages", i);
		if (w->gpa < end || w->gpa + w->size <= w->gpa)
			return kc_err_set(err, -EINVAL, "memory region %u overlaps or wraps", i);
		end = w->gpa + w->size;
	}
	return 0;
}

/* The allocator's windows and arenas. */

static uint64_t page_floor(uint64_t v)
{
	return v / PAGE * PAGE;
}

static uint64_t region_end(const struct kc_region *r)
{
	return r->gpa + r->size;
}

/* Takes up to max bytes off the high end of the arena. */
static void cut_tail(struct arena *a, struct window *w, uint64_t max)
{
	w->hi = a->end;
	w->lo = a->end -= page_floor(min64(max, a->end - a->next));
}

static void cut_across(struct heap *h, const struct kc_region *low, const struct kc_region *high)
{
	struct window *w = &h->windows[KC_PLACE_ACROSS];
	struct arena *a = &h->arenas[0];
	uint64_t half = page_floor(min64(ACROSS_MAX, min64(low->size, high->size) / 4));

	if (w->border || region_end(low) != high->gpa)
		return;
	w->border = high->gpa;
	w->lo = w->border - half;
	w->hi = w->border + half;
	for (; a->end != w->border; a++)
		;
	a->end = w->lo;
	a[1].next = w->hi;
}

static void order_by_size(struct heap *h, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = i;

		for (; at > 0; at--) {
			const struct arena *a = &h->arenas[h->order[at - 1]];

			if (a->end - a->next >= h->arenas[i].end - h->arenas[i].next)
				break;
			h->order[at] = h->order[at - 1];
		}
		h->order[at] = i;
	}
}

static void heap_init(struct heap *h, const struct kc_region *r, unsigned n)
{
	struct arena *last = &h->arenas[n - 1];

	for (unsigned i = 0; i < n; i++) {
		h->arenas[i].next = r[i].gpa ? r[i].gpa : PAGE;
		h->arenas[i].end = region_end(&r[i]);
	}
	cut_tail(last, &h->windows[KC_PLACE_REGION_END], min64(END_MAX, r[n - 1].size / 2));
	cut_tail(last, &h->windows[KC_PLACE_PAGE_END], min64(PAGE_END_MAX, r[n - 1].size / 4));
	h->arenas[n - 1].end = last->end;
	for (unsigned i = 0; i + 1 < n; i++)
		cut_across(h, &r[i], &r[i + 1]);
	order_by_size(h, n);
}

int kc_mem_init(struct kc_mem *m, const struct kc_mem_layout_row *rows, unsigned nrows,
		struct kc_err *err)
{
	uint64_t uva = UVA_BASE;
	int ret;

	memset(m, 0, sizeof(*m));
	ret = check_rows(rows, nrows, err);
	if (ret)
		return ret;
	for (unsigned i = 0; i < nrows && !ret; i++) {
		struct kc_region *r = &m->regions[m->nregions++];

		*r = (struct kc_region){ .gpa = rows[i].gpa, .size = rows[i].size, .uva = uva,
					 .fd_offset = rows[i].fd_offset, .memfd = -1 };
		uva = round_up(uva + r->size, PAGE) + UVA_GAP;
		ret = map_region(r, err);
	}
	if (!ret) {
		m->heap = calloc(1, sizeof(struct heap));
		if (m->heap)
			heap_init(m->heap, m->regions, m->nregions);
		else
			ret = kc_err_set(err, -ENOMEM, "out of memory");
	}
	if (ret)
		kc_mem_fini(m);
	return ret;
}

int kc_mem_prepare(void)
{
	int ret = 0;

	for (unsigned i = 0; i < KC_MEM_LAYOUT_ROWS && !ret; i++)
		ret = kc_pristine_prepare(kc_mem_default_layout[i].gpa, kc_mem_default_layout[i].size);
	return ret;
}

void kc_mem_release(struct kc_mem *m)
{
	while (m->nregions && nspares < KC_MEM_REGIONS_MAX)
		spares[nspares++] = m->regions[--m->nregions];
	kc_mem_fini(m);
}

static void drop_region(struct kc_region *r)
{
	if (r->host)
		munmap(r->host, r->size);
	if (r->memfd >= 0)
		close(r->memfd);
}

void kc_mem_fini(struct kc_mem *m)
{
	struct heap *h = m->heap;

	for (unsigned i = 0; i < m->nregions; i++)
		drop_region(&m->regions[i]);
	if (h)
		free(h->blocks);
	free(h);
	memset(m, 0, sizeof(*m));
}

/* Regions: use. */

const struct kc_region *kc_mem_region(const struct kc_mem *m, uint64_t gpa)
{
	for (unsigned i = 0; i < m->nregions; i++)
		if (gpa - m->regions[i].gpa < m->regions[i].size)
			return &m->regions[i];
	return NULL;
}

void *kc_mem_host(const struct kc_mem *m, uint64_t gpa, uint64_t len)
{
	const struct kc_region *r = kc_mem_region(m, gpa);

	if (!r || len > r->size - (gpa - r->gpa))
		return NULL;
	return r->host + (gpa - r->gpa);
}

uint64_t kc_mem_uva(const struct kc_mem *m, uint64_t gpa)
{
	const struct kc_region *r = kc_mem_region(m, gpa);

	return r ? r->uva + (gpa - r->gpa) : 0;
}

/* Where gpa is and how many of len bytes lie in its region; NULL if it is outside. */
static uint8_t *piece(const struct kc_mem *m, uint64_t gpa, size_t len, size_t *n)
{
	const struct kc_region *r = kc_mem_region(m, gpa);

	*n = r ? min64(len, r->size - (gpa - r->gpa)) : 0;
	return r ? r->host + (gpa - r->gpa) : NULL;
}

static bool is_inside(const struct kc_mem *m, uint64_t gpa, size_t len)
{
	size_t n;

	for (; len; gpa += n, len -= n)
		if (!piece(m, gpa, len, &n))
			return false;
	return true;
}

static int write_pieces(struct kc_mem *m, uint64_t gpa, const uint8_t *buf, size_t len)
{
	size_t n;

	if (!is_inside(m, gpa, len))
		return -EFAULT;
	for (; len; gpa += n, buf += n, len -= n) {
		uint8_t *host = piece(m, gpa, len, &n);

		memcpy(host, buf, n);
	}
	return 0;
}

static int read_pieces(const struct kc_mem *m, uint64_t gpa, uint8_t *buf, size_t len)
{
	size_t n;

	if (!is_inside(m, gpa, len))
		return -EFAULT;
	for (; len; gpa += n, buf += n, len -= n) {
		const uint8_t *host = piece(m, gpa, len, &n);

		memcpy(buf, host, n);
	}
	return 0;
}

/* Nearly always all of it lies in one region. */
int kc_mem_write(struct kc_mem *m, uint64_t gpa, const void *buf, size_t len)
{
	uint8_t *host = len ? kc_mem_host(m, gpa, len) : NULL;

	if (host)
		memcpy(host, buf, len);
	else if (write_pieces(m, gpa, buf, len))
		return -EFAULT;
	kc_mem_wrote(m, gpa, buf, len);
	return 0;
}

int kc_mem_read(const struct kc_mem *m, uint64_t gpa, void *buf, size_t len)
{
	const uint8_t *host = len ? kc_mem_host(m, gpa, len) : NULL;

	if (!host)
		return read_pieces(m, gpa, buf, len);
	memcpy(buf, host, len);
	return 0;
}

void kc_mem_wrote(struct kc_mem *m, uint64_t gpa, const void *buf, size_t len)
{
	if (m->wrote && len)
		m->wrote(m->wrote_ctx, gpa, buf, len);
}

/* The allocator: blocks. */

static unsigned log2_floor(uint64_t v)
{
	return 63 - __builtin_clzll(v);
}

/* The smallest class whose blocks hold len bytes. */
static unsigned class_of(uint64_t len)
{
	unsigned order, quarter;

	if (len <= SMALL_MAX)
		return (len + GRAIN - 1) / GRAIN;
	order = log2_floor(len - 1);
	quarter = ((len - 1) >> (order - 2)) & 3;
	return NSMALL + 4 * (order - 10) + quarter;
}

static uint64_t class_bytes(unsigned class)
{
	if (class < NSMALL)
		return class ? class * GRAIN : GRAIN;
	class -= NSMALL;
	return (1024ull << class / 4) / 4 * (5 + class % 4);
}

static uint32_t *bucket(struct heap *h, uint64_t gpa)
{
	return &h->buckets[(gpa / GRAIN * 0x9e3779b97f4a7c15ull) >> 48];
}

static struct block *find_block(struct heap *h, uint64_t gpa)
{
	for (uint32_t b = *bucket(h, gpa); b; b = h->blocks[b].hash_next)
		if (h->blocks[b].gpa == gpa)
			return &h->blocks[b];
	return NULL;
}

static bool grow_blocks(struct heap *h)
{
	uint32_t cap = h->cap ? 2 * h->cap : 1024;
	struct block *p;

	if (h->nblocks + 1 < h->cap)
		return true;
	p = realloc(h->blocks, cap * sizeof(*p));
	if (!p)
		return false;
	h->blocks = p;
	h->cap = cap;
	return true;
}

/* A new block from fresh memory. Its upper guard is the lower guard of the next one. */
static struct block *carve(struct heap *h, unsigned arena, unsigned class, unsigned align_log2)
{
	struct arena *a = &h->arenas[arena];
	uint64_t gpa = round_up(a->next + KC_MEM_GUARD, 1ull << align_log2);
	struct block *b;

	if (gpa + class_bytes(class) + KC_MEM_GUARD > a->end || !grow_blocks(h))
		return NULL;
	b = &h->blocks[++h->nblocks];
	*b = (struct block){ .gpa = gpa, .class = class, .align_log2 = align_log2, .arena = arena,
			     .hash_next = *bucket(h, gpa) };
	*bucket(h, gpa) = h->nblocks;
	a->next = gpa + class_bytes(class);
	return b;
}

static struct free_list *list_of(struct heap *h, unsigned arena, unsigned class,
				 unsigned align_log2)
{
	return &h->arenas[arena].free[class][align_log2 - 4];
}

static struct block *take_oldest(struct heap *h, struct free_list *l)
{
	struct block *b = &h->blocks[l->head];

	if (!l->head)
		return NULL;
	l->head = b->next;
	l->count--;
	if (!l->head)
		l->tail = 0;
	b->next = 0;
	return b;
}

static bool has_rested(const struct free_list *l, unsigned class)
{
	return l->count >= REST_COUNT || (uint64_t)l->count * class_bytes(class) >= REST_BYTES;
}

/* When fresh memory has run out: any freed block that is large and aligned enough. */
static struct block *take_any(struct heap *h, unsigned arena, unsigned class, unsigned align_log2)
{
	for (unsigned c = class; c < NCLASSES; c++) {
		for (unsigned al = align_log2; al <= ALIGN_MAX_LOG2; al++) {
			struct block *b = take_oldest(h, list_of(h, arena, c, al));

			if (b)
				return b;
		}
	}
	return NULL;
}

static struct block *alloc_block(struct heap *h, unsigned arena, unsigned class,
				 unsigned align_log2)
{
	struct free_list *l = list_of(h, arena, class, align_log2);
	struct block *b = NULL;

	if (has_rested(l, class))
		b = take_oldest(h, l);
	if (!b)
		b = carve(h, arena, class, align_log2);
	if (!b)
		b = take_any(h, arena, class, align_log2);
	return b;
}

/* The allocator: windows. Each gives the one address that its name promises, or 0. */

static uint64_t at_region_end(const struct window *w, uint64_t len, uint64_t align)
{
	(void)align;
	return w->hi - w->lo >= len + KC_MEM_GUARD ? w->hi - len : 0;
}

static uint64_t at_page_end(const struct window *w, uint64_t len, uint64_t align)
{
	(void)align;
	/* The page after it is its upper guard. */
	return w->hi - w->lo >= len + KC_MEM_GUARD + PAGE ? w->hi - PAGE - len : 0;
}

static uint64_t at_border(const struct window *w, uint64_t len, uint64_t align)
{
	uint64_t room = w->hi - w->border;

	if (len < 2 || len / 2 + align + KC_MEM_GUARD > room)
		return 0;
	return (w->border - len / 2) / align * align;
}

static int alloc_special(struct heap *h, uint64_t len, uint64_t align, enum kc_place place,
			 uint64_t *gpa)
{
	static uint64_t (*const find[])(const struct window *w, uint64_t len, uint64_t align) = {
		[KC_PLACE_REGION_END] = at_region_end,
		[KC_PLACE_ACROSS] = at_border,
		[KC_PLACE_PAGE_END] = at_page_end,
	};
	struct window *w = &h->windows[place];
	uint64_t at;

	if (w->busy)
		return -ENOMEM;
	at = find[place](w, len, align);
	if (!at || at % align || (place == KC_PLACE_ACROSS && at + len <= w->border))
		return -ENOMEM;
	*gpa = w->busy = at;
	return 0;
}

int kc_mem_alloc(struct kc_mem *m, uint64_t len, uint64_t align, enum kc_place place, uint64_t *gpa)
{
	struct heap *h = m->heap;
	struct block *b = NULL;
	unsigned align_log2;

	align = align ? align : 1;
	if ((align & (align - 1)) || align > 1ull << ALIGN_MAX_LOG2)
		return -EINVAL;
	if (len > 1ull << 40)
		return -ENOMEM;
	len = len ? len : 1;
	if (place != KC_PLACE_ANY && place != KC_PLACE_LOW)
		return alloc_special(h, len, align, place, gpa);
	align_log2 = log2_floor(align > GRAIN ? align : GRAIN);
	if (place == KC_PLACE_LOW)
		b = alloc_block(h, 0, class_of(len), align_log2);
	for (unsigned i = 0; place == KC_PLACE_ANY && i < m->nregions && !b; i++)
		b = alloc_block(h, h->order[i], class_of(len), align_log2);
	if (!b)
		return -ENOMEM;
	b->live = true;
	*gpa = b->gpa;
	return 0;
}

static bool free_special(struct heap *h, uint64_t gpa)
{
	for (unsigned i = 0; i < sizeof(h->windows) / sizeof(h->windows[0]); i++) {
		if (h->windows[i].busy == gpa) {
			h->windows[i].busy = 0;
			return true;
		}
	}
	return false;
}

void kc_mem_free(struct kc_mem *m, uint64_t gpa)
{
	struct heap *h = m->heap;
	struct free_list *l;
	struct block *b;

	if (!gpa || free_special(h, gpa))
		return;
	b = find_block(h, gpa);
	assert(b && b->live);
	b->live = false;
	l = list_of(h, b->arena, b->class, b->align_log2);
	if (l->tail)
		h->blocks[l->tail].next = b - h->blocks;
	else
		l->head = b - h->blocks;
	l->tail = b - h->blocks;
	l->count++;
}

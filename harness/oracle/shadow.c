/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a byte of copy, two of marks and an eighth of pins for each byte of guest
 * memory (1.5 MiB, or 6). Marking a chain costs as much as filling its buffers, and a comparison goes
 * page by page; bytes are looked at only in pages that differ. Pages of the copy that were
 * never written to are shared with all other scenarios (sim/pristine.h).
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <common/words.h>
#include <harness/oracle/shadow.h>
#include <sim/pristine.h>

#define PAGE	4096u

/* From the kernel, which gives a page when it is first needed; calloc(3) may take used memory and clear all of
 * it. NULL: no memory. */
static void *zeroes(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static uint64_t pins_bytes(const struct kc_shadow_region *r)
{
	return (r->size / KC_PIN_BYTES + 1) * sizeof(*r->pins);
}

static int init_region(struct kc_shadow_region *r, const struct kc_region *from)
{
	void *copy;

	r->gpa = from->gpa;
	r->size = from->size;
	r->host = from->host;
	if (kc_pristine_map(r->gpa, r->size, &copy))
		return -ENOMEM;
	r->copy = copy;
	r->fresh = zeroes(r->size);
	r->permit = zeroes(r->size);
	r->pins = zeroes(pins_bytes(r));
	if (!r->fresh || !r->permit || !r->pins)
		return -ENOMEM;
	return 0;
}

int kc_shadow_init(struct kc_shadow *s, const struct kc_mem *mem)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < mem->nregions; i++) {
		s->n++;
		s->bytes += mem->regions[i].size;
		if (init_region(&s->r[i], &mem->regions[i])) {
			kc_shadow_fini(s);
			return -ENOMEM;
		}
	}
	return 0;
}

static void drop(void *p, uint64_t bytes)
{
	if (p)
		munmap(p, bytes);
}

void kc_shadow_fini(struct kc_shadow *s)
{
	for (struct kc_shadow_region *r = s->r; r < s->r + s->n; r++) {
		drop(r->copy, r->size);
		drop(r->fresh, r->size);
		drop(r->permit, r->size);
		drop(r->pins, pins_bytes(r));
	}
	memset(s, 0, sizeof(*s));
}

/* The part of a range that lies in one region: offset in the region, and offset in the range. */
struct part {
	uint64_t off, from, len;
	uint64_t gpa, end;		/* the range */
};

static struct kc_shadow_region *first_part(const struct kc_shadow *s, uint64_t gpa, uint64_t len, struct part *p)
{
	p->gpa = gpa;
	p->end = len > UINT64_MAX - gpa ? UINT64_MAX : gpa + len;
	return (struct kc_shadow_region *)s->r;
}

static bool part_of(const struct kc_shadow_region *r, struct part *p)
{
	uint64_t lo = p->gpa, hi = p->end, end = r->gpa + r->size;

	if (lo >= end || hi <= r->gpa)
		return false;
	if (lo < r->gpa)
		lo = r->gpa;
	if (hi > end)
		hi = end;
	p->off = lo - r->gpa;
	p->from = lo - p->gpa;
	p->len = hi - lo;
	return p->len;
}

#define FOR_EACH_PART(s, reg, gpa, len, p)						\
	for (struct kc_shadow_region *reg = first_part(s, gpa, len, &(p));		\
	     reg < (s)->r + (s)->n; reg++)						\
		if (part_of(reg, &(p)))

uint64_t kc_shadow_overlap(const struct kc_shadow *s, uint64_t gpa, uint64_t len)
{
	uint64_t found = 0;
	struct part p;

	FOR_EACH_PART(s, r, gpa, len, p)
		found += p.len;
	return found;
}

bool kc_shadow_inside(const struct kc_shadow *s, uint64_t gpa, uint64_t len)
{
	return kc_shadow_overlap(s, gpa, len) == len;
}

/* The copy of a range that lies in one region, as nearly all do; else NULL. */
static const uint8_t *copy_of(const struct kc_shadow *s, uint64_t gpa, uint64_t len)
{
	for (const struct kc_shadow_region *r = s->r; r < s->r + s->n; r++)
		if (gpa - r->gpa < r->size && len <= r->size - (gpa - r->gpa))
			return r->copy + (gpa - r->gpa);
	return NULL;
}

bool kc_shadow_read(const struct kc_shadow *s, uint64_t gpa, void *buf, size_t len)
{
	const uint8_t *copy = copy_of(s, gpa, len);
	uint64_t found = 0;
	struct part p;

	if (copy) {
		memcpy(buf, copy, len);
		return true;
	}
	memset(buf, 0, len);
	FOR_EACH_PART(s, r, gpa, len, p) {
		memcpy((uint8_t *)buf + p.from, r->copy + p.off, p.len);
		found += p.len;
	}
	return found == len;
}

uint16_t kc_shadow_u16(const struct kc_shadow *s, uint64_t gpa)
{
	const uint8_t *copy = copy_of(s, gpa, sizeof(uint16_t));
	uint16_t v;

	if (copy)
		memcpy(&v, copy, sizeof(v));
	else
		kc_shadow_read(s, gpa, &v, sizeof(v));
	return le16toh(v);
}

void kc_shadow_apply(struct kc_shadow *s, uint64_t gpa, const void *buf, size_t len)
{
	struct part p;

	FOR_EACH_PART(s, r, gpa, len, p) {
		memcpy(r->copy + p.off, (const uint8_t *)buf + p.from, p.len);
		memset(r->fresh + p.off, 1, p.len);
	}
}

void kc_shadow_sync(struct kc_shadow *s, uint64_t gpa, uint64_t len)
{
	struct part p;

	FOR_EACH_PART(s, r, gpa, len, p) {
		memcpy(r->copy + p.off, r->host + p.off, p.len);
		memset(r->fresh + p.off, 0, p.len);
	}
}

static uint64_t untouched_in(const struct kc_shadow_region *r, uint64_t i, uint64_t end, uint64_t *first)
{
	uint64_t n = 0;

	while (i < end) {
		if (end - i >= 8 && !kc_has_zero_byte(kc_word_at(r->host + i) ^ kc_word_at(r->copy + i))) {
			i += 8;
			continue;
		}
		if (r->fresh[i] && r->host[i] == r->copy[i] && n++ == 0 && first)
			*first = r->gpa + i;
		i++;
	}
	return n;
}

uint64_t kc_shadow_untouched(const struct kc_shadow *s, uint64_t gpa, uint64_t len, uint64_t *first)
{
	uint64_t n = 0;
	struct part p;

	FOR_EACH_PART(s, r, gpa, len, p)
		n += untouched_in(r, p.off, p.off + p.len, n ? NULL : first);
	return n;
}

/* Up or down by one, but what has reached its limit stays there. */
static void permit_in(uint8_t *permit, uint64_t len, bool on)
{
	while (len) {
		uint64_t marks = len >= 8 ? kc_word_at(permit) : 0;

		if (len >= 8 && !kc_has_zero_byte(~marks) && (on || !kc_has_zero_byte(marks))) {
			marks = on ? marks + KC_ONES : marks - KC_ONES;
			memcpy(permit, &marks, 8);
			permit += 8;
			len -= 8;
			continue;
		}
		if (*permit != UINT8_MAX)
			*permit += on ? 1 : -1;
		permit++;
		len--;
	}
}

void kc_shadow_permit(struct kc_shadow *s, uint64_t gpa, uint64_t len, bool on)
{
	struct part p;

	FOR_EACH_PART(s, r, gpa, len, p)
		permit_in(r->permit + p.off, p.len, on);
}

bool kc_shadow_permitted(const struct kc_shadow *s, uint64_t gpa)
{
	struct part p;

	if (s->permit_all)
		return true;
	FOR_EACH_PART(s, r, gpa, 1, p)
		return r->permit[p.off];
	return false;
}

void kc_shadow_permit_all(struct kc_shadow *s, bool on)
{
	if (on) {
		s->permit_all++;
		return;
	}
	if (!s->permit_all || --s->permit_all)
		return;
	for (unsigned i = 0; i < s->n; i++)
		kc_shadow_sync(s, s->r[i].gpa, s->r[i].size);
}

static bool is_own(const struct kc_shadow *s, uint64_t gpa)
{
	return gpa >= s->own_gpa && gpa < s->own_end;
}

uint64_t kc_shadow_written(const struct kc_shadow *s, uint64_t gpa, uint64_t len, uint64_t *first)
{
	uint64_t n = 0;
	struct part p;

	if (s->permit_all)
		return 0;
	FOR_EACH_PART(s, r, gpa, len, p)
		for (uint64_t i = p.off; i < p.off + p.len; i++)
			if (r->host[i] != r->copy[i] && r->permit[i] <= 1 && !is_own(s, r->gpa + i) &&
			    n++ == 0)
				*first = r->gpa + i;
	return n;
}

static uint64_t last_pin(const struct part *p)
{
	return (p->off + p->len - 1) / KC_PIN_BYTES;
}

void kc_shadow_pin(struct kc_shadow *s, uint64_t gpa, uint64_t len, bool on)
{
	struct part p;

	FOR_EACH_PART(s, r, gpa, len, p)
		for (uint64_t i = p.off / KC_PIN_BYTES; i <= last_pin(&p); i++)
			if (r->pins[i] != UINT16_MAX)
				r->pins[i] += on ? 1 : -1;
}

bool kc_shadow_pinned(const struct kc_shadow *s, uint64_t gpa, uint64_t len)
{
	struct part p;

	FOR_EACH_PART(s, r, gpa, len, p)
		for (uint64_t i = p.off / KC_PIN_BYTES; i <= last_pin(&p); i++)
			if (r->pins[i])
				return true;
	return false;
}

struct comparison {
	struct kc_shadow *s;
	void (*changed)(void *ctx, const struct kc_shadow_change *c);
	void *ctx;
};

static bool is_wrong(const struct comparison *c, const struct kc_shadow_region *r, uint64_t i)
{
	return r->host[i] != r->copy[i] && !r->permit[i] && !is_own(c->s, r->gpa + i);
}

/* The device may have written all of it, or has written nothing. */
static bool is_right_word(const struct kc_shadow_region *r, uint64_t i)
{
	return kc_word_at(r->host + i) == kc_word_at(r->copy + i) || !kc_has_zero_byte(kc_word_at(r->permit + i));
}

/* Runs go on from page to page, up to `end`; *i is left behind the run. */
static void tell_run(const struct comparison *c, struct kc_shadow_region *r, uint64_t *i,
		     uint64_t end)
{
	struct kc_shadow_change change = {
		.gpa = r->gpa + *i, .expected = r->copy[*i], .actual = r->host[*i],
	};

	for (; *i < end && is_wrong(c, r, *i); (*i)++, change.len++)
		r->copy[*i] = r->host[*i];
	if (change.len)		/* 0: it changed back under our eyes */
		c->changed(c->ctx, &change);
	else
		(*i)++;
}

/* Of page i. memcmp(3) goes byte by byte under valgrind, and would take most of the time there. */
static bool is_same_page(const struct kc_shadow_region *r, uint64_t i)
{
	uint64_t differs = 0;

	for (unsigned at = 0; at < PAGE; at += 8)
		differs |= kc_word_at(r->host + i + at) ^ kc_word_at(r->copy + i + at);
	return !differs;
}

static void compare_part(const struct comparison *c, struct kc_shadow_region *r, uint64_t i,
			 uint64_t to)
{
	while (i < to) {
		uint64_t page_end = i - i % PAGE + PAGE;
		uint64_t end = page_end < to ? page_end : to;

		if (end - i == PAGE && is_same_page(r, i))
			i = end;
		while (i < end)
			if (end - i >= 8 && is_right_word(r, i))
				i += 8;
			else if (is_wrong(c, r, i))
				tell_run(c, r, &i, to);
			else
				i++;
	}
}

void kc_shadow_compare(struct kc_shadow *s,
		       void (*changed)(void *ctx, const struct kc_shadow_change *c), void *ctx)
{
	struct comparison c = { s, changed, ctx };

	if (s->permit_all)
		return;
	for (unsigned i = 0; i < s->n; i++)
		compare_part(&c, &s->r[i], 0, s->r[i].size);
}

void kc_shadow_compare_range(struct kc_shadow *s, uint64_t gpa, uint64_t len,
			     void (*changed)(void *ctx, const struct kc_shadow_change *c),
			     void *ctx)
{
	struct comparison c = { s, changed, ctx };
	struct part p;

	if (s->permit_all)
		return;
	FOR_EACH_PART(s, r, gpa, len, p)
		compare_part(&c, r, p.off, p.off + p.len);
}

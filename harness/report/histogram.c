/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a bucket is as wide as a 128th of the power of two that it lies in, so its middle
 * is off by less than 1 % of any value in it; below 256 a bucket is one value. A count that would not
 * fit stays at the largest that does.
 */
#include <harness/report/histogram.h>

#define VALUE_MAX	((1ll << KC_HISTOGRAM_BITS) - 1)

/* By how many bits are values shortened in this bucket? */
static unsigned shift_of(unsigned bucket)
{
	return bucket < KC_HISTOGRAM_LINEAR ? 0 : 1 + (bucket - KC_HISTOGRAM_LINEAR) / KC_HISTOGRAM_SUB;
}

static unsigned bucket_of(int64_t value)
{
	unsigned shift;

	if (value < (int64_t)KC_HISTOGRAM_LINEAR)
		return value < 0 ? 0 : (unsigned)value;
	if (value > VALUE_MAX)
		value = VALUE_MAX;
	shift = 63 - (unsigned)__builtin_clzll((unsigned long long)value) - 7;	/* 8 bits stay */
	return KC_HISTOGRAM_LINEAR + (shift - 1) * KC_HISTOGRAM_SUB +
		(unsigned)(value >> shift) - KC_HISTOGRAM_SUB;
}

static int64_t middle_of(unsigned bucket)
{
	unsigned shift = shift_of(bucket);
	int64_t top = bucket;

	if (shift)
		top = KC_HISTOGRAM_SUB + (bucket - KC_HISTOGRAM_LINEAR) % KC_HISTOGRAM_SUB;
	return (top << shift) + ((1ll << shift) >> 1);
}

static void add(uint32_t *n, uint64_t more)
{
	*n = more > UINT32_MAX - *n ? UINT32_MAX : *n + (uint32_t)more;
}

void kc_histogram_add(struct kc_histogram *h, int64_t value)
{
	add(&h->n[bucket_of(value)], 1);
	h->count++;
	if (value > h->max)
		h->max = value;
}

void kc_histogram_merge(struct kc_histogram *to, const struct kc_histogram *from)
{
	for (unsigned i = 0; i < KC_HISTOGRAM_BUCKETS; i++)
		add(&to->n[i], from->n[i]);
	to->count += from->count;
	if (from->max > to->max)
		to->max = from->max;
}

int64_t kc_histogram_percentile(const struct kc_histogram *h, unsigned percent)
{
	uint64_t rank = h->count / 100 * percent + (h->count % 100 * percent + 99) / 100, seen = 0;

	if (!h->count)
		return 0;
	for (unsigned i = 0; i < KC_HISTOGRAM_BUCKETS; i++) {
		seen += h->n[i];
		if (seen >= rank)
			return middle_of(i) < h->max ? middle_of(i) : h->max;
	}
	return h->max;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_REPORT_HISTOGRAM_H
#define HARNESS_REPORT_HISTOGRAM_H

#include <stdint.h>

/*
 * A histogram of fixed size for nanoseconds: percentiles to two digits (within 1 %), from 0 to two
 * minutes and more. Two of them add up to the one that would have seen everything, so that the tests of
 * a run can be counted each in its own process.
 */
#define KC_HISTOGRAM_LINEAR	256u	/* values below have a bucket each... */
#define KC_HISTOGRAM_SUB	128u	/* ...and each power of two above has so many */
#define KC_HISTOGRAM_BITS	38u	/* what needs more bits is counted with the largest */
#define KC_HISTOGRAM_BUCKETS	(KC_HISTOGRAM_LINEAR + (KC_HISTOGRAM_BITS - 8) * KC_HISTOGRAM_SUB)

struct kc_histogram {
	uint64_t count;
	int64_t max;			/* the largest value, exactly */
	uint32_t n[KC_HISTOGRAM_BUCKETS];
};

/* Negative values are counted as 0. */
void kc_histogram_add(struct kc_histogram *h, int64_t value);
void kc_histogram_merge(struct kc_histogram *to, const struct kc_histogram *from);
/* The value that percent of all do not exceed (nearest rank), within 1 %; 0 if there are none. percent is
 * from 1 to 100. */
int64_t kc_histogram_percentile(const struct kc_histogram *h, unsigned percent);

#endif

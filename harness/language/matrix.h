/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_LANGUAGE_MATRIX_H
#define HARNESS_LANGUAGE_MATRIX_H

#include <stdint.h>

/*
 * Which sets of features to try of those that a back-end offers: all of them, none, each alone, each
 * one absent, and so many mixed ones that any two features have been taken in each of their four
 * combinations among others (a covering array of strength 2, not the full product).
 */
#define KC_MATRIX_ROWS_MAX	192u

struct kc_matrix {
	uint64_t rows[KC_MATRIX_ROWS_MAX];	/* each with `always` in it */
	unsigned n;
};

/* The same arguments always give the same rows. `always` is taken in every row. */
void kc_matrix_build(struct kc_matrix *m, uint64_t features, uint64_t always);

#endif

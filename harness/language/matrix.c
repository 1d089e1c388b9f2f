/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the plain rows (all, none, alone, absent) cover every pair already, but each in
 * a single surrounding. So the mixed rows cover the pairs once more by themselves: a greedy search
 * takes, of some random rows, the one that covers most of what is not covered yet, until all is. For
 * n features that takes about 2 log2(n) + 4 rows.
 */
#include <stdbool.h>
#include <string.h>
#include <common/rng.h>
#include <harness/language/matrix.h>

#define CANDIDATES	64u
#define BITS_MAX	64u

struct search {
	unsigned bit[BITS_MAX];		/* the features' bit numbers */
	unsigned n;
	bool done[BITS_MAX][BITS_MAX][4];	/* pair i < j: covered with these two values */
	unsigned left;
};

static void add(struct kc_matrix *m, uint64_t row)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->rows[i] == row)
			return;
	if (m->n < KC_MATRIX_ROWS_MAX)
		m->rows[m->n++] = row;
}

static unsigned values(const struct search *s, uint64_t row, unsigned i, unsigned j)
{
	return (unsigned)(row >> s->bit[i] & 1) << 1 | (unsigned)(row >> s->bit[j] & 1);
}

/* How many pairs would the row cover that no row has covered yet? take: it does. */
static unsigned gain(struct search *s, uint64_t row, bool take)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		for (unsigned j = i + 1; j < s->n; j++) {
			bool *done = &s->done[i][j][values(s, row, i, j)];

			n += !*done;
			*done |= take;
		}
	return n;
}

static uint64_t best_of_some(struct search *s, struct kc_rng *rng, uint64_t features)
{
	uint64_t best = 0;
	unsigned most = 0;

	for (unsigned k = 0; k < CANDIDATES; k++) {
		uint64_t row = kc_rng_next(rng) & features;
		unsigned n = gain(s, row, false);

		if (n > most) {
			most = n;
			best = row;
		}
	}
	return best;
}

static void mix(struct kc_matrix *m, struct search *s, uint64_t features, uint64_t always)
{
	struct kc_rng rng;

	kc_rng_seed(&rng, features);
	for (s->left = s->n * (s->n - 1) / 2 * 4; s->left && m->n < KC_MATRIX_ROWS_MAX;) {
		uint64_t row = best_of_some(s, &rng, features);

		s->left -= gain(s, row, true);
		add(m, row | always);
	}
}

void kc_matrix_build(struct kc_matrix *m, uint64_t features, uint64_t always)
{
	struct search s;

	memset(m, 0, sizeof(*m));
	memset(&s, 0, sizeof(s));
	features &= ~always;
	add(m, features | always);
	add(m, always);
	for (unsigned bit = 0; bit < BITS_MAX; bit++) {
		if (!(features >> bit & 1))
			continue;
		s.bit[s.n++] = bit;
		add(m, 1ull << bit | always);
		add(m, (features & ~(1ull << bit)) | always);
	}
	mix(m, &s, features, always);
}

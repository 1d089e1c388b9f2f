// SPDX-License-Identifier: BSD-3-Clause
/*
 * The entropy device: fills each buffer with pseudo-random bytes. One seed for ever, so that a run in the
 * simulator can be had again; what goes on from one session to the next is where the sequence stands.
 */
#include <errno.h>
#include <stdlib.h>
#include <common/rng.h>
#include "ref_internal.h"

#define SEED	0x656e74726f7079ull

static int rng_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	struct kc_rng *g = calloc(1, sizeof(*g));

	(void)config;
	if (!g)
		return kc_err_set(err, -ENOMEM, "no memory for an entropy device");
	kc_rng_seed(g, SEED);
	r->dev = g;
	return 0;
}

static void rng_close(struct kc_ref *r)
{
	free(r->dev);
	r->dev = NULL;
}

/* A buffer that only can be read gets nothing. */
static uint32_t rng_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	struct kc_ref_cursor c = kc_ref_cursor_at(&chain->in, 0);
	uint64_t word, left = chain->in.len;

	(void)qi;
	for (; left; left -= left < sizeof(word) ? left : sizeof(word)) {
		word = kc_rng_next(r->dev);
		kc_ref_cursor_write(&c, &word, left < sizeof(word) ? left : sizeof(word));
	}
	return (uint32_t)chain->in.len;
}

const struct kc_ref_device kc_ref_rng = {
	.name = "rng",
	.queues = 1,
	.open = rng_open,
	.close = rng_close,
	.process = rng_process,
};

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The loopback device: copies the readable bytes of each chain to its writable ones, as many as
 * both sides have, and reports that number. It has no feature and no configuration of its own, so
 * that whatever goes wrong with it went wrong in the ring.
 */
#include "ref_internal.h"

static uint32_t loopback_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	struct kc_ref_cursor from = kc_ref_cursor_at(&chain->out, 0);
	struct kc_ref_cursor to = kc_ref_cursor_at(&chain->in, 0);

	(void)r;
	(void)qi;
	/* Both parts together have at most 4 GiB, so the smaller one fits 32 bits. */
	return (uint32_t)kc_ref_cursor_copy(&to, &from, chain->out.len);
}

const struct kc_ref_device kc_ref_loopback = {
	.name = "loopback",
	.queues = 4,
	.process = loopback_process,
};

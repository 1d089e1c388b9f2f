/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 9, bases: GET_VRING_BASE of a split ring answers the next available index in bits 0 to 15
 * and zeroes above (VU-PL-02). It lies behind every chain that was used and not beyond what was
 * offered (VU-MSG-GETBASE-01); so when all was used, it is avail idx. Less than avail idx is
 * allowed as long as what lies between was not fetched (VU-MSG-GETBASE-03).
 */
#include <harness/oracle/watch.h>

/* Chains at the end of the offer that may be unfetched: those after the last one used. */
static uint64_t unfetched(const struct kc_watch_queue *q)
{
	uint64_t n = 0;

	for (const struct kc_watch_chain *c = q->last; c && c->serial > q->serial_used; c = c->prev)
		n++;
	return n;
}

static void queue_stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	uint64_t most = unfetched(q);

	if (base < 0)
		return;
	if (base > UINT16_MAX)
		kc_accuse(o, "VU-PL-02",
			  "queue %u: the base is 0x%llx, expected bits 16 to 31 to be 0", q->qi,
			  (unsigned long long)base);
	if (q->malformed || q->derailed || q->errors)
		return;
	if ((uint16_t)(q->avail_idx - (uint16_t)base) <= most)
		return;
	kc_accuse(o, "VU-MSG-GETBASE-01",
		  "queue %u: stopped with base %u, expected %u%s%.0llu: avail idx is %u "
		  "and %llu chains at its end were not used",
		  q->qi, (uint16_t)base, (uint16_t)(q->avail_idx - most),
		  most ? " or up to this plus " : "", (unsigned long long)most, q->avail_idx,
		  (unsigned long long)most);
}

const struct kc_point kc_point_base = {
	.name = "base",
	.stopped = queue_stopped,
};

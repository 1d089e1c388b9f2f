/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 7, order: with IN_ORDER negotiated chains are used in the order offered
 * (VIRTIO-RSVD-DEV-05). A batch completed by one entry is fine (VQ-SPLIT-INORDER-01); the books
 * know it by the slots behind the entry, which are left alone.
 */
#include <harness/oracle/watch.h>

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (!u->overtaken || q->malformed)
		return;
	kc_accuse(o, "VIRTIO-RSVD-DEV-05",
		  "queue %u: used entry %u names head %u (available idx %u), expected "
		  "head %u (available idx %u), which was offered before it",
		  q->qi, u->idx, u->chain->head, u->chain->idx, u->overtaken->head,
		  u->overtaken->idx);
}

static const struct kc_point_clause clauses[] = {
	{ "VIRTIO-RSVD-DEV-05", KC_IN_BOTH },
	{ NULL, 0 }
};

const struct kc_point kc_point_in_order = {
	.name = "in-order",
	.clauses = clauses,
	.used = entry_used,
};

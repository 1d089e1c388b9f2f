/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 7, order: with IN_ORDER negotiated chains are used in the order offered
 * (VIRTIO-RSVD-DEV-05). A batch completed by one entry is fine (VQ-SPLIT-INORDER-01,
 * VQ-PACKED-INORDER-01); the books know it by the slots behind the entry, which are left alone.
 */
#include <harness/oracle/watch.h>

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (!u->overtaken || q->malformed)
		return;
	kc_accuse(o, "VIRTIO-RSVD-DEV-05",
		  "queue %u: %s %u names %s %u (%s %u), expected %s %u (%s %u), which was offered before it",
		  q->qi, q->layout->used_name, u->idx, q->layout->id_name, u->chain->head,
		  q->layout->place_name, u->chain->idx, q->layout->id_name, u->overtaken->head,
		  q->layout->place_name, u->overtaken->idx);
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

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 5, indices: used->idx moves only forward and never beyond what was offered, its entries are
 * written before it moves (VQ-SPLIT-USED-03), and used->flags is 0 or 1 without EVENT_IDX
 * (VQ-SPLIT-ANS-DEV-01) and 0 with it (VQ-SPLIT-ANS-DEV-03).
 *
 * An entry that was not written is known by holding what it held before while naming no head in
 * flight. If it happens to name one, nobody can tell. Flags are sampled: what comes and goes
 * between two looks is not seen.
 */
#include <harness/oracle/watch.h>

static void started(struct kc_oracle *o, struct kc_watch_queue *q)
{
	q->indices.flags_at_start = kc_shadow_u16(&o->shadow, q->cfg.used + KC_USED_FLAGS);
}

static void astray(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t idx)
{
	bool back = (uint16_t)(q->used_idx - idx) <= q->cfg.size;

	kc_accuse(o, "VQ-SPLIT-USED-03",
		  "queue %u: used idx went %s from %u to %u, expected at most %llu "
		  "entries more: so many chains are in flight",
		  q->qi, back ? "back" : "ahead", q->used_idx, idx,
		  (unsigned long long)q->outstanding);
}

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (u->chain || !u->stale || u->late)
		return;
	q->lost.told = q->serial;	/* what it should have named is not lost besides */
	kc_accuse(o, "VQ-SPLIT-USED-03",
		  "queue %u: used idx passed entry %u, expected it to be written before, "
		  "and slot %u still holds id %u len %u from earlier",
		  q->qi, u->idx, u->idx % q->cfg.size, u->id, u->len);
}

static void looked(struct kc_oracle *o, struct kc_watch_queue *q)
{
	uint16_t flags;

	if (!q->started || !q->used_host || q->malformed || q->indices.flags_told)
		return;
	flags = kc_ring_load16(q->used_host + KC_USED_FLAGS, __ATOMIC_RELAXED);
	if (flags == q->indices.flags_at_start ||
	    flags <= (q->cfg.event_idx ? 0 : VRING_USED_F_NO_NOTIFY))
		return;
	q->indices.flags_told = true;
	kc_accuse(o, q->cfg.event_idx ? "VQ-SPLIT-ANS-DEV-03" : "VQ-SPLIT-ANS-DEV-01",
		  "queue %u: used.flags is 0x%x, expected %s", q->qi, flags,
		  q->cfg.event_idx ? "0 with EVENT_IDX" : "0 or 1");
}

const struct kc_point kc_point_indices = {
	.name = "indices",
	.started = started,
	.used = entry_used,
	.astray = astray,
	.looked = looked,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 5, indices: used->idx moves only forward and never beyond what was offered, its entries are
 * written before it moves (KC_RULE_INDEX), and the device's flags have a meaning (KC_RULE_FLAGS). In a
 * packed ring the position moves by what is used; that it does not go astray is that every used
 * descriptor is found where it must be, and nothing elsewhere. A slot in flight that was written in the
 * wrong place (KC_RULE_INDEX), or in the right one but not as used (VQ-PACKED-WRAP-03), shows when nothing
 * more comes: what was in flight is then not lost besides, so this point is asked before point 1.
 *
 * An entry that was not written is known by holding what it held before while naming no head in
 * flight. If it happens to name one, nobody can tell. Flags are sampled: what comes and goes
 * between two looks is not seen.
 */
#include <common/apart.h>
#include <harness/oracle/watch.h>

static void started(struct kc_oracle *o, struct kc_watch_queue *q)
{
	uint32_t area;

	kc_shadow_read(&o->shadow, q->cfg.used, &area, sizeof(area));
	q->indices.flags_at_start = q->layout->device_flags(&area);
}

static void astray(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t idx)
{
	bool back = kc_watch_distance(q, idx, q->used_pos) <= q->cfg.size;

	kc_accuse(o, kc_rule_clause(KC_RULE_INDEX, q->layout),
		  "queue %u: used idx went %s from %u to %u, expected at most %llu "
		  "entries more: so many chains are in flight",
		  q->qi, back ? "back" : "ahead", q->used_pos, idx,
		  (unsigned long long)q->outstanding);
}

static void entry_used(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u)
{
	if (u->chain || !u->stale || u->late)
		return;
	q->lost.told = q->serial;	/* what it should have named is not lost besides */
	kc_accuse(o, kc_rule_clause(KC_RULE_INDEX, q->layout),
		  "queue %u: used idx passed entry %u, expected it to be written before, "
		  "and slot %u still holds id %u len %u from earlier",
		  q->qi, u->idx, u->idx % q->cfg.size, u->id, u->len);
}

static KC_APART void judge_flags(struct kc_oracle *o, struct kc_watch_queue *q, uint32_t flags)
{
	enum kc_rule rule = q->cfg.event_idx ? KC_RULE_FLAGS_EVENT_IDX : KC_RULE_FLAGS;
	char what[128];

	if (q->layout->flags_defined(q, flags, what, sizeof(what)))
		return;
	q->indices.flags_told = true;
	kc_accuse(o, kc_rule_clause(rule, q->layout), "queue %u: %s", q->qi, what);
}

static void looked(struct kc_oracle *o, struct kc_watch_queue *q)
{
	uint32_t flags;

	if (!q->started || !q->device_host || q->malformed || q->indices.flags_told)
		return;
	flags = q->layout->device_flags(q->device_host);
	if (flags != q->indices.flags_at_start)
		judge_flags(o, q, flags);
}

static void look_for_strays(struct kc_oracle *o, struct kc_watch_queue *q)
{
	bool next = false;
	char what[160];

	if (!q->layout->strayed || !q->desc_host || !kc_watch_owes(o, q) || !q->first ||
	    !q->layout->strayed(o, q, &next, what, sizeof(what)))
		return;
	q->lost.told = q->serial;
	q->derailed = true;
	if (next)
		kc_accuse(o, "VQ-PACKED-WRAP-03", "queue %u: %s", q->qi, what);
	else
		kc_accuse(o, kc_rule_clause(KC_RULE_INDEX, q->layout), "queue %u: %s", q->qi, what);
}

static void quiet(struct kc_oracle *o, struct kc_watch_queue *q)
{
	if (o->cfg.mode == KC_MODE_SIM)
		look_for_strays(o, q);
}

static void queue_stopped(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	if (base >= 0)
		look_for_strays(o, q);
}

static const struct kc_point_clause clauses[] = {
	{ "VQ-PACKED-WRAP-03", KC_IN_BOTH },
	{ NULL, 0 }
};

static const struct kc_point_rule rules[] = {
	{ KC_RULE_INDEX, KC_IN_BOTH },
	{ KC_RULE_FLAGS, KC_IN_BOTH },
	{ KC_RULE_FLAGS_EVENT_IDX, KC_IN_BOTH },
	{ KC_RULES, 0 }
};

const struct kc_point kc_point_indices = {
	.name = "indices",
	.clauses = clauses,
	.rules = rules,
	.started = started,
	.used = entry_used,
	.astray = astray,
	.looked = looked,
	.stopped = queue_stopped,
	.quiet = quiet,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: each layout's own functions behind one table. Nothing is decided here.
 */
#include <string.h>
#include <guest_model/ring.h>

/* --- Split -------------------------------------------------------------------------------------- */

static struct kc_area_shape split_shape(uint32_t size, enum kc_area area)
{
	const struct kc_area_shape shapes[KC_AREAS] = {
		[KC_AREA_DESC] = { kc_desc_bytes(size), KC_DESC_ALIGN },
		[KC_AREA_DRIVER] = { kc_avail_bytes(size), KC_AVAIL_ALIGN },
		[KC_AREA_DEVICE] = { kc_used_bytes(size), KC_USED_ALIGN },
	};

	return shapes[area];
}

static uint32_t split_base(uint32_t size, uint32_t from)
{
	(void)size;
	return (uint16_t)from;
}

static int split_init(struct kc_ring *r, struct kc_mem *mem, const struct kc_ring_config *c)
{
	struct kc_split_config sc = {
		.size = c->size, .desc = c->area[KC_AREA_DESC], .avail = c->area[KC_AREA_DRIVER],
		.used = c->area[KC_AREA_DEVICE], .from = (uint16_t)c->from,
		.event_idx = c->event_idx, .in_order = c->in_order,
	};

	return kc_split_init(&r->split, mem, &sc);
}

static void split_fini(struct kc_ring *r)
{
	kc_split_fini(&r->split);
}

static int split_add(struct kc_ring *r, const struct kc_chain *chain, void *token, uint16_t *id)
{
	return kc_split_add(&r->split, chain, token, id);
}

static unsigned split_publish(struct kc_ring *r)
{
	return kc_split_publish(&r->split);
}

static bool split_kick_needed(struct kc_ring *r)
{
	return kc_split_kick_needed(&r->split);
}

static bool split_ready(const struct kc_ring *r)
{
	return kc_split_ready(&r->split);
}

static int split_reap(struct kc_ring *r, struct kc_used *u)
{
	return kc_split_reap(&r->split, u);
}

static int split_abandon(struct kc_ring *r, struct kc_used *u)
{
	return kc_split_abandon(&r->split, u);
}

static bool split_arm(struct kc_ring *r)
{
	return kc_split_arm(&r->split);
}

/* With event_idx there is no off: the event farthest away is the one just passed. */
static void split_suppress(struct kc_ring *r)
{
	if (r->split.event_idx)
		kc_split_set_used_event(&r->split, (uint16_t)(kc_split_used_idx(&r->split) - 1));
	else
		kc_split_set_no_interrupt(&r->split, true);
}

static uint32_t split_room(const struct kc_ring *r)
{
	return r->split.nfree;
}

static uint16_t split_published(const struct kc_ring *r)
{
	return r->split.published_idx;
}

const struct kc_ring_ops kc_ring_split = {
	.name = "split",
	.shape = split_shape,
	.base = split_base,
	.init = split_init,
	.fini = split_fini,
	.add = split_add,
	.publish = split_publish,
	.kick_needed = split_kick_needed,
	.ready = split_ready,
	.reap = split_reap,
	.abandon = split_abandon,
	.arm = split_arm,
	.suppress = split_suppress,
	.room = split_room,
	.published = split_published,
};

/* --- Packed ----------------------------------------------------------------------------------- */

static struct kc_area_shape packed_shape(uint32_t size, enum kc_area area)
{
	const struct kc_area_shape shapes[KC_AREAS] = {
		[KC_AREA_DESC] = { kc_pdesc_bytes(size), KC_PDESC_ALIGN },
		[KC_AREA_DRIVER] = { KC_EVENT_BYTES, KC_EVENT_ALIGN },
		[KC_AREA_DEVICE] = { KC_EVENT_BYTES, KC_EVENT_ALIGN },
	};

	return shapes[area];
}

static int packed_init(struct kc_ring *r, struct kc_mem *mem, const struct kc_ring_config *c)
{
	struct kc_packed_config pc = {
		.size = c->size, .desc = c->area[KC_AREA_DESC], .driver = c->area[KC_AREA_DRIVER],
		.device = c->area[KC_AREA_DEVICE], .from = c->from,
		.event_idx = c->event_idx, .in_order = c->in_order,
	};

	return kc_packed_init(&r->packed, mem, &pc);
}

static void packed_fini(struct kc_ring *r)
{
	kc_packed_fini(&r->packed);
}

static int packed_add(struct kc_ring *r, const struct kc_chain *chain, void *token, uint16_t *id)
{
	return kc_packed_add(&r->packed, chain, token, id);
}

static unsigned packed_publish(struct kc_ring *r)
{
	return kc_packed_publish(&r->packed);
}

static bool packed_kick_needed(struct kc_ring *r)
{
	return kc_packed_kick_needed(&r->packed);
}

static bool packed_ready(const struct kc_ring *r)
{
	return kc_packed_ready(&r->packed);
}

static int packed_reap(struct kc_ring *r, struct kc_used *u)
{
	return kc_packed_reap(&r->packed, u);
}

static int packed_abandon(struct kc_ring *r, struct kc_used *u)
{
	return kc_packed_abandon(&r->packed, u);
}

static bool packed_arm(struct kc_ring *r)
{
	return kc_packed_arm(&r->packed);
}

static void packed_suppress(struct kc_ring *r)
{
	kc_packed_suppress(&r->packed);
}

static uint32_t packed_room(const struct kc_ring *r)
{
	return r->packed.nfree;
}

static uint16_t packed_published(const struct kc_ring *r)
{
	return kc_packed_off_wrap(&r->packed, r->packed.published_pos);
}

const struct kc_ring_ops kc_ring_packed = {
	.name = "packed",
	.packed = true,
	.shape = packed_shape,
	.base = kc_packed_base,
	.init = packed_init,
	.fini = packed_fini,
	.add = packed_add,
	.publish = packed_publish,
	.kick_needed = packed_kick_needed,
	.ready = packed_ready,
	.reap = packed_reap,
	.abandon = packed_abandon,
	.arm = packed_arm,
	.suppress = packed_suppress,
	.room = packed_room,
	.published = packed_published,
};

/* --- Both --------------------------------------------------------------------------------------- */

static const struct kc_ring_ops *const layouts[] = { &kc_ring_split, &kc_ring_packed };

const struct kc_ring_ops *kc_ring_layout(const char *name)
{
	for (unsigned i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (!strcmp(layouts[i]->name, name))
			return layouts[i];
	return NULL;
}

int kc_ring_init(struct kc_ring *r, const struct kc_ring_ops *ops, struct kc_mem *mem,
		 const struct kc_ring_config *c)
{
	memset(r, 0, sizeof(*r));
	r->ops = ops;
	r->config = *c;
	return ops->init(r, mem, c);
}

void kc_ring_fini(struct kc_ring *r)
{
	if (r->ops)
		r->ops->fini(r);
	memset(r, 0, sizeof(*r));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The `queue` and `repeat` lines: making, starting and stopping rings, and going round. */
#include <string.h>
#include <linux/virtio_config.h>
#include <harness/language/verbs.h>

enum { OPT_LATER, OPT_DISABLED, OPT_UNKICKED, OPT_NO_CALL, OPT_NO_KICK_FD, OPT_REGION_END,
       OPT_TABLE_AT_END, OPT_AVAIL_AT_END, OPT_APART, OPT_LEAST_ALIGNED, OPT_BEFORE_DRIVER_OK, OPT_LOW,
       OPT_COUNT };

static int read_options(struct kc_world *w, const struct kc_arg *a, bool *opt)
{
	static const char *const names[OPT_COUNT] = {
		"later", "disabled", "unkicked", "no-call", "no-kick-fd", "at-region-end",
		"table-at-region-end", "avail-at-region-end", "apart", "least-aligned",
		"before-driver-ok", "low",
	};
	unsigned k;

	for (unsigned i = 0; i < a->nrest; i++) {
		for (k = 0; k < OPT_COUNT && strcmp(a->rest[i].text, names[k]); k++)
			;
		if (k == OPT_COUNT)
			return kc_world_script_error(w, "queue has no option '%s'", a->rest[i].text);
		opt[k] = true;
	}
	return 0;
}

/* least: at an odd multiple of its alignment, since the allocator gives more than it is asked for. */
static int place_area(struct kc_world *w, struct kc_area_shape shape, enum kc_place place, bool least,
		      uint64_t *gpa)
{
	uint64_t bytes = (shape.bytes + shape.align - 1) / shape.align * shape.align;
	int ret;

	if (!least || place == KC_PLACE_REGION_END)
		return kc_mem_alloc(&w->mem, bytes, shape.align, place, gpa);
	ret = kc_mem_alloc(&w->mem, bytes + shape.align, 2 * shape.align, place, gpa);
	*gpa += shape.align;
	return ret;
}

static enum kc_place place_of(enum kc_area area, const bool *opt)
{
	static const unsigned at_end[KC_AREAS] = {
		[KC_AREA_DESC] = OPT_TABLE_AT_END, [KC_AREA_DRIVER] = OPT_AVAIL_AT_END,
		[KC_AREA_DEVICE] = OPT_REGION_END,
	};

	if (opt[at_end[area]])
		return KC_PLACE_REGION_END;
	return opt[OPT_LOW] || (area == KC_AREA_DESC && opt[OPT_APART]) ? KC_PLACE_LOW : KC_PLACE_ANY;
}

/* Alignments are what the specification demands. A split used ring has 6 + 8 * size bytes, so that two
 * bytes of its region are left behind it. */
static int place_ring(struct kc_world *w, const struct kc_ring_ops *layout, struct kc_ring_config *c,
		      const bool *opt)
{
	for (enum kc_area a = KC_AREA_DESC; a < KC_AREAS; a++)
		if (place_area(w, layout->shape(c->size, a), place_of(a, opt), opt[OPT_LEAST_ALIGNED],
			       &c->area[a]))
			return kc_world_stop(w, KC_ERROR, "no guest memory for a ring of %u", c->size);
	return 0;
}

static void tell_oracle(struct kc_world *w, unsigned qi)
{
	const struct kc_world_queue *q = &w->q[qi];
	struct kc_oracle_queue oq = {
		.size = q->config.size, .desc = q->config.desc, .avail = q->config.avail,
		.used = q->config.used, .base = q->config.base, .packed = q->ring.ops->packed,
		.event_idx = w->vmm.driver_features & KC_BIT(VIRTIO_RING_F_EVENT_IDX),
		.indirect = w->vmm.driver_features & KC_BIT(VIRTIO_RING_F_INDIRECT_DESC),
		.in_order = w->vmm.driver_features & KC_BIT(VIRTIO_F_IN_ORDER),
		.notify_on_empty = w->vmm.driver_features & KC_BIT(VIRTIO_F_NOTIFY_ON_EMPTY),
		.has_call = !q->config.no_call,
		.for_input = w->port && w->port->ops->for_input &&
			     w->port->ops->for_input(w->port, qi),
	};

	kc_oracle_queue_start(w->oracle, qi, &oq);
	kc_oracle_suppression(w->oracle, qi);
	kc_oracle_published(w->oracle, qi);
	/* With bit 30 a ring is born disabled, and keeps its state while it is stopped; without, SET_FEATURES
	 * has enabled it. */
	if (w->vmm.protocol_features && (w->vmm.device_features & KC_BIT(KC_VU_F_PROTOCOL_FEATURES)))
		kc_oracle_queue_enable(w->oracle, qi, w->vmm.q[qi].enabled || !q->config.leave_disabled);
}

static int start_one(struct kc_world *w, unsigned qi)
{
	struct kc_world_queue *q = &w->q[qi];
	enum kc_outcome o;

	kc_world_judge_driver(w);
	if (w->over)
		return -1;
	tell_oracle(w, qi);
	kc_oracle_view(w->oracle, qi, &q->mark);	/* its counts begin anew */
	q->told_used_idx = q->mark.used_idx;
	q->seen_interrupts = w->vmm.interrupts[qi];
	if (!q->config.no_first_kick)
		kc_oracle_kicked(w->oracle, qi);
	o = kc_vmm_queue_start(&w->vmm, qi, &q->config);
	/* A device has a largest ring of its own, which the protocol cannot tell: a profile can. What
	 * it has taken before it must take again. */
	if (w->vmm.q[qi].size_refused && !w->cfg.ring_max && q->config.size > w->size_taken)
		return kc_world_stop(w, KC_SKIP, "needs a ring of %u, which the back-end refuses",
				     q->config.size);
	if (o != KC_OUT_OK)
		return kc_world_outcome(w, o, "setting up the queue");
	if (q->config.size > w->size_taken)
		w->size_taken = q->config.size;
	kc_world_observe(w);
	return 0;
}

static int stop_one(struct kc_world *w, unsigned qi, uint32_t *base)
{
	struct kc_world_queue *q = &w->q[qi];
	enum kc_outcome o;
	uint32_t num = 0;

	kc_oracle_queue_stopping(w->oracle, qi);
	o = kc_vmm_queue_stop(&w->vmm, qi, &num);
	if (o != KC_OUT_OK)
		return kc_world_outcome(w, o, "GET_VRING_BASE");
	kc_world_observe(w);
	kc_oracle_queue_stopped(w->oracle, qi, num);
	q->last_base = num;
	q->config.base = num;
	if (base)
		*base = num;
	return 0;
}

/* Is there such a queue, and may it be this large? 0 or -1. */
static int check_queue(struct kc_world *w, unsigned qi, unsigned size)
{
	struct kc_err why = { "" };

	if (qi >= KC_QUEUES_MAX || w->vmm.q[qi].started)
		return kc_world_script_error(w, "queue %u %s", qi, qi < KC_QUEUES_MAX ?
					     "is running" : "is out of range");
	if (w->port && w->port->ops->has_queue) {
		if (!w->port->ops->has_queue(w->port, qi, w->vmm.queues_max, &why))
			return kc_world_stop(w, KC_SKIP, "needs queue %u: %s", qi, why.msg);
	} else if (w->vmm.queues_max && qi >= w->vmm.queues_max) {
		return kc_world_stop(w, KC_SKIP, "needs queue %u, and the back-end has %u", qi,
				     (unsigned)w->vmm.queues_max);
	}
	if (w->cfg.ring_max && size > w->cfg.ring_max)
		return kc_world_stop(w, KC_SKIP, "needs a ring of %u, and the back-end takes %u", size,
				     w->cfg.ring_max);
	return 0;
}

/* A device's rings are all of the layout that was negotiated, which `negotiated` stands for. */
static const struct kc_ring_ops *choose_layout(struct kc_world *w, const char *word)
{
	bool packed = w->vmm.driver_features & KC_BIT(VIRTIO_F_RING_PACKED);
	const struct kc_ring_ops *layout = strcmp(word, "negotiated") ? kc_ring_layout(word) :
		packed ? &kc_ring_packed : &kc_ring_split;

	if (layout && layout->packed == packed)
		return layout;
	if (layout)
		kc_world_script_error(w, "a %s ring, and %s was negotiated", layout->name,
				      packed ? "packed" : "no packed ring");
	else
		kc_world_script_error(w, "there is no ring layout '%s'", word);
	return NULL;
}

static int make_ring(struct kc_world *w, unsigned qi, const struct kc_ring_ops *layout,
		     struct kc_ring_config *c, const bool *opt)
{
	int ret;

	c->event_idx = w->vmm.driver_features & KC_BIT(VIRTIO_RING_F_EVENT_IDX);
	c->in_order = w->vmm.driver_features & KC_BIT(VIRTIO_F_IN_ORDER);
	if (place_ring(w, layout, c, opt))
		return -1;
	ret = kc_ring_init(&w->q[qi].ring, layout, &w->mem, c);
	return ret ? kc_world_script_error(w, "a %s ring of size %u: %s", layout->name, c->size,
					   strerror(-ret)) : 0;
}

/* In memory. What was there before by that number is forgotten. */
static int make_queue(struct kc_world *w, unsigned qi, const struct kc_ring_ops *layout,
		      struct kc_ring_config ring, const bool *opt)
{
	struct kc_world_queue *q = &w->q[qi];

	kc_world_forget_queue(w, qi);
	if (make_ring(w, qi, layout, &ring, opt))
		return -1;
	q->config = (struct kc_queue_config){
		.size = ring.size, .base = layout->base(ring.size, ring.from),
		.desc = ring.area[KC_AREA_DESC], .avail = ring.area[KC_AREA_DRIVER],
		.used = ring.area[KC_AREA_DEVICE],
		.no_first_kick = opt[OPT_UNKICKED], .no_call = opt[OPT_NO_CALL],
		.no_kick_fd = opt[OPT_NO_KICK_FD], .leave_disabled = opt[OPT_DISABLED],
	};
	q->made = true;
	if (qi >= w->nq)
		w->nq = qi + 1;
	q->seen_used_idx = (uint16_t)ring.from;
	kc_oracle_view(w->oracle, qi, &q->mark);	/* of a queue that has not started: as it was */
	q->told_used_idx = q->mark.used_idx;
	return 0;
}

/* A device whose session must be opened has DRIVER_OK before the script's first queue. */
static int open_device(struct kc_world *w, const bool *opt)
{
	if (w->opening_due && opt[OPT_BEFORE_DRIVER_OK])
		return kc_world_stop(w, KC_SKIP, "a session of %s is opened after DRIVER_OK",
				     w->cfg.port->device);
	return kc_world_opening(w);
}

/* A queue that is stopped can be made anew. */
static int make(struct kc_world *w, const struct kc_step *s, uint32_t from, const struct kc_arg *rest)
{
	struct kc_ring_config ring = { .size = (unsigned)s->args[2].num.plus, .from = from };
	const struct kc_ring_ops *layout;
	bool opt[OPT_COUNT] = { false };
	int qi;

	if (kc_world_session(w))
		return -1;
	if (read_options(w, rest, opt) || open_device(w, opt))
		return -1;
	qi = kc_world_virtqueue(w, (unsigned)s->args[0].num.plus);
	if (qi < 0 || check_queue(w, (unsigned)qi, ring.size))
		return -1;
	layout = choose_layout(w, s->args[1].word);
	if (!layout || make_queue(w, (unsigned)qi, layout, ring, opt))
		return -1;
	w->driver_ok_held |= opt[OPT_BEFORE_DRIVER_OK];
	return opt[OPT_LATER] ? 0 : kc_world_start_queue(w, (unsigned)qi);
}

/* --- Companions ----------------------------------------------------------------------------------
 * A script for any device has queues that carry requests. Where such a queue works beside another one
 * only, that one is made with it, small and empty: it runs while the script's queue does, and is watched
 * like any other. */
#define COMPANION_SIZE	16u

static int companion_of(const struct kc_world *w, unsigned qi)
{
	if (w->script->device || !w->cfg.port->companion)
		return -1;
	return w->cfg.port->companion(qi);
}

static int start_companion(struct kc_world *w, unsigned qi)
{
	static const bool no_options[OPT_COUNT];
	struct kc_ring_config ring = { .size = COMPANION_SIZE };
	int other = companion_of(w, qi);

	if (other < 0 || other >= KC_QUEUES_MAX || w->vmm.q[other].started)
		return 0;
	if (make_queue(w, (unsigned)other, w->q[qi].ring.ops, ring, no_options))
		return -1;
	w->q[other].companion = true;
	return start_one(w, (unsigned)other);
}

int kc_world_start_queue(struct kc_world *w, unsigned qi)
{
	return start_companion(w, qi) ? -1 : start_one(w, qi);
}

int kc_world_stop_queue(struct kc_world *w, unsigned qi, uint32_t *base)
{
	int other = companion_of(w, qi);

	if (stop_one(w, qi, base))
		return -1;
	if (other < 0 || other >= KC_QUEUES_MAX || !w->q[other].companion || !w->vmm.q[other].started)
		return 0;
	return stop_one(w, (unsigned)other, NULL);
}

/* --- Which queue ---------------------------------------------------------------------------------- */

static int control_queue(struct kc_world *w)
{
	struct kc_err why = { "the device type has none" };
	int qi = w->port && w->port->ops->control ? w->port->ops->control(w->port, &why) : -1;

	if (qi >= 0 && qi < KC_QUEUES_MAX)
		return qi;
	if (qi >= 0)
		kc_err_set(&why, 0, "it is virtqueue %d, and kickcall has %d", qi, KC_QUEUES_MAX);
	return kc_world_stop(w, KC_SKIP, "needs a control queue: %s", why.msg);
}

int kc_world_virtqueue(struct kc_world *w, unsigned n)
{
	const struct kc_port_ops *ops = w->cfg.port;

	if (n == KC_QUEUE_CONTROL)
		return control_queue(w);
	if (n >= KC_QUEUES_MAX)
		return (int)n;
	if (!w->script->device && ops->virtqueue)
		n = ops->virtqueue(n);
	return (int)(w->port && ops->numbered ? ops->numbered(w->port, n, w->vmm.queues_max) : n);
}

uint64_t kc_world_ring_index(struct kc_world *w, uint64_t n)
{
	int qi = n < KC_QUEUES_MAX ? kc_world_virtqueue(w, (unsigned)n) : -1;

	/* Beyond what GET_QUEUE_NUM says, whichever it counts. */
	if (!w->script->device && w->cfg.port->virtqueue && w->vmm.queues_max && n == w->vmm.queues_max)
		return w->cfg.port->virtqueue((unsigned)n);
	return qi >= 0 && qi < KC_QUEUES_MAX && w->q[qi].made ? (uint64_t)qi : n;
}

KC_VERB(queue)
{
	return make(w, s, (uint32_t)s->args[3].num.plus, &s->args[4]);
}

KC_VERB(queue_sized)
{
	return make(w, s, 0, &s->args[3]);
}

struct kc_world_queue *kc_world_queue(struct kc_world *w, unsigned qi)
{
	if (qi < KC_QUEUES_MAX && w->q[qi].made)
		return &w->q[qi];
	kc_world_script_error(w, "there is no queue %u", qi);
	return NULL;
}

struct kc_split *kc_world_split(struct kc_world *w, unsigned qi, const char *what)
{
	struct kc_world_queue *q = kc_world_queue(w, qi);

	if (!q)
		return NULL;
	if (!q->ring.ops->packed)
		return &q->ring.split;
	kc_world_script_error(w, "%s: queue %u is packed, and that is a split ring's", what, qi);
	return NULL;
}

struct kc_packed *kc_world_packed(struct kc_world *w, unsigned qi, const char *what)
{
	struct kc_world_queue *q = kc_world_queue(w, qi);

	if (!q)
		return NULL;
	if (q->ring.ops->packed)
		return &q->ring.packed;
	kc_world_script_error(w, "%s: queue %u is split, and that is a packed ring's", what, qi);
	return NULL;
}

/* The longest chain that ring, device and back-end allow. */
static uint32_t longest_chain(const struct kc_world *w, const struct kc_ring *r)
{
	uint32_t limit = w->port && w->port->ops->max_descriptors ?
		w->port->ops->max_descriptors(w->port) : 0;
	uint32_t max = w->cfg.chain_max ? w->cfg.chain_max : 1024;

	max = r->config.size < max ? r->config.size : max;
	return limit && limit < max ? limit : max;
}

static bool is_of_a_queue(enum kc_num_base base)
{
	return base == KC_NUM_USED_IDX || base == KC_NUM_AVAIL_IDX || base == KC_NUM_MAX;
}

static int64_t region_end(const struct kc_region *r)
{
	return (int64_t)(r->gpa + r->size);
}

int64_t kc_world_num(struct kc_world *w, const struct kc_num *n, unsigned qi)
{
	const struct kc_split *vq;

	if (is_of_a_queue(n->base) && !kc_world_queue(w, qi))
		return 0;
	switch (n->base) {
	case KC_NUM_USED_IDX:
		vq = kc_world_split(w, qi, "used_idx");
		return vq ? (uint16_t)(kc_split_used_idx(vq) + n->plus) : 0;
	case KC_NUM_AVAIL_IDX:
		vq = kc_world_split(w, qi, "avail_idx");
		return vq ? (uint16_t)(vq->published_idx + n->plus) : 0;
	case KC_NUM_MAX:
		return longest_chain(w, &w->q[qi].ring) + n->plus;
	case KC_NUM_COMBINATIONS:
		return kc_world_matrix(w)->n + n->plus;
	case KC_NUM_QUEUE_NUM:
		return (int64_t)w->vmm.queues_max + n->plus;
	case KC_NUM_LOW_END:
		return region_end(&w->mem.regions[0]) + n->plus;
	case KC_NUM_BORDER:
		return region_end(&w->mem.regions[w->mem.nregions - 2]) + n->plus;
	case KC_NUM_MEMORY_END:
		return region_end(&w->mem.regions[w->mem.nregions - 1]) + n->plus;
	default:
		return n->plus;
	}
}

KC_VERB(repeat)
{
	int64_t rounds = kc_world_num(w, &s->args[0].num, 0);

	if (rounds < 1) {
		w->pc = s->jump;
		return 0;
	}
	w->rounds[w->nrepeats] = (unsigned)rounds;
	w->repeats[w->nrepeats++] = (unsigned)rounds;
	return 0;
}

KC_VERB(end)
{
	if (--w->repeats[w->nrepeats - 1] == 0)
		w->nrepeats--;
	else
		w->pc = s->jump;
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The `driver` lines that obey the rules: requests, kicks, suppression and waiting. */
#include <errno.h>
#include <string.h>
#include <linux/virtio_ring.h>
#include <harness/language/verbs.h>

/* --- Requests ----------------------------------------------------------------------------------- */

#define HELLOS	50u		/* frames until one has come back */

enum added { ADDED, ADD_FULL, ADD_OVER };

static struct kc_request *make_request(struct kc_world *w, unsigned qi, const struct kc_shape *shape)
{
	struct kc_err *err = &w->vmm.err;
	struct kc_request *r;
	int code = 0;

	if (!w->port) {
		kc_world_script_error(w, "requests need a negotiated device");
		return NULL;
	}
	r = w->port->ops->make(w->port, qi, shape, &code, err);
	if (!r && (code == -EINVAL || code == -EPERM))
		kc_world_stop(w, KC_SKIP, "%s cannot take that request: %s", w->port->ops->device, err->msg);
	else if (!r && code == -EBADMSG)
		kc_world_script_error(w, "%s", err->msg);
	else if (!r)
		kc_world_stop(w, KC_ERROR, "making a request: %s%s", err->msg,
			      code == -ENOMEM && !w->script->large_memory ? " ('memory large' has more)" : "");
	return r;
}

static enum added add_shape(struct kc_world *w, unsigned qi, const struct kc_shape *shape, uint16_t *head)
{
	struct kc_world_queue *q = &w->q[qi];
	struct kc_request *r = make_request(w, qi, shape);
	struct kc_chain chain;
	int ret;

	if (!r)
		return ADD_OVER;
	chain = (struct kc_chain){ .segs = r->segs, .nsegs = r->nsegs, .indirect = r->indirect,
				   .ndirect = shape->direct, .flagged_table = shape->flagged_table,
				   .unaligned_table = shape->unaligned_table };
	ret = q->ring.ops->add(&q->ring, &chain, r, head);
	if (ret == 0) {
		q->outstanding++;
		kc_trace_text(&w->trace, KC_ACTOR_DRIVER, "request", r->what, "queue %u head %u", qi, *head);
		return ADDED;
	}
	w->port->ops->release(w->port, r);
	if (ret == -ENOSPC)
		return ADD_FULL;
	kc_world_script_error(w, "adding the request: %s", strerror(-ret));
	return ADD_OVER;
}

static int publish(struct kc_world *w, unsigned qi)
{
	struct kc_world_queue *q = &w->q[qi];
	unsigned n = q->ring.ops->publish(&q->ring);

	if (!n)
		return 0;
	kc_trace_value(&w->trace, KC_ACTOR_DRIVER, "avail-idx", q->ring.ops->published(&q->ring),
		       "queue %u", qi);
	kc_oracle_supplied(w->oracle, qi, n);
	kc_sched_point(w->sched);
	return 0;
}

static int read_shape(struct kc_world *w, const struct kc_step *s, const struct kc_arg *words,
		      struct kc_shape *shape, char *own, size_t cap)
{
	if (kc_world_shape(w, s, words, shape, own, cap))
		return -1;
	/* A hostile driver writes such a descriptor by hand. */
	if (shape->indirect && !(w->vmm.driver_features & KC_BIT(VIRTIO_RING_F_INDIRECT_DESC)))
		return kc_world_script_error(w, "an indirect request means nothing without indirect");
	return 0;
}

static int add_many(struct kc_world *w, const struct kc_step *s, const struct kc_arg *words,
		    unsigned n, bool urgent)
{
	struct kc_shape shape;
	uint16_t head;
	char own[256];

	if (!kc_world_queue(w, s->qi) || read_shape(w, s, words, &shape, own, sizeof(own)))
		return -1;
	for (unsigned i = 0; i < n; i++) {
		enum added a = add_shape(w, s->qi, &shape, &head);

		if (a == ADD_OVER)
			return -1;
		if (a == ADD_FULL)
			return kc_world_stop(w, KC_SKIP, "queue %u has no room for request %u of this "
					     "device's size", s->qi, i + 1);
		if (urgent && kc_economy_urgent(&w->economy, s->qi, head))
			return kc_world_script_error(w, "more than %u urgent requests are on their way",
						     KC_URGENT_MAX);
	}
	return 0;
}

KC_VERB(request)
{
	return add_many(w, s, &s->args[0], 1, false) ? -1 : publish(w, s->qi);
}

KC_VERB(urgent_request)
{
	return add_many(w, s, &s->args[0], 1, true) ? -1 : publish(w, s->qi);
}

KC_VERB(requests)
{
	return add_many(w, s, &s->args[1], (unsigned)kc_world_num(w, &s->args[0].num, s->qi), false) ? -1 :
		publish(w, s->qi);
}

KC_VERB(add)
{
	return add_many(w, s, &s->args[0], 1, false);
}

KC_VERB(publish)
{
	return kc_world_queue(w, s->qi) ? publish(w, s->qi) : -1;
}

/* A refused add must not touch the ring. It is the driver's writes that are looked at: the device may be
 * writing to a packed ring just now. */
struct ring_watch {
	const struct kc_ring *ring;
	bool touched;
	void (*wrote)(void *ctx, uint64_t gpa, const void *buf, size_t len);
	void *wrote_ctx;
};

static void note_write(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	struct ring_watch *k = ctx;
	const struct kc_ring *r = k->ring;

	for (enum kc_area a = KC_AREA_DESC; a <= KC_AREA_DRIVER; a++)
		k->touched = k->touched || (gpa < r->config.area[a] + r->ops->shape(r->config.size, a).bytes &&
					    r->config.area[a] < gpa + len);
	k->wrote(k->wrote_ctx, gpa, buf, len);
}

static enum added add_watched(struct kc_world *w, unsigned qi, const struct kc_shape *shape, bool *touched)
{
	struct ring_watch k = { &w->q[qi].ring, false, w->mem.wrote, w->mem.wrote_ctx };
	enum added a;
	uint16_t head;

	w->mem.wrote = note_write;
	w->mem.wrote_ctx = &k;
	a = add_shape(w, qi, shape, &head);
	w->mem.wrote = k.wrote;
	w->mem.wrote_ctx = k.wrote_ctx;
	*touched = k.touched;
	return a;
}

KC_VERB(fill)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	struct kc_shape shape;
	uint16_t head;
	char own[256];
	enum added a;
	bool touched;

	if (!q || read_shape(w, s, &s->args[0], &shape, own, sizeof(own)))
		return -1;
	while ((a = add_shape(w, s->qi, &shape, &head)) == ADDED)
		;
	if (a == ADD_OVER)
		return -1;
	a = add_watched(w, s->qi, &shape, &touched);
	if (a != ADD_FULL || touched)
		return kc_world_stop(w, KC_ERROR, "the driver changed a full ring of queue %u", s->qi);
	q->full = true;
	return publish(w, s->qi);
}

/* --- Kicks -------------------------------------------------------------------------------------- */

static void kick(struct kc_world *w, unsigned qi)
{
	const struct kc_evfd *e = w->vmm.q[qi].kick;

	kc_oracle_kicked(w->oracle, qi);
	if (e)
		kc_economy_kicked(&w->economy, qi, kc_evfd_readable(e));
	kc_vmm_notify(&w->vmm, qi, w->q[qi].ring.ops->published(&w->q[qi].ring));
	kc_sched_point(w->sched);
}

KC_VERB(kick)
{
	if (!kc_world_queue(w, s->qi))
		return -1;
	kick(w, s->qi);
	return 0;
}

KC_VERB(kick_times)
{
	if (!kc_world_queue(w, s->qi))
		return -1;
	for (int64_t n = s->args[0].num.plus; n > 0; n--)
		kick(w, s->qi);
	return 0;
}

KC_VERB(kick_if_needed)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (!q)
		return -1;
	if (q->ring.ops->kick_needed(&q->ring)) {
		kick(w, s->qi);
		return 0;
	}
	kc_economy_kick_suppressed(&w->economy, s->qi);
	kc_trace_value(&w->trace, KC_ACTOR_DRIVER, "kick-suppressed", q->ring.ops->published(&q->ring),
		       "queue %u", s->qi);
	kc_oracle_kick_withheld(w->oracle, s->qi);
	return 0;
}

/* --- Waiting ------------------------------------------------------------------------------------ */

static bool one_is_used(void *arg)
{
	const struct kc_ring *r = arg;

	return r->ops->ready(r);
}

/* Reaps as it goes, so that n may be larger than the ring. */
int kc_world_wait_used(struct kc_world *w, unsigned qi, unsigned n)
{
	struct kc_world_queue *q = &w->q[qi];

	for (unsigned done = 0; done < n && !w->over;) {
		unsigned got;

		if (kc_world_wait(w, one_is_used, &q->ring, "used entry %u of %u on queue %u", done + 1, n, qi))
			return -1;
		got = kc_world_reap(w, qi);
		done += got;
		if (!got)
			return kc_world_stop(w, KC_INCONCLUSIVE, "queue %u: used idx has moved, and no entry "
					     "can be taken", qi);
	}
	return w->over ? -1 : 0;
}

/* One frame more, with a receive buffer for it unless one is left over. 0 or -1. */
static int send_hello(struct kc_world *w, unsigned qi, unsigned rx)
{
	static const struct kc_shape plain = { .one_piece = true };
	uint16_t head;

	if (!w->q[rx].outstanding) {
		if (add_shape(w, rx, &plain, &head) != ADDED || publish(w, rx))
			return w->over ? -1 : kc_world_script_error(w, "queue %u has no room", rx);
		kick(w, rx);
	}
	if (add_shape(w, qi, &plain, &head) != ADDED || publish(w, qi))
		return w->over ? -1 : kc_world_script_error(w, "queue %u has no room", qi);
	kick(w, qi);
	return kc_world_wait_used(w, qi, w->q[qi].outstanding);
}

/* A link that has just come up may lose a frame. Each try has a short time; what is still missing in the
 * end is judged like everything that does not come. */
KC_VERB(hello)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	int rx = q && w->cfg.port->companion ? w->cfg.port->companion(s->qi) : -1;
	unsigned tries = w->cfg.mode == KC_MODE_LIVE ? HELLOS : 1;

	if (!q)
		return -1;
	if (rx < 0 || !kc_world_queue(w, (unsigned)rx))
		return w->over ? -1 : kc_world_script_error(w, "queue %u does not transmit", s->qi);
	while (tries--) {
		if (send_hello(w, s->qi, (unsigned)rx))
			return -1;
		if (!kc_sched_wait(w->sched, one_is_used, &w->q[rx].ring, w->cfg.timeout_ns / 10))
			break;
	}
	if (kc_world_wait(w, one_is_used, &w->q[rx].ring, "a frame that says hello"))
		return -1;
	kc_world_reap(w, (unsigned)rx);
	kc_world_checkpoint(w, s->qi);
	kc_world_checkpoint(w, (unsigned)rx);
	return w->over ? -1 : 0;
}

KC_VERB(wait_used)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (!q || kc_world_wait_used(w, s->qi, q->outstanding))
		return -1;
	kc_world_checkpoint(w, s->qi);
	return 0;
}

KC_VERB(wait_n_used)
{
	int64_t n = kc_world_num(w, &s->args[0].num, s->qi);

	if (!kc_world_queue(w, s->qi) || kc_world_wait_used(w, s->qi, (unsigned)n))
		return -1;
	kc_world_checkpoint(w, s->qi);
	return 0;
}

/* Entry by entry, so that a full ring in front of it may take its time. */
KC_VERB(wait_urgent)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (!q)
		return -1;
	if (!kc_economy_urgent_left(&w->economy, s->qi) && !w->result->metrics.nwaits)
		return kc_world_script_error(w, "there is no urgent request on queue %u", s->qi);
	while (kc_economy_urgent_left(&w->economy, s->qi) && q->outstanding)
		if (kc_world_wait_used(w, s->qi, 1))
			return -1;
	kc_world_checkpoint(w, s->qi);
	return 0;
}

struct wait_call {
	struct kc_world *w;
	unsigned qi;
	uint64_t from;
};

static bool call_came(void *arg)
{
	struct wait_call *x = arg;

	return x->w->vmm.interrupts[x->qi] != x->from;
}

KC_VERB(wait_call)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);
	struct wait_call x = { w, s->qi, 0 };
	bool there;

	if (!q)
		return -1;
	while (q->outstanding && !w->over) {
		kc_world_observe(w);
		x.from = w->vmm.interrupts[s->qi];
		there = q->ring.ops->arm(&q->ring);
		kc_world_suppression(w, s->qi);
		kc_sched_point(w->sched);
		if (!there && kc_world_wait(w, call_came, &x, "a call on queue %u with %u in flight", s->qi,
					    q->outstanding))
			return -1;
		if (!kc_world_reap(w, s->qi) && there)
			return kc_world_stop(w, KC_INCONCLUSIVE, "queue %u: used idx has moved, and no entry "
					     "can be taken", s->qi);
	}
	kc_world_checkpoint(w, s->qi);
	return w->over ? -1 : 0;
}

/* --- Suppression -------------------------------------------------------------------------------- */

static int suppression_written(struct kc_world *w, const struct kc_step *s, const char *field,
			       uint64_t v)
{
	kc_trace_value(&w->trace, KC_ACTOR_DRIVER, field, v, "queue %u", s->qi);
	kc_world_suppression(w, s->qi);
	kc_sched_point(w->sched);
	return 0;
}

KC_VERB(used_event)
{
	struct kc_split *vq = kc_world_split(w, s->qi, "used_event");
	uint16_t v;

	if (!vq)
		return -1;
	if (!vq->event_idx)
		return kc_world_script_error(w, "used_event means nothing without event_idx");
	v = (uint16_t)kc_world_num(w, &s->args[0].num, s->qi);
	kc_split_set_used_event(vq, v);
	return suppression_written(w, s, "used-event", v);
}

KC_VERB(event_in_slots)
{
	struct kc_packed *vq = kc_world_packed(w, s->qi, "event in N slots");
	uint16_t at;

	if (!vq)
		return -1;
	if (!vq->event_idx)
		return kc_world_script_error(w, "an event in N slots means nothing without event_idx");
	at = kc_packed_off_wrap(vq, (uint32_t)(vq->used_pos + s->args[0].num.plus) % (2 * vq->size));
	kc_packed_set_event(vq, at, VRING_PACKED_EVENT_FLAG_DESC);
	return suppression_written(w, s, "driver-area", at);
}

KC_VERB(no_interrupt)
{
	struct kc_split *vq = kc_world_split(w, s->qi, "no_interrupt");

	if (!vq)
		return -1;
	if (vq->event_idx)
		return kc_world_script_error(w, "no_interrupt must stay 0 with event_idx");
	kc_split_set_no_interrupt(vq, s->args[0].num.plus);
	return suppression_written(w, s, "no-interrupt", (uint64_t)s->args[0].num.plus);
}

KC_VERB(suppress_calls)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (!q)
		return -1;
	q->ring.ops->suppress(&q->ring);
	return suppression_written(w, s, "suppress-calls", 1);
}

KC_VERB(arm_calls)
{
	struct kc_world_queue *q = kc_world_queue(w, s->qi);

	if (!q)
		return -1;
	q->ring.ops->arm(&q->ring);
	return suppression_written(w, s, "arm-calls", 1);
}

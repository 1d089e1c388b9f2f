// SPDX-License-Identifier: BSD-3-Clause
/*
 * The life of a ring (vhost-user document, "Ring states").
 *
 * A ring begins stopped and disabled. SET_VRING_KICK starts it, GET_VRING_BASE stops it, and
 * SET_VRING_ENABLE switches it on and off in either state. It is processed only while it is
 * started, enabled, not broken, and the driver is ready; otherwise neither its memory nor its kick
 * is touched: what the kick says meanwhile stays in the eventfd, and whatever lets a ring be
 * processed also makes it looked at without a kick.
 *
 * `look` is all there is to scheduling: it says that the ring may have work, set by a kick, a
 * start, an enable, and work left over, and cleared when the ring was found empty after kicks had
 * been asked for again. Chains are carried out one by one and at once, so there is never one in
 * flight between two calls from outside, and a stop has nothing to wait for (VU-MSG-GETBASE-02).
 *
 * With IN_ORDER the driver is told of several chains by one used entry. What is held back for that
 * is published before the ring rests or breaks, and before any request is carried out, so nothing
 * else has to know of it.
 *
 * A device may have something for the driver instead of an answer (a network device's packet), and
 * may need several buffers for it. They are taken one by one and given together. If there are too few,
 * the place in the ring goes back to where it was, as if they had not been taken; but the ring
 * rests at the place behind them, since it is one more buffer that it waits for.
 *
 * The layout is chosen at the start and kept until the stop, whatever SET_FEATURES says meanwhile.
 *
 * A ring error is told by the error eventfd, and the ring is left alone until it is stopped and
 * started again. DEVICE_NEEDS_RESET is not set: with DRIVER_OK that would demand a configuration
 * change message, and there is no channel for one yet.
 */
#include <errno.h>
#include <stdlib.h>
#include "ref_internal.h"

/* Chains that one used entry tells of at most. */
#define HELD_MAX	8u

static void replace(struct kc_evfd **slot, struct kc_evfd *e)
{
	kc_evfd_unref(*slot);
	*slot = e;
}

void kc_ref_ring_init(struct kc_ref_ring *ring, struct kc_ref *ref, unsigned qi)
{
	*ring = (struct kc_ref_ring){
		.ref = ref, .qi = qi,
		.packed = { .avail = { .wrap = true }, .used = { .wrap = true } },
	};
}

void kc_ref_ring_reset(struct kc_ref_ring *ring)
{
	replace(&ring->kick, NULL);
	replace(&ring->call, NULL);
	replace(&ring->err, NULL);
	kc_ref_inflight_stop(ring);
	kc_ref_ring_init(ring, ring->ref, ring->qi);
}

const struct kc_ref_format *kc_ref_ring_format(const struct kc_ref_ring *ring)
{
	if (ring->started)
		return ring->format;
	return kc_ref_has(ring->ref, VIRTIO_F_RING_PACKED) ? &kc_ref_packed : &kc_ref_split;
}

/* With STATUS negotiated the driver says when it is ready (VIRTIO-STATUS-DEV-01); else a started
 * ring is all that we learn. */
static bool driver_ready(const struct kc_ref *r)
{
	return !kc_ref_has_pf(r, KC_PF_STATUS) || (r->status & VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Started but disabled means "no side effects": what a network device would send is dropped, but a
 * block request cannot be, so such a ring waits until it is enabled. */
static bool discards(const struct kc_ref_ring *ring)
{
	const struct kc_ref_device *d = ring->ref->device;

	return !ring->enabled && d->discards && d->discards(ring->ref, ring->qi);
}

bool kc_ref_ring_active(const struct kc_ref_ring *ring)
{
	return ring->started && !ring->broken && driver_ready(ring->ref) &&
	       (ring->enabled || discards(ring));
}

static void look(struct kc_ref_ring *ring)
{
	if (ring->started)
		ring->look = true;
}

void kc_ref_ring_look(struct kc_ref_ring *ring)
{
	look(ring);
}

static void call(struct kc_ref_ring *ring)
{
	if (ring->call)
		kc_evfd_signal(ring->call, 1);	/* -EAGAIN: a call is pending anyway */
}

static void ring_error(struct kc_ref_ring *ring, const char *why)
{
	ring->broken = true;
	ring->why = why;
	if (ring->err)
		kc_evfd_signal(ring->err, 1);
}

/* The part at uva as a whole inside one region (a ring is one array to the device), aligned in the
 * front-end's address space as well as in ours, where atomics need it. */
static void *ring_part(const struct kc_ref_mem *m, uint64_t uva, uint64_t bytes, uint64_t align)
{
	void *host = kc_ref_mem_uva(m, uva, bytes);

	return ((uva | (uintptr_t)host) & (align - 1)) ? NULL : host;
}

/* Host addresses of the ring's parts. -EINVAL with a sentence: misaligned, or not in one region. */
static int translate(const struct kc_ref_ring *ring, const struct kc_ref_vring_addr *addr,
		     uint32_t size, struct kc_ref_vring *at, struct kc_err *err)
{
	const struct kc_ref_mem *m = &ring->ref->mem;
	const struct kc_ref_format *f = kc_ref_ring_format(ring);
	struct kc_ref_vring v = {
		.desc = ring_part(m, addr->desc, f->desc.bytes(size), f->desc.align),
		.avail = ring_part(m, addr->avail, f->avail.bytes(size), f->avail.align),
		.used = ring_part(m, addr->used, f->used.bytes(size), f->used.align),
	};

	if (!v.desc || !v.avail || !v.used)
		return kc_err_set(err, -EINVAL, "%s is misaligned or not inside one memory region",
				  !v.desc ? f->desc.name : !v.avail ? f->avail.name : f->used.name);
	*at = v;
	return 0;
}

/* The features may have changed since the size, the addresses and the base were set. */
static int take_position(struct kc_ref_ring *ring, struct kc_err *err)
{
	const struct kc_ref_format *f = kc_ref_ring_format(ring);
	int rc;

	if (!ring->size || !ring->have_addr)
		return kc_err_set(err, -EINVAL, "ring %u has no size or no addresses yet",
				  ring->qi);
	rc = f->check_size(ring->size, err);
	if (!rc)
		rc = translate(ring, &ring->addr, ring->size, &ring->at, err);
	if (!rc)
		rc = f->start(ring, err);
	if (!rc)
		ring->format = f;
	return rc ? rc : kc_ref_inflight_start(ring, err);
}

int kc_ref_ring_start(struct kc_ref_ring *ring, struct kc_evfd *kick, struct kc_err *err)
{
	int rc = take_position(ring, err);

	if (rc) {
		kc_evfd_unref(kick);
		return rc;
	}
	replace(&ring->kick, kick);
	ring->signalled_valid = false;
	ring->no_notify = false;
	ring->dry = false;
	ring->broken = false;
	ring->why = NULL;
	ring->started = true;
	look(ring);	/* entries may be there already: VU-RING-START-03 */
	return 0;
}

void kc_ref_ring_stop(struct kc_ref_ring *ring)
{
	if (ring->started && !ring->broken)
		ring->format->leave(ring);
	ring->started = false;
	ring->look = false;
	kc_ref_inflight_stop(ring);
	replace(&ring->kick, NULL);	/* VU-MSG-GETBASE-05 */
}

void kc_ref_ring_enable(struct kc_ref_ring *ring, bool on)
{
	if (on && !ring->enabled)
		look(ring);	/* what came while it was disabled */
	ring->enabled = on;
}

void kc_ref_ring_set_kick(struct kc_ref_ring *ring, struct kc_evfd *kick)
{
	replace(&ring->kick, kick);
	look(ring);	/* a kick may still have been pending on the old one */
}

void kc_ref_ring_set_call(struct kc_ref_ring *ring, struct kc_evfd *e)
{
	replace(&ring->call, e);
	if (ring->started)
		call(ring);	/* one on the old fd may never have been read: VU-MSG-CALL-02 */
}

void kc_ref_ring_set_err(struct kc_ref_ring *ring, struct kc_evfd *e)
{
	replace(&ring->err, e);
}

int kc_ref_ring_set_addr(struct kc_ref_ring *ring, const struct kc_ref_vring_addr *addr,
			 struct kc_err *err)
{
	struct kc_ref_vring at;
	uint32_t size = ring->size ? ring->size : 1;	/* not set: the start checks it in full */
	int rc = translate(ring, addr, size, &at, err);

	if (rc)
		return rc;
	ring->addr = *addr;
	ring->have_addr = true;
	if (ring->started)
		ring->at = at;
	look(ring);
	return 0;
}

void kc_ref_ring_remap(struct kc_ref_ring *ring)
{
	if (!ring->started || ring->broken)
		return;
	if (translate(ring, &ring->addr, ring->size, &ring->at, NULL))
		ring_error(ring, "the ring is no longer inside guest memory");
	look(ring);
}

void kc_ref_ring_event_idx_changed(struct kc_ref_ring *ring)
{
	ring->signalled_valid = false;
	look(ring);	/* say in the new way which kicks we want */
}

bool kc_ref_ring_wanted(const struct kc_ref_ring *ring)
{
	struct kc_ref *r = ring->ref;

	if (r->device->ready && !r->device->ready(r, ring->qi))
		return false;
	return ring->look || !ring->kick;
}

static struct kc_ref_next get_next(const struct kc_ref_ring *ring)
{
	return (struct kc_ref_next){ ring->split.avail_idx, ring->packed.avail };
}

static void set_next(struct kc_ref_ring *ring, struct kc_ref_next next)
{
	ring->split.avail_idx = next.avail_idx;
	ring->packed.avail = next.avail;
}

/* Is there more than at the last look? What has not been enough is nothing new. */
static bool more_pending(struct kc_ref_ring *ring)
{
	struct kc_ref_next here = get_next(ring);
	bool more;

	if (ring->dry)
		set_next(ring, ring->behind);
	more = ring->format->pending(ring);
	set_next(ring, here);
	return more;
}

bool kc_ref_ring_due(struct kc_ref_ring *ring)
{
	uint64_t n;

	if (!kc_ref_ring_active(ring))
		return false;
	if (ring->kick && kc_evfd_read(ring->kick, &n) == 0)
		ring->look = true;
	if (!kc_ref_ring_wanted(ring))
		return false;
	return ring->look || more_pending(ring);
}

/* With NOTIFY_ON_EMPTY suppression ends where the chains do (VIRTIO-LEGACY-DEV-01). */
static bool call_due(struct kc_ref_ring *ring)
{
	return ring->format->call_due(ring) ||
	       (kc_ref_has(ring->ref, VIRTIO_F_NOTIFY_ON_EMPTY) && !ring->format->pending(ring));
}

static void complete(struct kc_ref_ring *ring, const struct kc_ref_batch *b, unsigned n)
{
	ring->format->complete(ring, b, n);
	if (call_due(ring))
		call(ring);
}

void kc_ref_ring_publish(struct kc_ref_ring *ring)
{
	struct kc_ref_batch held = ring->held;

	ring->held = (struct kc_ref_batch){ 0 };
	if (held.chains)
		complete(ring, &held, 1);
}

/* May the driver learn of the newest chain together with the next one? Not if it is told less than
 * all that could be written: a chain without a used entry of its own counts as written in full
 * (VQ-SPLIT-INORDER-02). And not for long: a driver that has run out of room waits for us; nor if the
 * device has no use for the next chain, which may come late. */
static bool may_wait(const struct kc_ref_ring *ring, const struct kc_ref_chain *chain)
{
	struct kc_ref *r = ring->ref;

	return (!r->device->ready || r->device->ready(r, ring->qi)) &&
	       kc_ref_has(r, VIRTIO_F_IN_ORDER) && ring->held.len == chain->in.len &&
	       ring->held.chains < HELD_MAX && ring->held.slots < ring->size / 2 &&
	       ring->format->pending(ring);
}

static void done(struct kc_ref_ring *ring, const struct kc_ref_chain *chain, uint32_t len)
{
	kc_ref_log_buffers(ring->ref, &chain->in);	/* before the driver can learn of it */
	kc_ref_inflight_done(ring, chain->id);
	ring->held.chains++;
	ring->held.slots += chain->slots;
	ring->held.id = chain->id;
	ring->held.len = len;
	if (!may_wait(ring, chain))
		kc_ref_ring_publish(ring);
}

/* ---- several buffers at once ---- */

/* The chain that was fetched becomes the next one taken; -ENOSPC: it cannot. */
static int take_one(struct kc_ref_ring *ring)
{
	struct kc_ref_taken *t = &ring->ref->taken;
	const struct kc_ref_chain *chain = &ring->ref->chain;

	if (t->n == t->cap) {
		unsigned cap = t->cap ? 2 * t->cap : 16;
		struct kc_ref_batch *v = realloc(t->v, cap * sizeof(*v));

		if (!v)
			return -ENOSPC;
		t->v = v;
		t->cap = cap;
	}
	for (unsigned i = 0; i < chain->in.n; i++)
		if (kc_ref_sg_add(&t->in, chain->in.v[i].iov_base, chain->in.v[i].iov_len))
			return -ENOSPC;
	/* A chain may have 4 GiB, but nothing that is given comes near to that. */
	t->v[t->n++] = (struct kc_ref_batch){
		.chains = 1, .slots = chain->slots, .id = chain->id,
		.len = chain->in.len < UINT32_MAX ? (uint32_t)chain->in.len : UINT32_MAX,
	};
	ring->taken += chain->slots;
	return 1;
}

/* 1: one more was taken; 0: there is none, and the ring rests. */
static int take_next(struct kc_ref_ring *ring, const char **why)
{
	int rc;

	do {
		rc = ring->format->fetch(ring, &ring->ref->chain, why);
	} while (rc == 0 && ring->format->rest(ring));
	return rc > 0 ? take_one(ring) : rc;
}

int kc_ref_ring_take(struct kc_ref_ring *ring, uint64_t bytes, unsigned max)
{
	struct kc_ref_taken *t = &ring->ref->taken;
	struct kc_ref_next here = get_next(ring);
	const char *why = NULL;
	int rc;

	t->n = 0;
	kc_ref_sg_clear(&t->in);
	ring->dry = false;
	ring->look = true;	/* until it was found empty */
	ring->format->work(ring);
	do {
		rc = t->n < max ? take_next(ring, &why) : -ENOSPC;
	} while (rc > 0 && t->in.len < bytes);
	ring->taken = 0;
	if (rc > 0)
		return 1;
	ring->behind = get_next(ring);
	set_next(ring, here);
	if (rc == -EPROTO)
		ring_error(ring, why);
	if (rc == 0) {
		ring->look = false;
		ring->dry = true;
	}
	return rc;
}

/* With IN_ORDER one used entry stands for all: those before the last one were written in full. */
void kc_ref_ring_give(struct kc_ref_ring *ring, uint64_t bytes)
{
	struct kc_ref_taken *t = &ring->ref->taken;
	struct kc_ref_batch all = { 0 };

	for (unsigned i = 0; i < t->n; i++) {
		struct kc_ref_batch *b = &t->v[i];

		b->len = b->len < bytes ? b->len : (uint32_t)bytes;
		bytes -= b->len;
		all.chains++;
		all.slots += b->slots;
		all.id = b->id;
		all.len = b->len;
	}
	if (kc_ref_has(ring->ref, VIRTIO_F_IN_ORDER))
		complete(ring, &all, 1);
	else
		complete(ring, t->v, t->n);
}

void kc_ref_ring_serve(struct kc_ref_ring *ring)
{
	struct kc_ref *r = ring->ref;
	struct kc_ref_chain *chain = &r->chain;
	const char *why;
	int rc;

	if (r->device->supply && r->device->supply(r, ring->qi))
		return;
	rc = ring->format->fetch(ring, chain, &why);
	if (rc <= 0)
		kc_ref_ring_publish(ring);	/* there was more to come, and it went away */
	if (rc < 0) {
		ring_error(ring, why);
		return;
	}
	if (rc == 0) {
		ring->look = ring->format->rest(ring);
		return;
	}
	ring->look = true;	/* until it was found empty */
	ring->format->work(ring);
	done(ring, chain, ring->enabled ? r->device->process(r, ring->qi, chain) : 0);
}

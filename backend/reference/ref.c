// SPDX-License-Identifier: BSD-3-Clause
/*
 * The reference back-end: creation, session, and the choice of the next piece of work.
 *
 * Four layers, each knowing only the one below: requests (ref_control.c) act on rings (ref_ring.c),
 * rings know their layout (ref_split.c, ref_packed.c; ref_chain.c is what these share), the layout
 * knows memory (ref_mem.c). Devices (ref_blk.c, ref_rng.c, ...) see chains of bytes (ref_iov.c) and
 * nothing of rings. It is single-threaded and never blocks, but for files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ref_internal.h"

#define NS_PER_S	1000000000ll

static const struct kc_ref_device *const devices[] = {
	&kc_ref_blk,
	&kc_ref_loopback,
	&kc_ref_net,
	&kc_ref_rng,
	&kc_ref_scsi,
	&kc_ref_fs,
	&kc_ref_console,
	&kc_ref_vsock,
	&kc_ref_balloon,
};

/*
 * What every device has.
 *
 * NOTIFICATION_DATA and RING_RESET are kept by doing nothing: a kick is an eventfd, which carries
 * no data, and a queue is reset by GET_VRING_BASE and set up anew. The same holds for what a legacy
 * driver takes, one without VERSION_1: its rings have the guest's byte order, and guests here are
 * little-endian; ANY_LAYOUT asks for what the framing rules of later devices demand anyway.
 */
static const uint64_t common_features =
	KC_BIT(VIRTIO_F_VERSION_1) | KC_BIT(VIRTIO_RING_F_INDIRECT_DESC) |
	KC_BIT(VIRTIO_RING_F_EVENT_IDX) | KC_BIT(VIRTIO_F_RING_PACKED) |
	KC_BIT(VIRTIO_F_IN_ORDER) | KC_BIT(VIRTIO_F_NOTIFICATION_DATA) |
	KC_BIT(VIRTIO_F_RING_RESET) | KC_BIT(VIRTIO_F_NOTIFY_ON_EMPTY) |
	KC_BIT(VIRTIO_F_ANY_LAYOUT) | KC_BIT(VHOST_F_LOG_ALL) |
	KC_BIT(KC_VU_F_PROTOCOL_FEATURES);

static const uint64_t protocol_features =
	KC_BIT(KC_PF_MQ) | KC_BIT(KC_PF_REPLY_ACK) | KC_BIT(KC_PF_CONFIG) |
	KC_BIT(KC_PF_RESET_DEVICE) | KC_BIT(KC_PF_STATUS) | KC_BIT(KC_PF_CONFIGURE_MEM_SLOTS) |
	KC_BIT(KC_PF_LOG_SHMFD) | KC_BIT(KC_PF_INFLIGHT_SHMFD);

static const struct kc_ref_device *find_device(const char *name)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (name && !strcmp(devices[i]->name, name))
			return devices[i];
	return NULL;
}

static int ref_init(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	const struct kc_ref_device *d = find_device(config->device);
	int rc;

	if (!d)
		return kc_err_set(err, -EINVAL, "the reference back-end has no device \"%s\"",
				  config->device ? config->device : "");
	r->nqueues = config->queues ? config->queues : d->queues;
	if (r->nqueues > KC_REF_QUEUES_MAX)
		return kc_err_set(err, -EINVAL, "%u queues, at most %u are possible", r->nqueues,
				  KC_REF_QUEUES_MAX);
	rc = d->open ? d->open(r, config, err) : 0;
	if (rc)
		return rc;
	r->device = d;
	r->features_offered = common_features & ~config->features_off;
	if (d->features)
		r->features_offered |= d->features(r, config->features_off);
	r->pf_offered = (protocol_features | (d->set_mtu ? KC_BIT(KC_PF_MTU) : 0)) & ~config->pf_off;
	r->gap_ns = config->requests_per_s ? NS_PER_S / config->requests_per_s : 0;
	for (unsigned qi = 0; qi < r->nqueues; qi++)
		kc_ref_ring_init(&r->rings[qi], r, qi);
	return 0;
}

struct kc_ref *kc_ref_new(const struct kc_ref_config *config, struct kc_err *err)
{
	struct kc_ref *r = calloc(1, sizeof(*r));

	if (!r) {
		kc_err_set(err, -ENOMEM, "no memory for the reference back-end");
		return NULL;
	}
	if (ref_init(r, config, err)) {
		free(r);
		return NULL;
	}
	return r;
}

void kc_ref_reset_device(struct kc_ref *r)
{
	for (unsigned qi = 0; qi < r->nqueues; qi++)
		kc_ref_ring_reset(&r->rings[qi]);
	r->features = 0;
	r->features_refused = false;
	r->status = 0;
	r->next = 0;
	if (r->device->reset)
		r->device->reset(r);
}

void kc_ref_publish(struct kc_ref *r)
{
	for (unsigned qi = 0; qi < r->nqueues; qi++)
		kc_ref_ring_publish(&r->rings[qi]);
}

void kc_ref_reset_session(struct kc_ref *r)
{
	kc_ref_publish(r);	/* the next session must not carry it out again */
	kc_ref_reset_device(r);
	r->pf = 0;
	kc_ref_log_fini(&r->log);
	kc_ref_inflight_fini(&r->inflight);
	kc_ref_mem_fini(&r->mem);
}

void kc_ref_free(struct kc_ref *r)
{
	if (!r)
		return;
	kc_ref_reset_session(r);
	if (r->device->close)
		r->device->close(r);
	kc_ref_sg_fini(&r->chain.out);
	kc_ref_sg_fini(&r->chain.in);
	kc_ref_sg_fini(&r->taken.in);
	free(r->taken.v);
	free(r);
}

void kc_ref_set_features(struct kc_ref *r, uint64_t features)
{
	uint64_t changed = r->features ^ features;

	r->features = features;
	if (r->device->negotiated)
		r->device->negotiated(r, changed);
	for (unsigned qi = 0; qi < r->nqueues; qi++) {
		/* VU-RING-ENABLE-02; with bit 30 a ring's enable state is left as it is. */
		if (!kc_ref_has(r, KC_VU_F_PROTOCOL_FEATURES))
			kc_ref_ring_enable(&r->rings[qi], true);
		if (changed & KC_BIT(VIRTIO_RING_F_EVENT_IDX))
			kc_ref_ring_event_idx_changed(&r->rings[qi]);
	}
}

void kc_ref_set_status(struct kc_ref *r, uint8_t status)
{
	if (status == 0) {
		kc_ref_reset_device(r);
		return;
	}
	/* Refused features show as FEATURES_OK not staying set (VIRTIO-FEAT-DEV-03). */
	if (r->features_refused)
		status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	/* The device's own bit is not the driver's to write. */
	r->status = status & (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
}

bool kc_ref_reply_ack(const struct kc_ref *r)
{
	return kc_ref_has_pf(r, KC_PF_REPLY_ACK);
}

void kc_ref_tell_time(struct kc_ref *r, int64_t now_ns)
{
	r->now_ns = now_ns;
}

int64_t kc_ref_wake_ns(const struct kc_ref *r)
{
	return r->wake_ns;
}

/* Too early for more work? */
static bool throttled(struct kc_ref *r)
{
	if (r->now_ns >= r->free_ns)
		return false;
	r->wake_ns = r->free_ns;
	return true;
}

/* Whoever is late by less than a gap catches up; a pause earns nothing. */
static void take_time(struct kc_ref *r)
{
	bool in_time = r->now_ns - r->free_ns < r->gap_ns;

	r->free_ns = (in_time ? r->free_ns : r->now_ns) + r->gap_ns;
}

int kc_ref_step(struct kc_ref *r)
{
	bool arrived = r->device->arrival && r->device->arrival(r);

	r->wake_ns = 0;
	for (unsigned i = 0; i < r->nqueues; i++) {
		struct kc_ref_ring *ring = &r->rings[(r->next + i) % r->nqueues];

		if (!kc_ref_ring_due(ring))
			continue;
		if (throttled(r))
			return arrived;
		take_time(r);
		r->next = (ring->qi + 1) % r->nqueues;	/* no ring starves another */
		kc_ref_ring_serve(ring);
		return 1;
	}
	return arrived;
}

/* What comes from outside, by a descriptor; -1: nothing. */
static int arrival_fd(struct kc_ref *r)
{
	return r->device->arrival_fd ? r->device->arrival_fd(r) : -1;
}

unsigned kc_ref_pollfds(struct kc_ref *r, int *fds, unsigned cap, bool *busy)
{
	unsigned n = 0;

	*busy = false;
	if (arrival_fd(r) >= 0 && n < cap)
		fds[n++] = arrival_fd(r);
	for (unsigned qi = 0; qi < r->nqueues; qi++) {
		const struct kc_ref_ring *ring = &r->rings[qi];

		/* The kick of a ring that is not processed may be readable for long. */
		if (!kc_ref_ring_active(ring))
			continue;
		if (kc_ref_ring_wanted(ring) || n == cap)
			*busy = true;
		else if (ring->kick && kc_evfd_fd(ring->kick) >= 0)
			fds[n++] = kc_evfd_fd(ring->kick);
	}
	return n;
}

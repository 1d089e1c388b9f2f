/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's life cycle.
 *
 * Theory of operation: the device status only ever gains bits, one step at a time; a reset is the
 * only way back. What the driver accepts is a function of what is offered, what the scenario wants
 * and what this driver has code for, so that a feature that nobody here understands is never
 * accepted, whatever a script says. The messages behind each status write are the VMM's.
 */
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <guest_model/driver.h>

#define BIT(n)	(1ull << (n))

/* Newer than some distributions' headers. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET 40
#endif

static const uint64_t ring_features =
	BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |
	BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_F_NOTIFICATION_DATA) |
	BIT(VIRTIO_F_RING_RESET) | BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT(VIRTIO_F_ANY_LAYOUT);

/* Bits that mean nothing without another one, or one of several. In this order, since what is needed may
 * need something itself. */
static const struct prerequisite {
	uint32_t virtio_id;
	unsigned bit;
	uint64_t one_of;
} prerequisites[] = {
	{ VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_TSO4, BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_TSO6, BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_UFO, BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_ECN,
	  BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_HOST_TSO4, BIT(VIRTIO_NET_F_CSUM) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_HOST_TSO6, BIT(VIRTIO_NET_F_CSUM) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_HOST_UFO, BIT(VIRTIO_NET_F_CSUM) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_HOST_ECN,
	  BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_CTRL_RX, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_CTRL_RX_EXTRA, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_CTRL_VLAN, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_CTRL_MAC_ADDR, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_GUEST_ANNOUNCE, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_MQ, BIT(VIRTIO_NET_F_CTRL_VQ) },
	{ VIRTIO_ID_NET, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, BIT(VIRTIO_NET_F_CTRL_VQ) },
};

uint64_t kc_driver_understood(const struct kc_port_ops *port)
{
	return ring_features | (port ? port->features : 0);
}

uint64_t kc_driver_select(uint64_t offered, uint64_t wanted, const struct kc_port_ops *port)
{
	uint64_t accepted = offered & wanted & kc_driver_understood(port);

	for (unsigned i = 0; i < sizeof(prerequisites) / sizeof(*prerequisites); i++) {
		const struct prerequisite *p = &prerequisites[i];

		if (port && port->virtio_id == p->virtio_id && !(accepted & p->one_of))
			accepted &= ~BIT(p->bit);
	}
	return accepted & ~BIT(KC_VU_F_PROTOCOL_FEATURES);
}

/* One status write; on failure the VMM's sentence goes to err with what the driver was about. */
static enum kc_outcome write_status(struct kc_vmm *v, uint8_t status, const char *step,
				    struct kc_err *err)
{
	enum kc_outcome o = kc_vmm_set_status(v, status);

	if (o == KC_OUT_OK)
		return o;
	if (err && err != &v->err)
		*err = v->err;
	kc_err_wrap(err, 0, "device status, %s", step);
	return o;
}

enum kc_outcome kc_driver_reset(struct kc_vmm *v, struct kc_err *err)
{
	enum kc_outcome o = write_status(v, 0, "reset", err);

	if (o == KC_OUT_OK && v->status) {
		kc_err_set(err, 0, "device status after a reset: expected 0, actual 0x%02x",
			   v->status);
		o = KC_OUT_REFUSED;
	}
	return o;
}

enum kc_outcome kc_driver_fail(struct kc_vmm *v)
{
	return kc_vmm_set_status(v, v->status | VIRTIO_CONFIG_S_FAILED);
}

/* Also the re-read: the VMM says refused if the bit did not stay. */
static enum kc_outcome offer_features(struct kc_vmm *v, struct kc_err *err)
{
	enum kc_outcome o =
		write_status(v, v->status | VIRTIO_CONFIG_S_FEATURES_OK, "FEATURES_OK", err);

	if (o == KC_OUT_OK && !(v->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		kc_err_set(err, 0,
			   "the device cleared FEATURES_OK: it does not take features 0x%llx",
			   (unsigned long long)v->driver_features);
		o = KC_OUT_REFUSED;
	}
	return o;
}

enum kc_outcome kc_driver_init_device(struct kc_vmm *v, uint64_t wanted,
				      const struct kc_port_ops *port, struct kc_err *err)
{
	struct kc_err kept;
	enum kc_outcome o = v->status ? kc_driver_reset(v, err) : KC_OUT_OK;

	if (o == KC_OUT_OK)
		o = write_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE, "ACKNOWLEDGE", err);
	if (o == KC_OUT_OK)
		o = write_status(v, v->status | VIRTIO_CONFIG_S_DRIVER, "DRIVER", err);
	if (o != KC_OUT_OK)
		return o;
	v->driver_features = kc_driver_select(v->device_features, wanted, port);
	o = offer_features(v, err);
	if (o != KC_OUT_REFUSED)
		return o;
	/* Giving up writes to the device once more; the reason must outlive that. */
	kept = err ? *err : v->err;
	kc_driver_fail(v);
	*(err ? err : &v->err) = kept;
	return o;
}

enum kc_outcome kc_driver_ok(struct kc_vmm *v)
{
	if (!(v->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		kc_err_set(&v->err, 0, "DRIVER_OK without FEATURES_OK");
		return KC_OUT_FAULT;
	}
	return kc_vmm_set_status(v, v->status | VIRTIO_CONFIG_S_DRIVER_OK);
}

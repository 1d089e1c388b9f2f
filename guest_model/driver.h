/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_DRIVER_H
#define GUEST_MODEL_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <guest_model/port.h>
#include <sim/vmm.h>

/*
 * The driver's life cycle over the VMM's registers: reset, ACKNOWLEDGE, DRIVER, features,
 * FEATURES_OK, (queues and device set-up by the caller), DRIVER_OK (VIRTIO-INIT-DRV-01).
 *
 * Functions return the outcome of the first status write that did not succeed, with a sentence in
 * err (which may be NULL, or &v->err).
 */

/* Feature bits that a driver with this port understands: the port's own and those of the rings.
 * port may be NULL. */
uint64_t kc_driver_understood(const struct kc_port_ops *port);
/*
 * What the driver accepts: offered, wanted and understood, without bits whose prerequisite is not
 * accepted (VIRTIO-FEAT-DRV-01, -02, -04). Bit 30 is the VMM's business and never among them.
 */
uint64_t kc_driver_select(uint64_t offered, uint64_t wanted, const struct kc_port_ops *port);

/*
 * From connected to FEATURES_OK; v->driver_features holds what was accepted. A device whose status
 * is not 0 is reset first: bits cannot be taken back otherwise (VIRTIO-STATUS-DRV-02, -03). When
 * the device refuses, the driver sets FAILED and the outcome is KC_OUT_REFUSED.
 */
enum kc_outcome kc_driver_init_device(struct kc_vmm *v, uint64_t wanted,
				      const struct kc_port_ops *port, struct kc_err *err);
/* DRIVER_OK; KC_OUT_FAULT if FEATURES_OK is not set (v->err says so). */
enum kc_outcome kc_driver_ok(struct kc_vmm *v);
/* Status 0; done when it reads 0 (VIRTIO-RESET-DRV-01), else KC_OUT_REFUSED. */
enum kc_outcome kc_driver_reset(struct kc_vmm *v, struct kc_err *err);
/* The driver gives up: FAILED beside the bits that are set (VIRTIO-INIT-DRV-04). */
enum kc_outcome kc_driver_fail(struct kc_vmm *v);

#endif

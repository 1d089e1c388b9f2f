/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_CHANNEL_OPS_H
#define BACKEND_CHANNEL_OPS_H

#include <backend/channel.h>

/* What a kind of channel provides; see channel.h for the contract of each. */
struct kc_channel_ops {
	void (*free)(struct kc_channel *c);
	int (*send)(struct kc_channel *c, const uint8_t *buf, size_t len,
		    const struct kc_handle *handles, unsigned nhandles);
	ssize_t (*recv)(struct kc_channel *c, void *buf, size_t len, struct kc_handle *handles,
			unsigned cap, unsigned *nhandles, unsigned *nlost);
	int (*fd)(const struct kc_channel *c);
	bool (*readable)(const struct kc_channel *c);
};

/* First member of every kind. */
struct kc_channel {
	const struct kc_channel_ops *ops;
};

/* Handles that one send may carry: the kernel's own limit (SCM_MAX_FD). */
#define KC_CHANNEL_HANDLES_MAX	253u

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_VHOST_USER_H
#define BACKEND_VHOST_USER_H

#include <kickcall/backend.h>
#include <backend/framing.h>

/*
 * The front-end's role on a channel, for all adapters whose requests travel as bytes. Their private
 * data begins with a struct kc_vhost_user, and their ops table takes the four functions below.
 */
struct kc_vhost_user {
	struct kc_channel *ch;		/* NULL: no session */
	struct kc_framer framer;
	bool ended;			/* KC_EV_CLOSED has been reported */
};

/* Begins a session on ch, which it takes. */
void kc_vhost_user_start(struct kc_vhost_user *vu, struct kc_channel *ch);
/* Ends it, if there is one. */
void kc_vhost_user_stop(struct kc_vhost_user *vu);

int kc_vhost_user_submit(struct kc_backend *be, const struct kc_msg *m);
/* KC_EV_GARBLED leaves the message, as far as it could be told, in ev->msg; after it, or after
 * KC_EV_CLOSED, a stream that has no more messages gives -EPROTO or -EPIPE. */
int kc_vhost_user_next_event(struct kc_backend *be, struct kc_event *ev);
int kc_vhost_user_send_raw(struct kc_backend *be, const void *buf, size_t len,
			   const struct kc_handle *handles, unsigned nhandles);
int kc_vhost_user_pollfd(struct kc_backend *be);

#define KC_VHOST_USER_OPS \
	.submit = kc_vhost_user_submit, \
	.next_event = kc_vhost_user_next_event, \
	.send_raw = kc_vhost_user_send_raw, \
	.pollfd = kc_vhost_user_pollfd

#endif

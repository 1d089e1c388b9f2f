/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front-end's role: encode and send, reassemble and decode. It judges nothing but what makes a
 * message a message; whether a reply was due, and is the right one, is for those above to say.
 */
#include <errno.h>
#include <string.h>
#include <backend/vhost_user.h>

static struct kc_vhost_user *vu_of(struct kc_backend *be)
{
	return be->priv;
}

void kc_vhost_user_start(struct kc_vhost_user *vu, struct kc_channel *ch)
{
	vu->ch = ch;
	vu->ended = false;
	kc_framer_init(&vu->framer, ch, true);
}

void kc_vhost_user_stop(struct kc_vhost_user *vu)
{
	if (!vu->ch)
		return;
	kc_framer_fini(&vu->framer);
	kc_channel_free(vu->ch);
	vu->ch = NULL;
}

int kc_vhost_user_send_raw(struct kc_backend *be, const void *buf, size_t len,
			   const struct kc_handle *handles, unsigned nhandles)
{
	struct kc_vhost_user *vu = vu_of(be);
	int ret;

	if (!vu->ch)
		return -EPIPE;
	ret = kc_channel_send(vu->ch, buf, len, handles, nhandles);
	/* a simulated eventfd for another process: the harness' fault, not a missing ability */
	return ret == -ENOTSUP ? -EBADF : ret;
}

int kc_vhost_user_submit(struct kc_backend *be, const struct kc_msg *m)
{
	uint8_t buf[KC_VU_HDR_BYTES + KC_VU_PAYLOAD_MAX];
	int n = kc_msg_encode(m, buf, sizeof(buf));

	return n < 0 ? n : kc_vhost_user_send_raw(be, buf, n, m->handles, m->nhandles);
}

int kc_vhost_user_next_event(struct kc_backend *be, struct kc_event *ev)
{
	struct kc_vhost_user *vu = vu_of(be);

	ev->kind = KC_EV_NONE;
	if (!vu->ch || vu->ended)
		return -EPIPE;
	if (vu->framer.broken)
		return -EPROTO;
	switch (kc_framer_read(&vu->framer, &ev->msg, &ev->err)) {
	case KC_FRAME_NONE:
		return 0;
	case KC_FRAME_MESSAGE:
		ev->kind = KC_EV_MESSAGE;
		return 1;
	case KC_FRAME_CUT:
		vu->ended = true;
		/* fall through */
	case KC_FRAME_UNKNOWN:
	case KC_FRAME_MALFORMED:
	case KC_FRAME_BROKEN:
		ev->kind = KC_EV_GARBLED;
		return 1;
	case KC_FRAME_CLOSED:
		vu->ended = true;
		ev->kind = KC_EV_CLOSED;
		return 1;
	case KC_FRAME_ERROR:
		break;
	}
	return -EIO;
}

int kc_vhost_user_pollfd(struct kc_backend *be)
{
	struct kc_vhost_user *vu = vu_of(be);

	return vu->ch ? kc_channel_fd(vu->ch) : -1;
}

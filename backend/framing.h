/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_FRAMING_H
#define BACKEND_FRAMING_H

#include <backend/channel.h>
#include <kickcall/message.h>

/*
 * Cuts a byte stream into messages (VU-HDR-06): they may come in any pieces. Never takes a byte of
 * the next message, so that handles stay with the message that brought them.
 */
struct kc_framer {
	struct kc_channel *ch;		/* borrowed */
	bool replies;			/* decode as replies */
	uint8_t buf[KC_VU_HDR_BYTES + KC_VU_PAYLOAD_MAX];
	size_t have;			/* bytes in buf */
	struct kc_handle handles[KC_VU_FDS_MAX];
	unsigned nhandles, nlost;
	bool broken;			/* no message can be told any more */
};

enum kc_frame {
	KC_FRAME_NONE,		/* the message is not complete yet */
	KC_FRAME_MESSAGE,	/* *m is filled */
	KC_FRAME_UNKNOWN,	/* the same, its number is unknown; the payload is opaque */
	KC_FRAME_MALFORMED,	/* the same, payload or handles do not fit; the stream is sound */
	KC_FRAME_BROKEN,	/* the header makes no sense: no later message can be told */
	KC_FRAME_CLOSED,	/* end of the stream */
	KC_FRAME_CUT,		/* end of the stream in the middle of a message */
	KC_FRAME_ERROR,		/* the machine's fault */
};

void kc_framer_init(struct kc_framer *f, struct kc_channel *ch, bool replies);
void kc_framer_fini(struct kc_framer *f);	/* closes handles that wait; not the channel */
/* Reads what is there. *m is initialised in every case, and the caller's; err is set from
 * KC_FRAME_UNKNOWN on. */
enum kc_frame kc_framer_read(struct kc_framer *f, struct kc_msg *m, struct kc_err *err);

#endif

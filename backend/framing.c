/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the header, then exactly the payload that it announces. A header of the wrong version, or
 * one that announces more than any message has, leaves no way to find the next message, so the
 * stream counts as broken from there on (VU-HDR-05).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <backend/framing.h>

void kc_framer_init(struct kc_framer *f, struct kc_channel *ch, bool replies)
{
	memset(f, 0, sizeof(*f));
	f->ch = ch;
	f->replies = replies;
}

void kc_framer_fini(struct kc_framer *f)
{
	while (f->nhandles)
		kc_handle_close(&f->handles[--f->nhandles]);
}

static void peek_header(const struct kc_framer *f, uint32_t hdr[3])
{
	memcpy(hdr, f->buf, KC_VU_HDR_BYTES);
}

/* Bytes of the message as far as it is known: the header, or all of it. */
static size_t wanted(const struct kc_framer *f)
{
	uint32_t hdr[3];

	if (f->have < KC_VU_HDR_BYTES)
		return KC_VU_HDR_BYTES;
	peek_header(f, hdr);
	return KC_VU_HDR_BYTES + hdr[2];
}

static int check_header(const struct kc_framer *f, struct kc_err *err)
{
	uint32_t hdr[3];
	const char *wrong = NULL;

	peek_header(f, hdr);
	if ((hdr[1] & KC_VU_VERSION_MASK) != KC_VU_VERSION)
		wrong = "the version is not 1";
	else if (hdr[2] > KC_VU_PAYLOAD_MAX)
		wrong = "no message has so large a payload";
	if (!wrong)
		return 0;
	return kc_err_set(err, -EPROTO, "header {request %" PRIu32 ", flags 0x%" PRIx32
			  ", size %" PRIu32 "}: %s", hdr[0], hdr[1], hdr[2], wrong);
}

/* Reads until a whole message is in buf. */
static enum kc_frame fill(struct kc_framer *f, struct kc_err *err)
{
	while (f->have < wanted(f)) {
		bool in_header = f->have < KC_VU_HDR_BYTES;
		ssize_t n = kc_channel_recv(f->ch, f->buf + f->have, wanted(f) - f->have,
					    f->handles, KC_VU_FDS_MAX, &f->nhandles, &f->nlost);

		if (n == -EAGAIN)
			return KC_FRAME_NONE;
		if (n < 0) {
			kc_err_set(err, n, "receiving: %s", strerror(-n));
			return KC_FRAME_ERROR;
		}
		if (!n && f->have) {
			kc_err_set(err, 0, "the stream ends %zu bytes into a message", f->have);
			return KC_FRAME_CUT;
		}
		if (!n) {
			kc_err_set(err, 0, "end of the stream");
			return KC_FRAME_CLOSED;
		}
		f->have += n;
		if (in_header && f->have >= KC_VU_HDR_BYTES && check_header(f, err)) {
			f->broken = true;
			return KC_FRAME_BROKEN;
		}
	}
	return KC_FRAME_MESSAGE;
}

static enum kc_frame decode(struct kc_framer *f, struct kc_msg *m, struct kc_err *err)
{
	int ret = kc_msg_decode(m, f->buf, f->have, f->replies, err);
	unsigned lost = f->nlost;

	memcpy(m->handles, f->handles, f->nhandles * sizeof(f->handles[0]));
	m->nhandles = f->nhandles;
	f->have = 0;
	f->nhandles = 0;
	f->nlost = 0;
	if (!ret && lost) {
		kc_err_set(err, 0, "request %" PRIu32 " came with %u file descriptors", m->id,
			   m->nhandles + lost);
		return KC_FRAME_MALFORMED;
	}
	if (!ret)
		return KC_FRAME_MESSAGE;
	return ret == -EINVAL ? KC_FRAME_UNKNOWN : KC_FRAME_MALFORMED;
}

enum kc_frame kc_framer_read(struct kc_framer *f, struct kc_msg *m, struct kc_err *err)
{
	enum kc_frame frame;

	kc_msg_init(m, 0);
	if (f->broken) {
		kc_err_set(err, 0, "no message can be told after a broken header");
		return KC_FRAME_BROKEN;
	}
	frame = fill(f, err);
	return frame == KC_FRAME_MESSAGE ? decode(f, m, err) : frame;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user server around the reference back-end.
 *
 * Messages come before ring work, so that the control plane answers however busy the rings are. An
 * ack is sent after the request took effect, so it is a barrier (VU-MSG-REPLYACK-04). A request
 * whose payload or descriptors do not fit its number never reaches the reference: it gets a
 * non-zero ack where one is due, and otherwise the only other error signal that the protocol has,
 * a closed connection.
 *
 * kc_server_run sleeps in poll(2) on the channel, on the kicks of the rings that are processed, and on
 * what the device receives from (a tap).
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <backend/framing.h>
#include <backend/process.h>
#include <backend/server.h>

#define KICKS_MAX	65u	/* and a tap */
#define STEPS_PER_POLL	64	/* so that stop_fd is seen under load */
#define NACK		1

struct kc_server {
	struct kc_ref *ref;		/* borrowed */
	struct kc_channel *ch;
	struct kc_framer framer;
};

struct kc_server *kc_server_new(struct kc_ref *ref, struct kc_channel *ch, struct kc_err *err)
{
	struct kc_server *s = calloc(1, sizeof(*s));

	if (!s) {
		kc_channel_free(ch);
		kc_err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	s->ref = ref;
	s->ch = ch;
	kc_framer_init(&s->framer, ch, false);
	return s;
}

void kc_server_free(struct kc_server *s)
{
	if (!s)
		return;
	kc_framer_fini(&s->framer);
	kc_channel_free(s->ch);
	free(s);
}

static bool wants_ack(const struct kc_msg *req)
{
	const struct kc_msg_row *row = kc_msg_row(req->id);

	return req->flags & KC_VU_NEED_REPLY && (!row || row->reply_rule == KC_REPLY_ACK);
}

static int ack(struct kc_msg *answer, uint32_t id, uint64_t value)
{
	kc_msg_fini(answer);
	kc_msg_init(answer, id);
	answer->payload = KC_PL_U64;
	answer->u64 = value;
	answer->flags = KC_VU_VERSION | KC_VU_REPLY;
	return 1;
}

int kc_server_answer(struct kc_ref *ref, struct kc_msg *req, struct kc_msg *answer)
{
	bool wanted = wants_ack(req), acks = kc_ref_reply_ack(ref);
	uint32_t id = req->id;
	struct kc_err err;

	kc_msg_init(answer, id);
	switch (kc_ref_request(ref, req, answer, &err)) {
	case KC_REF_REPLY:
		answer->id = id;
		answer->flags = KC_VU_VERSION | KC_VU_REPLY;
		return 1;
	case KC_REF_CLOSE:
		return -EPIPE;
	case KC_REF_DONE:
		/* the request that switches acks on or off is acked too */
		return wanted && (acks || kc_ref_reply_ack(ref)) ? ack(answer, id, 0) : 0;
	case KC_REF_REFUSED:
		return wanted && acks ? ack(answer, id, NACK) : 0;
	}
	return -EPIPE;
}

static int answer_malformed(struct kc_server *s, const struct kc_msg *req, struct kc_msg *answer)
{
	kc_msg_init(answer, req->id);
	if (wants_ack(req) && kc_ref_reply_ack(s->ref))
		return ack(answer, req->id, NACK);
	return -EPIPE;
}

static int send_answer(struct kc_server *s, const struct kc_msg *answer)
{
	uint8_t buf[KC_VU_HDR_BYTES + KC_VU_PAYLOAD_MAX];
	int n = kc_msg_encode(answer, buf, sizeof(buf));

	if (n < 0)
		return n;
	return kc_channel_send(s->ch, buf, n, answer->handles, answer->nhandles);
}

/* Carries out req, or only answers it; takes what it holds. 1, or -EPIPE. */
static int serve(struct kc_server *s, struct kc_msg *req, bool malformed)
{
	struct kc_msg answer;
	int ret = malformed ? answer_malformed(s, req, &answer)
			    : kc_server_answer(s->ref, req, &answer);

	/* a front-end that does not take its answers counts as gone */
	if (ret > 0 && send_answer(s, &answer))
		ret = -EPIPE;
	kc_msg_fini(&answer);
	kc_msg_fini(req);
	return ret < 0 ? -EPIPE : 1;
}

/* *look: there may be something on the channel; false once it was found empty. */
static int step(struct kc_server *s, bool *look)
{
	enum kc_frame frame;
	struct kc_msg req;

	if (!*look)
		return kc_ref_step(s->ref) > 0;
	frame = kc_framer_read(&s->framer, &req, NULL);
	switch (frame) {
	case KC_FRAME_NONE:
		*look = false;
		return kc_ref_step(s->ref) > 0;
	case KC_FRAME_MESSAGE:
	case KC_FRAME_UNKNOWN:
	case KC_FRAME_MALFORMED:
		return serve(s, &req, frame == KC_FRAME_MALFORMED);
	default:
		return -EPIPE;
	}
}

int kc_server_step(struct kc_server *s)
{
	bool look = kc_channel_readable(s->ch);

	return step(s, &look);
}

/* Sleeps until there may be something to do, or just looks: 1; 0 stop_fd is readable; -errno. */
static int wait_for_work(struct kc_server *s, int stop_fd, bool just_look, bool skip_kicks,
			 bool *message)
{
	struct pollfd pfds[2 + KICKS_MAX] = {
		{ .fd = kc_channel_fd(s->ch), .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN },
	};
	int kicks[KICKS_MAX];
	bool busy = false;
	unsigned n = kc_ref_pollfds(s->ref, kicks, KICKS_MAX, &busy);

	if (skip_kicks)
		n = 0;
	for (unsigned i = 0; i < n; i++)
		pfds[2 + i] = (struct pollfd){ .fd = kicks[i], .events = POLLIN };
	if (poll(pfds, 2 + n, just_look ? 0 : busy || skip_kicks ? 1 : -1) < 0 && errno != EINTR)
		return -errno;
	*message = pfds[0].revents;
	return !pfds[1].revents;
}

int kc_server_run(struct kc_server *s, int stop_fd)
{
	bool idle_after_wake = false, look = true;

	for (;;) {
		int ret = 1, steps = 0, wait;

		kc_ref_tell_time(s->ref, kc_clock_ns());
		while (ret > 0 && steps++ < STEPS_PER_POLL)
			ret = step(s, &look);
		if (ret < 0)
			return 0;
		/* woken, and nothing was there: a kick that the reference does not read must not
		 * turn into a spin */
		idle_after_wake = !ret && steps == 1 && !idle_after_wake;
		wait = wait_for_work(s, stop_fd, ret > 0, idle_after_wake, &look);
		if (wait <= 0)
			return wait;
	}
}

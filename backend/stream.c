/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference back-end behind a simulated byte stream: the front-end's role on one end, the
 * server on the other, one after the other in one thread. When the server ends a session it gives
 * its end back, and the front-end reads the end of the stream, as it would from a socket.
 */
#include <errno.h>
#include <string.h>
#include <backend/adapters.h>
#include <backend/server.h>
#include <backend/vhost_user.h>

struct stream {
	struct kc_vhost_user vu;	/* must be first */
	struct kc_ref *ref;
	struct kc_server *server;	/* NULL: no session, or it has ended it */
};

static void end_session(struct stream *s)
{
	kc_server_free(s->server);
	s->server = NULL;
	kc_ref_reset_session(s->ref);
}

static int stream_open(struct kc_backend *be, struct kc_err *err)
{
	struct stream *s = be->priv;
	struct kc_channel *ends[2];
	int ret = kc_channel_sim_pair(ends);

	if (ret)
		return kc_err_set(err, ret, "simulated stream: %s", strerror(-ret));
	s->server = kc_server_new(s->ref, ends[1], err);
	if (!s->server) {
		kc_channel_free(ends[0]);
		return -ENOMEM;
	}
	kc_vhost_user_start(&s->vu, ends[0]);
	return 0;
}

static void stream_close(struct kc_backend *be)
{
	struct stream *s = be->priv;

	kc_vhost_user_stop(&s->vu);
	end_session(s);
}

static int stream_step(struct kc_backend *be)
{
	struct stream *s = be->priv;
	int ret;

	kc_ref_tell_time(s->ref, be->now_ns);
	ret = s->server ? kc_server_step(s->server) : 0;
	be->wake_ns = s->server ? kc_ref_wake_ns(s->ref) : 0;
	if (ret >= 0)
		return ret;
	end_session(s);
	return 1;
}

static void stream_free(struct kc_backend *be)
{
	struct stream *s = be->priv;

	kc_ref_free(s->ref);
	kc_backend_dealloc(be);
}

static const struct kc_backend_ops stream_ops = {
	.name = "stream",
	.caps = KC_CAP_STEP | KC_CAP_MESSAGES | KC_CAP_RECONNECT | KC_CAP_WRITES,
	.open = stream_open,
	.close = stream_close,
	KC_VHOST_USER_OPS,
	.step = stream_step,
	.free = stream_free,
};

struct kc_backend *kc_backend_new_stream(const struct kc_ref_config *config, struct kc_err *err)
{
	struct kc_backend *be = kc_backend_alloc(&stream_ops, sizeof(struct stream), err);
	struct stream *s;

	if (!be)
		return NULL;
	s = be->priv;
	s->ref = kc_ref_new(config, err);
	if (!s->ref) {
		kc_backend_dealloc(be);
		return NULL;
	}
	return be;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference back-end by function calls. A request is carried out inside submit; its reply or
 * ack waits in a list until it is asked for, so that those above see the same order of events as
 * with a socket. Only what has the shape of a request can be said this way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <backend/adapters.h>
#include <backend/server.h>

struct answer {
	struct answer *next;
	struct kc_msg msg;
};

struct inproc {
	struct kc_ref *ref;
	struct answer *first, **last;
	bool open;
	bool closed;		/* by the reference; reported after the answers before it */
	bool reported;
};

static void drop_answers(struct inproc *p)
{
	while (p->first) {
		struct answer *a = p->first;

		p->first = a->next;
		kc_msg_fini(&a->msg);
		free(a);
	}
	p->last = &p->first;
}

static int inproc_open(struct kc_backend *be, struct kc_err *err)
{
	struct inproc *p = be->priv;

	(void)err;
	p->open = true;
	p->closed = false;
	p->reported = false;
	return 0;
}

static void inproc_close(struct kc_backend *be)
{
	struct inproc *p = be->priv;

	p->open = false;
	drop_answers(p);
	kc_ref_reset_session(p->ref);
}

/* A copy with handles of its own, as if it had passed through a socket. */
static int copy_request(struct kc_msg *to, const struct kc_msg *m)
{
	*to = *m;
	for (unsigned i = 0; i < m->nhandles; i++) {
		to->handles[i] = kc_handle_dup(m->handles[i]);
		if (kc_handle_is_none(to->handles[i])) {
			to->nhandles = i;
			kc_msg_fini(to);
			return -EINVAL;
		}
	}
	return 0;
}

static bool expressible(const struct kc_msg *m)
{
	const struct kc_msg_row *row = kc_msg_row(m->id);

	return row && m->payload == row->request && !(m->flags & KC_VU_REPLY);
}

static int inproc_submit(struct kc_backend *be, const struct kc_msg *m)
{
	struct inproc *p = be->priv;
	struct kc_msg req;
	struct answer *a;
	int ret;

	if (!p->open || p->closed)
		return -EPIPE;
	if (!expressible(m))
		return -ENOTSUP;
	a = calloc(1, sizeof(*a));
	ret = a ? copy_request(&req, m) : -ENOMEM;
	if (ret) {
		free(a);
		return ret;
	}
	ret = kc_server_answer(p->ref, &req, &a->msg);
	kc_msg_fini(&req);
	if (ret > 0) {
		*p->last = a;
		p->last = &a->next;
		return 0;
	}
	kc_msg_fini(&a->msg);
	free(a);
	if (ret < 0) {
		p->closed = true;
		kc_ref_reset_session(p->ref);
	}
	return 0;
}

static int inproc_next_event(struct kc_backend *be, struct kc_event *ev)
{
	struct inproc *p = be->priv;
	struct answer *a = p->first;

	ev->kind = KC_EV_NONE;
	if (!p->open || p->reported)
		return -EPIPE;
	if (a) {
		ev->kind = KC_EV_MESSAGE;
		ev->msg = a->msg;
		p->first = a->next;
		if (!p->first)
			p->last = &p->first;
		free(a);
		return 1;
	}
	if (!p->closed)
		return 0;
	p->reported = true;
	ev->kind = KC_EV_CLOSED;
	return 1;
}

static int inproc_step(struct kc_backend *be)
{
	struct inproc *p = be->priv;
	int ret;

	kc_ref_tell_time(p->ref, be->now_ns);
	ret = kc_ref_step(p->ref);
	be->wake_ns = kc_ref_wake_ns(p->ref);
	return ret;
}

static int inproc_pollfd(struct kc_backend *be)
{
	(void)be;
	return -1;
}

static void inproc_free(struct kc_backend *be)
{
	struct inproc *p = be->priv;

	drop_answers(p);
	kc_ref_free(p->ref);
	kc_backend_dealloc(be);
}

static const struct kc_backend_ops inproc_ops = {
	.name = "in-process",
	.caps = KC_CAP_STEP | KC_CAP_RECONNECT | KC_CAP_WRITES,
	.open = inproc_open,
	.close = inproc_close,
	.submit = inproc_submit,
	.next_event = inproc_next_event,
	.step = inproc_step,
	.pollfd = inproc_pollfd,
	.free = inproc_free,
};

struct kc_backend *kc_backend_new_inproc(const struct kc_ref_config *config, struct kc_err *err)
{
	struct kc_backend *be = kc_backend_alloc(&inproc_ops, sizeof(struct inproc), err);
	struct inproc *p;

	if (!be)
		return NULL;
	p = be->priv;
	p->last = &p->first;
	p->ref = kc_ref_new(config, err);
	if (!p->ref) {
		kc_backend_dealloc(be);
		return NULL;
	}
	return be;
}

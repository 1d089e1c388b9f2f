/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The waiting on top of an adapter's submit and next_event, and the verdict on what came back.
 *
 * An exchange sends one request and, if the table says that an answer is due, waits for the next
 * message and holds it against the rules: right number, version, reply bit, and a payload of the
 * right shape (the decoder has seen to that). Anything else is KC_OUT_GARBLED. A closed connection
 * is looked at once more: the process behind it, if it is ours, may have died of it, and a moment
 * is given for that to show.
 *
 * How to wait is the harness' affair (virtual time in the simulator); a back-end that nobody gave
 * a wait function gets a plain one: step it until it is idle, or poll it until the deadline.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <kickcall/backend.h>
#include <backend/adapters.h>
#include <backend/process.h>

#define REPLY_TIMEOUT_NS	(5ll * 1000 * 1000 * 1000)
#define NAP_MS			100	/* a Ctrl-C just before poll(2) does not interrupt it */
#define EXIT_GRACE_NS		(200ll * 1000 * 1000)	/* from end of stream to visible death */

static const char *const outcome_names[] = {
	[KC_OUT_OK] = "ok",
	[KC_OUT_REFUSED] = "refused",
	[KC_OUT_UNSUPPORTED] = "unsupported",
	[KC_OUT_CLOSED] = "closed",
	[KC_OUT_EXITED] = "exited",
	[KC_OUT_TIMED_OUT] = "timed-out",
	[KC_OUT_DIED] = "died",
	[KC_OUT_GARBLED] = "garbled",
	[KC_OUT_FAULT] = "fault",
};

/* Own replies of one u64 that say how it went; bits that mean failure if not zero. */
static const struct {
	uint32_t id;
	uint64_t error_bits;
} status_replies[] = {
	{ KC_VU_IOTLB_MSG, UINT64_MAX },
	{ KC_VU_POSTCOPY_END, UINT64_MAX },
	{ KC_VU_SET_DEVICE_STATE_FD, 0xff },
	{ KC_VU_CHECK_DEVICE_STATE, UINT64_MAX },
};

const char *kc_outcome_name(enum kc_outcome o)
{
	return (unsigned)o <= KC_OUT_FAULT ? outcome_names[o] : "?";
}

struct kc_backend *kc_backend_alloc(const struct kc_backend_ops *ops, size_t priv_bytes,
				    struct kc_err *err)
{
	struct kc_backend *be = calloc(1, sizeof(*be));
	void *priv = calloc(1, priv_bytes);

	if (!be || !priv) {
		free(be);
		free(priv);
		kc_err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	be->ops = ops;
	be->caps = ops->caps;
	be->priv = priv;
	be->reply_timeout_ns = REPLY_TIMEOUT_NS;
	return be;
}

void kc_backend_dealloc(struct kc_backend *be)
{
	free(be->priv);
	free(be);
}

/* ret and status as kc_process_reap gives them. Returns whether the process still runs. */
static bool note_exit(struct kc_backend *be, int ret, int status)
{
	if (!ret)
		return true;
	be->exited = true;
	be->exit_status = ret > 0 ? status : 0;
	return false;
}

bool kc_backend_running(struct kc_backend *be, int64_t timeout_ns)
{
	int status = 0, ret;

	if (be->pid <= 0 || be->exited)
		return false;
	ret = kc_process_reap(be->pid, timeout_ns, &status);
	return note_exit(be, ret, status);
}

void kc_backend_end_process(struct kc_backend *be, int signo)
{
	int status = 0, ret;

	if (be->pid <= 0 || be->exited)
		return;
	ret = kc_process_end(be->pid, signo, &status);
	note_exit(be, ret, status);
}

int kc_backend_open(struct kc_backend *be, struct kc_err *err)
{
	int ret;

	be->ops->close(be);
	be->reply_ack = false;
	be->connected = false;
	ret = be->ops->open(be, err);
	be->connected = !ret;
	return ret;
}

void kc_backend_close(struct kc_backend *be)
{
	be->ops->close(be);
	be->connected = false;
	be->reply_ack = false;
}

void kc_backend_free(struct kc_backend *be)
{
	if (!be)
		return;
	kc_backend_close(be);
	be->ops->free(be);
}

/* One event, fetched when the wait function asks whether it is there. */
struct pending {
	struct kc_backend *be;
	struct kc_event ev;
	int ret;		/* of next_event */
};

static bool event_is_there(void *arg)
{
	struct pending *p = arg;

	if (!p->ret)
		p->ret = p->be->ops->next_event(p->be, &p->ev);
	return p->ret;
}

static int wait_stepping(struct kc_backend *be, bool (*pred)(void *arg), void *arg)
{
	while (!pred(arg))
		if (be->ops->step(be) <= 0 && !pred(arg))
			return -EDEADLK;
	return 0;
}

static int wait_polling(struct kc_backend *be, bool (*pred)(void *arg), void *arg,
			int64_t timeout_ns)
{
	int64_t deadline = kc_clock_ns() + timeout_ns;

	while (!pred(arg)) {
		struct pollfd pfd = { .fd = be->ops->pollfd(be), .events = POLLIN };
		int ms = kc_poll_ms(deadline);

		if (!ms)
			return -ETIMEDOUT;
		if (kc_stop_waiting)
			return -EINTR;
		poll(&pfd, 1, pfd.fd < 0 ? 1 : ms < NAP_MS ? ms : NAP_MS);
	}
	return 0;
}

static int wait_for(struct kc_backend *be, bool (*pred)(void *arg), void *arg, int64_t timeout_ns)
{
	if (be->wait)
		return be->wait(be->wait_ctx, pred, arg, timeout_ns);
	if (be->ops->step)
		return wait_stepping(be, pred, arg);
	return wait_polling(be, pred, arg, timeout_ns);
}

/* The connection is gone: what has become of the process? */
static enum kc_outcome closed(struct kc_backend *be, struct kc_err *err)
{
	char how[64];

	be->connected = false;
	if (be->pid <= 0) {
		kc_err_set(err, 0, "the back-end closed the connection");
		return KC_OUT_CLOSED;
	}
	if (kc_backend_running(be, EXIT_GRACE_NS)) {
		kc_err_set(err, 0, "the back-end closed the connection; its process still runs");
		return KC_OUT_CLOSED;
	}
	kc_process_say_end(be->exit_status, how, sizeof(how));
	kc_err_set(err, 0, "the back-end %s", how);
	if (WIFSIGNALED(be->exit_status))
		return KC_OUT_DIED;
	return WEXITSTATUS(be->exit_status) ? KC_OUT_EXITED : KC_OUT_CLOSED;
}

static enum kc_outcome from_errno(struct kc_backend *be, int ret, const char *doing,
				  struct kc_err *err)
{
	switch (ret) {
	case -EPIPE:
		return closed(be, err);
	case -EPROTO:
		kc_err_set(err, 0, "no message can be told any more after the garbled one");
		return KC_OUT_GARBLED;
	case -ENOTSUP:
		kc_err_set(err, 0, "the %s adapter cannot express this request", be->ops->name);
		return KC_OUT_UNSUPPORTED;
	case -ETIMEDOUT:
		kc_err_set(err, 0, "the back-end does not read what it is sent");
		return KC_OUT_TIMED_OUT;
	}
	kc_err_set(err, 0, "%s: %s", doing, strerror(-ret));
	return KC_OUT_FAULT;
}

static enum kc_outcome waited(struct kc_backend *be, int ret, int64_t timeout_ns,
			      struct kc_err *err)
{
	if (ret == -EDEADLK)
		kc_err_set(err, 0, "no answer: nothing is left that could run");
	else if (ret == -ETIMEDOUT)
		kc_err_set(err, 0, "no answer within %" PRId64 " ms", timeout_ns / 1000000);
	else
		return from_errno(be, ret, "waiting for an answer", err);
	return KC_OUT_TIMED_OUT;
}

enum kc_outcome kc_backend_receive(struct kc_backend *be, struct kc_msg *reply, int64_t timeout_ns,
				   struct kc_err *err)
{
	struct pending p = { .be = be };
	int ret;

	kc_msg_init(reply, 0);
	if (!be->connected)
		return closed(be, err);
	ret = wait_for(be, event_is_there, &p, timeout_ns);
	/* what arrived in the last instant counts, whatever the wait says */
	if (!p.ret)
		return waited(be, ret, timeout_ns, err);
	if (p.ret < 0)
		return from_errno(be, p.ret, "receiving", err);
	switch (p.ev.kind) {
	case KC_EV_MESSAGE:
		*reply = p.ev.msg;
		if (be->watch)
			be->watch(be->watch_ctx, reply, false);
		return KC_OUT_OK;
	case KC_EV_GARBLED:
		if (be->watch && p.ev.msg.id)
			be->watch(be->watch_ctx, &p.ev.msg, false);
		kc_msg_fini(&p.ev.msg);
		kc_err_set(err, 0, "%s", p.ev.err.msg);
		return KC_OUT_GARBLED;
	case KC_EV_CLOSED:
		return closed(be, err);
	case KC_EV_NONE:
		break;
	}
	kc_err_set(err, 0, "the %s adapter gave an event of no kind", be->ops->name);
	return KC_OUT_FAULT;
}

/* Is this the reply to m that the rules ask for (VU-HDR-02, VU-HDR-03)? Other bits are unused: some
 * peers copy need_reply from the request. */
static enum kc_outcome check_form(const struct kc_msg *m, const struct kc_msg *reply,
				  struct kc_err *err)
{
	char text[256];

	kc_msg_print(reply, text, sizeof(text));
	if (reply->id != m->id)
		kc_err_set(err, 0, "request %" PRIu32 " was answered with %s", m->id, text);
	else if (!(reply->flags & KC_VU_REPLY))
		kc_err_set(err, 0, "the answer has no reply bit: %s", text);
	else if ((reply->flags & KC_VU_VERSION_MASK) != KC_VU_VERSION)
		kc_err_set(err, 0, "the answer's version is wrong: %s", text);
	else
		return KC_OUT_OK;
	return KC_OUT_GARBLED;
}

static enum kc_outcome refused(const struct kc_msg *reply, struct kc_err *err)
{
	const struct kc_msg_row *row = kc_msg_row(reply->id);

	kc_err_set(err, 0, "%s was refused with 0x%" PRIx64, row->name, reply->u64);
	return KC_OUT_REFUSED;
}

/* What does the answer say? */
static enum kc_outcome check_content(const struct kc_msg *m, const struct kc_msg *reply,
				     struct kc_err *err)
{
	if (kc_msg_row(m->id)->reply_rule == KC_REPLY_ACK)
		return reply->u64 ? refused(reply, err) : KC_OUT_OK;
	if (m->id == KC_VU_GET_CONFIG && !reply->config.size && m->config.size) {
		kc_err_set(err, 0, "GET_CONFIG was answered with an empty payload: an error");
		return KC_OUT_REFUSED;
	}
	for (size_t i = 0; i < sizeof(status_replies) / sizeof(status_replies[0]); i++)
		if (status_replies[i].id == m->id && reply->u64 & status_replies[i].error_bits)
			return refused(reply, err);
	return KC_OUT_OK;
}

static enum kc_outcome await_reply(struct kc_backend *be, const struct kc_msg *m,
				   struct kc_msg *reply, struct kc_err *err)
{
	enum kc_outcome out = kc_backend_receive(be, reply, be->reply_timeout_ns, err);

	if (out == KC_OUT_OK)
		out = check_form(m, reply, err);
	if (out == KC_OUT_OK)
		out = check_content(m, reply, err);
	return out;
}

enum kc_outcome kc_backend_exchange(struct kc_backend *be, const struct kc_msg *m,
				    struct kc_msg *reply, struct kc_err *err)
{
	const struct kc_msg_row *row = kc_msg_row(m->id);
	struct kc_msg mine, request = *m;	/* its handles are borrowed */
	enum kc_outcome out;
	int ret;

	if (!reply)
		reply = &mine;
	kc_msg_init(reply, 0);
	if (!be->connected)
		return closed(be, err);
	if (row && row->reply_rule == KC_REPLY_ACK && be->reply_ack)
		request.flags = (m->flags ? m->flags : KC_VU_VERSION) | KC_VU_NEED_REPLY;
	if (be->watch)
		be->watch(be->watch_ctx, &request, true);
	ret = be->ops->submit(be, &request);
	if (ret)
		return from_errno(be, ret, "sending", err);
	if (!row || (row->reply_rule == KC_REPLY_ACK && !be->reply_ack))
		return KC_OUT_OK;
	out = await_reply(be, &request, reply, err);
	if (reply == &mine)
		kc_msg_fini(&mine);
	return out;
}

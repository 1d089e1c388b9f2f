/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: backend/backend.c
 *
 * kc_backend_exchange against a back-end that answers whatever the test puts into its mouth.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/adapters.h>

struct fake {
	struct kc_event ev;		/* the next event, if kind is set */
	int next_ret;			/* -errno of next_event when there is none */
	int submit_ret;
	struct kc_msg sent;
	unsigned submits, opens, closes;
};

static int fake_open(struct kc_backend *be, struct kc_err *err)
{
	struct fake *f = be->priv;

	f->opens++;
	return f->opens > 1 ? kc_err_set(err, -ENOENT, "only once") : 0;
}

static void fake_close(struct kc_backend *be)
{
	((struct fake *)be->priv)->closes++;
}

static int fake_submit(struct kc_backend *be, const struct kc_msg *m)
{
	struct fake *f = be->priv;

	f->submits++;
	f->sent = *m;
	return f->submit_ret;
}

static int fake_next(struct kc_backend *be, struct kc_event *ev)
{
	struct fake *f = be->priv;

	if (f->ev.kind == KC_EV_NONE)
		return f->next_ret;
	*ev = f->ev;
	f->ev.kind = KC_EV_NONE;
	return 1;
}

static int fake_pollfd(struct kc_backend *be)
{
	(void)be;
	return -1;
}

static const struct kc_backend_ops fake_ops = {
	.name = "fake",
	.open = fake_open,
	.close = fake_close,
	.submit = fake_submit,
	.next_event = fake_next,
	.pollfd = fake_pollfd,
	.free = kc_backend_dealloc,
};

static int idle_step(struct kc_backend *be)
{
	(void)be;
	return 0;
}

static const struct kc_backend_ops fake_sim_ops = {
	.name = "fake-sim",
	.open = fake_open,
	.close = fake_close,
	.submit = fake_submit,
	.next_event = fake_next,
	.step = idle_step,
	.pollfd = fake_pollfd,
	.free = kc_backend_dealloc,
};

static struct kc_backend *new_fake(const struct kc_backend_ops *ops, struct fake **f)
{
	struct kc_backend *be = kc_backend_alloc(ops, sizeof(struct fake), NULL);

	assert_non_null(be);
	assert_int_equal(kc_backend_open(be, NULL), 0);
	*f = be->priv;
	be->reply_timeout_ns = 20 * 1000 * 1000;
	return be;
}

struct answer_row {
	uint32_t request;
	bool reply_ack;
	enum kc_event_kind kind;
	uint32_t id, flags;
	enum kc_payload payload;
	uint64_t u64;
	enum kc_outcome want;
	const char *said;		/* part of the sentence */
};

static const struct answer_row answers[] = {
	{ KC_VU_GET_FEATURES, false, KC_EV_MESSAGE, 1, 5, KC_PL_U64, 7, KC_OUT_OK, NULL },
	{ KC_VU_GET_FEATURES, true, KC_EV_MESSAGE, 1, 5, KC_PL_U64, 7, KC_OUT_OK, NULL },
	{ KC_VU_GET_FEATURES, true, KC_EV_MESSAGE, 1, 0xd, KC_PL_U64, 7, KC_OUT_OK, NULL },
	{ KC_VU_GET_FEATURES, false, KC_EV_MESSAGE, 2, 5, KC_PL_U64, 0,
	  KC_OUT_GARBLED, "answered with" },
	{ KC_VU_GET_FEATURES, false, KC_EV_MESSAGE, 1, 1, KC_PL_U64, 0,
	  KC_OUT_GARBLED, "reply bit" },
	{ KC_VU_GET_FEATURES, false, KC_EV_MESSAGE, 1, 6, KC_PL_U64, 0, KC_OUT_GARBLED, "version" },
	{ KC_VU_GET_FEATURES, false, KC_EV_GARBLED, 0, 0, KC_PL_NONE, 0,
	  KC_OUT_GARBLED, "rubbish" },
	{ KC_VU_GET_FEATURES, false, KC_EV_CLOSED, 0, 0, KC_PL_NONE, 0, KC_OUT_CLOSED, "closed" },
	{ KC_VU_SET_OWNER, true, KC_EV_MESSAGE, 3, 5, KC_PL_U64, 0, KC_OUT_OK, NULL },
	{ KC_VU_SET_OWNER, true, KC_EV_MESSAGE, 3, 5, KC_PL_U64, 5, KC_OUT_REFUSED, "0x5" },
	{ KC_VU_SET_OWNER, false, KC_EV_NONE, 0, 0, KC_PL_NONE, 0, KC_OUT_OK, NULL },
	{ KC_VU_POSTCOPY_END, false, KC_EV_MESSAGE, 30, 5, KC_PL_U64, 1, KC_OUT_REFUSED, "0x1" },
	{ KC_VU_SET_DEVICE_STATE_FD, false, KC_EV_MESSAGE, 42, 5, KC_PL_U64, 0x100,
	  KC_OUT_OK, NULL },
	{ KC_VU_SET_DEVICE_STATE_FD, false, KC_EV_MESSAGE, 42, 5, KC_PL_U64, 1,
	  KC_OUT_REFUSED, "0x1" },
	{ KC_VU_GET_CONFIG, false, KC_EV_MESSAGE, 24, 5, KC_PL_CONFIG, 0, KC_OUT_REFUSED, "empty" },
	{ KC_VU_SET_LOG_BASE, false, KC_EV_MESSAGE, 6, 5, KC_PL_NONE, 0, KC_OUT_OK, NULL },
	{ 99, true, KC_EV_NONE, 0, 0, KC_PL_NONE, 0, KC_OUT_OK, NULL },
};

static void check_answer(const struct answer_row *row)
{
	struct kc_msg m, reply;
	struct kc_backend *be;
	struct kc_err err = { "" };
	struct fake *f;

	be = new_fake(&fake_ops, &f);
	be->reply_ack = row->reply_ack;
	f->ev.kind = row->kind;
	kc_msg_init(&f->ev.msg, row->id);
	f->ev.msg.flags = row->flags;
	f->ev.msg.payload = row->payload;
	f->ev.msg.u64 = row->u64;
	strcpy(f->ev.err.msg, "rubbish");
	kc_msg_init(&m, row->request);
	m.config.size = 4;
	assert_int_equal(kc_backend_exchange(be, &m, &reply, &err), row->want);
	assert_int_equal(f->submits, 1);
	if (row->said)
		assert_non_null(strstr(err.msg, row->said));
	else
		assert_string_equal(err.msg, "");
	if (row->kind == KC_EV_MESSAGE)
		assert_int_equal(reply.u64, row->u64);
	assert_int_equal(be->connected, row->want != KC_OUT_CLOSED);
	kc_msg_fini(&reply);
	kc_backend_free(be);
}

static void answers_are_held_against_the_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		check_answer(&answers[i]);
}

static void only_requests_that_are_acked_ask_for_it(void **state)
{
	struct kc_backend *be;
	struct fake *f;
	struct kc_msg m;

	(void)state;
	be = new_fake(&fake_ops, &f);
	kc_msg_init(&m, KC_VU_SET_OWNER);
	assert_int_equal(kc_backend_exchange(be, &m, NULL, NULL), KC_OUT_OK);
	assert_false(f->sent.flags & KC_VU_NEED_REPLY);
	be->reply_ack = true;
	assert_int_equal(kc_backend_exchange(be, &m, NULL, NULL), KC_OUT_TIMED_OUT);
	assert_int_equal(f->sent.flags, KC_VU_VERSION | KC_VU_NEED_REPLY);
	assert_int_equal(m.flags, 0);
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	assert_int_equal(kc_backend_exchange(be, &m, NULL, NULL), KC_OUT_TIMED_OUT);
	assert_false(f->sent.flags & KC_VU_NEED_REPLY);
	kc_backend_free(be);
}

static void adapter_errors_have_their_outcomes(void **state)
{
	static const struct {
		int submit_ret, next_ret;
		enum kc_outcome want;
	} rows[] = {
		{ -EPIPE, 0, KC_OUT_CLOSED }, { -ENOTSUP, 0, KC_OUT_UNSUPPORTED },
		{ -EBADF, 0, KC_OUT_FAULT }, { -ETIMEDOUT, 0, KC_OUT_TIMED_OUT },
		{ 0, -EPIPE, KC_OUT_CLOSED }, { 0, -EPROTO, KC_OUT_GARBLED },
		{ 0, -EIO, KC_OUT_FAULT }, { 0, 0, KC_OUT_TIMED_OUT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kc_err err = { "" };
		struct kc_backend *be;
		struct fake *f;
		struct kc_msg m;

		be = new_fake(&fake_ops, &f);
		f->submit_ret = rows[i].submit_ret;
		f->next_ret = rows[i].next_ret;
		kc_msg_init(&m, KC_VU_GET_FEATURES);
		assert_int_equal(kc_backend_exchange(be, &m, NULL, &err), rows[i].want);
		assert_true(err.msg[0]);
		kc_backend_free(be);
	}
}

static void in_the_simulator_silence_is_proved_at_once(void **state)
{
	struct kc_backend *be;
	struct kc_err err;
	struct fake *f;
	struct kc_msg m;

	(void)state;
	be = new_fake(&fake_sim_ops, &f);
	be->reply_timeout_ns = INT64_MAX / 2;
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	assert_int_equal(kc_backend_exchange(be, &m, NULL, &err), KC_OUT_TIMED_OUT);
	assert_non_null(strstr(err.msg, "nothing is left"));
	kc_backend_free(be);
}

static int late_wait(void *ctx, bool (*pred)(void *arg), void *arg, int64_t timeout_ns)
{
	struct fake *f = ctx;

	(void)timeout_ns;
	assert_false(pred(arg));
	f->ev.kind = KC_EV_MESSAGE;
	assert_true(pred(arg));
	assert_true(pred(arg));		/* asked again, the event is still there */
	return -ETIMEDOUT;		/* and what has arrived counts */
}

static void the_harness_waits(void **state)
{
	struct kc_backend *be;
	struct kc_msg m, reply;
	struct fake *f;

	(void)state;
	be = new_fake(&fake_ops, &f);
	be->wait = late_wait;
	be->wait_ctx = f;
	kc_msg_init(&f->ev.msg, KC_VU_GET_FEATURES);
	f->ev.msg.flags = KC_VU_VERSION | KC_VU_REPLY;
	f->ev.msg.u64 = 42;
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	assert_int_equal(kc_backend_exchange(be, &m, &reply, NULL), KC_OUT_OK);
	assert_int_equal(reply.u64, 42);
	kc_backend_free(be);
}

static void watch_out(void *ctx, const struct kc_msg *m, bool out)
{
	char *log = ctx;
	size_t n = strlen(log);

	snprintf(log + n, 64 - n, "%s%u ", out ? ">" : "<", m->id);
}

static void the_watcher_sees_both_directions(void **state)
{
	char log[64] = "";
	struct kc_backend *be;
	struct fake *f;
	struct kc_msg m;

	(void)state;
	be = new_fake(&fake_ops, &f);
	be->watch = watch_out;
	be->watch_ctx = log;
	f->ev.kind = KC_EV_MESSAGE;
	kc_msg_init(&f->ev.msg, 7);
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	assert_int_equal(kc_backend_exchange(be, &m, NULL, NULL), KC_OUT_GARBLED);
	f->ev.kind = KC_EV_GARBLED;
	assert_int_equal(kc_backend_receive(be, &m, 1000, NULL), KC_OUT_GARBLED);
	assert_string_equal(log, ">1 <7 <7 ");
	kc_backend_free(be);
}

static void open_and_close_keep_the_books(void **state)
{
	struct kc_backend *be;
	struct kc_err err;
	struct fake *f;
	struct kc_msg m;

	(void)state;
	be = new_fake(&fake_ops, &f);
	assert_true(be->connected);
	be->reply_ack = true;
	kc_backend_close(be);
	assert_false(be->connected);
	assert_false(be->reply_ack);
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	assert_int_equal(kc_backend_exchange(be, &m, NULL, NULL), KC_OUT_CLOSED);
	assert_int_equal(f->submits, 0);
	assert_int_equal(kc_backend_open(be, &err), -ENOENT);
	assert_string_equal(err.msg, "only once");
	assert_false(be->connected);
	kc_backend_free(be);
	kc_backend_free(NULL);
}

static pid_t child(int status, int signo, bool runs)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (signo)
		kill(getpid(), signo);
	if (runs)
		pause();
	_exit(status);
}

/* A process of ours that ends so; the connection is found closed. */
static void how_it_ended(int status, int signo, bool runs, enum kc_outcome want, const char *said)
{
	pid_t pid = child(status, signo, runs);
	struct kc_err err = { "" };
	struct kc_backend *be;
	struct fake *f;
	struct kc_msg m;

	be = new_fake(&fake_ops, &f);
	be->pid = pid;
	f->ev.kind = KC_EV_CLOSED;
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	assert_int_equal(kc_backend_exchange(be, &m, NULL, &err), want);
	assert_non_null(strstr(err.msg, said));
	assert_int_equal(be->exited, !runs);
	if (runs) {
		kill(pid, SIGKILL);	/* it has no group of its own here */
		assert_false(kc_backend_running(be, 1000000000));
		assert_int_equal(WTERMSIG(be->exit_status), SIGKILL);
	}
	kc_backend_free(be);
}

static void a_closed_connection_is_looked_into(void **state)
{
	(void)state;
	how_it_ended(0, 0, false, KC_OUT_CLOSED, "status 0");
	how_it_ended(3, 0, false, KC_OUT_EXITED, "status 3");
	how_it_ended(0, SIGKILL, false, KC_OUT_DIED, "died of SIGKILL");
	how_it_ended(0, 0, true, KC_OUT_CLOSED, "still runs");
}

static void outcomes_have_names(void **state)
{
	(void)state;
	assert_string_equal(kc_outcome_name(KC_OUT_OK), "ok");
	assert_string_equal(kc_outcome_name(KC_OUT_FAULT), "fault");
	assert_string_equal(kc_outcome_name((enum kc_outcome)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_held_against_the_rules),
		cmocka_unit_test(only_requests_that_are_acked_ask_for_it),
		cmocka_unit_test(adapter_errors_have_their_outcomes),
		cmocka_unit_test(in_the_simulator_silence_is_proved_at_once),
		cmocka_unit_test(the_harness_waits),
		cmocka_unit_test(the_watcher_sees_both_directions),
		cmocka_unit_test(open_and_close_keep_the_books),
		cmocka_unit_test(a_closed_connection_is_looked_into),
		cmocka_unit_test(outcomes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

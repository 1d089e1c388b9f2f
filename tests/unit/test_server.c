/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user server: message boundaries and the rules of replies and acks, over a simulated
 * stream; and its loop, over a socket.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/framing.h>
#include <backend/server.h>
#include "peer.h"

struct fixture {
	struct kc_ref *ref;
	struct kc_server *server;
	struct kc_channel *front;
	struct kc_framer framer;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct kc_channel *ends[2];

	assert_int_equal(kc_channel_sim_pair(ends), 0);
	f->ref = kc_ref_new(&peer_config, NULL);
	f->server = kc_server_new(f->ref, ends[1], NULL);
	f->front = ends[0];
	kc_framer_init(&f->framer, f->front, true);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kc_framer_fini(&f->framer);
	kc_channel_free(f->front);
	kc_server_free(f->server);
	kc_ref_free(f->ref);
	free(f);
	return 0;
}

static void send_msg(struct fixture *f, uint32_t id, uint32_t flags, uint64_t a, uint64_t b)
{
	uint8_t buf[KC_VU_HDR_BYTES + KC_VU_PAYLOAD_MAX];
	struct kc_msg m;
	int n;

	kc_msg_init(&m, id);
	m.flags = flags;
	m.u64 = a;
	m.state.index = a;
	m.state.num = b;
	m.config.offset = a;
	m.config.size = b;
	n = kc_msg_encode(&m, buf, sizeof(buf));
	assert_int_equal(kc_channel_send(f->front, buf, n, NULL, 0), 0);
}

/* Lets the server run until it is idle or ends; the return value of the last step. */
static int drain(struct fixture *f)
{
	int ret;

	do {
		ret = kc_server_step(f->server);
	} while (ret > 0);
	return ret;
}

/* The next message that the front-end gets; false if there is none. */
static bool answer(struct fixture *f, struct kc_msg *m)
{
	return kc_framer_read(&f->framer, m, NULL) == KC_FRAME_MESSAGE;
}

#define NR	(KC_VU_VERSION | KC_VU_NEED_REPLY)

static void negotiate(struct fixture *f, uint64_t pf)
{
	send_msg(f, KC_VU_SET_PROTOCOL_FEATURES, 1, pf, 0);
	assert_int_equal(drain(f), 0);
}

static void replies_carry_number_and_flags(void **state)
{
	struct fixture *f = *state;
	struct kc_msg m;

	send_msg(f, KC_VU_GET_FEATURES, 1, 0, 0);
	assert_int_equal(drain(f), 0);
	assert_true(answer(f, &m));
	assert_int_equal(m.id, KC_VU_GET_FEATURES);
	assert_int_equal(m.flags, KC_VU_VERSION | KC_VU_REPLY);
	assert_true(m.u64 & KC_BIT(KC_VU_F_PROTOCOL_FEATURES));
	assert_false(answer(f, &m));
}

static void acks_follow_the_rules(void **state)
{
	const uint64_t acks = KC_BIT(KC_PF_REPLY_ACK);
	const struct {
		uint64_t pf;
		uint32_t id, flags;
		uint64_t a, b;
		int answers;
		uint64_t value;
	} rows[] = {
		{ 0, KC_VU_SET_OWNER, 1, 0, 0, 0, 0 },
		{ 0, KC_VU_SET_OWNER, NR, 0, 0, 0, 0 },
		{ acks, KC_VU_SET_OWNER, 1, 0, 0, 0, 0 },
		{ acks, KC_VU_SET_OWNER, NR, 0, 0, 1, 0 },
		{ acks, KC_VU_SET_VRING_NUM, NR, 0, 8, 1, 0 },
		{ acks, KC_VU_SET_VRING_NUM, NR, 0, 7, 1, 1 },
		{ acks, KC_VU_SET_VRING_NUM, 1, 0, 7, 0, 0 },
		{ 0, KC_VU_SET_VRING_NUM, NR, 0, 7, 0, 0 },
		{ acks, KC_VU_GET_VRING_BASE, NR, 0, 0, 1, 0 },		/* never doubled */
		{ 0, KC_VU_SET_PROTOCOL_FEATURES, NR, acks, 0, 1, 0 },	/* turns it on */
		{ acks, KC_VU_SET_PROTOCOL_FEATURES, NR, 0, 0, 1, 0 },	/* turns it off */
		{ 0, KC_VU_SET_PROTOCOL_FEATURES, NR, 0, 0, 0, 0 },
		{ acks, 99, NR, 0, 0, 1, 1 },				/* unknown */
		{ acks, 99, 1, 0, 0, 0, 0 },
	};
	struct fixture *f = *state;
	struct kc_msg m;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		kc_ref_reset_session(f->ref);
		negotiate(f, rows[i].pf);
		send_msg(f, rows[i].id, rows[i].flags, rows[i].a, rows[i].b);
		assert_int_equal(drain(f), 0);
		if (rows[i].answers) {
			assert_int_equal(kc_framer_read(&f->framer, &m, NULL), KC_FRAME_MESSAGE);
			assert_int_equal(m.id, rows[i].id);
			assert_int_equal(m.u64, rows[i].value);
		}
		assert_int_equal(kc_framer_read(&f->framer, &m, NULL), KC_FRAME_NONE);
	}
}

static void pieces_and_pipelines(void **state)
{
	struct fixture *f = *state;
	uint32_t get[3] = { KC_VU_GET_FEATURES, 1, 0 };
	uint64_t features;
	struct kc_msg m;

	for (unsigned i = 0; i < sizeof(get); i++) {
		assert_int_equal(kc_channel_send(f->front, (char *)get + i, 1, NULL, 0), 0);
		assert_int_equal(kc_server_step(f->server), i == sizeof(get) - 1);
	}
	assert_true(answer(f, &m));
	features = m.u64;
	for (unsigned i = 0; i < 50; i++)
		send_msg(f, i % 2 ? KC_VU_GET_FEATURES : KC_VU_SET_OWNER, 1, 0, 0);
	assert_int_equal(drain(f), 0);
	for (unsigned i = 0; i < 25; i++) {
		assert_true(answer(f, &m));
		assert_int_equal(m.u64, features);
	}
	assert_false(answer(f, &m));
}

static void malformed_requests_are_nacked_or_end_the_session(void **state)
{
	static const struct {
		uint64_t pf;
		uint32_t hdr[3];
		size_t len;
		int ends;
	} rows[] = {
		{ KC_BIT(KC_PF_REPLY_ACK), { KC_VU_SET_FEATURES, NR, 4 }, 16, 0 },
		{ KC_BIT(KC_PF_REPLY_ACK), { KC_VU_SET_FEATURES, 1, 4 }, 16, -EPIPE },
		{ 0, { KC_VU_SET_FEATURES, NR, 4 }, 16, -EPIPE },
		{ KC_BIT(KC_PF_REPLY_ACK), { KC_VU_GET_FEATURES, NR, 4 }, 16, -EPIPE },
		{ 0, { KC_VU_GET_FEATURES, 0, 0 }, 12, -EPIPE },
		{ 0, { KC_VU_GET_FEATURES, 2, 0 }, 12, -EPIPE },
		{ 0, { KC_VU_GET_FEATURES, 1, KC_VU_PAYLOAD_MAX + 1 }, 12, -EPIPE },
		{ 0, { KC_VU_GET_QUEUE_NUM, 1, 0 }, 12, -EPIPE },	/* not negotiated */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[16] = { 0 };
		struct fixture *f;
		struct kc_msg m;
		void *inner;

		setup(&inner);
		f = inner;
		negotiate(f, rows[i].pf);
		memcpy(bytes, rows[i].hdr, 12);
		assert_int_equal(kc_channel_send(f->front, bytes, rows[i].len, NULL, 0), 0);
		assert_int_equal(drain(f), rows[i].ends);
		if (!rows[i].ends) {
			assert_true(answer(f, &m));
			assert_int_equal(m.u64, 1);
		}
		assert_int_equal(kc_framer_read(&f->framer, &m, NULL), KC_FRAME_NONE);
		teardown(&inner);
	}
	(void)state;
}

static void truncated_session_ends(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(kc_channel_send(f->front, "\1\0\0", 3, NULL, 0), 0);
	assert_int_equal(drain(f), 0);
	kc_channel_free(f->front);
	f->front = NULL;
	assert_int_equal(drain(f), -EPIPE);
}

/* ---- the loop ---- */

struct loop {
	int fds[2], stop_fd;
	int ret;
	pthread_t thread;
	struct kc_ref *ref;
	struct kc_server *server;
};

static void *run(void *arg)
{
	struct loop *l = arg;

	l->ret = kc_server_run(l->server, l->stop_fd);
	return NULL;
}

static void loop_start(struct loop *l)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, l->fds), 0);
	l->stop_fd = eventfd(0, EFD_CLOEXEC);
	l->ret = 99;
	l->ref = kc_ref_new(&peer_config, NULL);
	l->server = kc_server_new(l->ref, kc_channel_from_socket(l->fds[1], NULL), NULL);
	assert_int_equal(pthread_create(&l->thread, NULL, run, l), 0);
}

static void loop_join(struct loop *l)
{
	assert_int_equal(pthread_join(l->thread, NULL), 0);
	assert_int_equal(l->ret, 0);
	kc_server_free(l->server);
	kc_ref_free(l->ref);
	close(l->stop_fd);
}

static void loop_serves_until_the_front_end_goes(void **state)
{
	uint32_t get[3] = { KC_VU_GET_FEATURES, 1, 0 };
	struct pollfd pfd = { .events = POLLIN };
	struct loop l;
	char buf[64];

	(void)state;
	loop_start(&l);
	pfd.fd = l.fds[0];
	assert_int_equal(write(l.fds[0], get, sizeof(get)), sizeof(get));
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_int_equal(read(l.fds[0], buf, sizeof(buf)), 20);
	close(l.fds[0]);
	loop_join(&l);
}

static void loop_ends_when_told(void **state)
{
	uint64_t one = 1;
	struct loop l;

	(void)state;
	loop_start(&l);
	assert_int_equal(write(l.stop_fd, &one, sizeof(one)), sizeof(one));
	loop_join(&l);
	close(l.fds[0]);
}

static int64_t thread_cpu_ns(pthread_t t)
{
	struct timespec ts;
	clockid_t clock;

	assert_int_equal(pthread_getcpuclockid(t, &clock), 0);
	assert_int_equal(clock_gettime(clock, &ts), 0);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* A kick of a disabled ring is not read, and stays readable: that must cost no CPU. */
static void loop_does_not_spin_on_a_kick_that_is_not_read(void **state)
{
	struct pollfd never = { .fd = -1 };
	uint8_t buf[64];
	struct kc_channel *front;
	struct kc_handle kick;
	struct kc_evfd *e;
	struct kc_msg m;
	struct loop l;
	int64_t cpu;
	int n;

	(void)state;
	loop_start(&l);
	front = kc_channel_from_socket(l.fds[0], NULL);
	e = kc_evfd_new_real(NULL);
	kick = kc_evfd_handle(e);
	kc_evfd_signal(e, 1);
	kc_msg_init(&m, KC_VU_SET_VRING_KICK);
	n = kc_msg_encode(&m, buf, sizeof(buf));
	assert_int_equal(kc_channel_send(front, buf, n, &kick, 1), 0);
	poll(&never, 1, 20);
	cpu = thread_cpu_ns(l.thread);
	poll(&never, 1, 200);
	assert_true(thread_cpu_ns(l.thread) - cpu < 50 * 1000000);
	kc_channel_free(front);
	loop_join(&l);
	kc_evfd_unref(e);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replies_carry_number_and_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(acks_follow_the_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(pieces_and_pipelines, setup, teardown),
		cmocka_unit_test(malformed_requests_are_nacked_or_end_the_session),
		cmocka_unit_test_setup_teardown(truncated_session_ends, setup, teardown),
		cmocka_unit_test(loop_serves_until_the_front_end_goes),
		cmocka_unit_test(loop_ends_when_told),
		cmocka_unit_test(loop_does_not_spin_on_a_kick_that_is_not_read),
	};

	peer_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

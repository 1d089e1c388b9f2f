/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: backend/channel.c, backend/channel_sim.c, backend/channel_socket.c,
 *          backend/framing.c
 *
 * Channels and framing. Each check of the channel runs on a socket pair and on the simulated
 * stream: what one does, the other must do.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/channel.h>
#include <backend/framing.h>
#include "peer.h"

enum kind { SOCKET, SIM };

struct fixture {
	struct kc_channel *ch[2];
	unsigned fds_before;
};

static int setup(void **state)
{
	enum kind kind = (enum kind)(uintptr_t)*state;
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	f->fds_before = open_fds();
	if (kind == SIM) {
		assert_int_equal(kc_channel_sim_pair(f->ch), 0);
	} else {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		f->ch[0] = kc_channel_from_socket(fds[0], NULL);
		f->ch[1] = kc_channel_from_socket(fds[1], NULL);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool leak;

	kc_channel_free(f->ch[0]);
	kc_channel_free(f->ch[1]);
	leak = open_fds() != f->fds_before;
	free(f);
	return leak;
}

static ssize_t receive(struct kc_channel *c, char *buf, size_t len, unsigned *nhandles)
{
	struct kc_handle h[4];
	unsigned lost = 0;
	ssize_t n;

	*nhandles = 0;
	n = kc_channel_recv(c, buf, len, h, 4, nhandles, &lost);
	for (unsigned i = 0; i < *nhandles; i++)
		kc_handle_close(&h[i]);
	return n;
}

static void bytes_flow_both_ways_in_order(void **state)
{
	struct fixture *f = *state;
	char buf[16];
	unsigned n;

	assert_false(kc_channel_readable(f->ch[1]));
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), -EAGAIN);
	assert_int_equal(kc_channel_send(f->ch[0], "abc", 3, NULL, 0), 0);
	assert_int_equal(kc_channel_send(f->ch[0], "def", 3, NULL, 0), 0);
	assert_int_equal(kc_channel_send(f->ch[1], "xy", 2, NULL, 0), 0);
	assert_true(kc_channel_readable(f->ch[1]));
	assert_int_equal(receive(f->ch[1], buf, 2, &n), 2);
	assert_memory_equal(buf, "ab", 2);
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), 4);
	assert_memory_equal(buf, "cdef", 4);
	assert_int_equal(receive(f->ch[0], buf, sizeof(buf), &n), 2);
	assert_memory_equal(buf, "xy", 2);
	assert_int_equal(receive(f->ch[0], buf, sizeof(buf), &n), -EAGAIN);
}

static void handles_come_with_the_first_byte_and_end_the_read(void **state)
{
	struct fixture *f = *state;
	struct kc_handle h = KC_HANDLE_NONE;
	int fds[2];
	char buf[16];
	unsigned n;

	assert_int_equal(pipe(fds), 0);
	h.fd = fds[0];
	assert_int_equal(kc_channel_send(f->ch[0], "ab", 2, &h, 1), 0);
	assert_int_equal(kc_channel_send(f->ch[0], "cd", 2, NULL, 0), 0);
	assert_int_equal(receive(f->ch[1], buf, 1, &n), 1);
	assert_int_equal(n, 1);
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), 3);
	assert_memory_equal(buf, "bcd", 3);
	assert_int_equal(n, 0);

	assert_int_equal(kc_channel_send(f->ch[0], "ef", 2, &h, 1), 0);
	assert_int_equal(kc_channel_send(f->ch[0], "gh", 2, NULL, 0), 0);
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), 2);
	assert_memory_equal(buf, "ef", 2);
	assert_int_equal(n, 1);
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), 2);
	close(fds[0]);
	close(fds[1]);
}

static void surplus_handles_are_closed_and_counted(void **state)
{
	struct fixture *f = *state;
	struct kc_handle out[10], in[3];
	unsigned n = 0, lost = 0;
	int fds[2];
	char c;

	assert_int_equal(pipe(fds), 0);
	for (unsigned i = 0; i < 10; i++)
		out[i] = (struct kc_handle){ .fd = fds[0] };
	assert_int_equal(kc_channel_send(f->ch[0], "a", 1, out, 10), 0);
	assert_int_equal(kc_channel_recv(f->ch[1], &c, 1, in, 3, &n, &lost), 1);
	assert_int_equal(n, 3);
	assert_int_equal(lost, 7);
	for (unsigned i = 0; i < 3; i++)
		kc_handle_close(&in[i]);
	close(fds[0]);
	close(fds[1]);
}

static void a_received_handle_is_the_same_thing(void **state)
{
	struct fixture *f = *state;
	struct kc_evfd *e = kc_evfd_new_real(NULL);
	struct kc_handle h = kc_evfd_handle(e), in[1];
	unsigned n = 0, lost = 0;
	struct kc_evfd *far;
	uint64_t v;
	char c;

	assert_int_equal(kc_channel_send(f->ch[0], "a", 1, &h, 1), 0);
	assert_int_equal(kc_channel_recv(f->ch[1], &c, 1, in, 1, &n, &lost), 1);
	assert_int_equal(n, 1);
	far = kc_evfd_from_handle(in[0], NULL);
	assert_non_null(far);
	assert_int_equal(kc_evfd_signal(e, 3), 0);
	assert_int_equal(kc_evfd_read(far, &v), 0);
	assert_int_equal(v, 3);
	kc_evfd_unref(far);
	kc_evfd_unref(e);
}

static void what_was_sent_before_the_end_arrives(void **state)
{
	struct fixture *f = *state;
	char buf[8];
	unsigned n;

	assert_int_equal(kc_channel_send(f->ch[0], "end", 3, NULL, 0), 0);
	assert_int_equal(kc_channel_send(f->ch[1], "lost", 4, NULL, 0), 0);
	kc_channel_free(f->ch[0]);
	f->ch[0] = NULL;
	assert_true(kc_channel_readable(f->ch[1]));
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), 3);
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), 0);
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), 0);
	assert_int_equal(kc_channel_send(f->ch[1], "a", 1, NULL, 0), -EPIPE);
}

static void unread_handles_go_with_the_channel(void **state)
{
	struct fixture *f = *state;
	struct kc_handle h = KC_HANDLE_NONE;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	h.fd = fds[0];
	assert_int_equal(kc_channel_send(f->ch[0], "a", 1, &h, 1), 0);
	close(fds[0]);
	close(fds[1]);
	/* teardown counts descriptors */
}

static void impossible_sends_are_refused(void **state)
{
	struct fixture *f = *state;
	struct kc_handle none = KC_HANDLE_NONE, some = { .fd = 0 };

	assert_int_equal(kc_channel_send(f->ch[0], "a", 1, &none, 1), -EINVAL);
	assert_int_equal(kc_channel_send(f->ch[0], "", 0, &some, 1), -EINVAL);
	assert_int_equal(kc_channel_send(f->ch[0], "", 0, NULL, 0), 0);
	assert_int_equal(kc_channel_send(f->ch[0], "a", 1, &some, 254), -EINVAL);
	assert_false(kc_channel_readable(f->ch[1]));
}

static void a_peer_that_never_reads_does_not_block_for_ever(void **state)
{
	struct fixture *f = *state;
	static char big[65536];
	int ret = 0;

	for (unsigned i = 0; i < 1000 && !ret; i++)
		ret = kc_channel_send(f->ch[0], big, sizeof(big), NULL, 0);
	assert_int_equal(ret, -ETIMEDOUT);
}

static void a_simulated_eventfd_passes_the_stream_only(void **state)
{
	struct fixture *f = *state;
	bool sim = kc_channel_fd(f->ch[0]) < 0;
	struct kc_evfd *e = kc_evfd_new_sim();
	struct kc_handle h = kc_evfd_handle(e);
	char buf[4];
	unsigned n;

	assert_int_equal(kc_channel_send(f->ch[0], "a", 1, &h, 1), sim ? 0 : -ENOTSUP);
	assert_int_equal(receive(f->ch[1], buf, sizeof(buf), &n), sim ? 1 : -EAGAIN);
	assert_true(kc_evfd_is_last(e));
	kc_evfd_unref(e);
}

/* ---- framing ---- */

static size_t request(uint8_t *buf, uint32_t id, uint32_t flags, uint64_t u64)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.flags = flags;
	m.u64 = u64;
	return kc_msg_encode(&m, buf, 64);
}

static void messages_come_in_any_pieces(void **state)
{
	struct fixture *f = *state;
	struct kc_framer fr;
	struct kc_msg m;
	uint8_t buf[64];
	size_t n = request(buf, KC_VU_SET_FEATURES, 1, 0x1234);

	kc_framer_init(&fr, f->ch[1], false);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_NONE);
		assert_int_equal(kc_channel_send(f->ch[0], buf + i, 1, NULL, 0), 0);
	}
	assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_MESSAGE);
	assert_int_equal(m.u64, 0x1234);

	n = request(buf, KC_VU_SET_FEATURES, 1, 1);
	n += request(buf + n, KC_VU_GET_FEATURES, 1, 0);
	n += request(buf + n, KC_VU_SET_FEATURES, 1, 2);
	assert_int_equal(kc_channel_send(f->ch[0], buf, n, NULL, 0), 0);
	assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_MESSAGE);
	assert_int_equal(m.u64, 1);
	assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_MESSAGE);
	assert_int_equal(m.id, KC_VU_GET_FEATURES);
	assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_MESSAGE);
	assert_int_equal(m.u64, 2);
	assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_NONE);
	kc_framer_fini(&fr);
}

static void handles_stay_with_their_message(void **state)
{
	struct fixture *f = *state;
	struct kc_handle h = KC_HANDLE_NONE;
	struct kc_framer fr;
	struct kc_msg m;
	uint8_t buf[64];
	int fds[2];
	size_t n;

	assert_int_equal(pipe(fds), 0);
	h.fd = fds[0];
	kc_framer_init(&fr, f->ch[1], false);
	n = request(buf, KC_VU_GET_FEATURES, 1, 0);
	assert_int_equal(kc_channel_send(f->ch[0], buf, n, NULL, 0), 0);
	n = request(buf, KC_VU_SET_VRING_CALL, 1, 1);
	assert_int_equal(kc_channel_send(f->ch[0], buf, n, &h, 1), 0);
	assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_MESSAGE);
	assert_int_equal(m.nhandles, 0);
	assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_MESSAGE);
	assert_int_equal(m.nhandles, 1);
	kc_msg_fini(&m);

	/* one that never becomes whole: its handle is closed all the same */
	assert_int_equal(kc_channel_send(f->ch[0], buf, 5, &h, 1), 0);
	assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_NONE);
	kc_framer_fini(&fr);
	close(fds[0]);
	close(fds[1]);
}

static void broken_streams_are_told_apart(void **state)
{
	static const struct {
		uint32_t hdr[3];
		size_t len;
		enum kc_frame want;
	} rows[] = {
		{ { 1, 2, 0 }, 12, KC_FRAME_BROKEN },		/* version 2 */
		{ { 1, 0, 0 }, 12, KC_FRAME_BROKEN },
		{ { 1, 1, KC_VU_PAYLOAD_MAX + 1 }, 12, KC_FRAME_BROKEN },
		{ { 1, 1, UINT32_MAX }, 12, KC_FRAME_BROKEN },
		{ { 1, 1, 4 }, 16, KC_FRAME_MALFORMED },	/* GET_FEATURES has no payload */
		{ { 77, 1, 4 }, 16, KC_FRAME_UNKNOWN },
		{ { 1, 1, 0 }, 11, KC_FRAME_CUT },
		{ { 2, 1, 8 }, 15, KC_FRAME_CUT },
		{ { 1, 1, 0 }, 0, KC_FRAME_CLOSED },
	};
	enum kind kind = kc_channel_fd(((struct fixture *)*state)->ch[0]) < 0 ? SIM : SOCKET;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *inner = (void *)(uintptr_t)kind;
		uint8_t bytes[16] = { 0 };
		struct kc_framer fr;
		struct fixture *f;
		struct kc_err err;
		struct kc_msg m;

		setup(&inner);
		f = inner;
		kc_framer_init(&fr, f->ch[1], false);
		memcpy(bytes, rows[i].hdr, 12);
		assert_int_equal(kc_channel_send(f->ch[0], bytes, rows[i].len, NULL, 0), 0);
		kc_channel_free(f->ch[0]);
		f->ch[0] = NULL;
		strcpy(err.msg, "");
		assert_int_equal(kc_framer_read(&fr, &m, &err), rows[i].want);
		assert_true(err.msg[0]);
		if (rows[i].want == KC_FRAME_BROKEN)
			assert_int_equal(kc_framer_read(&fr, &m, NULL), KC_FRAME_BROKEN);
		kc_framer_fini(&fr);
		assert_int_equal(teardown(&inner), 0);
	}
}

#define BOTH(fn) \
	{ #fn " (socket)", fn, setup, teardown, (void *)(uintptr_t)SOCKET }, \
	{ #fn " (sim)", fn, setup, teardown, (void *)(uintptr_t)SIM }

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(bytes_flow_both_ways_in_order),
		BOTH(handles_come_with_the_first_byte_and_end_the_read),
		BOTH(surplus_handles_are_closed_and_counted),
		BOTH(a_received_handle_is_the_same_thing),
		BOTH(what_was_sent_before_the_end_arrives),
		BOTH(unread_handles_go_with_the_channel),
		BOTH(impossible_sends_are_refused),
		BOTH(a_peer_that_never_reads_does_not_block_for_ever),
		BOTH(a_simulated_eventfd_passes_the_stream_only),
		BOTH(messages_come_in_any_pieces),
		BOTH(handles_stay_with_their_message),
		BOTH(broken_streams_are_told_apart),
	};

	peer_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

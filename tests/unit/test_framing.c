/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Framing, beside what test_channel.c runs on both kinds of stream (pieces, handles, broken headers):
 * whose bytes are whose, what each end of a stream is called, and replies.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <backend/framing.h>
#include "peer.h"

struct fixture {
	struct kc_channel *ch[2];
	struct kc_framer fr;
	struct kc_err err;
	struct kc_msg m;
};

static struct fixture fix;

static int setup_as(void **state, bool replies)
{
	*state = &fix;
	memset(&fix, 0, sizeof(fix));
	if (kc_channel_sim_pair(fix.ch))
		return -1;
	kc_framer_init(&fix.fr, fix.ch[1], replies);
	return 0;
}

static int setup(void **state)
{
	return setup_as(state, false);
}

static int setup_for_replies(void **state)
{
	return setup_as(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kc_framer_fini(&f->fr);
	for (unsigned i = 0; i < 2; i++)
		if (f->ch[i])
			kc_channel_free(f->ch[i]);
	return 0;
}

static void put(struct fixture *f, uint32_t id, uint32_t flags, const void *payload, uint32_t size)
{
	uint32_t hdr[3] = { id, flags, size };

	assert_int_equal(kc_channel_send(f->ch[0], hdr, sizeof(hdr), NULL, 0), 0);
	assert_int_equal(kc_channel_send(f->ch[0], payload, size, NULL, 0), 0);
}

static enum kc_frame get(struct fixture *f)
{
	return kc_framer_read(&f->fr, &f->m, &f->err);
}

/* What does not fit costs that message only: the one behind it is told. */
static void a_malformed_message_leaves_the_stream_sound(void **state)
{
	struct fixture *f = *state;
	uint64_t v = 0x1234;

	put(f, KC_VU_GET_FEATURES, 1, &v, 4);
	put(f, 77, 1, &v, 8);
	put(f, KC_VU_SET_FEATURES, 1, &v, 8);
	assert_int_equal(get(f), KC_FRAME_MALFORMED);
	assert_int_equal(get(f), KC_FRAME_UNKNOWN);
	assert_int_equal(f->m.id, 77);
	assert_int_equal(get(f), KC_FRAME_MESSAGE);
	assert_int_equal(f->m.u64, 0x1234);
	assert_int_equal(get(f), KC_FRAME_NONE);
}

static void the_largest_payload_is_read_to_its_end(void **state)
{
	static uint8_t big[KC_VU_PAYLOAD_MAX];
	struct fixture *f = *state;

	put(f, 77, 1, big, sizeof(big) - 1);
	assert_int_equal(get(f), KC_FRAME_UNKNOWN);
	put(f, 77, 1, big, sizeof(big));
	put(f, KC_VU_GET_FEATURES, 1, NULL, 0);
	assert_int_equal(get(f), KC_FRAME_UNKNOWN);
	assert_int_equal(get(f), KC_FRAME_MESSAGE);
	assert_int_equal(f->m.id, KC_VU_GET_FEATURES);
}

/* Bytes of the next message stay in the channel, so that another reader may go on from there. */
static void no_byte_of_the_next_message_is_taken(void **state)
{
	struct fixture *f = *state;
	unsigned nhandles = 0, lost = 0;
	uint8_t buf[64];

	put(f, KC_VU_GET_FEATURES, 1, NULL, 0);
	put(f, KC_VU_SET_OWNER, 1, NULL, 0);
	assert_int_equal(get(f), KC_FRAME_MESSAGE);
	assert_int_equal(kc_channel_recv(f->ch[1], buf, sizeof(buf), NULL, 0, &nhandles, &lost), 12);
	assert_int_equal(buf[0], KC_VU_SET_OWNER);
}

static void a_broken_header_is_quoted_and_nothing_follows_it(void **state)
{
	struct fixture *f = *state;

	put(f, 5, 2, NULL, 0);
	put(f, KC_VU_GET_FEATURES, 1, NULL, 0);
	assert_int_equal(get(f), KC_FRAME_BROKEN);
	assert_string_equal(f->err.msg,
			    "header {request 5, flags 0x2, size 0}: the version is not 1");
	assert_int_equal(get(f), KC_FRAME_BROKEN);
	assert_true(kc_channel_readable(f->ch[1]));	/* it was not read */
}

static void too_many_handles_are_counted_and_the_rest_kept(void **state)
{
	unsigned before = open_fds();
	uint32_t hdr[3] = { KC_VU_GET_FEATURES, 1, 0 };
	struct fixture *f = *state;
	struct kc_handle h[KC_VU_FDS_MAX + 2];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	for (unsigned i = 0; i < KC_VU_FDS_MAX + 2; i++)
		h[i] = (struct kc_handle){ .fd = fds[0] };
	assert_int_equal(kc_channel_send(f->ch[0], hdr, sizeof(hdr), h, KC_VU_FDS_MAX + 2), 0);
	put(f, KC_VU_GET_FEATURES, 1, NULL, 0);
	assert_int_equal(get(f), KC_FRAME_MALFORMED);
	assert_non_null(strstr(f->err.msg, "with 10 file descriptors"));
	assert_int_equal(f->m.nhandles, KC_VU_FDS_MAX);
	kc_msg_fini(&f->m);
	assert_int_equal(get(f), KC_FRAME_MESSAGE);	/* not counted against the next */
	assert_int_equal(f->m.nhandles, 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(open_fds(), before);
}

static void the_end_is_told_with_its_place(void **state)
{
	struct fixture *f = *state;
	uint8_t some[13] = { KC_VU_SET_FEATURES, 0, 0, 0, 1, 0, 0, 0, 8 };

	assert_int_equal(kc_channel_send(f->ch[0], some, sizeof(some), NULL, 0), 0);
	assert_int_equal(get(f), KC_FRAME_NONE);
	kc_channel_free(f->ch[0]);
	f->ch[0] = NULL;
	assert_int_equal(get(f), KC_FRAME_CUT);
	assert_string_equal(f->err.msg, "the stream ends 13 bytes into a message");
}

/* The machine's trouble is never the peer's: not the end of a stream, but an error. */
static void a_channel_that_cannot_be_read_is_an_error(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	kc_channel_free(f->ch[1]);
	f->ch[1] = f->fr.ch = kc_channel_from_socket(fds[0], NULL);	/* a pipe is no socket */
	assert_int_equal(get(f), KC_FRAME_ERROR);
	assert_int_equal(strncmp(f->err.msg, "receiving: ", 11), 0);
	close(fds[1]);
}

/* GET_FEATURES has a payload as a reply only, SET_FEATURES as a request only. */
static void replies_are_read_by_their_own_table(void **state)
{
	struct fixture *f = *state;
	uint64_t v = 7;

	put(f, KC_VU_GET_FEATURES, 5, &v, 8);
	assert_int_equal(get(f), KC_FRAME_MESSAGE);
	assert_int_equal(f->m.u64, 7);
	put(f, KC_VU_GET_FEATURES, 5, NULL, 0);
	assert_int_equal(get(f), KC_FRAME_MALFORMED);
}

#define REQUESTS(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		REQUESTS(a_malformed_message_leaves_the_stream_sound),
		REQUESTS(the_largest_payload_is_read_to_its_end),
		REQUESTS(no_byte_of_the_next_message_is_taken),
		REQUESTS(a_broken_header_is_quoted_and_nothing_follows_it),
		REQUESTS(too_many_handles_are_counted_and_the_rest_kept),
		REQUESTS(the_end_is_told_with_its_place),
		REQUESTS(a_channel_that_cannot_be_read_is_an_error),
		cmocka_unit_test_setup_teardown(replies_are_read_by_their_own_table,
						setup_for_replies, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What is expected to answer a message, or not to. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"
#define ASK	"message GET_QUEUE_NUM\n"			/* line 3 */
#define REFUSED	"message SET_VRING_NUM index = 9 num = 8 need_reply\n"
#define TAKEN	"message SET_VRING_NUM index = 0 num = 8 need_reply\n"
#define OFFER	"message GET_FEATURES\nexpect reply\n"

static struct play on(uint32_t id, enum fault_kind kind, unsigned skip)
{
	return (struct play){ .faults = { { .on = id, .kind = kind, .skip = skip,
		.status = SIGSEGV } } };
}

static void another_number(struct kc_msg *m)
{
	m->u64 = 5;
}

static void another_request(struct kc_msg *m)
{
	m->id = KC_VU_GET_STATUS;
}

static void test_a_reply_and_its_fields(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, ASK "expect reply, reply u64 = 4\n");
	fails(&p, ASK "expect reply, reply u64 = 5\n", CLAUSE, 4,
	      "expected u64 = 5 in the reply, actual 4");
	errs(&p, ASK "expect reply, reply num = 5\n", "4:15: the last reply has no field 'num'");
	p = on(KC_VU_GET_QUEUE_NUM, FAULT_EDIT, 1);
	p.faults[0].edit = another_request;
	fails(&p, ASK "expect reply\n", CLAUSE, 4, "expected a reply to request 17, actual one to "
	      "40");
}

static void test_a_reply_that_does_not_come(void **state)
{
	struct play p = on(KC_VU_GET_QUEUE_NUM, FAULT_MUTE, 1);

	(void)state;
	fails(&p, ASK "expect reply\nvmm settle\n", CLAUSE, 4,
	      "expected a reply, actual timed-out");
	p.mode = KC_MODE_LIVE;
	p.cfg.timeout_ns = PLAY_MS;
	undecided(&p, ASK "expect reply\n", "a reply has not come before the deadline");
	p = on(KC_VU_GET_QUEUE_NUM, FAULT_CLOSE, 1);
	fails(&p, ASK "expect reply\n", CLAUSE, 4,
	      "expected a reply, actual: it closed the connection");
	fails(&p, ASK "expect ack\n", CLAUSE, 4,
	      "expected an ack, actual: it closed the connection");
	fails(&p, ASK "expect refused\n", CLAUSE, 4,
	      "expected a refusal, actual: it closed the connection");
	p.faults[0].kind = FAULT_GARBLE;
	play(&p, ASK "expect reply\n");
	assert_int_equal(result.verdict, KC_FAIL);
}

static void test_replies_in_order(void **state)
{
	struct play p = { .messages = true };

	(void)state;
	passes(&p, ASK "message GET_FEATURES\nexpect reply to GET_QUEUE_NUM, reply u64 = 4, reply "
	       "to GET_FEATURES\n");
	fails(&p, ASK "message GET_FEATURES\nexpect reply to GET_FEATURES\n", CLAUSE, 5,
	      "expected a reply to request 1, actual one to 17");
	errs(&p, ASK "expect reply to GET_FOO\n", "4:8: unknown message 'GET_FOO'");
}

static void test_the_same_as_before(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	passes(&p, OFFER ASK "expect reply\n" OFFER "expect reply as before\n");
	passes(&p, "repeat 2\nmessage GET_CONFIG offset = 0 size = 8\nexpect reply\nend\n"
	       "expect reply as before\n");
	errs(&p, OFFER "expect reply as before\n", "5:8: there was no such reply before");
	errs(&p, "expect reply as before\n", "3:8: there was no such reply before");
	fails(&p, "message GET_CONFIG offset = 0 size = 8\nexpect reply\n"
	      "message GET_CONFIG offset = 1 size = 8\n"
	      "expect reply, reply as before\n", CLAUSE, 6, "again, actual GET_CONFIG");
	p = on(KC_VU_GET_QUEUE_NUM, FAULT_EDIT, 2);
	p.faults[0].edit = another_number;
	fails(&p, ASK "expect reply\n" ASK "expect reply, reply as before\n", CLAUSE, 6,
	      "expected GET_QUEUE_NUM {u64 0x4} reply again, actual GET_QUEUE_NUM {u64 0x5} reply");
}

static void test_bits_of_a_reply(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	passes(&p, OFFER "expect reply has event_idx, reply lacks sr_iov, reply lacks bit 36\n"
	       "expect reply has flush only with version_1, reply has sr_iov only with zoned\n"
	       "message GET_PROTOCOL_FEATURES\nexpect reply, reply has CONFIG, reply lacks "
	       "SHMEM\n");
	fails(&p, OFFER "expect reply has sr_iov\n", CLAUSE, 5,
	      "expected feature sr_iov offered, actual 0x");
	fails(&p, OFFER "expect reply lacks event_idx\n", CLAUSE, 5,
	      "expected feature event_idx not offered");
	fails(&p, OFFER "expect reply lacks bit 32\n", CLAUSE, 5, "expected bit 32 not offered");
	fails(&p, OFFER "expect reply has event_idx only with sr_iov\n", CLAUSE, 5,
	      "expected event_idx offered only with sr_iov");
	errs(&p, OFFER "expect reply has foo\n", "5:8: unknown feature 'foo'");
	errs(&p, OFFER "expect reply lacks foo\n", "5:8: unknown feature 'foo'");
	errs(&p, OFFER "expect reply has foo only with sr_iov\n", "5:8: unknown feature 'foo'");
	errs(&p, OFFER "expect reply has sr_iov only with foo\n", "5:8: unknown feature 'foo'");
}

static void test_bytes_of_a_configuration(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	passes(&p, "message GET_CONFIG offset = 0 size = 2\nexpect reply, reply data[0] = 0, reply "
	       "data[1] = 8\n");
	fails(&p, "message GET_CONFIG offset = 0 size = 2\nexpect reply, reply data[1] = 9\n",
	      CLAUSE, 4,
	      "expected data[1] = 9 in the reply, actual 8 in 2 bytes");
	fails(&p, "message GET_CONFIG offset = 0 size = 2\nexpect reply, reply data[2] = 0\n",
	      CLAUSE, 4,
	      "expected data[2] = 0 in the reply, actual -1 in 2 bytes");
	errs(&p, "message GET_CONFIG offset = 0 size = 2\nexpect reply, reply data[256] = 0\n",
	     "4:15: the last reply has no data[256]");
	errs(&p, ASK "expect reply, reply data[0] = 0\n", "4:15: the last reply has no data[0]");
}

static void test_acks(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	passes(&p, TAKEN "expect ack\n" REFUSED "expect refused\n");
	fails(&p, REFUSED "expect ack\n", CLAUSE, 4, "expected ack 0, actual ");
	fails(&p, TAKEN "expect refused\n", CLAUSE, 4, "expected a refusal, actual success");
	/* an empty configuration says no as well */
	passes(&p, "message GET_CONFIG offset = 300 size = 8\nexpect refused\n");
	fails(&p, "message GET_CONFIG offset = 0 size = 8\nexpect refused\n", CLAUSE, 4,
	      "actual success");
}

static void test_a_refusal_or_a_close(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, REFUSED "expect refused or closed\n");
	fails(&p, TAKEN "expect refused or closed\n", CLAUSE, 4,
	      "expected a refusal or a close, actual success");
	p = on(KC_VU_SET_VRING_NUM, FAULT_CLOSE, 0);
	passes(&p, TAKEN "expect refused or closed\ndriver kick\n");
	p.faults[0].kind = FAULT_DIE;
	fails(&p, TAKEN "expect refused or closed\n", CLAUSE, 4, "actual: it died of SIGSEGV");
	/* an ack first, and the end then */
	p = on(KC_VU_GET_FEATURES, FAULT_CLOSE, 1);
	passes(&p, TAKEN "expect refused or closed\n");
}

static void test_any_answer_or_a_close(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, TAKEN "expect any answer or closed\n" REFUSED "expect any answer or closed\n");
	p = on(KC_VU_SET_VRING_NUM, FAULT_CLOSE, 0);
	passes(&p, TAKEN "expect any answer or closed\n");
	p.faults[0].kind = FAULT_DIE;
	fails(&p, TAKEN "expect any answer or closed\n", CLAUSE, 4, "actual: it died of SIGSEGV");
	p.faults[0].kind = FAULT_MUTE;
	fails(&p, TAKEN "expect any answer or closed\n", CLAUSE, 4,
	      "expected an answer or a close, actual timed-out");
}

static void test_no_reply(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "message SET_VRING_NUM index = 0 num = 8\nexpect no reply\n");
	fails(&p, TAKEN "expect no reply\n", CLAUSE, 4, "expected no reply, actual one to request "
	      "8");
	fails(&p, TAKEN "expect no reply\n" ASK "expect reply\n", CLAUSE, 4,
	      "actual one to request 8");
	passes(&p, ASK "expect reply, no reply\n");
	/* the answer that proves it must come */
	p = on(KC_VU_GET_FEATURES, FAULT_MUTE, 1);
	fails(&p, "message SET_VRING_NUM index = 0 num = 8\nexpect no reply\n", CLAUSE, 4,
	      "GET_FEATURES: expected ok, actual timed-out");
	p.faults[0].kind = FAULT_CLOSE;
	fails(&p, "message SET_VRING_NUM index = 0 num = 8\nexpect no reply\n", CLAUSE, 4,
	      "expected no reply, actual: it closed the connection");
	p = on(KC_VU_SET_VRING_NUM, FAULT_CLOSE, 0);
	fails(&p, "message SET_VRING_NUM index = 0 num = 8\nexpect no reply\n", CLAUSE, 4,
	      "expected no reply, actual: it closed the connection");
}

static void test_alive(void **state)
{
	struct play p = { .messages = true };

	(void)state;
	/* what is answered before does not matter, be it there already or not */
	for (p.cfg.seed = 1; p.cfg.seed < 20; p.cfg.seed++)
		passes(&p, ASK ASK ASK "expect alive, alive or closed, no reply\n");
	p = on(KC_VU_GET_FEATURES, FAULT_CLOSE, 1);
	passes(&p, "expect alive or closed\ndriver kick\n");
	fails(&p, "expect alive\n", CLAUSE, 3,
	      "expected GET_FEATURES to be answered, actual: the connection was "
	      "closed");
	p.faults[0].kind = FAULT_DIE;
	fails(&p, "expect alive or closed\n", CLAUSE, 3, "actual: it died of SIGSEGV");
	fails(&p, "expect alive\n", CLAUSE, 3, "actual: it died of SIGSEGV");
	p.faults[0].kind = FAULT_MUTE;
	fails(&p, "expect alive or closed\n", CLAUSE, 3, "expected GET_FEATURES to be answered, "
	      "actual timed-out");
}

static void test_closed(void **state)
{
	struct play p = on(KC_VU_GET_QUEUE_NUM, FAULT_LATER, 1);

	(void)state;
	passes(&p, ASK "expect closed\n");		/* answers before the end do not matter */
	passes(&p, ASK "expect reply, reply u64 = 4, closed\n");
	p.faults[0].kind = FAULT_DIE;
	fails(&p, ASK "expect closed\n", CLAUSE, 4, "actual: it died of SIGSEGV");
	p.faults[0].status = EXIT(0);
	passes(&p, ASK "expect closed\n");
	p.faults[0].kind = FAULT_NONE;
	fails(&p, ASK "expect closed\n", CLAUSE, 4, "expected the end of the connection, actual "
	      "timed-out");
}

/* Who has heard that it may close may take its time. */
static void test_a_loss_that_was_allowed_before(void **state)
{
	static const char *const later[] = {
		"expect reply, reply u64 = 4", "expect ack", "expect refused", "expect no reply",
		"expect alive",
		"expect reply to GET_QUEUE_NUM",
	};
	char body[300];

	(void)state;
	for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++) {
		/* those that ask by themselves lose it by that, the others while they wait */
		bool asks = strstr(later[i], "no reply") || strstr(later[i], "alive");
		struct play p = { .cut_at = asks ? 0 : 5, .faults = {
			{ .on = KC_VU_GET_QUEUE_NUM, .kind = FAULT_MUTE, .skip = 1 },
			{ .on = asks ? KC_VU_GET_FEATURES : 0, .kind = FAULT_CLOSE, .skip = 2 },
		} };

		snprintf(body, sizeof(body), "expect alive or closed\nmessage GET_QUEUE_NUM\n%s\n"
			 "driver kick\nvmm disconnect, session\nexpect alive\ndriver kick\n",
			 later[i]);
		play(&p, body);
		/* passed over up to the new session, and not beyond */
		assert_int_equal(p.opens, 2);
		assert_int_equal(result.nviolations, 0);
		assert_int_equal(result.verdict, KC_ERROR);
		assert_string_equal(result.message, "x.kick:9:8: there is no queue 0");
		p.cut_status = p.faults[1].status = SIGSEGV;
		p.faults[1].kind = FAULT_DIE;
		fails(&p, body, CLAUSE, 5, "actual: it died of SIGSEGV");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_reply_and_its_fields),
		cmocka_unit_test(test_a_reply_that_does_not_come),
		cmocka_unit_test(test_replies_in_order),
		cmocka_unit_test(test_the_same_as_before),
		cmocka_unit_test(test_bits_of_a_reply),
		cmocka_unit_test(test_bytes_of_a_configuration),
		cmocka_unit_test(test_acks),
		cmocka_unit_test(test_a_refusal_or_a_close),
		cmocka_unit_test(test_any_answer_or_a_close),
		cmocka_unit_test(test_no_reply),
		cmocka_unit_test(test_alive),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_a_loss_that_was_allowed_before),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* `message` lines: which bytes and descriptors go out for which words. */
#include "world_fixture.h"

/* A manual session keeps everything else out of `sent`. */
#define OPEN	"session manual\nvmm open\n"		/* its message is line 5 */

static void sends(const char *line, const char *bytes)
{
	struct play p = { .messages = true };
	char body[600];

	snprintf(body, sizeof(body), OPEN "%s\n", line);
	play(&p, body);
	if (result.verdict == KC_ERROR || result.verdict == KC_SKIP)
		play_wrong(body, bytes, __FILE__, __LINE__);
	assert_string_equal(sent, bytes);
}

#define HEADER(id, flags, size)	id " 00 00 00 " flags " 00 00 00 " size " 00 00 00 "
#define NUM_0_8	"00 00 00 00 08 00 00 00 "

static void test_a_message_by_its_name(void **state)
{
	(void)state;
	sends("message GET_FEATURES", HEADER("01", "01", "00") "0 fds\n");
	sends("message SET_VRING_NUM index = 0 num = 8",
	      HEADER("08", "01", "08") NUM_0_8 "0 fds\n");
	sends("message SET_VRING_NUM num = 0x10",
	      HEADER("08", "01", "08") "00 00 00 00 10 00 00 00 0 fds\n");
	sends("message SET_VRING_NUM index = 0 num = 8 need_reply",
	      HEADER("08", "09", "08") NUM_0_8 "0 fds\n");
	sends("message SET_VRING_KICK u64 = 0x100",
	      HEADER("0c", "01", "08") "00 01 00 00 00 00 00 00 0 fds\n");
}

static void test_distortions_of_the_header(void **state)
{
	(void)state;
	sends("message GET_FEATURES version 2", HEADER("01", "02", "00") "0 fds\n");
	sends("message GET_FEATURES version 0 need_reply", HEADER("01", "08", "00") "0 fds\n");
	sends("message GET_FEATURES id 77", HEADER("4d", "01", "00") "0 fds\n");
	sends("message GET_FEATURES header flags 0x15", HEADER("01", "15", "00") "0 fds\n");
	sends("message SET_VRING_NUM num = 8 header size 4",
	      HEADER("08", "01", "04") "00 00 00 00 0 fds\n");
	sends("message GET_FEATURES header size 3", HEADER("01", "01", "03") "00 00 00 0 fds\n");
	/* longer than anything is sent: the header alone says so */
	sends("message GET_FEATURES header size 0x10000000", "01 00 00 00 01 00 00 00 00 00 00 10 0 "
	      "fds\n");
}

static void test_cut_and_in_pieces(void **state)
{
	(void)state;
	sends("message SET_VRING_NUM num = 8 cut to 5 bytes", "08 00 00 00 01 0 fds\n");
	sends("message GET_FEATURES cut to 500 bytes", HEADER("01", "01", "00") "0 fds\n");
	sends("message GET_FEATURES cut to 0 bytes", "0 fds\n");
	sends("message GET_FEATURES byte-wise cut to 3 bytes", "01 0 fds\n00 0 fds\n00 0 fds\n");
	sends("message SET_VRING_KICK u64 = 0 fd kick byte-wise cut to 2 bytes",
	      "0c 1 fds\n00 0 fds\n");
}

static void test_together_travels_with_the_next(void **state)
{
	(void)state;
	sends("message GET_FEATURES together\nmessage SET_OWNER together\nmessage GET_QUEUE_NUM",
	      HEADER("01", "01", "00") HEADER("03", "01", "00") HEADER("11", "01", "00") "0 fds\n");
	sends("message GET_FEATURES together\nvmm settle", "");
	sends("message GET_FEATURES together\nmessage SET_OWNER\nmessage SET_OWNER",
	      HEADER("01", "01", "00") HEADER("03", "01", "00") "0 fds\n"
	      HEADER("03", "01", "00") "0 fds\n");
}

static void test_descriptors(void **state)
{
	(void)state;
	sends("message SET_VRING_CALL u64 = 0 fd kick", HEADER("0d", "01", "08")
	      "00 00 00 00 00 00 00 00 1 fds\n");
	sends("message GET_FEATURES 3 fds memory", HEADER("01", "01", "00") "3 fds\n");
	sends("message GET_FEATURES 2 fds kick fd memory", HEADER("01", "01", "00") "3 fds\n");
	sends("message GET_FEATURES 32 fds kick", HEADER("01", "01", "00") "32 fds\n");
	sends("message GET_FEATURES fd kick no fd", HEADER("01", "01", "00") "0 fds\n");
	sends("message GET_FEATURES fd kick no fd 2 fds kick", HEADER("01", "01", "00") "2 fds\n");
}

static void test_the_memory_table_is_the_real_one(void **state)
{
	struct play p = { .messages = true };

	(void)state;
	play(&p, OPEN "message SET_MEM_TABLE\n");
	assert_non_null(strstr(sent, "3 fds\n"));
	assert_int_equal(strncmp(sent, HEADER("05", "01", "68") "03 00 00 00 ", 48), 0);
	play(&p, OPEN "message SET_MEM_TABLE no fd nregions = 1\n");
	assert_non_null(strstr(sent, "0 fds\n"));
	assert_int_equal(strncmp(sent, "05 00 00 00 01 00 00 00 28 00 00 00 01 00 00 00 ", 48), 0);
	play(&p, OPEN "message SET_MEM_TABLE region[1].gpa = 0x1122334455667788\n");
	assert_non_null(strstr(sent, "88 77 66 55 44 33 22 11 "));
}

static void test_feature_masks(void **state)
{
	struct play p = { .messages = true, .ref.features_off = ~0x170000000ull };
	static const struct { const char *mask; uint64_t value; } rows[] = {
		{ "offered", 0x170000000 }, { "accepted", 0x150000000 },
		{ "accepted plus bit 29", 0x170000000 }, { "offered without bit 32", 0x70000000 },
		{ "accepted plus bit 63 without bit 28 without bit 30", 0x8000000100000000 },
	};
	char body[300], says[100];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(body, sizeof(body), "without event_idx\nmessage SET_FEATURES u64 = %s\n"
			"vmm settle\n",
			 rows[i].mask);
		play(&p, body);
		snprintf(says, sizeof(says), "SET_FEATURES {u64 0x%llx}",
			(unsigned long long)rows[i].value);
		assert_non_null(strstr(trace, "\"step\":4"));
		if (!strstr(strstr(trace, "\"step\":4"), says))
			fail_msg("%s: expected %s", rows[i].mask, says);
	}
	passes(&p, "message SET_VRING_NUM index = 0 num = queue_num\n"
	       "message SET_VRING_NUM index = 0 num = 1 + 1\n");
	assert_non_null(strstr(trace, "SET_VRING_NUM {index 0, num 4}"));
	assert_non_null(strstr(trace, "SET_VRING_NUM {index 0, num 2}"));
}

/* What the VMM said when it started the queue is what the words mean. */
static void test_addresses(void **state)
{
	struct play p = { 0 };
	char real[200], *c, *end;

	(void)state;
	passes(&p, "queue 0 split size 8\nvmm stop 0\n"
	       "message SET_VRING_ADDR index = 0 desc = desc avail = avail used = used\n");
	c = strstr(trace, "SET_VRING_ADDR {");
	end = strchr(c, '}');
	snprintf(real, sizeof(real), "%.*s", (int)(end - c), c);
	c = strstr(strstr(trace, "\"step\":5"), "SET_VRING_ADDR {");
	assert_int_equal(strncmp(c, real, strlen(real)), 0);
	play(&p, "queue 0 split size 8\nvmm stop 0\nmessage SET_VRING_ADDR desc = nowhere avail = "
	     "nowhere + 16\n");
	assert_non_null(strstr(trace, "desc 0xdead0000000000, used 0x0, avail 0xdead0000000010"));
}

static void test_raw_bytes(void **state)
{
	struct play p = { .messages = true };

	(void)state;
	sends("message bytes 01 00 fF", "01 00 ff 0 fds\n");
	errs(&p, "message bytes 01 0g\n", "3:9: '0g' is no byte in hexadecimal");
	errs(&p, "message bytes 01 100\n", "3:9: '100' is no byte in hexadecimal");
	errs(&p, "message bytes 1\n", "3:9: '1' is no byte in hexadecimal");
	p.messages = false;
	skips(&p, "message bytes 01\n", "needs messages as bytes");
}

static void test_errors(void **state)
{
	static const struct { const char *line, *says; } rows[] = {
		{ "message GET_FOO", "unknown message 'GET_FOO'" },
		{ "message SET_OWNER u64 = 1", "this message has no field 'u64'" },
		{ "message SET_VRING_NUM num", "'num': a message has no such word" },
		{ "message SET_VRING_NUM num = ", "a number is missing after '='" },
		{ "message SET_VRING_NUM num = many", "a number is missing after '='" },
		{ "message SET_FEATURES u64 = offered plus 3",
		"'bit N' expected after plus or without" },
		{ "message SET_FEATURES u64 = offered plus bit x",
		"a number is missing after 'bit'" },
		{ "message SET_OWNER header", "'size' or 'flags' expected after 'header'" },
		{ "message SET_OWNER header size", "a number is missing after 'size'" },
		{ "message SET_OWNER cut 5", "'cut to N bytes' expected" },
		{ "message SET_OWNER cut to 5", "'cut to N bytes' expected" },
		{ "message SET_OWNER version", "a number is missing after 'version'" },
		{ "message SET_OWNER fd", "an fd is 'kick' or 'memory'" },
		{ "message SET_OWNER 2 kicks", "'fds' expected after the number" },
		{ "message SET_OWNER 2 fds", "an fd is 'kick' or 'memory'" },
		{ "message SET_OWNER 33 fds kick", "more than 32 fds" },
		{ "message SET_OWNER 20 fds kick 20 fds kick", "more than 32 fds" },
		{ "message SET_OWNER -1 fds kick", "'-1fdskick': a message has no such word" },
		{ "message SET_OWNER fd kick together", "messages that are sent together carry no "
		"fds" },
		{ "message SET_VRING_NUM num = used_idx", "there is no queue 0" },
	};
	struct play p = { .messages = true };
	char body[200], says[200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(body, sizeof(body), "%s\n", rows[i].line);
		snprintf(says, sizeof(says), "3:9: %s", rows[i].says);
		errs(&p, body, says);
	}
}

/* After an error in its words nothing of a message is sent. */
static void test_nothing_is_sent_after_an_error(void **state)
{
	struct play p = { .messages = true };

	(void)state;
	errs(&p, OPEN "message SET_VRING_NUM num = used_idx\n", "5:9: there is no queue 0");
	assert_string_equal(sent, "");
	errs(&p, OPEN "repeat 200\nmessage GET_CONFIG size = 256 header size 4000 together\nend\n",
	     "6:9: too many bytes held by 'together'");
	assert_string_equal(sent, "");
}

static void test_without_bytes_only_proper_messages_go(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "message SET_VRING_NUM index = 0 num = 8 need_reply\nexpect ack\n");
	passes(&p, "message GET_QUEUE_NUM\nexpect reply, reply u64 = 4\n");
	skips(&p, "message GET_FEATURES version 2\n", "needs messages as bytes");
	skips(&p, "message GET_FEATURES byte-wise\n", "needs messages as bytes");
	skips(&p, "message GET_FEATURES together\n", "needs messages as bytes");
	skips(&p, "message GET_FEATURES 9 fds kick\n", "needs messages as bytes");
	skips(&p, "message GET_FEATURES header size 3\n", "needs messages as bytes");
}

static void test_a_gone_connection_is_noticed(void **state)
{
	struct play p = { .messages = true, .cut_at = 5 };

	(void)state;
	passes(&p, "needs messages\nvmm settle\nvmm settle\nexpect closed\n");
	p.cut_at = 0;
	p.faults[0] = (struct fault){ .on = KC_VU_GET_QUEUE_NUM, .kind = FAULT_CLOSE, .skip = 1 };
	passes(&p, "message GET_QUEUE_NUM\nexpect closed\n");
	p.messages = false;
	passes(&p, "message GET_QUEUE_NUM\nexpect closed\n");
	fails(&p, "message GET_QUEUE_NUM\nmessage GET_QUEUE_NUM\n", CLAUSE, 4,
	      "expected the connection to stay");
}

/* Nothing that follows half a message can be understood: whoever hangs up then, at once or later, may. */
static void test_half_a_message_may_end_the_connection(void **state)
{
	struct play p = { .messages = true };

	(void)state;
	for (p.cut_at = 5; p.cut_at <= 6; p.cut_at++)
		passes(&p, "needs messages\nmessage GET_FEATURES cut to 5 bytes\nvmm settle\nvmm settle\n"
		       "vmm disconnect, session\n");
	p.cut_at = 5;
	fails(&p, "needs messages\nmessage SET_OWNER\nvmm settle\nvmm settle\n", CLAUSE, 6,
	      "expected the connection to stay");
	p.cut_status = SIGSEGV;
	fails(&p, "needs messages\nmessage GET_FEATURES cut to 5 bytes\nvmm settle\nvmm settle\n", CLAUSE, 6,
	      "died of SIGSEGV");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_by_its_name),
		cmocka_unit_test(test_distortions_of_the_header),
		cmocka_unit_test(test_cut_and_in_pieces),
		cmocka_unit_test(test_together_travels_with_the_next),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_the_memory_table_is_the_real_one),
		cmocka_unit_test(test_feature_masks),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_raw_bytes),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_nothing_is_sent_after_an_error),
		cmocka_unit_test(test_without_bytes_only_proper_messages_go),
		cmocka_unit_test(test_a_gone_connection_is_noticed),
		cmocka_unit_test(test_half_a_message_may_end_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

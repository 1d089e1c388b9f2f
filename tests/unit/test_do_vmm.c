/* SPDX-License-Identifier: BSD-3-Clause */
/* The `vmm` lines: connections, negotiation, and what a VMM does to a running queue. */
#include "world_fixture.h"

#define QUEUE	"queue 0 split size 8\n"
#define SERVED	"driver request, kick\nexpect 1 used\n"

/* The part of the trace that line n has made. */
static const char *line(unsigned n)
{
	static char part[8192];
	char step[32];
	const char *c = trace;
	size_t len = 0;

	snprintf(step, sizeof(step), "\"step\":%u,", n);
	part[0] = 0;
	while ((c = strstr(c, step))) {
		size_t more = strcspn(c, "\n");

		if (len + more + 2 > sizeof(part))
			break;
		len += (size_t)sprintf(part + len, "%.*s\n", (int)more, c);
		c += more;
	}
	return part;
}

static void line_says(unsigned n, const char *text)
{
	if (!strstr(line(n), text))
		fail_msg("line %u does not say '%s':\n%s", n, text, line(n));
}

static void test_open_sends_nothing(void **state)
{
	struct play p = { .messages = true };

	(void)state;
	passes(&p, "session manual\nvmm open\nvmm settle\nmessage GET_FEATURES\nexpect reply\n");
	assert_int_equal(p.opens, 1);
	assert_int_equal(times(line(4), "message"), 0);
	p.open_fails = -ECONNREFUSED;
	trouble(&p, "session manual\nvmm open\n", "connecting: nobody is there");
}

static void test_log(void **state)
{
	struct play p = { .ref.capacity = 64 };
	const char *head = "needs LOG_SHMFD log_all\n" QUEUE;
	char script[512];

	(void)state;
#define LOG(lines)	(snprintf(script, sizeof(script), "%s%s", head, lines), script)
	passes(&p, LOG("vmm log on used rings elsewhere\n" SERVED "expect logged\nvmm log off\n" SERVED));
	line_says(5, "SET_LOG_BASE");
	line_says(5, "SET_FEATURES {u64 0x174000000}");
	line_says(9, "SET_FEATURES {u64 0x170000000}");
	passes(&p, LOG("vmm log on\nvmm log on used rings\n" SERVED "expect logged\n"));
	errs(&p, LOG("vmm log on used\n"), "5:5: log on takes 'used rings' or 'used rings elsewhere'");
	errs(&p, LOG("vmm log on rings\n"), "5:5: log on takes 'used rings' or 'used rings elsewhere'");
	errs(&p, LOG("vmm log on\nexpect logged\n"),
	     "6:8: nothing has been changed since the log was switched on");
	errs(&p, LOG(SERVED "expect logged\n"), "7:8: the log is off");
	errs(&p, LOG("vmm log on\n" SERVED "vmm reset\nexpect logged\n"), "9:8: the log is off");
}

static void test_inflight(void **state)
{
	struct play p = { .ref.capacity = 64 };
	const char *head = "needs INFLIGHT_SHMFD\nvmm inflight 1 queues size 8\n";
	char script[512];

	(void)state;
#define INFLIGHT(lines)	(snprintf(script, sizeof(script), "%s%s", head, lines), script)
	passes(&p, INFLIGHT(QUEUE SERVED));
	line_says(4, "GET_INFLIGHT_FD {mmap_size 0x0, mmap_offset 0x0, num_queues 1, queue_size 8}");
	line_says(4, "SET_INFLIGHT_FD");
	passes(&p, INFLIGHT("queue 0 split size 8 later\ndriver 2 requests\n"
			    "vmm inflight taken 0, inflight again, start 0\nexpect 2 used\n"));
	passes(&p, INFLIGHT("vmm inflight 2 queues size 16\n" QUEUE SERVED));
	passes(&p, INFLIGHT(QUEUE SERVED "vmm stop 0, inflight half done 0, start 0\nexpect nothing used\n"));
	errs(&p, INFLIGHT(QUEUE "vmm inflight taken 0\n"),
	     "6:5: queue 0 is started, or has no in-flight region");
	errs(&p, INFLIGHT("queue 1 split size 8 later\nvmm inflight half done 1\n"),
	     "6:5: queue 1 is started, or has no in-flight region");
	errs(&p, INFLIGHT("queue 0 split size 8 later\nvmm inflight half done 0\n"),
	     "6:5: nothing was used yet");
}

static void test_connect_and_negotiate(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "session manual\nvmm connect\nvmm negotiate\n" QUEUE SERVED);
	line_says(4, "SET_OWNER");
	assert_int_equal(times(line(4), "SET_FEATURES"), 0);
	line_says(5, "SET_FEATURES {u64 0x170000000}");
	line_says(5, "SET_MEM_TABLE");
	passes(&p, "session manual\nvmm connect, negotiate only version_1 indirect\n" QUEUE SERVED);
	line_says(4, "SET_FEATURES {u64 0x150000000}");
	passes(&p, "session manual\nvmm connect, negotiate without indirect\n" QUEUE SERVED);
	line_says(4, "SET_FEATURES {u64 0x160000000}");
	skips(&p, "session manual\nvmm connect, negotiate only sr_iov\n",
	      "needs feature sr_iov, which is not offered");
	errs(&p, "session manual\nvmm connect, negotiate only foo\n",
	     "4:14: unknown feature 'foo'");
	errs(&p, "session manual\nvmm connect, negotiate all\n",
	     "4:14: negotiate takes 'only F...' or 'without F...', not 'all'");
}

static void test_a_new_session_after_a_disconnection(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE SERVED "driver request\nvmm disconnect\nvmm session\n" QUEUE SERVED
	       "driver arm calls, request, kick\nexpect 1 used, call due, 0 in flight\n");
	assert_int_equal(p.opens, 2);
	errs(&p, QUEUE "vmm disconnect\ndriver kick\n", "5:8: there is no queue 0");
	errs(&p, QUEUE "vmm disconnect, session\ndriver kick\n", "5:8: there is no queue 0");
	/* one that is held back by `together` is lost with its connection */
	p.messages = true;
	play(&p, "message GET_QUEUE_NUM together\nvmm disconnect, session\nmessage GET_FEATURES\n"
	     "expect reply\n");
	assert_int_equal(result.verdict, KC_PASS);
	assert_int_equal(times(sent, "\n"), 1);
	assert_int_equal(strlen(sent), 12 * 3 + 6);
}

/* What was allowed is allowed to one connection. */
static void test_a_new_connection_may_not_be_lost_either(void **state)
{
	static const char *const again[] = { "session", "connect", "open" };
	struct play p = { .faults = {
		{ .on = KC_VU_GET_FEATURES, .kind = FAULT_CLOSE, .skip = 1 },
		{ .on = KC_VU_RESET_OWNER, .kind = FAULT_CLOSE },
	} };
	char body[300];

	(void)state;
	for (size_t i = 0; i < sizeof(again) / sizeof(*again); i++) {
		snprintf(body, sizeof(body), "expect alive or closed\nvmm disconnect\nvmm %s\n"
			 "message RESET_OWNER\nvmm settle\n", again[i]);
		fails(&p, body, CLAUSE, 7, "expected the connection to stay");
	}
}

static void test_killing(void **state)
{
	struct play p = { .caps = KC_CAP_RESTART };

	(void)state;
	passes(&p, QUEUE SERVED "driver 2 requests\nvmm kill\nvmm session\n" QUEUE SERVED);
	assert_int_equal(p.kills, 1);
	assert_int_equal(p.opens, 2);
	p.caps = 0;
	skips(&p, "vmm kill\n", "needs a back-end that kickcall may kill");
	assert_int_equal(p.kills, 0);
}

/* What the port knows of the storage is worth something after a crash if the storage lives on. */
static void test_a_crash_leaves_the_storage(void **state)
{
	struct play p = {
		.device = "blk", .caps = KC_CAP_RESTART,
		.cfg = { .writes_allowed = true, .persistent = true },
	};

	(void)state;
	passes(&p, "needs persistent\n" QUEUE "driver request write, kick, wait used\n"
	       "driver request flush, kick, wait used, 2 requests\nvmm kill, session\n"
	       QUEUE "driver request back, kick\nexpect 1 used, status OK\n");
	errs(&p, QUEUE "driver request write, kick, wait used\nvmm kill, session\n"
	     QUEUE "driver request back\n", "7:8: nothing was written yet");
	errs(&p, "needs persistent\n" QUEUE "driver request write, kick, wait used\n"
	     "vmm disconnect, session\n" QUEUE "driver request back\n", "8:8: nothing was written yet");
}

static void test_dying_of_a_disconnection(void **state)
{
	struct play p = { .dies_of_close = SIGABRT };

	(void)state;
	fails(&p, QUEUE "vmm disconnect\nvmm session\n", CLAUSE, 4,
	      "expected the back-end to survive the end of its connection, actual: it died of "
	      "SIGABRT");
	assert_int_equal(p.opens, 1);
}

static void test_stopping_and_starting(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE SERVED "vmm stop 0\nexpect base 1\nvmm start 0\n" SERVED "vmm stop 0\n"
	       "expect base 2\n");
	line_says(6, "GET_VRING_BASE {index 0, num 0}");
	line_says(8, "SET_VRING_BASE {index 0, num 1}");
	passes(&p, "queue 0 split size 8 disabled\nvmm stop 0\nvmm start 0 from 0xffff\n"
	       "vmm stop 0\nexpect base 65535\n");
	line_says(5, "SET_VRING_BASE {index 0, num 65535}");
	trouble(&p, QUEUE "vmm stop 0\nvmm stop 0\n", "queue 0 is not started");
	trouble(&p, QUEUE "vmm start 0\n", "queue 0 is already started");
}

static void test_enabling(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE SERVED "vmm disable 0\ndriver request, kick\nexpect nothing used\n"
	       "vmm enable 0\n"
	       "expect 1 used\n");
	line_says(6, "SET_VRING_ENABLE {index 0, num 0}");
	line_says(9, "SET_VRING_ENABLE {index 0, num 1}");
	skips(&p, "without protocol_features\n" QUEUE "vmm disable 0\n", "SET_VRING_ENABLE 0: ");
	skips(&p, "without protocol_features\n" QUEUE "vmm enable 0\n", "SET_VRING_ENABLE 1: ");
}

static void test_what_may_be_done_to_a_running_queue(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE SERVED "vmm swap kick 0\n" SERVED "vmm swap call 0\n" "driver arm calls, "
	       "request, kick\n"
	       "expect 1 used, call due\nvmm resend features\nvmm resend addresses 0\n"
	       "vmm memory\n" SERVED);
	line_says(6, "SET_VRING_KICK {u64 0x0}");
	line_says(9, "SET_VRING_CALL {u64 0x0}");
	line_says(12, "SET_FEATURES {u64 0x170000000}");
	line_says(13, "SET_VRING_ADDR {index 0, ");
	line_says(14, "SET_MEM_TABLE {nregions 3");
}

static void test_resetting(void **state)
{
	static const char body[] = QUEUE SERVED "vmm reset\nvmm settle\n"
		"vmm negotiate\n" QUEUE SERVED;
	struct play p = { 0 };

	(void)state;
	passes(&p, body);
	line_says(6, "SET_STATUS {u64 0x0}");
	p.ref.pf_off = KC_BIT(KC_PF_STATUS);
	passes(&p, body);
	line_says(6, "RESET_DEVICE");
	p.ref.pf_off |= KC_BIT(KC_PF_RESET_DEVICE);
	passes(&p, body);
	line_says(6, "GET_VRING_BASE {index 0, num 0}");
	p = (struct play){ .faults = { { .on = KC_VU_GET_STATUS, .kind = FAULT_CLOSE,
		.skip = 1 } } };
	fails(&p, QUEUE "vmm reset\n", CLAUSE, 4, "device reset: expected ok, actual closed");
}

static void scribble(struct play *p, struct kc_world *w)
{
	uint8_t *used;

	(void)p;
	if (w->trace.step != 5)
		return;
	used = kc_mem_host(&w->mem, w->q[0].config.used, kc_used_bytes(8));
	used[kc_used_slot(0)] = 0x55;
}

static void test_a_reset_is_a_barrier(void **state)
{
	struct play p = { .on_step = scribble };

	(void)state;
	play(&p, QUEUE "vmm reset\nvmm settle\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_string_equal(result.violations[0].clause, "VIRTIO-RESET-DEV-02");
}

static void test_the_configuration_is_written_by_bytes(void **state)
{
	struct play p = { .device = "blk" };

	(void)state;
	passes(&p, "vmm write config 32 = 0\nexpect whole config 32 size 1 = 0\n"
	       "vmm write config 32 = 1\n"
	       "expect whole config 32 size 1 = 1\n");
	line_says(3, "SET_CONFIG {offset 32, size 1, flags 0x0");
	p.device = "loopback";
	play(&p, "vmm write config 0 = 1\n");
	assert_int_equal(result.verdict, KC_FAIL);
	assert_non_null(strstr(result.message, "SET_CONFIG: expected ok, actual refused"));
}

static void test_a_field_of_the_configuration_is_written(void **state)
{
	struct play p = { .device = "balloon" };

	(void)state;
	passes(&p, "vmm write config 4 size 4 = 0x01020304\n"
	       "expect whole config 4 size 4 = 0x01020304, whole config 4 size 1 = 4\n"
	       "vmm write config 4 size 2 = 5\n"
	       "expect whole config 4 size 4 = 0x01020005\n");
	line_says(3, "SET_CONFIG {offset 4, size 4, flags 0x0");
	play(&p, "vmm write config 4 size 3 = 5\n");
	assert_int_equal(result.verdict, KC_ERROR);
	assert_non_null(strstr(result.message, "a field has 1, 2, 4 or 8 bytes, not 3"));
}

static void test_driver_ok_by_hand(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "queue 0 split size 8 before-driver-ok\nvmm settle\n"
	       "vmm driver ok, driver ok\n" SERVED);
	assert_int_equal(times(line(4), "SET_STATUS"), 0);
	assert_int_equal(times(line(5), "SET_STATUS {u64 0xf}"), 1);
}

static void test_lines_that_need_a_queue(void **state)
{
	static const char *const lines[] = {
		"stop 1", "start 1", "start 1 from 3", "enable 1", "disable 1", "swap kick 1",
		"swap call 1",
		"resend addresses 1",
	};
	struct play p = { 0 };
	char body[200];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		snprintf(body, sizeof(body), QUEUE "vmm %s\n", lines[i]);
		errs(&p, body, "4:5: there is no queue 1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_sends_nothing),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_inflight),
		cmocka_unit_test(test_connect_and_negotiate),
		cmocka_unit_test(test_a_new_session_after_a_disconnection),
		cmocka_unit_test(test_a_new_connection_may_not_be_lost_either),
		cmocka_unit_test(test_killing),
		cmocka_unit_test(test_a_crash_leaves_the_storage),
		cmocka_unit_test(test_dying_of_a_disconnection),
		cmocka_unit_test(test_stopping_and_starting),
		cmocka_unit_test(test_enabling),
		cmocka_unit_test(test_what_may_be_done_to_a_running_queue),
		cmocka_unit_test(test_resetting),
		cmocka_unit_test(test_a_reset_is_a_barrier),
		cmocka_unit_test(test_the_configuration_is_written_by_bytes),
		cmocka_unit_test(test_a_field_of_the_configuration_is_written),
		cmocka_unit_test(test_driver_ok_by_hand),
		cmocka_unit_test(test_lines_that_need_a_queue),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

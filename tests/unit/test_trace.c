/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace's bytes, and the ring of kept events. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sim/trace.h>

static int64_t now(void *ctx)
{
	return *(int64_t *)ctx;
}

/* What has come since the last look. */
static void expect_file(struct kc_trace *t, char **buf, size_t *seen, const char *want)
{
	fflush(t->file);
	assert_string_equal(*buf + *seen, want);
	*seen += strlen(want);
}

static void test_lines(void **state)
{
	int64_t time = -5;
	struct kc_trace t = { .test = "split/a \"b\"", .step = 12, .now = now, .now_ctx = &time };
	size_t len, seen = 0;
	char *buf;

	(void)state;
	t.file = open_memstream(&buf, &len);
	kc_trace_value(&t, KC_ACTOR_DRIVER, "store", UINT64_MAX, "queue %d avail.idx", 3);
	expect_file(&t, &buf, &seen, "{\"test\":\"split/a \\\"b\\\"\",\"step\":12,\"time\":-5,"
		    "\"actor\":\"driver\",\"operation\":\"store\","
		    "\"place\":\"queue 3 avail.idx\",\"value\":18446744073709551615}\n");
	time = 1000;
	t.test = NULL;
	kc_trace_text(&t, KC_ACTOR_VMM, "send", "a\\b\n\x01\x7f", "%s", "socket");
	expect_file(&t, &buf, &seen, "{\"test\":\"\",\"step\":12,\"time\":1000,\"actor\":\"vmm\","
		    "\"operation\":\"send\",\"place\":\"socket\","
		    "\"value\":\"a\\\\b\\u000a\\u0001\x7f\"}\n");
	kc_trace_text(&t, KC_ACTOR_KVM, "x", NULL, "p");
	assert_int_equal(t.count, 3);
	fclose(t.file);
	free(buf);
}

static void test_utf8(void **state)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc3", "\\ufffd" },				/* cut */
		{ "\xe2\x82", "\\ufffd\\ufffd" },
		{ "\x80z", "\\ufffdz" },			/* lone continuation */
		{ "\xc0\x80", "\\ufffd\\ufffd" },		/* overlong */
		{ "\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd" },	/* surrogate */
		{ "\xf5\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd" },
		{ "\xf0\x9f\x98z", "\\ufffd\\ufffd\\ufffdz" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kc_trace t = { .test = "t" };
		char *buf, want[256];
		size_t len;

		t.file = open_memstream(&buf, &len);
		kc_trace_text(&t, KC_ACTOR_SCRIPT, "say", rows[i].text, "here");
		fclose(t.file);
		snprintf(want, sizeof(want), "{\"test\":\"t\",\"step\":0,\"time\":0,"
			 "\"actor\":\"script\",\"operation\":\"say\",\"place\":\"here\","
			 "\"value\":\"%s\"}\n", rows[i].want);
		assert_string_equal(buf, want);
		free(buf);
	}
}

static void test_kept(void **state)
{
	struct kc_trace t = { .test = "t" };
	char big[300];

	(void)state;
	for (unsigned i = 0; i < KC_TRACE_KEPT + 3; i++)
		kc_trace_value(&t, KC_ACTOR_BACKEND, "load", i, "slot %u", i);
	assert_int_equal(t.count, KC_TRACE_KEPT + 3);
	assert_int_equal(t.kept[2].value, KC_TRACE_KEPT + 2);
	assert_string_equal(t.kept[0].place, "slot 64");
	assert_int_equal(t.kept[3].value, 3);

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	kc_trace_text(&t, KC_ACTOR_ORACLE, "op", big, "%s", big);
	assert_int_equal(strlen(t.kept[3].place), sizeof(t.kept[3].place) - 1);
	assert_int_equal(strlen(t.kept[3].text), sizeof(t.kept[3].text) - 1);
	kc_trace_value(NULL, KC_ACTOR_ORACLE, "op", 1, "nowhere");
	kc_trace_text(NULL, KC_ACTOR_ORACLE, "op", "text", "nowhere");
}

/* A long text is cut in the ring but whole in the file. */
static void test_long_text(void **state)
{
	struct kc_trace t = { .test = "t" };
	char big[500], *buf;
	size_t len;

	(void)state;
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	t.file = open_memstream(&buf, &len);
	kc_trace_text(&t, KC_ACTOR_VMM, "send", big, "s");
	fclose(t.file);
	assert_non_null(strstr(buf, big));
	free(buf);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(kc_actor_name(KC_ACTOR_DRIVER), "driver");
	assert_string_equal(kc_actor_name(KC_ACTOR_SCRIPT), "script");
	assert_string_equal(kc_actor_name((enum kc_actor)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_kept), cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

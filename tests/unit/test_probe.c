/* SPDX-License-Identifier: BSD-3-Clause */
/* What a back-end says when asked: all of it, some of it, nonsense, nothing; and how it is printed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include <backend/adapters.h>
#include <harness/run/probe.h>
#include <harness/run/scratch.h>
#include <kickcall/ring.h>
#include "peer.h"

static const struct kc_target blk = { .spec = "ref", .device = "blk", .port = &kc_port_blk };
static const struct kc_target loopback = {
	.spec = "command", .command = "be {socket}", .device = "loopback", .port = &kc_port_loopback,
};
static struct kc_probe p;
static struct kc_err err;

static int ask(struct kc_backend *be, const struct kc_target *t)
{
	int ret;

	assert_non_null(be);
	err.msg[0] = '\0';
	ret = kc_probe(be, t, &p, &err);
	assert_false(be->connected);
	kc_backend_free(be);
	return ret;
}

static struct kc_backend *reference(uint64_t features_off, uint64_t pf_off)
{
	const struct kc_ref_config c = { .device = "blk", .queues = 3, .capacity = 1 << 20,
					 .features_off = features_off, .pf_off = pf_off };

	return kc_backend_new_stream(&c, NULL);
}

static void all_is_told(void **state)
{
	(void)state;
	assert_int_equal(ask(reference(0, 0), &blk), 0);
	assert_true(p.features & KC_BIT(KC_VU_F_PROTOCOL_FEATURES));
	assert_true(p.protocol_features & KC_BIT(KC_PF_CONFIG));
	assert_int_equal(p.queues, 3);
	assert_int_equal(p.mem_slots, KC_VU_MEM_REGIONS_MAX);
	assert_int_equal(p.config_len, kc_port_config_len(&kc_port_blk, p.features));
	assert_int_equal(p.config[0] | p.config[1] << 8, 2048);		/* sectors */
}

/* What is not offered is not asked for, and not made up. */
static void what_is_not_offered_is_zero(void **state)
{
	(void)state;
	assert_int_equal(ask(reference(0, KC_BIT(KC_PF_MQ)), &blk), 0);
	assert_int_equal(p.queues, 0);
	assert_true(p.mem_slots && p.config_len);
	assert_int_equal(ask(reference(0, KC_BIT(KC_PF_CONFIGURE_MEM_SLOTS)), &blk), 0);
	assert_int_equal(p.mem_slots, 0);
	assert_true(p.queues && p.config_len);
	assert_int_equal(ask(reference(0, KC_BIT(KC_PF_CONFIG)), &blk), 0);
	assert_int_equal(p.config_len, 0);
	assert_int_equal(ask(reference(KC_BIT(KC_VU_F_PROTOCOL_FEATURES), 0), &blk), 0);
	assert_true(p.features);
	assert_int_equal(p.protocol_features, 0);
	assert_int_equal(p.queues, 0);
}

/* --- One that answers what the test puts into its mouth ----------------------------------------- */

static struct {
	int open;
	unsigned asked, after;		/* requests; the answer that is as `kind` says */
	enum kc_event_kind kind;
	struct kc_msg last;
} mouth;

static int fake_open(struct kc_backend *be, struct kc_err *e)
{
	(void)be;
	return mouth.open ? kc_err_set(e, mouth.open, "not there") : 0;
}

static void fake_close(struct kc_backend *be)
{
	(void)be;
}

static int fake_submit(struct kc_backend *be, const struct kc_msg *m)
{
	(void)be;
	mouth.last = *m;
	mouth.asked++;
	return 0;
}

static int fake_next(struct kc_backend *be, struct kc_event *ev)
{
	(void)be;
	if (mouth.asked > mouth.after) {
		ev->kind = mouth.kind;
		kc_err_set(&ev->err, 0, "three bytes");
		return mouth.kind != KC_EV_NONE;
	}
	ev->kind = KC_EV_MESSAGE;
	kc_msg_init(&ev->msg, mouth.last.id);
	ev->msg.flags = KC_VU_VERSION | KC_VU_REPLY;
	ev->msg.payload = KC_PL_U64;
	ev->msg.u64 = mouth.last.id == KC_VU_GET_FEATURES ? KC_BIT(KC_VU_F_PROTOCOL_FEATURES) | 1 :
		      KC_BIT(KC_PF_MQ);
	return 1;
}

static int fake_step(struct kc_backend *be)
{
	(void)be;
	return 0;
}

static const struct kc_backend_ops fake_ops = {
	.name = "fake", .open = fake_open, .close = fake_close, .submit = fake_submit,
	.next_event = fake_next, .step = fake_step, .free = kc_backend_dealloc,
};

static int ask_fake(int open, unsigned after, enum kc_event_kind kind)
{
	mouth.open = open;
	mouth.asked = 0;
	mouth.after = after;
	mouth.kind = kind;
	return ask(kc_backend_alloc(&fake_ops, 1, NULL), &loopback);
}

static void each_way_to_fail_has_its_code(void **state)
{
	(void)state;
	assert_int_equal(ask_fake(-ECHILD, 9, KC_EV_NONE), -ECHILD);
	assert_string_equal(err.msg, "not there");
	assert_int_equal(ask_fake(0, 0, KC_EV_GARBLED), -EBADMSG);
	assert_int_equal(strncmp(err.msg, "GET_FEATURES: ", 14), 0);
	assert_non_null(strstr(err.msg, "three bytes"));
	assert_int_equal(ask_fake(0, 0, KC_EV_CLOSED), -EPROTO);
	assert_int_equal(ask_fake(0, 0, KC_EV_NONE), -EPROTO);	/* silence */
	/* the second answer is no answer: what was learnt before it stays */
	assert_int_equal(ask_fake(0, 1, KC_EV_GARBLED), -EBADMSG);
	assert_int_equal(strncmp(err.msg, "GET_PROTOCOL_FEATURES: ", 23), 0);
	assert_int_equal(p.features, KC_BIT(KC_VU_F_PROTOCOL_FEATURES) | 1);
	assert_int_equal(p.protocol_features, 0);
}

/* Only this much is asked, and nothing is set but the protocol features that allow it. */
static void nothing_else_is_done_to_it(void **state)
{
	(void)state;
	assert_int_equal(ask_fake(0, 9, KC_EV_NONE), 0);
	assert_int_equal(p.queues, KC_BIT(KC_PF_MQ));
	assert_int_equal(mouth.asked, 4);
	assert_int_equal(mouth.last.id, KC_VU_GET_QUEUE_NUM);
}

static void last_words_are_quoted(void **state)
{
	char dir[64], *argv[] = { peer_exe, "mumble", "{socket}", NULL };
	struct kc_spawn_config c = { .argv = argv, .dir = dir, .start_timeout_ns = PEER_TIMEOUT_NS };
	int ret;

	(void)state;
	assert_int_equal(kc_make_scratch(dir, sizeof(dir), NULL), 0);
	ret = ask(kc_backend_new_spawned(&c, &err), &loopback);
	kc_remove_tree(dir);
	assert_int_equal(ret, -EPROTO);
	assert_non_null(strstr(err.msg, "; stderr: "));
	assert_string_equal(err.msg + strlen(err.msg) - 12, "I have to go");
}

/* --- Printing ----------------------------------------------------------------------------------- */

static char *print(const struct kc_target *t, bool json)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	kc_probe_print(&p, t, json, f);
	fclose(f);
	return text;
}

static void as_text(void **state)
{
	char *text;

	(void)state;
	p = (struct kc_probe){ .features = KC_BIT(29) | KC_BIT(63), .protocol_features = 1, .queues = 2 };
	text = print(&loopback, false);
	assert_string_equal(text,
		"be {socket}, as a loopback device\n"
		"features 0x8000000020000000\n  29 event_idx\n  63 (no name known)\n"
		"protocol features 0x1\n   0 MQ\n"
		"queues 2\n");
	free(text);
	p = (struct kc_probe){ .mem_slots = 7, .config = { 0x34, 0x12 }, .config_len = 9 };
	text = print(&blk, false);
	assert_string_equal(text, "ref, as a blk device\nfeatures 0x0\nprotocol features 0x0\n"
			    "memory slots 7\nconfiguration (9 bytes)\n"
			    "  capacity (512-byte sectors)  4660\n");
	free(text);
}

static void as_json(void **state)
{
	const char *features, *config, *spec;
	json_int_t schema, queues, slots;
	char *text;
	json_t *j;

	(void)state;
	p = (struct kc_probe){ .features = UINT64_MAX, .queues = 2, .mem_slots = 7,
			       .config = { 0, 0xab, 9 }, .config_len = 3 };
	text = print(&loopback, true);
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_unpack(j, "{s:I,s:s,s:s,s:I,s:I,s:s}", "schema", &schema, "spec", &spec,
				     "features", &features, "queues", &queues, "mem_slots", &slots,
				     "config", &config), 0);
	assert_int_equal(schema, 1);
	assert_string_equal(spec, "command");
	assert_string_equal(features, "0xffffffffffffffff");
	assert_int_equal(queues, 2);
	assert_int_equal(slots, 7);
	assert_string_equal(config, "00ab09");
	json_decref(j);
	free(text);
}

/* Takes the first byte, says something, and goes. */
static int mumbling_peer(const char *path)
{
	char byte;

	if (read(peer_accept(kc_unix_listen(path, NULL)), &byte, 1) != 1)
		return 9;
	fprintf(stderr, "I have to go\n");
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_told),
		cmocka_unit_test(what_is_not_offered_is_zero),
		cmocka_unit_test(each_way_to_fail_has_its_code),
		cmocka_unit_test(nothing_else_is_done_to_it),
		cmocka_unit_test(last_words_are_quoted),
		cmocka_unit_test(as_text),
		cmocka_unit_test(as_json),
	};

	if (argc == 3 && !strcmp(argv[1], "mumble"))
		return mumbling_peer(argv[2]);
	peer_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

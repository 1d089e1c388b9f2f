/* SPDX-License-Identifier: BSD-3-Clause */
/* What a command line says of the back-end, resolved: its kind, mode, device, and what may be done to it. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <backend/adapters.h>
#include "run_fixture.h"

static struct kc_options o;
static struct kc_target t;
static struct kc_err err;

static int resolve(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	err.msg[0] = '\0';
	if (kc_options_parse(&o, argc, argv, &err))
		fail_msg("%s", err.msg);
	return kc_target_init(&t, &o, &err);
}

static void done(void)
{
	kc_target_fini(&t);
	kc_options_free(&o);
}

static void kinds_and_modes(void **state)
{
	static const struct {
		char *argv[8];
		enum kc_target_kind kind;
		enum kc_mode mode;
		const char *spec, *command, *path;
		bool listen, writes, parallel;
	} rows[] = {
		{ { "k", "conform" }, KC_TARGET_REF, KC_MODE_SIM, "ref", NULL, NULL, false, true, true },
		{ { "k", "conform", "--backend", "ref", "--mode", "live" }, KC_TARGET_REF, KC_MODE_LIVE,
		  "ref", NULL, NULL, false, true, true },
		{ { "k", "conform", "--backend", "vhost-user:/s" }, KC_TARGET_SOCKET, KC_MODE_LIVE,
		  "vhost-user:/s", NULL, "/s", false, false, false },
		{ { "k", "conform", "--backend", "vhost-user-server:/s", "--destructive" },
		  KC_TARGET_SOCKET, KC_MODE_LIVE, "vhost-user-server:/s", NULL, "/s", true, true, false },
		{ { "k", "conform", "--listen", "--", "be", "a b", "{socket}" }, KC_TARGET_SPAWN,
		  KC_MODE_LIVE, "command", "be a b {socket}", NULL, true, true, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (resolve((char **)rows[i].argv))
			fail_msg("row %u: %s", i, err.msg);
		assert_int_equal(t.kind, rows[i].kind);
		assert_int_equal(t.mode, rows[i].mode);
		assert_string_equal(t.spec, rows[i].spec);
		assert_string_equal(t.command ? t.command : "", rows[i].command ? rows[i].command : "");
		assert_string_equal(t.path ? t.path : "", rows[i].path ? rows[i].path : "");
		assert_int_equal(t.listen, rows[i].listen);
		assert_int_equal(t.writes_allowed, rows[i].writes);
		assert_int_equal(kc_target_parallel(&t), rows[i].parallel);
		assert_string_equal(t.device, "blk");
		assert_ptr_equal(t.port, &kc_port_blk);
		done();
	}
}

static void wrong_ones_are_told(void **state)
{
	static const struct { char *argv[8]; const char *said; } rows[] = {
		{ { "k", "conform", "--backend", "reff" }, "not 'reff'" },
		{ { "k", "conform", "--backend", "vhost-user:" }, "a path is missing" },
		{ { "k", "conform", "--device", "toaster" }, "unknown device 'toaster'" },
		{ { "k", "conform", "--backend", "vhost-user:/s", "--mode", "sim" }, "--mode sim needs" },
		{ { "k", "conform", "--mode", "sim", "--", "be" }, "--mode sim needs" },
		{ { "k", "conform", "--data", "line" }, "not 'line'" },
		{ { "k", "conform", "--data", "tap:k0" }, "tap:k0 is for network devices" },
		{ { "k", "conform", "--device=net", "--data", "tap:k0", "--mode=sim" }, "--mode sim has no" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(resolve((char **)rows[i].argv), -EINVAL);
		if (!strstr(err.msg, rows[i].said))
			fail_msg("row %u: %s", i, err.msg);
		done();
	}
	assert_int_equal(resolve(ARGV("k", "conform", "--profile", "/nonesuch.profile")), -ENOENT);
	done();
}

#define PROFILE	"title a\ndevice loopback\ncommand be -i {dir}/disk.img {socket}\n" \
		"image disk.img 1M\ncontents zeroes\nwrites dropped\nring-max 256\nchain-max 9\n"

static void a_profile_says_it_all(void **state)
{
	struct kc_world_config cfg = { 0 };
	char path[96], image[96];
	struct stat st;

	(void)state;
	put("p.profile", PROFILE "listen yes\nquirk quick it is\nquirk never-polls why\n");
	snprintf(path, sizeof(path), "%s/p.profile", root);
	assert_int_equal(resolve(ARGV("k", "conform", "--profile", path)), 0);
	assert_int_equal(t.kind, KC_TARGET_SPAWN);
	assert_string_equal(t.spec, "profile:p");
	assert_string_equal(t.command, "be -i {dir}/disk.img {socket}");
	assert_true(t.listen && t.writes_allowed);
	assert_string_equal(t.device, "loopback");
	kc_target_world(&t, &cfg);
	assert_int_equal(cfg.contents, KC_CONTENTS_ZEROES);
	assert_true(cfg.writes_dropped && cfg.quick && cfg.never_polls && cfg.writes_allowed);
	assert_false(cfg.busy_poll || cfg.persistent);		/* it forgets what is written */
	assert_int_equal(cfg.ring_max, 256);
	assert_int_equal(cfg.chain_max, 9);
	assert_int_equal(kc_target_prepare(&t, root, &err), 0);
	snprintf(image, sizeof(image), "%s/disk.img", root);
	assert_int_equal(stat(image, &st), 0);
	assert_int_equal(st.st_size, 1 << 20);
	assert_int_equal(kc_target_prepare(&t, "/nonesuch", &err), -ENOENT);
	done();
	put("kept.profile", "title a\ndevice blk\ncommand be {dir}/d {socket}\nimage d 1M\n");
	snprintf(path, sizeof(path), "%s/kept.profile", root);
	assert_int_equal(resolve(ARGV("k", "conform", "--profile", path)), 0);
	kc_target_world(&t, &cfg);
	assert_true(cfg.persistent);
	done();
	snprintf(path, sizeof(path), "%s/p.profile", root);
	/* what the user says comes before what the profile says */
	assert_int_equal(resolve(ARGV("k", "conform", "--profile", path, "--device", "blk")), 0);
	assert_string_equal(t.device, "blk");
	done();
}

static void what_the_world_is_told(void **state)
{
	struct kc_world_config cfg = { 0 };

	(void)state;
	assert_int_equal(resolve(ARGV("k", "conform")), 0);
	kc_target_world(&t, &cfg);
	assert_int_equal(cfg.contents, KC_CONTENTS_PATTERN);	/* the reference's */
	assert_true(cfg.can_throttle);
	assert_int_equal(kc_target_prepare(&t, "/nonesuch", &err), 0);	/* nothing to make */
	done();
	assert_int_equal(resolve(ARGV("k", "conform", "--device", "fs")), 0);
	assert_int_equal(kc_target_prepare(&t, "/nonesuch", &err), -ENOENT);	/* a share */
	done();
	assert_int_equal(resolve(ARGV("k", "conform", "--backend", "vhost-user:/s")), 0);
	kc_target_world(&t, &cfg);
	assert_int_equal(cfg.contents, KC_CONTENTS_UNKNOWN);
	assert_false(cfg.can_throttle || cfg.writes_allowed || cfg.persistent);
	assert_int_equal(cfg.ring_max, 0);
	done();
}

static void where_data_goes(void **state)
{
	static const struct {
		char *argv[8];
		bool loop;
		const char *tap;
		enum kc_mode mode;
	} rows[] = {
		{ { "k", "conform", "--device", "net" }, true, "", KC_MODE_SIM },
		{ { "k", "conform", "--device", "net", "--data", "sink" }, true, "", KC_MODE_SIM },
		{ { "k", "conform", "--device", "net", "--data", "tap:k0" }, true, "k0", KC_MODE_LIVE },
		{ { "k", "conform", "--backend", "vhost-user:/s" }, false, "", KC_MODE_LIVE },
		{ { "k", "conform", "--backend", "vhost-user:/s", "--data", "loop" }, true, "", KC_MODE_LIVE },
		{ { "k", "conform", "--profile", NULL }, true, "p0", KC_MODE_LIVE },
		{ { "k", "conform", "--profile", NULL, "--data=sink" }, false, "", KC_MODE_LIVE },
		{ { "k", "conform", "--profile", NULL, "--data=tap:k0" }, true, "k0", KC_MODE_LIVE },
	};
	char path[96];

	(void)state;
	put("p.profile", "device net\ncommand be {socket}\ndata tap:p0\n");
	snprintf(path, sizeof(path), "%s/p.profile", root);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kc_world_config cfg = { 0 };
		char *argv[8];

		memcpy(argv, rows[i].argv, sizeof(argv));
		if (!strcmp(argv[2], "--profile"))
			argv[3] = path;
		if (resolve(argv))
			fail_msg("row %u: %s", i, err.msg);
		kc_target_world(&t, &cfg);
		assert_int_equal(cfg.data_loop, rows[i].loop);
		assert_int_equal(t.mode, rows[i].mode);
		assert_string_equal(kc_target_tap(&t) ? kc_target_tap(&t) : "", rows[i].tap);
		if (*rows[i].tap)
			assert_false(kc_target_parallel(&t));
		done();
	}
}

/* The adapter that gets there; a test says by its needs what it must be able to do. */
static void adapters_fit_target_and_test(void **state)
{
	static const struct { char *argv[6]; const char *needs, *name; } rows[] = {
		{ { "k", "conform" }, "", "in-process" },
		{ { "k", "conform" }, "needs messages\n", "stream" },
		{ { "k", "conform" }, NULL, "stream" },
		{ { "k", "conform", "--mode", "live" }, "", "forked" },
		{ { "k", "conform", "--backend", "vhost-user:/s" }, "", "socket" },
		{ { "k", "conform", "--", "be", "{socket}" }, "", "spawned" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kc_script *s = NULL;
		struct kc_backend *be;
		char text[128];

		snprintf(text, sizeof(text), "title t\nclause VQ-SPLIT-USED-02\n%s\n"
			 "queue 0 split size 4\n", rows[i].needs ? rows[i].needs : "");
		if (rows[i].needs)
			s = kc_script_parse("t.kick", "t", text, 0, &err);
		assert_int_equal(resolve((char **)rows[i].argv), 0);
		be = kc_target_backend(&t, root, s, &err);
		if (!be)
			fail_msg("row %u: %s", i, err.msg);
		assert_string_equal(be->ops->name, rows[i].name);
		kc_backend_free(be);
		kc_script_free(s);
		done();
	}
}

static uint64_t features(const char *needs)
{
	char text[128];
	struct kc_script *s;
	struct kc_backend *be;
	struct kc_msg m, reply;
	uint64_t v;

	snprintf(text, sizeof(text), "title t\nclause VQ-SPLIT-USED-02\n%s\nqueue 0 split size 4\n",
		 needs);
	s = kc_script_parse("t.kick", "t", text, 0, &err);
	assert_non_null(s);
	assert_int_equal(resolve(ARGV("k", "conform")), 0);
	be = kc_target_backend(&t, root, s, &err);
	assert_int_equal(kc_backend_open(be, &err), 0);
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	assert_int_equal(kc_backend_exchange(be, &m, &reply, &err), KC_OUT_OK);
	v = reply.u64;
	kc_msg_fini(&reply);
	kc_backend_free(be);
	kc_script_free(s);
	done();
	return v;
}

static void a_test_that_needs_a_read_only_disk_gets_one(void **state)
{
	uint64_t ro = KC_BIT(kc_feature_by_name("blk", "ro"));

	(void)state;
	assert_int_equal(features("needs ro\n") & ro, ro);
	assert_int_equal(features("") & ro, 0);
}

static void a_test_that_needs_a_persistent_disk_gets_a_file(void **state)
{
	char image[96], deep[PATH_MAX];
	struct kc_script *s;
	struct kc_backend *be;
	struct stat st;

	(void)state;
	s = kc_script_parse("t.kick", "t", "title t\nclause VQ-SPLIT-USED-02\nneeds persistent\n"
			    "queue 0 split size 4\n", 0, &err);
	assert_non_null(s);
	snprintf(image, sizeof(image), "%s/disk.img", root);
	memset(deep, 'd', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	for (unsigned live = 0; live < 2; live++) {
		assert_int_equal(resolve(ARGV("k", "conform", "--mode", live ? "live" : "sim")), 0);
		assert_int_equal(stat(image, &st), -1);
		be = kc_target_backend(&t, root, s, &err);
		assert_non_null(be);
		kc_backend_free(be);
		assert_int_equal(stat(image, &st), 0);
		assert_true(st.st_size > 0);
		unlink(image);
		assert_null(kc_target_backend(&t, deep, s, &err));
		assert_non_null(strstr(err.msg, "too long"));
		done();
	}
	kc_script_free(s);
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kinds_and_modes),
		TEST(wrong_ones_are_told),
		TEST(a_profile_says_it_all),
		TEST(what_the_world_is_told),
		TEST(where_data_goes),
		TEST(adapters_fit_target_and_test),
		TEST(a_test_that_needs_a_read_only_disk_gets_one),
		TEST(a_test_that_needs_a_persistent_disk_gets_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

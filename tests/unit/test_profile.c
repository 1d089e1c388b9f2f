/* SPDX-License-Identifier: BSD-3-Clause */
/* Profiles: every key, every complaint, where they are looked for, and the image they ask for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <harness/run/profile.h>
#include <kickcall/storage.h>

static char dir[] = "/tmp/kc-profile-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* Writes dir/name and returns its path (static). */
static const char *write_file(const char *name, const char *text, size_t n)
{
	static char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
	return path;
}

#define REQUIRED "device blk\ncommand x {socket}\n"

static void test_all_keys(void **state)
{
	static const char text[] =
		"# a comment\n\n"
		"title  A back-end, of a kind  \n"
		"\tdevice\tblk\r\n"
		"command vub \"a b\" 'c \"d' e\\ f '' --s={socket} x\"y\"'z' \"\\\"\\q\"\n"
		"listen yes\n"
		"image disk.img 3M\n"
		"contents pattern\n"
		"writes dropped\n"
		"data tap:kick0\n"
		"one-shot yes\n"
		"ring-max 256\n"
		"chain-max 65536\n"
		"start-timeout-ms 1500\n"
		"known some.known\n"
		"quirk busy-poll it spins by design\n"
		"quirk other for a reason";
	static const char *const words[] = {
		"vub", "a b", "c \"d", "e f", "", "--s={socket}", "xyz", "\"\\q",
	};
	struct kc_err err = { "" };
	struct kc_profile p;
	char known[128];
	unsigned i;

	(void)state;
	if (kc_profile_load(&p, write_file("all.profile", text, sizeof(text) - 1), &err))
		fail_msg("%s", err.msg);
	assert_int_equal(p.data.kind, KC_DATA_TAP);
	assert_string_equal(p.data.tap, "kick0");
	assert_string_equal(p.name, "all");
	assert_string_equal(p.title, "A back-end, of a kind");
	assert_string_equal(p.device, "blk");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_string_equal(p.argv[i], words[i]);
	assert_null(p.argv[i]);
	assert_true(p.listen && p.writes_dropped && p.one_shot);
	assert_string_equal(p.image, "disk.img");
	assert_int_equal(p.image_bytes, 3 << 20);
	assert_int_equal(p.contents, KC_CONTENTS_PATTERN);
	assert_int_equal(p.ring_max, 256);
	assert_int_equal(p.chain_max, 65536);
	assert_int_equal(p.start_timeout_ns, 1500000000);
	snprintf(known, sizeof(known), "%s/some.known", dir);
	assert_string_equal(p.known, known);
	assert_int_equal(p.nquirks, 2);
	assert_string_equal(kc_profile_quirk(&p, "busy-poll"), "it spins by design");
	assert_string_equal(kc_profile_quirk(&p, "other"), "for a reason");
	assert_null(kc_profile_quirk(&p, "busy"));
	kc_profile_fini(&p);
}

static void test_defaults(void **state)
{
	struct kc_err err = { "" };
	struct kc_profile p;

	(void)state;
	if (kc_profile_load(&p, write_file("plain", REQUIRED, strlen(REQUIRED)), &err))
		fail_msg("%s", err.msg);
	assert_string_equal(p.name, "plain");
	assert_null(p.title);
	assert_false(p.listen || p.writes_dropped || p.one_shot);
	assert_null(p.image);
	assert_null(p.known);
	assert_int_equal(p.contents, KC_CONTENTS_UNKNOWN);
	assert_int_equal(p.ring_max, 0);
	assert_int_equal(p.start_timeout_ns, 10000000000);
	assert_int_equal(kc_profile_prepare(&p, "/nowhere", &err), 0);
	kc_profile_fini(&p);
	assert_int_equal(kc_profile_load(&p, write_file("s", REQUIRED "share sh\n",
							sizeof(REQUIRED "share sh\n") - 1), &err), 0);
	assert_string_equal(p.share, "sh");
	assert_int_equal(kc_profile_prepare(&p, "/nowhere", &err), -ENOENT);
	kc_profile_fini(&p);
}

static void test_complaints(void **state)
{
	static const struct {
		const char *text;
		const char *complaint;
	} bad[] = {
		{ "", ":1:1: 'device' is missing" },
		{ "device blk\n", ":1:1: 'command' is missing" },
		{ REQUIRED "colour red\n", ":3:1: unknown key 'colour'" },
		{ REQUIRED "  devices\n", ":3:3: unknown key 'devices'" },
		{ REQUIRED "device blk\n", ":3:1: 'device' is given twice" },
		{ REQUIRED "title   \n", ":3:1: 'title' has no value" },
		{ "device blk net\n", ":1:11: device: 'blk net' is more than one word" },
		{ REQUIRED "listen maybe\n", ":3:8: listen 'maybe': want no or yes" },
		{ REQUIRED "writes yes\n", ":3:8: writes 'yes': want kept or dropped" },
		{ REQUIRED "data all\n", ":3:6: data goes to sink, loop or tap:IFNAME, not 'all'" },
		{ REQUIRED "data tap:a/b\n", ":3:6: no interface can be called 'a/b'" },
		{ REQUIRED "contents rubbish\n",
		  ":3:10: contents 'rubbish': want unknown or pattern or zeroes" },
		{ REQUIRED "ring-max many\n", ":3:10: ring-max 'many': want a number" },
		{ REQUIRED "ring-max -1\n", ":3:10: ring-max '-1': want a number" },
		{ REQUIRED "ring-max 0\n", ":3:10: ring-max '0': want a number from 1 to 65536" },
		{ REQUIRED "chain-max 65537\n", ":3:11: chain-max '65537': want a number from 1" },
		{ REQUIRED "chain-max 99999999999999999999\n", ":3:11: chain-max '9999" },
		{ REQUIRED "ring-max 12x\n", ":3:12: ring-max: 'x' after the number" },
		{ REQUIRED "image disk.img\n", ":3:15: size of the image '': want a number" },
		{ REQUIRED "image a/b 1M\n", ":3:7: image 'a/b'" },
		{ REQUIRED "share a/b\n", ":3:7: share 'a/b'" },
		{ REQUIRED "share ..\n", ":3:7: share '..'" },
		{ REQUIRED "image disk 1MB\n", ":3:13: image: 'MB' after the size" },
		{ REQUIRED "image disk 5G\n", ":3:12: size of the image '5G': more than 4G" },
		{ REQUIRED "quirk slow\n", ":3:11: quirk 'slow' has no reason" },
		{ REQUIRED "known a b\n", ":3:8: known: 'a b' is more than one word" },
		{ "command x y\n", ":1:9: command never names {socket}" },
		{ "command x {socket} \"y\n", ":1:20: command: the quote at \"y is not closed" },
		{ "command x {socket} \\\n", ":1:20: command: '\\' at the end" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *path = write_file("bad.profile", bad[i].text, strlen(bad[i].text));
		struct kc_err err = { "" };
		struct kc_profile p;

		assert_int_equal(kc_profile_load(&p, path, &err), -EINVAL);
		assert_memory_equal(err.msg, path, strlen(path));
		if (strncmp(err.msg + strlen(path), bad[i].complaint, strlen(bad[i].complaint)))
			fail_msg("want \"%s\", got \"%s\"", bad[i].complaint, err.msg);
		assert_null(p.device);
	}
}

static void test_strange_files(void **state)
{
	struct kc_err err;
	struct kc_profile p;

	(void)state;
	assert_int_equal(kc_profile_load(&p, write_file("zero", "title a\0b\n", 10), &err), -EINVAL);
	assert_non_null(strstr(err.msg, ":1:8: a byte of 0"));
	assert_int_equal(kc_profile_load(&p, "/nowhere/at.all", &err), -ENOENT);
	assert_int_equal(kc_profile_load(&p, dir, &err), -EIO);
}

static int collect(void *ctx, const char *path)
{
	char *list = ctx;

	strcat(list, path);
	strcat(list, " ");
	return 0;
}

static void test_find(void **state)
{
	char path[PATH_MAX], want[PATH_MAX], list[4096] = "";
	struct kc_err err;

	(void)state;
	assert_int_equal(kc_profile_find("qemu-storage-daemon", path, &err), 0);
	assert_string_equal(path, "profiles/qemu-storage-daemon.profile");
	assert_int_equal(kc_profile_find("no-such", path, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no profile 'no-such' in profiles, "));

	/* The environment's directory comes first. */
	setenv("KICKCALL_PROFILES", dir, 1);
	snprintf(want, sizeof(want), "%s/qemu-storage-daemon.profile", dir);
	write_file("qemu-storage-daemon.profile", REQUIRED, strlen(REQUIRED));
	assert_int_equal(kc_profile_find("qemu-storage-daemon", path, &err), 0);
	assert_string_equal(path, want);
	assert_int_equal(kc_profile_find("qemu-storage-daemon-null", path, &err), 0);
	assert_string_equal(path, "profiles/qemu-storage-daemon-null.profile");
	assert_int_equal(kc_profile_each(collect, list), 0);
	assert_non_null(strstr(list, want));
	assert_null(strstr(list, "profiles/qemu-storage-daemon.profile "));
	assert_non_null(strstr(list, "profiles/qemu-storage-daemon-null.profile "));
	unsetenv("KICKCALL_PROFILES");

	/* A path is not looked for. */
	assert_int_equal(kc_profile_find(want, path, &err), 0);
	assert_string_equal(path, want);
	assert_int_equal(kc_profile_find("qemu-storage-daemon.profile", path, &err), -ENOENT);
	assert_int_equal(kc_profile_find("./no-such", path, &err), -ENOENT);
}

static void test_image(void **state)
{
	static const char text[] = REQUIRED "image disk.img 5K\ncontents pattern\n";
	struct kc_err err;
	struct kc_profile p;
	char path[128];
	FILE *f;

	(void)state;
	assert_int_equal(kc_profile_load(&p, write_file("i", text, sizeof(text) - 1), &err), 0);
	write_file("disk.img", "older", 5);
	assert_int_equal(kc_profile_prepare(&p, dir, &err), 0);
	snprintf(path, sizeof(path), "%s/disk.img", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	for (unsigned i = 0; i < 5 * 1024; i++)
		assert_int_equal(getc(f), kc_storage_pattern(i));
	assert_int_equal(getc(f), EOF);
	fclose(f);

	p.contents = KC_CONTENTS_ZEROES;
	assert_int_equal(kc_profile_prepare(&p, dir, &err), 0);
	f = fopen(path, "r");
	assert_non_null(f);
	for (unsigned i = 0; i < 5 * 1024; i++)
		assert_int_equal(getc(f), 0);
	assert_int_equal(getc(f), EOF);
	fclose(f);
	assert_int_equal(kc_profile_prepare(&p, "/nowhere/at/all", &err), -ENOENT);
	kc_profile_fini(&p);
}

static int load_one(void *ctx, const char *path)
{
	struct kc_err err;
	struct kc_profile p;
	unsigned *n = ctx;

	if (kc_profile_load(&p, path, &err))
		fail_msg("%s", err.msg);
	assert_non_null(p.title);
	if (p.known)
		assert_int_equal(access(p.known, R_OK), 0);
	kc_profile_fini(&p);
	++*n;
	return 0;
}

/* The profiles that kickcall brings along. */
static void test_shipped(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(kc_profile_each(load_one, &n), 0);
	assert_true(n >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_strange_files),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

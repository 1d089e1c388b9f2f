/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: backend/reference/ref_fs.c, backend/reference/ref_fs_nodes.c
 *
 * The reference's file system device: a session, files, what no name leads to, and requests that are too
 * short to be any.
 */
#include <tests/unit/ref_fixture.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <linux/fuse.h>
#include <backend/reference/ref_fs_nodes.h>
#include <kickcall/storage.h>

#define OUT		BUFS
#define IN		(BUFS + 0x8000)
#define POISON		0xa5

static char root[] = "/tmp/kc-ref-fs-XXXXXX", share[PATH_MAX];

/* --- Nodes ------------------------------------------------------------------------------------ */

static void names_lead_nowhere_else(void **state)
{
	static const char *const refused[] = { "..", "", "folder/..", "/etc", "folder/" };
	struct kc_ref_fs_nodes n;
	struct kc_err err;
	uint64_t id = 0, link = 0, fh;

	(void)state;
	assert_int_equal(kc_ref_fs_nodes_open(&n, share, &err), 0);
	for (unsigned i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		assert_int_equal(kc_ref_fs_lookup(&n, 1, refused[i], &id), -EINVAL);
	assert_int_equal(kc_ref_fs_lookup(&n, 1, "nonesuch", &id), -ENOENT);
	assert_int_equal(kc_ref_fs_lookup(&n, 77, "file", &id), -ENOENT);
	/* the link itself, which neither opens nor has names */
	assert_int_equal(kc_ref_fs_lookup(&n, 1, "link", &link), 0);
	assert_int_equal(kc_ref_fs_open(&n, link, O_RDONLY, &fh), -ELOOP);
	assert_int_equal(kc_ref_fs_lookup(&n, link, "share", &id), -ENOTDIR);
	/* the folder's ".." would be the root, and is not asked for either */
	assert_int_equal(kc_ref_fs_lookup(&n, 1, "folder", &id), 0);
	assert_int_equal(kc_ref_fs_lookup(&n, id, "..", &link), -EINVAL);
	assert_int_equal(kc_ref_fs_open(&n, id, O_RDONLY, &fh), -EISDIR);
	kc_ref_fs_nodes_close(&n);
	assert_int_equal(kc_ref_fs_nodes_open(&n, "/nonesuch", &err), -ENOENT);
	kc_ref_fs_nodes_close(&n);
}

static void nodes_are_counted(void **state)
{
	struct kc_ref_fs_nodes n;
	struct kc_err err;
	uint64_t id, again, fh;

	(void)state;
	assert_int_equal(kc_ref_fs_nodes_open(&n, share, &err), 0);
	assert_int_equal(kc_ref_fs_lookup(&n, 1, "file", &id), 0);
	assert_int_equal(kc_ref_fs_lookup(&n, 1, "file", &again), 0);
	assert_int_equal(again, id);
	kc_ref_fs_forget(&n, id, 1);
	assert_true(kc_ref_fs_node(&n, id) >= 0);
	assert_int_equal(kc_ref_fs_open(&n, id, O_RDONLY, &fh), 0);
	kc_ref_fs_forget(&n, id, 99);
	assert_int_equal(kc_ref_fs_node(&n, id), -ENOENT);
	assert_true(kc_ref_fs_handle(&n, fh) >= 0);	/* an open file stays open */
	assert_int_equal(kc_ref_fs_release(&n, fh), 0);
	assert_int_equal(kc_ref_fs_release(&n, fh), -EBADF);
	assert_int_equal(kc_ref_fs_handle(&n, ~0ull), -EBADF);
	kc_ref_fs_forget(&n, 1, 99);			/* the root is never forgotten */
	assert_true(kc_ref_fs_node(&n, 1) >= 0);
	kc_ref_fs_nodes_close(&n);
}

/* --- Requests --------------------------------------------------------------------------------- */

static uint32_t used_len(struct fx *f, unsigned qi, uint16_t idx)
{
	return kc_ring_load32(fx_host(f, f->q[qi].used) + kc_used_slot(idx % f->q[qi].size) + 4,
			      __ATOMIC_RELAXED);
}

/* `len` readable and `room` writable bytes, 0: no such descriptor; returns used.len. */
static uint32_t send_raw(struct fx *f, unsigned qi, uint32_t len, uint32_t room)
{
	uint16_t idx = fx_used_idx(f, qi);

	memset(fx_host(f, IN), POISON, 0x1000);
	fx_desc(f, qi, 0, OUT, len, room ? NEXT : 0, 1);
	fx_desc(f, qi, 1, IN, room, RW, 0);
	fx_offer(f, qi, 0);
	fx_kick(f, qi);
	fx_run(f);
	assert_int_equal(fx_count(f->q[qi].err), 0);
	assert_int_equal(fx_used_idx(f, qi), (uint16_t)(idx + 1));
	return used_len(f, qi, idx);
}

/* An operation; returns the error of its answer, whose length and number are checked. */
static int send(struct fx *f, uint32_t opcode, uint64_t node, const void *arg, uint32_t bytes,
		uint32_t room)
{
	struct fuse_in_header in = { .len = sizeof(in) + bytes, .opcode = opcode, .nodeid = node,
				     .unique = 1000 + opcode };
	struct fuse_out_header out;
	uint32_t used;

	memcpy(fx_host(f, OUT), &in, sizeof(in));
	memcpy(fx_host(f, OUT) + sizeof(in), arg ? arg : "", bytes);
	used = send_raw(f, 1, in.len, sizeof(out) + room);
	memcpy(&out, fx_host(f, IN), sizeof(out));
	assert_int_equal(out.len, used);
	assert_int_equal(out.unique, in.unique);
	assert_true(out.error <= 0 && (!out.error || used == sizeof(out)));
	return out.error;
}

static const void *answer(struct fx *f)
{
	return fx_host(f, IN) + sizeof(struct fuse_out_header);
}

static void open_fs(struct fx *f)
{
	struct kc_ref_config c = { .device = "fs", .queues = NQUEUES, .file = share };

	fx_open_config(f, &c);
	assert_int_equal(fx_plain(f, KC_VU_SET_OWNER), KC_REF_DONE);
	assert_int_equal(fx_u64(f, KC_VU_SET_FEATURES, F_V1), KC_REF_DONE);
	assert_int_equal(fx_mem_table(f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
	fx_start(f, 0, 8, 0);
	fx_start(f, 1, 8, 0);
}

static int init(struct fx *f)
{
	struct fuse_init_in in = { .major = FUSE_KERNEL_VERSION, .minor = 31 };

	return send(f, FUSE_INIT, 0, &in, 16, sizeof(struct fuse_init_out));
}

static void a_session_comes_first(void **state)
{
	struct fuse_init_in old = { .major = 6 };
	struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out out;
	struct fx f;

	(void)state;
	open_fs(&f);
	assert_int_equal(send(&f, FUSE_GETATTR, 1, &in, sizeof(in), sizeof(out)), -EIO);
	assert_int_equal(send(&f, FUSE_INIT, 0, &old, 16, sizeof(struct fuse_init_out)), -EPROTO);
	assert_int_equal(init(&f), 0);
	assert_int_equal(send(&f, FUSE_GETATTR, 1, &in, sizeof(in), sizeof(out)), 0);
	memcpy(&out, answer(&f), sizeof(out));
	assert_true(S_ISDIR(out.attr.mode));
	assert_int_equal(out.attr.ino, 1);
	assert_int_equal(send(&f, FUSE_GETATTR, 99, &in, sizeof(in), sizeof(out)), -ENOENT);
	assert_int_equal(send(&f, 4000, 1, NULL, 0, 0), -ENOSYS);
	assert_int_equal(send(&f, FUSE_DESTROY, 0, NULL, 0, 0), 0);
	assert_int_equal(send(&f, FUSE_GETATTR, 1, &in, sizeof(in), sizeof(out)), -EIO);
	fx_close(&f);
}

static uint64_t open_file(struct fx *f, uint32_t flags)
{
	struct fuse_open_in in = { .flags = flags };
	struct fuse_entry_out entry;
	struct fuse_open_out out;

	assert_int_equal(send(f, FUSE_LOOKUP, 1, "file", 5, sizeof(entry)), 0);
	memcpy(&entry, answer(f), sizeof(entry));
	assert_int_equal(entry.attr.size, 4096);
	assert_int_equal(send(f, FUSE_OPEN, entry.nodeid, &in, sizeof(in), sizeof(out)), 0);
	memcpy(&out, answer(f), sizeof(out));
	return out.fh;
}

static void files_are_read_and_written(void **state)
{
	struct { struct fuse_write_in in; char data[6]; } w = { .in = { .offset = 100, .size = 6 } };
	struct fuse_read_in r = { .offset = 98, .size = 10 };
	struct fuse_write_out written;
	struct fx f;

	(void)state;
	open_fs(&f);
	assert_int_equal(init(&f), 0);
	memcpy(w.data, "abcdef", 6);
	w.in.fh = r.fh = open_file(&f, O_RDWR);
	assert_int_equal(send(&f, FUSE_WRITE, 2, &w, sizeof(w.in) + 6, sizeof(written)), 0);
	memcpy(&written, answer(&f), sizeof(written));
	assert_int_equal(written.size, 6);
	assert_int_equal(send(&f, FUSE_READ, 2, &r, sizeof(r), 10), 0);
	assert_memory_equal(answer(&f), "xxabcdefxx", 10);
	assert_int_equal(fx_host(&f, IN)[26], POISON);
	r.offset = 4094;
	assert_int_equal(send(&f, FUSE_READ, 2, &r, sizeof(r), 10), 0);
	assert_int_equal(((const struct fuse_out_header *)fx_host(&f, IN))->len, 18);
	w.in.size = 7;				/* more than is there */
	assert_int_equal(send(&f, FUSE_WRITE, 2, &w, sizeof(w.in) + 6, sizeof(written)), -EINVAL);
	w.in.fh = 99;
	assert_int_equal(send(&f, FUSE_WRITE, 2, &w, sizeof(w.in) + 6, sizeof(written)), -EBADF);
	w.in.fh = open_file(&f, O_RDONLY);
	w.in.size = 6;
	assert_int_equal(send(&f, FUSE_WRITE, 2, &w, sizeof(w.in) + 6, sizeof(written)), -EBADF);
	fx_close(&f);
}

static void names_must_end(void **state)
{
	char longest[300];
	struct fx f;

	(void)state;
	open_fs(&f);
	assert_int_equal(init(&f), 0);
	memset(longest, 'n', sizeof(longest));
	assert_int_equal(send(&f, FUSE_LOOKUP, 1, "file", 4, 200), -EINVAL);
	assert_int_equal(send(&f, FUSE_LOOKUP, 1, NULL, 0, 200), -EINVAL);
	assert_int_equal(send(&f, FUSE_LOOKUP, 1, longest, 300, 200), -ENAMETOOLONG);
	fx_close(&f);
}

/* A request without a whole header, or without room for one, is used and has no answer or an error. */
static void scraps(void **state)
{
	struct fuse_in_header in = { .opcode = FUSE_FORGET, .nodeid = 1 };
	struct fuse_getattr_in getattr = { 0 };
	struct fuse_out_header out;
	struct fx f;

	(void)state;
	open_fs(&f);
	assert_int_equal(send_raw(&f, 1, 39, 64), sizeof(out));
	memcpy(&out, fx_host(&f, IN), sizeof(out));
	assert_int_equal(out.error, -EINVAL);
	assert_int_equal(send_raw(&f, 1, 39, 15), 0);
	assert_int_equal(send_raw(&f, 1, 1, 0), 0);
	assert_int_equal(init(&f), 0);
	assert_int_equal(send(&f, FUSE_GETATTR, 1, &getattr, 15, 104), -EINVAL);
	assert_int_equal(send(&f, FUSE_GETATTR, 1, &getattr, 16, 103), -EINVAL);
	memcpy(fx_host(&f, OUT), &in, sizeof(in));
	assert_int_equal(send_raw(&f, 0, sizeof(in) + 8, 0), 0);
	assert_int_equal(send_raw(&f, 0, sizeof(in), 64), 0);
	assert_int_equal(*fx_host(&f, IN), POISON);
	fx_close(&f);
}

static void needs_a_directory(void **state)
{
	struct kc_ref_config c = { .device = "fs" };
	struct kc_err err;

	(void)state;
	assert_null(kc_ref_new(&c, &err));
	c.file = "/nonesuch";
	assert_null(kc_ref_new(&c, &err));
	c.file = share;
	c.queues = 1;
	assert_null(kc_ref_new(&c, &err));
}

/* --- A directory ------------------------------------------------------------------------------ */

static int make_root(void **state)
{
	char path[PATH_MAX + 16], bytes[4096];
	FILE *f;

	(void)state;
	if (!mkdtemp(root))
		return -1;
	snprintf(share, sizeof(share), "%s/share", root);
	snprintf(path, sizeof(path), "%s/folder", share);
	if (mkdir(share, 0755) || mkdir(path, 0755))
		return -1;
	snprintf(path, sizeof(path), "%s/link", share);
	if (symlink("..", path))
		return -1;
	snprintf(path, sizeof(path), "%s/file", share);
	f = fopen(path, "w");
	memset(bytes, 'x', sizeof(bytes));
	return !f || fwrite(bytes, sizeof(bytes), 1, f) != 1 || fclose(f) ? -1 : 0;
}

static int remove_root(void **state)
{
	static const char *const names[] = { "/file", "/link", "/folder", "" };
	char path[PATH_MAX + 16];

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s%s", share, names[i]);
		remove(path);
	}
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lead_nowhere_else),
		cmocka_unit_test(nodes_are_counted),
		cmocka_unit_test(a_session_comes_first),
		cmocka_unit_test(files_are_read_and_written),
		cmocka_unit_test(names_must_end),
		cmocka_unit_test(scraps),
		cmocka_unit_test(needs_a_directory),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}

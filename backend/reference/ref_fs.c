/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file system device: FUSE requests out of chains, served from a directory.
 *
 * A request is one sequence of readable bytes, however it is cut: fuse_in_header, what the
 * operation takes, and for some a name or data. The answer is laid behind room for
 * fuse_out_header, and that is written last, when the length is known. Reads and writes of files
 * go straight between the file and the chain's pieces.
 *
 * Each operation has a row: the bytes it takes, those it answers, and a function that turns the
 * one into the other. FORGET and BATCH_FORGET have no answer. Before FUSE_INIT only that is
 * carried out. What an answer tells of a file is what does not change from run to run: no times,
 * no owner, and the node's number for the inode's.
 *
 * The host is taken to have the driver's byte order, little-endian.
 */
#include <errno.h>
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include "ref_fs_nodes.h"
#include "ref_internal.h"

#define TAG		"kickcall"
#define MAX_WRITE	(1u << 20)

struct fs {
	struct kc_ref_fs_nodes nodes;
	bool init;			/* FUSE_INIT was answered */
};

/* A request on its way through an operation. */
struct call {
	struct fs *fs;
	struct fuse_in_header in;
	struct kc_ref_cursor from;	/* behind the operation's fixed bytes */
	uint64_t left;			/* readable bytes from there */
	struct kc_ref_cursor to;	/* behind the room for fuse_out_header */
	uint64_t room;			/* writable bytes from there */
	uint64_t data;			/* bytes written there by the operation itself */
};

union args {
	struct fuse_init_in init;
	struct fuse_getattr_in getattr;
	struct fuse_open_in open;
	struct fuse_read_in read;
	struct fuse_write_in write;
	struct fuse_release_in release;
	struct fuse_forget_in forget;
	struct fuse_batch_forget_in batch;
};

union answer {
	struct fuse_init_out init;
	struct fuse_attr_out attr;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct fuse_write_out write;
};

/* --- Operations: 0 or -errno ------------------------------------------------------------------ */

static int do_init(struct call *c, const union args *a, union answer *out)
{
	if (a->init.major != FUSE_KERNEL_VERSION)
		return -EPROTO;
	kc_ref_fs_nodes_reset(&c->fs->nodes);
	c->fs->init = true;
	out->init = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_readahead = a->init.max_readahead,
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = MAX_WRITE,
		.time_gran = 1,
	};
	return 0;
}

static int tell_attr(struct call *c, uint64_t id, struct fuse_attr *attr)
{
	int fd = kc_ref_fs_node(&c->fs->nodes, id);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	*attr = (struct fuse_attr){
		.ino = id,
		.size = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size,
		.blocks = S_ISDIR(st.st_mode) ? 0 : ((uint64_t)st.st_size + 511) / 512,
		.mode = st.st_mode,
		.nlink = 1,
		.blksize = 4096,
	};
	return 0;
}

static int do_getattr(struct call *c, const union args *a, union answer *out)
{
	(void)a;
	return tell_attr(c, c->in.nodeid, &out->attr.attr);
}

static int do_lookup(struct call *c, const union args *a, union answer *out)
{
	char name[256];
	int rc;

	(void)a;
	if (c->left > sizeof(name))
		return -ENAMETOOLONG;
	kc_ref_cursor_read(&c->from, name, c->left);
	if (!c->left || name[c->left - 1])
		return -EINVAL;
	rc = kc_ref_fs_lookup(&c->fs->nodes, c->in.nodeid, name, &out->entry.nodeid);
	return rc ? rc : tell_attr(c, out->entry.nodeid, &out->entry.attr);
}

static int do_open(struct call *c, const union args *a, union answer *out)
{
	return kc_ref_fs_open(&c->fs->nodes, c->in.nodeid, a->open.flags, &out->open.fh);
}

static int do_release(struct call *c, const union args *a, union answer *out)
{
	(void)out;
	return kc_ref_fs_release(&c->fs->nodes, a->release.fh);
}

static int do_read(struct call *c, const union args *a, union answer *out)
{
	int fd = kc_ref_fs_handle(&c->fs->nodes, a->read.fh);
	uint64_t want = a->read.size < c->room ? a->read.size : c->room;
	ssize_t got = 0;
	size_t n;
	void *p;

	(void)out;
	if (fd < 0)
		return fd;
	while (c->data < want && (p = kc_ref_cursor_take(&c->to, want - c->data, &n))) {
		got = pread(fd, p, n, (off_t)(a->read.offset + c->data));
		if (got < 0)
			return -errno;
		c->data += (uint64_t)got;
		if ((size_t)got < n)
			break;
	}
	return 0;
}

static int do_write(struct call *c, const union args *a, union answer *out)
{
	int fd = kc_ref_fs_handle(&c->fs->nodes, a->write.fh);
	uint32_t done = 0;
	ssize_t got;
	size_t n;
	void *p;

	if (fd < 0)
		return fd;
	if (a->write.size > c->left || a->write.size > MAX_WRITE)
		return -EINVAL;
	while (done < a->write.size &&
	       (p = kc_ref_cursor_take(&c->from, a->write.size - done, &n))) {
		got = pwrite(fd, p, n, (off_t)(a->write.offset + done));
		if (got < 0)
			return -errno;
		done += (uint32_t)got;
		if ((size_t)got < n)
			break;
	}
	out->write.size = done;
	return 0;
}

static int do_forget(struct call *c, const union args *a, union answer *out)
{
	(void)out;
	kc_ref_fs_forget(&c->fs->nodes, c->in.nodeid, a->forget.nlookup);
	return 0;
}

static int do_batch_forget(struct call *c, const union args *a, union answer *out)
{
	struct fuse_forget_one one;

	(void)out;
	for (uint32_t i = 0; i < a->batch.count; i++) {
		if (kc_ref_cursor_read(&c->from, &one, sizeof(one)) < sizeof(one))
			return 0;
		kc_ref_fs_forget(&c->fs->nodes, one.nodeid, one.nlookup);
	}
	return 0;
}

/* Requests are carried out one after the other, so what is to be interrupted is over. */
static int do_interrupt(struct call *c, const union args *a, union answer *out)
{
	(void)c;
	(void)a;
	(void)out;
	return 0;
}

static int do_destroy(struct call *c, const union args *a, union answer *out)
{
	(void)a;
	(void)out;
	kc_ref_fs_nodes_reset(&c->fs->nodes);
	c->fs->init = false;
	return 0;
}

static const struct op {
	uint32_t opcode;
	uint32_t takes, answers;	/* fixed bytes behind the headers */
	bool silent;			/* no answer at all */
	int (*run)(struct call *c, const union args *a, union answer *out);
} ops[] = {
	/* Older drivers' fuse_init_in ends behind the flags. */
	{ FUSE_INIT, 16, sizeof(struct fuse_init_out), false, do_init },
	{ FUSE_GETATTR, sizeof(struct fuse_getattr_in), sizeof(struct fuse_attr_out), false, do_getattr },
	{ FUSE_LOOKUP, 0, sizeof(struct fuse_entry_out), false, do_lookup },
	{ FUSE_OPEN, sizeof(struct fuse_open_in), sizeof(struct fuse_open_out), false, do_open },
	{ FUSE_READ, sizeof(struct fuse_read_in), 0, false, do_read },
	{ FUSE_WRITE, sizeof(struct fuse_write_in), sizeof(struct fuse_write_out), false, do_write },
	{ FUSE_RELEASE, sizeof(struct fuse_release_in), 0, false, do_release },
	{ FUSE_FORGET, sizeof(struct fuse_forget_in), 0, true, do_forget },
	{ FUSE_BATCH_FORGET, sizeof(struct fuse_batch_forget_in), 0, true, do_batch_forget },
	{ FUSE_INTERRUPT, sizeof(struct fuse_interrupt_in), 0, true, do_interrupt },
	{ FUSE_DESTROY, 0, 0, false, do_destroy },
};

/* --- Requests --------------------------------------------------------------------------------- */

static const struct op *find_op(uint32_t opcode)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].opcode == opcode)
			return &ops[i];
	return NULL;
}

/* 0 or -errno: what the answer says. */
static int carry_out(struct call *c, const struct op *op, union answer *out)
{
	union args a = { 0 };

	if (!c->fs->init && c->in.opcode != FUSE_INIT)
		return -EIO;
	if (!op)
		return -ENOSYS;
	if (kc_ref_cursor_read(&c->from, &a, op->takes) < op->takes || op->answers > c->room)
		return -EINVAL;
	c->left -= op->takes;
	return op->run(c, &a, out);
}

static uint32_t fs_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	struct call c = { .fs = r->dev, .from = kc_ref_cursor_at(&chain->out, 0) };
	struct kc_ref_cursor head = kc_ref_cursor_at(&chain->in, 0);
	struct fuse_out_header answer = { .len = sizeof(answer), .error = -EINVAL };
	const struct op *op = NULL;
	union answer out = { 0 };

	(void)qi;
	if (kc_ref_cursor_read(&c.from, &c.in, sizeof(c.in)) == sizeof(c.in)) {
		c.left = chain->out.len - sizeof(c.in);
		c.to = kc_ref_cursor_at(&chain->in, sizeof(answer));
		c.room = chain->in.len > sizeof(answer) ? chain->in.len - sizeof(answer) : 0;
		op = find_op(c.in.opcode);
		answer.error = carry_out(&c, op, &out);
	}
	if ((op && op->silent) || chain->in.len < sizeof(answer))
		return 0;
	answer.unique = c.in.unique;
	if (!answer.error)
		answer.len += (uint32_t)(c.data + kc_ref_cursor_write(&c.to, &out, op->answers));
	kc_ref_cursor_write(&head, &answer, sizeof(answer));
	return answer.len;
}

/* --- Life ------------------------------------------------------------------------------------- */

static int fs_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int rc;

	if (!fs)
		return kc_err_set(err, -ENOMEM, "no memory for a file system device");
	if (r->nqueues < 2 || !config->file)
		rc = kc_err_set(err, -EINVAL, "a file system device needs 2 queues and a directory");
	else
		rc = kc_ref_fs_nodes_open(&fs->nodes, config->file, err);
	if (rc) {
		free(fs);
		return rc;
	}
	r->dev = fs;
	return 0;
}

static void fs_close(struct kc_ref *r)
{
	struct fs *fs = r->dev;

	kc_ref_fs_nodes_close(&fs->nodes);
	free(fs);
}

static void fs_reset(struct kc_ref *r)
{
	struct fs *fs = r->dev;

	kc_ref_fs_nodes_reset(&fs->nodes);
	fs->init = false;
}

static void fs_config_read(struct kc_ref *r, uint8_t *config)
{
	struct virtio_fs_config c = { .num_request_queues = htole32(r->nqueues - 1) };

	memcpy(c.tag, TAG, sizeof(TAG));
	memcpy(config, &c, sizeof(c));
}

const struct kc_ref_device kc_ref_fs = {
	.name = "fs",
	.queues = 4,
	.config_len = sizeof(struct virtio_fs_config),
	.open = fs_open,
	.close = fs_close,
	.reset = fs_reset,
	.config_read = fs_config_read,
	.process = fs_process,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file system device's port: FUSE requests, and what their answers may be.
 *
 * Theory of operation: virtqueue 0 takes FORGET, BATCH_FORGET and INTERRUPT only, those from 1 on
 * all else; a scenario for any device means virtqueue n + 1 by queue n. A request is a
 * fuse_in_header and what the operation takes behind it, its answer a fuse_out_header and what the
 * operation gives.
 *
 * Nothing but FUSE_INIT is answered before a session is open, and no file can be read that was not
 * looked up and opened. So there is an opening, a script that is played before anything else of a
 * session. The natural request is a GETATTR of the root; where a shape asks for data it is a READ
 * of the file `pattern`, whose bytes are known (kickcall/storage.h), or a WRITE to the file
 * `scratch`, in a part of it that is the scenario's own. Which node and handle they have the port
 * learns from the answers.
 *
 * An answer is held against the request: its number, its length (which is also what was used), the
 * error's range, the length of what follows, and the bytes that were read. What a file's
 * attributes say beside that is the share's affair. Bytes of poison have the highest bits set (or,
 * flipped, are 0x20 to 0x3f), so that hardly any byte of an answer looks unwritten at the first
 * try.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <common/say.h>
#include <guest_model/port_build.h>
#include <kickcall/storage.h>

#define HIPRIO			0u
#define MINOR			31u		/* of the protocol; FUSE over virtio begins here */
#define INIT_IN_BYTES		16u		/* fuse_init_in, as of that minor */
#define NATURAL_DATA		512u
#define DATA_MAX		KC_SHARE_PATTERN_BYTES
#define SCRATCH_STRIDE		(1ull << 20)
#define SCRATCH_SLOTS		64u
#define OUT_HEADER		((uint32_t)sizeof(struct fuse_out_header))
#define IN_HEADER		((uint32_t)sizeof(struct fuse_in_header))
#define NAME_BYTES		256u
/* `every-byte`: so many bytes of the headers. All 56 and more would be a longer chain than scenarios for
 * any device have rings for. */
#define EVERY_OUT		12u		/* len, opcode, and half of unique */
#define EVERY_IN		8u		/* len and error */

enum file { PATTERN, SCRATCH, FILES, NO_FILE = FILES };
static const char *const file_names[FILES] = { "pattern", "scratch" };

struct fs {
	uint64_t serial;
	struct {
		uint64_t node;		/* 0: not known */
		bool open, direct;	/* FOPEN_DIRECT_IO: reads and writes may be short */
		uint64_t fh;
	} file[FILES];
	/* Of the last write: at and what; len 0: none. */
	uint64_t back_offset, back_serial;
	uint32_t back_len;
};

struct op;

/* What the words of a request say. */
struct ask {
	const struct op *op;
	char name[NAME_BYTES];		/* lookup */
	enum file file;			/* whose node or handle it is about */
	bool has_node, has_handle, has_offset, back;
	uint64_t node, handle, offset, count;
	uint32_t opcode, size;
};

struct fs_request {
	const struct op *op;
	enum file file;
	uint64_t offset;
	uint32_t size;			/* of the data to read or write */
	bool known;			/* the bytes to be read are */
	bool back;			/* they are those of the write with this serial */
	uint64_t serial;
};

struct op {
	const char *word;
	uint32_t opcode;
	uint32_t takes;			/* fixed bytes behind the header */
	uint32_t gives, gives_min;	/* bytes behind the header of the answer */
	bool hiprio;			/* nothing answers it, and it goes to the queue for such */
	bool reads, writes;		/* data follows the answer, or what the operation takes */
	void (*lay)(const struct ask *a, void *into);
	void (*learn)(struct fs *fs, const struct fs_request *q, const void *from);
};

/* --- Operations ------------------------------------------------------------------------------- */

static void lay_init(const struct ask *a, void *into)
{
	const struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION, .minor = MINOR, .max_readahead = 1 << 17,
		.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES,
	};

	(void)a;
	memcpy(into, &in, INIT_IN_BYTES);
}

static void lay_open(const struct ask *a, void *into)
{
	const struct fuse_open_in in = { .flags = a->file == SCRATCH ? O_RDWR : O_RDONLY };

	memcpy(into, &in, sizeof(in));
}

static void lay_read(const struct ask *a, void *into)
{
	const struct fuse_read_in in = { .fh = a->handle, .offset = a->offset, .size = a->size };

	memcpy(into, &in, sizeof(in));
}

static void lay_write(const struct ask *a, void *into)
{
	const struct fuse_write_in in = { .fh = a->handle, .offset = a->offset, .size = a->size };

	memcpy(into, &in, sizeof(in));
}

static void lay_release(const struct ask *a, void *into)
{
	const struct fuse_release_in in = { .fh = a->handle };

	memcpy(into, &in, sizeof(in));
}

static void lay_forget(const struct ask *a, void *into)
{
	const struct fuse_forget_in in = { .nlookup = a->count };

	memcpy(into, &in, sizeof(in));
}

static void lay_batch(const struct ask *a, void *into)
{
	const struct { struct fuse_batch_forget_in in; struct fuse_forget_one one; } both = {
		{ .count = 1 }, { .nodeid = a->node, .nlookup = a->count }
	};

	memcpy(into, &both, sizeof(both));
}

/* Of a request that is not there: that is allowed, since it may just be over. */
static void lay_interrupt(const struct ask *a, void *into)
{
	const struct fuse_interrupt_in in = { .unique = a->count * 2 };

	memcpy(into, &in, sizeof(in));
}

/* A session begins with nothing looked up. */
static void learn_init(struct fs *fs, const struct fs_request *q, const void *from)
{
	(void)q;
	(void)from;
	memset(fs->file, 0, sizeof(fs->file));
	fs->back_len = 0;
}

static void learn_lookup(struct fs *fs, const struct fs_request *q, const void *from)
{
	struct fuse_entry_out out;

	memcpy(&out, from, sizeof(out));
	if (q->file < FILES)
		fs->file[q->file].node = out.nodeid;
}

static void learn_open(struct fs *fs, const struct fs_request *q, const void *from)
{
	struct fuse_open_out out;

	memcpy(&out, from, sizeof(out));
	if (q->file >= FILES)
		return;
	fs->file[q->file].open = true;
	fs->file[q->file].fh = out.fh;
	fs->file[q->file].direct = out.open_flags & FOPEN_DIRECT_IO;
}

static void learn_write(struct fs *fs, const struct fs_request *q, const void *from)
{
	struct fuse_write_out out;

	memcpy(&out, from, sizeof(out));
	if (out.size > q->size)
		return;
	fs->back_offset = q->offset;
	fs->back_serial = q->serial;
	fs->back_len = out.size;
}

#define FIXED(type)	sizeof(struct type), sizeof(struct type)

static const struct op ops[] = {
	{ "getattr", FUSE_GETATTR, sizeof(struct fuse_getattr_in), FIXED(fuse_attr_out), false, false,
	  false, NULL, NULL },
	/* Devices of an older minor end fuse_init_out earlier; 24 bytes came with minor 5. */
	{ "init", FUSE_INIT, INIT_IN_BYTES, sizeof(struct fuse_init_out), 24, false, false, false,
	  lay_init, learn_init },
	{ "lookup", FUSE_LOOKUP, 0, FIXED(fuse_entry_out), false, false, false, NULL, learn_lookup },
	{ "open", FUSE_OPEN, sizeof(struct fuse_open_in), FIXED(fuse_open_out), false, false, false,
	  lay_open, learn_open },
	{ "read", FUSE_READ, sizeof(struct fuse_read_in), 0, 0, false, true, false, lay_read, NULL },
	{ "write", FUSE_WRITE, sizeof(struct fuse_write_in), FIXED(fuse_write_out), false, false, true,
	  lay_write, learn_write },
	{ "release", FUSE_RELEASE, sizeof(struct fuse_release_in), 0, 0, false, false, false,
	  lay_release, NULL },
	{ "forget", FUSE_FORGET, sizeof(struct fuse_forget_in), 0, 0, true, false, false, lay_forget,
	  NULL },
	{ "batch-forget", FUSE_BATCH_FORGET,
	  sizeof(struct fuse_batch_forget_in) + sizeof(struct fuse_forget_one), 0, 0, true, false, false,
	  lay_batch, NULL },
	{ "interrupt", FUSE_INTERRUPT, sizeof(struct fuse_interrupt_in), 0, 0, true, false, false,
	  lay_interrupt, NULL },
	{ "opcode", 0, 0, 64, 0, false, false, false, NULL, NULL },
};
#define OPS	(sizeof(ops) / sizeof(*ops))
#define WRONG(why, fmt, ...) (kc_err_set(why, -EIO, fmt, __VA_ARGS__), KC_PAYLOAD_WRONG)

static const struct op *op_by_word(const char *word)
{
	for (size_t i = 0; i < OPS; i++)
		if (!strcmp(ops[i].word, word))
			return &ops[i];
	return NULL;
}

/* --- Words ------------------------------------------------------------------------------------ */

static void set_node(struct ask *a, uint64_t n)
{
	a->node = n;
	a->has_node = true;
}

static void set_handle(struct ask *a, uint64_t n)
{
	a->handle = n;
	a->has_handle = true;
}

static void set_offset(struct ask *a, uint64_t n)
{
	a->offset = n;
	a->has_offset = true;
}

static void set_count(struct ask *a, uint64_t n)
{
	a->count = n;
}

static const struct {
	const char *word;
	void (*set)(struct ask *a, uint64_t n);
} numbers[] = {
	{ "node", set_node }, { "handle", set_handle }, { "offset", set_offset }, { "count", set_count },
};

static enum file file_by_name(const char *name)
{
	enum file f = PATTERN;

	while (f < FILES && strcmp(name, file_names[f]))
		f++;
	return f;
}

static int read_number(const char *word, const char *text, uint64_t *n, struct kc_err *err)
{
	char *end = NULL;

	errno = 0;
	*n = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 0) : 0;
	if (!end || *end || errno)
		return kc_err_set(err, -EBADMSG, "a number must follow '%s', not '%s'", word,
				  text ? text : "");
	return 0;
}

/* One word, and what follows it. */
static int read_word(struct ask *a, const char *word, char **save, struct kc_err *err)
{
	const struct op *op = op_by_word(word);
	uint64_t n;
	int ret;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (strcmp(word, numbers[i].word))
			continue;
		ret = read_number(word, strtok_r(NULL, " ", save), &n, err);
		if (!ret)
			numbers[i].set(a, n);
		return ret;
	}
	if (op && !strcmp(word, "opcode")) {
		ret = read_number(word, strtok_r(NULL, " ", save), &n, err);
		a->opcode = (uint32_t)n;
		a->op = op;
		return ret;
	}
	if (op && !strcmp(word, "lookup")) {
		const char *name = strtok_r(NULL, " ", save);

		if (!name)
			return kc_err_set(err, -EBADMSG, "a name must follow 'lookup'");
		snprintf(a->name, sizeof(a->name), "%s", name);
		a->file = file_by_name(name);
	}
	if (op) {
		a->op = op;
		a->opcode = op->opcode;
		return 0;
	}
	if (!strcmp(word, "back")) {
		a->op = op_by_word("read");
		a->opcode = a->op->opcode;
		a->back = true;
		a->file = SCRATCH;
		return 0;
	}
	if (file_by_name(word) == NO_FILE)
		return kc_err_set(err, -EBADMSG, "a file system device knows no '%s'", word);
	a->file = file_by_name(word);
	return 0;
}

static int read_words(struct ask *a, const char *words, struct kc_err *err)
{
	char copy[512], *save = NULL;
	int ret = 0;

	if (!words)
		return 0;
	if (strlen(words) >= sizeof(copy))
		return kc_err_set(err, -EBADMSG, "too many words for an fs request");
	strcpy(copy, words);
	for (char *t = strtok_r(copy, " ", &save); t && !ret; t = strtok_r(NULL, " ", &save))
		ret = read_word(a, t, &save, err);
	if (!ret && !a->op)
		ret = kc_err_set(err, -EBADMSG, "none of '%s' says what is asked of the device", words);
	return ret;
}

/* The natural request of that shape. */
static void choose_op(const struct kc_port *p, const struct kc_shape *shape, struct ask *a)
{
	const struct op *getattr = op_by_word("getattr");
	uint32_t bytes = IN_HEADER + getattr->takes + OUT_HEADER + getattr->gives;

	a->op = getattr;
	if (shape->dir == KC_DIR_OUT)
		a->op = op_by_word("write");
	else if (shape->dir == KC_DIR_IN || shape->data || shape->descriptors > bytes)
		a->op = op_by_word("read");
	a->opcode = a->op->opcode;
	a->file = a->op->writes ? SCRATCH : a->op->reads ? PATTERN : NO_FILE;
	(void)p;
}

static int choose_data(struct kc_port *p, const struct kc_shape *shape, struct ask *a,
		       struct kc_err *err)
{
	const struct fs *fs = p->priv;

	if (a->back && !fs->back_len)
		return kc_err_set(err, -EBADMSG, "nothing was written that could be read back");
	if (a->back) {
		a->offset = fs->back_offset;
		a->size = fs->back_len;
		return 0;
	}
	a->size = shape->data ? shape->data : NATURAL_DATA;
	if (a->size < shape->descriptors)
		a->size = shape->descriptors;
	if (a->size > DATA_MAX)
		return kc_err_set(err, -EINVAL, "at most %u bytes are read or written, not %u", DATA_MAX,
				  a->size);
	if (a->op->writes)
		a->offset += p->env.private_slot % SCRATCH_SLOTS * SCRATCH_STRIDE;
	else if (!a->has_offset)
		a->offset = fs->serial * 512 % (DATA_MAX - a->size + 1);
	return 0;
}

/* Node, handle and data, as far as the words leave them open. */
static int complete(struct kc_port *p, const struct kc_shape *shape, struct ask *a,
		    struct kc_err *err)
{
	const struct fs *fs = p->priv;
	const struct op *op = a->op;
	bool data = op->reads || op->writes, handle = data || !strcmp(op->word, "release");

	if (op->writes && !p->env.writes_allowed)
		return kc_err_set(err, -EPERM, "a WRITE needs leave to write to the share");
	if ((op->writes || op->reads || !strcmp(op->word, "open")) && a->file == NO_FILE)
		a->file = op->writes ? SCRATCH : PATTERN;
	if (a->file < FILES && !a->has_node && strcmp(op->word, "lookup")) {
		if (!fs->file[a->file].node)
			return kc_err_set(err, -EINVAL, "no file '%s' is known of the share",
					  file_names[a->file]);
		a->node = fs->file[a->file].node;
	} else if (!a->has_node) {
		a->node = FUSE_ROOT_ID;
	}
	if (handle && !a->has_handle) {
		if (a->file == NO_FILE || !fs->file[a->file].open)
			return kc_err_set(err, -EINVAL, "no file is open");
		a->handle = fs->file[a->file].fh;
	}
	return data ? choose_data(p, shape, a, err) : 0;
}

/* --- Requests --------------------------------------------------------------------------------- */

static int check_queue(unsigned qi, const struct op *op, struct kc_err *err)
{
	if (op->hiprio == (qi == HIPRIO))
		return 0;
	return kc_err_set(err, -EINVAL, "virtqueue %u is for %s requests", qi,
			  qi == HIPRIO ? "FORGET, BATCH_FORGET and INTERRUPT" : "other");
}

static uint32_t readable_bytes(const struct ask *a)
{
	return IN_HEADER + a->op->takes + (a->op->writes ? a->size : 0) +
	       (*a->name ? (uint32_t)strlen(a->name) + 1 : 0);
}

static uint32_t writable_bytes(const struct ask *a)
{
	return a->op->hiprio ? 0 : OUT_HEADER + a->op->gives + (a->op->reads ? a->size : 0);
}

static void lay(struct kc_port *p, const struct ask *a, struct kc_plan *plan, uint64_t serial)
{
	const struct fuse_in_header in = {
		.len = plan->out.len, .opcode = a->opcode, .unique = 2 * serial, .nodeid = a->node,
	};
	uint8_t *rest = plan->out.bytes + IN_HEADER + a->op->takes;

	memcpy(plan->out.bytes, &in, IN_HEADER);
	if (a->op->lay)
		a->op->lay(a, plan->out.bytes + IN_HEADER);
	if (a->op->writes)
		kc_port_fill(p, KC_FILL_DATA, serial, rest, a->size);
	if (*a->name)
		strcpy((char *)rest, a->name);
	kc_port_fill(p, KC_FILL_POISON, serial, plan->in.bytes, plan->in.len);
	for (uint32_t i = 0; i < plan->in.len; i++)
		plan->in.bytes[i] = (plan->in.bytes[i] & 0x1f) | (p->env.poison_flip ? 0x20 : 0xc0);
}

/* Natural cuts: behind the headers, and before data. */
static void cut(const struct ask *a, const struct kc_shape *shape, struct kc_plan *plan)
{
	uint32_t fixed = IN_HEADER + a->op->takes;

	for (uint32_t i = 1; shape->every_byte && i <= EVERY_OUT; i++)
		kc_stream_cut(&plan->out, i);
	for (uint32_t i = 1; shape->every_byte && i <= EVERY_IN; i++)
		kc_stream_cut(&plan->in, i);
	if (shape->one_piece)
		return;
	kc_stream_cut(&plan->out, IN_HEADER);
	kc_stream_cut(&plan->out, fixed);
	kc_stream_cut(&plan->in, OUT_HEADER);
}

static int cut_exactly(const struct ask *a, const struct kc_shape *shape, struct kc_plan *plan,
		       struct kc_err *err)
{
	uint32_t have = kc_plan_descriptors(plan), n = shape->descriptors;
	const struct kc_data_range ranges[] = {
		{ a->op->writes ? &plan->out : &plan->in,
		  a->op->writes ? IN_HEADER + a->op->takes : OUT_HEADER, a->size },
		{ &plan->out, 0, plan->out.len }, { &plan->in, 0, plan->in.len },
	};

	if (have > n && !shape->ncut_out && !shape->ncut_in && !shape->every_byte) {
		kc_stream_join(&plan->out);
		kc_stream_join(&plan->in);
		have = kc_plan_descriptors(plan);
	}
	for (unsigned i = 0; i < 3 && have < n; i++)
		have += kc_range_cut_more(&ranges[i], n - have);
	if (have != n)
		return kc_err_set(err, -EINVAL, "this request cannot have exactly %u descriptors", n);
	return 0;
}

static void pattern_bytes(uint64_t offset, uint8_t *to, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint64_t word = htole64(kc_storage_pattern_word((offset + i) / 8));

		to[i] = ((const uint8_t *)&word)[(offset + i) % 8];
	}
}

/* Bytes of a file that is known; those behind its end are not there. */
static bool known_bytes(const struct kc_port *p, const struct fs_request *q, uint8_t *to, uint32_t *len)
{
	*len = q->size;
	if (!q->known)
		return false;
	if (q->back) {
		kc_port_fill(p, KC_FILL_DATA, q->serial, to, q->size);
		return true;
	}
	if (q->offset >= KC_SHARE_PATTERN_BYTES)
		*len = 0;
	else if (q->size > KC_SHARE_PATTERN_BYTES - q->offset)
		*len = (uint32_t)(KC_SHARE_PATTERN_BYTES - q->offset);
	pattern_bytes(q->offset, to, *len);
	return true;
}

/* Poison that differs from what is expected in its place. */
static int mind_poison(const struct kc_port *p, const struct fs_request *q, struct kc_plan *plan)
{
	uint8_t *bytes;
	uint32_t len;

	if (!q->op->reads)
		return 0;
	bytes = calloc(1, (size_t)q->size + 1);
	if (bytes && known_bytes(p, q, bytes, &len))
		kc_poison_unlike(plan->in.bytes + OUT_HEADER, bytes, len);
	free(bytes);
	return bytes ? 0 : -ENOMEM;
}

static struct fs_request *remember(const struct fs *fs, const struct ask *a)
{
	struct fs_request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	*q = (struct fs_request){
		.op = a->op, .file = a->file, .offset = a->offset, .size = a->size, .back = a->back,
		.serial = a->back ? fs->back_serial : fs->serial + 1,
		.known = a->op->reads && !a->has_handle && (a->back || a->file == PATTERN),
	};
	return q;
}

static struct kc_request *build(struct kc_port *p, const struct kc_shape *shape, const struct ask *a,
				int *code, struct kc_err *err)
{
	struct fs *fs = p->priv;
	struct fs_request *q = remember(fs, a);
	struct kc_request *r = NULL;
	struct kc_plan plan;

	*code = kc_plan_init(&plan, readable_bytes(a), writable_bytes(a), err);
	if (!*code && !q)
		*code = kc_err_set(err, -ENOMEM, "no memory for an fs request");
	if (!*code) {
		lay(p, a, &plan, fs->serial + 1);
		cut(a, shape, &plan);
		*code = mind_poison(p, q, &plan);
	}
	if (!*code)
		*code = kc_plan_cut_explicit(&plan, shape, err);
	if (!*code && shape->descriptors)
		*code = cut_exactly(a, shape, &plan, err);
	if (!*code)
		r = kc_plan_build(&plan, p, shape, fs->serial + 1, code, err);
	kc_plan_fini(&plan);
	if (!r) {
		free(q);
		return NULL;
	}
	fs->serial++;
	r->priv = q;
	r->len_expected = UINT32_MAX;	/* the answer says it */
	r->len_min = a->op->hiprio ? 0 : OUT_HEADER;
	kc_say(r->what, sizeof(r->what), "fs %s, unique %llu", a->op->word,
		 (unsigned long long)(2 * r->serial));
	return r;
}

static struct kc_request *fs_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				  int *code, struct kc_err *err)
{
	struct ask a = { .file = NO_FILE, .count = 1 };

	*code = read_words(&a, shape->words, err);
	if (!*code && !a.op)
		choose_op(p, shape, &a);
	if (!*code && shape->descriptors > KC_SHAPE_SEGS_MAX)
		*code = kc_err_set(err, -EINVAL, "%u descriptors are more than any ring has",
				   shape->descriptors);
	if (!*code)
		*code = check_queue(qi, a.op, err);
	if (!*code)
		*code = complete(p, shape, &a, err);
	return *code ? NULL : build(p, shape, &a, code, err);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static enum kc_payload_verdict check_read(const struct kc_port *p, const struct fs_request *q,
					  const uint8_t *body, uint32_t len, struct kc_err *why)
{
	const struct fs *fs = p->priv;
	uint8_t *expected = calloc(1, (size_t)q->size + 1);
	enum kc_payload_verdict v = KC_PAYLOAD_RIGHT;
	uint32_t want;

	if (!expected)
		return WRONG(why, "no memory for %u bytes", q->size);
	if (known_bytes(p, q, expected, &want)) {
		if (len > want || (len < want && !fs->file[q->file].direct))
			v = WRONG(why, "expected %u bytes of the file, actual %u", want, len);
		for (uint32_t i = 0; i < len && v == KC_PAYLOAD_RIGHT; i++)
			if (body[i] != expected[i])
				v = WRONG(why, "byte %u of the file's: expected 0x%02x, actual 0x%02x", i,
					  expected[i], body[i]);
	}
	free(expected);
	return v;
}

static enum kc_payload_verdict check_body(struct kc_port *p, const struct fs_request *q,
					  const uint8_t *body, uint32_t len, struct kc_err *why)
{
	struct fs *fs = p->priv;
	struct fuse_write_out written;

	if (q->op->reads)
		return check_read(p, q, body, len, why);
	if (len < q->op->gives_min)
		return WRONG(why, "expected %u bytes behind fuse_out_header, actual %u",
			     q->op->gives_min, len);
	if (q->op->writes) {
		memcpy(&written, body, sizeof(written));
		if (written.size > q->size ||
		    (written.size < q->size && q->file < FILES && !fs->file[q->file].direct))
			return WRONG(why, "expected %u bytes to be written, actual %u", q->size,
				     written.size);
	}
	if (q->op->learn)
		q->op->learn(fs, q, body);
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict check_answer(struct kc_port *p, struct kc_request *r, uint32_t used,
					    const uint8_t *bytes, int *code, struct kc_err *why)
{
	const struct fs_request *q = r->priv;
	struct fuse_out_header h = { 0 };

	if (used < OUT_HEADER || r->writable < OUT_HEADER)
		return WRONG(why, "expected a fuse_out_header of 16 bytes, actual used.len %u", used);
	memcpy(&h, bytes, OUT_HEADER);
	if (h.unique != 2 * r->serial)
		return WRONG(why, "expected unique %llu, actual %llu", (unsigned long long)(2 * r->serial),
			     (unsigned long long)h.unique);
	if (h.len != used)
		return WRONG(why, "expected a len of %u, which was used, actual %u", used, h.len);
	if (h.len < OUT_HEADER || h.len > r->writable)
		return WRONG(why, "expected a len of 16 to %u, actual %u", r->writable, h.len);
	p->clause = "FS-REQ-03";
	if (h.error > 0 || h.error <= -512)
		return WRONG(why, "expected 0 or a negative errno, actual %d", h.error);
	p->clause = NULL;
	if (!h.error)
		return check_body(p, q, bytes + OUT_HEADER, h.len - OUT_HEADER, why);
	if (h.len != OUT_HEADER)
		return WRONG(why, "expected nothing behind the header of an error, actual len %u", h.len);
	*code = -h.error;
	return KC_PAYLOAD_FAILED;
}

static enum kc_payload_verdict fs_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					const struct kc_used *u, int *code, struct kc_err *why)
{
	const struct fs_request *q = r->priv;
	enum kc_payload_verdict v;
	uint8_t *bytes;

	(void)qi;
	*code = 0;
	if (q->op->hiprio) {
		p->clause = "FS-REQ-04";
		return u->len ? WRONG(why, "expected used.len 0, actual %u", u->len) : KC_PAYLOAD_RIGHT;
	}
	bytes = kc_request_read_back(p, r);
	if (!bytes) {
		*code = ENOMEM;
		kc_err_set(why, -ENOMEM, "no memory to check the answer");
		return KC_PAYLOAD_FAILED;
	}
	v = check_answer(p, r, u->len, bytes, code, why);
	free(bytes);
	return v;
}

/* --- Life ------------------------------------------------------------------------------------- */

static unsigned fs_virtqueue(unsigned n)
{
	return n + 1;
}

static bool fs_has_queue(struct kc_port *p, unsigned qi, uint64_t queue_num, struct kc_err *why)
{
	struct virtio_fs_config c;
	uint32_t requests;

	if (queue_num && qi >= queue_num) {
		kc_err_set(why, 0, "the back-end has %llu queues", (unsigned long long)queue_num);
		return false;
	}
	if (!p->env.config || p->env.config_len < sizeof(c))
		return true;
	memcpy(&c, p->env.config, sizeof(c));
	requests = le32toh(c.num_request_queues);
	if (qi <= requests)
		return true;
	kc_err_set(why, 0, "the device has %u request queues", requests);
	return false;
}

#define OPEN_FILE(name)	"driver   1 request lookup " name ", kick\nexpect   queue 1 1 used\n" \
			"driver   1 request open " name ", kick\nexpect   queue 1 1 used\n"
#define BEGIN		"title    a FUSE session is opened on a request queue\nclause   FS-INIT-01\n" \
			"device   fs\nqueue 1  negotiated size 8 low\n" \
			"driver   1 request init, kick\nexpect   queue 1 1 used\n"
#define END		"vmm      stop 1, disable 1\n"

/* What the share holds is known of one that kickcall has made. */
static const char *fs_opening(struct kc_port *p)
{
	if (p->env.contents != KC_CONTENTS_PATTERN)
		return BEGIN END;
	return p->env.writes_allowed ? BEGIN OPEN_FILE("pattern") OPEN_FILE("scratch") END :
	       BEGIN OPEN_FILE("pattern") END;
}

static struct kc_port *fs_open(const struct kc_port_env *env, struct kc_err *err)
{
	return kc_port_alloc(&kc_port_fs, env, sizeof(struct fs), err);
}

static const char *fs_code_name(int code)
{
	static const struct { int code; const char *name; } names[] = {
		{ 0, "OK" }, { EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { EIO, "EIO" }, { EBADF, "EBADF" },
		{ ENOMEM, "ENOMEM" }, { EACCES, "EACCES" }, { EISDIR, "EISDIR" }, { EINVAL, "EINVAL" },
		{ ENOSYS, "ENOSYS" }, { ELOOP, "ELOOP" }, { ENAMETOOLONG, "ENAMETOOLONG" },
		{ EPROTO, "EPROTO" }, { EROFS, "EROFS" }, { ENOTDIR, "ENOTDIR" }, { ESTALE, "ESTALE" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].code == code)
			return names[i].name;
	return "another errno";
}

const struct kc_port_ops kc_port_fs = {
	.device = "fs",
	.virtio_id = VIRTIO_ID_FS,
	.config_len = sizeof(struct virtio_fs_config),
	.payload_clause = "FS-REQ-01",
	.len_clause = "FS-REQ-01",
	.refusal_clause = "",
	.open = fs_open,
	.close = kc_port_free,
	.virtqueue = fs_virtqueue,
	.has_queue = fs_has_queue,
	.opening = fs_opening,
	.make = fs_make,
	.check = fs_check,
	.release = kc_request_free,
	.code_name = fs_code_name,
};

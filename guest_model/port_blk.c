/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block device's port.
 *
 * Theory of operation: a request is a 16-byte header, data, and a status byte, the last writable
 * one. Words or the shape's direction choose what is asked (`struct ask`); from that follow the two
 * byte streams and their cuts.
 *
 * What the storage holds. Its first MiB (half of a small disk) is the common area: scenarios never
 * write it, and default reads go there, at a place that moves on with every request. Writes go to
 * this scenario's private area, one of the 256-KiB slots behind it, also moving on, so that
 * requests in flight together touch different sectors. Of a sector its content is known
 * - in the private area, after a write that succeeded while no other one was under way;
 * - elsewhere, as long as nobody can have written there (the common area, or a disk that never
 *   changes), from what the storage was filled with, else from the first time it was read.
 * A write that failed, or that overlapped another one in flight, leaves unknown content; so does a
 * read that overlapped a write get no expectation. For that, every private sector counts the writes
 * under way and the writes begun: a request that finds one under way when it starts, or the sum of
 * begun ones changed when it ends, was not alone.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <common/rng.h>
#include <kickcall/storage.h>
#include <guest_model/port_build.h>

#define SECTOR			512u
#define HEADER_BYTES		((uint32_t)sizeof(struct virtio_blk_outhdr))
#define COMMON_SECTORS		2048u		/* 1 MiB */
#define PRIVATE_SECTORS		512u		/* 256 KiB */
#define UNTOLD_CAPACITY		4096u		/* assumed where no configuration could be read */
#define CONFIG_BYTES		60u		/* up to and with WRITE_ZEROES' fields */
#define LAST_STATUS		VIRTIO_BLK_S_UNSUPP

#define BIT(n)			(1ull << (n))

struct sector {
	bool known;
	uint32_t writing;		/* writes in flight */
	uint32_t begun;			/* writes ever begun */
};

struct area {
	uint64_t first;
	uint32_t n;			/* sectors */
	struct sector *sectors;
	uint8_t *bytes;
	uint32_t cursor;		/* where the next request goes */
};

struct blk {
	uint64_t capacity;		/* sectors */
	bool capacity_told;
	uint32_t size_max, seg_max;	/* 0: no limit */
	bool read_only;
	bool immutable;			/* writes do not change what is stored */
	uint64_t serial;
	unsigned turn;			/* KC_DIR_ANY: even reads, odd writes */
	struct area common, private;
	uint64_t last_write;		/* sector of the last write made */
	uint32_t last_write_sectors;
};

enum kind { KIND_ANY, KIND_READ, KIND_WRITE, KIND_FLUSH, KIND_GET_ID, KIND_TYPE };
enum where {
	WHERE_DEFAULT, WHERE_SECTOR, WHERE_PRIVATE, WHERE_BACK,
	WHERE_LAST, WHERE_PAST_END, WHERE_STRADDLE,	/* these go by the capacity */
};

struct ask {
	enum kind kind;
	uint32_t type;
	uint32_t reserved;
	enum where where;
	uint64_t number;		/* of WHERE_SECTOR and WHERE_PRIVATE */
	/* Filled in from the shape. */
	uint32_t data;			/* bytes */
	bool data_out;			/* which stream they are in */
	uint64_t sector;
};

/* What the port remembers of a request. */
struct blk_request {
	struct ask ask;
	uint32_t nsectors;
	bool in_range;			/* every sector exists */
	bool contended;			/* a write was under way where it goes */
	bool settled;
	uint64_t begun;			/* sum over its private sectors */
};

static const struct kind_row {
	const char *name;
	uint32_t type;
	uint32_t natural;		/* bytes of data */
	uint32_t unit;			/* data is a multiple of this; 0: exactly `natural` bytes */
	bool data_out;
} kinds[] = {
	[KIND_READ] = { "read", VIRTIO_BLK_T_IN, SECTOR, SECTOR, false },
	[KIND_WRITE] = { "write", VIRTIO_BLK_T_OUT, SECTOR, SECTOR, true },
	[KIND_FLUSH] = { "flush", VIRTIO_BLK_T_FLUSH, 0, 0, false },
	[KIND_GET_ID] = { "get-id", VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_ID_BYTES, 0, false },
	[KIND_TYPE] = { "type", 0, 0, 1, false },
};

static bool is_sized(const struct ask *a)
{
	return a->kind == KIND_READ || a->kind == KIND_WRITE;
}

/* Areas */

static int area_init(struct area *a, uint64_t first, uint32_t n)
{
	a->first = first;
	a->n = n;
	a->sectors = calloc(n + 1, sizeof(*a->sectors));
	a->bytes = calloc(n + 1, SECTOR);
	return a->sectors && a->bytes ? 0 : -ENOMEM;
}

static void area_fini(struct area *a)
{
	free(a->sectors);
	free(a->bytes);
}

static struct sector *area_sector(struct area *a, uint64_t sector)
{
	return sector - a->first < a->n ? &a->sectors[sector - a->first] : NULL;
}

static uint8_t *area_bytes(struct area *a, uint64_t sector)
{
	return a->bytes + (sector - a->first) * SECTOR;
}

static bool area_holds(const struct area *a, uint64_t sector, uint32_t n)
{
	return sector >= a->first && sector - a->first <= a->n && n <= a->n - (sector - a->first);
}

/* The next n sectors of the area, starting over at its end. n <= a->n. */
static uint64_t area_next(struct area *a, uint32_t n)
{
	uint64_t sector;

	if (n > a->n - a->cursor)
		a->cursor = 0;
	sector = a->first + a->cursor;
	a->cursor += n;
	return sector;
}

/* Opening */

static void read_config(struct blk *b, const struct kc_port_env *env)
{
	struct virtio_blk_config c;
	unsigned len = env->config_len < sizeof(c) ? env->config_len : sizeof(c);

	memset(&c, 0, sizeof(c));
	if (env->config && len)
		memcpy(&c, env->config, len);
	b->capacity_told = env->config && len >= sizeof(c.capacity);
	b->capacity = b->capacity_told ? le64toh(c.capacity) : UNTOLD_CAPACITY;
	if (env->features & BIT(VIRTIO_BLK_F_SIZE_MAX))
		b->size_max = le32toh(c.size_max);
	if (env->features & BIT(VIRTIO_BLK_F_SEG_MAX))
		b->seg_max = le32toh(c.seg_max);
	b->read_only = env->features & BIT(VIRTIO_BLK_F_RO);
	b->immutable = b->read_only || env->writes_dropped;
}

static int make_areas(struct blk *b, const struct kc_port_env *env)
{
	uint64_t common = b->capacity / 2 < COMMON_SECTORS ? b->capacity / 2 : COMMON_SECTORS;
	uint64_t slots = (b->capacity - common) / PRIVATE_SECTORS;
	uint64_t first = common, n = b->capacity - common;
	struct kc_rng rng;

	if (slots) {
		first = common + env->private_slot % slots * PRIVATE_SECTORS;
		n = PRIVATE_SECTORS;
	}
	if (area_init(&b->common, 0, common) || area_init(&b->private, first, n))
		return -ENOMEM;
	kc_rng_seed(&rng, env->seed);
	b->common.cursor = common ? kc_rng_below(&rng, common) : 0;
	return 0;
}

static void blk_close(struct kc_port *p)
{
	struct blk *b = p->priv;

	area_fini(&b->common);
	area_fini(&b->private);
	kc_port_free(p);
}

static struct kc_port *blk_open(const struct kc_port_env *env, struct kc_err *err)
{
	struct kc_port *p = kc_port_alloc(&kc_port_blk, env, sizeof(struct blk), err);

	if (!p)
		return NULL;
	read_config(p->priv, env);
	if (make_areas(p->priv, env)) {
		blk_close(p);
		kc_err_set(err, -ENOMEM, "blk: no memory for the model of the storage");
		return NULL;
	}
	return p;
}

/* What storage holds */

/* The content of a sector, if it is known. */
static bool storage_known(struct kc_port *p, uint64_t sector, uint8_t *out)
{
	struct blk *b = p->priv;
	struct area *a = area_sector(&b->common, sector) ? &b->common : &b->private;
	struct sector *s = area_sector(a, sector);

	if (s && s->known) {
		memcpy(out, area_bytes(a, sector), SECTOR);
		return true;
	}
	if (p->env.contents == KC_CONTENTS_UNKNOWN || (a != &b->common && !b->immutable))
		return false;
	for (uint32_t i = 0; i < SECTOR; i++)
		out[i] = p->env.contents == KC_CONTENTS_ZEROES ? 0 :
			 kc_storage_pattern(sector * SECTOR + i);
	return true;
}

static void storage_learn(struct area *a, uint64_t sector, const uint8_t *bytes)
{
	struct sector *s = area_sector(a, sector);

	if (!s)
		return;
	memcpy(area_bytes(a, sector), bytes, SECTOR);
	s->known = true;
}

static uint64_t sum_begun(struct blk *b, const struct blk_request *q)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < q->nsectors; i++) {
		struct sector *s = area_sector(&b->private, q->ask.sector + i);

		sum += s ? s->begun : 0;
	}
	return sum;
}

static void request_begins(struct blk *b, struct blk_request *q)
{
	bool write = q->ask.kind == KIND_WRITE;

	for (uint32_t i = 0; i < q->nsectors; i++) {
		struct sector *s = area_sector(&b->private, q->ask.sector + i);

		if (!s)
			continue;
		q->contended |= s->writing > 0;
		s->begun += write;
		s->writing += write;
	}
	q->begun = sum_begun(b, q);
	if (write) {
		b->last_write = q->ask.sector;
		b->last_write_sectors = q->nsectors;
	}
}

/* The request is over; bytes are what it has written to storage, NULL if that is not certain. */
static void request_ends(struct blk *b, struct blk_request *q, const uint8_t *bytes)
{
	bool alone = !q->contended && sum_begun(b, q) == q->begun;

	if (q->settled)
		return;
	q->settled = true;
	q->contended = !alone;
	if (q->ask.kind != KIND_WRITE)
		return;
	for (uint32_t i = 0; i < q->nsectors; i++) {
		struct sector *s = area_sector(&b->private, q->ask.sector + i);

		if (!s)
			continue;
		s->writing--;
		if (b->immutable)
			continue;
		s->known = false;
		if (alone && bytes)
			storage_learn(&b->private, q->ask.sector + i, bytes + i * SECTOR);
	}
}

/* Words */

static void word_kind(struct ask *a, enum kind kind)
{
	a->kind = kind;
	a->type = kinds[kind].type;
	a->data_out = kinds[kind].data_out;
}

static const struct word {
	const char *text;
	bool number;			/* a number follows */
	enum kind kind;			/* KIND_ANY: says nothing of the kind */
	enum where where;		/* WHERE_DEFAULT: says nothing of the place */
} words[] = {
	{ "read", false, KIND_READ, WHERE_DEFAULT },
	{ "write", false, KIND_WRITE, WHERE_DEFAULT },
	{ "flush", false, KIND_FLUSH, WHERE_DEFAULT },
	{ "get-id", false, KIND_GET_ID, WHERE_DEFAULT },
	{ "type", true, KIND_TYPE, WHERE_DEFAULT },		/* any request type */
	{ "reserved", true, KIND_ANY, WHERE_DEFAULT },		/* the header's second field */
	{ "sector", true, KIND_ANY, WHERE_SECTOR },		/* of the disk */
	{ "private", true, KIND_ANY, WHERE_PRIVATE },		/* sector of the private area */
	{ "back", false, KIND_READ, WHERE_BACK },		/* what was last written */
	{ "up-to-end", false, KIND_ANY, WHERE_LAST },		/* its last sector is the disk's */
	{ "past-end", false, KIND_ANY, WHERE_PAST_END },	/* from the first sector beyond */
	{ "straddle-end", false, KIND_ANY, WHERE_STRADDLE },	/* from the last sector on */
};

static const struct word *find_word(const char *text)
{
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i].text, text))
			return &words[i];
	return NULL;
}

static int apply_word(struct ask *a, const struct word *w, uint64_t number, struct kc_err *err)
{
	if (w->kind != KIND_ANY)
		word_kind(a, w->kind);
	if (w->where != WHERE_DEFAULT) {
		a->where = w->where;
		a->number = number;
		return 0;
	}
	if (number > UINT32_MAX)
		return kc_err_set(err, -EINVAL, "'%s' takes 32 bits", w->text);
	if (w->number && w->kind == KIND_TYPE)
		a->type = number;
	else if (w->number)
		a->reserved = number;
	return 0;
}

static int parse_number(const char *text, const char *after, uint64_t *v, struct kc_err *err)
{
	char *end;

	errno = 0;
	*v = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 0) : 0;
	if (!text || *text < '0' || *text > '9' || *end || errno)
		return kc_err_set(err, -EBADMSG, "a number must follow '%s', not '%s'", after,
				  text ? text : "");
	return 0;
}

static int parse_words(struct ask *a, const char *text, struct kc_err *err)
{
	char copy[256], *save = NULL;
	int ret = 0;

	if (!text)
		return 0;
	if (strlen(text) >= sizeof(copy))
		return kc_err_set(err, -EBADMSG, "too many words for a blk request");
	strcpy(copy, text);
	for (char *t = strtok_r(copy, " ", &save); t && !ret; t = strtok_r(NULL, " ", &save)) {
		const struct word *w = find_word(t);
		uint64_t number = 0;

		if (!w)
			return kc_err_set(err, -EBADMSG, "a blk device knows no '%s'", t);
		if (w->number)
			ret = parse_number(strtok_r(NULL, " ", &save), t, &number, err);
		if (!ret)
			ret = apply_word(a, w, number, err);
	}
	return ret;
}

/* From the shape to what is asked */

static int choose_data(struct ask *a, const struct blk *b, const struct kc_shape *shape,
		       struct kc_err *err)
{
	const struct kind_row *k = &kinds[a->kind];
	uint32_t data = shape->data ? shape->data : k->natural;

	if (!k->unit && data != k->natural)
		return kc_err_set(err, -EINVAL, "a %s has %u bytes of data", k->name, k->natural);
	if (data > KC_STREAM_MAX - HEADER_BYTES - SECTOR || shape->descriptors > KC_SHAPE_SEGS_MAX)
		return kc_err_set(err, -EINVAL, "that is more than a request here may have");
	if (is_sized(a)) {
		if (!shape->data && a->where == WHERE_BACK)
			data = b->last_write_sectors * SECTOR;
		if (a->where == WHERE_STRADDLE && data < 2 * SECTOR)
			data = 2 * SECTOR;
		if (shape->descriptors > 2 && data < shape->descriptors - 2)
			data = shape->descriptors - 2;
		data = (data + SECTOR - 1) / SECTOR * SECTOR;
	}
	if (a->kind == KIND_TYPE)
		a->data_out = shape->dir == KC_DIR_OUT;
	a->data = data;
	return 0;
}

/* Types that change the storage, or what a device might take for one. */
static bool type_writes(uint32_t type)
{
	type &= ~VIRTIO_BLK_T_BARRIER;
	return type == VIRTIO_BLK_T_OUT || type == VIRTIO_BLK_T_DISCARD ||
	       (type >= VIRTIO_BLK_T_WRITE_ZEROES && type <= 26);	/* to ZONE_RESET_ALL */
}

static int check_permission(const struct ask *a, const struct kc_port_env *env, struct kc_err *err)
{
	if (!type_writes(a->type))
		return 0;
	if (!env->writes_allowed)
		return kc_err_set(err, -EPERM, "would write: needs --destructive");
	if (a->kind == KIND_TYPE && a->data)
		return kc_err_set(err, -EINVAL, "type %u with data would write to an unknown place",
				  a->type);
	return 0;
}

/* A write that the device should carry out, or might in part, stays in the private area. */
static int check_write_place(const struct blk *b, uint64_t sector, uint32_t n, struct kc_err *err)
{
	if (b->capacity && sector >= b->capacity - 1 && n != 1)
		return 0;		/* reaches beyond the end: must be refused */
	if (sector >= b->capacity || area_holds(&b->private, sector, n))
		return 0;
	return kc_err_set(err, -EINVAL,
			  "sectors %" PRIu64 " to %" PRIu64 " are outside the part of the storage "
			  "that this scenario may write (%" PRIu64 " to %" PRIu64 ")",
			  sector, sector + n - 1, b->private.first,
			  b->private.first + b->private.n - 1);
}

/* The area's next sectors, for a request that names no place. */
static int place_default(struct blk *b, bool write, uint32_t n, uint64_t *sector,
			 struct kc_err *err)
{
	struct area *a = write ? &b->private : &b->common;

	*sector = 0;
	if (n > (write ? a->n : b->capacity))
		return kc_err_set(err, -EINVAL, "%u sectors, but %s %" PRIu64, n,
				  write ? "scenarios may write" : "the disk has",
				  write ? a->n : b->capacity);
	if (n <= a->n && n)
		*sector = area_next(a, n);
	return 0;
}

static int choose_sector(struct ask *a, struct blk *b, struct kc_err *err)
{
	uint32_t n = (a->data + SECTOR - 1) / SECTOR;
	bool write = a->kind == KIND_WRITE;

	if (!b->capacity_told && a->where >= WHERE_LAST)
		return kc_err_set(err, -EINVAL,
				  "the capacity is unknown: no configuration was read");
	switch (a->where) {
	case WHERE_DEFAULT:
		return is_sized(a) ? place_default(b, write, n, &a->sector, err) : 0;
	case WHERE_SECTOR:
		a->sector = a->number;
		break;
	case WHERE_PRIVATE:
		if (a->number >= b->private.n || n > b->private.n - a->number)
			return kc_err_set(err, -EINVAL, "the private area has %u sectors",
					  b->private.n);
		a->sector = b->private.first + a->number;
		break;
	case WHERE_BACK:
		if (!b->last_write_sectors)
			return kc_err_set(err, -EBADMSG, "nothing was written yet");
		a->sector = b->last_write;
		break;
	case WHERE_LAST:
		if (n > b->capacity)
			return kc_err_set(err, -EINVAL, "the disk is smaller than that");
		a->sector = b->capacity - n;
		break;
	case WHERE_PAST_END:
		a->sector = b->capacity;
		break;
	case WHERE_STRADDLE:
		if (!b->capacity)
			return kc_err_set(err, -EINVAL, "the disk is empty");
		a->sector = b->capacity - 1;
		break;
	}
	return write ? check_write_place(b, a->sector, n, err) : 0;
}

/* Streams and cuts */

static void spare_contents(struct kc_port *p, const struct ask *a, struct kc_plan *plan)
{
	uint8_t there[SECTOR];

	for (uint32_t i = 0; i < a->data / SECTOR; i++)
		if (storage_known(p, a->sector + i, there))
			kc_poison_unlike(plan->in.bytes + i * SECTOR, there, SECTOR);
}

static void lay_bytes(struct kc_port *p, const struct ask *a, uint64_t serial, struct kc_plan *plan)
{
	struct virtio_blk_outhdr header = {
		.type = htole32(a->type),
		.ioprio = htole32(a->reserved),
		.sector = htole64(a->sector),
	};

	memcpy(plan->out.bytes, &header, sizeof(header));
	/* Data of an arbitrary type stays zero: nobody can take it for a range of sectors. */
	if (a->kind == KIND_WRITE)
		kc_port_fill(p, KC_FILL_DATA, serial, plan->out.bytes + HEADER_BYTES, a->data);
	kc_port_fill(p, KC_FILL_POISON, serial, plan->in.bytes, plan->in.len);
	if (a->kind == KIND_READ)
		spare_contents(p, a, plan);
	/* No status that a device may answer, in either run. */
	plan->in.bytes[plan->in.len - 1] = p->env.poison_flip ? 0xf0 : 0xff;
}

static struct kc_data_range data_range(const struct ask *a, struct kc_plan *plan)
{
	return (struct kc_data_range){
		.s = a->data_out ? &plan->out : &plan->in,
		.first = a->data_out ? HEADER_BYTES : 0,
		.len = a->data,
	};
}

static int cut_exactly(struct kc_plan *plan, const struct kc_data_range *data,
		       const struct kc_shape *shape, struct kc_err *err)
{
	uint32_t have = kc_plan_descriptors(plan), n = shape->descriptors;

	if (have > n && n == 2 && !shape->ncut_out && !shape->ncut_in && !shape->every_byte) {
		kc_stream_join(&plan->out);
		kc_stream_join(&plan->in);
		have = 2;
	}
	if (have > n)
		return kc_err_set(err, -EINVAL, "this request has at least %u descriptors, not %u",
				  have, n);
	if (kc_range_cut_more(data, n - have) < n - have)
		return kc_err_set(err, -EINVAL, "%u bytes of data cannot make %u descriptors",
				  data->len, n);
	return 0;
}

static int check_limits(const struct blk *b, const struct kc_data_range *data, struct kc_err *err)
{
	uint32_t longest, n = kc_range_pieces(data, &longest);

	if (b->seg_max && n > b->seg_max)
		return kc_err_set(err, -EINVAL, "%u pieces of data, but the device's seg_max is %u",
				  n, b->seg_max);
	if (b->size_max && longest > b->size_max)
		return kc_err_set(err, -EINVAL,
				  "%u bytes in one descriptor, but the device's size_max is %u",
				  longest, b->size_max);
	return 0;
}

static int cut(struct kc_plan *plan, const struct ask *a, const struct blk *b,
	       const struct kc_shape *shape, struct kc_err *err)
{
	struct kc_data_range data = data_range(a, plan);
	int ret;

	if (!shape->one_piece) {
		kc_stream_cut(&plan->out, HEADER_BYTES);
		kc_stream_cut(&plan->in, plan->in.len - 1);
		kc_range_cut_long(&data, b->size_max);
	}
	for (uint32_t i = 1; shape->every_byte && i <= HEADER_BYTES; i++)
		kc_stream_cut(&plan->out, i);
	if (shape->every_byte)
		kc_stream_cut(&plan->in, plan->in.len - 1);
	ret = kc_plan_cut_explicit(plan, shape, err);
	if (!ret && shape->descriptors)
		ret = cut_exactly(plan, &data, shape, err);
	return ret ? ret : check_limits(b, &data, err);
}

/* Making a request */

static void describe(struct kc_request *r, const struct ask *a)
{
	int n = snprintf(r->what, sizeof(r->what), "blk %s", kinds[a->kind].name);

	if (a->kind == KIND_TYPE)
		n += snprintf(r->what + n, sizeof(r->what) - n, " %u", a->type);
	if (is_sized(a) || a->sector)
		n += snprintf(r->what + n, sizeof(r->what) - n, " sector %" PRIu64, a->sector);
	if (is_sized(a) || a->kind == KIND_TYPE)
		snprintf(r->what + n, sizeof(r->what) - n, ", %u bytes", a->data);
}

static int attach(struct kc_port *p, struct kc_request *r, const struct ask *a)
{
	struct blk *b = p->priv;
	struct blk_request *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	r->priv = q;
	q->ask = *a;
	q->nsectors = is_sized(a) ? a->data / SECTOR : 0;
	q->in_range = a->sector <= b->capacity && q->nsectors <= b->capacity - a->sector;
	request_begins(b, q);
	r->len_expected = q->in_range && a->kind != KIND_TYPE ? r->writable : UINT32_MAX;
	r->len_min = r->len_expected == UINT32_MAX ? 0 : r->writable;
	describe(r, a);
	return 0;
}

static struct kc_request *build(struct kc_port *p, const struct ask *a,
				const struct kc_shape *shape, int *code, struct kc_err *err)
{
	struct blk *b = p->priv;
	struct kc_request *r = NULL;
	struct kc_plan plan;

	*code = kc_plan_init(&plan, HEADER_BYTES + (a->data_out ? a->data : 0),
			     (a->data_out ? 0 : a->data) + 1, err);
	if (!*code)
		*code = cut(&plan, a, b, shape, err);
	if (!*code) {
		lay_bytes(p, a, b->serial + 1, &plan);
		r = kc_plan_build(&plan, p, shape, b->serial + 1, code, err);
	}
	kc_plan_fini(&plan);
	if (!r)
		return NULL;
	if (attach(p, r, a)) {
		*code = kc_err_set(err, -ENOMEM, "no memory for a blk request");
		kc_request_free(p, r);
		return NULL;
	}
	b->serial++;
	return r;
}

static struct kc_request *make_one(struct kc_port *p, struct ask a, const struct kc_shape *shape,
				   int *code, struct kc_err *err)
{
	struct blk *b = p->priv;

	*code = choose_data(&a, b, shape, err);
	if (!*code)
		*code = check_permission(&a, &p->env, err);
	if (!*code)
		*code = choose_sector(&a, b, err);
	return *code ? NULL : build(p, &a, shape, code, err);
}

static struct kc_request *make_kind(struct kc_port *p, struct ask a, enum kind kind,
				    const struct kc_shape *shape, int *code, struct kc_err *err)
{
	word_kind(&a, kind);
	return make_one(p, a, shape, code, err);
}

/* Reads and writes in turn; where a shape suits only one of them, that one. */
static struct kc_request *make_either(struct kc_port *p, const struct ask *a,
				      const struct kc_shape *shape, int *code, struct kc_err *err)
{
	struct blk *b = p->priv;
	bool may_write = p->env.writes_allowed && !b->read_only;
	bool write = may_write && b->turn++ % 2;
	struct kc_err other_err;
	struct kc_request *r;
	int other_code;

	r = make_kind(p, *a, write ? KIND_WRITE : KIND_READ, shape, code, err);
	if (r || *code != -EINVAL || !may_write)
		return r;
	r = make_kind(p, *a, write ? KIND_READ : KIND_WRITE, shape, &other_code, &other_err);
	if (r)
		*code = 0;
	return r;
}

static struct kc_request *blk_make(struct kc_port *p, const struct kc_shape *shape, int *code,
				   struct kc_err *err)
{
	struct ask a = { .kind = KIND_ANY };
	struct blk *b = p->priv;

	*code = parse_words(&a, shape->words, err);
	if (*code)
		return NULL;
	if (a.kind != KIND_ANY)
		return make_one(p, a, shape, code, err);
	if (shape->dir == KC_DIR_ANY)
		return make_either(p, &a, shape, code, err);
	if (shape->dir == KC_DIR_OUT && b->read_only) {
		*code = kc_err_set(err, -EINVAL, "the device is read-only");
		return NULL;
	}
	return make_kind(p, a, shape->dir == KC_DIR_OUT ? KIND_WRITE : KIND_READ, shape, code, err);
}

/* Checking the answer */

static enum kc_payload_verdict check_read(struct kc_port *p, struct blk_request *q,
					  const uint8_t *data, struct kc_err *why)
{
	struct blk *b = p->priv;
	uint8_t known[SECTOR];

	for (uint32_t i = 0; q->in_range && !q->contended && i < q->nsectors; i++) {
		uint64_t sector = q->ask.sector + i;
		const uint8_t *got = data + i * SECTOR;

		if (!storage_known(p, sector, known)) {
			storage_learn(&b->common, sector, got);
			continue;
		}
		for (uint32_t j = 0; j < SECTOR; j++) {
			if (got[j] == known[j])
				continue;
			kc_err_set(why, -EIO,
				   "byte %u (byte %u of sector %" PRIu64
				   "): expected 0x%02x, actual 0x%02x",
				   i * SECTOR + j, j, sector, known[j], got[j]);
			return KC_PAYLOAD_WRONG;
		}
	}
	return KC_PAYLOAD_RIGHT;
}

/* A string of at most 20 bytes, filled up with NUL (BLK-REQ-05). */
static enum kc_payload_verdict check_id(const uint8_t *id, struct kc_err *why)
{
	uint32_t len = strnlen((const char *)id, VIRTIO_BLK_ID_BYTES);

	for (uint32_t i = len; i < VIRTIO_BLK_ID_BYTES; i++) {
		if (!id[i])
			continue;
		kc_err_set(why, -EIO, "byte %u of the id, behind the end of the string at byte %u: "
			   "expected 0x00, actual 0x%02x", i, len, id[i]);
		return KC_PAYLOAD_WRONG;
	}
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict check_ok(struct kc_port *p, struct kc_request *r, const uint8_t *in,
					struct kc_err *why)
{
	struct blk_request *q = r->priv;
	uint8_t *written = NULL;

	if (q->ask.kind == KIND_WRITE && q->in_range) {
		written = calloc(1, q->ask.data);
		if (written)
			kc_port_fill(p, KC_FILL_DATA, r->serial, written, q->ask.data);
	}
	request_ends(p->priv, q, written);
	free(written);
	if (q->ask.kind == KIND_READ)
		return check_read(p, q, in, why);
	return q->ask.kind == KIND_GET_ID ? check_id(in, why) : KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict judge(struct kc_port *p, struct kc_request *r, const uint8_t *in,
				     int *code, struct kc_err *why)
{
	uint8_t poison = p->env.poison_flip ? 0xf0 : 0xff;

	*code = in[r->writable - 1];
	if (*code == VIRTIO_BLK_S_OK)
		return check_ok(p, r, in, why);
	request_ends(p->priv, r->priv, NULL);
	if (*code <= LAST_STATUS)
		return KC_PAYLOAD_FAILED;
	kc_err_set(why, -EIO, "status byte: expected 0, 1 or 2, actual 0x%02x%s", *code,
		   *code == poison ? " (it was not written)" : "");
	return KC_PAYLOAD_WRONG;
}

static enum kc_payload_verdict blk_check(struct kc_port *p, struct kc_request *r, uint32_t used_len,
					 int *code, struct kc_err *why)
{
	uint8_t *in = kc_request_read_back(p, r);
	enum kc_payload_verdict verdict;

	(void)used_len;		/* the oracle's and the harness' affair */
	if (!in) {
		*code = kc_err_set(why, -ENOMEM, "no memory to check the answer");
		return KC_PAYLOAD_FAILED;
	}
	verdict = judge(p, r, in, code, why);
	free(in);
	return verdict;
}

static void blk_release(struct kc_port *p, struct kc_request *r)
{
	if (r)
		request_ends(p->priv, r->priv, NULL);
	kc_request_free(p, r);
}

static uint32_t blk_max_descriptors(struct kc_port *p)
{
	const struct blk *b = p->priv;

	return b->seg_max && b->seg_max < UINT32_MAX - 2 ? b->seg_max + 2 : 0;
}

static const char *blk_code_name(int code)
{
	static const char *const names[] = {
		[VIRTIO_BLK_S_OK] = "OK",
		[VIRTIO_BLK_S_IOERR] = "IOERR",
		[VIRTIO_BLK_S_UNSUPP] = "UNSUPP",
	};

	return code >= 0 && code <= LAST_STATUS ? names[code] : "unknown";
}

const struct kc_port_ops kc_port_blk = {
	.device = "blk",
	.virtio_id = VIRTIO_ID_BLOCK,
	.features = BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX) |
		    BIT(VIRTIO_BLK_F_GEOMETRY) | BIT(VIRTIO_BLK_F_RO) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
		    BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_TOPOLOGY) |
		    BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_MQ) |
		    BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES),
	.config_len = CONFIG_BYTES,
	.payload_clause = "BLK-REQ-04",
	.len_clause = "BLK-REQ-06",
	.open = blk_open,
	.close = blk_close,
	.make = blk_make,
	.check = blk_check,
	.release = blk_release,
	.max_descriptors = blk_max_descriptors,
	.code_name = blk_code_name,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block device's port.
 *
 * Theory of operation: a request is a 16-byte header, data, and a status byte, the last writable
 * one. Words (port_blk_ask.c) or the shape's direction choose what is asked; where and how much is
 * settled by port_blk_place.c; from that follow the two byte streams and their cuts. What the
 * storage holds is port_blk_storage.c's to know: this file tells it when a request begins and what
 * came of it. A list of segments that breaks a rule (a limit, a flag, an odd length) leaves unknown
 * content, whatever status it gets.
 *
 * A write is written through if the device's cache mode says so from its beginning to its end, or
 * if the driver took neither FLUSH nor CONFIG_WCE of a device that offers FLUSH (BLK-OP-DEV-08,
 * BLK-OP-DEV-11).
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <common/say.h>
#include <guest_model/port_blk.h>

#define SECTOR			KC_SECTOR
#define HEADER_BYTES		KC_BLK_HEADER_BYTES
#define SEGMENT_BYTES		KC_BLK_SEGMENT_BYTES
#define UNTOLD_CAPACITY		4096u		/* assumed where no configuration could be read */
#define CONFIG_BYTES		60u		/* up to and with WRITE_ZEROES' fields */
#define ERASE_CONFIG_BYTES	72u		/* and with SECURE_ERASE's */
#define LAST_STATUS		VIRTIO_BLK_S_UNSUPP

#define BIT(n)			(1ull << (n))

/* What the port remembers of a request. */
struct blk_request {
	struct kc_blk_ask ask;
	bool proper;			/* breaks no rule: every sector exists, limits are kept */
	bool contended;			/* a write was under way where it goes */
	bool settled;
	bool through;			/* it began as a write to be written through */
	uint64_t begun;			/* sum over its private sectors */
	uint64_t since;			/* the storage's clock when it was made */
};

/* Opening */

static void read_config(struct kc_blk *b, const struct kc_port_env *env)
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
}

static void blk_close(struct kc_port *p)
{
	struct kc_blk *b = p->priv;

	kc_blk_storage_fini(&b->storage);
	kc_port_free(p);
}

static struct kc_port *blk_open(const struct kc_port_env *env, struct kc_err *err)
{
	struct kc_port *p = kc_port_alloc(&kc_port_blk, env, sizeof(struct kc_blk), err);
	struct kc_blk *b;

	if (!p)
		return NULL;
	b = p->priv;
	read_config(b, env);
	if (kc_blk_storage_init(&b->storage, env, b->capacity,
				b->read_only || env->writes_dropped)) {
		blk_close(p);
		kc_err_set(err, -ENOMEM, "blk: no memory for the model of the storage");
		return NULL;
	}
	return p;
}

/* A request's beginning and end, as the storage sees them */

static uint64_t sum_begun(const struct kc_blk *b, const struct blk_request *q)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < q->ask.nsegs; i++)
		sum += kc_blk_storage_begun(&b->storage, q->ask.segs[i].sector,
					    kc_blk_sectors_of(&q->ask, i));
	return sum;
}

/* Is a write on stable storage when it is completed? */
static bool writes_through(const struct kc_port *p)
{
	const size_t mode = offsetof(struct virtio_blk_config, wce);
	const struct kc_port_env *env = &p->env;

	if (env->features & BIT(VIRTIO_BLK_F_CONFIG_WCE))
		return env->config_len > mode && !env->config[mode];
	return env->offered & ~env->features & BIT(VIRTIO_BLK_F_FLUSH);
}

static void request_begins(struct kc_port *p, struct blk_request *q)
{
	struct kc_blk *b = p->priv;
	bool write = kc_blk_changes_storage(&q->ask);

	for (unsigned i = 0; i < q->ask.nsegs; i++)
		q->contended |= kc_blk_storage_begin(&b->storage, q->ask.segs[i].sector,
						     kc_blk_sectors_of(&q->ask, i), write);
	q->begun = sum_begun(b, q);
	q->since = b->storage.clock;
	q->through = writes_through(p);
	if (write) {
		b->last_write = q->ask.segs[0].sector;
		b->last_write_sectors = kc_blk_sectors_of(&q->ask, 0);
	}
}

/* The request is over; bytes are what a write has written, NULL if that is not certain. */
static void request_ends(struct kc_port *p, struct blk_request *q, bool ok, const uint8_t *bytes)
{
	struct kc_blk *b = p->priv;
	bool alone = !q->contended && sum_begun(b, q) == q->begun;
	bool certain = alone && ok && q->proper;
	enum kc_blk_left left = KC_BLK_LEFT_UNKNOWN;

	if (q->settled)
		return;
	q->settled = true;
	q->contended = !alone;
	if (q->ask.kind == KC_BLK_FLUSH && ok && p->env.features & BIT(VIRTIO_BLK_F_FLUSH))
		kc_blk_storage_flushed(&b->storage, q->since);
	if (!kc_blk_changes_storage(&q->ask))
		return;
	if (certain && bytes)
		left = KC_BLK_LEFT_BYTES;
	else if (certain && q->ask.kind == KC_BLK_WRITE_ZEROES)
		left = KC_BLK_LEFT_ZEROES;
	for (unsigned i = 0; i < q->ask.nsegs; i++)
		kc_blk_storage_end(&b->storage, q->ask.segs[i].sector,
				   kc_blk_sectors_of(&q->ask, i), left, bytes,
				   q->through && writes_through(p));
}

static void blk_power_lost(struct kc_port *p)
{
	struct kc_blk *b = p->priv;

	kc_blk_storage_power_lost(&b->storage);
}

/* Streams and cuts */

static void spare_contents(struct kc_port *p, const struct kc_blk_ask *a, struct kc_plan *plan)
{
	struct kc_blk *b = p->priv;
	uint8_t there[SECTOR];

	for (uint32_t i = 0; i < a->data / SECTOR; i++)
		if (kc_blk_storage_known(&b->storage, a->segs[0].sector + i, there))
			kc_poison_unlike(plan->in.bytes + i * SECTOR, there, SECTOR);
}

/* Of a shorter list only the beginning fits; behind a longer one follow zeroes: no sectors. */
static void lay_list(const struct kc_blk_ask *a, uint8_t *bytes)
{
	struct virtio_blk_discard_write_zeroes list[KC_BLK_SEGMENTS_MAX];
	uint32_t len = a->nsegs * SEGMENT_BYTES;

	for (unsigned i = 0; i < a->nsegs; i++) {
		list[i].sector = htole64(a->segs[i].sector);
		list[i].num_sectors = htole32(a->segs[i].sectors.n);
		list[i].flags = htole32(a->segs[i].flags);
	}
	memcpy(bytes, list, len < a->data ? len : a->data);
}

static void lay_bytes(struct kc_port *p, const struct kc_blk_ask *a, uint64_t serial,
		      struct kc_plan *plan)
{
	struct virtio_blk_outhdr header = {
		.type = htole32(a->type),
		.ioprio = htole32(a->reserved),
		.sector = htole64(kc_blk_is_list(a) ? 0 : a->segs[0].sector),
	};

	memcpy(plan->out.bytes, &header, sizeof(header));
	/* Data of an arbitrary type stays zero: nobody can take it for a range of sectors. */
	if (a->kind == KC_BLK_WRITE)
		kc_port_fill(p, KC_FILL_DATA, serial, plan->out.bytes + HEADER_BYTES, a->data);
	if (kc_blk_is_list(a))
		lay_list(a, plan->out.bytes + HEADER_BYTES);
	kc_port_fill(p, KC_FILL_POISON, serial, plan->in.bytes, plan->in.len);
	if (a->kind == KC_BLK_READ)
		spare_contents(p, a, plan);
	/* No status that a device may answer, in either run. */
	plan->in.bytes[plan->in.len - 1] = p->env.poison_flip ? 0xf0 : 0xff;
}

static struct kc_data_range data_range(const struct kc_blk_ask *a, struct kc_plan *plan)
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

static int check_limits(const struct kc_blk *b, const struct kc_data_range *data,
			struct kc_err *err)
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

static int cut(struct kc_plan *plan, const struct kc_blk_ask *a, const struct kc_blk *b,
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

static void describe(struct kc_request *r, const struct kc_blk_ask *a)
{
	size_t n = kc_say(r->what, sizeof(r->what), "blk %s", kc_blk_kind(a->kind)->name);
	const struct kc_blk_segment *s = &a->segs[0];

	if (a->kind == KC_BLK_TYPE)
		n += kc_say(r->what + n, sizeof(r->what) - n, " %u", a->type);
	if (kc_blk_is_sized(a) || kc_blk_is_list(a) || s->sector)
		n += kc_say(r->what + n, sizeof(r->what) - n, " sector %" PRIu64, s->sector);
	if (kc_blk_is_sized(a) || a->kind == KC_BLK_TYPE)
		kc_say(r->what + n, sizeof(r->what) - n, ", %u bytes", a->data);
	if (kc_blk_is_list(a))
		kc_say(r->what + n, sizeof(r->what) - n, ", %u sectors, flags 0x%x%s",
			 s->sectors.n, s->flags, a->nsegs > 1 ? ", and more segments" : "");
}

static bool segment_proper(const struct kc_blk *b, const struct kc_blk_ask *a, unsigned i)
{
	uint32_t known = a->kind == KC_BLK_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	const struct kc_blk_segment *s = &a->segs[i];

	return s->sector <= b->capacity && kc_blk_sectors_of(a, i) <= b->capacity - s->sector &&
	       !(s->flags & ~known) && s->sectors.how != KC_BLK_PAST_MAX;
}

static bool request_proper(const struct kc_blk *b, const struct kc_blk_ask *a)
{
	bool proper = a->kind != KC_BLK_TYPE && a->segments.how != KC_BLK_PAST_MAX;

	for (unsigned i = 0; i < a->nsegs; i++)
		proper &= segment_proper(b, a, i);
	return proper && (!kc_blk_is_list(a) || a->data == a->nsegs * SEGMENT_BYTES);
}

static int attach(struct kc_port *p, struct kc_request *r, const struct kc_blk_ask *a)
{
	struct blk_request *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	r->priv = q;
	q->ask = *a;
	q->proper = request_proper(p->priv, a);
	request_begins(p, q);
	r->len_expected = q->proper ? r->writable : UINT32_MAX;
	r->len_min = r->len_expected == UINT32_MAX ? 0 : r->writable;
	describe(r, a);
	return 0;
}

static struct kc_request *build(struct kc_port *p, const struct kc_blk_ask *a,
				const struct kc_shape *shape, int *code, struct kc_err *err)
{
	struct kc_blk *b = p->priv;
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

static struct kc_request *make_one(struct kc_port *p, struct kc_blk_ask *a,
				   const struct kc_shape *shape, int *code, struct kc_err *err)
{
	*code = kc_blk_settle(a, p, shape, err);
	return *code ? NULL : build(p, a, shape, code, err);
}

static struct kc_request *make_kind(struct kc_port *p, struct kc_blk_ask a, enum kc_blk_kind kind,
				    const struct kc_shape *shape, int *code, struct kc_err *err)
{
	kc_blk_ask_kind(&a, kind);
	return make_one(p, &a, shape, code, err);
}

/* Reads and writes in turn; where a shape suits only one of them, that one. */
static struct kc_request *make_either(struct kc_port *p, const struct kc_blk_ask *a,
				      const struct kc_shape *shape, int *code, struct kc_err *err)
{
	struct kc_blk *b = p->priv;
	bool may_write = p->env.writes_allowed && !b->read_only;
	bool write = may_write && b->turn++ % 2;
	struct kc_err other_err;
	struct kc_request *r;
	int other_code;

	r = make_kind(p, *a, write ? KC_BLK_WRITE : KC_BLK_READ, shape, code, err);
	if (r || *code != -EINVAL || !may_write)
		return r;
	r = make_kind(p, *a, write ? KC_BLK_READ : KC_BLK_WRITE, shape, &other_code, &other_err);
	if (r)
		*code = 0;
	return r;
}

static struct kc_request *blk_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				   int *code, struct kc_err *err)
{
	struct kc_blk *b = p->priv;
	struct kc_blk_ask a;

	(void)qi;
	*code = kc_blk_ask_parse(&a, shape->words, err);
	if (*code)
		return NULL;
	if (a.kind != KC_BLK_ANY)
		return make_one(p, &a, shape, code, err);
	if (shape->dir == KC_DIR_ANY)
		return make_either(p, &a, shape, code, err);
	if (shape->dir == KC_DIR_OUT && b->read_only) {
		*code = kc_err_set(err, -EINVAL, "the device is read-only");
		return NULL;
	}
	return make_kind(p, a, shape->dir == KC_DIR_OUT ? KC_BLK_WRITE : KC_BLK_READ, shape, code,
			 err);
}

/* Checking the answer */

static enum kc_payload_verdict check_read(struct kc_port *p, struct blk_request *q,
					  const uint8_t *data, struct kc_err *why)
{
	struct kc_blk *b = p->priv;
	uint8_t known[SECTOR];

	for (uint32_t i = 0; q->proper && !q->contended && i < q->ask.data / SECTOR; i++) {
		uint64_t sector = q->ask.segs[0].sector + i;
		const uint8_t *got = data + i * SECTOR;

		if (!kc_blk_storage_known(&b->storage, sector, known)) {
			kc_blk_storage_believe(&b->storage, sector, got);
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

	if (q->ask.kind == KC_BLK_WRITE && q->proper) {
		written = calloc(1, q->ask.data);
		if (written)
			kc_port_fill(p, KC_FILL_DATA, r->serial, written, q->ask.data);
	}
	request_ends(p, q, true, written);
	free(written);
	if (q->ask.kind == KC_BLK_READ)
		return check_read(p, q, in, why);
	return q->ask.kind == KC_BLK_GET_ID ? check_id(in, why) : KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict judge(struct kc_port *p, struct kc_request *r, const uint8_t *in,
				     int *code, struct kc_err *why)
{
	uint8_t poison = p->env.poison_flip ? 0xf0 : 0xff;

	*code = in[r->writable - 1];
	if (*code == VIRTIO_BLK_S_OK)
		return check_ok(p, r, in, why);
	request_ends(p, r->priv, false, NULL);
	if (*code <= LAST_STATUS)
		return KC_PAYLOAD_FAILED;
	kc_err_set(why, -EIO, "status byte: expected 0, 1 or 2, actual 0x%02x%s", *code,
		   *code == poison ? " (it was not written)" : "");
	return KC_PAYLOAD_WRONG;
}

static enum kc_payload_verdict blk_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					 const struct kc_used *u, int *code, struct kc_err *why)
{
	uint8_t *in = kc_request_read_back(p, r);
	enum kc_payload_verdict verdict;

	(void)qi;
	(void)u;		/* its length is the oracle's and the harness' affair */
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
		request_ends(p, r->priv, false, NULL);
	kc_request_free(p, r);
}

static uint32_t blk_max_descriptors(struct kc_port *p)
{
	const struct kc_blk *b = p->priv;

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
		    BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES) |
		    BIT(VIRTIO_BLK_F_SECURE_ERASE),
	.config_len = CONFIG_BYTES,
	.config_more = { BIT(VIRTIO_BLK_F_SECURE_ERASE), ERASE_CONFIG_BYTES },
	.payload_clause = "BLK-REQ-04",
	.len_clause = "BLK-REQ-06",
	.len_clause_packed = "BLK-REQ-06",
	.open = blk_open,
	.close = blk_close,
	.make = blk_make,
	.check = blk_check,
	.release = blk_release,
	.power_lost = blk_power_lost,
	.max_descriptors = blk_max_descriptors,
	.code_name = blk_code_name,
};

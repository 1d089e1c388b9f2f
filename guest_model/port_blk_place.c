/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block port's numbers and places.
 *
 * Theory of operation: whatever a script asks, the device is asked for no more than it announced,
 * and nothing but this scenario's private area is written. `past-max` breaks a limit on purpose.
 * What reaches beyond the end of the disk must be refused as a whole, so it may name its last
 * sector.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <guest_model/port_blk.h>

#define NATURAL_SECTORS		8u		/* of a segment */
#define BIT(n)			(1ull << (n))

/* What the device takes in one list of this kind; 0 sectors: it has not said. */
static void list_limits(const struct kc_port *p, enum kc_blk_kind kind, uint32_t *sectors,
			uint32_t *segments)
{
	static const struct { unsigned feature; size_t at; } fields[] = {
		[KC_BLK_DISCARD] = { VIRTIO_BLK_F_DISCARD, 36 },
		[KC_BLK_WRITE_ZEROES] = { VIRTIO_BLK_F_WRITE_ZEROES, 48 },
		[KC_BLK_SECURE_ERASE] = { VIRTIO_BLK_F_SECURE_ERASE, 60 },
	};
	size_t at = fields[kind].at;

	*sectors = *segments = 0;
	if (p->env.features & BIT(fields[kind].feature) && p->env.config_len >= at + 8) {
		memcpy(sectors, p->env.config + at, 4);
		memcpy(segments, p->env.config + at + 4, 4);
	}
	*sectors = le32toh(*sectors);
	*segments = le32toh(*segments);
}

/* Turns an amount into a number. `limit` 0: the device has told none; then `untold` is safe. */
static int settle_amount(struct kc_blk_amount *a, const char *what, uint32_t natural,
			 uint32_t limit, uint32_t untold, struct kc_err *err)
{
	uint32_t most = limit ? limit : untold;

	if (a->how == KC_BLK_UNSAID)
		a->n = natural < most ? natural : most;
	if (a->how == KC_BLK_SAID && a->n > most)
		return kc_err_set(err, -EINVAL, "%u %s, but the device takes %u at the most", a->n,
				  what, most);
	if (a->how < KC_BLK_MAX)
		return 0;
	if (!limit || (a->how == KC_BLK_PAST_MAX && limit == UINT32_MAX))
		return kc_err_set(err, -EINVAL, "the device has told no limit for %s", what);
	a->n = a->how == KC_BLK_MAX ? limit : limit + 1;
	return 0;
}

static int settle_list(struct kc_blk_ask *a, const struct kc_port *p, struct kc_err *err)
{
	struct kc_blk_amount count = a->segments;
	uint32_t sectors, segments;
	int ret = 0;

	list_limits(p, a->kind, &sectors, &segments);
	if (count.how == KC_BLK_UNSAID)
		count = (struct kc_blk_amount){ KC_BLK_SAID, a->nsegs };
	for (unsigned i = 0; !ret && i < a->nsegs; i++)
		ret = settle_amount(&a->segs[i].sectors, "sectors", NATURAL_SECTORS, sectors,
				    UINT32_MAX, err);
	if (!ret)
		ret = settle_amount(&count, "segments", 1, segments, 1, err);
	if (!ret && count.n > KC_BLK_SEGMENTS_MAX)
		ret = kc_err_set(err, -EINVAL, "%u segments, but a request here has at most %u",
				 count.n, KC_BLK_SEGMENTS_MAX);
	if (ret)
		return ret;
	for (unsigned i = a->nsegs; i < count.n; i++)
		a->segs[i] = a->segs[0];
	a->segments.n = a->nsegs = count.n;
	return 0;
}

static int choose_data(struct kc_blk_ask *a, const struct kc_blk *b, const struct kc_shape *shape,
		       struct kc_err *err)
{
	const struct kc_blk_kind_row *k = kc_blk_kind(a->kind);
	uint32_t natural = kc_blk_is_list(a) ? a->nsegs * KC_BLK_SEGMENT_BYTES : k->natural;
	uint32_t data = shape->data ? shape->data : natural;

	if (!k->unit && data != k->natural)
		return kc_err_set(err, -EINVAL, "a %s has %u bytes of data", k->name, k->natural);
	if (data > KC_STREAM_MAX - KC_BLK_HEADER_BYTES - KC_SECTOR ||
	    shape->descriptors > KC_SHAPE_SEGS_MAX)
		return kc_err_set(err, -EINVAL, "that is more than a request here may have");
	if (kc_blk_is_sized(a)) {
		if (!shape->data && a->segs[0].where == KC_BLK_BACK)
			data = b->last_write_sectors * KC_SECTOR;
		if (a->segs[0].where == KC_BLK_STRADDLE && data < 2 * KC_SECTOR)
			data = 2 * KC_SECTOR;
		if (shape->descriptors > 2 && data < shape->descriptors - 2)
			data = shape->descriptors - 2;
		data = (data + KC_SECTOR - 1) / KC_SECTOR * KC_SECTOR;
	}
	if (a->kind == KC_BLK_TYPE)
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

static int check_permission(const struct kc_blk_ask *a, const struct kc_port_env *env,
			    struct kc_err *err)
{
	if (!type_writes(a->type))
		return 0;
	if (!env->writes_allowed)
		return kc_err_set(err, -EPERM, "would write: needs --destructive");
	if (a->kind == KC_BLK_TYPE && a->data)
		return kc_err_set(err, -EINVAL, "type %u with data would write to an unknown place",
				  a->type);
	return 0;
}

/* A write that the device should carry out, or might in part, stays in the private area. */
static int check_write_place(const struct kc_blk *b, uint64_t sector, uint32_t n,
			     struct kc_err *err)
{
	const struct kc_blk_area *private = &b->storage.private;

	if (b->capacity && sector >= b->capacity - 1 && n != 1)
		return 0;		/* reaches beyond the end: must be refused */
	if (sector >= b->capacity || kc_blk_area_holds(private, sector, n))
		return 0;
	return kc_err_set(err, -EINVAL,
			  "sectors %" PRIu64 " to %" PRIu64 " are outside the part of the storage "
			  "that this scenario may write (%" PRIu64 " to %" PRIu64 ")",
			  sector, sector + n - 1, private->first, private->first + private->n - 1);
}

/* The area's next sectors, for a request that names no place. */
static int place_default(struct kc_blk *b, bool write, uint32_t n, uint64_t *sector,
			 struct kc_err *err)
{
	struct kc_blk_area *a = write ? &b->storage.private : &b->storage.common;

	*sector = 0;
	if (n > (write ? a->n : b->capacity))
		return kc_err_set(err, -EINVAL, "%u sectors, but %s %" PRIu64, n,
				  write ? "scenarios may write" : "the disk has",
				  write ? a->n : b->capacity);
	if (n <= a->n && n)
		*sector = kc_blk_area_next(a, n);
	return 0;
}

/* The place of n sectors from a segment's on. */
static int choose_sector(struct kc_blk_segment *s, bool write, uint32_t n, struct kc_blk *b,
			 struct kc_err *err)
{
	const struct kc_blk_area *private = &b->storage.private;

	if (!b->capacity_told && s->where >= KC_BLK_LAST)
		return kc_err_set(err, -EINVAL,
				  "the capacity is unknown: no configuration was read");
	switch (s->where) {
	case KC_BLK_DEFAULT:
		return place_default(b, write, n, &s->sector, err);
	case KC_BLK_SECTOR:
		s->sector = s->number;
		break;
	case KC_BLK_PRIVATE:
		if (s->number >= private->n || n > private->n - s->number)
			return kc_err_set(err, -EINVAL, "the private area has %u sectors",
					  private->n);
		s->sector = private->first + s->number;
		break;
	case KC_BLK_BACK:
		if (!b->last_write_sectors)
			return kc_err_set(err, -EBADMSG, "nothing was written yet");
		s->sector = b->last_write;
		break;
	case KC_BLK_LAST:
		if (n > b->capacity)
			return kc_err_set(err, -EINVAL, "the disk is smaller than that");
		s->sector = b->capacity - n;
		break;
	case KC_BLK_PAST_END:
		s->sector = b->capacity;
		break;
	case KC_BLK_STRADDLE:
		if (!b->capacity)
			return kc_err_set(err, -EINVAL, "the disk is empty");
		s->sector = b->capacity - 1;
		break;
	}
	return write ? check_write_place(b, s->sector, n, err) : 0;
}

/* `segments N` are one behind the other, and have their place together. */
static int choose_run(struct kc_blk_ask *a, struct kc_blk *b, struct kc_err *err)
{
	uint64_t n = (uint64_t)a->segs[0].sectors.n * a->nsegs;
	int ret;

	if (n > UINT32_MAX)
		return kc_err_set(err, -EINVAL, "that is more than a request here may have");
	ret = choose_sector(&a->segs[0], true, (uint32_t)n, b, err);
	for (unsigned i = 1; i < a->nsegs; i++)
		a->segs[i].sector = a->segs[0].sector + (uint64_t)i * a->segs[0].sectors.n;
	return ret;
}

static int choose_places(struct kc_blk_ask *a, struct kc_blk *b, struct kc_err *err)
{
	int ret = 0;

	if (!kc_blk_is_sized(a) && !kc_blk_is_list(a) && a->segs[0].where == KC_BLK_DEFAULT)
		return 0;
	if (a->segments.how != KC_BLK_UNSAID)
		return choose_run(a, b, err);
	if (!kc_blk_is_list(a))
		return choose_sector(&a->segs[0], a->kind == KC_BLK_WRITE,
				     (a->data + KC_SECTOR - 1) / KC_SECTOR, b, err);
	for (unsigned i = 0; !ret && i < a->nsegs; i++) {
		/* a single sector straddles nothing */
		if (a->segs[i].where == KC_BLK_STRADDLE && a->segs[i].sectors.n < 2)
			a->segs[i].sectors.n = 2;
		ret = choose_sector(&a->segs[i], true, a->segs[i].sectors.n, b, err);
	}
	return ret;
}

int kc_blk_settle(struct kc_blk_ask *a, const struct kc_port *p, const struct kc_shape *shape,
		  struct kc_err *err)
{
	struct kc_blk *b = p->priv;
	int ret = kc_blk_is_list(a) ? settle_list(a, p, err) : 0;

	if (!ret)
		ret = choose_data(a, b, shape, err);
	if (!ret)
		ret = check_permission(a, &p->env, err);
	return ret ? ret : choose_places(a, b, err);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block port's words.
 *
 * Theory of operation: words come in any order, but those of a segment (its place, `sectors`,
 * `unmap`, `flags`) belong to the segment that was begun last: the first one, or the one behind the
 * last `and`. Each word is a row of the table; a number or an amount may follow it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <guest_model/port_blk_ask.h>
#include <guest_model/port_blk_storage.h>

#define SEGMENT		((uint32_t)sizeof(struct virtio_blk_discard_write_zeroes))

static const struct kc_blk_kind_row kinds[] = {
	[KC_BLK_READ] = { "read", VIRTIO_BLK_T_IN, KC_SECTOR, KC_SECTOR, false },
	[KC_BLK_WRITE] = { "write", VIRTIO_BLK_T_OUT, KC_SECTOR, KC_SECTOR, true },
	[KC_BLK_FLUSH] = { "flush", VIRTIO_BLK_T_FLUSH, 0, 0, false },
	[KC_BLK_GET_ID] = { "get-id", VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_ID_BYTES, 0, false },
	[KC_BLK_TYPE] = { "type", 0, 0, 1, false },
	[KC_BLK_DISCARD] = { "discard", VIRTIO_BLK_T_DISCARD, SEGMENT, 1, true },
	[KC_BLK_WRITE_ZEROES] = { "write-zeroes", VIRTIO_BLK_T_WRITE_ZEROES, SEGMENT, 1, true },
	[KC_BLK_SECURE_ERASE] = { "secure-erase", VIRTIO_BLK_T_SECURE_ERASE, SEGMENT, 1, true },
};

const struct kc_blk_kind_row *kc_blk_kind(enum kc_blk_kind kind)
{
	return &kinds[kind];
}

bool kc_blk_is_list(const struct kc_blk_ask *a)
{
	return a->kind >= KC_BLK_DISCARD;
}

bool kc_blk_is_sized(const struct kc_blk_ask *a)
{
	return a->kind == KC_BLK_READ || a->kind == KC_BLK_WRITE;
}

bool kc_blk_changes_storage(const struct kc_blk_ask *a)
{
	return a->kind == KC_BLK_WRITE || kc_blk_is_list(a);
}

uint32_t kc_blk_sectors_of(const struct kc_blk_ask *a, unsigned i)
{
	if (kc_blk_is_list(a))
		return a->segs[i].sectors.n;
	return kc_blk_is_sized(a) ? a->data / KC_SECTOR : 0;
}

void kc_blk_ask_kind(struct kc_blk_ask *a, enum kc_blk_kind kind)
{
	a->kind = kind;
	a->type = kinds[kind].type;
	a->data_out = kinds[kind].data_out;
}

enum follows { NOTHING, NUMBER, AMOUNT };

struct word {
	const char *text;
	enum follows follows;
	int (*apply)(struct kc_blk_ask *a, const struct word *w, uint64_t number,
		     struct kc_blk_amount amount, struct kc_err *err);
	int what;			/* kind or where */
};

#define APPLY(name) \
	static int name(struct kc_blk_ask *a, const struct word *w, uint64_t number, \
			struct kc_blk_amount amount, struct kc_err *err)
#define UNUSED() ((void)a, (void)w, (void)number, (void)amount, (void)err)

static struct kc_blk_segment *current(struct kc_blk_ask *a)
{
	return &a->segs[a->nsegs - 1];
}

static int too_wide(const struct word *w, struct kc_err *err)
{
	return kc_err_set(err, -EINVAL, "'%s' takes 32 bits", w->text);
}

APPLY(set_kind)
{
	UNUSED();
	kc_blk_ask_kind(a, (enum kc_blk_kind)w->what);
	return 0;
}

APPLY(set_type)
{
	UNUSED();
	if (number > UINT32_MAX)
		return too_wide(w, err);
	kc_blk_ask_kind(a, KC_BLK_TYPE);
	a->type = (uint32_t)number;
	return 0;
}

APPLY(set_reserved)
{
	UNUSED();
	a->reserved = (uint32_t)number;
	return number > UINT32_MAX ? too_wide(w, err) : 0;
}

APPLY(set_where)
{
	UNUSED();
	current(a)->where = (enum kc_blk_where)w->what;
	current(a)->number = number;
	return 0;
}

APPLY(set_sectors)
{
	UNUSED();
	current(a)->sectors = amount;
	return 0;
}

APPLY(set_segments)
{
	UNUSED();
	a->segments = amount;
	return 0;
}

APPLY(set_unmap)
{
	UNUSED();
	current(a)->flags |= VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	return 0;
}

APPLY(set_flags)
{
	UNUSED();
	current(a)->flags = (uint32_t)number;
	return number > UINT32_MAX ? too_wide(w, err) : 0;
}

APPLY(next_segment)
{
	UNUSED();
	if (a->nsegs == KC_BLK_SEGMENTS_MAX)
		return kc_err_set(err, -EINVAL, "more than %u segments", KC_BLK_SEGMENTS_MAX);
	a->nsegs++;
	return 0;
}

static const struct word words[] = {
	{ "read", NOTHING, set_kind, KC_BLK_READ },
	{ "write", NOTHING, set_kind, KC_BLK_WRITE },
	{ "flush", NOTHING, set_kind, KC_BLK_FLUSH },
	{ "get-id", NOTHING, set_kind, KC_BLK_GET_ID },
	{ "discard", NOTHING, set_kind, KC_BLK_DISCARD },
	{ "write-zeroes", NOTHING, set_kind, KC_BLK_WRITE_ZEROES },
	{ "secure-erase", NOTHING, set_kind, KC_BLK_SECURE_ERASE },
	{ "type", NUMBER, set_type, 0 },			/* any request type */
	{ "reserved", NUMBER, set_reserved, 0 },		/* the header's second field */
	{ "sector", NUMBER, set_where, KC_BLK_SECTOR },		/* of the disk */
	{ "private", NUMBER, set_where, KC_BLK_PRIVATE },	/* sector of the private area */
	{ "back", NOTHING, set_where, KC_BLK_BACK },		/* what was last written */
	{ "up-to-end", NOTHING, set_where, KC_BLK_LAST },	/* its last sector is the disk's */
	{ "past-end", NOTHING, set_where, KC_BLK_PAST_END },	/* from the first sector beyond */
	{ "straddle-end", NOTHING, set_where, KC_BLK_STRADDLE },/* from the last sector on */
	/* Of lists. */
	{ "sectors", AMOUNT, set_sectors, 0 },
	{ "segments", AMOUNT, set_segments, 0 },
	{ "unmap", NOTHING, set_unmap, 0 },
	{ "flags", NUMBER, set_flags, 0 },			/* these and no others */
	{ "and", NOTHING, next_segment, 0 },
};

static const struct word *find_word(const char *text)
{
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i].text, text))
			return &words[i];
	return NULL;
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

/* N, max, or past-max: one more than that. */
static int parse_amount(const char *text, const struct word *w, struct kc_blk_amount *amount,
			struct kc_err *err)
{
	uint64_t v;
	int ret;

	*amount = (struct kc_blk_amount){ .how = KC_BLK_SAID };
	if (text && (!strcmp(text, "max") || !strcmp(text, "past-max"))) {
		amount->how = *text == 'm' ? KC_BLK_MAX : KC_BLK_PAST_MAX;
		return 0;
	}
	ret = parse_number(text, w->text, &v, err);
	amount->n = (uint32_t)v;
	return !ret && v > UINT32_MAX ? too_wide(w, err) : ret;
}

static int one_word(struct kc_blk_ask *a, const struct word *w, char **save, struct kc_err *err)
{
	struct kc_blk_amount amount = { KC_BLK_UNSAID, 0 };
	uint64_t number = 0;
	int ret = 0;

	if (w->follows == NUMBER)
		ret = parse_number(strtok_r(NULL, " ", save), w->text, &number, err);
	if (w->follows == AMOUNT)
		ret = parse_amount(strtok_r(NULL, " ", save), w, &amount, err);
	return ret ? ret : w->apply(a, w, number, amount, err);
}

/* Words that mean nothing to what is asked would look like a test of something. */
static int check_sense(const struct kc_blk_ask *a, struct kc_err *err)
{
	bool list = kc_blk_is_list(a), said = a->segments.how != KC_BLK_UNSAID || a->nsegs > 1;

	for (unsigned i = 0; i < a->nsegs; i++)
		said |= a->segs[i].flags || a->segs[i].sectors.how != KC_BLK_UNSAID;
	if (!list && said)
		return kc_err_set(err, -EBADMSG, "only a discard, write-zeroes or secure-erase has "
				  "segments of sectors, and flags");
	if (a->segments.how != KC_BLK_UNSAID && a->nsegs > 1)
		return kc_err_set(err, -EBADMSG, "'segments' and 'and' exclude each other");
	if (a->segments.how == KC_BLK_SAID && !a->segments.n)
		return kc_err_set(err, -EBADMSG, "a list has at least one segment");
	return 0;
}

int kc_blk_ask_parse(struct kc_blk_ask *a, const char *text, struct kc_err *err)
{
	char copy[256], *save = NULL;
	int ret = 0;

	*a = (struct kc_blk_ask){ .kind = KC_BLK_ANY, .nsegs = 1 };
	if (!text)
		return 0;
	if (strlen(text) >= sizeof(copy))
		return kc_err_set(err, -EBADMSG, "too many words for a blk request");
	strcpy(copy, text);
	for (char *t = strtok_r(copy, " ", &save); t && !ret; t = strtok_r(NULL, " ", &save)) {
		const struct word *w = find_word(t);

		if (!w)
			return kc_err_set(err, -EBADMSG, "a blk device knows no '%s'", t);
		ret = one_word(a, w, &save, err);
	}
	/* What was written is there to be read, unless something else is asked. */
	if (!ret && a->kind == KC_BLK_ANY && a->segs[0].where == KC_BLK_BACK)
		kc_blk_ask_kind(a, KC_BLK_READ);
	return ret ? ret : check_sense(a, err);
}

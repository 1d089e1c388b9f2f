/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the words after `request` say what the descriptors look like. Words that are
 * not in the table belong to the device's port ("flush", "sector 8") and are handed on unread.
 */
#include <stdio.h>
#include <string.h>
#include <harness/world/world.h>

struct reader {
	struct kc_world *w;
	const struct kc_step *s;
	const struct kc_token *tok;
	unsigned n, i;
	struct kc_shape *shape;
};

static bool take(struct reader *r, const char *word)
{
	if (r->i >= r->n || strcmp(r->tok[r->i].text, word))
		return false;
	r->i++;
	return true;
}

static int number(struct reader *r, int64_t *v)
{
	struct kc_num num;

	if (kc_num_parse(r->tok, r->n, &r->i, &num))
		return kc_world_script_error(r->w, "a number is missing after '%s'",
					     r->i ? r->tok[r->i - 1].text : "request");
	*v = kc_world_num(r->w, &num, r->s->qi);
	return 0;
}

static int do_out(struct reader *r) { r->shape->dir = KC_DIR_OUT; return 0; }
static int do_in(struct reader *r) { r->shape->dir = KC_DIR_IN; return 0; }
static int do_one_piece(struct reader *r) { r->shape->one_piece = true; return 0; }
static int do_every_byte(struct reader *r) { r->shape->every_byte = true; return 0; }

/* indirect [after N direct] [flagged] [unaligned] */
static int do_indirect(struct reader *r)
{
	int64_t v = 0;

	r->shape->indirect = true;
	if (take(r, "after") && (number(r, &v) || !take(r, "direct")))
		return kc_world_script_error(r->w, "'after N direct' expected");
	r->shape->direct = (uint32_t)v;
	r->shape->flagged_table = take(r, "flagged");
	r->shape->unaligned_table = take(r, "unaligned");
	return 0;
}

/* exactly N descriptors */
static int do_exactly(struct reader *r)
{
	int64_t v;

	if (number(r, &v))
		return -1;
	r->shape->descriptors = (uint32_t)v;
	if (!take(r, "descriptors") && !take(r, "descriptor"))
		return kc_world_script_error(r->w, "'descriptors' expected after 'exactly N'");
	return 0;
}

/* data N */
static int do_data(struct reader *r)
{
	int64_t v;

	if (number(r, &v))
		return -1;
	r->shape->data = (uint32_t)v;
	return 0;
}

/* cut out at 1 15, cut in at -1 */
static int do_cut(struct reader *r)
{
	bool out = take(r, "out");
	int32_t *list = out ? r->shape->cut_out : r->shape->cut_in;
	unsigned *count = out ? &r->shape->ncut_out : &r->shape->ncut_in;
	struct kc_num num;
	unsigned i;

	if ((!out && !take(r, "in")) || !take(r, "at"))
		return kc_world_script_error(r->w, "'cut out at N...' or 'cut in at N...' expected");
	/* In "3 -1" the minus is a sign: there is no arithmetic in a list. */
	for (i = r->i; i < r->n && *count < KC_CUTS_MAX; r->i = i) {
		unsigned end = i + 1 + !strcmp(r->tok[i].text, "-");

		if (kc_num_parse(r->tok, end < r->n ? end : r->n, &i, &num))
			break;
		list[(*count)++] = (int32_t)num.plus;
	}
	return 0;
}

/* placed region-end */
static int do_placed(struct reader *r)
{
	static const struct { const char *word; enum kc_place place; } places[] = {
		{ "anywhere", KC_PLACE_ANY }, { "at-region-end", KC_PLACE_REGION_END },
		{ "across-regions", KC_PLACE_ACROSS }, { "low", KC_PLACE_LOW },
		{ "at-page-end", KC_PLACE_PAGE_END },
	};

	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (take(r, places[i].word)) {
			r->shape->place = places[i].place;
			return 0;
		}
	}
	return kc_world_script_error(r->w, "placed anywhere, at-region-end, across-regions, low or "
				     "at-page-end");
}

static const struct {
	const char *word;
	int (*read)(struct reader *r);
} modifiers[] = {
	{ "out", do_out }, { "in", do_in }, { "indirect", do_indirect }, { "one-piece", do_one_piece },
	{ "every-byte", do_every_byte }, { "exactly", do_exactly }, { "data", do_data },
	{ "cut", do_cut }, { "placed", do_placed },
};

static int one_word(struct reader *r, char *words, size_t cap)
{
	for (unsigned i = 0; i < sizeof(modifiers) / sizeof(*modifiers); i++)
		if (take(r, modifiers[i].word))
			return modifiers[i].read(r);
	snprintf(words + strlen(words), cap - strlen(words), "%s%s", *words ? " " : "",
		 r->tok[r->i++].text);
	return 0;
}

int kc_world_shape(struct kc_world *w, const struct kc_step *s, const struct kc_arg *a,
		   struct kc_shape *shape, char *words, size_t cap)
{
	struct reader r = { w, s, a->rest, a->nrest, 0, shape };

	memset(shape, 0, sizeof(*shape));
	*words = 0;
	while (r.i < r.n)
		if (one_word(&r, words, cap))
			return -1;
	shape->words = *words ? words : NULL;
	return 0;
}

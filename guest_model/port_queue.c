/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that go one way, and words with numbers.
 *
 * Theory of operation: a virtqueue of a console or of a socket device either carries what is sent,
 * all of it readable, or takes what may come, all of it writable. So a request is one stream, and
 * what a script says of descriptors is said of that stream: the header, where there is one, is cut
 * off first, and what is missing to an exact number is cut out of the whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <guest_model/port_queue.h>

#define BYTEWISE	16u		/* bytes of a header that get a descriptor each, at most */

static void cut_header(const struct kc_oneway *o, const struct kc_shape *shape, struct kc_stream *s)
{
	if (!shape->one_piece)
		kc_stream_cut(s, o->header);
	for (uint32_t i = 1; shape->every_byte && i <= o->header && i <= BYTEWISE; i++)
		kc_stream_cut(s, i);
}

static int cut_exactly(struct kc_plan *plan, struct kc_stream *s, const struct kc_shape *shape,
		       struct kc_err *err)
{
	struct kc_data_range all = { s, 0, s->len };
	uint32_t have = kc_plan_descriptors(plan), n = shape->descriptors;

	if (have > n && !shape->ncut_out && !shape->ncut_in && !shape->every_byte) {
		kc_stream_join(s);
		have = kc_plan_descriptors(plan);
	}
	if (have > n)
		return kc_err_set(err, -EINVAL, "this request has at least %u descriptors, not %u",
				  have, n);
	if (kc_range_cut_more(&all, n - have) < n - have)
		return kc_err_set(err, -EINVAL, "%u bytes cannot make %u descriptors", s->len, n);
	return 0;
}

static int cut(struct kc_plan *plan, const struct kc_oneway *o, const struct kc_shape *shape,
	       struct kc_err *err)
{
	struct kc_stream *s = o->write ? &plan->in : &plan->out;
	int ret;

	if (shape->dir == (o->write ? KC_DIR_OUT : KC_DIR_IN))
		return kc_err_set(err, -EINVAL, "this queue takes %s buffers only",
				  o->write ? "writable" : "readable");
	memcpy(s->bytes, o->bytes, o->len);
	cut_header(o, shape, s);
	ret = kc_plan_cut_explicit(plan, shape, err);
	if (!ret && shape->descriptors)
		ret = cut_exactly(plan, s, shape, err);
	return ret;
}

struct kc_request *kc_oneway_build(struct kc_port *p, const struct kc_oneway *o,
				   const struct kc_shape *shape, void *priv, int *code,
				   struct kc_err *err)
{
	struct kc_request *r = NULL;
	struct kc_plan plan;

	*code = kc_plan_init(&plan, o->write ? 0 : o->len, o->write ? o->len : 0, err);
	if (!*code)
		*code = cut(&plan, o, shape, err);
	if (!*code)
		r = kc_plan_build(&plan, p, shape, o->serial, code, err);
	kc_plan_fini(&plan);
	if (!r) {
		free(priv);
		return NULL;
	}
	r->priv = priv;
	r->len_expected = UINT32_MAX;
	return r;
}

static int one_word(const struct kc_port_word *w, const char *number, void *into, struct kc_err *err)
{
	char *end = NULL;
	uint64_t v = 0;

	errno = 0;
	if (w->max)
		v = number && *number >= '0' && *number <= '9' ? strtoull(number, &end, 0) : 0;
	if (w->max && (!end || *end || errno || v > w->max))
		return kc_err_set(err, -EBADMSG, "a number up to %llu must follow '%s', not '%s'",
				  (unsigned long long)w->max, w->text, number ? number : "");
	w->set(into, v);
	return 0;
}

int kc_port_words(const struct kc_port_word *table, const char *text, const char *queue, void *into,
		  struct kc_err *err)
{
	char copy[256], *save = NULL;
	int ret = 0;

	if (!text)
		return 0;
	if (strlen(text) >= sizeof(copy))
		return kc_err_set(err, -EBADMSG, "too many words for a request");
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *t = strtok_r(copy, " ", &save); t && !ret; t = strtok_r(NULL, " ", &save)) {
		const struct kc_port_word *w = table;

		while (w->text && strcmp(w->text, t))
			w++;
		if (!w->text)
			return kc_err_set(err, -EBADMSG, "%s knows no '%s'", queue, t);
		ret = one_word(w, w->max ? strtok_r(NULL, " ", &save) : NULL, into, err);
	}
	return ret;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of ports, and how byte streams become descriptors.
 *
 * Theory of operation: a plan holds both streams and, beside every byte, a mark that says whether a
 * descriptor begins there. Cuts for whatever reason (the device's natural ones, the script's, an
 * exact number, a size limit) are marks in the same array, so they combine without further rules
 * and a mark set twice is one cut. Building walks the marks: one allocation, one segment a piece.
 *
 * Each piece is an allocation of its own, between guard bytes: a device that writes past the end of
 * a descriptor hits a canary, never the next piece.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <common/rng.h>
#include <common/words.h>
#include <guest_model/port_build.h>

const struct kc_port_ops *const kc_ports[] = {
	&kc_port_blk, &kc_port_fs, &kc_port_loopback, &kc_port_net, &kc_port_rng, &kc_port_scsi,
	&kc_port_console,
	&kc_port_vsock, &kc_port_balloon, NULL
};

const struct kc_port_ops *kc_port_by_name(const char *device)
{
	for (unsigned i = 0; kc_ports[i]; i++)
		if (!strcmp(kc_ports[i]->device, device))
			return kc_ports[i];
	return NULL;
}

struct kc_port *kc_port_alloc(const struct kc_port_ops *ops, const struct kc_port_env *env,
			      size_t size, struct kc_err *err)
{
	struct kc_port *p = calloc(1, sizeof(*p));

	if (p)
		p->priv = calloc(1, size);
	if (!p || !p->priv) {
		free(p);
		kc_err_set(err, -ENOMEM, "%s: no memory for the port", ops->device);
		return NULL;
	}
	p->ops = ops;
	p->env = *env;
	return p;
}

void kc_port_free(struct kc_port *p)
{
	free(p->priv);
	free(p);
}

/* Plans */

/* With its bytes and cuts from `at` on; returns what is behind them. */
static uint8_t *stream_init(struct kc_stream *s, uint8_t *at, uint32_t len)
{
	*s = (struct kc_stream){ .bytes = at, .cut = at + len, .len = len };
	return at + 2 * (size_t)len;
}

int kc_plan_init(struct kc_plan *p, uint32_t readable, uint32_t writable, struct kc_err *err)
{
	uint32_t longer = readable > writable ? readable : writable;

	memset(p, 0, sizeof(*p));
	if (longer > KC_STREAM_MAX)
		return kc_err_set(err, -EINVAL, "%u bytes are more than a request here may have", longer);
	p->block = calloc(1, 2 * ((size_t)readable + writable) + 1);
	if (!p->block)
		return kc_err_set(err, -ENOMEM, "no memory for a request of %u bytes", longer);
	stream_init(&p->in, stream_init(&p->out, p->block, readable), writable);
	return 0;
}

void kc_plan_fini(struct kc_plan *p)
{
	free(p->block);
	memset(p, 0, sizeof(*p));
}

void kc_stream_cut(struct kc_stream *s, uint32_t pos)
{
	if (pos > 0 && pos < s->len)
		s->cut[pos] = 1;
}

void kc_stream_join(struct kc_stream *s)
{
	memset(s->cut, 0, s->len);
}

/* The first cut behind `after`, or the stream's end. */
static uint32_t next_cut(const struct kc_stream *s, uint32_t after)
{
	const uint8_t *from = s->cut + after + 1, *cut = memchr(from, 1, s->len - after - 1);

	return cut ? (uint32_t)(cut - s->cut) : s->len;
}

static uint32_t stream_pieces(const struct kc_stream *s)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < s->len; at = next_cut(s, at))
		n++;
	return n;
}

uint32_t kc_plan_descriptors(const struct kc_plan *p)
{
	return stream_pieces(&p->out) + stream_pieces(&p->in);
}

static bool cut_new(struct kc_stream *s, uint32_t pos)
{
	bool is_new = !s->cut[pos];

	s->cut[pos] = 1;
	return is_new;
}

uint32_t kc_range_cut_more(const struct kc_data_range *r, uint32_t n)
{
	uint32_t done = 0;

	if (!r->s || r->len < 2)
		return 0;
	for (uint64_t i = 1; i <= n && n < r->len; i++) {
		uint32_t offset = i * r->len / ((uint64_t)n + 1);

		done += offset && cut_new(r->s, r->first + offset);
	}
	/* What fell onto cuts that were there before goes to the first places that are free. */
	for (uint32_t offset = 1; offset < r->len && done < n; offset++)
		done += cut_new(r->s, r->first + offset);
	return done;
}

void kc_range_cut_long(const struct kc_data_range *r, uint32_t max)
{
	uint32_t range_end = r->first + r->len;

	if (!r->s || !max)
		return;
	for (uint32_t at = r->first, end; at < range_end; at = end) {
		end = next_cut(r->s, at);
		if (end > range_end)
			end = range_end;
		if (end - at > max)
			kc_stream_cut(r->s, end = at + max);
	}
}

uint32_t kc_range_pieces(const struct kc_data_range *r, uint32_t *longest)
{
	uint32_t n = 0;

	*longest = 0;
	if (!r->s || !r->len)
		return 0;
	for (uint32_t begin = 0, end; begin < r->s->len && begin < r->first + r->len; begin = end) {
		end = next_cut(r->s, begin);
		if (end <= r->first)
			continue;
		n++;
		if (end - begin > *longest)
			*longest = end - begin;
	}
	return n;
}

static int cut_list(struct kc_stream *s, const char *name, const int32_t *at, unsigned n,
		    struct kc_err *err)
{
	for (unsigned i = 0; i < n; i++) {
		int64_t pos = at[i] < 0 ? (int64_t)s->len + at[i] : at[i];

		if (pos <= 0 || pos >= s->len)
			return kc_err_set(err, -EINVAL,
					  "no cut at byte %d: the request has %u %s bytes", at[i],
					  s->len, name);
		kc_stream_cut(s, pos);
	}
	return 0;
}

int kc_plan_cut_explicit(struct kc_plan *p, const struct kc_shape *shape, struct kc_err *err)
{
	int ret = cut_list(&p->out, "readable", shape->cut_out, shape->ncut_out, err);

	return ret ? ret : cut_list(&p->in, "writable", shape->cut_in, shape->ncut_in, err);
}

void kc_port_fill(const struct kc_port *p, enum kc_fill what, uint64_t serial, uint8_t *buf,
		  uint32_t len)
{
	uint64_t flip = what == KC_FILL_POISON && p->env.poison_flip ? UINT64_MAX : 0;
	struct kc_rng rng;

	/* Two steps, so that neighbouring serials do not give shifted copies of one sequence. */
	kc_rng_seed(&rng, p->env.seed ^ serial);
	kc_rng_seed(&rng, kc_rng_next(&rng) + what);
	kc_rng_seed(&rng, kc_rng_next(&rng));
	for (; len >= 8; buf += 8, len -= 8) {
		uint64_t word = htole64(kc_rng_next(&rng) ^ flip);

		memcpy(buf, &word, 8);
	}
	if (len) {
		uint64_t word = htole64(kc_rng_next(&rng) ^ flip);

		memcpy(buf, &word, len);
	}
}

void kc_poison_unlike(uint8_t *poison, const uint8_t *expected, uint32_t len)
{
	/* Poison and its complement stay different in every case. */
	for (uint32_t i = 0; i < len; i++)
		if (len - i >= 8 && !kc_has_zero_byte(kc_word_at(poison + i) ^ kc_word_at(expected + i)))
			i += 7;
		else if (poison[i] == expected[i])
			poison[i] ^= 0x55;
}

/* Requests */

struct kc_request *kc_request_alloc(unsigned nsegs)
{
	return calloc(1, sizeof(struct kc_request) + nsegs * sizeof(struct kc_seg));
}

/* The pieces of one stream as segments without an address. */
static void list_pieces(const struct kc_stream *s, bool write, struct kc_request *r)
{
	for (uint32_t at = 0, end; at < s->len; at = end) {
		end = next_cut(s, at);
		r->segs[r->nsegs++] = (struct kc_seg){ .write = write, .len = end - at };
	}
}

static unsigned largest_seg(const struct kc_request *r)
{
	unsigned best = 0;

	for (unsigned i = 1; i < r->nsegs; i++)
		if (r->segs[i].len > r->segs[best].len)
			best = i;
	return best;
}

static int place_segs(const struct kc_plan *p, struct kc_port *port, const struct kc_shape *shape,
		      struct kc_request *r, struct kc_err *err)
{
	unsigned largest = largest_seg(r);
	uint32_t done[2] = { 0, 0 };

	for (unsigned i = 0; i < r->nsegs; i++) {
		struct kc_seg *seg = &r->segs[i];
		const struct kc_stream *s = seg->write ? &p->in : &p->out;
		int ret = kc_mem_alloc(port->env.mem, seg->len, 1,
				       i == largest ? shape->place : KC_PLACE_ANY, &seg->gpa);

		if (ret)
			return kc_err_set(err, ret, "no guest memory for a buffer of %u bytes%s",
					  seg->len,
					  i == largest && shape->place ? " at that place" : "");
		r->nplaced++;
		ret = kc_mem_write(port->env.mem, seg->gpa, s->bytes + done[seg->write], seg->len);
		if (ret)
			return kc_err_set(err, ret, "guest memory at 0x%llx cannot be written",
					  (unsigned long long)seg->gpa);
		done[seg->write] += seg->len;
	}
	return 0;
}

static int check_length(const struct kc_port *port, uint32_t n, struct kc_err *err)
{
	uint32_t max = port->env.ring_max_chain;

	if (!max || max > KC_SHAPE_SEGS_MAX)
		max = KC_SHAPE_SEGS_MAX;
	if (!n)
		return kc_err_set(err, -EINVAL, "the request has no bytes at all");
	if (n > max)
		return kc_err_set(err, -EINVAL,
				  "%u descriptors, but at most %u may be in one chain", n, max);
	return 0;
}

struct kc_request *kc_plan_build(const struct kc_plan *p, struct kc_port *port,
				 const struct kc_shape *shape, uint64_t serial, int *code,
				 struct kc_err *err)
{
	uint32_t n = kc_plan_descriptors(p);
	struct kc_request *r;

	*code = check_length(port, n, err);
	if (*code)
		return NULL;
	r = kc_request_alloc(n);
	if (!r) {
		*code = kc_err_set(err, -ENOMEM, "no memory for %u descriptors", n);
		return NULL;
	}
	r->indirect = shape->indirect;
	r->readable = p->out.len;
	r->writable = p->in.len;
	r->serial = serial;
	list_pieces(&p->out, false, r);
	list_pieces(&p->in, true, r);
	*code = place_segs(p, port, shape, r, err);
	if (*code) {
		kc_request_free(port, r);
		return NULL;
	}
	return r;
}

void kc_request_free(struct kc_port *port, struct kc_request *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->nplaced; i++)
		kc_mem_free(port->env.mem, r->segs[i].gpa);
	free(r->priv);
	free(r);
}

uint8_t *kc_request_read_back(struct kc_port *port, const struct kc_request *r)
{
	uint8_t *buf = malloc((size_t)r->writable + 1);
	uint32_t done = 0;

	for (unsigned i = 0; buf && i < r->nsegs; i++) {
		if (!r->segs[i].write)
			continue;
		/* The address is from the allocator, so that this cannot fail. */
		kc_mem_read(port->env.mem, r->segs[i].gpa, buf + done, r->segs[i].len);
		done += r->segs[i].len;
	}
	return buf;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * Scatter/gather lists and cursors over them.
 *
 * A device sees the readable and the writable part of a chain as two sequences of bytes, and finds
 * what it needs by position: how the driver cut them into descriptors has no meaning
 * (VQ-FRAMING-DEV-01). A cursor walks each list once from front to back, so that a chain of 32768
 * one-byte descriptors costs no more than its length.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ref_internal.h"

int kc_ref_sg_add(struct kc_ref_sg *sg, void *base, size_t len)
{
	if (sg->n == sg->cap) {
		unsigned cap = sg->cap ? 2 * sg->cap : 16;
		struct iovec *v = realloc(sg->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		sg->v = v;
		sg->cap = cap;
	}
	sg->v[sg->n++] = (struct iovec){ .iov_base = base, .iov_len = len };
	sg->len += len;
	return 0;
}

void kc_ref_sg_clear(struct kc_ref_sg *sg)
{
	sg->n = 0;
	sg->len = 0;
}

void kc_ref_sg_fini(struct kc_ref_sg *sg)
{
	free(sg->v);
	*sg = (struct kc_ref_sg){ 0 };
}

void *kc_ref_cursor_take(struct kc_ref_cursor *c, uint64_t max, size_t *n)
{
	const struct iovec *v;
	uint8_t *p;

	if (c->i == c->sg->n || max == 0)
		return NULL;
	v = &c->sg->v[c->i];
	p = (uint8_t *)v->iov_base + c->off;
	*n = v->iov_len - c->off;
	if (*n > max) {
		*n = max;
		c->off += max;
	} else {
		c->i++;
		c->off = 0;
	}
	return p;
}

struct kc_ref_cursor kc_ref_cursor_at(const struct kc_ref_sg *sg, uint64_t pos)
{
	struct kc_ref_cursor c = { .sg = sg };
	size_t n;

	while (kc_ref_cursor_take(&c, pos, &n))
		pos -= n;
	return c;
}

uint64_t kc_ref_cursor_read(struct kc_ref_cursor *c, void *buf, uint64_t n)
{
	uint64_t done = 0;
	size_t len;
	void *p;

	for (; (p = kc_ref_cursor_take(c, n - done, &len)); done += len)
		memcpy((uint8_t *)buf + done, p, len);
	return done;
}

uint64_t kc_ref_cursor_write(struct kc_ref_cursor *c, const void *buf, uint64_t n)
{
	uint64_t done = 0;
	size_t len;
	void *p;

	for (; (p = kc_ref_cursor_take(c, n - done, &len)); done += len)
		memcpy(p, (const uint8_t *)buf + done, len);
	return done;
}

uint64_t kc_ref_cursor_fill(struct kc_ref_cursor *c, uint8_t byte, uint64_t n)
{
	uint64_t done = 0;
	size_t len;
	void *p;

	for (; (p = kc_ref_cursor_take(c, n - done, &len)); done += len)
		memset(p, byte, len);
	return done;
}

uint64_t kc_ref_cursor_copy(struct kc_ref_cursor *to, struct kc_ref_cursor *from, uint64_t n)
{
	uint64_t done = 0;
	size_t len, put;
	uint8_t *src, *dst;

	while ((src = kc_ref_cursor_take(from, n - done, &len))) {
		/* memmove: nothing keeps a driver from giving the same bytes for both. */
		for (; len && (dst = kc_ref_cursor_take(to, len, &put)); src += put, len -= put) {
			memmove(dst, src, put);
			done += put;
		}
		if (len)
			break;		/* the writable side is full */
	}
	return done;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream socket pair in one process, without a system call: two queues, one for each direction.
 *
 * A queue is a list of parcels, one for each send: its bytes and the handles that go with the
 * first of them. Reading keeps the kernel's rule: parcels without handles run together, and a read
 * ends with the parcel whose handles it delivered. As with a socket, what was sent before the
 * sender went away can still be read, and a reader that goes away takes unread handles with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <backend/channel_ops.h>

#define QUEUE_MAX	(1u << 20)	/* bytes; a sender that is not read is told so */

struct parcel {
	struct parcel *next;
	size_t len, read;	/* bytes */
	unsigned nhandles;
	struct kc_handle *handles;
	uint8_t bytes[];
};

struct queue {
	struct parcel *first, **last;
	size_t bytes;
	bool closed;		/* by either end: nothing is added any more */
};

struct pair {
	struct queue q[2];
	unsigned ends;		/* still open */
};

struct sim_channel {
	struct kc_channel base;
	struct pair *pair;
	struct queue *in, *out;
};

static void parcel_free(struct parcel *p)
{
	for (unsigned i = 0; i < p->nhandles; i++)
		kc_handle_close(&p->handles[i]);
	free(p->handles);
	free(p);
}

static struct parcel *parcel_new(const uint8_t *buf, size_t len, const struct kc_handle *handles,
				 unsigned n)
{
	struct parcel *p = calloc(1, sizeof(*p) + len);

	if (!p)
		return NULL;
	memcpy(p->bytes, buf, len);
	p->len = len;
	p->handles = n ? calloc(n, sizeof(*handles)) : NULL;
	if (n && !p->handles) {
		free(p);
		return NULL;
	}
	for (; p->nhandles < n; p->nhandles++) {
		p->handles[p->nhandles] = kc_handle_dup(handles[p->nhandles]);
		if (kc_handle_is_none(p->handles[p->nhandles])) {
			parcel_free(p);
			return NULL;
		}
	}
	return p;
}

static struct parcel *queue_pop(struct queue *q)
{
	struct parcel *p = q->first;

	q->first = p->next;
	if (!q->first)
		q->last = &q->first;
	return p;
}

static int sim_send(struct kc_channel *c, const uint8_t *buf, size_t len,
		    const struct kc_handle *handles, unsigned nhandles)
{
	struct queue *q = ((struct sim_channel *)c)->out;
	struct parcel *p;

	if (q->closed)
		return -EPIPE;
	if (len > QUEUE_MAX - q->bytes)
		return -ETIMEDOUT;	/* nobody can make room while the sender waits */
	p = parcel_new(buf, len, handles, nhandles);
	if (!p)
		return -ENOMEM;
	*q->last = p;
	q->last = &p->next;
	q->bytes += len;
	return 0;
}

/* Moves p's handles to the caller; returns whether there were any. */
static bool deliver_handles(struct parcel *p, struct kc_handle *handles, unsigned cap,
			    unsigned *nhandles, unsigned *nlost)
{
	bool any = p->nhandles;

	for (unsigned i = 0; i < p->nhandles; i++) {
		if (*nhandles < cap) {
			handles[(*nhandles)++] = p->handles[i];
		} else {
			kc_handle_close(&p->handles[i]);
			(*nlost)++;
		}
	}
	p->nhandles = 0;
	return any;
}

static ssize_t sim_recv(struct kc_channel *c, void *buf, size_t len, struct kc_handle *handles,
			unsigned cap, unsigned *nhandles, unsigned *nlost)
{
	struct queue *q = ((struct sim_channel *)c)->in;
	bool barrier = false;
	size_t got = 0;

	if (!q->first)
		return q->closed ? 0 : -EAGAIN;
	while (q->first && got < len && !barrier) {
		struct parcel *p = q->first;
		size_t n = p->len - p->read < len - got ? p->len - p->read : len - got;

		memcpy((uint8_t *)buf + got, p->bytes + p->read, n);
		p->read += n;
		got += n;
		q->bytes -= n;
		barrier = deliver_handles(p, handles, cap, nhandles, nlost);
		if (p->read == p->len)
			parcel_free(queue_pop(q));
	}
	return got;
}

static int sim_fd(const struct kc_channel *c)
{
	(void)c;
	return -1;
}

static bool sim_readable(const struct kc_channel *c)
{
	const struct queue *q = ((const struct sim_channel *)c)->in;

	return q->first || q->closed;
}

static void sim_free(struct kc_channel *c)
{
	struct sim_channel *s = (struct sim_channel *)c;

	s->in->closed = true;
	s->out->closed = true;
	while (s->in->first)
		parcel_free(queue_pop(s->in));
	s->in->bytes = 0;
	if (!--s->pair->ends)
		free(s->pair);
	free(s);
}

static const struct kc_channel_ops sim_ops = {
	.free = sim_free,
	.send = sim_send,
	.recv = sim_recv,
	.fd = sim_fd,
	.readable = sim_readable,
};

int kc_channel_sim_pair(struct kc_channel *ends[2])
{
	struct sim_channel *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	struct pair *pair = calloc(1, sizeof(*pair));

	if (!a || !b || !pair) {
		free(a);
		free(b);
		free(pair);
		return -ENOMEM;
	}
	pair->ends = 2;
	for (unsigned i = 0; i < 2; i++)
		pair->q[i].last = &pair->q[i].first;
	*a = (struct sim_channel){ { &sim_ops }, pair, &pair->q[0], &pair->q[1] };
	*b = (struct sim_channel){ { &sim_ops }, pair, &pair->q[1], &pair->q[0] };
	ends[0] = &a->base;
	ends[1] = &b->base;
	return 0;
}

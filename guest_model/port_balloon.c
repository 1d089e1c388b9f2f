/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balloon's port: pages given away, pages taken back, statistics, and pages reported as free.
 *
 * Theory of operation: four virtqueues carry four kinds of requests. On inflateq and deflateq it is
 * an array of page numbers, all readable, which may be cut anywhere like all that a device reads;
 * on statsq it is an array of entries, of which the driver keeps one in the device's hands, until
 * the device wants newer ones; on reporting_vq it is the pages themselves, writable. Nothing is
 * ever answered: a buffer that comes back is the answer.
 *
 * What there is to check is memory. The device may change a page from the moment that it finds it
 * in a request: a reported one until it acknowledges that, one in the balloon until it acknowledges
 * that it was taken back. (Without MUST_TELL_HOST the driver need not wait for the latter, and so
 * does not: the page is in use as soon as it is asked back.) For so long pages are lent
 * (balloon.h), and all other memory is the oracle's to watch. What comes back is used at once: the
 * driver fills it, so that a device that is late does harm. With PAGE_POISON a reported page must
 * hold the poison before and after.
 *
 * The natural request of a script for any device is to give a page away, or to report one. Memory
 * is finite, so that after a while such a script gives pages away that are in the balloon already:
 * nothing forbids that, and they are of no use to the driver.
 *
 * Where reporting_vq is, texts and programs do not agree: the specification counts queues that do
 * not exist as well (4); Linux and QEMU count those that do. Which of the two a device does is seen
 * by how many queues it has. If not even that is known, or if queues count that the driver has not
 * taken, it is not tried.
 *
 * Statistics have 10 bytes an entry, and a rule says that a buffer has a multiple of 6: three
 * entries have both.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_balloon.h>
#include <common/say.h>
#include <guest_model/balloon.h>
#include <guest_model/port_queue.h>

#define BIT(n)		(1ull << (n))

/* As the specification counts them. */
enum role { INFLATE, DEFLATE, STATS, HINTS, REPORT, ROLES };

#define TAGS_MAX	48u
#define TAGS_STEP	3u		/* entries, of which a buffer has a multiple */
#define BYTEWISE	16u		/* bytes that get a descriptor each, at most */
#define PFN_BYTES	(sizeof(uint32_t))
#define STAT_BYTES	(sizeof(struct virtio_balloon_stat))

struct balloon {
	uint64_t serial;
	uint64_t queue_num;		/* as GET_QUEUE_NUM said; 0: nobody knows */
	struct kc_pages ballooned;	/* and those that may be */
	struct kc_pages reported;
	unsigned stats_out;		/* buffers of statistics that the device has: one at most */
	uint64_t stats_kinds;		/* which there were in the first buffer; 0: none yet */
};

/* Of a request; r->priv. */
struct ask {
	enum role role;
	bool settled;			/* the device has acknowledged it */
	struct kc_pages *of;
	unsigned npages;
	unsigned page[KC_PAGES_MAX];
};

static bool has(const struct kc_port *p, unsigned bit)
{
	return p->env.features & BIT(bit);
}

/* --- Queues ------------------------------------------------------------------------------------- */

static bool is_offered(const struct kc_port *p, unsigned bit)
{
	return p->env.offered & BIT(bit);
}

/* Where reporting_vq is if only queues that exist are counted. */
static unsigned counted(uint64_t features)
{
	return STATS + !!(features & BIT(VIRTIO_BALLOON_F_STATS_VQ)) +
		!!(features & BIT(VIRTIO_BALLOON_F_FREE_PAGE_HINT));
}

/* ROLES: there is none, or nobody knows where. */
static unsigned reporting_vq(const struct kc_port *p)
{
	const struct balloon *b = p->priv;
	unsigned n = counted(p->env.offered);

	if (!is_offered(p, VIRTIO_BALLOON_F_REPORTING))
		return ROLES;
	if (n == REPORT || b->queue_num > REPORT)
		return REPORT;
	/* Does one that is offered and not taken exist? */
	return n == counted(p->env.features) && b->queue_num > n ? n : ROLES;
}

static unsigned balloon_numbered(struct kc_port *p, unsigned n, uint64_t queue_num)
{
	((struct balloon *)p->priv)->queue_num = queue_num;
	if (n == REPORT)
		return reporting_vq(p);
	return n <= DEFLATE || (n == STATS && is_offered(p, VIRTIO_BALLOON_F_STATS_VQ)) ? n : ROLES;
}

static enum role role_of(const struct kc_port *p, unsigned qi)
{
	if (qi <= DEFLATE)
		return qi;
	if (qi < ROLES && qi == reporting_vq(p))
		return REPORT;
	return qi == STATS ? STATS : ROLES;
}

/* A script for any device gives pages away, and reports some. */
static unsigned balloon_virtqueue(unsigned n)
{
	return n == 0 ? INFLATE : n == 1 ? REPORT : ROLES;
}

static bool balloon_for_input(struct kc_port *p, unsigned qi)
{
	return role_of(p, qi) == STATS;
}

static bool balloon_has_queue(struct kc_port *p, unsigned qi, uint64_t queue_num, struct kc_err *why)
{
	((struct balloon *)p->priv)->queue_num = queue_num;
	switch (role_of(p, qi)) {
	case INFLATE:
	case DEFLATE:
		return true;
	case STATS:
		if (has(p, VIRTIO_BALLOON_F_STATS_VQ))
			return true;
		kc_err_set(why, 0, "without STATS_VQ there is no statsq");
		return false;
	case REPORT:
		if (has(p, VIRTIO_BALLOON_F_REPORTING))
			return true;
		/* fall through */
	default:
		kc_err_set(why, 0, "this balloon has no such queue, or does not say where reporting_vq is");
		return false;
	}
}

/* --- Pages -------------------------------------------------------------------------------------- */

static const uint8_t *poison_val(const struct kc_port *p)
{
	return p->env.config + offsetof(struct virtio_balloon_config, poison_val);
}

static bool is_poisoned(const struct kc_port *p)
{
	return has(p, VIRTIO_BALLOON_F_PAGE_POISON) &&
		p->env.config_len >= sizeof(struct virtio_balloon_config);
}

/* What the driver puts into a page that is its own: nothing that memory anew would hold. */
static void use_page(struct kc_port *p, const struct kc_page *page, uint64_t serial)
{
	uint8_t bytes[KC_PAGE_BYTES];

	kc_port_fill(p, KC_FILL_POISON, serial ^ page->gpa, bytes, sizeof(bytes));
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = is_poisoned(p) ? poison_val(p)[i % 4] :
			p->env.poison_flip ? 0x20 | (bytes[i] & 0x1f) : 0xc0 | (bytes[i] & 0x1f);
	kc_mem_write(p->env.mem, page->gpa, bytes, sizeof(bytes));
}

static void take_back(struct kc_port *p, struct ask *a, uint64_t serial)
{
	for (unsigned i = 0; i < a->npages; i++) {
		kc_page_lend(a->of, a->page[i], false);
		use_page(p, &a->of->p[a->page[i]], serial);
	}
}

static void settle(struct ask *a, enum kc_page_state state)
{
	a->settled = true;
	for (unsigned i = 0; i < a->npages; i++)
		kc_page_settle(a->of, a->page[i], state);
}

/* A request that never came to be: as if nobody had asked. */
static void forget(struct ask *a)
{
	for (unsigned i = 0; i < a->npages; i++)
		kc_page_forget(a->of, a->page[i]);
	free(a);
}

/* --- What a request is made of ------------------------------------------------------------------- */

struct wish {
	uint32_t pages;			/* 0: as many as the shape wants */
	bool nowhere;			/* the last number is that of no memory */
	uint16_t tag[TAGS_MAX];
	unsigned ntags;
};

static void set_pages(void *into, uint64_t v)
{
	((struct wish *)into)->pages = (uint32_t)v;
}

static void set_nowhere(void *into, uint64_t v)
{
	(void)v;
	((struct wish *)into)->nowhere = true;
}

static void set_tag(void *into, uint64_t v)
{
	struct wish *w = into;

	if (w->ntags < TAGS_MAX)
		w->tag[w->ntags++] = (uint16_t)v;
}

static const struct kc_port_word array_words[] = {
	{ "pages", KC_PAGES_MAX, set_pages }, { "nowhere", 0, set_nowhere }, { NULL, 0, NULL }
};
static const struct kc_port_word report_words[] = {
	{ "pages", KC_PAGES_MAX, set_pages }, { NULL, 0, NULL }
};
static const struct kc_port_word stats_words[] = {
	{ "tag", UINT16_MAX, set_tag }, { NULL, 0, NULL }
};
static const struct kc_port_word *const words[ROLES + 1] = {
	[INFLATE] = array_words, [DEFLATE] = array_words, [STATS] = stats_words, [HINTS] = report_words,
	[REPORT] = report_words, [ROLES] = report_words,
};
static const char *const names[ROLES + 1] = {
	[INFLATE] = "a balloon's inflateq", [DEFLATE] = "a balloon's deflateq", [STATS] = "a balloon's statsq",
	[HINTS] = "a balloon's free_page_vq", [REPORT] = "a balloon's reporting_vq",
	[ROLES] = "a queue that a balloon does not have",
};

static uint32_t at_least(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Bytes that an array needs for the shape: there is no natural length, so it is what can be cut so. */
static uint32_t shape_bytes(const struct kc_shape *shape)
{
	uint32_t len = at_least(shape->data, shape->descriptors);

	for (unsigned i = 0; i < shape->ncut_out; i++) {
		int64_t at = shape->cut_out[i];

		len = at_least(len, (uint32_t)(at < 0 ? -at : at) + 1);
	}
	return shape->every_byte ? at_least(len, BYTEWISE) : len;
}

static int check_shape(enum role role, const struct kc_shape *shape, struct kc_err *err)
{
	if (shape->descriptors > KC_SHAPE_SEGS_MAX)
		return kc_err_set(err, -EINVAL, "%u descriptors are more than any ring has",
				  shape->descriptors);
	if (role == REPORT && (shape->ncut_in || shape->ncut_out || shape->every_byte || shape->place))
		return kc_err_set(err, -EINVAL, "what is reported are pages, whole and where they are");
	if (role == REPORT && shape->dir == KC_DIR_OUT)
		return kc_err_set(err, -EINVAL, "this queue takes writable buffers only");
	return 0;
}

static struct kc_request *array_request(struct kc_port *p, const uint8_t *bytes, uint32_t len,
					const struct kc_shape *shape, int *code, struct kc_err *err)
{
	struct balloon *b = p->priv;
	struct kc_oneway o = {
		.header = shape->every_byte ? (len < BYTEWISE ? len : BYTEWISE) : 0,
		.bytes = bytes, .len = len, .serial = b->serial + 1,
	};
	struct kc_request *r = kc_oneway_build(p, &o, shape, NULL, code, err);

	if (!r)
		return NULL;
	b->serial++;
	r->len_expected = 0;
	return r;
}

/* One more than there are pages, of which the last is that of no memory. */
static uint8_t *page_numbers(const struct ask *a)
{
	uint8_t *bytes = malloc((a->npages + 1) * PFN_BYTES);

	for (unsigned i = 0; bytes && i < a->npages; i++) {
		uint32_t pfn = htole32((uint32_t)(a->of->p[a->page[i]].gpa >> VIRTIO_BALLOON_PFN_SHIFT));

		memcpy(bytes + i * PFN_BYTES, &pfn, PFN_BYTES);
	}
	if (bytes)
		memset(bytes + a->npages * PFN_BYTES, 0xff, PFN_BYTES);
	return bytes;
}

static struct kc_request *pages_array(struct kc_port *p, struct ask *a, const struct kc_shape *shape,
				      const struct wish *w, int *code, struct kc_err *err)
{
	uint32_t len = (a->npages + w->nowhere) * (uint32_t)PFN_BYTES;
	uint8_t *bytes = page_numbers(a);
	struct kc_request *r = NULL;

	if (bytes)
		r = array_request(p, bytes, len, shape, code, err);
	else
		*code = kc_err_set(err, -ENOMEM, "no memory for %u page numbers", a->npages);
	free(bytes);
	return r;
}

/* --- Each queue's requests ------------------------------------------------------------------------ */

typedef struct kc_request *make_fn(struct kc_port *p, struct ask *a, const struct kc_shape *shape,
				   const struct wish *w, int *code, struct kc_err *err);

static unsigned array_pages(const struct kc_shape *shape, const struct wish *w)
{
	uint32_t n = shape_bytes(shape) / PFN_BYTES + (shape_bytes(shape) % PFN_BYTES != 0);

	return at_least(at_least(n, w->pages), 1);
}

static int too_many(unsigned n, struct kc_err *err)
{
	return kc_err_set(err, -EINVAL, "not so many pages are left to give away: %u", n);
}

static struct kc_request *make_inflate(struct kc_port *p, struct ask *a, const struct kc_shape *shape,
				       const struct wish *w, int *code, struct kc_err *err)
{
	struct balloon *b = p->priv;
	unsigned n = array_pages(shape, w);
	struct kc_request *r;

	if (kc_pages_ask(&b->ballooned, n, true, false, a->page)) {
		*code = too_many(n, err);
		return NULL;
	}
	a->of = &b->ballooned;
	a->npages = n;
	r = pages_array(p, a, shape, w, code, err);
	for (unsigned i = 0; r && i < n; i++)
		kc_page_lend(a->of, a->page[i], true);
	return r;
}

static int may_deflate(struct kc_port *p, unsigned n, struct kc_err *err)
{
	const struct balloon *b = p->priv;

	if (!has(p, VIRTIO_BALLOON_F_DEFLATE_ON_OOM))
		return kc_err_set(err, -EINVAL, "when pages may be taken back without DEFLATE_ON_OOM is left "
				  "open");
	if (n > kc_pages_given(&b->ballooned))
		return kc_err_set(err, -EBADMSG, "the balloon has %u pages, not %u",
				  kc_pages_given(&b->ballooned), n);
	return 0;
}

static struct kc_request *make_deflate(struct kc_port *p, struct ask *a, const struct kc_shape *shape,
				       const struct wish *w, int *code, struct kc_err *err)
{
	struct balloon *b = p->priv;
	unsigned n = array_pages(shape, w);
	struct kc_request *r;

	*code = may_deflate(p, n, err);
	if (*code)
		return NULL;
	kc_pages_ask_back(&b->ballooned, n, a->page);
	a->of = &b->ballooned;
	a->npages = n;
	r = pages_array(p, a, shape, w, code, err);
	if (r && !has(p, VIRTIO_BALLOON_F_MUST_TELL_HOST))
		take_back(p, a, r->serial);
	return r;
}

/* Which kinds a buffer has, in whatever order. */
static uint64_t kinds(const uint16_t *tag, unsigned n)
{
	uint64_t sum = n;

	for (unsigned i = 0; i < n; i++)
		sum += (tag[i] + 1ull) * 0x9e3779b97f4a7c15ull >> 7;
	return sum;
}

static int check_stats(struct kc_port *p, uint64_t which, struct kc_err *err)
{
	struct balloon *b = p->priv;

	if (b->stats_out)
		return kc_err_set(err, -EBADMSG, "the device has a buffer of statistics, and may have one");
	if (b->stats_kinds && b->stats_kinds != which)
		return kc_err_set(err, -EBADMSG, "each buffer has the same kinds of statistics");
	return 0;
}

/* The first three are what a host asks for most; what there are more than known kinds is unknown. */
static uint16_t natural_tag(unsigned i)
{
	static const uint16_t known[] = {
		VIRTIO_BALLOON_S_MEMFREE, VIRTIO_BALLOON_S_MEMTOT, VIRTIO_BALLOON_S_AVAIL,
		VIRTIO_BALLOON_S_SWAP_IN, VIRTIO_BALLOON_S_SWAP_OUT, VIRTIO_BALLOON_S_MAJFLT,
		VIRTIO_BALLOON_S_MINFLT, VIRTIO_BALLOON_S_CACHES,
	};

	return i < sizeof(known) / sizeof(*known) ? known[i] : (uint16_t)(0x100 + i);
}

static bool has_tag(const struct wish *w, uint16_t tag)
{
	for (unsigned i = 0; i < w->ntags; i++)
		if (w->tag[i] == tag)
			return true;
	return false;
}

static void choose_tags(const struct kc_shape *shape, struct wish *w)
{
	unsigned n = (unsigned)(shape_bytes(shape) / STAT_BYTES) + (shape_bytes(shape) % STAT_BYTES != 0);

	n = at_least(at_least(n, w->ntags), 1);
	n = (n + TAGS_STEP - 1) / TAGS_STEP * TAGS_STEP;
	for (unsigned i = 0; w->ntags < n && w->ntags < TAGS_MAX; i++)
		if (!has_tag(w, natural_tag(i)))
			w->tag[w->ntags++] = natural_tag(i);
}

static struct kc_request *make_stats(struct kc_port *p, struct ask *a, const struct kc_shape *shape,
				     const struct wish *wished, int *code, struct kc_err *err)
{
	struct virtio_balloon_stat stat[TAGS_MAX];
	struct balloon *b = p->priv;
	struct wish w = *wished;
	struct kc_request *r;

	(void)a;
	if (shape_bytes(shape) > sizeof(stat)) {
		*code = kc_err_set(err, -EINVAL, "there are not so many statistics");
		return NULL;
	}
	choose_tags(shape, &w);
	*code = check_stats(p, kinds(w.tag, w.ntags), err);
	if (*code)
		return NULL;
	for (unsigned i = 0; i < w.ntags; i++)
		stat[i] = (struct virtio_balloon_stat){ htole16(w.tag[i]),
							htole64((b->serial + w.tag[i] + 1) << 20) };
	r = array_request(p, (const uint8_t *)stat, w.ntags * (uint32_t)STAT_BYTES, shape, code, err);
	if (!r)
		return NULL;
	b->stats_kinds = kinds(w.tag, w.ntags);
	b->stats_out++;
	return r;
}

static unsigned report_pages(const struct kc_shape *shape, const struct wish *w)
{
	uint32_t n = shape->data / KC_PAGE_BYTES + (shape->data % KC_PAGE_BYTES != 0);

	return at_least(at_least(at_least(n, w->pages), shape->descriptors), 1);
}

/* So many descriptors: the first of them has what the others leave. */
static struct kc_request *report_request(const struct ask *a, unsigned nsegs)
{
	struct kc_request *r = kc_request_alloc(nsegs);
	unsigned first = a->npages - nsegs + 1;

	if (!r)
		return NULL;
	for (unsigned i = 0; i < nsegs; i++)
		r->segs[i] = (struct kc_seg){
			.gpa = a->of->p[a->page[i ? first + i - 1 : 0]].gpa,
			.len = KC_PAGE_BYTES * (i ? 1 : first), .write = true,
		};
	r->nsegs = nsegs;
	r->writable = KC_PAGE_BYTES * a->npages;
	r->len_expected = UINT32_MAX;
	return r;
}

static int ask_report(struct kc_port *p, struct ask *a, unsigned n, unsigned nsegs, struct kc_err *err)
{
	struct balloon *b = p->priv;
	uint32_t max = p->env.ring_max_chain;

	if (max && nsegs > max)
		return kc_err_set(err, -EINVAL, "%u descriptors, but at most %u may be in one chain",
				  nsegs, max);
	if (kc_pages_ask(&b->reported, n, false, nsegs < n, a->page))
		return too_many(n, err);
	a->of = &b->reported;
	a->npages = n;
	return 0;
}

static struct kc_request *make_report(struct kc_port *p, struct ask *a, const struct kc_shape *shape,
				      const struct wish *w, int *code, struct kc_err *err)
{
	unsigned n = report_pages(shape, w);
	unsigned nsegs = shape->one_piece ? 1 : shape->descriptors ? shape->descriptors : n;
	struct balloon *b = p->priv;
	struct kc_request *r;

	*code = ask_report(p, a, n, nsegs, err);
	if (*code)
		return NULL;
	r = report_request(a, nsegs);
	if (!r) {
		*code = kc_err_set(err, -ENOMEM, "no memory for a report of %u pages", n);
		return NULL;
	}
	r->indirect = shape->indirect;
	r->serial = ++b->serial;
	for (unsigned i = 0; i < n; i++) {
		use_page(p, &a->of->p[a->page[i]], r->serial);
		kc_page_lend(a->of, a->page[i], true);
	}
	return r;
}

static const struct {
	make_fn *make;
	const char *what;
} requests[ROLES] = {
	[INFLATE] = { make_inflate, "inflate" },
	[DEFLATE] = { make_deflate, "deflate" },
	[STATS] = { make_stats, "statistics" },
	[REPORT] = { make_report, "report" },
};

static struct kc_request *make_one(struct kc_port *p, struct ask *a, const struct kc_shape *shape, int *code,
				   struct kc_err *err)
{
	struct wish w = { 0 };
	struct kc_request *r;

	*code = kc_port_words(words[a->role], shape->words, names[a->role], &w, err);
	if (!*code)
		*code = check_shape(a->role, shape, err);
	if (!*code && (a->role == ROLES || !requests[a->role].make))
		*code = kc_err_set(err, -EINVAL, "there is no such queue");
	r = *code ? NULL : requests[a->role].make(p, a, shape, &w, code, err);
	if (!r)
		return NULL;
	r->priv = a;
	kc_say(r->what, sizeof(r->what), "balloon %s, %u %s", requests[a->role].what,
		 a->npages ? a->npages : r->readable, a->npages ? "pages" : "bytes");
	return r;
}

static struct kc_request *balloon_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				       int *code, struct kc_err *err)
{
	struct ask *a = calloc(1, sizeof(*a));
	struct kc_request *r;

	if (!a) {
		*code = kc_err_set(err, -ENOMEM, "no memory for a balloon's request");
		return NULL;
	}
	a->role = role_of(p, qi);
	r = make_one(p, a, shape, code, err);
	if (!r)
		forget(a);
	return r;
}

/* --- What comes back ------------------------------------------------------------------------------ */

/* With PAGE_POISON: not a byte of a reported page is anything but the poison. */
static enum kc_payload_verdict check_poison(struct kc_port *p, const struct ask *a, struct kc_err *why)
{
	for (unsigned i = 0; i < a->npages; i++) {
		uint64_t gpa = a->of->p[a->page[i]].gpa;
		uint8_t bytes[KC_PAGE_BYTES];

		kc_mem_read(p->env.mem, gpa, bytes, sizeof(bytes));
		for (unsigned k = 0; k < sizeof(bytes); k++) {
			if (bytes[k] == poison_val(p)[k % 4])
				continue;
			kc_err_set(why, -EIO, "byte %u of page %u of the report: expected 0x%02x of "
				   "poison_val, actual 0x%02x", k, i, poison_val(p)[k % 4], bytes[k]);
			return KC_PAYLOAD_WRONG;
		}
	}
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict balloon_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					     const struct kc_used *u, int *code, struct kc_err *why)
{
	enum kc_payload_verdict v = KC_PAYLOAD_RIGHT;
	struct ask *a = r->priv;

	(void)qi;
	(void)u;
	*code = 0;
	if (a->role == REPORT && is_poisoned(p))
		v = check_poison(p, a, why);
	if (a->role == DEFLATE && has(p, VIRTIO_BALLOON_F_MUST_TELL_HOST))
		take_back(p, a, r->serial);
	for (unsigned i = 0; a->role == REPORT && i < a->npages; i++)
		kc_page_lend(a->of, a->page[i], false);
	settle(a, a->role == INFLATE ? KC_PAGE_GIVEN : KC_PAGE_OURS);
	return v;
}

/* Without an acknowledgement nobody knows what the device has taken. What was asked back without
 * MUST_TELL_HOST is ours all the same. */
static void balloon_release(struct kc_port *p, struct kc_request *r)
{
	struct ask *a = r->priv;

	if (a->role == STATS)
		((struct balloon *)p->priv)->stats_out--;
	if (!a->settled)
		settle(a, a->role == DEFLATE && !a->of->p[a->page[0]].lent ? KC_PAGE_OURS : KC_PAGE_LIMBO);
	kc_request_free(p, r);
}

static struct kc_port *balloon_open(const struct kc_port_env *env, struct kc_err *err)
{
	struct kc_port *p = kc_port_alloc(&kc_port_balloon, env, sizeof(struct balloon), err);
	struct balloon *b = p ? p->priv : NULL;

	if (b)
		b->ballooned.port = b->reported.port = p;
	return p;
}

static const char *balloon_code_name(int code)
{
	return code ? "no memory" : "OK";
}

const struct kc_port_ops kc_port_balloon = {
	.device = "balloon",
	.virtio_id = VIRTIO_ID_BALLOON,
	.features = BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST) | BIT(VIRTIO_BALLOON_F_STATS_VQ) |
		    BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | BIT(VIRTIO_BALLOON_F_PAGE_POISON) |
		    BIT(VIRTIO_BALLOON_F_REPORTING),
	.insisted = BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST),
	.scratch = 0xff,		/* zeroes would give page 0 away */
	.config_len = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id),
	.config_more = { BIT(VIRTIO_BALLOON_F_PAGE_POISON), sizeof(struct virtio_balloon_config) },
	.payload_clause = "BALLOON-REPORT-DEV-01",
	.len_clause = "BALLOON-OP-01",
	.open = balloon_open,
	.close = kc_port_free,
	.virtqueue = balloon_virtqueue,
	.numbered = balloon_numbered,
	.for_input = balloon_for_input,
	.has_queue = balloon_has_queue,
	.make = balloon_make,
	.check = balloon_check,
	.release = balloon_release,
	.code_name = balloon_code_name,
};

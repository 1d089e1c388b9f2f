/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port_balloon.c, guest_model/balloon_pages.c
 *
 * The balloon's port: which page goes where, how long the device may change it, statistics, and
 * where the queues are. The device is played by hand.
 */
#include "guest_fixture.h"
#include <endian.h>
#include <errno.h>
#include <guest_model/balloon.h>
#include <guest_model/port.h>

#define INFLATE	0u
#define DEFLATE	1u
#define STATS	2u
#define HINTS	3u
#define REPORT	4u
#define PAGE	4096u
#define LOANS	1024

/* VIRTIO 1.3, 5.5.3 */
#define F_TELL		(1ull << 0)
#define F_STATS		(1ull << 1)
#define F_OOM		(1ull << 2)
#define F_HINT		(1ull << 3)
#define F_POISON	(1ull << 4)
#define F_REPORT	(1ull << 5)

struct fix {
	struct guest g;
	struct kc_port *port;
	uint8_t config[16];
	uint64_t lent[LOANS];		/* pages that the device may change now */
	unsigned nlent;
	struct kc_err err;
	int code;
};

static void lend(void *ctx, uint64_t gpa, uint64_t len, bool on)
{
	struct fix *t = ctx;
	unsigned i = 0;

	assert_int_equal(len, PAGE);
	assert_int_equal(gpa % PAGE, 0);
	while (i < t->nlent && t->lent[i] != gpa)
		i++;
	assert_true(on == (i == t->nlent));	/* never twice, and nothing that is not lent is taken back */
	if (on)
		t->lent[t->nlent++] = gpa;
	else
		t->lent[i] = t->lent[--t->nlent];
}

static void open_port(struct fix *t, uint64_t features)
{
	struct kc_port_env env = {
		.seed = 7, .ring_max_chain = 1024, .features = features, .offered = features,
		.config = t->config, .config_len = sizeof(t->config), .lend = lend, .lend_ctx = t,
	};
	const struct kc_port_ops *ops = kc_port_by_name("balloon");

	memset(t, 0, sizeof(*t));
	guest_init(&t->g);
	env.mem = &t->g.mem;
	assert_non_null(ops);
	t->port = ops->open(&env, &t->err);
	assert_non_null(t->port);
	ops->numbered(t->port, REPORT, 5);
}

static void close_port(struct fix *t)
{
	t->port->ops->close(t->port);
	guest_fini(&t->g);
}

static struct kc_request *make(struct fix *t, unsigned qi, const struct kc_shape *shape)
{
	struct kc_request *r = t->port->ops->make(t->port, qi, shape, &t->code, &t->err);

	if (!r)
		fail_msg("%s", t->err.msg);
	assert_int_equal(t->code, 0);
	return r;
}

static struct kc_request *ask(struct fix *t, unsigned qi, const char *words)
{
	return make(t, qi, &(struct kc_shape){ .words = words });
}

static void refuse(struct fix *t, unsigned qi, const struct kc_shape *shape, int expected)
{
	unsigned lent = t->nlent;

	t->err.msg[0] = 0;
	assert_null(t->port->ops->make(t->port, qi, shape, &t->code, &t->err));
	assert_int_equal(t->code, expected);
	assert_true(strlen(t->err.msg) > 10);
	assert_int_equal(t->nlent, lent);
}

static enum kc_payload_verdict used(struct fix *t, unsigned qi, struct kc_request *r)
{
	struct kc_used u = { 0 };
	enum kc_payload_verdict v;

	t->err.msg[0] = 0;
	v = t->port->ops->check(t->port, qi, r, &u, &t->code, &t->err);
	assert_int_equal(t->code, 0);
	assert_true((v == KC_PAYLOAD_WRONG) == (t->err.msg[0] != 0));
	t->port->ops->release(t->port, r);
	return v;
}

/* All that the device reads, as one piece; returns its length. */
static uint32_t gather(struct fix *t, const struct kc_request *r, void *to, uint32_t cap)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < r->nsegs; len += r->segs[i++].len) {
		assert_false(r->segs[i].write);
		assert_true(len + r->segs[i].len <= cap);
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, (uint8_t *)to + len,
					     r->segs[i].len), 0);
	}
	assert_int_equal(len, r->readable);
	assert_int_equal(r->writable, 0);
	assert_int_equal(r->len_expected, 0);
	return len;
}

/* The pages that a request names; returns how many. */
static unsigned named(struct fix *t, const struct kc_request *r, uint64_t *gpa)
{
	uint32_t pfn[KC_PAGES_MAX], len = gather(t, r, pfn, sizeof(pfn));

	assert_int_equal(len % 4, 0);
	for (unsigned i = 0; i < len / 4; i++) {
		gpa[i] = (uint64_t)le32toh(pfn[i]) * PAGE;
		assert_non_null(kc_mem_host(&t->g.mem, gpa[i], PAGE));
		for (unsigned k = 0; k < i; k++)
			assert_true(gpa[k] != gpa[i]);
	}
	return len / 4;
}

static bool is_lent(const struct fix *t, uint64_t gpa)
{
	for (unsigned i = 0; i < t->nlent; i++)
		if (t->lent[i] == gpa)
			return true;
	return false;
}

static void device_drops(struct fix *t, const uint64_t *gpa, unsigned n)
{
	static const uint8_t zeroes[PAGE];

	for (unsigned i = 0; i < n; i++)
		guest_device_write(&t->g, gpa[i], zeroes, PAGE);
}

/* Has the driver filled it? */
static bool is_in_use(struct fix *t, uint64_t gpa)
{
	const uint8_t *p = kc_mem_host(&t->g.mem, gpa, PAGE);
	unsigned zeroes = 0;

	for (unsigned i = 0; i < PAGE; i++)
		zeroes += !p[i];
	return !zeroes;
}

static void with_must_tell_pages_are_lent_until_they_are_back(void **state)
{
	uint64_t gpa[8], back[8];
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, F_TELL | F_OOM);
	r = ask(&t, INFLATE, "pages 8");
	assert_int_equal(named(&t, r, gpa), 8);
	assert_int_equal(t.nlent, 8);
	assert_int_equal(used(&t, INFLATE, r), KC_PAYLOAD_RIGHT);
	assert_int_equal(t.nlent, 8);
	device_drops(&t, gpa, 8);
	r = ask(&t, DEFLATE, "pages 3");
	assert_int_equal(named(&t, r, back), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(back[i], gpa[i]);	/* the oldest */
	assert_int_equal(t.nlent, 8);
	assert_false(is_in_use(&t, gpa[0]));
	assert_int_equal(used(&t, DEFLATE, r), KC_PAYLOAD_RIGHT);
	assert_int_equal(t.nlent, 5);
	assert_false(is_lent(&t, gpa[2]));
	assert_true(is_in_use(&t, gpa[2]));
	assert_false(is_in_use(&t, gpa[3]));
	close_port(&t);
}

static void without_must_tell_a_page_is_in_use_at_once(void **state)
{
	uint64_t gpa[4];
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, F_OOM);
	r = ask(&t, INFLATE, "pages 4");
	named(&t, r, gpa);
	used(&t, INFLATE, r);
	device_drops(&t, gpa, 4);
	r = ask(&t, DEFLATE, NULL);
	assert_int_equal(t.nlent, 3);
	assert_true(is_in_use(&t, gpa[0]));
	used(&t, DEFLATE, r);
	assert_int_equal(t.nlent, 3);
	close_port(&t);
}

static void only_what_is_in_the_balloon_comes_back(void **state)
{
	struct kc_request *r, *first;
	struct fix t;

	(void)state;
	open_port(&t, F_TELL | F_OOM);
	refuse(&t, DEFLATE, &(struct kc_shape){ .words = NULL }, -EBADMSG);
	first = ask(&t, INFLATE, "pages 2");
	refuse(&t, DEFLATE, &(struct kc_shape){ .words = NULL }, -EBADMSG);	/* not acknowledged yet */
	used(&t, INFLATE, first);
	refuse(&t, DEFLATE, &(struct kc_shape){ .words = "pages 3" }, -EBADMSG);
	r = ask(&t, DEFLATE, "pages 2");
	refuse(&t, DEFLATE, &(struct kc_shape){ .words = NULL }, -EBADMSG);	/* asked back already */
	used(&t, DEFLATE, r);
	close_port(&t);
	open_port(&t, F_TELL);
	used(&t, INFLATE, ask(&t, INFLATE, NULL));
	refuse(&t, DEFLATE, &(struct kc_shape){ .words = NULL }, -EINVAL);	/* without DEFLATE_ON_OOM */
	close_port(&t);
}

/* What the device may have taken stays lent, and is not asked back; it may be given once more. */
static void what_was_given_up_is_in_limbo(void **state)
{
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, F_TELL | F_OOM | F_REPORT);
	t.port->ops->release(t.port, ask(&t, INFLATE, "pages 4"));
	t.port->ops->release(t.port, ask(&t, REPORT, "pages 2"));
	assert_int_equal(t.nlent, 6);
	refuse(&t, DEFLATE, &(struct kc_shape){ .words = NULL }, -EBADMSG);
	r = ask(&t, INFLATE, "pages 384");
	assert_int_equal(t.nlent, KC_PAGES_MAX + 2);
	used(&t, INFLATE, r);
	t.port->ops->release(t.port, ask(&t, DEFLATE, "pages 4"));
	refuse(&t, DEFLATE, &(struct kc_shape){ .words = "pages 381" }, -EBADMSG);
	assert_int_equal(t.nlent, KC_PAGES_MAX + 2);
	close_port(&t);
	open_port(&t, F_OOM);
	used(&t, INFLATE, ask(&t, INFLATE, "pages 2"));
	t.port->ops->release(t.port, ask(&t, DEFLATE, NULL));
	assert_int_equal(t.nlent, 1);		/* in use: the device had no say in that */
	close_port(&t);
}

/* When there are no others, pages that are in the balloon are given again; in flight they are not. */
static void pages_run_out(void **state)
{
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, F_TELL);
	used(&t, INFLATE, ask(&t, INFLATE, "pages 300"));
	r = ask(&t, INFLATE, "pages 200");
	assert_int_equal(t.nlent, KC_PAGES_MAX);
	refuse(&t, INFLATE, &(struct kc_shape){ .words = "pages 185" }, -EINVAL);
	refuse(&t, INFLATE, &(struct kc_shape){ .data = 100000 }, -EINVAL);
	used(&t, INFLATE, ask(&t, INFLATE, "pages 184"));
	used(&t, INFLATE, r);
	assert_int_equal(t.nlent, KC_PAGES_MAX);
	close_port(&t);
}

/* The length follows from what is to be cut. */
static void shapes_of_arrays(void **state)
{
	static const struct {
		struct kc_shape shape;
		uint32_t bytes;
		unsigned nsegs;
	} rows[] = {
		{ { .data = 0 }, 4, 1 },
		{ { .data = 9 }, 12, 1 },
		{ { .descriptors = 7 }, 8, 7 },
		{ { .ncut_out = 2, .cut_out = { 1, 5 } }, 8, 3 },
		{ { .ncut_out = 1, .cut_out = { -9 } }, 12, 2 },
		{ { .every_byte = true }, 16, 16 },
		{ { .data = 64, .words = "pages 3" }, 64, 1 },
		{ { .data = 8, .one_piece = true, .words = "pages 3" }, 12, 1 },
	};
	struct fix t;

	(void)state;
	open_port(&t, F_TELL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kc_request *r = make(&t, INFLATE, &rows[i].shape);

		assert_int_equal(r->readable, rows[i].bytes);
		assert_int_equal(r->nsegs, rows[i].nsegs);
		used(&t, INFLATE, r);
	}
	refuse(&t, INFLATE, &(struct kc_shape){ .dir = KC_DIR_IN }, -EINVAL);
	refuse(&t, INFLATE, &(struct kc_shape){ .ncut_in = 1, .cut_in = { 1 } }, -EINVAL);
	refuse(&t, INFLATE, &(struct kc_shape){ .descriptors = 40000 }, -EINVAL);
	refuse(&t, INFLATE, &(struct kc_shape){ .words = "tag 1" }, -EBADMSG);
	refuse(&t, INFLATE, &(struct kc_shape){ .words = "pages 385" }, -EBADMSG);
	refuse(&t, HINTS, &(struct kc_shape){ .data = 0 }, -EINVAL);
	close_port(&t);
}

/* What was refused is as if it had never been asked for. */
static void a_refused_request_keeps_no_page(void **state)
{
	struct fix t;

	(void)state;
	open_port(&t, F_TELL | F_OOM);
	t.port->env.ring_max_chain = 4;
	for (unsigned i = 0; i < 100; i++)
		refuse(&t, INFLATE, &(struct kc_shape){ .descriptors = 8, .words = "pages 300" }, -EINVAL);
	used(&t, INFLATE, ask(&t, INFLATE, "pages 384"));
	for (unsigned i = 0; i < 10; i++)
		refuse(&t, DEFLATE, &(struct kc_shape){ .descriptors = 8, .words = "pages 300" }, -EINVAL);
	used(&t, DEFLATE, ask(&t, DEFLATE, "pages 384"));
	assert_int_equal(t.nlent, 0);
	close_port(&t);
}

struct stat10 {
	uint16_t tag;
	uint64_t val;
} __attribute__((packed));

static unsigned stats(struct fix *t, const struct kc_request *r, struct stat10 *s)
{
	uint32_t len = gather(t, r, s, 48 * sizeof(*s));

	assert_int_equal(len % 30, 0);		/* a multiple of 6 and of 10 */
	return len / 10;
}

static void statistics(void **state)
{
	struct stat10 s[48];
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, F_STATS);
	r = ask(&t, STATS, "tag 0x1234 tag 4");
	assert_int_equal(stats(&t, r, s), 3);
	assert_int_equal(le16toh(s[0].tag), 0x1234);
	assert_int_equal(le16toh(s[1].tag), 4);
	refuse(&t, STATS, &(struct kc_shape){ .words = "tag 0x1234 tag 4" }, -EBADMSG);	/* one at a time */
	assert_int_equal(used(&t, STATS, r), KC_PAYLOAD_RIGHT);
	refuse(&t, STATS, &(struct kc_shape){ .words = "tag 5 tag 4" }, -EBADMSG);	/* other kinds */
	r = ask(&t, STATS, "tag 4 tag 0x1234");					/* in another order */
	t.port->ops->release(t.port, r);
	r = ask(&t, STATS, "tag 4 tag 0x1234");
	used(&t, STATS, r);
	close_port(&t);
	open_port(&t, F_STATS);
	refuse(&t, STATS, &(struct kc_shape){ .data = 481 }, -EINVAL);
	refuse(&t, STATS, &(struct kc_shape){ .words = "tag 65536" }, -EBADMSG);
	refuse(&t, STATS, &(struct kc_shape){ .words = "pages 1" }, -EBADMSG);
	r = make(&t, STATS, &(struct kc_shape){ .descriptors = 31 });
	assert_int_equal(r->nsegs, 31);
	assert_int_equal(stats(&t, r, s), 6);
	assert_int_equal(le16toh(s[0].tag), 4);
	assert_int_not_equal(s[0].val, 0);
	used(&t, STATS, r);
	close_port(&t);
}

static void a_report_is_its_pages(void **state)
{
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, F_REPORT);
	r = ask(&t, REPORT, "pages 3");
	assert_int_equal(r->nsegs, 3);
	assert_int_equal(r->readable, 0);
	assert_int_equal(r->writable, 3 * PAGE);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(r->segs[i].write);
		assert_int_equal(r->segs[i].len, PAGE);
		assert_true(is_lent(&t, r->segs[i].gpa));
		assert_true(is_in_use(&t, r->segs[i].gpa));
	}
	assert_int_equal(used(&t, REPORT, r), KC_PAYLOAD_RIGHT);
	assert_int_equal(t.nlent, 0);
	r = make(&t, REPORT, &(struct kc_shape){ .one_piece = true, .words = "pages 16" });
	assert_int_equal(r->nsegs, 1);
	assert_int_equal(r->segs[0].len, 16 * PAGE);
	assert_int_equal(t.nlent, 16);
	used(&t, REPORT, r);
	r = make(&t, REPORT, &(struct kc_shape){ .descriptors = 2, .data = 4 * PAGE + 1 });
	assert_int_equal(r->nsegs, 2);
	assert_int_equal(r->segs[0].len, 4 * PAGE);
	assert_int_equal(r->segs[1].gpa, r->segs[0].gpa + 4 * PAGE);
	used(&t, REPORT, r);
	refuse(&t, REPORT, &(struct kc_shape){ .dir = KC_DIR_OUT }, -EINVAL);
	refuse(&t, REPORT, &(struct kc_shape){ .ncut_in = 1, .cut_in = { 1 } }, -EINVAL);
	refuse(&t, REPORT, &(struct kc_shape){ .place = KC_PLACE_ACROSS }, -EINVAL);
	refuse(&t, REPORT, &(struct kc_shape){ .one_piece = true, .words = "pages 17" }, -EINVAL);
	t.port->env.ring_max_chain = 4;
	refuse(&t, REPORT, &(struct kc_shape){ .words = "pages 5" }, -EINVAL);
	assert_int_equal(t.nlent, 0);
	close_port(&t);
}

static void a_reported_page_holds_the_poison(void **state)
{
	static const uint8_t poison[4] = { 0x78, 0x56, 0x34, 0x12 }, zero;
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, F_REPORT | F_POISON);
	memcpy(t.config + 12, poison, 4);
	r = ask(&t, REPORT, "pages 2");
	assert_memory_equal(kc_mem_host(&t.g.mem, r->segs[1].gpa + PAGE - 4, 4), poison, 4);
	assert_int_equal(used(&t, REPORT, r), KC_PAYLOAD_RIGHT);
	r = ask(&t, REPORT, "pages 2");
	guest_device_write(&t.g, r->segs[1].gpa + PAGE - 1, &zero, 1);
	assert_int_equal(used(&t, REPORT, r), KC_PAYLOAD_WRONG);
	assert_non_null(strstr(t.err.msg, "byte 4095 of page 1"));
	close_port(&t);
}

/* The text's numbers, and those of programs that do not count what is not there. */
static void where_the_queues_are(void **state)
{
	static const struct {
		uint64_t offered;
		uint64_t queue_num;
		unsigned expected;
	} rows[] = {
		{ F_STATS | F_REPORT, 5, 4 }, { F_STATS | F_REPORT, 4, 3 }, { F_REPORT, 3, 2 },
		{ F_REPORT, 4, 2 }, { F_REPORT, 5, 4 }, { F_STATS | F_HINT | F_REPORT, 0, 4 },
		{ F_HINT | F_REPORT, 4, 3 },
	};
	struct fix t;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct kc_port_ops *ops = kc_port_by_name("balloon");
		unsigned qi;

		open_port(&t, rows[i].offered);
		qi = ops->numbered(t.port, REPORT, rows[i].queue_num);
		assert_int_equal(qi, rows[i].expected);
		assert_true(ops->has_queue(t.port, qi, rows[i].queue_num, &t.err));
		assert_false(ops->for_input(t.port, qi));
		t.port->ops->release(t.port, ask(&t, qi, NULL));
		assert_int_equal(ops->numbered(t.port, DEFLATE, rows[i].queue_num), DEFLATE);
		if (rows[i].offered & F_STATS)
			assert_int_equal(ops->numbered(t.port, STATS, rows[i].queue_num), STATS);
		else
			assert_false(ops->has_queue(t.port, ops->numbered(t.port, STATS, rows[i].queue_num),
						    rows[i].queue_num, &t.err));
		close_port(&t);
	}
}

/* Which of them count is known by those only of which all are taken. */
static void where_reports_go_is_not_guessed(void **state)
{
	const struct kc_port_ops *ops = kc_port_by_name("balloon");
	struct fix t;

	(void)state;
	open_port(&t, F_STATS | F_REPORT);
	t.port->env.features = F_REPORT;
	assert_int_equal(ops->numbered(t.port, REPORT, 5), 4);
	assert_false(ops->has_queue(t.port, ops->numbered(t.port, REPORT, 4), 4, &t.err));
	close_port(&t);
}

static void a_number_of_no_memory(void **state)
{
	struct kc_request *r;
	uint32_t pfn[3];
	struct fix t;

	(void)state;
	open_port(&t, F_TELL);
	r = ask(&t, INFLATE, "nowhere pages 2");
	assert_int_equal(gather(&t, r, pfn, sizeof(pfn)), sizeof(pfn));
	assert_non_null(kc_mem_host(&t.g.mem, (uint64_t)le32toh(pfn[1]) * PAGE, PAGE));
	assert_null(kc_mem_host(&t.g.mem, (uint64_t)le32toh(pfn[2]) * PAGE, 1));
	assert_int_equal(t.nlent, 2);
	used(&t, INFLATE, r);
	refuse(&t, REPORT, &(struct kc_shape){ .words = "nowhere" }, -EBADMSG);
	close_port(&t);
}

static void queues_that_are_not_there(void **state)
{
	const struct kc_port_ops *ops = kc_port_by_name("balloon");
	struct fix t;

	(void)state;
	open_port(&t, F_STATS | F_REPORT);
	assert_false(ops->has_queue(t.port, ops->numbered(t.port, REPORT, 0), 0, &t.err));	/* 3 or 4? */
	assert_false(ops->has_queue(t.port, ops->numbered(t.port, REPORT, 3), 3, &t.err));	/* neither */
	assert_false(ops->has_queue(t.port, ops->numbered(t.port, HINTS, 5), 5, &t.err));
	assert_true(ops->has_queue(t.port, ops->virtqueue(0), 5, &t.err));
	assert_true(ops->has_queue(t.port, ops->numbered(t.port, ops->virtqueue(1), 5), 5, &t.err));
	assert_false(ops->has_queue(t.port, ops->numbered(t.port, ops->virtqueue(2), 5), 5, &t.err));
	assert_true(ops->for_input(t.port, STATS));
	assert_false(ops->for_input(t.port, DEFLATE));
	t.port->env.features = 0;		/* offered, and not taken */
	assert_false(ops->has_queue(t.port, STATS, 5, &t.err));
	assert_false(ops->has_queue(t.port, REPORT, 5, &t.err));
	assert_string_equal(ops->code_name(0), "OK");
	assert_string_equal(ops->code_name(-ENOMEM), "no memory");
	close_port(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_must_tell_pages_are_lent_until_they_are_back),
		cmocka_unit_test(without_must_tell_a_page_is_in_use_at_once),
		cmocka_unit_test(only_what_is_in_the_balloon_comes_back),
		cmocka_unit_test(what_was_given_up_is_in_limbo),
		cmocka_unit_test(pages_run_out),
		cmocka_unit_test(shapes_of_arrays),
		cmocka_unit_test(a_refused_request_keeps_no_page),
		cmocka_unit_test(statistics),
		cmocka_unit_test(a_report_is_its_pages),
		cmocka_unit_test(a_reported_page_holds_the_poison),
		cmocka_unit_test(where_the_queues_are),
		cmocka_unit_test(where_reports_go_is_not_guessed),
		cmocka_unit_test(a_number_of_no_memory),
		cmocka_unit_test(queues_that_are_not_there),
	};

	return cmocka_run_group_tests_name("port_balloon", tests, NULL, NULL);
}

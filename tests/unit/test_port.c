/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all ports share: byte streams with cuts, and how they become descriptors in guest memory. The
 * cuts of real devices' requests are in test_port_loopback.c and test_port_blk.c.
 */
#include "guest_fixture.h"
#include <errno.h>
#include <stdio.h>
#include <guest_model/port_build.h>

struct fix {
	struct guest g;
	struct kc_port *port;
	struct kc_plan plan;
	struct kc_err err;
	int code;
};

static int setup(void **state)
{
	static struct fix f;
	struct kc_port_env env = { .mem = &f.g.mem, .ring_max_chain = 64, .seed = 3 };

	*state = &f;
	f.plan = (struct kc_plan){ 0 };
	guest_init(&f.g);
	f.port = kc_port_alloc(&kc_port_loopback, &env, 16, &f.err);
	return f.port ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	kc_plan_fini(&f->plan);
	kc_port_free(f->port);
	guest_fini(&f->g);
	return 0;
}

static void plan(struct fix *f, uint32_t readable, uint32_t writable)
{
	kc_plan_fini(&f->plan);
	assert_int_equal(kc_plan_init(&f->plan, readable, writable, &f->err), 0);
	for (uint32_t i = 0; i < readable; i++)
		f->plan.out.bytes[i] = i + 1;
	for (uint32_t i = 0; i < writable; i++)
		f->plan.in.bytes[i] = i + 0x81;
}

static struct kc_request *build(struct fix *f, const struct kc_shape *shape)
{
	f->err.msg[0] = '\0';
	return kc_plan_build(&f->plan, f->port, shape, 9, &f->code, &f->err);
}

/* Lengths of the pieces, as a string of digits; writable ones behind a '|'. */
static const char *lens(const struct kc_request *r)
{
	static char text[128];
	unsigned n = 0, i = 0;

	for (; i < r->nsegs && !r->segs[i].write; i++)
		n += snprintf(text + n, sizeof(text) - n, "%u ", r->segs[i].len);
	n += snprintf(text + n, sizeof(text) - n, "|");
	for (; i < r->nsegs && r->segs[i].write; i++)
		n += snprintf(text + n, sizeof(text) - n, " %u", r->segs[i].len);
	assert_int_equal(i, r->nsegs);		/* all readable ones come first */
	return text;
}

static void pieces_hold_the_streams_in_order(void **state)
{
	struct kc_shape shape = { .cut_out = { 3, -1 }, .ncut_out = 2, .cut_in = { 2 },
				  .ncut_in = 1, .indirect = true };
	struct fix *f = *state;
	struct kc_request *r;
	uint8_t bytes[16], *back;

	plan(f, 10, 5);
	assert_int_equal(kc_plan_cut_explicit(&f->plan, &shape, &f->err), 0);
	assert_int_equal(kc_plan_descriptors(&f->plan), 5);
	r = build(f, &shape);
	assert_non_null(r);
	assert_string_equal(lens(r), "3 6 1 | 2 3");
	assert_int_equal(r->readable, 10);
	assert_int_equal(r->writable, 5);
	assert_int_equal(r->serial, 9);
	assert_true(r->indirect);
	for (unsigned i = 0, done = 0; i < 3; done += r->segs[i++].len)
		kc_mem_read(&f->g.mem, r->segs[i].gpa, bytes + done, r->segs[i].len);
	assert_memory_equal(bytes, f->plan.out.bytes, 10);
	back = kc_request_read_back(f->port, r);
	assert_memory_equal(back, f->plan.in.bytes, 5);
	free(back);
	guest_check(&f->g);			/* every byte of it was announced */
	kc_request_free(f->port, r);
}

static void one_side_may_be_empty(void **state)
{
	struct fix *f = *state;
	struct kc_request *r;

	plan(f, 4, 0);
	r = build(f, &(struct kc_shape){ 0 });
	assert_string_equal(lens(r), "4 |");
	kc_request_free(f->port, r);
	plan(f, 0, 4);
	r = build(f, &(struct kc_shape){ 0 });
	assert_string_equal(lens(r), "| 4");
	kc_request_free(f->port, r);
	plan(f, 0, 0);
	assert_null(build(f, &(struct kc_shape){ 0 }));
	assert_int_equal(f->code, -EINVAL);
	assert_string_equal(f->err.msg, "the request has no bytes at all");
	kc_request_free(f->port, NULL);
}

static void the_chain_has_a_limit(void **state)
{
	struct fix *f = *state;
	struct kc_data_range all = { &f->plan.out, 0, 100 };
	struct kc_request *r;

	plan(f, 100, 1);
	assert_int_equal(kc_range_cut_more(&all, 62), 62);
	r = build(f, &(struct kc_shape){ 0 });		/* 64, as many as may be */
	assert_non_null(r);
	kc_request_free(f->port, r);
	assert_int_equal(kc_range_cut_more(&all, 1), 1);
	assert_null(build(f, &(struct kc_shape){ 0 }));
	assert_int_equal(f->code, -EINVAL);
	assert_string_equal(f->err.msg, "65 descriptors, but at most 64 may be in one chain");
	f->port->env.ring_max_chain = 0;		/* not known: the language's own limit */
	r = build(f, &(struct kc_shape){ 0 });
	assert_non_null(r);
	kc_request_free(f->port, r);
}

/* Guest memory that is full refuses, and what was taken for the first pieces comes back. */
static void memory_that_is_full(void **state)
{
	uint64_t taken[64], gpa, n = 0;
	struct fix *f = *state;
	struct kc_request *r;

	while (n < 64 && !kc_mem_alloc(&f->g.mem, 1 << 20, 1, KC_PLACE_ANY, &taken[n]))
		n++;
	assert_in_range(n, 1, 63);
	while (!kc_mem_alloc(&f->g.mem, 4096, 1, KC_PLACE_ANY, &gpa))
		;					/* 4096 bytes are nowhere any more */
	plan(f, 10, 8192);
	kc_stream_cut(&f->plan.out, 5);
	for (unsigned i = 0; i < 3; i++) {
		assert_null(build(f, &(struct kc_shape){ 0 }));
		assert_int_equal(f->code, -ENOMEM);
		assert_string_equal(f->err.msg, "no guest memory for a buffer of 8192 bytes");
	}
	kc_mem_free(&f->g.mem, taken[0]);
	for (unsigned i = 0; i < 300; i++) {	/* the small pieces of refused ones do not add up */
		plan(f, 4000, (1 << 20) + 1);
		assert_null(build(f, &(struct kc_shape){ 0 }));
	}
	plan(f, 10, 500000);
	r = build(f, &(struct kc_shape){ 0 });
	assert_non_null(r);
	kc_request_free(f->port, r);
}

/* A special place is for the largest piece, and holds one request at a time. */
static void a_place_is_for_the_largest(void **state)
{
	struct kc_shape shape = { .place = KC_PLACE_PAGE_END };
	struct fix *f = *state;
	struct kc_request *r;

	plan(f, 8, 100);
	kc_stream_cut(&f->plan.in, 1);
	r = build(f, &shape);
	assert_non_null(r);
	assert_string_equal(lens(r), "8 | 1 99");
	assert_int_equal((r->segs[2].gpa + 99) % 4096, 0);
	assert_null(build(f, &shape));
	assert_int_equal(f->code, -ENOMEM);
	assert_string_equal(f->err.msg, "no guest memory for a buffer of 99 bytes at that place");
	kc_request_free(f->port, r);
	r = build(f, &shape);
	assert_non_null(r);
	kc_request_free(f->port, r);
}

static void cuts_are_marks(void **state)
{
	struct kc_shape shape = { .cut_in = { 5 }, .ncut_in = 1 };
	struct fix *f = *state;
	struct kc_stream *s = &f->plan.out;
	struct kc_data_range mid = { s, 4, 8 };
	uint32_t longest;

	plan(f, 16, 5);
	kc_stream_cut(s, 0);
	kc_stream_cut(s, 16);
	kc_stream_cut(s, 1000);
	assert_int_equal(kc_plan_descriptors(&f->plan), 2);
	kc_stream_cut(s, 6);
	kc_stream_cut(s, 6);
	assert_int_equal(kc_plan_descriptors(&f->plan), 3);
	assert_int_equal(kc_range_pieces(&mid, &longest), 2);	/* 0..6 and 6..16 hold bytes of it */
	assert_int_equal(longest, 10);
	kc_range_cut_long(&mid, 3);
	assert_int_equal(kc_range_pieces(&mid, &longest), 3);	/* 0..6, 6..9, 9..16 */
	assert_int_equal(longest, 7);
	kc_stream_join(s);
	assert_int_equal(kc_range_cut_more(&mid, 100), 7);	/* one byte each, inside it only */
	assert_int_equal(kc_plan_descriptors(&f->plan), 1 + 7 + 1);
	assert_int_equal(kc_plan_cut_explicit(&f->plan, &shape, &f->err), -EINVAL);
	assert_string_equal(f->err.msg, "no cut at byte 5: the request has 5 writable bytes");
	mid.s = NULL;
	assert_int_equal(kc_range_cut_more(&mid, 1), 0);
	assert_int_equal(kc_range_pieces(&mid, &longest), 0);
	kc_range_cut_long(&mid, 1);
}

static void a_stream_has_a_limit(void **state)
{
	struct fix *f = *state;

	kc_plan_fini(&f->plan);
	assert_int_equal(kc_plan_init(&f->plan, KC_STREAM_MAX, 0, &f->err), 0);
	kc_plan_fini(&f->plan);
	assert_int_equal(kc_plan_init(&f->plan, 1, KC_STREAM_MAX + 1, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.msg, "8388609 bytes"));
}

static void poison_is_never_the_answer(void **state)
{
	uint8_t poison[256], flipped[256], expected[256], again[256];
	struct fix *f = *state;

	kc_port_fill(f->port, KC_FILL_POISON, 1, poison, 256);
	kc_port_fill(f->port, KC_FILL_POISON, 1, again, 256);
	assert_memory_equal(poison, again, 256);
	kc_port_fill(f->port, KC_FILL_POISON, 2, again, 256);
	assert_memory_not_equal(poison, again, 256);
	kc_port_fill(f->port, KC_FILL_DATA, 1, again, 256);
	assert_memory_not_equal(poison, again, 256);
	f->port->env.poison_flip = true;
	kc_port_fill(f->port, KC_FILL_POISON, 1, flipped, 256);
	kc_port_fill(f->port, KC_FILL_DATA, 1, expected, 256);
	assert_memory_equal(again, expected, 256);		/* data is not flipped */
	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(poison[i] ^ flipped[i], 0xff);
		expected[i] = i % 3 ? i % 2 ? poison[i] : flipped[i] : 0;
	}
	kc_poison_unlike(poison, expected, 256);
	kc_poison_unlike(flipped, expected, 256);
	for (unsigned i = 0; i < 256; i++) {
		assert_int_not_equal(poison[i], expected[i]);
		assert_int_not_equal(flipped[i], expected[i]);
		assert_int_not_equal(flipped[i], poison[i]);
	}
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pieces_hold_the_streams_in_order),
		TEST(one_side_may_be_empty),
		TEST(the_chain_has_a_limit),
		TEST(memory_that_is_full),
		TEST(a_place_is_for_the_largest),
		TEST(cuts_are_marks),
		TEST(a_stream_has_a_limit),
		TEST(poison_is_never_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

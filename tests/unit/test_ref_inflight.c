/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference's in-flight regions: what is stored when, and what is made of what another one left. */
#include "ref_fixture.h"
#include <kickcall/inflight.h>

struct regions {
	struct kc_msg reply;		/* of GET_INFLIGHT_FD */
	uint8_t *map;
};

static enum kc_ref_answer get(struct fx *f, unsigned queues, unsigned size)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_GET_INFLIGHT_FD);
	m.inflight.num_queues = (uint16_t)queues;
	m.inflight.queue_size = (uint16_t)size;
	return fx_send(f, &m);
}

static enum kc_ref_answer set(struct fx *f, const struct regions *r)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_INFLIGHT_FD);
	m.inflight = r->reply.inflight;
	m.handles[m.nhandles++] = kc_handle_dup(r->reply.handles[0]);
	return fx_send(f, &m);
}

static void begin(struct fx *f, struct regions *r)
{
	fx_open(f, "loopback", 0);
	assert_int_equal(fx_u64(f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_INFLIGHT_SHMFD)), KC_REF_DONE);
	assert_int_equal(get(f, 2, 8), KC_REF_REPLY);
	r->reply = f->reply;
	assert_int_equal(r->reply.payload, KC_PL_INFLIGHT);
	assert_int_equal(r->reply.nhandles, 1);
	assert_int_equal(r->reply.inflight.num_queues, 2);
	assert_int_equal(r->reply.inflight.queue_size, 8);
	assert_true(r->reply.inflight.mmap_size >= 2 * kc_inflight_bytes(8));
	r->map = mmap(NULL, r->reply.inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      r->reply.handles[0].fd, 0);
	assert_ptr_not_equal(r->map, MAP_FAILED);
}

static void end(struct fx *f, struct regions *r)
{
	munmap(r->map, r->reply.inflight.mmap_size);
	kc_msg_fini(&r->reply);
	fx_close(f);
}

static struct kc_inflight_split *region(const struct regions *r, unsigned qi)
{
	return (void *)(r->map + r->reply.inflight.mmap_size / 2 * qi);
}

/* Heads 0, 2, 4: 4 bytes copied. */
static void offer(struct fx *f, unsigned qi, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fx_desc(f, qi, 2 * i, BUFS + 64 * i, 4, NEXT, (uint16_t)(2 * i + 1));
		fx_desc(f, qi, 2 * i + 1, BUFS + 64 * i + 32, 4, RW, 0);
		fx_offer(f, qi, (uint16_t)(2 * i));
	}
}

static void after_each_step_it_is_consistent(void **state)
{
	struct kc_inflight_split *s;
	struct regions r;
	struct fx f;

	(void)state;
	begin(&f, &r);
	assert_int_equal(set(&f, &r), KC_REF_DONE);
	fx_start(&f, 1, 8, 65535);
	s = region(&r, 1);
	assert_int_equal(s->version, 1);
	assert_int_equal(s->desc_num, 8);
	assert_int_equal(s->used_idx, 65535);
	offer(&f, 1, 3);
	fx_kick(&f, 1);
	for (uint16_t n = 0; kc_ref_step(f.ref); n++) {
		assert_int_equal(s->used_idx, fx_used_idx(&f, 1));
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(s->desc[i].inflight, 0);
	}
	assert_int_equal(s->used_idx, 2);
	assert_int_equal(s->last_batch_head, 4);
	assert_true(s->desc[0].counter < s->desc[2].counter && s->desc[2].counter < s->desc[4].counter);
	assert_int_equal(region(&r, 0)->version, 0);
	end(&f, &r);
}

static void resubmitted_by_counter_before_what_is_new(void **state)
{
	struct kc_inflight_split *s;
	struct regions r;
	struct fx f;

	(void)state;
	begin(&f, &r);
	s = region(&r, 0);
	s->version = 1;
	s->desc_num = 8;
	s->desc[0].inflight = s->desc[2].inflight = 1;
	s->desc[0].counter = 9;
	s->desc[2].counter = 7;
	assert_int_equal(set(&f, &r), KC_REF_DONE);
	fx_set_up(&f, 0, 8, 0);
	offer(&f, 0, 3);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 3);
	fx_expect_used(&f, 0, 0, 2, 4);
	fx_expect_used(&f, 0, 1, 0, 4);
	fx_expect_used(&f, 0, 2, 4, 4);
	assert_int_equal(s->desc[4].counter, 10);
	assert_int_equal(fx_get_base(&f, 0), 3);
	end(&f, &r);
}

static void the_last_batch_is_done(void **state)
{
	struct kc_inflight_split *s;
	struct regions r;
	struct fx f;

	(void)state;
	begin(&f, &r);
	s = region(&r, 0);
	assert_int_equal(set(&f, &r), KC_REF_DONE);
	fx_start(&f, 0, 8, 0);
	offer(&f, 0, 2);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_get_base(&f, 0), 2);
	s->used_idx = 0;	/* a batch of two, and another one that was never used */
	s->desc[0].inflight = s->desc[2].inflight = s->desc[4].inflight = 1;
	s->desc[4].counter = 100;
	offer(&f, 0, 3);
	f.q[0].avail_idx = 3;
	fx_set_avail_idx(&f, 0, 3);
	kc_ring_store16(fx_host(&f, f.q[0].avail) + kc_avail_slot(2), 4, __ATOMIC_RELAXED);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 3);
	fx_expect_used(&f, 0, 2, 4, 4);
	assert_int_equal(s->used_idx, 3);
	assert_int_equal(s->desc[4].inflight, 0);
	end(&f, &r);
}

static void senseless_ones(void **state)
{
	struct regions r, bad;
	struct fx f;

	(void)state;
	begin(&f, &r);
	assert_int_equal(get(&f, 0, 8), KC_REF_CLOSE);
	assert_int_equal(get(&f, 1, 0), KC_REF_CLOSE);
	assert_int_equal(get(&f, 65, 8), KC_REF_CLOSE);
	bad = r;
	bad.reply.inflight.queue_size = 32768;
	assert_int_equal(set(&f, &bad), KC_REF_REFUSED);
	bad = r;
	bad.reply.inflight.mmap_offset = 1ull << 40;
	assert_int_equal(set(&f, &bad), KC_REF_REFUSED);
	bad = r;
	bad.reply.inflight.num_queues = 0;
	assert_int_equal(set(&f, &bad), KC_REF_REFUSED);
	assert_int_equal(set(&f, &r), KC_REF_DONE);
	/* larger than its region, and of a version that is to come */
	fx_set_up(&f, 0, 16, 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_REFUSED);
	region(&r, 0)->version = 2;
	fx_set_up(&f, 0, 8, 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_REFUSED);
	region(&r, 0)->version = 0;
	fx_start(&f, 0, 8, 0);
	assert_int_equal(set(&f, &r), KC_REF_REFUSED);	/* while it runs */
	end(&f, &r);
}

/* Whatever the region holds, nothing beyond it is touched, and no head beyond the ring is taken. */
static void garbage(void **state)
{
	struct kc_inflight_split *s;
	struct regions r;
	struct fx f;

	(void)state;
	begin(&f, &r);
	s = region(&r, 0);
	memset(s, 0xff, kc_inflight_bytes(8));
	s->version = 1;
	assert_int_equal(set(&f, &r), KC_REF_DONE);
	fx_start(&f, 0, 8, 0);
	fx_run(&f);
	assert_int_equal(region(&r, 1)->version, 0);
	end(&f, &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_each_step_it_is_consistent),
		cmocka_unit_test(resubmitted_by_counter_before_what_is_new),
		cmocka_unit_test(the_last_batch_is_done),
		cmocka_unit_test(senseless_ones),
		cmocka_unit_test(garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference's dirty log: which bits are set, in which file, and when. */
#include "ref_fixture.h"
#include <linux/vhost.h>

#define LOG_OFFSET	0x3000u		/* in its file */
#define LOG_BYTES	0x100u		/* 8 MiB of guest memory */
#define F_LOG		KC_BIT(VHOST_F_LOG_ALL)

struct log {
	int fd;
	uint8_t *file;
};

static void log_open(struct log *l)
{
	l->fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(l->fd >= 0);
	assert_int_equal(ftruncate(l->fd, 0x4000), 0);
	l->file = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
	assert_ptr_not_equal(l->file, MAP_FAILED);
}

static void log_close(struct log *l)
{
	munmap(l->file, 0x4000);
	close(l->fd);
}

static enum kc_ref_answer log_base(struct fx *f, const struct log *l, uint64_t size, uint64_t offset)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_LOG_BASE);
	m.log.size = size;
	m.log.offset = offset;
	if (l)
		m.handles[m.nhandles++] = kc_handle_dup((struct kc_handle){ .fd = l->fd });
	return fx_send(f, &m);
}

static bool marked(const struct log *l, uint64_t gpa)
{
	return l->file[LOG_OFFSET + gpa / 0x1000 / 8] >> gpa / 0x1000 % 8 & 1;
}

static unsigned count(const struct log *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 0x4000; i++)
		n += (unsigned)__builtin_popcount(l->file[i]);
	return n;
}

static void begin(struct fx *f, struct log *l, uint64_t features)
{
	fx_open(f, "loopback", features);
	assert_int_equal(fx_u64(f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_LOG_SHMFD)), KC_REF_DONE);
	log_open(l);
}

static void end(struct fx *f, struct log *l)
{
	fx_close(f);
	log_close(l);
}

/* 16 bytes copied into two buffers: 8 before a page border, 8 in another page. */
static void copy(struct fx *f)
{
	fx_desc(f, 0, 0, BUFS, 16, NEXT, 1);
	fx_desc(f, 0, 1, BUFS + 0x2ffc, 8, RW | NEXT, 2);
	fx_desc(f, 0, 2, BUFS + 0x8000, 8, RW, 0);
	fx_offer(f, 0, 0);
	fx_kick(f, 0);
	assert_int_equal(fx_run(f) > 0, 1);
}

static void buffers(void **state)
{
	struct fx f;
	struct log l;

	(void)state;
	begin(&f, &l, F_LOG);
	assert_int_equal(log_base(&f, &l, LOG_BYTES, LOG_OFFSET), KC_REF_REPLY);
	assert_int_equal(f.reply.u64, 0);
	fx_start(&f, 0, 8, 0);
	copy(&f);
	assert_true(marked(&l, BUFS + 0x2000) && marked(&l, BUFS + 0x3000) && marked(&l, BUFS + 0x8000));
	assert_int_equal(count(&l), 3);		/* neither readable ones nor the ring */
	end(&f, &l);
}

static void only_while_it_is_on(void **state)
{
	struct fx f;
	struct log l;

	(void)state;
	begin(&f, &l, 0);
	assert_int_equal(log_base(&f, &l, LOG_BYTES, LOG_OFFSET), KC_REF_REPLY);
	fx_start(&f, 0, 8, 0);
	copy(&f);
	assert_int_equal(count(&l), 0);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_LOG), KC_REF_DONE);
	copy(&f);
	assert_int_equal(count(&l), 3);
	memset(l.file, 0, 0x4000);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1), KC_REF_DONE);
	copy(&f);
	assert_int_equal(count(&l), 0);
	assert_int_equal(fx_used_idx(&f, 0), 3);
	end(&f, &l);
}

static enum kc_ref_answer ring_log(struct fx *f, uint32_t flags, uint64_t gpa)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_VRING_ADDR);
	m.addr.flags = flags;
	m.addr.desc = fx_uva(f->q[0].desc);
	m.addr.avail = fx_uva(f->q[0].avail);
	m.addr.used = fx_uva(f->q[0].used);
	m.addr.log = gpa;
	return fx_send(f, &m);
}

static void the_used_ring(void **state)
{
	struct fx f;
	struct log l;

	(void)state;
	begin(&f, &l, 0);
	assert_int_equal(log_base(&f, &l, LOG_BYTES, LOG_OFFSET), KC_REF_REPLY);
	fx_start(&f, 0, 8, 0);
	/* the entry lies behind the page border, the rest of what is written before it */
	assert_int_equal(ring_log(&f, 1, 0x600000 - 4), KC_REF_DONE);
	copy(&f);
	assert_true(marked(&l, 0x5ff000) && marked(&l, 0x600000));
	assert_int_equal(count(&l), 2);
	memset(l.file, 0, 0x4000);
	assert_int_equal(ring_log(&f, 0, 0x600000), KC_REF_DONE);
	copy(&f);
	assert_int_equal(count(&l), 0);
	assert_int_equal(ring_log(&f, 2, 0), KC_REF_REFUSED);
	end(&f, &l);
}

static void another_log(void **state)
{
	struct fx f;
	struct log l, other;

	(void)state;
	begin(&f, &l, F_LOG);
	log_open(&other);
	fx_start(&f, 0, 8, 0);
	copy(&f);		/* there is none yet */
	assert_int_equal(log_base(&f, &l, LOG_BYTES, LOG_OFFSET), KC_REF_REPLY);
	assert_int_equal(log_base(&f, &other, LOG_BYTES, LOG_OFFSET), KC_REF_REPLY);
	copy(&f);
	assert_int_equal(count(&l), 0);
	assert_int_equal(count(&other), 3);
	log_close(&other);
	end(&f, &l);
}

static void senseless_ones(void **state)
{
	struct fx f;
	struct log l;

	(void)state;
	begin(&f, &l, F_LOG);
	/* no other answer is possible: the connection ends */
	assert_int_equal(log_base(&f, NULL, LOG_BYTES, LOG_OFFSET), KC_REF_CLOSE);
	assert_int_equal(log_base(&f, &l, 0, LOG_OFFSET), KC_REF_CLOSE);
	assert_int_equal(log_base(&f, &l, 0x1001, LOG_OFFSET), KC_REF_CLOSE);
	assert_int_equal(log_base(&f, &l, LOG_BYTES, UINT64_MAX), KC_REF_CLOSE);
	/* pages beyond its end have no bit */
	assert_int_equal(log_base(&f, &l, BUFS / 0x1000 / 8 + 1, LOG_OFFSET), KC_REF_REPLY);
	fx_start(&f, 0, 8, 0);
	copy(&f);
	assert_int_equal(count(&l), 2);
	assert_false(marked(&l, BUFS + 0x8000));
	end(&f, &l);
}

static void an_eventfd(void **state)
{
	struct kc_evfd *e = kc_evfd_new_sim();
	struct kc_msg m;
	struct fx f;
	struct log l;

	(void)state;
	begin(&f, &l, F_LOG);
	assert_int_equal(log_base(&f, &l, LOG_BYTES, LOG_OFFSET), KC_REF_REPLY);
	kc_msg_init(&m, KC_VU_SET_LOG_FD);
	m.handles[m.nhandles++] = kc_handle_dup(kc_evfd_handle(e));
	assert_int_equal(fx_send(&f, &m), KC_REF_DONE);
	assert_int_equal(fx_plain(&f, KC_VU_SET_LOG_FD), KC_REF_REFUSED);
	fx_start(&f, 0, 8, 0);
	assert_int_equal(fx_count(e), 0);
	copy(&f);
	assert_true(fx_count(e) > 0);
	end(&f, &l);
	assert_true(kc_evfd_is_last(e));
	kc_evfd_unref(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers),
		cmocka_unit_test(only_while_it_is_on),
		cmocka_unit_test(the_used_ring),
		cmocka_unit_test(another_log),
		cmocka_unit_test(senseless_ones),
		cmocka_unit_test(an_eventfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

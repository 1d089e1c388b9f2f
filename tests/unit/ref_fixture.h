/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_REF_FIXTURE_H
#define TESTS_UNIT_REF_FIXTURE_H

/*
 * A guest for the unit tests of the reference back-end: memory, ring pens without any rule, and one
 * function per kind of request. It uses ring.h's layouts and nothing of guest_model/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <backend/reference/ref.h>
#include <kickcall/message.h>
#include <kickcall/ring.h>

#define FILE_BYTES	0x400000u
#define NREGIONS	3
#define BUFS		0x280000ull	/* gpa of the buffers, in region 0 */
#define BORDER		0x410000ull	/* gpa where regions 1 and 2 touch */
#define MEM_END		0x420000ull	/* gpa of the first byte behind region 2 */
#define NQUEUES		4
#define NRINGS		5	/* that a test may have; one more than the devices here by default */
#define RW		VRING_DESC_F_WRITE
#define NEXT		VRING_DESC_F_NEXT
#define IND		VRING_DESC_F_INDIRECT
#define F_V1		KC_BIT(VIRTIO_F_VERSION_1)
#define F_PF		KC_BIT(KC_VU_F_PROTOCOL_FEATURES)
#define F_IND		KC_BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVT		KC_BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_PACKED	KC_BIT(VIRTIO_F_RING_PACKED)
#define F_IN_ORDER	KC_BIT(VIRTIO_F_IN_ORDER)
#define F_EMPTY		KC_BIT(VIRTIO_F_NOTIFY_ON_EMPTY)
/* What every device offers; 38 is NOTIFICATION_DATA, 40 RING_RESET. */
#define F_COMMON	(F_V1 | F_PF | F_IND | F_EVT | F_PACKED | F_IN_ORDER | F_EMPTY | \
			 KC_BIT(VIRTIO_F_ANY_LAYOUT) | KC_BIT(VHOST_F_LOG_ALL) | KC_BIT(38) | KC_BIT(40))

/* Adjacent in guest memory, far apart in the file and in the front-end's addresses. */
static const struct kc_vu_region fx_regions[NREGIONS] = {
	{ 0x100000, 0x200000, 0x7f1000100000, 0x1000 },
	{ 0x400000, 0x010000, 0x7f2000000000, 0x300000 },
	{ 0x410000, 0x010000, 0x7f0000000000, 0x280000 },
};

struct fx_ring {
	uint32_t size;
	uint64_t desc, avail, used;	/* gpa */
	uint16_t avail_idx;
	struct kc_evfd *kick, *call, *err;
};

struct fx {
	struct kc_ref *ref;
	int memfd;
	uint8_t *file;
	struct fx_ring q[NRINGS];
	struct kc_err err;
	struct kc_msg reply;
};

static inline uint8_t *fx_host(struct fx *f, uint64_t gpa)
{
	for (int i = 0; i < NREGIONS; i++)
		if (gpa - fx_regions[i].gpa < fx_regions[i].size)
			return f->file + fx_regions[i].mmap_offset + (gpa - fx_regions[i].gpa);
	fail_msg("test uses gpa 0x%llx", (unsigned long long)gpa);
	return NULL;
}

static inline uint64_t fx_uva(uint64_t gpa)
{
	for (int i = 0; i < NREGIONS; i++)
		if (gpa - fx_regions[i].gpa < fx_regions[i].size)
			return fx_regions[i].uva + (gpa - fx_regions[i].gpa);
	return 0;
}

/* ---- requests ---- */

static inline enum kc_ref_answer fx_send(struct fx *f, struct kc_msg *m)
{
	enum kc_ref_answer a = kc_ref_request(f->ref, m, &f->reply, &f->err);

	kc_msg_fini(m);
	return a;
}

static inline enum kc_ref_answer fx_plain(struct fx *f, uint32_t id)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	return fx_send(f, &m);
}

static inline enum kc_ref_answer fx_u64(struct fx *f, uint32_t id, uint64_t v)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.u64 = v;
	return fx_send(f, &m);
}

static inline uint64_t fx_get_u64(struct fx *f, uint32_t id)
{
	assert_int_equal(fx_plain(f, id), KC_REF_REPLY);
	assert_int_equal(f->reply.payload, KC_PL_U64);
	return f->reply.u64;
}

static inline enum kc_ref_answer fx_state(struct fx *f, uint32_t id, uint32_t index, uint32_t num)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.state.index = index;
	m.state.num = num;
	return fx_send(f, &m);
}

/* KICK, CALL, ERR; e NULL: bit 8. */
static inline enum kc_ref_answer fx_evfd(struct fx *f, uint32_t id, uint32_t qi, struct kc_evfd *e)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.u64 = qi | (e ? 0 : KC_VU_NOFD);
	if (e)
		m.handles[m.nhandles++] = kc_handle_dup(kc_evfd_handle(e));
	return fx_send(f, &m);
}

static inline enum kc_ref_answer fx_addr_uva(struct fx *f, uint32_t qi, uint32_t flags,
					     uint64_t desc, uint64_t avail, uint64_t used)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_VRING_ADDR);
	m.addr.index = qi;
	m.addr.flags = flags;
	m.addr.desc = desc;
	m.addr.avail = avail;
	m.addr.used = used;
	return fx_send(f, &m);
}

static inline enum kc_ref_answer fx_addr(struct fx *f, unsigned qi)
{
	return fx_addr_uva(f, qi, 0, fx_uva(f->q[qi].desc), fx_uva(f->q[qi].avail),
			   fx_uva(f->q[qi].used));
}

static inline enum kc_ref_answer fx_mem_table(struct fx *f, const struct kc_vu_region *r,
					      unsigned n, unsigned nfds)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_MEM_TABLE);
	m.mem.nregions = n;
	for (unsigned i = 0; i < n && i < KC_VU_MEM_REGIONS_MAX; i++)
		m.mem.regions[i] = r[i];
	for (; m.nhandles < nfds && m.nhandles < KC_VU_FDS_MAX; m.nhandles++)
		m.handles[m.nhandles] = kc_handle_dup((struct kc_handle){ .fd = f->memfd });
	return fx_send(f, &m);
}

static inline uint16_t fx_get_base(struct fx *f, uint32_t qi)
{
	assert_int_equal(fx_state(f, KC_VU_GET_VRING_BASE, qi, 0), KC_REF_REPLY);
	assert_int_equal(f->reply.payload, KC_PL_STATE);
	assert_int_equal(f->reply.state.index, qi);
	return (uint16_t)f->reply.state.num;
}

/* ---- life ---- */

static inline void fx_open_config(struct fx *f, const struct kc_ref_config *c)
{
	memset(f, 0, sizeof(*f));
	f->memfd = memfd_create("guest", MFD_CLOEXEC);
	assert_true(f->memfd >= 0);
	assert_int_equal(ftruncate(f->memfd, FILE_BYTES), 0);
	f->file = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	assert_ptr_not_equal(f->file, MAP_FAILED);
	f->ref = kc_ref_new(c, &f->err);
	if (!f->ref)
		fail_msg("%s", f->err.msg);
}

static inline void fx_open(struct fx *f, const char *device, uint64_t features)
{
	struct kc_ref_config c = { .device = device, .queues = NQUEUES, .capacity = 64 * 1024 };

	fx_open_config(f, &c);
	assert_int_equal(fx_plain(f, KC_VU_SET_OWNER), KC_REF_DONE);
	assert_int_equal(fx_u64(f, KC_VU_SET_FEATURES, features | F_V1), KC_REF_DONE);
	assert_int_equal(fx_mem_table(f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
}

static inline void fx_close(struct fx *f)
{
	kc_ref_free(f->ref);
	for (unsigned qi = 0; qi < NRINGS; qi++) {
		kc_evfd_unref(f->q[qi].kick);
		kc_evfd_unref(f->q[qi].call);
		kc_evfd_unref(f->q[qi].err);
	}
	munmap(f->file, FILE_BYTES);
	close(f->memfd);
}

/* Everything but the kick: size, base, addresses, call, err; both ring indices at `from`. */
static inline void fx_set_up(struct fx *f, unsigned qi, uint32_t size, uint16_t from)
{
	struct fx_ring *q = &f->q[qi];

	q->size = size;
	q->avail_idx = from;
	q->desc = fx_regions[0].gpa + (size > 1024 ? 0x80000 : qi * 0x20000ull);
	q->avail = q->desc + kc_desc_bytes(size);
	q->used = (q->avail + kc_avail_bytes(size) + 3) & ~3ull;
	assert_true(q->used + kc_used_bytes(size) <= BUFS);
	memset(fx_host(f, q->desc), 0, q->used + kc_used_bytes(size) - q->desc);
	kc_ring_store16(fx_host(f, q->avail) + KC_AVAIL_IDX, from, __ATOMIC_RELAXED);
	kc_ring_store16(fx_host(f, q->used) + KC_USED_IDX, from, __ATOMIC_RELAXED);
	if (!q->kick) {
		q->kick = kc_evfd_new_sim();
		q->call = kc_evfd_new_sim();
		q->err = kc_evfd_new_sim();
	}
	assert_int_equal(fx_state(f, KC_VU_SET_VRING_NUM, qi, size), KC_REF_DONE);
	assert_int_equal(fx_state(f, KC_VU_SET_VRING_BASE, qi, from), KC_REF_DONE);
	assert_int_equal(fx_addr(f, qi), KC_REF_DONE);
	assert_int_equal(fx_evfd(f, KC_VU_SET_VRING_CALL, qi, q->call), KC_REF_DONE);
	assert_int_equal(fx_evfd(f, KC_VU_SET_VRING_ERR, qi, q->err), KC_REF_DONE);
}

static inline void fx_start(struct fx *f, unsigned qi, uint32_t size, uint16_t from)
{
	fx_set_up(f, qi, size, from);
	assert_int_equal(fx_evfd(f, KC_VU_SET_VRING_KICK, qi, f->q[qi].kick), KC_REF_DONE);
}

/* Steps until idle; returns how many. A back-end that never comes to rest fails. */
static inline int fx_run(struct fx *f)
{
	int n = 0;

	while (kc_ref_step(f->ref))
		if (++n > 200000)
			fail_msg("the back-end never comes to rest");
	return n;
}

/* ---- the pen ---- */

static inline void fx_desc_at(struct fx *f, uint64_t gpa, uint64_t addr, uint32_t len,
			      uint16_t flags, uint16_t next)
{
	uint8_t raw[16];

	kc_desc_encode(raw, (struct kc_desc){ addr, len, flags, next });
	for (int i = 0; i < 16; i++)	/* a table may cross the border */
		*fx_host(f, gpa + i) = raw[i];
}

static inline void fx_desc(struct fx *f, unsigned qi, uint32_t i, uint64_t addr, uint32_t len,
			   uint16_t flags, uint16_t next)
{
	fx_desc_at(f, f->q[qi].desc + 16ull * i, addr, len, flags, next);
}

static inline void fx_set_avail_idx(struct fx *f, unsigned qi, uint16_t idx)
{
	kc_ring_store16(fx_host(f, f->q[qi].avail) + KC_AVAIL_IDX, idx, __ATOMIC_RELEASE);
}

static inline void fx_offer(struct fx *f, unsigned qi, uint16_t head)
{
	struct fx_ring *q = &f->q[qi];

	kc_ring_store16(fx_host(f, q->avail) + kc_avail_slot(q->avail_idx & (q->size - 1)), head,
			__ATOMIC_RELAXED);
	fx_set_avail_idx(f, qi, ++q->avail_idx);
}

static inline void fx_kick(struct fx *f, unsigned qi)
{
	assert_int_equal(kc_evfd_signal(f->q[qi].kick, 1), 0);
}

static inline uint16_t fx_used_idx(struct fx *f, unsigned qi)
{
	return kc_ring_load16(fx_host(f, f->q[qi].used) + KC_USED_IDX, __ATOMIC_ACQUIRE);
}

static inline uint16_t fx_used_flags(struct fx *f, unsigned qi)
{
	return kc_ring_load16(fx_host(f, f->q[qi].used) + KC_USED_FLAGS, __ATOMIC_RELAXED);
}

static inline uint16_t fx_avail_event(struct fx *f, unsigned qi)
{
	return kc_ring_load16(fx_host(f, f->q[qi].used) + kc_used_avail_event(f->q[qi].size),
			      __ATOMIC_RELAXED);
}

static inline void fx_set_used_event(struct fx *f, unsigned qi, uint16_t event)
{
	kc_ring_store16(fx_host(f, f->q[qi].avail) + kc_avail_used_event(f->q[qi].size), event,
			__ATOMIC_RELAXED);
}

static inline void fx_set_avail_flags(struct fx *f, unsigned qi, uint16_t flags)
{
	kc_ring_store16(fx_host(f, f->q[qi].avail) + KC_AVAIL_FLAGS, flags, __ATOMIC_RELAXED);
}

static inline void fx_expect_used(struct fx *f, unsigned qi, uint16_t idx, uint32_t id,
				  uint32_t len)
{
	struct fx_ring *q = &f->q[qi];
	uint8_t *e = fx_host(f, q->used) + kc_used_slot(idx & (q->size - 1));

	assert_int_equal(kc_ring_load32(e, __ATOMIC_RELAXED), id);
	assert_int_equal(kc_ring_load32(e + 4, __ATOMIC_RELAXED), len);
}

/* Takes and returns the count of an eventfd. */
static inline unsigned fx_count(struct kc_evfd *e)
{
	uint64_t n = 0;

	return kc_evfd_read(e, &n) ? 0 : (unsigned)n;
}

#endif

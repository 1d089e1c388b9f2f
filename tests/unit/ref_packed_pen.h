/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_REF_PACKED_PEN_H
#define TESTS_UNIT_REF_PACKED_PEN_H

/*
 * A driver's pen for the packed rings of the reference back-end. It marks what it writes as
 * available on its lap and keeps no other rule. A ring's parts lie in fx.q[qi]: desc is the ring,
 * avail the driver area, used the device area.
 */
#include <tests/unit/ref_fixture.h>

struct pen {
	struct fx *f;
	unsigned qi;
	uint32_t size;
	uint16_t slot;			/* next to make available */
	bool wrap;
	uint16_t used_slot;		/* next to be used */
	bool used_wrap;
};

static inline uint16_t place_code(uint16_t slot, bool wrap)
{
	return (uint16_t)(slot | (wrap ? 0x8000 : 0));
}

static inline uint32_t base_code(uint16_t slot, bool wrap, uint16_t used_slot, bool used_wrap)
{
	return (uint32_t)place_code(used_slot, used_wrap) << 16 | place_code(slot, wrap);
}

static inline uint32_t get_packed_base(struct fx *f, unsigned qi)
{
	fx_get_base(f, qi);
	return f->reply.state.num;
}

static inline void pen_go(uint16_t *slot, bool *wrap, uint32_t n, uint32_t size)
{
	for (; n; n--) {
		if (++*slot == size) {
			*slot = 0;
			*wrap = !*wrap;
		}
	}
}

/* Everything but the kick; both sides begin at slot, on the lap of this wrap counter. */
static inline void pen_set_up(struct pen *p, struct fx *f, unsigned qi, uint32_t size,
			      uint16_t slot, bool wrap)
{
	struct fx_ring *q = &f->q[qi];

	*p = (struct pen){ f, qi, size, slot, wrap, slot, wrap };
	q->size = size;
	q->desc = fx_regions[0].gpa + (size > 1024 ? 0x80000 : qi * 0x20000ull);
	q->avail = q->desc + kc_pdesc_bytes(size);
	q->used = q->avail + KC_EVENT_BYTES;
	memset(fx_host(f, q->desc), 0, q->used + KC_EVENT_BYTES - q->desc);
	if (!q->kick) {
		q->kick = kc_evfd_new_sim();
		q->call = kc_evfd_new_sim();
		q->err = kc_evfd_new_sim();
	}
	assert_int_equal(fx_state(f, KC_VU_SET_VRING_NUM, qi, size), KC_REF_DONE);
	assert_int_equal(fx_state(f, KC_VU_SET_VRING_BASE, qi, base_code(slot, wrap, slot, wrap)),
			 KC_REF_DONE);
	assert_int_equal(fx_addr(f, qi), KC_REF_DONE);
	assert_int_equal(fx_evfd(f, KC_VU_SET_VRING_CALL, qi, q->call), KC_REF_DONE);
	assert_int_equal(fx_evfd(f, KC_VU_SET_VRING_ERR, qi, q->err), KC_REF_DONE);
}

static inline void pen_start(struct pen *p, struct fx *f, unsigned qi, uint32_t size,
			     uint16_t slot, bool wrap)
{
	pen_set_up(p, f, qi, size, slot, wrap);
	assert_int_equal(fx_evfd(f, KC_VU_SET_VRING_KICK, qi, f->q[qi].kick), KC_REF_DONE);
}

static inline void pen_desc_at(struct fx *f, uint64_t gpa, struct kc_pdesc d)
{
	uint8_t raw[16];

	kc_pdesc_encode(raw, d);
	for (int i = 0; i < 16; i++)	/* a table may cross the border */
		*fx_host(f, gpa + i) = raw[i];
}

static inline struct kc_pdesc pen_read(const struct pen *p, uint16_t slot)
{
	return kc_pdesc_read(fx_host(p->f, p->f->q[p->qi].desc + 16ull * slot));
}

static inline uint16_t pen_available(const struct pen *p)
{
	return p->wrap ? KC_PDESC_F_AVAIL : KC_PDESC_F_USED;
}

/* The next descriptor, available at once. */
static inline void pen_put(struct pen *p, uint64_t addr, uint32_t len, uint16_t flags, uint16_t id)
{
	pen_desc_at(p->f, p->f->q[p->qi].desc + 16ull * p->slot,
		    (struct kc_pdesc){ addr, len, id, flags | pen_available(p) });
	pen_go(&p->slot, &p->wrap, 1, p->size);
}

/* n slots: all but the last readable, with 4 bytes and a senseless id; the last writable, with
 * len bytes. */
static inline void pen_list(struct pen *p, uint32_t n, uint32_t len, uint16_t id)
{
	for (uint32_t i = 0; i + 1 < n; i++)
		pen_put(p, BUFS + 64 * i, 4, NEXT, 0xbad0 + i);
	pen_put(p, BUFS + 0x8000 + 64 * id, len, RW, id);
}

/* The next used descriptor; it stands for n slots. */
static inline void pen_expect_used(struct pen *p, uint32_t n, uint16_t id, uint32_t len)
{
	struct kc_pdesc d = pen_read(p, p->used_slot);

	assert_int_equal(d.flags, (p->used_wrap ? KC_PDESC_F_AVAIL | KC_PDESC_F_USED : 0) |
				  (len ? VRING_DESC_F_WRITE : 0));
	assert_int_equal(d.id, id);
	assert_int_equal(d.len, len);
	pen_go(&p->used_slot, &p->used_wrap, n, p->size);
}

static inline bool pen_is_used(const struct pen *p)
{
	uint16_t flags = pen_read(p, p->used_slot).flags;

	return !!(flags & KC_PDESC_F_AVAIL) == p->used_wrap &&
	       !!(flags & KC_PDESC_F_USED) == p->used_wrap;
}

static inline void pen_wish(struct pen *p, uint16_t off_wrap, uint16_t flags)
{
	kc_event_store(fx_host(p->f, p->f->q[p->qi].avail),
		       (struct kc_event_area){ off_wrap, flags }, __ATOMIC_RELAXED);
}

static inline void pen_expect_device(const struct pen *p, uint16_t off_wrap, uint16_t flags)
{
	struct kc_event_area e = kc_event_load(fx_host(p->f, p->f->q[p->qi].used),
					       __ATOMIC_RELAXED);

	assert_int_equal(e.flags, flags);
	assert_int_equal(e.off_wrap, off_wrap);
}

#endif

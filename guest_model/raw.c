/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile driver's pen.
 *
 * Theory of operation: every function is one store to one field and its announcement to the
 * memory's watcher (a packed descriptor is two, its flags last). Ring fields are stored with
 * release, so that what a script wrote before is seen before; the driver's own books (struct
 * kc_split, struct kc_packed) keep believing what they believed, but for the two functions that
 * offer a chain: these go through them, so that proper requests can follow.
 */
#include <errno.h>
#include <guest_model/raw.h>

static int put16(struct kc_split *vq, void *part, uint64_t part_gpa, uint64_t offset, uint16_t v)
{
	uint16_t le = htole16(v);

	kc_ring_store16((uint8_t *)part + offset, v, __ATOMIC_RELEASE);
	kc_mem_wrote(vq->mem, part_gpa + offset, &le, sizeof(le));
	return 0;
}

static int put_avail(struct kc_split *vq, uint64_t offset, uint16_t v)
{
	return put16(vq, vq->avail_host, vq->avail, offset, v);
}

static int put_used(struct kc_split *vq, uint64_t offset, uint16_t v)
{
	return put16(vq, vq->used_host, vq->used, offset, v);
}

static void put_used32(struct kc_split *vq, uint64_t offset, uint32_t v)
{
	uint32_t le = htole32(v);

	kc_ring_store32((uint8_t *)vq->used_host + offset, v, __ATOMIC_RELEASE);
	kc_mem_wrote(vq->mem, vq->used + offset, &le, sizeof(le));
}

int kc_raw_desc_at(struct kc_mem *m, uint64_t table_gpa, uint32_t i, struct kc_desc d)
{
	uint8_t bytes[sizeof(struct vring_desc)];

	kc_desc_encode(bytes, d);
	return kc_mem_write(m, table_gpa + (uint64_t)i * sizeof(bytes), bytes, sizeof(bytes));
}

int kc_raw_desc(struct kc_split *vq, uint32_t i, struct kc_desc d)
{
	return i < vq->size ? kc_raw_desc_at(vq->mem, vq->desc, i, d) : -EINVAL;
}

int kc_raw_avail_idx(struct kc_split *vq, uint16_t idx)
{
	return put_avail(vq, KC_AVAIL_IDX, idx);
}

int kc_raw_avail_flags(struct kc_split *vq, uint16_t flags)
{
	return put_avail(vq, KC_AVAIL_FLAGS, flags);
}

int kc_raw_avail_ring(struct kc_split *vq, uint32_t slot, uint16_t head)
{
	return slot < vq->size ? put_avail(vq, kc_avail_slot(slot), head) : -EINVAL;
}

int kc_raw_used_event(struct kc_split *vq, uint16_t event)
{
	return put_avail(vq, kc_avail_used_event(vq->size), event);
}

int kc_raw_used_idx(struct kc_split *vq, uint16_t idx)
{
	return put_used(vq, KC_USED_IDX, idx);
}

int kc_raw_used_flags(struct kc_split *vq, uint16_t flags)
{
	return put_used(vq, KC_USED_FLAGS, flags);
}

int kc_raw_avail_event(struct kc_split *vq, uint16_t event)
{
	return put_used(vq, kc_used_avail_event(vq->size), event);
}

int kc_raw_used_ring(struct kc_split *vq, uint32_t slot, uint32_t id, uint32_t len)
{
	if (slot >= vq->size)
		return -EINVAL;
	put_used32(vq, kc_used_slot(slot), id);
	put_used32(vq, kc_used_slot(slot) + 4, len);
	return 0;
}

int kc_raw_offer(struct kc_split *vq, uint16_t head)
{
	kc_split_by_hand(vq, head);
	kc_split_publish(vq);
	return 0;
}

/* --- Packed ----------------------------------------------------------------------------------- */

int kc_raw_pdesc_at(struct kc_mem *m, uint64_t table_gpa, uint32_t i, struct kc_pdesc d)
{
	uint8_t bytes[sizeof(struct vring_packed_desc)];

	kc_pdesc_encode(bytes, d);
	return kc_mem_write(m, table_gpa + (uint64_t)i * sizeof(bytes), bytes, sizeof(bytes));
}

int kc_raw_pdesc(struct kc_packed *vq, uint32_t slot, struct kc_pdesc d)
{
	uint64_t offset = kc_pdesc_bytes(slot);
	uint8_t bytes[sizeof(struct vring_packed_desc)];
	uint16_t le = htole16(d.flags);
	int ret;

	if (slot >= vq->size)
		return -EINVAL;
	kc_pdesc_encode(bytes, d);
	ret = kc_mem_write(vq->mem, vq->desc + offset, bytes, KC_PDESC_FLAGS);
	if (ret)
		return ret;
	offset += KC_PDESC_FLAGS;
	kc_ring_store16((uint8_t *)vq->desc_host + offset, d.flags, __ATOMIC_RELEASE);
	kc_mem_wrote(vq->mem, vq->desc + offset, &le, sizeof(le));
	return 0;
}

static int put_event(struct kc_packed *vq, void *area, uint64_t gpa, struct kc_event_area e)
{
	uint32_t le = htole32((uint32_t)e.flags << 16 | e.off_wrap);

	kc_event_store(area, e, __ATOMIC_RELEASE);
	kc_mem_wrote(vq->mem, gpa, &le, sizeof(le));
	return 0;
}

int kc_raw_event(struct kc_packed *vq, struct kc_event_area e)
{
	return put_event(vq, vq->driver_host, vq->driver, e);
}

int kc_raw_device_event(struct kc_packed *vq, struct kc_event_area e)
{
	return put_event(vq, vq->device_host, vq->device, e);
}

int kc_raw_poffer(struct kc_packed *vq, uint32_t n)
{
	int ret = kc_packed_by_hand(vq, n);

	if (!ret)
		kc_packed_publish(vq);
	return ret;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KICKCALL_RING_H
#define KICKCALL_RING_H

#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <linux/virtio_ring.h>

/*
 * Split and packed virtqueues: where each field lies, and the only way to touch shared ring memory.
 *
 * Driver, back-end and oracle share this header and nothing else about rings: layouts and accessors,
 * never an algorithm. Fields are little-endian (VERSION_1). Pointers are host addresses inside a
 * mapping of guest memory; callers have checked that they lie inside it.
 *
 * The accessors are plain C11 atomics with the order spelled out at the call. Barrier pairs carry
 * the same letter in a comment on both sides. In a split ring:
 *   (A) driver publishes avail idx (release)        <-> device reads avail idx (acquire)
 *   (B) device publishes used idx (release)         <-> driver reads used idx (acquire)
 *   (C) driver: store avail idx, fence, load used.flags / avail_event
 *       device: store avail_event / used.flags, fence, load avail idx
 *   (D) device: store used idx, fence, load avail.flags / used_event
 *       driver: store used_event / avail.flags, fence, load used idx
 * In a packed ring the same four, with a descriptor's flags in place of either idx, the device area
 * in place of used.flags and avail_event, the driver area in place of avail.flags and used_event.
 */

/* --- Split -------------------------------------------------------------------------------------- */

#define KC_SPLIT_SIZE_MAX	32768u

/* Sizes in bytes and alignments of the three parts (VQ-SPLIT-LAYOUT-01); the event fields are counted. */
#define KC_DESC_ALIGN		16u
#define KC_AVAIL_ALIGN		2u
#define KC_USED_ALIGN		4u
static inline uint64_t kc_desc_bytes(uint32_t size) { return 16ull * size; }
static inline uint64_t kc_avail_bytes(uint32_t size) { return 6ull + 2ull * size; }
static inline uint64_t kc_used_bytes(uint32_t size) { return 6ull + 8ull * size; }

/* Byte offsets inside the available ring (driver area) and the used ring (device area). */
#define KC_AVAIL_FLAGS		0u
#define KC_AVAIL_IDX		2u
static inline uint64_t kc_avail_slot(uint32_t slot) { return 4ull + 2ull * slot; }
static inline uint64_t kc_avail_used_event(uint32_t size) { return 4ull + 2ull * size; }
#define KC_USED_FLAGS		0u
#define KC_USED_IDX		2u
static inline uint64_t kc_used_slot(uint32_t slot) { return 4ull + 8ull * slot; }
static inline uint64_t kc_used_avail_event(uint32_t size) { return 4ull + 8ull * size; }

static inline uint16_t kc_ring_load16(const void *p, int order)
{
	return le16toh(__atomic_load_n((const uint16_t *)p, order));
}

static inline uint32_t kc_ring_load32(const void *p, int order)
{
	return le32toh(__atomic_load_n((const uint32_t *)p, order));
}

static inline void kc_ring_store16(void *p, uint16_t v, int order)
{
	__atomic_store_n((uint16_t *)p, htole16(v), order);
}

static inline void kc_ring_store32(void *p, uint32_t v, int order)
{
	__atomic_store_n((uint32_t *)p, htole32(v), order);
}

/* Full barrier: pairs (C) and (D). */
static inline void kc_ring_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* A descriptor in host byte order. */
struct kc_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;		/* VRING_DESC_F_* */
	uint16_t next;
};

/* One copy of a descriptor, taken once: the source may be changing, and an indirect table may lie
 * at any alignment. */
static inline struct kc_desc kc_desc_read(const void *p)
{
	struct vring_desc d;

	memcpy(&d, p, sizeof(d));
	return (struct kc_desc){ le64toh(d.addr), le32toh(d.len), le16toh(d.flags), le16toh(d.next) };
}

static inline void kc_desc_encode(void *p, struct kc_desc d)
{
	struct vring_desc v = { htole64(d.addr), htole32(d.len), htole16(d.flags), htole16(d.next) };

	memcpy(p, &v, sizeof(v));
}

/* --- Packed ------------------------------------------------------------------------------------- */

#define KC_PACKED_SIZE_MAX	32768u

/* Sizes in bytes and alignments of the three areas (VQ-PACKED-LAYOUT-01). */
#define KC_PDESC_ALIGN		16u
#define KC_EVENT_ALIGN		4u
#define KC_EVENT_BYTES		4u	/* driver area and device area alike */
static inline uint64_t kc_pdesc_bytes(uint32_t size) { return 16ull * size; }

/* Byte offsets inside a packed descriptor and an event suppression area. */
#define KC_PDESC_LEN		8u
#define KC_PDESC_ID		12u
#define KC_PDESC_FLAGS		14u
#define KC_EVENT_OFF_WRAP	0u
#define KC_EVENT_FLAGS		2u

/* Flags of a packed descriptor beside VRING_DESC_F_*: the bits themselves. */
#define KC_PDESC_F_AVAIL	(1u << VRING_PACKED_DESC_F_AVAIL)
#define KC_PDESC_F_USED		(1u << VRING_PACKED_DESC_F_USED)
/* off_wrap: slot in bits 0 to 14, wrap counter in bit 15. */
#define KC_EVENT_WRAP		(1u << VRING_PACKED_EVENT_F_WRAP_CTR)

/* A packed descriptor in host byte order. */
struct kc_pdesc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;		/* VRING_DESC_F_*, KC_PDESC_F_* */
};

/* One copy, taken once; in a ring, flags have been read with acquire before. */
static inline struct kc_pdesc kc_pdesc_read(const void *p)
{
	struct vring_packed_desc d;

	memcpy(&d, p, sizeof(d));
	return (struct kc_pdesc){ le64toh(d.addr), le32toh(d.len), le16toh(d.id), le16toh(d.flags) };
}

static inline void kc_pdesc_encode(void *p, struct kc_pdesc d)
{
	struct vring_packed_desc v = { htole64(d.addr), htole32(d.len), htole16(d.id),
				       htole16(d.flags) };

	memcpy(p, &v, sizeof(v));
}

/* An event suppression area in host byte order; both fields travel in one access. */
struct kc_event_area {
	uint16_t off_wrap;
	uint16_t flags;		/* VRING_PACKED_EVENT_FLAG_* */
};

static inline struct kc_event_area kc_event_load(const void *area, int order)
{
	uint32_t v = kc_ring_load32(area, order);

	return (struct kc_event_area){ (uint16_t)v, (uint16_t)(v >> 16) };
}

static inline void kc_event_store(void *area, struct kc_event_area e, int order)
{
	kc_ring_store32(area, (uint32_t)e.flags << 16 | e.off_wrap, order);
}

#endif

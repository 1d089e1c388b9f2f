/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KICKCALL_MESSAGE_H
#define KICKCALL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <kickcall/evfd.h>

struct kc_err;

/*
 * The control plane's vocabulary: one row per request, used by encoder, decoder, printer and
 * coverage alike. Numbers are vhost-user's; a kernel back-end reaches the same rows by ioctl.
 */
enum kc_vu_request {
	KC_VU_GET_FEATURES = 1,
	KC_VU_SET_FEATURES,
	KC_VU_SET_OWNER,
	KC_VU_RESET_OWNER,
	KC_VU_SET_MEM_TABLE,
	KC_VU_SET_LOG_BASE,
	KC_VU_SET_LOG_FD,
	KC_VU_SET_VRING_NUM,
	KC_VU_SET_VRING_ADDR,
	KC_VU_SET_VRING_BASE,
	KC_VU_GET_VRING_BASE,
	KC_VU_SET_VRING_KICK,
	KC_VU_SET_VRING_CALL,
	KC_VU_SET_VRING_ERR,
	KC_VU_GET_PROTOCOL_FEATURES,
	KC_VU_SET_PROTOCOL_FEATURES,
	KC_VU_GET_QUEUE_NUM,
	KC_VU_SET_VRING_ENABLE,
	KC_VU_SEND_RARP,
	KC_VU_NET_SET_MTU,
	KC_VU_SET_BACKEND_REQ_FD,
	KC_VU_IOTLB_MSG,
	KC_VU_SET_VRING_ENDIAN,
	KC_VU_GET_CONFIG,
	KC_VU_SET_CONFIG,
	KC_VU_CREATE_CRYPTO_SESSION,
	KC_VU_CLOSE_CRYPTO_SESSION,
	KC_VU_POSTCOPY_ADVISE,
	KC_VU_POSTCOPY_LISTEN,
	KC_VU_POSTCOPY_END,
	KC_VU_GET_INFLIGHT_FD,
	KC_VU_SET_INFLIGHT_FD,
	KC_VU_GPU_SET_SOCKET,
	KC_VU_RESET_DEVICE,
	KC_VU_VRING_KICK,
	KC_VU_GET_MAX_MEM_SLOTS,
	KC_VU_ADD_MEM_REG,
	KC_VU_REM_MEM_REG,
	KC_VU_SET_STATUS,
	KC_VU_GET_STATUS,
	KC_VU_GET_SHARED_OBJECT,
	KC_VU_SET_DEVICE_STATE_FD,
	KC_VU_CHECK_DEVICE_STATE,
	KC_VU_GET_SHMEM_CONFIG,
	KC_VU_GET_VRING_BASE_SKIP_DRAIN,
	KC_VU_MAX
};

/* Bits of GET/SET_PROTOCOL_FEATURES (VU-PF-04); bit 30 of the device features says they exist. */
#define KC_VU_F_PROTOCOL_FEATURES	30
enum kc_vu_pf {
	KC_PF_MQ, KC_PF_LOG_SHMFD, KC_PF_RARP, KC_PF_REPLY_ACK, KC_PF_MTU, KC_PF_BACKEND_REQ,
	KC_PF_CROSS_ENDIAN, KC_PF_CRYPTO_SESSION, KC_PF_PAGEFAULT, KC_PF_CONFIG, KC_PF_BACKEND_SEND_FD,
	KC_PF_HOST_NOTIFIER, KC_PF_INFLIGHT_SHMFD, KC_PF_RESET_DEVICE, KC_PF_INBAND_NOTIFICATIONS,
	KC_PF_CONFIGURE_MEM_SLOTS, KC_PF_STATUS, KC_PF_XEN_MMAP, KC_PF_SHARED_OBJECT, KC_PF_DEVICE_STATE,
	KC_PF_GET_VRING_BASE_INFLIGHT, KC_PF_GPA_ADDRESSES, KC_PF_SHMEM, KC_PF_GET_VRING_BASE_SKIP_DRAIN,
	KC_PF_COUNT
};
#define KC_BIT(n)	(1ull << (n))

/* Header (VU-HDR-01, VU-HDR-02): three u32 in the byte order of the machine. */
#define KC_VU_HDR_BYTES		12u
#define KC_VU_VERSION		1u
#define KC_VU_VERSION_MASK	3u
#define KC_VU_REPLY		4u
#define KC_VU_NEED_REPLY	8u
#define KC_VU_PAYLOAD_MAX	4096u	/* bytes; larger than any payload the table knows */
#define KC_VU_FDS_MAX		8u
#define KC_VU_MEM_REGIONS_MAX	8u
#define KC_VU_CONFIG_MAX	256u	/* bytes of device configuration in one message */
#define KC_VU_RING_MASK		0xffull	/* bits of a KICK/CALL/ERR payload that hold the ring index */
#define KC_VU_NOFD		0x100ull

struct kc_vu_region {
	uint64_t gpa;
	uint64_t size;		/* bytes */
	uint64_t uva;		/* the front-end's user address of gpa */
	uint64_t mmap_offset;	/* bytes into the file */
};

/* Payload shapes. Field order, width and name are data (message.c), so that all tools agree. */
enum kc_payload {
	KC_PL_NONE,
	KC_PL_U64,
	KC_PL_STATE,		/* index, num */
	KC_PL_ADDR,		/* index, flags, desc, used, avail, log */
	KC_PL_MEM_TABLE,	/* nregions, padding, regions[] */
	KC_PL_MEM_REGION,	/* padding, one region */
	KC_PL_LOG,		/* size, offset */
	KC_PL_CONFIG,		/* offset, size, flags, data[size] */
	KC_PL_INFLIGHT,		/* mmap_size, mmap_offset, num_queues, queue_size */
	KC_PL_OPAQUE,		/* carried as bytes: kickcall has no use for its fields yet */
	KC_PL_COUNT
};

enum kc_fd_rule { KC_FD_NONE, KC_FD_ONE, KC_FD_RING, KC_FD_REGIONS, KC_FD_MAYBE };
/* KC_REPLY_OWN: always answered with `reply`, never acked besides (VU-REPLY-01, VU-MSG-REPLYACK-02).
 * KC_REPLY_ACK: a u64 only if REPLY_ACK is negotiated and need_reply is set (VU-MSG-REPLYACK-01). */
enum kc_reply_rule { KC_REPLY_ACK, KC_REPLY_OWN };

struct kc_msg_row {
	const char *name;		/* as the document spells it, without the VHOST_USER_ prefix */
	uint32_t id;
	unsigned long ioctl;		/* VHOST_*, 0 if the kernel has none */
	enum kc_payload request;
	enum kc_payload reply;		/* KC_REPLY_OWN only */
	enum kc_fd_rule fds;
	enum kc_reply_rule reply_rule;
	int gate;			/* enum kc_vu_pf that must be negotiated, or -1 */
};

/* NULL if the number or name is unknown. */
const struct kc_msg_row *kc_msg_row(uint32_t id);
const struct kc_msg_row *kc_msg_row_by_name(const char *name);
const char *kc_pf_name(unsigned bit);		/* "REPLY_ACK", or NULL */
int kc_pf_by_name(const char *name);		/* bit number, or -1 */

/*
 * One decoded message. Fields that its payload shape lacks are 0. `handles` belong to whoever holds
 * the message: kc_msg_fini closes those that nobody took.
 */
struct kc_msg {
	uint32_t id;
	uint32_t flags;			/* version, REPLY, NEED_REPLY; 0 = let the encoder put version 1 */
	enum kc_payload payload;
	uint64_t u64;
	struct { uint32_t index, num; } state;
	struct { uint32_t index, flags; uint64_t desc, used, avail, log; } addr;
	struct { uint32_t nregions, padding; struct kc_vu_region regions[KC_VU_MEM_REGIONS_MAX]; } mem;
	struct { uint64_t size, offset; } log;
	struct { uint32_t offset, size, flags; uint8_t data[KC_VU_CONFIG_MAX]; } config;
	struct { uint64_t mmap_size, mmap_offset; uint16_t num_queues, queue_size; } inflight;
	uint8_t opaque[KC_VU_PAYLOAD_MAX];
	uint32_t opaque_len;
	struct kc_handle handles[KC_VU_FDS_MAX];
	unsigned nhandles;
};

/* A request of that number with empty payload of its row's shape; unknown numbers get KC_PL_NONE. */
void kc_msg_init(struct kc_msg *m, uint32_t id);
/* Closes the handles still in m. */
void kc_msg_fini(struct kc_msg *m);

/* Header and payload into buf; returns the number of bytes, or -ENOSPC. */
int kc_msg_encode(const struct kc_msg *m, void *buf, size_t cap);
/*
 * From header + payload (len bytes in all; header.size must equal len - 12) to *m, by the row's
 * request or reply shape (an ack to any request is KC_PL_U64). Handles are left alone. -EPROTO with
 * a sentence in err when the size does not fit the shape; -EINVAL for an unknown number (payload
 * then is KC_PL_OPAQUE).
 */
int kc_msg_decode(struct kc_msg *m, const void *buf, size_t len, bool is_reply, struct kc_err *err);
/* One line, e.g. "SET_VRING_NUM {index 0, num 256} need_reply +1 fd"; no pointers, no fd numbers. */
void kc_msg_print(const struct kc_msg *m, char *buf, size_t cap);
/* Sets or reads a payload field by its name in kc_msg_print's output ("index", "num", "u64",
 * "desc", "region[1].gpa", ...). -ENOENT if the shape has no such field. */
int kc_msg_set_field(struct kc_msg *m, const char *field, uint64_t value);
int kc_msg_get_field(const struct kc_msg *m, const char *field, uint64_t *value);

#endif

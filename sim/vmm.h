/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_VMM_H
#define SIM_VMM_H

#include <stdbool.h>
#include <stdint.h>
#include <kickcall/backend.h>
#include <sim/kvm.h>
#include <sim/mem.h>
#include <sim/sched.h>
#include <sim/trace.h>

/*
 * The VMM's control plane: what QEMU does between the guest's virtio registers and the back-end.
 *
 * It negotiates features and protocol features, keeps the device status, hands over memory, and sets
 * up queues: eventfds, ioeventfd on the notify register, irqfd and MSI route. It keeps the rules a
 * front-end must keep (one kick follows SET_VRING_KICK unless asked not to, VU-RING-START-01), so that
 * what a scenario does against them it does on purpose, with raw messages.
 *
 * Functions return the outcome of the first message that was not KC_OUT_OK, with the sentence in
 * vmm->err; the message itself is in the transcript of the harness.
 */
#define KC_QUEUES_MAX		64
#define KC_NOTIFY_BASE		0xfe000000ull	/* MMIO, one 4-byte register per queue */
#define KC_NOTIFY_STRIDE	4u
#define KC_MSI_ADDR		0xfee00000ull
#define KC_GSI_BASE		24u		/* queue qi interrupts by GSI 24 + qi, MSI data = qi */

struct kc_vmm_queue {
	bool configured;		/* addresses are known */
	bool started;
	bool enabled;
	bool size_refused;		/* by the last SET_VRING_NUM */
	uint32_t size;
	uint64_t desc, avail, used;	/* gpa */
	/* NULL: none (bit 8 is sent). They outlive a stop, up to the next start or the end of the
	 * session, so that what a back-end signals on a stopped ring is seen. */
	struct kc_evfd *kick, *call, *err;
	uint64_t errors;		/* signals seen on err, over all starts */
	uint64_t calls_at_stop;		/* interrupts[qi] when the last stop was over */
};

/* The dirty log's file. */
#define KC_LOG_ELSEWHERE	0x80000000ull	/* added to a ring's gpa: beyond all memory, inside the log */
struct kc_vmm_log {
	uint8_t *file;			/* NULL: none */
	uint64_t file_bytes;
	uint64_t offset, bytes;		/* the log in it */
	int memfd;
	bool on;			/* LOG_ALL is set */
	bool rings;			/* and the rings' flag */
	uint64_t shift;			/* from a used ring's gpa to its log address */
};

/* The buffer of what is in flight. */
struct kc_vmm_inflight {
	uint8_t *map;			/* NULL: none */
	uint64_t map_bytes;
	uint8_t *regions;
	uint64_t bytes, offset, stride;
	unsigned queues, size;
	int fd;
};

struct kc_vmm {
	struct kc_mem *mem;
	struct kc_sched *sched;
	struct kc_kvm *kvm;		/* owned */
	struct kc_backend *be;		/* borrowed */
	struct kc_trace *trace;		/* borrowed */
	struct kc_err err;

	uint64_t device_features;	/* GET_FEATURES, bit 30 included */
	uint64_t driver_features;	/* what the driver accepted, without bit 30 */
	uint64_t pf_offered;
	uint64_t pf_acked;
	uint64_t pf_wanted;		/* mask of protocol features this VMM would take (default all it speaks) */
	bool protocol_features;		/* bit 30 is taken if offered; a scenario may say no */
	uint8_t status;			/* device status as the driver sees it */
	uint64_t queues_max;		/* GET_QUEUE_NUM, or 0 if unknown */
	struct kc_vmm_log log;
	struct kc_vmm_inflight inflight;	/* outlives the session */
	struct kc_vmm_queue q[KC_QUEUES_MAX];
	unsigned nq;			/* q[nq] and those behind it have never been started */
	bool silent;			/* live: at the last kc_vmm_poll nothing had come, on the socket neither */
	uint64_t interrupts[KC_QUEUES_MAX];	/* delivered to the vCPU, by MSI data */
	/* Told when a queue's life changes: true just before SET_VRING_KICK is sent, false when the
	 * stop is over (its last calls are in interrupts), the start failed, or the queue was
	 * forgotten by a reset or disconnect. May be NULL. */
	void (*on_queue)(void *ctx, unsigned qi, bool started);
	void *on_queue_ctx;
};

/* Protocol features that this control plane speaks. */
extern const uint64_t kc_vmm_pf_spoken;
/* Spoken as well, but taken only if pf_wanted says so: they give the VMM duties. */
extern const uint64_t kc_vmm_pf_on_demand;

int kc_vmm_init(struct kc_vmm *v, struct kc_mem *mem, struct kc_sched *sched, struct kc_backend *be,
		struct kc_trace *trace);
void kc_vmm_fini(struct kc_vmm *v);

/* open, GET_FEATURES, protocol features, SET_OWNER, GET_QUEUE_NUM. */
enum kc_outcome kc_vmm_connect(struct kc_vmm *v);
/* close; queues are forgotten as stopped. */
void kc_vmm_disconnect(struct kc_vmm *v);

/* The driver's writes to the device status. 0 is a reset: by SET_STATUS, else RESET_DEVICE, else by
 * stopping every ring (GET_VRING_BASE). FEATURES_OK sends SET_FEATURES (bit 30 added) and, with
 * STATUS, asks for the result: KC_OUT_REFUSED if the bit did not stay. */
enum kc_outcome kc_vmm_set_status(struct kc_vmm *v, uint8_t status);
enum kc_outcome kc_vmm_set_mem_table(struct kc_vmm *v);
/* Initialises m as the SET_MEM_TABLE that the former sends, for a script that sends it in another
 * way. m is the caller's to kc_msg_fini, also on error: -EMFILE. */
int kc_vmm_mem_table_msg(struct kc_vmm *v, struct kc_msg *m);

struct kc_queue_config {
	uint32_t size;
	uint64_t desc, avail, used;	/* gpa */
	uint32_t base;			/* SET_VRING_BASE's num */
	bool no_first_kick;		/* do not kick after SET_VRING_KICK */
	bool no_call;			/* SET_VRING_CALL with bit 8 */
	bool no_kick_fd;		/* SET_VRING_KICK with bit 8: the back-end polls */
	bool leave_disabled;		/* do not send SET_VRING_ENABLE 1 */
};
/* NUM, BASE, ADDR, ERR, CALL, KICK, then ENABLE if bit 30 was taken, and one kick. */
enum kc_outcome kc_vmm_queue_start(struct kc_vmm *v, unsigned qi, const struct kc_queue_config *c);
/* GET_VRING_BASE; *base (may be NULL) gets num. The last calls are drained before it returns. */
enum kc_outcome kc_vmm_queue_stop(struct kc_vmm *v, unsigned qi, uint32_t *base);
enum kc_outcome kc_vmm_queue_enable(struct kc_vmm *v, unsigned qi, bool enable);
/* A new eventfd in place of the old one, at run time. What is pending on the old call is not lost:
 * both interrupt until the back-end has acknowledged the new one. One kick follows a swapped kick. */
enum kc_outcome kc_vmm_swap_kick(struct kc_vmm *v, unsigned qi);
enum kc_outcome kc_vmm_swap_call(struct kc_vmm *v, unsigned qi);

/*
 * The dirty log, switched while rings run: a fresh log, LOG_ALL, and, with rings, the flag in each ring's
 * addresses with log addresses `shift` away from their own. KC_OUT_UNSUPPORTED without LOG_SHMFD or LOG_ALL.
 * Acknowledged when it returns. The last log stays mapped.
 */
enum kc_outcome kc_vmm_log_on(struct kc_vmm *v, bool rings, uint64_t shift);
enum kc_outcome kc_vmm_log_off(struct kc_vmm *v);

/* vmm_log.c: takes a fresh log in place of l's, or -errno and nothing has changed. */
int kc_vmm_log_make(struct kc_vmm_log *l, const struct kc_mem *mem);
void kc_vmm_log_drop(struct kc_vmm_log *l);
/* SET_LOG_BASE. The message is the caller's to finish, also on error: -EMFILE. */
int kc_vmm_log_msg(const struct kc_vmm_log *l, struct kc_msg *m);

/* GET_INFLIGHT_FD for so many queues of that size at most. KC_OUT_GARBLED, with the sentence, if the answer
 * makes no sense; KC_OUT_UNSUPPORTED without INFLIGHT_SHMFD. */
enum kc_outcome kc_vmm_inflight_get(struct kc_vmm *v, unsigned queues, unsigned size);
/* SET_INFLIGHT_FD with that buffer; acknowledged when it returns. */
enum kc_outcome kc_vmm_inflight_set(struct kc_vmm *v);

/* vmm_inflight.c: maps what the reply says and takes its handle; NULL, or what is wrong. */
const char *kc_vmm_inflight_take(struct kc_vmm_inflight *f, struct kc_msg *reply);
void kc_vmm_inflight_drop(struct kc_vmm_inflight *f);
/* SET_INFLIGHT_FD. The message is the caller's to finish, also on error: -EMFILE. */
int kc_vmm_inflight_msg(const struct kc_vmm_inflight *f, struct kc_msg *m);
/* NULL: queue qi has none. */
struct kc_inflight_split *kc_vmm_inflight_region(const struct kc_vmm_inflight *f, unsigned qi);

/* What SET_FEATURES carries: the driver's features, bit 30 if it was taken, and LOG_ALL while it is on. */
uint64_t kc_vmm_acked_features(const struct kc_vmm *v);

/* The guest's write to the queue's notify register: through KVM's ioeventfd to the kick. With
 * NOTIFICATION_DATA it has 4 bytes, and tells where the driver is as well (VIRTIO-NOTIFDATA-01). */
void kc_vmm_notify(struct kc_vmm *v, unsigned qi, uint16_t published);

enum kc_outcome kc_vmm_config_read(struct kc_vmm *v, uint32_t offset, uint32_t size, void *buf);
enum kc_outcome kc_vmm_config_write(struct kc_vmm *v, uint32_t offset, uint32_t size, uint32_t flags,
				    const void *buf);

/* Drains real call eventfds into interrupts and err eventfds into counters; cheap. */
void kc_vmm_poll(struct kc_vmm *v);
/* Descriptors for kc_sched_set_pollfds; ctx is the vmm. */
unsigned kc_vmm_pollfds(void *ctx, int *fds, unsigned cap);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_REFERENCE_REF_H
#define BACKEND_REFERENCE_REF_H

#include <stdbool.h>
#include <stdint.h>
#include <kickcall/err.h>
#include <kickcall/message.h>

/*
 * The reference back-end: small, strict, and robust against every malformed ring. A ring error
 * signals the error eventfd and stops that ring alone; messages go on being answered.
 *
 * It knows nothing of sockets: it takes decoded requests and gives decoded replies, and looks at
 * its kick eventfds when told to. inproc.c, stream.c and server.c carry it.
 */
struct kc_ref;

struct kc_ref_config {
	const char *device;		/* "blk", "loopback", "net", ...: a row of devices in ref.c */
	unsigned queues;		/* 1..64; 0: the device's default; net: 2 for a pair, 1 for control */
	uint64_t features_off;		/* device feature bits not to offer */
	uint64_t pf_off;		/* protocol feature bits not to offer */
	/* blk: a file that outlives the process, and reads what was flushed or written through. With
	 * a capacity it is made if it does not exist. NULL: memory. fs: the directory that is shared. */
	const char *file;
	uint64_t capacity;		/* blk: bytes, 0: 2 MiB of memory; holds kc_storage_pattern */
	bool read_only;			/* blk */
	const char *tap;		/* net: the tap interface it sends to and receives from; NULL: a loop */
	unsigned requests_per_s;	/* at most; a look that finds none counts as one. 0: no limit */
};

struct kc_ref *kc_ref_new(const struct kc_ref_config *config, struct kc_err *err);
void kc_ref_free(struct kc_ref *r);
/* A new session: everything but the storage is as after kc_ref_new. */
void kc_ref_reset_session(struct kc_ref *r);

enum kc_ref_answer {
	KC_REF_DONE,			/* carried out; no reply of its own */
	KC_REF_REPLY,			/* *reply is filled */
	KC_REF_REFUSED,			/* not carried out: a non-zero ack if one is due */
	KC_REF_CLOSE,			/* the connection must be closed */
};
/* Carries out one request. Takes the handles it keeps out of req (sets them to none). err says why
 * a request was refused. */
enum kc_ref_answer kc_ref_request(struct kc_ref *r, struct kc_msg *req, struct kc_msg *reply,
				  struct kc_err *err);
/* Is REPLY_ACK negotiated? */
bool kc_ref_reply_ack(const struct kc_ref *r);

/* One bounded piece of work: at most one chain of one ring, or one packet's, and one packet taken off a tap.
 * 1 something was done, 0 idle. */
int kc_ref_step(struct kc_ref *r);
/* With requests_per_s: what time it is, from any start; to be told before steps. */
void kc_ref_tell_time(struct kc_ref *r, int64_t now_ns);
/* When an idle step may go on by itself; 0: not before something happens. */
int64_t kc_ref_wake_ns(const struct kc_ref *r);
/* What to poll: kick eventfds (real ones), and a tap; returns how many, at most cap. *busy is set if a ring
 * without kick fd must be polled. */
unsigned kc_ref_pollfds(struct kc_ref *r, int *fds, unsigned cap, bool *busy);

#endif

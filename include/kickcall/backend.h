/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KICKCALL_BACKEND_H
#define KICKCALL_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <kickcall/err.h>
#include <kickcall/message.h>

/*
 * The back-end under test, as the VMM and the harness see it: one table of operations for every way
 * to reach one (in this process, over a simulated byte stream, over a vhost-user socket).
 *
 * An adapter never blocks: submit queues or performs a request, next_event takes what has come back.
 * kc_backend_exchange adds the waiting. A fault of the harness or of the machine is KC_OUT_FAULT and
 * can never be charged to the back-end.
 */
enum kc_outcome {
	KC_OUT_OK,
	KC_OUT_REFUSED,		/* a non-zero ack, or an own reply that says error */
	KC_OUT_UNSUPPORTED,	/* the adapter, or what was negotiated, has no such request */
	KC_OUT_CLOSED,		/* it closed the connection and, if spawned, has not exited with an error */
	KC_OUT_EXITED,		/* the process ended with a status; see kc_backend.exit_status */
	KC_OUT_TIMED_OUT,	/* no answer before the deadline; in sim: proved that none will come */
	KC_OUT_DIED,		/* killed by a signal */
	KC_OUT_GARBLED,		/* answered with bytes that are no valid message or not the reply due */
	KC_OUT_FAULT,		/* kickcall's or the machine's fault */
};
const char *kc_outcome_name(enum kc_outcome o);

enum kc_caps {
	KC_CAP_STEP	= 1 << 0,	/* has step: runs in the simulator */
	KC_CAP_MESSAGES	= 1 << 1,	/* requests travel as bytes: raw and malformed ones can be sent */
	KC_CAP_RESTART	= 1 << 2,	/* can be killed and started again by kickcall */
	KC_CAP_RECONNECT = 1 << 3,	/* close + open gives a fresh session */
	KC_CAP_WRITES	= 1 << 4,	/* its storage may be overwritten */
};

enum kc_event_kind {
	KC_EV_NONE,
	KC_EV_MESSAGE,		/* msg: a reply, or anything else that came on the main channel */
	KC_EV_CLOSED,		/* end of the connection */
	KC_EV_GARBLED,		/* bytes that are no message; err says what */
};

struct kc_event {
	enum kc_event_kind kind;
	struct kc_msg msg;	/* the receiver's, to kc_msg_fini */
	struct kc_err err;
};

struct kc_backend;

struct kc_backend_ops {
	const char *name;
	unsigned caps;		/* enum kc_caps */
	/* Brings up a session (starting the process if it is ours and not running). -errno: nothing
	 * there; -ECHILD: a spawned command ended before it came up. */
	int (*open)(struct kc_backend *be, struct kc_err *err);
	/* Ends the session; a process of ours stays for the next open unless it ended by itself. */
	void (*close)(struct kc_backend *be);
	/* Sends or performs a request; m stays the caller's. 0, -EPIPE when the connection is gone,
	 * -ENOTSUP when this adapter cannot express it. */
	int (*submit)(struct kc_backend *be, const struct kc_msg *m);
	/* What came back, in order: 1 and *ev filled, 0 if nothing is there yet, -errno. */
	int (*next_event)(struct kc_backend *be, struct kc_event *ev);
	/* KC_CAP_MESSAGES: exactly these bytes with these handles (borrowed). 0 or -EPIPE. */
	int (*send_raw)(struct kc_backend *be, const void *buf, size_t len,
			const struct kc_handle *handles, unsigned nhandles);
	/* KC_CAP_STEP: lets the back-end do one bounded piece of work; now_ns says what time it is. 1 it
	 * did something, 0 idle: until anything happens, or wake_ns has come. */
	int (*step)(struct kc_backend *be);
	/* A descriptor to poll for next_event, or -1. */
	int (*pollfd)(struct kc_backend *be);
	/* KC_CAP_RESTART: ends the process now (SIGKILL) or politely (SIGTERM). */
	void (*kill)(struct kc_backend *be, int signo);
	/* Everything the adapter owns, process included. */
	void (*free)(struct kc_backend *be);
};

/* Waits until pred(arg) is true. 0; -ETIMEDOUT; -EDEADLK in sim: nothing can run, it never will be. */
typedef int kc_wait_fn(void *ctx, bool (*pred)(void *arg), void *arg, int64_t timeout_ns);
/* Told of every message: sent (out) or received. */
typedef void kc_msg_watch_fn(void *ctx, const struct kc_msg *m, bool out);

struct kc_backend {
	const struct kc_backend_ops *ops;
	void *priv;
	unsigned caps;			/* ops->caps, less what this instance cannot do */
	kc_wait_fn *wait;		/* set by the harness before the first exchange */
	void *wait_ctx;
	kc_msg_watch_fn *watch;		/* may be NULL */
	void *watch_ctx;
	bool reply_ack;			/* REPLY_ACK is negotiated: every request asks for its ack */
	bool connected;
	int64_t reply_timeout_ns;
	/* KC_CAP_STEP: the time, told before each step; and when an idle one may go on by itself (0: not
	 * before something happens), told after it. */
	int64_t now_ns, wake_ns;
	/* A spawned process, as far as it is known. */
	pid_t pid;			/* 0: none */
	bool exited;
	int exit_status;		/* wait(2) status, once exited */
};

/*
 * Sends m and, when the table says that an answer is due, waits for it. *reply (may be NULL) is the
 * caller's to kc_msg_fini; it is initialised whatever the outcome. err says what happened when the
 * outcome is not KC_OUT_OK.
 */
enum kc_outcome kc_backend_exchange(struct kc_backend *be, const struct kc_msg *m,
				    struct kc_msg *reply, struct kc_err *err);
/* Waits for the next message, whatever it is. */
enum kc_outcome kc_backend_receive(struct kc_backend *be, struct kc_msg *reply, int64_t timeout_ns,
				   struct kc_err *err);
int kc_backend_open(struct kc_backend *be, struct kc_err *err);
void kc_backend_close(struct kc_backend *be);
void kc_backend_free(struct kc_backend *be);	/* NULL is allowed */

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KICKCALL_EVFD_H
#define KICKCALL_EVFD_H

#include <stdbool.h>
#include <stdint.h>

struct kc_err;

/*
 * An eventfd, real or simulated, behind one interface.
 *
 * A simulated one is a counter with eventfd(2)'s rules and costs no system call; it exists in the
 * simulator only. Objects are reference-counted; every holder has its own reference, as every
 * process has its own file descriptor. Not thread-safe, except that a real eventfd may be signalled
 * and read from anywhere.
 */
struct kc_evfd;

/* A new eventfd with counter 0, non-blocking; NULL on error with err set. */
struct kc_evfd *kc_evfd_new_real(struct kc_err *err);
struct kc_evfd *kc_evfd_new_sim(void);
/* Wraps fd, which it takes: fd is closed with the last reference (also if this fails). It must be
 * an eventfd or a pipe's end, and is made non-blocking. */
struct kc_evfd *kc_evfd_from_fd(int fd, struct kc_err *err);

struct kc_evfd *kc_evfd_ref(struct kc_evfd *e);
void kc_evfd_unref(struct kc_evfd *e);		/* NULL is allowed */

/* write(2): adds n; -EAGAIN if the counter would pass 0xfffffffffffffffe; -EINVAL for n = ~0. */
int kc_evfd_signal(struct kc_evfd *e, uint64_t n);
/* The kernel's own signal (ioeventfd): adds 1, saturates at ~0, never fails, never blocks. */
void kc_evfd_signal_kernel(struct kc_evfd *e);
/* read(2), non-blocking: *n gets the counter, which becomes 0; -EAGAIN when it is 0. */
int kc_evfd_read(struct kc_evfd *e, uint64_t *n);
/* Would a read return now? Does not change the counter. */
bool kc_evfd_readable(const struct kc_evfd *e);
/* The file descriptor (borrowed), or -1 for a simulated one. */
int kc_evfd_fd(const struct kc_evfd *e);
/* Has every holder but the caller given its reference back? (Simulated: the far side
 * "closed" it.) */
bool kc_evfd_is_last(const struct kc_evfd *e);

/*
 * Simulated only: fn runs inside the writer's signal, as KVM's irqfd does; NULL removes it. A
 * signal by fn itself only counts. -EBUSY if somebody listens already; -ENOTSUP for a real eventfd,
 * whose owner polls.
 */
int kc_evfd_listen(struct kc_evfd *e, void (*fn)(void *ctx, struct kc_evfd *e), void *ctx);

/* What a message carries beside its bytes: a file descriptor, or the simulated eventfd that stands
 * in for one. {.fd = -1} is none. */
struct kc_handle {
	int fd;
	struct kc_evfd *evfd;
};
#define KC_HANDLE_NONE ((struct kc_handle){ .fd = -1 })

static inline bool kc_handle_is_none(struct kc_handle h) { return h.fd < 0 && !h.evfd; }
/* A handle of its own to the same thing (dup or reference); none stays none, and so does a dup that
 * fails. */
struct kc_handle kc_handle_dup(struct kc_handle h);
void kc_handle_close(struct kc_handle *h);	/* and sets it to none */
/* The handle that carries e, borrowed from it (dup it to send). */
struct kc_handle kc_evfd_handle(struct kc_evfd *e);
/* An eventfd object from a handle, which it takes; NULL if it is neither. */
struct kc_evfd *kc_evfd_from_handle(struct kc_handle h, struct kc_err *err);

#endif

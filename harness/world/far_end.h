/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_WORLD_FAR_END_H
#define HARNESS_WORLD_FAR_END_H

#include <stdbool.h>
#include <stdint.h>
#include <kickcall/err.h>

/*
 * The far end of a network back-end whose port is a tap interface: stands at the machine's side
 * of the tap, and sends each frame of ours that comes out of it back into it, unchanged. A
 * thread of its own does so, whatever the caller is doing. The interface may come, go and come
 * again.
 *
 * Nothing but our own frames is sent back (their Ethernet type is KC_FAR_END_TYPE, or they are
 * UDP datagrams between two of the addresses that are for documentation), and the machine is kept
 * from sending anything else by itself.
 */
#define KC_FAR_END_TYPE	0x88b5		/* for local experiments; behind a VLAN tag, too */
#define KC_FAR_END_NET	0xc0000200u	/* 192.0.2.0/24 */
#define KC_FAR_END_MTU	1500		/* what the interface must take at least */

struct kc_far_end;

/* Stands ready; the interface need not be there yet. NULL with a sentence that says what to do;
 * *code is -errno (-EPERM: no CAP_NET_RAW). */
struct kc_far_end *kc_far_end_start(const char *ifname, int *code, struct kc_err *err);
/* Waits until it stands at an interface that is up. 0; -ETIMEDOUT, -EINTR (kc_stop_waiting) or
 * what is wrong with the interface, with a sentence. */
int kc_far_end_wait(struct kc_far_end *f, int64_t timeout_ns, struct kc_err *err);
/* Is nothing on its way through it? Never true while a frame has come and is not sent back. */
bool kc_far_end_quiet(struct kc_far_end *f);
/* Has it lost a frame by a fault of its own, or the machine's? Then -EIO with a sentence: what
 * did not come back is nobody else's fault. Else 0. */
int kc_far_end_fault(struct kc_far_end *f, struct kc_err *err);
/* The thread has ended when this returns. NULL is allowed. */
void kc_far_end_stop(struct kc_far_end *f);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_CHANNEL_H
#define BACKEND_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <kickcall/err.h>
#include <kickcall/evfd.h>

/*
 * A byte stream that carries handles: an AF_UNIX stream socket, or its simulated twin in one
 * process. Never blocks, but for a send on a full socket, which waits up to a second.
 */
struct kc_channel;

/* Takes fd, a connected AF_UNIX stream socket. */
struct kc_channel *kc_channel_from_socket(int fd, struct kc_err *err);
/* Two ends of a simulated stream. */
int kc_channel_sim_pair(struct kc_channel *ends[2]);
void kc_channel_free(struct kc_channel *c);	/* the far side sees the end of the stream */

/* All of buf; handles (borrowed, dup'ed) travel with the first byte. 0, -EPIPE, -errno. */
int kc_channel_send(struct kc_channel *c, const void *buf, size_t len,
		    const struct kc_handle *handles, unsigned nhandles);
/*
 * Up to len bytes: > 0 how many, 0 end of stream, -EAGAIN nothing there, -errno. Handles that came
 * with them are appended to handles[*nhandles..cap); surplus ones are closed and counted in *nlost.
 */
ssize_t kc_channel_recv(struct kc_channel *c, void *buf, size_t len, struct kc_handle *handles,
			unsigned cap, unsigned *nhandles, unsigned *nlost);
/* Descriptor to poll, or -1 for a simulated one. */
int kc_channel_fd(const struct kc_channel *c);
/* Would recv return something other than -EAGAIN now? */
bool kc_channel_readable(const struct kc_channel *c);

#endif

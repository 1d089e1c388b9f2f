/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_UNIX_SOCKET_H
#define BACKEND_UNIX_SOCKET_H

#include <stdint.h>
#include <kickcall/backend.h>

/*
 * AF_UNIX stream sockets with deadlines. Each returns a descriptor (close-on-exec, the caller's) or
 * -errno with a sentence. While they wait they look after be's process, if it has one (be may be
 * NULL): -ECHILD as soon as it has ended.
 */
int kc_unix_listen(const char *path, struct kc_err *err);
/* Tries until somebody listens there; -ETIMEDOUT. */
int kc_unix_connect(const char *path, struct kc_backend *be, int64_t timeout_ns,
		    struct kc_err *err);
int kc_unix_accept(int listen_fd, struct kc_backend *be, int64_t timeout_ns, struct kc_err *err);

#endif

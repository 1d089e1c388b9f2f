/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_ADAPTERS_H
#define BACKEND_ADAPTERS_H

#include <kickcall/backend.h>
#include <backend/reference/ref.h>

/* The ways to reach a back-end. Each returns a back-end that is not open yet, or NULL with err. */

/* The reference back-end in this process, by function calls (sim). config is copied. */
struct kc_backend *kc_backend_new_inproc(const struct kc_ref_config *config, struct kc_err *err);
/* The same behind a simulated byte stream: messages are bytes, and may be malformed (sim). */
struct kc_backend *kc_backend_new_stream(const struct kc_ref_config *config, struct kc_err *err);
/* The same in a child process, with real sockets and eventfds (live). Each session finds a new reference. */
struct kc_backend *kc_backend_new_forked(const struct kc_ref_config *config, struct kc_err *err);
/* Tells its process to leave and waits for that: its wait(2) status, 0 if all was well, it was dead before,
 * another process forked it, or be is of another kind. */
int kc_backend_retire(struct kc_backend *be);

/* A back-end that somebody else serves: connect to it, or (listen) wait for it to connect. */
struct kc_backend *kc_backend_new_socket(const char *path, bool listen, struct kc_err *err);

struct kc_spawn_config {
	char *const *argv;		/* "{socket}" and "{dir}" in arguments are replaced */
	bool listen;			/* kickcall listens, the back-end connects */
	int64_t start_timeout_ns;	/* until the socket answers */
	const char *dir;		/* private scratch directory; must exist */
};
/* A command of ours: started by the first open, and again by an open after it ended. */
struct kc_backend *kc_backend_new_spawned(const struct kc_spawn_config *config, struct kc_err *err);
/* The end of what a spawned process wrote to stderr; "" if there is none. */
const char *kc_backend_stderr_tail(struct kc_backend *be);

/* For adapters: a back-end with zeroed private data of priv_bytes, defaults set; NULL if there
 * is no memory. The adapter's free gives both back with kc_backend_dealloc. */
struct kc_backend *kc_backend_alloc(const struct kc_backend_ops *ops, size_t priv_bytes,
				    struct kc_err *err);
void kc_backend_dealloc(struct kc_backend *be);
/* If be's process has ended, or ends within timeout_ns, takes note of how. Does it still run? */
bool kc_backend_running(struct kc_backend *be, int64_t timeout_ns);
/* Ends be's process, if it runs, by signo; by SIGKILL if that has no effect within 2 s. */
void kc_backend_end_process(struct kc_backend *be, int signo);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_WORLD_PROC_H
#define HARNESS_WORLD_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What /proc tells of a peer's process. All return -errno if it is gone or cannot be read. */
struct kc_proc {
	char state;			/* of the main thread: 'R', 'S', 'D', 'Z', ... */
	bool asleep;			/* every thread sleeps */
	uint64_t cpu_ticks;		/* user and system, all threads */
	uint64_t switches;		/* context switches, all threads */
	int exit_code;			/* wait(2) status of a zombie, else 0 */
};
int kc_proc_read(pid_t pid, struct kc_proc *p);

/* Remembers the last look: quiet means that all threads sleep and none has run since. */
struct kc_proc_watch {
	uint64_t cpu_ticks, switches;
	bool looked;
};
bool kc_proc_quiet(struct kc_proc_watch *w, pid_t pid);
/* It may look asleep then, and is dying. */
bool kc_proc_dumps_core(pid_t pid);

#endif

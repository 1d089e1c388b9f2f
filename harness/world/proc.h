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
/* The CPU time of all its threads, those that have ended as well. */
int kc_proc_cpu_ns(pid_t pid, uint64_t *ns);

/* Remembers the last look: quiet means that all threads sleep and none has run since. */
struct kc_proc_watch {
	uint64_t cpu_ticks, switches;
	bool looked;
};
bool kc_proc_quiet(struct kc_proc_watch *w, pid_t pid);

/*
 * The threads that never sleep. A look takes off those that have slept since the one before, even if
 * nobody saw it: a sleep is a voluntary context switch, which a spinning thread makes none of, however
 * often others take the processor away from it.
 */
#define KC_PROC_AWAKE_MAX	32u
struct kc_proc_awake {
	struct {
		pid_t tid;
		uint64_t ticks, sleeps;		/* at the first look */
	} t[KC_PROC_AWAKE_MAX];
	unsigned n;
};
/* The first look: how many threads run or want to. Of more than KC_PROC_AWAKE_MAX some are not watched. */
unsigned kc_proc_awake_begin(struct kc_proc_awake *a, pid_t pid);
/* Another look: how many of them have not slept since the first. */
unsigned kc_proc_awake_look(struct kc_proc_awake *a, pid_t pid);
/* The most CPU time that one of them has had since the first look, in milliseconds. */
uint64_t kc_proc_awake_ms(const struct kc_proc_awake *a, pid_t pid);
/*
 * As kc_proc_quiet, of a process that polls by design: some threads may spin. Nobody knows which, so they
 * must have had the processor for a while since the others came to rest: who has not had it may have yet
 * to do what it woke up for.
 */
struct kc_proc_polls {
	struct kc_proc_awake spinning;
	uint64_t others;		/* what all that sleep have run */
};
bool kc_proc_only_polls(struct kc_proc_polls *p, pid_t pid);
/* It may look asleep then, and is dying. */
bool kc_proc_dumps_core(pid_t pid);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_PROCESS_H
#define BACKEND_PROCESS_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Set by a signal handler: whoever waits for a back-end to come up or to answer gives up, -EINTR. */
extern volatile sig_atomic_t kc_stop_waiting;

/* CLOCK_MONOTONIC, in nanoseconds. */
int64_t kc_clock_ns(void);
/* Milliseconds from now to deadline_ns for poll(2), rounded up; 0 if it has passed. */
int kc_poll_ms(int64_t deadline_ns);

/*
 * Waits until process pid has ended, at most timeout_ns (0: only looks), and reaps it if it is a
 * child of the caller (it may be the parent's). Every process that kickcall starts leads a process
 * group; what is left of a child's group is killed before the number becomes free. 1 and *status
 * (wait(2); 0 if it cannot be known) when it has ended, 0 when it runs, -errno.
 */
int kc_process_reap(pid_t pid, int64_t timeout_ns, int *status);
/* Signals pid's group and reaps it as above; what does not heed within 2 s gets SIGKILL. */
int kc_process_end(pid_t pid, int signo, int *status);
/* "SEGV", "KILL", ... or "?" for one without a name here. */
const char *kc_signal_name(int signo);
/* A wait(2) status in words: "died of SIGSEGV", "exited with status 3". */
void kc_process_say_end(int status, char *buf, size_t cap);
/* In a child after fork, before anything else: its own group, default signals, and it dies with its
 * parent. */
void kc_process_child_init(pid_t parent);

#endif

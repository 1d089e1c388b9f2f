/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes with deadlines. Waiting for the end of one is a look each millisecond: the waits are
 * short, and it needs no more than waitid(2).
 *
 * A worker that inherited a running back-end from its parent cannot wait(2) for it. It reads the
 * status from /proc, where a dead process stands until its parent has reaped it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <backend/process.h>

#define NS_PER_MS	1000000
#define NAP_MS		1
#define END_TIMEOUT_NS	(2000ll * NS_PER_MS)

volatile sig_atomic_t kc_stop_waiting;

int64_t kc_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

int kc_poll_ms(int64_t deadline_ns)
{
	int64_t left = deadline_ns - kc_clock_ns();

	if (left <= 0)
		return 0;
	left = (left + NS_PER_MS - 1) / NS_PER_MS;
	return left < INT_MAX ? left : INT_MAX;
}

/* Of somebody else's child: 1 and *status if it is gone or a zombie, else 0. */
static int stranger_ended(pid_t pid, int *status)
{
	char path[32], line[1024], *state, *last;
	FILE *f;

	*status = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 1;
	state = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;	/* ends the name */
	fclose(f);
	if (!state || strlen(state) < 3)
		return 1;
	if (state[2] != 'Z' && state[2] != 'X')
		return 0;
	last = strrchr(state, ' ');	/* exit_code is the last field */
	*status = atoi(last);
	return 1;
}

/* 1 ended (a child is not reaped yet; of others *status is set), 0 runs, -errno. */
static int has_ended(pid_t pid, bool *child, int *status)
{
	siginfo_t info = { .si_pid = 0 };

	while (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT)) {
		*child = errno != ECHILD;
		if (!*child)
			return stranger_ended(pid, status);
		if (errno != EINTR)
			return -errno;
	}
	*child = true;
	return info.si_pid == pid;
}

int kc_process_reap(pid_t pid, int64_t timeout_ns, int *status)
{
	int64_t deadline = kc_clock_ns() + timeout_ns;
	bool child;
	int ret;

	for (;;) {
		bool late = kc_clock_ns() >= deadline;

		ret = has_ended(pid, &child, status);
		if (ret || late)
			break;
		poll(NULL, 0, NAP_MS);
	}
	if (ret <= 0 || !child)
		return ret;
	kill(-pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 1;
}

int kc_process_end(pid_t pid, int signo, int *status)
{
	int ret = kc_process_reap(pid, 0, status);

	if (ret)
		return ret;
	kill(-pid, signo);
	kill(-pid, SIGCONT);	/* a stopped one would not hear it */
	ret = kc_process_reap(pid, END_TIMEOUT_NS, status);
	if (ret || signo == SIGKILL)
		return ret;
	kill(-pid, SIGKILL);
	return kc_process_reap(pid, END_TIMEOUT_NS, status);
}

void kc_process_child_init(pid_t parent)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD,
				       SIGALRM };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);	/* it died before prctl */
	setpgid(0, 0);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* sigabbrev_np(3) is glibc's alone. */
const char *kc_signal_name(int signo)
{
	static const struct { int signo; const char *name; } names[] = {
		{ SIGABRT, "ABRT" }, { SIGALRM, "ALRM" }, { SIGBUS, "BUS" }, { SIGFPE, "FPE" },
		{ SIGHUP, "HUP" }, { SIGILL, "ILL" }, { SIGINT, "INT" }, { SIGKILL, "KILL" },
		{ SIGPIPE, "PIPE" }, { SIGQUIT, "QUIT" }, { SIGSEGV, "SEGV" }, { SIGSYS, "SYS" },
		{ SIGTERM, "TERM" }, { SIGTRAP, "TRAP" }, { SIGUSR1, "USR1" }, { SIGUSR2, "USR2" },
		{ SIGXCPU, "XCPU" }, { SIGXFSZ, "XFSZ" },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].signo == signo)
			return names[i].name;
	return "?";
}

void kc_process_say_end(int status, char *buf, size_t cap)
{
	if (WIFSIGNALED(status))
		snprintf(buf, cap, "died of SIG%s", kc_signal_name(WTERMSIG(status)));
	else
		snprintf(buf, cap, "exited with status %d", WEXITSTATUS(status));
}

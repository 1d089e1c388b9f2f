/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a closed connection may be a choice, an exit or a crash. The process tells
 * which: its wait status if the adapter has reaped it, or the exit code that /proc keeps for a zombie
 * whose parent (kickcall's main process) has not reaped it yet.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <harness/world/blame.h>
#include <harness/world/proc.h>

#define EXIT_GRACE_MS	300
#define LOOK_MS		5

/* A process that closes the connection because it crashes is not gone at once; one that has gone to
 * sleep, or back to its polling, closed it because it wanted to. */
static void await_exit(pid_t pid, bool polls)
{
	struct kc_proc_polls spins = { 0 };
	struct kc_proc_watch look = { 0 };
	struct kc_proc p;

	for (int ms = 0; ms < EXIT_GRACE_MS; ms += LOOK_MS) {
		if (kc_proc_read(pid, &p) || p.state == 'Z')
			break;
		if ((polls ? kc_proc_only_polls(&spins, pid) : kc_proc_quiet(&look, pid)) &&
		    !kc_proc_dumps_core(pid))
			break;
		poll(NULL, 0, LOOK_MS);
	}
}

static enum kc_fate fate_of_status(int status)
{
	if (WIFSIGNALED(status))
		return KC_FATE_KILLED;
	return WEXITSTATUS(status) ? KC_FATE_EXIT_ERROR : KC_FATE_EXIT_OK;
}

enum kc_fate kc_blame_fate(struct kc_backend *be, bool polls, int *status)
{
	struct kc_proc p;

	*status = 0;
	if (!be->exited && be->pid > 0) {
		await_exit(be->pid, polls);
		if (kc_proc_read(be->pid, &p) == 0 && p.state == 'Z') {
			*status = p.exit_code;
			return fate_of_status(p.exit_code);
		}
	}
	if (be->exited) {
		*status = be->exit_status;
		return fate_of_status(be->exit_status);
	}
	return be->connected ? KC_FATE_ALIVE : KC_FATE_CLOSED;
}

/* The last line of text that says anything; *len is 0 if there is none. */
static const char *last_line(const char *text, size_t *len)
{
	const char *end = text + strlen(text), *from;

	while (end > text && end[-1] == '\n')
		end--;
	for (from = end; from > text && from[-1] != '\n'; from--)
		;
	*len = (size_t)(end - from);
	return from;
}

void kc_blame_describe(struct kc_backend *be, bool polls, char *buf, size_t cap)
{
	size_t len, n;
	const char *line = last_line(kc_backend_stderr_tail(be), &len);
	int status;

	switch (kc_blame_fate(be, polls, &status)) {
	case KC_FATE_KILLED:
		snprintf(buf, cap, "it died of SIG%s", kc_signal_name(WTERMSIG(status)));
		break;
	case KC_FATE_EXIT_ERROR:
		snprintf(buf, cap, "it exited with status %d", WEXITSTATUS(status));
		break;
	case KC_FATE_EXIT_OK:
		snprintf(buf, cap, "it exited with status 0");
		break;
	default:
		snprintf(buf, cap, "it closed the connection");
		break;
	}
	n = strlen(buf);
	if (len)
		snprintf(buf + n, cap - n, "; stderr ends: %.*s", (int)len, line);
}

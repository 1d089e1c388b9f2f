/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a thread that sleeps in poll, read or futex has state S, and its counters of
 * CPU time and context switches stand still. A process whose threads all do has nothing left to do
 * until somebody outside wakes it (or a timer of its own, which no look from outside can exclude).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <harness/world/proc.h>

static int read_text(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return -errno;
	n = fread(buf, 1, cap - 1, f);
	buf[n] = 0;
	fclose(f);
	return n ? 0 : -ENOENT;
}

/* Fields 3 (state), 14 and 15 (ticks), 52 (exit code) of a stat line; see proc(5). */
static int parse_stat(const char *text, char *state, uint64_t *ticks, int *exit_code)
{
	const char *c = strrchr(text, ')');
	unsigned field = 3;
	uint64_t value;

	if (!c || c[1] != ' ')
		return -EPROTO;
	c += 2;
	*state = *c;
	*ticks = 0;
	*exit_code = 0;
	for (; (c = strchr(c, ' ')); field++) {
		value = strtoull(++c, NULL, 10);
		if (field + 1 == 14 || field + 1 == 15)
			*ticks += value;
		if (field + 1 == 52)
			*exit_code = (int)value;
	}
	return 0;
}

static uint64_t count_after(const char *text, const char *key)
{
	const char *c = strstr(text, key);

	return c ? strtoull(c + strlen(key), NULL, 10) : 0;
}

static int read_thread(pid_t pid, const char *tid, struct kc_proc *p)
{
	char path[320], text[4096], state;
	uint64_t ticks;
	int code;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, tid);
	if (read_text(path, text, sizeof(text)) || parse_stat(text, &state, &ticks, &code))
		return -ESRCH;
	p->asleep = p->asleep && strchr("SZX", state);
	p->cpu_ticks += ticks;
	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, tid);
	if (read_text(path, text, sizeof(text)) == 0)
		p->switches += count_after(text, "\nvoluntary_ctxt_switches:") +
			count_after(text, "nonvoluntary_ctxt_switches:");
	return 0;
}

int kc_proc_read(pid_t pid, struct kc_proc *p)
{
	char path[64], text[4096];
	struct dirent *e;
	uint64_t ticks;
	DIR *d;

	*p = (struct kc_proc){ .asleep = true };
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(path, text, sizeof(text)) || parse_stat(text, &p->state, &ticks, &p->exit_code))
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			read_thread(pid, e->d_name, p);
	closedir(d);
	return 0;
}

bool kc_proc_quiet(struct kc_proc_watch *w, pid_t pid)
{
	struct kc_proc p;
	bool same;

	if (kc_proc_read(pid, &p))
		return true;
	same = w->looked && p.cpu_ticks == w->cpu_ticks && p.switches == w->switches;
	*w = (struct kc_proc_watch){ .cpu_ticks = p.cpu_ticks, .switches = p.switches, .looked = true };
	return same && p.asleep;
}

bool kc_proc_dumps_core(pid_t pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return read_text(path, text, sizeof(text)) == 0 && count_after(text, "\nCoreDumping:");
}

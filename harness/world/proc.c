/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a thread that sleeps in poll, read or futex has state S, and its counters of
 * CPU time and context switches stand still. A process whose threads all do has nothing left to do
 * until somebody outside wakes it (or a timer of its own, which no look from outside can exclude).
 * A thread that spins is the opposite: state R, and it never gives up the processor by itself.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <harness/world/proc.h>

#define SPUN_TICKS	2	/* of 10 ms: what one that polls has run before it is taken for one that does */

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

struct thread {
	char state;
	uint64_t ticks;
	uint64_t sleeps, preempted;	/* context switches that it wanted, and others */
};

static int read_thread(pid_t pid, pid_t tid, struct thread *t)
{
	char path[64], text[4096];
	int code;

	*t = (struct thread){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	if (read_text(path, text, sizeof(text)) || parse_stat(text, &t->state, &t->ticks, &code))
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	if (read_text(path, text, sizeof(text)))
		return -ESRCH;
	t->sleeps = count_after(text, "\nvoluntary_ctxt_switches:");
	t->preempted = count_after(text, "\nnonvoluntary_ctxt_switches:");
	return 0;
}

/* fn for each thread that is still there. */
static int each_thread(pid_t pid, void (*fn)(void *ctx, pid_t tid, const struct thread *t), void *ctx)
{
	struct dirent *e;
	struct thread t;
	char path[64];
	pid_t tid;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		tid = (pid_t)strtol(e->d_name, NULL, 10);
		if (tid > 0 && !read_thread(pid, tid, &t))
			fn(ctx, tid, &t);
	}
	closedir(d);
	return 0;
}

static void add_up(void *ctx, pid_t tid, const struct thread *t)
{
	struct kc_proc *p = ctx;

	(void)tid;
	p->asleep = p->asleep && strchr("SZX", t->state);
	p->cpu_ticks += t->ticks;
	p->switches += t->sleeps + t->preempted;
}

int kc_proc_read(pid_t pid, struct kc_proc *p)
{
	char path[64], text[4096];
	uint64_t ticks;

	*p = (struct kc_proc){ .asleep = true };
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(path, text, sizeof(text)) || parse_stat(text, &p->state, &ticks, &p->exit_code))
		return -ESRCH;
	return each_thread(pid, add_up, p);
}

/* The process' own clock: /proc counts in ticks of 10 ms. */
int kc_proc_cpu_ns(pid_t pid, uint64_t *ns)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return -ESRCH;
	*ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
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

static void note_if_awake(void *ctx, pid_t tid, const struct thread *t)
{
	struct kc_proc_awake *a = ctx;

	if (t->state != 'R' || a->n == KC_PROC_AWAKE_MAX)
		return;
	a->t[a->n].tid = tid;
	a->t[a->n].ticks = t->ticks;
	a->t[a->n++].sleeps = t->sleeps;
}

unsigned kc_proc_awake_begin(struct kc_proc_awake *a, pid_t pid)
{
	a->n = 0;
	each_thread(pid, note_if_awake, a);
	return a->n;
}

unsigned kc_proc_awake_look(struct kc_proc_awake *a, pid_t pid)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < a->n; i++) {
		struct thread t;

		if (!read_thread(pid, a->t[i].tid, &t) && t.state == 'R' && t.sleeps == a->t[i].sleeps &&
		    t.ticks >= a->t[i].ticks)
			a->t[kept++] = a->t[i];
	}
	a->n = kept;
	return kept;
}

uint64_t kc_proc_awake_ms(const struct kc_proc_awake *a, pid_t pid)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < a->n; i++) {
		struct thread t;

		if (!read_thread(pid, a->t[i].tid, &t) && t.ticks > a->t[i].ticks + most)
			most = t.ticks - a->t[i].ticks;
	}
	return most * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

struct rest {
	uint64_t run;			/* ticks and context switches of the sleeping */
	unsigned running, stuck;	/* state R; neither that nor asleep */
};

static void sort_out(void *ctx, pid_t tid, const struct thread *t)
{
	struct rest *r = ctx;

	(void)tid;
	if (t->state == 'R')
		r->running++;
	else if (strchr("SZX", t->state))
		r->run += t->ticks + t->sleeps + t->preempted;
	else
		r->stuck++;
}

static bool each_has_run(const struct kc_proc_awake *a, pid_t pid)
{
	struct thread t;

	for (unsigned i = 0; i < a->n; i++)
		if (read_thread(pid, a->t[i].tid, &t) || t.ticks < a->t[i].ticks + SPUN_TICKS)
			return false;
	return true;
}

bool kc_proc_only_polls(struct kc_proc_polls *p, pid_t pid)
{
	struct rest r = { 0 };

	if (each_thread(pid, sort_out, &r))
		return true;
	if (r.stuck || r.run != p->others || r.running != p->spinning.n ||
	    kc_proc_awake_look(&p->spinning, pid) != r.running) {
		p->others = r.run;
		kc_proc_awake_begin(&p->spinning, pid);
		return false;
	}
	return each_has_run(&p->spinning, pid);
}

bool kc_proc_dumps_core(pid_t pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return read_text(path, text, sizeof(text)) == 0 && count_after(text, "\nCoreDumping:");
}

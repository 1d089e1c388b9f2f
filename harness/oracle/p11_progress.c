/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 11, progress and bounded means.
 *
 * In sim: a back-end that is stepped again and again, says each time that it did something, and
 * moves nothing that anybody can see, is spinning. The bound is far above what any honest wake-up
 * needs. It is named with the clause of the ring's usual cause, a chain that is a loop
 * (KC_RULE_LOOP), on a malformed ring, else with VU-RING-STATE-04.
 *
 * Live: a thread of a spawned peer that never sleeps, long after everything was done, is spinning too.
 * A poller by design looks the same from outside, and no text forbids it where there is a kick to wait
 * for. So it is a warning at the most (VU-MSG-KICK-03), and none at all if the caller knows that it
 * polls. Who looks, and for how long, is the caller's part (harness/world/spin.c); here it is decided
 * whether there was a reason to be awake.
 *
 * A spawned peer's open file descriptors, memory mappings and resident memory are measured when a
 * session begins and when it ends. What one session can rightly hold is known within wide limits
 * (regions, three eventfds per queue, and as much again); what goes beyond is a leak: descriptors
 * that were replaced and not closed (VU-FD-01; VU-ERR-03 if some came with messages that take
 * none), or memory (VU-MSG-MEMTABLE-02: old mappings go away).
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>
#include <harness/oracle/watch.h>

#define IDLE_MAX	(1ull << 20)	/* steps of a wake-up that nobody can see anything of */
#define FDS_FIXED	64		/* regions, log, sockets, threads' own */
#define FDS_PER_QUEUE	6
#define RSS_MAX_KIB	(512l << 10)	/* beside guest memory */
#define MAPS_MAX	64		/* regions, log, inflight buffer */

static long count_fds(int pid)
{
	char path[64];
	long n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Shared ones only, which guest memory is; threads and heaps come and go as they like. */
static long count_maps(int pid)
{
	char path[64], line[512], perms[8];
	long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += sscanf(line, "%*s %7s", perms) == 1 && perms[3] == 's';
	fclose(f);
	return n;
}

static long rss_kib(int pid)
{
	char path[64];
	long pages = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%*s %ld", &pages) != 1)
		pages = -1;
	fclose(f);
	return pages < 0 ? -1 : pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int peer(const struct kc_oracle *o)
{
	return o->cfg.be && o->cfg.be->pid > 0 && !o->cfg.be->exited ? o->cfg.be->pid : 0;
}

static void begin(struct kc_oracle *o, int pid)
{
	o->progress.surplus = false;
	o->progress.pid = pid;
	o->progress.fds = count_fds(pid);
	o->progress.rss_kib = rss_kib(pid);
	o->progress.maps = count_maps(pid);
}

static void compare(struct kc_oracle *o, int pid)
{
	const struct kc_progress *s = &o->progress;
	long fds = count_fds(pid), rss = rss_kib(pid), maps = count_maps(pid);
	long fds_max = FDS_FIXED + FDS_PER_QUEUE * (long)o->nq;
	long rss_max = RSS_MAX_KIB + 2 * (long)(o->shadow.bytes / 1024);

	if (fds >= 0 && s->fds >= 0 && fds - s->fds > fds_max)
		kc_accuse(o, s->surplus ? "VU-ERR-03" : "VU-FD-01",
			  "the back-end's open file descriptors grew from %ld to %ld in one "
			  "session, expected at most %ld more",
			  s->fds, fds, fds_max);
	if (rss >= 0 && s->rss_kib >= 0 && rss - s->rss_kib > rss_max)
		kc_accuse(o, "VU-MSG-MEMTABLE-02",
			  "the back-end's resident memory grew from %ld to %ld KiB in "
			  "one session, expected at most %ld more",
			  s->rss_kib, rss, rss_max);
	if (maps >= 0 && s->maps >= 0 && maps - s->maps > MAPS_MAX)
		kc_accuse(o, "VU-MSG-MEMTABLE-02",
			  "the back-end's shared mappings grew from %ld to %ld in one session, "
			  "expected at most %d more", s->maps, maps, MAPS_MAX);
}

/* The process may only be there once the session has begun: then the first message is its start. */
static void message(struct kc_oracle *o, const struct kc_msg *m, bool out)
{
	const struct kc_msg_row *row = m ? kc_msg_row(m->id) : NULL;
	int pid = peer(o);

	if (pid && pid != o->progress.pid)
		begin(o, pid);
	/* A ring without a kick is there to be polled; half a message may be waited for in any way. */
	o->progress.excused |= !m || (out && m->id == KC_VU_SET_VRING_KICK && m->u64 & KC_VU_NOFD);
	o->progress.surplus |= out && row && row->fds == KC_FD_NONE && m->nhandles;
}

static void session(struct kc_oracle *o, bool begins, bool orderly)
{
	int pid = peer(o);

	(void)orderly;
	if (!begins && pid && pid == o->progress.pid)
		compare(o, pid);
	o->progress.pid = 0;
	o->progress.excused = false;
	if (begins && pid)
		begin(o, pid);
}

static void observed(struct kc_oracle *o)
{
	struct kc_progress *s = &o->progress;
	const struct kc_watch_queue *malformed = NULL;

	if (o->cfg.mode != KC_MODE_SIM || s->told)
		return;
	if (s->events != o->events) {
		s->events = o->events;
		s->idle = 0;
		return;
	}
	if (++s->idle < IDLE_MAX)
		return;
	s->told = true;
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi] && o->q[qi]->malformed)
			malformed = o->q[qi];
	kc_accuse(o, malformed ? kc_rule_clause(KC_RULE_LOOP, malformed->layout) : "VU-RING-STATE-04",
		  "the back-end ran %llu times in one wake-up, expected something to come of it, "
		  "and neither a used index nor a message moved",
		  (unsigned long long)s->idle);
}

/* What a device does about a ring that is disabled or not sound is left open. */
static bool is_done(const struct kc_oracle *o, const struct kc_watch_queue *q)
{
	struct kc_oracle_view v;

	kc_oracle_view(o, q->qi, &v);
	return v.enabled && !v.malformed && !v.errors && !v.call_due && !q->stopping && !q->derailed &&
		!q->by_hand && !q->inflight && !q->outstanding;
}

bool kc_progress_all_done(struct kc_oracle *o)
{
	bool done = o->running && !o->progress.excused;

	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi] && o->q[qi]->started)
			done &= is_done(o, o->q[qi]);
	o->progress.done_at = done ? o->events : 0;
	return done;
}

static void awake(struct kc_oracle *o, uint64_t cpu_ms, uint64_t ms)
{
	if (o->cfg.mode != KC_MODE_LIVE || !o->progress.done_at || o->progress.done_at != o->events)
		return;
	kc_accuse(o, "VU-MSG-KICK-03",
		  "everything is done, expected the back-end to wait for the next kick, actual: for %llu ms "
		  "one of its threads did not sleep once, and took %llu ms of CPU time (if it polls by "
		  "design, say --busy-poll, or quirk busy-poll in its profile)",
		  (unsigned long long)ms, (unsigned long long)cpu_ms);
}

static const struct kc_point_clause clauses[] = {
	{ "VU-RING-STATE-04", KC_IN_SIM },
	{ "VU-FD-01", KC_IN_LIVE },
	{ "VU-ERR-03", KC_IN_LIVE },
	{ "VU-MSG-MEMTABLE-02", KC_IN_LIVE },
	{ "VU-MSG-KICK-03", KC_IN_LIVE },
	{ NULL, 0 }
};

static const struct kc_point_rule rules[] = {
	{ KC_RULE_LOOP, KC_IN_SIM },
	{ KC_RULES, 0 }
};

const struct kc_point kc_point_progress = {
	.name = "progress",
	.clauses = clauses,
	.rules = rules,
	.session = session,
	.message = message,
	.observed = observed,
	.awake = awake,
};

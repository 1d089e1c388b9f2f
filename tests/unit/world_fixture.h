/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_WORLD_FIXTURE_H
#define TESTS_UNIT_WORLD_FIXTURE_H

/*
 * Plays a script against the reference behind a thin wrapper that can fail exactly: it cuts the
 * connection at a message, dies, swallows, garbles or changes an answer, stands still. All of it is
 * in this process, in live mode too: there the reference is stepped by whoever looks for answers.
 *
 * Hooks of the wrapper may run in a coroutine, so they never assert: they note what they saw.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <cmocka.h>
#include <backend/adapters.h>
#include <coverage/clauses.h>
#include <harness/language/verbs.h>
#include <harness/world/world.h>

/* Two lines before a script's own: its first line is line 3. CLAUSE is a MUST, MILD a SHOULD. */
#define CLAUSE		"VQ-SPLIT-USED-02"
#define MILD		"VQ-SPLIT-UNS-DEV-06"
#define PLAY_HEAD	"title t\nclause " CLAUSE "\n"
#define PLAY_MS		1000000ll
#define PLAY_PID	0x3fffffff	/* nobody's */
#define EXIT(n)		((n) << 8)

enum fault_kind {
	FAULT_NONE,
	FAULT_CLOSE,			/* the connection ends instead of an answer */
	FAULT_DIE,			/* likewise, and the process has ended, with `status` */
	FAULT_MUTE,			/* nothing comes of it */
	FAULT_GARBLE,			/* its answer is no message */
	FAULT_EDIT,			/* the answer goes through edit */
	FAULT_LATER,			/* the connection ends behind the answer */
};

struct fault {
	uint32_t on;			/* request */
	enum fault_kind kind;
	unsigned skip;			/* so many times it goes right before, and always after */
	int status;			/* as of wait(2) */
	void (*edit)(struct kc_msg *m);
	unsigned seen;
};

struct play {
	const char *device;		/* NULL: loopback */
	bool messages;			/* as bytes */
	enum kc_mode mode;
	struct kc_ref_config ref;	/* device and queues are set if they are 0 */
	struct kc_world_config cfg;	/* likewise be, port, mode, timeout_ns */
	unsigned caps;			/* beside those of the reference */
	unsigned caps_off;
	struct fault faults[4];
	bool frozen;			/* the rings are not served */
	bool spins;			/* it always has something to do */
	unsigned cut_at;		/* the connection ends when this line runs */
	int cut_status;			/* ... and the process has ended so, if it is not 0 */
	int dies_of_close;		/* wait status */
	int open_fails;			/* -errno */
	/* Before the reference looks at its rings, and as often as it finds nothing to do. */
	void (*on_step)(struct play *p, struct kc_world *w);
	unsigned steps;			/* for on_step */
	/* What became of the wrapper. */
	struct kc_backend *inner;
	struct kc_event queue[8];	/* events in front of the reference's */
	unsigned nqueue;
	bool cut, cut_once, reported;
	unsigned opens, closes, kills;
};

static struct kc_result result;		/* of the last play */
static char *trace;			/* its events */
static char sent[8192];			/* its raw bytes in hexadecimal, a write a line */

/* --- The wrapper ------------------------------------------------------------------------------ */

static inline struct play *play_of(struct kc_backend *be)
{
	return *(struct play **)be->priv;
}

static inline void wrap_exit(struct kc_backend *be, int status)
{
	be->pid = PLAY_PID;
	be->exited = true;
	be->exit_status = status;
}

static inline void wrap_cut(struct kc_backend *be)
{
	struct play *p = play_of(be);

	p->cut = true;
	p->inner->ops->close(p->inner);
}

static inline int wrap_open(struct kc_backend *be, struct kc_err *err)
{
	struct play *p = play_of(be);

	if (p->open_fails)
		return kc_err_set(err, p->open_fails, "nobody is there");
	p->opens++;
	p->cut = p->reported = be->exited = false;
	return p->inner->ops->open(p->inner, err);
}

static inline void wrap_drop(struct play *p)
{
	while (p->nqueue)
		kc_msg_fini(&p->queue[--p->nqueue].msg);
}

static inline void wrap_close(struct kc_backend *be)
{
	struct play *p = play_of(be);

	p->closes++;
	wrap_drop(p);
	if (!p->cut)
		p->inner->ops->close(p->inner);
	if (p->dies_of_close && p->opens)
		wrap_exit(be, p->dies_of_close);
}

static inline struct fault *wrap_fault(struct play *p, uint32_t id)
{
	for (unsigned i = 0; i < sizeof(p->faults) / sizeof(*p->faults); i++) {
		struct fault *f = &p->faults[i];

		if (f->kind && f->on == id && f->seen++ == f->skip)
			return f;
	}
	return NULL;
}

static inline void wrap_push(struct play *p, const struct kc_event *ev)
{
	if (p->nqueue < sizeof(p->queue) / sizeof(*p->queue))
		p->queue[p->nqueue++] = *ev;
}

/* What is still to come of the reference comes first. */
static inline void wrap_pull(struct play *p)
{
	struct kc_event ev;

	while (p->inner->ops->step(p->inner) > 0)
		;
	while (p->inner->ops->next_event(p->inner, &ev) == 1)
		wrap_push(p, &ev);
}

/* 0: the request goes on to the reference; 1: that was it. */
static inline int wrap_before(struct kc_backend *be, const struct fault *f)
{
	struct kc_event garbled = { .kind = KC_EV_GARBLED };

	switch (f ? f->kind : FAULT_NONE) {
	case FAULT_DIE:
		wrap_exit(be, f->status);
		/* fall through */
	case FAULT_CLOSE:
		wrap_cut(be);
		return 1;
	case FAULT_GARBLE:
		kc_msg_init(&garbled.msg, 0);
		kc_err_set(&garbled.err, 0, "those bytes are no message");
		wrap_push(play_of(be), &garbled);
		return 1;
	case FAULT_MUTE:
		return 1;
	default:
		return 0;
	}
}

static inline void wrap_after(struct kc_backend *be, const struct fault *f)
{
	struct play *p = play_of(be);

	if (!f)
		return;
	wrap_pull(p);
	if (f->kind == FAULT_EDIT && p->nqueue)
		f->edit(&p->queue[p->nqueue - 1].msg);
	if (f->kind == FAULT_LATER)
		wrap_cut(be);
}

static inline int wrap_submit(struct kc_backend *be, const struct kc_msg *m)
{
	struct play *p = play_of(be);
	const struct fault *f = p->cut ? NULL : wrap_fault(p, m->id);
	int ret;

	if (p->cut)
		return -EPIPE;
	if (wrap_before(be, f))
		return 0;
	ret = p->inner->ops->submit(p->inner, m);
	if (!ret)
		wrap_after(be, f);
	return ret;
}

static inline int wrap_send_raw(struct kc_backend *be, const void *buf, size_t len,
				const struct kc_handle *handles, unsigned nhandles)
{
	struct play *p = play_of(be);
	const struct fault *f = NULL;
	uint32_t id;
	size_t at = strlen(sent);
	int ret;

	for (size_t i = 0; i < len && at + 4 < sizeof(sent); i++)
		at += (size_t)sprintf(sent + at, "%02x ", ((const uint8_t *)buf)[i]);
	snprintf(sent + at, sizeof(sent) - at, "%u fds\n", nhandles);
	memcpy(&id, buf, len < sizeof(id) ? 0 : sizeof(id));
	if (p->cut)
		return -EPIPE;
	if (len >= sizeof(id))
		f = wrap_fault(p, id);
	if (wrap_before(be, f))
		return 0;
	ret = p->inner->ops->send_raw(p->inner, buf, len, handles, nhandles);
	if (!ret)
		wrap_after(be, f);
	return ret;
}

static inline bool wrap_cut_is_due(struct kc_backend *be)
{
	const struct play *p = play_of(be);
	const struct kc_world *w = be->watch_ctx;

	return p->cut_at && w && !p->cut_once && w->trace.step >= p->cut_at;
}

static inline int wrap_step(struct kc_backend *be)
{
	struct play *p = play_of(be);
	int ret;

	if (wrap_cut_is_due(be)) {
		p->cut_once = true;
		wrap_cut(be);
		if (p->cut_status)
			wrap_exit(be, p->cut_status);
		return 1;
	}
	if (p->on_step && be->watch_ctx && !p->cut)
		p->on_step(p, be->watch_ctx);
	p->inner->now_ns = be->now_ns;
	ret = p->frozen || p->cut ? 0 : p->inner->ops->step(p->inner);
	be->wake_ns = p->inner->wake_ns;
	return p->spins ? 1 : ret;
}

static inline int wrap_next_event(struct kc_backend *be, struct kc_event *ev)
{
	struct play *p = play_of(be);

	ev->kind = KC_EV_NONE;
	while (p->mode == KC_MODE_LIVE && !p->spins && wrap_step(be) > 0)
		;
	if (p->nqueue) {
		*ev = p->queue[0];
		memmove(p->queue, p->queue + 1, --p->nqueue * sizeof(*p->queue));
		return 1;
	}
	if (!p->cut)
		return p->inner->ops->next_event(p->inner, ev);
	if (p->reported)
		return -EPIPE;
	p->reported = true;
	ev->kind = KC_EV_CLOSED;
	return 1;
}

static inline int wrap_pollfd(struct kc_backend *be)
{
	(void)be;
	return -1;
}

static inline void wrap_kill(struct kc_backend *be, int signo)
{
	play_of(be)->kills++;
	wrap_cut(be);
	wrap_exit(be, signo);
}

static inline void wrap_free(struct kc_backend *be)
{
	wrap_drop(play_of(be));
	kc_backend_free(play_of(be)->inner);
	kc_backend_dealloc(be);
}

static const struct kc_backend_ops wrap_ops = {
	.name = "wrapped", .open = wrap_open, .close = wrap_close, .submit = wrap_submit,
	.next_event = wrap_next_event, .send_raw = wrap_send_raw, .step = wrap_step,
	.pollfd = wrap_pollfd, .kill = wrap_kill, .free = wrap_free,
};

static inline struct kc_backend *wrap_new(struct play *p)
{
	struct kc_backend *be = kc_backend_alloc(&wrap_ops, sizeof(p), NULL);
	struct kc_ref_config c = p->ref;
	struct kc_err err = { "" };

	assert_non_null(be);
	c.device = p->device ? p->device : "loopback";
	c.queues = c.queues ? c.queues : 4;
	c.capacity = c.capacity ? c.capacity : 1 << 20;
	p->inner = p->messages ? kc_backend_new_stream(&c, &err) : kc_backend_new_inproc(&c, &err);
	if (!p->inner)
		fail_msg("%s", err.msg);
	*(struct play **)be->priv = p;
	be->caps = (p->inner->caps | p->caps) & ~p->caps_off;
	return be;
}

/* --- Playing ---------------------------------------------------------------------------------- */

static inline int play_teardown(void **state)
{
	(void)state;
	kc_result_fini(&result);
	free(trace);
	trace = NULL;
	return 0;
}

static inline void play_as(struct play *p, const char *head, const char *body)
{
	struct kc_world_config cfg = p->cfg;
	struct kc_err err = { "" };
	struct kc_script *s;
	char text[4096];
	size_t len;

	snprintf(text, sizeof(text), "%s%s", head, body);
	s = kc_script_parse("x.kick", NULL, text, 0, &err);
	if (!s)
		fail_msg("%s", err.msg);
	play_teardown(NULL);
	sent[0] = 0;
	p->nqueue = p->opens = p->closes = p->kills = p->steps = 0;
	p->cut = p->cut_once = false;
	for (unsigned i = 0; i < sizeof(p->faults) / sizeof(*p->faults); i++)
		p->faults[i].seen = 0;
	cfg.mode = p->mode;
	cfg.seed = cfg.seed ? cfg.seed : 1;
	cfg.port = kc_port_by_name(p->device ? p->device : "loopback");
	cfg.timeout_ns = cfg.timeout_ns ? cfg.timeout_ns : 20 * PLAY_MS;
	cfg.contents = KC_CONTENTS_PATTERN;
	cfg.be = wrap_new(p);
	cfg.trace_file = open_memstream(&trace, &len);
	kc_world_run(s, &cfg, &result);
	fclose(cfg.trace_file);
	kc_backend_free(cfg.be);
	kc_script_free(s);
}

static inline void play(struct play *p, const char *body)
{
	play_as(p, PLAY_HEAD, body);
}

/* How often does the text stand there? */
static inline unsigned times(const char *in, const char *text)
{
	unsigned n = 0;

	for (; (in = strstr(in, text)); in += strlen(text))
		n++;
	return n;
}

static inline void play_wrong(const char *body, const char *expected, const char *file, int line)
{
	print_error("%sexpected %s\nactual %s, message '%s', reason '%s'\n", body, expected,
		    kc_verdict_name(result.verdict), result.message ? result.message : "",
		    result.reason ? result.reason : "");
	for (unsigned i = 0; i < result.nviolations; i++)
		print_error("  %s line %u: %s\n", result.violations[i].clause,
			result.violations[i].line,
			    result.violations[i].message);
	_fail(file, line);
}

static inline void play_passes(struct play *p, const char *body, const char *file, int line)
{
	play(p, body);
	if (result.verdict != KC_PASS || result.nviolations)
		play_wrong(body, "a pass", file, line);
}

static inline void play_violates(struct play *p, enum kc_verdict v, const char *body,
	const char *clause,
				 unsigned at, const char *says, const char *file, int line)
{
	char expected[300];
	bool found = false;

	play(p, body);
	for (unsigned i = 0; i < result.nviolations && !found; i++)
		found = !strcmp(result.violations[i].clause,
			clause) && result.violations[i].line == at &&
			strstr(result.violations[i].message, says);
	snprintf(expected, sizeof(expected), "%s: %s at line %u: %s", kc_verdict_name(v), clause,
		at, says);
	if (!found || result.verdict != v || result.nviolations != 1)
		play_wrong(body, expected, file, line);
}

/* An error's place and text, without the path. */
static inline void play_errs(struct play *p, const char *body, const char *says, const char *file,
			     int line)
{
	char expected[300];

	play(p, body);
	snprintf(expected, sizeof(expected), "x.kick:%s", says);
	if (result.verdict != KC_ERROR || !result.script_error || !result.message ||
	    strcmp(result.message, expected))
		play_wrong(body, expected, file, line);
}

static inline void play_stops(struct play *p, enum kc_verdict v, const char *body, const char *says,
			      const char *file, int line)
{
	play(p, body);
	if (result.verdict != v || result.script_error || !result.reason || !strstr(result.reason,
		says))
		play_wrong(body, says, file, line);
}

#define passes(p, body)			play_passes(p, body, __FILE__, __LINE__)
#define fails(p, body, clause, at, says) \
	play_violates(p, KC_FAIL, body, clause, at, says, __FILE__, __LINE__)
#define warns(p, body, clause, at, says) \
	play_violates(p, KC_WARN, body, clause, at, says, __FILE__, __LINE__)
#define errs(p, body, says)		play_errs(p, body, says, __FILE__, __LINE__)
#define skips(p, body, says)		play_stops(p, KC_SKIP, body, says, __FILE__, __LINE__)
#define undecided(p, body, says) \
	play_stops(p, KC_INCONCLUSIVE, body, says, __FILE__, __LINE__)
#define trouble(p, body, says)		play_stops(p, KC_ERROR, body, says, __FILE__, __LINE__)

#endif

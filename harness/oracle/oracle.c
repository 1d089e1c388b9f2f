/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: events come in through oracle.h. Each first brings the books of the queue
 * concerned up to date (watch.c), then goes to every point of the table below (pNN_*.c), which
 * judges and may accuse. No point knows another one.
 *
 * Messages are looked at twice: by the grammar point, and here, because a script may reconfigure a
 * running ring by a message of its own. What the device then does with that ring is not judged as
 * if nothing had happened.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <linux/vhost.h>
#include <harness/oracle/watch.h>

const struct kc_point *const kc_points[KC_POINTS_MAX + 1] = {
	&kc_point_indices,	/* first: what went astray is not lost */
	&kc_point_conservation,
	&kc_point_used_len,
	&kc_point_canary,
	&kc_point_ownership,
	&kc_point_notify,
	&kc_point_in_order,
	&kc_point_log,
	&kc_point_inflight,
	&kc_point_base,
	&kc_point_grammar,
	&kc_point_progress,
	&kc_point_silence,
	NULL
};

/* A device that is wrong once is often wrong all the time: the first few say it all. */
static bool is_enough(struct kc_oracle *o, const char *clause)
{
	for (unsigned i = 0; i < KC_CLAUSES_COUNTED; i++) {
		if (!o->told[i].clause[0])
			snprintf(o->told[i].clause, sizeof(o->told[i].clause), "%s", clause);
		if (!strcmp(o->told[i].clause, clause))
			return o->told[i].n++ >= KC_SAME_CLAUSE_MAX;
	}
	return false;
}

void kc_accuse(struct kc_oracle *o, const char *clause, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (is_enough(o, clause))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (o->cfg.trace)
		kc_trace_text(o->cfg.trace, KC_ACTOR_ORACLE, "accuse", text, "%s", clause);
	if (o->cfg.accuse)
		o->cfg.accuse(o->cfg.ctx, clause, text);
}

static void list_handlers(struct kc_oracle *o)
{
	for (unsigned h = 0; h < KC_HANDLERS; h++) {
		const struct kc_point **list = o->points_with[h];

		for (unsigned i = 0; kc_points[i]; i++) {
			void (*fn)(void);

			memcpy(&fn, (const char *)kc_points[i] + offsetof(struct kc_point, session) +
			       h * sizeof(fn), sizeof(fn));
			if (fn)
				*list++ = kc_points[i];
		}
	}
}

struct kc_oracle *kc_oracle_new(const struct kc_oracle_config *c)
{
	struct kc_oracle *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->cfg = *c;
	list_handlers(o);
	if (kc_shadow_init(&o->shadow, c->mem)) {
		free(o);
		return NULL;
	}
	return o;
}

void kc_oracle_free(struct kc_oracle *o)
{
	if (!o)
		return;
	kc_watch_free(o);
	kc_dirty_free(&o->dirty);
	kc_shadow_fini(&o->shadow);
	free(o);
}

static void look_all(struct kc_oracle *o)
{
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi])
			kc_watch_look(o, o->q[qi]);
}

/* --- Sessions --------------------------------------------------------------------------------- */

/* A closed socket is no barrier: what the device was given it may still write to. */
static void end_session(struct kc_oracle *o, bool orderly)
{
	look_all(o);
	kc_points_tell(o, session, false, orderly);
	for (unsigned qi = 0; qi < o->nq; qi++) {
		if (!o->q[qi] || !o->q[qi]->started)
			continue;
		o->q[qi]->started = false;
		o->q[qi]->orphan = true;
		kc_watch_loosen(o, o->q[qi]);
	}
	o->running = 0;
}

void kc_oracle_session_end(struct kc_oracle *o, bool orderly)
{
	o->events++;
	end_session(o, orderly);
}

void kc_oracle_session_start(struct kc_oracle *o)
{
	o->events++;
	if (o->running)
		end_session(o, false);
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi]) {
			kc_watch_stop(o, o->q[qi]);
			o->q[qi]->nleft = 0;	/* another device, for all that is known */
		}
	kc_points_tell(o, session, true, true);
}

void kc_oracle_protocol_features(struct kc_oracle *o, uint64_t acked)
{
	o->grammar.acked = acked;
}

/* --- Queues ----------------------------------------------------------------------------------- */

void kc_oracle_queue_start(struct kc_oracle *o, unsigned qi, const struct kc_oracle_queue *cfg)
{
	struct kc_watch_queue *q = kc_watch_queue(o, qi);

	o->events++;
	if (o->silence.barrier)
		kc_oracle_verify_memory(o);	/* the last moment at which all must be silent */
	if (q && kc_watch_start(o, q, cfg) == 0)
		kc_points_tell(o, started, q);
}

void kc_oracle_queue_stopping(struct kc_oracle *o, unsigned qi)
{
	struct kc_watch_queue *q = kc_watch_queue(o, qi);

	o->events++;
	if (!q)
		return;
	kc_watch_look(o, q);
	q->stopping = true;
}

/* Closes the books of one queue; base < 0: a reset. */
static void stop(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base)
{
	if (!q->started)
		return;
	kc_watch_look(o, q);
	q->stopping = false;	/* from here on excuses are the points' own affair */
	kc_points_tell(o, stopped, q, base);
	if (q->layout->rest)
		q->layout->rest(o, q);
	if (o->running == 1)
		kc_oracle_verify_memory(o);
	kc_watch_stop(o, q);
	q->quietness.barrier = true;
	q->quietness.reset = base < 0;
}

void kc_oracle_queue_stopped(struct kc_oracle *o, unsigned qi, uint32_t base)
{
	struct kc_watch_queue *q = kc_watch_queue(o, qi);

	o->events++;
	if (!q || !q->started)
		return;
	stop(o, q, base);
	if (!o->running)
		kc_points_tell(o, silent, false);
}

void kc_oracle_reset(struct kc_oracle *o)
{
	o->events++;
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi])
			stop(o, o->q[qi], -1);
	kc_points_tell(o, silent, true);
}

static void enable(struct kc_watch_queue *q, bool enabled)
{
	if (enabled && !q->enabled && q->used)
		kc_notify_excuse(q);
	q->enabled = enabled;
}

void kc_oracle_queue_enable(struct kc_oracle *o, unsigned qi, bool enabled)
{
	struct kc_watch_queue *q = kc_watch_queue(o, qi);

	o->events++;
	if (q)
		enable(q, enabled);
}

/* --- What happens on a queue ------------------------------------------------------------------ */

/* The queue, looked at; NULL if there is none. */
static struct kc_watch_queue *happened(struct kc_oracle *o, unsigned qi)
{
	struct kc_watch_queue *q = kc_watch_queue(o, qi);

	o->events++;
	if (q)
		kc_watch_look(o, q);
	return q;
}

void kc_oracle_published(struct kc_oracle *o, unsigned qi)
{
	happened(o, qi);
}

/* What was published and cannot be seen is not the device's to serve. Books that a wrong device may have
 * confused prove nothing. */
void kc_oracle_supplied(struct kc_oracle *o, unsigned qi, unsigned n)
{
	const struct kc_watch_queue *q = kc_watch_queue(o, qi);
	uint64_t before = q ? q->offered : 0;

	kc_oracle_published(o, qi);
	if (q && q->started && !q->malformed && !q->derailed && !o->failed && !o->told[0].n &&
	    q->offered - before != n)
		kc_watch_driver_broke(o->q[qi], "other buffers can be seen than were published");
}

void kc_oracle_suppression(struct kc_oracle *o, unsigned qi)
{
	happened(o, qi);
}

void kc_oracle_by_hand(struct kc_oracle *o, unsigned qi)
{
	struct kc_watch_queue *q = kc_watch_queue(o, qi);

	if (q)
		q->by_hand = true;
}

void kc_oracle_malformed(struct kc_oracle *o, unsigned qi)
{
	struct kc_watch_queue *q = happened(o, qi);

	if (q && !q->malformed)
		q->malformed = "the script says so";
}

void kc_oracle_kicked(struct kc_oracle *o, unsigned qi)
{
	struct kc_watch_queue *q = happened(o, qi);

	if (!q)
		return;
	q->kicks++;
	q->kicked_slots = q->asked_slots = q->offered_slots;
}

void kc_oracle_kick_withheld(struct kc_oracle *o, unsigned qi)
{
	struct kc_watch_queue *q = happened(o, qi);
	uint64_t n;

	if (!q || !q->layout)
		return;
	n = q->offered_slots - q->asked_slots;
	q->asked_slots = q->offered_slots;
	/* live: the wish may be another one by now */
	if (o->cfg.mode == KC_MODE_SIM && q->started && !q->malformed && !q->derailed &&
	    kc_watch_asks_last(q, q->layout->kick_wish(q), n))
		kc_watch_driver_broke(q, "a kick that the device wants was not given");
}

void kc_oracle_called(struct kc_oracle *o, unsigned qi, uint64_t n)
{
	struct kc_watch_queue *q = happened(o, qi);
	uint64_t spurious;

	if (!q || !n)
		return;
	q->calls += n;
	spurious = q->notify.spurious;
	kc_points_tell(o, called, q, n);
	kc_listener_tell(o, called, qi, n, q->notify.spurious - spurious);
}

void kc_oracle_ring_error(struct kc_oracle *o, unsigned qi)
{
	struct kc_watch_queue *q = happened(o, qi);

	if (q)
		q->errors++;
}

void kc_oracle_reaped(struct kc_oracle *o, unsigned qi, uint16_t head)
{
	struct kc_watch_queue *q = happened(o, qi);

	if (q)
		kc_watch_reaped(o, q, head);
}

void kc_oracle_guest_wrote(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	struct kc_oracle *o = ctx;

	o->events++;
	if (len && len <= UINT64_MAX - gpa)
		kc_watch_wrote(o, gpa, buf, len);
}

/* --- Messages that touch running rings -------------------------------------------------------- */

typedef void msg_fn(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m);

static void on_kick_fd(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	(void)o;
	(void)m;
	q->quietness.barrier = false;
	if (q->wired) {		/* a kick on the old eventfd may be lost */
		q->lost.kicks_void = q->kicks;
		q->lost.serial_void = q->serial;
	}
	q->wired = q->started;
}

static void on_call_fd(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	(void)o;
	if (q->wired)
		kc_notify_excuse(q);
	if (!q->started)
		q->quietness.free_calls++;
	q->cfg.has_call = !(m->u64 & KC_VU_NOFD);
}

static void on_stop(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	(void)o;
	if (m->id != KC_VU_SET_STATUS || !m->u64)
		q->stopping = true;
}

/* Some back-ends have always taken it to discard what they know of the session. That they should not
 * (VU-MSG-RESETOWNER-01) is for the script to ask; the base that they answer then is no wrong count. */
static void on_reset_owner(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	on_stop(o, q, m);
	q->disowned = true;
}

static void on_enable(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	(void)o;
	enable(q, m->state.num == 1);
}

static void on_reshape(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	(void)o;
	(void)m;
	if (q->wired && !q->malformed)
		q->malformed = "the ring was reconfigured while it was running";
}

/* The same features may be sent again; so may LOG_ALL be switched (VU-MSG-SETFEATURES-01). */
static void on_features(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	if ((m->u64 ^ o->features) & ~KC_BIT(VHOST_F_LOG_ALL))
		on_reshape(o, q, m);
}

/* The same addresses may be sent again (VU-MSG-VRINGADDR-01). */
static void on_addr(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	const struct kc_mem *mem = o->cfg.mem;

	if (q->wired && kc_mem_uva(mem, q->cfg.desc) == m->addr.desc &&
	    kc_mem_uva(mem, q->cfg.avail) == m->addr.avail &&
	    kc_mem_uva(mem, q->cfg.used) == m->addr.used)
		kc_notify_excuse(q);
	else
		on_reshape(o, q, m);
}

static bool still_maps(const struct kc_msg *m, const struct kc_region *r)
{
	for (unsigned i = 0; i < m->mem.nregions && i < KC_VU_MEM_REGIONS_MAX; i++)
		if (m->mem.regions[i].gpa == r->gpa && m->mem.regions[i].size == r->size &&
		    m->mem.regions[i].uva == r->uva)
			return true;
	return false;
}

static void on_mem_table(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_msg *m)
{
	bool same = true;

	for (unsigned i = 0; i < o->cfg.mem->nregions; i++)
		same &= still_maps(m, &o->cfg.mem->regions[i]);
	if (q->wired && same)
		kc_notify_excuse(q);
	else
		on_reshape(o, q, m);
}

/* Which queue a request is about. */
enum target { ALL, BY_U64, BY_STATE, BY_ADDR };

static const struct {
	uint32_t id;
	enum target target;
	msg_fn *fn;
} conduct[] = {
	{ KC_VU_SET_VRING_KICK, BY_U64, on_kick_fd },
	{ KC_VU_SET_VRING_CALL, BY_U64, on_call_fd },
	{ KC_VU_GET_VRING_BASE, BY_STATE, on_stop },
	{ KC_VU_GET_VRING_BASE_SKIP_DRAIN, BY_STATE, on_stop },
	{ KC_VU_SET_STATUS, ALL, on_stop },
	{ KC_VU_RESET_DEVICE, ALL, on_stop },
	{ KC_VU_RESET_OWNER, ALL, on_reset_owner },
	{ KC_VU_SET_VRING_ENABLE, BY_STATE, on_enable },
	{ KC_VU_SET_VRING_NUM, BY_STATE, on_reshape },
	{ KC_VU_SET_VRING_BASE, BY_STATE, on_reshape },
	{ KC_VU_SET_VRING_ENDIAN, BY_STATE, on_reshape },
	{ KC_VU_SET_VRING_ADDR, BY_ADDR, on_addr },
	{ KC_VU_SET_MEM_TABLE, ALL, on_mem_table },
	{ KC_VU_REM_MEM_REG, ALL, on_reshape },
	{ KC_VU_SET_FEATURES, ALL, on_features },
	{ KC_VU_SET_INFLIGHT_FD, ALL, on_reshape },
};

static void apply_conduct(struct kc_oracle *o, const struct kc_msg *m, enum target t, msg_fn *fn)
{
	uint32_t want = t == BY_U64 ? (uint32_t)(m->u64 & KC_VU_RING_MASK) :
		t == BY_STATE ? m->state.index : m->addr.index;

	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi] && (t == ALL || qi == want))
			fn(o, o->q[qi], m);
}

void kc_oracle_message(struct kc_oracle *o, const struct kc_msg *m, bool out)
{
	o->events++;
	for (size_t i = 0; m && out && i < sizeof(conduct) / sizeof(conduct[0]); i++)
		if (conduct[i].id == m->id)
			apply_conduct(o, m, conduct[i].target, conduct[i].fn);
	if (m && out && m->id == KC_VU_SET_FEATURES)
		o->features = m->u64;
	kc_points_tell(o, message, m, out);
}

/* --- Looking ---------------------------------------------------------------------------------- */

void kc_oracle_observe(struct kc_oracle *o)
{
	look_all(o);
	kc_points_tell(o, observed);
}

void kc_watch_changed(void *ctx, const struct kc_shadow_change *c)
{
	struct kc_oracle *o = ctx;
	struct kc_place_of p;

	kc_watch_place(o, c->gpa, &p);
	kc_points_tell(o, changed, c, &p);
	if (p.at == KC_AT_DESC)		/* the rest of it is the same story */
		kc_shadow_sync(&o->shadow, p.q->cfg.desc + (c->gpa - p.q->cfg.desc) / 16 * 16, 16);
}

void kc_oracle_verify_memory(struct kc_oracle *o)
{
	look_all(o);
	kc_shadow_compare(&o->shadow, kc_watch_changed, o);
	o->compared = kc_watch_line(o);
}

/* What the device has done there before is told first. Memory that was lent is not looked at for traces of a
 * write: to drop it, or to leave it as it is, is as good. */
void kc_oracle_lend(struct kc_oracle *o, uint64_t gpa, uint64_t len, bool on)
{
	o->events++;
	if (on)
		kc_shadow_compare_range(&o->shadow, gpa, len, kc_watch_changed, o);
	kc_shadow_sync(&o->shadow, gpa, len);
	kc_shadow_permit(&o->shadow, gpa, len, on);
}

bool kc_oracle_all_done(struct kc_oracle *o)
{
	look_all(o);
	return kc_progress_all_done(o);
}

void kc_oracle_awake(struct kc_oracle *o, uint64_t cpu_ms, uint64_t ms)
{
	look_all(o);
	kc_points_tell(o, awake, cpu_ms, ms);
}

void kc_oracle_quiet(struct kc_oracle *o)
{
	look_all(o);
	for (unsigned qi = 0; qi < o->nq; qi++)
		if (o->q[qi] && o->q[qi]->started)
			kc_points_tell(o, quiet, o->q[qi]);
	kc_points_tell(o, all_quiet);
}

void kc_oracle_finish(struct kc_oracle *o)
{
	kc_oracle_verify_memory(o);
	end_session(o, true);
}

/* --- What the books say ----------------------------------------------------------------------- */

static uint16_t used_idx(const struct kc_watch_queue *q)
{
	return q && q->layout ? q->layout->show(q, q->used_pos) : 0;
}

uint16_t kc_oracle_used_idx(const struct kc_oracle *o, unsigned qi)
{
	return used_idx(qi < o->nq ? o->q[qi] : NULL);
}

void kc_oracle_view(const struct kc_oracle *o, unsigned qi, struct kc_oracle_view *v)
{
	const struct kc_watch_queue *q = qi < o->nq ? o->q[qi] : NULL;

	memset(v, 0, sizeof(*v));
	if (!q)
		return;
	*v = (struct kc_oracle_view){
		.started = q->started, .enabled = q->enabled, .malformed = q->malformed, .driver_broke = q->broke,
		.offered = q->offered, .used = q->used,
		.used_idx = used_idx(q), .calls = q->calls, .kicks = q->kicks, .errors = q->errors,
		.call_due = q->notify.due || q->notify.due_empty,
		.calls_due = q->notify.dues, .calls_spurious = q->notify.spurious,
	};
}

uint64_t kc_oracle_suspicions(const struct kc_oracle *o, const char **clause, char *first, size_t cap)
{
	*clause = o->trust.clause;
	snprintf(first, cap, "%s", o->trust.first);
	return o->trust.suspicions;
}

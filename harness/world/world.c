/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a world is built for one scenario and torn down after it. Everything that
 * happens in it reaches the oracle from here: memory writes through kc_mem.wrote, messages through
 * the back-end's watch, used entries and calls through the scheduler's observer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <harness/world/blame.h>
#include <harness/world/picture.h>
#include <harness/world/world.h>

/* --- Watching ----------------------------------------------------------------------------------- */

void kc_world_watch_message(void *ctx, const struct kc_msg *m, bool out)
{
	struct kc_world *w = ctx;
	char line[512];

	w->met |= !out;
	kc_msg_print(m, line, sizeof(line));
	kc_trace_text(&w->trace, out ? KC_ACTOR_VMM : KC_ACTOR_BACKEND, "message", line, "socket");
	fprintf(w->transcript_file, "%s %s\n", out ? "->" : "<-", line);
	kc_oracle_message(w->oracle, m, out);
	if (out && m->id == KC_VU_SET_PROTOCOL_FEATURES && m->payload == KC_PL_U64)
		kc_oracle_protocol_features(w->oracle, m->u64);
}

/* After every switch (sim) or poll (live). */
void kc_world_observe(void *ctx)
{
	struct kc_world *w = ctx;
	uint16_t used_idx;

	kc_oracle_observe(w->oracle);
	kc_vmm_poll(&w->vmm);
	for (unsigned qi = 0; qi < w->nq; qi++) {
		struct kc_world_queue *q = &w->q[qi];

		if (!q->made)
			continue;
		if (w->vmm.interrupts[qi] != q->seen_interrupts) {
			kc_oracle_called(w->oracle, qi, w->vmm.interrupts[qi] - q->seen_interrupts);
			q->seen_interrupts = w->vmm.interrupts[qi];
			kc_economy_calls_added_up(&w->economy, qi,
						  kc_kvm_added_up(w->vmm.kvm, KC_GSI_BASE + qi));
		}
		for (; q->seen_errors < w->vmm.q[qi].errors; q->seen_errors++)
			kc_oracle_ring_error(w->oracle, qi);
		used_idx = kc_oracle_used_idx(w->oracle, qi);
		if (used_idx != q->seen_used_idx)
			kc_trace_value(&w->trace, KC_ACTOR_BACKEND, "used-idx", used_idx, "queue %u", qi);
		q->seen_used_idx = used_idx;
	}
}

static int step_backend(void *arg)
{
	struct kc_world *w = arg;
	struct kc_backend *be = w->cfg.be;
	int ret;

	be->now_ns = kc_sched_now(w->sched);
	ret = be->ops->step(be);
	if (ret <= 0 && be->wake_ns)
		kc_sched_wake_at(w->sched, be->wake_ns);
	return ret;
}

static bool peer_is_quiet(void *ctx)
{
	struct kc_world *w = ctx;
	pid_t pid = w->cfg.be->pid;

	/* In this order: a frame that is sent back wakes the peer. */
	if (!pid || (w->cfg.far_end && !kc_far_end_quiet(w->cfg.far_end)))
		return false;
	return w->cfg.busy_poll ? kc_proc_only_polls(&w->polls, pid) : kc_proc_quiet(&w->quiet, pid);
}

static int64_t trace_now(void *ctx)
{
	return kc_sched_now(ctx);
}

/* --- Session ------------------------------------------------------------------------------------ */

static int pf_by_name(const char *device, const char *name)
{
	(void)device;
	return kc_pf_by_name(name);
}

/* What the header's `without` leaves, of the names that by_name knows. */
static uint64_t left(const struct kc_world *w, int (*by_name)(const char *device, const char *name))
{
	const struct kc_script *s = w->script;
	uint64_t mask = ~0ull;

	for (unsigned i = 0; i < s->nwithout; i++) {
		int bit = by_name(w->cfg.port->device, s->without[i].word);

		if (bit >= 0)
			mask &= ~KC_BIT(bit);
	}
	return mask;
}

/* Protocol features that give the VMM duties are taken where the header needs them. */
static uint64_t asked_for(const struct kc_world *w)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < w->script->nneeds; i++) {
		int bit = kc_pf_by_name(w->script->needs[i].word);

		if (bit >= 0)
			mask |= KC_BIT(bit);
	}
	return mask & kc_vmm_pf_on_demand;
}

/* Features that change what a ring looks like, or what a driver must do, beyond what scenarios that do
 * not speak of them expect: taken only when the header needs them. */
static const char *const opt_in[] = {
	"in_order", "notification_data", "ring_reset", "notify_on_empty", "any_layout",
	"guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo", "stats_vq", "page_poison",
};

uint64_t kc_world_features(struct kc_world *w)
{
	uint64_t features = left(w, kc_feature_by_name);

	for (unsigned i = 0; i < sizeof(opt_in) / sizeof(*opt_in); i++) {
		int bit = kc_feature_by_name(w->cfg.port->device, opt_in[i]);

		if (bit >= 0 && !kc_script_needs(w->script, opt_in[i]))
			features &= ~KC_BIT(bit);
	}
	/* A device has rings of one layout: the script's queue lines say which. */
	if (!kc_script_has_layout(w->script, "packed") && !kc_script_needs(w->script, "packed"))
		features &= ~KC_BIT(VIRTIO_F_RING_PACKED);
	return features;
}

unsigned kc_world_config_len(const struct kc_world *w)
{
	return kc_port_config_len(w->cfg.port, w->vmm.driver_features);
}

/* Nobody has to work without VERSION_1 (VIRTIO-RSVD-DEV-02), nor without a feature of the device type's that
 * it may insist on (BALLOON-FEAT-DEV-01): a refusal, or a hang-up, which some notice only after an ack of the
 * features, is a reason to skip. */
static int not_negotiated(struct kc_world *w, enum kc_outcome o, const char *what)
{
	bool legacy = !(w->vmm.driver_features & KC_BIT(VIRTIO_F_VERSION_1));
	uint64_t lacks = w->cfg.port->insisted & w->vmm.device_features & ~w->vmm.driver_features;
	const char *name = lacks ? kc_feature_name(w->cfg.port->device, (unsigned)__builtin_ctzll(lacks)) : NULL;

	if ((!legacy && !lacks) || (o != KC_OUT_REFUSED && o != KC_OUT_CLOSED && o != KC_OUT_EXITED))
		return kc_world_outcome(w, o, what);
	if (kc_world_survives(w))
		return -1;
	return kc_world_stop(w, KC_SKIP, "the back-end does not work without %s, and need not",
			     legacy || !name ? "VERSION_1" : name);
}

static int read_config(struct kc_world *w)
{
	unsigned len = kc_world_config_len(w);
	enum kc_outcome o;

	w->config_len = 0;
	if (!len || !(w->vmm.pf_acked & KC_BIT(KC_PF_CONFIG)))
		return 0;
	o = kc_vmm_config_read(&w->vmm, 0, len, w->config_space);
	if (o != KC_OUT_OK)
		return not_negotiated(w, o, "GET_CONFIG of the device's configuration");
	w->config_len = len;
	return 0;
}

bool kc_world_read_only(const struct kc_world *w)
{
	return !strcmp(w->cfg.port->device, "blk") &&
		w->vmm.device_features & KC_BIT(VIRTIO_BLK_F_RO);
}

/* What the port goes by. A disk that offers RO is one, whether that was accepted or not
 * (BLK-OP-DEV-02). */
static uint64_t port_features(const struct kc_world *w)
{
	return w->vmm.driver_features | (kc_world_read_only(w) ? KC_BIT(VIRTIO_BLK_F_RO) : 0);
}

static void lend(void *ctx, uint64_t gpa, uint64_t len, bool on)
{
	struct kc_world *w = ctx;

	kc_oracle_lend(w->oracle, gpa, len, on);
}

static int open_port(struct kc_world *w)
{
	struct kc_port_env env = {
		.mem = &w->mem,
		.features = port_features(w),
		.offered = w->vmm.device_features,
		.config = w->config_space,
		.config_len = w->config_len,
		.ring_max_chain = w->cfg.chain_max ? w->cfg.chain_max : 1024,
		.seed = w->cfg.seed,
		.poison_flip = w->cfg.poison_flip,
		.writes_allowed = w->cfg.writes_allowed,
		.contents = w->cfg.contents,
		.writes_dropped = w->cfg.writes_dropped,
		.control = w->cfg.control,
		.lend = lend, .lend_ctx = w,
		.private_slot = kc_seed_derive(1, w->script->id) ^ kc_seed_derive(2, w->script->variant),
	};

	if (w->port) {		/* negotiated anew: the storage's model stays */
		w->port->env.features = env.features;
		w->port->env.offered = env.offered;
		w->port->env.config_len = env.config_len;
		if (w->port->ops->renegotiated)
			w->port->ops->renegotiated(w->port);
		return 0;
	}
	w->port = w->cfg.port->open(&env, &w->vmm.err);
	if (!w->port)
		return kc_world_stop(w, KC_ERROR, "port %s: %s", w->cfg.port->device, w->vmm.err.msg);
	return 0;
}

/* Nobody is there, as against somebody who hangs up or says nothing. */
static bool is_gone(struct kc_world *w, enum kc_outcome o)
{
	struct kc_err err;

	if (!w->cfg.served || w->met || w->cfg.be->connected)
		return false;
	if (o != KC_OUT_CLOSED)
		return o == KC_OUT_TIMED_OUT;
	/* The kernel may have taken the connection for a process that was about to end. */
	if (kc_backend_open(w->cfg.be, &err))
		return true;
	kc_backend_close(w->cfg.be);
	return false;
}

/* The back-end is up, so its tap must be: the far end stands there before a frame is sent. */
static int meet_far_end(struct kc_world *w)
{
	struct kc_err err;

	if (!w->cfg.far_end || !kc_far_end_wait(w->cfg.far_end, 10 * w->cfg.timeout_ns, &err))
		return 0;
	return kc_world_stop(w, KC_ERROR, "%s", err.msg);
}

int kc_world_connect(struct kc_world *w)
{
	enum kc_outcome o;

	w->lost = w->loss_judged = false;
	w->vmm.pf_wanted = (kc_vmm_pf_spoken | asked_for(w)) & left(w, pf_by_name);
	w->vmm.protocol_features = kc_world_features(w) & KC_BIT(KC_VU_F_PROTOCOL_FEATURES);
	kc_world_empty_inbox(w);
	kc_oracle_session_start(w->oracle);
	o = kc_vmm_connect(&w->vmm);
	if (o == KC_OUT_OK) {
		kc_economy_session_start(&w->economy, w->cfg.be->pid);
		return meet_far_end(w);
	}
	w->result->unreached = is_gone(w, o);
	return kc_world_outcome(w, o, "connecting");
}

int kc_world_negotiate(struct kc_world *w, uint64_t features)
{
	enum kc_outcome o;

	w->session = true;
	o = kc_driver_init_device(&w->vmm, features, w->cfg.port, &w->vmm.err);
	if (o != KC_OUT_OK)
		return not_negotiated(w, o, "negotiating features");
	o = kc_vmm_set_mem_table(&w->vmm);
	if (o != KC_OUT_OK)
		return not_negotiated(w, o, "SET_MEM_TABLE");
	if (read_config(w) || open_port(w))
		return -1;
	w->driver_ok_due = true;
	w->opening_due = w->cfg.port->opening;
	return 0;
}

int kc_world_driver_ok(struct kc_world *w)
{
	enum kc_outcome o;

	if (!w->driver_ok_due)
		return 0;
	w->driver_ok_due = false;
	o = kc_driver_ok(&w->vmm);
	return o == KC_OUT_OK ? 0 : kc_world_outcome(w, o, "DRIVER_OK");
}

int kc_world_session(struct kc_world *w)
{
	if (w->session)
		return 0;
	w->session = true;
	if (kc_world_connect(w) || kc_world_check_needs(w))
		return -1;
	return kc_world_negotiate(w, kc_world_features(w));
}

/* --- Used buffers ------------------------------------------------------------------------------- */

static void refused(struct kc_world *w, const struct kc_request *r, int code)
{
	if (w->nrefused == sizeof(w->refused) / sizeof(*w->refused))
		return;
	w->refused[w->nrefused].code = code;
	snprintf(w->refused[w->nrefused].what, sizeof(w->refused[0].what), "%s", r->what);
	w->nrefused++;
}

static const char *payload_clause(const struct kc_world *w)
{
	return w->port->clause ? w->port->clause : w->port->ops->payload_clause;
}

static void judge_len(struct kc_world *w, unsigned qi, const struct kc_request *r, const struct kc_used *u)
{
	const struct kc_port_ops *ops = w->port->ops;
	bool packed = w->q[qi].ring.ops->packed && ops->len_clause_packed;

	/* One that another entry stands for says no length: u->len is only what it counts as. */
	if (u->skipped || r->len_expected == ~0u || u->len == r->len_expected)
		return;
	kc_world_violate(w, packed ? ops->len_clause_packed : ops->len_clause,
			 "%s: expected used.len %u, actual %u", r->what, r->len_expected, u->len);
}

static void judge_request(struct kc_world *w, unsigned qi, struct kc_request *r, const struct kc_used *u)
{
	struct kc_err *why = &w->vmm.err;
	int code = 0;

	why->msg[0] = '\0';
	w->port->clause = NULL;
	switch (w->port->ops->check(w->port, qi, r, u, &code, why)) {
	case KC_PAYLOAD_RIGHT:
		w->answered_ok++;
		break;
	case KC_PAYLOAD_WRONG:
		kc_world_violate(w, payload_clause(w), "%s: %s", r->what, why->msg);
		break;
	case KC_PAYLOAD_FAILED:
		refused(w, r, code);
		return;
	}
	judge_len(w, qi, r, u);
}

/* A used entry that the driver's books cannot explain. On a ring written by hand they mean nothing:
 * the oracle judges alone. */
static void impossible_entry(struct kc_world *w, unsigned qi, int ret, const struct kc_used *u)
{
	const struct kc_ring *r = &w->q[qi].ring;
	bool packed = r->ops->packed;

	if (w->q[qi].raw)
		return;
	w->over = ret == -EOVERFLOW;	/* nothing can be taken any more */
	if (!w->over)
		kc_world_violate(w, packed ? "VQ-PACKED-USED-01" : "VQ-SPLIT-USED-02",
				 "queue %u: the driver cannot make sense of used %s id %u len %u", qi,
				 packed ? "descriptor" : "entry", u->id, u->len);
	else if (packed)
		kc_world_violate(w, "VQ-PACKED-DEV-02", "queue %u: slot %u is used, and the driver has "
				 "offered nothing there", qi, r->packed.used_pos % r->packed.size);
	else
		kc_world_violate(w, "VQ-SPLIT-USED-03", "queue %u: used idx %u is ahead of avail idx %u", qi,
				 kc_split_used_idx(&r->split), r->split.published_idx);
}

static bool reap_one(struct kc_world *w, unsigned qi)
{
	struct kc_world_queue *q = &w->q[qi];
	struct kc_used u = { 0 };
	int ret = q->ring.ops->reap(&q->ring, &u);

	if (ret == 0)
		return false;
	/* The oracle judges first. */
	if (ret < 0) {
		kc_oracle_observe(w->oracle);
		impossible_entry(w, qi, ret, &u);
		return ret == -EPROTO;
	}
	kc_oracle_reaped(w->oracle, qi, u.id);
	judge_request(w, qi, u.token, &u);
	w->port->ops->release(w->port, u.token);
	q->outstanding--;
	q->reaped++;
	q->last_len = u.len;
	return true;
}

/* What comes together is seen together: the driver has looked once more, and there is nothing. */
static void judge_rest(struct kc_world *w, unsigned qi)
{
	struct kc_err why = { "" };

	w->port->clause = NULL;
	if (w->port->ops->taken(w->port, qi, &why) == KC_PAYLOAD_WRONG)
		kc_world_violate(w, payload_clause(w), "queue %u: %s", qi, why.msg);
}

unsigned kc_world_reap(struct kc_world *w, unsigned qi)
{
	unsigned n = 0;

	while (reap_one(w, qi))
		n++;
	if (n && !w->q[qi].raw && w->port->ops->taken)
		judge_rest(w, qi);
	return n;
}

void kc_world_forget_queue(struct kc_world *w, unsigned qi)
{
	struct kc_world_queue *q = &w->q[qi];
	struct kc_used u;

	if (!q->made)
		return;
	kc_economy_forget_queue(&w->economy, qi);
	while (q->ring.ops->abandon(&q->ring, &u))
		w->port->ops->release(w->port, u.token);
	kc_ring_fini(&q->ring);
	/* The machine's counters go on. */
	*q = (struct kc_world_queue){ .seen_interrupts = q->seen_interrupts,
				      .seen_errors = q->seen_errors };
}

void kc_world_checkpoint(struct kc_world *w, unsigned qi)
{
	for (unsigned i = 0; i < w->nq; i++) {
		struct kc_world_queue *q = &w->q[i];

		if (!q->made)
			continue;
		kc_oracle_view(w->oracle, i, &q->mark);
		q->reaped = 0;
		if (i == qi)
			q->told_used_idx = q->mark.used_idx;
	}
	w->answered_ok = 0;
}

void kc_world_suppression(struct kc_world *w, unsigned qi)
{
	struct kc_oracle_view v;

	kc_oracle_suppression(w->oracle, qi);
	kc_oracle_view(w->oracle, qi, &v);
	if (v.calls_due < w->q[qi].mark.calls_due)
		w->q[qi].mark.calls_due = v.calls_due;
}

void kc_world_unclaimed(struct kc_world *w)
{
	const struct kc_port_ops *ops = w->cfg.port;
	const char *clause = ops->refusal_clause ? ops->refusal_clause : ops->payload_clause;

	for (unsigned i = 0; i < w->nrefused; i++)
		kc_world_violate(w, clause, "%s: expected status %s, actual %s",
				 w->refused[i].what, w->port->ops->code_name(0),
				 w->port->ops->code_name(w->refused[i].code));
	w->nrefused = 0;
}

/* --- Life --------------------------------------------------------------------------------------- */

static int build(struct kc_world *w)
{
	struct kc_err err;
	struct kc_oracle_config oc = {
		.mem = &w->mem, .mode = w->cfg.mode, .trace = &w->trace, .be = w->cfg.be,
		.accuse = kc_world_accuse, .ctx = w,
		.listener = &kc_economy_listener, .listener_ctx = &w->economy,
	};

	w->transcript_file = open_memstream(&w->transcript, &w->transcript_len);
	w->sched = kc_sched_new(w->cfg.mode, w->cfg.seed);
	if (!w->transcript_file || !w->sched)
		return kc_world_stop(w, KC_ERROR, "out of memory");
	snprintf(w->name, sizeof(w->name), "%s%s%s%s", w->script->id, *w->script->variant ? " [" : "",
		 w->script->variant, *w->script->variant ? "]" : "");
	w->trace = (struct kc_trace){ .test = w->name, .file = w->cfg.trace_file,
				      .now = trace_now, .now_ctx = w->sched };
	if (kc_mem_init(&w->mem, w->script->large_memory ? kc_mem_large_layout : kc_mem_default_layout,
			KC_MEM_LAYOUT_ROWS, &err))
		return kc_world_stop(w, KC_ERROR, "guest memory: %s", err.msg);
	kc_economy_init(&w->economy, &w->result->metrics, w->sched);
	w->oracle = kc_oracle_new(&oc);
	if (!w->oracle || kc_vmm_init(&w->vmm, &w->mem, w->sched, w->cfg.be, &w->trace))
		return kc_world_stop(w, KC_ERROR, "out of memory");
	return 0;
}

static void wire(struct kc_world *w)
{
	struct kc_backend *be = w->cfg.be;

	be->wait = kc_sched_wait_fn;
	be->wait_ctx = w->sched;
	be->watch = kc_world_watch_message;
	be->watch_ctx = w;
	be->reply_timeout_ns = 10 * w->cfg.timeout_ns;
	w->mem.wrote = kc_oracle_guest_wrote;
	w->mem.wrote_ctx = w->oracle;
	kc_sched_set_observer(w->sched, kc_world_observe, w);
	kc_sched_set_pollfds(w->sched, kc_vmm_pollfds, &w->vmm);
	kc_sched_set_quiet(w->sched, peer_is_quiet, w);
	if (w->cfg.mode == KC_MODE_SIM)
		kc_sched_spawn_stepper(w->sched, "back-end", step_backend, w);
}

static void lost_between_steps(struct kc_world *w)
{
	char how[256];

	kc_blame_describe(w->cfg.be, w->cfg.busy_poll, how, sizeof(how));
	kc_world_violate(w, "", "expected the connection to stay, actual: %s", how);
	w->over = true;
}

/* The connection was found gone where no expectation was waiting. */
static void judge_loss_between(struct kc_world *w)
{
	if (w->loss_allowed || kc_script_needs(w->script, "hostile"))
		kc_world_judge_loss(w);
	else
		lost_between_steps(w);
}

/* The connection is gone: may this step still run? An expectation judges the loss itself; when it has
 * allowed it, only a new connection makes sense of what follows. */
static bool runs_after_loss(struct kc_world *w, const struct kc_step *step)
{
	if (kc_verb_connects(step->verb))
		return true;
	if (w->loss_allowed)
		return false;
	if (step->verb->subject == KC_SUBJ_EXPECT)
		return true;
	if (!kc_script_needs(w->script, "hostile"))
		lost_between_steps(w);
	return false;
}

/* A step as it is run: it speaks of virtqueues. 0, or -1 after a skip. */
static int translate(struct kc_world *w, const struct kc_step *step, struct kc_step *out)
{
	int qi = 0;

	*out = *step;
	if (step->verb->subject == KC_SUBJ_DRIVER || step->verb->subject == KC_SUBJ_EXPECT)
		qi = kc_world_virtqueue(w, step->qi);
	out->qi = (unsigned)qi;
	return qi < 0 ? -1 : 0;
}

static bool is_block(const struct kc_step *step)
{
	return step->verb->subject == KC_SUBJ_REPEAT || step->verb->subject == KC_SUBJ_END;
}

static void run_steps(struct kc_world *w)
{
	struct kc_script *s = w->script;

	for (w->pc = 0; w->pc < s->nsteps && !w->over; w->pc++) {
		const struct kc_step *step = &s->steps[w->pc];
		struct kc_step now;

		w->trace.step = step->line;
		if (w->cfg.line)
			*w->cfg.line = step->line;
		kc_world_check_connection(w);
		if (w->over)
			return;
		if (w->lost && !w->loss_judged && w->loss_allowed && kc_world_judge_loss(w))
			return;
		if (w->lost && !is_block(step) && !runs_after_loss(w, step))
			continue;
		/* Queues come before DRIVER_OK (VIRTIO-INIT-DRV-01): it is set at the first line
		 * that makes none. */
		if (!kc_verb_sets_up(step->verb) && !w->driver_ok_held &&
		    kc_world_driver_ok(w))
			return;
		if (translate(w, step, &now) || step->verb->run(w, &now))
			return;
		if (step->last_of_line && step->verb->subject == KC_SUBJ_EXPECT) {
			kc_world_unclaimed(w);
			kc_world_checkpoint(w, now.qi);
		}
	}
	if (w->pc == s->nsteps)
		w->pc = s->nsteps - 1;
}

/* The oracle watches the driver as well: where no hand has meddled with the ring, a broken rule of the
 * driver's is kickcall's own fault, and nobody else is to be blamed for what came of it. */
const char *kc_world_driver_broke(struct kc_world *w, unsigned *qi)
{
	struct kc_oracle_view v;

	for (*qi = 0; *qi < KC_QUEUES_MAX; ++*qi) {
		if (!w->q[*qi].made || w->q[*qi].raw || w->q[*qi].rebased)
			continue;
		kc_oracle_view(w->oracle, *qi, &v);
		if (v.driver_broke)
			return v.driver_broke;
	}
	return NULL;
}

void kc_world_judge_driver(struct kc_world *w)
{
	unsigned qi;
	const char *rule = w->misled ? NULL : kc_world_driver_broke(w, &qi);

	if (!rule)
		return;
	kc_world_take_back(w);
	kc_world_stop(w, KC_ERROR, "kickcall's own driver broke a rule on queue %u: %s", qi, rule);
}

/* A frame that was lost in kickcall's hands may be what somebody else was accused of. */
static void judge_far_end(struct kc_world *w)
{
	struct kc_err err;

	if (!w->cfg.far_end || !kc_far_end_fault(w->cfg.far_end, &err))
		return;
	kc_world_take_back(w);
	kc_world_stop(w, KC_ERROR, "%s", err.msg);
}

/* The end of a scenario that could be played to its end: stop every ring, and close the books. */
static void close_books(struct kc_world *w)
{
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++)
		if (w->q[qi].made)
			kc_world_reap(w, qi);
	kc_world_unclaimed(w);
	if (!w->lost)
		kc_world_settle(w);
	if (w->lost) {
		judge_loss_between(w);
		return;
	}
	kc_world_judge_spinning(w);
	if (w->lost && !w->over) {
		judge_loss_between(w);
		return;
	}
	if (w->cfg.mode == KC_MODE_SIM && !kc_sched_quiesce(w->sched, w->cfg.timeout_ns))
		kc_oracle_quiet(w->oracle);
	for (unsigned qi = 0; qi < KC_QUEUES_MAX && !w->over; qi++) {
		if (!w->q[qi].made)
			continue;
		if (w->vmm.q[qi].started && kc_world_stop_queue(w, qi, NULL))
			return;
		kc_world_reap(w, qi);
	}
	kc_world_unclaimed(w);
	kc_world_settle(w);
	if (w->lost && !w->over)
		judge_loss_between(w);
	kc_oracle_finish(w->oracle);
}

/* --pause-on-fail: everything is still as it was when the clause was broken. */
static void pause_here(const struct kc_world *w)
{
	FILE *tty = fopen("/dev/tty", "r+e");

	if (!tty)
		return;
	fprintf(tty, "\n%s failed: %s\nback-end's process: %d; kickcall's: %d; Enter goes on\n",
		w->script->id, w->result->message ? w->result->message : "", w->cfg.be->pid, getpid());
	fflush(tty);
	while (getc(tty) != '\n' && !feof(tty))
		;
	fclose(tty);
}

static void teardown(struct kc_world *w)
{
	if (w->cfg.pause_on_fail && w->result->verdict == KC_FAIL)
		pause_here(w);
	if (w->oracle && w->result->verdict >= KC_WARN)
		kc_picture_failure(w);
	if (w->oracle) {
		bool connected = w->cfg.be->connected;

		kc_economy_session_end(&w->economy);
		kc_vmm_disconnect(&w->vmm);
		if (connected && !w->lost && kc_world_survives(w) && !w->result->detail)
			kc_picture_failure(w);
	}
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++)
		kc_world_forget_queue(w, qi);
	if (w->port)
		w->port->ops->close(w->port);
	w->cfg.be->watch = NULL;
	w->cfg.be->wait = NULL;
	if (w->oracle)
		kc_vmm_fini(&w->vmm);
	kc_oracle_free(w->oracle);
	if (w->cfg.mode == KC_MODE_SIM)
		kc_mem_release(&w->mem);
	else
		kc_mem_fini(&w->mem);
	kc_sched_free(w->sched);
	kc_msg_fini(&w->last_reply);
	for (unsigned id = 0; id < KC_VU_MAX; id++)
		kc_msg_fini(&w->older[id]);
	kc_world_empty_inbox(w);
	if (w->transcript_file)
		fclose(w->transcript_file);
	free(w->transcript);
}

static void suspicions(struct kc_world *w)
{
	const char *clause;
	char first[256] = "";

	if (w->cfg.port->random || w->result->verdict >= KC_FAIL ||
	    !kc_oracle_suspicions(w->oracle, &clause, first, sizeof(first)))
		return;
	w->result->suspicion = strdup(first);
	w->result->suspicion_clause = strdup(clause);
}

void kc_world_run(struct kc_script *script, const struct kc_world_config *cfg,
		  struct kc_result *result)
{
	struct kc_world *w = calloc(1, sizeof(*w));

	if (!w) {
		result->verdict = KC_ERROR;
		result->message = strdup("out of memory");
		return;
	}
	w->cfg = *cfg;
	w->script = script;
	w->result = result;
	if (build(w) == 0) {
		wire(w);
		if (script->manual || kc_world_session(w) == 0)
			run_steps(w);
		if (!w->over)
			close_books(w);
		kc_world_judge_driver(w);
		judge_far_end(w);
		suspicions(w);
	}
	result->duration_us = w->sched ? kc_sched_now(w->sched) / 1000 : 0;
	teardown(w);
	free(w);
}

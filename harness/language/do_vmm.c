/* SPDX-License-Identifier: BSD-3-Clause */
/* The `vmm` lines: connection, negotiation, and the life of queues. */
#include <endian.h>
#include <signal.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <kickcall/inflight.h>
#include <harness/language/verbs.h>

static int vmm_queue(struct kc_world *w, const struct kc_step *s, unsigned *qi)
{
	int vq = kc_world_virtqueue(w, (unsigned)s->args[0].num.plus);

	*qi = (unsigned)vq;
	return vq >= 0 && kc_world_queue(w, *qi) ? 0 : -1;
}

static int done(struct kc_world *w, enum kc_outcome o, const char *what)
{
	return o == KC_OUT_OK ? 0 : kc_world_outcome(w, o, what);
}

KC_VERB(open)
{
	struct kc_err err = { "" };

	(void)s;
	kc_oracle_session_start(w->oracle);
	w->lost = w->loss_judged = w->loss_allowed = false;
	kc_world_empty_inbox(w);
	if (kc_backend_open(w->cfg.be, &err)) {
		w->result->unreached = w->cfg.served && !w->met;
		return kc_world_stop(w, KC_ERROR, "connecting: %s", err.msg);
	}
	w->met = true;
	return 0;
}

KC_VERB(connect)
{
	(void)s;
	w->loss_allowed = false;
	return kc_world_connect(w) || kc_world_check_needs(w) ? -1 : 0;
}

KC_VERB(session)
{
	(void)s;
	w->session = false;
	w->loss_allowed = false;
	return kc_world_session(w);
}

/* The connection is gone or will be: rings and requests with it. What the port knows of the device
 * goes on if the device's end is part of the test. */
static void forget_session(struct kc_world *w, bool keep_port)
{
	if (w->port)
		kc_world_unclaimed(w);
	w->session = w->driver_ok_due = w->driver_ok_held = false;
	w->held_len = 0;
	w->lost = w->loss_judged = false;
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++)
		kc_world_forget_queue(w, qi);
	if (w->port && !keep_port) {
		w->port->ops->close(w->port);
		w->port = NULL;
	}
}

KC_VERB(disconnect)
{
	(void)s;
	kc_oracle_session_end(w->oracle, true);
	kc_economy_session_end(&w->economy);
	kc_vmm_disconnect(&w->vmm);
	forget_session(w, false);
	return kc_world_survives(w);
}

KC_VERB(kill)
{
	(void)s;
	if (!(w->cfg.be->caps & KC_CAP_RESTART))
		return kc_world_stop(w, KC_SKIP, "needs a back-end that kickcall may kill");
	kc_oracle_session_end(w->oracle, true);
	kc_economy_session_end(&w->economy);
	w->cfg.be->ops->kill(w->cfg.be, SIGKILL);
	kc_vmm_disconnect(&w->vmm);
	forget_session(w, kc_script_needs(w->script, "persistent"));
	if (w->port && w->port->ops->power_lost)
		w->port->ops->power_lost(w->port);
	return 0;
}

/* "", "only F F", "without F F" */
KC_VERB(negotiate)
{
	const struct kc_arg *a = &s->args[0];
	bool only = a->nrest && !strcmp(a->rest[0].text, "only");
	bool without = a->nrest && !strcmp(a->rest[0].text, "without");
	uint64_t mask = 0;

	if (a->nrest && !only && !without)
		return kc_world_script_error(w, "negotiate takes 'only F...' or 'without F...', not '%s'",
					     a->rest[0].text);
	for (unsigned i = 1; i < a->nrest; i++) {
		int bit = kc_feature_by_name(w->cfg.port->device, a->rest[i].text);

		if (bit < 0)
			return kc_world_script_error(w, "unknown feature '%s'", a->rest[i].text);
		if (!(w->vmm.device_features & KC_BIT(bit)))
			return kc_world_stop(w, KC_SKIP, "needs feature %s, which is not offered",
					     a->rest[i].text);
		mask |= KC_BIT(bit);
	}
	return kc_world_negotiate(w, only ? mask : kc_world_features(w) & ~mask);
}

const struct kc_matrix *kc_world_matrix(struct kc_world *w)
{
	if (!w->matrix.n)
		kc_matrix_build(&w->matrix, w->vmm.device_features & kc_driver_understood(w->cfg.port),
				KC_BIT(VIRTIO_F_VERSION_1));
	return &w->matrix;
}

/* "event_idx indirect": for messages. */
static void say_choice(struct kc_world *w, uint64_t features)
{
	size_t len = 0;

	w->choice[0] = 0;
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = features >> bit & 1 ? kc_feature_name(w->cfg.port->device, bit) : NULL;

		if (name && len < sizeof(w->choice))
			len += (size_t)snprintf(w->choice + len, sizeof(w->choice) - len, "%s%s",
						len ? " " : "", name);
	}
}

KC_VERB(negotiate_combination)
{
	const struct kc_matrix *m = kc_world_matrix(w);
	unsigned round;

	(void)s;
	if (!w->nrepeats)
		return kc_world_script_error(w, "'negotiate combination' stands in a repeat");
	round = w->rounds[w->nrepeats - 1] - w->repeats[w->nrepeats - 1];
	say_choice(w, kc_driver_select(w->vmm.device_features, m->rows[round % m->n], w->cfg.port));
	return kc_world_negotiate(w, m->rows[round % m->n]);
}

KC_VERB(memory)
{
	(void)s;
	return done(w, kc_vmm_set_mem_table(&w->vmm), "SET_MEM_TABLE");
}

KC_VERB(stop)
{
	unsigned qi;

	return vmm_queue(w, s, &qi) ? -1 : kc_world_stop_queue(w, qi, NULL);
}

KC_VERB(start)
{
	unsigned qi;

	return vmm_queue(w, s, &qi) ? -1 : kc_world_start_queue(w, qi);
}

KC_VERB(start_from)
{
	unsigned qi;

	if (vmm_queue(w, s, &qi))
		return -1;
	w->q[qi].rebased = true;
	w->q[qi].config.base = (uint16_t)kc_world_num(w, &s->args[1].num, qi);
	return kc_world_start_queue(w, qi);
}

KC_VERB(enable)
{
	unsigned qi;

	if (vmm_queue(w, s, &qi))
		return -1;
	kc_oracle_queue_enable(w->oracle, qi, true);
	return done(w, kc_vmm_queue_enable(&w->vmm, qi, true), "SET_VRING_ENABLE 1");
}

KC_VERB(disable)
{
	unsigned qi;
	int ret;

	if (vmm_queue(w, s, &qi))
		return -1;
	ret = done(w, kc_vmm_queue_enable(&w->vmm, qi, false), "SET_VRING_ENABLE 0");
	kc_oracle_queue_enable(w->oracle, qi, false);
	return ret;
}

KC_VERB(swap_kick)
{
	unsigned qi;

	return vmm_queue(w, s, &qi) ? -1 : done(w, kc_vmm_swap_kick(&w->vmm, qi), "SET_VRING_KICK");
}

KC_VERB(swap_call)
{
	unsigned qi;

	return vmm_queue(w, s, &qi) ? -1 : done(w, kc_vmm_swap_call(&w->vmm, qi), "SET_VRING_CALL");
}

KC_VERB(driver_ok)
{
	(void)s;
	w->driver_ok_held = false;
	return kc_world_driver_ok(w);
}

/* A request that the VMM does not make by itself, with its ack. */
static int ask(struct kc_world *w, const struct kc_msg *m)
{
	enum kc_outcome o = kc_backend_exchange(w->cfg.be, m, NULL, &w->vmm.err);
	const struct kc_msg_row *row = kc_msg_row(m->id);

	return done(w, o, row ? row->name : "request");
}

KC_VERB(resend_features)
{
	struct kc_msg m;

	(void)s;
	kc_msg_init(&m, KC_VU_SET_FEATURES);
	m.u64 = kc_vmm_acked_features(&w->vmm);
	return ask(w, &m);
}

/* What stands behind `log on`. false: something else. */
static bool log_what(const struct kc_arg *a, bool *rings, uint64_t *shift)
{
	static const char *const words[] = { "used", "rings", "elsewhere" };

	for (unsigned i = 0; i < a->nrest; i++)
		if (i >= sizeof(words) / sizeof(*words) || strcmp(a->rest[i].text, words[i]))
			return false;
	*rings = a->nrest;
	*shift = a->nrest == 3 ? KC_LOG_ELSEWHERE : 0;
	return a->nrest != 1;
}

KC_VERB(log_on)
{
	struct kc_oracle_log log = { .file = NULL };

	if (!log_what(&s->args[0], &log.rings, &log.shift))
		return kc_world_script_error(w, "log on takes 'used rings' or 'used rings elsewhere'");
	kc_oracle_log_off(w->oracle);
	if (done(w, kc_vmm_log_on(&w->vmm, log.rings, log.shift), "switching the dirty log on"))
		return -1;
	log.file = w->vmm.log.file;
	log.file_bytes = w->vmm.log.file_bytes;
	log.offset = w->vmm.log.offset;
	log.bytes = w->vmm.log.bytes;
	return kc_oracle_log_on(w->oracle, &log) ? kc_world_stop(w, KC_ERROR, "out of memory") : 0;
}

KC_VERB(log_off)
{
	(void)s;
	kc_oracle_log_off(w->oracle);
	return done(w, kc_vmm_log_off(&w->vmm), "switching the dirty log off");
}

static int set_inflight(struct kc_world *w)
{
	const struct kc_vmm_inflight *f = &w->vmm.inflight;
	struct kc_oracle_inflight regions;

	if (done(w, kc_vmm_inflight_set(&w->vmm), "SET_INFLIGHT_FD"))
		return -1;
	regions = (struct kc_oracle_inflight){ f->regions, f->stride, f->queues, f->size };
	kc_oracle_inflight(w->oracle, &regions);
	return 0;
}

/* How many virtqueues must have a region, for the script's first n queues to have one; -1 after a
 * skip. */
static int virtqueues_of(struct kc_world *w, unsigned n)
{
	int most = -1;

	for (unsigned qi = 0; qi < n; qi++) {
		int vq = kc_world_virtqueue(w, qi);

		if (vq < 0)
			return -1;
		most = vq > most ? vq : most;
	}
	return most + 1;
}

KC_VERB(inflight)
{
	int queues = virtqueues_of(w, (unsigned)s->args[0].num.plus);
	unsigned size = (unsigned)s->args[1].num.plus;

	if (queues < 0)
		return -1;
	kc_oracle_inflight(w->oracle, NULL);	/* the buffer before this one goes */
	if (done(w, kc_vmm_inflight_get(&w->vmm, (unsigned)queues, size), "GET_INFLIGHT_FD"))
		return -1;
	for (uint64_t i = 0; i < w->vmm.inflight.bytes; i++)
		if (w->vmm.inflight.regions[i]) {
			kc_world_violate(w, "VU-MSG-GETINFLIGHT-01", "byte %llu of the in-flight buffer is "
					 "0x%02x, expected zeroes", (unsigned long long)i,
					 w->vmm.inflight.regions[i]);
			break;
		}
	return set_inflight(w);
}

KC_VERB(inflight_again)
{
	(void)s;
	return set_inflight(w);
}

static uint64_t vq_avail(struct kc_world *w, const struct kc_step *s)
{
	return w->q[kc_world_virtqueue(w, (unsigned)s->args[0].num.plus)].config.avail;
}

/* The split queue and its region; NULL: none, and the world knows. */
static struct kc_inflight_split *crafted(struct kc_world *w, const struct kc_step *s,
					 const struct kc_split **vq)
{
	struct kc_inflight_split *r;
	unsigned qi;

	if (vmm_queue(w, s, &qi))
		return NULL;
	*vq = kc_world_split(w, qi, "inflight");
	r = *vq ? kc_vmm_inflight_region(&w->vmm.inflight, qi) : NULL;
	if (r && w->vmm.inflight.size >= w->q[qi].config.size && !w->vmm.q[qi].started)
		return r;
	if (*vq)
		kc_world_script_error(w, "queue %u is started, or has no in-flight region", qi);
	return NULL;
}

KC_VERB(inflight_taken)
{
	const struct kc_split *vq;
	struct kc_inflight_split *r = crafted(w, s, &vq);
	uint16_t used, size;
	uint64_t counter = 1;

	if (!r)
		return -1;
	used = kc_split_used_idx(vq);
	size = (uint16_t)w->q[kc_world_virtqueue(w, (unsigned)s->args[0].num.plus)].config.size;
	r->version = KC_INFLIGHT_VERSION;
	r->desc_num = size;
	r->used_idx = used;
	for (uint16_t idx = used; idx != vq->published_idx; idx++, counter++) {
		const uint8_t *slot = kc_mem_host(&w->mem, vq_avail(w, s) + kc_avail_slot(idx % size), 2);
		uint16_t head = kc_ring_load16(slot, __ATOMIC_RELAXED);

		r->desc[head].counter = counter;
		r->desc[head].inflight = 1;
	}
	return 0;
}

KC_VERB(inflight_half_done)
{
	const struct kc_split *vq;
	struct kc_inflight_split *r = crafted(w, s, &vq);

	if (!r)
		return -1;
	if (!r->desc_num || r->last_batch_head >= w->vmm.inflight.size)
		return kc_world_script_error(w, "nothing was used yet");
	r->used_idx--;
	r->desc[r->last_batch_head].inflight = 1;
	return 0;
}

KC_VERB(resend_addr)
{
	struct kc_msg m;
	unsigned qi;

	if (vmm_queue(w, s, &qi))
		return -1;
	kc_msg_init(&m, KC_VU_SET_VRING_ADDR);
	m.addr.index = qi;
	m.addr.desc = kc_mem_uva(&w->mem, w->q[qi].config.desc);
	m.addr.avail = kc_mem_uva(&w->mem, w->q[qi].config.avail);
	m.addr.used = kc_mem_uva(&w->mem, w->q[qi].config.used);
	return ask(w, &m);
}

KC_VERB(reset)
{
	(void)s;
	for (unsigned qi = 0; w->cfg.no_reset && qi < KC_QUEUES_MAX; qi++)
		if (w->vmm.q[qi].started && kc_world_stop_queue(w, qi, NULL))
			return -1;
	if (done(w, kc_vmm_set_status(&w->vmm, 0), "device reset"))
		return -1;
	kc_world_observe(w);
	kc_oracle_reset(w->oracle);
	return 0;
}

/* The port sees what is within the configuration that it reads. */
static int write_config(struct kc_world *w, uint32_t at, uint32_t size, uint64_t v)
{
	uint8_t bytes[sizeof(v)];

	v = htole64(v);
	memcpy(bytes, &v, sizeof(v));
	if (done(w, kc_vmm_config_write(&w->vmm, at, size, 0, bytes), "SET_CONFIG"))
		return -1;
	for (uint32_t i = 0; i < size && at + i < w->config_len; i++)
		w->config_space[at + i] = bytes[i];
	return 0;
}

KC_VERB(write_config)
{
	return write_config(w, (uint32_t)s->args[0].num.plus, 1, (uint64_t)s->args[1].num.plus);
}

KC_VERB(write_config_field)
{
	uint32_t size = (uint32_t)s->args[1].num.plus;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return kc_world_script_error(w, "a field has 1, 2, 4 or 8 bytes, not %u", size);
	return write_config(w, (uint32_t)s->args[0].num.plus, size, (uint64_t)s->args[2].num.plus);
}

KC_VERB(settle)
{
	(void)s;
	kc_world_settle(w);
	return 0;
}

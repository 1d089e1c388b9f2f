/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the VMM stands between the guest and the back-end and owns what neither of
 * them does: the eventfds and where KVM wires them to.
 *
 *   guest writes notify register --ioeventfd--> q->kick --message's handle--> back-end
 *   back-end --> q->call --irqfd--> GSI --route--> MSI {KC_MSI_ADDR, qi} --> interrupts[qi]
 *
 * A queue's eventfds live from its start to the next start (or the end of the session), not only to
 * its stop: silence after the stop is a rule (VU-MSG-GETBASE-05), and one must be able to hear it
 * broken. The old call of a swap lives until the back-end has acknowledged the new one.
 *
 * Messages go through kc_backend_exchange; every function gives the first outcome that is not
 * KC_OUT_OK, with its sentence in v->err, and leaves the books as the back-end is known to be.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <sim/vmm.h>

/* Newer than some distributions' headers. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif

#define AT_ONCE_MAX	16u	/* descriptors: more are looked at one by one */

/* Not CONFIGURE_MEM_SLOTS: whoever takes it must use ADD_MEM_REG. INFLIGHT_SHMFD only on demand: some
 * back-ends rightly wait for the SET_INFLIGHT_FD that then is due. */
const uint64_t kc_vmm_pf_spoken = KC_BIT(KC_PF_MQ) | KC_BIT(KC_PF_REPLY_ACK) |
				  KC_BIT(KC_PF_CONFIG) | KC_BIT(KC_PF_RESET_DEVICE) |
				  KC_BIT(KC_PF_STATUS);

const uint64_t kc_vmm_pf_on_demand = KC_BIT(KC_PF_LOG_SHMFD) | KC_BIT(KC_PF_INFLIGHT_SHMFD) |
				     KC_BIT(KC_PF_MTU);

static bool has_pf(const struct kc_vmm *v, enum kc_vu_pf pf)
{
	return v->pf_acked & KC_BIT(pf);
}

/* Is bit 30 taken? Queues then start disabled (VU-RING-STATE-05). */
static bool bit30(const struct kc_vmm *v)
{
	return v->protocol_features && v->device_features & KC_BIT(KC_VU_F_PROTOCOL_FEATURES);
}

static enum kc_outcome own_fault(struct kc_vmm *v, int code, const char *what)
{
	kc_err_set(&v->err, code, "%s: %s", what, strerror(-code));
	return KC_OUT_FAULT;
}

/* --- Messages --------------------------------------------------------------------------------- */

/* Sends m and finishes it. */
static enum kc_outcome exchange(struct kc_vmm *v, struct kc_msg *m, struct kc_msg *reply)
{
	enum kc_outcome o = kc_backend_exchange(v->be, m, reply, &v->err);

	kc_msg_fini(m);
	return o;
}

static enum kc_outcome send_plain(struct kc_vmm *v, uint32_t id)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	return exchange(v, &m, NULL);
}

static enum kc_outcome send_u64(struct kc_vmm *v, uint32_t id, uint64_t value)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.u64 = value;
	return exchange(v, &m, NULL);
}

/* *value is written only if the outcome is KC_OUT_OK. */
static enum kc_outcome get_u64(struct kc_vmm *v, uint32_t id, uint64_t *value)
{
	struct kc_msg m, reply;
	enum kc_outcome o;

	kc_msg_init(&m, id);
	o = exchange(v, &m, &reply);
	if (o == KC_OUT_OK)
		*value = reply.u64;
	kc_msg_fini(&reply);
	return o;
}

static enum kc_outcome send_state(struct kc_vmm *v, uint32_t id, uint32_t index, uint32_t num)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.state.index = index;
	m.state.num = num;
	return exchange(v, &m, NULL);
}

/* KICK, CALL or ERR: e travels as a handle of its own; NULL sends bit 8 instead. */
static enum kc_outcome send_evfd(struct kc_vmm *v, uint32_t id, unsigned qi, struct kc_evfd *e)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.u64 = qi | (e ? 0 : KC_VU_NOFD);
	if (e) {
		m.handles[0] = kc_handle_dup(kc_evfd_handle(e));
		m.nhandles = 1;
		if (kc_handle_is_none(m.handles[0])) {
			kc_msg_fini(&m);
			return own_fault(v, -EMFILE, "duplicating an eventfd");
		}
	}
	return exchange(v, &m, NULL);
}

/* Returns when all that was sent has been looked at. With REPLY_ACK each message did that. */
static enum kc_outcome barrier(struct kc_vmm *v)
{
	uint64_t ignored;

	return v->be->reply_ack ? KC_OUT_OK : get_u64(v, KC_VU_GET_FEATURES, &ignored);
}

/* --- Interrupts and eventfds ------------------------------------------------------------------ */

static void deliver(void *ctx, struct kc_msi msi)
{
	struct kc_vmm *v = ctx;

	if (msi.addr != KC_MSI_ADDR || msi.data >= KC_QUEUES_MAX)
		return;
	v->interrupts[msi.data]++;
	kc_trace_value(v->trace, KC_ACTOR_VCPU, "interrupt", v->interrupts[msi.data], "queue %u",
		       msi.data);
}

static struct kc_evfd *new_evfd(struct kc_vmm *v)
{
	struct kc_evfd *e;

	if (kc_sched_mode(v->sched) != KC_MODE_SIM)
		return kc_evfd_new_real(&v->err);
	e = kc_evfd_new_sim();
	if (!e)
		own_fault(v, -ENOMEM, "simulated eventfd");
	return e;
}

/* The value of a longer write varies, so there is no datamatch. */
static uint32_t notify_bytes(const struct kc_vmm *v)
{
	return v->driver_features & KC_BIT(VIRTIO_F_NOTIFICATION_DATA) ? 4 : 2;
}

static int wire_kick(struct kc_vmm *v, unsigned qi, struct kc_evfd *e, uint32_t flags)
{
	struct kc_ioeventfd io = {
		.addr = KC_NOTIFY_BASE + qi * KC_NOTIFY_STRIDE, .len = notify_bytes(v),
		.flags = flags, .evfd = e,
	};

	return kc_kvm_ioeventfd(v->kvm, &io);
}

static int wire_call(struct kc_vmm *v, unsigned qi, struct kc_evfd *e, uint32_t flags)
{
	struct kc_irqfd irq = { .gsi = KC_GSI_BASE + qi, .flags = flags, .evfd = e };

	return kc_kvm_irqfd(v->kvm, &irq);
}

/* Unwires and drops what *e points to; calls that are pending become interrupts first. */
static void drop_kick(struct kc_vmm *v, unsigned qi, struct kc_evfd **e)
{
	if (*e)
		wire_kick(v, qi, *e, KVM_IOEVENTFD_FLAG_DEASSIGN);
	kc_evfd_unref(*e);
	*e = NULL;
}

static void drop_call(struct kc_vmm *v, unsigned qi, struct kc_evfd **e)
{
	if (*e) {
		kc_kvm_poll(v->kvm);
		wire_call(v, qi, *e, KVM_IRQFD_FLAG_DEASSIGN);
	}
	kc_evfd_unref(*e);
	*e = NULL;
}

static void poll_err(struct kc_vmm_queue *q)
{
	uint64_t n;

	if (q->err && !kc_evfd_read(q->err, &n))
		q->errors += n;
}

unsigned kc_vmm_pollfds(void *ctx, int *fds, unsigned cap)
{
	struct kc_vmm *v = ctx;
	unsigned n = kc_kvm_pollfds(v->kvm, fds, cap);

	if (n < cap && v->be->connected && v->be->ops->pollfd)
		fds[n++] = v->be->ops->pollfd(v->be);
	for (unsigned qi = 0; qi < v->nq && n < cap; qi++)
		if (v->q[qi].err)
			fds[n++] = kc_evfd_fd(v->q[qi].err);
	return n;
}

/* One system call for the many looks that find nothing. Where it cannot speak for all, it says no. */
static bool nothing_has_come(struct kc_vmm *v)
{
	int fds[AT_ONCE_MAX];
	struct pollfd p[AT_ONCE_MAX];
	unsigned n;

	if (kc_sched_mode(v->sched) != KC_MODE_LIVE || !v->be->ops->pollfd)
		return false;
	n = kc_vmm_pollfds(v, fds, AT_ONCE_MAX);
	if (n == AT_ONCE_MAX)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (fds[i] < 0)
			return false;
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	}
	return poll(p, n, 0) == 0;
}

void kc_vmm_poll(struct kc_vmm *v)
{
	v->silent = nothing_has_come(v);
	if (v->silent)
		return;
	kc_kvm_poll(v->kvm);
	for (unsigned qi = 0; qi < v->nq; qi++)
		poll_err(&v->q[qi]);
}

static void drop_evfds(struct kc_vmm *v, unsigned qi)
{
	struct kc_vmm_queue *q = &v->q[qi];

	drop_kick(v, qi, &q->kick);
	drop_call(v, qi, &q->call);
	poll_err(q);
	kc_evfd_unref(q->err);
	q->err = NULL;
}

static enum kc_outcome make_evfds(struct kc_vmm *v, unsigned qi, const struct kc_queue_config *c)
{
	struct kc_vmm_queue *q = &v->q[qi];
	int ret = 0;

	if (qi >= v->nq)
		v->nq = qi + 1;
	q->err = new_evfd(v);
	q->kick = c->no_kick_fd ? NULL : new_evfd(v);
	q->call = c->no_call ? NULL : new_evfd(v);
	if (!q->err || (!q->kick && !c->no_kick_fd) || (!q->call && !c->no_call)) {
		drop_evfds(v, qi);
		return KC_OUT_FAULT;
	}
	if (q->kick)
		ret = wire_kick(v, qi, q->kick, 0);
	if (!ret && q->call)
		ret = wire_call(v, qi, q->call, 0);
	if (!ret)
		return KC_OUT_OK;
	drop_evfds(v, qi);
	return own_fault(v, ret, "wiring a queue's eventfds");
}

/* --- Session ---------------------------------------------------------------------------------- */

int kc_vmm_init(struct kc_vmm *v, struct kc_mem *mem, struct kc_sched *sched, struct kc_backend *be,
		struct kc_trace *trace)
{
	memset(v, 0, sizeof(*v));
	v->mem = mem;
	v->sched = sched;
	v->be = be;
	v->trace = trace;
	v->pf_wanted = kc_vmm_pf_spoken;
	v->protocol_features = true;
	v->kvm = kc_kvm_new(deliver, v);
	if (!v->kvm)
		return -ENOMEM;
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++) {
		struct kc_msi msi = { .addr = KC_MSI_ADDR, .data = qi };
		int ret = kc_kvm_set_route(v->kvm, KC_GSI_BASE + qi, &msi);

		if (ret) {
			kc_vmm_fini(v);
			return ret;
		}
	}
	return 0;
}

void kc_vmm_fini(struct kc_vmm *v)
{
	if (!v->kvm)
		return;
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++)
		drop_evfds(v, qi);
	kc_kvm_free(v->kvm);
	kc_vmm_log_drop(&v->log);
	kc_vmm_inflight_drop(&v->inflight);
	v->kvm = NULL;
}

static void tell_queue(struct kc_vmm *v, unsigned qi, bool started)
{
	if (v->on_queue)
		v->on_queue(v->on_queue_ctx, qi, started);
}

/* The ring no longer runs, and nothing is known about where it was. */
static void forget_queue(struct kc_vmm *v, unsigned qi)
{
	struct kc_vmm_queue *q = &v->q[qi];
	bool started = q->started;

	drop_evfds(v, qi);
	*q = (struct kc_vmm_queue){ .errors = q->errors, .calls_at_stop = v->interrupts[qi] };
	if (started) {
		kc_trace_value(v->trace, KC_ACTOR_VMM, "queue-forget", 0, "queue %u", qi);
		tell_queue(v, qi, false);
	}
}

static void forget_session(struct kc_vmm *v)
{
	for (unsigned qi = 0; qi < KC_QUEUES_MAX; qi++)
		forget_queue(v, qi);
	v->driver_features = 0;
	v->status = 0;
	v->log.on = v->log.rings = false;
}

static enum kc_outcome protocol_features(struct kc_vmm *v)
{
	enum kc_outcome o = get_u64(v, KC_VU_GET_PROTOCOL_FEATURES, &v->pf_offered);
	uint64_t take = v->pf_offered & v->pf_wanted;

	if (o == KC_OUT_OK)
		o = send_u64(v, KC_VU_SET_PROTOCOL_FEATURES, take);
	if (o != KC_OUT_OK)
		return o;
	v->pf_acked = take;
	v->be->reply_ack = has_pf(v, KC_PF_REPLY_ACK);
	return KC_OUT_OK;
}

/* Why there is no session: what a process of ours did, what a peer did, or we ourselves. */
static enum kc_outcome open_failure(const struct kc_backend *be, int ret)
{
	switch (-ret) {
	case ECHILD:
		return be->exited && WIFSIGNALED(be->exit_status) ? KC_OUT_DIED : KC_OUT_EXITED;
	case ETIMEDOUT:
		return KC_OUT_TIMED_OUT;
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOENT:
	case EPIPE:
		return KC_OUT_CLOSED;
	default:
		return KC_OUT_FAULT;
	}
}

enum kc_outcome kc_vmm_connect(struct kc_vmm *v)
{
	enum kc_outcome o;
	int ret;

	v->be->reply_ack = false;
	v->device_features = v->pf_offered = v->pf_acked = v->queues_max = 0;
	ret = kc_backend_open(v->be, &v->err);
	if (ret)
		return open_failure(v->be, ret);
	o = get_u64(v, KC_VU_GET_FEATURES, &v->device_features);
	if (o == KC_OUT_OK && bit30(v))
		o = protocol_features(v);
	if (o == KC_OUT_OK)
		o = send_plain(v, KC_VU_SET_OWNER);
	if (o == KC_OUT_OK && has_pf(v, KC_PF_MQ))
		o = get_u64(v, KC_VU_GET_QUEUE_NUM, &v->queues_max);
	return o;
}

void kc_vmm_disconnect(struct kc_vmm *v)
{
	kc_backend_close(v->be);
	v->be->reply_ack = false;
	forget_session(v);
}

/* --- Device status ---------------------------------------------------------------------------- */

static enum kc_outcome get_status(struct kc_vmm *v, uint8_t *status)
{
	uint64_t value = 0;
	enum kc_outcome o = get_u64(v, KC_VU_GET_STATUS, &value);

	if (o == KC_OUT_OK)
		*status = (uint8_t)value;
	return o;
}

/* A driver takes its reset as done when it reads 0 (VIRTIO 2.4.2); the read also is the barrier. */
static enum kc_outcome reset_by_status(struct kc_vmm *v)
{
	uint8_t status = 0;
	enum kc_outcome o = send_u64(v, KC_VU_SET_STATUS, 0);

	if (o == KC_OUT_OK)
		o = get_status(v, &status);
	if (o != KC_OUT_OK || !status)
		return o;
	kc_err_set(&v->err, 0, "device status reads 0x%02x after a reset, expected 0", status);
	return KC_OUT_REFUSED;
}

static enum kc_outcome stop_all(struct kc_vmm *v)
{
	enum kc_outcome o = KC_OUT_OK;

	for (unsigned qi = 0; qi < KC_QUEUES_MAX && o == KC_OUT_OK; qi++)
		if (v->q[qi].started)
			o = kc_vmm_queue_stop(v, qi, NULL);
	return o;
}

static enum kc_outcome reset(struct kc_vmm *v)
{
	enum kc_outcome o;

	if (has_pf(v, KC_PF_STATUS))
		o = reset_by_status(v);
	else if (has_pf(v, KC_PF_RESET_DEVICE))
		o = send_plain(v, KC_VU_RESET_DEVICE);
	else
		o = stop_all(v);
	if (o == KC_OUT_OK)
		forget_session(v);
	return o;
}

uint64_t kc_vmm_acked_features(const struct kc_vmm *v)
{
	return v->driver_features | (bit30(v) ? KC_BIT(KC_VU_F_PROTOCOL_FEATURES) : 0) |
		(v->log.on ? KC_BIT(VHOST_F_LOG_ALL) : 0);
}

static enum kc_outcome features_ok(struct kc_vmm *v, uint8_t status)
{
	uint64_t features = kc_vmm_acked_features(v);
	enum kc_outcome o = send_u64(v, KC_VU_SET_FEATURES, features);
	uint8_t actual = 0;

	if (o != KC_OUT_OK || !has_pf(v, KC_PF_STATUS))
		return o;
	o = send_u64(v, KC_VU_SET_STATUS, status);
	if (o == KC_OUT_OK)
		o = get_status(v, &actual);
	if (o != KC_OUT_OK || actual & VIRTIO_CONFIG_S_FEATURES_OK)
		return o;
	kc_err_set(&v->err, 0, "FEATURES_OK did not stay: device status reads 0x%02x after "
		   "features 0x%" PRIx64, actual, features);
	return KC_OUT_REFUSED;
}

enum kc_outcome kc_vmm_set_status(struct kc_vmm *v, uint8_t status)
{
	enum kc_outcome o = KC_OUT_OK;

	kc_trace_value(v->trace, KC_ACTOR_VMM, "status", status, "device");
	if (!status)
		return reset(v);
	if (status & ~v->status & VIRTIO_CONFIG_S_FEATURES_OK)
		o = features_ok(v, status);
	else if (has_pf(v, KC_PF_STATUS))
		o = send_u64(v, KC_VU_SET_STATUS, status);
	if (o == KC_OUT_OK)
		v->status = status;
	return o;
}

/* --- Memory ----------------------------------------------------------------------------------- */

_Static_assert(KC_MEM_REGIONS_MAX <= KC_VU_MEM_REGIONS_MAX && KC_MEM_REGIONS_MAX <= KC_VU_FDS_MAX,
	       "all of guest memory fits into one SET_MEM_TABLE");

int kc_vmm_mem_table_msg(struct kc_vmm *v, struct kc_msg *m)
{
	kc_msg_init(m, KC_VU_SET_MEM_TABLE);
	for (unsigned i = 0; i < v->mem->nregions; i++) {
		const struct kc_region *r = &v->mem->regions[i];

		m->mem.regions[i] = (struct kc_vu_region){
			.gpa = r->gpa, .size = r->size, .uva = r->uva, .mmap_offset = r->fd_offset,
		};
		m->handles[i] = kc_handle_dup((struct kc_handle){ .fd = r->memfd });
		m->mem.nregions = m->nhandles = i + 1;
		if (kc_handle_is_none(m->handles[i]))
			return kc_err_set(&v->err, -EMFILE, "duplicating memfd %u", i);
	}
	return 0;
}

enum kc_outcome kc_vmm_set_mem_table(struct kc_vmm *v)
{
	struct kc_msg m;

	if (!kc_vmm_mem_table_msg(v, &m))
		return exchange(v, &m, NULL);
	kc_msg_fini(&m);
	return KC_OUT_FAULT;
}

/* --- Queues ----------------------------------------------------------------------------------- */

/* Checks what a script said about queue qi. */
static enum kc_outcome check_queue(struct kc_vmm *v, unsigned qi, bool started)
{
	if (qi >= KC_QUEUES_MAX)
		kc_err_set(&v->err, 0, "queue %u: the VMM has %u queues", qi, KC_QUEUES_MAX);
	else if (v->q[qi].started != started)
		kc_err_set(&v->err, 0, "queue %u is %sstarted", qi, started ? "not " : "already ");
	else
		return KC_OUT_OK;
	return KC_OUT_FAULT;
}

static enum kc_outcome send_addr(struct kc_vmm *v, unsigned qi, uint64_t desc, uint64_t avail,
				 uint64_t used)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_VRING_ADDR);
	m.addr.index = qi;
	m.addr.desc = kc_mem_uva(v->mem, desc);
	m.addr.avail = kc_mem_uva(v->mem, avail);
	m.addr.used = kc_mem_uva(v->mem, used);
	if (v->log.rings) {
		m.addr.flags = 1u << VHOST_VRING_F_LOG;
		m.addr.log = used + v->log.shift;
	}
	if (m.addr.desc && m.addr.avail && m.addr.used)
		return exchange(v, &m, NULL);
	kc_msg_fini(&m);
	kc_err_set(&v->err, 0, "queue %u: a ring address is outside guest memory", qi);
	return KC_OUT_FAULT;
}

/* The messages up to the one that starts the ring. The base goes before the addresses: a back-end
 * may look into the ring when it learns them. */
static enum kc_outcome configure(struct kc_vmm *v, unsigned qi, const struct kc_queue_config *c)
{
	enum kc_outcome o = send_state(v, KC_VU_SET_VRING_NUM, qi, c->size);

	v->q[qi].size_refused = o == KC_OUT_REFUSED;
	if (o == KC_OUT_OK)
		o = send_state(v, KC_VU_SET_VRING_BASE, qi, c->base);
	if (o == KC_OUT_OK)
		o = send_addr(v, qi, c->desc, c->avail, c->used);
	if (o == KC_OUT_OK)
		o = send_evfd(v, KC_VU_SET_VRING_ERR, qi, v->q[qi].err);
	if (o == KC_OUT_OK)
		o = send_evfd(v, KC_VU_SET_VRING_CALL, qi, v->q[qi].call);
	return o;
}

/* The kick that a front-end owes a back-end that starts on the first one (VU-RING-START-FE-01). */
static void owed_kick(struct kc_vmm *v, unsigned qi)
{
	kc_trace_value(v->trace, KC_ACTOR_VMM, "kick", 1, "queue %u", qi);
	kc_evfd_signal_kernel(v->q[qi].kick);
}

static enum kc_outcome start(struct kc_vmm *v, unsigned qi, const struct kc_queue_config *c)
{
	struct kc_vmm_queue *q = &v->q[qi];
	enum kc_outcome o;

	/* Said before the message: in sim the back-end may run before the exchange returns. */
	q->started = true;
	if (!bit30(v))
		q->enabled = true;	/* else it is as it was: VU-RING-STATE-02 */
	kc_trace_value(v->trace, KC_ACTOR_VMM, "queue-start", c->base, "queue %u", qi);
	tell_queue(v, qi, true);
	o = send_evfd(v, KC_VU_SET_VRING_KICK, qi, q->kick);
	if (o != KC_OUT_OK) {
		q->started = false;
		tell_queue(v, qi, false);
		return o;
	}
	if (bit30(v) && !c->leave_disabled)
		o = kc_vmm_queue_enable(v, qi, true);
	if (o == KC_OUT_OK && q->kick && !c->no_first_kick)
		owed_kick(v, qi);
	return o;
}

enum kc_outcome kc_vmm_queue_start(struct kc_vmm *v, unsigned qi, const struct kc_queue_config *c)
{
	enum kc_outcome o = check_queue(v, qi, false);
	struct kc_vmm_queue *q;

	if (o != KC_OUT_OK)
		return o;
	q = &v->q[qi];
	drop_evfds(v, qi);
	o = make_evfds(v, qi, c);
	if (o != KC_OUT_OK)
		return o;
	q->configured = true;
	q->size = c->size;
	q->desc = c->desc;
	q->avail = c->avail;
	q->used = c->used;
	o = configure(v, qi, c);
	return o == KC_OUT_OK ? start(v, qi, c) : o;
}

enum kc_outcome kc_vmm_queue_stop(struct kc_vmm *v, unsigned qi, uint32_t *base)
{
	enum kc_outcome o = check_queue(v, qi, true);
	struct kc_msg m, reply;

	if (o != KC_OUT_OK)
		return o;
	kc_msg_init(&m, KC_VU_GET_VRING_BASE);
	m.state.index = qi;
	o = exchange(v, &m, &reply);
	if (o == KC_OUT_OK && reply.state.index != qi) {
		kc_err_set(&v->err, 0, "GET_VRING_BASE of queue %u answers for queue %u", qi,
			   reply.state.index);
		o = KC_OUT_GARBLED;
	}
	if (o == KC_OUT_OK) {
		if (base)
			*base = reply.state.num;
		kc_vmm_poll(v);
		v->q[qi].started = false;
		v->q[qi].calls_at_stop = v->interrupts[qi];
		kc_trace_value(v->trace, KC_ACTOR_VMM, "queue-stop", reply.state.num, "queue %u",
			       qi);
		tell_queue(v, qi, false);
	}
	kc_msg_fini(&reply);
	return o;
}

enum kc_outcome kc_vmm_queue_enable(struct kc_vmm *v, unsigned qi, bool enable)
{
	enum kc_outcome o;

	if (!bit30(v)) {
		kc_err_set(&v->err, 0, "SET_VRING_ENABLE needs VHOST_USER_F_PROTOCOL_FEATURES");
		return KC_OUT_UNSUPPORTED;
	}
	if (qi >= KC_QUEUES_MAX)
		return check_queue(v, qi, true);
	o = send_state(v, KC_VU_SET_VRING_ENABLE, qi, enable);
	if (o == KC_OUT_OK)
		v->q[qi].enabled = enable;
	return o;
}

/* An eventfd to take the place of a running queue's. */
static enum kc_outcome fresh_evfd(struct kc_vmm *v, unsigned qi, struct kc_evfd **fresh)
{
	enum kc_outcome o = check_queue(v, qi, true);

	if (o != KC_OUT_OK)
		return o;
	*fresh = new_evfd(v);
	return *fresh ? KC_OUT_OK : KC_OUT_FAULT;
}

enum kc_outcome kc_vmm_swap_kick(struct kc_vmm *v, unsigned qi)
{
	struct kc_evfd *fresh;
	enum kc_outcome o = fresh_evfd(v, qi, &fresh);
	int ret;

	if (o != KC_OUT_OK)
		return o;
	o = send_evfd(v, KC_VU_SET_VRING_KICK, qi, fresh);
	if (o != KC_OUT_OK) {
		kc_evfd_unref(fresh);
		return o;
	}
	drop_kick(v, qi, &v->q[qi].kick);
	v->q[qi].kick = fresh;
	ret = wire_kick(v, qi, fresh, 0);
	if (ret)
		return own_fault(v, ret, "wiring the new kick");
	kc_trace_value(v->trace, KC_ACTOR_VMM, "swap-kick", 0, "queue %u", qi);
	owed_kick(v, qi);
	return KC_OUT_OK;
}

enum kc_outcome kc_vmm_swap_call(struct kc_vmm *v, unsigned qi)
{
	struct kc_evfd *fresh;
	enum kc_outcome o = fresh_evfd(v, qi, &fresh);
	int ret;

	if (o != KC_OUT_OK)
		return o;
	ret = wire_call(v, qi, fresh, 0);
	if (ret) {
		kc_evfd_unref(fresh);
		return own_fault(v, ret, "wiring the new call");
	}
	o = send_evfd(v, KC_VU_SET_VRING_CALL, qi, fresh);
	if (o == KC_OUT_OK)
		o = barrier(v);
	if (o != KC_OUT_OK) {
		drop_call(v, qi, &fresh);
		return o;
	}
	drop_call(v, qi, &v->q[qi].call);
	v->q[qi].call = fresh;
	kc_trace_value(v->trace, KC_ACTOR_VMM, "swap-call", 0, "queue %u", qi);
	return KC_OUT_OK;
}

void kc_vmm_notify(struct kc_vmm *v, unsigned qi, uint16_t published)
{
	uint64_t addr = KC_NOTIFY_BASE + (uint64_t)qi * KC_NOTIFY_STRIDE;
	uint64_t data = qi | (notify_bytes(v) == 4 ? (uint64_t)published << 16 : 0);

	kc_trace_value(v->trace, KC_ACTOR_DRIVER, "notify-write", data, "queue %u", qi);
	/* Without an ioeventfd this is an exit to us, which KVM counts: the back-end polls, or the
	 * queue has not been started yet. */
	if (kc_kvm_write(v->kvm, KC_BUS_MMIO, addr, notify_bytes(v), data))
		kc_trace_value(v->trace, KC_ACTOR_KVM, "kick", 1, "queue %u", qi);
}

/* --- The dirty log ---------------------------------------------------------------------------- */

/* Tells all rings again where they are, and whether they are logged. */
static enum kc_outcome send_addrs(struct kc_vmm *v)
{
	enum kc_outcome o = KC_OUT_OK;

	for (unsigned qi = 0; qi < KC_QUEUES_MAX && o == KC_OUT_OK; qi++)
		if (v->q[qi].started)
			o = send_addr(v, qi, v->q[qi].desc, v->q[qi].avail, v->q[qi].used);
	return o;
}

static enum kc_outcome send_log(struct kc_vmm *v)
{
	struct kc_msg m, reply;
	enum kc_outcome o;
	int ret = kc_vmm_log_make(&v->log, v->mem);

	if (ret)
		return own_fault(v, ret, "making a dirty log");
	ret = kc_vmm_log_msg(&v->log, &m);
	if (ret) {
		kc_msg_fini(&m);
		return own_fault(v, ret, "duplicating the dirty log");
	}
	o = exchange(v, &m, &reply);
	kc_msg_fini(&reply);
	return o;
}

enum kc_outcome kc_vmm_log_on(struct kc_vmm *v, bool rings, uint64_t shift)
{
	bool rings_before = v->log.rings;
	enum kc_outcome o;

	if (!has_pf(v, KC_PF_LOG_SHMFD) || !(v->device_features & KC_BIT(VHOST_F_LOG_ALL))) {
		kc_err_set(&v->err, 0, "the protocol feature LOG_SHMFD or the feature LOG_ALL is missing");
		return KC_OUT_UNSUPPORTED;
	}
	o = send_log(v);
	if (o != KC_OUT_OK)
		return o;
	v->log.on = true;
	v->log.rings = rings;
	v->log.shift = shift;
	o = send_u64(v, KC_VU_SET_FEATURES, kc_vmm_acked_features(v));
	if (o == KC_OUT_OK && (rings || rings_before))
		o = send_addrs(v);
	return o == KC_OUT_OK ? barrier(v) : o;
}

enum kc_outcome kc_vmm_log_off(struct kc_vmm *v)
{
	bool rings = v->log.rings;
	enum kc_outcome o;

	v->log.on = v->log.rings = false;
	o = send_u64(v, KC_VU_SET_FEATURES, kc_vmm_acked_features(v));
	if (o == KC_OUT_OK && rings)
		o = send_addrs(v);
	return o == KC_OUT_OK ? barrier(v) : o;
}

/* --- What is in flight ------------------------------------------------------------------------ */

enum kc_outcome kc_vmm_inflight_get(struct kc_vmm *v, unsigned queues, unsigned size)
{
	struct kc_msg m, reply;
	enum kc_outcome o;
	const char *why;

	if (!has_pf(v, KC_PF_INFLIGHT_SHMFD)) {
		kc_err_set(&v->err, 0, "the protocol feature INFLIGHT_SHMFD is missing");
		return KC_OUT_UNSUPPORTED;
	}
	kc_msg_init(&m, KC_VU_GET_INFLIGHT_FD);
	m.inflight.num_queues = (uint16_t)queues;
	m.inflight.queue_size = (uint16_t)size;
	o = exchange(v, &m, &reply);
	if (o == KC_OUT_OK && (reply.inflight.num_queues != queues || reply.inflight.queue_size != size))
		why = "it is for other queues than were asked for";
	else
		why = o == KC_OUT_OK ? kc_vmm_inflight_take(&v->inflight, &reply) : NULL;
	if (why) {
		kc_err_set(&v->err, 0, "GET_INFLIGHT_FD's answer: %s", why);
		o = KC_OUT_GARBLED;
	}
	kc_msg_fini(&reply);
	return o;
}

enum kc_outcome kc_vmm_inflight_set(struct kc_vmm *v)
{
	struct kc_msg m;
	enum kc_outcome o;

	if (!v->inflight.map) {
		kc_err_set(&v->err, 0, "there is no buffer yet");
		return KC_OUT_FAULT;
	}
	if (kc_vmm_inflight_msg(&v->inflight, &m)) {
		kc_msg_fini(&m);
		return own_fault(v, -EMFILE, "duplicating the in-flight buffer");
	}
	o = exchange(v, &m, NULL);
	return o == KC_OUT_OK ? barrier(v) : o;
}

/* --- Device configuration --------------------------------------------------------------------- */

static enum kc_outcome config_msg(struct kc_vmm *v, struct kc_msg *m, uint32_t id, uint32_t offset,
				  uint32_t size)
{
	if (!has_pf(v, KC_PF_CONFIG)) {
		kc_err_set(&v->err, 0, "the protocol feature CONFIG is not negotiated");
		return KC_OUT_UNSUPPORTED;
	}
	if (size > KC_VU_CONFIG_MAX) {
		kc_err_set(&v->err, 0, "%u bytes of configuration, at most %u fit into a message",
			   size, KC_VU_CONFIG_MAX);
		return KC_OUT_FAULT;
	}
	kc_msg_init(m, id);
	m->config.offset = offset;
	m->config.size = size;
	return KC_OUT_OK;
}

enum kc_outcome kc_vmm_config_read(struct kc_vmm *v, uint32_t offset, uint32_t size, void *buf)
{
	struct kc_msg m, reply;
	enum kc_outcome o = config_msg(v, &m, KC_VU_GET_CONFIG, offset, size);

	if (o != KC_OUT_OK)
		return o;
	o = exchange(v, &m, &reply);
	if (o == KC_OUT_OK && (reply.config.size != size || reply.config.offset != offset)) {
		kc_err_set(&v->err, 0, "GET_CONFIG of %u bytes at %u was answered with %u at %u",
			   size, offset, reply.config.size, reply.config.offset);
		o = KC_OUT_GARBLED;
	}
	if (o == KC_OUT_OK)
		memcpy(buf, reply.config.data, size);
	kc_msg_fini(&reply);
	return o;
}

enum kc_outcome kc_vmm_config_write(struct kc_vmm *v, uint32_t offset, uint32_t size,
				    uint32_t flags, const void *buf)
{
	struct kc_msg m;
	enum kc_outcome o = config_msg(v, &m, KC_VU_SET_CONFIG, offset, size);

	if (o != KC_OUT_OK)
		return o;
	m.config.flags = flags;
	memcpy(m.config.data, buf, size);
	return exchange(v, &m, NULL);
}

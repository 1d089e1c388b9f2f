// SPDX-License-Identifier: BSD-3-Clause
/*
 * The reference back-end's control plane: one handler per request, in a table by request number.
 *
 * What holds for many requests is checked before the handler runs, from the row of the message
 * table (message.h): shape of the payload, number of file descriptors, the protocol feature that
 * the request belongs to, and the ring index. A handler then checks what is its own and either
 * carries the request out completely or refuses it and changes nothing.
 *
 * Most requests that are answered with a reply of their own leave no way to say "no": when one of
 * them is refused, the connection is closed.
 */
#include <errno.h>
#include <string.h>
#include "ref_internal.h"

/* One request being carried out. */
struct call {
	struct kc_ref *r;
	const struct kc_msg_row *row;
	struct kc_msg *req;
	struct kc_msg *reply;
	struct kc_ref_ring *ring;	/* of requests that name one */
	struct kc_err *err;
};

#define REFUSE(c, ...)	(kc_err_set((c)->err, -EINVAL, __VA_ARGS__), KC_REF_REFUSED)

static enum kc_ref_answer answer(struct call *c, enum kc_payload payload)
{
	c->reply->flags = KC_VU_VERSION | KC_VU_REPLY;
	c->reply->payload = payload;
	return KC_REF_REPLY;
}

static enum kc_ref_answer answer_u64(struct call *c, uint64_t v)
{
	c->reply->u64 = v;
	return answer(c, KC_PL_U64);
}

/* ---- session, features, status ---- */

static enum kc_ref_answer get_features(struct call *c)
{
	return answer_u64(c, c->r->features_offered);
}

static enum kc_ref_answer set_features(struct call *c)
{
	c->r->features_refused = c->req->u64 & ~c->r->features_offered;
	if (c->r->features_refused)
		return REFUSE(c, "features that were not offered");
	kc_ref_set_features(c->r, c->req->u64);
	return KC_REF_DONE;
}

static bool protocol_features_exist(const struct kc_ref *r)
{
	return r->features_offered & KC_BIT(KC_VU_F_PROTOCOL_FEATURES);
}

static enum kc_ref_answer get_protocol_features(struct call *c)
{
	if (!protocol_features_exist(c->r))
		return REFUSE(c, "there are no protocol features");
	return answer_u64(c, c->r->pf_offered);
}

static enum kc_ref_answer set_protocol_features(struct call *c)
{
	if (!protocol_features_exist(c->r) || (c->req->u64 & ~c->r->pf_offered))
		return REFUSE(c, "protocol features that were not offered");
	c->r->pf = c->req->u64;
	return KC_REF_DONE;
}

/* SET_OWNER begins a session that has begun already; the deprecated RESET_OWNER may be ignored, and
 * must not discard anything (VU-MSG-RESETOWNER-01). */
static enum kc_ref_answer nothing_to_do(struct call *c)
{
	(void)c;
	return KC_REF_DONE;
}

static enum kc_ref_answer get_queue_num(struct call *c)
{
	return answer_u64(c, c->r->nqueues);
}

static enum kc_ref_answer reset_device(struct call *c)
{
	kc_ref_reset_device(c->r);
	return KC_REF_DONE;
}

static enum kc_ref_answer set_status(struct call *c)
{
	if (c->req->u64 > 0xff)
		return REFUSE(c, "a device status has 8 bits");
	kc_ref_set_status(c->r, (uint8_t)c->req->u64);
	return KC_REF_DONE;
}

static enum kc_ref_answer get_status(struct call *c)
{
	return answer_u64(c, c->r->status);
}

/* ---- memory ---- */

static void remap_rings(struct kc_ref *r)
{
	for (unsigned qi = 0; qi < r->nqueues; qi++)
		kc_ref_ring_remap(&r->rings[qi]);
}

static enum kc_ref_answer set_mem_table(struct call *c)
{
	struct kc_ref_mem new = { .nregions = 0 }, old = c->r->mem;

	for (unsigned i = 0; i < c->req->mem.nregions; i++) {
		if (!kc_ref_mem_add(&new, &c->req->mem.regions[i], c->req->handles[i].fd, c->err))
			continue;
		kc_ref_mem_fini(&new);
		return KC_REF_REFUSED;
	}
	/* The old mappings go only after the last pointer into them is gone. */
	c->r->mem = new;
	remap_rings(c->r);
	kc_ref_mem_fini(&old);
	return KC_REF_DONE;
}

static enum kc_ref_answer get_max_mem_slots(struct call *c)
{
	return answer_u64(c, KC_VU_MEM_REGIONS_MAX);
}

static enum kc_ref_answer add_mem_reg(struct call *c)
{
	if (kc_ref_mem_add(&c->r->mem, &c->req->mem.regions[0], c->req->handles[0].fd, c->err))
		return KC_REF_REFUSED;
	return KC_REF_DONE;	/* no ring was anywhere near it */
}

static enum kc_ref_answer rem_mem_reg(struct call *c)
{
	if (kc_ref_mem_remove(&c->r->mem, &c->req->mem.regions[0], c->err))
		return KC_REF_REFUSED;
	remap_rings(c->r);
	return KC_REF_DONE;
}

/* ---- the dirty log ---- */

/* The reply says that the log before this one is not touched any more (VU-MSG-LOGBASE-02). */
static enum kc_ref_answer set_log_base(struct call *c)
{
	if (!c->req->nhandles)
		return REFUSE(c, "a log without a file descriptor");
	if (kc_ref_log_set(&c->r->log, c->req->log.size, c->req->log.offset, c->req->handles[0].fd,
			   c->err))
		return KC_REF_REFUSED;
	return answer_u64(c, 0);
}

static enum kc_ref_answer set_log_fd(struct call *c)
{
	struct kc_evfd *e = kc_evfd_from_handle(c->req->handles[0], c->err);

	c->req->handles[0] = KC_HANDLE_NONE;
	if (!e)
		return KC_REF_REFUSED;
	kc_ref_log_set_fd(&c->r->log, e);
	return KC_REF_DONE;
}

/* ---- what is in flight ---- */

/* There is no layout for packed rings here yet. */
static enum kc_ref_answer get_inflight_fd(struct call *c)
{
	uint64_t bytes;
	int fd;

	if (kc_ref_has(c->r, VIRTIO_F_RING_PACKED))
		return REFUSE(c, "packed rings are not tracked");
	fd = kc_ref_inflight_make(c->req->inflight.num_queues, c->req->inflight.queue_size, &bytes,
				  c->err);
	if (fd < 0)
		return KC_REF_REFUSED;
	c->reply->inflight = c->req->inflight;
	c->reply->inflight.mmap_size = bytes;
	c->reply->inflight.mmap_offset = 0;
	c->reply->handles[0] = (struct kc_handle){ .fd = fd };
	c->reply->nhandles = 1;
	return answer(c, KC_PL_INFLIGHT);
}

static enum kc_ref_answer set_inflight_fd(struct call *c)
{
	for (unsigned qi = 0; qi < c->r->nqueues; qi++)
		if (c->r->rings[qi].started)
			return REFUSE(c, "in-flight regions while ring %u runs", qi);
	if (kc_ref_inflight_set(&c->r->inflight, c->req, c->err))
		return KC_REF_REFUSED;
	return KC_REF_DONE;
}

/* ---- rings ---- */

static enum kc_ref_answer set_vring_num(struct call *c)
{
	if (kc_ref_ring_format(c->ring)->check_size(c->req->state.num, c->err))
		return KC_REF_REFUSED;
	if (c->ring->started)
		return REFUSE(c, "the size of a started ring");
	c->ring->size = c->req->state.num;
	return KC_REF_DONE;
}

static enum kc_ref_answer set_vring_base(struct call *c)
{
	if (c->ring->started)
		return REFUSE(c, "the base of a started ring");
	if (kc_ref_ring_format(c->ring)->set_base(c->ring, c->req->state.num, c->err))
		return KC_REF_REFUSED;
	return KC_REF_DONE;
}

static enum kc_ref_answer get_vring_base(struct call *c)
{
	const struct kc_ref_format *f = kc_ref_ring_format(c->ring);

	kc_ref_ring_stop(c->ring);
	c->reply->state.index = c->ring->qi;
	c->reply->state.num = f->base(c->ring);
	return answer(c, KC_PL_STATE);
}

#define VRING_LOGGED	(1u << VHOST_VRING_F_LOG)	/* writes to the used ring */

static enum kc_ref_answer set_vring_addr(struct call *c)
{
	const struct kc_ref_vring_addr addr = {
		.desc = c->req->addr.desc, .avail = c->req->addr.avail, .used = c->req->addr.used,
		.logged = c->req->addr.flags & VRING_LOGGED, .log = c->req->addr.log,
	};

	if (c->req->addr.flags & ~VRING_LOGGED)
		return REFUSE(c, "unknown flags in SET_VRING_ADDR");
	if (kc_ref_ring_set_addr(c->ring, &addr, c->err))
		return KC_REF_REFUSED;
	return KC_REF_DONE;
}

/* The eventfd of a KICK, CALL or ERR request, which then is ours; *e is NULL if bit 8 says none. */
static int take_evfd(struct call *c, struct kc_evfd **e)
{
	*e = NULL;
	if (c->req->u64 & KC_VU_NOFD)
		return 0;
	*e = kc_evfd_from_handle(c->req->handles[0], c->err);
	c->req->handles[0] = KC_HANDLE_NONE;
	return *e ? 0 : -EINVAL;
}

static enum kc_ref_answer set_vring_kick(struct call *c)
{
	struct kc_evfd *e;

	if (take_evfd(c, &e))
		return KC_REF_REFUSED;
	if (c->ring->started)
		kc_ref_ring_set_kick(c->ring, e);
	else if (kc_ref_ring_start(c->ring, e, c->err))
		return KC_REF_REFUSED;
	return KC_REF_DONE;
}

static enum kc_ref_answer set_vring_call(struct call *c)
{
	struct kc_evfd *e;

	if (take_evfd(c, &e))
		return KC_REF_REFUSED;
	kc_ref_ring_set_call(c->ring, e);
	return KC_REF_DONE;
}

static enum kc_ref_answer set_vring_err(struct call *c)
{
	struct kc_evfd *e;

	if (take_evfd(c, &e))
		return KC_REF_REFUSED;
	kc_ref_ring_set_err(c->ring, e);
	return KC_REF_DONE;
}

static enum kc_ref_answer set_vring_enable(struct call *c)
{
	if (!kc_ref_has(c->r, KC_VU_F_PROTOCOL_FEATURES))
		return REFUSE(c, "SET_VRING_ENABLE without feature bit 30");
	if (c->req->state.num > 1)
		return REFUSE(c, "a ring is enabled by 1 and disabled by 0");
	kc_ref_ring_enable(c->ring, c->req->state.num);
	return KC_REF_DONE;
}

/* ---- device configuration ---- */

static bool config_range_ok(const struct call *c)
{
	uint32_t offset = c->req->config.offset, size = c->req->config.size;

	return size && offset < c->r->device->config_len &&
	       size <= c->r->device->config_len - offset;
}

static enum kc_ref_answer get_config(struct call *c)
{
	uint8_t config[KC_REF_CONFIG_MAX];

	if (!config_range_ok(c))
		return REFUSE(c, "a range outside the configuration");
	c->r->device->config_read(c->r, config);
	c->reply->config.offset = c->req->config.offset;
	c->reply->config.size = c->req->config.size;
	c->reply->config.flags = c->req->config.flags;
	memcpy(c->reply->config.data, config + c->req->config.offset, c->req->config.size);
	return answer(c, KC_PL_CONFIG);
}

/* SET_CONFIG flags, as the document has them. */
enum { CONFIG_WRITABLE = 0, CONFIG_MIGRATION = 1 };

static enum kc_ref_answer set_config(struct call *c)
{
	uint32_t flags = c->req->config.flags;

	if (flags != CONFIG_WRITABLE && flags != CONFIG_MIGRATION)
		return REFUSE(c, "unknown flags in SET_CONFIG");
	if (!config_range_ok(c))
		return REFUSE(c, "a range outside the configuration");
	if (c->r->device->config_write(c->r, c->req->config.offset, c->req->config.size,
				       flags == CONFIG_MIGRATION, c->req->config.data))
		return REFUSE(c, "a configuration field that is not writable");
	return KC_REF_DONE;
}

static enum kc_ref_answer set_mtu(struct call *c)
{
	if (!c->r->device->set_mtu)
		return REFUSE(c, "%s has no MTU", c->r->device->name);
	if (c->r->device->set_mtu(c->r, c->req->u64))
		return REFUSE(c, "an MTU of %llu", (unsigned long long)c->req->u64);
	return KC_REF_DONE;
}

/* ---- dispatch ---- */

typedef enum kc_ref_answer handler_fn(struct call *c);

static const struct {
	handler_fn *fn;
	enum { WITHOUT_RING, OF_RING } ring;
} handlers[KC_VU_MAX] = {
	[KC_VU_GET_FEATURES] =		{ get_features, WITHOUT_RING },
	[KC_VU_SET_FEATURES] =		{ set_features, WITHOUT_RING },
	[KC_VU_SET_OWNER] =		{ nothing_to_do, WITHOUT_RING },
	[KC_VU_RESET_OWNER] =		{ nothing_to_do, WITHOUT_RING },
	[KC_VU_SET_MEM_TABLE] =		{ set_mem_table, WITHOUT_RING },
	[KC_VU_SET_LOG_BASE] =		{ set_log_base, WITHOUT_RING },
	[KC_VU_SET_LOG_FD] =		{ set_log_fd, WITHOUT_RING },
	[KC_VU_SET_VRING_NUM] =		{ set_vring_num, OF_RING },
	[KC_VU_SET_VRING_ADDR] =	{ set_vring_addr, OF_RING },
	[KC_VU_SET_VRING_BASE] =	{ set_vring_base, OF_RING },
	[KC_VU_GET_VRING_BASE] =	{ get_vring_base, OF_RING },
	[KC_VU_SET_VRING_KICK] =	{ set_vring_kick, OF_RING },
	[KC_VU_SET_VRING_CALL] =	{ set_vring_call, OF_RING },
	[KC_VU_SET_VRING_ERR] =		{ set_vring_err, OF_RING },
	[KC_VU_GET_PROTOCOL_FEATURES] =	{ get_protocol_features, WITHOUT_RING },
	[KC_VU_SET_PROTOCOL_FEATURES] =	{ set_protocol_features, WITHOUT_RING },
	[KC_VU_GET_QUEUE_NUM] =		{ get_queue_num, WITHOUT_RING },
	[KC_VU_SET_VRING_ENABLE] =	{ set_vring_enable, OF_RING },
	[KC_VU_NET_SET_MTU] =		{ set_mtu, WITHOUT_RING },
	[KC_VU_GET_CONFIG] =		{ get_config, WITHOUT_RING },
	[KC_VU_SET_CONFIG] =		{ set_config, WITHOUT_RING },
	[KC_VU_GET_INFLIGHT_FD] =	{ get_inflight_fd, WITHOUT_RING },
	[KC_VU_SET_INFLIGHT_FD] =	{ set_inflight_fd, WITHOUT_RING },
	[KC_VU_RESET_DEVICE] =		{ reset_device, WITHOUT_RING },
	[KC_VU_GET_MAX_MEM_SLOTS] =	{ get_max_mem_slots, WITHOUT_RING },
	[KC_VU_ADD_MEM_REG] =		{ add_mem_reg, WITHOUT_RING },
	[KC_VU_REM_MEM_REG] =		{ rem_mem_reg, WITHOUT_RING },
	[KC_VU_SET_STATUS] =		{ set_status, WITHOUT_RING },
	[KC_VU_GET_STATUS] =		{ get_status, WITHOUT_RING },
};

static uint32_t ring_index(const struct kc_msg *m)
{
	switch (m->payload) {
	case KC_PL_U64:		/* KICK, CALL, ERR */
		return (uint32_t)(m->u64 & KC_VU_RING_MASK);
	case KC_PL_ADDR:
		return m->addr.index;
	default:
		return m->state.index;
	}
}

static bool fds_ok(const struct call *c)
{
	unsigned n = c->req->nhandles;

	switch (c->row->fds) {
	case KC_FD_NONE:	/* surplus ones are the carrier's to close; a reply is still due */
		return n == 0 || c->row->reply_rule == KC_REPLY_OWN;
	case KC_FD_ONE:
		return n == 1;
	case KC_FD_RING:
		return n == (c->req->u64 & KC_VU_NOFD ? 0 : 1);
	case KC_FD_REGIONS:
		return n == c->req->mem.nregions;
	case KC_FD_MAYBE:
		return n <= 1;
	}
	return false;
}

static enum kc_ref_answer check_payload(struct call *c)
{
	const struct kc_msg *m = c->req;

	if (m->payload != c->row->request)
		return REFUSE(c, "%s with a payload of another shape", c->row->name);
	if (m->payload == KC_PL_MEM_TABLE && m->mem.nregions > KC_VU_MEM_REGIONS_MAX)
		return REFUSE(c, "%u memory regions, at most 8 are allowed", m->mem.nregions);
	if (m->payload == KC_PL_CONFIG && m->config.size > KC_VU_CONFIG_MAX)
		return REFUSE(c, "more configuration than a message can hold");
	if (c->row->fds == KC_FD_RING && (m->u64 & ~(KC_VU_RING_MASK | KC_VU_NOFD)))
		return REFUSE(c, "unknown bits beside the ring index");
	if (!fds_ok(c))
		return REFUSE(c, "%s with %u file descriptors", c->row->name, m->nhandles);
	return KC_REF_DONE;
}

static enum kc_ref_answer carry_out(struct call *c)
{
	enum kc_ref_answer a;
	uint32_t qi;

	if (!c->row || c->req->id >= KC_VU_MAX || !handlers[c->req->id].fn)
		return REFUSE(c, "request %u is unknown here", c->req->id);
	if (c->row->gate >= 0 && !kc_ref_has_pf(c->r, (unsigned)c->row->gate))
		return REFUSE(c, "%s without its protocol feature", c->row->name);
	a = check_payload(c);
	if (a != KC_REF_DONE)
		return a;
	if (handlers[c->req->id].ring == OF_RING) {
		qi = ring_index(c->req);
		if (qi >= c->r->nqueues)
			return REFUSE(c, "ring %u of %u", qi, c->r->nqueues);
		c->ring = &c->r->rings[qi];
	}
	return handlers[c->req->id].fn(c);
}

/* The "no" of a request that has a reply of its own. */
static enum kc_ref_answer refuse_by_reply(struct call *c)
{
	switch (c->req->id) {
	case KC_VU_GET_CONFIG:
		return answer(c, KC_PL_CONFIG);	/* size 0: no payload, VU-MSG-GETCONFIG-01 */
	case KC_VU_IOTLB_MSG:
		return answer_u64(c, 1);	/* VU-IOTLB-01 */
	default:
		return KC_REF_CLOSE;
	}
}

enum kc_ref_answer kc_ref_request(struct kc_ref *r, struct kc_msg *req, struct kc_msg *reply,
				  struct kc_err *err)
{
	struct call c = {
		.r = r, .row = kc_msg_row(req->id), .req = req, .reply = reply, .err = err,
	};
	enum kc_ref_answer a;

	kc_msg_init(reply, req->id);
	kc_ref_publish(r);
	a = carry_out(&c);
	if (a == KC_REF_REFUSED && c.row && c.row->reply_rule == KC_REPLY_OWN)
		return refuse_by_reply(&c);
	return a;
}

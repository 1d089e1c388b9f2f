/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VMM's control plane against a back-end that writes down what it is asked and answers at once.
 * What concerns eventfds is run with simulated and with real ones.
 * Modules: sim/vmm.c, sim/vmm_inflight.c, sim/vmm_log.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/virtio_config.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <kickcall/inflight.h>
#include <sim/vmm.h>

/* --- The fake back-end ------------------------------------------------------------------------ */

#define LOG_MAX	128

struct fake {
	struct kc_backend be;
	uint64_t features, pf, queues;
	uint64_t status;
	bool status_sticks;		/* refuses to reset, and to keep FEATURES_OK */
	uint32_t refuse;		/* request to be answered with an ack of 1 */
	uint32_t base, base_index;	/* GET_VRING_BASE's answer */
	uint32_t config_size;		/* of GET_CONFIG's answer; ~0: as asked */
	bool call_on_stop;		/* signals the call just before it answers GET_VRING_BASE */
	bool call_old_on_swap;		/* signals the call that is being replaced */
	int open_ret;
	uint64_t inflight_bytes;	/* of the file behind GET_INFLIGHT_FD's answer */
	uint64_t inflight_said;		/* ...and what the answer says; 0: no descriptor either */

	char log[LOG_MAX][120];
	unsigned nlog;
	struct kc_evfd *kick, *call, *err;
	struct kc_evfd *old_call;	/* the one before call */
	struct kc_msg reply;
	bool has_reply;
};

static int fake_open(struct kc_backend *be, struct kc_err *err)
{
	struct fake *f = be->priv;

	return f->open_ret ? kc_err_set(err, f->open_ret, "cannot open") : 0;
}

static void fake_close(struct kc_backend *be)
{
	struct fake *f = be->priv;

	kc_evfd_unref(f->kick);
	kc_evfd_unref(f->call);
	kc_evfd_unref(f->err);
	kc_evfd_unref(f->old_call);
	f->kick = f->call = f->err = f->old_call = NULL;
}

static void keep(struct kc_evfd **slot, const struct kc_msg *m)
{
	kc_evfd_unref(*slot);
	*slot = m->nhandles ? kc_evfd_from_handle(kc_handle_dup(m->handles[0]), NULL) : NULL;
}

static void keep_call(struct fake *f, const struct kc_msg *m)
{
	if (f->call_old_on_swap && f->call)
		kc_evfd_signal(f->call, 1);
	kc_evfd_unref(f->old_call);
	f->old_call = f->call;
	f->call = NULL;
	keep(&f->call, m);
}

static void answer(struct fake *f, uint32_t id)
{
	kc_msg_init(&f->reply, id);
	f->reply.flags = KC_VU_VERSION | KC_VU_REPLY;
	f->has_reply = true;
}

static void answer_u64(struct fake *f, uint32_t id, uint64_t value)
{
	answer(f, id);
	f->reply.payload = KC_PL_U64;
	f->reply.u64 = value;
}

static void answer_inflight(struct fake *f, const struct kc_msg *m)
{
	int fd = memfd_create("inflight", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, (off_t)f->inflight_bytes), 0);
	answer(f, m->id);
	f->reply.payload = KC_PL_INFLIGHT;
	f->reply.inflight = m->inflight;
	f->reply.inflight.mmap_size = f->inflight_said;
	f->reply.handles[0] = (struct kc_handle){ .fd = fd };
	f->reply.nhandles = 1;
	if (!f->inflight_said) {
		kc_handle_close(&f->reply.handles[0]);
		f->reply.nhandles = 0;
	}
}

/* Requests with a reply of their own; false: it is not one of them. */
static bool answer_own(struct fake *f, const struct kc_msg *m)
{
	switch (m->id) {
	case KC_VU_GET_FEATURES:
		answer_u64(f, m->id, f->features);
		return true;
	case KC_VU_GET_PROTOCOL_FEATURES:
		answer_u64(f, m->id, f->pf);
		return true;
	case KC_VU_GET_QUEUE_NUM:
		answer_u64(f, m->id, f->queues);
		return true;
	case KC_VU_GET_STATUS:
		answer_u64(f, m->id, f->status);
		return true;
	case KC_VU_GET_INFLIGHT_FD:
		answer_inflight(f, m);
		return true;
	case KC_VU_SET_LOG_BASE:
		answer_u64(f, m->id, 0);
		return true;
	case KC_VU_GET_VRING_BASE:
		if (f->call_on_stop)
			kc_evfd_signal(f->call, 1);
		answer(f, m->id);
		f->reply.payload = KC_PL_STATE;
		f->reply.state.index = f->base_index;
		f->reply.state.num = f->base;
		return true;
	case KC_VU_GET_CONFIG:
		answer(f, m->id);
		f->reply.payload = KC_PL_CONFIG;
		f->reply.config.offset = m->config.offset;
		f->reply.config.size = f->config_size == ~0u ? m->config.size : f->config_size;
		memset(f->reply.config.data, 0x5a, m->config.size);
		return true;
	default:
		return false;
	}
}

static int fake_submit(struct kc_backend *be, const struct kc_msg *m)
{
	struct fake *f = be->priv;

	assert_true(f->nlog < LOG_MAX);
	kc_msg_print(m, f->log[f->nlog++], sizeof(f->log[0]));
	if (m->id == KC_VU_SET_VRING_KICK)
		keep(&f->kick, m);
	if (m->id == KC_VU_SET_VRING_CALL)
		keep_call(f, m);
	if (m->id == KC_VU_SET_VRING_ERR)
		keep(&f->err, m);
	if (m->id == KC_VU_SET_STATUS && !f->status_sticks)
		f->status = m->u64;
	if (!answer_own(f, m) && m->flags & KC_VU_NEED_REPLY)
		answer_u64(f, m->id, m->id == f->refuse);
	return 0;
}

static int fake_next_event(struct kc_backend *be, struct kc_event *ev)
{
	struct fake *f = be->priv;

	if (!f->has_reply)
		return 0;
	*ev = (struct kc_event){ .kind = KC_EV_MESSAGE, .msg = f->reply };
	f->has_reply = false;
	return 1;
}

static int fake_pollfd(struct kc_backend *be)
{
	(void)be;
	return -1;
}

static const struct kc_backend_ops fake_ops = {
	.name = "fake", .open = fake_open, .close = fake_close, .submit = fake_submit,
	.next_event = fake_next_event, .pollfd = fake_pollfd,
};

/* --- A machine around it ---------------------------------------------------------------------- */

struct machine {
	struct fake fake;
	struct kc_mem mem;
	struct kc_sched *sched;
	struct kc_trace trace;
	struct kc_vmm vmm;
	char told[256];			/* by on_queue: "+0 -0 " */
	struct kc_queue_config config;
};

static void on_queue(void *ctx, unsigned qi, bool started)
{
	struct machine *m = ctx;
	size_t n = strlen(m->told);

	snprintf(m->told + n, sizeof(m->told) - n, "%c%u ", started ? '+' : '-', qi);
}

static void build(struct machine *m, enum kc_mode mode)
{
	struct kc_err err;

	memset(m, 0, sizeof(*m));
	m->fake.be.ops = &fake_ops;
	m->fake.be.priv = &m->fake;
	m->fake.be.reply_timeout_ns = 1000000000;
	m->fake.features = KC_BIT(KC_VU_F_PROTOCOL_FEATURES) | KC_BIT(32) | KC_BIT(29);
	m->fake.pf = KC_BIT(KC_PF_COUNT) - 1;
	m->fake.queues = 4;
	m->fake.config_size = ~0u;
	assert_int_equal(kc_mem_init(&m->mem, kc_mem_default_layout, KC_MEM_LAYOUT_ROWS, &err),
			 0);
	m->sched = kc_sched_new(mode, 1);
	assert_non_null(m->sched);
	assert_int_equal(kc_vmm_init(&m->vmm, &m->mem, m->sched, &m->fake.be, &m->trace), 0);
	m->vmm.on_queue = on_queue;
	m->vmm.on_queue_ctx = m;
	m->config.size = 8;
	assert_int_equal(kc_mem_alloc(&m->mem, 128, 16, KC_PLACE_ANY, &m->config.desc), 0);
	assert_int_equal(kc_mem_alloc(&m->mem, 22, 2, KC_PLACE_ANY, &m->config.avail), 0);
	assert_int_equal(kc_mem_alloc(&m->mem, 70, 4, KC_PLACE_ANY, &m->config.used), 0);
}

static void wreck(struct machine *m)
{
	kc_vmm_disconnect(&m->vmm);
	kc_vmm_fini(&m->vmm);
	kc_sched_free(m->sched);
	kc_mem_fini(&m->mem);
}

static void forget_log(struct machine *m)
{
	m->fake.nlog = 0;
	m->told[0] = '\0';
}

/* The log is these requests, each beginning with the text given. */
#define assert_log(m, ...) \
	assert_log_is(m, (const char *const[]){ __VA_ARGS__, NULL })
static void assert_log_is(const struct machine *m, const char *const *want)
{
	unsigned i = 0;

	for (; want[i]; i++)
		if (i >= m->fake.nlog || strncmp(m->fake.log[i], want[i], strlen(want[i])))
			fail_msg("message %u: want \"%s\", got \"%s\"", i, want[i],
				 i < m->fake.nlog ? m->fake.log[i] : "none");
	if (i != m->fake.nlog)
		fail_msg("one message more: \"%s\"", m->fake.log[i]);
}

static unsigned traced(const struct machine *m, enum kc_actor actor, const char *op)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KC_TRACE_KEPT && i < m->trace.count; i++)
		n += m->trace.kept[i].actor == actor && !strcmp(m->trace.kept[i].op, op);
	return n;
}

static void start(struct machine *m)
{
	assert_int_equal(kc_vmm_connect(&m->vmm), KC_OUT_OK);
	assert_int_equal(kc_vmm_queue_start(&m->vmm, 0, &m->config), KC_OUT_OK);
	forget_log(m);
}

static uint64_t drained(struct kc_evfd *e)
{
	uint64_t n = 0;

	return kc_evfd_read(e, &n) ? 0 : n;
}

/* --- Session ---------------------------------------------------------------------------------- */

static void test_connect(void **state)
{
	struct machine m;

	(void)state;
	build(&m, KC_MODE_SIM);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	assert_log(&m, "GET_FEATURES", "GET_PROTOCOL_FEATURES", "SET_PROTOCOL_FEATURES",
		   "SET_OWNER", "GET_QUEUE_NUM");
	assert_null(strstr(m.fake.log[2], "need_reply"));
	assert_non_null(strstr(m.fake.log[3], "need_reply"));
	assert_int_equal(m.vmm.pf_acked, kc_vmm_pf_spoken);
	assert_int_equal(m.vmm.pf_offered, m.fake.pf);
	assert_int_equal(m.vmm.device_features, m.fake.features);
	assert_int_equal(m.vmm.queues_max, 4);
	assert_true(m.fake.be.reply_ack);
	wreck(&m);
	assert_false(m.fake.be.reply_ack);
}

static void test_connect_without(void **state)
{
	struct machine m;

	(void)state;
	build(&m, KC_MODE_SIM);
	m.vmm.protocol_features = false;
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	assert_log(&m, "GET_FEATURES", "SET_OWNER");
	assert_int_equal(m.vmm.pf_acked, 0);
	assert_false(m.fake.be.reply_ack);
	wreck(&m);

	build(&m, KC_MODE_SIM);
	m.vmm.pf_wanted = KC_BIT(KC_PF_CONFIG);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	assert_log(&m, "GET_FEATURES", "GET_PROTOCOL_FEATURES", "SET_PROTOCOL_FEATURES",
		   "SET_OWNER");
	assert_int_equal(m.vmm.pf_acked, KC_BIT(KC_PF_CONFIG));
	assert_int_equal(m.vmm.queues_max, 0);
	wreck(&m);
}

static void test_cannot_open(void **state)
{
	static const struct {
		int ret;
		enum kc_outcome outcome;
	} rows[] = {
		{ -ECHILD, KC_OUT_EXITED }, { -ECONNREFUSED, KC_OUT_CLOSED },
		{ -ETIMEDOUT, KC_OUT_TIMED_OUT }, { -EMFILE, KC_OUT_FAULT },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct machine m;

		build(&m, KC_MODE_SIM);
		m.fake.open_ret = rows[i].ret;
		assert_int_equal(kc_vmm_connect(&m.vmm), rows[i].outcome);
		assert_string_equal(m.vmm.err.msg, "cannot open");
		assert_int_equal(m.fake.nlog, 0);
		wreck(&m);
	}
}

/* --- Status ----------------------------------------------------------------------------------- */

#define ACK	VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER	VIRTIO_CONFIG_S_DRIVER
#define FEATS_OK	VIRTIO_CONFIG_S_FEATURES_OK

static void test_features_ok(void **state)
{
	struct machine m;

	(void)state;
	build(&m, KC_MODE_SIM);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	forget_log(&m);
	m.vmm.driver_features = KC_BIT(32);
	assert_int_equal(kc_vmm_set_status(&m.vmm, ACK | DRIVER), KC_OUT_OK);
	assert_int_equal(kc_vmm_set_status(&m.vmm, ACK | DRIVER | FEATS_OK), KC_OUT_OK);
	assert_int_equal(kc_vmm_set_status(&m.vmm, ACK | DRIVER | FEATS_OK | 4), KC_OUT_OK);
	assert_log(&m, "SET_STATUS", "SET_FEATURES {u64 0x140000000}", "SET_STATUS", "GET_STATUS",
		   "SET_STATUS");
	assert_int_equal(m.vmm.status, ACK | DRIVER | FEATS_OK | 4);
	assert_int_equal(traced(&m, KC_ACTOR_VMM, "status"), 3);
	wreck(&m);
}

static void test_features_refused(void **state)
{
	struct machine m;

	(void)state;
	build(&m, KC_MODE_SIM);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	m.fake.status_sticks = true;
	assert_int_equal(kc_vmm_set_status(&m.vmm, ACK | DRIVER | FEATS_OK), KC_OUT_REFUSED);
	assert_non_null(strstr(m.vmm.err.msg, "FEATURES_OK did not stay"));
	assert_int_equal(m.vmm.status, 0);
	wreck(&m);

	/* Without STATUS the ack of SET_FEATURES is the only sign. */
	build(&m, KC_MODE_SIM);
	m.vmm.pf_wanted = KC_BIT(KC_PF_REPLY_ACK);
	m.fake.refuse = KC_VU_SET_FEATURES;
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	forget_log(&m);
	assert_int_equal(kc_vmm_set_status(&m.vmm, ACK), KC_OUT_OK);
	assert_int_equal(kc_vmm_set_status(&m.vmm, ACK | FEATS_OK), KC_OUT_REFUSED);
	assert_log(&m, "SET_FEATURES");
	wreck(&m);
}

static void test_bit_30_not_taken(void **state)
{
	struct machine m;

	(void)state;
	build(&m, KC_MODE_SIM);
	m.vmm.protocol_features = false;
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	forget_log(&m);
	m.vmm.driver_features = KC_BIT(32);
	assert_int_equal(kc_vmm_set_status(&m.vmm, FEATS_OK), KC_OUT_OK);
	assert_log(&m, "SET_FEATURES {u64 0x100000000}");
	forget_log(&m);
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 0, &m.config), KC_OUT_OK);
	assert_true(m.vmm.q[0].enabled);
	assert_log(&m, "SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ADDR", "SET_VRING_ERR",
		   "SET_VRING_CALL", "SET_VRING_KICK");
	assert_int_equal(kc_vmm_queue_enable(&m.vmm, 0, false), KC_OUT_UNSUPPORTED);
	wreck(&m);
}

static void test_reset(void **state)
{
	static const struct {
		uint64_t pf;
		const char *first, *second;
	} rows[] = {
		{ KC_BIT(KC_PF_STATUS) | KC_BIT(KC_PF_RESET_DEVICE),
		  "SET_STATUS {u64 0", "GET_STATUS" },
		{ KC_BIT(KC_PF_RESET_DEVICE), "RESET_DEVICE", NULL },
		{ 0, "GET_VRING_BASE", NULL },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct machine m;

		build(&m, KC_MODE_SIM);
		m.vmm.pf_wanted = rows[i].pf;
		start(&m);
		m.vmm.driver_features = KC_BIT(32);
		assert_int_equal(kc_vmm_set_status(&m.vmm, 0), KC_OUT_OK);
		assert_log(&m, rows[i].first, rows[i].second);
		assert_string_equal(m.told, "-0 ");
		assert_false(m.vmm.q[0].started);
		assert_false(m.vmm.q[0].configured);
		assert_null(m.vmm.q[0].call);
		assert_int_equal(m.vmm.driver_features, 0);
		wreck(&m);
	}
}

static void test_reset_that_is_none(void **state)
{
	struct machine m;

	(void)state;
	build(&m, KC_MODE_SIM);
	start(&m);
	m.fake.status = 0xf;
	m.fake.status_sticks = true;
	assert_int_equal(kc_vmm_set_status(&m.vmm, 0), KC_OUT_REFUSED);
	assert_non_null(strstr(m.vmm.err.msg, "0x0f after a reset"));
	assert_true(m.vmm.q[0].started);
	wreck(&m);
}

/* --- Memory and configuration ----------------------------------------------------------------- */

static void test_mem_table(void **state)
{
	struct machine m;
	struct kc_msg msg;

	(void)state;
	build(&m, KC_MODE_SIM);
	assert_int_equal(kc_vmm_mem_table_msg(&m.vmm, &msg), 0);
	assert_int_equal(msg.id, KC_VU_SET_MEM_TABLE);
	assert_int_equal(msg.mem.nregions, m.mem.nregions);
	assert_int_equal(msg.nhandles, m.mem.nregions);
	for (unsigned i = 0; i < m.mem.nregions; i++) {
		assert_int_equal(msg.mem.regions[i].gpa, m.mem.regions[i].gpa);
		assert_int_equal(msg.mem.regions[i].size, m.mem.regions[i].size);
		assert_int_equal(msg.mem.regions[i].uva, m.mem.regions[i].uva);
		assert_int_equal(msg.mem.regions[i].mmap_offset, m.mem.regions[i].fd_offset);
		assert_true(msg.handles[i].fd >= 0 && msg.handles[i].fd != m.mem.regions[i].memfd);
	}
	kc_msg_fini(&msg);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	forget_log(&m);
	assert_int_equal(kc_vmm_set_mem_table(&m.vmm), KC_OUT_OK);
	assert_log(&m, "SET_MEM_TABLE");
	wreck(&m);
}

static void test_log(void **state)
{
	const struct kc_region *last;
	struct machine m;
	char rings[80];

	(void)state;
	build(&m, KC_MODE_SIM);
	m.fake.features |= KC_BIT(26);
	m.vmm.pf_wanted |= KC_BIT(KC_PF_LOG_SHMFD);
	start(&m);
	forget_log(&m);
	assert_int_equal(kc_vmm_log_on(&m.vmm, true, KC_LOG_ELSEWHERE), KC_OUT_OK);
	assert_log(&m, "SET_LOG_BASE {size ", "SET_FEATURES", "SET_VRING_ADDR {index 0, flags 0x1");
	snprintf(rings, sizeof(rings), "log 0x%llx",
		 (unsigned long long)(m.config.used + KC_LOG_ELSEWHERE));
	assert_non_null(strstr(m.fake.log[2], rings));
	assert_true(kc_vmm_acked_features(&m.vmm) & KC_BIT(26));
	assert_true(m.vmm.q[0].started);
	/* all of memory has its bit, and so have the rings' log addresses */
	last = &m.mem.regions[m.mem.nregions - 1];
	assert_true(m.vmm.log.bytes * 8 * 4096 > last->gpa + last->size + KC_LOG_ELSEWHERE);
	assert_true(m.vmm.log.offset && m.vmm.log.offset + m.vmm.log.bytes < m.vmm.log.file_bytes);
	m.vmm.log.file[0] = 1;
	forget_log(&m);
	assert_int_equal(kc_vmm_log_off(&m.vmm), KC_OUT_OK);
	assert_log(&m, "SET_FEATURES", "SET_VRING_ADDR {index 0, flags 0x0");
	assert_false(kc_vmm_acked_features(&m.vmm) & KC_BIT(26));
	assert_int_equal(m.vmm.log.file[0], 1);		/* one can still look at it */
	forget_log(&m);
	assert_int_equal(kc_vmm_log_on(&m.vmm, false, 0), KC_OUT_OK);
	assert_log(&m, "SET_LOG_BASE", "SET_FEATURES");
	assert_int_equal(m.vmm.log.file[0], 0);		/* a fresh one */
	wreck(&m);
}

static void test_log_is_missing(void **state)
{
	struct machine m;

	(void)state;
	build(&m, KC_MODE_SIM);
	m.fake.features |= KC_BIT(26);
	start(&m);
	assert_false(m.vmm.pf_acked & KC_BIT(KC_PF_LOG_SHMFD));	/* nobody asked for it */
	assert_int_equal(kc_vmm_log_on(&m.vmm, false, 0), KC_OUT_UNSUPPORTED);
	wreck(&m);
	build(&m, KC_MODE_SIM);
	m.vmm.pf_wanted |= KC_BIT(KC_PF_LOG_SHMFD);
	start(&m);
	assert_int_equal(kc_vmm_log_on(&m.vmm, false, 0), KC_OUT_UNSUPPORTED);
	wreck(&m);
}

static void test_inflight(void **state)
{
	static const struct { uint64_t file, said; const char *why; } bad[] = {
		{ 4096, 0, "no file descriptor" }, { 4096, 512, "too few bytes" },
		{ 500, 800, "ends before" }, { 4096, 1002, "misaligned" },
	};
	struct machine m;

	(void)state;
	build(&m, KC_MODE_SIM);
	m.vmm.pf_wanted |= KC_BIT(KC_PF_INFLIGHT_SHMFD);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	assert_int_equal(kc_vmm_inflight_set(&m.vmm), KC_OUT_FAULT);	/* there is none */
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		m.fake.inflight_bytes = bad[i].file;
		m.fake.inflight_said = bad[i].said;
		assert_int_equal(kc_vmm_inflight_get(&m.vmm, 2, 16), KC_OUT_GARBLED);
		assert_non_null(strstr(m.vmm.err.msg, bad[i].why));
	}
	m.fake.inflight_bytes = m.fake.inflight_said = 1024;
	forget_log(&m);
	assert_int_equal(kc_vmm_inflight_get(&m.vmm, 2, 16), KC_OUT_OK);
	assert_int_equal(kc_vmm_inflight_set(&m.vmm), KC_OUT_OK);
	assert_log(&m, "GET_INFLIGHT_FD {mmap_size 0x0, mmap_offset 0x0, num_queues 2, queue_size 16}",
		   "SET_INFLIGHT_FD {mmap_size 0x400, mmap_offset 0x0, num_queues 2, queue_size 16}");
	assert_ptr_equal(kc_vmm_inflight_region(&m.vmm.inflight, 1), m.vmm.inflight.map + 512);
	assert_null(kc_vmm_inflight_region(&m.vmm.inflight, 2));
	kc_vmm_inflight_region(&m.vmm.inflight, 1)->version = 1;
	kc_vmm_disconnect(&m.vmm);	/* it outlives the session */
	assert_int_equal(kc_vmm_inflight_region(&m.vmm.inflight, 1)->version, 1);
	wreck(&m);
}

static void test_config(void **state)
{
	struct machine m;
	uint8_t buf[KC_VU_CONFIG_MAX + 1] = { 0 };

	(void)state;
	build(&m, KC_MODE_SIM);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	forget_log(&m);
	assert_int_equal(kc_vmm_config_read(&m.vmm, 8, 4, buf), KC_OUT_OK);
	assert_memory_equal(buf, "\x5a\x5a\x5a\x5a\0", 5);
	assert_int_equal(kc_vmm_config_write(&m.vmm, 32, 1, 0, "\1"), KC_OUT_OK);
	assert_log(&m, "GET_CONFIG {offset 8, size 4", "SET_CONFIG {offset 32, size 1");
	m.fake.config_size = 0;
	assert_int_equal(kc_vmm_config_read(&m.vmm, 0, 4, buf), KC_OUT_REFUSED);
	m.fake.config_size = 3;
	assert_int_equal(kc_vmm_config_read(&m.vmm, 0, 4, buf), KC_OUT_GARBLED);
	assert_int_equal(kc_vmm_config_read(&m.vmm, 0, sizeof(buf), buf), KC_OUT_FAULT);
	m.vmm.pf_acked &= ~KC_BIT(KC_PF_CONFIG);
	assert_int_equal(kc_vmm_config_read(&m.vmm, 0, 4, buf), KC_OUT_UNSUPPORTED);
	assert_int_equal(kc_vmm_config_write(&m.vmm, 0, 1, 0, "\1"), KC_OUT_UNSUPPORTED);
	wreck(&m);
}

/* --- Queues ----------------------------------------------------------------------------------- */

static void test_queue_start(void **state)
{
	char addr[80];
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	forget_log(&m);
	m.config.base = 65534;
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 3, &m.config), KC_OUT_OK);
	assert_log(&m, "SET_VRING_NUM {index 3, num 8}", "SET_VRING_BASE {index 3, num 65534}",
		   "SET_VRING_ADDR {index 3", "SET_VRING_ERR {u64 0x3}", "SET_VRING_CALL {u64 0x3}",
		   "SET_VRING_KICK {u64 0x3}", "SET_VRING_ENABLE {index 3, num 1}");
	snprintf(addr, sizeof(addr), "desc 0x%llx",
		 (unsigned long long)kc_mem_uva(&m.mem, m.config.desc));
	assert_non_null(strstr(m.fake.log[2], addr));
	assert_string_equal(m.told, "+3 ");
	assert_true(m.vmm.q[3].started && m.vmm.q[3].enabled);
	assert_int_equal(drained(m.fake.kick), 1);
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 3, &m.config), KC_OUT_FAULT);
	assert_int_equal(kc_vmm_queue_start(&m.vmm, KC_QUEUES_MAX, &m.config), KC_OUT_FAULT);
	wreck(&m);
}

static void test_queue_start_options(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	m.config.no_first_kick = true;
	m.config.leave_disabled = true;
	m.config.no_call = true;
	start(&m);
	assert_false(m.vmm.q[0].enabled);
	assert_null(m.fake.call);
	assert_int_equal(drained(m.fake.kick), 0);
	assert_int_equal(kc_vmm_queue_enable(&m.vmm, 0, true), KC_OUT_OK);
	assert_log(&m, "SET_VRING_ENABLE {index 0, num 1}");
	assert_true(m.vmm.q[0].enabled);
	wreck(&m);

	build(&m, *(enum kc_mode *)*state);
	m.config.no_kick_fd = true;
	start(&m);
	assert_null(m.fake.kick);
	kc_vmm_notify(&m.vmm, 0, 0);
	assert_int_equal(kc_kvm_stats(m.vmm.kvm)->io_exits, 1);
	assert_int_equal(kc_kvm_stats(m.vmm.kvm)->io_hits, 0);
	wreck(&m);
}

static void test_queue_start_fails(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	m.fake.refuse = KC_VU_SET_VRING_NUM;
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 0, &m.config), KC_OUT_REFUSED);
	assert_string_equal(m.told, "");
	m.fake.refuse = KC_VU_SET_VRING_KICK;
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 0, &m.config), KC_OUT_REFUSED);
	assert_string_equal(m.told, "+0 -0 ");
	assert_false(m.vmm.q[0].started);
	m.fake.refuse = 0;
	m.config.used = 0xdead00000000;
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 0, &m.config), KC_OUT_FAULT);
	wreck(&m);
}

/* With NOTIFICATION_DATA the register takes 4 bytes, of any value; a shorter write is nobody's. */
static void test_notification_data(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	m.vmm.driver_features |= 1ull << 38;
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 0, &m.config), KC_OUT_OK);
	drained(m.fake.kick);
	kc_vmm_notify(&m.vmm, 0, 0x8003);
	kc_vmm_notify(&m.vmm, 0, 0x0001);
	assert_int_equal(drained(m.fake.kick), 2);
	assert_false(kc_kvm_write(m.vmm.kvm, KC_BUS_MMIO, KC_NOTIFY_BASE, 2, 0));
	assert_int_equal(drained(m.fake.kick), 0);
	wreck(&m);
}

static void test_kick_and_call(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	start(&m);
	drained(m.fake.kick);
	kc_vmm_notify(&m.vmm, 0, 0);
	kc_vmm_notify(&m.vmm, 0, 0);
	assert_int_equal(drained(m.fake.kick), 2);
	kc_vmm_notify(&m.vmm, 1, 0);
	assert_int_equal(kc_kvm_stats(m.vmm.kvm)->io_exits, 1);
	assert_int_equal(traced(&m, KC_ACTOR_DRIVER, "notify-write"), 3);
	assert_int_equal(traced(&m, KC_ACTOR_KVM, "kick"), 2);

	kc_evfd_signal(m.fake.call, 5);
	kc_vmm_poll(&m.vmm);
	assert_int_equal(m.vmm.interrupts[0], 1);
	kc_evfd_signal(m.fake.call, 1);
	kc_vmm_poll(&m.vmm);
	kc_vmm_poll(&m.vmm);
	assert_int_equal(m.vmm.interrupts[0], 2);
	assert_int_equal(traced(&m, KC_ACTOR_VCPU, "interrupt"), 2);
	kc_evfd_signal(m.fake.err, 1);
	kc_vmm_poll(&m.vmm);
	assert_int_equal(m.vmm.q[0].errors, 1);
	wreck(&m);
}

static void test_stop(void **state)
{
	struct machine m;
	uint32_t base = 0;

	build(&m, *(enum kc_mode *)*state);
	start(&m);
	m.fake.base = 7;
	m.fake.call_on_stop = true;
	assert_int_equal(kc_vmm_queue_stop(&m.vmm, 0, &base), KC_OUT_OK);
	assert_log(&m, "GET_VRING_BASE {index 0, num 0}");
	assert_int_equal(base, 7);
	assert_string_equal(m.told, "-0 ");
	assert_int_equal(m.vmm.q[0].calls_at_stop, 1);
	/* A call that comes too late is heard, and tells itself apart. */
	kc_evfd_signal(m.fake.call, 1);
	kc_vmm_poll(&m.vmm);
	assert_int_equal(m.vmm.interrupts[0], 2);
	assert_int_equal(kc_vmm_queue_stop(&m.vmm, 0, NULL), KC_OUT_FAULT);
	/* So is one that nobody polled for before the next start. */
	kc_evfd_signal(m.fake.call, 1);
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 0, &m.config), KC_OUT_OK);
	assert_int_equal(m.vmm.interrupts[0], 3);
	m.fake.base_index = 1;
	assert_int_equal(kc_vmm_queue_stop(&m.vmm, 0, &base), KC_OUT_GARBLED);
	assert_true(m.vmm.q[0].started);
	wreck(&m);
}

static void test_errors_survive_restart(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	start(&m);
	kc_evfd_signal(m.fake.err, 1);
	assert_int_equal(kc_vmm_queue_stop(&m.vmm, 0, NULL), KC_OUT_OK);
	kc_evfd_signal(m.fake.err, 1);
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 0, &m.config), KC_OUT_OK);
	assert_int_equal(m.vmm.q[0].errors, 2);
	kc_vmm_disconnect(&m.vmm);
	assert_int_equal(m.vmm.q[0].errors, 2);
	wreck(&m);
}

static void test_swap_kick(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	start(&m);
	assert_int_equal(kc_vmm_swap_kick(&m.vmm, 0), KC_OUT_OK);
	assert_log(&m, "SET_VRING_KICK {u64 0x0}");
	assert_int_equal(drained(m.fake.kick), 1);
	kc_vmm_notify(&m.vmm, 0, 0);
	assert_int_equal(drained(m.fake.kick), 1);
	m.fake.refuse = KC_VU_SET_VRING_KICK;
	assert_int_equal(kc_vmm_swap_kick(&m.vmm, 0), KC_OUT_REFUSED);
	assert_int_equal(kc_vmm_swap_kick(&m.vmm, 1), KC_OUT_FAULT);
	wreck(&m);
}

static void test_swap_call(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	start(&m);
	m.fake.call_old_on_swap = true;
	assert_int_equal(kc_vmm_swap_call(&m.vmm, 0), KC_OUT_OK);
	assert_log(&m, "SET_VRING_CALL {u64 0x0}");
	assert_int_equal(m.vmm.interrupts[0], 1);
	/* The old one is deaf now, the new one is not. */
	kc_evfd_signal(m.fake.old_call, 1);
	kc_vmm_poll(&m.vmm);
	assert_int_equal(m.vmm.interrupts[0], 1);
	kc_evfd_signal(m.fake.call, 1);
	kc_vmm_poll(&m.vmm);
	assert_int_equal(m.vmm.interrupts[0], 2);
	wreck(&m);
}

static void test_swap_call_without_ack(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	m.vmm.pf_wanted = 0;
	start(&m);
	assert_int_equal(kc_vmm_swap_call(&m.vmm, 0), KC_OUT_OK);
	assert_log(&m, "SET_VRING_CALL", "GET_FEATURES");
	wreck(&m);
}

static void test_swap_call_refused(void **state)
{
	struct machine m;
	struct kc_evfd *call;

	build(&m, *(enum kc_mode *)*state);
	start(&m);
	call = m.vmm.q[0].call;
	m.fake.refuse = KC_VU_SET_VRING_CALL;
	assert_int_equal(kc_vmm_swap_call(&m.vmm, 0), KC_OUT_REFUSED);
	assert_ptr_equal(m.vmm.q[0].call, call);
	kc_evfd_signal(m.fake.old_call, 1);
	kc_vmm_poll(&m.vmm);
	assert_int_equal(m.vmm.interrupts[0], 1);
	wreck(&m);
}

static void test_disconnect(void **state)
{
	struct machine m;

	build(&m, *(enum kc_mode *)*state);
	start(&m);
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 2, &m.config), KC_OUT_OK);
	assert_int_equal(kc_vmm_queue_stop(&m.vmm, 2, NULL), KC_OUT_GARBLED);
	m.told[0] = '\0';
	kc_vmm_disconnect(&m.vmm);
	assert_string_equal(m.told, "-0 -2 ");
	assert_false(m.vmm.q[0].started);
	kc_vmm_notify(&m.vmm, 0, 0);
	assert_int_equal(kc_kvm_stats(m.vmm.kvm)->io_hits, 0);
	assert_int_equal(kc_vmm_queue_stop(&m.vmm, 0, NULL), KC_OUT_FAULT);
	assert_int_equal(kc_vmm_connect(&m.vmm), KC_OUT_OK);
	assert_int_equal(kc_vmm_queue_start(&m.vmm, 0, &m.config), KC_OUT_OK);
	wreck(&m);
}

static void test_pollfds(void **state)
{
	struct machine m;
	int fds[8];

	(void)state;
	build(&m, KC_MODE_LIVE);
	start(&m);
	/* call, the back-end's own (-1), err; and never more than there is room for */
	assert_int_equal(kc_vmm_pollfds(&m.vmm, fds, 8), 3);
	assert_int_equal(fds[0], kc_evfd_fd(m.vmm.q[0].call));
	assert_int_equal(fds[1], -1);
	assert_int_equal(fds[2], kc_evfd_fd(m.vmm.q[0].err));
	assert_int_equal(kc_vmm_pollfds(&m.vmm, fds, 2), 2);
	wreck(&m);
}

static enum kc_mode sim = KC_MODE_SIM, live = KC_MODE_LIVE;

#define BOTH(fn) \
	{ #fn "(sim)", fn, NULL, NULL, &sim }, { #fn "(live)", fn, NULL, NULL, &live }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_connect_without),
		cmocka_unit_test(test_cannot_open),
		cmocka_unit_test(test_features_ok),
		cmocka_unit_test(test_features_refused),
		cmocka_unit_test(test_bit_30_not_taken),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_that_is_none),
		cmocka_unit_test(test_mem_table),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_is_missing),
		cmocka_unit_test(test_inflight),
		cmocka_unit_test(test_config),
		BOTH(test_queue_start),
		BOTH(test_queue_start_options),
		BOTH(test_queue_start_fails),
		BOTH(test_kick_and_call),
		BOTH(test_notification_data),
		BOTH(test_stop),
		BOTH(test_errors_survive_restart),
		BOTH(test_swap_kick),
		BOTH(test_swap_call),
		BOTH(test_swap_call_without_ack),
		BOTH(test_swap_call_refused),
		BOTH(test_disconnect),
		cmocka_unit_test(test_pollfds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

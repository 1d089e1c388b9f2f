/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: backend/backend.c, backend/forked.c, backend/inproc.c, backend/spawn.c,
 *          backend/stream.c, backend/vhost_user.c
 *
 * The contract of an adapter: the same checks against every way to reach the reference back-end.
 * What an adapter's capabilities exclude, a check skips.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <cmocka.h>
#include <backend/adapters.h>
#include <backend/process.h>
#include <kickcall/ring.h>
#include "peer.h"

#define SECOND		(1000ll * 1000 * 1000)
#define MEM_BYTES	0x10000u
#define UVA		0x7f0000000000ull
#define RING_SIZE	8u
#define DESC		0x1000u		/* gpa; the region begins at 0 */
#define AVAIL		0x2000u
#define USED		0x3000u
#define OUT		0x4000u
#define IN		0x5000u

struct fixture {
	char dir[64];
	unsigned fds_before;
	struct kc_backend *be;
	struct kc_err err;
	int memfd;
	uint8_t *mem;
	struct kc_evfd *kick, *call;
};

typedef struct kc_backend *make_fn(struct fixture *f);

static struct kc_backend *make_inproc(struct fixture *f)
{
	return kc_backend_new_inproc(&peer_config, &f->err);
}

static struct kc_backend *make_stream(struct fixture *f)
{
	return kc_backend_new_stream(&peer_config, &f->err);
}

static struct kc_backend *make_forked(struct fixture *f)
{
	return kc_backend_new_forked(&peer_config, &f->err);
}

static struct kc_backend *spawn(struct fixture *f, const char *mode)
{
	char *argv[] = { peer_exe, "peer", (char *)mode, "{socket}", NULL };
	const struct kc_spawn_config config = {
		.argv = argv, .listen = !strcmp(mode, "connect"),
		.start_timeout_ns = 20 * SECOND, .dir = f->dir,
	};

	return kc_backend_new_spawned(&config, &f->err);
}

static struct kc_backend *make_spawned(struct fixture *f)
{
	return spawn(f, "serve");
}

static struct kc_backend *make_one_shot(struct fixture *f)
{
	return spawn(f, "once");
}

static struct kc_backend *make_connecting(struct fixture *f)
{
	return spawn(f, "connect");
}

static const struct adapter {
	const char *name;
	make_fn *make;
} adapters[] = {
	{ "in-process", make_inproc },
	{ "stream", make_stream },
	{ "forked", make_forked },
	{ "spawned", make_spawned },
	{ "spawned, one-shot", make_one_shot },
	{ "spawned, connecting", make_connecting },
};

static int setup(void **state)
{
	const struct adapter *a = *state;
	struct fixture *f = calloc(1, sizeof(*f));

	f->fds_before = open_fds();
	f->memfd = -1;
	strcpy(f->dir, "/tmp/kickcall-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->be = a->make(f);
	assert_non_null(f->be);
	f->be->reply_timeout_ns = 20 * SECOND;
	*state = f;
	return kc_backend_open(f->be, &f->err);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];
	int bad;

	kc_backend_free(f->be);
	kc_evfd_unref(f->kick);
	kc_evfd_unref(f->call);
	if (f->mem)
		munmap(f->mem, MEM_BYTES);
	if (f->memfd >= 0)
		close(f->memfd);
	snprintf(path, sizeof(path), "%s/backend-0.log", f->dir);
	unlink(path);
	bad = rmdir(f->dir) || open_fds() != f->fds_before;
	free(f);
	return bad;
}

static enum kc_outcome u64_request(struct fixture *f, uint32_t id, uint64_t v, uint64_t *reply)
{
	return u64_exchange(f->be, id, v, reply, &f->err);
}

static enum kc_outcome ring_request(struct fixture *f, uint32_t id, uint32_t index, uint32_t num,
				    uint32_t *reply)
{
	struct kc_msg m, r;
	enum kc_outcome out;

	kc_msg_init(&m, id);
	m.state.index = index;
	m.state.num = num;
	out = kc_backend_exchange(f->be, &m, &r, &f->err);
	if (reply)
		*reply = r.state.num;
	kc_msg_fini(&r);
	return out;
}

static void protocol_features(struct fixture *f, uint64_t pf)
{
	assert_int_equal(u64_request(f, KC_VU_SET_PROTOCOL_FEATURES, pf, NULL), KC_OUT_OK);
	f->be->reply_ack = pf & KC_BIT(KC_PF_REPLY_ACK);
}

/* ---- control ---- */

static void it_answers(void **state)
{
	struct fixture *f = *state;
	uint64_t v;

	assert_true(f->be->connected);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, &v), KC_OUT_OK);
	assert_true(v & KC_BIT(VIRTIO_F_VERSION_1));
	assert_true(v & KC_BIT(KC_VU_F_PROTOCOL_FEATURES));
	assert_int_equal(u64_request(f, KC_VU_GET_PROTOCOL_FEATURES, 0, &v), KC_OUT_OK);
	assert_true(v & KC_BIT(KC_PF_REPLY_ACK));
	protocol_features(f, KC_BIT(KC_PF_MQ));
	assert_int_equal(u64_request(f, KC_VU_GET_QUEUE_NUM, 0, &v), KC_OUT_OK);
	assert_int_equal(v, peer_config.queues);
}

static void acks_say_how_it_went(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ring_request(f, KC_VU_SET_VRING_NUM, 0, 7, NULL), KC_OUT_OK);
	protocol_features(f, KC_BIT(KC_PF_REPLY_ACK));
	assert_int_equal(ring_request(f, KC_VU_SET_VRING_NUM, 0, 8, NULL), KC_OUT_OK);
	assert_int_equal(ring_request(f, KC_VU_SET_VRING_NUM, 0, 7, NULL), KC_OUT_REFUSED);
	assert_int_equal(ring_request(f, KC_VU_SET_VRING_NUM, 99, 8, NULL), KC_OUT_REFUSED);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_OK);
}

static void errors_in_own_replies_are_refusals(void **state)
{
	struct fixture *f = *state;
	struct kc_msg m;

	protocol_features(f, KC_BIT(KC_PF_CONFIG));
	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.config.offset = 250;
	m.config.size = 6;
	assert_int_equal(kc_backend_exchange(f->be, &m, NULL, &f->err), KC_OUT_REFUSED);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_OK);
}

static void nothing_comes_unasked(void **state)
{
	struct fixture *f = *state;
	struct kc_msg m;

	assert_int_equal(u64_request(f, KC_VU_SET_OWNER, 0, NULL), KC_OUT_OK);
	assert_int_equal(kc_backend_receive(f->be, &m, SECOND / 20, &f->err), KC_OUT_TIMED_OUT);
	assert_true(f->be->connected);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_OK);
}

static void a_closed_connection_stays_closed_until_it_is_opened(void **state)
{
	struct fixture *f = *state;
	struct kc_event ev;
	struct kc_msg m;

	/* GET_QUEUE_NUM without MQ: this back-end can only hang up */
	assert_int_equal(u64_request(f, KC_VU_GET_QUEUE_NUM, 0, NULL), KC_OUT_CLOSED);
	assert_true(f->err.msg[0]);
	assert_false(f->be->connected);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_CLOSED);
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	assert_int_equal(f->be->ops->submit(f->be, &m), -EPIPE);
	assert_int_equal(f->be->ops->next_event(f->be, &ev), -EPIPE);
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_OK);
}

static void a_new_session_remembers_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t base;

	protocol_features(f, KC_BIT(KC_PF_REPLY_ACK) | KC_BIT(KC_PF_MQ));
	assert_int_equal(ring_request(f, KC_VU_SET_VRING_BASE, 1, 77, NULL), KC_OUT_OK);
	kc_backend_close(f->be);
	assert_false(f->be->connected);
	assert_false(f->be->reply_ack);
	kc_backend_close(f->be);	/* harmless */
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_int_equal(ring_request(f, KC_VU_GET_VRING_BASE, 1, 0, &base), KC_OUT_OK);
	assert_int_equal(base, 0);
	assert_int_equal(u64_request(f, KC_VU_GET_QUEUE_NUM, 0, NULL), KC_OUT_CLOSED);
}

static void the_caller_keeps_its_handles(void **state)
{
	struct fixture *f = *state;
	struct kc_msg m;
	uint64_t v;

	f->call = f->be->ops->step ? kc_evfd_new_sim() : kc_evfd_new_real(&f->err);
	kc_msg_init(&m, KC_VU_SET_VRING_CALL);
	m.handles[0] = kc_evfd_handle(f->call);
	m.nhandles = 1;
	assert_int_equal(kc_backend_exchange(f->be, &m, NULL, &f->err), KC_OUT_OK);
	assert_int_equal(m.nhandles, 1);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_OK);
	kc_backend_close(f->be);
	/* and gets sole possession back */
	assert_true(kc_evfd_is_last(f->call));
	assert_int_equal(kc_evfd_signal(f->call, 1), 0);
	assert_int_equal(kc_evfd_read(f->call, &v), 0);
	assert_int_equal(v, 1);
}

static void a_simulated_eventfd_for_a_process_is_our_fault(void **state)
{
	struct fixture *f = *state;
	struct kc_msg m;

	if (f->be->caps & KC_CAP_STEP)
		skip();
	f->call = kc_evfd_new_sim();
	kc_msg_init(&m, KC_VU_SET_VRING_CALL);
	m.handles[0] = kc_evfd_handle(f->call);
	m.nhandles = 1;
	assert_int_equal(kc_backend_exchange(f->be, &m, NULL, &f->err), KC_OUT_FAULT);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_OK);
}

/* ---- bytes ---- */

static void bytes_need_the_capability(void **state)
{
	struct fixture *f = *state;
	uint32_t get[3] = { KC_VU_GET_FEATURES, 1, 0 };
	struct kc_msg m;

	assert_true(!!(f->be->caps & KC_CAP_MESSAGES) == !!f->be->ops->send_raw);
	if (!f->be->ops->send_raw) {
		kc_msg_init(&m, 99);
		assert_int_equal(f->be->ops->submit(f->be, &m), -ENOTSUP);
		kc_msg_init(&m, KC_VU_SET_VRING_NUM);
		m.payload = KC_PL_U64;
		assert_int_equal(f->be->ops->submit(f->be, &m), -ENOTSUP);
		return;
	}
	assert_int_equal(f->be->ops->send_raw(f->be, get, 5, NULL, 0), 0);
	assert_int_equal(f->be->ops->send_raw(f->be, (char *)get + 5, 7, NULL, 0), 0);
	assert_int_equal(kc_backend_receive(f->be, &m, 20 * SECOND, &f->err), KC_OUT_OK);
	assert_int_equal(m.id, KC_VU_GET_FEATURES);
	get[1] = 3;	/* version 3 */
	assert_int_equal(f->be->ops->send_raw(f->be, get, sizeof(get), NULL, 0), 0);
	assert_int_equal(kc_backend_receive(f->be, &m, 20 * SECOND, &f->err), KC_OUT_CLOSED);
}

/* ---- process ---- */

static void a_killed_one_died(void **state)
{
	struct fixture *f = *state;

	assert_true(!!(f->be->caps & KC_CAP_RESTART) == !!f->be->ops->kill);
	if (!f->be->ops->kill)
		skip();
	assert_true(f->be->pid > 0);
	f->be->ops->kill(f->be, SIGKILL);
	assert_true(f->be->exited);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_DIED);
	assert_int_equal(kc_backend_open(f->be, &f->err), 0);
	assert_false(f->be->exited);
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_OK);
}

static void one_that_hangs_times_out(void **state)
{
	struct fixture *f = *state;

	if (!f->be->ops->kill)
		skip();
	kill(f->be->pid, SIGSTOP);
	f->be->reply_timeout_ns = SECOND / 20;
	assert_int_equal(u64_request(f, KC_VU_GET_FEATURES, 0, NULL), KC_OUT_TIMED_OUT);
	/* teardown must still get rid of it */
}

/* ---- one request through a ring ---- */

static void store_desc(struct fixture *f, unsigned i, uint64_t gpa, uint32_t len, uint16_t flags,
		       uint16_t next)
{
	kc_desc_encode(f->mem + DESC + 16 * i, (struct kc_desc){ gpa, len, flags, next });
}

static void share_memory(struct fixture *f)
{
	struct kc_msg m;

	f->memfd = memfd_create("contract", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->memfd, MEM_BYTES), 0);
	f->mem = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	assert_ptr_not_equal(f->mem, MAP_FAILED);
	kc_msg_init(&m, KC_VU_SET_MEM_TABLE);
	m.mem.nregions = 1;
	m.mem.regions[0] = (struct kc_vu_region){ 0, MEM_BYTES, UVA, 0 };
	m.handles[0].fd = f->memfd;
	m.nhandles = 1;
	assert_int_equal(kc_backend_exchange(f->be, &m, NULL, &f->err), KC_OUT_OK);
}

static struct kc_evfd *give_eventfd(struct fixture *f, uint32_t id)
{
	struct kc_evfd *e = f->be->ops->step ? kc_evfd_new_sim() : kc_evfd_new_real(&f->err);
	struct kc_msg m;

	assert_non_null(e);
	kc_msg_init(&m, id);
	m.handles[0] = kc_evfd_handle(e);
	m.nhandles = 1;
	assert_int_equal(kc_backend_exchange(f->be, &m, NULL, &f->err), KC_OUT_OK);
	return e;
}

static void start_ring(struct fixture *f)
{
	struct kc_msg m;

	protocol_features(f, KC_BIT(KC_PF_REPLY_ACK));
	assert_int_equal(u64_request(f, KC_VU_SET_FEATURES, KC_BIT(VIRTIO_F_VERSION_1), NULL),
			 KC_OUT_OK);
	share_memory(f);
	assert_int_equal(ring_request(f, KC_VU_SET_VRING_NUM, 0, RING_SIZE, NULL), KC_OUT_OK);
	assert_int_equal(ring_request(f, KC_VU_SET_VRING_BASE, 0, 0, NULL), KC_OUT_OK);
	kc_msg_init(&m, KC_VU_SET_VRING_ADDR);
	m.addr.desc = UVA + DESC;
	m.addr.avail = UVA + AVAIL;
	m.addr.used = UVA + USED;
	assert_int_equal(kc_backend_exchange(f->be, &m, NULL, &f->err), KC_OUT_OK);
	f->call = give_eventfd(f, KC_VU_SET_VRING_CALL);
	f->kick = give_eventfd(f, KC_VU_SET_VRING_KICK);
}

static uint16_t used_idx(struct fixture *f)
{
	return kc_ring_load16(f->mem + USED + KC_USED_IDX, __ATOMIC_ACQUIRE);
}

/* Until the call has come; the time or the steps are limited. */
static void await_call(struct fixture *f)
{
	int64_t deadline = kc_clock_ns() + 20 * SECOND;
	struct pollfd pfd = { .fd = kc_evfd_fd(f->call), .events = POLLIN };
	uint64_t n;

	while (used_idx(f) != 1 || !kc_evfd_readable(f->call)) {
		assert_true(kc_clock_ns() < deadline);
		if (f->be->ops->step)
			assert_int_equal(f->be->ops->step(f->be), 1);
		else
			poll(&pfd, 1, 1);
	}
	assert_int_equal(kc_evfd_read(f->call, &n), 0);
}

static void a_request_goes_through_a_ring(void **state)
{
	static const char text[] = "from guest memory";
	struct fixture *f = *state;
	uint32_t base;

	start_ring(f);
	memcpy(f->mem + OUT, text, sizeof(text));
	store_desc(f, 0, OUT, sizeof(text), VRING_DESC_F_NEXT, 1);
	store_desc(f, 1, IN, 64, VRING_DESC_F_WRITE, 0);
	kc_ring_store16(f->mem + AVAIL + kc_avail_slot(0), 0, __ATOMIC_RELAXED);
	kc_ring_store16(f->mem + AVAIL + KC_AVAIL_IDX, 1, __ATOMIC_RELEASE);
	assert_int_equal(kc_evfd_signal(f->kick, 1), 0);
	await_call(f);
	assert_string_equal((char *)f->mem + IN, text);
	assert_int_equal(kc_ring_load32(f->mem + USED + kc_used_slot(0), __ATOMIC_RELAXED), 0);
	assert_int_equal(kc_ring_load32(f->mem + USED + kc_used_slot(0) + 4, __ATOMIC_RELAXED),
			 sizeof(text));
	assert_int_equal(ring_request(f, KC_VU_GET_VRING_BASE, 0, 0, &base), KC_OUT_OK);
	assert_int_equal(base, 1);
}

#define CHECK(fn)	{ #fn, fn }

static const struct {
	const char *name;
	CMUnitTestFunction fn;
} checks[] = {
	CHECK(it_answers),
	CHECK(acks_say_how_it_went),
	CHECK(errors_in_own_replies_are_refusals),
	CHECK(nothing_comes_unasked),
	CHECK(a_closed_connection_stays_closed_until_it_is_opened),
	CHECK(a_new_session_remembers_nothing),
	CHECK(the_caller_keeps_its_handles),
	CHECK(a_simulated_eventfd_for_a_process_is_our_fault),
	CHECK(bytes_need_the_capability),
	CHECK(a_killed_one_died),
	CHECK(one_that_hangs_times_out),
	CHECK(a_request_goes_through_a_ring),
};

#define NADAPTERS	(sizeof(adapters) / sizeof(adapters[0]))
#define NCHECKS		(sizeof(checks) / sizeof(checks[0]))

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[NADAPTERS * NCHECKS];
	static char names[NADAPTERS * NCHECKS][128];

	peer_main(argc, argv);
	for (size_t i = 0; i < NADAPTERS * NCHECKS; i++) {
		const struct adapter *a = &adapters[i / NCHECKS];

		snprintf(names[i], sizeof(names[i]), "%s: %s", a->name, checks[i % NCHECKS].name);
		tests[i] = (struct CMUnitTest){ names[i], checks[i % NCHECKS].fn, setup, teardown,
						(void *)a };
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

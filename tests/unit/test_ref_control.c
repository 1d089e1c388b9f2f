// SPDX-License-Identifier: BSD-3-Clause
/*
 * Modules: backend/reference/ref.c, backend/reference/ref_control.c
 *
 * The reference back-end's control plane: which requests it carries out, which it refuses and how,
 * the states of a ring, the memory table, eventfds that change hands, and reset.
 */
#include <tests/unit/ref_fixture.h>
#include <sys/eventfd.h>

#define PF_ALL	(KC_BIT(KC_PF_MQ) | KC_BIT(KC_PF_REPLY_ACK) | KC_BIT(KC_PF_CONFIG) | \
		 KC_BIT(KC_PF_RESET_DEVICE) | KC_BIT(KC_PF_STATUS) | \
		 KC_BIT(KC_PF_CONFIGURE_MEM_SLOTS) | KC_BIT(KC_PF_LOG_SHMFD) | \
		 KC_BIT(KC_PF_INFLIGHT_SHMFD))
#define READY	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
		 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* An empty buffer on descriptor 0, which costs no memory and completes with length 0. */
static void offer_empty(struct fx *f, unsigned qi)
{
	fx_desc(f, qi, 0, BUFS, 4, RW, 0);
	fx_offer(f, qi, 0);
}

static void open_pf(struct fx *f, uint64_t pf)
{
	fx_open(f, "loopback", F_PF);
	assert_int_equal(fx_u64(f, KC_VU_SET_PROTOCOL_FEATURES, pf), KC_REF_DONE);
}

/* ---- negotiation ---- */

static void negotiation(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_FEATURES), F_COMMON);
	assert_int_equal(f.reply.id, KC_VU_GET_FEATURES);
	assert_int_equal(f.reply.flags, KC_VU_VERSION | KC_VU_REPLY);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_PROTOCOL_FEATURES), PF_ALL);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | 1), KC_REF_REFUSED);
	assert_true(strlen(f.err.msg) > 0);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | KC_BIT(39)), KC_REF_REFUSED);
	assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(2)), KC_REF_REFUSED);
	assert_false(kc_ref_reply_ack(f.ref));
	assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, PF_ALL), KC_REF_DONE);
	assert_true(kc_ref_reply_ack(f.ref));
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_QUEUE_NUM), NQUEUES);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_MAX_MEM_SLOTS), 8);
	assert_int_equal(fx_plain(&f, KC_VU_RESET_OWNER), KC_REF_DONE);
	assert_true(kc_ref_reply_ack(f.ref));
	fx_close(&f);
}

static void masks_of_the_configuration(void **state)
{
	struct kc_ref_config c = { .device = "loopback", .features_off = F_IND,
				   .pf_off = KC_BIT(KC_PF_STATUS) };
	struct fx f;

	(void)state;
	fx_open_config(&f, &c);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_FEATURES), F_COMMON & ~F_IND);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_PROTOCOL_FEATURES), PF_ALL & ~c.pf_off);
	fx_close(&f);
	c.features_off = F_PF;
	fx_open_config(&f, &c);
	assert_int_equal(fx_plain(&f, KC_VU_GET_PROTOCOL_FEATURES), KC_REF_CLOSE);
	assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, 0), KC_REF_REFUSED);
	fx_close(&f);
}

static void gated_and_unknown_requests(void **state)
{
	static const uint32_t close[] = {
		KC_VU_GET_QUEUE_NUM, KC_VU_GET_STATUS, KC_VU_GET_MAX_MEM_SLOTS,
		KC_VU_GET_INFLIGHT_FD, KC_VU_SET_LOG_BASE, KC_VU_GET_VRING_BASE_SKIP_DRAIN,
	};
	static const uint32_t refused[] = {
		0, KC_VU_MAX, 1000, UINT32_MAX, KC_VU_SET_STATUS, KC_VU_SET_CONFIG,
		KC_VU_ADD_MEM_REG, KC_VU_REM_MEM_REG, KC_VU_RESET_DEVICE, KC_VU_SET_LOG_FD,
		KC_VU_SEND_RARP, KC_VU_VRING_KICK, KC_VU_SET_VRING_ENABLE,
	};
	struct fx f;

	(void)state;
	fx_open(&f, "blk", 0);
	for (unsigned i = 0; i < sizeof(close) / sizeof(close[0]); i++)
		assert_int_equal(fx_plain(&f, close[i]), KC_REF_CLOSE);
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(fx_plain(&f, refused[i]), KC_REF_REFUSED);
	assert_int_equal(fx_plain(&f, KC_VU_GET_CONFIG), KC_REF_REPLY);
	assert_int_equal(f.reply.config.size, 0);
	assert_int_equal(fx_plain(&f, KC_VU_IOTLB_MSG), KC_REF_REPLY);
	assert_int_not_equal(f.reply.u64, 0);
	fx_close(&f);
}

static void wrong_payload_or_fds(void **state)
{
	struct fx f;
	struct kc_msg m;

	(void)state;
	open_pf(&f, PF_ALL);
	kc_msg_init(&m, KC_VU_SET_VRING_NUM);
	m.payload = KC_PL_OPAQUE;
	assert_int_equal(fx_send(&f, &m), KC_REF_REFUSED);
	kc_msg_init(&m, KC_VU_GET_VRING_BASE);
	m.payload = KC_PL_NONE;
	assert_int_equal(fx_send(&f, &m), KC_REF_CLOSE);
	kc_msg_init(&m, KC_VU_SET_OWNER);
	m.handles[m.nhandles++].fd = dup(f.memfd);
	assert_int_equal(fx_send(&f, &m), KC_REF_REFUSED);
	kc_msg_init(&m, KC_VU_GET_FEATURES);	/* a reply is due, whatever came along */
	m.handles[m.nhandles++].fd = dup(f.memfd);
	assert_int_equal(fx_send(&f, &m), KC_REF_REPLY);
	kc_msg_init(&m, KC_VU_SET_VRING_CALL);	/* fd promised, none sent */
	assert_int_equal(fx_send(&f, &m), KC_REF_REFUSED);
	kc_msg_init(&m, KC_VU_SET_VRING_CALL);	/* none promised, one sent */
	m.u64 = KC_VU_NOFD;
	m.handles[m.nhandles++].fd = eventfd(0, 0);
	assert_int_equal(fx_send(&f, &m), KC_REF_REFUSED);
	kc_msg_init(&m, KC_VU_SET_VRING_CALL);	/* no eventfd */
	m.handles[m.nhandles++].fd = dup(f.memfd);
	assert_int_equal(fx_send(&f, &m), KC_REF_REFUSED);
	assert_int_equal(fx_u64(&f, KC_VU_SET_VRING_CALL, KC_VU_NOFD | 0x200), KC_REF_REFUSED);
	fx_close(&f);
}

/* ---- ring settings ---- */

static void ring_index_is_checked_in_full(void **state)
{
	static const uint32_t bad[] = { NQUEUES, 255, 256, 0x10000, UINT32_MAX };
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PF);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, bad[i], 8), KC_REF_REFUSED);
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_BASE, bad[i], 0), KC_REF_REFUSED);
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, bad[i], 1), KC_REF_REFUSED);
		assert_int_equal(fx_state(&f, KC_VU_GET_VRING_BASE, bad[i], 0), KC_REF_CLOSE);
		assert_int_equal(fx_addr_uva(&f, bad[i], 0, fx_uva(BUFS), fx_uva(BUFS),
					     fx_uva(BUFS)), KC_REF_REFUSED);
	}
	assert_int_equal(fx_u64(&f, KC_VU_SET_VRING_KICK, NQUEUES | KC_VU_NOFD), KC_REF_REFUSED);
	assert_int_equal(fx_u64(&f, KC_VU_SET_VRING_CALL, 255 | KC_VU_NOFD), KC_REF_REFUSED);
	assert_int_equal(fx_u64(&f, KC_VU_SET_VRING_ERR, NQUEUES | KC_VU_NOFD), KC_REF_REFUSED);
	fx_close(&f);
}

static void size_and_base(void **state)
{
	static const uint32_t bad[] = { 0, 3, 6, 32767, 65536, 0x10008, 0x80000000u };
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, bad[i]), KC_REF_REFUSED);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, 1), KC_REF_DONE);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, 32768), KC_REF_DONE);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_BASE, 0, 0x10000), KC_REF_REFUSED);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_BASE, 0, 0xffff), KC_REF_DONE);
	assert_int_equal(fx_get_base(&f, 0), 0xffff);
	fx_start(&f, 0, 8, 5);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, 8), KC_REF_REFUSED);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_BASE, 0, 5), KC_REF_REFUSED);
	assert_int_equal(fx_get_base(&f, 0), 5);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, 8), KC_REF_DONE);
	fx_close(&f);
}

static void addresses(void **state)
{
	uint64_t d = fx_uva(BUFS), end = fx_regions[0].uva + fx_regions[0].size;
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_state(&f, KC_VU_SET_VRING_NUM, 0, 8);	/* 128, 22 and 70 bytes */
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 128, d + 160), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 1, d, d + 128, d + 160), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 2, d, d + 128, d + 160), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d + 8, d + 256, d + 512), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 129, d + 512), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 256, d + 514), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, end - 128, d, d + 512), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 0, end - 112, d, d + 512), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, end - 22, d + 512), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, end - 20, d + 512), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 256, end - 72), KC_REF_DONE);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 256, end - 68), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, 0, d + 256, d + 512), KC_REF_REFUSED);
	assert_int_equal(fx_addr_uva(&f, 0, 0, UINT64_MAX & ~15ull, d, d + 512), KC_REF_REFUSED);
	fx_close(&f);
}

static void kick_before_set_up_is_refused(void **state)
{
	struct fx f;
	struct kc_evfd *e = kc_evfd_new_sim();

	(void)state;
	fx_open(&f, "loopback", 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, e), KC_REF_REFUSED);
	assert_true(kc_evfd_is_last(e));
	fx_state(&f, KC_VU_SET_VRING_NUM, 0, 8);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, e), KC_REF_REFUSED);
	assert_true(kc_evfd_is_last(e));
	kc_evfd_unref(e);
	fx_close(&f);
}

/* Addresses that fit one size may not fit the next; the start finds out. */
static void size_after_addresses(void **state)
{
	struct fx f;
	uint64_t d = fx_uva(BUFS), end = fx_regions[0].uva + fx_regions[0].size;
	struct kc_evfd *e = kc_evfd_new_sim();

	(void)state;
	fx_open(&f, "loopback", 0);
	assert_int_equal(fx_addr_uva(&f, 0, 0, d, d + 128, end - 72), KC_REF_DONE);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, 16), KC_REF_DONE);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, e), KC_REF_REFUSED);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_NUM, 0, 8), KC_REF_DONE);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, e), KC_REF_DONE);
	fx_close(&f);
	kc_evfd_unref(e);
}

/* ---- ring states ---- */

static void disabled_ring_waits(void **state)
{
	struct fx f;
	bool busy;
	int fd;

	(void)state;
	fx_open(&f, "loopback", F_PF);
	fx_start(&f, 0, 8, 0);
	offer_empty(&f, 0);
	fx_kick(&f, 0);
	assert_int_equal(kc_ref_step(f.ref), 0);
	assert_int_equal(fx_used_idx(&f, 0), 0);
	assert_int_equal(kc_ref_pollfds(f.ref, &fd, 1, &busy), 0);
	assert_false(busy);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 2), KC_REF_REFUSED);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 0), KC_REF_DONE);
	offer_empty(&f, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_kick(&f, 0);			/* the kick may also have been read by somebody else */
	fx_count(f.q[0].kick);
	fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_close(&f);
}

static void enabled_before_start(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PF);
	assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 3, 1), KC_REF_DONE);
	fx_start(&f, 3, 8, 0);
	offer_empty(&f, 3);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 3), 1);
	fx_close(&f);
}

static void features_without_bit_30_enable_all(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", F_PF);
	fx_start(&f, 0, 8, 0);
	fx_start(&f, 3, 8, 0);
	offer_empty(&f, 0);
	offer_empty(&f, 3);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0) + fx_used_idx(&f, 3), 0);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0) + fx_used_idx(&f, 3), 2);
	/* Bit 30 again neither stops nor disables. */
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_PF), KC_REF_DONE);
	offer_empty(&f, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	fx_close(&f);
}

/* Nothing is written and nobody called once the base was given; a restart goes on from there. */
static void stopped_ring_is_silent(void **state)
{
	static uint8_t before[FILE_BYTES];
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	for (int i = 0; i < 3; i++)
		offer_empty(&f, 0);
	fx_kick(&f, 0);
	kc_ref_step(f.ref);
	assert_int_equal(fx_get_base(&f, 0), 1);	/* two are not fetched */
	assert_true(kc_evfd_is_last(f.q[0].kick));
	fx_count(f.q[0].call);
	memcpy(before, f.file, FILE_BYTES);
	fx_kick(&f, 0);
	assert_int_equal(fx_run(&f), 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_CALL, 0, f.q[0].call), KC_REF_DONE);
	assert_memory_equal(before, f.file, FILE_BYTES);
	assert_int_equal(fx_count(f.q[0].call), 0);
	assert_int_equal(fx_get_base(&f, 0), 1);	/* asked twice, told the same */
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 3);
	fx_close(&f);
}

static void eventfds_change_hands_at_run_time(void **state)
{
	struct kc_evfd *kick = kc_evfd_new_sim(), *call = kc_evfd_new_sim();
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_run(&f);
	offer_empty(&f, 0);
	fx_kick(&f, 0);			/* pending on the old fd at the switch */
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, kick), KC_REF_DONE);
	assert_true(kc_evfd_is_last(f.q[0].kick));
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_count(f.q[0].call);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_CALL, 0, call), KC_REF_DONE);
	assert_true(kc_evfd_is_last(f.q[0].call));
	assert_int_equal(fx_count(call), 1);	/* lest a pending one be lost */
	offer_empty(&f, 0);
	assert_int_equal(kc_evfd_signal(kick, 1), 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	assert_int_equal(fx_count(call), 1);
	assert_int_equal(fx_count(f.q[0].call), 0);
	fx_close(&f);
	kc_evfd_unref(kick);
	kc_evfd_unref(call);
}

static void pollfds_of_real_eventfds(void **state)
{
	struct kc_err err;
	struct kc_evfd *kick = kc_evfd_new_real(&err);
	struct fx f;
	bool busy;
	int fd = -1;

	(void)state;
	assert_non_null(kick);
	fx_open(&f, "loopback", 0);
	fx_set_up(&f, 0, 8, 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, kick), KC_REF_DONE);
	assert_int_equal(kc_ref_pollfds(f.ref, &fd, 1, &busy), 0);
	assert_true(busy);		/* not looked at yet */
	fx_run(&f);
	assert_int_equal(kc_ref_pollfds(f.ref, &fd, 1, &busy), 1);
	assert_false(busy);
	assert_true(fd >= 0);
	assert_int_equal(kc_ref_pollfds(f.ref, &fd, 0, &busy), 0);
	assert_true(busy);		/* no room to tell */
	offer_empty(&f, 0);
	assert_int_equal(kc_evfd_signal(kick, 1), 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	assert_false(kc_evfd_readable(kick));
	fx_close(&f);
	kc_evfd_unref(kick);
}

/* ---- memory ---- */

static void bad_memory_tables(void **state)
{
	const uint64_t top = UINT64_MAX - 0xfff;
	const struct kc_vu_region one = fx_regions[0];
	const struct { struct kc_vu_region r; unsigned nfds; } rows[] = {
		{ { one.gpa, 0, one.uva, 0 }, 1 },
		{ { top, 0x2000, one.uva, 0 }, 1 },
		{ { one.gpa, 0x2000, top, 0 }, 1 },
		{ { one.gpa, 0x2000, one.uva, FILE_BYTES - 0x1000 }, 1 },
		{ { one.gpa, 0x1000, one.uva, FILE_BYTES }, 1 },
		{ { one.gpa, 0x2000, one.uva, top }, 1 },
		{ { one.gpa, FILE_BYTES + 1, one.uva, 0 }, 1 },
		{ one, 0 }, { one, 2 },
	};
	struct kc_vu_region two[9];
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(fx_mem_table(&f, &rows[i].r, 1, rows[i].nfds), KC_REF_REFUSED);
	two[0] = (struct kc_vu_region){ 0x10000, 0x2000, 0x70000, 0 };
	two[1] = (struct kc_vu_region){ 0x11000, 0x2000, 0x90000, 0 };		/* gpa */
	assert_int_equal(fx_mem_table(&f, two, 2, 2), KC_REF_REFUSED);
	two[1] = (struct kc_vu_region){ 0x20000, 0x2000, 0x6f000, 0 };		/* uva */
	assert_int_equal(fx_mem_table(&f, two, 2, 2), KC_REF_REFUSED);
	two[1] = (struct kc_vu_region){ 0x12000, 0x2000, 0x72000, 0 };	/* they only touch */
	assert_int_equal(fx_mem_table(&f, two, 2, 2), KC_REF_DONE);
	for (unsigned i = 0; i < 9; i++)
		two[i] = (struct kc_vu_region){ 0x10000 * i, 0x1000, 0x10000 * i, 0 };
	assert_int_equal(fx_mem_table(&f, two, 8, 8), KC_REF_DONE);
	assert_int_equal(fx_mem_table(&f, two, 9, 8), KC_REF_REFUSED);
	fx_close(&f);
}

/* A refused table changes nothing; a new one that holds the ring elsewhere in the file moves it. */
static void table_changes_under_a_live_ring(void **state)
{
	struct kc_vu_region r[NREGIONS];
	struct fx f;
	uint8_t *old;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_run(&f);
	memcpy(r, fx_regions, sizeof(r));
	r[2].size = 0;
	assert_int_equal(fx_mem_table(&f, r, 3, 3), KC_REF_REFUSED);
	offer_empty(&f, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);

	/* The ring's pages move by 8 bytes less than a page: an offset that is not page-aligned. */
	r[2] = fx_regions[2];
	r[0].mmap_offset += 4096 - 16;
	old = fx_host(&f, r[0].gpa);
	memmove(old + 4096 - 16, old, BUFS - r[0].gpa);
	memset(old, 0xff, 2048);
	assert_int_equal(fx_mem_table(&f, r, 3, 3), KC_REF_DONE);
	f.file += 4096 - 16;		/* fx_host follows, for region 0 */
	offer_empty(&f, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 2);
	f.file -= 4096 - 16;
	assert_int_equal(old[0], 0xff);
	fx_close(&f);
}

static void ring_loses_its_memory(void **state)
{
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_start(&f, 0, 8, 0);
	fx_start(&f, 1, 8, 0);
	assert_int_equal(fx_get_base(&f, 1), 0);
	fx_run(&f);
	assert_int_equal(fx_mem_table(&f, &fx_regions[1], 2, 2), KC_REF_DONE);
	assert_int_equal(fx_count(f.q[0].err), 1);
	assert_int_equal(fx_count(f.q[1].err), 0);	/* it was not running */
	fx_kick(&f, 0);
	assert_int_equal(fx_run(&f), 0);
	assert_int_equal(fx_mem_table(&f, &fx_regions[1], 2, 2), KC_REF_DONE);
	assert_int_equal(fx_count(f.q[0].err), 0);	/* told once */
	assert_int_equal(fx_get_base(&f, 0), 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_REFUSED);
	assert_int_equal(fx_mem_table(&f, fx_regions, 3, 3), KC_REF_DONE);
	offer_empty(&f, 0);
	assert_int_equal(fx_evfd(&f, KC_VU_SET_VRING_KICK, 0, f.q[0].kick), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_close(&f);
}

static enum kc_ref_answer mem_reg(struct fx *f, uint32_t id, struct kc_vu_region r, unsigned nfds)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.mem.regions[0] = r;
	for (; m.nhandles < nfds; m.nhandles++)
		m.handles[m.nhandles].fd = dup(f->memfd);
	return fx_send(f, &m);
}

static void memory_slots(void **state)
{
	struct kc_vu_region extra = { 0x1000000, 0x1000, 0x5000, 0x2000 }, other = extra;
	struct fx f;

	(void)state;
	open_pf(&f, KC_BIT(KC_PF_CONFIGURE_MEM_SLOTS));
	assert_int_equal(mem_reg(&f, KC_VU_ADD_MEM_REG, extra, 0), KC_REF_REFUSED);
	assert_int_equal(mem_reg(&f, KC_VU_ADD_MEM_REG, extra, 2), KC_REF_REFUSED);
	assert_int_equal(mem_reg(&f, KC_VU_ADD_MEM_REG, extra, 1), KC_REF_DONE);
	assert_int_equal(mem_reg(&f, KC_VU_ADD_MEM_REG, extra, 1), KC_REF_REFUSED);
	other.mmap_offset = 0;			/* plays no part in finding a region */
	assert_int_equal(mem_reg(&f, KC_VU_REM_MEM_REG, other, 1), KC_REF_DONE);
	assert_int_equal(mem_reg(&f, KC_VU_REM_MEM_REG, extra, 0), KC_REF_REFUSED);
	for (uint64_t i = 0; i < 5; i++) {
		other.gpa = other.uva = 0x2000000 + 0x1000 * i;
		assert_int_equal(mem_reg(&f, KC_VU_ADD_MEM_REG, other, 1), KC_REF_DONE);
	}
	/* All 8 are taken. */
	assert_int_equal(mem_reg(&f, KC_VU_ADD_MEM_REG, extra, 1), KC_REF_REFUSED);
	fx_close(&f);
}

/* A running ring serves buffers in memory that came later, and errs once that memory is gone. */
static void hot_plug(void **state)
{
	struct kc_vu_region extra = { 0x1000000, 0x1000, 0x5000, 0x3a0000 };
	struct fx f;

	(void)state;
	fx_open(&f, "loopback", 0);
	fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIGURE_MEM_SLOTS));
	fx_start(&f, 0, 8, 0);
	assert_int_equal(mem_reg(&f, KC_VU_ADD_MEM_REG, extra, 1), KC_REF_DONE);
	memcpy(fx_host(&f, BUFS), "hot", 3);
	fx_desc(&f, 0, 0, BUFS, 3, NEXT, 1);
	fx_desc(&f, 0, 1, extra.gpa + 0xffd, 3, RW, 0);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_memory_equal(f.file + extra.mmap_offset + 0xffd, "hot", 3);
	assert_int_equal(mem_reg(&f, KC_VU_REM_MEM_REG, extra, 0), KC_REF_DONE);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	assert_int_equal(fx_count(f.q[0].err), 1);
	fx_close(&f);
}

/* ---- status and reset ---- */

static void status_bits(void **state)
{
	struct fx f;

	(void)state;
	open_pf(&f, PF_ALL);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_STATUS), 0);
	assert_int_equal(fx_u64(&f, KC_VU_SET_STATUS, 0x100), KC_REF_REFUSED);
	assert_int_equal(fx_u64(&f, KC_VU_SET_STATUS, 11), KC_REF_DONE);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_STATUS), 11);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | 1), KC_REF_REFUSED);
	assert_int_equal(fx_u64(&f, KC_VU_SET_STATUS, 11), KC_REF_DONE);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_STATUS), 3);	/* FEATURES_OK did not stay */
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_PF), KC_REF_DONE);
	assert_int_equal(fx_u64(&f, KC_VU_SET_STATUS, 11), KC_REF_DONE);
	assert_int_equal(fx_get_u64(&f, KC_VU_GET_STATUS), 11);
	fx_close(&f);
}

/* VIRTIO-STATUS-DEV-01: with STATUS a ring waits for DRIVER_OK, and then needs no kick. */
static void driver_ok_is_waited_for(void **state)
{
	struct fx f;

	(void)state;
	open_pf(&f, PF_ALL);
	fx_start(&f, 0, 8, 0);
	fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1);
	offer_empty(&f, 0);
	fx_kick(&f, 0);
	assert_int_equal(fx_run(&f), 0);
	assert_int_equal(fx_u64(&f, KC_VU_SET_STATUS, READY), KC_REF_DONE);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_close(&f);
}

/* Both ways: rings stopped, disabled and forgotten, nothing touched; then all starts afresh. */
static void reset(void **state)
{
	(void)state;
	for (int by_status = 0; by_status < 2; by_status++) {
		struct fx f;

		open_pf(&f, PF_ALL);
		fx_u64(&f, KC_VU_SET_STATUS, READY);
		fx_start(&f, 0, 8, 40);
		fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1);
		offer_empty(&f, 0);
		fx_kick(&f, 0);
		if (by_status)
			assert_int_equal(fx_u64(&f, KC_VU_SET_STATUS, 0), KC_REF_DONE);
		else
			assert_int_equal(fx_plain(&f, KC_VU_RESET_DEVICE), KC_REF_DONE);
		assert_int_equal(fx_run(&f), 0);
		assert_int_equal(fx_used_idx(&f, 0), 40);
		assert_int_equal(fx_count(f.q[0].call), 0);
		assert_true(kc_evfd_is_last(f.q[0].kick));
		assert_true(kc_evfd_is_last(f.q[0].call));
		assert_true(kc_evfd_is_last(f.q[0].err));
		assert_int_equal(fx_get_u64(&f, KC_VU_GET_STATUS), 0);
		assert_int_equal(fx_get_base(&f, 0), 0);
		assert_int_equal(fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1), KC_REF_REFUSED);

		/* Memory and protocol features are as before. */
		fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_PF);
		fx_u64(&f, KC_VU_SET_STATUS, READY);
		fx_start(&f, 0, 8, 0);
		offer_empty(&f, 0);
		assert_int_equal(fx_run(&f), 0);		/* disabled again */
		fx_state(&f, KC_VU_SET_VRING_ENABLE, 0, 1);
		fx_run(&f);
		assert_int_equal(fx_used_idx(&f, 0), 1);
		fx_close(&f);
	}
}

static void new_session(void **state)
{
	struct fx f;

	(void)state;
	open_pf(&f, KC_BIT(KC_PF_REPLY_ACK));
	fx_start(&f, 0, 8, 0);
	kc_ref_reset_session(f.ref);
	assert_false(kc_ref_reply_ack(f.ref));
	assert_true(kc_evfd_is_last(f.q[0].kick));
	fx_state(&f, KC_VU_SET_VRING_NUM, 0, 8);
	assert_int_equal(fx_addr(&f, 0), KC_REF_REFUSED);	/* no memory */
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1), KC_REF_DONE);
	assert_int_equal(fx_mem_table(&f, fx_regions, 3, 3), KC_REF_DONE);
	fx_start(&f, 0, 8, 0);
	offer_empty(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 1);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(negotiation),
		cmocka_unit_test(masks_of_the_configuration),
		cmocka_unit_test(gated_and_unknown_requests),
		cmocka_unit_test(wrong_payload_or_fds),
		cmocka_unit_test(ring_index_is_checked_in_full),
		cmocka_unit_test(size_and_base),
		cmocka_unit_test(addresses),
		cmocka_unit_test(kick_before_set_up_is_refused),
		cmocka_unit_test(size_after_addresses),
		cmocka_unit_test(disabled_ring_waits),
		cmocka_unit_test(enabled_before_start),
		cmocka_unit_test(features_without_bit_30_enable_all),
		cmocka_unit_test(stopped_ring_is_silent),
		cmocka_unit_test(eventfds_change_hands_at_run_time),
		cmocka_unit_test(pollfds_of_real_eventfds),
		cmocka_unit_test(bad_memory_tables),
		cmocka_unit_test(table_changes_under_a_live_ring),
		cmocka_unit_test(ring_loses_its_memory),
		cmocka_unit_test(memory_slots),
		cmocka_unit_test(hot_plug),
		cmocka_unit_test(status_bits),
		cmocka_unit_test(driver_ok_is_waited_for),
		cmocka_unit_test(reset),
		cmocka_unit_test(new_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

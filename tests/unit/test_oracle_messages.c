/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: harness/oracle/oracle.c, harness/oracle/p10_grammar.c,
 *          harness/oracle/p11_progress.c, harness/oracle/p12_silence.c
 *
 * Points 10, 11 and 12 (calls), what messages do to running rings, the view and the picture.
 */
#include <fcntl.h>
#include <unistd.h>
#include <tests/unit/oracle_bench.h>

static void out_flagged(struct bench *b, uint32_t id, uint64_t u64, uint32_t flags)
{
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.flags = KC_VU_VERSION | flags;
	m.u64 = u64;
	kc_oracle_message(b->o, &m, true);
}

static void out(struct bench *b, uint32_t id)
{
	out_flagged(b, id, 0, 0);
}

static void in_flagged(struct bench *b, uint32_t id, uint64_t u64, uint32_t flags)
{
	const struct kc_msg_row *row = kc_msg_row(id);
	struct kc_msg m;

	kc_msg_init(&m, id);
	m.payload = row && row->reply_rule == KC_REPLY_OWN ? row->reply : KC_PL_U64;
	m.flags = flags;
	m.u64 = u64;
	kc_oracle_message(b->o, &m, false);
}

static void in(struct bench *b, uint32_t id)
{
	in_flagged(b, id, 0, KC_VU_VERSION | KC_VU_REPLY);
}

static void with_reply_ack(struct bench *b)
{
	kc_oracle_protocol_features(b->o, KC_BIT(KC_PF_REPLY_ACK) | KC_BIT(KC_PF_CONFIG));
}

/* --- 10 grammar ------------------------------------------------------------------------------- */

static void a_right_conversation(void **state)
{
	struct bench *b = *state;

	out(b, KC_VU_GET_FEATURES);
	in_flagged(b, KC_VU_GET_FEATURES, KC_BIT(30), 5);
	out(b, KC_VU_GET_PROTOCOL_FEATURES);
	in_flagged(b, KC_VU_GET_PROTOCOL_FEATURES, KC_BIT(KC_PF_REPLY_ACK), 5);
	out_flagged(b, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_REPLY_ACK) | KC_BIT(KC_PF_MQ), 0);
	out_flagged(b, KC_VU_SET_OWNER, 0, KC_VU_NEED_REPLY);
	in(b, KC_VU_SET_OWNER);
	out(b, KC_VU_SET_OWNER);
	out(b, KC_VU_GET_QUEUE_NUM);	/* MQ is not offered: may be left unanswered */
	out_flagged(b, KC_VU_GET_FEATURES, 0, KC_VU_NEED_REPLY);
	in(b, KC_VU_GET_FEATURES);
	kc_oracle_quiet(b->o);
	none(b);
}

static void pipelined_replies_in_order(void **state)
{
	struct bench *b = *state;

	with_reply_ack(b);
	out(b, KC_VU_GET_FEATURES);
	out_flagged(b, KC_VU_SET_OWNER, 0, KC_VU_NEED_REPLY);
	out(b, KC_VU_GET_FEATURES);
	in(b, KC_VU_GET_FEATURES);
	in(b, KC_VU_SET_OWNER);
	in(b, KC_VU_GET_FEATURES);
	none(b);
}

static void a_reply_left_out(void **state)
{
	struct bench *b = *state;

	with_reply_ack(b);
	out_flagged(b, KC_VU_SET_OWNER, 0, KC_VU_NEED_REPLY);
	out(b, KC_VU_GET_FEATURES);
	in(b, KC_VU_GET_FEATURES);
	accused(b, "VU-MSG-REPLYACK-01", "SET_OWNER");
}

static void a_reply_that_never_comes(void **state)
{
	struct bench *b = *state;

	out(b, KC_VU_GET_FEATURES);
	kc_oracle_quiet(b->o);
	accused(b, "VU-REPLY-01", "GET_FEATURES");
	kc_oracle_quiet(b->o);
	none(b);
}

static void a_closed_connection_owes_no_reply(void **state)
{
	struct bench *b = *state;

	out(b, KC_VU_GET_FEATURES);
	b->be.connected = false;
	kc_oracle_quiet(b->o);
	none(b);
}

static void the_wrong_request_code(void **state)
{
	struct bench *b = *state;

	out(b, KC_VU_GET_FEATURES);
	in(b, KC_VU_SET_OWNER);
	accused(b, "VU-HDR-03", "expected one to GET_FEATURES");
}

static void flags_of_a_reply(void **state)
{
	struct bench *b = *state;

	out(b, KC_VU_GET_FEATURES);
	in_flagged(b, KC_VU_GET_FEATURES, 0, KC_VU_VERSION);
	accused(b, "VU-HDR-03", "reply bit");
	out(b, KC_VU_GET_FEATURES);
	in_flagged(b, KC_VU_GET_FEATURES, 0, KC_VU_REPLY | 2);
	accused(b, "VU-HDR-02", "version 2");
}

static void a_reply_twice(void **state)
{
	struct bench *b = *state;

	with_reply_ack(b);
	out_flagged(b, KC_VU_GET_FEATURES, 0, KC_VU_NEED_REPLY);
	in(b, KC_VU_GET_FEATURES);
	in(b, KC_VU_GET_FEATURES);
	accused(b, "VU-MSG-REPLYACK-02", "answered already");
}

static void acks_nobody_asked_for(void **state)
{
	struct bench *b = *state;

	out(b, KC_VU_SET_OWNER);
	in(b, KC_VU_SET_OWNER);
	accused(b, "VU-REPLY-02", "no need_reply");
	out_flagged(b, KC_VU_SET_OWNER, 0, KC_VU_NEED_REPLY);
	in(b, KC_VU_SET_OWNER);
	accused(b, "VU-MSG-REPLYACK-03", "not negotiated");
	in(b, KC_VU_GET_STATUS);
	accused(b, "VU-BEREQ-01", "nothing was asked");
}

static void a_reply_with_a_descriptor(void **state)
{
	struct bench *b = *state;
	struct kc_msg m;

	out(b, KC_VU_GET_FEATURES);
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	m.flags = 5;
	m.nhandles = 2;		/* only counted */
	kc_oracle_message(b->o, &m, false);
	accused(b, "VU-FD-01", "carries 2 file descriptors");
}

static void get_config(struct bench *b, uint32_t offset, uint32_t size, uint32_t flags, bool is_out)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.payload = KC_PL_CONFIG;
	m.flags = is_out ? 1 : 5;
	m.config.offset = offset;
	m.config.size = size;
	m.config.flags = flags;
	kc_oracle_message(b->o, &m, is_out);
}

static void get_config_repeats(void **state)
{
	struct bench *b = *state;

	with_reply_ack(b);
	get_config(b, 8, 16, 1, true);
	get_config(b, 8, 16, 1, false);
	get_config(b, 8, 200, 0, true);
	get_config(b, 0, 0, 0, false);	/* an error */
	none(b);
	get_config(b, 8, 16, 1, true);
	get_config(b, 0, 16, 1, false);
	accused(b, "VU-MSG-GETCONFIG-02", "offset 8");
}

static void get_base_of_another_ring(void **state)
{
	struct bench *b = *state;
	struct kc_msg m;

	start(b, 0, 8, 0, 0);
	kc_msg_init(&m, KC_VU_GET_VRING_BASE);
	kc_oracle_message(b->o, &m, true);
	m.flags = 5;
	m.state.index = 1;
	kc_oracle_message(b->o, &m, false);
	accused(b, "VU-MSG-GETBASE-01", "answered for ring 1");
}

/* What a back-end forgets then is VU-MSG-RESETOWNER-01's affair; a ring that starts anew has a base again. */
static void a_base_after_reset_owner(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 10, WITHOUT_CALL);
	struct kc_msg m;

	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	kc_msg_init(&m, KC_VU_RESET_OWNER);
	kc_oracle_message(b->o, &m, true);
	kc_oracle_queue_stopped(b->o, 0, 0);
	none(b);
	q->c.base = 11;
	kc_oracle_queue_start(b->o, 0, &q->c);
	kc_oracle_queue_stopped(b->o, 0, 0);
	accused(b, "VU-MSG-GETBASE-01", "expected 11,");
}

static void after_raw_bytes_only_form_counts(void **state)
{
	struct bench *b = *state;

	kc_oracle_message(b->o, NULL, true);
	in(b, KC_VU_GET_STATUS);
	kc_oracle_quiet(b->o);
	none(b);
	kc_oracle_session_start(b->o);
	in(b, KC_VU_GET_STATUS);
	accused(b, "VU-BEREQ-01", "");
}

static void function_calls_have_no_grammar(void **state)
{
	struct bench *b = *state;

	b->be.caps = 0;
	in_flagged(b, KC_VU_GET_STATUS, 0, 0);
	out(b, KC_VU_GET_FEATURES);
	kc_oracle_quiet(b->o);
	none(b);
}

static void more_pipelined_than_books_hold(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 1000; i++)
		out(b, KC_VU_GET_FEATURES);
	for (unsigned i = 0; i < 1000; i++)
		in_flagged(b, KC_VU_GET_FEATURES, 0, 5);
	kc_oracle_quiet(b->o);
	none(b);
}

/* --- 11 progress ------------------------------------------------------------------------------ */

static void spinning_without_progress(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	for (unsigned i = 0; i < 1u << 20; i++)
		kc_oracle_observe(b->o);
	none(b);
	drv_request(b, q, 0);		/* something happened: counted from here */
	for (unsigned i = 0; i < 1u << 20; i++)
		kc_oracle_observe(b->o);
	none(b);
	kc_oracle_observe(b->o);
	accused(b, "VU-RING-STATE-04", "in one wake-up");
	kc_oracle_observe(b->o);
	none(b);
}

/* A ring that runs, served one request, and called for it. */
static struct bench_queue *served_ring(struct bench *b, unsigned qi)
{
	struct bench_queue *q = start(b, qi, 8, 0, 0);

	kc_oracle_queue_enable(b->o, qi, true);
	out_flagged(b, KC_VU_SET_VRING_KICK, qi, 0);
	drv_request(b, q, 0);
	dev_serve(b, q, 0);
	kc_oracle_called(b->o, qi, 1);
	kc_oracle_reaped(b->o, qi, 0);
	return q;
}

static void awake_with_nothing_to_do(void **state)
{
	struct bench *b = *state;

	served_ring(b, 0);
	served_ring(b, 1);
	kc_oracle_awake(b->o, 9000, 11000);	/* nobody had looked before */
	none(b);
	assert_true(kc_oracle_all_done(b->o));
	kc_oracle_observe(b->o);
	kc_oracle_awake(b->o, 9000, 11000);
	accused(b, "VU-MSG-KICK-03", "for 11000 ms one of its threads");
}

static void awake_in_sim_is_another_matter(void **state)
{
	struct bench *b = *state;

	served_ring(b, 0);
	kc_oracle_all_done(b->o);
	kc_oracle_awake(b->o, 9000, 11000);
	none(b);
}

/* Whatever happens while somebody looks was a reason to be awake. */
static void awake_while_something_happens(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = served_ring(b, 0);

	assert_true(kc_oracle_all_done(b->o));
	drv_request(b, q, 1);
	dev_serve(b, q, 1);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_awake(b->o, 9000, 11000);
	none(b);
	assert_true(kc_oracle_all_done(b->o));
	kc_oracle_called(b->o, 0, 1);
	b->n = 0;			/* that call is for others to judge */
	kc_oracle_awake(b->o, 9000, 11000);
	none(b);
}

static void make_in_flight(struct bench *b)
{
	drv_request(b, &b->q[1], 1);
}

static void make_call_due(struct bench *b)
{
	drv_request(b, &b->q[1], 1);
	dev_serve(b, &b->q[1], 1);
	kc_oracle_reaped(b->o, 1, 2);
}

static void make_malformed(struct bench *b)
{
	kc_oracle_malformed(b->o, 1);
}

static void make_error(struct bench *b)
{
	kc_oracle_ring_error(b->o, 1);
}

static void make_disabled(struct bench *b)
{
	kc_oracle_queue_enable(b->o, 1, false);
}

static void make_by_hand(struct bench *b)
{
	kc_oracle_by_hand(b->o, 1);
}

static void make_astray(struct bench *b)
{
	dev_used_idx(b, &b->q[1], 5);
	kc_oracle_observe(b->o);
	b->n = 0;
}

static void make_stopping(struct bench *b)
{
	kc_oracle_queue_stopping(b->o, 1);
}

static void make_polled(struct bench *b)
{
	out_flagged(b, KC_VU_SET_VRING_KICK, KC_VU_NOFD | 1, 0);
}

static void make_raw_bytes(struct bench *b)
{
	kc_oracle_message(b->o, NULL, true);
}

static void stop_both(struct bench *b)
{
	kc_oracle_queue_stopped(b->o, 0, 1);
	kc_oracle_queue_stopped(b->o, 1, 1);
}

/* Each of these is a reason to be awake, or leaves open what a back-end does. */
static void awake_for_a_reason(void **state)
{
	static void (*const reasons[])(struct bench *b) = {
		make_in_flight, make_call_due, make_malformed, make_error, make_disabled, make_by_hand,
		make_astray, make_stopping, make_polled, make_raw_bytes, stop_both,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct bench *b = bench_new(KC_MODE_LIVE);

		served_ring(b, 0);
		served_ring(b, 1);
		assert_true(kc_oracle_all_done(b->o));
		reasons[i](b);
		if (kc_oracle_all_done(b->o))
			fail_msg("reason %zu does not count", i);
		kc_oracle_awake(b->o, 9000, 11000);
		none(b);
		bench_free(b);
	}
}

/* What excuses one session does not excuse the next. */
static void awake_in_a_later_session(void **state)
{
	struct bench *b = *state;

	served_ring(b, 0);
	make_raw_bytes(b);
	assert_false(kc_oracle_all_done(b->o));
	kc_oracle_session_end(b->o, true);
	kc_oracle_session_start(b->o);
	assert_false(kc_oracle_all_done(b->o));		/* no ring runs */
	served_ring(b, 0);
	assert_true(kc_oracle_all_done(b->o));
	kc_oracle_awake(b->o, 9000, 11000);
	accused(b, "VU-MSG-KICK-03", "9000 ms of CPU time");
}

/* This process plays the peer that leaks. */
static void descriptors_that_leak(void **state)
{
	struct bench *b = *state;
	int fds[200];

	b->be.pid = getpid();
	kc_oracle_session_start(b->o);
	for (unsigned i = 0; i < 200; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	kc_oracle_session_end(b->o, true);
	for (unsigned i = 0; i < 200; i++)
		close(fds[i]);
	accused(b, "VU-FD-01", "open file descriptors grew");
	kc_oracle_session_start(b->o);
	kc_oracle_session_end(b->o, true);
	none(b);
}

/* --- 12 calls after a barrier ----------------------------------------------------------------- */

static void calls_after_the_barrier(void **state)
{
	struct bench *b = *state;
	struct kc_msg m;

	start(b, 0, 8, 0, 0);
	start(b, 1, 8, 0, 0);
	kc_oracle_queue_stopped(b->o, 0, 0);
	kc_oracle_called(b->o, 0, 1);
	accused(b, "VQ-RESET-DEV-01", "queue 0: 1 calls came");
	kc_oracle_queue_stopped(b->o, 1, 0);
	kc_oracle_called(b->o, 1, 2);
	accused(b, "VU-SUSPEND-02", "queue 1: 2 calls came");
	kc_msg_init(&m, KC_VU_SET_VRING_CALL);
	m.u64 = 1;
	kc_oracle_message(b->o, &m, true);
	kc_oracle_called(b->o, 1, 1);	/* tried when handed over */
	none(b);
	kc_oracle_reset(b->o);
	kc_oracle_called(b->o, 1, 1);
	accused(b, "VIRTIO-RESET-DEV-02", "since the reset");
	kc_oracle_session_end(b->o, true);
	kc_oracle_called(b->o, 1, 1);
	none(b);
}

static void a_kick_eventfd_ends_the_silence(void **state)
{
	struct bench *b = *state;

	start(b, 0, 8, 0, 0);
	kc_oracle_queue_stopped(b->o, 0, 0);
	out_flagged(b, KC_VU_SET_VRING_KICK, 0, 0);
	kc_oracle_called(b->o, 0, 1);
	kc_oracle_verify_memory(b->o);
	none(b);
}

/* --- Messages and running rings --------------------------------------------------------------- */

static void start_of_a_queue(struct bench *b)
{
	out_flagged(b, KC_VU_SET_VRING_NUM, 0, 0);
	out_flagged(b, KC_VU_SET_VRING_BASE, 0, 0);
	out_flagged(b, KC_VU_SET_VRING_CALL, 0, 0);
	out_flagged(b, KC_VU_SET_VRING_KICK, 0, 0);
}

static void set_up_messages_change_nothing(void **state)
{
	struct bench *b = *state;

	start(b, 0, 8, 0, 0);
	start_of_a_queue(b);
	assert_false(view(b, 0).malformed);
	out_flagged(b, KC_VU_SET_VRING_NUM, 0, 0);
	assert_true(view(b, 0).malformed);
}

static void features_sent_again(void **state)
{
	struct bench *b = *state;

	out_flagged(b, KC_VU_SET_FEATURES, KC_BIT(32) | KC_BIT(29), 0);
	start(b, 0, 8, 0, 0);
	start_of_a_queue(b);
	out_flagged(b, KC_VU_SET_FEATURES, KC_BIT(32) | KC_BIT(29) | KC_BIT(26), 0); /* LOG_ALL */
	assert_false(view(b, 0).malformed);
	out_flagged(b, KC_VU_SET_FEATURES, KC_BIT(32), 0);
	assert_true(view(b, 0).malformed);
}

static void stopped_by_a_raw_message(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	start_of_a_queue(b);
	out(b, KC_VU_GET_VRING_BASE);
	in(b, KC_VU_GET_VRING_BASE);
	drv_request(b, q, 0);
	kc_oracle_kicked(b->o, 0);
	kc_oracle_quiet(b->o);
	none(b);
}

static void a_kick_lost_with_its_eventfd(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);

	start_of_a_queue(b);
	drv_request(b, q, 0);
	kc_oracle_kicked(b->o, 0);
	out_flagged(b, KC_VU_SET_VRING_KICK, 0, 0);
	kc_oracle_quiet(b->o);
	accused(b, "VU-RING-START-03", "");
}

static struct kc_msg mem_table(const struct bench *b)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_MEM_TABLE);
	m.mem.nregions = b->mem.nregions;
	for (unsigned i = 0; i < b->mem.nregions; i++)
		m.mem.regions[i] =
			(struct kc_vu_region){ b->mem.regions[i].gpa, b->mem.regions[i].size,
					       b->mem.regions[i].uva, 0 };
	return m;
}

static void a_memory_table_underway(void **state)
{
	struct bench *b = *state;
	struct kc_msg m = mem_table(b);

	start(b, 0, 8, 0, 0);
	start_of_a_queue(b);
	kc_oracle_message(b->o, &m, true);
	assert_false(view(b, 0).malformed);
	m.mem.nregions--;
	kc_oracle_message(b->o, &m, true);
	assert_true(view(b, 0).malformed);
}

static void addresses_sent_again(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 0, 0);
	struct kc_msg m;

	start_of_a_queue(b);
	kc_msg_init(&m, KC_VU_SET_VRING_ADDR);
	m.addr.desc = kc_mem_uva(&b->mem, q->c.desc);
	m.addr.avail = kc_mem_uva(&b->mem, q->c.avail);
	m.addr.used = kc_mem_uva(&b->mem, q->c.used);
	kc_oracle_message(b->o, &m, true);
	assert_false(view(b, 0).malformed);
	m.addr.used += 64;
	kc_oracle_message(b->o, &m, true);
	assert_true(view(b, 0).malformed);
}

/* --- View and picture ------------------------------------------------------------------------- */

static void queues_beyond_all_bounds(void **state)
{
	struct bench *b = *state;
	struct kc_oracle_view v;
	struct kc_oracle_queue c = { .size = 0 };

	kc_oracle_kicked(b->o, 100000);
	kc_oracle_queue_start(b->o, 100000, &c);
	kc_oracle_queue_start(b->o, 3, &c);
	c.size = 65536;
	kc_oracle_queue_start(b->o, 3, &c);
	kc_oracle_called(b->o, 3, 1);
	kc_oracle_reaped(b->o, 3, 9);
	kc_oracle_queue_stopped(b->o, 3, 0);
	kc_oracle_view(b->o, 100000, &v);
	assert_false(v.started);
	c = (struct kc_oracle_queue){
		.size = 8, .desc = 0x30000, .avail = ~0ull, .used = ~0ull - 3
	};
	kc_oracle_queue_start(b->o, 4, &c);
	kc_oracle_published(b->o, 4);
	kc_oracle_kicked(b->o, 4);
	kc_oracle_observe(b->o);
	kc_oracle_queue_stopped(b->o, 4, 0);
	kc_oracle_verify_memory(b->o);
	none(b);
}

static void the_picture(void **state)
{
	struct bench *b = *state;
	struct bench_queue *q = start(b, 0, 8, 65535, WITH_EVENT_IDX);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	drv_used_event(b, q, 65535);
	drv_request(b, q, 0);
	drv_request(b, q, 1);
	kc_oracle_kicked(b->o, 0);
	dev_serve(b, q, 1);
	kc_oracle_picture(b->o, 0, f);
	kc_oracle_picture(b->o, 7, f);
	fclose(f);
	assert_string_equal(text,
		"queue 0: split, size 8, started, enabled, event_idx\n"
		"  avail idx 1   offered 2   used_event 65535   flags 0\n"
		"  used  idx 0   used 1   avail_event 0   flags 0\n"
		"  calls 0 (1 due, 0 spurious, one more is due)   kicks 1   errors 0\n"
		"  in flight: head 0 (available idx 65535, 16 out, 32 in)\n"
		"  used last: idx 65535 id 2 len 32\n"
		"queue 7: never started\n");
	free(text);
	none(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(a_right_conversation),
		RUN(pipelined_replies_in_order),
		RUN(a_reply_left_out),
		SIM(a_reply_that_never_comes),
		SIM(a_closed_connection_owes_no_reply),
		RUN(the_wrong_request_code),
		RUN(flags_of_a_reply),
		RUN(a_reply_twice),
		RUN(acks_nobody_asked_for),
		RUN(a_reply_with_a_descriptor),
		RUN(get_config_repeats),
		RUN(get_base_of_another_ring),
		RUN(a_base_after_reset_owner),
		RUN(after_raw_bytes_only_form_counts),
		SIM(function_calls_have_no_grammar),
		SIM(more_pipelined_than_books_hold),
		SIM(spinning_without_progress),
		LIVE(awake_with_nothing_to_do),
		SIM(awake_in_sim_is_another_matter),
		LIVE(awake_while_something_happens),
		cmocka_unit_test(awake_for_a_reason),
		LIVE(awake_in_a_later_session),
		LIVE(descriptors_that_leak),
		RUN(calls_after_the_barrier),
		RUN(a_kick_eventfd_ends_the_silence),
		SIM(set_up_messages_change_nothing),
		SIM(features_sent_again),
		SIM(stopped_by_a_raw_message),
		SIM(a_kick_lost_with_its_eventfd),
		SIM(a_memory_table_underway),
		SIM(addresses_sent_again),
		RUN(queues_beyond_all_bounds),
		RUN(the_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The pen of a hostile driver: each line writes the bytes it names, and no others are checked. */
#include "world_fixture.h"

#define QUEUE	"needs hostile\nqueue 0 split size 8\n"		/* line 4 */
#define LOOK	"vmm settle\n"					/* line 6 */

static struct kc_desc desc[8], table[4];
static uint16_t avail_flags, avail_idx, avail_ring[8], used_event;
static uint16_t used_flags, used_idx, avail_event;
static uint32_t used_id, used_len;
static struct kc_queue_config config;
static uint64_t scratch, scratch_table;
static const char *device;
static int scratch_byte, table_byte;	/* what fills them, -1: more than one */

static uint16_t load16(const uint8_t *at)
{
	return kc_ring_load16(at, __ATOMIC_RELAXED);
}

static int filled_with(const uint8_t *at, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (at[i] != *at)
			return -1;
	return *at;
}

/* Notes what line 5 has written. */
static void look(struct play *p, struct kc_world *w)
{
	const struct kc_world_queue *q = &w->q[0];
	const uint8_t *d, *a, *u, *t;

	(void)p;
	if (w->trace.step != 6)
		return;
	config = q->config;
	scratch = q->scratch_gpa;
	scratch_table = q->table_gpa;
	d = kc_mem_host(&w->mem, config.desc, kc_desc_bytes(8));
	a = kc_mem_host(&w->mem, config.avail, kc_avail_bytes(8));
	u = kc_mem_host(&w->mem, config.used, kc_used_bytes(8));
	t = scratch_table ? kc_mem_host(&w->mem, scratch_table, 1024) : NULL;
	for (unsigned i = 0; i < 8; i++) {
		desc[i] = kc_desc_read(d + 16 * i);
		avail_ring[i] = load16(a + kc_avail_slot(i));
	}
	for (unsigned i = 0; i < 4 && t; i++)
		table[i] = kc_desc_read(t + 16 * i);
	scratch_byte = scratch ? filled_with(kc_mem_host(&w->mem, scratch, 4096), 4096) : -1;
	table_byte = t ? filled_with(t + 16 * 4, 1024 - 16 * 4) : -1;
	avail_flags = load16(a + KC_AVAIL_FLAGS);
	avail_idx = load16(a + KC_AVAIL_IDX);
	used_event = load16(a + kc_avail_used_event(8));
	used_flags = load16(u + KC_USED_FLAGS);
	used_idx = load16(u + KC_USED_IDX);
	used_id = kc_ring_load32(u + kc_used_slot(3), __ATOMIC_RELAXED);
	used_len = kc_ring_load32(u + kc_used_slot(3) + 4, __ATOMIC_RELAXED);
	avail_event = load16(u + kc_used_avail_event(8));
}

/* Nobody serves the ring, so that what was written stays. */
static void write_line(const char *line)
{
	struct play p = { .frozen = true, .on_step = look, .device = device };
	char body[400];

	scratch = scratch_table = 0;
	snprintf(body, sizeof(body), QUEUE "driver %s\n" LOOK, line);
	play(&p, body);
	if (result.verdict != KC_PASS)
		play_wrong(body, "a pass", __FILE__, __LINE__);
}

static void is_desc(const struct kc_desc *d, uint64_t addr, uint32_t len, uint16_t flags,
	uint16_t next)
{
	assert_true(d->addr == addr);
	assert_int_equal(d->len, len);
	assert_int_equal(d->flags, flags);
	assert_int_equal(d->next, next);
}

static uint64_t end_of(unsigned region)
{
	return kc_mem_default_layout[region].gpa + kc_mem_default_layout[region].size;
}

static void test_descriptors(void **state)
{
	(void)state;
	write_line("desc[0] = out 16 next 5, desc[5] = in 0x20, desc[7] = table 48 flags 6");
	assert_true(scratch && scratch_table && scratch != scratch_table);
	is_desc(&desc[0], scratch, 16, VRING_DESC_F_NEXT, 5);
	is_desc(&desc[5], scratch, 32, VRING_DESC_F_WRITE, 0);
	is_desc(&desc[7], scratch_table, 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	write_line("desc[0] = out 1 flags 0 next 3 at 0x1234, desc[1] = in 2 next 9 flags 0");
	is_desc(&desc[0], 0x1234, 1, VRING_DESC_F_NEXT, 3);
	is_desc(&desc[1], scratch, 2, 0, 9);
	write_line("desc[0] = in 4 at desc, desc[1] = in 4 at avail, desc[2] = out 4 at used next "
		"1");
	is_desc(&desc[0], config.desc, 4, VRING_DESC_F_WRITE, 0);
	is_desc(&desc[1], config.avail, 4, VRING_DESC_F_WRITE, 0);
	is_desc(&desc[2], config.used, 4, VRING_DESC_F_NEXT, 1);
	write_line("desc[0] = in 4 at low_end - 4, desc[1] = in 4 at border, desc[2] = in 4 at memory_end + 1");
	is_desc(&desc[0], end_of(0) - 4, 4, VRING_DESC_F_WRITE, 0);
	is_desc(&desc[1], end_of(1), 4, VRING_DESC_F_WRITE, 0);
	is_desc(&desc[2], end_of(2) + 1, 4, VRING_DESC_F_WRITE, 0);
}

static void test_tables(void **state)
{
	(void)state;
	write_line("table[0] = out 16 next 1, table[1] = in 16 next 3, table[3] = in 1");
	is_desc(&table[0], scratch, 16, VRING_DESC_F_NEXT, 1);
	is_desc(&table[1], scratch, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	is_desc(&table[3], scratch, 1, VRING_DESC_F_WRITE, 0);
}

/* A device that reads them finds the same request each time: of zeroes, but that is a page to a balloon. */
static void test_what_they_hold_at_first(void **state)
{
	(void)state;
	write_line("table[0] = out 16 next 1");
	assert_int_equal(scratch_byte, 0);
	assert_int_equal(table_byte, 0);
	device = "balloon";
	write_line("table[0] = out 16 next 1");
	device = NULL;
	assert_int_equal(scratch_byte, 0xff);
	assert_int_equal(table_byte, 0);
}

static void test_the_available_ring(void **state)
{
	(void)state;
	write_line("avail.ring[2] = 7, offer head 65000, offer head 3");
	assert_int_equal(avail_ring[0], 65000);
	assert_int_equal(avail_ring[1], 3);
	assert_int_equal(avail_ring[2], 7);
	assert_int_equal(avail_idx, 2);
	write_line("avail.idx = avail_idx + 300");
	assert_int_equal(avail_idx, 300);
	write_line("avail.flags = 0xffff, avail.used_event = used_idx - 1");
	assert_int_equal(avail_flags, 0xffff);
	assert_int_equal(used_event, 65535);
}

static void test_the_devices_own_fields(void **state)
{
	(void)state;
	write_line("used.idx = 9, used.flags = 3, used.avail_event = 77, used.ring[3] = 5 4000");
	assert_int_equal(used_idx, 9);
	assert_int_equal(used_flags, 3);
	assert_int_equal(avail_event, 77);
	assert_int_equal(used_id, 5);
	assert_int_equal(used_len, 4000);
}

static void test_a_proper_chain_by_hand_is_served(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, QUEUE "driver desc[0] = out 16 next 1, desc[1] = in 16, offer head 0, kick\n"
	       "vmm settle\nvmm stop 0\nexpect base 1\n");
}

/* avail.flags and used_event break no rule: the ring stays a proper one. */
static void test_suppression_leaves_a_proper_ring(void **state)
{
	struct play p = { 0 };

	(void)state;
	passes(&p, "queue 0 split size 8\ndriver request, kick, wait used\n"
	       "driver avail.used_event = used_idx\n"
	       "driver request, kick\nexpect 1 used, call due\n");
	passes(&p, "queue 0 split size 8\ndriver request, kick, wait used\n"
	       "driver avail.used_event = used_idx + 5\n"
	       "driver request, kick\nexpect 1 used, no call due, no call\n");
	passes(&p, "without event_idx\nqueue 0 split size 8\ndriver request, kick, wait used\n"
	       "driver avail.flags = 1, request, kick\nexpect 1 used, no call due, no call\n"
	       "driver avail.flags = 0, request, kick\nexpect 1 used, call due\n");
	/* frozen and kicked: the books still count */
	p.frozen = true;
	fails(&p, "queue 0 split size 8\ndriver avail.flags = 0, request, kick\nexpect 1 used\n",
	      "VU-RING-STATE-04", 5, "expected it to be used");
}

/* What the driver's books cannot explain on a ring written by hand is the oracle's to judge. */
static void test_the_drivers_books_are_not_asked(void **state)
{
	struct play p = { .frozen = true };

	(void)state;
	passes(&p, QUEUE "driver used.ring[0] = 1234 4, used.idx = 1\nvmm settle\nexpect 0 used\n");
}

static void test_errors(void **state)
{
	static const struct { const char *line, *says; } rows[] = {
		{ "desc[8] = out 16", "desc of queue 0: Invalid argument" },
		{ "avail.ring[8] = 1", "avail.ring of queue 0: Invalid argument" },
		{ "used.ring[8] = 1 1", "used.ring of queue 0: Invalid argument" },
		{ "table[64] = out 16", "the scratch table has 64 entries" },
		{ "desc[0] = up 16", "a descriptor is 'out LEN', 'in LEN' or 'table LEN'" },
		{ "desc[0] = out", "a descriptor is 'out LEN', 'in LEN' or 'table LEN'" },
		{ "desc[0] = out x", "a number is missing after 'len'" },
		{ "desc[0] = out 16 next", "a number is missing after 'next'" },
		{ "desc[0] = out 16 at home", "a number is missing after 'at'" },
		{ "table[0] = out 16 prev 3", "a descriptor has no 'prev'" },
	};
	struct play p = { 0 };
	char body[200], says[200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(body, sizeof(body), QUEUE "driver %s\n", rows[i].line);
		snprintf(says, sizeof(says), "5:8: %s", rows[i].says);
		errs(&p, body, says);
	}
}

static void test_each_needs_a_queue(void **state)
{
	static const char *const lines[] = {
		"desc[0] = out 16", "table[0] = out 16", "offer head 0", "avail.idx = 1",
		"avail.ring[0] = 1",
		"avail.flags = 1", "avail.used_event = 1", "used.idx = 1", "used.flags = 1",
		"used.ring[0] = 1 1",
		"used.avail_event = 1",
	};
	struct play p = { 0 };
	char body[200];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		snprintf(body, sizeof(body), QUEUE "driver 1 %s\n", lines[i]);
		errs(&p, body, "5:10: there is no queue 1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_what_they_hold_at_first),
		cmocka_unit_test(test_the_available_ring),
		cmocka_unit_test(test_the_devices_own_fields),
		cmocka_unit_test(test_a_proper_chain_by_hand_is_served),
		cmocka_unit_test(test_suppression_leaves_a_proper_ring),
		cmocka_unit_test(test_the_drivers_books_are_not_asked),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_each_needs_a_queue),
	};

	return cmocka_run_group_tests(tests, NULL, play_teardown);
}

// SPDX-License-Identifier: BSD-3-Clause
/* The reference back-end's balloon: which pages it drops and when, its statistics, its configuration. */
#include <tests/unit/ref_fixture.h>
#include <endian.h>

#define INFLATE	0u
#define DEFLATE	1u
#define STATS	2u
#define REPORT	4u
#define QUEUES	5u
#define PAGE	4096u
#define ARRAY	BUFS			/* what a request reads */
#define PAGES	(BUFS + 0x10000)	/* what it is about */

/* VIRTIO 1.3, 5.5.3 */
#define F_TELL		(1ull << 0)
#define F_STATS		(1ull << 1)
#define F_OOM		(1ull << 2)
#define F_POISON	(1ull << 4)
#define F_REPORT	(1ull << 5)

static void open_balloon(struct fx *f, uint64_t features)
{
	struct kc_ref_config c = { .device = "balloon", .queues = QUEUES };

	fx_open_config(f, &c);
	assert_int_equal(fx_plain(f, KC_VU_SET_OWNER), KC_REF_DONE);
	assert_int_equal(fx_u64(f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIG)), KC_REF_DONE);
	assert_int_equal(fx_u64(f, KC_VU_SET_FEATURES, features | F_V1), KC_REF_DONE);
	assert_int_equal(fx_mem_table(f, fx_regions, NREGIONS, NREGIONS), KC_REF_DONE);
	fx_start(f, INFLATE, 8, 0);
	fx_start(f, DEFLATE, 8, 0);
	memset(fx_host(f, PAGES), 0xee, 16 * PAGE);
}

static void offer(struct fx *f, unsigned qi, uint16_t i, uint64_t at, uint32_t len)
{
	fx_desc(f, qi, i, at, len, qi == REPORT ? RW : 0, 0);
	fx_offer(f, qi, i);
	fx_kick(f, qi);
	fx_run(f);
}

/* One request for that page and, if it is not 0, another one; it comes back. */
static void pages(struct fx *f, unsigned qi, uint16_t i, uint64_t gpa, uint64_t other)
{
	uint32_t pfn[2] = { htole32((uint32_t)(gpa / PAGE)), htole32((uint32_t)(other / PAGE)) };

	memcpy(fx_host(f, ARRAY), pfn, sizeof(pfn));
	offer(f, qi, i, ARRAY, other ? 8 : 4);
	assert_int_equal(fx_used_idx(f, qi), i + 1);
	fx_expect_used(f, qi, i, i, 0);
}

/* Every byte of the page is that. */
static void holds(struct fx *f, uint64_t gpa, uint8_t byte)
{
	for (unsigned i = 0; i < PAGE; i++)
		assert_int_equal(*fx_host(f, gpa + i), byte);
}

static void what_is_given_is_dropped(void **state)
{
	struct fx f;

	(void)state;
	open_balloon(&f, 0);
	pages(&f, INFLATE, 0, PAGES + PAGE, PAGES + 3 * PAGE);
	holds(&f, PAGES, 0xee);
	holds(&f, PAGES + PAGE, 0);
	holds(&f, PAGES + 2 * PAGE, 0xee);
	holds(&f, PAGES + 3 * PAGE, 0);
	holds(&f, PAGES + 4 * PAGE, 0xee);
	fx_close(&f);
}

/* A number of no memory, and half a number, mean nothing. */
static void what_names_no_page_is_passed_over(void **state)
{
	struct fx f;

	(void)state;
	open_balloon(&f, 0);
	pages(&f, INFLATE, 0, 0xffffffffull * PAGE, PAGES);
	holds(&f, PAGES, 0);
	memset(fx_host(&f, PAGES), 0xee, PAGE);
	offer(&f, INFLATE, 1, ARRAY + 4, 3);
	fx_expect_used(&f, INFLATE, 1, 1, 0);
	holds(&f, PAGES, 0xee);
	pages(&f, INFLATE, 2, 0, MEM_END);
	fx_close(&f);
}

static void a_number_may_lie_in_pieces(void **state)
{
	uint32_t pfn = htole32((uint32_t)(PAGES / PAGE));
	struct fx f;

	(void)state;
	open_balloon(&f, 0);
	for (uint16_t i = 0; i < 4; i++) {
		*fx_host(&f, ARRAY + 64ull * i) = ((uint8_t *)&pfn)[i];
		fx_desc(&f, INFLATE, i, ARRAY + 64ull * i, 1, i < 3 ? NEXT : 0, (uint16_t)(i + 1));
	}
	fx_offer(&f, INFLATE, 0);
	fx_kick(&f, INFLATE);
	fx_run(&f);
	fx_expect_used(&f, INFLATE, 0, 0, 0);
	holds(&f, PAGES, 0);
	holds(&f, PAGES + PAGE, 0xee);
	fx_close(&f);
}

static void only_with_must_tell_a_page_is_new_when_it_is_asked_back(void **state)
{
	struct fx f;

	(void)state;
	open_balloon(&f, F_OOM);
	pages(&f, DEFLATE, 0, PAGES, 0);
	holds(&f, PAGES, 0xee);
	fx_close(&f);
	open_balloon(&f, F_OOM | F_TELL);
	pages(&f, DEFLATE, 0, PAGES, 0);
	holds(&f, PAGES, 0);
	fx_close(&f);
}

static void what_is_dropped_is_logged(void **state)
{
	struct fx f;
	struct kc_msg m;
	uint8_t *log;
	int fd = memfd_create("log", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	log = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(log, MAP_FAILED);
	open_balloon(&f, 0);
	kc_msg_init(&m, KC_VU_SET_LOG_BASE);
	m.log.size = PAGE;
	m.handles[m.nhandles++] = (struct kc_handle){ .fd = fd };
	assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_LOG_SHMFD)), KC_REF_DONE);
	assert_int_not_equal(fx_send(&f, &m), KC_REF_REFUSED);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | KC_BIT(VHOST_F_LOG_ALL)), KC_REF_DONE);
	pages(&f, INFLATE, 0, PAGES, 0);
	assert_true(log[PAGES / PAGE / 8] & 1u << PAGES / PAGE % 8);
	munmap(log, PAGE);
	fx_close(&f);
}

/* ---- statistics ---- */

static void put_stats(struct fx *f, uint16_t i, const uint16_t *tag, unsigned n)
{
	uint8_t *to = fx_host(f, ARRAY + 0x1000);

	for (unsigned k = 0; k < n; k++) {
		uint16_t t = htole16(tag[k]);

		memcpy(to + 10 * k, &t, 2);
		memset(to + 10 * k + 2, 0x11, 8);
	}
	offer(f, STATS, i, ARRAY + 0x1000, 10 * n);
}

static void statistics_are_asked_for_after_a_change(void **state)
{
	static const uint16_t all[] = { 9, 0x1234, 4 };
	struct fx f;

	(void)state;
	open_balloon(&f, F_STATS | F_OOM);
	fx_start(&f, STATS, 8, 0);
	put_stats(&f, 0, all, 3);
	assert_int_equal(fx_used_idx(&f, STATS), 0);
	pages(&f, INFLATE, 0, PAGES, 0);
	assert_int_equal(fx_used_idx(&f, STATS), 1);
	fx_expect_used(&f, STATS, 0, 0, 0);
	put_stats(&f, 1, all, 3);
	assert_int_equal(fx_used_idx(&f, STATS), 1);	/* nothing has changed since */
	pages(&f, DEFLATE, 0, PAGES, 0);
	assert_int_equal(fx_used_idx(&f, STATS), 2);
	pages(&f, INFLATE, 1, PAGES, 0);		/* there is no buffer: it is asked for when there is */
	put_stats(&f, 2, all, 3);
	assert_int_equal(fx_used_idx(&f, STATS), 3);
	fx_close(&f);
}

static void useless_statistics_are_not_asked_for_again(void **state)
{
	static const uint16_t none_free[] = { 5, 6, 7 };
	struct fx f;

	(void)state;
	open_balloon(&f, F_STATS);
	fx_start(&f, STATS, 8, 0);
	put_stats(&f, 0, none_free, 3);
	pages(&f, INFLATE, 0, PAGES, 0);
	assert_int_equal(fx_used_idx(&f, STATS), 1);
	put_stats(&f, 1, none_free, 3);
	pages(&f, INFLATE, 1, PAGES, 0);
	assert_int_equal(fx_used_idx(&f, STATS), 1);
	fx_close(&f);
}

/* ---- reports ---- */

static void a_report_is_dropped(void **state)
{
	struct fx f;

	(void)state;
	open_balloon(&f, F_REPORT);
	fx_start(&f, REPORT, 8, 0);
	offer(&f, REPORT, 0, PAGES + PAGE, 2 * PAGE);
	fx_expect_used(&f, REPORT, 0, 0, 0);
	holds(&f, PAGES, 0xee);
	holds(&f, PAGES + PAGE, 0);
	holds(&f, PAGES + 2 * PAGE, 0);
	holds(&f, PAGES + 3 * PAGE, 0xee);
	fx_close(&f);
}

/* ---- configuration ---- */

static uint32_t config_word(struct fx *f, uint32_t offset)
{
	struct kc_msg m;
	uint32_t v;

	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.config.offset = offset;
	m.config.size = 4;
	assert_int_equal(fx_send(f, &m), KC_REF_REPLY);
	memcpy(&v, f->reply.config.data, 4);
	return le32toh(v);
}

static enum kc_ref_answer config_write(struct fx *f, uint32_t offset, uint32_t len, uint32_t flags,
				       const uint8_t *bytes)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_CONFIG);
	m.config.offset = offset;
	m.config.size = len;
	m.config.flags = flags;
	memcpy(m.config.data, bytes, len);
	return fx_send(f, &m);
}

static void the_driver_writes_what_is_its_own(void **state)
{
	static const uint8_t word[8] = { 0x78, 0x56, 0x34, 0x12 };
	struct fx f;

	(void)state;
	open_balloon(&f, F_POISON);
	assert_int_equal(config_word(&f, 0), 1024);
	assert_int_equal(config_word(&f, 4), 0);
	assert_int_equal(config_word(&f, 8), 0);
	assert_int_equal(config_write(&f, 4, 4, 0, word), KC_REF_DONE);
	assert_int_equal(config_write(&f, 14, 2, 0, word), KC_REF_DONE);
	assert_int_equal(config_word(&f, 4), 0x12345678);
	assert_int_equal(config_word(&f, 12), 0x56780000);
	assert_int_equal(config_write(&f, 0, 4, 0, word), KC_REF_REFUSED);
	assert_int_equal(config_write(&f, 3, 2, 0, word), KC_REF_REFUSED);
	assert_int_equal(config_write(&f, 4, 8, 0, word), KC_REF_REFUSED);
	assert_int_equal(config_word(&f, 4), 0x12345678);
	kc_ref_reset_session(f.ref);
	assert_int_equal(fx_u64(&f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIG)), KC_REF_DONE);
	assert_int_equal(config_word(&f, 4), 0);
	fx_close(&f);
}

static void at_migration_all_of_it_is_written(void **state)
{
	uint8_t all[16] = { 0, 4, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0 };
	struct fx f;

	(void)state;
	open_balloon(&f, F_POISON);
	assert_int_equal(config_write(&f, 0, 16, 0, all), KC_REF_REFUSED);
	assert_int_equal(config_write(&f, 0, 16, 1, all), KC_REF_DONE);
	assert_int_equal(config_word(&f, 4), 7);
	assert_int_equal(config_word(&f, 12), 9);
	all[0] = 1;
	assert_int_equal(config_write(&f, 0, 16, 1, all), KC_REF_REFUSED);
	fx_close(&f);
}

static void a_poisoned_report_is_poisoned(void **state)
{
	static const uint8_t poison[4] = { 0xaa, 0xaa, 0xaa, 0xaa };
	struct fx f;

	(void)state;
	open_balloon(&f, F_REPORT | F_POISON);
	assert_int_equal(config_write(&f, 12, 4, 0, poison), KC_REF_DONE);
	fx_start(&f, REPORT, 8, 0);
	offer(&f, REPORT, 0, PAGES, PAGE);
	holds(&f, PAGES, 0xaa);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_is_dropped),
		cmocka_unit_test(what_names_no_page_is_passed_over),
		cmocka_unit_test(a_number_may_lie_in_pieces),
		cmocka_unit_test(only_with_must_tell_a_page_is_new_when_it_is_asked_back),
		cmocka_unit_test(what_is_dropped_is_logged),
		cmocka_unit_test(statistics_are_asked_for_after_a_change),
		cmocka_unit_test(useless_statistics_are_not_asked_for_again),
		cmocka_unit_test(a_report_is_dropped),
		cmocka_unit_test(the_driver_writes_what_is_its_own),
		cmocka_unit_test(at_migration_all_of_it_is_written),
		cmocka_unit_test(a_poisoned_report_is_poisoned),
	};

	return cmocka_run_group_tests_name("ref_balloon", tests, NULL, NULL);
}

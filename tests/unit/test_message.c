/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The codec against real peers' bytes, against itself, and against nonsense.
 *
 * The golden bytes were recorded from qemu-storage-daemon 7.2.22 (Debian 12, x86-64), exporting a
 * raw file of 1 MiB as vhost-user-blk with writable=on,num-queues=1, by a client of a few lines
 * that packed its requests with Python's struct module; they owe nothing to the encoder tested
 * here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/vhost.h>
#include <kickcall/err.h>
#include <kickcall/message.h>

struct golden {
	const char *hex;
	bool is_reply;
	const char *text;	/* what the printer makes of it */
};

#define ZERO12	"000000000000000000000000"
#define ZERO60	ZERO12 ZERO12 ZERO12 ZERO12 ZERO12

static const struct golden goldens[] = {
	{ "010000000100000000000000", false, "GET_FEATURES" },
	{ "010000000500000008000000467e007501000000", true,
	  "GET_FEATURES {u64 0x175007e46} reply" },
	{ "0f0000000100000000000000", false, "GET_PROTOCOL_FEATURES" },
	{ "0f00000005000000080000002b8f000000000000", true,
	  "GET_PROTOCOL_FEATURES {u64 0x8f2b} reply" },
	{ "1000000001000000080000000902000000000000", false, "SET_PROTOCOL_FEATURES {u64 0x209}" },
	{ "110000000100000000000000", false, "GET_QUEUE_NUM" },
	{ "1100000005000000080000000100000000000000", true, "GET_QUEUE_NUM {u64 0x1} reply" },
	{ "030000000900000000000000", false, "SET_OWNER need_reply" },
	{ "0300000005000000080000000000000000000000", true, "SET_OWNER {u64 0x0} reply" },
	{ "0200000009000000080000000000004001000000", false,
	  "SET_FEATURES {u64 0x140000000} need_reply" },
	{ "0200000005000000080000000000000000000000", true, "SET_FEATURES {u64 0x0} reply" },
	{ "180000000100000048000000" "000000003c00000000000000" ZERO60, false,
	  "GET_CONFIG {offset 0, size 60, flags 0x0, data " ZERO60 "}" },
	/* capacity 0x800 sectors, seg_max 126, blk_size 512, writeback at the end of it */
	{ "180000000500000048000000" "000000003c00000000000000"
	  "000800000000000000000000" "7e0000000000000000020000" "000100010000000000010000"
	  "800000010000000100000000" "800000010000000000000000", true, NULL },
	{ "0800000009000000080000000000000000010000", false,
	  "SET_VRING_NUM {index 0, num 256} need_reply" },
	{ "0a000000090000000800000000000000feff0000", false,
	  "SET_VRING_BASE {index 0, num 65534} need_reply" },
	{ "0b00000001000000080000000000000000000000", false, "GET_VRING_BASE {index 0, num 0}" },
	{ "0b000000050000000800000000000000feff0000", true,
	  "GET_VRING_BASE {index 0, num 65534} reply" },
	{ "2400000005000000080000002000000000000000", true, "GET_MAX_MEM_SLOTS {u64 0x20} reply" },
};

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char pair[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		out[i] = strtoul(pair, NULL, 16);
	}
	return n;
}

static void golden_bytes_decode_print_and_encode_back(void **state)
{
	uint8_t in[256], out[256];
	struct kc_err err;
	struct kc_msg m;
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		size_t n = unhex(goldens[i].hex, in);

		kc_msg_init(&m, 0);
		assert_int_equal(kc_msg_decode(&m, in, n, goldens[i].is_reply, &err), 0);
		kc_msg_print(&m, text, sizeof(text));
		if (goldens[i].text)
			assert_string_equal(text, goldens[i].text);
		assert_int_equal(kc_msg_encode(&m, out, sizeof(out)), n);
		assert_memory_equal(in, out, n);
	}
}

static void golden_config_reads_by_name(void **state)
{
	uint8_t in[256];
	struct kc_msg m;
	uint64_t v;

	(void)state;
	kc_msg_init(&m, 0);
	assert_int_equal(kc_msg_decode(&m, in, unhex(goldens[12].hex, in), true, NULL), 0);
	assert_int_equal(m.payload, KC_PL_CONFIG);
	assert_int_equal(m.config.size, 60);
	assert_int_equal(kc_msg_get_field(&m, "data[1]", &v), 0);
	assert_int_equal(v, 8);
	assert_int_equal(kc_msg_get_field(&m, "data[12]", &v), 0);
	assert_int_equal(v, 126);
}

/* The table in the document, spelled out a second time: sizes of requests on the wire. */
static const struct {
	uint32_t id;
	size_t bytes;
} request_bytes[] = {
	{ KC_VU_GET_FEATURES, 0 }, { KC_VU_SET_FEATURES, 8 }, { KC_VU_SET_OWNER, 0 },
	{ KC_VU_SET_MEM_TABLE, 8 }, { KC_VU_SET_LOG_BASE, 16 }, { KC_VU_SET_LOG_FD, 0 },
	{ KC_VU_SET_VRING_NUM, 8 }, { KC_VU_SET_VRING_ADDR, 40 }, { KC_VU_SET_VRING_KICK, 8 },
	{ KC_VU_GET_CONFIG, 12 }, { KC_VU_SET_CONFIG, 12 }, { KC_VU_GET_INFLIGHT_FD, 24 },
	{ KC_VU_SET_INFLIGHT_FD, 24 }, { KC_VU_ADD_MEM_REG, 40 }, { KC_VU_REM_MEM_REG, 40 },
	{ KC_VU_VRING_KICK, 8 }, { KC_VU_SET_STATUS, 8 }, { KC_VU_GET_STATUS, 0 },
	{ KC_VU_GET_VRING_BASE_SKIP_DRAIN, 8 },
};

static void requests_have_the_documented_size(void **state)
{
	uint8_t buf[128];
	struct kc_msg m;

	(void)state;
	for (size_t i = 0; i < sizeof(request_bytes) / sizeof(request_bytes[0]); i++) {
		kc_msg_init(&m, request_bytes[i].id);
		assert_int_equal(kc_msg_encode(&m, buf, sizeof(buf)),
				 KC_VU_HDR_BYTES + request_bytes[i].bytes);
	}
}

static void table_knows_every_request(void **state)
{
	(void)state;
	for (uint32_t id = 1; id < KC_VU_MAX; id++) {
		const struct kc_msg_row *row = kc_msg_row(id);

		assert_non_null(row);
		assert_int_equal(row->id, id);
		assert_ptr_equal(kc_msg_row_by_name(row->name), row);
		assert_true(row->gate >= -1 && row->gate < KC_PF_COUNT);
		assert_true(row->reply_rule == KC_REPLY_OWN || row->reply == KC_PL_NONE);
	}
	assert_int_equal(KC_VU_MAX, 46);
	assert_null(kc_msg_row(0));
	assert_null(kc_msg_row(KC_VU_MAX));
	assert_null(kc_msg_row(UINT32_MAX));
	assert_null(kc_msg_row_by_name("SET_NOTHING"));
	assert_int_equal(kc_msg_row(KC_VU_GET_VRING_BASE)->ioctl, VHOST_GET_VRING_BASE);
	assert_int_equal(kc_msg_row(KC_VU_GET_STATUS)->id, 40);
	assert_int_equal(kc_msg_row_by_name("SET_VRING_ERR")->fds, KC_FD_RING);
}

static void protocol_features_have_names(void **state)
{
	(void)state;
	assert_int_equal(kc_pf_by_name("REPLY_ACK"), 3);
	assert_int_equal(kc_pf_by_name("STATUS"), 16);
	assert_int_equal(kc_pf_by_name("GET_VRING_BASE_SKIP_DRAIN"), 23);
	assert_int_equal(kc_pf_by_name("NONSENSE"), -1);
	assert_string_equal(kc_pf_name(0), "MQ");
	assert_null(kc_pf_name(24));
}

static void mem_table_is_laid_out_as_documented(void **state)
{
	static const char want[] =
		"05000000" "01000000" "48000000" "02000000" "00000000"
		"0000000000000000" "0000100000000000" "00000000aa7f0000" "0000000000000000"
		"0000000001000000" "0010000000000000" "000000ddbb7f0000" "0020000000000000";
	uint8_t bytes[128], out[128];
	size_t n = unhex(want, bytes);
	struct kc_msg m, back;
	char text[512];
	uint64_t v;

	(void)state;
	kc_msg_init(&m, KC_VU_SET_MEM_TABLE);
	assert_int_equal(kc_msg_set_field(&m, "nregions", 2), 0);
	assert_int_equal(kc_msg_set_field(&m, "region[0].size", 0x100000), 0);
	assert_int_equal(kc_msg_set_field(&m, "region[0].uva", 0x7faa00000000), 0);
	m.mem.regions[1] = (struct kc_vu_region){ 1ull << 32, 0x1000, 0x7fbbdd000000, 0x2000 };
	assert_int_equal(kc_msg_encode(&m, out, sizeof(out)), n);
	assert_memory_equal(out, bytes, n);

	kc_msg_init(&back, 0);
	assert_int_equal(kc_msg_decode(&back, bytes, n, false, NULL), 0);
	assert_int_equal(back.mem.nregions, 2);
	assert_int_equal(kc_msg_get_field(&back, "region[1].mmap_offset", &v), 0);
	assert_int_equal(v, 0x2000);
	kc_msg_print(&back, text, sizeof(text));
	assert_string_equal(text, "SET_MEM_TABLE {nregions 2, padding 0x0, region[0].gpa 0x0, "
			    "region[0].size 0x100000, region[0].uva 0x7faa00000000, "
			    "region[0].mmap_offset 0x0, region[1].gpa 0x100000000, "
			    "region[1].size 0x1000, region[1].uva 0x7fbbdd000000, "
			    "region[1].mmap_offset 0x2000}");
}

static void ring_address_field_order(void **state)
{
	static const char want[] = "09000000" "01000000" "28000000" "03000000" "01000000"
		"1100000000000000" "2200000000000000" "3300000000000000" "4400000000000000";
	uint8_t bytes[64], out[64];
	size_t n = unhex(want, bytes);
	struct kc_msg m;

	(void)state;
	kc_msg_init(&m, KC_VU_SET_VRING_ADDR);
	m.addr.index = 3;
	m.addr.flags = 1;
	assert_int_equal(kc_msg_set_field(&m, "desc", 0x11), 0);
	assert_int_equal(kc_msg_set_field(&m, "used", 0x22), 0);
	assert_int_equal(kc_msg_set_field(&m, "avail", 0x33), 0);
	assert_int_equal(kc_msg_set_field(&m, "log", 0x44), 0);
	assert_int_equal(kc_msg_encode(&m, out, sizeof(out)), n);
	assert_memory_equal(out, bytes, n);
}

static void single_region_has_padding_first(void **state)
{
	uint8_t out[64];
	struct kc_msg m;
	uint64_t v;

	(void)state;
	kc_msg_init(&m, KC_VU_ADD_MEM_REG);
	assert_int_equal(kc_msg_set_field(&m, "region[0].gpa", 0x1234), 0);
	assert_int_equal(kc_msg_set_field(&m, "region[1].gpa", 1), -ENOENT);
	assert_int_equal(kc_msg_encode(&m, out, sizeof(out)), 52);
	memcpy(&v, out + 12, 8);
	assert_int_equal(v, 0);
	memcpy(&v, out + 20, 8);
	assert_int_equal(v, 0x1234);
}

/* Requests and replies whose payload may have more than one size. */
static const struct {
	uint32_t id, len;
	bool is_reply;
	int ret;
	enum kc_payload payload;
} sizes[] = {
	{ KC_VU_GET_INFLIGHT_FD, 20, false, 0, KC_PL_INFLIGHT },
	{ KC_VU_GET_INFLIGHT_FD, 24, true, 0, KC_PL_INFLIGHT },
	{ KC_VU_GET_INFLIGHT_FD, 22, true, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_GET_INFLIGHT_FD, 28, true, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_SET_LOG_BASE, 16, false, 0, KC_PL_LOG },
	{ KC_VU_SET_LOG_BASE, 8, false, 0, KC_PL_U64 },
	{ KC_VU_SET_LOG_BASE, 8, true, 0, KC_PL_U64 },
	{ KC_VU_SET_LOG_BASE, 0, true, 0, KC_PL_NONE },
	{ KC_VU_SET_LOG_BASE, 0, false, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_GET_CONFIG, 0, true, 0, KC_PL_CONFIG },
	{ KC_VU_GET_CONFIG, 0, false, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_GET_CONFIG, 12, false, 0, KC_PL_CONFIG },
	{ KC_VU_GET_CONFIG, 13, true, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_GET_FEATURES, 0, false, 0, KC_PL_NONE },
	{ KC_VU_GET_FEATURES, 8, false, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_GET_FEATURES, 4, true, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_SET_OWNER, 8, true, 0, KC_PL_U64 },
	{ KC_VU_SET_MEM_TABLE, 0, false, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_SET_MEM_TABLE, 8, false, 0, KC_PL_MEM_TABLE },
	{ KC_VU_SET_MEM_TABLE, 40, false, -EPROTO, KC_PL_OPAQUE },
	{ KC_VU_IOTLB_MSG, 32, false, 0, KC_PL_OPAQUE },
	{ KC_VU_GET_SHMEM_CONFIG, 2056, true, 0, KC_PL_OPAQUE },
	{ KC_VU_SET_VRING_NUM, 7, false, -EPROTO, KC_PL_OPAQUE },
	{ 0, 0, false, -EINVAL, KC_PL_OPAQUE },
	{ 99, 8, false, -EINVAL, KC_PL_OPAQUE },
};

static void payload_sizes_are_checked(void **state)
{
	uint8_t buf[KC_VU_HDR_BYTES + KC_VU_PAYLOAD_MAX] = { 0 };
	struct kc_err err;
	struct kc_msg m;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t hdr[3] = { sizes[i].id, 1, sizes[i].len };

		memcpy(buf, hdr, sizeof(hdr));
		kc_msg_init(&m, 0);
		strcpy(err.msg, "");
		assert_int_equal(kc_msg_decode(&m, buf, 12 + sizes[i].len, sizes[i].is_reply, &err),
				 sizes[i].ret);
		assert_int_equal(m.payload, sizes[i].payload);
		assert_int_equal(m.id, sizes[i].id);
		assert_true(!sizes[i].ret == !err.msg[0]);
	}
}

static void header_must_agree_with_the_bytes(void **state)
{
	uint32_t hdr[5] = { KC_VU_SET_OWNER, 1, 4, 0, 0 };
	struct kc_msg m;

	(void)state;
	kc_msg_init(&m, 0);
	assert_int_equal(kc_msg_decode(&m, hdr, 12, false, NULL), -EPROTO);
	assert_int_equal(kc_msg_decode(&m, hdr, 20, false, NULL), -EPROTO);
	assert_int_equal(kc_msg_decode(&m, hdr, 11, false, NULL), -EPROTO);
	assert_int_equal(kc_msg_decode(&m, hdr, 0, false, NULL), -EPROTO);
}

static void counts_that_lie_are_caught_and_can_be_sent(void **state)
{
	uint8_t buf[KC_VU_HDR_BYTES + KC_VU_PAYLOAD_MAX];
	struct kc_msg m, back;
	int n;

	(void)state;
	kc_msg_init(&m, KC_VU_SET_MEM_TABLE);
	m.mem.nregions = UINT32_MAX;
	n = kc_msg_encode(&m, buf, sizeof(buf));
	assert_int_equal(n, 12 + 8 + 8 * 32);
	kc_msg_init(&back, 0);
	assert_int_equal(kc_msg_decode(&back, buf, n, false, NULL), -EPROTO);

	kc_msg_init(&m, KC_VU_SET_CONFIG);
	m.config.size = 257;
	n = kc_msg_encode(&m, buf, sizeof(buf));
	assert_int_equal(n, 12 + 12 + 256);
	assert_int_equal(kc_msg_decode(&back, buf, n, false, NULL), -EPROTO);

	m.config.size = 256;
	m.config.data[255] = 7;
	n = kc_msg_encode(&m, buf, sizeof(buf));
	assert_int_equal(kc_msg_decode(&back, buf, n, false, NULL), 0);
	assert_int_equal(back.config.data[255], 7);
	assert_int_equal(kc_msg_encode(&m, buf, n - 1), -ENOSPC);
}

static void config_error_reply_is_empty(void **state)
{
	uint8_t buf[64];
	struct kc_msg m;

	(void)state;
	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.flags = KC_VU_VERSION | KC_VU_REPLY;
	assert_int_equal(kc_msg_encode(&m, buf, sizeof(buf)), KC_VU_HDR_BYTES);
	m.config.offset = 77;
	assert_int_equal(kc_msg_decode(&m, buf, KC_VU_HDR_BYTES, true, NULL), 0);
	assert_int_equal(m.payload, KC_PL_CONFIG);
	assert_int_equal(m.config.size, 0);
	assert_int_equal(m.config.offset, 0);
}

static void fields_go_by_name_and_width(void **state)
{
	struct kc_msg m;
	uint64_t v;

	(void)state;
	kc_msg_init(&m, KC_VU_SET_VRING_NUM);
	assert_int_equal(kc_msg_set_field(&m, "num", UINT32_MAX), 0);
	assert_int_equal(m.state.num, UINT32_MAX);
	assert_int_equal(kc_msg_set_field(&m, "num", 1ull << 32), -ERANGE);
	assert_int_equal(kc_msg_set_field(&m, "u64", 1), -ENOENT);
	assert_int_equal(kc_msg_get_field(&m, "region[0].gpa", &v), -ENOENT);

	kc_msg_init(&m, KC_VU_SET_MEM_TABLE);
	assert_int_equal(kc_msg_set_field(&m, "region[7].gpa", 5), 0);
	assert_int_equal(m.mem.regions[7].gpa, 5);
	assert_int_equal(kc_msg_set_field(&m, "region[8].gpa", 5), -ENOENT);
	assert_int_equal(kc_msg_set_field(&m, "region[-1].gpa", 5), -ENOENT);
	assert_int_equal(kc_msg_set_field(&m, "region[].gpa", 5), -ENOENT);
	assert_int_equal(kc_msg_set_field(&m, "region[1", 5), -ENOENT);
	assert_int_equal(kc_msg_set_field(&m, "region[1]", 5), -ENOENT);
	assert_int_equal(kc_msg_set_field(&m, "region[1].", 5), -ENOENT);
	assert_int_equal(kc_msg_set_field(&m, "region[99999999999999999999].gpa", 5), -ENOENT);

	kc_msg_init(&m, KC_VU_SET_INFLIGHT_FD);
	assert_int_equal(kc_msg_set_field(&m, "queue_size", 0x10000), -ERANGE);
	assert_int_equal(kc_msg_set_field(&m, "queue_size", 0xffff), 0);
	assert_int_equal(kc_msg_get_field(&m, "queue_size", &v), 0);
	assert_int_equal(v, 0xffff);

	kc_msg_init(&m, KC_VU_SET_CONFIG);
	assert_int_equal(kc_msg_set_field(&m, "data[32]", 256), -ERANGE);
	assert_int_equal(kc_msg_set_field(&m, "data[32]", 255), 0);
	assert_int_equal(m.config.data[32], 255);
}

static void printing_never_passes_the_buffer(void **state)
{
	char text[64], full[2048];
	struct kc_msg m;

	(void)state;
	kc_msg_init(&m, KC_VU_SET_MEM_TABLE);
	m.mem.nregions = 8;
	kc_msg_print(&m, full, sizeof(full));
	for (size_t cap = 0; cap < sizeof(text); cap++) {
		memset(text, '#', sizeof(text));
		kc_msg_print(&m, text, cap);
		for (size_t i = cap; i < sizeof(text); i++)
			assert_int_equal(text[i], '#');
		if (cap) {
			assert_int_equal(strlen(text), cap - 1);
			assert_memory_equal(text, full, cap - 1);
		}
	}
	kc_msg_init(&m, 99);
	m.flags = 2 | KC_VU_NEED_REPLY;
	m.nhandles = 2;
	kc_msg_print(&m, full, sizeof(full));
	assert_string_equal(full, "request 99 version 2 need_reply +2 fds");
}

static void fini_closes_what_nobody_took(void **state)
{
	struct kc_msg m;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	kc_msg_init(&m, KC_VU_SET_MEM_TABLE);
	m.handles[0].fd = fds[0];
	m.handles[1].fd = fds[1];
	m.nhandles = 2;
	m.handles[0] = KC_HANDLE_NONE;	/* taken */
	kc_msg_fini(&m);
	assert_int_equal(m.nhandles, 0);
	assert_int_equal(close(fds[1]), -1);
	assert_int_equal(close(fds[0]), 0);
}

/* Whatever the bytes: no crash, and what decodes encodes to the same bytes (but for padding). */
static void any_bytes_are_survived(void **state)
{
	uint8_t in[KC_VU_HDR_BYTES + 96], out[sizeof(in) + 8];
	unsigned decoded = 0;
	struct kc_msg m;
	char text[128];

	(void)state;
	srandom(1);
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t hdr[3] = { random() % 50, random() % 16, random() % 96 };
		bool is_reply = random() % 2;

		memcpy(in, hdr, sizeof(hdr));
		for (size_t i = sizeof(hdr); i < sizeof(in); i++)
			in[i] = random() % 4 ? 0 : random();
		kc_msg_init(&m, 0);
		if (!kc_msg_decode(&m, in, 12 + hdr[2], is_reply, NULL) && hdr[1] &&
		    m.payload != KC_PL_INFLIGHT && m.payload != KC_PL_CONFIG) {
			decoded++;
			assert_int_equal(kc_msg_encode(&m, out, sizeof(out)), 12 + hdr[2]);
			assert_memory_equal(in, out, 12 + hdr[2]);
		}
		kc_msg_print(&m, text, sizeof(text));
	}
	assert_true(decoded > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_bytes_decode_print_and_encode_back),
		cmocka_unit_test(golden_config_reads_by_name),
		cmocka_unit_test(requests_have_the_documented_size),
		cmocka_unit_test(table_knows_every_request),
		cmocka_unit_test(protocol_features_have_names),
		cmocka_unit_test(mem_table_is_laid_out_as_documented),
		cmocka_unit_test(ring_address_field_order),
		cmocka_unit_test(single_region_has_padding_first),
		cmocka_unit_test(payload_sizes_are_checked),
		cmocka_unit_test(header_must_agree_with_the_bytes),
		cmocka_unit_test(counts_that_lie_are_caught_and_can_be_sent),
		cmocka_unit_test(config_error_reply_is_empty),
		cmocka_unit_test(fields_go_by_name_and_width),
		cmocka_unit_test(printing_never_passes_the_buffer),
		cmocka_unit_test(fini_closes_what_nobody_took),
		cmocka_unit_test(any_bytes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

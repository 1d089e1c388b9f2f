// SPDX-License-Identifier: BSD-3-Clause
/*
 * Modules: backend/reference/ref_blk.c, backend/reference/ref_storage.c
 *
 * The reference back-end's block device: requests in every framing, what the status and the used
 * length say, what is refused, and that the storage holds exactly what was written.
 */
#include <tests/unit/ref_fixture.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/virtio_blk.h>
#include <kickcall/storage.h>

#define SECTORS		128u		/* 64 KiB, as fx_open has it */
#define HDR		BUFS
#define DATA		(BUFS + 0x1000)
#define STATUS		(BUFS + 0x8000)
#define POISON		0xa5
#define CACHE_BITS	(KC_BIT(VIRTIO_BLK_F_FLUSH) | KC_BIT(VIRTIO_BLK_F_CONFIG_WCE))

static void put_header(struct fx *f, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr h = { htole32(type), htole32(0x77), htole64(sector) };

	memcpy(fx_host(f, HDR), &h, sizeof(h));
	memset(fx_host(f, STATUS), POISON, 1);
}

/* One request of three descriptors; returns the status byte, *len the used length. */
static uint8_t request(struct fx *f, uint32_t type, uint64_t sector, uint32_t data, uint16_t dir,
		       uint32_t *len)
{
	uint16_t idx = fx_used_idx(f, 0);

	put_header(f, type, sector);
	fx_desc(f, 0, 0, HDR, 16, NEXT, 1);
	fx_desc(f, 0, 1, DATA, data, NEXT | dir, 2);
	fx_desc(f, 0, 2, STATUS, 1, RW, 0);
	fx_offer(f, 0, 0);
	fx_kick(f, 0);
	fx_run(f);
	assert_int_equal(fx_count(f->q[0].err), 0);
	assert_int_equal(fx_used_idx(f, 0), (uint16_t)(idx + 1));
	*len = kc_ring_load32(fx_host(f, f->q[0].used) + kc_used_slot(idx % f->q[0].size) + 4,
			      __ATOMIC_RELAXED);
	return *fx_host(f, STATUS);
}

static void expect_pattern(struct fx *f, uint64_t gpa, uint64_t offset, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(*fx_host(f, gpa + i), kc_storage_pattern(offset + i));
}

static void expect_all(struct fx *f, uint64_t gpa, uint8_t byte, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(*fx_host(f, gpa + i), byte);
}

static void open_blk(struct fx *f, uint64_t features)
{
	fx_open(f, "blk", features);
	fx_start(f, 0, 64, 0);
}

static void reads_the_pattern(void **state)
{
	struct fx f;
	uint32_t len;

	(void)state;
	open_blk(&f, 0);
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, 3, 1024, RW, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1025);
	expect_pattern(&f, DATA, 3 * 512, 1024);
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, SECTORS - 1, 512, RW, &len), VIRTIO_BLK_S_OK);
	expect_pattern(&f, DATA, (SECTORS - 1) * 512, 512);
	fx_close(&f);
}

static void writes_and_reads_back(void **state)
{
	struct fx f;
	uint32_t len;

	(void)state;
	open_blk(&f, 0);
	memset(fx_host(&f, DATA), 0x5a, 1024);
	assert_int_equal(request(&f, VIRTIO_BLK_T_OUT, 8, 1024, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1);
	memset(fx_host(&f, DATA), POISON, 2048);
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, 7, 2048, RW, &len), VIRTIO_BLK_S_OK);
	expect_pattern(&f, DATA, 7 * 512, 512);
	expect_all(&f, DATA + 512, 0x5a, 1024);
	expect_pattern(&f, DATA + 1536, 10 * 512, 512);
	assert_int_equal(request(&f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1);
	fx_close(&f);
}

/* What cannot be read fails with zeroes, so that used.len tells the truth. */
static void bad_ranges_fail(void **state)
{
	static const struct { uint64_t sector; uint32_t data; } rows[] = {
		{ SECTORS, 512 }, { SECTORS - 1, 1024 }, { UINT64_MAX, 512 },
		{ UINT64_MAX / 512, 512 }, { 0x80000000000000ull, 512 }, { 0, 511 }, { 0, 1 },
		{ 0, 513 },
	};
	struct fx f;
	uint32_t len;

	(void)state;
	open_blk(&f, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(fx_host(&f, DATA), POISON, 2048);
		assert_int_equal(request(&f, VIRTIO_BLK_T_IN, rows[i].sector, rows[i].data, RW,
					 &len), VIRTIO_BLK_S_IOERR);
		assert_int_equal(len, rows[i].data + 1);
		expect_all(&f, DATA, 0, rows[i].data);
		assert_int_equal(*fx_host(&f, DATA + rows[i].data), POISON);
		memset(fx_host(&f, DATA), POISON, 2048);
		assert_int_equal(request(&f, VIRTIO_BLK_T_OUT, rows[i].sector, rows[i].data, 0,
					 &len), VIRTIO_BLK_S_IOERR);
		assert_int_equal(len, 1);
		expect_all(&f, DATA, POISON, 2048);
	}
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, 0, 1024, RW, &len), VIRTIO_BLK_S_OK);
	expect_pattern(&f, DATA, 0, 1024);
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, SECTORS - 2, 1024, RW, &len),
			 VIRTIO_BLK_S_OK);
	expect_pattern(&f, DATA, (SECTORS - 2) * 512, 1024);
	fx_close(&f);
}

static void get_id_of_any_length(void **state)
{
	static const uint8_t id[24] = "kickcall-ref";	/* NUL-padded to 20, then zeroes */
	static const uint32_t lens[] = { 20, 5, 0, 24 };
	struct fx f;
	uint32_t len;

	(void)state;
	open_blk(&f, 0);
	for (unsigned i = 0; i < 4; i++) {
		memset(fx_host(&f, DATA), POISON, 32);
		assert_int_equal(request(&f, VIRTIO_BLK_T_GET_ID, 0, lens[i], RW, &len),
				 VIRTIO_BLK_S_OK);
		assert_int_equal(len, lens[i] + 1);
		assert_memory_equal(fx_host(&f, DATA), id, lens[i]);
		assert_int_equal(*fx_host(&f, DATA + lens[i]), POISON);
	}
	fx_close(&f);
}

static void unknown_types(void **state)
{
	static const uint32_t types[] = { 2, 3, 5, 9, 10, 11, 13, 0x80000000u, UINT32_MAX };
	struct fx f;
	uint32_t len;

	(void)state;
	open_blk(&f, 0);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(request(&f, types[i], 0, 6, RW, &len), VIRTIO_BLK_S_UNSUPP);
		assert_int_equal(len, 7);
		expect_all(&f, DATA, 0, 6);
	}
	fx_close(&f);
}

/* Every byte in a descriptor of its own, in an indirect table. */
static void one_byte_descriptors(void **state)
{
	struct fx f;
	uint64_t table = BUFS + 0x10000;
	uint32_t n = 16 + 512 + 1;

	(void)state;
	fx_open(&f, "blk", F_IND);
	fx_start(&f, 0, 1024, 0);
	put_header(&f, VIRTIO_BLK_T_IN, 1);
	for (uint32_t i = 0; i < n; i++)
		fx_desc_at(&f, table + 16 * i,
			   i < 16 ? HDR + i : i < n - 1 ? DATA + i - 16 : STATUS, 1,
			   (i < 16 ? 0 : RW) | (i < n - 1 ? NEXT : 0), (uint16_t)(i + 1));
	fx_desc(&f, 0, 0, table, 16 * n, IND, 0);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	fx_expect_used(&f, 0, 0, 0, 513);
	assert_int_equal(*fx_host(&f, STATUS), VIRTIO_BLK_S_OK);
	expect_pattern(&f, DATA, 512, 512);
	fx_close(&f);
}

/* Header and data in one descriptor; data and status in one. */
static void merged_descriptors(void **state)
{
	struct fx f;

	(void)state;
	open_blk(&f, 0);
	put_header(&f, VIRTIO_BLK_T_OUT, 2);
	memset(fx_host(&f, HDR + 16), 0x33, 512);
	fx_desc(&f, 0, 0, HDR, 16 + 512, NEXT, 1);
	fx_desc(&f, 0, 1, STATUS, 1, RW, 0);
	fx_offer(&f, 0, 0);
	fx_run(&f);
	fx_expect_used(&f, 0, 0, 0, 1);
	assert_int_equal(*fx_host(&f, STATUS), VIRTIO_BLK_S_OK);

	put_header(&f, VIRTIO_BLK_T_IN, 2);
	memset(fx_host(&f, DATA), POISON, 514);
	fx_desc(&f, 0, 0, HDR, 16, NEXT, 1);
	fx_desc(&f, 0, 1, DATA, 513, RW, 0);
	fx_offer(&f, 0, 0);
	fx_kick(&f, 0);
	fx_run(&f);
	fx_expect_used(&f, 0, 1, 0, 513);
	expect_all(&f, DATA, 0x33, 512);
	assert_int_equal(*fx_host(&f, DATA + 512), VIRTIO_BLK_S_OK);
	assert_int_equal(*fx_host(&f, DATA + 513), POISON);
	fx_close(&f);
}

/* No header, or no room for the status: the buffer comes back with length 0, the ring goes on. */
static void unanswerable_requests(void **state)
{
	struct fx f;
	uint32_t len;

	(void)state;
	open_blk(&f, 0);
	put_header(&f, VIRTIO_BLK_T_OUT, 0);
	fx_desc(&f, 0, 0, HDR, 16, NEXT, 1);
	fx_desc(&f, 0, 1, DATA, 512, 0, 0);
	fx_offer(&f, 0, 0);
	fx_desc(&f, 0, 2, HDR, 15, NEXT, 3);
	fx_desc(&f, 0, 3, STATUS, 1, RW, 0);
	fx_offer(&f, 0, 2);
	fx_desc(&f, 0, 4, STATUS, 1, RW, 0);
	fx_offer(&f, 0, 4);
	fx_kick(&f, 0);
	fx_run(&f);
	assert_int_equal(fx_used_idx(&f, 0), 3);
	fx_expect_used(&f, 0, 0, 0, 0);
	fx_expect_used(&f, 0, 1, 2, 0);
	fx_expect_used(&f, 0, 2, 4, 0);
	assert_int_equal(*fx_host(&f, STATUS), POISON);
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, 0, 512, RW, &len), VIRTIO_BLK_S_OK);
	expect_pattern(&f, DATA, 0, 512);		/* nothing was written */
	fx_close(&f);
}

static void read_only(void **state)
{
	struct kc_ref_config c = { .device = "blk", .queues = 1, .capacity = 4096,
				   .read_only = true };
	struct fx f;
	uint32_t len;

	(void)state;
	fx_open_config(&f, &c);
	assert_true(fx_get_u64(&f, KC_VU_GET_FEATURES) & KC_BIT(VIRTIO_BLK_F_RO));
	fx_u64(&f, KC_VU_SET_FEATURES, F_V1);
	fx_mem_table(&f, fx_regions, NREGIONS, NREGIONS);
	fx_start(&f, 0, 8, 0);
	memset(fx_host(&f, DATA), 0x99, 512);
	assert_int_equal(request(&f, VIRTIO_BLK_T_OUT, 0, 512, 0, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(len, 1);
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, 0, 512, RW, &len), VIRTIO_BLK_S_OK);
	expect_pattern(&f, DATA, 0, 512);
	fx_close(&f);
}

/* A file that ends in half a sector: whole sectors count, writes reach it, it is not extended. */
static void backing_file(void **state)
{
	char path[] = "/tmp/kc_ref_blk_XXXXXX";
	int fd = mkstemp(path);
	struct kc_ref_config c = { .device = "blk", .queues = 1, .file = path };
	struct fx f;
	uint8_t back[512];
	uint32_t len;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4 * 512 + 100), 0);
	fx_open_config(&f, &c);
	fx_u64(&f, KC_VU_SET_FEATURES, F_V1);
	fx_mem_table(&f, fx_regions, NREGIONS, NREGIONS);
	fx_start(&f, 0, 8, 0);
	memset(fx_host(&f, DATA), 0x42, 512);
	assert_int_equal(request(&f, VIRTIO_BLK_T_OUT, 3, 512, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(fd, back, 512, 3 * 512), 512);
	assert_memory_equal(back, fx_host(&f, DATA), 512);
	assert_int_equal(request(&f, VIRTIO_BLK_T_OUT, 4, 512, 0, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(lseek(fd, 0, SEEK_END), 4 * 512 + 100);
	fx_close(&f);
	close(fd);
	unlink(path);
}

static void open_file(struct fx *f, const char *path, uint64_t capacity, uint64_t features)
{
	struct kc_ref_config c = { .device = "blk", .queues = 1, .file = path,
				   .capacity = capacity };

	fx_open_config(f, &c);
	fx_u64(f, KC_VU_SET_FEATURES, F_V1 | F_PF | features);
	fx_u64(f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIG));
	fx_mem_table(f, fx_regions, NREGIONS, NREGIONS);
	fx_start(f, 0, 8, 0);
	fx_state(f, KC_VU_SET_VRING_ENABLE, 0, 1);
}

static uint8_t in_file(int fd, uint64_t sector)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)sector * 512), 1);
	return byte;
}

static void put(struct fx *f, uint64_t sector, uint8_t byte)
{
	uint32_t len;

	memset(fx_host(f, DATA), byte, 512);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, sector, 512, 0, &len), VIRTIO_BLK_S_OK);
}

static void set_wce(struct fx *f, uint8_t mode)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_CONFIG);
	m.config.offset = 32;
	m.config.size = 1;
	m.config.data[0] = mode;
	assert_int_equal(fx_send(f, &m), KC_REF_DONE);
}

/* What is in the file is what would outlive a crash; a good end loses nothing. */
static void the_cache_is_volatile(void **state)
{
	char dir[] = "/tmp/kc_ref_blk_XXXXXX", path[64];
	struct fx f;
	uint32_t len;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/disk", dir);
	open_file(&f, path, 16 * 512, CACHE_BITS);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 16 * 512);
	assert_int_equal(in_file(fd, 1), kc_storage_pattern(512));

	put(&f, 1, 0x11);
	put(&f, 3, 0x33);
	assert_int_equal(in_file(fd, 1), kc_storage_pattern(512));
	assert_int_equal(request(&f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(in_file(fd, 1), 0x11);
	assert_int_equal(in_file(fd, 2), kc_storage_pattern(1024));
	assert_int_equal(in_file(fd, 3), 0x33);
	put(&f, 1, 0x12);
	assert_int_equal(in_file(fd, 1), 0x11);
	set_wce(&f, 0);
	put(&f, 3, 0x34);
	assert_int_equal(in_file(fd, 3), 0x34);
	set_wce(&f, 1);
	put(&f, 15, 0x15);
	assert_int_equal(in_file(fd, 15), kc_storage_pattern(15 * 512));
	fx_close(&f);
	assert_int_equal(in_file(fd, 1), 0x12);
	assert_int_equal(in_file(fd, 15), 0x15);

	open_file(&f, path, 4096 * 512, 0);		/* a driver that cannot flush */
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, 15, 512, RW, &len), VIRTIO_BLK_S_OK);
	expect_all(&f, DATA, 0x15, 512);
	put(&f, 7, 0x77);
	assert_int_equal(in_file(fd, 7), 0x77);
	fx_close(&f);
	assert_int_equal(lseek(fd, 0, SEEK_END), 16 * 512);
	close(fd);
	unlink(path);
	rmdir(dir);
}

/* A file that takes no more writes: an I/O error, told as such. */
static void a_file_that_fails(void **state)
{
	int fd = memfd_create("disk", MFD_ALLOW_SEALING);
	char path[64];
	struct fx f;
	uint32_t len;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8 * 512), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	open_file(&f, path, 0, 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(request(&f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(request(&f, VIRTIO_BLK_T_OUT, 1, 512, 0, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(len, 1);
	assert_int_equal(request(&f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&f, VIRTIO_BLK_T_IN, 0, 512, RW, &len), VIRTIO_BLK_S_OK);
	fx_close(&f);
	close(fd);
}

/* ---- lists of ranges ---- */

#define LIST_BITS (KC_BIT(VIRTIO_BLK_F_DISCARD) | KC_BIT(VIRTIO_BLK_F_WRITE_ZEROES) | \
		   KC_BIT(SECURE_ERASE_BIT))
#define SECURE_ERASE_BIT	16
#define SECURE_ERASE_TYPE	14

struct segment {
	uint64_t sector;
	uint32_t sectors, flags;
};

static uint8_t list(struct fx *f, uint32_t type, const struct segment *segs, uint32_t n,
		    uint32_t bytes)
{
	uint8_t status;
	uint32_t len;

	memset(fx_host(f, DATA), 0, 0x1000);
	for (uint32_t i = 0; i < n; i++) {
		struct virtio_blk_discard_write_zeroes s = {
			htole64(segs[i].sector), htole32(segs[i].sectors), htole32(segs[i].flags),
		};

		memcpy(fx_host(f, DATA + i * sizeof(s)), &s, sizeof(s));
	}
	status = request(f, type, 0, bytes, 0, &len);
	assert_int_equal(len, 1);
	return status;
}

static void expect_sector(struct fx *f, uint64_t sector, int byte)
{
	uint32_t len;

	memset(fx_host(f, DATA), POISON, 512);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, sector, 512, RW, &len), VIRTIO_BLK_S_OK);
	if (byte < 0)
		expect_pattern(f, DATA, sector * 512, 512);
	else
		expect_all(f, DATA, (uint8_t)byte, 512);
}

static void lists_reach_their_sectors_only(void **state)
{
	static const struct segment three[] = { { 10, 2, 0 }, { 3, 1, 0 }, { SECTORS - 1, 1, 0 } };
	static const struct { uint32_t type; int byte; } rows[] = {
		{ VIRTIO_BLK_T_DISCARD, 0xdb }, { VIRTIO_BLK_T_WRITE_ZEROES, 0 },
		{ SECURE_ERASE_TYPE, 0 },
	};
	struct fx f;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		open_blk(&f, LIST_BITS);
		assert_int_equal(list(&f, rows[i].type, three, 3, 48), VIRTIO_BLK_S_OK);
		for (uint64_t s = 0; s < 16; s++)
			expect_sector(&f, s, s == 3 || s == 10 || s == 11 ? rows[i].byte : -1);
		expect_sector(&f, SECTORS - 2, -1);
		expect_sector(&f, SECTORS - 1, rows[i].byte);
		fx_close(&f);
	}
	open_blk(&f, LIST_BITS);
	assert_int_equal(list(&f, VIRTIO_BLK_T_WRITE_ZEROES, (struct segment[]){ { 5, 1, 1 } }, 1,
			      16), VIRTIO_BLK_S_OK);
	expect_sector(&f, 5, 0);
	fx_close(&f);
}

/* Nothing of a refused list is carried out, not even its good segments. */
static void lists_refused(void **state)
{
	static const struct { uint32_t type, bytes; struct segment bad; uint8_t status; } rows[] = {
		{ 11, 32, { 8, 1, 1 }, 2 }, { 14, 32, { 8, 1, 1 }, 2 }, { 11, 32, { 8, 1, 2 }, 2 },
		{ 13, 32, { 8, 1, 0x80000000 }, 2 }, { 14, 32, { 8, 1, 0x100 }, 2 },
		{ 13, 32, { 8, 1, 3 }, 2 }, { 11, 32, { SECTORS, 1, 4 }, 2 },
		{ 11, 32, { SECTORS, 1, 0 }, 1 }, { 13, 32, { SECTORS - 1, 2, 0 }, 1 },
		{ 14, 32, { UINT64_MAX, 1, 0 }, 1 }, { 13, 32, { UINT64_MAX, 2, 0 }, 1 },
		{ 11, 32, { 0, 129, 0 }, 1 }, { 13, 32, { 0, 129, 0 }, 1 },
		{ 14, 32, { 0, 65, 0 }, 1 }, { 13, 32, { 1, 0x800000, 0 }, 1 },
		{ 11, 31, { 8, 1, 0 }, 1 }, { 13, 17, { 8, 1, 0 }, 1 }, { 13, 15, { 8, 1, 0 }, 1 },
		{ 13, 0, { 8, 1, 0 }, 1 }, { 14, 5 * 16, { 8, 1, 0 }, 1 },
		{ 13, 9 * 16, { 8, 1, 0 }, 1 }, { 11, 17 * 16, { 8, 1, 0 }, 1 },
	};
	struct fx f;

	(void)state;
	open_blk(&f, LIST_BITS);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct segment two[] = { { 7, 1, 0 }, rows[i].bad };

		assert_int_equal(list(&f, rows[i].type, two, 2, rows[i].bytes), rows[i].status);
		expect_sector(&f, 0, -1);
		expect_sector(&f, 7, -1);
		expect_sector(&f, 8, -1);
	}
	fx_close(&f);
}

static void lists_need_their_feature(void **state)
{
	static const struct segment one = { 7, 1, 0 };
	static const struct { uint32_t type; unsigned bit; } rows[] = {
		{ 11, VIRTIO_BLK_F_DISCARD }, { 13, VIRTIO_BLK_F_WRITE_ZEROES },
		{ 14, SECURE_ERASE_BIT },
	};
	struct fx f;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		open_blk(&f, LIST_BITS & ~KC_BIT(rows[i].bit));
		assert_int_equal(list(&f, rows[i].type, &one, 1, 16), VIRTIO_BLK_S_UNSUPP);
		expect_sector(&f, 7, -1);
		fx_close(&f);
	}
}

static void lists_on_a_read_only_disk(void **state)
{
	struct kc_ref_config c = { .device = "blk", .queues = 1, .capacity = 16 * 512,
				   .read_only = true };
	static const struct segment one = { 7, 1, 0 }, odd = { 7, 1, 2 };
	struct fx f;

	(void)state;
	fx_open_config(&f, &c);
	fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | LIST_BITS);
	fx_mem_table(&f, fx_regions, NREGIONS, NREGIONS);
	fx_start(&f, 0, 8, 0);
	for (uint32_t type = 11; type <= 14; type += type == 11 ? 2 : 1) {
		assert_int_equal(list(&f, type, &one, 1, 16), VIRTIO_BLK_S_IOERR);
		assert_int_equal(list(&f, type, &odd, 1, 16), VIRTIO_BLK_S_UNSUPP);
		expect_sector(&f, 7, -1);
	}
	fx_close(&f);
}

static void bad_configurations(void **state)
{
	const struct kc_ref_config bad[] = {
		{ .device = "blk", .file = "/nonexistent/kickcall" },
		{ .device = "blk", .queues = 65 },
		{ .device = "blk", .capacity = 511 },
		{ .device = "toaster" },
		{ .device = NULL },
	};
	struct kc_err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.msg[0] = '\0';
		assert_null(kc_ref_new(&bad[i], &err));
		assert_true(strlen(err.msg) > 0);
	}
	kc_ref_free(NULL);
}

/* ---- configuration space ---- */

static enum kc_ref_answer get_config(struct fx *f, uint32_t offset, uint32_t size)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.config.offset = offset;
	m.config.size = size;
	m.config.flags = 1;
	return fx_send(f, &m);
}

static enum kc_ref_answer set_config(struct fx *f, uint32_t offset, uint32_t size, uint32_t flags,
				     const void *data)
{
	struct kc_msg m;

	kc_msg_init(&m, KC_VU_SET_CONFIG);
	m.config.offset = offset;
	m.config.size = size;
	m.config.flags = flags;
	if (size <= sizeof(m.config.data))
		memcpy(m.config.data, data, size);
	return fx_send(f, &m);
}

static uint8_t wce(struct fx *f)
{
	assert_int_equal(get_config(f, 32, 1), KC_REF_REPLY);
	assert_int_equal(f->reply.config.size, 1);
	return f->reply.config.data[0];
}

static void open_config(struct fx *f, uint64_t features)
{
	fx_open(f, "blk", features | F_PF);
	assert_int_equal(fx_u64(f, KC_VU_SET_PROTOCOL_FEATURES, KC_BIT(KC_PF_CONFIG)), KC_REF_DONE);
}

static void config_fields(void **state)
{
	struct fx f;
	struct virtio_blk_config c;

	(void)state;
	open_config(&f, 0);
	assert_int_equal(get_config(&f, 0, 96), KC_REF_REPLY);
	assert_int_equal(f.reply.payload, KC_PL_CONFIG);
	assert_int_equal(f.reply.config.size, 96);
	assert_int_equal(f.reply.config.flags, 1);
	memcpy(&c, f.reply.config.data, sizeof(c));
	assert_int_equal(le64toh(c.capacity), SECTORS);
	assert_int_equal(le32toh(c.blk_size), 512);
	assert_int_equal(le16toh(c.num_queues), NQUEUES);
	assert_true(le32toh(c.seg_max) > 0);
	assert_int_equal(c.unused, 0);
	assert_int_equal(le32toh(c.size_max), 1 << 20);
	assert_int_equal(c.geometry.heads * c.geometry.sectors, 16 * 63);
	assert_int_equal(1 << c.physical_block_exp, le16toh(c.min_io_size));
	assert_int_equal(le32toh(c.max_discard_sectors), 128);
	assert_int_equal(le32toh(c.max_discard_seg), 16);
	assert_int_equal(le32toh(c.max_write_zeroes_sectors), 128);
	assert_int_equal(le32toh(c.max_write_zeroes_seg), 8);
	assert_int_equal(f.reply.config.data[60], 64);		/* secure erase */
	assert_int_equal(f.reply.config.data[64], 4);
	assert_int_equal(f.reply.config.data[68], 8);
	for (int i = 72; i < 96; i++)
		assert_int_equal(f.reply.config.data[i], 0);
	assert_int_equal(get_config(&f, 34, 2), KC_REF_REPLY);
	assert_int_equal(f.reply.config.offset, 34);
	assert_int_equal(f.reply.config.data[0], NQUEUES);
	fx_close(&f);
}

static void config_out_of_range(void **state)
{
	static const struct { uint32_t offset, size; } rows[] = {
		{ 0, 97 }, { 96, 1 }, { 95, 2 }, { UINT32_MAX, 1 }, { 1, UINT32_MAX }, { 0, 0 },
		{ 0, 256 },
	};
	static const uint8_t zeroes[256];
	struct fx f;

	(void)state;
	open_config(&f, CACHE_BITS);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(get_config(&f, rows[i].offset, rows[i].size), KC_REF_REPLY);
		assert_int_equal(f.reply.config.size, 0);
		assert_int_equal(set_config(&f, rows[i].offset, rows[i].size, 1, zeroes),
				 KC_REF_REFUSED);
	}
	fx_close(&f);
}

static void writeback_is_the_only_writable_field(void **state)
{
	static const uint8_t zero[8], two = 2, one = 1;
	struct fx f;

	(void)state;
	open_config(&f, CACHE_BITS);
	assert_int_equal(wce(&f), 1);
	assert_int_equal(set_config(&f, 32, 1, 0, zero), KC_REF_DONE);
	assert_int_equal(wce(&f), 0);
	assert_int_equal(fx_u64(&f, KC_VU_SET_FEATURES, F_V1 | F_PF | CACHE_BITS), KC_REF_DONE);
	assert_int_equal(wce(&f), 0);		/* said again, nothing changes */
	assert_int_equal(set_config(&f, 32, 1, 0, &one), KC_REF_DONE);
	assert_int_equal(wce(&f), 1);
	assert_int_equal(set_config(&f, 32, 1, 0, &two), KC_REF_REFUSED);
	assert_int_equal(set_config(&f, 32, 2, 0, zero), KC_REF_REFUSED);
	assert_int_equal(set_config(&f, 0, 8, 0, zero), KC_REF_REFUSED);
	assert_int_equal(set_config(&f, 31, 1, 0, zero), KC_REF_REFUSED);
	assert_int_equal(set_config(&f, 32, 1, 2, zero), KC_REF_REFUSED);
	assert_int_equal(wce(&f), 1);
	fx_close(&f);
}

static void writeback_needs_its_feature(void **state)
{
	static const uint8_t zero;
	struct fx f;

	(void)state;
	open_config(&f, KC_BIT(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(set_config(&f, 32, 1, 0, &zero), KC_REF_REFUSED);
	fx_close(&f);
	open_config(&f, KC_BIT(VIRTIO_BLK_F_CONFIG_WCE));
	assert_int_equal(wce(&f), 0);		/* BLK-INIT-DEV-02 */
	fx_close(&f);
}

static void migration_takes_over_the_cache_mode_only(void **state)
{
	struct fx f;
	uint8_t config[96];

	(void)state;
	open_config(&f, CACHE_BITS);
	get_config(&f, 0, 96);
	memcpy(config, f.reply.config.data, 96);
	config[32] = 0;
	assert_int_equal(set_config(&f, 0, 96, 1, config), KC_REF_DONE);
	assert_int_equal(wce(&f), 0);
	config[0]++;
	config[32] = 1;
	assert_int_equal(set_config(&f, 0, 96, 1, config), KC_REF_REFUSED);
	assert_int_equal(wce(&f), 0);
	fx_close(&f);
}

static void features_offered(void **state)
{
	struct kc_ref_config c = { .device = "blk", .queues = 1,
				   .features_off = KC_BIT(VIRTIO_BLK_F_FLUSH) | F_EVT };
	struct fx f;
	uint64_t got;

	(void)state;
	fx_open(&f, "blk", 0);
	got = fx_get_u64(&f, KC_VU_GET_FEATURES);
	assert_int_equal(got, F_COMMON | CACHE_BITS | KC_BIT(VIRTIO_BLK_F_MQ) |
			 KC_BIT(VIRTIO_BLK_F_SEG_MAX) | KC_BIT(VIRTIO_BLK_F_BLK_SIZE) |
			 KC_BIT(VIRTIO_BLK_F_TOPOLOGY) | KC_BIT(VIRTIO_BLK_F_SIZE_MAX) |
			 KC_BIT(VIRTIO_BLK_F_GEOMETRY) | LIST_BITS);
	fx_close(&f);
	fx_open_config(&f, &c);
	got = fx_get_u64(&f, KC_VU_GET_FEATURES);
	assert_false(got & (CACHE_BITS | F_EVT | KC_BIT(VIRTIO_BLK_F_MQ) |
			    KC_BIT(VIRTIO_BLK_F_RO)));
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_pattern),
		cmocka_unit_test(writes_and_reads_back),
		cmocka_unit_test(bad_ranges_fail),
		cmocka_unit_test(get_id_of_any_length),
		cmocka_unit_test(unknown_types),
		cmocka_unit_test(one_byte_descriptors),
		cmocka_unit_test(merged_descriptors),
		cmocka_unit_test(unanswerable_requests),
		cmocka_unit_test(read_only),
		cmocka_unit_test(backing_file),
		cmocka_unit_test(the_cache_is_volatile),
		cmocka_unit_test(a_file_that_fails),
		cmocka_unit_test(lists_reach_their_sectors_only),
		cmocka_unit_test(lists_refused),
		cmocka_unit_test(lists_need_their_feature),
		cmocka_unit_test(lists_on_a_read_only_disk),
		cmocka_unit_test(bad_configurations),
		cmocka_unit_test(config_fields),
		cmocka_unit_test(config_out_of_range),
		cmocka_unit_test(writeback_is_the_only_writable_field),
		cmocka_unit_test(writeback_needs_its_feature),
		cmocka_unit_test(migration_takes_over_the_cache_mode_only),
		cmocka_unit_test(features_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

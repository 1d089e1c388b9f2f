// SPDX-License-Identifier: BSD-3-Clause
/* The reference back-end's SCSI host: commands, what is refused, task management, and the sizes that
 * the driver may set. */
#include <tests/unit/ref_fixture.h>
#include <kickcall/storage.h>

#define OUT	BUFS
#define IN	(BUFS + 0x1000)
#define HEADER	51u
#define RESP	108u

static const uint8_t disk[8] = { 1 };

/* Offers what is at OUT; returns used.len. */
static uint32_t request(struct fx *f, unsigned qi, uint32_t out, uint32_t in)
{
	uint16_t idx = fx_used_idx(f, qi);

	memset(fx_host(f, IN), 0xa5, 2048);
	fx_desc(f, qi, 0, OUT, out, NEXT, 1);
	fx_desc(f, qi, 1, IN, in, RW, 0);
	fx_offer(f, qi, 0);
	fx_kick(f, qi);
	fx_run(f);
	assert_int_equal(fx_used_idx(f, qi), (uint16_t)(idx + 1));
	return kc_ring_load32(fx_host(f, f->q[qi].used) + kc_used_slot(idx % f->q[qi].size) + 4,
			      __ATOMIC_RELAXED);
}

static uint32_t command(struct fx *f, const uint8_t lun[8], const uint8_t cdb[16], uint32_t out, uint32_t in)
{
	memset(fx_host(f, OUT), 0, HEADER);
	memcpy(fx_host(f, OUT), lun, 8);
	memcpy(fx_host(f, OUT) + 19, cdb, 16);
	return request(f, 2, HEADER + out, RESP + in);
}

static void expect(struct fx *f, uint8_t status, uint8_t response, uint32_t resid, uint8_t asc)
{
	const uint8_t *in = fx_host(f, IN);

	assert_int_equal(in[11], response);
	assert_int_equal(in[10], status);
	assert_int_equal(in[4] | in[5] << 8, resid);
	assert_int_equal(in[0], status ? 18 : 0);
	assert_int_equal(in[12 + 12], asc);
}

static void open_scsi(struct fx *f)
{
	fx_open(f, "scsi", 0);
	for (unsigned qi = 0; qi < 4; qi++)
		fx_start(f, qi, 8, 0);
}

static void reads_and_writes(void **state)
{
	const uint8_t rd[16] = { 0x28, 0, 0, 0, 0, 3, 0, 0, 1 }, wr[16] = { 0x2a, 0, 0, 0, 0, 3, 0, 0, 1 };
	const uint8_t past[16] = { 0x28, 0, 0, 0, 0, 127, 0, 0, 2 };
	struct fx f;

	(void)state;
	open_scsi(&f);
	assert_int_equal(command(&f, disk, rd, 0, 512), RESP + 512);
	expect(&f, 0, 0, 0, 0);
	for (uint32_t i = 0; i < 512; i++)
		assert_int_equal(*fx_host(&f, IN + RESP + i), kc_storage_pattern(3 * 512 + i));
	memset(fx_host(&f, OUT + HEADER), 0x5a, 512);
	assert_int_equal(command(&f, disk, wr, 512, 0), RESP);
	command(&f, disk, rd, 0, 1024);
	expect(&f, 0, 0, 512, 0);
	assert_int_equal(*fx_host(&f, IN + RESP + 511), 0x5a);
	assert_int_equal(*fx_host(&f, IN + RESP + 512), 0xa5);
	command(&f, disk, past, 0, 1024);
	expect(&f, 2, 0, 1024, 0x21);
	command(&f, disk, rd, 0, 511);		/* OVERRUN */
	expect(&f, 0, 1, 511, 0);
	command(&f, disk, rd, 512, 512);	/* both ways */
	expect(&f, 0, 9, 1024, 0);
	fx_close(&f);
}

static void who_is_there(void **state)
{
	static const uint8_t target[8] = { 1, 1 }, lun[8] = { 1, 0, 0x40, 1 }, known[8] = { 0xc1, 1 };
	const uint8_t ready[16] = { 0x00 }, inquiry[16] = { 0x12, 0, 0, 0, 36 };
	const uint8_t luns[16] = { 0xa0, [9] = 16 }, bad[16] = { 0xff };
	struct fx f;

	(void)state;
	open_scsi(&f);
	command(&f, disk, ready, 0, 0);
	expect(&f, 0, 0, 0, 0);
	command(&f, target, ready, 0, 0);
	expect(&f, 0, 3, 0, 0);
	command(&f, lun, ready, 0, 0);
	expect(&f, 2, 0, 0, 0x25);
	command(&f, lun, inquiry, 0, 36);
	assert_int_equal(*fx_host(&f, IN + RESP), 0x7f);
	command(&f, disk, inquiry, 0, 36);
	assert_int_equal(*fx_host(&f, IN + RESP), 0);
	command(&f, known, luns, 0, 16);
	expect(&f, 0, 0, 0, 0);
	command(&f, disk, bad, 0, 0);
	expect(&f, 2, 0, 0, 0x20);
	assert_int_equal(request(&f, 2, HEADER - 1, RESP), 0);
	assert_int_equal(request(&f, 2, HEADER, RESP - 1), 0);
	fx_close(&f);
}

static void control_requests_are_answered(void **state)
{
	/* type, subtype, target, LUN, bytes; response */
	static const uint8_t rows[][6] = {
		{ 0, 0, 0, 0, 24, 0 }, { 0, 7, 0, 0, 24, 0 }, { 0, 8, 0, 0, 24, 11 }, { 0, 5, 1, 0, 24, 3 },
		{ 0, 5, 0, 1, 24, 12 }, { 0, 4, 0, 1, 24, 0 }, { 9, 0, 0, 0, 24, 9 }, { 0, 0, 0, 0, 23, 9 },
	};
	struct fx f;

	(void)state;
	open_scsi(&f);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const uint8_t head[24] = { rows[i][0], [4] = rows[i][1], [8] = 1, rows[i][2], 0, rows[i][3] };

		memcpy(fx_host(&f, OUT), head, sizeof(head));
		assert_int_equal(request(&f, 0, rows[i][4], 1), 1);
		assert_int_equal(*fx_host(&f, IN), rows[i][5]);
	}
	memcpy(fx_host(&f, OUT), ((uint8_t[16]){ 1, 0, 0, 0, 1 }), 16);
	assert_int_equal(request(&f, 0, 16, 5), 5);
	assert_int_equal(*fx_host(&f, IN + 4), 0);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(who_is_there),
		cmocka_unit_test(control_requests_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

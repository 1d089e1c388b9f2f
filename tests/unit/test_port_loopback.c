/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: guest_model/port.c, guest_model/port_loopback.c
 *
 * The loopback port, and through it the shared cutting of byte streams into descriptors.
 */
#include "guest_fixture.h"
#include <errno.h>
#include <guest_model/port.h>

struct fix {
	struct guest g;
	struct kc_port *port;
	struct kc_err err;
};

static void open_port(struct fix *t, uint32_t chain_max, uint64_t seed, bool flip)
{
	struct kc_port_env env = { .seed = seed, .poison_flip = flip, .ring_max_chain = chain_max };

	guest_init(&t->g);
	env.mem = &t->g.mem;
	t->port = kc_port_by_name("loopback")->open(&env, &t->err);
	assert_non_null(t->port);
}

static void close_port(struct fix *t)
{
	t->port->ops->close(t->port);
	guest_fini(&t->g);
}

static struct kc_request *make(struct fix *t, const struct kc_shape *shape)
{
	int code = 1;
	struct kc_request *r = t->port->ops->make(t->port, 0, shape, &code, &t->err);

	if (r)
		assert_int_equal(code, 0);
	return r;
}

static void refuse(struct fix *t, const struct kc_shape *shape, int expected)
{
	int code = 0;

	t->err.msg[0] = 0;
	assert_null(t->port->ops->make(t->port, 0, shape, &code, &t->err));
	assert_int_equal(code, expected);
	assert_true(strlen(t->err.msg) > 10);
}

static void gather(struct fix *t, const struct kc_request *r, bool write, uint8_t *buf)
{
	for (unsigned i = 0; i < r->nsegs; i++) {
		if (r->segs[i].write != write)
			continue;
		assert_int_equal(kc_mem_read(&t->g.mem, r->segs[i].gpa, buf, r->segs[i].len), 0);
		buf += r->segs[i].len;
	}
}

/* The device: copies readable to writable, then changes one byte if it is told to lie. */
static void device(struct fix *t, const struct kc_request *r, int lie_at)
{
	uint8_t *buf = calloc(1, (r->readable > r->writable ? r->readable : r->writable) + 1);
	uint32_t at = 0;

	gather(t, r, true, buf);
	gather(t, r, false, buf);
	if (lie_at >= 0)
		buf[lie_at] ^= 0x10;
	for (unsigned i = 0; i < r->nsegs; i++) {
		if (!r->segs[i].write)
			continue;
		guest_device_write(&t->g, r->segs[i].gpa, buf + at, r->segs[i].len);
		at += r->segs[i].len;
	}
	free(buf);
}

static enum kc_payload_verdict check(struct fix *t, struct kc_request *r)
{
	struct kc_used u = { .len = r->writable };
	int code = 1;
	enum kc_payload_verdict v = t->port->ops->check(t->port, 0, r, &u, &code, &t->err);

	assert_int_equal(code, 0);
	return v;
}

static void check_lens(const struct kc_request *r, const uint32_t *lens, unsigned n)
{
	assert_int_equal(r->nsegs, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(r->segs[i].len, lens[i]);
}

static void tables(void **state)
{
	(void)state;
	assert_ptr_equal(kc_port_by_name("blk"), &kc_port_blk);
	assert_null(kc_port_by_name("nonesuch"));
	for (unsigned i = 0; kc_ports[i]; i++)
		assert_ptr_equal(kc_port_by_name(kc_ports[i]->device), kc_ports[i]);
}

static void natural(void **state)
{
	static const uint32_t lens[] = { 64, 64 };
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, 0, 1, false);
	for (int dir = KC_DIR_ANY; dir <= KC_DIR_IN; dir++) {
		r = make(&t, &(struct kc_shape){ .dir = dir });
		assert_non_null(r);
		check_lens(r, lens, 2);
		assert_false(r->segs[0].write);
		assert_true(r->segs[1].write);
		assert_int_equal(r->len_expected, 64);
		assert_int_equal(r->len_min, 64);
		assert_int_equal(r->serial, dir + 1);
		assert_int_equal(check(&t, r), KC_PAYLOAD_WRONG);	/* still the poison */
		device(&t, r, -1);
		assert_int_equal(check(&t, r), KC_PAYLOAD_RIGHT);
		device(&t, r, 63);
		assert_int_equal(check(&t, r), KC_PAYLOAD_WRONG);
		assert_non_null(strstr(t.err.msg, "byte 63"));
		t.port->ops->release(t.port, r);
	}
	close_port(&t);
}

static void sizes_and_numbers(void **state)
{
	static const struct { uint32_t data, n; } rows[] = {
		{ 1, 0 }, { 1, 2 }, { 5000, 0 }, { 0, 1 }, { 0, 2 }, { 0, 3 }, { 0, 8 }, { 10, 17 },
		{ 0, 128 }, { 0, 1000 }, { 0, 1024 }, { 100000, 7 },
	};
	struct fix t;

	(void)state;
	open_port(&t, 1024, 2, false);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kc_shape shape = { .data = rows[i].data, .descriptors = rows[i].n };
		struct kc_request *r = make(&t, &shape);
		uint32_t sum = 0;

		assert_non_null(r);
		assert_int_equal(r->nsegs, rows[i].n ? rows[i].n : 2);
		assert_true(r->readable >= rows[i].data);
		for (unsigned j = 0; j < r->nsegs; j++) {
			assert_true(r->segs[j].len > 0);
			assert_true(!j || r->segs[j].write || !r->segs[j - 1].write);
			sum += r->segs[j].len;
		}
		assert_int_equal(sum, r->readable + r->writable);
		device(&t, r, -1);
		assert_int_equal(check(&t, r), KC_PAYLOAD_RIGHT);
		t.port->ops->release(t.port, r);
	}
	refuse(&t, &(struct kc_shape){ .descriptors = 1025 }, -EINVAL);
	refuse(&t, &(struct kc_shape){ .descriptors = ~0u }, -EINVAL);
	refuse(&t, &(struct kc_shape){ .data = ~0u }, -EINVAL);
	refuse(&t, &(struct kc_shape){ .data = 8u << 20 }, -ENOMEM);
	refuse(&t, &(struct kc_shape){ .words = "flush" }, -EBADMSG);
	close_port(&t);
}

static void explicit_cuts(void **state)
{
	static const uint32_t cut[] = { 1, 14, 49, 1, 63 };
	static const uint32_t negative[] = { 64, 61, 2, 1 };
	static const uint32_t all[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 48, 63, 1 };
	struct kc_request *r;
	struct fix t;

	(void)state;
	open_port(&t, 0, 3, false);
	r = make(&t, &(struct kc_shape){ .cut_out = { 1, 15, 15 }, .ncut_out = 3,
					 .cut_in = { 1 }, .ncut_in = 1 });
	assert_non_null(r);
	check_lens(r, cut, 5);
	t.port->ops->release(t.port, r);

	r = make(&t, &(struct kc_shape){ .cut_in = { -3, -1 }, .ncut_in = 2, .indirect = true });
	assert_non_null(r);
	check_lens(r, negative, 4);
	assert_true(r->indirect);
	t.port->ops->release(t.port, r);

	r = make(&t, &(struct kc_shape){ .every_byte = true });
	assert_non_null(r);
	check_lens(r, all, 19);
	t.port->ops->release(t.port, r);

	/* together with an exact number: the cuts stay, others are added */
	r = make(&t, &(struct kc_shape){ .cut_out = { 32 }, .ncut_out = 1, .descriptors = 20 });
	assert_non_null(r);
	assert_int_equal(r->nsegs, 20);
	device(&t, r, -1);
	assert_int_equal(check(&t, r), KC_PAYLOAD_RIGHT);
	for (uint32_t i = 0, at = 0; at < 32; at += r->segs[i++].len)
		assert_true(at + r->segs[i].len <= 32);
	t.port->ops->release(t.port, r);

	refuse(&t, &(struct kc_shape){ .cut_out = { 64 }, .ncut_out = 1 }, -EINVAL);
	refuse(&t, &(struct kc_shape){ .cut_out = { 0 }, .ncut_out = 1 }, -EINVAL);
	refuse(&t, &(struct kc_shape){ .cut_in = { -64 }, .ncut_in = 1 }, -EINVAL);
	refuse(&t, &(struct kc_shape){ .every_byte = true, .descriptors = 18 }, -EINVAL);
	refuse(&t, &(struct kc_shape){ .cut_in = { 5 }, .ncut_in = 1, .descriptors = 2 }, -EINVAL);
	close_port(&t);
}

/* The largest buffer goes where the shape says; guards are left and right of every buffer. */
static void places(void **state)
{
	struct kc_shape shape = {
		.cut_in = { 1 }, .ncut_in = 1, .place = KC_PLACE_ACROSS, .data = 4096
	};
	struct kc_request *r, *second;
	struct fix t;

	(void)state;
	open_port(&t, 0, 4, false);
	r = make(&t, &shape);
	assert_non_null(r);
	assert_ptr_not_equal(kc_mem_region(&t.g.mem, r->segs[0].gpa),
			     kc_mem_region(&t.g.mem, r->segs[0].gpa + 4095));
	assert_ptr_equal(kc_mem_region(&t.g.mem, r->segs[2].gpa),
			 kc_mem_region(&t.g.mem, r->segs[2].gpa + 4094));
	device(&t, r, -1);
	assert_int_equal(check(&t, r), KC_PAYLOAD_RIGHT);
	refuse(&t, &shape, -ENOMEM);		/* the place is taken */
	t.port->ops->release(t.port, r);
	second = make(&t, &shape);
	assert_non_null(second);
	t.port->ops->release(t.port, second);
	close_port(&t);
}

/* Poison: the same for the same seed, complementary in the second run, different between requests.
 */
static void poison(void **state)
{
	uint8_t in[3][64], out[3][64], next[64], next_out[64];
	static const struct {
		uint64_t seed;
		bool flip;
	} runs[] = { { 7, false }, { 7, true }, { 8, false } };
	unsigned differ = 0, complement = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct kc_request *r, *second;
		struct fix t;

		open_port(&t, 0, runs[i].seed, runs[i].flip);
		r = make(&t, &(struct kc_shape){ 0 });
		second = make(&t, &(struct kc_shape){ 0 });
		gather(&t, r, true, in[i]);
		gather(&t, r, false, out[i]);
		gather(&t, second, true, next);
		gather(&t, second, false, next_out);
		assert_memory_not_equal(next, in[i], 64);
		assert_memory_not_equal(next_out, out[i], 64);
		t.port->ops->release(t.port, second);
		t.port->ops->release(t.port, r);
		close_port(&t);
	}
	assert_memory_equal(out[0], out[1], 64);
	assert_memory_not_equal(out[0], out[2], 64);
	assert_memory_not_equal(out[0], in[0], 64);
	for (unsigned i = 0; i < 64; i++) {
		/* the complement, but never what will be written in its place */
		assert_int_not_equal(in[0][i], in[1][i]);
		assert_int_not_equal(in[0][i], out[0][i]);
		assert_int_not_equal(in[1][i], out[1][i]);
		complement += (in[0][i] ^ in[1][i]) == 0xff;
		differ += in[0][i] != in[2][i];
	}
	assert_true(complement > 48);
	assert_true(differ > 48);
}

/* Every allocation comes back: many times more bytes than guest memory has. */
static void memory_comes_back(void **state)
{
	struct fix t;

	(void)state;
	open_port(&t, 0, 5, false);
	for (unsigned i = 0; i < 200; i++) {
		struct kc_request *r =
			make(&t, &(struct kc_shape){ .data = 200000, .descriptors = i + 2 });

		assert_non_null(r);
		t.port->ops->release(t.port, r);
	}
	close_port(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(natural),
		cmocka_unit_test(sizes_and_numbers),
		cmocka_unit_test(explicit_cuts),
		cmocka_unit_test(places),
		cmocka_unit_test(poison),
		cmocka_unit_test(memory_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

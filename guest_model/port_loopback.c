/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loopback device's port: what the device reads it must write back.
 *
 * Theory of operation: both streams are all data. The device copies the readable bytes to the
 * writable ones as far as both go, so the bytes to expect are the ones that were sent; they are
 * made again from the seed when the answer is checked. Where other devices have a header and a
 * status, the first 16 readable bytes and the last writable one stand in for them (`every_byte`).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <common/say.h>
#include <guest_model/port_build.h>

#define NATURAL_BYTES	64u
#define HEADER_BYTES	16u

struct loopback {
	uint64_t serial;
};

static struct kc_port *loopback_open(const struct kc_port_env *env, struct kc_err *err)
{
	return kc_port_alloc(&kc_port_loopback, env, sizeof(struct loopback), err);
}

/* An exact number: half of the descriptors are readable, one more if it is odd. */
static int cut_exactly(struct kc_plan *p, uint32_t n, struct kc_err *err)
{
	uint32_t readable = (n + 1) / 2, longest;
	struct kc_data_range out = { &p->out, 0, p->out.len }, in = { &p->in, 0, p->in.len };
	uint32_t have_out = kc_range_pieces(&out, &longest);
	uint32_t have_in = kc_range_pieces(&in, &longest);

	/* Cuts that the script asked for may have taken more than a half. */
	if (have_in > n - readable)
		readable = have_in < n ? n - have_in : 0;
	if (have_out > readable)
		readable = have_out;
	if (readable > n || have_in > n - readable ||
	    kc_range_cut_more(&out, readable - have_out) < readable - have_out ||
	    kc_range_cut_more(&in, n - readable - have_in) < n - readable - have_in)
		return kc_err_set(err, -EINVAL,
				  "the request cannot be cut into exactly %u descriptors", n);
	return 0;
}

static int plan_cuts(struct kc_plan *p, const struct kc_shape *shape, struct kc_err *err)
{
	int ret = kc_plan_cut_explicit(p, shape, err);

	if (!ret && shape->every_byte) {
		for (uint32_t i = 1; i <= HEADER_BYTES; i++)
			kc_stream_cut(&p->out, i);
		if (p->in.len)
			kc_stream_cut(&p->in, p->in.len - 1);
	}
	if (!ret && shape->descriptors)
		ret = cut_exactly(p, shape->descriptors, err);
	return ret;
}

static struct kc_request *loopback_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
					int *code, struct kc_err *err)
{
	struct loopback *lb = p->priv;
	uint32_t bytes = shape->data ? shape->data : NATURAL_BYTES;
	uint64_t serial = lb->serial + 1;
	struct kc_request *r = NULL;
	struct kc_plan plan;

	(void)qi;
	if (shape->words) {
		*code = kc_err_set(err, -EBADMSG, "a loopback device knows no '%s'", shape->words);
		return NULL;
	}
	if (shape->descriptors > KC_SHAPE_SEGS_MAX) {
		*code = kc_err_set(err, -EINVAL, "%u descriptors are more than any ring has",
				   shape->descriptors);
		return NULL;
	}
	if (bytes < shape->descriptors)
		bytes = shape->descriptors;
	*code = kc_plan_init(&plan, bytes, shape->descriptors == 1 ? 0 : bytes, err);
	if (!*code)
		*code = plan_cuts(&plan, shape, err);
	if (!*code) {
		kc_port_fill(p, KC_FILL_DATA, serial, plan.out.bytes, plan.out.len);
		kc_port_fill(p, KC_FILL_POISON, serial, plan.in.bytes, plan.in.len);
		kc_poison_unlike(plan.in.bytes, plan.out.bytes,
				 plan.in.len < plan.out.len ? plan.in.len : plan.out.len);
		r = kc_plan_build(&plan, p, shape, serial, code, err);
	}
	kc_plan_fini(&plan);
	if (!r)
		return NULL;
	lb->serial = serial;
	r->len_expected = r->readable < r->writable ? r->readable : r->writable;
	r->len_min = r->len_expected;
	kc_say(r->what, sizeof(r->what), "loopback %u bytes out, %u in", r->readable,
		 r->writable);
	return r;
}

/* There is one. */
static enum kc_payload_verdict say_difference(const uint8_t *actual, const uint8_t *expected,
					      struct kc_err *why)
{
	uint32_t i = 0;

	while (actual[i] == expected[i])
		i++;
	kc_err_set(why, -EIO, "byte %u: expected 0x%02x, actual 0x%02x", i, expected[i], actual[i]);
	return KC_PAYLOAD_WRONG;
}

static enum kc_payload_verdict loopback_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					      const struct kc_used *u, int *code, struct kc_err *why)
{
	uint8_t *expected = malloc((size_t)r->readable + 1);
	uint8_t *actual = kc_request_read_back(p, r);
	enum kc_payload_verdict verdict = KC_PAYLOAD_RIGHT;

	(void)qi;
	(void)u;
	*code = 0;
	if (!expected || !actual) {
		kc_err_set(why, -ENOMEM, "no memory to check the answer");
		verdict = KC_PAYLOAD_FAILED;
		*code = -ENOMEM;
	} else {
		kc_port_fill(p, KC_FILL_DATA, r->serial, expected, r->readable);
		if (memcmp(actual, expected, r->len_min))
			verdict = say_difference(actual, expected, why);
	}
	free(expected);
	free(actual);
	return verdict;
}

static uint32_t loopback_max_descriptors(struct kc_port *p)
{
	(void)p;
	return 0;
}

static const char *loopback_code_name(int code)
{
	return code ? "no memory" : "OK";
}

const struct kc_port_ops kc_port_loopback = {
	.device = "loopback",
	.payload_clause = "VQ-FRAMING-DEV-01",
	.len_clause = "VQ-SPLIT-USED-04",
	.len_clause_packed = "VQ-PACKED-LEN-01",
	.open = loopback_open,
	.close = kc_port_free,
	.make = loopback_make,
	.check = loopback_check,
	.release = kc_request_free,
	.max_descriptors = loopback_max_descriptors,
	.code_name = loopback_code_name,
};

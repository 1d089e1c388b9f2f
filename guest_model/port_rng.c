/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The entropy device's port: buffers that come back with random bytes.
 *
 * Theory of operation: all of a request is writable. The device puts at least one byte into it, and as
 * many as used.len says (RNG-DEV-01); fewer than there is room for are fine. What bytes these are is
 * nobody's to judge. But the buffer held poison: where KNOWN_RUN bytes in a row that used.len counts
 * still hold it, the device has not written them, unless it has guessed 64 bits. A shorter run proves
 * nothing, and so the oracle's suspicion about single bytes is of no use here (`random`): every 256th
 * byte of a right device looks untouched, whatever the poison.
 *
 * Where other devices have a header and a status, the first 16 bytes and the last one stand in for
 * them (`every-byte`).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/virtio_ids.h>
#include <common/say.h>
#include <guest_model/port_build.h>

#define NATURAL_BYTES	64u
#define HEADER_BYTES	16u
#define KNOWN_RUN	8u

struct rng {
	uint64_t serial;
};

static struct kc_port *rng_open(const struct kc_port_env *env, struct kc_err *err)
{
	return kc_port_alloc(&kc_port_rng, env, sizeof(struct rng), err);
}

static bool rng_has_queue(struct kc_port *p, unsigned qi, uint64_t queue_num, struct kc_err *why)
{
	(void)p;
	(void)queue_num;
	if (qi)
		kc_err_set(why, 0, "an entropy device has one queue");
	return !qi;
}

static int check_shape(const struct kc_shape *shape, struct kc_err *err)
{
	if (shape->words)
		return kc_err_set(err, -EBADMSG, "an entropy device knows no '%s'", shape->words);
	if (shape->dir == KC_DIR_OUT)
		return kc_err_set(err, -EINVAL, "an entropy device takes writable buffers only");
	if (shape->descriptors > KC_SHAPE_SEGS_MAX)
		return kc_err_set(err, -EINVAL, "%u descriptors are more than any ring has",
				  shape->descriptors);
	return 0;
}

static int plan_cuts(struct kc_plan *p, const struct kc_shape *shape, struct kc_err *err)
{
	struct kc_data_range all = { &p->in, 0, p->in.len };
	int ret = kc_plan_cut_explicit(p, shape, err);
	uint32_t have;

	for (uint32_t i = 1; shape->every_byte && i <= HEADER_BYTES; i++)
		kc_stream_cut(&p->in, i);
	if (shape->every_byte)
		kc_stream_cut(&p->in, p->in.len - 1);
	have = kc_plan_descriptors(p);
	if (ret || !shape->descriptors)
		return ret;
	if (have > shape->descriptors ||
	    kc_range_cut_more(&all, shape->descriptors - have) < shape->descriptors - have)
		return kc_err_set(err, -EINVAL, "the request cannot be cut into exactly %u descriptors",
				  shape->descriptors);
	return 0;
}

static struct kc_request *rng_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				   int *code, struct kc_err *err)
{
	uint32_t bytes = shape->data ? shape->data : NATURAL_BYTES;
	struct rng *g = p->priv;
	struct kc_request *r = NULL;
	struct kc_plan plan;

	(void)qi;
	*code = check_shape(shape, err);
	if (*code)
		return NULL;
	*code = kc_plan_init(&plan, 0, bytes < shape->descriptors ? shape->descriptors : bytes, err);
	if (!*code)
		*code = plan_cuts(&plan, shape, err);
	if (!*code) {
		kc_port_fill(p, KC_FILL_POISON, g->serial + 1, plan.in.bytes, plan.in.len);
		r = kc_plan_build(&plan, p, shape, g->serial + 1, code, err);
	}
	kc_plan_fini(&plan);
	if (!r)
		return NULL;
	g->serial++;
	r->len_expected = UINT32_MAX;
	r->len_min = 1;
	kc_say(r->what, sizeof(r->what), "rng %u bytes", r->writable);
	return r;
}

/* The first of KNOWN_RUN bytes in a row that are as they were; len if there are none. */
static uint32_t untouched(const uint8_t *actual, const uint8_t *poison, uint32_t len)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < len; i++) {
		run = actual[i] == poison[i] ? run + 1 : 0;
		if (run == KNOWN_RUN)
			return i + 1 - run;
	}
	return len;
}

static enum kc_payload_verdict rng_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					 const struct kc_used *u, int *code, struct kc_err *why)
{
	uint32_t len = u->len < r->writable ? u->len : r->writable, at;
	uint8_t *actual, *poison;

	(void)qi;
	*code = 0;
	if (!u->len) {
		kc_err_set(why, -EIO, "used.len: expected 1 to %u random bytes, actual 0", r->writable);
		return KC_PAYLOAD_WRONG;
	}
	actual = kc_request_read_back(p, r);
	poison = calloc(1, (size_t)r->writable + 1);
	if (!actual || !poison) {
		free(actual);
		free(poison);
		*code = kc_err_set(why, -ENOMEM, "no memory to check the answer");
		return KC_PAYLOAD_FAILED;
	}
	kc_port_fill(p, KC_FILL_POISON, r->serial, poison, r->writable);
	at = untouched(actual, poison, len);
	free(actual);
	free(poison);
	if (at == len)
		return KC_PAYLOAD_RIGHT;
	kc_err_set(why, -EIO, "used.len %u: expected as many random bytes, actual: those from byte %u on "
		   "hold what they held before", u->len, at);
	return KC_PAYLOAD_WRONG;
}

static const char *rng_code_name(int code)
{
	return code ? "no memory" : "OK";
}

const struct kc_port_ops kc_port_rng = {
	.device = "rng",
	.virtio_id = VIRTIO_ID_RNG,
	.random = true,
	.payload_clause = "RNG-DEV-01",
	.len_clause = "RNG-DEV-01",
	.open = rng_open,
	.close = kc_port_free,
	.has_queue = rng_has_queue,
	.make = rng_make,
	.check = rng_check,
	.release = kc_request_free,
	.code_name = rng_code_name,
};

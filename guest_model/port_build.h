/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_PORT_BUILD_H
#define GUEST_MODEL_PORT_BUILD_H

#include <stdbool.h>
#include <stdint.h>
#include <guest_model/port.h>

/*
 * What all ports share: a request is two byte streams, one the device reads and one it writes; the
 * port lays bytes into them and says where they are cut into descriptors. For ports only.
 *
 * Functions that return int give 0 or -errno with err set; -EINVAL is a shape that this device (or
 * this request) cannot take.
 */
#define KC_STREAM_MAX	(8u << 20)	/* bytes of one stream */

struct kc_stream {
	uint8_t *bytes;			/* data to be read, or poison to be written over */
	uint8_t *cut;			/* cut[i] != 0: a descriptor begins at byte i (i > 0) */
	uint32_t len;
};

struct kc_plan {
	uint8_t *block;			/* what the streams point into */
	struct kc_stream out;		/* device-readable */
	struct kc_stream in;		/* device-writable */
};

/* The part of a stream that holds data: what may be cut at will. s NULL: there is none. */
struct kc_data_range {
	struct kc_stream *s;
	uint32_t first, len;
};

/* Two uncut streams, zeroed. To be finished also if this fails. */
int kc_plan_init(struct kc_plan *p, uint32_t readable, uint32_t writable, struct kc_err *err);
void kc_plan_fini(struct kc_plan *p);

/* A cut before byte pos; none at the ends. */
void kc_stream_cut(struct kc_stream *s, uint32_t pos);
/* Forgets all cuts. */
void kc_stream_join(struct kc_stream *s);
/* n more cuts inside the range, as even as can be; returns how many there was room for. */
uint32_t kc_range_cut_more(const struct kc_data_range *r, uint32_t n);
/* Cuts so that no descriptor holds more than max bytes of the range. */
void kc_range_cut_long(const struct kc_data_range *r, uint32_t max);
/* Descriptors that hold bytes of the range, and the length of the longest of them. */
uint32_t kc_range_pieces(const struct kc_data_range *r, uint32_t *longest);
/* shape->cut_out and cut_in. */
int kc_plan_cut_explicit(struct kc_plan *p, const struct kc_shape *shape, struct kc_err *err);
uint32_t kc_plan_descriptors(const struct kc_plan *p);

/* Pseudo-random bytes from the seed, the request's serial and what they are for. */
enum kc_fill { KC_FILL_DATA, KC_FILL_POISON };
void kc_port_fill(const struct kc_port *p, enum kc_fill what, uint64_t serial, uint8_t *buf,
		  uint32_t len);

/* Changes the poison bytes that happen to be what is expected in their place: the oracle would take
 * them for unwritten, and each such test would be run a second time. */
void kc_poison_unlike(uint8_t *poison, const uint8_t *expected, uint32_t len);

/* Zeroed, with room for so many segments; NULL: no memory. */
struct kc_request *kc_request_alloc(unsigned nsegs);

/*
 * Allocates guest memory for every piece and writes it; the request's segments, sizes and serial
 * are filled in, priv and what are not. NULL with *code and err: -EINVAL when ring and peer do not
 * allow so long a chain, -ENOMEM.
 */
struct kc_request *kc_plan_build(const struct kc_plan *p, struct kc_port *port,
				 const struct kc_shape *shape, uint64_t serial, int *code,
				 struct kc_err *err);
/* The request, its guest memory and priv (free). NULL is allowed. */
void kc_request_free(struct kc_port *port, struct kc_request *r);
/* The writable stream as it is in guest memory now (r->writable bytes); the caller's to free. NULL:
 * no memory. */
uint8_t *kc_request_read_back(struct kc_port *port, const struct kc_request *r);

/* A port with a copy of env and `size` zeroed bytes for priv; kc_port_free frees both. */
struct kc_port *kc_port_alloc(const struct kc_port_ops *ops, const struct kc_port_env *env,
			      size_t size, struct kc_err *err);
void kc_port_free(struct kc_port *p);

#endif

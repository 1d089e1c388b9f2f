/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_PORT_H
#define GUEST_MODEL_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <kickcall/err.h>
#include <kickcall/storage.h>
#include <guest_model/chain.h>
#include <sim/mem.h>

/*
 * A port knows one device type: it turns a request's *shape* into a payload that the device accepts,
 * and knows what must come back. Ring scenarios speak of shapes only, so they run on any device.
 */
enum kc_dir { KC_DIR_ANY, KC_DIR_OUT, KC_DIR_IN };	/* which way the bulk of the data goes */

#define KC_CUTS_MAX	16
#define KC_SHAPE_SEGS_MAX 32768u

struct kc_shape {
	enum kc_dir dir;
	uint32_t descriptors;		/* exactly so many; 0: the device's natural number */
	uint32_t data;			/* bytes of data (rounded up to what the device takes); 0: natural */
	/* Byte positions at which the readable part is cut into descriptors, ascending, beside or
	 * instead of the natural cuts; and the same for the writable part, counted from its start.
	 * Negative positions count from the end. */
	int32_t cut_out[KC_CUTS_MAX];
	unsigned ncut_out;
	int32_t cut_in[KC_CUTS_MAX];
	unsigned ncut_in;
	bool one_piece;			/* as few descriptors as possible: one readable, one writable */
	bool every_byte;		/* one descriptor per byte of header and status (data stays natural) */
	bool indirect;
	uint32_t direct;		/* so many direct descriptors before the table */
	bool flagged_table;		/* WRITE on the table's descriptor */
	bool unaligned_table;		/* the table lies at an odd address */
	enum kc_place place;		/* of the largest buffer */
	/* Device-specific, by the port's own words (blk: "read", "write", "flush", "get-id", "type N",
	 * "sector N", "reserved N", ...). */
	const char *words;		/* NULL: none */
};

struct kc_port;

/* A request in flight. Owned by the port; freed by kc_port_release. */
struct kc_request {
	unsigned nsegs;
	bool indirect;
	uint32_t readable, writable;	/* bytes in all */
	uint32_t len_expected;		/* used.len that a right device reports (level SHOULD), ~0 unknown */
	uint32_t len_min;		/* bytes that must at least have been written when it succeeds */
	void *priv;			/* the port's */
	char what[96];			/* "blk read sector 8, 512 bytes" */
	uint64_t serial;		/* counts up from 1 on a port */
	unsigned nplaced;		/* segments, the first ones, whose memory was allocated for it */
	struct kc_seg segs[];
};

/* What the finished request's bytes say. */
enum kc_payload_verdict {
	KC_PAYLOAD_RIGHT,
	KC_PAYLOAD_WRONG,		/* why says which byte, expected and actual */
	KC_PAYLOAD_FAILED,		/* the device refused it in its own protocol; status in *code */
};

struct kc_port_env {
	struct kc_mem *mem;
	struct kc_err err;
	uint64_t features;		/* negotiated */
	uint64_t offered;		/* by the device */
	/* Device configuration, config_len bytes: as read, and as the driver has written it since. */
	const uint8_t *config;
	unsigned config_len;
	uint32_t ring_max_chain;	/* descriptors that ring and peer allow in one chain */
	uint64_t seed;			/* for data and poison */
	bool poison_flip;		/* second run with the complementary poison */
	bool writes_allowed;		/* storage may be overwritten */
	int contents;			/* what storage holds at first: enum kc_contents */
	bool writes_dropped;		/* writes are accepted and forgotten (a null device) */
	uint64_t private_slot;		/* which part of the storage this scenario may write */
	bool control;			/* the back-end serves the device's control queue itself */
	/* Told of memory in no buffer that the device may change, from on to off (balloon: pages that it was
	 * given); what it has made of it is then the driver's. NULL: nobody asks. */
	void (*lend)(void *ctx, uint64_t gpa, uint64_t len, bool on);
	void *lend_ctx;
};
enum kc_contents { KC_CONTENTS_UNKNOWN, KC_CONTENTS_PATTERN, KC_CONTENTS_ZEROES };
/* KC_CONTENTS_PATTERN is kc_storage_pattern (kickcall/storage.h). */

struct kc_port_ops {
	const char *device;		/* "blk", "loopback", "net", ... */
	uint32_t virtio_id;		/* 0: none of the specification's */
	uint64_t features;		/* device-type bits the driver understands */
	uint64_t insisted;		/* of those, which a device that offers one may insist on */
	bool random;			/* what it writes may be anything: a byte that looks untouched is no
					 * suspicion */
	uint8_t scratch;		/* what fills a hostile driver's buffers: a request that changes nothing */
	unsigned config_len;		/* bytes of device configuration it reads; 0 none */
	struct { uint64_t features; unsigned len; } config_more;	/* so many with one of these */
	const char *payload_clause;	/* broken when check says KC_PAYLOAD_WRONG */
	const char *len_clause;		/* broken when used.len is not len_expected... */
	const char *len_clause_packed;	/* ...in a packed ring; NULL: the same */
	const char *const *clauses;	/* the others that p->clause may name, NULL-terminated; NULL: none */
	const char *refusal_clause;	/* broken by KC_PAYLOAD_FAILED that no script expects; "": what the
					 * scenario says; NULL: payload_clause */
	struct kc_port *(*open)(const struct kc_port_env *env, struct kc_err *err);
	void (*close)(struct kc_port *p);
	/* The device was negotiated with anew, maybe reset before; env is as it is now. Optional. */
	void (*renegotiated)(struct kc_port *p);
	/* Which virtqueue is queue n of a scenario that is for any device: one that carries requests
	 * (net: transmit queues). NULL: n. */
	unsigned (*virtqueue)(unsigned n);
	/* Which number the device gives virtqueue n of the specification's (balloon: one that it does not have
	 * may not count). queue_num as below. NULL: n. */
	unsigned (*numbered)(struct kc_port *p, unsigned n, uint64_t queue_num);
	/* A virtqueue that must run for this one to work, which such a scenario does not know of (net:
	 * the receive queue beside a transmit queue); -1: none. It stays empty. NULL: never. */
	int (*companion)(unsigned qi);
	/* Does the driver fill this virtqueue for what may come, so that a buffer may stay there for ever
	 * (net: receive queues)? NULL: none is like that. */
	bool (*for_input)(struct kc_port *p, unsigned qi);
	/* The virtqueue that controls the device, -1 with why if it has none. NULL: never. */
	int (*control)(struct kc_port *p, struct kc_err *why);
	/* Does the device, as negotiated, have this virtqueue? If not, why. queue_num is what
	 * GET_QUEUE_NUM answered, 0 if it was not asked. NULL: if it is below queue_num. */
	bool (*has_queue)(struct kc_port *p, unsigned qi, uint64_t queue_num, struct kc_err *why);
	/* A script that is played before anything else of each session (fs: FUSE_INIT). Its queue is stopped,
	 * disabled and forgotten afterwards; what it broke, it has broken of its own clauses. NULL, or NULL
	 * returned: there is none. */
	const char *(*opening)(struct kc_port *p);
	/* NULL with err, and in *code: -EINVAL for a shape that the device cannot take (a skip), -EPERM for
	 * one that would need consent (a skip), -EBADMSG for words that make no sense to it, -ENOMEM. */
	struct kc_request *(*make)(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				   int *code, struct kc_err *err);
	/* After the used entry: compares, and learns what the storage holds now. May set p->clause and
	 * r->len_expected. */
	enum kc_payload_verdict (*check)(struct kc_port *p, unsigned qi, struct kc_request *r,
					 const struct kc_used *u, int *code, struct kc_err *why);
	/* All that the virtqueue shows as used has been checked: RIGHT, or WRONG if something is missing
	 * that must have come together with the rest. NULL: nothing ever is. */
	enum kc_payload_verdict (*taken)(struct kc_port *p, unsigned qi, struct kc_err *why);
	void (*release)(struct kc_port *p, struct kc_request *r);
	/* The device has crashed with nothing in flight: what it had not made durable may be gone.
	 * Optional. */
	void (*power_lost)(struct kc_port *p);
	/* Descriptors the device allows in one chain beside the ring's limit (blk: seg_max + 2); 0, or NULL:
	 * no limit. */
	uint32_t (*max_descriptors)(struct kc_port *p);
	const char *(*code_name)(int code);	/* "OK", "IOERR", ... */
};

/* Bytes of device configuration to read once these features are known. */
static inline unsigned kc_port_config_len(const struct kc_port_ops *ops, uint64_t features)
{
	return features & ops->config_more.features ? ops->config_more.len : ops->config_len;
}

struct kc_port {
	const struct kc_port_ops *ops;
	struct kc_port_env env;
	void *priv;
	/* What the last KC_PAYLOAD_WRONG has broken; NULL: ops->payload_clause; "": what the scenario
	 * says. */
	const char *clause;
};

extern const struct kc_port_ops kc_port_balloon;
extern const struct kc_port_ops kc_port_blk;
extern const struct kc_port_ops kc_port_fs;
extern const struct kc_port_ops kc_port_loopback;
extern const struct kc_port_ops kc_port_net;
extern const struct kc_port_ops kc_port_rng;
extern const struct kc_port_ops kc_port_scsi;
extern const struct kc_port_ops kc_port_console;
extern const struct kc_port_ops kc_port_vsock;
/* NULL if unknown. */
const struct kc_port_ops *kc_port_by_name(const char *device);
extern const struct kc_port_ops *const kc_ports[];	/* NULL-terminated */

#endif

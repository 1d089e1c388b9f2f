/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKEND_REFERENCE_REF_INTERNAL_H
#define BACKEND_REFERENCE_REF_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <kickcall/inflight.h>
#include <kickcall/message.h>
#include <kickcall/ring.h>
#include <backend/reference/ref.h>

/* What the files of the reference back-end share. Nothing outside backend/reference (and its unit
 * tests) includes this. */

#define KC_REF_QUEUES_MAX	64u

/* Not in every linux/virtio_config.h. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA	38
#endif
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET		40
#endif

/* ---- ref_mem.c: the back-end's own view of guest memory ---- */

struct kc_ref_region {
	struct kc_vu_region where;	/* as announced */
	void *map;			/* what munmap wants */
	size_t map_bytes;
	uint8_t *host;			/* of where.gpa */
};

struct kc_ref_mem {
	struct kc_ref_region regions[KC_VU_MEM_REGIONS_MAX];
	unsigned nregions;
};

/* Maps one more region from fd (borrowed). -EINVAL with a sentence: it is senseless, overlaps, lies
 * beyond the file's end, or the table is full. */
int kc_ref_mem_add(struct kc_ref_mem *m, const struct kc_vu_region *where, int fd,
		   struct kc_err *err);
/* Unmaps the region with this gpa, uva and size; the mmap offset is ignored (VU-MSG-REMMEM-01). */
int kc_ref_mem_remove(struct kc_ref_mem *m, const struct kc_vu_region *where, struct kc_err *err);
void kc_ref_mem_fini(struct kc_ref_mem *m);

/* [uva, uva + len) as a whole inside one region, or NULL. */
void *kc_ref_mem_uva(const struct kc_ref_mem *m, uint64_t uva, uint64_t len);
/* The bytes from gpa on, as far as they lie in one region: *n gets how many of the len asked for.
 * NULL if not even the first does. */
void *kc_ref_mem_gpa(const struct kc_ref_mem *m, uint64_t gpa, uint64_t len, uint64_t *n);
/* Does every byte of [gpa, gpa + len) lie in memory? Adjacent regions count as one. */
bool kc_ref_mem_covers(const struct kc_ref_mem *m, uint64_t gpa, uint64_t len);
/* Copies out of guest memory, across adjacent regions; false if a byte lies outside. */
bool kc_ref_mem_read(const struct kc_ref_mem *m, uint64_t gpa, void *buf, uint64_t len);

/* The way back: which gpa lies at this place of ours? false: none. */
bool kc_ref_mem_whence(const struct kc_ref_mem *m, const void *host, uint64_t *gpa);

/* ---- ref_iov.c: a chain's bytes, however they are cut ---- */

struct kc_ref_sg {
	struct iovec *v;		/* host pieces in chain order */
	unsigned n, cap;
	uint64_t len;			/* bytes in all */
};

int kc_ref_sg_add(struct kc_ref_sg *sg, void *base, size_t len);	/* 0, -ENOMEM */
void kc_ref_sg_clear(struct kc_ref_sg *sg);				/* keeps the array */
void kc_ref_sg_fini(struct kc_ref_sg *sg);

/* A place in the byte sequence of an sg; moves on as bytes are taken. */
struct kc_ref_cursor {
	const struct kc_ref_sg *sg;
	unsigned i;			/* piece */
	size_t off;			/* in it */
};

struct kc_ref_cursor kc_ref_cursor_at(const struct kc_ref_sg *sg, uint64_t pos);
/* The next bytes that lie together, at most max of them; NULL at the end. */
void *kc_ref_cursor_take(struct kc_ref_cursor *c, uint64_t max, size_t *n);
/* These move at most n bytes, and return how many. */
uint64_t kc_ref_cursor_read(struct kc_ref_cursor *c, void *buf, uint64_t n);
uint64_t kc_ref_cursor_write(struct kc_ref_cursor *c, const void *buf, uint64_t n);
uint64_t kc_ref_cursor_fill(struct kc_ref_cursor *c, uint8_t byte, uint64_t n);
uint64_t kc_ref_cursor_copy(struct kc_ref_cursor *to, struct kc_ref_cursor *from, uint64_t n);

/* ---- ref_chain.c: what both layouts ask of a chain ---- */

/* One request as the device sees it. */
struct kc_ref_chain {
	uint16_t id;			/* what goes back; split: the head, packed: the buffer id */
	uint32_t slots;			/* of the ring; split: 1, packed: one a descriptor */
	struct kc_ref_sg out;		/* device-readable */
	struct kc_ref_sg in;		/* device-writable */
};

/* A chain being read, descriptor by descriptor. What is wrong is told by a constant text. */
struct kc_ref_walk {
	const struct kc_ref *ref;
	struct kc_ref_chain *chain;
	uint32_t limit;			/* buffers that it may have */
	uint32_t buffers;		/* so far */
	uint64_t bytes;
	bool writable_seen;
};

/* Empties the chain, too. */
void kc_ref_walk_begin(struct kc_ref_walk *w, const struct kc_ref *ref, struct kc_ref_chain *chain,
		       uint32_t limit);
/* One more buffer. NULL, or what is wrong. */
const char *kc_ref_walk_buffer(struct kc_ref_walk *w, uint64_t gpa, uint32_t len, bool write);
/* Checks a descriptor with INDIRECT set. NULL: its table may be read; or what is wrong. */
const char *kc_ref_walk_table(const struct kc_ref_walk *w, uint64_t gpa, uint32_t len,
			      uint16_t flags, uint32_t entries_max);

/* ---- ref_split.c, ref_packed.c: the two layouts ---- */

struct kc_ref_ring;

struct kc_ref_vring_addr {
	uint64_t desc, avail, used;	/* uva; packed: ring, driver area, device area */
	bool logged;			/* writes to the ring are logged... */
	uint64_t log;			/* ...as if used (packed: the device area) lay at this gpa */
};

/* The three parts in this process. */
struct kc_ref_vring {
	uint8_t *desc, *avail, *used;
};

struct kc_ref_part {
	const char *name;
	uint64_t (*bytes)(uint32_t size);
	uint32_t align;
};

/* Chains that were carried out and of which the driver does not know yet: one, or with IN_ORDER
 * several, all but the last written as far as they can be. */
struct kc_ref_batch {
	uint32_t chains, slots;
	uint16_t id;			/* of the last one */
	uint32_t len;			/* of the last one: bytes written */
};

/* A layout, between start and stop of a ring but for the first two and the base. */
struct kc_ref_format {
	struct kc_ref_part desc, avail, used;
	/* 0, or -EINVAL with a sentence: no such ring can be. */
	int (*check_size)(uint32_t size, struct kc_err *err);
	/* The position as SET_VRING_BASE encodes it. set_base: 0, or -EINVAL with a sentence. */
	uint32_t (*base)(const struct kc_ref_ring *ring);
	int (*set_base)(struct kc_ref_ring *ring, uint32_t base, struct kc_err *err);
	/* ring->at is new: takes up the rest of the position. 0, or -EINVAL with a sentence. */
	int (*start)(struct kc_ref_ring *ring, struct kc_err *err);
	/* Takes the next chain: 1, 0 there is none, -EPROTO: malformed, *why says how; the ring is
	 * as before. */
	int (*fetch)(struct kc_ref_ring *ring, struct kc_ref_chain *chain, const char **why);
	/* Publishes n batches (at least one), each by one used entry; the driver sees all or none. */
	void (*complete)(struct kc_ref_ring *ring, const struct kc_ref_batch *b, unsigned n);
	/* After complete: does the driver want a call? */
	bool (*call_due)(struct kc_ref_ring *ring);
	/* Kicks are of no use while we work. */
	void (*work)(struct kc_ref_ring *ring);
	/* Asks for a kick at the next chain; true if one came meanwhile, and no kick is to be
	 * expected. */
	bool (*rest)(struct kc_ref_ring *ring);
	/* Is there a chain that was not fetched yet? */
	bool (*pending)(const struct kc_ref_ring *ring);
	/* Leaves the suppression field as an idle ring has it. */
	void (*leave)(struct kc_ref_ring *ring);
};

extern const struct kc_ref_format kc_ref_split;
extern const struct kc_ref_format kc_ref_packed;

/* Positions outlive a stop. */
struct kc_ref_split_pos {
	uint16_t avail_idx;		/* next entry to fetch */
	uint16_t used_idx;		/* next entry to write */
	uint16_t signalled_used;	/* used_idx at the last notification decision */
};

struct kc_ref_packed_place {
	uint16_t slot;
	bool wrap;			/* the wrap counter there */
};

struct kc_ref_packed_pos {
	struct kc_ref_packed_place avail;	/* next descriptor to fetch */
	struct kc_ref_packed_place used;	/* next descriptor to write */
	uint32_t undecided;		/* slots used since the last notification decision */
};

/* Which chain is fetched next, in either layout. */
struct kc_ref_next {
	uint16_t avail_idx;
	struct kc_ref_packed_place avail;
};

/* A head that was in flight when the ring started. */
struct kc_ref_again {
	uint64_t counter;
	uint16_t head;
};

struct kc_ref_ring {
	struct kc_ref *ref;
	unsigned qi;

	/* Settings; they outlive a stop. */
	uint32_t size;			/* 0: not set yet */
	bool have_addr;
	struct kc_ref_vring_addr addr;
	bool enabled;
	struct kc_evfd *kick, *call, *err;	/* NULL: none */

	/* Life. */
	bool started;
	bool broken;			/* a ring error: not touched again before stop and start */
	const char *why;		/* the error, a constant text */
	bool look;			/* there may be something to do */

	/* Position. */
	const struct kc_ref_format *format;	/* since the start */
	struct kc_ref_vring at;		/* valid while started and not broken */
	struct kc_ref_split_pos split;
	struct kc_ref_packed_pos packed;
	bool signalled_valid;		/* a notification was decided about since the start */
	bool no_notify;			/* the driver was asked for no kicks */
	struct kc_ref_batch held;	/* not told yet; never across a request */
	uint32_t taken;			/* slots, of the buffers that were taken and not given yet */
	bool dry;			/* the last take found too few buffers */
	struct kc_ref_next behind;	/* and those that there were end here */

	/* What is in flight, for the next back-end; NULL: not tracked. */
	struct kc_inflight_split *inflight;
	uint64_t counter;		/* of the next one taken */
	struct kc_ref_again *again;	/* left by the one before, in the order of their counters */
	uint32_t nagain, next_again;
};

/* ---- ref_log.c: the dirty log ---- */

struct kc_ref_log {
	void *map;			/* what munmap wants; NULL: no log */
	size_t map_bytes;
	uint8_t *bits;			/* of guest address 0 on */
	uint64_t bytes;
	struct kc_evfd *fd;		/* signalled when bits were set; NULL: none */
};

/* Maps another log, from fd (borrowed), in place of the one before. -EINVAL with a sentence: then
 * nothing has changed. */
int kc_ref_log_set(struct kc_ref_log *l, uint64_t size, uint64_t offset, int fd,
		   struct kc_err *err);
void kc_ref_log_set_fd(struct kc_ref_log *l, struct kc_evfd *fd);	/* takes it; NULL: none */
void kc_ref_log_fini(struct kc_ref_log *l);
void kc_ref_log_mark(struct kc_ref_log *l, uint64_t gpa, uint64_t len);
/* These ask first whether it is logged: buffers that were written, bytes of the used ring (packed: of the
 * device area), and a descriptor of a packed ring, which is where it is. */
void kc_ref_log_buffers(struct kc_ref *r, const struct kc_ref_sg *sg);
void kc_ref_log_used(struct kc_ref_ring *ring, uint64_t off, uint64_t len);
void kc_ref_log_slot(struct kc_ref_ring *ring, const uint8_t *slot, uint64_t len);

/* ---- ref_inflight.c: what is in flight, kept outside this process ---- */

struct kc_ref_inflight {
	void *map;			/* what munmap wants; NULL: none */
	size_t map_bytes;
	uint8_t *regions;
	uint64_t stride;		/* bytes from region to region */
	unsigned queues, size;		/* how many regions, for rings of so many at most */
};

/* A file of zeroes for so many regions: a descriptor, or -errno with a sentence. */
int kc_ref_inflight_make(unsigned queues, unsigned size, uint64_t *bytes, struct kc_err *err);
/* SET_INFLIGHT_FD; its descriptor is borrowed. -EINVAL with a sentence: nothing has changed. */
int kc_ref_inflight_set(struct kc_ref_inflight *f, const struct kc_msg *m, struct kc_err *err);
void kc_ref_inflight_fini(struct kc_ref_inflight *f);
/* The ring has its position: takes up what was in flight. -EINVAL with a sentence. */
int kc_ref_inflight_start(struct kc_ref_ring *ring, struct kc_err *err);
void kc_ref_inflight_stop(struct kc_ref_ring *ring);
/* Is there something to be carried out again? Its head. */
bool kc_ref_inflight_pending(const struct kc_ref_ring *ring);
uint16_t kc_ref_inflight_next(const struct kc_ref_ring *ring);
/* A head was taken, again or for the first time; it is done; so many were used. */
void kc_ref_inflight_taken(struct kc_ref_ring *ring, uint16_t head);
void kc_ref_inflight_done(struct kc_ref_ring *ring, uint16_t head);
void kc_ref_inflight_used(struct kc_ref_ring *ring, uint32_t chains);

/* ---- ref_ring.c: the life of a ring ---- */

void kc_ref_ring_init(struct kc_ref_ring *ring, struct kc_ref *ref, unsigned qi);
/* Back to stopped, disabled, nothing set. */
void kc_ref_ring_reset(struct kc_ref_ring *ring);
/* The layout it has; of a stopped ring, the one that it would start with. */
const struct kc_ref_format *kc_ref_ring_format(const struct kc_ref_ring *ring);
/* Is there a reason to look at it, and is it worth while now? Says nothing of its kick. */
bool kc_ref_ring_wanted(const struct kc_ref_ring *ring);
/* Is it processed? */
bool kc_ref_ring_active(const struct kc_ref_ring *ring);
/* Starts from its position with the kick (taken; NULL: polled), or refuses: -EINVAL and err. */
int kc_ref_ring_start(struct kc_ref_ring *ring, struct kc_evfd *kick, struct kc_err *err);
void kc_ref_ring_stop(struct kc_ref_ring *ring);
/* What there is in a started ring may be of use now, though it was not before. */
void kc_ref_ring_look(struct kc_ref_ring *ring);
void kc_ref_ring_enable(struct kc_ref_ring *ring, bool on);
/* These take the new eventfd (NULL: none) and work on a live ring, too. */
void kc_ref_ring_set_kick(struct kc_ref_ring *ring, struct kc_evfd *kick);
void kc_ref_ring_set_call(struct kc_ref_ring *ring, struct kc_evfd *call);
void kc_ref_ring_set_err(struct kc_ref_ring *ring, struct kc_evfd *e);
/* New addresses, on a live ring as well; refused ones change nothing. */
int kc_ref_ring_set_addr(struct kc_ref_ring *ring, const struct kc_ref_vring_addr *addr,
			 struct kc_err *err);
/* The memory table has changed. */
void kc_ref_ring_remap(struct kc_ref_ring *ring);
/* EVENT_IDX was switched on or off. */
void kc_ref_ring_event_idx_changed(struct kc_ref_ring *ring);
/* Drains the kick; is there a reason to look at the ring? */
bool kc_ref_ring_due(struct kc_ref_ring *ring);
/* At most one chain. */
void kc_ref_ring_serve(struct kc_ref_ring *ring);
/* Tells the driver of what was held back (IN_ORDER). */
void kc_ref_ring_publish(struct kc_ref_ring *ring);

/* Some buffers as one, for what may take more than one of them (a network device's packet). */
struct kc_ref_taken {
	struct kc_ref_sg in;		/* the device-writable bytes of all of them */
	struct kc_ref_batch *v;		/* one each; len is the room in it until they are given */
	unsigned n, cap;
};

/* Takes buffers until they have room for so many bytes (at least one), at most max of them. 1:
 * r->taken has them, and they must be given. Else the ring is as before: 0 there are too few, and it
 * rests until there are more; -ENOSPC: max of them have not the room, or memory has run out;
 * -EPROTO: it is broken. */
int kc_ref_ring_take(struct kc_ref_ring *ring, uint64_t bytes, unsigned max);
/* Gives back what was taken: one after the other has been filled, with so many bytes in all. The
 * driver sees all of them or none. */
void kc_ref_ring_give(struct kc_ref_ring *ring, uint64_t bytes);

/* ---- devices ---- */

#define KC_REF_CONFIG_MAX	KC_VU_CONFIG_MAX

struct kc_ref_device {
	const char *name;
	unsigned queues;		/* default number */
	unsigned config_len;		/* bytes of device configuration */
	/* Sets ref->dev. 0, or -errno with err. Optional, like all but process. */
	int (*open)(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err);
	void (*close)(struct kc_ref *r);
	/* Back to what it was after open; storage stays. */
	void (*reset)(struct kc_ref *r);
	/* Device-type feature bits, without those in off. */
	uint64_t (*features)(struct kc_ref *r, uint64_t off);
	/* r->features is new; changed are the bits that differ from before. */
	void (*negotiated)(struct kc_ref *r, uint64_t changed);
	/* The whole configuration, config_len bytes. */
	void (*config_read)(struct kc_ref *r, uint8_t *config);
	/* Range is inside config_len. 0, -EPERM: not writable. */
	int (*config_write)(struct kc_ref *r, uint32_t offset, uint32_t len, bool migration,
			    const uint8_t *data);
	/* Carries out one request of ring qi; returns the number of bytes written for the used entry. */
	uint32_t (*process)(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain);
	/* Has the device a use for a buffer of ring qi now? A ring that the driver fills for what may
	 * come (a network device's receive queue) is left alone until something has. NULL: always. */
	bool (*ready)(struct kc_ref *r, unsigned qi);
	/* Hands one thing over to a ring that the driver fills for what may come, by kc_ref_ring_take;
	 * false: ring qi is none of these, its requests are processed. NULL: none is. */
	bool (*supply)(struct kc_ref *r, unsigned qi);
	/* Takes in one thing that has come from outside by itself; false: there is none. It never blocks.
	 * arrival_fd is readable when there may be one; -1: there never is. NULL: both. */
	bool (*arrival)(struct kc_ref *r);
	int (*arrival_fd)(struct kc_ref *r);
	/* Is a request of ring qi to be taken and forgotten while the ring is disabled (VU-RING-STATE-03)?
	 * NULL, or false: it waits until the ring is enabled. */
	bool (*discards)(struct kc_ref *r, unsigned qi);
	/* What the VMM wishes, in bytes behind the Ethernet header. -EINVAL: not valid here. NULL: there
	 * is no such thing. */
	int (*set_mtu)(struct kc_ref *r, uint64_t mtu);
};

extern const struct kc_ref_device kc_ref_balloon;
extern const struct kc_ref_device kc_ref_blk;
extern const struct kc_ref_device kc_ref_fs;
extern const struct kc_ref_device kc_ref_loopback;
extern const struct kc_ref_device kc_ref_net;
extern const struct kc_ref_device kc_ref_rng;
extern const struct kc_ref_device kc_ref_scsi;
extern const struct kc_ref_device kc_ref_console;
extern const struct kc_ref_device kc_ref_vsock;

/* ---- ref.c ---- */

struct kc_ref {
	const struct kc_ref_device *device;
	void *dev;			/* the device's own */
	uint64_t features_offered;
	uint64_t pf_offered;
	unsigned nqueues;

	/* The session. */
	uint64_t features;		/* negotiated */
	uint64_t pf;			/* negotiated protocol features */
	bool features_refused;		/* by the last SET_FEATURES */
	uint8_t status;
	struct kc_ref_mem mem;
	struct kc_ref_log log;
	struct kc_ref_inflight inflight;
	struct kc_ref_ring rings[KC_REF_QUEUES_MAX];
	unsigned next;			/* ring to look at first, round-robin */

	/* The throttle. */
	int64_t gap_ns;			/* between two steps; 0: no limit */
	int64_t now_ns;			/* as last told */
	int64_t free_ns;		/* when the next step may be made */
	int64_t wake_ns;		/* that, while there is work which waits for it; else 0 */

	struct kc_ref_chain chain;	/* the one being processed */
	struct kc_ref_taken taken;	/* the buffers being filled */
};

static inline bool kc_ref_has(const struct kc_ref *r, unsigned feature)
{
	return r->features & KC_BIT(feature);
}

static inline bool kc_ref_has_pf(const struct kc_ref *r, unsigned pf)
{
	return r->pf & KC_BIT(pf);
}

/* No ring holds anything back any more. */
void kc_ref_publish(struct kc_ref *r);
/* Takes over an offered set of features, also while rings run. */
void kc_ref_set_features(struct kc_ref *r, uint64_t features);
void kc_ref_set_status(struct kc_ref *r, uint8_t status);
/* Device reset: rings, features, status, device; protocol features and memory stay. */
void kc_ref_reset_device(struct kc_ref *r);

#endif

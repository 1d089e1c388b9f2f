/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_ORACLE_WATCH_H
#define HARNESS_ORACLE_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <harness/oracle/layout.h>
#include <harness/oracle/oracle.h>
#include <harness/oracle/points.h>
#include <harness/oracle/shadow.h>
#include <kickcall/ring.h>

/*
 * The oracle's books, private to harness/oracle/: what was offered, what came back, and what the
 * device may write meanwhile. Chains are read from the shadow, that is, as the driver wrote them.
 */
#define KC_WATCH_HEADS	65536u		/* every value that a 16-bit head can have */
#define KC_WATCH_RECENT	8u
#define KC_WATCH_LEFT	128u
#define KC_CLAUSES_COUNTED	64u
#define KC_SAME_CLAUSE_MAX	8u	/* accusations of one clause; more are not told */

enum kc_span_kind { KC_SPAN_TABLE, KC_SPAN_OUT, KC_SPAN_IN };
struct kc_span {
	uint64_t gpa, len;
	enum kc_span_kind kind;
};

/*
 * One head that was offered. There is one record per head: offered again while in flight, it is the
 * same record with one more use allowed (and the driver has broken a rule).
 */
struct kc_watch_chain {
	struct kc_watch_chain *prev, *next;	/* in flight, in the order offered */
	uint64_t serial;		/* counts the queue's chains, from 1 */
	uint16_t idx;			/* split: available index that named it; packed: first slot */
	uint16_t head;			/* split: first descriptor; packed: buffer id */
	uint32_t pos;			/* where it was offered */
	uint32_t slots;			/* how far both sides move by it: split 1 */
	uint64_t allowed;		/* times it may still be used */
	bool used;			/* and not reaped yet */
	bool held;			/* its spans are marked in the shadow */
	bool touched;			/* rewritten while in flight, to be walked again */
	bool torn;			/* rewritten where it is read piece by piece */
	bool boundless;			/* too wild to keep account of */
	const char *bad;		/* the driver rule it breaks, or NULL */
	const char *broken;		/* the same of a rule that leaves no doubt to a device */
	uint64_t readable, writable;	/* bytes in all */
	struct kc_span *spans;
	unsigned nspans, cap;
	unsigned line;			/* of the script, where it was offered; 0: not known */
	/* When it was published: */
	bool at_start;			/* it lay there when the queue started */
	bool kick_due;			/* what the device had written asked for a kick */
	struct kc_wish asked;		/* the device's, of kicks */
	uint64_t kicks_before;
	int64_t stamp;			/* the listener's */
};

/* A writable buffer of a chain that was in flight when its queue was stopped. */
struct kc_watch_left {
	uint64_t gpa, len;
	uint16_t head;
	bool used;			/* completed after all */
};

struct kc_watch_queue {
	unsigned qi;
	const struct kc_layout *layout;
	uint32_t period;		/* of positions */
	struct kc_oracle_queue cfg;
	bool started;			/* and not stopped since */
	bool stopping;			/* the device was asked to stop it: it owes no progress */
	bool orphan;			/* the connection ended while it was started */
	bool enabled;
	bool wired;			/* SET_VRING_KICK has been seen since start */
	bool disowned;			/* RESET_OWNER came since start: its base may be lost */
	bool derailed;			/* what the device uses is not followed any more */
	bool adrift;			/* ...and may be right: nothing that comes of it is judged */
	bool loose;			/* nor what it writes into its ring */
	bool resting;			/* the device has acknowledged the stop */
	bool vague;			/* the driver left open where its chains end */
	const char *malformed;		/* the ring is not as the rules have it: how, or NULL */
	const char *broke;		/* ...by what the driver wrote, or another rule of the driver's */
	bool by_hand;			/* the script wrote descriptors: no buffer has poison */
	bool scribbled;			/* the driver wrote used->idx, namely: */
	uint16_t scribble;
	uint8_t *desc_host, *device_host;	/* its areas in memory, or NULL */
	uint64_t desc_bytes, avail_bytes;	/* of the descriptors, and of the driver's area */
	uint64_t used_gpa, used_bytes;	/* where the device may write at any time */
	uint64_t ring_gpa, ring_bytes;	/* where both sides write, by turns; split: nowhere */
	uint32_t offered_pos;		/* as far as offered */
	uint32_t used_pos;		/* as far as read */
	uint64_t serial;		/* last given */
	uint64_t serial_used;		/* highest that was used */
	uint64_t offered, used, calls, kicks, errors;	/* since start */
	uint64_t used_slots;		/* positions that `used` buffers took */
	uint64_t offered_slots;		/* positions that were offered since start */
	uint64_t kicked_slots;		/* as many of them at the last kick... */
	uint64_t asked_slots;		/* ...or when the driver last saw that none was wanted */
	uint64_t outstanding;		/* sum of `allowed` */
	uint64_t inflight;		/* chains in the list */
	struct kc_watch_chain *first, *last;
	struct kc_watch_chain **by_head;	/* KC_WATCH_HEADS; many stay when they are used */
	uint32_t known;			/* chains there */
	uint64_t *slot_serial;		/* by slot: the chain offered through it last; packed: 0 when it
					 * is the driver's again */
	struct {
		uint16_t idx;
		uint32_t id, len;
	} recent[KC_WATCH_RECENT];	/* at used % KC_WATCH_RECENT */
	struct kc_watch_left left[KC_WATCH_LEFT];	/* outlives the next start */
	unsigned nleft;
	struct kc_lost lost;
	struct kc_indices indices;
	struct kc_notify notify;
	struct kc_quietness quietness;
	struct kc_logged logged;
};

struct kc_oracle {
	struct kc_oracle_config cfg;
	struct kc_shadow shadow;
	struct kc_watch_queue *q[KC_WATCH_QUEUES];	/* NULL: never heard of */
	unsigned nq;			/* all beyond are NULL */
	unsigned running;		/* queues that are started */
	bool failed;			/* out of memory: judges nothing any more */
	struct kc_watch_chain *spare;	/* chains dropped, with their spans' memory, linked by next */
	/* For each handler the points that have it, ended by NULL. */
	const struct kc_point *points_with[KC_HANDLERS][KC_POINTS_MAX + 1];
	unsigned compared;		/* line of the script at the last comparison of all memory */
	uint64_t features;		/* of the last SET_FEATURES */
	uint64_t events;		/* everything that happened, for progress */
	struct {
		char clause[48];
		unsigned n;
	} told[KC_CLAUSES_COUNTED];
	struct kc_trust trust;
	struct kc_grammar grammar;
	struct kc_progress progress;
	struct kc_silence silence;
	struct kc_dirty dirty;
	struct kc_regions regions;
};

/* One used entry, or one buffer that an in-order batch skipped. */
struct kc_watch_used {
	uint16_t idx;			/* of the entry: free-running index, or slot */
	uint32_t id, len;
	struct kc_watch_chain *chain;	/* NULL: no such chain is in flight */
	bool again;			/* it was used before and not offered since */
	bool late;			/* its chain was in flight when the queue was stopped */
	bool stale;			/* the entry holds what it held before */
	enum { KC_SAYS_NOTHING, KC_SAYS_WRITTEN, KC_SAYS_UNTOUCHED } says;	/* of the buffer; packed */
	bool skipped;			/* in order: no entry of its own; len is all it can be */
	const struct kc_watch_chain *overtaken;	/* in order: the chain that was due first */
};

/* Reports a broken clause, KC_SAME_CLAUSE_MAX times at most. */
void kc_accuse(struct kc_oracle *o, const char *clause, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Runs one handler of every point that has it. */
#define kc_points_tell(o, handler, ...)							\
	do {										\
		for (const struct kc_point *const *pp_ =				\
		     (o)->points_with[KC_HANDLER(handler)]; *pp_; pp_++)		\
			(*pp_)->handler(o, ##__VA_ARGS__);				\
	} while (0)

/* The same for the one listener, if there is one. */
#define kc_listener_tell(o, handler, ...)						\
	do {										\
		if ((o)->cfg.listener)							\
			(o)->cfg.listener->handler((o)->cfg.listener_ctx, __VA_ARGS__);	\
	} while (0)

/* The queue's book, made if need be; NULL if qi is out of range or memory is. */
struct kc_watch_queue *kc_watch_queue(struct kc_oracle *o, unsigned qi);
void kc_watch_free(struct kc_oracle *o);
int kc_watch_start(struct kc_oracle *o, struct kc_watch_queue *q,
		   const struct kc_oracle_queue *cfg);
/* Everything in flight is given up, what the device wrote rightfully is taken over. */
void kc_watch_stop(struct kc_oracle *o, struct kc_watch_queue *q);
/* Reads what is new on both sides. */
void kc_watch_look(struct kc_oracle *o, struct kc_watch_queue *q);
void kc_watch_reaped(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t head);
void kc_watch_wrote(struct kc_oracle *o, uint64_t gpa, const void *buf, size_t len);
/* What the driver wrote breaks a rule: the ring is malformed, and the driver is to blame. */
void kc_watch_malformed(struct kc_watch_queue *q, const char *why);
/* From here on what the device uses is not followed, though it may be right. */
void kc_watch_derail(struct kc_oracle *o, struct kc_watch_queue *q);
/* The device may write into its ring whatever it likes. */
void kc_watch_loosen(struct kc_oracle *o, struct kc_watch_queue *q);
/* The driver broke a rule that leaves the ring sound. */
void kc_watch_driver_broke(struct kc_watch_queue *q, const char *why);
/* Memory changed where it may not: names the place and tells the points. ctx is the oracle. */
void kc_watch_changed(void *ctx, const struct kc_shadow_change *c);
/* The device owes progress and calls on this queue: nothing excuses it. */
bool kc_watch_owes(const struct kc_oracle *o, const struct kc_watch_queue *q);

/* --- For the layouts ------------------------------------------------------------------------- */

/* Positions, in the queue's period. */
uint32_t kc_watch_forward(const struct kc_watch_queue *q, uint32_t pos, uint64_t n);
uint32_t kc_watch_distance(const struct kc_watch_queue *q, uint32_t from, uint32_t to);
/* Does the wish ask to be told of one of the n positions from `from` on? */
bool kc_watch_asks(const struct kc_watch_queue *q, struct kc_wish w, uint32_t from, uint64_t n);
/* Does the wish ask for a kick for the last n positions offered? */
bool kc_watch_asks_last(const struct kc_watch_queue *q, struct kc_wish w, uint64_t n);
/* What the available ring says of a chain. */
struct kc_offer {
	uint16_t idx, head;
	uint32_t pos, slots;
	const char *bad;
};
/* The chain was offered and may be used so many times: it goes into the books. NULL: no memory. */
struct kc_watch_chain *kc_watch_offer(struct kc_oracle *o, struct kc_watch_queue *q,
				      const struct kc_offer *offer, uint64_t times);
/* The chains after serial `since` were published together; the device wished so of kicks before. */
void kc_watch_offered(struct kc_oracle *o, struct kc_watch_queue *q, uint64_t since,
		      struct kc_wish wish, uint32_t pos, bool at_start);
/* A buffer was used: the points hear of it, then the books. */
void kc_watch_used(struct kc_oracle *o, struct kc_watch_queue *q, struct kc_watch_used *u);
/* In order: the n chains offered first were used without an entry of their own. */
void kc_watch_skipped(struct kc_oracle *o, struct kc_watch_queue *q, unsigned n);
/* Was a chain with this id in flight when the queue was stopped, and not used since? How many buffers of
 * such chains are there? */
bool kc_watch_is_left(const struct kc_watch_queue *q, uint32_t id);
uint64_t kc_watch_left_unused(const struct kc_watch_queue *q);
/* The memory itself, or NULL if it is not in one region. */
uint8_t *kc_watch_host(const struct kc_shadow *s, uint64_t gpa, uint64_t len);
/* Asked of every write, several times over: inline. */
static inline bool kc_own_write_overlaps(const struct kc_own_write *w, uint64_t gpa, uint64_t len)
{
	uint64_t end = len > UINT64_MAX - gpa ? UINT64_MAX : gpa + len;

	return w->gpa < end && gpa < w->end;
}
/* Does it really change something there? */
bool kc_own_write_changes(const struct kc_oracle *o, const struct kc_own_write *w, uint64_t gpa,
			  uint64_t len);

/* Building a chain's spans (walk.c). */
struct kc_walk {
	struct kc_oracle *o;
	const struct kc_watch_queue *q;
	struct kc_watch_chain *c;
	bool writable_seen;
	uint64_t bytes;
	uint64_t buffers;
};
void kc_walk_bad(struct kc_walk *w, const char *why);
/* false: the chain is too wild to be followed. */
bool kc_walk_span(struct kc_walk *w, enum kc_span_kind kind, uint64_t gpa, uint64_t len);
void kc_walk_buffer(struct kc_walk *w, uint64_t gpa, uint32_t len, bool writable);
/* An indirect table: its length in entries, told as a span. 0: nothing can be read there. */
uint64_t kc_walk_table(struct kc_walk *w, uint64_t gpa, uint32_t len);

/* --- Places ------------------------------------------------------------------------------------ */

/* What lies at an address? (place.c) */
enum kc_at { KC_AT_DESC, KC_AT_AVAIL, KC_AT_USED, KC_AT_USED_END, KC_AT_TABLE, KC_AT_READABLE,
	     KC_AT_GUARD, KC_AT_RETURNED, KC_AT_OTHER, KC_AT_LEFT };
struct kc_place_of {
	enum kc_at at;
	const struct kc_watch_queue *q;	/* NULL for KC_AT_OTHER */
	unsigned line;			/* of the script, where it became what it is; 0: not known */
	char text[160];			/* "guard after buffer of head 3 of queue 0" */
};
void kc_watch_place(const struct kc_oracle *o, uint64_t gpa, struct kc_place_of *p);
/* " since line 12": since when it has not been as kickcall left it, as far as that is known. */
const char *kc_watch_since(const struct kc_oracle *o, const struct kc_place_of *p, char *buf, size_t cap);
unsigned kc_watch_line(const struct kc_oracle *o);
#define KC_NEAR		KC_MEM_GUARD	/* bytes: this close beside something is its guard */
static inline bool kc_place_in(uint64_t gpa, uint64_t base, uint64_t len)
{
	return gpa >= base && gpa - base < len;
}

#endif

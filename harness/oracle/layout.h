/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_ORACLE_LAYOUT_H
#define HARNESS_ORACLE_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct kc_oracle;
struct kc_watch_queue;
struct kc_watch_chain;
struct kc_place_of;

/*
 * What the oracle must know of a ring's layout: how to read it. The books (watch.c) and the points
 * know chains, positions and wishes only.
 *
 * A position counts what went through a ring, modulo its period: chains in a split ring (65536), slots
 * in a packed one (two laps: slot, plus the size while the wrap counter is 0).
 */

/* What one side wants to be told of: everything, nothing, or the moment a position is passed. */
struct kc_wish {
	enum { KC_WISH_ALWAYS, KC_WISH_NEVER, KC_WISH_AT } kind;
	uint32_t pos;			/* KC_WISH_AT */
};

/* How much of what the device gave back must make sense now: only what chains known so far explain (the
 * driver may have published more, of which the books hear next), all of it if it is not too much, or
 * all. */
enum kc_reading { KC_READ_EXPLAINED, KC_READ_PLAUSIBLE, KC_READ_ALL };

/* A write of kickcall's own. */
struct kc_own_write {
	uint64_t gpa, end;
	const uint8_t *buf;
};

/*
 * Rules that both layouts have, each under a clause of its own: rule_of (rules.c) names it. A point
 * accuses by rule.
 */
enum kc_rule {
	KC_RULE_USED_ID,		/* what is used was in flight, once */
	KC_RULE_LEN_MAX,		/* len is at most what is writable */
	KC_RULE_LEN_WRITTEN,		/* len bytes were written, before it was used */
	KC_RULE_SKIPPED_WRITTEN,	/* ...all of them, where another one's entry speaks for it */
	KC_RULE_READABLE,		/* readable buffers stay */
	KC_RULE_TABLE,			/* indirect tables stay */
	KC_RULE_BESIDE,			/* what lies beside a buffer stays */
	KC_RULE_RETURNED,		/* a used buffer is the driver's */
	KC_RULE_DESC_AREA,		/* descriptors: written where and when the device may */
	KC_RULE_DRIVER_AREA,		/* the driver's area stays */
	KC_RULE_DEVICE_AREA_END,	/* the device's area ends where it ends */
	KC_RULE_INDEX,			/* what is used moves forward, by as much as there is */
	KC_RULE_FLAGS,			/* the device's flags without EVENT_IDX... */
	KC_RULE_FLAGS_EVENT_IDX,	/* ...and with it */
	KC_RULE_CALL_ALWAYS,		/* a call for every used buffer */
	KC_RULE_CALL_AT,		/* a call when the position is passed */
	KC_RULE_CALL_NOT_AT,		/* ...and whatever the position field holds, when it means nothing */
	KC_RULE_CALL_NOT_FLAGS,		/* ...and whatever the flags hold, when they mean nothing */
	KC_RULE_NO_CALL_NEVER,		/* no call when none is wanted */
	KC_RULE_NO_CALL_AT,		/* no call before the position is passed */
	KC_RULE_LOOK_AGAIN,		/* whoever asks for kicks looks again */
	KC_RULE_LOOP,			/* chains end */
	KC_RULES
};

struct kc_layout {
	const char *name;		/* "split", "packed" */
	const char *place_name;		/* what kc_watch_chain.idx is... */
	const char *used_name;		/* ...and kc_watch_used.idx... */
	const char *id_name;		/* ...and kc_watch_chain.head */
	uint32_t (*period)(uint32_t size);
	/* The position in a vhost base: where the device goes on reading. */
	uint32_t (*base_pos)(const struct kc_watch_queue *q, uint32_t base);
	/* The ring lies in memory as the driver made it; cfg is set. / The device has acknowledged that it
	 * stopped (optional). / It is given up. */
	void (*start)(struct kc_oracle *o, struct kc_watch_queue *q);
	void (*rest)(struct kc_oracle *o, struct kc_watch_queue *q);
	void (*stop)(struct kc_oracle *o, struct kc_watch_queue *q);
	/* What the driver has published, and what the device has used since the last look. */
	void (*read_offered)(struct kc_oracle *o, struct kc_watch_queue *q, bool at_start);
	void (*read_used)(struct kc_oracle *o, struct kc_watch_queue *q, enum kc_reading how);
	/* Reads the chain at c->idx and c->head from the shadow into c's spans; marks nothing. */
	void (*walk)(struct kc_oracle *o, const struct kc_watch_queue *q, struct kc_watch_chain *c);
	/* Where does the write go? offers: to where chains are published. */
	bool (*offers)(const struct kc_watch_queue *q, const struct kc_own_write *w);
	bool (*suppresses)(const struct kc_watch_queue *q, const struct kc_own_write *w);
	/* The driver writes what is the device's, or what the device may not have read yet. */
	void (*touch_used)(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_own_write *w);
	void (*touch_offered)(struct kc_oracle *o, struct kc_watch_queue *q,
			      const struct kc_own_write *w);
	/* What the driver wants of calls (as it wrote it), and the device of kicks (as it is now). */
	struct kc_wish (*call_wish)(const struct kc_oracle *o, const struct kc_watch_queue *q);
	struct kc_wish (*kick_wish)(const struct kc_watch_queue *q);
	/* Why the driver's wish breaks a rule, or NULL. Optional. */
	const char *(*misused_wish)(const struct kc_oracle *o, const struct kc_watch_queue *q);
	/* The same where it means all the same to a device. NULL: there is no such field. */
	const char *(*misused_field)(const struct kc_oracle *o, const struct kc_watch_queue *q);
	/* Did the write w show a device what is not complete? The rule that it breaks, or NULL. NULL: a
	 * write of one place cannot. */
	const char *(*exposed)(const struct kc_oracle *o, const struct kc_watch_queue *q,
			       const struct kc_own_write *w);
	/* "used_event 5", "driver area flags 1": for messages. */
	void (*say_call_wish)(struct kc_wish w, const struct kc_watch_queue *q, char *buf, size_t cap);
	void (*say_kick_wish)(struct kc_wish w, const struct kc_watch_queue *q, char *buf, size_t cap);
	/* What a position looks like to a driver: split: itself; packed: slot, wrap counter in bit 15. / The
	 * used entry there: split: its index; packed: its slot. / In words. */
	uint16_t (*show)(const struct kc_watch_queue *q, uint32_t pos);
	uint16_t (*entry)(const struct kc_watch_queue *q, uint32_t pos);
	void (*say_pos)(const struct kc_watch_queue *q, uint32_t pos, char *buf, size_t cap);
	/* The rule that a call which is due and does not come breaks. */
	enum kc_rule (*call_rule)(const struct kc_oracle *o, const struct kc_watch_queue *q);
	/* The device's suppression field, in the first 4 bytes of its area; false if that value means
	 * nothing: said in buf. */
	uint32_t (*device_flags)(const void *area);
	bool (*flags_defined)(const struct kc_watch_queue *q, uint32_t flags, char *buf, size_t cap);
	/* The device has moved on by itself after the queue was stopped: what is there, into buf. */
	bool (*moved)(struct kc_oracle *o, struct kc_watch_queue *q, char *buf, size_t cap);
	/* Nothing more comes, chains are in flight, and the device has written where, or what, makes nothing
	 * used: what is there, into buf. *next: in the right place. It is told once. Optional. */
	bool (*strayed)(struct kc_oracle *o, struct kc_watch_queue *q, bool *next, char *buf, size_t cap);
	/* Is gpa in one of its areas, or right behind the device's? */
	bool (*place)(const struct kc_watch_queue *q, uint64_t gpa, struct kc_place_of *p);
	/* Both sides' indices, for the picture. */
	void (*draw)(const struct kc_oracle *o, const struct kc_watch_queue *q, FILE *out);
};

extern const struct kc_layout kc_layout_split, kc_layout_packed;

const char *kc_rule_clause(enum kc_rule rule, const struct kc_layout *layout);

#endif

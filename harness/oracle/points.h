/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_ORACLE_POINTS_H
#define HARNESS_ORACLE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <harness/oracle/layout.h>
#include <harness/oracle/oracle.h>
#include <kickcall/message.h>

struct kc_oracle;
struct kc_watch_queue;
struct kc_watch_chain;
struct kc_watch_used;
struct kc_shadow_change;
struct kc_place_of;

/* In which modes a point can accuse by a clause (ARCHITECTURE.md has the table). */
#define KC_IN_SIM	1u
#define KC_IN_LIVE	2u
#define KC_IN_BOTH	(KC_IN_SIM | KC_IN_LIVE)

struct kc_point_clause {
	const char *id;
	unsigned modes;
};

/* A rule stands for a clause of each layout (rules.c). */
struct kc_point_rule {
	enum kc_rule rule;
	unsigned modes;
};

/*
 * One point of the oracle: handlers for the events it cares for, NULL for the rest. Handlers judge
 * and accuse; the books are kept elsewhere (watch.c). Each point keeps what it must remember in a
 * struct of its own, below.
 */
struct kc_point {
	const char *name;
	/* Every clause that it accuses by, ended by a NULL id, and every rule, ended by KC_RULES; NULL: none.
	 * tests/e2e/test_tree.py holds the lists against its source. */
	const struct kc_point_clause *clauses;
	const struct kc_point_rule *rules;
	void (*session)(struct kc_oracle *o, bool begins, bool orderly);
	void (*started)(struct kc_oracle *o, struct kc_watch_queue *q);
	/* A used entry was read (the shadow still holds what its buffers held before). */
	void (*used)(struct kc_oracle *o, struct kc_watch_queue *q, const struct kc_watch_used *u);
	/* n buffers were used, which took so many positions, and all have been told of. */
	void (*advanced)(struct kc_oracle *o, struct kc_watch_queue *q, uint64_t n, uint64_t slots);
	/* The device's position is where it cannot be. */
	void (*astray)(struct kc_oracle *o, struct kc_watch_queue *q, uint16_t idx);
	/* The driver wrote its suppression fields (the store may not be visible yet). */
	void (*suppression)(struct kc_oracle *o, struct kc_watch_queue *q);
	/* After every look at a queue, started or not. */
	void (*looked)(struct kc_oracle *o, struct kc_watch_queue *q);
	void (*called)(struct kc_oracle *o, struct kc_watch_queue *q, uint64_t n);
	/* Memory changed where it may not. */
	void (*changed)(struct kc_oracle *o, const struct kc_shadow_change *c,
			const struct kc_place_of *p);
	void (*message)(struct kc_oracle *o, const struct kc_msg *m, bool out);
	/* A barrier: the queue is stopped, its chains still in the books. base < 0: by a reset. */
	void (*stopped)(struct kc_oracle *o, struct kc_watch_queue *q, int64_t base);
	/* After the barrier, when the books of all queues concerned are closed. */
	void (*silent)(struct kc_oracle *o, bool reset);
	void (*quiet)(struct kc_oracle *o, struct kc_watch_queue *q);	/* sim: proved */
	void (*all_quiet)(struct kc_oracle *o);
	void (*observed)(struct kc_oracle *o);
	void (*awake)(struct kc_oracle *o, uint64_t cpu_ms, uint64_t ms);	/* live */
};

/* Handlers, counted by where they stand in the struct. */
#define KC_HANDLER(name)	((offsetof(struct kc_point, name) - offsetof(struct kc_point, session)) / \
				 sizeof(void (*)(void)))
#define KC_HANDLERS		(KC_HANDLER(awake) + 1)

#define KC_POINTS_MAX	13u
extern const struct kc_point *const kc_points[KC_POINTS_MAX + 1];	/* NULL-terminated */
extern const struct kc_point kc_point_conservation, kc_point_used_len, kc_point_canary,
	kc_point_ownership, kc_point_indices, kc_point_notify, kc_point_in_order, kc_point_base,
	kc_point_grammar, kc_point_progress, kc_point_silence, kc_point_log,
	kc_point_inflight;

/* 1 conservation, per queue */
struct kc_lost {
	uint64_t told;		/* serial of the chain last reported lost */
	uint64_t kicks_void;	/* kicks that may have died with an exchanged eventfd */
	uint64_t serial_void;	/* chains published before that exchange */
};

/* 2 used.len */
struct kc_trust {
	uint64_t suspicions;	/* bytes inside used.len that look untouched */
	const char *clause;	/* of the first */
	char first[320];
};

/* 5 indices, per queue */
struct kc_indices {
	uint32_t flags_at_start;	/* the device's, as the driver left them */
	bool flags_told;
};

/* 6 notifications, per queue */
struct kc_notify {
	struct kc_wish wish;	/* in force: the driver's, of calls */
	struct kc_wish next;	/* written since, when unsure */
	bool unsure;
	bool due, due_empty;	/* by the wish / by NOTIFY_ON_EMPTY */
	uint64_t dues, spurious;
	uint64_t offered, used;	/* NOTIFY_ON_EMPTY: at the last look... */
	uint64_t calls_before;	/* ...and calls, when more was offered last */
	uint64_t decided;	/* used buffers (count since start) that are certainly decided... */
	uint64_t decided_slots;	/* ...and the positions they took */
	unsigned free_calls;
	bool early;		/* the one call before anything was used has come */
	uint64_t budget;	/* live: calls that may still come without being spurious */
	uint64_t hushed;	/* live: buffers used while no call was wanted, since `decided` */
	bool told_spurious;
};
/* A call without cause is excused once more: something was exchanged underway. */
void kc_notify_excuse(struct kc_watch_queue *q);

/* 8 dirty log */
struct kc_dirty {
	bool on;			/* everything that is offered now is logged */
	struct kc_oracle_log log;
	uint8_t *buffers, *rings;	/* pages that need their bit, one bit each like the log's */
	uint64_t changed;		/* of them, so far */
	bool still;			/* no ring runs: the log stays as it is in... */
	uint8_t *frozen;
	bool told_around;
};
struct kc_logged {
	uint64_t since;		/* serial of the last chain offered before the log was on */
};
void kc_dirty_free(struct kc_dirty *d);

#define KC_WATCH_QUEUES	256u

/* 8 what is in flight */
struct kc_regions {
	bool on;
	struct kc_oracle_inflight at;
	uint32_t size[KC_WATCH_QUEUES];	/* of the ring that first used something; 0: none has yet */
};

/* 10 grammar of messages */
#define KC_EXPECTED_MAX	64u
struct kc_expected {
	uint32_t id;
	bool must;		/* else it may be answered */
	bool need_reply;
	bool own;		/* has a reply of its own, else an ack */
	uint32_t index;		/* GET_VRING_BASE */
	uint32_t offset, size, flags;	/* GET_CONFIG */
};
struct kc_grammar {
	struct kc_expected q[KC_EXPECTED_MAX];
	unsigned n;
	struct kc_expected last;	/* answered last; id 0: none */
	struct kc_expected mute;	/* last request that asks for no answer */
	bool lost;		/* raw bytes were sent: replies cannot be paired any more */
	bool bit30;			/* GET_FEATURES offered protocol features */
	bool know_offer;
	uint64_t offered, acked;	/* protocol features */
};

/* 11 progress */
struct kc_progress {
	int pid;		/* measured at session start; 0: nothing */
	long fds, rss_kib, maps;
	bool surplus;		/* fds went out that the message has no use for (VU-ERR-03) */
	uint64_t events, idle;	/* sim: observations since `events` last moved */
	bool told;
	bool excused;		/* live: this session gave cause to poll */
	uint64_t done_at;	/* live: `events` when all was last seen done; 0: never */
};
/* Live: does the peer have nothing to do but to wait for a kick or a message? */
bool kc_progress_all_done(struct kc_oracle *o);

/* 12 silence */
struct kc_silence {
	bool barrier;		/* no queue runs and the device has acknowledged it */
	bool reset;
};
struct kc_quietness {
	bool barrier;		/* this queue was stopped and acknowledged it */
	bool reset;
	unsigned free_calls;
	bool told_idx;
};

#endif

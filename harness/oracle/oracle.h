/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_ORACLE_ORACLE_H
#define HARNESS_ORACLE_ORACLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <kickcall/backend.h>
#include <sim/mem.h>
#include <sim/sched.h>
#include <sim/trace.h>

/*
 * The oracle watches rings, memory, eventfds and messages, decides nothing, and accuses.
 *
 * It keeps books of its own: it walks chains in guest memory itself when the driver publishes,
 * reads used rings itself, computes event windows itself, and keeps a copy of guest memory to which
 * only kickcall's own writes are applied. It shares layouts and accessors with driver and back-end
 * (kickcall/ring.h), never an algorithm.
 *
 * Events come in here; each is passed to every point (oracle/NN_name.c), which may accuse.
 */
struct kc_oracle;

/*
 * Somebody who counts. Told what the books hear, whether it is judged or not; must not call the oracle.
 * Every member is required.
 */
struct kc_oracle_listener {
	/* A chain was published. What is returned the books keep for it, and give back... */
	int64_t (*offered)(void *ctx, unsigned qi, uint16_t head);
	/* ...when it is used. */
	void (*used)(void *ctx, unsigned qi, uint16_t head, int64_t stamp);
	/* n buffers were used for which the driver wants no call. */
	void (*unasked)(void *ctx, unsigned qi, uint64_t n);
	/* n calls came; for so many of them no buffer gave cause, and nothing excuses them. */
	void (*called)(void *ctx, unsigned qi, uint64_t n, uint64_t spurious);
};

struct kc_oracle_config {
	struct kc_mem *mem;
	enum kc_mode mode;
	struct kc_trace *trace;		/* may be NULL */
	struct kc_backend *be;		/* for pid and /proc; may be NULL in unit tests */
	/* A clause was broken. message is one sentence with expected and actual. */
	void (*accuse)(void *ctx, const char *clause, const char *message);
	void *ctx;
	const struct kc_oracle_listener *listener;	/* may be NULL */
	void *listener_ctx;
};

struct kc_oracle *kc_oracle_new(const struct kc_oracle_config *c);
void kc_oracle_free(struct kc_oracle *o);

struct kc_oracle_queue {
	uint32_t size;
	uint64_t desc, avail, used;	/* gpa; packed: descriptor ring, driver area, device area */
	uint32_t base;			/* where the device begins, as SET_VRING_BASE says it */
	bool packed;			/* layout */
	bool event_idx;			/* negotiated */
	bool indirect;			/* negotiated */
	bool in_order;			/* negotiated */
	bool notify_on_empty;		/* negotiated */
	bool has_call;			/* false: the back-end was told to expect polling */
	bool for_input;			/* the driver fills it for what may come: a buffer may wait for ever */
};

/* A session begins: features as negotiated may still change until a queue starts. */
void kc_oracle_session_start(struct kc_oracle *o);
/* The connection is gone or was closed; orderly: kickcall closed it. */
void kc_oracle_session_end(struct kc_oracle *o, bool orderly);
/* Protocol features in force, for the grammar of replies. */
void kc_oracle_protocol_features(struct kc_oracle *o, uint64_t acked);

void kc_oracle_queue_start(struct kc_oracle *o, unsigned qi, const struct kc_oracle_queue *q);
/* The GET_VRING_BASE request is about to be sent / its reply has come (a barrier). */
void kc_oracle_queue_stopping(struct kc_oracle *o, unsigned qi);
void kc_oracle_queue_stopped(struct kc_oracle *o, unsigned qi, uint32_t base);
void kc_oracle_queue_enable(struct kc_oracle *o, unsigned qi, bool enabled);
/* A descriptor of this queue is about to be written by the script: nobody poisoned its buffer. */
void kc_oracle_by_hand(struct kc_oracle *o, unsigned qi);
/* The driver broke a rule of the device type's on this queue (a blk request without a status). */
void kc_oracle_malformed(struct kc_oracle *o, unsigned qi);
/* A device reset was acknowledged: as if every queue had stopped, with no base known. */
void kc_oracle_reset(struct kc_oracle *o);

/* The driver has published (and what it published is in memory). */
void kc_oracle_published(struct kc_oracle *o, unsigned qi);
/* The same of a driver that says how many buffers it published just now. */
void kc_oracle_supplied(struct kc_oracle *o, unsigned qi, unsigned n);
/* The driver wrote what it wants of calls, and its full barrier has passed. */
void kc_oracle_suppression(struct kc_oracle *o, unsigned qi);
/* A kick reached the eventfd. */
void kc_oracle_kicked(struct kc_oracle *o, unsigned qi);
/* The driver asked whether what it published since wants a kick, and gave none. */
void kc_oracle_kick_withheld(struct kc_oracle *o, unsigned qi);
/* n signals were seen on the call eventfd (live: coalesced ones count once). */
void kc_oracle_called(struct kc_oracle *o, unsigned qi, uint64_t n);
/* The error eventfd was seen signalled. */
void kc_oracle_ring_error(struct kc_oracle *o, unsigned qi);
/* The driver has taken the used entry of this head: its buffers are its own again. Call before they
 * are freed or rewritten. */
void kc_oracle_reaped(struct kc_oracle *o, unsigned qi, uint16_t head);
/* kickcall wrote guest memory (kc_mem.wrote). ctx is the oracle. */
void kc_oracle_guest_wrote(void *ctx, uint64_t gpa, const void *buf, size_t len);
/* The device may change this memory as it likes, though it is in no buffer (a balloon's pages), and need not,
 * if it is in one; when it is switched off, what the device has made of it is taken over. Once each way. */
void kc_oracle_lend(struct kc_oracle *o, uint64_t gpa, uint64_t len, bool on);
/* Every message; out: sent by kickcall. Raw bytes that are no message are told with NULL. */
void kc_oracle_message(struct kc_oracle *o, const struct kc_msg *m, bool out);

/*
 * The dirty log is on: the device has acknowledged it. The file is borrowed until the next call of one of
 * these two, or the end of the session. -1: no memory.
 */
struct kc_oracle_log {
	const uint8_t *file;		/* all of the shared file, zeroes at first */
	uint64_t file_bytes;
	uint64_t offset, bytes;		/* the log in it */
	bool rings;			/* used rings are logged, too, */
	uint64_t shift;			/* at log addresses that differ by this from their own */
};
int kc_oracle_log_on(struct kc_oracle *o, const struct kc_oracle_log *log);
/* It is about to be switched off. */
void kc_oracle_log_off(struct kc_oracle *o);
/* Pages that need their bit and do not have it yet. *changed: pages that need one, since log on. */
uint64_t kc_oracle_unlogged(struct kc_oracle *o, uint64_t *changed);

/* SET_INFLIGHT_FD was acknowledged. The regions are borrowed until the next call, or the end of the
 * session. NULL: they go. */
struct kc_oracle_inflight {
	const uint8_t *regions;
	uint64_t stride;		/* bytes from region to region */
	unsigned queues, size;		/* how many, for rings of so many at most */
};
void kc_oracle_inflight(struct kc_oracle *o, const struct kc_oracle_inflight *f);

/* Looks at memory now. Cheap when nothing moved; called after every switch (sim) or poll (live). */
void kc_oracle_observe(struct kc_oracle *o);
/* Compares all of guest memory with the copy (canaries, driver-owned areas). */
void kc_oracle_verify_memory(struct kc_oracle *o);
/* live: the peer has all that it asked for. Nothing is in flight, no call is due, and every ring that runs
 * is sound, enabled and has a kick descriptor: there is nothing to do but to wait. */
bool kc_oracle_all_done(struct kc_oracle *o);
/* A thread of the peer has not slept for ms, and had cpu_ms of CPU time meanwhile. Judged only if
 * kc_oracle_all_done was true before, and nothing has happened since. */
void kc_oracle_awake(struct kc_oracle *o, uint64_t cpu_ms, uint64_t ms);
/* sim: nothing can run any more. What is due and has not come is missing, proved. */
void kc_oracle_quiet(struct kc_oracle *o);
/* The end of the scenario: verifies memory and closes the books. */
void kc_oracle_finish(struct kc_oracle *o);

/* What the books say, for `expect` and reports. */
struct kc_oracle_view {
	bool started, enabled;
	bool malformed;			/* the ring is not as the rules have it, since start */
	const char *driver_broke;	/* the rule that the driver broke first since start, or NULL */
	uint64_t offered;		/* chains since start */
	uint64_t used;			/* used entries since start */
	uint16_t used_idx;		/* as last seen; packed: next slot, wrap counter in bit 15 */
	uint64_t calls;			/* signals since start */
	uint64_t kicks;
	uint64_t errors;		/* error eventfd signals */
	bool call_due;			/* a call is due for entries used, and was not seen */
	uint64_t calls_due;		/* how often a call became due since start */
	uint64_t calls_spurious;	/* calls that were not due (first after start excepted) */
};
void kc_oracle_view(const struct kc_oracle *o, unsigned qi, struct kc_oracle_view *v);
/* That one of it: it is asked for after every switch. */
uint16_t kc_oracle_used_idx(const struct kc_oracle *o, unsigned qi);
/* Bytes inside the first used.len that still hold their poison. If > 0 the same scenario must be
 * run with the complementary poison before anyone is accused: of *clause, in these words. */
uint64_t kc_oracle_suspicions(const struct kc_oracle *o, const char **clause, char *first, size_t cap);
/* The ring's state as a picture in text, for failure reports. */
void kc_oracle_picture(const struct kc_oracle *o, unsigned qi, FILE *out);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_WORLD_WORLD_H
#define HARNESS_WORLD_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <guest_model/driver.h>
#include <guest_model/port.h>
#include <guest_model/raw.h>
#include <guest_model/ring.h>
#include <harness/language/matrix.h>
#include <harness/language/script.h>
#include <harness/oracle/oracle.h>
#include <harness/report/result.h>
#include <harness/world/economy.h>
#include <harness/world/far_end.h>
#include <harness/world/proc.h>
#include <kickcall/backend.h>
#include <sim/mem.h>
#include <sim/sched.h>
#include <sim/trace.h>
#include <sim/vmm.h>

/*
 * Everything one scenario runs in: the machine, the guest, the back-end and the oracle, wired
 * together, and what the script has found out so far. The verbs of the language (do_*.c) work on it.
 */
#define KC_PENDING_MAX	65536
#define KC_INBOX_MAX	32

/* What the caller knows of the back-end beside its address. */
struct kc_world_config {
	enum kc_mode mode;
	uint64_t seed;			/* of this test */
	struct kc_backend *be;		/* borrowed */
	const struct kc_port_ops *port;
	int64_t timeout_ns;		/* of one wait, before the last long look */
	bool poison_flip;
	bool writes_allowed;
	enum kc_contents contents;
	bool writes_dropped;
	bool persistent;		/* what is flushed outlives the back-end's process */
	bool data_loop;			/* what is sent comes back (net: frames) */
	struct kc_far_end *far_end;	/* who sends it back, if not the back-end: borrowed, or NULL */
	bool control;			/* it serves the device's control queue itself (net) */
	bool busy_poll;			/* it spins by design: no CPU bound */
	bool spins_told;		/* it spins, and that has been said often enough */
	bool never_polls;		/* it serves a ring on kicks only */
	bool can_throttle;		/* it is slow where the script's header needs that */
	bool no_reset;			/* status 0 resets nothing */
	bool rings_together;		/* a ring runs only while others do */
	bool quick;			/* whether a request is in flight a moment later is luck */
	uint32_t ring_max, chain_max;	/* 0: not known */
	FILE *trace_file;		/* or NULL */
	bool pause_on_fail;
	bool served;			/* by somebody else: once it is gone, it stays so */
	volatile unsigned *line;	/* told of every script line, or NULL */
};

struct kc_world_queue {
	bool made;
	bool companion;			/* the script knows nothing of it */
	struct kc_ring ring;
	struct kc_queue_config config;
	bool raw;			/* the script has written into it by hand */
	bool rebased;			/* the script has started it from a base of its own */
	bool full;			/* fill met -ENOSPC */
	unsigned outstanding;		/* requests published or added and not reaped */
	uint64_t reaped;		/* since the last checkpoint */
	uint64_t last_base;		/* of the last GET_VRING_BASE */
	struct kc_oracle_view mark;	/* at the checkpoint */
	uint16_t told_used_idx;		/* when a line last waited for this queue, or looked at it */
	uint64_t seen_interrupts, seen_errors;	/* already told to the oracle */
	uint16_t seen_used_idx;		/* already in the trace */
	uint64_t table_gpa;		/* scratch indirect table of the hostile driver, 0: none */
	uint64_t scratch_gpa;		/* scratch buffer of the hostile driver, 0: none */
	uint32_t last_len;		/* used.len last reaped */
};

struct kc_world {
	struct kc_world_config cfg;
	struct kc_script *script;
	struct kc_result *result;
	char name[512];			/* "ID [VARIANT]", for the trace */
	struct kc_mem mem;
	struct kc_sched *sched;
	struct kc_trace trace;
	struct kc_vmm vmm;
	struct kc_oracle *oracle;
	struct kc_economy economy;
	struct kc_port *port;
	struct kc_proc_watch quiet;	/* live: is the peer's process at rest? */
	struct kc_proc_polls polls;	/* the same, of one that polls */
	uint8_t config_space[KC_VU_CONFIG_MAX];
	unsigned config_len;		/* bytes read; 0: none */
	struct kc_world_queue q[KC_QUEUES_MAX];
	unsigned nq;			/* q[nq] and those behind it have never been made */
	unsigned pc;			/* step being run */
	unsigned repeats[16];		/* rounds left of the open repeats... */
	unsigned rounds[16];		/* ...and how many there are in all */
	unsigned nrepeats;
	struct kc_matrix matrix;	/* n 0: not built yet */
	char choice[256];		/* the combination of features in force, for messages; or "" */
	uint32_t size_taken;		/* largest ring that was started */
	bool driver_ok_due;		/* negotiated; DRIVER_OK not yet written */
	bool driver_ok_held;		/* ...until the script says so */
	bool opening_due;		/* negotiated; the port's opening not yet played */
	bool session;			/* connected and negotiated as far as the script wants */
	bool met;			/* the back-end has said something, or taken a bare connection */
	bool lost;			/* the connection is gone */
	bool loss_judged;		/* its fate has been looked at */
	bool loss_allowed;		/* ...and an expectation said it may */
	bool over;			/* nothing more can be run */
	bool misled;			/* the back-end broke a MUST while the driver had broken no rule */
	/* Requests that the device refused, or answered wrongly, and no expectation has claimed. */
	struct { int code; char what[96]; } refused[64];
	unsigned nrefused;
	uint64_t answered_ok;		/* requests answered right since the checkpoint */
	/* The message channel, for `message` and `expect reply`. */
	struct kc_msg last_reply;
	struct kc_msg older[KC_VU_MAX];	/* by request: the reply before last_reply */
	struct kc_msg inbox[KC_INBOX_MAX];	/* came before anybody asked for it */
	unsigned ninbox;
	struct kc_event event;		/* the one being looked at: too large for the stack of every wait */
	enum kc_outcome last_outcome;
	uint32_t last_request;
	uint8_t held[8192];		/* bytes held back by `together` */
	size_t held_len;
	char *transcript;		/* decoded messages, one a line */
	size_t transcript_len;
	FILE *transcript_file;
};

/* Runs the script (borrowed) from start to end; the verdict is in result. */
void kc_world_run(struct kc_script *script, const struct kc_world_config *cfg,
		  struct kc_result *result);

/* --- For the verbs ------------------------------------------------------------------------------ */

/* A broken clause, at the current line. "" means the script's first clause. */
void kc_world_violate(struct kc_world *w, const char *clause, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What was said up to now may have come of a fault of kickcall's own, which is to be told of next. */
void kc_world_take_back(struct kc_world *w);
/* The scenario cannot be judged: verdict and reason; nothing more runs. Returns -1. */
int kc_world_stop(struct kc_world *w, enum kc_verdict v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* After an unexpected outcome of an ordinary request: a violation (or an error for KC_OUT_FAULT),
 * and the end. Returns -1. */
int kc_world_outcome(struct kc_world *w, enum kc_outcome o, const char *what);
/* The oracle's way to violate; ctx is the world. */
void kc_world_accuse(void *ctx, const char *clause, const char *message);
/* The scheduler's observer: memory, interrupts and errors to the oracle; ctx is the world. */
void kc_world_observe(void *ctx);
/* The back-end's message watch; ctx is the world. */
void kc_world_watch_message(void *ctx, const struct kc_msg *m, bool out);
/* GET_VRING_BASE, with the oracle told before and after. 0 or -1. */
int kc_world_stop_queue(struct kc_world *w, unsigned qi, uint32_t *base);
/* Starts a queue that was made: oracle first, then the messages. 0 or -1. */
int kc_world_start_queue(struct kc_world *w, unsigned qi);
/* Skips the scenario (-1) if the back-end lacks what its header needs. */
int kc_world_check_needs(struct kc_world *w);
int kc_world_connect(struct kc_world *w);
/* Connects and negotiates unless that has happened. 0 or -1. */
int kc_world_session(struct kc_world *w);
int kc_world_negotiate(struct kc_world *w, uint64_t features);
/* Plays the port's opening unless that has happened. 0 or -1. */
int kc_world_opening(struct kc_world *w);
/* Sets DRIVER_OK unless that has happened. 0 or -1. */
int kc_world_driver_ok(struct kc_world *w);
/* A disk that offers RO? */
bool kc_world_read_only(const struct kc_world *w);
/* Bytes of the device's configuration that the driver reads, with the features it has taken. */
unsigned kc_world_config_len(const struct kc_world *w);
/* Features that the driver would take of what is offered, by the script's header. */
uint64_t kc_world_features(struct kc_world *w);
/*
 * The virtqueue that the script means by queue n: a script for any device numbers those that carry
 * requests, one for a device type numbers virtqueues; KC_QUEUE_CONTROL is the one that controls the
 * device. Steps run with their qi translated; -1 after a skip: there is none.
 */
int kc_world_virtqueue(struct kc_world *w, unsigned n);
/* The same for an index in a message: what is no queue of the script stays as it is. */
uint64_t kc_world_ring_index(struct kc_world *w, uint64_t n);
/* The queue of the step, which must have been made; NULL after a script error. */
struct kc_world_queue *kc_world_queue(struct kc_world *w, unsigned qi);
/* Its ring, if it is of that layout; NULL after a script error about `what`. */
struct kc_split *kc_world_split(struct kc_world *w, unsigned qi, const char *what);
struct kc_packed *kc_world_packed(struct kc_world *w, unsigned qi, const char *what);
/* The rule that kickcall's own driver has broken on a ring that no hand has meddled with, and the queue;
 * or NULL. */
const char *kc_world_driver_broke(struct kc_world *w, unsigned *qi);
/* Has it? Then the scenario is an error, unless the back-end had misled the driver. Asked before a queue's
 * books are closed by its next start, and at the end. */
void kc_world_judge_driver(struct kc_world *w);
/* Gives a queue's requests back to the port, and the queue up. Its memory stays as it is, for the oracle
 * to watch. One that was not made is left alone. */
void kc_world_forget_queue(struct kc_world *w, unsigned qi);
/* Lets the others run until nothing can (sim), or the peer had a fair chance (live). */
void kc_world_settle(struct kc_world *w);
/* Everything is done: does the back-end sleep? Else a violation. Quick, unless it is awake. */
void kc_world_judge_spinning(struct kc_world *w);
/* Waits for pred. 0; -1 when it cannot come any more: the world then knows why (proved, lost, or
 * inconclusive) and what, formatted like printf's, says what was awaited. */
int kc_world_wait(struct kc_world *w, bool (*pred)(void *arg), void *arg, const char *what, ...)
	__attribute__((format(printf, 4, 5)));
/* Takes used entries off the ring and checks their payload. Returns how many. */
unsigned kc_world_reap(struct kc_world *w, unsigned qi);
/* Notices an unexpected end of the connection, and keeps the messages that have come for `expect`. */
void kc_world_check_connection(struct kc_world *w);
void kc_world_empty_inbox(struct kc_world *w);
/* The oldest message that has come or comes; as kc_backend_receive. */
enum kc_outcome kc_world_receive(struct kc_world *w, struct kc_msg *m, struct kc_err *err);
/* Waits for n used entries and reaps them. 0 or -1. */
int kc_world_wait_used(struct kc_world *w, unsigned qi, unsigned n);
/* The sets of features to try, of what the back-end offers. */
const struct kc_matrix *kc_world_matrix(struct kc_world *w);
/* A number of the script, in the context of a queue. */
int64_t kc_world_num(struct kc_world *w, const struct kc_num *n, unsigned qi);
/* Exactly these bytes to the back-end; notices a lost connection. 0 or -1. */
int kc_world_send_bytes(struct kc_world *w, const uint8_t *buf, size_t len,
			const struct kc_handle *handles, unsigned nhandles);
/* The connection is gone: acceptable (0) unless the process crashed or exited with an error (-1). */
int kc_world_judge_loss(struct kc_world *w);
/* After kickcall closed the connection: the process has not crashed (0), or a violation (-1). */
int kc_world_survives(struct kc_world *w);
/* GET_FEATURES is answered, or the connection is gone in an acceptable way: 0, else -1. */
int kc_world_still_answers(struct kc_world *w);
/* After a line about queue qi: from here on `expect` counts anew, but `nothing used` only for this queue. (What
 * another one uses meanwhile is for the next line about that to see.) */
void kc_world_checkpoint(struct kc_world *w, unsigned qi);
/* Requests that the device refused and no `expect status` has claimed are violations. */
void kc_world_unclaimed(struct kc_world *w);
/* The driver has written used_event or avail.flags: tells the oracle, and what the oracle takes back of
 * the calls due before the checkpoint is taken off there as well. */
void kc_world_suppression(struct kc_world *w, unsigned qi);
/* Shapes a request out of "<*>" words. 0, or -1 after a script error. */
int kc_world_shape(struct kc_world *w, const struct kc_step *s, const struct kc_arg *a,
		   struct kc_shape *shape, char *words, size_t cap);
/* A script that cannot be right, found while it runs: verdict error at the step's place. Returns -1. */
int kc_world_script_error(struct kc_world *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif

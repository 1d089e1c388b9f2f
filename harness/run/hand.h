/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_HAND_H
#define HARNESS_RUN_HAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <kickcall/err.h>

/*
 * A worker as its parent has it in hand: a process that takes orders over one pipe and answers each with
 * a line of text over another.
 */
struct kc_order {
	unsigned test;			/* of the suite */
	unsigned dir;			/* number of its scratch directory */
	bool poison_flip, spins_told, traced;
	bool shared;			/* the back-end is the one that was there when it was hired */
	bool leave;			/* no test: the end */
};

struct kc_hand {
	pid_t pid;			/* 0: nobody */
	int orders, answers;		/* this side's ends */
	unsigned given;			/* orders, leaving aside */
	char *text;			/* the answer so far */
	size_t len;
};

/* Carries the order out, and writes one line to out_fd. */
typedef void kc_hand_serve_fn(void *ctx, const struct kc_order *order, int out_fd);

/* Forks it. once: it leaves by itself after its first order. 0 or -errno with err. */
int kc_hand_hire(struct kc_hand *h, kc_hand_serve_fn *serve, void *ctx, bool once, struct kc_err *err);
/* The answer to the order before is forgotten. If it is gone, kc_hand_listen will tell. */
void kc_hand_order(struct kc_hand *h, const struct kc_order *order);

enum kc_heard { KC_HEARD_PART, KC_HEARD_ALL, KC_HEARD_END };

/* Reads what there is: a part of the answer, the rest of it, or the end without one. Blocks if there is
 * nothing to read. */
enum kc_heard kc_hand_listen(struct kc_hand *h);
/* Lets it leave (at_once: kills it) and waits for that. What it said stays in text until the
 * next hire or kc_hand_fini. Its wait(2) status. */
int kc_hand_dismiss(struct kc_hand *h, bool at_once);
/* Kills it if it is there. */
void kc_hand_fini(struct kc_hand *h);

#endif

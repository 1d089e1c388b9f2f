/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_BALLOON_H
#define GUEST_MODEL_BALLOON_H

#include <stdbool.h>
#include <stdint.h>
#include <guest_model/port.h>

/*
 * The pages that a balloon's driver gives away, for the balloon's port only: guest memory that it
 * keeps for nothing else, and who has each page now. A page that the device may change is lent
 * (kc_port_env.lend): the oracle does not mind then.
 */
#define KC_PAGE_BYTES	4096u		/* of the balloon, whatever the guest's own have */
#define KC_PAGES_MAX	384u

enum kc_page_state {
	KC_PAGE_OURS,
	KC_PAGE_ASKED,			/* in a request that the device has not acknowledged */
	KC_PAGE_GIVEN,			/* acknowledged: in the balloon */
	KC_PAGE_LIMBO,			/* in a request that was given up: nobody knows */
};

struct kc_page {
	uint64_t gpa;
	enum kc_page_state state, before;	/* ...it was asked for */
	bool lent;
	uint64_t since;			/* when it came into the balloon, in the order of pages */
};

struct kc_pages {
	struct kc_port *port;		/* borrowed */
	struct kc_page p[KC_PAGES_MAX];
	unsigned n;			/* there are so far */
	unsigned next;			/* where the search begins */
	uint64_t clock;
};

/*
 * Chooses n pages for a request, which become KC_PAGE_ASKED: their numbers go to list. Our own come
 * first; with `again` those that the device has already follow. together: one behind the other in
 * memory. -ENOMEM: there are not so many, and nothing has changed.
 */
int kc_pages_ask(struct kc_pages *s, unsigned n, bool again, bool together, unsigned *list);
/* The n pages that have been in the balloon longest become KC_PAGE_ASKED. -ENOENT: it has fewer. */
int kc_pages_ask_back(struct kc_pages *s, unsigned n, unsigned *list);
unsigned kc_pages_given(const struct kc_pages *s);
/* From here on, or no more, the device may change it. */
void kc_page_lend(struct kc_pages *s, unsigned i, bool on);
/* The request was not made after all: all is as before. */
void kc_page_forget(struct kc_pages *s, unsigned i);
/* The request has come back, or was given up: where the page is now. */
void kc_page_settle(struct kc_pages *s, unsigned i, enum kc_page_state state);

#endif

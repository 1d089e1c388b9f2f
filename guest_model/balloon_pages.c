/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pages that a balloon's driver gives away.
 *
 * Theory of operation: pages are allocated in blocks, when there are too few, and stay allocated:
 * what is in the balloon must not be used for anything else, and what comes back is given away
 * again. A search begins behind the page found last, so that a page rests before its next turn, and
 * a late write of the device meets memory that it has no business with.
 *
 * Pages are lent, not the requests that name them: a page may change from the moment that the
 * device can know of it until the driver may use it again, and that is often long after its request
 * has come back. What was in flight when a queue was given up stays lent for ever, since the device
 * may have taken it or not.
 */
#include <errno.h>
#include <guest_model/balloon.h>

#define BLOCK	16u			/* pages */

static bool grow(struct kc_pages *s)
{
	uint64_t gpa;

	if (s->n + BLOCK > KC_PAGES_MAX ||
	    kc_mem_alloc(s->port->env.mem, (uint64_t)BLOCK * KC_PAGE_BYTES, KC_PAGE_BYTES, KC_PLACE_ANY, &gpa))
		return false;
	for (unsigned i = 0; i < BLOCK; i++)
		s->p[s->n++] = (struct kc_page){ .gpa = gpa + (uint64_t)i * KC_PAGE_BYTES };
	return true;
}

static bool is_free(const struct kc_page *p, bool again)
{
	return p->state == KC_PAGE_OURS || (again && p->state != KC_PAGE_ASKED);
}

/* Up to n pages from `first` on; returns how many. */
static unsigned look(const struct kc_pages *s, unsigned n, bool again, unsigned *list)
{
	unsigned found = 0;

	for (unsigned i = 0; i < s->n && found < n; i++) {
		unsigned k = (s->next + i) % s->n;

		if (is_free(&s->p[k], again))
			list[found++] = k;
	}
	return found;
}

static bool follows(const struct kc_pages *s, unsigned k)
{
	return k && s->p[k].gpa == s->p[k - 1].gpa + KC_PAGE_BYTES;
}

static unsigned look_together(const struct kc_pages *s, unsigned n, bool again, unsigned *list)
{
	unsigned found = 0;

	for (unsigned k = 0; k < s->n && found < n; k++) {
		if (!is_free(&s->p[k], again) || (found && !follows(s, k)))
			found = 0;
		if (is_free(&s->p[k], again))
			list[found++] = k;
	}
	return found;
}

static unsigned search(const struct kc_pages *s, unsigned n, bool again, bool together, unsigned *list)
{
	return together ? look_together(s, n, again, list) : look(s, n, again, list);
}

static void ask(struct kc_page *p)
{
	p->before = p->state;
	p->state = KC_PAGE_ASKED;
}

int kc_pages_ask(struct kc_pages *s, unsigned n, bool again, bool together, unsigned *list)
{
	unsigned found;

	if (n > KC_PAGES_MAX)
		return -ENOMEM;
	do {
		found = search(s, n, false, together, list);
	} while (found < n && grow(s));
	if (found < n && again)
		found = search(s, n, true, together, list);
	if (found < n)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		ask(&s->p[list[i]]);
	s->next = n ? (list[n - 1] + 1) % s->n : s->next;
	return 0;
}

unsigned kc_pages_given(const struct kc_pages *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->p[i].state == KC_PAGE_GIVEN;
	return n;
}

static unsigned oldest(const struct kc_pages *s)
{
	unsigned best = s->n;

	for (unsigned i = 0; i < s->n; i++)
		if (s->p[i].state == KC_PAGE_GIVEN && (best == s->n || s->p[i].since < s->p[best].since))
			best = i;
	return best;
}

int kc_pages_ask_back(struct kc_pages *s, unsigned n, unsigned *list)
{
	if (n > kc_pages_given(s))
		return -ENOENT;
	for (unsigned i = 0; i < n; i++) {
		list[i] = oldest(s);
		ask(&s->p[list[i]]);
	}
	return 0;
}

void kc_page_lend(struct kc_pages *s, unsigned i, bool on)
{
	const struct kc_port_env *env = &s->port->env;

	if (s->p[i].lent != on && env->lend)
		env->lend(env->lend_ctx, s->p[i].gpa, KC_PAGE_BYTES, on);
	s->p[i].lent = on;
}

void kc_page_forget(struct kc_pages *s, unsigned i)
{
	s->p[i].state = s->p[i].before;
}

void kc_page_settle(struct kc_pages *s, unsigned i, enum kc_page_state state)
{
	s->p[i].state = state;
	s->p[i].since = ++s->clock;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point 10, the grammar of messages: a reply iff one is due, in the order of the requests, in the
 * right form.
 *
 * Each request that is sent leaves an expectation: a reply of its own (VU-REPLY-01), an ack if
 * REPLY_ACK is negotiated and need_reply set (VU-MSG-REPLYACK-01), or nothing. Requests that a
 * back-end may well refuse to understand (unknown ones, ones whose protocol feature is off,
 * malformed ones) leave an expectation that need not be met. A reply is held against the first
 * expectation that it can meet; those before it that had to be met are missing. When nothing is
 * expected, the reason is named: a second reply to a request with one of its own
 * (VU-MSG-REPLYACK-02), an ack that was asked for without REPLY_ACK (VU-MSG-REPLYACK-03), one that
 * nobody asked for (VU-REPLY-02), or a message of the back-end's own (VU-BEREQ-01).
 *
 * After raw bytes requests and replies cannot be paired any more, and only form is checked. A
 * back-end that is reached by function calls has no messages: nothing is checked then.
 */
#include <inttypes.h>
#include <string.h>
#include <harness/oracle/watch.h>

/* Replies that carry a file descriptor. */
static const uint32_t with_fd[] = {
	KC_VU_GET_INFLIGHT_FD,
	KC_VU_POSTCOPY_ADVISE,
	KC_VU_GET_SHARED_OBJECT,
	KC_VU_SET_DEVICE_STATE_FD,
};

static const char *name_of(uint32_t id)
{
	const struct kc_msg_row *row = kc_msg_row(id);

	return row ? row->name : "an unknown request";
}

/* --- Requests --------------------------------------------------------------------------------- */

static bool negotiated(const struct kc_grammar *g, const struct kc_msg_row *row)
{
	return row->gate < 0 || g->acked & KC_BIT(row->gate);
}

/* Would every back-end take it for what it says? */
static bool is_proper(const struct kc_oracle *o, const struct kc_msg *m,
		      const struct kc_msg_row *row)
{
	const struct kc_grammar *g = &o->grammar;

	if (!negotiated(g, row) || m->flags & KC_VU_REPLY || m->payload != row->request)
		return false;
	if (m->flags && (m->flags & KC_VU_VERSION_MASK) != KC_VU_VERSION)
		return false;
	switch (m->id) {
	case KC_VU_GET_PROTOCOL_FEATURES:
		return g->bit30;
	case KC_VU_GET_VRING_BASE:
		return m->state.index < o->nq && o->q[m->state.index];
	case KC_VU_GET_CONFIG:
		return m->config.size && m->config.size <= KC_VU_CONFIG_MAX;
	case KC_VU_SET_PROTOCOL_FEATURES:	/* REPLY_ACK may begin or end with it */
	case KC_VU_IOTLB_MSG:
	case KC_VU_SET_LOG_BASE:
		return false;
	}
	return true;
}

/* false: no answer can be due. */
static bool expectation(const struct kc_oracle *o, const struct kc_msg *m, struct kc_expected *e)
{
	const struct kc_msg_row *row = kc_msg_row(m->id);
	bool acks = o->grammar.acked & KC_BIT(KC_PF_REPLY_ACK);
	bool asked = o->cfg.be && o->cfg.be->reply_ack;	/* the adapter may add need_reply */

	*e = (struct kc_expected){ .id = m->id, .need_reply = m->flags & KC_VU_NEED_REPLY,
				   .own = row && row->reply_rule == KC_REPLY_OWN };
	if (m->id == KC_VU_GET_VRING_BASE)
		e->index = m->state.index;
	if (m->id == KC_VU_GET_CONFIG) {
		e->offset = m->config.offset;
		e->size = m->config.size;
		e->flags = m->config.flags;
	}
	e->must = row && is_proper(o, m, row) && (e->own || e->need_reply);
	return e->own || (acks && (e->need_reply || asked)) ||
		(m->id == KC_VU_SET_PROTOCOL_FEATURES && e->need_reply);
}

static void take_protocol_features(struct kc_grammar *g, uint64_t wanted)
{
	g->acked = g->know_offer ? wanted & g->offered : wanted;
}

static void request(struct kc_oracle *o, const struct kc_msg *m)
{
	struct kc_grammar *g = &o->grammar;
	struct kc_expected e;

	if (!expectation(o, m, &e))
		g->mute = e;
	else if (g->n == KC_EXPECTED_MAX)
		g->lost = true;		/* more in flight than anybody pipelines */
	else
		g->q[g->n++] = e;
	if (m->id == KC_VU_SET_PROTOCOL_FEATURES)
		take_protocol_features(g, m->u64);
}

/* --- Replies ---------------------------------------------------------------------------------- */

static void missing(struct kc_oracle *o, const struct kc_expected *e, const char *instead)
{
	kc_accuse(o, e->own ? "VU-REPLY-01" : "VU-MSG-REPLYACK-01",
		  "%s (request %" PRIu32 ") expected %s, and %s",
		  name_of(e->id), e->id, e->own ? "its reply" : "an ack, as need_reply asked",
		  instead);
}

static void unexpected(struct kc_oracle *o, const struct kc_msg *m)
{
	struct kc_grammar *g = &o->grammar;
	const char *clause = "VU-BEREQ-01", *why = "nothing was asked";

	if (m->id == g->last.id) {
		clause = g->last.own ? "VU-MSG-REPLYACK-02" : "VU-REPLY-02";
		why = "this request was answered already";
	} else if (m->id == g->mute.id) {
		clause = g->mute.need_reply ? "VU-MSG-REPLYACK-03" : "VU-REPLY-02";
		why = g->mute.need_reply ? "REPLY_ACK is not negotiated"
					 : "the request had no need_reply";
	} else if (g->n) {
		clause = "VU-HDR-03";
		why = "another request waits for its reply";
	}
	kc_accuse(o, clause,
		  "the back-end sent a reply to %s (request %" PRIu32 "), expected %s%s: %s",
		  name_of(m->id), m->id, g->n ? "one to " : "none", g->n ? name_of(g->q[0].id) : "",
		  why);
}

static void check_form(struct kc_oracle *o, const struct kc_msg *m)
{
	bool fd = false;

	if (!(m->flags & KC_VU_REPLY))
		kc_accuse(o, "VU-HDR-03",
			  "the reply to %s has flags 0x%" PRIx32 ", expected the reply bit (4)",
			  name_of(m->id), m->flags);
	if ((m->flags & KC_VU_VERSION_MASK) != KC_VU_VERSION)
		kc_accuse(o, "VU-HDR-02",
			  "the reply to %s has version %" PRIu32 " in its flags, expected 1",
			  name_of(m->id), m->flags & KC_VU_VERSION_MASK);
	for (size_t i = 0; i < sizeof(with_fd) / sizeof(with_fd[0]); i++)
		fd |= with_fd[i] == m->id;
	if (m->nhandles && !fd)
		kc_accuse(o, "VU-FD-01",
			  "the reply to %s carries %u file descriptors, expected none",
			  name_of(m->id), m->nhandles);
}

static void check_content(struct kc_oracle *o, const struct kc_msg *m, const struct kc_expected *e)
{
	if (e->id == KC_VU_GET_VRING_BASE && e->must && m->state.index != e->index)
		kc_accuse(o, "VU-MSG-GETBASE-01",
			  "GET_VRING_BASE of ring %" PRIu32 " was answered for ring %" PRIu32,
			  e->index, m->state.index);
	if (e->id != KC_VU_GET_CONFIG || !e->must || m->payload != KC_PL_CONFIG || !m->config.size)
		return;		/* an empty payload says error */
	if (m->config.offset != e->offset || m->config.size != e->size ||
	    m->config.flags != e->flags)
		kc_accuse(o, "VU-MSG-GETCONFIG-02",
			  "GET_CONFIG asked for offset %" PRIu32 " size %" PRIu32 " flags %" PRIu32
			  ", expected the reply to repeat them, and it says %" PRIu32 ", %" PRIu32
			  ", %" PRIu32,
			  e->offset, e->size, e->flags, m->config.offset, m->config.size,
			  m->config.flags);
}

static void learn(struct kc_grammar *g, const struct kc_msg *m)
{
	if (m->id == KC_VU_GET_FEATURES)
		g->bit30 = m->u64 & KC_BIT(KC_VU_F_PROTOCOL_FEATURES);
	if (m->id != KC_VU_GET_PROTOCOL_FEATURES)
		return;
	g->offered = m->u64;
	g->know_offer = true;
}

static void reply(struct kc_oracle *o, const struct kc_msg *m)
{
	struct kc_grammar *g = &o->grammar;
	unsigned at = 0;

	check_form(o, m);
	learn(g, m);
	if (g->lost)
		return;
	while (at < g->n && g->q[at].id != m->id)
		at++;
	if (at == g->n) {
		unexpected(o, m);
		return;
	}
	for (unsigned i = 0; i < at; i++)
		if (g->q[i].must)
			missing(o, &g->q[i], "a later request was answered first");
	check_content(o, m, &g->q[at]);
	g->last = g->q[at];
	g->n -= at + 1;
	memmove(g->q, g->q + at + 1, g->n * sizeof(g->q[0]));
}

static void message(struct kc_oracle *o, const struct kc_msg *m, bool out)
{
	if (o->cfg.be && !(o->cfg.be->caps & KC_CAP_MESSAGES))
		return;
	if (!m)
		o->grammar.lost = true;
	else if (out)
		request(o, m);
	else
		reply(o, m);
}

static void session(struct kc_oracle *o, bool begins, bool orderly)
{
	(void)orderly;
	if (begins)
		memset(&o->grammar, 0, sizeof(o->grammar));
}

/* In sim nothing more comes: what had to be answered never will be. */
static void all_quiet(struct kc_oracle *o)
{
	struct kc_grammar *g = &o->grammar;

	if (o->cfg.mode != KC_MODE_SIM || g->lost || (o->cfg.be && !o->cfg.be->connected))
		return;
	for (unsigned i = 0; i < g->n; i++)
		if (g->q[i].must)
			missing(o, &g->q[i], "nothing can run any more");
	g->n = 0;
}

static const struct kc_point_clause clauses[] = {
	{ "VU-REPLY-01", KC_IN_BOTH },
	{ "VU-REPLY-02", KC_IN_BOTH },
	{ "VU-HDR-02", KC_IN_BOTH },
	{ "VU-HDR-03", KC_IN_BOTH },
	{ "VU-FD-01", KC_IN_BOTH },
	{ "VU-BEREQ-01", KC_IN_BOTH },
	{ "VU-MSG-REPLYACK-01", KC_IN_BOTH },
	{ "VU-MSG-REPLYACK-02", KC_IN_BOTH },
	{ "VU-MSG-REPLYACK-03", KC_IN_BOTH },
	{ "VU-MSG-GETBASE-01", KC_IN_BOTH },
	{ "VU-MSG-GETCONFIG-02", KC_IN_BOTH },
	{ NULL, 0 }
};

const struct kc_point kc_point_grammar = {
	.name = "grammar",
	.clauses = clauses,
	.session = session,
	.message = message,
	.all_quiet = all_quiet,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* The `expect` lines about the answers to messages. */
#include <errno.h>
#include <string.h>
#include <harness/language/verbs.h>
#include <harness/world/blame.h>

static bool is_loss(enum kc_outcome o)
{
	return o == KC_OUT_CLOSED || o == KC_OUT_EXITED || o == KC_OUT_DIED;
}

/* Makes room for another reply. */
static void put_aside(struct kc_world *w)
{
	struct kc_msg *last = &w->last_reply;

	if (last->id < KC_VU_MAX) {
		kc_msg_fini(&w->older[last->id]);
		w->older[last->id] = *last;
	} else {
		kc_msg_fini(last);
	}
	kc_msg_init(last, 0);
}

/* Takes the next message. 1 it came, 0 the connection is gone (w->lost), -1 the scenario is over. */
static int receive(struct kc_world *w, const char *what)
{
	struct kc_err err = { "" };
	enum kc_outcome o;

	put_aside(w);
	if (w->lost && !w->ninbox)
		return 0;
	o = kc_world_receive(w, &w->last_reply, &err);
	if (o == KC_OUT_OK)
		return 1;
	if (is_loss(o)) {
		w->lost = true;
		return 0;
	}
	if (o == KC_OUT_TIMED_OUT && w->cfg.mode == KC_MODE_LIVE)
		return kc_world_stop(w, KC_INCONCLUSIVE, "%s has not come before the deadline", what);
	kc_world_violate(w, "", "expected %s, actual %s%s%s", what, kc_outcome_name(o),
			 err.msg[0] ? ": " : "", err.msg);
	w->over = true;
	return -1;
}

/* The connection is gone where an answer is due. 1: it may, so the line is passed over; -1 after a
 * violation. */
static int lost_instead_of(struct kc_world *w, const char *what)
{
	char how[256];

	if (w->loss_allowed)
		return kc_world_judge_loss(w) ? -1 : 1;
	kc_blame_describe(w->cfg.be, w->cfg.busy_poll, how, sizeof(how));
	kc_world_violate(w, "", "expected %s, actual: %s", what, how);
	w->over = true;
	return -1;
}

/* 0 it is in w->last_reply; else as lost_instead_of. */
static int receive_or_fail(struct kc_world *w, const char *what)
{
	int got = receive(w, what);

	return got == 0 ? lost_instead_of(w, what) : got == 1 ? 0 : -1;
}

static int reply_to(struct kc_world *w, uint32_t id)
{
	int ret = receive_or_fail(w, "a reply");

	if (ret)
		return ret > 0 ? 0 : -1;
	if (w->last_reply.id != id)
		kc_world_violate(w, "", "expected a reply to request %u, actual one to %u", id,
				 w->last_reply.id);
	return 0;
}

KC_VERB(expect_reply)
{
	(void)s;
	return reply_to(w, w->last_request);
}

KC_VERB(expect_reply_to)
{
	const struct kc_msg_row *row = kc_msg_row_by_name(s->args[0].word);

	return row ? reply_to(w, row->id) :
		kc_world_script_error(w, "unknown message '%s'", s->args[0].word);
}

KC_VERB(expect_reply_field)
{
	const char *name = s->args[0].word;
	uint64_t want = (uint64_t)kc_world_num(w, &s->args[1].num, s->qi), got;

	if (!strcmp(name, "index"))
		want = kc_world_ring_index(w, want);
	if (kc_msg_get_field(&w->last_reply, name, &got))
		return kc_world_script_error(w, "the last reply has no field '%s'", name);
	if (got != want)
		kc_world_violate(w, "", "expected %s = %llu in the reply, actual %llu", name,
				 (unsigned long long)want, (unsigned long long)got);
	return 0;
}

static int reply_bit(struct kc_world *w, const struct kc_step *s, bool wanted)
{
	const char *name = s->args[0].word;
	int bit = kc_feature_by_name(w->cfg.port->device, name);

	if (bit < 0)
		bit = kc_pf_by_name(name);
	if (bit < 0)
		return kc_world_script_error(w, "unknown feature '%s'", name);
	if (!!(w->last_reply.u64 & KC_BIT(bit)) != wanted)
		kc_world_violate(w, "", "expected feature %s %s, actual 0x%llx", name,
				 wanted ? "offered" : "not offered", (unsigned long long)w->last_reply.u64);
	return 0;
}

KC_VERB(expect_reply_lacks_bit)
{
	int64_t bit = s->args[0].num.plus;

	if (w->last_reply.u64 & KC_BIT(bit & 63))
		kc_world_violate(w, "", "expected bit %lld not offered, actual 0x%llx", (long long)bit,
				 (unsigned long long)w->last_reply.u64);
	return 0;
}

KC_VERB(expect_reply_has_only_with)
{
	uint64_t offer = w->last_reply.u64, others = 0;
	int bit[3];

	for (unsigned i = 0; i < 3 && s->args[i].word; i++) {
		bit[i] = kc_feature_by_name(w->cfg.port->device, s->args[i].word);
		if (bit[i] < 0)
			return kc_world_script_error(w, "unknown feature '%s'", s->args[i].word);
		others |= i ? KC_BIT(bit[i]) : 0;
	}
	if (offer & KC_BIT(bit[0]) && !(offer & others))
		kc_world_violate(w, "", "expected %s offered only with %s%s%s, actual 0x%llx", s->args[0].word,
				 s->args[1].word, s->args[2].word ? " or " : "",
				 s->args[2].word ? s->args[2].word : "", (unsigned long long)offer);
	return 0;
}

KC_VERB(expect_reply_data)
{
	int64_t at = s->args[0].num.plus, want = s->args[1].num.plus;
	const struct kc_msg *m = &w->last_reply;

	if (m->payload != KC_PL_CONFIG || at < 0 || at >= KC_VU_CONFIG_MAX)
		return kc_world_script_error(w, "the last reply has no data[%lld]", (long long)at);
	if (at >= m->config.size || m->config.data[at] != want)
		kc_world_violate(w, "", "expected data[%lld] = %lld in the reply, actual %d in %u bytes",
				 (long long)at, (long long)want, at < m->config.size ?
				 m->config.data[at] : -1, m->config.size);
	return 0;
}

static bool same_reply(const struct kc_msg *a, const struct kc_msg *b)
{
	if (a->id != b->id || a->payload != b->payload)
		return false;
	if (a->payload == KC_PL_CONFIG)
		return a->config.offset == b->config.offset && a->config.size == b->config.size &&
			!memcmp(a->config.data, b->config.data, a->config.size);
	return a->u64 == b->u64;
}

KC_VERB(expect_reply_as_before)
{
	const struct kc_msg *old, *new = &w->last_reply;
	char was[256], is[256];

	(void)s;
	old = new->id < KC_VU_MAX ? &w->older[new->id] : NULL;
	if (!new->id || !old || old->id != new->id)
		return kc_world_script_error(w, "there was no such reply before");
	if (same_reply(old, new))
		return 0;
	kc_msg_print(old, was, sizeof(was));
	kc_msg_print(new, is, sizeof(is));
	kc_world_violate(w, "", "expected %s again, actual %s", was, is);
	return 0;
}

KC_VERB(expect_reply_has)
{
	return reply_bit(w, s, true);
}

KC_VERB(expect_reply_lacks)
{
	return reply_bit(w, s, false);
}

KC_VERB(expect_ack)
{
	int ret = receive_or_fail(w, "an ack");

	(void)s;
	if (ret)
		return ret > 0 ? 0 : -1;
	if (w->last_reply.u64)
		kc_world_violate(w, "", "expected ack 0, actual %llu",
				 (unsigned long long)w->last_reply.u64);
	return 0;
}

/* A non-zero ack, or the empty reply that says error. */
static bool says_no(const struct kc_msg *m)
{
	return m->payload == KC_PL_CONFIG ? m->config.size == 0 : m->u64 != 0;
}

KC_VERB(expect_refused)
{
	int ret = receive_or_fail(w, "a refusal");

	(void)s;
	if (ret)
		return ret > 0 ? 0 : -1;
	if (!says_no(&w->last_reply))
		kc_world_violate(w, "", "expected a refusal, actual success");
	return 0;
}

KC_VERB(expect_refused_or_closed)
{
	int got = receive(w, "a refusal or a close");

	(void)s;
	if (got < 0)
		return -1;
	if (got == 0)
		return kc_world_judge_loss(w);
	if (says_no(&w->last_reply))
		return 0;
	/* Some ack first and close then. */
	w->loss_allowed = true;
	if (kc_world_still_answers(w))
		return -1;
	if (!w->lost)
		kc_world_violate(w, "", "expected a refusal or a close, actual success");
	return 0;
}

KC_VERB(expect_any_answer)
{
	int got = receive(w, "an answer or a close");

	(void)s;
	if (got < 0)
		return -1;
	return got == 0 ? kc_world_judge_loss(w) : 0;
}

/* The stream is ordered: if the next thing that comes answers a later request, nothing came between. */
KC_VERB(expect_no_reply)
{
	struct kc_err err = { "" };
	struct kc_msg m, reply;
	enum kc_outcome o;
	int ret;

	(void)s;
	kc_msg_init(&m, KC_VU_GET_FEATURES);
	ret = w->lost ? -EPIPE : w->cfg.be->ops->submit(w->cfg.be, &m);
	if (ret && ret != -EPIPE)
		return kc_world_outcome(w, ret == -ETIMEDOUT ? KC_OUT_TIMED_OUT : KC_OUT_FAULT,
					"GET_FEATURES");
	if (!ret)
		kc_world_watch_message(w, &m, true);
	o = ret ? KC_OUT_CLOSED : kc_world_receive(w, &reply, &err);
	if (is_loss(o)) {
		w->lost = true;
		return lost_instead_of(w, "no reply") < 0 ? -1 : 0;
	}
	if (o == KC_OUT_OK && reply.id != KC_VU_GET_FEATURES) {
		kc_world_violate(w, "", "expected no reply, actual one to request %u", reply.id);
		kc_msg_fini(&reply);
		o = kc_world_receive(w, &reply, &err);
	}
	kc_msg_fini(&reply);
	return o == KC_OUT_OK ? 0 : kc_world_outcome(w, o, "GET_FEATURES");
}

KC_VERB(expect_alive)
{
	bool may_close = w->loss_allowed;

	(void)s;
	if (kc_world_still_answers(w))
		return -1;
	if (w->lost && !may_close) {
		kc_world_violate(w, "", "expected GET_FEATURES to be answered, actual: the connection was "
				 "closed");
		w->over = true;
	}
	return 0;
}

KC_VERB(expect_alive_or_closed)
{
	(void)s;
	w->loss_allowed = true;
	return kc_world_still_answers(w);
}

KC_VERB(expect_closed)
{
	int got;

	(void)s;
	while ((got = receive(w, "the end of the connection")) == 1)
		;
	return got == 0 ? kc_world_judge_loss(w) : -1;
}

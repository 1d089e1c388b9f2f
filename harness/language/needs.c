/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a scenario's header says what it needs. A word is a virtio feature
 * (lower case: offered and accepted), a vhost-user protocol feature (upper case: offered; with "no-"
 * before it: not offered), or one of the words in the table. What is missing is a skip that names it.
 */
#include <ctype.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <harness/world/world.h>

static const char *need_messages(struct kc_world *w)
{
	return w->cfg.be->caps & KC_CAP_MESSAGES ? NULL : "messages as bytes, which this adapter lacks";
}

static const char *need_reconnect(struct kc_world *w)
{
	return w->cfg.be->caps & KC_CAP_RECONNECT ? NULL : "a back-end that accepts a second connection";
}

static const char *need_restart(struct kc_world *w)
{
	return w->cfg.be->caps & KC_CAP_RESTART ? NULL : "a back-end that kickcall may kill and start again";
}

static const char *need_writes(struct kc_world *w)
{
	if (kc_world_read_only(w))
		return "a disk that is not read-only";
	return w->cfg.writes_allowed ? NULL : "to write to the back-end's storage: --destructive";
}

static const char *need_sim(struct kc_world *w)
{
	return w->cfg.mode == KC_MODE_SIM ? NULL : "sim mode";
}

static const char *need_live(struct kc_world *w)
{
	return w->cfg.mode == KC_MODE_LIVE ? NULL : "live mode";
}

static const char *need_config(struct kc_world *w)
{
	return w->vmm.pf_offered & KC_BIT(KC_PF_CONFIG) ? NULL : "protocol feature CONFIG";
}

static const char *need_reset(struct kc_world *w)
{
	uint64_t either = KC_BIT(KC_PF_STATUS) | KC_BIT(KC_PF_RESET_DEVICE);

	if (w->cfg.no_reset)
		return "a back-end that a device status of 0 resets";
	return w->vmm.pf_offered & either ? NULL : "protocol feature STATUS or RESET_DEVICE";
}

static const char *need_kept_writes(struct kc_world *w)
{
	return w->cfg.writes_dropped ? "storage that keeps what is written" : NULL;
}

static const char *need_persistent(struct kc_world *w)
{
	return w->cfg.persistent ? NULL : "storage that is known to outlive the back-end's process";
}

static const char *need_polling(struct kc_world *w)
{
	return w->cfg.never_polls ? "a back-end that polls a ring without a kick eventfd" : NULL;
}

static const char *need_in_flight(struct kc_world *w)
{
	return w->cfg.quick ? "a back-end whose requests are in flight for more than a moment" : NULL;
}

static const char *need_throttle(struct kc_world *w)
{
	return w->cfg.can_throttle ? NULL : "a back-end that kickcall can slow down: the reference";
}

static const char *need_rings_apart(struct kc_world *w)
{
	return w->cfg.rings_together ? "a back-end whose rings run each by itself" : NULL;
}

/* For some GET_QUEUE_NUM counts pairs, and there may be one queue more that controls the device. */
static const char *need_spare_index(struct kc_world *w)
{
	uint64_t rings = w->cfg.port->virtqueue ? 2 * w->vmm.queues_max + 1 : w->vmm.queues_max;

	return rings < KC_VU_RING_MASK ? NULL : "an index in 8 bits that is no ring's";
}

static const char *need_data_loop(struct kc_world *w)
{
	return w->cfg.data_loop ? NULL : "a data port that sends back what it gets: --data loop";
}

static const char *need_control(struct kc_world *w)
{
	return w->cfg.control ? NULL : "a back-end that serves the control queue itself";
}

static const char *need_vmm_control(struct kc_world *w)
{
	return w->cfg.control ? "a back-end that leaves the control queue to the VMM" : NULL;
}

static const char *need_nothing(struct kc_world *w)
{
	(void)w;
	return NULL;
}

static const struct {
	const char *word;
	const char *(*missing)(struct kc_world *w);
} words[] = {
	{ "hostile", need_nothing },		/* the back-end may be left damaged: a fresh one */
	{ "messages", need_messages },
	{ "reconnect", need_reconnect },
	{ "restart", need_restart },		/* a process of its own */
	{ "writes", need_writes },
	{ "kept-writes", need_kept_writes },
	{ "persistent", need_persistent },
	{ "sim", need_sim },
	{ "live", need_live },
	{ "config", need_config },
	{ "reset", need_reset },
	{ "polling", need_polling },
	{ "in-flight", need_in_flight },
	{ "long", need_nothing },		/* takes minutes: only when asked for by name */
	{ "throttle", need_throttle },		/* 1000 requests a second at most */
	{ "rings-apart", need_rings_apart },
	{ "spare-index", need_spare_index },
	{ "data-loop", need_data_loop },
	{ "control", need_control },
	{ "vmm-control", need_vmm_control },
};

static int bad_word(struct kc_world *w, const struct kc_need *n, const char *after)
{
	kc_world_stop(w, KC_ERROR, "%s:%u:%u: unknown word '%s' after %s", w->script->path, n->line, n->col,
		      n->word, after);
	w->result->script_error = w->result->verdict == KC_ERROR;
	return -1;
}

static int check_protocol_feature(struct kc_world *w, const struct kc_need *n, const char *name,
				  bool wanted)
{
	int bit = kc_pf_by_name(name);
	bool has;

	if (bit < 0)
		return bad_word(w, n, "needs");
	has = w->vmm.pf_offered & KC_BIT(bit);
	if (has == wanted)
		return 0;
	return kc_world_stop(w, KC_SKIP, wanted ? "needs protocol feature %s" :
			     "needs a back-end without protocol feature %s", name);
}

static int check_word(struct kc_world *w, const struct kc_need *n)
{
	int bit = kc_feature_by_name(w->cfg.port->device, n->word);

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strcmp(words[i].word, n->word)) {
			const char *what = words[i].missing(w);

			return what ? kc_world_stop(w, KC_SKIP, "needs %s", what) : 0;
		}
	}
	if (!strncmp(n->word, "no-", 3))
		return check_protocol_feature(w, n, n->word + 3, false);
	if (isupper((unsigned char)n->word[0]))
		return check_protocol_feature(w, n, n->word, true);
	if (bit < 0 && kc_feature_by_name(NULL, n->word) < 0)
		return bad_word(w, n, "needs");
	if (bit >= 0 && w->vmm.device_features & KC_BIT(bit))
		return 0;
	return kc_world_stop(w, KC_SKIP, "needs feature %s, which is not offered", n->word);
}

static int check_without(struct kc_world *w, const struct kc_need *n)
{
	if (kc_feature_by_name(NULL, n->word) >= 0 || kc_pf_by_name(n->word) >= 0)
		return 0;
	return bad_word(w, n, "without");
}

/* "queue N packed ..." needs what it says. */
static int check_layout(struct kc_world *w)
{
	if (!kc_script_has_layout(w->script, "packed") ||
	    w->vmm.device_features & KC_BIT(VIRTIO_F_RING_PACKED))
		return 0;
	return kc_world_stop(w, KC_SKIP, "needs feature packed, which is not offered");
}

int kc_world_check_needs(struct kc_world *w)
{
	for (unsigned i = 0; i < w->script->nwithout; i++)
		if (check_without(w, &w->script->without[i]))
			return -1;
	for (unsigned i = 0; i < w->script->nneeds; i++)
		if (check_word(w, &w->script->needs[i]))
			return -1;
	return check_layout(w);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The `message` lines: control messages as a script wants them, right or wrong.
 *
 * Theory of operation: the words after the name build a struct kc_msg and a list of distortions; the
 * encoder makes bytes of the message, the distortions change them, and they go out as they are. An
 * adapter without bytes (function calls) takes undistorted messages only. `together` holds the bytes
 * back, so that they travel in front of the next message in one piece.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <harness/language/verbs.h>

#define FDS_MAX	32u		/* four times as many as any message may carry */

struct draft {
	struct kc_world *w;
	const struct kc_token *tok;
	unsigned n, i;
	struct kc_msg m;
	int64_t header_size;		/* -1: as encoded */
	int64_t cut;			/* -1: all bytes */
	int64_t id;			/* -1: as named */
	int64_t version;		/* -1: 1 */
	int64_t flags;			/* -1: version and need_reply */
	bool byte_wise, together, need_reply;
	struct kc_handle handles[FDS_MAX];
	unsigned nhandles;
};

static bool take(struct draft *d, const char *word)
{
	if (d->i >= d->n || strcmp(d->tok[d->i].text, word))
		return false;
	d->i++;
	return true;
}

static int number(struct draft *d, int64_t *v)
{
	struct kc_num num;

	if (kc_num_parse(d->tok, d->n, &d->i, &num))
		return kc_world_script_error(d->w, "a number is missing after '%s'", d->tok[d->i - 1].text);
	*v = kc_world_num(d->w, &num, 0);
	return d->w->over ? -1 : 0;	/* it may speak of a queue that is not there */
}

/* offered | accepted [plus|without bit N] */
static int feature_mask(struct draft *d, uint64_t *mask)
{
	bool plus;
	int64_t bit;

	*mask = take(d, "offered") ? d->w->vmm.device_features : 0;
	if (take(d, "accepted"))
		*mask = kc_vmm_acked_features(&d->w->vmm);
	while ((plus = take(d, "plus")) || take(d, "without")) {
		if (!take(d, "bit"))
			return kc_world_script_error(d->w, "'bit N' expected after plus or without");
		if (number(d, &bit))
			return -1;
		if (plus)
			*mask |= KC_BIT(bit & 63);
		else
			*mask &= ~KC_BIT(bit & 63);
	}
	return 0;
}

/* Addresses that a script cannot know as numbers. */
static bool address_word(struct draft *d, uint64_t *v)
{
	static const struct { const char *word; unsigned what; } words[] = {
		{ "desc", 0 }, { "avail", 1 }, { "used", 2 }, { "nowhere", 3 },
	};
	const struct kc_queue_config *c = &d->w->q[kc_world_ring_index(d->w, 0)].config;
	uint64_t gpa[] = { c->desc, c->avail, c->used };

	for (unsigned k = 0; k < 4; k++) {
		if (!take(d, words[k].word))
			continue;
		*v = k == 3 ? 0x00dead0000000000ull : kc_mem_uva(&d->w->mem, gpa[k]);
		return true;
	}
	return false;
}

/* FIELD = N */
static int field(struct draft *d)
{
	char name[64] = "";
	int64_t plus = 0, v;
	uint64_t u;

	while (d->i < d->n && strcmp(d->tok[d->i].text, "="))
		strncat(name, d->tok[d->i++].text, sizeof(name) - strlen(name) - 1);
	if (d->i++ >= d->n)
		return kc_world_script_error(d->w, "'%s': a message has no such word", name);
	if (address_word(d, &u)) {
		if (take(d, "+") && number(d, &plus))
			return -1;
		u += (uint64_t)plus;
	} else if (d->i < d->n && (!strcmp(d->tok[d->i].text, "offered") ||
				   !strcmp(d->tok[d->i].text, "accepted"))) {
		if (feature_mask(d, &u))
			return -1;
	} else {
		if (number(d, &v))
			return -1;
		u = (uint64_t)v;
	}
	if (!strcmp(name, "index"))
		u = kc_world_ring_index(d->w, u);
	else if (d->m.id == KC_VU_SET_VRING_KICK || d->m.id == KC_VU_SET_VRING_CALL ||
		 d->m.id == KC_VU_SET_VRING_ERR)
		u = (u & ~(uint64_t)KC_VU_RING_MASK) | kc_world_ring_index(d->w, u & KC_VU_RING_MASK);
	if (kc_msg_set_field(&d->m, name, u))
		return kc_world_script_error(d->w, "this message has no field '%s'", name);
	return 0;
}

static int add_handles(struct draft *d, unsigned count)
{
	bool memory = take(d, "memory");

	if (!memory && !take(d, "kick"))
		return kc_world_script_error(d->w, "an fd is 'kick' or 'memory'");
	if (count > FDS_MAX - d->nhandles)
		return kc_world_script_error(d->w, "more than %u fds", FDS_MAX);
	for (unsigned k = 0; k < count; k++) {
		struct kc_handle h = KC_HANDLE_NONE;

		if (memory)
			h.fd = dup(d->w->mem.regions[k % d->w->mem.nregions].memfd);
		else if (d->w->cfg.mode == KC_MODE_SIM)
			h.evfd = kc_evfd_new_sim();
		else
			h.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		d->handles[d->nhandles++] = h;
	}
	return 0;
}

static int counted_fds(struct draft *d)
{
	int64_t n;

	if (number(d, &n))
		return -1;
	if (!take(d, "fds"))
		return kc_world_script_error(d->w, "'fds' expected after the number");
	return add_handles(d, (unsigned)n);
}

static int one_word(struct draft *d)
{
	if (take(d, "need_reply")) {
		d->need_reply = true;
		return 0;
	}
	if (take(d, "byte-wise")) {
		d->byte_wise = true;
		return 0;
	}
	if (take(d, "together")) {
		d->together = true;
		return 0;
	}
	if (take(d, "version"))
		return number(d, &d->version);
	if (take(d, "id"))
		return number(d, &d->id);
	if (take(d, "header"))
		return take(d, "size") ? number(d, &d->header_size) : take(d, "flags") ?
			number(d, &d->flags) :
			kc_world_script_error(d->w, "'size' or 'flags' expected after 'header'");
	if (take(d, "cut"))
		return !take(d, "to") || number(d, &d->cut) || !take(d, "bytes") ?
			kc_world_script_error(d->w, "'cut to N bytes' expected") : 0;
	if (take(d, "fd"))
		return add_handles(d, 1);
	if (isdigit((unsigned char)d->tok[d->i].text[0]))
		return counted_fds(d);
	return field(d);
}

static void put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
}

/* Encodes, then distorts. Returns the number of bytes, or -1. */
static int to_bytes(struct draft *d, uint8_t *buf, size_t cap)
{
	int len = kc_msg_encode(&d->m, buf, cap);
	uint32_t flags = d->version >= 0 ? (uint32_t)d->version : KC_VU_VERSION;

	if (len < 0)
		return kc_world_script_error(d->w, "the message cannot be encoded: %s", strerror(-len));
	if (d->id >= 0)
		put32(buf, (uint32_t)d->id);
	flags |= d->need_reply ? KC_VU_NEED_REPLY : 0;
	put32(buf + 4, d->flags >= 0 ? (uint32_t)d->flags : flags);
	if (d->header_size >= 0) {
		int64_t want = (int64_t)KC_VU_HDR_BYTES + d->header_size;

		put32(buf + 8, (uint32_t)d->header_size);
		if (want > len && want <= (int64_t)cap)
			memset(buf + len, 0, (size_t)(want - len));
		if (want <= (int64_t)cap)
			len = (int)want;
	}
	if (d->cut >= 0 && d->cut < len) {
		len = (int)d->cut;
		d->w->loss_allowed = true;	/* nothing that follows can be understood */
	}
	return len;
}

/* The bytes do not mean what the message says. */
static bool not_as_named(const struct draft *d)
{
	return d->header_size >= 0 || d->cut >= 0 || d->id >= 0 || d->version >= 0 || d->flags >= 0 ||
		d->nhandles > KC_VU_FDS_MAX;
}

static bool distorted(const struct draft *d)
{
	return not_as_named(d) || d->byte_wise || d->together;
}

static void tell(struct kc_world *w, const struct draft *d, int len)
{
	char line[512], note[64];

	/* Bytes that mean what the message says are told as that message. */
	if (!not_as_named(d)) {
		kc_world_watch_message(w, &d->m, true);
		return;
	}
	kc_msg_print(&d->m, line, sizeof(line));
	snprintf(note, sizeof(note), " distorted: %d bytes", len);
	strncat(line, note, sizeof(line) - strlen(line) - 1);
	fprintf(w->transcript_file, "-> %s\n", line);
	kc_trace_text(&w->trace, KC_ACTOR_VMM, "raw-message", line, "socket");
	kc_oracle_message(w->oracle, NULL, true);
}

int kc_world_send_bytes(struct kc_world *w, const uint8_t *buf, size_t len,
			const struct kc_handle *handles, unsigned nhandles)
{
	struct kc_backend *be = w->cfg.be;
	int ret = be->ops->send_raw(be, buf, len, handles, nhandles);

	if (ret == -EPIPE)
		w->lost = true;
	else if (ret)
		return kc_world_stop(w, KC_ERROR, "sending bytes: %s", strerror(-ret));
	kc_sched_point(w->sched);
	return 0;
}

static int send_draft(struct draft *d)
{
	struct kc_world *w = d->w;
	uint8_t buf[KC_VU_HDR_BYTES + KC_VU_PAYLOAD_MAX];
	int len = to_bytes(d, buf, sizeof(buf)), ret = 0;

	if (len < 0)
		return -1;
	tell(w, d, len);
	if (d->together || w->held_len) {
		if (d->nhandles)
			return kc_world_script_error(w, "messages that are sent together carry no fds");
		if (w->held_len + (size_t)len > sizeof(w->held))
			return kc_world_script_error(w, "too many bytes held by 'together'");
		memcpy(w->held + w->held_len, buf, (size_t)len);
		w->held_len += (size_t)len;
		if (d->together)
			return 0;
		ret = kc_world_send_bytes(w, w->held, w->held_len, NULL, 0);
		w->held_len = 0;
		return ret;
	}
	for (int at = 0; d->byte_wise && at < len && !ret; at++)
		ret = kc_world_send_bytes(w, buf + at, 1, d->handles, at ? 0 : d->nhandles);
	return d->byte_wise ? ret : kc_world_send_bytes(w, buf, (size_t)len, d->handles, d->nhandles);
}

/* Adapters without bytes: the message as such. */
static int submit_draft(struct draft *d)
{
	struct kc_world *w = d->w;
	int ret;

	if (distorted(d))
		return kc_world_stop(w, KC_SKIP, "needs messages as bytes");
	d->m.flags = KC_VU_VERSION | (d->need_reply ? KC_VU_NEED_REPLY : 0);
	kc_world_watch_message(w, &d->m, true);
	ret = w->cfg.be->ops->submit(w->cfg.be, &d->m);
	if (ret == -EPIPE)
		w->lost = true;
	return 0;
}

static void start_draft(struct draft *d, struct kc_world *w, const struct kc_arg *a, uint32_t id)
{
	*d = (struct draft){ .w = w, .tok = a->rest, .n = a->nrest, .i = 1, .header_size = -1,
			     .cut = -1, .id = -1, .version = -1, .flags = -1 };
	kc_msg_init(&d->m, id);
	if (id == KC_VU_SET_MEM_TABLE)
		kc_vmm_mem_table_msg(&w->vmm, &d->m);
	/* The table's own fds, unless the script says "no fd". */
	d->nhandles = d->m.nhandles;
	memcpy(d->handles, d->m.handles, sizeof(d->m.handles));
}

static int fill_draft(struct draft *d)
{
	while (d->i < d->n) {
		if (d->i + 1 < d->n && !strcmp(d->tok[d->i].text, "no") &&
		    !strcmp(d->tok[d->i + 1].text, "fd")) {
			for (unsigned k = 0; k < d->nhandles; k++)
				kc_handle_close(&d->handles[k]);
			d->nhandles = 0;
			d->i += 2;
			continue;
		}
		if (one_word(d))
			return -1;
	}
	if (d->need_reply)
		d->m.flags = KC_VU_VERSION | KC_VU_NEED_REPLY;
	return 0;
}

KC_VERB(message)
{
	const struct kc_arg *a = &s->args[0];
	const struct kc_msg_row *row = a->nrest ? kc_msg_row_by_name(a->rest[0].text) : NULL;
	struct draft d;
	int ret;

	if (!row)
		return kc_world_script_error(w, "unknown message '%s'", a->nrest ? a->rest[0].text : "");
	start_draft(&d, w, a, row->id);
	ret = fill_draft(&d);
	if (!ret) {
		memcpy(d.m.handles, d.handles, sizeof(d.m.handles));
		d.m.nhandles = d.nhandles < KC_VU_FDS_MAX ? d.nhandles : KC_VU_FDS_MAX;
		w->last_request = d.id >= 0 ? (uint32_t)d.id : row->id;
		ret = w->cfg.be->caps & KC_CAP_MESSAGES ? send_draft(&d) : submit_draft(&d);
	}
	for (unsigned k = 0; k < d.nhandles; k++)
		kc_handle_close(&d.handles[k]);
	return ret;
}

KC_VERB(bytes)
{
	const struct kc_arg *a = &s->args[0];
	uint8_t buf[KC_TOKENS_MAX];

	if (!(w->cfg.be->caps & KC_CAP_MESSAGES))
		return kc_world_stop(w, KC_SKIP, "needs messages as bytes");
	for (unsigned i = 0; i < a->nrest; i++) {
		char *end;

		buf[i] = (uint8_t)strtoul(a->rest[i].text, &end, 16);
		if (*end || strlen(a->rest[i].text) != 2)
			return kc_world_script_error(w, "'%s' is no byte in hexadecimal", a->rest[i].text);
	}
	fprintf(w->transcript_file, "-> %u raw bytes\n", a->nrest);
	kc_trace_value(&w->trace, KC_ACTOR_VMM, "raw-bytes", a->nrest, "socket");
	kc_oracle_message(w->oracle, NULL, true);
	return kc_world_send_bytes(w, buf, a->nrest, NULL, 0);
}

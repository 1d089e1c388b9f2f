/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: GET_FEATURES, then what bit 30 opens: protocol features, of which only those
 * are taken that allow to ask more (MQ, CONFIG, CONFIGURE_MEM_SLOTS). No owner, no memory, no ring.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <backend/adapters.h>
#include <harness/run/probe.h>
#include <kickcall/message.h>

#define STDERR_MAX		300u
#define ANSWER_TIMEOUT_NS	(5ll * 1000 * 1000 * 1000)

/* An answer that makes no sense comes from a back-end that is up: -EBADMSG, and the tests may judge it. */
static int code_of(enum kc_outcome o)
{
	if (o == KC_OUT_GARBLED || o == KC_OUT_REFUSED)
		return -EBADMSG;
	return o == KC_OUT_FAULT ? -EIO : -EPROTO;
}

static int ask(struct kc_backend *be, uint32_t id, struct kc_msg *reply, struct kc_err *err)
{
	const struct kc_msg_row *row = kc_msg_row(id);
	struct kc_msg m;
	enum kc_outcome o;

	kc_msg_init(&m, id);
	o = kc_backend_exchange(be, &m, reply, err);
	if (o == KC_OUT_OK)
		return 0;
	return kc_err_wrap(err, code_of(o), "%s: %s", row->name, kc_outcome_name(o));
}

static int ask_u64(struct kc_backend *be, uint32_t id, uint64_t *v, struct kc_err *err)
{
	struct kc_msg reply;
	int ret = ask(be, id, &reply, err);

	*v = ret ? 0 : reply.u64;
	kc_msg_fini(&reply);
	return ret;
}

static int take_features(struct kc_backend *be, uint64_t mask, struct kc_err *err)
{
	struct kc_msg m;
	enum kc_outcome o;

	kc_msg_init(&m, KC_VU_SET_PROTOCOL_FEATURES);
	m.u64 = mask;
	o = kc_backend_exchange(be, &m, NULL, err);
	return o == KC_OUT_OK ? 0 : kc_err_wrap(err, code_of(o), "SET_PROTOCOL_FEATURES");
}

static int ask_config(struct kc_backend *be, unsigned len, struct kc_probe *p, struct kc_err *err)
{
	struct kc_msg m, reply;
	enum kc_outcome o;

	kc_msg_init(&m, KC_VU_GET_CONFIG);
	m.config.size = len;
	o = kc_backend_exchange(be, &m, &reply, err);
	if (o == KC_OUT_OK && reply.config.size == len) {
		memcpy(p->config, reply.config.data, len);
		p->config_len = len;
	}
	kc_msg_fini(&reply);
	return o == KC_OUT_OK || o == KC_OUT_REFUSED ? 0 : kc_err_wrap(err, code_of(o), "GET_CONFIG");
}

static int ask_all(struct kc_backend *be, const struct kc_target *t, struct kc_probe *p,
		   struct kc_err *err)
{
	uint64_t more = KC_BIT(KC_PF_MQ) | KC_BIT(KC_PF_CONFIG) | KC_BIT(KC_PF_CONFIGURE_MEM_SLOTS);
	int ret = ask_u64(be, KC_VU_GET_FEATURES, &p->features, err);

	if (ret || !(p->features & KC_BIT(KC_VU_F_PROTOCOL_FEATURES)))
		return ret;
	ret = ask_u64(be, KC_VU_GET_PROTOCOL_FEATURES, &p->protocol_features, err);
	more &= p->protocol_features;
	if (!ret)
		ret = take_features(be, more, err);
	if (!ret && more & KC_BIT(KC_PF_MQ))
		ret = ask_u64(be, KC_VU_GET_QUEUE_NUM, &p->queues, err);
	if (!ret && more & KC_BIT(KC_PF_CONFIGURE_MEM_SLOTS))
		ret = ask_u64(be, KC_VU_GET_MAX_MEM_SLOTS, &p->mem_slots, err);
	if (!ret && more & KC_BIT(KC_PF_CONFIG) && t->port->config_len)
		ret = ask_config(be, kc_port_config_len(t->port, p->features), p, err);
	return ret;
}

/* What the process said last, for somebody who has nothing else to go by. */
static void add_stderr(struct kc_backend *be, struct kc_err *err)
{
	const char *tail = kc_backend_stderr_tail(be);
	size_t len = strlen(tail), at = strlen(err->msg), skip;

	while (len && tail[len - 1] == '\n')
		len--;
	skip = len > STDERR_MAX ? len - STDERR_MAX : 0;
	if (len)
		snprintf(err->msg + at, sizeof(err->msg) - at, "; stderr: %.*s", (int)(len - skip),
			 tail + skip);
}

int kc_probe(struct kc_backend *be, const struct kc_target *t, struct kc_probe *p, struct kc_err *err)
{
	int ret;

	memset(p, 0, sizeof(*p));
	be->wait = NULL;
	be->reply_timeout_ns = ANSWER_TIMEOUT_NS;
	ret = kc_backend_open(be, err);
	if (ret)
		return ret;
	ret = ask_all(be, t, p, err);
	if (ret)
		add_stderr(be, err);
	kc_backend_close(be);
	return ret;
}

/* --- Printing ----------------------------------------------------------------------------------- */

static void print_bits(FILE *out, uint64_t mask, const char *device, bool protocol)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name;

		if (!(mask & KC_BIT(bit)))
			continue;
		name = protocol ? kc_pf_name(bit) : kc_feature_name(device, bit);
		fprintf(out, "  %2u %s\n", bit, name ? name : "(no name known)");
	}
}

static uint64_t le(const uint8_t *at, unsigned len)
{
	uint64_t v = 0;

	while (len--)
		v = v << 8 | at[len];
	return v;
}

static const struct {
	const char *name;
	unsigned offset, len;
} blk_fields[] = {
	{ "capacity (512-byte sectors)", 0, 8 }, { "size_max", 8, 4 }, { "seg_max", 12, 4 },
	{ "cylinders", 16, 2 }, { "heads", 18, 1 }, { "sectors", 19, 1 }, { "blk_size", 20, 4 },
	{ "physical_block_exp", 24, 1 }, { "alignment_offset", 25, 1 }, { "min_io_size", 26, 2 },
	{ "opt_io_size", 28, 4 }, { "writeback", 32, 1 }, { "num_queues", 34, 2 },
	{ "max_discard_sectors", 36, 4 }, { "max_discard_seg", 40, 4 },
	{ "discard_sector_alignment", 44, 4 }, { "max_write_zeroes_sectors", 48, 4 },
	{ "max_write_zeroes_seg", 52, 4 }, { "write_zeroes_may_unmap", 56, 1 },
	{ "max_secure_erase_sectors", 60, 4 }, { "max_secure_erase_seg", 64, 4 },
	{ "secure_erase_sector_alignment", 68, 4 },
};

static void print_config(FILE *out, const struct kc_probe *p, const char *device)
{
	if (strcmp(device, "blk") || !p->config_len)
		return;
	fprintf(out, "configuration (%u bytes)\n", p->config_len);
	for (unsigned i = 0; i < sizeof(blk_fields) / sizeof(*blk_fields); i++)
		if (blk_fields[i].offset + blk_fields[i].len <= p->config_len)
			fprintf(out, "  %-28s %llu\n", blk_fields[i].name,
				(unsigned long long)le(p->config + blk_fields[i].offset, blk_fields[i].len));
}

static void print_json(FILE *out, const struct kc_probe *p, const struct kc_target *t)
{
	char hex[2 * KC_VU_CONFIG_MAX + 1] = "", f[32], pf[32];
	json_t *j;

	for (unsigned i = 0; i < p->config_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", p->config[i]);
	snprintf(f, sizeof(f), "0x%llx", (unsigned long long)p->features);
	snprintf(pf, sizeof(pf), "0x%llx", (unsigned long long)p->protocol_features);
	j = json_pack("{s:i,s:s,s:s,s:s,s:s,s:I,s:I,s:s}", "schema", 1, "spec", t->spec, "device",
		      t->device, "features", f, "protocol_features", pf, "queues", (json_int_t)p->queues,
		      "mem_slots", (json_int_t)p->mem_slots, "config", hex);
	json_dumpf(j, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(j);
}

void kc_probe_print(const struct kc_probe *p, const struct kc_target *t, bool json, FILE *out)
{
	if (json) {
		print_json(out, p, t);
		return;
	}
	fprintf(out, "%s, as a %s device\n", t->command ? t->command : t->spec, t->device);
	fprintf(out, "features 0x%llx\n", (unsigned long long)p->features);
	print_bits(out, p->features, t->device, false);
	fprintf(out, "protocol features 0x%llx\n", (unsigned long long)p->protocol_features);
	print_bits(out, p->protocol_features, NULL, true);
	if (p->queues)
		fprintf(out, "queues %llu\n", (unsigned long long)p->queues);
	if (p->mem_slots)
		fprintf(out, "memory slots %llu\n", (unsigned long long)p->mem_slots);
	print_config(out, p, t->device);
}

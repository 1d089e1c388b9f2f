/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The `expect` lines about the device's configuration. Some back-ends answer every GET_CONFIG from
 * offset 0, so what a field holds and whether it can be read by itself are two questions: `whole
 * config` asks the first, `config` both.
 */
#include <string.h>
#include <harness/language/verbs.h>

static uint64_t little_endian(const uint8_t *buf, uint32_t size)
{
	uint64_t v = 0;

	for (uint32_t i = 0; i < size; i++)
		v |= (uint64_t)buf[i] << (8 * i);
	return v;
}

static int read_at(struct kc_world *w, uint32_t at, uint32_t size, uint8_t *buf)
{
	enum kc_outcome o = kc_vmm_config_read(&w->vmm, at, size, buf);

	return o == KC_OUT_OK ? 0 : kc_world_outcome(w, o, "GET_CONFIG");
}

static int read_whole(struct kc_world *w, uint8_t *buf)
{
	unsigned len = kc_world_config_len(w);

	if (!len)
		return kc_world_stop(w, KC_SKIP, "needs a device with a configuration");
	return read_at(w, 0, len, buf);
}

/* The little-endian field that the step names, out of the whole configuration. 0 or -1. */
static int whole_field(struct kc_world *w, const struct kc_step *s, uint64_t *v)
{
	uint32_t at = (uint32_t)s->args[0].num.plus, size = (uint32_t)s->args[1].num.plus;
	unsigned len = kc_world_config_len(w);
	uint8_t whole[KC_VU_CONFIG_MAX];

	if (read_whole(w, whole))
		return -1;
	if (size < 1 || size > 8 || size > len || at > len - size)
		return kc_world_script_error(w, "a field has 1 to 8 bytes, and lies before byte %u",
					     len);
	*v = little_endian(whole + at, size);
	return 0;
}

static void accuse(struct kc_world *w, const struct kc_step *s, const char *how, uint64_t want,
		   uint64_t got)
{
	kc_world_violate(w, "", "configuration at %lld: expected %s%llu, actual %llu",
			 (long long)s->args[0].num.plus, how, (unsigned long long)want,
			 (unsigned long long)got);
}

KC_VERB(expect_config)
{
	uint32_t at = (uint32_t)s->args[0].num.plus, size = (uint32_t)s->args[1].num.plus;
	uint64_t want = (uint64_t)kc_world_num(w, &s->args[2].num, 0), got;
	uint8_t buf[8];

	if (size < 1 || size > 8)
		return kc_world_script_error(w, "a field has 1 to 8 bytes");
	if (read_at(w, at, size, buf))
		return -1;
	got = little_endian(buf, size);
	if (got != want)
		accuse(w, s, "", want, got);
	return 0;
}

KC_VERB(expect_whole_config)
{
	uint64_t want = (uint64_t)kc_world_num(w, &s->args[2].num, 0), got;

	if (whole_field(w, s, &got))
		return -1;
	if (got != want)
		accuse(w, s, "", want, got);
	return 0;
}

KC_VERB(expect_whole_config_at_most)
{
	uint64_t want = (uint64_t)kc_world_num(w, &s->args[2].num, 0), got;

	if (whole_field(w, s, &got))
		return -1;
	if (got > want)
		accuse(w, s, "at most ", want, got);
	return 0;
}

KC_VERB(expect_whole_config_at_least)
{
	uint64_t want = (uint64_t)kc_world_num(w, &s->args[2].num, 0), got;

	if (whole_field(w, s, &got))
		return -1;
	if (got < want)
		accuse(w, s, "at least ", want, got);
	return 0;
}

KC_VERB(expect_config_pieces)
{
	unsigned len = kc_world_config_len(w), piece = (unsigned)s->args[0].num.plus;
	uint8_t whole[KC_VU_CONFIG_MAX], buf[KC_VU_CONFIG_MAX];

	if (len && (piece < 1 || piece > len))
		return kc_world_script_error(w, "pieces have 1 to %u bytes", len);
	if (read_whole(w, whole))	/* skips a device that has none */
		return -1;
	for (unsigned at = 0; at < len; at += piece) {
		unsigned n = piece < len - at ? piece : len - at;

		if (read_at(w, at, n, buf + at))
			return -1;
	}
	for (unsigned i = 0; i < len; i++) {
		if (buf[i] == whole[i])
			continue;
		kc_world_violate(w, "", "configuration read in pieces of %u: byte %u expected 0x%02x as in "
				 "one read of all, actual 0x%02x", piece, i, whole[i], buf[i]);
		return 0;
	}
	return 0;
}

// SPDX-License-Identifier: BSD-3-Clause
/*
 * The balloon: a host that takes what it is given, and asks for more.
 *
 * Queue 0 gives pages, queue 1 asks for them back, by arrays of page numbers. A page that was given
 * is dropped at once: it reads as zeroes from then on, as if the host had taken the memory and
 * given other memory when it was touched again. With MUST_TELL_HOST that other memory comes when
 * the page is asked back. Without it a driver may be using the page by then, so it must not be
 * touched. A number of no memory is passed over, and nothing is remembered of a page: to give one
 * twice, or to ask back one that was never given, does no harm.
 *
 * Queue 2 holds a buffer of statistics, which goes back when newer ones are wanted, and is read
 * then: once after each change of the balloon, as long as the last ones said how much memory is
 * free. What is not said in the ones before is not worth asking for.
 *
 * Queue 4 reports pages that are free, which are dropped likewise, or filled with the poison that
 * the driver expects there. Nothing is written into them as a device writes an answer, so the
 * length that is used is 0. Queue 3 is free page hinting's, which is not offered: the queues have
 * the numbers that the specification gives them.
 *
 * The host always wants TARGET pages. How many it has the driver says.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_balloon.h>
#include "ref_internal.h"

#define INFLATEQ	0u
#define DEFLATEQ	1u
#define STATSQ		2u
#define REPORTING_VQ	4u
#define QUEUES		5u

#define PAGE		(1u << VIRTIO_BALLOON_PFN_SHIFT)
#define TARGET		1024u

struct balloon {
	uint32_t actual, poison_val;	/* as the driver wrote them, little-endian */
	bool changed;			/* since statistics were asked for */
	bool useless;			/* the last ones do not say what is free */
};

static struct balloon *balloon_of(const struct kc_ref *r)
{
	return r->dev;
}

static int balloon_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	(void)config;
	r->dev = calloc(1, sizeof(struct balloon));
	return r->dev ? 0 : kc_err_set(err, -ENOMEM, "no memory for a balloon");
}

static void balloon_close(struct kc_ref *r)
{
	free(r->dev);
}

static void balloon_reset(struct kc_ref *r)
{
	*balloon_of(r) = (struct balloon){ 0 };
}

static uint64_t balloon_features(struct kc_ref *r, uint64_t off)
{
	(void)r;
	return (KC_BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST) | KC_BIT(VIRTIO_BALLOON_F_STATS_VQ) |
		KC_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | KC_BIT(VIRTIO_BALLOON_F_PAGE_POISON) |
		KC_BIT(VIRTIO_BALLOON_F_REPORTING)) & ~off;
}

/* ---- configuration ---- */

static void balloon_config_read(struct kc_ref *r, uint8_t *config)
{
	struct virtio_balloon_config c = {
		.num_pages = htole32(TARGET), .actual = balloon_of(r)->actual,
		.free_page_hint_cmd_id = htole32(VIRTIO_BALLOON_CMD_ID_STOP),
		.poison_val = balloon_of(r)->poison_val,
	};

	memcpy(config, &c, sizeof(c));
}

static bool is_writable(const struct kc_ref *r, uint32_t at)
{
	if (at >= offsetof(struct virtio_balloon_config, poison_val))
		return r->features_offered & KC_BIT(VIRTIO_BALLOON_F_PAGE_POISON);
	return at >= offsetof(struct virtio_balloon_config, actual) &&
	       at < offsetof(struct virtio_balloon_config, free_page_hint_cmd_id);
}

/* At migration all of it is written, and the rest must be what it is already. */
static int balloon_config_write(struct kc_ref *r, uint32_t offset, uint32_t len, bool migration,
				const uint8_t *data)
{
	struct virtio_balloon_config c;
	uint8_t *bytes = (uint8_t *)&c;

	balloon_config_read(r, bytes);
	for (uint32_t i = 0; i < len; i++)
		if (!is_writable(r, offset + i) && !(migration && bytes[offset + i] == data[i]))
			return -EPERM;
	memcpy(bytes + offset, data, len);
	balloon_of(r)->actual = c.actual;
	balloon_of(r)->poison_val = c.poison_val;
	return 0;
}

/* ---- pages ---- */

static void drop_page(struct kc_ref *r, uint64_t gpa)
{
	uint64_t len = PAGE, n;
	void *host;

	for (; len && (host = kc_ref_mem_gpa(&r->mem, gpa, len, &n)); gpa += n, len -= n) {
		memset(host, 0, n);
		if (kc_ref_has(r, VHOST_F_LOG_ALL))
			kc_ref_log_mark(&r->log, gpa, n);
	}
}

static void drop_pages(struct kc_ref *r, const struct kc_ref_chain *chain)
{
	struct kc_ref_cursor from = kc_ref_cursor_at(&chain->out, 0);
	uint32_t pfn;

	while (kc_ref_cursor_read(&from, &pfn, sizeof(pfn)) == sizeof(pfn))
		drop_page(r, (uint64_t)le32toh(pfn) << VIRTIO_BALLOON_PFN_SHIFT);
}

static void inflate(struct kc_ref *r, const struct kc_ref_chain *chain)
{
	drop_pages(r, chain);
	balloon_of(r)->changed = true;
}

static void deflate(struct kc_ref *r, const struct kc_ref_chain *chain)
{
	if (kc_ref_has(r, VIRTIO_BALLOON_F_MUST_TELL_HOST))
		drop_pages(r, chain);
	balloon_of(r)->changed = true;
}

static void report(struct kc_ref *r, const struct kc_ref_chain *chain)
{
	uint32_t fill = kc_ref_has(r, VIRTIO_BALLOON_F_PAGE_POISON) ? balloon_of(r)->poison_val : 0;
	struct kc_ref_cursor to = kc_ref_cursor_at(&chain->in, 0);

	while (kc_ref_cursor_write(&to, &fill, sizeof(fill)))
		;
}

/* ---- statistics ---- */

/* In any order, and some of them of kinds that are not known here. */
static void read_stats(struct kc_ref *r, const struct kc_ref_chain *chain)
{
	struct kc_ref_cursor from = kc_ref_cursor_at(&chain->out, 0);
	struct virtio_balloon_stat s;
	bool free_known = false;

	while (kc_ref_cursor_read(&from, &s, sizeof(s)) == sizeof(s))
		free_known |= le16toh(s.tag) == VIRTIO_BALLOON_S_MEMFREE;
	balloon_of(r)->changed = false;
	balloon_of(r)->useless = !free_known;
}

static uint32_t balloon_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	static void (*const carry_out[QUEUES])(struct kc_ref *r, const struct kc_ref_chain *chain) = {
		[INFLATEQ] = inflate, [DEFLATEQ] = deflate, [STATSQ] = read_stats,
		[REPORTING_VQ] = report,
	};

	if (qi < QUEUES && carry_out[qi])
		carry_out[qi](r, chain);
	return 0;
}

static bool balloon_ready(struct kc_ref *r, unsigned qi)
{
	return qi != STATSQ || (balloon_of(r)->changed && !balloon_of(r)->useless);
}

const struct kc_ref_device kc_ref_balloon = {
	.name = "balloon",
	.queues = QUEUES,
	.config_len = sizeof(struct virtio_balloon_config),
	.open = balloon_open,
	.close = balloon_close,
	.reset = balloon_reset,
	.features = balloon_features,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.process = balloon_process,
	.ready = balloon_ready,
};

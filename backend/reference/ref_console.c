// SPDX-License-Identifier: BSD-3-Clause
/*
 * The console: what is written to it can be read from it.
 *
 * Queue 1 carries characters out, queue 0 is filled with characters that come in. The other end is
 * an echo, so there is a store of characters between the two. A buffer of queue 0 is taken only
 * when there is something for it, and gets as much as there is and fits. A console has no flow
 * control: what finds the store full is lost, and the output goes on, so that a driver that gives
 * no room for input can still print.
 *
 * The emergency register may be written at any time, even before there are features. What is
 * written there goes to the same place as all output: into the echo.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_console.h>
#include "ref_internal.h"

#define RX		0u
#define STORE		65536u
#define COLUMNS		80u
#define ROWS		25u

struct console {
	uint8_t store[STORE];
	uint32_t first, n;
};

static struct console *console_of(const struct kc_ref *r)
{
	return r->dev;
}

static int console_open(struct kc_ref *r, const struct kc_ref_config *config, struct kc_err *err)
{
	(void)config;
	r->dev = calloc(1, sizeof(struct console));
	return r->dev ? 0 : kc_err_set(err, -ENOMEM, "no memory for a console");
}

static void console_close(struct kc_ref *r)
{
	free(r->dev);
}

static void console_reset(struct kc_ref *r)
{
	console_of(r)->n = 0;
}

static uint64_t console_features(struct kc_ref *r, uint64_t off)
{
	(void)r;
	return (KC_BIT(VIRTIO_CONSOLE_F_SIZE) | KC_BIT(VIRTIO_CONSOLE_F_EMERG_WRITE)) & ~off;
}

static void console_config_read(struct kc_ref *r, uint8_t *config)
{
	struct virtio_console_config c = {
		.cols = htole16(COLUMNS), .rows = htole16(ROWS), .max_nr_ports = htole32(1),
	};

	(void)r;
	memcpy(config, &c, sizeof(c));
}

static void put(struct console *c, uint8_t byte)
{
	if (c->n < STORE)
		c->store[(c->first + c->n++) % STORE] = byte;
}

/* The register as a whole, or its low byte. */
static int console_config_write(struct kc_ref *r, uint32_t offset, uint32_t len, bool migration,
				const uint8_t *data)
{
	(void)migration;
	if (!(r->features_offered & KC_BIT(VIRTIO_CONSOLE_F_EMERG_WRITE)) ||
	    offset != offsetof(struct virtio_console_config, emerg_wr) || (len != 1 && len != 4))
		return -EPERM;
	put(console_of(r), data[0]);
	return 0;
}

static uint32_t output(struct console *c, struct kc_ref_chain *chain)
{
	struct kc_ref_cursor from = kc_ref_cursor_at(&chain->out, 0);
	size_t n;

	for (uint8_t *p; (p = kc_ref_cursor_take(&from, chain->out.len, &n));)
		for (size_t i = 0; i < n; i++)
			put(c, p[i]);
	return 0;
}

static uint32_t input(struct console *c, struct kc_ref_chain *chain)
{
	struct kc_ref_cursor to = kc_ref_cursor_at(&chain->in, 0);
	uint32_t done = 0;

	for (; c->n; c->n--, done++) {
		if (!kc_ref_cursor_write(&to, &c->store[c->first], 1))
			break;
		c->first = (c->first + 1) % STORE;
	}
	return done;
}

static uint32_t console_process(struct kc_ref *r, unsigned qi, struct kc_ref_chain *chain)
{
	return qi == RX ? input(console_of(r), chain) : output(console_of(r), chain);
}

static bool console_ready(struct kc_ref *r, unsigned qi)
{
	return qi != RX || console_of(r)->n;
}

const struct kc_ref_device kc_ref_console = {
	.name = "console",
	.queues = 2,
	.config_len = sizeof(struct virtio_console_config),
	.open = console_open,
	.close = console_close,
	.reset = console_reset,
	.features = console_features,
	.config_read = console_config_read,
	.config_write = console_config_write,
	.process = console_process,
	.ready = console_ready,
};

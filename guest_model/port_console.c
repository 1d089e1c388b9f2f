/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The console's port: characters out, characters in.
 *
 * Theory of operation: virtqueue 0 receives and 1 transmits. A request is all characters, with no
 * header: on the transmit queue some that are sent, on the receive queue room for some. They make
 * one stream each way, which nobody promises to keep in pieces: what was sent together may come
 * back in parts, and in a buffer that is not full.
 *
 * What comes in is whatever somebody types, unless the script says `echo`: then the other end sends
 * back all that it gets, so each character received must be the next one that was sent. All sent
 * characters are kept for that. Without the word only the length is looked at. MULTIPORT is not
 * taken.
 *
 * Characters have the highest bit clear and poison has it set (or, flipped, is 0x20 to 0x3f).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <common/say.h>
#include <guest_model/port_queue.h>

#define BIT(n)		(1ull << (n))
#define RX		0u
#define TX		1u
#define NATURAL_BYTES	64u

struct console {
	uint64_t serial;
	uint8_t *sent;			/* all of it */
	size_t nsent, cap;
	size_t received;		/* of it, as far as it came back */
};

/* Of a request; r->priv. */
struct ask {
	bool echo;
};

static void set_echo(void *into, uint64_t v)
{
	(void)v;
	((struct ask *)into)->echo = true;
}

static const struct kc_port_word rx_words[] = { { "echo", 0, set_echo }, { NULL, 0, NULL } };
static const struct kc_port_word tx_words[] = { { NULL, 0, NULL } };

static unsigned console_virtqueue(unsigned n)
{
	return 2 * n + 1;
}

static int console_companion(unsigned qi)
{
	return qi == TX ? (int)RX : -1;
}

static bool console_for_input(struct kc_port *p, unsigned qi)
{
	(void)p;
	return qi == RX;
}

static bool console_has_queue(struct kc_port *p, unsigned qi, uint64_t queue_num, struct kc_err *why)
{
	(void)p;
	(void)queue_num;
	if (qi <= TX)
		return true;
	kc_err_set(why, 0, "without MULTIPORT a console has one pair of queues");
	return false;
}

static int keep(struct console *c, const uint8_t *bytes, uint32_t len)
{
	while (c->cap - c->nsent < len) {
		uint8_t *more = realloc(c->sent, 2 * c->cap + 4096);

		if (!more)
			return -ENOMEM;
		c->sent = more;
		c->cap = 2 * c->cap + 4096;
	}
	memcpy(c->sent + c->nsent, bytes, len);
	return 0;
}

static void fill(struct kc_port *p, unsigned qi, uint64_t serial, uint8_t *bytes, uint32_t len)
{
	kc_port_fill(p, qi == TX ? KC_FILL_DATA : KC_FILL_POISON, serial, bytes, len);
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = qi == TX ? bytes[i] & 0x7f :
			p->env.poison_flip ? 0x20 | (bytes[i] & 0x1f) : 0xc0 | (bytes[i] & 0x1f);
}

static int choose_length(const struct kc_shape *shape, uint32_t *len, struct kc_err *err)
{
	*len = shape->data ? shape->data : NATURAL_BYTES;
	if (shape->descriptors > KC_SHAPE_SEGS_MAX)
		return kc_err_set(err, -EINVAL, "%u descriptors are more than any ring has",
				  shape->descriptors);
	if (*len < shape->descriptors)
		*len = shape->descriptors;
	if (*len > KC_STREAM_MAX)
		return kc_err_set(err, -EINVAL, "%u bytes are more than a request here may have", *len);
	return 0;
}

static struct kc_request *build(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				uint32_t len, struct ask *a, int *code, struct kc_err *err)
{
	struct console *c = p->priv;
	struct kc_oneway o = { .write = qi == RX, .len = len, .serial = c->serial + 1 };
	uint8_t *bytes = malloc(len);
	struct kc_request *r;

	if (bytes)
		fill(p, qi, o.serial, bytes, len);
	if (!bytes || (qi == TX && keep(c, bytes, len))) {
		*code = kc_err_set(err, -ENOMEM, "no memory for %u characters", len);
		free(bytes);
		free(a);
		return NULL;
	}
	o.bytes = bytes;
	r = kc_oneway_build(p, &o, shape, a, code, err);
	free(bytes);
	if (!r)
		return NULL;
	c->serial++;
	c->nsent += qi == TX ? len : 0;
	kc_say(r->what, sizeof(r->what), "console %s, %u bytes", qi == TX ? "output" : "input", len);
	return r;
}

static struct kc_request *console_make(struct kc_port *p, unsigned qi, const struct kc_shape *shape,
				       int *code, struct kc_err *err)
{
	struct ask *a = calloc(1, sizeof(*a));
	uint32_t len = 0;

	if (!a)
		*code = kc_err_set(err, -ENOMEM, "no memory for a console request");
	else if (qi == TX)
		*code = kc_port_words(tx_words, shape->words, "a console's output", a, err);
	else
		*code = kc_port_words(rx_words, shape->words, "a console's input", a, err);
	if (!*code)
		*code = choose_length(shape, &len, err);
	if (*code) {
		free(a);
		return NULL;
	}
	return build(p, qi, shape, len, a, code, err);
}

static enum kc_payload_verdict check_echo(struct console *c, const uint8_t *bytes, uint32_t len,
					  struct kc_err *why)
{
	for (uint32_t i = 0; i < len; i++, c->received++) {
		if (c->received == c->nsent) {
			kc_err_set(why, -EIO, "byte %u: expected no more than was sent, %zu bytes", i,
				   c->nsent);
			return KC_PAYLOAD_WRONG;
		}
		if (bytes[i] == c->sent[c->received])
			continue;
		kc_err_set(why, -EIO, "byte %u: expected 0x%02x, which was sent as byte %zu, actual 0x%02x",
			   i, c->sent[c->received], c->received, bytes[i]);
		return KC_PAYLOAD_WRONG;
	}
	return KC_PAYLOAD_RIGHT;
}

static enum kc_payload_verdict check_input(struct kc_port *p, struct kc_request *r, uint32_t len,
					   int *code, struct kc_err *why)
{
	const struct ask *a = r->priv;
	enum kc_payload_verdict v;
	uint8_t *bytes;

	if (len > r->writable) {
		kc_err_set(why, -EIO, "used.len: expected at most the %u bytes of the buffer, actual %u",
			   r->writable, len);
		return KC_PAYLOAD_WRONG;
	}
	if (!a->echo)
		return KC_PAYLOAD_RIGHT;
	if (!len) {
		kc_err_set(why, -EIO, "used.len: expected some of what was sent, actual 0 bytes");
		return KC_PAYLOAD_WRONG;
	}
	bytes = kc_request_read_back(p, r);
	if (!bytes) {
		*code = kc_err_set(why, -ENOMEM, "no memory to check the input");
		return KC_PAYLOAD_FAILED;
	}
	v = check_echo(p->priv, bytes, len, why);
	free(bytes);
	return v;
}

/* With IN_ORDER a buffer without a used entry of its own counts as written in full. */
static enum kc_payload_verdict console_check(struct kc_port *p, unsigned qi, struct kc_request *r,
					     const struct kc_used *u, int *code, struct kc_err *why)
{
	*code = 0;
	if (qi == TX)
		return KC_PAYLOAD_RIGHT;
	return check_input(p, r, u->skipped ? r->writable : u->len, code, why);
}

static struct kc_port *console_open(const struct kc_port_env *env, struct kc_err *err)
{
	return kc_port_alloc(&kc_port_console, env, sizeof(struct console), err);
}

static void console_close(struct kc_port *p)
{
	free(((struct console *)p->priv)->sent);
	kc_port_free(p);
}

static const char *console_code_name(int code)
{
	return code ? "no memory" : "OK";
}

const struct kc_port_ops kc_port_console = {
	.device = "console",
	.virtio_id = VIRTIO_ID_CONSOLE,
	.features = BIT(VIRTIO_CONSOLE_F_SIZE) | BIT(VIRTIO_CONSOLE_F_EMERG_WRITE),
	.config_len = sizeof(struct virtio_console_config),
	.payload_clause = "CONSOLE-OP-01",
	.len_clause = "CONSOLE-OP-01",
	.open = console_open,
	.close = console_close,
	.virtqueue = console_virtqueue,
	.companion = console_companion,
	.for_input = console_for_input,
	.has_queue = console_has_queue,
	.make = console_make,
	.check = console_check,
	.release = kc_request_free,
	.code_name = console_code_name,
};

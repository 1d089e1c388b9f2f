/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MODEL_PORT_QUEUE_H
#define GUEST_MODEL_PORT_QUEUE_H

#include <stdint.h>
#include <guest_model/port_build.h>

/*
 * What the ports of several devices share: requests that go one way, and words
 * with a number after them. For ports only.
 */

/* One stream of a request, all of it readable or all of it writable, with a header of so many
 * bytes at its start, which has a descriptor of its own unless the script says otherwise. */
struct kc_oneway {
	bool write;			/* the device writes it */
	uint32_t header;		/* 0: none */
	const uint8_t *bytes;
	uint32_t len;			/* header included */
	uint64_t serial;
};

/* Cuts as the script asks, and makes the request: r->len_expected is unknown, r->priv takes priv
 * (from malloc; freed if this fails). NULL with *code and err as kc_port_ops.make. */
struct kc_request *kc_oneway_build(struct kc_port *p, const struct kc_oneway *o,
				   const struct kc_shape *shape, void *priv, int *code,
				   struct kc_err *err);

/* A word of a request, and what it does to the struct that the words are read into. */
struct kc_port_word {
	const char *text;
	uint64_t max;			/* of the number that follows; 0: none does */
	void (*set)(void *into, uint64_t number);
};
/* text NULL: nothing to do. -EBADMSG with err for a word that is not in the table (ended by a
 * NULL text), or a bad number; queue says in that sentence whose word it is not. */
int kc_port_words(const struct kc_port_word *table, const char *text, const char *queue, void *into,
		  struct kc_err *err);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_DATA_PORT_H
#define HARNESS_RUN_DATA_PORT_H

#include <net/if.h>
#include <kickcall/err.h>

/* What lies at the far side of a back-end's device: where the data goes that the guest sends. */
enum kc_data_kind {
	KC_DATA_SINK,			/* it is not seen again */
	KC_DATA_LOOP,			/* the back-end sends it back by itself */
	KC_DATA_TAP,			/* net: a tap; kickcall sends it back at its other end */
};

struct kc_data_port {
	enum kc_data_kind kind;
	char tap[IFNAMSIZ];		/* KC_DATA_TAP; else "" */
};

/* "sink", "loop" or "tap:IFNAME". 0, or -EINVAL with a sentence. */
int kc_data_port_parse(struct kc_data_port *d, const char *text, struct kc_err *err);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_NETIF_H
#define COMMON_NETIF_H

#include <stdbool.h>
#include <kickcall/err.h>

/* Network interfaces of this machine (of this process' network namespace), by name. */
struct kc_netif {
	int index;
	int mtu;		/* bytes behind the Ethernet header */
	bool up;
};

/* Is it a name that an interface can have, and no pattern? */
bool kc_netif_name_valid(const char *name);
/* 0; -ENODEV there is none of that name; -errno. */
int kc_netif_look(const char *name, struct kc_netif *n);
/* 0 or -errno with a sentence, which says what to do. These take CAP_NET_ADMIN, unless it is so
 * already. */
int kc_netif_set_up(const char *name, struct kc_err *err);
int kc_netif_set_mtu(const char *name, int mtu, struct kc_err *err);
/* The machine itself shall send nothing: no IPv6, which speaks on every interface that comes up. */
int kc_netif_silence(const char *name, struct kc_err *err);

#endif

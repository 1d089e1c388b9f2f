/* SPDX-License-Identifier: BSD-3-Clause */
/* The same words in the option --data and in a profile. A name that no interface can have is
 * told here. */
#include <errno.h>
#include <string.h>
#include <common/netif.h>
#include <harness/run/data_port.h>

#define TAP	"tap:"

int kc_data_port_parse(struct kc_data_port *d, const char *text, struct kc_err *err)
{
	const char *name = text + sizeof(TAP) - 1;

	*d = (struct kc_data_port){ .kind = KC_DATA_SINK };
	if (!strcmp(text, "sink"))
		return 0;
	d->kind = KC_DATA_LOOP;
	if (!strcmp(text, "loop"))
		return 0;
	d->kind = KC_DATA_TAP;
	if (strncmp(text, TAP, sizeof(TAP) - 1))
		return kc_err_set(err, -EINVAL, "data goes to sink, loop or tap:IFNAME, not '%s'", text);
	if (!kc_netif_name_valid(name))
		return kc_err_set(err, -EINVAL, "no interface can be called '%s' (1 to %d characters, "
				  "no blank, '/', ':' or '%%')", name, IFNAMSIZ - 1);
	memcpy(d->tap, name, strlen(name) + 1);
	return 0;
}

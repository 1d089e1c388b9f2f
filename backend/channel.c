/* SPDX-License-Identifier: BSD-3-Clause */
/* Which kind of channel is it? The rules that both kinds share are checked here. */
#include <errno.h>
#include <backend/channel_ops.h>

void kc_channel_free(struct kc_channel *c)
{
	if (c)
		c->ops->free(c);
}

int kc_channel_send(struct kc_channel *c, const void *buf, size_t len,
		    const struct kc_handle *handles, unsigned nhandles)
{
	/* handles travel with a byte, so there must be one */
	if (nhandles > KC_CHANNEL_HANDLES_MAX || (nhandles && !len))
		return -EINVAL;
	for (unsigned i = 0; i < nhandles; i++)
		if (kc_handle_is_none(handles[i]))
			return -EINVAL;
	return len ? c->ops->send(c, buf, len, handles, nhandles) : 0;
}

ssize_t kc_channel_recv(struct kc_channel *c, void *buf, size_t len, struct kc_handle *handles,
			unsigned cap, unsigned *nhandles, unsigned *nlost)
{
	return len ? c->ops->recv(c, buf, len, handles, cap, nhandles, nlost) : -EINVAL;
}

int kc_channel_fd(const struct kc_channel *c)
{
	return c->ops->fd(c);
}

bool kc_channel_readable(const struct kc_channel *c)
{
	return c->ops->readable(c);
}

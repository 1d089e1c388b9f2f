/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>
#include <harness/run/guard.h>

/* One worker runs one back-end: plain statics do. */
static const struct kc_backend_ops *inner;
static struct kc_backend_ops outer;
static volatile int *flag;

static int guarded_open(struct kc_backend *be, struct kc_err *err)
{
	int ret;

	*flag = 1;
	ret = inner->open(be, err);
	*flag = 0;
	return ret;
}

static int guarded_submit(struct kc_backend *be, const struct kc_msg *m)
{
	int ret;

	*flag = 1;
	ret = inner->submit(be, m);
	*flag = 0;
	return ret;
}

static int guarded_step(struct kc_backend *be)
{
	int ret;

	*flag = 1;
	ret = inner->step(be);
	*flag = 0;
	return ret;
}

static void guarded_close(struct kc_backend *be)
{
	*flag = 1;
	inner->close(be);
	*flag = 0;
}

void kc_guard(struct kc_backend *be, volatile int *inside)
{
	flag = inside;
	inner = be->ops;
	outer = *inner;
	outer.open = guarded_open;
	outer.submit = guarded_submit;
	outer.close = guarded_close;
	if (inner->step)
		outer.step = guarded_step;
	be->ops = &outer;
}

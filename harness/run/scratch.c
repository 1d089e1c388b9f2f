/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <harness/run/scratch.h>

int kc_make_scratch(char *buf, size_t cap, struct kc_err *err)
{
	const char *dir = getenv("TMPDIR");

	snprintf(buf, cap, "%s/kickcall-XXXXXX", dir && *dir ? dir : "/tmp");
	return mkdtemp(buf) ? 0 : kc_err_set(err, -errno, "%s: %s", buf, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

void kc_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

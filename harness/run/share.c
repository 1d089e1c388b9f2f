/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: everything is made relative to one descriptor of the new directory, and
 * files that are there are emptied first, so that a share is the same before each start.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <harness/run/share.h>
#include <kickcall/storage.h>

static int make_file(int at, const char *name, const uint8_t *bytes, size_t len)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int ret = 0;

	if (fd < 0)
		return -errno;
	while (len && !ret) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0)
			ret = -errno;
		else if (!n)
			ret = -EIO;
		else
			bytes += n, len -= (size_t)n;
	}
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

static int make_pattern(int at)
{
	uint64_t *words = malloc(KC_SHARE_PATTERN_BYTES);
	int ret;

	if (!words)
		return -ENOMEM;
	for (uint64_t n = 0; n < KC_SHARE_PATTERN_BYTES / 8; n++)
		words[n] = htole64(kc_storage_pattern_word(n));
	ret = make_file(at, "pattern", (const uint8_t *)words, KC_SHARE_PATTERN_BYTES);
	free(words);
	return ret;
}

static int fill(int at)
{
	int ret = make_pattern(at);

	if (!ret)
		ret = make_file(at, "scratch", NULL, 0);
	if (!ret && mkdirat(at, "folder", 0755) && errno != EEXIST)
		ret = -errno;
	if (!ret && symlinkat("..", at, "link") && errno != EEXIST)
		ret = -errno;
	return ret;
}

int kc_share_make(const char *dir, const char *name, struct kc_err *err)
{
	int above = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), at = -1, ret = 0;

	if (above < 0 || (mkdirat(above, name, 0755) && errno != EEXIST))
		ret = -errno;
	if (!ret)
		at = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (!ret)
		ret = at < 0 ? -errno : fill(at);
	if (at >= 0)
		close(at);
	if (above >= 0)
		close(above);
	return ret ? kc_err_set(err, ret, "share %s/%s: %s", dir, name, strerror(-ret)) : 0;
}

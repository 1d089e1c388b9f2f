/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: every eight bytes have a value of their own, so that bytes which are missing
 * or belong elsewhere are noticed. The pattern is kept in a sparse file, at the offset of its
 * guest-physical address. A scenario needs it twice, in the guest's memory and in the oracle's copy;
 * of the copy few pages are ever written to, and the others stay the file's.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include <sim/pristine.h>

#define KEPT	16u

/* Ranges that the file holds. When there are too many the oldest is made again if it is needed. */
static struct range {
	uint64_t gpa, end;
} kept[KEPT];
static unsigned nkept;
static int fd = -1;

static uint64_t word(uint64_t n)
{
	uint64_t w = (n + 1) * 0x9e3779b97f4a7c15ull;

	return w ^ (w >> 32);
}

uint8_t kc_pristine_byte(uint64_t gpa)
{
	return word(gpa / 8) >> (8 * (gpa % 8));
}

static bool is_kept(uint64_t gpa, uint64_t end)
{
	for (unsigned i = 0; i < KEPT; i++)
		if (kept[i].gpa <= gpa && end <= kept[i].end)
			return true;
	return false;
}

static int make(uint64_t gpa, uint64_t end)
{
	uint64_t words[512];

	while (gpa < end) {
		ssize_t n;

		for (unsigned i = 0; i < 512; i++)
			words[i] = htole64(word(gpa / 8 + i));
		n = pwrite(fd, words, sizeof(words), (off_t)gpa);
		if (n != (ssize_t)sizeof(words))
			return n < 0 ? -errno : -ENOSPC;
		gpa += sizeof(words);
	}
	return 0;
}

int kc_pristine_prepare(uint64_t gpa, uint64_t len)
{
	int ret;

	if (is_kept(gpa, gpa + len))
		return 0;
	if (fd < 0)
		fd = memfd_create("kickcall-pristine", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = make(gpa, gpa + len);
	if (!ret)
		kept[nkept++ % KEPT] = (struct range){ gpa, gpa + len };
	return ret;
}

/* sendfile, not pread into a mapping: valgrind looks at each byte that a read is to fill. */
int kc_pristine_fill(uint64_t gpa, uint64_t len, int file, off_t at)
{
	int ret = kc_pristine_prepare(gpa, len);
	off_t from = (off_t)gpa;

	if (!ret && lseek(file, at, SEEK_SET) < 0)
		ret = -errno;
	while (!ret && len) {
		ssize_t n = sendfile(file, fd, &from, len);

		if (n <= 0)
			ret = n < 0 ? -errno : -EIO;
		else
			len -= (uint64_t)n;
	}
	return ret;
}

int kc_pristine_map(uint64_t gpa, uint64_t len, void **map)
{
	int ret = kc_pristine_prepare(gpa, len);

	if (ret)
		return ret;
	*map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)gpa);
	return *map == MAP_FAILED ? -errno : 0;
}

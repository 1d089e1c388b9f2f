/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/mman.h>
#include <common/zeroes.h>

void *kc_zeroes(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void kc_zeroes_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_ZEROES_H
#define COMMON_ZEROES_H

#include <stddef.h>

/* So many zero bytes, for what is large and of which little is touched: the kernel gives a page when it is
 * first needed, where calloc(3) may take used memory and clear all of it. NULL: no memory. */
void *kc_zeroes(size_t bytes);
/* Gives them back; NULL is allowed. */
void kc_zeroes_free(void *p, size_t bytes);

#endif

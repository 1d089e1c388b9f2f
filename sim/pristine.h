/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KC_SIM_PRISTINE_H
#define KC_SIM_PRISTINE_H

#include <stdint.h>
#include <sys/types.h>

/*
 * What guest memory holds before anybody writes to it. gpa and len are multiples of the page size.
 * What was prepared in a process costs its children next to nothing. All return a negative errno if
 * there is no memory for it.
 */
uint8_t kc_pristine_byte(uint64_t gpa);
int kc_pristine_prepare(uint64_t gpa, uint64_t len);
/* Writes it into a file, from offset `at` on. */
int kc_pristine_fill(uint64_t gpa, uint64_t len, int file, off_t at);
/* A private copy at *map, to be written to at will; the caller unmaps it. */
int kc_pristine_map(uint64_t gpa, uint64_t len, void **map);

#endif

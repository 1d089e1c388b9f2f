/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMON_APART_H
#define COMMON_APART_H

/* For a function whose frame is large and which is called seldom: inlined, it would make the frame of a
 * caller that runs all the time as large, and memory checkers mark every byte of it at every call. */
#define KC_APART	__attribute__((noinline))

#endif

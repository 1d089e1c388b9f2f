#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Reads a cmocka program's output: one line when it passed (its own count), everything when not.
# Needs no exit status: cmocka says "[  PASSED  ] N test(s)." last, and "[  FAILED  ]" otherwise.
out=$(cat)
case "$out" in
*"[  FAILED  ]"*) ;;
*"[  PASSED  ] "*)
	printf '%-40s %s\n' "$1" "$(printf '%s\n' "$out" | grep -a 'PASSED' | tail -n 1)"
	exit 0 ;;
esac
printf '%s\n' "$out"
echo "$1 failed"
exit 1

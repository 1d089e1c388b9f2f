#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# run.sh NAME COMMAND...: runs a cmocka program (perhaps under valgrind). One line when it passed, with
# cmocka's own counts; everything it said when not.
name=$1
shift
out=$("$@" 2>&1)
status=$?
passed=$(printf '%s\n' "$out" | grep -a '\[  PASSED  \]' | tail -n 1)
if [ $status -eq 0 ] && [ -n "$passed" ]; then
	printf '%-28s %s\n' "$name" "$passed"
	exit 0
fi
printf '%s\n' "$out"
echo "$name: exit status $status"
exit 1

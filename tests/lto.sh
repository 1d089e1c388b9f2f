#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Prints the option for optimization at link time where compiler, archiver and linker ($CC, $AR, $LINKER) work
# together at it, else nothing.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
echo 'int far(void) { return 0; }' >far.c
echo 'int far(void); int main(void) { return far(); }' >main.c
$CC -O3 -flto=auto -c far.c main.c 2>errors && $AR rcs libfar.a far.o 2>>errors &&
	$CC -O3 -flto=auto $LINKER -o far main.o libfar.a 2>>errors && [ ! -s errors ] && ./far && echo -flto=auto
exit 0

#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Installs what building and testing need: fast and silent when all is there. As root on a system with
# apt it installs; otherwise it prints the one line that would, and fails.
# `deps.sh --check WORD...` installs nothing: names what is missing of these (build, test, peer).
set -u

# group | how to see that it is there | Debian package
needs() {
	cat <<'TABLE'
build|command -v $CC|gcc
build|header stdio.h|libc6-dev
build|command -v python3|python3
build|header jansson.h|libjansson-dev
build|header boost/version.hpp && library boost_context|libboost-context-dev
test|header cmocka.h|libcmocka-dev
test|python_with pytest|python3-pytest
test|python_with xdist|python3-pytest-xdist
test|command -v valgrind|valgrind
test|command -v lcov|lcov
peer|command -v qemu-storage-daemon|qemu-system-common
TABLE
}

CC=${CC:-cc}
header() { echo "#include <$1>" | $CC -xc -E - ; }
library() { echo 'int main(void){return 0;}' | $CC -xc - -o /dev/null -l"$1"; }
python_with() {
	for p in /usr/bin/python3 python3; do
		$p -c "import $1" && return 0
	done
	return 1
}

missing=
find_missing() {
	missing=
	while IFS='|' read -r group test package; do
		case " $1 " in *" $group "*) ;; *) continue ;; esac
		eval "$test" >/dev/null 2>&1 || missing="$missing $package"
	done <<EOF
$(needs)
EOF
}

if [ "${1:-}" = --check ]; then
	shift
	find_missing "$*"
	[ -z "$missing" ] && exit 0
	echo "missing:$missing; run: make deps" >&2
	exit 1
fi

find_missing "build test peer"
[ -z "$missing" ] && exit 0
line="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "missing packages; as root (Debian's names): $line" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q || exit 1
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $missing || exit 1
find_missing "build test peer"
[ -z "$missing" ] && exit 0
echo "still missing after installation:$missing" >&2
exit 1

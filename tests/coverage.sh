#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Line coverage of everything but the tests themselves: what `make check-sanitizers` reached in its build,
# the folder BUILD, and beside that what a user sees of it. Fails below the floor in tests/coverage.floor,
# which only rises. With genhtml there is a report in BUILD/html.
set -eu
cd "$(dirname "$0")/.."
cov=$BUILD
export ASAN_OPTIONS=detect_leaks=0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
kickcall=$cov/kickcall

run() {		# STATUS COMMAND...: quiet, unless the status is another
	want=$1
	shift
	status=0
	"$@" >"$scratch/out" 2>&1 || status=$?
	[ "$status" = "$want" ] && return
	cat "$scratch/out"
	echo "coverage: expected status $want, actual $status: $*" >&2
	exit 1
}

run 0 "$kickcall" conform --select blk/ --trace "$scratch/trace"
run 0 "$kickcall" conform --device loopback --select split --format json --output "$scratch/report.json"
run 0 "$kickcall" conform --mode live -v --select split

# What a user sees beside the suite: a failure in full, one that is known, lists, explanations.
cat >"$scratch/fails.kick" <<'SCRIPT'
title    two are used for one
clause   VQ-SPLIT-USED-02

queue 0  split size 4
driver   request, kick
expect   2 used
SCRIPT
echo "$scratch/fails | it cannot | F.md#x" >"$scratch/known"
run 1 "$kickcall" run "$scratch/fails.kick" --keep "$scratch/kept"
run 0 "$kickcall" run "$scratch/fails.kick" --known "$scratch/known"
run 2 "$kickcall" run "$scratch/known"
for what in tests clauses devices profiles verbs; do
	run 0 "$kickcall" list $what
	run 0 "$kickcall" list $what --format json
done
run 0 "$kickcall" explain VQ-SPLIT-USED-02
run 0 "$kickcall" explain rings/basic/one-request-completes
run 0 "$kickcall" probe
run 0 "$kickcall" probe --mode live --format json
run 0 "$kickcall" help
run 0 "$kickcall" --version

lcov -q -c -d "$cov" -b . --no-external -o "$scratch/all.info" 2>"$scratch/lcov.err" ||
	{ cat "$scratch/lcov.err" >&2; exit 1; }
lcov -q -r "$scratch/all.info" '*/tests/*' '*/build/*' '*/clauses_data.c' -o "$cov/coverage.info"
if command -v genhtml >/dev/null; then
	genhtml -q -p "$PWD" -o "$cov/html" "$cov/coverage.info"
	echo "coverage by line: $cov/html/index.html"
fi
reached=$(awk -F: '/^LF:/ { f += $2 } /^LH:/ { h += $2 } END { printf "%.2f", 100 * h / f }' \
	"$cov/coverage.info")
floor=$(cat tests/coverage.floor)
echo "line coverage $reached %, floor $floor %"
awk "BEGIN { exit !($reached >= $floor) }" || { echo "coverage is below its floor" >&2; exit 1; }

# SPDX-License-Identifier: BSD-3-Clause
"""early.py STATUS [SOCKET]: ends before it has listened, with a word on stderr."""
import sys

print("no such disk: /dev/nothing", file=sys.stderr)
sys.exit(int(sys.argv[1]))

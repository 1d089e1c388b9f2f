# SPDX-License-Identifier: BSD-3-Clause
"""mute.py SOCKET: lives, and never listens."""
import signal
import sys

print("thinking about it", file=sys.stderr, flush=True)
while True:
    signal.pause()

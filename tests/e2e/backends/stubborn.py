# SPDX-License-Identifier: BSD-3-Clause
"""stubborn.py SOCKET: correct, but it does not end when told to; its child does not either."""
import os
import signal

import wire

for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(signo, signal.SIG_IGN)
if os.fork() == 0:
    while True:
        signal.pause()
wire.serve(wire.Session)

# SPDX-License-Identifier: BSD-3-Clause
"""dead.py WHEN HOW SOCKET: ends when WHEN (kick, gone: the front-end hung up, or a message number)
comes, by HOW (a signal's name or an exit status)."""
import os
import signal
import sys

import wire

WHEN, HOW = sys.argv[1:3]


def die():
    print("about to end, having seen enough", file=sys.stderr, flush=True)
    if HOW.isdigit():
        os._exit(int(HOW))
    os.kill(os.getpid(), getattr(signal, HOW))


class Dead(wire.Session):
    def on_kick(self, queue):
        if WHEN == "kick":
            die()

    def on_message(self, ident, flags, payload):
        if WHEN == str(ident):
            die()
        super().on_message(ident, flags, payload)

    def run(self):
        try:
            super().run()
        except (wire.Gone, ConnectionError):
            if WHEN == "gone":
                die()
            raise


wire.serve(Dead)

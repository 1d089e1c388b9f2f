# SPDX-License-Identifier: BSD-3-Clause
"""shy.py SOCKET: after its first session it lives on, and hangs up on everybody."""
import wire


class Shy(wire.Session):
    sessions = 0

    def run(self):
        Shy.sessions += 1
        if Shy.sessions == 1:
            super().run()


wire.serve(Shy)

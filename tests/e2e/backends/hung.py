# SPDX-License-Identifier: BSD-3-Clause
"""hung.py ID SOCKET: from the first message with that number on, nothing is answered any more."""
import sys

import wire


class Hung(wire.Session):
    silent = False

    def on_message(self, ident, flags, payload):
        self.silent = self.silent or ident == int(sys.argv[1])
        if not self.silent:
            super().on_message(ident, flags, payload)


wire.serve(Hung)

# SPDX-License-Identifier: BSD-3-Clause
"""tired.py GOOD FIRST SOCKET: after GOOD sessions it answers GET_VRING_BASE with another message's
number. In its first GOOD sessions it says that it has FIRST queues, later 2."""
import sys

import wire

GOOD, FIRST = map(int, sys.argv[1:3])


class Tired(wire.Session):
    count_of_sessions = 0

    def __init__(self, conn):
        super().__init__(conn)
        Tired.count_of_sessions += 1
        self.tired = Tired.count_of_sessions > GOOD

    def reply_to(self, ident, payload):
        if ident == wire.GET_QUEUE_NUM and not self.tired:
            return wire.u64(FIRST)
        return super().reply_to(ident, payload)

    def send(self, ident, payload, **kw):
        wrong = self.tired and ident == wire.GET_VRING_BASE
        super().send(wire.GET_QUEUE_NUM if wrong else ident, payload, **kw)


wire.serve(Tired)

# SPDX-License-Identifier: BSD-3-Clause
"""lying.py LIE SOCKET: correct but for one kind of lie in its answers to GET_VRING_BASE, or where
that kind needs it, to the messages that ask for an ack."""
import struct
import sys

import wire

LIE = sys.argv[1]


class Lying(wire.Session):
    def garbage(self, ident, payload):
        self.conn.sendall(b"\xff" * 40)

    def wrong_id(self, ident, payload):
        self.send(wire.GET_QUEUE_NUM, payload)

    def wrong_size(self, ident, payload):
        self.send(ident, payload + b"\0" * 4)

    def no_reply_flag(self, ident, payload):
        self.send(ident, payload, flags=wire.VERSION)

    def twice(self, ident, payload):
        self.send(ident, payload)
        self.send(ident, payload)

    def unsolicited(self, ident, payload):
        self.send(wire.GET_CONFIG, struct.pack("<III", 0, 4, 0) + b"\0" * 4)
        self.send(ident, payload)

    def hang_up(self, ident, payload):
        raise wire.Gone

    def on_message(self, ident, flags, payload):
        if LIE == "ack-unasked" and not flags & wire.NEED_REPLY and \
           self.reply_to(ident, payload) is None:
            super().on_message(ident, flags, payload)
            wire.Session.send(self, ident, wire.u64(0))
            return
        if LIE != "ack-unasked" and ident == wire.GET_VRING_BASE:
            getattr(self, LIE.replace("-", "_"))(ident, self.reply_to(ident, payload))
            return
        super().on_message(ident, flags, payload)


wire.serve(Lying)

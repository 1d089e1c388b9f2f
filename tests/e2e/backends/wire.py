# SPDX-License-Identifier: BSD-3-Clause
"""As much vhost-user as a back-end needs to misbehave convincingly.

A Session answers what it is asked, correctly; a bad back-end overrides one method. It never touches
a ring. Nothing is shared with kickcall's C code: header, numbers and sizes are written here anew.
"""
import array
import os
import select
import socket
import struct
import sys

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
GET_VRING_BASE, SET_VRING_KICK = 11, 12
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM = 15, 16, 17
GET_CONFIG = 24
VERSION, REPLY, NEED_REPLY = 1, 4, 8

FEATURES = 1 << 32 | 1 << 30            # VERSION_1, PROTOCOL_FEATURES
PROTOCOL_FEATURES = 1 << 0 | 1 << 3 | 1 << 9    # MQ, REPLY_ACK, CONFIG


class Gone(Exception):
    """The front-end closed the connection."""


def u64(value):
    return struct.pack("<Q", value)


class Session:
    def __init__(self, conn):
        self.conn = conn
        self.kicks = {}
        self.count = 0          # messages seen
        self.acks = False

    def read(self, n):
        data = b""
        while len(data) < n:
            fds = array.array("i")
            chunk, anc, _, _ = self.conn.recvmsg(n - len(data), socket.CMSG_SPACE(8 * 4))
            for level, kind, raw in anc:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(raw[: len(raw) - len(raw) % 4])
            self.fds += list(fds)
            if not chunk:
                raise Gone
            data += chunk
        return data

    def send(self, ident, payload, flags=VERSION | REPLY):
        self.conn.sendall(struct.pack("<III", ident, flags, len(payload)) + payload)

    def reply_to(self, ident, payload):
        """The reply's payload, or None when an ack is all there is to it."""
        if ident == GET_FEATURES:
            return u64(FEATURES)
        if ident == GET_PROTOCOL_FEATURES:
            return u64(PROTOCOL_FEATURES)
        if ident == GET_QUEUE_NUM:
            return u64(2)
        if ident == GET_VRING_BASE:
            return payload[:4] + struct.pack("<I", 0)
        if ident == GET_CONFIG:         # capacity 32768 sectors
            size = struct.unpack_from("<I", payload, 4)[0]
            return payload[:12] + u64(32768).ljust(size, b"\0")
        return None

    def on_message(self, ident, flags, payload):
        """One message, answered as it should be."""
        if ident == SET_PROTOCOL_FEATURES:
            self.acks = bool(struct.unpack("<Q", payload)[0] & 1 << 3)
        if ident == SET_VRING_KICK and self.fds:
            self.kicks[payload[0]] = self.fds.pop(0)
        answer = self.reply_to(ident, payload)
        if answer is None and flags & NEED_REPLY and self.acks:
            answer = u64(0)
        if answer is not None:
            self.send(ident, answer)

    def on_kick(self, queue):
        """A kick was heard; nothing is done about it."""

    def one_message(self):
        self.fds = []
        ident, flags, size = struct.unpack("<III", self.read(12))
        payload = self.read(size) if size else b""
        self.count += 1
        self.on_message(ident, flags, payload)
        for fd in self.fds:
            os.close(fd)

    def run(self):
        while True:
            ready = select.select([self.conn, *self.kicks.values()], [], [])[0]
            for queue, fd in list(self.kicks.items()):
                if fd in ready:
                    os.read(fd, 8)
                    self.on_kick(queue)
            if self.conn in ready:
                self.one_message()


def serve(session_type, sessions=None):
    """Serves one session after another (sessions of them) on the socket named last in argv."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[-1])
    listener.listen(4)
    while sessions is None or sessions > 0:
        conn = listener.accept()[0]
        session = session_type(conn)
        try:
            session.run()
        except (Gone, ConnectionError):
            pass
        conn.close()
        for fd in session.kicks.values():
            os.close(fd)
        if sessions is not None:
            sessions -= 1

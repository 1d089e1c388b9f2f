# SPDX-License-Identifier: BSD-3-Clause
"""one_shot.py SOCKET: serves one session, then exits 0, as virtiofsd does."""
import wire

wire.serve(wire.Session, sessions=1)

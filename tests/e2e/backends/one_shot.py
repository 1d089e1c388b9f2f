# SPDX-License-Identifier: BSD-3-Clause
"""one_shot.py [N] SOCKET: serves one session, as virtiofsd does, or N, then exits 0."""
import sys

import wire

wire.serve(wire.Session, sessions=int(sys.argv[1]) if len(sys.argv) > 2 else 1)

# SPDX-License-Identifier: BSD-3-Clause
title     QEMU's virtiofsd (the one in C), a directory
device    fs
command   /usr/lib/qemu/virtiofsd -f --socket-path={socket} -o source={dir}/share -o sandbox=chroot
share     share
contents  pattern
one-shot  yes
quirk     quick what is in flight when a ring is stopped is luck: docs/FINDINGS.md, virtiofsd-stop
known     virtiofsd.known

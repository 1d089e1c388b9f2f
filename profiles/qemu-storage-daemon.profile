# SPDX-License-Identifier: BSD-3-Clause
title     QEMU's storage daemon, a raw file
device    blk
command   qemu-storage-daemon --blockdev driver=file,node-name=d0,filename={dir}/disk.img --export type=vhost-user-blk,id=e0,node-name=d0,addr.type=unix,addr.path={socket},writable=on,num-queues=2
image     disk.img 16M
contents  pattern
chain-max 1024
known     qemu-storage-daemon.known

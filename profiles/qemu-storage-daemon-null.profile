# SPDX-License-Identifier: BSD-3-Clause
title     QEMU's storage daemon, null-co: reads zeroes, forgets writes
device    blk
command   qemu-storage-daemon --blockdev driver=null-co,node-name=d0,size=16777216,read-zeroes=on --export type=vhost-user-blk,id=e0,node-name=d0,addr.type=unix,addr.path={socket},writable=on,num-queues=2
contents  zeroes
writes    dropped
chain-max 1024
known     qemu-storage-daemon-null.known

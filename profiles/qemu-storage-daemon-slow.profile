# SPDX-License-Identifier: BSD-3-Clause
title     QEMU's storage daemon, null-co with 20 ms a request: what is in flight stays so for a while
device    blk
command   qemu-storage-daemon --blockdev driver=null-co,node-name=d0,size=16777216,read-zeroes=on,latency-ns=20000000 --export type=vhost-user-blk,id=e0,node-name=d0,addr.type=unix,addr.path={socket},writable=on,num-queues=2
contents  zeroes
writes    dropped
chain-max 1024
quirk     never-polls SET_VRING_KICK without an fd leaves a ring that nothing looks at: no polling in libvhost-user
known     qemu-storage-daemon-slow.known

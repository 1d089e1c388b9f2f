# SPDX-License-Identifier: BSD-3-Clause
title     QEMU's storage daemon, null-co: reads zeroes, forgets writes
device    blk
command   qemu-storage-daemon --blockdev driver=null-co,node-name=d0,size=16777216,read-zeroes=on --export type=vhost-user-blk,id=e0,node-name=d0,addr.type=unix,addr.path={socket},writable=on,num-queues=2
contents  zeroes
writes    dropped
# Rings of all sizes work, 32768 too (rings/basic/every-ring-size-carries-requests), though libvhost-user
# calls 1024 its maximum: that one bounds the buffers of a chain, pieces at region borders included.
ring-max  32768
chain-max 1024
quirk     never-polls SET_VRING_KICK without an fd leaves a ring that nothing looks at: no polling in libvhost-user
quirk     quick a request is in flight for microseconds: qemu-storage-daemon-slow tells what happens to it
known     qemu-storage-daemon.known

# SPDX-License-Identifier: BSD-3-Clause
title     DPDK's testpmd, vhost PMD and tap PMD: frames go out through a tap interface, kctap0, and come back
device    net
# Needs CAP_NET_ADMIN and CAP_NET_RAW: unshare -rn build/kickcall conform --profile dpdk-testpmd-tap
command   dpdk-testpmd --lcores (0-1)@(0-1) --no-pci --no-huge --no-shconf --no-telemetry -m 256 --vdev net_vhost0,iface={socket},queues=2 --vdev net_tap0,iface=kctap0 -- --forward-mode=io --auto-start --stats-period=60 --total-num-mbufs=4096 --rxq=2 --txq=2 --nb-cores=1
data      tap:kctap0
# BUF_VECTOR_MAX: longer chains are never used.
chain-max 256
jobs      1
quirk     busy-poll a poll-mode driver: one core is always busy
quirk     no-reset device status 0 is taken note of, and rings go on as before
quirk     rings-together no ring is served before virtqueues 0 and 1 are both set up; stopping one stops all
known     dpdk-testpmd.known

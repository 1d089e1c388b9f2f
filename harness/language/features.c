/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of feature bits, as scripts, reports and `probe` write them. */
#include <string.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>
#include <linux/virtio_vsock.h>
#include <linux/vhost.h>
#include <harness/language/script.h>
#include <kickcall/message.h>

/* Newer than some distributions' headers. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif
#ifndef VIRTIO_F_NOTIF_CONFIG_DATA
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#endif
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET 40
#endif
#ifndef VIRTIO_BLK_F_SECURE_ERASE
#define VIRTIO_BLK_F_SECURE_ERASE 16
#endif
#ifndef VIRTIO_BLK_F_ZONED
#define VIRTIO_BLK_F_ZONED 17
#endif

#ifndef VIRTIO_VSOCK_F_STREAM
#define VIRTIO_VSOCK_F_STREAM 0
#endif
#ifndef VIRTIO_VSOCK_F_NO_IMPLIED_STREAM
#define VIRTIO_VSOCK_F_NO_IMPLIED_STREAM 2
#endif

#ifndef VIRTIO_NET_F_NOTF_COAL
#define VIRTIO_NET_F_NOTF_COAL 53
#endif
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56
#endif
#ifndef VIRTIO_NET_F_HASH_REPORT
#define VIRTIO_NET_F_HASH_REPORT 57
#endif
#ifndef VIRTIO_NET_F_GUEST_HDRLEN
#define VIRTIO_NET_F_GUEST_HDRLEN 59
#endif
#ifndef VIRTIO_NET_F_RSS
#define VIRTIO_NET_F_RSS 60
#endif
#ifndef VIRTIO_NET_F_RSC_EXT
#define VIRTIO_NET_F_RSC_EXT 61
#endif

static const struct feature {
	const char *device;		/* NULL: every device */
	unsigned bit;
	const char *name;
} features[] = {
	{ NULL, VIRTIO_F_NOTIFY_ON_EMPTY, "notify_on_empty" },
	{ NULL, VHOST_F_LOG_ALL, "log_all" },
	{ NULL, VIRTIO_F_ANY_LAYOUT, "any_layout" },
	{ NULL, VIRTIO_RING_F_INDIRECT_DESC, "indirect" },
	{ NULL, VIRTIO_RING_F_EVENT_IDX, "event_idx" },
	{ NULL, KC_VU_F_PROTOCOL_FEATURES, "protocol_features" },
	{ NULL, VIRTIO_F_VERSION_1, "version_1" },
	{ NULL, VIRTIO_F_ACCESS_PLATFORM, "access_platform" },
	{ NULL, VIRTIO_F_RING_PACKED, "packed" },
	{ NULL, VIRTIO_F_IN_ORDER, "in_order" },
	{ NULL, VIRTIO_F_ORDER_PLATFORM, "order_platform" },
	{ NULL, VIRTIO_F_SR_IOV, "sr_iov" },
	{ NULL, VIRTIO_F_NOTIFICATION_DATA, "notification_data" },
	{ NULL, VIRTIO_F_NOTIF_CONFIG_DATA, "notif_config_data" },
	{ NULL, VIRTIO_F_RING_RESET, "ring_reset" },
	{ "blk", VIRTIO_BLK_F_SIZE_MAX, "size_max" },
	{ "blk", VIRTIO_BLK_F_SEG_MAX, "seg_max" },
	{ "blk", VIRTIO_BLK_F_GEOMETRY, "geometry" },
	{ "blk", VIRTIO_BLK_F_RO, "ro" },
	{ "blk", VIRTIO_BLK_F_BLK_SIZE, "blk_size" },
	{ "blk", VIRTIO_BLK_F_FLUSH, "flush" },
	{ "blk", VIRTIO_BLK_F_TOPOLOGY, "topology" },
	{ "blk", VIRTIO_BLK_F_CONFIG_WCE, "config_wce" },
	{ "blk", VIRTIO_BLK_F_MQ, "mq" },
	{ "blk", VIRTIO_BLK_F_DISCARD, "discard" },
	{ "blk", VIRTIO_BLK_F_WRITE_ZEROES, "write_zeroes" },
	{ "blk", VIRTIO_BLK_F_SECURE_ERASE, "secure_erase" },
	{ "blk", VIRTIO_BLK_F_ZONED, "zoned" },
	{ "net", VIRTIO_NET_F_CSUM, "csum" },
	{ "net", VIRTIO_NET_F_GUEST_CSUM, "guest_csum" },
	{ "net", VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, "ctrl_guest_offloads" },
	{ "net", VIRTIO_NET_F_MTU, "mtu" },
	{ "net", VIRTIO_NET_F_MAC, "mac" },
	{ "net", VIRTIO_NET_F_GUEST_TSO4, "guest_tso4" },
	{ "net", VIRTIO_NET_F_GUEST_TSO6, "guest_tso6" },
	{ "net", VIRTIO_NET_F_GUEST_ECN, "guest_ecn" },
	{ "net", VIRTIO_NET_F_GUEST_UFO, "guest_ufo" },
	{ "net", VIRTIO_NET_F_HOST_TSO4, "host_tso4" },
	{ "net", VIRTIO_NET_F_HOST_TSO6, "host_tso6" },
	{ "net", VIRTIO_NET_F_HOST_ECN, "host_ecn" },
	{ "net", VIRTIO_NET_F_HOST_UFO, "host_ufo" },
	{ "net", VIRTIO_NET_F_MRG_RXBUF, "mrg_rxbuf" },
	{ "net", VIRTIO_NET_F_STATUS, "status" },
	{ "net", VIRTIO_NET_F_CTRL_VQ, "ctrl_vq" },
	{ "net", VIRTIO_NET_F_CTRL_RX, "ctrl_rx" },
	{ "net", VIRTIO_NET_F_CTRL_VLAN, "ctrl_vlan" },
	{ "net", VIRTIO_NET_F_CTRL_RX_EXTRA, "ctrl_rx_extra" },
	{ "net", VIRTIO_NET_F_GUEST_ANNOUNCE, "guest_announce" },
	{ "net", VIRTIO_NET_F_MQ, "mq" },
	{ "net", VIRTIO_NET_F_CTRL_MAC_ADDR, "ctrl_mac_addr" },
	{ "net", VIRTIO_NET_F_NOTF_COAL, "notf_coal" },
	{ "net", VIRTIO_NET_F_GUEST_USO4, "guest_uso4" },
	{ "net", VIRTIO_NET_F_GUEST_USO6, "guest_uso6" },
	{ "net", VIRTIO_NET_F_HOST_USO, "host_uso" },
	{ "net", VIRTIO_NET_F_HASH_REPORT, "hash_report" },
	{ "net", VIRTIO_NET_F_GUEST_HDRLEN, "guest_hdrlen" },
	{ "net", VIRTIO_NET_F_RSS, "rss" },
	{ "net", VIRTIO_NET_F_RSC_EXT, "rsc_ext" },
	{ "net", VIRTIO_NET_F_STANDBY, "standby" },
	{ "net", VIRTIO_NET_F_SPEED_DUPLEX, "speed_duplex" },
	{ "scsi", VIRTIO_SCSI_F_INOUT, "inout" },
	{ "scsi", VIRTIO_SCSI_F_HOTPLUG, "hotplug" },
	{ "scsi", VIRTIO_SCSI_F_CHANGE, "change" },
	{ "scsi", VIRTIO_SCSI_F_T10_PI, "t10_pi" },
	{ "console", VIRTIO_CONSOLE_F_SIZE, "console_size" },
	{ "console", VIRTIO_CONSOLE_F_MULTIPORT, "multiport" },
	{ "console", VIRTIO_CONSOLE_F_EMERG_WRITE, "emerg_write" },
	{ "vsock", VIRTIO_VSOCK_F_STREAM, "stream" },
	{ "vsock", VIRTIO_VSOCK_F_SEQPACKET, "seqpacket" },
	{ "vsock", VIRTIO_VSOCK_F_NO_IMPLIED_STREAM, "no_implied_stream" },
	{ "balloon", VIRTIO_BALLOON_F_MUST_TELL_HOST, "must_tell_host" },
	{ "balloon", VIRTIO_BALLOON_F_STATS_VQ, "stats_vq" },
	{ "balloon", VIRTIO_BALLOON_F_DEFLATE_ON_OOM, "deflate_on_oom" },
	{ "balloon", VIRTIO_BALLOON_F_FREE_PAGE_HINT, "free_page_hint" },
	{ "balloon", VIRTIO_BALLOON_F_PAGE_POISON, "page_poison" },
	{ "balloon", VIRTIO_BALLOON_F_REPORTING, "page_reporting" },
};

static bool is_of(const struct feature *f, const char *device)
{
	return !f->device || (device && !strcmp(f->device, device));
}

int kc_feature_by_name(const char *device, const char *name)
{
	for (unsigned i = 0; i < sizeof(features) / sizeof(*features); i++)
		if ((!device || is_of(&features[i], device)) && !strcmp(features[i].name, name))
			return (int)features[i].bit;
	return -1;
}

const char *kc_feature_name(const char *device, unsigned bit)
{
	for (unsigned i = 0; i < sizeof(features) / sizeof(*features); i++) {
		const struct feature *f = &features[i];

		if (f->bit == bit && is_of(f, device))
			return f->name;
	}
	return NULL;
}

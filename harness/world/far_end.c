/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: a packet socket is bound to the interface and sees what comes out of it. What
 * the machine itself sends through it, the socket sees as well (PACKET_OUTGOING), and passes over. A
 * VLAN tag is taken off by the kernel before anybody sees the frame; it comes in a control message, and
 * is put back. The kernel hands frames to the socket in the order, and in the system call, in which a
 * process writes them into the tap.
 *
 * The interface is mostly the back-end's own: it comes and goes with its process. A netlink socket tells
 * whenever any interface changes; then this one is looked at again, silenced as soon as it is there, and
 * bound to as soon as it is up. So the far end is in place before anybody who is told so
 * (kc_far_end_wait) sends a frame.
 *
 * A thread serves all three, so that frames come back while the scenario waits, plays several
 * processors, or talks to the back-end. It is told to end by an eventfd, and never blocks but in poll.
 *
 * A frame that finds the tap's queue full, or the interface gone, is lost as on any wire. One that does
 * not fit the interface, or that this socket had no room for, is a fault of ours, and told of.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <backend/process.h>
#include <common/netif.h>
#include <harness/world/far_end.h>

#define FRAME_MAX	65536u
#define TAG_BYTES	4u
#define NET_MASK	0xffffff00u
#define TYPE_AT		(2u * ETH_ALEN)
#define ROOM		(4 << 20)	/* of the socket, if the system allows it */
#define SLICE_NS	(100ll * 1000 * 1000)

enum { STOP, LINKS, FRAMES, FDS };

struct kc_far_end {
	char ifname[32];
	int fd[FDS];
	pthread_t thread;
	bool runs;			/* it was started */
	atomic_bool busy;		/* a frame is in its hands */

	pthread_mutex_t lock;		/* of what follows */
	pthread_cond_t changed;
	int index;			/* of the interface it stands at; 0: none */
	int wrong;			/* with the interface: -errno, err says what */
	struct kc_err err;
	uint32_t too_long;		/* a frame that did not fit; 0: none */
	uint64_t lost;			/* frames that the socket had no room for */

	uint8_t frame[TAG_BYTES + FRAME_MAX];
};

/* --- The interface ------------------------------------------------------------------------------ */

/* Frames of an interface that has gone are not for the next one. */
static void drop_frames(struct kc_far_end *f)
{
	while (recv(f->fd[FRAMES], f->frame, sizeof(f->frame), MSG_DONTWAIT) >= 0 ||
	       errno == ENETDOWN)
		;
}

static int stand_at(struct kc_far_end *f, const struct kc_netif *n, struct kc_err *err)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = n->index,
	};

	if (n->mtu < KC_FAR_END_MTU)
		return kc_err_set(err, -EMSGSIZE, "the MTU of %s is %d, and frames have up to %d "
				  "bytes: ip link set dev %s mtu %d", f->ifname, n->mtu,
				  KC_FAR_END_MTU, f->ifname, KC_FAR_END_MTU);
	if (bind(f->fd[FRAMES], (struct sockaddr *)&to, sizeof(to)))
		return kc_err_set(err, -errno, "a packet socket at %s: %s", f->ifname,
				  strerror(errno));
	return 0;
}

/* Looks at the interface, and stands at it once it is up. */
static void look(struct kc_far_end *f)
{
	struct kc_err err = { "" };
	struct kc_netif n;
	int wrong = 0;

	if (kc_netif_look(f->ifname, &n))
		n = (struct kc_netif){ .index = 0 };
	if (n.index)
		wrong = kc_netif_silence(f->ifname, &err);
	if (f->index && (!n.up || n.index != f->index))
		drop_frames(f);
	if (n.up && !wrong && n.index != f->index)
		wrong = stand_at(f, &n, &err);
	pthread_mutex_lock(&f->lock);
	f->index = n.up && !wrong ? n.index : 0;
	f->wrong = wrong;
	f->err = err;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

/* What has changed does not matter, nor how often. */
static void drain_links(struct kc_far_end *f)
{
	char buf[8192];

	while (recv(f->fd[LINKS], buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS ||
	       errno == EINTR)
		;
}

/* --- Frames ------------------------------------------------------------------------------------- */

/* The tag that the kernel has taken off; false: there was none. */
static bool tag_of(struct msghdr *m, uint8_t tag[TAG_BYTES])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct tpacket_auxdata aux;
		uint16_t tpid = ETH_P_8021Q;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			return false;
		if (aux.tp_status & TP_STATUS_VLAN_TPID_VALID)
			tpid = aux.tp_vlan_tpid;
		tag[0] = (uint8_t)(tpid >> 8);
		tag[1] = (uint8_t)tpid;
		tag[2] = (uint8_t)(aux.tp_vlan_tci >> 8);
		tag[3] = (uint8_t)aux.tp_vlan_tci;
		return true;
	}
	return false;
}

static unsigned type_of(const uint8_t *frame)
{
	return (unsigned)frame[TYPE_AT] << 8 | frame[TYPE_AT + 1];
}

static bool is_datagram(const uint8_t *frame, size_t len)
{
	struct iphdr ip;

	if (type_of(frame) != ETH_P_IP || len < ETH_HLEN + sizeof(ip))
		return false;
	memcpy(&ip, frame + ETH_HLEN, sizeof(ip));
	return ip.protocol == IPPROTO_UDP && (ntohl(ip.saddr) & NET_MASK) == KC_FAR_END_NET &&
	       (ntohl(ip.daddr) & NET_MASK) == KC_FAR_END_NET;
}

static bool is_ours(const struct sockaddr_ll *from, const uint8_t *frame, ssize_t len)
{
	return from->sll_pkttype != PACKET_OUTGOING && len >= ETH_HLEN &&
	       (type_of(frame) == KC_FAR_END_TYPE || is_datagram(frame, (size_t)len));
}

/* Takes one frame, whole, with its tag. *frame and its length; 0: not one of ours. -1: there is
 * none. */
static ssize_t take(struct kc_far_end *f, uint8_t **frame)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct sockaddr_ll from = { 0 };
	struct iovec io = { f->frame + TAG_BYTES, FRAME_MAX };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io,
			    .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(f->fd[FRAMES], &m, MSG_DONTWAIT);
	uint8_t tag[TAG_BYTES];

	if (n < 0)
		return errno == EINTR || errno == ENETDOWN ? 0 : -1;
	*frame = f->frame + TAG_BYTES;
	if (!is_ours(&from, *frame, n))
		return 0;
	if (!tag_of(&m, tag))
		return n;
	memmove(f->frame, *frame, TYPE_AT);
	memcpy(f->frame + TYPE_AT, tag, TAG_BYTES);
	*frame = f->frame;
	return n + TAG_BYTES;
}

/* The kernel is told what is behind a tag. Left to itself it takes the bytes behind the type for the
 * tag, and goes by them when a tap of several queues steers. A datagram without a tag is told as one, so
 * that it steers by the addresses in it, as when it came. */
static void send_back(struct kc_far_end *f, const uint8_t *frame, size_t len)
{
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(type_of(frame) == ETH_P_IP ? ETH_P_IP : KC_FAR_END_TYPE),
		.sll_ifindex = f->index, .sll_halen = ETH_ALEN,
	};

	if (sendto(f->fd[FRAMES], frame, len, MSG_DONTWAIT, (const struct sockaddr *)&to,
		   sizeof(to)) >= 0 || errno != EMSGSIZE)
		return;
	pthread_mutex_lock(&f->lock);
	f->too_long = (uint32_t)len;
	pthread_mutex_unlock(&f->lock);
}

static void send_all_back(struct kc_far_end *f)
{
	uint8_t *frame;
	ssize_t n;

	atomic_store(&f->busy, true);
	while ((n = take(f, &frame)) >= 0)
		if (n > 0)
			send_back(f, frame, (size_t)n);
	atomic_store(&f->busy, false);
}

/* --- The thread --------------------------------------------------------------------------------- */

static void *serve(void *arg)
{
	struct kc_far_end *f = arg;
	struct pollfd p[FDS];

	for (unsigned i = 0; i < FDS; i++)
		p[i] = (struct pollfd){ .fd = f->fd[i], .events = POLLIN };
	look(f);
	for (;;) {
		if (poll(p, FDS, -1) < 0)
			continue;
		if (p[STOP].revents)
			return NULL;
		if (p[LINKS].revents) {
			drain_links(f);
			look(f);
		}
		if (p[FRAMES].revents)
			send_all_back(f);
	}
}

/* --- Life --------------------------------------------------------------------------------------- */

static int open_links(struct kc_far_end *f)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };

	f->fd[LINKS] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (f->fd[LINKS] < 0 || bind(f->fd[LINKS], (struct sockaddr *)&to, sizeof(to)))
		return -errno;
	return 0;
}

/* Sees nothing before it is bound. */
static int open_frames(struct kc_far_end *f)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, room = ROOM;

	f->fd[FRAMES] = fd;
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)))
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return 0;
}

static int open_all(struct kc_far_end *f, struct kc_err *err)
{
	int ret = open_frames(f);

	if (ret == -EPERM)
		return kc_err_set(err, ret, "a packet socket at the far end of tap %s: %s; it takes "
				  "CAP_NET_RAW: run as root, or with unshare -rn in a namespace of "
				  "its own", f->ifname, strerror(-ret));
	if (ret)
		return kc_err_set(err, ret, "a packet socket at the far end of tap %s: %s",
				  f->ifname, strerror(-ret));
	ret = open_links(f);
	if (ret)
		return kc_err_set(err, ret, "a netlink socket for tap %s: %s", f->ifname,
				  strerror(-ret));
	f->fd[STOP] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->fd[STOP] < 0)
		return kc_err_set(err, -errno, "eventfd: %s", strerror(errno));
	ret = pthread_create(&f->thread, NULL, serve, f);
	f->runs = !ret;
	return ret ? kc_err_set(err, -ret, "a thread for tap %s: %s", f->ifname, strerror(ret)) : 0;
}

struct kc_far_end *kc_far_end_start(const char *ifname, int *code, struct kc_err *err)
{
	struct kc_far_end *f = calloc(1, sizeof(*f));
	pthread_condattr_t attr;

	if (!f) {
		*code = kc_err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	strncpy(f->ifname, ifname, sizeof(f->ifname) - 1);
	for (unsigned i = 0; i < FDS; i++)
		f->fd[i] = -1;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, &attr);
	pthread_condattr_destroy(&attr);
	*code = open_all(f, err);
	if (*code) {
		kc_far_end_stop(f);
		return NULL;
	}
	return f;
}

void kc_far_end_stop(struct kc_far_end *f)
{
	if (!f)
		return;
	if (f->runs) {
		eventfd_write(f->fd[STOP], 1);
		pthread_join(f->thread, NULL);
	}
	for (unsigned i = 0; i < FDS; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* --- For the caller ----------------------------------------------------------------------------- */

/* Until something has changed, or for a moment. The lock is held. */
static void wait_for_change(struct kc_far_end *f, int64_t deadline_ns)
{
	int64_t until = kc_clock_ns() + SLICE_NS;
	struct timespec t;

	if (until > deadline_ns)
		until = deadline_ns;
	t = (struct timespec){ .tv_sec = until / 1000000000, .tv_nsec = until % 1000000000 };
	pthread_cond_timedwait(&f->changed, &f->lock, &t);
}

/* Where the interface is now: news of it may be on its way. The lock is held. */
static bool stands(const struct kc_far_end *f)
{
	struct kc_netif n;

	return f->index && !kc_netif_look(f->ifname, &n) && n.up && n.index == f->index;
}

int kc_far_end_wait(struct kc_far_end *f, int64_t timeout_ns, struct kc_err *err)
{
	int64_t deadline_ns = kc_clock_ns() + timeout_ns;
	bool there;
	int ret = 0;

	pthread_mutex_lock(&f->lock);
	while (!(there = stands(f)) && kc_clock_ns() < deadline_ns && !kc_stop_waiting)
		wait_for_change(f, deadline_ns);
	if (!there && f->wrong)
		ret = kc_err_set(err, f->wrong, "%s", f->err.msg);
	else if (!there && kc_stop_waiting)
		ret = kc_err_set(err, -EINTR, "interrupted");
	else if (!there)
		ret = kc_err_set(err, -ETIMEDOUT, "there is no interface %s that is up, %.1f s after "
				 "the back-end was; it must make it, or: ip tuntap add dev %s mode "
				 "tap; ip link set dev %s up", f->ifname, (double)timeout_ns / 1e9,
				 f->ifname, f->ifname);
	pthread_mutex_unlock(&f->lock);
	return ret;
}

/* The socket is looked at first: a frame leaves it for the thread's hands, never the other way. */
bool kc_far_end_quiet(struct kc_far_end *f)
{
	struct pollfd p = { .fd = f->fd[FRAMES], .events = POLLIN };

	return poll(&p, 1, 0) <= 0 && !atomic_load(&f->busy);
}

int kc_far_end_fault(struct kc_far_end *f, struct kc_err *err)
{
	struct tpacket_stats s = { 0 };
	socklen_t len = sizeof(s);
	int ret = 0;

	pthread_mutex_lock(&f->lock);
	/* These count from the last look. */
	if (!getsockopt(f->fd[FRAMES], SOL_PACKET, PACKET_STATISTICS, &s, &len))
		f->lost += s.tp_drops;
	if (f->too_long)
		ret = kc_err_set(err, -EIO, "a frame of %u bytes did not fit into %s: ip link set dev "
				 "%s mtu %u", f->too_long, f->ifname, f->ifname,
				 f->too_long - (unsigned)ETH_HLEN);
	else if (f->lost)
		ret = kc_err_set(err, -EIO, "kickcall had no room for %llu frames that came out of "
				 "%s", (unsigned long long)f->lost, f->ifname);
	pthread_mutex_unlock(&f->lock);
	return ret;
}

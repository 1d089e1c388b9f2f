/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the old ioctls on a socket of any kind know all that is asked here. IPv6 is the
 * one protocol that sends by itself on an interface without addresses (router solicitations, reports of
 * multicast groups); it is switched off by a file in /proc, which shows the reader's own namespace and
 * is not there if the kernel has no IPv6, or the interface an MTU too small for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <common/netif.h>

bool kc_netif_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < IFNAMSIZ && !strpbrk(name, "/:% \t\n\v\f\r") && strcmp(name, ".") &&
	       strcmp(name, "..");
}

static int call(const char *name, unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)	/* a kernel without IPv4 */
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	ret = ioctl(fd, request, ifr) ? -errno : 0;
	close(fd);
	return ret;
}

int kc_netif_look(const char *name, struct kc_netif *n)
{
	struct ifreq ifr = { .ifr_ifindex = 0 };
	int ret = call(name, SIOCGIFINDEX, &ifr);

	*n = (struct kc_netif){ .index = ifr.ifr_ifindex };
	if (!ret)
		ret = call(name, SIOCGIFMTU, &ifr);
	n->mtu = ifr.ifr_mtu;
	if (!ret)
		ret = call(name, SIOCGIFFLAGS, &ifr);
	n->up = !ret && ifr.ifr_flags & IFF_UP;
	return ret;
}

int kc_netif_set_up(const char *name, struct kc_err *err)
{
	struct ifreq ifr = { .ifr_flags = 0 };
	int ret = call(name, SIOCGIFFLAGS, &ifr);

	if (!ret && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		ret = call(name, SIOCSIFFLAGS, &ifr);
	}
	if (!ret)
		return 0;
	return kc_err_set(err, ret, "%s cannot be set up: %s; as root: ip link set dev %s up", name,
			  strerror(-ret), name);
}

int kc_netif_set_mtu(const char *name, int mtu, struct kc_err *err)
{
	struct ifreq ifr = { .ifr_mtu = 0 };
	int ret = call(name, SIOCGIFMTU, &ifr);

	if (!ret && ifr.ifr_mtu != mtu) {
		ifr.ifr_mtu = mtu;
		ret = call(name, SIOCSIFMTU, &ifr);
	}
	if (!ret)
		return 0;
	return kc_err_set(err, ret, "the MTU of %s cannot be set: %s; as root: ip link set dev %s mtu %d",
			  name, strerror(-ret), name, mtu);
}

int kc_netif_silence(const char *name, struct kc_err *err)
{
	char path[64], is = 0;
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%.*s/disable_ipv6", IFNAMSIZ, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return kc_err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (read(fd, &is, 1) != 1)
		is = 0;
	close(fd);
	if (is == '1')
		return 0;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1\n", 2) != 2)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	if (!ret)
		return 0;
	return kc_err_set(err, ret, "IPv6 would send frames of its own through %s, and cannot be switched "
			  "off: %s; as root: sysctl -w net.ipv6.conf.%s.disable_ipv6=1", name,
			  strerror(-ret), name);
}

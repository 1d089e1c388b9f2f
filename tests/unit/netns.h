/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_NETNS_H
#define TESTS_UNIT_NETNS_H

/*
 * A network namespace of the test's own, in which it may make interfaces whoever runs it, and
 * taps in it. Where the system allows neither, such tests are skipped, and say why. Include
 * cmocka.h before.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <common/netif.h>

static const char *netns_missing = "not entered";

static inline void netns_map(const char *file, unsigned id)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "0 %u 1", id) > 0);
	close(fd);
}

/* For a group; before there are threads. */
static inline int netns_setup(void **state)
{
	unsigned uid = getuid(), gid = getgid();
	int fd;

	(void)state;
	netns_missing = NULL;
	if (access("/dev/net/tun", R_OK | W_OK)) {
		netns_missing = "/dev/net/tun cannot be used";
	} else if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		netns_missing = "user and network namespaces are forbidden";
	} else {
		fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
		if (fd >= 0)
			dprintf(fd, "deny");
		close(fd);
		netns_map("/proc/self/uid_map", uid);
		netns_map("/proc/self/gid_map", gid);
	}
	if (netns_missing)
		print_message("skipped: %s\n", netns_missing);
	return 0;
}

#define NETNS_NEEDED()	do { if (netns_missing) skip(); } while (0)

/* Lays a capability down, or takes it up again. */
static inline void netns_capable(unsigned cap, bool on)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	assert_int_equal(syscall(SYS_capget, &h, d), 0);
	if (on)
		d[CAP_TO_INDEX(cap)].effective |= CAP_TO_MASK(cap);
	else
		d[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	assert_int_equal(syscall(SYS_capset, &h, d), 0);
}

/* A tap that is not up; goes with its descriptor. more: IFF_MULTI_QUEUE, a queue each time. */
static inline int tap_queue(const char *name, short more)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | more };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr))
		fail_msg("tap %s: %s", name, strerror(errno));
	return fd;
}

static inline int tap_make(const char *name)
{
	return tap_queue(name, 0);
}

/* Bytes of the next frame, within 5 s; 0: none came. */
static inline ssize_t tap_read(int fd, void *buf, size_t cap)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 5000) == 1 ? read(fd, buf, cap) : 0;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The far side of the network device: a row of kinds[] each for a loop and a tap.
 *
 * The loop holds one frame, from sending to the receiving that follows it at once; it comes back on the
 * pair that it was sent on.
 *
 * A tap is an interface of this machine: what we write into its descriptor, the machine receives, and
 * the other way round. The interface goes away with the descriptor, unless somebody has made it
 * persistent. A frame that comes says nothing of pairs. It is for the one that was the last to send
 * between these two addresses, in either direction, as a device with several pairs steers; between
 * addresses that nobody has sent to or from, for the first pair.
 *
 * Frames are as on a wire: no offloads, whose fields a tap could carry (IFF_VNET_HDR); the device has
 * completed the checksum before. A queue of the kernel's that is full loses the frame, and so does one
 * that is longer than any of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <linux/if_tun.h>
#include <common/netif.h>
#include <backend/reference/ref_link.h>

#define TUN		"/dev/net/tun"
#define FLOWS		256u

struct kind {
	bool wire;
	int (*open)(struct kc_ref_link *l, const char *tap, struct kc_err *err);
	void (*send)(struct kc_ref_link *l, const struct kc_ref_frame *f, unsigned pair);
	bool (*receive)(struct kc_ref_link *l, struct kc_ref_frame *f, unsigned *pair);
};

struct kc_ref_link {
	const struct kind *kind;
	/* The loop. */
	bool full;
	unsigned pair;
	struct kc_ref_frame frame;
	/* The tap. */
	int fd;				/* -1: none */
	uint8_t pair_of[FLOWS];		/* by flow_of() */
};

/* ---- loop ---- */

static int loop_open(struct kc_ref_link *l, const char *tap, struct kc_err *err)
{
	(void)l;
	(void)tap;
	(void)err;
	return 0;
}

static void loop_send(struct kc_ref_link *l, const struct kc_ref_frame *f, unsigned pair)
{
	l->frame = *f;
	l->pair = pair;
	l->full = true;
}

static bool loop_receive(struct kc_ref_link *l, struct kc_ref_frame *f, unsigned *pair)
{
	if (!l->full)
		return false;
	*f = l->frame;
	*pair = l->pair;
	l->full = false;
	return true;
}

/* ---- tap ---- */

static int no_tap(const char *tap, int error, struct kc_err *err)
{
	if (error == EPERM)
		return kc_err_set(err, -error, "tap %s cannot be made: %s; it takes CAP_NET_ADMIN "
				  "(unshare -rn gives it in a namespace of its own), or, as root: "
				  "ip tuntap add dev %s mode tap user NAME", tap, strerror(error), tap);
	if (error == EBUSY)
		return kc_err_set(err, -error, "tap %s: another process has it; end that, or take "
				  "another name", tap);
	if (error == EINVAL)
		return kc_err_set(err, -error, "%s is an interface already, and no tap; take another "
				  "name", tap);
	return kc_err_set(err, -error, "tap %s: %s", tap, strerror(error));
}

static int get_tap(struct kc_ref_link *l, const char *tap, struct kc_err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	if (!kc_netif_name_valid(tap))
		return kc_err_set(err, -EINVAL, "no interface can be called '%s'", tap);
	l->fd = open(TUN, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (l->fd < 0)
		return kc_err_set(err, -errno, "tap %s: " TUN ": %s; as root: modprobe tun", tap,
				  strerror(errno));
	memcpy(ifr.ifr_name, tap, strlen(tap) + 1);
	return ioctl(l->fd, TUNSETIFF, &ifr) ? no_tap(tap, errno, err) : 0;
}

/* Silent before it is up: nothing is sent on an interface that is down. */
static int tap_open(struct kc_ref_link *l, const char *tap, struct kc_err *err)
{
	struct kc_netif n;
	int ret = get_tap(l, tap, err);

	if (ret)
		return ret;
	ret = kc_netif_silence(tap, err);
	if (!ret && (kc_netif_look(tap, &n) || n.mtu < (int)KC_REF_LINK_MTU))
		ret = kc_netif_set_mtu(tap, KC_REF_LINK_MTU, err);
	return ret ? ret : kc_netif_set_up(tap, err);
}

/* The same for both directions. */
static unsigned flow_of(const struct kc_ref_frame *f)
{
	unsigned flow = 0;

	for (unsigned i = 0; i < 2 * ETH_ALEN; i++)
		flow += f->bytes[i];
	return flow % FLOWS;
}

static void tap_send(struct kc_ref_link *l, const struct kc_ref_frame *f, unsigned pair)
{
	l->pair_of[flow_of(f)] = (uint8_t)pair;
	if (write(l->fd, f->bytes, f->len) < 0)
		return;		/* lost */
}

static bool tap_receive(struct kc_ref_link *l, struct kc_ref_frame *f, unsigned *pair)
{
	uint8_t buf[KC_REF_FRAME_MAX + 1];
	ssize_t n = read(l->fd, buf, sizeof(buf));

	if (n < 0)
		return false;
	*f = (struct kc_ref_frame){ .len = 0 };
	if (n >= ETH_HLEN && n <= (ssize_t)KC_REF_FRAME_MAX) {
		f->len = (uint32_t)n;
		memcpy(f->bytes, buf, (size_t)n);
	}
	*pair = l->pair_of[flow_of(f)];
	return true;
}

/* ---- either ---- */

static const struct kind kinds[] = {
	{ false, loop_open, loop_send, loop_receive },
	{ true, tap_open, tap_send, tap_receive },
};

struct kc_ref_link *kc_ref_link_open(const char *tap, struct kc_err *err)
{
	struct kc_ref_link *l = calloc(1, sizeof(*l));

	if (!l) {
		kc_err_set(err, -ENOMEM, "no memory for a link");
		return NULL;
	}
	l->kind = &kinds[tap != NULL];
	l->fd = -1;
	if (l->kind->open(l, tap, err)) {
		kc_ref_link_close(l);
		return NULL;
	}
	return l;
}

void kc_ref_link_close(struct kc_ref_link *l)
{
	if (l && l->fd >= 0)
		close(l->fd);
	free(l);
}

bool kc_ref_link_is_wire(const struct kc_ref_link *l)
{
	return l->kind->wire;
}

void kc_ref_link_send(struct kc_ref_link *l, const struct kc_ref_frame *f, unsigned pair)
{
	l->kind->send(l, f, pair);
}

bool kc_ref_link_receive(struct kc_ref_link *l, struct kc_ref_frame *f, unsigned *pair)
{
	return l->kind->receive(l, f, pair);
}

int kc_ref_link_fd(const struct kc_ref_link *l)
{
	return l->fd;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_PROFILE_H
#define HARNESS_RUN_PROFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <guest_model/port.h>
#include <harness/run/data_port.h>
#include <kickcall/err.h>

/*
 * A profile: how a known back-end is started, what its device does, and what is known about it.
 * profiles/NAME.profile, `key value` a line, `#` to the end of a line that begins with it:
 *
 *   title            one line for people
 *   device           device type, e.g. blk (required)
 *   command          words with shell-like quoting ('..', "..", \); {socket} and {dir} stand for
 *                    kickcall's socket path and a private scratch directory (required; must name
 *                    {socket})
 *   listen           yes: kickcall listens and the back-end connects; no (default)
 *   image            NAME SIZE: a file made in {dir} before each start, SIZE with K, M or G
 *   share            NAME: a directory made in {dir} before each start, with known files
 *                    (kickcall/storage.h; `contents pattern` says that the back-end serves it)
 *   contents         what the storage holds at first: pattern (kickcall/storage.h), zeroes, unknown
 *                    (default); decides how the image is filled
 *   writes           kept (default), dropped: a null device
 *   data             what becomes of frames that the guest sends: sink (default), loop: they come
 *                    back, each once, on the receive queue of the pair that they were sent on;
 *                    tap:IFNAME: a tap interface that the back-end makes or takes, and at whose
 *                    other end kickcall sends them back
 *   control          who serves a network device's control queue: vmm (default), back-end
 *   one-shot         yes: the process ends when its connection closes; no (default)
 *   ring-max         largest ring size; default: not known
 *   chain-max        most descriptors in one chain; default: not known
 *   start-timeout-ms from start to the first reply; default 10000
 *   known            file of known failures (harness/run/known.h), beside the profile
 *   jobs             most tests at a time, each slot with a process of its own; default: one for
 *                    each processor
 *   quirk            NAME REASON...: a known way to be different; may be given more than once
 */
#define KC_IMAGE_MAX_BYTES	(1ull << 32)

struct kc_quirk {
	char *name;
	char *reason;
};

struct kc_profile {
	char *name;			/* of the file, without ".profile" */
	char *title;			/* or NULL */
	char *device;
	char **argv;			/* the command's words, NULL-terminated, not filled in */
	bool listen;
	bool one_shot;
	bool writes_dropped;
	struct kc_data_port data;
	bool control;
	enum kc_contents contents;
	char *image;			/* file name, or NULL: no image */
	uint64_t image_bytes;
	char *share;			/* directory name, or NULL: no share */
	uint32_t ring_max, chain_max;	/* 0: not known */
	uint32_t jobs;			/* 0: as many as there are processors */
	int64_t start_timeout_ns;
	char *known;			/* path, or NULL */
	struct kc_quirk *quirks;
	unsigned nquirks;
};

/* Reads a profile. 0; -errno or -EINVAL with "file:line:column: ..." in err (*p is then empty). */
int kc_profile_load(struct kc_profile *p, const char *path, struct kc_err *err);
void kc_profile_fini(struct kc_profile *p);

/*
 * The file of a profile given by the user. What holds a '/' or ends in ".profile" is a path; a name
 * is looked for in $KICKCALL_PROFILES, ./profiles, and ../profiles beside the executable's
 * directory. 0, -ENOENT with the places in err, -ENAMETOOLONG.
 */
int kc_profile_find(const char *name, char path[PATH_MAX], struct kc_err *err);
/* Calls fn with the path of every profile in these directories, by name, each name once (the first
 * place wins). Stops when fn returns something else than 0, and returns that; else 0 or -ENOMEM. */
int kc_profile_each(int (*fn)(void *ctx, const char *path), void *ctx);

/* Makes image and share in dir, replacing older ones; nothing to do without. 0 or -errno. */
int kc_profile_prepare(const struct kc_profile *p, const char *dir, struct kc_err *err);
/* The reason of a quirk, or NULL if the back-end does not have it. */
const char *kc_profile_quirk(const struct kc_profile *p, const char *name);

#endif

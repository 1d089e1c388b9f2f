/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HARNESS_RUN_TARGET_H
#define HARNESS_RUN_TARGET_H

#include <harness/run/options.h>
#include <harness/run/profile.h>
#include <harness/world/world.h>

/* The back-end that a run is about: what the options say, resolved. */
enum kc_target_kind { KC_TARGET_REF, KC_TARGET_SOCKET, KC_TARGET_SPAWN };

struct kc_target {
	enum kc_target_kind kind;
	enum kc_mode mode;
	char *spec;			/* for the report: "ref", "vhost-user:PATH", "profile:NAME", "command" */
	char *command;			/* for the report, or NULL */
	const char *path;		/* socket; borrowed from the options */
	bool listen;			/* kickcall listens */
	char **argv;			/* spawn; borrowed from options or profile */
	struct kc_profile *profile;	/* owned, or NULL */
	const char *device;
	const struct kc_port_ops *port;
	bool writes_allowed;
	bool busy_poll;
	struct kc_data_port data;
	bool control;			/* as in struct kc_world_config */
	unsigned queues_wanted;
};

int kc_target_init(struct kc_target *t, const struct kc_options *o, struct kc_err *err);
void kc_target_fini(struct kc_target *t);

/* Makes the files that the profile wants in a scratch directory. */
int kc_target_prepare(const struct kc_target *t, const char *dir, struct kc_err *err);
/* A back-end of one's own, as the test's header needs it; NULL: for no test. dir: its scratch
 * directory, prepared. */
struct kc_backend *kc_target_backend(const struct kc_target *t, const char *dir,
				     const struct kc_script *test, struct kc_err *err);
/* Is its process a child of ours, that goes on when a connection ends? (It may end all the same.) */
bool kc_target_starts_it(const struct kc_target *t);
/* Must it have a process of its own for this test? To be restarted, because the test may harm it, or since its
 * header needs another one than most tests have. */
bool kc_target_wants_own(const struct kc_target *t, const struct kc_script *test);
/* What the world must know of it. */
void kc_target_world(const struct kc_target *t, struct kc_world_config *cfg);
/* The tap interface at the back-end's far side; NULL: there is none. One back-end at a time can have it. */
const char *kc_target_tap(const struct kc_target *t);
/* Can several tests at once have a back-end each? */
bool kc_target_parallel(const struct kc_target *t);

#endif

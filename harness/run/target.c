/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <backend/adapters.h>
#include <harness/run/share.h>
#include <harness/run/target.h>
#include <kickcall/storage.h>

#define START_TIMEOUT_NS	(10ll * 1000 * 1000 * 1000)
#define REF_THROTTLE		1000u		/* requests a second, for scenarios that need a slow one */
#define REF_SHARE		"share"
#define REF_CAPACITY		(2ull << 20)	/* small: every test fills it anew */

static char *join(char *const *argv)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (unsigned i = 0; argv[i]; i++)
		fprintf(f, "%s%s", i ? " " : "", argv[i]);
	fclose(f);
	return text;
}

static int from_spec(struct kc_target *t, const char *spec, struct kc_err *err)
{
	static const struct { const char *prefix; bool listen; } kinds[] = {
		{ "vhost-user:", false }, { "vhost-user-server:", true },
	};

	t->spec = strdup(spec);
	if (!strcmp(spec, "ref")) {
		t->kind = KC_TARGET_REF;
		return 0;
	}
	for (unsigned i = 0; i < 2; i++) {
		size_t n = strlen(kinds[i].prefix);

		if (strncmp(spec, kinds[i].prefix, n))
			continue;
		if (!spec[n])
			return kc_err_set(err, -EINVAL, "a path is missing after '%s'", spec);
		t->kind = KC_TARGET_SOCKET;
		t->path = spec + n;
		t->listen = kinds[i].listen;
		return 0;
	}
	return kc_err_set(err, -EINVAL, "a back-end is ref, vhost-user:PATH or vhost-user-server:PATH, "
			  "not '%s'", spec);
}

static int from_profile(struct kc_target *t, const char *name, struct kc_err *err)
{
	char path[PATH_MAX], spec[300];
	int ret = kc_profile_find(name, path, err);

	if (ret)
		return ret;
	t->profile = calloc(1, sizeof(*t->profile));
	if (!t->profile)
		return kc_err_set(err, -ENOMEM, "out of memory");
	ret = kc_profile_load(t->profile, path, err);
	if (ret)
		return ret;
	snprintf(spec, sizeof(spec), "profile:%s", t->profile->name);
	t->spec = strdup(spec);
	t->kind = KC_TARGET_SPAWN;
	t->argv = t->profile->argv;
	t->listen = t->profile->listen;
	t->device = t->profile->device;
	return 0;
}

static int choose_mode(struct kc_target *t, const struct kc_options *o, struct kc_err *err)
{
	bool ref = t->kind == KC_TARGET_REF, tap = t->data.kind == KC_DATA_TAP;

	if (o->mode == KC_CHOOSE_SIM && tap)
		return kc_err_set(err, -EINVAL, "--mode sim has no machine with a tap: --mode live, or another "
				  "--data than tap:%s", t->data.tap);
	if (o->mode == KC_CHOOSE_SIM && !ref)
		return kc_err_set(err, -EINVAL, "--mode sim needs a back-end in this process (--backend ref)");
	t->mode = ref && !tap && o->mode != KC_CHOOSE_LIVE ? KC_MODE_SIM : KC_MODE_LIVE;
	return 0;
}

/* What the user says comes first. The reference is a loop by itself. */
static int choose_data(struct kc_target *t, const struct kc_options *o, struct kc_err *err)
{
	if (t->profile)
		t->data = t->profile->data;
	if (o->data && kc_data_port_parse(&t->data, o->data, err))
		return kc_err_wrap(err, -EINVAL, "--data");
	if (t->kind == KC_TARGET_REF && t->data.kind == KC_DATA_SINK)
		t->data.kind = KC_DATA_LOOP;
	if (t->data.kind == KC_DATA_TAP && strcmp(t->device, "net"))
		return kc_err_set(err, -EINVAL, "tap:%s is for network devices: --device net, not %s", t->data.tap,
				  t->device);
	return 0;
}

int kc_target_init(struct kc_target *t, const struct kc_options *o, struct kc_err *err)
{
	int ret = 0;

	*t = (struct kc_target){ .writes_allowed = true };
	if (o->profile) {
		ret = from_profile(t, o->profile, err);
	} else if (o->argv) {
		t->kind = KC_TARGET_SPAWN;
		t->argv = o->argv;
		t->listen = o->listen;
		t->spec = strdup("command");
	} else {
		ret = from_spec(t, o->backend ? o->backend : "ref", err);
	}
	if (ret)
		return ret;
	if (t->argv)
		t->command = join(t->argv);
	if (o->device)
		t->device = o->device;
	if (!t->device)
		t->device = "blk";
	t->port = kc_port_by_name(t->device);
	if (!t->port)
		return kc_err_set(err, -EINVAL, "unknown device '%s' (kickcall list devices)", t->device);
	if (t->kind == KC_TARGET_SOCKET)
		t->writes_allowed = o->destructive;
	/* The reference has no VMM beside it that would serve the control queue. */
	t->control = o->control || t->kind == KC_TARGET_REF || (t->profile && t->profile->control);
	t->busy_poll = o->busy_poll || (t->profile && kc_profile_quirk(t->profile, "busy-poll"));
	ret = choose_data(t, o, err);
	return ret ? ret : choose_mode(t, o, err);
}

void kc_target_fini(struct kc_target *t)
{
	if (t->profile)
		kc_profile_fini(t->profile);
	free(t->profile);
	free(t->spec);
	free(t->command);
	*t = (struct kc_target){ 0 };
}

int kc_target_prepare(const struct kc_target *t, const char *dir, struct kc_err *err)
{
	if (t->kind == KC_TARGET_REF && !strcmp(t->device, "fs"))
		return kc_share_make(dir, REF_SHARE, err);
	return t->profile ? kc_profile_prepare(t->profile, dir, err) : 0;
}

bool kc_target_starts_it(const struct kc_target *t)
{
	return t->kind == KC_TARGET_SPAWN || (t->kind == KC_TARGET_REF && t->mode == KC_MODE_LIVE);
}

/* The reference is not to be harmed. */
bool kc_target_wants_own(const struct kc_target *t, const struct kc_script *test)
{
	static const char *const any[] = { "restart", "hostile", NULL };
	static const char *const reference[] = { "restart", "ro", "throttle", "persistent", NULL };

	for (const char *const *need = t->kind == KC_TARGET_REF ? reference : any; *need; need++)
		if (kc_script_needs(test, *need))
			return true;
	return false;
}

/* "needs ro" asks for a read-only disk, "needs throttle" for a slow one, "needs persistent" for one on a
 * file: this back-end can be each. A file system is on a directory in any case. */
static struct kc_backend *reference(const struct kc_target *t, const struct kc_script *test,
				    const char *dir, struct kc_err *err)
{
	const char *file = strcmp(t->device, "fs") ? "disk.img" : REF_SHARE;
	char path[PATH_MAX];
	struct kc_ref_config c = {
		.device = t->device, .capacity = REF_CAPACITY,
		.read_only = test && kc_script_needs(test, "ro"),
		.tap = kc_target_tap(t),
		.requests_per_s = test && kc_script_needs(test, "throttle") ? REF_THROTTLE : 0,
	};

	if (!strcmp(file, REF_SHARE) || (test && kc_script_needs(test, "persistent"))) {
		if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path)) {
			kc_err_set(err, -ENAMETOOLONG, "%s: the name of its folder is too long", file);
			return NULL;
		}
		c.file = path;
	}
	if (t->mode == KC_MODE_LIVE)
		return kc_backend_new_forked(&c, err);
	if (!test || kc_script_needs(test, "messages"))
		return kc_backend_new_stream(&c, err);
	return kc_backend_new_inproc(&c, err);
}

struct kc_backend *kc_target_backend(const struct kc_target *t, const char *dir,
				     const struct kc_script *test, struct kc_err *err)
{
	struct kc_spawn_config sc = {
		.argv = t->argv, .listen = t->listen, .dir = dir,
		.start_timeout_ns = t->profile ? t->profile->start_timeout_ns : START_TIMEOUT_NS,
	};

	if (t->kind == KC_TARGET_REF)
		return reference(t, test, dir, err);
	if (t->kind == KC_TARGET_SOCKET)
		return kc_backend_new_socket(t->path, t->listen, err);
	return kc_backend_new_spawned(&sc, err);
}

void kc_target_world(const struct kc_target *t, struct kc_world_config *cfg)
{
	const struct kc_profile *p = t->profile;

	cfg->writes_allowed = t->writes_allowed;
	cfg->served = t->kind == KC_TARGET_SOCKET;
	cfg->busy_poll = t->busy_poll;
	cfg->can_throttle = t->kind == KC_TARGET_REF;
	cfg->data_loop = t->data.kind != KC_DATA_SINK;
	cfg->control = t->control;
	cfg->contents = t->kind == KC_TARGET_REF ? KC_CONTENTS_PATTERN : KC_CONTENTS_UNKNOWN;
	cfg->persistent = t->kind == KC_TARGET_REF;
	if (!p)
		return;
	cfg->persistent = p->image && !p->writes_dropped;
	cfg->contents = p->contents;
	cfg->writes_dropped = p->writes_dropped;
	cfg->ring_max = p->ring_max;
	cfg->chain_max = p->chain_max;
	cfg->never_polls = kc_profile_quirk(p, "never-polls");
	cfg->no_reset = kc_profile_quirk(p, "no-reset");
	cfg->rings_together = kc_profile_quirk(p, "rings-together");
	cfg->quick = kc_profile_quirk(p, "quick");
}

const char *kc_target_tap(const struct kc_target *t)
{
	return t->data.kind == KC_DATA_TAP ? t->data.tap : NULL;
}

bool kc_target_parallel(const struct kc_target *t)
{
	return t->kind != KC_TARGET_SOCKET && !kc_target_tap(t);
}
